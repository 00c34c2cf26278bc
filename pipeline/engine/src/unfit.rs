//! A run that this place cannot go on with: a page of it has left the settings, say. Where a process serves all imports
//! (see [`crate::WhenUnfit`]) such a run waits for who mends the place, and those of other imports do not wait for it.

use crate::cx::Cx;
use crate::error::{EngineError, Result};
use crate::event::Event;
use crate::versions;

/// How a step for a run ended; `None` when it is left, to another version or until the place is mended.
pub(crate) fn unless_unfit<T>(cx: &Cx, run: &str, done: Result<T>) -> Result<Option<T>> {
    match versions::unless_unknown(cx, done) {
        Err(EngineError::Stage(why)) if cx.settings.when_unfit.waits(run) => {
            if cx.known().tells_unfit(run, cx.clock.monotonic()) {
                let message = format!("{run} waits, other imports do not: {} ({})", why.message, why.code);
                cx.emit(Event::Notice { message });
            }
            Ok(None)
        }
        done => done,
    }
}
