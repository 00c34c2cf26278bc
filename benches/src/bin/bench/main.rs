//! `bench [i|ii|iii|iv|v|store ...] [--quick] [--write]`: jobpipe beside the same work by hand, as whole processes.
//!
//! Both programs run in turn, and medians are compared. `scripts/bench` builds everything first.

#![expect(clippy::print_stdout, reason = "the table is what it is for")]

mod fleet;
mod measures;
mod process;
mod project;
mod table;

use clap::Parser;
use measures::Measure;

pub(crate) type Fault = Box<dyn std::error::Error + Send + Sync>;

/// jobpipe beside the same work by hand.
#[derive(Parser)]
struct Arguments {
    /// Which measures; all but `tasks` by default.
    measures: Vec<Measure>,
    /// A tenth of the work, one round: to see that it works.
    #[arg(long)]
    quick: bool,
    /// Rounds; the median is told.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Renews the rows of docs/performance.md.
    #[arg(long)]
    write: bool,
}

fn main() -> Result<(), Fault> {
    let arguments = Arguments::parse();
    let scale = if arguments.quick { 10 } else { 1 };
    let rounds = if arguments.quick { 1 } else { arguments.rounds.max(1) };
    let all = arguments.measures.is_empty();
    let mut rows = Vec::new();
    for measure in Measure::ALL.into_iter().filter(|one| all || arguments.measures.contains(one)) {
        for row in measures::take(measure, scale, rounds)? {
            println!("{}", table::line(&row));
            rows.push(row);
        }
    }
    let document = std::path::Path::new("docs/performance.md");
    if !rows.is_empty() {
        println!("\n{}", table::markdown(&rows));
    }
    if arguments.write {
        table::write(document, &rows)?;
    }
    if arguments.measures.contains(&Measure::Tasks) {
        let table = fleet::take(20_000 / scale, rounds)?;
        println!("\n{table}");
        if arguments.write {
            fleet::write(document, &table)?;
        }
    }
    Ok(())
}
