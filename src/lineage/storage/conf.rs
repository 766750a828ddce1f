//! Reads where the stores of containers/storage are from its settings.
//!
//! In: the paths at which `storage.conf` may be (root's files). Out: the graph roots and the image
//! stores that the file in use and its drop-ins name. Which files are read depends on the version.
//! Up to containers/storage 1.60, only the first `storage.conf` that exists is read. Later versions
//! also read drop-ins after that file, in the order of their names; a later value replaces an
//! earlier one, unless a list says `{append=true}`. To be safe, everything that any of these files
//! names is used. An additional store costs only a search, and what is found in that store must
//! still fit the container. Not read: the files of single users.
//!
//! Source: containers/storage, types/options.go (`loadDefaultStoreOptions`). For the drop-ins:
//! containers-config(5); no tested engine supports drop-ins yet.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::sys::file::{self, Guard};

/// The files that may be in use, in order of precedence. The file of a user is not read: the user
/// chooses where that file is, and the mount shows the store that the file names.
pub const SETTINGS: [&str; 2] = [
    "/etc/containers/storage.conf",
    "/usr/share/containers/storage.conf",
];

/// The suffixes of the directories of drop-ins: for all engines, for root's engines, for users'
/// engines.
const DROP_INS: [&str; 3] = ["conf.d", "rootful.conf.d", "rootless.conf.d"];

/// The size, in bytes, of the largest settings file that is read.
const LARGEST: u64 = 1 << 20;

/// How many drop-ins are read from one directory.
const MOST_DROP_INS: usize = 256;

/// The part of `storage.conf` that is read. A value that is not an absolute path, or has the wrong
/// type, is treated as missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorageSettings {
    /// The value of `storage.graphroot` in every file, the value in the last file first.
    pub graph_roots: Vec<PathBuf>,
    /// The value of `storage.runroot` in the last file that has one.
    pub run_root: Option<PathBuf>,
    /// The values of `storage.imagestore` and `storage.options.additionalimagestores` in every
    /// file, in order.
    pub image_stores: Vec<PathBuf>,
}

impl StorageSettings {
    /// Reads the first of `files` that exists, and the drop-ins beside all of them. The first file
    /// hides the other files. A file that cannot be read names nothing.
    #[must_use]
    pub fn load(files: &[PathBuf]) -> Self {
        let mut settings = Self::default();
        for (_, text) in texts(files) {
            settings.add(&text);
        }
        settings
    }

    /// Adds the settings in the text of one file. If the text is not TOML, nothing is added.
    pub fn add(&mut self, text: &str) {
        let Ok(file) = text.parse::<Table>() else {
            return;
        };
        let storage = file.get("storage").and_then(Value::as_table);
        let Some(storage) = storage else { return };
        if let Some(root) = storage.get("graphroot").and_then(path_in) {
            self.graph_roots.insert(0, root);
        }
        if let Some(root) = storage.get("runroot").and_then(path_in) {
            self.run_root = Some(root);
        }
        let store = storage.get("imagestore").and_then(path_in);
        self.image_stores.extend(store);
        if let Some(options) = storage.get("options")
            && let Some(Value::Array(stores)) = options.get("additionalimagestores")
        {
            self.image_stores.extend(stores.iter().filter_map(path_in));
        }
    }
}

/// The files that [`StorageSettings::load`] reads and that are not TOML, with the reason. An engine
/// does not start with such a file.
#[must_use]
pub fn faults(files: &[PathBuf]) -> Vec<(PathBuf, String)> {
    let mut faults = Vec::new();
    for (path, text) in texts(files) {
        if let Err(fault) = text.parse::<Table>() {
            faults.push((path, fault.to_string()));
        }
    }
    faults
}

/// The first of `files` that can be read, and the drop-ins that can be read: paths and texts.
fn texts(files: &[PathBuf]) -> Vec<(PathBuf, String)> {
    let mut texts = Vec::new();
    for path in files {
        if let Some(text) = text_of(path) {
            texts.push((path.clone(), text));
            break;
        }
    }
    for path in drop_ins(files) {
        if let Some(text) = text_of(&path) {
            texts.push((path, text));
        }
    }
    texts
}

fn text_of(path: &Path) -> Option<String> {
    file::read_text(path, LARGEST, Guard::Any).ok()
}

/// The absolute path in a value, if there is one.
fn path_in(value: &Value) -> Option<PathBuf> {
    let path = Path::new(value.as_str()?);
    path.is_absolute().then(|| path.to_owned())
}

/// The drop-ins beside these files, in the order of their names. Of two drop-ins with the same
/// name, the one beside the file of lower precedence comes first.
fn drop_ins(files: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for main in files.iter().rev() {
        for ending in DROP_INS {
            found.extend(entries(&main.with_extension(ending)));
        }
    }
    found.sort_by(|one, other| one.file_name().cmp(&other.file_name()));
    found
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension() == Some(OsStr::new("conf")) {
            found.push(path);
        }
        if found.len() == MOST_DROP_INS {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::io::Write::write_all(
            &mut fs::OpenOptions::new()
                .create_new(true)
                .write(true)
                .open(path)
                .unwrap(),
            text.as_bytes(),
        )
        .unwrap();
    }

    fn parsed(text: &str) -> StorageSettings {
        let mut settings = StorageSettings::default();
        settings.add(text);
        settings
    }

    fn paths(paths: &[&str]) -> Vec<PathBuf> {
        paths.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn one_odd_element_takes_nothing_of_the_rest_along() {
        let text = "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/x\"\ngraphroot = \"/srv/x\"\nimagestore = \"/srv/i\"\ntransient_store = true\n\
                    [storage.options]\nadditionalimagestores = [\"/srv/a\", \"relative\", \"/srv/b\",]\n[storage.options.overlay]\nmountopt = \"nodev\"\n";
        let only_roots = StorageSettings {
            graph_roots: paths(&["/srv/x"]),
            run_root: Some("/run/x".into()),
            image_stores: Vec::new(),
        };
        let all = StorageSettings {
            image_stores: paths(&["/srv/i", "/srv/a", "/srv/b"]),
            ..only_roots.clone()
        };
        assert_eq!(parsed(text), all);
        // A list that adds to the list of an earlier file, and lists with elements of other types.
        for list in [
            "[\"/srv/a\", \"/srv/b\", {append=true}]",
            "[{append=true}, \"/srv/a\", \"/srv/b\"]",
            "[\"/srv/a\", 7, [\"/srv/c\"], \"/srv/b\", true]",
        ] {
            let odd = text.replace("[\"/srv/a\", \"relative\", \"/srv/b\",]", list);
            assert_eq!(parsed(&odd), all, "{list}");
        }
        let only_root = StorageSettings {
            run_root: None,
            ..only_roots
        };
        for other in [
            "imagestore = 1",
            "options = \"none\"",
            "options = { additionalimagestores = \"/srv/a\" }",
            "options = [7]",
        ] {
            assert_eq!(
                parsed(&format!("[storage]\ngraphroot = \"/srv/x\"\n{other}\n")),
                only_root,
                "{other}"
            );
        }
        for text in [
            "",
            "[storage]",
            "[storage]\ngraphroot = \"x\"",
            "[storage",
            "storage = 1",
            "[storage]\ngraphroot = 1",
        ] {
            assert_eq!(parsed(text), StorageSettings::default(), "{text}");
        }
    }

    #[test]
    fn the_first_file_hides_the_others_and_every_drop_in_counts() {
        let top = tempfile::tempdir().unwrap();
        let at = |name: &str| top.path().join(name);
        let files = [at("etc/storage.conf"), at("usr/storage.conf")];
        let store = |path: &str| {
            format!("[storage.options]\nadditionalimagestores = [\"{path}\", {{append=true}}]\n")
        };
        assert_eq!(StorageSettings::load(&files), StorageSettings::default());
        put(&files[1], "[storage]\ngraphroot = \"/usr/graph\"\n");
        assert_eq!(
            StorageSettings::load(&files).graph_roots,
            paths(&["/usr/graph"])
        );
        put(&files[0], "[storage]\ngraphroot = \"/etc/graph\"\n");
        assert_eq!(
            StorageSettings::load(&files).graph_roots,
            paths(&["/etc/graph"])
        );
        put(&at("usr/storage.conf.d/20-two.conf"), &store("/two"));
        put(&at("etc/storage.conf.d/10-one.conf"), &store("/one"));
        put(
            &at("usr/storage.rootful.conf.d/30-three.conf"),
            &store("/three"),
        );
        put(
            &at("etc/storage.rootless.conf.d/40-four.conf"),
            &store("/four"),
        );
        put(
            &at("etc/storage.conf.d/50-root.conf"),
            "[storage]\ngraphroot = \"/drop-in/graph\"\nrunroot = \"/drop-in/run\"\n",
        );
        put(&at("etc/storage.conf.d/60-broken.conf"), "[storage");
        put(&at("etc/storage.conf.d/README"), &store("/no"));
        put(&at("etc/storage.conf.d/70-old.conf~"), &store("/no"));
        put(&at("elsewhere"), &store("/linked"));
        std::os::unix::fs::symlink(at("elsewhere"), at("etc/storage.conf.d/80-linked.conf"))
            .unwrap();
        assert_eq!(
            StorageSettings::load(&files),
            StorageSettings {
                graph_roots: paths(&["/drop-in/graph", "/etc/graph"]),
                run_root: Some("/drop-in/run".into()),
                image_stores: paths(&["/one", "/two", "/three", "/four", "/linked"]),
            }
        );
        let broken: Vec<_> = faults(&files).into_iter().map(|(path, _)| path).collect();
        assert_eq!(broken, [at("etc/storage.conf.d/60-broken.conf")]);
    }
}
