//! What a crawl finds in an HTML page.

use std::collections::BTreeSet;

use jobpipe_connectors::formats::html::{ElementRef, Page, nearest_match};
use jobpipe_core::{Record, TaskError};
use serde_json::Value as Json;

use super::ask::{Ask, Role};
use super::definition::{Css, HtmlFinding};
use super::harvest::{Come, Found, Ground};
use super::location::Location;
use crate::failure::eval_failed;

/// Reads one page.
pub(super) fn read(ground: &Ground<'_>, finding: &HtmlFinding, come: &Come<'_>) -> Result<Found, TaskError> {
    let page =
        Page::read(come.body, come.content_type, come.url.as_ref()).map_err(|error| error.at(&come.request.url))?;
    let mut found = Found::default();
    match (come.ask.role, &finding.links, &finding.items) {
        (Role::Source, Some((css, attribute)), _) => links(ground, finding, come, &page, (css, attribute), &mut found),
        (Role::Source, None, Some(css)) => items(ground, finding, come, &page, css, &mut found)?,
        (Role::Detail, ..) | (Role::Source, None, None) => whole(ground, finding, come, &page, &mut found)?,
    }
    Ok(found)
}

/// A listing whose links lead to detail pages.
fn links(
    ground: &Ground<'_>,
    finding: &HtmlFinding,
    come: &Come<'_>,
    page: &Page,
    (css, attribute): (&Css, &str),
    found: &mut Found,
) {
    let mut seen = BTreeSet::new();
    let mut details = Vec::new();
    let mut matches = 0;
    for element in page.select(&css.selector) {
        matches += 1;
        let Some(to) = element.attr(attribute).and_then(|link| located(page, come, link)) else { continue };
        if seen.insert(to.canonical()) {
            details.push(to);
        }
    }
    if matches == 0 {
        missing(ground, come, page, css, found);
    } else if details.is_empty() {
        let what = format!("no match of `{}` has a link in `{attribute}`", css.text);
        found.reasons.push(ground.page_not_listed(come, &what, "", true));
    }
    let next = next_page(ground, finding, come, page, found);
    let take = ground.list_on(come, details.len(), next, found);
    let asks = details.into_iter().take(take).map(|to| {
        let (record, told_at) = (come.ask.record.clone(), ground.told_at(come));
        let ask = Ask { record, told_at, ..Ask::new(to, Role::Detail) };
        ask.request("GET", false)
    });
    found.follow.extend(asks);
}

/// A page that holds records itself.
fn items(
    ground: &Ground<'_>,
    finding: &HtmlFinding,
    come: &Come<'_>,
    page: &Page,
    css: &Css,
    found: &mut Found,
) -> Result<(), TaskError> {
    let elements: Vec<ElementRef<'_>> = page.select(&css.selector).collect();
    if elements.is_empty() {
        missing(ground, come, page, css, found);
    }
    let next = next_page(ground, finding, come, page, found);
    let take = ground.list_on(come, elements.len(), next, found);
    let alone = elements.len() == 1 && finding.next.is_none();
    for element in elements.into_iter().take(take) {
        match record(ground, finding, come, page, element, alone) {
            Ok(record) => keep(ground, come, record, found)?,
            Err(error) => {
                let item = Json::String(element.html().chars().take(4_096).collect());
                ground.bury(come, error, item, found);
            }
        }
    }
    Ok(())
}

fn keep(ground: &Ground<'_>, come: &Come<'_>, record: Record, found: &mut Found) -> Result<(), TaskError> {
    ground.note_since(come, &record.body, found);
    ground.give(come, record, found)
}

/// A page that is one record; with `pages`, a chain of such pages.
fn whole(
    ground: &Ground<'_>,
    finding: &HtmlFinding,
    come: &Come<'_>,
    page: &Page,
    found: &mut Found,
) -> Result<(), TaskError> {
    let take = if come.ask.role == Role::Source {
        let next = next_page(ground, finding, come, page, found);
        ground.list_on(come, 1, next, found)
    } else {
        1
    };
    match page.root() {
        Some(root) if take > 0 => keep(ground, come, record(ground, finding, come, page, root, true)?, found),
        _ => Ok(()),
    }
}

fn record(
    ground: &Ground<'_>,
    finding: &HtmlFinding,
    come: &Come<'_>,
    page: &Page,
    element: ElementRef<'_>,
    alone: bool,
) -> Result<Record, TaskError> {
    let mut body = come.ask.record.clone();
    finding
        .extract
        .take(page, element, ground.vars, &mut body)
        .map_err(|error| eval_failed(&format!("{}: `extract`", come.request.url), &error))?;
    Ok(ground.record(come, body, alone))
}

/// The next listing page: the link of the match itself, or of a link inside it.
fn next_page(
    ground: &Ground<'_>,
    finding: &HtmlFinding,
    come: &Come<'_>,
    page: &Page,
    found: &mut Found,
) -> Option<Location> {
    let css = finding.next.as_ref()?;
    let element = page.select(&css.selector).next()?;
    let inside = || element.descendent_elements().find_map(|inner| inner.attr("href"));
    let link = element.attr("href").or_else(inside);
    let to = link.and_then(|link| located(page, come, link));
    if to.is_none() {
        let what = format!("`{}` is there, but it is no link to a next page", css.text);
        found.reasons.push(ground.page_not_listed(come, &what, "", true));
    }
    to
}

fn located(page: &Page, come: &Come<'_>, link: &str) -> Option<Location> {
    match come.ask.to {
        Location::Url(_) => page.link(link).map(Location::from_url),
        Location::File(_) => page.link(link).map(Location::from_url).or_else(|| come.ask.to.follow(None, link)),
    }
}

/// The selector matches nothing: the page may have changed, or came empty by mistake (a later one too: the chain ends
/// there, and what it would have led to is not seen). So nothing is missing.
fn missing(ground: &Ground<'_>, come: &Come<'_>, page: &Page, css: &Css, found: &mut Found) {
    let nearest = match nearest_match(page, &css.text) {
        Some((selector, 1)) => format!(" (nearest: `{selector}`, once); has the page changed?"),
        Some((selector, count)) => format!(" (nearest: `{selector}`, {count} times); has the page changed?"),
        None => "; has the page changed?".to_owned(),
    };
    let what = format!("`{}` matches nothing, so nothing is taken for gone", css.text);
    found.reasons.push(ground.page_not_listed(come, &what, &nearest, false));
}
