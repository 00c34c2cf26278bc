//! Who is told of trouble with deployed imports.

use super::SecretRef;
use crate::grammar::{GrammarError, Period};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use url::{Host, Url};

/// People that one message goes to, at most.
pub(super) const MOST_RECIPIENTS: usize = 20;

/// Who is told of trouble with deployed imports, and of what. Nobody, unless there is a `webhook`, an `email` or a `command`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Notify {
    /// The URL that gets a JSON object by POST for each message, as a secret: `$ALERTS_URL`.
    pub webhook: Option<SecretRef>,
    /// Messages by e-mail.
    pub email: Option<Email>,
    /// A program and its arguments: `[./page-me.sh, --team, web]`. It gets the object on its standard input, from the project's folder. Operators only: not in `jobpipe.yml`.
    pub command: Option<Vec<String>>,
    /// An import without a run that succeeded for so long is told, `26h`; absent = never.
    pub fresh: Option<Period>,
    /// The same trouble of an import is told again after so long, `6h` by default.
    pub repeat: Period,
}

impl Notify {
    /// Whether anybody is told.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.webhook.is_some() || self.email.is_some() || self.command.is_some()
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self { webhook: None, email: None, command: None, fresh: None, repeat: Period::from_ms(21_600_000) }
    }
}

/// Messages by e-mail: which server takes them, and for whom they are.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Email {
    /// The mail server: `smtps://mail.acme.test`, TLS from the first byte on, or `smtp://mail.acme.test`, which must offer STARTTLS. Only one at a private address, which must be in `allow_private`, may do without.
    pub server: MailServer,
    /// Who logs in there; absent = nobody does.
    pub user: Option<String>,
    /// The password of `user`, as a secret: `$SMTP_PASSWORD`.
    pub password: Option<SecretRef>,
    /// Whom messages are from: `jobpipe@acme.test`, or with a name, `Imports <jobpipe@acme.test>`.
    pub from: String,
    /// Who gets them: an address, or a list of up to 20.
    pub to: Vec<String>,
}

/// A mail server: `smtps://mail.acme.test`, `smtp://mail.acme.test:2525`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailServer {
    /// TLS from the first byte on.
    pub is_smtps: bool,
    /// Its name or address; one of IPv6 without brackets.
    pub host: String,
    /// 465 for `smtps:` and 587 for `smtp:`, unless another is named.
    pub port: u16,
}

impl FromStr for MailServer {
    type Err = GrammarError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            GrammarError::new(
                "a mail server such as smtps://mail.acme.test or smtp://mail.acme.test:2525, without user and password",
            )
        };
        let url = Url::parse(text.trim()).map_err(|_| wrong())?;
        let is_smtps = match url.scheme() {
            "smtps" => true,
            "smtp" => false,
            _ => return Err(wrong()),
        };
        let host = match url.host() {
            Some(Host::Ipv4(ip)) => ip.to_string(),
            Some(Host::Ipv6(ip)) => ip.to_string(),
            Some(Host::Domain(name)) => name.to_ascii_lowercase(),
            None => return Err(wrong()),
        };
        let is_plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
            && matches!(url.path(), "" | "/");
        // names of other letters are written as the network knows them
        let is_name = host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':'));
        if !is_plain || !is_name || host.is_empty() || url.port() == Some(0) {
            return Err(wrong());
        }
        Ok(Self { is_smtps, host, port: url.port().unwrap_or(if is_smtps { 465 } else { 587 }) })
    }
}

impl fmt::Display for MailServer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_smtps { "smtps" } else { "smtp" };
        match self.host.contains(':') {
            true => write!(out, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(out, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

impl Serialize for MailServer {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl JsonSchema for MailServer {
    fn schema_name() -> Cow<'static, str> {
        "MailServer".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "A mail server: `smtps://mail.acme.test`, `smtp://mail.acme.test:2525`." })
    }
}

/// An address that mail can be sent to, as it is written: `ops@acme.test`, `On call <ops@acme.test>`. What is not seen here
/// is told when a process that sends begins.
pub(super) fn mail_address(text: &str) -> Result<String, GrammarError> {
    let wrong = || GrammarError::new("an address such as ops@acme.test or Imports <jobpipe@acme.test>");
    let text = text.trim();
    let address = match text.strip_suffix('>').map(|rest| rest.rsplit_once('<')) {
        None => text,
        Some(Some((_, address))) => address,
        Some(None) => return Err(wrong()),
    };
    let plain = |part: &str| {
        !part.is_empty() && !part.chars().any(|c| c.is_whitespace() || c.is_control() || "<>,;@\"".contains(c))
    };
    let is_address = address.split_once('@').is_some_and(|(local, domain)| plain(local) && plain(domain));
    let is_bounded = text.len() <= 320 && !text.chars().any(char::is_control);
    if is_address && is_bounded { Ok(text.to_owned()) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_servers_are_read() {
        let shown = |text: &str| text.parse::<MailServer>().map(|server| server.to_string()).ok();
        assert_eq!(shown("smtps://Mail.acme.test").as_deref(), Some("smtps://mail.acme.test:465"));
        assert_eq!(shown("smtp://mail.acme.test/").as_deref(), Some("smtp://mail.acme.test:587"));
        assert_eq!(shown(" smtp://127.0.0.1:25 ").as_deref(), Some("smtp://127.0.0.1:25"));
        assert_eq!(shown("smtp://[::1]:25").as_deref(), Some("smtp://[::1]:25"));
        for wrong in [
            "mail.acme.test",
            "https://mail.acme.test",
            "smtp://",
            "smtp:mail",
            "smtp://user@mail.test",
            "smtp://u:p@mail.test",
            "smtp://mail.test/x",
            "smtp://mail.test?tls=none",
            "smtp://mail.test:0",
            "smtp://mail.test:99999",
            "smtp://ma il.test",
        ] {
            assert_eq!(shown(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn mail_addresses_are_read() {
        for right in ["ops@acme.test", " a.b+c@acme.test ", "On call <ops@acme.test>", "<ops@acme.test>"] {
            assert_eq!(mail_address(right).unwrap(), right.trim());
        }
        for wrong in
            ["", "ops", "@acme.test", "ops@", "a@b@c", "a b@c", "a@b,c@d", "x <ops>", "ops@acme.test>", "a@b\nBcc: c@d"]
        {
            assert!(mail_address(wrong).is_err(), "{wrong}");
        }
    }
}
