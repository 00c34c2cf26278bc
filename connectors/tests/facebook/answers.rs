//! What every kind of answer proves, by what the simulator executed.

use crate::harness::{Bench, TARGET, assert_silent, bench, hasty, plan, settings, simulator, token};
use fbsim::{Handle, OpKind, When};
use jobpipe_connectors::facebook::{Graph, GraphSettings};
use jobpipe_core::{EffectAnswer, ErrorClass, Sink};
use std::sync::Arc;
use std::time::Duration;

use fbsim::When::{AfterExec, BeforeExec};

/// The answer in a word, and its error if it has one.
fn word(answer: &EffectAnswer) -> (&'static str, &str) {
    match answer {
        EffectAnswer::Done { .. } => ("done", ""),
        EffectAnswer::Wait { whole_target: true, error, .. } => ("wait", &error.code),
        EffectAnswer::Wait { error, .. } => ("wait-row", &error.code),
        EffectAnswer::Rejected(error) => ("rejected", &error.code),
        EffectAnswer::Absent(error) => ("absent", &error.code),
        EffectAnswer::Paused(error) => ("paused", &error.code),
        EffectAnswer::Unknown(error) => ("unknown", &error.code),
    }
}

/// A fault, what the sink says, and whether the simulator executed the call.
type Case = (When, &'static str, (&'static str, &'static str), bool);

async fn under_fault(sim: &Handle, op: OpKind, case: &Case) {
    let (at, kind, expected, executed) = case;
    let sink = bench(&sim.base_url);
    let post = if op == OpKind::Create { String::new() } else { sink.created(TARGET, "1").await };
    let before = sim.effects().len();
    sim.set_faults(plan(op, *at, kind, |rule| rule.ms = Some(1).filter(|_| *kind == "delayed_exec"))).unwrap();
    let sink = if *kind == "timeout" { hasty(&sim.base_url) } else { sink };
    let answer = call(&sink, op, &post).await;
    assert_eq!(word(&answer), *expected, "{op:?} {at:?} {kind}: {answer:?}");
    if *kind == "timeout" && *executed {
        // on a busy machine the simulator may come to it when the client has gone
        while sim.effects().len() == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    if *kind != "delayed_exec" {
        assert_eq!(sim.effects().len() > before, *executed, "{op:?} {at:?} {kind}");
    }
    assert_silent(&format!("{answer:?}"));
    sim.reset().unwrap();
    sim.set_faults(fbsim::FaultPlan::default()).unwrap();
}

async fn call(sink: &Bench, op: OpKind, post: &str) -> EffectAnswer {
    match op {
        OpKind::Create => sink.create(TARGET, "1").await,
        OpKind::Update => sink.update(post, "Doctor").await,
        OpKind::Delete => sink.delete(post).await,
        OpKind::Read => unreachable!("no effect is a read"),
    }
}

const UNKNOWN: (&str, &str) = ("unknown", "JP307");
const LIMIT: (&str, &str) = ("wait", "JP301");
const TOKEN: (&str, &str) = ("paused", "JP302");
const MAY_NOT: (&str, &str) = ("paused", "JP303");
const BLOCK: (&str, &str) = ("wait", "JP304");
const CONTENT: (&str, &str) = ("rejected", "JP305");

/// What no operation can know the end of.
const AMBIGUOUS: [Case; 13] = [
    (BeforeExec, "reset", UNKNOWN, false),
    (AfterExec, "reset", UNKNOWN, true),
    (BeforeExec, "timeout", UNKNOWN, false),
    (AfterExec, "timeout", UNKNOWN, true),
    (BeforeExec, "delayed_exec", UNKNOWN, true),
    (BeforeExec, "500/2", UNKNOWN, false),
    (AfterExec, "500/1", UNKNOWN, true),
    (AfterExec, "400/2", UNKNOWN, true),
    (BeforeExec, "html502", UNKNOWN, false),
    (AfterExec, "empty", UNKNOWN, true),
    (AfterExec, "truncated", UNKNOWN, true),
    (BeforeExec, "503/190", UNKNOWN, false),
    (BeforeExec, "400/424242", UNKNOWN, false),
];

/// What says for every operation that nothing was done.
const DEFINITE: [Case; 17] = [
    (BeforeExec, "400/4", LIMIT, false),
    (BeforeExec, "80001", LIMIT, false),
    (BeforeExec, "17/2446079", LIMIT, false),
    (BeforeExec, "613/1996", LIMIT, false),
    (BeforeExec, "32", LIMIT, false),
    (BeforeExec, "341", LIMIT, false),
    (BeforeExec, "429/7", LIMIT, false),
    (BeforeExec, "368/1390008", BLOCK, false),
    (BeforeExec, "403/368", BLOCK, false),
    (BeforeExec, "190/460", TOKEN, false),
    (BeforeExec, "190/463", TOKEN, false),
    (BeforeExec, "102", TOKEN, false),
    (BeforeExec, "10", MAY_NOT, false),
    (BeforeExec, "403/200", MAY_NOT, false),
    (BeforeExec, "100", CONTENT, false),
    (BeforeExec, "324/1366046", CONTENT, false),
    (BeforeExec, "21", ("paused", "JP309"), false),
];

#[tokio::test]
async fn every_answer_proves_what_it_proves() {
    let sim = simulator().await;
    for op in [OpKind::Create, OpKind::Update, OpKind::Delete] {
        for case in AMBIGUOUS.iter().chain(&DEFINITE) {
            under_fault(&sim, op, case).await;
        }
    }
    let of_one_op: [(OpKind, Case); 11] = [
        (OpKind::Create, (AfterExec, "success_false", UNKNOWN, true)),
        (OpKind::Update, (AfterExec, "success_false", UNKNOWN, true)),
        (OpKind::Delete, (AfterExec, "success_false", ("rejected", "JP312"), true)),
        (OpKind::Create, (BeforeExec, "506", ("unknown", "JP308"), false)),
        (OpKind::Update, (BeforeExec, "506", CONTENT, false)),
        (OpKind::Create, (BeforeExec, "100/1366051", ("unknown", "JP308"), false)),
        (OpKind::Create, (BeforeExec, "100/33", ("paused", "JP309"), false)),
        (OpKind::Update, (BeforeExec, "100/33", ("absent", "JP306"), false)),
        (OpKind::Delete, (BeforeExec, "100/33", ("absent", "JP306"), false)),
        (OpKind::Delete, (BeforeExec, "404/803", ("absent", "JP306"), false)),
        (OpKind::Create, (BeforeExec, "100/1609005", ("wait-row", "JP313"), false)),
    ];
    for (op, case) in of_one_op {
        under_fault(&sim, op, &case).await;
    }
}

#[tokio::test]
async fn a_post_is_made_changed_and_removed() {
    let sim = simulator().await;
    let sink = bench(&sim.base_url);
    let post = sink.created(TARGET, "1").await;
    assert!(post.starts_with("1001_"), "{post}");
    assert_eq!(sink.update(&post, "Doctor").await, EffectAnswer::Done { post: None });
    let effects = sim.effects();
    let last = effects.last().unwrap();
    assert_eq!((last.message.as_str(), last.post.as_str()), ("Doctor in Lyon", post.as_str()));
    let marker = sink.sink.marker(&crate::harness::row(TARGET, "1"));
    assert_eq!(last.marker.as_ref(), Some(&marker));
    assert_eq!(last.link.as_deref(), Some(format!("https://acme.test/jobs/1?jp={marker}").as_str()));
    assert_eq!(sink.delete(&post).await, EffectAnswer::Done { post: None });
    assert_eq!(word(&sink.delete(&post).await).0, "absent");
    let totals = sim.report().totals;
    assert_eq!((totals.creates, totals.updates, totals.deletes, totals.visible), (1, 1, 1, 0));
}

#[tokio::test]
async fn an_error_names_the_page_the_words_of_facebook_and_a_remedy() {
    let sim = simulator().await;
    sim.revoke_token("1001", 460);
    let sink = bench(&sim.base_url);
    let EffectAnswer::Paused(error) = sink.create(TARGET, "1").await else { panic!("the token is dead") };
    assert_eq!(error.class, ErrorClass::Auth);
    for part in ["acme-paris", "1001", "190/460", "trace Asim", "changed their password", "jobpipe.yml"] {
        assert!(error.message.contains(part), "`{part}` is not in: {}", error.message);
    }
}

#[tokio::test]
async fn an_unreachable_api_is_surely_not_executed_and_waits_longer_each_time() {
    let sim = simulator().await;
    let sink = bench(&sim.base_url);
    sim.shutdown().await;
    let mut waits = Vec::new();
    for _ in 0..3 {
        let EffectAnswer::Wait { after, whole_target: true, error } = sink.create(TARGET, "1").await else {
            panic!("nothing can have been sent")
        };
        assert_eq!(error.code, "JP300");
        waits.push(after);
    }
    assert_eq!(waits, [5, 10, 20].map(Duration::from_secs));
}

#[tokio::test]
async fn a_link_that_facebook_cannot_read_is_tried_three_times() {
    let sim = simulator().await;
    sim.set_faults(plan(OpKind::Create, BeforeExec, "100/1609005", |_| {})).unwrap();
    let sink = bench(&sim.base_url);
    let mut words = Vec::new();
    for _ in 0..4 {
        words.push(word(&sink.create(TARGET, "1").await).0);
    }
    assert_eq!(words, ["wait-row", "wait-row", "wait-row", "rejected"]);
    assert_eq!(word(&sink.create(TARGET, "2").await).0, "wait-row", "another row starts anew");
}

#[tokio::test]
async fn a_repetition_that_was_read_back_in_vain_is_refused() {
    let sim = simulator().await;
    let bench = bench(&sim.base_url);
    sim.set_faults(plan(OpKind::Create, BeforeExec, "506", |rule| rule.next = Some(2))).unwrap();
    assert_eq!(word(&bench.create(TARGET, "1").await), ("unknown", "JP308"));
    assert_eq!(word(&bench.create(TARGET, "1").await), CONTENT);
    bench.created(TARGET, "1").await;
}

#[tokio::test]
async fn a_wrong_app_secret_pauses_the_page_and_shows_nothing() {
    let sim = simulator().await;
    let mut wrong: GraphSettings = settings(&sim.base_url);
    wrong.app_secret = None;
    let clock = Arc::new(crate::harness::TestClock::default());
    let graph = Arc::new(Graph::new(wrong, clock).unwrap());
    let export = crate::harness::export(&["acme-paris"], None, "$title", None);
    let sink = jobpipe_connectors::facebook::FacebookSink::new(graph, Arc::new(crate::harness::pages()), export);
    let error = sink.probe(TARGET, 0).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Auth, "JP302"));
    assert_silent(&format!("{sink:?} {error:?}"));
}

#[tokio::test]
async fn the_credential_is_a_number_that_follows_the_token() {
    let sim = simulator().await;
    let sink = bench(&sim.base_url).sink;
    let (paris, lyon) = (sink.credential(TARGET), sink.credential("facebook:1002"));
    assert!(paris != lyon && paris != 0 && lyon != 0);
    assert_eq!(paris, bench(&sim.base_url).sink.credential(TARGET), "the same in every process");
    assert!(!format!("{sink:?}").contains(&token("1001")));
    let none = sink.credential("facebook:none");
    assert!(
        none != 0 && none != paris,
        "a pause for want of a token ends where there is one; 0 would wait for a person"
    );
}
