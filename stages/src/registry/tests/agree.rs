//! What `check` passes, a run can begin: every kind of value in every place where one may stand.

use super::*;

/// Texts of each look that the language tells apart, good and odd.
const TEXTS: [&str; 44] = [
    ".a",
    ".a.b",
    ".",
    "=.a",
    "=[.a]",
    "=\"a\"",
    ".a // \"b\"",
    "=.a | trim",
    ".5",
    "..",
    "./x",
    "../x",
    "a",
    "a b",
    "$a",
    "$a/b",
    "$a$b",
    "${.a}",
    "${.a}${.b}",
    "${{a: .b}.a}",
    "${.a // \"\"}/x",
    "x/$a.json",
    "$$",
    "$$a",
    "$5",
    "$A",
    "${A:-b}",
    "${file:x}",
    "$A$B",
    "Bearer $A",
    "$A $a",
    "$run.id",
    "$since",
    "$now",
    "$key",
    "$page.name",
    "https://x.test/",
    "https://x.test/$a?b=${.c}",
    "https://$a/",
    "$a://x.test",
    "x.test/$a",
    "li.a @href",
    "[li.a] @href | map(trim)",
    "{a}",
];

/// Places of values, `@` for the text.
const PLACES: [(&str, &str); 27] = [
    (
        "json",
        "stages: { l: { crawl: { json: ./l.json } }, m: { from: l, crawl: { json: @ } }, o: { from: m, export: { jsonl: o.jsonl } } }",
    ),
    (
        "html",
        "stages: { l: { crawl: { json: ./l.json } }, m: { from: l, crawl: { html: @, extract: { t: h1 } } }, o: { from: m, export: { jsonl: o.jsonl } } }",
    ),
    ("source", "crawl: { json: @ }"),
    ("query", "crawl: { json: https://x.test/, since: .at, query: { q: @ } }"),
    ("query list", "crawl: { json: https://x.test/, query: { q: [@, 1] } }"),
    ("header", "crawl: { json: https://x.test/, headers: { x-a: @ } }"),
    ("secret header", "crawl: { json: https://x.test/, headers: { authorization: @ } }"),
    ("body", "crawl: { json: https://x.test/, body: { q: { r: [@] } } }"),
    ("bearer", "crawl: { json: https://x.test/, auth: { bearer: @ } }"),
    ("user", "crawl: { json: https://x.test/, auth: { basic: [@, $P] } }"),
    ("password", "crawl: { json: https://x.test/, auth: { basic: { user: u, password: @ } } }"),
    ("items", "crawl: { json: https://x.test/, items: @ }"),
    ("items of html", "crawl: { html: https://x.test/, items: @, extract: { t: h1 } }"),
    ("pages", "crawl: { json: https://x.test/, pages: @ }"),
    ("pages of html", "crawl: { html: https://x.test/, pages: { next: @ }, extract: { t: h1 } }"),
    ("links", "crawl: { html: https://x.test/, links: @, extract: { t: h1 } }"),
    ("extract", "crawl: { json: https://x.test/, extract: { t: @, n: { u: @ } } }"),
    ("extract of html", "crawl: { html: https://x.test/, extract: { t: @, n: { u: @ } } }"),
    ("since", "crawl: { json: https://x.test/, since: @ }"),
    ("key", "crawl: { json: ./x.json }\ntransform: { key: @ }"),
    ("where", "crawl: { json: ./x.json }\ntransform: { key: .id, where: @ }"),
    ("map", "crawl: { json: ./x.json }\ntransform: { key: .id, map: { t: @, n: { u: [@] } } }"),
    ("gone", "crawl: { json: ./x.json }\ntransform: { key: .id, gone: { when: @ } }"),
    ("message", "crawl: { json: ./x.json }\ntransform: { key: .id }\nexport: { facebook: [acme-paris], message: @ }"),
    (
        "link",
        "crawl: { json: ./x.json }\ntransform: { key: .id }\nexport: { facebook: [acme-paris], message: m, link: @ }",
    ),
    (
        "page's where",
        "crawl: { json: ./x.json }\ntransform: { key: .id }\nexport: { facebook: [acme-paris], message: m, where: @ }",
    ),
    ("path of an export", "crawl: { json: ./x.json }\nexport: { jsonl: @ }"),
];

#[test]
fn what_check_passes_can_begin() {
    let registry = registry();
    let (mut passed, mut wrong) = (0, Vec::new());
    for (name, place) in PLACES {
        for text in TEXTS {
            let quoted = format!("'{}'", text.replace('\'', "''"));
            let import = format!("name: acme\n{}\n", place.replace('@', &quoted));
            let Some(plan) = jobpipe_config::check(&import, "acme.yml").plan else { continue };
            passed += 1;
            // where files may lie depends on the project, which `check` of a text does not know
            let told = registry.check(&plan).into_iter().filter(|error| error.code != "JP322");
            wrong.extend(told.map(|error| format!("{name}: {text}: {error:?}")));
        }
    }
    assert!(passed > 300, "only {passed} of the imports are right: nothing was tried");
    assert!(wrong.is_empty(), "{} of {passed}:\n{}", wrong.len(), wrong.join("\n"));
}
