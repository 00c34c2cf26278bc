//! From the driver's errors to the port's: in the server's words, without what must not be shown.

use jobpipe_core::StoreError;
use mongodb::error::{Error, ErrorKind};
use std::collections::BTreeSet;

/// The longest word of a server or driver that is passed on.
const LONGEST: usize = 400;

/// Codes of an answer from a server that is not, or no longer, the primary, or is shutting down: nothing was done.
const NOT_PRIMARY: [i32; 8] = [10107, 13435, 13436, 10058, 189, 91, 11600, 11602];
/// A document with that key is there.
pub(crate) const DUPLICATE: i64 = 11000;
/// Another write was at the same document: to be repeated.
pub(crate) const CONFLICT: i32 = 112;
/// Not authorized, authentication failed, the same from a hosted service; bad values: an option that the server lacks.
const REFUSALS: [i32; 5] = [13, 18, 8000, 2, 72];
/// The disk is full.
const NO_SPACE: i32 = 14031;

/// What went wrong inside a call: the driver's word, or the port's already.
#[derive(Debug)]
pub(crate) enum Fault {
    Driver(Box<Error>),
    /// The server's word in an answer that is otherwise a good one.
    Answer(String),
    /// Another write was at the same document.
    Conflict,
    Store(StoreError),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Driver(Box::new(error))
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<mongodb::bson::error::Error> for Fault {
    fn from(error: mongodb::bson::error::Error) -> Self {
        Self::Answer(format!("its answer cannot be read: {error}"))
    }
}

impl Fault {
    /// True when repeating the request at once may do: its connection broke, or the primary has changed.
    pub(crate) fn is_passing(&self) -> bool {
        let error = match self {
            Self::Driver(error) => error,
            Self::Conflict => return true,
            Self::Answer(_) | Self::Store(_) => return false,
        };
        match error.kind.as_ref() {
            ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. } => true,
            ErrorKind::Command(command) => NOT_PRIMARY.contains(&command.code) || command.code == CONFLICT,
            _ => false,
        }
    }

    /// The word of a server that refuses this user or this request, whenever it is asked.
    pub(crate) fn refusal(&self) -> Option<String> {
        let Self::Driver(error) = self else { return None };
        let refused = match error.kind.as_ref() {
            ErrorKind::Authentication { .. } | ErrorKind::IncompatibleServer { .. } => true,
            ErrorKind::InvalidTlsConfig { .. } => true,
            ErrorKind::Command(command) => REFUSALS.contains(&command.code),
            _ => false,
        };
        refused.then(|| word(error))
    }

    /// The error of the port.
    pub(crate) fn told(self, place: &Place) -> StoreError {
        let error = match self {
            Self::Store(error) => return error,
            Self::Answer(word) => return place.unavailable(&word),
            Self::Conflict => return place.unavailable("other writes were at the same document, twice"),
            Self::Driver(error) => error,
        };
        match error.kind.as_ref() {
            ErrorKind::Command(command) if command.code == NO_SPACE => {
                StoreError::NoSpace { path: place.to_string(), message: place.clean(&word(&error)) }
            }
            _ => place.unavailable(&word(&error)),
        }
    }
}

/// The error in a line, without the driver's wrapping.
pub(crate) fn word(error: &Error) -> String {
    match error.kind.as_ref() {
        ErrorKind::Command(command) => {
            let name = if command.code_name.is_empty() { String::new() } else { format!(" {}", command.code_name) };
            format!("{} (code {}{name})", command.message, command.code)
        }
        ErrorKind::ServerSelection { message, .. } => no_server(message),
        kind => kind.to_string(),
    }
}

/// Why no server can be used, out of the driver's view of all of them.
fn no_server(message: &str) -> String {
    let errors: BTreeSet<&str> =
        message.split("Error: Kind: ").skip(1).filter_map(|rest| rest.split(", labels:").next()).collect();
    if errors.is_empty() {
        return format!("no server can be used: {message}");
    }
    format!("no server can be used: {}", errors.into_iter().collect::<Vec<_>>().join("; "))
}

/// Where a store is, as it may be shown, and what may not.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    shown: String,
    secrets: Vec<String>,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Place {
    /// `shown` is without credentials; `secrets` are cut out of whatever is said about the place.
    pub(crate) fn new(shown: String, secrets: Vec<String>) -> Self {
        Self { shown, secrets: secrets.into_iter().filter(|secret| !secret.is_empty()).collect() }
    }

    /// `word` without secrets, and not too long.
    pub(crate) fn clean(&self, word: &str) -> String {
        let mut clean = word.to_owned();
        for secret in &self.secrets {
            clean = clean.replace(secret, "***");
        }
        if clean.chars().count() > LONGEST {
            clean = clean.chars().take(LONGEST).chain(['…']).collect();
        }
        clean
    }

    /// It is not known what became of a call.
    pub(crate) fn unavailable(&self, word: &str) -> StoreError {
        StoreError::Unavailable { message: format!("{self}: {}", self.clean(word)) }
    }

    /// The store cannot be used as it is.
    pub(crate) fn unusable(&self, word: &str) -> StoreError {
        StoreError::Unusable { path: self.to_string(), message: self.clean(word) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_told_and_no_word_is_endless() {
        let place = Place::new("mongodb://db/jobpipe".to_owned(), vec!["hunter2".to_owned(), String::new()]);
        let error = place.unavailable("user jobs with hunter2 was refused").to_string();
        assert!(error.contains("mongodb://db/jobpipe") && error.contains("with *** was refused"), "{error}");
        assert!(error.contains("JP504"), "{error}");
        assert!(place.unusable(&"é".repeat(9_000)).to_string().chars().count() < 600);
    }

    #[test]
    fn of_servers_that_cannot_be_used_the_reasons_are_told() {
        let view = "Server selection timeout: No available servers. Topology: { Type: Unknown, Servers: [ \
            { Address: a:1, Type: Unknown, Error: Kind: I/O error: refused, labels: {}, source: None }, \
            { Address: b:1, Type: Unknown, Error: Kind: I/O error: timed out, labels: {}, source: None }, \
            { Address: c:1, Type: Unknown, Error: Kind: I/O error: refused, labels: {}, source: None } ] }";
        assert_eq!(no_server(view), "no server can be used: I/O error: refused; I/O error: timed out");
        assert!(no_server("No available servers. Topology: { Type: ReplicaSetNoPrimary }").contains("NoPrimary"));
    }

    #[test]
    fn a_broken_connection_passes_and_a_refusal_does_not() {
        let broken = Error::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        assert!(Fault::from(broken).is_passing());
        assert!(!Fault::from(Error::custom("no")).is_passing());
        assert!(!Fault::Answer("no".to_owned()).is_passing());
    }
}
