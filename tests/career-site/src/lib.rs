//! A sample career site on loopback: what the sandbox and the tests crawl.
//!
//! The same job offers as HTML (listing pages that lead to detail pages), as a paged JSON API and as an RSS feed,
//! with robots.txt, `ETag` and `Last-Modified`. The offers follow from a seed. Addresses in answers are built from the
//! request's `Host`, so a fixed host name that is mapped to the site makes the same keys whatever its port.
//!
//! Tests change the offers and make single pages fail, by [`Handle`] or by `POST /__site/...`, and read in the report
//! what was asked for, how often and how fast.

mod answers;
mod api;
mod clock;
mod conditional;
mod control;
mod feed;
mod html;
mod log;
mod offers;
mod resource;
mod server;
mod site;

pub use answers::{Answer, Rule, Target};
pub use log::{Entry, PathReport, Report};
pub use offers::{Offer, Status};
pub use server::{CareerSite, Handle, Options, StartError};
pub use site::ChangeError;
