//! Regular expressions: linear in the text, bounded in size, compiled once for each thread.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use jaq_core::{ValX, ValXs};
use regex::{Captures, Regex, RegexBuilder};
use regex_automata::util::syntax;

use super::arithmetic::{Error, ValR};
use super::limits;
use super::natives::str_of;
use super::reach::Reach;
use super::val::Val;

/// Memory of one compiled expression, in bytes, and of its search.
const MAX_COMPILED: usize = 1 << 20;
const MAX_CACHED_STATES: usize = 2 << 20;
/// Compiled expressions kept by one thread.
const KEPT: usize = 64;
/// Steps that compiling one counts for.
const COMPILING: usize = 500;
/// States that an expression of the largest size has, about.
const MAX_STATES: usize = 25_000;

/// Bytes times states that one step pays for in the first look over a text.
const STATES_PER_STEP: usize = 1024;
/// Bytes times states that the searches of one call may look at again and again before it is counted how far they
/// really look: a text of a few thousand bytes is found through sooner than that is counted.
const UNCOUNTED: usize = 256 << 10;

thread_local! {
    static COMPILED: RefCell<HashMap<(String, String), Kept>> = RefCell::new(HashMap::new());
}

/// A compiled expression and the evaluation that used it last.
struct Kept {
    regex: Compiled,
    used_by: u64,
}

/// A compiled expression and what counts how far its searches look, made when it is first needed.
#[derive(Clone)]
struct Compiled {
    regex: Regex,
    states: usize,
    reach: Rc<OnceCell<Option<RefCell<Reach>>>>,
}

/// Counts the searches of one call.
struct Searches<'c> {
    compiled: &'c Compiled,
    pattern: &'c str,
    flags: &'c str,
    text: &'c str,
    /// Where the next search begins.
    from: usize,
    /// Up to where searches have looked, as far as that is known.
    known: usize,
    /// What may still be looked at uncounted.
    uncounted: usize,
}

impl<'c> Searches<'c> {
    fn new(compiled: &'c Compiled, pattern: &'c str, flags: &'c str, text: &'c str) -> Self {
        Self { compiled, pattern, flags, text, from: 0, known: 0, uncounted: UNCOUNTED }
    }

    /// Counts the search that found a match which ends at byte `end`.
    fn found(&mut self, end: usize) {
        limits::work(1);
        let worst = (self.text.len() - self.from).saturating_mul(self.compiled.states);
        if self.from == 0 {
            // Compiling paid for one look at the whole text.
        } else if worst <= self.uncounted {
            self.uncounted -= worst;
            limits::work(worst / STATES_PER_STEP);
        } else {
            self.uncounted = 0;
            match self.compiled.reach.get_or_init(|| self.reach()) {
                Some(reach) => self.known = reach.borrow_mut().count(self.text, self.from, self.known),
                None => limits::work(worst / STATES_PER_STEP),
            }
        }
        self.from = end;
        self.known = self.known.max(end);
    }

    fn reach(&self) -> Option<RefCell<Reach>> {
        let flag = |flag| self.flags.contains(flag);
        let config = syntax::Config::new()
            .case_insensitive(flag('i'))
            .ignore_whitespace(flag('x'))
            .dot_matches_new_line(flag('s') || flag('p'))
            .multi_line(flag('m') || flag('p'))
            .swap_greed(flag('l'));
        Reach::new(self.pattern, config, 4 * MAX_COMPILED).map(RefCell::new)
    }
}

/// What is asked for: the parts between matches, the matches, or both in turn.
#[derive(Clone, Copy)]
pub(crate) struct Parts {
    between: bool,
    matches: bool,
}

pub(crate) const MATCHES: Parts = Parts { between: false, matches: true };
pub(crate) const BETWEEN: Parts = Parts { between: true, matches: false };
pub(crate) const BOTH: Parts = Parts { between: true, matches: true };

/// The parts of `text` as a list: texts between matches, and for each match the list of its groups, each
/// `{offset, length, string, name}` in characters (as jq's `match` gives them; the whole match is the first).
pub(crate) fn run(text: &Val, regex: &Val, flags: &Val, parts: Parts) -> ValR {
    let (text, pattern, flags) = (str_of(text)?, str_of(regex)?, str_of(flags)?);
    let compiled = compiled(pattern, flags, text)?;
    let regex = &compiled.regex;
    let mut searches = Searches::new(&compiled, pattern, flags, text);
    let mut out = Vec::new();
    let mut chars = Chars { text, byte: 0, count: 0 };
    let mut done = 0;
    for found in regex.captures_iter(text) {
        let Some(whole) = found.get(0) else { continue };
        searches.found(whole.end());
        if flags.contains('n') && whole.is_empty() {
            continue;
        }
        if parts.between {
            out.push(Val::text(text.get(done..whole.start()).unwrap_or_default()));
            done = whole.end();
        }
        if parts.matches {
            out.push(groups(regex, &found, &mut chars));
        }
        if !flags.contains('g') {
            break;
        }
    }
    if parts.between {
        out.push(Val::text(text.get(done..).unwrap_or_default()));
    }
    Ok(Val::list(out))
}

/// `sub(regex; f; flags)`: the text with the first match (with the flag `g`, each) replaced by what `f` gives for its
/// named groups. Native, because a text has thousands of matches.
pub(crate) fn replace<'a>(text: &Val, regex: &Val, flags: &Val, f: impl Fn(Val) -> ValXs<'a, Val>) -> ValX<'a, Val> {
    let (text, pattern, flags) = (str_of(text)?, str_of(regex)?, str_of(flags)?);
    let compiled = compiled(pattern, flags, text)?;
    let regex = &compiled.regex;
    let mut searches = Searches::new(&compiled, pattern, flags, text);
    let mut out = String::new();
    let mut done = 0;
    let push = |out: &mut String, part: &str| {
        limits::built(part.len());
        out.push_str(part);
    };
    for found in regex.captures_iter(text) {
        let Some(whole) = found.get(0) else { continue };
        searches.found(whole.end());
        if flags.contains('n') && whole.is_empty() {
            continue;
        }
        push(&mut out, text.get(done..whole.start()).unwrap_or_default());
        done = whole.end();
        let mut values = f(named(regex, &found));
        // No value leaves nothing in the place of the match.
        if let Some(value) = values.next().transpose()? {
            push(&mut out, str_of(&value)?);
        }
        if values.next().is_some() {
            return Err(Error::str("a match needs one text in its place, not several").into());
        }
        if !flags.contains('g') {
            break;
        }
    }
    push(&mut out, text.get(done..).unwrap_or_default());
    Ok(Val::Str(Arc::new(out)))
}

/// The named groups of a match, as a map; null for one that took no part.
fn named(regex: &Regex, found: &Captures<'_>) -> Val {
    let group = |name: &str| found.name(name).map_or(Val::Null, |group| Val::text(group.as_str()));
    Val::map(regex.capture_names().flatten().map(|name| (Arc::from(name), group(name))).collect())
}

/// Counts characters up to a byte; bytes are asked for in rising order, about.
struct Chars<'t> {
    text: &'t str,
    byte: usize,
    count: usize,
}

impl Chars<'_> {
    fn before(&mut self, byte: usize) -> usize {
        if byte < self.byte {
            (self.byte, self.count) = (0, 0);
        }
        self.count += self.text.get(self.byte..byte).map_or(0, |part| part.chars().count());
        self.byte = byte;
        self.count
    }
}

fn groups(regex: &Regex, found: &Captures<'_>, chars: &mut Chars<'_>) -> Val {
    let start = found.get(0).map_or(0, |whole| whole.start());
    let whole = chars.before(start);
    let group = |(group, name): (Option<regex::Match<'_>>, Option<&str>)| {
        let (offset, length, string) = match group {
            Some(group) => {
                let before = found.get(0).and_then(|all| all.as_str().get(..group.start() - start));
                let offset = whole + before.map_or(0, |before| before.chars().count());
                limits::seen(group.end() - start);
                (Val::from(offset), Val::from(group.as_str().chars().count()), Val::text(group.as_str()))
            }
            None => (Val::from(-1_isize), Val::from(0_usize), Val::Null),
        };
        match name {
            Some(name) => {
                Val::entries([("offset", offset), ("length", length), ("string", string), ("name", Val::text(name))])
            }
            None => Val::entries([("offset", offset), ("length", length), ("string", string)]),
        }
    };
    Val::list(found.iter().zip(regex.capture_names()).map(group).collect())
}

fn compiled(pattern: &str, flags: &str, text: &str) -> Result<Compiled, Error> {
    let states = states(pattern);
    limits::work(text.len().saturating_mul(states) / STATES_PER_STEP);
    let key = (pattern.to_string(), flags.to_string());
    let evaluation = limits::evaluation();
    let kept = COMPILED.with_borrow_mut(|kept| {
        let kept = kept.get_mut(&key)?;
        let first = std::mem::replace(&mut kept.used_by, evaluation) != evaluation;
        Some((kept.regex.clone(), first))
    });
    // Compiling counts once for each evaluation, done or not, so that a record always costs the same.
    if kept.as_ref().is_none_or(|(_, first)| *first) {
        limits::work(COMPILING + states);
    }
    if let Some((regex, _)) = kept {
        return Ok(regex);
    }
    let regex = Compiled { regex: build(pattern, flags)?, states, reach: Rc::default() };
    COMPILED.with_borrow_mut(|kept| {
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(key, Kept { regex: regex.clone(), used_by: evaluation });
    });
    Ok(regex)
}

fn build(pattern: &str, flags: &str) -> Result<Regex, Error> {
    try_build(pattern, flags).map_err(|reason| Error::str(format_args!("{reason}")))
}

/// Why there is no such regular expression, in one line; `None` when there is.
pub(crate) fn refusal(pattern: &str, flags: &str) -> Option<String> {
    let reason = try_build(pattern, flags).err()?;
    if reason.contains("exceeds size limit") {
        return Some("the regular expression is too large".to_string());
    }
    // regex shows the pattern first, and the reason last
    let last = reason.lines().last().unwrap_or_default();
    Some(match last.strip_prefix("error: ") {
        Some(last) => format!("not a regular expression: {last}"),
        None => last.to_string(),
    })
}

fn try_build(pattern: &str, flags: &str) -> Result<Regex, String> {
    let mut builder = RegexBuilder::new(pattern);
    builder.size_limit(MAX_COMPILED).dfa_size_limit(MAX_CACHED_STATES);
    for flag in flags.chars() {
        match flag {
            'g' | 'n' => &mut builder,
            'i' => builder.case_insensitive(true),
            'x' => builder.ignore_whitespace(true),
            's' => builder.dot_matches_new_line(true),
            'm' => builder.multi_line(true),
            'l' => builder.swap_greed(true),
            'p' => builder.multi_line(true).dot_matches_new_line(true),
            other => {
                return Err(format!("`{other}` is no flag of a regular expression: use g i x s n p l"));
            }
        };
    }
    builder.build().map_err(|error| format!("not a regular expression: {error}"))
}

/// How many states the expression has, about: its length times what it repeats.
fn states(pattern: &str) -> usize {
    let repeats = pattern.split('{').skip(1).filter_map(|after| {
        let counts = after.split('}').next()?.split(',');
        counts.filter_map(|count| count.trim().parse::<usize>().ok()).max()
    });
    repeats.fold(pattern.len().max(1), |states, times| states.saturating_mul(times.max(1))).min(MAX_STATES)
}
