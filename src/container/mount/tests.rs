//! Tests with lines and options as Linux 6.18 writes them, and with malformed ones.

use super::*;

/// Directories named `plain`, `sp ace`, `com,ma`, `co:lon`, `back\slash`, `nl<newline>x`, `eq=`,
/// `h#x`, mounted by mount(2).
const BY_MOUNT: &[u8] =
    br"lowerdir=plain:sp\040ace:com\134\054ma:co\134:lon:back\134\134slash:nl\012x:eq=:h#x,upperdir=up\134\0542,workdir=work,uuid=on";
/// The same directories, mounted by fsconfig(2).
const BY_FSCONFIG: &[u8] = br"lowerdir+=plain,lowerdir+=sp\040ace,lowerdir+=com\054ma,lowerdir+=co:lon,lowerdir+=back\134slash,lowerdir+=nl\012x,lowerdir+=eq=,lowerdir+=h#x,upperdir=up,workdir=work";

fn paths(names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(PathBuf::from).collect()
}

#[test]
fn an_overlays_directories_are_read_whatever_they_are_named_and_however_they_were_mounted() {
    let names = paths(&[
        "plain",
        "sp ace",
        "com,ma",
        "co:lon",
        "back\\slash",
        "nl\nx",
        "eq=",
        "h#x",
    ]);
    for (options, lower, upper) in [
        (BY_MOUNT, names.clone(), Some("up,2")),
        (BY_FSCONFIG, names, Some("up")),
        (
            b"ro,lowerdir=/a:/b::/data",
            paths(&["/a", "/b", "/data"]),
            None,
        ),
        (
            b"lowerdir+=/a,lowerdir+=/b,datadir+=/data",
            paths(&["/a", "/b", "/data"]),
            None,
        ),
        (
            b"lowerdir=l/AB:l/CD,upperdir=m1/diff",
            paths(&["l/AB", "l/CD"]),
            Some("m1/diff"),
        ),
        (b"", Vec::new(), None),
        (b"lowerdir=,upperdir", Vec::new(), None),
        (br"lowerdir=a\", paths(&["a"]), None),
        (br"lowerdir=a\1348:b\9", paths(&["a8", "b9"]), None),
    ] {
        let expected = OverlayDirectories {
            lower,
            upper: upper.map(PathBuf::from),
        };
        assert_eq!(
            overlay_directories(options),
            expected,
            "{}",
            String::from_utf8_lossy(options)
        );
    }
}

const TABLE: &[u8] = br"22 1 252:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
105 95 0:53 / /var/lib/docker/overlay2/m1/merged rw,relatime - overlay overlay rw,lowerdir=/a:/b,upperdir=/u,workdir=/w
106 95 0:52 /sp\040ace/in,n\134er /mnt/my\040root rw,relatime shared:5 master:7 - tmpfs tm\040pfs\134x rw
107 22 0:54 / /r rw - overlay overlay rw,lowerdir=/old,upperdir=/u,workdir=/w
108 107 0:55 / /r rw - fuse.fuse-overlayfs fuse-overlayfs rw,user_id=0
109 22 0:54";

#[test]
fn a_mount_is_found_by_its_id_or_as_the_last_one_at_its_path() {
    let overlay = RootMount {
        fs_type: "overlay".into(),
        root: "/".into(),
        source: "overlay".into(),
        lowerdirs: paths(&["/a", "/b"]),
        upperdir: Some("/u".into()),
    };
    let bind = RootMount {
        fs_type: "tmpfs".into(),
        root: "/sp ace/in,n\\er".into(),
        source: "tm pfs\\x".into(),
        ..RootMount::default()
    };
    assert_eq!(find(TABLE, MountQuery::Id(105)).as_ref(), Some(&overlay));
    assert_eq!(
        find(
            TABLE,
            MountQuery::Point(Path::new("/var/lib/docker/overlay2/m1/merged"))
        ),
        Some(overlay)
    );
    assert_eq!(
        find(TABLE, MountQuery::Point(Path::new("/mnt/my root"))),
        Some(bind)
    );
    assert_eq!(
        find(TABLE, MountQuery::Point(Path::new("/r")))
            .unwrap()
            .fs_type,
        "fuse.fuse-overlayfs"
    );
}

#[test]
fn what_is_not_in_the_table_or_cut_in_it_is_not_found() {
    for query in [
        MountQuery::Id(109),
        MountQuery::Id(10),
        MountQuery::Point(Path::new("/var/lib/docker")),
        MountQuery::Point(Path::new("")),
    ] {
        assert_eq!(find(TABLE, query), None, "{query:?}");
    }
    assert_eq!(find(b"", MountQuery::Id(1)), None);
    assert_eq!(
        find(
            b"105 95 0:53 / /r rw - overlay overlay",
            MountQuery::Id(105)
        ),
        None
    );
    assert_eq!(
        find(
            b"105 95 0:53 / /r rw overlay overlay rw",
            MountQuery::Id(105)
        ),
        None
    );
}

#[test]
fn statmount_counts_only_where_it_reports_everything() {
    let facts = |fs_type: &str, options: Option<&[u8]>, source: Option<&[u8]>| MountFacts {
        fs_type: Some(fs_type.into()),
        fs_subtype: None,
        root: Some(b"/".to_vec()),
        source: source.map(<[u8]>::to_vec),
        options: options.map(<[u8]>::to_vec),
    };
    let found = whole(facts("overlay", Some(b"lowerdir=/a:/b,upperdir=/u"), None)).unwrap();
    assert_eq!(
        (found.lowerdirs, found.upperdir),
        (paths(&["/a", "/b"]), Some(PathBuf::from("/u")))
    );
    assert_eq!(whole(facts("overlay", None, Some(b"overlay"))), None);
    assert_eq!(whole(facts("zfs", Some(b""), None)), None);
    assert_eq!(
        whole(facts("btrfs", None, Some(b"/dev/vda2")))
            .unwrap()
            .source,
        "/dev/vda2"
    );
    let fuse = MountFacts {
        fs_subtype: Some(b"fuse-overlayfs".to_vec()),
        ..facts("fuse", None, Some(b"x"))
    };
    assert_eq!(whole(fuse).unwrap().fs_type, "fuse.fuse-overlayfs");
    assert_eq!(whole(MountFacts::default()), None);
}

#[test]
fn the_kernel_reports_the_same_by_statmount_and_by_its_table() {
    let proc = Path::new("/proc");
    assert_eq!(
        at(proc).unwrap().map(|mount| mount.fs_type),
        Some("proc".to_owned())
    );
    assert_eq!(at(proc).unwrap(), in_table(proc).unwrap());
    assert_eq!(at(Path::new("/proc/self")).unwrap(), None);
    assert_eq!(
        at(Path::new("/proc/none")).unwrap_err().to_string(),
        "cannot tell what is mounted at \"/proc/none\""
    );
}

#[test]
fn a_directory_is_found_by_every_mount_of_its_file_system() {
    let table = b"21 1 8:1 / / rw - ext4 /dev/sda rw\n22 21 8:2 /data/x /srv/a\\040b rw - ext4 /dev/sdb rw\n23 21 8:2 /other /mnt rw - ext4 x rw\ncut 1";
    let paths: Vec<_> = paths_of(Path::new("/data/x/snapshots/9"), table);
    assert_eq!(
        paths,
        [
            Path::new("/data/x/snapshots/9"),
            Path::new("/srv/a b/snapshots/9")
        ]
    );
}
