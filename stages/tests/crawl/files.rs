//! Local files as sources.

use std::fs;

use jobpipe_core::{Origin, Record};
use serde_json::json;

use crate::drive::{Crawl, bodies, reasons};

#[tokio::test]
async fn json_files_that_lead_to_each_other() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::write(folder.path().join("data/page-1.json"), json!({"data": [{"id": 1}], "next": "page-2.json"}).to_string())
        .unwrap();
    fs::write(
        folder.path().join("data/page-2.json"),
        json!({"data": [{"id": 2}], "next": "./page-1.json"}).to_string(),
    )
    .unwrap();
    let crawl = Crawl::new("crawl:\n  json: ./data/page-1.json\n  items: .data\n  pages: .next\n", &[], folder.path());
    let outcome = crawl.run().await;
    assert_eq!(bodies(&outcome), [r#"{"id":1}"#, r#"{"id":2}"#]);
    assert_eq!(outcome.records[0].origin.url, "./data/page-1.json");
    assert_eq!((reasons(&outcome).len(), outcome.failed.len()), (0, 0));
}

#[tokio::test]
async fn an_html_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("list.html"), "<ul><li><a href=https://x.test/1>One</a><li><a href=/2>Two</a></ul>")
        .unwrap();
    let crawl = Crawl::new(
        "crawl:\n  html: list.html\n  items: li\n  extract: { title: a, url: a @href }\n",
        &[],
        folder.path(),
    );
    let outcome = crawl.run().await;
    assert_eq!(bodies(&outcome), [r#"{"title":"One","url":"https://x.test/1"}"#, r#"{"title":"Two","url":"/2"}"#]);
}

/// `check` and the run agree on what is a path: also where it begins with a value.
#[tokio::test]
async fn files_that_records_name_a_part_of() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::write(folder.path().join("data/jobs.json"), json!({"id": 1}).to_string()).unwrap();
    for path in ["$dir/jobs.json", "${.dir}/${.name}.json", "data/$name.json"] {
        let import = format!(
            "stages:\n  list: {{ crawl: {{ json: ./list.json }} }}\n  more: {{ from: list, crawl: {{ json: \"{path}\", extract: {{ id: .id }} }} }}\n"
        );
        let origin = Origin { url: "./list.json".to_owned(), fetched_at: 1, rank: 0 };
        let came = Record::new(json!({"dir": "data", "name": "jobs"}), origin);
        let outcome = Crawl::new(&import, &[], folder.path()).run_from("more", vec![came]).await;
        assert_eq!(bodies(&outcome), [r#"{"dir":"data","name":"jobs","id":1}"#], "{path}");
    }
}

#[tokio::test]
async fn files_that_are_not_there_or_outside() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("away.json"), r#"{"data": [{"id": 1}], "next": "../../../../etc/passwd"}"#).unwrap();
    for (path, code) in [("./missing.json", "JP130"), ("../x.json", "JP131"), ("/etc/passwd", "JP131")] {
        let outcome = Crawl::new(&format!("crawl:\n  json: {path}\n"), &[], folder.path()).run().await;
        let [(request, error)] = outcome.failed.as_slice() else { panic!("{outcome:?}") };
        assert_eq!((error.code.as_str(), request.listing), (code, true), "{path}");
        assert!(error.message.starts_with(path), "{}", error.message);
    }
    let outcome =
        Crawl::new("crawl:\n  json: away.json\n  items: .data\n  pages: .next\n", &[], folder.path()).run().await;
    assert_eq!((outcome.records.len(), outcome.failed[0].1.code.as_str()), (1, "JP131"));
}
