//! Servers for the tests, and clients that may speak to them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use jobpipe_config::settings::PrivateRange;
use jobpipe_connectors::http::{HttpClient, HttpLimits, HttpSettings, LocalLimiter};
use jobpipe_core::{Clock, SystemClock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use url::Url;

/// A server and how often it was asked.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    hits: Arc<AtomicUsize>,
}

impl Site {
    /// Serves `routes` on a free port until the test ends.
    pub(crate) async fn serve(routes: Router) -> Self {
        let hits = Arc::new(AtomicUsize::new(0));
        let routes = routes.layer(from_fn_with_state(hits.clone(), count));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { address, hits }
    }

    /// Answers every connection with these bytes, once, and then closes it or (with `hold`) leaves it open.
    pub(crate) async fn raw(bytes: &'static [u8], hold: bool) -> Self {
        let hits = Arc::new(AtomicUsize::new(0));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let counter = hits.clone();
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                let mut request = [0_u8; 4_096];
                let Ok(_bytes) = stream.read(&mut request).await else { continue };
                stream.write_all(bytes).await.ok();
                if hold {
                    held.push(stream);
                }
            }
        });
        Self { address, hits }
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        format!("http://{}{path}", self.address).parse().unwrap()
    }

    pub(crate) fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }
}

async fn count(State(hits): State<Arc<AtomicUsize>>, request: Request, next: Next) -> Response {
    hits.fetch_add(1, Ordering::SeqCst);
    next.run(request).await
}

/// Limits short enough for a test.
pub(crate) fn limits() -> HttpLimits {
    HttpLimits {
        body: 1 << 20,
        header: Duration::from_millis(1_500),
        idle: Duration::from_millis(1_000),
        total: Duration::from_secs(5),
        patience: Duration::from_millis(300),
        ..HttpLimits::default()
    }
}

/// One address and port, opened.
pub(crate) fn open(address: SocketAddr) -> PrivateRange {
    address.to_string().parse().unwrap()
}

/// Settings that open the sites alone.
pub(crate) fn settings(sites: &[&Site]) -> HttpSettings {
    HttpSettings {
        user_agent: "testbot/1 (+https://test.test)".to_owned(),
        allow_private: sites.iter().map(|site| open(site.address)).collect(),
        limits: limits(),
        ..HttpSettings::default()
    }
}

pub(crate) fn client(open: &[&Site]) -> HttpClient {
    client_with(settings(open))
}

pub(crate) fn client_with(settings: HttpSettings) -> HttpClient {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    HttpClient::new(settings, Arc::new(LocalLimiter::new(clock.clone())), clock).unwrap()
}
