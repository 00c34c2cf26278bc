//! Where the fields of a record came from, for messages: the selector that found nothing.

use std::collections::{BTreeMap, BTreeSet};

use jobpipe_config::spec::{CrawlSpec, read_body};
use jobpipe_core::{Plan, StageKind, StagePlan};

/// The selector or jq of each field that the crawls above `stage` extract. A field that two of them extract is left out:
/// nobody could tell which one failed.
pub(super) fn extracted_fields(plan: &Plan, stage: &StagePlan) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut ambiguous = BTreeSet::new();
    for crawl in crawls_above(plan, stage) {
        let Ok(spec) = read_body::<CrawlSpec>(crawl) else { continue };
        for (name, extract) in spec.extract.iter().filter(|(_, extract)| extract.fields.is_empty()) {
            if found.insert(name.clone(), extract.to_string()).is_some() {
                ambiguous.insert(name.clone());
            }
        }
    }
    found.retain(|name, _| !ambiguous.contains(name));
    found
}

/// The crawls whose records reach `stage` unchanged: through no other transform.
fn crawls_above<'a>(plan: &'a Plan, stage: &'a StagePlan) -> Vec<&'a StagePlan> {
    let mut found: Vec<&StagePlan> = Vec::new();
    let mut todo = vec![stage];
    while let Some(next) = todo.pop() {
        let above = next.from.iter().filter_map(|name| plan.stage(name));
        for crawl in above.filter(|above| above.kind == StageKind::Crawl) {
            if !found.iter().any(|known| known.name == crawl.name) {
                found.push(crawl);
                todo.push(crawl);
            }
        }
    }
    found
}
