//! Admission by the engine of this process: start, go on, or take the place of an open run.

use crate::exit::{Exit, Failure, Outcome};
use crate::follow::Engine;
use crate::terminal;
use crate::watch::Watcher;
use jobpipe_core::{DocKind, Plan, RunFacts};
use jobpipe_engine::admission::{Admitted, Wish, admit as ask};
use jobpipe_engine::docs::{self, Read, RunDoc};
use jobpipe_engine::{Cx, EngineError};
use std::time::Duration;

/// How often a run that is being cancelled is looked at.
const AGAIN: Duration = Duration::from_millis(50);

/// Admits a run of `plan`, and says when it goes on with an open one. `None` when a signal came first.
pub(crate) async fn admit(
    engine: &mut Engine,
    plan: &Plan,
    wish: &Wish,
    watcher: &mut Watcher,
) -> Outcome<Option<String>> {
    let cx = std::sync::Arc::clone(&engine.cx);
    let at = watcher.at().to_owned();
    let mut note = |text: &str| watcher.note(text);
    let done = tokio::select! {
        run = until_admitted(&cx, plan, wish, &at, &mut note) => run.map(Some),
        served = &mut engine.serving => match served {
            Ok(Ok(())) => Ok(None),
            Ok(Err(error)) => Err(error.into()),
            Err(error) => Err(Failure::failed(format!("the engine panicked ({error}); this is a bug of jobpipe"))),
        },
    };
    if done.is_err() && !engine.serving.is_finished() {
        engine.stop.stop();
        let _told_already = (&mut engine.serving).await;
    }
    done
}

/// Admits a run of `plan` from any process, once an open run that it replaces is closed. `at`: the options with which
/// other verbs find the state from here. `note` is told what comes of it.
pub(crate) async fn until_admitted(
    cx: &Cx,
    plan: &Plan,
    wish: &Wish,
    at: &str,
    note: &mut (dyn FnMut(&str) + Send),
) -> Outcome<String> {
    let mut superseded = None;
    loop {
        match ask(cx, plan, wish).await.map_err(refused)? {
            Admitted::Started(run) => return Ok(run),
            Admitted::Resumed { run, pinned } => {
                note(&going_on(cx, &run, pinned, wish, at).await?);
                return Ok(run);
            }
            Admitted::Superseding(run) => {
                if superseded.as_ref() != Some(&run) {
                    note(&format!("cancelling {run}, which was started with another definition"));
                    superseded = Some(run);
                }
                cx.clock.sleep(AGAIN).await;
            }
        }
    }
}

/// Nothing was begun: what is refused now, or cannot be made from the settings, is a matter of usage.
fn refused(error: EngineError) -> Failure {
    match error {
        EngineError::Stage(_) => Failure { exit: Exit::Usage, message: Some(error.to_string()) },
        other => other.into(),
    }
}

async fn going_on(cx: &Cx, run: &str, pinned: bool, wish: &Wish, at: &str) -> Outcome<String> {
    let doc: Option<Read<RunDoc>> = docs::read(&*cx.store, DocKind::Run, run).await?;
    let Some(facts) = doc.map(|doc| doc.doc.open.facts) else { return Ok(format!("going on with {run}")) };
    let how = if pinned { " with the definition that it was started with" } else { "" };
    let (since, limit) = (terminal::moment(facts.started_at), other_limit(&facts, wish, at));
    Ok(format!("going on with {run}, begun {since}{how}{limit}"))
}

/// What is said when a run was begun with another `--limit` than is asked for now: it keeps its own.
pub(crate) fn other_limit(facts: &RunFacts, wish: &Wish, at: &str) -> String {
    if facts.limit == wish.limit {
        return String::new();
    }
    let begun = facts.limit.map_or_else(|| "without --limit".to_owned(), |limit| format!("with --limit {limit}"));
    format!("; it was begun {begun} and goes on so; to begin anew: `jobpipe runs cancel {}{at}`", facts.run)
}
