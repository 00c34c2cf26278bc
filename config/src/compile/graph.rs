//! The order of stages: every `from` names a stage that gives records, and none waits for itself.

use super::draft::Draft;
use crate::diagnostic::{Problem, codes, nearest};
use crate::reader::Cx;
use jobpipe_core::StageKind;
use std::collections::HashMap;

/// The stages by their place in the file, each after those it is from; `None` when a circle or an unknown name forbids it.
pub(super) fn order(cx: &mut Cx<'_>, drafts: &[Draft]) -> Option<Vec<usize>> {
    let by_name: HashMap<&str, usize> =
        drafts.iter().enumerate().map(|(at, draft)| (draft.name.as_str(), at)).collect();
    let mut whole = true;
    let mut parents: Vec<Vec<usize>> = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let mut mine = Vec::new();
        for (name, span) in &draft.from {
            match by_name.get(name.as_str()) {
                Some(index) => mine.push((*index, span.clone())),
                None => {
                    whole = false;
                    unknown(cx, draft, name, span.clone(), drafts);
                }
            }
        }
        for (index, span) in &mine {
            let export = drafts.get(*index).filter(|parent| parent.kind == StageKind::Export);
            if let Some(parent) = export {
                let message = format!("`{}` is an export and gives no records", parent.name);
                let exists = |(name, _): &&(String, std::ops::Range<usize>)| by_name.contains_key(name.as_str());
                let instead: Vec<&str> = parent.from.iter().filter(exists).map(|(name, _)| name.as_str()).collect();
                let problem = Problem::new(codes::FROM_EXPORT, span.clone(), &format!("{}.from", draft.path), message);
                cx.add(problem.help(match instead.as_slice() {
                    [] => "name the stage whose records it exports".to_owned(),
                    stages => format!("take the records that it exports: `from: {}`", one_or_list(stages)),
                }));
            }
        }
        if draft.from.is_empty() && draft.kind != StageKind::Crawl && draft.body.is_some() {
            let message = format!("`{}` gets no records", draft.name);
            let problem = Problem::new(codes::FEEDLESS, draft.span.clone(), &draft.path, message);
            cx.add(problem.help("say whose records it takes: `from: NAME`"));
        }
        parents.push(mine.into_iter().map(|(index, _)| index).collect());
    }
    let order = sorted(&parents);
    if order.len() < drafts.len() {
        circles(cx, drafts, &parents, &order);
        return None;
    }
    whole.then_some(order)
}

/// Kahn's algorithm, in the order of the file; stages in a circle are left out.
fn sorted(parents: &[Vec<usize>]) -> Vec<usize> {
    let mut done = vec![false; parents.len()];
    let mut order = Vec::with_capacity(parents.len());
    loop {
        let ready = |index: &usize| {
            let waits = parents
                .get(*index)
                .is_some_and(|mine| mine.iter().any(|parent| !done.get(*parent).copied().unwrap_or(true)));
            !done.get(*index).copied().unwrap_or(true) && !waits
        };
        let Some(next) = (0..parents.len()).find(ready) else {
            return order;
        };
        if let Some(flag) = done.get_mut(next) {
            *flag = true;
        }
        order.push(next);
    }
}

/// `clean`, or `[offers, feed]`.
fn one_or_list(names: &[&str]) -> String {
    match names {
        [name] => (*name).to_owned(),
        names => format!("[{}]", names.join(", ")),
    }
}

/// Reports each circle with the path through it.
fn circles(cx: &mut Cx<'_>, drafts: &[Draft], parents: &[Vec<usize>], order: &[usize]) {
    let mut seen = vec![false; drafts.len()];
    order.iter().for_each(|index| mark(&mut seen, *index));
    while let Some(start) = seen.iter().position(|seen| !seen) {
        // Back along parents that are in a circle, or wait for one, until one is met again.
        let mut path = vec![start];
        let mut current = start;
        let stuck = |index: &usize| seen.get(*index).is_some_and(|seen| !seen);
        let met = loop {
            let Some(parent) = parents.get(current).and_then(|mine| mine.iter().copied().find(stuck)) else {
                break None;
            };
            if let Some(first) = path.iter().position(|before| *before == parent) {
                break Some(first);
            }
            path.push(parent);
            current = parent;
        };
        if let Some(first) = met {
            tell_circle(cx, drafts, path.get(first..).unwrap_or_default());
        }
        path.iter().for_each(|index| mark(&mut seen, *index));
    }
}

fn mark(seen: &mut [bool], index: usize) {
    if let Some(flag) = seen.get_mut(index) {
        *flag = true;
    }
}

/// `back` is a circle, each stage before the one that it is from.
fn tell_circle(cx: &mut Cx<'_>, drafts: &[Draft], back: &[usize]) {
    let mut path: Vec<usize> = back.iter().rev().copied().collect();
    let lowest = path.iter().enumerate().min_by_key(|(_, index)| **index).map_or(0, |(at, _)| at);
    path.rotate_left(lowest);
    let Some(first) = path.first().copied() else { return };
    path.push(first);
    let name = |index: &usize| drafts.get(*index).map_or("", |draft| draft.name.as_str());
    let shown: Vec<String> = path.iter().map(|index| format!("`{}`", name(index))).collect();
    let Some(draft) = drafts.get(first) else { return };
    let before = path.iter().rev().nth(1).map(name).unwrap_or_default();
    let span = draft.from.iter().find(|(from, _)| from == before).map_or(draft.span.clone(), |(_, span)| span.clone());
    let message = format!("stages in a circle: {}", shown.join(" -> "));
    let problem = Problem::new(codes::CYCLE, span, &format!("{}.from", draft.path), message);
    cx.add(problem.help("take one `from` out: records flow one way"));
}

fn unknown(cx: &mut Cx<'_>, draft: &Draft, name: &str, span: std::ops::Range<usize>, drafts: &[Draft]) {
    let others = drafts.iter().filter(|other| other.name != draft.name && other.kind != StageKind::Export);
    let known: Vec<&str> = others.map(|other| other.name.as_str()).collect();
    let help = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "there is no other stage that gives records".to_owned(),
        None => format!("stages that give records: {}", known.join(", ")),
    };
    let message = format!("no stage is named `{name}`");
    cx.add(Problem::new(codes::UNKNOWN_STAGE, span, &format!("{}.from", draft.path), message).help(help));
}
