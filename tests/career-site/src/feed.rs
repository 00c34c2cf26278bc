//! The open offers as RSS 2.0.

use crate::clock::http_date;
use crate::html::escape;
use crate::offers::{Offer, Status};
use crate::site::Site;

/// The whole feed, newest first; closed offers are not in it.
pub(crate) fn rss(site: &Site, host: &str) -> String {
    let items: String =
        site.newest_first().filter(|offer| offer.status == Status::Open).map(|offer| item(offer, host)).collect();
    channel(host, site.changed_ms(), &items)
}

/// A feed that has lost its offers.
pub(crate) fn empty(site: &Site, host: &str) -> String {
    channel(host, site.changed_ms(), "")
}

fn channel(host: &str, changed_ms: i64, items: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rss version=\"2.0\" xmlns:job=\"https://jobs.example/ns\">\n<channel>\n\
         <title>Acme Careers</title>\n<link>http://{host}/jobs</link>\n<description>All open offers</description>\n\
         <language>en</language>\n<lastBuildDate>{}</lastBuildDate>\n{items}</channel>\n</rss>\n",
        http_date(changed_ms),
        host = escape(host),
    )
}

fn item(offer: &Offer, host: &str) -> String {
    let link = format!("http://{}{}", escape(host), offer.path());
    format!(
        "<item>\n<title>{title}</title>\n<link>{link}</link>\n<guid isPermaLink=\"false\">{reference}</guid>\n\
         <pubDate>{posted}</pubDate>\n<category>{contract}</category>\n<job:company>{company}</job:company>\n\
         <job:city>{city}</job:city>\n<job:salary>{salary}</job:salary>\n\
         <description><![CDATA[{description}]]></description>\n</item>\n",
        title = escape(&offer.title),
        reference = escape(&offer.reference),
        posted = http_date(offer.posted_ms),
        contract = escape(&offer.contract),
        company = escape(&offer.company),
        city = escape(&offer.city),
        salary = offer.salary,
        description = offer.description.replace("]]>", "]]]]><![CDATA[>"),
    )
}
