//! Which processes did a patch start, and are they gone?
