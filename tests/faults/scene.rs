//! One import on the career site and the simulated pages: the project, its processes, and what must come of them.

use crate::process::{Lived, Running};
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
    pages: u32,
    pace: u32,
    /// Of the import's `export`: more of them, as YAML.
    out: PathBuf,
}

fn page_id(number: u32) -> String {
    format!("{}", 1000 + number)
}

impl Scene {
    pub async fn start(wanted: Wanted) -> Self {
        let options =
            career_site::Options { offers: wanted.offers, listing_size: 50, crawl_delay: None, ..Default::default() };
        let site = career_site::CareerSite::start(options).await.unwrap();
        let token = |page| fbsim::PageToken { page: page_id(page), token: format!("token-{}", page_id(page)) };
        let settings = fbsim::Settings { auto_pages: false, latency_ms: wanted.latency_ms, ..Default::default() };
        let pages = (1..=wanted.pages).map(token).collect();
        let facebook = fbsim::FbSim::start(fbsim::Options { pages, settings, ..Default::default() }).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let out = PathBuf::from("out");
        let scene = Self { site, facebook, folder, pages: wanted.pages, pace: wanted.pace, out };
        scene.write_project();
        scene.write_import();
        scene
    }

    /// Files go to this folder from now on.
    pub fn files_in(&mut self, out: &Path) {
        out.clone_into(&mut self.out);
        self.write_import();
    }

    fn write_project(&self) {
        let mut text = String::from("pages:\n");
        for page in 1..=self.pages {
            let id = page_id(page);
            text.push_str(&format!("  page-{page}: {{ id: \"{id}\", token: $TOKEN_{id} }}\n"));
        }
        std::fs::write(self.path("jobpipe.yml"), text).unwrap();
    }

    fn write_import(&self) {
        let text = format!(
            r#"name: acme
crawl:
  html: {base}/jobs
  pages: a.next
  links: a.job-link
  extract:
    title: h1.job-title
    city: dd.location
    status: span.status
    url: link[rel=canonical] @href
  rate: unlimited
  retry: {{ times: 2, base: 50ms, max: 200ms }}
transform:
  key: .url
  where: .status == "open"
  require: [title, city, url]
  gone: {{ after: 1 runs, limit: 30% }}
export:
  - facebook: [{pages}]
    message: $title in $city
    link: .url
    pace: {{ rate: {pace}/s, per_day: unlimited }}
  - jsonl: {out}/offers.jsonl
  - jsonl: {out}/current.jsonl
    as: current
    write: snapshot
"#,
            base = self.site.base_url,
            pages = self.page_names(),
            pace = self.pace,
            out = self.out.display(),
        );
        std::fs::write(self.path("import.yml"), text).unwrap();
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
        (1..=self.pages).map(|page| format!("page-{page}")).collect::<Vec<_>>().join(", ")
    }

    pub fn page_ids(&self) -> impl Iterator<Item = String> {
        (1..=self.pages).map(page_id)
    }

    /// Puts the environment of the scene on a command.
    pub fn dress(&self, command: &mut Command) {
        command.current_dir(self.folder.path());
        command.env("JOBPIPE_FACEBOOK_GRAPH_URL", &self.facebook.base_url);
        command.env("JOBPIPE_ALLOW_PRIVATE", format!("{},{}", self.site.addr, self.facebook.addr));
        for (key, value) in [("SETTLE", "1s"), ("READ_LAG", "50ms"), ("SEND_BY", "1s"), ("TIMEOUT", "1s")] {
            command.env(format!("JOBPIPE_FACEBOOK_{key}"), value);
        }
        if self.out.is_absolute() {
            command.env("JOBPIPE_FILE_ROOTS", &self.out);
        }
        for id in self.page_ids() {
            command.env(format!("TOKEN_{id}"), format!("token-{id}"));
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
