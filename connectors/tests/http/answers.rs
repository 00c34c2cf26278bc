//! What comes back, and how failures are told.

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use jobpipe_connectors::http::{Auth, HttpCall, HttpError, HttpLimits};
use jobpipe_core::{ErrorClass, TaskError};
use std::time::Duration;

use crate::site::{Site, client, limits};

fn call(site: &Site, path: &str) -> HttpCall {
    HttpCall { robots: false, ..HttpCall::get(site.url(path)) }
}

async fn fail(site: &Site, path: &str) -> HttpError {
    client(&[site]).fetch(&call(site, path)).await.expect_err(path)
}

#[tokio::test]
async fn a_page_with_its_headers() {
    let site = Site::serve(Router::new().route("/a", get(|| async { ([("etag", "\"1\"")], "hello") }))).await;
    let answer = client(&[&site]).fetch(&call(&site, "/a?x=1#f")).await.unwrap();
    assert_eq!(
        (answer.status, answer.body.as_slice(), answer.url.as_str()),
        (200, &b"hello"[..], site.url("/a?x=1#f").as_str())
    );
    assert_eq!(answer.content_type(), "text/plain; charset=utf-8");
    assert_eq!(answer.headers["etag"], "\"1\"");
}

#[tokio::test]
async fn method_headers_body_and_agent_arrive() {
    let echo = |headers: HeaderMap, body: String| async move {
        let of = |name: &str| headers.get(name).map_or("-", |value| value.to_str().unwrap()).to_owned();
        format!("{} {} {} {} {body}", of("user-agent"), of("x-team"), of("authorization"), of("content-type"))
    };
    let site = Site::serve(Router::new().route("/", post(echo))).await;
    let mut asked = call(&site, "/");
    asked.method = reqwest::Method::POST;
    asked.headers = vec![("X-Team".to_owned(), "crawl".into())];
    asked.auth = Some(Auth::Basic { user: "u".into(), password: "p".into() });
    asked.body = Some(("application/json".to_owned(), b"{}".to_vec()));
    let answer = client(&[&site]).fetch(&asked).await.unwrap();
    let text = String::from_utf8(answer.body).unwrap();
    assert_eq!(text, "testbot/1 (+https://test.test) crawl Basic dTpw application/json {}");
}

#[tokio::test]
async fn every_status_has_its_class_code_and_remedy() {
    let status = |code: u16| get(move || async move { StatusCode::from_u16(code).unwrap() });
    let mut routes = Router::new();
    for code in [400, 401, 403, 404, 408, 410, 418, 429, 500, 502, 503] {
        routes = routes.route(&format!("/{code}"), status(code));
    }
    let site = Site::serve(routes).await;
    let expected = [
        (400, ErrorClass::Permanent, "JP110", "`query:`"),
        (401, ErrorClass::Permanent, "JP107", "`auth:`"),
        (403, ErrorClass::Permanent, "JP107", "`auth:`"),
        (404, ErrorClass::Missing, "JP105", "check the link"),
        (408, ErrorClass::Transient, "JP109", "tried again"),
        (410, ErrorClass::Missing, "JP105", "check the link"),
        (418, ErrorClass::Permanent, "JP110", "`headers:`"),
        (429, ErrorClass::Transient, "JP108", "lower `rate:`"),
        (500, ErrorClass::Transient, "JP109", "tried again"),
        (502, ErrorClass::Transient, "JP109", "tried again"),
        (503, ErrorClass::Transient, "JP109", "tried again"),
    ];
    for (status, class, code, remedy) in expected {
        let path = format!("/{status}?page=2&token=hush");
        let error = TaskError::from(fail(&site, &path).await);
        assert_eq!((error.class, error.code.as_str()), (class, code), "{status}");
        assert!(error.message.contains(remedy) && error.message.contains("page=2"), "{}", error.message);
        assert!(!error.message.contains("hush"), "{}", error.message);
    }
}

#[tokio::test]
async fn a_refused_credential_is_told_and_never_shown() {
    let site = Site::serve(Router::new().route("/", get(|| async { StatusCode::FORBIDDEN }))).await;
    let mut asked = call(&site, "/");
    asked.auth = Some(Auth::Bearer("very-secret".into()));
    asked.headers = vec![("x-key".to_owned(), "also-secret".into())];
    let error = client(&[&site]).fetch(&asked).await.unwrap_err();
    assert_eq!((error.class(), error.code()), (ErrorClass::Auth, "JP106"));
    let printed = format!("{asked:?} {error:?} {error}");
    assert!(!printed.contains("very-secret") && !printed.contains("also-secret"), "{printed}");
}

#[tokio::test]
async fn a_secret_that_cannot_be_sent_is_not_shown_either() {
    let site = Site::serve(Router::new()).await;
    let mut asked = call(&site, "/");
    asked.auth = Some(Auth::Bearer("broken\nsecret".into()));
    let error = client(&[&site]).fetch(&asked).await.unwrap_err();
    assert_eq!((error.code(), site.hits()), ("JP118", 0));
    assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
}

#[tokio::test]
async fn headers_of_the_connection_are_not_an_imports() {
    let site = Site::serve(Router::new()).await;
    for name in ["Host", "content-length", "Transfer-Encoding", "bad name"] {
        let mut asked = call(&site, "/");
        asked.headers = vec![(name.to_owned(), "x".into())];
        assert_eq!(client(&[&site]).fetch(&asked).await.unwrap_err().code(), "JP118", "{name}");
    }
    assert_eq!(site.hits(), 0);
}

#[tokio::test]
async fn unreachable_unknown_and_not_tls() {
    let site = Site::serve(Router::new()).await;
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut open = crate::site::settings(&[&site]);
    open.allow_private.push(crate::site::open(gone));
    // what answers for a name may be far away
    open.limits = HttpLimits { header: Duration::from_secs(60), ..limits() };
    let client = crate::site::client_with(open);
    let error = |url: String| {
        let client = &client;
        async move { client.fetch(&HttpCall { robots: false, ..HttpCall::get(url.parse().unwrap()) }).await.unwrap_err() }
    };
    let unreachable = error(format!("http://{gone}/")).await;
    assert_eq!((unreachable.code(), unreachable.class()), ("JP101", ErrorClass::Transient), "{unreachable}");
    let unknown = error("http://no-such-host.invalid/".to_owned()).await;
    assert_eq!((unknown.code(), unknown.class()), ("JP102", ErrorClass::Transient), "{unknown}");
    assert!(unknown.to_string().contains("`no-such-host.invalid`"), "{unknown}");
    let plain = error(format!("https://{}/", site.address)).await;
    assert_eq!((plain.code(), plain.class()), ("JP103", ErrorClass::Transient), "{plain}");
}

#[tokio::test]
async fn a_connection_that_breaks_or_stalls() {
    let cut = Site::raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", false).await;
    assert_eq!(fail(&cut, "/").await.code(), "JP117");
    let stalled = Site::raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", true).await;
    let error = fail(&stalled, "/").await;
    assert!(matches!(error, HttpError::Timeout { limit, .. } if limit == limits().idle), "{error}");
    let silent = Site::raw(b"", true).await;
    let error = fail(&silent, "/").await;
    assert!(matches!(error, HttpError::Timeout { limit, .. } if limit == limits().header), "{error}");
    let nonsense = Site::raw(b"SSH-2.0-OpenSSH_9.2\r\n", false).await;
    assert_eq!(fail(&nonsense, "/").await.code(), "JP117");
}
