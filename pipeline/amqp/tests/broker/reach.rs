//! Reaching a broker: addresses, credentials, TLS; and what is said when it cannot be reached.

use crate::aside::dead;
use crate::hints::{hints, receive, tags};
use crate::place::{self, Raw};
use jobpipe_amqp::{AmqpBroker, AmqpSettings, BrokerState};
use jobpipe_core::Broker;
use std::time::Duration;
use tokio::net::TcpListener;

/// A URL of a port where nothing listens.
async fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("amqp://someone:hunter2@{}/v", listener.local_addr().unwrap())
}

#[tokio::test]
async fn tries_each_address() {
    let _guard = place::beside_others().await;
    let urls = [nowhere().await, place::url(), nowhere().await];
    let broker = AmqpBroker::connect(&urls, place::settings()).await.unwrap();
    broker.publish(hints(1)).await.unwrap();
    assert_eq!(receive(&broker, 1).await.len(), 1);
    assert_eq!(broker.state(), BrokerState::Connected);
    assert!(!format!("{broker:?}").contains("hunter2"));
}

#[tokio::test]
async fn says_what_each_address_answered_and_no_password() {
    let urls = [nowhere().await, nowhere().await];
    let error =
        AmqpBroker::connect(&urls, AmqpSettings { connect_timeout: Duration::from_millis(200), ..place::settings() })
            .await
            .unwrap_err();
    for url in &urls {
        let port = url::Url::parse(url).unwrap().port().unwrap();
        assert!(error.message.contains(&format!("127.0.0.1:{port}/v: Connection refused")), "{error}");
    }
    assert!(!error.message.contains("hunter2") && !error.message.contains("someone"), "{error}");
}

#[tokio::test]
async fn says_why_a_login_or_a_virtual_host_is_refused() {
    let _guard = place::beside_others().await;
    let settings = AmqpSettings { connect_timeout: Duration::from_secs(3), ..place::settings() };
    let mut url = url::Url::parse(&place::url()).unwrap();
    url.set_password(Some("hunter2")).unwrap();
    let error = AmqpBroker::connect(&[url.to_string()], settings.clone()).await.unwrap_err();
    assert!(error.message.contains("ACCESS_REFUSED") && !error.message.contains("hunter2"), "{error}");

    let mut url = url::Url::parse(&place::url()).unwrap();
    url.set_path("/no-such-host");
    let error = AmqpBroker::connect(&[url.to_string()], settings).await.unwrap_err();
    assert!(error.message.contains("no-such-host") && error.message.contains("not found"), "{error}");
}

#[tokio::test]
async fn refuses_what_can_never_work() {
    let open = |urls: &[&str], settings: AmqpSettings| {
        let urls: Vec<String> = urls.iter().map(|url| (*url).to_owned()).collect();
        AmqpBroker::open(&urls, settings).map(|_| ()).unwrap_err().message
    };
    assert!(open(&[], place::settings()).contains("no URL"));
    assert!(open(&["http://localhost"], place::settings()).contains("amqp://"));
    let settings = AmqpSettings { prefix: "a.b".to_owned(), ..place::settings() };
    assert!(open(&["amqp://localhost"], settings).contains("prefix"));
    let settings = AmqpSettings { window: 0, ..place::settings() };
    assert!(open(&["amqp://localhost"], settings).contains("window"));
}

/// A user of the broker in [`place::folder`], gone with this value.
struct User(String);

impl User {
    fn with(name: &str, configure: &str, prefix: &str) -> Self {
        let own = format!("^{prefix}\\.v1\\.");
        place::ctl(&["add_user", name, "few"]);
        place::ctl(&["set_permissions", "-p", "/", name, configure, &format!("{own}|^amq\\.default$"), &own]);
        Self(name.to_owned())
    }

    fn url(&self) -> String {
        let mut url = url::Url::parse(&place::own_url()).unwrap();
        url.set_username(&self.0).unwrap();
        url.set_password(Some("few")).unwrap();
        url.to_string()
    }
}

impl Drop for User {
    fn drop(&mut self) {
        place::ctl(&["delete_user", &self.0]);
    }
}

#[tokio::test]
async fn needs_few_rights() {
    let _guard = place::beside_others().await;
    let settings = place::settings();
    let maker =
        User::with(&format!("{}-maker", settings.prefix), &format!("^{}\\.v1\\.", settings.prefix), &settings.prefix);
    let broker = place::connect(&maker.url(), &settings).await;
    broker.publish(hints(1)).await.unwrap();
    let raw = Raw::connect(&maker.url(), &settings).await;
    raw.publish("q.normal", b"no hint").await;
    let got = receive(&broker, 1).await;
    broker.ack("q", &tags(&got)).await.unwrap();
    assert_eq!(dead(&broker, 1).await.len(), 1);
    broker.close().await;

    let user = User::with(&format!("{}-user", settings.prefix), "^$", &settings.prefix);
    let broker = place::connect(&user.url(), &settings).await;
    broker.publish(hints(1)).await.unwrap();
    assert_eq!(receive(&broker, 1).await.len(), 1);
    assert_eq!(broker.depth("q").await.unwrap(), 0);
    let error = broker.depth("other").await.unwrap_err();
    assert!(error.message.contains("ACCESS_REFUSED") && error.message.contains("v1.other.high"), "{error}");
}

#[tokio::test]
async fn speaks_tls_with_a_broker_whose_authority_it_knows() {
    let _guard = place::beside_others().await;
    let ca = std::fs::read_to_string(place::folder().join("tls/ca.pem")).unwrap();
    let url = place::tls_url();
    assert!(url.starts_with("amqps://"), "{url}");
    let settings = AmqpSettings { ca_pem: Some(ca), ..place::settings() };
    let broker = place::connect(&url, &settings).await;
    broker.publish(hints(3)).await.unwrap();
    assert_eq!(receive(&broker, 3).await.len(), 3);

    let stranger = AmqpSettings { ca_pem: None, connect_timeout: Duration::from_secs(3), ..place::settings() };
    let error = AmqpBroker::connect(&[url], stranger).await.unwrap_err();
    assert!(error.message.contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_broker_that_never_speaks_is_given_up_and_leaves_nothing_behind() {
    let _alone = place::alone().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("amqp://{}", listener.local_addr().unwrap());
    let before = threads();
    let settings = AmqpSettings { connect_timeout: Duration::from_millis(100), ..place::settings() };
    let broker = AmqpBroker::open(&[url], settings).unwrap();
    let mut held = Vec::new();
    for _ in 0..20 {
        held.push(listener.accept().await.unwrap());
    }
    assert!(broker.state().to_string().contains("no connection within 100ms"), "{}", broker.state());
    broker.close().await;
    place::until("the threads of the given up connections end", || threads() <= before).await;
}

/// Threads of the client library in this process.
fn threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("lapin")).count()
}
