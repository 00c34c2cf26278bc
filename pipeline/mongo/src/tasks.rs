//! Tasks, seen fingerprints and batches: the port, call by call. The requests are in the modules below.
//!
//! A task is `{_id, k: its id as a key, run, stage, queue, group, stand: state and openness, fence, owner, renewal, claim:
//! the number of its last claim, crashes, not_before, nonce, input, result}`.

pub(crate) mod claim;
pub(crate) mod page;
mod write;

use crate::bulk;
use crate::schema::TASKS;
use crate::{MongoStore, batches, read, seen};
use async_trait::async_trait;
use jobpipe_core::{
    Commit, Millis, NewTask, ReadyTask, StoreResult, Task, TaskCount, TaskGroup, TaskId, TaskState, TaskStore,
};

impl MongoStore {
    async fn commit(&self, commits: &[Commit], closes: bool) -> StoreResult<Vec<bool>> {
        let writes = commits.iter().map(|commit| write::committing(commit, closes)).collect::<StoreResult<Vec<_>>>()?;
        self.lanes.commits.ask(writes).await
    }
}

#[async_trait]
impl TaskStore for MongoStore {
    async fn tasks_insert(&self, tasks: Vec<NewTask>) -> StoreResult<()> {
        let documents = tasks.iter().map(write::new_task).collect::<StoreResult<Vec<_>>>()?;
        self.lanes.tasks.ask(documents).await.map(|_| ())
    }

    async fn tasks(&self, ids: &[TaskId]) -> StoreResult<Vec<Task>> {
        let keys = page::keys(ids);
        let found = read::by_ids(&self.link, TASKS, keys.clone(), &[]).await?;
        keys.iter().filter_map(|key| found.get(key)).map(|document| page::task(document)).collect()
    }

    async fn tasks_claim(&self, ids: &[TaskId], owner: &str, now: Millis) -> StoreResult<Vec<Task>> {
        claim::claim(&self.lanes.claims, ids, owner, now).await
    }

    async fn tasks_renew(&self, claims: &[(TaskId, u64)]) -> StoreResult<()> {
        let renewals: Vec<_> = claims.iter().map(write::renew).collect();
        bulk::update(&self.link, TASKS, &renewals).await.map(|_| ())
    }

    async fn tasks_commit(&self, commits: Vec<Commit>) -> StoreResult<Vec<bool>> {
        self.commit(&commits, false).await
    }

    async fn tasks_finish(&self, commits: Vec<Commit>) -> StoreResult<Vec<bool>> {
        self.commit(&commits, true).await
    }

    async fn tasks_close(&self, ids: &[TaskId]) -> StoreResult<()> {
        self.lanes.closes.ask(page::keys(ids)).await.map(|_| ())
    }

    async fn tasks_any_open(&self, run: &str, stage: &str) -> StoreResult<bool> {
        Ok(!read::find(&self.link, page::any_open(run, stage)).await?.is_empty())
    }

    async fn tasks_groups(
        &self,
        run: &str,
        queue: &str,
        after: Option<&str>,
        limit: usize,
    ) -> StoreResult<Vec<String>> {
        let (mut groups, mut after) = (Vec::new(), after.map(str::to_owned));
        while groups.len() < limit {
            let found = read::find(&self.link, page::group(run, queue, after.as_deref())).await?;
            let Some(group) = found.first().map(|document| page::group_of(document)).transpose()? else { break };
            after = Some(group.clone());
            groups.push(group);
        }
        Ok(groups)
    }

    async fn tasks_ready(
        &self,
        group: &TaskGroup,
        now: Millis,
        after: &str,
        limit: usize,
    ) -> StoreResult<Vec<ReadyTask>> {
        let found = read::find(&self.link, page::ready(group, now, after, limit)).await?;
        found.iter().map(|document| page::ready_task(document)).collect()
    }

    async fn tasks_open(&self, run: &str, state: TaskState, after: &str, limit: usize) -> StoreResult<Vec<Task>> {
        let found = read::find(&self.link, page::open(run, state, after, limit)).await?;
        found.iter().map(|document| page::task(document)).collect()
    }

    async fn tasks_of(&self, run: &str, stage: Option<&str>, after: &str, limit: usize) -> StoreResult<Vec<Task>> {
        let found = read::find(&self.link, page::of(run, stage, after, limit)).await?;
        found.iter().map(|document| page::task(document)).collect()
    }

    async fn tasks_cancel(&self, run: &str) -> StoreResult<u64> {
        write::cancel(&self.link, run).await
    }

    async fn tasks_count(&self, run: &str) -> StoreResult<Vec<TaskCount>> {
        page::count(&self.link, run).await
    }

    async fn seen_claim(&self, run: &str, stage: &str, fingerprints: &[String], task: &str) -> StoreResult<Vec<bool>> {
        self.lanes.seen.ask(seen::fingerprints(run, stage, fingerprints, task)).await
    }

    async fn seen_count(&self, run: &str, stage: &str) -> StoreResult<u64> {
        seen::count(&self.link, run, stage).await
    }

    async fn batches_put(&self, batches: Vec<(String, Vec<u8>)>) -> StoreResult<()> {
        batches::put(self, batches).await
    }

    async fn batch(&self, id: &str) -> StoreResult<Option<Vec<u8>>> {
        batches::get(&self.link, id).await
    }

    async fn run_purge(&self, run: &str) -> StoreResult<()> {
        write::purge(&self.link, run).await?;
        seen::purge(&self.link, run).await?;
        batches::purge(&self.link, run).await
    }
}
