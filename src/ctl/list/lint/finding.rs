//! Defines the findings of `list lint`, and collects them.
//!
//! Each kind of finding has a stable name and a level. In: the findings of the checks, one by one.
//! Out: [`Findings`], sorted by file and line, with at most [`MAX_ALIKE`] findings of one kind for
//! one ban: a file of a million bad digests is one mistake.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// How serious a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The source is certainly wrong.
    Error,
    /// The source is probably wrong.
    Warning,
    /// Something could not be checked.
    Note,
}

impl Level {
    /// The name of the level in reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// Declares the kinds of findings, whose names are stable.
macro_rules! codes {
    ($($(#[$doc:meta])+ $code:ident $word:literal $level:ident,)+) => {
        /// The kind of a finding.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[$doc])+ $code,)+
        }

        impl Code {
            /// All kinds of findings.
            pub const ALL: &[Self] = &[$(Self::$code),+];

            /// The name of the kind in reports.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$code => $word,)+
                }
            }

            /// How serious a finding of this kind is.
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
    /// A part of the source cannot be parsed, so no list can be built.
    Unreadable "unreadable" Error,
    /// Two bans have the same ID.
    IdTwice "id-twice" Error,
    /// A ban has no match.
    NoMatch "no-match" Error,
    /// A file of digests is empty.
    NoDigest "no-digest" Error,
    /// A digest occurs twice in a ban, with the same kind and the same name.
    DigestTwice "digest-twice" Error,
    /// An exception has no end.
    EndlessException "endless-exception" Error,
    /// A ban lapses before it takes effect.
    LapsesFirst "lapses-first" Error,
    /// Existing containers may start until a time before the ban takes effect.
    ExistingFirst "existing-first" Error,
    /// A digest is that of an empty layer, which countless images have.
    EmptyLayer "empty-layer" Error,
    /// A digest is that of zero bytes.
    EmptyDigest "empty-digest" Error,
    /// One digest is used as two kinds of things, which is impossible.
    TwoKinds "two-kinds" Error,
    /// A digest belongs to another kind of thing than the source says.
    WrongKind "wrong-kind" Error,
    /// The exceptions of a ban cover everything that the ban matches.
    CoversBan "covers-ban" Error,
    /// A cure's layer is in the banned image itself, so the ban never refuses anything.
    CureInBase "cure-in-base" Error,
    /// The successor has the name of a banned image.
    SuccessorSame "successor-same" Error,
    /// The successor, or its base, is banned.
    SuccessorBanned "successor-banned" Error,
    /// The exceptions cover everything that one of several matches matches.
    CoversMatch "covers-match" Warning,
    /// An exception has ended.
    ExceptionOver "exception-over" Warning,
    /// An exception covers nothing that the ban matches.
    ExceptionIdle "exception-idle" Warning,
    /// A ban has the same exception twice.
    ExceptionTwice "exception-twice" Warning,
    /// An exception ends in more than a year.
    LongException "long-exception" Warning,
    /// A ban has lapsed.
    Lapsed "lapsed" Warning,
    /// A ban takes effect in more than a year.
    FarAhead "far-ahead" Warning,
    /// The ban takes effect before the last list, which did not have it, was issued.
    Backdated "backdated" Warning,
    /// A ban of the last list is missing in the source.
    BanGone "ban-gone" Warning,
    /// An advisory does not have the format of advisories.
    AdvisoryForm "advisory-form" Warning,
    /// A ban of critical severity only warns.
    CriticalWarns "critical-warns" Warning,
    /// A patch has no check, so it also runs where it is not needed.
    PatchWithoutCheck "patch-without-check" Warning,
    /// A patch has too little time to run, or too much.
    PatchTimeout "patch-timeout" Warning,
    /// A patch or check is written for a shell, and no shell runs it.
    PatchWords "patch-words" Warning,
    /// The successor is not a valid image reference.
    SuccessorForm "successor-form" Warning,
    /// The successor has a tag that is moved from image to image.
    SuccessorFloating "successor-floating" Warning,
    /// The ban also hits another image, which has the same layers.
    SameLayers "same-layers" Warning,
    /// The ban leaves out some platforms of an image.
    MissingPlatform "missing-platform" Warning,
    /// The platform of a match is not the platform of the image.
    OtherPlatform "other-platform" Warning,
    /// The name of a match belongs to an image with other layers.
    OtherImage "other-image" Warning,
    /// The ban hits an image, but not the images that are built on it.
    ImageOnly "image-only" Warning,
    /// A match or exception has a manifest or index digest, but not the image ID. Some engines know
    /// only the image ID.
    NoImageId "no-image-id" Warning,
    /// An image could not be found or read, so it was not checked.
    NotChecked "not-checked" Note,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LintFinding {
    /// The kind of the finding.
    pub code: Code,
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// The ID of the ban.
    pub ban: Option<String>,
    /// One sentence that describes the mistake.
    pub text: String,
    /// What the author can do about the mistake.
    pub hint: Option<String>,
}

/// The most findings of one kind that are reported about one ban.
pub(super) const MAX_ALIKE: usize = 10;

/// The collected findings.
pub(super) struct Findings<'a> {
    file: &'a Path,
    all: Vec<LintFinding>,
    /// For each kind and ban: how many findings there are, and the index of the last one that is
    /// reported.
    alike: HashMap<(Code, Option<String>), (usize, usize)>,
}

/// A location in the source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Location<'a> {
    /// The file of digests. `None` for the source itself.
    pub(super) file: Option<&'a Path>,
    pub(super) line: usize,
    pub(super) ban: Option<&'a str>,
}

impl<'a> Location<'a> {
    /// The source as a whole, or a ban without a line in this source.
    pub(super) const fn of_source(ban: Option<&'a str>) -> Self {
        Self {
            file: None,
            line: 1,
            ban,
        }
    }
}

impl<'a> Findings<'a> {
    /// Starts with no findings. `file` is the source.
    pub(super) fn new(file: &'a Path) -> Self {
        Self {
            file,
            all: Vec::new(),
            alike: HashMap::new(),
        }
    }

    /// Adds a finding. Findings beyond [`MAX_ALIKE`] of one kind for one ban are only counted.
    pub(super) fn add(
        &mut self,
        code: Code,
        place: Location<'_>,
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
        self.all.push(LintFinding {
            code,
            file: place.file.unwrap_or(self.file).to_owned(),
            line: place.line,
            ban,
            text,
            hint,
        });
    }

    /// All findings, sorted by file and line. Findings in `bans.toml` itself come first.
    pub(super) fn sorted(mut self) -> Vec<LintFinding> {
        for (count, last) in self.alike.into_values() {
            if count > MAX_ALIKE {
                self.all[last].text += &format!("; {} more like this", count - MAX_ALIKE);
            }
        }
        let source = self.file;
        self.all.sort_by_cached_key(|found| {
            let place = (found.file != source, found.file.clone(), found.line);
            (place, found.code, found.text.clone())
        });
        self.all
    }
}
