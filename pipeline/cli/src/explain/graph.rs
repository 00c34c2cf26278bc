//! The DAG for other programs to draw.

use super::{goes_to, kind};
use jobpipe_core::{Plan, StageKind, StagePlan};

/// For Mermaid (in Markdown, say).
pub(crate) fn mermaid(plan: &Plan) -> String {
    let mut out = "flowchart LR\n".to_owned();
    for (at, stage) in plan.stages.iter().enumerate() {
        let (open, close) = match stage.kind {
            StageKind::Crawl => ("([", "])"),
            StageKind::Transform => ("[", "]"),
            StageKind::Export => ("[/", "/]"),
        };
        let lines: Vec<String> = label(stage).iter().map(|line| mermaid_text(line)).collect();
        out.push_str(&format!("  s{at}{open}\"{}\"{close}\n", lines.join("<br>")));
    }
    for (from, to) in edges(plan) {
        out.push_str(&format!("  s{from} --> s{to}\n"));
    }
    out
}

/// For Graphviz.
pub(crate) fn dot(plan: &Plan) -> String {
    let mut out = format!("digraph {} {{\n  rankdir=LR;\n  node [fontname=\"sans-serif\"];\n", dot_text(&plan.name));
    for (at, stage) in plan.stages.iter().enumerate() {
        let shape = match stage.kind {
            StageKind::Crawl => "ellipse",
            StageKind::Transform => "box",
            StageKind::Export => "folder",
        };
        out.push_str(&format!("  s{at} [shape={shape}, label={}];\n", dot_text(&label(stage).join("\n"))));
    }
    for (from, to) in edges(plan) {
        out.push_str(&format!("  s{from} -> s{to};\n"));
    }
    out.push_str("}\n");
    out
}

/// Name, kind, and where an export goes.
pub(super) fn label(stage: &StagePlan) -> Vec<String> {
    let mut lines = vec![stage.name.clone(), kind(stage)];
    lines.extend(goes_to(stage));
    lines
}

/// Pairs of places in the plan.
pub(super) fn edges(plan: &Plan) -> Vec<(usize, usize)> {
    let place = |name: &String| plan.stages.iter().position(|stage| stage.name == *name);
    let into = |(to, stage): (usize, &StagePlan)| {
        let from: Vec<(usize, usize)> = stage.from.iter().filter_map(place).map(|from| (from, to)).collect();
        from
    };
    plan.stages.iter().enumerate().flat_map(into).collect()
}

fn mermaid_text(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '"' => out.push_str("#quot;"),
            '#' => out.push_str("#35;"),
            '<' => out.push_str("#lt;"),
            '>' => out.push_str("#gt;"),
            other => out.push(other),
        }
    }
    out
}

fn dot_text(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}
