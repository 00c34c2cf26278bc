//! Inputs that end the process that computes them, for tests: no real input should be able to. Off unless
//! `JOBPIPE_POISON` is set.

use crate::exit::{Failure, Outcome};
use async_trait::async_trait;
use jobpipe_config::grammar::Period;
use jobpipe_core::{
    FileExport, Gathered, Outcome as StageOutcome, Plan, Request, RunFacts, Sink, Stage, StageCx, StageInput, Stages,
    TaskError,
};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

/// Its value is the time that one computation may take (in place of a minute).
pub(crate) const VARIABLE: &str = "JOBPIPE_POISON";
/// For `jobpipe failpoints`.
pub(crate) const ABOUT: &str = "JOBPIPE_POISON=TIME obeys inputs that contain `jobpipe-poison: abort` (or panic, loop, stack, memory), \
and lets a computation take TIME";
const MARK: &[u8] = b"jobpipe-poison: ";
/// What `memory` takes, in pieces.
const GIB: usize = 4;
const PIECE: usize = 64 << 20;

/// How long a computation may take, if poison is obeyed.
pub(crate) fn time() -> Outcome<Option<Duration>> {
    let Ok(text) = std::env::var(VARIABLE) else { return Ok(None) };
    let time: Period = text.parse().map_err(|error| Failure::usage(format!("{VARIABLE}: {error}")))?;
    Ok(Some(time.duration()))
}

/// The stages; obeying poison if the environment says so.
pub(crate) fn obeyed(stages: Arc<dyn Stages>) -> Outcome<Arc<dyn Stages>> {
    Ok(if time()?.is_some() { Arc::new(Obedient(stages)) } else { stages })
}

struct Obedient(Arc<dyn Stages>);

impl Stages for Obedient {
    fn stage(&self, plan: &Plan, name: &str) -> Result<Arc<dyn Stage>, TaskError> {
        Ok(Arc::new(ObedientStage(self.0.stage(plan, name)?)))
    }

    fn file(&self, plan: &Plan, name: &str) -> Result<Arc<dyn FileExport>, TaskError> {
        self.0.file(plan, name)
    }

    fn sink(&self, plan: &Plan, name: &str) -> Result<Arc<dyn Sink>, TaskError> {
        self.0.sink(plan, name)
    }
}

struct ObedientStage(Arc<dyn Stage>);

#[async_trait]
impl Stage for ObedientStage {
    fn roots(&self, facts: &RunFacts) -> Result<Vec<Request>, TaskError> {
        self.0.roots(facts)
    }

    async fn gather(&self, input: StageInput, cx: &StageCx) -> Result<Gathered, TaskError> {
        self.0.gather(input, cx).await
    }

    fn compute(&self, gathered: Gathered, facts: &RunFacts) -> Result<StageOutcome, TaskError> {
        match &gathered {
            Gathered::Answers(answers) => answers.iter().for_each(|answer| obey(&answer.body)),
            Gathered::Records(records) => records.iter().for_each(|record| obey(record.body.to_string().as_bytes())),
        }
        self.0.compute(gathered, facts)
    }
}

/// Does what the first poison in the text says.
fn obey(text: &[u8]) {
    let Some(at) = text.windows(MARK.len()).position(|part| part == MARK) else { return };
    let word: Vec<u8> = text.iter().skip(at + MARK.len()).copied().take_while(u8::is_ascii_lowercase).collect();
    match word.as_slice() {
        b"abort" => std::process::abort(),
        b"panic" => std::panic::panic_any("this input is poison".to_owned()),
        b"loop" => loop {
            black_box(());
        },
        b"stack" => {
            black_box(deeper(black_box(1)));
        }
        b"memory" => {
            // asked for and not written to: how long a machine takes to give pages says nothing of the limit
            let pieces: Vec<Vec<u8>> = (0..(GIB << 30) / PIECE).map(|_| Vec::with_capacity(PIECE)).collect();
            black_box(&pieces);
        }
        _ => {}
    }
}

/// Without end, as far as the compiler knows.
fn deeper(level: u64) -> u64 {
    let room = black_box([level; 64]);
    if black_box(level) == 0 { 0 } else { deeper(level + 1) + room[1] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_poison_is_obeyed() {
        obey(b"jobpipe-poison: flowers");
        obey(b"jobpipe-poison:");
        obey(b"no poison");
        assert!(std::panic::catch_unwind(|| obey(b"<p>jobpipe-poison: panic</p>")).is_err());
    }
}
