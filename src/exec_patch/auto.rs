//! May the signed patches run without being typed?
//!
//! In: the node's settings, keyset and list in force. Out: which list it is whose patches may, or that they need not, or why they may not. A patch is code
//! that runs as root in many containers, so a list key that is stolen must not be enough for it: the list in force has to carry the signatures of the
//! lift threshold, however it was installed. It is asked before each look at the containers and after: the very list that was asked has them. Not
//! checked: the list's body, which is hashed when it is asked.

use super::error::PatchError;
use crate::banlist::bytes::Reader;
use crate::banlist::error::ListError;
use crate::banlist::note::Enough;
use crate::banlist::store::{self, Standing, Trust};
use crate::exec_patch::journal::line::Trigger;
use crate::lineage::digest::Digest;
use crate::paths::Paths;
use crate::settings::{AutoPatch, Settings};
use crate::sys::file::{self, Guard};

/// A list that carries the signatures of the lift threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifted {
    /// Its version.
    pub version: u64,
    /// SHA-256 of its head, which is what is signed.
    pub digest: Digest,
}

/// The list in force, if its patches may run without being typed; `None` when the settings do not want that.
///
/// # Errors
/// As [`lifted`].
pub fn list(paths: &Paths, settings: &Settings) -> Result<Option<Lifted>, PatchError> {
    match settings.auto_patch {
        AutoPatch::Off => Ok(None),
        AutoPatch::OnInstall => lifted(paths, settings).map(Some),
    }
}

/// The list in force, for resuming a run that began by itself: it needs then what that needed.
///
/// # Errors
/// As [`lifted`].
pub fn again(trigger: Trigger, paths: &Paths, settings: &Settings) -> Result<Option<Lifted>, PatchError> {
    match trigger {
        Trigger::Typed => Ok(None),
        Trigger::Auto => lifted(paths, settings).map(Some),
    }
}

/// The list in force, which must carry the signatures of the lift threshold.
///
/// # Errors
/// [`PatchError::List`] when there is no authentic list in force, [`PatchError::TooFewSigned`].
pub fn lifted(paths: &Paths, settings: &Settings) -> Result<Lifted, PatchError> {
    let trust = Trust::load(paths, &settings.rules())?;
    let (file, size) = file::open(&paths.list, Guard::NoLink).map_err(ListError::from)?;
    let list = Reader { path: &paths.list, bytes: &file };
    let authentic = trust.authenticate(&list, size, Standing::Current, Enough::Threshold)?;
    let claim = store::claim(&list, size)?;
    let tally = trust.keyset.tally(&claim.text, &claim.signatures, trust.keyset.lift_threshold, Enough::All);
    // Read twice: it must be the same text.
    if tally.good < tally.wanted || claim.digest() != authentic.digest {
        return Err(PatchError::TooFewSigned(tally));
    }
    Ok(Lifted { version: authentic.head.edition.version, digest: authentic.digest })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::banlist::testing::{digest, keyset, list as signed, source, terms};
    use crate::settings;
    use crate::sys::replace::replace;

    /// What `list` says on a node of three list keys, one of which signs a list and two of which lift a ban.
    fn said(line: &str, signers: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::below(folder.path());
        fs::create_dir_all(paths.keyset.parent().unwrap()).unwrap();
        fs::create_dir_all(&paths.state).unwrap();
        fs::set_permissions(&paths.state, fs::Permissions::from_mode(0o755)).unwrap();
        let keyset = crate::banlist::keyset::Keyset { lift_threshold: 2, ..keyset(&[1, 2, 3], 1) };
        replace(&paths.keyset, 0o644, keyset.text().as_bytes()).unwrap();
        if !signers.is_empty() {
            replace(&paths.list, 0o644, &signed(&source(&[("base", digest(1))]), &terms(7), signers)).unwrap();
        }
        let settings = settings::parse(&format!("mode = \"enforce\"\n{line}\n"), &paths.settings).unwrap();
        match list(&paths, &settings) {
            Ok(list) => format!("{:?}", list.map(|list| list.version)),
            Err(error) => error.to_string().replace(folder.path().to_str().unwrap(), ""),
        }
    }

    #[test]
    fn the_settings_must_want_it_and_the_lift_threshold_must_have_signed() {
        const WANTED: &str = "auto_patch = \"on-install\"";
        for (line, signers, expected) in [
            ("", &[1, 2][..], "None"),
            ("auto_patch = \"off\"", &[1, 2, 3], "None"),
            ("auto_patch = \"off\"", &[], "None"),
            (WANTED, &[1, 2], "Some(7)"),
            (WANTED, &[3, 1, 2], "Some(7)"),
            (WANTED, &[1], "cannot run the list's patches without being asked: 1 signed it, and the lift threshold is 2"),
            (WANTED, &[2, 2], "cannot run the list's patches without being asked: 1 signed it, and the lift threshold is 2"),
            (WANTED, &[], "cannot read \"/var/lib/embargo/banlist.lst\""),
        ] {
            assert_eq!(said(line, signers), expected, "{line} {signers:?}");
        }
    }

    #[test]
    fn a_list_of_the_same_version_is_another_one_and_going_on_asks_again() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::below(folder.path());
        fs::create_dir_all(paths.keyset.parent().unwrap()).unwrap();
        fs::create_dir_all(&paths.state).unwrap();
        fs::set_permissions(&paths.state, fs::Permissions::from_mode(0o755)).unwrap();
        let keyset = crate::banlist::keyset::Keyset { lift_threshold: 2, ..keyset(&[1, 2, 3], 1) };
        replace(&paths.keyset, 0o644, keyset.text().as_bytes()).unwrap();
        let settings = settings::parse("mode = \"enforce\"\n", &paths.settings).unwrap();
        let install = |image, signers: &[u8]| {
            replace(&paths.list, 0o644, &signed(&source(&[("base", digest(image))]), &terms(7), signers)).unwrap();
        };
        install(1, &[1, 2]);
        let one = lifted(&paths, &settings).unwrap();
        install(2, &[1, 2]);
        let other = lifted(&paths, &settings).unwrap();
        assert_eq!((one.version, other.version), (7, 7));
        assert_ne!(one, other);
        assert_eq!(again(Trigger::Auto, &paths, &settings).unwrap(), Some(other));
        install(2, &[1]);
        assert!(matches!(again(Trigger::Auto, &paths, &settings), Err(PatchError::TooFewSigned(_))));
        assert_eq!(again(Trigger::Typed, &paths, &settings).unwrap(), None);
    }
}
