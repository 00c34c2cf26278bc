//! The server that both programs ask: listings and detail pages of about 10 KiB, and a JSON API of 1,000 records a page.
//!
//! `site` prints its port and serves until its standard input ends. Everything follows from numbers in the path:
//!
//! - `/jobs/COUNT/PAGE`: links to 100 detail pages and to the next listing;
//! - `/job/N`: one detail page;
//! - `/api/COUNT/PAGE`: `{"data": [1,000 records], "next": "..."}`;
//! - `/version/N`: from now on one record in a hundred differs from what every other version has.

#![expect(clippy::print_stdout, reason = "its port is what it says")]

use std::io::{self, Read as _};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

const LISTED: u64 = 100;
const ON_PAGE: u64 = 1_000;
const CITIES: [&str; 6] = ["Lyon", "Paris", "Lille", "Nantes", "Bordeaux", "Strasbourg"];
const TITLES: [&str; 5] = ["Nurse", "Welder", "Data engineer", "Night porter", "Sales assistant"];
static VERSION: AtomicU64 = AtomicU64::new(0);
const SENTENCE: &str =
    "You will work with a small team, plan your own week, and be trained on the job by people who like it. ";

#[tokio::main]
async fn main() -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", listener.local_addr()?.port());
    std::thread::spawn(|| {
        let _ended = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // a client that goes away is none of the server's business
        tokio::spawn(async move { drop(serve(stream).await) });
    }
}

async fn serve(stream: TcpStream) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or("/").to_owned();
        while line.trim_end() != "" {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
        }
        let (status, kind, body) = match answer(&path) {
            Some((kind, body)) => ("200 OK", kind, body),
            None => ("404 Not Found", "text/plain", String::new()),
        };
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).await?;
    }
}

fn answer(path: &str) -> Option<(&'static str, String)> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let number = |at: usize| parts.get(at)?.parse::<u64>().ok();
    match *parts.first()? {
        "jobs" => Some(("text/html; charset=utf-8", listing(number(1)?, number(2)?))),
        "job" => Some(("text/html; charset=utf-8", detail(number(1)?))),
        "api" => Some(("application/json", api(number(1)?, number(2)?))),
        "version" => {
            VERSION.store(number(1)?, Ordering::SeqCst);
            Some(("text/plain", String::new()))
        }
        _ => None,
    }
}

fn of<'a>(words: &[&'a str], n: u64) -> &'a str {
    let at = usize::try_from(n).unwrap_or(0) % words.len();
    words.get(at).copied().unwrap_or_default()
}

fn listing(count: u64, page: u64) -> String {
    let mut html = String::from("<!doctype html><html><head><title>Jobs</title></head><body><ul class=\"jobs\">");
    let first = (page - 1) * LISTED;
    for n in first..(first + LISTED).min(count) {
        html += &format!("<li><a class=\"job\" href=\"/job/{n}\">{} {n}</a></li>", of(&TITLES, n));
    }
    html.push_str("</ul>");
    if page * LISTED < count {
        html += &format!("<a class=\"next\" href=\"/jobs/{count}/{}\">next</a>", page + 1);
    }
    html.push_str("</body></html>");
    html
}

/// About 10 KiB, most of it what a page carries around its content.
fn detail(n: u64) -> String {
    let (title, city) = (of(&TITLES, n), of(&CITIES, n / 7));
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title} {n} - Acme</title>\
         <link rel=\"canonical\" href=\"/job/{n}\"><link rel=\"stylesheet\" href=\"/site.css\"></head><body>\
         <header><nav class=\"menu\"><ul>"
    );
    for at in 0..30 {
        html += &format!("<li class=\"item\"><a href=\"/section/{at}\" title=\"Section {at}\">Section {at}</a></li>");
    }
    html += &format!(
        "</ul></nav></header><main><article class=\"offer\"><h1 class=\"job-title\">{title} {n}</h1>\
         <dl><dt>Company</dt><dd class=\"company\">Acme &amp; Sons {}</dd><dt>City</dt><dd class=\"location\">{city}</dd>\
         <dt>Salary</dt><dd class=\"salary\"><span>{} EUR</span> a year</dd><dt>Contract</dt><dd class=\"contract\">\
         permanent</dd></dl><time class=\"posted\" datetime=\"2026-11-{:02}\">posted this month</time>\
         <span class=\"reference\">R-{n:07}</span><div class=\"description\">",
        n % 90,
        25_000 + n % 40_000,
        1 + n % 28
    );
    for at in 0..18 {
        html += &format!("<p>{SENTENCE}<b>{at}</b> {SENTENCE}</p>");
    }
    html.push_str("</div></article><aside>");
    for at in 0..20 {
        html += &format!("<div class=\"near\"><a href=\"/job/{}\">{}</a></div>", n + at, of(&TITLES, n + at));
    }
    html.push_str("</aside></main><footer><p>Acme, 2026</p></footer></body></html>");
    html
}

fn api(count: u64, page: u64) -> String {
    let version = VERSION.load(Ordering::SeqCst);
    let mut json = String::from("{\"data\":[");
    let first = (page - 1) * ON_PAGE;
    for n in first..(first + ON_PAGE).min(count) {
        if n > first {
            json.push(',');
        }
        let changed = if n % 100 == 0 { version } else { 0 };
        json += &format!(
            "{{\"id\":{n},\"reference\":\"R-{n:07}\",\"title\":\"  {} {n} \",\
             \"company\":{{\"name\":\"Acme {}\",\"sector\":\"Health\"}},\
             \"location\":{{\"city\":\"{}\",\"country\":\"FR\",\"zip\":\"{:05}\"}},\
             \"salary\":{{\"min\":{},\"max\":{},\"currency\":\"EUR\"}},\"tags\":[\"night\",\"urgent\",\"team {}\"],\
             \"posted\":\"2026-11-{:02}T08:00:00Z\",\"remote\":{},\"url\":\"https://acme.test/job/{n}\",\
             \"description\":\"{SENTENCE}\"}}",
            of(&TITLES, n),
            n % 90,
            of(&CITIES, n / 7),
            n % 96_000,
            25_000 + n % 9_000 + changed,
            40_000 + n % 20_000,
            n % 12,
            1 + n % 28,
            n % 3 == 0,
        );
    }
    json.push_str("],\"next\":");
    if page * ON_PAGE < count {
        json += &format!("\"/api/{count}/{}\"", page + 1);
    } else {
        json.push_str("null");
    }
    json.push('}');
    json
}
