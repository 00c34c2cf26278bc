//! Files made to hurt: each is refused at a place, in less than a second, and all of them with little memory.
//!
//! One test, so that the peak of memory is theirs alone.

#![allow(clippy::unwrap_used, reason = "a test without its folder must fail")]

use jobpipe_config::diagnostic::Diagnostic;
use jobpipe_config::settings::{Lookup, load_project};
use std::path::Path;
use std::time::Duration;

/// What one file may take of the processor, in a build without optimization.
const PATIENCE: Duration = Duration::from_secs(1);
/// What all of them may take: the largest has 10 MiB, of which 2 MiB are read.
const MEMORY: u64 = 64 << 20;

struct Nothing;

impl Lookup for Nothing {
    fn variable(&self, _: &str) -> Option<secrecy::SecretString> {
        None
    }
    fn file(&self, _: &str) -> std::io::Result<secrecy::SecretString> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

const PLAIN: &str = "name: acme\ncrawl: { json: ./x.json }\n";

/// Name, content, and the first place that must be told.
fn bombs() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let text = |text: String| text.into_bytes();
    let mut laughs = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..10 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        laughs.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let anchors: String = (0..30_000).map(|number| format!("k{number}: &a{number} x\n")).collect();
    let aliases = format!("a: &a x\nb: [{}]\n", vec!["*a"; 100_000].join(", "));
    let merges: String =
        (0..10_000).map(|number| format!("m{number}:\n  <<: {{ a: 1 }}\n  <<: {{ b: 2 }}\n")).collect();
    let storm = format!("base: &b {{ a: 1 }}\nx:\n{}", "  <<: *b\n".repeat(60_000));
    let block: String = (0..1_000).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    let dashes = format!("a:\n  {}x\n", "- ".repeat(100_000));
    let keys = (0..50_000).map(|number| format!("key{number}: {number}\n")).collect();
    let same = "same: 1\n".repeat(100_000);
    let mut utf16_le = vec![0xff, 0xfe];
    utf16_le.extend(PLAIN.encode_utf16().flat_map(u16::to_le_bytes));
    let mut utf16_be = vec![0xfe, 0xff];
    utf16_be.extend(PLAIN.encode_utf16().flat_map(u16::to_be_bytes));
    let bare_le = PLAIN.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let bare_be = PLAIN.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let utf32: Vec<u8> = PLAIN.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    let line = |head: &str, fill: &str, tail: &str| {
        text(format!("{PLAIN}{head}{}{tail}", fill.repeat((10 << 20) / fill.len())))
    };
    let long_line = |fill: &str| text(format!("{PLAIN}x: {}", fill.repeat((1_000 << 10) / fill.len())));
    vec![
        ("laughs", text(laughs), "JP004:1:5"),
        ("30,000 anchors", text(anchors), "JP004:1:5"),
        ("100,000 aliases", text(aliases), "JP004:1:4"),
        ("merge keys", text(merges), "JP005:2:3"),
        ("merge keys of one anchor", text(storm), "JP004:1:7"),
        ("block nest", text(block), "JP002:33:33"),
        ("100,000 dashes", text(dashes), "JP002:2:65"),
        ("flow nest", text("x: ".to_owned() + &"[".repeat(100_000)), "JP002:1:68"),
        ("closed flow nest", text("x: ".to_owned() + &"[".repeat(100_000) + &"]".repeat(100_000)), "JP002:1:68"),
        ("nest of flow maps", text("x: ".to_owned() + &"{a: ".repeat(100_000)), "JP002:1:128"),
        ("keys that are flow nests", text("[".repeat(100_000) + ": x"), "JP002:1:65"),
        ("50,000 keys", text(keys), "JP002:1:1"),
        ("one key 100,000 times", text(same), "JP003:2:1"),
        ("10 MiB in one line", line("x: ", "a", "\n"), "JP060:1:1"),
        ("10 MiB of brackets", line("x: ", "[", "\n"), "JP060:1:1"),
        ("10 MiB of a comment", line("# ", "#", "\n"), "JP060:1:1"),
        ("1.5 MiB", text(format!("{PLAIN}# {}", "#".repeat(3 << 19))), "JP002:1:1"),
        ("a long word", long_line("a"), "JP020:3:1"),
        ("long words", long_line("a "), "JP020:3:1"),
        ("long quotes", long_line("\""), "JP013:3:4"),
        ("long colons", long_line("a: "), "JP012:3:5"),
        ("long comments", long_line("a #b "), "JP009:3:6"),
        ("many lines of text", text(format!("{PLAIN}x: {}", "a\n ".repeat(300_000))), "JP020:3:1"),
        ("many tabs", text(format!("{PLAIN}{}", "\t\n".repeat(400_000))), "JP008:3:1"),
        ("many empty values", text(format!("{PLAIN}{}", "-\n".repeat(400_000))), "JP001:3:2"),
        ("many documents", text("---\n".repeat(200_000)), "JP014:2:1"),
        ("many tags", text((0..30_000).map(|n| format!("k{n}: !t{n} x\n")).collect()), "JP006:1:5"),
        ("a long tag", text(format!("k: !{} x\n", "t".repeat(900_000))), "JP006:1:4"),
        ("a long key", text(format!("{}: x\n", "k".repeat(900_000))), "JP001:1:900001"),
        ("question marks", text("? ".repeat(300_000)), "JP014:1:3"),
        ("an open quote", text(format!("{PLAIN}x: \"{}", "a\n".repeat(400_000))), "JP001:3:4"),
        ("an open block", text(format!("{PLAIN}x: |\n{}", " a\n".repeat(300_000))), "JP020:3:1"),
        ("UTF-16 with a mark, little", utf16_le, "JP060:1:1"),
        ("UTF-16 with a mark, big", utf16_be, "JP060:1:1"),
        ("UTF-16, little", bare_le, "JP001:1:2"),
        ("UTF-16, big", bare_be, "JP001:1:1"),
        ("UTF-32", utf32, "JP001:1:2"),
        ("Latin 1", b"name: acme\ncrawl: { json: ./\xe9t\xe9.json }\n".to_vec(), "JP060:2:18"),
        ("a broken end", b"name: acme\ncrawl: { json: ./x.json } # \xe2\x82".to_vec(), "JP060:2:29"),
        ("a surrogate", b"name: \xed\xa0\x80\n".to_vec(), "JP060:1:7"),
        ("NUL", b"name: ac\0me\n".to_vec(), "JP001:1:9"),
        ("only NUL", vec![0; 1 << 19], "JP001:1:1"),
        ("escape", b"name: \x1b[2Jacme\n".to_vec(), "JP001:1:7"),
        ("a program", b"\x7fELF\x02\x01\x01\0\0".to_vec(), "JP001:1:1"),
        ("an archive", b"\x1f\x8b\x08\0\0\0\0\0".to_vec(), "JP060:1:2"),
    ]
}

fn told(path: &Path) -> Vec<Diagnostic> {
    load_project(path, None, &Nothing).reports.into_iter().flat_map(|report| report.diagnostics).collect()
}

/// What is told, and what that took: of up to three times the quickest, for a neighbour can slow a processor, too.
fn quickest(path: &Path) -> (Vec<Diagnostic>, Duration) {
    let once = || {
        let begun = cpu_time();
        let told = told(path);
        (told, cpu_time().saturating_sub(begun))
    };
    let (told, mut took) = once();
    for _ in 0..2 {
        if took > PATIENCE {
            took = took.min(once().1);
        }
    }
    (told, took)
}

#[test]
fn a_bomb_is_refused_at_its_place_soon_and_with_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb.yml");
    let mut wrong = Vec::new();
    let mut slowest = (Duration::ZERO, "");
    let bombs = bombs();
    let before = peak_memory();
    for (name, bytes, place) in &bombs {
        std::fs::write(&path, bytes).unwrap();
        let (told, took) = quickest(&path);
        slowest = slowest.max((took, name));
        let found = told.iter().find(|told| told.place() == *place);
        match found {
            _ if took > PATIENCE => wrong.push(format!("{name}: took {took:?}")),
            None => {
                let told: Vec<_> = told
                    .iter()
                    .take(3)
                    .map(|told| format!("{} {}", told.place(), told.message.chars().take(80).collect::<String>()))
                    .collect();
                wrong.push(format!("{name}: expected {place}, told {}", told.join("; ")));
            }
            Some(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let grown = peak_memory().saturating_sub(before);
    println!("{} bombs, slowest {slowest:?}, {} MiB", bombs.len(), grown >> 20);
    assert!(grown < MEMORY, "{} MiB", grown >> 20);
}

/// What this process has computed so far, to a hundredth of a second: a busy machine changes nothing about it.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
    Duration::from_millis(fields.filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * 10)
}

/// The most memory that this process ever had, in bytes; 0 where the system does not say.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

#[cfg(unix)]
#[test]
fn a_device_without_end_is_not_read_to_its_end() {
    let places: Vec<String> = told(Path::new("/dev/zero")).iter().map(Diagnostic::place).collect();
    assert_eq!(places, ["JP060:1:1"]);
}
