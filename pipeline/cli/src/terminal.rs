//! Writing to people. A reader that has gone away (`| head`) is no error.

mod columns;

pub(crate) use columns::{list, listing, table};

use jobpipe_core::{Millis, utc_text};
use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Lines of the live view that stand on the terminal now. Whatever is said next takes their place, so that no line of it
/// is left over, whoever speaks.
static DRAWN: Mutex<usize> = Mutex::new(0);

/// Columns and lines where the terminal does not say.
const SIZE: (usize, usize) = (80, 24);

/// A line (or several) on standard output.
pub(crate) fn say(text: &str) {
    let _drawn = wiped();
    let mut out = anstream::stdout().lock();
    let _reader_may_be_gone = writeln!(out, "{}", harmless(text)).and_then(|()| out.flush());
}

/// Draws these lines of a live view, in the place of those that were drawn before. Each takes one line of the terminal.
pub(crate) fn draw(lines: &[String]) {
    let mut drawn = lock();
    let mut text = clearing(*drawn);
    // a line that is wider than it seems is cut by the terminal, not wrapped
    text.push_str("\x1b[?7l");
    for line in lines {
        text.push_str(&harmless(line));
        text.push('\n');
    }
    text.push_str("\x1b[?7h");
    *drawn = lines.len();
    unchanged(&text);
}

/// Takes away what was drawn.
pub(crate) fn wipe() {
    drop(wiped());
}

/// Columns and lines of the terminal.
pub(crate) fn size() -> (usize, usize) {
    terminal_size::terminal_size_of(io::stdout())
        .map_or(SIZE, |(width, height)| (usize::from(width.0), usize::from(height.0)))
}

/// Columns of the terminal that standard output is; `None` = it is none, and lines may be as long as they are.
pub(crate) fn width() -> Option<usize> {
    terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0)).filter(|width| *width > 0)
}

/// Nothing is drawn, and nothing will be while this is held.
fn wiped() -> MutexGuard<'static, usize> {
    let mut drawn = lock();
    if *drawn > 0 {
        unchanged(&clearing(*drawn));
        *drawn = 0;
    }
    drawn
}

fn lock() -> MutexGuard<'static, usize> {
    DRAWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Moves above what is drawn, and takes it away.
fn clearing(drawn: usize) -> String {
    if drawn == 0 { String::new() } else { format!("\r\x1b[{drawn}A\x1b[0J") }
}

/// Moves of the cursor are no colours: they are written although colours are not wanted.
fn unchanged(text: &str) {
    let mut out = io::stdout().lock();
    let _reader_may_be_gone = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Text as it is on standard output.
pub(crate) fn write(text: &str) {
    let mut out = anstream::stdout().lock();
    let _reader_may_be_gone = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// A line (or several) on standard error.
pub(crate) fn complain(text: &str) {
    let _drawn = wiped();
    let mut out = anstream::stderr().lock();
    let _reader_may_be_gone = writeln!(out, "{}", harmless(text));
}

/// What a source or a record says must not move the cursor, hide text or turn it around: such characters are written as
/// JSON writes them, so that a line of JSON stays the same. Colours stay: they are our own.
fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| c != '\n' && is_harmful(c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let colour = colour(rest);
        let taken = colour.unwrap_or(c.len_utf8());
        match rest.get(..taken) {
            Some(part) if colour.is_some() || c == '\n' || !is_harmful(c) => out.push_str(part),
            _ => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    Cow::Owned(out)
}

/// The bytes of the colour that begins `text`: `ESC [ 1 ; 31 m`.
fn colour(text: &str) -> Option<usize> {
    let numbers = text.strip_prefix("\u{1b}[")?;
    let end = numbers.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    numbers.get(end..)?.starts_with('m').then_some(2 + end + 1)
}

/// Control characters, and those that change the direction of text.
fn is_harmful(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a person watches standard output.
pub(crate) fn is_watched() -> bool {
    io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Whether colours are wanted on standard error.
pub(crate) fn wants_colour() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// `text` cut to so many characters, the cut shown.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// `12_345` as `12,345`.
pub(crate) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A moment to the second: `2026-11-23T20:01:16Z`.
pub(crate) fn moment(at: Millis) -> String {
    utc_text(at / 1_000 * 1_000)
}

/// Seconds from one moment to another; 0 when it lies before.
pub(crate) fn between(from: Millis, to: Millis) -> f64 {
    seconds(u64::try_from(to.saturating_sub(from)).unwrap_or(0))
}

/// Milliseconds as seconds.
pub(crate) fn seconds(ms: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let ms = ms as f64;
    ms / 1_000.0
}

/// Seconds for people: `6.2 s`, `3 min 5 s`, `2 h 4 min`, `3 d 2 h`.
pub(crate) fn time(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole seconds, never negative")]
    let whole = seconds.max(0.0) as u64;
    match whole {
        0..=59 => format!("{seconds:.1} s"),
        60..=3_599 => format!("{} min {} s", whole / 60, whole % 60),
        3_600..=86_399 => format!("{} h {} min", whole / 3_600, whole % 3_600 / 60),
        _ => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_does_nothing() {
        assert_eq!(harmless("a\nb é 😀 \u{1b}[1;31mred\u{1b}[0m"), "a\nb é 😀 \u{1b}[1;31mred\u{1b}[0m");
        let harmed = "a\0\u{1b}[2J\u{1b}]0;x\u{7}\r\t\u{9b}2J\u{202e}b\u{2066}\u{1b}[31";
        let expected = r"a\u0000\u001b[2J\u001b]0;x\u0007\u000d\u0009\u009b2J\u202eb\u2066\u001b[31";
        assert_eq!(harmless(harmed), expected);
        let json = serde_json::json!({ "title": "x\u{202e}y\u{7f}\u{1b}" }).to_string();
        let told: serde_json::Value = serde_json::from_str(&harmless(&json)).unwrap();
        assert_eq!(told["title"], "x\u{202e}y\u{7f}\u{1b}");
    }

    #[test]
    fn numbers_and_times_are_for_people() {
        assert_eq!([0, 999, 1_000, 12_345_678].map(number), ["0", "999", "1,000", "12,345,678"]);
        assert_eq!([6.24, 185.0, 7_440.0, 266_400.0].map(time), ["6.2 s", "3 min 5 s", "2 h 4 min", "3 d 2 h"]);
    }

    #[test]
    fn moments_are_told_to_the_second() {
        assert_eq!(moment(61_999), "1970-01-01T00:01:01Z");
        assert_eq!([between(1_000, 2_500), between(2_500, 1_000)], [1.5, 0.0]);
    }

    #[test]
    fn a_cut_is_shown() {
        assert_eq!(cut("acme-paris", 6), "acme-…");
        assert_eq!(cut("acme-paris", 10), "acme-paris");
    }
}
