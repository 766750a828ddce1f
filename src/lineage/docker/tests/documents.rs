//! Tests large and unusual records, names and image configs.

use super::*;

#[test]
fn names_of_150_000_tags_are_read() {
    let copy = DockerCopy::of("docker-20.10-overlay2");
    let names = "image/overlay2/repositories.json";
    let text = String::from_utf8(copy.read(names)).unwrap();
    let tags: String = (0..150_000)
        .map(|tag| format!("\"registry.example/team/app:{tag:032}\":\"{APP_IMAGE}\","))
        .collect();
    let text = text.replacen(
        "{\"Repositories\":{",
        &format!(
            "{{\"Repositories\":{{\"registry.example/team/app\":{{{}}},",
            tags.trim_end_matches(',')
        ),
        1,
    );
    assert!(text.len() > 16 << 20);
    copy.write(names, text.as_bytes());
    let store = GraphStore::open(&copy.path("")).unwrap();
    let pulled = lineage(
        store
            .container(&ContainerId::parse(PULLED_1).unwrap(), soon().clone())
            .unwrap(),
    );
    assert_eq!(pulled.facts.manifests.len(), 1);
    assert!(start(&copy, WEB_1, |_| ()).is_ok());
}

#[test]
fn a_large_image_config_and_a_large_record_of_its_labels_are_read() {
    for mib in [5, 20] {
        let copy = DockerCopy::of("docker-20.10-overlay2");
        let expected = lineage(start(&copy, WEB_1, |_| ()).unwrap()).chain;
        let config = String::from_utf8(copy.read(&format!(
            "image/overlay2/imagedb/content/sha256/{}",
            &APP_IMAGE[7..]
        )))
        .unwrap();
        let label = format!("{{\"comment\":\"{}\",", "x".repeat(mib << 20));
        let config = config.replacen('{', &label, 1);
        let id = Digest::of(config.as_bytes()).to_string();
        copy.write(
            &format!("image/overlay2/imagedb/content/sha256/{}", &id[7..]),
            config.as_bytes(),
        );
        let record = format!("containers/{WEB_1}/config.v2.json");
        let text = String::from_utf8(copy.read(&record))
            .unwrap()
            .replace(APP_IMAGE, &id)
            .replacen('{', &label, 1);
        copy.write(&record, text.as_bytes());
        let found = lineage(start(&copy, WEB_1, |_| ()).unwrap());
        assert_eq!(
            (found.chain, found.facts.image_id.map(|id| id.to_string())),
            (expected, Some(id)),
            "{mib} MiB"
        );
    }
}

#[test]
fn an_image_config_with_keys_of_another_case_does_not_hide_the_layers() {
    let copy = DockerCopy::of("docker-20.10-overlay2");
    let expected = lineage(start(&copy, WEB_1, |_| ()).unwrap()).chain;
    let config = String::from_utf8(copy.read(&format!(
        "image/overlay2/imagedb/content/sha256/{}",
        &APP_IMAGE[7..]
    )))
    .unwrap();
    let config = config.replace("\"rootfs\"", "\"RootFS\"");
    let id = Digest::of(config.as_bytes()).to_string();
    copy.write(
        &format!("image/overlay2/imagedb/content/sha256/{}", &id[7..]),
        config.as_bytes(),
    );
    let record = format!("containers/{WEB_1}/config.v2.json");
    copy.write(
        &record,
        String::from_utf8(copy.read(&record))
            .unwrap()
            .replace(APP_IMAGE, &id)
            .as_bytes(),
    );
    assert_eq!(
        lineage(start(&copy, WEB_1, |_| ()).unwrap()).chain,
        expected
    );
    // This container's image has no layers. The test adds a record of layers below the container.
    copy.write(&mount_file(EMPTY_1, "parent"), BASE.as_bytes());
    let error = start(&copy, EMPTY_1, |_| ()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("it has 1 lower directories, for 1 layers and one more"),
        "{error}"
    );
    assert!(matches!(error, LineageError::Corrupt(_)), "{error:?}");
}

#[test]
fn a_container_has_the_time_at_which_docker_made_it() {
    let copy = DockerCopy::of("docker-20.10-overlay2");
    let id = ContainerId::parse(WEB_1).unwrap();
    let created = |copy: &DockerCopy| DockerRecord::load(&copy.path(""), &id).unwrap().created;
    let text = created(&copy).unwrap().to_string();
    assert!(text.starts_with("2026-11-20T16:17:02"), "{text}");
    // Without the time, the container counts as new.
    let record = format!("containers/{WEB_1}/config.v2.json");
    let json = String::from_utf8(copy.read(&record)).unwrap();
    copy.write(&record, json.replace("\"Created\"", "\"Made\"").as_bytes());
    assert_eq!(created(&copy), None);
}
