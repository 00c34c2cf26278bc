//! A Graph API on loopback: what the `facebook` sink talks to in the sandbox and in tests.
//!
//! It keeps three promises that make it worth testing against: every executed write is in its journal before it is
//! answered, so a `kill -9` loses none; faults strike where a plan says, before or after the execution; and an
//! oracle (`/__sim/report`) knows what was really executed, whatever the client believes.
//!
//! `/vNN.N/...` is the Graph API (`api/`), `/__sim/...` are the oracle, the faults and a view for people.

mod api;
mod clock;
mod connection;
mod control;
mod faults;
mod journal;
mod oracle;
mod server;
mod settings;
mod state;
mod view;

pub use faults::{FaultError, FaultKind, FaultPlan, FaultRule, OpKind, When};
pub use journal::JournalError;
pub use oracle::{Expectation, ExpectedPost, MarkerReport, PageReport, Report, Totals, VisiblePost};
pub use server::{FbSim, Handle, StartError};
pub use settings::{Options, PageToken, Settings, WriteLimit};
pub use state::{Effect, WriteOp};
