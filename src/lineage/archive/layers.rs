//! Checks whether the layers of an archive are the layers that its image configs claim.
//!
//! In: the layers of an archive, plain or gzipped (hostile and of any size). Each layer is read
//! once, in pieces, and its bytes are not stored. Out: nothing, or an error for the first layer
//! that is wrong. A gzipped layer takes as long as its decompression takes, whatever its compressed
//! size.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, Read};

use sha2::{Digest as _, Sha256};

use super::source::{MemberSource, first, foreign_compression};
use super::{ArchiveError, ArchivedImage};
use crate::lineage::chain::Chain;
use crate::lineage::digest::{DiffId, Digest};

/// Reads every layer of `images`, and compares the layer with its diff ID.
pub(super) fn verify(source: &MemberSource, images: &[ArchivedImage]) -> Result<(), ArchiveError> {
    let mut expected: BTreeMap<&str, DiffId> = BTreeMap::new();
    for image in images {
        let diff_ids = image.chain.as_ref().map_or(&[][..], Chain::diff_ids);
        for (name, diff_id) in image.layers.iter().zip(diff_ids) {
            let known = expected.insert(name, *diff_id);
            if known.unwrap_or(*diff_id) != *diff_id {
                return Err(source.fault(name, "its images claim different diff IDs for it"));
            }
        }
    }
    let mut missing: BTreeSet<&str> = expected.keys().copied().collect();
    let names = missing.clone();
    source.each(&names, &mut |name, reader| {
        missing.remove(name);
        match expected.get(name) {
            Some(diff_id) => layer(source, name, reader, *diff_id),
            None => Ok(()),
        }
    })?;
    match missing.first() {
        None => Ok(()),
        Some(name) => Err(ArchiveError::NoMember(
            source.path().to_owned(),
            (*name).to_owned(),
        )),
    }
}

fn layer(
    source: &MemberSource,
    name: &str,
    reader: &mut dyn Read,
    diff_id: DiffId,
) -> Result<(), ArchiveError> {
    let mut start = [0; 6];
    let start = source.good(name, first(reader, &mut start))?;
    if let Some(how) = foreign_compression(start) {
        return Err(source.fault(
            name,
            format_args!("it is in {how} form, which is not decompressed here"),
        ));
    }
    let mut stored = Hashing {
        hasher: Sha256::new(),
        inner: start.chain(reader),
    };
    let unpacked = if start.starts_with(b"\x1f\x8b") {
        hash(flate2::bufread::MultiGzDecoder::new(
            BufReader::with_capacity(64 << 10, &mut stored),
        ))
    } else {
        hash(&mut stored)
    };
    let unpacked = source.good(name, unpacked)?;
    // Bytes after the last gzip member belong to the blob, too.
    source.good(name, hash(&mut stored))?;
    if let Some(digest) = name
        .strip_prefix("blobs/sha256/")
        .and_then(Digest::from_hex)
    {
        source.check(
            name,
            digest,
            Digest::from_bytes(stored.hasher.finalize().into()),
        )?;
    }
    source.check(name, diff_id.0, unpacked)
}

/// A reader that also hashes everything that is read.
struct Hashing<R> {
    hasher: Sha256,
    inner: R,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

/// The digest of everything that `reader` returns.
fn hash(mut reader: impl Read) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(Digest::from_bytes(hasher.finalize().into())),
            count => hasher.update(&buffer[..count]),
        }
    }
}
