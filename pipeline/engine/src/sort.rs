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

impl Ord for Sortable {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_key = self.key.cmp(&other.key).then(self.rank.cmp(&other.rank));
        by_key.then_with(|| {
            if self.key.is_empty() || self.body == other.body {
                self.body.cmp(&other.body)
            } else {
                // two of one key are rare, so their fingerprints are made only here
                print(&self.body).cmp(&print(&other.body)).then_with(|| self.body.cmp(&other.body))
            }
        })
    }
}

impl PartialOrd for Sortable {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The content's fingerprint; empty for one that is withdrawn.
fn print(body: &[u8]) -> String {
    if body.is_empty() {
        return String::new();
    }
    serde_json::from_slice(body).map_or_else(|_| String::new(), |body| json::hash_hex(&body))
}

impl Sortable {
    fn weight(&self) -> usize {
        self.key.len() + self.body.len() + 96
    }
}

/// Takes records in any order.
pub(crate) struct Sorter {
    folder: PathBuf,
    limit: usize,
    held: Vec<Sortable>,
    bytes: usize,
    runs: Vec<std::fs::File>,
}

impl Sorter {
    /// Holds about `limit` bytes in memory and spills the rest to temporary files in `folder`.
    #[must_use]
    pub(crate) fn new(folder: &Path, limit: usize) -> Self {
        Self { folder: folder.to_owned(), limit, held: Vec::new(), bytes: 0, runs: Vec::new() }
    }

    /// Takes one.
    pub(crate) fn push(&mut self, record: Sortable) -> Result<(), StoreError> {
        self.bytes += record.weight();
        self.held.push(record);
        if self.bytes >= self.limit { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> Result<(), StoreError> {
        self.held.sort_unstable();
        let mut file = tempfile::tempfile_in(&self.folder).map_err(|error| self.no_space(&error))?;
        {
            let mut out = BufWriter::with_capacity(1 << 18, &mut file);
            for record in self.held.drain(..) {
                put(&mut out, &record).map_err(|error| no_space(&self.folder, &error))?;
            }
            out.flush().map_err(|error| no_space(&self.folder, &error))?;
        }
        file.rewind().map_err(|error| self.no_space(&error))?;
        self.runs.push(file);
        self.bytes = 0;
        Ok(())
    }

    fn no_space(&self, error: &std::io::Error) -> StoreError {
        no_space(&self.folder, error)
    }

    /// All of them, in order.
    pub(crate) fn finish(mut self) -> Result<Merge, StoreError> {
        self.held.sort_unstable();
        let mut merge = Merge {
            folder: self.folder,
            held: self.held.into_iter(),
            runs: self.runs.into_iter().map(|file| BufReader::with_capacity(1 << 16, file)).collect(),
            heap: BinaryHeap::new(),
        };
        for source in 0..=merge.runs.len() {
            merge.refill(source)?;
        }
        Ok(merge)
    }
}

/// The sorted records.
pub(crate) struct Merge {
    folder: PathBuf,
    held: std::vec::IntoIter<Sortable>,
    runs: Vec<BufReader<std::fs::File>>,
    heap: BinaryHeap<Reverse<(Sortable, usize)>>,
}

impl Merge {
    /// Source 0 is what stayed in memory; n is the nth spilled run.
    fn refill(&mut self, source: usize) -> Result<(), StoreError> {
        let next = if source == 0 {
            self.held.next()
        } else {
            match self.runs.get_mut(source - 1) {
                Some(run) => get(run).map_err(|error| no_space(&self.folder, &error))?,
                None => None,
            }
        };
        if let Some(record) = next {
            self.heap.push(Reverse((record, source)));
        }
        Ok(())
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

fn put(out: &mut impl Write, record: &Sortable) -> std::io::Result<()> {
    out.write_all(&record.rank.to_le_bytes())?;
    for part in [record.key.as_bytes(), &record.body] {
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
                sorter.push(record).unwrap();
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
