//! The second stage: blocks of tiles, each drawn from the images that touch it.
//!
//! A block is a tile five zooms above the highest (8192 × 8192 pixels). It is drawn in metatiles of 2048 × 2048 pixels, each
//! resampled once; its overviews are halved in memory. The block's own tile is kept as pixels too, for the stage above.

use super::inspect::{self, Inspected};
use super::ladder;
use super::mosaic::{self, Layer, Member, Pieces, Reader};
use super::options::{Drawing, Resampling, TileTarget};
use super::products::{Product, products};
use super::tiles::{self, TOP, TileSink};
use super::{Orthophoto, header::Header};
use crate::crs::{Bbox, Crs, Operation};
use crate::dataset::{Outcome, PlanContext, UnitContext};
use crate::error::{Error, Place, Result};
use crate::format::tile_matrix::{Tile, TileMatrixSet};
use crate::plan::{Input, InputKind, UnitSpec};
use crate::raster::{self, Grid, Kernel, Rgbx};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

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
/// Where a target pixel covers more source pixels than this, the mean of the area is taken (GDAL's warper changes there too).
const SHRINKS: f64 = 1.0 / 0.95;
/// Widest part of a source that is resampled at once, in source pixels.
const WINDOW: f64 = 3072.0;
/// Smallest part of a target that is resampled at once, in target pixels.
const SMALLEST_PART: usize = 16;

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
                blocks.entry(tile.id()).or_insert_with(|| (tile, Vec::new())).1.push((index, place));
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
            cost: (covered * 1000.0) as u64 + 1,
        });
    }
    Ok(units)
}

/// Target 16, window of sources 38 and as much again while GDAL reads, decoded tiles 64, encoded tiles 30, canvas and halves 12 MiB.
pub const MEMORY_MB: u64 = 200;

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
    let mut members = Vec::with_capacity(params.headers.len());
    for (index, header) in params.headers.iter().enumerate() {
        let source = super::source(unit, index)?;
        let path = source.local(context.scratch)?;
        members.push(Member { header: header.clone(), source, path });
    }
    let mut painter = Painter::new(members, &params.drawing, params.max_zoom, &context.area.grids)?;
    let mut sink = TileSink::new(params.drawing.codec, params.min_zoom)?;
    let top = block(&params, &mut painter, &mut sink, context)?;
    let count = sink.finish(context.pack)?;
    if let Some(top) = &top {
        context.pack.add(TOP, &tiles::pack_top(top)?)?;
    }
    let pieces = painter.pieces();
    let summary = tiles::summary(count, params.drawing.matrix.tile_px, Some(pieces));
    Ok(Outcome { bbox: unit.bbox, summary, ..Outcome::default() })
}

/// Draws all tiles of a block and gives its own tile, or nothing when no image has a valid pixel there.
fn block(params: &Params, painter: &mut Painter, sink: &mut TileSink, context: &UnitContext<'_>) -> Result<Option<Rgbx>> {
    let tile_px = painter.matrix.tile_px as usize;
    let zoom = params.max_zoom.saturating_sub(METATILE_LEVELS).max(params.block.z);
    let side = 1_u32 << (zoom - params.block.z);
    let mut canvas = Rgbx::empty(tile_px * side as usize, tile_px * side as usize);
    let mut metatiles: Vec<Tile> = (0..side * side)
        .map(|index| Tile { z: zoom, x: params.block.x * side + index % side, y: params.block.y * side + index / side })
        .collect();
    // Along the Hilbert curve neighbours follow each other: the cache of decoded tiles can be small.
    metatiles.sort_by_key(|tile| tile.id());
    // One picture for each zoom of a metatile, used again for the next.
    let mut pictures: Vec<Rgbx> =
        (zoom..=params.max_zoom).rev().map(|z| tile_px << (z - zoom)).map(|side| Rgbx::empty(side, side)).collect();
    for metatile in metatiles {
        context.check()?;
        painter.metatile(metatile, &mut pictures[0])?;
        if pictures[0].is_empty() {
            continue;
        }
        for (depth, z) in (zoom..=params.max_zoom).rev().enumerate() {
            let (upper, lower) = pictures.split_at_mut(depth + 1);
            sink.add_all(&upper[depth], z, metatile, tile_px, lower.first_mut())?;
        }
        let (x, y) = ((metatile.x % side) as usize * tile_px, (metatile.y % side) as usize * tile_px);
        pictures.last().into_iter().for_each(|smallest| canvas.put(x, y, smallest));
    }
    let mut z = zoom;
    while z > params.block.z {
        canvas = raster::halve(&canvas);
        z -= 1;
        sink.add_all(&canvas, z, params.block, tile_px, None)?;
    }
    Ok((!canvas.is_empty()).then_some(canvas))
}

struct Drawn {
    layer: Layer,
    operation: Operation,
    extent: [i64; 4],
}

/// Draws metatiles from the layers of a mosaic.
pub(super) struct Painter {
    matrix: TileMatrixSet,
    kernel: Kernel,
    max_zoom: u8,
    layers: Vec<Drawn>,
    reader: Reader,
    /// Room for the part of a layer that is drawn from.
    window: Rgbx,
}

impl Painter {
    /// A painter of images in the order of priority.
    pub(super) fn new(members: Vec<Member>, drawing: &Drawing, max_zoom: u8, grids: &[PathBuf]) -> Result<Self> {
        let matrix = drawing.matrix.clone();
        let mut layers = Vec::new();
        for layer in mosaic::layers(&members.iter().map(|member| &member.header).collect::<Vec<_>>()) {
            let operation = Operation::between(layer.frame.crs, matrix.crs, grids)?;
            layers.push(Drawn { extent: layer.extent(&members), layer, operation });
        }
        let kernel = match drawing.resampling {
            Resampling::Bilinear => Kernel::Bilinear,
            Resampling::Bicubic => Kernel::Bicubic,
        };
        let reader = Reader::new(members, drawing.bands.bands());
        Ok(Self { matrix, kernel, max_zoom, layers, reader, window: Rgbx::empty(0, 0) })
    }

    /// What was decoded so far.
    pub(super) fn pieces(&self) -> Pieces {
        self.reader.pieces()
    }

    /// The pixels of all tiles of the highest zoom within a tile, as one picture.
    pub(super) fn metatile(&mut self, tile: Tile, target: &mut Rgbx) -> Result<()> {
        self.square(self.matrix.corner(tile), (self.matrix.tile_px as usize) << (self.max_zoom - tile.z), target)
    }

    /// The pixels of the highest zoom in a square of `side` pixels with that upper left corner on the map; `target` becomes them.
    pub(super) fn square(&mut self, corner: [f64; 2], side: usize, target: &mut Rgbx) -> Result<()> {
        target.reset(side, side);
        let cell = self.matrix.cell(self.max_zoom);
        for drawn in &self.layers {
            if target.is_full() {
                break;
            }
            draw(drawn, &mut self.reader, &mut self.window, self.kernel, (corner, cell), target)?;
        }
        Ok(())
    }
}

/// Draws one layer under what the target shows already; `source` is room for what is drawn from.
fn draw(
    drawn: &Drawn,
    reader: &mut Reader,
    source: &mut Rgbx,
    kernel: Kernel,
    (corner, cell): ([f64; 2], f64),
    target: &mut Rgbx,
) -> Result<()> {
    let side = target.width();
    let grid = grid(drawn, corner, cell, side)?;
    let shrink = grid.shrink();
    let kernel = if shrink > SHRINKS { Kernel::Area } else { kernel };
    // Parts small enough that the window of sources stays bounded, however coarse the target is.
    let mut part = side;
    while part as f64 * shrink > WINDOW && part > SMALLEST_PART {
        part /= 2;
    }
    for y in (0..side).step_by(part) {
        for x in (0..side).step_by(part) {
            if target.part_is_full(x, y, part, part) {
                continue;
            }
            let Some((from, size)) = window(grid.bounds(x, y, part, part), drawn.extent)? else { continue };
            reader.window_into(&drawn.layer, from, size, source)?;
            if part == side {
                raster::warp(source, from, &grid, [x, y], kernel, target);
            } else {
                let mut piece = target.part(x, y, part, part);
                raster::warp(source, from, &grid, [x, y], kernel, &mut piece);
                target.put(x, y, &piece);
            }
        }
    }
    Ok(())
}

/// Source positions, in pixels of the layer, for the pixels of a square of the map.
fn grid(drawn: &Drawn, [east, north]: [f64; 2], cell: f64, side: usize) -> Result<Grid> {
    Grid::build(side, side, |points| {
        for point in points.iter_mut() {
            *point = [east + point[0] * cell, north - point[1] * cell];
        }
        drawn.operation.inverse(points)?;
        for point in points.iter_mut() {
            *point = drawn.layer.frame.to_pixel(*point);
        }
        Ok(())
    })
}

/// Pixels around a place that a kernel looks at.
const MARGIN: i64 = 3;

/// The window of a layer that a part of the target needs: upper left corner and size; `None` where the layer has nothing.
fn window([x0, y0, x1, y1]: [f64; 4], extent: [i64; 4]) -> Result<Option<([i64; 2], [usize; 2])>> {
    let clip = |from: f64, to: f64, low: i64, high: i64| {
        let from = (from.floor() as i64).saturating_sub(MARGIN).max(low);
        let to = (to.ceil() as i64).saturating_add(MARGIN).min(high);
        (from, to.saturating_sub(from))
    };
    let (left, width) = clip(x0, x1, extent[0], extent[2]);
    let (top, height) = clip(y0, y1, extent[1], extent[3]);
    if width <= 0 || height <= 0 {
        return Ok(None);
    }
    if width as f64 > 2.0 * WINDOW || height as f64 > 2.0 * WINDOW {
        return Err(Error::new("mk::orthophoto::zoom", "the highest zoom is far too coarse for the images")
            .hint("let zoom = [min, max] end within seven zooms of the images' own, and begin as low as you like"));
    }
    Ok(Some(([left, top], [width as usize, height as usize])))
}
