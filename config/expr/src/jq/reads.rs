//! Which fields of the record an expression reads.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Term};
use jaq_core::path::Part;

use crate::Fields;

/// Functions through which the record passes as it is.
const PASSING: [&str; 3] = ["select", "values", "objects"];

/// The fields that `term` reads when its input is the record. More may be named than are read, never fewer: what
/// cannot be told counts as the whole record.
pub(crate) fn fields(term: &Term<&str>) -> Fields {
    let mut fields = Fields::default();
    let passes = read(term, &mut fields);
    fields.whole |= passes;
    fields
}

/// Notes what `term` reads of its input, the record; returns whether it gives the record itself.
fn read(term: &Term<&str>, fields: &mut Fields) -> bool {
    match term {
        Term::Id => true,
        Term::Num(_) | Term::Var(_) | Term::Break(_) | Term::Arr(None) => false,
        Term::Str(_, parts) => {
            for part in parts {
                if let StrPart::Term(term) = part {
                    fields.whole |= read(term, fields);
                }
            }
            false
        }
        Term::Path(head, path) => {
            read_path(head, &path.0, fields);
            false
        }
        Term::BinOp(left, op, right) => binary(left, op, right, fields),
        Term::IfThenElse(branches, otherwise) => {
            let mut passes = otherwise.as_ref().is_none_or(|otherwise| read(otherwise, fields));
            for (condition, then) in branches {
                used(condition, fields);
                passes |= read(then, fields);
            }
            passes
        }
        // What is caught is an error, not the record.
        Term::TryCatch(tried, _) => read(tried, fields),
        Term::Arr(Some(inner)) | Term::Neg(inner) => {
            used(inner, fields);
            false
        }
        Term::Label(_, inner) => read(inner, fields),
        Term::Obj(entries) => {
            for (key, value) in entries {
                match (value, text(key)) {
                    (Some(value), _) => {
                        used(key, fields);
                        used(value, fields);
                    }
                    (None, Some(name)) => {
                        fields.names.insert(name.to_string());
                    }
                    (None, None) => fields.whole |= !matches!(key, Term::Var(_)),
                }
            }
            false
        }
        Term::Call(name, arguments) if PASSING.contains(name) => {
            arguments.iter().for_each(|argument| used(argument, fields));
            true
        }
        Term::Call("empty" | "null" | "true" | "false" | "nan" | "infinite", _) => false,
        Term::Call("error", arguments) if !arguments.is_empty() => {
            arguments.iter().for_each(|argument| used(argument, fields));
            false
        }
        Term::Call("has", arguments) => {
            for argument in arguments {
                match text(argument) {
                    Some(name) => {
                        fields.names.insert(name.to_string());
                    }
                    None => fields.whole = true,
                }
            }
            false
        }
        Term::Recurse | Term::Call(..) | Term::Fold(..) | Term::Def(..) => {
            fields.whole = true;
            false
        }
    }
}

/// Notes what `term` reads, and that what it gives is used.
fn used(term: &Term<&str>, fields: &mut Fields) {
    fields.whole |= read(term, fields);
}

fn binary(left: &Term<&str>, op: &BinaryOp<&str>, right: &Term<&str>, fields: &mut Fields) -> bool {
    match op {
        // What the right side reads is of the record only when the left side gives the record.
        BinaryOp::Pipe(None) => read(left, fields) && read(right, fields),
        BinaryOp::Pipe(Some(_)) => {
            used(left, fields);
            read(right, fields)
        }
        BinaryOp::Comma | BinaryOp::Alt => read(left, fields) | read(right, fields),
        BinaryOp::Or | BinaryOp::And | BinaryOp::Math(_) | BinaryOp::Cmp(_) => {
            used(left, fields);
            used(right, fields);
            false
        }
        // The record with a change in it.
        BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateMath(_) | BinaryOp::UpdateAlt => {
            fields.whole = true;
            false
        }
    }
}

fn read_path(head: &Term<&str>, path: &[(Part<Term<&str>>, jaq_core::path::Opt)], fields: &mut Fields) {
    let of_record = read(head, fields);
    for (at, (part, _)) in path.iter().enumerate() {
        match part {
            Part::Index(index) if at == 0 && of_record => match text(index) {
                Some(name) => {
                    fields.names.insert(name.to_string());
                }
                None => fields.whole = true,
            },
            Part::Index(index) => used(index, fields),
            Part::Range(from, to) => {
                fields.whole |= at == 0 && of_record;
                from.iter().chain(to).for_each(|bound| used(bound, fields));
            }
        }
    }
}

/// The text of a term that is one plain string.
pub(crate) fn text<'s>(term: &Term<&'s str>) -> Option<&'s str> {
    match term {
        Term::Str(None, parts) => match parts.as_slice() {
            [StrPart::Str(text)] => Some(text),
            _ => None,
        },
        _ => None,
    }
}
