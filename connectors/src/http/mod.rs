//! HTTP as a polite and careful crawler speaks it: guarded addresses, bounded answers, robots.txt, rates per host.

mod address;
mod auth;
mod body;
mod call;
mod client;
mod error;
mod limiter;
mod redirect;
mod resolver;
mod robots;
mod server_words;
mod settings;
mod shown;
mod transport;

pub use address::{Guard, Refusal};
pub use auth::Auth;
pub use call::{HttpAnswer, HttpCall};
pub use client::HttpClient;
pub use error::HttpError;
pub use limiter::LocalLimiter;
pub use reqwest::Method;
pub use resolver::GuardedResolver;
pub use server_words::{http_date, retry_after};
pub use settings::{HttpLimits, HttpSettings};
pub use shown::{shown_url, shown_url_text};
