//! Who wants to know how far a long piece of work is?
//!
//! Reading and making a list of millions takes seconds. Whoever asks for it may hand over a
//! [`Watch`] and is told, from any thread and in no order, of what is to be done and what is done,
//! in bytes.

/// Is told how far a piece of work is.
pub trait Watch: Sync {
    /// So many more bytes are to be worked through.
    fn expect(&self, more: u64);

    /// So many more are done.
    fn advance(&self, steps: u64);
}

/// Nobody.
impl Watch for () {
    fn expect(&self, _: u64) {}

    fn advance(&self, _: u64) {}
}
