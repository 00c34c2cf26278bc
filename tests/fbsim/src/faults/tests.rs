use super::*;

fn plan(rules: Vec<FaultRule>) -> FaultState {
    FaultState::new(FaultPlan { seed: 7, rules })
}

fn rule(kind: &str) -> FaultRule {
    FaultRule::new(When::BeforeExec, kind.parse().unwrap())
}

#[test]
fn every_kind_of_the_plan_reads_back_as_it_was_written() {
    for text in ["reset", "timeout", "html502", "delayed_exec", "read_omits", "500/2", "400/190/460"] {
        assert_eq!(text.parse::<FaultKind>().unwrap().to_string(), text);
    }
    let error = |text: &str| match text.parse() {
        Ok(FaultKind::Error { status, code, subcode }) => (status, code, subcode),
        other => panic!("{text} is {other:?}"),
    };
    assert_eq!(error("80001"), (400, 80001, None));
    assert_eq!(error("190/460"), (400, 190, Some(460)));
    assert_eq!(error("400/4"), (400, 4, None));
    assert_eq!(error("2"), (500, 2, None));
    assert_eq!("resets".parse::<FaultKind>(), Err(FaultError::Kind("resets".to_owned())));
}

#[test]
fn nth_counts_only_the_calls_that_the_rule_looks_at() {
    let mut state = plan(vec![FaultRule { op: Some(OpKind::Create), nth: Some(vec![2]), ..rule("reset") }]);
    assert_eq!(state.strike(OpKind::Create, "a"), None);
    assert_eq!(state.strike(OpKind::Read, "a"), None);
    assert!(state.strike(OpKind::Create, "b").is_some());
    assert_eq!(state.strike(OpKind::Create, "a"), None);
}

#[test]
fn next_strikes_so_many_times_on_its_page() {
    let mut state = plan(vec![FaultRule { page: Some("a".to_owned()), next: Some(2), ..rule("80001") }]);
    let struck = |state: &mut FaultState, page: &str| state.strike(OpKind::Update, page).is_some();
    assert!(!struck(&mut state, "b"));
    assert!(struck(&mut state, "a"));
    assert!(struck(&mut state, "a"));
    assert!(!struck(&mut state, "a"));
}

#[test]
fn chance_is_the_same_for_the_same_seed_and_near_its_p() {
    let strikes = |seed| -> Vec<bool> {
        let rules = vec![FaultRule { p: Some(0.05), ..rule("timeout") }];
        let mut state = FaultState::new(FaultPlan { seed, rules });
        (0..10_000).map(|_| state.strike(OpKind::Create, "a").is_some()).collect()
    };
    assert_eq!(strikes(1), strikes(1));
    assert_ne!(strikes(1), strikes(2));
    let count = strikes(1).into_iter().filter(|struck| *struck).count();
    assert!((400..600).contains(&count), "{count} of 10,000 at p = 0.05");
}

#[test]
fn contradictions_are_refused_with_a_way_out() {
    let refused = |rule: FaultRule| FaultPlan { seed: 0, rules: vec![rule] }.check().unwrap_err().to_string();
    assert!(refused(rule("empty")).contains("after_exec"));
    assert!(refused(rule("delayed_exec")).contains("\"ms\""));
    assert!(refused(FaultRule { op: Some(OpKind::Create), ..rule("read_omits") }).contains("read"));
    assert!(refused(FaultRule { p: Some(1.5), ..rule("reset") }).contains("between 0 and 1"));
}
