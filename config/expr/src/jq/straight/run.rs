//! Running a node on its input.

use std::borrow::Cow;

use jaq_core::ops::Cmp;
use serde_json::{Map, Value as Json};

use super::values::{calculate, compare, cut, put_in, size, truth, walk};
use super::{LeftToJq, Node, Output, Step, TextPart};
use crate::Vars;
use crate::jq::limits;
use crate::jq::num::Num;

const NULL: &Json = &Json::Null;

/// What `node` gives for `input`.
pub(super) fn run<'v>(node: &'v Node, input: &'v Json, vars: &'v Vars) -> Output<'v> {
    limits::step();
    Ok(Some(match node {
        Node::Input => Cow::Borrowed(input),
        Node::Literal(value) => Cow::Borrowed(value),
        Node::Variable(name) => Cow::Borrowed(vars.get(name).unwrap_or(NULL)),
        Node::Path(head, steps) => return path(head, steps, input, vars),
        Node::Pipe(left, right) => return pipe(left, right, input, vars),
        Node::Alternative(left, right) => match run(left, input, vars)? {
            Some(value) if truth(&value) => value,
            _ => return run(right, input, vars),
        },
        Node::And(left, right) => return both(left, right, true, input, vars),
        Node::Or(left, right) => return both(left, right, false, input, vars),
        Node::Compare(left, cmp, right) => {
            let (Some(left), Some(right)) = (run(left, input, vars)?, run(right, input, vars)?) else {
                return Ok(None);
            };
            Cow::Owned(Json::Bool(holds(*cmp, &left, &right)?))
        }
        Node::Calculate(left, math, right) => {
            let (Some(left), Some(right)) = (run(left, input, vars)?, run(right, input, vars)?) else {
                return Ok(None);
            };
            calculate(left, *math, right)?
        }
        Node::Negative(inner) => match run(inner, input, vars)?.as_deref() {
            Some(Json::Number(number)) => Cow::Owned(Num::from_json(number).neg().to_json()),
            Some(_) => return Err(LeftToJq),
            None => return Ok(None),
        },
        Node::If(branches, otherwise) => return choose(branches, otherwise.as_deref(), input, vars),
        Node::Text(parts) => return text(parts, input, vars),
        Node::List(items) => return list(items, input, vars),
        Node::Object(entries) => return object(entries, input, vars),
        Node::Map(f) => return map(f, input, vars),
        Node::Quantified(any, f) => return quantified(*any, f, input, vars),
        Node::Select(condition) => match run(condition, input, vars)? {
            Some(value) if truth(&value) => Cow::Borrowed(input),
            _ => return Ok(None),
        },
        Node::Empty => return Ok(None),
        Node::Jq => return Err(LeftToJq),
        Node::Call(function, arguments) => return function.call(input, arguments, vars),
    }))
}

fn path<'v>(head: &'v Node, steps: &'v [Step], input: &'v Json, vars: &'v Vars) -> Output<'v> {
    let Some(from) = run(head, input, vars)? else { return Ok(None) };
    let borrowed = match &from {
        Cow::Borrowed(from) => walk(from, steps).map(|found| found.map(Cow::Borrowed)),
        Cow::Owned(from) => walk(from, steps).map(|found| found.map(copy)),
    };
    match borrowed {
        Some(found) => found.map(Some),
        // a slice makes a value of its own
        None => cut(&from, steps).map(|found| Some(Cow::Owned(found))),
    }
}

fn copy<'v>(value: &Json) -> Cow<'v, Json> {
    limits::built(size(value));
    Cow::Owned(value.clone())
}

fn pipe<'v>(left: &'v Node, right: &'v Node, input: &'v Json, vars: &'v Vars) -> Output<'v> {
    match run(left, input, vars)? {
        None => Ok(None),
        Some(Cow::Borrowed(value)) => run(right, value, vars),
        Some(Cow::Owned(value)) => match run_briefly(right, &value, vars)? {
            // it gave its input back
            Passed::Input => Ok(Some(Cow::Owned(value))),
            Passed::Nothing => Ok(None),
            Passed::Value(value) => Ok(Some(Cow::Owned(value))),
        },
    }
}

enum Passed {
    Input,
    Nothing,
    Value(Json),
}

/// Runs a node on a value that does not live on.
fn run_briefly(node: &Node, input: &Json, vars: &Vars) -> Result<Passed, LeftToJq> {
    Ok(match run(node, input, vars)? {
        None => Passed::Nothing,
        Some(Cow::Borrowed(value)) if std::ptr::eq(value, input) => Passed::Input,
        Some(value) => Passed::Value(match value {
            Cow::Borrowed(value) => copy(value).into_owned(),
            Cow::Owned(value) => value,
        }),
    })
}

/// `and` goes on where the left is true, `or` where it is false.
fn both<'v>(left: &'v Node, right: &'v Node, goes_on: bool, input: &'v Json, vars: &'v Vars) -> Output<'v> {
    let Some(value) = run(left, input, vars)? else { return Ok(None) };
    if truth(&value) != goes_on {
        return Ok(Some(Cow::Owned(Json::Bool(!goes_on))));
    }
    Ok(run(right, input, vars)?.map(|value| Cow::Owned(Json::Bool(truth(&value)))))
}

fn holds(cmp: Cmp, left: &Json, right: &Json) -> Result<bool, LeftToJq> {
    let order = compare(left, right)?;
    Ok(match cmp {
        Cmp::Lt => order.is_lt(),
        Cmp::Le => order.is_le(),
        Cmp::Gt => order.is_gt(),
        Cmp::Ge => order.is_ge(),
        Cmp::Eq => order.is_eq(),
        Cmp::Ne => order.is_ne(),
    })
}

fn choose<'v>(
    branches: &'v [(Node, Node)],
    otherwise: Option<&'v Node>,
    input: &'v Json,
    vars: &'v Vars,
) -> Output<'v> {
    for (condition, then) in branches {
        let Some(value) = run(condition, input, vars)? else { return Ok(None) };
        if truth(&value) {
            return run(then, input, vars);
        }
    }
    otherwise.map_or(Ok(Some(Cow::Borrowed(input))), |otherwise| run(otherwise, input, vars))
}

fn text<'v>(parts: &'v [TextPart], input: &'v Json, vars: &'v Vars) -> Output<'v> {
    let mut out = String::new();
    for part in parts {
        match part {
            TextPart::Plain(more) => out.push_str(more),
            TextPart::Value(node) => match run(node, input, vars)? {
                Some(value) => put_in(&mut out, &value),
                None => return Ok(None),
            },
        }
    }
    limits::built(out.len());
    Ok(Some(Cow::Owned(Json::String(out))))
}

fn list<'v>(items: &'v [Node], input: &'v Json, vars: &'v Vars) -> Output<'v> {
    let mut out = Vec::with_capacity(items.len());
    for item in items {
        if let Some(value) = run(item, input, vars)? {
            limits::built(size(&value));
            out.push(value.into_owned());
        }
    }
    Ok(Some(Cow::Owned(Json::Array(out))))
}

fn object<'v>(entries: &'v [(Node, Node)], input: &'v Json, vars: &'v Vars) -> Output<'v> {
    let mut out = Map::with_capacity(entries.len());
    for (key, value) in entries {
        let (Some(key), Some(value)) = (run(key, input, vars)?, run(value, input, vars)?) else { return Ok(None) };
        let Json::String(key) = key.into_owned() else { return Err(LeftToJq) };
        limits::built(key.len() + size(&value));
        out.insert(key, value.into_owned());
    }
    Ok(Some(Cow::Owned(Json::Object(out))))
}

fn map<'v>(f: &'v Node, input: &'v Json, vars: &'v Vars) -> Output<'v> {
    let Json::Array(items) = input else { return Err(LeftToJq) };
    let mut out = Vec::with_capacity(items.len());
    for item in items {
        if let Some(value) = run(f, item, vars)? {
            limits::built(size(&value));
            out.push(value.into_owned());
        }
    }
    Ok(Some(Cow::Owned(Json::Array(out))))
}

fn quantified<'v>(any: bool, f: &'v Node, input: &'v Json, vars: &'v Vars) -> Output<'v> {
    let Json::Array(items) = input else { return Err(LeftToJq) };
    for item in items {
        if let Some(value) = run(f, item, vars)?
            && truth(&value) == any
        {
            return Ok(Some(Cow::Owned(Json::Bool(any))));
        }
    }
    Ok(Some(Cow::Owned(Json::Bool(!any))))
}

impl super::Function {
    /// What the function gives; its arguments are evaluated on its own input.
    fn call<'v>(&self, input: &'v Json, arguments: &'v [Node], vars: &'v Vars) -> Output<'v> {
        let mut given = arguments.iter().map(|argument| run(argument, input, vars));
        let result = match (given.next().transpose()?, given.next().transpose()?) {
            (None, _) => self.of(input, NULL, NULL),
            (Some(Some(first)), None) => self.of(input, &first, NULL),
            (Some(Some(first)), Some(Some(second))) => self.of(input, &first, &second),
            _ => return Ok(None),
        };
        result.map(|value| Some(value.map_or(Cow::Borrowed(input), Cow::Owned)))
    }
}
