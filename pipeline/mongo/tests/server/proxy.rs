//! A TCP proxy before the server: connections that break after a request was sent, that nobody answers on, or that are
//! refused.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the proxy does to what passes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Weather {
    Fair,
    /// Every connection is closed, and each new one at once.
    Away,
    /// Requests arrive, answers do not.
    Silent,
}

#[derive(Debug)]
struct State {
    server: String,
    weather: watch::Sender<Weather>,
    /// Requests that hold these bytes get no answer: their connection breaks when the server has answered. How many.
    lose: Mutex<(Vec<u8>, u32)>,
}

/// See the module.
#[derive(Debug)]
pub struct Proxy {
    state: Arc<State>,
    port: u16,
    accepting: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// A proxy before the server of `url`, on a free port.
    pub async fn before(url: &str) -> Self {
        let rest = url.split_once("://").unwrap().1;
        let hosts = rest.split(['/', '?']).next().unwrap();
        let server = hosts.rsplit('@').next().unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (weather, _) = watch::channel(Weather::Fair);
        let state = Arc::new(State { server, weather, lose: Mutex::default() });
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(Arc::clone(&shared), client));
            }
        });
        Self { state, port, accepting }
    }

    /// `url` with the proxy for its server.
    pub fn instead(&self, url: &str) -> String {
        url.replace(&self.state.server, &SocketAddr::from(([127, 0, 0, 1], self.port)).to_string())
    }

    /// The next `times` requests that hold `bytes` are passed on, and their answers lost.
    pub fn lose_answers(&self, bytes: &[u8], times: u32) {
        *self.state.lose.lock().unwrap() = (bytes.to_vec(), times);
    }

    /// How many answers are still to be lost.
    pub fn to_lose(&self) -> u32 {
        self.state.lose.lock().unwrap().1
    }

    pub fn go_away(&self) {
        self.state.weather.send_replace(Weather::Away);
    }

    pub fn fall_silent(&self) {
        self.state.weather.send_replace(Weather::Silent);
    }

    pub fn come_back(&self) {
        self.state.weather.send_replace(Weather::Fair);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.state.weather.send_replace(Weather::Away);
    }
}

async fn pass(state: Arc<State>, client: TcpStream) {
    if *state.weather.borrow() == Weather::Away {
        return;
    }
    let Ok(server) = TcpStream::connect(&state.server).await else { return };
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let (lost, _) = watch::channel(false);
    let mut weather = state.weather.subscribe();
    tokio::select! {
        () = requests(&state, from_client, to_server, &lost) => {}
        () = answers(&state, from_server, to_client, &lost) => {}
        _ = weather.wait_for(|weather| *weather == Weather::Away) => {}
    }
}

async fn requests(state: &State, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, lost: &watch::Sender<bool>) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let request = &bytes[..count];
        if loses(state, request) {
            lost.send_replace(true);
        }
        if to.write_all(request).await.is_err() {
            return;
        }
    }
}

fn loses(state: &State, request: &[u8]) -> bool {
    let mut lose = state.lose.lock().unwrap();
    let (needle, times) = &mut *lose;
    let hit = *times > 0 && request.windows(needle.len()).any(|part| part == needle);
    if hit {
        *times -= 1;
    }
    hit
}

async fn answers(state: &State, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, lost: &watch::Sender<bool>) {
    let mut bytes = vec![0; 1 << 16];
    let mut weather = state.weather.subscribe();
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if *lost.borrow() {
            return;
        }
        if weather.wait_for(|weather| *weather != Weather::Silent).await.is_err() {
            return;
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
