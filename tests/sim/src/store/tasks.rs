//! Tasks, what they have seen, and their batches.

use super::SimStore;
use crate::monitor;
use async_trait::async_trait;
use jobpipe_core::{
    Commit, Millis, NewTask, ReadyTask, StoreResult, Task, TaskCount, TaskGroup, TaskId, TaskState, TaskStore,
};
use jobpipe_engine::sabotage::Rule;
use std::sync::Arc;
use std::time::Duration;

#[async_trait]
impl TaskStore for SimStore {
    async fn tasks_insert(&self, tasks: Vec<NewTask>) -> StoreResult<()> {
        let (world, who) = (Arc::clone(&self.world), self.gate.name.clone());
        self.bulk(tasks, move |tasks| async move {
            monitor::tasks_inserted(&world, &who, &tasks);
            world.store().tasks_insert(tasks).await
        })
        .await
    }

    async fn tasks(&self, ids: &[TaskId]) -> StoreResult<Vec<Task>> {
        let store = self.world.store();
        self.read(async move { store.tasks(ids).await }).await
    }

    async fn tasks_claim(&self, ids: &[TaskId], owner: &str, now: Millis) -> StoreResult<Vec<Task>> {
        let (world, ids, owner) = (Arc::clone(&self.world), ids.to_vec(), owner.to_owned());
        self.write(async move {
            let claimed = world.store().tasks_claim(&ids, &owner, now).await?;
            for task in &claimed {
                world.tell(|| format!("{owner}  claim {} fence {}", monitor::name(&task.task), task.fence));
            }
            Ok(claimed)
        })
        .await
    }

    async fn tasks_renew(&self, claims: &[(TaskId, u64)]) -> StoreResult<()> {
        let (world, claims) = (Arc::clone(&self.world), claims.to_vec());
        self.write(async move { world.store().tasks_renew(&claims).await }).await
    }

    async fn tasks_commit(&self, commits: Vec<Commit>) -> StoreResult<Vec<bool>> {
        let (world, who) = (Arc::clone(&self.world), self.gate.name.clone());
        self.write(async move {
            let store = world.store();
            let mut applied = Vec::new();
            for mut commit in commits {
                let before = store.tasks(std::slice::from_ref(&commit.id)).await?.pop();
                if let Some(task) = &before {
                    if !world.keeps(Rule::CommitFence) {
                        commit.fence = task.fence;
                        commit.renewal = None;
                    }
                    if !world.keeps(Rule::CommitState) && task.state != TaskState::Running {
                        // a plain write by id: whoever comes last wins
                        store.tasks_overwrite(&commit);
                    }
                }
                let done = store.tasks_commit(vec![commit.clone()]).await?.first() == Some(&true);
                if done && let Some(before) = &before {
                    monitor::committed(&world, &who, before, &commit);
                }
                // a bulk whose matched count is believed, whoever's commits they were
                applied.push(done || !world.keeps(Rule::CommitNonce));
            }
            Ok(applied)
        })
        .await
    }

    async fn tasks_close(&self, ids: &[TaskId]) -> StoreResult<()> {
        let world = Arc::clone(&self.world);
        self.bulk(ids.to_vec(), move |ids| async move { world.store().tasks_close(&ids).await }).await
    }

    async fn tasks_any_open(&self, run: &str, stage: &str) -> StoreResult<bool> {
        let store = self.world.store();
        if self.world.keeps(Rule::CloseSnapshot) {
            return self.read(async move { store.tasks_any_open(run, stage).await }).await;
        }
        // a cursor that yields half-way: the first half of the ids is read earlier than the second
        let halves: [fn(&str) -> bool; 2] = [|id| id < "8", |id| id >= "8"];
        for half in halves {
            let tasks = self.read(store.tasks_of(run, Some(stage), "", usize::MAX)).await?;
            if tasks.iter().any(|task| task.open && half(&task.task.id)) {
                return Ok(true);
            }
            tokio::time::sleep(Duration::from_millis(self.world.chance.between(1, 20))).await;
        }
        Ok(false)
    }

    async fn tasks_groups(
        &self,
        run: &str,
        queue: &str,
        after: Option<&str>,
        limit: usize,
    ) -> StoreResult<Vec<String>> {
        let store = self.world.store();
        self.read(async move { store.tasks_groups(run, queue, after, limit).await }).await
    }

    async fn tasks_ready(
        &self,
        group: &TaskGroup,
        now: Millis,
        after: &str,
        limit: usize,
    ) -> StoreResult<Vec<ReadyTask>> {
        let store = self.world.store();
        self.read(async move { store.tasks_ready(group, now, after, limit).await }).await
    }

    async fn tasks_open(&self, run: &str, state: TaskState, after: &str, limit: usize) -> StoreResult<Vec<Task>> {
        let store = self.world.store();
        self.read(async move { store.tasks_open(run, state, after, limit).await }).await
    }

    async fn tasks_of(&self, run: &str, stage: Option<&str>, after: &str, limit: usize) -> StoreResult<Vec<Task>> {
        let store = self.world.store();
        self.read(async move { store.tasks_of(run, stage, after, limit).await }).await
    }

    async fn tasks_cancel(&self, run: &str) -> StoreResult<u64> {
        let (world, run) = (Arc::clone(&self.world), run.to_owned());
        self.write(async move { world.store().tasks_cancel(&run).await }).await
    }

    async fn tasks_count(&self, run: &str) -> StoreResult<Vec<TaskCount>> {
        let store = self.world.store();
        self.read(async move { store.tasks_count(run).await }).await
    }

    async fn seen_claim(&self, run: &str, stage: &str, prints: &[String], task: &str) -> StoreResult<Vec<bool>> {
        let world = Arc::clone(&self.world);
        let stage = if world.keeps(Rule::SeenStage) { stage } else { "" };
        let (run, stage, prints, task) = (run.to_owned(), stage.to_owned(), prints.to_vec(), task.to_owned());
        self.write(async move {
            if world.keeps(Rule::SeenReadBack) {
                return world.store().seen_claim(&run, &stage, &prints, &task).await;
            }
            // what is there already is somebody's: nobody looks whose
            let nobody = format!("nobody {}", world.nonce());
            let mut mine = Vec::new();
            for print in &prints {
                let one = std::slice::from_ref(print);
                let other = world.store().seen_claim(&run, &stage, one, &nobody).await?.first() == Some(&true);
                mine.push(other);
            }
            Ok(mine)
        })
        .await
    }

    async fn seen_count(&self, run: &str, stage: &str) -> StoreResult<u64> {
        let store = self.world.store();
        self.read(async move { store.seen_count(run, stage).await }).await
    }

    async fn batches_put(&self, batches: Vec<(String, Vec<u8>)>) -> StoreResult<()> {
        let (world, who) = (Arc::clone(&self.world), self.gate.name.clone());
        self.bulk(batches, move |batches| async move {
            monitor::batches_put(&world, &who, &batches).await;
            world.store().batches_put(batches).await
        })
        .await
    }

    async fn batch(&self, id: &str) -> StoreResult<Option<Vec<u8>>> {
        let store = self.world.store();
        self.read(async move { store.batch(id).await }).await
    }

    async fn run_purge(&self, run: &str) -> StoreResult<()> {
        let (world, run) = (Arc::clone(&self.world), run.to_owned());
        self.write(async move { world.store().run_purge(&run).await }).await
    }
}
