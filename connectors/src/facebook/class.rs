//! What an answer proves. The table is Facebook's own error reference and what others saw of it; most errors, rate
//! limits too, come as HTTP 400, so the code decides and not the status. What is not surely known is ambiguous.

use serde_json::Value as Json;
use std::fmt;

/// The `error` of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) code: u64,
    pub(super) subcode: u64,
    /// `is_transient`
    pub(super) transient: bool,
    /// `message`, and the words meant for the user if there are any. May hold a token: see `redact`.
    pub(super) message: String,
    /// `fbtrace_id`
    pub(super) trace: String,
}

/// What an error proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// It may or may not have been executed.
    Ambiguous,
    /// Not executed: the quota of the page, or of the whole app, is used up.
    Throttled { app: bool },
    /// Not executed: the credential is refused.
    Auth,
    /// Not executed: the credential is good but may not do this.
    Permission,
    /// Not executed: posts of this page are blocked for a time.
    Blocked,
    /// Held for a repetition; evidence that it was posted before, not proof.
    Duplicate,
    /// Not executed: Facebook could not read the link just now.
    Scrape,
    /// Not executed: the content is refused.
    Content,
    /// The object does not exist, or may not be seen.
    Gone,
    /// The page has another id now.
    Migrated,
}

impl Said {
    /// The error in a body.
    pub(super) fn of(body: &Json) -> Option<Self> {
        let error = body.get("error")?;
        let number = |name: &str| error.get(name).and_then(Json::as_u64).unwrap_or(0);
        let text = |name: &str| error.get(name).and_then(Json::as_str).unwrap_or_default();
        let message = match text("error_user_msg") {
            "" => text("message").to_owned(),
            user => format!("{} ({user})", text("message")),
        };
        Some(Self {
            code: number("code"),
            subcode: number("error_subcode"),
            transient: error.get("is_transient").and_then(Json::as_bool).unwrap_or(false),
            message,
            trace: text("fbtrace_id").to_owned(),
        })
    }
}

impl fmt::Display for Said {
    /// Everything but the message: `code 190/460, trace AbC`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "code {}", self.code)?;
        if self.subcode != 0 {
            write!(f, "/{}", self.subcode)?;
        }
        if !self.trace.is_empty() {
            let trace: String = self.trace.chars().filter(char::is_ascii_graphic).take(40).collect();
            write!(f, ", trace {trace}")?;
        }
        Ok(())
    }
}

/// What an answer proves that is not a success; `said` is `None` where no error could be read from it.
pub(super) fn class(status: u16, said: Option<&Said>) -> Class {
    let Some(said) = said else {
        return if status == 429 { Class::Throttled { app: false } } else { Class::Ambiguous };
    };
    let is = |number: u64| said.code == number || said.subcode == number;
    if status >= 500 || matches!(said.code, 1 | 2 | 960) || is(99) || is(2_207_051) {
        return Class::Ambiguous;
    }
    if matches!(said.code, 4 | 17 | 32 | 341 | 613 | 80_000..=80_014) || status == 429 {
        return Class::Throttled { app: said.code == 4 };
    }
    if is(506) || is(1_366_051) || (said.code == 368 && said.message.to_lowercase().contains("already posted")) {
        return Class::Duplicate;
    }
    if said.code == 368 {
        return Class::Blocked;
    }
    if said.transient {
        return Class::Ambiguous;
    }
    definite(said)
}

/// Errors that say by themselves that nothing was executed.
fn definite(said: &Said) -> Class {
    let is = |number: u64| said.code == number || said.subcode == number;
    match said.code {
        190 | 102 | 104 | 2500 | 450 | 452 => Class::Auth,
        100 if said.message.contains("appsecret_proof") => Class::Auth,
        3 | 10 | 200..=299 => Class::Permission,
        21 => Class::Migrated,
        803 => Class::Gone,
        100 if said.subcode == 33 => Class::Gone,
        _ if is(1_609_005) => Class::Scrape,
        100 | 324 => Class::Content,
        _ if [1_609_008, 2_061_006, 1_366_046, 1_404_102, 1_346_003].into_iter().any(is) => Class::Content,
        _ => Class::Ambiguous,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(status: u16, code: u64, subcode: u64) -> Class {
        said(status, &json!({ "code": code, "error_subcode": subcode, "message": "m" }))
    }

    fn said(status: u16, error: &Json) -> Class {
        class(status, Said::of(&json!({ "error": error })).as_ref())
    }

    #[test]
    fn the_table() {
        let page = Class::Throttled { app: false };
        let rows: &[(Class, &[(u64, u64)])] = &[
            (Class::Ambiguous, &[(1, 0), (2, 0), (960, 0), (99, 0), (100, 99), (4, 2_207_051), (7_777, 0), (0, 0)]),
            (page, &[(17, 2_446_079), (32, 0), (341, 0), (613, 1_996), (80_000, 0), (80_001, 0), (80_014, 0)]),
            (Class::Throttled { app: true }, &[(4, 0)]),
            (Class::Auth, &[(190, 0), (190, 460), (190, 492), (102, 0), (104, 0), (2500, 0), (450, 0), (452, 0)]),
            (Class::Permission, &[(10, 0), (200, 0), (299, 0), (3, 0), (283, 0), (294, 0)]),
            (Class::Blocked, &[(368, 1_390_008), (368, 0)]),
            (Class::Duplicate, &[(506, 0), (100, 1_366_051)]),
            (Class::Scrape, &[(100, 1_609_005), (1_609_005, 0)]),
            (
                Class::Content,
                &[(100, 0), (100, 1_609_008), (2_061_006, 0), (324, 1_366_046), (1_404_102, 0), (1_346_003, 0)],
            ),
            (Class::Gone, &[(100, 33), (803, 0)]),
            (Class::Migrated, &[(21, 0)]),
        ];
        for (expected, codes) in rows {
            for (code, subcode) in *codes {
                assert_eq!(of(400, *code, *subcode), *expected, "{code}/{subcode}");
            }
        }
        assert_eq!(of(400, 300, 0), Class::Ambiguous, "just past the permissions");
        assert_eq!(of(400, 80_015, 0), Class::Ambiguous, "just past the rate limits");
    }

    #[test]
    fn a_server_error_proves_nothing_whatever_it_says() {
        for code in [1, 2, 4, 100, 190, 368, 506, 80_001] {
            assert_eq!(of(500, code, 0), Class::Ambiguous, "{code}");
        }
        assert_eq!(class(502, None), Class::Ambiguous);
        assert_eq!(class(400, None), Class::Ambiguous);
        assert_eq!(class(429, None), Class::Throttled { app: false });
        assert_eq!(of(429, 7_777, 0), Class::Throttled { app: false });
    }

    #[test]
    fn words_decide_where_a_code_has_two_meanings() {
        let proof = json!({"code": 100, "message": "API calls from the server require an appsecret_proof argument"});
        assert_eq!(said(400, &proof), Class::Auth);
        assert_eq!(said(400, &json!({"code": 368, "message": "You've Already Posted this"})), Class::Duplicate);
        assert_eq!(said(400, &json!({"code": 100, "is_transient": true, "message": ""})), Class::Ambiguous);
        assert_eq!(said(400, &json!({"code": 80_001, "is_transient": true})), Class::Throttled { app: false });
    }

    #[test]
    fn an_error_is_named_by_codes_and_trace() {
        let error = json!({"code": 190, "error_subcode": 460, "fbtrace_id": "AbC\n", "message": "changed", "error_user_msg": "log in"});
        let said = Said::of(&json!({ "error": error })).unwrap();
        assert_eq!((said.to_string().as_str(), said.message.as_str()), ("code 190/460, trace AbC", "changed (log in)"));
        assert_eq!(Said::of(&json!({"success": true})), None);
    }
}
