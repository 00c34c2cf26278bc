//! Every fixture under fixtures/yaml: what is good compiles without a word, what is bad is told at the right place.

#![allow(clippy::unwrap_used, reason = "a test without its fixtures must fail")]

use jobpipe_config::diagnostic::{Diagnostic, Style, render_all};
use std::path::{Path, PathBuf};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/yaml").join(name)
}

/// Name and text of each import of a folder, by name.
fn fixtures(name: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = std::fs::read_dir(folder(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yml"))
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    found.sort();
    assert!(found.len() >= 4, "the fixtures are gone");
    found
}

#[test]
fn good_imports_compile_without_a_word() {
    let mut wrong = Vec::new();
    for (name, text) in fixtures("ok") {
        let checked = jobpipe_config::check(&text, &format!("{name}.yml"));
        if checked.plan.is_none() || !checked.diagnostics.is_empty() {
            wrong.push(render_all(&checked.diagnostics, &text, Style::Plain));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn bad_imports_are_told_where_they_are_bad() {
    let mut wrong = Vec::new();
    for (name, text) in fixtures("bad") {
        let checked = jobpipe_config::check(&text, &format!("{name}.yml"));
        let places: Vec<String> = checked.diagnostics.iter().map(Diagnostic::place).collect();
        let expected = text.lines().next().unwrap().trim_start_matches("# expect: ").to_owned();
        if places.join(" ") != expected {
            wrong.push(format!("{name}: expected {expected}\n{}", places.join(" ")));
        }
        insta::assert_snapshot!(name, render_all(&checked.diagnostics, &text, Style::Plain));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn an_import_with_an_error_has_no_plan_and_one_with_a_note_has() {
    for (name, text) in fixtures("bad") {
        let checked = jobpipe_config::check(&text, "x.yml");
        let failed = jobpipe_config::diagnostic::has_errors(&checked.diagnostics);
        assert_eq!(checked.plan.is_none(), failed, "{name}");
    }
}
