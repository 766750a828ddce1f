//! Tests the impact guard: its arithmetic, its rule on pause containers, and a survey of a node.

mod node;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::banlist::ban::{Action, Ban, Hit, MatchKind, Severity};
use crate::banlist::head::{Claim, HEAD_SIZE, Impact};
use crate::banlist::store::{self, Bans, ListAnswer as Answer, Slot};
use crate::banlist::testing::{ISSUED, digest, keyset, list, parse, source, terms};
use crate::container::ContainerId;
use crate::container::engine::Engine;
use crate::lineage::digest::DiffId;
use crate::lineage::image::SourceLabels;
use crate::lineage::{ImageFacts, ImageLineage, LineageError, Unknown, chain::Chain};
use crate::verdict::{Case, Finding, Labels, Standing};

/// What a list says about a container.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listed {
    Nothing,
    Ban,
    /// The list is past its grace period, and the settings refuse every container after that
    /// period.
    Overdue,
    /// No list is in force.
    Missing,
}

fn origin() -> Origin {
    let chain = Chain::from_diff_ids(vec![DiffId(digest(1))]).unwrap();
    Origin::Image(ImageLineage {
        chain,
        facts: ImageFacts::default(),
        evidence: Evidence::Mount,
    })
}

fn bans(said: Listed) -> Bans {
    let ban = Ban {
        id: "BAN-2026-0007".to_owned(),
        reason: "backdoor".to_owned(),
        advisories: Vec::new(),
        severity: Severity::Critical,
        action: Action::Refuse,
        effective: ISSUED,
        lapses: None,
        existing_until: None,
        successor: None,
        except: Vec::new(),
        cure: Vec::new(),
        patch: None,
    };
    let hit = Hit {
        digest: digest(1),
        kind: MatchKind::Base,
        name: Some("base:1".to_owned()),
        platform: None,
        ban: Arc::new(ban),
    };
    let expires = if said == Listed::Overdue {
        Timestamp::from_seconds(1)
    } else {
        ISSUED.plus(86_400)
    };
    match said {
        Listed::Missing => Bans::Missing(ListError::NoHead("/var/lib/embargo/banlist.lst".into())),
        Listed::Nothing | Listed::Ban | Listed::Overdue => Bans::Known(Answer {
            head: crate::lineage::digest::Digest::of(b"head"),
            keyset: 1,
            version: 413,
            issued: ISSUED,
            expires,
            floor_issued: None,
            image_digests: 0,
            hits: if said == Listed::Ban {
                vec![hit]
            } else {
                Vec::new()
            },
            slot: Slot::Current,
            fault: None,
            bad_signatures: 0,
        }),
    }
}

fn judgement(said: Listed, origin: Result<&Origin, &LineageError>) -> Judgement {
    let settings =
        crate::settings::parse("on_overdue_list = 'refuse'\n", Path::new("config.toml")).unwrap();
    let (bans, now) = (bans(said), ISSUED.plus(3_600));
    verdict::judge(&Case {
        container: "c",
        name: None,
        engine: Engine::Docker,
        origin,
        labels: Labels::default(),
        bans: &bans,
        settings: &settings,
        break_glass: None,
        created: None,
        now,
    })
}

fn container(name: &str, draft: Listed, in_force: Listed) -> Surveyed {
    let kind = Kind::Container {
        id: ContainerId::parse(
            &format!("{name:0>64}").replace(|letter: char| !letter.is_ascii_hexdigit(), "0"),
        )
        .unwrap(),
        names: vec![format!("/{name}")],
        asked: None,
        runs: true,
    };
    let subject = Subject {
        kind,
        engine: Engine::Docker,
        namespace: None,
        place: "/var/lib/docker".into(),
        origin: Ok(origin()),
        created: None,
    };
    let origin = origin();
    Surveyed {
        draft: Judged {
            bans: bans(draft),
            judgement: judgement(draft, Ok(&origin)),
            labels: SourceLabels::default(),
        },
        in_force: judgement(in_force, Ok(&origin)),
        subject,
        is_pause: false,
        is_trusted: true,
        is_unaccounted: false,
    }
}

fn survey_of(running: Vec<Surveyed>) -> Survey {
    Survey {
        draft: "/tmp/draft.lst".into(),
        running,
        faults: Vec::new(),
    }
}

/// The survey of a node on which `refused` of `running` containers would newly be refused.
fn node(refused: usize, running: usize) -> Survey {
    let said = |at| {
        if at < refused {
            Listed::Ban
        } else {
            Listed::Nothing
        }
    };
    survey_of(
        (0..running)
            .map(|at| container(&format!("web-{at}"), said(at), Listed::Nothing))
            .collect(),
    )
}

#[test]
fn more_than_the_share_is_kept_out_and_one_container_may_always_be_refused() {
    for (refused, running, limit, is_kept_out) in [
        (0, 0, 0, false),
        (0, 8, 0, false),
        (1, 1, 0, false),
        (1, 1, 100, false),
        (1, 100, 0, false),
        (2, 2, 0, true),
        (2, 100, 0, true),
        (2, 2, 50, true),
        (1, 2, 50, false),
        (2, 4, 50, false),
        (2, 3, 50, true),
        (4, 8, 50, false),
        (5, 8, 50, true),
        (5, 9, 50, true),
        (99, 100, 99, false),
        (100, 100, 99, true),
        (100, 100, 100, false),
    ] {
        let survey = node(refused, running);
        let objection = survey.objection(limit, Impact::Guarded);
        assert_eq!(
            objection.is_some(),
            is_kept_out,
            "{refused} of {running} at {limit}%"
        );
        assert_eq!(
            survey.objection(limit, Impact::Acknowledged),
            None,
            "{refused} of {running}, acknowledged"
        );
    }
}

#[test]
fn the_objection_says_how_many_and_which() {
    let objection = node(5, 8).objection(50, Impact::Guarded).unwrap();
    let said = "cannot install \"/tmp/draft.lst\": 5 of the 8 running containers would not start again (web-0, web-1, web-2 and 2 more), \
                which is more than max_impact = \"50%\"";
    assert_eq!(objection.to_string(), said);
    let hint = "embargoctl list preview /tmp/draft.lst shows them; if it is meant, build it with --acknowledge-impact \
                and have as many keys sign it as lift a ban, or raise max_impact";
    assert_eq!(objection.hint(), hint);
    let two = node(2, 2).objection(0, Impact::Guarded).unwrap();
    assert!(two.to_string().contains("(web-0, web-1), which"), "{two}");
}

#[test]
fn what_would_be_refused_is_not_listed_as_refused() {
    for (draft, line) in [
        (
            Listed::Ban,
            "would refuse web-1: is base:1, banned by BAN-2026-0007 (critical) since 2026-11-20",
        ),
        (Listed::Overdue, "would refuse web-1: the list is overdue"),
    ] {
        let one = container("web-1", draft, Listed::Nothing);
        assert_eq!(objection::prediction(&one), line);
    }
    let mut later = container("web-1", Listed::Nothing, Listed::Nothing);
    later.draft.judgement.findings = vec![Finding {
        standing: Standing::Ahead { days: 1 },
        ..at_most(ISSUED.plus(86_400))
    }];
    assert_eq!(
        objection::prediction(&later),
        "would refuse web-1: is base:1, banned by BAN-2026-0007 (critical) from 2026-11-21, 1 day left"
    );
}

#[test]
fn only_what_the_draft_adds_counts() {
    for (draft, in_force, is_refused, is_new) in [
        (Listed::Nothing, Listed::Nothing, false, false),
        (Listed::Nothing, Listed::Ban, false, false),
        (Listed::Ban, Listed::Nothing, true, true),
        (Listed::Ban, Listed::Ban, true, false),
        // A ban is treated as new although the list in force is overdue or missing.
        (Listed::Ban, Listed::Overdue, true, true),
        (Listed::Ban, Listed::Missing, true, true),
        (Listed::Nothing, Listed::Missing, false, false),
        (Listed::Overdue, Listed::Nothing, true, true),
        (Listed::Overdue, Listed::Overdue, true, false),
        (Listed::Overdue, Listed::Ban, true, false),
    ] {
        let one = container("web-1", draft, in_force);
        assert_eq!(
            (one.is_refused(), one.is_newly_refused()),
            (is_refused, is_new)
        );
    }
}

#[test]
fn nothing_overrides_a_pause_container() {
    let pause = |draft| Surveyed {
        is_pause: true,
        ..container("pause", draft, Listed::Nothing)
    };
    let mut survey = node(0, 9);
    survey.running.push(pause(Listed::Ban));
    for impact in [Impact::Guarded, Impact::Acknowledged] {
        let objection = survey.objection(100, impact).unwrap();
        let said = "cannot install \"/tmp/draft.lst\": no pod could start: the pause container pause is base:1, \
                    banned by BAN-2026-0007 (critical) since 2026-11-20";
        assert_eq!(objection.to_string(), said);
        assert!(
            objection
                .hint()
                .starts_with("embargoctl list preview /tmp/draft.lst shows it; "),
            "{}",
            objection.hint()
        );
    }
    survey.running.pop();
    survey.running.push(pause(Listed::Nothing));
    assert_eq!(survey.objection(0, Impact::Guarded), None);
    // A pause container that the list in force already bans is no objection to a later list.
    survey.running.push(Surveyed {
        is_pause: true,
        ..container("pause", Listed::Ban, Listed::Ban)
    });
    assert_eq!(survey.objection(0, Impact::Guarded), None);
    // A pause container that is refused only from a later day on is an objection, unless the list
    // in force refuses the pause container as early.
    let day = ISSUED.plus(86_400);
    let ahead = |at: usize| Finding {
        standing: Standing::Ahead { days: 1 },
        ..at_most(day.plus(at as u64))
    };
    for (draft, in_force, is_kept_out) in [
        (1, None, true),
        (1, Some(1), false),
        (1, Some(2), true),
        (2, Some(1), false),
    ] {
        let mut one = pause(Listed::Nothing);
        one.draft.judgement.findings = vec![ahead(draft)];
        one.in_force.findings = in_force.map(ahead).into_iter().collect();
        assert_eq!(
            survey_of(vec![one])
                .objection(0, Impact::Acknowledged)
                .is_some(),
            is_kept_out,
            "{draft} {in_force:?}"
        );
    }
}

/// Found in review: the share included only what a list refuses today. One stolen list key could
/// install a list that refuses everything tomorrow.
#[test]
fn a_ban_that_takes_effect_on_a_later_day_counts_in_the_share() {
    let mut survey = node(1, 4);
    assert_eq!(
        (survey.later(), survey.objection(50, Impact::Guarded)),
        (0, None)
    );
    for one in &mut survey.running[1..3] {
        let finding = at_most(ISSUED.plus(86_400));
        one.draft.judgement.findings = vec![Finding {
            standing: Standing::Ahead { days: 1 },
            ..finding
        }];
    }
    assert_eq!((survey.newly_refused().count(), survey.later()), (3, 2));
    let said = "cannot install \"/tmp/draft.lst\": 3 of the 4 running containers would not start again, 2 of them from a later day on \
                (web-0, web-1, web-2), which is more than max_impact = \"50%\"";
    assert_eq!(
        survey.objection(50, Impact::Guarded).unwrap().to_string(),
        said
    );
    assert_eq!(survey.objection(50, Impact::Acknowledged), None);
}

/// The draft's finding about a container whose ban takes effect at `effective`.
fn at_most(effective: Timestamp) -> Finding {
    let finding = judgement(Listed::Ban, Ok(&origin())).findings.remove(0);
    let ban = Ban {
        effective,
        ..Ban::clone(&finding.hit.ban)
    };
    Finding {
        hit: Hit {
            ban: ban.into(),
            ..finding.hit
        },
        ..finding
    }
}

/// Writes a file, with the directories above it.
fn put(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::OpenOptions::new()
        .create_new(true)
        .write(true)
        .open(path)
        .unwrap()
        .write_all(bytes)
        .unwrap();
}

/// A list of `3 * each` small bans: of the base below `chain`, of the layer above it, and of the
/// whole stack.
fn of_three_digests(chain: &Chain, each: usize, terms_of_a_ban: &str) -> Vec<u8> {
    let [lowest, top] = [0, 1].map(|at| chain.chain_ids()[at].0);
    let places = [
        ("base", lowest),
        ("base", top),
        ("layer", chain.diff_ids()[1].0),
    ];
    let ban = |number: usize| {
        let (kind, digest) = places[number % 3];
        let head = format!(
            "[[ban]]\nid = \"BAN-{number}\"\nreason = \"a\"\nseverity = \"low\"\n{terms_of_a_ban}\n"
        );
        format!("{head}[[ban.match]]\n{kind} = \"{digest}\"\n")
    };
    list(
        &parse(&(0..3 * each).map(ban).collect::<String>()),
        &terms(413),
        &[1],
    )
}

/// The survey, reduced to its first container.
fn lone(mut survey: Survey) -> Survey {
    survey.running.truncate(1);
    survey
}
