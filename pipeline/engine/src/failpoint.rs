//! Named places to die: every write that durability names has one before it, so that a test can crash exactly there.

use crate::error::{EngineError, Result};
use crate::named::named;

named! {
    /// A place where a process may die. The name is what `JOBPIPE_FAILPOINT` takes, the sentence says what is about to
    /// happen there.
    Point {
        AdmitDefinition = "admit.definition": "before the definition is stored",
        AdmitImport = "admit.import": "before the compare-and-set that admits the run",
        SlotNoted = "slot.noted": "before a slot is passed over, or a launch waits",
        SlotNext = "slot.next": "after all that is due was done, before the next look is set",
        EnsureRun = "ensure.run": "after admission, before the run is inserted",
        EnsureRoots = "ensure.roots": "before the root tasks are inserted",
        TaskClaimed = "task.claimed": "after the claim, before the stage runs",
        TaskOutput = "task.output": "before the output batches are stored",
        TaskCommit = "task.commit": "before the commit",
        TaskCommitted = "task.committed": "after the commit, before its relay",
        RelaySeen = "relay.seen": "before requests are claimed in seen",
        RelayChildren = "relay.children": "before children are inserted",
        RelayHeads = "relay.heads": "before heads are written",
        RelayHeld = "relay.held": "before heads are held",
        RelayDead = "relay.dead": "before dead letters are written",
        RelayReasons = "relay.reasons": "before reasons are written to the run",
        RelayClose = "relay.close": "before `open` falls",
        RelayHint = "relay.hint": "before children are hinted",
        CloseStage = "close.stage": "before a stage is recorded closed",
        CloseVerdict = "close.verdict": "before the verdict is frozen",
        CloseGone = "close.gone": "before a page of missing heads is written",
        CloseGoneDone = "close.gone_done": "before the gone pass is recorded done",
        CloseFiles = "close.files": "before the file tasks are inserted",
        CloseRun = "close.run": "before the run is recorded closed",
        CloseImport = "close.import": "before the import is freed",
        WakeTarget = "wake.target": "before a target is woken",
        WakeDone = "wake.done": "before the import forgets whom to wake",
        FileWrite = "file.write": "before a file is written",
        FileWritten = "file.written": "after a file was renamed into place, before the commit",
        DrainClaim = "drain.claim": "before a target's lease is taken",
        DrainDefinition = "drain.definition": "before a target records a definition",
        DrainArm = "drain.arm": "before rows are armed",
        DrainArmed = "drain.armed": "after rows are armed, before the fenced write on the target",
        DrainSend = "drain.send": "after the fenced write, before a call is sent",
        DrainSent = "drain.sent": "after a call was answered, before the answer is written",
        DrainAnswer = "drain.answer": "after an answer was written",
        DrainProbe = "drain.probe": "before a target is read back",
        DrainAttach = "drain.attach": "before a row is adopted",
        DrainAttached = "drain.attached": "before a target is recorded attached",
        DrainRelease = "drain.release": "before a target's lease is let go",
    }
}

/// This (simulated) process is dead: every step that hears it ends at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dead;

/// What happens at a failpoint.
pub trait Failpoints: Send + Sync {
    /// Returns, or ends the process, or says that this simulated process is dead.
    fn hit(&self, point: Point) -> std::result::Result<(), Dead>;
}

/// Nothing happens: what a production process has unless `JOBPIPE_FAILPOINT` is set.
#[derive(Debug, Default)]
pub struct NoFailpoints;

impl Failpoints for NoFailpoints {
    fn hit(&self, _point: Point) -> std::result::Result<(), Dead> {
        Ok(())
    }
}

/// `JOBPIPE_FAILPOINT=NAME[:N]`: the process aborts, as by kill -9, when NAME is reached for the Nth time (1 = first).
#[derive(Debug)]
pub struct AbortAt {
    point: Point,
    left: std::sync::atomic::AtomicU64,
}

impl AbortAt {
    /// Reads `NAME` or `NAME:N`; the error says which names there are.
    pub fn parse(text: &str) -> Result<Self> {
        let (name, nth) = text.split_once(':').unwrap_or((text, "1"));
        let point = Point::ALL.iter().copied().find(|point| point.name() == name);
        match (point, nth.parse::<u64>()) {
            (Some(point), Ok(nth)) if nth > 0 => Ok(Self { point, left: std::sync::atomic::AtomicU64::new(nth) }),
            _ => Err(EngineError::Refused {
                code: "JP590",
                message: format!("no failpoint `{text}`; `jobpipe failpoints` lists them"),
            }),
        }
    }
}

impl Failpoints for AbortAt {
    fn hit(&self, point: Point) -> std::result::Result<(), Dead> {
        if point == self.point && self.left.fetch_sub(1, std::sync::atomic::Ordering::SeqCst) == 1 {
            std::process::abort();
        }
        Ok(())
    }
}
