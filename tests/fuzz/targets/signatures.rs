//! Fuzzes the parsers of public keys, signatures and files with either: none panics.
//!
//! The gate parses signatures at every start of a container. The files are read on an author's
//! machine.
#![no_main]

use embargo::banlist::key::sshsig::{Envelope, SshKey};
use embargo::banlist::key::{Algorithm, PublicKey, minisign};
use embargo::ctl::keys::{outside, public};
use libfuzzer_sys::fuzz_target;

const ALL: [Algorithm; 4] = [
    Algorithm::Ed25519,
    Algorithm::P256,
    Algorithm::Sshsig,
    Algorithm::Minisign,
];
const HEAD: &[u8] = include_bytes!("../../fixtures/signatures/head");

fuzz_target!(|bytes: &[u8]| {
    // The first byte is the length of the key, which is followed by the signature. No separator
    // would work, because keys and signatures contain every byte.
    if let Some((length, rest)) = bytes.split_first() {
        let (key, signature) = rest.split_at(usize::from(*length).min(rest.len()));
        for algorithm in ALL {
            if let Some(key) = PublicKey::new(algorithm, key.to_vec()) {
                _ = key.check(HEAD, signature);
                assert_eq!(key.identity(), key.clone().identity());
            }
        }
    }
    _ = (
        SshKey::parse(bytes),
        Envelope::parse(bytes),
        minisign::number(bytes),
        minisign::point(bytes),
    );
    if let Ok((key, _)) = public::parse(bytes) {
        assert_eq!(
            PublicKey::new(key.algorithm(), key.as_bytes().to_vec()),
            Some(key)
        );
    }
    for algorithm in ALL {
        if let Ok(found) = outside::parse(bytes) {
            _ = found.of(algorithm);
        }
    }
});
