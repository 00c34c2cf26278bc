//! The site's state: its offers, and how they are changed.

use crate::answers::Rule;
use crate::clock;
use crate::log::Log;
use crate::offers::{Offer, Status};
use std::collections::HashSet;
use thiserror::Error;

/// A change that cannot be made; nothing was changed.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ChangeError {
    /// More offers than there are open and unchanged ones.
    #[error("{wanted} offers cannot be changed: {left} are open and were not changed yet")]
    TooFew {
        /// How many were to be changed.
        wanted: usize,
        /// How many could be.
        left: usize,
    },
    /// There is no such offer.
    #[error("there is no offer {0}")]
    NoOffer(String),
}

pub(crate) struct Site {
    seed: u64,
    initial: u32,
    /// Oldest first.
    offers: Vec<Offer>,
    next_number: u32,
    /// Offers that a change by count has taken, so that such changes never meet on one offer.
    changed: HashSet<String>,
    changed_ms: i64,
    pub(crate) rules: Vec<Rule>,
    pub(crate) log: Log,
    pub(crate) listing_size: usize,
    pub(crate) crawl_delay: Option<f64>,
}

impl Site {
    pub(crate) fn new(seed: u64, initial: u32, listing_size: usize, crawl_delay: Option<f64>) -> Self {
        let mut site = Self {
            seed,
            initial,
            offers: Vec::new(),
            next_number: 1,
            changed: HashSet::new(),
            changed_ms: 0,
            rules: Vec::new(),
            log: Log::default(),
            listing_size,
            crawl_delay,
        };
        site.restore();
        site
    }

    /// The offers of the start, and no orders. The log stays.
    pub(crate) fn restore(&mut self) {
        self.offers = (1..=self.initial).map(|number| Offer::new(self.seed, number)).collect();
        self.next_number = self.initial + 1;
        self.changed.clear();
        self.rules.clear();
        // As if it had last changed when the newest offer was posted, so that a restart is no change; after other
        // changes the restoring is one.
        let newest = self.offers.last().map_or(0, |offer| offer.posted_ms);
        self.changed_ms = if self.changed_ms == 0 { newest } else { clock::now_ms().max(self.changed_ms + 1) };
    }

    /// Newest first, as listings show them.
    pub(crate) fn newest_first(&self) -> impl DoubleEndedIterator<Item = &Offer> {
        self.offers.iter().rev()
    }

    pub(crate) fn len(&self) -> usize {
        self.offers.len()
    }

    pub(crate) fn find(&self, reference: &str) -> Option<&Offer> {
        self.offers.iter().find(|offer| offer.reference == reference)
    }

    /// When anything was last changed, in milliseconds since 1970.
    pub(crate) fn changed_ms(&self) -> i64 {
        self.changed_ms
    }

    /// So many open offers that no change by count has taken yet, spread over the whole list.
    pub(crate) fn pick(&mut self, count: usize) -> Result<Vec<String>, ChangeError> {
        let free = |offer: &&Offer| offer.status == Status::Open && !self.changed.contains(&offer.reference);
        let free: Vec<String> = self.offers.iter().filter(free).map(|offer| offer.reference.clone()).collect();
        if count > free.len() {
            return Err(ChangeError::TooFew { wanted: count, left: free.len() });
        }
        let picked: Vec<String> = (0..count).map(|step| free[step * free.len() / count].clone()).collect();
        self.changed.extend(picked.iter().cloned());
        Ok(picked)
    }

    pub(crate) fn edit(&mut self, references: &[String]) -> Result<(), ChangeError> {
        self.each(references, Offer::edit)
    }

    pub(crate) fn withdraw(&mut self, references: &[String]) -> Result<(), ChangeError> {
        self.each(references, Offer::withdraw)
    }

    pub(crate) fn reopen(&mut self, references: &[String]) -> Result<(), ChangeError> {
        self.each(references, Offer::reopen)
    }

    /// Adds a paragraph of text to an offer's description.
    pub(crate) fn describe(&mut self, reference: &str, text: &str) -> Result<(), ChangeError> {
        let paragraph = format!("<p>{}</p>\n", crate::html::escape(text));
        self.each(&[reference.to_owned()], |offer, now| offer.describe(&paragraph, now))
    }

    /// Takes offers away as if they had never been.
    pub(crate) fn remove(&mut self, references: &[String]) -> Result<(), ChangeError> {
        self.all_known(references)?;
        self.offers.retain(|offer| !references.contains(&offer.reference));
        self.changed_ms = clock::now_ms().max(self.changed_ms + 1);
        Ok(())
    }

    /// Posts new offers, and gives their references.
    pub(crate) fn add(&mut self, count: u32) -> Vec<String> {
        let now = clock::now_ms().max(self.changed_ms + 1);
        self.changed_ms = now;
        let mut added = Vec::new();
        for number in self.next_number..self.next_number.saturating_add(count) {
            let offer = Offer { posted_ms: now, updated_ms: now, ..Offer::new(self.seed, number) };
            self.changed.insert(offer.reference.clone());
            added.push(offer.reference.clone());
            self.offers.push(offer);
        }
        self.next_number = self.next_number.saturating_add(count);
        added
    }

    fn each(&mut self, references: &[String], change: impl Fn(&mut Offer, i64)) -> Result<(), ChangeError> {
        self.all_known(references)?;
        let now = clock::now_ms().max(self.changed_ms + 1);
        for offer in self.offers.iter_mut().filter(|offer| references.contains(&offer.reference)) {
            change(offer, now);
        }
        self.changed_ms = now;
        Ok(())
    }

    fn all_known(&self, references: &[String]) -> Result<(), ChangeError> {
        match references.iter().find(|reference| self.find(reference).is_none()) {
            Some(unknown) => Err(ChangeError::NoOffer(unknown.clone())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_by_count_never_meet_on_one_offer() {
        let mut site = Site::new(1, 100, 20, None);
        let mut all = HashSet::new();
        for count in [30, 0, 30, 40] {
            let picked = site.pick(count).unwrap();
            assert_eq!(picked.len(), count);
            assert!(picked.into_iter().all(|reference| all.insert(reference)));
        }
        assert_eq!(site.pick(1), Err(ChangeError::TooFew { wanted: 1, left: 0 }));
    }

    #[test]
    fn an_unknown_reference_changes_nothing() {
        let mut site = Site::new(1, 3, 20, None);
        let known = site.offers[0].reference.clone();
        let before = site.offers.clone();
        let unknown = Err(ChangeError::NoOffer("acm-99999".to_owned()));
        assert_eq!(site.remove(&[known, "acm-99999".to_owned()]), unknown);
        assert_eq!(site.offers, before);
    }

    #[test]
    fn a_removed_reference_is_never_used_again() {
        let mut site = Site::new(1, 3, 20, None);
        let last = site.offers[2].reference.clone();
        site.remove(std::slice::from_ref(&last)).unwrap();
        assert!(!site.add(5).contains(&last));
        assert_eq!(site.len(), 7);
    }
}
