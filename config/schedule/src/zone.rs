//! Time zones, and the stretches of time in which their clocks go evenly.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jobpipe_core::Millis;
use std::sync::LazyLock;

/// What a clock on the wall shows, as seconds since it would have shown 1970-01-01 00:00.
pub(crate) type Wall = i64;

pub(crate) const DAY: Wall = 86_400;

/// The rules that come with the binary: never the machine's, which differ from machine to machine.
static RULES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The instants between which there are slots: the years 1 to 9998.
pub(crate) const EARLIEST: Millis = -62_135_596_800_000;
pub(crate) const LATEST: Millis = 253_370_764_800_000;

/// A time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    rules: TimeZone,
}

/// A stretch of time in which a zone's offset stays the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// Its first instant, and the first one after it.
    pub(crate) from: Millis,
    pub(crate) until: Millis,
    /// What is added to UTC, in seconds: before it, in it, and after it.
    pub(crate) before: Wall,
    pub(crate) offset: Wall,
    pub(crate) after: Wall,
}

impl Default for Zone {
    fn default() -> Self {
        Self { rules: TimeZone::UTC }
    }
}

impl Zone {
    /// The zone of a name of the IANA database, such as `Europe/Paris`, or of `UTC`.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("UTC") {
            return Some(Self::default());
        }
        RULES.get(name).ok().map(|rules| Self { rules })
    }

    /// Its name, spelled as in the database.
    #[must_use]
    pub fn name(&self) -> &str {
        self.rules.iana_name().unwrap_or("UTC")
    }

    /// An instant as this zone's clock shows it, with the offset: `Sun 2026-03-08 03:00 -04:00`; seconds where there are
    /// any.
    #[must_use]
    pub fn show(&self, at: Millis) -> String {
        let stamp = stamp(at);
        let time = self.rules.to_datetime(stamp);
        let seconds = if time.second() == 0 { String::new() } else { format!(":{:02}", time.second()) };
        let minutes = self.rules.to_offset(stamp).seconds() / 60;
        let sign = if minutes < 0 { '-' } else { '+' };
        let (hours, minutes) = (minutes.abs() / 60, minutes.abs() % 60);
        let (day, date) = (short_day(time.weekday()), time.date());
        format!("{day} {date} {:02}:{:02}{seconds} {sign}{hours:02}:{minutes:02}", time.hour(), time.minute())
    }

    /// The same for programs: `2026-03-08T03:00:00-04:00`.
    #[must_use]
    pub fn rfc3339(&self, at: Millis) -> String {
        let stamp = stamp(at);
        stamp.display_with_offset(self.rules.to_offset(stamp)).to_string()
    }

    /// Reads `2026-03-08`, `2026-03-08T01:30` (of this zone's clock; the first of two, and the first there is after a
    /// time that does not exist) or `2026-03-08T01:30:00Z`.
    #[must_use]
    pub fn read(&self, text: &str) -> Option<Millis> {
        if let Some(date) = read_date(text) {
            return self.instant(date.to_datetime(jiff::civil::Time::midnight()));
        }
        let text = text.trim();
        // the year, month, day and `T`, and what an offset looks like after them
        let is_absolute = text.ends_with(['Z', 'z']) || text.get(10..).is_some_and(|time| time.contains(['+', '-']));
        if is_absolute {
            return text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond);
        }
        if !text.get(10..).is_some_and(|time| time.starts_with(['T', ' '])) {
            return None;
        }
        self.instant(text.parse::<DateTime>().ok()?)
    }

    /// The instant at which the clock shows `time`.
    pub(crate) fn instant(&self, time: DateTime) -> Option<Millis> {
        self.rules.to_ambiguous_timestamp(time).compatible().ok().map(Timestamp::as_millisecond)
    }

    /// What the clock shows at an instant.
    pub(crate) fn wall(&self, at: Millis) -> Wall {
        let stamp = stamp(at);
        stamp.as_second() + Wall::from(self.rules.to_offset(stamp).seconds())
    }

    /// The stretch that holds an instant.
    pub(crate) fn stretch(&self, at: Millis) -> Stretch {
        let now = stamp(at);
        let offset = |at: Timestamp| Wall::from(self.rules.to_offset(at).seconds());
        // what precedes is strictly earlier, and a stretch may begin just now
        let later = stamp(at.saturating_add(1));
        let begin = self.rules.preceding(later).next().map(|change| change.timestamp());
        let end = self.rules.following(now).next().map(|change| change.timestamp());
        let at = offset(now);
        Stretch {
            from: begin.map_or(Millis::MIN, Timestamp::as_millisecond),
            until: end.map_or(Millis::MAX, Timestamp::as_millisecond),
            before: begin.map_or(at, |begin| offset(stamp(begin.as_millisecond() - 1))),
            offset: at,
            after: end.map_or(at, offset),
        }
    }
}

/// An instant, brought into the years that the calendar knows.
fn stamp(at: Millis) -> Timestamp {
    Timestamp::from_millisecond(bounded(at)).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The nearest instant within the years that the calendar knows.
pub(crate) fn bounded(at: Millis) -> Millis {
    at.clamp(EARLIEST, LATEST)
}

/// Reads `2026-12-25`, and nothing else.
pub(crate) fn read_date(text: &str) -> Option<Date> {
    let text = text.trim();
    let shape = |(at, c): (usize, char)| if at == 4 || at == 7 { c == '-' } else { c.is_ascii_digit() };
    if text.len() != 10 || !text.chars().enumerate().all(shape) {
        return None;
    }
    text.parse().ok()
}

/// The date that a clock shows.
pub(crate) fn date_of(wall: Wall) -> Option<Date> {
    let midnight = Timestamp::from_second(wall).ok()?;
    Some(TimeZone::UTC.to_datetime(midnight).date())
}

/// What a clock shows at the beginning of a date.
pub(crate) fn midnight(date: Date) -> Wall {
    let seconds = date.duration_since(Date::constant(1970, 1, 1)).as_secs();
    seconds.div_euclid(DAY) * DAY
}

/// `Mon`, `Tue` and so on.
fn short_day(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "Mon",
        Weekday::Tuesday => "Tue",
        Weekday::Wednesday => "Wed",
        Weekday::Thursday => "Thu",
        Weekday::Friday => "Fri",
        Weekday::Saturday => "Sat",
        Weekday::Sunday => "Sun",
    }
}
