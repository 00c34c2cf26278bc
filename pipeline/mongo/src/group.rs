//! Group commit: what is asked while a request of its kind is under way goes in the next one, all of it together.
//!
//! Each call stands for itself: it has its own elements, its own answers, and its own error where the server refuses one
//! of them. A crash in between may leave any part of a request applied, as it may of a call that is alone.

use futures::future::BoxFuture;
use jobpipe_core::{StoreError, StoreResult};
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Elements that calls share a request for, at most.
const MOST: usize = 500;
/// A call of so many elements is a bulk already: it waits for nobody, and nobody for it.
const LARGE: usize = 100;
/// A request that takes longer holds up nobody any more: its connection may be one that nobody answers on.
const LATE: Duration = Duration::from_secs(1);

/// One answer for each element, or why the server refused it; an error of the whole when nothing is known of any.
pub(crate) type Answers<R> = StoreResult<Vec<StoreResult<R>>>;

/// Sends a request for elements. It is polled to its end, whoever waits for it.
type Request<T, R> = Box<dyn Fn(Vec<T>) -> BoxFuture<'static, Answers<R>> + Send + Sync>;

/// The calls of one kind.
pub(crate) struct Group<T, R>(Arc<Shared<T, R>>);

struct Shared<T, R> {
    request: Request<T, R>,
    /// What an element is about, where the elements of several calls must not be about the same.
    about: fn(&T) -> Option<&str>,
    /// How long a call waits, in the queue and for its answer.
    wait: Duration,
    /// What is told to a call that has waited for so long.
    lost: StoreError,
    queue: Mutex<Queue<T, R>>,
}

struct Queue<T, R> {
    calls: VecDeque<Call<T, R>>,
    /// Somebody takes calls out until there are none.
    is_led: bool,
}

struct Call<T, R> {
    elements: Vec<T>,
    answer: oneshot::Sender<StoreResult<Vec<R>>>,
}

impl<T: Send + 'static, R: Send + 'static> Group<T, R> {
    /// A group whose `request`s end within `wait`; `lost` says that one has not. Calls with elements `about` the same go one
    /// after the other.
    pub(crate) fn new<F>(wait: Duration, lost: StoreError, about: fn(&T) -> Option<&str>, request: F) -> Self
    where
        F: Fn(Vec<T>) -> BoxFuture<'static, Answers<R>> + Send + Sync + 'static,
    {
        let queue = Mutex::new(Queue { calls: VecDeque::new(), is_led: false });
        Self(Arc::new(Shared { request: Box::new(request), about, wait: LATE + wait, lost, queue }))
    }

    /// Asks for `elements`; an answer for each, or the first error.
    ///
    /// A call that is dropped before its turn is not sent; one that is under way is, as if its answer had been lost.
    pub(crate) async fn ask(&self, elements: Vec<T>) -> StoreResult<Vec<R>> {
        if elements.is_empty() {
            return Ok(Vec::new());
        }
        if elements.len() >= LARGE {
            return (self.0.request)(elements).await?.into_iter().collect();
        }
        let (answer, told) = oneshot::channel();
        if self.0.put(Call { elements, answer }) {
            tokio::spawn(lead(Arc::clone(&self.0)));
        }
        match timeout(self.0.wait, told).await {
            Ok(Ok(told)) => told,
            Ok(Err(_)) | Err(_) => Err(self.0.lost.clone()),
        }
    }
}

impl<T, R> Shared<T, R> {
    fn lock(&self) -> MutexGuard<'_, Queue<T, R>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True when nobody leads, so that the caller must see to it.
    fn put(&self, call: Call<T, R>) -> bool {
        let mut queue = self.lock();
        queue.calls.push_back(call);
        !std::mem::replace(&mut queue.is_led, true)
    }

    /// The calls of the next request; `None` when there are none, and then nobody leads any more.
    fn next(&self) -> Option<Vec<Call<T, R>>> {
        let mut queue = self.lock();
        let (mut calls, mut later) = (Vec::new(), VecDeque::new());
        let (mut count, mut named) = (0, HashSet::new());
        for call in std::mem::take(&mut queue.calls).into_iter().filter(|call| !call.answer.is_closed()) {
            let all = count + call.elements.len();
            let mut about = call.elements.iter().filter_map(self.about);
            if !calls.is_empty() && (all > MOST || about.any(|name| named.contains(name))) {
                later.push_back(call);
                continue;
            }
            count = all;
            named.extend(call.elements.iter().filter_map(self.about).map(str::to_owned));
            calls.push(call);
        }
        queue.calls = later;
        queue.is_led = !calls.is_empty();
        queue.is_led.then_some(calls)
    }
}

async fn lead<T: Send + 'static, R: Send + 'static>(shared: Arc<Shared<T, R>>) {
    loop {
        // those that are about to ask come along
        tokio::task::yield_now().await;
        let Some(calls) = shared.next() else { return };
        let sent = tokio::spawn(send(Arc::clone(&shared), calls));
        // a late one goes on by itself
        let _ended_or_late = timeout(LATE, sent).await;
    }
}

async fn send<T, R>(shared: Arc<Shared<T, R>>, calls: Vec<Call<T, R>>) {
    let mut elements = Vec::new();
    let mut waiting = Vec::with_capacity(calls.len());
    for call in calls {
        waiting.push((call.elements.len(), call.answer));
        elements.extend(call.elements);
    }
    let mut told = (shared.request)(elements).await.map(Vec::into_iter);
    for (count, answer) in waiting {
        let own = match &mut told {
            Ok(told) => {
                let own: Vec<StoreResult<R>> = told.by_ref().take(count).collect();
                own.into_iter().collect()
            }
            Err(error) => Err(error.clone()),
        };
        // nobody waits any more: it stands all the same, as the port says of an answer that was lost
        drop(answer.send(own));
    }
}

#[cfg(test)]
mod tests;
