//! The floor of the HTML crawl: listings, then detail pages 16 at a time, 8 fields by CSS, one JSON line each.
//!
//! `floor-html FIRST-LISTING-URL OUT`. No queue, no state, nothing survives it.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use scraper::{ElementRef, Html, Selector};
use serde_json::{Map, Value};
use std::io::Write as _;
use url::Url;

type Fault = Box<dyn std::error::Error + Send + Sync>;

const AT_ONCE: usize = 16;

/// Field, selector, attribute (none: the text).
const FIELDS: [(&str, &str, Option<&str>); 8] = [
    ("title", "h1.job-title", None),
    ("company", "dd.company", None),
    ("city", "dd.location", None),
    ("salary", "dd.salary span", None),
    ("contract", "dd.contract", None),
    ("posted", "time.posted", Some("datetime")),
    ("reference", "span.reference", None),
    ("url", "link[rel=canonical]", Some("href")),
];

struct Field {
    name: &'static str,
    selector: Selector,
    attribute: Option<&'static str>,
}

#[tokio::main]
async fn main() -> Result<(), Fault> {
    let mut arguments = std::env::args().skip(1);
    let (Some(first), Some(out)) = (arguments.next(), arguments.next()) else {
        return Err("usage: floor-html FIRST-LISTING-URL OUT".into());
    };
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = reqwest::Client::new();
    let fields: &'static [Field] = compile()?.leak();
    let mut out = std::io::BufWriter::with_capacity(1 << 18, std::fs::File::create(out)?);
    let mut next = Some(Url::parse(&first)?);
    while let Some(page) = next.take() {
        let body = fetch(&client, page.clone()).await?;
        let (details, follow) = links(&body, &page)?;
        next = follow;
        let mut records =
            stream::iter(details.into_iter().map(|url| {
                let client = client.clone();
                async move {
                    tokio::spawn(async move { Ok::<_, Fault>(extract(&fetch(&client, url).await?, fields)) }).await?
                }
            }))
            .buffer_unordered(AT_ONCE);
        while let Some(record) = records.try_next().await? {
            serde_json::to_writer(&mut out, &record)?;
            out.write_all(b"\n")?;
        }
    }
    out.flush()?;
    Ok(())
}

fn compile() -> Result<Vec<Field>, Fault> {
    let field = |(name, css, attribute): (&'static str, &str, _)| Ok(Field { name, selector: parse(css)?, attribute });
    FIELDS.into_iter().map(field).collect()
}

fn parse(css: &str) -> Result<Selector, Fault> {
    Selector::parse(css).map_err(|error| error.to_string().into())
}

async fn fetch(client: &reqwest::Client, url: Url) -> Result<String, Fault> {
    let body = client.get(url).send().await?.error_for_status()?.bytes().await?;
    Ok(String::from_utf8(body.into())?)
}

fn links(body: &str, base: &Url) -> Result<(Vec<Url>, Option<Url>), Fault> {
    let page = Html::parse_document(body);
    let to = |element: ElementRef<'_>| base.join(element.attr("href")?).ok();
    let next = page.select(&parse("a.next")?).find_map(to);
    Ok((page.select(&parse("a.job")?).filter_map(to).collect(), next))
}

fn extract(body: &str, fields: &[Field]) -> Map<String, Value> {
    let page = Html::parse_document(body);
    let value = |field: &Field| {
        let element = page.select(&field.selector).next()?;
        Some(match field.attribute {
            Some(name) => element.attr(name)?.to_owned(),
            None => element.text().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" "),
        })
    };
    fields.iter().filter_map(|field| Some((field.name.to_owned(), value(field)?.into()))).collect()
}
