//! `jobpipe failpoints`: where a test can make the process die.

use crate::commands::state;
use crate::exit::{Exit, Outcome};
use crate::{poison, terminal};
use jobpipe_engine::failpoint::Point;

/// Lists them: name, and what is about to happen there.
pub(crate) fn run() -> Outcome {
    let engine = Point::ALL.iter().map(|point| (point.name(), point.what()));
    let all = engine.chain(state::FAILPOINTS);
    let rows: Vec<Vec<String>> = all.map(|(name, what)| vec![name.to_owned(), what.to_owned()]).collect();
    for line in terminal::list(&rows) {
        terminal::say(&line);
    }
    terminal::say("");
    terminal::say(poison::ABOUT);
    Ok(Exit::Succeeded)
}
