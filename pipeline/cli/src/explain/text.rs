//! A plan told in text: each stage with its settings, how the engine cuts it, where things go.

use super::{feed, goes_to, kind, page};
use crate::terminal::{cut, list};
use jobpipe_core::{Feed, Plan, StageKind, StagePlan};
use jobpipe_engine::layout::Layout;
use serde_json::Value as Json;

/// Characters of a value that are shown.
const VALUE: usize = 58;

/// The text.
pub(crate) fn text(plan: &Plan) -> String {
    let layout = Layout::new(plan.clone());
    let short: String = layout.hash.chars().take(12).collect();
    let mut out = format!("{}  (definition {short})\n", plan.name);
    if let Some(schedule) = &plan.schedule {
        out.push_str(&format!("  schedule {}\n", value(schedule)));
    }
    for stage in &plan.stages {
        out.push_str(&stage_text(stage));
    }
    out.push_str("\nChains: stages that run under one claim and one commit\n");
    out.push_str(&rows(&chains(&layout)));
    out.push_str("\nLedgers: what is wanted, one newest version of each record\n");
    out.push_str(&rows(&ledgers(&layout)));
    let targets = targets(&layout);
    if !targets.is_empty() {
        out.push_str("\nTargets: each is compared with its ledger and brought in step\n");
        out.push_str(&rows(&targets));
    }
    out.push_str("\nLimits\n");
    out.push_str(&rows(&limits(&layout)));
    out
}

fn rows(rows: &[Vec<String>]) -> String {
    list(rows).into_iter().map(|line| format!("  {line}\n")).collect()
}

fn stage_text(stage: &StagePlan) -> String {
    let from = if stage.from.is_empty() { String::new() } else { format!(", from {}", stage.from.join(", ")) };
    let mut out = format!("\n{}  ({}{from})\n", stage.name, kind(stage));
    let settings: Vec<Vec<String>> = stage
        .body
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, given)| !given.is_null())
        .map(|(key, given)| vec![key.clone(), cut(&value(given), VALUE)])
        .collect();
    out.push_str(&rows(&settings));
    out
}

/// A setting on one line. Pages are named without their tokens; secrets are references here as in the file.
fn value(given: &Json) -> String {
    match given {
        Json::String(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        Json::Array(items) if items.is_empty() => "none".to_owned(),
        Json::Array(items) => items.iter().map(value).collect::<Vec<_>>().join(", "),
        Json::Object(map) if map.contains_key("token") => page(given),
        Json::Object(map) if map.values().all(|inner| !inner.is_object() && !inner.is_array()) && map.len() <= 3 => {
            map.iter().map(|(key, inner)| format!("{key} {}", value(inner))).collect::<Vec<_>>().join(", ")
        }
        Json::Object(map) => map.keys().cloned().collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn chains(layout: &Layout) -> Vec<Vec<String>> {
    let mut inside: Vec<&str> = Vec::new();
    let mut chains = Vec::new();
    for stage in layout.working() {
        if inside.contains(&stage.name.as_str()) {
            continue;
        }
        let chain = layout.chain(&stage.name);
        inside.extend(chain.iter().map(|stage| stage.name.as_str()));
        let names: Vec<&str> = chain.iter().map(|stage| stage.name.as_str()).collect();
        chains.push(vec![names.join(" + "), format!("queue {}", stage.queue)]);
    }
    chains
}

fn ledgers(layout: &Layout) -> Vec<Vec<String>> {
    let line = |ledger: &jobpipe_engine::layout::Ledger| {
        let exports: Vec<&str> = layout
            .plan
            .stages
            .iter()
            .filter(|stage| stage.kind == StageKind::Export && layout.ledger_of(stage) == ledger.id)
            .map(|stage| stage.name.as_str())
            .collect();
        let gone = layout.gone_policy(ledger).map_or_else(
            || "missing records stay".to_owned(),
            |gone| {
                let runs = if gone.after == 1 { "1 run".to_owned() } else { format!("{} runs", gone.after) };
                format!("gone after {runs}, at most {:.0} % at once", gone.limit * 100.0)
            },
        );
        vec![ledger.id.clone(), format!("for {}", exports.join(", ")), gone]
    };
    layout.ledgers.iter().map(line).collect()
}

fn targets(layout: &Layout) -> Vec<Vec<String>> {
    let line = |stage: &StagePlan| vec![stage.name.clone(), goes_to(stage).unwrap_or_default(), pace(stage)];
    layout.effects().map(line).collect()
}

fn pace(stage: &StagePlan) -> String {
    match &stage.pace {
        None => "as fast as it takes".to_owned(),
        Some(pace) => {
            let cap = pace.per_day.map_or_else(String::new, |most| format!(", {most} new a day"));
            format!("{} in {} s{cap}", pace.count, crate::terminal::seconds(pace.every_ms))
        }
    }
}

fn limits(layout: &Layout) -> Vec<Vec<String>> {
    let mut limits = Vec::new();
    for stage in layout.working() {
        let mut parts = vec![format!("{} retries", stage.retry.times)];
        if let Some(tasks) = stage.concurrency {
            parts.push(format!("{tasks} tasks at once"));
        }
        if let Some(task) = stage.task {
            let time = |ms| crate::terminal::seconds(ms);
            parts.push(format!("a task ends after {} s, at most {} s", time(task.soft_ms), time(task.hard_ms)));
        }
        if stage.kind == StageKind::Crawl {
            parts.push(format!("bundles of {}", stage.bundle));
            let budget = [
                (stage.max.pages, "pages"),
                (stage.max.items, "items"),
                (stage.max.time_ms.map(|ms| ms / 1_000), "seconds"),
            ];
            parts.extend(budget.iter().filter_map(|(most, what)| most.map(|most| format!("at most {most} {what}"))));
        }
        limits.push(vec![stage.name.clone(), parts.join(", ")]);
    }
    for stage in layout.files() {
        limits.push(vec![stage.name.clone(), feed(stage.feed).to_owned()]);
    }
    for stage in layout.effects() {
        limits.push(vec![stage.name.clone(), feed(Feed::Heads).to_owned()]);
    }
    limits
}
