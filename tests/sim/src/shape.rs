//! The imports of the simulation: a random DAG, and the definitions it goes through.

use crate::chance::Chance;
use crate::monitor::IMPORT;
use jobpipe_core::{Budget, Feed, GonePolicy, Pace, Plan, RetryPolicy, StageKind, StagePlan};
use serde_json::{Value as Json, json};

/// How the DAG hangs together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// a -> keyed
    Chain,
    /// a -> pass -> keyed
    Long,
    /// a, b -> keyed
    Fork,
    /// a -> keyed; b -> keyed; exports from both
    Ranked,
    /// a (flat) -> lookup -> keyed
    Lookup,
}

/// One import, over all its definitions.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    /// The DAG.
    pub form: Form,
    /// How source a is asked: `details`, `flat`, `since`.
    pub ask: &'static str,
    /// Transforms wait in a queue of their own: barriers of stored batches.
    pub stored: bool,
    /// What happens to what is not listed.
    pub gone: Option<GonePolicy>,
    /// Requests in a task.
    pub bundle: u32,
    /// How fast a page takes effects.
    pub pace: Option<Pace>,
    /// There are exports to files.
    pub files: bool,
    /// The definition names its pages; else they are those that are there when a run starts.
    pub named: bool,
    /// What may change between runs.
    pub now: Definition,
}

/// What may change between runs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Definition {
    /// Text before every title.
    pub template: String,
    /// The pages of the first export; the second one has the first page only.
    pub targets: Vec<String>,
    /// The second export takes only `x`.
    pub second: bool,
    /// The first export takes only `x`.
    pub narrow: bool,
}

impl Shape {
    pub(crate) fn new(chance: &Chance) -> Self {
        let form = *chance.one(&[Form::Chain, Form::Chain, Form::Long, Form::Fork, Form::Ranked, Form::Lookup]);
        let ask = *chance.one(&["details", "details", "flat", "since"]);
        let ask = if form == Form::Lookup || (form != Form::Chain && ask == "since") { "flat" } else { ask };
        let after = *chance.one(&[1, 1, 2]);
        let gone =
            (ask != "since" && chance.hit(0.9)).then_some(GonePolicy { after, limit: *chance.one(&[1.0, 1.0, 0.4]) });
        let pages = chance.between(1, 3);
        let pace = Pace { count: 1, every_ms: *chance.one(&[20, 100, 400]), per_day: None };
        Self {
            form,
            ask,
            stored: chance.hit(0.4),
            gone,
            bundle: *chance.one(&[1, 2, 4]),
            pace: chance.hit(0.6).then_some(pace),
            files: chance.hit(0.5),
            named: true,
            now: Definition {
                template: "v1".to_owned(),
                targets: (0..pages).map(|n| format!("p{n}")).collect(),
                second: chance.hit(0.4),
                narrow: false,
            },
        }
    }

    /// The definition changes; with `flips`, from one template to another and back.
    pub(crate) fn redefine(&mut self, chance: &Chance, flips: bool) {
        if flips {
            self.now.template = if self.now.template == "v1" { "v0" } else { "v1" }.to_owned();
            return;
        }
        // pages that nobody names come and go by themselves
        match if self.named { chance.index(4) } else { 3 } {
            0 | 1 => self.now.template = (*chance.one(&["v0", "v1", "v2"])).to_owned(),
            2 => self.now.narrow = !self.now.narrow,
            _ if self.now.targets.len() > 1 && chance.hit(0.5) => {
                self.now.targets.pop();
            }
            _ => {
                let new = format!("p{}", self.now.targets.len());
                self.now.targets.push(new);
            }
        }
    }

    /// Which sources feed which stages that exports are from.
    pub(crate) fn exported(&self) -> (Vec<&'static str>, [bool; 2]) {
        match self.form {
            Form::Fork => (vec!["keyed"], [true, true]),
            Form::Ranked => (vec!["keyed", "other"], [true, true]),
            _ => (vec!["keyed"], [true, false]),
        }
    }

    /// The ledger of the exports.
    pub(crate) fn ledger(&self) -> String {
        format!("{IMPORT}/{}", self.exported().0.join("+"))
    }

    /// The plan, with the definition as it is now.
    pub(crate) fn plan(&self) -> Plan {
        let queue = if self.stored { "transform" } else { "crawl" };
        let mut stages = vec![self.stage("a", &[], StageKind::Crawl, self.ask, "crawl", json!({ "source": "a" }))];
        let keyed = |name, from: &[&str]| self.stage(name, from, StageKind::Transform, "keyed", queue, json!({}));
        let b = || self.stage("b", &[], StageKind::Crawl, "flat", "crawl", json!({ "source": "b" }));
        match self.form {
            Form::Chain => stages.push(keyed("keyed", &["a"])),
            Form::Long => {
                stages.push(self.stage("pass", &["a"], StageKind::Transform, "pass", "crawl", json!({})));
                stages.push(keyed("keyed", &["pass"]));
            }
            Form::Fork => {
                stages.push(b());
                stages.push(keyed("keyed", &["a", "b"]));
            }
            Form::Ranked => {
                stages.extend([keyed("keyed", &["a"]), b(), keyed("other", &["b"])]);
            }
            Form::Lookup => {
                let lookup = self.stage("look", &["a"], StageKind::Crawl, "lookup", "crawl", json!({ "source": "a" }));
                stages.extend([lookup, keyed("keyed", &["look"])]);
            }
        }
        for stage in stages.iter_mut().filter(|stage| matches!(stage.name.as_str(), "keyed" | "other")) {
            stage.gone = self.gone;
        }
        stages.extend(self.exports());
        Plan { name: IMPORT.to_owned(), stages, schedule: None }
    }

    /// The pages of an export as it is now.
    pub(crate) fn pages(&self, export: &str) -> &[String] {
        if export == "second" { &self.now.targets[..1] } else { &self.now.targets }
    }

    fn exports(&self) -> Vec<StagePlan> {
        let named = |pages: &[String]| if self.named { json!(pages) } else { Json::Null };
        let (from, _) = self.exported();
        let export = |name, feed, body| StagePlan {
            feed,
            pace: self.pace.filter(|_| feed == Feed::Heads),
            ..self.stage(name, &from, StageKind::Export, "sim", "export", body)
        };
        let now = &self.now;
        let only = if now.narrow { json!("x") } else { Json::Null };
        let body = json!({ "targets": named(self.pages("first")), "template": now.template, "only": only });
        let mut exports = vec![export("first", Feed::Heads, body)];
        if now.second {
            let body = json!({ "targets": named(self.pages("second")), "template": format!("{}!", now.template), "only": "x" });
            exports.push(export("second", Feed::Heads, body));
        }
        if self.files {
            exports.push(export("run", Feed::Run, json!({})));
            exports.push(export("snapshot", Feed::Snapshot, json!({})));
            exports.push(export("changes", Feed::Changes, json!({})));
        }
        exports
    }

    fn stage(&self, name: &str, from: &[&str], kind: StageKind, connector: &str, queue: &str, body: Json) -> StagePlan {
        StagePlan {
            name: name.to_owned(),
            from: from.iter().map(|&from| from.to_owned()).collect(),
            kind,
            connector: connector.to_owned(),
            feed: Feed::Batches,
            queue: queue.to_owned(),
            retry: RetryPolicy { times: 2, base_ms: 50, max_ms: 400 },
            concurrency: None,
            task: None,
            bundle: self.bundle,
            gone: None,
            pace: None,
            max: Budget::default(),
            body,
        }
    }
}
