//! May the signed patches run without being typed?
//!
//! In: the node's settings, keyset and list in force. Out: the version of the list whose patches may, or that they need not, or why they may not. A patch
//! is code that runs as root in many containers, so a list key that is stolen must not be enough for it: the list in force has to carry the signatures
//! of the lift threshold, however it was installed. Not checked: the list's body, which is hashed when it is asked.

use super::error::PatchError;
use crate::banlist::bytes::Reader;
use crate::banlist::note::Enough;
use crate::banlist::store::{self, Standing, Trust};
use crate::paths::Paths;
use crate::settings::{AutoPatch, Settings};
use crate::sys::file::{self, Guard};

/// The version of the list in force, if its patches may run without being typed; `None` when the settings do not want that.
///
/// # Errors
/// [`PatchError::List`] when there is no authentic list in force, [`PatchError::TooFewSigned`].
pub fn list(paths: &Paths, settings: &Settings) -> Result<Option<u64>, PatchError> {
    match settings.auto_patch {
        AutoPatch::Off => return Ok(None),
        AutoPatch::OnInstall => {}
    }
    let trust = Trust::load(paths, &settings.rules())?;
    let (file, size) = file::open(&paths.list, Guard::NoLink).map_err(crate::banlist::error::ListError::from)?;
    let list = Reader { path: &paths.list, bytes: &file };
    let head = trust.authenticate(&list, size, Standing::Current, Enough::Threshold)?.head;
    let claim = store::claim(&list, size)?;
    let tally = trust.keyset.tally(&claim.text, &claim.signatures, trust.keyset.lift_threshold, Enough::All);
    if tally.good < trust.keyset.lift_threshold || claim.head != head {
        return Err(PatchError::TooFewSigned(tally));
    }
    Ok(Some(head.edition.version))
}
