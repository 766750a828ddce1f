//! Who is next, and when is it enough?
