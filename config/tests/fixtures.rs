//! Every fixture under fixtures/yaml: what is good compiles without a word, what is bad is told at the right place.

#![allow(clippy::unwrap_used, reason = "a test without its fixtures must fail")]

use jobpipe_config::diagnostic::{Diagnostic, Style, render_all};
use jobpipe_config::settings::{Lookup, load_project};
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

/// What differs between the places that a fixture names in its first line and those that were told; `None` = nothing.
fn difference(text: &str, told: &[Diagnostic]) -> Option<String> {
    let expected = text.lines().next().and_then(|line| line.strip_prefix("# expect: "));
    let Some(expected) = expected else {
        return Some("its first line is not `# expect: JP0xx:line:column ...`".to_owned());
    };
    let told: Vec<String> = told.iter().map(Diagnostic::place).collect();
    (told.join(" ") != expected).then(|| format!("expected {expected}\n    told {}", told.join(" ")))
}

#[test]
fn bad_imports_are_told_where_they_are_bad() {
    let mut wrong = Vec::new();
    for (name, text) in fixtures("bad") {
        let checked = jobpipe_config::check(&text, &format!("{name}.yml"));
        wrong.extend(difference(&text, &checked.diagnostics).map(|what| format!("{name}: {what}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Without any variable or file.
struct Nothing;

impl Lookup for Nothing {
    fn variable(&self, _: &str) -> Option<secrecy::SecretString> {
        None
    }
    fn file(&self, _: &str) -> std::io::Result<secrecy::SecretString> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

#[test]
fn bad_settings_are_told_where_they_are_bad() {
    let mut wrong = Vec::new();
    for (name, text) in fixtures("bad-settings") {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("jobpipe.yml"), &text).unwrap();
        let import = folder.path().join("import.yml");
        std::fs::write(&import, "name: acme\ncrawl: { json: ./x.json }\n").unwrap();
        let loaded = load_project(&import, None, &Nothing);
        let told: Vec<Diagnostic> = loaded.reports.into_iter().flat_map(|report| report.diagnostics).collect();
        wrong.extend(difference(&text, &told).map(|what| format!("{name}: {what}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The comparison of this file would see one that is missing, one too many and one in the next column.
#[test]
fn a_diagnostic_more_or_less_is_a_difference() {
    let bad = fixtures("bad");
    assert!(bad.len() >= 60, "{} fixtures", bad.len());
    for (name, text) in bad {
        let mut told = jobpipe_config::check(&text, "x.yml").diagnostics;
        assert!(difference(&text, &told).is_none(), "{name}");
        let last = told.last_mut().unwrap_or_else(|| panic!("{name}: nothing is told"));
        last.column += 1;
        assert!(difference(&text, &told).is_some(), "{name}: another column");
        let last = told.pop().unwrap();
        assert!(difference(&text, &told).is_some(), "{name}: one less");
        told.extend([Diagnostic { column: last.column - 1, ..last.clone() }, last]);
        assert!(difference(&text, &told).is_some(), "{name}: one more");
    }
}

#[test]
fn the_words_about_bad_imports() {
    for (name, text) in fixtures("bad") {
        let checked = jobpipe_config::check(&text, &format!("{name}.yml"));
        insta::assert_snapshot!(name, render_all(&checked.diagnostics, &text, Style::Plain));
    }
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
