use super::*;
use serde_json::json;
use url::Url;

fn field(selector: &str, attribute: Option<&str>, all: bool, jq: Option<&str>) -> ExtractSpec {
    ExtractSpec {
        selector: Some(selector.to_owned()),
        attribute: attribute.map(str::to_owned),
        all,
        jq: jq.map(str::to_owned),
        fields: Ordered::new(),
    }
}

fn take(html: &str, specs: Vec<(&str, ExtractSpec)>) -> Json {
    let specs = specs.into_iter().map(|(name, spec)| (name.to_owned(), spec)).collect();
    let url = Url::parse("https://acme.test/jobs/7?x=1").unwrap();
    let page = Page::parse(html, Some(&url)).unwrap();
    let mut record = Map::new();
    let item = page.root().unwrap();
    Extractor::compile(&specs).unwrap().take(&page, item, &Vars::new(), &mut record).unwrap();
    Json::Object(record)
}

const PAGE: &str = "<title>t</title><h1 class=title> Nurse\u{a0}<b>(m/<i>f</i>)</b>\n </h1>
    <dl><dt>City<dd class=city>Lyon<br>69000<dd class=pay><span>30 000</span></dl>
    <ul><li class=tag>a</li><li class=tag>b</li><li class=tag> </li></ul>
    <a class=apply href='apply?id=7#form'>Apply</a><img src=//cdn.test/x.png>
    <div class=text><p>One</p><p>Two <script>var x;</script>three</p></div>";

#[test]
fn text_attributes_lists_and_html() {
    let record = take(
        PAGE,
        vec![
            ("title", field("h1.title", None, false, None)),
            ("city", field("dd.city", None, false, None)),
            ("tags", field("li.tag", None, true, None)),
            ("count", field("li.tag", None, true, Some("length"))),
            ("apply", field("a.apply", Some("href"), false, None)),
            ("image", field("img", Some("src"), false, None)),
            ("class", field("a", Some("class"), false, Some("ascii_upcase"))),
            ("text", field("div.text", None, false, None)),
            ("html", field("div.text p", Some("html"), false, None)),
            ("missing", field("dd.nothing", None, false, Some("length"))),
            ("blank", field("li.tag:last-child", None, false, None)),
        ],
    );
    assert_eq!(
        record,
        json!({
            "title": "Nurse (m/f)",
            "city": "Lyon 69000",
            "tags": ["a", "b"],
            "count": 2,
            "apply": "https://acme.test/jobs/apply?id=7#form",
            "image": "https://cdn.test/x.png",
            "class": "APPLY",
            "text": "One Two three",
            "html": "One",
        })
    );
}

#[test]
fn base_moves_links() {
    let page = "<base href='/en/'><a href='7'>x</a>";
    assert_eq!(take(page, vec![("u", field("a", Some("href"), false, None))]), json!({"u": "https://acme.test/en/7"}));
    let hostile = "<base href='javascript:x'><a href='8'>x</a>";
    assert_eq!(
        take(hostile, vec![("u", field("a", Some("href"), false, None))]),
        json!({"u": "https://acme.test/jobs/8"})
    );
}

#[test]
fn items_and_nested_records() {
    let page = Page::parse("<p><a href=/1>one</a><p><a href=/2>two</a>", Some(&Url::parse("http://x.test/").unwrap()))
        .unwrap();
    let specs = Ordered::from([(
        "link".to_owned(),
        ExtractSpec {
            fields: Ordered::from([
                ("url".to_owned(), field(".", Some("href"), false, None)),
                ("text".to_owned(), field(".", None, false, None)),
            ]),
            ..ExtractSpec::default()
        },
    )]);
    let extractor = Extractor::compile(&specs).unwrap();
    let selector = compile_selector("p a").unwrap();
    let records: Vec<Json> = page
        .select(&selector)
        .map(|item| {
            let mut record = Map::new();
            extractor.take(&page, item, &Vars::new(), &mut record).unwrap();
            Json::Object(record)
        })
        .collect();
    assert_eq!(
        records,
        [
            json!({"link": {"url": "http://x.test/1", "text": "one"}}),
            json!({"link": {"url": "http://x.test/2", "text": "two"}})
        ]
    );
}

#[test]
fn fields_without_a_match_keep_what_was_there() {
    let page = Page::parse("<h1>new</h1>", None).unwrap();
    let specs = Ordered::from([
        ("title".to_owned(), field("h1", None, false, None)),
        ("city".to_owned(), field("dd", None, false, None)),
    ]);
    let mut record = json!({"title": "old", "city": "Lyon", "ref": 7}).as_object().unwrap().clone();
    Extractor::compile(&specs).unwrap().take(&page, page.root().unwrap(), &Vars::new(), &mut record).unwrap();
    assert_eq!(Json::Object(record), json!({"title": "new", "city": "Lyon", "ref": 7}));
}

#[test]
fn what_does_not_compile_says_so() {
    let error = Extractor::compile(&Ordered::from([("a".to_owned(), field("h1[", None, false, None))])).unwrap_err();
    assert!(error.to_string().starts_with("`h1[` is not a CSS selector"), "{error}");
    let error =
        Extractor::compile(&Ordered::from([("a".to_owned(), field("h1", None, false, Some("nope(")))])).unwrap_err();
    assert!(matches!(error, SelectorError::Jq { .. }), "{error}");
}
