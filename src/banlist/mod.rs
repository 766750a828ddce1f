//! What is banned?
//!
//! From a reviewed text (`source`) to one signed file (`head`, `tree`, `record`, bound by `keyset`) to verified look-ups on a node (`store`).

pub mod record;
