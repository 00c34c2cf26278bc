//! jobpipe-expr
