use super::*;
use crate::server::Database;
use crate::{MongoSettings, connect};
use futures::future::join_all;
use jobpipe_core::{DocKind, DocStore, StoreError};

async fn indexes(raw: &mongodb::Database, coll: &str) -> Vec<Vec<String>> {
    let found: Vec<IndexModel> =
        raw.collection::<Document>(coll).list_indexes().await.unwrap().try_collect().await.unwrap();
    found.iter().map(|model| model.keys.keys().cloned().collect()).collect()
}

async fn refused(database: &Database) -> String {
    let error = connect(&database.url, &MongoSettings::default()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unusable { .. }), "{error}");
    error.to_string()
}

#[tokio::test]
async fn eight_who_start_at_once_on_a_new_database_agree() {
    let database = Database::new();
    let settings = MongoSettings::default();
    let stores = join_all((0..8).map(|_| connect(&database.url, &settings))).await;
    for store in stores {
        store.unwrap().docs(DocKind::Run, "", "", 1).await.unwrap();
    }
    let raw = database.raw().await;
    for index in &INDEXES {
        let keys: Vec<String> = index.keys.iter().map(|key| (*key).to_owned()).collect();
        let there = indexes(&raw, index.coll).await;
        assert_eq!(there.iter().filter(|other| **other == keys).count(), 1, "{index:?}: {there:?}");
    }
    let meta = raw.collection::<Document>(META);
    let left: Vec<Document> = meta.find(doc! {}).await.unwrap().try_collect().await.unwrap();
    assert_eq!(left.len(), 1, "the lock is free: {left:?}");
    assert_eq!(crate::call::number(&left[0], "version"), VERSION);
}

#[tokio::test]
async fn an_index_that_is_gone_is_made_anew() {
    let database = Database::new();
    connect(&database.url, &MongoSettings::default()).await.unwrap();
    let raw = database.raw().await;
    let before = indexes(&raw, HEADS).await;
    let found: Vec<IndexModel> =
        raw.collection::<Document>(HEADS).list_indexes().await.unwrap().try_collect().await.unwrap();
    let walk = found.iter().find(|model| model.keys.contains_key("changed")).unwrap();
    raw.collection::<Document>(HEADS).drop_index(name(walk).unwrap()).await.unwrap();
    assert_eq!(indexes(&raw, HEADS).await.len(), before.len() - 1);
    connect(&database.url, &MongoSettings::default()).await.unwrap();
    assert_eq!(indexes(&raw, HEADS).await.len(), before.len());
}

#[tokio::test]
async fn an_index_that_would_refuse_writes_is_told() {
    let database = Database::new();
    let raw = database.raw().await;
    let command = doc! {
        "createIndexes": DEAD,
        "indexes": [{ "key": { "run": 1, "k": 1 }, "name": "dead_of_run", "unique": true }],
    };
    raw.run_command(command).await.unwrap();
    let told = refused(&database).await;
    assert!(told.contains("dead_of_run") && told.contains(DEAD) && told.contains("drop it"), "{told}");
}

#[tokio::test]
async fn a_newer_schema_is_used_as_long_as_it_says_that_it_may_be() {
    let database = Database::new();
    connect(&database.url, &MongoSettings::default()).await.unwrap();
    let raw = database.raw().await;
    let turn = async |version: i64, needs: i64| {
        let change = doc! { "$set": { "version": version, "needs": needs } };
        raw.collection::<Document>(META).update_one(doc! { "_id": SCHEMA }, change).await.unwrap();
    };
    turn(VERSION + 1, VERSION).await;
    connect(&database.url, &MongoSettings::default()).await.unwrap();
    turn(VERSION + 1, VERSION + 1).await;
    let told = refused(&database).await;
    assert!(told.contains("newer jobpipe") && told.contains("JP503"), "{told}");
}

#[tokio::test]
async fn the_lock_of_a_dead_holder_is_taken_and_of_a_living_one_not() {
    let database = Database::new();
    let link = connect(&database.url, &MongoSettings::default()).await.unwrap().link;
    let dead = lock::take(&link, lock::STALE).await.unwrap();
    let taken = lock::take(&link, Duration::from_millis(300)).await.unwrap();
    dead.release(&link).await.unwrap();
    let waiting = tokio::time::timeout(Duration::from_millis(700), lock::take(&link, lock::STALE)).await;
    assert!(waiting.is_err(), "the release of one who has lost it frees nothing");
    taken.release(&link).await.unwrap();
    lock::take(&link, lock::STALE).await.unwrap().release(&link).await.unwrap();
}

#[tokio::test]
async fn who_is_not_there_is_told_without_the_password() {
    let url = "mongodb://jobs:hunter2@127.0.0.1:1/x?serverSelectionTimeoutMS=300";
    let error = connect(url, &MongoSettings::default()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    let told = error.to_string();
    assert!(told.contains("127.0.0.1:1/x") && !told.contains("hunter2"), "{told}");
}
