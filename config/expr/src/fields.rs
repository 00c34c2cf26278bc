//! Which fields of the record an expression uses.

use std::collections::BTreeSet;

/// The top-level fields of the record that an expression or a text reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// Names of fields, without the dot.
    pub names: BTreeSet<String>,
    /// Whether it also reads the record as a whole (`.`, `keys`, `.[$x]`), so that `names` may not be all.
    pub whole: bool,
}

impl Fields {
    /// Adds what `other` reads.
    pub fn add(&mut self, other: &Fields) {
        self.names.extend(other.names.iter().cloned());
        self.whole |= other.whole;
    }
}
