//! What one evaluation may spend, and how it is stopped.
//!
//! jaq has no fuel of its own, and an error raised inside a program can be caught by the program (`try`, `?`, `//`). So
//! the budget is counted where a program cannot avoid it: jaq asks [`super::data::Env`] for its table of terms at every
//! step, and values count what they copy and compare. Going over a limit unwinds out of the interpreter with a payload of
//! our own ([`Stop`]); [`within`] catches it. `resume_unwind` runs no panic hook, and no value outlives the evaluation.
//! Steps, not time, are counted: the same record always gives the same result.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::LimitKind;

#[cfg(panic = "abort")]
compile_error!("an evaluation is stopped by unwinding: jobpipe cannot be built with panic = \"abort\"");

/// Steps of the interpreter. A field or a filter is a handful; a list of 10,000 items mapped is about 100,000.
pub const MAX_STEPS: u64 = 1_000_000;
/// Bytes of text and lists built in one evaluation, whether or not they are still alive.
pub const MAX_BUILT: u64 = 128 << 20;
/// Size of one value, as JSON, in bytes (about).
pub const MAX_SIZE: u64 = 64 << 20;
/// Lists and maps inside each other. JSON parsers stop at 128.
pub const MAX_DEPTH: u32 = 200;
/// Length of the text of one expression, in bytes.
pub const MAX_SOURCE: usize = 16 << 10;
/// Brackets inside each other in one expression.
pub const MAX_NESTING: usize = 64;
/// Words and signs in one expression.
pub const MAX_TOKENS: usize = 4_000;

/// Stack that an evaluation may use on the thread of its caller: less than half of what a thread of tokio has.
const STACK_HERE: usize = 640 << 10;
/// Stack of the thread on which an evaluation is repeated that needs more. Only what is touched becomes memory.
const STACK_APART: usize = 64 << 20;
/// What is left of that stack for dropping, comparing and printing values.
const STACK_RESERVE: usize = 8 << 20;

/// Bytes that one step may copy, and bytes that one step may look at.
const COPIED_PER_STEP: usize = 1024;
const SEEN_PER_STEP: usize = 64;

/// Why an evaluation was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Over a limit.
    Limit(LimitKind),
    /// The stack of this thread is too small.
    Stack,
    /// The interpreter panicked: a bug in it.
    Broken,
}

#[derive(Clone, Copy)]
struct Budget {
    steps: u64,
    built: u64,
    /// Address below which the stack may not grow.
    floor: usize,
    /// Which evaluation of this thread it is for.
    evaluation: u64,
}

thread_local! {
    static EVALUATIONS: Cell<u64> = const { Cell::new(0) };
    static BUDGET: Cell<Option<Budget>> = const { Cell::new(None) };
}

/// Puts the former budget back, also when unwinding.
struct Restore(Option<Budget>);

impl Drop for Restore {
    fn drop(&mut self) {
        BUDGET.set(self.0);
    }
}

/// Runs `work` under a fresh budget: on this thread, and again on one with a larger stack when it needs that.
pub(crate) fn within<T: Send>(work: impl Fn() -> T + Sync) -> Result<T, Stop> {
    match on_this_stack(STACK_HERE, &work) {
        Err(Stop::Stack) => on_a_larger_stack(&work),
        done => done,
    }
}

/// Runs `work` under a fresh budget on this thread only.
pub(crate) fn here<T>(work: impl Fn() -> T) -> Result<T, Stop> {
    on_this_stack(STACK_HERE, work)
}

/// Runs `work` on a thread with a large stack; [`Stop::Stack`] cannot come out.
pub(crate) fn on_a_larger_stack<T: Send>(work: impl Fn() -> T + Sync) -> Result<T, Stop> {
    let deep = || match on_this_stack(STACK_APART - STACK_RESERVE, &work) {
        Err(Stop::Stack) => Err(Stop::Limit(LimitKind::Depth)),
        done => done,
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_APART).spawn_scoped(scope, deep);
        match thread {
            Ok(thread) => thread.join().unwrap_or(Err(Stop::Broken)),
            Err(_) => Err(Stop::Limit(LimitKind::Depth)),
        }
    })
}

fn on_this_stack<T>(stack: usize, work: impl Fn() -> T) -> Result<T, Stop> {
    let floor = stack_pointer().saturating_sub(stack);
    let evaluation = EVALUATIONS.get() + 1;
    EVALUATIONS.set(evaluation);
    let _restore = Restore(BUDGET.replace(Some(Budget { steps: MAX_STEPS, built: MAX_BUILT, floor, evaluation })));
    catch_unwind(AssertUnwindSafe(work))
        .map_err(|payload| payload.downcast::<Stop>().map_or(Stop::Broken, |stop| *stop))
}

/// Where the stack is now, about.
#[inline(never)]
fn stack_pointer() -> usize {
    let here = 0_u8;
    std::ptr::from_ref(std::hint::black_box(&here)).addr()
}

/// A number of the evaluation that runs on this thread; no other of this thread has the same.
pub(crate) fn evaluation() -> u64 {
    BUDGET.get().map_or(0, |budget| budget.evaluation)
}

/// Unwinds out of the evaluation. Outside of one, does nothing.
fn stop(why: Stop) {
    if BUDGET.get().is_some() {
        resume_unwind(Box::new(why));
    }
}

/// Stops the evaluation at a limit.
pub(crate) fn over(limit: LimitKind) {
    stop(Stop::Limit(limit));
}

/// Counts one step, and looks at the stack.
pub(crate) fn step() {
    spend(1, 0);
    if BUDGET.get().is_some_and(|budget| stack_pointer() < budget.floor) {
        stop(Stop::Stack);
    }
}

/// Counts `bytes` that are looked at.
pub(crate) fn seen(bytes: usize) {
    spend(bytes / SEEN_PER_STEP, 0);
}

/// Counts `bytes` that are built, before they are.
pub(crate) fn built(bytes: usize) {
    spend(bytes / COPIED_PER_STEP, bytes);
}

/// Counts `steps` of work that cannot be interrupted.
pub(crate) fn work(steps: usize) {
    spend(steps, 0);
}

fn spend(steps: usize, bytes: usize) {
    let Some(mut budget) = BUDGET.get() else { return };
    let (Some(steps), Some(built)) = (budget.steps.checked_sub(steps as u64), budget.built.checked_sub(bytes as u64))
    else {
        let over_steps = budget.steps < steps as u64;
        return over(if over_steps { LimitKind::Steps } else { LimitKind::Memory });
    };
    budget.steps = steps;
    budget.built = built;
    BUDGET.set(Some(budget));
}
