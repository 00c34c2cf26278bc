//! Brokers: hints may be lost, doubled or reordered, but not as a rule, and waiting must end.

use super::Hints;
use jobpipe_core::{Delivery, Hint, Priority};
use std::collections::BTreeSet;
use std::time::Duration;

fn hint(queue: &str, task: &str) -> Hint {
    Hint { task: task.to_owned(), run: "r".to_owned(), queue: queue.to_owned() }
}

fn hints(queue: &str, count: usize) -> Vec<Hint> {
    (0..count).map(|at| hint(queue, &format!("task {at}"))).collect()
}

fn tags(deliveries: &[Delivery]) -> Vec<u64> {
    deliveries.iter().map(|delivery| delivery.tag).collect()
}

/// Receives until `count` different tasks were told of.
async fn gather(broker: &Hints, queue: &str, count: usize) -> BTreeSet<String> {
    let mut tasks = BTreeSet::new();
    while tasks.len() < count {
        let got = tokio::time::timeout(Duration::from_secs(60), broker.receive(queue, 16)).await;
        let got = got.expect("hints that were published must come").unwrap();
        assert!(!got.is_empty(), "at least one");
        broker.ack(queue, &tags(&got)).await.unwrap();
        tasks.extend(got.into_iter().map(|delivery| delivery.hint.task));
    }
    tasks
}

pub async fn delivers_what_was_published(broker: Hints) {
    broker.publish(vec![hint("q", "a"), hint("q", "b")]).await.unwrap();
    let got = broker.receive("q", 10).await.unwrap();
    assert_eq!(got[0].hint, hint("q", "a"), "the whole hint");
    broker.ack("q", &tags(&got)).await.unwrap();
    broker.publish(vec![hint("q", "c")]).await.unwrap();
    let missing = 3 - got.len();
    let rest = gather(&broker, "q", missing).await;
    assert!(rest.contains("c"));
}

pub async fn keeps_queues_apart(broker: Hints) {
    for queue in ["q", "q.high", "ü"] {
        broker.publish(vec![hint(queue, &format!("task of {queue}"))]).await.unwrap();
    }
    for queue in ["ü", "q.high", "q"] {
        assert_eq!(gather(&broker, queue, 1).await, [format!("task of {queue}")].into());
        assert_eq!(broker.depth(queue).await.unwrap(), 0);
    }
}

pub async fn gives_at_most_so_many(broker: Hints) {
    broker.publish(hints("q", 10)).await.unwrap();
    let first = broker.receive("q", 3).await.unwrap();
    assert!((1..=3).contains(&first.len()));
    let one = broker.receive("q", 1).await.unwrap();
    assert_eq!(one.len(), 1);
    let told: BTreeSet<u64> = tags(&first).into_iter().chain(tags(&one)).collect();
    assert_eq!(told.len(), first.len() + 1, "each delivery has a tag of its own");
}

pub async fn wakes_who_waits(broker: Hints) {
    let waiting = tokio::spawn({
        let broker = broker.clone();
        async move { broker.receive("q", 1).await.unwrap() }
    });
    tokio::task::yield_now().await;
    broker.publish(vec![hint("q", "a")]).await.unwrap();
    let got = tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("it must wake").unwrap();
    assert_eq!(got[0].hint, hint("q", "a"));
}

pub async fn wakes_who_waits_on_one_of_many_queues(broker: Hints) {
    let queues: Vec<String> = (0..8).map(|at| format!("q{at}")).collect();
    let waiting: Vec<_> = queues
        .iter()
        .map(|queue| {
            let (broker, queue) = (broker.clone(), queue.clone());
            tokio::spawn(async move { broker.receive(&queue, 1).await.unwrap() })
        })
        .collect();
    for queue in queues.iter().rev() {
        broker.publish(vec![hint(queue, "a")]).await.unwrap();
    }
    for (waiting, queue) in waiting.into_iter().zip(&queues) {
        let got = tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("it must wake").unwrap();
        assert_eq!(got[0].hint, hint(queue, "a"));
    }
}

pub async fn counts_what_waits(broker: Hints) {
    assert_eq!(broker.depth("q").await.unwrap(), 0);
    broker.publish(hints("q", 5)).await.unwrap();
    assert_eq!(broker.depth("q").await.unwrap(), 5);
    let got = broker.receive("q", 2).await.unwrap();
    assert_eq!(broker.depth("q").await.unwrap(), 5 - got.len(), "delivered ones do not count");
    broker.ack("q", &tags(&got)).await.unwrap();
    assert_eq!(broker.depth("q").await.unwrap(), 5 - got.len());
    assert_eq!(broker.depth("other").await.unwrap(), 0);
}

pub async fn takes_any_ack(broker: Hints) {
    broker.ack("never heard of", &[1, 2]).await.unwrap();
    broker.publish(hints("q", 2)).await.unwrap();
    let got = broker.receive("q", 1).await.unwrap();
    broker.ack("q", &tags(&got)).await.unwrap();
    broker.ack("q", &tags(&got)).await.unwrap();
    broker.ack("q", &[u64::MAX]).await.unwrap();
    assert_eq!(gather(&broker, "q", 1).await.len(), 1, "an ack takes nothing that was not delivered");
}

pub async fn takes_nothing(broker: Hints) {
    broker.publish(Vec::new()).await.unwrap();
    broker.ack("q", &[]).await.unwrap();
    assert_eq!(broker.depth("q").await.unwrap(), 0);
    broker.publish(hints("q", 1)).await.unwrap();
    let got = tokio::time::timeout(Duration::from_secs(60), broker.receive("q", 0)).await;
    assert_eq!(got.expect("at least one is given even when none is asked for").unwrap().len(), 1);
}

pub async fn shares_a_queue_among_eight(broker: Hints) {
    let consumers: Vec<_> = (0..8)
        .map(|_| {
            let broker = broker.clone();
            tokio::spawn(async move {
                let mut told = Vec::new();
                loop {
                    let got = broker.receive("q", 4).await.unwrap();
                    broker.ack("q", &tags(&got)).await.unwrap();
                    let end = got.iter().any(|delivery| delivery.hint.task == "end");
                    told.extend(got.into_iter().map(|delivery| delivery.hint.task).filter(|task| task != "end"));
                    if end {
                        // One `end` a consumer: those that came in one delivery are passed on.
                        return told;
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    broker.publish(hints("q", 500)).await.unwrap();
    let mut told = BTreeSet::new();
    for consumer in consumers {
        while !consumer.is_finished() {
            broker.publish(vec![hint("q", "end")]).await.unwrap();
            tokio::task::yield_now().await;
        }
        told.extend(consumer.await.unwrap());
    }
    assert_eq!(told.len(), 500, "nothing gets lost while nothing breaks");
}

pub async fn survives_a_flood(broker: Hints) {
    for _ in 0..20 {
        broker.publish(hints("q", 5_000)).await.unwrap();
    }
    assert!(broker.depth("q").await.unwrap() >= 1_000, "a dispatcher's window must fit");
    assert!(!gather(&broker, "q", 100).await.is_empty());
    broker.publish(hints("other", 1)).await.unwrap();
    assert_eq!(gather(&broker, "other", 1).await.len(), 1, "a full queue does not stop the others");
}

pub async fn loses_nothing_when_a_wait_is_given_up(broker: Hints) {
    for round in 0..20 {
        let waiting = broker.receive("q", 1);
        let gave_up = tokio::time::timeout(Duration::from_millis(1), waiting).await;
        assert!(gave_up.is_err(), "round {round}: nothing was published");
    }
    broker.publish(hints("q", 3)).await.unwrap();
    assert_eq!(gather(&broker, "q", 3).await.len(), 3);
}

pub async fn delivers_each_priority(broker: Hints) {
    for (name, priority) in [("low", Priority::Low), ("normal", Priority::Normal), ("high", Priority::High)] {
        let hints = (0..20).map(|at| hint("q", &format!("{name} {at}"))).collect();
        broker.publish_at(priority, hints).await.unwrap();
    }
    broker.publish_at(Priority::Low, Vec::new()).await.unwrap();
    assert_eq!(broker.depth("q").await.unwrap(), 60, "all of them wait in one queue");
    assert_eq!(gather(&broker, "q", 60).await.len(), 60, "and none of them for ever");
    assert_eq!(broker.depth("q").await.unwrap(), 0);
}
