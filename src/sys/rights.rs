//! Runs code with a user's rights only, and restores root's rights afterwards.
//!
//! In: the user, and the code to run. Out: the result of that code, or an error if root's rights
//! could not be dropped; the code has not run then. While the code runs, this thread has the user's
//! file system identity (setfsuid(2)), the user's groups and no effective capability. With
//! CAP_SYS_PTRACE, the thread could follow `/proc/PID/cwd` and similar links to places where the
//! user cannot go, although it would open files there as the user. What the system knows about a
//! user is looked up once, because a directory service may be slow.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::CString;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::unistd::{Gid, Uid, User, geteuid, getgrouplist, getgroups, setfsgid, setfsuid};

use super::file::{self, FileError, Guard};

/// A user and the user's group, without supplementary groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person {
    /// The user ID.
    pub user: u32,
    /// The group ID of the user's own group.
    pub group: u32,
}

/// The group given to a user who is unknown or whose own group is root's. This group owns no files
/// (Debian, Fedora: `nogroup`, `nobody`).
pub const NOBODYS: u32 = 65_534;

impl Person {
    /// The user with this ID, and that user's group.
    #[must_use]
    pub fn of(user: u32) -> Self {
        let group = groups(user).first().copied();
        Self {
            user,
            group: group.map_or(NOBODYS, Gid::as_raw),
        }
    }
}

/// Whether this user is root or the caller. What any other user wrote is not trusted.
#[must_use]
pub fn is_own(user: u32) -> bool {
    user == 0 || user == geteuid().as_raw()
}

/// All groups of a user, the user's own group first. Empty for an unknown user, and for a user
/// whose own group is root's. Root's group is never in the list.
fn groups(user: u32) -> Vec<Gid> {
    static KNOWN: Mutex<BTreeMap<u32, Vec<Gid>>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    match known.entry(user) {
        Entry::Occupied(known) => known.get().clone(),
        Entry::Vacant(place) => place.insert(look_up_groups(user)).clone(),
    }
}

fn look_up_groups(user: u32) -> Vec<Gid> {
    const ROOTS: Gid = Gid::from_raw(0);
    let Ok(Some(known)) = User::from_uid(Uid::from_raw(user)) else {
        return Vec::new();
    };
    if known.gid == ROOTS {
        return Vec::new();
    }
    let mut groups = vec![known.gid];
    if let Ok(name) = CString::new(known.name)
        && let Ok(all) = getgrouplist(&name, known.gid)
    {
        groups.extend(
            all.into_iter()
                .filter(|group| ![known.gid, ROOTS].contains(group)),
        );
    }
    groups
}

/// `_LINUX_CAPABILITY_VERSION_3` of include/uapi/linux/capability.h. In this version, a set of
/// capabilities has two words.
const VERSION: u32 = 0x2008_0522;

/// `struct __user_cap_header_struct`. The process ID 0 means this thread.
#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

/// `struct __user_cap_data_struct`. There are two such structures: the lower half of each set, then
/// the upper half.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Runs `work` with this user's rights on files, and without capabilities.
///
/// # Errors
/// The operating system's error if this thread's own rights cannot be dropped. `work` has not run
/// then.
pub fn lend<T>(person: Person, work: impl FnOnce() -> T) -> io::Result<T> {
    let (user, group) = (Uid::from_raw(person.user), Gid::from_raw(person.group));
    let own = capabilities()?;
    let own_groups = getgroups()?;
    set_groups(&groups(person.user))?;
    let own_group = setfsgid(group);
    let own_user = setfsuid(user);
    let mut bare = own;
    for half in &mut bare {
        half.effective = 0;
    }
    // Neither call says whether it succeeded. A second call returns the ID that is in force.
    let is_theirs = setfsuid(user) == user && setfsgid(group) == group;
    let done = if is_theirs {
        set(bare).map(|()| work())
    } else {
        Err(Errno::EPERM.into())
    };
    setfsuid(own_user);
    setfsgid(own_group);
    // Makes the capabilities effective again. The capabilities are still in the permitted set.
    set(own).and_then(|()| set_groups(&own_groups)).and(done)
}

/// Reads a regular file of at most `limit` bytes whose path this user chose. If the user is root or
/// the caller, the file is read like any other. Otherwise the file is read with the user's rights,
/// so that links cannot lead to places where the user may not go. The file must belong to the user,
/// or belong to root and be readable by everybody. Root cannot enter a user's own file system
/// (FUSE), so a file system that hangs cannot stop root, unless root allows `user_allow_other` in
/// `/etc/fuse.conf` (Linux: fs/fuse/dir.c, `fuse_allow_current_process`).
///
/// # Errors
/// [`FileError`]; [`FileError::Io`] if root's rights cannot be dropped.
pub fn read_of(user: u32, path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    if is_own(user) {
        return file::read(path, limit, Guard::Any);
    }
    let guard = Guard::OfUser(user);
    if geteuid().is_root() {
        lend(Person::of(user), || file::read(path, limit, guard)).map_err(FileError::io(path))?
    } else {
        file::read(path, limit, guard)
    }
}

/// Sets the supplementary groups of this thread. The C library's function would set the groups of
/// all threads.
#[allow(unsafe_code)]
fn set_groups(groups: &[Gid]) -> io::Result<()> {
    // SAFETY: the kernel reads this many group IDs; in memory, `Gid` is a `gid_t`.
    Errno::result(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) })?;
    Ok(())
}

/// The capabilities of this thread.
#[allow(unsafe_code)]
fn capabilities() -> io::Result<[Half; 2]> {
    let (mut header, mut halves) = (
        Header {
            version: VERSION,
            pid: 0,
        },
        [Half::default(); 2],
    );
    // SAFETY: the kernel reads the header and writes the two halves that this version has.
    Errno::result(unsafe {
        libc::syscall(libc::SYS_capget, &raw mut header, halves.as_mut_ptr())
    })?;
    Ok(halves)
}

#[allow(unsafe_code)]
fn set(halves: [Half; 2]) -> io::Result<()> {
    let mut header = Header {
        version: VERSION,
        pid: 0,
    };
    // SAFETY: the kernel reads the header and the two halves that this version has.
    Errno::result(unsafe { libc::syscall(libc::SYS_capset, &raw mut header, halves.as_ptr()) })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const USER: Person = Person {
        user: 70_000,
        group: 65_534,
    };

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "there has to be a process of root's"
    )]
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
        io::Write::write_all(
            &mut std::fs::OpenOptions::new()
                .create_new(true)
                .write(true)
                .open(&file)
                .unwrap(),
            b"root's",
        )
        .unwrap();
        let mut process = std::process::Command::new("/bin/sleep")
            .arg("60")
            .current_dir(top.path().join("inner"))
            .spawn()
            .unwrap();
        let way = format!("/proc/{}/cwd/file", process.id());
        let open = || std::fs::File::open(&way).is_ok();
        assert_eq!(
            (open(), lend(USER, open).unwrap(), open()),
            (true, false, true)
        );
        assert!(!lend(USER, || std::fs::File::open(&file).is_ok()).unwrap());
        assert!(lend(USER, || std::fs::read_dir("/proc/self/fd").is_ok()).unwrap());
        process.kill().unwrap();
        process.wait().unwrap();
    }

    #[test]
    fn a_users_path_is_read_with_his_rights_and_only_to_what_is_his_or_everybodys() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let top = tempfile::tempdir().unwrap();
        std::fs::set_permissions(top.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let put = |name: &str, owner: u32, mode: u32| {
            let path = top.path().join(name);
            io::Write::write_all(
                &mut std::fs::OpenOptions::new()
                    .create_new(true)
                    .write(true)
                    .open(&path)
                    .unwrap(),
                b"text",
            )
            .unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            std::os::unix::fs::chown(&path, Some(owner), None).unwrap();
        };
        put("his", USER.user, 0o600);
        put("everybodys", 0, 0o644);
        put("roots", 0, 0o600);
        put("groups", 0, 0o640);
        put("anothers", USER.user + 1, 0o644);
        std::fs::create_dir(top.path().join("closed")).unwrap();
        std::fs::set_permissions(top.path().join("closed"), PermissionsExt::from_mode(0o700))
            .unwrap();
        put("closed/everybodys", 0, 0o644);
        for (link, target) in [
            ("to-his", "his"),
            ("to-roots", "roots"),
            ("to-closed", "closed/everybodys"),
            ("to-null", "/dev/null"),
        ] {
            std::os::unix::fs::symlink(target, top.path().join(link)).unwrap();
        }
        nix::unistd::mkfifo(
            &top.path().join("fifo"),
            nix::sys::stat::Mode::from_bits_truncate(0o666),
        )
        .unwrap();
        for (name, is_read) in [
            ("his", true),
            ("everybodys", true),
            ("to-his", true),
            ("roots", false),
            ("groups", false),
            ("anothers", false),
            ("closed/everybodys", false),
            ("to-roots", false),
            ("to-closed", false),
            ("to-null", false),
            ("fifo", false),
        ] {
            let path = top.path().join(name);
            assert_eq!(read_of(USER.user, &path, 4).is_ok(), is_read, "{name}");
            assert_eq!(
                read_of(0, &path, 4).is_ok(),
                !["to-null", "fifo"].contains(&name),
                "root's own word: {name}"
            );
        }
        let anothers = top.path().join("anothers");
        let fault = read_of(USER.user, &anothers, 4).unwrap_err().to_string();
        assert_eq!(
            fault,
            format!("cannot trust {anothers:?}: owned or writable by another user")
        );
    }

    #[test]
    fn root_is_root_again() {
        let own = capabilities()
            .unwrap()
            .map(|half| (half.effective, half.permitted, half.inheritable));
        let lent = lend(USER, || capabilities().unwrap().map(|half| half.effective));
        if nix::unistd::geteuid().is_root() {
            assert_eq!(lent.unwrap(), [0, 0]);
            let all = getgroups().unwrap();
            set_groups(&[Gid::from_raw(4)]).unwrap();
            assert_eq!(lend(USER, || getgroups().unwrap()).unwrap(), []);
            assert_eq!(getgroups().unwrap(), [Gid::from_raw(4)]);
            set_groups(&all).unwrap();
        }
        assert_eq!(
            capabilities()
                .unwrap()
                .map(|half| (half.effective, half.permitted, half.inheritable)),
            own
        );
    }
}
