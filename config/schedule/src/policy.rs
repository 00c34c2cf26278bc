//! What becomes of slots that come at a bad time.

use jobpipe_core::Millis;

/// What happens when a slot comes while the import's last run is still open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlap {
    /// The slot is skipped, and that is told.
    #[default]
    Skip,
    /// One run waits for the open one to end; further slots are skipped.
    QueueOne,
    /// The open run is cancelled, and the slot's run begins.
    CancelOther,
}

/// Which of the slots that passed while no scheduler was there are made up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CatchUp {
    /// None of them.
    None,
    /// The last one.
    #[default]
    Last,
    /// All of them, in order, one after the other, whatever [`Overlap`] says.
    All,
}

/// The policies of an import's schedule; one set for all of its rules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// When the last run is still open.
    pub overlap: Overlap,
    /// When slots were missed.
    pub catch_up: CatchUp,
    /// How far back missed slots are looked for, in milliseconds; `None` = to the last slot that was judged.
    pub window: Option<Millis>,
    /// A slot that could not be started so many milliseconds after its time is skipped, and that is told.
    pub deadline: Option<Millis>,
    /// Each start is moved by [`crate::jitter`] of so many milliseconds; 0 = not at all.
    pub jitter: Millis,
    /// The schedule pauses after so many failed runs in a row.
    pub pause_on_failure: Option<u32>,
    /// How often a failed run is begun again as a whole.
    pub retry: u32,
}

impl Overlap {
    /// As it is written.
    pub(crate) const WORDS: [(&str, Self); 3] =
        [("skip", Self::Skip), ("queue_one", Self::QueueOne), ("cancel_other", Self::CancelOther)];
}

impl CatchUp {
    /// As it is written.
    pub(crate) const WORDS: [(&str, Self); 3] = [("none", Self::None), ("last", Self::Last), ("all", Self::All)];
}
