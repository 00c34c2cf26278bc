//! A project folder, a career site and Facebook pages on loopback, and the binary run as a user runs it.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test file uses its own part")]

mod project;

use career_site::CareerSite;
use fbsim::{Expectation, ExpectedPost, FbSim};
use project::{Import, Page};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Page ids, and the names that imports use.
pub const PAGES: [(&str, &str); 3] = [("1001", "acme-paris"), ("1002", "acme-lyon"), ("1003", "acme-lille")];

fn known() -> Vec<Page> {
    PAGES.iter().map(|(id, name)| ((*name).to_owned(), (*id).to_owned())).collect()
}

/// Everything a test needs. Servers live in the test's process: they outlive every kill of the binary.
pub struct Scene {
    pub site: career_site::Handle,
    pub facebook: fbsim::Handle,
    pub folder: tempfile::TempDir,
    /// Of these pages.
    pub pages: usize,
    /// Posts a second and page, from the next import on that is written.
    pub pace: u32,
}

impl Scene {
    pub async fn new(offers: u32, pages: usize) -> Self {
        let site = CareerSite::start(career_site::Options { offers, ..Default::default() }).await.unwrap();
        let tokens = known().into_iter().map(|(_, id)| fbsim::PageToken { token: project::token(&id), page: id });
        let settings = fbsim::Settings { auto_pages: false, ..Default::default() };
        let options = fbsim::Options { pages: tokens.collect(), settings, ..Default::default() };
        let facebook = FbSim::start(options).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let scene = Self { site, facebook, folder, pages, pace: 500 };
        project::write_settings(scene.folder.path(), &known());
        scene.write_import("$title in $city");
        scene
    }

    /// The import: the HTML site, listing to details, to pages and files.
    pub fn write_import(&self, message: &str) {
        let pages: Vec<Page> = known().into_iter().take(self.pages).collect();
        let (site, out) = (&self.site.base_url, Path::new("out"));
        let import = Import { site, pages: &pages, message, rate: "unlimited", pace: self.pace, out };
        import.write(self.folder.path());
    }

    pub fn import(&self) -> PathBuf {
        self.folder.path().join("import.yml")
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join(".jobpipe")
    }

    /// The binary with the environment of the scene.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jobpipe"));
        command.args(arguments);
        project::dress(&mut command, self.folder.path(), &self.site, &self.facebook, &known());
        command
    }

    /// `jobpipe run import.yml --format json ...` to its end.
    pub fn run(&self, more: &[&str]) -> Ran {
        let mut arguments = vec!["run", "import.yml", "--format", "json"];
        arguments.extend(more);
        Ran::from(self.command(&arguments).output().unwrap())
    }

    /// The same, watched line by line; `enough` says when to kill it. True when it was killed.
    pub fn run_and_kill(&self, environment: &[(&str, &str)], mut enough: impl FnMut(&Value) -> bool) -> bool {
        let mut command = self.command(&["run", "import.yml", "--format", "json"]);
        command.envs(environment.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut killed = false;
        for line in lines.map_while(Result::ok) {
            let event: Value = serde_json::from_str(&line).unwrap_or_default();
            if enough(&event) {
                child.kill().unwrap();
                killed = true;
                break;
            }
        }
        let status = child.wait().unwrap();
        killed || !status.success()
    }

    /// What every page must show: each open offer once.
    pub fn expectation(&self) -> Expectation {
        let offers = self.site.offers();
        let posts: Vec<ExpectedPost> = offers
            .iter()
            .filter(|offer| offer.status == career_site::Status::Open)
            .map(|offer| ExpectedPost {
                message: Some(format!("{} in {}", offer.title, offer.city)),
                link: Some(format!("{}/jobs/{}", self.site.base_url, offer.reference)),
                ..Default::default()
            })
            .collect();
        let expected = PAGES.iter().take(self.pages).map(|(id, _)| ((*id).to_owned(), posts.clone())).collect();
        Expectation { expected }
    }

    /// Fails unless the pages show exactly what they should, and never showed a post twice.
    pub fn assert_in_step(&self, what: &str) {
        let report = self.facebook.report_against(&self.expectation());
        let found = (report.lost, report.unexpected, report.totals.dup_now, report.totals.dup_ever);
        assert_eq!(
            found,
            (Some(0), Some(0), 0, 0),
            "{what}: (lost, unexpected, dup_now, dup_ever); lost {:?}, unexpected {:?}",
            report.lost_posts.first(),
            report.unexpected_posts.first()
        );
    }

    pub fn lines(&self, path: &str) -> usize {
        std::fs::read_to_string(self.folder.path().join(path)).unwrap_or_default().lines().count()
    }
}

/// A run that ended by itself.
pub struct Ran {
    pub status: Option<i32>,
    pub summary: Value,
    pub stderr: String,
    pub stdout: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let summary = stdout.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default();
        Self { status: output.status.code(), summary, stderr, stdout }
    }
}

impl Ran {
    /// (created, updated, deleted, unchanged, failed) of a page.
    pub fn page(&self, name: &str) -> (u64, u64, u64, u64, u64) {
        let page = &self.summary["targets"][name];
        let count = |key: &str| page[key].as_u64().unwrap_or_else(|| panic!("no {key} of {name} in {}", self.told()));
        (count("created"), count("updated"), count("deleted"), count("unchanged"), count("failed"))
    }

    pub fn told(&self) -> String {
        format!("status {:?}\nsummary {}\nstderr {}", self.status, self.summary, self.stderr)
    }

    pub fn assert_state(&self, state: &str) {
        assert_eq!(self.summary["state"], state, "{}", self.told());
    }
}
