//! One who watches, and remembers what a person should know, and how late runs were launched.

use jobpipe_engine::event::{Event, Events};
use std::sync::Mutex;

#[derive(Default)]
pub struct Notices(pub Mutex<Vec<String>>);

/// Each launched run, and how many milliseconds after its time.
#[derive(Default)]
pub struct Launches(pub Mutex<Vec<(String, u64)>>);

impl Events for Launches {
    fn emit(&self, event: Event) {
        if let Event::Launched { run, late_ms, .. } = event {
            self.0.lock().unwrap().push((run, late_ms));
        }
    }
}

impl Events for Notices {
    fn emit(&self, event: Event) {
        if let Event::Notice { message } = event {
            self.0.lock().unwrap().push(message);
        }
    }
}
