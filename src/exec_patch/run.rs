//! What happens in one run, from the plan to the exit status?
