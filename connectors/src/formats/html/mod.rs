//! HTML pages: parsed within bounds, and asked with CSS selectors that were compiled once.

mod attributes;
mod bounded;
mod extract;
mod nearest;
mod page;
mod text;

pub use extract::{Extractor, SelectorError, compile_selector};
pub use nearest::nearest_match;
pub use page::Page;
pub use scraper::{ElementRef, Selector};
