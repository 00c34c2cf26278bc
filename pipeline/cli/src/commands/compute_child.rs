//! `jobpipe compute-child`: computes one suspect input, given on standard input, within limits. Started by the engine.

use crate::exit::{Exit, Failure, Outcome};
use crate::isolate::{CPU, MEMORY};
use crate::{poison, registry};
use std::io::{Read, Write};
use std::sync::Arc;

/// The largest input, in bytes.
const INPUT: u64 = 512 << 20;

/// Reads the input, computes it, writes the answer.
pub(crate) fn run() -> Outcome {
    limit(poison::time()?.map_or(CPU, |time| time.as_secs() + 1), MEMORY);
    let mut input = Vec::new();
    std::io::stdin().lock().take(INPUT).read_to_end(&mut input)?;
    let stages = poison::obeyed(Arc::new(registry::for_computing()?))?;
    let answer = jobpipe_engine::compute::compute_in_child(&input, stages.as_ref())
        .map_err(|error| Failure::failed(error.to_string()))?;
    std::io::stdout().lock().write_all(&answer)?;
    Ok(Exit::Succeeded)
}

#[cfg(unix)]
fn limit(cpu: u64, memory: u64) {
    // a system that cannot limit memory still has the limit on time
    let _unlimited = rlimit::setrlimit(rlimit::Resource::AS, memory, memory);
    let _unlimited = rlimit::setrlimit(rlimit::Resource::CPU, cpu, cpu);
}

#[cfg(not(unix))]
fn limit(_cpu: u64, _memory: u64) {}
