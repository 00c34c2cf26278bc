//! From settings to the registry of stages: what crawls ask with, and the folders that stages may touch.

use crate::compose::Machine;
use crate::exit::{Failure, Outcome};
use crate::load::Process;
use crate::watch::limits::WatchedLimiter;
use jobpipe_config::settings::{Loaded, Settings};
use jobpipe_connectors::file::FileRoots;
use jobpipe_connectors::http::{HttpClient, HttpSettings};
use jobpipe_core::RateLimiter;
use jobpipe_stages::crawl::CrawlTools;
use jobpipe_stages::export::{FileSettings, SharedLookup};
use jobpipe_stages::registry::{Parts, Registry};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// What a registry is made from.
pub(crate) struct Wiring {
    pub(crate) settings: Settings,
    /// The project's folder: where relative paths begin.
    pub(crate) root: PathBuf,
    /// The environment's name.
    pub(crate) env: String,
    pub(crate) lookup: SharedLookup,
    /// Names that are never looked up, and where they are.
    pub(crate) hosts: BTreeMap<String, SocketAddr>,
}

impl Wiring {
    /// That of a loaded project.
    pub(crate) fn of(loaded: &Loaded) -> Self {
        Self {
            settings: loaded.settings.clone(),
            root: loaded.project.root.clone(),
            env: loaded.project.environment.clone(),
            lookup: Arc::new(Process::of(&loaded.project)),
            hosts: BTreeMap::new(),
        }
    }
}

/// The registry of a process that shares its limits with no other.
pub(crate) fn registry(wiring: Wiring, machine: &Machine) -> Outcome<Registry> {
    let limiter = WatchedLimiter::new(Arc::clone(&machine.clock), Arc::clone(&machine.waits));
    limited(wiring, machine, Arc::new(limiter))
}

/// The registry of a process. Its HTTP client is the only one, so that all imports share its limits.
pub(crate) fn limited(wiring: Wiring, machine: &Machine, limiter: Arc<dyn RateLimiter>) -> Outcome<Registry> {
    let Wiring { settings, root, env, lookup, hosts } = wiring;
    let files = FileSettings { root: root.clone(), allowed: settings.file_roots.clone() };
    let http = HttpSettings { hosts, ..HttpSettings::from_settings(&settings) };
    let http = HttpClient::new(http, limiter, Arc::clone(&machine.clock))
        .map_err(|error| Failure::usage(error.to_string()))?;
    let roots = FileRoots::new(root, settings.file_roots.clone(), settings.limits.file.bytes());
    let crawls =
        CrawlTools { http: Arc::new(http), files: roots, lookup, settings: Arc::new(settings), env: Some(env) };
    Ok(Registry::new(Parts {
        crawls: Arc::new(crawls),
        files: Arc::new(files),
        clock: Arc::clone(&machine.clock),
        ids: Arc::clone(&machine.ids),
    }))
}

/// A registry for a process that only computes: it asks nobody and knows no secret.
pub(crate) fn for_computing() -> Outcome<Registry> {
    let wiring = Wiring {
        settings: Settings::default(),
        root: PathBuf::from("/"),
        env: String::new(),
        lookup: Arc::new(Process::default()),
        hosts: BTreeMap::new(),
    };
    registry(wiring, &Machine::new())
}
