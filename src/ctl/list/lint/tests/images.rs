//! Tests findings from the images on this machine.

use super::*;

#[test]
fn what_the_images_here_show() {
    let here = known(&[
        ("base:1", "a b"),
        ("env:1", "a b"),
        ("app:1", "a b c"),
        ("fixed:1", "a b fix"),
        ("new:1", "n"),
    ]);
    let with = |line: &str| {
        format!(
            "{HEAD}{line}\n{BASE}name = \"base:1\"\n[[ban.match]]\nimage = \"<i env>\"\nname = \"env:1\"\n"
        )
    };
    let found = |line: &str| format!("{HEAD}[[ban.match]]\n{line}\n");
    for (text, expected) in [
        (
            found("base = \"<c a b>\"\nname = \"base:1\""),
            vec![
                "bans.toml:7: warning: A: the ban also hits env:1, of the same layers [same-layers]",
            ],
        ),
        (
            found("base = \"<c a b>\""),
            vec![
                "bans.toml:7: warning: A: base:1 and env:1 have the same layers and are banned alike [same-layers]",
            ],
        ),
        (
            found("base = \"<d b>\""),
            vec![
                "bans.toml:7: error: A: base <d b> is the diff ID of a layer of base:1, so it never matches as a base [wrong-kind]",
            ],
        ),
        (
            found("base = \"<i app>\""),
            vec![
                "bans.toml:7: error: A: base <i app> is the image ID of app:1, so it never matches as a base [wrong-kind]",
            ],
        ),
        (
            found("layer = \"<c a b c>\""),
            vec![
                "bans.toml:7: error: A: layer <c a b c> is the top chain ID of app:1, so it never matches as a layer [wrong-kind]",
            ],
        ),
        (
            found("image = \"<c a b c>\""),
            vec![
                "bans.toml:7: error: A: image <c a b c> is the top chain ID of app:1, so it never matches as an image [wrong-kind]",
            ],
        ),
        (
            found("image = \"<i base>\""),
            vec![
                "bans.toml:7: warning: A: base:1 is banned, and not what is built on it: app:1, env:1 and fixed:1 [image-only]",
            ],
        ),
        (
            found("image = \"<m new>\""),
            vec![
                "bans.toml:7: warning: A: new:1 is banned by its manifest or index alone, which some engines do not keep [no-image-id]",
            ],
        ),
        (
            found("base = \"<c n>\"\nname = \"new:1\"\nplatform = \"linux/arm64\""),
            vec![
                "bans.toml:9: warning: A: base <c n> is of linux/amd64, not of linux/arm64 [other-platform]",
            ],
        ),
        (
            found("base = \"<c n>\"\nname = \"app:1\""),
            vec![
                "bans.toml:8: warning: A: base <c n> is of new:1, and not of app:1 as it is here [other-image]",
            ],
        ),
        (
            found("base = \"<c y>\"\nname = \"app:1\""),
            vec!["bans.toml:8: warning: A: base <c y> is not app:1 as it is here [other-image]"],
        ),
        (
            found("base = \"<c a>\"\nname = \"app:1\""),
            vec![
                "bans.toml:8: warning: A: base <c a> is a lower part of app:1, so more is banned than it [other-image]",
            ],
        ),
        (
            with("successor = \"fixed:1\""),
            vec![
                "bans.toml:6: error: A: the successor fixed:1 is built on base:1, which this ban bans [successor-banned]",
            ],
        ),
        (
            with("successor = \"fixed:1\"\ncure = [\"<d fix>\"]"),
            vec![],
        ),
        (with("successor = \"new:1\""), vec![]),
        (
            found("base = \"<c a b>\"\nname = \"base:1\"")
                + &HEAD.replace("\"A\"", "\"B\"")
                + "successor = \"env:1\"\n[[ban.match]]\nbase = \"<c n>\"\n",
            vec![
                "bans.toml:7: warning: A: the ban also hits env:1, of the same layers [same-layers]",
                "bans.toml:14: error: B: the successor env:1 has the layers of base:1, which A bans [successor-banned]",
            ],
        ),
        (
            with("cure = [\"<d a>\"]"),
            vec![
                "bans.toml:6: error: A: the cure <d a> is a layer of base:1 itself, so nothing is ever refused [cure-in-base]",
            ],
        ),
        (
            with("") + "[[ban.except]]\nimage = \"<i new>\"\nuntil = 2026-12-24\nreason = \"r\"\n",
            vec![
                "bans.toml:14: warning: A: the exception excepts nothing: the ban does not hold for new:1 [exception-idle]",
            ],
        ),
        (
            with("") + "[[ban.except]]\nimage = \"<m app>\"\nuntil = 2026-12-24\nreason = \"r\"\n",
            vec![
                "bans.toml:14: warning: A: app:1 is excepted by its manifest or index alone, which some engines do not keep [no-image-id]",
            ],
        ),
        (
            with("") + "[[ban.except]]\nbase = \"<c a>\"\nuntil = 2026-12-24\nreason = \"r\"\n",
            vec![
                "bans.toml:14: error: A: the exceptions cover all that the ban holds for, so it refuses nothing until they end [covers-ban]",
            ],
        ),
    ] {
        assert_found(&text, &here, &expected);
    }
}

#[test]
fn platforms_that_are_left_out_are_named() {
    let one = format!("{HEAD}[[ban.match]]\nbase = \"<c m>\"\nplatform = \"linux/amd64\"\n");
    assert_found(
        &one,
        &multi(),
        &[
            "bans.toml:7: warning: A: multi:1 is banned, and not for linux/arm64 and linux/s390x [missing-platform]",
        ],
    );
    let two = format!("{one}[[ban.match]]\nbase = \"<c n>\"\nplatform = \"linux/arm64\"\n");
    assert_found(
        &two,
        &multi(),
        &["bans.toml:7: warning: A: multi:1 is banned, and not for linux/s390x [missing-platform]"],
    );
    assert_found(
        &format!("{two}[[ban.match]]\nbase = \"<c s>\"\nplatform = \"linux/s390x\"\n"),
        &multi(),
        &[],
    );
}
