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

use super::header::Header;
use super::inspect::Inspected;
use super::mosaic::Member;
use super::options::Drawing;
use super::products::Product;
use super::render::{self, MEMORY_MB, Painter};
use super::tiles::TileSink;
use crate::crs::Bbox;
use crate::dataset::{Outcome, PlanContext, UnitContext, UnitResult};
use crate::error::{Error, Result};
use crate::format::picture::Codec;
use crate::format::tile_matrix::{Tile, TileMatrixSet};
use crate::io::PackWriter;
use crate::plan::{Input, UnitSpec};
use crate::raster::{self, Rgbx};
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{Read, Write};

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

/// A rectangle of pixels of one level: `[left, top, right, bottom]`, counted from the level's origin.
type Range = [i64; 4];

/// Pixels of a level and where they lie.
struct Piece {
    zoom: u8,
    at: [i64; 2],
    picture: Rgbx,
}

impl Piece {
    fn range(&self) -> Range {
        let [x, y] = self.at;
        [x, y, x + self.picture.width() as i64, y + self.picture.height() as i64]
    }
}

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

/// Edges on the map of a square of `side` pixels of a zoom: west, north, east, south.
fn edges(matrix: &TileMatrixSet, zoom: u8, [x, y]: [u32; 2], side: u32) -> [f64; 4] {
    let level = matrix.level(zoom);
    let at = |count: u32| f64::from(count) * f64::from(side) * level.cell;
    [level.origin[0] + at(x), level.origin[1] - at(y), level.origin[0] + at(x + 1), level.origin[1] - at(y + 1)]
}

/// The first level, from the finest on, whose tiles are larger than a square of `side` pixels of the finest; `None` when there is none.
fn end(matrix: &TileMatrixSet, [min, max]: [u8; 2], side: u32) -> Option<u8> {
    let large = |zoom: &u8| f64::from(matrix.tile_px) * matrix.cell(*zoom) > f64::from(side) * matrix.cell(max) * (1.0 + 1e-9);
    (min..max).rev().find(large)
}

/// The pixels of a level whose upper left corner lies between edges.
fn owned(matrix: &TileMatrixSet, zoom: u8, [west, north, east, south]: [f64; 4]) -> Range {
    let level = matrix.level(zoom);
    let first = |distance: f64| {
        let place = distance / level.cell;
        let near = place.round();
        // An edge on a border of pixels is one, however the numbers were rounded.
        (if (place - near).abs() < 1e-6 { near } else { place.ceil() }) as i64
    };
    let across = i64::from(level.width) * i64::from(matrix.tile_px);
    let down = i64::from(level.height) * i64::from(matrix.tile_px);
    [
        first(west - level.origin[0]).clamp(0, across),
        first(level.origin[1] - north).clamp(0, down),
        first(east - level.origin[0]).clamp(0, across),
        first(level.origin[1] - south).clamp(0, down),
    ]
}

/// The pixels of a finer level that pixels of a coarser one cover.
fn covered(matrix: &TileMatrixSet, coarse: u8, range: Range, fine: u8) -> Range {
    let (from, to) = (matrix.level(coarse), matrix.level(fine));
    let east = |column: i64| (from.origin[0] - to.origin[0] + column as f64 * from.cell) / to.cell;
    let south = |row: i64| (to.origin[1] - from.origin[1] + row as f64 * from.cell) / to.cell;
    let hair = 1e-6;
    [
        (east(range[0]) + hair).floor() as i64,
        (south(range[1]) + hair).floor() as i64,
        (east(range[2]) - hair).ceil() as i64,
        (south(range[3]) - hair).ceil() as i64,
    ]
}

fn union(a: Range, b: Range) -> Range {
    if is_empty(a) {
        return b;
    }
    if is_empty(b) {
        return a;
    }
    [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])]
}

fn is_empty([left, top, right, bottom]: Range) -> bool {
    left >= right || top >= bottom
}

/// What a unit makes of each level: the pixels that are its own, and those that it needs for coarser ones.
struct Step {
    zoom: u8,
    own: Range,
    needed: Range,
}

/// The levels of a unit from `from` on to `to`, both included, finest first.
///
/// What lies beyond the unit is needed where others have it: not in the last stage, which is `alone`.
fn steps(matrix: &TileMatrixSet, from: u8, to: u8, alone: bool, own: impl Fn(u8) -> Range) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for zoom in to..=from {
        let own = own(zoom);
        let needed = steps.last().map_or(own, |coarser| {
            if alone || is_empty(coarser.needed) { own } else { union(own, covered(matrix, coarser.zoom, coarser.needed, zoom)) }
        });
        steps.push(Step { zoom, own, needed });
    }
    steps.reverse();
    steps
}

/// Pixels of the finest level that a block needs beyond itself.
fn margin(matrix: &TileMatrixSet, zooms: [u8; 2], block: [u32; 2]) -> i64 {
    let edges = edges(matrix, zooms[1], block, BLOCK_PX);
    let last = end(matrix, zooms, BLOCK_PX).unwrap_or(zooms[0]);
    let steps = steps(matrix, zooms[1], last, false, |zoom| owned(matrix, zoom, edges));
    steps.first().map_or(0, |finest| (finest.needed[2] - finest.own[2]).max(finest.needed[3] - finest.own[3]).max(0))
}

/// Makes the tiles of a unit's levels, and keeps what others need.
struct Making<'a> {
    matrix: &'a TileMatrixSet,
    sink: TileSink,
    fragments: Vec<(Tile, [i64; 2], Rgbx)>,
}

impl Making<'_> {
    /// Cuts the unit's own pixels of a level into tiles and fragments.
    fn cut(&mut self, piece: &Piece, own: Range) -> Result<()> {
        let side = i64::from(self.matrix.tile_px);
        if is_empty(own) {
            return Ok(());
        }
        for row in own[1].div_euclid(side)..=(own[3] - 1).div_euclid(side) {
            for column in own[0].div_euclid(side)..=(own[2] - 1).div_euclid(side) {
                let whole = [column * side, row * side, (column + 1) * side, (row + 1) * side];
                let part = [whole[0].max(own[0]), whole[1].max(own[1]), whole[2].min(own[2]), whole[3].min(own[3])];
                let at = [(part[0] - piece.at[0]) as usize, (part[1] - piece.at[1]) as usize];
                let size = [(part[2] - part[0]) as usize, (part[3] - part[1]) as usize];
                let tile = Tile { z: piece.zoom, x: column as u32, y: row as u32 };
                if part == whole {
                    self.sink.add(&piece.picture, at, tile, side as usize)?;
                } else {
                    let fragment = piece.picture.part(at[0], at[1], size[0], size[1]);
                    if !fragment.is_empty() {
                        self.fragments.push((tile, [part[0] - whole[0], part[1] - whole[1]], fragment));
                    }
                }
            }
        }
        Ok(())
    }

    /// Goes from a level to coarser ones; gives the last, where that is to be kept.
    fn climb(&mut self, base: Piece, steps: &[Step], keep_last: bool, context: &UnitContext<'_>) -> Result<Option<Piece>> {
        let mut piece = base;
        for step in steps {
            context.check()?;
            if is_empty(step.needed) {
                return Ok(None);
            }
            piece = self.coarser(&piece, step);
            let last = steps.last().is_some_and(|last| last.zoom == step.zoom);
            if last && keep_last {
                let [left, top, right, bottom] = step.own;
                if is_empty(step.own) {
                    return Ok(None);
                }
                let at = [(left - piece.at[0]) as usize, (top - piece.at[1]) as usize];
                let picture = piece.picture.part(at[0], at[1], (right - left) as usize, (bottom - top) as usize);
                return Ok((!picture.is_empty()).then_some(Piece { zoom: step.zoom, at: [left, top], picture }));
            }
            self.cut(&piece, step.own)?;
        }
        Ok(None)
    }

    fn coarser(&self, piece: &Piece, step: &Step) -> Piece {
        let (fine, coarse) = (self.matrix.level(piece.zoom), self.matrix.level(step.zoom));
        let [left, top, right, bottom] = step.needed;
        let from = [
            (coarse.origin[0] - fine.origin[0] + left as f64 * coarse.cell) / fine.cell - piece.at[0] as f64,
            (fine.origin[1] - coarse.origin[1] + top as f64 * coarse.cell) / fine.cell - piece.at[1] as f64,
        ];
        // Rounding of the definitions must not weigh a pixel that is only touched.
        let from = from.map(|value| if (value - value.round()).abs() < 1e-6 { value.round() } else { value });
        let size = [(right - left) as usize, (bottom - top) as usize];
        let picture = raster::shrink(&piece.picture, from, coarse.cell / fine.cell, size);
        Piece { zoom: step.zoom, at: [left, top], picture }
    }

    fn finish(self, pack: &mut PackWriter, top: Option<Piece>) -> Result<usize> {
        let count = self.sink.finish(pack)?;
        if !self.fragments.is_empty() {
            let mut blob = Blob::new();
            for (tile, [x, y], picture) in &self.fragments {
                blob.numbers(&[i64::from(tile.z), i64::from(tile.x), i64::from(tile.y), *x, *y])?;
                blob.picture(picture)?;
            }
            pack.add(EDGES, &blob.finish()?)?;
        }
        if let Some(top) = top {
            let mut blob = Blob::new();
            blob.numbers(&[i64::from(top.zoom), top.at[0], top.at[1]])?;
            blob.picture(&top.picture)?;
            pack.add(TOP, &blob.finish()?)?;
        }
        Ok(count)
    }
}

/// The second stage: draws a block.
pub fn execute_block(unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
    let params: BlockParams = super::from_json(&unit.params)?;
    let [min, max] = params.zooms;
    let mut members = Vec::with_capacity(params.headers.len());
    for (index, header) in params.headers.iter().enumerate() {
        let source = super::source(unit, index)?;
        let path = source.local(context.scratch)?;
        members.push(Member { header: header.clone(), source, path });
    }
    let matrix = params.drawing.matrix.clone();
    let edges = edges(&matrix, max, params.block, BLOCK_PX);
    let last = end(&matrix, params.zooms, BLOCK_PX);
    let steps = steps(&matrix, max, last.unwrap_or(min), false, |zoom| owned(&matrix, zoom, edges));
    let mut painter = Painter::new(members, &params.drawing, max, &context.area.grids)?;
    let mut making = Making { matrix: &matrix, sink: TileSink::new(params.drawing.codec, min)?, fragments: Vec::new() };
    let (finest, coarser) = steps.split_first().ok_or_else(|| broken("a block has no level"))?;
    let base = paint(&mut painter, &matrix, finest, context)?;
    making.cut(&base, finest.own)?;
    let top = making.climb(base, coarser, last.is_some(), context)?;
    let count = making.finish(context.pack, top)?;
    let summary = serde_json::json!({ "tiles": count, "images": params.headers.len() });
    Ok(Outcome { bbox: unit.bbox, summary, ..Outcome::default() })
}

/// Draws the block and its margin in squares.
fn paint(painter: &mut Painter, matrix: &TileMatrixSet, finest: &Step, context: &UnitContext<'_>) -> Result<Piece> {
    let [left, top, right, bottom] = finest.needed;
    let mut canvas = Rgbx::empty((right - left) as usize, (bottom - top) as usize);
    let level = matrix.level(finest.zoom);
    let mut y = top;
    while y < bottom {
        let mut x = left;
        let tall = square(y, top, finest.own[3], matrix.tile_px);
        while x < right {
            context.check()?;
            let wide = square(x, left, finest.own[2], matrix.tile_px);
            let side = tall.min(wide);
            // A strip of small squares is as high as the row it is in.
            let mut inner = y;
            while inner < (y + tall).min(bottom) {
                let corner = [level.origin[0] + x as f64 * level.cell, level.origin[1] - inner as f64 * level.cell];
                let mut across = x;
                while across < (x + wide).min(right) {
                    let corner = [level.origin[0] + across as f64 * level.cell, corner[1]];
                    let picture = painter.square(corner, side as usize)?;
                    let size = [(right - across).min(side) as usize, (bottom - inner).min(side) as usize];
                    canvas.put((across - left) as usize, (inner - top) as usize, &picture.part(0, 0, size[0], size[1]));
                    across += side;
                }
                inner += side;
            }
            x += wide;
        }
        y += tall;
    }
    Ok(Piece { zoom: finest.zoom, at: [left, top], picture: canvas })
}

/// Side of the square at a place: large within the block, small in its margin.
fn square(at: i64, from: i64, edge: i64, small: u32) -> i64 {
    if at < edge && (at - from) % i64::from(SQUARE_PX) == 0 { i64::from(SQUARE_PX).min(edge - at) } else { i64::from(small) }
}

/// The third and fourth stage: joins fragments, and goes on.
pub fn execute_join(unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
    let params: JoinParams = super::from_json(&unit.params)?;
    let (matrix, zooms) = (&params.matrix, params.zooms);
    let [min, max] = zooms;
    let mut making = Making { matrix, sink: TileSink::new(params.codec, min)?, fragments: Vec::new() };
    // Blocks join to groups, groups to the whole.
    let below = if params.group.is_some() { BLOCK_PX } else { BLOCK_PX * GROUP };
    let mut pending: BTreeMap<Tile, Rgbx> = BTreeMap::new();
    let mut tops = Vec::new();
    let mut row = 0;
    for ((place, is_top), input) in params.given.iter().zip(&unit.inputs) {
        context.check()?;
        if place[1] > row {
            // Whatever begins above the row before has got its last fragment.
            flush(&mut making, &mut pending, matrix, |tile| begins(matrix, max, below, tile)[1] + 1 < place[1])?;
            row = place[1];
        }
        let bytes = context.entry(input)?;
        let mut blob = Reading::new(&bytes);
        if *is_top {
            let [zoom, x, y] = blob.numbers()?;
            tops.push(Piece { zoom: zoom as u8, at: [x, y], picture: blob.picture()? });
            continue;
        }
        while !blob.is_done()? {
            let [zoom, x, y, left, top] = blob.numbers()?;
            let tile = Tile { z: zoom as u8, x: x as u32, y: y as u32 };
            let fragment = blob.picture()?;
            let owner = begins(matrix, max, below, tile);
            if params.group.is_some_and(|group| owner.map(|at| at / GROUP) != group) {
                continue;
            }
            let side = matrix.tile_px as usize;
            if left < 0 || top < 0 || left as usize + fragment.width() > side || top as usize + fragment.height() > side {
                return Err(broken("a fragment lies beyond its tile"));
            }
            pending.entry(tile).or_insert_with(|| Rgbx::empty(side, side)).put(left as usize, top as usize, &fragment);
        }
    }
    flush(&mut making, &mut pending, matrix, |_| true)?;
    let top = match end(matrix, zooms, below) {
        Some(base) if !tops.is_empty() => go_on(&params, &mut making, base, tops, context)?,
        _ => None,
    };
    let count = making.finish(context.pack, top)?;
    Ok(Outcome { bbox: unit.bbox, summary: serde_json::json!({ "tiles": count }), ..Outcome::default() })
}

/// Encodes tiles that are complete.
fn flush(
    making: &mut Making<'_>,
    pending: &mut BTreeMap<Tile, Rgbx>,
    matrix: &TileMatrixSet,
    complete: impl Fn(Tile) -> bool,
) -> Result<()> {
    let tiles: Vec<Tile> = pending.keys().copied().filter(|tile| complete(*tile)).collect();
    for tile in tiles {
        if let Some(picture) = pending.remove(&tile) {
            making.sink.add(&picture, [0, 0], tile, matrix.tile_px as usize)?;
        }
    }
    Ok(())
}

/// The block (or the square of `side` pixels) in which a tile's upper left pixel begins.
fn begins(matrix: &TileMatrixSet, max: u8, side: u32, tile: Tile) -> [u32; 2] {
    let (level, [east, north]) = (matrix.level(max), matrix.corner(tile));
    let at = |distance: f64| ((distance / level.cell + 1e-6) / f64::from(side)).floor().max(0.0) as u32;
    [at(east - level.origin[0]), at(level.origin[1] - north)]
}

/// Joins the kept pixels of the units below, makes tiles of them and of coarser levels.
fn go_on(
    params: &JoinParams,
    making: &mut Making<'_>,
    base: u8,
    tops: Vec<Piece>,
    context: &UnitContext<'_>,
) -> Result<Option<Piece>> {
    let (matrix, [min, max]) = (&params.matrix, params.zooms);
    let data = tops.iter().fold([0; 4], |range, top| union(range, top.range()));
    let last = params.group.and_then(|_| end(matrix, params.zooms, BLOCK_PX * GROUP));
    // The last stage has nobody beside it: its tiles are whole, whatever of them is empty.
    let side = i64::from(matrix.tile_px);
    let outward = |range: Range| {
        let up = |value: i64| (value + side - 1).div_euclid(side) * side;
        [range[0].div_euclid(side) * side, range[1].div_euclid(side) * side, up(range[2]), up(range[3])]
    };
    let own = |zoom: u8| match params.group {
        Some(group) => owned(matrix, zoom, edges(matrix, max, group, BLOCK_PX * GROUP)),
        None => outward(if zoom == base { data } else { covered(matrix, base, data, zoom) }),
    };
    let steps = steps(matrix, base, last.unwrap_or(min), params.group.is_none(), own);
    let (first, coarser) = steps.split_first().ok_or_else(|| broken("a unit has no level"))?;
    let [left, top, right, bottom] = first.needed;
    if is_empty(first.needed) || (right - left).saturating_mul(bottom - top) > MAX_ROOT_PX {
        return Err(Error::new("mk::orthophoto::ladder", "the tile matrix set has too few levels for so large an area")
            .hint("let zoom = [min, max] span fewer levels, or take a set whose levels are closer"));
    }
    let mut canvas = Rgbx::empty((right - left) as usize, (bottom - top) as usize);
    for piece in tops {
        if piece.zoom != base {
            return Err(broken("pixels of another level than expected"));
        }
        let [x0, y0, x1, y1] = piece.range();
        let (from, to) = ([x0.max(left), y0.max(top)], [x1.min(right), y1.min(bottom)]);
        if from[0] < to[0] && from[1] < to[1] {
            let size = [(to[0] - from[0]) as usize, (to[1] - from[1]) as usize];
            let part = piece.picture.part((from[0] - x0) as usize, (from[1] - y0) as usize, size[0], size[1]);
            canvas.put((from[0] - left) as usize, (from[1] - top) as usize, &part);
        }
    }
    let base = Piece { zoom: base, at: [left, top], picture: canvas };
    if last != Some(base.zoom) {
        making.cut(&base, first.own)?;
    }
    making.climb(base, coarser, last.is_some(), context)
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

/// Numbers and pictures as one packed entry.
struct Blob(ZlibEncoder<Vec<u8>>);

impl Blob {
    fn new() -> Self {
        Self(ZlibEncoder::new(Vec::new(), Compression::fast()))
    }
    fn numbers(&mut self, numbers: &[i64]) -> Result<()> {
        numbers.iter().try_for_each(|number| self.0.write_all(&number.to_le_bytes())).map_err(unpacked)
    }
    fn picture(&mut self, picture: &Rgbx) -> Result<()> {
        self.numbers(&[picture.width() as i64, picture.height() as i64])?;
        self.0.write_all(picture.pixels()).map_err(unpacked)
    }
    fn finish(self) -> Result<Vec<u8>> {
        self.0.finish().map_err(unpacked)
    }
}

/// Reads such an entry.
struct Reading<'a> {
    stream: std::io::BufReader<ZlibDecoder<&'a [u8]>>,
}

impl<'a> Reading<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { stream: std::io::BufReader::new(ZlibDecoder::new(bytes)) }
    }
    fn is_done(&mut self) -> Result<bool> {
        use std::io::BufRead;
        self.stream.fill_buf().map(<[u8]>::is_empty).map_err(unpacked)
    }
    fn numbers<const N: usize>(&mut self) -> Result<[i64; N]> {
        let mut numbers = [0; N];
        for number in &mut numbers {
            let mut eight = [0; 8];
            self.stream.read_exact(&mut eight).map_err(unpacked)?;
            *number = i64::from_le_bytes(eight);
        }
        Ok(numbers)
    }
    fn picture(&mut self) -> Result<Rgbx> {
        let [width, height] = self.numbers()?;
        let limit = i64::from(BLOCK_PX * 2);
        if !(1..=limit).contains(&width) || !(1..=limit).contains(&height) {
            return Err(broken("a kept picture has another size than it should"));
        }
        let mut picture = Rgbx::empty(width as usize, height as usize);
        self.stream.read_exact(picture.pixels_mut()).map_err(unpacked)?;
        Ok(picture)
    }
}

fn broken(what: &str) -> Error {
    Error::new("mk::orthophoto::ladder", what.to_owned())
}

fn unpacked(error: std::io::Error) -> Error {
    broken("kept pixels cannot be packed or unpacked").because(error)
}
