//! One import on the career site and the simulated pages: the project, its processes, and what must come of them.

use crate::process::{Lived, Running};
use crate::project::{self, Import, Page};
use fbsim::{Expectation, ExpectedPost, Report};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a scene is made of.
pub struct Wanted {
    pub offers: u32,
    pub pages: u32,
    /// How long a page takes for a call: a kill then meets calls in flight.
    pub latency_ms: u64,
    /// Posts a second and page.
    pub pace: u32,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { offers: 200, pages: 1, latency_ms: 0, pace: 2_000 }
    }
}

/// Servers live in the test's process: they outlive every kill of jobpipe.
pub struct Scene {
    pub site: career_site::Handle,
    pub facebook: fbsim::Handle,
    folder: tempfile::TempDir,
    pages: Vec<Page>,
    pace: u32,
    /// Where the import's files go.
    out: PathBuf,
}

impl Scene {
    pub async fn start(wanted: Wanted) -> Self {
        let options =
            career_site::Options { offers: wanted.offers, listing_size: 50, crawl_delay: None, ..Default::default() };
        let site = career_site::CareerSite::start(options).await.unwrap();
        let page = |number: u32| (format!("page-{number}"), format!("{}", 1000 + number));
        let pages: Vec<Page> = (1..=wanted.pages).map(page).collect();
        let known = pages.iter().map(|(_, id)| fbsim::PageToken { page: id.clone(), token: project::token(id) });
        let settings = fbsim::Settings { auto_pages: false, latency_ms: wanted.latency_ms, ..Default::default() };
        let options = fbsim::Options { pages: known.collect(), settings, ..Default::default() };
        let facebook = fbsim::FbSim::start(options).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let out = PathBuf::from("out");
        let scene = Self { site, facebook, folder, pages, pace: wanted.pace, out };
        project::write_settings(scene.folder.path(), &scene.pages);
        scene.write_import();
        scene
    }

    /// Files go to this folder from now on.
    pub fn files_in(&mut self, out: &Path) {
        out.clone_into(&mut self.out);
        self.write_import();
    }

    fn write_import(&self) {
        let import = Import {
            site: &self.site.base_url,
            pages: &self.pages,
            message: "$title in $city",
            rate: "unlimited",
            pace: self.pace,
            out: &self.out,
        };
        import.write(self.folder.path());
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn out(&self, name: &str) -> PathBuf {
        self.folder.path().join(&self.out).join(name)
    }

    pub fn store(&self) -> PathBuf {
        self.path(".jobpipe/jobpipe.db")
    }

    pub fn page_names(&self) -> String {
        self.pages.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
    }

    pub fn page_ids(&self) -> impl Iterator<Item = String> {
        self.pages.iter().map(|(_, id)| id.clone())
    }

    /// Puts the environment of the scene on a command.
    pub fn dress(&self, command: &mut Command) {
        project::dress(command, self.folder.path(), &self.site, &self.facebook, &self.pages);
        if self.out.is_absolute() {
            command.env("JOBPIPE_FILE_ROOTS", &self.out);
        }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jobpipe"));
        command.args(arguments);
        self.dress(&mut command);
        command
    }

    /// `jobpipe run`, begun.
    pub fn run(&self, environment: &[(&str, &str)]) -> Running {
        let mut command = self.command(&["run", "import.yml", "--format", "json"]);
        command.envs(environment.iter().copied());
        Running::start(command)
    }

    /// `jobpipe run` to its end, which must be a good one.
    #[track_caller]
    pub fn finish(&self) -> Lived {
        let lived = self.run(&[]).end();
        assert_eq!((lived.code, lived.state()), (Some(0), "succeeded"), "{}", lived.told());
        lived
    }

    /// Another import than the site's.
    pub fn import(&self, text: &str) {
        std::fs::write(self.path("import.yml"), text).unwrap();
    }

    /// How often the log says so.
    pub fn logged(&self, what: &str) -> u64 {
        let read = |name: &str| std::fs::read_to_string(self.path(".jobpipe/log").join(name)).unwrap_or_default();
        let logs = [read("jobpipe.log.1"), read("jobpipe.log")];
        logs.iter().flat_map(|log| log.lines()).filter(|line| line.contains(what)).count() as u64
    }

    /// What every page must show: each open offer once.
    pub fn expectation(&self) -> Expectation {
        let offers = self.site.offers();
        let open = offers.iter().filter(|offer| offer.status == career_site::Status::Open);
        let posts: Vec<ExpectedPost> = open
            .map(|offer| ExpectedPost {
                message: Some(format!("{} in {}", offer.title, offer.city)),
                link: Some(format!("{}{}", self.site.base_url, offer.path())),
                ..Default::default()
            })
            .collect();
        Expectation { expected: self.page_ids().map(|page| (page, posts.clone())).collect() }
    }

    /// The pages against what they must show, and how many posts that is.
    pub fn verdict(&self) -> (Report, usize) {
        let expected = self.expectation();
        let count = expected.expected.values().map(Vec::len).sum();
        (self.facebook.report_against(&expected), count)
    }

    /// Open offers.
    pub fn open(&self) -> usize {
        self.site.offers().iter().filter(|offer| offer.status == career_site::Status::Open).count()
    }

    /// Sums over the targets of a summary: created, updated, deleted, unchanged, failed.
    pub fn sums(lived: &Lived) -> [u64; 5] {
        let targets = lived.summary["targets"].as_object().cloned().unwrap_or_default();
        ["created", "updated", "deleted", "unchanged", "failed"]
            .map(|count| targets.values().map(|target| target[count].as_u64().unwrap_or(0)).sum())
    }

    /// Temporary files beside the exports.
    pub fn leftovers(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.out("")).into_iter().flatten();
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter(|name| name.contains(".tmp-")).collect()
    }

    /// Records of a file, each line whole.
    #[track_caller]
    pub fn records(&self, name: &str) -> usize {
        let text = std::fs::read_to_string(self.out(name)).unwrap_or_default();
        for line in text.lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|_| panic!("{name}: torn line {line}"));
        }
        assert!(text.is_empty() || text.ends_with('\n'), "{name} ends in the middle of a line");
        text.lines().count()
    }
}
