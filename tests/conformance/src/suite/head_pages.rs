//! Heads: what is listed and counted.

use super::Store;
use super::samples::{head, stamps, texts};
use jobpipe_core::{Head, HeadCounts, HeadWrite, Stamps, Wanted};

fn keys(heads: &[Head]) -> Vec<&str> {
    heads.iter().map(|head| head.key.as_str()).collect()
}

/// A head last seen by `seen`, last changed by `changed`.
fn seen(key: &str, seen: u64, changed: u64) -> HeadWrite {
    HeadWrite { stamps: Stamps { seen_gen: seen, changed_gen: changed, ..stamps(1, 1) }, ..head(key, 1, 1) }
}

fn wanted(key: &str, wanted: Wanted) -> HeadWrite {
    HeadWrite { stamps: Stamps { wanted, ..stamps(1, 1) }, ..head(key, 1, 1) }
}

pub async fn lists_the_unseen(store: Store) {
    let writes = vec![seen("d", 2, 1), seen("a", 2, 1), seen("c", 3, 1), seen("b", 1, 1), seen("e", 4, 4)];
    store.heads_put("jobs", writes).await.unwrap();
    store.heads_put("other", vec![seen("aa", 1, 1)]).await.unwrap();
    let unseen = async |seq, after: &str, limit| -> Vec<String> {
        let page = store.heads_unseen("jobs", seq, after, limit).await.unwrap();
        assert!(page.iter().all(|(_, stamps)| stamps.seen_gen < seq));
        page.into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(unseen(3, "", 10).await, ["a", "b", "d"]);
    assert_eq!(unseen(3, "", 2).await, ["a", "b"]);
    assert_eq!(unseen(3, "b", 2).await, ["d"]);
    assert_eq!(unseen(u64::MAX, "", 10).await, ["a", "b", "c", "d", "e"]);
    assert!(unseen(1, "", 10).await.is_empty());
    assert!(unseen(0, "", 10).await.is_empty());
}

pub async fn walks_by_change_and_key(store: Store) {
    let writes = vec![seen("b", 9, 2), seen("d", 9, 1), seen("a", 9, 2), seen("z", 9, 1), seen("c", 9, 3)];
    store.heads_put("jobs", writes).await.unwrap();
    store.heads_put("other", vec![seen("x", 1, 1)]).await.unwrap();
    let walk = async |above: (u64, &str), upto, limit| -> Vec<String> {
        let page = store.heads_walk("jobs", (above.0, above.1.to_owned()), upto, limit).await.unwrap();
        page.into_iter().map(|head| head.key).collect()
    };
    assert_eq!(walk((0, ""), 9, 10).await, ["d", "z", "a", "b", "c"]);
    assert_eq!(walk((0, ""), u64::MAX, 10).await, ["d", "z", "a", "b", "c"]);
    assert_eq!(walk((0, ""), 2, 10).await, ["d", "z", "a", "b"]);
    assert_eq!(walk((0, ""), 9, 3).await, ["d", "z", "a"]);
    assert_eq!(walk((1, "z"), 9, 3).await, ["a", "b", "c"]);
    assert_eq!(walk((1, "e"), 9, 1).await, ["z"]);
    assert_eq!(walk((2, "a"), 2, 10).await, ["b"]);
    assert!(walk((3, "c"), 9, 10).await.is_empty());
    assert!(walk((0, ""), 0, 10).await.is_empty());
    let whole = store.heads_walk("jobs", (2, "b".to_owned()), 9, 10).await.unwrap();
    assert_eq!(whole, store.heads("jobs", &texts(&["c"])).await.unwrap(), "whole heads");
}

pub async fn moves_in_the_walk_when_it_changes(store: Store) {
    store.heads_put("jobs", vec![seen("a", 1, 1), seen("b", 1, 1)]).await.unwrap();
    let turn = |seen_gen, changed_gen, version, expect| HeadWrite {
        expect: Some(expect),
        body: None,
        stamps: Stamps { seen_gen, changed_gen, ..stamps(version, 1) },
        ..head("a", 1, 1)
    };
    let walk = async || store.heads_walk("jobs", (0, String::new()), 9, 10).await.unwrap();
    store.heads_put("jobs", vec![turn(2, 1, 2, 1)]).await.unwrap();
    assert_eq!(keys(&walk().await), ["a", "b"], "an unchanged head keeps its place");
    store.heads_put("jobs", vec![turn(3, 3, 3, 2)]).await.unwrap();
    assert_eq!(keys(&walk().await), ["b", "a"]);
    store.heads_put("jobs", vec![turn(3, 1, 4, 3)]).await.unwrap();
    assert_eq!(keys(&walk().await), ["a", "b"], "and may fall back");
}

pub async fn lists_the_live(store: Store) {
    let writes = vec![
        wanted("d", Wanted::Live),
        wanted("b", Wanted::Gone),
        wanted("a", Wanted::Live),
        wanted("e", Wanted::Withdrawn),
        wanted("c", Wanted::Live),
        wanted("f", Wanted::Stub),
    ];
    store.heads_put("jobs", writes).await.unwrap();
    let live = async |after: &str, limit| store.heads_live("jobs", after, limit).await.unwrap();
    assert_eq!(keys(&live("", 10).await), ["a", "c", "d"]);
    assert_eq!(keys(&live("", 2).await), ["a", "c"]);
    assert_eq!(keys(&live("b", 10).await), ["c", "d"]);
    assert_eq!(live("c", 10).await, store.heads("jobs", &texts(&["d"])).await.unwrap(), "whole heads");
    let gone = Stamps { wanted: Wanted::Gone, ..stamps(2, 1) };
    let back = Stamps { wanted: Wanted::Live, ..stamps(2, 1) };
    let turn = |key, stamps| HeadWrite { expect: Some(1), stamps, body: None, ..head(key, 1, 1) };
    store.heads_put("jobs", vec![turn("a", gone), turn("b", back)]).await.unwrap();
    assert_eq!(keys(&live("", 10).await), ["b", "c", "d"]);
    assert!(store.heads_live("other", "", 10).await.unwrap().is_empty());
}

pub async fn finds_by_url(store: Store) {
    let with = |key: &str, version, expect, urls: &[&str]| HeadWrite {
        expect,
        stamps: stamps(version, 1),
        add_urls: texts(urls),
        ..head(key, 1, 1)
    };
    let inserts = vec![with("1", 1, None, &["x", "y"]), with("2", 1, None, &["y"]), with("3", 1, None, &[])];
    store.heads_put("jobs", inserts).await.unwrap();
    store.heads_put("other", vec![with("4", 1, None, &["x"])]).await.unwrap();
    let found = async |urls: &[&str]| store.heads_by_url("jobs", &texts(urls)).await.unwrap();
    assert_eq!(found(&["x"]).await, ["1"]);
    assert_eq!(found(&["y", "x", "y"]).await, ["1", "2"], "each once, by key");
    assert!(found(&["z"]).await.is_empty());
    store.heads_put("jobs", vec![with("3", 2, Some(1), &["z", "x"]), with("1", 2, Some(1), &[])]).await.unwrap();
    assert_eq!(found(&["z"]).await, ["3"]);
    assert_eq!(found(&["x"]).await, ["1", "3"], "sources are added, never taken away");
    store.heads_put("jobs", vec![with("3", 3, Some(2), &["z"])]).await.unwrap();
    assert_eq!(found(&["z"]).await, ["3"]);
}

pub async fn counts(store: Store) {
    assert_eq!(store.heads_count("jobs").await.unwrap(), HeadCounts::default());
    let writes = vec![wanted("a", Wanted::Live), wanted("b", Wanted::Gone), wanted("c", Wanted::Live)];
    store.heads_put("jobs", writes).await.unwrap();
    store.heads_put("other", vec![wanted("a", Wanted::Stub)]).await.unwrap();
    assert_eq!(store.heads_count("jobs").await.unwrap(), HeadCounts { live: 2, all: 3 });
    assert_eq!(store.heads_count("other").await.unwrap(), HeadCounts { live: 0, all: 1 });
    let withdrawn = Stamps { wanted: Wanted::Withdrawn, ..stamps(2, 2) };
    let turn = HeadWrite { expect: Some(1), stamps: withdrawn, ..head("a", 2, 2) };
    store.heads_put("jobs", vec![turn]).await.unwrap();
    assert_eq!(store.heads_count("jobs").await.unwrap(), HeadCounts { live: 1, all: 3 });
}
