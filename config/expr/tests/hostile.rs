//! Programs that somebody writes by mistake or out of malice, each on a hostile record: `fixtures/jq/hostile.txt` has
//! one a line, with a tab and what must become of it: a code (of a limit, which one) or `= ` and how the value begins.

#![allow(clippy::unwrap_used, reason = "a test without its table must fail")]

use std::path::Path;

use jobpipe_expr::{EvalError, Expr, Subject, Vars};
use serde_json::{Value as Json, json};

/// What one program may take of the processor, in milliseconds: with optimization about 300 are needed.
const PATIENCE: u64 = if cfg!(debug_assertions) { 10_000 } else { 1_000 };
/// What the process may have at its peak, in bytes: one evaluation's 128 MiB, its value taken out, and the record.
const MEMORY: u64 = 320 << 20;

fn record() -> Json {
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    json!({
        "long": "a".repeat(100 << 10), "mega": "a".repeat(1 << 20), "mixed": "aé😀 b".repeat(20_000),
        "deep": deep, "huge": 1e300, "list": (0..50_000).collect::<Vec<u32>>(), "brackets": "[".repeat(100_000),
        "html": "<div>".repeat(100_000), "digits": "9".repeat(100_000), "words": "word ".repeat(20_000),
    })
}

/// What becomes of a program, as the table says it.
fn outcome(source: &str, record: &Json) -> String {
    let expr = match Expr::compile(source) {
        Ok(expr) => expr,
        Err(error) => return error.code.to_owned(),
    };
    match expr.eval(&Subject::new(record), &Vars::new()) {
        Ok(value) => format!("= {}", value.map_or("none".to_owned(), |value| value.to_string())),
        Err(error @ EvalError::Limit { limit, .. }) => format!("{} {limit}", error.code()),
        Err(error) => {
            assert!(error.to_string().len() < 2_000, "{source}: a message without bound");
            error.code().to_owned()
        }
    }
}

#[test]
fn each_hostile_program_ends_as_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/jq/hostile.txt");
    let table = std::fs::read_to_string(path).unwrap();
    let record = record();
    let mut wrong = Vec::new();
    let mut slowest = (0, "");
    for line in table.lines() {
        let (source, expected) = line.split_once('\t').unwrap_or_else(|| panic!("no tab in `{line}`"));
        let begun = cpu_ms();
        let found = outcome(source, &record);
        let took = cpu_ms() - begun;
        slowest = slowest.max((took, source));
        let right = match expected.split_once(' ') {
            Some(("=", value)) => found.strip_prefix("= ").is_some_and(|found| found.starts_with(value)),
            Some((code, limit)) => found.starts_with(code) && found.contains(limit),
            None => found == expected,
        };
        if !right || took > PATIENCE {
            let found: String = found.chars().take(80).collect();
            wrong.push(format!("{source}: expected `{expected}`, found `{found}` in {took} ms"));
        }
    }
    let count = table.lines().count();
    println!("{count} programs, slowest {slowest:?} ms, peak {} MiB", peak_memory() >> 20);
    assert!(count > 300 && wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(peak_memory() < MEMORY, "{} MiB", peak_memory() >> 20);
}

/// What this process has computed so far, to a hundredth of a second: a busy machine changes nothing about it.
fn cpu_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
    fields.filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * 10
}

/// The most memory that this process ever had, in bytes; 0 where the system does not say.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}
