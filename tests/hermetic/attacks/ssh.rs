//! Writes keys and signed messages in the formats of SSH's tools.
//!
//! The code follows OpenSSH's own documents, so that the program's reader is compared with these
//! documents and not with itself.

use embargo::lineage::digest::Digest;

use super::signer::Signer;

/// A string of SSH's wire format (RFC 4251, section 5).
pub(super) fn ssh_string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

/// The blob of an SSH public key (RFC 8709, section 4).
pub(super) fn ssh_key(signer: &Signer) -> Vec<u8> {
    [ssh_string(b"ssh-ed25519"), ssh_string(signer.public())].concat()
}

/// The output of `ssh-keygen -Y sign -n NAMESPACE`, without its armour (OpenSSH: PROTOCOL.sshsig).
pub(super) fn sshsig(signer: &Signer, namespace: &str, message: &[u8]) -> Vec<u8> {
    let hash = Digest::of(message);
    let head = [
        ssh_string(namespace.as_bytes()),
        ssh_string(b""),
        ssh_string(b"sha256"),
    ]
    .concat();
    let signed = [b"SSHSIG", &head[..], &ssh_string(hash.as_bytes())].concat();
    let signature = [ssh_string(b"ssh-ed25519"), ssh_string(&signer.raw(&signed))].concat();
    [
        b"SSHSIG\0\0\0\x01",
        &ssh_string(&ssh_key(signer))[..],
        &head,
        &ssh_string(&signature),
    ]
    .concat()
}
