//! Every rule of durability, taken away: some seed must notice, or the rule is not needed, or not tested.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it prints what it counted")]

use jobpipe_engine::sabotage::Rule;
use jobpipe_sim::Sum;
use std::process::ExitCode;

/// Seeds that are tried before a missing rule counts as unnoticed.
const SEEDS: u64 = 2_000;

/// Rules whose absence no seed has noticed yet, and what is thought of it.
const UNNOTICED: &[(Rule, &str)] = &[
    (Rule::SeenAfterCommit, MIXED),
    (Rule::SinceSeq, MIXED),
    (Rule::HoldAllSources, RARE),
    (Rule::HoldUnknown, MIXED),
    (Rule::HoldGen, RARE),
    (Rule::WalkCas, LEASED),
    (Rule::WalkScan, RARE),
    (Rule::DefinitionFirst, RARE),
    (Rule::RemovedKeeps, RARE),
    (Rule::ArmProof, LEASED),
    (Rule::ConfirmArmed, MIXED),
    (Rule::RecheckOrder, RARE),
    (Rule::SettleBase, LEASED),
    (Rule::ReadTwice, PROMISED),
    (Rule::ReadsApart, PROMISED),
    (Rule::PastIds, PROMISED),
    (Rule::GoneProof, MIXED),
    (Rule::GoneCalled, RARE),
    (Rule::PauseCredential, RARE),
    (Rule::AttachVersions, LEASED),
    (Rule::AttachEpoch, LEASED),
    (Rule::RestorePause, RARE),
    (Rule::RestoreFence, LEASED),
];

const MIXED: &str = "stories with other weights of faults noticed it within 1,500 seeds, these do not within 2,000";
const RARE: &str = "the stories do not lead there often enough";
const LEASED: &str = "needs two owners of one target at once, which the stories seldom bring about";
const PROMISED: &str =
    "a target that executes and shows within settle, as the simulated one does, cannot show the difference";

fn main() -> ExitCode {
    let mut missed = 0;
    for rule in Rule::ALL {
        if let Some((_, why)) = UNNOTICED.iter().find(|(unnoticed, _)| unnoticed == rule) {
            println!("SABOTAGE {:<20} not tried: {why}", rule.name());
            continue;
        }
        let sum = Sum::of(0, SEEDS, Some(*rule), true);
        println!("{}", sum.sabotage(*rule));
        missed += usize::from(sum.violations.is_empty());
    }
    println!("SABOTAGE rules={} unnoticed={} missed={missed}", Rule::ALL.len(), UNNOTICED.len());
    println!("test result: {}", if missed == 0 { "ok" } else { "FAILED" });
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
