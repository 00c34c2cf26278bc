//! A plan in the long form: what `jobpipe explain` prints.

mod yaml;

use crate::spec::{CrawlSpec, ExtractSpec, FacebookSpec, GoneSpec, Ordered, TargetSpec, TransformSpec};
use jobpipe_core::{Plan, StageKind, StagePlan};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

/// The plan as an import file in the long form, every default written out. Compiled again it gives the same plan, and
/// so the same hash. Secrets are references in it, as in the file.
#[must_use]
pub fn to_long_form(plan: &Plan) -> String {
    let mut file = Map::new();
    file.insert("name".to_owned(), json!(plan.name));
    if let Some(schedule) = &plan.schedule {
        file.insert("schedule".to_owned(), schedule.clone());
    }
    let stages = plan.stages.iter().map(|stage| (stage.name.clone(), stage_form(stage)));
    file.insert("stages".to_owned(), Json::Object(stages.collect()));
    yaml::write(&Json::Object(file))
}

fn stage_form(stage: &StagePlan) -> Json {
    let mut out = Map::new();
    if !stage.from.is_empty() {
        out.insert("from".to_owned(), json!(stage.from));
    }
    out.insert("queue".to_owned(), json!(stage.queue));
    let (key, body) = match stage.kind {
        StageKind::Crawl => ("crawl", crawl_form(&stage.body)),
        StageKind::Transform => ("transform", transform_form(&stage.body)),
        StageKind::Export => ("export", export_form(&stage.body)),
    };
    // A body of another version is shown as it is: better than nothing to look at.
    out.insert(key.to_owned(), body.unwrap_or_else(|| stage.body.clone()));
    Json::Object(out)
}

fn crawl_form(body: &Json) -> Option<Json> {
    let spec = CrawlSpec::deserialize(body).ok()?;
    let mut form = body.clone();
    if !spec.extract.is_empty() {
        form.as_object_mut()?.insert("extract".to_owned(), extract_form(&spec.extract));
    }
    Some(form)
}

/// The fields of `extract`, each as its one line.
fn extract_form(fields: &Ordered<ExtractSpec>) -> Json {
    let line = |(name, spec): (&String, &ExtractSpec)| {
        let form = if spec.selector.is_none() && spec.jq.is_none() {
            extract_form(&spec.fields)
        } else {
            Json::String(spec.to_string())
        };
        (name.clone(), form)
    };
    Json::Object(fields.iter().map(line).collect())
}

fn transform_form(body: &Json) -> Option<Json> {
    let spec = TransformSpec::deserialize(body).ok()?;
    let mut form = body.clone();
    if spec.gone == GoneSpec::default() {
        form.as_object_mut()?.insert("gone".to_owned(), json!("none"));
    }
    Some(form)
}

fn export_form(body: &Json) -> Option<Json> {
    let Ok(spec) = FacebookSpec::deserialize(body) else {
        return Some(body.clone());
    };
    let mut form = body.clone();
    let pages: Vec<Json> = spec.pages.iter().map(page_form).collect();
    form.as_object_mut()?.insert("facebook".to_owned(), Json::Array(pages));
    Some(form)
}

/// A page written out has its own values beside its id.
fn page_form(page: &TargetSpec) -> Json {
    match page {
        TargetSpec::Named(text) => json!(text),
        TargetSpec::Inline(page) => {
            let mut out = Map::new();
            out.insert("id".to_owned(), json!(page.id));
            out.insert("token".to_owned(), json!(page.token));
            if let Some(name) = &page.name {
                out.insert("name".to_owned(), json!(name));
            }
            out.extend(page.vars.iter().map(|(name, value)| (name.clone(), json!(value))));
            Json::Object(out)
        }
    }
}
