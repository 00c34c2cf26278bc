//! What holds for hosts.

use super::Settings;
use crate::grammar::Speed;
use crate::spec::RetrySpec;
use schemars::JsonSchema;
use serde::Serialize;

/// What holds for one host, or for those that a pattern names.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct HostRules {
    /// Requests at most.
    pub rate: Option<Speed>,
    /// What is done about failures that may pass.
    pub retry: Option<RetrySpec>,
}

impl Settings {
    /// The rules of the most exact pattern for `host`: its own name, else the longest `*.` pattern. None = no rule.
    #[must_use]
    pub fn host(&self, host: &str) -> Option<&HostRules> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let fits = |pattern: &str| match pattern.to_ascii_lowercase().strip_prefix('*') {
            Some(ending) => ending.is_empty() || (host.len() > ending.len() && host.ends_with(ending)),
            None => pattern.eq_ignore_ascii_case(&host),
        };
        let fitting = self.hosts.iter().filter(|(pattern, _)| fits(pattern));
        fitting.max_by_key(|(pattern, _)| (!pattern.starts_with('*'), pattern.len())).map(|(_, rules)| rules)
    }
}
