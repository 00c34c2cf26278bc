//! How large a test is, and that it has the machine for itself.

use std::sync::OnceLock;
use tokio::sync::{Mutex, MutexGuard};

/// Whether the sizes are those of the table; else they suit every `cargo test`.
pub fn full() -> bool {
    std::env::var("JOBPIPE_FAULTS").is_ok_and(|size| size == "full")
}

/// `short`, or in the full form `full`.
pub fn size<T>(short: T, long: T) -> T {
    if full() { long } else { short }
}

/// One test after the other: side by side they would starve one another on two cores, and time limits with them.
pub async fn alone() -> MutexGuard<'static, ()> {
    static ONE: OnceLock<Mutex<()>> = OnceLock::new();
    ONE.get_or_init(Mutex::default).lock().await
}
