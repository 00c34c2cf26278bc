//! Views of a plan: text, and pictures of its DAG.

mod graph;
mod svg;
mod text;

pub(crate) use graph::{dot, mermaid};
pub(crate) use svg::svg;
pub(crate) use text::text;

use jobpipe_core::{Feed, StageKind, StagePlan};
use serde_json::Value as Json;

/// What kind of stage it is, in two words: `crawl html`, `export jsonl`.
fn kind(stage: &StagePlan) -> String {
    let kind = match stage.kind {
        StageKind::Crawl => "crawl",
        StageKind::Transform => "transform",
        StageKind::Export => "export",
    };
    if stage.kind == StageKind::Transform { kind.to_owned() } else { format!("{kind} {}", stage.connector) }
}

/// Where an export goes: its pages or its file. `None` for other stages.
fn goes_to(stage: &StagePlan) -> Option<String> {
    if stage.kind != StageKind::Export {
        return None;
    }
    let place = stage.body.get(stage.connector.as_str())?;
    Some(match place {
        Json::Array(pages) => pages.iter().map(page).collect::<Vec<_>>().join(", "),
        Json::String(path) => path.clone(),
        other => other.to_string(),
    })
}

/// A page as people call it; never its token.
fn page(page: &Json) -> String {
    let named = |key: &str| page.get(key).and_then(Json::as_str).map(str::to_owned);
    page.as_str().map(str::to_owned).or_else(|| named("name")).or_else(|| named("id")).unwrap_or_default()
}

/// What an export is fed with, in words.
fn feed(feed: Feed) -> &'static str {
    match feed {
        Feed::Batches => "batches as they come",
        Feed::Run => "the records of the run, at its end",
        Feed::Snapshot => "all that is current, at the end of a run",
        Feed::Changes => "what a run made new, changed or gone, at its end",
        Feed::Heads => "what is wanted now, compared with what each target has",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two crawls, a transform, a file and two pages.
    const IMPORT: &str = r#"
name: acme
stages:
  site:
    crawl: { html: "https://acme.test/jobs", pages: a.next, links: a.job, extract: { title: h1, url: "link @href" } }
  api:
    crawl: { json: "https://api.acme.test/jobs", items: .data, rate: 5/s }
  clean:
    from: [site, api]
    transform: { key: .url, require: [title] }
  pages:
    from: clean
    export: { facebook: [acme-paris, acme-lyon], message: "$title <now>", link: .url }
  archive:
    from: clean
    export: { jsonl: "out/acme.jsonl" }
"#;

    fn plan() -> jobpipe_core::Plan {
        let checked = jobpipe_config::check(IMPORT, "import.yml");
        checked.plan.unwrap_or_else(|| panic!("{:#?}", checked.diagnostics))
    }

    #[test]
    fn the_text_tells_stages_chains_ledgers_and_targets() {
        insta::assert_snapshot!(text(&plan()));
    }

    /// Neither the keys of a page nor its token stand where its name is expected.
    #[test]
    fn a_page_written_out_is_told_by_its_name() {
        let import = "name: acme\nschedule: [daily 06:00, { every: 2h, jitter: 1m }]\ncrawl: { json: ./x.json }\n\
                      transform: { key: .id }\nexport:\n  facebook: [acme-paris, { id: \"1001\", token: $FB_TOKEN, lang: fr }]\n\
                      \x20 message: $title\n";
        let checked = jobpipe_config::check(import, "import.yml");
        let told = text(&checked.plan.unwrap_or_else(|| panic!("{:#?}", checked.diagnostics)));
        assert!(told.contains("  facebook  acme-paris, 1001\n"), "{told}");
        assert!(told.contains("  schedule daily 06:00, every 2h, jitter 1m\n"), "{told}");
        assert!(!told.contains("token"), "{told}");
    }

    #[test]
    fn the_dag_is_drawn_for_mermaid_and_graphviz() {
        insta::assert_snapshot!(format!("{}\n{}", mermaid(&plan()), dot(&plan())));
    }

    #[test]
    fn the_picture_is_whole_and_shows_text_as_text() {
        let svg = svg(&plan());
        insta::assert_snapshot!(svg);
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert_eq!(svg.matches("<rect").count(), 5, "a box for each stage");
        assert_eq!(svg.matches("<path class=\"edge\"").count(), 4, "a line for each edge");
    }
}
