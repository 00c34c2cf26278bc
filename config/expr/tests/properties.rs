//! What holds for any text and any record. A failure prints the smallest case; set `PROPTEST_RNG_SEED` to repeat a run.

mod cases;

use jobpipe_expr::{Expr, Place, Setting, Subject, Text, Value, ValueKind, Vars, classify};
use proptest::collection::{hash_map, vec};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        (-3..4_i64).prop_map(Json::from),
        "[ a-c\u{a0}é]{0,4}".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Json::from),
            hash_map("[a-c]", inner, 0..4).prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

/// Text of the signs that mean something, so that much of it compiles.
fn signs() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("$"),
        Just("${"),
        Just("}"),
        Just("$$"),
        Just("."),
        Just("="),
        Just("|"),
        Just("("),
        Just(")"),
        Just("["),
        Just("]"),
        Just("{"),
        Just("\""),
        Just("\\("),
        Just("\\"),
        Just(" "),
        Just("if "),
        Just("then "),
        Just("else "),
        Just("end "),
        Just("as "),
        Just("def f: "),
        Just(";"),
        Just(","),
        Just("$page"),
        Just(".lang"),
        Just("$NAME"),
        Just(":-"),
        Just("file:"),
        Just("a"),
        Just(".a"),
        Just("trim"),
        Just("1"),
        Just("+ "),
        Just("// "),
        Just("?"),
        Just("try "),
        Just("reduce "),
        Just("é"),
        Just("\u{0}"),
        Just("\n"),
        Just("#"),
        Just("@html"),
        Just(".."),
        Just("label $x | "),
        Just("break $x"),
        Just("!"),
        Just("1e"),
        Just("\\u"),
        Just("::"),
        Just("'"),
        Just("-")
    ];
    vec(word, 0..20).prop_map(|words| words.concat())
}

const PLACES: [Place; 9] = [
    Place::Field,
    Place::Url,
    Place::Path,
    Place::Header,
    Place::Auth,
    Place::Target,
    Place::Setting,
    Place::Expression,
    Place::Verbatim,
];

/// Compiles a text in every way; what compiles is evaluated. The point is that it comes back.
fn use_in_every_way(text: &str, record: &Json) {
    let subject = Subject::new(record);
    let vars = Vars::new().with("page", json!({ "lang": "fr" }));
    let _form = classify(text);
    for place in PLACES {
        match Value::compile(text, place) {
            Ok(value) => {
                let evaluated = value.eval(&subject, &vars);
                if let (Place::Header, Ok(Some(Json::String(header)))) = (place, &evaluated) {
                    assert!(!header.contains(['\r', '\n', '\0']), "{text:?} gives {header:?}");
                }
                if let (Place::Path, Ok(Some(Json::String(path))), false) =
                    (place, &evaluated, matches!(value.kind(), ValueKind::Literal(_)))
                {
                    assert!(path.split('/').all(|part| part != ".."), "{text:?} gives {path:?}");
                }
                let _shown = (format!("{value:?}"), value.names(), value.fields());
            }
            Err(error) => {
                assert!(error.code.starts_with("JP04") || error.code.starts_with("JP05"), "{error:?}");
                let end = error.offset + error.len;
                assert!(text.get(error.offset..end).is_some(), "{text:?}: {error:?}");
                assert!(!error.message.is_empty() && error.message.len() < 2_000);
            }
        }
    }
    if let Ok(text) = Text::compile(text) {
        let _rendered =
            (text.render_url(&subject, &vars), text.render_path(&subject, &vars), text.render_header(&subject, &vars));
    }
    let _setting = Setting::parse(text);
}

proptest! {
    #![proptest_config(cases::config(512))]

    #[test]
    fn any_text_comes_back(text in ".{0,60}", record in any_json()) {
        use_in_every_way(&text, &record);
    }

    #[test]
    fn any_signs_come_back(text in signs(), record in any_json()) {
        use_in_every_way(&text, &record);
    }

    #[test]
    fn the_fast_path_gives_what_jq_gives(source in fast_source(), record in any_json()) {
        let subject = Subject::new(&record);
        let fast = Expr::compile(&source).unwrap().eval(&subject, &Vars::new());
        // The same program, in a form that the fast path does not know.
        let slow = Expr::compile(&format!("({source}) as $x | $x")).unwrap().eval(&subject, &Vars::new());
        prop_assert_eq!(fast.map_err(|error| error.code()), slow.map_err(|error| error.code()), "{} on {}", source, record);
    }

    #[test]
    fn a_record_goes_through_jq_unchanged(record in any_json()) {
        let same = Expr::compile("[.] | .[0]").unwrap().eval(&Subject::new(&record), &Vars::new()).unwrap();
        prop_assert_eq!(same, Some(record));
    }

    #[test]
    fn a_url_keeps_its_host(value in any_json().prop_map(|value| value.to_string()), other in ".{0,8}") {
        let text = Text::compile("https://acme.test/$a?q=$b#$a").unwrap();
        let record = json!({ "a": value, "b": other });
        if let Ok(url) = text.render_url(&Subject::new(&record), &Vars::new()) {
            let rest = url.strip_prefix("https://acme.test/").unwrap();
            prop_assert!(rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%?=#".contains(&b)), "{}", url);
            prop_assert_eq!((rest.matches('?').count(), rest.matches('#').count(), rest.matches('/').count()), (1, 1, 0));
        }
    }

    #[test]
    fn a_cut_text_is_no_longer_than_asked(text in ".{0,40}", most in 1..30_usize) {
        let source = format!("truncate({most})");
        let cut = Expr::compile(&source).unwrap().eval(&Subject::new(&json!(text)), &Vars::new()).unwrap().unwrap();
        prop_assert!(cut.as_str().unwrap().chars().count() <= most);
    }
}

fn fast_source() -> impl Strategy<Value = String> {
    let path = vec("\\.[a-c]", 1..4).prop_map(|keys| keys.concat());
    let then = prop_oneof![
        Just(String::new()),
        Just(" | trim".to_string()),
        Just(" // \"x\"".to_string()),
        Just(" // false".to_string()),
        Just(" == \"a\"".to_string()),
        Just(" != \"a\"".to_string()),
        Just(" == null".to_string()),
        Just(" != true".to_string()),
        Just(" == \"\"".to_string()),
    ];
    (path, then).prop_map(|(path, then)| path + &then)
}
