//! `notify:` of a settings file.

use super::super::notify::{Email, MOST_RECIPIENTS, MailServer, mail_address};
use super::{Layer, Reading, operator_only, put};
use crate::diagnostic::{Problem, Severity, codes};
use crate::grammar::{GrammarError, Period};
use crate::reader::{At, Fields};
use crate::settings::Settings;

impl Reading<'_, '_> {
    pub(super) fn notify(&mut self, at: At<'_>, settings: &mut Settings, layer: Layer) {
        let Some(mut keys) = Fields::open(self.cx, at, "`{ webhook: $ALERTS_URL, fresh: 26h }`") else { return };
        let notify = &mut settings.notify;
        if let Some(at) = keys.take("webhook") {
            notify.webhook = self.secret(&at).or(notify.webhook.take());
        }
        if let Some(at) = keys.take("email") {
            notify.email = self.email(at).or(notify.email.take());
        }
        if let Some(at) = keys.take("command") {
            if layer == Layer::Project {
                operator_only(self.cx, &at, "set it in config/environments/NAME.yml");
            } else if let Some(words) = self.cx.names(&at, "a program and its arguments: `[./page-me.sh]`") {
                notify.command = Some(words.into_iter().map(|(word, _)| word.to_owned()).collect());
            }
        }
        if let Some(at) = keys.take("fresh") {
            notify.fresh = self.parsed::<Period>(&at, "a duration such as 26h").or(notify.fresh);
        }
        if let Some(at) = keys.take("repeat") {
            put(&mut notify.repeat, self.parsed::<Period>(&at, "a duration such as 6h"));
        }
        keys.finish(self.cx);
    }

    fn email(&mut self, at: At<'_>) -> Option<Email> {
        let expected = "`{ server: smtps://mail.acme.test, from: jobpipe@acme.test, to: ops@acme.test }`";
        let mut keys = Fields::open(self.cx, at, expected)?;
        let server = keys.need(&["server"], "the mail server: `server: smtps://mail.acme.test`");
        let from = keys.need(&["from"], "whom messages are from: `from: jobpipe@acme.test`");
        let to = keys.need(&["to"], "who gets them: `to: [ops@acme.test]`");
        let (user, password) = (keys.take("user"), keys.take("password"));
        let is_whole = user.is_some() == password.is_some();
        if !is_whole {
            let lacks: &[&str] = if user.is_some() { &["password"] } else { &["user"] };
            keys.missing(lacks, "who logs in has both: `user: jobs`, `password: $SMTP_PASSWORD`");
        }
        keys.finish(self.cx);
        let user = user.map(|at| self.text(&at, "a user of the mail server"));
        let password = password.map(|at| self.secret(&at));
        let server = server.and_then(|at| self.mail_server(&at));
        let from = from.and_then(|at| self.address(&at));
        let to = to.and_then(|at| self.recipients(&at));
        let is_right = is_whole && user != Some(None) && password != Some(None);
        let email = Email { server: server?, user: user.flatten(), password: password.flatten(), from: from?, to: to? };
        is_right.then_some(email)
    }

    fn mail_server(&mut self, at: &At<'_>) -> Option<MailServer> {
        let expected = "a mail server such as smtps://mail.acme.test";
        // a line with a password in it is not shown
        if self.cx.text(at, expected)?.contains('@') {
            let problem = Problem::new(codes::PLAIN_SECRET, at.node.span.clone(), &at.path, "a user in the URL");
            let help = "write `user: NAME` and `password: $SMTP_PASSWORD` beside it";
            self.cx.add(problem.severity(Severity::Error).help(help));
            return None;
        }
        self.parsed(at, expected)
    }

    fn address(&mut self, at: &At<'_>) -> Option<String> {
        let text = self.text(at, "an address such as ops@acme.test")?;
        match mail_address(&text) {
            Ok(address) => Some(address),
            Err(GrammarError { expected }) => {
                let shown = self.cx.text(at, &expected)?;
                self.cx.bad_word(at, shown, &expected)
            }
        }
    }

    fn recipients(&mut self, at: &At<'_>) -> Option<Vec<String>> {
        let items = at.items().unwrap_or_else(|| vec![at.clone()]);
        if items.is_empty() || items.len() > MOST_RECIPIENTS {
            let problem =
                Problem::new(codes::WORD, at.node.span.clone(), &at.path, format!("{} addresses", items.len()));
            self.cx.add(
                problem.expected(format!("1 to {MOST_RECIPIENTS} addresses: write to a list of your mail server")),
            );
            return None;
        }
        let read: Vec<Option<String>> = items.iter().map(|item| self.address(item)).collect();
        read.into_iter().collect()
    }
}
