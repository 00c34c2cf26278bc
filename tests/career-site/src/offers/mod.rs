//! Job offers that follow from a seed: the same numbers give the same offers, on every machine and for ever.

mod words;

use serde::{Deserialize, Serialize};
use words::{CITIES, COMPANIES, CONTRACTS, DUTIES, INTRODUCTIONS, OFFERED, TITLES};

/// 2026-07-01T08:00:00Z, when the first offer was posted.
const FIRST_POSTED_MS: i64 = 1_782_892_800_000;
/// Offers follow each other at this distance.
const BETWEEN_POSTS_MS: i64 = 4 * 3_600_000;
/// A step through all pairs of title and city that meets each once: it has no divisor in common with their number.
const STRIDE: u64 = 389;

/// Whether a candidate may still apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Yes.
    Open,
    /// No; the offer is still shown, and says so.
    Closed,
}

impl Status {
    /// `open` or `closed`, as pages and the API write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }
}

/// One job offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// `acm-00001`; never changes and is never used again.
    #[serde(rename = "ref")]
    pub reference: String,
    /// No two unedited offers have both title and city in common.
    pub title: String,
    /// The employer.
    pub company: String,
    /// Where the work is.
    pub city: String,
    /// Euros a year.
    pub salary: u32,
    /// Form of employment.
    pub contract: String,
    /// Milliseconds since 1970.
    pub posted_ms: i64,
    /// Milliseconds since 1970; grows with every change.
    pub updated_ms: i64,
    /// Whether candidates may still apply.
    pub status: Status,
    /// HTML.
    pub description: String,
    /// How often it was edited.
    pub revision: u32,
}

impl Offer {
    /// The offer with this number, from 1 on.
    pub(crate) fn new(seed: u64, number: u32) -> Self {
        let mut draw = Draws { seed, number: u64::from(number), count: 0 };
        let pairs = (TITLES.len() * CITIES.len()) as u64;
        let walk = u64::from(number - 1) * STRIDE + seed % pairs;
        let (pair, round) = ((walk % pairs) as usize, u64::from(number - 1) / pairs);
        let title = TITLES[pair % TITLES.len()];
        let posted_ms = FIRST_POSTED_MS + i64::from(number) * BETWEEN_POSTS_MS;
        Self {
            reference: format!("acm-{number:05}"),
            title: if round == 0 { title.to_owned() } else { format!("{title}, team {}", round + 1) },
            company: draw.of(&COMPANIES).to_owned(),
            city: CITIES[pair / TITLES.len()].to_owned(),
            salary: 24_000 + 500 * (draw.next() % 100) as u32,
            contract: draw.of(&CONTRACTS).to_owned(),
            posted_ms,
            updated_ms: posted_ms,
            status: Status::Open,
            description: description(&mut draw, title),
            revision: 0,
        }
    }

    /// Changes what a reader sees: title, salary and description.
    pub(crate) fn edit(&mut self, now_ms: i64) {
        let base = self.title.split(" (revised").next().unwrap_or_default().to_owned();
        self.revision += 1;
        self.title = format!("{base} (revised {})", self.revision);
        self.salary += 1000;
        self.description.push_str(&format!("<p>Revised, number {}: the salary was raised.</p>\n", self.revision));
        self.touch(now_ms);
    }

    /// Ends the search for candidates.
    pub(crate) fn withdraw(&mut self, now_ms: i64) {
        self.status = Status::Closed;
        self.touch(now_ms);
    }

    /// Searches for candidates again.
    pub(crate) fn reopen(&mut self, now_ms: i64) {
        self.status = Status::Open;
        self.touch(now_ms);
    }

    /// Says more, in HTML.
    pub(crate) fn describe(&mut self, html: &str, now_ms: i64) {
        self.description.push_str(html);
        self.touch(now_ms);
    }

    /// The path of the offer's page.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/jobs/{}", self.reference)
    }

    /// A change is always later than the one before, also when both fall into one millisecond.
    fn touch(&mut self, now_ms: i64) {
        self.updated_ms = now_ms.max(self.updated_ms + 1);
    }
}

fn description(draw: &mut Draws, title: &str) -> String {
    let mut html = format!("<p>{}</p>\n", draw.of(&INTRODUCTIONS));
    html.push_str(&format!("<h2>What you do</h2>\n<p>As {} you</p>\n<ul>\n", crate::html::escape(title)));
    let first = draw.next() as usize;
    for step in 0..3 {
        html.push_str(&format!("<li>{}</li>\n", DUTIES[(first + step) % DUTIES.len()]));
    }
    html.push_str(&format!("</ul>\n<h2>What you get</h2>\n<p>{}</p>\n", draw.of(&OFFERED)));
    html
}

/// Numbers that follow from (seed, offer, count): the finaliser of SplitMix64.
struct Draws {
    seed: u64,
    number: u64,
    count: u64,
}

impl Draws {
    fn next(&mut self) -> u64 {
        self.count += 1;
        let mut word = self.seed ^ (self.number << 16) ^ self.count;
        word = word.wrapping_add(0x9E37_79B9_7F4A_7C15);
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[(self.next() % choices.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_seed_always_gives_the_same_offers() {
        let offers = |seed| (1..=50).map(|number| Offer::new(seed, number)).collect::<Vec<_>>();
        assert_eq!(offers(1), offers(1));
        assert_ne!(offers(1), offers(2));
    }

    #[test]
    fn title_and_city_together_are_unique_whatever_the_seed() {
        for seed in [0, 1, 42, u64::MAX] {
            let pairs: HashSet<_> =
                (1..=2000).map(|number| Offer::new(seed, number)).map(|offer| (offer.title, offer.city)).collect();
            assert_eq!(pairs.len(), 2000, "seed {seed}");
        }
    }

    #[test]
    fn an_edit_changes_what_is_seen_and_keeps_the_reference() {
        let before = Offer::new(1, 7);
        let mut offer = before.clone();
        offer.edit(0);
        offer.edit(0);
        assert_eq!(offer.title, format!("{} (revised 2)", before.title));
        assert_eq!(offer.reference, before.reference);
        assert_eq!(offer.updated_ms, before.updated_ms + 2);
        assert!(offer.salary > before.salary && offer.description.len() > before.description.len());
    }
}
