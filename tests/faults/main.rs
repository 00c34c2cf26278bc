//! Real processes, real servers on loopback, real `kill -9`: what no simulation of ours can prove.
//!
//! Each test is one id of the fault table and prints one FAULT line ([`line`]). Plain `cargo test` runs a short form;
//! `scripts/faults` sets `JOBPIPE_FAULTS=full` and runs the sizes that the ids name. `JOBPIPE_FAULTS_SEED=N` repeats a run.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::print_stdout, reason = "the FAULT lines are what these tests are for")]
#![allow(unreachable_pub, reason = "shared by the modules of one test program")]
#![allow(clippy::disallowed_methods, reason = "real processes live in real time")]

mod chance;
mod line;
mod process;
#[path = "../e2e/scene/project.rs"]
mod project;
mod scene;
mod sizes;
mod soak;
mod store;
mod t01_kills;
mod t06_torn_wal;
mod t09_failpoints;
mod t10_errs_after_executing;
mod t12_poison;
mod t14_orders;
mod t16_disk_full;
mod t21_empty_and_half;

use sizes::{alone, full, size};
