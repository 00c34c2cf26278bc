//! What stages take, in the long form: written to [`StagePlan::body`] by the compiler, read from it by the stages.
//!
//! Field names are the keys of an import file. Values keep the spelling of the language ([`ValueText`]); the stages
//! compile them with `jobpipe_expr`, and the compiler of this crate has checked that they compile.

mod crawl;
mod export;
mod extract;
mod transform;
mod value;

pub use crawl::{
    AuthSpec, BasicAuth, CrawlSpec, LinksSpec, MaxSpec, Method, PagesSpec, RetrySpec, Robots, SinceSpec, SourceKind,
    TaskSpec, source_place,
};
pub use export::{DayCap, FacebookSpec, InlinePage, JsonlSpec, OnChanged, OnGone, OnNew, PaceSpec, TargetSpec, Write};
pub use extract::ExtractSpec;
pub use transform::{GoneSpec, Keep, TransformSpec};
pub use value::{FieldValue, Scalar, ValueText};

use jobpipe_core::StagePlan;
use serde::de::DeserializeOwned;

/// Named things in the order in which they were written.
pub type Ordered<T> = indexmap::IndexMap<String, T>;

/// A stage's body is not what its connector takes: the plan was made by another version of jobpipe.
#[derive(Debug, thiserror::Error)]
#[error(
    "the settings of stage `{stage}` cannot be read ({reason}); check the import again with this version of jobpipe"
)]
pub struct BodyError {
    /// The stage.
    pub stage: String,
    /// What serde says.
    pub reason: String,
}

/// Reads the body of a stage as the spec of its connector: [`CrawlSpec`], [`TransformSpec`], [`JsonlSpec`] or [`FacebookSpec`].
pub fn read_body<T: DeserializeOwned>(stage: &StagePlan) -> Result<T, BodyError> {
    T::deserialize(&stage.body).map_err(|error| BodyError { stage: stage.name.clone(), reason: error.to_string() })
}
