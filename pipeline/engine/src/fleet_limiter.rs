//! Rates that hold over a whole fleet. A permit is a slot in time, usable in its own interval only, then forfeited; a
//! process takes blocks of them by one compare-and-set on the document of the key, and gives them out by itself.
//!
//! Who asks is given a slot of its own, up to [`AHEAD`] before it begins, and waits for it: so slots are spoken for while
//! tasks are committed, told of and claimed, and none passes because everybody believed that another would use it.
//!
//! Times are wall times, so the machines of a fleet must agree on them to a fraction of a second. A clock that is ahead
//! makes the others wait; no clock makes the fleet faster than its rate.

use crate::docs::{self, Read};
use crate::error::Result;
use async_trait::async_trait;
use jobpipe_core::{Clock, DocKind, Ids, Millis, Rate, RateLimiter, StateStore};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What a block is worth, in microseconds of the rate; one permit at least.
const BLOCK: i64 = 100_000;
/// How far ahead a slot is taken at most, in microseconds: who asks waits for it. Those who die with slots in hand cost
/// the fleet so much of its rate.
const AHEAD: i64 = 1_000_000;
/// What clocks may differ by before the later one is not believed, in microseconds.
const SKEW: i64 = 10_000_000;
/// Rates whose permits are closer than this are none, in microseconds.
const NO_RATE: i64 = 100;
/// How often a key without a rate looks whether somebody paused it, in microseconds.
const LOOK: i64 = 1_000_000;
/// Tries to take a block, and slots that one caller may be too late for, before it asks again.
const TRIES: usize = 5;
/// How late a slot may be used, in microseconds, where half of its length is less: as late as timers on a busy machine.
const LATE: i64 = 25_000;
/// What a caller waits while the store does not answer: without it there is no permit.
const UNANSWERED: Duration = Duration::from_secs(1);
/// Keys kept before those that nobody uses are dropped.
const KEYS: usize = 10_000;

/// Permits of a fleet, by key. One a process; all over the same store.
pub struct FleetLimiter {
    store: Arc<dyn StateStore>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    cells: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Cell>>>>,
}

/// What the fleet knows of a key; times in microseconds since the Unix epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct LimitDoc {
    /// The first slot that nobody has taken.
    free: i64,
    /// How long the block before it is.
    block: i64,
    /// Nobody asks before: a server's own word.
    paused: i64,
}

impl docs::Kept for LimitDoc {}

/// What this process knows of a key.
#[derive(Default)]
struct Cell {
    /// The document as it was read or written last.
    known: Option<Read<LimitDoc>>,
    /// When it was read last.
    looked: i64,
    /// The first own slot.
    next: i64,
    /// Own slots from there on.
    left: i64,
    /// How long each is.
    slot: i64,
    /// Nobody asks before.
    paused: i64,
}

impl Cell {
    /// The next own slot that can still be used; `None` when there are none.
    fn own(&mut self, now: i64) -> Option<Slot> {
        while self.left > 0 {
            let slot = Slot { begins: self.next, length: self.slot };
            self.next += self.slot;
            self.left -= 1;
            if slot.is_usable(now) {
                return Some(slot);
            }
        }
        None
    }
}

/// A permit; times in microseconds.
#[derive(Clone, Copy)]
struct Slot {
    begins: i64,
    length: i64,
}

impl Slot {
    /// Whether it may be used at `now`, or later. What is sent late in one slot and early in a later one comes closer
    /// together than the rate, so not all of a slot is used.
    fn is_usable(self, now: i64) -> bool {
        // a millisecond of mercy, which is as exact as the clock; one that is far away was taken by a clock that was wrong
        let last = self.begins + (self.length / 2).max(LATE) + 1_000;
        now < last && self.begins <= now + AHEAD + SKEW
    }
}

fn micros(time: i64) -> Duration {
    Duration::from_micros(u64::try_from(time).unwrap_or(0))
}

impl FleetLimiter {
    /// Permits by `clock`'s wall time, shared through `store`.
    #[must_use]
    pub fn new(store: Arc<dyn StateStore>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self { store, clock, ids, cells: Mutex::default() }
    }

    fn now(&self) -> i64 {
        self.clock.now().saturating_mul(1_000)
    }

    fn cell(&self, key: &str) -> Arc<tokio::sync::Mutex<Cell>> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if cells.len() >= KEYS && !cells.contains_key(key) {
            cells.retain(|_, cell| Arc::strong_count(cell) > 1);
        }
        Arc::clone(cells.entry(key.to_owned()).or_default())
    }

    async fn read(&self, key: &str, cell: &mut Cell) -> Result<Read<LimitDoc>> {
        loop {
            let read = docs::read::<LimitDoc, _>(&*self.store, DocKind::Limit, key).await?;
            if let Some(read) = read {
                cell.looked = self.now();
                cell.paused = cell.paused.max(read.doc.paused);
                return Ok(read);
            }
            docs::insert(&*self.store, &*self.ids, DocKind::Limit, key, &LimitDoc::default()).await?;
        }
    }

    /// Takes a block; `Some` says when to ask again where the next one is too far away, or others were always faster.
    async fn take(&self, key: &str, cell: &mut Cell, slot: i64) -> Result<Option<Duration>> {
        let block = slot * (BLOCK / slot).max(1);
        for _ in 0..TRIES {
            let read = match cell.known.take() {
                Some(known) => known,
                None => self.read(key, cell).await?,
            };
            let now = self.now();
            if cell.paused > now {
                return Ok(Some(micros(cell.paused - now)));
            }
            // further away than anybody takes one: a clock was wrong
            let believed = now + AHEAD + read.doc.block + SKEW;
            let free = if read.doc.free > believed { now } else { read.doc.free.max(now) };
            if free - now > AHEAD {
                cell.known = Some(read);
                return Ok(Some(micros(free - AHEAD - now)));
            }
            let new = LimitDoc { free: free + block, block, ..read.doc };
            cell.known = docs::replace(&*self.store, &*self.ids, DocKind::Limit, key, &read, new).await?;
            if cell.known.is_some() {
                (cell.next, cell.left, cell.slot) = (free, block / slot, slot);
                return Ok(None);
            }
        }
        Ok(Some(micros(slot).mul_f64(self.ids.fraction())))
    }

    /// A slot of the caller's own, none where there is no rate, or when to ask again.
    async fn ask(&self, key: &str, rate: Rate) -> Result<std::result::Result<Option<Slot>, Duration>> {
        let slot = i64::try_from(rate.interval().as_micros()).unwrap_or(i64::MAX / 4).clamp(1, i64::MAX / 4);
        let cell = self.cell(key);
        let mut cell = cell.lock().await;
        if slot < NO_RATE && self.now() - cell.looked >= LOOK {
            let read = self.read(key, &mut cell).await?;
            cell.known = Some(read);
        }
        let now = self.now();
        if cell.paused > now {
            return Ok(Err(micros(cell.paused - now)));
        }
        if slot < NO_RATE {
            return Ok(Ok(None));
        }
        for _ in 0..TRIES {
            if let Some(own) = cell.own(self.now()) {
                return Ok(Ok(Some(own)));
            }
            if let Some(wait) = self.take(key, &mut cell, slot).await? {
                return Ok(Err(wait));
            }
        }
        Ok(Err(micros(slot)))
    }

    /// Waits for the own slot; false when it passed meanwhile.
    async fn wait_for(&self, slot: Slot) -> bool {
        let now = self.now();
        if slot.begins > now {
            self.clock.sleep(micros(slot.begins - now)).await;
        }
        slot.is_usable(self.now())
    }

    /// How long nobody asks, by what this process knows.
    async fn paused(&self, key: &str) -> Option<Duration> {
        let cell = self.cell(key);
        let paused = cell.lock().await.paused;
        (paused > self.now()).then(|| micros(paused - self.now()))
    }

    async fn take_one(&self, key: &str, rate: Rate) -> Result<std::result::Result<(), Duration>> {
        for _ in 0..TRIES {
            let slot = match self.ask(key, rate).await? {
                Ok(Some(slot)) => slot,
                Ok(None) => return Ok(Ok(())),
                Err(wait) => return Ok(Err(wait)),
            };
            if self.wait_for(slot).await {
                // the server may have said so while this one waited
                return Ok(self.paused(key).await.map_or(Ok(()), Err));
            }
        }
        Ok(Err(rate.interval()))
    }

    async fn tell_pause(&self, key: &str, time: Duration) -> Result<()> {
        let cell = self.cell(key);
        let mut cell = cell.lock().await;
        let time = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        cell.paused = cell.paused.max(self.now().saturating_add(time));
        loop {
            let read = self.read(key, &mut cell).await?;
            if read.doc.paused >= cell.paused {
                return Ok(());
            }
            let new = LimitDoc { paused: cell.paused, ..read.doc.clone() };
            cell.known = docs::replace(&*self.store, &*self.ids, DocKind::Limit, key, &read, new).await?;
            if cell.known.is_some() {
                return Ok(());
            }
        }
    }
}

#[async_trait]
impl RateLimiter for FleetLimiter {
    async fn permit(&self, key: &str, rate: Rate) -> std::result::Result<(), Duration> {
        self.take_one(key, rate).await.unwrap_or_else(|error| {
            tracing::warn!(key, "no permit, as the store does not answer: {error}");
            Err(UNANSWERED)
        })
    }

    async fn pause(&self, key: &str, time: Duration) {
        if let Err(error) = self.tell_pause(key, time).await {
            tracing::warn!(key, "a pause is kept by this process alone, as the store does not answer: {error}");
        }
    }
}

/// Removes the documents of keys that nobody has used for `time`.
pub(crate) async fn clear(store: &dyn StateStore, now: Millis, time: Duration) -> Result<()> {
    const PAGE: usize = 500;
    let before = now.saturating_mul(1_000) - i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    let mut after = String::new();
    loop {
        let page = store.docs(DocKind::Limit, "", &after, PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after.clone_from(last);
        for (key, doc) in page {
            // one of another form is of another version
            if doc.read::<LimitDoc>().is_ok_and(|doc| doc.free.max(doc.paused) < before) {
                store.doc_delete(DocKind::Limit, &key).await?;
            }
        }
    }
}
