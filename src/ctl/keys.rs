//! Who may sign, and how are keys and keysets made?
//!
//! `keygen` makes a key pair, `keyset new` names the keys that count, `keyset show` says who they are. Private keys are PKCS#8 PEM files as OpenSSL
//! writes and reads them, mode 0600, never overwritten. A public key is read as the tool that made it writes it (`public`). Not done here: keys in key
//! services and on tokens sign with their own tools; `list attach` takes their signatures.

pub mod outside;
pub mod pem;
pub mod public;
pub mod signer;

use std::fmt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use super::{CtlError, amount};
use crate::banlist::keyset::{Key, Keyset, MAX_KEYSET, Role, SignedKeyset};
use crate::banlist::{note, store, text};
use crate::paths::Paths;
use crate::report::line;
use crate::sys::clock::{self, Timestamp};
use crate::sys::file::Guard;
use crate::sys::replace;
pub(super) use public::public_key;
use public::NoKey;
use signer::Signer;

/// What is wrong with a key or a keyset.
#[derive(Debug)]
pub enum KeyError {
    /// Not a private key that can be used, and why.
    Private(PathBuf, &'static str),
    /// Not a public key, and what it is instead.
    Public(PathBuf, NoKey),
    /// A name that cannot name a key.
    Name(String),
    /// There is such a file already.
    Exists(PathBuf),
    /// The keys and thresholds make no keyset: what is wrong with them.
    Keyset(String),
    /// The system's source of random bytes failed.
    Random,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Private(path, fault) => write!(f, "cannot sign with {path:?}: {fault}"),
            Self::Public(path, fault) => write!(f, "cannot read {path:?} as a public key: {fault}"),
            Self::Name(name) => write!(f, "cannot name a key {name:?}"),
            Self::Exists(path) => write!(f, "cannot overwrite {path:?}: it exists"),
            Self::Keyset(fault) => write!(f, "cannot make the keyset: {fault}"),
            Self::Random => f.write_str("cannot make a key: no random bytes"),
        }
    }
}

impl std::error::Error for KeyError {}

/// How a new key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NewAlgorithm {
    /// Ed25519: fast, deterministic. The one to take where nothing speaks against it.
    Ed25519,
    /// ECDSA over P-256: understood by every key service and by FIPS 140 modules.
    P256,
}

/// Make a key pair that signs lists.
///
/// Writes the private key to FILE (PKCS#8 PEM, mode 0600) and the public key, one line for `keyset new`, to FILE.pub. Neither is ever overwritten. Keep
/// the private key where the list is signed: nodes need only the keyset.
#[derive(Debug, Args)]
pub struct KeygenArgs {
    /// Where the private key goes; the public key goes to FILE.pub.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How the key signs.
    #[arg(long, value_enum, default_value = "ed25519")]
    algorithm: NewAlgorithm,
    /// The key's name in keysets and signatures; that of FILE without its extension when left out.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// Keyset commands.
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "`new` shows the text of its `Args`, which is longer")]
pub enum KeysetCommand {
    New(Box<NewArgs>),
    /// Show the keys and thresholds of a keyset.
    Show {
        /// The keyset; this node's when left out.
        file: Option<PathBuf>,
    },
}

/// Make a keyset from public keys.
///
/// The keyset goes to /etc/embargo/keyset on every node. A list is in force there when as many of its list keys signed it as the threshold says.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// Whose lists, and for what, such as bans.example.com/prod. A list built for another origin is refused.
    #[arg(long, value_name = "NAME")]
    origin: String,
    /// A key that signs lists: a FILE.pub of keygen, ssh-keygen, minisign or signify, or a public key in PEM. Repeat it for more keys.
    #[arg(long = "list-key", value_name = "PUB", required = true)]
    list_keys: Vec<PathBuf>,
    /// A key that signs the next keyset. Repeat it for more keys; without any the keyset is replaced by hand.
    #[arg(long = "root-key", value_name = "PUB")]
    root_keys: Vec<PathBuf>,
    /// How many list keys sign a list.
    #[arg(long, value_name = "N", default_value_t = 1)]
    threshold: usize,
    /// How many list keys sign a list that lifts a ban; as many as `--threshold` when left out.
    #[arg(long, value_name = "N")]
    lift_threshold: Option<usize>,
    /// How many root keys sign the next keyset; 1 when there are root keys, and this is left out.
    #[arg(long, value_name = "N")]
    root_threshold: Option<usize>,
    /// The keyset's number; every rotation counts one up.
    #[arg(long, value_name = "N", default_value_t = 1)]
    number: u64,
    /// When it is issued, YYYY-MM-DDThh:mm:ssZ; now when left out.
    #[arg(long, value_name = "TIME", value_parser = time)]
    issued: Option<Timestamp>,
    /// How long until a newer one should come.
    #[arg(long, value_name = "SPAN", default_value = "730d", value_parser = span)]
    valid: u64,
    /// Where it goes; standard output when left out.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Reads a time of the command line.
///
/// # Errors
/// What it should be.
pub(super) fn time(text: &str) -> Result<Timestamp, &'static str> {
    Timestamp::parse(text).ok_or("expected YYYY-MM-DDThh:mm:ssZ or YYYY-MM-DD")
}

/// Reads a span of time of the command line.
///
/// # Errors
/// What it should be.
pub(super) fn span(text: &str) -> Result<u64, &'static str> {
    clock::duration(text).filter(|span| *span > 0).ok_or("expected a span such as 12h or 14d")
}

/// Makes a key pair.
///
/// # Errors
/// [`KeyError`] and errors in writing the files.
pub fn keygen(args: &KeygenArgs) -> Result<String, CtlError> {
    let name = name_of(args.name.as_deref(), &args.out)?;
    let public_path = with_suffix(&args.out, ".pub");
    let (signer, pem) = Signer::generate(args.algorithm)?;
    let key = Key { role: Role::List, name, public: signer.public().clone() };
    write_new(&args.out, 0o600, pem.as_bytes())?;
    write_new(&public_path, 0o644, format!("{}\n", key.line()).as_bytes())?;
    let (private, public) = (line::one_line(&args.out.to_string_lossy()), line::one_line(&public_path.to_string_lossy()));
    Ok(format!("private key: {private} (keep it; nodes do not need it)\npublic key:  {public}\nname:        {}\n", key.name))
}

fn write_new(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), CtlError> {
    match replace::create(path, mode, bytes) {
        Err(error) if error.is_there() => Err(CtlError::with_hint(KeyError::Exists(path.to_owned()), "choose another --out")),
        done => Ok(done?),
    }
}

/// The name given, or that of the file without folder and extension.
///
/// # Errors
/// [`KeyError::Name`] when it can name no key.
pub(super) fn name_of(given: Option<&str>, file: &Path) -> Result<String, KeyError> {
    let name = given.map_or_else(|| file.file_stem().unwrap_or_default().to_string_lossy().into_owned(), str::to_owned);
    if note::is_name(&name) { Ok(name) } else { Err(KeyError::Name(name)) }
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Runs a keyset command.
///
/// # Errors
/// [`KeyError`] and errors in reading and writing the files.
pub fn run(command: &KeysetCommand, paths: &Paths) -> Result<String, CtlError> {
    match command {
        KeysetCommand::New(args) => new(args),
        KeysetCommand::Show { file } => show(file.as_deref().unwrap_or(&paths.keyset)),
    }
}

fn new(args: &NewArgs) -> Result<String, CtlError> {
    let read = |role| move |path: &PathBuf| Ok(Key { role, ..public_key(path)? });
    let roots = args.root_keys.iter().map(read(Role::Root));
    let keys: Vec<_> = roots.chain(args.list_keys.iter().map(read(Role::List))).collect::<Result<_, CtlError>>()?;
    let issued = args.issued.unwrap_or_else(Timestamp::now);
    let keyset = Keyset {
        origin: args.origin.clone(),
        number: args.number,
        issued,
        expires: issued.plus(args.valid),
        root_threshold: args.root_threshold.unwrap_or(usize::from(!args.root_keys.is_empty())),
        list_threshold: args.threshold,
        lift_threshold: args.lift_threshold.unwrap_or(args.threshold),
        keys,
    };
    let text = keyset.text();
    if !text::is_origin(&keyset.origin) {
        return Err(KeyError::Keyset(format!("an origin has 1 to 128 visible characters, not {:?}", keyset.origin)).into());
    }
    for (option, threshold, keys) in [
        ("threshold", keyset.list_threshold, args.list_keys.len()),
        ("lift-threshold", keyset.lift_threshold, args.list_keys.len()),
        ("root-threshold", keyset.root_threshold, args.root_keys.len()),
    ] {
        if threshold > keys {
            let are = if keys == 1 { "is" } else { "are" };
            return Err(KeyError::Keyset(format!("--{option} {threshold} needs {threshold} keys, there {are} {keys}")).into());
        }
    }
    if let Err(fault) = Keyset::parse(&text) {
        return Err(KeyError::Keyset(fault.to_string()).into());
    }
    if text.len() as u64 > MAX_KEYSET {
        return Err(KeyError::Keyset(format!("it has more than {MAX_KEYSET} bytes")).into());
    }
    let Some(out) = &args.out else { return Ok(text) };
    replace::create(out, 0o644, text.as_bytes()).map_err(|error| match error.is_there() {
        true => CtlError::with_hint(KeyError::Exists(out.clone()), "choose another --out, then put it in place of the old one"),
        false => error.into(),
    })?;
    Ok(format!("keyset {}: {}\n", keyset.number, line::one_line(&out.to_string_lossy())))
}

fn show(path: &Path) -> Result<String, CtlError> {
    let SignedKeyset { keyset, signatures, .. } = store::keyset(path, Guard::Any)?;
    let Keyset { origin, number, issued, expires, root_threshold, list_threshold, lift_threshold, keys } = &keyset;
    let mut text = format!("keyset {number} of {origin}, issued {issued}, to be renewed by {expires}\n");
    let (list_keys, root_keys) = (amount(*list_threshold, "list key"), amount(*root_threshold, "root key"));
    text += &format!("a list needs {list_keys}, one that lifts a ban {lift_threshold}, the next keyset {root_keys}\n");
    for Key { role, name, public } in keys {
        text += &format!("  {} {name} {}\n", role.word(), public.algorithm().word());
    }
    if !signatures.is_empty() {
        text += &format!("{}, not checked\n", amount(signatures.len(), "signature"));
    }
    Ok(text)
}
