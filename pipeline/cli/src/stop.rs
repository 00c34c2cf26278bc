//! Stopping: the first signal lets running tasks end, the second one ends the process. Both lose nothing.

use crate::exit::Exit;
use crate::terminal;
use jobpipe_core::Stop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// Whether the process wants to stop, and whether a signal wanted it.
#[derive(Debug, Default)]
pub(crate) struct StopFlag {
    stopping: AtomicBool,
    signalled: AtomicBool,
    told: tokio::sync::Notify,
}

impl Stop for StopFlag {
    fn is_stopping(&self) -> bool {
        self.stopping.load(SeqCst)
    }
}

impl StopFlag {
    /// Everything is done: let the engine end.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, SeqCst);
    }

    /// Whether it was a signal.
    pub(crate) fn was_signalled(&self) -> bool {
        self.signalled.load(SeqCst)
    }

    /// Resolves at the first signal.
    pub(crate) async fn signalled(&self) {
        loop {
            let told = self.told.notified();
            if self.was_signalled() {
                return;
            }
            told.await;
        }
    }

    fn signal(&self) {
        self.signalled.store(true, SeqCst);
        self.stop();
        self.told.notify_waiters();
    }
}

/// Listens for Ctrl-C and SIGTERM from now on. `first` is told to people at the first one.
pub(crate) fn listen(flag: &Arc<StopFlag>, first: &'static str) -> std::io::Result<()> {
    let mut signals = Signals::new()?;
    let flag = Arc::clone(flag);
    tokio::spawn(async move {
        signals.next().await;
        flag.signal();
        terminal::complain(first);
        signals.next().await;
        std::process::exit(i32::from(Exit::Interrupted.code()));
    });
    Ok(())
}

/// Waits for Ctrl-C or SIGTERM.
pub(crate) async fn wait_for_signal() -> std::io::Result<()> {
    Signals::new()?.next().await;
    Ok(())
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        let _ended = tokio::signal::ctrl_c().await;
    }
}
