//! Decides whether one keyset may replace another.
//!
//! In: the trusted keyset, and the bytes of a keyset that claims to be the next one (hostile: the
//! person who delivered the bytes may have made them up). Out: the next keyset, or why it is
//! refused. The rules are those of TUF for its root role (specification 1.0.34, sections 5.3.3 to
//! 5.3.7). The number must be higher by exactly one, and enough root keys must have signed: both of
//! the old keyset and of the new one. An invalid signature is skipped if there are enough valid
//! ones. A key counts once, by its identity. Not checked: the time. A rotation from an expired
//! keyset is allowed; otherwise a node that was away too long could never come back (TUF,
//! `test_expiration`).

use thiserror::Error;

use super::error::SignatureTally;
use super::keyset::{Key, Keyset, Role, SignedKeyset};
use super::note::{self, Enough, Signature};
use super::text::Malformed;

/// Why a keyset may not replace another.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RotationError {
    /// The new keyset does not have the right format.
    #[error("{0}")]
    Malformed(Malformed),
    /// The new keyset is for another origin: its origin, the expected origin.
    #[error("it is for {0:?}, not for {1:?}")]
    Origin(String, String),
    /// The old keyset has no root key that could sign the next keyset: the number of the old
    /// keyset.
    #[error("keyset {0} has no root keys, so it can only be replaced by hand")]
    ByHand(u64),
    /// The number of the new keyset does not follow the old number: the new number, the old number.
    #[error("keyset {0} does not follow keyset {1}")]
    Number(u64, u64),
    /// Too few root keys of the old keyset signed the new keyset: the number of the old keyset, and
    /// how many root keys signed.
    #[error("by root keys of keyset {0}: {1}")]
    Old(u64, SignatureTally),
    /// Too few of the new keyset's own root keys signed the new keyset: the number of the new
    /// keyset, and how many root keys signed.
    #[error("by its own root keys, those of keyset {0}: {1}")]
    New(u64, SignatureTally),
}

/// How many root keys signed a keyset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signers {
    /// Root keys of the old keyset.
    pub old: SignatureTally,
    /// The new keyset's own root keys.
    pub new: SignatureTally,
    /// Signatures that name a root key of either keyset but are not valid.
    pub bad: usize,
}

impl Signers {
    /// Counts who signed `new`. Every signature is checked.
    #[must_use]
    pub fn of(old: &Keyset, new: &SignedKeyset) -> Self {
        let mut bad = 0;
        for signature in &new.signatures {
            let one = std::slice::from_ref(signature);
            if tally(old, new, one).bad == 1 || tally(&new.keyset, new, one).bad == 1 {
                bad += 1;
            }
        }
        Self {
            old: tally(old, new, &new.signatures),
            new: tally(&new.keyset, new, &new.signatures),
            bad,
        }
    }
}

/// Counts the root keys of `keyset` that have signed the text of `signed`.
#[must_use]
pub fn tally(keyset: &Keyset, signed: &SignedKeyset, signatures: &[Signature]) -> SignatureTally {
    let keys: Vec<_> = keyset.keys_of(Role::Root).map(Key::named).collect();
    note::tally(
        &signed.text,
        signatures,
        &keys,
        keyset.root_threshold,
        Enough::All,
    )
}

/// Reads the keyset in `bytes`, if it may replace `old`.
///
/// # Errors
/// [`RotationError`] for the first rule that the keyset breaks.
pub fn next(old: &Keyset, bytes: &[u8]) -> Result<SignedKeyset, RotationError> {
    let new = SignedKeyset::parse(bytes).map_err(RotationError::Malformed)?;
    let Keyset { origin, number, .. } = &new.keyset;
    if *origin != old.origin {
        return Err(RotationError::Origin(origin.clone(), old.origin.clone()));
    }
    if old.root_threshold == 0 {
        return Err(RotationError::ByHand(old.number));
    }
    if old.number.checked_add(1) != Some(*number) {
        return Err(RotationError::Number(*number, old.number));
    }
    let by_old = tally(old, &new, &new.signatures);
    if by_old.good < by_old.needed {
        return Err(RotationError::Old(old.number, by_old));
    }
    vouched(new)
}

/// Reads the keyset in `bytes`, if enough of its own root keys signed it. For the first keyset of a
/// node, nothing more can be checked.
///
/// # Errors
/// [`RotationError::Malformed`] and [`RotationError::New`].
pub fn first(bytes: &[u8]) -> Result<SignedKeyset, RotationError> {
    vouched(SignedKeyset::parse(bytes).map_err(RotationError::Malformed)?)
}

fn vouched(signed: SignedKeyset) -> Result<SignedKeyset, RotationError> {
    let own = tally(&signed.keyset, &signed, &signed.signatures);
    if own.good < own.needed {
        Err(RotationError::New(signed.keyset.number, own))
    } else {
        Ok(signed)
    }
}

#[cfg(test)]
#[cfg(feature = "ctl")]
mod tests;
