//! One format, input after input, on a thread with the stack of a worker; the main thread sees to it that it goes on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use crate::formats::{self, Ended, Format};
use crate::measure::{cpu_ms, peak_mb};

/// What one input may compute, in milliseconds. Without optimization everything takes ten times as long.
const HANG_MS: u64 = if cfg!(debug_assertions) { 10_000 } else { 1_000 };
/// After so long without an input done the process is given up.
const STUCK: Duration = Duration::from_secs(120);
/// What a process may need at its peak, in MiB.
const MOST_MB: u64 = 256;
/// The stack of a thread that computes in a run: what tokio gives its blocking threads.
const STACK: usize = 2 << 20;

/// Panics, also those that the code under test catches itself.
static PANICS: AtomicU64 = AtomicU64::new(0);
static LAST_PANIC: Mutex<String> = Mutex::new(String::new());

#[derive(Default)]
struct Tally {
    results: u64,
    errors: u64,
    /// Errors that do not say where, or are otherwise not as they should be.
    wrong: u64,
    hangs: u64,
    slowest: (u64, u64),
}

pub fn show(name: &str, seed: u64, number: u64) {
    let format = Format::of(name);
    std::io::Write::write_all(&mut std::io::stdout(), &format.mutator().make(seed, number)).unwrap();
}

pub fn run(name: &str, seed: u64, inputs: u64) -> ExitCode {
    std::panic::set_hook(Box::new(|info| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        *LAST_PANIC.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = info.to_string();
    }));
    let (tell, told) = channel();
    let owned = name.to_owned();
    let work = move || {
        let mut format = Format::of(&owned);
        for number in 0..inputs {
            let input = format.mutator().make(seed, number);
            let begun = cpu_ms();
            let ended = catch_unwind(AssertUnwindSafe(|| format.take(&input)));
            let took = cpu_ms() - begun;
            if tell.send((number, took, ended.unwrap_or(Ended::Panicked))).is_err() {
                return;
            }
        }
    };
    let worker = std::thread::Builder::new().stack_size(STACK).spawn(work).unwrap();
    let mut tally = Tally::default();
    let mut next = 0;
    loop {
        match told.recv_timeout(STUCK) {
            Ok((number, took, ended)) => {
                next = number + 1;
                note(name, &mut tally, number, took, ended);
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                println!("FAULT T22 format={name} seed={seed} input={next} never ended RESULT=fail");
                std::process::exit(1);
            }
        }
    }
    if worker.join().is_err() {
        eprintln!("{name}: {}", LAST_PANIC.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }
    let Tally { results, errors, wrong, hangs, slowest } = tally;
    let (panics, peak) = (PANICS.load(Ordering::SeqCst), peak_mb());
    let pass = next == inputs && panics + wrong + hangs == 0 && peak < MOST_MB && (inputs < 100 || errors > 0);
    println!(
        "FAULT T22 format={name} seed={seed} inputs={inputs} results={results} errors={errors} unplaced={wrong} \
         panics={panics} hangs={hangs} slowest_ms={} slowest_input={} peak_mb={peak} RESULT={}",
        slowest.0,
        slowest.1,
        if pass { "pass" } else { "fail" },
    );
    ExitCode::from(u8::from(!pass))
}

fn note(name: &str, tally: &mut Tally, number: u64, took: u64, ended: Ended) {
    match ended {
        Ended::Result => tally.results += 1,
        Ended::Error => tally.errors += 1,
        Ended::Wrong(what) => {
            tally.wrong += 1;
            eprintln!("{name} input {number}: {what}");
        }
        Ended::Panicked => {
            let panic = LAST_PANIC.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
            eprintln!("{name} input {number}: {panic}");
        }
    }
    if took > HANG_MS {
        tally.hangs += 1;
        eprintln!("{name} input {number}: {took} ms");
    }
    tally.slowest = tally.slowest.max((took, number));
    debug_assert!(formats::NAMES.contains(&name));
}
