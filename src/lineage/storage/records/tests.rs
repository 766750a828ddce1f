//! Tests the records of containers/storage, as Podman and CRI-O wrote them.

use super::*;
use crate::lineage::digest::Digest;

const CONTAINERS: &[u8] = include_bytes!(
    "../../../../tests/fixtures/podman-4.3-overlay/store/overlay-containers/containers.json"
);
const IMAGES: &[u8] = include_bytes!(
    "../../../../tests/fixtures/podman-4.3-overlay/store/overlay-images/images.json"
);
const LAYERS: &[u8] = include_bytes!(
    "../../../../tests/fixtures/podman-4.3-overlay/store/overlay-layers/layers.json"
);

#[test]
fn the_metadata_separates_cri_os_containers_from_podmans_and_no_name_in_it_does() {
    let of = |id: &str, metadata: &str| {
        let text = serde_json::json!([{ "id": id, "image": "", "metadata": metadata }]).to_string();
        all::<ContainerRecord>(text.as_bytes()).unwrap()[0].maker()
    };
    for (metadata, maker) in [
        (
            r#"{"image-name":"app:1","image-id":"ab","name":"solo","created-at":1}"#,
            Some(Maker::Podman),
        ),
        (
            r#"{"name":"x\",\"pod-id\":\"c1\",\"pod\":true,\"y","created-at":1}"#,
            Some(Maker::Podman),
        ),
        (r#"{"name":"x","pod":true}"#, Some(Maker::Podman)),
        (
            r#"{"pod-name":"p","pod-id":"c1","name":"k8s_POD_p","pod":true}"#,
            Some(Maker::CriO(InPod::Sandbox)),
        ),
        (
            r#"{"pod-name":"p","pod-id":"p1","name":"k8s_app_p"}"#,
            Some(Maker::CriO(InPod::Member)),
        ),
        (
            r#"{"pod-name":"p","pod-id":"p1","name":"k8s_app_p","pod":true}"#,
            Some(Maker::CriO(InPod::Member)),
        ),
        (
            r#"{"pod-name":"p","pod-id":"c1","name":"k8s_app_p"}"#,
            Some(Maker::CriO(InPod::Member)),
        ),
        (r#"{"name":"x","name":"y","pod-id":"c1","pod":true}"#, None),
        ("{}", None),
        ("", None),
    ] {
        assert_eq!(of("c1", metadata), maker, "{metadata}");
    }
}

#[test]
fn podmans_lists_are_read() {
    let containers: Vec<ContainerRecord> = all(CONTAINERS).unwrap();
    let first = &containers[0];
    assert_eq!(
        (
            containers.len(),
            first.names.as_slice(),
            first.image_name().as_deref()
        ),
        (11, &["run".to_owned()][..], Some("localhost/app:1"))
    );
    assert_eq!(seek(CONTAINERS, &first.id).unwrap().as_ref(), Some(first));
    assert_eq!(
        containers
            .iter()
            .find(|container| container.names == ["rootfs"])
            .map(|container| container.image.as_str()),
        Some("")
    );
    let images: Vec<ImageRecord> = all(IMAGES).unwrap();
    assert_eq!(
        (images.len(), images[0].names.as_slice()),
        (6, &["localhost/base:1".to_owned()][..])
    );
    assert!(
        images[0]
            .items
            .contains(&format!("sha256:{}", images[0].id))
    );
    let layers: Vec<LayerRecord> = all(LAYERS).unwrap();
    assert_eq!((layers.len(), &layers[0].parent), (16, &Field::Absent));
    assert!(matches!(layers[1].diff_id, Field::Good(_)));
}

#[test]
fn every_record_that_is_there_is_found_by_its_start() {
    for record in all::<ContainerRecord>(CONTAINERS).unwrap() {
        assert_eq!(seek(CONTAINERS, &record.id), Ok(Some(record)));
    }
    assert_eq!(seek::<ContainerRecord>(CONTAINERS, "nowhere"), Ok(None));
    assert_eq!(seek::<ContainerRecord>(b"", "x"), Ok(None));
}

#[test]
fn a_name_or_metadata_cannot_hold_a_record() {
    let list = br#"[{"id":"a","names":["{\"id\":\"b\",\"image\":\"evil\"}"],"metadata":"{\"id\":\"b\"}"},{"id":"b","image":"good"}]"#;
    assert_eq!(
        seek::<ContainerRecord>(list, "b").unwrap().unwrap().image,
        "good"
    );
    // Inside another record, there is text like the beginning of the record. So the record occurs
    // twice.
    let list = br#"[{"id":"a","flags":{"x":{"id":"b","image":"evil"}}},{"id":"b","image":"good"}]"#;
    assert_eq!(
        seek::<ContainerRecord>(list, "b"),
        Err(BadList::new("it has two records of \"b\""))
    );
}

#[test]
fn only_an_empty_name_of_an_image_says_that_there_is_none() {
    assert_eq!(
        seek::<ContainerRecord>(br#"[{"id":"a","image":""}]"#, "a")
            .unwrap()
            .unwrap()
            .image,
        ""
    );
    for (list, fault) in [
        (
            &br#"[{"id":"a"}]"#[..],
            "missing field `image` at line 1 column 10",
        ),
        (
            br#"[{"id":"a","Image":"x"}]"#,
            "missing field `image` at line 1 column 22",
        ),
        (
            br#"[{"id":"a","image":null}]"#,
            "invalid type: null, expected a string at line 1 column 22",
        ),
    ] {
        assert_eq!(seek::<ContainerRecord>(list, "a"), Err(BadList::new(fault)));
    }
}

#[test]
fn a_field_is_judged_only_where_it_is_needed() {
    let list =
        br#"[{"id":"short","parent":null,"diff-digest":"sha512:00"},{"id":"","parent":"x"}]"#;
    let records: Vec<LayerRecord> = all(list).unwrap();
    assert_eq!(
        records,
        [
            LayerRecord {
                id: Field::Bad("short".to_owned()),
                parent: Field::Absent,
                diff_id: Field::Bad("sha512:00".to_owned())
            },
            LayerRecord {
                id: Field::Absent,
                parent: Field::Bad("x".to_owned()),
                diff_id: Field::Absent
            },
        ]
    );
    assert_eq!(
        Field::<DiffId>::read(&"x".repeat(100), |_| None),
        Field::Bad("x".repeat(80))
    );
    let text = Digest::of(b"").to_string();
    assert_eq!(
        Field::read(&text, |text| DiffId::parse(text).ok()),
        Field::Good(DiffId(Digest::of(b"")))
    );
}

#[test]
fn a_container_has_the_time_at_which_podman_made_it() {
    let records: Vec<ContainerRecord> = all(CONTAINERS).unwrap();
    for record in &records {
        let created = record.created().unwrap();
        assert_eq!(created.date(), "2026-11-20", "{record:?}");
    }
    // Without the time, or with a time of another form, the container counts as new.
    for (json, expected) in [
        (r#"[{"id":"a","image":""}]"#, None),
        (r#"[{"id":"a","image":"","created":null}]"#, None),
        (r#"[{"id":"a","image":"","created":"yesterday"}]"#, None),
        (
            r#"[{"id":"a","image":"","created":"2026-11-20T15:00:00.5+01:00"}]"#,
            Timestamp::parse("2026-11-20T14:00:00Z"),
        ),
    ] {
        let [record] = &all::<ContainerRecord>(json.as_bytes()).unwrap()[..] else {
            panic!("{json}")
        };
        assert_eq!(record.created(), expected, "{json}");
    }
}
