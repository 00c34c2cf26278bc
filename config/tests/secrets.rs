//! A secret that stands in a file by mistake is told, and never shown: not in a line, not in a message, not as JSON.

use jobpipe_config::diagnostic::{Style, has_errors, render_all, to_json};

/// Imports in which `canary` is a secret, each wrong in one more way.
const IMPORTS: &[&str] = &[
    "crawl: { json: https://x.test/, auth: { bearer: canary }, rate: fast }",
    "crawl:\n  json: https://x.test/\n  auth: { basic: [user, canary: canary] }",
    "crawl:\n  json: https://x.test/\n  auth:\n    bearer: canary #canary",
    "crawl:\n  json: https://x.test/\n  auth:\n    bearer: x$Canary_canary",
    "crawl:\n  json: https://x.test/\n  auth: { bearer: $TOKEN, bearer: canary1 }\n  rate: fast",
    "crawl:\n  json: https://x.test/\n  auth: { bearer: [canary] }",
    "crawl:\n  json: https://x.test/\n  auth: { basic: { user: u, pasword: canary } }",
    "crawl:\n  json: https://x.test/\n  auth: canary",
    "crawl:\n  json: https://x.test/\n  auth: { bearer: .canary }\n  rate: fast",
    "crawl:\n  json: https://x.test/\n  auth: { bearer: '=\"canary\"', rate: 1 }",
    "crawl:\n  json: https://x.test/\n  auth: { basic: [$USER, .canary], rate: 1 }",
    "crawl:\n  json: https://x.test/\n  headers: { authorization: '=\"canary\"' }",
    "crawl: { json: ./x.json }\ntransform: { key: .id }\nexport:\n  facebook: [{ id: x, token: .canary, pace: [] }]\n  message: $t",
    "crawl:\n  json: https://x.test/\n  auth: { basic: \"user:canary\" }",
    "crawl:\n  json: https://x.test/\n  auth: { bearer: \"canary\" \"canary\" }",
    "crawl:\n  json: https://x.test/\n  auth: { bearer: canary",
    "crawl:\n  json: https://x.test/\n  auth:\n    bearer: @canary",
    "crawl:\n  json: https://x.test/\n  auth:\n    bearer: canary: canary",
    "crawl:\n  json: https://x.test/\n  auth:\n   bearer: canary\n    basic: canary",
    "crawl:\n  json: https://x.test/\n  headers: { X-Api-Key: canary, Private-Token: canary, Cookie: canary }\n  rate: fast",
    "crawl:\n  json: https://x.test/\n  headers: { Authorization: \"Bearer canary\\r\\n\" }",
    "crawl: { json: https://x.test/, auth: { bearer: \"${TOKEN:-canary}\" }, rate: fast }",
    "crawl: { json: https://x.test/, headers: { Authorization: \"Bearer ${TOKEN:-canary}\" } }",
    "crawl: { json: \"https://user:canary@x.test/\" }",
    "crawl: { json: \"ftp://canary@x.test/\", rate: fast }",
    "crawl: { json: \"https://x.test/?page=1&api_key=canary\", rate: fast }",
    "crawl: { json: https://x.test:port/?token=canary, rate: fast }",
    "crawl: { json: '=.url + \"?token=canary\"', rate: fast }",
    "crawl: { json: https://x.test/, query: { Access-Token: canary, tag: { a: 1 } }, rate: fast }",
    "crawl: { json: https://x.test/, query: { secret: [canary, { a: canary }] } }",
    "crawl: { json: ./x.json }\ntransform: { key: .id }\nexport:\n  facebook: [{ id: x, token: canary, pace: [] }]\n  message: $t",
    "crawl: { json: ./x.json }\ntransform: { key: .id }\nexport:\n  facebook: [{ id: \"1\", token: canary }]\n  mesage: $t",
];

#[test]
fn a_secret_written_out_is_never_shown() {
    for import in IMPORTS {
        let text = format!("name: acme\n{import}\n");
        let checked = jobpipe_config::check(&text, "import.yml");
        assert!(has_errors(&checked.diagnostics), "{text}");
        let told = render_all(&checked.diagnostics, &text, Style::Plain);
        assert!(!told.to_lowercase().contains("canary"), "{text}\n{told}");
        for diagnostic in &checked.diagnostics {
            let told = to_json(diagnostic).to_string();
            assert!(!told.to_lowercase().contains("canary"), "{text}\n{told}");
        }
    }
}

/// What names a secret is shown: it is what has to be mended.
#[test]
fn the_name_of_a_secret_is_shown() {
    let text = "name: acme\ncrawl: { json: \"https://x.test/\", auth: { bearer: $Acme_Token }, rate: fast }\n";
    let told = render_all(&jobpipe_config::check(text, "import.yml").diagnostics, text, Style::Plain);
    assert!(told.contains("`$Acme_Token` mixes") && told.contains("bearer: $Acme_Token }"), "{told}");
}
