//! Many schedules on the embedded store, as one process that launches them and works on what it launched.
//!
//! `schedules deploy COUNT BURST FOLDER` deploys COUNT imports, BURST of which are due at the same minute, which it says;
//! `schedules run BURST FOLDER` is at rest until then, and tells what that took, and how late the burst was launched.

#![allow(clippy::print_stdout, reason = "it prints what it measured")]

use clap::{Parser, Subcommand};
use futures::{StreamExt, TryStreamExt};
use jobpipe_benches::nothings::{self, Nothings, StopFlag};
use jobpipe_core::{Clock, Plan, StateStore, SystemClock, SystemIds, utc_text};
use jobpipe_embedded::{EngineLock, LocalBroker, SqliteStore};
use jobpipe_engine::compute::Pool;
use jobpipe_engine::event::{Event, Events, NoEvents};
use jobpipe_engine::failpoint::NoFailpoints;
use jobpipe_engine::scheduler::deploy;
use jobpipe_engine::{Cx, EngineSettings, News, serve};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Deployments that are under way at once.
const AT_ONCE: usize = 256;
/// How long before the burst the process is looked at.
const REST: Duration = Duration::from_secs(20);
/// When a burst counts as failed.
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Deploys.
    Deploy { count: usize, burst: usize, folder: PathBuf },
    /// Launches and works.
    Run { burst: usize, folder: PathBuf },
}

#[tokio::main]
async fn main() -> Result<(), Fault> {
    match Arguments::parse().what {
        What::Deploy { count, burst, folder } => deploy_all(count, burst, &folder).await,
        What::Run { burst, folder } => run(burst, &folder).await,
    }
}

async fn deploy_all(count: usize, burst: usize, folder: &Path) -> Result<(), Fault> {
    let _lock = EngineLock::acquire(folder)?;
    let cx = engine(folder, Arc::new(NoEvents), Arc::default())?;
    let began = cx.clock.monotonic();
    let at_rest = |n: usize| (format!("rest-{n:06}"), json!("every 3000d"));
    put(&cx, (burst..count).map(at_rest)).await?;
    let each = (cx.clock.monotonic() - began) / u32::try_from((count - burst).max(1))?;
    // the burst takes as long to deploy as what is deployed now, and the process that runs has to start
    let lead = each * u32::try_from(burst)? * 2 + REST + Duration::from_secs(30);
    let due = (cx.clock.now() + i64::try_from(lead.as_millis())?).div_euclid(60_000) * 60_000 + 60_000;
    let at = jiff::Timestamp::from_millisecond(due)?.to_zoned(jiff::tz::TimeZone::UTC);
    let line = format!("{} {} {} {} *", at.minute(), at.hour(), at.day(), at.month());
    put(&cx, (0..burst).map(|n| (format!("burst-{n:06}"), json!({ "cron": line })))).await?;
    if cx.clock.now() + 5_000 > due {
        return Err("it took too long to deploy the burst".into());
    }
    let wall = cx.clock.monotonic() - began;
    println!("SCHEDULES deployed={count} wall_s={:.1} burst_at={}", wall.as_secs_f64(), utc_text(due));
    std::fs::write(folder.join("due.txt"), due.to_string())?;
    Ok(())
}

async fn put(cx: &Cx, all: impl Iterator<Item = (String, serde_json::Value)>) -> Result<(), Fault> {
    let plan = |(name, schedule)| Plan { name, schedule: Some(schedule), ..nothings::plan(false) };
    let each = |plan: Plan| async move { deploy::deploy(cx, &plan, "bench").await.map(|_| ()) };
    futures::stream::iter(all.map(plan)).map(Ok).try_for_each_concurrent(AT_ONCE, each).await?;
    Ok(())
}

async fn run(burst: usize, folder: &Path) -> Result<(), Fault> {
    let _lock = EngineLock::acquire(folder)?;
    let due: i64 = std::fs::read_to_string(folder.join("due.txt"))?.trim().parse()?;
    let (events, mut launched) = unbounded_channel();
    let stop = Arc::new(StopFlag::default());
    let cx = engine(folder, Arc::new(Launches(events)), Arc::clone(&stop))?;
    let engine = tokio::spawn(serve(Arc::clone(&cx)));
    let until_rest = due - cx.clock.now() - i64::try_from(REST.as_millis())?;
    tokio::time::sleep(Duration::from_millis(u64::try_from(until_rest)?)).await;
    let before = (cpu_us()?, cx.clock.monotonic());
    tokio::time::sleep(REST - Duration::from_secs(2)).await;
    let rest = (cpu_us()? - before.0) as f64 / (cx.clock.monotonic() - before.1).as_micros() as f64 * 100.0;
    println!("SCHEDULES rest_cpu_percent={rest:.2} rest_rss_mib={}", resident_mib()?);
    let mut late = Vec::with_capacity(burst);
    let all = async {
        while late.len() < burst {
            late.push(launched.recv().await.ok_or("the engine ended")?);
        }
        Ok::<(), Fault>(())
    };
    tokio::time::timeout(PATIENCE, all).await??;
    let wall = cx.clock.now() - due;
    late.sort_unstable();
    let part = |percent: usize| late.get(late.len() * percent / 100).or(late.last()).copied().unwrap_or(0);
    println!(
        "SCHEDULES burst={burst} launched_in_ms={wall} late_p50_ms={} late_p99_ms={} rss_mib={}",
        part(50),
        part(99),
        resident_mib()?
    );
    stop.0.store(true, Ordering::SeqCst);
    engine.await??;
    Ok(())
}

/// How late each launch was.
struct Launches(UnboundedSender<u64>);

impl Events for Launches {
    fn emit(&self, event: Event) {
        if let Event::Launched { late_ms, .. } = event {
            // who measures may be gone already
            let _gone = self.0.send(late_ms);
        }
    }
}

fn engine(folder: &Path, events: Arc<dyn Events>, stop: Arc<StopFlag>) -> Result<Arc<Cx>, Fault> {
    let store: Arc<dyn StateStore> = Arc::new(SqliteStore::open(&folder.join("jobpipe.db"))?);
    let settings = EngineSettings { spill: folder.to_owned(), launches: true, ..EngineSettings::default() };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    Ok(Arc::new(Cx {
        store,
        broker: Arc::new(LocalBroker::new()),
        stages: Arc::new(Nothings { listings: 1, each: 0, hold: None }),
        compute: Arc::new(Pool::new(2, None)),
        clock,
        ids: Arc::new(SystemIds),
        events,
        failpoints: Arc::new(NoFailpoints),
        stop,
        sabotage: None,
        settings,
        owner: "bench".to_owned(),
        news: News::default(),
        settling: jobpipe_engine::Settling::default(),
        known: Mutex::default(),
        dispatch: jobpipe_engine::Dispatch::default(),
    }))
}

/// CPU time of this process.
fn cpu_us() -> Result<i64, Fault> {
    let used = getrusage(UsageWho::RUSAGE_SELF)?;
    Ok(used.user_time().num_microseconds() + used.system_time().num_microseconds())
}

/// Memory that this process holds now.
fn resident_mib() -> Result<u64, Fault> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024)
}
