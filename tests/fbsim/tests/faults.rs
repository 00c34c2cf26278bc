//! The fault plan over real connections: what the client sees, and what was executed all the same.

#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod client;

use client::{Sim, answer, code};
use fbsim::{FaultPlan, FaultRule, OpKind, Settings, When};
use reqwest::Method;
use serde_json::json;
use std::time::Duration;

async fn sim_with(at: When, op: OpKind, kind: &str) -> Sim {
    let sim = Sim::start(Settings::default()).await;
    let rule = FaultRule { op: Some(op), next: Some(1), ..FaultRule::new(at, kind.parse().unwrap()) };
    sim.handle.set_faults(FaultPlan { seed: 0, rules: vec![rule] }).unwrap();
    sim
}

#[tokio::test]
async fn a_reset_before_executes_nothing_and_one_after_executes_all() {
    for (at, executed) in [(When::BeforeExec, 0), (When::AfterExec, 1)] {
        let sim = sim_with(at, OpKind::Create, "reset").await;
        let error = sim.call(Method::POST, "acme/feed").form(&[("message", "a")]).send().await.unwrap_err();
        assert!(error.is_request() && !error.is_connect() && !error.is_timeout(), "{error:?}");
        assert_eq!(sim.handle.effects().len(), executed, "{at:?}");
        sim.create("acme", "b", "https://jobs.test/").await;
        assert_eq!(sim.handle.effects().len(), executed + 1, "the next call is answered");
    }
}

#[tokio::test]
async fn a_timeout_leaves_the_client_waiting() {
    for (at, executed) in [(When::BeforeExec, 0), (When::AfterExec, 1)] {
        let sim = sim_with(at, OpKind::Create, "timeout").await;
        let mut call = Box::pin(sim.call(Method::POST, "acme/feed").form(&[("message", "a")]).send());
        // it has come, and what is to be executed is, while the client waits
        let struck = async {
            while sim.handle.report().totals.calls == 0 || sim.handle.effects().len() < executed {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            answer = &mut call => panic!("{at:?}: {answer:?}"),
            () = struck => {}
        }
        assert!(tokio::time::timeout(Duration::from_millis(300), call).await.is_err(), "{at:?}");
        assert_eq!(sim.handle.effects().len(), executed, "{at:?}");
    }
}

#[tokio::test]
async fn a_shutdown_ends_calls_that_hang() {
    let sim = sim_with(When::BeforeExec, OpKind::Read, "timeout").await;
    let call = sim.call(Method::GET, "acme");
    let hanging = tokio::spawn(async move { call.send().await.is_err() });
    while sim.handle.report().totals.calls == 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::timeout(Duration::from_secs(4), sim.handle.shutdown()).await.unwrap();
    assert!(hanging.await.unwrap());
}

#[tokio::test]
async fn errors_have_their_status_code_and_subcode() {
    let cases = [
        ("500/2", 500, (2, None)),
        ("400/4", 400, (4, None)),
        ("80001", 400, (80001, Some(2_446_079))),
        ("190/460", 400, (190, Some(460))),
        ("368/1390008", 400, (368, Some(1_390_008))),
    ];
    for (kind, status, wanted) in cases {
        let sim = sim_with(When::BeforeExec, OpKind::Create, kind).await;
        let (got, body) = sim.post("acme/feed", &[("message", "a")]).await;
        assert_eq!((got.as_u16(), code(&body)), (status, wanted), "{kind}");
        assert_eq!(sim.handle.effects().len(), 0, "{kind}");
    }
}

#[tokio::test]
async fn a_lie_after_the_execution() {
    for (kind, status, wanted) in [
        ("500/1", 500, None),
        ("empty", 200, Some("")),
        ("truncated", 200, Some("{\"id\":\"acme_12")),
        ("success_false", 200, Some("{\"success\":false}")),
        ("html502", 502, None),
    ] {
        let sim = sim_with(When::AfterExec, OpKind::Create, kind).await;
        let response = sim.call(Method::POST, "acme/feed").form(&[("message", "a")]).send().await.unwrap();
        assert_eq!(response.status(), status, "{kind}");
        let body = response.text().await.unwrap();
        assert!(wanted.is_none_or(|wanted| body == wanted), "{kind}: {body}");
        assert_eq!(sim.handle.effects().len(), 1, "{kind}");
    }
}

#[tokio::test]
async fn a_refused_call_is_not_made_better_by_a_fault_after_it() {
    let sim = sim_with(When::AfterExec, OpKind::Create, "success_false").await;
    assert_eq!(code(&sim.post("acme/feed", &[]).await.1).0, 100);
}

#[tokio::test]
async fn a_delayed_write_is_executed_after_the_client_has_gone() {
    let sim = Sim::start(Settings::default()).await;
    let rule = json!({ "kind": "delayed_exec", "ms": 1_500, "op": "create", "nth": [1] });
    assert_eq!(sim.control("faults", json!({ "rules": [rule] })).await.0, 200);
    let call = sim.call(Method::POST, "acme/feed").form(&[("message", "late")]);
    assert!(call.send().await.is_err());
    assert_eq!(sim.handle.effects().len(), 0);
    let executed = async {
        while sim.handle.effects().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), executed).await.unwrap();
    assert_eq!(sim.handle.effects()[0].message, "late");
}

#[tokio::test]
async fn a_delayed_write_does_not_survive_a_reset_of_the_world() {
    let sim = Sim::start(Settings::default()).await;
    let rule = json!({ "kind": "delayed_exec", "ms": 50, "page": "acme" });
    sim.control("faults", json!({ "rules": [rule] })).await;
    assert!(sim.call(Method::POST, "acme/feed").form(&[("message", "old")]).send().await.is_err());
    sim.control("reset", json!({})).await;
    // A second delayed write with the same delay, sent later, is executed later: its effect is the signal.
    sim.control("faults", json!({ "rules": [{ "kind": "delayed_exec", "ms": 50 }] })).await;
    assert!(sim.call(Method::POST, "acme/feed").form(&[("message", "new")]).send().await.is_err());
    let executed = async {
        while sim.handle.effects().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), executed).await.unwrap();
    let messages: Vec<_> = sim.handle.effects().into_iter().map(|effect| effect.message).collect();
    assert_eq!(messages, ["new"]);
}

#[tokio::test]
async fn reads_lag_behind_writes() {
    let sim = Sim::start(Settings::default()).await;
    let old = sim.create("acme", "old", "https://jobs.test/").await;
    let lag = json!({ "read_lag_ms": 3_600_000 });
    assert_eq!(sim.control("settings", lag).await.0, 200);
    assert_eq!(sim.get("acme/published_posts").await.1, json!({ "data": [] }));
    assert_eq!(code(&sim.get(&old).await.1), (100, Some(33)), "as right after a real create");
    assert_eq!(sim.post(&old, &[("message", "new")]).await.0, 200, "writes do not lag");
    sim.control("settings", json!({ "read_lag_ms": 0 })).await;
    assert_eq!(sim.get(&old).await.1["message"], "new");
}

#[tokio::test]
async fn listings_come_short_empty_twice_or_with_a_hole() {
    let listed = async |kind: &str| {
        let sim = Sim::start(Settings::default()).await;
        for number in 0..4 {
            sim.create("acme", &format!("{number}"), "https://jobs.test/").await;
        }
        let rule = json!({ "kind": kind, "op": "read", "next": 1 });
        assert_eq!(sim.control("faults", json!({ "seed": 3, "rules": [rule] })).await.0, 200);
        let mut pages: Vec<Vec<String>> = Vec::new();
        let mut after = String::new();
        loop {
            let (_, page) = sim.get(&format!("acme/published_posts?fields=message&limit=2&after={after}")).await;
            let messages = page["data"].as_array().unwrap().iter();
            pages.push(messages.map(|post| post["message"].as_str().unwrap().to_owned()).collect());
            if page["paging"].get("next").is_none() {
                return pages;
            }
            after = page["paging"]["cursors"]["after"].as_str().unwrap().to_owned();
        }
    };
    assert_eq!(listed("short_page").await, [vec!["3"], vec!["2", "1"], vec!["0"]]);
    assert_eq!(listed("empty_page").await, [vec![], vec!["3", "2"], vec!["1", "0"]]);
    assert_eq!(listed("dup_page").await, [vec!["3", "2"], vec!["3", "2"], vec!["1", "0"]]);
    assert_eq!(listed("read_omits").await, [vec![], vec!["1", "0"]]);
}

#[tokio::test]
async fn faults_are_chosen_by_page_and_refused_when_they_mean_nothing() {
    let sim = Sim::start(Settings::default()).await;
    let rule = json!({ "kind": "500/2", "page": "b" });
    sim.control("faults", json!({ "rules": [rule] })).await;
    assert_eq!(sim.get("a").await.0, 200);
    assert_eq!(sim.get("b").await.0, 500);
    let url = format!("{}/__sim/faults", sim.handle.base_url);
    let (_, plan) = answer(sim.http.get(url)).await;
    assert_eq!((&plan["seen"], &plan["struck"]), (&json!([1]), &json!([1])));
    let (status, body) = sim.control("faults", json!({ "rules": [{ "kind": "empty" }] })).await;
    assert_eq!(status, 400);
    assert!(body["error"].as_str().unwrap().contains("after_exec"), "{body}");
}
