//! The HTTP client against real servers on loopback.

#![expect(clippy::unwrap_used, reason = "what serves a test may fail it")]

mod answers;
mod politeness;
mod safety;
mod site;
