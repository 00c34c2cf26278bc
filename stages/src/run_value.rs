//! What expressions see as `$run`.

use jobpipe_core::{RunFacts, utc_text};
use serde_json::{Value as Json, json};

/// `$run`: the run's id, import and number, when it was admitted (in UTC), and the chosen environment.
#[must_use]
pub fn run_value(facts: &RunFacts, env: Option<&str>) -> Json {
    let started = utc_text(facts.started_at);
    let (date, time) = started.split_once('T').unwrap_or((&started, ""));
    let time = time.get(..8).unwrap_or(time);
    json!({
        "id": facts.run,
        "import": facts.import,
        "seq": facts.seq,
        "date": date,
        "time": time,
        "started": started,
        "env": env,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_dated_in_utc() {
        let facts = RunFacts {
            import: "acme".into(),
            run: "acme@1".into(),
            seq: 3,
            started_at: 1_795_000_000_123,
            since: Default::default(),
            limit: None,
        };
        let run = run_value(&facts, Some("demo"));
        assert_eq!(
            (&run["date"], &run["time"], &run["env"]),
            (&json!("2026-11-18"), &json!("11:06:40"), &json!("demo"))
        );
        assert_eq!(run["started"], "2026-11-18T11:06:40.123Z");
        assert_eq!(run_value(&facts, None)["env"], Json::Null);
    }
}
