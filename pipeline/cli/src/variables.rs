//! Variables of the environment that look like settings and are none: what is misspelt would be ignored without a word.

use crate::poison;
use crate::terminal;
use jobpipe_config::diagnostic::nearest;
use jobpipe_config::settings::OVERRIDES;

/// What every name begins with.
const PREFIX: &str = "JOBPIPE_";
/// Names that are read beside those of the settings: by all verbs, by workers, and for tests of crashes.
const OTHERS: [&str; 5] = ["JOBPIPE_ENV", "JOBPIPE_LOG", "JOBPIPE_LEASE_TTL", "JOBPIPE_FAILPOINT", poison::VARIABLE];
/// So many are told at most.
const TOLD: usize = 10;

/// Says which variables of this process seem misspelt. Their values are never looked at.
pub(crate) fn check() {
    let mut names: Vec<String> = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()).collect();
    names.sort();
    for line in names.iter().filter_map(|name| misspelt(name)).take(TOLD) {
        terminal::complain(&line);
    }
}

fn known() -> impl Iterator<Item = &'static str> {
    OVERRIDES.iter().map(|one| one.variable).chain(OTHERS)
}

/// What is to be said of a name. A far one is somebody's own: files may refer to any variable.
fn misspelt(name: &str) -> Option<String> {
    let upper = name.to_uppercase();
    let rest = upper.strip_prefix(PREFIX).filter(|rest| !rest.is_empty())?.to_lowercase();
    if known().any(|known| known == name) {
        return None;
    }
    let rests: Vec<String> = known().filter_map(|known| known.strip_prefix(PREFIX)).map(str::to_lowercase).collect();
    let changed = rests.iter().find(|known| leaves_out(&rest, known) || goes_on(&rest, known)).map(String::as_str);
    let near = changed.or_else(|| nearest(&rest, rests.iter().map(String::as_str)))?;
    Some(format!("warning: no setting is called {name}; did you mean {PREFIX}{}?", near.to_uppercase()))
}

/// Whether `short` is `whole` with some of its words left out.
fn leaves_out(short: &str, whole: &str) -> bool {
    let mut words = whole.split('_');
    short.split('_').all(|word| words.any(|other| other == word))
}

/// Whether `long` is `whole` whose last word is longer.
fn goes_on(long: &str, whole: &str) -> bool {
    long.strip_prefix(whole).is_some_and(|more| !more.contains('_'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn what_is_misspelt_is_told_with_what_was_meant() {
        for (name, meant) in [
            ("JOBPIPE_FACEBOK_GRAPH_URL", "JOBPIPE_FACEBOOK_GRAPH_URL"),
            ("JOBPIPE_GRAPH_URL", "JOBPIPE_FACEBOOK_GRAPH_URL"),
            ("JOBPIPE_WORKERS", "JOBPIPE_LIMITS_WORKERS"),
            ("JOBPIPE_FACEBOOK_URL", "JOBPIPE_FACEBOOK_GRAPH_URL"),
            ("JOBPIPE_ALLOWPRIVATE", "JOBPIPE_ALLOW_PRIVATE"),
            ("jobpipe_store", "JOBPIPE_STORE"),
            ("JOBPIPE_STOER", "JOBPIPE_STORE"),
            ("JOBPIPE_ENVIRONMENT", "JOBPIPE_ENV"),
            ("JOBPIPE_FAILPOINTS", "JOBPIPE_FAILPOINT"),
            ("JOBPIPE_LEASETTL", "JOBPIPE_LEASE_TTL"),
        ] {
            assert_eq!(
                misspelt(name).unwrap_or_default(),
                format!("warning: no setting is called {name}; did you mean {meant}?")
            );
        }
        let mine = [
            "JOBPIPE_FAULTS",
            "JOBPIPE_FAULTS_SEED",
            "JOBPIPE_FUZZ_INPUTS",
            "JOBPIPE_RABBITMQ",
            "JOBPIPE_TOKEN_PARIS",
            "JOBPIPE_PROJECT",
            "JOBPIPE_",
            "PATH",
            "JOBPIPE",
            "",
            "X_JOBPIPE_STOER",
        ];
        for name in mine.into_iter().chain(known()) {
            assert_eq!(misspelt(name), None, "{name}");
        }
    }

    /// The names in quotes in a source.
    fn named(source: &str) -> Vec<&str> {
        let literals = source.split('"').skip(1);
        literals
            .filter(|text| text.strip_prefix(PREFIX).is_some_and(|rest| !rest.is_empty() && is_name(rest)))
            .collect()
    }

    fn is_name(text: &str) -> bool {
        text.chars().all(|c| c.is_ascii_uppercase() || c == '_')
    }

    fn sources(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("variables.rs") {
                found.push(std::fs::read_to_string(path).unwrap());
            }
        }
    }

    #[test]
    fn every_variable_that_a_source_names_is_known() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut found = Vec::new();
        for part in ["pipeline/cli", "pipeline/engine", "pipeline/embedded", "config", "connectors", "stages"] {
            sources(&root.join(part).join("src"), &mut found);
        }
        let names: Vec<&str> = found.iter().flat_map(|source| named(source)).collect();
        assert!(names.len() > OVERRIDES.len(), "{names:?}");
        for name in names {
            assert!(known().any(|known| known == name), "{name} is read and not known");
        }
    }
}
