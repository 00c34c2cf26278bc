//! jq, closed in: compiled by jaq, run on our own values under a budget.

mod access;
mod arithmetic;
mod check;
mod data;
mod dates;
mod functions;
mod html;
pub mod limits;
mod natives;
mod num;
mod numbers;
mod order;
mod program;
mod reach;
mod reads;
mod regexes;
mod straight;
mod val;
mod wording;

pub use functions::functions;
pub(crate) use program::{Program, would_run};
pub(crate) use val::Val;

#[cfg(test)]
mod tests;
