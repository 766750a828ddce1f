//! What does a person, or a script, get to read of a run?
