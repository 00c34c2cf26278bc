//! The short form of T22, for every commit: some of the inputs of each format. `scripts/fuzz` takes all of them.

#![allow(clippy::unwrap_used, reason = "a test without its program must fail")]

use std::process::Command;

/// Inputs of each format; `JOBPIPE_FUZZ_INPUTS` says another number.
const INPUTS: &str = "500";

#[test]
fn mutated_inputs_end_with_a_result_or_an_error() {
    let inputs = std::env::var("JOBPIPE_FUZZ_INPUTS").unwrap_or_else(|_| INPUTS.to_owned());
    let output = Command::new(env!("CARGO_BIN_EXE_fuzz")).args(["--inputs", &inputs]).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    print!("{out}");
    assert!(output.status.success(), "{out}\n{err}");
    let lines: Vec<&str> = out.lines().filter(|line| line.starts_with("FAULT T22 format=")).collect();
    assert_eq!(lines.len(), 11, "one line for each format:\n{out}");
    assert!(
        lines.iter().all(|line| line.contains(&format!(" inputs={inputs} ")) && line.ends_with("RESULT=pass")),
        "{out}"
    );
}
