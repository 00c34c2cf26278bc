//! Tasks that do nothing, drained over RabbitMQ: by jobpipe with its state in three places, and by Celery on the same
//! broker.

use crate::Fault;
use crate::measures::part;
use crate::process::{Server, Used, built, measure};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const CELERY: &str = "5.7.0";
/// Tasks one after the other.
const TRIPS: u64 = 1_000;
/// Rows stand between these two lines of docs/performance.md.
const BEGIN: &str = "<!-- tasks: scripts/bench tasks --write -->\n";
const END: &str = "<!-- end of tasks -->\n";
const HEAD: &str = "\
| who | state | tasks a second | worker CPU us a task | broker CPU us a task | peak MiB | store requests a task | alone | trip p50 / p99 ms |
|---|---|---|---|---|---|---|---|---|
";

/// A RabbitMQ of this program's own, which ends with it.
struct Broker {
    folder: tempfile::TempDir,
    url: String,
}

fn script(name: &str) -> Command {
    Command::new(Path::new("scripts").join(name))
}

impl Broker {
    fn start() -> Result<Self, Fault> {
        let folder = tempfile::tempdir()?;
        let mut start = script("rabbitmq");
        let output = start.arg("start").arg(folder.path()).arg(std::process::id().to_string()).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        Ok(Self { folder, url: String::from_utf8(output.stdout)?.trim().to_owned() })
    }

    /// CPU time of the broker so far, microseconds.
    fn cpu_us(&self) -> Result<u64, Fault> {
        let pid = std::fs::read_to_string(self.folder.path().join("pid"))?;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()))?;
        let words: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
        // a tick is 10 ms wherever Linux runs
        Ok((ticks(11) + ticks(12)) * 10_000)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ended = script("rabbitmq").arg("stop").arg(self.folder.path()).output();
    }
}

/// One line of the table.
#[derive(Clone)]
struct Row {
    who: &'static str,
    state: &'static str,
    per_s: f64,
    worker_us: f64,
    broker_us: f64,
    peak_kib: u64,
    /// Requests to the store for a task of a backlog.
    requests: Option<f64>,
    /// Those of a task alone, from its hint to its commit, and those of loops beside it.
    alone: Option<String>,
    trips_ms: Option<(f64, f64)>,
}

impl Row {
    fn text(&self) -> String {
        let dash = || "-".to_owned();
        format!(
            "| {} | {} | {:.0} | {:.0} | {:.0} | {} | {} | {} | {} |\n",
            self.who,
            self.state,
            self.per_s,
            self.worker_us,
            self.broker_us,
            if self.peak_kib == 0 { dash() } else { (self.peak_kib >> 10).to_string() },
            self.requests.map_or_else(dash, |requests| format!("{requests:.2}")),
            self.alone.clone().unwrap_or_else(dash),
            self.trips_ms.map_or_else(dash, |(p50, p99)| format!("{p50:.1} / {p99:.1}")),
        )
    }
}

/// The row in the middle by tasks a second.
fn median(mut rows: Vec<Row>) -> Option<Row> {
    rows.sort_by(|a, b| a.per_s.total_cmp(&b.per_s));
    rows.get(rows.len() / 2).cloned()
}

/// A number of `name=NUMBER` in a text.
fn number(text: &str, name: &str) -> f64 {
    let after = text.split(&format!("{name}=")).nth(1).unwrap_or_default();
    after.split(|c: char| !c.is_ascii_digit()).next().and_then(|word| word.parse().ok()).unwrap_or(0.0)
}

/// The table of `tasks` tasks each, for people.
pub(crate) fn take(tasks: u64, rounds: usize) -> Result<String, Fault> {
    let broker = Broker::start()?;
    let mongo = Server::start(&mut script("mongodb"))?;
    let python = celery()?;
    let mut rows: Vec<Vec<Row>> = vec![Vec::new(); 6];
    for round in 0..rounds {
        rows[0].push(celery_drains(&python, &broker, tasks, false)?);
        rows[1].push(celery_drains(&python, &broker, tasks, true)?);
        let on = format!("{}/bench-{round}", mongo.told);
        rows[2].push(jobpipe_drains(&broker, "memory", "memory", tasks, true)?);
        rows[3].push(jobpipe_drains(&broker, "embedded", "embedded", tasks, true)?);
        rows[4].push(jobpipe_drains(&broker, "MongoDB", &on, tasks / 4, true)?);
        rows[5].push(jobpipe_drains(&broker, "memory, and dispatched", "memory", tasks, false)?);
    }
    let mut rows: Vec<Row> = rows.into_iter().filter_map(median).collect();
    for (at, state) in [(2, "memory".to_owned()), (3, "embedded".to_owned()), (4, format!("{}/trips", mongo.told))] {
        let trips = jobpipe_trips(&broker, &state, false)?;
        if let Some(row) = rows.get_mut(at) {
            row.trips_ms = Some(trips.ms);
            row.requests = row.requests.filter(|backlog| *backlog > 0.0);
            row.alone = row.requests.map(|_| trips.requests);
        }
    }
    let crawl = jobpipe_trips(&broker, &format!("{}/crawls", mongo.told), true)?;
    let mut text = HEAD.to_owned();
    rows.iter().for_each(|row| text += &row.text());
    writeln!(
        text,
        "\nOn MongoDB's protocol a crawl task with an output and a follow-up, alone, takes {} (limit 6; a task that does nothing 3; one of a backlog 0.5).",
        crawl.requests
    )?;
    if let [plain, events, ours, ..] = rows.as_slice() {
        let (of_plain, of_events) = (ours.per_s / plain.per_s, ours.per_s / events.per_s);
        writeln!(
            text,
            "With its state in memory jobpipe drains {of_plain:.1} times as fast as Celery {CELERY} without events (limit 7), {of_events:.1} times with (limit 10)."
        )?;
    }
    let (started_ms, resident_kib) = worker(&broker, &format!("{}/idle", mongo.told))?;
    writeln!(
        text,
        "`jobpipe worker` is at work {started_ms} ms after its start (limit 150) and holds {} MiB at rest (limit 30).",
        resident_kib >> 10
    )?;
    Ok(text)
}

/// Renews the table of the document.
pub(crate) fn write(path: &Path, table: &str) -> Result<(), Fault> {
    let text = std::fs::read_to_string(path)?;
    let (before, rest) = text.split_once(BEGIN).ok_or_else(|| format!("{} has no tasks", path.display()))?;
    let (_, after) = rest.split_once(END).ok_or_else(|| format!("{} has no end of tasks", path.display()))?;
    std::fs::write(path, format!("{before}{BEGIN}{table}{END}{after}"))?;
    Ok(())
}

/// A Python that has Celery.
fn celery() -> Result<PathBuf, Fault> {
    let folder = PathBuf::from(format!("target/celery-{CELERY}"));
    let python = folder.join("bin/python3");
    let run = |command: &mut Command| -> Result<(), Fault> {
        let status = command.stdout(Stdio::null()).status()?;
        if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
    };
    if !folder.join("installed").exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", &format!("celery=={CELERY}")]))?;
        std::fs::write(folder.join("installed"), "")?;
    }
    Ok(python)
}

fn celery_drains(python: &Path, broker: &Broker, tasks: u64, events: bool) -> Result<Row, Fault> {
    let mut command = Command::new(python);
    command.arg("benches/celery/drain.py").args([&broker.url, &tasks.to_string(), "2"]);
    if events {
        command.arg("-E");
    }
    let before = broker.cpu_us()?;
    let output = command.stdin(Stdio::null()).output()?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        return Err(format!("celery: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(Row {
        who: if events { "Celery, events" } else { "Celery" },
        state: "none",
        per_s: number(&told, "per_s"),
        worker_us: number(&told, "cpu_us"),
        broker_us: part(broker.cpu_us()? - before, tasks),
        peak_kib: 0,
        requests: None,
        alone: None,
        trips_ms: None,
    })
}

fn tasks_command(broker: &Broker, state: &str, count: u64, how: &str, folder: &Path) -> Result<Command, Fault> {
    let mut command = Command::new(built("tasks")?);
    command.arg(count.to_string()).arg(folder).args(["--broker", &broker.url, "--state", state, how]);
    Ok(command)
}

/// What `tasks` told, and what the system counted.
fn ran(command: &Command, folder: &Path) -> Result<(String, Used), Fault> {
    let used = measure(command)?;
    Ok((std::fs::read_to_string(folder.join("told.txt"))?, used))
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn jobpipe_drains(broker: &Broker, name: &'static str, state: &str, tasks: u64, enqueued: bool) -> Result<Row, Fault> {
    let folder = tempfile::tempdir()?;
    let before = broker.cpu_us()?;
    let mut command = tasks_command(broker, state, tasks, "--waiting", folder.path())?;
    if enqueued {
        command.arg("--enqueued");
    }
    let (told, used) = ran(&command, folder.path())?;
    let count = tasks as f64;
    Ok(Row {
        who: "jobpipe, events",
        state: name,
        per_s: count / (number(&told, "work_wall_us") / 1e6),
        worker_us: number(&told, "work_cpu_us") / count,
        broker_us: part(broker.cpu_us()? - before, tasks),
        peak_kib: used.peak_kib,
        requests: Some(requests(&told) / count),
        alone: None,
        trips_ms: None,
    })
}

/// Requests to the store while it worked.
fn requests(told: &str) -> f64 {
    let (after, before) = told.split_once("\nbefore ").unwrap_or((told, ""));
    let before = before.lines().next().unwrap_or_default().replace(':', "=");
    let all = |text: &str| number(text, "writes") + number(text, "reads");
    all(after) - all(&before)
}

/// Tasks one after the other.
struct Trips {
    /// Milliseconds of the median and of 99 in 100.
    ms: (f64, f64),
    /// Requests to the store from the hint of a task to its commit: its own, which write, and what loops read meanwhile.
    requests: String,
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn jobpipe_trips(broker: &Broker, state: &str, fruit: bool) -> Result<Trips, Fault> {
    let folder = tempfile::tempdir()?;
    let mut command = tasks_command(broker, state, TRIPS, "--trips", folder.path())?;
    if fruit {
        command.arg("--fruit");
    }
    let (told, _) = ran(&command, folder.path())?;
    let ms = |name| number(&told, name) / 1_000.0;
    let each = |name| number(&told, name) / TRIPS as f64;
    Ok(Trips {
        ms: (ms("trip_p50_us"), ms("trip_p99_us")),
        requests: format!("{:.2} + {:.2}", each("trip_writes"), each("trip_reads")),
    })
}

/// A worker ended with this value.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// Milliseconds until a worker works, and the memory that it holds when nothing is to be done, KiB.
#[expect(clippy::disallowed_methods, reason = "measures wall time; nothing is decided by it")]
fn worker(broker: &Broker, store: &str) -> Result<(u128, u64), Fault> {
    use std::io::BufRead as _;
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("jobpipe.yml"), "store: $MONGODB_URL\nbroker: $AMQP_URL\n")?;
    let mut times = Vec::new();
    let mut resident = 0;
    // the first one finds an empty database, and makes its indexes
    for _ in 0..5 {
        let mut command = Command::new(built("jobpipe")?);
        command.arg("worker").current_dir(folder.path()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.env("MONGODB_URL", store).env("AMQP_URL", &broker.url);
        let began = Instant::now();
        let mut child = Ended(command.spawn()?);
        let out = child.0.stdout.take().ok_or("no output")?;
        let mut lines = std::io::BufReader::new(out).lines();
        let works = lines.by_ref().find(|line| line.as_ref().is_ok_and(|line| line.starts_with("works on")));
        works.ok_or("the worker ended")??;
        times.push(began.elapsed().as_millis());
        std::thread::sleep(Duration::from_secs(2));
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        resident = line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0);
    }
    times.remove(0);
    times.sort_unstable();
    Ok((times[times.len() / 2], resident))
}
