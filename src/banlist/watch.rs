//! Reports the progress of a long piece of work.
//!
//! Reading or making a list of millions of digests takes seconds. A caller may pass a [`Watch`].
//! Any thread may call the methods of the `Watch`, in any order. One method adds bytes that are
//! still to be read or written; the other reports bytes that are finished.

/// Receives the progress of a piece of work.
pub trait Watch: Sync {
    /// Adds this many bytes to the work that is to be done.
    fn expect(&self, more: u64);

    /// Reports that this many more bytes are finished.
    fn advance(&self, steps: u64);
}

/// Ignores all progress.
impl Watch for () {
    fn expect(&self, _: u64) {}

    fn advance(&self, _: u64) {}
}
