//! Ledger rows.

use super::Store;
use super::samples::{full_row, row, row_id};
use jobpipe_core::{Row, RowId, RowState, RowWrite};

fn insert(row: Row) -> RowWrite {
    RowWrite { expect: None, row }
}

fn keys(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| row.id.key.as_str()).collect()
}

pub async fn inserts_if_absent(store: Store) {
    let writes = vec![insert(row("t", "1", 10)), insert(row("t", "2", 20)), insert(row("t", "1", 11))];
    assert_eq!(store.rows_put(writes).await.unwrap(), [true, true, false]);
    let ids = [row_id("t", "2"), row_id("t", "nobody"), row_id("other", "1"), row_id("t", "1")];
    assert_eq!(store.rows(&ids).await.unwrap(), [row("t", "2", 20), row("t", "1", 10)], "in the order asked");
}

pub async fn writes_where_the_version_holds(store: Store) {
    let over = |expect, version| RowWrite { expect: Some(expect), row: full_row("t", "1", version) };
    assert_eq!(store.rows_put(vec![over(10, 11)]).await.unwrap(), [false], "there is none");
    assert!(store.rows(&[row_id("t", "1")]).await.unwrap().is_empty(), "a replacement must not insert");
    store.rows_put(vec![insert(row("t", "1", 10))]).await.unwrap();
    let writes = vec![over(9, 12), over(10, 11), over(10, 13), over(11, 14)];
    assert_eq!(store.rows_put(writes).await.unwrap(), [false, true, false, true]);
    assert_eq!(store.rows(&[row_id("t", "1")]).await.unwrap(), [full_row("t", "1", 14)]);
}

pub async fn keeps_every_field(store: Store) {
    let full = full_row("facebook:1001", "offer 1", (1 << 63) - 1);
    store.rows_put(vec![insert(full.clone())]).await.unwrap();
    assert_eq!(store.rows(std::slice::from_ref(&full.id)).await.unwrap(), std::slice::from_ref(&full));
    assert_eq!(store.rows_of("facebook:1001", None, 10).await.unwrap(), std::slice::from_ref(&full));
    assert_eq!(store.rows_attention("facebook:1001", None, 10).await.unwrap(), [full]);
}

pub async fn lists_what_needs_attention(store: Store) {
    let armed = Row { state: RowState::Armed, ..row("t", "d", 1) };
    let unknown = Row { state: RowState::Unknown, ..row("t", "b", 1) };
    let recheck = Row { recheck: true, ..row("t", "c", 1) };
    let extra = Row { extra: ["post".to_owned()].into(), ..row("t", "a", 1) };
    let elsewhere = Row { recheck: true, ..row("other", "a", 1) };
    let idle = row("t", "aa", 1);
    let all = [armed, unknown, recheck.clone(), extra, elsewhere, idle];
    store.rows_put(all.map(insert).into()).await.unwrap();
    let page = async |after: Option<&RowId>, limit| store.rows_attention("t", after, limit).await.unwrap();
    assert_eq!(keys(&page(None, 10).await), ["a", "b", "c", "d"]);
    assert_eq!(keys(&page(None, 3).await), ["a", "b", "c"]);
    assert_eq!(keys(&page(Some(&row_id("t", "b")), 10).await), ["c", "d"]);
    let calm = RowWrite { expect: Some(1), row: Row { recheck: false, version: 2, ..recheck } };
    let stir = RowWrite { expect: Some(1), row: Row { recheck: true, ..row("t", "aa", 2) } };
    assert_eq!(store.rows_put(vec![calm, stir]).await.unwrap(), [true, true]);
    assert_eq!(keys(&page(None, 10).await), ["a", "aa", "b", "d"]);
}

pub async fn lists_a_target_page_by_page(store: Store) {
    let at = |target: &str, import: &str, export: &str, key: &str| RowId {
        target: target.to_owned(),
        import: import.to_owned(),
        export: export.to_owned(),
        key: key.to_owned(),
    };
    let ids = [
        at("p:1", "a", "x", "2"),
        at("p:1", "a", "x", "3"),
        at("p:1", "a", "y", "1"),
        at("p:1", "b", "x", "1"),
        at("p:1", "b", "x", "10"),
    ];
    let other = [at("p:10", "a", "x", "1"), at("p:", "a", "x", "1"), at("p:0", "z", "z", "z")];
    let rows = ids.iter().rev().chain(&other).map(|id| insert(Row::blank(id.clone(), 1, 1)));
    store.rows_put(rows.collect()).await.unwrap();
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let page = store.rows_of("p:1", after.as_ref(), 2).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 2);
        after = Some(last.id.clone());
        found.extend(page.into_iter().map(|row| row.id));
    }
    assert_eq!(found, ids);
    let early = store.rows_of("p:1", Some(&at("p:0", "z", "z", "z")), 10).await.unwrap();
    assert_eq!(early.len(), 5, "after may lie before the target");
    assert!(store.rows_of("p:1", Some(&at("p:2", "", "", "")), 10).await.unwrap().is_empty());
}

pub async fn counts_what_is_posted(store: Store) {
    let posted = |key: &str, version| Row { post: Some(format!("post {key}")), ..row("t", key, version) };
    let mut other = posted("4", 1);
    "events".clone_into(&mut other.id.import);
    let mut export = posted("5", 1);
    "instagram".clone_into(&mut export.id.export);
    let writes =
        vec![insert(posted("1", 1)), insert(row("t", "2", 1)), insert(posted("3", 1)), insert(other), insert(export)];
    store.rows_put(writes).await.unwrap();
    let count = async |import: &str, export: &str| store.rows_posted("t", import, export).await.unwrap();
    assert_eq!(count("jobs", "facebook").await, 2);
    assert_eq!((count("events", "facebook").await, count("jobs", "instagram").await), (1, 1));
    assert_eq!(store.rows_posted("nobody", "jobs", "facebook").await.unwrap(), 0);
    let turn = vec![
        RowWrite { expect: Some(1), row: row("t", "1", 2) },
        RowWrite { expect: Some(1), row: posted("2", 2) },
        RowWrite { expect: Some(1), row: row("t", "3", 2) },
    ];
    store.rows_put(turn).await.unwrap();
    assert_eq!(count("jobs", "facebook").await, 1);
}

pub async fn lets_one_of_eight_writers_win(store: Store) {
    store.rows_put(vec![insert(row("t", "1", 10))]).await.unwrap();
    let writers: Vec<_> = (100..108)
        .map(|version| {
            let store = store.clone();
            tokio::spawn(async move {
                let write = RowWrite { expect: Some(10), row: row("t", "1", version) };
                (version, store.rows_put(vec![write]).await.unwrap())
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
    let stored = store.rows(&[row_id("t", "1")]).await.unwrap();
    assert_eq!(winners, stored.iter().map(|row| row.version).collect::<Vec<_>>());
}
