//! A map whose keys are taken one by one; what is left over is unknown.

use super::Cx;
use crate::diagnostic::{Problem, codes, nearest};
use crate::tree::{Entry, Kind, Node, with_space};
use std::ops::Range;

/// A value, and where in the file's structure it stands.
#[derive(Debug, Clone)]
pub(crate) struct At<'t> {
    /// The value.
    pub(crate) node: &'t Node,
    /// The key's path.
    pub(crate) path: String,
    /// The bytes of its key (of the value itself, in a list).
    pub(crate) key_span: Range<usize>,
}

impl<'t> At<'t> {
    /// The file as a whole.
    pub(crate) fn root(node: &'t Node) -> Self {
        Self { node, path: String::new(), key_span: node.span.start..node.span.start }
    }

    /// Whether it was reported already.
    pub(crate) fn is_broken(&self) -> bool {
        matches!(self.node.kind, Kind::Broken)
    }

    /// The same for an entry of this map.
    pub(crate) fn entry(&self, entry: &'t Entry) -> At<'t> {
        let path = if self.path.is_empty() { entry.key.clone() } else { format!("{}.{}", self.path, entry.key) };
        At { node: &entry.value, path, key_span: entry.key_span.clone() }
    }

    /// The items of a list, each with its number in the path; `None` when it is no list.
    pub(crate) fn items(&self) -> Option<Vec<At<'t>>> {
        let Kind::List(items) = &self.node.kind else {
            return None;
        };
        let at = |(number, node): (usize, &'t Node)| At {
            node,
            path: format!("{}[{number}]", self.path),
            key_span: node.span.clone(),
        };
        Some(items.iter().enumerate().map(at).collect())
    }
}

/// The keys of a map.
pub(crate) struct Fields<'t> {
    at: At<'t>,
    entries: &'t [Entry],
    known: Vec<&'static str>,
    /// Those of `known` that a later version brings.
    later: Vec<&'static str>,
    /// What is needed and not there: told at the end, unless one of the unknown keys is meant.
    missing: Vec<Missing>,
}

/// Keys of which one is needed, and what to write.
struct Missing {
    keys: &'static [&'static str],
    help: String,
}

impl<'t> Fields<'t> {
    /// Opens a map; anything else is reported as "a map was expected".
    pub(crate) fn open(cx: &mut Cx<'_>, at: At<'t>, expected: &str) -> Option<Self> {
        match &at.node.kind {
            Kind::Map(entries) => Some(Self { entries, at, known: Vec::new(), later: Vec::new(), missing: Vec::new() }),
            Kind::Broken => None,
            Kind::Scalar(_) | Kind::List(_) => {
                let found = at.node.describe();
                let problem =
                    Problem::new(codes::TYPE, at.node.span.clone(), &at.path, format!("{found} where a map is needed"));
                let problem = problem.expected(expected);
                let spaceless = match &at.node.kind {
                    Kind::Scalar(scalar) => with_space(&scalar.text),
                    _ => None,
                };
                cx.add(match spaceless {
                    Some(right) => problem.help(format!("put a space after the colon: `{right}`")),
                    None => problem,
                });
                None
            }
        }
    }

    /// The value of `key`, if it is there.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<At<'t>> {
        self.known.push(key);
        self.entries.iter().find(|entry| entry.key == key).map(|entry| self.at.entry(entry))
    }

    /// The value of the one key in `key`; reported by [`Fields::finish`] when it is not there.
    pub(crate) fn need(&mut self, key: &'static [&'static str; 1], help: &str) -> Option<At<'t>> {
        let found = self.take(key[0]);
        if found.is_none() {
            self.missing(key, help);
        }
        found
    }

    /// Notes that none of `keys` is there: reported by [`Fields::finish`], unless an unknown key is a misspelt one of
    /// them, for one mistake is one problem.
    pub(crate) fn missing(&mut self, keys: &'static [&'static str], help: &str) {
        self.missing.push(Missing { keys, help: help.to_owned() });
    }

    fn tell_missing(&self, cx: &mut Cx<'_>, misspelt: &[&str]) {
        let owner = if self.at.path.is_empty() { "the file".to_owned() } else { format!("`{}`", self.at.path) };
        for Missing { keys, help } in &self.missing {
            if keys.iter().any(|key| misspelt.contains(key)) {
                continue;
            }
            let message = format!("{owner} has no `{}`", keys.join("` or `"));
            let problem = Problem::new(codes::MISSING, self.at.key_span.clone(), &self.at.path, message);
            cx.add(problem.help(help));
        }
    }

    /// Reports those of `keys` that are there: they belong to a later version. True when there is one.
    pub(crate) fn later(&mut self, cx: &mut Cx<'_>, keys: &[&'static str]) -> bool {
        let mut found = false;
        self.later.extend_from_slice(keys);
        for key in keys {
            if let Some(at) = self.take(key) {
                found = true;
                cx.later(&at, at.key_span.clone(), key);
            }
        }
        found
    }

    /// Names keys that are known here though nobody looks at them.
    pub(crate) fn know(&mut self, keys: &[&'static str]) {
        self.known.extend_from_slice(keys);
    }

    /// All entries, known or not, as places.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'t str, At<'t>)> {
        self.entries.iter().map(|entry| (entry.key.as_str(), self.at.entry(entry)))
    }

    /// The entries that were not asked for.
    pub(crate) fn rest(&self) -> impl Iterator<Item = (&'t str, At<'t>)> {
        self.all().filter(|(key, _)| !self.known.contains(key))
    }

    /// Reports what is missing of a map in which keys of any name may stand.
    pub(crate) fn finish_open(&self, cx: &mut Cx<'_>) {
        self.tell_missing(cx, &[]);
    }

    /// Reports what is missing, and the keys that nobody asked for.
    pub(crate) fn finish(self, cx: &mut Cx<'_>) {
        let current: Vec<&str> = self.known.iter().copied().filter(|key| !self.later.contains(key)).collect();
        let mut misspelt = Vec::new();
        for (key, at) in self.rest() {
            if cx.problems.is_full() {
                return;
            }
            // a key may hold dots: `*.acme.test`
            let own = cx.source().get(self.at.key_span.clone()).unwrap_or_default().trim_matches(['"', '\'']);
            let last = self.at.path.rsplit_once('.').map_or(self.at.path.as_str(), |(_, last)| last);
            let owner = match if !own.is_empty() && self.at.path.ends_with(own) { own } else { last } {
                "" => "this file".to_owned(),
                name => format!("`{name}`"),
            };
            let near = nearest(key, self.known.iter().copied());
            misspelt.extend(near);
            let help = match near {
                _ if key == "from" => {
                    "`from` stands beside `crawl`, `transform` or `export`, in a stage of the long form".to_owned()
                }
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", current.join(", ")),
            };
            let message = format!("unknown key `{key}` in {owner}");
            cx.add(Problem::new(codes::UNKNOWN_KEY, at.key_span.clone(), &at.path, message).help(help));
        }
        self.tell_missing(cx, &misspelt);
    }
}

impl Cx<'_> {
    /// Reports something that a later version brings.
    pub(crate) fn later(&mut self, at: &At<'_>, span: Range<usize>, what: &str) {
        // a key, or some words about it
        let what = if what.contains(' ') { what.to_owned() } else { format!("`{what}`") };
        let message = format!("{what} is not in this version of jobpipe");
        self.add(
            Problem::new(codes::LATER, span, &at.path, message)
                .help("it is part of the language and will come; remove it for now"),
        );
    }
}
