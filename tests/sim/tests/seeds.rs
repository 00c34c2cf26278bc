//! Two thousand seeds in which nothing is violated. `scripts/sim --seeds N` tells more of them, `scripts/sim --trace SEED`
//! one of them line by line.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it prints what it counted")]

use jobpipe_sim::{About, Sum, tell};
use std::process::ExitCode;

/// Seeds told.
const SEEDS: u64 = 2_000;

/// Seeds beyond those that violated something once: told as well, whatever their stories are by now.
const ONCE: &[u64] = &[3319, 3600];

fn main() -> ExitCode {
    let sum = Sum::of(0, SEEDS, About::default(), false);
    print!("{}", sum.report());
    let mut wrong: Vec<String> = Vec::new();
    if !sum.violations.is_empty() {
        wrong.push("invariants are violated: `scripts/sim --trace SEED` tells how".to_owned());
    }
    if sum.steps < 200 * sum.seeds {
        wrong.push("the stories are too short to tell anything".to_owned());
    }
    for (name, count) in sum.rare_points(15) {
        wrong.push(format!("the failpoint {name} killed only {count} times"));
    }
    for (name, count) in sum.rare_faults(100) {
        wrong.push(format!("the fault \"{name}\" happened only {count} times"));
    }
    for seed in ONCE {
        if let Some(what) = tell(*seed, About::default(), false).violation {
            wrong.push(format!("seed {seed}: {what}"));
        }
    }
    if !same_story_twice(17) {
        wrong.push("the same seed told two stories".to_owned());
    }
    println!("test result: {}", if wrong.is_empty() { "ok" } else { "FAILED" });
    for line in &wrong {
        eprintln!("{line}");
    }
    if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What a seed violates can only be found if it tells the same story again.
fn same_story_twice(seed: u64) -> bool {
    let (first, second) = (tell(seed, About::default(), true), tell(seed, About::default(), true));
    first.steps > 0 && first.trace == second.trace
}
