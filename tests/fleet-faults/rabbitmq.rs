//! A RabbitMQ that a test may stop, start and empty.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("rabbitmq-of-the-fleet-faults")
}

/// `scripts/rabbitmq`; gives what it prints.
fn script(verb: &str, more: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/rabbitmq");
    let output = Command::new(script).arg(verb).arg(folder()).args(more).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "scripts/rabbitmq {verb} {more:?} failed\n{said}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The URL of the one of this program, which ends with it.
pub fn url() -> String {
    static URL: OnceLock<String> = OnceLock::new();
    let started = || {
        // what an earlier process left may be half stopped
        script("stop", &[]);
        let _absent = std::fs::remove_dir_all(folder());
        script("start", &[&std::process::id().to_string()])
    };
    URL.get_or_init(started).clone()
}

/// `rabbitmqctl`.
pub fn ctl(arguments: &[&str]) -> String {
    script("ctl", arguments)
}

/// Name and number of consumers of the queues that have `of` in their name.
fn list(of: &str) -> Vec<(String, u32)> {
    let told = ctl(&["list_queues", "--quiet", "--no-table-headers", "name", "consumers"]);
    let queues = told.lines().filter_map(|line| line.split_once('\t'));
    let named = queues.filter(|(name, _)| name.contains(of));
    named.map(|(name, count)| (name.to_owned(), count.trim().parse().unwrap())).collect()
}

/// Empties or deletes the queues that have `of` in their name, all at once; gives how many.
pub fn spoil(of: &str, delete: bool) -> u32 {
    let spoil =
        if delete { "rabbit_amqqueue:delete(Q, false, false, <<\"test\">>)" } else { "rabbit_amqqueue:purge(Q)" };
    let named = format!("binary:match(element(4, amqqueue:get_name(Q)), <<\"{of}\">>) =/= nomatch");
    ctl(&["eval", &format!("length([{spoil} || Q <- rabbit_amqqueue:list(), {named}]).")]).parse().unwrap()
}

/// The least number of consumers that any of these has, of those that are consumed at all.
pub fn consumers(of: &str) -> u32 {
    list(of).into_iter().map(|(_, count)| count).filter(|count| *count > 0).min().unwrap_or(0)
}
