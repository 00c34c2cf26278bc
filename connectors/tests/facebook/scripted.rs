//! A server that answers as the test wants, and remembers what it was asked.

use crate::harness::{APP_SECRET, TARGET, assert_silent, bench, settings, token};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, Mac};
use jobpipe_connectors::facebook::{Graph, GraphSettings};
use jobpipe_core::{EffectAnswer, Sink, SystemClock};
use serde_json::{Value as Json, json};
use std::sync::{Arc, Mutex};

type Answer = fn(&Uri) -> Response;

#[derive(Clone)]
struct Script {
    answer: Answer,
    asked: Arc<Mutex<Vec<(Uri, HeaderMap, String)>>>,
}

async fn server(answer: Answer) -> (String, Script) {
    let script = Script { answer, asked: Arc::default() };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(serve).with_state(script.clone());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (url, script)
}

async fn serve(State(script): State<Script>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let answer = (script.answer)(&parts.uri);
    let text = String::from_utf8(body.to_vec()).unwrap();
    script.asked.lock().unwrap().push((parts.uri, parts.headers, text));
    answer
}

impl Script {
    fn asked(&self) -> Vec<(Uri, HeaderMap, String)> {
        self.asked.lock().unwrap().clone()
    }
}

fn json_answer(status: u16, body: &Json) -> Response {
    (StatusCode::from_u16(status).unwrap(), body.to_string()).into_response()
}

fn error(code: u64, message: &str) -> Json {
    json!({"error": {"code": code, "message": message, "fbtrace_id": "T1"}})
}

#[tokio::test]
async fn the_token_travels_in_the_header_alone_with_the_proof_beside_it() {
    let (url, script) = server(|uri| match uri.path() {
        "/v26.0/1001/feed" => json_answer(200, &json!({"id": "1001_5"})),
        _ => json_answer(200, &json!({"data": []})),
    })
    .await;
    let bench = bench(&url);
    bench.created(TARGET, "1").await;
    bench.sink.probe(TARGET, 0).await.unwrap();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(APP_SECRET.as_bytes()).unwrap();
    mac.update(token("1001").as_bytes());
    let proof: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let asked = script.asked();
    assert_eq!(asked.len(), 2);
    for (uri, headers, body) in &asked {
        assert_eq!(headers[header::AUTHORIZATION], format!("Bearer {}", token("1001")));
        assert_silent(&format!("{uri} {body}"));
        assert!(uri.to_string().contains(&proof) ^ body.contains(&proof), "{uri}");
    }
    assert!(asked[0].2.contains("message=Nurse+1+in+Lyon&link=https%3A%2F%2Facme.test"), "{}", asked[0].2);
}

#[tokio::test]
async fn what_facebook_says_about_a_token_is_told_without_the_token() {
    let (url, _) = server(|_| {
        let token = token("1001");
        let short = token.get(..16).unwrap();
        json_answer(400, &error(190, &format!("Malformed access token {token}, again \"{short}...\" and ?t={token}&x")))
    })
    .await;
    let bench = bench(&url);
    let answer = bench.create(TARGET, "1").await;
    let EffectAnswer::Paused(error) = &answer else { panic!("{answer:?}") };
    assert!(error.message.contains("Malformed access token [secret]"), "{}", error.message);
    let reading = bench.sink.probe(TARGET, 0).await.unwrap_err();
    let all = format!("{answer:?} {reading:?} {:?}", bench.sink);
    assert_silent(&all);
    assert!(!all.contains(token("1001").get(..16).unwrap()), "a part of the token is shown: {all}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (url, script) = server(|_| (StatusCode::FOUND, [(header::LOCATION, "/elsewhere")]).into_response()).await;
    let answer = bench(&url).create(TARGET, "1").await;
    assert!(matches!(answer, EffectAnswer::Unknown(_)), "{answer:?}");
    assert_eq!(script.asked().len(), 1);
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let (url, _) = server(|_| " ".repeat(2 << 20).into_response()).await;
    let answer = bench(&url).create(TARGET, "1").await;
    let EffectAnswer::Unknown(error) = answer else { panic!("{answer:?}") };
    assert!(error.message.contains("longer than"), "{}", error.message);
}

#[tokio::test]
async fn a_bare_id_is_made_whole() {
    let (url, _) = server(|_| json_answer(200, &json!({"id": "555"}))).await;
    assert_eq!(bench(&url).created(TARGET, "1").await, "1001_555");
}

#[tokio::test]
async fn the_next_page_is_asked_with_the_cursor_and_never_with_its_address() {
    let (url, script) = server(|uri| {
        let post = |n: u32| {
            json!({"id": format!("1001_{n}"), "created_time": "2026-01-02T18:31:28+0000",
            "message": format!("m\n#ref aaaaaaaaaaaaaaaaaaa{}", char::from(b'a' + n as u8))})
        };
        if uri.query().unwrap().contains("after=CUR") {
            json_answer(200, &json!({"data": [post(2)], "paging": {"cursors": {"after": "END"}}}))
        } else {
            let next = "https://graph.facebook.com/v26.0/1001/published_posts?access_token=leak&after=EVIL";
            json_answer(200, &json!({"data": [post(1)], "paging": {"cursors": {"after": "CUR"}, "next": next}}))
        }
    })
    .await;
    assert_eq!(bench(&url).sink.probe(TARGET, 0).await.unwrap().len(), 2);
    let asked = script.asked();
    assert_eq!(asked.len(), 2);
    assert!(asked.iter().all(|(uri, ..)| uri.path() == "/v26.0/1001/published_posts"));
}

#[tokio::test]
async fn a_listing_without_end_or_cursor_is_incomplete() {
    let answers: [Answer; 2] = [
        |_| json_answer(200, &json!({"data": [], "paging": {"cursors": {"after": "SAME"}, "next": "x"}})),
        |_| json_answer(200, &json!({"data": [], "paging": {"next": "x"}})),
    ];
    for answer in answers {
        let (url, _) = server(answer).await;
        assert_eq!(bench(&url).sink.probe(TARGET, 0).await.unwrap_err().code, "JP311");
    }
}

#[tokio::test]
async fn a_page_that_is_too_much_is_asked_for_in_smaller_parts() {
    let (url, script) = server(|uri| {
        if uri.query().unwrap().contains("limit=25&") {
            json_answer(200, &json!({"data": []}))
        } else {
            json_answer(500, &error(1, "Please reduce the amount of data you're asking for, then retry your request"))
        }
    })
    .await;
    assert_eq!(bench(&url).sink.probe(TARGET, 0).await, Ok(Vec::new()));
    assert_eq!(script.asked().len(), 3);
}

#[test]
fn settings_that_would_show_a_token_are_refused() {
    let make = |settings: GraphSettings| Graph::new(settings, Arc::new(SystemClock::default()));
    for bad in [
        "http://graph.acme.test",
        "ftp://127.0.0.1/",
        "https://user:hidden-word@graph.facebook.com",
        "https://a.test/?x=1",
    ] {
        let refused = make(settings(bad)).unwrap_err().to_string();
        assert!(refused.contains("facebook.graph_url") && !refused.contains("hidden-word"), "{refused}");
    }
    let api = GraphSettings { api: "26".into(), ..settings("https://graph.facebook.com") };
    assert!(make(api).unwrap_err().to_string().contains("v26.0"));
    let open = GraphSettings { allow_http: true, ..settings("http://fbsim:8080") };
    assert!(make(open).is_ok());
    let shown = format!("{:?}", make(settings("https://graph.facebook.com")).unwrap());
    assert_silent(&shown);
}
