//! How far a search for the next match looks, and how much it has to do on the way.
//!
//! A regular expression is linear in the text for one match; for all matches it is not: `a.*b|a` looks at the whole rest
//! for each `a`. The engine does not say how far it looked. So where that could matter, the search is done once more
//! here, on the automaton that the engine itself is made from, and its work is counted.

use regex_automata::nfa::thompson::{self, NFA, State, WhichCaptures};
use regex_automata::util::primitives::StateID;
use regex_automata::util::syntax;

use super::limits;

/// Visits of a state that one step pays for, where the text has been looked at before.
const VISITS_AGAIN: usize = 8;
/// The same where it has not: every search together look at the whole text once, and that is paid for.
const VISITS_FIRST: usize = 64;
/// Visits that are counted together.
const TOGETHER: usize = 1024;

/// Follows searches. Not for matching: it says nothing about what was found.
pub(crate) struct Reach {
    nfa: NFA,
    now: States,
    next: States,
    /// States whose empty steps are still to be followed.
    open: Vec<StateID>,
}

/// States in the order of their priority, each once.
struct States {
    order: Vec<StateID>,
    /// When each was last put in.
    put: Vec<u64>,
    turn: u64,
}

impl States {
    fn new(count: usize) -> Self {
        Self { order: Vec::new(), put: vec![0; count], turn: 1 }
    }

    fn clear(&mut self) {
        self.order.clear();
        self.turn += 1;
    }

    /// Whether it is new.
    fn put(&mut self, state: StateID) -> bool {
        let Some(put) = self.put.get_mut(state.as_usize()) else { return false };
        std::mem::replace(put, self.turn) != self.turn
    }
}

impl Reach {
    /// `None` when the automaton would be larger than `most` bytes.
    pub(crate) fn new(pattern: &str, config: syntax::Config, most: usize) -> Option<Self> {
        let bounded = thompson::Config::new().nfa_size_limit(Some(most)).which_captures(WhichCaptures::None);
        let nfa = thompson::Compiler::new().syntax(config).configure(bounded).build(pattern).ok()?;
        let count = nfa.states().len();
        Some(Self { nfa, now: States::new(count), next: States::new(count), open: Vec::new() })
    }

    /// Counts, as steps of the evaluation, what the search for the leftmost match from byte `from` has to do. Searches
    /// before it have looked at the text up to byte `known`; gives up to where it is known after this one.
    pub(crate) fn count(&mut self, text: &str, from: usize, known: usize) -> usize {
        let bytes = text.as_bytes();
        let mut visits = 0;
        let mut matched = false;
        let mut end = bytes.len();
        self.now.clear();
        for at in from..=bytes.len() {
            if !matched {
                let start = self.nfa.start_anchored();
                visits += follow(&self.nfa, &mut self.now, &mut self.open, start, bytes, at);
            }
            if matched && self.now.order.is_empty() {
                end = at;
                break;
            }
            self.next.clear();
            let states = std::mem::take(&mut self.now.order);
            for &id in &states {
                visits += 1;
                if matches!(self.nfa.state(id), State::Match { .. }) {
                    // What has a lower priority, and what would begin later, is given up.
                    matched = true;
                    break;
                }
                if let Some(to) = step(self.nfa.state(id), bytes, at) {
                    visits += follow(&self.nfa, &mut self.next, &mut self.open, to, bytes, at + 1);
                }
            }
            self.now.order = states;
            std::mem::swap(&mut self.now, &mut self.next);
            if visits >= TOGETHER || at + 1 == known {
                limits::work(visits / if at < known { VISITS_AGAIN } else { VISITS_FIRST });
                visits = 0;
            }
        }
        limits::work(visits / if end <= known { VISITS_AGAIN } else { VISITS_FIRST });
        known.max(end)
    }
}

/// Where a state leads over the byte at `at`.
fn step(state: &State, bytes: &[u8], at: usize) -> Option<StateID> {
    match state {
        State::ByteRange { trans } => trans.matches(bytes, at).then_some(trans.next),
        State::Sparse(transitions) => transitions.matches(bytes, at),
        State::Dense(transitions) => transitions.matches(bytes, at),
        _ => None,
    }
}

/// Puts in `state` and what it leads to without a byte; how many states were visited.
fn follow(nfa: &NFA, into: &mut States, open: &mut Vec<StateID>, state: StateID, bytes: &[u8], at: usize) -> usize {
    let mut visits = 0;
    open.push(state);
    while let Some(id) = open.pop() {
        visits += 1;
        if !into.put(id) {
            continue;
        }
        match nfa.state(id) {
            State::Look { look, next } => {
                if nfa.look_matcher().matches(*look, bytes, at) {
                    open.push(*next);
                }
            }
            State::Union { alternates } => open.extend(alternates.iter().rev()),
            State::BinaryUnion { alt1, alt2 } => open.extend([*alt2, *alt1]),
            State::Capture { next, .. } => open.push(*next),
            State::Fail => {}
            State::ByteRange { .. } | State::Sparse(_) | State::Dense(_) | State::Match { .. } => into.order.push(id),
        }
    }
    visits
}
