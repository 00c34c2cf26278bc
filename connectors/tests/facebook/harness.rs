//! A simulator, a sink on it, and calls to make.

use fbsim::{FaultKind, FaultPlan, FaultRule, FbSim, Handle, OpKind, Options, PageToken, Settings, When};
use jobpipe_connectors::facebook::{FacebookSink, Graph, GraphSettings, Page, Pages, PostExport};
use jobpipe_core::{
    Clock, EffectAnswer, EffectCall, EffectPolicy, EffectTimes, Millis, Op, Rendered, RowId, Sink, SystemClock,
};
use jobpipe_expr::{Place, Value};
use secrecy::SecretString;
use serde_json::{Value as Json, json};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub(crate) const APP_SECRET: &str = "s3cr3t-of-the-app-0123456789abcdef";
pub(crate) const TARGET: &str = "facebook:1001";
pub(crate) const OTHER: &str = "facebook:1002";

/// Wall time as it is; the monotonic clock moves when told to, and sleeping moves it at once.
#[derive(Default)]
pub(crate) struct TestClock {
    wall: SystemClock,
    monotonic: Mutex<Duration>,
}

impl TestClock {
    pub(crate) fn advance(&self, time: Duration) {
        *self.monotonic.lock().unwrap_or_else(PoisonError::into_inner) += time;
    }
}

#[async_trait::async_trait]
impl Clock for TestClock {
    fn now(&self) -> Millis {
        self.wall.now()
    }

    fn monotonic(&self) -> Duration {
        *self.monotonic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn sleep(&self, time: Duration) {
        self.advance(time);
    }
}

/// A sink, and the clock that its silence is measured on.
pub(crate) struct Bench {
    pub(crate) sink: FacebookSink,
    pub(crate) clock: Arc<TestClock>,
}

pub(crate) fn token(page: &str) -> String {
    format!("EAAB{page}xTokenThatNobodyMaySee{page}ZDZD")
}

pub(crate) async fn simulator() -> Handle {
    let pages = ["1001", "1002"].map(|page| PageToken { page: page.into(), token: token(page) });
    let settings =
        Settings { auto_pages: false, app_secret: Some(APP_SECRET.into()), require_proof: true, ..Settings::default() };
    let options = Options { pages: pages.into(), settings, ..Options::default() };
    FbSim::start(options).await.unwrap()
}

/// However busy the machine is, what is answered is answered within this time.
pub(crate) fn times() -> EffectTimes {
    EffectTimes { timeout: Duration::from_secs(30), ..GraphSettings::usual_times() }
}

pub(crate) fn settings(url: &str) -> GraphSettings {
    GraphSettings {
        url: url.parse().unwrap(),
        api: "v26.0".into(),
        app_secret: Some(SecretString::from(APP_SECRET)),
        allow_http: false,
        proxy: None,
        times: times(),
    }
}

pub(crate) fn pages() -> Pages {
    let page = |name: &str, id: &str, facts: Json| Page {
        name: name.into(),
        id: id.into(),
        token: Ok(SecretString::from(token(id))),
        facts: facts.as_object().unwrap().clone(),
    };
    let broken = Page { token: Err("$FB_NICE is not set".into()), ..page("acme-nice", "1003", json!({})) };
    let paris = page("acme-paris", "1001", json!({"state": "IDF", "lang": "fr"}));
    let lyon = page("acme-lyon", "1002", json!({"state": "ARA", "lang": "fr"}));
    Pages::new(vec![paris, lyon, broken]).unwrap()
}

pub(crate) fn export(names: &[&str], wanted: Option<&str>, message: &str, link: Option<&str>) -> PostExport {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    PostExport {
        pages: Box::new(move || Ok(names.clone())),
        wanted: wanted.map(|text| Value::compile(text, Place::Expression).unwrap()),
        message: Some(Value::compile(message, Place::Field).unwrap()),
        link: link.map(|text| Value::compile(text, Place::Field).unwrap()),
        policy: EffectPolicy { create: true, update: true, delete: true },
    }
}

pub(crate) fn bench(url: &str) -> Bench {
    bench_of(url, export(&["acme-paris", "acme-lyon"], None, "$title in $city", Some(".url")))
}

pub(crate) fn bench_of(url: &str, export: PostExport) -> Bench {
    bench_with(settings(url), export)
}

/// A sink that waits for no answer, for calls that get none.
pub(crate) fn hasty(url: &str) -> Bench {
    let times = EffectTimes { timeout: Duration::from_millis(400), ..times() };
    let export = export(&["acme-paris", "acme-lyon"], None, "$title in $city", Some(".url"));
    bench_with(GraphSettings { times, ..settings(url) }, export)
}

fn bench_with(settings: GraphSettings, export: PostExport) -> Bench {
    let clock = Arc::new(TestClock::default());
    let graph = Arc::new(Graph::new(settings, clock.clone()).unwrap());
    Bench { sink: FacebookSink::new(graph, Arc::new(pages()), export), clock }
}

pub(crate) fn row(target: &str, key: &str) -> RowId {
    RowId { target: target.into(), import: "acme".into(), export: "facebook".into(), key: key.into() }
}

pub(crate) fn offer(key: &str) -> Json {
    json!({"title": format!("Nurse {key}"), "city": "Lyon", "url": format!("https://acme.test/jobs/{key}")})
}

impl Bench {
    pub(crate) fn payload(&self, row: &RowId, body: &Json) -> Json {
        match self.sink.render(row, body).unwrap() {
            Rendered::Content { payload, .. } => payload,
            Rendered::Nothing => panic!("the record is for this page"),
        }
    }

    pub(crate) async fn create(&self, target: &str, key: &str) -> EffectAnswer {
        let row = row(target, key);
        let payload = self.payload(&row, &offer(key));
        self.sink.apply(target, &EffectCall { row, op: Op::Create, post: None, payload }).await
    }

    pub(crate) async fn created(&self, target: &str, key: &str) -> String {
        match self.create(target, key).await {
            EffectAnswer::Done { post: Some(post) } => post,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn update(&self, post: &str, title: &str) -> EffectAnswer {
        let row = row(TARGET, "1");
        let payload = self.payload(&row, &json!({"title": title, "city": "Lyon", "url": "https://acme.test/jobs/1"}));
        self.sink.apply(TARGET, &EffectCall { row, op: Op::Update, post: Some(post.into()), payload }).await
    }

    pub(crate) async fn delete(&self, post: &str) -> EffectAnswer {
        let call = EffectCall { row: row(TARGET, "1"), op: Op::Delete, post: Some(post.into()), payload: Json::Null };
        self.sink.apply(TARGET, &call).await
    }
}

/// A plan of one rule.
pub(crate) fn plan(op: OpKind, at: When, kind: &str, change: impl FnOnce(&mut FaultRule)) -> FaultPlan {
    let mut rule = FaultRule { op: Some(op), ..FaultRule::new(at, kind.parse::<FaultKind>().unwrap()) };
    change(&mut rule);
    FaultPlan { seed: 7, rules: vec![rule] }
}

/// Nothing that people or logs see may hold a credential.
pub(crate) fn assert_silent(text: &str) {
    for secret in [token("1001"), token("1002"), APP_SECRET.to_owned()] {
        assert!(!text.contains(&secret), "a secret is shown: {text}");
    }
}
