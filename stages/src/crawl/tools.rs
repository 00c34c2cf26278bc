//! What every crawl of a process shares.

use std::sync::Arc;
use std::time::Duration;

use jobpipe_config::grammar::Period;
use jobpipe_config::settings::Settings;
use jobpipe_config::spec::CrawlSpec;
use jobpipe_connectors::file::FileRoots;
use jobpipe_connectors::http::HttpClient;
use jobpipe_core::Rate;

use crate::export::SharedLookup;

/// The outside, as crawls reach it.
pub struct CrawlTools {
    /// Asks hosts.
    pub http: Arc<HttpClient>,
    /// Reads files.
    pub files: FileRoots,
    /// Reads secrets and settings, late.
    pub lookup: SharedLookup,
    /// Rates and time limits of hosts.
    pub settings: Arc<Settings>,
    /// The chosen environment: `$run.env`.
    pub env: Option<String>,
}

impl CrawlTools {
    /// How fast `host` may be asked: by the import, else by the rules of its host, else by the defaults.
    pub(super) fn rate(&self, spec: &CrawlSpec, host: &str) -> Option<Rate> {
        let rules = self.settings.host(host).and_then(|rules| rules.rate);
        spec.rate.or(rules).unwrap_or(self.settings.defaults.rate).limit()
    }

    /// How long one request may take.
    pub(super) fn timeout(&self, spec: &CrawlSpec) -> Option<Duration> {
        spec.timeout.map(Period::duration)
    }
}
