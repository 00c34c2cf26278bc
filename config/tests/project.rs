//! An import beside its project's settings.

#![allow(clippy::unwrap_used, reason = "a test without its files must fail")]

use jobpipe_config::settings::{Loaded, Lookup, load_project};
use secrecy::SecretString;
use std::path::Path;

/// Without any variable or file.
struct Nothing;

impl Lookup for Nothing {
    fn variable(&self, _: &str) -> Option<SecretString> {
        None
    }
    fn file(&self, _: &str) -> std::io::Result<SecretString> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

/// `imports/acme.yml` in `folder`, beside `settings`.
fn loaded(folder: &Path, settings: &str, import: &str) -> Loaded {
    let file = folder.join("imports/acme.yml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(folder.join("jobpipe.yml"), settings).unwrap();
    std::fs::write(&file, import).unwrap();
    load_project(&file, None, &Nothing)
}

#[test]
fn a_settings_file_may_be_empty_and_only_mark_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    for settings in ["", "# the project's folder\n\n"] {
        let loaded = loaded(folder.path(), settings, "name: acme\ncrawl: { json: ./x.json }\n");
        assert!(!loaded.has_errors(), "{:?}", loaded.reports);
        assert_eq!(loaded.project.root, std::fs::canonicalize(folder.path()).unwrap());
    }
}

/// A warning: the settings of another environment may have it. Where the settings have no page at all nothing is said.
#[test]
fn a_page_that_the_settings_do_not_have_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let import = "name: acme\ncrawl: { json: ./x.json }\ntransform: { key: .id }\n\
                  export: { facebook: [acme-paris, acme-lyn, $PAGES], message: $title }\n";
    let told = |settings: &str| {
        let loaded = loaded(folder.path(), settings, import);
        assert!(loaded.plan.is_some(), "{:?}", loaded.reports);
        loaded.reports.last().unwrap().diagnostics.clone()
    };
    assert_eq!(told("defaults: { rate: 1/s }\n"), []);
    let pages = "pages: { acme-paris: { id: \"1\", token: $A }, acme-lyon: { id: \"2\", token: $B } }\n";
    let [one] = told(pages).try_into().unwrap();
    assert_eq!((one.place().as_str(), one.help.as_deref()), ("JP063:4:34", Some("did you mean `acme-lyon`?")));
}

/// The name of a map is told whole, dots and all.
#[test]
fn a_host_with_an_unknown_key_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let loaded =
        loaded(folder.path(), "hosts: { \"*.slow.test\": { rat: 1/s } }\n", "name: acme\ncrawl: { json: ./x.json }\n");
    assert_eq!(loaded.reports[0].diagnostics[0].message, "unknown key `rat` in `*.slow.test`");
}
