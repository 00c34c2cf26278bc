//! Several workers, a real RabbitMQ and a real server of MongoDB's protocol, and what goes wrong between them.
//!
//! Each test is one id of the fault table and prints one FAULT line. Plain `cargo test` runs a short form; `scripts/faults`
//! runs the sizes that the ids name. `JOBPIPE_FAULTS_SEED=N` repeats a run. The broker is this program's own, for it is
//! stopped and emptied.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::print_stdout, reason = "the FAULT lines are what these tests are for")]
#![allow(unreachable_pub, dead_code, reason = "shared by the modules of several test programs")]
#![allow(clippy::disallowed_methods, reason = "real processes live in real time")]

#[path = "../faults/chance.rs"]
mod chance;
mod fleet;
#[path = "../faults/line.rs"]
mod line;
#[path = "../faults/process.rs"]
mod process;
#[path = "../e2e/scene/project.rs"]
mod project;
#[path = "../../pipeline/amqp/tests/broker/proxy.rs"]
mod proxy;
mod rabbitmq;
mod rate;
#[path = "../e2e/servers/mod.rs"]
mod servers;
#[path = "../faults/sizes.rs"]
mod sizes;
#[path = "../e2e/support/mod.rs"]
mod support;

mod t01_kills;
mod t03_broker_restarts;
mod t04_queues_vanish;
mod t05_store_stops;
mod t07_network;
mod t08_zombie;
mod t11_schedulers;
mod t13_hints_thrice;
mod t17_deploy;
mod t18_barrier;
mod t19_rolling;
