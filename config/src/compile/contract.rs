//! What can be judged only with all stages in view: keys, what is gone, fields that exist, values that never change.

use super::draft::{Body, Draft, Jsonl, Transform};
use crate::diagnostic::{Problem, Severity, codes, nearest};
use crate::reader::{Cx, Used};
use crate::spec::{GoneSpec, Keep, Write};
use jobpipe_core::Feed;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

/// Checks all stages, and fills in the defaults that depend on the others. `order` is topological.
pub(super) fn check(cx: &mut Cx<'_>, drafts: &mut [Draft], order: &[usize]) {
    let graph = Graph::new(drafts);
    for index in 0..drafts.len() {
        crawl_has_input(cx, drafts, index);
        export_has_keys(cx, drafts, &graph, index);
        compared(cx, drafts, &graph, index);
        file_of_its_own(cx, drafts, index);
    }
    fields(cx, drafts, &graph, order);
    // beside an error they would only tell what may come of it
    let right = !cx.problems.has_errors();
    for index in 0..drafts.len() {
        if right {
            something_extracted(cx, drafts, index);
            gone_has_keys(cx, drafts, &graph, index);
        }
        gone(cx, drafts, &graph, index);
    }
}

/// Who is from whom, by place in the file.
struct Graph {
    parents: Vec<Vec<usize>>,
    children: Vec<Vec<usize>>,
}

impl Graph {
    fn new(drafts: &[Draft]) -> Self {
        let by_name: HashMap<&str, usize> =
            drafts.iter().enumerate().map(|(at, draft)| (draft.name.as_str(), at)).collect();
        let mut children = vec![Vec::new(); drafts.len()];
        let mut parents = Vec::with_capacity(drafts.len());
        for (index, draft) in drafts.iter().enumerate() {
            let mine: Vec<usize> =
                draft.from.iter().filter_map(|(name, _)| by_name.get(name.as_str()).copied()).collect();
            for parent in &mine {
                if let Some(list) = children.get_mut(*parent) {
                    list.push(index);
                }
            }
            parents.push(mine);
        }
        Self { parents, children }
    }

    fn parents(&self, index: usize) -> &[usize] {
        self.parents.get(index).map_or(&[], Vec::as_slice)
    }

    /// All stages above (or below) one.
    fn reach(links: &[Vec<usize>], from: usize) -> BTreeSet<usize> {
        let mut seen = BTreeSet::new();
        let mut open = vec![from];
        while let Some(next) = open.pop() {
            for linked in links.get(next).into_iter().flatten() {
                if seen.insert(*linked) {
                    open.push(*linked);
                }
            }
        }
        seen
    }
}

/// A crawl that starts the import has no record to take its URL from.
fn crawl_has_input(cx: &mut Cx<'_>, drafts: &[Draft], index: usize) {
    let Some(draft) = drafts.get(index) else { return };
    let Some(crawl) = draft.body.as_ref().and_then(Body::crawl) else { return };
    if crawl.spec.since.is_none() {
        let since = crawl.requests.iter().flat_map(|used| used.variables.iter().map(move |found| (used, found)));
        for (used, (_, span)) in since.filter(|(_, (name, _))| name == "since") {
            let message = "`$since` has no value: this crawl has no `since`";
            let problem = Problem::new(codes::NO_VALUE_HERE, span.clone(), &used.path, message);
            cx.add(problem.help("say which field tells how new a record is: `since: .updated_at`"));
        }
    }
    if !draft.from.is_empty() {
        return;
    }
    for used in crawl.requests.iter().filter(|used| used.whole || !used.fields.is_empty()) {
        let field = used.fields.first().map_or_else(|| "a value".to_owned(), |(name, _)| format!("`.{name}`"));
        let message = format!("`{}` is from no stage, so there is no record to take {field} from", draft.name);
        let problem = Problem::new(codes::FEEDLESS, used.span.clone(), &used.path, message);
        cx.add(problem.help("write a fixed value, or say whose records it takes: `from: NAME`"));
    }
}

/// Every way from a crawl to an export that follows records must pass a `key`.
fn export_has_keys(cx: &mut Cx<'_>, drafts: &[Draft], graph: &Graph, index: usize) {
    let Some(draft) = drafts.get(index) else { return };
    let needs = match &draft.body {
        Some(Body::Facebook(_)) => "posts follow records by their key",
        Some(Body::Jsonl(Jsonl { spec, .. })) if spec.write == Write::Snapshot => "a snapshot is told by keys",
        Some(Body::Jsonl(Jsonl { spec, .. })) if spec.write == Write::Changes => "changes are told by keys",
        _ => return,
    };
    let mut open: Vec<usize> = graph.parents(index).to_vec();
    let mut seen = BTreeSet::new();
    while let Some(next) = open.pop() {
        let Some(stage) = drafts.get(next) else { continue };
        // A stage that was reported may well have a key.
        let keyed = match &stage.body {
            Some(Body::Transform(transform)) => transform.has_key,
            None => true,
            _ => false,
        };
        if keyed || !seen.insert(next) {
            continue;
        }
        if graph.parents(next).is_empty() {
            let message = format!("{needs}, and records of `{}` come here without one", stage.name);
            let problem = Problem::new(codes::NEEDS_KEY, draft.span.clone(), &draft.path, message);
            cx.add(problem.help("give the transform before it a key: `key: .id`"));
            return;
        }
        open.extend_from_slice(graph.parents(next));
    }
}

/// A page is no record by itself: what is not extracted is not there. A crawl that is `from` others keeps their fields.
fn something_extracted(cx: &mut Cx<'_>, drafts: &[Draft], index: usize) {
    let Some(draft) = drafts.get(index).filter(|draft| draft.from.is_empty()) else { return };
    let Some(crawl) = draft.body.as_ref().and_then(Body::crawl) else { return };
    if crawl.spec.html.is_some() && crawl.spec.extract.is_empty() {
        let message = format!("records of `{}` are empty: nothing is extracted from its pages", draft.name);
        let problem = Problem::new(codes::MISSING, draft.span.clone(), &draft.path, message);
        cx.add(problem.severity(Severity::Warning).help("say what is: `extract: { title: h1, url: a @href }`"));
    }
}

/// What is gone is told by keys.
fn gone_has_keys(cx: &mut Cx<'_>, drafts: &[Draft], graph: &Graph, index: usize) {
    let Some(draft) = drafts.get(index) else { return };
    let Some(Body::Transform(transform)) = &draft.body else { return };
    let Some(span) = &transform.gone_span else { return };
    let keyed = |draft: &Draft| {
        matches!(&draft.body, Some(Body::Transform(transform)) if transform.has_key) || draft.body.is_none()
    };
    let above = Graph::reach(&graph.parents, index).into_iter().filter_map(|above| drafts.get(above)).any(keyed);
    if !keyed(draft) && !above && transform.spec.gone != GoneSpec::default() {
        let message = "`gone` follows records by their key, and they have none";
        let problem = Problem::new(codes::NEEDS_KEY, span.clone(), &format!("{}.gone", draft.path), message);
        cx.add(problem.severity(Severity::Warning).help("give the transform a key: `key: .id`"));
    }
}

/// Each file is written whole by one export: of two the last one would stay.
fn file_of_its_own(cx: &mut Cx<'_>, drafts: &[Draft], index: usize) {
    let file = |draft: &Draft| match &draft.body {
        Some(Body::Jsonl(Jsonl { spec, .. })) => Some(spec.path.0.trim_start_matches("./").to_owned()),
        _ => None,
    };
    let Some(draft) = drafts.get(index) else { return };
    let Some(path) = file(draft) else { return };
    let Some(first) = drafts.iter().take(index).find(|other| file(other).as_ref() == Some(&path)) else { return };
    let message = format!("`{}` writes the file of `{}`, and each writes it whole", draft.name, first.name);
    let problem = Problem::new(codes::CONFLICT, draft.span.clone(), &draft.path, message);
    cx.add(problem.help("give it a file of its own").related(first.span.clone(), "the first one"));
}

/// `$now` and `$run` in what is compared.
fn compared(cx: &mut Cx<'_>, drafts: &[Draft], graph: &Graph, index: usize) {
    let Some(draft) = drafts.get(index) else { return };
    let (used, what): (&[Used], &str) = match &draft.body {
        Some(Body::Facebook(facebook)) => (&facebook.used, "every post would be updated in every run"),
        Some(Body::Transform(transform)) if is_followed(drafts, graph, index) => {
            (&transform.compared, "every record would count as changed in every run")
        }
        _ => return,
    };
    for used in used {
        for (name, span) in used.variables.iter().filter(|(name, _)| name == "now" || name == "run") {
            let message = format!("`${name}` differs from run to run: {what}");
            let problem = Problem::new(codes::COMPARED, span.clone(), &used.path, message);
            cx.add(
                problem
                    .help("use a date of the record; in `where`, `gone` and paths of files `$now` and `$run` are fine"),
            );
        }
    }
}

/// Whether an export below compares records with those of the last run.
fn is_followed(drafts: &[Draft], graph: &Graph, index: usize) -> bool {
    Graph::reach(&graph.children, index).into_iter().filter_map(|below| drafts.get(below)).any(|draft| {
        match &draft.body {
            Some(Body::Facebook(_)) => true,
            Some(Body::Jsonl(jsonl)) => Feed::from(jsonl.spec.write) != Feed::Run,
            _ => false,
        }
    })
}

/// The default of `gone`, and a warning where it can never act.
fn gone(cx: &mut Cx<'_>, drafts: &mut [Draft], graph: &Graph, index: usize) {
    let above = Graph::reach(&graph.parents, index);
    let crawls = above
        .into_iter()
        .filter_map(|above| drafts.get(above))
        .filter_map(|draft| Some((draft, draft.body.as_ref()?.crawl()?)));
    let partial = crawls.filter(|(_, crawl)| crawl.spec.since.is_some()).map(|(draft, _)| draft.name.clone()).next();
    let Some(draft) = drafts.get_mut(index) else { return };
    let path = format!("{}.gone", draft.path);
    let Some(Body::Transform(transform)) = &mut draft.body else { return };
    let Transform { spec, gone_span, .. } = transform.as_mut();
    match (gone_span, partial) {
        (None, None) if spec.key.is_some() => spec.gone.after = Some(1),
        (None, _) => {}
        (Some(span), Some(crawl)) if spec.gone.after.is_some() => {
            let message =
                format!("nothing will ever count as missing: `{crawl}` asks only for what is newer (`since`)");
            let problem = Problem::new(codes::CONFLICT, span.clone(), &path, message).severity(Severity::Warning);
            cx.add(
                problem
                    .help("let the source say what is gone: `where: .status == \"open\"`, or `gone: .expires < $now`"),
            );
        }
        (Some(_), _) => {}
    }
}

/// Names of fields that cannot be there.
fn fields(cx: &mut Cx<'_>, drafts: &[Draft], graph: &Graph, order: &[usize]) {
    // What each stage gives: `None` = not known.
    let mut gives: Vec<Option<BTreeSet<String>>> = vec![None; drafts.len()];
    for index in order.iter().copied() {
        let Some(draft) = drafts.get(index) else { continue };
        let comes: Option<BTreeSet<String>> =
            graph.parents(index).iter().try_fold(BTreeSet::new(), |mut all, parent| {
                all.extend(gives.get(*parent)?.clone()?);
                Some(all)
            });
        let comes = comes.filter(|_| !draft.from.is_empty());
        match &draft.body {
            Some(Body::Transform(transform)) => {
                if let Some(known) = &comes {
                    transform.compared.iter().for_each(|used| unknown_fields(cx, used, known));
                }
                let after = given(transform, comes);
                if let Some(known) = &after {
                    let path = format!("{}.require", draft.path);
                    transform.require.iter().for_each(|(name, span)| unknown_name(cx, name, span, &path, known));
                }
                if let Some(slot) = gives.get_mut(index) {
                    *slot = after;
                }
            }
            Some(Body::Facebook(facebook)) => {
                if let Some(known) = &comes {
                    facebook.used.iter().for_each(|used| unknown_fields(cx, used, known));
                }
            }
            Some(Body::Jsonl(jsonl)) => {
                if let Some(mut known) = comes {
                    known.extend(["change".to_owned(), "key".to_owned()]);
                    let path = format!("{}.fields", draft.path);
                    jsonl.fields.iter().for_each(|(name, span)| unknown_name(cx, name, span, &path, &known));
                }
            }
            Some(Body::Crawl(_)) | None => {}
        }
    }
}

/// The fields that a transform gives.
fn given(transform: &Transform, comes: Option<BTreeSet<String>>) -> Option<BTreeSet<String>> {
    let mapped = transform.spec.map.keys().cloned();
    match &transform.spec.keep {
        Keep::All => comes.map(|all| all.into_iter().chain(mapped).collect()),
        Keep::Fields(kept) => Some(kept.iter().cloned().chain(mapped).collect()),
    }
}

fn unknown_fields(cx: &mut Cx<'_>, used: &Used, known: &BTreeSet<String>) {
    for (name, span) in &used.fields {
        unknown_name(cx, name, span, &used.path, known);
    }
}

fn unknown_name(cx: &mut Cx<'_>, name: &str, span: &Range<usize>, path: &str, known: &BTreeSet<String>) {
    if known.contains(name) {
        return;
    }
    let help = match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!(
            "`map` makes {}; what it does not name goes on only with `keep`",
            known.iter().cloned().collect::<Vec<_>>().join(", ")
        ),
    };
    let message = format!("records have no field `{name}` here");
    cx.add(Problem::new(codes::NO_FIELD, span.clone(), path, message).help(help));
}
