//! Programs that would never end, or take all memory: each is stopped, soon, with an error that says so.

use std::sync::mpsc;
use std::time::Duration;

use jobpipe_expr::{EvalError, Expr, LimitKind, Subject, Vars};
use serde_json::json;

/// What one program may take of the processor, in a build without optimizations, the tests beside it included.
const PATIENCE: Duration = Duration::from_secs(5);
/// After this it is not stopped at all, however busy the machine is.
const FOREVER: Duration = Duration::from_secs(120);

/// The most memory that all of them may need, in bytes: what one may build, copied out, and the tests beside it.
const MEMORY: u64 = 1 << 30;

const RUNAWAY: &[&str] = &[
    "[range(1e8)]",
    "[range(1e18)] | length",
    "last(range(0; 1; 0))",
    "last(range(infinite))",
    "\"x\" * 1000000000",
    "\"x\" * 1e300",
    "\"x\" * infinite",
    "[limit(1e9; repeat(1))]",
    "last(repeat(1))",
    "first(repeat(empty))",
    "reduce repeat(1) as $x (0; . + $x)",
    "last(foreach repeat(1) as $x (0; . + $x))",
    "until(false; .)",
    "last(while(true; .))",
    "[recurse]  | last(recurse(.))",
    "last(recurse([.]))",
    "[recurse([., .])]",
    "reduce range(1e6) as $i (0; [.])",
    "reduce range(1e6) as $i (0; {a: .})",
    "reduce range(64) as $i (1; [., .]) | tojson",
    "reduce range(64) as $i (1; [., .]) == reduce range(64) as $i (1; [., .])",
    "reduce range(64) as $i (\"a\"; . + .)",
    "reduce range(64) as $i ([1]; . + .)",
    "reduce range(1e6) as $i (2; . * .) | until(false; . + 1)",
    "[range(3000)] | [.[] as $a | .[] as $b | .[] as $c | $a + $b + $c]",
    "[range(100000)] | sort_by([range(100)])",
    "[range(1e6) | tostring as $n | $n | test(\"(a|b)*\" + $n)]",
    "(\"a\" * 500000) | test(\"(a{0,900}b){20}\" + \"\")",
    "(\"a\" * 500000) | gsub(\"a\"; \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\")",
    "(\"ab\" * 1000000) | [explode[] | tostring] | join(\"\") | until(false; .)",
    "[range(1e5)] | [.[:50][] as $a | .[:50][] as $b | .[] | $a + $b + .]",
    "try (last(repeat(1))) catch \"caught\"",
    "(last(repeat(1)))? // \"caught\"",
    "[.[]?, (try error(last(repeat(1))) catch .)]",
    "(\"<div>\" * 800000) | strip_html, html_to_text, last(repeat(1))",
    "\"<a \" + ([range(20000) | \"x\\(.)\"] | join(\" \")) | strip_html",
    "[range(50000)] as $a | [$a[] | $a | contains([-1])]",
    "{} | last(range(1e9) as $i | .a[\"k\\($i)\"] = 1)",
    "reduce range(100000) as $i ({}; .[\"k\\($i % 1000)\"] = [range(1000)])",
    "def f: [limit(1000; repeat(.))]; f | f | f | f",
    "\"\\(repeat(\"x\"))\" | select(false)",
    "path(repeat(.)) | select(false)",
    "[paths(repeat(true))]",
    "label $out | repeat(1) | select(. > 1) | break $out",
];

#[test]
fn a_runaway_program_is_stopped() {
    for source in RUNAWAY {
        let expr = Expr::compile(source).unwrap_or_else(|error| panic!("{source}: {error:?}"));
        let (send, receive) = mpsc::channel();
        let begun = cpu_time();
        let running = std::thread::spawn(move || {
            let record = json!({ "a": [1, 2, { "b": "c" }] });
            let result = expr.eval(&Subject::new(&record), &Vars::new());
            // The receiver is gone only when the test has failed.
            let _gone = send.send(result);
        });
        let result = receive.recv_timeout(FOREVER).unwrap_or_else(|_| panic!("{source}: still running"));
        let took = cpu_time().saturating_sub(begun);
        assert!(took < PATIENCE, "{source}: took {took:?}");
        running.join().unwrap();
        assert!(
            matches!(result, Err(EvalError::Limit { .. } | EvalError::ManyValues { .. } | EvalError::Failed { .. })),
            "{source} was not stopped"
        );
        let peak = peak_memory();
        assert!(peak < MEMORY, "{source}: {} MiB", peak >> 20);
    }
}

/// What this process has computed so far, to a hundredth of a second; nothing where the system does not say.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
    Duration::from_millis(fields.filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * 10)
}

/// The most memory that this process ever had, in bytes; 0 where the system does not say.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

#[test]
fn a_definition_that_calls_itself_is_refused() {
    for source in [
        "def f: [f]; f",
        "def f: f; f",
        "def f: def g: f; g; f",
        "def f(g): f(g | g); f(.)",
        "def f($x): f($x + 1); f(0)",
        "def a: 1; def b: a | b; b",
    ] {
        let error = Expr::compile(source).unwrap_err();
        assert_eq!(error.code, "JP044", "{source}: {error}");
        assert!(error.message.contains("calls itself"), "{error}");
    }
    // The same name again, or another number of arguments, is not the same definition.
    assert!(Expr::compile("def f: 1; def f: f + 1; f").is_err(), "the inner call is to itself");
    assert!(Expr::compile("def f: 1; def f(g): f + g; f(2)").is_ok());
}

#[test]
fn a_program_that_is_too_large_is_refused() {
    let nested = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let long = "1 + ".repeat(5_000) + "1";
    let wide = "[".to_string() + &"1,".repeat(3_000) + "1]";
    for source in [nested, long, wide, "-".repeat(6_000) + "1", "try ".repeat(6_000) + "1"] {
        let error = Expr::compile(&source).unwrap_err();
        assert_eq!(error.code, "JP044", "{} ...", source.chars().take(20).collect::<String>());
    }
}

#[test]
fn a_program_that_needs_a_deep_stack_gets_one() {
    // As deep as records can be, and as long as programs can be.
    let deep = (0..120).fold(json!(1), |inner, _| json!([inner]));
    let subject = Subject::new(&deep);
    let eval = |source: &str| Expr::compile(source).unwrap().eval(&subject, &Vars::new()).unwrap().unwrap();
    assert_eq!(eval("[.. | numbers]"), json!([1]));
    assert_eq!(eval("walk(if type == \"number\" then 2 else . end) | flatten"), json!([2]));
    assert_eq!(eval("[paths] | length"), json!(120));
    assert_eq!(eval(&("1".to_string() + &" + 1".repeat(900))), json!(901));
    assert_eq!(eval(&("[".to_string() + &"1,".repeat(900) + "1] | length")), json!(901));
    assert_eq!(eval(&("0".to_string() + &" | . + 1".repeat(600))), json!(600));
}

#[test]
fn a_record_that_is_too_deep_is_an_error() {
    let deep = (0..100_000).fold(json!(1), |inner, _| serde_json::Value::Array(vec![inner]));
    let vars = Vars::new();
    let eval = |source: &str| Expr::compile(source).unwrap().eval(&Subject::new(&deep), &vars);
    // what looks into it is stopped; what only counts its members has no need to
    let source = "[..] | length";
    let (looked, counted) = (eval(source), eval("length"));
    // Dropping it would overflow the stack of this thread: that is the business of whoever built it.
    std::mem::forget(deep);
    let expected = EvalError::Limit { source_text: source.to_string(), limit: LimitKind::Depth };
    assert_eq!(looked, Err(expected));
    assert_eq!(counted, Ok(Some(json!(1))));
}
