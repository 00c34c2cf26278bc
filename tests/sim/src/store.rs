//! The store as a process sees it: the server applies each write at once and whole, or refuses it, or applies it and the
//! answer gets lost, or applies it when its process is dead already. The monitor looks at every write that is applied.

use crate::monitor;
use crate::process::Gate;
use crate::world::World;
use async_trait::async_trait;
use jobpipe_core::{
    Commit, DeadLetter, Doc, DocKind, DocStore, Head, HeadCounts, HeadStore, HeadWrite, Millis, NewTask, ReadyTask,
    Row, RowId, RowStore, RowWrite, Stamps, StoreError, StoreResult, Task, TaskCount, TaskId, TaskState, TaskStore,
};
use jobpipe_engine::sabotage::Rule;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct SimStore {
    world: Arc<World>,
    gate: Arc<Gate>,
}

fn unavailable(what: &str) -> StoreError {
    StoreError::Unavailable { message: format!("simulated: {what}") }
}

impl SimStore {
    pub(crate) fn new(world: Arc<World>, gate: Arc<Gate>) -> Self {
        Self { world, gate }
    }

    /// Now and then a call takes a while, so that others get in between.
    async fn linger(&self) {
        if self.world.chance.hit(0.25) {
            tokio::time::sleep(Duration::from_millis(self.world.chance.between(1, 6))).await;
        }
        self.gate.pass().await;
    }

    async fn read<T>(&self, call: impl Future<Output = StoreResult<T>> + Send) -> StoreResult<T> {
        self.gate.pass().await;
        let answer = call.await;
        self.linger().await;
        answer
    }

    async fn write<T, F>(&self, call: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: Future<Output = StoreResult<T>> + Send + 'static,
    {
        self.linger().await;
        let world = &self.world;
        world.step();
        if world.fault("store refused", world.faults.store_refuses) {
            self.gate.fail();
            return Err(unavailable("not applied"));
        }
        let lies = world.fault("store applied, then failed", world.faults.store_lies);
        let answer = if world.fault("store applied late", world.faults.store_late) {
            let late = Duration::from_millis(world.chance.between(5, 400));
            let server = tokio::spawn(async move {
                tokio::time::sleep(late).await;
                call.await
            });
            server.await.map_err(|_| unavailable("the server panicked"))?
        } else {
            call.await
        };
        self.linger().await;
        if lies {
            self.gate.fail();
            return Err(unavailable("applied"));
        }
        answer
    }

    /// A bulk whose elements stand for themselves: a crash of the server may leave any part of it applied.
    async fn bulk<E, T, F, C>(&self, elements: Vec<E>, call: C) -> StoreResult<T>
    where
        E: Send + 'static,
        T: Send + 'static,
        F: Future<Output = StoreResult<T>> + Send + 'static,
        C: FnOnce(Vec<E>) -> F + Send,
    {
        let world = &self.world;
        if elements.len() > 1 && world.fault("bulk applied in part", world.faults.store_lies * 2.0) {
            self.linger().await;
            world.step();
            let part = elements.into_iter().filter(|_| world.chance.hit(0.5)).collect();
            call(part).await?;
            self.linger().await;
            self.gate.fail();
            return Err(unavailable("applied in part"));
        }
        self.write(call(elements)).await
    }
}

#[async_trait]
impl DocStore for SimStore {
    async fn doc(&self, kind: DocKind, id: &str) -> StoreResult<Option<Doc>> {
        let store = self.world.store();
        self.read(async move { store.doc(kind, id).await }).await
    }

    async fn doc_insert(&self, kind: DocKind, id: &str, doc: Doc) -> StoreResult<bool> {
        let (world, id, who) = (Arc::clone(&self.world), id.to_owned(), self.gate.name.clone());
        self.write(async move {
            let body = doc.body.clone();
            let applied = world.store().doc_insert(kind, &id, doc).await?;
            if applied {
                monitor::doc_written(&world, &who, kind, &id, None, &body);
            }
            Ok(applied)
        })
        .await
    }

    async fn doc_replace(&self, kind: DocKind, id: &str, expect: u64, doc: Doc) -> StoreResult<bool> {
        let (world, id, who) = (Arc::clone(&self.world), id.to_owned(), self.gate.name.clone());
        self.write(async move {
            let before = world.store().doc(kind, &id).await?.map(|doc| doc.body);
            let body = doc.body.clone();
            let applied = world.store().doc_replace(kind, &id, expect, doc).await?;
            if applied {
                monitor::doc_written(&world, &who, kind, &id, before.as_ref(), &body);
            }
            Ok(applied)
        })
        .await
    }

    async fn doc_delete(&self, kind: DocKind, id: &str) -> StoreResult<()> {
        let (world, id) = (Arc::clone(&self.world), id.to_owned());
        self.write(async move { world.store().doc_delete(kind, &id).await }).await
    }

    async fn docs(&self, kind: DocKind, prefix: &str, after: &str, limit: usize) -> StoreResult<Vec<(String, Doc)>> {
        let store = self.world.store();
        self.read(async move { store.docs(kind, prefix, after, limit).await }).await
    }
}

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

    async fn tasks_ready(&self, run: &str, now: Millis, after: &str, limit: usize) -> StoreResult<Vec<ReadyTask>> {
        let store = self.world.store();
        self.read(async move { store.tasks_ready(run, now, after, limit).await }).await
    }

    async fn tasks_next_due(&self, run: &str) -> StoreResult<Option<Millis>> {
        let store = self.world.store();
        self.read(async move { store.tasks_next_due(run).await }).await
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

#[async_trait]
impl HeadStore for SimStore {
    async fn heads_stamps(&self, ledger: &str, keys: &[String]) -> StoreResult<Vec<Option<Stamps>>> {
        let store = self.world.store();
        self.read(async move { store.heads_stamps(ledger, keys).await }).await
    }

    async fn heads_put(&self, ledger: &str, writes: Vec<HeadWrite>) -> StoreResult<Vec<bool>> {
        let (world, ledger, who) = (Arc::clone(&self.world), ledger.to_owned(), self.gate.name.clone());
        self.bulk(writes, move |writes| async move {
            let store = world.store();
            let keys: Vec<String> = writes.iter().map(|write| write.key.clone()).collect();
            let before = store.heads_stamps(&ledger, &keys).await?;
            let applied = store.heads_put(&ledger, writes.clone()).await?;
            for ((write, before), applied) in writes.iter().zip(before).zip(&applied) {
                if *applied {
                    monitor::head_written(&world, &who, before.as_ref(), write);
                }
            }
            Ok(applied)
        })
        .await
    }

    async fn heads(&self, ledger: &str, keys: &[String]) -> StoreResult<Vec<Head>> {
        let store = self.world.store();
        self.read(async move { store.heads(ledger, keys).await }).await
    }

    async fn heads_unseen(
        &self,
        ledger: &str,
        seq: u64,
        after: &str,
        limit: usize,
    ) -> StoreResult<Vec<(String, Stamps)>> {
        let store = self.world.store();
        self.read(async move { store.heads_unseen(ledger, seq, after, limit).await }).await
    }

    async fn heads_walk(&self, ledger: &str, above: (u64, String), upto: u64, limit: usize) -> StoreResult<Vec<Head>> {
        let store = self.world.store();
        self.read(async move { store.heads_walk(ledger, above, upto, limit).await }).await
    }

    async fn heads_live(&self, ledger: &str, after: &str, limit: usize) -> StoreResult<Vec<Head>> {
        let store = self.world.store();
        self.read(async move { store.heads_live(ledger, after, limit).await }).await
    }

    async fn heads_by_url(&self, ledger: &str, urls: &[String]) -> StoreResult<Vec<String>> {
        let store = self.world.store();
        self.read(async move { store.heads_by_url(ledger, urls).await }).await
    }

    async fn heads_count(&self, ledger: &str) -> StoreResult<HeadCounts> {
        let store = self.world.store();
        self.read(async move { store.heads_count(ledger).await }).await
    }

    async fn heads_drop(&self, ledger: &str) -> StoreResult<()> {
        let (world, ledger) = (Arc::clone(&self.world), ledger.to_owned());
        self.write(async move { world.store().heads_drop(&ledger).await }).await
    }
}

#[async_trait]
impl RowStore for SimStore {
    async fn rows(&self, ids: &[RowId]) -> StoreResult<Vec<Row>> {
        let store = self.world.store();
        self.read(async move { store.rows(ids).await }).await
    }

    async fn rows_put(&self, writes: Vec<RowWrite>) -> StoreResult<Vec<bool>> {
        let (world, who) = (Arc::clone(&self.world), self.gate.name.clone());
        self.bulk(writes, move |writes| async move {
            let applied = world.store().rows_put(writes.clone()).await?;
            for (write, applied) in writes.iter().zip(&applied) {
                if *applied {
                    monitor::row_written(&world, &who, &write.row);
                }
            }
            Ok(applied)
        })
        .await
    }

    async fn rows_attention(&self, target: &str, after: Option<&RowId>, limit: usize) -> StoreResult<Vec<Row>> {
        let store = self.world.store();
        self.read(async move { store.rows_attention(target, after, limit).await }).await
    }

    async fn rows_of(&self, target: &str, after: Option<&RowId>, limit: usize) -> StoreResult<Vec<Row>> {
        let store = self.world.store();
        self.read(async move { store.rows_of(target, after, limit).await }).await
    }

    async fn rows_posted(&self, target: &str, import: &str, export: &str) -> StoreResult<u64> {
        let store = self.world.store();
        self.read(async move { store.rows_posted(target, import, export).await }).await
    }

    async fn dead_put(&self, letters: Vec<DeadLetter>) -> StoreResult<()> {
        let (world, who) = (Arc::clone(&self.world), self.gate.name.clone());
        self.bulk(letters, move |letters| async move {
            for letter in &letters {
                monitor::dead_written(&world, &who, letter);
            }
            world.store().dead_put(letters).await
        })
        .await
    }

    async fn dead(
        &self,
        import: Option<&str>,
        run: Option<&str>,
        after: &str,
        limit: usize,
    ) -> StoreResult<Vec<DeadLetter>> {
        let store = self.world.store();
        self.read(async move { store.dead(import, run, after, limit).await }).await
    }

    async fn dead_one(&self, id: &str) -> StoreResult<Option<DeadLetter>> {
        let store = self.world.store();
        self.read(async move { store.dead_one(id).await }).await
    }

    async fn dead_delete(&self, ids: &[String]) -> StoreResult<()> {
        let (world, ids) = (Arc::clone(&self.world), ids.to_vec());
        self.write(async move { world.store().dead_delete(&ids).await }).await
    }
}
