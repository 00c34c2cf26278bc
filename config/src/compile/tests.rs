use super::check;
use crate::spec::{AuthSpec, CrawlSpec, FacebookSpec, JsonlSpec, TransformSpec, read_body};
use jobpipe_core::{Budget, Feed, GonePolicy, Pace, Plan, RetryPolicy, StageKind, StagePlan, TaskLimit};

fn plan(text: &str) -> Plan {
    let checked = check(text, "x.yml");
    checked.plan.unwrap_or_else(|| panic!("{:#?}", checked.diagnostics))
}

fn stage<'p>(plan: &'p Plan, name: &str) -> &'p StagePlan {
    plan.stage(name).unwrap_or_else(|| panic!("no {name} in {plan:#?}"))
}

#[test]
fn the_short_form_is_a_chain_with_defaults() {
    let plan = plan(
        "name: a\nschedule: every 1h\ncrawl: { html: https://a.test/, links: a.job, extract: { t: h1 } }\n\
         transform: { key: .url, map: { t: .t } }\nexport:\n  - { facebook: p, message: $t }\n  - { jsonl: out.jsonl }\n",
    );
    let names: Vec<(&str, &[String])> =
        plan.stages.iter().map(|stage| (stage.name.as_str(), stage.from.as_slice())).collect();
    let (crawl, transform) = (["crawl".to_owned()], ["transform".to_owned()]);
    assert_eq!(
        names,
        [("crawl", [].as_slice()), ("transform", &crawl), ("facebook", &transform), ("jsonl", &transform)]
    );
    assert_eq!(plan.schedule, Some("every 1h".into()));

    let crawl = stage(&plan, "crawl");
    assert_eq!((crawl.kind, crawl.connector.as_str(), crawl.feed), (StageKind::Crawl, "html", Feed::Batches));
    assert_eq!((crawl.queue.as_str(), crawl.bundle, crawl.concurrency), ("crawl", 20, None));
    assert_eq!(
        (crawl.retry, crawl.max, crawl.gone, crawl.pace),
        (RetryPolicy::default(), Budget::default(), None, None)
    );
    let transform = stage(&plan, "transform");
    assert_eq!((transform.connector.as_str(), transform.queue.as_str(), transform.bundle), ("map", "crawl", 1));
    assert_eq!(transform.gone, Some(GonePolicy { after: 1, limit: 0.3 }));
    let facebook = stage(&plan, "facebook");
    assert_eq!((facebook.kind, facebook.feed, facebook.queue.as_str()), (StageKind::Export, Feed::Heads, "export"));
    assert_eq!(facebook.pace, Some(Pace { count: 1, every_ms: 60_000, per_day: Some(25) }));
    assert_eq!(stage(&plan, "jsonl").feed, Feed::Run);
}

#[test]
fn what_is_written_is_what_the_plan_says() {
    let plan = plan(
        "name: a\ncrawl:\n  json: https://a.test/\n  auth: { basic: [$U, $P] }\n  since: .at\n  query: { from: $since }\n  retry: { times: 2, max: 1m }\n  \
         concurrency: 3\n  max: { pages: 7, items: 20_000, time: 1h }\n  rate: 100/min\ntransform: { key: .id, where: .open, keep: [id] }\nexport:\n  \
         - { jsonl: a.jsonl, write: snapshot, as: all }\n  - { jsonl: b.jsonl, write: changes, as: news, fields: [change, id] }\n  \
         - { facebook: $PAGES, message: $id, pace: { rate: 5/s, per_day: unlimited } }\n",
    );
    let crawl = stage(&plan, "crawl");
    assert_eq!(crawl.bundle, 1);
    assert_eq!(crawl.retry, RetryPolicy { times: 2, base_ms: 1_000, max_ms: 60_000 });
    assert_eq!(
        (crawl.concurrency, crawl.max),
        (Some(3), Budget { pages: Some(7), items: Some(20_000), time_ms: Some(3_600_000) })
    );
    let spec: CrawlSpec = read_body(crawl).unwrap();
    assert!(matches!(spec.auth, Some(AuthSpec::Basic(basic)) if basic.password.as_str() == "$P"));
    assert_eq!(spec.rate.unwrap().to_string(), "100/min");
    // With `since` a crawl lists only what is newer: nothing can be missing.
    assert_eq!(stage(&plan, "transform").gone, None);
    let transform: TransformSpec = read_body(stage(&plan, "transform")).unwrap();
    assert_eq!(transform.where_.unwrap().as_str(), ".open");
    assert_eq!((stage(&plan, "all").feed, stage(&plan, "news").feed), (Feed::Snapshot, Feed::Changes));
    let news: JsonlSpec = read_body(stage(&plan, "news")).unwrap();
    assert_eq!((news.path.as_str(), news.fields.len()), ("b.jsonl", 2));
    assert_eq!(stage(&plan, "facebook").pace, Some(Pace { count: 5, every_ms: 1_000, per_day: None }));
    let facebook: FacebookSpec = read_body(stage(&plan, "facebook")).unwrap();
    assert_eq!(facebook.pages.len(), 1);
    assert!(read_body::<FacebookSpec>(crawl).unwrap_err().to_string().contains("`crawl`"));
}

#[test]
fn a_stage_may_say_what_its_tasks_may_take() {
    let task = |text: &str| {
        let file = format!("name: a\ncrawl: {{ json: ./x.json{text} }}\n");
        stage(&plan(&file), "crawl").task
    };
    let limit = |soft: u64, hard: u64| Some(TaskLimit { soft_ms: soft * 1_000, hard_ms: hard * 1_000 });
    assert_eq!(task(""), None, "as long as the settings say");
    assert_eq!(task(", task: 20m"), limit(1_200, 1_230));
    assert_eq!(task(", task: { soft: 20m }"), limit(1_200, 1_230));
    assert_eq!(task(", task: { soft: 1s, hard: 1s }"), limit(1, 1));
    assert_eq!(task(", task: { soft: 1m, hard: 1h30m }"), limit(60, 5_400));
    let without = plan("name: a\ncrawl: { json: ./x.json }\n");
    assert!(!serde_json::to_string(&without).unwrap().contains("\"task\""), "plans of before keep their hash");
}

#[test]
fn gone_is_what_is_written() {
    let gone = |text: &str| {
        let file = format!("name: a\ncrawl: {{ json: ./x.json }}\ntransform: {{ key: .id, gone: {text} }}\n");
        stage(&plan(&file), "transform").gone
    };
    assert_eq!(gone("none"), None);
    assert_eq!(gone("{ after: 2 runs, limit: 50% }"), Some(GonePolicy { after: 2, limit: 0.5 }));
    assert_eq!(gone("{ after: 3 }"), Some(GonePolicy { after: 3, limit: 0.3 }));
    assert_eq!(gone(".expires < $now"), None);
}

#[test]
fn stages_are_sorted_by_who_is_from_whom() {
    let plan = plan(
        "name: a\nstages:\n  out: { from: c, export: { jsonl: o.jsonl } }\n  c: { from: [b, a], transform: { key: .id } }\n  \
         b: { from: a, crawl: { html: .url } }\n  a: { crawl: { html: https://a.test/, items: li, extract: { url: a @href } } }\n",
    );
    let names: Vec<&str> = plan.stages.iter().map(|stage| stage.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c", "out"]);
    assert_eq!((stage(&plan, "a").bundle, stage(&plan, "b").bundle), (1, 20));
}

#[test]
fn text_keeps_its_spelling_and_numbers_are_numbers() {
    let plan = plan(
        "name: a\ncrawl: { json: ./x.json }\ntransform:\n  map: { a: NO, b: 01234, c: +33612345678, d: 12345678901234567890, e: 5, f: true, g: \"5\", h: \"\" }\n",
    );
    let map = stage(&plan, "transform").body.get("map").cloned();
    let wanted = serde_json::json!({
        "a": "NO", "b": "01234", "c": "+33612345678", "d": "12345678901234567890", "e": 5, "f": true, "g": "5", "h": ""
    });
    assert_eq!(map, Some(wanted));
}

#[test]
fn now_is_no_mistake_where_nothing_is_compared() {
    let text =
        "name: a\ncrawl: { json: ./x.json }\ntransform: { key: .id, map: { at: $now } }\nexport: { jsonl: o.jsonl }\n";
    assert_eq!(check(text, "x.yml").diagnostics, []);
    let text = text.replace("jsonl: o.jsonl", "jsonl: o.jsonl, write: changes");
    assert_eq!(check(&text, "x.yml").diagnostics.len(), 1);
}

#[test]
fn secrets_stay_references() {
    let plan = plan("name: a\ncrawl: { json: https://a.test/, auth: { bearer: $TOKEN } }\n");
    assert_eq!(stage(&plan, "crawl").body.pointer("/auth/bearer"), Some(&"$TOKEN".into()));
}
