//! What did a patch print, and how much of it is kept?
