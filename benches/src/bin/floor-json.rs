//! The floor of the JSON crawl: page after page as `serde_json` values, 10 fields with 3 functions, one JSON line each.
//!
//! `floor-json FIRST-PAGE-URL OUT offers|ads`. No queue, no state, nothing survives it.

use serde_json::{Map, Value, json};
use std::io::Write as _;
use url::Url;

type Fault = Box<dyn std::error::Error + Send + Sync>;
type Mapping = fn(&Value) -> Map<String, Value>;

#[tokio::main]
async fn main() -> Result<(), Fault> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [first, out, mapping] = arguments.as_slice() else {
        return Err("usage: floor-json FIRST-PAGE-URL OUT offers|ads".into());
    };
    let map: Mapping = if mapping == "ads" { ads } else { offers };
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = reqwest::Client::new();
    let mut out = std::io::BufWriter::with_capacity(1 << 18, std::fs::File::create(out)?);
    let mut next = Some(Url::parse(first)?);
    while let Some(url) = next.take() {
        let body = client.get(url.clone()).send().await?.error_for_status()?.bytes().await?;
        let page: Value = serde_json::from_slice(&body)?;
        for record in page.get("data").and_then(Value::as_array).ok_or("no data")? {
            serde_json::to_writer(&mut out, &map(record))?;
            out.write_all(b"\n")?;
        }
        next = page.get("next").and_then(Value::as_str).map(|next| url.join(next)).transpose()?;
    }
    out.flush()?;
    Ok(())
}

fn at<'a>(record: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().try_fold(record, |value, name| value.get(name)).unwrap_or(&Value::Null)
}

fn text<'a>(record: &'a Value, path: &[&str]) -> &'a str {
    at(record, path).as_str().unwrap_or_default()
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// `trim`, `ascii_downcase`, `join`.
fn offers(record: &Value) -> Map<String, Value> {
    let tags = record.get("tags").and_then(Value::as_array).into_iter().flatten();
    let salary = |end: &str| at(record, &["salary", end]).as_f64().unwrap_or_default();
    object([
        ("id", at(record, &["id"]).clone()),
        ("reference", at(record, &["reference"]).clone()),
        ("title", text(record, &["title"]).trim().into()),
        ("company", at(record, &["company", "name"]).clone()),
        ("city", at(record, &["location", "city"]).clone()),
        ("country", text(record, &["location", "country"]).to_ascii_lowercase().into()),
        ("salary", json!((salary("min") + salary("max")) / 2.0)),
        ("tags", tags.filter_map(Value::as_str).collect::<Vec<_>>().join(", ").into()),
        ("remote", at(record, &["remote"]).clone()),
        ("url", at(record, &["url"]).clone()),
    ])
}

/// `ascii_upcase`, `length`, `startswith`; other fields, a choice, a default and text with values.
fn ads(record: &Value) -> Map<String, Value> {
    let remote = at(record, &["remote"]).as_bool().unwrap_or_default();
    let city = text(record, &["location", "city"]);
    object([
        ("number", at(record, &["id"]).clone()),
        ("headline", text(record, &["title"]).to_ascii_uppercase().into()),
        ("employer", record.get("employer").unwrap_or(at(record, &["company", "name"])).clone()),
        ("sector", at(record, &["company", "sector"]).clone()),
        ("labels", record.get("tags").and_then(Value::as_array).map_or(0, Vec::len).into()),
        ("first", record.get("tags").and_then(|tags| tags.get(0)).cloned().unwrap_or_default()),
        ("in_l", city.starts_with('L').into()),
        ("place", if remote { "remote" } else { "on site" }.into()),
        ("currency", at(record, &["salary", "currency"]).clone()),
        ("line", format!("{} in {city}", text(record, &["reference"])).into()),
    ])
}
