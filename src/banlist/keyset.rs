//! Reads and writes a keyset, which says whose signatures count.
//!
//! In: the text of `/etc/embargo/keyset`, at most 16 KiB, which configuration management writes.
//! Although the file is trusted, its format is strict. Out: [`Keyset`]. The file may contain
//! signatures of root keys. This file reads these signatures, and `rotation` checks them.
//!
//! ```text
//! embargo/banlist-keyset/v1
//! origin: bans.example.com/prod
//! keyset: 1
//! issued: 2026-11-20T14:00:00Z
//! expires: 2028-11-20T14:00:00Z
//! threshold: root=0 list=1 lift=1
//! key list alice ed25519 <base64 of the 32 bytes>
//! key list kms-1 p256 <base64 of the SubjectPublicKeyInfo>
//! ```

use crate::sys::clock::Timestamp;

use super::head::{self, HEAD_SIZE};
use super::key::{Algorithm, PublicKey};
use super::note::{self, Enough, MAX_SIGNATURES, Note, Signature};
use super::text::{self, Lines, Malformed};
use super::{base64, error::SignatureTally};

/// The largest keyset, in bytes.
pub const MAX_KEYSET: u64 = 16 << 10;

const FORMAT: &str = "embargo/banlist-keyset/v1";

/// The keys of an origin, and what they may sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyset {
    /// The origin of the lists that the keys sign.
    pub origin: String,
    /// The number of the keyset. Every rotation raises it by one.
    pub number: u64,
    /// When the keyset was issued.
    pub issued: Timestamp,
    /// When a newer keyset should have replaced this keyset. An expired keyset still works.
    pub expires: Timestamp,
    /// How many root keys must sign the next keyset.
    pub root_threshold: usize,
    /// How many list keys must sign a list.
    pub list_threshold: usize,
    /// How many list keys must sign a list that lifts a ban.
    pub lift_threshold: usize,
    /// The keys. No key has the same role twice.
    pub keys: Vec<Key>,
}

/// A key in a keyset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// What the key may sign.
    pub role: Role,
    /// The key's name, which is shown and is part of the key ID.
    pub name: String,
    /// The key.
    pub public: PublicKey,
}

impl Key {
    /// The key's line in a keyset, without the line feed.
    #[must_use]
    pub fn line(&self) -> String {
        let Self { role, name, public } = self;
        format!(
            "key {} {name} {} {}",
            role.word(),
            public.algorithm().word(),
            base64::encode(public.as_bytes())
        )
    }

    /// The key's name, and the public key.
    pub(super) fn named(&self) -> (&str, &PublicKey) {
        (&self.name, &self.public)
    }

    /// Whether `other` has the same role as this key, and also the same name or the same identity.
    fn is_taken_by(&self, other: &Self) -> bool {
        self.role == other.role
            && (self.public.identity() == other.public.identity() || self.name == other.name)
    }

    /// Reads the line of a key; `None` for any other text.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut fields = line.strip_prefix("key ")?.split(' ');
        let (role, name, algorithm, encoded) = (
            fields.next()?,
            fields.next()?,
            fields.next()?,
            fields.next()?,
        );
        let role = [Role::Root, Role::List]
            .into_iter()
            .find(|known| known.word() == role)?;
        let public = PublicKey::new(Algorithm::of_word(algorithm)?, base64::decode(encoded)?)?;
        let key = Self {
            role,
            name: name.to_owned(),
            public,
        };
        (note::is_name(name) && fields.next().is_none()).then_some(key)
    }
}

/// Reads the three thresholds: of root keys, of lists, and of lists that lift bans.
fn thresholds(fields: &str) -> Option<[usize; 3]> {
    let [root, list, lift] = text::numbers(fields, ["root", "list", "lift"])?;
    Some([
        root.try_into().ok()?,
        list.try_into().ok()?,
        lift.try_into().ok()?,
    ])
}

/// What a key may sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A root key, which may sign the next keyset.
    Root,
    /// A list key, which may sign lists.
    List,
}

impl Role {
    /// The role's name in a keyset.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::List => "list",
        }
    }
}

/// The parts of a keyset file: the keyset, and the signatures that a rotation needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedKeyset {
    /// What the keyset says.
    pub keyset: Keyset,
    /// The text that the signatures cover, exactly as it was read.
    pub text: String,
    /// The signatures, which have not been checked.
    pub signatures: Vec<Signature>,
}

impl SignedKeyset {
    /// Divides the bytes of a keyset file into its parts.
    ///
    /// # Errors
    /// [`Malformed`] when the bytes do not have the format above.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.is_empty() {
            return Err(Malformed {
                line: 1,
                expected: "a keyset: it is empty",
            });
        }
        if bytes.get(..HEAD_SIZE).is_some_and(head::may_be_head) {
            return Err(Malformed {
                line: 1,
                expected: "a keyset: it is a list",
            });
        }
        let note = Note::parse(bytes)?;
        let keyset = Keyset::parse(note.text)?;
        Ok(Self {
            keyset,
            text: note.text.to_owned(),
            signatures: note.signatures()?,
        })
    }

    /// The bytes of the file, exactly as they were read: the text, an empty line and the
    /// signatures.
    #[must_use]
    pub fn note(&self) -> String {
        let lines: String = self.signatures.iter().map(Signature::line).collect();
        if lines.is_empty() {
            self.text.clone()
        } else {
            format!("{}\n{lines}", self.text)
        }
    }
}

impl Keyset {
    /// The text of the keyset.
    #[must_use]
    pub fn text(&self) -> String {
        let Self {
            origin,
            number,
            issued,
            expires,
            ..
        } = self;
        let mut text = format!(
            "{FORMAT}\norigin: {origin}\nkeyset: {number}\nissued: {issued}\nexpires: {expires}\n"
        );
        let (root, list, lift) = (
            self.root_threshold,
            self.list_threshold,
            self.lift_threshold,
        );
        text += &format!("threshold: root={root} list={list} lift={lift}\n");
        for key in &self.keys {
            text += &format!("{}\n", key.line());
        }
        text
    }

    /// Reads the text of a keyset.
    ///
    /// # Errors
    /// [`Malformed`] for any text that [`Keyset::text`] would not write, for a key that has the
    /// same role twice, in whatever formats, and for a threshold that cannot be met.
    pub fn parse(signed: &str) -> Result<Self, Malformed> {
        let mut lines = Lines::new(signed);
        lines.exactly("", FORMAT, "\"embargo/banlist-keyset/v1\"")?;
        let origin = lines.value("origin: ", "\"origin: NAME\"", text::origin)?;
        let number = lines.value("keyset: ", "\"keyset: NUMBER\"", text::number)?;
        let issued = lines.value("issued: ", "\"issued: YYYY-MM-DDThh:mm:ssZ\"", text::time)?;
        let expires = lines.time_after(
            issued,
            "expires: ",
            "\"expires: YYYY-MM-DDThh:mm:ssZ\", after the issue",
        )?;
        let [root_threshold, list_threshold, lift_threshold] = lines.value(
            "threshold: ",
            "\"threshold: root=NUMBER list=NUMBER lift=NUMBER\"",
            thresholds,
        )?;
        let unmet = lines.fault("thresholds that the keys can meet");
        let mut keys: Vec<Key> = Vec::new();
        while let Some(rest) = lines.optional("key ") {
            let Some(key) = Key::parse(&format!("key {rest}")) else {
                return Err(lines.fault("\"key ROLE NAME ALGORITHM BASE64\""));
            };
            if keys.iter().any(|known| known.is_taken_by(&key)) {
                return Err(lines.fault("a key and a name that no line above has"));
            }
            keys.push(key);
        }
        lines.end("\"key ROLE NAME ALGORITHM BASE64\"")?;
        let keyset = Self {
            origin,
            number,
            issued,
            expires,
            root_threshold,
            list_threshold,
            lift_threshold,
            keys,
        };
        if keyset.can_be_met() {
            Ok(keyset)
        } else {
            Err(unmet)
        }
    }

    /// Whether the thresholds can be met. There must be at least one list key; lifting must need at
    /// least as many keys as adding; and no threshold may exceed the number of signatures that a
    /// note can have. Root keys and a root threshold must both be there, or both be absent (a
    /// keyset without root keys is replaced by hand).
    fn can_be_met(&self) -> bool {
        let (roots, lists) = (
            self.keys_of(Role::Root).count(),
            self.keys_of(Role::List).count(),
        );
        let root_fits = self.root_threshold <= roots && (self.root_threshold == 0) == (roots == 0);
        root_fits
            && self.list_threshold >= 1
            && self.list_threshold <= self.lift_threshold
            && self.lift_threshold <= lists
            && self.root_threshold.max(self.lift_threshold) <= MAX_SIGNATURES
    }

    /// The keys that have a role.
    pub fn keys_of(&self, role: Role) -> impl Iterator<Item = &Key> {
        self.keys.iter().filter(move |key| key.role == role)
    }

    /// Counts the list keys that signed `text`.
    #[must_use]
    pub fn tally(
        &self,
        text: &str,
        signatures: &[Signature],
        needed: usize,
        enough: Enough,
    ) -> SignatureTally {
        let keys: Vec<_> = self.keys_of(Role::List).map(Key::named).collect();
        note::tally(text, signatures, &keys, needed, enough)
    }
}

#[cfg(test)]
#[cfg(feature = "ctl")]
mod tests;
