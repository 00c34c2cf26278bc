//! Programs on our values.

use serde_json::{Value as Json, json};

use super::Program;
use crate::{EvalError, LimitKind, Scope, Subject, Vars};

fn run(source: &str, record: &Json) -> Result<Vec<Json>, EvalError> {
    let program = Program::compile(source, &Scope::default()).unwrap_or_else(|error| panic!("{source}: {error:?}"));
    program.interpret(source, &Subject::new(record), &Vars::new(), 10)
}

/// Programs and their outputs, each on `null`.
const PROGRAMS: &[(&str, &str)] = &[
    ("1 + 2", "[3]"),
    ("7 / 2, 6 / 2, 7 % 3, 1.5 * 2", "[3.5, 3, 1, 3]"),
    ("[1, 2, 3] | add / length", "[2]"),
    ("\"a\" + \"b\", \"ab\" * 2, (\"a\" * 0)", r#"["ab", "abab", null]"#),
    ("\"a,b\" / \",\" , (\"a b\" | split(\" \"))", r#"[["a", "b"], ["a", "b"]]"#),
    ("[1, 2, 3] - [2]", "[[1, 3]]"),
    ("{a: 1} + {b: 2}, {a: {b: 1}} * {a: {c: 2}}", r#"[{"a": 1, "b": 2}, {"a": {"b": 1, "c": 2}}]"#),
    ("[3, 1, 2] | sort, sort_by(-.), min, max, reverse, index(1)", "[[1,2,3],[3,2,1],1,3,[2,1,3],1]"),
    ("[1, null, \"a\", [1], {}, false, true] | sort", r#"[[null, false, true, 1, "a", [1], {}]]"#),
    ("\"héllo\" | length, .[1:3], explode[1], ascii_upcase, upper", r#"[5, "él", 233, "HéLLO", "HÉLLO"]"#),
    ("{a: [1, 2]} | .a[0], .a[-1], .a[5], .a[:1], .b, .b.c", "[1, 2, null, [1], null, null]"),
    ("{a: 1} | .a = 2, .a += 1, (.b.c = 3), del(.a), (.a |= empty)", r#"[{"a":2},{"a":2},{"a":1,"b":{"c":3}},{},{}]"#),
    ("[1, 2, 3] | map(. * 2), (.[] |= . + 1), (.[1:] = [9]), del(.[0])", "[[2,4,6],[2,3,4],[1,9],[2,3]]"),
    (
        "[range(5)], [range(1; 9; 3)], [limit(2; range(9))], first(range(3)), [recurse(if . < 3 then . + 1 else empty end; . != null)] | length",
        "[5, 3, 2, 0, 4]",
    ),
    ("[{a: 1, b: 2}, {a: 1, b: 3}] | group_by(.a) | length", "[1]"),
    ("[{a: 2}, {a: 1}, {a: 2}] | unique_by(.a), min_by(.a)", r#"[[{"a":1},{"a":2}], {"a":1}]"#),
    (
        "{a: 1, b: 2} | to_entries, keys, map_values(. + 1), with_entries(.value += 1)",
        r#"[[{"key":"a","value":1},{"key":"b","value":2}],["a","b"],{"a":2,"b":3},{"a":2,"b":3}]"#,
    ),
    ("[1, [2, [3]]] | flatten, flatten(1)", "[[1, 2, 3], [1, 2, [3]]]"),
    (
        "\"a1b22\" | [scan(\"[0-9]+\")], test(\"B\"; \"i\"), sub(\"[0-9]+\"; \"#\"), gsub(\"[0-9]+\"; \"#\"), [splits(\"[0-9]+\")]",
        r##"[["1", "22"], true, "a#b22", "a#b#", ["a", "b", ""]]"##,
    ),
    ("\"Lyon 69\" | capture(\"(?<city>[a-z]+) (?<code>[0-9]+)\"; \"i\")", r#"[{"city": "Lyon", "code": "69"}]"#),
    ("\"xéa\" | match(\"a\").offset", "[2]"),
    ("[\"a\", null, 1] | join(\"-\")", r#"["a--1"]"#),
    (
        "{a: [1]} | tojson, (tojson | fromjson), tostring, type, length",
        r#"["{\"a\":[1]}", {"a":[1]}, "{\"a\":[1]}", "object", 1]"#,
    ),
    ("\"\\(1 + 1) and \\({a: \"x\"})\"", r#"["2 and {\"a\":\"x\"}"]"#),
    (
        "(\"1\" | tonumber), ([1, 2] | contains([2])), (\"abc\" | contains(\"b\")), ({a: 1} | has(\"a\")), ([1] | has(1))",
        "[1, true, true, true, false]",
    ),
    ("try error(\"x\") catch ., (.a.b.c?), ([1] | .a?), (null | .a)", r#"["x", null, null]"#),
    ("(1, null) // 2, (null // 3), (false, null) // 4, (empty // 5)", "[1, 3, 4, 5]"),
    ("reduce range(4) as $i (0; . + $i), [foreach range(3) as $i (0; . + $i)]", "[6, [0, 1, 3]]"),
    (
        "[paths], [{a: {b: 1}} | paths] , ({a: 1} | getpath([\"a\"])), ({} | setpath([\"a\", \"b\"]; 1))",
        r#"[[], [["a"], ["a", "b"]], 1, {"a": {"b": 1}}]"#,
    ),
    ("[1, [2]] | walk(if type == \"number\" then . + 1 else . end)", "[[2, [3]]]"),
    ("\"  x \" | trim, ltrimstr(\" \"), rtrimstr(\" \"), startswith(\" \")", r#"["x", " x ", "  x", true]"#),
    (
        "@html \"<\\(\"<&\")>\", (\"a b/é\" | @uri), (\"é\" | @base64), (\"w6k=\" | @base64d), ([1] | @json), @text \"\\(1)\"",
        r#"["<&lt;&amp;>", "a%20b%2F%C3%A9", "w6k=", "é", "[1]", "1"]"#,
    ),
    ("[[1, 2], [3]] | transpose", "[[[1, 3], [2, null]]]"),
    ("label $out | 1, break $out, 2", "[1]"),
    ("def f($x): $x + 1; f(2), (def g(h): h | h; 3 | g(. * 2))", "[3, 12]"),
    (
        "[.[]?], (1 as $x | [$x, $x]), ([[1, 2]] | .[0] as [$a, $b] | $b), ({a: 5} as {a: $z} | $z)",
        "[[], [1, 1], 2, 5]",
    ),
    ("any([false, true][]; .), all([true][]; .), ([] | any), isempty(empty)", "[true, true, false, true]"),
    (
        "18446744073709551615, 9007199254740993, 9223372036854775807 + 1",
        "[18446744073709551615, 9007199254740993, 9223372036854775808]",
    ),
    (
        "9007199254740993 == 9007199254740992.0, 1 == 1.0, (nan < nan), ([nan] | sort | length), (nan | isnan)",
        "[false, true, false, 1, true]",
    ),
    ("nan, infinite, -infinite | tojson", r#"["null", "null", "null"]"#),
    ("toarray | [.]", "[[[null]]]"),
    ("[splits(\"a\"; \"b\")?], 1", "[[], 1]"),
    ("pow(2; 10), (2 | sqrt | floor), (10 | log10), (5.5 | round), (-5.5 | abs)", "[1024, 1, 1, 6, 5.5]"),
    ("limit(3; repeat(1))", "[1, 1, 1]"),
    ("[.[] | select(.a)]?, \"end\"", r#"["end"]"#),
    ("until(. != null and . > 5; (. // 0) + 1)", "[6]"),
    ("$now, $page.lang", "[null, null]"),
    ("{} | .a += 1, .a //= 2 , (.a.b |= 3)", r#"[{"a":1}, {"a":2}, {"a":{"b":3}}]"#),
    (
        "{\"a b\": 1}.\"a b\", {(\"x\" + \"y\"): 1}, {a: 1, b: (1, 2)}",
        r#"[1, {"xy": 1}, {"a": 1, "b": 1}, {"a": 1, "b": 2}]"#,
    ),
    ("\"x\" as $a | {$a, b: 1} | keys_unsorted", r#"[["a", "b"]]"#),
    ("[1, 2] | .[0] as $x | last, nth(1), first, index(2), (tojson | ascii_downcase)", r#"[2, 2, 1, 1, "[1,2]"]"#),
    ("pick(.a)?, ({a: 1, b: 2} | pick(.a))", r#"[{"a": null}, {"a": 1}]"#),
    ("ltrimstr(1)?, (\"abc\" | ltrim, utf8bytelength, inside(\"xabcx\"))", r#"["abc", 3, true]"#),
];

#[test]
fn programs_give_what_jq_gives() {
    let mut wrong = Vec::new();
    for (source, expected) in PROGRAMS {
        let found = run(source, &Json::Null);
        let expected: Vec<Json> = serde_json::from_str(expected).unwrap_or_else(|_| panic!("{expected}"));
        if found.as_ref().ok() != Some(&expected) {
            wrong.push(format!(
                "{source}\n   gives {}",
                found.map_or_else(|e| e.to_string(), |f| Json::from(f).to_string())
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn limits_name_what_was_exceeded() {
    let limit = |source: &str| match run(source, &json!({})) {
        Err(EvalError::Limit { limit, .. }) => limit,
        other => panic!("{source}: {other:?}"),
    };
    assert_eq!(limit("last(repeat(1))"), LimitKind::Steps);
    assert_eq!(limit("\"x\" * 1000000000"), LimitKind::Memory);
    assert_eq!(limit("reduce range(1000) as $i (0; [.])"), LimitKind::Depth);
}
