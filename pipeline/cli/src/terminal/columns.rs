//! Rows in columns, two spaces between; where they are too wide for a terminal, each row in words.

/// Rows of numbers under the names of their columns: the first column to the left, the others to the right. `width`: that
/// of the terminal, if it is one.
pub(crate) fn table(rows: &[Vec<String>], width: Option<usize>) -> Vec<String> {
    let lines = aligned(rows, true);
    fitted(lines, rows, width, |head, cell| if cell == "0" { None } else { Some(format!("{cell} {head}")) })
}

/// Rows of words under the names of their columns, all to the left.
pub(crate) fn listing(rows: &[Vec<String>], width: Option<usize>) -> Vec<String> {
    let lines = aligned(rows, false);
    fitted(lines, rows, width, |head, cell| if cell.is_empty() { None } else { Some(format!("{head} {cell}")) })
}

/// Rows whose columns have no names, all to the left.
pub(crate) fn list(rows: &[Vec<String>]) -> Vec<String> {
    aligned(rows, false)
}

fn aligned(rows: &[Vec<String>], numbers: bool) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            let pad = " ".repeat(width.saturating_sub(cell.chars().count()));
            if numbers && column > 0 { format!("{pad}{cell}") } else { format!("{cell}{pad}") }
        });
        cells.collect::<Vec<String>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// The lines if they fit. Else the name of the first column, and each row as what is in it, in `words`.
fn fitted(
    lines: Vec<String>,
    rows: &[Vec<String>],
    width: Option<usize>,
    words: impl Fn(&str, &str) -> Option<String>,
) -> Vec<String> {
    let Some(width) = width.filter(|width| lines.iter().any(|line| line.chars().count() > *width)) else {
        return lines;
    };
    let Some(((title, heads), rows)) =
        rows.split_first().and_then(|(head, rows)| head.split_first().map(|head| (head, rows)))
    else {
        return lines;
    };
    let mut stacked = vec![title.clone()];
    for row in rows {
        let Some((name, cells)) = row.split_first() else { continue };
        let told: Vec<String> = heads.iter().zip(cells).filter_map(|(head, cell)| words(head, cell)).collect();
        let told = if told.is_empty() { vec!["nothing".to_owned()] } else { told };
        stacked.extend(wrapped(&format!("  {name}:"), &told, width));
    }
    stacked
}

/// `begin`, then the parts with commas between, on as many lines as it takes: none is wider than `width`, but for one that
/// cannot be broken.
fn wrapped(begin: &str, parts: &[String], width: usize) -> Vec<String> {
    let mut lines = vec![begin.to_owned()];
    for (at, part) in parts.iter().enumerate() {
        let part = format!("{part}{}", if at + 1 < parts.len() { "," } else { "" });
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + part.chars().count() <= width => {
                line.push(' ');
                line.push_str(&part);
            }
            _ => lines.push(format!("    {part}")),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<Vec<String>> {
        text.lines().map(|line| line.split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = rows("page|made\nacme-paris|5");
        assert_eq!(table(&rows, None), ["page        made", "acme-paris     5"]);
        assert_eq!(table(&rows, Some(16)), ["page        made", "acme-paris     5"]);
        assert_eq!(list(&rows), ["page        made", "acme-paris  5"]);
        assert_eq!(listing(&rows, Some(16)), ["page        made", "acme-paris  5"]);
    }

    #[test]
    fn a_table_that_is_too_wide_is_told_in_words() {
        let rows = rows("stage|tasks|in|out|dead\ncrawl|1,250|50,525|50,500|2\ntransform|0|0|0|0");
        let expected = "stage\n  crawl: 1,250 tasks,\n    50,525 in,\n    50,500 out, 2 dead\n  transform: nothing";
        assert_eq!(table(&rows, Some(22)).join("\n"), expected);
        assert_eq!(table(&rows, Some(60)).len(), 3);
    }

    #[test]
    fn a_listing_that_is_too_wide_names_what_it_tells() {
        let rows =
            rows("run|state|started|dead\nacme@0199d2c4-0000-7000-8000-000000000000|closed|2026-11-23T19:52:58Z|0");
        let expected = "run\n  acme@0199d2c4-0000-7000-8000-000000000000:\n    state closed,\n    started 2026-11-23T19:52:58Z, dead 0";
        assert_eq!(listing(&rows, Some(40)).join("\n"), expected);
    }
}
