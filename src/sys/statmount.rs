//! Asks the kernel about one mount.
//!
//! In: a path. Out: the mount that the path is on (statx(2)) and what is known about that mount
//! (statmount(2), Linux 6.8; mount options from 6.11). The query takes a few microseconds, however
//! many mounts there are; `/proc/self/mountinfo` takes three microseconds for each mount. The
//! structures are read by offset, so a kernel with more fields is no problem. Not checked: what the
//! facts mean.

#![allow(unsafe_code)] // Two system calls that neither libc nor nix wraps.

use std::ffi::{CStr, CString};
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The mount that a path is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MountId {
    /// The ID of the mount.
    pub id: u64,
    /// Whether the path is the root of the mount; `None` when the kernel cannot say (before 5.8).
    pub is_root: Option<bool>,
}

/// What statmount(2) returned. A field is `None` if this kernel does not report it, or the mount
/// does not have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MountFacts {
    /// The file system's type, such as `overlay` or `fuse`.
    pub fs_type: Option<Vec<u8>>,
    /// The second half of the type, such as `fuse-overlayfs`.
    pub fs_subtype: Option<Vec<u8>>,
    /// The directory of the file system that is mounted.
    pub root: Option<Vec<u8>>,
    /// What was mounted: a device or a name.
    pub source: Option<Vec<u8>>,
    /// The file system's options, as mountinfo writes them: separated by commas, with `\ooo` for
    /// characters that have a meaning there.
    pub options: Option<Vec<u8>>,
}

/// `struct mnt_id_req` (linux/mount.h), its first version.
#[repr(C)]
struct MountRequest {
    size: u32,
    spare: u32,
    mount_id: u64,
    mask: u64,
}

/// `STATMOUNT_*` of linux/mount.h.
const MNT_ROOT: u64 = 0x8;
const FS_TYPE: u64 = 0x20;
const MNT_OPTS: u64 = 0x80;
const FS_SUBTYPE: u64 = 0x100;
const SB_SOURCE: u64 = 0x200;

/// The size of `struct statmount`, in bytes. The strings follow the structure.
const HEAD: usize = 512;

/// The size, in bytes, of the largest answer that is requested. An overlay of 500 layers has
/// strings of some 100 KiB.
const LARGEST_ANSWER: usize = 1 << 20;

/// The mount that `path` is on; the topmost one if several are stacked. Links are followed. The
/// result contains the mount's ID for statmount(2), which is unique until the machine stops. `None`
/// if the kernel has no such IDs (before 6.8).
///
/// # Errors
/// The errors of statx(2), including `ENOSYS` before Linux 4.11.
pub fn unique_id(path: &Path) -> io::Result<Option<MountId>> {
    statx(path, libc::STATX_MNT_ID_UNIQUE)
}

/// The mount that `path` is on, with the small ID that mountinfo shows. The kernel uses a small ID
/// again after an unmount. `None` before Linux 5.8.
///
/// # Errors
/// The errors of [`unique_id`].
pub fn mountinfo_id(path: &Path) -> io::Result<Option<MountId>> {
    statx(path, libc::STATX_MNT_ID)
}

fn statx(path: &Path, mask: libc::c_uint) -> io::Result<Option<MountId>> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut facts = MaybeUninit::<libc::statx>::zeroed();
    let flags = libc::AT_STATX_DONT_SYNC | libc::AT_NO_AUTOMOUNT;
    // SAFETY: `path` ends with a zero byte and `facts` has the size that the kernel writes; both
    // outlive the call.
    let status = unsafe {
        libc::syscall(
            libc::SYS_statx,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags,
            mask,
            facts.as_mut_ptr(),
        )
    };
    if status != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: every field is a number, so the bytes were valid as zeros, before the kernel wrote to
    // them.
    let facts = unsafe { facts.assume_init() };
    let root = u64::from(libc::STATX_ATTR_MOUNT_ROOT.unsigned_abs());
    let is_root =
        (facts.stx_attributes_mask & root != 0).then_some(facts.stx_attributes & root != 0);
    Ok((facts.stx_mask & mask != 0).then_some(MountId {
        id: facts.stx_mnt_id,
        is_root,
    }))
}

/// What is known about the mount with this unique ID.
///
/// # Errors
/// The errors of statmount(2): `ENOSYS` before Linux 6.8, `EPERM` in a sandbox, `ENOENT` if the
/// mount no longer exists, `EOVERFLOW` if its strings exceed 1 MiB.
pub fn facts_of(id: u64) -> io::Result<MountFacts> {
    let mut answer = vec![0_u8; 8 << 10];
    loop {
        match statmount(id, &mut answer) {
            Err(error)
                if error.raw_os_error() == Some(libc::EOVERFLOW)
                    && answer.len() < LARGEST_ANSWER =>
            {
                answer.resize((answer.len() * 4).min(LARGEST_ANSWER), 0)
            }
            Err(error) => return Err(error),
            Ok(()) => return Ok(parse(&answer)),
        }
    }
}

fn statmount(id: u64, answer: &mut [u8]) -> io::Result<()> {
    const SIZE: usize = size_of::<MountRequest>();
    const NUMBER: libc::c_long = 457; // The same on every architecture but alpha.
    let request = MountRequest {
        size: SIZE as u32,
        spare: 0,
        mount_id: id,
        mask: MNT_ROOT | FS_TYPE | MNT_OPTS | FS_SUBTYPE | SB_SOURCE,
    };
    // SAFETY: the request is a whole `struct mnt_id_req` of the size that it states, and the kernel
    // writes at most as many bytes as `answer` holds.
    let status = unsafe {
        libc::syscall(
            NUMBER,
            &raw const request,
            answer.as_mut_ptr(),
            answer.len(),
            0_u32,
        )
    };
    if status == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Parses a `struct statmount`. A string that does not lie within `answer` is treated as unknown.
///
/// ```text
/// 0 size u32 │ 4 mnt_opts u32 │ 8 mask u64 │ … 36 fs_type u32 │ … 104 mnt_root u32 │ … 120 fs_subtype u32 │ 124 sb_source u32 │ … 512 strings
/// ```
/// `mask` says which strings are present. Each `u32` is the offset of a string from byte 512. Each
/// string ends with a zero byte.
#[must_use]
pub fn parse(answer: &[u8]) -> MountFacts {
    let mask = number(answer, 8).map_or(0, u64::from_ne_bytes);
    let mut facts = MountFacts::default();
    for (bit, at, fact) in [
        (FS_TYPE, 36, &mut facts.fs_type),
        (FS_SUBTYPE, 120, &mut facts.fs_subtype),
        (MNT_ROOT, 104, &mut facts.root),
        (SB_SOURCE, 124, &mut facts.source),
        (MNT_OPTS, 4, &mut facts.options),
    ] {
        if mask & bit != 0 {
            *fact = string(answer, at);
        }
    }
    facts
}

/// The string whose offset is at `at`.
fn string(answer: &[u8], at: usize) -> Option<Vec<u8>> {
    let start = usize::try_from(u32::from_ne_bytes(number(answer, at)?)).ok()?;
    let rest = answer.get(HEAD.checked_add(start)?..)?;
    let string = CStr::from_bytes_until_nul(rest).ok()?;
    Some(string.to_bytes().to_owned())
}

fn number<const N: usize>(answer: &[u8], at: usize) -> Option<[u8; N]> {
    answer.get(at..at + N)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer with these strings at these offsets, in the format of the kernel.
    fn answer(strings: &[(u64, usize, &[u8])]) -> Vec<u8> {
        let mut answer = vec![0_u8; HEAD];
        let mut mask = 0;
        for (bit, at, string) in strings {
            let start = u32::try_from(answer.len() - HEAD).unwrap();
            answer[*at..at + 4].copy_from_slice(&start.to_ne_bytes());
            answer.extend_from_slice(string);
            answer.push(0);
            mask |= bit;
        }
        answer[8..16].copy_from_slice(&mask.to_ne_bytes());
        answer
    }

    #[test]
    fn strings_are_found_by_their_offsets_and_only_where_the_mask_says_so() {
        let whole = answer(&[
            (MNT_OPTS, 4, b"lowerdir=a:b"),
            (FS_TYPE, 36, b"overlay"),
            (MNT_ROOT, 104, b"/"),
            (SB_SOURCE, 124, b"none"),
        ]);
        let facts = MountFacts {
            fs_type: Some(b"overlay".to_vec()),
            fs_subtype: None,
            root: Some(b"/".to_vec()),
            source: Some(b"none".to_vec()),
            options: Some(b"lowerdir=a:b".to_vec()),
        };
        assert_eq!(parse(&whole), facts);
        let mut masked = whole;
        masked[8] &= !0x80;
        assert_eq!(
            parse(&masked),
            MountFacts {
                options: None,
                ..facts
            }
        );
    }

    #[test]
    fn an_answer_that_is_cut_or_points_outside_itself_gives_nothing() {
        let whole = answer(&[(FS_TYPE, 36, b"overlay")]);
        for end in [0, 7, 15, 39, HEAD, HEAD + 3, whole.len() - 1] {
            assert_eq!(parse(&whole[..end]), MountFacts::default(), "{end}");
        }
        let mut outside = whole;
        outside[36..40].copy_from_slice(&u32::MAX.to_ne_bytes());
        assert_eq!(parse(&outside), MountFacts::default());
    }

    #[test]
    fn the_root_of_the_machine_is_a_mount_and_a_missing_path_an_error() {
        let found = unique_id(Path::new("/proc"))
            .unwrap()
            .or(mountinfo_id(Path::new("/proc")).unwrap());
        assert_eq!(found.unwrap().is_root, Some(true));
        assert_eq!(
            unique_id(Path::new("/proc/none")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
