//! What a hostile source cannot do.

use std::io::Write as _;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use jobpipe_connectors::http::{Auth, HttpCall, HttpError, HttpSettings};

use crate::site::{Site, client, client_with, settings};

fn call(site: &Site, path: &str) -> HttpCall {
    HttpCall { robots: false, ..HttpCall::get(site.url(path)) }
}

fn moved(to: String) -> axum::routing::MethodRouter {
    get(move || async move { (StatusCode::FOUND, [("location", to)]) })
}

#[tokio::test]
async fn loopback_is_closed_unless_opened() {
    let site = Site::serve(Router::new().route("/", get(|| async { "inside" }))).await;
    let closed = client_with(HttpSettings::default());
    let port = site.address.port();
    for host in ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "user@127.0.0.1"] {
        let url = format!("http://{host}:{port}/").parse().unwrap();
        let error = closed.fetch(&HttpCall { robots: false, ..HttpCall::get(url) }).await.expect_err(host);
        assert!(matches!(error, HttpError::Refused { .. }), "{host}: {error}");
        assert!(error.to_string().contains("JOBPIPE_ALLOW_PRIVATE"), "{error}");
    }
    assert_eq!(site.hits(), 0);
}

#[tokio::test]
async fn a_redirect_leads_nowhere_private() {
    let canary = Site::serve(Router::new().route("/", get(|| async { "secret" }))).await;
    let targets = [
        format!("http://{}/", canary.address),
        format!("//localhost:{}/", canary.address.port()),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://[::ffff:10.0.0.1]/".to_owned(),
        "http://8.8.8.8:6379/".to_owned(),
    ];
    for to in targets {
        let site = Site::serve(Router::new().route("/", moved(to.clone()))).await;
        let error = client(&[&site]).fetch(&call(&site, "/")).await.expect_err(&to);
        assert_eq!(error.code(), "JP113", "{to}: {error}");
    }
    for to in ["file:///etc/passwd", "ftp://127.0.0.1/", "data:text/html,x"] {
        let site = Site::serve(Router::new().route("/", moved(to.to_owned()))).await;
        assert_eq!(client(&[&site]).fetch(&call(&site, "/")).await.unwrap_err().code(), "JP112", "{to}");
    }
    assert_eq!(canary.hits(), 0);
}

#[tokio::test]
async fn redirects_end() {
    let site = Site::serve(Router::new().route("/circle", moved("/circle".to_owned())).route(
        "/{n}",
        get(|axum::extract::Path(n): axum::extract::Path<u32>| async move {
            if n == 0 { "there".into_response() } else { Redirect::temporary(&format!("/{}", n - 1)).into_response() }
        }),
    ))
    .await;
    let client = client(&[&site]);
    let there = client.fetch(&call(&site, "/5")).await.unwrap();
    assert_eq!((there.body.as_slice(), there.url.path()), (&b"there"[..], "/0"));
    assert_eq!(client.fetch(&call(&site, "/6")).await.unwrap_err().code(), "JP112");
    let before = site.hits();
    assert_eq!(client.fetch(&call(&site, "/circle")).await.unwrap_err().code(), "JP112");
    assert_eq!(site.hits() - before, 6);
}

#[tokio::test]
async fn credentials_stay_with_their_origin() {
    let seen: Arc<Mutex<Vec<(String, bool)>>> = Arc::default();
    let note = |name: &'static str| {
        let seen = seen.clone();
        move |headers: HeaderMap| async move {
            let secret = headers.contains_key("authorization")
                || headers.contains_key("x-key")
                || headers.contains_key("cookie");
            seen.lock().unwrap().push((name.to_owned(), secret));
            "ok"
        }
    };
    let other = Site::serve(Router::new().route("/", get(note("other")))).await;
    let site = Site::serve(
        Router::new()
            .route("/same", moved("/here".to_owned()))
            .route("/here", get(note("same")))
            .route("/away", moved(other.url("/").to_string())),
    )
    .await;
    let client = client(&[&site, &other]);
    for path in ["/same", "/away"] {
        let mut asked = call(&site, path);
        asked.auth = Some(Auth::Bearer("t".into()));
        asked.headers = vec![("x-key".to_owned(), "k".into()), ("cookie".to_owned(), "c=1".into())];
        client.fetch(&asked).await.unwrap();
    }
    assert_eq!(*seen.lock().unwrap(), [("same".to_owned(), true), ("other".to_owned(), false)]);
}

#[tokio::test]
async fn bombs_end_at_the_limit() {
    let zeros = vec![0_u8; 64 << 20];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&zeros).unwrap();
    let bombs = [
        ("gzip", gzip.finish().unwrap()),
        ("zstd", zstd::encode_all(zeros.as_slice(), 3).unwrap()),
        ("identity", zeros),
    ];
    for (encoding, bytes) in bombs {
        let bytes = axum::body::Bytes::from(bytes);
        let site = Site::serve(
            Router::new().route("/", get(move || async move { ([("content-encoding", encoding)], bytes.clone()) })),
        )
        .await;
        let error = client(&[&site]).fetch(&call(&site, "/")).await.expect_err(encoding);
        assert_eq!(error.code(), "JP111", "{encoding}: {error}");
    }
}

#[tokio::test]
async fn a_fixed_name_leads_to_its_address() {
    let echo = |headers: HeaderMap| async move { headers["host"].to_str().unwrap().to_owned() };
    let site = Site::serve(Router::new().route("/", get(echo))).await;
    let mut settings = settings(&[]);
    settings.hosts.insert("careers.sandbox.test".to_owned(), site.address);
    let client = client_with(settings);
    let get = |url: &str| HttpCall { robots: false, ..HttpCall::get(url.parse().unwrap()) };
    let answer = client.fetch(&get("http://careers.sandbox.test/")).await.unwrap();
    assert_eq!(answer.body, b"careers.sandbox.test");
    assert_eq!(client.fetch(&get("http://careers.sandbox.test:1/")).await.unwrap_err().code(), "JP113");
}
