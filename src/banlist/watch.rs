//! Reports the progress of a long piece of work.
//!
//! Reading and making a list of millions takes seconds. A caller may pass a [`Watch`]. It is called
//! from any thread and in no order, with what is to be done and what is done, in bytes.

/// Receives the progress of a piece of work.
pub trait Watch: Sync {
    /// There are this many more bytes to work through.
    fn expect(&self, more: u64);

    /// This many more are done.
    fn advance(&self, steps: u64);
}

/// Nobody watches.
impl Watch for () {
    fn expect(&self, _: u64) {}

    fn advance(&self, _: u64) {}
}
