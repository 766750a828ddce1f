//! Tests the outcomes of embargo(8), OUTCOMES, one by one, with the time as an input.

mod matches;
mod not_in_effect;
mod origins;
mod lists;
mod modes;
mod page;

use std::path::PathBuf;
use std::sync::Arc;

use super::break_glass::Fault;
use super::*;
use crate::banlist::ban::{Action, Ban, Exception, Hit, Severity};
use crate::banlist::error::ListError;
use crate::banlist::store::{ListAnswer, Slot};
use crate::call::Call;
use crate::lineage::chain::Chain;
use crate::lineage::digest::{DiffId, Digest, ImageId};
use crate::lineage::{Corrupt, Evidence, ImageFacts, ImageLineage, Unknown};
use crate::settings;
use crate::sys::file::FileError;

const NAME: &str = "docker.io/library/debian:12.4";
const NEXT: &str = "docker.io/library/debian:12.5@sha256:cafe";
/// The example line of embargo(8), A REFUSAL, for the ban of [`hit`].
const LINE: &str = "embargo: refused web-1: built on docker.io/library/debian:12.4, banned by BAN-2026-0007 (critical, CVE-2026-1234) since 2026-11-20; \
     use docker.io/library/debian:12.5@sha256:cafe ; list 412";

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// A chain of three layers: base, middle, top.
fn chain() -> Chain {
    Chain::from_diff_ids(
        ["base", "middle", "top"]
            .map(|layer| DiffId(digest(layer)))
            .to_vec(),
    )
    .unwrap()
}

fn facts() -> ImageFacts {
    let name = Some("docker.io/acme/web:1".to_owned());
    let manifests = vec![digest("manifest"), digest("index")];
    ImageFacts {
        image_id: Some(ImageId(digest("config"))),
        manifests,
        name,
        ..ImageFacts::default()
    }
}

fn image(evidence: Evidence) -> Origin {
    Origin::Image(ImageLineage {
        chain: chain(),
        facts: facts(),
        evidence,
    })
}

fn ban() -> Ban {
    Ban {
        id: "BAN-2026-0007".into(),
        reason: "backdoor".into(),
        advisories: vec!["CVE-2026-1234".into()],
        severity: Severity::Critical,
        action: Action::Refuse,
        effective: at("2026-11-20"),
        lapses: None,
        existing_until: None,
        successor: Some(NEXT.into()),
        except: vec![],
        cure: vec![],
        patch: None,
    }
}

/// A match: the base is banned.
fn hit() -> Hit {
    Hit {
        digest: chain().chain_ids()[0].0,
        kind: MatchKind::Base,
        name: Some(NAME.into()),
        platform: Some("linux/amd64".into()),
        ban: Arc::new(ban()),
    }
}

fn hit_by(change: impl FnOnce(&mut Ban)) -> Hit {
    let mut hit = hit();
    change(Arc::make_mut(&mut hit.ban));
    hit
}

fn except(kind: MatchKind, digest: Digest, until: &str) -> Exception {
    Exception {
        kind,
        digest,
        until: at(until),
        reason: "moving".into(),
        ticket: Some("OPS-9".into()),
    }
}

fn list(hits: Vec<Hit>) -> ListAnswer {
    ListAnswer {
        keyset: 1,
        version: 412,
        head: Digest::of(b"head"),
        issued: at("2026-11-20T14:00:00Z"),
        expires: at("2026-12-04T14:00:00Z"),
        floor_issued: None,
        image_digests: 0,
        hits,
        slot: Slot::Current,
        fault: None,
        bad_signatures: 0,
    }
}

fn no_list() -> ListError {
    ListError::Block("/var/lib/embargo/banlist.lst".into(), 7)
}

/// A [`Case`], with everything that it borrows.
struct Given {
    origin: Result<Origin, LineageError>,
    bans: Bans,
    settings: String,
    glass: Option<BreakGlass>,
    created: Option<Timestamp>,
    now: Timestamp,
}

impl Given {
    fn hits(hits: Vec<Hit>) -> Self {
        let now = at("2026-11-21T10:00:00Z");
        Self {
            origin: Ok(image(Evidence::Mount)),
            bans: Bans::Known(list(hits)),
            settings: "#\n".into(),
            glass: None,
            created: None,
            now,
        }
    }

    fn origin(origin: Result<Origin, LineageError>) -> Self {
        Self {
            origin,
            ..Self::hits(vec![])
        }
    }

    fn bans(bans: Bans) -> Self {
        Self {
            bans,
            ..Self::hits(vec![])
        }
    }

    fn now(self, now: &str) -> Self {
        Self {
            now: at(now),
            ..self
        }
    }

    fn created(self, created: &str) -> Self {
        Self {
            created: Some(at(created)),
            ..self
        }
    }

    fn set(self, settings: &str) -> Self {
        Self {
            settings: settings.to_owned(),
            ..self
        }
    }

    fn glass(self, until: &str) -> Self {
        Self {
            glass: Some(BreakGlass::Given {
                reason: "INC-1".into(),
                until: at(until),
                written: at(until),
            }),
            ..self
        }
    }

    fn judged_with(&self, labels: Labels<'_>) -> Judgement {
        let settings =
            settings::parse(&self.settings, Path::new("/etc/embargo/config.toml")).unwrap();
        let (origin, break_glass) = (self.origin.as_ref(), self.glass.as_ref());
        judge(&Case {
            container: "web-1",
            name: None,
            engine: Engine::Docker,
            origin,
            labels,
            bans: &self.bans,
            settings: &settings,
            break_glass,
            created: self.created,
            now: self.now,
        })
    }

    fn judged(&self) -> Judgement {
        self.judged_with(Labels::default())
    }

    /// Checks that the container starts and that the system log gets exactly these events.
    #[track_caller]
    fn admits(&self, events: &[(EventKind, &str)]) {
        let judgement = self.judged();
        assert!(
            matches!(judgement.verdict, Verdict::Admit(_)),
            "{judgement:?}"
        );
        let reported: Vec<_> = judgement
            .events
            .iter()
            .map(|event| (event.kind, event.message.as_str()))
            .collect();
        assert_eq!(reported, events);
    }

    /// Checks that the container is refused with this line, and that the system log gets these
    /// events and then the refusal.
    #[track_caller]
    fn refuses(&self, grounds: Grounds, line: &str, before: &[EventKind]) {
        let judgement = self.judged();
        let Verdict::Refuse(refusal) = &judgement.verdict else {
            panic!("{judgement:?}")
        };
        assert_eq!((refusal.line(), refusal.grounds()), (line, grounds));
        let kinds: Vec<_> = judgement.events.iter().map(|event| event.kind).collect();
        assert_eq!(kinds, [before, &[EventKind::Refused]].concat());
        let event = judgement.events.last().unwrap();
        assert_eq!(
            (event.message.as_str(), event.grounds),
            (line, Some(grounds))
        );
        assert_eq!(judgement.withheld, None);
    }
}

fn unknown() -> LineageError {
    Unknown::NoRecord("the container", PathBuf::from("/var/lib/docker/image")).into()
}

fn corrupt() -> LineageError {
    Corrupt::Mount("/run/rootfs".into(), "3 layers, not 2".into()).into()
}
