//! Reading the tree of an expression before it is compiled: what it calls, which variables it names, and whether it
//! could run for ever. jaq has no limit on recursion, so a definition that calls itself is refused: what is left
//! (`recurse`, `range`, `until`, ...) is counted step by step.

use std::collections::BTreeSet;

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::load::span;
use jaq_core::path::Part;

use super::{functions, regexes};
use crate::error::{ExprError, code};
use crate::{Scope, suggest};

type Tree<'s> = Term<&'s str>;

/// Calls `visit` on each direct part of `term`.
pub(crate) fn parts<'t, 's>(term: &'t Tree<'s>, visit: &mut dyn FnMut(&'t Tree<'s>)) {
    match term {
        Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) | Term::Arr(None) => {}
        Term::Str(_, strings) => strings.iter().for_each(|part| {
            if let StrPart::Term(term) = part {
                visit(term);
            }
        }),
        Term::Arr(Some(inner)) | Term::Neg(inner) | Term::Label(_, inner) => visit(inner),
        Term::Obj(entries) => entries.iter().for_each(|(key, value)| {
            visit(key);
            value.iter().for_each(&mut *visit);
        }),
        Term::BinOp(left, op, right) => {
            visit(left);
            if let BinaryOp::Pipe(Some(pattern)) = op {
                pattern_parts(pattern, visit);
            }
            visit(right);
        }
        Term::Fold(_, source, pattern, arguments) => {
            visit(source);
            pattern_parts(pattern, visit);
            arguments.iter().for_each(visit);
        }
        Term::TryCatch(tried, caught) => {
            visit(tried);
            caught.iter().for_each(|caught| visit(caught));
        }
        Term::IfThenElse(branches, otherwise) => {
            branches.iter().for_each(|(condition, then)| {
                visit(condition);
                visit(then);
            });
            otherwise.iter().for_each(|otherwise| visit(otherwise));
        }
        Term::Def(defs, inner) => {
            defs.iter().for_each(|def| visit(&def.body));
            visit(inner);
        }
        Term::Call(_, arguments) => arguments.iter().for_each(visit),
        Term::Path(head, path) => {
            visit(head);
            for (part, _) in &path.0 {
                match part {
                    Part::Index(index) => visit(index),
                    Part::Range(from, to) => from.iter().chain(to).for_each(&mut *visit),
                }
            }
        }
    }
}

fn pattern_parts<'t, 's>(pattern: &'t Pattern<&'s str>, visit: &mut dyn FnMut(&'t Tree<'s>)) {
    match pattern {
        Pattern::Var(_) => {}
        Pattern::Arr(items) => items.iter().for_each(|item| pattern_parts(item, visit)),
        Pattern::Obj(entries) => entries.iter().for_each(|(key, inner)| {
            visit(key);
            pattern_parts(inner, visit);
        }),
    }
}

fn pattern_variables<'s>(pattern: &Pattern<&'s str>, found: &mut Vec<&'s str>) {
    match pattern {
        Pattern::Var(name) => found.push(name),
        Pattern::Arr(items) => items.iter().for_each(|item| pattern_variables(item, found)),
        Pattern::Obj(entries) => entries.iter().for_each(|(_, inner)| pattern_variables(inner, found)),
    }
}

/// The names that `term` calls, formats among them.
pub(crate) fn calls<'s>(term: &Tree<'s>, found: &mut BTreeSet<&'s str>) {
    match term {
        Term::Call(name, _) => {
            found.insert(name);
        }
        Term::Str(Some(format), _) => {
            found.insert(format);
        }
        _ => {}
    }
    parts(term, &mut |part| calls(part, found));
}

/// Checks the names of an expression.
pub(crate) struct Names<'s> {
    source: &'s str,
    scope: &'s Scope,
    /// Definitions and their arguments that are in reach, the nearest last; `open` while inside its own body.
    local: Vec<Local<'s>>,
    variables: Vec<&'s str>,
    /// How many `try` are around: what fails there is meant to.
    tried: usize,
    /// The variables of the run that are used, without `$`.
    pub(crate) used: BTreeSet<String>,
}

struct Local<'s> {
    name: &'s str,
    arguments: usize,
    open: bool,
}

impl<'s> Names<'s> {
    pub(crate) fn new(source: &'s str, scope: &'s Scope) -> Self {
        Names { source, scope, local: Vec::new(), variables: Vec::new(), tried: 0, used: BTreeSet::new() }
    }

    /// Checks `term`, and stops at the first mistake.
    pub(crate) fn check(&mut self, term: &Tree<'s>) -> Result<(), ExprError> {
        match term {
            Term::Var(name) => self.variable(name),
            Term::Call(name, arguments) => {
                self.call(name, arguments.len())?;
                self.regex(name, arguments)?;
                arguments.iter().try_for_each(|argument| self.check(argument))
            }
            Term::Str(Some(format), _) => {
                self.call(format, 0)?;
                self.check_parts(term)
            }
            Term::TryCatch(tried, caught) => {
                self.tried += 1;
                self.check(tried)?;
                self.tried -= 1;
                caught.iter().try_for_each(|caught| self.check(caught))
            }
            Term::Def(defs, inner) => self.definitions(defs, inner),
            Term::BinOp(left, BinaryOp::Pipe(Some(pattern)), right) => {
                self.check(left)?;
                self.bound(pattern, &[right])
            }
            Term::Fold(name, source, pattern, arguments) => {
                let expected = if *name == "reduce" { 2..=2 } else { 2..=3 };
                if !expected.contains(&arguments.len()) {
                    let message = format!("`{name}` takes (start; step), not {} parts", arguments.len());
                    return Err(self.error(code::SYNTAX, name, message));
                }
                self.check(source)?;
                let (init, rest) = arguments.split_at(1);
                init.iter().try_for_each(|init| self.check(init))?;
                self.bound(pattern, &rest.iter().collect::<Vec<_>>())
            }
            _ => self.check_parts(term),
        }
    }

    /// A regular expression that is written out is tried now: on a record it would fail every time.
    fn regex(&self, name: &str, arguments: &[Tree<'s>]) -> Result<(), ExprError> {
        let flags = match (name, arguments.len()) {
            ("test" | "match" | "capture" | "scan" | "splits", 1) | ("sub" | "gsub", 2) => None,
            ("test" | "match" | "capture" | "scan" | "splits" | "split", 2) => arguments.get(1),
            ("sub" | "gsub", 3) => arguments.get(2),
            _ => return Ok(()),
        };
        if self.tried > 0 || self.local.iter().any(|local| local.name == name) {
            return Ok(());
        }
        let flags = flags.map_or_else(|| Some(String::new()), literal);
        let (Some(pattern), Some(flags)) = (arguments.first().and_then(literal), flags) else { return Ok(()) };
        let Some(reason) = regexes::refusal(&pattern, &flags) else { return Ok(()) };
        let place = match arguments.first() {
            Some(Term::Str(_, parts)) => match parts.as_slice() {
                [StrPart::Str(text)] => span(self.source, text),
                _ => span(self.source, name),
            },
            _ => return Ok(()),
        };
        Err(ExprError::new(code::SYNTAX, place.start, place.len(), reason))
    }

    fn check_parts(&mut self, term: &Tree<'s>) -> Result<(), ExprError> {
        let mut result = Ok(());
        parts(term, &mut |part| {
            if result.is_ok() {
                result = self.check(part);
            }
        });
        result
    }

    /// Checks `terms` where the variables of `pattern` are bound.
    fn bound(&mut self, pattern: &Pattern<&'s str>, terms: &[&Tree<'s>]) -> Result<(), ExprError> {
        let before = self.variables.len();
        let mut result = Ok(());
        pattern_parts(pattern, &mut |part| {
            if result.is_ok() {
                result = self.check(part);
            }
        });
        result?;
        pattern_variables(pattern, &mut self.variables);
        terms.iter().try_for_each(|term| self.check(term))?;
        self.variables.truncate(before);
        Ok(())
    }

    fn definitions(&mut self, defs: &[Def<&'s str>], inner: &Tree<'s>) -> Result<(), ExprError> {
        let before = self.local.len();
        for def in defs {
            let (local, variables) = (self.local.len(), self.variables.len());
            self.local.push(Local { name: def.name, arguments: def.args.len(), open: true });
            for argument in &def.args {
                if argument.starts_with('$') {
                    self.variables.push(argument);
                }
                let name = argument.trim_start_matches('$');
                self.local.push(Local { name, arguments: 0, open: false });
            }
            self.check(&def.body)?;
            self.variables.truncate(variables);
            self.local.truncate(local);
            self.local.push(Local { name: def.name, arguments: def.args.len(), open: false });
        }
        self.check(inner)?;
        self.local.truncate(before);
        Ok(())
    }

    fn call(&self, name: &'s str, arguments: usize) -> Result<(), ExprError> {
        let local = self.local.iter().rev().find(|local| local.name == name && local.arguments == arguments);
        match local {
            Some(local) if local.open => Err(self
                .error(code::TOO_COMPLEX, name, format!("`{name}` calls itself"))
                .help("a definition may not call itself: use `recurse`, `walk`, `until`, `range` or `reduce`")),
            Some(_) => Ok(()),
            None if functions::exists(name, arguments) => Ok(()),
            None => Err(self.unknown_function(name, arguments)),
        }
    }

    fn unknown_function(&self, name: &'s str, arguments: usize) -> ExprError {
        if let Some(instead) = functions::forbidden(name) {
            return self.error(code::FORBIDDEN, name, format!("`{name}` may not be used in an import")).help(instead);
        }
        let takes: Vec<String> = functions::functions()
            .filter(|(known, _)| *known == name)
            .map(|(_, arguments)| arguments.to_string())
            .collect();
        if !takes.is_empty() {
            let message = format!("`{name}` takes {} arguments, not {arguments}", takes.join(" or "));
            return self
                .error(code::FUNCTION, name, message)
                .help("arguments are separated by `;`, as in `sub(\"a\"; \"b\")`");
        }
        let error = self.error(code::FUNCTION, name, format!("unknown function `{name}`"));
        let local = self.local.iter().map(|local| local.name);
        match suggest::nearest(name, functions::functions().map(|(known, _)| known).chain(local)) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help(format!("write `.{name}` for the field, `\"{name}\"` for the text")),
        }
    }

    fn variable(&mut self, name: &'s str) -> Result<(), ExprError> {
        if self.variables.contains(&name) {
            return Ok(());
        }
        let bare = name.trim_start_matches('$');
        if self.scope.has(bare) {
            self.used.insert(bare.to_string());
            return Ok(());
        }
        if bare == "ENV" || bare == "__prog_args" {
            return Err(self
                .error(code::FORBIDDEN, name, format!("`{name}` may not be used in an import"))
                .help("settings are named in capitals, where they may stand: `$NAME`"));
        }
        let known = self.scope.names().chain(self.variables.iter().map(|name| name.trim_start_matches('$')));
        let error = self.error(code::VARIABLE, name, format!("unknown variable `{name}`"));
        Err(match suggest::nearest(bare, known) {
            Some(near) => error.help(format!("did you mean `${near}`? The field of the record is `.{bare}`")),
            None => error.help(format!("inside an expression the field of the record is `.{bare}`")),
        })
    }

    fn error(&self, code: &'static str, part: &str, message: String) -> ExprError {
        let place = span(self.source, part);
        ExprError::new(code, place.start, place.len(), message)
    }
}

/// Whether a term says something that prose does not: it reaches into the record, builds a map or calls a function with
/// arguments. Words, numbers, the signs between them and names with dots (`9-17`, `IT and Ops`, `keys.json`) are prose.
pub(crate) fn beyond_words(term: &Tree<'_>) -> bool {
    let mut found = match term {
        Term::Path(head, _) => !matches!(head.as_ref(), Term::Call(_, arguments) if arguments.is_empty()),
        Term::IfThenElse(..) | Term::Fold(..) | Term::Def(..) | Term::TryCatch(..) => true,
        Term::Arr(None) | Term::Obj(_) | Term::BinOp(_, BinaryOp::Pipe(_), _) => true,
        Term::Call(_, arguments) => !arguments.is_empty(),
        Term::Str(format, parts) => format.is_some() || parts.iter().any(|part| matches!(part, StrPart::Term(_))),
        _ => false,
    };
    parts(term, &mut |part| found |= beyond_words(part));
    found
}

/// Whether the term as a whole gives its input with something changed by `=`.
pub(super) fn assigns(term: &Term<&str>) -> bool {
    match term {
        Term::BinOp(_, BinaryOp::Assign, _) => true,
        Term::BinOp(_, BinaryOp::Pipe(_), last) => assigns(last),
        _ => false,
    }
}

/// A text in which nothing is put in.
fn literal(term: &Tree<'_>) -> Option<String> {
    let Term::Str(None, parts) = term else { return None };
    let part = |part: &StrPart<&str, Tree<'_>>| match part {
        StrPart::Str(text) => Some((*text).to_string()),
        StrPart::Char(c) => Some(c.to_string()),
        StrPart::Term(_) => None,
    };
    parts.iter().map(part).collect()
}
