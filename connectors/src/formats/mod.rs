//! Formats: bytes of an answer as text, JSON values and HTML pages. Pure, and bounded whatever a source sends.

mod charset;
mod error;
pub mod html;
mod json;

pub use charset::{Decoded, decode};
pub use error::FormatError;
pub use json::parse_json;
