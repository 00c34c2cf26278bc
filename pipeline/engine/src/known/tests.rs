//! For how long what was read is good.

#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::relay::tests::{cx, insert_run};
use async_trait::async_trait;
use jobpipe_conformance::MemoryStore;
use jobpipe_core::{Clock, Millis};
use std::sync::Mutex;

/// A clock that is set by hand.
#[derive(Default)]
struct Hand(Mutex<Duration>);

#[async_trait]
impl Clock for Hand {
    fn now(&self) -> Millis {
        0
    }
    fn monotonic(&self) -> Duration {
        *self.0.lock().unwrap()
    }
    async fn sleep(&self, time: Duration) {
        *self.0.lock().unwrap() += time;
    }
}

async fn change<T: docs::Kept + serde::de::DeserializeOwned + Clone>(
    cx: &Cx,
    kind: DocKind,
    id: &str,
    change: impl Fn(&mut T),
) {
    let read: Read<T> = docs::read(&*cx.store, kind, id).await.unwrap().unwrap();
    let mut new = read.doc.clone();
    change(&mut new);
    assert!(docs::replace(&*cx.store, &*cx.ids, kind, id, &read, new).await.unwrap().is_some());
}

#[tokio::test]
async fn the_end_of_a_run_is_seen_within_a_second_and_a_look_is_shared() {
    let clock = Arc::new(Hand::default());
    let cx = Cx { clock: Arc::clone(&clock) as _, ..cx(&Arc::new(MemoryStore::new())) };
    insert_run(&cx, RunState::Open).await;
    assert!(!cx.is_over("acme@1").await.unwrap());
    clock.sleep(LOOK / 2).await;
    change::<RunDoc>(&cx, DocKind::Run, "acme@1", |run| run.state = RunState::Closed).await;
    assert!(!cx.is_over("acme@1").await.unwrap(), "one look does for all tasks of a moment");
    clock.sleep(LOOK / 2).await;
    assert!(cx.is_over("acme@1").await.unwrap());
    // in a store that was put back it may be open again
    change::<RunDoc>(&cx, DocKind::Run, "acme@1", |run| run.state = RunState::Open).await;
    clock.sleep(LOOK).await;
    assert!(!cx.is_over("acme@1").await.unwrap());
}

#[tokio::test]
async fn the_cancelled_runs_before_a_run_are_read_once_and_those_of_another_anew() {
    let cx = cx(&Arc::new(MemoryStore::new()));
    insert_run(&cx, RunState::Open).await;
    let add = |seq| change::<ImportDoc>(&cx, DocKind::Import, "acme", move |import| _ = import.cancelled.insert(seq));
    add(7).await;
    let admitted = cx.admitted("acme@1").await.unwrap();
    assert_eq!(admitted.cancelled(&cx).await.unwrap(), &BTreeSet::from([7]));
    add(8).await;
    assert_eq!(cx.admitted("acme@1").await.unwrap().cancelled(&cx).await.unwrap(), &BTreeSet::from([7]));
    let another = Cx { known: Mutex::default(), ..cx };
    let admitted = another.admitted("acme@1").await.unwrap();
    assert_eq!(admitted.cancelled(&another).await.unwrap(), &BTreeSet::from([7, 8]));
}

#[test]
fn what_is_known_of_definitions_is_bounded_and_keeps_those_in_use() {
    let mut known = Known::default();
    let layout = || Arc::new(Layout::new(Plan { name: "acme".into(), stages: Vec::new(), schedule: None }));
    let used = layout();
    known.keep("used", &used);
    for number in 0..3 * MOST_LAYOUTS {
        known.keep(&number.to_string(), &layout());
        assert!(known.layouts.len() <= MOST_LAYOUTS && known.layouts.contains_key(&number.to_string()));
    }
    assert!(known.layouts.contains_key("used"));
    let all: Vec<Arc<Layout>> = (0..2 * MOST_LAYOUTS).map(|_| layout()).collect();
    for (number, layout) in all.iter().enumerate() {
        known.keep(&format!("all-{number}"), layout);
        assert!(known.layouts.len() <= MOST_LAYOUTS, "although all are in use");
    }
}
