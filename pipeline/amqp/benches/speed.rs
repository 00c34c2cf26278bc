//! How fast hints go through a broker: `AMQP_URL=… cargo bench -p jobpipe-amqp`. Quorum queues, every hint confirmed,
//! mandatory, and acked.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use jobpipe_amqp::{AmqpBroker, AmqpSettings};
use jobpipe_core::{Broker, Hint};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const HINTS: usize = 20_000;
const ROUND_TRIPS: usize = 500;

fn hint(at: usize) -> Hint {
    Hint { task: format!("{at:064}"), run: "import@2026-11-23T00:00".to_owned(), queue: "q".to_owned() }
}

fn rate(what: &str, count: usize, since: Instant) {
    let took = since.elapsed();
    println!("{what:<38} {:>8.0}/s", count as f64 / took.as_secs_f64());
}

async fn drain(broker: &AmqpBroker, count: usize) {
    let mut left = count;
    while left > 0 {
        let got = broker.receive("q", 64).await.unwrap();
        left -= got.len().min(left);
        let tags: Vec<u64> = got.iter().map(|delivery| delivery.tag).collect();
        broker.ack("q", &tags).await.unwrap();
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let Ok(url) = std::env::var("AMQP_URL") else {
        println!("AMQP_URL must name a RabbitMQ (scripts/rabbitmq start FOLDER prints one)");
        return;
    };
    let prefix = format!("bench-{:08x}", rand::random::<u32>());
    let settings = AmqpSettings { prefix, prefetch: 256, depth_every: Duration::from_secs(1), ..Default::default() };
    let broker = Arc::new(AmqpBroker::connect(&[url], settings).await.unwrap());
    broker.publish(vec![hint(0)]).await.unwrap();
    drain(&broker, 1).await;

    let begun = Instant::now();
    for chunk in 0..HINTS / 1_000 {
        broker.publish((0..1_000).map(|at| hint(chunk * 1_000 + at)).collect()).await.unwrap();
    }
    rate("publish, confirmed, 1,000 a call", HINTS, begun);
    let begun = Instant::now();
    drain(&broker, HINTS).await;
    rate("receive and ack", HINTS, begun);

    let begun = Instant::now();
    let publishing = tokio::spawn({
        let broker = Arc::clone(&broker);
        async move {
            for at in 0..HINTS / 100 {
                broker.publish((0..100).map(|one| hint(at * 100 + one)).collect()).await.unwrap();
            }
        }
    });
    drain(&broker, HINTS).await;
    publishing.await.unwrap();
    rate("both at once, 100 a call", HINTS, begun);

    let mut times = Vec::with_capacity(ROUND_TRIPS);
    for at in 0..ROUND_TRIPS {
        let begun = Instant::now();
        broker.publish(vec![hint(at)]).await.unwrap();
        drain(&broker, 1).await;
        times.push(begun.elapsed());
    }
    times.sort();
    println!("round trip of one: p50 {:.1?}, p99 {:.1?}", times[ROUND_TRIPS / 2], times[ROUND_TRIPS * 99 / 100]);
    let begun = Instant::now();
    for _ in 0..ROUND_TRIPS {
        broker.depth("q").await.unwrap();
    }
    println!("depth: {:.1?} each on average", begun.elapsed() / 500);
    broker.close().await;
}
