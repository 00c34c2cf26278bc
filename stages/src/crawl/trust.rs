//! Who may be given an import's credentials: the origin that the import itself names, never one that a page names.

use std::collections::BTreeSet;

use jobpipe_config::spec::{CrawlSpec, ValueText, read_body};
use jobpipe_core::{Plan, StageKind, StagePlan};
use url::{Origin, Url};

/// Origins to which `auth` and secret headers are sent.
#[derive(Debug, Clone, Default)]
pub(super) struct Trusted {
    origins: Vec<Origin>,
}

impl Trusted {
    /// The origin written in the stage's own URL. Where that is a value of each record, those that the crawls above it
    /// are written with: a record of theirs may lead to their own host, and to no other.
    pub(super) fn of(plan: &Plan, stage: &StagePlan, source: &ValueText) -> Self {
        if let Some(origin) = written_origin(source) {
            return Self::with(origin);
        }
        let mut origins = Vec::new();
        let mut seen = BTreeSet::new();
        let mut todo: Vec<&str> = stage.from.iter().map(String::as_str).collect();
        while let Some(name) = todo.pop() {
            let Some(above) = plan.stage(name).filter(|_| seen.insert(name)) else { continue };
            todo.extend(above.from.iter().map(String::as_str));
            if above.kind == StageKind::Crawl
                && let Ok(spec) = read_body::<CrawlSpec>(above)
                && let Some(origin) = spec.source().and_then(|(_, source)| written_origin(source))
            {
                origins.extend(Self::with(origin).origins);
            }
        }
        Self { origins }
    }

    /// An origin, and its https form where it is plain http on the usual port.
    fn with(url: Url) -> Self {
        let mut origins = vec![url.origin()];
        let mut secure = url;
        if secure.scheme() == "http" && secure.port().is_none() && secure.set_scheme("https").is_ok() {
            origins.push(secure.origin());
        }
        Self { origins }
    }

    pub(super) fn covers(&self, url: &Url) -> bool {
        self.origins.contains(&url.origin())
    }
}

/// The origin at the beginning of `https://x.test/$path`; `None` where the host is not written out.
fn written_origin(source: &ValueText) -> Option<Url> {
    let text = source.as_str().split('$').next().unwrap_or_default();
    let (_, rest) = text.split_once("://")?;
    let whole = text.len() == source.as_str().len() || rest.contains(['/', '?', '#']);
    Url::parse(text).ok().filter(|url| whole && matches!(url.scheme(), "http" | "https"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusted(source: &str) -> Trusted {
        written_origin(&ValueText::from(source)).map(Trusted::with).unwrap_or_default()
    }

    #[test]
    fn only_the_written_origin_is_trusted() {
        let api = trusted("https://api.acme.test/v1/$slug/jobs");
        for (url, expected) in [
            ("https://api.acme.test/other", true),
            ("https://api.acme.test:443/", true),
            ("http://api.acme.test/", false),
            ("https://api.acme.test:8443/", false),
            ("https://api.acme.test.evil.test/", false),
            ("https://evil.test/api.acme.test", false),
        ] {
            assert_eq!(api.covers(&Url::parse(url).unwrap()), expected, "{url}");
        }
        assert!(trusted("http://x.test/").covers(&Url::parse("https://x.test/").unwrap()), "a move to https is fine");
    }

    #[test]
    fn a_host_that_is_a_value_is_not_trusted() {
        for source in [".url", "$url", "https://$host/x", "https://api$x/y", "./data.json"] {
            assert!(trusted(source).origins.is_empty(), "{source}");
        }
    }
}
