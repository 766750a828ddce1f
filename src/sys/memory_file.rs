//! Makes files that exist only in memory: data for Embargo's own processes, and files that another
//! process may execute and nobody may change.
//!
//! In: bytes. Out: a descriptor, closed on exec. The setting `vm.memfd_noexec` of the PID namespace
//! decides what memfd_create(2) gives (Linux 6.3, Documentation/userspace-api/mfd_noexec.rst). With
//! 1, the caller must ask for an executable file; with 2, no memory file can be executable. In that
//! case the file is put into a tmpfs of its own. This tmpfs is mounted nowhere and is read-only as
//! a whole, so that even root in a container can only read the file when it opens it again. Making
//! the tmpfs takes CAP_SYS_ADMIN. Not checked: what the bytes are.

use std::ffi::CStr;
use std::fs::{File, Permissions};
use std::io::{self, Seek, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SealFlag, fcntl, openat};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::Mode;
use thiserror::Error;

use super::file::{self, Guard};

/// The kernel setting that can forbid executable memory files.
pub const SETTING: &str = "vm.memfd_noexec";

/// The file in `/proc` that contains the value of [`SETTING`].
const SETTING_FILE: &str = "/proc/sys/vm/memfd_noexec";

/// The value of [`SETTING`] that forbids executable memory files (Linux:
/// include/linux/pid_namespace.h, `MEMFD_NOEXEC_SCOPE_NOEXEC_ENFORCED`).
const ENFORCED: &str = "2";

/// `FSCONFIG_…` of include/uapi/linux/mount.h.
const SET_FLAG: u32 = 0;
const SET_STRING: u32 = 1;
const CREATE: u32 = 6;
const RECONFIGURE: u32 = 7;

/// `FSOPEN_CLOEXEC` and `FSMOUNT_CLOEXEC`.
const CLOEXEC: u32 = 1;

/// A file that holds `bytes` and need not be executable. Reading starts at its beginning.
///
/// # Errors
/// What the operating system says.
pub fn data(name: &CStr, bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(create(name, MFdFlags::empty(), libc::MFD_NOEXEC_SEAL)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

/// A file that holds `bytes` and may be executed. Nobody can write it, make it longer or make it
/// shorter.
///
/// # Errors
/// The operating system's error. If `vm.memfd_noexec` forbids the file and a tmpfs cannot be made
/// either, an error that names the setting.
pub fn executable(name: &CStr, bytes: &[u8]) -> io::Result<OwnedFd> {
    match sealed(name, bytes) {
        // If another rule than the setting refused the file, the tmpfs fails for the same reason,
        // or the error of the tmpfs is returned.
        Err(refused) if refused.raw_os_error() == Some(libc::EACCES) && is_forbidden() => {
            unmounted(bytes).map_err(|error| io::Error::new(error.kind(), Forbidden(error)))
        }
        made => made,
    }
}

/// Says that the setting forbids executable memory files, and why a tmpfs could not be made.
#[derive(Debug, Error)]
#[error("{SETTING} is {ENFORCED}, and a tmpfs in its place cannot be had: {0}")]
struct Forbidden(io::Error);

fn is_forbidden() -> bool {
    file::read_text(Path::new(SETTING_FILE), 16, Guard::Any)
        .is_ok_and(|value| value.trim() == ENFORCED)
}

fn sealed(name: &CStr, bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(create(name, MFdFlags::MFD_ALLOW_SEALING, libc::MFD_EXEC)?);
    file.write_all(bytes)?;
    file.set_permissions(Permissions::from_mode(0o555))?;
    let seals = SealFlag::F_SEAL_WRITE
        | SealFlag::F_SEAL_GROW
        | SealFlag::F_SEAL_SHRINK
        | SealFlag::F_SEAL_SEAL;
    // Since Linux 6.3, the file's mode can be sealed as well.
    let with_mode = seals | SealFlag::from_bits_retain(libc::F_SEAL_EXEC);
    match fcntl(&file, FcntlArg::F_ADD_SEALS(with_mode)) {
        Err(Errno::EINVAL) => fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?,
        added => added?,
    };
    Ok(file.into())
}

/// Creates the memory file with a flag that says whether it may be executed. Before Linux 6.3 there
/// is no such flag, and every memory file may be executed.
fn create(name: &CStr, flags: MFdFlags, executable: u32) -> Result<OwnedFd, Errno> {
    let flags = flags | MFdFlags::MFD_CLOEXEC;
    match memfd_create(name, flags | MFdFlags::from_bits_retain(executable)) {
        Err(Errno::EINVAL) => memfd_create(name, flags),
        made => made,
    }
}

/// Makes the executable file in a file system that is mounted nowhere and is read-only.
fn unmounted(bytes: &[u8]) -> io::Result<OwnedFd> {
    const NAME: &CStr = c"embargo-patch";
    let context = open_tmpfs()?;
    configure(&context, SET_STRING, Some((c"mode", c"0555")))?;
    configure(&context, CREATE, None)?;
    let directory = mount(&context)?;
    let flags =
        OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut file = File::from(openat(
        &directory,
        NAME,
        flags,
        Mode::S_IRUSR | Mode::S_IWUSR,
    )?);
    file.write_all(bytes)?;
    file.set_permissions(Permissions::from_mode(0o555))?;
    // As long as a file is open for writing, its file system cannot become read-only.
    drop(file);
    configure(&context, SET_FLAG, Some((c"ro", c"")))?;
    configure(&context, RECONFIGURE, None)?;
    Ok(openat(
        &directory,
        NAME,
        OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
        Mode::empty(),
    )?)
}

/// Opens a context in which a tmpfs can be configured and created.
#[allow(unsafe_code)]
fn open_tmpfs() -> Result<OwnedFd, Errno> {
    // SAFETY: reads a terminated string.
    made(unsafe { libc::syscall(libc::SYS_fsopen, c"tmpfs".as_ptr(), CLOEXEC) })
}

/// Sets a parameter of the tmpfs, or carries out `command`.
#[allow(unsafe_code)]
fn configure(
    context: &OwnedFd,
    command: u32,
    parameter: Option<(&CStr, &CStr)>,
) -> Result<(), Errno> {
    let (mut key, mut value) = (std::ptr::null(), std::ptr::null());
    if let Some((name, text)) = parameter {
        key = name.as_ptr();
        if command != SET_FLAG {
            value = text.as_ptr();
        }
    }
    // SAFETY: reads terminated strings, or none; the descriptor is open.
    Errno::result(unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            context.as_raw_fd(),
            command,
            key,
            value,
            0,
        )
    })
    .map(drop)
}

/// Mounts the tmpfs without putting the mount into a mount namespace.
#[allow(unsafe_code)]
fn mount(context: &OwnedFd) -> Result<OwnedFd, Errno> {
    // SAFETY: takes numbers; the descriptor is open.
    made(unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), CLOEXEC, 0) })
}

#[allow(unsafe_code)]
fn made(descriptor: libc::c_long) -> Result<OwnedFd, Errno> {
    let descriptor = i32::try_from(Errno::result(descriptor)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just made the descriptor for this call; nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// Opens the file again, as root in a container could.
    fn again(file: &OwnedFd, flags: OFlag) -> Result<File, Errno> {
        nix::fcntl::open(
            format!("/proc/self/fd/{}", file.as_raw_fd()).as_str(),
            flags,
            Mode::empty(),
        )
        .map(File::from)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "what it starts is what is tested"
    )]
    fn says(file: &OwnedFd) -> String {
        let mut command = std::process::Command::new(format!(
            "/proc/{}/fd/{}",
            std::process::id(),
            file.as_raw_fd()
        ));
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    }

    #[test]
    fn what_may_be_executed_runs_and_nobody_changes_it() {
        let script = b"#!/bin/sh\necho ran\n";
        let ways = [
            sealed(c"patch", script).map_err(|error| error.raw_os_error()),
            unmounted(script).map_err(|error| error.raw_os_error()),
        ];
        for (way, made) in ways.into_iter().enumerate() {
            // Only root may create a file system.
            let file = match made {
                Ok(file) => file,
                Err(errno) => {
                    assert!(
                        way == 1 && !nix::unistd::geteuid().is_root(),
                        "{way}: {errno:?}"
                    );
                    continue;
                }
            };
            let mut text = String::new();
            again(&file, OFlag::O_RDONLY)
                .unwrap()
                .read_to_string(&mut text)
                .unwrap();
            assert_eq!(
                (text.as_bytes(), says(&file).as_str()),
                (&script[..], "ran\n"),
                "{way}"
            );
            let written = again(&file, OFlag::O_RDWR)
                .and_then(|mut file| file.write_all(b"x").map_err(|_| Errno::EPERM));
            assert!(
                written.is_err() && again(&file, OFlag::O_RDWR | OFlag::O_TRUNC).is_err(),
                "{way}"
            );
            let mut text = String::new();
            again(&file, OFlag::O_RDONLY)
                .unwrap()
                .read_to_string(&mut text)
                .unwrap();
            assert_eq!(text.as_bytes(), script, "{way}");
        }
    }

    #[test]
    fn data_is_read_from_its_beginning() {
        let mut text = String::new();
        data(c"data", b"text")
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "text");
    }

    #[test]
    fn a_setting_that_leaves_no_way_is_named() {
        let error = Forbidden(io::Error::from_raw_os_error(libc::EPERM));
        assert_eq!(
            error.to_string(),
            "vm.memfd_noexec is 2, and a tmpfs in its place cannot be had: Operation not permitted (os error 1)"
        );
    }
}
