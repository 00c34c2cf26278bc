//! The formats: where their inputs come from and what takes them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jobpipe_config::diagnostic::{Diagnostic, Style, has_errors, render_all};
use jobpipe_config::grammar::{Period, Share, Size, Speed};
use jobpipe_config::settings::{Lookup, load_project};
use jobpipe_connectors::formats::html::{Page, compile_selector};
use jobpipe_connectors::http::{Guard, shown_url, shown_url_text};
use jobpipe_expr::{Expr, Place, Subject, Value, Vars};
use jobpipe_schedule::{Schedule, Zone};
use serde_json::{Value as Json, json};
use url::Url;

use crate::crawl::Crawls;
use crate::mutate::Mutator;
use crate::store;
use crate::tokens::{CSS, HTML, JQ, JSON, LINKS, ROBOTS, TIMES, YAML};

pub const NAMES: [&str; 11] =
    ["yaml", "settings", "jq", "values", "css", "html", "json", "robots", "links", "times", "store"];

/// How one input ended.
pub enum Ended {
    Result,
    Error,
    /// An error that does not say where, or says it wrongly.
    Wrong(String),
    Panicked,
}

/// Takes one input.
type Take = Box<dyn FnMut(&[u8]) -> Ended>;

/// One format, ready to take inputs.
pub struct Format {
    corpus: Vec<Vec<u8>>,
    tokens: &'static [&'static str],
    nests: &'static [(&'static str, &'static str)],
    take: Take,
}

impl Format {
    pub fn of(name: &str) -> Self {
        let (corpus, take): (Vec<Vec<u8>>, Take) = match name {
            "yaml" => (imports(), Box::new(Files::new("import.yml"))),
            "settings" => (settings(), Box::new(Files::new("jobpipe.yml"))),
            "jq" => (programs(), Box::new(program())),
            "values" => (values(), Box::new(value())),
            "css" => (lines("css.txt"), Box::new(css())),
            "html" => (folder("html"), Box::new(Crawls::html())),
            "json" => (folder("json"), Box::new(Crawls::json())),
            "robots" => (folder("robots"), Box::new(robots)),
            "links" => (lines("links.txt"), Box::new(links())),
            "times" => (lines("times.txt"), Box::new(time)),
            "store" => (store::corpus(), Box::new(store::opened())),
            other => panic!("no format {other}: {NAMES:?}"),
        };
        let (tokens, nests): (&[&str], &[(&str, &str)]) = match name {
            "yaml" | "settings" => (YAML, &[("[", "]"), ("{a: ", "}"), ("- ", ""), ("\n ", ""), ("? ", "")]),
            "jq" | "values" => (JQ, &[("[", "]"), ("(", ")"), ("{a:", "}"), ("-", ""), ("try ", ""), ("\"\\(", ")\"")]),
            "css" => (CSS, &[(":not(", ")"), (":is(", ")"), (":has(", ")"), ("[", "]"), ("* > ", ""), ("a ", "")]),
            "html" => {
                (HTML, &[("<div>", "</div>"), ("<b><p>", ""), ("<table><tr><td>", ""), ("<svg>", ""), ("<p ", ">")])
            }
            "json" => (JSON, &[("[", "]"), ("{\"a\":", "}"), ("[[", ""), ("\"", "")]),
            "robots" => (ROBOTS, &[("*", ""), ("Disallow: /*a\n", ""), ("User-agent: *\n", ""), ("%2", "")]),
            "links" => (LINKS, &[("../", ""), ("%2e%2e/", ""), ("[", "]"), ("a@", ""), ("?", "")]),
            "times" => (TIMES, &[("*/", ""), ("1,", ""), ("1-", ""), ("0", ""), ("%", "")]),
            _ => (&["\0", "SQLite format 3\0"], &[("\u{0}", "")]),
        };
        assert!(!corpus.is_empty(), "{name} has no corpus");
        Self { corpus, tokens, nests, take }
    }

    pub fn mutator(&self) -> Mutator<'_> {
        Mutator { corpus: &self.corpus, tokens: self.tokens, nests: self.nests }
    }

    pub fn take(&mut self, input: &[u8]) -> Ended {
        (self.take)(input)
    }
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn folder(name: &str) -> Vec<Vec<u8>> {
    files(&here().join("tests/fuzz/corpus").join(name))
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().filter(|path| path.is_file()).map(|path| std::fs::read(path).unwrap()).collect()
}

fn lines(name: &str) -> Vec<Vec<u8>> {
    let text = std::fs::read_to_string(here().join("tests/fuzz/corpus").join(name)).unwrap();
    text.lines().map(|line| line.as_bytes().to_vec()).collect()
}

fn imports() -> Vec<Vec<u8>> {
    // What is right is changed as often as what is wrong already.
    let mut right = files(&here().join("fixtures/yaml/ok"));
    right.extend(files(&here().join("examples/quickstart")));
    let mut all = files(&here().join("fixtures/yaml/bad"));
    all.extend(right.iter().cycle().take(all.len()).cloned().collect::<Vec<_>>());
    all
}

fn settings() -> Vec<Vec<u8>> {
    let mut all = files(&here().join("fixtures/yaml/bad-settings"));
    all.extend(folder("settings"));
    all
}

fn programs() -> Vec<Vec<u8>> {
    let table = std::fs::read_to_string(here().join("fixtures/jq/hostile.txt")).unwrap();
    let mut all: Vec<Vec<u8>> =
        table.lines().filter_map(|line| line.split('\t').next()).map(|line| line.as_bytes().to_vec()).collect();
    let common = lines("jq.txt");
    all.extend(common.iter().cycle().take(all.len()).cloned().collect::<Vec<_>>());
    all
}

fn values() -> Vec<Vec<u8>> {
    let mut all = lines("values.txt");
    all.extend(lines("jq.txt"));
    all
}

struct Nothing;

impl Lookup for Nothing {
    fn variable(&self, name: &str) -> Option<secrecy::SecretString> {
        name.ends_with("TOKEN").then(|| "canary".into())
    }
    fn file(&self, _: &str) -> std::io::Result<secrecy::SecretString> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

/// A project in a folder of its own, one file of which is the input.
struct Files {
    folder: tempfile::TempDir,
    name: &'static str,
}

impl Files {
    #[expect(clippy::new_ret_no_self, reason = "it is used as what it does")]
    fn new(name: &'static str) -> impl FnMut(&[u8]) -> Ended {
        let files = Self { folder: tempfile::tempdir().unwrap(), name };
        std::fs::write(files.folder.path().join("import.yml"), "name: acme\ncrawl: { json: ./x.json }\n").unwrap();
        move |input| files.check(input)
    }

    fn check(&self, input: &[u8]) -> Ended {
        std::fs::write(self.folder.path().join(self.name), input).unwrap();
        let loaded = load_project(&self.folder.path().join("import.yml"), None, &Nothing);
        let mut failed = false;
        for report in &loaded.reports {
            let rendered = render_all(&report.diagnostics, &report.source, Style::Plain);
            if let Some(wrong) = report.diagnostics.iter().find_map(|told| misplaced(told, &report.source, &rendered)) {
                return Ended::Wrong(wrong);
            }
            failed |= has_errors(&report.diagnostics);
        }
        match &loaded.plan {
            None if !failed => Ended::Wrong("no plan, and no word about it".to_owned()),
            None => Ended::Error,
            Some(_) if failed && self.name == "import.yml" => Ended::Wrong("a plan in spite of an error".to_owned()),
            Some(_) if failed => Ended::Error,
            Some(plan) => {
                let long = jobpipe_config::to_long_form(plan);
                let again = jobpipe_config::check(&long, "long.yml").plan;
                match again.map(|again| again.hash()) == Some(plan.hash()) {
                    true => Ended::Result,
                    false => Ended::Wrong(format!("the long form is another plan:\n{long}")),
                }
            }
        }
    }
}

/// What is wrong with a diagnostic's place or words.
fn misplaced(told: &Diagnostic, source: &str, rendered: &str) -> Option<String> {
    let lines = source.lines().count() + 1;
    let inside = (1..=lines).contains(&told.line) && told.column >= 1 && told.span.start <= source.len();
    let ordered = (told.end.line, told.end.column) >= (told.line, told.column);
    let known = jobpipe_config::diagnostic::codes::describe(told.code).is_some();
    let whole = !told.message.is_empty() && told.message.len() < 100_000 && rendered.contains(told.code);
    (!(inside && ordered && known && whole)).then(|| format!("{told:?}"))
}

fn record() -> Json {
    json!({
        "id": 7, "title": " Nurse & <b>nun</b> ", "text": "word ".repeat(2_000), "n": [1, 2.5, -3, null], "price": "3 500,00 EUR",
        "date": "2026-11-22T06:00:00Z", "deep": {"a": {"b": [{"c": "d"}]}}, "html": "<p>a<br>b</p>".repeat(200), "b": true,
    })
}

fn vars() -> Vars {
    Vars::new().with("now", json!("2026-11-22T06:00:00Z")).with("page", json!({"lang": "fr"})).with("since", Json::Null)
}

fn program() -> impl FnMut(&[u8]) -> Ended {
    let (record, vars) = (record(), vars());
    move |input| {
        let source = String::from_utf8_lossy(input);
        match Expr::compile(&source) {
            Ok(expr) => match expr.eval(&Subject::new(&record), &vars) {
                Ok(_) => Ended::Result,
                Err(error) if error.to_string().contains("the interpreter broke") => Ended::Wrong(error.to_string()),
                Err(error) if error.code().starts_with("JP05") => Ended::Error,
                Err(error) => Ended::Wrong(format!("{error:?}")),
            },
            Err(error) if source.get(error.offset..error.offset + error.len).is_some() => Ended::Error,
            Err(error) => Ended::Wrong(format!("{error:?}")),
        }
    }
}

const PLACES: [Place; 9] = [
    Place::Field,
    Place::Url,
    Place::Path,
    Place::Header,
    Place::Auth,
    Place::Target,
    Place::Setting,
    Place::Expression,
    Place::Verbatim,
];

/// A value of the language: compiled for each place where one may stand, computed in one of them, each in its turn.
fn value() -> impl FnMut(&[u8]) -> Ended {
    let (record, vars) = (record(), vars());
    let mut taken = 0;
    move |input| {
        let text = String::from_utf8_lossy(input);
        let mut ended = Ended::Result;
        taken += 1;
        for (turn, place) in PLACES.into_iter().enumerate() {
            let value = match Value::compile(&text, place) {
                Ok(value) => value,
                Err(error) if text.get(error.offset..error.offset + error.len).is_some() => {
                    ended = Ended::Error;
                    continue;
                }
                Err(error) => return Ended::Wrong(format!("{place:?}: {error:?}")),
            };
            if taken % PLACES.len() != turn {
                continue;
            }
            match value.eval(&Subject::new(&record), &vars) {
                Ok(Some(Json::String(text))) if place == Place::Header && text.contains(['\r', '\n', '\0']) => {
                    return Ended::Wrong(format!("a header: {text:?}"));
                }
                Ok(_) => {}
                Err(_) => ended = Ended::Error,
            }
        }
        ended
    }
}

fn css() -> impl FnMut(&[u8]) -> Ended {
    let listing = "<ul>".to_owned() + &"<li class=job><a href=/x title=\"a b\">x</a><p><b>y</b></p></li>".repeat(500);
    move |input| {
        let text = String::from_utf8_lossy(input);
        // As a user writes it: what `check` lets pass must compile, and the other way round.
        let quoted = Json::String(text.clone().into_owned());
        let import = format!("name: a\ncrawl:\n  html: ./x.html\n  items: {quoted}\n");
        let checked = jobpipe_config::check(&import, "x.yml");
        match compile_selector(&text) {
            Ok(selector) => {
                let page = Page::parse(&listing, None).unwrap();
                let _count = page.select(&selector).count();
                Ended::Result
            }
            Err(_) if checked.plan.is_some() => Ended::Wrong(format!("check lets `{text}` pass")),
            Err(_) => Ended::Error,
        }
    }
}

/// As the client does it: rules for our name, whether a URL is allowed, how long to wait.
fn robots(input: &[u8]) -> Ended {
    let rules = robotxt::Robots::parse(input, "acme-bot");
    let mut refused = false;
    for path in
        ["/", "/jobs/1?page=2&q=a", "/a%2fb/c*d$", "/search/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"]
    {
        let url = Url::parse("https://acme.test").unwrap().join(path).unwrap();
        refused |= !rules.is_url_allowed(&url);
    }
    let _delay = rules.crawl_delay();
    if refused { Ended::Error } else { Ended::Result }
}

fn links() -> impl FnMut(&[u8]) -> Ended {
    let base = Url::parse("https://acme.test/jobs/list?page=1").unwrap();
    let guard = Guard::new(Vec::new(), Vec::new(), BTreeMap::new());
    let page = Page::parse("<base href=\"/jobs/\">", Some(&base)).unwrap();
    let mut follow = Crawls::links();
    move |input| {
        let text = String::from_utf8_lossy(input);
        let shown = shown_url_text(&text);
        if shown.contains("canary") && has_secret(&text) {
            return Ended::Wrong(format!("a secret is shown: {shown}"));
        }
        let refused = match page.link(&text) {
            Some(url) if !matches!(url.scheme(), "http" | "https") => return Ended::Wrong(format!("followed: {url}")),
            Some(url) => {
                let _shown = shown_url(&url);
                guard.check_url(&url).is_err()
            }
            None => true,
        };
        match (follow(&text), refused) {
            (Ended::Result, true) => Ended::Error,
            (ended, _) => ended,
        }
    }
}

/// Whether a parameter that is a credential has the value that must not be seen.
fn has_secret(text: &str) -> bool {
    Url::parse(text)
        .is_ok_and(|url| url.has_host() && url.query_pairs().any(|(name, value)| name == "token" && value == "canary"))
        && text.matches("canary").count() == 1
}

/// Fields of times and amounts, and dates of records.
fn time(input: &[u8]) -> Ended {
    let text = String::from_utf8_lossy(input);
    let record = json!({ "d": text });
    let dates = ["to_date", "fromdate", "number", "tonumber", "to_date(\"%d/%m/%Y %H:%M\")"]
        .map(|function| Expr::compile(&format!(".d | {function}")).unwrap().eval(&Subject::new(&record), &Vars::new()));
    let dates = dates.map(|found| found.is_ok_and(|found| found.is_some_and(|found| !found.is_null())));
    let format = json!({ "d": 1_795_327_200, "f": text });
    let formats = ["strftime($f)", "tostring | to_date($f)"].map(|call| {
        let source = format!(". as {{d: $d, f: $f}} | $d | {call}");
        Expr::compile(&source).unwrap().eval(&Subject::new(&format), &Vars::new()).is_ok()
    });
    let read = [
        Schedule::parse(&json!(text)).is_ok_and(|schedule| schedule.slots(0, i64::MAX).take(3).count() > 0),
        Zone::find(&text).is_some(),
        text.parse::<Period>().is_ok(),
        text.parse::<Speed>().is_ok(),
        text.parse::<Size>().is_ok(),
        text.parse::<Share>().is_ok(),
    ];
    let quoted = Json::String(text.into_owned());
    let import =
        format!("name: a\nschedule: {quoted}\ncrawl: {{ json: ./x.json, timeout: {quoted}, rate: {quoted} }}\n");
    let checked = jobpipe_config::check(&import, "x.yml");
    // Any text is a form of a date; what it gives is not of interest, only that it comes back.
    let _came_back = formats;
    match dates.into_iter().chain(read).any(|read| read) || checked.plan.is_some() {
        true => Ended::Result,
        false => Ended::Error,
    }
}
