//! Sorting more records than fit in memory: sorted runs on disk, merged.

use jobpipe_core::{StoreError, json};
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// One record to sort: by key, then rank, then as heads choose among equals; those without a key by their text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sortable {
    /// The record's key.
    pub key: String,
    /// The source's rank.
    pub rank: u32,
    /// The record as JSON; empty for one that is withdrawn.
    pub body: Vec<u8>,
}

impl Sortable {
    fn parts(&self) -> Parts<'_> {
        Parts { key: self.key.as_bytes(), rank: self.rank, body: &self.body }
    }
}

impl Ord for Sortable {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().order(other.parts())
    }
}

impl PartialOrd for Sortable {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A [`Sortable`] that lies elsewhere.
#[derive(Clone, Copy)]
struct Parts<'a> {
    key: &'a [u8],
    rank: u32,
    body: &'a [u8],
}

impl Parts<'_> {
    fn order(self, other: Self) -> Ordering {
        let by_key = self.key.cmp(other.key).then(self.rank.cmp(&other.rank));
        by_key.then_with(|| {
            if self.key.is_empty() || self.body == other.body {
                self.body.cmp(other.body)
            } else {
                // two of one key are rare, so their fingerprints are made only here
                print(self.body).cmp(&print(other.body)).then_with(|| self.body.cmp(other.body))
            }
        })
    }

    /// What tells records apart first: their key, or their text where they have none.
    fn first(&self) -> &[u8] {
        if self.key.is_empty() { self.body } else { self.key }
    }
}

/// The content's fingerprint; empty for one that is withdrawn.
fn print(body: &[u8]) -> String {
    if body.is_empty() {
        return String::new();
    }
    serde_json::from_slice(body).map_or_else(|_| String::new(), |body| json::hash_hex(&body))
}

/// Where a record lies among the bytes held, and the eight bytes in which it first differs from the others.
struct Place {
    prefix: u64,
    at: usize,
    key: usize,
    body: usize,
    rank: u32,
}

/// Records in memory, one behind the other: a key and a body have no allocation of their own.
#[derive(Default)]
struct Held {
    bytes: Vec<u8>,
    places: Vec<Place>,
}

impl Held {
    fn push(&mut self, key: &str, rank: u32, body: &[u8]) {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(key.as_bytes());
        self.bytes.extend_from_slice(body);
        self.places.push(Place { prefix: 0, at, key: key.len(), body: body.len(), rank });
    }

    fn weight(&self) -> usize {
        self.bytes.len() + self.places.len() * size_of::<Place>()
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
    }

    /// Sorts. Comparing texts that lie far apart is what sorting costs: nearly always their prefixes decide.
    fn sort(&mut self) {
        let Self { bytes, places } = self;
        for keyed in [true, false] {
            let of = |place: &&mut Place| (place.key > 0) == keyed;
            let skip = common(bytes, places.iter().filter(|place| (place.key > 0) == keyed));
            for place in places.iter_mut().filter(of) {
                place.prefix = eight(parts(bytes, place).first().get(skip..).unwrap_or_default());
            }
        }
        places.sort_unstable_by(|a, b| match (a.key > 0, b.key > 0) {
            (true, true) => a.prefix.cmp(&b.prefix).then_with(|| parts(bytes, a).order(parts(bytes, b))),
            (false, false) => {
                let before = a.rank.cmp(&b.rank).then(a.prefix.cmp(&b.prefix));
                before.then_with(|| parts(bytes, a).order(parts(bytes, b)))
            }
            (keyed, other) => keyed.cmp(&other),
        });
    }
}

fn parts<'b>(bytes: &'b [u8], place: &Place) -> Parts<'b> {
    let slice = |from: usize, length: usize| bytes.get(from..from + length).unwrap_or_default();
    Parts { key: slice(place.at, place.key), rank: place.rank, body: slice(place.at + place.key, place.body) }
}

/// How many bytes all of them begin with alike.
fn common<'p>(bytes: &[u8], mut places: impl Iterator<Item = &'p Place>) -> usize {
    let Some(first) = places.next() else { return 0 };
    let first = parts(bytes, first);
    let mut common = first.first();
    for place in places {
        let other = parts(bytes, place);
        let alike = common.iter().zip(other.first()).take_while(|(a, b)| a == b).count();
        common = common.get(..alike).unwrap_or_default();
    }
    common.len()
}

/// The first eight bytes as a number of the same order; what is missing counts as zero.
fn eight(text: &[u8]) -> u64 {
    let mut first = [0; 8];
    for (to, from) in first.iter_mut().zip(text) {
        *to = *from;
    }
    u64::from_be_bytes(first)
}

/// Takes records in any order.
pub(crate) struct Sorter {
    folder: PathBuf,
    limit: usize,
    held: Held,
    runs: Vec<std::fs::File>,
}

impl Sorter {
    /// Holds about `limit` bytes in memory and spills the rest to temporary files in `folder`.
    #[must_use]
    pub(crate) fn new(folder: &Path, limit: usize) -> Self {
        Self { folder: folder.to_owned(), limit, held: Held::default(), runs: Vec::new() }
    }

    /// Takes the parts of a [`Sortable`].
    pub(crate) fn push(&mut self, key: &str, rank: u32, body: &[u8]) -> Result<(), StoreError> {
        self.held.push(key, rank, body);
        if self.held.weight() >= self.limit { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> Result<(), StoreError> {
        self.held.sort();
        let file = spilled(&self.folder, &self.held).map_err(|error| no_space(&self.folder, &error))?;
        self.runs.push(file);
        self.held.clear();
        Ok(())
    }

    /// All of them, in order.
    pub(crate) fn finish(mut self) -> Result<Merge, StoreError> {
        self.held.sort();
        let mut merge = Merge {
            folder: self.folder,
            bytes: self.held.bytes,
            held: self.held.places.into_iter(),
            runs: self.runs.into_iter().map(|file| BufReader::with_capacity(1 << 16, file)).collect(),
            heap: BinaryHeap::new(),
        };
        for source in 0..=merge.runs.len() {
            merge.refill(source)?;
        }
        Ok(merge)
    }
}

/// A file of what is held.
fn spilled(folder: &Path, held: &Held) -> std::io::Result<std::fs::File> {
    let mut file = tempfile::tempfile_in(folder)?;
    let mut out = BufWriter::with_capacity(1 << 18, &mut file);
    for place in &held.places {
        put(&mut out, parts(&held.bytes, place))?;
    }
    out.flush()?;
    drop(out);
    file.rewind()?;
    Ok(file)
}

/// The sorted records.
pub(crate) struct Merge {
    folder: PathBuf,
    bytes: Vec<u8>,
    held: std::vec::IntoIter<Place>,
    runs: Vec<BufReader<std::fs::File>>,
    heap: BinaryHeap<Reverse<(Sortable, usize)>>,
}

impl Merge {
    /// Source 0 is what stayed in memory; n is the nth spilled run.
    fn refill(&mut self, source: usize) -> Result<(), StoreError> {
        let next = match source.checked_sub(1).and_then(|run| self.runs.get_mut(run)) {
            Some(run) => get(run).map_err(|error| no_space(&self.folder, &error))?,
            None => self.next_held(),
        };
        if let Some(record) = next {
            self.heap.push(Reverse((record, source)));
        }
        Ok(())
    }

    fn next_held(&mut self) -> Option<Sortable> {
        let place = self.held.next()?;
        let Parts { key, rank, body } = parts(&self.bytes, &place);
        Some(Sortable { key: String::from_utf8_lossy(key).into_owned(), rank, body: body.to_vec() })
    }

    /// The next record.
    pub(crate) fn next(&mut self) -> Result<Option<Sortable>, StoreError> {
        let Some(Reverse((record, source))) = self.heap.pop() else { return Ok(None) };
        self.refill(source)?;
        Ok(Some(record))
    }
}

fn no_space(folder: &Path, error: &std::io::Error) -> StoreError {
    StoreError::NoSpace { path: folder.display().to_string(), message: format!("sorting records: {error}") }
}

fn put(out: &mut impl Write, record: Parts<'_>) -> std::io::Result<()> {
    out.write_all(&record.rank.to_le_bytes())?;
    for part in [record.key, record.body] {
        let length = u32::try_from(part.len()).map_err(std::io::Error::other)?;
        out.write_all(&length.to_le_bytes())?;
        out.write_all(part)?;
    }
    Ok(())
}

fn get(run: &mut impl Read) -> std::io::Result<Option<Sortable>> {
    let mut rank = [0; 4];
    let mut first = [0; 1];
    if run.read(&mut first)? == 0 {
        return Ok(None);
    }
    let [one, rest @ ..] = &mut rank;
    *one = first[0];
    run.read_exact(rest)?;
    let mut part = || -> std::io::Result<Vec<u8>> {
        let mut length = [0; 4];
        run.read_exact(&mut length)?;
        let mut bytes = vec![0; usize::try_from(u32::from_le_bytes(length)).map_err(std::io::Error::other)?];
        run.read_exact(&mut bytes)?;
        Ok(bytes)
    };
    let key = String::from_utf8(part()?).map_err(std::io::Error::other)?;
    Ok(Some(Sortable { key, rank: u32::from_le_bytes(rank), body: part()? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spilled_runs_merge_into_one_order() {
        let folder = tempfile::tempdir().unwrap();
        for limit in [1, 1_000, 1 << 20] {
            let mut sorter = Sorter::new(folder.path(), limit);
            let mut all = Vec::new();
            for n in 0_u64..500 {
                let mixed = n.wrapping_mul(6_364_136_223_846_793_005) >> 40;
                let record = Sortable {
                    key: if mixed % 5 == 0 { String::new() } else { format!("k{}", mixed % 97) },
                    rank: u32::try_from(mixed % 3).unwrap(),
                    body: format!("{{\"n\":{mixed}}}").into_bytes(),
                };
                all.push(record.clone());
                sorter.push(&record.key, record.rank, &record.body).unwrap();
            }
            all.sort();
            let mut merge = sorter.finish().unwrap();
            let mut sorted = Vec::new();
            while let Some(record) = merge.next().unwrap() {
                sorted.push(record);
            }
            assert_eq!(sorted, all);
        }
    }
}
