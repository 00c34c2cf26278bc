//! T16: the disk is full where the files go, then where the state lies, and a folder may not be written: no file is torn,
//! the path is told, and with room again all goes on.

use crate::chance::Chance;
use crate::line::Line;
use crate::process::Lived;
use crate::scene::{Scene, Wanted};
use crate::{alone, size, store};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// A small disk of its own, where this test may mount one (root); it goes when it is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir_all(&at).unwrap();
        let options = format!("size={size}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&at).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(at))
    }

    /// Fills it but for so many KiB.
    fn fill(&self, leave_kib: usize) {
        let mut file = std::fs::File::create(self.0.join("ballast")).unwrap();
        // writes until there is no room: that is what it is for
        let _full = std::io::copy(&mut std::io::repeat(0), &mut file);
        drop(file);
        let file = std::fs::OpenOptions::new().write(true).open(self.0.join("ballast")).unwrap();
        let length = file.metadata().unwrap().len();
        file.set_len(length.saturating_sub(leave_kib as u64 * 1024)).unwrap();
    }

    fn make_room(&self) {
        std::fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // a test that fails must not leave it; one that was never mounted is no matter
        let _gone = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

struct Test {
    line: Line,
    resumed: Vec<f64>,
}

impl Test {
    /// A run that must fail, say where, and leave no file that is not whole.
    fn fails(&mut self, what: &str, scene: &Scene, where_at: &Path) {
        let lived = scene.run(&[]).end();
        self.line.lived(&lived, false);
        self.line.faults += 1;
        self.line.must(lived.code == Some(1), format!("{what}: {}", lived.told()));
        let told = lived.stderr.contains(&where_at.display().to_string()) && lived.stderr.contains("JP");
        self.line.must(told, format!("{what}: {} is not told: {}", where_at.display(), lived.told()));
        for file in ["offers.jsonl", "current.jsonl"] {
            let records = scene.records(file);
            self.line.must(records == 0 || records == scene.open(), format!("{what}: {file} has {records} records"));
        }
    }

    fn goes_on(&mut self, what: &str, scene: &Scene) -> Lived {
        let began = Instant::now();
        let lived = scene.run(&[]).end();
        self.line.lived(&lived, true);
        self.resumed.push(lived.progress.unwrap_or_else(|| began.elapsed()).as_secs_f64());
        self.line.must(lived.state() == "succeeded", format!("{what}, with room again: {}", lived.told()));
        for file in ["offers.jsonl", "current.jsonl"] {
            let records = scene.records(file);
            self.line.must(records == scene.open(), format!("{what}: {file} has {records} records"));
        }
        lived
    }

    fn in_step(&mut self, scene: &Scene) {
        let (report, expected) = scene.verdict();
        self.line.pages(&report, expected);
        self.line.must(scene.leftovers().is_empty(), "a temporary file is left");
    }
}

fn wanted() -> Wanted {
    Wanted { offers: size(150, 3_000), ..Wanted::default() }
}

/// The files' disk is full.
async fn files(test: &mut Test, disk: &SmallDisk) {
    let mut scene = Scene::start(wanted()).await;
    let out = disk.0.join("out");
    std::fs::create_dir_all(&out).unwrap();
    scene.files_in(&out);
    for leave in [0, 8] {
        disk.fill(leave);
        test.fails("files", &scene, &out);
        disk.make_room();
    }
    test.goes_on("files", &scene);
    test.in_step(&scene);
    test.line.acked += store::in_flight(&scene.store()).await.posted as u64;
}

/// The state's disk is full at the start, and later: while it crawls, while it posts.
async fn state(test: &mut Test, disk: &SmallDisk) {
    let scene = Scene::start(wanted()).await;
    let folder = disk.0.join("state");
    std::fs::create_dir_all(&folder).unwrap();
    std::os::unix::fs::symlink(&folder, scene.path(".jobpipe")).unwrap();
    let state = scene.path(".jobpipe");
    disk.fill(0);
    test.fails("state at the start", &scene, &state);
    disk.make_room();
    for leave in [size(300, 2_000), size(700, 6_000)] {
        disk.fill(leave);
        test.fails("state", &scene, &state);
        disk.make_room();
    }
    test.goes_on("state", &scene);
    test.in_step(&scene);
    test.line.acked += store::in_flight(&scene.store()).await.posted as u64;
}

/// A disk that is mounted for reading only: under the files, under the state.
async fn read_only(test: &mut Test, disk: &SmallDisk) {
    let remount = |how: &str| {
        let options = format!("remount,{how}");
        let done = Command::new("mount").args(["-o", &options]).arg(&disk.0).status().unwrap();
        assert!(done.success());
    };
    let mut scene = Scene::start(wanted()).await;
    let out = disk.0.join("read-only");
    std::fs::create_dir_all(&out).unwrap();
    scene.files_in(&out);
    remount("ro");
    test.fails("read-only files", &scene, &out);
    remount("rw");
    test.goes_on("read-only files", &scene);
    test.in_step(&scene);
    let folder = disk.0.join("read-only-state");
    std::fs::rename(scene.path(".jobpipe"), scene.path("was")).unwrap();
    std::fs::create_dir_all(&folder).unwrap();
    for entry in std::fs::read_dir(scene.path("was")).unwrap().filter_map(Result::ok) {
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
        }
    }
    std::os::unix::fs::symlink(&folder, scene.path(".jobpipe")).unwrap();
    remount("ro");
    test.fails("read-only state", &scene, &scene.path(".jobpipe"));
    remount("rw");
    let again = test.goes_on("read-only state", &scene);
    test.line.must(Scene::sums(&again)[..3] == [0, 0, 0], again.told());
    test.line.acked += store::in_flight(&scene.store()).await.posted as u64;
}

#[tokio::test(flavor = "multi_thread")]
async fn t16_disk_full() {
    let _alone = alone().await;
    let chance = Chance::new();
    let mut test = Test { line: Line::new("T16", &chance), resumed: Vec::new() };
    let place = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(place.path().join("disk"), "160m") else {
        // the e2e tests stand in for it, with the system's limit on a file's size
        println!("FAULT T16 RESULT=skipped: this user may not mount a tmpfs");
        return;
    };
    files(&mut test, &disk).await;
    state(&mut test, &disk).await;
    read_only(&mut test, &disk).await;
    let slowest = test.resumed.iter().copied().fold(0.0, f64::max);
    test.line.must(slowest <= 10.0, format!("it took {slowest} s to go on"));
    test.line.tell("slowest_resume_s", format!("{slowest:.2}"));
    test.line.end();
}
