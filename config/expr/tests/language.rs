//! Section 1 of the import language, row by row, and the values of the examples (a) to (c) as they are written there.

use jobpipe_expr::{Expr, Form, Place, Scope, Setting, Subject, Text, Value, ValueKind, Vars, classify};
use serde_json::{Value as Json, json};

fn record() -> Json {
    json!({
        "title": " Nurse ", "city": "Lyon", "remote": true, "min": 10, "max": 15, "tags": ["a", "b"], "page": "own page",
        "count": 3, "nothing": null, "TITLE": "BIG", "titleText": "camel", "company": { "name": "Acme" },
        "url": "https://acme.test/jobs/1?a=b", "file": "../a/b",
    })
}

fn vars() -> Vars {
    Vars::new()
        .with("run", json!({ "id": "r1", "date": "2026-11-22" }))
        .with("page", json!({ "id": "1001", "lang": "fr", "state": "IDF" }))
        .with("paging", json!({ "page": 2 }))
        .with("now", "2026-11-22T06:00:00Z")
        .with("since", Json::Null)
}

fn eval_in(text: &str, place: Place) -> Json {
    let value = Value::compile(text, place).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    value
        .eval(&Subject::new(&record()), &vars())
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .unwrap_or(json!("(none)"))
}

fn eval(text: &str) -> Json {
    eval_in(text, Place::Field)
}

/// The code and the help of the error that `text` is at `place`.
fn refused(text: &str, place: Place) -> (&'static str, String) {
    match Value::compile(text, place) {
        Err(error) => {
            assert!(error.offset + error.len <= text.len(), "{text}: {error:?}");
            assert!(text.is_char_boundary(error.offset) && text.is_char_boundary(error.offset + error.len));
            (error.code, format!("{} | {}", error.message, error.help.unwrap_or_default()))
        }
        Ok(value) => panic!("{text} is {value:?}"),
    }
}

#[test]
fn a_string_is_told_by_its_look() {
    for (text, form) in [
        ("=(.min + .max) / 2", Form::Expr("(.min + .max) / 2")),
        ("=", Form::Expr("")),
        (".", Form::Expr(".")),
        (".title | trim", Form::Expr(".title | trim")),
        (". | length", Form::Expr(". | length")),
        ("._x", Form::Expr("._x")),
        (".\"a b\"", Form::Expr(".\"a b\"")),
        (".[0]", Form::Expr(".[0]")),
        (".5", Form::Literal),
        ("./out/x.jsonl", Form::Literal),
        ("..", Form::Literal),
        ("../x", Form::Literal),
        (".-", Form::Literal),
        ("acme", Form::Literal),
        ("", Form::Literal),
        ("5 $", Form::Literal),
        ("$5, $ 3, $. and US$", Form::Literal),
        ("$title in $city", Form::Text),
        ("a $$ b", Form::Text),
        ("${.a}", Form::Text),
        ("$ACME_TOKEN", Form::Setting),
        ("Bearer $T", Form::Setting),
        ("${NAME:-default}", Form::Setting),
        ("${NAME}", Form::Setting),
        ("${file:/run/secrets/x}", Form::Setting),
        ("$_x", Form::Text),
    ] {
        assert_eq!(classify(text), form, "{text}");
    }
}

#[test]
fn an_expression_is_jq_over_the_record() {
    assert_eq!(eval(".title | trim"), json!("Nurse"));
    assert_eq!(eval("=(.min + .max) / 2"), json!(12.5));
    assert_eq!(eval("=.tags[0]"), json!("a"));
    assert_eq!(eval("=\".NET developer\""), json!(".NET developer"));
    assert_eq!(eval(".missing"), json!(null));
    assert_eq!(eval(".tags[] | select(. == \"z\")"), json!("(none)"));
    assert_eq!(eval("=$page.state"), json!("IDF"));
    assert_eq!(eval_in("$page.lang == \"fr\" and .remote", Place::Expression), json!(true));
    assert_eq!(eval_in("=.count", Place::Expression), json!(3));
}

#[test]
fn text_takes_values() {
    assert_eq!(eval("$city: $count"), json!("Lyon: 3"));
    assert_eq!(eval("in $city${if .remote then \" (remote)\" else \"\" end}"), json!("in Lyon (remote)"));
    assert_eq!(eval("${.company.name} ${\"}\"} ${{a: 1} | .a}"), json!("Acme } 1"));
    assert_eq!(eval("${\"a \\(.city | \"<\\(.)>\") }\"}!"), json!("a <Lyon> }!"));
    assert_eq!(eval("$remote."), json!("true."));
    // A variable of the run wins over the field of that name.
    assert_eq!(eval("${.page}, $page.lang"), json!("own page, fr"));
    assert_eq!(eval("$run.date.jsonl"), json!("2026-11-22.jsonl"));
    assert_eq!(eval("p$paging.page"), json!("p2"));
    // A dot after a field is a full stop.
    assert_eq!(eval("$city.lang"), json!("Lyon.lang"));
    // Dollars.
    assert_eq!(eval("$$city costs 5$ or $5, $ 5"), json!("$city costs 5$ or $5, $ 5"));
    assert_eq!(eval("a$$"), json!("a$"));
    // What a value brings is not expanded again.
    let record = json!({ "a": "$city ${.b} $$" });
    let text = Text::compile("x $a").unwrap();
    assert_eq!(text.render_text(&Subject::new(&record), &Vars::new()).unwrap(), "x $city ${.b} $$");
}

#[test]
fn exactly_one_name_keeps_its_type() {
    assert_eq!(eval("$tags"), json!(["a", "b"]));
    assert_eq!(eval("$count"), json!(3));
    assert_eq!(eval("$since"), json!(null));
    assert_eq!(eval("$missing"), json!(null));
    assert_eq!(eval("$page")["lang"], json!("fr"));
    assert_eq!(eval("$paging.page"), json!(2));
    assert_eq!(eval("${.tags}"), json!(["a", "b"]));
    assert_eq!(eval(" $count"), json!(" 3"));
}

#[test]
fn a_missing_value_inside_text_is_an_error() {
    for text in ["in $missing", "in $nothing!", "in ${.company.street}", "in ${empty} x", "$now $since"] {
        let error = Value::compile(text, Place::Field).unwrap().eval(&Subject::new(&record()), &vars()).unwrap_err();
        assert_eq!(error.code(), "JP052", "{text}");
        assert!(error.to_string().contains("// \"\"}"), "{error}");
    }
    assert_eq!(eval("in ${.missing // \"\"}"), json!("in "));
    let error = Value::compile("x $tags", Place::Field).unwrap().eval(&Subject::new(&record()), &vars()).unwrap_err();
    assert_eq!(error.code(), "JP057");
}

#[test]
fn an_expression_gives_one_value() {
    let subject_record = record();
    let subject = Subject::new(&subject_record);
    let eval = |source: &str| Expr::compile(source).unwrap().eval(&subject, &vars());
    assert_eq!(eval("empty"), Ok(None));
    assert_eq!(eval(".tags[]").unwrap_err().code(), "JP054");
    assert_eq!(eval(".title.x").unwrap_err().code(), "JP053");
    assert_eq!(eval("error(\"no \" + .city)").unwrap_err().to_string(), "`error(\"no \" + .city)` failed: no Lyon");
    // A variable counts as one value, and only its first two outputs are computed.
    assert_eq!(Expr::compile("repeat(1)").unwrap().outputs(&subject, &vars(), 3).unwrap().len(), 3);
    let test = |source: &str| Expr::compile(source).unwrap().test(&subject, &vars()).unwrap();
    assert!(test(".remote") && test(".city == \"Lyon\""));
    assert!(!test(".city") && !test("1") && !test("null") && !test("empty") && !test("\"true\""));
}

#[test]
fn capitals_stand_only_where_settings_may() {
    for place in [Place::Field, Place::Url, Place::Path] {
        let (code, text) = refused("x $TITLE", place);
        assert_eq!(code, "JP046");
        assert!(text.contains("${.TITLE}"), "{text}");
        assert_eq!(refused("${file:/etc/x}", place).0, "JP046");
    }
    for place in [Place::Auth, Place::Header, Place::Target, Place::Setting] {
        let value = Value::compile("Bearer $ACME_TOKEN", place).unwrap();
        assert!(matches!(value.kind(), ValueKind::Setting(_)), "{value:?}");
        assert!(value.eval(&Subject::new(&json!({})), &Vars::new()).is_err());
    }
    assert_eq!(eval("${.TITLE} $$TITLE"), json!("BIG $TITLE"));
    let (code, text) = refused("x $titleText", Place::Field);
    assert_eq!(code, "JP045");
    assert!(text.contains("${.titleText}"), "{text}");
    assert_eq!(refused("$TOKEN-$city", Place::Header).0, "JP049");
}

#[test]
fn a_dot_goes_on_only_into_known_members() {
    let (code, text) = refused("in $page.language", Place::Field);
    assert_eq!(code, "JP042");
    assert!(text.contains("language") && text.contains("lang"), "{text}");
    assert_eq!(refused("out/$run.jsonl", Place::Path).0, "JP042");
    let scope = Scope::default().with_member("page", "segment").with_variable("slug");
    let value = Value::compile_with("$page.segment-$slug", Place::Field, &scope).unwrap();
    let vars = Vars::new().with("page", json!({ "segment": "s" })).with("slug", "x");
    assert_eq!(value.eval(&Subject::new(&json!({})), &vars), Ok(Some(json!("s-x"))));
    assert!(value.names().contains("page") && value.names().contains("slug"));
}

#[test]
fn urls_encode_values_and_keep_their_host() {
    let url = |text: &str| eval_in(text, Place::Url);
    assert_eq!(
        url("https://acme.test/$city/x?q=${.title}&n=$count"),
        json!("https://acme.test/Lyon/x?q=%20Nurse%20&n=3")
    );
    assert_eq!(url("https://acme.test/${\"a/b?c#d&e=é\"}"), json!("https://acme.test/a%2Fb%3Fc%23d%26e%3D%C3%A9"));
    assert_eq!(url("/jobs/$city"), json!("/jobs/Lyon"));
    assert_eq!(url("fixtures/$city.json"), json!("fixtures/Lyon.json"));
    assert_eq!(url("./x?q=$city"), json!("./x?q=Lyon"));
    // A whole URL passes the guard like any other.
    assert_eq!(url("$url"), json!("https://acme.test/jobs/1?a=b"));
    assert_eq!(url(".url"), json!("https://acme.test/jobs/1?a=b"));
    for text in [
        "https://$city.test/x",
        "$city://acme.test/",
        "https://${.city}/x",
        "//$city/x",
        "https://acme.test:$count/",
        "$url/x",
        "javascript:$city",
    ] {
        assert_eq!(refused(text, Place::Url).0, "JP048", "{text}");
    }
    for text in [
        "https://acme.test/${\"..\"}/x",
        "https://acme.test/.${\".\"}/x",
        "https://acme.test/a/${\".\"}",
        "/${\"\"}/evil.test/",
    ] {
        let error = Value::compile(text, Place::Url).unwrap().eval(&Subject::new(&record()), &vars()).unwrap_err();
        assert_eq!(error.code(), "JP056", "{text}");
    }
}

#[test]
fn paths_lose_separators_and_headers_lose_breaks() {
    assert_eq!(eval_in("out/acme-$run.date.jsonl", Place::Path), json!("out/acme-2026-11-22.jsonl"));
    assert_eq!(eval_in("out/x$file.jsonl", Place::Path), json!("out/x..-a-b.jsonl"));
    assert_eq!(eval_in(".file", Place::Path), json!("..-a-b"));
    assert_eq!(eval_in("./out/x.jsonl", Place::Path), json!("./out/x.jsonl"));
    for (text, place) in [
        ("out/${\"..\"}/x", Place::Path),
        ("out/.${\".\"}", Place::Path),
        ("=\"a\" * 300", Place::Path),
        ("x ${\"a\\r\\nb\"}", Place::Header),
        ("=\"a\\nb\"", Place::Header),
    ] {
        let error = Value::compile(text, place).unwrap().eval(&Subject::new(&record()), &vars()).unwrap_err();
        assert_eq!(error.code(), "JP056", "{text}");
    }
    assert_eq!(refused("a\nb $city", Place::Header).0, "JP050");
    assert_eq!(eval_in("id $count", Place::Header), json!("id 3"));
}

#[test]
fn text_that_is_meant_as_jq_is_refused() {
    for text in
        ["if .a then .b else .c end", "[.a, .b]", "del(.x)", "(.a)", "map(.x)", "length | . + 1", "{a: 1}", "[]"]
    {
        let (code, help) = refused(text, Place::Field);
        assert_eq!(code, "JP047", "{text}");
        assert!(help.contains('='), "{help}");
    }
    for text in ["Hello .title", "a .b $city"] {
        let (code, help) = refused(text, Place::Field);
        assert_eq!(code, "JP047", "{text}");
        assert!(help.contains("${."), "{help}");
    }
    let prose = [
        "acme",
        "FR",
        "acme-paris",
        "9-17",
        "24/7",
        "IT and Ops",
        "2 runs",
        "30%",
        "[urgent]",
        "(m/f)",
        "Node.js",
        "x.com",
        "keys.json",
        "add",
        "not",
        "a | b",
        "Learn .NET",
        "first, last",
        "https://acme.test/a.b?c=d",
        "\"quoted\"",
        "a: b",
        "*/5 * * * *",
        "every 1h",
        "a.next",
        "-5",
        "10MiB",
        "if you like",
        "C# (or .NET)",
        "3.5 t",
        "try it",
        "..",
    ];
    for text in prose {
        assert_eq!(eval(text), json!(text));
    }
    assert_eq!(eval_in("{ jobs(first: 5) { id } } $x", Place::Verbatim), json!("{ jobs(first: 5) { id } } $x"));
}

#[test]
fn the_values_of_example_a() {
    let record = json!({
        "id": 7, "status": "open", "title": " Nurse ", "company": { "name": "Acme" }, "location": {}, "url": "https://a.test/7",
        "salary_min": 30000, "salary_max": null, "updated_at": "2026-11-22T07:00:00+01:00", "description": "<p>Hello<br>you</p>",
    });
    let subject = Subject::new(&record);
    let eval = |text: &str| Value::compile(text, Place::Field).unwrap().eval(&subject, &vars()).unwrap();
    let test = |text: &str| match Value::compile(text, Place::Expression).unwrap().kind() {
        ValueKind::Expr(expr) => expr.test(&subject, &vars()).unwrap(),
        other => panic!("{other:?}"),
    };
    assert!(test(".status == \"open\""));
    assert_eq!(eval("acme"), Some(json!("acme")));
    assert_eq!(eval(".title | trim"), Some(json!("Nurse")));
    assert_eq!(eval(".company.name"), Some(json!("Acme")));
    assert_eq!(eval(".location.city // \"Remote\""), Some(json!("Remote")));
    let salary = "=[.salary_min, .salary_max] | map(numbers) | if length > 0 then add / length else null end";
    assert_eq!(eval(salary), Some(json!(30000)));
    assert_eq!(eval(".updated_at | to_date"), Some(json!("2026-11-22T06:00:00Z")));
    assert_eq!(eval(".description | strip_html | truncate(5000)"), Some(json!("Hello you")));
    assert_eq!(eval("$title in ${.location.city // \"Remote\"}"), Some(json!(" Nurse  in Remote")));
    let auth = Value::compile("$ACME_TOKEN", Place::Auth).unwrap();
    assert_eq!(auth.setting().unwrap().variables().collect::<Vec<_>>(), [("ACME_TOKEN", false)]);
    assert_eq!(eval_in("https://api.acme.test/v1/jobs", Place::Url), json!("https://api.acme.test/v1/jobs"));
}

#[test]
fn the_values_of_example_b() {
    let record = json!({ "title": "Cook", "city": "Lyon", "url": "https://a.test/c", "posted": "22 novembre 2026" });
    let subject = Subject::new(&record);
    let eval = |text: &str| Value::compile(text, Place::Field).unwrap().eval(&subject, &vars()).unwrap();
    assert_eq!(eval(".posted | to_date"), Some(json!("2026-11-22T00:00:00Z")));
    assert_eq!(eval("FR"), Some(json!("FR")));
    assert_eq!(eval("$title - $city\nApply: $url\n"), Some(json!("Cook - Lyon\nApply: https://a.test/c\n")));
    // `extract` hands the part after ` | ` to jq, with the text of the element as its input.
    let piped = |source: &str, text: &str| {
        Expr::compile(source).unwrap().eval(&Subject::new(&json!(text)), &Vars::new()).unwrap()
    };
    assert_eq!(piped("number", "from 3 500,00 EUR"), Some(json!(3500)));
    assert_eq!(piped("html_to_text", "<p>A</p><ul><li>b<li>c</ul>"), Some(json!("A\n\n- b\n- c")));
}

#[test]
fn the_values_of_example_c() {
    let open = json!({ "expires": null, "state": "IDF", "title": "T", "city": "C" });
    let gone = json!({ "expires": "Sat, 21 Nov 2026 10:00:00 GMT", "state": "PACA" });
    let later = json!({ "expires": "2026-12-01" });
    let passes =
        |source: &str, record: &Json| Expr::compile(source).unwrap().test(&Subject::new(record), &vars()).unwrap();
    let expiry = ".expires == null or (.expires | to_date) > $now";
    assert!(passes(expiry, &open) && passes(expiry, &later) && !passes(expiry, &gone));
    assert!(passes(".state == $page.state", &open) && !passes(".state == $page.state", &gone));
    assert!(Expr::compile(expiry).unwrap().names().contains("now"));
    let targets = Value::compile("$BIGCORP_PAGES", Place::Target).unwrap();
    assert!(targets.setting().is_some());
    assert!(Setting::parse("$FEED_USER").is_ok() && Setting::parse("$FEED_PASSWORD").is_ok());
    let path = Value::compile("out/bigcorp-changes-$run.date.jsonl", Place::Path).unwrap();
    assert_eq!(path.eval(&Subject::new(&open), &vars()), Ok(Some(json!("out/bigcorp-changes-2026-11-22.jsonl"))));
}
