use super::*;
use jobpipe_core::{ErrorClass, Fate, Gathered, Origin, Outcome, Plan, Record, RunFacts, Stage};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

fn plan(transform: &str) -> Plan {
    let indented = transform.trim().replace('\n', "\n  ");
    let import = format!(
        "name: t\ncrawl:\n  html: https://x.test/\n  items: li\n  extract: {{ id: . @id, title: h2.title, city: dd }}\ntransform:\n  {indented}\nexport:\n  - jsonl: out/t.jsonl\n"
    );
    let checked = jobpipe_config::check(&import, "t.yml");
    checked.plan.unwrap_or_else(|| panic!("{import}\n{:#?}", checked.diagnostics))
}

fn facts() -> RunFacts {
    RunFacts {
        import: "t".into(),
        run: "t@1".into(),
        seq: 1,
        started_at: 1_795_327_200_250,
        since: BTreeMap::new(),
        limit: None,
    }
}

fn stage(transform: &str) -> TransformStage {
    TransformStage::new(&plan(transform), "transform", Some("demo".to_owned())).unwrap()
}

fn live(body: Json) -> Record {
    Record::new(body, Origin { url: "https://x.test/7".to_owned(), fetched_at: 5, rank: 0 })
}

fn run(transform: &str, bodies: Vec<Json>) -> Outcome {
    let records = bodies.into_iter().map(live).collect();
    stage(transform).compute(Gathered::Records(records), &facts()).unwrap()
}

fn told(outcome: &Outcome) -> Vec<(Fate, &str, String)> {
    let tell = |record: &Record| match &record.body {
        Json::Null => String::new(),
        body => body.to_string(),
    };
    outcome.records.iter().map(|record| (record.fate, record.key.as_str(), tell(record))).collect()
}

#[test]
fn fields_come_in_the_order_of_the_map_and_kept_ones_behind() {
    let outcome = run(
        "key: .id\nkeep: [note, city, absent]\nmap:\n  url: https://x.test/$id\n  title: .title | trim\n  where_from: { city: .city, run: $run.import }\n  list: [.title, .none]\n  none: .nothing\n  empty: =empty\n  n: 7",
        vec![json!({"id": 3, "title": " Nurse ", "city": "Lyon", "note": null, "extra": 1})],
    );
    let expected = r#"{"url":"https://x.test/3","title":"Nurse","where_from":{"city":"Lyon","run":"t"},"list":[" Nurse ",null],"none":null,"n":7,"city":"Lyon","note":null}"#;
    assert_eq!(told(&outcome), [(Fate::Live, "3", expected.to_owned())]);
    assert_eq!(outcome.taken, 1);
}

#[test]
fn without_a_map_records_stay_as_they_are() {
    let body = json!({"id": "a", "z": 1, "b": {"c": [1, 2]}});
    let outcome = run("key: .id", vec![body.clone()]);
    assert_eq!(told(&outcome), [(Fate::Live, "a", body.to_string())]);
}

#[test]
fn keep_all_keeps_what_map_does_not_name() {
    let outcome = run(
        "key: .id\nkeep: all\nmap: { title: .title | ascii_upcase, gone: =empty }",
        vec![json!({"id": "a", "gone": 1, "title": "x"})],
    );
    assert_eq!(told(&outcome), [(Fate::Live, "a", r#"{"title":"X","id":"a"}"#.to_owned())]);
}

#[test]
fn what_fails_where_or_is_gone_is_withdrawn_by_its_key() {
    let outcome = run(
        "key: .id\nwhere: .status == \"open\"\ngone: .expires < $now",
        vec![
            json!({"id": "open", "status": "open", "expires": "2030-01-01T00:00:00Z"}),
            json!({"id": "closed", "status": "closed"}),
            json!({"id": "unsure"}),
            json!({"id": "expired", "status": "open", "expires": "2026-11-22T05:59:59Z"}),
            json!({"id": "now", "status": "open", "expires": "2026-11-22T06:00:00Z"}),
        ],
    );
    let fates: Vec<(Fate, &str)> = outcome.records.iter().map(|record| (record.fate, record.key.as_str())).collect();
    let expected = [
        (Fate::Live, "open"),
        (Fate::Withdrawn, "closed"),
        (Fate::Withdrawn, "unsure"),
        (Fate::Withdrawn, "expired"),
        (Fate::Live, "now"),
    ];
    assert_eq!(fates, expected);
    assert!(outcome.records.iter().all(|record| (record.fate == Fate::Live) != record.body.is_null()));
    assert!(outcome.dead.is_empty() && outcome.reasons.is_empty());
}

#[test]
fn what_fails_its_contract_is_dead_whole_and_held() {
    let outcome = run(
        "key: .id\nmap: { title: .title | trim, place: $city, id: .id }\nrequire: [title, place]",
        vec![
            json!({"id": "a", "title": " ", "city": "Lyon"}),
            json!({"id": "b", "title": "x", "city": "y"}),
            json!({"id": "c", "city": []}),
        ],
    );
    let fates: Vec<(Fate, &str)> = outcome.records.iter().map(|record| (record.fate, record.key.as_str())).collect();
    assert_eq!(fates, [(Fate::Held, "a"), (Fate::Live, "b"), (Fate::Held, "c")]);
    let letter = &outcome.dead[0];
    assert_eq!(
        (letter.key.as_str(), letter.url.as_str(), letter.error.code.as_str()),
        ("a", "https://x.test/7", "JP151")
    );
    assert_eq!(letter.input["body"], json!({"id": "a", "title": " ", "city": "Lyon"}));
    assert_eq!(
        letter.error.message,
        "a required field is empty: `title` (`h2.title` found nothing there: has the page changed?) (from https://x.test/7); its posts stay as they are"
    );
    assert!(outcome.reasons.is_empty(), "a record that fails its contract holds no cursor back");
}

#[test]
fn an_expression_that_fails_is_dead_and_held() {
    let outcome = run("key: .id\nmap: { title: \"$title in $city\" }", vec![json!({"id": "a", "title": "x"})]);
    assert_eq!(told(&outcome), [(Fate::Held, "a", String::new())]);
    let error = &outcome.dead[0].error;
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "JP052"));
    assert!(error.message.starts_with("`map.title`: $city is missing"), "{}", error.message);
    let outcome = run("key: .id\nwhere: .a + {} == 1", vec![json!({"id": "b", "a": "x"})]);
    assert_eq!(told(&outcome), [(Fate::Held, "b", String::new())]);
    assert!(outcome.dead[0].error.message.starts_with("`where`: "), "{}", outcome.dead[0].error.message);
}

#[test]
fn keys_are_text_or_numbers_and_nothing_else() {
    let long = "x".repeat(1_025);
    let bodies = [
        json!("a"),
        json!(7),
        json!(2.5),
        json!(null),
        json!(""),
        json!("  "),
        json!([1]),
        json!({}),
        json!(true),
        json!(long),
    ];
    let outcome = run("key: .id", bodies.into_iter().map(|id| json!({"id": id})).collect());
    let keys: Vec<&str> = outcome.records.iter().map(|record| record.key.as_str()).collect();
    assert_eq!(keys, ["a", "7", "2.5"]);
    assert_eq!(outcome.dead.len(), 7);
    assert!(
        outcome.dead.iter().all(|letter| letter.error.code == "JP150" && letter.error.message.contains("`key: .id`"))
    );
    let [reason] = outcome.reasons.as_slice() else { panic!("{:?}", outcome.reasons) };
    assert!(reason.not_clean && reason.not_exhaustive && reason.stage == "transform");
}

#[test]
fn the_key_is_computed_before_where() {
    let outcome = run(
        "key: .id\nwhere: $key != \"b\" and .ok",
        vec![json!({"id": "a", "ok": true}), json!({"id": "b", "ok": true}), json!({"ok": false})],
    );
    let fates: Vec<(Fate, &str)> = outcome.records.iter().map(|record| (record.fate, record.key.as_str())).collect();
    assert_eq!(fates, [(Fate::Live, "a"), (Fate::Withdrawn, "b")]);
    assert_eq!(outcome.dead[0].error.code, "JP150", "not withdrawn: nobody knows what it is");
}

#[test]
fn a_transform_without_a_key_leaves_the_one_there_is() {
    let transform = stage("where: .a == 1");
    let keyed = Record { key: "k".to_owned(), ..live(json!({"a": 1})) };
    let records = vec![keyed.clone(), Record { key: "l".to_owned(), ..live(json!({"a": 2})) }, live(json!({"a": 2}))];
    let outcome = transform.compute(Gathered::Records(records), &facts()).unwrap();
    let fates: Vec<(Fate, &str)> = outcome.records.iter().map(|record| (record.fate, record.key.as_str())).collect();
    assert_eq!(
        fates,
        [(Fate::Live, "k"), (Fate::Withdrawn, "l")],
        "an unkeyed one that is not wanted is just not there"
    );
}

#[test]
fn records_that_only_tell_their_key_pass_untouched() {
    let passing: Vec<Record> = [Fate::Withdrawn, Fate::Held]
        .map(|fate| Record { key: "k".to_owned(), ..live(json!({"id": "other"})) }.with_fate(fate))
        .into();
    let outcome = stage("key: .id\nwhere: false\nrequire: [x]\nmap: { x: .x }")
        .compute(Gathered::Records(passing.clone()), &facts())
        .unwrap();
    assert_eq!((outcome.records, outcome.taken), (passing, 0));
}

#[test]
fn a_record_that_nests_too_deep_is_held_and_its_dead_letter_can_be_kept() {
    let nested = |levels: usize| json!({ "id": levels, "x": (1..levels).fold(json!(1), |inner, _| json!([inner])) });
    let outcome =
        run("key: .id\nmap: { x: .x, y: \"=[[.x]]\" }", vec![nested(50), nested(98), nested(99), nested(100)]);
    let fates: Vec<(Fate, &str)> = outcome.records.iter().map(|record| (record.fate, record.key.as_str())).collect();
    assert_eq!(fates, [(Fate::Live, "50"), (Fate::Live, "98"), (Fate::Held, "99"), (Fate::Held, "100")]);
    assert!(outcome.dead.iter().all(|dead| dead.error.code == "JP148" && dead.input.is_object()), "{:?}", outcome.dead);
    // What a run keeps of it is read back by a parser that stops at 128 levels.
    let kept = serde_json::to_string(&outcome).unwrap();
    assert_eq!(serde_json::from_str::<Outcome>(&kept).unwrap(), outcome);
}

#[test]
fn a_number_that_stands_for_several_ids_is_no_key() {
    let ids = [json!(9_007_199_254_740_993_u64), json!(u64::MAX), json!(i64::MIN), json!(1.5), json!("1e30")];
    let outcome = run("key: .id", ids.into_iter().map(|id| json!({ "id": id })).collect());
    let keys: Vec<&str> = outcome.records.iter().map(|record| record.key.as_str()).collect();
    assert_eq!(keys, ["9007199254740993", "18446744073709551615", "-9223372036854775808", "1.5", "1e30"]);
    let large = [json!(1e30), json!(1.234_567_890_123_456_8e29), json!(-9.1e15)];
    let outcome = run("key: .id", large.into_iter().map(|id| json!({ "id": id })).collect());
    assert_eq!((outcome.records.len(), outcome.dead.len()), (0, 3));
    assert!(outcome.dead.iter().all(|dead| dead.error.code == "JP150" && dead.error.message.contains("exact")));
    // An id that is made a number on the way is found out too.
    let text = vec![json!({ "id": "123456789012345678901234567890" })];
    assert_eq!(run("key: .id", text.clone()).records[0].key, "123456789012345678901234567890");
    assert_eq!(run("key: .id | tonumber", text.clone()).dead.len(), 1);
    assert_eq!(run("key: .id | fromjson", text).records[0].key, "123456789012345678901234567890");
}
