//! The functions that the import language adds to jq.

use jobpipe_expr::{Expr, Subject, Vars, functions};
use serde_json::{Value as Json, json};

fn eval(source: &str, input: &Json) -> Result<Json, String> {
    let expr = Expr::compile(source).unwrap_or_else(|error| panic!("{source}: {error:?}"));
    let found = expr.eval(&Subject::new(input), &Vars::new()).map_err(|error| error.to_string())?;
    Ok(found.unwrap_or_else(|| panic!("{source} gives nothing")))
}

fn table(source: &str, rows: &[(Json, Json)]) {
    for (input, expected) in rows {
        assert_eq!(eval(source, input).as_ref(), Ok(expected), "{input} | {source}");
    }
}

#[test]
fn number_reads_what_people_write() {
    let rows: Vec<(Json, Json)> = [
        ("3 500,00 EUR", json!(3500.0)),
        ("3\u{a0}500,50 €", json!(3500.5)),
        ("3\u{202f}500 €", json!(3500)),
        ("$1,234.56", json!(1234.56)),
        ("1.234,56", json!(1234.56)),
        ("1.234.567", json!(1234567)),
        ("1,234", json!(1234)),
        ("45.000 €", json!(45000)),
        ("1,5", json!(1.5)),
        ("0.125", json!(0.125)),
        ("1234.567", json!(1234.567)),
        ("12'345.60", json!(12345.6)),
        ("-5", json!(-5)),
        ("− 5 °C", json!(-5)),
        ("-$5", json!(-5)),
        ("A-5", json!(5)),
        ("45k", json!(45000)),
        ("35K€", json!(35000)),
        ("1.5M", json!(1500000)),
        ("5 km", json!(5)),
        ("5km", json!(5)),
        ("from 3 500 to 4 000 EUR", json!(3500)),
        ("2026-11-22", json!(2026)),
        ("12 %", json!(12)),
        ("1 2 3", json!(1)),
        ("99999999999999999999999999", json!(1e26)),
        ("7.", json!(7)),
        ("on request", json!(null)),
        ("", json!(null)),
    ]
    .map(|(text, number)| (json!(text), number))
    .into();
    for (input, expected) in &rows {
        let found = eval("number", input).unwrap();
        assert_eq!(found.as_f64(), expected.as_f64(), "{input}: {found}");
    }
    table("number", &[(json!(3), json!(3)), (json!(1.5), json!(1.5)), (json!(null), json!(null))]);
    assert!(eval("number", &json!([])).is_err() && eval("number", &json!(true)).is_err());
    assert_eq!(eval("tonumber", &json!("1.5")), Ok(json!(1.5)));
    assert!(eval("tonumber", &json!("1,5")).unwrap_err().contains("number"));
}

#[test]
fn to_date_reads_common_forms() {
    let day = "2026-11-22T00:00:00Z";
    let six = "2026-11-22T06:00:00Z";
    for (input, expected) in [
        (json!("2026-11-22T06:00:00Z"), six),
        (json!("2026-11-22T07:00:00+01:00"), six),
        (json!("2026-11-22T07:00:00+0100"), six),
        (json!("2026-11-22T07:00:00.987+01:00[Europe/Paris]"), six),
        (json!("2026-11-22T06:00:00.999999Z"), six),
        (json!("2026-11-22 06:00:00"), six),
        (json!("2026-11-22T06:00"), six),
        (json!("2026-11-22"), day),
        (json!(" 2026-11-22\n"), day),
        (json!("20261122"), day),
        (json!("Sun, 22 Nov 2026 06:00:00 GMT"), six),
        (json!("Sun, 22 Nov 2026 07:00:00 +0100"), six),
        (json!("22 Nov 2026 06:00"), six),
        (json!(1795327200), six),
        (json!(1795327200000_i64), six),
        (json!("1795327200"), six),
        (json!("1795327200000"), six),
        (json!(1795327200.7), six),
        (json!("22/11/2026"), day),
        (json!("22.11.2026 06:00"), six),
        (json!("22-11-2026"), day),
        (json!("22-Nov-2026"), day),
        (json!("2026/11/22"), day),
        (json!("22 novembre 2026"), day),
        (json!("dimanche 22 novembre 2026 à 06:00"), six),
        (json!("mardi 3 mars 2026"), "2026-03-03T00:00:00Z"),
        (json!("1er août 2026"), "2026-08-01T00:00:00Z"),
        (json!("2 déc. 2026"), "2026-12-02T00:00:00Z"),
        (json!("3. März 2026"), "2026-03-03T00:00:00Z"),
        (json!("22 de noviembre de 2026"), day),
        (json!("November 22, 2026"), day),
        (json!("Nov 22nd, 2026 6:00 AM"), six),
        (json!("Nov 22, 2026 6:00 PM"), "2026-11-22T18:00:00Z"),
        (json!("Nov 22, 2026 12:30am"), "2026-11-22T00:30:00Z"),
        (json!("2026-11-21"), "2026-11-21T00:00:00Z"),
    ] {
        assert_eq!(eval("to_date", &input), Ok(json!(expected)), "{input}");
    }
    assert_eq!(eval("to_date", &json!(null)), Ok(json!(null)));
    for input in [
        json!("soon"),
        json!(""),
        json!("11/22/2026"),
        json!("22/11/26"),
        json!("2026-02-30"),
        json!("32 Nov 2026"),
        json!("2026"),
        json!("Nov 2026"),
        json!([]),
        json!(1e300),
        json!("22 Nov 2026 25:00"),
        json!("x".repeat(1000)),
        json!("2 days ago"),
        json!("Nov 22, 2026 13:00 PM"),
        json!("-0001-01-01"),
    ] {
        let error = eval("to_date", &input).unwrap_err();
        assert!(error.contains("date"), "{input}: {error}");
    }
    assert_eq!(eval("to_date(\"%m/%d/%Y\")", &json!("11/22/2026")), Ok(json!(day)));
    assert_eq!(eval("to_date(\"%Y%m%d %H:%M %z\")", &json!("20261122 07:00 +0100")), Ok(json!(six)));
    assert_eq!(eval("to_date | strftime(\"%d/%m/%Y\")", &json!("2026-11-22")), Ok(json!("22/11/2026")));
    assert!(eval("fromdate, todate | tojson", &json!(1795327200)).is_err(), "two values");
    assert_eq!(eval("fromdate | todate", &json!(six)), Ok(json!(six)));
}

#[test]
fn html_becomes_text() {
    table(
        "strip_html",
        &[
            (json!("<p>A &amp; B<br>C</p>"), json!("A & B C")),
            (json!("a<b>b</b>c <i>d</i>"), json!("abc d")),
            (json!("<script>if (a < b) { x }</script>y<style>p{}</style>"), json!("y")),
            (json!("<SCRIPT>x</SCRIPT>y<!-- <p>z</p> -->"), json!("y")),
            (json!("5 < 6 &eacute;&#233;&nbsp;&lt;p&gt;"), json!("5 < 6 éé <p>")),
            (json!("<p title=\"a > b\">x</p"), json!("x")),
            (json!("<title>t</title><p>u"), json!("u")),
            (json!("no html"), json!("no html")),
            (json!(""), json!("")),
            (json!(null), json!(null)),
        ],
    );
    table(
        "html_to_text",
        &[
            (json!("<h1>T</h1><p>A <b>b</b></p>\n<p>C<br>d</p>"), json!("T\n\nA b\n\nC\nd")),
            (json!("<ul><li>a</li><li>b</li></ul>end"), json!("- a\n- b\n\nend")),
            (json!("<div>a</div><div>b</div>"), json!("a\nb")),
            (json!("<div><div><p></p></div></div>a"), json!("a")),
            (json!("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>"), json!("a b\nc")),
            (json!(null), json!(null)),
        ],
    );
    assert!(eval("strip_html", &json!(3)).is_err());
    let bomb = format!("<a{}>", " b=1".repeat(5_000));
    assert!(eval("strip_html", &json!(bomb)).unwrap_err().contains("attributes"));
    let image = format!("<img src=\"data:image/png;base64,{}\">x", "ab/+ ".repeat(20_000));
    assert_eq!(eval("strip_html", &json!(image)), Ok(json!("x")));
}

#[test]
fn text_is_cut_and_spelled() {
    table(
        "truncate(5)",
        &[(json!("abcde"), json!("abcde")), (json!("abcdef"), json!("abcd…")), (json!(null), json!(null))],
    );
    table("truncate(3)", &[(json!("éàüö"), json!("éà…")), (json!("👩🏽x"), json!("👩🏽x"))]);
    table("truncate(1)", &[(json!("ab"), json!("…")), (json!("a"), json!("a"))]);
    table(
        "truncate(12)",
        &[(json!("one two three"), json!("one two…")), (json!("onetwo three four"), json!("onetwo…"))],
    );
    for source in ["truncate(0)", "truncate(-1)", "truncate(\"x\")", "truncate(1.5)"] {
        assert!(eval(source, &json!("abc")).is_err(), "{source}");
    }
    table("lower", &[(json!("ÉCOLE"), json!("école"))]);
    table("upper", &[(json!("straße"), json!("STRASSE"))]);
    table(
        "slug",
        &[
            (json!("Développeur à Lyon (H/F) !"), json!("developpeur-a-lyon-h-f")),
            (json!("l'œuvre"), json!("loeuvre")),
            (json!("--a  b--"), json!("a-b")),
            (json!("Straße 5"), json!("strasse-5")),
            (json!("!!!"), json!("")),
        ],
    );
    assert!(eval("lower", &json!(1)).is_err());
}

#[test]
fn large_but_honest_work_is_done() {
    let long = "some words of a description, with dots. ".repeat(2_500);
    let record = json!({
        "text": long,
        "html": format!("<p>{}</p>", "<b>word</b> and <i>more</i><br>".repeat(10_000)),
        "items": (0..10_000).map(|n| json!({ "id": n, "title": format!(" t{n} "), "ok": n % 2 == 0 })).collect::<Vec<_>>(),
    });
    for (source, expected) in [
        (".text | gsub(\"\\\\s+\"; \"_\") | length", json!(100_000)),
        (".text | split(\" \") | length", json!(17_501)),
        (".text | truncate(5000) | length <= 5000", json!(true)),
        (".html | html_to_text | split(\"\\n\") | length", json!(10_000)),
        ("[.items[] | select(.ok) | { id, title: (.title | trim) }] | length", json!(5_000)),
        (".items | map(.id) | add", json!(49_995_000)),
        (".items | sort_by(-.id) | .[0].id", json!(9_999)),
        (".items | group_by(.ok) | map(length)", json!([5_000, 5_000])),
        (".items | map(.title | test(\"9\")) | map(select(.)) | length", json!(3_439)),
        ("[.items[] | .title] | join(\",\") | length", json!(10_000 * 3 + 38_890 + 9_999)),
    ] {
        assert_eq!(eval(source, &record), Ok(expected), "{source}");
    }
}

#[test]
fn the_functions_are_listed() {
    let names: Vec<(&str, usize)> = functions().collect();
    for known in [("trim", 0), ("to_date", 0), ("to_date", 1), ("truncate", 1), ("map", 1), ("test", 2), ("@html", 0)] {
        assert!(names.contains(&known), "{known:?}");
    }
    for kept_out in
        ["env", "halt", "input", "inputs", "debug", "stderr", "now", "localtime", "halt_error", "strflocaltime"]
    {
        assert!(!names.iter().any(|(name, _)| *name == kept_out), "{kept_out}");
        assert_eq!(Expr::compile(kept_out).unwrap_err().code, "JP043", "{kept_out}");
    }
    // Each one compiles, so that nothing listed depends on what was left out.
    for (name, arguments) in names {
        let call =
            if arguments == 0 { name.to_string() } else { format!("{name}({})", vec!["."; arguments].join(";")) };
        Expr::compile(&call).unwrap_or_else(|error| panic!("{call}: {error:?}"));
    }
}
