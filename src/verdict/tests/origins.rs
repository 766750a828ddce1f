//! Tests containers whose lineage is incomplete, claimed, contradictory or not known.

use super::*;

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
fn an_unknown_lineage_is_the_operators_choice() {
    let os_error = |errno| std::io::Error::from_raw_os_error(errno);
    for (error, reported) in [
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
    ] {
        let given = Given::origin(Err(error.into()));
        let line =
            format!("embargo: refused web-1: cannot tell what it is made of: {reported}; list 412");
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
    // Claimed layers can lead to a refusal, never to a permission.
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
fn unknown_digests_refuse_nothing_and_are_reported_where_the_list_bans_images() {
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
