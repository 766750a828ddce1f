//! Decides whether the patches in the list may run.
//!
//! In: the node's settings, keyset and list in force. Out: the list whose patches may run, or the
//! reason why they may not. A patch is code that runs as root in many containers, so one stolen
//! list key must not be enough to run a patch. The list must have as many good signatures as are
//! needed to lift a ban (the *lift threshold*). The rule is the same however the list was
//! installed, and whether a person typed `--ban` or a unit runs `--auto`. The check uses the same
//! list as the scan of the containers. Not checked: the list's body, which is hashed when it is
//! read.

use super::error::{PatchError, Withheld};
use crate::banlist::ban::Patch;
use crate::banlist::error::SignatureTally;
use crate::banlist::store::{self, Bans, ListId, Trust};
use crate::exec_patch::journal::header::Trigger;
use crate::exec_patch::request::payloads::{Payloads, ScriptRole};
use crate::exec_patch::select::{ListedScript, Scanner, Selection};
use crate::paths::Paths;
use crate::settings::{AutoPatch, Settings};

/// The list in force, if its patches may run unattended; `None` if the settings forbid that.
///
/// # Errors
/// As [`in_force`].
pub fn list(paths: &Paths, settings: &Settings) -> Result<Option<ListId>, PatchError> {
    match settings.auto_patch {
        AutoPatch::Off => Ok(None),
        AutoPatch::OnInstall => in_force(paths, settings).map(Some),
    }
}

/// The list in force, for resuming an unattended run. The list must have as many signatures as for
/// a new run. `None` for a run that a person started.
///
/// # Errors
/// As [`in_force`].
pub fn again(
    trigger: Trigger,
    paths: &Paths,
    settings: &Settings,
) -> Result<Option<ListId>, PatchError> {
    match trigger {
        Trigger::Typed => Ok(None),
        Trigger::Auto => in_force(paths, settings).map(Some),
    }
}

/// The list in force, if it has enough signatures to lift a ban.
///
/// # Errors
/// [`PatchError::List`] when there is no authentic list in force, and the errors of [`may_run`].
fn in_force(paths: &Paths, settings: &Settings) -> Result<ListId, PatchError> {
    match store::look_up(paths, &settings.rules(), &[]) {
        Bans::Known(known) => {
            may_run(Some(known.id()), Vec::new(), paths, settings).map(|()| known.id())
        }
        Bans::Missing(fault) => Err(fault.into()),
    }
}

/// Sets the role of the typed script, if a script was typed: whether a ban signs this script or
/// another one. A list without enough signatures to run its patches cannot forbid what an operator
/// types: then a ban that signs another script does not refuse the typed script.
///
/// # Errors
/// [`PatchError::Select`] when there is no usable list, and the errors of [`may_run`].
pub fn judge_script(
    payloads: &mut Payloads,
    scanner: &Scanner<'_>,
    paths: &Paths,
    settings: &Settings,
) -> Result<(), PatchError> {
    let Some(script) = payloads.script() else {
        return Ok(());
    };
    let list = match scanner.script(script)? {
        ListedScript::None => return Ok(()),
        ListedScript::Same => {
            payloads.set_role(ScriptRole::Signed);
            return Ok(());
        }
        ListedScript::Another(list) => list,
    };
    match may_run(Some(list), Vec::new(), paths, settings) {
        Err(PatchError::TooFewSigned(..)) => payloads.set_role(ScriptRole::Typed),
        verdict => verdict?,
    }
    Ok(())
}

/// Checks a selection before anything runs: if a patch from the list would run, the list must have
/// enough signatures to lift a ban.
///
/// # Errors
/// [`PatchError::TooFewSigned`], with the patches that must not run.
pub fn check(
    payloads: &Payloads,
    selection: &Selection,
    paths: &Paths,
    settings: &Settings,
) -> Result<(), PatchError> {
    let mut patches: Vec<Withheld> = Vec::new();
    for found in &selection.matches {
        let mut signed = Vec::new();
        for payload in payloads.of_bans(&found.bans).into_iter().flatten() {
            signed.extend(payload.ban);
        }
        for ban in &found.bans {
            if signed.contains(&ban.id) && !patches.iter().any(|known| known.ban == ban.id) {
                patches.push(Withheld {
                    ban: ban.id.clone(),
                    lines: ban.patch.iter().flat_map(Patch::lines).collect(),
                });
            }
        }
    }
    if patches.is_empty() {
        Ok(())
    } else {
        may_run(selection.list, patches, paths, settings)
    }
}

/// Checks that a list has enough signatures to lift a ban, according to the present keyset.
/// Signatures from both copies of the list are used, because one copy may have signatures that the
/// other lacks.
fn may_run(
    list: Option<ListId>,
    patches: Vec<Withheld>,
    paths: &Paths,
    settings: &Settings,
) -> Result<(), PatchError> {
    let trust = Trust::load(paths, &settings.rules())?;
    let tally = match list {
        Some(list) => trust.signed(paths, list.head),
        None => SignatureTally {
            needed: trust.keyset.lift_threshold,
            ..SignatureTally::default()
        },
    };
    if tally.good >= tally.needed {
        Ok(())
    } else {
        Err(PatchError::TooFewSigned(tally, patches))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;
    use crate::banlist::ban::MatchKind;
    use crate::banlist::store::Query;
    use crate::banlist::testing::{digest, keyset, list as signed, parse, source, terms};
    use crate::exec_patch::request::arguments::{Order, PatchSource, ProgramCall};
    use crate::exec_patch::request::payload::NoPatch;
    use crate::exec_patch::request::target::Selector;
    use crate::lineage::digest::Digest;
    use crate::settings;
    use crate::sys::replace::replace;

    /// A node with three list keys. A list needs one signature; a list that lifts a ban needs two.
    fn node(root: &Path) -> Paths {
        let paths = Paths::below(root);
        fs::create_dir_all(paths.keyset.parent().unwrap()).unwrap();
        fs::create_dir_all(&paths.state).unwrap();
        fs::set_permissions(&paths.state, fs::Permissions::from_mode(0o755)).unwrap();
        let keyset = crate::banlist::keyset::Keyset {
            lift_threshold: 2,
            ..keyset(&[1, 2, 3], 1)
        };
        replace(&paths.keyset, 0o644, keyset.text().as_bytes()).unwrap();
        paths
    }

    /// Puts a list of version 7 in force, which bans this base.
    fn install(paths: &Paths, base: u64, signers: &[u8]) {
        replace(
            &paths.list,
            0o644,
            &signed(&source(&[("base", digest(base))]), &terms(7), signers),
        )
        .unwrap();
    }

    /// What [`list`] returns on such a node, as text; `line` is a line of the settings.
    fn said(line: &str, signers: &[u8]) -> String {
        let directory = tempfile::tempdir().unwrap();
        let paths = node(directory.path());
        if !signers.is_empty() {
            install(&paths, 1, signers);
        }
        let settings =
            settings::parse(&format!("mode = \"enforce\"\n{line}\n"), &paths.settings).unwrap();
        match list(&paths, &settings) {
            Ok(list) => format!("{:?}", list.map(|list| list.version)),
            Err(error) => error
                .to_string()
                .replace(directory.path().to_str().unwrap(), ""),
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
            (
                WANTED,
                &[1],
                "cannot run the list's patches: 1 signed it, and the lift threshold is 2",
            ),
            (
                WANTED,
                &[2, 2],
                "cannot run the list's patches: 1 signed it, and the lift threshold is 2",
            ),
            (WANTED, &[], "cannot read \"/var/lib/embargo/banlist.lst\""),
        ] {
            assert_eq!(said(line, signers), expected, "{line} {signers:?}");
        }
    }

    /// The result for a typed script, in a container of a ban whose patch is the script
    /// `signed_script`.
    fn typed_script(signed_script: &str, signers: &[u8]) -> Result<Option<String>, NoPatch> {
        let directory = tempfile::tempdir().unwrap();
        let paths = node(directory.path());
        let ban = format!(
            "[[ban]]\nid = \"BAN-1\"\nreason = \"why\"\nseverity = \"high\"\neffective = 2026-11-20\n\
             [[ban.match]]\nbase = \"{}\"\n[ban.patch]\nscript = \"{}\"\nrun = [\"-q\"]\n",
            digest(1),
            Digest::of(signed_script.as_bytes())
        );
        let list = signed(&parse(&ban), &terms(7), signers);
        replace(&paths.list, 0o644, &list).unwrap();
        let file = directory.path().join("fix.sh");
        replace(&file, 0o644, b"echo typed").unwrap();
        let mut order = Order::automatic();
        order.target.selector = Selector::Bans(vec!["BAN-1".into()]);
        order.source = PatchSource::Script(ProgramCall {
            file,
            arguments: Vec::new(),
        });
        let settings = settings::parse("mode = \"enforce\"\n", &paths.settings).unwrap();
        let mut payloads = Payloads::load(order).unwrap();
        let scanner = Scanner::new(&payloads.order().target, &paths, &settings).unwrap();
        judge_script(&mut payloads, &scanner, &paths, &settings).unwrap();
        let query = Query {
            kind: MatchKind::Base,
            digest: digest(1),
        };
        let Bans::Known(known) = store::look_up(&paths, &settings.rules(), &[query]) else {
            panic!("no list")
        };
        let bans: Vec<_> = known.hits.iter().map(|hit| hit.ban.clone()).collect();
        let [payload] = &payloads.of_bans(&bans)[..] else {
            panic!("not one payload")
        };
        payload.clone().map(|payload| payload.ban)
    }

    #[test]
    fn a_list_that_may_not_run_its_patches_does_not_stop_another_script() {
        let other = |signers| typed_script("echo signed", signers);
        let refusal = NoPatch::OtherScript(
            "BAN-1".into(),
            Digest::of(b"echo signed"),
            Digest::of(b"echo typed"),
        );
        assert_eq!(other(&[1, 2]), Err(refusal));
        assert_eq!(other(&[1]), Ok(None));
        // A typed script that the ban signs has the role of the ban's patch. `check` keeps it from
        // running if the list has too few signatures.
        for signers in [&[1, 2][..], &[1]] {
            assert_eq!(
                typed_script("echo typed", signers),
                Ok(Some("BAN-1".into()))
            );
        }
    }

    #[test]
    fn a_list_of_the_same_version_is_another_one_and_going_on_asks_again() {
        let directory = tempfile::tempdir().unwrap();
        let paths = node(directory.path());
        let settings = settings::parse("mode = \"enforce\"\n", &paths.settings).unwrap();
        install(&paths, 1, &[1, 2]);
        let one = in_force(&paths, &settings).unwrap();
        install(&paths, 2, &[1, 2]);
        let other = in_force(&paths, &settings).unwrap();
        assert_eq!((one.version, other.version), (7, 7));
        assert_ne!(one, other);
        assert_eq!(
            again(Trigger::Auto, &paths, &settings).unwrap(),
            Some(other)
        );
        install(&paths, 2, &[1]);
        assert!(matches!(
            again(Trigger::Auto, &paths, &settings),
            Err(PatchError::TooFewSigned(..))
        ));
        assert_eq!(again(Trigger::Typed, &paths, &settings).unwrap(), None);
    }
}
