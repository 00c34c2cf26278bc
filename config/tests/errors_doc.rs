//! `docs/errors.md`: its first table is made from the table of codes, each of which has a fixture; the tables after it,
//! of what is met at run time, are written by hand and name the codes of the sources, each once.

#![expect(clippy::unwrap_used, reason = "a test without its documents must fail")]

use jobpipe_config::diagnostic::codes;
use std::collections::BTreeMap;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Where the part of the page begins that is written by hand.
const BY_HAND: &str = "\n# While a run works\n";

/// The page: what is made, and what is written by hand.
fn page() -> (String, String) {
    let page = std::fs::read_to_string(root().join("docs/errors.md")).unwrap();
    let (made, by_hand) = page.split_once(BY_HAND).unwrap();
    (made.to_owned(), by_hand.to_owned())
}

/// With `UPDATE_DOCS=1` in the environment the table is written; without it it is compared.
#[test]
fn the_documented_table_is_up_to_date() {
    let wanted = codes::document();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(root().join("docs/errors.md"), wanted.clone() + BY_HAND + &page().1).unwrap();
    }
    assert!(
        page().0 == wanted,
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
    let (made, _) = page();
    let documented = made.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next());
    assert_eq!(documented.filter(|word| word.starts_with("JP")).collect::<Vec<_>>(), all);
}

/// The codes of a text, in their order: `JP` and three digits.
fn codes_in(text: &str) -> Vec<&str> {
    let code = |at: usize| text.get(at..at + 5).filter(|code| code.bytes().skip(2).all(|byte| byte.is_ascii_digit()));
    text.match_indices("JP").filter_map(|(at, _)| code(at)).collect()
}

/// True for the codes of this crate and of values, which `check` raises.
fn is_of_check(code: &str) -> bool {
    code.starts_with("JP0")
}

/// What a source says without its comments and without its module of tests, whose braces stand at the margin.
fn spoken(source: &str) -> String {
    let mut in_tests = false;
    let mut after = "";
    let mut out = String::new();
    for line in source.lines() {
        let is_block = line.ends_with("mod tests {") && !line.starts_with(' ');
        in_tests = (in_tests && line != "}") || (is_block && after == "#[cfg(test)]");
        if !in_tests && !line.trim_start().starts_with("//") {
            out.push_str(line);
            out.push('\n');
        }
        after = line;
    }
    out
}

/// Adds the codes that the sources below `folder` raise, and where; tests aside.
fn raised_below(folder: &Path, raised: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if !["tests", "target"].contains(&name) {
                raised_below(&path, raised);
            }
        } else if name.ends_with(".rs") && name != "tests.rs" {
            let source = spoken(&std::fs::read_to_string(&path).unwrap());
            for code in codes_in(&source).into_iter().filter(|code| !is_of_check(code)) {
                raised.entry(code.to_owned()).or_insert_with(|| path.display().to_string());
            }
        }
    }
}

#[test]
fn every_code_of_a_run_is_documented_once_and_no_other() {
    let mut raised = BTreeMap::new();
    for folder in ["pipeline", "stages", "connectors", "config"] {
        raised_below(&root().join(folder), &mut raised);
    }
    // The sources were found: codes that are written in different ways, from each folder that has some.
    for code in ["JP101", "JP140", "JP300", "JP501", "JP599", "JP610"] {
        assert!(raised.contains_key(code), "the sources are not read as they should be: no {code}");
    }
    let (_, text) = page();
    let told = codes_in(&text);
    let untold: Vec<_> = raised.iter().filter(|(code, _)| !told.contains(&code.as_str())).collect();
    assert!(untold.is_empty(), "docs/errors.md does not tell of {untold:?}");
    let unknown: Vec<&&str> = told.iter().filter(|code| !raised.contains_key(**code)).collect();
    assert!(unknown.is_empty(), "docs/errors.md tells of {unknown:?}, which no source raises");
    assert!(told.windows(2).all(|pair| pair[0] < pair[1]), "a code stands twice or out of order: {told:?}");
}

#[test]
fn the_tables_of_runs_have_a_row_for_each_code_under_its_hundred() {
    let (_, text) = page();
    let mut hundred = "";
    let mut rows = Vec::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            hundred = title.split_once("xx: ").unwrap().0;
        } else if let Some(row) = line.strip_prefix("| ").filter(|row| row.starts_with("JP")) {
            let cells: Vec<&str> = row.trim_end_matches(" |").split(" | ").collect();
            let [code, what, remedy] = cells[..] else { panic!("{line} does not have three cells") };
            assert!(row.ends_with(" |") && !what.is_empty() && !remedy.is_empty(), "{line}");
            assert!(hundred.len() == 3 && code.starts_with(hundred), "{line} stands under {hundred}xx");
            rows.push(code);
        }
    }
    assert_eq!(rows, codes_in(&text), "a code is told outside of the first cell of a row");
}
