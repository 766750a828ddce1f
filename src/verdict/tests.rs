//! Tests the outcomes of embargo(8), OUTCOMES, one by one, with the time as an input.

use std::path::PathBuf;
use std::sync::Arc;

use super::break_glass::Fault;
use super::*;
use crate::banlist::error::ListError;
use crate::banlist::record::{Action, Ban, Exception, Hit, Severity};
use crate::banlist::store::{ListAnswer, Slot};
use crate::call::Call;
use crate::lineage::chain::Chain;
use crate::lineage::digest::{DiffId, Digest, ImageId};
use crate::lineage::{Corrupt, ImageFacts, ImageLineage, Unknown};
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

/// A case, with everything that the case borrows.
struct Given {
    origin: Result<Origin, LineageError>,
    bans: Bans,
    settings: String,
    glass: Option<BreakGlass>,
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
        let told: Vec<_> = judgement
            .events
            .iter()
            .map(|event| (event.kind, event.message.as_str()))
            .collect();
        assert_eq!(told, events);
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

// Row: no match.

#[test]
fn a_container_that_no_ban_matches_starts_silently() {
    Given::hits(vec![]).admits(&[]);
    Given {
        origin: Ok(image(Evidence::Metadata)),
        ..Given::hits(vec![])
    }
    .admits(&[]);
}

#[test]
fn every_digest_of_the_container_is_looked_up_as_what_it_is() {
    let chain = chain();
    let base = |index: usize| Query {
        digest: chain.chain_ids()[index].0,
        kind: MatchKind::Base,
    };
    let image_of = |text| Query {
        digest: digest(text),
        kind: MatchKind::Image,
    };
    let layer = |text| Query {
        digest: digest(text),
        kind: MatchKind::Layer,
    };
    let images = [image_of("config"), image_of("manifest"), image_of("index")];
    let all = [
        &[base(0), base(1), base(2)][..],
        &images,
        &[layer("base"), layer("middle"), layer("top")],
    ]
    .concat();
    assert_eq!(queries(&image(Evidence::Mount)), all);
    assert_eq!(queries(&Origin::NoLayers(facts())), images);
    assert_eq!(queries(&Origin::NoImage), []);
}

// Row: a ban in effect matches.

#[test]
fn a_ban_in_effect_refuses_with_the_line_of_the_manual() {
    Given::hits(vec![hit()]).refuses(Grounds::Banned, LINE, &[]);
    // In effect from its first second.
    Given::hits(vec![hit_by(|ban| {
        ban.effective = at("2026-11-21T10:00:00Z")
    })])
    .refuses(
        Grounds::Banned,
        &LINE.replace("2026-11-20", "2026-11-21"),
        &[],
    );
    // In effect up to the last second before it lapses.
    Given::hits(vec![hit_by(|ban| {
        ban.lapses = Some(at("2026-11-21T10:00:01Z"))
    })])
    .refuses(Grounds::Banned, LINE, &[]);
}

#[test]
fn a_ban_that_has_lapsed_matches_nothing() {
    let given = Given::hits(vec![hit_by(|ban| {
        ban.lapses = Some(at("2026-11-21T10:00:00Z"))
    })]);
    given.admits(&[]);
    assert_eq!(given.judged().findings[0].standing, Standing::Lapsed);
}

#[test]
fn what_matched_is_said_as_what_it_is() {
    let top = chain().top().0;
    for (kind, digest, name, said) in [
        (
            MatchKind::Base,
            chain().chain_ids()[1].0,
            Some(NAME),
            format!("built on {NAME}"),
        ),
        (MatchKind::Base, top, Some(NAME), format!("is {NAME}")),
        (
            MatchKind::Image,
            digest("config"),
            Some(NAME),
            format!("is {NAME}"),
        ),
        (
            MatchKind::Layer,
            digest("middle"),
            Some("xz-backdoor"),
            "contains layer xz-backdoor".to_owned(),
        ),
        (
            MatchKind::Layer,
            digest("middle"),
            None,
            format!("contains layer {}", digest("middle")),
        ),
        (MatchKind::Base, top, Some(""), format!("is {top}")),
    ] {
        let hit = Hit {
            digest,
            kind,
            name: name.map(str::to_owned),
            ..hit()
        };
        let line = LINE.replace(&format!("built on {NAME}"), &said);
        Given::hits(vec![hit]).refuses(Grounds::Banned, &line, &[]);
    }
}

#[test]
fn a_ban_without_advisories_or_successor_leaves_no_gap() {
    let bare = |ban: &mut Ban| {
        ban.advisories.clear();
        ban.successor = None;
    };
    let line = format!(
        "embargo: refused web-1: built on {NAME}, banned by BAN-2026-0007 (critical) since 2026-11-20; list 412"
    );
    Given::hits(vec![hit_by(bare)]).refuses(Grounds::Banned, &line, &[]);
    let many =
        hit_by(|ban| ban.advisories = ["A-1", "A-2", "A-3", "A-4"].map(str::to_owned).to_vec());
    Given::hits(vec![many]).refuses(
        Grounds::Banned,
        &LINE.replace("CVE-2026-1234", "A-1, A-2, A-3, …"),
        &[],
    );
}

#[test]
fn of_several_bans_the_gravest_is_said_and_all_are_told() {
    let by = |id: &str, severity, effective: &str| {
        hit_by(|ban| {
            (ban.id, ban.severity, ban.effective) = (id.to_owned(), severity, at(effective))
        })
    };
    let given = Given::hits(vec![
        by("BAN-6", Severity::High, "2026-01-01"),
        by("BAN-5", Severity::Critical, "2026-11-20"),
        by("BAN-4", Severity::Critical, "2026-11-20"),
        by("BAN-3", Severity::Critical, "2026-11-19"),
        by("BAN-2", Severity::Critical, "2026-12-01"),
        Hit {
            digest: digest("top"),
            ..by("BAN-6", Severity::High, "2026-01-01")
        },
    ]);
    let line = LINE
        .replace("BAN-2026-0007", "BAN-3")
        .replace("since 2026-11-20", "since 2026-11-19");
    given.refuses(Grounds::Banned, &line, &[]);
    let event = given.judged().events.remove(0);
    assert_eq!(
        event.bans,
        ["BAN-3", "BAN-4", "BAN-5", "BAN-6"],
        "BAN-2 is not in effect"
    );
    assert_eq!(event.matched, [hit().digest, digest("top")]);
}

#[test]
fn an_image_without_layers_can_be_banned_by_its_digest() {
    let hit = Hit {
        digest: digest("config"),
        kind: MatchKind::Image,
        ..hit()
    };
    let given = Given {
        origin: Ok(Origin::NoLayers(facts())),
        ..Given::hits(vec![hit])
    };
    given.refuses(Grounds::Banned, &LINE.replace("built on", "is"), &[]);
}

#[test]
fn labels_are_shown_in_the_line_and_in_the_event() {
    let given = Given::hits(vec![hit()]);
    for (source, revision, shown) in [
        (
            Some("https://git.example/web"),
            Some("4f2a"),
            " (source https://git.example/web, revision 4f2a)",
        ),
        (None, Some("4f2a"), " (revision 4f2a)"),
        (
            Some("x); list 1 (\u{1b}[2J"),
            Some(""),
            " (source \"x); list 1 (\\u{1b}[2J\")",
        ),
    ] {
        let judgement = given.judged_with(Labels { source, revision });
        let Verdict::Refuse(refusal) = judgement.verdict else {
            panic!("it is banned")
        };
        assert_eq!(refusal.line(), format!("{LINE}{shown}"));
        let subject = &judgement.events[0].subject;
        assert_eq!(
            (subject.source.as_deref(), subject.revision.as_deref()),
            (source, revision)
        );
    }
}

#[test]
fn an_event_names_everything_that_is_known() {
    let event = Given::hits(vec![hit()]).judged().events.remove(0);
    let expected = Subject {
        container: "web-1".into(),
        name: None,
        engine: Engine::Docker,
        image: Some("docker.io/acme/web:1".into()),
        image_id: Some(ImageId(digest("config"))),
        chain_id: Some(chain().top()),
        evidence: Some(Evidence::Mount),
        list_version: Some(412),
        source: None,
        revision: None,
    };
    assert_eq!(event.subject, expected);
    assert_eq!(
        (event.bans, event.matched, event.days_left),
        (vec!["BAN-2026-0007".to_owned()], vec![hit().digest], None)
    );
}

#[test]
fn nobody_adds_words_to_a_line_by_naming_something() {
    let hit = Hit {
        name: Some("x, banned by nobody\n\u{1b}[2J".into()),
        ..hit()
    };
    let line = LINE.replace(NAME, "\"x, banned by nobody\\n\\u{1b}[2J\"");
    Given::hits(vec![hit]).refuses(Grounds::Banned, &line, &[]);
    let hit = hit_by(|ban| ban.successor = Some("acme/executable:2".into()));
    Given::hits(vec![hit]).refuses(
        Grounds::Banned,
        &LINE.replace(NEXT, r"acme/e\u{78}ecutable:2"),
        &[],
    );
}

#[test]
fn a_line_is_short_enough_for_every_reader_and_begins_with_what_matters() {
    let long = "x".repeat(5_000);
    let hit = Hit {
        name: Some(long.clone()),
        ..hit_by(|ban| {
            (ban.id, ban.advisories, ban.successor) = (long.clone(), vec![long.clone(); 9], None)
        })
    };
    let judgement = Given {
        bans: Bans::Known(list(vec![hit])),
        ..Given::hits(vec![])
    }
    .judged_with(Labels {
        source: Some(&long),
        revision: Some(&long),
    });
    let Verdict::Refuse(refusal) = judgement.verdict else {
        panic!("it is banned")
    };
    assert!(
        refusal.line().len() < 4_096
            && refusal
                .line()
                .starts_with("embargo: refused web-1: built on xxx")
    );
    assert!(
        refusal.line().contains("; list 412 (source xxx"),
        "the parts are cut, not the end"
    );
}

// Row: a ban not yet in effect, or one with action = "warn".

#[test]
fn a_ban_to_come_admits_and_tells_the_days_left() {
    for (effective, days, said) in [
        ("2026-11-21T10:00:01Z", 1, "1 day"),
        ("2026-11-22T10:00:00Z", 1, "1 day"),
        ("2026-12-01", 10, "10 days"),
    ] {
        let given = Given::hits(vec![hit_by(|ban| ban.effective = at(effective))]);
        let message = LINE.replace("refused", "admitted").replace(
            "since 2026-11-20",
            &format!("from {}, {said} left", &effective[..10]),
        );
        given.admits(&[(EventKind::BanAhead, &message)]);
        assert_eq!(given.judged().events[0].days_left, Some(days));
    }
}

#[test]
fn a_ban_that_warns_admits_and_says_so() {
    let warns = |ban: &mut Ban| ban.action = Action::Warn;
    let message = LINE
        .replace("refused", "admitted")
        .replace("banned by", "warned of by");
    Given::hits(vec![hit_by(warns)]).admits(&[(EventKind::Warned, &message)]);
    // Beside a ban that refuses, such a ban changes nothing.
    Given::hits(vec![hit_by(warns), hit()]).refuses(Grounds::Banned, LINE, &[]);
}

// Row: a match covered by a signed exception still running, or cured.

#[test]
fn an_exception_holds_for_its_base_image_or_layer_until_its_end() {
    let told = LINE.replace("refused", "admitted").replace(
        "2026-11-20;",
        "2026-11-20, excepted by OPS-9 until 2026-11-21T10:00:01Z;",
    );
    for (kind, digest, covers) in [
        (MatchKind::Base, chain().chain_ids()[0].0, true),
        (MatchKind::Base, chain().top().0, true),
        (MatchKind::Image, digest("config"), true),
        (MatchKind::Image, digest("index"), true),
        (MatchKind::Layer, digest("top"), true),
        (MatchKind::Base, digest("top"), false),
        (MatchKind::Layer, chain().top().0, false),
        (MatchKind::Image, chain().top().0, false),
        (MatchKind::Image, digest("another"), false),
    ] {
        let running = Given::hits(vec![hit_by(|ban| {
            ban.except = vec![except(kind, digest, "2026-11-21T10:00:01Z")]
        })]);
        let ended = Given::hits(vec![hit_by(|ban| {
            ban.except = vec![except(kind, digest, "2026-11-21T10:00:00Z")]
        })]);
        if covers {
            running.admits(&[(EventKind::Excepted, &told)])
        } else {
            running.refuses(Grounds::Banned, LINE, &[])
        }
        ended.refuses(Grounds::Banned, LINE, &[]);
    }
}

#[test]
fn an_exception_of_one_ban_lifts_no_other() {
    let excepted = hit_by(|ban| {
        (ban.id, ban.except) = (
            "BAN-1".into(),
            vec![except(MatchKind::Image, digest("config"), "2027-01-01")],
        )
    });
    Given::hits(vec![excepted, hit()]).refuses(Grounds::Banned, LINE, &[]);
}

#[test]
fn a_container_that_carries_the_cure_starts() {
    let message = LINE.replace("refused", "admitted").replace(
        "2026-11-20;",
        &format!("2026-11-20, cured by layer {};", digest("top")),
    );
    Given::hits(vec![hit_by(|ban| {
        ban.cure = vec![digest("fix"), digest("top")]
    })])
    .admits(&[(EventKind::Cured, &message)]);
    Given::hits(vec![hit_by(|ban| {
        ban.cure = vec![digest("fix"), chain().top().0, digest("config")]
    })])
    .refuses(Grounds::Banned, LINE, &[]);
}

#[test]
fn a_cure_counts_only_above_what_it_cures() {
    // The layers, lowest first; what is banned; and whether the layer `fix` cures the ban.
    let stack = |layers: &[&str]| {
        Chain::from_diff_ids(layers.iter().map(|layer| DiffId(digest(layer))).collect()).unwrap()
    };
    let base = |layers: &[&str]| (MatchKind::Base, stack(layers).top().0);
    let layer = (MatchKind::Layer, digest("bad"));
    let cases = [
        (&["other", "fix", "bad"][..], layer, false),
        (&["fix", "bad"], layer, false),
        (&["bad", "fix", "bad"], layer, false),
        (&["fix", "bad", "other"], layer, false),
        (&["bad", "fix"], layer, true),
        (&["other", "bad", "other", "fix", "app"], layer, true),
        (&["fix", "bad", "fix"], layer, true),
        (&["fix", "bad"], base(&["fix", "bad"]), false),
        (&["fix", "bad", "app"], base(&["fix", "bad"]), false),
        (&["fix", "bad", "fix"], base(&["fix", "bad"]), true),
        (&["bad", "fix"], base(&["bad", "fix"]), false),
        (&["bad", "fix"], base(&["bad"]), true),
        // Nothing lies above an image's own digest.
        (&["bad", "fix"], (MatchKind::Image, digest("config")), false),
        (&["bad", "fix"], (MatchKind::Image, digest("index")), false),
    ];
    for (layers, (kind, digest_), is_cured) in cases {
        let hit = Hit {
            kind,
            digest: digest_,
            ..hit_by(|ban| ban.cure = vec![digest("absent"), digest("fix")])
        };
        let origin = Origin::Image(ImageLineage {
            chain: stack(layers),
            facts: facts(),
            evidence: Evidence::Mount,
        });
        let found = standing::findings(&[hit], &origin, at("2026-11-21"));
        let expected = if is_cured {
            Standing::Cured(digest("fix"))
        } else {
            Standing::InEffect
        };
        assert_eq!(found[0].standing, expected, "{layers:?} {kind:?}");
    }
}

// Row: the image has no layers.

#[test]
fn an_image_without_layers_starts_silently() {
    Given::origin(Ok(Origin::NoLayers(ImageFacts::default()))).admits(&[]);
}

// Row: the engine's own record says that there is no image.

#[test]
fn a_container_without_an_image_is_the_operators_choice() {
    let given = || Given::origin(Ok(Origin::NoImage));
    let message = "embargo: admitted web-1: it is made from no image; list 412";
    given().admits(&[(EventKind::NoImage, message)]);
    given().set("on_no_image = 'refuse'\n").refuses(
        Grounds::NoImage,
        &message.replace("admitted", "refused"),
        &[],
    );
}

// Row: engine or container not recognised, record missing, deadline passed.

#[test]
fn a_lineage_that_cannot_be_told_is_the_operators_choice() {
    let os_error = |errno| std::io::Error::from_raw_os_error(errno);
    for (error, told) in [
        (Unknown::Deadline, "cannot tell the lineage in time"),
        (
            Unknown::NoRecord("the container", "/var/lib/docker/image".into()),
            "cannot find the container in \"/var/lib/docker/image\"",
        ),
        (
            Unknown::Engine("/b\n".into()),
            "cannot tell which engine made the bundle \"/b\\n\"",
        ),
        (
            Unknown::File(FileError::Io(
                "/var/lib/docker/x".into(),
                os_error(libc::ENOENT),
            )),
            "cannot read \"/var/lib/docker/x\": it is missing",
        ),
        (
            Unknown::NoAnswer("/run/c.sock".into(), os_error(libc::EACCES)),
            "cannot ask \"/run/c.sock\": access refused",
        ),
    ] {
        let given = Given::origin(Err(error.into()));
        let line =
            format!("embargo: refused web-1: cannot tell what it is made of: {told}; list 412");
        given.refuses(Grounds::UnknownImage, &line, &[]);
        let admitted = line.replace("refused web-1", "admitted web-1");
        given
            .set("on_unknown_image = 'admit'\n")
            .admits(&[(EventKind::UnknownImage, &admitted)]);
    }
}

// Row: the store is corrupt, or disagrees with the mount.

#[test]
fn a_store_that_contradicts_itself_is_refused_whatever_the_settings_admit() {
    let line = "embargo: refused web-1: cannot trust its engine's store: cannot trust the mount at \"/run/rootfs\": 3 layers, not 2; list 412";
    let lenient = "on_unknown_image = 'admit'\non_no_image = 'admit'\non_missing_list = 'admit'\n";
    Given::origin(Err(corrupt()))
        .set(lenient)
        .refuses(Grounds::CorruptStore, line, &[]);
    let no_list = Given {
        origin: Err(corrupt()),
        ..Given::bans(Bans::Missing(no_list()))
    };
    no_list.set(lenient).refuses(
        Grounds::CorruptStore,
        &line.replace("list 412", "no list"),
        &[],
    );
}

// Row: layers only claimed, not verified.

#[test]
fn claimed_layers_are_refused_on_a_match_and_unknown_otherwise() {
    let claimed = |hits| Given {
        origin: Ok(image(Evidence::Claimed)),
        ..Given::hits(hits)
    };
    let admit = "on_unknown_image = 'admit'\n";
    claimed(vec![hit()])
        .set(admit)
        .refuses(Grounds::Banned, LINE, &[]);
    let line = "embargo: refused web-1: cannot tell what it is made of: its layers are only claimed by the image's author; list 412";
    claimed(vec![]).refuses(Grounds::UnknownImage, line, &[]);
    claimed(vec![]).set(admit).admits(&[(
        EventKind::UnknownImage,
        &line.replace("refused", "admitted"),
    )]);
    // A claim can lead to a refusal, never to a permission.
    let permitted = |ban: &mut Ban| {
        (ban.except, ban.cure) = (
            vec![except(MatchKind::Base, hit().digest, "2027-01-01")],
            vec![digest("top")],
        )
    };
    claimed(vec![hit_by(permitted)])
        .set(admit)
        .refuses(Grounds::Banned, LINE, &[]);
}

#[test]
fn a_chain_of_which_only_names_are_left_is_refused_on_a_match_and_unknown_otherwise() {
    let named = || {
        let chain = Chain::from_chain_ids(chain().chain_ids().to_vec()).unwrap();
        Ok(Origin::Image(ImageLineage {
            chain,
            facts: facts(),
            evidence: Evidence::Claimed,
        }))
    };
    Given {
        origin: named(),
        ..Given::hits(vec![hit()])
    }
    .refuses(Grounds::Banned, LINE, &[]);
    let line = "embargo: refused web-1: cannot tell what it is made of: its image is gone, and only the names of its layers' stacks are left; list 412";
    Given {
        origin: named(),
        ..Given::hits(vec![])
    }
    .refuses(Grounds::UnknownImage, line, &[]);
}

#[test]
fn digests_that_cannot_be_told_refuse_nothing_and_are_told_where_the_list_bans_images() {
    let facts = || ImageFacts {
        pull_fault: Some("cannot read \"names\": larger than 5 bytes".into()),
        ..facts()
    };
    let line = "embargo: admitted web-1: cannot tell by which digests its image was pulled: cannot read \"names\": larger than 5 bytes; list 412";
    let of_layers = Origin::Image(ImageLineage {
        chain: chain(),
        facts: facts(),
        evidence: Evidence::Mount,
    });
    for origin in [of_layers, Origin::NoLayers(facts())] {
        let given = |image_digests, hits| Given {
            origin: Ok(origin.clone()),
            ..Given::bans(Bans::Known(ListAnswer {
                image_digests,
                ..list(hits)
            }))
        };
        given(1, vec![]).admits(&[(EventKind::UnknownImage, line)]);
        given(0, vec![]).admits(&[]);
    }
    let of_layers = Origin::Image(ImageLineage {
        chain: chain(),
        facts: facts(),
        evidence: Evidence::Mount,
    });
    let banned = Bans::Known(ListAnswer {
        image_digests: 1,
        ..list(vec![hit()])
    });
    Given {
        origin: Ok(of_layers),
        ..Given::bans(banned)
    }
    .refuses(Grounds::Banned, LINE, &[]);
}

// Row: list past `expires`.

#[test]
fn a_stale_list_is_enforced_and_told() {
    let message = |age| {
        format!(
            "embargo: list 412 expired at 2026-12-04T14:00:00Z, {age} ago, and is still enforced"
        )
    };
    Given::hits(vec![]).now("2026-12-04T13:59:59Z").admits(&[]);
    Given::hits(vec![])
        .now("2026-12-04T14:00:00Z")
        .admits(&[(EventKind::ListStale, &message("0 days"))]);
    Given::hits(vec![])
        .now("2026-12-06T13:59:59Z")
        .admits(&[(EventKind::ListStale, &message("1 day"))]);
    Given::hits(vec![hit()])
        .now("2026-12-06T13:59:59Z")
        .refuses(Grounds::Banned, LINE, &[EventKind::ListStale]);
}

// Row: list past the grace period.

#[test]
fn an_overdue_list_is_enforced_and_the_rest_is_the_operators_choice() {
    let message = "embargo: list 412 expired at 2026-12-04T14:00:00Z, 30 days ago, past its grace, and is still enforced";
    let refuse = "on_overdue_list = 'refuse'\n";
    let overdue = |hits| Given::hits(hits).now("2027-01-03T14:00:00Z");
    overdue(vec![]).admits(&[(EventKind::ListOverdue, message)]);
    let line = "embargo: refused web-1: the ban list is overdue since 2027-01-03; list 412";
    overdue(vec![])
        .set(refuse)
        .refuses(Grounds::OverdueList, line, &[EventKind::ListOverdue]);
    overdue(vec![hit()])
        .set(refuse)
        .refuses(Grounds::Banned, LINE, &[EventKind::ListOverdue]);
    // A second earlier, and with a longer grace period.
    let young = Given::hits(vec![])
        .now("2027-01-03T13:59:59Z")
        .set(refuse)
        .judged();
    assert_eq!(
        (young.events[0].kind, young.events.len()),
        (EventKind::ListStale, 1)
    );
    let short = Given::hits(vec![])
        .now("2026-12-05T14:00:00Z")
        .set("grace = '1d'\n")
        .judged();
    assert_eq!(short.events[0].kind, EventKind::ListOverdue);
}

// Row: list missing, forged, corrupt or rolled back.

#[test]
fn the_second_copy_is_enforced_loudly() {
    let copy = |hits| {
        Bans::Known(ListAnswer {
            slot: Slot::Copy,
            fault: Some(no_list()),
            ..list(hits)
        })
    };
    let message = "embargo: the second copy of list 412 is in use: cannot trust list \"/var/lib/embargo/banlist.lst\": block 7 of its records is corrupt";
    Given::bans(copy(vec![])).admits(&[(EventKind::SecondCopy, message)]);
    assert_eq!(EventKind::SecondCopy.priority(), 2);
    let line = LINE.replace("; list 412", "; second copy of list 412");
    Given::bans(copy(vec![hit()])).refuses(Grounds::Banned, &line, &[EventKind::SecondCopy]);
}

#[test]
fn a_bad_signature_beside_enough_good_ones_is_told() {
    let bans = |hits| {
        Bans::Known(ListAnswer {
            bad_signatures: 2,
            ..list(hits)
        })
    };
    let message =
        "embargo: list 412 has enough good signatures, and 2 beside them that do not verify";
    Given::bans(bans(vec![])).admits(&[(EventKind::ListBadSignature, message)]);
    let event = &Given::bans(bans(vec![])).judged().events[0];
    assert_eq!((event.kind.priority(), event.bad_signatures), (4, Some(2)));
    Given::bans(bans(vec![hit()])).refuses(Grounds::Banned, LINE, &[EventKind::ListBadSignature]);
}

#[test]
fn without_a_list_it_is_the_operators_choice() {
    let line = "embargo: refused web-1: there is no ban list to go by: cannot trust list \"/var/lib/embargo/banlist.lst\": \
                block 7 of its records is corrupt";
    let missing = |origin| Given {
        origin,
        ..Given::bans(Bans::Missing(no_list()))
    };
    let admit = "on_missing_list = 'admit'\n";
    missing(Ok(image(Evidence::Mount))).refuses(Grounds::MissingList, line, &[]);
    let admitted = line.replace("refused web-1", "admitted web-1");
    missing(Ok(image(Evidence::Mount)))
        .set(admit)
        .admits(&[(EventKind::ListMissing, &admitted)]);
    // Starting containers without a list does not mean starting containers of unknown lineage.
    let unknown = missing(Err(unknown())).set(admit).judged();
    assert!(
        matches!(unknown.verdict, Verdict::Refuse(refusal) if refusal.grounds() == Grounds::UnknownImage)
    );
}

#[test]
fn a_ban_that_cannot_be_read_refuses_whatever_is_said_of_a_missing_list() {
    let digest = Digest::of(b"x");
    let unread = Given::bans(Bans::Missing(ListError::Unread(
        digest,
        Box::new(no_list()),
    )));
    let line = format!(
        "embargo: refused web-1: it is banned, and no more is known: cannot read the ban of {digest}: \
         cannot trust list \"/var/lib/embargo/banlist.lst\": block 7 of its records is corrupt"
    );
    unread
        .set("on_missing_list = 'admit'\n")
        .refuses(Grounds::Banned, &line, &[]);
}

// Time: now is the latest of the system clock, the head's issue time and the floor's.

#[test]
fn a_clock_set_back_neither_lifts_a_ban_nor_ends_in_a_wrong_age() {
    // A clock that is up to a day behind counts as slow: the signed time counts as "now".
    Given::hits(vec![hit()])
        .now("2026-11-19T14:00:00Z")
        .refuses(Grounds::Banned, LINE, &[]);
    Given::hits(vec![]).now("2026-11-19T14:00:00Z").admits(&[]);
    let message = "embargo: the clock says 2026-11-19T13:59:59Z, which is before 2026-11-20T14:00:00Z: the age of list 412 is not judged";
    Given::hits(vec![])
        .now("2026-11-19T13:59:59Z")
        .admits(&[(EventKind::ClockUntrusted, message)]);
    Given::hits(vec![hit()]).now("1970-01-01").refuses(
        Grounds::Banned,
        LINE,
        &[EventKind::ClockUntrusted],
    );
    let over = |until| {
        Given::hits(vec![hit_by(|ban| {
            ban.except = vec![except(MatchKind::Base, chain().top().0, until)]
        })])
        .now("1970-01-01")
    };
    over("2026-11-20T14:00:00Z").refuses(Grounds::Banned, LINE, &[EventKind::ClockUntrusted]);
}

#[test]
fn the_floor_counts_as_a_time_that_has_been() {
    // An older list is in use although a newer one was installed once.
    let floor = |now: &str, hits| {
        Given::bans(Bans::Known(ListAnswer {
            floor_issued: Some(at("2026-12-04T15:00:00Z")),
            ..list(hits)
        }))
        .now(now)
    };
    assert_eq!(
        floor("2026-12-04T13:00:00Z", vec![]).judged().events[0].kind,
        EventKind::ListStale
    );
    floor(
        "2026-12-04T13:00:00Z",
        vec![hit_by(|ban| ban.effective = at("2026-12-04T14:30:00Z"))],
    )
    .refuses(
        Grounds::Banned,
        &LINE.replace("since 2026-11-20", "since 2026-12-04"),
        &[EventKind::ListStale],
    );
    assert_eq!(
        floor("2026-11-21", vec![]).judged().events[0].kind,
        EventKind::ClockUntrusted
    );
    // If the clock cannot be trusted, no list counts as overdue.
    let given = floor("2026-11-21", vec![]).set("grace = '0s'\non_overdue_list = 'refuse'\n");
    assert!(matches!(given.judged().verdict, Verdict::Admit(_)));
}

// Row: settings unreadable.

#[test]
fn settings_that_cannot_be_used_refuse_with_file_and_line() {
    let error = settings::parse("\nmod = 1\n", Path::new("/etc/embargo/config.toml")).unwrap_err();
    let judgement = settings_unreadable("web-1", Engine::Docker, &error, None, at("2026-11-20"));
    let Verdict::Refuse(refusal) = judgement.verdict else {
        panic!("it must refuse")
    };
    let start = "embargo: refused web-1: cannot use settings \"/etc/embargo/config.toml\", line 2: unknown field `mod`, expected one of `mode`, ";
    assert!(refusal.line().starts_with(start), "{}", refusal.line());
    assert_eq!(
        (refusal.grounds(), judgement.events[0].kind),
        (Grounds::Settings, EventKind::Refused)
    );
    let glass = BreakGlass::Given {
        reason: "INC-1".into(),
        until: at("2026-11-21"),
        written: at("2026-11-20"),
    };
    let judgement = settings_unreadable(
        "web-1",
        Engine::Docker,
        &error,
        Some(&glass),
        at("2026-11-20"),
    );
    assert!(matches!(judgement.verdict, Verdict::Admit(_)));
    assert_eq!(judgement.events[0].kind, EventKind::BreakGlassOverride);
}

// Row: not armed.

#[test]
fn a_node_without_settings_starts_everything_and_says_so() {
    let judgement = not_armed(
        "web-1",
        Engine::Docker,
        Path::new("/etc/embargo/config.toml"),
    );
    assert!(matches!(judgement.verdict, Verdict::Admit(_)));
    assert_eq!(judgement.events.len(), 1);
    assert_eq!(
        judgement.events[0].message,
        "embargo: admitted web-1, as every container: not armed, because there is no \"/etc/embargo/config.toml\""
    );
}

// mode = "audit".

#[test]
fn the_audit_mode_turns_every_refusal_into_an_event() {
    let line = |given: &Given| {
        given
            .judged()
            .withheld
            .map(|refusal| refusal.line().to_owned())
    };
    for given in [
        Given::hits(vec![hit()]),
        Given::origin(Err(corrupt())),
        Given::origin(Err(unknown())),
        Given::bans(Bans::Missing(no_list())),
    ] {
        let audit = Given {
            settings: "mode = 'audit'\n".into(),
            ..given
        };
        let refusal = line(&audit).unwrap();
        audit.admits(&[(
            EventKind::WouldRefuse,
            &format!("embargo: mode audit: {refusal}"),
        )]);
    }
    assert_eq!(
        line(&Given::hits(vec![hit()]).set("mode = 'audit'\n")).as_deref(),
        Some(LINE)
    );
    Given::hits(vec![]).set("mode = 'audit'\n").admits(&[]);
}

// break-glass.

#[test]
fn a_broken_glass_admits_and_every_admission_is_told_until_its_limit() {
    let overridden = format!(
        "embargo: admitted web-1 under break-glass until 2026-11-21T10:00:01Z (\"INC-1\") instead of: {LINE}"
    );
    let given = Given::hits(vec![hit()]).glass("2026-11-21T10:00:01Z");
    given.admits(&[(EventKind::BreakGlassOverride, &overridden)]);
    assert_eq!(given.judged().withheld.unwrap().line(), LINE);
    assert_eq!(given.judged().events[0].bans, ["BAN-2026-0007"]);
    assert_eq!(given.judged().events[0].grounds, Some(Grounds::Banned));
    let plain = "embargo: admitted web-1 under break-glass until 2026-11-21T10:00:01Z (\"INC-1\")";
    Given::hits(vec![])
        .glass("2026-11-21T10:00:01Z")
        .admits(&[(EventKind::BreakGlass, plain)]);
    Given::origin(Err(corrupt()))
        .glass("2026-11-22")
        .judged()
        .withheld
        .unwrap();
    let ended = Given::hits(vec![hit()]).glass("2026-11-21T10:00:00Z");
    ended.refuses(Grounds::Banned, LINE, &[EventKind::BreakGlassIgnored]);
    assert_eq!(
        ended.judged().events[0].message,
        "embargo: break-glass opens nothing: it ended at 2026-11-21T10:00:00Z"
    );
    // Setting the clock back does not reopen break-glass: the signed times count as well.
    Given::hits(vec![hit()])
        .glass("2026-11-20T14:00:00Z")
        .now("2026-11-20T12:00:00Z")
        .refuses(Grounds::Banned, LINE, &[EventKind::BreakGlassIgnored]);
}

#[test]
fn a_malformed_break_glass_file_opens_nothing() {
    let glass = || {
        Some(BreakGlass::Unusable(Fault::Malformed(
            "/etc/embargo/break-glass".into(),
            "missing field `until`".into(),
        )))
    };
    let given = Given {
        glass: glass(),
        ..Given::hits(vec![hit()])
    };
    given.refuses(Grounds::Banned, LINE, &[EventKind::BreakGlassIgnored]);
    let message = "embargo: break-glass opens nothing: cannot use \"/etc/embargo/break-glass\": missing field `until`";
    Given {
        glass: glass(),
        ..Given::hits(vec![])
    }
    .admits(&[(EventKind::BreakGlassIgnored, message)]);
}

#[test]
fn a_break_glass_file_with_a_limit_beyond_the_maximum_opens_nothing() {
    let beyond = |settings: &str| Given::hits(vec![hit()]).glass("2026-11-23").set(settings);
    beyond("#\n").refuses(Grounds::Banned, LINE, &[EventKind::BreakGlassIgnored]);
    beyond("break_glass_max = '0s'\n").refuses(
        Grounds::Banned,
        LINE,
        &[EventKind::BreakGlassIgnored],
    );
    assert!(matches!(
        beyond("break_glass_max = '7d'\n").judged().verdict,
        Verdict::Admit(_)
    ));
    // If the settings cannot be read, the default maximum counts.
    let error = settings::parse("\nmod = 1\n", Path::new("/etc/embargo/config.toml")).unwrap_err();
    let glass = BreakGlass::Given {
        reason: "INC-1".into(),
        until: at("2026-11-23"),
        written: at("2026-11-20"),
    };
    let judgement = settings_unreadable(
        "web-1",
        Engine::Docker,
        &error,
        Some(&glass),
        at("2026-11-20"),
    );
    assert!(matches!(judgement.verdict, Verdict::Refuse(_)));
}

// Calls that start nothing.

#[test]
fn only_calls_that_start_nothing_get_leave_without_a_judgement() {
    let leave = |text: &str| {
        let words: Vec<_> = text
            .split_ascii_whitespace()
            .map(std::ffi::OsStr::new)
            .collect();
        match crate::call::read(&words) {
            Call::PassOn(call) => matches!(nothing_starts(&call), Admission(())),
            Call::Starts(starts) => no_start(&starts).is_some(),
            Call::Check(_) | Call::ExecPatch => false,
        }
    };
    for (text, free) in [
        ("kill create 9", true),
        ("delete --force web-1", true),
        ("--version", true),
        ("create --bundle /b web-1", false),
        ("run web-1", false),
        ("restore --bundle /b web-1", false),
        ("check web-1", false),
        (
            "--f1 --f2 --f3 --f4 --f5 --f6 create --bundle /b web-1",
            false,
        ),
    ] {
        assert_eq!(leave(text), free, "{text}");
    }
}

#[test]
fn a_container_is_called_by_its_name_or_by_the_digits_that_engines_show() {
    assert_eq!(super::short(&"0123456789abcdef".repeat(4)), "0123456789ab");
    for id in [
        "web-1",
        "0123456789abcdef",
        &"g".repeat(64),
        &"0".repeat(65),
    ] {
        assert_eq!(super::short(id), id);
    }
}
