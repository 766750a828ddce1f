//! Tests that signatures are read as the tools write them.

use super::*;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/signatures/",
            $name
        ))
        .as_slice()
    };
}

/// A signature as key services print it without DER: r is 1, and s has its highest bit set.
fn numbers() -> Vec<u8> {
    let mut numbers = vec![0; 64];
    (numbers[31], numbers[32], numbers[63]) = (1, 0xff, 0xfe);
    numbers
}

fn numbers_in_der() -> Vec<u8> {
    let mut der = vec![0x30, 38, 2, 1, 1, 2, 33, 0, 0xff];
    der.resize(39, 0);
    der.push(0xfe);
    der
}

fn of(bytes: &[u8], algorithm: Algorithm) -> Vec<Vec<u8>> {
    parse(bytes).unwrap().of(algorithm)
}

#[test]
fn a_signature_is_found_in_whatever_a_tool_wrote() {
    let (numbers, der) = (numbers(), numbers_in_der());
    let url = |bytes: &[u8]| {
        base64::encode(bytes)
            .trim_end_matches('=')
            .replace('+', "-")
            .replace('/', "_")
    };
    let wrapped = base64::encode(&der)
        .into_bytes()
        .chunks(20)
        .collect::<Vec<_>>()
        .join(&b'\n');
    let json =
        |field: &str, value: &str| format!("{{\n  \"{field}\": \"{value}\"\n}}\n").into_bytes();
    let bundle = format!(
        r#"{{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{{}},"messageSignature":{{"messageDigest":{{"algorithm":"SHA2_256","digest":"AAAA"}},"signature":"{}"}}}}"#,
        base64::encode(&der)
    );
    for (case, bytes) in [
        ("DER", der.clone()),
        ("Base 64 of DER", base64::encode(&der).into_bytes()),
        ("Base 64 in lines", wrapped),
        ("64 bytes", numbers.clone()),
        (
            "Base 64 of them",
            format!("{}\n", base64::encode(&numbers)).into_bytes(),
        ),
        (
            "Base 64 for URLs",
            format!("{}\r\n", url(&numbers)).into_bytes(),
        ),
        ("aws kms sign", json("Signature", &base64::encode(&der))),
        (
            "az keyvault key sign",
            json("signature", &base64::encode(&numbers)),
        ),
        ("Azure's own API", json("value", &url(&numbers))),
        ("cosign sign-blob --bundle", bundle.into_bytes()),
        (
            "an older cosign",
            json("base64Signature", &base64::encode(&der)),
        ),
    ] {
        assert_eq!(of(&bytes, Algorithm::P256), [der.as_slice()], "{case}");
        assert_eq!(
            of(&bytes, Algorithm::Sshsig),
            Vec::<Vec<u8>>::new(),
            "{case}"
        );
    }
    assert_eq!(of(&numbers, Algorithm::Ed25519), [numbers.as_slice()]);
    assert_eq!(
        of(base64::encode(&numbers).as_bytes(), Algorithm::Ed25519),
        [numbers.as_slice()]
    );
    assert_eq!(of(&der, Algorithm::Ed25519), Vec::<Vec<u8>>::new());
}

#[test]
fn what_has_a_form_of_its_own_is_for_keys_of_its_kind_alone() {
    for (file, algorithm, length) in [
        (
            fixture!("openssh-9.2-ed25519-sha512.sig"),
            Algorithm::Sshsig,
            180,
        ),
        (fixture!("minisign-0.11.minisig"), Algorithm::Minisign, 74),
        (
            fixture!("minisign-0.11-legacy.minisig"),
            Algorithm::Minisign,
            74,
        ),
        (fixture!("signify-31.sig"), Algorithm::Minisign, 74),
    ] {
        for other in [
            Algorithm::Ed25519,
            Algorithm::P256,
            Algorithm::Sshsig,
            Algorithm::Minisign,
        ] {
            let lengths: Vec<_> = of(file, other).iter().map(Vec::len).collect();
            assert_eq!(
                lengths,
                if other == algorithm {
                    vec![length]
                } else {
                    vec![]
                },
                "{algorithm:?} {other:?}"
            );
        }
        let [bytes] = of(file, algorithm).try_into().unwrap();
        // The bytes without armor or comment are accepted as well.
        assert_eq!(of(&bytes, algorithm), [bytes.as_slice()]);
        assert_eq!(
            of(base64::encode(&bytes).as_bytes(), algorithm),
            [bytes.as_slice()]
        );
    }
}

#[test]
fn what_is_no_signature_is_reported_by_what_it_is() {
    for (case, file, expected) in [
        ("nothing", &b""[..], NoSignature::Empty),
        (
            "OpenPGP",
            b"-----BEGIN PGP SIGNATURE-----\n",
            NoSignature::Pgp,
        ),
        ("CMS", b"-----BEGIN CMS-----\n", NoSignature::Cms),
        ("PKCS #7", b"-----BEGIN PKCS7-----\n", NoSignature::Cms),
        (
            "a key",
            b"-----BEGIN PUBLIC KEY-----\n",
            NoSignature::PublicKey,
        ),
        (
            "a certificate",
            b"-----BEGIN CERTIFICATE-----\n",
            NoSignature::Damaged,
        ),
        (
            "cut armor",
            b"-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n",
            NoSignature::Damaged,
        ),
        (
            "signify -e",
            fixture!("signify-31-embedded.sig"),
            NoSignature::Embedded,
        ),
        (
            "a minisign key",
            fixture!("minisign-0.11.pub"),
            NoSignature::PublicKey,
        ),
        (
            "cut minisign",
            b"untrusted comment: x\nRUT2axA4\n",
            NoSignature::Damaged,
        ),
        (
            "a comment alone",
            b"untrusted comment: x\n",
            NoSignature::Damaged,
        ),
        (
            "an envelope",
            br#"{"dsseEnvelope":{"signatures":[]}}"#,
            NoSignature::Envelope,
        ),
        (
            "a bare envelope",
            br#"{"payloadType":"application/vnd.in-toto+json"}"#,
            NoSignature::Envelope,
        ),
        ("other JSON", br#"{"a":1}"#, NoSignature::Json),
        (
            "JSON with a number",
            br#"{"signature":1}"#,
            NoSignature::Json,
        ),
        (
            "JSON with another text",
            br#"{"signature":"?"}"#,
            NoSignature::Damaged,
        ),
        ("cut JSON", br#"{"signature":"#, NoSignature::Damaged),
    ] {
        assert_eq!(parse(file), Err(expected), "{case}");
    }
}

#[test]
fn no_truncation_of_a_signature_file_panics_or_is_whole() {
    for (file, algorithm) in [
        (fixture!("openssh-9.2-ecdsa-sha512.sig"), Algorithm::Sshsig),
        (fixture!("minisign-0.11.minisig"), Algorithm::Minisign),
    ] {
        let whole = of(file, algorithm);
        for cut in 0..file.len() {
            if let Ok(found) = parse(&file[..cut]) {
                let found = found.of(algorithm);
                assert!(found.is_empty() || found == whole, "{cut} bytes");
            }
        }
    }
}
