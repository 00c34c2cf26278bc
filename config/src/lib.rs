//! jobpipe-config
