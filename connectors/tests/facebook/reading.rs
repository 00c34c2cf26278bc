//! Reading a page back: all of our posts, or an error.

use crate::harness::{Bench, TARGET, assert_silent, bench, bench_of, export, plan, row, simulator};
use fbsim::{FaultPlan, FaultRule, Handle, OpKind, When};
use jobpipe_core::{EffectAnswer, EffectCall, ErrorClass, FoundPost, Op, Rendered, Sink};
use serde_json::json;
use std::collections::BTreeSet;

/// `count` posts of ours; their ids.
async fn fill(bench: &Bench, count: usize) -> BTreeSet<String> {
    let mut posts = BTreeSet::new();
    for key in 0..count {
        posts.insert(bench.created(TARGET, &key.to_string()).await);
    }
    posts
}

fn ids(found: &[FoundPost]) -> BTreeSet<String> {
    let ids: BTreeSet<String> = found.iter().map(|post| post.post.clone()).collect();
    assert_eq!(ids.len(), found.len(), "a post was found twice");
    ids
}

fn reads(sim: &Handle, kind: &str, change: impl FnOnce(&mut FaultRule)) {
    sim.set_faults(plan(OpKind::Read, When::BeforeExec, kind, change)).unwrap();
}

#[tokio::test]
async fn every_post_of_ours_is_found_over_many_pages() {
    let sim = simulator().await;
    let bench = bench(&sim.base_url);
    let posts = fill(&bench, 230).await;
    let found = bench.sink.probe(TARGET, 0).await.unwrap();
    assert_eq!(ids(&found), posts);
    let one = found.iter().find(|post| post.marker == bench.sink.marker(&row(TARGET, "17"))).unwrap();
    assert_eq!(one.identity.as_deref(), Some("https://acme.test/jobs/17"));
    let effects = sim.effects();
    let made = effects.iter().find(|effect| effect.post == one.post).unwrap();
    assert_eq!(one.created_at, made.time_ms / 1000 * 1000);
    let since = bench.sink.probe(TARGET, made.time_ms).await.unwrap();
    assert!(ids(&since).contains(&one.post), "{since:?}");
    assert!(bench.sink.probe("facebook:1002", 0).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_a_post_shows_is_compared_as_what_is_rendered_until_somebody_edits_it() {
    let sim = simulator().await;
    for link in [Some(".url"), None] {
        let bench = bench_of(&sim.base_url, export(&["acme-paris"], None, "  $title\n\n  in $city ", link));
        let row = row(TARGET, if link.is_some() { "linked" } else { "told" });
        let body =
            json!({"title": "Nurse \u{1f3e5}", "city": "Lyon\r\nFrance", "url": "https://acme.test/1?x=%20y#apply"});
        let Ok(Rendered::Content { content, payload }) = bench.sink.render(&row, &body) else { panic!("{row:?}") };
        let marker = bench.sink.marker(&row);
        let call = EffectCall { row, op: Op::Create, post: None, payload };
        let EffectAnswer::Done { post: Some(post) } = bench.sink.apply(TARGET, &call).await else { panic!("{link:?}") };
        let shown = async || {
            let found = bench.sink.probe(TARGET, 0).await.unwrap();
            found.into_iter().find(|found| found.post == post).map(|found| (found.marker, found.identity, found.hash))
        };
        let confirmed = Some((marker, Some(content.identity.clone()), content.hash.clone()));
        assert_eq!(shown().await, confirmed, "{link:?}");
        let said = call.payload["message"].as_str().unwrap();
        assert!(sim.admin_edit(&post, &format!("New! {said}")).unwrap());
        let edited = shown().await.unwrap();
        assert_eq!(Some((edited.0, edited.1)), confirmed.map(|(marker, identity, _)| (marker, identity)));
        assert!(edited.2.is_some() && edited.2 != content.hash, "{link:?}");
        let update = EffectCall { op: Op::Update, post: Some(post.clone()), ..call };
        let answer = bench.sink.apply(TARGET, &update).await;
        assert!(matches!(answer, EffectAnswer::Done { .. }), "{answer:?}");
        assert_eq!(shown().await.unwrap().2, content.hash, "set back");
    }
}

#[tokio::test]
async fn a_post_that_a_person_made_with_our_link_is_told_from_ours() {
    let sim = simulator().await;
    let bench = bench(&sim.base_url);
    let ours = fill(&bench, 2).await;
    let link = sim.effects()[0].link.clone();
    let shared = sim.admin_post("1001", "look at this", link.as_deref()).unwrap();
    let found = bench.sink.probe(TARGET, 0).await.unwrap();
    let foreign = |wanted: bool| {
        found.iter().filter(|post| post.foreign == wanted).map(|post| post.post.clone()).collect::<BTreeSet<_>>()
    };
    assert_eq!((foreign(false), foreign(true)), (ours, BTreeSet::from([shared.clone()])));
    let of = |post: &str| &found.iter().find(|found| found.post == post).unwrap().marker;
    assert_eq!(of(&shared), of(&sim.effects()[0].post));
}

#[tokio::test]
async fn odd_listings_are_read_to_the_end_all_the_same() {
    let sim = simulator().await;
    let bench = bench(&sim.base_url);
    let posts = fill(&bench, 120).await;
    for kind in ["short_page", "empty_page", "dup_page"] {
        for nth in [1, 2] {
            reads(&sim, kind, |rule| rule.nth = Some(vec![nth]));
            assert_eq!(ids(&bench.sink.probe(TARGET, 0).await.unwrap()), posts, "{kind} {nth}");
        }
    }
}

#[tokio::test]
async fn a_failed_call_of_a_reading_is_repeated_and_an_incomplete_reading_is_an_error() {
    let sim = simulator().await;
    let bench = bench(&sim.base_url);
    let posts = fill(&bench, 120).await;
    for kind in ["500/2", "reset", "html502", "400/1"] {
        reads(&sim, kind, |rule| rule.nth = Some(vec![1, 3]));
        assert_eq!(ids(&bench.sink.probe(TARGET, 0).await.unwrap()), posts, "{kind}");
        reads(&sim, kind, |rule| rule.nth = Some((2..=12).collect()));
        let error = bench.sink.probe(TARGET, 0).await.unwrap_err();
        assert_eq!((error.class, error.code.as_str()), (ErrorClass::Transient, "JP311"), "{kind}");
        assert_silent(&format!("{error:?}"));
    }
    for kind in ["empty", "truncated", "success_false"] {
        sim.set_faults(plan(OpKind::Read, When::AfterExec, kind, |_| {})).unwrap();
        assert_eq!(bench.sink.probe(TARGET, 0).await.unwrap_err().code, "JP311", "{kind}");
    }
    for (kind, class, code) in [
        ("190/460", ErrorClass::Auth, "JP302"),
        ("10", ErrorClass::Auth, "JP303"),
        ("100/33", ErrorClass::Auth, "JP309"),
        ("100", ErrorClass::Transient, "JP311"),
        ("80001", ErrorClass::Throttled, "JP301"),
    ] {
        reads(&sim, kind, |_| {});
        let error = bench.sink.probe(TARGET, 0).await.unwrap_err();
        assert_eq!((error.class, error.code.as_str()), (class, code), "{kind}: {}", error.message);
    }
}

#[tokio::test]
async fn a_lagging_read_lacks_what_is_new_and_shows_it_later() {
    let sim = simulator().await;
    let bench = bench(&sim.base_url);
    let old = fill(&bench, 1).await;
    reads(&sim, "read_lag", |rule| rule.ms = Some(3_600_000));
    assert!(bench.sink.probe(TARGET, 0).await.unwrap().is_empty());
    sim.set_faults(FaultPlan::default()).unwrap();
    assert_eq!(ids(&bench.sink.probe(TARGET, 0).await.unwrap()), old);
}

#[tokio::test]
async fn a_post_whose_answer_was_lost_is_found_by_its_marker_and_so_is_its_double() {
    let sim = simulator().await;
    let bench = bench(&sim.base_url);
    sim.set_faults(plan(OpKind::Create, When::AfterExec, "reset", |_| {})).unwrap();
    for _ in 0..2 {
        let answer = bench.create(TARGET, "1").await;
        assert!(matches!(answer, EffectAnswer::Unknown(_)), "{answer:?}");
        // Another post between the two, or the simulator holds the second for a repetition.
        bench.create(TARGET, "2").await;
    }
    let marker = bench.sink.marker(&row(TARGET, "1"));
    let found = bench.sink.probe(TARGET, 0).await.unwrap();
    assert_eq!(found.iter().filter(|post| post.marker == marker).count(), 2);
    assert_eq!(found.len(), 4);
}
