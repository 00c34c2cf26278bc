//! The values of the import language: one expression language (jq), one sigil (`$`), no quotes needed.
//!
//! [`classify`] tells what a string is by its look; [`Value::compile`] compiles it with the rules of the place where it
//! stands; [`Value::eval`] computes it on a [`Subject`] (a record) and the [`Vars`] of the run. The parts stand on their
//! own too: [`Expr`] (jq), [`Text`] (text with values put in), [`Setting`] (settings and secrets, read late).
//!
//! jq is closed in: it has no input or output, no clock and no environment, and what it may spend is in [`limits`].

mod encode;
mod error;
mod exact;
mod expr;
mod fields;
mod form;
mod jq;
mod lint;
mod place;
mod scope;
mod setting;
mod subject;
mod suggest;
mod text;
mod value;
mod vars;

pub use error::{EvalError, ExprError, LimitKind, MAX_MESSAGE, SettingError, code};
pub use exact::parse_json_exactly;
pub use expr::Expr;
pub use fields::Fields;
pub use form::{Form, classify};
pub use jq::{functions, limits};
pub use place::Place;
pub use scope::Scope;
pub use setting::{Lookup, Setting};
pub use subject::Subject;
pub use text::Text;
pub use value::{Value, ValueKind};
pub use vars::Vars;
