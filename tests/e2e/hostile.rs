//! A site that wants to hurt: bombs, lies, answers without end. The run ends, tells each, keeps what is good, and never
//! needs much memory.

#![allow(clippy::unwrap_used, reason = "what serves a test may fail it")]

mod support;

use serde_json::Value as Json;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use support::{Done, Project, lines};

/// What the whole process may have at its peak, in MiB.
const MOST_MB: u64 = 256;

/// A stage: its name, what it asks for, and the code of its dead letters (none where all is well).
const STAGES: &[(&str, &str, Option<&str>)] = &[
    ("gzip", "json", Some("JP111")),
    ("brotli", "json", Some("JP111")),
    ("zstd", "json", Some("JP111")),
    ("bomb_page", "html", Some("JP111")),
    ("says_much", "json", Some("JP111")),
    ("says_little", "json", Some("JP122")),
    ("says_more", "json", Some("JP117")),
    ("endless", "json", Some("JP111")),
    ("circle", "html", Some("JP112")),
    ("deep", "json", Some("JP124")),
    ("divs", "html", Some("JP121")),
    ("attributes", "html", Some("JP121")),
    ("siblings", "html", Some("JP121")),
    ("text", "html", Some("JP111")),
    ("garbage", "json", Some("JP117")),
    ("nested", "json", Some("JP148")),
    ("strange", "json", None),
    ("ids", "json", None),
];

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/answers").join(name)).unwrap()
}

/// Writes the answer to `path`; an error means that the reader has gone, which is its right.
fn answer(path: &str, out: &mut TcpStream) -> std::io::Result<()> {
    let json = "content-type: application/json\r\n";
    let page = "content-type: text/html\r\n";
    let head = |out: &mut TcpStream, more: &str| {
        out.write_all(format!("HTTP/1.1 200 OK\r\nconnection: close\r\n{more}\r\n").as_bytes())
    };
    let again = |out: &mut TcpStream, piece: &[u8], times: usize| (0..times).try_for_each(|_| out.write_all(piece));
    match path.trim_start_matches('/').trim_end_matches(|c: char| c.is_ascii_digit()) {
        // 10 MiB that would become 10 GiB
        "gzip" => {
            head(out, &format!("{json}content-encoding: gzip\r\n"))?;
            again(out, &fixture("zeros-64MiB.gz"), 160)
        }
        "bomb_page" => {
            head(out, &format!("{page}content-encoding: gzip\r\n"))?;
            again(out, &fixture("zeros-64MiB.gz"), 160)
        }
        "brotli" => {
            head(out, &format!("{json}content-encoding: br\r\n"))?;
            out.write_all(&fixture("zeros-1GiB.br"))
        }
        "zstd" => {
            head(out, &format!("{json}content-encoding: zstd\r\n"))?;
            again(out, &fixture("zeros-64MiB.zst"), 160)
        }
        "garbage" => {
            head(out, &format!("{json}content-encoding: gzip\r\n"))?;
            out.write_all(b"\x1f\x8b\x08\0\0\0\0\0\0\x03 this is no gzip at all, whatever its first bytes say")
        }
        "says_much" => {
            head(out, &format!("{json}content-length: 999999999999\r\n"))?;
            out.write_all(b"[]")
        }
        "says_little" => {
            head(out, &format!("{json}content-length: 10\r\n"))?;
            out.write_all(b"[{\"id\": 1}, {\"id\": 2}]")
        }
        "says_more" => {
            head(out, &format!("{json}content-length: 1000\r\n"))?;
            out.write_all(b"[{\"id\": 1}]")
        }
        "endless" => {
            head(out, json)?;
            again(out, &[b'['; 64 << 10], usize::MAX)
        }
        "circle" => {
            let number: u64 = path.trim_start_matches("/circle").parse().unwrap_or(0);
            let to = format!(
                "HTTP/1.1 302 Found\r\nconnection: close\r\ncontent-length: 0\r\nlocation: /circle{}\r\n\r\n",
                number + 1
            );
            out.write_all(to.as_bytes())
        }
        "deep" => {
            head(out, json)?;
            out.write_all("[".repeat(100_000).as_bytes())?;
            out.write_all("]".repeat(100_000).as_bytes())
        }
        "divs" => {
            head(out, page)?;
            again(out, "<div>".repeat(1_000).as_bytes(), 1_000)
        }
        "attributes" => {
            head(out, page)?;
            out.write_all(b"<p ")?;
            (0..1_000_000).try_for_each(|number| out.write_all(format!("a{number} ").as_bytes()))
        }
        "siblings" => {
            head(out, page)?;
            again(out, "<p>a".repeat(1_000).as_bytes(), 2_500)
        }
        "text" => {
            head(out, &format!("{page}content-length: {}\r\n", 100 << 20))?;
            again(out, &[b'a'; 1 << 20], 100)
        }
        "nested" => {
            head(out, json)?;
            let record = |levels: usize| {
                format!("{{\"id\":\"nested-{levels}\",\"x\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1))
            };
            out.write_all(format!("[{}]", [2, 99, 100, 101, 120].map(record).join(",")).as_bytes())
        }
        "strange" => {
            head(out, json)?;
            let title = "a\\u0000b\\u001b[2J\\u202ec\\u2066d\\r\\n{\\\"event\\\":\\\"summary\\\"}";
            out.write_all(format!("[{{\"id\":\"strange\",\"title\":\"{title}\"}},{{\"id\":\"told\",\"title\":\"{title}\",\"refuse\":true}}]").as_bytes())
        }
        "ids" => {
            head(out, json)?;
            out.write_all(b"[{\"id\":123456789012345678901234567890},{\"id\":123456789012345678901234567891},{\"id\":18446744073709551615}]")
        }
        _ => out.write_all(b"HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"),
    }
}

/// A server by hand: what an honest library would not send.
fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            std::thread::spawn(move || {
                let mut asked = BufReader::new(stream.try_clone().unwrap());
                let mut first = String::new();
                let mut line = String::new();
                asked.read_line(&mut first).ok();
                while asked.read_line(&mut line).is_ok_and(|read| read > 2) {
                    line.clear();
                }
                let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
                let _reader_gone = answer(&path, &mut stream);
            });
        }
    });
    base
}

fn import(base: &str) -> String {
    let mut text = "name: acme\nstages:\n".to_owned();
    for (name, kind, _) in STAGES {
        let extract = if *kind == "html" { "\n      extract: { id: h1 }" } else { "" };
        text.push_str(&format!(
            "  {name}:\n    crawl:\n      {kind}: {base}/{name}{extract}\n      robots: ignore\n      rate: unlimited\n      timeout: 10m\n      retry: {{ times: 1, base: 10ms, max: 20ms }}\n"
        ));
    }
    let names: Vec<&str> = STAGES.iter().map(|stage| stage.0).collect();
    text.push_str(&format!(
        "  clean:\n    from: [{}]\n    transform:\n      key: .id\n      map: {{ id: .id, title: \"=if .refuse then error(.title) else .title end\", x: .x }}\n",
        names.join(", ")
    ));
    text.push_str("  file: { from: clean, export: { jsonl: out/acme.jsonl } }\n");
    text
}

/// Runs the command and watches its memory at its peak, in MiB.
fn watched(project: &Project, args: &[&str]) -> (Done, u64) {
    let mut command = project.command(args);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let (peak, ended) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let watcher = std::thread::spawn({
        let (peak, ended) = (peak.clone(), ended.clone());
        move || {
            // The system keeps the highest value, so only the last moment could be missed.
            while !ended.load(Ordering::SeqCst) {
                let told = std::fs::read_to_string(&status).unwrap_or_default();
                let found = told
                    .lines()
                    .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
                peak.fetch_max(found.unwrap_or(0) / 1024, Ordering::SeqCst);
                std::thread::park_timeout(std::time::Duration::from_millis(5));
            }
        }
    });
    let mut err = child.stderr.take().unwrap();
    let complaints = std::thread::spawn(move || {
        let mut text = String::new();
        err.read_to_string(&mut text).map(|_| text)
    });
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    let status = child.wait().unwrap();
    ended.store(true, Ordering::SeqCst);
    watcher.join().unwrap();
    let done = Done { code: status.code().unwrap_or(-1), out, err: complaints.join().unwrap().unwrap() };
    (done, peak.load(Ordering::SeqCst))
}

/// The characters that a terminal or a reader of logs must not get from a source.
fn is_harmful(c: char) -> bool {
    (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[test]
fn a_hostile_site_costs_neither_the_good_records_nor_the_memory() {
    static BASE: OnceLock<String> = OnceLock::new();
    let base = BASE.get_or_init(serve);
    let mut project = Project::new();
    project.set("JOBPIPE_ALLOW_PRIVATE", "127.0.0.1");
    project.write("import.yml", &import(base));
    let (done, peak) = watched(&project, &["run", "import.yml", "--format", "json"]);
    let done = done.expect(3);
    let summary = done.summary();
    assert_eq!(summary["state"], "partial", "{summary}");

    let letters = project.jobpipe(&["dead", "list", "--format", "json"]).expect(0).json();
    for (stage, _, code) in STAGES {
        let codes: Vec<&str> = letters
            .iter()
            .filter(|letter| letter["stage"] == *stage)
            .filter_map(|letter| letter["error"]["code"].as_str())
            .collect();
        match code {
            Some(code) => assert!(
                !codes.is_empty() && codes.iter().all(|found| found == code),
                "{stage}: {codes:?}, not {code}\n{letters:#?}"
            ),
            None => assert!(codes.is_empty(), "{stage}: {codes:?}"),
        }
    }
    let mut kept: Vec<String> =
        lines(&project.path("out/acme.jsonl")).iter().map(|line| line["id"].to_string()).collect();
    kept.sort();
    let expected = [
        "\"123456789012345678901234567890\"",
        "\"123456789012345678901234567891\"",
        "\"nested-100\"",
        "\"nested-2\"",
        "\"nested-99\"",
        "\"strange\"",
        "18446744073709551615",
    ];
    assert_eq!(kept, expected);
    let strange: Vec<Json> =
        lines(&project.path("out/acme.jsonl")).into_iter().filter(|line| line["id"] == "strange").collect();
    assert!(
        strange[0]["title"].as_str().unwrap().starts_with("a\0b\u{1b}[2J\u{202e}c"),
        "a record is data: it is kept as it came"
    );

    // What a source says is shown, and does nothing.
    let told = letters.iter().find(|letter| letter["stage"] == "clean").unwrap_or_else(|| panic!("{letters:#?}"));
    assert_eq!(told["error"]["code"], "JP053");
    let id: String = told["id"].as_str().unwrap().chars().take(12).collect();
    for args in [vec!["dead", "list"], vec!["dead", "show", &id], vec!["runs", "list"], vec!["run", "import.yml"]] {
        let Done { out, err, .. } = project.jobpipe(&args);
        let harm: Vec<char> = out.chars().chain(err.chars()).filter(|c| is_harmful(*c)).collect();
        assert!(harm.is_empty(), "{args:?} writes {harm:?}:\n{out}{err}");
    }
    assert!(!done.err.chars().any(is_harmful), "{}", done.err);
    println!("hostile site: {} stages, {} dead letters, {peak} MiB", STAGES.len(), letters.len());
    assert!(peak > 5 && peak < MOST_MB, "{peak} MiB");
}
