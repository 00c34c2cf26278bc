//! Single values: texts, words, numbers, durations.

use super::{At, Cx};
use crate::diagnostic::{Problem, codes, nearest};
use crate::grammar::{GrammarError, parse_count};
use crate::tree::{Kind, Scalar, quoted};
use std::str::FromStr;

impl Cx<'_> {
    /// The scalar at a place; reported when something else stands there.
    pub(crate) fn scalar<'t>(&mut self, at: &At<'t>, expected: &str) -> Option<&'t Scalar> {
        self.single(at, expected, false)
    }

    /// The same; where a value of the language may stand, brackets may be jq.
    fn single<'t>(&mut self, at: &At<'t>, expected: &str, may_be_jq: bool) -> Option<&'t Scalar> {
        match &at.node.kind {
            Kind::Scalar(scalar) => Some(scalar),
            Kind::Broken => None,
            Kind::List(_) | Kind::Map(_) => {
                let found = at.node.describe();
                let span = at.node.span.clone();
                let raw = self.source().get(span.clone()).unwrap_or_default();
                let mut problem =
                    Problem::new(codes::TYPE, span, &at.path, format!("{found} where a single value is needed"))
                        .expected(expected);
                if may_be_jq && raw.starts_with(['[', '{']) && !raw.contains('\n') {
                    let jq = format!("={raw}");
                    let jq = if crate::tree::plain_is_safe(&jq) { jq } else { quoted(&jq) };
                    problem =
                        problem.help(format!("if it is jq, write {jq}; if it is text, quote it: {}", quoted(raw)));
                }
                self.add(problem);
                None
            }
        }
    }

    /// Text, whatever it looks like.
    pub(crate) fn text<'t>(&mut self, at: &At<'t>, expected: &str) -> Option<&'t str> {
        let scalar = self.scalar(at, expected)?;
        self.filled(at, scalar, expected)
    }

    /// The text of a value of the language.
    pub(crate) fn value_text<'t>(&mut self, at: &At<'t>, expected: &str) -> Option<&'t str> {
        let scalar = self.single(at, expected, true)?;
        self.filled(at, scalar, expected)
    }

    fn filled<'t>(&mut self, at: &At<'_>, scalar: &'t Scalar, expected: &str) -> Option<&'t str> {
        if scalar.text.trim().is_empty() {
            let problem = Problem::new(codes::NULL, at.node.span.clone(), &at.path, "an empty text");
            self.add(problem.expected(expected));
            return None;
        }
        Some(&scalar.text)
    }

    /// Something with a grammar of its own.
    pub(crate) fn parsed<T: FromStr<Err = GrammarError>>(&mut self, at: &At<'_>, expected: &str) -> Option<T> {
        let text = &self.scalar(at, expected)?.text;
        match text.parse() {
            Ok(value) => Some(value),
            Err(GrammarError { expected }) => self.bad_word(at, text, &expected),
        }
    }

    /// A whole number of at least `least`.
    pub(crate) fn count(&mut self, at: &At<'_>, least: u64) -> Option<u64> {
        let expected = "a whole number such as 5 or 20_000";
        let text = &self.scalar(at, expected)?.text;
        match parse_count(text) {
            Ok(count) if count >= least => Some(count),
            Ok(_) => self.bad_word(at, text, &format!("a whole number of at least {least}")),
            Err(_) => self.bad_word(at, text, expected),
        }
    }

    /// A whole number of at least `least` that fits 32 bits.
    pub(crate) fn small_count(&mut self, at: &At<'_>, least: u64) -> Option<u32> {
        let count = self.count(at, least)?;
        match u32::try_from(count) {
            Ok(count) => Some(count),
            Err(_) => self.bad_word(at, &count.to_string(), "a number below 4_294_967_296"),
        }
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(&mut self, at: &At<'_>, words: &[(&'static str, T)]) -> Option<T> {
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        let expected = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ");
        let text = &self.scalar(at, &expected)?.text;
        if let Some((_, value)) = words.iter().find(|(name, _)| *name == text.trim()) {
            return Some(*value);
        }
        let mut problem =
            Problem::new(codes::WORD, at.node.span.clone(), &at.path, format!("`{text}` is not known here"))
                .expected(expected.as_str());
        if let Some(near) = nearest(text, names) {
            problem = problem.help(format!("did you mean `{near}`?"));
        }
        self.add(problem);
        None
    }

    /// A list of names, or one name.
    pub(crate) fn names<'t>(&mut self, at: &At<'t>, expected: &str) -> Option<Vec<(&'t str, At<'t>)>> {
        let items = at.items().unwrap_or_else(|| vec![at.clone()]);
        let mut names = Vec::with_capacity(items.len());
        let mut whole = true;
        for item in items {
            match self.text(&item, expected) {
                Some(name) => names.push((name, item)),
                None => whole = false,
            }
        }
        whole.then_some(names)
    }

    /// Reports a word that cannot be read.
    pub(crate) fn bad_word<T>(&mut self, at: &At<'_>, text: &str, expected: &str) -> Option<T> {
        let message = format!("`{text}` cannot be read here");
        self.add(Problem::new(codes::WORD, at.node.span.clone(), &at.path, message).expected(expected));
        None
    }
}
