//! Publishers: what makes a release findable. A publisher is one file here and one line in [`PUBLISHERS`]; the check of the
//! pipeline file, its JSON Schema and the reference read that table.
//!
//! Pure: the released datasets in, files out; the release writes them into the audience's folder before it is switched to. What is
//! done elsewhere, when the release is current, is [`outside()`].

pub mod csw;
pub mod geoserver;
pub mod masterportal;
mod outside;
pub mod postgis;
pub mod site;

pub use csw::csw_options;
pub use outside::{Outside, OutsideInput, Phase, findings, outside};

use crate::dataset::{ArtefactRole, Facts, Kind};
use crate::error::{Error, Exit, Result};
use crate::markup::url_path;
use crate::metadata::PublishedArtefact;
use crate::pipeline::{Audience, DatasetConfig, Pipeline, PipelineConfig, PublishConfig};
use crate::report::Picture;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use uuid::Uuid;

/// One line of the table of publishers.
pub struct Publisher {
    /// Name in the pipeline file, in snake case.
    pub name: &'static str,
    /// What it makes, one line.
    pub summary: &'static str,
    /// True when it works without a `[[publish]]` table too.
    pub always: bool,
    /// True when its files in a release have fixed names, so that there can be one of it.
    pub once: bool,
    /// JSON Schema of its options.
    pub options: fn() -> schemars::Schema,
    /// Checks the options; no I/O.
    pub check: fn(&PublishConfig) -> Result<()>,
    /// The files for one audience.
    pub files: fn(&PublishConfig, &PortalInput<'_>) -> Result<Vec<PortalFile>>,
    /// What it does outside of the release when that is current, if anything: see [`outside()`].
    pub outside: Option<OutsideWork>,
}

/// Work outside of the release; nothing where the phase or the options ask for none.
pub type OutsideWork = fn(&PublishConfig, &OutsideInput<'_>) -> Result<Option<Outside>>;

/// All publishers.
pub static PUBLISHERS: &[Publisher] =
    &[csw::PUBLISHER, geoserver::PUBLISHER, masterportal::PUBLISHER, postgis::PUBLISHER, site::PUBLISHER];

/// The publisher of that name.
pub fn publisher(name: &str) -> Option<&'static Publisher> {
    PUBLISHERS.iter().find(|publisher| publisher.name == name)
}

/// A file of a portal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortalFile {
    /// Path within the audience's folder of the release, as `portal/index.html`.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What a portal shows.
pub struct PortalInput<'a> {
    /// The pipeline.
    pub pipeline: &'a PipelineConfig,
    /// The datasets of the release, in the order of the pipeline. Those beyond `audience` are left out.
    pub datasets: &'a [PublishedDataset<'a>],
    /// Who looks.
    pub audience: Audience,
    /// When something in it last changed. No identifier of the release: the same data give the same portal.
    pub date: jiff::civil::Date,
    /// Address under which the audience's folder is served; without one, addresses are relative to the portal.
    pub base_url: Option<&'a str>,
}

/// A dataset as it is released.
pub struct PublishedDataset<'a> {
    /// The dataset.
    pub config: &'a DatasetConfig,
    /// Its kind.
    pub kind: &'a Kind,
    /// What is known about it.
    pub facts: &'a Facts,
    /// Its artefacts; those beyond the audience are left out.
    pub artefacts: &'a [PublishedArtefact],
    /// Its record's identifier, where it has a record: then `metadata/<id>.xml` is there.
    pub uuid: Option<Uuid>,
    /// Its preview, already shown on the page.
    pub preview: Option<Picture>,
    /// Units that failed and whose last good result stays published.
    pub stale_units: u64,
}

impl PublishedDataset<'_> {
    /// German title.
    pub fn title(&self) -> &str {
        self.config.metadata.title.as_deref().unwrap_or(self.kind.title)
    }
    /// The artefacts that the audience may see, data first, else in the order of the kind.
    pub fn visible(&self, audience: Audience) -> Vec<&PublishedArtefact> {
        let mut seen: Vec<_> = self.artefacts.iter().filter(|published| published.artefact.audience <= audience).collect();
        seen.sort_by_key(|published| published.artefact.role != ArtefactRole::Data);
        seen
    }
}

impl PortalInput<'_> {
    /// The datasets that the audience may see.
    pub fn visible(&self) -> impl Iterator<Item = &PublishedDataset<'_>> {
        self.datasets.iter().filter(|dataset| dataset.config.audience <= self.audience)
    }
    /// Address of a file of the audience's folder, as seen from `portal/`.
    pub fn address(&self, path: &str) -> String {
        match self.base_url {
            Some(base) => format!("{}/{}", base.trim_end_matches('/'), url_path(path)),
            None => format!("../{}", url_path(path)),
        }
    }
}

/// The files of all publishers for one audience: those the pipeline names, with their options, and those that always work.
///
/// # Errors
/// When a publisher is unknown, its options do not fit, or two of them write the same file.
pub fn files(pipeline: &Pipeline, input: &PortalInput<'_>) -> Result<Vec<PortalFile>> {
    let named = pipeline.publish.iter().filter(|config| publisher(&config.kind).is_some());
    let missing = PUBLISHERS.iter().filter(|p| p.always && !pipeline.publish.iter().any(|config| config.kind == p.name));
    let defaults: Vec<PublishConfig> =
        missing.map(|p| PublishConfig { kind: p.name.to_owned(), options: BTreeMap::new() }).collect();
    let mut files: Vec<PortalFile> = Vec::new();
    for config in named.chain(&defaults) {
        let Some(publisher) = publisher(&config.kind) else { continue };
        for file in (publisher.files)(config, input)? {
            if files.iter().any(|other| other.path == file.path) {
                return Err(Error::new("mk::publish::twice", format!("two publishers write {}", file.path)).exit(Exit::Usage));
            }
            files.push(file);
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Reads the options of a publisher from its table.
fn read_options<T: DeserializeOwned>(config: &PublishConfig) -> Result<T> {
    let options = serde_json::Value::Object(config.options.clone().into_iter().collect());
    serde_json::from_value(options).map_err(|error| {
        Error::new("mk::config::option", format!("the options of publisher '{}' do not fit: {error}", config.kind))
            .exit(Exit::Usage)
    })
}
