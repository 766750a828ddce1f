//! Makes, signs, reads and queries the list of banned digests.
//!
//! The way goes from a reviewed text (`source`) to one signed file (`head`, `tree`, `record`, bound
//! by `keyset`) to verified look-ups on a node (`store`).
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
//! Only the head is signed. A look-up reads the head, one path of nodes from the root to a leaf,
//! and on a hit the table and the blocks of the records that it needs. Each piece is hashed before
//! a byte of it is interpreted.

pub mod record;
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
pub mod store;
#[cfg(feature = "ctl")]
pub mod answers;
#[cfg(feature = "ctl")]
pub mod source;
#[cfg(feature = "ctl")]
pub mod compile;
#[cfg(feature = "ctl")]
pub mod whole;
#[cfg(feature = "ctl")]
pub mod change;

#[cfg(test)]
#[cfg(feature = "ctl")]
pub(crate) mod testing;
