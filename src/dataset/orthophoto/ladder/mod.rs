//! Tile matrix sets whose levels are not halves of each other, as a ladder of round scales.
//!
//! There the tiles of a level do not consist of tiles of the next, so that a block cannot make them alone. It is done in three stages
//! that never go back to the images:
//!
//! 1. `render`: a block of 4096 × 4096 pixels of the finest zoom is drawn, with a margin on its right and lower side. Of each coarser level
//!    it makes the pixels whose upper left corner lies in the block, as means of what they cover of the next finer level. Tiles
//!    that lie in the block as a whole are encoded; of others the block keeps its *fragment*. It ends with the first level whose tiles are
//!    larger than the block: that one is kept as pixels.
//! 2. `overview`: a group of 16 × 16 blocks joins the fragments of its own and its neighbours' blocks, and goes on from the
//!    kept pixels in the same way.
//! 3. `root`: what is left, in one piece.

mod block;
mod joining;
mod kept;
mod levels;
mod making;

pub use block::execute_block;
pub use joining::execute_join;

use super::header::Header;
use super::inspect::Inspected;
use super::options::Drawing;
use super::products::Product;
use super::render::{self, MEMORY_MB};
use crate::crs::Bbox;
use crate::dataset::{PlanContext, UnitResult};
use crate::error::Result;
use crate::format::picture::Codec;
use crate::format::tile_matrix::{Tile, TileMatrixSet};
use crate::plan::{Input, UnitSpec};
use levels::{edges, end, margin};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
/// Side of a block in pixels of the finest zoom.
const BLOCK_PX: u32 = if cfg!(test) { 512 } else { 4096 };
/// Side of a group in blocks. Both are small in tests, so that a small picture has several.
const GROUP: u32 = if cfg!(test) { 2 } else { 16 };
/// Entry of a pack: pixels of the coarsest level of the unit.
const TOP: &str = "top";
/// Entry of a pack: fragments of tiles.
const EDGES: &str = "edges";
/// Side of the squares that a block is drawn in.
const SQUARE_PX: u32 = 2048;
/// Most pixels that the last stage has in memory at once.
const MAX_ROOT_PX: i64 = 1 << 29;

#[derive(Serialize, Deserialize)]
struct BlockParams {
    /// Marks the units of this module.
    ladder: bool,
    block: [u32; 2],
    zooms: [u8; 2],
    drawing: Drawing,
    headers: Vec<Header>,
}

#[derive(Serialize, Deserialize)]
struct JoinParams {
    /// Marks the units of this module.
    ladder: bool,
    /// The group, or nothing for the last stage.
    group: Option<[u32; 2]>,
    /// Where each input comes from, and whether it is pixels of the coarsest level.
    given: Vec<([u32; 2], bool)>,
    zooms: [u8; 2],
    matrix: TileMatrixSet,
    codec: Codec,
}

/// True when a unit is one of this module.
pub fn is_rung(unit: &UnitSpec) -> bool {
    unit.params.get("ladder").is_some()
}

/// Units of the second stage for a set that is not halved.
pub fn blocks(product: &Product, images: &[Inspected<'_>], context: &PlanContext<'_>) -> Result<Vec<UnitSpec>> {
    let (matrix, zooms) = (&product.matrix, product.zooms);
    let tiles = BLOCK_PX / matrix.tile_px;
    let mut blocks: BTreeMap<[u32; 2], Vec<(usize, Bbox)>> = BTreeMap::new();
    for &(index, place) in &product.images {
        let Some((columns, rows)) = matrix.range(zooms.max, &place) else { continue };
        let (columns, rows) = (columns.start() / tiles..=columns.end() / tiles, rows.start() / tiles..=rows.end() / tiles);
        let wanted = columns.clone().count().saturating_mul(rows.clone().count()).saturating_add(blocks.len());
        render::check_size(wanted, &images[index].result.key)?;
        for y in rows {
            for x in columns.clone() {
                blocks.entry([x, y]).or_default().push((index, place));
            }
        }
    }
    let grids = render::grids(product, images, context)?;
    let to_dataset = render::to_dataset(product, images, context)?;
    let mut units = Vec::with_capacity(blocks.len());
    for (block, members) in blocks {
        let [west, north, east, south] = edges(matrix, zooms.max, block, BLOCK_PX);
        let bbox: Bbox = [west, south, east, north].into();
        // The margin shows images beyond the block too.
        let reach = margin(matrix, [zooms.min, zooms.max], block) as f64 * matrix.cell(zooms.max);
        let reached: Bbox = [west, south - reach, east + reach, north].into();
        let near = product.images.iter().filter(|(_, place)| place.intersects(&reached)).map(|(index, _)| *index);
        let near: Vec<usize> = near.collect();
        let headers: Vec<Header> = near.iter().map(|&index| images[index].image.header.clone()).collect();
        let mut inputs: Vec<Input> = near.iter().filter_map(|&index| images[index].result.inputs.first().cloned()).collect();
        inputs.extend(grids.iter().cloned());
        let piece_mb = headers.iter().map(|header| header.piece_mb).max().unwrap_or(0);
        let covered: f64 = members.iter().map(|(_, place)| render::overlap(&bbox, place)).sum();
        let params = BlockParams { ladder: true, block, zooms: [zooms.min, zooms.max], drawing: product.drawing(), headers };
        units.push(UnitSpec {
            key: product.key(&name(zooms.max, block)),
            inputs,
            params: super::to_json(&params)?,
            bbox: render::in_dataset(&to_dataset, &bbox),
            memory_mb: MEMORY_MB + 120 + 3 * piece_mb,
            cost: (covered * 1000.0) as u64 + 1,
        });
    }
    Ok(units)
}

/// Units of the third stage.
pub fn groups(product: &Product, results: &[UnitResult]) -> Result<Vec<UnitSpec>> {
    let mut groups: BTreeMap<[u32; 2], Vec<([u32; 2], &UnitResult)>> = BTreeMap::new();
    for (tile, result) in product.own(results) {
        // A block gives fragments to the groups that hold it or its left and upper neighbours.
        for y in tile.y.saturating_sub(1) / GROUP..=tile.y / GROUP {
            for x in tile.x.saturating_sub(1) / GROUP..=tile.x / GROUP {
                groups.entry([x, y]).or_default().push(([tile.x, tile.y], result));
            }
        }
    }
    let mut units = Vec::new();
    for (group, results) in groups {
        let inside = |[x, y]: [u32; 2]| [x / GROUP, y / GROUP] == group;
        // Neighbours alone have nothing that begins in the group, but they may end what a block without data would have begun.
        let any = results.iter().any(|(block, _)| inside(*block));
        let memory_mb = if any { 320 } else { 96 };
        units.extend(join(product, &name(product.zooms.max, group), Some(group), results, memory_mb)?);
    }
    Ok(units)
}

/// The unit of the fourth stage.
pub fn root(product: &Product, results: &[UnitResult]) -> Result<Option<UnitSpec>> {
    let results: Vec<([u32; 2], &UnitResult)> =
        product.own(results).into_iter().map(|(tile, result)| ([tile.x, tile.y], result)).collect();
    let ends = end(&product.matrix, [product.zooms.min, product.zooms.max], BLOCK_PX * GROUP);
    let level = product.matrix.level(ends.unwrap_or(product.zooms.min));
    let on_map = product.on_map();
    let pixels = (on_map.width() / level.cell) * (on_map.height() / level.cell);
    let memory_mb = 128 + (pixels * 6.0 / f64::from(1 << 20)) as u64;
    join(product, super::overview::ROOT, None, results, memory_mb)
}

fn join(
    product: &Product,
    part: &str,
    group: Option<[u32; 2]>,
    mut results: Vec<([u32; 2], &UnitResult)>,
    memory_mb: u64,
) -> Result<Option<UnitSpec>> {
    results.sort_by_key(|([x, y], _)| (*y, *x));
    let (mut given, mut inputs, mut bbox) = (Vec::new(), Vec::new(), Bbox::EMPTY);
    for (place, result) in results {
        let pack = result.pack()?;
        for (entry, top) in [(EDGES, false), (TOP, true)] {
            if let Some(info) = pack.entries().get(entry) {
                given.push((place, top));
                inputs.push(result.entry_as_input(entry, *info));
                bbox = result.outcome.bbox.map_or(bbox, |other| bbox.union(other));
            }
        }
    }
    if inputs.is_empty() {
        return Ok(None);
    }
    let zooms = [product.zooms.min, product.zooms.max];
    let cost = inputs.len() as u64;
    let params = JoinParams { ladder: true, group, given, zooms, matrix: product.matrix.clone(), codec: product.target.codec() };
    let bbox = (!bbox.is_empty()).then_some(bbox);
    Ok(Some(UnitSpec { key: product.key(part), inputs, params: super::to_json(&params)?, bbox, memory_mb, cost }))
}

fn name(zoom: u8, [x, y]: [u32; 2]) -> String {
    Tile { z: zoom, x, y }.to_string()
}

/// The unit that made a tile: the one whose pack has it.
pub fn locate<'a>(product: &Product, results: &'a [UnitResult], tile: Tile) -> Result<Option<&'a UnitResult>> {
    for result in product.results(results) {
        if result.pack()?.entries().contains_key(&tile.to_string()) {
            return Ok(Some(result));
        }
    }
    Ok(None)
}
