//! Exports: files are written here; for targets, what an import says becomes a sink of a connector.

mod disk;
mod facebook;
mod jsonl;
mod line;
mod place;
mod whole_file;

pub(crate) use facebook::page_with_token;
pub use facebook::{FacebookTools, SharedLookup, facebook_sink};
pub use jsonl::{JsonlExport, SpecError};
pub use place::FileSettings;

/// The codes of file exports.
///
/// With [`code::NO_SPACE`] and [`code::NOT_WRITABLE`] the machine, not the import, is at fault: nothing is lost, and the
/// run goes on once there is room.
pub mod code {
    /// The disk, or a quota on it, is full.
    pub const NO_SPACE: &str = "JP320";
    /// The folder is read-only or belongs to someone else.
    pub const NOT_WRITABLE: &str = "JP321";
    /// The path is refused, or is that of a folder.
    pub const PATH: &str = "JP322";
    /// The system refuses to write in another way.
    pub const WRITE: &str = "JP323";
    /// The process stops; the file was not written.
    pub const STOPPED: &str = "JP324";
    /// The records could not be read.
    pub const READ: &str = "JP325";
    /// A record cannot be made a line of JSON.
    pub const LINE: &str = "JP326";
}
