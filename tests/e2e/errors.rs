//! What goes wrong is told with stage, URL and remedy, lies in the dead letters, and keeps nothing else from going on.

mod support;

use career_site::{Answer, CareerSite, Options, Target};
use fbsim::FbSim;
use support::{Done, Project, import, lines, offers, runtime};

#[test]
fn six_sources_fail_and_the_seventh_goes_on() {
    let runtime = runtime();
    let site = runtime.block_on(CareerSite::start(Options::default())).unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let details: Vec<String> = site.offers().iter().take(3).map(|offer| offer.reference.clone()).collect();
    site.answer(Target::Detail(details[0].clone()), Answer::Status(500), None);
    site.answer(Target::Detail(details[1].clone()), Answer::NotHtml, None);
    site.answer(Target::Api(1), Answer::Truncated, None);
    let base = &site.base_url;
    let jobs = [
        ("missing_file", "json: ./absent.json".to_owned(), "absent.json", "there is no such file"),
        ("unreachable", format!("json: http://127.0.0.1:{closed}/jobs"), "127.0.0.1", "refused"),
        ("not_found", format!("html: {base}/jobs/acm-99999"), "acm-99999", "404"),
        ("server_error", format!("html: {base}/jobs/{}", details[0]), details[0].as_str(), "500"),
        ("not_html", format!("html: {base}/jobs/{}", details[1]), details[1].as_str(), "HTML"),
        ("cut", format!("json: {base}/api/v1/jobs"), "/api/v1/jobs", "if it stays so, ask the source's operator"),
    ];
    let mut text = "name: acme\nstages:\n  good: { crawl: { json: ./offers.json } }\n".to_owned();
    for (name, source, _, _) in &jobs {
        let fields =
            if source.starts_with("html") { "\n      extract: { url: \"link[rel=canonical] @href\" }" } else { "" };
        text.push_str(&format!(
            "  {name}:\n    crawl:\n      {source}{fields}\n      retry: {{ times: 1, base: 10ms, max: 20ms }}\n      rate: unlimited\n"
        ));
    }
    let names: Vec<&str> = jobs.iter().map(|job| job.0).collect();
    text.push_str(&format!(
        "  clean: {{ from: [good, {}], transform: {{ key: .url }} }}\n  file: {{ from: clean, export: {{ jsonl: out/acme.jsonl }} }}\n",
        names.join(", ")
    ));
    let mut project = Project::new();
    project.set("JOBPIPE_ALLOW_PRIVATE", "127.0.0.1");
    project.write("offers.json", &offers(7));
    project.write("import.yml", &text);

    let done = project.jobpipe(&["run", "import.yml", "--format", "json"]).expect(3);
    let summary = done.summary();
    assert_eq!(summary["state"], "partial");
    assert_eq!(summary["stages"]["server_error"]["retried"], 1, "{summary}");
    assert_eq!(lines(&project.path("out/acme.jsonl")).len(), 7, "what was read is written");
    let events = done.json();
    let letters = project.jobpipe(&["dead", "list", "--format", "json"]).expect(0).json();
    assert_eq!(letters.len(), jobs.len(), "{letters:#?}");
    for (stage, _, url, reason) in &jobs {
        assert_eq!(summary["stages"][stage]["dead"], 1, "{stage}");
        let letter = letters.iter().find(|letter| letter["stage"] == *stage).unwrap();
        let message = letter["error"]["message"].as_str().unwrap();
        assert!(letter["url"].as_str().unwrap().contains(url), "{letter}");
        assert!(message.contains(reason), "{stage}: `{message}` does not say `{reason}`");
        assert!(message.contains(": ") && message.len() > 40, "{stage}: `{message}` says no remedy");
        assert!(letter["error"]["code"].as_str().unwrap().starts_with("JP1"), "{letter}");
        let event = events.iter().find(|event| event["event"] == "dead" && event["stage"] == *stage).unwrap();
        assert_eq!(event["message"], message);
        // people are told the same, with the place
        let short: String = letter["id"].as_str().unwrap().chars().take(12).collect();
        let shown = project.jobpipe(&["dead", "show", &short]).expect(0).out;
        assert!(shown.contains(stage) && shown.contains(message), "{shown}");
    }
    let listed = project.jobpipe(&["dead", "list"]).expect(0).out;
    assert!(names.iter().all(|name| listed.contains(name)), "{listed}");
    drop((site, runtime));
}

#[test]
fn a_run_that_reads_nothing_has_failed() {
    let project = Project::new();
    project.write("import.yml", "name: acme\ncrawl: { json: ./absent.json }\nexport: { jsonl: out/acme.jsonl }\n");
    let done = project.jobpipe(&["run", "import.yml"]).expect(1);
    for part in ["failed in", "crawl", "absent.json", "JP130", "jobpipe dead list"] {
        assert!(done.out.contains(part), "{part}:\n{}", done.out);
    }
}

#[test]
fn a_state_that_cannot_be_written_stops_before_anything_is_asked() {
    let project = Project::new();
    project.write("offers.json", &offers(1));
    project.write("import.yml", &import(1));
    project.write(".jobpipe", "a file where a folder should be");
    let done = project.jobpipe(&["run", "import.yml", "--sandbox"]).expect(1);
    assert!(done.err.contains(".jobpipe"), "{}", done.err);
    assert!(done.err.contains("nothing is lost"), "{}", done.err);
}

#[test]
fn a_folder_that_cannot_be_written_leaves_a_run_to_go_on_with() {
    let project = Project::new();
    project.write("offers.json", &offers(4));
    project.write("import.yml", &import(1));
    // where the file's folder should be lies a file
    let blocked = project.write("out", "");
    let done = project.jobpipe(&["run", "import.yml", "--sandbox", "--format", "json"]);
    assert_eq!(done.code, 1, "{}\n{}", done.out, done.err);
    assert!(done.err.contains("acme.jsonl"), "{}", done.err);
    let run = done.summary()["run"].clone();
    assert_eq!(done.summary()["state"], "failed");
    std::fs::remove_file(blocked).unwrap();
    let again = project.jobpipe(&["run", "import.yml", "--sandbox", "--format", "json"]).expect(0).summary();
    assert_eq!(again["run"], run, "the same run goes on");
    assert_eq!(lines(&project.path("out/acme.jsonl")).len(), 4);
}

#[cfg(unix)]
#[test]
fn a_full_disk_stops_the_run_and_room_lets_it_go_on() {
    let project = Project::new();
    project.write("offers.json", &offers(3_000));
    project.write(
        "import.yml",
        "name: acme\ncrawl: { json: ./offers.json }\ntransform: { key: .id }\nexport: { jsonl: out/acme.jsonl }\n",
    );
    // the system's limit on a file's size stands for a disk that is full: writing fails in the same way
    let program = env!("CARGO_BIN_EXE_jobpipe");
    let script = format!("trap '' XFSZ; ulimit -f 150; exec {program} run import.yml --format json");
    let mut command = std::process::Command::new("sh");
    let output = command.args(["-c", &script]).current_dir(project.path("")).output().unwrap();
    let done = support::Done::of(output).expect(1);
    assert!(done.err.contains("JP") && done.err.contains(project.path("").to_str().unwrap()), "{}", done.err);
    let again = project.jobpipe(&["run", "import.yml", "--format", "json"]).expect(0).summary();
    assert_eq!(again["state"], "succeeded");
    assert_eq!(lines(&project.path("out/acme.jsonl")).len(), 3_000);
}

#[test]
fn a_missing_token_is_told_before_anything_is_begun_and_no_secret_is_ever_shown() {
    let runtime = runtime();
    let pages = runtime.block_on(FbSim::start(fbsim::Options::default())).unwrap();
    let mut project = Project::with_pages(1, &pages.base_url);
    project.write("offers.json", &offers(2));
    project.write("import.yml", &import(1));
    let mut command = project.command(&["run", "import.yml"]);
    let done = support::Done::of(command.env_remove("FB_TOKEN").output().unwrap()).expect(2);
    assert!(done.err.contains("FB_TOKEN") && done.err.contains("acme-1"), "{}", done.err);
    assert!(pages.effects().is_empty());

    // a token that the page refuses pauses the page; another one lets it go on
    pages.set_token("1001", "the-new-one");
    let done = project.jobpipe(&["run", "import.yml"]).expect(3);
    assert!(done.out.contains("acme-1") && done.out.contains("token"), "{}", done.out);
    project.set("FB_TOKEN", "the-new-one");
    let done = project.jobpipe(&["run", "import.yml", "--format", "json"]).expect(0);
    assert_eq!(support::number(&done.summary(), ["targets", "acme-1", "created"]), 2);
    let log = project.read(".jobpipe/log/jobpipe.log");
    let store = std::fs::read(project.path(".jobpipe/jobpipe.db")).unwrap();
    for secret in ["canary-token", "the-new-one"] {
        assert!(!log.contains(secret) && !done.out.contains(secret) && !done.err.contains(secret), "{secret}");
        assert!(!store.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret} is in the store");
    }
    drop((pages, runtime));
}

#[test]
fn an_input_that_ends_its_process_is_computed_apart_and_at_last_set_aside() {
    let project = Project::new();
    project.write("offers.json", &offers(3));
    project.write("import.yml", &import(1));
    let run = |point: Option<&str>| {
        let mut command = project.command(&["run", "import.yml", "--sandbox", "--format", "json"]);
        command.envs(point.map(|point| ("JOBPIPE_FAILPOINT", point)));
        support::Done::of(command.output().unwrap())
    };
    // dead once: it is tried again, its parsing in a process of its own, and all is well
    assert_eq!(run(Some("task.commit")).code, -1, "killed by a signal");
    let done = run(None).expect(0).summary();
    assert_eq!(support::number(&done, ["targets", "acme-1", "created"]), 3);
    assert!(project.read(".jobpipe/sandbox/log/jobpipe.log").contains("is computed in a child"));

    // dead twelve times in a row: that is no coincidence any more, and it is set aside
    for _ in 0..12 {
        assert_eq!(run(Some("task.commit")).code, -1, "killed by a signal");
    }
    let done = run(None);
    assert_eq!((done.code, &done.summary()["state"]), (1, &"failed".into()), "{}", done.out);
    let letters = project.jobpipe(&["dead", "list", "--sandbox", "--format", "json"]).expect(0).json();
    assert_eq!((&letters[0]["error"]["class"], &letters[0]["error"]["code"]), (&"poison".into(), &"JP190".into()));
    let pages = project.read(".jobpipe/sandbox/facebook.jsonl");
    assert_eq!(pages.lines().count(), 3, "what could not be read is not taken off the page");
}

#[test]
fn the_command_that_shows_dead_letters_works_where_it_is_told() {
    let project = Project::new();
    let import = "name: acme\n\
        stages:\n  good: { crawl: { json: ./offers.json } }\n  bad: { crawl: { json: ./absent.json } }\n\
        \x20 clean: { from: [good, bad], transform: { key: .id } }\n  file: { from: clean, export: { jsonl: out/acme.jsonl } }\n";
    project.write("my jobs/import.yml", import);
    project.write("my jobs/offers.json", &offers(2));
    project.write("my jobs/config/environments/prod.yml", "defaults: { rate: 5/s }\n");
    for extra in [&[][..], &["--env", "prod"], &["--sandbox"]] {
        let jobpipe = |args: &[&str], status| project.jobpipe(&[args, extra].concat()).expect(status).out;
        let done = jobpipe(&["run", "my jobs/import.yml"], 3);
        let told = done.lines().find(|line| line.contains("in all; `jobpipe ")).unwrap();
        let typed = told.split('`').nth(1).unwrap();
        let mut shell = std::process::Command::new("sh");
        shell.arg("-c").arg(typed.replacen("jobpipe", env!("CARGO_BIN_EXE_jobpipe"), 1)).current_dir(project.path(""));
        let listed = Done::of(shell.output().unwrap()).expect(0).out;
        assert!(listed.contains("JP130") && listed.contains("there is no such file"), "{typed}:\n{listed}");
        assert!(jobpipe(&["runs", "list", "--at", "my jobs"], 0).contains("  partial  "));
        let dry = jobpipe(&["run", "my jobs/import.yml", "--dry-run"], 3);
        assert!(dry.contains("dead:  1 in all\n"), "nothing is kept of a dry run: {dry}");
    }
}

#[test]
fn a_variable_that_seems_misspelt_is_told_once_and_without_its_value() {
    let mut project = Project::new();
    project.write("offers.json", &offers(1));
    project.write(
        "import.yml",
        "name: acme\ncrawl: { json: ./offers.json }\ntransform: { key: .id }\nexport: [{ jsonl: out/a.jsonl }]\n",
    );
    assert_eq!(project.jobpipe(&["run", "import.yml"]).expect(0).err, "");
    project.set("JOBPIPE_FACEBOOK_APP_SECRETT", "canary");
    project.set("JOBPIPE_TOKEN_OF_MINE", "canary");
    for args in [&["run", "import.yml"][..], &["check", "import.yml"], &["runs", "list"]] {
        let done = project.jobpipe(args).expect(0);
        let told =
            "warning: no setting is called JOBPIPE_FACEBOOK_APP_SECRETT; did you mean JOBPIPE_FACEBOOK_APP_SECRET?\n";
        assert_eq!(done.err, told, "{args:?}");
        assert!(!done.out.contains("canary"), "{}", done.out);
    }
}
