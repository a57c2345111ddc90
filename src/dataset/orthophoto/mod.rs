//! Orthophoto tiles to map tiles, Cloud Optimized GeoTIFFs, footprints and STAC items.
//!
//! Five stages: `inspect` (one unit for each image), `render` (blocks of tiles, from the images), `overview` and `root` (from the
//! tiles below), `cog` (each image as a file of its own, where that is asked for). One changed image redoes its inspection, its file, the
//! blocks it touches, and what lies above those.

mod archive;
mod assemble;
mod before;
mod beside;
mod cache;
mod changes;
mod cutline;
mod flight_date;
mod footprints;
mod gdal_image;
mod geo_keys;
mod header;
mod inspect;
mod ladder;
mod locate;
mod mosaic;
mod options;
mod overview;
mod painter;
mod plain_tiff;
mod preview;
mod products;
mod render;
mod services;
mod sheets;
mod stac_items;
mod tiff_pieces;
mod tiled_tiff;
mod tiles;

#[cfg(test)]
mod before_tests;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod nights;
#[cfg(test)]
mod target_tests;
#[cfg(test)]
mod tests;

pub use flight_date::FlightDate;
pub use options::{Options, Resampling, Shown, TileFormat, TileTarget};

use super::{
    AssembleContext, Assembly, ChangedPlace, Dataset, Kind, Located, Outcome, PlanContext, Stage, UnitContext, UnitResult,
};
use crate::error::{Error, Result};
use crate::io::Source;
use crate::pipeline::DatasetConfig;
use crate::plan::UnitSpec;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The kind, as the table lists it.
pub const KIND: Kind = Kind {
    name: "orthophoto",
    summary: "Orthophoto tiles to map tiles, footprints and STAC items",
    title: "Orthophotos",
    patterns: &["*.tif", "*.tiff", "*.jp2", "*.jpg", "*.jpeg", "*.png", "*.ecw"],
    types_are_delivered: false,
    features: &[],
    options: || schemars::schema_for!(Options),
    open,
};

/// A dataset of the kind.
pub(crate) struct Orthophoto {
    options: Options,
    /// Names and definitions of the sets of tiles.
    targets: Vec<(String, TileTarget)>,
}

fn open(config: &DatasetConfig) -> Result<Box<dyn Dataset>> {
    let options: Options = super::read_options(config)?;
    let targets = options.targets()?;
    Ok(Box::new(Orthophoto { options, targets }))
}

const INSPECT: usize = 0;
const RENDER: usize = 1;
const OVERVIEW: usize = 2;
const ROOT: usize = 3;
const COG: usize = 4;

impl Dataset for Orthophoto {
    fn stages(&self) -> &'static [Stage] {
        &[
            Stage { name: "inspect", version: 2 },
            Stage { name: "render", version: 3 },
            Stage { name: "overview", version: 2 },
            Stage { name: "root", version: 2 },
            Stage { name: "cog", version: 1 },
        ]
    }
    fn is_beside(&self, stage: usize) -> bool {
        // The root is one unit; sheets need what was found when they were inspected.
        stage == COG
    }
    fn units(&self, stage: usize, context: &PlanContext<'_>) -> Result<Vec<UnitSpec>> {
        // Whoever asks for one artefact does not wait for another's units.
        let needed = match (context.area.only.as_deref(), stage) {
            (None, COG) => self.options.cog,
            (Some(only), COG) => only == "cog",
            (Some(only), RENDER | OVERVIEW | ROOT) => matches!(only, "pmtiles" | "tree" | "preview"),
            _ => true,
        };
        if !needed {
            return Ok(Vec::new());
        }
        match stage {
            INSPECT => inspect::units(self, context),
            RENDER => render::units(self, context),
            OVERVIEW => overview::units(self, context),
            ROOT => overview::root(self, context),
            _ => sheets::units(context),
        }
    }
    fn execute(&self, stage: usize, unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
        match stage {
            INSPECT => inspect::execute(unit, context),
            RENDER => render::execute(unit, context),
            OVERVIEW | ROOT => overview::execute(unit, context),
            _ => sheets::execute(unit, context),
        }
    }
    fn let_go(&self) {
        render::let_go();
    }
    fn assemble_version(&self) -> u32 {
        4
    }
    fn assemble(&self, context: &AssembleContext<'_>) -> Result<Assembly> {
        assemble::assemble(self, context)
    }
    fn changed_place(&self, stage: usize, before: &UnitResult, after: &UnitResult) -> Result<Option<ChangedPlace>> {
        if stage == RENDER { changes::place(before, after) } else { Ok(None) }
    }
    fn locate(&self, object: &str, context: &AssembleContext<'_>) -> Result<Vec<Located>> {
        locate::locate(self, object, context)
    }
}

fn to_json<T: Serialize>(value: &T) -> Result<serde_json::Value> {
    serde_json::to_value(value).map_err(|error| Error::new("mk::orthophoto::json", "cannot write what is kept").because(error))
}

fn from_json<T: DeserializeOwned>(value: &serde_json::Value) -> Result<T> {
    T::deserialize(value).map_err(|error| Error::new("mk::orthophoto::json", "cannot read what was kept").because(error))
}

/// The source that is the unit's input at `index`.
fn source(unit: &UnitSpec, index: usize) -> Result<Source> {
    unit.inputs
        .get(index)
        .and_then(crate::plan::Input::as_source)
        .ok_or_else(|| Error::new("mk::orthophoto::input", format!("the unit {} has no image as input {index}", unit.key)))
}
