//! How the broker is, for whoever asks.

use crate::link::LinkState;
use std::fmt;
use std::time::Duration;

/// How a broker's connections are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerState {
    /// Both connections are up, and messages are taken.
    Connected,
    /// The broker takes no messages (its memory or disk is short), but gives them.
    Blocked {
        /// For how long.
        lasts: Duration,
        /// The broker's words.
        why: String,
    },
    /// A connection is away, and is made anew until it is there.
    Reconnecting {
        /// For how long.
        lasts: Duration,
        /// What the last try met, for each address.
        why: String,
    },
    /// Closed by this process.
    Closed,
}

impl BrokerState {
    /// The worse of two links.
    pub(crate) fn of(publish: &LinkState, consume: &LinkState) -> Self {
        for link in [publish, consume] {
            match link {
                LinkState::Down(since, why) => {
                    return Self::Reconnecting { lasts: since.elapsed(), why: why.to_string() };
                }
                LinkState::Closed => return Self::Closed,
                LinkState::Up(_) => {}
            }
        }
        if let LinkState::Up(session) = publish
            && let Some((since, why)) = session.blocked()
        {
            return Self::Blocked { lasts: since.elapsed(), why: why.to_string() };
        }
        Self::Connected
    }
}

impl fmt::Display for BrokerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected => f.write_str("connected"),
            Self::Blocked { lasts, why } => write!(f, "the broker takes no messages for {lasts:.0?}: {why}"),
            Self::Reconnecting { lasts, why } => write!(f, "reconnecting for {lasts:.0?}: {why}"),
            Self::Closed => f.write_str("closed"),
        }
    }
}
