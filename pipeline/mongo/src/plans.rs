//! What servers make of the queries: each goes by an index, in the order of that index; no document is passed over that
//! the index could have told apart, and nothing is sorted by hand.

use crate::read::{Query, keys_of, projection};
use crate::schema::INDEXES;
use crate::server::Database;
use crate::tasks::page as tasks;
use crate::{MongoSettings, batches, connect, dead, docs, heads, rows, seen};
use jobpipe_core::{DocKind, RowId, TaskGroup, TaskState};
use mongodb::bson::{Bson, Document, doc};
use std::collections::BTreeSet;

fn queries() -> Vec<Query> {
    let id = RowId { target: "t".to_owned(), import: "i".to_owned(), export: "e".to_owned(), key: "k".to_owned() };
    let group = TaskGroup { run: "r".to_owned(), queue: "q".to_owned(), group: "g".to_owned() };
    let urls = ["u".to_owned(), "w".to_owned()];
    vec![
        tasks::any_open("r", "s"),
        tasks::group("r", "q", None),
        tasks::group("r", "q", Some("g")),
        tasks::ready(&group, 5, "a", 10),
        tasks::open("r", TaskState::Done, "a", 10),
        tasks::of("r", None, "a", 10),
        tasks::of("r", Some("s"), "a", 10),
        tasks::waiting("r", 10),
        tasks::all("r", 10),
        seen::of_run("r", 10),
        batches::of_run("r", 10),
        docs::page(DocKind::Run, "p", "", 10),
        docs::due_since(DocKind::Schedule, 5, "a", 10),
        docs::due(DocKind::Schedule, 5, 9, 10),
        heads::page::unseen("l", 3, "a", 10),
        heads::page::walk_on("l", 3, "a", 10),
        heads::page::walk("l", 3, 5, 10),
        heads::page::live("l", "a", 10),
        heads::page::by_url("l", &urls),
        heads::page::all("l", 10),
        rows::attention("t", Some(&id), 10).unwrap(),
        rows::of_target("t", Some(&id), 10).unwrap(),
        dead::page(None, None, "a", 10),
        dead::page(Some("i"), None, "a", 10),
        dead::page(None, Some("r"), "a", 10),
        dead::page(Some("i"), Some("r"), "a", 10),
    ]
}

/// A field of which one value is asked for.
fn is_point(value: &Bson) -> bool {
    value.as_document().is_none_or(|range| range.contains_key("$in"))
}

#[test]
fn every_query_is_a_range_of_its_index_in_its_order() {
    let all = queries();
    for query in &all {
        let keys = keys_of(query.index);
        let points = keys.iter().take_while(|key| query.filter.get(*key).is_some_and(is_point)).count();
        let rest = &keys[points..];
        assert!(points > 0 || query.filter.contains_key(keys[0]), "it begins nowhere: {query:?}");
        assert!(rest.starts_with(query.order), "the index gives another order: {query:?}");
        let ranges: Vec<&String> =
            query.filter.iter().filter(|(_, value)| !is_point(value)).map(|(field, _)| field).collect();
        let bounded = ranges.iter().filter(|field| rest.first().is_some_and(|key| key == *field)).count();
        // What the index cannot bound is looked at on the way: the time of ready tasks, what a run has seen.
        let looked_at = ["not_before", "seen"];
        let beside = ranges.len() - bounded;
        assert!(beside == ranges.iter().filter(|field| looked_at.contains(&field.as_str())).count(), "{query:?}");
    }
    let used: BTreeSet<&str> = all.iter().map(|query| query.index).collect();
    // `row_posted` is only counted over.
    let unused: Vec<&str> = INDEXES.iter().map(|index| index.name).filter(|name| !used.contains(name)).collect();
    assert_eq!(unused, ["row_posted"], "an index that nobody asks is a cost for nothing");
}

/// A task that moves (from running back to ready) between the reading of its index entry and that of its document would
/// be passed over, and its stage closed too early.
#[test]
fn whether_a_task_is_open_is_told_by_the_index_alone() {
    let query = tasks::any_open("r", "s");
    let keys = keys_of(query.index);
    let named = query.filter.keys().map(String::as_str).chain(query.fields.iter().copied());
    assert!(named.into_iter().all(|field| keys.contains(&field)), "{query:?}");
    assert!(!query.fields.is_empty() && query.limit == 1, "{query:?}");
}

#[test]
fn counts_are_of_whole_prefixes_of_an_index() {
    let posted = rows::posted("t", "i", "e");
    assert_eq!(posted.keys().collect::<Vec<_>>(), keys_of("row_posted"));
}

/// Stages of a plan, however deep.
fn stages(plan: &Document, found: &mut Vec<String>) {
    for (field, value) in plan {
        match value {
            Bson::String(stage) if field == "stage" => found.push(stage.clone()),
            Bson::Document(inner) => stages(inner, found),
            _ => {}
        }
    }
}

/// Servers that explain in MongoDB's words are asked; others explain in their own, which say nothing here.
#[tokio::test]
async fn servers_that_explain_say_the_same() {
    let database = Database::new();
    let store = connect(&database.url, &MongoSettings::default()).await.unwrap();
    let raw = database.raw().await;
    let mut explained = 0;
    let all = queries();
    for query in &all {
        let order: Document = query.order.iter().map(|field| ((*field).to_owned(), Bson::Int32(1))).collect();
        let fields: Document = projection(query.fields);
        let mut find = doc! { "find": query.coll, "filter": query.filter.clone(), "sort": order, "projection": fields, "limit": 10 };
        if query.index != "_id_" && store.link.hints.load(std::sync::atomic::Ordering::Relaxed) {
            find.insert("hint", query.index);
        }
        let Ok(answer) = raw.run_command(doc! { "explain": find, "verbosity": "queryPlanner" }).await else { continue };
        let planner = answer.get_document("queryPlanner").and_then(|planner| planner.get_document("winningPlan"));
        let Ok(plan) = planner else { continue };
        let mut found = Vec::new();
        stages(plan, &mut found);
        if found.is_empty() || found.iter().any(|stage| stage == "EOF") {
            continue;
        }
        let scans = found.iter().any(|stage| stage == "COLLSCAN" || stage == "SORT");
        assert!(!scans, "{query:?}: {plan}");
        let fetches = found.iter().any(|stage| stage == "FETCH");
        assert!(!fetches || query.index != "task_of_stage", "not from the index alone: {query:?}: {plan}");
        explained += 1;
    }
    println!("PLANS queries={} explained={explained} on {}", all.len(), store.place());
}
