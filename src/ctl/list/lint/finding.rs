//! Defines what the linter can find.
//!
//! The table of findings: a stable name, how serious it is, and where and how one is reported. In:
//! what a check saw. Out: [`Findings`], sorted by file and line, with at most [`MAX_ALIKE`] of one
//! kind for one ban: a file of a million bad digests is one mistake.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// How serious a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Certainly wrong.
    Error,
    /// Probably wrong.
    Warning,
    /// Could not be checked.
    Note,
}

impl Level {
    /// The text in reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// Declares the kinds of findings with their names, which stay.
macro_rules! codes {
    ($($(#[$doc:meta])+ $code:ident $word:literal $level:ident,)+) => {
        /// What is wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[$doc])+ $code,)+
        }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$code),+];

            /// The name in reports.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$code => $word,)+
                }
            }

            /// How serious it is.
            #[must_use]
            pub const fn level(self) -> Level {
                match self {
                    $(Self::$code => Level::$level,)+
                }
            }
        }
    };
}

codes! {
    /// It cannot be read, and no list can be built from it.
    Unreadable "unreadable" Error,
    /// An ID occurs twice.
    IdTwice "id-twice" Error,
    /// A ban has no match.
    NoMatch "no-match" Error,
    /// A file of digests is empty.
    NoDigest "no-digest" Error,
    /// A digest occurs twice in a ban, as the same kind and under the same name.
    DigestTwice "digest-twice" Error,
    /// An exception has no end.
    EndlessException "endless-exception" Error,
    /// A ban lapses before it takes effect.
    LapsesFirst "lapses-first" Error,
    /// The digest of an empty layer, which countless images have.
    EmptyLayer "empty-layer" Error,
    /// The digest of no bytes at all.
    EmptyDigest "empty-digest" Error,
    /// One digest is used as two things that cannot be the same.
    TwoKinds "two-kinds" Error,
    /// A digest is that of something else than it stands for.
    WrongKind "wrong-kind" Error,
    /// The exceptions of a ban cover all of it.
    CoversBan "covers-ban" Error,
    /// A layer that cures a ban is in the banned image itself.
    CureInBase "cure-in-base" Error,
    /// The successor is what is banned, by name.
    SuccessorSame "successor-same" Error,
    /// The successor is banned, itself or its base.
    SuccessorBanned "successor-banned" Error,
    /// An exception covers one match of several.
    CoversMatch "covers-match" Warning,
    /// An exception is over.
    ExceptionOver "exception-over" Warning,
    /// An exception excepts nothing.
    ExceptionIdle "exception-idle" Warning,
    /// An exception occurs twice in a ban.
    ExceptionTwice "exception-twice" Warning,
    /// An exception runs for more than a year.
    LongException "long-exception" Warning,
    /// A ban has lapsed.
    Lapsed "lapsed" Warning,
    /// A ban takes effect in more than a year.
    FarAhead "far-ahead" Warning,
    /// A ban takes effect before the list before it was issued.
    Backdated "backdated" Warning,
    /// A ban of the list before is missing.
    BanGone "ban-gone" Warning,
    /// An advisory does not have the format of its kind.
    AdvisoryForm "advisory-form" Warning,
    /// Something critical only gives a warning.
    CriticalWarns "critical-warns" Warning,
    /// A patch runs whether or not it is needed.
    PatchWithoutCheck "patch-without-check" Warning,
    /// A patch has too little time, or more than anybody waits.
    PatchTimeout "patch-timeout" Warning,
    /// A command is written as a shell would take it, and no shell takes it.
    PatchWords "patch-words" Warning,
    /// The successor is no image reference.
    SuccessorForm "successor-form" Warning,
    /// The successor may be another image tomorrow.
    SuccessorFloating "successor-floating" Warning,
    /// Another image has the same layers and is banned, too.
    SameLayers "same-layers" Warning,
    /// Some platforms of an image are not banned.
    MissingPlatform "missing-platform" Warning,
    /// What is banned is of another platform.
    OtherPlatform "other-platform" Warning,
    /// The name belongs to other layers.
    OtherImage "other-image" Warning,
    /// An image is banned, and what is built on it is not.
    ImageOnly "image-only" Warning,
    /// A manifest or index without its image ID; some engines know only the image ID.
    NoImageId "no-image-id" Warning,
    /// An image was not available to be checked.
    NotChecked "not-checked" Note,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub code: Code,
    /// In which file.
    pub file: PathBuf,
    /// In which line, counted from 1.
    pub line: usize,
    /// In which ban.
    pub ban: Option<String>,
    /// One sentence.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// The most findings of one kind that are reported for one ban.
pub(super) const MAX_ALIKE: usize = 10;

/// Collects findings.
pub(super) struct Findings<'a> {
    file: &'a Path,
    all: Vec<Finding>,
    /// How many there are of one kind and one ban, and which is the last that is reported.
    alike: HashMap<(Code, Option<String>), (usize, usize)>,
}

/// Where something is in the source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// In which file; `None` for the source itself.
    pub(super) file: Option<&'a Path>,
    pub(super) line: usize,
    pub(super) ban: Option<&'a str>,
}

impl<'a> Findings<'a> {
    /// No findings yet, in this source.
    pub(super) fn new(file: &'a Path) -> Self {
        Self {
            file,
            all: Vec::new(),
            alike: HashMap::new(),
        }
    }

    /// Adds one.
    pub(super) fn add(
        &mut self,
        code: Code,
        place: Place<'_>,
        text: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let ban = place.ban.map(str::to_owned);
        let (count, last) = self.alike.entry((code, ban.clone())).or_default();
        *count += 1;
        if *count > MAX_ALIKE {
            return;
        }
        *last = self.all.len();
        let (text, hint) = (
            text.into(),
            Some(hint.into()).filter(|hint| !hint.is_empty()),
        );
        self.all.push(Finding {
            code,
            file: place.file.unwrap_or(self.file).to_owned(),
            line: place.line,
            ban,
            text,
            hint,
        });
    }

    /// All of them, by file and line, the source's own first.
    pub(super) fn sorted(mut self) -> Vec<Finding> {
        for (count, last) in self
            .alike
            .into_values()
            .filter(|(count, _)| *count > MAX_ALIKE)
        {
            self.all[last].text += &format!("; {} more like this", count - MAX_ALIKE);
        }
        let source = self.file;
        self.all.sort_by(|a, b| {
            let place =
                |finding: &Finding| (finding.file != source, finding.file.clone(), finding.line);
            place(a)
                .cmp(&place(b))
                .then_with(|| (a.code, &a.text).cmp(&(b.code, &b.text)))
        });
        self.all
    }
}
