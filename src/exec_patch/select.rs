//! Which running containers is this about?
