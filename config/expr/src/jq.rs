//! jq, by jaq.

use std::collections::BTreeSet;

use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, data::JustLut};
use serde_json::Value as Json;

use crate::error::{bounded, code};
use crate::{EvalError, ExprError, Fields, Scope, Subject, Vars};

pub(crate) type Val = jaq_json::Val;

/// What one evaluation may spend.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Steps of the interpreter.
    pub steps: u64,
}

pub(crate) struct Program {
    filter: jaq_core::Filter<JustLut<Val>>,
    names: BTreeSet<String>,
    fields: Fields,
}

impl Program {
    pub(crate) fn compile(source: &str, scope: &Scope) -> Result<Self, ExprError> {
        let fail = |message: &str| ExprError::new(code::SYNTAX, 0, source.len(), message);
        let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
        let skip = [
            "halt",
            "halt_error",
            "debug",
            "stderr",
            "test",
            "match",
            "capture",
            "scan",
            "split",
            "splits",
            "sub",
            "gsub",
            "scan_",
        ];
        let defs = defs.filter(|d| {
            !skip.contains(&d.name)
                && !d.name.starts_with('@')
                && !["logb", "significand", "pow10", "drem", "nexttoward", "scalb", "gamma", "todate", "fromdate"]
                    .contains(&d.name)
        });
        let funs = jaq_core::funs().chain(jaq_std::base_funs()).chain(jaq_json::funs());
        let arena = Arena::default();
        let modules =
            Loader::new(defs).load(&arena, File { code: source, path: () }).map_err(|_| fail("this is not jq"))?;
        let vars: Vec<String> = scope.names().map(|n| format!("${n}")).collect();
        let filter = Compiler::default()
            .with_funs(funs)
            .with_global_vars(vars.iter().map(String::as_str))
            .compile(modules)
            .map_err(|e| fail(&format!("unknown name: {:?}", e.iter().map(|e| &e.1).collect::<Vec<_>>())))?;
        Ok(Program { filter, names: scope.names().map(ToString::to_string).collect(), fields: Fields::default() })
    }

    pub(crate) fn run(
        &self,
        source: &str,
        subject: &Subject<'_>,
        vars: &Vars,
        most: usize,
    ) -> Result<Vec<Json>, EvalError> {
        let values = self.names.iter().map(|n| vars.get(n).map_or(Val::Null, from_json));
        let ctx = Ctx::<JustLut<Val>>::new(&self.filter.lut, jaq_core::Vars::new(values));
        let fail = |message: String| EvalError::Failed { source_text: source.to_string(), message: bounded(message) };
        self.filter
            .id
            .run((ctx, subject.val()))
            .take(most)
            .map(|v| match v {
                Ok(v) => serde_json::from_str(&v.to_string()).map_err(|e| fail(e.to_string())),
                Err(e) => Err(fail(e.get_err().map_or_else(|_| "stopped".into(), |e| e.to_string()))),
            })
            .collect()
    }

    pub(crate) fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    pub(crate) fn fields(&self) -> &Fields {
        &self.fields
    }
}

pub(crate) fn from_json(json: &Json) -> Val {
    jaq_json::read::parse_single(json.to_string().as_bytes()).unwrap_or_default()
}
