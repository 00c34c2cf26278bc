//! Enumerations whose every variant has a name and a sentence: one line each.

/// `Name { Variant = "its.name": "what it says", ... }` becomes an enum with `ALL`, `name` and `what`.
macro_rules! named {
    ($(#[$about:meta])* $of:ident { $($variant:ident = $name:literal: $what:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $of { $(#[doc = $what] $variant,)* }

        impl $of {
            /// Every one, in the order of the text.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its short name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it says.
            #[must_use]
            pub fn what(self) -> &'static str {
                match self { $(Self::$variant => $what,)* }
            }
        }
    };
}

pub(crate) use named;
