//! Reports the progress of a long piece of work.
//!
//! Reading or making a list of millions of digests takes seconds. A caller may pass a [`Watch`].
//! Its methods are called by any thread, in any order, with the number of bytes still to do or just
//! done.

/// Receives the progress of a piece of work.
pub trait Watch: Sync {
    /// Adds this many bytes to the work that is to be done.
    fn expect(&self, more: u64);

    /// Says that this many more bytes are done.
    fn advance(&self, steps: u64);
}

/// Ignores all progress.
impl Watch for () {
    fn expect(&self, _: u64) {}

    fn advance(&self, _: u64) {}
}
