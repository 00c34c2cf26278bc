//! What a hint may rely on while connections break and queues go away.

use crate::place::{self, LONG, Raw};
use crate::proxy::Proxy;
use jobpipe_amqp::{AmqpBroker, AmqpSettings, BrokerState};
use jobpipe_core::{Broker, Delivery, Hint, Priority};
use rand::{Rng, SeedableRng};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

pub(crate) fn hints(count: usize) -> Vec<Hint> {
    named("task", count)
}

pub(crate) fn named(name: &str, count: usize) -> Vec<Hint> {
    let one = |at| Hint { task: format!("{name} {at}"), run: "r@1".to_owned(), queue: "q".to_owned() };
    (0..count).map(one).collect()
}

pub(crate) fn tags(deliveries: &[Delivery]) -> Vec<u64> {
    deliveries.iter().map(|delivery| delivery.tag).collect()
}

/// Receives until there are so many, repeated ones counted too.
pub(crate) async fn receive(broker: &AmqpBroker, count: usize) -> Vec<Delivery> {
    let mut all = Vec::new();
    let receives = async {
        while all.len() < count {
            // a consumer that is away says so after a while: what is awaited here is that it comes back
            if let Ok(some) = broker.receive("q", count - all.len()).await {
                all.extend(some);
            }
        }
    };
    timeout(LONG, receives).await.expect("hints that were published come");
    all
}

fn tasks(deliveries: &[Delivery]) -> BTreeSet<String> {
    deliveries.iter().map(|delivery| delivery.hint.task.clone()).collect()
}

#[tokio::test]
async fn a_lost_confirm_is_told_as_unknown_and_may_be_repeated() {
    let _guard = place::beside_others().await;
    let settings = place::settings();
    let proxy = Proxy::before(&place::url()).await;
    let near = Arc::new(place::connect(proxy.url(), &settings).await);
    let far = place::connect(&place::url(), &settings).await;
    near.publish(hints(1)).await.unwrap();
    assert_eq!(receive(&far, 1).await.len(), 1);

    proxy.mute(true);
    let publishing = tokio::spawn({
        let near = Arc::clone(&near);
        async move { near.publish(hints(1)).await }
    });
    let got = receive(&far, 1).await;
    assert!(!publishing.is_finished(), "no confirm has come");
    proxy.cut();
    let error = timeout(LONG, publishing).await.unwrap().unwrap().unwrap_err();
    assert!(error.message.contains("unknown whether the broker has 1 message"), "{error}");

    proxy.mute(false);
    let again = async { while near.publish(hints(1)).await.is_err() {} };
    timeout(LONG, again).await.expect("publishing works again");
    assert_eq!(tasks(&receive(&far, 1).await), tasks(&got), "the same hint twice");
}

#[tokio::test]
async fn hints_without_an_ack_come_again_and_late_acks_change_nothing() {
    let _guard = place::beside_others().await;
    let settings = place::settings();
    let proxy = Proxy::before(&place::url()).await;
    let broker = place::connect(proxy.url(), &settings).await;
    broker.publish(hints(3)).await.unwrap();
    let first = receive(&broker, 3).await;
    proxy.cut();
    let second = receive(&broker, 3).await;
    assert_eq!(tasks(&second), tasks(&first));
    assert!(tags(&second).iter().all(|tag| !tags(&first).contains(tag)), "a tag names one delivery");

    broker.ack("q", &tags(&first)).await.unwrap();
    proxy.cut();
    let third = receive(&broker, 3).await;
    assert_eq!(tasks(&third), tasks(&first), "an ack for a delivery of before acks nothing");

    broker.ack("q", &tags(&third)).await.unwrap();
    broker.close().await;
    assert_eq!(broker.state(), BrokerState::Closed);
    let raw = Raw::connect(&place::url(), &settings).await;
    raw.until_count("q.normal", 0).await;
    let other = place::connect(&place::url(), &settings).await;
    other.publish(named("last", 1)).await.unwrap();
    assert_eq!(receive(&other, 1).await[0].hint.task, "last 0", "what was acked is gone");
}

#[tokio::test]
async fn no_confirmed_hint_is_lost_while_connections_break() {
    let _guard = place::beside_others().await;
    let mut chance = rand::rngs::StdRng::seed_from_u64(20_261_123);
    let settings = AmqpSettings { prefetch: 16, window: 8, ..place::settings() };
    let proxy = Proxy::before(&place::url()).await;
    let broker = Arc::new(place::connect(proxy.url(), &settings).await);
    let count = 400;
    let consuming = tokio::spawn({
        let broker = Arc::clone(&broker);
        async move {
            let mut told = BTreeSet::new();
            while told.len() < count {
                let Ok(got) = broker.receive("q", 8).await else { continue };
                broker.ack("q", &tags(&got)).await.unwrap();
                told.extend(tasks(&got));
            }
            told
        }
    });
    let publishing = async {
        for chunk in named("task", count).chunks(10) {
            let doubt = chance.random_bool(0.2);
            proxy.mute(doubt);
            let publish = tokio::spawn({
                let (broker, chunk) = (Arc::clone(&broker), chunk.to_vec());
                async move { while broker.publish(chunk.clone()).await.is_err() {} }
            });
            if doubt || chance.random_bool(0.2) {
                // somewhere in the middle of it
                for _ in 0..chance.random_range(0..20) {
                    tokio::task::yield_now().await;
                }
                proxy.cut();
            }
            proxy.mute(false);
            publish.await.unwrap();
        }
    };
    timeout(LONG, publishing).await.expect("publishing goes on");
    let told = timeout(LONG, consuming).await.expect("every hint that was confirmed is told").unwrap();
    assert_eq!(told.len(), count);
}

#[tokio::test]
async fn a_closed_broker_gives_back_what_it_fetched() {
    let _guard = place::beside_others().await;
    let settings = place::settings();
    let one = place::connect(&place::url(), &settings).await;
    one.publish(hints(20)).await.unwrap();
    assert_eq!(one.receive("q", 1).await.unwrap().len(), 1);
    one.close().await;
    let two = place::connect(&place::url(), &settings).await;
    assert_eq!(tasks(&receive(&two, 20).await).len(), 20);
    assert!(one.publish(hints(1)).await.is_err());
}

#[tokio::test]
async fn deleted_queues_come_back() {
    let _guard = place::beside_others().await;
    let settings = AmqpSettings { depth_every: Duration::ZERO, ..place::settings() };
    let broker = place::connect(&place::url(), &settings).await;
    broker.publish(hints(1)).await.unwrap();
    let raw = Raw::connect(&place::url(), &settings).await;
    raw.delete("q.normal").await;
    broker.publish(hints(2)).await.unwrap();
    assert_eq!(broker.depth("q").await.unwrap(), 2, "the first was lost with its queue");
    assert_eq!(receive(&broker, 2).await.len(), 2);

    raw.delete("q.normal").await;
    raw.delete("q.low").await;
    broker.publish(hints(1)).await.unwrap();
    assert_eq!(receive(&broker, 1).await.len(), 1, "the consumer comes back");
    raw.delete("q.high").await;
    let counts = async { while broker.depth("q").await.is_err() {} };
    timeout(LONG, counts).await.unwrap();
}

#[tokio::test]
async fn the_depth_follows_other_processes() {
    let _guard = place::beside_others().await;
    let settings = AmqpSettings { depth_every: Duration::from_millis(50), ..place::settings() };
    let broker = place::connect(&place::url(), &settings).await;
    let other = place::connect(&place::url(), &settings).await;
    assert_eq!(broker.depth("q").await.unwrap(), 0);
    other.publish(hints(5)).await.unwrap();
    let sees = |count| {
        let broker = &broker;
        async move { while broker.depth("q").await.unwrap() != count {} }
    };
    timeout(LONG, sees(5)).await.expect("what another process published is seen");
    let got = receive(&other, 5).await;
    other.ack("q", &tags(&got)).await.unwrap();
    timeout(LONG, sees(0)).await.expect("what another process took is seen");
}

#[tokio::test]
async fn priorities_are_weighted_and_none_starves() {
    let _guard = place::beside_others().await;
    // all of them fit into this process, so that no round trip to the broker decides whose turn it is
    let settings = AmqpSettings { prefetch: 1_000, depth_every: Duration::ZERO, ..place::settings() };
    let broker = place::connect(&place::url(), &settings).await;
    broker.publish(named("first", 1)).await.unwrap();
    let first = receive(&broker, 1).await;
    broker.ack("q", &tags(&first)).await.unwrap();
    let each = 300;
    for (name, priority) in [("low", Priority::Low), ("normal", Priority::Normal), ("high", Priority::High)] {
        broker.publish_at(priority, named(name, each)).await.unwrap();
    }
    let raw = Raw::connect(&place::url(), &settings).await;
    for lane in ["q.low", "q.normal", "q.high"] {
        raw.until_count(lane, 0).await;
    }
    let here = async { while broker.depth("q").await.unwrap() < 3 * each {} };
    timeout(LONG, here).await.expect("all of them are in this process");
    let mut order = Vec::new();
    while order.len() < 3 * each {
        let got = receive(&broker, 5).await;
        broker.ack("q", &tags(&got)).await.unwrap();
        order.extend(got.into_iter().map(|delivery| delivery.hint.task));
    }
    assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), 3 * each, "each once");
    let place_of = |task: String| order.iter().position(|told| *told == task).unwrap();
    let high_done = place_of(format!("high {}", each - 1));
    let count = |name: &str| order[..high_done].iter().filter(|task| task.starts_with(name)).count();
    let (normal, low) = (count("normal"), count("low"));
    // of ten turns high has six, normal three and low one
    assert!((480..=520).contains(&high_done), "{high_done}");
    assert!((145..=155).contains(&normal) && (48..=52).contains(&low), "{normal}, {low}");
}

#[tokio::test]
async fn a_hint_that_is_too_large_is_refused_before_anything_is_sent() {
    let _guard = place::beside_others().await;
    let broker = place::connect(&place::url(), &place::settings()).await;
    let mut all = hints(2);
    all[1].run = "r".repeat(2_000);
    let error = broker.publish(all).await.unwrap_err();
    assert!(error.message.contains("over the limit"), "{error}");
    let mut long = hints(1);
    long[0].queue = "q".repeat(300);
    assert!(broker.publish(long).await.unwrap_err().message.contains("too long"));
    assert!(broker.depth(&"q".repeat(300)).await.is_err());
}
