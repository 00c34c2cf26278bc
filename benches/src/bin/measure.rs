//! `measure COMMAND...`: runs it and prints what the system counted for it, as the last line of standard error: CPU
//! time in the program and in the kernel, wall time (microseconds), and peak memory (KiB). It is a process of its own so
//! that the numbers are those of one child.

#![expect(clippy::print_stderr, reason = "this is where it tells")]

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use std::process::{Command, ExitCode};

#[expect(clippy::disallowed_methods, reason = "measures wall time; nothing is decided by it")]
fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        eprintln!("usage: measure COMMAND...");
        return ExitCode::from(2);
    };
    let started = std::time::Instant::now();
    let status = match Command::new(&program).args(arguments).status() {
        Ok(status) => status,
        Err(error) => {
            eprintln!("measure: {}: {error}", program.display());
            return ExitCode::from(127);
        }
    };
    let wall = started.elapsed().as_micros();
    match getrusage(UsageWho::RUSAGE_CHILDREN) {
        Ok(used) => eprintln!(
            "\n{} {} {wall} {}",
            used.user_time().num_microseconds(),
            used.system_time().num_microseconds(),
            used.max_rss()
        ),
        Err(error) => eprintln!("measure: {error}"),
    }
    ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
