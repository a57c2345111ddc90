//! Kinds of datasets. A kind is one folder here and one line in [`KINDS`]; the command line, the JSON Schema, the reference and
//! the completeness test read that table.
//!
//! A kind says three things: which units its sources make ([`Dataset::units`]), what a unit does ([`Dataset::execute`]), and how
//! the results become files ([`Dataset::assemble`]). It reads what the contexts hand it and writes where they say; ledger, store,
//! engine and release are not its business.

mod context;
mod count;
mod facts;
mod features;
mod kept;
mod made;
#[cfg(test)]
pub(crate) mod testing;
mod vector_tiles;

pub mod cadastre;
pub mod city_model;
pub mod orthophoto;
pub mod playground;
pub mod remote;
pub mod street_survey;
pub mod vector_theme;

pub use context::{
    Area, AssembleContext, Busy, Crew, FetchContext, Fetched, PlanContext, UnitContext, UnitResult, UsedDataset, check,
};
pub use count::{Count, Counts};
pub use facts::{Artefact, ArtefactRole, Assembly, Facts, PortalLayer, Representation};
pub use kept::{Earlier, Kept};
pub use made::Made;

use crate::crs::Bbox;
use crate::error::{Rejection, Result};
use crate::io::Source;
use crate::pipeline::DatasetConfig;
use crate::plan::UnitSpec;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// One line of the table of kinds.
pub struct Kind {
    /// Name in the pipeline file, in snake case.
    pub name: &'static str,
    /// What it turns into what, one line.
    pub summary: &'static str,
    /// German title of a dataset that has none of its own.
    pub title: &'static str,
    /// Patterns of the file names that count as sources, where a folder or an archive holds others too.
    pub patterns: &'static [&'static str],
    /// True when object types are called as what was delivered: the public record does not name them.
    pub types_are_delivered: bool,
    /// Artefacts that hold its features, as GeoPackage: a server offers the first that the audience has.
    pub features: &'static [&'static str],
    /// JSON Schema of the kind's own options.
    pub options: fn() -> schemars::Schema,
    /// Reads the options; no I/O.
    pub open: fn(&DatasetConfig) -> Result<Box<dyn Dataset>>,
}

/// Options of kinds that name a server in the place of files.
pub const REMOTE: &[&str] = &["endpoint", "postgis"];

/// All kinds.
pub static KINDS: &[Kind] =
    &[orthophoto::KIND, cadastre::KIND, city_model::KIND, playground::KIND, street_survey::KIND, vector_theme::KIND];

/// The kind of that name.
pub fn kind(name: &str) -> Option<&'static Kind> {
    // The flow's own tests run on a toy kind.
    #[cfg(test)]
    if name == crate::run::tests::KIND.name {
        return Some(&crate::run::tests::KIND);
    }
    KINDS.iter().find(|kind| kind.name == name)
}

/// A stage: units that can run in any order, after those of the stages that they need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// Name in plan and ledger.
    pub name: &'static str,
    /// Version of the code; raised when the same inputs give another result.
    pub version: u32,
}

/// What a kind does.
pub trait Dataset: Send + Sync {
    /// The stages, in order. A later stage is planned when the earlier ones are done, but for those beside each other, see
    /// [`Self::is_beside`].
    fn stages(&self) -> &'static [Stage];

    /// True for a stage that needs nothing of the one before it, nor of one that is beside that: they are planned and executed
    /// together, and the last unit of one does not keep all but its own thread waiting.
    fn is_beside(&self, stage: usize) -> bool {
        let _ = stage;
        false
    }

    /// Fetches what a server has of the dataset, where the pipeline names one.
    ///
    /// # Errors
    /// When what is kept cannot be read; a server that fails is no error but refused.
    fn fetch(&self, context: &FetchContext<'_>) -> Result<Fetched> {
        let _ = context;
        Ok(Fetched::default())
    }

    /// The units of a stage: the same for the same sources and earlier results, in a stable order. Reads headers at most.
    ///
    /// # Errors
    /// Only when the dataset as a whole cannot be planned; a source that cannot be read makes a unit that will be quarantined.
    fn units(&self, stage: usize, context: &PlanContext<'_>) -> Result<Vec<UnitSpec>>;

    /// Does the work of a unit: reads its inputs, adds entries to the context's pack, and says what came of it.
    ///
    /// # Errors
    /// When the unit as a whole fails: it is quarantined with this error, the others go on. An object that fails is no error
    /// but a [`Rejection`] in the outcome.
    fn execute(&self, stage: usize, unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome>;

    /// Gives back the memory that the calling thread keeps from one unit to the next: its next unit is of another dataset, whose share of
    /// the memory budget has no room for it.
    fn let_go(&self) {}

    /// Version of the code of [`Dataset::assemble`].
    fn assemble_version(&self) -> u32;

    /// True when the artefacts are others on another day: a new day then assembles anew.
    fn follows_the_day(&self) -> bool {
        false
    }

    /// Makes the artefacts from the results of all stages.
    ///
    /// # Errors
    /// When an artefact cannot be made; then nothing of this night is released.
    fn assemble(&self, context: &AssembleContext<'_>) -> Result<Assembly>;

    /// True when everybody may read the name of a source: the public record names what the dataset was made of.
    fn names_publicly(&self, source: &Source) -> bool {
        let _ = source;
        true
    }

    /// Identifiers of the objects that are personal and must not be named in anything public, whether they were dropped or kept.
    ///
    /// # Errors
    /// When a result cannot be read.
    fn protected(&self, results: &[Vec<UnitResult>]) -> Result<Vec<String>> {
        let _ = results;
        Ok(Vec::new())
    }

    /// The moment, as the ledger writes it, since when the results lack personal data that were to be deleted: what was released before
    /// may hold them, and is not kept.
    fn forgotten_since(&self, results: &[Vec<UnitResult>]) -> Option<String> {
        let _ = results;
        None
    }

    /// Pictures of a place that a unit shows otherwise than before, where the kind has such; `None` when nothing is to be seen.
    ///
    /// # Errors
    /// When a result cannot be read.
    fn changed_place(&self, stage: usize, before: &UnitResult, after: &UnitResult) -> Result<Option<ChangedPlace>> {
        let _ = (stage, before, after);
        Ok(None)
    }

    /// What became of the objects between two releases, by the dataset's folder in each, where the kind can tell.
    ///
    /// # Errors
    /// When an artefact cannot be read.
    fn object_changes(&self, before: &Path, after: &Path) -> Result<Option<ObjectChanges>> {
        let _ = (before, after);
        Ok(None)
    }

    /// The units that made an object (a tile `z/x/y`, a Flurstückskennzeichen, a `gml:id`), with a sentence for each.
    ///
    /// # Errors
    /// When the artefacts cannot be read.
    fn locate(&self, object: &str, context: &AssembleContext<'_>) -> Result<Vec<Located>>;
}

/// A place before and after, for the report.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangedPlace {
    /// What is shown, in German.
    pub title: String,
    /// A JPEG or PNG file.
    pub before: Vec<u8>,
    /// A JPEG or PNG file.
    pub after: Vec<u8>,
}

/// What became of the objects since the release before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectChanges {
    /// Objects that came.
    pub new: u64,
    /// Objects that are another now.
    pub changed: u64,
    /// Objects that are gone.
    pub removed: u64,
    /// All of them as CSV (semicolons, UTF-8 with a byte order mark).
    pub csv: String,
}

/// A unit that had a part in an object.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Located {
    /// Index of the stage.
    pub stage: usize,
    /// Key of the unit.
    pub key: String,
    /// What it did for the object.
    pub what: String,
}

/// What came of a unit. Saved in the ledger beside the digest of the pack.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Objects counted by type; only the stage that reads the sources counts.
    #[serde(default)]
    pub counts: Counts,
    /// Objects that did not get through.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejections: Vec<Rejection>,
    /// What was kept but is worth a look; never a loss. Reason and place as in a rejection.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Rejection>,
    /// Where the unit lies, in the dataset's CRS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bbox: Option<Bbox>,
    /// What later stages and the assembly want to know without opening the pack.
    #[serde(default)]
    pub summary: serde_json::Value,
}

/// Reads the options of a kind from the dataset's table.
///
/// # Errors
/// When they do not fit; the pipeline's check has said so before, with line and column.
pub fn read_options<T: serde::de::DeserializeOwned>(config: &DatasetConfig) -> Result<T> {
    let options = serde_json::Value::Object(config.options.clone().into_iter().collect());
    serde_json::from_value(options).map_err(|error| {
        crate::error::Error::new(
            "mk::config::option",
            format!("the options of dataset '{}' do not fit its kind: {error}", config.id),
        )
        .exit(crate::error::Exit::Usage)
    })
}
