//! Compiling an expression and running it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::{self, Write};

use jaq_core::load::lex::{Expect as Lexed, Lexer, Token};
use jaq_core::load::parse::{Expect as Parsed, Parser};
use jaq_core::load::{Arena, File, Loader, span};
use jaq_core::{Compiler, Ctx, Exn};
use serde_json::Value as Json;

use super::check::Names;
use super::data::{Closed, Env};
use super::limits::{self, MAX_NESTING, MAX_SOURCE, MAX_TOKENS, Stop};
use super::straight::Straight;
use super::val::Val;
use super::{check, functions, reads};
use crate::error::{MAX_MESSAGE, bounded, code};
use crate::{EvalError, ExprError, Fields, LimitKind, Scope, Subject, Vars};

/// A compiled expression.
pub(crate) struct Program {
    filter: jaq_core::Filter<Closed>,
    straight: Option<Straight>,
    /// The variables of the run that it uses, in the order in which jaq was told of them.
    names: BTreeSet<String>,
    fields: Fields,
    assigns: Option<usize>,
}

impl Program {
    pub(crate) fn compile(source: &str, scope: &Scope) -> Result<Self, ExprError> {
        too_long(source)?;
        // The parser and the compiler call themselves for each level of nesting.
        limits::on_a_larger_stack(|| compile(source, scope)).unwrap_or_else(|_| {
            Err(ExprError::new(code::TOO_COMPLEX, 0, source.len(), "the expression is too complex"))
        })
    }

    /// Up to `most` outputs on a record.
    pub(crate) fn run(
        &self,
        source: &str,
        subject: &Subject<'_>,
        vars: &Vars,
        most: usize,
    ) -> Result<Vec<Json>, EvalError> {
        if most == 0 {
            return Ok(Vec::new());
        }
        if let Some(found) = self.straight(subject, vars) {
            return Ok(found.map(Cow::into_owned).into_iter().collect());
        }
        self.interpret(source, subject, vars, most)
    }

    /// The one value on a record, or that there is none, where no interpreter is needed for it.
    pub(crate) fn straight<'v>(&'v self, subject: &Subject<'v>, vars: &'v Vars) -> Option<Option<Cow<'v, Json>>> {
        self.straight.as_ref()?.eval(subject.record(), vars)
    }

    /// Up to `most` outputs, by jq alone.
    pub(crate) fn interpret(
        &self,
        source: &str,
        subject: &Subject<'_>,
        vars: &Vars,
        most: usize,
    ) -> Result<Vec<Json>, EvalError> {
        let limit = |limit| EvalError::Limit { source_text: bounded(source.to_string()), limit };
        let failed = |message| EvalError::Failed { source_text: bounded(source.to_string()), message };
        match limits::within(|| self.outputs(subject, vars, most)) {
            Ok(done) => done.map_err(failed),
            Err(Stop::Limit(kind)) => Err(limit(kind)),
            Err(Stop::Stack) => Err(limit(LimitKind::Depth)),
            Err(Stop::Broken) => Err(failed("the interpreter broke on this record".to_string())),
        }
    }

    fn outputs(&self, subject: &Subject<'_>, vars: &Vars, most: usize) -> Result<Vec<Json>, String> {
        let values = self.names.iter().map(|name| vars.get(name).map_or(Val::Null, Val::from_json));
        let ctx = Ctx::<Closed>::new(Env(&self.filter.lut), jaq_core::Vars::new(values));
        let mut found = Vec::new();
        for output in self.filter.id.run((ctx, subject.val())).take(most) {
            let value = output.map_err(message)?;
            limits::built(value.size());
            found.push(value.to_json());
        }
        Ok(found)
    }

    pub(crate) fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    pub(crate) fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The byte of the `=` by which the expression as a whole changes its input.
    pub(crate) fn assigns(&self) -> Option<usize> {
        self.assigns
    }
}

/// Whether `text`, which has no `=`, is an expression all the same: it would compile, and says more than words do.
pub(crate) fn would_run(text: &str) -> bool {
    let runs = || {
        let Ok(tokens) = lex(text) else { return false };
        let Ok(term) = parse(text, &tokens) else { return false };
        check::beyond_words(&term) && Names::new(text, &Scope::default()).check(&term).is_ok()
    };
    // Without one of these signs it is only words.
    text.contains(['.', '[', '{', '(', '|'])
        && too_long(text).is_ok()
        && limits::on_a_larger_stack(runs).unwrap_or(false)
}

fn too_long(source: &str) -> Result<(), ExprError> {
    let refuse = |message: String| Err(ExprError::new(code::TOO_COMPLEX, 0, source.len(), message));
    if source.len() > MAX_SOURCE {
        return refuse(format!("the expression is longer than {MAX_SOURCE} bytes"));
    }
    let mut open = 0_usize;
    for byte in source.bytes() {
        match byte {
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        if open > MAX_NESTING {
            return refuse(format!("the expression nests more than {MAX_NESTING} brackets"));
        }
    }
    Ok(())
}

fn compile(source: &str, scope: &Scope) -> Result<Program, ExprError> {
    let tokens = lex(source)?;
    let term = parse(source, &tokens)?;
    let mut names = Names::new(source, scope);
    names.check(&term)?;
    let mut calls = BTreeSet::new();
    check::calls(&term, &mut calls);

    let arena = Arena::default();
    let unexpected = || ExprError::new(code::SYNTAX, 0, source.len(), "this is not an expression");
    let modules = Loader::new(functions::needed(calls))
        .load(&arena, File { code: source, path: () })
        .map_err(|_| unexpected())?;
    let variables: Vec<String> = names.used.iter().map(|name| format!("${name}")).collect();
    let filter = Compiler::default()
        .with_funs(functions::native())
        .with_global_vars(variables.iter().map(String::as_str))
        .compile(modules)
        .map_err(|errors| undefined(source, errors).unwrap_or_else(unexpected))?;
    let sign = tokens.iter().map(Token::as_str).find(|token| *token == "=");
    let assigns = sign.filter(|_| check::assigns(&term)).map(|sign| span(source, sign).start);
    Ok(Program { filter, straight: Straight::of(&term), names: names.used, fields: reads::fields(&term), assigns })
}

/// What is left after [`Names`]: labels.
fn undefined(source: &str, errors: jaq_core::compile::Errors<&str, ()>) -> Option<ExprError> {
    let (file, mut undefined) = errors.into_iter().next()?;
    let (name, kind) = undefined.pop()?;
    let place = if file.code == source { span(source, name) } else { 0..source.len() };
    Some(ExprError::new(code::FUNCTION, place.start, place.len(), format!("unknown {} `{name}`", kind.as_str())))
}

fn lex(source: &str) -> Result<Vec<Token<&str>>, ExprError> {
    let tokens = Lexer::new(source).lex().map_err(|errors| match errors.into_iter().next() {
        Some((expected, found)) => unreadable(source, &expected, found),
        None => ExprError::new(code::SYNTAX, 0, source.len(), "this is not an expression"),
    })?;
    if tokens.is_empty() {
        return Err(ExprError::new(code::EMPTY, 0, source.len(), "an expression is needed here")
            .help("`.` is the whole record, `.title` one of its fields"));
    }
    if count(&tokens) > MAX_TOKENS {
        let message = format!("the expression has more than {MAX_TOKENS} words and signs");
        return Err(ExprError::new(code::TOO_COMPLEX, 0, source.len(), message));
    }
    Ok(tokens)
}

fn count(tokens: &[Token<&str>]) -> usize {
    use jaq_core::load::lex::{StrPart, Tok};
    let inner = |Token(_, kind): &Token<&str>| match kind {
        Tok::Block(inner) => count(inner),
        Tok::Str(parts) => parts
            .iter()
            .map(|part| match part {
                StrPart::Term(Token(_, Tok::Block(inner))) => count(inner),
                _ => 1,
            })
            .sum(),
        _ => 0,
    };
    tokens.iter().map(|token| 1 + inner(token)).sum()
}

fn unreadable(source: &str, expected: &Lexed<&str>, found: &str) -> ExprError {
    let place = span(source, found);
    let len = found.chars().next().map_or(0, char::len_utf8);
    let shown = found.chars().next().map_or("the end".to_string(), |c| format!("`{c}`"));
    let error = |message: String| ExprError::new(code::SYNTAX, place.start, len, message);
    match expected {
        Lexed::Delim(open) => error(format!("`{open}` is not closed")),
        Lexed::Token if found.starts_with('\'') => {
            error("`'` begins no text in jq".to_string()).help("texts stand in double quotes: \"Lyon\"")
        }
        Lexed::Token if found.starts_with(['“', '”', '„', '‘', '’', '«', '»']) => {
            error(format!("{shown} begins no text in jq")).help("texts stand in straight double quotes: \"Lyon\"")
        }
        Lexed::Token if found.starts_with('&') => error(format!("{shown} means nothing in jq")).help("write `and`"),
        Lexed::Token => error(format!("{shown} means nothing here")),
        Lexed::Escape => error(format!("`\\` cannot stand before {shown}"))
            .help("after `\\` may stand \" \\ / b f n r t u and ( ; write `\\\\` for a backslash"),
        other => error(format!("expected {}, found {shown}", other.as_str())),
    }
}

fn parse<'s>(source: &'s str, tokens: &[Token<&'s str>]) -> Result<jaq_core::load::parse::Term<&'s str>, ExprError> {
    if let Some(Token(word @ ("import" | "include" | "module"), _)) = tokens.first()
        && let Some(instead) = functions::forbidden(word)
    {
        let place = span(source, word);
        let message = format!("`{word}` may not be used in an import");
        return Err(ExprError::new(code::FORBIDDEN, place.start, place.len(), message).help(instead));
    }
    Parser::new(tokens).parse(Parser::term).map_err(|errors| match errors.into_iter().next() {
        Some((expected, found)) => misplaced(source, &expected, found.map(Token::as_str)),
        None => ExprError::new(code::SYNTAX, 0, source.len(), "this is not an expression"),
    })
}

fn misplaced(source: &str, expected: &Parsed<&str>, found: Option<&str>) -> ExprError {
    let place = found.map_or(source.len()..source.len(), |found| span(source, found));
    let shown = found.map_or("the end".to_string(), |found| format!("`{}`", bounded(found.to_string())));
    let error = |message: String| ExprError::new(code::SYNTAX, place.start, place.len(), message);
    match (expected, found) {
        (Parsed::Nothing, Some("&&")) => error(format!("{shown} means nothing in jq")).help("write `and`"),
        (Parsed::Nothing, Some("||")) => error(format!("{shown} means nothing in jq")).help("write `or`"),
        (Parsed::Nothing, Some(":"))
            if source
                .get(..place.start)
                .is_some_and(|before| before.ends_with("http") || before.ends_with("https")) =>
        {
            error("a URL is no jq".to_string()).help("in jq a text stands in quotes: `=\"https://acme.test/\" + .path`")
        }
        (Parsed::Nothing, _) => {
            error(format!("{shown} does not belong here")).help("join two expressions with `|`, `,` or an operator")
        }
        (Parsed::ElseOrEnd, _) => error(format!("`if` needs `else` or `end`, found {shown}")),
        (Parsed::Just(word), _) => error(format!("expected `{word}`, found {shown}")),
        (other, _) => error(format!("expected {}, found {shown}", other.as_str())),
    }
}

/// The text of an error of jq; a value that was raised is printed as far as there is room.
fn message(error: Exn<'_, Val>) -> String {
    let Ok(error) = error.get_err() else { return "it left the expression".to_string() };
    let value = error.into_val();
    if let Some(text) = value.as_str() {
        return bounded(text.to_string());
    }
    let mut out = Short(String::new());
    // An error means only that the room is used up.
    let _full: fmt::Result = write!(out, "{value}");
    bounded(out.0)
}

/// Takes little more than [`MAX_MESSAGE`] bytes.
struct Short(String);

impl Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = (MAX_MESSAGE + 1).saturating_sub(self.0.len());
        let end = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= room + 3).last();
        self.0.push_str(text.get(..end.unwrap_or(0)).unwrap_or_default());
        if text.len() > room { Err(fmt::Error) } else { Ok(()) }
    }
}
