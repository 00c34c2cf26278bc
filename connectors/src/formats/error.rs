//! What is wrong with the content of an answer. The caller knows the URL and puts it in front.

use jobpipe_core::{ErrorClass, TaskError};

/// Why an answer cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Something else came where a page should be.
    #[error("the answer is not an HTML page ({what}): check the URL, or read it with another source such as `json:`")]
    NotHtml {
        /// What came.
        what: String,
    },
    /// A page nested or grown beyond what a person would write.
    #[error("the page is refused: {what}")]
    HtmlTooBig {
        /// Which bound.
        what: &'static str,
    },
    /// Nothing came where JSON should be.
    #[error("the answer is empty, where JSON should be: check the URL; it is asked for again")]
    JsonEmpty,
    /// The JSON ends too early.
    #[error(
        "the JSON answer is cut in half: it ends after {bytes} bytes, in line {line}; it is asked for again; if it stays so, ask the source's operator"
    )]
    JsonCut {
        /// Bytes that came.
        bytes: usize,
        /// Where it ends.
        line: usize,
    },
    /// A web page came where JSON should be.
    #[error(
        "the answer is an HTML page, not JSON: check the URL; sources often answer with a page when the path is wrong or `auth:` is missing"
    )]
    JsonIsHtml,
    /// Not JSON.
    #[error("the answer is not JSON ({why}): check the URL, or read it with another source such as `html:`")]
    NotJson {
        /// What the parser says, with line and column.
        why: String,
    },
}

impl FormatError {
    /// The stable code, `JP120` to `JP124`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotHtml { .. } => "JP120",
            Self::HtmlTooBig { .. } => "JP121",
            Self::JsonEmpty | Self::JsonCut { .. } => "JP122",
            Self::JsonIsHtml => "JP123",
            Self::NotJson { .. } => "JP124",
        }
    }

    /// What is done about it: what was cut may come whole the next time.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::JsonEmpty | Self::JsonCut { .. } => ErrorClass::Transient,
            Self::NotHtml { .. } | Self::HtmlTooBig { .. } | Self::JsonIsHtml | Self::NotJson { .. } => {
                ErrorClass::Permanent
            }
        }
    }

    /// The error of a task that read `url` (as people may see it).
    #[must_use]
    pub fn at(&self, url: &str) -> TaskError {
        TaskError {
            class: self.class(),
            code: self.code().to_owned(),
            message: format!("{url}: {self}"),
            retry_after_ms: None,
        }
    }
}
