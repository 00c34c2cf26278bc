//! The site for people: plain HTML that works without style, script or colour.

use crate::clock::{iso, long_date};
use crate::offers::{Offer, Status};
use crate::site::Site;

pub(crate) const STYLE: &str = include_str!("site.css");

/// The way in.
pub(crate) fn home(site: &Site) -> String {
    let body = format!(
        "<h1>Work with us</h1>\n<p>{} offers from all over France. This is a sample site: its offers are made up.</p>\n\
         <p><a class=\"button\" href=\"/jobs\">See all jobs</a></p>\n\
         <p>For machines: <a href=\"/api/v1/jobs\">the offers as JSON</a>, <a href=\"/feed.xml\">as a feed</a>.</p>\n",
        site.len()
    );
    document("Work with us", "", &body)
}

/// A page of the listing, from 1 on; behind the last one it is empty.
pub(crate) fn listing(site: &Site, page: u32) -> String {
    let size = site.listing_size;
    let skip = (page as usize - 1).saturating_mul(size);
    let mut items = String::new();
    for offer in site.newest_first().skip(skip).take(size) {
        items.push_str(&item(offer));
    }
    let pages = site.len().div_ceil(size).max(1);
    let mut steps = String::new();
    if page > 1 {
        steps.push_str(&format!("<a class=\"prev\" rel=\"prev\" href=\"/jobs?page={}\">Previous page</a>\n", page - 1));
    }
    if (page as usize) < pages {
        steps.push_str(&format!("<a class=\"next\" rel=\"next\" href=\"/jobs?page={}\">Next page</a>\n", page + 1));
    }
    listing_document(page, pages, &items, &steps)
}

/// A listing that has lost its offers.
pub(crate) fn empty_listing(page: u32) -> String {
    listing_document(page, 1, "", "")
}

fn listing_document(page: u32, pages: usize, items: &str, steps: &str) -> String {
    let list = match items {
        "" => "<p class=\"none\">There are no offers here at the moment.</p>\n".to_owned(),
        items => format!("<ul class=\"jobs\">\n{items}</ul>\n"),
    };
    let body = format!(
        "<h1>Jobs</h1>\n<p>Page {page} of {pages}</p>\n{list}<nav class=\"pages\" aria-label=\"Pages\">\n{steps}</nav>\n"
    );
    document(&format!("Jobs, page {page}"), "", &body)
}

fn item(offer: &Offer) -> String {
    let closed = match offer.status {
        Status::Open => "",
        Status::Closed => " <span class=\"status\">closed</span>",
    };
    format!(
        "<li class=\"job\"><a class=\"job-link\" href=\"{path}\">{title}</a>{closed}\n\
         <span class=\"company\">{company}</span>, <span class=\"city\">{city}</span>\n\
         <time datetime=\"{posted}\">{date}</time></li>\n",
        path = offer.path(),
        title = escape(&offer.title),
        company = escape(&offer.company),
        city = escape(&offer.city),
        posted = iso(offer.posted_ms),
        date = long_date(offer.posted_ms),
    )
}

/// An offer's page.
pub(crate) fn detail(offer: &Offer, host: &str) -> String {
    let canonical = format!("<link rel=\"canonical\" href=\"http://{}{}\">\n", escape(host), escape(&offer.path()));
    let body = format!(
        "<article>\n<h1 class=\"job-title\">{title}</h1>\n\
         <p>This position is <span class=\"status\">{status}</span>.</p>\n<dl>\n\
         <dt>Company</dt><dd class=\"company\">{company}</dd>\n\
         <dt>Location</dt><dd class=\"location\">{city}</dd>\n\
         <dt>Salary</dt><dd class=\"salary\"><span>{salary}</span> EUR a year</dd>\n\
         <dt>Contract</dt><dd class=\"contract\">{contract}</dd>\n\
         <dt>Posted</dt><dd><time class=\"posted\" datetime=\"{posted}\">{date}</time></dd>\n\
         <dt>Reference</dt><dd class=\"ref\">{reference}</dd>\n</dl>\n\
         <div class=\"description\">\n{description}</div>\n</article>\n<p><a class=\"back\" href=\"/jobs\">All jobs</a></p>\n",
        title = escape(&offer.title),
        status = offer.status.as_str(),
        company = escape(&offer.company),
        city = escape(&offer.city),
        salary = offer.salary,
        contract = escape(&offer.contract),
        posted = iso(offer.posted_ms),
        date = long_date(offer.posted_ms),
        reference = escape(&offer.reference),
        description = offer.description,
    );
    document(&format!("{} in {}", escape(&offer.title), escape(&offer.city)), &canonical, &body)
}

/// A short message, for errors and for what is not for crawlers. All of it is text.
pub(crate) fn message(title: &str, text: &str) -> String {
    let title = escape(title);
    document(&title, "", &format!("<h1>{title}</h1>\n<p>{}</p>\n", escape(text)))
}

/// A whole document; `title` is escaped already.
fn document(title: &str, head: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title} - Acme Careers</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n{head}\
         <link rel=\"alternate\" type=\"application/rss+xml\" title=\"Jobs\" href=\"/feed.xml\">\n\
         <link rel=\"stylesheet\" href=\"/style.css\">\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">To the content</a>\n\
         <header><a href=\"/\">Acme Careers</a> <nav aria-label=\"Site\"><a href=\"/jobs\">Jobs</a></nav></header>\n\
         <main id=\"main\">\n{body}</main>\n\
         <footer>A sample site with made-up offers. <a href=\"/private/staff\">Staff only</a></footer>\n</body>\n</html>\n"
    )
}

/// Text made safe for HTML and XML, in elements and in quoted attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}
