//! The engine: the one place that decides what is written in which order. See `docs/durability.md`.
//!
//! It knows plans, tasks, heads and ledger rows, and reaches everything else through the ports of `jobpipe-core`.

pub mod admin;
pub mod admission;
pub mod compute;
pub mod docs;
pub mod event;
pub mod failpoint;
pub mod layout;
pub mod sabotage;
pub mod scheduler;
pub mod sweep;
pub mod workers;

mod batch;
mod cancelled;
mod closing;
mod cursor;
mod cx;
mod dead_hints;
mod dispatch;
mod drain;
mod epoch;
mod error;
mod execute;
mod files;
mod fleet_limiter;
mod gate;
mod gone;
mod heads;
mod known;
mod leases;
mod named;
mod patience;
mod relay;
mod repair;
mod rest;
mod retention;
mod scale;
mod settle;
mod sort;
mod take;
mod unfit;
mod versions;
mod worker;

pub use cancelled::close_cancelled;
pub use cx::{Cx, EngineSettings, Heard, News, Settling, WhenUnfit};
pub use dispatch::Dispatch;
pub use epoch::renew as renew_epoch;
pub use error::{EngineError, Result};
pub use fleet_limiter::FleetLimiter;
pub use repair::forget as forget_letters;
pub use worker::{serve, serve_schedules};
