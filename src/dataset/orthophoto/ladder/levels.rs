//! Which pixels of which level a square of the map makes, and which it needs for that.

use super::BLOCK_PX;
use crate::format::tile_matrix::{Tile, TileMatrixSet};

/// A rectangle of pixels of one level: `[left, top, right, bottom]`, counted from the level's origin.
pub(super) type Range = [i64; 4];

/// Edges on the map of a square of `side` pixels of a zoom: west, north, east, south.
pub(super) fn edges(matrix: &TileMatrixSet, zoom: u8, [x, y]: [u32; 2], side: u32) -> [f64; 4] {
    let level = matrix.level(zoom);
    let at = |count: u32| f64::from(count) * f64::from(side) * level.cell;
    [level.origin[0] + at(x), level.origin[1] - at(y), level.origin[0] + at(x + 1), level.origin[1] - at(y + 1)]
}

/// The first level, from the finest on, whose tiles are larger than a square of `side` pixels of the finest; `None` when there is none.
pub(super) fn end(matrix: &TileMatrixSet, [min, max]: [u8; 2], side: u32) -> Option<u8> {
    let large = |zoom: &u8| f64::from(matrix.tile_px) * matrix.cell(*zoom) > f64::from(side) * matrix.cell(max) * (1.0 + 1e-9);
    (min..max).rev().find(large)
}

/// The pixels of a level whose upper left corner lies between edges.
pub(super) fn owned(matrix: &TileMatrixSet, zoom: u8, [west, north, east, south]: [f64; 4]) -> Range {
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
pub(super) fn covered(matrix: &TileMatrixSet, coarse: u8, range: Range, fine: u8) -> Range {
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

pub(super) fn union(a: Range, b: Range) -> Range {
    if is_empty(a) {
        return b;
    }
    if is_empty(b) {
        return a;
    }
    [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])]
}

pub(super) fn is_empty([left, top, right, bottom]: Range) -> bool {
    left >= right || top >= bottom
}

/// What a unit makes of each level: the pixels that are its own, and those that it needs for coarser ones.
pub(super) struct Step {
    pub(super) zoom: u8,
    pub(super) own: Range,
    pub(super) needed: Range,
}

/// The levels of a unit from `from` on to `to`, both included, finest first.
///
/// What lies beyond the unit is needed where others have it: not in the last stage, which is `alone`.
pub(super) fn steps(matrix: &TileMatrixSet, from: u8, to: u8, alone: bool, own: impl Fn(u8) -> Range) -> Vec<Step> {
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
pub(super) fn margin(matrix: &TileMatrixSet, zooms: [u8; 2], block: [u32; 2]) -> i64 {
    let edges = edges(matrix, zooms[1], block, BLOCK_PX);
    let last = end(matrix, zooms, BLOCK_PX).unwrap_or(zooms[0]);
    let steps = steps(matrix, zooms[1], last, false, |zoom| owned(matrix, zoom, edges));
    steps.first().map_or(0, |finest| (finest.needed[2] - finest.own[2]).max(finest.needed[3] - finest.own[3]).max(0))
}

/// The block (or the square of `side` pixels) in which a tile's upper left pixel begins.
pub(super) fn begins(matrix: &TileMatrixSet, max: u8, side: u32, tile: Tile) -> [u32; 2] {
    let (level, [east, north]) = (matrix.level(max), matrix.corner(tile));
    let at = |distance: f64| ((distance / level.cell + 1e-6) / f64::from(side)).floor().max(0.0) as u32;
    [at(east - level.origin[0]), at(level.origin[1] - north)]
}
