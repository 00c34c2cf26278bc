//! `sim --seeds N [--first K] [--rule NAME] [--trace SEED]`: tells the stories of many seeds.

use jobpipe_engine::sabotage::Rule;
use jobpipe_sim::{Told, tell};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

const HELP: &str = "\
sim: the engine under simulated faults

  sim [--seeds N] [--first K]   tells N stories (default 200), from seed K (default 0), and says what was violated
  sim --trace SEED              tells one story line by line
  sim --rule NAME               without one rule of docs/durability.md
  sim --sabotage [--rule NAME]  without each rule (or this one), until a seed notices
  sim --rules                   lists the rules
";

struct Args {
    seeds: u64,
    first: u64,
    rule: Option<Rule>,
    trace: Option<u64>,
    sabotage: bool,
}

fn parse() -> Result<Option<Args>, String> {
    let mut args = Args { seeds: 200, first: 0, rule: None, trace: None, sabotage: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || {
            let text = words.next().ok_or_else(|| format!("{word} wants a value"))?;
            Ok::<_, String>(text)
        };
        let parse = |text: String| text.parse::<u64>().map_err(|error| format!("{text}: {error}"));
        match word.as_str() {
            "--seeds" => args.seeds = parse(number()?)?,
            "--first" => args.first = parse(number()?)?,
            "--trace" => args.trace = Some(parse(number()?)?),
            "--sabotage" => args.sabotage = true,
            "--rule" => {
                let name = number()?;
                let rule = Rule::ALL.iter().copied().find(|rule| rule.name() == name);
                args.rule = Some(rule.ok_or_else(|| format!("no rule `{name}`; see --rules"))?);
            }
            "--rules" => {
                for rule in Rule::ALL {
                    println!("{:<20} {}", rule.name(), rule.what());
                }
                return Ok(None);
            }
            "--help" | "-h" => {
                print!("{HELP}");
                return Ok(None);
            }
            other => return Err(format!("unknown argument `{other}`\n\n{HELP}")),
        }
    }
    Ok(Some(args))
}

fn main() -> ExitCode {
    match parse() {
        Ok(Some(args)) => run(&args),
        Ok(None) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> ExitCode {
    if let Some(seed) = args.trace {
        let told = tell(seed, args.rule, true);
        for line in told.trace.iter().filter(|line| line.len() > 11) {
            println!("{line}");
        }
        println!("seed {seed}: {} steps, {:.0} virtual s, violation: {:?}", told.steps, told.seconds, told.violation);
        return if told.violation.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    let rules: Vec<Option<Rule>> = match args.rule {
        None if args.sabotage => Rule::ALL.iter().copied().map(Some).collect(),
        rule => vec![rule],
    };
    let mut good = true;
    for rule in rules {
        let sum = many(args.first, args.seeds, rule, args.sabotage);
        good &= report(&sum, rule, args.sabotage);
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[derive(Default)]
struct Sum {
    seeds: u64,
    steps: u64,
    seconds: f64,
    counts: BTreeMap<&'static str, u64>,
    violations: Vec<(u64, String)>,
}

/// Tells many stories on all cores; with `once` until the first violation.
fn many(first: u64, seeds: u64, rule: Option<Rule>, once: bool) -> Sum {
    let next = AtomicU64::new(first);
    let sum = Mutex::new(Sum::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let enough = once && !sum.lock().unwrap_or_else(PoisonError::into_inner).violations.is_empty();
                    if seed >= first + seeds || enough {
                        return;
                    }
                    let told = tell(seed, rule, false);
                    add(&mut sum.lock().unwrap_or_else(PoisonError::into_inner), told);
                }
            });
        }
    });
    let mut sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    sum.violations.sort();
    sum
}

fn add(sum: &mut Sum, told: Told) {
    sum.seeds += 1;
    sum.steps += told.steps;
    sum.seconds += told.seconds;
    for (name, count) in told.counts {
        *sum.counts.entry(name).or_default() += count;
    }
    if let Some(violation) = told.violation {
        sum.violations.push((told.seed, violation));
    }
}

fn report(sum: &Sum, rule: Option<Rule>, sabotage: bool) -> bool {
    if sabotage {
        let name = rule.map_or("", Rule::name);
        return match sum.violations.first() {
            Some((seed, what)) => {
                println!("SABOTAGE {name:<20} caught by seed {seed} of {}: {what}", sum.seeds);
                true
            }
            None => {
                println!("SABOTAGE {name:<20} NOT CAUGHT in {} seeds", sum.seeds);
                false
            }
        };
    }
    for (name, count) in &sum.counts {
        println!("  {count:>8}  {name}");
    }
    for (seed, what) in sum.violations.iter().take(20) {
        println!("  seed {seed}: {what}");
    }
    println!(
        "SIM seeds={} steps={} steps_per_seed={} virtual_s={:.0} violations={}",
        sum.seeds,
        sum.steps,
        sum.steps / sum.seeds.max(1),
        sum.seconds,
        sum.violations.len()
    );
    sum.violations.is_empty()
}
