//! Playgrounds: sites, equipment and inspections of any file to what an inspector's tablet needs every morning.
//!
//! ```text
//! read (a unit per file) → fold: identities, changes from the field, equipment, due dates → GeoPackage, feed, lists, public files
//! ```
//!
//! The tables are a function of the sources. What lasts from night to night, identities and the numbers of the feed, comes from
//! the feed of the release before.

mod aerial;
mod assemble;
mod changes;
mod enrich;
mod equipment;
mod feed;
mod fold;
pub(crate) mod identity;
mod merge;
mod model;
mod options;
mod photos;
mod plan;
mod qfield;
mod read;
mod surface;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use changes::{Change, Method, changes_of};
use options::Content;
pub use options::Options;

use super::{
    AssembleContext, Assembly, Dataset, FetchContext, Fetched, Kind, Located, Outcome, PlanContext, Stage, UnitContext, remote,
};
use crate::error::Result;
use crate::io::Source;
use crate::pipeline::DatasetConfig;
use crate::plan::UnitSpec;
use std::collections::{BTreeMap, BTreeSet};

/// The kind, as the table lists it.
pub const KIND: Kind = Kind {
    name: "playground",
    summary: "playgrounds with equipment and inspections to a GeoPackage for the field, due dates and a feed of changes",
    title: "Spielplätze",
    patterns: PATTERNS,
    types_are_delivered: false,
    features: &["playground_intern.gpkg", "playground.gpkg"],
    options: || schemars::schema_for!(Options),
    open,
};

/// Tables as themes have them, changes, and pictures.
const PATTERNS: &[&str] = &[
    "*.gpkg",
    "*.gpkg.gz",
    "*.shp",
    "*.geojson",
    "*.geojson.gz",
    "*.json",
    "*.json.gz",
    "*.geojsonl",
    "*.fgb",
    "*.fgb.gz",
    "*.gml",
    "*.gml.gz",
    "*.csv",
    "*.csv.gz",
    "*.tab",
    "*.mif",
    "*.dxf",
    "*.jpg",
    "*.jpeg",
    "*.png",
    "*.webp",
    "*.heic",
];

/// Columns that the field may change, by table.
pub(crate) type Editable = BTreeMap<&'static str, BTreeSet<String>>;

/// The columns that the field may change, as a pipeline has them.
///
/// # Errors
/// When the options are wrong.
pub(crate) fn editable(config: &DatasetConfig) -> Result<Editable> {
    let columns = fold::editable(&options::read(config)?);
    Ok(columns.into_iter().map(|(table, columns)| (table, columns.into_keys().collect())).collect())
}

const READ: usize = 0;
const PHOTOS: usize = 1;

struct Playground {
    options: Options,
}

fn open(config: &DatasetConfig) -> Result<Box<dyn Dataset>> {
    Ok(Box::new(Playground { options: options::read(config)? }))
}

impl Dataset for Playground {
    fn stages(&self) -> &'static [Stage] {
        &[Stage { name: "read", version: 2 }, Stage { name: "photos", version: 1 }]
    }
    fn fetch(&self, context: &FetchContext<'_>) -> Result<Fetched> {
        let tables = self.options.tables();
        remote::fetch(&tables.iter().map(|tables| tables as &dyn remote::Remote).collect::<Vec<_>>(), context)
    }
    fn units(&self, stage: usize, context: &PlanContext<'_>) -> Result<Vec<UnitSpec>> {
        match stage {
            READ => read::units(&self.options, context),
            _ => photos::units(&self.options, context),
        }
    }
    fn execute(&self, stage: usize, unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
        match stage {
            READ => read::execute(&self.options, unit, context),
            _ => photos::execute(unit, context),
        }
    }
    fn assemble_version(&self) -> u32 {
        2
    }
    fn follows_the_day(&self) -> bool {
        self.options.as_of.is_none()
    }
    /// What comes from the field is for the office, down to the names of its files.
    fn names_publicly(&self, source: &Source) -> bool {
        let content = self.options.sorter().ok().and_then(|sorter| sorter.content(source.file_name()));
        matches!(content, Some(Content::Rows(model::SITE | model::DEVICE)))
    }
    fn assemble(&self, context: &AssembleContext<'_>) -> Result<Assembly> {
        assemble::assemble(&self.options, context)
    }
    fn locate(&self, object: &str, context: &AssembleContext<'_>) -> Result<Vec<Located>> {
        assemble::locate(object, context)
    }
}
