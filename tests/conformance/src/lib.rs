//! jobpipe-conformance
