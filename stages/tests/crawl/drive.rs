//! Runs a crawl to its end: each request once, what failed is not repeated.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request as HttpRequest, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use jobpipe_config::settings::Settings;
use jobpipe_connectors::file::FileRoots;
use jobpipe_connectors::http::{HttpClient, HttpSettings, LocalLimiter};
use jobpipe_core::{Clock, Outcome, Plan, Record, Request, RunFacts, Stage, StageCx, StageInput, Stop, SystemClock};
use jobpipe_expr::Lookup;
use jobpipe_stages::crawl::{CrawlStage, CrawlTools};
use secrecy::SecretString;
use serde_json::Value as Json;
use tokio::net::TcpListener;

/// A server that notes what it was asked: `GET /path?query authorization`.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
}

impl Site {
    pub(crate) async fn serve(routes: Router) -> Self {
        let log: Arc<Mutex<Vec<String>>> = Arc::default();
        let routes = routes.layer(from_fn_with_state(log.clone(), note));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { address, log }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().iter().filter(|line| !line.contains("robots.txt")).cloned().collect()
    }
}

async fn note(State(log): State<Arc<Mutex<Vec<String>>>>, request: HttpRequest, next: Next) -> Response {
    let auth = request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or("-");
    log.lock().unwrap().push(format!("{} {} {auth}", request.method(), request.uri()));
    next.run(request).await
}

struct Never;

impl Stop for Never {
    fn is_stopping(&self) -> bool {
        false
    }
}

/// The settings of the tests: `$TOKEN` is `t0ken`.
struct Table;

impl Lookup for Table {
    fn variable(&self, name: &str) -> Option<SecretString> {
        (name == "TOKEN").then(|| "t0ken".into())
    }
    fn file(&self, _: &str) -> io::Result<SecretString> {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// A crawl ready to run.
pub(crate) struct Crawl {
    pub(crate) plan: Plan,
    pub(crate) facts: RunFacts,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) stop: Arc<dyn Stop>,
    tools: Arc<CrawlTools>,
}

impl Crawl {
    /// `import` is the text below `name:`. The servers may be asked, and files below `folder`.
    pub(crate) fn new(import: &str, sites: &[&Site], folder: &Path) -> Self {
        let open: Vec<SocketAddr> = sites.iter().map(|site| site.address).collect();
        Self::with(import, &open, BTreeMap::new(), folder)
    }

    /// The same with addresses that may be asked and names that lead to fixed ones.
    pub(crate) fn with(import: &str, open: &[SocketAddr], hosts: BTreeMap<String, SocketAddr>, folder: &Path) -> Self {
        let import = format!("name: t\n{import}");
        let checked = jobpipe_config::check(&import, "t.yml");
        let plan = checked.plan.unwrap_or_else(|| panic!("{import}\n{:#?}", checked.diagnostics));
        let mut settings = Settings::default();
        settings.defaults.rate = "unlimited".parse().unwrap();
        settings.allow_private = open.iter().map(|address| address.to_string().parse().unwrap()).collect();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let limiter = Arc::new(LocalLimiter::new(clock.clone()));
        let asking = HttpSettings { hosts, ..HttpSettings::from_settings(&settings) };
        let http = HttpClient::new(asking, limiter, clock.clone()).unwrap();
        let tools = CrawlTools {
            http: Arc::new(http),
            files: FileRoots::new(folder.to_owned(), Vec::new(), 1 << 20),
            lookup: Arc::new(Table),
            settings: Arc::new(settings),
            env: None,
        };
        let started_at = clock.now();
        let facts =
            RunFacts { import: "t".into(), run: "t@1".into(), seq: 1, started_at, since: BTreeMap::new(), limit: None };
        Self { plan, facts, clock, stop: Arc::new(Never), tools: Arc::new(tools) }
    }

    pub(crate) fn stage(&self, name: &str) -> CrawlStage {
        CrawlStage::new(&self.plan, name, self.tools.clone()).unwrap()
    }

    /// Runs the one stage of a short import.
    pub(crate) async fn run(&self) -> Outcome {
        let stage = self.stage("crawl");
        let roots = stage.roots(&self.facts).unwrap();
        self.drive(&stage, roots).await
    }

    /// Runs a stage that is `from` others.
    pub(crate) async fn run_from(&self, name: &str, records: Vec<Record>) -> Outcome {
        let stage = self.stage(name);
        assert!(stage.roots(&self.facts).unwrap().is_empty());
        let mut first = self.once(&stage, StageInput::Records(records)).await;
        let rest = self.drive(&stage, std::mem::take(&mut first.follow)).await;
        first.records.extend(rest.records);
        first.failed.extend(rest.failed);
        first.dead.extend(rest.dead);
        first.reasons.extend(rest.reasons);
        first
    }

    pub(crate) async fn once(&self, stage: &CrawlStage, input: StageInput) -> Outcome {
        let facts = Arc::new(self.facts.clone());
        let cx = StageCx { facts, clock: self.clock.clone(), stop: self.stop.clone() };
        let gathered = stage.gather(input, &cx).await.unwrap();
        // what crosses to a child process and back must not change
        let told = serde_json::to_string(&gathered).unwrap();
        assert_eq!(serde_json::from_str::<jobpipe_core::Gathered>(&told).unwrap(), gathered);
        let outcome = stage.compute(gathered.clone(), &self.facts).unwrap();
        let told = serde_json::to_string(&outcome).unwrap();
        assert_eq!(serde_json::from_str::<Outcome>(&told).unwrap(), outcome, "what is written can be read back");
        assert_eq!(stage.compute(gathered, &self.facts).unwrap(), outcome, "the same input gives the same outcome");
        outcome
    }

    async fn drive(&self, stage: &CrawlStage, roots: Vec<Request>) -> Outcome {
        let mut seen: HashSet<String> = roots.iter().map(|request| request.id.clone()).collect();
        let mut todo = vec![roots];
        let mut whole = Outcome::default();
        while let Some(bundle) = todo.pop() {
            if bundle.is_empty() {
                continue;
            }
            let outcome = self.once(stage, StageInput::Requests(bundle)).await;
            let (listings, details): (Vec<Request>, Vec<Request>) = outcome
                .follow
                .into_iter()
                .filter(|request| seen.insert(request.id.clone()))
                .partition(|request| request.listing);
            todo.extend(listings.into_iter().map(|request| vec![request]));
            todo.extend(details.chunks(3).map(<[Request]>::to_vec));
            whole.records.extend(outcome.records);
            whole.failed.extend(outcome.failed);
            whole.dead.extend(outcome.dead);
            for reason in outcome.reasons {
                if !whole.reasons.contains(&reason) {
                    whole.reasons.push(reason);
                }
            }
            if outcome.cursor.as_ref().and_then(Json::as_str) > whole.cursor.as_ref().and_then(Json::as_str) {
                whole.cursor = outcome.cursor;
            }
            whole.taken += outcome.taken;
        }
        whole
    }
}

/// The bodies of the records, in a fixed order.
pub(crate) fn bodies(outcome: &Outcome) -> Vec<String> {
    let mut bodies: Vec<String> = outcome.records.iter().map(|record| record.body.to_string()).collect();
    bodies.sort();
    bodies
}

/// The reasons, as text: what, then `E` for not exhaustive and `C` for not clean.
pub(crate) fn reasons(outcome: &Outcome) -> Vec<String> {
    let tell = |reason: &jobpipe_core::Reason| {
        let flags =
            [(reason.not_exhaustive, "E"), (reason.not_clean, "C")].map(|(set, flag)| if set { flag } else { "" });
        format!("{} [{}]", reason.what, flags.concat())
    };
    outcome.reasons.iter().map(tell).collect()
}
