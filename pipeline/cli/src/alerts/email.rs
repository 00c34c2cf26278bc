//! Mail: to a server that is public or allowed, over TLS unless it is on this machine or in an allowed network without it.

use super::message::{Message, Origin};
use super::ways::LONGEST;
use crate::exit::{Failure, Outcome};
use crate::load::Process;
use jobpipe_config::settings::{Email, Loaded, MailServer};
use jobpipe_connectors::http::{Guard, Refusal};
use lettre::address::Envelope;
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use secrecy::ExposeSecret;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, UNIX_EPOCH};

/// How long one address of the server may take to be connected to.
const CONNECT: Duration = Duration::from_secs(5);
/// The longest part of what a server says that is told on, in characters.
const LONGEST_WORDS: usize = 200;

/// A mail server, and for whom it takes messages.
pub(super) struct Mail {
    server: MailServer,
    /// Which addresses it may have.
    guard: Guard,
    credentials: Option<Credentials>,
    hello: ClientId,
    from: Mailbox,
    to: Vec<Mailbox>,
}

/// Why a mail was not taken. Never holds the password.
#[derive(Debug)]
pub(super) enum MailError {
    /// The server refused this one.
    Refused(String),
    /// It takes none now.
    Down(String),
}

/// How much a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protection {
    /// TLS from the first byte on.
    Wrapped,
    /// STARTTLS, or nothing is sent.
    Upgraded,
    /// STARTTLS where it is offered.
    Offered,
    /// None.
    Plain,
}

impl Mail {
    /// That of a project.
    pub(super) fn of(loaded: &Loaded, email: &Email, machine: &str) -> Outcome<Self> {
        let mailbox = |key: &str, text: &str| -> Outcome<Mailbox> {
            text.parse().map_err(|error| Failure::usage(format!("notify.email.{key}: `{text}` is no address: {error}")))
        };
        let credentials = match (&email.user, &email.password) {
            (Some(user), Some(password)) => {
                let password = password
                    .resolve(&Process::of(&loaded.project))
                    .map_err(|error| Failure::usage(format!("notify.email.password: {error} ({})", error.code())))?;
                // a file ends its last line, which is no part of the password
                let password = password.expose_secret().trim_end_matches(['\r', '\n']).to_owned();
                Some(Credentials::new(user.clone(), password))
            }
            _ => None,
        };
        let hello = if machine.contains('.') { ClientId::Domain(machine.to_owned()) } else { ClientId::default() };
        Ok(Self {
            guard: Guard::new(loaded.settings.allow_private.clone(), vec![email.server.port], BTreeMap::new()),
            server: email.server.clone(),
            credentials,
            hello,
            from: mailbox("from", &email.from)?,
            to: email.to.iter().map(|text| mailbox("to", text)).collect::<Outcome<_>>()?,
        })
    }

    /// How many people get each message.
    pub(super) fn recipients(&self) -> usize {
        self.to.len()
    }

    /// Sends a message to one of them; the others are named in it.
    pub(super) async fn send(&self, to: usize, message: &Message, origin: &Origin) -> Result<(), MailError> {
        let Some(recipient) = self.to.get(to) else { return Ok(()) };
        let made = self.made(recipient, message, origin);
        let (envelope, text) = made.map_err(|why| MailError::Refused(format!("no mail can be made of it: {why}")))?;
        let late = |_| MailError::Down(format!("{}: no answer within {} s", self.server, LONGEST.as_secs()));
        tokio::time::timeout(LONGEST, self.deliver(recipient, &envelope, &text)).await.map_err(late)?
    }

    fn made(
        &self,
        to: &Mailbox,
        message: &Message,
        origin: &Origin,
    ) -> Result<(Envelope, Vec<u8>), lettre::error::Error> {
        let Message { import, state, at, .. } = message;
        let envelope = Envelope::new(Some(self.from.email.clone()), vec![to.email.clone()])?;
        // one message has one id, however often it has to be sent
        let id = format!("<{at}.{state}.{import}@{}>", self.from.email.domain());
        let automatic = HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
        let mut mail = lettre::Message::builder().from(self.from.clone()).message_id(Some(id));
        mail = mail.date(UNIX_EPOCH + Duration::from_millis(u64::try_from(*at).unwrap_or(0)));
        for one in &self.to {
            mail = mail.to(one.clone());
        }
        let mail = mail.subject(message.subject(origin)).raw_header(automatic).header(ContentType::TEXT_PLAIN);
        Ok((envelope, mail.body(message.body(origin))?.formatted()))
    }

    async fn deliver(&self, to: &Mailbox, envelope: &Envelope, text: &[u8]) -> Result<(), MailError> {
        let mut connection = self.connection().await?;
        if let Some(credentials) = &self.credentials {
            let login = connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await;
            login.map_err(|error| {
                // its words may repeat what was sent
                let why = error
                    .status()
                    .map_or_else(|| words(&error), |code| format!("user and password are refused ({code})"));
                MailError::Down(format!("{}: {why}", self.server))
            })?;
        }
        let sent = connection.send(envelope, text).await;
        let refused = |error: SmtpError| match error.status() {
            Some(_) => MailError::Refused(format!("{} to {}: {}", self.server, to.email, words(&error))),
            None => self.down(&error),
        };
        sent.map_err(refused)?;
        // it was taken: how the server says goodbye does not matter
        connection.abort().await;
        Ok(())
    }

    /// Tries the server's addresses one after the other, until one can be spoken to.
    async fn connection(&self) -> Result<AsyncSmtpConnection, MailError> {
        let mut last = MailError::Down(format!("{}: it has no address", self.server));
        for ip in self.addresses().await.map_err(MailError::Down)? {
            match self.connect(ip, protection(&self.server, ip)).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn connect(&self, ip: IpAddr, protection: Protection) -> Result<AsyncSmtpConnection, MailError> {
        let first = if protection == Protection::Wrapped { Some(self.tls()?) } else { None };
        let address = SocketAddr::new(ip, self.server.port);
        let connected = AsyncSmtpConnection::connect_tokio1(address, Some(CONNECT), &self.hello, first, None).await;
        let mut connection = connected.map_err(|error| self.down(&error))?;
        match protection {
            Protection::Wrapped | Protection::Plain => {}
            Protection::Offered if !connection.can_starttls() => {}
            Protection::Upgraded if !connection.can_starttls() => {
                return Err(MailError::Down(format!("{}: it offers no STARTTLS; is it smtps:?", self.server)));
            }
            Protection::Offered | Protection::Upgraded => {
                connection.starttls(self.tls()?, &self.hello).await.map_err(|error| self.down(&error))?;
            }
        }
        Ok(connection)
    }

    /// Certificates must be those of the server's name, whatever address it has.
    fn tls(&self) -> Result<TlsParameters, MailError> {
        TlsParameters::new(self.server.host.clone()).map_err(|error| self.down(&error))
    }

    fn down(&self, error: &SmtpError) -> MailError {
        MailError::Down(format!("{}: {}", self.server, words(error)))
    }

    /// Where the server is; one address that may not be asked refuses its name.
    async fn addresses(&self) -> Result<Vec<IpAddr>, String> {
        let Self { server, guard, .. } = self;
        let found = tokio::net::lookup_host((server.host.as_str(), server.port)).await;
        let found = found.map_err(|error| format!("{server}: its address is not known: {error}"))?;
        let mut addresses: Vec<IpAddr> = Vec::new();
        for ip in found.map(|address| address.ip()) {
            guard.check_address(ip, server.port).map_err(|refusal| {
                format!(
                    "{server}: {refusal}; the operator can open a network with JOBPIPE_ALLOW_PRIVATE or `allow_private:` \
                     in the environment's settings"
                )
            })?;
            if !addresses.contains(&ip) {
                addresses.push(ip);
            }
        }
        Ok(addresses)
    }
}

/// How a connection to the server's address `ip` is protected.
fn protection(server: &MailServer, ip: IpAddr) -> Protection {
    let nothing_allowed = Guard::new(Vec::new(), vec![server.port], BTreeMap::new());
    match nothing_allowed.check_address(ip, server.port) {
        _ if server.is_smtps => Protection::Wrapped,
        _ if ip.to_canonical().is_loopback() => Protection::Plain,
        Err(Refusal::Private(_)) => Protection::Offered,
        _ => Protection::Upgraded,
    }
}

/// What an error says, in one bounded line.
fn words(error: &SmtpError) -> String {
    let line: String = error.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    crate::terminal::cut(line.trim(), LONGEST_WORDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_on_this_machine_must_speak_tls() {
        let of = |server: &str, ip: &str| protection(&server.parse().unwrap(), ip.parse().unwrap());
        assert_eq!(of("smtp://mail.test", "8.8.8.8"), Protection::Upgraded);
        assert_eq!(of("smtp://mail.test:25", "2606:4700::1"), Protection::Upgraded);
        assert_eq!(of("smtp://mail.test", "10.1.2.3"), Protection::Offered);
        assert_eq!(of("smtp://mail.test", "fd00::1"), Protection::Offered);
        assert_eq!(of("smtp://mail.test", "127.0.0.1"), Protection::Plain);
        assert_eq!(of("smtp://mail.test", "::1"), Protection::Plain);
        assert_eq!(of("smtp://mail.test", "::ffff:127.0.0.1"), Protection::Plain);
        for ip in ["8.8.8.8", "10.1.2.3", "127.0.0.1"] {
            assert_eq!(of("smtps://mail.test", ip), Protection::Wrapped);
        }
    }

    #[tokio::test]
    async fn nothing_is_sent_to_who_should_speak_tls_and_does_not() {
        use std::io::{BufRead, BufReader, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"220 hello\r\n").unwrap();
            let mut heard = Vec::new();
            for line in BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok) {
                heard.push(line);
                stream.write_all(b"250-hello\r\n250 AUTH PLAIN\r\n").unwrap();
            }
            heard
        });
        let mail = Mail {
            server: format!("smtp://127.0.0.1:{port}").parse().unwrap(),
            guard: Guard::default(),
            credentials: Some(Credentials::new("jobs".into(), "canary".into())),
            hello: ClientId::default(),
            from: "a@acme.test".parse().unwrap(),
            to: Vec::new(),
        };
        let connected = mail.connect("127.0.0.1".parse().unwrap(), Protection::Upgraded).await;
        assert!(matches!(connected, Err(MailError::Down(why)) if why.contains("no STARTTLS")));
        assert_eq!(heard.join().unwrap(), ["EHLO [127.0.0.1]"]);
    }
}
