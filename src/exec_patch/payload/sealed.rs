//! How does a container get a file that nobody can change?
//!
//! In: bytes. Out: a memory file with them that may be executed, and that nobody who holds it can write, grow, shrink or unseal (memfd_create(2),
//! fcntl(2) "File Sealing").

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

/// What it is called in `/proc/pid/maps` and the like.
const NAME: &std::ffi::CStr = c"embargo-patch";

/// A sealed file that holds `bytes`; closed on exec.
pub(super) fn file(bytes: &[u8]) -> Result<OwnedFd, Errno> {
    let errno = |error: std::io::Error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
    let mut file = File::from(create()?);
    file.write_all(bytes).map_err(errno)?;
    file.set_permissions(Permissions::from_mode(0o555)).map_err(errno)?;
    let seals = SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL;
    // From Linux 6.3 on its mode can be sealed as well.
    let with_mode = seals | SealFlag::from_bits_retain(libc::F_SEAL_EXEC);
    if let Err(errno) = fcntl(&file, FcntlArg::F_ADD_SEALS(with_mode)) {
        if errno != Errno::EINVAL {
            return Err(errno);
        }
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    }
    Ok(file.into())
}

/// From Linux 6.3 on a memory file that may be executed must be asked for where `vm.memfd_noexec` says so; before, there is no such flag.
fn create() -> Result<OwnedFd, Errno> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    match memfd_create(NAME, flags | MFdFlags::from_bits_retain(libc::MFD_EXEC)) {
        Err(Errno::EINVAL) => memfd_create(NAME, flags),
        made => made,
    }
}
