//! What is told of an import: the same for programs and for people.

use jobpipe_core::{Millis, utc_text};
use serde_json::{Value as Json, json};

/// The longest text that is told, in characters.
const LONGEST: usize = 2_000;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) import: String,
    /// In a word: `launch`, `paused`, `failed`, `stale` or `well`.
    pub(super) state: &'static str,
    /// In words.
    pub(super) text: String,
    /// Since when it is so; `None` where nobody knows.
    pub(super) since: Option<Millis>,
    /// When it is told.
    pub(super) at: Millis,
    /// The last run of it, if it had one.
    pub(super) run: Option<String>,
}

/// Where messages come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    /// The environment's name.
    pub(super) env: String,
    /// The machine that tells.
    pub(super) machine: String,
    /// Where the state is, without user and password.
    pub(super) store: String,
}

impl Message {
    /// In one line: `acme: it is well again`.
    pub(super) fn line(&self) -> String {
        let text: String = self.text.chars().take(LONGEST).collect();
        format!("{}: {text}", self.import)
    }

    /// For programs.
    pub(super) fn json(&self, origin: &Origin) -> Json {
        json!({
            "import": self.import, "state": self.state, "text": self.line(), "env": origin.env, "at": utc_text(self.at),
            "since": self.since.map(second), "help": self.help(origin),
        })
    }

    /// The subject of a mail.
    pub(super) fn subject(&self, origin: &Origin) -> String {
        let what = match self.state {
            "launch" => "cannot be launched",
            "paused" => "is paused",
            "failed" => "has failed",
            "stale" => "has not succeeded for long",
            _ => "is well again",
        };
        format!("[jobpipe {}] {} {what}", origin.env, self.import)
    }

    /// The text of a mail.
    pub(super) fn body(&self, origin: &Origin) -> String {
        let mut lines = vec![self.line(), String::new()];
        let mut fact = |name: &str, value: &str| lines.push(format!("{name:<12} {value}"));
        fact("import", &self.import);
        fact("state", self.state);
        if let Some(since) = self.since {
            fact("since", &second(since));
        }
        fact("told at", &second(self.at));
        fact("environment", &format!("{}, told by {}", origin.env, origin.machine));
        fact("store", &origin.store);
        if let Some(help) = self.help(origin) {
            lines.extend([String::new(), "What to do:".to_owned(), help]);
        }
        lines.push(String::new());
        lines.join("\n")
    }

    /// What to do about it; `None` when there is nothing to do.
    pub(super) fn help(&self, origin: &Origin) -> Option<String> {
        let Self { import, run, .. } = self;
        let env = if origin.env == "local" { String::new() } else { format!(" --env {}", origin.env) };
        let look = match run {
            Some(run) => format!("`jobpipe runs show {run}{env}`"),
            None => format!("`jobpipe schedule show {import}{env}`"),
        };
        Some(match self.state {
            "launch" => {
                format!("`jobpipe schedule show {import}{env}` says more; once it is mended it is launched by itself")
            }
            "paused" => format!("see {look}; once it is mended, `jobpipe schedule resume {import}{env}`"),
            "failed" => {
                format!("see {look}; once it is mended, `jobpipe schedule trigger {import}{env}` runs it at once")
            }
            "stale" => format!(
                "see `jobpipe schedule show {import}{env}`, and whether anybody launches: `jobpipe up` or `jobpipe scheduler`"
            ),
            _ => return None,
        })
    }
}

/// To the second.
fn second(at: Millis) -> String {
    utc_text(at.div_euclid(1_000) * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> (Message, Origin) {
        let message = Message {
            import: "acme".into(),
            state: "failed",
            text: "acme@1 failed".into(),
            since: Some(1_500),
            at: 61_000,
            run: Some("acme@1".into()),
        };
        (message, Origin { env: "prod".into(), machine: "web1".into(), store: "mongodb://db/acme".into() })
    }

    #[test]
    fn a_mail_says_what_where_since_when_and_what_to_do() {
        let (message, origin) = failed();
        assert_eq!(message.subject(&origin), "[jobpipe prod] acme has failed");
        insta::assert_snapshot!(message.body(&origin), @r"
        acme: acme@1 failed

        import       acme
        state        failed
        since        1970-01-01T00:00:01Z
        told at      1970-01-01T00:01:01Z
        environment  prod, told by web1
        store        mongodb://db/acme

        What to do:
        see `jobpipe runs show acme@1 --env prod`; once it is mended, `jobpipe schedule trigger acme --env prod` runs it at once
        ");
        let well = Message { state: "well", text: "it is well again".into(), since: None, ..message };
        assert!(!well.body(&origin).contains("What to do"));
    }

    #[test]
    fn what_is_told_is_bounded() {
        let (message, origin) = failed();
        let long = Message { text: "ä".repeat(10_000), ..message };
        assert!(long.body(&origin).chars().count() < LONGEST + 600);
        assert_eq!(long.json(&origin)["text"].as_str().unwrap().chars().count(), LONGEST + "acme: ".len());
    }
}
