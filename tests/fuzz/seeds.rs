//! Writes seed inputs that help the fuzz targets to reach deep into the parsers.
//!
//! `seeds DIRECTORY` writes them to `DIRECTORY/TARGET/`, where libFuzzer reads them.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a tool of the tests"
)]

// Linked only because the flags of `run` need the counters of libFuzzer's runtime.
use libfuzzer_sys as _;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use embargo::banlist::compile::Compiled;
use embargo::banlist::floor::Edition;
use embargo::banlist::head::{Format, Impact, Urgency};
use embargo::banlist::source::Source;
use embargo::banlist::terms::HeadTerms;
use embargo::ctl::keys::{outside, public};
use embargo::lineage::digest::Digest;
use embargo::sys::clock::Timestamp;

const DIGEST: &str = "sha256:3f39089e90831c3ef411fc78853180417a4e2624a2fe58c3a8f7ee5f2d0d2d5e";

/// A source that uses every key of the format.
const SOURCE: &str = r#"[[ban]]
id = "BAN-1"
reason = "why"
advisories = ["CVE-2026-1234"]
severity = "critical"
action = "warn"
effective = 2026-11-20
lapses = "2027-11-20T06:00:00Z"
successor = "docker.io/library/debian:12.5@DIGEST"
cure = ["DIGEST"]
[[ban.match]]
base = "DIGEST"
name = "docker.io/library/debian:12.4"
platform = "linux/arm/v7"
[[ban.match]]
image_file = "bad.txt"
[[ban.except]]
layer = "DIGEST"
until = 2026-12-24T12:00:00Z
reason = "until then"
ticket = "OPS-4711"
[ban.patch]
check = ["true"]
run = ["apt-get", "install"]
timeout = "5m"
user = "0:0"
"#;

/// A keyset that would follow the one in the target, but lacks a signature of the target's key.
const KEYSET: &str = "embargo/banlist-keyset/v1\norigin: bans.example.com/prod\nkeyset: 2\nissued: 2026-11-20T14:00:00Z\nexpires: 2028-11-20T14:00:00Z\n\
    threshold: root=1 list=1 lift=1\nkey root key-1 ed25519 AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=\n\
    key list key-2 minisign RWQxMjM0NTY3OAYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYG\n\n\u{2014} key-1 AAAAAAAA\n";

fn main() {
    let directory = PathBuf::from(std::env::args_os().nth(1).expect("seeds DIRECTORY"));
    let all = [
        ("argv", argv()),
        ("runtime_spec", runtime_spec()),
        ("image_documents", image_documents()),
        ("storage", storage()),
        ("docker", docker()),
        ("containerd", containerd()),
        ("list", list()),
        ("signatures", signatures()),
        ("settings", settings()),
        ("exec_patch", exec_patch()),
    ];
    for (target, seeds) in all {
        let directory = directory.join(target);
        fs::create_dir_all(&directory).unwrap();
        for (number, seed) in seeds.iter().enumerate() {
            fs::write(directory.join(format!("seed-{number}")), seed).unwrap();
        }
    }
}

fn texts<const N: usize>(texts: [&str; N]) -> Vec<Vec<u8>> {
    texts
        .map(|text| text.replace("DIGEST", DIGEST).into_bytes())
        .into()
}

fn argv() -> Vec<Vec<u8>> {
    let lines = [
        "--root /r --log /l --log-format json create --bundle /b --pid-file /p --console-socket /s c1",
        "--log /l run --bundle /b --keep c1",
        "restore --image-path i --detach -no-subreaper --bundle b c1",
        "create c1 --bundle b --no-pivot=true",
        "run -dbX -fother.json c1",
        "-- create -b=b -- c1",
        "--unknown create --future v --bundle b c1",
        "exec --process p --detach -e A=b c1 create",
        "--help create",
        "check c1 --json",
    ];
    lines
        .map(|line| line.replace(' ', "\0").into_bytes())
        .into()
}

fn runtime_spec() -> Vec<Vec<u8>> {
    texts([
        r#"{"ociVersion":"1.0.2","process":{"args":["sh"]},"root":{"path":"rootfs","readonly":true},"annotations":{"a":"b"}}"#,
        r#"{"root":{"path":"/var/lib/docker/overlay2/x/merged"}}"#,
        "/run/containerd/io.containerd.runtime.v2.task/k8s.io/c1\nc1",
        "/var/lib/containers/storage/overlay-containers/c1/userdata\nc1",
        "/var/lib/docker/buildkit/executor/c1\nc1",
        "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - overlay overlay rw,lowerdir=/a:/b\\040c,upperdir=/u/diff,workdir=/w/mnt2",
    ])
}

fn image_documents() -> Vec<Vec<u8>> {
    texts([
        r#"{"architecture":"amd64","os":"linux","config":{"Labels":{"org.opencontainers.image.source":"s"}},"rootfs":{"type":"layers","diff_ids":["DIGEST","DIGEST"]}}"#,
        r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"DIGEST","size":7},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"DIGEST","size":9}]}"#,
        r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"DIGEST","size":7,"platform":{"architecture":"amd64","os":"linux"}}]}"#,
        "DIGEST",
        "DIGEST\nDIGEST\n",
    ])
}

fn storage() -> Vec<Vec<u8>> {
    texts([
        r#"c1  [{"id":"c1  ","names":["web"],"image":"i","layer":"l","metadata":"{\"image-name\":\"localhost/web\"}","created":"2026-11-20T14:00:00Z"}]"#,
        r#"i1  [{"id":"i1  ","digest":"DIGEST","names":["docker.io/library/debian:12"],"layer":"l","big-data-digests":{"manifest":"DIGEST"}}]"#,
        r#"l1  [{"id":"l1  ","parent":"l0","diff-digest":"DIGEST","flags":{"a":"b"}}]"#,
        "[storage]\ndriver = \"overlay\"\ngraphroot = \"/g\"\n[storage.options]\nadditionalimagestores = [\"/a\"]\n",
        "/var/lib/containers/storage/overlay/l/ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "=bWFuaWZlc3Q=",
        "podman\0--storage-opt\0overlay.imagestore=/a\0--runroot\0/run/containers/storage\0",
    ])
}

fn docker() -> Vec<Vec<u8>> {
    texts([
        "DIGEST",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        r#"{"ID":"c1","Driver":"overlay2","Image":"DIGEST","Config":{"Image":"web"},"Name":"/web"}"#,
        r#"{"Repositories":{"web":{"web:latest":"DIGEST","web@DIGEST":"DIGEST"}}}"#,
    ])
}

fn containerd() -> Vec<Vec<u8>> {
    // Protobuf's `Any`: a type, then JSON, here the record that CRI keeps of a container.
    let record = format!("{{\"Metadata\":{{\"ImageRef\":\"{DIGEST}\"}}}}");
    let any = [
        &b"\x0a\x01t\x12"[..],
        &[u8::try_from(record.len()).unwrap()],
        record.as_bytes(),
    ];
    vec![any.concat(), record.into_bytes(), bolt_page()]
}

/// A leaf page of a bbolt database. The page has one bucket, `v1`, which is stored inline and is
/// empty.
fn bolt_page() -> Vec<u8> {
    let mut page = vec![0; 4096];
    page[0] = 2; // its number
    page[8] = 2; // leaf
    page[10] = 1; // one element
    let element = 16;
    page[element] = 1; // a bucket
    page[element + 4] = 16; // its key stands right behind
    page[element + 8] = 2;
    page[element + 12] = 32;
    page[element + 16..element + 18].copy_from_slice(b"v1");
    page[element + 18 + 16 + 8] = 2; // the bucket's own page: a leaf without elements
    page
}

fn list() -> Vec<Vec<u8>> {
    let text = format!(
        "[[ban]]\nid = \"BAN-1\"\nreason = \"why\"\nseverity = \"high\"\neffective = 2026-11-20\n[[ban.match]]\nbase = \"{}\"\n[[ban.match]]\nlayer = \"{DIGEST}\"\nname = \"n\"\n",
        Digest::of(b"banned")
    );
    let source = Source::parse(Path::new("bans.toml"), &text, |_| Ok(Vec::new())).unwrap();
    let issued = Timestamp::from_seconds(1_795_183_200);
    let terms = HeadTerms {
        format: Format::V2,
        origin: "bans.example.com/prod".to_owned(),
        edition: Edition {
            keyset: 1,
            version: 1,
        },
        issued,
        expires: issued.plus(86_400),
        impact: Impact::Guarded,
        urgency: Urgency::Urgent,
    };
    let list = Mutex::new(Vec::new());
    let head = Compiled::of(&source)
        .unwrap()
        .write(&terms, &list, &())
        .unwrap();
    let mut seeds = vec![
        text.into_bytes(),
        list.into_inner().unwrap(),
        head.text().into_bytes(),
    ];
    seeds.extend(abused(&head.text()));
    seeds.extend(texts([
        r#"{"matches":[{"kind":"base","name":"n","platform":"linux/amd64","ban":0}]}"#,
        r#"{"matches":[{"kind":"catalogue","base":0}]}"#,
        r#"{"id":"debian-12","names":["n"],"support_until":"2028-06-30T00:00:00Z","successor":"b","only_for":["p"]}"#,
        "keyset 1\nversion 412\nhead DIGEST\nissued 2026-11-20T14:00:00Z\nprevious DIGEST\nnext DIGEST\n",
        KEYSET,
        "bans.example.com/prod\ntext\n\n\u{2014} key-1 AAAAAAAA\n",
        SOURCE,
    ]));
    seeds
}

/// Malformed variants of a head. Each has a fault that a careless parser might accept.
fn abused(head: &str) -> Vec<Vec<u8>> {
    let signed = |lines: &str| format!("{head}\n{lines}");
    let abused = [
        head.replacen("entries: 2", "entries: 18446744073709551615", 1),
        head.replacen("size=", "size=134217729", 1),
        head.replacen("version: 1\n", "version: 1\nversion: 2\n", 1),
        head.replacen(' ', "\0", 1),
        head.replace('\n', "\r\n"),
        format!("\u{feff}{head}"),
        signed(&"\u{2014} key-1 AAAAAAE=\n".repeat(17)),
        // The last letter before the padding has bits that are not part of any byte.
        signed("\u{2014} key-1 AAAAAAF=\n"),
        signed("\u{2014} key-1 AAAA=AAA\n\n"),
    ];
    abused.map(String::into_bytes).into()
}

/// The files that real tools wrote. Also each key followed by its signature, as the gate gets them.
fn signatures() -> Vec<Vec<u8>> {
    let directory = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../fixtures/signatures"
    ));
    let mut seeds: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|file| fs::read(file.unwrap().path()).unwrap())
        .collect();
    seeds.sort();
    for (key, signature) in [
        ("openssh-9.2-ed25519.pub", "openssh-9.2-ed25519-sha512.sig"),
        ("openssh-9.2-ecdsa.pub", "openssh-9.2-ecdsa-sha256.sig"),
        ("minisign-0.11.pub", "minisign-0.11.minisig"),
        ("signify-31.pub", "signify-31.sig"),
    ] {
        let read = |name| fs::read(directory.join(name)).unwrap();
        let (key, _) = public::parse(&read(key)).unwrap();
        let made = outside::parse(&read(signature))
            .unwrap()
            .of(key.algorithm())
            .concat();
        assert!(key.verifies(&read("head"), &made));
        seeds.push(
            [
                &[u8::try_from(key.as_bytes().len()).unwrap()],
                key.as_bytes(),
                &made,
            ]
            .concat(),
        );
    }
    seeds.extend(texts([
        r#"{"messageSignature":{"signature":"MEQCIAh3"}}"#,
        r#"{"Signature":"MEQCIAh3"}"#,
    ]));
    seeds
}

fn settings() -> Vec<Vec<u8>> {
    texts([
        "mode = \"audit\"\nruntime = \"/usr/bin/runc\"\nformer_runtimes = [\"/usr/bin/crun\"]\non_no_image = \"refuse\"\non_unknown_image = \"admit\"\ngrace = \"7d\"\n",
        "min_version = 3\norigin = \"bans.example.com/prod\"\nresolve_timeout = \"100ms\"\n[engines]\ndocker = [\"/srv/docker\"]\nruntime_roots = [\"/run/x\"]\n",
        "\u{feff}\"\\u0072untime\" = '''\n/a''' # \"\"\"\r\nformer_runtimes = [ # ]\n  \"/b\",\n]\nengines.docker = []\n",
        "runtime = \"\"\"\\\n  /a\"\"\"\nengines = { docker = ['/d'] }\n",
        "[[engines.containerd]]\nroot = \"/c\"\nstate = \"/s\"\naddress = \"/a.sock\"\n[[engines.storage]]\nroot = \"/g\"\nrun_root = \"/r\"\n",
    ])
}

fn exec_patch() -> Vec<Vec<u8>> {
    let container = r#"{"id":"c1","engine":"docker","name":"web-1","image":"app:1","kind":"runc","root":"/run/docker/runtime-runc/moby",
        "bundle":"/b","owner":0,"pid":41,"started":77}"#;
    let work = r#"{"check":["sh","-c","true"],"run":["sh"],"user":[0,0],"environment":["A=1"],"directory":"/","timeout":600,"unpause":true,"program":true}"#;
    let header = r#"{"run":{"version":1,"id":"20261120-221500-a1b2","started":"2026-11-20T22:15:00Z","boot":"b","by":{"user":{"uid":0}},"argv":["--all-banned"]}}"#;
    let started = r#"{"started":{"number":1,"at":"2026-11-20T22:15:00Z","boot":"b","digest":"DIGEST","container":CONTAINER,"worker":{"pid":7,"started":9}}}"#;
    let ended = r#"{"ended":{"number":1,"at":"2026-11-20T22:15:00Z","done":{"outcome":{"outcome":"failed","stage":"check-after","status":3},"took":1,"written":2,"tail":"t"}}}"#;
    let settled = r#"{"settled":{"at":"2026-11-20T22:15:00Z","boot":"b","container":CONTAINER,"outcome":{"outcome":"could-not-enter","why":"w"}}}"#;
    let spec = r#"{"process":{"terminal":true,"consoleSize":{"height":1,"width":2},"user":{"uid":1000,"gid":1000,"umask":18,"additionalGids":[5]},
        "args":["sleep"],"cwd":"/","env":["PATH=/bin","EMBARGO_PATCH=old"],"capabilities":{"bounding":["CAP_KILL"],"ambient":["CAP_KILL"]}},
        "linux":{"namespaces":[{"type":"user"}]}}"#;
    let runc = r#"{"id":"c1","init_process_pid":41,"init_process_start":77,"config":{"labels":["bundle=/b"]}}"#;
    let crun = r#"{"pid":41,"process-start-time":77,"rootfs":"/b/rootfs","bundle":"/b","owner":"root","external_descriptors":"[]"}"#;
    let log = r#"{"level":"error","msg":"exec failed: unable to start container process: exec: \"sh\": not found","time":"2026-11-20T22:15:00Z"}"#;
    let printed = "red \u{1b}[31mtext\u{1b}[0m \u{1b}]0;title\u{7} \u{9b}2J \u{1b}(B\r\n";
    texts([
        header,
        started,
        ended,
        settled,
        spec,
        runc,
        crun,
        log,
        printed,
        work,
        "\x7fELF\u{2}\u{1}\u{1}",
    ])
    .into_iter()
    .map(|seed| {
        String::from_utf8(seed)
            .unwrap()
            .replace("CONTAINER", container)
            .into_bytes()
    })
    .collect()
}
