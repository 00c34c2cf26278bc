//! The decisions of [`super`] written in bulk: read the stamps, decide, compare and set; those that lost are read again.

use super::{Seen, Sighting, Writer, hold, miss, see, url_print, waits};
use crate::cx::Cx;
use crate::error::Result;
use crate::sabotage::Rule;
use jobpipe_core::{Fate, HeadBody, HeadSeen, HeadWrite, Ids, Record, Stamps, Version, Wanted};
use std::collections::{BTreeMap, BTreeSet};

/// How often a bulk write is repeated when others are faster, before it is an error.
const TRIES: usize = 100;

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
    // records of one page have one URL
    let mut last: (&str, String) = ("", String::new());
    for record in records {
        if record.fate == Fate::Held {
            if cx.keeps(Rule::HoldDead) {
                held.insert(record.key.clone());
            }
            continue;
        }
        let hash = if record.fate == Fate::Live { record.hash() } else { String::new() };
        let sighting = Sighting { rank: rank.saturating_mul(1 << 16).saturating_add(record.origin.rank), hash };
        if last.0 != record.origin.url || last.1.is_empty() {
            last = (&record.origin.url, url_print(&record.origin.url));
        }
        let url = last.1.clone();
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

/// Confirms those that are as they were, which most are but in a first run; gives the others. What is taken away by the
/// simulation, or made by a cancelled run, is for [`see`] to decide.
async fn confirm<'w>(cx: &Cx, ledger: &str, page: &'w [Wish<'w>], writer: Writer<'_>) -> Result<Vec<&'w Wish<'w>>> {
    let usual = |wish: &&Wish<'_>| wish.sighting.wanted() == Wanted::Live && wish.urls.len() == 1;
    if writer.seq <= 1 || writer.sabotage.is_some() || !writer.cancelled.is_empty() {
        return Ok(page.iter().collect());
    }
    let (usual, mut left): (Vec<_>, Vec<_>) = page.iter().partition(usual);
    let seen = usual.iter().map(|wish| HeadSeen {
        key: wish.record.key.clone(),
        hash: wish.sighting.hash.clone(),
        rank: wish.sighting.rank,
        url: wish.urls.first().cloned().unwrap_or_default(),
    });
    let confirmed = cx.store.heads_confirm(ledger, writer.seq, cx.ids.nonce(), seen.collect()).await?;
    left.extend(usual.into_iter().zip(confirmed).filter(|(_, confirmed)| !confirmed).map(|(wish, _)| wish));
    Ok(left)
}

async fn upsert(cx: &Cx, ledger: &str, page: &[Wish<'_>], writer: Writer<'_>) -> Result<()> {
    let mut left = confirm(cx, ledger, page, writer).await?;
    if left.is_empty() {
        return Ok(());
    }
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
                Some(change(&*cx.ids, key, head, hold(head, seq, cx.keeps(Rule::HoldGen))?))
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
        .filter(|(_, head)| waits(head, seq, after))
        .map(|(key, head)| {
            let before = Some(Version { hash: head.hash.clone(), wanted: head.wanted, changed_gen: head.changed_gen });
            change(&*cx.ids, key, head, Stamps { wanted: Wanted::Gone, changed_gen: seq, before, ..head.clone() })
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
