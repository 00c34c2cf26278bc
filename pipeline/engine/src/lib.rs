//! jobpipe-engine
