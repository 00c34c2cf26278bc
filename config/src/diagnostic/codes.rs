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
    OPERATOR_ONLY = "JP061", "a setting for operators only", "What protects the operator (private networks, file roots) can be set only in `config/environments/NAME.yml`, by `JOBPIPE_*` or by a flag, never by an import or `jobpipe.yml`.";
    BAD_VARIABLE = "JP062", "a setting in the environment that cannot be read", "A variable `JOBPIPE_*` has a value that its setting cannot have.";
    UNKNOWN_PAGE = "JP063", "no such page", "An export names a page that `pages` of the settings does not have.";
    NO_TARGETS = "JP064", "no targets", "The list of targets is empty: an export to nowhere is surely a mistake.";
    UNKNOWN_ENVIRONMENT = "JP065", "no such environment", "There is no `config/environments/NAME.yml` beside `jobpipe.yml`.";
}

/// The code of that number.
#[must_use]
pub fn find(code: &str) -> Option<&'static Code> {
    TABLE.iter().find(|row| row.code == code)
}
