//! Tasks, seen fingerprints and batches in memory.

use super::{Inner, MemoryStore};
use async_trait::async_trait;
use jobpipe_core::{
    Commit, Millis, NewTask, ReadyTask, StoreResult, Task, TaskCount, TaskGroup, TaskId, TaskState, TaskStore,
};
use std::collections::BTreeMap;
use std::ops::Bound;

impl Inner {
    /// The tasks of a run with an id greater than `after`, by id.
    fn tasks_after<'a>(&'a self, run: &str, after: &str) -> impl Iterator<Item = &'a Task> + 'a {
        let ids = self.runs.get(run);
        let from = (Bound::Excluded(after.to_owned()), Bound::Unbounded);
        ids.into_iter().flat_map(move |ids| ids.range::<String, _>(from.clone())).filter_map(|id| self.tasks.get(id))
    }

    fn all_tasks<'a>(&'a self, run: &str) -> impl Iterator<Item = &'a Task> + 'a {
        self.runs.get(run).into_iter().flatten().filter_map(|id| self.tasks.get(id))
    }

    fn insert(&mut self, task: NewTask) {
        if self.tasks.contains_key(&task.id) {
            return;
        }
        self.runs.entry(task.run.clone()).or_default().insert(task.id.clone());
        let stored = Task {
            state: TaskState::Ready,
            open: true,
            fence: 0,
            owner: String::new(),
            renewal: 0,
            result: None,
            nonce: 0,
            task,
        };
        let id = stored.task.id.clone();
        self.tasks.insert(id.clone(), stored);
        self.file(&id);
    }

    /// Files a task whose state may have changed among the ready ones, or takes it out.
    fn file(&mut self, id: &str) {
        let Some(task) = self.tasks.get(id) else { return };
        let entry = (group_of(&task.task), id.to_owned());
        if task.state == TaskState::Ready {
            self.ready.insert(entry);
        } else {
            self.ready.remove(&entry);
        }
    }

    fn commit(&mut self, commit: Commit) -> bool {
        let Some(task) = self.tasks.get_mut(&commit.id) else { return false };
        let ours = task.state == TaskState::Running
            && task.fence == commit.fence
            && commit.renewal.is_none_or(|renewal| renewal == task.renewal);
        if !ours {
            return false;
        }
        task.state = commit.state;
        task.task.not_before = commit.not_before;
        task.task.crashes = commit.crashes;
        if let Some(input) = commit.input {
            task.task.input = input;
        }
        task.result = Some(commit.result);
        task.nonce = commit.nonce;
        self.file(&commit.id);
        true
    }
}

impl MemoryStore {
    /// A copy of everything: a backup.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self { inner: std::sync::Mutex::new(self.lock().clone()), clock: std::sync::Arc::clone(&self.clock) }
    }

    /// Writes a commit by id alone, whatever state and fence the task has: what no store may do, for a simulation to show why.
    pub fn tasks_overwrite(&self, commit: &Commit) {
        let mut inner = self.lock();
        if let Some(task) = inner.tasks.get_mut(&commit.id) {
            task.state = TaskState::Running;
            task.fence = commit.fence;
            task.open = true;
        }
        inner.file(&commit.id);
    }
}

fn group_of(task: &NewTask) -> TaskGroup {
    TaskGroup { run: task.run.clone(), queue: task.queue.clone(), group: task.group.clone() }
}

#[async_trait]
impl TaskStore for MemoryStore {
    async fn tasks_insert(&self, tasks: Vec<NewTask>) -> StoreResult<()> {
        let mut inner = self.lock();
        tasks.into_iter().for_each(|task| inner.insert(task));
        Ok(())
    }

    async fn tasks(&self, ids: &[TaskId]) -> StoreResult<Vec<Task>> {
        let inner = self.lock();
        Ok(ids.iter().filter_map(|id| inner.tasks.get(id)).cloned().collect())
    }

    async fn tasks_claim(&self, ids: &[TaskId], owner: &str, now: Millis) -> StoreResult<Vec<Task>> {
        let mut inner = self.lock();
        let mut claimed = Vec::new();
        for id in ids {
            let Some(task) = inner.tasks.get_mut(id) else { continue };
            if task.state == TaskState::Ready && task.task.not_before <= now {
                task.state = TaskState::Running;
                task.fence += 1;
                owner.clone_into(&mut task.owner);
                task.renewal = 0;
                claimed.push(task.clone());
                inner.file(id);
            }
        }
        Ok(claimed)
    }

    async fn tasks_renew(&self, claims: &[(TaskId, u64)]) -> StoreResult<()> {
        let mut inner = self.lock();
        for (id, fence) in claims {
            if let Some(task) = inner.tasks.get_mut(id)
                && task.state == TaskState::Running
                && task.fence == *fence
            {
                task.renewal += 1;
            }
        }
        Ok(())
    }

    async fn tasks_commit(&self, commits: Vec<Commit>) -> StoreResult<Vec<bool>> {
        let mut inner = self.lock();
        Ok(commits.into_iter().map(|commit| inner.commit(commit)).collect())
    }

    async fn tasks_close(&self, ids: &[TaskId]) -> StoreResult<()> {
        let mut inner = self.lock();
        for id in ids {
            if let Some(task) = inner.tasks.get_mut(id)
                && task.state.is_terminal()
            {
                task.open = false;
            }
        }
        Ok(())
    }

    async fn tasks_any_open(&self, run: &str, stage: &str) -> StoreResult<bool> {
        Ok(self.lock().all_tasks(run).any(|task| task.open && task.task.stage == stage))
    }

    async fn tasks_groups(
        &self,
        run: &str,
        queue: &str,
        after: Option<&str>,
        limit: usize,
    ) -> StoreResult<Vec<String>> {
        let inner = self.lock();
        let group = |group: &str| TaskGroup { run: run.to_owned(), queue: queue.to_owned(), group: group.to_owned() };
        // the least text above that of the last group: a group is left behind in one step, however large
        let mut from = (group(&after.map(|after| format!("{after}\0")).unwrap_or_default()), String::new());
        let mut groups = Vec::new();
        while groups.len() < limit
            && let Some((next, _)) = inner.ready.range(from..).next()
            && (next.run.as_str(), next.queue.as_str()) == (run, queue)
        {
            groups.push(next.group.clone());
            from = (group(&format!("{}\0", next.group)), String::new());
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
        let inner = self.lock();
        let from = (Bound::Excluded((group.clone(), after.to_owned())), Bound::Unbounded);
        let ids = inner.ready.range(from).take_while(|(of, _)| of == group).map(|(_, id)| id);
        let due = ids.filter_map(|id| inner.tasks.get(id)).filter(|task| task.task.not_before <= now);
        Ok(due.take(limit).map(|task| ReadyTask { id: task.task.id.clone(), fence: task.fence }).collect())
    }

    async fn tasks_open(&self, run: &str, state: TaskState, after: &str, limit: usize) -> StoreResult<Vec<Task>> {
        let inner = self.lock();
        let open = inner.tasks_after(run, after).filter(|task| task.open && task.state == state);
        Ok(open.take(limit).cloned().collect())
    }

    async fn tasks_of(&self, run: &str, stage: Option<&str>, after: &str, limit: usize) -> StoreResult<Vec<Task>> {
        let inner = self.lock();
        let of = inner.tasks_after(run, after).filter(|task| stage.is_none_or(|stage| task.task.stage == stage));
        Ok(of.take(limit).cloned().collect())
    }

    async fn tasks_cancel(&self, run: &str) -> StoreResult<u64> {
        let mut inner = self.lock();
        let mut cancelled = 0;
        for id in inner.runs.get(run).cloned().unwrap_or_default() {
            if let Some(task) = inner.tasks.get_mut(&id)
                && task.state == TaskState::Ready
            {
                task.state = TaskState::Cancelled;
                task.open = false;
                cancelled += 1;
                inner.file(&id);
            }
        }
        Ok(cancelled)
    }

    async fn tasks_count(&self, run: &str) -> StoreResult<Vec<TaskCount>> {
        let inner = self.lock();
        let mut counts: BTreeMap<(String, TaskState), u64> = BTreeMap::new();
        for task in inner.all_tasks(run) {
            *counts.entry((task.task.stage.clone(), task.state)).or_default() += 1;
        }
        Ok(counts.into_iter().map(|((stage, state), tasks)| TaskCount { stage, state, tasks }).collect())
    }

    async fn seen_claim(&self, run: &str, stage: &str, fingerprints: &[String], task: &str) -> StoreResult<Vec<bool>> {
        let mut inner = self.lock();
        let seen = inner.seen.entry(run.to_owned()).or_default();
        let mut ours = Vec::with_capacity(fingerprints.len());
        for fingerprint in fingerprints {
            let claim = seen.entry((stage.to_owned(), fingerprint.clone())).or_insert_with(|| task.to_owned());
            ours.push(claim == task);
        }
        Ok(ours)
    }

    async fn seen_count(&self, run: &str, stage: &str) -> StoreResult<u64> {
        let inner = self.lock();
        let seen = inner.seen.get(run).into_iter().flat_map(BTreeMap::keys);
        Ok(seen.filter(|(of, _)| of == stage).count() as u64)
    }

    async fn batches_put(&self, batches: Vec<(String, Vec<u8>)>) -> StoreResult<()> {
        let mut inner = self.lock();
        for (id, bytes) in batches {
            inner.batches.entry(id).or_insert(bytes);
        }
        Ok(())
    }

    async fn batch(&self, id: &str) -> StoreResult<Option<Vec<u8>>> {
        Ok(self.lock().batches.get(id).cloned())
    }

    async fn run_purge(&self, run: &str) -> StoreResult<()> {
        let mut inner = self.lock();
        for id in inner.runs.remove(run).unwrap_or_default() {
            inner.tasks.remove(&id);
        }
        inner.ready.retain(|(group, _)| group.run != run);
        inner.seen.remove(run);
        let prefix = format!("{run}/");
        let batches = inner.batches.range(prefix.clone()..).take_while(|(id, _)| id.starts_with(&prefix));
        let ids: Vec<String> = batches.map(|(id, _)| id.clone()).collect();
        for id in ids {
            inner.batches.remove(&id);
        }
        Ok(())
    }
}
