use super::{Table, project, put, told};
use crate::settings::{Period, Settings, load_project};

#[test]
fn an_operator_chooses_who_is_told_of_trouble() {
    let folder = project();
    let import = folder.path().join("imports/fr/acme.yml");
    let load = || load_project(&import, Some("demo"), &Table::default());
    put(folder.path(), "jobpipe.yml", "notify: { webhook: $ALERTS_URL, fresh: 26h }\n");
    put(folder.path(), "config/environments/demo.yml", "notify: { command: [./page-me.sh, web] }\n");
    let loaded = load();
    assert_eq!(told(&loaded), "");
    let notify = loaded.settings.notify;
    assert_eq!(notify.webhook.unwrap().shown(), "$ALERTS_URL");
    assert_eq!(notify.command.unwrap(), ["./page-me.sh", "web"]);
    assert_eq!((notify.fresh.unwrap(), notify.repeat), (Period::from_ms(93_600_000), Period::from_ms(21_600_000)));
    put(folder.path(), "jobpipe.yml", "notify: { command: [sh, -c, \"rm -r /\"] }\n");
    let loaded = load();
    assert!(loaded.has_errors() && told(&loaded).contains("JP061"), "{}", told(&loaded));
    assert_eq!(Settings::default().notify.command, None);
}

#[test]
fn mail_is_described_and_its_password_never_shown() {
    let folder = project();
    let import = folder.path().join("imports/fr/acme.yml");
    let load = |text: &str| {
        put(folder.path(), "jobpipe.yml", text);
        let table =
            Table::of(&[("SMTP_PASSWORD", "canary"), ("MAIL", "smtp://u:canary@mail.test"), ("TO", "a@acme.test")]);
        load_project(&import, None, &table)
    };
    let mail = "server: smtps://mail.acme.test, from: Imports <jobpipe@acme.test>, to: [ops@acme.test, $TO]";
    let loaded = load(&format!("notify: {{ email: {{ {mail}, user: jobs, password: $SMTP_PASSWORD }} }}\n"));
    assert_eq!(told(&loaded), "");
    assert!(!format!("{:?}", loaded.settings).contains("canary"));
    let email = loaded.settings.notify.email.unwrap();
    assert_eq!((email.server.to_string(), email.user.as_deref()), ("smtps://mail.acme.test:465".into(), Some("jobs")));
    assert_eq!(
        (email.password.unwrap().shown().as_ref(), email.to),
        ("$SMTP_PASSWORD", vec!["ops@acme.test".into(), "a@acme.test".into()])
    );
    for (text, code) in [
        ("server: smtp://m.test, from: a@b.test", "JP023"),
        ("server: smtp://m.test, from: a@b.test, to: []", "JP024"),
        ("server: smtp://m.test, from: a@b.test, to: nobody", "JP024"),
        ("server: smtp://m.test, from: a@b.test, to: c@d.test, user: jobs", "JP023"),
        ("server: smtp://m.test, from: a@b.test, to: c@d.test, user: jobs, password: canary", "JP066"),
        ("server: smtp://u:canary@m.test, from: a@b.test, to: c@d.test", "JP066"),
        ("server: $MAIL, from: a@b.test, to: c@d.test", "JP024"),
        ("server: $NONE, from: a@b.test, to: c@d.test", "JP058"),
        ("server: http://m.test, from: a@b.test, to: c@d.test", "JP024"),
    ] {
        let loaded = load(&format!("notify: {{ email: {{ {text} }} }}\n"));
        let told = told(&loaded);
        assert!(told.contains(code) && !told.contains("canary"), "{text}: {told}");
        assert_eq!(loaded.settings.notify.email.is_none(), loaded.has_errors(), "{text}");
    }
}
