//! Messages that nobody can work on: parked, or dead with a reason.

use crate::hints::{hints, named, receive, tags};
use crate::place::{self, LONG, Raw};
use jobpipe_amqp::AmqpBroker;
use jobpipe_core::{Broker, DeadHint};
use lapin::options::{BasicGetOptions, BasicRejectOptions};
use std::time::Duration;

/// Asks until there are so many dead letters.
pub(crate) async fn dead(broker: &AmqpBroker, count: usize) -> Vec<DeadHint> {
    let asks = async {
        loop {
            let dead = broker.dead(10).await.unwrap();
            if dead.len() >= count {
                return dead;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, asks).await.unwrap_or_else(|_| panic!("{count} dead letters never came"))
}

#[tokio::test]
async fn an_unknown_version_parks_and_does_not_stop_the_queue() {
    let _guard = place::beside_others().await;
    let settings = place::settings();
    let broker = place::connect(&place::url(), &settings).await;
    broker.publish(hints(1)).await.unwrap();
    let raw = Raw::connect(&place::url(), &settings).await;
    for at in 0..200 {
        raw.publish("q.normal", format!(r#"{{"v":2,"at":{at}}}"#).as_bytes()).await;
    }
    broker.publish(named("after", 1)).await.unwrap();
    let got = receive(&broker, 2).await;
    assert_eq!(got[1].hint.task, "after 0", "more of them than the prefetch do not stand in the way");
    broker.ack("q", &tags(&got)).await.unwrap();
    raw.until_count("parked", 200).await;
    assert!(broker.dead(1).await.unwrap().is_empty());
    broker.close().await;
    raw.until_count("q.normal", 0).await;
}

#[tokio::test]
async fn what_nobody_wrote_is_a_dead_letter() {
    let _guard = place::beside_others().await;
    let settings = place::settings();
    let broker = place::connect(&place::url(), &settings).await;
    broker.publish(hints(1)).await.unwrap();
    let raw = Raw::connect(&place::url(), &settings).await;
    raw.publish("q.normal", b"\xff\x00 hello").await;
    assert_eq!(receive(&broker, 1).await.len(), 1);
    let got = dead(&broker, 1).await;
    assert_eq!(got[0].hint, None);
    assert!(got[0].reason.contains("no hint"), "{}", got[0].reason);
}

#[tokio::test]
async fn a_dead_letter_comes_again_with_its_reason_until_it_is_settled() {
    let _guard = place::beside_others().await;
    let settings = place::settings();
    let broker = place::connect(&place::url(), &settings).await;
    broker.publish(hints(1)).await.unwrap();
    let raw = Raw::connect(&place::url(), &settings).await;
    raw.publish("q.normal", "{ \"résumé\"".as_bytes()).await;
    let got = receive(&broker, 1).await;
    broker.park("q", &got[0], "of a later release").await.unwrap();
    let first = dead(&broker, 1).await;
    assert_eq!((first.len(), &first[0].hint), (1, &None));
    assert!(first[0].reason.contains("no hint"), "{}", first[0].reason);

    let again = dead(&broker, 1).await;
    assert_eq!((&again[0].hint, &again[0].reason), (&first[0].hint, &first[0].reason), "it was not settled");
    broker.settle_dead(&tags_of(&first)).await.unwrap();
    let again = dead(&broker, 1).await;
    assert_eq!(again.len(), 1, "a settlement of before settles nothing now");
    broker.settle_dead(&tags_of(&again)).await.unwrap();
    broker.settle_dead(&tags_of(&again)).await.unwrap();
    broker.close().await;
    raw.until_count("dead", 0).await;
    raw.until_count("parked", 1).await;
    raw.until_count("q.normal", 0).await;
}

fn tags_of(dead: &[DeadHint]) -> Vec<u64> {
    dead.iter().map(|dead| dead.tag).collect()
}

#[tokio::test]
async fn what_the_broker_gives_up_has_the_brokers_reason() {
    let _guard = place::beside_others().await;
    let settings = place::settings();
    let broker = place::connect(&place::url(), &settings).await;
    broker.publish(hints(1)).await.unwrap();
    let raw = Raw::connect(&place::url(), &settings).await;
    let channel = raw.channel().await;
    let got = channel.basic_get(raw.name("q.normal").into(), BasicGetOptions::default()).await.unwrap().unwrap();
    got.delivery.reject(BasicRejectOptions { requeue: false }).await.unwrap();
    let dead = dead(&broker, 1).await;
    assert_eq!(dead[0].hint, Some(hints(1).remove(0)));
    assert!(dead[0].reason.starts_with("a worker rejected it (rejected, queue "), "{}", dead[0].reason);
}
