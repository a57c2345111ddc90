//! The third and fourth stage: overviews, halved from the tiles below without going back to the images.
//!
//! An overview unit is a tile four zooms above the blocks; the root is everything above those. Both walk down from a tile to those
//! that are known, so that only four tiles of each zoom are in memory at once. What lies above unchanged tiles only is halved again, for
//! what is above that, but its tile is taken over from the last result.

use super::Orthophoto;
use super::before;
use super::inspect;
use super::ladder;
use super::products::{Product, products};
use super::tiles::{self, TOP, TileSink};
use crate::dataset::{Outcome, PlanContext, UnitContext, UnitResult};
use crate::error::Result;
use crate::format::picture::Codec;
use crate::format::tile_matrix::Tile;
use crate::io::{Digest, Pack};
use crate::plan::{Input, UnitSpec};
use crate::raster::{self, Rgbx};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Zooms from an overview unit to the blocks.
pub const LEVELS: u8 = 4;
/// Key of the only unit of the last stage.
pub const ROOT: &str = "root";

/// A tile of the overview with the blocks in it.
type Group<'a> = (Tile, Vec<(Tile, &'a UnitResult)>);

#[derive(Serialize, Deserialize)]
struct Params {
    /// Tiles that the unit makes with all between them and those it is given.
    from: Vec<Tile>,
    /// Tiles that it is given, in the order of the inputs.
    given: Vec<Tile>,
    min_zoom: u8,
    codec: Codec,
    tile_px: u32,
}

/// Units of the third stage (`blocks`: results of the second).
pub fn units(dataset: &Orthophoto, context: &PlanContext<'_>) -> Result<Vec<UnitSpec>> {
    let images = inspect::images(&context.earlier[0])?;
    let mut units = Vec::new();
    for product in products(dataset, &images, context.area)? {
        let zooms = product.zooms;
        if !product.is_halved() {
            units.extend(ladder::groups(&product, &context.earlier[1])?);
            continue;
        }
        if zooms.overview() >= zooms.block {
            continue;
        }
        let mut groups: BTreeMap<u64, Group<'_>> = BTreeMap::new();
        for (block, result) in product.own(&context.earlier[1]) {
            let tile = block.ancestor(zooms.block - zooms.overview());
            groups.entry(tile.id()).or_insert_with(|| (tile, Vec::new())).1.push((block, result));
        }
        for (tile, results) in groups.into_values() {
            units.extend(unit(&product, &tile.to_string(), vec![tile], results)?);
        }
    }
    Ok(units)
}

/// The units of the fourth stage: for each set one, when there are zooms above the third.
pub fn root(dataset: &Orthophoto, context: &PlanContext<'_>) -> Result<Vec<UnitSpec>> {
    let images = inspect::images(&context.earlier[0])?;
    let mut units = Vec::new();
    for product in products(dataset, &images, context.area)? {
        let zooms = product.zooms;
        if !product.is_halved() {
            units.extend(ladder::root(&product, &context.earlier[2])?);
            continue;
        }
        if zooms.min >= zooms.overview() {
            continue;
        }
        let stage = if zooms.overview() < zooms.block { 2 } else { 1 };
        let below = product.own(&context.earlier[stage]);
        let mut from: Vec<Tile> = below.iter().map(|(tile, _)| tile.ancestor(zooms.overview() - zooms.min)).collect();
        from.sort_by_key(|tile| tile.id());
        from.dedup();
        units.extend(unit(&product, ROOT, from, below)?);
    }
    Ok(units)
}

/// A unit over the pixels of earlier results; `None` when none of them has any.
fn unit(product: &Product, part: &str, from: Vec<Tile>, mut results: Vec<(Tile, &UnitResult)>) -> Result<Option<UnitSpec>> {
    results.sort_by_key(|(tile, _)| tile.id());
    let (mut given, mut inputs) = (Vec::new(), Vec::new());
    let mut bbox = crate::crs::Bbox::EMPTY;
    for (tile, result) in results {
        if let Some(entry) = result.pack()?.entries().get(TOP) {
            given.push(tile);
            inputs.push(result.entry_as_input(TOP, *entry));
            bbox = result.outcome.bbox.map_or(bbox, |other| bbox.union(other));
        }
    }
    if inputs.is_empty() {
        return Ok(None);
    }
    let cost = inputs.len() as u64;
    let params =
        Params { from, given, min_zoom: product.zooms.min, codec: product.target.codec(), tile_px: product.matrix.tile_px };
    let bbox = (!bbox.is_empty()).then_some(bbox);
    Ok(Some(UnitSpec { key: product.key(part), inputs, params: super::to_json(&params)?, bbox, memory_mb: 64, cost }))
}

pub fn execute(unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
    if ladder::is_rung(unit) {
        return ladder::execute_join(unit, context);
    }
    let params: Params = super::from_json(&unit.params)?;
    let known: BTreeMap<Tile, &Input> = params.given.iter().copied().zip(&unit.inputs).collect();
    let lowest = params.given.iter().map(|tile| tile.z).max().unwrap_or(0);
    let sink = TileSink::new(params.codec, params.min_zoom)?;
    let made_by = super::to_json(&(params.min_zoom, params.codec, params.tile_px))?;
    let before = context.previous.filter(|previous| previous.outcome.summary["made_by"] == made_by);
    let before = before.and_then(|previous| Some((before::sound(previous)?, changed(&previous.inputs, &unit.inputs)?)));
    let mut walk = Walk { known, lowest, tile_px: params.tile_px as usize, sink, before, context };
    let mut tops = Vec::new();
    for &tile in &params.from {
        tops.extend(walk.tile(tile)?.map(|top| (tile, top)));
    }
    let mut summary = walk.sink.summary(params.tile_px, None);
    summary["made_by"] = made_by;
    if let [(_, top)] = tops.as_slice() {
        context.pack.add(TOP, &tiles::pack_pixels(top)?)?;
    }
    Ok(Outcome { bbox: unit.bbox, summary, ..Outcome::default() })
}

/// The tiles that one of two units is given and the other is not, or with other pixels; nothing when an input is no tile.
fn changed(before: &[Input], now: &[Input]) -> Option<BTreeSet<Tile>> {
    let given = |inputs: &[Input]| -> BTreeSet<(String, Digest)> {
        inputs.iter().map(|input| (input.name.clone(), input.digest)).collect()
    };
    let (before, now) = (given(before), given(now));
    let names = before.symmetric_difference(&now).map(|(name, _)| name);
    // As `Product::key` and `UnitResult::entry_as_input` name them: `set:z/x/y#top`.
    names.map(|name| name.strip_suffix(TOP)?.strip_suffix('#')?.rsplit(':').next()?.parse().ok()).collect()
}

struct Walk<'a, 'b> {
    known: BTreeMap<Tile, &'a Input>,
    lowest: u8,
    tile_px: usize,
    sink: TileSink,
    /// The last result, and the given tiles that are others now.
    before: Option<(Pack, BTreeSet<Tile>)>,
    context: &'a mut UnitContext<'b>,
}

impl Walk<'_, '_> {
    /// The pixels of a tile; `None` when there is nothing in it. Depth is the number of zooms.
    fn tile(&mut self, tile: Tile) -> Result<Option<Rgbx>> {
        if let Some(input) = self.known.get(&tile) {
            return tiles::unpack_pixels(&self.context.entry(input)?, self.tile_px).map(Some);
        }
        if tile.z >= self.lowest || !self.has_any(tile) {
            return Ok(None);
        }
        self.context.check()?;
        let half = self.tile_px / 2;
        let mut picture = None;
        for (index, child) in tile.children().into_iter().enumerate() {
            if let Some(child) = self.tile(child)? {
                let picture = picture.get_or_insert_with(|| Rgbx::empty(self.tile_px, self.tile_px));
                raster::halve_into(&child, [0, 0], [self.tile_px; 2], picture, [index % 2 * half, index / 2 * half]);
            }
        }
        if let Some(picture) = &picture {
            match &mut self.before {
                Some((pack, changed)) if !any_below(changed.iter(), tile) => {
                    self.sink.take_over(self.context.pack, pack, tile, tile.z)?;
                }
                _ => self.sink.add_all(self.context.pack, picture, tile.z, tile, self.tile_px)?,
            }
        }
        Ok(picture)
    }

    /// True when a known tile lies below.
    fn has_any(&self, tile: Tile) -> bool {
        any_below(self.known.keys(), tile)
    }
}

/// True when one of the tiles lies below another, or is it.
fn any_below<'a>(mut tiles: impl Iterator<Item = &'a Tile>, tile: Tile) -> bool {
    tiles.any(|below| below.z >= tile.z && below.ancestor(below.z - tile.z) == tile)
}
