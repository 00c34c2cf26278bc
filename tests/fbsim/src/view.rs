//! The pages as people see them: plain HTML, made on the server, without scripts.

use crate::clock::human_time;
use crate::server::Sim;
use crate::state::{Post, Version, World};
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use std::fmt::Write;
use std::sync::Arc;
use url::Url;

/// Posts on one screen.
const SHOWN: usize = 50;
const STYLE: &str = include_str!("view.css");
/// No script, no image, no frame: whatever a post says, it stays text.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'";

pub(crate) fn router() -> Router<Arc<Sim>> {
    Router::new()
        .route("/pages", get(all))
        .route("/pages/{page}", get(one))
        .route("/style.css", get(|| async { ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE) }))
}

async fn all(State(sim): State<Arc<Sim>>) -> Response {
    let world = sim.world();
    let now = world.now_ms();
    let mut cards = String::new();
    for (id, page) in &world.pages {
        let live = page.posts.iter().filter_map(|post| live(&world, post, now)).count();
        let id = escape(id);
        let word = if live == 1 { "post" } else { "posts" };
        let card =
            format!("<li><a href=\"/__sim/pages/{id}\"><strong>{id}</strong> <span>{live} {word}</span></a></li>\n");
        cards.push_str(&card);
    }
    let body = if cards.is_empty() {
        "<p class=\"empty\">No page was named yet. One appears with the first post to it.</p>".to_owned()
    } else {
        format!("<ul class=\"pages\">\n{cards}</ul>")
    };
    html(StatusCode::OK, "Simulated pages", &format!("<h1>Simulated pages</h1>\n{body}"))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct From {
    /// Posts to skip.
    skip: usize,
}

async fn one(State(sim): State<Arc<Sim>>, Path(id): Path<String>, Query(from): Query<From>) -> Response {
    let world = sim.world();
    let now = world.now_ms();
    let name = escape(&id);
    let Some(page) = world.pages.get(&id) else {
        return html(StatusCode::NOT_FOUND, "No such page", &format!("<h1>There is no page {name}</h1>"));
    };
    let posts: Vec<_> = page.posts.iter().rev().filter_map(|post| live(&world, post, now)).collect();
    let gone = page.posts.iter().filter(|id| world.posts.get(*id).is_some_and(|post| post.present().is_none())).count();
    let mut body = format!(
        "<header class=\"page\"><span class=\"face\" aria-hidden=\"true\">{}</span><div><h1>{name}</h1>\
         <p>{} posts, {gone} removed</p></div></header>\n",
        escape(&id.chars().take(1).collect::<String>().to_uppercase()),
        posts.len(),
    );
    if posts.is_empty() {
        body.push_str("<p class=\"empty\">This page shows no posts.</p>\n");
    }
    for (post, version) in posts.iter().skip(from.skip).take(SHOWN) {
        article(&mut body, &name, post, version);
    }
    body.push_str(&steps(from.skip, posts.len()));
    html(StatusCode::OK, &name, &body)
}

fn live<'a>(world: &'a World, id: &str, now_ms: i64) -> Option<(&'a Post, &'a Version)> {
    let post = world.posts.get(id)?;
    post.present().filter(|version| post.is_live(version, now_ms)).map(|version| (post, version))
}

fn article(out: &mut String, page: &str, post: &Post, version: &Version) {
    let edited = match version.at_ms {
        at if post.versions.len() > 1 => format!(" &middot; edited {}", human_time(at)),
        _ => String::new(),
    };
    let written = write!(
        out,
        "<article id=\"{id}\"><header><h2>{page}</h2><p class=\"when\">{created}{edited}</p></header>\n\
         <p class=\"message\">{message}</p>\n{link}<footer>{id}</footer></article>\n",
        id = escape(&post.id),
        created = human_time(post.created_ms),
        message = escape(&version.message),
        link = post.link.as_deref().map(card).unwrap_or_default(),
    );
    debug_assert!(written.is_ok(), "writing to a string cannot fail");
}

/// The card of a link. Only web links become one that can be followed.
fn card(link: &str) -> String {
    let text = escape(link);
    match Url::parse(link) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => {
            let host = escape(url.host_str().unwrap_or_default());
            format!("<a class=\"card\" href=\"{text}\" rel=\"noreferrer\"><span>{host}</span>{text}</a>\n")
        }
        _ => format!("<p class=\"card\">{text}</p>\n"),
    }
}

fn steps(skip: usize, all: usize) -> String {
    let mut links = String::new();
    if skip > 0 {
        links.push_str(&format!("<a rel=\"prev\" href=\"?skip={}\">Newer posts</a>", skip.saturating_sub(SHOWN)));
    }
    if skip.saturating_add(SHOWN) < all {
        links.push_str(&format!("<a rel=\"next\" href=\"?skip={}\">Older posts</a>", skip + SHOWN));
    }
    if links.is_empty() { links } else { format!("<nav aria-label=\"More posts\">{links}</nav>\n") }
}

/// A whole document; `title` is escaped already.
fn html(status: StatusCode, title: &str, body: &str) -> Response {
    let document = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <link rel=\"stylesheet\" href=\"/__sim/style.css\"></head>\n\
         <body>\n<nav class=\"top\" aria-label=\"Simulator\"><a href=\"/__sim/pages\">All pages</a>\
         <span>Simulator: nothing here is on Facebook</span></nav>\n<main>\n{body}</main>\n</body>\n</html>\n"
    );
    let policy = HeaderName::from_static("content-security-policy");
    (status, [(policy, POLICY)], Html(document)).into_response()
}

fn escape(text: &str) -> String {
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
