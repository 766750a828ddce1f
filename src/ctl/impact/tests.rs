//! The guard's arithmetic, the pause container that nothing overrides, and a survey of a node below a folder.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::banlist::head::{Claim, HEAD_SIZE, Impact};
use crate::banlist::record::{Action, Ban, Hit, MatchKind, Severity};
use crate::banlist::store::{Bans, Known as Answer, Slot};
use crate::banlist::testing::{ISSUED, digest, list, source, terms};
use crate::container::ContainerId;
use crate::container::engine::Engine;
use crate::lineage::digest::DiffId;
use crate::lineage::image::SourceLabels;
use crate::lineage::{ImageFacts, ImageLineage, chain::Chain};
use crate::verdict::{self, Case, Labels, Standing};

/// What the two lists say of a container.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    Ban,
    /// The list itself is past its grace, and the settings refuse everything then.
    Overdue,
    /// There is no list.
    Missing,
}

fn origin() -> Origin {
    let chain = Chain::from_diff_ids(vec![DiffId(digest(1))]).unwrap();
    Origin::Image(ImageLineage { chain, facts: ImageFacts::default(), evidence: Evidence::Mount })
}

fn bans(said: Said) -> Bans {
    let ban = Ban {
        id: "BAN-2026-0007".to_owned(),
        reason: "backdoor".to_owned(),
        advisories: Vec::new(),
        severity: Severity::Critical,
        action: Action::Refuse,
        effective: ISSUED,
        lapses: None,
        successor: None,
        except: Vec::new(),
        cure: Vec::new(),
        patch: None,
    };
    let hit = Hit { digest: digest(1), kind: MatchKind::Base, name: Some("base:1".to_owned()), platform: None, ban: Arc::new(ban) };
    let expires = if said == Said::Overdue { Timestamp::from_seconds(1) } else { ISSUED.plus(86_400) };
    match said {
        Said::Missing => Bans::Missing(ListError::NoHead("/var/lib/embargo/banlist.lst".into())),
        Said::Nothing | Said::Ban | Said::Overdue => Bans::Known(Answer {
            head: crate::lineage::digest::Digest::of(b"head"),
            keyset: 1,
            version: 413,
            issued: ISSUED,
            expires,
            floor_issued: None,
            image_digests: 0,
            hits: if said == Said::Ban { vec![hit] } else { Vec::new() },
            slot: Slot::Current,
            fault: None,
            bad_signatures: 0,
        }),
    }
}

fn judgement(said: Said, origin: Result<&Origin, &lineage::LineageError>) -> Judgement {
    let settings = crate::settings::parse("on_overdue_list = 'refuse'\n", Path::new("config.toml")).unwrap();
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
        now,
    })
}

fn container(name: &str, draft: Said, in_force: Said) -> Surveyed {
    let kind = Kind::Container {
        id: ContainerId::parse(&format!("{name:0>64}").replace(|letter: char| !letter.is_ascii_hexdigit(), "0")).unwrap(),
        names: vec![format!("/{name}")],
        asked: None,
        runs: true,
    };
    let subject = Subject { kind, engine: Engine::Docker, place: "/var/lib/docker".into(), origin: Ok(origin()) };
    let origin = origin();
    Surveyed {
        draft: Judged { bans: bans(draft), judgement: judgement(draft, Ok(&origin)), labels: SourceLabels::default() },
        in_force: judgement(in_force, Ok(&origin)),
        subject,
        is_pause: false,
        is_trusted: true,
        is_unaccounted: false,
    }
}

fn survey_of(running: Vec<Surveyed>) -> Survey {
    Survey { draft: "/tmp/draft.lst".into(), running, faults: Vec::new() }
}

/// A node where `refused` of `running` containers would newly be refused.
fn node(refused: usize, running: usize) -> Survey {
    let said = |at| if at < refused { Said::Ban } else { Said::Nothing };
    survey_of((0..running).map(|at| container(&format!("web-{at}"), said(at), Said::Nothing)).collect())
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
        assert_eq!(objection.is_some(), is_kept_out, "{refused} of {running} at {limit}%");
        assert_eq!(survey.objection(limit, Impact::Acknowledged), None, "{refused} of {running}, acknowledged");
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
fn only_what_the_draft_adds_counts() {
    for (draft, in_force, is_refused, is_new) in [
        (Said::Nothing, Said::Nothing, false, false),
        (Said::Nothing, Said::Ban, false, false),
        (Said::Ban, Said::Nothing, true, true),
        (Said::Ban, Said::Ban, true, false),
        // Neither an overdue list nor none at all makes a ban an old one.
        (Said::Ban, Said::Overdue, true, true),
        (Said::Ban, Said::Missing, true, true),
        (Said::Nothing, Said::Missing, false, false),
        (Said::Overdue, Said::Nothing, true, true),
        (Said::Overdue, Said::Overdue, true, false),
        (Said::Overdue, Said::Ban, true, false),
    ] {
        let one = container("web-1", draft, in_force);
        assert_eq!((one.is_refused(), one.is_newly_refused()), (is_refused, is_new));
    }
}

#[test]
fn nothing_overrides_a_pause_container() {
    let pause = |draft| Surveyed { is_pause: true, ..container("pause", draft, Said::Nothing) };
    let mut survey = node(0, 9);
    survey.running.push(pause(Said::Ban));
    for impact in [Impact::Guarded, Impact::Acknowledged] {
        let objection = survey.objection(100, impact).unwrap();
        let said = "cannot install \"/tmp/draft.lst\": no pod could start: the pause container pause is base:1, \
                    banned by BAN-2026-0007 (critical) since 2026-11-20";
        assert_eq!(objection.to_string(), said);
        assert!(objection.hint().starts_with("embargoctl list preview /tmp/draft.lst shows it; "), "{}", objection.hint());
    }
    survey.running.pop();
    survey.running.push(pause(Said::Nothing));
    assert_eq!(survey.objection(0, Impact::Guarded), None);
    // One that the list in force bans already keeps no later list out.
    survey.running.push(Surveyed { is_pause: true, ..container("pause", Said::Ban, Said::Ban) });
    assert_eq!(survey.objection(0, Impact::Guarded), None);
    // One that is only refused from another day on does, unless the list in force refuses it as early.
    let day = ISSUED.plus(86_400);
    let ahead = |at: usize| Finding { standing: Standing::Ahead { days: 1 }, ..at_most(day.plus(at as u64)) };
    for (draft, in_force, is_kept_out) in [(1, None, true), (1, Some(1), false), (1, Some(2), true), (2, Some(1), false)] {
        let mut one = pause(Said::Nothing);
        one.draft.judgement.findings = vec![ahead(draft)];
        one.in_force.findings = in_force.map(ahead).into_iter().collect();
        assert_eq!(survey_of(vec![one]).objection(0, Impact::Acknowledged).is_some(), is_kept_out, "{draft} {in_force:?}");
    }
}

/// What the draft finds in a container whose ban takes effect then.
fn at_most(effective: Timestamp) -> Finding {
    let finding = judgement(Said::Ban, Ok(&origin())).findings.remove(0);
    let ban = Ban { effective, ..Ban::clone(&finding.hit.ban) };
    Finding { hit: Hit { ban: ban.into(), ..finding.hit }, ..finding }
}

#[test]
fn what_a_user_says_counts_for_nothing() {
    let made_up = |name: &str, is_pause| Surveyed { is_trusted: false, is_pause, ..container(name, Said::Ban, Said::Nothing) };
    let mut survey = node(1, 3);
    survey.running.extend((0..100).map(|at| made_up(&format!("made-up-{at}"), at == 0)));
    assert_eq!((survey.counted().count(), survey.newly_refused().count()), (3, 1));
    assert_eq!(survey.objection(0, Impact::Guarded), None);
}

#[test]
fn what_no_state_explains_dilutes_no_share_and_is_counted_apart() {
    let inner = |name: &str| Surveyed { is_unaccounted: true, ..container(name, Said::Nothing, Said::Nothing) };
    let mut survey = node(2, 3);
    survey.running.extend((0..100).map(|at| inner(&format!("inner-{at}"))));
    survey.running.push(Surveyed { is_trusted: false, ..inner("a user's") });
    assert_eq!((survey.counted().count(), survey.unknown()), (3, 100));
    assert!(survey.objection(50, Impact::Guarded).is_some());
}

#[test]
fn what_cannot_be_understood_runs_and_stops_nothing() {
    let fault = lineage::LineageError::from(lineage::Unknown::Deadline);
    let mut unknown = container("odd", Said::Nothing, Said::Nothing);
    unknown.draft.judgement = judgement(Said::Nothing, Err(&fault));
    unknown.in_force = judgement(Said::Nothing, Err(&fault));
    unknown.subject.origin = Err(fault);
    assert!(!unknown.is_refused() && !unknown.is_known());
    assert_eq!(unknown.message().unwrap(), "cannot tell the lineage in time");
    let mut survey = node(2, 3);
    survey.running.push(unknown);
    assert_eq!((survey.counted().count(), survey.objection(50, Impact::Guarded)), (4, None));
}

/// A folder with runc's state of this very process, as a container whose bundle names no engine.
fn put(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::OpenOptions::new().create_new(true).write(true).open(path).unwrap().write_all(bytes).unwrap();
}

#[test]
fn a_survey_finds_the_living_below_the_nodes_own_root_and_never_stops() {
    let root = tempfile::tempdir().unwrap();
    let node = |path: &str| root.path().join(path);
    let state = |id: &str, pid: u32| {
        format!(r#"{{"id":"{id}","init_process_pid":{pid},"config":{{"labels":["bundle={}"]}}}}"#, node(id).to_string_lossy())
    };
    put(&node("run/runc/odd/state.json"), state("odd", std::process::id()).as_bytes());
    put(&node("run/runc/gone/state.json"), state("gone", 0).as_bytes());
    put(&node("run/runc/torn/state.json"), b"{");
    put(&node("odd/config.json"), br#"{"root":{"path":"rootfs"}}"#);
    let bytes = list(&source(&[("base", digest(1))]), &terms(413), &[]);
    put(&node("draft.lst"), &bytes);
    let claim = Claim::parse(bytes[..HEAD_SIZE].try_into().unwrap()).unwrap();
    let file = File::open(node("draft.lst")).unwrap();
    let draft = Reader { path: &node("draft.lst"), bytes: &file };
    let survey = survey(&draft, &claim.head, &Paths::below(root.path()), None, ISSUED).unwrap();
    let called: Vec<_> = survey.running.iter().filter_map(Surveyed::called).collect();
    assert_eq!((called, survey.running[0].is_known(), survey.counted().count()), (vec!["odd"], false, 1));
    assert_eq!(survey.faults.len(), 1, "{:?}", survey.faults);
    assert_eq!(survey.objection(0, Impact::Guarded), None);
}
