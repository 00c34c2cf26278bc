//! What a sighting, a hold or a miss does to a head: pure decisions; `write` applies them in bulk.
//!
//! Every write of run N is filtered on the head's stamps, so repeating it, or repeating it late, changes nothing.

mod write;

pub(crate) use write::{accept_keys, hold_keys, miss_keys, write};

use crate::sabotage::Rule;
use jobpipe_core::{Stamps, Version, Wanted};
use std::collections::BTreeSet;

/// What is known of the run that writes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer<'a> {
    /// Its number.
    pub seq: u64,
    /// Numbers of cancelled runs.
    pub cancelled: &'a BTreeSet<u64>,
    /// The rule that the simulation took away.
    pub sabotage: Option<Rule>,
}

impl Writer<'_> {
    fn keeps(self, rule: Rule) -> bool {
        self.sabotage != Some(rule)
    }

    /// True for a version that a cancelled run made: it is not planned, so whoever meets it next makes it anew.
    fn was_cancelled(self, changed_gen: u64) -> bool {
        self.keeps(Rule::CancelledVersion) && self.cancelled.contains(&changed_gen)
    }
}

/// A record as a ledger sees it: wanted, and its content's fingerprint (empty for one that is withdrawn).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sighting {
    /// Lower ranks win.
    pub rank: u32,
    /// Then lower hashes.
    pub hash: String,
}

impl Sighting {
    fn wanted(&self) -> Wanted {
        if self.hash.is_empty() { Wanted::Withdrawn } else { Wanted::Live }
    }
}

/// What a sighting does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Seen {
    /// The stamps change, and the body with them when `body` is true.
    Write {
        /// The new stamps, without a version.
        stamps: Stamps,
        /// Whether the record's body replaces the stored one.
        body: bool,
    },
    /// Only the source's URL is added.
    AddUrl,
    /// A later run was here.
    Nothing,
}

fn same(version: &Version, sighting: &Sighting, writer: Writer<'_>) -> bool {
    match (version.wanted, sighting.wanted()) {
        _ if !writer.keeps(Rule::VersionGone) => version.hash == sighting.hash,
        (Wanted::Live, Wanted::Live) => version.hash == sighting.hash,
        (Wanted::Gone | Wanted::Withdrawn, Wanted::Gone | Wanted::Withdrawn) => true,
        _ => false,
    }
}

/// The version before this run: what a cancelled run made of a head never counted, so it is the one before that.
fn base(head: &Stamps, writer: Writer<'_>) -> Option<Version> {
    if writer.was_cancelled(head.changed_gen) {
        return head.before.clone();
    }
    Some(Version { hash: head.hash.clone(), wanted: head.wanted, changed_gen: head.changed_gen })
}

/// What the sighting of a record does to its head.
#[must_use]
pub(crate) fn see(head: Option<&Stamps>, sighting: &Sighting, writer: Writer<'_>) -> Seen {
    let seq = writer.seq;
    let Some(head) = head else {
        let stamps = Stamps {
            version: 0,
            hash: sighting.hash.clone(),
            wanted: sighting.wanted(),
            seen_gen: seq,
            changed_gen: seq,
            before: None,
            rank: sighting.rank,
            first_gen: seq,
            missed: 0,
            missed_gen: 0,
            held_gen: 0,
        };
        return Seen::Write { stamps, body: true };
    };
    let later = head.seen_gen > seq || head.held_gen > seq || head.missed_gen > seq;
    if later && writer.keeps(Rule::HeadsGen) {
        return Seen::Nothing;
    }
    if head.seen_gen != seq {
        let before = base(head, writer);
        let kept = before
            .as_ref()
            .is_some_and(|version| version.changed_gen == head.changed_gen && same(version, sighting, writer));
        let stamps = Stamps {
            changed_gen: if kept { head.changed_gen } else { seq },
            hash: sighting.hash.clone(),
            wanted: sighting.wanted(),
            seen_gen: seq,
            before,
            rank: sighting.rank,
            missed: 0,
            ..head.clone()
        };
        // a record that is withdrawn keeps its last body, so that people can see what was posted
        let body = sighting.wanted() == Wanted::Live && head.hash != sighting.hash;
        return Seen::Write { stamps, body };
    }
    let present = Sighting { rank: head.rank, hash: head.hash.clone() };
    if *sighting < present {
        // never back to an earlier number, even where the old version is restored: a walk may have passed that place
        // while the head stood at this one
        let restored = head.before.as_ref().filter(|before| same(before, sighting, writer));
        let back = restored.filter(|_| !writer.keeps(Rule::ChangedStays)).map(|before| before.changed_gen);
        let before = if writer.keeps(Rule::VersionBefore) { head.before.clone() } else { base(head, writer) };
        let stamps = Stamps {
            changed_gen: back.unwrap_or(seq),
            before,
            hash: sighting.hash.clone(),
            wanted: sighting.wanted(),
            rank: sighting.rank,
            ..head.clone()
        };
        return Seen::Write { stamps, body: sighting.wanted() == Wanted::Live };
    }
    Seen::AddUrl
}

/// Holding a head: it counts as seen, nothing else moves. `None` when it was seen, missed or held already (unless not
/// `filtered`, which is for the simulation alone).
#[must_use]
pub(crate) fn hold(head: &Stamps, seq: u64, filtered: bool) -> Option<Stamps> {
    let passed = head.seen_gen >= seq || head.missed_gen >= seq;
    (head.held_gen < seq && !(passed && filtered)).then(|| Stamps { held_gen: seq, missed: 0, ..head.clone() })
}

/// Counting a head as missed in an exhaustive run; gone after `after` of them, where `may_remove`.
#[must_use]
pub(crate) fn miss(head: &Stamps, writer: Writer<'_>, after: u32, may_remove: bool) -> Option<Stamps> {
    let seq = writer.seq;
    let counted = head.missed_gen >= seq && writer.keeps(Rule::MissedStamp);
    if head.seen_gen >= seq || head.held_gen >= seq || counted {
        return None;
    }
    let mut stamps = Stamps { missed: head.missed.saturating_add(1), missed_gen: seq, ..head.clone() };
    let was_removed = matches!(head.wanted, Wanted::Gone | Wanted::Withdrawn);
    if stamps.missed >= after && may_remove && !was_removed {
        stamps.wanted = Wanted::Gone;
        stamps.before = base(head, writer);
        stamps.changed_gen = seq;
    } else if was_removed && writer.was_cancelled(head.changed_gen) {
        stamps.before = base(head, writer);
        stamps.changed_gen = seq;
    }
    Some(stamps)
}

/// True when a reader sees another version now than the one before the run that wrote `head` last.
#[must_use]
pub(crate) fn differs(before: Option<&Version>, head: &Stamps) -> bool {
    let is_live = head.wanted == Wanted::Live;
    match before.filter(|before| before.wanted == Wanted::Live) {
        Some(before) => !is_live || before.hash != head.hash,
        None => is_live,
    }
}

/// True when [`miss`] would declare the head gone, or did so, or would have but for a guard: the same before, amid and
/// after the pass, so that one that is gone on with after a crash decides as the one before.
#[must_use]
pub(crate) fn goes(head: &Stamps, seq: u64, after: u32) -> bool {
    let missed = head.missed.saturating_add(u32::from(head.missed_gen < seq));
    let wanted = matches!(head.wanted, Wanted::Live | Wanted::Stub);
    head.seen_gen < seq && head.held_gen < seq && missed >= after && (wanted || went(head, seq))
}

/// True when run `seq` counted the head missed often enough, and a guard held its removal back.
#[must_use]
pub(crate) fn waits(head: &Stamps, seq: u64, after: u32) -> bool {
    head.missed_gen == seq && head.missed >= after && matches!(head.wanted, Wanted::Live | Wanted::Stub)
}

/// True when the pass of run `seq` declared the head gone.
#[must_use]
pub(crate) fn went(head: &Stamps, seq: u64) -> bool {
    head.wanted == Wanted::Gone && head.missed_gen == seq && head.changed_gen == seq
}

/// The fingerprint under which a head remembers a source URL.
#[must_use]
pub(crate) fn url_print(url: &str) -> String {
    blake3::hash(url.as_bytes()).to_hex().chars().take(32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sighting(rank: u32, hash: &str) -> Sighting {
        Sighting { rank, hash: hash.to_owned() }
    }

    fn apply(head: Option<Stamps>, seen: Seen) -> Option<Stamps> {
        match seen {
            Seen::Write { stamps, .. } => Some(stamps),
            _ => head,
        }
    }

    fn run(head: Option<Stamps>, seq: u64, sightings: &[Sighting]) -> Option<Stamps> {
        let cancelled = BTreeSet::new();
        sightings.iter().fold(head, |head, one| {
            let seen = see(head.as_ref(), one, Writer { seq, cancelled: &cancelled, sabotage: None });
            apply(head, seen)
        })
    }

    #[test]
    fn order_within_a_run_does_not_matter() {
        let all = [sighting(0, "b"), sighting(0, "a"), sighting(1, "0"), sighting(0, "")];
        let mut ends = BTreeSet::new();
        for first in 0..4 {
            for second in 0..4 {
                let mut order: Vec<Sighting> = vec![all[first].clone(), all[second].clone()];
                order.extend(all.iter().cloned());
                let old = run(None, 1, &[sighting(0, "a")]);
                let end = run(old, 2, &order).unwrap();
                ends.insert((end.hash, end.changed_gen));
            }
        }
        assert_eq!(ends.len(), 1, "{ends:?}");
    }

    #[test]
    fn a_better_equal_that_restores_the_old_version_stays_where_the_walk_will_come_by() {
        let old = run(None, 1, &[sighting(0, "a")]);
        let after = run(old.clone(), 2, &[sighting(1, "z")]).unwrap();
        assert_eq!(after.changed_gen, 2);
        let after = run(Some(after), 2, &[sighting(0, "a")]).unwrap();
        assert_eq!(after.changed_gen, 2);
        assert!(!after.before.as_ref().is_some_and(|before| differs(Some(before), &after)));
        assert_eq!(run(old, 2, &[sighting(0, "a")]).unwrap().changed_gen, 1);
    }

    #[test]
    fn what_a_cancelled_run_made_of_a_head_never_was() {
        let cancelled = BTreeSet::from([2]);
        let writer = Writer { seq: 3, cancelled: &cancelled, sabotage: None };
        let born = run(None, 2, &[sighting(0, "a")]).unwrap();
        let seen = apply(None, see(Some(&born), &sighting(0, "a"), writer)).unwrap();
        assert_eq!((seen.changed_gen, seen.before), (3, None));
        let old = run(None, 1, &[sighting(0, "a")]);
        let withdrawn = run(old, 2, &[sighting(0, "")]).unwrap();
        let back = apply(None, see(Some(&withdrawn), &sighting(0, "a"), writer)).unwrap();
        assert_eq!((back.changed_gen, back.before.map(|before| before.hash)), (3, Some("a".to_owned())));
    }

    #[test]
    fn an_old_run_changes_nothing() {
        let head = run(None, 3, &[sighting(0, "a")]).unwrap();
        let cancelled = BTreeSet::new();
        assert_eq!(
            see(Some(&head), &sighting(0, "0"), Writer { seq: 2, cancelled: &cancelled, sabotage: None }),
            Seen::Nothing
        );
        assert_eq!(hold(&head, 3, true), None);
        assert_eq!(miss(&head, Writer { seq: 3, cancelled: &cancelled, sabotage: None }, 1, true), None);
    }

    #[test]
    fn gone_after_so_many_misses_and_a_sighting_brings_it_back() {
        let cancelled = BTreeSet::new();
        let head = run(None, 1, &[sighting(0, "a")]).unwrap();
        let once = miss(&head, Writer { seq: 2, cancelled: &cancelled, sabotage: None }, 2, true).unwrap();
        assert_eq!((once.wanted, once.missed), (Wanted::Live, 1));
        let held = hold(&once, 3, true).unwrap();
        assert_eq!(held.missed, 0);
        let once = miss(&held, Writer { seq: 4, cancelled: &cancelled, sabotage: None }, 2, true).unwrap();
        let twice = miss(&once, Writer { seq: 5, cancelled: &cancelled, sabotage: None }, 2, true).unwrap();
        assert_eq!((twice.wanted, twice.changed_gen), (Wanted::Gone, 5));
        let back = run(Some(twice), 6, &[sighting(0, "a")]).unwrap();
        assert_eq!((back.wanted, back.changed_gen), (Wanted::Live, 6));
    }

    #[test]
    fn a_version_of_a_cancelled_run_is_changed_anew() {
        let cancelled = BTreeSet::from([2]);
        let head = run(run(None, 1, &[sighting(0, "a")]), 2, &[sighting(0, "b")]).unwrap();
        let next =
            apply(None, see(Some(&head), &sighting(0, "b"), Writer { seq: 3, cancelled: &cancelled, sabotage: None }))
                .unwrap();
        assert_eq!(next.changed_gen, 3);
    }
}
