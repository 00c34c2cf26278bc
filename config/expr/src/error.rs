//! What can be wrong with a value: in the file ([`ExprError`]), on a record ([`EvalError`]), in a setting
//! ([`SettingError`]). Codes are `JP040` to `JP059`; none of the messages ever holds a secret.

use std::fmt;

/// Longest error text that comes out of an expression, in bytes: a record may be megabytes long.
pub const MAX_MESSAGE: usize = 512;

/// A mistake in the text of a value, found when the file is read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExprError {
    /// Stable code, `JP040` to `JP051`.
    pub code: &'static str,
    /// Byte offset of the mistake in the text that was compiled.
    pub offset: usize,
    /// Length of the mistake in bytes; 0 at the end of the text.
    pub len: usize,
    /// What is wrong, in lower case.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

/// The codes of [`ExprError`] and [`EvalError`], by what they mean.
pub mod code {
    /// The text is not jq.
    pub const SYNTAX: &str = "JP040";
    /// No such function.
    pub const FUNCTION: &str = "JP041";
    /// No such variable, or no such member of one.
    pub const VARIABLE: &str = "JP042";
    /// A function that imports may not use.
    pub const FORBIDDEN: &str = "JP043";
    /// Too long, too deep, or it calls itself.
    pub const TOO_COMPLEX: &str = "JP044";
    /// A `$` or `${` in text that names nothing.
    pub const PLACEHOLDER: &str = "JP045";
    /// A setting (capitals) where none may stand.
    pub const CAPITALS: &str = "JP046";
    /// Text that looks like an expression.
    pub const LOOKS_LIKE_JQ: &str = "JP047";
    /// A value that would supply the scheme or the host of a URL.
    pub const HOST: &str = "JP048";
    /// A setting that is malformed or mixed with values of the record.
    pub const SETTING: &str = "JP049";
    /// A line break where none may stand.
    pub const LINE_BREAK: &str = "JP050";
    /// Nothing where a value is needed.
    pub const EMPTY: &str = "JP051";
    /// A value inside text is missing.
    pub const MISSING: &str = "JP052";
    /// The expression failed on this record.
    pub const FAILED: &str = "JP053";
    /// More than one value.
    pub const MANY: &str = "JP054";
    /// The expression went over a limit.
    pub const LIMIT: &str = "JP055";
    /// A value that is unsafe where it stands.
    pub const UNSAFE: &str = "JP056";
    /// A value that cannot be put into text.
    pub const NOT_TEXT: &str = "JP057";
    /// A setting that is not set.
    pub const UNSET: &str = "JP058";
    /// A setting whose file cannot be read.
    pub const UNREADABLE: &str = "JP059";
}

impl ExprError {
    pub(crate) fn new(code: &'static str, offset: usize, len: usize, message: impl Into<String>) -> Self {
        ExprError { code, offset, len, message: message.into(), help: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same error in a text where this one's begins at byte `by`.
    #[must_use]
    pub fn shifted(mut self, by: usize) -> Self {
        self.offset += by;
        self
    }
}

/// Why a value could not be computed for one record. Such a record is a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// A value inside text is null or absent.
    #[error("{name} is missing, and text may not hold a missing value: write {instead} for an empty default")]
    MissingValue {
        /// As written: `$city`, `${.a.b}`.
        name: String,
        /// The same with a default: `${.city // ""}`.
        instead: String,
    },
    /// The expression raised an error.
    #[error("`{source_text}` failed: {message}")]
    Failed {
        /// The expression.
        source_text: String,
        /// jq's message, at most [`MAX_MESSAGE`] bytes.
        message: String,
    },
    /// The expression gave two values or more.
    #[error("`{source_text}` gives more than one value: put `[` `]` around it for a list, or `first(...)` for one")]
    ManyValues {
        /// The expression.
        source_text: String,
    },
    /// The expression went over a limit of [`crate::limits`].
    #[error("`{source_text}` was stopped: {limit}")]
    Limit {
        /// The expression.
        source_text: String,
        /// Which limit.
        limit: LimitKind,
    },
    /// A list or a map inside text.
    #[error(
        "{name} is {kind}, which cannot be put into text: write ${{... | join(\", \")}} or pick one of its members"
    )]
    NotText {
        /// As written.
        name: String,
        /// `a list` or `a map`.
        kind: &'static str,
    },
    /// A value that is unsafe where it stands: a line break in a header, `..` in a path.
    #[error("the text of {place} is refused: {reason}")]
    Unsafe {
        /// `a header`, `a path`, `a URL`.
        place: &'static str,
        /// What is wrong with it; never the value itself.
        reason: &'static str,
    },
    /// A setting was asked for as a value of the record.
    #[error("{reference} is a setting: it is read when the run starts, not for each record")]
    Late {
        /// As written.
        reference: String,
    },
}

/// A limit that an expression went over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitKind {
    /// Too many steps.
    Steps,
    /// Too many bytes built.
    Memory,
    /// Calls or values nested too deep.
    Depth,
    /// The result is too large.
    Output,
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LimitKind::Steps => "it takes too many steps",
            LimitKind::Memory => "it builds too much text or too long lists",
            LimitKind::Depth => "it nests too deep",
            LimitKind::Output => "its result is too large",
        })
    }
}

impl EvalError {
    /// Stable code, `JP052` to `JP057`.
    pub fn code(&self) -> &'static str {
        match self {
            EvalError::MissingValue { .. } => code::MISSING,
            EvalError::Failed { .. } => code::FAILED,
            EvalError::ManyValues { .. } => code::MANY,
            EvalError::Limit { .. } => code::LIMIT,
            EvalError::Unsafe { .. } => code::UNSAFE,
            EvalError::NotText { .. } | EvalError::Late { .. } => code::NOT_TEXT,
        }
    }
}

/// Why a setting has no value. Holds the reference, never what it stands for.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// The variable is not set and has no default.
    #[error("${name} is not set: set it in the environment, or write ${{{name}:-default}}")]
    Unset {
        /// Without the `$`.
        name: String,
    },
    /// The file of `${file:PATH}` cannot be read.
    #[error("${{file:{path}}} cannot be read: {source}")]
    Unreadable {
        /// As written.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
}

impl SettingError {
    /// Stable code, `JP058` or `JP059`.
    pub fn code(&self) -> &'static str {
        match self {
            SettingError::Unset { .. } => code::UNSET,
            SettingError::Unreadable { .. } => code::UNREADABLE,
        }
    }
}

/// Cuts `text` to [`MAX_MESSAGE`] bytes at a character, with an ellipsis.
pub(crate) fn bounded(mut text: String) -> String {
    if text.len() > MAX_MESSAGE {
        let end = (0..=MAX_MESSAGE).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}
