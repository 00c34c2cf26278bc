//! The table of codes: what `docs/errors.md` is made from.

/// One code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// `JP020`.
    pub code: &'static str,
    /// Its name in a few words.
    pub title: &'static str,
    /// What it means and what to do.
    pub text: &'static str,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $name:ident = $code:literal, $title:literal, $text:literal;)*) => {
        $(#[doc = $title] pub const $name: &str = $code;)*
        /// Every code of this crate, by number.
        pub const TABLE: &[Code] = &[$(Code { code: $code, title: $title, text: $text },)*];
    };
}

codes! {
    SYNTAX = "JP001", "not YAML", "The text breaks the rules of YAML at this place. The message says what was found; most often a quote or a bracket is not closed, or a line is indented by one space too many.";
    TOO_LARGE = "JP002", "too large", "An import or a settings file has at most 1 MiB, 50,000 values and 32 levels.";
    DUPLICATE = "JP003", "a key twice", "A map has the same key twice. YAML would silently keep one of them.";
    ANCHOR = "JP004", "an anchor or alias", "`&name` and `*name` are YAML's anchors and aliases, which imports do not have. Write the value out; put a value that begins with `*` or `&` in quotes.";
    MERGE = "JP005", "a merge key", "`<<` merges maps in some YAML, not in imports. Write the keys out.";
    TAG = "JP006", "a tag or directive", "`!name` and `%NAME` are YAML's tags and directives, which imports do not have. Put a value that begins with `!` or `%` in quotes.";
    NULL = "JP007", "no value", "A key has no value, or `null` or `~`. Remove the key, give it a value, or quote the word if the text is meant.";
    TAB = "JP008", "a tab", "A tab stands where YAML wants spaces. Indent with spaces.";
    CUT = "JP009", "text cut by ` #`", "In YAML ` #` begins a comment, so the rest of the value is lost. Quote the value, or put a space after `#` if a comment is meant.";
    COMMENT_VALUE = "JP010", "a value that is a comment", "`#main h1` after a key is a comment in YAML, so the key has no value. Quote it: `\"#main h1\"`.";
    FLOW = "JP011", "a flow map broken by its values", "Inside `{ }` and `[ ]` a comma ends a value and a colon begins another. Write the map in block form: one key a line.";
    COLON = "JP012", "a colon in a value", "`a: b: c` is not YAML: quote the value that holds `: `.";
    FIRST_CHARACTER = "JP013", "a value that begins with a character of YAML", "Values that begin with one of `@ * & ! % > | [ { ` ` and go on must be quoted; jq that begins with `[` or `{` is written with `=` before it.";
    SHAPE = "JP014", "not one map of keys", "A file is one map from keys to values: one document, keys that are text.";
    INDENTATION = "JP015", "wrong indentation", "The line is indented differently from the lines that it belongs to.";
    UNKNOWN_KEY = "JP020", "unknown key", "No such key here. The nearest right spelling is shown.";
    LATER = "JP021", "not in this version", "The key or word belongs to the language, and this version of jobpipe does not have it yet.";
    TYPE = "JP022", "another kind of value expected", "A map, a list, a text or a number stands where another of these is expected.";
    MISSING = "JP023", "a key is missing", "A key without which this makes no sense is not there.";
    WORD = "JP024", "not of the expected form", "A duration, rate, size, share, number or word that cannot be read. Durations `90s 15m 6h 2d`, rates `5/s 100/min unlimited`, sizes `10MiB`, shares `30%`, numbers `20_000`.";
    CONFLICT = "JP025", "keys that exclude each other", "Two keys that cannot stand together.";
    UNKNOWN_STAGE = "JP026", "no such stage", "`from` names a stage that the import does not have.";
    CYCLE = "JP027", "stages in a circle", "Each stage of the circle waits for the one before. Records flow one way.";
    FROM_EXPORT = "JP028", "from an export", "An export gives no records. Let the stage be `from` the stage that the export is from.";
    SAME_NAME = "JP029", "two stages of one name", "Each stage, and so each export, has a name of its own: give it with `as:`.";
    SELECTOR = "JP030", "not a CSS selector", "The text before ` @attribute` and ` | jq` must be a CSS selector.";
    COMPARED = "JP031", "a value that differs in every run", "`$now` and `$run` in what is compared would make every record differ in every run, and so update every post. Use a date of the record.";
    NAME = "JP032", "not a name", "Names have letters, digits, `-`, `_` and `.`, begin with a letter or digit, and are at most 100 long.";
    FEEDLESS = "JP033", "a stage without input", "A transform or export needs `from`, and a crawl without `from` a fixed URL or path.";
    SCHEDULE = "JP034", "not a schedule", "`every 15m`, `hourly`, `daily 06:00 Europe/Paris`, `weekdays 9:00-18:00 every 30m` or a cron line of five fields.";
    NEEDS_KEY = "JP035", "an export that needs keys", "Posts, snapshots and changes follow records by their key: a transform before them must have `key`.";
    ADDRESS = "JP036", "not a URL or path", "A source is an `http://` or `https://` URL, the path of a file, or a value of a record.";
    NO_FIELD = "JP037", "no such field", "The record that goes on cannot have this field: `map` does not make it and `keep` does not keep it.";
    PSEUDO = "JP038", "a selector of another tool", "`::text`, `::attr()`, `:contains()` and the like are not CSS. The help says what to write instead.";
    NO_VALUE_HERE = "JP039", "a variable without a value here", "The variable exists, but has no value in this place.";
    NOT_FOUND = "JP060", "a file that cannot be read", "The file is not there, or may not be read, or is not UTF-8.";
    OPERATOR_ONLY = "JP061", "a setting for operators only", "What protects the operator (private networks, file roots) can be set only in `config/environments/NAME.yml` or by `JOBPIPE_*`, never by an import or `jobpipe.yml`.";
    BAD_VARIABLE = "JP062", "a setting in the environment that cannot be read", "A variable `JOBPIPE_*` has a value that its setting cannot have.";
    UNKNOWN_PAGE = "JP063", "no such page", "An export names a page that `pages` of the settings does not have.";
    NO_TARGETS = "JP064", "no targets", "The list of targets is empty: an export to nowhere is surely a mistake.";
    UNKNOWN_ENVIRONMENT = "JP065", "no such environment", "There is no `config/environments/NAME.yml` beside `jobpipe.yml`.";
    PLAIN_SECRET = "JP066", "a secret written out", "A token or password, or a default of one (`${NAME:-default}`), stands in the file itself, and so in every copy of it. Put it into the environment (`$NAME`) or into a file (`${file:PATH}`). An error in imports, whose text is kept in the store; a warning in settings, and in the query of a URL (parameters `token`, `access_token`, `api_token`, `auth_token`, `bearer_token`, `jwt`, `api_key`, `app_key`, `subscription_key`, `secret`, `api_secret`, `app_secret`, `client_secret`, `password`, `passwd` and `pwd`): send it with `auth` or a header where the source takes it so.";
    BROKER_ALONE = "JP067", "a broker without a shared store", "`broker` names a server while `store` is embedded in one machine. Several machines share work only when they share the state: set `store` to a server too, or leave `broker` out.";
}

/// The codes of values (`jobpipe_expr`): in a file `JP040` to `JP051`, on a record `JP052` to `JP057`, of a setting the last two.
const VALUES: &[Code] = &[
    Code { code: "JP040", title: "not jq", text: "The expression cannot be parsed. The column points at the place." },
    Code {
        code: "JP041",
        title: "no such function",
        text: "jq has no such function here. The nearest right spelling is shown.",
    },
    Code {
        code: "JP042",
        title: "no such variable",
        text: "Variables are `$since $now $key $run $page`, each where it has a value; a field of the record is `.name` in jq and `$name` in text.",
    },
    Code {
        code: "JP043",
        title: "a function that imports may not use",
        text: "jq is closed in: it reads no environment, clock, input or file.",
    },
    Code {
        code: "JP044",
        title: "too complex",
        text: "The expression is too long or nested too deep, or defines a function that calls itself.",
    },
    Code {
        code: "JP045",
        title: "a `$` that names nothing",
        text: "`${` without its `}`, or a name of capitals and small letters. A dollar that is meant is `$$`.",
    },
    Code {
        code: "JP046",
        title: "a setting where none may stand",
        text: "`$NAME` in capitals is a setting or secret: only in `auth`, `headers`, lists of targets and settings. The field of that name is `${.NAME}`.",
    },
    Code {
        code: "JP047",
        title: "text that looks like an expression",
        text: "Put `=` before an expression; text that only looks like one is `=\"...\"`.",
    },
    Code {
        code: "JP048",
        title: "a value in the host of a URL",
        text: "Values are put into the path and query of a URL, never into its scheme or host. A URL that is one whole expression may be any.",
    },
    Code {
        code: "JP049",
        title: "a malformed setting",
        text: "A setting without name or file, a text that mixes settings with values of the record, or such a value or jq where only a setting can stand.",
    },
    Code { code: "JP050", title: "a line break in a header", text: "Headers are one line." },
    Code { code: "JP051", title: "an empty expression", text: "Nothing stands where an expression is needed." },
    Code {
        code: "JP052",
        title: "a value inside text is missing",
        text: "On a record: a text has a place for a value that is null or absent. Write a default: `${.city // \"\"}`.",
    },
    Code { code: "JP053", title: "an expression failed", text: "On a record: jq raised an error." },
    Code {
        code: "JP054",
        title: "more than one value",
        text: "On a record: the expression gives two values or more. Put `[ ]` around it for a list, or `first(...)` for one.",
    },
    Code {
        code: "JP055",
        title: "over a limit",
        text: "On a record: the expression takes too many steps, nests too deep or makes too much.",
    },
    Code {
        code: "JP056",
        title: "an unsafe value",
        text: "On a record: a line break for a header, `..` for a path, a foreign scheme for a URL.",
    },
    Code { code: "JP057", title: "a value that is no text", text: "On a record: a list or map where text is made." },
    Code {
        code: "JP058",
        title: "a setting that is not set",
        text: "The environment has no such variable, and no default is written: `${NAME:-default}`.",
    },
    Code {
        code: "JP059",
        title: "a setting whose file cannot be read",
        text: "The file of `${file:PATH}` is not there or may not be read.",
    },
];

/// Every code, by number: those of this crate and those of values.
pub fn all() -> impl Iterator<Item = &'static Code> {
    let before = TABLE.iter().filter(|row| row.code < "JP040");
    let after = TABLE.iter().filter(|row| row.code >= "JP060");
    before.chain(VALUES).chain(after)
}

/// What is known of a code.
#[must_use]
pub fn describe(code: &str) -> Option<&'static Code> {
    all().find(|row| row.code == code)
}

/// The text of `docs/errors.md`.
#[must_use]
pub fn document() -> String {
    let mut out = String::from(
        "# Diagnostics\n\nWhat `jobpipe check` and `jobpipe run` say of imports and settings, by code. The table that follows \
         is made from the code's own (`config/src/diagnostic/codes.rs`); do not edit it.\n\n| code | what | meaning and remedy |\n|---|---|---|\n",
    );
    for row in all() {
        let cell = |text: &str| text.replace('|', "\\|");
        out.push_str(&format!("| {} | {} | {} |\n", row.code, cell(row.title), cell(row.text)));
    }
    out
}
