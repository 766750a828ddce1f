//! What was typed behind `exec-patch`?
