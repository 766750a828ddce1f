//! What was done where, by whom, and how did it end?
