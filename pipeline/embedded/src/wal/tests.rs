use super::*;
use rusqlite::Connection;
use tempfile::TempDir;

/// A store file with a log of several commits, copied as a power cut would leave it.
fn with_log() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let live = folder.path().join("live.db");
    let conn = Connection::open(&live).unwrap();
    conn.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (x TEXT)").unwrap();
    for at in 0..20 {
        conn.execute("INSERT INTO t VALUES (?1)", [format!("{at} {}", "x".repeat(3_000))]).unwrap();
    }
    let copy = folder.path().join("copy.db");
    std::fs::copy(&live, &copy).unwrap();
    std::fs::copy(log_path(&live), log_path(&copy)).unwrap();
    (folder, copy)
}

/// What SQLite itself recovers: frames in the log.
fn recovered(store: &Path) -> u64 {
    let conn = Connection::open(store).unwrap();
    let frames: i64 = conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1)).unwrap();
    u64::try_from(frames).unwrap()
}

#[test]
fn a_whole_log_has_no_torn_frames() {
    let (_folder, store) = with_log();
    let log = inspect(&store).unwrap();
    assert!(log.frames >= 20 && log.torn == 0, "{log:?}");
    assert_eq!(log.frames, recovered(&store));
}

#[test]
fn no_log_and_an_empty_log_are_fine() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("new.db");
    assert_eq!(inspect(&store).unwrap(), Log::default());
    for length in [0, 1, 31, 32] {
        std::fs::write(log_path(&store), vec![0; length]).unwrap();
        assert_eq!(inspect(&store).unwrap(), Log::default(), "{length} bytes hold no frame");
    }
}

#[test]
fn frames_after_the_damage_are_torn_as_sqlite_sees_it() {
    let (_folder, store) = with_log();
    let whole = std::fs::read(log_path(&store)).unwrap();
    let frames = inspect(&store).unwrap().frames;
    // The last one hits a frame's own checksum alone: all that follows still adds up, and is dropped all the same.
    let checksum = whole.len() - 5 * (FRAME_HEADER + 4_096) + 18;
    for back in [1, 100, 4_096, 4_130, 9_000, 40_000, whole.len() - checksum] {
        let mut torn = whole.clone();
        let at = torn.len() - back;
        torn[at] ^= 0x55;
        std::fs::write(log_path(&store), &torn).unwrap();
        let log = inspect(&store).unwrap();
        assert!(log.torn > 0 && log.frames < frames, "{back} bytes before the end: {log:?}");
        let copy = store.with_extension(format!("{back}.db"));
        std::fs::copy(&store, &copy).unwrap();
        std::fs::write(log_path(&copy), &torn).unwrap();
        assert_eq!(log.frames, recovered(&copy), "{back} bytes before the end");
    }
}

#[test]
fn a_cut_log_is_its_commits_up_to_the_cut() {
    let (_folder, store) = with_log();
    let whole = std::fs::read(log_path(&store)).unwrap();
    for keep in [HEADER + 10, HEADER + FRAME_HEADER + 4_096, whole.len() / 2, whole.len() - 1] {
        let copy = store.with_extension(format!("{keep}.db"));
        std::fs::copy(&store, &copy).unwrap();
        std::fs::write(log_path(&copy), &whole[..keep]).unwrap();
        let log = inspect(&copy).unwrap();
        assert_eq!(log.frames, recovered(&copy), "{keep} bytes kept");
    }
}

#[test]
fn a_damaged_header_is_refused_with_the_path_and_a_way_out() {
    let (_folder, store) = with_log();
    let whole = std::fs::read(log_path(&store)).unwrap();
    for at in [0, 9, 17, 25] {
        let mut torn = whole.clone();
        torn[at] ^= 0x55;
        std::fs::write(log_path(&store), &torn).unwrap();
        let error = inspect(&store).unwrap_err().to_string();
        assert!(error.contains("copy.db-wal") && error.contains("state restore"), "{error}");
    }
}

/// The same, with the index that a process leaves that dies.
fn with_index() -> (TempDir, PathBuf) {
    let (folder, copy) = with_log();
    let live = folder.path().join("live.db");
    let conn = Connection::open(&live).unwrap();
    conn.execute_batch("PRAGMA wal_autocheckpoint = 0").unwrap();
    for at in 0..20 {
        conn.execute("INSERT INTO t VALUES (?1)", [format!("{at} {}", "y".repeat(3_000))]).unwrap();
    }
    std::fs::copy(&live, &copy).unwrap();
    std::fs::copy(log_path(&live), log_path(&copy)).unwrap();
    std::fs::copy(beside(&live, INDEX), beside(&copy, INDEX)).unwrap();
    (folder, copy)
}

#[test]
fn the_index_tells_of_commits_that_are_gone_wherever_the_log_is_cut() {
    let (_folder, store) = with_index();
    let whole = std::fs::read(log_path(&store)).unwrap();
    let log = inspect(&store).unwrap();
    assert!(log.frames >= 20 && !log.lost, "{log:?}");
    let frame = FRAME_HEADER + 4_096;
    // the last one leaves no frame at all
    for keep in [whole.len() - 1, whole.len() - frame, whole.len() - 3 * frame, whole.len() - 4_100, HEADER, 0] {
        std::fs::write(log_path(&store), &whole[..keep]).unwrap();
        let log = inspect(&store).unwrap();
        assert!(log.lost, "{keep} bytes kept: {log:?}");
    }
    std::fs::remove_file(log_path(&store)).unwrap();
    assert!(inspect(&store).unwrap().lost);
}

#[test]
fn damage_is_a_loss_also_without_an_index_and_an_unfinished_transaction_is_none() {
    let (_folder, store) = with_log();
    let whole = std::fs::read(log_path(&store)).unwrap();
    let mut damaged = whole.clone();
    let at = damaged.len() - 100;
    damaged[at] ^= 0x55;
    std::fs::write(log_path(&store), damaged).unwrap();
    assert!(inspect(&store).unwrap().lost);
    // frames without the commit that would have ended them, as a process leaves them that dies in between
    let (folder, store) = with_log();
    let live = folder.path().join("unfinished.db");
    std::fs::copy(&store, &live).unwrap();
    std::fs::copy(log_path(&store), log_path(&live)).unwrap();
    let conn = Connection::open(&live).unwrap();
    conn.execute_batch("PRAGMA cache_size = 2; BEGIN").unwrap();
    for at in 0..50 {
        conn.execute("INSERT INTO t VALUES (?1)", [format!("{at} {}", "z".repeat(3_000))]).unwrap();
    }
    let log = inspect(&live).unwrap();
    assert!(log.torn > 0 && !log.lost, "{log:?}");
}
