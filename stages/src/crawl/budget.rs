//! `max` and `--limit`: how much of what a page leads to is followed. Counted along a chain of listing pages, so that it
//! comes out the same however often a step is repeated.

use jobpipe_core::{Budget, Millis, RunFacts};

use super::ask::Ask;

/// How much more may be listed after the pages before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    budget: Budget,
    limit: Option<u64>,
    started_at: Millis,
}

/// What a page's finds were cut to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    /// How many of them go on.
    pub(super) take: usize,
    /// Which part of `max` left something out, if any did.
    pub(super) by: Option<&'static str>,
    /// Whether the next page is asked for.
    pub(super) next: bool,
}

impl Allowance {
    pub(super) fn new(budget: Budget, facts: &RunFacts) -> Self {
        Self { budget, limit: facts.limit, started_at: facts.started_at }
    }

    /// Judges a page of `found` records or links that may have a next page.
    pub(super) fn cut(&self, ask: &Ask, found: usize, has_next: bool, at: Millis) -> Cut {
        let count = u64::try_from(found).unwrap_or(u64::MAX);
        let left = |most: Option<u64>| most.map(|most| most.saturating_sub(ask.found));
        let (by_items, by_limit) = (left(self.budget.items), left(self.limit));
        let take = count.min(by_items.unwrap_or(u64::MAX)).min(by_limit.unwrap_or(u64::MAX));
        let used_up = |left: Option<u64>| left.is_some_and(|left| left < count || (has_next && left <= count));
        let (no_items, no_limit) = (used_up(by_items), used_up(by_limit));
        let no_pages = has_next && self.budget.pages.is_some_and(|pages| ask.page >= pages);
        let no_time = has_next && self.is_late(at);
        let by = if no_items {
            Some("items")
        } else if no_pages {
            Some("pages")
        } else if no_time {
            Some("time")
        } else {
            None
        };
        Cut { take: usize::try_from(take).unwrap_or(found), by, next: has_next && by.is_none() && !no_limit }
    }

    /// Whether the time is used up.
    pub(super) fn is_late(&self, now: Millis) -> bool {
        let spent = u64::try_from(now.saturating_sub(self.started_at)).unwrap_or(0);
        self.budget.time_ms.is_some_and(|most| spent > most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crawl::ask::Role;
    use crate::crawl::location::Location;

    fn allowance(pages: Option<u64>, items: Option<u64>, time_ms: Option<u64>, limit: Option<u64>) -> Allowance {
        Allowance { budget: Budget { pages, items, time_ms }, limit, started_at: 1_000 }
    }

    fn ask(page: u64, found: u64) -> Ask {
        Ask { page, found, ..Ask::new(Location::File("x".to_owned()), Role::Source) }
    }

    #[test]
    fn each_budget_cuts_and_says_so() {
        let cut = |take, by, next| Cut { take, by, next };
        let none = allowance(None, None, None, None);
        assert_eq!(none.cut(&ask(7, 900), 20, true, 9_999), cut(20, None, true));
        let items = allowance(None, Some(50), None, None);
        assert_eq!(items.cut(&ask(2, 20), 20, true, 0), cut(20, None, true));
        assert_eq!(items.cut(&ask(3, 40), 20, true, 0), cut(10, Some("items"), false));
        assert_eq!(
            items.cut(&ask(3, 30), 20, true, 0),
            cut(20, Some("items"), false),
            "the next page would be too much"
        );
        assert_eq!(items.cut(&ask(3, 30), 20, false, 0), cut(20, None, false), "exactly enough, and the last page");
        let pages = allowance(Some(3), None, None, None);
        assert_eq!(pages.cut(&ask(3, 0), 20, true, 0), cut(20, Some("pages"), false));
        assert_eq!(pages.cut(&ask(3, 0), 20, false, 0), cut(20, None, false));
        let time = allowance(None, None, Some(500), None);
        assert_eq!(time.cut(&ask(1, 0), 20, true, 1_501), cut(20, Some("time"), false));
        assert_eq!(time.cut(&ask(1, 0), 20, true, 1_500), cut(20, None, true));
    }

    #[test]
    fn the_limit_of_a_run_cuts_without_a_reason() {
        let limit = allowance(None, None, None, Some(5));
        assert_eq!(limit.cut(&ask(1, 0), 20, true, 0), Cut { take: 5, by: None, next: false });
    }
}
