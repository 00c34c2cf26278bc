//! The project of a scene: its pages, the import of the career site, and the environment that the binary needs.

use std::path::Path;
use std::process::Command;

/// A page: the name that imports use, and its id.
pub type Page = (String, String);

/// The token of a page.
pub fn token(id: &str) -> String {
    format!("token-{id}")
}

/// `jobpipe.yml`: the pages.
pub fn write_settings(folder: &Path, pages: &[Page]) {
    let page = |(name, id): &Page| format!("  {name}: {{ id: \"{id}\", token: $TOKEN_{id} }}\n");
    let text: String = pages.iter().map(page).collect();
    std::fs::write(folder.join("jobpipe.yml"), format!("pages:\n{text}")).unwrap();
}

/// The import of the HTML site: listing to details, to pages and files.
pub struct Import<'a> {
    /// Where the site is.
    pub site: &'a str,
    /// The pages that it posts to.
    pub pages: &'a [Page],
    /// The message of a post.
    pub message: &'a str,
    /// How fast the site may be asked: `5/s`, `unlimited`.
    pub rate: &'a str,
    /// Posts a second and page.
    pub pace: u32,
    /// Where files go.
    pub out: &'a Path,
}

impl Import<'_> {
    /// Writes `import.yml`.
    pub fn write(&self, folder: &Path) {
        let pages: Vec<&str> = self.pages.iter().map(|(name, _)| name.as_str()).collect();
        let text = format!(
            r#"name: acme
crawl:
  html: {site}/jobs
  pages: a.next
  links: a.job-link
  extract:
    title: h1.job-title
    city: dd.location
    status: span.status
    url: link[rel=canonical] @href
  rate: {rate}
  retry: {{ times: 2, base: 50ms, max: 200ms }}
transform:
  key: .url
  where: .status == "open"
  require: [title, city, url]
  gone: {{ after: 1 runs, limit: 30% }}
export:
  - facebook: [{pages}]
    message: {message}
    link: .url
    pace: {{ rate: {pace}/s, per_day: unlimited }}
  - jsonl: {out}/offers.jsonl
  - jsonl: {out}/current.jsonl
    as: current
    write: snapshot
"#,
            site = self.site,
            pages = pages.join(", "),
            message = self.message,
            rate = self.rate,
            pace = self.pace,
            out = self.out.display(),
        );
        std::fs::write(folder.join("import.yml"), text).unwrap();
    }
}

/// Puts the environment of a scene on a command: where its servers are, and the tokens of its pages.
pub fn dress(
    command: &mut Command,
    folder: &Path,
    site: &career_site::Handle,
    facebook: &fbsim::Handle,
    pages: &[Page],
) {
    command.current_dir(folder);
    command.env("JOBPIPE_FACEBOOK_GRAPH_URL", &facebook.base_url);
    command.env("JOBPIPE_ALLOW_PRIVATE", format!("{},{}", site.addr, facebook.addr));
    for (key, value) in [("SETTLE", "1s"), ("READ_LAG", "50ms"), ("SEND_BY", "1s"), ("TIMEOUT", "1s")] {
        command.env(format!("JOBPIPE_FACEBOOK_{key}"), value);
    }
    for (_, id) in pages {
        command.env(format!("TOKEN_{id}"), token(id));
    }
}
