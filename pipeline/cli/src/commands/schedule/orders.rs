//! `jobpipe schedule pause|resume|trigger|backfill`: what people order of deployed imports.

use crate::commands::deploy::give;
use crate::compose::Machine;
use crate::exit::{Failure, Outcome};
use crate::place::Where;
use crate::role::Orders;
use crate::terminal;
use crate::watch::Format;
use jobpipe_config::grammar::Period;
use jobpipe_core::Millis;
use jobpipe_engine::docs::Backfill as Wish;
use jobpipe_engine::scheduler::Order;
use jobpipe_schedule::Zone;

/// Launch nothing of an import until it is resumed. A run that is open goes on.
#[derive(Debug, clap::Args)]
pub(super) struct Pause {
    /// Why, for others to read.
    #[arg(long, value_name = "TEXT", default_value = "by hand")]
    why: String,
    #[command(flatten)]
    import: Import,
}

/// Launch an import again. Slots of the pause are not made up for.
#[derive(Debug, clap::Args)]
pub(super) struct Resume {
    #[command(flatten)]
    import: Import,
}

/// Launch an import now, whatever its schedule says.
///
/// When a run of it is open, the new one begins as soon as that has ended.
#[derive(Debug, clap::Args)]
pub(super) struct Trigger {
    #[command(flatten)]
    import: Import,
}

/// Run the slots of the past (again), one after the other.
///
/// What is due meanwhile goes first. Each run gets the id of its slot.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jobpipe schedule backfill acme 2026-03-01..2026-03-07
  jobpipe schedule backfill acme 2026-03-01T06:00..2026-03-01T18:00 --pace 10m
  jobpipe schedule backfill acme --end

Times are by the clock of the zone of its schedule; a date is all of its day.")]
pub(super) struct Backfill {
    #[command(flatten)]
    import: Import,
    /// From the first time to the second, both included.
    #[arg(value_name = "FROM..TO", required_unless_present = "end")]
    range: Option<String>,
    /// The least time between two starts.
    #[arg(long, value_name = "TIME", default_value = "0s")]
    pace: Period,
    /// Pass over a slot when the import is busy, instead of waiting for it.
    #[arg(long)]
    skip: bool,
    /// End the backfill that is under way; a run of it that is open goes on.
    #[arg(long, conflicts_with_all = ["range", "skip"])]
    end: bool,
}

#[derive(Debug, clap::Args)]
struct Import {
    /// The import's name.
    name: String,
    /// For people, or one JSON object.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
    #[command(flatten)]
    place: Where,
}

impl Import {
    async fn give(&self, order: &Order) -> Outcome {
        self.give_by(&Orders::of(&self.place.find()?).await?, order).await
    }

    async fn give_by(&self, orders: &Orders, order: &Order) -> Outcome {
        let done = give(orders, order, self.format).await?;
        let launches = matches!(order, Order::Trigger { .. } | Order::Backfill { .. } | Order::Resume { .. });
        if let Some(nobody) = orders.launched_by().filter(|_| launches) {
            terminal::complain(&format!("note:  {nobody}"));
        }
        Ok(done)
    }
}

pub(super) async fn pause(args: Pause) -> Outcome {
    args.import.give(&Order::Pause { import: args.import.name.clone(), why: args.why }).await
}

pub(super) async fn resume(args: Resume) -> Outcome {
    args.import.give(&Order::Resume { import: args.import.name.clone() }).await
}

pub(super) async fn trigger(args: Trigger) -> Outcome {
    let slot = Machine::new().ids.run();
    args.import.give(&Order::Trigger { import: args.import.name.clone(), slot }).await
}

pub(super) async fn backfill(args: Backfill) -> Outcome {
    let name = args.import.name.clone();
    let Some(range) = &args.range else { return args.import.give(&Order::EndBackfill { import: name }).await };
    let orders = Orders::of(&args.import.place.find()?).await?;
    let plan = jobpipe_engine::scheduler::deploy::plan_of(&orders.cx, &name, None).await?;
    let schedule = plan.schedule.as_ref().and_then(|json| jobpipe_schedule::Schedule::parse(json).ok());
    let zone = schedule.map(|schedule| schedule.zone()).unwrap_or_default();
    let (first, until) = read_range(range, &zone).ok_or_else(|| {
        Failure::usage(format!(
            "`{range}` is not a range of times: write 2026-03-01..2026-03-07 or 2026-03-01T06:00..2026-03-01T18:00"
        ))
    })?;
    let id = format!("{:08x}", Machine::new().ids.nonce() & 0xffff_ffff);
    let pace = Millis::try_from(args.pace.duration().as_millis()).unwrap_or(Millis::MAX);
    let wish = Wish { id, after: first - 1, until, pace, started: 0, skip: args.skip };
    args.import.give_by(&orders, &Order::Backfill { import: name, wish }).await
}

/// The first and the last instant of `FROM..TO`.
fn read_range(text: &str, zone: &Zone) -> Option<(Millis, Millis)> {
    let (from, to) = text.split_once("..")?;
    let (from, to) = (zone.read(from.trim())?, zone.read_end(to.trim())?);
    (from <= to).then_some((from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_ends_with_its_last_day() {
        let utc = Zone::default();
        let day = 86_400_000;
        assert_eq!(read_range("1970-01-02..1970-01-03", &utc), Some((day, 3 * day - 1)));
        assert_eq!(read_range("1970-01-02T06:00..1970-01-02T06:00", &utc), Some((day + 21_600_000, day + 21_600_000)));
        for wrong in ["1970-01-02", "1970-01-03..1970-01-02", "a..b", ".."] {
            assert_eq!(read_range(wrong, &utc), None, "{wrong}");
        }
    }
}
