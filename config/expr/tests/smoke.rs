//! The public interface, on one record.

use jobpipe_expr::{Place, Subject, Value, Vars};
use serde_json::json;

#[test]
fn a_value_of_each_form() {
    let record = json!({ "title": " Nurse ", "city": "Lyon" });
    let subject = Subject::new(&record);
    let vars = Vars::new().with("since", "2026-01-01T00:00:00Z");
    let eval = |text: &str| Value::compile(text, Place::Field).unwrap().eval(&subject, &vars).unwrap().unwrap();
    assert_eq!(eval(".title | trim"), json!("Nurse"));
    assert_eq!(eval("in $city"), json!("in Lyon"));
    assert_eq!(eval("$since"), json!("2026-01-01T00:00:00Z"));
    assert_eq!(eval("acme"), json!("acme"));
}
