//! The pipeline file: one TOML file that says everything a night needs.
//!
//! The types in [`model`] are the one source: [`schema()`] is made from them and from the options of the kinds, the check walks
//! the file along that schema, and the reference is printed from it. Checking opens nothing but the file itself.

mod check;
mod finding;
mod load;
pub mod model;
pub mod schema;
pub mod secret;
mod tree;
mod walk;

pub(crate) use check::RESERVED;
pub use finding::did_you_mean;
pub use model::{
    Audience, DatasetConfig, Expect, MetadataConfig, OnReject, Pipeline, PipelineConfig, PublishConfig, SeriesConfig,
};
pub use schema::{common_keys, schema};
pub use secret::{Revealed, Secret};

#[cfg(test)]
mod tests;
