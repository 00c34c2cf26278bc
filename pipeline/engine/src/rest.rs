//! What a loop rests before it looks again.

use crate::cx::{Cx, Heard};
use std::time::Duration;

/// What a loop rests before it looks again.
pub(crate) const REST: Duration = Duration::from_millis(5);
/// What it rests at most while news comes without a pause.
const LONG_REST: Duration = Duration::from_millis(40);

/// Waits for news, at most so long; a rest first, so that a burst of news is one.
pub(crate) async fn wait(cx: &Cx, heard: &mut Heard, most: Duration) {
    let mut rest = REST;
    wait_rested(cx, heard, most, &mut rest).await;
}

/// The same with a rest that doubles while there is always news, which is of work that goes on.
pub(crate) async fn wait_rested(cx: &Cx, heard: &mut Heard, most: Duration, rest: &mut Duration) {
    cx.clock.sleep(*rest).await;
    *rest = if cx.news.is_news(heard) { (*rest * 2).min(LONG_REST) } else { REST };
    let most = most.min(cx.settings.tick * 5);
    tokio::select! {
        biased;
        () = cx.news.changed(heard) => {}
        () = cx.clock.sleep(most) => {}
    }
}
