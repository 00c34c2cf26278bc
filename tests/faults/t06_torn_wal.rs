//! T6: the process that holds the store is killed and the end of its log is garbled or cut. All that was committed before
//! the damage is there; that something is gone is noticed; and nothing is posted twice for it.

use crate::chance::Chance;
use crate::line::Line;
use crate::scene::{Scene, Wanted};
use crate::{alone, size, store};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const HEADER: u64 = 32;
const FRAME_HEADER: u64 = 24;
const SPOILT: u64 = 4_096;

fn log_of(store: &Path) -> PathBuf {
    PathBuf::from(format!("{}-wal", store.display()))
}

/// The log's bytes up to the end of what belongs to its present generation, and the size of a frame.
fn log(store: &Path) -> Option<(Vec<u8>, u64)> {
    let mut bytes = std::fs::read(log_of(store)).ok()?;
    let page = u64::from(u32::from_be_bytes(bytes.get(8..12)?.try_into().ok()?));
    let frame = FRAME_HEADER + page;
    let salt = bytes.get(16..24)?.to_vec();
    let mut end = HEADER as usize;
    while bytes.get(end + 8..end + 16) == Some(&salt[..]) && bytes.len() >= end + frame as usize {
        end += frame as usize;
    }
    bytes.truncate(end);
    (end as u64 >= HEADER + 2 * frame).then_some((bytes, frame))
}

/// Where the last commit ends that the dead process had acknowledged: its index is written after the log and before the
/// answer. A kill often falls between the two; what the log holds beyond was promised to nobody.
fn acknowledged(store: &Path, frame: u64) -> u64 {
    let index = std::fs::read(format!("{}-shm", store.display())).unwrap_or_default();
    let frames = index.get(16..20).and_then(|four| four.try_into().ok()).map_or(0, u32::from_ne_bytes);
    HEADER + u64::from(frames) * frame
}

/// How the end of a log is spoilt.
#[derive(Debug, Clone, Copy)]
enum Damage {
    Garbled,
    /// Frame headers too, so that nothing is left to say that there was more.
    GarbledWithHeader,
    Cut,
    /// Between two frames: what is left is a whole log.
    CutBetweenFrames,
    /// The same, and much more: posts are gone from the ledger together with their arming.
    CutFar,
}

const DAMAGES: [Damage; 5] =
    [Damage::Garbled, Damage::CutFar, Damage::CutBetweenFrames, Damage::Cut, Damage::GarbledWithHeader];

/// Spoils the end of a log; gives the bytes from which on it is spoilt.
fn spoil(bytes: &mut Vec<u8>, frame: u64, damage: Damage, chance: &mut Chance) -> u64 {
    let end = bytes.len() as u64;
    let from = match damage {
        Damage::Garbled => end - SPOILT,
        Damage::GarbledWithHeader => end - frame,
        Damage::Cut => end - chance.of(1..=SPOILT),
        Damage::CutBetweenFrames => end - frame * chance.of(1..=2),
        Damage::CutFar => end - frame * chance.of(20..=120).min((end - HEADER) / frame - 1),
    };
    let spoilt = match damage {
        Damage::Garbled | Damage::GarbledWithHeader => chance.bytes((end - from) as usize),
        Damage::Cut | Damage::CutBetweenFrames | Damage::CutFar => Vec::new(),
    };
    bytes.truncate(from as usize);
    bytes.extend(spoilt);
    from
}

/// A copy of a store with this log.
fn copy(folder: &Path, store: &Path, log: &[u8]) -> PathBuf {
    let copy = folder.join("jobpipe.db");
    std::fs::copy(store, &copy).unwrap();
    std::fs::write(log_of(&copy), log).unwrap();
    copy
}

/// Whether what is left is exactly what the commits before the damage had written.
async fn keeps_the_rest(scene: &Scene, whole: &[u8], spoilt: &[u8], from: u64, frame: u64) -> bool {
    let [one, two] = [0, 1].map(|_| tempfile::tempdir().unwrap());
    let before = HEADER + (from - HEADER) / frame * frame;
    let expected = copy(one.path(), &scene.store(), &whole[..before as usize]);
    let found = copy(two.path(), &scene.store(), spoilt);
    store::dump(&expected).await == store::dump(&found).await
}

#[tokio::test(flavor = "multi_thread")]
async fn t06_torn_wal() {
    let _alone = alone().await;
    let mut chance = Chance::new();
    let mut line = Line::new("T6", &chance);
    // in the short form a run lasts longer than a busy machine takes to kill it
    let pace = size(50, Wanted::default().pace);
    let wanted = Wanted { offers: size(60, 1_500), pages: 2, latency_ms: 1, pace };
    let scene = Scene::start(wanted).await;
    let (mut spoilt_logs, mut lost_commits, mut kept) = (0, 0, 0);
    for round in 0..size(5, 25) {
        // two of three while it posts, as a forgotten arm is what would make a duplicate
        let posting = round % 3 != 0;
        let more = chance.of(1..=size(4, 40)) as usize;
        let moment = chance.below(Duration::from_millis(6));
        let from = scene.facebook.executed();
        let mut since: Option<Instant> = None;
        let lived = scene.run(&[]).until(|seen| {
            let reached =
                if posting { scene.facebook.executed() >= from + more } else { seen.count("task_done") >= more as u64 };
            if since.is_none() && reached {
                since = Some(Instant::now());
            }
            since.is_some_and(|since| since.elapsed() >= moment)
        });
        line.lived(&lived, round > 0);
        if !lived.killed {
            // all is done: the next rounds have something to do again
            scene.site.edit(scene.open() / 30).unwrap();
            continue;
        }
        line.faults += 1;
        let Some((whole, frame)) = log(&scene.store()) else { continue };
        let mut spoilt = whole.clone();
        let damage = DAMAGES[round % DAMAGES.len()];
        let from = spoil(&mut spoilt, frame, damage, &mut chance);
        let keeps = keeps_the_rest(&scene, &whole, &spoilt, from, frame).await;
        kept += u64::from(keeps);
        line.must(keeps, format!("round {round}, {damage:?}: what was committed before the damage is not there"));
        std::fs::write(log_of(&scene.store()), &spoilt).unwrap();
        spoilt_logs += 1;
        lost_commits += u64::from(from < acknowledged(&scene.store(), frame));
    }
    line.lived(&scene.finish(), true);
    line.lived(&scene.finish(), false);
    let (report, expected) = scene.verdict();
    line.pages(&report, expected);
    let left = store::in_flight(&scene.store()).await;
    line.acked = left.posted as u64;
    line.must(left.armed + left.unknown == 0, format!("rows are left in flight: {left:?}"));
    line.dead = store::letters(&scene.store()).await.len() as u64;
    let told = scene.logged("the state's log was damaged");
    let well_told = told >= lost_commits && told <= spoilt_logs && lost_commits > 0;
    line.must(well_told, format!("{lost_commits} of {spoilt_logs} spoilt logs lost commits, {told} times it was told"));
    line.must(line.faults >= size(4, 20), format!("only {} kills", line.faults));
    let p99 = line.p99_recover();
    line.must(p99 <= 5.0, format!("a recovery took {p99} s"));
    line.tell("spoilt", spoilt_logs);
    line.tell("lost_commits", lost_commits);
    line.tell("told", told);
    line.tell("kept_all_before", kept);
    line.end();
}
