//! How is a command run in one container, and how did it end?
