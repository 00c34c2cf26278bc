use super::*;
use crate::diagnostic::{Style, render_all};
use crate::spec::{InlinePage, TargetSpec, ValueText};
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::path::Path;

mod notify;

/// An environment made of a table.
#[derive(Default)]
struct Table(BTreeMap<&'static str, &'static str>);

impl Table {
    fn of(pairs: &[(&'static str, &'static str)]) -> Self {
        Self(pairs.iter().copied().collect())
    }
}

impl Lookup for Table {
    fn variable(&self, name: &str) -> Option<SecretString> {
        self.0.get(name).map(|value| SecretString::from(*value))
    }
    fn file(&self, path: &str) -> std::io::Result<SecretString> {
        self.0.get(path).map(|value| SecretString::from(*value)).ok_or_else(|| std::io::ErrorKind::NotFound.into())
    }
}

const IMPORT: &str = "name: acme\ncrawl: { json: ./x.json }\n";

const PROJECT: &str = r#"defaults: { user_agent: "acme-bot (+https://acme.test/bot)", rate: 2/s }
hosts: { "*.slow.test": { rate: 1/s, retry: 8 } }
facebook: { graph_url: https://graph.facebook.com, api: v26.0, app_id: "77", app_secret: $FB_APP_SECRET, settle: 10m }
pages:
  acme-paris: { id: "1001", token: $FB_ACME_PARIS, state: IDF, lang: fr, tz: Europe/Paris }
  acme-lyon: { id: 1002, token: EAAplaincanary }
"#;

fn put(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "jobpipe.yml", PROJECT);
    put(folder.path(), "imports/fr/acme.yml", IMPORT);
    put(
        folder.path(),
        "config/environments/demo.yml",
        "facebook: { settle: 2m }\nallow_private: [\"127.0.0.1:8800-8899\", 10.0.0.0/8]\n",
    );
    folder
}

fn told(loaded: &Loaded) -> String {
    let each = loaded.reports.iter().map(|report| render_all(&report.diagnostics, &report.source, Style::Plain));
    each.collect::<Vec<_>>().join("")
}

#[test]
fn layers_win_in_order() {
    let folder = project();
    let import = folder.path().join("imports/fr/acme.yml");
    let none = load_project(&import, None, &Table::default());
    assert!(told(&none).contains("JP066") && !told(&none).contains("canary"), "{}", told(&none));
    assert!(!none.has_errors());
    assert_eq!(none.settings.facebook.settle, Period::from_ms(600_000));
    assert_eq!(none.settings.defaults.rate, Speed::per(2, 1_000));
    assert_eq!(none.project.environment, "local");
    let root = std::fs::canonicalize(folder.path()).unwrap();
    assert_eq!(none.project.state(), root.join(".jobpipe"));
    assert_eq!(none.plan.as_ref().map(|plan| plan.name.as_str()), Some("acme"));

    let demo = load_project(&import, Some("demo"), &Table::default());
    assert_eq!(demo.settings.facebook.settle, Period::from_ms(120_000));
    assert_eq!(demo.settings.facebook.api, "v26.0");
    assert_eq!(demo.project.state(), root.join(".jobpipe/demo"));
    assert!(demo.settings.allow_private.iter().any(|range| range.allows("127.0.0.1".parse().unwrap(), 8850)));

    let table = Table::of(&[
        ("JOBPIPE_ENV", "demo"),
        ("JOBPIPE_FACEBOOK_SETTLE", "2s"),
        ("JOBPIPE_FACEBOOK_GRAPH_URL", "http://127.0.0.1:8801/"),
        ("JOBPIPE_ALLOW_PRIVATE", "127.0.0.1:9000"),
    ]);
    let mut env = load_project(&import, None, &table);
    assert_eq!(env.settings.facebook.settle, Period::from_ms(2_000));
    assert_eq!(env.settings.facebook.graph_url, "http://127.0.0.1:8801");
    assert!(!env.settings.allow_private.iter().any(|range| range.allows("127.0.0.1".parse().unwrap(), 8850)));
    env.settings.set("facebook.settle", "1s").unwrap();
    assert_eq!(env.settings.facebook.times().settle, std::time::Duration::from_secs(1));
}

#[test]
fn without_a_project_file_state_is_beside_the_import() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "a/acme.yml", IMPORT);
    let loaded = load_project(&folder.path().join("a/acme.yml"), None, &Table::default());
    assert_eq!(loaded.project.state(), std::fs::canonicalize(folder.path()).unwrap().join("a/.jobpipe"));
    assert_eq!(loaded.settings, Settings::default());
    assert!(!loaded.has_errors());
}

#[test]
fn what_is_missing_is_told() {
    let folder = project();
    let import = folder.path().join("imports/fr/acme.yml");
    let code = |loaded: &Loaded| {
        let codes = loaded.reports.iter().flat_map(|report| report.diagnostics.iter().map(|told| told.code));
        codes.filter(|code| *code != "JP066").collect::<Vec<_>>()
    };
    assert_eq!(code(&load_project(&import, Some("dmeo"), &Table::default())), ["JP065"]);
    assert_eq!(code(&load_project(&import, Some("../../x"), &Table::default())), ["JP065"]);
    assert_eq!(code(&load_project(&folder.path().join("no.yml"), None, &Table::default())), ["JP060"]);
    put(folder.path(), "latin.yml", "");
    std::fs::write(folder.path().join("latin.yml"), [b'n', 0xe9, b'\n']).unwrap();
    assert_eq!(code(&load_project(&folder.path().join("latin.yml"), None, &Table::default())), ["JP060"]);
    let wrong = load_project(&import, None, &Table::of(&[("JOBPIPE_FACEBOOK_SETTLE", "sekret")]));
    let error = wrong.override_error.as_ref().unwrap();
    assert_eq!(error.code(), "JP062");
    assert!(error.to_string().contains("JOBPIPE_FACEBOOK_SETTLE") && !error.to_string().contains("sekret"));
    assert!(wrong.has_errors());
}

#[test]
fn mistakes_in_settings_are_told_at_their_place() {
    let folder = project();
    let text = "defaults: { rat: 2/s }\nhosts: { https://x.test: { rate: fast } }\nfacebook: { settle: soon, graph_url: $NOT_SET }\n\
                pages:\n  a: { id: x1 }\nallow_private: 127.0.0.1\nstore: postgres://x\n";
    put(folder.path(), "jobpipe.yml", text);
    let loaded = load_project(&folder.path().join("imports/fr/acme.yml"), None, &Table::default());
    let places: Vec<String> = loaded.reports[0].diagnostics.iter().map(crate::diagnostic::Diagnostic::place).collect();
    assert_eq!(
        places,
        [
            "JP020:1:13",
            "JP024:2:10",
            "JP024:2:34",
            "JP024:3:21",
            "JP058:3:38",
            "JP023:5:3",
            "JP024:5:12",
            "JP061:6:1",
            "JP024:7:8"
        ]
    );
    assert!(loaded.settings.allow_private.is_empty(), "an import's neighbour may not open private networks");
    let mut report = loaded.reports[0].clone();
    report.diagnostics.iter_mut().for_each(|told| told.file = "jobpipe.yml".to_owned());
    insta::assert_snapshot!(render_all(&report.diagnostics, &report.source, Style::Plain));
}

fn named(name: &str) -> TargetSpec {
    TargetSpec::Named(ValueText(name.to_owned()))
}

fn settings() -> Settings {
    let folder = project();
    load_project(&folder.path().join("imports/fr/acme.yml"), None, &Table::default()).settings
}

#[test]
fn targets_become_pages_once() {
    let settings = settings();
    let table = Table::of(&[
        ("PAGES", "acme-lyon, acme-paris\n"),
        ("EMPTY", " , "),
        ("pages.txt", "acme-paris\n"),
        ("T", "t1"),
    ]);
    let names = |targets: &[TargetSpec]| -> Result<Vec<String>, &'static str> {
        let pages = settings.resolve_pages(targets, &table).map_err(|error| error.code())?;
        Ok(pages.into_iter().map(|page| page.name).collect())
    };
    assert_eq!(names(&[named("acme-paris")]).unwrap(), ["acme-paris"]);
    assert_eq!(names(&[named("$PAGES")]).unwrap(), ["acme-lyon", "acme-paris"]);
    assert_eq!(names(&[named("${file:pages.txt}"), named("acme-paris")]).unwrap(), ["acme-paris"]);
    assert_eq!(names(&[named("$EMPTY")]), Err("JP064"));
    assert_eq!(names(&[]), Err("JP064"));
    assert_eq!(names(&[named("$NOWHERE")]), Err("JP058"));
    assert_eq!(names(&[named("acme-pari")]), Err("JP063"));
    let error = settings.resolve_pages(&[named("acme-pari")], &table).unwrap_err().to_string();
    assert!(error.contains("did you mean `acme-paris`?"), "{error}");

    let mut vars = Ordered::new();
    vars.insert("lang".to_owned(), "fr".to_owned());
    let page = InlinePage { id: "7".to_owned(), token: ValueText("$T".to_owned()), name: None, vars };
    let pages = settings.resolve_pages(&[TargetSpec::Inline(page)], &table).unwrap();
    assert_eq!(pages[0].target_id(), "facebook:7");
    assert_eq!(pages[0].variable(), serde_json::json!({ "lang": "fr", "id": "7", "name": "7" }));
    assert_eq!(pages[0].token.resolve(&table).unwrap().expose_secret(), "t1");
}

#[test]
fn secrets_are_never_shown() {
    let table = Table::of(&[
        ("FB_ACME_PARIS", "canary-one"),
        ("FB_APP_SECRET", "canary-two"),
        ("JOBPIPE_FACEBOOK_APP_SECRET", "canary-three"),
    ]);
    let folder = project();
    let loaded = load_project(&folder.path().join("imports/fr/acme.yml"), None, &table);
    let pages = loaded.settings.resolve_pages(&[named("acme-paris"), named("acme-lyon")], &table).unwrap();
    let shown = format!("{:?} {:?} {}", loaded.settings, pages, serde_json::to_string(&loaded.settings).unwrap());
    assert!(!shown.contains("canary"), "{shown}");
    assert!(shown.contains("$FB_ACME_PARIS"));
    let secret = loaded.settings.facebook.app_secret.as_ref().unwrap();
    assert_eq!(secret.resolve(&table).unwrap().expose_secret(), "canary-three");
    let default = SecretRef::parse("${TOKEN:-canary}").unwrap();
    assert_eq!(format!("{default:?} {default}"), "SecretRef(${TOKEN:-***}) ${TOKEN:-***}");
}

#[test]
fn hosts_go_by_the_most_exact_pattern() {
    let mut settings = settings();
    let rule = |rate: &str| HostRules { rate: Some(rate.parse().unwrap()), retry: None };
    settings.hosts.insert("a.slow.test".to_owned(), rule("9/s"));
    settings.hosts.insert("*.very.slow.test".to_owned(), rule("3/min"));
    let rate = |host: &str| settings.host(host).and_then(|rules| rules.rate).map(|rate| rate.to_string());
    assert_eq!(rate("b.slow.test").as_deref(), Some("1/s"));
    assert_eq!(rate("A.slow.test.").as_deref(), Some("9/s"));
    assert_eq!(rate("x.very.slow.test").as_deref(), Some("3/min"));
    assert_eq!(rate("slow.test"), None);
    assert_eq!(rate("notslow.test"), None);
}

#[test]
fn private_ranges() {
    let allows = |range: &str, address: &str, port: u16| {
        range.parse::<PrivateRange>().unwrap().allows(address.parse().unwrap(), port)
    };
    assert!(allows("127.0.0.1:8800-8899", "127.0.0.1", 8899));
    assert!(!allows("127.0.0.1:8800-8899", "127.0.0.1", 8900));
    assert!(!allows("127.0.0.1:8800-8899", "127.0.0.2", 8800));
    assert!(allows("10.0.0.0/8", "10.200.3.4", 1));
    assert!(!allows("10.0.0.0/8", "11.0.0.1", 1));
    assert!(allows("10.0.0.0/8:80", "::ffff:10.1.1.1", 80));
    assert!(allows("[::1]:8080", "::1", 8080));
    assert!(!allows("[::1]:8080", "::2", 8080));
    assert!(allows("fd00::/8", "fd12::1", 443));
    assert!(!allows("::/0", "10.0.0.1", 443));
    assert!(allows("0.0.0.0/0", "10.0.0.1", 443));
    for wrong in ["", "x", "10.0.0.0/33", "127.0.0.1:", "127.0.0.1:9-8", "127.0.0.1:99999", "[::1", "::1/129"] {
        assert!(wrong.parse::<PrivateRange>().is_err(), "{wrong}");
    }
    for text in ["127.0.0.1/32:8800-8899", "10.0.0.0/8", "[::1/128]:80"] {
        assert_eq!(text.parse::<PrivateRange>().unwrap().to_string(), text);
    }
}

#[test]
fn every_override_can_be_set() {
    for Override { key, variable } in OVERRIDES {
        assert_eq!(*variable, format!("JOBPIPE_{}", key.replace('.', "_").to_uppercase()));
        let good = ["1s", "2/s", "10MiB", "embedded", "3", "http://127.0.0.1:1", "127.0.0.1"];
        assert!(good.iter().any(|text| Settings::default().set(key, text).is_ok()), "{key}");
    }
    assert!(Settings::default().set("facebook.settel", "1s").is_err());
}

/// What `settings` of a project, an environment and variables say of servers.
fn servers(
    project: &str,
    variables: &[(&'static str, &'static str)],
) -> (Loaded, Result<Option<Servers>, ServersError>) {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "jobpipe.yml", project);
    let table = Table::of(variables);
    let loaded = load_settings(folder.path(), None, &table);
    let servers = loaded.settings.servers(&table);
    (loaded, servers)
}

#[test]
fn servers_are_named_and_read_late() {
    let text = "store: $MONGODB_URL\nbroker: [\"${file:mq-url}\", \"amqps://two.test/${VHOST:-jobs}\"]\n";
    let (loaded, found) = servers(
        text,
        &[("MONGODB_URL", "mongodb://u:canary@db1.test,db2.test/x"), ("mq-url", "amqps://u:canary@one.test/jobs")],
    );
    assert!(!loaded.has_errors() && told(&loaded).is_empty(), "{}", told(&loaded));
    let found = found.unwrap().unwrap();
    assert_eq!(found.store.expose_secret(), "mongodb://u:canary@db1.test,db2.test/x");
    let brokers: Vec<&str> = found.brokers.iter().map(ExposeSecret::expose_secret).collect();
    assert_eq!(brokers, ["amqps://u:canary@one.test/jobs", "amqps://two.test/jobs"]);
    let shown = format!("{:?} {} {found:?}", loaded.settings, serde_json::to_string(&loaded.settings).unwrap());
    assert!(shown.contains("$MONGODB_URL") && shown.contains("${file:mq-url}"), "{shown}");
    assert!(!shown.contains("canary") && !shown.contains("two.test"), "{shown}");

    let (_, none) = servers("defaults: { rate: 1/s }\n", &[]);
    assert!(none.unwrap().is_none());
    let (_, late) = servers("store: \"${MONGODB_URL:-embedded}\"\n", &[]);
    assert!(late.unwrap().is_none(), "a name may stand for `embedded`");
    let (_, alone) = servers("store: mongodb://127.0.0.1:27017\n", &[]);
    assert!(alone.unwrap().unwrap().brokers.is_empty(), "one worker needs no broker");
}

#[test]
fn variables_name_servers_and_several_brokers() {
    let variables = [
        ("JOBPIPE_STORE", "mongodb://u:canary@db.test/x?tls=true"),
        ("JOBPIPE_BROKER", "amqp://u:can,ary@one.test/v, amqp://two.test/v"),
    ];
    let (loaded, found) = servers("store: embedded\n", &variables);
    let found = found.unwrap().unwrap();
    assert_eq!(found.store.expose_secret(), variables[0].1);
    let brokers: Vec<&str> = found.brokers.iter().map(ExposeSecret::expose_secret).collect();
    assert_eq!(brokers, ["amqp://u:can,ary@one.test/v", "amqp://two.test/v"]);
    assert!(!format!("{:?}", loaded.settings).contains("canary"));
    let (_, none) = servers("store: mongodb://db.test\n", &[("JOBPIPE_STORE", "embedded")]);
    assert!(none.unwrap().is_none());
}

#[test]
fn servers_that_cannot_be_are_refused_without_showing_them() {
    let refused = |project: &str, variables: &[(&'static str, &'static str)]| {
        let (loaded, found) = servers(project, variables);
        let error = found.unwrap_err();
        assert!(!error.to_string().contains("canary") && !told(&loaded).contains("canary"), "{error}");
        error.code()
    };
    assert_eq!(refused("broker: amqp://mq.test\n", &[]), "JP067");
    assert_eq!(refused("store: $MONGODB_URL\n", &[]), "JP058");
    assert_eq!(refused("store: \"${file:absent}\"\n", &[]), "JP059");
    assert_eq!(refused("store: $MONGODB_URL\n", &[("MONGODB_URL", "postgres://u:canary@db")]), "JP024");
    assert_eq!(refused("defaults: { rate: 1/s }\n", &[("JOBPIPE_BROKER", "canary")]), "JP024");
    let codes = |project: &str| {
        let (loaded, _) = servers(project, &[]);
        assert!(!told(&loaded).contains("canary"), "{}", told(&loaded));
        let diagnostics = loaded.reports.iter().flat_map(|report| &report.diagnostics);
        let all: Vec<(&str, bool)> =
            diagnostics.map(|one| (one.code, one.severity == crate::diagnostic::Severity::Error)).collect();
        all
    };
    assert_eq!(codes("store: mongodb://u:canary@db.test/x\n"), [("JP066", false)]);
    assert_eq!(codes("store: mysql://u:canary@db.test/x\n"), [("JP066", true)]);
    assert_eq!(codes("store: [mongodb://a, mongodb://b]\n"), [("JP022", true)]);
    assert_eq!(codes("limits: { task: 0s }\n"), [("JP024", true)], "no task would ever ask anything");
    assert_eq!(codes("broker: [amqp://a, embedded]\nstore: mongodb://x\n"), [("JP024", true)]);
}

#[test]
fn an_environment_chooses_schedules() {
    let folder = project();
    let import = folder.path().join("imports/fr/acme.yml");
    put(folder.path(), "imports/fr/acme.yml", "name: acme\nschedule: every 1h\ncrawl: { json: ./x.json }\n");
    let schedule = |text: &str| {
        put(folder.path(), "config/environments/demo.yml", text);
        let loaded = load_project(&import, Some("demo"), &Table::default());
        assert!(!loaded.has_errors(), "{}", told(&loaded));
        loaded.settings.scheduled(loaded.plan.clone().unwrap()).schedule
    };
    assert_eq!(schedule("schedules: { other: off }\n"), Some("every 1h".into()));
    assert_eq!(schedule("schedules: { acme: off }\n"), None);
    let long = serde_json::json!({ "every": "2h", "overlap": "queue_one" });
    assert_eq!(schedule("schedules: { acme: { every: 2h, overlap: queue_one } }\n"), Some(long));
    put(folder.path(), "config/environments/demo.yml", "schedules:\n  acme: { after: acme }\n  other: every day\n");
    let told = told(&load_project(&import, Some("demo"), &Table::default()));
    assert!(told.contains("demo.yml:2:18"), "{told}");
    assert!(told.contains("demo.yml:3:10"), "{told}");
}
