//! The pipeline file: one TOML file that says everything a night needs.

pub mod model;

pub use model::{Audience, DatasetConfig, Expect, MetadataConfig, OnReject, Pipeline, PipelineConfig, PublishConfig};
