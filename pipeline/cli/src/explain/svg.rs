//! The DAG as a picture: stages in columns by their distance from a source, lines from column to column.

use super::graph::{edges, label};
use crate::terminal::cut;
use jobpipe_core::{Plan, StageKind};
use std::fmt::Write;

const BOX_WIDTH: usize = 210;
const BOX_HEIGHT: usize = 66;
const GAP_X: usize = 70;
const GAP_Y: usize = 24;
const MARGIN: usize = 20;
/// Characters of a line in a box.
const LINE: usize = 28;

const STYLE: &str = "text{font:13px sans-serif;fill:#1b1f24}.name{font-weight:bold}.kind{fill:#57606a}\
.crawl{fill:#ddf4ff}.transform{fill:#fff8c5}.export{fill:#dafbe1}rect{stroke:#57606a}\
.edge{fill:none;stroke:#57606a;stroke-width:1.5}";

/// The picture, whole: one `<svg>` element.
pub(crate) fn svg(plan: &Plan) -> String {
    let places = places(plan);
    let columns = places.iter().map(|(column, _)| column + 1).max().unwrap_or(1);
    let rows = places.iter().map(|(_, row)| row + 1).max().unwrap_or(1);
    let width = 2 * MARGIN + columns * (BOX_WIDTH + GAP_X) - GAP_X;
    let height = 2 * MARGIN + rows * (BOX_HEIGHT + GAP_Y) - GAP_Y;
    let title = escape(&format!("The stages of {}", plan.name));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\" aria-label=\"{title}\">\n<title>{title}</title>\n<style>{STYLE}</style>\n\
         <defs><marker id=\"end\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" \
         orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#57606a\"/></marker></defs>\n"
    );
    for (from, to) in edges(plan) {
        if let (Some(from), Some(to)) = (places.get(from), places.get(to)) {
            edge(&mut out, *from, *to);
        }
    }
    for (stage, place) in plan.stages.iter().zip(&places) {
        node(&mut out, stage.kind, &label(stage), *place);
    }
    out.push_str("</svg>\n");
    out
}

/// Column and row of each stage: the column is the longest way from a source.
fn places(plan: &Plan) -> Vec<(usize, usize)> {
    let mut columns: Vec<usize> = Vec::with_capacity(plan.stages.len());
    for stage in &plan.stages {
        let before = plan.stages.iter().zip(&columns).filter(|(other, _)| stage.from.contains(&other.name));
        columns.push(before.map(|(_, column)| column + 1).max().unwrap_or(0));
    }
    let mut used = vec![0; plan.stages.len()];
    let mut place = |column: usize| {
        let row = used.get(column).copied().unwrap_or(0);
        if let Some(used) = used.get_mut(column) {
            *used += 1;
        }
        (column, row)
    };
    columns.into_iter().map(&mut place).collect()
}

fn corner((column, row): (usize, usize)) -> (usize, usize) {
    (MARGIN + column * (BOX_WIDTH + GAP_X), MARGIN + row * (BOX_HEIGHT + GAP_Y))
}

// Writing to a String cannot fail.
fn edge(out: &mut String, from: (usize, usize), to: (usize, usize)) {
    let ((x1, y1), (x2, y2)) = (corner(from), corner(to));
    let (x1, y1, y2) = (x1 + BOX_WIDTH, y1 + BOX_HEIGHT / 2, y2 + BOX_HEIGHT / 2);
    let bend = GAP_X / 2;
    let _infallible = writeln!(
        out,
        "<path class=\"edge\" marker-end=\"url(#end)\" d=\"M{x1} {y1}C{} {y1} {} {y2} {x2} {y2}\"/>",
        x1 + bend,
        x2 - bend,
    );
}

fn node(out: &mut String, kind: StageKind, label: &[String], place: (usize, usize)) {
    let (x, y) = corner(place);
    let class = match kind {
        StageKind::Crawl => "crawl",
        StageKind::Transform => "transform",
        StageKind::Export => "export",
    };
    let _infallible = writeln!(
        out,
        "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{BOX_WIDTH}\" height=\"{BOX_HEIGHT}\" rx=\"8\"/>"
    );
    for (at, line) in label.iter().take(3).enumerate() {
        let class = if at == 0 { "name" } else { "kind" };
        let text = escape(&cut(line, LINE));
        let _infallible =
            writeln!(out, "<text class=\"{class}\" x=\"{}\" y=\"{}\">{text}</text>", x + 12, y + 20 + at * 18);
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
