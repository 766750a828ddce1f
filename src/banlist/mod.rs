//! Makes, signs, reads and queries the list of banned digests.
//!
//! A reviewed text (`source`) is compiled into one file (`head`, `tree`, `record`), which the keys
//! of a `keyset` sign. On a node, `store` looks digests up in that file and verifies what it reads.
//!
//! ```text
//! banlist.lst
//! ┌──────────┬───────────────────────────────┬──────────────────┬─────────────────────┐
//! │ head     │ tree: 1024-byte nodes, leaves │ records: JSON    │ table: SHA-256 of   │
//! │ 4096 B   │ first, the root last          │ lines            │ each 4096 B of them │
//! └──────────┴───────────────────────────────┴──────────────────┴─────────────────────┘
//!   signed ─── holds the root's hash ────────── and the table's hash
//! ```
//!
//! Only the head is signed. A look-up reads the head and one path of nodes from the root to a leaf.
//! If the digest is banned, it also reads the table, and the blocks of the records that it needs.
//! The hash of each piece is checked before any byte of the piece is interpreted.

pub mod kinds;
pub mod ban;
pub mod catalogue;
pub mod text;
pub mod floor;
pub mod error;
pub mod base64;
pub mod bytes;
#[cfg(feature = "ctl")]
pub mod watch;
pub mod key;
pub mod note;
pub mod shape;
pub mod head;
pub mod keyset;
#[cfg(feature = "ctl")]
pub mod rotation;
pub mod tree;
pub mod section;
pub mod trust;
pub mod hits;
pub mod trial;
pub mod store;
#[cfg(feature = "ctl")]
pub mod answers;
#[cfg(feature = "ctl")]
pub mod source;
#[cfg(feature = "ctl")]
pub mod terms;
#[cfg(feature = "ctl")]
pub mod compile;
#[cfg(feature = "ctl")]
pub mod whole;
#[cfg(feature = "ctl")]
pub mod change;

#[cfg(test)]
#[cfg(feature = "ctl")]
pub(crate) mod testing;
