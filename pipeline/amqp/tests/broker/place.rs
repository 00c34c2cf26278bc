//! A broker to test on, and a prefix for each test.

use jobpipe_amqp::{AmqpBroker, AmqpSettings};
use lapin::options::{BasicPublishOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;
use tokio::sync::RwLock;

/// What any wait of a test may take before it has failed.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// Held for reading by who uses the broker, for writing by who stops or starves it.
static ALONE: RwLock<()> = RwLock::const_new(());

/// Keeps others from disturbing the broker, or from being disturbed. With the last one the queues of all of them go, where
/// the broker outlives this program.
pub(crate) struct Guard {
    _held: tokio::sync::RwLockReadGuard<'static, ()>,
}

/// How many guards there are, and the prefixes and queues that were used under them.
static USED: Mutex<(usize, BTreeSet<(String, String)>)> = Mutex::new((0, BTreeSet::new()));

/// Until this is dropped, nobody stops the broker.
pub(crate) async fn beside_others() -> Guard {
    let held = ALONE.read().await;
    USED.lock().unwrap().0 += 1;
    Guard { _held: held }
}

/// A queue is used that is not `q`.
pub(crate) fn uses(prefix: &str, queue: &str) {
    USED.lock().unwrap().1.insert((prefix.to_owned(), queue.to_owned()));
}

impl Drop for Guard {
    fn drop(&mut self) {
        let left = {
            let mut used = USED.lock().unwrap();
            used.0 -= 1;
            if used.0 == 0 { std::mem::take(&mut used.1) } else { BTreeSet::new() }
        };
        let Some(url) = std::env::var("AMQP_URL").ok().filter(|_| !left.is_empty() && !std::thread::panicking()) else {
            return;
        };
        // a runtime of its own: that of the test may be ending
        let deleting = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(delete(&url, left));
        });
        deleting.join().unwrap();
    }
}

/// Deletes these queues; one that is not there is deleted as well.
async fn delete(url: &str, queues: BTreeSet<(String, String)>) {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    for (prefix, queue) in queues {
        let lanes = ["high", "normal", "low"].map(|lane| format!("{queue}.{lane}"));
        for rest in lanes.into_iter().chain(["dead".to_owned(), "parked".to_owned()]) {
            let name = format!("{prefix}.v1.{rest}");
            channel.queue_delete(name.into(), QueueDeleteOptions::default()).await.unwrap();
        }
    }
    connection.close(200, "done".into()).await.unwrap();
}

/// Until this is dropped, nobody else uses the broker.
pub(crate) async fn alone() -> tokio::sync::RwLockWriteGuard<'static, ()> {
    ALONE.write().await
}

fn script(args: &[&str]) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/rabbitmq");
    let output = Command::new(path).args(args).output();
    let output = output.unwrap_or_else(|error| panic!("{path} cannot be run: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "scripts/rabbitmq {args:?} failed; or set AMQP_URL to a RabbitMQ for tests\n{said}"
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The folder of a broker that may be stopped: that of `scripts/test`, or one that ends with this process.
pub(crate) fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        if let Some(folder) = std::env::var_os("JOBPIPE_RABBITMQ") {
            return PathBuf::from(folder);
        }
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("rabbitmq-of-the-broker-tests");
        // what an earlier process left may be half stopped
        script(&["stop", folder.to_str().unwrap()]);
        std::fs::remove_dir_all(&folder).unwrap();
        script(&["start", folder.to_str().unwrap(), &std::process::id().to_string()]);
        folder
    })
}

/// The URL of the broker in [`folder`].
pub(crate) fn own_url() -> String {
    script(&["url", folder().to_str().unwrap()])
}

/// The URL of the broker in [`folder`] over TLS.
pub(crate) fn tls_url() -> String {
    script(&["tls", folder().to_str().unwrap()])
}

/// `rabbitmqctl` for the broker in [`folder`].
pub(crate) fn ctl(args: &[&str]) -> String {
    let mut all = vec!["ctl", folder().to_str().unwrap()];
    all.extend(args);
    script(&all)
}

/// The URL to test on.
pub(crate) fn url() -> String {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| std::env::var("AMQP_URL").unwrap_or_else(|_| own_url())).clone()
}

/// Settings with a prefix that nobody else has, and less patience than in production.
pub(crate) fn settings() -> AmqpSettings {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let at = COUNT.fetch_add(1, Ordering::Relaxed);
    let prefix = format!("test-{:08x}-{at}", rand::random::<u32>());
    uses(&prefix, "q");
    AmqpSettings {
        prefix,
        reconnect_first: Duration::from_millis(20),
        reconnect_most: Duration::from_millis(200),
        ..AmqpSettings::default()
    }
}

/// A broker at this URL.
pub(crate) async fn connect(url: &str, settings: &AmqpSettings) -> AmqpBroker {
    AmqpBroker::connect(&[url.to_owned()], settings.clone()).await.unwrap()
}

/// Looks until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let looks = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, looks).await.unwrap_or_else(|_| panic!("never came: {what}"));
}

/// The broker as another program sees it.
pub(crate) struct Raw {
    connection: Connection,
    prefix: String,
}

impl Raw {
    pub(crate) async fn connect(url: &str, settings: &AmqpSettings) -> Self {
        let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
        Self { connection, prefix: settings.prefix.clone() }
    }

    pub(crate) async fn channel(&self) -> lapin::Channel {
        self.connection.create_channel().await.unwrap()
    }

    /// The broker's name of a queue, as documented.
    pub(crate) fn name(&self, rest: &str) -> String {
        format!("{}.v1.{rest}", self.prefix)
    }

    pub(crate) async fn publish(&self, rest: &str, body: &[u8]) {
        let channel = self.channel().await;
        channel.confirm_select(Default::default()).await.unwrap();
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let name = self.name(rest).into();
        let sent = channel.basic_publish("".into(), name, options, body, BasicProperties::default()).await.unwrap();
        assert_eq!(sent.await.unwrap(), lapin::Confirmation::Ack(None));
    }

    /// Messages that wait in a queue; `None` when it is not there.
    pub(crate) async fn count(&self, rest: &str) -> Option<u32> {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let declared = self.channel().await.queue_declare(self.name(rest).into(), passive, FieldTable::default()).await;
        declared.ok().map(|queue| queue.message_count())
    }

    /// Waits until a queue has so many messages.
    pub(crate) async fn until_count(&self, rest: &str, count: u32) {
        let looks = async {
            while self.count(rest).await != Some(count) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LONG, looks).await.unwrap_or_else(|_| panic!("{rest} never had {count}"));
    }

    pub(crate) async fn delete(&self, rest: &str) {
        let channel = self.channel().await;
        channel.queue_delete(self.name(rest).into(), QueueDeleteOptions::default()).await.unwrap();
    }
}
