//! The facebook sink against the simulator, its faults included, and against a scripted server where an answer is needed
//! that the simulator does not give.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod answers;
mod harness;
mod quiet;
mod reading;
mod rendering;
mod scripted;
