mod agree;

use super::*;
use jobpipe_config::settings::{PageSettings, SecretRef, Settings};
use jobpipe_connectors::facebook::GraphSettings;
use jobpipe_connectors::file::FileRoots;
use jobpipe_connectors::http::{HttpClient, HttpSettings, LocalLimiter};
use jobpipe_core::{Budget, RetryPolicy, SystemClock, SystemIds};
use jobpipe_expr::Lookup;
use secrecy::SecretString;
use serde_json::json;

struct Table;

impl Lookup for Table {
    fn variable(&self, name: &str) -> Option<SecretString> {
        match name {
            "PAGES" => Some("acme-lyon, acme-paris\n".to_owned().into()),
            "NONE" => Some(" ,".to_owned().into()),
            "FB_ACME" => Some("token-of-acme".to_owned().into()),
            "FB_NICE" => Some("token-of-nice".to_owned().into()),
            _ => None,
        }
    }

    fn file(&self, path: &str) -> std::io::Result<SecretString> {
        Err(std::io::Error::new(std::io::ErrorKind::NotFound, path.to_owned()))
    }
}

fn settings() -> Settings {
    let page = |id: &str, token: &str| PageSettings {
        id: id.into(),
        token: SecretRef::parse(token).unwrap(),
        vars: [("state".to_owned(), "IDF".to_owned())].into_iter().collect(),
    };
    let mut settings = Settings::default();
    settings.facebook.graph_url = "http://127.0.0.1:9".to_owned();
    settings.pages.insert("acme-paris".into(), page("1001", "$FB_ACME"));
    settings.pages.insert("acme-lyon".into(), page("1002", "$FB_ACME"));
    settings.pages.insert("acme-brest".into(), page("1004", "$UNSET"));
    settings
}

fn registry() -> Registry {
    registry_with(settings())
}

fn registry_with(settings: Settings) -> Registry {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let limiter = Arc::new(LocalLimiter::new(Arc::clone(&clock)));
    let tools = CrawlTools {
        http: Arc::new(HttpClient::new(HttpSettings::default(), limiter, Arc::clone(&clock)).unwrap()),
        files: FileRoots::new("/srv/acme".into(), Vec::new(), 1 << 20),
        lookup: Arc::new(Table),
        settings: Arc::new(settings),
        env: Some("demo".into()),
    };
    Registry::new(Parts {
        crawls: Arc::new(tools),
        files: Arc::new(FileSettings { root: "/srv/acme".into(), allowed: Vec::new() }),
        clock,
        ids: Arc::new(SystemIds),
    })
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
        task: None,
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
    let sink = registry().sink(&posts(pages), "pages").map_err(|error| error.message)?;
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
        (json!(["acme-brest"]), "$UNSET is not set"),
        (json!([{"id": "1003", "token": "$UNSET"}]), "$UNSET is not set"),
        (json!([{"id": "1001", "token": "$FB_NICE"}]), "have the same id 1001"),
    ] {
        let message = target_names(&pages).unwrap_err();
        // the code is told beside the message, once
        assert!(message.contains(part) && !message.contains("JP"), "{message}");
    }
}

#[test]
fn the_settings_decide_how_facebook_is_reached() {
    let export = posts(&json!(["acme-paris"]));
    let refused = |change: &dyn Fn(&mut Settings)| {
        let mut settings = settings();
        change(&mut settings);
        registry_with(settings).sink(&export, "pages").err().map(|error| format!("{} {}", error.code, error.message))
    };
    let plain = |settings: &mut Settings| settings.facebook.graph_url = "http://10.1.2.3:8080".to_owned();
    let told = refused(&plain).unwrap();
    assert!(told.starts_with("JP314") && told.contains("write https"), "{told}");
    let allowed = |settings: &mut Settings| {
        plain(settings);
        settings.allow_private = vec!["10.0.0.0/8".parse().unwrap()];
    };
    assert_eq!(refused(&allowed), None);
    let told = refused(&|settings| settings.facebook.graph_url = "graph".to_owned()).unwrap();
    assert!(told.starts_with("JP314") && told.contains("facebook.graph_url"), "{told}");
    assert!(
        refused(&|settings| settings.facebook.app_secret = SecretRef::parse("$UNSET").ok()).unwrap().contains("$UNSET")
    );
    assert_eq!(registry().sink(&export, "pages").unwrap().times(), GraphSettings::usual_times());
}

#[test]
fn a_page_that_the_settings_have_twice_is_no_matter_of_the_api() {
    let mut twice = settings();
    let same = twice.pages["acme-paris"].clone();
    twice.pages.insert("acme-twin".into(), same);
    let error = registry_with(twice).sink(&posts(&json!(["acme-paris"])), "pages").err().unwrap();
    assert!(error.code == "JP309" && error.message.contains("same id 1001"), "{error:?}");
}

#[test]
fn a_definition_is_compiled_once_and_another_one_anew() {
    let registry = registry();
    let one = posts(&json!(["acme-paris"]));
    let first = registry.sink(&one, "pages").unwrap();
    assert!(Arc::ptr_eq(&first, &registry.sink(&one.clone(), "pages").unwrap()));
    assert!(!Arc::ptr_eq(&first, &registry.sink(&posts(&json!(["acme-lyon"])), "pages").unwrap()));
    assert_eq!(first.policy(), jobpipe_core::EffectPolicy { create: true, update: false, delete: true });
}

#[test]
fn what_cannot_work_is_told_before_a_run_and_all_at_once() {
    let registry = registry();
    let bad = plan(vec![
        stage("list", "html", Feed::Batches, json!({})),
        stage("outside", "jsonl", Feed::Run, json!({"jsonl": "../x.jsonl"})),
        stage("fine", "jsonl", Feed::Run, json!({"jsonl": "out/$run.date-$run.env-$now.jsonl"})),
        stage("later", "parquet", Feed::Run, json!({})),
        stage("pages", "facebook", Feed::Heads, json!({"facebook": ["acme-paris"]})),
    ]);
    let errors = registry.check(&bad);
    let codes: Vec<&str> = errors.iter().map(|error| error.code.as_str()).collect();
    assert_eq!(codes, ["JP140", "JP322", "JP330", "JP330"], "{errors:?}");
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
    let run = registry().describe(&facts);
    assert_eq!((&run["id"], &run["env"], &run["date"]), (&json!("acme@1"), &json!("demo"), &json!("1970-01-01")));
}
