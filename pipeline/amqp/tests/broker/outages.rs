//! A broker that is away, silent or short of memory.

use crate::hints::{hints, named, receive, tags};
use crate::place::{self, LONG};
use crate::proxy::Proxy;
use jobpipe_amqp::{AmqpBroker, AmqpSettings, BrokerState};
use jobpipe_core::Broker;
use std::time::Duration;
use tokio::time::{Instant, timeout};

async fn publish_until_it_works(broker: &AmqpBroker, name: &str) {
    let publishes = async { while broker.publish(named(name, 1)).await.is_err() {} };
    timeout(LONG, publishes).await.expect("publishing works again");
}

#[tokio::test]
async fn says_that_it_is_away_and_comes_back() {
    let _guard = place::beside_others().await;
    let settings = AmqpSettings { patience: Duration::from_millis(100), ..place::settings() };
    let proxy = Proxy::before(&place::url()).await;
    let broker = place::connect(proxy.url(), &settings).await;
    broker.publish(hints(1)).await.unwrap();
    receive(&broker, 1).await;
    proxy.refuse(true);
    proxy.cut();
    let away = || matches!(broker.state(), BrokerState::Reconnecting { why, .. } if why.contains("127.0.0.1"));
    place::until("the state tells it", away).await;
    let address = proxy.address().to_string();
    let state = broker.state().to_string();
    assert!(state.contains("reconnecting") && state.contains(&address), "{state}");
    for error in [
        broker.publish(hints(1)).await.unwrap_err(),
        broker.receive("q", 1).await.unwrap_err(),
        broker.dead(1).await.unwrap_err(),
    ] {
        assert!(error.message.contains(&address) || error.message.contains("nothing comes"), "{error}");
    }
    proxy.refuse(false);
    publish_until_it_works(&broker, "after").await;
    let got = receive(&broker, 2).await;
    assert!(got.iter().any(|delivery| delivery.hint.task == "after 0"));
    assert_eq!(broker.state(), BrokerState::Connected);
}

#[tokio::test]
async fn a_connection_that_swallows_everything_is_given_up() {
    let _guard = place::beside_others().await;
    let settings = AmqpSettings {
        heartbeat: Duration::from_secs(600),
        probe_every: Duration::from_millis(100),
        confirm_timeout: Duration::from_secs(1),
        patience: Duration::from_millis(100),
        ..place::settings()
    };
    let proxy = Proxy::before(&place::url()).await;
    let broker = place::connect(proxy.url(), &settings).await;
    broker.publish(hints(1)).await.unwrap();
    receive(&broker, 1).await;
    proxy.swallow(true);
    let noticed = || matches!(broker.state(), BrokerState::Reconnecting { .. });
    place::until("the watchdog notices", noticed).await;
    // what is in the pipe stays lost: only new connections are let through
    proxy.cut();
    proxy.swallow(false);
    publish_until_it_works(&broker, "after").await;
    receive(&broker, 2).await;
}

/// Gives the broker its memory back, however the test ends.
struct Starved;

impl Drop for Starved {
    fn drop(&mut self) {
        place::ctl(&["set_vm_memory_high_watermark", "0.4"]);
    }
}

#[tokio::test]
async fn a_blocked_broker_is_told_and_still_gives_hints() {
    let _alone = place::alone().await;
    let settings = AmqpSettings {
        patience: Duration::from_millis(200),
        confirm_timeout: Duration::from_secs(1),
        probe_every: Duration::from_millis(100),
        ..place::settings()
    };
    let broker = place::connect(&place::own_url(), &settings).await;
    broker.publish(hints(5)).await.unwrap();
    let starved = Starved;
    place::ctl(&["set_vm_memory_high_watermark", "0.0001"]);
    // the broker tells it to who publishes: the first may still get through, or not be answered
    let told = async {
        loop {
            if let Err(error) = broker.publish(named("blocked", 1)).await
                && error.message.contains("takes no")
            {
                return error;
            }
        }
    };
    let error = timeout(LONG, told).await.expect("a blocked broker is told");
    assert!(error.message.contains("memory"), "the broker's words: {error}");
    let BrokerState::Blocked { why, .. } = broker.state() else { panic!("{}", broker.state()) };
    assert!(why.contains("memory"), "{why}");
    let got = receive(&broker, 5).await;
    broker.ack("q", &tags(&got)).await.unwrap();
    assert!(broker.depth("q").await.is_ok(), "counting goes over the other connection");
    assert!(matches!(broker.state(), BrokerState::Blocked { .. }), "the connection was kept: {}", broker.state());

    drop(starved);
    place::until("the broker takes messages again", || broker.state() == BrokerState::Connected).await;
    broker.publish(named("after", 1)).await.unwrap();
    let last = async { while !receive(&broker, 1).await.iter().any(|delivery| delivery.hint.task == "after 0") {} };
    timeout(LONG, last).await.unwrap();
}

#[tokio::test]
async fn a_restarted_broker_is_used_again_within_ten_seconds() {
    let _alone = place::alone().await;
    // the reconnects of production
    let settings = AmqpSettings { prefix: place::settings().prefix, ..AmqpSettings::default() };
    let broker = place::connect(&place::own_url(), &settings).await;
    broker.publish(hints(3)).await.unwrap();
    let before = receive(&broker, 1).await;
    place::ctl(&["stop_app"]);
    place::until("the state tells it", || matches!(broker.state(), BrokerState::Reconnecting { .. })).await;
    broker.ack("q", &tags(&before)).await.unwrap();
    place::ctl(&["start_app"]);
    let open = Instant::now();
    publish_until_it_works(&broker, "after").await;
    let got = receive(&broker, 4).await;
    let took = open.elapsed();
    assert!(got.iter().any(|delivery| delivery.hint.task == "after 0"));
    assert!(took < Duration::from_secs(10), "{took:?}");
    println!("used again {took:.1?} after the broker's start");
}
