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

#[test]
fn codes_are_in_order_and_each_has_a_fixture_or_a_test() {
    let all: Vec<&str> = codes::all().map(|code| code.code).collect();
    let mut sorted = all.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(all, sorted);
    let names: Vec<String> = std::fs::read_dir(root().join("fixtures/yaml/bad"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    // These are told of settings, of a project's folder or while records flow: src/settings/tests.rs and the other crates.
    let elsewhere = [
        "JP052", "JP053", "JP054", "JP055", "JP056", "JP057", "JP058", "JP059", "JP060", "JP061", "JP062", "JP063",
        "JP065",
    ];
    let bare: Vec<&&str> = all
        .iter()
        .filter(|code| !elsewhere.contains(code) && !names.iter().any(|name| name.starts_with(**code)))
        .collect();
    assert!(bare.is_empty(), "no fixture for {bare:?}");
}
