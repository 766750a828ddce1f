//! Sets up the *room* of a test: a directory with everything that the test needs.
//!
//! A room has a node's files (`EMBARGO_ROOT`), a fake runtime that records its calls, and bundles.
//! The programs run as a user without rights, because root's calls would read the machine's own
//! settings. Every room is removed after its test.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// The user as whom the programs run if root runs the tests.
pub(crate) const NOBODY: u32 = 65_534;

/// Settings under which a container of unknown lineage starts, even without a list.
pub(crate) const LENIENT: &str = "on_unknown_image = \"admit\"\non_missing_list = \"admit\"\n";

/// A directory for one test.
pub(crate) struct Room {
    directory: tempfile::TempDir,
    /// The path of the fake runtime.
    pub(crate) runtime: PathBuf,
}

/// The programs that all tests share, built once.
struct Programs {
    _directory: tempfile::TempDir,
    embargo: PathBuf,
    fake: PathBuf,
}

fn programs() -> &'static Programs {
    static PROGRAMS: OnceLock<Programs> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let directory = open_directory();
        let (embargo, fake) = (
            directory.path().join("embargo"),
            directory.path().join("fake"),
        );
        copy_program(Path::new(env!("CARGO_BIN_EXE_embargo")), &embargo);
        #[cfg(feature = "ctl")]
        copy_program(
            Path::new(env!("CARGO_BIN_EXE_embargoctl")),
            &directory.path().join("embargoctl"),
        );
        compile(&source("fake-runtime.c"), &fake, &[]);
        Programs {
            _directory: directory,
            embargo,
            fake,
        }
    })
}

/// A small C library that is loaded into a program before the C library (`LD_PRELOAD`). Loading the
/// library works because cargo links the tested programs dynamically.
pub(crate) struct Library {
    name: &'static str,
    built: OnceLock<(tempfile::TempDir, PathBuf)>,
}

impl Library {
    /// The library whose source file has this name.
    pub(crate) const fn new(name: &'static str) -> Self {
        Self {
            name,
            built: OnceLock::new(),
        }
    }

    /// The library's path. The library is built on first use.
    pub(crate) fn path(&self) -> &Path {
        let (_, path) = self.built.get_or_init(|| {
            let directory = open_directory();
            let path = directory.path().join(self.name).with_extension("so");
            let text = source(&format!("{}.c", self.name));
            compile(&text, &path, &["-shared", "-fPIC"]);
            (directory, path)
        });
        path
    }
}

/// A source in C beside the tests.
pub(crate) fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/hermetic")
        .join(name)
}

/// Compiles a source in C with `CC`, as make calls it, or with `cc`.
pub(crate) fn compile(source: &Path, program: &Path, options: &[&str]) {
    let built = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()))
        .args(["-O1", "-Wall", "-Werror"])
        .args(options)
        .arg("-o")
        .args([program, source])
        .status()
        .unwrap();
    assert!(built.success(), "cannot compile {}", source.display());
}

/// A temporary directory that everybody may read.
pub(crate) fn open_directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

impl Room {
    /// A room whose runtime is called `name`, and whose node is not armed: it has no settings, and
    /// the runtime is the first in `PATH`.
    pub(crate) fn unarmed(name: &str) -> Self {
        let directory = open_directory();
        let runtime = directory.path().join("bin").join(name);
        let room = Self { directory, runtime };
        fs::create_dir(room.path("bin")).unwrap();
        fs::create_dir_all(room.path("node/etc/embargo")).unwrap();
        fs::create_dir_all(room.path("node/var/lib/embargo")).unwrap();
        fs::hard_link(&programs().fake, &room.runtime).unwrap();
        for path in ["", "bin", "node/var/lib/embargo"] {
            room.give(&room.path(path));
        }
        room
    }

    /// A room whose node has these settings and a runtime called `runc`.
    pub(crate) fn armed(settings: &str) -> Self {
        Self::armed_with("runc", settings)
    }

    /// A room whose node has these settings and a runtime called `name`.
    pub(crate) fn armed_with(name: &str, settings: &str) -> Self {
        let room = Self::unarmed(name);
        room.set(&format!("runtime = {:?}\n{settings}", room.runtime));
        room
    }

    /// Writes the node's settings.
    pub(crate) fn set(&self, settings: &str) {
        let path = self.path("node/etc/embargo/config.toml");
        fs::write(&path, settings).unwrap();
        self.give(&path);
    }

    /// A path in the room.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    /// A bundle in the room that no engine made.
    pub(crate) fn bundle(&self, name: &str) -> PathBuf {
        let bundle = self.path(name);
        fs::create_dir_all(bundle.join("rootfs")).unwrap();
        fs::write(
            bundle.join("config.json"),
            r#"{"ociVersion":"1.0.2","root":{"path":"rootfs"}}"#,
        )
        .unwrap();
        self.give(&bundle);
        bundle
    }

    /// Lets the test's user write a file or directory.
    pub(crate) fn give(&self, path: &Path) {
        if nix::unistd::geteuid().is_root() {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }

    /// Gives the directory of the list and the floor to the user who runs the tests, with this
    /// mode. On a real node, the directory belongs to root.
    pub(crate) fn keep(&self, mode: u32) {
        let state = self.path("node/var/lib/embargo");
        self.take(&state);
        fs::set_permissions(&state, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Gives a file or directory to the user who runs the tests. On a real node, root owns this
    /// file or directory.
    pub(crate) fn take(&self, path: &Path) {
        chown(
            path,
            Some(nix::unistd::geteuid().as_raw()),
            Some(nix::unistd::getegid().as_raw()),
        )
        .unwrap();
    }

    /// Sets what the runtime does after it has recorded a call.
    pub(crate) fn behave(&self, behaviour: &str) {
        fs::write(self.path("bin/behaviour"), behaviour).unwrap();
    }

    /// A call of Embargo in the room, not yet started.
    pub(crate) fn embargo(&self) -> Command {
        self.prepared(&programs().embargo)
    }

    /// A call of another copy of Embargo in the room, not yet started.
    pub(crate) fn embargo_at(&self, program: &Path) -> Command {
        self.prepared(program)
    }

    /// A call of the runtime itself in the room, not yet started.
    pub(crate) fn bare(&self) -> Command {
        self.prepared(&self.runtime)
    }

    /// The path of the Embargo program.
    pub(crate) fn program() -> &'static Path {
        &programs().embargo
    }

    fn prepared(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("EMBARGO_ROOT", self.path("node"))
            .env("PATH", self.path("bin"))
            .current_dir(self.directory.path());
        command.stdin(Stdio::null());
        if nix::unistd::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// Runs Embargo with these arguments.
    pub(crate) fn run<I: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = I>) -> Output {
        self.embargo().args(words).output().unwrap()
    }

    /// What the runtime has recorded since the last call of this function; `None` if it did not
    /// run.
    pub(crate) fn record(&self) -> Option<Record> {
        let text = fs::read_to_string(self.path("bin/record")).ok()?;
        fs::remove_file(self.path("bin/record")).unwrap();
        Some(Record(text.lines().map(str::to_owned).collect()))
    }

    /// Asserts that the runtime got the call, with exactly these arguments, and that nothing was
    /// printed.
    pub(crate) fn passes<I: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = I>) {
        let words: Vec<_> = words
            .into_iter()
            .map(|word| word.as_ref().to_owned())
            .collect();
        let output = self.run(&words);
        let record = self
            .record()
            .unwrap_or_else(|| panic!("{words:?} does not reach the runtime: {output:?}"));
        assert_eq!(
            record.words()[1..],
            words
                .iter()
                .map(|word| hexadecimal(word))
                .collect::<Vec<_>>()
        );
        assert_eq!(
            (output.status.code(), output.stdout, output.stderr),
            (Some(0), vec![], vec![]),
            "{words:?}"
        );
    }

    /// Asserts that the call is refused. Returns the refusal.
    pub(crate) fn refuses<I: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = I>) -> String {
        self.refuses_command(self.embargo().args(words))
    }

    /// Asserts that the command is refused. Returns the refusal.
    pub(crate) fn refuses_command(&self, command: &mut Command) -> String {
        let output = command.output().unwrap();
        assert!(self.record().is_none(), "{command:?} reaches the runtime");
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), output.stdout.as_slice()),
            (Some(1), &b""[..]),
            "{command:?}: {line}"
        );
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        assert!(
            line.ends_with('\n') && line.starts_with("embargo: refused "),
            "{line}"
        );
        line.trim_end().to_owned()
    }

    /// Asserts that the runtime gets exactly the same call through Embargo as without it, and that
    /// the caller sees the same result. `arrange` prepares the command.
    pub(crate) fn is_transparent(&self, arrange: impl Fn(&mut Command)) {
        let mut seen = Vec::new();
        for mut command in [self.bare(), self.embargo()] {
            arrange(&mut command);
            let output = command.output().unwrap();
            let record = self
                .record()
                .unwrap_or_else(|| panic!("{command:?} does not reach the runtime: {output:?}"));
            seen.push((record.comparable(), output));
        }
        assert_eq!(seen[0], seen[1]);
    }
}

/// A record of the fake runtime, with one fact in each line.
pub(crate) struct Record(Vec<String>);

impl Record {
    /// The runtime's argv, in hexadecimal.
    pub(crate) fn words(&self) -> Vec<&str> {
        self.facts("argv ").collect()
    }

    /// The facts of one name.
    pub(crate) fn facts<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter_map(move |line| line.strip_prefix(name))
    }

    /// The only fact of one name.
    pub(crate) fn fact<'a>(&'a self, name: &'a str) -> &'a str {
        self.facts(name).next().unwrap()
    }

    /// All facts except those that differ between any two calls: the process, the pipes, and
    /// Embargo's counter.
    fn comparable(&self) -> Vec<String> {
        let counter = format!("variable {}", hexadecimal(OsStr::new("EMBARGO_DEPTH=")));
        let differs = |line: &&String| line.starts_with("process ") || line.starts_with(&counter);
        let masked = |line: &String| match line.strip_prefix("descriptor ") {
            // A pipe of the test, whose number differs in every call.
            Some(rest) if ["1 ", "2 "].iter().any(|number| rest.starts_with(number)) => {
                rest.split(' ').next().unwrap().to_owned()
            }
            Some(_) | None => line.clone(),
        };
        self.0
            .iter()
            .filter(|line| !differs(line))
            .map(masked)
            .collect()
    }
}

/// Copies a program, by running `cp`, as [`write_program`] runs another program too. If this
/// process itself had the file open for writing while another test starts a process, that process
/// would inherit the open file for a moment, and the kernel runs no file that is open for writing.
pub(crate) fn copy_program(from: &Path, to: &Path) {
    assert!(
        Command::new("/bin/cp")
            .args([from, to])
            .status()
            .unwrap()
            .success()
    );
}

/// Writes an executable file, whether or not its bytes are a program.
pub(crate) fn write_program(path: &Path, bytes: &[u8]) {
    let mut shell = Command::new("/bin/sh")
        .args(["-c", "/bin/cat > \"$1\" && /bin/chmod 755 \"$1\"", "sh"])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    shell.stdin.take().unwrap().write_all(bytes).unwrap();
    assert!(shell.wait().unwrap().success());
}

/// Runs the command through a shell script, in which `"$@"` stands for the command.
pub(crate) fn by_shell(command: &mut Command, script: &str) {
    let words: Vec<_> = command.get_args().map(OsStr::to_owned).collect();
    let program = command.get_program().to_owned();
    let directory = command.get_current_dir().map(ToOwned::to_owned);
    let variables: Vec<_> = command
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect();
    *command = Command::new("/bin/sh");
    command
        .env_clear()
        .envs(variables)
        .args(["-c", script, "sh"])
        .arg(program)
        .args(words)
        .stdin(Stdio::null());
    if let Some(directory) = directory {
        command.current_dir(directory);
    }
    if nix::unistd::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
}

/// Bytes in the form in which the fake runtime records them.
pub(crate) fn hexadecimal(text: &OsStr) -> String {
    use std::os::unix::ffi::OsStrExt;
    text.as_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
