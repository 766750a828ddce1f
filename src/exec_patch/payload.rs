//! What runs in each container?
