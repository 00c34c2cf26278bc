//! What an unclean end left in the write-ahead log.
//!
//! SQLite recovers by itself: it applies the frames up to the last commit whose checksums hold and drops the rest. It
//! also drops, without a word, a whole log whose header is damaged: that one is refused here, for it may hold commits
//! that were acknowledged. Nor does it say that the end of a log is gone; that is found here in two ways: a frame that
//! was begun and does not add up, and the index (`-shm`) of the process that died, which says how far it had committed.
//! The formats are SQLite's own: <https://www.sqlite.org/fileformat2.html#walformat>, <https://www.sqlite.org/walformat.html>.

use crate::fault::{no_space, unusable};
use jobpipe_core::StoreResult;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// The two spellings of the magic number; the second one's checksums are big-endian.
const MAGIC: [u32; 2] = [0x377f_0682, 0x377f_0683];

/// What was found in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Log {
    /// Frames of this generation up to its last commit: what recovery will apply.
    pub(crate) frames: u64,
    /// Frames of this generation after that: begun and never committed, or damaged.
    pub(crate) torn: u64,
    /// Commits that were acknowledged are, or may be, no more.
    pub(crate) lost: bool,
}

/// What the index of a dead process says of its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Index {
    salt: [u8; 8],
    /// Frames up to its last commit.
    frames: u64,
    /// Of these, frames that are in the store's file already.
    moved: u64,
}

/// Where the index lies: as [`log_path`].
const INDEX: &str = "-shm";
/// Two copies of its header, and how far the log was moved.
const INDEX_COPY: usize = 48;

/// Where the log of a store lies.
pub(crate) fn log_path(store: &Path) -> PathBuf {
    beside(store, "-wal")
}

fn beside(store: &Path, suffix: &str) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The index; `None` when there is none, or its writer died while it wrote it.
fn index(store: &Path) -> Option<Index> {
    let mut bytes = [0; 2 * INDEX_COPY + 4];
    File::open(beside(store, INDEX)).ok()?.read_exact(&mut bytes).ok()?;
    let (copies, moved) = bytes.split_at(2 * INDEX_COPY);
    let (one, two) = copies.split_at(INDEX_COPY);
    // of one process: its numbers are in the order of this machine
    let native = |at: usize| one.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_ne_bytes);
    let begun = one.get(12) == Some(&1);
    let salt = one.get(32..40)?.try_into().ok()?;
    let moved = moved.try_into().map_or(0, u32::from_ne_bytes);
    (one == two && begun).then(|| Index { salt, frames: u64::from(native(16)), moved: u64::from(moved) })
}

/// Reads the log of `store`. An absent or empty one is fine; one with a damaged header is not.
pub(crate) fn inspect(store: &Path) -> StoreResult<Log> {
    let path = log_path(store);
    let index = index(store);
    let scanned = match File::open(&path) {
        Ok(file) => scan(BufReader::new(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Some((Log::default(), None))),
        Err(error) => Err(error),
    };
    let refused = |why| Err(unusable(path.display().to_string(), why));
    match scanned {
        Ok(Some((log, salt))) => match index.filter(|index| salt.is_none_or(|salt| salt == index.salt)) {
            // what is moved and what is left would be of different times
            Some(index) if index.moved > log.frames && index.frames > log.frames && salt.is_some() => {
                refused("the end of this log is gone, and what was before it is in the store already")
            }
            Some(index) => Ok(Log { lost: log.lost || index.frames > log.frames.max(index.moved), ..log }),
            None => Ok(log),
        },
        Ok(None) => refused("the start of this log is damaged"),
        Err(error) => Err(no_space(&path, &error)),
    }
}

/// Walks the frames; `None` when the header is damaged though frames follow. With the salt, if there are frames.
fn scan(mut file: impl Read) -> std::io::Result<Option<(Log, Option<[u8; 8]>)>> {
    let mut header = [0; HEADER];
    if !fill(&mut file, &mut header)? {
        return Ok(Some((Log::default(), None)));
    }
    let mut first = [0; 1];
    let has_frames = fill(&mut file, &mut first)?;
    if !has_frames {
        return Ok(Some((Log::default(), None)));
    }
    let Some(mut sum) = Sum::of_header(&header) else { return Ok(None) };
    let page = usize::try_from(word(&header, 8)).unwrap_or(0);
    if !page.is_power_of_two() || !(512..=65_536).contains(&page) {
        return Ok(None);
    }
    let mut salt = [0; 8];
    salt.copy_from_slice(&header[16..24]);
    let mut file = first.chain(file);
    let mut frame = vec![0; FRAME_HEADER + page];
    let (mut seen, mut committed, mut whole) = (0, 0, true);
    while fill(&mut file, &mut frame)? && frame[8..16] == salt {
        seen += 1;
        sum.add(&frame[..8]);
        sum.add(&frame[FRAME_HEADER..]);
        whole = whole && sum.is(word(&frame, 16), word(&frame, 20));
        if whole && word(&frame, 4) != 0 {
            committed = seen;
        }
    }
    Ok(Some((Log { frames: committed, torn: seen - committed, lost: !whole }, Some(salt))))
}

/// Fills `buffer`; false when the file ends before.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_be_bytes)
}

/// The running checksum over header and frames.
struct Sum {
    big_endian: bool,
    one: u32,
    two: u32,
}

impl Sum {
    /// The checksum after the header, if the header holds.
    fn of_header(header: &[u8; HEADER]) -> Option<Self> {
        let magic = word(header, 0);
        if !MAGIC.contains(&magic) {
            return None;
        }
        let mut sum = Self { big_endian: magic == MAGIC[1], one: 0, two: 0 };
        sum.add(&header[..24]);
        sum.is(word(header, 24), word(header, 28)).then_some(sum)
    }

    fn add(&mut self, bytes: &[u8]) {
        let (pairs, _) = bytes.as_chunks::<8>();
        for [a, b, c, d, e, f, g, h] in pairs {
            let read = if self.big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
            self.one = self.one.wrapping_add(read([*a, *b, *c, *d])).wrapping_add(self.two);
            self.two = self.two.wrapping_add(read([*e, *f, *g, *h])).wrapping_add(self.one);
        }
    }

    fn is(&self, one: u32, two: u32) -> bool {
        self.one == one && self.two == two
    }
}

#[cfg(test)]
mod tests;
