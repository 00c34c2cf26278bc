//! A TCP proxy that breaks connections.

use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Debug, Clone, Copy, Default)]
struct Mode {
    /// Raised to end the connections of before.
    cuts: u64,
    /// New connections are ended at once.
    refuses: bool,
    /// Nothing of the broker gets through.
    mute: bool,
    /// Nothing of the client gets through.
    deaf: bool,
}

/// Stands between a client and the broker.
#[derive(Debug)]
pub(crate) struct Proxy {
    mode: Arc<watch::Sender<Mode>>,
    address: SocketAddr,
    url: String,
    accepting: tokio::task::JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Proxy {
    /// In front of the broker at `url`.
    pub(crate) async fn before(url: &str) -> Self {
        let parsed = url::Url::parse(url).unwrap();
        let target = format!("{}:{}", parsed.host_str().unwrap(), parsed.port().unwrap_or(5672));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut own = parsed;
        own.set_host(Some("127.0.0.1")).unwrap();
        own.set_port(Some(address.port())).unwrap();
        let mode = Arc::new(watch::Sender::new(Mode::default()));
        let accepting = tokio::spawn(accept(listener, target, Arc::clone(&mode)));
        Self { mode, address, url: own.to_string(), accepting }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends every connection.
    pub(crate) fn cut(&self) {
        self.mode.send_modify(|mode| mode.cuts += 1);
    }

    /// Ends new connections at once, or no more.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.mode.send_modify(|mode| mode.refuses = refuses);
    }

    /// Holds back what the broker says, or lets it go on.
    pub(crate) fn mute(&self, mute: bool) {
        self.mode.send_modify(|mode| mode.mute = mute);
    }

    /// Holds back everything, or lets it go on.
    pub(crate) fn swallow(&self, swallows: bool) {
        self.mode.send_modify(|mode| (mode.mute, mode.deaf) = (swallows, swallows));
    }
}

async fn accept(listener: TcpListener, target: String, mode: Arc<watch::Sender<Mode>>) {
    while let Ok((client, _)) = listener.accept().await {
        if mode.borrow().refuses {
            continue;
        }
        let (target, mode) = (target.clone(), mode.subscribe());
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(target).await else { return };
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            let cuts = mode.borrow().cuts;
            let mut cut = mode.clone();
            tokio::select! {
                () = pass(from_client, to_server, mode.clone(), |mode| !mode.deaf) => {}
                () = pass(from_server, to_client, mode.clone(), |mode| !mode.mute) => {}
                _ = cut.wait_for(|mode| mode.cuts > cuts) => {}
            }
        });
    }
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut mode: watch::Receiver<Mode>,
    open: impl Fn(&Mode) -> bool,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count) = from.read(&mut buffer).await {
        if count == 0 || mode.wait_for(&open).await.is_err() || to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
