//! What is remembered: a backup put back, a state that is lost, runs that are cleared.

mod support;

use fbsim::FbSim;
use support::{Project, import, number, offers, runtime};

/// Runs the import over so many offers; its summary.
#[track_caller]
fn run_with(project: &Project, count: u32) -> serde_json::Value {
    project.write("offers.json", &offers(count));
    project.jobpipe(&["run", "import.yml", "--format", "json"]).expect(0).summary()
}

#[test]
fn a_restored_backup_posts_nothing_twice() {
    let runtime = runtime();
    let pages = runtime.block_on(FbSim::start(Default::default())).unwrap();
    let project = Project::with_pages(1, &pages.base_url);
    project.write("import.yml", &import(1));
    let run = |count: u32| run_with(&project, count);
    run(5);
    std::fs::copy(project.path(".jobpipe/jobpipe.db"), project.path("backup.db")).unwrap();
    run(9);
    assert_eq!(pages.report().totals.creates, 9);

    let done = project.jobpipe(&["state", "restore", "backup.db"]).expect(0);
    assert!(done.out.contains("reads back every page"), "{}", done.out);
    assert!(project.path(".jobpipe/jobpipe.db.replaced").is_file(), "what was there is kept");
    let after = run(9);
    assert_eq!(number(&after, ["targets", "acme-1", "created"]), 0, "{after}");
    let totals = pages.report().totals;
    assert_eq!((totals.creates, totals.visible, totals.dup_ever), (9, 9, 0));

    // a file that is no store is refused, and nothing is touched
    project.write("nonsense.db", &"x".repeat(10_000));
    let refused = project.jobpipe(&["state", "restore", "nonsense.db"]).expect(2);
    assert!(refused.err.contains("nonsense.db cannot be restored"), "{}", refused.err);
    assert_eq!(number(&run(9), ["targets", "acme-1", "unchanged"]), 9);
    drop((pages, runtime));
}

#[test]
fn a_restore_that_dies_on_the_way_posts_nothing_twice() {
    let runtime = runtime();
    let listed = Project::new().jobpipe(&["failpoints"]).expect(0).out;
    let points =
        listed.lines().filter_map(|line| line.split_whitespace().next()).filter(|name| name.starts_with("restore-"));
    let points: Vec<&str> = points.collect();
    assert_eq!(points, ["restore-renewed", "restore-moved", "restore-swapped"]);
    for point in points {
        let pages = runtime.block_on(FbSim::start(Default::default())).unwrap();
        let project = Project::with_pages(1, &pages.base_url);
        project.write("import.yml", &import(1));
        let run = |count: u32| run_with(&project, count);
        run(2);
        std::fs::copy(project.path(".jobpipe/jobpipe.db"), project.path("backup.db")).unwrap();
        run(5);
        let mut restore = project.command(&["state", "restore", "backup.db"]);
        let died = restore.env("JOBPIPE_FAILPOINT", point).output().unwrap();
        assert_eq!(died.status.code(), None, "{point}: it is ended by a signal");
        run(5);
        let totals = pages.report().totals;
        assert_eq!((totals.creates, totals.deletes, totals.visible, totals.dup_ever), (5, 0, 5, 0), "{point}");
        // and once more, without dying
        project.jobpipe(&["state", "restore", "backup.db"]).expect(0);
        run(5);
        let totals = pages.report().totals;
        assert_eq!((totals.creates, totals.deletes, totals.visible, totals.dup_ever), (5, 0, 5, 0), "{point}, again");
        drop(pages);
    }
    drop(runtime);
}

#[test]
fn a_lost_state_finds_its_posts_again() {
    let runtime = runtime();
    let pages = runtime.block_on(FbSim::start(Default::default())).unwrap();
    let project = Project::with_pages(2, &pages.base_url);
    project.write("import.yml", &import(2));
    project.write("offers.json", &offers(20));
    project.jobpipe(&["run", "import.yml"]).expect(0);
    std::fs::remove_dir_all(project.path(".jobpipe")).unwrap();
    project.jobpipe(&["run", "import.yml"]).expect(0);
    let totals = pages.report().totals;
    assert_eq!((totals.creates, totals.deletes, totals.visible, totals.dup_ever), (40, 0, 40, 0));
    drop((pages, runtime));
}

#[test]
fn closed_runs_are_cleared_and_what_is_posted_stays() {
    let runtime = runtime();
    let pages = runtime.block_on(FbSim::start(Default::default())).unwrap();
    let project = Project::with_pages(1, &pages.base_url);
    project.write("import.yml", &import(1));
    project.write("offers.json", &offers(3));
    for _ in 0..2 {
        project.jobpipe(&["run", "import.yml"]).expect(0);
    }
    let shown = project.jobpipe(&["state", "show"]).expect(0).out;
    assert!(shown.contains("2 runs") && shown.contains("3 records in acme/transform"), "{shown}");
    let done = project.jobpipe(&["state", "clean", "--keep", "1"]).expect(0);
    assert_eq!(done.out, "cleared 1 runs\n");
    let run = project.jobpipe(&["run", "import.yml", "--format", "json"]).expect(0).summary();
    assert_eq!(number(&run, ["targets", "acme-1", "unchanged"]), 3);
    assert_eq!(pages.report().totals.creates, 3);
    drop((pages, runtime));
}
