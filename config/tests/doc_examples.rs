//! Every whole import and every settings file that the documents show is right.

#![allow(clippy::unwrap_used, reason = "a test without its documents must fail")]

use jobpipe_config::diagnostic::{Style, render_all};
use jobpipe_config::settings::{Lookup, load_project};
use std::path::{Path, PathBuf};

/// An example: the document, the line it begins on, its text.
struct Example {
    place: String,
    text: String,
}

fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut open = vec![root.join("docs")];
    let mut found = vec![root.join("README.md")];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The blocks of YAML of all documents.
fn examples() -> Vec<Example> {
    let mut found = Vec::new();
    for path in documents().into_iter().filter(|path| path.is_file()) {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut block: Option<Example> = None;
        for (number, line) in text.lines().enumerate() {
            match &mut block {
                Some(_) if line.trim_end() == "```" => found.extend(block.take()),
                Some(example) => example.text.push_str(&format!("{line}\n")),
                None if line.trim_end() == "```yaml" => {
                    block = Some(Example { place: format!("{}:{}", path.display(), number + 2), text: String::new() });
                }
                None => {}
            }
        }
        assert!(block.is_none(), "{}: a block is not closed", path.display());
    }
    found
}

#[test]
fn whole_imports_in_documents_are_right() {
    let imports: Vec<Example> =
        examples().into_iter().filter(|one| one.text.lines().any(|line| line.starts_with("name:"))).collect();
    assert!(imports.len() >= 6, "the examples are gone: {}", imports.len());
    let mut wrong = Vec::new();
    for Example { place, text } in &imports {
        let checked = jobpipe_config::check(text, place);
        if checked.plan.is_none() || !checked.diagnostics.is_empty() {
            wrong.push(render_all(&checked.diagnostics, text, Style::Plain));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// No variable is set.
struct Empty;

impl Lookup for Empty {
    fn variable(&self, _: &str) -> Option<secrecy::SecretString> {
        None
    }

    fn file(&self, path: &str) -> std::io::Result<secrecy::SecretString> {
        Err(std::io::Error::other(path.to_owned()))
    }
}

/// Settings begin with the name of their file: `# jobpipe.yml`, `# config/environments/prod.yml`.
#[test]
fn settings_in_documents_are_right() {
    let mut count = 0;
    for Example { place, text } in examples() {
        let first = text.lines().next().unwrap_or_default();
        let Some(file) = first.strip_prefix("# ").filter(|name| name.ends_with(".yml") && !name.contains(' ')) else {
            continue;
        };
        count += 1;
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("jobpipe.yml", "defaults: { rate: 1/s }\n");
        write("import.yml", "name: smallest\ncrawl: { json: ./data/jobs.json }\nexport: { jsonl: out/jobs.jsonl }\n");
        write(file, &text);
        let environment = file.strip_prefix("config/environments/").and_then(|name| name.strip_suffix(".yml"));
        let loaded = load_project(&folder.path().join("import.yml"), environment, &Empty);
        let told: Vec<String> = loaded
            .reports
            .iter()
            .filter(|report| !report.diagnostics.is_empty())
            .map(|report| render_all(&report.diagnostics, &report.source, Style::Plain))
            .collect();
        assert!(told.is_empty() && loaded.override_error.is_none(), "{place}: {}", told.join("\n\n"));
    }
    assert!(count >= 2, "the examples are gone: {count}");
}

#[test]
fn links_in_documents_lead_to_files() {
    let mut dead = Vec::new();
    for path in documents().into_iter().filter(|path| path.is_file()) {
        let text = std::fs::read_to_string(&path).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains("://") && !path.parent().unwrap().join(file).exists() {
                dead.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}
