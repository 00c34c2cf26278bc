//! What SQLite makes of the statements: none may scan a table, and an unchanged head may touch no index.

use crate::{docs, heads, rows, tasks};
use rusqlite::Connection;

fn schema() -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    for step in crate::open::MIGRATIONS {
        conn.execute_batch(step).unwrap();
    }
    conn
}

#[test]
fn no_statement_scans() {
    let conn = schema();
    let parts: [&[&str]; 8] = [
        &docs::STATEMENTS,
        &heads::page::STATEMENTS,
        &heads::write::STATEMENTS,
        &rows::dead::STATEMENTS,
        &rows::ledger::STATEMENTS,
        &tasks::page::STATEMENTS,
        &tasks::seen::STATEMENTS,
        &tasks::write::STATEMENTS,
    ];
    let mut seen = 0;
    for sql in parts.into_iter().flatten() {
        let mut explain = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let count = explain.parameter_count();
        let nothing = rusqlite::params_from_iter(std::iter::repeat_n(rusqlite::types::Null, count));
        let plan: Vec<String> = explain.query_map(nothing, |row| row.get(3)).unwrap().map(Result::unwrap).collect();
        assert!(plan.iter().all(|step| !step.starts_with("SCAN") || step == "SCAN CONSTANT ROW"), "{sql}\n{plan:#?}");
        assert!(plan.iter().all(|step| !step.contains("TEMP B-TREE")), "sorted by hand: {sql}\n{plan:#?}");
        seen += 1;
    }
    assert!(seen >= 25, "{seen} statements");
}

#[test]
fn an_unchanged_head_touches_no_index() {
    let conn = schema();
    let touched = |sql: &str| -> usize {
        let mut explain = conn.prepare(&format!("EXPLAIN {sql}")).unwrap();
        let count = explain.parameter_count();
        let nothing = rusqlite::params_from_iter(std::iter::repeat_n(rusqlite::types::Null, count));
        let steps = explain.query_map(nothing, |row| row.get::<_, String>(1)).unwrap().map(Result::unwrap);
        steps.filter(|step| step == "IdxInsert" || step == "IdxDelete").count()
    };
    let [same, changed, ..] = heads::write::STATEMENTS;
    assert_eq!(touched(same), 0);
    assert!(touched(changed) > 0, "or the test looks for the wrong words");
}
