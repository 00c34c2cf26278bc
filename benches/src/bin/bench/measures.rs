//! The measures: what jobpipe does, and the same work by hand.

use crate::Fault;
use crate::process::{Server, Used, built, fsyncs, measure};
use crate::project::{Project, Store};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Command;

/// One measure of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Measure {
    /// A crawl of HTML detail pages.
    I,
    /// A JSON API, mapped.
    Ii,
    /// Tasks that do nothing.
    Iii,
    /// An import run again.
    Iv,
    /// Posts to pages.
    V,
    /// The store after many equal runs.
    Store,
    /// Tasks over a broker, beside Celery; not among all.
    Tasks,
}

impl Measure {
    pub(crate) const ALL: [Self; 6] = [Self::I, Self::Ii, Self::Iii, Self::Iv, Self::V, Self::Store];
}

/// One line of the table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    /// What was measured; its first word is the measure.
    pub(crate) name: String,
    pub(crate) jobpipe: Used,
    /// The same work by hand.
    pub(crate) floor: Option<Used>,
    /// Tasks and records (or effects) of one run.
    pub(crate) tasks: u64,
    pub(crate) records: u64,
    pub(crate) store: Store,
    /// Of a run that was traced for it.
    pub(crate) fsyncs: Option<u64>,
    /// The figure that has a limit, in words: `1.2x the floor's CPU`.
    pub(crate) figure: String,
    /// The limit, in words.
    pub(crate) limit: String,
    pub(crate) met: bool,
}

impl Row {
    /// jobpipe's CPU against the floor's.
    fn against_floor(mut self, most: f64) -> Self {
        let floor = self.floor.unwrap_or_default();
        let ratio = part(self.jobpipe.cpu_us, floor.cpu_us);
        self.figure = format!("{ratio:.2}x");
        self.limit = format!("{most:.1}x the floor's CPU, 150 MiB");
        self.met = ratio <= most && self.jobpipe.peak_kib <= 150 << 10;
        self
    }

    /// CPU microseconds for one of `things`.
    fn each(mut self, things: u64, most: f64, what: &str) -> Self {
        let each = part(self.jobpipe.cpu_us, things);
        self.figure = format!("{each:.1} us");
        self.limit = format!("{most} us CPU for each {what}");
        self.met = each <= most;
        self
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(crate) fn part(of: u64, whole: u64) -> f64 {
    of as f64 / whole.max(1) as f64
}

/// Takes one measure at a `scale`-th of its size.
pub(crate) fn take(measure: Measure, scale: u64, rounds: usize) -> Result<Vec<Row>, Fault> {
    match measure {
        Measure::I => html(10_000 / scale, rounds),
        Measure::Ii => Ok([
            json("ii offers", OFFERS, "offers", 1_000_000 / scale, rounds)?,
            json("ii ads", ADS, "ads", 1_000_000 / scale, rounds)?,
            json("ii a tenth", OFFERS, "offers", 100_000 / scale, rounds)?,
        ]
        .into()),
        Measure::Iii => nothings(20_000 / scale, rounds).map(|row| vec![row]),
        Measure::Iv => again(1_000_000 / scale, rounds).map(|row| vec![row]),
        Measure::V => effects(1_000 / scale, rounds).map(|row| vec![row]),
        Measure::Store => growth(10_000 / scale, 50 / scale).map(|row| vec![row]),
        // a table of its own
        Measure::Tasks => Ok(Vec::new()),
    }
}

fn median(mut all: Vec<Used>) -> Used {
    all.sort_by_key(|used| used.cpu_us);
    let peak_kib = all.iter().map(|used| used.peak_kib).max().unwrap_or_default();
    Used { peak_kib, ..all.get(all.len() / 2).copied().unwrap_or_default() }
}

/// The two in turn.
fn in_turn(
    rounds: usize,
    mut jobpipe: impl FnMut() -> Result<Used, Fault>,
    mut floor: impl FnMut() -> Result<Used, Fault>,
) -> Result<(Used, Used), Fault> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        theirs.push(floor()?);
        ours.push(jobpipe()?);
    }
    Ok((median(ours), median(theirs)))
}

fn expect_lines(project: &Project, path: &str, count: u64) -> Result<(), Fault> {
    let lines = project.lines(path)?;
    if lines as u64 == count { Ok(()) } else { Err(format!("{path} has {lines} lines, not {count}").into()) }
}

/// A fresh project, run once; gives what the system counted.
fn fresh(import: &str, site: &str, out: &str, count: u64) -> Result<(Used, Store), Fault> {
    let project = Project::new(import, &[site])?;
    let used = measure(&project.run(&[])?)?;
    expect_lines(&project, out, count)?;
    Ok((used, project.store()?))
}

fn traced(import: &str, site: &str) -> Result<Option<u64>, Fault> {
    let project = Project::new(import, &[site])?;
    fsyncs(&project.run(&[])?, project.path())
}

fn html(count: u64, rounds: usize) -> Result<Vec<Row>, Fault> {
    let mut rows = Vec::new();
    for (name, count) in [("i html pages", count), ("i a tenth", count / 10)] {
        let (_server, site) = Server::site()?;
        let first = format!("http://{site}/jobs/{count}/1");
        let import = include_str!("html.yml").replace("FIRST", &first);
        let folder = tempfile::tempdir()?;
        let out = folder.path().join("out.jsonl");
        let mut store = Store::default();
        let (jobpipe, floor) = in_turn(
            rounds,
            || {
                let (used, told) = fresh(&import, &site, "out/offers.jsonl", count)?;
                store = told;
                Ok(used)
            },
            || measure(Command::new(built("floor-html")?).arg(&first).arg(&out)),
        )?;
        let fsyncs = traced(&import, &site)?;
        let tasks = count / 100 + count.div_ceil(20);
        let row = Row {
            name: name.to_owned(),
            jobpipe,
            floor: Some(floor),
            tasks,
            records: count,
            store,
            fsyncs,
            ..Row::default()
        };
        rows.push(row.against_floor(1.4));
    }
    Ok(rows)
}

const OFFERS: &str = include_str!("offers.yml");
const ADS: &str = include_str!("ads.yml");

fn json(name: &str, import: &str, mapping: &str, count: u64, rounds: usize) -> Result<Row, Fault> {
    let (_server, site) = Server::site()?;
    let first = format!("http://{site}/api/{count}/1");
    let text = import.replace("FIRST", &first);
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("out.jsonl");
    let mut store = Store::default();
    let (jobpipe, floor) = in_turn(
        rounds,
        || {
            let (used, told) = fresh(&text, &site, "out/records.jsonl", count)?;
            store = told;
            Ok(used)
        },
        || measure(Command::new(built("floor-json")?).arg(&first).arg(&out).arg(mapping)),
    )?;
    let fsyncs = traced(&text, &site)?;
    let tasks = count.div_ceil(1_000);
    let row = Row {
        name: name.to_owned(),
        jobpipe,
        floor: Some(floor),
        tasks,
        records: count,
        store,
        fsyncs,
        ..Row::default()
    };
    Ok(row.against_floor(2.0))
}

fn nothings(count: u64, rounds: usize) -> Result<Row, Fault> {
    let run = |folder: &Path| -> Result<Command, Fault> {
        let mut command = Command::new(built("tasks")?);
        command.arg(count.to_string()).arg(folder);
        Ok(command)
    };
    let mut all = Vec::new();
    let mut store = Store::default();
    for _ in 0..rounds {
        let folder = tempfile::tempdir()?;
        all.push(measure(&run(folder.path())?)?);
        store = Store::read(&std::fs::read_to_string(folder.path().join("told.txt"))?);
    }
    let folder = tempfile::tempdir()?;
    let fsyncs = fsyncs(&run(folder.path())?, folder.path())?;
    let tasks = count + 100;
    let row = Row { name: "iii tasks".to_owned(), jobpipe: median(all), tasks, store, fsyncs, ..Row::default() };
    Ok(row.each(tasks, 50.0, "task: 20,000 tasks a second"))
}

/// From now on the site has other values in one record of a hundred.
fn set_version(site: &str, version: usize) -> Result<(), Fault> {
    let mut stream = std::net::TcpStream::connect(site)?;
    write!(stream, "GET /version/{version} HTTP/1.1\r\n\r\n")?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    if answer.ends_with(b"200") { Ok(()) } else { Err("the site takes no version".into()) }
}

fn again(count: u64, rounds: usize) -> Result<Row, Fault> {
    let (_server, site) = Server::site()?;
    let first = format!("http://{site}/api/{count}/1");
    let project = Project::new(&include_str!("again.yml").replace("FIRST", &first), &[&site])?;
    measure(&project.run(&[])?)?;
    expect_lines(&project, "out/changes.jsonl", count)?;
    let mut all = Vec::new();
    for round in 0..rounds {
        set_version(&site, round + 1)?;
        all.push(measure(&project.run(&[])?)?);
        expect_lines(&project, "out/changes.jsonl", count / 100)?;
    }
    let store = project.store()?;
    set_version(&site, rounds + 1)?;
    let fsyncs = fsyncs(&project.run(&[])?, project.path())?;
    let tasks = count.div_ceil(1_000);
    let row = Row {
        name: "iv run again".to_owned(),
        jobpipe: median(all),
        tasks,
        records: count,
        store,
        fsyncs,
        ..Row::default()
    };
    Ok(row.each(count - count / 100, 5.0, "unchanged record"))
}

/// Ten records to each of `pages`.
fn effects(pages: u64, rounds: usize) -> Result<Row, Fault> {
    let names: Vec<String> = (0..pages).map(|n| format!("p{n}")).collect();
    let mut all = Vec::new();
    let mut store = Store::default();
    let mut traced = None;
    for round in 0..=rounds {
        let (_site, site) = Server::site()?;
        let (_pages, graph) = Server::pages()?;
        let import = include_str!("effects.yml").replace("FIRST", &format!("http://{site}/api/10/1"));
        let import = import.replace("PAGES", &names.join(", "));
        let project = Project::new(&import, &[&site])?.with_pages(names.len(), &graph)?;
        if round == rounds {
            traced = fsyncs(&project.run(&[])?, project.path())?;
        } else {
            all.push(measure(&project.run(&[])?)?);
            store = project.store()?;
        }
    }
    let records = pages * 10;
    let row = Row {
        name: "v effects".to_owned(),
        jobpipe: median(all),
        tasks: 1,
        records,
        store,
        fsyncs: traced,
        ..Row::default()
    };
    Ok(row.each(records, 150.0, "effect, ledger included"))
}

/// The store's size after equal runs, against that after the first.
fn growth(count: u64, runs: u64) -> Result<Row, Fault> {
    let (_server, site) = Server::site()?;
    let first = format!("http://{site}/api/{count}/1");
    let project = Project::new(&include_str!("again.yml").replace("FIRST", &first), &[&site])?;
    let mut all = vec![measure(&project.run(&[])?)?];
    let one = project.store_bytes()?;
    for _ in 1..runs {
        all.push(measure(&project.run(&[])?)?);
    }
    let ratio = part(project.store_bytes()?, one);
    Ok(Row {
        name: format!("store after {runs} runs"),
        jobpipe: median(all),
        tasks: count.div_ceil(1_000),
        records: count,
        store: project.store()?,
        figure: format!("{ratio:.2}x"),
        limit: "2x its size after the first run".to_owned(),
        met: ratio <= 2.0,
        ..Row::default()
    })
}
