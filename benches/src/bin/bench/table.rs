//! The table, for the terminal and for the document.

use crate::Fault;
use crate::measures::{Row, part};
use std::path::Path;

const HEAD: &str = "\
| measure | CPU s | kernel s | wall s | peak MiB | floor CPU s | floor peak MiB | figure | limit | met | store ops a task | a record | fsyncs |
|---|---|---|---|---|---|---|---|---|---|---|---|---|
";
/// The rows stand between these two lines of the document.
const BEGIN: &str = "<!-- rows: scripts/bench --write -->\n";
const END: &str = "<!-- end of rows -->\n";

/// One row, short.
pub(crate) fn line(row: &Row) -> String {
    let met = if row.met { "met" } else { "MISSED" };
    let cpu = part(row.jobpipe.cpu_us, 1_000_000);
    let floor = row.floor.map_or(String::new(), |floor| format!(", floor {:.2} s", part(floor.cpu_us, 1_000_000)));
    let peak = row.jobpipe.peak_kib >> 10;
    format!("{:<16} {cpu:.2} s CPU{floor}, {peak} MiB: {} ({met}, at most {})", row.name, row.figure, row.limit)
}

pub(crate) fn markdown(rows: &[Row]) -> String {
    rows.iter().fold(HEAD.to_owned(), |mut all, row| {
        all += &format!("{}\n", full(row));
        all
    })
}

fn full(row: &Row) -> String {
    let seconds = |us: u64| format!("{:.2}", part(us, 1_000_000));
    let ops = row.store.writes + row.store.reads;
    let dash = || "-".to_owned();
    let cells = [
        row.name.clone(),
        seconds(row.jobpipe.cpu_us),
        seconds(row.jobpipe.system_us),
        seconds(row.jobpipe.wall_us),
        (row.jobpipe.peak_kib >> 10).to_string(),
        row.floor.map_or_else(dash, |floor| seconds(floor.cpu_us)),
        row.floor.map_or_else(dash, |floor| (floor.peak_kib >> 10).to_string()),
        row.figure.clone(),
        row.limit.clone(),
        if row.met { "yes" } else { "no" }.to_owned(),
        format!("{:.1}", part(ops, row.tasks)),
        if row.records == 0 { dash() } else { format!("{:.3}", part(ops, row.records)) },
        row.fsyncs.map_or_else(|| format!("{} commits", row.store.commits), |calls| calls.to_string()),
    ];
    format!("| {} |", cells.join(" | "))
}

/// Renews the rows that were measured, and leaves the others.
pub(crate) fn write(path: &Path, rows: &[Row]) -> Result<(), Fault> {
    let text = std::fs::read_to_string(path)?;
    let (before, rest) = text.split_once(BEGIN).ok_or_else(|| format!("{} has no rows", path.display()))?;
    let (old, after) = rest.split_once(END).ok_or_else(|| format!("{} has no end of rows", path.display()))?;
    let name = |line: &str| line.trim_start_matches('|').split('|').next().unwrap_or_default().trim().to_owned();
    let mut lines: Vec<String> = old.lines().skip(2).map(str::to_owned).collect();
    for row in rows {
        match lines.iter_mut().find(|line| name(line) == row.name) {
            Some(line) => *line = full(row),
            None => lines.push(full(row)),
        }
    }
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(path, format!("{before}{BEGIN}{HEAD}{lines}{END}{after}"))?;
    Ok(())
}
