//! The cursor: how far a clean run has read its source.

use crate::cx::Cx;
use crate::docs::RunDoc;
use crate::error::Result;
use crate::layout::Layout;
use crate::sabotage::Rule;
use jobpipe_core::utc_text;
use serde_json::Value as Json;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The cursor after a clean run: for each stage the highest value seen, but never past the time when the run began
/// (the source may have changed behind the page that was read), and never backwards.
pub(crate) async fn advance(
    cx: &Cx,
    layout: &Layout,
    run: &RunDoc,
    since: &BTreeMap<String, Json>,
) -> Result<BTreeMap<String, Json>> {
    let mut highest: BTreeMap<String, Json> = BTreeMap::new();
    let mut after = String::new();
    loop {
        let tasks = cx.store.tasks_of(&run.open.facts.run, None, &after, cx.settings.page).await?;
        let Some(last) = tasks.last() else { break };
        after.clone_from(&last.task.id);
        for (stage, value) in tasks.iter().filter_map(|task| task.result.as_ref()).flat_map(|result| &result.cursors) {
            if layout.plan.stage(stage).is_some() {
                raise(&mut highest, stage, value.clone());
            }
        }
    }
    let began = utc_text(run.open.facts.started_at / 1_000 * 1_000);
    let mut new = since.clone();
    for (stage, value) in highest {
        let value = if cx.keeps(Rule::SinceCap) { cap(value, &began) } else { value };
        raise(&mut new, &stage, value);
    }
    Ok(new)
}

fn raise(map: &mut BTreeMap<String, Json>, stage: &str, value: Json) {
    let higher = map.get(stage).is_none_or(|old| order(old, &value) == Ordering::Less);
    if higher {
        map.insert(stage.to_owned(), value);
    }
}

/// A time in the future of the run's beginning becomes that beginning; what is not a time stays.
fn cap(value: Json, began: &str) -> Json {
    match &value {
        Json::String(text) => match (text.parse::<jiff::Timestamp>(), began.parse::<jiff::Timestamp>()) {
            (Ok(time), Ok(limit)) if time > limit => Json::String(began.to_owned()),
            _ => value,
        },
        _ => value,
    }
}

fn order(left: &Json, right: &Json) -> Ordering {
    match (left, right) {
        (Json::Number(left), Json::Number(right)) => {
            left.as_f64().partial_cmp(&right.as_f64()).unwrap_or(Ordering::Equal)
        }
        (Json::String(left), Json::String(right)) => {
            match (left.parse::<jiff::Timestamp>(), right.parse::<jiff::Timestamp>()) {
                (Ok(left), Ok(right)) => left.cmp(&right),
                _ => left.cmp(right),
            }
        }
        // another type of value than before: the new one is what the source gives now
        _ => Ordering::Less,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_compare_as_times_and_are_capped() {
        assert_eq!(order(&json!("2026-01-01T02:00:00+02:00"), &json!("2026-01-01T00:30:00Z")), Ordering::Less);
        assert_eq!(order(&json!(2), &json!(10)), Ordering::Less);
        let began = "2026-01-01T00:00:00Z";
        assert_eq!(cap(json!("2027-01-01T00:00:00Z"), began), json!(began));
        assert_eq!(cap(json!("2025-01-01T00:00:00Z"), began), json!("2025-01-01T00:00:00Z"));
        assert_eq!(cap(json!(17), began), json!(17));
        let mut map = BTreeMap::from([("a".to_owned(), json!(5))]);
        raise(&mut map, "a", json!(3));
        assert_eq!(map["a"], json!(5));
    }
}
