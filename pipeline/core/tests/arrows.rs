//! Imports point one way: core <- expr, schedule <- config <- connectors <- stages <- cli; core, schedule, config <- engine <- cli;
//! core <- embedded | mongo | amqp <- cli. An arrow against it, or an engine that names a stage, a connector or a database, fails here.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// What each crate may name of ours, tests aside.
const ALLOWED: &[(&str, &[&str])] = &[
    ("jobpipe-core", &[]),
    ("jobpipe-expr", &[]),
    ("jobpipe-schedule", &["jobpipe-core"]),
    ("jobpipe-config", &["jobpipe-core", "jobpipe-expr", "jobpipe-schedule"]),
    ("jobpipe-connectors", &["jobpipe-core", "jobpipe-expr", "jobpipe-config"]),
    ("jobpipe-stages", &["jobpipe-core", "jobpipe-expr", "jobpipe-config", "jobpipe-connectors"]),
    ("jobpipe-engine", &["jobpipe-core", "jobpipe-schedule", "jobpipe-config"]),
    ("jobpipe-embedded", &["jobpipe-core"]),
    ("jobpipe-mongo", &["jobpipe-core"]),
    ("jobpipe-amqp", &["jobpipe-core"]),
    ("jobpipe-conformance", &["jobpipe-core"]),
    ("fbsim", &[]),
    ("career-site", &[]),
    // programs that nothing imports
    ("jobpipe-sim", &["jobpipe-core", "jobpipe-schedule", "jobpipe-engine", "jobpipe-conformance"]),
    (
        "jobpipe-fuzz",
        &[
            "jobpipe-core",
            "jobpipe-expr",
            "jobpipe-schedule",
            "jobpipe-config",
            "jobpipe-connectors",
            "jobpipe-stages",
            "jobpipe-embedded",
        ],
    ),
    (
        "jobpipe-benches",
        &["jobpipe-core", "jobpipe-embedded", "jobpipe-engine", "jobpipe-mongo", "jobpipe-amqp", "jobpipe-conformance"],
    ),
    (
        "jobpipe",
        &[
            "jobpipe-core",
            "jobpipe-expr",
            "jobpipe-schedule",
            "jobpipe-config",
            "jobpipe-connectors",
            "jobpipe-stages",
            "jobpipe-engine",
            "jobpipe-embedded",
            "jobpipe-mongo",
            "jobpipe-amqp",
            // `run --sandbox` serves both for the time of the run
            "fbsim",
            "career-site",
        ],
    ),
];

/// Third parties that the engine must not name.
const NOT_IN_ENGINE: &[&str] = &["rusqlite", "lapin", "mongodb", "reqwest", "scraper", "axum", "jaq-core"];

fn metadata() -> Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

fn dependencies(package: &Value) -> BTreeSet<String> {
    package["dependencies"]
        .as_array()
        .expect("dependencies")
        .iter()
        .filter(|one| one["kind"].is_null())
        .map(|one| one["name"].as_str().expect("a name").to_owned())
        .collect()
}

#[test]
fn imports_point_one_way() {
    let metadata = metadata();
    let packages: BTreeMap<String, BTreeSet<String>> = metadata["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .map(|package| (package["name"].as_str().expect("a name").to_owned(), dependencies(package)))
        .collect();
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    for (name, dependencies) in &packages {
        let may = allowed.get(name.as_str()).unwrap_or_else(|| panic!("{name} has no place in the list of arrows"));
        for dependency in dependencies.iter().filter(|one| packages.contains_key(*one)) {
            assert!(may.contains(&dependency.as_str()), "{name} must not depend on {dependency}");
        }
    }
    for name in NOT_IN_ENGINE {
        assert!(!packages["jobpipe-engine"].contains(*name), "the engine must not name {name}");
    }
}

/// The README's first command is `cargo run`: a second default would make cargo ask which.
#[test]
fn cargo_run_is_jobpipe() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    let defaults: Vec<&Value> =
        packages.iter().map(|package| &package["default_run"]).filter(|one| !one.is_null()).collect();
    assert_eq!(defaults, ["jobpipe"]);
}
