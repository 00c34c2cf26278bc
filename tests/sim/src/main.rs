//! `sim --seeds N [--first K] [--rule NAME] [--trace SEED]`: tells the stories of many seeds.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints")]

use jobpipe_engine::sabotage::Rule;
use jobpipe_sim::{About, Slant, Sum, tell};
use std::process::ExitCode;

const HELP: &str = "\
sim: the engine under simulated faults

  sim [--seeds N] [--first K]   tells N stories (default 200), from seed K (default 0), and says what was violated
  sim --trace SEED              tells one story line by line
  sim --rule NAME               without one rule of docs/durability.md
  sim --sabotage [--rule NAME]  without each rule (or this one), until a seed notices
  sim --slant NAME              tells only stories that lead there
  sim --rules                   lists the rules and the slants
";

struct Args {
    seeds: u64,
    first: u64,
    about: About,
    trace: Option<u64>,
    sabotage: bool,
}

fn parse() -> Result<Option<Args>, String> {
    let mut args = Args { seeds: 200, first: 0, about: About::default(), trace: None, sabotage: false };
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
                args.about.rule = Some(rule.ok_or_else(|| format!("no rule `{name}`; see --rules"))?);
            }
            "--slant" => {
                let name = number()?;
                let slant = Slant::ALL.into_iter().find(|slant| slant.name() == name);
                args.about.slant = Some(slant.ok_or_else(|| format!("no slant `{name}`; see --rules"))?);
            }
            "--rules" => {
                for rule in Rule::ALL {
                    println!("{:<20} {}", rule.name(), rule.what());
                }
                println!("slants: {}", Slant::ALL.map(Slant::name).join(" "));
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
        let told = tell(seed, args.about, true);
        for line in told.trace.iter().filter(|line| line.len() > 11) {
            println!("{line}");
        }
        println!("seed {seed}: {} steps, {:.0} virtual s, violation: {:?}", told.steps, told.seconds, told.violation);
        return if told.violation.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    let rules: Vec<Option<Rule>> = match args.about.rule {
        None if args.sabotage => Rule::ALL.iter().copied().map(Some).collect(),
        rule => vec![rule],
    };
    let mut good = true;
    for rule in rules {
        let sum = Sum::of(args.first, args.seeds, About { rule, ..args.about }, args.sabotage);
        match rule.filter(|_| args.sabotage) {
            Some(rule) => {
                println!("{}", sum.sabotage(rule));
                good &= !sum.violations.is_empty();
            }
            None => {
                print!("{}", sum.report());
                good &= sum.violations.is_empty();
            }
        }
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
