//! What several of the measured programs share.

pub mod nothings;
