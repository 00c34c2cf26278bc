//! From jq's terms to ours.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Term};
use jaq_core::path::{Opt, Part, Path};
use serde_json::Value as Json;

use super::functions::function;
use super::{Node, Step, TextPart};
use crate::jq::num::Num;

/// The node of a term; `None` for one that only jq runs.
pub(super) fn node(term: &Term<&str>) -> Option<Node> {
    Some(match term {
        Term::Id => Node::Input,
        Term::Num(text) => Node::Literal(Num::parse(text)?.to_json()),
        Term::Str(None, parts) => text(parts)?,
        Term::Arr(None) => Node::List(Vec::new()),
        Term::Arr(Some(inner)) => Node::List(items(inner)?),
        Term::Obj(entries) => Node::Object(entries.iter().map(entry).collect::<Option<_>>()?),
        Term::Neg(inner) => Node::Negative(boxed(inner)?),
        Term::BinOp(left, op, right) => binary(left, op, right)?,
        Term::IfThenElse(branches, otherwise) => {
            let branch = |(condition, then): &(Term<&str>, Term<&str>)| Some((node(condition)?, node(then)?));
            let branches = branches.iter().map(branch).collect::<Option<_>>()?;
            let otherwise = match otherwise {
                Some(otherwise) => Some(boxed(otherwise)?),
                None => None,
            };
            Node::If(branches, otherwise)
        }
        Term::Call(name, arguments) => call(name, arguments)?,
        Term::Var(name) => Node::Variable(name.strip_prefix('$')?.to_string()),
        Term::Path(head, Path(parts)) => Node::Path(boxed(head)?, parts.iter().map(step).collect::<Option<_>>()?),
        _ => return None,
    })
}

fn boxed(term: &Term<&str>) -> Option<Box<Node>> {
    node(term).map(Box::new)
}

fn binary(left: &Term<&str>, op: &BinaryOp<&str>, right: &Term<&str>) -> Option<Node> {
    let (left, right) = (boxed(left)?, boxed(right)?);
    Some(match op {
        BinaryOp::Pipe(None) => Node::Pipe(left, right),
        BinaryOp::Alt => Node::Alternative(left, right),
        BinaryOp::And => Node::And(left, right),
        BinaryOp::Or => Node::Or(left, right),
        BinaryOp::Cmp(cmp) => Node::Compare(left, *cmp, right),
        BinaryOp::Math(math) => Node::Calculate(left, *math, right),
        _ => return None,
    })
}

/// What stands in `[ ]`: terms that give a value each.
fn items(term: &Term<&str>) -> Option<Vec<Node>> {
    match term {
        Term::BinOp(left, BinaryOp::Comma, right) => {
            let mut all = items(left)?;
            all.extend(items(right)?);
            Some(all)
        }
        other => Some(vec![node(other)?]),
    }
}

/// `a`, `"a"`, `a: term`, `(term): term`; not `$a`.
fn entry((key, value): &(Term<&str>, Option<Term<&str>>)) -> Option<(Node, Node)> {
    match value {
        Some(value) => Some((node(key)?, node(value)?)),
        None => match node(key)? {
            Node::Literal(Json::String(name)) => {
                let field = Node::Path(Box::new(Node::Input), vec![Step::Key(name.clone())]);
                Some((Node::Literal(Json::String(name)), field))
            }
            _ => None,
        },
    }
}

fn text(parts: &[StrPart<&str, Term<&str>>]) -> Option<Node> {
    let mut out: Vec<TextPart> = Vec::new();
    let plain = |out: &mut Vec<TextPart>, more: &str| match out.last_mut() {
        Some(TextPart::Plain(before)) => before.push_str(more),
        _ => out.push(TextPart::Plain(more.to_string())),
    };
    for part in parts {
        match part {
            StrPart::Str(more) => plain(&mut out, more),
            StrPart::Char(c) => plain(&mut out, c.encode_utf8(&mut [0; 4])),
            StrPart::Term(term) => out.push(TextPart::Value(node(term)?)),
        }
    }
    Some(match out.as_slice() {
        [] => Node::Literal(Json::String(String::new())),
        [TextPart::Plain(text)] => Node::Literal(Json::String(text.clone())),
        _ => Node::Text(out),
    })
}

fn step((part, opt): &(Part<Term<&str>>, Opt)) -> Option<Step> {
    if matches!(opt, Opt::Optional) {
        return None;
    }
    match part {
        Part::Index(index) => match node(index)? {
            Node::Literal(Json::String(key)) => Some(Step::Key(key)),
            _ => whole(index).map(Step::Index),
        },
        Part::Range(None, None) => None,
        Part::Range(from, to) => Some(Step::Slice(bound(from.as_ref())?, bound(to.as_ref())?)),
    }
}

/// A bound of a slice: none, or a whole number written out.
fn bound(term: Option<&Term<&str>>) -> Option<Option<i64>> {
    match term {
        Some(term) => whole(term).map(Some),
        None => Some(None),
    }
}

/// A whole number written out.
fn whole(term: &Term<&str>) -> Option<i64> {
    match term {
        Term::Num(text) => text.parse().ok(),
        Term::Neg(inner) => whole(inner).and_then(i64::checked_neg),
        _ => None,
    }
}

fn call(name: &str, arguments: &[Term<&str>]) -> Option<Node> {
    Some(match (name, arguments) {
        ("null", []) => Node::Literal(Json::Null),
        ("true", []) => Node::Literal(Json::Bool(true)),
        ("false", []) => Node::Literal(Json::Bool(false)),
        ("empty", []) => Node::Empty,
        ("error", [] | [_]) => Node::Jq,
        ("first", []) => Node::Path(Box::new(Node::Input), vec![Step::Index(0)]),
        ("last", []) => Node::Path(Box::new(Node::Input), vec![Step::Index(-1)]),
        ("select", [condition]) => Node::Select(boxed(condition)?),
        ("map", [f]) => Node::Map(boxed(f)?),
        ("any", []) => Node::Quantified(true, Box::new(Node::Input)),
        ("all", []) => Node::Quantified(false, Box::new(Node::Input)),
        ("any", [f]) => Node::Quantified(true, boxed(f)?),
        ("all", [f]) => Node::Quantified(false, boxed(f)?),
        _ => {
            let arguments = arguments.iter().map(node).collect::<Option<Vec<_>>>()?;
            Node::Call(function(name, arguments.len())?, arguments)
        }
    })
}
