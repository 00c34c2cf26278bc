use super::*;
use jobpipe_connectors::facebook::Page;
use jobpipe_core::{Budget, RetryPolicy, SystemClock, SystemIds};
use jobpipe_expr::Lookup;
use secrecy::SecretString;
use serde_json::json;
use std::sync::atomic::{AtomicU32, Ordering};

struct Table;

impl Lookup for Table {
    fn variable(&self, name: &str) -> Option<SecretString> {
        match name {
            "PAGES" => Some("acme-lyon, acme-paris\n".to_owned().into()),
            "NONE" => Some(" ,".to_owned().into()),
            "FB_NICE" => Some("token-of-nice".to_owned().into()),
            _ => None,
        }
    }

    fn file(&self, path: &str) -> std::io::Result<SecretString> {
        Err(std::io::Error::new(std::io::ErrorKind::NotFound, path.to_owned()))
    }
}

fn registry() -> (Registry, Arc<AtomicU32>) {
    let made = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&made);
    let page = |name: &str, id: &str| Page {
        name: name.into(),
        id: id.into(),
        token: Ok(SecretString::from(format!("token-{id}"))),
        facts: serde_json::Map::new(),
    };
    let parts = Parts {
        make_stage: Box::new(move |_, stage| {
            count.fetch_add(1, Ordering::Relaxed);
            Err(permanent("JP199", format!("stage `{}` is not made in this test", stage.name)))
        }),
        facebook: GraphSettings {
            url: "http://127.0.0.1:9".parse().unwrap(),
            api: "v26.0".into(),
            app_secret: None,
            allow_http: false,
            proxy: None,
            times: GraphSettings::usual_times(),
        },
        pages: Arc::new(Pages::new(vec![page("acme-paris", "1001"), page("acme-lyon", "1002")]).unwrap()),
        lookup: Arc::new(Table),
        files: Arc::new(FileSettings { root: "/srv/acme".into(), allowed: Vec::new() }),
        env: Some("demo".into()),
        clock: Arc::new(SystemClock::default()),
        ids: Arc::new(SystemIds),
    };
    (Registry::new(parts), made)
}

fn stage(name: &str, connector: &str, feed: Feed, body: Json) -> StagePlan {
    let kind = if connector == "html" { StageKind::Crawl } else { StageKind::Export };
    StagePlan {
        name: name.into(),
        from: Vec::new(),
        kind,
        connector: connector.into(),
        feed,
        queue: "default".into(),
        retry: RetryPolicy::default(),
        concurrency: None,
        bundle: 1,
        gone: None,
        pace: None,
        max: Budget::default(),
        body,
    }
}

fn plan(stages: Vec<StagePlan>) -> Plan {
    Plan { name: "acme".into(), stages, schedule: None }
}

fn posts(pages: &Json) -> Plan {
    let body = json!({"facebook": pages, "message": "$title", "link": ".url", "changed": "skip"});
    plan(vec![stage("pages", "facebook", Feed::Heads, body)])
}

fn target_names(pages: &Json) -> Result<Vec<String>, String> {
    let sink = registry().0.sink(&posts(pages), "pages").map_err(|error| error.message)?;
    let targets = sink.targets().map_err(|error| error.message)?;
    Ok(targets.into_iter().map(|target| format!("{}={}", target.name, target.id)).collect())
}

#[test]
fn pages_are_named_listed_late_or_written_out() {
    let nice = json!({"id": "1003", "token": "$FB_NICE", "vars": {"state": "PAC"}});
    assert_eq!(target_names(&json!(["acme-paris"])).unwrap(), ["acme-paris=facebook:1001"]);
    assert_eq!(
        target_names(&json!(["$PAGES", nice])).unwrap(),
        ["acme-lyon=facebook:1002", "acme-paris=facebook:1001", "1003=facebook:1003"]
    );
    for (pages, part) in [
        (json!(["$NONE"]), "names no page"),
        (json!(["$UNSET"]), "$UNSET is not set"),
        (json!(["${file:pages.txt}"]), "pages.txt"),
        (json!(["acme-rennes"]), "no page `acme-rennes`"),
        (json!([{"id": "1003", "token": "$UNSET"}]), "$UNSET is not set"),
        (json!([{"id": "1003", "token": "written-out"}]), "must be a secret"),
        (json!([{"id": "1001", "token": "$FB_NICE"}]), "have the same id 1001"),
    ] {
        let message = target_names(&pages).unwrap_err();
        assert!(message.contains(part) && !message.contains("written-out"), "{message}");
    }
}

#[test]
fn a_definition_is_compiled_once_and_another_one_anew() {
    let (registry, _) = registry();
    let one = posts(&json!(["acme-paris"]));
    let first = registry.sink(&one, "pages").unwrap();
    assert!(Arc::ptr_eq(&first, &registry.sink(&one.clone(), "pages").unwrap()));
    assert!(!Arc::ptr_eq(&first, &registry.sink(&posts(&json!(["acme-lyon"])), "pages").unwrap()));
    assert_eq!(first.policy(), jobpipe_core::EffectPolicy { create: true, update: false, delete: true });
}

#[test]
fn what_cannot_work_is_told_before_a_run_and_all_at_once() {
    let (registry, made) = registry();
    let bad = plan(vec![
        stage("list", "html", Feed::Batches, json!({})),
        stage("outside", "jsonl", Feed::Run, json!({"jsonl": "../x.jsonl"})),
        stage("fine", "jsonl", Feed::Run, json!({"jsonl": "out/$run.date-$run.env-$now.jsonl"})),
        stage("later", "parquet", Feed::Run, json!({})),
        stage("pages", "facebook", Feed::Heads, json!({"facebook": ["acme-paris"]})),
    ]);
    let errors = registry.check(&bad);
    let codes: Vec<&str> = errors.iter().map(|error| error.code.as_str()).collect();
    assert_eq!(codes, ["JP199", "JP322", "JP330", "JP330"], "{errors:?}");
    assert_eq!(made.load(Ordering::Relaxed), 1);
    assert!(errors.last().unwrap().message.contains("message"), "{errors:?}");
    assert!(registry.file(&bad, "none").err().unwrap().message.contains("no stage `none`"));
}

#[test]
fn a_run_is_described_without_secrets() {
    let facts = RunFacts {
        import: "acme".into(),
        run: "acme@1".into(),
        seq: 4,
        started_at: 0,
        since: BTreeMap::new(),
        limit: None,
    };
    let run = registry().0.describe(&facts);
    assert_eq!((&run["id"], &run["env"], &run["date"]), (&json!("acme@1"), &json!("demo"), &json!("1970-01-01")));
}
