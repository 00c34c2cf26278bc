//! What jaq runs on: our values, and a table of terms that counts how often it is asked for.

use jaq_core::data::HasLut;
use jaq_core::{DataT, Lut};

use super::limits;
use super::val::Val;

/// The kind of data of every filter in this crate.
pub(crate) struct Closed;

/// The table of terms. jaq looks a term up here each time that it runs one, whatever it is.
#[derive(Clone, Copy)]
pub(crate) struct Env<'a>(pub(crate) &'a Lut<Closed>);

impl DataT for Closed {
    type V<'a> = Val;
    type Data<'a> = Env<'a>;
}

impl<'a> HasLut<'a, Closed> for Env<'a> {
    fn lut(&self) -> &'a Lut<Closed> {
        limits::step();
        self.0
    }
}
