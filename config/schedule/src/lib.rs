//! Schedules: what an import's `schedule:` says, and the slots that it means.
//!
//! Pure: no clock, no files. Time zones come with the binary, so that all schedulers of one version compute the same
//! slots. A [`Slot`] is an instant; who runs an import in it, and once only, is not decided here.

mod calendar;
mod cron;
mod describe;
mod document;
mod duration;
mod error;
mod jitter;
mod limits;
mod line;
mod policy;
mod rule;
mod schedule;
mod zone;

pub use document::KEYS;
pub use duration::{parse_duration, write_duration};
pub use error::ScheduleError;
pub use jitter::jitter;
pub use policy::{CatchUp, Overlap, Policy};
pub use rule::{Rule, Shift, Slot};
pub use schedule::Schedule;
pub use zone::Zone;
