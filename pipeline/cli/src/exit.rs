//! How the process ends: the exit status, and the words that go with it.

use crate::terminal;
use jobpipe_core::StoreError;
use jobpipe_engine::EngineError;
use std::process::ExitCode;

/// What the exit status says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All that was asked is done.
    Succeeded,
    /// It failed.
    Failed,
    /// The command line or the import is wrong: nothing was begun.
    Usage,
    /// Done, but for what lies in the dead letters or waits for a person.
    Partial,
    /// The run is closed; its targets still take what their pace lets through.
    Draining,
    /// Stopped by a signal; the run goes on with the next `run`.
    Interrupted,
}

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Succeeded => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Partial => 3,
            Self::Draining => 4,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command ends early.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// For the reader: what, where, what to do. `None` when it was told already.
    pub(crate) message: Option<String>,
}

/// What a command gives back.
pub(crate) type Outcome<T = Exit> = Result<T, Failure>;

impl Failure {
    /// It failed.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, message: Some(message.into()) }
    }

    /// It was asked for wrongly.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: Some(message.into()) }
    }

    /// It was told already.
    pub(crate) fn told(exit: Exit) -> Self {
        Self { exit, message: None }
    }
}

/// Refusals of an engine at work: a definition without the stage of its task, work not given back in time, a bug.
const AT_WORK: [&str; 3] = ["JP521", "JP598", "JP599"];

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        // asking for what does not exist, or is refused, is a matter of the command line
        let exit = if matches!(error, EngineError::Refused { code, .. } if !AT_WORK.contains(&code)) {
            Exit::Usage
        } else {
            Exit::Failed
        };
        Self { exit, message: Some(error.to_string()) }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error.to_string())
    }
}

/// Tells why a command ended early, and gives the status.
pub(crate) fn end(outcome: Outcome) -> Exit {
    match outcome {
        Ok(exit) => exit,
        Err(Failure { exit, message }) => {
            if let Some(message) = message {
                terminal::complain(&format!("error: {message}"));
            }
            exit
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_at_work_is_no_matter_of_the_command_line() {
        for (code, exit) in [("JP520", Exit::Usage), ("JP521", Exit::Failed), ("JP598", Exit::Failed)] {
            let error = EngineError::Refused { code, message: String::new() };
            assert_eq!(Failure::from(error).exit, exit, "{code}");
        }
    }
}
