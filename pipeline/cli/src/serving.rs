//! An engine at work until a signal, told of as it goes.

use crate::exit::{Exit, Failure, Outcome};
use crate::fleet::links::Teller;
use crate::stop::StopFlag;
use jobpipe_core::Stop;
use jobpipe_engine::Cx;
use jobpipe_engine::event::Event;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// How long tasks that run may take to end once a signal came; what is left then is another worker's.
const GRACE: Duration = Duration::from_secs(20);

/// What goes on beside an engine, to its end.
pub(crate) struct Beside {
    said: mpsc::Sender<String>,
    lines: mpsc::Receiver<String>,
    tasks: JoinSet<()>,
}

impl Beside {
    pub(crate) fn new() -> Self {
        let (said, lines) = mpsc::channel(64);
        Self { said, lines, tasks: JoinSet::new() }
    }

    /// Begins one of these things; it is given where to say what people should know.
    pub(crate) fn begin<F>(&mut self, make: impl FnOnce(mpsc::Sender<String>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.spawn(make(self.said.clone()));
    }
}

/// What is told while an engine works, and how its end is.
pub(crate) struct Serving<'a> {
    pub(crate) cx: &'a Arc<Cx>,
    pub(crate) stop: &'a Arc<StopFlag>,
    pub(crate) teller: &'a mut Teller,
    /// Who does what is left at the end.
    pub(crate) heir: &'static str,
}

impl Serving<'_> {
    /// Waits for the engine's end, which comes in time after a signal, whatever still runs. What goes on beside it ends then.
    pub(crate) async fn until_end(
        self,
        engine: impl Future<Output = jobpipe_engine::Result<()>> + Send + 'static,
        mut events: mpsc::Receiver<Event>,
        mut beside: Beside,
    ) -> Outcome {
        let Self { cx, stop, teller, heir } = self;
        let mut serving = tokio::spawn(engine);
        let deadline = async {
            stop.signalled().await;
            cx.clock.sleep(GRACE).await;
        };
        tokio::pin!(deadline);
        let ended = loop {
            tokio::select! {
                Some(event) = events.recv() => teller.event(&event),
                Some(line) = beside.lines.recv() => teller.say(&line),
                done = &mut serving => break Some(done),
                () = &mut deadline => break None,
            }
        };
        beside.tasks.abort_all();
        while let Ok(event) = events.try_recv() {
            teller.event(&event);
        }
        match ended {
            Some(Ok(Ok(()))) => teller.say("ended: nothing is left at work here"),
            // what cannot be written now is done by those who can
            Some(Ok(Err(error))) if stop.is_stopping() && error.passes() => {
                teller.say(&format!("ended: {error}; what was at work here is done by {heir}"));
            }
            Some(Ok(Err(error))) => return Err(error.into()),
            Some(Err(error)) => {
                return Err(Failure::failed(format!(
                    "the engine panicked ({error}); this is a bug of jobpipe (JP599)"
                )));
            }
            None => teller.say(&format!("ended: what was still at work is done by {heir}")),
        }
        Ok(Exit::Succeeded)
    }
}
