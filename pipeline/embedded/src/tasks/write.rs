//! Statements that change tasks. Each touches the one task that its condition names.

use super::page::{TaskRow, one};
use crate::codec::{limit, pack, signed, state_number};
use crate::fault::Fault;
use jobpipe_core::{Commit, Millis, NewTask, StoreResult, TaskState};
use rusqlite::{Connection, OptionalExtension, params};

const INSERT: &str = "INSERT INTO task (id, run, stage, queue, limit_key, state, open, fence, owner, renewal, crashes, \
    not_before, nonce) VALUES (?1, ?2, ?3, ?4, ?5, 0, 1, 0, '', 0, ?6, ?7, 0) ON CONFLICT (id) DO NOTHING";
const CLAIM: &str = "UPDATE task SET state = 1, fence = fence + 1, owner = ?2, renewal = 0 \
    WHERE id = ?1 AND state = 0 AND not_before <= ?3";
const COMMIT: &str = "UPDATE task SET state = ?4, not_before = ?5, crashes = ?6, nonce = ?7, open = open AND NOT ?8 \
    WHERE id = ?1 AND state = 1 AND fence = ?2 AND (?3 IS NULL OR renewal = ?3) RETURNING n";

/// In this order, so that both of the first two find the same tasks.
const PURGE: [&str; 4] = [
    "DELETE FROM task_body WHERE task IN (SELECT n FROM task INDEXED BY task_of_run WHERE run = ?1 ORDER BY id LIMIT ?2)",
    "DELETE FROM task WHERE n IN (SELECT n FROM task INDEXED BY task_of_run WHERE run = ?1 ORDER BY id LIMIT ?2)",
    "DELETE FROM seen WHERE run = ?1 AND (stage, fingerprint) IN \
     (SELECT stage, fingerprint FROM seen WHERE run = ?1 ORDER BY stage, fingerprint LIMIT ?2)",
    // Everything that starts with `run/`: `0` follows `/`.
    "DELETE FROM batch WHERE id IN \
     (SELECT id FROM batch WHERE id > ?1 || '/' AND id < ?1 || '0' ORDER BY id LIMIT ?2)",
];

/// Looked at by the test of plans.
#[cfg(test)]
pub(crate) const STATEMENTS: [&str; 7] = [INSERT, CLAIM, COMMIT, PURGE[0], PURGE[1], PURGE[2], PURGE[3]];

/// A task with its input as it is stored.
pub(crate) struct PackedTask {
    task: NewTask,
    input: Vec<u8>,
}

impl PackedTask {
    pub(crate) fn new(task: NewTask) -> StoreResult<Self> {
        Ok(Self { input: pack("input of a task", &task.input)?, task })
    }
}

pub(crate) fn insert(conn: &Connection, packed: &PackedTask) -> Result<(), Fault> {
    let PackedTask { task, input } = packed;
    let inserted = conn.prepare_cached(INSERT)?.execute(params![
        task.id,
        task.run,
        task.stage,
        task.queue,
        task.group,
        task.crashes,
        task.not_before
    ])?;
    if inserted == 1 {
        let n = conn.last_insert_rowid();
        conn.prepare_cached("INSERT INTO task_body (task, input) VALUES (?1, ?2)")?.execute(params![n, input])?;
    }
    Ok(())
}

pub(crate) fn claim(conn: &Connection, ids: &[String], owner: &str, now: Millis) -> Result<Vec<TaskRow>, Fault> {
    let mut claimed = Vec::new();
    for id in ids {
        if conn.prepare_cached(CLAIM)?.execute(params![id, owner, now])? == 1 {
            claimed.extend(one(conn, id)?);
        }
    }
    Ok(claimed)
}

pub(crate) fn renew(conn: &Connection, id: &str, fence: i64) -> Result<(), Fault> {
    conn.prepare_cached("UPDATE task SET renewal = renewal + 1 WHERE id = ?1 AND state = 1 AND fence = ?2")?
        .execute(params![id, fence])?;
    Ok(())
}

/// A commit with its input and result as they are stored.
pub(crate) struct PackedCommit {
    commit: Commit,
    input: Option<Vec<u8>>,
    result: Vec<u8>,
}

impl PackedCommit {
    pub(crate) fn new(commit: Commit) -> StoreResult<Self> {
        let result = pack("result of a task", &commit.result)?;
        let input = commit.input.as_ref().map(|input| pack("input of a task", input)).transpose()?;
        Ok(Self { commit, input, result })
    }
}

/// Commits; `closes` = a terminal task is closed with it.
pub(crate) fn commit(conn: &Connection, packed: &PackedCommit, closes: bool) -> Result<bool, Fault> {
    let PackedCommit { commit, input, result } = packed;
    let closes = closes && commit.state.is_terminal();
    let n: Option<i64> = conn
        .prepare_cached(COMMIT)?
        .query_row(
            params![
                commit.id,
                signed(commit.fence),
                commit.renewal.map(signed),
                state_number(commit.state),
                commit.not_before,
                commit.crashes,
                signed(commit.nonce),
                closes
            ],
            |row| row.get(0),
        )
        .optional()?;
    let Some(n) = n else { return Ok(false) };
    conn.prepare_cached("UPDATE task_body SET result = ?2, input = coalesce(?3, input) WHERE task = ?1")?
        .execute(params![n, result, input])?;
    Ok(true)
}

pub(crate) fn close(conn: &Connection, id: &str) -> Result<(), Fault> {
    let (ready, running) = (state_number(TaskState::Ready), state_number(TaskState::Running));
    conn.prepare_cached("UPDATE task SET open = 0 WHERE id = ?1 AND open = 1 AND state NOT IN (?2, ?3)")?
        .execute(params![id, ready, running])?;
    Ok(())
}

pub(crate) fn cancel(conn: &Connection, run: &str) -> Result<u64, Fault> {
    let cancelled = conn
        .prepare_cached("UPDATE task SET state = ?2, open = 0 WHERE run = ?1 AND open = 1 AND state = 0")?
        .execute(params![run, state_number(TaskState::Cancelled)])?;
    Ok(cancelled as u64)
}

/// Removes up to `most` tasks, and as many fingerprints and batches, of a run; how many things went. The bounds let
/// other writes in between.
pub(crate) fn purge(conn: &Connection, run: &str, most: usize) -> Result<usize, Fault> {
    let mut removed = 0;
    for sql in PURGE {
        removed += conn.prepare_cached(sql)?.execute(params![run, limit(most)])?;
    }
    Ok(removed)
}
