//! Single values of a schedule.

use crate::duration::parse_duration;
use jobpipe_core::Millis;
use serde_json::Value as Json;

/// Texts, each with the path of its key.
pub(super) type Texts<'j> = Vec<(&'j str, String)>;

/// A text; an error says what stands there instead.
pub(super) fn text_of(json: &Json) -> Result<&str, String> {
    match json {
        Json::String(text) if text.trim().is_empty() => Err("an empty text".to_owned()),
        Json::String(text) => Ok(text.trim()),
        Json::Array(_) => Err("a list where a single value is needed".to_owned()),
        Json::Object(_) => Err("a map where a single value is needed".to_owned()),
        Json::Null | Json::Bool(_) | Json::Number(_) => Err(format!("`{json}` cannot be read here")),
    }
}

/// A length of time of at least `least` milliseconds.
pub(super) fn millis(json: &Json, least: u64) -> Option<Millis> {
    let ms = parse_duration(json.as_str()?)?;
    // what is added to an instant must not pass the end of time
    Millis::try_from(ms).ok().filter(|ms| (least..=LONGEST).contains(&ms.unsigned_abs()))
}

/// Ten years.
const LONGEST: u64 = 3_660 * 86_400_000;

/// A whole number of at least `least`; `20_000` is one too.
pub(super) fn count(json: &Json, least: u32) -> Option<u32> {
    let number = match json {
        Json::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok())?,
        Json::String(text) if text.starts_with(|c: char| c.is_ascii_digit()) && !text.ends_with('_') => {
            text.replace('_', "").parse().ok()?
        }
        _ => return None,
    };
    (number >= least).then_some(number)
}
