//! jobpipe-embedded
