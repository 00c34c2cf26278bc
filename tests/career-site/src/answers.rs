//! Pages that misbehave: what a test orders for one address, or for all.

use crate::resource::Resource;
use serde::{Deserialize, Serialize};

/// Which pages an order is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A page of the HTML listing, from 1 on.
    Listing(u32),
    /// An offer's HTML page, by its reference.
    Detail(String),
    /// A page of the API's listing, from 1 on.
    Api(u32),
    /// The RSS feed.
    Feed,
    /// robots.txt
    Robots,
    /// Everything but `/__site`.
    All,
}

/// What such a page answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// This status, 400 to 599, and a page that names it.
    Status(u16),
    /// 200 and no offers: an empty listing, `"data": []`, a feed without items, a detail page without content.
    Empty,
    /// 200 and a PDF.
    NotHtml,
    /// 200 and the first half of the body, as a whole answer.
    Truncated,
    /// The right answer, so many milliseconds late.
    SlowMs(u64),
}

/// An order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Which pages.
    pub target: Target,
    /// What they answer.
    pub answer: Answer,
    /// So many times, then never again; for ever if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

impl Target {
    fn matches(&self, resource: &Resource) -> bool {
        match (self, resource) {
            (Self::All, _) | (Self::Feed, Resource::Feed) | (Self::Robots, Resource::Robots) => true,
            (Self::Listing(page), Resource::Listing(asked)) => page == asked,
            (Self::Detail(reference), Resource::Detail(asked)) => reference == asked,
            (Self::Api(page), Resource::Api(asked)) => *page == asked.page,
            _ => false,
        }
    }
}

/// What is ordered for a request: every delay, and the newest other answer. Orders that are used up go.
pub(crate) fn take(rules: &mut Vec<Rule>, resource: &Resource) -> (u64, Option<Answer>) {
    let mut slow_ms = 0;
    let mut chosen = None;
    for rule in rules.iter_mut().rev().filter(|rule| rule.target.matches(resource)) {
        match rule.answer {
            Answer::SlowMs(ms) => slow_ms += ms,
            _ if chosen.is_some() => continue,
            answer => chosen = Some(answer),
        }
        rule.times = rule.times.map(|times| times.saturating_sub(1));
    }
    rules.retain(|rule| rule.times != Some(0));
    (slow_ms, chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(target: Target, answer: Answer, times: Option<u32>) -> Rule {
        Rule { target, answer, times }
    }

    #[test]
    fn the_newest_order_wins_delays_add_up_and_used_ones_go() {
        let mut rules = vec![
            rule(Target::All, Answer::SlowMs(5), None),
            rule(Target::Listing(2), Answer::Status(500), None),
            rule(Target::Listing(2), Answer::Empty, Some(1)),
            rule(Target::Feed, Answer::Truncated, Some(1)),
        ];
        assert_eq!(take(&mut rules, &Resource::Listing(2)), (5, Some(Answer::Empty)));
        assert_eq!(take(&mut rules, &Resource::Listing(2)), (5, Some(Answer::Status(500))));
        assert_eq!(take(&mut rules, &Resource::Listing(1)), (5, None));
        assert_eq!(rules.len(), 3);
    }
}
