//! Statements that read tasks. Each names the index it needs, so that it cannot quietly become a scan.

use crate::codec::{limit, short, state, state_number, unpack, unsigned};
use crate::fault::Fault;
use jobpipe_core::{Millis, NewTask, ReadyTask, StoreResult, Task, TaskCount, TaskGroup, TaskState};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};
use std::collections::BTreeMap;

/// The columns of a [`TaskRow`], in its order.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, run, stage, queue, limit_key, state, open, fence, owner, renewal, crashes, not_before, nonce, \
             input, result FROM ",
            $rest
        )
    };
}

const ONE: &str = select!("task JOIN task_body ON task = n WHERE id = ?1");
const OPEN: &str = select!(
    "task INDEXED BY task_open JOIN task_body ON task = n \
     WHERE run = ?1 AND state = ?2 AND open = 1 AND id > ?3 ORDER BY id LIMIT ?4"
);
const OF_RUN: &str =
    select!("task INDEXED BY task_of_run JOIN task_body ON task = n WHERE run = ?1 AND id > ?2 ORDER BY id LIMIT ?3");
const OF_STAGE: &str = select!(
    "task INDEXED BY task_of_run JOIN task_body ON task = n \
     WHERE run = ?1 AND id > ?2 AND stage = ?4 ORDER BY id LIMIT ?3"
);
const READY: &str = "SELECT id, fence FROM task INDEXED BY task_ready \
    WHERE run = ?1 AND queue = ?2 AND limit_key = ?3 AND state = 0 AND id > ?5 AND not_before <= ?4 ORDER BY id LIMIT ?6";
/// The next group: one seek, however many tasks wait in the last one.
const GROUP: &str = "SELECT limit_key FROM task INDEXED BY task_ready \
    WHERE run = ?1 AND queue = ?2 AND state = 0 AND limit_key > ?3 ORDER BY limit_key LIMIT 1";
const FIRST_GROUP: &str = "SELECT limit_key FROM task INDEXED BY task_ready \
    WHERE run = ?1 AND queue = ?2 AND state = 0 ORDER BY limit_key LIMIT 1";
const ANY_OPEN: &str = "SELECT 1 FROM task INDEXED BY task_of_stage WHERE run = ?1 AND stage = ?2 AND open = 1 LIMIT 1";
/// Grouped as the index is ordered, so that nothing is sorted; open and closed are added up afterwards.
const COUNT: &str = "SELECT stage, state, count(*) FROM task INDEXED BY task_of_stage WHERE run = ?1 \
    GROUP BY stage, open, state";

/// Looked at by the test of plans.
#[cfg(test)]
pub(crate) const STATEMENTS: [&str; 9] = [ONE, OPEN, OF_RUN, OF_STAGE, READY, GROUP, FIRST_GROUP, ANY_OPEN, COUNT];

/// A task as its columns have it.
pub(crate) struct TaskRow {
    texts: [String; 6],
    numbers: [i64; 7],
    input: Vec<u8>,
    result: Option<Vec<u8>>,
}

impl TaskRow {
    fn new(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            texts: [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(8)?],
            numbers: [row.get(5)?, row.get(6)?, row.get(7)?, row.get(9)?, row.get(10)?, row.get(11)?, row.get(12)?],
            input: row.get(13)?,
            result: row.get(14)?,
        })
    }

    /// Decodes it.
    pub(crate) fn task(self) -> StoreResult<Task> {
        let [id, run, stage, queue, group, owner] = self.texts;
        let [at, open, fence, renewal, crashes, not_before, nonce] = self.numbers;
        let what = format!("task {id}");
        let result = self.result.map(|bytes| unpack(&what, &bytes)).transpose()?;
        let task = NewTask {
            input: unpack(&what, &self.input)?,
            crashes: short(&what, crashes)?,
            id,
            run,
            stage,
            queue,
            group,
            not_before,
        };
        Ok(Task {
            task,
            state: state(at)?,
            open: open == 1,
            fence: unsigned(&what, fence)?,
            owner,
            renewal: unsigned(&what, renewal)?,
            result,
            nonce: unsigned(&what, nonce)?,
        })
    }
}

/// One task, undecoded.
pub(crate) fn one(conn: &Connection, id: &str) -> Result<Option<TaskRow>, Fault> {
    Ok(conn.prepare_cached(ONE)?.query_row([id], TaskRow::new).optional()?)
}

pub(crate) fn by_id(conn: &Connection, ids: &[String]) -> Result<Vec<Task>, Fault> {
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        if let Some(row) = one(conn, id)? {
            found.push(row.task()?);
        }
    }
    Ok(found)
}

fn tasks(conn: &Connection, sql: &str, params: impl Params) -> Result<Vec<Task>, Fault> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(TaskRow::new(row)?.task()?);
    }
    Ok(found)
}

pub(crate) fn open(conn: &Connection, run: &str, at: TaskState, after: &str, most: usize) -> Result<Vec<Task>, Fault> {
    tasks(conn, OPEN, params![run, state_number(at), after, limit(most)])
}

pub(crate) fn of(
    conn: &Connection,
    run: &str,
    stage: Option<&str>,
    after: &str,
    most: usize,
) -> Result<Vec<Task>, Fault> {
    match stage {
        None => tasks(conn, OF_RUN, params![run, after, limit(most)]),
        Some(stage) => tasks(conn, OF_STAGE, params![run, after, limit(most), stage]),
    }
}

pub(crate) fn groups(
    conn: &Connection,
    run: &str,
    queue: &str,
    mut after: Option<String>,
    most: usize,
) -> Result<Vec<String>, Fault> {
    let mut groups = Vec::new();
    while groups.len() < most {
        let next: Option<String> = match &after {
            None => conn.prepare_cached(FIRST_GROUP)?.query_row([run, queue], |row| row.get(0)).optional()?,
            Some(after) => conn.prepare_cached(GROUP)?.query_row([run, queue, after], |row| row.get(0)).optional()?,
        };
        let Some(group) = next else { break };
        groups.push(group.clone());
        after = Some(group);
    }
    Ok(groups)
}

pub(crate) fn ready(
    conn: &Connection,
    of: &TaskGroup,
    now: Millis,
    after: &str,
    most: usize,
) -> Result<Vec<ReadyTask>, Fault> {
    let mut statement = conn.prepare_cached(READY)?;
    let mut rows = statement.query(params![of.run, of.queue, of.group, now, after, limit(most)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(ReadyTask { id: row.get(0)?, fence: unsigned("task", row.get(1)?)? });
    }
    Ok(found)
}

pub(crate) fn any_open(conn: &Connection, run: &str, stage: &str) -> Result<bool, Fault> {
    Ok(conn.prepare_cached(ANY_OPEN)?.exists([run, stage])?)
}

pub(crate) fn count(conn: &Connection, run: &str) -> Result<Vec<TaskCount>, Fault> {
    let mut statement = conn.prepare_cached(COUNT)?;
    let mut rows = statement.query([run])?;
    let mut counts: BTreeMap<(String, TaskState), u64> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let tasks = unsigned("count", row.get(2)?)?;
        *counts.entry((row.get(0)?, state(row.get(1)?)?)).or_default() += tasks;
    }
    Ok(counts.into_iter().map(|((stage, state), tasks)| TaskCount { stage, state, tasks }).collect())
}
