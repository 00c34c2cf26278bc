//! What is wrong with a deployed import, and whether somebody is to be told of it now.

use crate::docs::{Alerted, ImportDoc, ScheduleDoc};
use jobpipe_core::{Millis, utc_text};

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// In a word: `launch`, `paused`, `failed` or `stale`. What is told again is told by it.
    pub kind: &'static str,
    /// In words.
    pub text: String,
}

/// What is wrong with an import; the worst first, `None` when nothing is. `ended` is when its last run was closed that was
/// not cancelled; after `fresh` milliseconds without one it is stale. One that a person paused is not in trouble.
#[must_use]
pub fn trouble(
    schedule: &ScheduleDoc,
    import: &ImportDoc,
    ended: Option<Millis>,
    now: Millis,
    fresh: Option<Millis>,
) -> Option<Trouble> {
    let found = |kind: &'static str, text: String| Some(Trouble { kind, text });
    if let Some(why) = &schedule.trouble {
        return found("launch", format!("it is due and cannot be launched: {why}"));
    }
    if let Some(paused) = &import.paused {
        return if import.failures > 0 { found("paused", format!("it is paused: {}", paused.why)) } else { None };
    }
    if import.failures > 0 {
        let run = import.failed.as_deref().unwrap_or("a run");
        let more =
            if import.failures > 1 { format!(", the last of {} in a row", import.failures) } else { String::new() };
        return found("failed", format!("{run} failed{more}; `jobpipe runs show` and `jobpipe dead list` say why"));
    }
    let since = ended.or_else(|| schedule.current.as_ref().map(|current| current.at))?.max(schedule.since);
    if schedule.retiring.is_none() && fresh.is_some_and(|most| now - since > most) {
        return found("stale", format!("no run has succeeded since {}", utc_text(since / 1_000 * 1_000)));
    }
    None
}

/// What is to be said now, given what was told before: it, again after `repeat` milliseconds, or that it is over.
/// Also what is remembered then.
#[must_use]
pub fn to_tell(
    found: Option<&Trouble>,
    told: Option<&Alerted>,
    now: Millis,
    repeat: Millis,
) -> Option<(String, Option<Alerted>)> {
    match (found, told) {
        (Some(found), Some(told)) if told.kind == found.kind && now - told.at < repeat => None,
        (Some(found), _) => Some((found.text.clone(), Some(Alerted { kind: found.kind.to_owned(), at: now }))),
        (None, Some(_)) => Some(("it is well again".to_owned(), None)),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docs::{Deployed, Paused};

    fn schedule() -> ScheduleDoc {
        let current = Deployed { version: 1, definition: String::new(), at: 1_000, source: String::new() };
        ScheduleDoc { current: Some(current), ..ScheduleDoc::default() }
    }

    fn kind(schedule: &ScheduleDoc, import: &ImportDoc, ended: Option<Millis>, now: Millis) -> Option<&'static str> {
        trouble(schedule, import, ended, now, Some(100)).map(|trouble| trouble.kind)
    }

    #[test]
    fn what_is_wrong_is_found() {
        let (well, import) = (schedule(), ImportDoc::default());
        assert_eq!(kind(&well, &import, None, 1_100), None);
        assert_eq!(kind(&well, &import, None, 1_101), Some("stale"));
        assert_eq!(kind(&well, &import, Some(1_050), 1_150), None);
        assert_eq!(trouble(&well, &import, None, 9_999, None), None);
        let retiring = ScheduleDoc { retiring: Some("retire-1".into()), ..schedule() };
        assert_eq!(kind(&retiring, &import, None, 1_101), None, "it runs no more");
        let by_hand = ImportDoc { paused: Some(Paused { why: "by hand".into(), at: 0 }), ..ImportDoc::default() };
        assert_eq!(kind(&well, &by_hand, None, 9_999), None);
        let failed = ImportDoc { failures: 2, failed: Some("acme@2".into()), ..ImportDoc::default() };
        let told = trouble(&well, &failed, None, 1_060, None).unwrap().text;
        assert!(told.starts_with("acme@2 failed, the last of 2 in a row"), "{told}");
        assert_eq!(kind(&well, &failed, Some(1_050), 1_060), Some("failed"));
        assert_eq!(kind(&well, &ImportDoc { failures: 5, ..by_hand }, None, 1_060), Some("paused"));
        let stuck = ScheduleDoc { trouble: Some("no token".into()), ..schedule() };
        assert_eq!(kind(&stuck, &failed, None, 1_060), Some("launch"));
    }

    #[test]
    fn the_same_is_told_again_after_a_while_and_its_end_once() {
        let failed = Trouble { kind: "failed", text: "a@1 failed".into() };
        let (text, told) = to_tell(Some(&failed), None, 10, 100).unwrap();
        assert_eq!((text.as_str(), told.as_ref().unwrap().at), ("a@1 failed", 10));
        assert_eq!(to_tell(Some(&failed), told.as_ref(), 109, 100), None);
        assert!(to_tell(Some(&failed), told.as_ref(), 110, 100).is_some());
        let other = Trouble { kind: "paused", text: "it is paused".into() };
        assert_eq!(to_tell(Some(&other), told.as_ref(), 11, 100).unwrap().0, "it is paused");
        assert_eq!(to_tell(None, told.as_ref(), 11, 100), Some(("it is well again".into(), None)));
        assert_eq!(to_tell(None, None, 11, 100), None);
    }
}
