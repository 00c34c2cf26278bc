//! A mail server on loopback: what it takes is given on; it can be busy, refuse addresses, want a password, speak TLS.
#![allow(unreachable_pub, dead_code, reason = "each test uses its part")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The answer to `AUTH PLAIN` of `jobs` with `canary-password`.
const LOGIN: &str = "AUTH PLAIN AGpvYnMAY2FuYXJ5LXBhc3N3b3Jk";

/// A mail as it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub from: String,
    pub to: Vec<String>,
    pub text: String,
    pub logged_in: bool,
}

impl Taken {
    /// A header, unfolded.
    pub fn header(&self, name: &str) -> String {
        let head = self.text.split("\n\n").next().unwrap().replace("\n ", " ");
        let found = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned));
        found.unwrap_or_else(|| panic!("no {name} in {head}"))
    }

    /// The text, as it was before it was made fit for the way.
    pub fn body(&self) -> String {
        let (_, body) = self.text.split_once("\n\n").unwrap();
        match self.header("Content-Transfer-Encoding").as_str() {
            "7bit" => body.to_owned(),
            "quoted-printable" => body.replace("=\n", "").replace("=3D", "="),
            other => panic!("{other}"),
        }
    }
}

/// How it behaves.
#[derive(Debug, Default, Clone)]
pub struct Manners {
    /// It sends everybody away.
    pub is_busy: bool,
    /// Recipients that it refuses.
    pub refused: BTreeSet<String>,
    pub wants_login: bool,
}

pub struct Smtp {
    pub port: u16,
    pub manners: Arc<Mutex<Manners>>,
    taken: Receiver<Taken>,
}

/// A certificate for `localhost` of its own, and its text.
pub fn certificate() -> (Arc<ServerConfig>, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    (Arc::new(config), made.cert.pem())
}

impl Smtp {
    /// One that speaks TLS from the first byte on, if there is a certificate.
    pub fn start(manners: Manners, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let manners = Arc::new(Mutex::new(manners));
        let (sender, taken) = channel();
        let shared = Arc::clone(&manners);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (manners, tls, sender) = (shared.lock().unwrap().clone(), tls.clone(), sender.clone());
                std::thread::spawn(move || {
                    // who breaks off has its reasons
                    let _broken_off = match tls {
                        None => talk(stream, &manners, &sender),
                        Some(tls) => {
                            talk(StreamOwned::new(ServerConnection::new(tls).unwrap(), stream), &manners, &sender)
                        }
                    };
                });
            }
        });
        Self { port, manners, taken }
    }

    /// The next mail that it takes.
    #[track_caller]
    pub fn next(&self) -> Taken {
        self.taken.recv_timeout(Duration::from_secs(90)).expect("no mail came")
    }

    /// A mail that it has taken already.
    pub fn now(&self) -> Option<Taken> {
        self.taken.try_recv().ok()
    }

    pub fn behave(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut self.manners.lock().unwrap());
    }
}

trait Peer: Read + Write {}
impl Peer for TcpStream {}
impl Peer for StreamOwned<ServerConnection, TcpStream> {}

/// One connection, to its end.
fn talk(peer: impl Peer, manners: &Manners, sender: &Sender<Taken>) -> std::io::Result<()> {
    let mut peer = BufReader::new(peer);
    if manners.is_busy {
        return say(&mut peer, "421 too busy, come back later");
    }
    say(&mut peer, "220 localhost")?;
    let mut mail = Taken { from: String::new(), to: Vec::new(), text: String::new(), logged_in: false };
    loop {
        let Some(line) = hear(&mut peer)? else { return Ok(()) };
        let word = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match word.as_str() {
            "EHLO" => say(&mut peer, "250-localhost\r\n250-8BITMIME\r\n250 AUTH PLAIN")?,
            "AUTH" => {
                mail.logged_in = line == LOGIN;
                say(&mut peer, if mail.logged_in { "235 welcome" } else { "535 canary-password is wrong" })?;
            }
            "MAIL" if manners.wants_login && !mail.logged_in => say(&mut peer, "530 who are you?")?,
            "MAIL" => {
                mail.from = address(&line);
                say(&mut peer, "250 yes")?;
            }
            "RCPT" if manners.refused.contains(&address(&line)) => say(&mut peer, "550 nobody of that name")?,
            "RCPT" => {
                mail.to.push(address(&line));
                say(&mut peer, "250 yes")?;
            }
            "DATA" => {
                say(&mut peer, "354 go on")?;
                while let Some(line) = hear(&mut peer)?.filter(|line| line != ".") {
                    mail.text.push_str(line.strip_prefix('.').unwrap_or(&line));
                    mail.text.push('\n');
                }
                let _nobody_looks = sender.send(mail.clone());
                (mail.to, mail.text) = (Vec::new(), String::new());
                say(&mut peer, "250 taken")?;
            }
            "QUIT" => return say(&mut peer, "221 goodbye"),
            _ => say(&mut peer, "500 what?")?,
        }
    }
}

fn address(line: &str) -> String {
    line.split(['<', '>']).nth(1).unwrap_or_default().to_owned()
}

fn say(peer: &mut BufReader<impl Peer>, line: &str) -> std::io::Result<()> {
    peer.get_mut().write_all(format!("{line}\r\n").as_bytes())?;
    peer.get_mut().flush()
}

fn hear(peer: &mut BufReader<impl Peer>) -> std::io::Result<Option<String>> {
    let mut line = String::new();
    let is_there = peer.read_line(&mut line)? > 0;
    Ok(is_there.then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
}
