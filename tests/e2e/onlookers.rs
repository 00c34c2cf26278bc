//! Who may only read a state: another user, or the same one where it is mounted read-only.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use support::{Done, Project, offers};

/// A user who owns nothing, for a test that runs as one whom permissions do not bind.
const NOBODY: u32 = 65_534;

const LOOKS: [&[&str]; 7] = [
    &["runs", "list"],
    &["runs", "show", "acme"],
    &["dead", "list"],
    &["dead", "show", "bad"],
    &["state", "show"],
    &["workers"],
    &["explain", "import.yml"],
];

/// A project whose run has left a dead letter, and the binary where anyone may run it.
struct Shown {
    project: Project,
    binary: tempfile::TempDir,
}

impl Shown {
    fn new() -> Self {
        let project = Project::new();
        project.write("offers.json", &offers(3).replace("\"Nurse 2\"", "null"));
        let import = "name: acme\ncrawl: { json: ./offers.json }\ntransform: { key: .id, require: [title] }\nexport: [{ jsonl: out/a.jsonl }]\n";
        project.write("import.yml", import);
        project.jobpipe(&["run", "import.yml"]).expect(3);
        let binary = tempfile::tempdir().unwrap();
        if nix::unistd::geteuid().is_root() {
            std::fs::copy(env!("CARGO_BIN_EXE_jobpipe"), binary.path().join("jobpipe")).unwrap();
        }
        open(binary.path());
        Self { project, binary }
    }

    /// A command of somebody who may read the project and write nothing of it.
    fn look(&self, args: &[&str]) -> Done {
        let usual = self.project.command(args);
        if !nix::unistd::geteuid().is_root() {
            return Done::of({ usual }.output().unwrap());
        }
        let mut command = Command::new(self.binary.path().join("jobpipe"));
        command.args(args).current_dir(usual.get_current_dir().unwrap()).env_clear();
        Done::of(command.uid(NOBODY).gid(NOBODY).output().unwrap())
    }

    fn state(&self, name: &str) -> std::path::PathBuf {
        self.project.path(".jobpipe").join(name)
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        modes(self.project.path("").as_path(), 0o755, 0o644);
    }
}

fn open(folder: &Path) {
    modes(folder, 0o755, 0o755);
}

/// What everyone may read and nobody may write.
fn seal(folder: &Path) {
    modes(folder, 0o555, 0o444);
}

fn modes(folder: &Path, folders: u32, files: u32) {
    std::fs::set_permissions(folder, PermissionsExt::from_mode(folders | 0o200)).unwrap();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            modes(&entry, folders, files);
        } else {
            std::fs::set_permissions(&entry, PermissionsExt::from_mode(files)).unwrap();
        }
    }
    std::fs::set_permissions(folder, PermissionsExt::from_mode(folders)).unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = std::fs::read_dir(folder).unwrap().map(name).collect();
    names.sort();
    names
}

#[test]
fn a_state_that_may_only_be_read_is_shown_as_it_is() {
    let shown = Shown::new();
    let letter = shown.project.jobpipe(&["dead", "list", "--format", "json"]).expect(0).json()[0]["id"].clone();
    let told = |look: &dyn Fn(&[&str]) -> Done| -> Vec<String> {
        let looks = LOOKS.iter().map(|args| {
            let args: Vec<&str> =
                args.iter().map(|arg| if *arg == "bad" { letter.as_str().unwrap() } else { arg }).collect();
            let done = look(&args).expect(0);
            assert_eq!(done.err, "", "{args:?}");
            // how large the files are is no matter
            done.out.lines().filter(|line| !line.starts_with("store ")).collect::<Vec<_>>().join("\n")
        });
        looks.collect()
    };
    let owner = told(&|args| shown.project.jobpipe(args));
    // as a run leaves it: whoever looked since has left an index and an empty log beside the store
    for left in ["jobpipe.db-wal", "jobpipe.db-shm"] {
        std::fs::remove_file(shown.state(left)).unwrap();
    }
    seal(&shown.project.path(""));
    let before = names(&shown.state(""));
    assert_eq!(told(&|args| shown.look(args)), owner);
    assert_eq!(names(&shown.state("")), before, "nothing is left there");
    assert!(!before.iter().any(|name| name.contains("-wal")), "{before:?}");
}

#[test]
fn what_cannot_be_read_without_writing_says_what_to_do() {
    let shown = Shown::new();
    let mut command = shown.project.command(&["run", "import.yml"]);
    assert_eq!(Done::of(command.env("JOBPIPE_FAILPOINT", "task.commit").output().unwrap()).code, -1);
    assert!(std::fs::metadata(shown.state("jobpipe.db-wal")).unwrap().len() > 0, "it has left a log");
    std::fs::remove_file(shown.state("jobpipe.db-shm")).unwrap();
    seal(&shown.project.path(""));
    let refused = shown.look(&["runs", "list"]).expect(1).err;
    assert!(refused.contains("it may only be read here") && refused.contains("JP503"), "{refused}");
    assert!(refused.contains("let somebody who may write there run `jobpipe runs list`"), "{refused}");
    // which is what helps
    modes(&shown.project.path(""), 0o755, 0o644);
    shown.project.jobpipe(&["runs", "list"]).expect(0);
    seal(&shown.project.path(""));
    assert!(shown.look(&["runs", "list"]).expect(0).out.contains("  open  "));
}
