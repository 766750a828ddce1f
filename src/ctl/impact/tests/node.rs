//! Tests which containers a survey counts, and surveys of a node whose files are in a temporary
//! directory.

use super::*;

#[test]
fn what_a_user_says_counts_for_nothing() {
    let made_up = |name: &str, is_pause| Surveyed {
        is_trusted: false,
        is_pause,
        ..container(name, Listed::Ban, Listed::Nothing)
    };
    let mut survey = node(1, 3);
    survey
        .running
        .extend((0..100).map(|at| made_up(&format!("made-up-{at}"), at == 0)));
    assert_eq!(
        (survey.counted().count(), survey.newly_refused().count()),
        (3, 1)
    );
    assert_eq!(survey.objection(0, Impact::Guarded), None);
}

#[test]
fn what_no_state_explains_dilutes_no_share_and_is_counted_apart() {
    let inner = |name: &str| Surveyed {
        is_unaccounted: true,
        ..container(name, Listed::Nothing, Listed::Nothing)
    };
    let mut survey = node(2, 3);
    survey
        .running
        .extend((0..100).map(|at| inner(&format!("inner-{at}"))));
    survey.running.push(Surveyed {
        is_trusted: false,
        ..inner("a user's")
    });
    assert_eq!((survey.counted().count(), survey.unknown()), (3, 100));
    assert!(survey.objection(50, Impact::Guarded).is_some());
}

#[test]
fn what_cannot_be_understood_runs_and_stops_nothing() {
    let fault = LineageError::from(Unknown::Deadline);
    let mut unknown = container("odd", Listed::Nothing, Listed::Nothing);
    unknown.draft.judgement = judgement(Listed::Nothing, Err(&fault));
    unknown.in_force = judgement(Listed::Nothing, Err(&fault));
    unknown.subject.origin = Err(fault);
    assert!(!unknown.is_refused() && !unknown.is_known());
    assert_eq!(
        unknown.message().unwrap(),
        "cannot tell the lineage in time"
    );
    let mut survey = node(2, 3);
    survey.running.push(unknown);
    assert_eq!(
        (
            survey.counted().count(),
            survey.objection(50, Impact::Guarded)
        ),
        (4, None)
    );
}

#[test]
fn a_survey_finds_the_running_below_the_nodes_own_root_and_never_stops() {
    let root = tempfile::tempdir().unwrap();
    let node = |path: &str| root.path().join(path);
    let state = |id: &str, pid: u32| {
        format!(
            r#"{{"id":"{id}","init_process_pid":{pid},"config":{{"labels":["bundle={}"]}}}}"#,
            node(id).to_string_lossy()
        )
    };
    put(
        &node("run/runc/odd/state.json"),
        state("odd", std::process::id()).as_bytes(),
    );
    put(
        &node("run/runc/gone/state.json"),
        state("gone", 0).as_bytes(),
    );
    put(&node("run/runc/torn/state.json"), b"{");
    put(&node("odd/config.json"), br#"{"root":{"path":"rootfs"}}"#);
    let bytes = list(&source(&[("base", digest(1))]), &terms(413), &[]);
    put(&node("draft.lst"), &bytes);
    let claim = Claim::parse(bytes[..HEAD_SIZE].try_into().unwrap()).unwrap();
    let file = File::open(node("draft.lst")).unwrap();
    let draft = Reader {
        path: &node("draft.lst"),
        bytes: &file,
    };
    let survey = survey(
        &draft,
        &claim.head,
        &Paths::below(root.path()),
        None,
        ISSUED,
    )
    .unwrap();
    let called: Vec<_> = survey.running.iter().filter_map(Surveyed::called).collect();
    assert_eq!(
        (
            called,
            survey.running[0].is_known(),
            survey.counted().count()
        ),
        (vec!["odd"], false, 1)
    );
    assert_eq!(survey.faults.len(), 1, "{:?}", survey.faults);
    assert_eq!(survey.objection(0, Impact::Guarded), None);
}

/// Found in review: the guard read everything that a draft says about a container, while a start
/// reads only up to its limits. With many bans that refuse nothing, a thief of one list key could
/// have stopped every container of a base.
#[test]
fn so_many_bans_that_a_start_cannot_read_them_count_as_the_gate_counts_them() {
    let chain = Chain::from_diff_ids([1, 2].map(|number| DiffId(digest(number))).to_vec()).unwrap();
    let made_of = || {
        Origin::Image(ImageLineage {
            chain: chain.clone(),
            facts: ImageFacts::default(),
            evidence: Evidence::Mount,
        })
    };
    let settings = crate::settings::parse("#\n", Path::new("config.toml")).unwrap();
    let now = ISSUED.plus(3_600);
    for terms_of_a_ban in [
        "effective = 2026-11-20\naction = \"warn\"",
        "effective = 2026-11-01\nlapses = 2026-11-02",
        "effective = 2027-11-20",
    ] {
        // At most 126 bans (3 × 42) fit into what a start reads. A list may have at most 64 bans
        // for one digest.
        for (each, is_refused) in [(1, false), (42, false), (43, true), (64, true)] {
            let root = tempfile::tempdir().unwrap();
            let paths = Paths::below(root.path());
            let bytes = of_three_digests(&chain, each, terms_of_a_ban);
            put(&paths.keyset, keyset(&[1], 1).text().as_bytes());
            put(&root.path().join("draft.lst"), &bytes);
            let file = File::open(root.path().join("draft.lst")).unwrap();
            let (path, head) = (
                root.path().join("draft.lst"),
                Claim::parse(bytes[..HEAD_SIZE].try_into().unwrap())
                    .unwrap()
                    .head,
            );
            let draft = Reader {
                path: &path,
                bytes: &file,
            };
            let subject = |name: &str| Subject {
                origin: Ok(made_of()),
                ..container(name, Listed::Nothing, Listed::Nothing).subject
            };
            let subjects = ["web-1", "web-2"].map(subject);
            let judged = || {
                let lists =
                    Lists::ask(&draft, &head, &paths, Some(&settings), subjects.iter(), now)
                        .unwrap();
                survey_of(
                    ["web-1", "web-2"]
                        .map(|name| lists.surveyed(subject(name)))
                        .into(),
                )
            };
            let survey = judged();
            let what = format!("{each} of {terms_of_a_ban}");
            assert_eq!(
                survey
                    .running
                    .iter()
                    .map(Surveyed::is_newly_refused)
                    .collect::<Vec<_>>(),
                [is_refused; 2],
                "{what}"
            );
            let is_ahead = terms_of_a_ban.contains("2027");
            assert_eq!(
                survey.objection(99, Impact::Guarded).is_some(),
                is_refused || is_ahead,
                "{what}"
            );
            let mut pause = lone(judged());
            pause.running[0].is_pause = true;
            let objection = pause
                .objection(99, Impact::Acknowledged)
                .map(|objection| objection.to_string());
            assert_eq!(objection.is_some(), is_refused || is_ahead, "{what}");
            if is_refused {
                let because = objection.unwrap();
                assert!(
                    because.ends_with("it says more about one container than its start may read"),
                    "{because}"
                );
            }
            // The gate looks up the digests in the same list, which is now in force.
            put(&paths.list, &bytes);
            let origin = made_of();
            let bans = store::look_up(&paths, &settings.rules(), &verdict::queries(&origin));
            let gate = verdict::judge(&Case {
                container: "c",
                name: None,
                engine: Engine::Docker,
                origin: Ok(&origin),
                labels: Labels::default(),
                bans: &bans,
                settings: &settings,
                break_glass: None,
                created: None,
                now,
            });
            let draft = &survey.running[0].draft.judgement;
            assert_eq!(
                (refused_by_list(&gate), &gate.findings),
                (refused_by_list(draft), &draft.findings),
                "{what}"
            );
            assert_eq!(
                refused_by_list(&gate),
                is_refused.then_some(Grounds::Banned),
                "{what}"
            );
            // If the list in force already refuses a container for this reason, a draft with the
            // same content does not newly refuse it.
            let survey = judged();
            assert_eq!(
                survey
                    .running
                    .iter()
                    .map(Surveyed::is_newly_refused)
                    .collect::<Vec<_>>(),
                [false; 2],
                "{what}"
            );
            assert_eq!(
                refused_by_list(&survey.running[0].in_force),
                is_refused.then_some(Grounds::Banned),
                "{what}"
            );
        }
    }
}
