//! What all stages of the ladder do: from the pixels of a level the tiles of that and of coarser ones.

use super::kept::Blob;
use super::levels::{Range, Step, is_empty};
use super::{EDGES, TOP};
use crate::dataset::UnitContext;
use crate::dataset::orthophoto::tiles::TileSink;
use crate::error::Result;
use crate::format::tile_matrix::{Tile, TileMatrixSet};
use crate::io::PackWriter;
use crate::raster::{self, Rgbx};

/// Pixels of a level and where they lie.
pub(super) struct Piece {
    pub(super) zoom: u8,
    pub(super) at: [i64; 2],
    pub(super) picture: Rgbx,
}

impl Piece {
    pub(super) fn range(&self) -> Range {
        let [x, y] = self.at;
        [x, y, x + self.picture.width() as i64, y + self.picture.height() as i64]
    }
}

/// Makes the tiles of a unit's levels, and keeps what others need.
pub(super) struct Making<'a> {
    pub(super) matrix: &'a TileMatrixSet,
    pub(super) sink: TileSink,
    pub(super) fragments: Vec<(Tile, [i64; 2], Rgbx)>,
}

impl Making<'_> {
    /// Cuts the unit's own pixels of a level into tiles and fragments.
    pub(super) fn cut(&mut self, pack: &mut PackWriter, piece: &Piece, own: Range) -> Result<()> {
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
                    self.sink.add(pack, &piece.picture, at, tile, side as usize)?;
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
    pub(super) fn climb(
        &mut self,
        base: Piece,
        steps: &[Step],
        keep_last: bool,
        context: &mut UnitContext<'_>,
    ) -> Result<Option<Piece>> {
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
            self.cut(context.pack, &piece, step.own)?;
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

    pub(super) fn finish(self, pack: &mut PackWriter, top: Option<Piece>) -> Result<TileSink> {
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
        Ok(self.sink)
    }
}
