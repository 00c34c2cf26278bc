//! Silence: no call is made on a page that Facebook wants quiet.

use crate::harness::{OTHER, TARGET, bench, plan, simulator};
use fbsim::{OpKind, Options, PageToken, Settings, When, WriteLimit};
use jobpipe_core::{EffectAnswer, ErrorClass, Sink};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn wait(answer: EffectAnswer) -> Duration {
    match answer {
        EffectAnswer::Wait { after, whole_target: true, error } => {
            assert_eq!(error.class, ErrorClass::Throttled);
            assert_eq!(error.retry_after_ms, Some(after.as_millis() as u64));
            after
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_throttled_page_hears_one_call_and_the_others_go_on() {
    let sim = simulator().await;
    let on_page = |rule: &mut fbsim::FaultRule| rule.page = Some("1001".into());
    sim.set_faults(plan(OpKind::Create, When::BeforeExec, "80001", on_page)).unwrap();
    let bench = bench(&sim.base_url);
    assert_eq!(wait(bench.create(TARGET, "1").await), 10 * MINUTE);
    let calls = sim.report().totals.calls;
    bench.clock.advance(4 * MINUTE);
    assert_eq!(wait(bench.create(TARGET, "1").await), 6 * MINUTE);
    assert_eq!(wait(bench.delete("1001_7").await), 6 * MINUTE);
    let reading = bench.sink.probe(TARGET, 0).await.unwrap_err();
    assert_eq!((reading.class, reading.retry_after_ms), (ErrorClass::Throttled, Some(360_000)));
    assert_eq!(sim.report().totals.calls, calls, "nothing was sent");
    bench.created(OTHER, "1").await;
    sim.set_faults(fbsim::FaultPlan::default()).unwrap();
    bench.clock.advance(6 * MINUTE);
    bench.created(TARGET, "1").await;
}

#[tokio::test]
async fn a_throttled_app_silences_every_page_and_one_call_tries_first() {
    let sim = simulator().await;
    let once = |rule: &mut fbsim::FaultRule| rule.next = Some(1);
    sim.set_faults(plan(OpKind::Create, When::BeforeExec, "400/4", once)).unwrap();
    let bench = bench(&sim.base_url);
    wait(bench.create(TARGET, "1").await);
    assert_eq!(wait(bench.create(OTHER, "1").await), 10 * MINUTE);
    assert_eq!(sim.report().totals.calls, 1);
    bench.clock.advance(10 * MINUTE);
    bench.created(OTHER, "1").await;
    bench.created(TARGET, "1").await;
}

#[tokio::test]
async fn a_page_near_its_limit_rests_before_it_is_refused() {
    let limit = Some(WriteLimit { calls: 10, window_ms: 3_600_000 });
    let options = Options {
        settings: Settings { limit, ..Settings::default() },
        pages: vec![PageToken { page: "1001".into(), token: crate::harness::token("1001") }],
        ..Options::default()
    };
    let sim = fbsim::FbSim::start(options).await.unwrap();
    let bench = bench(&sim.base_url);
    for key in 0..9 {
        bench.created(TARGET, &key.to_string()).await;
    }
    assert_eq!(wait(bench.create(TARGET, "9").await), 2 * MINUTE, "90 % are used");
    bench.clock.advance(2 * MINUTE);
    bench.created(TARGET, "9").await;
    assert!(wait(bench.create(TARGET, "10").await) > 50 * MINUTE, "all is used, and the header says until when");
    let totals = sim.report().totals;
    assert_eq!((totals.creates, totals.calls, totals.calls_while_throttled), (10, 10, 0));
}

#[tokio::test]
async fn a_blocked_page_cools_off_longer_each_time() {
    let sim = simulator().await;
    let twice = |rule: &mut fbsim::FaultRule| rule.next = Some(2);
    sim.set_faults(plan(OpKind::Create, When::BeforeExec, "368/1390008", twice)).unwrap();
    let bench = bench(&sim.base_url);
    assert_eq!(wait(bench.create(TARGET, "1").await), 60 * MINUTE);
    assert_eq!(wait(bench.create(TARGET, "1").await), 60 * MINUTE, "not sent");
    bench.clock.advance(60 * MINUTE);
    assert_eq!(wait(bench.create(TARGET, "1").await), 360 * MINUTE);
    bench.clock.advance(360 * MINUTE);
    bench.created(TARGET, "1").await;
    assert_eq!(sim.report().totals.calls, 3);
}
