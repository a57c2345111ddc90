//! What publishers do outside of the release, when it is current: map servers are told of new data, a portal's list of layers gets our
//! entries. Before the catalogues are brought in step services are there that records link to; after it, what nobody links to any more
//! is taken away.

use super::publisher;
use crate::error::{Error, Exit, Place, Result};
use crate::pipeline::{Pipeline, PublishConfig};
use crate::report::FindingGroup;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Before the catalogues or after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// New data are made known.
    Before,
    /// Lists for people get their entries, and what is no longer there is taken away.
    After,
}

/// What a publisher needs to know.
pub struct OutsideInput<'a> {
    /// The pipeline.
    pub pipeline: &'a Pipeline,
    /// The current release, by the link that stays the same.
    pub current: PathBuf,
    /// When.
    pub phase: Phase,
}

/// What became of it.
#[derive(Debug)]
pub struct Outside {
    /// The publisher.
    pub kind: &'static str,
    /// Address or file.
    pub target: String,
    /// What was written, a few words each.
    pub changed: Vec<String>,
    /// What is other than released, and stays so: dataset, and why in German.
    pub left: Vec<(String, String)>,
    /// What stopped it.
    pub error: Option<Error>,
}

impl Outside {
    /// Nothing done yet.
    pub fn new(kind: &'static str, target: impl Into<String>) -> Self {
        Self { kind, target: target.into(), changed: Vec::new(), left: Vec::new(), error: None }
    }
    /// How it ended: what stopped it, or 3 when something is left other than released, or 0.
    pub fn exit(&self) -> Exit {
        match &self.error {
            Some(error) => error.exit_code(),
            None if self.left.is_empty() => Exit::Ok,
            None => Exit::Quarantined,
        }
    }
}

/// Runs the publishers of this phase. One that fails is told of, and does not stop the others.
pub fn outside(pipeline: &Pipeline, workspace: &Path, phase: Phase) -> Vec<Outside> {
    let input = OutsideInput { pipeline, current: workspace.join("current"), phase };
    let run = |config: &PublishConfig| -> Result<Option<Outside>> {
        match publisher(&config.kind).and_then(|publisher| publisher.outside) {
            Some(work) => work(config, &input),
            None => Ok(None),
        }
    };
    let mut all = Vec::new();
    for config in &pipeline.publish {
        match run(config) {
            Ok(found) => all.extend(found),
            Err(error) => {
                let kind = publisher(&config.kind).map_or("", |publisher| publisher.name);
                all.push(Outside { error: Some(error), ..Outside::new(kind, kind) });
            }
        }
    }
    all
}

/// What the night's report says, by dataset.
pub fn findings(all: &[Outside]) -> BTreeMap<String, Vec<FindingGroup>> {
    let mut found: BTreeMap<String, Vec<FindingGroup>> = BTreeMap::new();
    for outside in all {
        for (dataset, reason) in &outside.left {
            found.entry(dataset.clone()).or_default().push(FindingGroup {
                object_type: "Layer".to_owned(),
                code: format!("mk::publish::{}", outside.kind),
                reason: format!("{}: {reason}", outside.target),
                count: 1,
                examples: vec![Place::default().object(dataset)],
            });
        }
    }
    found
}
