//! Reads and writes a list's head.
//!
//! In: the first 4096 bytes of a list (hostile). Out: [`Head`], and the note with the signatures
//! over it. The first line names the format, the second the origin. So a signature that was made
//! for anything else is never valid for a head (raw Ed25519 does not separate domains). Not checked
//! here: the signatures.
//!
//! ```text
//! embargo/banlist-head/v2
//! origin: bans.example.com/prod
//! keyset: 1
//! version: 412
//! issued: 2026-11-20T14:00:00Z
//! expires: 2026-12-04T14:00:00Z
//! impact: guarded
//! urgent: yes
//! entries: 100000 base=99000 image=1000 layer=0 catalogue=0
//! node-size: 1024
//! tree-root: sha256:…
//! tree-size: 4392960
//! records: sha256:… size=18211 block-size=4096
//! source: sha256:… size=9700000
//! ```
//!
//! `impact: acknowledged` says that the signers know how many running containers the list refuses.
//! The line `urgent: yes` is left out of most lists; with it, the signers ask that the list be
//! installed without delay. `records` holds the SHA-256 of the block table. The head of the older
//! format, `embargo/banlist-head/v1`, has neither `urgent` nor `catalogue=`; it is still read.

mod entries;

use crate::lineage::digest::Digest;
use crate::sys::clock::Timestamp;

use super::floor::Edition;
use super::note::{Note, Signature};
pub use super::shape::HEAD_SIZE;
use super::shape::{NODE_SIZE, Shape};
use super::text::{self, Lines, Malformed};
pub use entries::Entries;

/// The largest signed text, in bytes.
pub const MAX_TEXT: usize = 1_024;

/// The size of a block of the records section, in bytes. The last block may be shorter.
pub const BLOCK_SIZE: u64 = 4_096;

/// The largest records section, in bytes. With this limit, its table has at most 256 KiB.
pub const MAX_RECORDS: u64 = 32 << 20;

/// The largest number of entries. With this limit, offsets and indices cannot overflow.
pub const MAX_ENTRIES: u64 = 1 << 32;

/// The format of a list, which is the first line of its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The format without a catalogue and without `urgent`. Such lists are read, and no longer
    /// made.
    V1,
    /// The format of today.
    V2,
}

impl Format {
    const ALL: [Self; 2] = [Self::V1, Self::V2];

    const fn line(self) -> &'static str {
        match self {
            Self::V1 => "embargo/banlist-head/v1",
            Self::V2 => "embargo/banlist-head/v2",
        }
    }

    const fn entries(self) -> &'static str {
        match self {
            Self::V1 => "\"entries: NUMBER base=NUMBER image=NUMBER layer=NUMBER\"",
            Self::V2 => {
                "\"entries: NUMBER base=NUMBER image=NUMBER layer=NUMBER catalogue=NUMBER\""
            }
        }
    }

    fn parse(line: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.line() == line)
    }
}

/// Whether `block`, the first bytes of a file, may be the head of a list: it is long enough, and
/// begins with the line of the format.
#[must_use]
pub fn may_be_head(block: &[u8]) -> bool {
    let begins = |format: Format| {
        let rest = block.strip_prefix(format.line().as_bytes());
        matches!(rest, Some([b'\n', ..]))
    };
    block.len() == HEAD_SIZE && Format::ALL.into_iter().any(begins)
}

/// What the signers of a list confirm with their signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The format of the list.
    pub format: Format,
    /// Who publishes the list, and for what: `bans.example.com/prod`.
    pub origin: String,
    /// The keyset's number and the list's version.
    pub edition: Edition,
    /// When the list was issued.
    pub issued: Timestamp,
    /// When a newer list should have replaced this list.
    pub expires: Timestamp,
    /// Whether the signers know what the list refuses.
    pub impact: Impact,
    /// Whether the signers ask that the list be installed without delay.
    pub urgency: Urgency,
    /// How many digests the list has, by kind.
    pub entries: Entries,
    /// SHA-256 of the tree's root node.
    pub tree_root: Digest,
    /// SHA-256 of the block table.
    pub records: Digest,
    /// The size of the records section, in bytes.
    pub records_size: u64,
    /// SHA-256 of the source: `bans.toml`, then every file of digests, in the order in which
    /// `bans.toml` names them.
    pub source: Digest,
    /// The size of the source, in bytes.
    pub source_size: u64,
}

/// What an installer does if the list would refuse running containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Impact {
    /// The installer stops if the list would refuse more containers than the node's limit.
    Guarded,
    /// The installer continues, because the signers know how many containers the list refuses.
    Acknowledged,
}

impl Impact {
    /// The word in the head.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Guarded => "guarded",
            Self::Acknowledged => "acknowledged",
        }
    }
}

/// How soon the signers of a list want it to be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// As every list.
    Routine,
    /// Without delay.
    Urgent,
}

impl Urgency {
    /// Whether the list is urgent.
    #[must_use]
    pub const fn is_urgent(self) -> bool {
        matches!(self, Self::Urgent)
    }
}

impl Head {
    /// The shape of the tree: its levels and their sizes.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        Shape::of(self.entries.all)
    }

    /// Where the records section starts in the file.
    #[must_use]
    pub const fn records_at(&self) -> u64 {
        HEAD_SIZE as u64 + self.shape().bytes()
    }

    /// How many blocks the records section has.
    #[must_use]
    pub const fn blocks(&self) -> u64 {
        self.records_size.div_ceil(BLOCK_SIZE)
    }

    /// Where the block table starts in the file.
    #[must_use]
    pub const fn table_at(&self) -> u64 {
        self.records_at() + self.records_size
    }

    /// The size of the whole file, in bytes.
    #[must_use]
    pub const fn file_size(&self) -> u64 {
        self.table_at() + self.blocks() * 32
    }

    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        let Edition { keyset, version } = self.edition;
        let Entries {
            all,
            base,
            image,
            layer,
            catalogue,
        } = self.entries;
        let mut lines = vec![
            self.format.line().to_owned(),
            format!("origin: {}", self.origin),
            format!("keyset: {keyset}"),
            format!("version: {version}"),
            format!("issued: {}", self.issued),
            format!("expires: {}", self.expires),
            format!("impact: {}", self.impact.word()),
        ];
        let mut entries = format!("entries: {all} base={base} image={image} layer={layer}");
        match (self.format, self.urgency) {
            (Format::V1, _) => {}
            (Format::V2, Urgency::Routine) => entries += &format!(" catalogue={catalogue}"),
            (Format::V2, Urgency::Urgent) => {
                lines.push("urgent: yes".to_owned());
                entries += &format!(" catalogue={catalogue}");
            }
        }
        lines.extend([
            entries,
            format!("node-size: {NODE_SIZE}"),
            format!("tree-root: {}", self.tree_root),
            format!("tree-size: {}", self.shape().bytes()),
            format!(
                "records: {} size={} block-size={BLOCK_SIZE}",
                self.records, self.records_size
            ),
            format!("source: {} size={}", self.source, self.source_size),
        ]);
        lines.join("\n") + "\n"
    }

    /// Reads the text that was signed.
    ///
    /// # Errors
    /// [`Malformed`] for any text that [`Head::text`] would not write.
    pub fn parse(signed: &str) -> Result<Self, Malformed> {
        let mut lines = Lines::new(signed);
        if signed.len() > MAX_TEXT {
            return Err(lines.fault("at most 1024 bytes of text"));
        }
        let expected = "\"embargo/banlist-head/v2\" or \"embargo/banlist-head/v1\"";
        let format = lines.value("", expected, Format::parse)?;
        let origin = lines.value("origin: ", "\"origin: NAME\"", text::origin)?;
        let keyset = lines.value("keyset: ", "\"keyset: NUMBER\"", text::number)?;
        let version = lines.value("version: ", "\"version: NUMBER\"", text::number)?;
        let issued = lines.value("issued: ", "\"issued: YYYY-MM-DDThh:mm:ssZ\"", text::time)?;
        let expected = "\"expires: YYYY-MM-DDThh:mm:ssZ\", after the issue";
        let expires = lines.time_after(issued, "expires: ", expected)?;
        let expected = "\"impact: guarded\" or \"impact: acknowledged\"";
        let impact = lines.value("impact: ", expected, impact)?;
        let urgency = urgency(&mut lines, format)?;
        let entries = lines.value("entries: ", format.entries(), |text| {
            entries::parse(text, format)
        })?;
        lines.exactly("node-size: ", "1024", "\"node-size: 1024\"")?;
        let tree_root = lines.value("tree-root: ", "\"tree-root: sha256:DIGEST\"", text::digest)?;
        let tree_size = Shape::of(entries.all).bytes();
        lines.exactly(
            "tree-size: ",
            &tree_size.to_string(),
            "\"tree-size: NUMBER\", the size of a tree of so many entries",
        )?;
        let expected = "\"records: sha256:DIGEST size=NUMBER block-size=4096\"";
        let (records, records_size) = lines.value("records: ", expected, records)?;
        let expected = "\"source: sha256:DIGEST size=NUMBER\"";
        let (source, source_size) = lines.value("source: ", expected, source)?;
        lines.end("no more lines")?;
        Ok(Self {
            format,
            origin,
            edition: Edition { keyset, version },
            issued,
            expires,
            impact,
            urgency,
            entries,
            tree_root,
            records,
            records_size,
            source,
            source_size,
        })
    }
}

/// The line `urgent: yes`, which may be missing.
fn urgency(lines: &mut Lines<'_>, format: Format) -> Result<Urgency, Malformed> {
    match format {
        Format::V1 => Ok(Urgency::Routine),
        Format::V2 => match lines.optional("urgent: ") {
            None => Ok(Urgency::Routine),
            Some("yes") => Ok(Urgency::Urgent),
            Some(_) => Err(lines.fault("\"urgent: yes\", or no such line")),
        },
    }
}

fn impact(word: &str) -> Option<Impact> {
    [Impact::Guarded, Impact::Acknowledged]
        .into_iter()
        .find(|impact| impact.word() == word)
}

fn records(fields: &str) -> Option<(Digest, u64)> {
    let (digest, rest) = fields.split_once(' ')?;
    let [size, block] = text::numbers(rest, ["size", "block-size"])?;
    (size <= MAX_RECORDS && block == BLOCK_SIZE).then_some((text::digest(digest)?, size))
}

fn source(fields: &str) -> Option<(Digest, u64)> {
    let (digest, rest) = fields.split_once(' ')?;
    let [size] = text::numbers(rest, ["size"])?;
    Some((text::digest(digest)?, size))
}

/// The parts of a list's head block. None of them is trusted yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// What the head says.
    pub head: Head,
    /// The text that the signatures cover.
    pub text: String,
    /// The signatures.
    pub signatures: Vec<Signature>,
}

impl Claim {
    /// Divides the first [`HEAD_SIZE`] bytes of a list into their parts.
    ///
    /// # Errors
    /// [`Malformed`] when the bytes are not the note of a head, followed by zeros.
    pub fn parse(block: &[u8; HEAD_SIZE]) -> Result<Self, Malformed> {
        let end = block
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(HEAD_SIZE);
        let (used, padding) = block.split_at(end);
        let note = Note::parse(used)?;
        if padding.iter().any(|byte| *byte != 0) {
            let line = used.iter().filter(|byte| **byte == b'\n').count() + 1;
            return Err(Malformed {
                line,
                expected: "zeros up to byte 4096",
            });
        }
        let head = Head::parse(note.text)?;
        Ok(Self {
            head,
            signatures: note.signatures()?,
            text: note.text.to_owned(),
        })
    }

    /// SHA-256 of the signed text. This digest distinguishes two lists of the same edition. Adding
    /// signatures does not change it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.text.as_bytes())
    }

    /// The head block with these signatures. `None` when they do not fit into [`HEAD_SIZE`] bytes,
    /// or are more than a note may have.
    #[must_use]
    pub fn block(&self) -> Option<[u8; HEAD_SIZE]> {
        let mut note = self.text.clone();
        if !self.signatures.is_empty() {
            note.push('\n');
        }
        for signature in &self.signatures {
            note.push_str(&signature.line());
        }
        let mut block = [0; HEAD_SIZE];
        block
            .get_mut(..note.len())?
            .copy_from_slice(note.as_bytes());
        (self.signatures.len() <= super::note::MAX_SIGNATURES).then_some(block)
    }
}

#[cfg(test)]
#[cfg(feature = "ctl")]
mod tests;
