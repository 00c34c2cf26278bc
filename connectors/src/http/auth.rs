//! Credentials of a call. They live here between being read and being sent, and print as `***`.

use base64::Engine as _;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

/// How a call proves who asks.
#[derive(Clone)]
pub enum Auth {
    /// `Authorization: Bearer TOKEN`
    Bearer(SecretString),
    /// `Authorization: Basic base64(USER:PASSWORD)`
    Basic {
        /// The user.
        user: SecretString,
        /// The password.
        password: SecretString,
    },
}

impl Auth {
    /// The value of the `Authorization` header, marked sensitive; `None` where the secret cannot stand in a header.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let text = match self {
            Self::Bearer(token) => format!("Bearer {}", token.expose_secret()),
            Self::Basic { user, password } => {
                let pair = format!("{}:{}", user.expose_secret(), password.expose_secret());
                format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
            }
        };
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bearer(_) => "Bearer(***)",
            Self::Basic { .. } => "Basic(***)",
        })
    }
}
