//! Settings: what imports share, and what an environment decides. Layers, the later one winning: built in, `jobpipe.yml`,
//! `config/environments/NAME.yml`, `JOBPIPE_*`, flags.
//!
//! The environment is looked up through [`Lookup`]; this crate never asks the process for it.

mod hosts;
mod notify;
mod overrides;
mod pages;
mod private;
mod project;
mod read;
mod secret;
mod servers;
#[cfg(test)]
mod tests;

pub use hosts::HostRules;
pub use jobpipe_expr::Lookup;
pub use notify::{Email, MailServer, Notify};
pub use overrides::{OVERRIDES, Override, OverrideError};
pub use pages::{Page, PagesError};
pub use private::PrivateRange;
pub use project::{FileReport, Loaded, Project, load_project, load_settings};
pub use secret::SecretRef;
pub use servers::{Engine, Role, Servers, ServersError};

use crate::grammar::{Period, Size, Speed};
use crate::spec::{Ordered, RetrySpec};
use jobpipe_core::{EffectTimes, Plan};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value as Json;
use std::path::PathBuf;

/// Everything that is set outside of imports. No secret is in it: tokens are references, read when they are used.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Settings {
    /// What holds for every crawl that does not say otherwise.
    pub defaults: Defaults,
    /// What holds for hosts, by pattern: `careers.acme.test`, `*.slow.test`.
    pub hosts: Ordered<HostRules>,
    /// The Graph API.
    pub facebook: FacebookSettings,
    /// Facebook pages by the name that exports use.
    pub pages: Ordered<PageSettings>,
    /// What carries hints between processes: `embedded`, or RabbitMQ by the URLs of its nodes: `$AMQP_URL`. It needs a `store` on a server.
    pub broker: Engine,
    /// What keeps the state: `embedded`, one file in `.jobpipe/`; or a server of MongoDB's protocol by its URL: `$MONGODB_URL`.
    #[schemars(schema_with = "servers::store_schema")]
    pub store: Engine,
    /// How much one process may use.
    pub limits: Limits,
    /// The schedules of imports by name, in place of their own when they are deployed: `acme: daily 06:00`. `off` = none.
    pub schedules: Ordered<Option<Json>>,
    /// Who is told of trouble with deployed imports.
    pub notify: Notify,
    /// Private networks that may be asked, `127.0.0.1:8800-8899` or `10.0.0.0/8`. Operators only: not in `jobpipe.yml`.
    pub allow_private: Vec<PrivateRange>,
    /// Folders that files may be read from and written to, beside the project's own. Operators only: not in `jobpipe.yml`.
    pub file_roots: Vec<PathBuf>,
}

/// What holds for every crawl that does not say otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Defaults {
    /// How crawls introduce themselves: a name and where to complain.
    pub user_agent: String,
    /// Requests to one host at most, `1/s` by default.
    pub rate: Speed,
    /// The longest that one request may take, `60s` by default.
    pub timeout: Period,
    /// What is done about failures that may pass; absent = what the import says.
    pub retry: Option<RetrySpec>,
}

/// The Graph API.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct FacebookSettings {
    /// Its address, `https://graph.facebook.com` by default.
    pub graph_url: String,
    /// Its version, `v26.0` by default.
    pub api: String,
    /// The app's id.
    pub app_id: Option<String>,
    /// The app's secret, as a reference: calls are then signed (appsecret_proof).
    pub app_secret: Option<SecretRef>,
    /// How late a call may take effect, the read lag included; `10m` by default. Unknown outcomes wait so long before they are judged.
    pub settle: Period,
    /// How late a read may show what was done, `1m` by default.
    pub read_lag: Period,
    /// A call is sent only so long after it was recorded, `30s` by default.
    pub send_by: Period,
    /// The longest that one call may take, `60s` by default.
    pub timeout: Period,
}

/// A Facebook page.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PageSettings {
    /// Its id: digits, in quotes.
    pub id: String,
    /// Its access token, as a reference: `$FB_ACME_PARIS`.
    pub token: SecretRef,
    /// Values of your own beside them, seen as `$page.NAME`: `lang`, `tz`, `state`.
    #[schemars(skip)]
    pub vars: Ordered<String>,
}

/// How much one process may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Limits {
    /// Tasks at work at once; absent = by the machine.
    pub workers: Option<u32>,
    /// How long one task may ask its sources, `10m` by default: then it puts back what it has not asked yet; 30 s later it is broken off.
    pub task: Period,
    /// The largest page or answer, after decompression: `10MiB` by default.
    pub body: Size,
    /// The largest file that is read: `1GiB` by default.
    pub file: Size,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            defaults: Defaults {
                user_agent: concat!("jobpipe/", env!("CARGO_PKG_VERSION")).to_owned(),
                rate: Speed::per(1, 1_000),
                timeout: Period::from_ms(60_000),
                retry: None,
            },
            hosts: Ordered::new(),
            facebook: FacebookSettings::default(),
            pages: Ordered::new(),
            broker: Engine::Embedded,
            store: Engine::Embedded,
            limits: Limits {
                workers: None,
                task: Period::from_ms(600_000),
                body: Size::from_bytes(10 << 20),
                file: Size::from_bytes(1 << 30),
            },
            schedules: Ordered::new(),
            notify: Notify::default(),
            allow_private: Vec::new(),
            file_roots: Vec::new(),
        }
    }
}

impl Settings {
    /// `plan` with the schedule that holds for it here.
    #[must_use]
    pub fn scheduled(&self, plan: Plan) -> Plan {
        match self.schedules.get(&plan.name) {
            Some(schedule) => Plan { schedule: schedule.clone(), ..plan },
            None => plan,
        }
    }
}

impl Default for FacebookSettings {
    fn default() -> Self {
        Self {
            graph_url: "https://graph.facebook.com".to_owned(),
            api: "v26.0".to_owned(),
            app_id: None,
            app_secret: None,
            settle: Period::from_ms(600_000),
            read_lag: Period::from_ms(60_000),
            send_by: Period::from_ms(30_000),
            timeout: Period::from_ms(60_000),
        }
    }
}

impl FacebookSettings {
    /// The times that the effect protocol needs.
    #[must_use]
    pub const fn times(&self) -> EffectTimes {
        EffectTimes {
            send_by: self.send_by.duration(),
            timeout: self.timeout.duration(),
            settle: self.settle.duration(),
            read_lag: self.read_lag.duration(),
        }
    }
}
