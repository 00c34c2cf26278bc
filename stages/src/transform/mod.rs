//! Transforms: records into the records that are wanted. Pure.

mod definition;
mod sources;
mod stage;

pub use stage::TransformStage;

#[cfg(test)]
mod tests;
