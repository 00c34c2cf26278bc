//! The offers as JSON: `{"data": [...], "next": "http://..." or null, "meta": {...}}`.

use crate::clock::iso;
use crate::offers::Offer;
use crate::resource::ApiQuery;
use crate::site::Site;
use serde_json::{Value, json};

/// One page of offers, newest first.
pub(crate) fn list(site: &Site, query: &ApiQuery, host: &str) -> String {
    let wanted: Vec<&Offer> = site
        .newest_first()
        .filter(|offer| query.updated_since_ms.is_none_or(|since| offer.updated_ms >= since))
        .collect();
    let size = query.per_page as usize;
    let skip = (query.page as usize - 1).saturating_mul(size);
    let data: Vec<Value> = wanted.iter().skip(skip).take(size).map(|offer| show(offer, host)).collect();
    let pages = wanted.len().div_ceil(size);
    let next = ((query.page as usize) < pages).then(|| next(query, host));
    answer(&data, next.as_deref(), query, wanted.len(), pages)
}

/// A page that has lost its offers.
pub(crate) fn empty(query: &ApiQuery) -> String {
    answer(&[], None, query, 0, 0)
}

/// One offer.
pub(crate) fn detail(offer: &Offer, host: &str) -> String {
    json!({ "data": show(offer, host) }).to_string()
}

/// A refusal.
pub(crate) fn error(reason: &str) -> String {
    json!({ "error": reason }).to_string()
}

fn answer(data: &[Value], next: Option<&str>, query: &ApiQuery, total: usize, pages: usize) -> String {
    let meta = json!({ "page": query.page, "per_page": query.per_page, "total": total, "pages": pages });
    json!({ "data": data, "next": next, "meta": meta }).to_string()
}

fn show(offer: &Offer, host: &str) -> Value {
    json!({
        "ref": offer.reference,
        "title": offer.title,
        "company": offer.company,
        "city": offer.city,
        "salary": offer.salary,
        "currency": "EUR",
        "contract": offer.contract,
        "posted": iso(offer.posted_ms),
        "updated_at": iso_ms(offer.updated_ms),
        "status": offer.status.as_str(),
        "url": format!("http://{host}{}", offer.path()),
        "description": offer.description,
    })
}

/// With milliseconds: changes of one second are told apart.
fn iso_ms(ms: i64) -> String {
    let seconds = iso(ms);
    format!("{}.{:03}Z", seconds.trim_end_matches('Z'), ms.rem_euclid(1000))
}

fn next(query: &ApiQuery, host: &str) -> String {
    let mut url = format!("http://{host}/api/v1/jobs?page={}&per_page={}", query.page + 1, query.per_page);
    if let Some(since) = &query.updated_since {
        url.push_str("&updated_since=");
        for byte in since.bytes() {
            match byte {
                b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' => url.push(char::from(byte)),
                other => url.push_str(&format!("%{other:02X}")),
            }
        }
    }
    url
}
