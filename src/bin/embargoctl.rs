//! Which program is this? Keys, lists and a node's upkeep.

fn main() {}
