//! Where a file holds a secret that is written out, found by the names of keys: also where it is in error otherwise.

use crate::tree::{Kind, Node};
use jobpipe_expr::{Form, Place, Setting, Value, classify};
use std::ops::Range;

/// Headers that hold nothing but a secret.
const HEADERS: [&str; 9] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-api-key",
    "api-key",
    "apikey",
    "x-auth-token",
    "x-access-token",
    "private-token",
];

/// Query parameters that do, in small letters without `-` and `_`. Not among them: `key`, `auth`, `sig` and the like, which
/// on many sites are words of the search.
const PARAMETERS: [&str; 16] = [
    "accesstoken",
    "apikey",
    "apisecret",
    "apitoken",
    "appkey",
    "appsecret",
    "authtoken",
    "bearertoken",
    "clientsecret",
    "jwt",
    "passwd",
    "password",
    "pwd",
    "secret",
    "subscriptionkey",
    "token",
];

/// Keys of imports and settings that do.
const KEYS: [&str; 6] = ["auth", "bearer", "basic", "password", "token", "app_secret"];

/// Whether a header of that name holds nothing but a secret.
pub(crate) fn is_credential(header: &str) -> bool {
    HEADERS.iter().any(|name| name.eq_ignore_ascii_case(header))
}

/// Whether a query parameter of that name holds nothing but a secret.
pub(crate) fn is_secret_parameter(name: &str) -> bool {
    let plain = name.chars().filter(|c| !matches!(c, '-' | '_')).collect::<String>().to_ascii_lowercase();
    PARAMETERS.contains(&plain.as_str())
}

/// The bytes of each `name` and `value` in the `?name=value` and `&name=value` of a text that are secrets written out: the
/// text of a URL, or jq that makes one.
pub(crate) fn secret_parameters(text: &str) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
    text.match_indices(['?', '&']).filter_map(|(at, _)| {
        let start = at + 1;
        let rest = text.get(start..)?;
        let name = rest.get(..rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_')))?)?;
        let value = rest.get(name.len()..)?.strip_prefix('=')?;
        let end = value.find(|c: char| c.is_whitespace() || "&#\"'\\,}])".contains(c)).unwrap_or(value.len());
        let is_written = end > 0 && !value.starts_with('$') && is_secret_parameter(name);
        let value = start + name.len() + 1;
        is_written.then(|| (start..start + name.len(), value..value + end))
    })
}

/// Whether a header that must name a secret holds one: it is written out, the same for every record, or is a default.
pub(crate) fn holds_secret(value: &Value) -> bool {
    let fields = value.fields();
    match value.setting() {
        Some(setting) => setting.has_default(),
        None => !fields.whole && fields.names.is_empty() && value.names().is_empty(),
    }
}

/// The bytes of what may be a secret in `source`; `root` is its tree, if it could be read.
pub(super) fn written_out(source: &str, root: Option<&Node>) -> Vec<Range<usize>> {
    let mut found = users(source);
    found.extend(secret_parameters(source).map(|(_, value)| value));
    match root {
        Some(root) => search(source, root, Within::default(), &mut found),
        None => found.extend(lines(source)),
    }
    found
}

/// The keys around a value.
#[derive(Clone, Copy, Default)]
struct Within {
    /// One of them says that it is a secret.
    secret: bool,
    /// Nothing is computed there: what looks like jq is a secret, too.
    named_only: bool,
    /// The one next to it is `query`.
    query: bool,
}

impl Within {
    fn entry(self, key: &str) -> Self {
        Self {
            secret: (self.secret || is_secret(key) || (self.query && is_secret_parameter(key))) && key != "user",
            named_only: self.named_only || ["auth", "facebook", "pages"].contains(&key),
            query: key == "query",
        }
    }

    fn hides(self, text: &str) -> bool {
        self.secret && (!is_named(text) || (self.named_only && matches!(classify(text), Form::Expr(_))))
    }
}

fn search(source: &str, node: &Node, within: Within, found: &mut Vec<Range<usize>>) {
    match &node.kind {
        Kind::Map(entries) => {
            for entry in entries {
                search(source, &entry.value, within.entry(&entry.key), found);
            }
        }
        Kind::List(items) => {
            for item in items {
                match item.kind {
                    // `[user, pass: word]`: a password that YAML takes for a map.
                    Kind::Map(_) if within.secret => found.push(item.span.clone()),
                    _ => search(source, item, within, found),
                }
            }
        }
        Kind::Scalar(scalar) if within.hides(&scalar.text) => found.push(with_comment(source, &node.span)),
        Kind::Broken if within.secret => found.push(with_comment(source, &node.span)),
        Kind::Scalar(_) | Kind::Broken => {}
    }
}

/// What follows a key that was told to be there twice, and so is not in the tree: the rest of its line.
pub(super) fn after_key(source: &str, key: &Range<usize>) -> Option<Range<usize>> {
    let name = source.get(key.clone())?.trim_matches(['"', '\'']);
    let line = source.get(key.end..)?.lines().next()?;
    is_secret(name).then(|| key.end..key.end + line.len())
}

fn is_secret(key: &str) -> bool {
    KEYS.contains(&key) || is_credential(key)
}

/// Whether `text` names a secret, or makes it from a record.
fn is_named(text: &str) -> bool {
    if Setting::parse(text).is_ok_and(|setting| setting.has_default()) {
        return false;
    }
    text.starts_with(['$', '='])
        || text.contains("${")
        || Value::compile(text, Place::Auth).is_ok_and(|value| value.literal().is_none())
}

/// The bytes of a value and of the ` #...` behind it, which may belong to it.
fn with_comment(source: &str, span: &Range<usize>) -> Range<usize> {
    let rest = source.get(span.end..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let end = if rest.trim_start().starts_with('#') { span.end + rest.len() } else { span.end };
    span.start..end
}

/// `user:password` of URLs.
fn users(source: &str) -> Vec<Range<usize>> {
    let user = |(at, _): (usize, &str)| {
        let start = at + "://".len();
        let rest = source.get(start..)?;
        let authority =
            rest.get(..rest.find(|c: char| c.is_whitespace() || "/?#\"'".contains(c)).unwrap_or(rest.len()))?;
        let user = authority.get(..authority.rfind('@')?)?;
        (!user.starts_with('$')).then(|| start..start + user.len())
    };
    source.match_indices("://").filter_map(user).collect()
}

/// Lines with a word that tells of secrets, for files that cannot be read further.
fn lines(source: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in source.split_inclusive('\n') {
        let lower = line.to_ascii_lowercase();
        if KEYS.iter().chain(&HEADERS).any(|word| lower.contains(word)) {
            found.push(start..start + line.trim_end().len());
        }
        start += line.len();
    }
    found
}
