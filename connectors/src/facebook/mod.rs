//! Facebook pages as targets: posts with a marker in their link, by which they are found again.
//!
//! [`Graph`] is the Graph API as one process sees it: the HTTP client and the silence that Facebook asked for, shared by
//! all exports. [`FacebookSink`] is one export of one import. What an answer proves is decided in `class`, nowhere else.

mod class;
mod gate;
mod graph;
mod judge;
mod marker;
mod pages;
mod post;
mod probe;
mod redact;
mod sink;
mod usage;

#[cfg(test)]
mod tests;

pub use graph::{Graph, GraphError, GraphSettings};
pub use pages::{Page, Pages, PagesError};
pub use sink::{FacebookSink, PageNames, PostExport};

/// The codes of this connector's errors.
pub mod code {
    /// Nothing was sent: the API could not be reached.
    pub const UNREACHABLE: &str = "JP300";
    /// Facebook wants silence: a rate limit.
    pub const THROTTLED: &str = "JP301";
    /// The page's token is refused or missing.
    pub const TOKEN: &str = "JP302";
    /// The token is good but may not do this.
    pub const PERMISSION: &str = "JP303";
    /// Facebook blocks the page's posts for a time.
    pub const BLOCKED: &str = "JP304";
    /// The content is refused.
    pub const CONTENT: &str = "JP305";
    /// The post does not exist.
    pub const ABSENT: &str = "JP306";
    /// It may or may not have been done.
    pub const UNKNOWN: &str = "JP307";
    /// Facebook holds it for a repetition.
    pub const DUPLICATE: &str = "JP308";
    /// The page is not in the settings, or not as Facebook knows it.
    pub const PAGE: &str = "JP309";
    /// The export cannot make a post of a record.
    pub const RENDER: &str = "JP310";
    /// The posts of a page could not be read to the end.
    pub const READ: &str = "JP311";
    /// Facebook says that it did not delete the post.
    pub const NOT_DELETED: &str = "JP312";
    /// Facebook cannot read the link of the post.
    pub const LINK: &str = "JP313";
    /// `facebook` of the settings cannot be used.
    pub const SETTINGS: &str = "JP314";
}
