//! What is known of a value before any record is: where its mistakes are, and what it uses.

use jobpipe_expr::{Expr, Place, Value};

#[test]
fn mistakes_are_shown_where_they_are() {
    let error = |text: &str| {
        let error = Value::compile(text, Place::Field).unwrap_err();
        let found = text.get(error.offset..error.offset + error.len).unwrap().to_string();
        (error.code, found, format!("{} | {}", error.message, error.help.unwrap_or_default()))
    };
    let check = |text: &str, code: &str, part: &str, says: &str| {
        let (found_code, found_part, found) = error(text);
        assert_eq!((found_code, found_part.as_str()), (code, part), "{text}: {found}");
        assert!(found.contains(says), "{text}: {found}");
    };
    check(".title | trimm", "JP041", "trimm", "did you mean `trim`?");
    check("=.title |", "JP040", "", "term");
    check("a ${.x | upperr} b", "JP041", "upperr", "did you mean `upper`?");
    check("=[.a, ", "JP040", "", "`[` is not closed");
    check(".a == 'x'", "JP040", "'", "double quotes");
    check(".a && .b", "JP040", "&", "`and`");
    check(".a || .b", "JP040", "||", "`or`");
    check("=$titel", "JP042", "$titel", ".titel");
    check("=$nwo", "JP042", "$nwo", "did you mean `$now`?");
    check("=now", "JP043", "now", "$now");
    check("=env.HOME", "JP043", "env", "capitals");
    check("=$ENV.HOME", "JP043", "$ENV", "capitals");
    check("=input", "JP043", "input", "one record");
    check("=halt", "JP043", "halt", "error(");
    check("=.a | debug", "JP043", "debug", "explain");
    check("=truncate(1, 2; 3)", "JP041", "truncate", "takes 1 arguments, not 2");
    check("=", "JP051", "", ".title");
    check("a ${} b", "JP051", "", "needed");
    check("a ${.x b", "JP045", "${", "closing");
    check("=if .a then 1", "JP040", "", "`if` needs");
    check("=.a) ", "JP040", ")", "");
    check("=title", "JP041", "title", ".title");
    check("=import \"x\" as x; .", "JP043", "import", "modules");
    check("=\"\\d\"", "JP040", "d", "\\\\");
    check("=reduce .[] as $x (0)", "JP040", "reduce", "start");
    check("=break $x", "JP041", "$x", "label");
}

#[test]
fn names_and_fields_are_known() {
    let value = Value::compile("$title ${.a.b // $now} $page.lang", Place::Field).unwrap();
    assert_eq!(value.names().into_iter().collect::<Vec<_>>(), ["now", "page"]);
    assert_eq!(value.fields().names.into_iter().collect::<Vec<_>>(), ["a", "title"]);
    let fields = |source: &str| {
        let fields = Expr::compile(source).unwrap().fields().clone();
        (fields.names.into_iter().collect::<Vec<_>>().join(" "), fields.whole)
    };
    for (source, names, whole) in [
        (".a.b", "a", false),
        (".a | .b", "a", false),
        (". | .b", "b", false),
        (".a + .b, .c // .d", "a b c d", false),
        (".", "", true),
        ("keys", "", true),
        ("del(.a)", "", true),
        (".a |= 1", "", true),
        ("[.a, .b] | map(.x)", "a b", false),
        (".a as $x | .b + $x", "a b", false),
        ("if .a then .b else .c end", "a b c", false),
        ("select(.a) | .b", "a b", false),
        ("{a, b: .c}", "a c", false),
        ("\"\\(.a) x\"", "a", false),
        (".a[.b]", "a b", false),
        (".[\"a\"]", "a", false),
        (".[$key]", "", true),
        (".[]", "", true),
        ("has(\"a\")", "a", false),
        ("try .a catch .", "a", false),
        ("reduce .a[] as $x (0; . + $x)", "", true),
        ("1", "", false),
    ] {
        assert_eq!(fields(source), (names.to_string(), whole), "{source}");
    }
}
