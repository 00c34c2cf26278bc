//! Settings are read late and never shown.

#![expect(clippy::unwrap_used, reason = "a helper of tests may panic")]

use std::collections::BTreeMap;
use std::io;

use jobpipe_expr::{Lookup, Place, Setting, SettingError, Value};
use secrecy::{ExposeSecret, SecretString};

struct Table(BTreeMap<&'static str, &'static str>);

impl Lookup for Table {
    fn variable(&self, name: &str) -> Option<SecretString> {
        self.0.get(name).map(|value| SecretString::from(*value))
    }

    fn file(&self, path: &str) -> io::Result<SecretString> {
        self.variable(path).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

const CANARY: &str = "s3cret-canary";

fn table() -> Table {
    Table(BTreeMap::from([
        ("TOKEN", CANARY),
        ("EMPTY", ""),
        ("/run/secrets/x", "s3cret-canary\n"),
        ("/two", "a\nb\r\n"),
    ]))
}

fn resolve(text: &str) -> String {
    Setting::parse(text).unwrap().resolve(&table()).unwrap().expose_secret().to_string()
}

#[test]
fn references_are_resolved() {
    assert_eq!(resolve("$TOKEN"), CANARY);
    assert_eq!(resolve("Bearer $TOKEN!"), "Bearer s3cret-canary!");
    assert_eq!(resolve("${TOKEN}x"), "s3cret-canaryx");
    assert_eq!(resolve("${MISSING:-http://localhost:1}"), "http://localhost:1");
    assert_eq!(resolve("${MISSING:-}"), "");
    assert_eq!(resolve("${EMPTY:-default}"), "", "an empty value is set");
    assert_eq!(resolve("${file:/run/secrets/x}"), CANARY, "one line break at the end is cut");
    assert_eq!(resolve("${file:/two}"), "a\nb");
    assert_eq!(resolve("$$TOKEN costs $5"), "$TOKEN costs $5");
    assert_eq!(resolve("plain"), "plain");
    assert!(Setting::parse("plain").unwrap().is_plain() && !Setting::parse("$A").unwrap().is_plain());
}

#[test]
fn what_is_not_there_is_named() {
    let error = |text: &str| Setting::parse(text).unwrap().resolve(&table()).unwrap_err();
    let unset = error("x $MISSING");
    assert!(matches!(&unset, SettingError::Unset { name } if name == "MISSING"));
    assert_eq!(unset.code(), "JP058");
    assert!(unset.to_string().contains("${MISSING:-default}"), "{unset}");
    let unread = error("${file:/nowhere}");
    assert_eq!(unread.code(), "JP059");
    assert!(unread.to_string().contains("/nowhere"), "{unread}");
}

#[test]
fn malformed_references_are_refused() {
    for (text, offset) in [("a ${file:}", 2), ("$A-$b", 3), ("$A ${.x}", 3), ("${A", 0), ("$Ab", 0)] {
        let error = Setting::parse(text).unwrap_err();
        assert_eq!(error.offset, offset, "{text}: {error:?}");
    }
}

#[test]
fn a_secret_that_was_written_out_is_hidden_too() {
    let plain = Value::compile(CANARY, Place::Auth).unwrap();
    let default = Setting::parse("Bearer ${TOKEN:-s3cret-canary}").unwrap();
    for shown in
        [format!("{plain} {plain:?}"), serde_json::to_string(&plain).unwrap(), format!("{default} {default:?}")]
    {
        assert!(!shown.contains(CANARY), "{shown}");
    }
    assert_eq!(default.to_string(), "Bearer ${TOKEN:-***}");
    assert_eq!(Setting::parse(CANARY).unwrap().to_string(), "***");
    assert_eq!(plain.literal(), Some(CANARY), "whoever signs in still gets it");
}

#[test]
fn nothing_shows_the_value() {
    let value = Value::compile("Bearer $TOKEN ${file:/run/secrets/x} ${A:-b}", Place::Auth).unwrap();
    let setting = value.setting().unwrap();
    let secret = setting.resolve(&table()).unwrap();
    let shown = [
        format!("{setting} {setting:?} {value:?} {secret:?}"),
        serde_json::to_string(&value).unwrap(),
        serde_json::to_string(setting).unwrap(),
        format!("{:?}", setting.variables().collect::<Vec<_>>()),
    ];
    for text in &shown {
        assert!(!text.contains(CANARY), "{text}");
    }
    assert!(shown[1].contains("${TOKEN}"), "the reference is shown");
}
