//! What tests leave on servers that outlive them: those that were given by their URLs.

use super::{Servers, with_database};
use lapin::options::QueueDeleteOptions;
use lapin::{Connection, ConnectionProperties};

/// Queues that imports of tests name.
const QUEUES: [&str; 3] = ["crawl", "transform", "export"];

impl Drop for Servers {
    /// Drops the database and deletes its queues. Whoever works on them has ended before.
    fn drop(&mut self) {
        let given = |variable: &str| std::env::var(variable).ok();
        let database = self.store.split(['/', '?']).nth(3).unwrap_or_default().to_owned();
        let store = given("MONGODB_URL").filter(|url| with_database(url, &database) == self.store);
        let broker = given("AMQP_URL").filter(|url| *url == self.broker);
        if std::thread::panicking() || (store.is_none() && broker.is_none()) {
            return;
        }
        let store = store.map(|_| self.store.clone());
        // a runtime of its own: that of the test may be ending
        let cleaning = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                if let Some(url) = store {
                    let client = mongodb::Client::with_uri_str(&url).await.unwrap();
                    client.default_database().unwrap().drop().await.unwrap();
                }
                if let Some(url) = broker {
                    delete_queues(&url, &database).await;
                }
            });
        });
        cleaning.join().unwrap();
    }
}

/// Deletes the queues of the state of this name; one that is not there is deleted as well.
async fn delete_queues(broker: &str, state: &str) {
    let connection = Connection::connect(broker, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let lanes = QUEUES.iter().flat_map(|queue| ["high", "normal", "low"].map(|lane| format!("{queue}.{lane}")));
    for rest in lanes.chain(["dead", "parked"].map(str::to_owned)) {
        let name = format!("{state}.v1.{rest}");
        channel.queue_delete(name.into(), QueueDeleteOptions::default()).await.unwrap();
    }
    connection.close(200, "done".into()).await.unwrap();
}
