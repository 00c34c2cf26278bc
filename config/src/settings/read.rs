//! A settings file: read straight into [`Settings`], over what the layers before it said.

use super::servers::EngineError;
use super::{Engine, HostRules, PageSettings, PrivateRange, Role, SecretRef, Settings, overrides};
use crate::compile::{page_id, retry, schedule_of};
use crate::diagnostic::{Problem, Severity, codes};
use crate::grammar::{GrammarError, Period, Size, Speed};
use crate::reader::{At, Cx, Fields};
use crate::spec::Ordered;
use crate::tree::Kind;
use jobpipe_expr::{Lookup, Setting};
use secrecy::ExposeSecret;
use std::path::PathBuf;
use std::str::FromStr;

mod notify;

/// Which settings file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layer {
    /// `jobpipe.yml`, which whoever writes imports may change.
    Project,
    /// `config/environments/NAME.yml`, the operator's.
    Environment,
}

/// Reads one file over `settings`. What is wrong is in `cx`.
pub(super) fn read(cx: &mut Cx<'_>, settings: &mut Settings, layer: Layer, lookup: &dyn Lookup) {
    // one that is there only to mark the project's folder
    if cx.source().lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return;
    }
    let Some(root) = cx.tree() else { return };
    let Some(mut keys) = Fields::open(cx, At::root(&root), "settings: defaults, hosts, facebook, pages") else {
        return;
    };
    let mut reading = Reading { cx, lookup };
    if let Some(at) = keys.take("defaults") {
        reading.defaults(at, settings);
    }
    if let Some(at) = keys.take("hosts") {
        reading.hosts(at, settings);
    }
    if let Some(at) = keys.take("facebook") {
        reading.facebook(at, settings);
    }
    if let Some(at) = keys.take("pages") {
        reading.pages(at, settings);
    }
    for (role, slot) in [(Role::Broker, &mut settings.broker), (Role::Store, &mut settings.store)] {
        if let Some(at) = keys.take(role.key()) {
            put(slot, reading.servers(&at, role));
        }
    }
    if let Some(at) = keys.take("limits") {
        reading.limits(at, settings);
    }
    if let Some(at) = keys.take("schedules") {
        reading.schedules(at, settings);
    }
    if let Some(at) = keys.take("notify") {
        reading.notify(at, settings, layer);
    }
    let cx = reading.cx;
    operator(cx, &mut keys, settings, layer);
    keys.later(cx, &["dashboard", "telemetry", "allow_exec", "retention"]);
    keys.finish(cx);
}

fn operator_only(cx: &mut Cx<'_>, at: &At<'_>, remedy: &str) {
    let message = format!("`{}` cannot be set in jobpipe.yml", at.path);
    let problem = Problem::new(codes::OPERATOR_ONLY, at.key_span.clone(), &at.path, message);
    cx.add(problem.help(format!("it protects the operator: {remedy}")));
}

/// What only an operator may say.
fn operator(cx: &mut Cx<'_>, keys: &mut Fields<'_>, settings: &mut Settings, layer: Layer) {
    let private = keys.take("allow_private");
    let roots = keys.take("file_roots");
    for at in [&private, &roots].into_iter().flatten().filter(|_| layer == Layer::Project) {
        operator_only(cx, at, "set it in config/environments/NAME.yml or by JOBPIPE_*");
    }
    if layer == Layer::Project {
        return;
    }
    if let Some(at) = private {
        let items = at.items().unwrap_or_else(|| vec![at.clone()]);
        settings.allow_private = items.iter().filter_map(|item| cx.parsed::<PrivateRange>(item, "a network")).collect();
    }
    if let Some(at) = roots {
        let roots = cx.names(&at, "a folder, or a list of folders").unwrap_or_default();
        settings.file_roots = roots.into_iter().map(|(root, _)| PathBuf::from(root)).collect();
    }
}

struct Reading<'c, 's> {
    cx: &'c mut Cx<'s>,
    lookup: &'c dyn Lookup,
}

impl Reading<'_, '_> {
    /// A text in which `$NAME` is put in now: for what is no secret.
    fn text(&mut self, at: &At<'_>, expected: &str) -> Option<String> {
        let text = self.cx.text(at, expected)?;
        let setting = match Setting::parse(text) {
            Ok(setting) => setting,
            Err(error) => {
                self.cx.expr_error(at, error, 0);
                return None;
            }
        };
        match setting.resolve(self.lookup) {
            Ok(value) => Some(value.expose_secret().to_owned()),
            Err(error) => {
                self.cx.add(Problem::new(error.code(), at.node.span.clone(), &at.path, error.to_string()));
                None
            }
        }
    }

    /// A text of a grammar, `$NAME` put in.
    fn parsed<T: FromStr<Err = GrammarError>>(&mut self, at: &At<'_>, expected: &str) -> Option<T> {
        let text = self.text(at, expected)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(GrammarError { expected }) => {
                // What a variable holds is not shown: it was not written here.
                let shown = self.cx.text(at, &expected)?;
                self.cx.bad_word(at, shown, &expected)
            }
        }
    }

    fn secret(&mut self, at: &At<'_>) -> Option<SecretRef> {
        let text = self.cx.text(at, "a secret, named: `$FB_TOKEN`")?;
        match SecretRef::parse(text) {
            Ok(secret) => {
                if secret.is_plain() || secret.has_default() {
                    self.cx.plain_secret(at, Severity::Warning);
                }
                Some(secret)
            }
            Err(error) => {
                self.cx.expr_error(at, error, 0);
                None
            }
        }
    }

    /// Where the store or the broker is: one text, or a list of them for the members of one cluster.
    fn servers(&mut self, at: &At<'_>, role: Role) -> Option<Engine> {
        let items = at.items().filter(|items| role == Role::Broker && !items.is_empty());
        let items = items.unwrap_or_else(|| vec![at.clone()]);
        let alone = items.len() == 1;
        let mut urls = Vec::new();
        for item in &items {
            match self.server(item, role)? {
                Engine::Servers(more) => urls.extend(more),
                Engine::Embedded if alone => return Some(Engine::Embedded),
                Engine::Embedded => return self.cx.bad_word(item, "embedded", "a URL, as the others of the list"),
            }
        }
        Some(Engine::Servers(urls))
    }

    fn server(&mut self, at: &At<'_>, role: Role) -> Option<Engine> {
        let text = self.cx.text(at, role.expected())?;
        match Engine::parse(text, role) {
            Ok(engine) => {
                if engine.holds_password() {
                    self.cx.plain_secret(at, Severity::Warning);
                }
                Some(engine)
            }
            // a line with a password in it is not shown
            Err(EngineError::NoUrl) if text.contains('@') => {
                self.cx.plain_secret(at, Severity::Error);
                None
            }
            Err(EngineError::NoUrl) => self.cx.bad_word(at, text, role.expected()),
            Err(EngineError::Reference(error)) => {
                self.cx.expr_error(at, error, 0);
                None
            }
        }
    }

    fn defaults(&mut self, at: At<'_>, settings: &mut Settings) {
        let Some(mut keys) = Fields::open(self.cx, at, "`{ user_agent: ..., rate: 2/s }`") else { return };
        let defaults = &mut settings.defaults;
        if let Some(at) = keys.take("user_agent") {
            put(&mut defaults.user_agent, self.text(&at, "a text such as acme-bot (+https://acme.test/bot)"));
        }
        if let Some(at) = keys.take("rate") {
            put(&mut defaults.rate, self.parsed::<Speed>(&at, "a rate such as 2/s"));
        }
        if let Some(at) = keys.take("timeout") {
            put(&mut defaults.timeout, self.parsed::<Period>(&at, "a duration such as 60s"));
        }
        if let Some(at) = keys.take("retry") {
            defaults.retry = Some(retry(self.cx, at));
        }
        keys.later(self.cx, &["concurrency", "robots", "cache", "zone"]);
        keys.finish(self.cx);
    }

    fn hosts(&mut self, at: At<'_>, settings: &mut Settings) {
        let Some(hosts) = Fields::open(self.cx, at, "hosts by name: `\"*.slow.test\": { rate: 1/s }`") else { return };
        for (pattern, at) in hosts.all() {
            if pattern.contains("://") || pattern.contains('/') || pattern.trim_start_matches('*').contains('*') {
                let problem =
                    Problem::new(codes::WORD, at.key_span.clone(), &at.path, format!("`{pattern}` is no host"));
                self.cx.add(problem.expected("a host such as careers.acme.test or \"*.slow.test\""));
            }
            let Some(mut keys) = Fields::open(self.cx, at, "`{ rate: 1/s, retry: 8 }`") else { continue };
            let rate = keys.take("rate").and_then(|at| self.parsed(&at, "a rate such as 1/s"));
            let retry = keys.take("retry").map(|at| retry(self.cx, at));
            keys.later(self.cx, &["concurrency", "insecure", "auth", "headers"]);
            keys.finish(self.cx);
            settings.hosts.insert(pattern.to_owned(), HostRules { rate, retry });
        }
    }

    fn facebook(&mut self, at: At<'_>, settings: &mut Settings) {
        let Some(mut keys) = Fields::open(self.cx, at, "`{ graph_url: ..., settle: 10m }`") else { return };
        let facebook = &mut settings.facebook;
        if let Some(at) = keys.take("graph_url")
            && let Some(text) = self.text(&at, "a URL")
        {
            match overrides::http_url(&text) {
                Ok(url) => facebook.graph_url = url,
                Err(GrammarError { expected }) => {
                    self.cx.bad_word::<()>(
                        &at,
                        self.cx.source().get(at.node.span.clone()).unwrap_or_default(),
                        &expected,
                    );
                }
            }
        }
        if let Some(at) = keys.take("api") {
            put(&mut facebook.api, self.text(&at, "a version such as v26.0"));
        }
        if let Some(at) = keys.take("app_id") {
            facebook.app_id = self.text(&at, "the app's id").or(facebook.app_id.take());
        }
        if let Some(at) = keys.take("app_secret") {
            facebook.app_secret = self.secret(&at).or(facebook.app_secret.take());
        }
        let periods = [
            ("settle", &mut facebook.settle),
            ("read_lag", &mut facebook.read_lag),
            ("send_by", &mut facebook.send_by),
            ("timeout", &mut facebook.timeout),
        ];
        for (key, slot) in periods {
            if let Some(at) = keys.take(key) {
                put(slot, self.parsed::<Period>(&at, "a duration such as 10m"));
            }
        }
        keys.finish(self.cx);
    }

    fn pages(&mut self, at: At<'_>, settings: &mut Settings) {
        let Some(pages) = Fields::open(self.cx, at, "pages by name: `acme-paris: { id: \"1001\", token: $FB_PARIS }`")
        else {
            return;
        };
        for (name, at) in pages.all() {
            let Some(mut keys) = Fields::open(self.cx, at, "`{ id: \"1001\", token: $FB_PARIS, lang: fr }`") else {
                continue;
            };
            let id = keys.need(&["id"], "the page's id: `id: \"1001\"`");
            let token = keys.need(&["token"], "the page's access token, as a secret: `token: $FB_PARIS`");
            keys.finish_open(self.cx);
            let id = id.and_then(|at| page_id(self.cx, &at));
            let token = token.and_then(|at| self.secret(&at));
            let mut vars = Ordered::new();
            for (key, at) in keys.rest() {
                if matches!(at.node.kind, Kind::Scalar(_)) && key == "name" {
                    let problem =
                        Problem::new(codes::CONFLICT, at.key_span.clone(), &at.path, "a page's name is its key here");
                    self.cx.add(problem.help("remove it, or call it otherwise"));
                } else if let Some(text) = self.text(&at, "a value, seen as `$page.NAME`") {
                    vars.insert(key.to_owned(), text);
                }
            }
            if let (Some(id), Some(token)) = (id, token) {
                settings.pages.insert(name.to_owned(), PageSettings { id, token, vars });
            }
        }
    }

    /// A schedule, or `off`, for each of the imports that are named.
    fn schedules(&mut self, at: At<'_>, settings: &mut Settings) {
        let Some(imports) = Fields::open(self.cx, at, "schedules by import: `{ acme: daily 06:00, globex: off }`")
        else {
            return;
        };
        for (name, at) in imports.all() {
            let is_off = matches!(&at.node.kind, Kind::Scalar(scalar) if scalar.text.trim() == "off");
            let schedule = if is_off { None } else { schedule_of(self.cx, &at, Some(name)) };
            if is_off || schedule.is_some() {
                settings.schedules.insert(name.to_owned(), schedule);
            }
        }
    }

    fn limits(&mut self, at: At<'_>, settings: &mut Settings) {
        let Some(mut keys) = Fields::open(self.cx, at, "`{ workers: 4, body: 10MiB }`") else { return };
        if let Some(at) = keys.take("workers") {
            settings.limits.workers = self.cx.small_count(&at, 1);
        }
        if let Some(at) = keys.take("task") {
            put(&mut settings.limits.task, self.task_time(&at));
        }
        if let Some(at) = keys.take("body") {
            put(&mut settings.limits.body, self.parsed::<Size>(&at, "a size such as 10MiB"));
        }
        if let Some(at) = keys.take("file") {
            put(&mut settings.limits.file, self.parsed::<Size>(&at, "a size such as 1GiB"));
        }
        keys.later(self.cx, &["memory", "jobs"]);
        keys.finish(self.cx);
    }

    /// A duration in which a task can do something.
    fn task_time(&mut self, at: &At<'_>) -> Option<Period> {
        const EXPECTED: &str = "a duration of at least 1s, such as 10m";
        let time: Period = self.parsed(at, EXPECTED)?;
        if time.ms() < 1_000 {
            let shown = self.cx.text(at, EXPECTED)?;
            return self.cx.bad_word(at, shown, EXPECTED);
        }
        Some(time)
    }
}

/// Keeps what the layers before said when there is nothing new.
fn put<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
}
