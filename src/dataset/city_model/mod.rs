//! CityGML and CityJSON buildings to 3D Tiles at ellipsoidal heights.
//!
//! Stage `read` turns each file into buildings by cell of 500 m; stage `tile` merges the buildings of some cells from all files and
//! builds their GLB; the assembly writes tileset, table, CityJSONSeq and preview. Heights are never guessed (`heights`).

mod artefacts;
mod cell;
mod codec;
mod footprint;
mod heights;
mod history;
mod labels;
mod maptiles;
mod measure;
mod model;
mod options;
mod outputs;
mod pictures;
mod preview;
mod read;
mod reader;
mod table;
#[cfg(test)]
mod tests;
mod texture;
mod tile;
mod tiling;
mod utm;

pub use heights::VerticalOption;
pub use history::Day;
pub use options::{ColourOption, CompressionOption, LodOption, Options};

use super::{AssembleContext, Assembly, Dataset, Kind, Located, Outcome, PlanContext, Stage, UnitContext, UnitResult};
use crate::crs::{Geoid, Vertical};
use crate::error::{Error, Result};
use crate::io::Digest;
use crate::pipeline::DatasetConfig;
use crate::plan::{InputKind, UnitSpec};
use heights::Ground;
use read::Listed;
use std::borrow::Cow;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// The kind, as the table lists it.
pub const KIND: Kind = Kind {
    name: "city_model",
    summary: "CityGML and CityJSON buildings to 3D Tiles at ellipsoidal heights",
    title: "3D-Gebäudemodell LoD2",
    patterns: &[
        "*.gml",
        "*.xml",
        "*.citygml",
        "*.gml.gz",
        "*.xml.gz",
        "*.city.json",
        "*.city.jsonl",
        "*.city.json.gz",
        "*.city.jsonl.gz",
    ],
    types_are_delivered: false,
    features: &["buildings.gpkg"],
    options: || schemars::schema_for!(Options),
    open,
};

const READ: usize = 0;
const TILE: usize = 1;

struct CityModel {
    options: Options,
    /// The grid that was read last: all tiles of a night share it.
    geoid: Mutex<Option<(Digest, Geoid)>>,
}

fn open(config: &DatasetConfig) -> Result<Box<dyn Dataset>> {
    Ok(Box::new(CityModel { options: super::read_options(config)?, geoid: Mutex::new(None) }))
}

impl CityModel {
    /// The grid of the options, read anew; `None` without one.
    fn grid(&self, folder: &Path) -> Result<Option<Geoid>> {
        let Some(path) = &self.options.geoid else { return Ok(None) };
        let geoid = Geoid::open(&folder.join(path))?;
        *self.geoid.lock().unwrap_or_else(PoisonError::into_inner) = Some((geoid.fact().digest, geoid.clone()));
        Ok(Some(geoid))
    }
    /// The grid of that content, from memory where it is there.
    fn grid_of(&self, path: &Path, digest: Digest) -> Result<Geoid> {
        let mut kept = self.geoid.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, geoid)) = &*kept
            && *known == digest
        {
            return Ok(geoid.clone());
        }
        let geoid = Geoid::open(path)?;
        if geoid.fact().digest != digest {
            return Err(Error::new("mk::run::input", format!("the grid {} has changed since the plan", geoid.fact().name)));
        }
        *kept = Some((digest, geoid.clone()));
        Ok(geoid)
    }
    /// The grid that heights of that reference need; an error where it is missing.
    fn grid_for(&self, vertical: Option<Vertical>, folder: &Path) -> Result<Option<Geoid>> {
        match vertical {
            None | Some(Vertical::Ellipsoidal) => Ok(None),
            Some(vertical) => self.grid(folder)?.map(Some).ok_or_else(|| heights::grid_missing(vertical)),
        }
    }
    /// The files that tiles and tables show: all, or those that hold on the day that is asked for.
    fn shown<'r>(&self, results: &'r [Vec<UnitResult>]) -> Cow<'r, [UnitResult]> {
        let read = results.get(READ).map(Vec::as_slice).unwrap_or_default();
        if self.options.dated() { history::holding(read, self.options.as_of.as_ref()).into() } else { read.into() }
    }
    /// All deliveries up to the day that is asked for.
    fn known(&self, results: &[Vec<UnitResult>]) -> Vec<UnitResult> {
        let read = results.get(READ).into_iter().flatten();
        let until = |result: &&UnitResult| {
            history::delivery(&result.key).is_some_and(|it| self.options.as_of.as_ref().is_none_or(|day| it.day <= *day))
        };
        read.filter(until).cloned().collect()
    }
    fn copyright(&self, dataset: &DatasetConfig, geoid: Option<&Geoid>) -> String {
        let metadata = dataset.metadata.attribution.as_deref();
        artefacts::copyright(self.options.copyright.as_deref(), metadata, geoid.map(Geoid::fact))
    }
}

impl Dataset for CityModel {
    fn stages(&self) -> &'static [Stage] {
        &[Stage { name: "read", version: 4 }, Stage { name: "tile", version: 4 }]
    }

    fn units(&self, stage: usize, context: &PlanContext<'_>) -> Result<Vec<UnitSpec>> {
        if stage == READ {
            // A grid that is named but cannot be read stops the night before any work.
            self.grid(&context.area.folder)?;
            return Ok(context.sources.iter().map(|source| read::unit(source, &self.options, context.area)).collect());
        }
        let read = self.shown(context.earlier);
        if read.is_empty() {
            return Ok(Vec::new());
        }
        let whole = artefacts::whole(&read)?;
        let geoid = self.grid_for(whole.vertical, &context.area.folder)?;
        let copyright = self.copyright(context.dataset, geoid.as_ref());
        tiling::units(&read, context.sources, &artefacts::params(&whole, &self.options, copyright), geoid.as_ref())
    }

    fn execute(&self, stage: usize, unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
        if stage != TILE {
            return read::execute(unit, &self.options, context);
        }
        let grid = unit.inputs.iter().find(|input| input.kind == InputKind::Grid);
        let geoid = grid.map(|grid| self.grid_of(&grid.path, grid.digest)).transpose()?;
        tile::execute(unit, geoid, context)
    }

    fn assemble_version(&self) -> u32 {
        4
    }

    fn assemble(&self, context: &AssembleContext<'_>) -> Result<Assembly> {
        let read = self.shown(context.results);
        if let (true, Some(day)) = (read.is_empty(), &self.options.as_of) {
            return Err(Error::new("mk::city_model::as_of", format!("no delivery is as old as {day}")));
        }
        let whole = artefacts::whole(&read)?;
        let geoid = self.grid_for(whole.vertical, &context.area.folder)?;
        let copyright = self.copyright(context.dataset, geoid.as_ref());
        let ground = Ground::new(whole.crs, geoid, &context.area.grids)?;
        let known = self.options.history.then(|| self.known(context.results));
        artefacts::assemble(context, known.as_deref(), &ground, &whole, &copyright)
    }

    fn locate(&self, object: &str, context: &AssembleContext<'_>) -> Result<Vec<Located>> {
        let mut located = Vec::new();
        let mut cells = std::collections::BTreeSet::new();
        for result in context.results.first().into_iter().flatten() {
            for (_, Listed { cell, .. }) in read::listed(&mut result.pack()?)?.into_iter().filter(|(id, _)| id == object) {
                let what = format!("holds {object}, in cell {}", cell.name());
                located.push(Located { stage: READ, key: result.key.clone(), what });
                cells.insert(cell);
            }
        }
        for result in context.results.get(TILE).into_iter().flatten() {
            let summary: tile::Summary = artefacts::summary(result)?;
            let block = tile::block(&result.key, summary.cells)?;
            if !cells.iter().any(|&cell| block.covers(cell)) {
                continue;
            }
            let buildings = codec::decode(&result.pack()?.read(tile::BUILDINGS)?)?;
            let what = if buildings.iter().any(|building| building.id == object || building.parts.iter().any(|p| p.id == object))
            {
                format!("shows {object}; buildings in the tile: {}", buildings.len())
            } else {
                format!("leaves {object} to a newer delivery in another tile")
            };
            located.push(Located { stage: TILE, key: result.key.clone(), what });
        }
        Ok(located)
    }
}
