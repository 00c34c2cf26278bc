//! Whatever a file holds, checking it ends, and what it says points into the file.

#![allow(clippy::unwrap_used, reason = "a test without its fixtures must fail")]

#[path = "../expr/tests/cases/mod.rs"]
mod cases;

use jobpipe_config::diagnostic::{Style, render_all};
use jobpipe_config::{check, to_long_form};
use proptest::prelude::*;
use std::path::Path;

fn sources() -> Vec<String> {
    let mut all = Vec::new();
    for folder in ["ok", "bad"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/yaml").join(folder);
        let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        all.extend(paths.iter().map(|path| std::fs::read_to_string(path).unwrap()));
    }
    all
}

fn holds(text: &str) {
    let checked = check(text, "x.yml");
    let lines = text.lines().count() + 1;
    for told in &checked.diagnostics {
        assert!((1..=lines).contains(&told.line), "{told:?}");
        assert!(told.span.end <= text.len() + 1 && told.span.start <= told.span.end.max(told.span.start));
        assert!((told.end.line, told.end.column) >= (told.line, told.column), "{told:?}");
        assert!(jobpipe_config::diagnostic::codes::describe(told.code).is_some(), "{}", told.code);
    }
    let rendered = render_all(&checked.diagnostics, text, Style::Plain);
    assert_eq!(rendered.is_empty(), checked.diagnostics.is_empty());
    if let Some(plan) = checked.plan {
        let long = to_long_form(&plan);
        let again = check(&long, "long.yml");
        let told = render_all(&again.diagnostics, &long, Style::Plain);
        assert_eq!(again.plan.map(|again| again.hash()), Some(plan.hash()), "{long}\n{told}");
    }
}

/// One change of a text: bytes of `insert` in the place of `remove` characters.
fn changed(source: &str, at: usize, remove: usize, insert: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let at = at % (chars.len() + 1);
    let rest = chars.get((at + remove).min(chars.len())..).unwrap_or_default();
    chars[..at].iter().collect::<String>() + insert + &rest.iter().collect::<String>()
}

proptest! {
    #![proptest_config(cases::config(1_500))]

    #[test]
    fn changed_imports_never_panic(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<usize>(), 0_usize..6, "([:#,@*&!|>{}\\[\\]\"'$.\t \n-]|[a-zé]|null|\\$now|\\$\\{| # | \\| |: ){0,3}"), 1..4),
    ) {
        let sources = sources();
        let mut text = which.get(&sources).clone();
        for (at, remove, insert) in &changes {
            text = changed(&text, *at, *remove, insert);
        }
        holds(&text);
    }

    #[test]
    fn any_text_never_panics(text in "\\PC{0,200}") {
        holds(&text);
    }

    #[test]
    fn any_value_survives_the_long_form(value in "[ -~éü\n\t$:#@\"'\\\\{}]{0,30}", quoted in any::<bool>()) {
        let written = if quoted { serde_json::to_string(&value).unwrap() } else { value };
        holds(&format!("name: x\ncrawl: {{ json: ./x.json }}\ntransform:\n  map:\n    a: {written}\n"));
    }
}

#[test]
fn what_comes_whole_is_checked_fast() {
    let mut text =
        String::from("name: big\nstages:\n  start: { crawl: { json: https://a.test/jobs, items: .data } }\n");
    for number in 0..20 {
        text.push_str(&format!(
            "  clean{number}:\n    from: start\n    transform:\n      where: .kind == {number}\n      key: .id\n      map:\n        title: .title | trim\n        \
             text: .text | strip_html | truncate(500)\n        city: .city // \"Remote\"\n  post{number}: {{ from: clean{number}, export: {{ facebook: [p{number}], message: $title in $city }} }}\n"
        ));
    }
    assert!(text.lines().count() >= 200);
    let once = || {
        #[expect(clippy::disallowed_methods, reason = "this test measures time itself")]
        let begun = std::time::Instant::now();
        let checked = check(&text, "big.yml");
        let took = begun.elapsed();
        assert_eq!(checked.diagnostics, []);
        took
    };
    // the quickest of some: what a neighbour takes of the machine is not the time of a check
    let took = (0..5).map(|_| once()).min().unwrap();
    // The promise is 50 ms with optimisation; without it, and on a busy machine, ten times as much.
    assert!(took.as_millis() < 1_000, "{took:?}");
    println!("checked {} lines in {took:?}", text.lines().count());
}
