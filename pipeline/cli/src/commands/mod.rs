//! One file a verb.

pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod compute_child;
pub(crate) mod dead;
pub(crate) mod deploy;
pub(crate) mod explain;
pub(crate) mod failpoints;
pub(crate) mod init;
pub(crate) mod queues;
pub(crate) mod retire;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod sandbox;
pub(crate) mod schedule;
pub(crate) mod scheduler;
pub(crate) mod schema;
pub(crate) mod state;
pub(crate) mod submit;
pub(crate) mod up;
pub(crate) mod worker;
pub(crate) mod workers;
