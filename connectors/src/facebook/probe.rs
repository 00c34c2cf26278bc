//! Reading a page back: every post of ours in a span of time, all of them or an error.

use super::class::Said;
use super::code;
use super::graph::{Call, Reply, Verb};
use super::judge::{Judge, post_id};
use super::{marker, post};
use jobpipe_core::{ErrorClass, FoundPost, Millis, TaskError};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::time::Duration;

const FIELDS: &str = "id,message,created_time,application{id},attachments{unshimmed_url,subattachments}";
/// Posts asked for in one call: Facebook gives no more.
const LIMIT: u32 = 100;
/// Below this many, "reduce the amount of data" is an error like any other.
const LEAST_LIMIT: u32 = 5;
/// Longest answer, in bytes.
const LONGEST_ANSWER: usize = 16 << 20;
/// Clocks of two machines differ; a span is read so much wider on both sides, in seconds.
const SKEW: i64 = 600;
/// Facebook takes no longer span between `since` and `until`, in seconds (six months).
const SPAN: i64 = 180 * 24 * 3600;
/// More spans than these are read as one without bounds.
const MOST_SPANS: i64 = 20;
/// Calls that one reading makes at most: a million posts.
const MOST_CALLS: u32 = 10_000;
/// Failed calls that one reading repeats (a read may be repeated, unlike an effect).
const MOST_REPEATS: u32 = 10;
/// The pause before the first repetition in a row; it doubles.
const REPEAT_PAUSE: Duration = Duration::from_millis(500);
/// Answers in a row whose cursor stands still: empty pages may have one, a circle has it for ever.
const MOST_STILL: u32 = 5;
/// How deep albums in albums are looked into.
const DEEPEST: usize = 3;

/// Seconds since the epoch, both or none.
type Span = Option<(i64, i64)>;

/// Reads every post of `judge.page` with a marker, made at or after `since`.
pub(super) async fn read(judge: &Judge<'_>, since: Millis) -> Result<Vec<FoundPost>, TaskError> {
    if let Err(closed) = judge.graph.gate.pass(&judge.page.id).await {
        return Err(judge.closed(closed.left, closed.why));
    }
    let read = read_all(judge, since).await;
    judge.graph.gate.tell().await;
    read
}

async fn read_all(judge: &Judge<'_>, since: Millis) -> Result<Vec<FoundPost>, TaskError> {
    let mut reading = Reading { judge, found: BTreeMap::new(), calls: 0, repeats: 0, limit: LIMIT };
    for span in spans(since, judge.graph.clock.now()) {
        reading.span(span).await?;
    }
    Ok(told_apart(reading.found.into_values()))
}

/// A post that names no app was made by hand, on a page that names the app of others: with a link that was copied, say.
fn told_apart(found: impl Iterator<Item = Found>) -> Vec<FoundPost> {
    let found: Vec<Found> = found.collect();
    let named = found.iter().any(|found| found.by_app);
    found.into_iter().map(|found| FoundPost { foreign: named && !found.by_app, ..found.post }).collect()
}

/// A post of ours, and whether it names the app that made it.
#[derive(Debug, PartialEq)]
struct Found {
    post: FoundPost,
    by_app: bool,
}

/// One reading: what was found, and what it may still spend.
struct Reading<'a> {
    judge: &'a Judge<'a>,
    found: BTreeMap<String, Found>,
    calls: u32,
    repeats: u32,
    limit: u32,
}

impl Reading<'_> {
    async fn span(&mut self, span: Span) -> Result<(), TaskError> {
        let mut after: Option<String> = None;
        let mut still = 0;
        loop {
            let body = self.page(span, after.as_deref()).await?;
            let posts = body
                .get("data")
                .and_then(Json::as_array)
                .ok_or_else(|| self.incomplete("an answer has no list of posts"))?;
            for post in posts {
                if let Some(found) = found(&self.judge.page.id, post).map_err(|why| self.incomplete(why))? {
                    self.found.insert(found.post.post.clone(), found);
                }
            }
            let paging = body.get("paging");
            if paging.and_then(|paging| paging.get("next")).is_none_or(Json::is_null) {
                return Ok(());
            }
            // The address in `next` holds a token, so the call is made anew with the cursor.
            let cursor = paging.and_then(|paging| paging.pointer("/cursors/after")).and_then(Json::as_str);
            let cursor = cursor.ok_or_else(|| self.incomplete("there are more posts, and no cursor to them"))?;
            still = if after.as_deref() == Some(cursor) { still + 1 } else { 0 };
            if still > MOST_STILL {
                return Err(self.incomplete("its cursor does not move"));
            }
            after = Some(cursor.to_owned());
        }
    }

    /// One page of the listing; a call that fails is repeated while that may help.
    async fn page(&mut self, span: Span, after: Option<&str>) -> Result<Json, TaskError> {
        let mut pause = REPEAT_PAUSE;
        loop {
            self.calls += 1;
            if self.calls > MOST_CALLS {
                return Err(self.incomplete("the page has more posts than can be read at once"));
            }
            let error = match self.ask(span, after).await {
                Ok(body) => return Ok(body),
                Err(Failure::TooMuch(_)) if self.limit / 2 >= LEAST_LIMIT => {
                    self.limit /= 2;
                    continue;
                }
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::TooMuch(error) | Failure::Passing(error)) => error,
            };
            self.repeats += 1;
            if self.repeats > MOST_REPEATS {
                return Err(error);
            }
            self.judge.graph.clock.sleep(pause).await;
            pause *= 2;
        }
    }

    async fn ask(&self, span: Span, after: Option<&str>) -> Result<Json, Failure> {
        let mut params = vec![("fields", FIELDS.to_owned()), ("limit", self.limit.to_string())];
        if let Some((since, until)) = span {
            params.extend([("since", since.to_string()), ("until", until.to_string())]);
        }
        params.extend(after.map(|after| ("after", after.to_owned())));
        let judge = self.judge;
        let page = judge.page.id.as_str();
        let edge = Some("published_posts");
        let call = Call { verb: Verb::Get, node: page, edge, params, token: judge.token, page, most: LONGEST_ANSWER };
        let (status, usage, body) = match judge.graph.call(&call).await {
            Reply::Unsendable(why) => {
                let remedy = super::pages::TOKEN_REMEDY;
                return Err(Failure::Final(judge.error(
                    ErrorClass::Auth,
                    code::TOKEN,
                    &format!("its token cannot be sent: {why}"),
                    remedy,
                )));
            }
            Reply::NotSent(why) => return Err(Failure::Final(judge.unreachable(&why))),
            Reply::Lost(why) => return Err(Failure::Passing(self.incomplete(&why))),
            Reply::Answer { status, usage, body } => (status, usage, body),
        };
        judge.heed(usage);
        match body {
            Some(body) if (200..300).contains(&status) && Said::of(&body).is_none() => {
                judge.graph.gate.answered();
                Ok(body)
            }
            body => {
                let said = body.as_ref().and_then(Said::of);
                Err(self.failure(said.as_ref(), &judge.refusal(status, usage, said.as_ref())))
            }
        }
    }

    fn failure(&self, said: Option<&Said>, refusal: &super::judge::Refusal) -> Failure {
        use super::class::Class;
        if let Some(error) = self.judge.page_at_fault(refusal) {
            return Failure::Final(error);
        }
        match refusal.class {
            Class::Throttled { .. } | Class::Blocked => Failure::Final(self.judge.closed(refusal.pause, &refusal.said)),
            Class::Ambiguous if said.is_some_and(|said| said.message.contains("reduce the amount of data")) => {
                Failure::TooMuch(self.incomplete(&refusal.said))
            }
            Class::Ambiguous => Failure::Passing(self.incomplete(&refusal.said)),
            _ => Failure::Final(self.incomplete(&refusal.said)),
        }
    }

    fn incomplete(&self, why: &str) -> TaskError {
        let what = format!("its posts could not be read to the end: {why}");
        self.judge.error(
            ErrorClass::Transient,
            code::READ,
            &what,
            "it is read again later; nothing is posted on a guess",
        )
    }
}

enum Failure {
    /// A repetition may help.
    Passing(TaskError),
    /// A smaller page may help.
    TooMuch(TaskError),
    /// Neither.
    Final(TaskError),
}

/// The spans to read so that no post made at or after `since` (milliseconds) is missed.
fn spans(since: Millis, now: Millis) -> Vec<Span> {
    let (from, to) = (since / 1000 - SKEW, now / 1000 + SKEW);
    if since <= 0 || (to - from) / SPAN >= MOST_SPANS {
        return vec![None];
    }
    let starts = std::iter::successors(Some(from), |start| Some(start + SPAN).filter(|next| *next < to));
    starts.map(|start| Some((start, (start + SPAN).min(to)))).collect()
}

/// The post, if it is one of ours.
fn found(page: &str, post: &Json) -> Result<Option<Found>, &'static str> {
    let text = |name: &str| post.get(name).and_then(Json::as_str).unwrap_or_default();
    let in_link = post.get("attachments").and_then(|attachments| in_attachments(attachments, 0));
    let (marker, identity, message) = match in_link {
        Some((marker, link)) => (marker, link, text("message").to_owned()),
        None => match marker::in_message(text("message")) {
            Some((marker, message)) => (marker, String::new(), message),
            None => return Ok(None),
        },
    };
    // what is rendered has no blanks at its ends, and Facebook may have its own there
    let hash = Some(post::fingerprint(message.trim(), &identity));
    let id = post_id(page, text("id")).ok_or("a post has no id")?;
    let created_at = created(text("created_time")).ok_or("a post does not say when it was made")?;
    let by_app = post.pointer("/application/id").is_some();
    let post = FoundPost { post: id, marker, created_at, identity: Some(identity), hash, foreign: false };
    Ok(Some(Found { post, by_app }))
}

fn in_attachments(attachments: &Json, depth: usize) -> Option<(String, String)> {
    attachments.get("data")?.as_array()?.iter().find_map(|attachment| {
        let link = attachment.get("unshimmed_url").and_then(Json::as_str);
        link.and_then(marker::in_link).or_else(|| {
            let inner = attachment.get("subattachments").filter(|_| depth < DEEPEST)?;
            in_attachments(inner, depth + 1)
        })
    })
}

/// `2019-01-02T18:31:28+0000` in milliseconds since the epoch.
fn created(text: &str) -> Option<Millis> {
    let graph = || jiff::fmt::strtime::parse("%Y-%m-%dT%H:%M:%S%z", text).ok()?.to_timestamp().ok();
    text.parse().ok().or_else(graph).map(jiff::Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn spans_cover_the_time_asked_for_and_no_span_is_too_long() {
        let now = 1_795_000_000_000;
        assert_eq!(spans(0, now), [None]);
        assert_eq!(spans(1_000, now), [None], "too long ago for spans");
        assert_eq!(spans(now - 60_000, now), [Some((now / 1000 - 60 - SKEW, now / 1000 + SKEW))]);
        let year = spans(now - 365 * 86_400_000, now);
        assert_eq!(year.len(), 3);
        let pairs: Vec<(i64, i64)> = year.into_iter().flatten().collect();
        assert!(pairs.windows(2).all(|two| two[0].1 == two[1].0), "{pairs:?}");
        assert!(pairs.iter().all(|(from, to)| to - from <= SPAN), "{pairs:?}");
        assert_eq!(pairs.last().unwrap().1, now / 1000 + SKEW);
    }

    #[test]
    fn the_marker_is_found_where_the_post_has_it() {
        let time = "2019-01-02T18:31:28+0000";
        let post = |rest: Json| {
            let mut post = json!({"id": "1_2", "created_time": time});
            post.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
            found("1", &post).unwrap().map(|found| found.post)
        };
        let link = json!({"data": [{"unshimmed_url": "https://a.test/?x=1&jp=aaaaaaaaaaaaaaaaaaaa"}]});
        let linked = post(json!({"message": "m\n#ref bbbbbbbbbbbbbbbbbbbb", "attachments": link})).unwrap();
        assert_eq!(
            (linked.marker.as_str(), linked.identity.as_deref()),
            ("aaaaaaaaaaaaaaaaaaaa", Some("https://a.test/?x=1"))
        );
        assert_eq!((linked.post.as_str(), linked.created_at), ("1_2", 1_546_453_888_000));
        let album = json!({"data": [{"subattachments": link}]});
        assert_eq!(post(json!({"attachments": album})).unwrap().marker, "aaaaaaaaaaaaaaaaaaaa");
        let text = post(json!({"message": "m\n#ref bbbbbbbbbbbbbbbbbbbb"})).unwrap();
        assert_eq!((text.marker.as_str(), text.identity.as_deref()), ("bbbbbbbbbbbbbbbbbbbb", Some("")));
        assert_eq!(post(json!({"message": "someone else's"})), None);
    }

    #[test]
    fn a_post_of_ours_without_id_or_time_makes_the_reading_incomplete() {
        let message = "m\n#ref bbbbbbbbbbbbbbbbbbbb";
        assert!(found("1", &json!({"message": message, "created_time": "2019-01-02T18:31:28+0000"})).is_err());
        assert!(found("1", &json!({"message": message, "id": "1_2", "created_time": "yesterday"})).is_err());
        let bare = found("1", &json!({"message": message, "id": "2", "created_time": "2019-01-02T18:31:28Z"}))
            .unwrap()
            .unwrap();
        assert_eq!(bare.post.post, "1_2");
    }
}
