//! T22: many mutated inputs of each format. Each must end with a result or with an error that says where: no panic, no
//! second of computing, little memory. Every format runs in a process of its own, so that its memory is its own.
//!
//! `fuzz [--inputs N] [--seed N] [FORMAT...]`; `fuzz --show FORMAT NUMBER` writes one input to the output.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program of a developer tells what it did")]
#![allow(unreachable_pub, reason = "one program")]
#![allow(clippy::unwrap_used, reason = "what serves a test may fail it")]

mod crawl;
mod formats;
mod measure;
mod mutate;
mod runner;
mod store;
mod tokens;

use std::process::{Command, ExitCode};

const SEED: u64 = 20_261_122;

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let seed = option(&mut args, "--seed").unwrap_or(SEED);
    let inputs = option(&mut args, "--inputs").unwrap_or(10_000);
    match args.first().map(String::as_str) {
        Some("--show") => {
            let (Some(name), Some(number)) = (args.get(1), args.get(2).and_then(|number| number.parse().ok())) else {
                eprintln!("fuzz --show FORMAT NUMBER");
                return ExitCode::from(2);
            };
            runner::show(name, seed, number);
            ExitCode::SUCCESS
        }
        Some("--child") => runner::run(args.get(1).map_or("", String::as_str), seed, inputs),
        _ => all(&args, seed, inputs),
    }
}

fn option(args: &mut Vec<String>, name: &str) -> Option<u64> {
    let at = args.iter().position(|arg| arg == name)?;
    let value = args.get(at + 1)?.parse().ok()?;
    args.drain(at..at + 2);
    Some(value)
}

/// Runs each format, all of them when none is named.
fn all(names: &[String], seed: u64, inputs: u64) -> ExitCode {
    let mut failed = false;
    for name in formats::NAMES {
        if !names.is_empty() && !names.iter().any(|wanted| wanted == name) {
            continue;
        }
        let program = std::env::current_exe().unwrap();
        let mut child = Command::new(program);
        child.args(["--child", name, "--seed", &seed.to_string(), "--inputs", &inputs.to_string()]);
        let status = child.status().unwrap();
        if status.code().is_none_or(|code| code > 1) {
            println!("FAULT T22 format={name} seed={seed} inputs={inputs} crashed=1 ({status}) RESULT=fail");
        }
        failed |= !status.success();
    }
    ExitCode::from(u8::from(failed))
}
