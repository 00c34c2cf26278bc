//! jobpipe-connectors
