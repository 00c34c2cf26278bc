//! The rules that durability rests on, each with a switch that takes it away: only the simulation has a hand on it, to show
//! that it would notice. Nothing that a user configures reaches this.

macro_rules! rules {
    ($($variant:ident = $name:literal: $what:literal,)*) => {
        /// A rule of `docs/durability.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Rule { $(#[doc = $what] $variant,)* }

        impl Rule {
            /// Every rule, in the order of the text.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its short name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it says.
            #[must_use]
            pub fn what(self) -> &'static str {
                match self { $(Self::$variant => $what,)* }
            }
        }
    };
}

rules! {
    // tasks
    BatchFence = "batch_fence": "the fence is part of a batch's id",
    CommitFence = "commit_fence": "a commit names the fence of its claim",
    CommitState = "commit_state": "a commit is a compare-and-set on a running task",
    CommitNonce = "commit_nonce": "a commit counts only when its nonce is read back",
    RetryFence = "retry_fence": "a fence runs its stage function once",
    LeaseTtl = "lease_ttl": "a lease is taken over only after it was seen unmoved for a whole time to live",
    CrashReset = "crash_reset": "a clean end of a claim resets the crash counter",
    SeenAfterCommit = "seen_after_commit": "requests are claimed in seen after the commit",
    SeenReadBack = "seen_read_back": "a request that is claimed already is read back: it may be this task's",
    SeenStage = "seen_stage": "seen belongs to a run and a stage",
    RestPastSeen = "rest_past_seen": "what failed inside a bundle goes on past seen",
    OpenAfterChildren = "open_after_children": "`open` falls after the children are inserted",
    OpenAfterHeads = "open_after_heads": "`open` falls after the heads are written",
    OpenAfterReasons = "open_after_reasons": "`open` falls after the reasons are written to the run",
    // the end of a run
    CloseFrom = "close_from": "a stage closes after every stage it is from",
    CloseOrder = "close_order": "what a stage is from is read before its open tasks",
    CloseSnapshot = "close_snapshot": "open tasks are read in one snapshot",
    VerdictFrozen = "verdict_frozen": "the verdict is frozen when the last stage closes",
    GoneBeforeFree = "gone_before_free": "the gone pass is done before the import is free",
    RunBeforeImport = "run_before_import": "the run is recorded closed before the import is free",
    CancelWaits = "cancel_waits": "a cancelled run frees its import only when nothing of it is open",
    CancelFreeze = "cancel_freeze": "a cancel is refused once the verdict is frozen",
    SinceClean = "since_clean": "the cursor moves after clean runs only",
    SinceSeq = "since_seq": "the cursor moves only forward in the order of runs",
    SinceCap = "since_cap": "the cursor does not pass the time at which the run began",
    AdmitOpen = "admit_open": "an import has one open run",
    SweepRun = "sweep_run": "the sweep inserts the run that a crash skipped",
    // heads
    HeadsGen = "heads_gen": "a head is not written by a run older than the one that saw it last",
    VersionGone = "version_gone": "gone and withdrawn are part of a version",
    VersionBefore = "version_before": "a head keeps the version before this run, not the one before this write",
    ChangedStays = "changed_stays": "a head whose old version is restored within a run keeps that run's number",
    HoldAllSources = "hold_all_sources": "a failed page holds the heads of all their sources",
    HoldUnknown = "hold_unknown": "a failed page of which no head is known makes the run not exhaustive",
    HoldGen = "hold_gen": "a hold is filtered on the head's stamps",
    HoldDead = "hold_dead": "a record that became a dead letter is held, and the run not exhaustive",
    MissedStamp = "missed_stamp": "a run counts a head missed once",
    GoneExhaustive = "gone_exhaustive": "only an exhaustive run counts what is missing",
    // targets
    WakeAgain = "wake_again": "waking is repeated until the import forgets whom to wake",
    WakeToken = "wake_token": "a target rests by a compare-and-set on the wake token that was read",
    WalkClosed = "walk_closed": "a walk ends at the last closed run",
    WalkArmed = "walk_armed": "the watermark stops at the first head that is due but not armed",
    WalkCas = "walk_cas": "a lost compare-and-set on a row stops the watermark",
    WalkMarks = "walk_marks": "a walk that passes an open row writes recheck on it",
    WalkScan = "walk_scan": "a target stays awake while the walk meets an open row that the scan had not",
    CancelledVersion = "cancelled_version": "a version that a cancelled run left is made anew by the next",
    DefinitionFirst = "definition_first": "the definition is recorded before anything is armed under it",
    RemovedKeeps = "removed_keeps": "a target that left an export walks no more",
    ArmFirst = "arm_first": "a row is armed before anything is sent",
    ArmProof = "arm_proof": "a fenced write on the target lies between arming and sending",
    SendBy = "send_by": "a call is sent only within its time after arming",
    NoResend = "no_resend": "an armed row of another owner is unknown, never sent again",
    ConfirmArmed = "confirm_armed": "a confirm copies what was armed",
    Recheck = "recheck": "every way out of an attempt sets recheck",
    RecheckOrder = "recheck_order": "a recheck reads row, then definition, then head",
    SettleBase = "settle_base": "settle counts from the end of the window in which the call may still execute",
    ReadTwice = "read_twice": "\"not there\" needs two complete reads",
    ReadsApart = "reads_apart": "the two reads lie at least the read lag apart",
    Marker = "marker": "a read-back looks for the row's own marker",
    PastIds = "past_ids": "ids that were deleted are ignored by a read-back",
    UpdateSettles = "update_settles": "an unknown update settles before newer content is sent",
    DeleteFrozen = "delete_frozen": "an unknown delete is repeated until it is surely done",
    GoneProof = "gone_proof": "\"does not exist\" proves a deletion only for a post confirmed long enough before",
    GoneCalled = "gone_called": "how long before is judged at the time of the call",
    DeleteFirst = "delete_first": "a replacement deletes, confirms, and then creates",
    PauseCredential = "pause_credential": "a pause is bound to the credential that was refused",
    // a store that was lost or restored
    Adopt = "adopt": "a target that is new to this epoch is read before anything is sent",
    AttachWaits = "attach_waits": "adoption waits until old calls can no longer execute",
    AttachVersions = "attach_versions": "adoption judges the rows that it read before the target",
    AttachEpoch = "attach_epoch": "adoption judges only rows of an older epoch",
    AdoptContent = "adopt_content": "the content of what is adopted is unknown",
    AdoptMissing = "adopt_missing": "a row whose post is not there is absent",
    AdoptStub = "adopt_stub": "a post of an unknown record gets a head",
    RestorePause = "restore_pause": "a restored store forgets the pauses of its backup",
    RestoreFence = "restore_fence": "a new epoch ends the leases of the old one",
}
