//! How does root do something with a user's rights and no others, and is root again afterwards?
//!
//! In: the user, and what to do. Out: what came of it, or that root's rights could not be laid down: then nothing was done. For the time of it this thread
//! has the user's place in the file system (setfsuid(2)) and no capability in effect: with CAP_SYS_PTRACE it would follow `/proc/PID/cwd` and the
//! like to where the user cannot go, for all that the files there are asked for as his. Not laid down: root's supplementary groups, which a caller has
//! none of.

use std::io;

use nix::errno::Errno;
use nix::unistd::{Gid, Uid, setfsgid, setfsuid};

use super::spawn::Person;

/// `_LINUX_CAPABILITY_VERSION_3` of include/uapi/linux/capability.h: two words for each set.
const VERSION: u32 = 0x2008_0522;

/// `struct __user_cap_header_struct`; this thread is number 0.
#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

/// `struct __user_cap_data_struct`, the lower half of each set and then the upper one.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Does `work` with this user's rights on files, and no capability.
///
/// # Errors
/// What the operating system says, when this thread's own rights cannot be laid down.
pub fn lend<T>(person: Person, work: impl FnOnce() -> T) -> io::Result<T> {
    let (user, group) = (Uid::from_raw(person.user), Gid::from_raw(person.group));
    let own = capabilities()?;
    let own_group = setfsgid(group);
    let own_user = setfsuid(user);
    let bare = own.map(|half| Half { effective: 0, ..half });
    // Neither call says whether it did anything; a further one tells what is.
    let is_theirs = setfsuid(user) == user && setfsgid(group) == group;
    let done = if is_theirs { set(bare).map(|()| work()) } else { Err(Errno::EPERM.into()) };
    setfsuid(own_user);
    setfsgid(own_group);
    // The set that was in effect, out of the permitted one, which has stayed.
    set(own).and(done)
}

/// This thread's capabilities.
#[allow(unsafe_code)]
fn capabilities() -> io::Result<[Half; 2]> {
    let (mut header, mut halves) = (Header { version: VERSION, pid: 0 }, [Half::default(); 2]);
    // SAFETY: reads the header and writes the two halves that this version has.
    Errno::result(unsafe { libc::syscall(libc::SYS_capget, &raw mut header, halves.as_mut_ptr()) })?;
    Ok(halves)
}

#[allow(unsafe_code)]
fn set(halves: [Half; 2]) -> io::Result<()> {
    let mut header = Header { version: VERSION, pid: 0 };
    // SAFETY: reads the header and the two halves that this version has.
    Errno::result(unsafe { libc::syscall(libc::SYS_capset, &raw mut header, halves.as_ptr()) })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const USER: Person = Person { user: 70_000, group: 65_534 };

    #[test]
    #[expect(clippy::disallowed_methods, reason = "there has to be a process of root's")]
    fn a_user_goes_no_way_that_leads_through_a_process_of_roots() {
        if !nix::unistd::geteuid().is_root() {
            let refused = lend(USER, || ()).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
            return;
        }
        let top = tempfile::tempdir().unwrap();
        std::fs::set_permissions(top.path(), PermissionsExt::from_mode(0o700)).unwrap();
        let file = top.path().join("inner/file");
        std::fs::create_dir(top.path().join("inner")).unwrap();
        io::Write::write_all(&mut std::fs::OpenOptions::new().create_new(true).write(true).open(&file).unwrap(), b"root's").unwrap();
        let mut process = std::process::Command::new("/bin/sleep").arg("60").current_dir(top.path().join("inner")).spawn().unwrap();
        let way = format!("/proc/{}/cwd/file", process.id());
        let open = || std::fs::File::open(&way).is_ok();
        assert_eq!((open(), lend(USER, open).unwrap(), open()), (true, false, true));
        assert!(!lend(USER, || std::fs::File::open(&file).is_ok()).unwrap());
        assert!(lend(USER, || std::fs::read_dir("/proc/self/fd").is_ok()).unwrap());
        process.kill().unwrap();
        process.wait().unwrap();
    }

    #[test]
    fn root_is_root_again() {
        let own = capabilities().unwrap().map(|half| (half.effective, half.permitted, half.inheritable));
        let lent = lend(USER, || capabilities().unwrap().map(|half| half.effective));
        if nix::unistd::geteuid().is_root() {
            assert_eq!(lent.unwrap(), [0, 0]);
        }
        assert_eq!(capabilities().unwrap().map(|half| (half.effective, half.permitted, half.inheritable)), own);
    }
}
