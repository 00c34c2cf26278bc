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

/// The length that an import may have before it should be two: every stage is there, after those that it is from.
#[test]
fn an_import_of_two_hundred_lines_is_read_whole() {
    let text = std::fs::read_to_string(folder("ok").join("two-hundred-lines.yml")).unwrap();
    assert!(text.lines().count() >= 200, "{} lines", text.lines().count());
    let checked = jobpipe_config::check(&text, "two-hundred-lines.yml");
    assert_eq!(render_all(&checked.diagnostics, &text, Style::Plain), "");
    let plan = checked.plan.unwrap();
    let names: Vec<&str> = plan.stages.iter().map(|stage| stage.name.as_str()).collect();
    let written = text.lines().filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'));
    let written: Vec<&str> = written.filter(|name| !name.starts_with(' ')).collect();
    assert_eq!(names.len(), written.len());
    assert!(written.iter().all(|name| names.contains(name)), "{names:?}");
    for (index, stage) in plan.stages.iter().enumerate() {
        assert!(stage.from.iter().all(|name| names[..index].contains(&name.as_str())), "{}", stage.name);
    }
    let gone = plan.stages.iter().find(|stage| stage.name == "offers").and_then(|stage| stage.gone);
    assert_eq!(gone.map(|gone| (gone.after, gone.limit)), Some((2, 0.2)));
}
