//! career-site
