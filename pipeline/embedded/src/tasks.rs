//! Tasks, seen fingerprints and batches in SQLite: the port, call by call. The statements are in the modules below.

pub(crate) mod page;
pub(crate) mod seen;
pub(crate) mod write;

use crate::SqliteStore;
use crate::codec::signed;
use async_trait::async_trait;
use jobpipe_core::{
    Commit, Millis, NewTask, ReadyTask, StoreResult, Task, TaskCount, TaskGroup, TaskId, TaskState, TaskStore,
};
use page::TaskRow;

/// Tasks of a run that one transaction removes.
const PURGED_AT_ONCE: usize = 1_000;

#[async_trait]
impl TaskStore for SqliteStore {
    async fn tasks_insert(&self, tasks: Vec<NewTask>) -> StoreResult<()> {
        if tasks.is_empty() {
            return Ok(());
        }
        let packed = tasks.into_iter().map(write::PackedTask::new).collect::<StoreResult<Vec<_>>>()?;
        self.write(move |conn| packed.iter().try_for_each(|task| write::insert(conn, task))).await
    }

    async fn tasks(&self, ids: &[TaskId]) -> StoreResult<Vec<Task>> {
        let ids = ids.to_vec();
        self.read(move |conn| page::by_id(conn, &ids)).await
    }

    async fn tasks_claim(&self, ids: &[TaskId], owner: &str, now: Millis) -> StoreResult<Vec<Task>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let (ids, owner) = (ids.to_vec(), owner.to_owned());
        let rows = self.write(move |conn| write::claim(conn, &ids, &owner, now)).await?;
        rows.into_iter().map(TaskRow::task).collect()
    }

    async fn tasks_renew(&self, claims: &[(TaskId, u64)]) -> StoreResult<()> {
        if claims.is_empty() {
            return Ok(());
        }
        let claims = claims.to_vec();
        self.write(move |conn| claims.iter().try_for_each(|(id, fence)| write::renew(conn, id, signed(*fence)))).await
    }

    async fn tasks_commit(&self, commits: Vec<Commit>) -> StoreResult<Vec<bool>> {
        if commits.is_empty() {
            return Ok(Vec::new());
        }
        let packed = commits.into_iter().map(write::PackedCommit::new).collect::<StoreResult<Vec<_>>>()?;
        self.write(move |conn| packed.iter().map(|commit| write::commit(conn, commit, false)).collect()).await
    }

    async fn tasks_finish(&self, commits: Vec<Commit>) -> StoreResult<Vec<bool>> {
        if commits.is_empty() {
            return Ok(Vec::new());
        }
        let packed = commits.into_iter().map(write::PackedCommit::new).collect::<StoreResult<Vec<_>>>()?;
        self.write(move |conn| packed.iter().map(|commit| write::commit(conn, commit, true)).collect()).await
    }

    async fn tasks_close(&self, ids: &[TaskId]) -> StoreResult<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let ids = ids.to_vec();
        self.write(move |conn| ids.iter().try_for_each(|id| write::close(conn, id))).await
    }

    async fn tasks_any_open(&self, run: &str, stage: &str) -> StoreResult<bool> {
        let (run, stage) = (run.to_owned(), stage.to_owned());
        self.read(move |conn| page::any_open(conn, &run, &stage)).await
    }

    async fn tasks_groups(
        &self,
        run: &str,
        queue: &str,
        after: Option<&str>,
        limit: usize,
    ) -> StoreResult<Vec<String>> {
        let (run, queue, after) = (run.to_owned(), queue.to_owned(), after.map(str::to_owned));
        self.read(move |conn| page::groups(conn, &run, &queue, after.clone(), limit)).await
    }

    async fn tasks_ready(
        &self,
        group: &TaskGroup,
        now: Millis,
        after: &str,
        limit: usize,
    ) -> StoreResult<Vec<ReadyTask>> {
        let (group, after) = (group.clone(), after.to_owned());
        self.read(move |conn| page::ready(conn, &group, now, &after, limit)).await
    }

    async fn tasks_open(&self, run: &str, state: TaskState, after: &str, limit: usize) -> StoreResult<Vec<Task>> {
        let (run, after) = (run.to_owned(), after.to_owned());
        self.read(move |conn| page::open(conn, &run, state, &after, limit)).await
    }

    async fn tasks_of(&self, run: &str, stage: Option<&str>, after: &str, limit: usize) -> StoreResult<Vec<Task>> {
        let (run, stage, after) = (run.to_owned(), stage.map(str::to_owned), after.to_owned());
        self.read(move |conn| page::of(conn, &run, stage.as_deref(), &after, limit)).await
    }

    async fn tasks_cancel(&self, run: &str) -> StoreResult<u64> {
        let run = run.to_owned();
        self.write(move |conn| write::cancel(conn, &run)).await
    }

    async fn tasks_count(&self, run: &str) -> StoreResult<Vec<TaskCount>> {
        let run = run.to_owned();
        self.read(move |conn| page::count(conn, &run)).await
    }

    async fn seen_claim(&self, run: &str, stage: &str, fingerprints: &[String], task: &str) -> StoreResult<Vec<bool>> {
        if fingerprints.is_empty() {
            return Ok(Vec::new());
        }
        let (run, stage, task, fingerprints) =
            (run.to_owned(), stage.to_owned(), task.to_owned(), fingerprints.to_vec());
        self.write(move |conn| seen::claim(conn, &run, &stage, &fingerprints, &task)).await
    }

    async fn seen_count(&self, run: &str, stage: &str) -> StoreResult<u64> {
        let (run, stage) = (run.to_owned(), stage.to_owned());
        self.read(move |conn| seen::count(conn, &run, &stage)).await
    }

    async fn batches_put(&self, batches: Vec<(String, Vec<u8>)>) -> StoreResult<()> {
        if batches.is_empty() {
            return Ok(());
        }
        self.write(move |conn| batches.iter().try_for_each(|(id, bytes)| seen::put_batch(conn, id, bytes))).await
    }

    async fn batch(&self, id: &str) -> StoreResult<Option<Vec<u8>>> {
        let id = id.to_owned();
        self.read(move |conn| seen::batch(conn, &id)).await
    }

    async fn run_purge(&self, run: &str) -> StoreResult<()> {
        loop {
            let run = run.to_owned();
            if self.write(move |conn| write::purge(conn, &run, PURGED_AT_ONCE)).await? == 0 {
                return Ok(());
            }
        }
    }
}
