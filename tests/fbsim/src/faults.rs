//! The fault plan: which calls go wrong, and how. The same plan over the same calls fails the same ones, because
//! chance is a hash of (seed, rule, index of the call), never a generator that threads would share.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Sort of call that a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OpKind {
    /// `POST /{page}/feed`
    Create,
    /// `POST /{post}`
    Update,
    /// `DELETE /{post}`
    Delete,
    /// Every `GET`.
    Read,
}

/// Whether the call is executed before it goes wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Nothing is executed.
    #[default]
    BeforeExec,
    /// It is executed; only the answer is spoilt.
    AfterExec,
}

/// What goes wrong.
///
/// Written as `reset`, `timeout`, `html502`, `empty`, `truncated`, `success_false`, `delayed_exec`, `read_lag`,
/// `read_omits`, `short_page`, `empty_page`, `dup_page`, or an error as `CODE`, `CODE/SUBCODE`, `STATUS/CODE` or
/// `STATUS/CODE/SUBCODE` (a first number of 400-599 that is followed by another is a status).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum FaultKind {
    /// The connection is reset.
    Reset,
    /// No answer, ever; the connection stays open.
    Timeout,
    /// A Graph error.
    Error {
        /// HTTP status.
        status: u16,
        /// `error.code`.
        code: u32,
        /// `error.error_subcode`.
        subcode: Option<u32>,
    },
    /// An HTML page with status 502.
    Html502,
    /// Status 200 with no body.
    Empty,
    /// Status 200 with half of the JSON.
    Truncated,
    /// `{"success": false}`
    SuccessFalse,
    /// The connection is reset at once, the call executed `ms` later.
    DelayedExec,
    /// This read sees the world of `ms` ago.
    ReadLag,
    /// This page of a listing lacks its posts, and the next one goes on behind them.
    ReadOmits,
    /// This page of a listing is shorter than asked for, and has a `next`.
    ShortPage,
    /// This page of a listing is empty, and has a `next` that brings what belonged here.
    EmptyPage,
    /// The `next` of this page of a listing brings the same posts again.
    DupPage,
}

/// Why a plan is refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FaultError {
    /// No such kind.
    #[error(
        "`{0}` is no kind of fault: use reset, timeout, html502, empty, truncated, success_false, delayed_exec, read_lag, read_omits, short_page, empty_page, dup_page, or an error such as 80001, 190/460, 500/2"
    )]
    Kind(String),
    /// The rule contradicts itself.
    #[error("rule {rule}: {reason}")]
    Rule {
        /// Counted from 1.
        rule: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// One rule. Without `p`, `nth` and `next` it strikes every call that it looks at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// What goes wrong.
    pub kind: FaultKind,
    /// Before or after the execution; the kinds of reads and `delayed_exec` need no word.
    #[serde(default)]
    pub at: When,
    /// Looks at this sort of call only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<OpKind>,
    /// Looks at calls on this page only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// Strikes with this probability, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    /// Strikes these calls, counted from 1 among those that the rule looks at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<Vec<u64>>,
    /// Strikes so many times, then never again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// For `delayed_exec` and `read_lag`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
}

impl FaultRule {
    /// A rule that strikes every call.
    #[must_use]
    pub fn new(at: When, kind: FaultKind) -> Self {
        Self { kind, at, op: None, page: None, p: None, nth: None, next: None, ms: None }
    }
}

/// Rules in order; of those that strike the same call the first one wins.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultPlan {
    /// Decides, together with the index of a call, what `p` strikes.
    #[serde(default)]
    pub seed: u64,
    /// The rules.
    #[serde(default)]
    pub rules: Vec<FaultRule>,
}

impl FaultPlan {
    /// Refuses what could never mean anything.
    pub fn check(&self) -> Result<(), FaultError> {
        for (index, rule) in self.rules.iter().enumerate() {
            let refuse = |reason| Err(FaultError::Rule { rule: index + 1, reason });
            let spoils_an_answer =
                matches!(rule.kind, FaultKind::Empty | FaultKind::Truncated | FaultKind::SuccessFalse);
            if spoils_an_answer && rule.at == When::BeforeExec {
                return refuse("this kind spoils an answer: add \"at\": \"after_exec\"");
            }
            if rule.kind.shapes_a_read() && rule.op.is_some_and(|op| op != OpKind::Read) {
                return refuse("this kind is about reads: set \"op\" to \"read\" or leave it out");
            }
            if matches!(rule.kind, FaultKind::DelayedExec | FaultKind::ReadLag) && rule.ms.is_none() {
                return refuse("this kind needs \"ms\"");
            }
            if rule.p.is_some_and(|p| !(0.0..=1.0).contains(&p)) {
                return refuse("\"p\" lies between 0 and 1");
            }
        }
        Ok(())
    }
}

/// What a call suffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    pub(crate) at: When,
    pub(crate) ms: u64,
}

/// A plan and how far it has come.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FaultState {
    plan: FaultPlan,
    /// For each rule: calls that it has looked at.
    seen: Vec<u64>,
    /// For each rule: calls that it has struck.
    struck: Vec<u64>,
}

impl FaultState {
    pub(crate) fn new(plan: FaultPlan) -> Self {
        let rules = plan.rules.len();
        Self { plan, seen: vec![0; rules], struck: vec![0; rules] }
    }

    /// What happens to this call. Every rule counts it, so one rule does not shift the indexes of another.
    pub(crate) fn strike(&mut self, op: OpKind, page: &str) -> Option<Fault> {
        let mut chosen = None;
        for (index, rule) in self.plan.rules.iter().enumerate() {
            let looks = rule.op.is_none_or(|wanted| wanted == op)
                && rule.page.as_deref().is_none_or(|wanted| wanted == page)
                && (op == OpKind::Read || !rule.kind.shapes_a_read());
            if !looks {
                continue;
            }
            self.seen[index] += 1;
            let count = self.seen[index];
            let strikes = rule.next.is_none_or(|next| self.struck[index] < next)
                && rule.nth.as_ref().is_none_or(|nth| nth.contains(&count))
                && rule.p.is_none_or(|p| chance(self.plan.seed, index as u64, count) < p);
            if strikes && chosen.is_none() {
                self.struck[index] += 1;
                chosen = Some(Fault { kind: rule.kind, at: rule.at, ms: rule.ms.unwrap_or(0) });
            }
        }
        chosen
    }
}

/// A number in 0..1 that depends on nothing but its arguments (the finaliser of SplitMix64).
fn chance(seed: u64, rule: u64, call: u64) -> f64 {
    let mut word = seed;
    for part in [rule, call] {
        word = word.wrapping_add(part).wrapping_add(0x9E37_79B9_7F4A_7C15);
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^= word >> 31;
    }
    (word >> 11) as f64 / (1_u64 << 53) as f64
}

impl FaultKind {
    fn shapes_a_read(self) -> bool {
        matches!(self, Self::ReadLag | Self::ReadOmits | Self::ShortPage | Self::EmptyPage | Self::DupPage)
    }
}

const NAMED: [(&str, FaultKind); 12] = [
    ("reset", FaultKind::Reset),
    ("timeout", FaultKind::Timeout),
    ("html502", FaultKind::Html502),
    ("empty", FaultKind::Empty),
    ("truncated", FaultKind::Truncated),
    ("success_false", FaultKind::SuccessFalse),
    ("delayed_exec", FaultKind::DelayedExec),
    ("read_lag", FaultKind::ReadLag),
    ("read_omits", FaultKind::ReadOmits),
    ("short_page", FaultKind::ShortPage),
    ("empty_page", FaultKind::EmptyPage),
    ("dup_page", FaultKind::DupPage),
];

impl FromStr for FaultKind {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some((_, kind)) = NAMED.iter().find(|(name, _)| *name == text) {
            return Ok(*kind);
        }
        let numbers: Result<Vec<u32>, _> = text.split('/').map(str::parse).collect();
        let unknown = || FaultError::Kind(text.to_owned());
        let numbers = numbers.map_err(|_| unknown())?;
        let status = |status: u32| u16::try_from(status).map_err(|_| unknown());
        let (status, code, subcode) = match numbers[..] {
            [first @ 400..=599, code] => (status(first)?, code, None),
            [first @ 400..=599, code, subcode] => (status(first)?, code, Some(subcode)),
            [code] => (if code <= 2 { 500 } else { 400 }, code, None),
            [code, subcode] => (400, code, Some(subcode)),
            _ => return Err(unknown()),
        };
        Ok(Self::Error { status, code, subcode })
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error { status, code, subcode: Some(subcode) } => write!(out, "{status}/{code}/{subcode}"),
            Self::Error { status, code, subcode: None } => write!(out, "{status}/{code}"),
            named => out.write_str(NAMED.iter().find(|(_, kind)| kind == named).map_or("", |(name, _)| name)),
        }
    }
}

impl TryFrom<String> for FaultKind {
    type Error = FaultError;

    fn try_from(text: String) -> Result<Self, FaultError> {
        text.parse()
    }
}

impl From<FaultKind> for String {
    fn from(kind: FaultKind) -> Self {
        kind.to_string()
    }
}

#[cfg(test)]
mod tests;
