//! jobpipe-e2e
