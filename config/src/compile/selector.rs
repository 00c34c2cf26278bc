//! CSS selectors: checked, and told apart from what other tools write.

use crate::diagnostic::{Problem, codes};
use crate::reader::{At, Cx};
use scraper::Selector;
use std::ops::Range;

/// Whether `text`, at bytes `range` of the scalar at `at`, is a CSS selector; reported when not.
pub(super) fn check(cx: &mut Cx<'_>, at: &At<'_>, text: &str, range: Range<usize>) -> bool {
    let source = cx.source();
    let span = |part: Range<usize>| {
        at.node.locate(source, range.start + part.start)..at.node.locate(source, range.start + part.end)
    };
    if let Some((part, help)) = foreign(text) {
        let found = text.get(part.clone()).unwrap_or_default();
        let problem = Problem::new(codes::PSEUDO, span(part), &at.path, format!("`{found}` is not CSS"));
        cx.add(problem.help(help));
        return false;
    }
    match Selector::parse(text) {
        Ok(_) => true,
        Err(error) => {
            let reason = reason(&error.to_string());
            let message = format!("`{text}` is not a CSS selector{reason}");
            let mut problem = Problem::new(codes::SELECTOR, span(0..text.len()), &at.path, message);
            if text.starts_with('/') {
                problem = problem.help("this is XPath; write CSS: `div.offer h2`");
            } else if text.starts_with('@') {
                problem = problem.help(format!("an attribute of the item itself is `. {text}`"));
            } else if text.starts_with(['=', '$']) {
                problem = problem.help("jq works on what a selector has taken: `h1 | trim`");
            } else {
                problem = problem.help("a selector is written as in CSS: `li.job`, `dd.city span`, `a[rel=next]`");
            }
            cx.add(problem);
            false
        }
    }
}

/// scraper's words in ours, where they help.
fn reason(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default().trim().trim_end_matches('.');
    if line.contains("Please report") || line.is_empty() {
        return String::new();
    }
    if line.contains("EOL") {
        return ": it ends too early".to_owned();
    }
    let mut chars = line.chars();
    let lower: String = chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect());
    format!(": {lower}")
}

/// What other tools have in selectors, with what to write here.
fn foreign(text: &str) -> Option<(Range<usize>, String)> {
    const CALLS: [(&str, &str); 9] = [
        ("::text", "the text is what is taken anyway: leave it out"),
        ("::attr(", "write ` @name` after the selector: `a @href`"),
        ("::html", "write ` @html` after the selector"),
        (":contains(", "take all and choose with jq: `[li] | map(select(contains(\"text\")))`"),
        (":icontains(", "take all and choose with jq: `[li] | map(select(ascii_downcase | contains(\"text\")))`"),
        (":has-text(", "take all and choose with jq: `[li] | map(select(contains(\"text\")))`"),
        (":eq(", "count from one with `:nth-child(n)`, or take all and choose with jq: `[li] | .[0]`"),
        (":visible", "pages are not rendered: whether something is visible is not known"),
        (":first ", "the first match is what is taken anyway: leave it out"),
    ];
    if text.ends_with(":first") {
        let help = "the first match is what is taken anyway: leave it out".to_owned();
        return Some((text.len() - ":first".len()..text.len(), help));
    }
    let (call, help) = CALLS.iter().find(|(call, _)| text.contains(call))?;
    let start = text.find(call)?;
    let rest = text.get(start..)?;
    let end =
        if call.ends_with('(') { rest.find(')').map_or(rest.len(), |close| close + 1) } else { call.trim_end().len() };
    let inner = rest.get(call.len()..end.saturating_sub(1)).filter(|_| *call == "::attr(");
    let help = inner.map_or_else(
        || (*help).to_owned(),
        |name| format!("write ` @{name}` after the selector: `{} @{name}`", text.get(..start).unwrap_or_default()),
    );
    Some((start..start + end, help))
}
