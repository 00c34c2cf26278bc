//! `docs/errors.md` is made from the table of codes, and every code has a fixture.

use jobpipe_config::diagnostic::codes;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// With `UPDATE_DOCS=1` in the environment the file is written; without it it is compared.
#[test]
fn the_documented_table_is_up_to_date() {
    let path = root().join("docs/errors.md");
    let wanted = codes::document();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "docs/errors.md is old: run `UPDATE_DOCS=1 cargo test -p jobpipe-config --test errors_doc`"
    );
}

/// Codes that no file of `fixtures/yaml/bad` or `bad-settings` can have, and why.
const ELSEWHERE: [(&str, &str); 11] = [
    ("JP052", "told of a record while it is computed: expr/tests/language.rs"),
    ("JP053", "told of a record while it is computed: expr/tests/hostile.rs"),
    ("JP054", "told of a record while it is computed: expr/tests/hostile.rs"),
    ("JP055", "told of a record while it is computed: expr/tests/hostile.rs"),
    ("JP056", "told of a record while it is computed: expr/tests/language.rs"),
    ("JP057", "told of a record while it is computed: expr/tests/language.rs"),
    ("JP060", "about a file that is not there or is not UTF-8, so no fixture can be text: tests/bombs.rs"),
    ("JP062", "about a variable of the environment, not a file: src/settings/tests.rs"),
    (
        "JP063",
        "told beside settings that have pages: tests/project.rs; an error when a run opens them: src/settings/tests.rs",
    ),
    ("JP065", "about `--env`, not a file: src/settings/tests.rs"),
    ("JP067", "told when the URLs are read, which `check` does not: src/settings/tests.rs"),
];

#[test]
fn codes_are_in_order_and_each_that_check_can_raise_has_a_fixture() {
    let all: Vec<&str> = codes::all().map(|code| code.code).collect();
    let mut sorted = all.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(all, sorted);
    // A fixture counts for the codes that its first line expects, whatever its name is.
    let mut expected = String::new();
    for folder in ["bad", "bad-settings"] {
        for entry in std::fs::read_dir(root().join("fixtures/yaml").join(folder)).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            expected.push_str(text.lines().next().unwrap_or_default());
        }
    }
    let has = |code: &str| expected.contains(&format!(" {code}:"));
    let elsewhere = |code: &str| ELSEWHERE.iter().any(|(other, _)| *other == code);
    let bare: Vec<&&str> = all.iter().filter(|code| !elsewhere(code) && !has(code)).collect();
    assert!(bare.is_empty(), "no fixture expects {bare:?}");
    for (code, why) in ELSEWHERE {
        assert!(all.contains(&code) && !has(code), "{code} has a fixture and yet: {why}");
    }
    // The documented table is the one that is compared.
    let document = std::fs::read_to_string(root().join("docs/errors.md")).unwrap();
    let documented = document.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next());
    assert_eq!(documented.filter(|word| word.starts_with("JP")).collect::<Vec<_>>(), all);
}
