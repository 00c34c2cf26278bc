//! For a selector that matches nothing: the nearest that does, so that a reader sees where the page changed.

use scraper::Selector;

use super::Page;

/// The nearest selector that matches, and how often: `li` for `li.job`, `.title` for `h1 .title`. `None` = nothing near.
#[must_use]
pub fn nearest_match(page: &Page, selector: &str) -> Option<(String, usize)> {
    candidates(selector).into_iter().find_map(|candidate| {
        let compiled = Selector::parse(&candidate).ok()?;
        let count = page.select(&compiled).count();
        (count > 0).then_some((candidate, count))
    })
}

/// Ever looser forms: without the first compounds, then the last compound without its parts, one by one.
fn candidates(selector: &str) -> Vec<String> {
    let first = selector.split(',').next().unwrap_or_default().trim();
    let compounds: Vec<&str> = first.split_whitespace().filter(|part| !matches!(*part, ">" | "+" | "~")).collect();
    let mut found: Vec<String> =
        (1..compounds.len()).filter_map(|skip| Some(compounds.get(skip..)?.join(" "))).collect();
    let Some(last) = compounds.last() else { return found };
    let parts = parts_of(last);
    for left_out in (0..parts.len()).rev() {
        let kept: String = parts.iter().enumerate().filter(|&(at, _)| at != left_out).map(|(_, part)| *part).collect();
        if !kept.is_empty() {
            found.push(kept);
        }
    }
    found.extend(parts.iter().map(|part| (*part).to_owned()));
    found.retain(|candidate| candidate != first);
    found
}

/// `a.b#c[d]:e` as `a`, `.b`, `#c`, `[d]`, `:e`.
fn parts_of(compound: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut depth) = (0, 0_u32);
    for (at, c) in compound.char_indices() {
        if depth == 0 && at > start && matches!(c, '.' | '#' | '[' | ':') {
            parts.extend(compound.get(start..at));
            start = at;
        }
        match c {
            '[' | '(' => depth += 1,
            ']' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    parts.extend(compound.get(start..));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_that_matches_is_named() {
        let page =
            Page::parse("<ul><li class='job'><a class=link href=x>1</a><li class=job><a class=link>2</a></ul>", None)
                .unwrap();
        let near = |selector| nearest_match(&page, selector).map(|(found, count)| format!("{found} {count}"));
        assert_eq!(near("div.list a.link"), Some("a.link 2".to_owned()));
        assert_eq!(near("a.job-link"), Some("a 2".to_owned()));
        assert_eq!(near("tr.job"), Some(".job 2".to_owned()));
        assert_eq!(near("a.link[href=y]"), Some("a.link 2".to_owned()));
        assert_eq!(near("table"), None);
    }
}
