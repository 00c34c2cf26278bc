//! Where a request goes: a URL or a file.

use jobpipe_connectors::http::{HttpClient, shown_url, shown_url_text};
use serde::{Deserialize, Serialize};
use url::Url;

/// A place to read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Location {
    /// Over http or https; without fragment.
    Url(Url),
    /// A path, as the import or another file has it.
    File(String),
}

impl Location {
    /// Reads the text of a URL; one that begins with `/` is of the host of `base`. What a record or an answer says is
    /// never a path of a file: it could be any file of the project.
    pub(super) fn web(text: &str, base: &str) -> Result<Self, String> {
        let text = text.trim();
        let shown = || shown_url_text(text);
        let parsed = match Url::parse(base) {
            Ok(base) if text.starts_with('/') => base.join(text),
            _ => Url::parse(text),
        };
        match parsed {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(Self::from_url(url)),
            Ok(_) => Err(format!("`{}` is neither http nor https", shown())),
            Err(error) => Err(format!("`{}` is not a URL ({error})", shown())),
        }
    }

    pub(super) fn from_url(mut url: Url) -> Self {
        url.set_fragment(None);
        Self::Url(url)
    }

    /// A link found in what was read here: relative to `base` (where the answer came from in the end). A file may name
    /// a file beside it; the web never names one.
    pub(super) fn follow(&self, base: Option<&Url>, link: &str) -> Option<Self> {
        let link = link.trim();
        match (base, self) {
            (Some(base), _) | (None, Self::Url(base)) => {
                let url = base.join(link).ok()?;
                matches!(url.scheme(), "http" | "https").then(|| Self::from_url(url))
            }
            (None, Self::File(_)) if link.contains(':') => Self::web(link, "").ok(),
            (None, Self::File(path)) => {
                let file = link.split(['#', '?']).next().unwrap_or_default();
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                let beside = if folder.is_empty() { file.to_owned() } else { format!("{folder}/{file}") };
                (!file.is_empty() && !file.starts_with('/')).then_some(Self::File(beside))
            }
        }
    }

    /// What may share a task and a limit.
    pub(super) fn group(&self) -> String {
        match self {
            Self::Url(url) => HttpClient::group(url),
            Self::File(_) => "file".to_owned(),
        }
    }

    /// As people may see it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Url(url) => shown_url(url),
            Self::File(path) => path.clone(),
        }
    }

    /// One spelling for one place: part of a request's id.
    pub(super) fn canonical(&self) -> String {
        match self {
            Self::Url(url) => url.to_string(),
            Self::File(path) => {
                let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "." | "")).collect();
                let root = if path.starts_with('/') { "/" } else { "" };
                format!("file:{root}{}", parts.join("/"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_the_web_stay_on_the_web() {
        let page = Location::web("https://x.test/jobs/list?p=1#top", "").unwrap();
        let follow = |link: &str| page.follow(None, link).map(|found| found.shown());
        assert_eq!(follow("?p=2#x"), Some("https://x.test/jobs/list?p=2".to_owned()));
        assert_eq!(follow("//y.test/a"), Some("https://y.test/a".to_owned()));
        assert_eq!(follow("file:///etc/passwd"), None);
        assert_eq!(follow("mailto:a@b.test"), None);
        for text in ["./secrets.json", "file:///a", "/etc/passwd"] {
            assert!(Location::web(text, "./list.json").is_err(), "{text}");
        }
        let found = Location::web("/job/7", "https://x.test/jobs?page=2").map(|found| found.shown());
        assert_eq!(found, Ok("https://x.test/job/7".to_owned()));
    }

    #[test]
    fn files_name_files_beside_them_and_urls() {
        let file = Location::File("./data/page-1.json".to_owned());
        assert_eq!(file.follow(None, "page-2.json"), Some(Location::File("./data/page-2.json".to_owned())));
        assert_eq!(file.follow(None, "/etc/passwd"), None);
        assert_eq!(file.follow(None, "file:///etc/passwd"), None);
        assert!(matches!(file.follow(None, "https://x.test/2"), Some(Location::Url(_))));
        assert_eq!(file.canonical(), Location::File("data//page-1.json".to_owned()).canonical());
    }
}
