//! Where a broker is: `amqp[s]://user:password@host:port/vhost`. The password is never shown.

use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use std::fmt;
use std::time::Duration;
use url::Url;

/// Bytes of a frame at most: hints are under 1 KiB. The library keeps 32 of them for each direction of a connection in
/// memory, which were 16 MiB of a process with what brokers suggest. RabbitMQ 4.1 and later take no less than 8 KiB.
const FRAME: u32 = 16 << 10;

/// One broker's address. Shown without its user and password.
#[derive(Clone)]
pub(crate) struct Address {
    uri: AMQPUri,
}

impl Address {
    /// Reads one URL. An error never repeats the URL: a password may stand at an unexpected place in it.
    pub(crate) fn parse(text: &str, heartbeat: Duration) -> Result<Self, String> {
        let url = Url::parse(text.trim()).map_err(|error| format!("the URL of the broker cannot be read: {error}"))?;
        let scheme = match url.scheme() {
            "amqp" => AMQPScheme::AMQP,
            "amqps" => AMQPScheme::AMQPS,
            other => {
                return Err(format!("the URL of a broker begins with amqp:// or amqps://, not with {other}://"));
            }
        };
        let host = url.host_str().unwrap_or_default();
        if host.is_empty() {
            return Err("the URL of the broker names no host: write amqp://user:password@host:5672/vhost".to_owned());
        }
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let username = if url.username().is_empty() { "guest".to_owned() } else { decode(url.username())? };
        let password = url.password().map_or_else(|| Ok("guest".to_owned()), decode)?;
        // `…:5672/` means the default virtual host to everyone but the letter of the scheme
        let vhost = match url.path().trim_start_matches('/') {
            "" => "/".to_owned(),
            path => decode(path)?,
        };
        let seconds = u16::try_from(heartbeat.as_secs()).unwrap_or(u16::MAX);
        let port = url.port().unwrap_or_else(|| scheme.default_port());
        Ok(Self {
            uri: AMQPUri {
                scheme,
                authority: AMQPAuthority { userinfo: AMQPUserInfo { username, password }, host, port },
                vhost,
                query: AMQPQueryString {
                    heartbeat: Some(seconds),
                    frame_max: Some(FRAME),
                    ..AMQPQueryString::default()
                },
            },
        })
    }

    pub(crate) fn uri(&self) -> AMQPUri {
        self.uri.clone()
    }

    pub(crate) fn host(&self) -> &str {
        &self.uri.authority.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.uri.authority.port
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.uri.scheme == AMQPScheme::AMQPS
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host();
        let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
        let vhost = if self.uri.vhost == "/" { "" } else { &self.uri.vhost };
        write!(f, "{}://{open}{host}{close}:{}/{vhost}", self.uri.scheme, self.port())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What `%..` stands for, within one part of a URL.
fn decode(part: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (Some(high), Some(low)) = (hex(after.first()), hex(after.get(1))) else {
            return Err("the URL of the broker has a % that is not followed by two hexadecimal digits".to_owned());
        };
        bytes.push(high * 16 + low);
        rest = after.get(2..).unwrap_or_default();
    }
    String::from_utf8(bytes).map_err(|_| "the URL of the broker has a part that is not UTF-8".to_owned())
}

fn hex(digit: Option<&u8>) -> Option<u8> {
    digit.and_then(|digit| char::from(*digit).to_digit(16)).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address, String> {
        Address::parse(text, Duration::from_secs(10))
    }

    #[test]
    fn reads_every_part() {
        let address = parse("amqps://us%40er:p%2fss@mq.example:5999/v%2Fh").unwrap();
        assert_eq!(address.uri.authority.userinfo.username, "us@er");
        assert_eq!(address.uri.authority.userinfo.password, "p/ss");
        assert_eq!((address.host(), address.port()), ("mq.example", 5999));
        assert_eq!(address.uri.vhost, "v/h");
        assert!(address.is_tls());
        assert_eq!(address.uri.query.heartbeat, Some(10));
    }

    #[test]
    fn knows_the_defaults() {
        for text in ["amqp://localhost", "amqp://localhost/", "amqp://localhost/%2f", "amqp://localhost:5672//"] {
            let address = parse(text).unwrap();
            assert_eq!(address.uri.vhost, "/", "{text}");
            assert_eq!(address.port(), 5672, "{text}");
        }
        assert_eq!(parse("amqps://localhost").unwrap().port(), 5671);
        assert_eq!(parse("amqp://[::1]:5673/v").unwrap().host(), "::1");
    }

    #[test]
    fn never_shows_the_password() {
        let address = parse("amqp://someone:hunter2@localhost/v").unwrap();
        let shown = format!("{address} {address:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("someone"), "{shown}");
        assert_eq!(address.to_string(), "amqp://localhost:5672/v");
        for bad in [
            "http://a:hunter2@localhost",
            "amqp:hunter2",
            "hunter2",
            "amqp://x:hunter2@",
            "amqp://a:hunter2%@h/",
            "amqp://a:hunter2@h:99999/",
        ] {
            let error = parse(bad).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
