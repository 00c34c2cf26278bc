//! Our values against those of jaq: one program, two implementations. They differ where the language says so (whole
//! numbers stay whole, division by zero is an error, `null` can be assigned into and sliced, keys of maps are text); the programs here keep clear of that.

#![expect(clippy::unwrap_used, reason = "a helper of tests may panic")]

mod cases;

use std::rc::Rc;

use jaq_core::data::JustLut;
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx};
use jaq_json::{Num, Val};
use jobpipe_expr::{Expr, Subject, Vars};
use proptest::collection::{hash_map, vec};
use proptest::prelude::*;
use serde_json::Value as Json;

fn to_jaq(json: &Json) -> Val {
    match json {
        Json::Null => Val::Null,
        Json::Bool(value) => Val::Bool(*value),
        Json::Number(value) => Val::Num(Num::Int(value.as_i64().unwrap() as isize)),
        Json::String(text) => Val::utf8_str(text.clone()),
        Json::Array(items) => Val::Arr(Rc::new(items.iter().map(to_jaq).collect())),
        Json::Object(map) => {
            Val::obj(map.iter().map(|(key, value)| (Val::utf8_str(key.clone()), to_jaq(value))).collect())
        }
    }
}

/// The outputs of jaq, and whether an error came at the end.
fn jaq(source: &str, input: &Json, most: usize) -> (Vec<Json>, bool) {
    let skip =
        ["halt", "halt_error", "debug", "stderr", "test", "match", "capture", "scan", "splits", "sub", "gsub", "scan_"];
    let needs = ["logb", "significand", "pow10", "drem", "nexttoward", "scalb", "gamma", "todate", "fromdate"];
    let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let defs = defs.filter(|def| !skip.contains(&def.name) && !needs.contains(&def.name) && !def.name.starts_with('@'));
    let defs = defs.filter(|def| def.name != "split" || def.args.len() == 1);
    let funs = jaq_core::funs().chain(jaq_std::base_funs()).chain(jaq_json::funs());
    let arena = Arena::default();
    let modules = Loader::new(defs).load(&arena, File { code: source, path: () }).ok().unwrap();
    let filter = Compiler::default().with_funs(funs).compile(modules).unwrap_or_else(|_| panic!("{source}"));
    let ctx = Ctx::<JustLut<Val>>::new(&filter.lut, jaq_core::Vars::new([]));
    let mut found = Vec::new();
    for output in filter.id.run((ctx, to_jaq(input))).take(most) {
        match output {
            Ok(value) => found.push(serde_json::from_str(&value.to_string()).unwrap()),
            Err(_) => return (found, true),
        }
    }
    (found, false)
}

fn ours(source: &str, input: &Json, most: usize) -> Result<Vec<Json>, String> {
    let expr = Expr::compile(source).unwrap_or_else(|error| panic!("{source}: {error:?}"));
    expr.outputs(&Subject::new(input), &Vars::new(), most).map_err(|error| error.to_string())
}

fn input() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        (-5..6_i64).prop_map(Json::from),
        "[abé ]{0,4}".prop_map(Json::from),
    ];
    leaf.prop_recursive(3, 30, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Json::from),
            hash_map("[a-c]", inner, 0..4).prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

/// Programs put together from parts that both know.
fn program() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("."),
        Just(".a"),
        Just(".b"),
        Just(".[]"),
        Just(".[]?"),
        Just("(arrays | .[0])"),
        Just("(arrays | .[-1])"),
        Just("(values | .[1:])"),
        Just("(values | .[:2])"),
        Just(".a?"),
        Just("1"),
        Just("2"),
        Just("-1"),
        Just("\"a\""),
        Just("\"a b\""),
        Just("null"),
        Just("true"),
        Just("empty"),
        Just("length"),
        Just("keys"),
        Just("type"),
        Just("add"),
        Just("sort"),
        Just("reverse"),
        Just("unique"),
        Just("min"),
        Just("max"),
        Just("tojson"),
        Just("tostring"),
        Just("not"),
        Just("to_entries"),
        Just("flatten"),
        Just("(arrays | first)"),
        Just("(arrays | last)"),
        Just("trim"),
        Just("ltrim"),
        Just("explode"),
        Just("ascii_upcase"),
        Just("any"),
        Just("all"),
        Just(".."),
        Just("keys_unsorted"),
        Just("paths"),
        Just("values"),
        Just("numbers"),
        Just("strings"),
        Just("arrays"),
        Just("isempty(.[]?)"),
        Just("range(3)"),
        Just("[]"),
        Just("{}"),
        Just("error"),
        Just("tojson | fromjson"),
        Just("has(\"a\")"),
        Just("(arrays | has(0))"),
        Just("contains(\"a\")"),
        Just("(values | index(\"a\"))"),
        Just("(values | indices(1))"),
        Just("startswith(\"a\")"),
        Just("ltrimstr(\"a\")"),
        Just("split(\" \")"),
        Just("{a, b: 1}"),
        Just("\"x\\(.)y\""),
        Just("group_by(.a?)"),
        Just("sort_by(length)"),
        Just("map_values(.)"),
        Just("walk(.)"),
        Just("(objects | with_entries(.))"),
        Just("limit(2; .[]?)"),
        Just("(strings | .[1:2])"),
    ]
    .prop_map(str::to_string);
    leaf.prop_recursive(4, 24, 3, |inner| {
        let one = inner.clone();
        let place = prop::sample::select(vec![
            ".",
            "..",
            ".[]?",
            ".[]",
            "(objects | .a)",
            "(arrays | .[0])",
            "(arrays | .[0]?)",
            "(arrays | .[1:])",
            "(.[]? | objects | .b)",
            "(strings | .[:1])",
        ]);
        let two = (inner.clone(), inner.clone());
        let three = (inner.clone(), inner.clone(), inner);
        prop_oneof![
            (
                two.clone(),
                prop::sample::select(vec![
                    "|", ",", "+", "-", "*", "//", "==", "!=", "<", "<=", ">", ">=", "and", "or"
                ])
            )
                .prop_map(|((l, r), op)| format!("({l}) {op} ({r})")),
            (
                one.clone(),
                prop::sample::select(vec![
                    "map", "select", "first", "path", "any", "all", "list", "try", "sort_by", "min_by"
                ])
            )
                .prop_map(|(f, name)| match name {
                    "try" => format!("try ({f}) catch ."),
                    "list" => format!("[{f}]"),
                    _ => format!("{name}({f})"),
                }),
            (place.clone(), prop::sample::select(vec!["|=", "=", "+=", "//="]), one.clone())
                .prop_map(|(place, op, f)| format!("({place} {op} ({f}))")),
            place.prop_map(|place| format!("del({place})")),
            three.prop_map(|(a, b, c)| format!("if {a} then {b} else {c} end")),
            two.clone().prop_map(|(l, r)| format!("({l}) as $x | {r} | [., $x]")),
            two.clone().prop_map(|(l, r)| format!("reduce ({l}) as $x (null; ({r}) // $x)")),
            two.prop_map(|(l, r)| format!("{{a: ({l}), b: ({r})}}")),
            one.prop_map(|f| format!("({f})?")),
        ]
    })
}

proptest! {
    #![proptest_config(cases::config(1_500))]

    #[test]
    fn programs_give_the_same(source in program(), input in input()) {
        let (expected, failed) = jaq(&source, &input, 20);
        match ours(&source, &input, 20) {
            Ok(found) => {
                prop_assert!(!failed, "{} on {}: jaq fails after {:?}, ours gives {:?}", source, input, expected, found);
                prop_assert_eq!(found, expected, "{} on {}", source, input);
            }
            Err(error) => prop_assert!(failed, "{} on {}: jaq gives {:?}, ours fails: {}", source, input, expected, error),
        }
    }
}
