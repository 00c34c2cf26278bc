//! On a narrow terminal the line that is shown is cut around what it is about: a line that the terminal breaks by itself
//! would leave the marks below it anywhere.

use jobpipe_config::diagnostic::{Style, render_within};

#[test]
fn a_long_line_is_cut_to_the_terminal() {
    let text = "name: acme\ncrawl: { json: \"https://api.acme.test/v1/jobs\", items: .data, retry: 3, concurrency: 4, \
                robots: obey, rate: 5 per second, max: { items: 20_000 }, timeout: 30s }\n";
    let told = jobpipe_config::check(text, "import.yml").diagnostics;
    for width in [60, 80, 100] {
        let told = render_within(&told, text, Style::Plain, Some(width));
        let line = told.lines().find(|line| line.starts_with("2 |")).unwrap_or_default();
        assert!(line.contains("5 per second") && line.chars().count() <= width, "{width}:\n{told}");
    }
}
