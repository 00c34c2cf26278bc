//! The silence that Facebook asked for: calls made while throttled make it longer, so none is sent.

use jobpipe_core::{Clock, Rate, RateLimiter};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// While the app was throttled and its pause is over, one call tries; the others wait so long for its answer.
const TRIAL: Duration = Duration::from_secs(60);
/// The first and the longest pause after "unreachable".
const UNREACHABLE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));
const HOUR: Duration = Duration::from_secs(3600);
/// Pauses after the first, second, and every later block of a page.
const BLOCKED: [Duration; 3] = [HOUR, Duration::from_secs(6 * 3600), Duration::from_secs(24 * 3600)];

/// No rate of ours: only pauses are asked for.
const UNLIMITED: Rate = Rate { count: 1_000_000, per_ms: 1_000 };
/// What a limiter without a pause may answer to [`UNLIMITED`].
const NONE: Duration = Duration::from_millis(1);
/// The limit key of all pages of the app.
const APP: &str = "facebook app";
const OTHERS: &str = "facebook asked for silence, as another call has learned";

/// Who must be quiet until when: what this process learned from its own calls, and what the others told.
pub(super) struct Gate {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Shared with the other processes of a fleet.
    shared: Option<Arc<dyn RateLimiter>>,
}

#[derive(Default)]
struct State {
    app: Quiet,
    /// The app was throttled and no call has succeeded since.
    app_on_trial: bool,
    pages: BTreeMap<String, Quiet>,
    unreachable: u32,
    /// What the others have not been told yet.
    untold: BTreeMap<String, Duration>,
}

#[derive(Default)]
struct Quiet {
    /// On the monotonic clock.
    until: Duration,
    why: &'static str,
    blocks: usize,
}

/// Why a call is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) left: Duration,
    pub(super) why: &'static str,
}

impl Gate {
    pub(super) fn new(clock: Arc<dyn Clock>, shared: Option<Arc<dyn RateLimiter>>) -> Self {
        Self { clock, state: Mutex::default(), shared }
    }

    /// Asked before every call on a page: nothing may be sent while it is closed, here or by the word of another process.
    pub(super) async fn pass(&self, page: &str) -> Result<(), Closed> {
        quiet(&self.lock(), page, self.clock.monotonic())?;
        if let Some(shared) = &self.shared {
            for key in [APP.to_owned(), key_of(page)] {
                match shared.permit(&key, UNLIMITED).await {
                    Err(left) if left > NONE => return Err(Closed { left, why: OTHERS }),
                    _ => {}
                }
            }
        }
        self.pass_here(page)
    }

    /// Tells the others of the silences that this process has learned of. To be called after every judged answer.
    pub(super) async fn tell(&self) {
        let Some(shared) = &self.shared else { return };
        let untold = std::mem::take(&mut self.lock().untold);
        for (key, time) in untold {
            shared.pause(&key, time).await;
        }
    }

    fn pass_here(&self, page: &str) -> Result<(), Closed> {
        let now = self.clock.monotonic();
        let mut state = self.lock();
        quiet(&state, page, now)?;
        if state.app_on_trial {
            state.app.until = now + TRIAL;
        }
        Ok(())
    }

    /// An answer came and was no refusal for a limit.
    pub(super) fn answered(&self) {
        let mut state = self.lock();
        state.unreachable = 0;
        if state.app_on_trial {
            state.app_on_trial = false;
            state.app.until = Duration::ZERO;
        }
    }

    /// A page did what it was asked: it is not blocked any more.
    pub(super) fn done(&self, page: &str) {
        if let Some(quiet) = self.lock().pages.get_mut(page) {
            quiet.blocks = 0;
        }
    }

    /// Silence for one page.
    pub(super) fn quiet_page(&self, page: &str, time: Duration, why: &'static str) {
        let now = self.clock.monotonic();
        let mut state = self.lock();
        extend(state.pages.entry(page.to_owned()).or_default(), now + time, why);
        state.untold.insert(key_of(page), time);
    }

    /// Silence for every page; after a refusal one call tries before the others go on.
    pub(super) fn quiet_app(&self, time: Duration, why: &'static str, refused: bool) {
        let now = self.clock.monotonic();
        let mut state = self.lock();
        state.app_on_trial |= refused;
        extend(&mut state.app, now + time, why);
        state.untold.insert(APP.to_owned(), time);
    }

    /// Silence for a page that is blocked: longer each time in a row.
    pub(super) fn block(&self, page: &str) -> Duration {
        let now = self.clock.monotonic();
        let mut state = self.lock();
        let quiet = state.pages.entry(page.to_owned()).or_default();
        let time = BLOCKED.get(quiet.blocks).copied().unwrap_or(BLOCKED[2]);
        quiet.blocks += 1;
        extend(quiet, now + time, "facebook blocks posts of this page for a time");
        state.untold.insert(key_of(page), time);
        time
    }

    /// How long to wait after the API could not be reached: longer each time in a row.
    pub(super) fn unreachable(&self) -> Duration {
        let mut state = self.lock();
        let time = UNREACHABLE.0.saturating_mul(1 << state.unreachable.min(10)).min(UNREACHABLE.1);
        state.unreachable = state.unreachable.saturating_add(1);
        time
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fails while the app or the page must be quiet.
fn quiet(state: &State, page: &str, now: Duration) -> Result<(), Closed> {
    for quiet in [Some(&state.app), state.pages.get(page)].into_iter().flatten() {
        if let Some(left) = quiet.until.checked_sub(now).filter(|left| !left.is_zero()) {
            return Err(Closed { left, why: quiet.why });
        }
    }
    Ok(())
}

/// The limit key of a page.
fn key_of(page: &str) -> String {
    format!("facebook page {page}")
}

fn extend(quiet: &mut Quiet, until: Duration, why: &'static str) {
    if until > quiet.until {
        quiet.until = until;
        quiet.why = why;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facebook::tests::ManualClock;
    use crate::http::LocalLimiter;

    const MINUTE: Duration = Duration::from_secs(60);

    fn gate() -> (Gate, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::default());
        (Gate::new(clock.clone(), None), clock)
    }

    #[tokio::test]
    async fn what_one_process_learns_the_others_keep() {
        let clock = Arc::new(ManualClock::default());
        let shared: Arc<dyn RateLimiter> = Arc::new(LocalLimiter::new(clock.clone()));
        let [first, second] = [(); 2].map(|()| Gate::new(clock.clone(), Some(shared.clone())));
        first.quiet_page("1", 10 * MINUTE, "limit");
        assert_eq!(second.pass("1").await, Ok(()), "nobody has told it");
        first.tell().await;
        clock.advance(MINUTE);
        assert_eq!(second.pass("1").await, Err(Closed { left: 9 * MINUTE, why: OTHERS }));
        assert_eq!(second.pass("2").await, Ok(()));
        second.quiet_app(20 * MINUTE, "app", true);
        second.tell().await;
        assert_eq!(first.pass("2").await, Err(Closed { left: 20 * MINUTE, why: OTHERS }));
        clock.advance(20 * MINUTE);
        assert_eq!((first.pass("1").await, second.pass("2").await), (Ok(()), Ok(())));
    }

    #[test]
    fn one_page_is_quiet_while_the_others_go_on() {
        let (gate, clock) = gate();
        gate.quiet_page("1", 10 * MINUTE, "limit");
        gate.quiet_page("1", MINUTE, "shorter");
        clock.advance(4 * MINUTE);
        assert_eq!(gate.pass_here("1"), Err(Closed { left: 6 * MINUTE, why: "limit" }));
        assert_eq!(gate.pass_here("2"), Ok(()));
        clock.advance(6 * MINUTE);
        assert_eq!(gate.pass_here("1"), Ok(()));
    }

    #[test]
    fn after_a_refusal_of_the_app_one_call_tries_before_the_others() {
        let (gate, clock) = gate();
        gate.quiet_app(10 * MINUTE, "app", true);
        assert!(gate.pass_here("1").is_err());
        clock.advance(10 * MINUTE);
        assert_eq!(gate.pass_here("1"), Ok(()));
        assert!(gate.pass_here("2").is_err(), "waits for the answer of the first");
        gate.answered();
        assert_eq!(gate.pass_here("2"), Ok(()));
    }

    #[test]
    fn a_lost_trial_does_not_close_the_gate_for_ever() {
        let (gate, clock) = gate();
        gate.quiet_app(MINUTE, "app", true);
        clock.advance(MINUTE);
        assert_eq!(gate.pass_here("1"), Ok(()));
        clock.advance(TRIAL);
        assert_eq!(gate.pass_here("2"), Ok(()));
    }

    #[test]
    fn blocks_in_a_row_grow_and_a_post_ends_the_row() {
        let (gate, _) = gate();
        assert_eq!(
            [gate.block("1"), gate.block("1"), gate.block("1"), gate.block("1")].map(|time| time.as_secs() / 3600),
            [1, 6, 24, 24]
        );
        gate.done("1");
        assert_eq!(gate.block("1"), HOUR);
    }

    #[test]
    fn an_unreachable_api_is_asked_less_and_less() {
        let (gate, _) = gate();
        let times: Vec<u64> = (0..8).map(|_| gate.unreachable().as_secs()).collect();
        assert_eq!(times, [5, 10, 20, 40, 80, 160, 300, 300]);
        gate.answered();
        assert_eq!(gate.unreachable().as_secs(), 5);
    }
}
