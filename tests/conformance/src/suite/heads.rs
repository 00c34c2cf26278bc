//! Heads: compare-and-set.

use super::Store;
use super::samples::{body, full_stamps, head, stamps, texts};
use jobpipe_core::{Head, HeadCounts, HeadSeen, HeadWrite, Stamps, Wanted};
use serde_json::{Value as Json, json};

async fn one(store: &Store, key: &str) -> Head {
    store.heads("jobs", &texts(&[key])).await.unwrap().pop().unwrap()
}

/// A write over version `expect` that leaves the body.
fn restamp(key: &str, expect: u64, stamps: Stamps) -> HeadWrite {
    HeadWrite { key: key.to_owned(), expect: Some(expect), stamps, body: None, add_urls: Vec::new() }
}

pub async fn inserts_if_absent(store: Store) {
    assert_eq!(store.heads_put("jobs", vec![head("1", 10, 1), head("2", 20, 1)]).await.unwrap(), [true, true]);
    assert_eq!(store.heads_put("jobs", vec![head("2", 21, 2), head("3", 30, 2)]).await.unwrap(), [false, true]);
    let found = store.heads("jobs", &texts(&["3", "nobody", "2"])).await.unwrap();
    let found: Vec<(&str, u64)> = found.iter().map(|head| (head.key.as_str(), head.stamps.version)).collect();
    assert_eq!(found, [("3", 30), ("2", 20)], "in the order asked");
}

pub async fn writes_where_the_version_holds(store: Store) {
    let writes = vec![restamp("1", 10, stamps(11, 2))];
    assert_eq!(store.heads_put("jobs", writes).await.unwrap(), [false], "there is none");
    assert!(store.heads("jobs", &texts(&["1"])).await.unwrap().is_empty(), "a replacement must not insert");
    store.heads_put("jobs", vec![head("1", 10, 1)]).await.unwrap();
    let mut stale = restamp("1", 9, stamps(12, 2));
    stale.body = Some(body(json!("stale")));
    stale.add_urls = texts(&["stale url"]);
    assert_eq!(store.heads_put("jobs", vec![stale]).await.unwrap(), [false]);
    assert_eq!(one(&store, "1").await.body, json!({ "title": "offer 1" }));
    assert!(store.heads_by_url("jobs", &texts(&["stale url"])).await.unwrap().is_empty());
    // Unchanged, changed, gone: whatever the stamps say is written.
    let unchanged = Stamps { seen_gen: 2, changed_gen: 1, ..stamps(11, 1) };
    let changed = Stamps { hash: "new".to_owned(), ..stamps(12, 3) };
    let gone = Stamps { wanted: Wanted::Gone, seen_gen: 3, ..stamps(13, 4) };
    for (expect, next) in [(10, unchanged), (11, changed), (12, gone)] {
        assert_eq!(store.heads_put("jobs", vec![restamp("1", expect, next.clone())]).await.unwrap(), [true]);
        assert_eq!(one(&store, "1").await.stamps, next);
        assert_eq!(store.heads_put("jobs", vec![restamp("1", expect, next)]).await.unwrap(), [false], "repeated");
    }
}

pub async fn keeps_the_body_unless_given_one(store: Store) {
    store.heads_put("jobs", vec![head("1", 10, 1)]).await.unwrap();
    store.heads_put("jobs", vec![restamp("1", 10, stamps(11, 2))]).await.unwrap();
    let kept = one(&store, "1").await;
    assert_eq!(kept.body, json!({ "title": "offer 1" }));
    assert_eq!((kept.url.as_str(), kept.fetched_at), ("https://example.org/jobs", 1_700_000_000_000));
    let mut with = restamp("1", 11, stamps(12, 3));
    with.body =
        Some(jobpipe_core::HeadBody { body: json!({ "title": "new" }), url: "elsewhere".to_owned(), fetched_at: 5 });
    store.heads_put("jobs", vec![with]).await.unwrap();
    let replaced = one(&store, "1").await;
    assert_eq!(
        (replaced.body, replaced.url.as_str(), replaced.fetched_at),
        (json!({ "title": "new" }), "elsewhere", 5)
    );
    let stub = HeadWrite { expect: None, body: None, ..restamp("stub", 0, full_stamps(Wanted::Stub, Wanted::Live)) };
    assert_eq!(store.heads_put("jobs", vec![stub]).await.unwrap(), [true]);
    let stub = one(&store, "stub").await;
    assert_eq!((stub.body, stub.url.as_str(), stub.fetched_at), (Json::Null, "", 0));
    assert_eq!(store.heads_walk("jobs", (10, String::new()), 11, 10).await.unwrap().len(), 1, "a stub is walked");
}

pub async fn gives_stamps_in_the_order_asked(store: Store) {
    store.heads_put("jobs", vec![head("1", 10, 1), head("2", 20, 2)]).await.unwrap();
    let found = store.heads_stamps("jobs", &texts(&["2", "nobody", "1", "2"])).await.unwrap();
    assert_eq!(found, [Some(stamps(20, 2)), None, Some(stamps(10, 1)), Some(stamps(20, 2))]);
    assert_eq!(store.heads_stamps("other", &texts(&["1"])).await.unwrap(), [None]);
}

pub async fn keeps_every_stamp(store: Store) {
    let all = [Wanted::Live, Wanted::Withdrawn, Wanted::Gone, Wanted::Stub];
    for (at, wanted) in all.into_iter().enumerate() {
        let full = full_stamps(wanted, all[(at + 1) % 4]);
        let key = format!("{at}");
        let insert = HeadWrite { stamps: full.clone(), ..head(&key, 1, 1) };
        assert_eq!(store.heads_put("jobs", vec![insert]).await.unwrap(), [true]);
        assert_eq!(one(&store, &key).await.stamps, full);
        assert_eq!(store.heads_stamps("jobs", std::slice::from_ref(&key)).await.unwrap(), [Some(full.clone())]);
        let turned = Stamps { before: None, version: 5, rank: u32::MAX, missed: 0, ..full.clone() };
        store.heads_put("jobs", vec![restamp(&key, full.version, turned.clone())]).await.unwrap();
        assert_eq!(one(&store, &key).await.stamps, turned);
    }
}

pub async fn takes_a_key_twice_in_a_bulk(store: Store) {
    let writes =
        vec![head("1", 10, 1), head("1", 11, 1), restamp("1", 10, stamps(12, 2)), restamp("1", 10, stamps(13, 3))];
    assert_eq!(store.heads_put("jobs", writes).await.unwrap(), [true, false, true, false]);
    assert_eq!(one(&store, "1").await.stamps, stamps(12, 2));
}

pub async fn lets_one_of_eight_writers_win(store: Store) {
    store.heads_put("jobs", vec![head("1", 10, 1)]).await.unwrap();
    let writers: Vec<_> = (100..108)
        .map(|version| {
            let store = store.clone();
            tokio::spawn(async move {
                let put = store.heads_put("jobs", vec![restamp("1", 10, stamps(version, 2))]).await;
                (version, put.unwrap())
            })
        })
        .collect();
    let mut winners = Vec::new();
    for writer in writers {
        let (version, applied) = writer.await.unwrap();
        if applied == [true] {
            winners.push(version);
        }
    }
    assert_eq!(winners, [one(&store, "1").await.stamps.version]);
}

pub async fn drops_one_ledger_alone(store: Store) {
    for ledger in ["jobs", "jobs2", "job"] {
        assert_eq!(store.heads_put(ledger, vec![head("1", 10, 1), head("2", 20, 1)]).await.unwrap(), [true, true]);
    }
    store.heads_drop("jobs").await.unwrap();
    store.heads_drop("jobs").await.unwrap();
    assert_eq!(store.heads_count("jobs").await.unwrap(), HeadCounts::default());
    assert!(store.heads("jobs", &texts(&["1"])).await.unwrap().is_empty());
    assert!(store.heads_by_url("jobs", &texts(&["url of 1"])).await.unwrap().is_empty());
    for ledger in ["jobs2", "job"] {
        assert_eq!(store.heads_count(ledger).await.unwrap(), HeadCounts { live: 2, all: 2 });
        assert_eq!(store.heads_by_url(ledger, &texts(&["url of 1"])).await.unwrap(), ["1"]);
    }
    // What comes after has nothing of what was dropped.
    let bare = HeadWrite { body: None, add_urls: Vec::new(), ..head("1", 30, 2) };
    assert_eq!(store.heads_put("jobs", vec![bare]).await.unwrap(), [true]);
    assert_eq!(one(&store, "1").await.body, Json::Null);
    assert!(store.heads_by_url("jobs", &texts(&["url of 1"])).await.unwrap().is_empty());
}

/// What a store does in one request is what the port's own words say, request by request.
pub async fn confirms_what_is_as_it_was(store: Store) {
    let live = |key: &str, stamps: Stamps| HeadWrite { stamps, ..head(key, 1, 1) };
    let old = Stamps { missed: 2, missed_gen: 3, held_gen: 2, ..stamps(7, 3) };
    let hash = old.hash.clone();
    let writes = vec![
        live("same", old.clone()),
        live("missed now", Stamps { missed_gen: 4, ..old.clone() }),
        live("changed", Stamps { hash: "other".to_owned(), ..old.clone() }),
        live("gone", Stamps { wanted: Wanted::Gone, ..old.clone() }),
        live("withdrawn", Stamps { wanted: Wanted::Withdrawn, ..old.clone() }),
        live("stub", Stamps { wanted: Wanted::Stub, ..old.clone() }),
        live("seen now", Stamps { seen_gen: 4, ..old.clone() }),
        live("seen later", Stamps { seen_gen: 5, ..old.clone() }),
        live("missed later", Stamps { missed_gen: 5, ..old.clone() }),
        live("held later", Stamps { held_gen: 5, ..old }),
    ];
    let keys: Vec<String> = writes.iter().map(|write| write.key.clone()).chain(texts(&["nobody"])).collect();
    store.heads_put("jobs", writes).await.unwrap();
    let before = store.heads_stamps("jobs", &keys).await.unwrap();
    let seen: Vec<HeadSeen> = keys
        .iter()
        .map(|key| HeadSeen { key: key.clone(), hash: hash.clone(), rank: 9, url: format!("page of {key}") })
        .collect();
    let expected: Vec<Option<Stamps>> =
        seen.iter().zip(&before).map(|(seen, head)| head.as_ref().and_then(|head| seen.confirm(head, 4, 77))).collect();
    let confirmed = store.heads_confirm("jobs", 4, 77, seen.clone()).await.unwrap();
    assert_eq!(confirmed, [true, true, false, false, false, false, false, false, false, false, false]);
    let after = store.heads_stamps("jobs", &keys).await.unwrap();
    for (key, (after, (before, expected))) in keys.iter().zip(after.into_iter().zip(before.into_iter().zip(expected))) {
        let known = store.heads_by_url("jobs", &[format!("page of {key}")]).await.unwrap();
        assert_eq!(known.is_empty(), expected.is_none(), "{key}");
        assert_eq!(after, expected.or(before), "{key}");
    }
    assert_eq!(one(&store, "same").await.body, json!({ "title": "offer same" }), "the body stays");
    assert_eq!(store.heads_confirm("jobs", 4, 78, seen).await.unwrap(), [false; 11], "repeated");
    assert!(store.heads_confirm("jobs", 4, 78, Vec::new()).await.unwrap().is_empty());
}
