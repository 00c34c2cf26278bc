//! Which functions an expression may call: jaq's definitions that are pure, ours, and the native ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use jaq_core::load::parse::Def;
use jaq_core::native::Fun;

use super::check;
use super::data::Closed;
use super::natives;

/// jaq's definitions that are left out: they have effects, depend on what is left out, or ours replace them.
const NOT_TAKEN: [&str; 31] = [
    "halt",
    "halt_error",
    "debug",
    "stderr",
    "nan",
    "infinite",
    "isnan",
    "isinfinite",
    "isfinite",
    "isnormal",
    "logb",
    "significand",
    "pow10",
    "drem",
    "nexttoward",
    "scalb",
    "gamma",
    "todate",
    "fromdate",
    "join",
    "@sh",
    "@text",
    "@html",
    "@htmld",
    "@uri",
    "@urid",
    "@base64",
    "@base64d",
    "normals",
    "finites",
    "combinations",
];

/// Functions that users of jq know and that an import may not call, with what to do instead.
const FORBIDDEN: [(&str, &str); 20] = [
    ("env", "settings are named in capitals, where they may stand: `$NAME`"),
    ("input", "an expression sees one record"),
    ("inputs", "an expression sees one record"),
    ("input_filename", "an expression sees one record"),
    ("input_line_number", "an expression sees one record"),
    ("debug", "use `jobpipe explain` to see what an expression gives"),
    ("stderr", "use `jobpipe explain` to see what an expression gives"),
    ("halt", "use `error(\"why\")` to refuse a record"),
    ("halt_error", "use `error(\"why\")` to refuse a record"),
    ("now", "use `$now`"),
    ("localtime", "dates are in UTC: use `to_date`"),
    ("strflocaltime", "dates are in UTC: use `strftime`"),
    ("gmtime", "use `to_date` and `strftime`"),
    ("mktime", "use `fromdate`"),
    ("strptime", "use `to_date(\"%d/%m/%Y\")`"),
    ("import", "modules cannot be loaded"),
    ("include", "modules cannot be loaded"),
    ("module", "modules cannot be loaded"),
    ("system", "commands cannot be run"),
    ("combinations", "it grows without bounds: use `range` and `map`"),
];

/// A name and how many arguments it takes.
pub(crate) type Signature = (&'static str, usize);

struct Library {
    /// In order: each calls only those before it (and itself).
    defs: Vec<Def<&'static str>>,
    /// What each name calls, by name.
    calls: BTreeMap<&'static str, BTreeSet<&'static str>>,
    signatures: BTreeSet<Signature>,
}

fn library() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let ours = jaq_core::load::parse(include_str!("prelude.jq"), |parser| parser.defs()).unwrap_or_default();
        let replaced = |def: &Def<&'static str>| def.name == "sub" && def.args.len() == 3;
        let jaq = jaq_core::defs().chain(jaq_std::defs());
        let jaq = jaq.filter(|def| !NOT_TAKEN.contains(&def.name) && !replaced(def));
        let defs: Vec<Def<&'static str>> = jaq.chain(ours).collect();
        let mut calls: BTreeMap<&'static str, BTreeSet<&'static str>> = BTreeMap::new();
        for def in &defs {
            check::calls(&def.body, calls.entry(def.name).or_default());
        }
        let natives = natives::all().map(|(name, arguments, _)| (name, arguments.len()));
        let signatures = defs.iter().map(|def| (def.name, def.args.len())).chain(natives).collect();
        Library { defs, calls, signatures }
    })
}

/// Every function an expression may call, with how many arguments it takes; formats (`@html`) too. In order.
pub fn functions() -> impl Iterator<Item = (&'static str, usize)> {
    library().signatures.iter().copied().filter(|(name, _)| !name.ends_with('_') && !name.ends_with("_empty"))
}

/// Whether there is such a function.
pub(crate) fn exists(name: &str, arguments: usize) -> bool {
    library().signatures.contains(&(name, arguments))
}

/// Why a function may not be called, when it is one that is kept out.
pub(crate) fn forbidden(name: &str) -> Option<&'static str> {
    FORBIDDEN.iter().find(|(known, _)| *known == name).map(|(_, instead)| *instead)
}

/// The definitions that an expression needs which calls `names`.
pub(crate) fn needed(names: BTreeSet<&str>) -> Vec<Def<&'static str>> {
    let library = library();
    let mut needed: BTreeSet<&'static str> = BTreeSet::new();
    let mut open: Vec<&str> = names.into_iter().collect();
    while let Some(name) = open.pop() {
        if let Some((name, calls)) = library.calls.get_key_value(name)
            && needed.insert(name)
        {
            open.extend(calls.iter().copied());
        }
    }
    library.defs.iter().filter(|def| needed.contains(def.name)).cloned().collect()
}

/// The native functions.
pub(crate) fn native() -> impl Iterator<Item = Fun<Closed>> {
    natives::all()
}
