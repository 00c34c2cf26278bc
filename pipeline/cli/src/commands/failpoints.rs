//! `jobpipe failpoints`: where a test can make the process die.

use crate::exit::{Exit, Outcome};
use crate::{poison, terminal};
use jobpipe_engine::failpoint::Point;

/// Lists them: name, and what is about to happen there.
pub(crate) fn run() -> Outcome {
    let rows: Vec<Vec<String>> =
        Point::ALL.iter().map(|point| vec![point.name().to_owned(), point.what().to_owned()]).collect();
    for line in terminal::list(&rows) {
        terminal::say(&line);
    }
    terminal::say("");
    terminal::say(poison::ABOUT);
    Ok(Exit::Succeeded)
}
