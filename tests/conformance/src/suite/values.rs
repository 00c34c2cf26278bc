//! What values must survive.

use super::Store;
use super::groups::group;
use super::samples::{body, head, letter, row, row_id, task, texts};
use jobpipe_core::{Doc, DocKind, HeadWrite, Row, RowWrite, Stamps, TaskInput};
use serde_json::{Value as Json, json};

pub async fn take_a_megabyte(store: Store) {
    // Hard to compress, so that it is as long where it lies.
    let mut state = 7_u64;
    let mut text = String::with_capacity(1 << 20);
    while text.len() < 1 << 20 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        text.push(char::from(b' ' + u8::try_from((state >> 33) % 95).unwrap()));
    }
    let big = json!({ "text": text });
    store.doc_insert(DocKind::Definition, "big", Doc::of(1, &big).unwrap()).await.unwrap();
    assert_eq!(store.doc(DocKind::Definition, "big").await.unwrap().unwrap().read::<Json>().unwrap(), big);
    let write = HeadWrite { body: Some(body(big.clone())), ..head("big", 1, 1) };
    store.heads_put("jobs", vec![write]).await.unwrap();
    assert_eq!(store.heads_live("jobs", "", 1).await.unwrap()[0].body, big);
    let bytes = text.clone().into_bytes().repeat(4);
    store.batches_put(vec![("r/t/1/0".to_owned(), bytes.clone())]).await.unwrap();
    assert_eq!(store.batch("r/t/1/0").await.unwrap(), Some(bytes));
    let mut long = task("r", "crawl", "big");
    long.input = TaskInput::Batch(text.clone());
    store.tasks_insert(vec![long.clone()]).await.unwrap();
    assert_eq!(store.tasks_claim(&texts(&["big"]), "w", 0).await.unwrap()[0].task, long);
    let mut died = letter("big", "jobs", "r");
    died.input = big;
    store.dead_put(vec![died.clone()]).await.unwrap();
    assert_eq!(store.dead_one("big").await.unwrap(), Some(died));
}

pub async fn take_any_text_as_a_key(store: Store) {
    let long = "k".repeat(5_000);
    let odd =
        ["é", "日本語", "😀", "a b", "a'b\"c", "%_\\", "a/b#c?d=1", "\u{301}e", "\n\t", "NULL", "x'00'", " ", &long];
    for (at, key) in odd.into_iter().enumerate() {
        let body = Doc::of(1, &json!(key)).unwrap();
        assert!(store.doc_insert(DocKind::Import, key, body.clone()).await.unwrap());
        assert_eq!(store.doc(DocKind::Import, key).await.unwrap(), Some(body));
        assert_eq!(store.heads_put("jobs", vec![head(key, 1, 1)]).await.unwrap(), [true]);
        assert_eq!(store.heads("jobs", &texts(&[key])).await.unwrap()[0].key, key);
        assert_eq!(store.heads_by_url("jobs", &[format!("url of {key}")]).await.unwrap(), [key]);
        store.rows_put(vec![RowWrite { expect: None, row: row("t", key, 1) }]).await.unwrap();
        assert_eq!(store.rows(&[row_id("t", key)]).await.unwrap(), [row("t", key, 1)]);
        store.tasks_insert(vec![task(key, "crawl", &format!("{at} {key}"))]).await.unwrap();
        assert_eq!(store.tasks_ready(&group(key), 0, "", 9).await.unwrap().len(), 1);
        assert_eq!(store.seen_claim(key, "crawl", &texts(&[key]), key).await.unwrap(), [true]);
    }
    assert_eq!(store.heads_count("jobs").await.unwrap().all, odd.len() as u64);
    let mut sorted = odd.to_vec();
    sorted.sort_unstable();
    let live = store.heads_live("jobs", "", 99).await.unwrap();
    assert_eq!(live.iter().map(|head| head.key.as_str()).collect::<Vec<_>>(), sorted);
}

pub async fn take_nothing_for_an_answer(store: Store) {
    store.tasks_insert(Vec::new()).await.unwrap();
    store.tasks_renew(&[]).await.unwrap();
    store.tasks_close(&[]).await.unwrap();
    store.batches_put(Vec::new()).await.unwrap();
    store.dead_put(Vec::new()).await.unwrap();
    store.dead_delete(&[]).await.unwrap();
    store.run_purge("nobody").await.unwrap();
    store.heads_drop("nobody").await.unwrap();
    assert_eq!(store.tasks_cancel("nobody").await.unwrap(), 0);
    assert!(store.tasks(&[]).await.unwrap().is_empty());
    assert!(store.tasks_claim(&[], "w", 0).await.unwrap().is_empty());
    assert!(store.tasks_commit(Vec::new()).await.unwrap().is_empty());
    assert!(store.seen_claim("r", "s", &[], "t").await.unwrap().is_empty());
    assert!(store.heads_put("jobs", Vec::new()).await.unwrap().is_empty());
    assert!(store.heads("jobs", &[]).await.unwrap().is_empty());
    assert!(store.heads_stamps("jobs", &[]).await.unwrap().is_empty());
    assert!(store.heads_by_url("jobs", &[]).await.unwrap().is_empty());
    assert!(store.rows_put(Vec::new()).await.unwrap().is_empty());
    assert!(store.rows(&[]).await.unwrap().is_empty());
    assert!(store.tasks_ready(&group("r"), 0, "", 0).await.unwrap().is_empty());
}

pub async fn are_ordered_bytewise(store: Store) {
    let sorted = ["", "10", "9", "Z", "a", "a\u{1}", "aa", "z", "é", "\u{ffff}", "😀"];
    let mut mixed = sorted[1..].to_vec();
    mixed.rotate_left(4);
    mixed.swap(0, 3);
    for id in &mixed {
        store.doc_insert(DocKind::Run, id, Doc::of(1, &Json::Null).unwrap()).await.unwrap();
        store.tasks_insert(vec![task("r", "crawl", id)]).await.unwrap();
        store.rows_put(vec![RowWrite { expect: None, row: row("t", id, 1) }]).await.unwrap();
        store.dead_put(vec![letter(id, "jobs", "r")]).await.unwrap();
        store.heads_put("jobs", vec![head(id, 1, 1)]).await.unwrap();
    }
    for (at, after) in sorted.iter().enumerate() {
        let rest = &sorted[at + 1..];
        let docs = store.docs(DocKind::Run, "", after, 99).await.unwrap();
        assert_eq!(docs.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), rest);
        let ready = store.tasks_ready(&group("r"), 0, after, 99).await.unwrap();
        assert_eq!(ready.iter().map(|task| task.id.as_str()).collect::<Vec<_>>(), rest);
        let of = store.tasks_of("r", None, after, 99).await.unwrap();
        assert_eq!(of.iter().map(|task| task.task.id.as_str()).collect::<Vec<_>>(), rest);
        let rows = store.rows_of("t", Some(&row_id("t", after)), 99).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.id.key.as_str()).collect::<Vec<_>>(), rest);
        let dead = store.dead(Some("jobs"), None, after, 99).await.unwrap();
        assert_eq!(dead.iter().map(|letter| letter.id.as_str()).collect::<Vec<_>>(), rest);
        let unseen = store.heads_unseen("jobs", 9, after, 99).await.unwrap();
        assert_eq!(unseen.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), rest);
        let walk = store.heads_walk("jobs", (1, (*after).to_owned()), 9, 99).await.unwrap();
        assert_eq!(walk.iter().map(|head| head.key.as_str()).collect::<Vec<_>>(), rest);
    }
}

pub async fn keep_numbers_exactly(store: Store) {
    const MOST: u64 = (1 << 63) - 1;
    // Doubles whose decimal spelling a quick parser reads as their neighbour: a hash over them must not move.
    let floats = [
        1.0e-7,
        1_299_142_558.571_428_5,
        1_154_649_401.428_571_5,
        1.308_680_281_960_025e-231,
        0.1 + 0.2,
        123_456.789e-300,
        5e-324,
        f64::MAX,
        2.225_073_858_507_201e-308,
        9_007_199_254_740_993.5,
    ];
    let hard: Json =
        serde_json::from_str("[1.7976931348623157e308, 8.5e-44, 65613616999999977e-9, 4.35, -0.0]").unwrap();
    let body = json!({ "floats": floats, "hard": hard, "most": u64::MAX, "least": i64::MIN, "one": 1, "one.": 1.0 });
    let doc = Doc::of(MOST, &body).unwrap();
    store.doc_insert(DocKind::Store, "n", doc.clone()).await.unwrap();
    assert_eq!(store.doc(DocKind::Store, "n").await.unwrap(), Some(doc));
    let stored = store.doc(DocKind::Store, "n").await.unwrap().unwrap().read::<Json>().unwrap();
    assert_eq!(jobpipe_core::json::hash_hex(&stored), jobpipe_core::json::hash_hex(&body));
    assert!(store.doc_replace(DocKind::Store, "n", MOST, Doc::of(MOST - 1, &json!(0)).unwrap()).await.unwrap());
    assert!(!store.doc_replace(DocKind::Store, "n", MOST, Doc::of(1, &json!(0)).unwrap()).await.unwrap());
    let stamps = Stamps { changed_gen: MOST, seen_gen: MOST, ..super::samples::stamps(MOST, 1) };
    store.heads_put("jobs", vec![HeadWrite { stamps: stamps.clone(), ..head("1", 1, 1) }]).await.unwrap();
    assert_eq!(store.heads_stamps("jobs", &texts(&["1"])).await.unwrap(), [Some(stamps)]);
    let mut late = task("r", "crawl", "late");
    late.not_before = i64::MAX;
    store.tasks_insert(vec![late]).await.unwrap();
    let due = async |now| store.tasks_ready(&group("r"), now, "", 9).await.unwrap().len();
    assert_eq!((due(i64::MAX - 1).await, due(i64::MAX).await), (0, 1));
    let early = Row { not_before: i64::MIN, posted_at: -1, ..row("t", "1", MOST) };
    store.rows_put(vec![RowWrite { expect: None, row: early.clone() }]).await.unwrap();
    assert_eq!(store.rows(&[row_id("t", "1")]).await.unwrap(), [early]);
}

pub async fn keep_key_order_and_depth(store: Store) {
    let mut deep = json!("core");
    for level in 0..100 {
        deep = if level % 2 == 0 { json!([deep]) } else { json!({ "inner": deep }) };
    }
    let body: Json = serde_json::from_str(r#"{"z":1,"a":{"y":null,"b":[]},"":"","m":{}}"#).unwrap();
    for (id, value) in [("deep", &deep), ("order", &body)] {
        store.doc_insert(DocKind::Definition, id, Doc::of(1, &value).unwrap()).await.unwrap();
        let stored = store.doc(DocKind::Definition, id).await.unwrap().unwrap().read::<Json>().unwrap();
        assert_eq!(stored.to_string(), value.to_string());
        let mut died = letter(id, "jobs", "r");
        died.input = value.clone();
        store.dead_put(vec![died.clone()]).await.unwrap();
        assert_eq!(store.dead_one(id).await.unwrap(), Some(died));
    }
}
