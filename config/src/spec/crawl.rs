//! What a crawl takes.

use super::{ExtractSpec, FieldValue, Ordered, ValueText};
use crate::grammar::{Period, Speed};
use jobpipe_core::{Budget, RetryPolicy, TaskLimit};
use jobpipe_expr::{Form, Place, Text, classify};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Fetch pages or answers and take records from them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Crawl")]
pub struct CrawlSpec {
    /// HTML pages: the URL (http or https) of the first one, or the path of a file, relative to the project's folder. In a stage that is `from` others: a value of each record, such as `.url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<ValueText>,
    /// JSON answers: the URL (http or https) of the first one, or the path of a file, relative to the project's folder. In a stage that is `from` others: a value of each record, such as `.url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<ValueText>,
    /// The HTTP method. GET by default; POST with a `body`.
    #[serde(default)]
    pub method: Method,
    /// Query parameters of each request. One that is null or absent (`$since` on the first run) is left out.
    #[serde(default, skip_serializing_if = "Ordered::is_empty")]
    pub query: Ordered<FieldValue>,
    /// HTTP headers of each request. Secrets are allowed: `$NAME`, `${file:PATH}`.
    #[serde(default, skip_serializing_if = "Ordered::is_empty")]
    pub headers: Ordered<ValueText>,
    /// The JSON body of each request; a map or list whose leaves are values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<FieldValue>,
    /// How the requests are authorised. Sent to the host of the first URL only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthSpec>,
    /// Where the records are: jq over a JSON answer that gives a list (`.data`), a CSS selector in HTML (`li.job`). Without it the whole answer or page is one record (a JSON list: each element).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<ValueText>,
    /// How the next listing page is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<PagesSpec>,
    /// HTML: the links of a listing page to detail pages; `extract` then works on the detail pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<LinksSpec>,
    /// The fields of a record, by name.
    #[serde(default, skip_serializing_if = "Ordered::is_empty")]
    pub extract: Ordered<ExtractSpec>,
    /// Ask only for what is newer than the last clean run; `$since` is that value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<SinceSpec>,
    /// Requests to one host at most: `5/s`. Without it the settings' (`hosts`, `defaults`), else 1/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Speed>,
    /// Tasks of this stage at work at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// How long one task may ask the source; without it as long as the settings say (`limits: { task }`, 10m).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskSpec>,
    /// What is done about failures that may pass.
    #[serde(default)]
    pub retry: RetrySpec,
    /// Whether robots.txt is obeyed; its Crawl-delay slows `rate`.
    #[serde(default)]
    pub robots: Robots,
    /// Budgets after which no more is listed. A crawl that they cut is not exhaustive: nothing counts as gone.
    #[serde(default, skip_serializing_if = "MaxSpec::is_empty")]
    pub max: MaxSpec,
    /// The longest that one request may take, 60s by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Period>,
}

/// What the source speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceKind {
    /// HTML pages.
    Html,
    /// JSON answers.
    Json,
}

impl SourceKind {
    /// The key in an import, and the connector's name in the plan.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Json => "json",
        }
    }
}

impl CrawlSpec {
    /// What is fetched and from where. `None` for a spec that names no source, which the compiler never makes.
    #[must_use]
    pub fn source(&self) -> Option<(SourceKind, &ValueText)> {
        let html = self.html.as_ref().map(|at| (SourceKind::Html, at));
        html.or_else(|| self.json.as_ref().map(|at| (SourceKind::Json, at)))
    }
}

/// The rules for a source as it is written: a URL has `://`, or is one value of the record; anything else is the path of a
/// file.
#[must_use]
pub fn source_place(text: &str) -> Place {
    let is_one_value = match classify(text) {
        Form::Expr(_) => true,
        Form::Text => Text::compile(text).is_ok_and(|text| text.is_one_value()),
        Form::Setting | Form::Literal => false,
    };
    if is_one_value || text.contains("://") { Place::Url } else { Place::Path }
}

/// An HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Ask.
    #[default]
    Get,
    /// Ask with a body.
    Post,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Auth")]
pub enum AuthSpec {
    /// `Authorization: Bearer ...`: the token as a secret, `$NAME`.
    Bearer(ValueText),
    /// User and password: `{ user: $U, password: $P }`, or in short `[$U, $P]`.
    Basic(BasicAuth),
}

/// User and password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BasicAuth {
    /// The user's name, as text or as a setting: `$NAME`.
    pub user: ValueText,
    /// The password; as a secret, `$NAME`.
    pub password: ValueText,
}

/// How the next listing page is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Pages")]
pub struct PagesSpec {
    /// JSON: jq over the answer that gives the next URL (absolute or relative), null at the end. HTML: a CSS selector of the link to it.
    pub next: ValueText,
}

/// The links of a listing page to detail pages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Links")]
pub struct LinksSpec {
    /// A CSS selector; each match is a link.
    pub selector: String,
    /// The attribute that holds the URL, `href` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attribute: Option<String>,
}

/// Ask only for what is newer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Since")]
pub struct SinceSpec {
    /// jq over a record, as it is fetched: the value whose highest is remembered.
    pub field: ValueText,
    /// The value of `$since` on the first run; without it `$since` is null then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// Asked again each time, for sources that list late: `1d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookback: Option<Period>,
}

/// How long one task may ask the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Task")]
pub struct TaskSpec {
    /// Then the task is told to end: what it has not asked yet is put back, and no attempt is charged.
    pub soft: Period,
    /// Then it is broken off and tried again (JP197): `soft` and 30s by default. More where one request may take longer than that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hard: Option<Period>,
}

impl TaskSpec {
    /// Both limits from the first one.
    #[must_use]
    pub fn of(soft: Period) -> Self {
        Self { soft, hard: Some(Period::from_ms(TaskLimit::of(soft.ms()).hard_ms)) }
    }
}

impl From<TaskSpec> for TaskLimit {
    fn from(spec: TaskSpec) -> Self {
        let usual = Self::of(spec.soft.ms());
        Self { hard_ms: spec.hard.map_or(usual.hard_ms, Period::ms), ..usual }
    }
}

/// What is done about failures that may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Retry")]
pub struct RetrySpec {
    /// Attempts after the first.
    pub times: u32,
    /// The first delay; it doubles, with full jitter.
    pub base: Period,
    /// The longest delay.
    pub max: Period,
}

impl Default for RetrySpec {
    fn default() -> Self {
        let policy = RetryPolicy::default();
        Self { times: policy.times, base: Period::from_ms(policy.base_ms), max: Period::from_ms(policy.max_ms) }
    }
}

impl From<RetrySpec> for RetryPolicy {
    fn from(spec: RetrySpec) -> Self {
        Self { times: spec.times, base_ms: spec.base.ms(), max_ms: spec.max.ms() }
    }
}

/// Whether robots.txt is obeyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Robots {
    /// Yes.
    #[default]
    Obey,
    /// No: for sites of your own.
    Ignore,
}

/// Budgets of a crawl.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Max")]
pub struct MaxSpec {
    /// Listing pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<u64>,
    /// Records (or detail pages).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<u64>,
    /// Time since the run began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Period>,
}

impl MaxSpec {
    /// No budget at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl From<MaxSpec> for Budget {
    fn from(spec: MaxSpec) -> Self {
        Self { pages: spec.pages, items: spec.items, time_ms: spec.time.map(Period::ms) }
    }
}
