//! What a sighting, a hold or a miss does to a head: pure decisions, then the same written in bulk.
//!
//! Every write of run N is filtered on the head's stamps, so repeating it, or repeating it late, changes nothing.

use crate::cx::Cx;
use crate::error::Result;
use jobpipe_core::{Fate, HeadBody, HeadWrite, Ids, Record, Stamps, Version, Wanted};
use std::collections::{BTreeMap, BTreeSet};

/// How often a bulk write is repeated when others are faster, before it is an error.
const TRIES: usize = 100;

/// What is known of the run that writes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer<'a> {
    /// Its number.
    pub seq: u64,
    /// Numbers of cancelled runs.
    pub cancelled: &'a BTreeSet<u64>,
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

fn same(version: &Version, hash: &str, wanted: Wanted) -> bool {
    match (version.wanted, wanted) {
        (Wanted::Live, Wanted::Live) => version.hash == hash,
        (Wanted::Gone | Wanted::Withdrawn, Wanted::Gone | Wanted::Withdrawn) => true,
        _ => false,
    }
}

fn version_of(stamps: &Stamps) -> Version {
    Version { hash: stamps.hash.clone(), wanted: stamps.wanted, changed_gen: stamps.changed_gen }
}

/// `changed_gen` of a version that follows `before` in run `seq`.
fn changed_gen(before: Option<&Version>, sighting: &Sighting, writer: Writer<'_>) -> u64 {
    match before {
        Some(version)
            if same(version, &sighting.hash, sighting.wanted()) && !writer.cancelled.contains(&version.changed_gen) =>
        {
            version.changed_gen
        }
        _ => writer.seq,
    }
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
    if head.seen_gen > seq || head.held_gen > seq || head.missed_gen > seq {
        return Seen::Nothing;
    }
    if head.seen_gen < seq {
        let before = version_of(head);
        let stamps = Stamps {
            changed_gen: changed_gen(Some(&before), sighting, writer),
            hash: sighting.hash.clone(),
            wanted: sighting.wanted(),
            seen_gen: seq,
            before: Some(before),
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
        let stamps = Stamps {
            changed_gen: changed_gen(head.before.as_ref(), sighting, writer),
            hash: sighting.hash.clone(),
            wanted: sighting.wanted(),
            rank: sighting.rank,
            ..head.clone()
        };
        return Seen::Write { stamps, body: sighting.wanted() == Wanted::Live };
    }
    Seen::AddUrl
}

/// Holding a head: it counts as seen, nothing else moves. `None` when it was seen, missed or held already.
#[must_use]
pub(crate) fn hold(head: &Stamps, seq: u64) -> Option<Stamps> {
    (head.seen_gen < seq && head.held_gen < seq && head.missed_gen < seq).then(|| Stamps {
        held_gen: seq,
        missed: 0,
        ..head.clone()
    })
}

/// Counting a head as missed in an exhaustive run; gone after `after` of them, where `may_remove`.
#[must_use]
pub(crate) fn miss(head: &Stamps, writer: Writer<'_>, after: u32, may_remove: bool) -> Option<Stamps> {
    let seq = writer.seq;
    if head.seen_gen >= seq || head.held_gen >= seq || head.missed_gen >= seq {
        return None;
    }
    let mut stamps = Stamps { missed: head.missed.saturating_add(1), missed_gen: seq, ..head.clone() };
    let was_removed = matches!(head.wanted, Wanted::Gone | Wanted::Withdrawn);
    if stamps.missed >= after && may_remove && !was_removed {
        stamps.wanted = Wanted::Gone;
        stamps.changed_gen = seq;
    } else if was_removed && writer.cancelled.contains(&head.changed_gen) {
        stamps.changed_gen = seq;
    }
    Some(stamps)
}

/// True when [`miss`] would declare the head gone.
#[must_use]
pub(crate) fn would_go(head: &Stamps, seq: u64, after: u32) -> bool {
    head.seen_gen < seq
        && head.held_gen < seq
        && head.missed_gen < seq
        && head.missed.saturating_add(1) >= after
        && matches!(head.wanted, Wanted::Live | Wanted::Stub)
}

/// The fingerprint under which a head remembers a source URL.
#[must_use]
pub(crate) fn url_print(url: &str) -> String {
    blake3::hash(url.as_bytes()).to_hex().chars().take(32).collect()
}

/// One record for each key: the best sighting, and every source's URL.
struct Wish<'a> {
    record: &'a Record,
    sighting: Sighting,
    urls: BTreeSet<String>,
}

/// Upserts live and withdrawn records, and holds held ones. `rank` is the source's place in the ledger.
pub(crate) async fn write(cx: &Cx, ledger: &str, rank: u32, records: &[Record], writer: Writer<'_>) -> Result<()> {
    let mut wishes: BTreeMap<&str, Wish<'_>> = BTreeMap::new();
    let mut held: BTreeSet<String> = BTreeSet::new();
    for record in records {
        if record.fate == Fate::Held {
            held.insert(record.key.clone());
            continue;
        }
        let hash = if record.fate == Fate::Live { record.hash() } else { String::new() };
        let sighting = Sighting { rank: rank.saturating_mul(1 << 16).saturating_add(record.origin.rank), hash };
        let url = url_print(&record.origin.url);
        match wishes.get_mut(record.key.as_str()) {
            None => {
                wishes.insert(&record.key, Wish { record, sighting, urls: BTreeSet::from([url]) });
            }
            Some(wish) => {
                wish.urls.insert(url);
                if sighting < wish.sighting {
                    wish.sighting = sighting;
                    wish.record = record;
                }
            }
        }
    }
    let all: Vec<Wish<'_>> = wishes.into_values().collect();
    for page in all.chunks(cx.settings.page) {
        upsert(cx, ledger, page, writer).await?;
    }
    hold_keys(cx, ledger, held.into_iter().collect(), writer.seq).await
}

async fn upsert(cx: &Cx, ledger: &str, page: &[Wish<'_>], writer: Writer<'_>) -> Result<()> {
    let mut left: Vec<&Wish<'_>> = page.iter().collect();
    for _ in 0..TRIES {
        let keys: Vec<String> = left.iter().map(|wish| wish.record.key.clone()).collect();
        let stamps = cx.store.heads_stamps(ledger, &keys).await?;
        let mut tried = Vec::new();
        let mut writes = Vec::new();
        for (wish, head) in left.iter().zip(&stamps) {
            if let Some(write) = upsert_one(&*cx.ids, wish, head.as_ref(), writer) {
                tried.push(*wish);
                writes.push(write);
            }
        }
        if writes.is_empty() {
            return Ok(());
        }
        let applied = cx.store.heads_put(ledger, writes).await?;
        left = tried.into_iter().zip(applied).filter(|(_, applied)| !applied).map(|(wish, _)| wish).collect();
        if left.is_empty() {
            return Ok(());
        }
    }
    Err(contended(ledger))
}

fn upsert_one(ids: &dyn Ids, wish: &Wish<'_>, head: Option<&Stamps>, writer: Writer<'_>) -> Option<HeadWrite> {
    let expect = head.map(|head| head.version);
    let add_urls: Vec<String> = wish.urls.iter().cloned().collect();
    let (stamps, body) = match see(head, &wish.sighting, writer) {
        Seen::Nothing => return None,
        // the URL set is the store's own and idempotent; without a new URL there is nothing to write
        Seen::AddUrl => (head?.clone(), false),
        Seen::Write { stamps, body } => (stamps, body),
    };
    let record = wish.record;
    let body = body.then(|| HeadBody {
        body: record.body.clone(),
        url: record.origin.url.clone(),
        fetched_at: record.origin.fetched_at,
    });
    Some(HeadWrite {
        key: record.key.clone(),
        expect,
        stamps: Stamps { version: ids.nonce(), ..stamps },
        body,
        add_urls,
    })
}

/// Holds the heads of these keys.
pub(crate) async fn hold_keys(cx: &Cx, ledger: &str, mut keys: Vec<String>, seq: u64) -> Result<()> {
    for _ in 0..TRIES {
        if keys.is_empty() {
            return Ok(());
        }
        let stamps = cx.store.heads_stamps(ledger, &keys).await?;
        let writes: Vec<HeadWrite> = keys
            .iter()
            .zip(&stamps)
            .filter_map(|(key, head)| {
                let head = head.as_ref()?;
                Some(change(&*cx.ids, key, head, hold(head, seq)?))
            })
            .collect();
        keys = write_rest(cx, ledger, writes).await?;
    }
    Err(contended(ledger))
}

/// Counts these heads as missed.
pub(crate) async fn miss_keys(
    cx: &Cx,
    ledger: &str,
    mut page: Vec<(String, Stamps)>,
    writer: Writer<'_>,
    after: u32,
    may_remove: bool,
) -> Result<()> {
    for _ in 0..TRIES {
        let writes: Vec<HeadWrite> = page
            .iter()
            .filter_map(|(key, head)| Some(change(&*cx.ids, key, head, miss(head, writer, after, may_remove)?)))
            .collect();
        let rest = write_rest(cx, ledger, writes).await?;
        if rest.is_empty() {
            return Ok(());
        }
        let stamps = cx.store.heads_stamps(ledger, &rest).await?;
        page = rest.into_iter().zip(stamps).filter_map(|(key, head)| Some((key, head?))).collect();
    }
    Err(contended(ledger))
}

/// Declares gone the heads that run `seq` counted missed often enough while a guard held removals back.
pub(crate) async fn accept_keys(
    cx: &Cx,
    ledger: &str,
    page: Vec<(String, Stamps)>,
    seq: u64,
    after: u32,
) -> Result<()> {
    let writes: Vec<HeadWrite> = page
        .iter()
        .filter(|(_, head)| {
            head.missed_gen == seq && head.missed >= after && matches!(head.wanted, Wanted::Live | Wanted::Stub)
        })
        .map(|(key, head)| {
            change(&*cx.ids, key, head, Stamps { wanted: Wanted::Gone, changed_gen: seq, ..head.clone() })
        })
        .collect();
    // nobody else writes heads while no run is open
    if write_rest(cx, ledger, writes).await?.is_empty() { Ok(()) } else { Err(contended(ledger)) }
}

fn change(ids: &dyn Ids, key: &str, read: &Stamps, new: Stamps) -> HeadWrite {
    HeadWrite {
        key: key.to_owned(),
        expect: Some(read.version),
        stamps: Stamps { version: ids.nonce(), ..new },
        body: None,
        add_urls: Vec::new(),
    }
}

/// Writes, and gives the keys whose head another had changed.
async fn write_rest(cx: &Cx, ledger: &str, writes: Vec<HeadWrite>) -> Result<Vec<String>> {
    if writes.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<String> = writes.iter().map(|write| write.key.clone()).collect();
    let applied = cx.store.heads_put(ledger, writes).await?;
    Ok(keys.into_iter().zip(applied).filter(|(_, applied)| !applied).map(|(key, _)| key).collect())
}

fn contended(ledger: &str) -> crate::error::EngineError {
    jobpipe_core::StoreError::Unavailable {
        message: format!("heads of {ledger} are changed faster than they are read"),
    }
    .into()
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
            let seen = see(head.as_ref(), one, Writer { seq, cancelled: &cancelled });
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
    fn a_better_equal_that_restores_the_old_version_is_unchanged() {
        let old = run(None, 1, &[sighting(0, "a")]);
        let after = run(old.clone(), 2, &[sighting(1, "z")]).unwrap();
        assert_eq!(after.changed_gen, 2);
        let after = run(Some(after), 2, &[sighting(0, "a")]).unwrap();
        assert_eq!(after.changed_gen, 1);
        assert_eq!(run(old, 2, &[sighting(0, "a")]).unwrap().seen_gen, 2);
    }

    #[test]
    fn an_old_run_changes_nothing() {
        let head = run(None, 3, &[sighting(0, "a")]).unwrap();
        let cancelled = BTreeSet::new();
        assert_eq!(see(Some(&head), &sighting(0, "0"), Writer { seq: 2, cancelled: &cancelled }), Seen::Nothing);
        assert_eq!(hold(&head, 3), None);
        assert_eq!(miss(&head, Writer { seq: 3, cancelled: &cancelled }, 1, true), None);
    }

    #[test]
    fn gone_after_so_many_misses_and_a_sighting_brings_it_back() {
        let cancelled = BTreeSet::new();
        let head = run(None, 1, &[sighting(0, "a")]).unwrap();
        let once = miss(&head, Writer { seq: 2, cancelled: &cancelled }, 2, true).unwrap();
        assert_eq!((once.wanted, once.missed), (Wanted::Live, 1));
        let held = hold(&once, 3).unwrap();
        assert_eq!(held.missed, 0);
        let once = miss(&held, Writer { seq: 4, cancelled: &cancelled }, 2, true).unwrap();
        let twice = miss(&once, Writer { seq: 5, cancelled: &cancelled }, 2, true).unwrap();
        assert_eq!((twice.wanted, twice.changed_gen), (Wanted::Gone, 5));
        let back = run(Some(twice), 6, &[sighting(0, "a")]).unwrap();
        assert_eq!((back.wanted, back.changed_gen), (Wanted::Live, 6));
    }

    #[test]
    fn a_version_of_a_cancelled_run_is_changed_anew() {
        let cancelled = BTreeSet::from([2]);
        let head = run(run(None, 1, &[sighting(0, "a")]), 2, &[sighting(0, "b")]).unwrap();
        let next = apply(None, see(Some(&head), &sighting(0, "b"), Writer { seq: 3, cancelled: &cancelled })).unwrap();
        assert_eq!(next.changed_gen, 3);
    }
}
