//! Every rule of durability, taken away: some seed must notice, or the rule is not needed, or not tested.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it prints what it counted")]

use jobpipe_engine::sabotage::Rule;
use jobpipe_sim::{About, Slant, Sum};
use std::process::ExitCode;

/// Seeds that are tried before a missing rule counts as unnoticed.
const SEEDS: u64 = 3_000;

/// Rules that matter only where stories seldom lead by chance: theirs all lead there.
const SLANTED: &[(Rule, Slant)] = &[
    (Rule::DefinitionFirst, Slant::Definitions),
    (Rule::RecheckOrder, Slant::Duel),
    (Rule::ReadTwice, Slant::Hasty),
    (Rule::AttachEpoch, Slant::Restore),
    (Rule::AdoptContent, Slant::Restore),
    (Rule::AdoptMissing, Slant::Restore),
    (Rule::ReadsApart, Slant::Hasty),
    (Rule::PastIds, Slant::Hasty),
    (Rule::SettleBase, Slant::Duel),
    (Rule::CloseSnapshot, Slant::Cursor),
    (Rule::SlotTaken, Slant::Timetable),
    (Rule::QueueFirst, Slant::Timetable),
];

/// Rules whose absence these seeds do not notice, and why.
const UNNOTICED: &[(Rule, &str)] = &[
    (
        Rule::GoneCalled,
        "covered by what a process saw itself: it believes nothing of a post that it has not asked about for longer \
                        than settle, so two denials of one post and a pause within the second are needed",
    ),
    (
        Rule::WalkCas,
        "who loses asks for another round, too, whose scan finds what is open; what a clearing under an older \
                     definition takes away must fall between the reading and the marking of one row",
    ),
    (
        Rule::WalkScan,
        "what opens between scan and walk was armed without the lease: who un-arms it wakes the target, and \
                      a process that starts looks for what others left",
    ),
    (
        Rule::ConfirmArmed,
        "covered by walk_closed: what a head wants below the last closed run does not change while a \
                          drain works, for a change has the number of a later run",
    ),
    (
        Rule::AttachVersions,
        "covered by attach_waits (nothing of an older epoch is executed any more) and attach_epoch \
                            (nothing of this one is judged)",
    ),
];

fn main() -> ExitCode {
    let mut missed = 0;
    for rule in Rule::ALL {
        if let Some((_, why)) = UNNOTICED.iter().find(|(unnoticed, _)| unnoticed == rule) {
            println!("SABOTAGE {:<20} not tried: {why}", rule.name());
            continue;
        }
        let slant = SLANTED.iter().find(|(slanted, _)| slanted == rule).map(|(_, slant)| *slant);
        let sum = Sum::of(0, SEEDS, About { rule: Some(*rule), slant }, true);
        println!("{}", sum.sabotage(*rule));
        missed += usize::from(sum.violations.is_empty());
    }
    println!("SABOTAGE rules={} unnoticed={} missed={missed}", Rule::ALL.len(), UNNOTICED.len());
    println!("test result: {}", if missed == 0 { "ok" } else { "FAILED" });
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
