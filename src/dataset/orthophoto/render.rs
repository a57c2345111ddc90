//! The second stage: blocks of tiles, each drawn from the images that touch it.
//!
//! A block is a tile five zooms above the highest (8192 × 8192 pixels). It is drawn in metatiles of 2048 × 2048 pixels, each
//! resampled once; its overviews are halved in memory. The block's own tile is kept as pixels too, for the stage above. When an image
//! changes, the metatiles that do not show it are taken over from the last result.

use super::before::{Before, Metatiles};
use super::cache::{BORDER_BYTES, Borders, Spare};
use super::inspect::{self, Inspected};
use super::ladder;
use super::mosaic;
use super::options::{Drawing, TileTarget};
use super::painter::{MARGIN, Painter, Scene};
use super::products::{Product, products};
use super::tiles::{self, TOP, TileSink};
use super::{Orthophoto, header::Header};
use crate::crs::{Bbox, Crs, Operation};
use crate::dataset::{Outcome, PlanContext, UnitContext};
use crate::error::{Error, Place, Result};
use crate::format::tile_matrix::{Tile, TileMatrixSet};
use crate::io::{Digest, PackWriter};
use crate::plan::{Input, InputKind, UnitSpec};
use crate::raster::{self, Rgbx};
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Zooms from a block to its smallest tiles.
const BLOCK_LEVELS: u8 = 5;
/// Zooms from a metatile to its smallest tiles.
const METATILE_LEVELS: u8 = 3;
/// Default of the lowest zoom in WebMercatorQuad.
const DEFAULT_MIN_ZOOM: u8 = 10;
/// In other sets the lowest zoom is by default the last one whose pixels are not finer than this on the ground, in metres.
const DEFAULT_COARSEST_M: f64 = 80.0;
/// Most blocks of a dataset, 8192 × 8192 pixels each: more than Germany at 20 cm.
const MAX_BLOCKS: usize = 1 << 19;

/// Zooms of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zooms {
    /// Lowest zoom with tiles.
    pub min: u8,
    /// Zoom of the blocks.
    pub block: u8,
    /// Highest zoom with tiles.
    pub max: u8,
}

impl Zooms {
    /// The zooms that the options ask for, or that suit the images.
    pub fn of<'a>(target: &TileTarget, matrix: &TileMatrixSet, images: impl Iterator<Item = &'a Inspected<'a>>) -> Self {
        let [min, max] = target.zoom.unwrap_or_else(|| {
            let max = images.map(|inspected| natural_zoom(matrix, inspected)).max().unwrap_or(0);
            let coarse = |zoom: &u8| matrix.crs == Crs::WEB_MERCATOR || matrix.ground_m(*zoom, 0.0) >= DEFAULT_COARSEST_M;
            let least = (0..=DEFAULT_MIN_ZOOM.min(max)).rev().find(coarse).unwrap_or(0);
            [least, max]
        });
        Self { min, block: max.saturating_sub(BLOCK_LEVELS).max(matrix.halved_down_to(max)), max }
    }
    /// The zooms with the results of the two stages above the blocks: the root's, and the overview's. Each begins where the one
    /// before ends.
    pub fn overview(self) -> u8 {
        self.block.saturating_sub(super::overview::LEVELS).max(self.min).min(self.block)
    }
}

/// The first zoom whose pixels are not coarser than the image's (by more than a tenth of a zoom), at its latitude.
fn natural_zoom(matrix: &TileMatrixSet, inspected: &Inspected<'_>) -> u8 {
    let latitude = inspected.image.lonlat.centre()[1];
    let wanted = inspected.image.resolution_m * 0.1_f64.exp2();
    let last = matrix.last_zoom().min(24);
    (0..=last).find(|zoom| matrix.ground_m(*zoom, latitude) <= wanted).unwrap_or(last)
}

#[derive(Serialize, Deserialize)]
struct Params {
    block: Tile,
    min_zoom: u8,
    max_zoom: u8,
    drawing: Drawing,
    headers: Vec<Header>,
}

pub fn units(dataset: &Orthophoto, context: &PlanContext<'_>) -> Result<Vec<UnitSpec>> {
    let images = inspect::images(&context.earlier[0])?;
    let mut units = Vec::new();
    for product in products(dataset, &images, context.area)? {
        units.extend(if product.is_halved() {
            blocks(&product, &images, context)?
        } else {
            ladder::blocks(&product, &images, context)?
        });
    }
    Ok(units)
}

/// Blocks of a set of tiles.
fn blocks(product: &Product, images: &[Inspected<'_>], context: &PlanContext<'_>) -> Result<Vec<UnitSpec>> {
    let (matrix, zooms) = (&product.matrix, product.zooms);
    let mut blocks: BTreeMap<u64, (Tile, Vec<(usize, Bbox)>)> = BTreeMap::new();
    for &(index, place) in &product.images {
        let Some((columns, rows)) = matrix.range(zooms.block, &place) else { continue };
        let wanted = columns.clone().count().saturating_mul(rows.clone().count()).saturating_add(blocks.len());
        check_size(wanted, &images[index].result.key)?;
        for y in rows {
            for x in columns.clone() {
                let tile = Tile { z: zooms.block, x, y };
                blocks.entry(tile.id()).or_insert_with(|| (tile, Vec::new()));
            }
        }
    }
    // A pixel at the border of a block is mixed from what lies beside it too.
    for &(index, place) in &product.images {
        let header = &images[index].image.header;
        let pixel = (place.width() / f64::from(header.width)).max(place.height() / f64::from(header.height));
        let reach = MARGIN as f64 * pixel.max(matrix.cell(zooms.max));
        let Some((columns, rows)) = matrix.range(zooms.block, &place.widened(reach)) else { continue };
        for (x, y) in rows.flat_map(|y| columns.clone().map(move |x| (x, y))) {
            if let Some((_, members)) = blocks.get_mut(&Tile { z: zooms.block, x, y }.id()) {
                members.push((index, place));
            }
        }
    }
    let grids = grids(product, images, context)?;
    let to_dataset = to_dataset(product, images, context)?;
    let mut units = Vec::with_capacity(blocks.len());
    for (tile, members) in blocks.into_values() {
        let params = Params {
            block: tile,
            min_zoom: zooms.min,
            max_zoom: zooms.max,
            drawing: product.drawing(),
            headers: members.iter().map(|&(index, _)| images[index].image.header.clone()).collect(),
        };
        // The image itself: what lies beside it is in its header.
        let mut inputs: Vec<Input> =
            members.iter().filter_map(|&(index, _)| images[index].result.inputs.first().cloned()).collect();
        inputs.extend(grids.iter().cloned());
        let piece_mb = params.headers.iter().map(|header| header.piece_mb).max().unwrap_or(0);
        let bbox = matrix.bbox(tile);
        let covered: f64 = members.iter().map(|(_, place)| overlap(&bbox, place)).sum();
        units.push(UnitSpec {
            key: product.key(&tile.to_string()),
            inputs,
            params: super::to_json(&params)?,
            bbox: in_dataset(&to_dataset, &bbox),
            memory_mb: MEMORY_MB + 3 * piece_mb,
            // In halves: blocks keep their order, along the curve, so that a border is needed again while it is there; what is small
            // comes last.
            cost: (covered * 2.0).ceil() as u64 + 1,
        });
    }
    Ok(units)
}

/// Two windows of sources 76; where several layers show, another 38 and two pictures 32; as much as a window while GDAL reads 38;
/// decoded tiles 64, and those that wait for the next 32; tiles above, and what is taken over, 6 MiB; and the borders of all blocks, which
/// one block alone may fill. Mostly it is a third of that.
pub const MEMORY_MB: u64 = 286 + (BORDER_BYTES >> 20) as u64;

/// Refuses what would be more blocks than any area needs.
pub fn check_size(wanted: usize, image: &str) -> Result<()> {
    if wanted > MAX_BLOCKS {
        return Err(Error::new("mk::orthophoto::size", "the images need more tiles than can be planned")
            .at(Place::file(image))
            .hint("set a lower highest zoom, or put coarse and fine images into datasets of their own"));
    }
    Ok(())
}

/// From the map of a set of tiles to the CRS of the dataset.
pub fn to_dataset(product: &Product, images: &[Inspected<'_>], context: &PlanContext<'_>) -> Result<Operation> {
    Operation::between(product.matrix.crs, inspect::dataset_crs(images, context.area), &context.area.grids)
}

/// A box of the map in the CRS of the dataset, where that has an answer.
pub fn in_dataset(operation: &Operation, bbox: &Bbox) -> Option<Bbox> {
    let mut corners = [bbox.min, bbox.max, [bbox.min[0], bbox.max[1]], [bbox.max[0], bbox.min[1]]];
    operation.forward(&mut corners).ok().map(|()| Bbox::around(corners))
}

/// Share of a block that an image covers.
pub fn overlap(block: &Bbox, image: &Bbox) -> f64 {
    let along = |axis: usize| (block.max[axis].min(image.max[axis]) - block.min[axis].max(image.min[axis])).max(0.0);
    along(0) * along(1) / (block.width() * block.height())
}

/// The grid files of all operations, as inputs.
pub fn grids(product: &Product, images: &[Inspected<'_>], context: &PlanContext<'_>) -> Result<Vec<Input>> {
    let mut grids = BTreeMap::new();
    let mut seen = std::collections::BTreeSet::new();
    for &(index, _) in &product.images {
        let crs = images[index].image.header.crs;
        if !seen.insert(crs) {
            continue;
        }
        let operation = Operation::between(crs, product.matrix.crs, &context.area.grids)?;
        for (fact, path) in operation.fact().grids.iter().zip(operation.grid_files()) {
            let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
            let (name, path, digest) = (fact.name.clone(), path.clone(), fact.digest);
            grids.insert(name.clone(), Input { kind: InputKind::Grid, name, path, member: None, size, digest });
        }
    }
    Ok(grids.into_values().collect())
}

pub fn execute(unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
    if ladder::is_rung(unit) {
        return ladder::execute_block(unit, context);
    }
    let params: Params = super::from_json(&unit.params)?;
    let members = mosaic::members(unit, &params.headers, context.scratch)?;
    let mut painter = Painter::new(members, &params.drawing, params.max_zoom, &context.area.grids)?;
    let mut sink = TileSink::new(params.drawing.codec, params.min_zoom)?;
    let mut room = ROOM.take();
    painter.reader().lend(std::mem::take(&mut room.tiles));
    painter.begin(params.block, Arc::clone(room.borders.get_or_insert_with(Borders::of_stage)))?;
    block(&params, &mut painter, &mut sink, &mut room, context)?;
    let pieces = painter.reader().pieces();
    room.tiles = painter.give_back();
    ROOM.set(room);
    let summary = sink.summary(params.drawing.matrix.tile_px, Some(pieces));
    Ok(Outcome { bbox: unit.bbox, summary, ..Outcome::default() })
}

/// Memory that a block is drawn in.
#[derive(Default)]
struct Room {
    scenes: [Scene; 2],
    pyramid: Pyramid,
    tiles: Spare,
    borders: Option<Arc<Borders>>,
}

thread_local! {
    /// That of the last block of this thread of the engine, which ends with its stage: getting new memory from the system for each
    /// block costs a twentieth of the processor time.
    static ROOM: Cell<Room> = Cell::default();
}

/// Gives back the memory that this thread keeps for the next block.
pub fn let_go() {
    drop(ROOM.take());
}

/// Draws all tiles of a block, and keeps the pixels of its own unless no image has a valid one there. Metatiles that would be drawn from the
/// same as for the last result are taken over from it.
///
/// While a metatile is drawn the sources of the next are decoded, on another thread if one is free: at the end of a night, when fewer
/// blocks are left than there are threads, a block is done in half the time.
fn block(
    params: &Params,
    painter: &mut Painter,
    sink: &mut TileSink,
    room: &mut Room,
    context: &mut UnitContext<'_>,
) -> Result<()> {
    let tile_px = params.drawing.matrix.tile_px as usize;
    let zoom = params.max_zoom.saturating_sub(METATILE_LEVELS).max(params.block.z);
    let side = 1_u32 << (zoom - params.block.z);
    // Row by row, to and fro: each is beside the one before, and of the sources that two share few have to be kept.
    let metatiles: Vec<Tile> = (0..side * side)
        .map(|index| {
            let (column, row) = (index % side, index / side);
            let column = if row % 2 == 0 { column } else { side - 1 - column };
            Tile { z: zoom, x: params.block.x * side + column, y: params.block.y * side + row }
        })
        .collect();
    let Room { scenes: [scene, coming], pyramid, .. } = room;
    let halved_px = tile_px * side as usize / 2;
    let mut before = if side > 1 { Before::of(context.previous, params.min_zoom, halved_px) } else { None };
    let mut now = Metatiles { min_zoom: params.min_zoom, ..Metatiles::default() };
    let known: Vec<Option<Digest>> =
        metatiles.iter().map(|metatile| before.as_ref().and_then(|before| before.drawn_from(*metatile))).collect();
    pyramid.begin(params, zoom, tile_px);
    let mut drawn_from = match metatiles.first() {
        Some(first) => painter.prepare(*first, known[0], scene)?,
        None => return Ok(()),
    };
    for (index, metatile) in metatiles.iter().enumerate() {
        context.check()?;
        now.drawn_from.insert(metatile.to_string(), drawn_from);
        let next = metatiles.get(index + 1);
        let pack = &mut *context.pack;
        let (drawn, prepared) = context.crew.join(
            || match before.as_mut().filter(|_| scene.is_same()) {
                Some(before) => pyramid.take_over(*metatile, before, sink, pack),
                None => pyramid.draw(*metatile, scene, sink, pack),
            },
            || next.map(|next| painter.prepare(*next, known[index + 1], coming)).transpose(),
        );
        drawn?;
        drawn_from = prepared?.unwrap_or(drawn_from);
        std::mem::swap(scene, coming);
    }
    let Some(top) = pyramid.finish(params.block, sink, context.pack)? else { return Ok(()) };
    context.pack.add(TOP, &tiles::pack_pixels(top)?)?;
    pyramid.above.first().map_or(Ok(()), |halved| now.keep(halved, context.pack))
}

/// The zooms of a block above the highest, in memory.
#[derive(Default)]
struct Pyramid {
    /// Highest zoom.
    max_zoom: u8,
    tile_px: usize,
    /// A tile of each zoom, from that of the metatiles to the highest: the one that is being put together of four.
    tiles: Vec<Rgbx>,
    /// Zoom of the metatiles.
    zoom: u8,
    /// The block at each zoom above, down to its own.
    above: Vec<Rgbx>,
}

impl Pyramid {
    /// Makes it ready for a block whose metatiles have that zoom.
    fn begin(&mut self, params: &Params, zoom: u8, tile_px: usize) {
        (self.max_zoom, self.tile_px, self.zoom) = (params.max_zoom, tile_px, zoom);
        self.tiles.resize_with(usize::from(params.max_zoom - zoom) + 1, Rgbx::default);
        for tile in &mut self.tiles {
            tile.resize(tile_px, tile_px);
        }
        // Of what no image shows nothing is drawn.
        self.tiles[0].reset(tile_px, tile_px);
        self.above.resize_with(usize::from(zoom - params.block.z), Rgbx::default);
        for (picture, z) in self.above.iter_mut().zip((params.block.z..zoom).rev()) {
            let side = tile_px << (z - params.block.z);
            picture.reset(side, side);
        }
    }

    /// Draws the tiles of a metatile.
    fn draw(&mut self, metatile: Tile, scene: &Scene, sink: &mut TileSink, pack: &mut PackWriter) -> Result<()> {
        if scene.is_empty() {
            return Ok(());
        }
        self.quarter(metatile, metatile, scene, sink, pack)
    }

    /// Draws a tile of a metatile, or puts it together of its four, and halves it into the one above. So what four tiles make is
    /// still near the processor when the fourth is done.
    fn quarter(&mut self, tile: Tile, metatile: Tile, scene: &Scene, sink: &mut TileSink, pack: &mut PackWriter) -> Result<()> {
        let (tile_px, depth) = (self.tile_px, usize::from(tile.z - metatile.z));
        if tile.z < self.max_zoom {
            for child in tile.children() {
                self.quarter(child, metatile, scene, sink, pack)?;
            }
        } else {
            let corner = [metatile.x << depth, metatile.y << depth];
            scene.tile([tile.x - corner[0], tile.y - corner[1]].map(|at| at as usize * tile_px), &mut self.tiles[depth]);
        }
        let place = if depth == 0 { self.place(tile) } else { [tile.x, tile.y].map(|at| at as usize % 2 * (tile_px / 2)) };
        let (above, here) = self.tiles.split_at_mut(depth);
        let above = above.last_mut().or(self.above.first_mut());
        sink.add_halved(pack, &here[0], [0, 0], tile, tile_px, above.map(|above| (above, place)))
    }

    /// Where a metatile lies in the picture of the block at the zoom above.
    fn place(&self, metatile: Tile) -> [usize; 2] {
        let across = 1 << self.above.len();
        [metatile.x, metatile.y].map(|at| at as usize % across * (self.tile_px / 2))
    }

    /// Takes over the tiles of a metatile, and its pixels at the zoom above.
    fn take_over(&mut self, metatile: Tile, before: &mut Before, sink: &mut TileSink, pack: &mut PackWriter) -> Result<()> {
        let place = self.place(metatile);
        if let Some(above) = self.above.first_mut() {
            above.put_part(place, &before.halved, place, [self.tile_px / 2; 2]);
        }
        sink.take_over(pack, &mut before.pack, metatile, self.max_zoom)
    }

    /// Draws what is above the metatiles, and gives the tile of the block; nothing when no image has a valid pixel there.
    fn finish(&mut self, block: Tile, sink: &mut TileSink, pack: &mut PackWriter) -> Result<Option<&Rgbx>> {
        let Self { above, tile_px, zoom, tiles, .. } = self;
        for (index, z) in (block.z..*zoom).rev().enumerate() {
            let (done, coming) = above.split_at_mut(index + 1);
            sink.add_all(pack, &done[index], z, block, *tile_px)?;
            if let Some(next) = coming.first_mut() {
                let side = *tile_px << (z - block.z);
                raster::halve_into(&done[index], [0, 0], [side; 2], next, [0, 0]);
            }
        }
        Ok(above.last().or(tiles.first()).filter(|top| !top.is_empty()))
    }
}
