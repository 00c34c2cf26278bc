//! One who watches, and remembers what a person should know.

use jobpipe_engine::event::{Event, Events};
use std::sync::Mutex;

#[derive(Default)]
pub struct Notices(pub Mutex<Vec<String>>);

impl Events for Notices {
    fn emit(&self, event: Event) {
        if let Event::Notice { message } = event {
            self.0.lock().unwrap().push(message);
        }
    }
}
