//! Which program is this? The OCI runtime, `embargo check` and `embargo exec-patch`.

fn main() {}
