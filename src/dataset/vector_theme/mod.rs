//! Any other theme: nature reserves, the condition of roads, traffic. Vector data of any format to tables, tiles and styles.
//!
//! ```text
//! read (a unit per file) → tiles (a unit per square of the map) → GeoParquet, FlatGeobuf, GeoPackage, GeoJSON, PMTiles, styles
//! ```

mod assemble;
mod cells;
mod changes;
mod mapping;
mod options;
mod read;
mod rows;
mod style;
#[cfg(test)]
mod tests;
mod tiles;
mod whole;

pub use options::Options;

use super::{
    AssembleContext, Assembly, Dataset, FetchContext, Fetched, Kind, Located, ObjectChanges, Outcome, PlanContext, Stage,
    UnitContext, remote,
};
use crate::error::Result;
use crate::pipeline::DatasetConfig;
use crate::plan::UnitSpec;
use std::path::Path;

/// The kind, as the table lists it.
pub const KIND: Kind = Kind {
    name: "vector_theme",
    summary: "vector data of any format to tables, vector tiles and styles",
    title: "Fachthema",
    patterns: &[
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
        "*.xml",
        "*.xml.gz",
        "*.csv",
        "*.csv.gz",
        "*.tab",
        "*.mif",
        "*.dxf",
    ],
    types_are_delivered: true,
    features: &["theme.gpkg"],
    options: || schemars::schema_for!(Options),
    open,
};

const READ: usize = 0;
const TILES: usize = 1;

struct VectorTheme {
    options: Options,
}

fn open(config: &DatasetConfig) -> Result<Box<dyn Dataset>> {
    Ok(Box::new(VectorTheme { options: options::read(config)? }))
}

impl Dataset for VectorTheme {
    fn stages(&self) -> &'static [Stage] {
        &[Stage { name: "read", version: 1 }, Stage { name: "tiles", version: 2 }]
    }
    fn fetch(&self, context: &FetchContext<'_>) -> Result<Fetched> {
        let tables = self.options.tables();
        let servers = self.options.endpoint.iter().map(|server| server as &dyn remote::Remote);
        remote::fetch(&servers.chain(tables.iter().map(|tables| tables as &dyn remote::Remote)).collect::<Vec<_>>(), context)
    }
    fn units(&self, stage: usize, context: &PlanContext<'_>) -> Result<Vec<UnitSpec>> {
        match stage {
            READ => read::units(context),
            _ => tiles::units(&self.options, context, context.earlier.get(READ).map_or(&[][..], Vec::as_slice)),
        }
    }
    fn execute(&self, stage: usize, unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
        match stage {
            READ => read::execute(&self.options, unit, context),
            _ => tiles::execute(&self.options, unit, context),
        }
    }
    fn assemble_version(&self) -> u32 {
        1
    }
    fn assemble(&self, context: &AssembleContext<'_>) -> Result<Assembly> {
        assemble::assemble(&self.options, context)
    }
    fn object_changes(&self, before: &Path, after: &Path) -> Result<Option<ObjectChanges>> {
        let table = |folder: &Path| folder.join(assemble::PARQUET);
        changes::between(&table(before), &table(after), self.options.key.as_deref())
    }
    fn locate(&self, object: &str, context: &AssembleContext<'_>) -> Result<Vec<Located>> {
        assemble::locate(&self.options, object, context)
    }
}
