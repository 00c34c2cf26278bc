//! From the text of an import to one [`Plan`]: short and long form, all problems at once.

mod contract;
mod crawl;
mod draft;
mod export;
mod extract;
mod facebook;
mod graph;
mod import;
mod paging;
mod schedule;
mod selector;
mod source;
#[cfg(test)]
mod tests;
mod transform;

pub(crate) use crawl::retry;
pub(crate) use facebook::page_id;
pub(crate) use schedule::read as schedule_of;

use crate::diagnostic::Diagnostic;
use crate::reader::{At, Cx};
use jobpipe_core::Plan;

/// What became of an import file.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The plan; `None` when there is an error among the diagnostics.
    pub plan: Option<Plan>,
    /// Everything that is to be said about the file, in its order.
    pub diagnostics: Vec<Diagnostic>,
}

/// Checks and compiles the text of an import. Pure: no file is read, no setting is looked up, nothing is asked.
///
/// `file_name` is for the diagnostics only. A plan comes only with notes and warnings, never with errors.
#[must_use]
pub fn check(source: &str, file_name: &str) -> Checked {
    check_among(source, file_name, Vec::new())
}

/// The same beside settings that have these `pages`: a page that an export names and they do not have is a warning, for
/// those of another environment may have it.
pub(crate) fn check_among(source: &str, file_name: &str, pages: Vec<String>) -> Checked {
    let mut cx = Cx { pages, ..Cx::new(source, file_name) };
    let root = cx.tree();
    let plan = root.as_ref().and_then(|root| import::read(&mut cx, &At::root(root)));
    let failed = cx.problems.has_errors();
    Checked { plan: plan.filter(|_| !failed), diagnostics: cx.problems.finish() }
}
