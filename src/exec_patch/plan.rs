//! What would be done?
