//! The third and fourth stage of the ladder: what blocks and groups kept is joined and goes on.

use super::kept::{Reading, broken};
use super::levels::{Range, begins, covered, edges, end, is_empty, owned, steps, union};
use super::making::{Making, Piece};
use super::{BLOCK_PX, GROUP, JoinParams, MAX_ROOT_PX};
use crate::dataset::orthophoto::tiles::TileSink;
use crate::dataset::{Outcome, UnitContext, orthophoto};
use crate::error::{Error, Result};
use crate::format::tile_matrix::{Tile, TileMatrixSet};
use crate::io::PackWriter;
use crate::plan::UnitSpec;
use crate::raster::Rgbx;
use std::collections::BTreeMap;

/// The third and fourth stage: joins fragments, and goes on.
pub fn execute_join(unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
    let params: JoinParams = orthophoto::from_json(&unit.params)?;
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
            flush(&mut making, &mut pending, matrix, context.pack, |tile| begins(matrix, max, below, tile)[1] + 1 < place[1])?;
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
    flush(&mut making, &mut pending, matrix, context.pack, |_| true)?;
    let top = match end(matrix, zooms, below) {
        Some(base) if !tops.is_empty() => go_on(&params, &mut making, base, tops, context)?,
        _ => None,
    };
    let sink = making.finish(context.pack, top)?;
    Ok(Outcome { bbox: unit.bbox, summary: sink.summary(matrix.tile_px, None), ..Outcome::default() })
}

/// Encodes tiles that are complete.
fn flush(
    making: &mut Making<'_>,
    pending: &mut BTreeMap<Tile, Rgbx>,
    matrix: &TileMatrixSet,
    pack: &mut PackWriter,
    complete: impl Fn(Tile) -> bool,
) -> Result<()> {
    let tiles: Vec<Tile> = pending.keys().copied().filter(|tile| complete(*tile)).collect();
    for tile in tiles {
        if let Some(picture) = pending.remove(&tile) {
            making.sink.add(pack, &picture, [0, 0], tile, matrix.tile_px as usize)?;
        }
    }
    Ok(())
}

/// Joins the kept pixels of the units below, makes tiles of them and of coarser levels.
fn go_on(
    params: &JoinParams,
    making: &mut Making<'_>,
    base: u8,
    tops: Vec<Piece>,
    context: &mut UnitContext<'_>,
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
        making.cut(context.pack, &base, first.own)?;
    }
    making.climb(base, coarser, last.is_some(), context)
}
