//! Are journals written and read as they should be?
