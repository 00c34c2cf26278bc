//! How the simulator behaves: what it is started with, and what may change while it runs.

use crate::faults::FaultPlan;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// What a simulator is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// A loopback address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The journal of executed writes. With it, posts outlive the process, a `kill -9` included.
    pub state: Option<PathBuf>,
    /// Pages that exist from the start, with their tokens.
    pub pages: Vec<PageToken>,
    /// Behaviour that may also be changed at run time.
    pub settings: Settings,
    /// Faults from the first call on.
    pub faults: FaultPlan,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            state: None,
            pages: Vec::new(),
            settings: Settings::default(),
            faults: FaultPlan::default(),
        }
    }
}

/// A page that is known from the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageToken {
    /// The page's id: letters, digits, `.`, `_` and `-`, at most 64.
    pub page: String,
    /// The only token that the page accepts.
    pub token: String,
}

/// Behaviour that may change at run time (`POST /__sim/settings` takes any part of it).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Unknown pages come into being when first named, and accept any token until one is set.
    pub auto_pages: bool,
    /// The app that tokens belong to, if `POST /__sim/token` has not said otherwise.
    pub app_id: String,
    /// Checks `appsecret_proof` where one is sent.
    #[serde(skip_serializing)]
    pub app_secret: Option<String>,
    /// Refuses calls without `appsecret_proof` (needs `app_secret`).
    pub require_proof: bool,
    /// The token that may list `/me/accounts`.
    #[serde(skip_serializing)]
    pub user_token: Option<String>,
    /// Error 506 for a create whose message is that of the page's previous post.
    pub duplicate_check: bool,
    /// Reads see the world as it was so many milliseconds ago.
    pub read_lag_ms: u64,
    /// How long each call takes: half of it before, half of it after the execution.
    pub latency_ms: u64,
    /// Writes that a page may receive in a window; above it every call of the page is answered 80001.
    pub limit: Option<WriteLimit>,
    /// The parameter of a post's link that carries the marker.
    pub marker_param: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            auto_pages: true,
            app_id: "1000".to_owned(),
            app_secret: None,
            require_proof: false,
            user_token: None,
            duplicate_check: true,
            read_lag_ms: 0,
            latency_ms: 0,
            limit: None,
            marker_param: "jp".to_owned(),
        }
    }
}

/// `calls` writes in each sliding window of `window_ms` milliseconds, for each page on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriteLimit {
    /// Writes in a window.
    pub calls: u32,
    /// Length of the window.
    pub window_ms: u64,
}
