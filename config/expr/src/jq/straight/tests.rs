//! The straight way against jq: the same program, the same values, and nothing where jq has an error.

#[path = "../../../tests/cases/mod.rs"]
mod cases;

use std::borrow::Cow;

use proptest::collection::{hash_map, vec};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::jq::Program;
use crate::{Scope, Subject, Vars};

fn compiled(source: &str) -> Program {
    Program::compile(source, &Scope::default()).unwrap_or_else(|error| panic!("{source}: {error:?}"))
}

/// Fails where the straight way says something else than jq; tells whether it said anything.
fn agrees(source: &str, record: &Json, vars: &Vars) -> bool {
    let program = compiled(source);
    let subject = Subject::new(record);
    let Some(found) = program.straight(&subject, vars) else { return false };
    let found: Vec<Json> = found.map(Cow::into_owned).into_iter().collect();
    let expected = program.interpret(source, &subject, vars, 10);
    assert_eq!(Ok(&found), expected.as_ref(), "{source} on {record}");
    // `1` and `1.0` are equal, but not the same text
    assert_eq!(json!(found).to_string(), json!(expected.unwrap()).to_string(), "{source} on {record}");
    true
}

/// Programs that imports are made of.
const COMMON: &[&str] = &[
    ".",
    ".title",
    ".title | trim",
    ".company.name // \"none\"",
    "(.salary.min + .salary.max) / 2",
    ".tags | join(\", \")",
    ".tags[0]",
    ".tags[-1] | ascii_upcase",
    ".title | trim | ascii_downcase | .[0:4]",
    ".title | length",
    ".tags | length > 2 and (.[0] == \"night\")",
    "if .remote then \"remote\" elif .tags then \"near\" else null end",
    "\"\\(.title | trim) in \\(.company.name): \\(.salary.min)\"",
    "{title, company: .company.name, pay: {min: .salary.min}}",
    "[.title, .company.name]",
    ".tags | map(select(. != \"team\") | upper)",
    ".tags | any(startswith(\"n\"))",
    ".title | test(\"nurse\"; \"i\")",
    ".posted | to_date",
    ".posted | to_date | strftime(\"%d/%m/%Y\")",
    ".salary.text | number",
    ".html | html_to_text | truncate(10)",
    ".url | split(\"/\") | last",
    "select(.remote) | .title",
    ".now == $now",
    "[.salary.min, .salary.max] | add",
    ".title | ltrimstr(\"  \") | contains(\"urse\")",
    ".company | has(\"name\")",
    "-.salary.min % 7",
    ".company + {extra: 1} | keys",
];

#[test]
fn common_programs_run_straight_and_give_what_jq_gives() {
    let record = json!({
        "title": "  Nurse 1 ", "company": {"name": "Acme"}, "salary": {"min": 30_000, "max": 41_000.5, "text": "45k"},
        "tags": ["night", "urgent", "team"], "remote": true, "posted": "2026-11-02T08:00:00Z",
        "html": "<p>One <b>two</b> three</p>", "url": "https://acme.test/job/1", "now": "x"
    });
    let vars = Vars::new().with("now", "x");
    for source in COMMON {
        assert!(agrees(source, &record, &vars), "{source} is left to jq");
    }
}

#[test]
fn errors_and_what_is_too_large_are_left_to_jq() {
    let record = json!({ "a": "x".repeat(1 << 20), "l": ["a", {}], "n": 1 });
    let doubled = format!(".a | {} | length", ["(. + .)"; 12].join(" | "));
    for source in [".a.b", ".l | join(\"\")", "1 / (.n - 1)", ".a - 1", "error(\"no\")", "[.l] | map(.x)", &doubled] {
        assert!(!agrees(source, &record, &Vars::new()), "{source}");
        assert!(compiled(source).interpret(source, &Subject::new(&record), &Vars::new(), 1).is_err(), "{source}");
    }
    let deep = format!("{}.n", "1 + ".repeat(1_900));
    agrees(&deep, &record, &Vars::new());
}

fn record() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        (-5..6_i64).prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        (-20..20_i32).prop_map(|n| Json::from(f64::from(n) / 4.0)),
        any::<f64>().prop_filter_map("finite", |x| x.is_finite().then(|| Json::from(x))),
        "[abAé \u{a0}\u{2003}1.:/<>&-]{0,8}".prop_map(Json::from),
    ];
    leaf.prop_recursive(3, 30, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Json::from),
            hash_map("[a-c]", inner, 0..4).prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

fn program() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        ".",
        ".a",
        ".b.c",
        ".a[0]",
        ".[-1]",
        ".[1:]",
        ".[:-1]",
        ".[1:3]",
        ".a[:2]",
        "1",
        "2.5",
        "-3",
        "0",
        "\"a\"",
        "\"\"",
        "null",
        "true",
        "false",
        "empty",
        "length",
        "type",
        "not",
        "keys",
        "trim",
        "ltrim",
        "rtrim",
        "ascii_downcase",
        "ascii_upcase",
        "lower",
        "upper",
        "slug",
        "escape_html",
        "encode_uri",
        "floor",
        "ceil",
        "round",
        "abs",
        "tojson",
        "tostring",
        "tonumber",
        "number",
        "to_date",
        "strip_html",
        "html_to_text",
        "truncate(3)",
        "first",
        "last",
        "add",
        "any",
        "all",
        "$now",
        "$page.lang",
        "split(\"a\")",
        "split(\"\")",
        "startswith(\"a\")",
        "endswith(\"a\")",
        "ltrimstr(\"a\")",
        "rtrimstr(\"a\")",
        "contains(\"a\")",
        "has(\"a\")",
        "join(\"-\")",
        "test(\"a+\")",
        "test(\"A\"; \"i\")",
        "{a, b: 1}",
        "\"x\\(.)y\\(.a)\"",
        "[]",
        "[., 1]",
        "error(\"x\")",
        "strftime(\"%Y\")",
        "map(.)",
        "map(select(.))",
    ])
    .prop_map(str::to_string);
    leaf.prop_recursive(4, 24, 3, |inner| {
        let operators = vec!["|", "+", "-", "*", "/", "%", "//", "==", "!=", "<", "<=", ">", ">=", "and", "or"];
        let two = (inner.clone(), inner.clone());
        let three = (inner.clone(), inner.clone(), inner.clone());
        prop_oneof![
            (two.clone(), prop::sample::select(operators)).prop_map(|((l, r), op)| format!("({l}) {op} ({r})")),
            (two.clone()).prop_map(|(l, r)| format!("({l}) | ({r})")),
            (inner.clone(), prop::sample::select(vec!["map", "select", "any", "all"]))
                .prop_map(|(f, g)| format!("{g}({f})")),
            (inner.clone(), prop::sample::select(vec!["split", "startswith", "has", "contains", "join", "truncate"]))
                .prop_map(|(f, g)| format!("{g}({f})")),
            three.prop_map(|(a, b, c)| format!("if {a} then {b} else {c} end")),
            two.clone().prop_map(|(a, b)| format!("if {a} then {b} end")),
            two.clone().prop_map(|(a, b)| format!("[{a}, {b}]")),
            two.clone().prop_map(|(a, b)| format!("{{a: ({a}), (\"b\"): ({b})}}")),
            two.prop_map(|(a, b)| format!("\"\\({a})-\\({b})\"")),
            inner.prop_map(|f| format!("-({f})")),
        ]
    })
}

proptest! {
    #![proptest_config(cases::config(4_000))]

    #[test]
    fn programs_give_what_jq_gives(source in program(), record in record()) {
        let vars = Vars::new().with("now", "2026-11-22T06:00:00Z").with("page", json!({ "lang": "fr" }));
        agrees(&source, &record, &vars);
    }
}
