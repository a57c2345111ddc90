//! The second stage of the ladder: blocks, drawn from the images.

use super::kept::broken;
use super::levels::{Step, edges, end, owned, steps};
use super::making::{Making, Piece};
use super::{BLOCK_PX, BlockParams, SQUARE_PX};
use crate::dataset::orthophoto::mosaic;
use crate::dataset::orthophoto::painter::Painter;
use crate::dataset::orthophoto::tiles::TileSink;
use crate::dataset::{Outcome, UnitContext, orthophoto};
use crate::error::Result;
use crate::format::tile_matrix::TileMatrixSet;
use crate::plan::UnitSpec;
use crate::raster::Rgbx;

/// The second stage: draws a block.
pub fn execute_block(unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
    let params: BlockParams = orthophoto::from_json(&unit.params)?;
    let [min, max] = params.zooms;
    let members = mosaic::members(unit, &params.headers, context.scratch)?;
    let matrix = params.drawing.matrix.clone();
    let edges = edges(&matrix, max, params.block, BLOCK_PX);
    let last = end(&matrix, params.zooms, BLOCK_PX);
    let steps = steps(&matrix, max, last.unwrap_or(min), false, |zoom| owned(&matrix, zoom, edges));
    let mut painter = Painter::new(members, &params.drawing, max, &context.area.grids)?;
    let mut making = Making { matrix: &matrix, sink: TileSink::new(params.drawing.codec, min)?, fragments: Vec::new() };
    let (finest, coarser) = steps.split_first().ok_or_else(|| broken("a block has no level"))?;
    let base = paint(&mut painter, &matrix, finest, context)?;
    making.cut(context.pack, &base, finest.own)?;
    let top = making.climb(base, coarser, last.is_some(), context)?;
    let sink = making.finish(context.pack, top)?;
    let summary = sink.summary(matrix.tile_px, Some(painter.reader().pieces()));
    Ok(Outcome { bbox: unit.bbox, summary, ..Outcome::default() })
}

/// Draws the block and its margin in squares.
fn paint(painter: &mut Painter, matrix: &TileMatrixSet, finest: &Step, context: &UnitContext<'_>) -> Result<Piece> {
    let [left, top, right, bottom] = finest.needed;
    let mut canvas = Rgbx::empty((right - left) as usize, (bottom - top) as usize);
    let level = matrix.level(finest.zoom);
    let mut picture = Rgbx::empty(0, 0);
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
                    painter.square(corner, side as usize, &mut picture)?;
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
