//! The variables of a run, as every expression of a stage sees them.

use jobpipe_core::{RunFacts, utc_text};
use jobpipe_expr::Vars;

use crate::run_value::run_value;

/// `$now` (to the second, so that it compares with dates) and `$run`.
pub(crate) fn run_vars(facts: &RunFacts, env: Option<&str>) -> Vars {
    let now = utc_text(facts.started_at - facts.started_at.rem_euclid(1_000));
    Vars::new().with("now", now).with("run", run_value(facts, env))
}
