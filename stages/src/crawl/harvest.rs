//! What one answer gave, gathered into the outcome of the task.

use jobpipe_core::{DeadLetter, Millis, Origin, Outcome, Reason, Record, Request, TaskError};
use jobpipe_expr::Vars;
use serde_json::{Map, Value as Json};
use url::Url;

use super::ask::{Ask, Role};
use super::budget::Allowance;
use super::definition::Definition;
use super::location::Location;
use super::since::{not_after, raise};
use crate::depth;
use crate::failure::{code, dead_letter, permanent};

/// One answer that came, with what is known of its request.
pub(super) struct Come<'a> {
    pub(super) request: &'a Request,
    pub(super) ask: &'a Ask,
    pub(super) body: &'a [u8],
    pub(super) content_type: &'a str,
    /// Where it came from in the end; `None` for a file.
    pub(super) url: Option<Url>,
    /// See [`Ask::told_at`]; that of this answer, if it is the first of its chain.
    pub(super) told_at: Option<String>,
    pub(super) at: Millis,
}

/// What all answers of a task share.
pub(super) struct Ground<'a> {
    pub(super) stage: &'a str,
    pub(super) definition: &'a Definition,
    /// Whether it begins the DAG, and so has one first page.
    pub(super) starts: bool,
    pub(super) vars: &'a Vars,
    pub(super) allowance: Allowance,
}

/// What one answer gave.
#[derive(Default)]
pub(super) struct Found {
    pub(super) records: Vec<Record>,
    pub(super) follow: Vec<Request>,
    pub(super) dead: Vec<DeadLetter>,
    pub(super) reasons: Vec<Reason>,
    pub(super) cursor: Option<Json>,
    /// Bytes of text in the records.
    pub(super) bytes: usize,
}

/// Bytes of text in the records of one answer: an item inside an item, or a large record carried along to each of many,
/// makes far more of them than came.
const MOST_BYTES: usize = 64 << 20;

impl Found {
    /// Adds a record, or says that the answer gives too much.
    fn push(&mut self, record: Record) -> Result<(), TaskError> {
        self.bytes = self.bytes.saturating_add(text_size(&record.body));
        if self.bytes > MOST_BYTES {
            let message = format!(
                "{}: gives more than 64 MiB of records: ask for smaller pages, or extract less",
                record.origin.url
            );
            return Err(permanent(code::TOO_MUCH, message));
        }
        self.records.push(record);
        Ok(())
    }

    /// Adds it to the outcome of the task.
    pub(super) fn merge(self, outcome: &mut Outcome) {
        outcome.records.extend(self.records);
        outcome.follow.extend(self.follow);
        outcome.dead.extend(self.dead);
        for reason in self.reasons {
            if !outcome.reasons.contains(&reason) {
                outcome.reasons.push(reason);
            }
        }
        if let Some(value) = self.cursor {
            raise(&mut outcome.cursor, value);
        }
    }
}

impl Ground<'_> {
    /// The source was not wholly listed. Texts are few: a run keeps each of them.
    pub(super) fn not_listed(&self, what: String, not_clean: bool) -> Reason {
        Reason { stage: self.stage.to_owned(), what, not_exhaustive: true, not_clean }
    }

    /// The same for one page: with its URL and `detail` where there is only one such page, the first of the crawl.
    pub(super) fn page_not_listed(&self, come: &Come<'_>, what: &str, detail: &str, not_clean: bool) -> Reason {
        let first = self.starts && come.ask.page == 1;
        let what = if first { format!("{}: {what}{detail}", come.request.url) } else { format!("a page: {what}") };
        self.not_listed(what, not_clean)
    }

    /// A record of an answer. It keeps the key of the record that led to it, if it is that record's only one.
    pub(super) fn record(&self, come: &Come<'_>, body: Map<String, Json>, alone: bool) -> Record {
        let origin = Origin { url: come.request.url.clone(), fetched_at: come.at, rank: 0 };
        let key = if alone { come.ask.key.clone() } else { String::new() };
        Record { key, ..Record::new(Json::Object(body), origin) }
    }

    /// Adds a record of an answer. One that nests too deep is buried; an answer that gives too much is an error.
    pub(super) fn give(&self, come: &Come<'_>, record: Record, found: &mut Found) -> Result<(), TaskError> {
        match depth::check(&record.body, format_args!("{}: a record", come.request.url)) {
            Ok(()) => found.push(record),
            Err(error) => {
                self.bury(come, error, record.body, found);
                Ok(())
            }
        }
    }

    /// One item that cannot be read: it lies whole among the dead letters, and as its key is not known the run can
    /// neither count anything as missing nor move on.
    pub(super) fn bury(&self, come: &Come<'_>, error: TaskError, item: Json, found: &mut Found) {
        found.dead.push(dead_letter(&come.request.url, &come.ask.key, error, come.at, item));
        found.reasons.push(self.not_listed("items that could not be read".to_owned(), true));
    }

    /// Notes the `since` value of a record, as it came or as it was extracted.
    pub(super) fn note_since(&self, come: &Come<'_>, item: &Json, found: &mut Found) {
        let Some(since) = &self.definition.since else { return };
        match since.eval(&item.into(), self.vars) {
            Ok(Some(value)) => raise(&mut found.cursor, not_after(value, come.told_at.as_deref())),
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(stage = self.stage, url = come.request.url, %error, "a record without a `since` value");
                let what = format!("`since` cannot be read from some records: `{}` fails", since.source());
                found.reasons.push(Reason {
                    stage: self.stage.to_owned(),
                    what,
                    not_exhaustive: false,
                    not_clean: true,
                });
            }
        }
    }

    /// What a request that this answer leads to remembers of the source's time.
    pub(super) fn told_at(&self, come: &Come<'_>) -> Option<String> {
        self.definition.since.as_ref().and_then(|_| come.told_at.clone())
    }

    /// The next listing page, `count` records or links further on.
    pub(super) fn next_page(&self, come: &Come<'_>, to: Location, count: usize) -> Request {
        let ask = Ask {
            page: come.ask.page + 1,
            found: come.ask.found.saturating_add(u64::try_from(count).unwrap_or(u64::MAX)),
            told_at: self.told_at(come),
            body: come.ask.body.clone(),
            record: come.ask.record.clone(),
            key: come.ask.key.clone(),
            ..Ask::new(to, Role::Source)
        };
        ask.request(self.definition.method(), true)
    }

    /// Cuts what was found to the budgets and follows the next page; gives how many of the finds go on.
    pub(super) fn list_on(&self, come: &Come<'_>, count: usize, next: Option<Location>, found: &mut Found) -> usize {
        let next = next.filter(|next| next.canonical() != come.ask.to.canonical());
        let cut = self.allowance.cut(come.ask, count, next.is_some(), come.at);
        if let Some(by) = cut.by {
            found.reasons.push(self.not_listed(format!("`max: {{ {by} }}` ended the crawl"), true));
        }
        if let Some(next) = next.filter(|_| cut.next) {
            found.follow.push(self.next_page(come, next, cut.take));
        }
        cut.take
    }
}

/// Bytes of the text of a value, names of fields included.
fn text_size(value: &Json) -> usize {
    match value {
        Json::Null | Json::Bool(_) | Json::Number(_) => 8,
        Json::String(text) => text.len(),
        Json::Array(items) => items.iter().map(text_size).sum(),
        Json::Object(fields) => fields.iter().map(|(name, value)| name.len() + text_size(value)).sum(),
    }
}
