//! Trouble with deployed imports, told by webhook, mail and command.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod smtp;
mod support;

use serde_json::Value as Json;
use smtp::{Manners, Smtp, certificate};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use support::{Project, Running, offers};

/// A schedule whose times are over: people alone launch, whatever the time of day.
const OVER: &str = "{ every: 1h, end: 2020-01-02 }";

/// A project with one import, `acme`, of a file to a file.
fn project() -> Project {
    let project = Project::new();
    project.write("jobpipe.yml", "defaults: { rate: 1/s }\n");
    project.write("offers.json", &offers(3));
    project.write("imports/acme.yml", &import("acme", "./offers.json", OVER));
    project
}

fn import(name: &str, source: &str, schedule: &str) -> String {
    format!(
        "name: {name}\nschedule: {schedule}\ncrawl: {{ json: {source} }}\ntransform: {{ key: .id }}\nexport:\n  - jsonl: out/{name}.jsonl\n"
    )
}

fn told(words: &str) -> impl Fn(&Json) -> bool {
    move |line| line["message"].as_str().is_some_and(|message| message.contains(words))
}

/// `up` in the environment `demo`, with its import deployed.
fn up(project: &Project) -> Running {
    let mut up = project.start(&["up", "--env", "demo", "--format", "json"]);
    up.wait_for(told("acme: version 1 is deployed"));
    up
}

fn trigger(project: &Project) {
    project.jobpipe(&["schedule", "trigger", "acme", "--env", "demo"]).expect(0);
}

/// A server that takes what it is sent; each body is given on. The first one is refused.
fn webhook() -> (String, Receiver<Json>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hooks/canary-secret", listener.local_addr().unwrap());
    let (sender, bodies) = channel();
    std::thread::spawn(move || {
        let mut refused = false;
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream);
            let mut length = 0;
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap() == 0 || line == "\r\n" {
                    break;
                }
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let status = if std::mem::replace(&mut refused, true) { "204 No Content" } else { "503 Busy" };
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
            if status.starts_with("204") && sender.send(serde_json::from_slice(&body).unwrap()).is_err() {
                return;
            }
        }
    });
    (url, bodies)
}

#[test]
fn trouble_and_its_end_are_told_once() {
    let mut project = project();
    let (url, bodies) = webhook();
    project.set("ALERTS_URL", &url);
    project.set("JOBPIPE_ALLOW_PRIVATE", "127.0.0.1");
    project.write("jobpipe.yml", "notify: { webhook: $ALERTS_URL }\n");
    project.write("config/environments/demo.yml", "notify: { command: [sh, -c, \"cat >> alerts.jsonl\"] }\n");
    std::fs::remove_file(project.path("offers.json")).unwrap();
    let mut up = up(&project);
    trigger(&project);
    // the command has got it, the webhook has not: it alone is tried again
    let refused = up.wait_for(told("alert: acme: "));
    let refused = refused["message"].as_str().unwrap();
    assert!(refused.contains("not to all") && !refused.contains("canary-secret"), "{refused}");
    // a second failure is the same trouble: the message that is tried again is the only one
    trigger(&project);
    up.wait_for(|line| line["event"] == "run_closed");
    let message = bodies.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(
        (&message["import"], &message["state"], &message["env"]),
        (&"acme".into(), &"failed".into(), &"demo".into())
    );

    project.write("offers.json", &offers(3));
    trigger(&project);
    let message = bodies.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!((&message["state"], &message["text"]), (&"well".into(), &"acme: it is well again".into()));
    up.signal("TERM");
    assert!(up.end().0.success());
    assert!(bodies.try_recv().is_err(), "nothing is told twice");
    let written = support::lines(&project.path("alerts.jsonl"));
    assert_eq!((written.len(), written.last()), (2, Some(&message)));
}

/// Settings that send mail to two people by a server on loopback; its password is `canary-password`.
fn mail_settings(project: &mut Project, server: &str) {
    project.set("SMTP_PASSWORD", "canary-password");
    project.set("JOBPIPE_ALLOW_PRIVATE", "127.0.0.1");
    let mail = format!(
        "notify:\n  email:\n    server: {server}\n    user: jobs\n    password: $SMTP_PASSWORD\n    \
         from: Imports <jobpipe@acme.test>\n    to: [ops@acme.test, boss@acme.test]\n"
    );
    project.write("config/environments/demo.yml", &mail);
}

#[test]
fn a_mail_server_that_fails_stops_nothing_and_gets_each_message_later() {
    let mut project = project();
    let smtp = Smtp::start(Manners { is_busy: true, wants_login: true, ..Manners::default() }, None);
    mail_settings(&mut project, &format!("smtp://127.0.0.1:{}", smtp.port));
    project.write("imports/beat.yml", &import("beat", "./offers.json", "every 1s"));
    project.write("imports/acme.yml", &import("acme", "./absent.json", OVER));
    let mut up = up(&project);
    trigger(&project);
    let line = up.wait_for(told("alert: acme: "));
    let line = line["message"].as_str().unwrap();
    assert!(line.contains("not sent: smtp://127.0.0.1") && line.contains("421") && !line.contains("canary"), "{line}");
    // launched on, and the same is not said again
    for _ in 0..3 {
        up.wait_for(|line| {
            assert!(!told("alert:")(line), "{line}");
            line["event"] == "launched" && line["run"].as_str().is_some_and(|run| run.starts_with("beat@"))
        });
    }
    smtp.behave(|manners| (manners.is_busy, manners.refused) = (false, ["boss@acme.test".to_owned()].into()));
    let line = up.wait_for(told("alert: acme: "));
    let line = line["message"].as_str().unwrap();
    assert!(line.contains("not to all") && line.contains("boss@acme.test: permanent error (550)"), "{line}");
    smtp.behave(|manners| manners.refused.clear());
    up.wait_for(told("alert: acme: now all were told"));
    let [ops, boss] = [smtp.next(), smtp.next()];
    assert_eq!((&ops.to[..], &boss.to[..]), (&["ops@acme.test".to_owned()][..], &["boss@acme.test".to_owned()][..]));
    assert_eq!((ops.from.as_str(), ops.logged_in, &ops.text), ("jobpipe@acme.test", true, &boss.text));
    assert_eq!(ops.header("Subject"), "[jobpipe demo] acme has failed");
    assert_eq!(ops.header("To"), "ops@acme.test, boss@acme.test");
    assert_eq!(ops.header("Auto-Submitted"), "auto-generated");
    let body = ops.body();
    for part in
        ["acme: acme@", " failed", "since", "environment  demo", "jobpipe.db", "jobpipe runs show acme@", "--env demo"]
    {
        assert!(body.contains(part), "{part}: {body}");
    }
    assert!(!ops.text.contains("canary"), "{}", ops.text);

    project.write("absent.json", &offers(3));
    trigger(&project);
    assert_eq!(smtp.next().header("Subject"), "[jobpipe demo] acme is well again");
    smtp.next();
    up.signal("TERM");
    let (status, rest) = up.end();
    assert!(status.success() && smtp.now().is_none(), "nothing is told twice: {rest:?}");
    let log = project.read(".jobpipe/demo/log/jobpipe.log");
    assert!(!log.contains("canary"));
}

#[test]
fn mail_over_tls_needs_a_certificate_that_is_trusted() {
    let (tls, pem) = certificate();
    let smtp = Smtp::start(Manners { wants_login: true, ..Manners::default() }, Some(tls));
    let mut project = project();
    mail_settings(&mut project, &format!("smtps://localhost:{}", smtp.port));
    project.set("JOBPIPE_ALLOW_PRIVATE", "127.0.0.1,::1");
    std::fs::remove_file(project.path("offers.json")).unwrap();
    let mut stranger = up(&project);
    trigger(&project);
    let line = stranger.wait_for(told("alert: acme: "));
    let line = line["message"].as_str().unwrap();
    assert!(line.contains("not sent: smtps://localhost") && line.to_lowercase().contains("certificate"), "{line}");
    stranger.signal("TERM");
    assert!(stranger.end().0.success() && smtp.now().is_none());

    project.set("SSL_CERT_FILE", project.write("trusted.pem", &pem).to_str().unwrap());
    let mut friend = project.start(&["up", "--env", "demo", "--format", "json"]);
    let told = friend.wait_for(told("alert: acme: "));
    assert!(!told["message"].as_str().unwrap().contains("not "), "{told}");
    assert!(smtp.next().logged_in && smtp.next().logged_in);
}

#[test]
fn a_wrong_password_is_told_without_showing_it_and_a_private_server_must_be_allowed() {
    let smtp = Smtp::start(Manners { wants_login: true, ..Manners::default() }, None);
    let mut project = project();
    mail_settings(&mut project, &format!("smtp://127.0.0.1:{}", smtp.port));
    std::fs::remove_file(project.path("offers.json")).unwrap();
    project.set("SMTP_PASSWORD", "canary-mistaken");
    let mut wrong = up(&project);
    trigger(&project);
    let line = wrong.wait_for(told("alert: acme: "));
    let line = line["message"].as_str().unwrap();
    assert!(line.contains("user and password are refused (535)") && !line.contains("canary"), "{line}");
    wrong.signal("TERM");
    assert!(wrong.end().0.success());

    project.set("JOBPIPE_ALLOW_PRIVATE", "10.0.0.0/8");
    let mut refused = project.start(&["up", "--env", "demo", "--format", "json"]);
    let line = refused.wait_for(told("alert: acme: "));
    let line = line["message"].as_str().unwrap();
    assert!(line.contains("127.0.0.1 is a private or reserved address") && line.contains("allow_private"), "{line}");
    assert!(smtp.now().is_none());
    drop(refused);

    project.write("config/environments/demo.yml", "notify: { email: { server: smtp://m.test, from: a@b.test, to: c@d.test, user: x, password: $UNSET_PASSWORD } }\n");
    let unset = project.jobpipe(&["up", "--env", "demo"]).expect(2);
    assert!(unset.err.contains("notify.email.password") && unset.err.contains("JP058"), "{}", unset.err);
}
