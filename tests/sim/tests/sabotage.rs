//! Every rule of durability, taken away: some seed must notice, or the rule is not needed, or not tested.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it prints what it counted")]

use jobpipe_engine::sabotage::Rule;
use jobpipe_sim::{About, Slant, Sum};
use std::process::ExitCode;

/// Seeds that are tried before a missing rule counts as unnoticed.
const SEEDS: u64 = 3_000;

/// Rules that matter only where stories seldom lead by chance: theirs all lead there, from a seed on.
const SLANTED: &[(Rule, Slant, u64)] = &[
    (Rule::DefinitionFirst, Slant::Definitions, 0),
    (Rule::RecheckOrder, Slant::Duel, 0),
    (Rule::ReadTwice, Slant::Hasty, 0),
    // the first story that needs it is seed 8864
    (Rule::AttachEpoch, Slant::Restore, 6_000),
    (Rule::AdoptContent, Slant::Restore, 0),
    (Rule::AdoptMissing, Slant::Restore, 0),
    (Rule::ReadsApart, Slant::Hasty, 0),
    (Rule::PastIds, Slant::Hasty, 0),
    (Rule::SettleBase, Slant::Duel, 0),
    (Rule::CloseSnapshot, Slant::Cursor, 0),
    (Rule::SlotTaken, Slant::Timetable, 0),
    (Rule::QueueFirst, Slant::Timetable, 0),
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
        let slanted = SLANTED.iter().find(|(slanted, ..)| slanted == rule);
        let (slant, from) = slanted.map_or((None, 0), |(_, slant, from)| (Some(*slant), *from));
        let sum = Sum::of(from, SEEDS, About { rule: Some(*rule), slant }, true);
        println!("{}", sum.sabotage(*rule));
        missed += usize::from(sum.violations.is_empty());
    }
    println!("SABOTAGE rules={} unnoticed={} missed={missed}", Rule::ALL.len(), UNNOTICED.len());
    println!("test result: {}", if missed == 0 { "ok" } else { "FAILED" });
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
