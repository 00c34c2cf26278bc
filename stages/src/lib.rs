//! jobpipe-stages
