//! From what came of a call to what the engine is told, and to the silence that is kept.

use super::class::{Class, Said, class};
use super::code;
use super::graph::{Graph, Reply};
use super::pages::{Page, TOKEN_REMEDY};
use super::usage::Usage;
use jobpipe_core::{EffectAnswer, ErrorClass, Op, TaskError};
use secrecy::SecretString;
use serde_json::Value as Json;
use std::time::Duration;

/// Facebook's reader of links is asked again after so long.
const SCRAPE_PAUSE: Duration = Duration::from_secs(20 * 60);
/// So often in a row, then the link counts as refused.
const MOST_SCRAPES: u32 = 3;
/// Why a page is quiet after its usage was high or its limit was reached.
pub(super) const PAGE_LIMIT: &str = "the page's rate limit is used up";
const APP_LIMIT: &str = "the app's rate limit is used up";

/// One call on one page, as far as judging needs it.
pub(super) struct Judge<'a> {
    pub(super) graph: &'a Graph,
    pub(super) page: &'a Page,
    pub(super) token: &'a SecretString,
}

/// An error of Facebook and what it proves.
pub(super) struct Refusal {
    pub(super) class: Class,
    /// `facebook answered "..." (code 190/460, trace AbC)`
    pub(super) said: String,
    /// For [`Class::Throttled`] and [`Class::Blocked`].
    pub(super) pause: Duration,
}

impl Judge<'_> {
    /// What a call that changes something came to. `held` is how often in a row this post
    /// was held back before.
    pub(super) fn effect(&self, op: Op, reply: Reply, held: u32) -> EffectAnswer {
        let (status, usage, body) = match reply {
            Reply::Unsendable(why) => {
                return EffectAnswer::Paused(self.error(
                    ErrorClass::Auth,
                    code::TOKEN,
                    &format!("its token cannot be sent: {why}"),
                    TOKEN_REMEDY,
                ));
            }
            Reply::NotSent(why) => return self.not_sent(&why),
            Reply::Lost(why) => return self.unknown(&format!("the call was sent and no whole answer came ({why})")),
            Reply::Answer { status, usage, body } => (status, usage, body),
        };
        self.heed(usage);
        let body = body.unwrap_or(Json::Null);
        let said = Said::of(&body);
        if said.is_none() && (200..300).contains(&status) {
            return self.success(op, &body);
        }
        self.refused(op, &self.refusal(status, usage, said.as_ref()), held)
    }

    /// Keeps the silence that an answer's figures ask for.
    pub(super) fn heed(&self, usage: Usage) {
        if let Some(time) = usage.page.pause() {
            self.graph.gate.quiet_page(&self.page.id, time, PAGE_LIMIT);
        }
        if let Some(time) = usage.app.pause() {
            self.graph.gate.quiet_app(time, APP_LIMIT, false);
        }
    }

    /// Reads an answer that is not a success, and keeps the silence that it asks for.
    pub(super) fn refusal(&self, status: u16, usage: Usage, said: Option<&Said>) -> Refusal {
        let class = class(status, said);
        let gate = &self.graph.gate;
        let pause = match class {
            Class::Throttled { app: true } => {
                let time = usage.app.after_refusal().max(usage.page.after_refusal());
                gate.quiet_app(time, APP_LIMIT, true);
                time
            }
            Class::Throttled { app: false } => {
                let time = usage.page.after_refusal();
                gate.quiet_page(&self.page.id, time, PAGE_LIMIT);
                time
            }
            Class::Blocked => gate.block(&self.page.id),
            _ => Duration::ZERO,
        };
        if !matches!(class, Class::Throttled { .. }) {
            gate.answered();
        }
        let said = match said {
            Some(said) => format!("facebook answered \"{}\" ({said})", self.graph.clean(&said.message, self.token)),
            None => format!("facebook answered with status {status} and no error that can be read"),
        };
        Refusal { class, said, pause }
    }

    /// The answer while the gate is closed: nothing is sent.
    pub(super) fn closed(&self, left: Duration, why: &str) -> TaskError {
        let what = format!("{why}, so nothing was sent");
        let error = self.error(ErrorClass::Throttled, code::THROTTLED, &what, &goes_on(left));
        after(error, left)
    }

    /// The API could not be reached, so nothing was done.
    pub(super) fn unreachable(&self, why: &str) -> TaskError {
        let wait = self.graph.gate.unreachable();
        let what = format!("facebook's API cannot be reached ({why}), so nothing was done");
        let remedy = format!("check the network and facebook.graph_url; {}", goes_on(wait));
        after(self.error(ErrorClass::Transient, code::UNREACHABLE, &what, &remedy), wait)
    }

    pub(super) fn error(&self, class: ErrorClass, code: &str, what: &str, remedy: &str) -> TaskError {
        self.page.error(class, code, what, remedy)
    }

    /// The error of a refusal that concerns the credential or the page itself: nothing works until it is mended.
    pub(super) fn page_at_fault(&self, refusal: &Refusal) -> Option<TaskError> {
        let (code, remedy) = match refusal.class {
            Class::Auth => (code::TOKEN, TOKEN_REMEDY),
            Class::Permission => (
                code::PERMISSION,
                "give the token pages_manage_posts and pages_read_engagement, from a person who may create content on the page",
            ),
            Class::Migrated => (code::PAGE, "put the page's new id into `pages:` of jobpipe.yml"),
            Class::Gone => {
                (code::PAGE, "check the page's id in `pages:` of jobpipe.yml, and that its token may see it")
            }
            _ => return None,
        };
        Some(self.error(ErrorClass::Auth, code, &refusal.said, remedy))
    }

    fn success(&self, op: Op, body: &Json) -> EffectAnswer {
        let success = body.get("success").and_then(Json::as_bool);
        let answer = match (op, success) {
            (Op::Create, _) => {
                let Some(id) = body.get("id").and_then(Json::as_str).and_then(|id| post_id(&self.page.id, id)) else {
                    return self.unknown("facebook answered without the post's id");
                };
                EffectAnswer::Done { post: Some(id) }
            }
            (_, Some(true)) => EffectAnswer::Done { post: None },
            (Op::Delete, Some(false)) => {
                let what = "facebook answered that it did not delete the post, and not why";
                let remedy = "look at the post on the page, and delete it there if it is still to go";
                return EffectAnswer::Rejected(self.error(ErrorClass::Permanent, code::NOT_DELETED, what, remedy));
            }
            (Op::Update | Op::Delete, _) => return self.unknown("facebook answered neither success nor an error"),
        };
        self.graph.gate.answered();
        self.graph.gate.done(&self.page.id);
        answer
    }

    fn refused(&self, op: Op, refusal: &Refusal, held: u32) -> EffectAnswer {
        let said = &refusal.said;
        match refusal.class {
            Class::Ambiguous => self.unknown(said),
            Class::Throttled { .. } => self.wait(code::THROTTLED, said, refusal.pause, true),
            Class::Blocked => self.wait(code::BLOCKED, said, refusal.pause, true),
            // The second time means that the page was read back and the post was not there.
            Class::Duplicate if op == Op::Create && held == 0 => EffectAnswer::Unknown(self.error(
                ErrorClass::Transient,
                code::DUPLICATE,
                said,
                "jobpipe reads the page back to see whether the post is there",
            )),
            Class::Scrape if held < MOST_SCRAPES => self.wait(code::LINK, said, SCRAPE_PAUSE, false),
            Class::Scrape => EffectAnswer::Rejected(self.error(
                ErrorClass::Permanent,
                code::LINK,
                said,
                "see that the link's page opens without a login, or correct the export's `link`; it is tried again when the post changes",
            )),
            Class::Duplicate | Class::Content => EffectAnswer::Rejected(self.error(
                ErrorClass::Permanent,
                code::CONTENT,
                said,
                "correct the record or the export's `message` and `link`; it is tried again when they change",
            )),
            Class::Gone if op != Op::Create => EffectAnswer::Absent(self.error(
                ErrorClass::Missing,
                code::ABSENT,
                said,
                "nothing need be done if someone removed the post; else check what the token may see",
            )),
            Class::Auth | Class::Permission | Class::Migrated | Class::Gone => match self.page_at_fault(refusal) {
                Some(error) => EffectAnswer::Paused(error),
                None => self.unknown(said),
            },
        }
    }

    fn not_sent(&self, why: &str) -> EffectAnswer {
        let error = self.unreachable(why);
        let after = Duration::from_millis(error.retry_after_ms.unwrap_or(0));
        EffectAnswer::Wait { after, whole_target: true, error }
    }

    fn unknown(&self, what: &str) -> EffectAnswer {
        let remedy = "it may or may not have been done; jobpipe finds out before it sends anything again";
        EffectAnswer::Unknown(self.error(ErrorClass::Transient, code::UNKNOWN, what, remedy))
    }

    fn wait(&self, code: &str, said: &str, time: Duration, whole_target: bool) -> EffectAnswer {
        let error = after(self.error(ErrorClass::Throttled, code, said, &goes_on(time)), time);
        EffectAnswer::Wait { after: time, whole_target, error }
    }
}

/// The whole id of a post; some answers leave the page's part out. `None` for what is no id.
pub(super) fn post_id(page: &str, id: &str) -> Option<String> {
    let is_id = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':');
    if id.is_empty() || id.len() > 200 || !id.bytes().all(is_id) {
        return None;
    }
    Some(if id.contains('_') { id.to_owned() } else { format!("{page}_{id}") })
}

fn after(error: TaskError, time: Duration) -> TaskError {
    TaskError { retry_after_ms: u64::try_from(time.as_millis()).ok(), ..error }
}

fn goes_on(time: Duration) -> String {
    let seconds = time.as_secs().max(1);
    let span = if seconds < 120 { format!("{seconds} s") } else { format!("{} min", seconds.div_ceil(60)) };
    format!("it goes on by itself in {span}")
}
