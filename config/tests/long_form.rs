//! The long form of every good import compiles to the plan that it was printed from.

use jobpipe_config::diagnostic::{Style, render_all};
use jobpipe_config::{check, to_long_form};
use std::path::Path;

#[test]
fn the_long_form_compiles_to_the_same_plan() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/yaml/ok");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let plan = check(&text, "x.yml").plan.unwrap();
        let long = to_long_form(&plan);
        let again = check(&long, "long.yml");
        let told = render_all(&again.diagnostics, &long, Style::Plain);
        let again = again.plan.unwrap_or_else(|| panic!("{}:\n{told}\n{long}", path.display()));
        assert_eq!(again, plan, "{}", path.display());
        assert_eq!(again.hash(), plan.hash());
        assert_eq!(told, "", "{}", path.display());
        insta::assert_snapshot!(path.file_stem().unwrap().to_str().unwrap(), long);
        seen += 1;
    }
    assert!(seen >= 5);
}

#[test]
fn short_and_long_form_are_one_plan() {
    let short = "name: a\ncrawl: { json: ./x.json }\ntransform: { key: .id }\nexport: { facebook: p, message: $t, as: posts }\n";
    let long = "name: a\nstages:\n  posts: { from: [transform], export: { facebook: [p], message: $t } }\n  \
                transform: { from: crawl, transform: { key: .id } }\n  crawl: { crawl: { json: ./x.json } }\n";
    let (short, long) = (check(short, "s.yml").plan.unwrap(), check(long, "l.yml").plan.unwrap());
    assert_eq!(short, long);
    assert_eq!(short.hash(), long.hash());
}
