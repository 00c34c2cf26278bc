//! Imports that follow each other in a circle: each would wait for the next for ever, or, once begun, never end.

use crate::cx::Cx;
use crate::docs::{self, Read, ScheduleDoc};
use crate::error::{EngineError, Result};
use jobpipe_core::{DocKind, Plan};
use jobpipe_schedule::Schedule;
use std::collections::{BTreeMap, VecDeque};

/// Refuses an import that would follow itself by way of those that are deployed.
///
/// # Errors
/// `JP615`, with the names of all in the circle.
pub(super) async fn refuse(cx: &Cx, name: &str, after: &[String]) -> Result<()> {
    let mut follows = BTreeMap::from([(name.to_owned(), after.to_vec())]);
    let mut open = after.to_vec();
    while let Some(next) = open.pop() {
        if follows.contains_key(&next) {
            continue;
        }
        let read: Option<Read<ScheduleDoc>> = docs::read(&*cx.store, DocKind::Schedule, &next).await?;
        let deployed = read.filter(|read| read.doc.current.is_some()).and_then(|read| read.doc.schedule);
        let after = deployed.and_then(|json| Schedule::parse(&json).ok()).map(|rules| rules.after).unwrap_or_default();
        open.extend(after.iter().cloned());
        follows.insert(next, after);
    }
    match circle(&follows, name) {
        None => Ok(()),
        Some(names) => Err(EngineError::Refused { code: "JP615", message: told(&names) }),
    }
}

/// The shortest circle through `name`: each follows the next, the last one follows the first. `follows` has for each
/// import those that it follows (`after:`).
#[must_use]
fn circle(follows: &BTreeMap<String, Vec<String>>, name: &str) -> Option<Vec<String>> {
    let mut reached: BTreeMap<&str, &str> = BTreeMap::new();
    let mut open = VecDeque::from([name]);
    while let Some(one) = open.pop_front() {
        for next in follows.get(one).into_iter().flatten() {
            if next == name {
                let mut names = vec![one.to_owned()];
                let mut at = one;
                while let Some(before) = reached.get(at).filter(|_| at != name) {
                    at = before;
                    names.push(at.to_owned());
                }
                names.reverse();
                return Some(names);
            }
            if !reached.contains_key(next.as_str()) {
                reached.insert(next, one);
                open.push_back(next);
            }
        }
    }
    None
}

/// A circle among these imports, in words: what is wrong with files that are deployed together.
#[must_use]
pub fn among<'a>(plans: impl IntoIterator<Item = &'a Plan>) -> Option<String> {
    let after =
        |plan: &Plan| plan.schedule.as_ref().and_then(|json| Schedule::parse(json).ok()).map(|rules| rules.after);
    let follows: BTreeMap<String, Vec<String>> =
        plans.into_iter().map(|plan| (plan.name.clone(), after(plan).unwrap_or_default())).collect();
    follows.keys().find_map(|name| circle(&follows, name)).map(|names| told(&names))
}

/// The circle in words.
#[must_use]
fn told(names: &[String]) -> String {
    let each = names.iter().zip(names.iter().cycle().skip(1));
    let each: Vec<String> = each.map(|(one, next)| format!("`{one}` runs after `{next}`")).collect();
    let each = match each.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{}, and {last}", before.join(", ")),
        _ => each.join(", "),
    };
    format!("{each}: none of them would begin by itself, and once begun they would never end; take one `after` away")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follows(pairs: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
        pairs.iter().map(|(name, after)| ((*name).into(), after.iter().map(|&one| one.into()).collect())).collect()
    }

    #[test]
    fn circles_are_found_and_told() {
        let two = follows(&[("a", &["b"]), ("b", &["a"])]);
        let names = circle(&two, "a").unwrap();
        assert_eq!(names, ["a", "b"]);
        assert!(told(&names).starts_with("`a` runs after `b`, and `b` runs after `a`: "), "{}", told(&names));
        let plan = |name: &str, after: &str| Plan {
            name: name.into(),
            stages: Vec::new(),
            schedule: Some(serde_json::json!({ "after": after })),
        };
        assert!(among(&[plan("a", "b"), plan("b", "a"), plan("c", "a")]).unwrap().starts_with("`a` runs after `b`"));
        assert_eq!(among(&[plan("a", "b"), plan("b", "c")]), None);
        assert_eq!(circle(&follows(&[("a", &["a"])]), "a"), Some(vec!["a".to_owned()]));
        let three = follows(&[("a", &["x", "b"]), ("b", &["x", "c"]), ("c", &["a"]), ("x", &[])]);
        assert_eq!(circle(&three, "b").unwrap(), ["b", "c", "a"]);
        // one beside it, and one that only leads to it
        let beside = follows(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[]), ("d", &["e"]), ("e", &["e"])]);
        assert_eq!((circle(&beside, "a"), circle(&beside, "d")), (None, None));
    }
}
