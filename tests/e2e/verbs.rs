//! The verbs that run nothing.

mod support;

use serde_json::Value as Json;
use support::Project;

#[test]
fn check_tells_all_errors_at_once_each_at_its_place() {
    let project = Project::new();
    // five errors in five stages
    let lines = [
        "name: acme",
        "stages:",
        "  site: { crawl: { htlm: https://acme.test/jobs } }",
        "  api: { crawl: { json: https://api.acme.test/jobs, rate: 5/week } }",
        "  clean:",
        "    from: [site, api]",
        "    transform:",
        "      key: .url |",
        "  pages: { from: clean, export: { facebook: [], message: $title } }",
        "  archive: { from: claen, export: { jsonl: out/acme.jsonl } }",
    ];
    let import = project.write("import.yml", &format!("{}\n", lines.join("\n")));
    let done = project.jobpipe(&["check", "import.yml", "--format", "json"]).expect(2);
    let problems = done.json();
    assert_eq!(problems.len(), 5, "{problems:#?}");
    for (at, word) in [(3, "htlm"), (4, "5/week"), (8, ".url"), (9, "[]"), (10, "claen")] {
        let found = problems.iter().find(|problem| problem["line"] == at);
        let found = found.unwrap_or_else(|| panic!("nothing in line {at}: {problems:#?}"));
        let column = found["column"].as_u64().unwrap() as usize;
        let line = lines[at - 1];
        let word_at = line.find(word).unwrap() + 1;
        assert!((word_at..word_at + word.len() + 3).contains(&column), "line {at}: column {column}, not {word_at}");
        assert!(found["code"].as_str().unwrap().starts_with("JP0"), "{found}");
    }
    let human = project.jobpipe(&["check", import.to_str().unwrap()]).expect(2);
    assert!(human.err.contains("did you mean `html`?") || human.err.contains("html"), "{}", human.err);
    assert!(human.out.contains("5 errors"), "{}", human.out);
    // a run of it begins nothing
    project.jobpipe(&["run", "import.yml"]).expect(2);
    assert!(!project.path(".jobpipe").exists());
}

#[test]
fn check_of_several_files_finds_two_of_one_name() {
    let project = Project::new();
    let import = "name: acme\ncrawl: { json: ./x.json }\n";
    project.write("a.yml", import);
    project.write("b.yml", import);
    let done = project.jobpipe(&["check", "a.yml", "b.yml"]).expect(2);
    assert!(done.err.contains("both named `acme`"), "{}", done.err);
    let done = project.jobpipe(&["check", "a.yml"]).expect(0);
    assert_eq!(done.out, "1 import checked: all right\n");
    let absent = project.jobpipe(&["check", "absent.yml"]).expect(2);
    assert!(absent.err.contains("absent.yml"), "{}", absent.err);
}

#[test]
fn explain_shows_a_plan_in_five_ways_and_the_long_form_is_the_same_import() {
    let project = Project::new();
    let quickstart = include_str!("../../examples/quickstart/import.yml");
    project.write("import.yml", quickstart);
    let explain = |format: &str| project.jobpipe(&["explain", "import.yml", "--format", format]).expect(0).out;
    let text = explain("text");
    for part in ["Chains", "for facebook, jsonl", "acme-paris", "gone after", "400/s", "500 in 1 s"] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    assert!(explain("mermaid").starts_with("flowchart LR\n"));
    assert!(explain("dot").starts_with("digraph"));
    let svg = explain("svg");
    assert!(svg.starts_with("<svg ") && svg.contains("acme-paris") && svg.trim_end().ends_with("</svg>"));
    project.write("long.yml", &explain("yaml"));
    let again = project.jobpipe(&["explain", "long.yml"]).expect(0).out;
    assert_eq!(again.lines().next(), text.lines().next(), "the same name and definition");
}

#[test]
fn schema_is_json_with_a_description_for_every_key_of_an_import() {
    let project = Project::new();
    for of in [&["schema"][..], &["schema", "settings"][..]] {
        let schema: Json = serde_json::from_str(&project.jobpipe(of).expect(0).out).unwrap();
        assert!(schema["$schema"].as_str().is_some_and(|of| of.contains("json-schema.org")), "{of:?}");
    }
}

#[test]
fn init_writes_an_import_that_checks_and_runs_and_overwrites_nothing() {
    let project = Project::new();
    let done = project.jobpipe(&["init", "first"]).expect(0);
    assert!(done.out.contains("--sandbox"), "{}", done.out);
    project.jobpipe(&["check", "first/import.yml"]).expect(0);
    let before = project.read("first/import.yml");
    let refused = project.jobpipe(&["init", "first"]).expect(2);
    assert!(refused.err.contains("not overwritten"), "{}", refused.err);
    assert_eq!(project.read("first/import.yml"), before);
    let run = project.jobpipe(&["run", "first/import.yml", "--sandbox", "--format", "json"]).expect(0).summary();
    assert!(support::number(&run, ["targets", "acme-demo", "created"]) >= 20, "{run}");
}

#[test]
fn completions_are_written_for_every_shell() {
    let project = Project::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(project.jobpipe(&["completions", shell]).expect(0).out.contains("jobpipe"), "{shell}");
    }
    let bad = project.jobpipe(&["completions", "tcsh"]).expect(2);
    assert!(bad.err.contains("bash"), "{}", bad.err);
}

#[test]
fn verbs_about_state_say_where_to_begin_when_there_is_none() {
    let project = Project::new();
    for verb in [&["runs", "list"][..], &["dead", "list"], &["state", "show"], &["runs", "show", "acme"]] {
        let done = project.jobpipe(verb).expect(2);
        assert!(done.err.contains("jobpipe run FILE"), "{}", done.err);
        assert!(!project.path(".jobpipe").exists(), "looking makes nothing");
    }
}

#[test]
fn every_failpoint_is_listed_and_an_unknown_one_is_refused() {
    let mut project = Project::new();
    let list = project.jobpipe(&["failpoints"]).expect(0).out;
    assert!(list.lines().count() >= 30 && list.contains("task.commit "), "{list}");
    project.write("import.yml", "name: acme\ncrawl: { json: ./x.json }\n");
    project.set("JOBPIPE_FAILPOINT", "no.such");
    let done = project.jobpipe(&["run", "import.yml"]);
    assert!(done.code != 0 && done.err.contains("jobpipe failpoints"), "{}", done.err);
}

#[test]
fn check_of_all_files_in_a_folder_knows_the_settings_for_what_they_are() {
    let project = Project::new();
    project.jobpipe(&["init", "."]).expect(0);
    let done = project.jobpipe(&["check", "import.yml", "jobpipe.yml"]).expect(0);
    assert!(done.out.contains("1 import checked"), "{}", done.out);
    // a mistake in the settings is still told, once
    project.write("jobpipe.yml", "pagse: {}\n");
    let wrong = project.jobpipe(&["check", "import.yml", "jobpipe.yml"]).expect(2);
    assert_eq!(wrong.err.matches("pagse: {}").count(), 1, "{}", wrong.err);
    assert!(wrong.out.contains("1 error"), "{}", wrong.out);
}
