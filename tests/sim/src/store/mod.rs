//! The store as a process sees it: the server applies each write at once and whole, or refuses it, or applies it and the
//! answer gets lost, or applies it when its process is dead already. The monitor looks at every write that is applied.

mod ledger;
mod tasks;

use crate::monitor;
use crate::process::Gate;
use crate::world::World;
use async_trait::async_trait;
use jobpipe_core::{Doc, DocKind, DocStore, Millis, StoreError, StoreResult};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct SimStore {
    world: Arc<World>,
    gate: Arc<Gate>,
    /// Several processes share it.
    many: bool,
}

impl SimStore {
    pub(crate) fn new(world: Arc<World>, gate: Arc<Gate>, many: bool) -> Self {
        Self { world, gate, many }
    }

    /// A server that many share may be asked again; the one of a file is as dead as its process.
    fn fails(&self, what: &str) -> StoreError {
        self.gate.fail();
        if self.many {
            StoreError::Unavailable { message: format!("simulated: {what}") }
        } else {
            StoreError::Closed { path: format!("simulated: {what}") }
        }
    }

    /// Now and then a call takes a while, so that others get in between.
    async fn linger(&self) {
        if self.world.chance.hit(0.25) {
            tokio::time::sleep(Duration::from_millis(self.world.chance.between(1, 6))).await;
        }
        self.gate.pass().await;
    }

    /// Work on the rows of a target: this process may stop here, or one who stopped there wakes and is faster.
    async fn work_on(&self, target: &str, often: f64) {
        if self.world.ambush(&self.gate, target, often) {
            tokio::time::sleep(Duration::from_millis(self.world.chance.between(5, 60))).await;
        }
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
            return Err(self.fails("not applied"));
        }
        let lies = world.fault("store applied, then failed", world.faults.store_lies);
        let answer = if world.fault("store applied late", world.faults.store_late) {
            let late = Duration::from_millis(world.chance.between(5, 400));
            let server = tokio::spawn(async move {
                tokio::time::sleep(late).await;
                call.await
            });
            server.await.map_err(|_| self.fails("the server panicked"))?
        } else {
            call.await
        };
        self.linger().await;
        if lies {
            return Err(self.fails("applied"));
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
        if elements.len() > 1 && world.fault("bulk applied in part", world.faults.store_lies * 4.0) {
            self.linger().await;
            world.step();
            let part = elements.into_iter().filter(|_| world.chance.hit(0.5)).collect();
            call(part).await?;
            self.linger().await;
            return Err(self.fails("applied in part"));
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
            let body = doc.read().unwrap_or_default();
            let applied = world.store().doc_insert(kind, &id, doc).await?;
            if applied {
                monitor::doc_written(&world, &who, kind, &id, None, &body);
            }
            Ok(applied)
        })
        .await
    }

    async fn doc_replace(&self, kind: DocKind, id: &str, expect: u64, doc: Doc) -> StoreResult<bool> {
        let (world, target, who) = (Arc::clone(&self.world), id.to_owned(), self.gate.name.clone());
        let id = target.clone();
        let applied = self.write(async move {
            let before = world.store().doc(kind, &id).await?.and_then(|doc| doc.read().ok());
            let body = doc.read().unwrap_or_default();
            let applied = world.store().doc_replace(kind, &id, expect, doc).await?;
            if applied {
                monitor::doc_written(&world, &who, kind, &id, before.as_ref(), &body);
            }
            Ok(applied)
        });
        let applied = applied.await?;
        if kind == DocKind::Target {
            // most hangs on what is armed and not yet sent
            let often = if self.world.monitor().has_armed(&target) { 4.0 } else { 1.0 };
            self.work_on(&target, often).await;
            self.gate.pass().await;
        }
        Ok(applied)
    }

    async fn doc_delete(&self, kind: DocKind, id: &str) -> StoreResult<()> {
        let (world, id) = (Arc::clone(&self.world), id.to_owned());
        self.write(async move { world.store().doc_delete(kind, &id).await }).await
    }

    async fn docs(&self, kind: DocKind, prefix: &str, after: &str, limit: usize) -> StoreResult<Vec<(String, Doc)>> {
        let store = self.world.store();
        self.read(async move { store.docs(kind, prefix, after, limit).await }).await
    }

    async fn docs_due(
        &self,
        kind: DocKind,
        until: Millis,
        after: (Millis, &str),
        limit: usize,
    ) -> StoreResult<Vec<(String, Doc)>> {
        let (store, (due, id)) = (self.world.store(), (after.0, after.1.to_owned()));
        self.read(async move { store.docs_due(kind, until, (due, &id), limit).await }).await
    }

    async fn time(&self) -> StoreResult<Millis> {
        let now = self.world.now();
        self.read(async move { Ok(now) }).await
    }
}
