//! A bare client of the simulator, as the tests need it.
#![allow(dead_code, reason = "each test file uses its own part of it")]

use fbsim::{FbSim, Handle, Options, Settings};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::Value;

pub(crate) struct Sim {
    pub(crate) handle: Handle,
    pub(crate) http: Client,
}

pub(crate) fn http() -> Client {
    // The client is built for TLS too and wants a provider, though nothing here speaks it. A second call is refused,
    // and that is fine.
    drop(rustls::crypto::ring::default_provider().install_default());
    Client::builder().no_proxy().build().unwrap()
}

impl Sim {
    pub(crate) async fn start(settings: Settings) -> Self {
        Self::with(Options { settings, ..Options::default() }).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        Self { handle: FbSim::start(options).await.unwrap(), http: http() }
    }

    pub(crate) fn call(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}/v26.0/{path}", self.handle.base_url)).bearer_auth("token")
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(self.call(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> (StatusCode, Value) {
        answer(self.call(Method::POST, path).form(form)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> (StatusCode, Value) {
        answer(self.call(Method::DELETE, path)).await
    }

    pub(crate) async fn create(&self, page: &str, message: &str, link: &str) -> String {
        let (status, body) = self.post(&format!("{page}/feed"), &[("message", message), ("link", link)]).await;
        assert_eq!(status, 200, "{body}");
        body["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn control(&self, path: &str, body: Value) -> (StatusCode, Value) {
        answer(self.http.post(format!("{}/__sim/{path}", self.handle.base_url)).json(&body)).await
    }
}

pub(crate) async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

/// `(code, subcode)` of a Graph error.
pub(crate) fn code(body: &Value) -> (u64, Option<u64>) {
    let error = &body["error"];
    assert!(error["fbtrace_id"].is_string() && error["type"].is_string() && error["message"].is_string(), "{body}");
    (error["code"].as_u64().unwrap(), error["error_subcode"].as_u64())
}
