//! The first thing that a newcomer types, and the second.

mod support;

use support::{Project, lines, number};

const IMPORT: &str = include_str!("../../examples/quickstart/import.yml");
const PAGES: [&str; 3] = ["acme-paris", "acme-lyon", "acme-lille"];

#[test]
fn the_first_run_posts_everything_and_the_next_ones_nothing() {
    let project = Project::new();
    let import = project.write("quickstart/import.yml", IMPORT);
    let import = import.to_str().unwrap();

    let first = project.jobpipe(&["run", import, "--sandbox", "--format", "json"]).expect(0).summary();
    assert_eq!(first["state"], "succeeded");
    assert_eq!(number(&first, ["stages", "crawl", "out"]), 500);
    assert_eq!(number(&first, ["stages", "jsonl", "out"]), 500);
    for page in PAGES {
        assert_eq!(number(&first, ["targets", page, "created"]), 500, "{page}");
    }
    let written = lines(&project.path("quickstart/out/jobs.jsonl"));
    assert_eq!(written.len(), 500);
    assert!(written.iter().all(|job| job["url"].as_str().unwrap().starts_with("http://careers.example.test/jobs/")));
    let bytes = project.read("quickstart/out/jobs.jsonl");

    // the folder that one is in changes nothing, nor does the way the file is named
    let elsewhere = project.write("elsewhere/deep/x", "");
    for (folder, file) in [(project.path("quickstart"), "import.yml"), (elsewhere.parent().unwrap().into(), import)] {
        let mut command = project.command(&["run", file, "--sandbox", "--format", "json"]);
        let again = support::Done::of(command.current_dir(&folder).output().unwrap()).expect(0).summary();
        for page in PAGES {
            assert_eq!(number(&again, ["targets", page, "created"]), 0, "{page}");
            assert_eq!(number(&again, ["targets", page, "unchanged"]), 500, "{page}");
        }
        assert_eq!(project.read("quickstart/out/jobs.jsonl"), bytes, "the same offers make the same bytes");
    }
    assert!(project.path("quickstart/.jobpipe/sandbox/jobpipe.db").is_file());
    assert!(!project.path(".jobpipe").exists() && !project.path("elsewhere/.jobpipe").exists());
}

#[test]
fn a_person_reads_what_was_done_and_where_everything_lies() {
    let project = Project::new();
    let import = project.write("import.yml", IMPORT);
    let done = project.jobpipe(&["run", import.to_str().unwrap(), "--sandbox", "--limit", "20"]).expect(0);
    for part in ["succeeded in", "acme-paris", "out/jobs.jsonl (20 lines)", "jobpipe sandbox", ".jobpipe/sandbox/log"] {
        assert!(done.out.contains(part), "{part} is missing:\n{}", done.out);
    }
    assert!(!done.out.contains('\u{1b}'), "a pipe gets no colours and no moving cursor");
}
