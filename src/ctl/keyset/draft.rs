//! Implements `embargoctl keyset new`: makes the first keyset from keys and thresholds.
//!
//! In: public keys and thresholds. Out: an unsigned keyset, or an error that names the option at
//! fault. `keyset next`, which derives a keyset from the one before it, uses the checks and the
//! writing here as well.

use std::path::{Path, PathBuf};

use super::super::keys::{public_key, span, time};
use super::super::{CtlError, amount};
use super::{KeysetError, same_key};
use crate::banlist::keyset::{Key, Keyset, MAX_KEYSET, Role};
use crate::banlist::note::MAX_SIGNATURES;
use crate::banlist::text;
use crate::report::{self, line};
use crate::sys::clock::Timestamp;
use crate::sys::replace;

/// Make a keyset from public keys.
///
/// Copy the keyset to /etc/embargo/keyset on every node. A node accepts a list if as many of the
/// keyset's list keys have signed it as the threshold says.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  embargoctl keyset new --origin bans.example.com/prod --list-key alice.pub \\
      --list-key bob.pub --lift-threshold 2 --root-key root-1.pub \\
      --out keyset")]
pub struct NewArgs {
    /// A name for the author and the purpose of the lists, such as bans.example.com/prod. A list
    /// built for another origin is refused.
    #[arg(long, value_name = "NAME")]
    origin: String,
    /// A key that signs lists: a FILE.pub of keygen, ssh-keygen, minisign or signify, or a public
    /// key in PEM. Repeat it for more keys.
    #[arg(long = "list-key", value_name = "PUB", required = true)]
    list_keys: Vec<PathBuf>,
    /// A key that signs the next keyset. Repeat it for more keys. Without root keys, the keyset can
    /// only be replaced by hand.
    #[arg(long = "root-key", value_name = "PUB")]
    root_keys: Vec<PathBuf>,
    /// How many list keys must sign a list.
    #[arg(long, value_name = "N", default_value_t = 1)]
    threshold: usize,
    /// How many list keys must sign a list that lifts a ban. Default: as many as `--threshold`.
    #[arg(long, value_name = "N")]
    lift_threshold: Option<usize>,
    /// How many root keys must sign the next keyset. Default: 1 if there are root keys.
    #[arg(long, value_name = "N")]
    root_threshold: Option<usize>,
    /// The keyset's number. Each next keyset has the next number.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    number: u64,
    /// The keyset's time of issue, YYYY-MM-DDThh:mm:ssZ. Default: now.
    #[arg(long, value_name = "TIME", value_parser = time)]
    issued: Option<Timestamp>,
    /// How long the keyset should be used before the next one replaces it.
    #[arg(long, value_name = "SPAN", default_value = "730d", value_parser = span)]
    valid: u64,
    /// The output file. Default: standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Makes a keyset.
pub(super) fn new(args: &NewArgs, now: Timestamp) -> Result<String, CtlError> {
    let mut keys = read(Role::Root, &args.root_keys)?;
    keys.extend(read(Role::List, &args.list_keys)?);
    let issued = args.issued.unwrap_or(now);
    let keyset = Keyset {
        origin: args.origin.clone(),
        number: args.number,
        issued,
        expires: issued.plus(args.valid),
        root_threshold: args
            .root_threshold
            .unwrap_or(usize::from(!args.root_keys.is_empty())),
        list_threshold: args.threshold,
        lift_threshold: args.lift_threshold.unwrap_or(args.threshold),
        keys,
    };
    let text = text(&keyset)?;
    for doubt in both(&keyset) {
        report::warning("embargoctl", &doubt);
    }
    let Some(out) = &args.out else {
        return Ok(text);
    };
    write(out, &text)?;
    Ok(format!(
        "keyset {}: {}\n",
        keyset.number,
        line::one_line(&out.to_string_lossy())
    ))
}

/// Reads the files of public keys, for keys with this role.
pub(super) fn read(role: Role, paths: &[PathBuf]) -> Result<Vec<Key>, CtlError> {
    let mut keys = Vec::new();
    for path in paths {
        keys.push(Key {
            role,
            ..public_key(path)?
        });
    }
    Ok(keys)
}

/// The text of a keyset, after a check that the text can be parsed again.
///
/// # Errors
/// [`KeysetError::Terms`] for a keyset that is not valid.
pub(super) fn text(keyset: &Keyset) -> Result<String, KeysetError> {
    if !text::is_origin(&keyset.origin) {
        return Err(KeysetError::Terms(format!(
            "an origin has 1 to 128 visible characters, not {:?}",
            keyset.origin
        )));
    }
    thresholds(keyset)?;
    twins(keyset)?;
    let text = keyset.text();
    if let Err(fault) = Keyset::parse(&text) {
        return Err(KeysetError::Terms(fault.to_string()));
    }
    if text.len() as u64 > MAX_KEYSET {
        return Err(KeysetError::Terms(format!(
            "it has more than {MAX_KEYSET} bytes"
        )));
    }
    Ok(text)
}

/// Checks that there are enough keys for each threshold.
fn thresholds(keyset: &Keyset) -> Result<(), KeysetError> {
    let Keyset {
        root_threshold,
        list_threshold,
        lift_threshold,
        ..
    } = *keyset;
    let (roots, lists) = (
        keyset.keys_of(Role::Root).count(),
        keyset.keys_of(Role::List).count(),
    );
    for (option, role, threshold, keys) in [
        ("threshold", "list", list_threshold, lists),
        ("lift-threshold", "list", lift_threshold, lists),
        ("root-threshold", "root", root_threshold, roots),
    ] {
        let fault = if threshold > keys {
            // The author has perhaps not typed the option: `keyset next` takes thresholds from the
            // keyset before. So the message first names the threshold, and then the option that
            // sets it.
            let (are, needed) = (
                if keys == 1 { "is" } else { "are" },
                amount(threshold, &format!("{role} key")),
            );
            format!(
                "the {} of {threshold} needs {needed}, there {are} {keys}: --{option} sets it",
                option.replace('-', " ")
            )
        } else if threshold > MAX_SIGNATURES {
            format!("--{option} {threshold}: nothing carries more than {MAX_SIGNATURES} signatures")
        } else if threshold == 0 && keys > 0 {
            format!("--{option} 0 would need no signature at all")
        } else {
            continue;
        };
        return Err(KeysetError::Terms(fault));
    }
    if lift_threshold < list_threshold {
        let fault = format!(
            "--lift-threshold {lift_threshold} is less than --threshold {list_threshold}: to lift a ban must not be easier"
        );
        return Err(KeysetError::Terms(fault));
    }
    Ok(())
}

/// Checks that no key and no name occurs twice in the same role.
fn twins(keyset: &Keyset) -> Result<(), KeysetError> {
    for (at, key) in keyset.keys.iter().enumerate() {
        for other in &keyset.keys[..at] {
            if other.role != key.role {
                continue;
            }
            let role = key.role.word();
            if other.public.identity() == key.public.identity() {
                let fault = format!(
                    "the {role} keys {} and {} are one key, which counts once",
                    other.name, key.name
                );
                return Err(KeysetError::Terms(fault));
            }
            if other.name == key.name {
                return Err(KeysetError::Terms(format!(
                    "two {role} keys are called {}",
                    key.name
                )));
            }
        }
    }
    Ok(())
}

/// Warns about each key that is both a root key and a list key. Whoever steals such a key can sign
/// lists, and can also choose the keys of the next keyset.
pub(super) fn both(keyset: &Keyset) -> Vec<String> {
    let mut doubts = Vec::new();
    for key in keyset.keys_of(Role::List) {
        if same_key(keyset, Role::Root, key).is_some() {
            doubts.push(format!(
                "{} is both a root key and a list key: whoever steals it signs lists and replaces keys",
                key.name
            ));
        }
    }
    doubts
}

/// Writes a new keyset. An existing file is never overwritten.
pub(super) fn write(out: &Path, text: &str) -> Result<(), CtlError> {
    replace::create(out, 0o644, text.as_bytes()).map_err(|error| match error.is_there() {
        true => CtlError::with_hint(
            KeysetError::Exists(out.to_owned()),
            "choose another --out, then put it in place of the old one",
        ),
        false => error.into(),
    })
}
