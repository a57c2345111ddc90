//! Tiles while they are filled.

use super::made::Kept;
use super::{Piece, Tile};
use crate::error::{Error, Result};
use crate::format::mvt::{self, Layer, Value};
use crate::format::pmtiles;
use crate::io::PackWriter;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// The tiles of a unit.
pub struct Drawing<'n> {
    /// Names of the layers, from the bottom to the top.
    names: Vec<&'n str>,
    tiles: BTreeMap<Tile, Vec<Layer>>,
}

impl<'n> Drawing<'n> {
    /// Tiles without anything, with layers of these names.
    pub fn new(names: Vec<&'n str>) -> Self {
        Self { names, tiles: BTreeMap::new() }
    }
    /// Puts the pieces of an object into their tiles, each with the tags of its layer.
    pub fn put<'t>(&mut self, pieces: &[Piece], tags: impl Fn(usize) -> &'t [(&'t str, Value)]) {
        for piece in pieces {
            let layers = self.tiles.entry(piece.tile).or_insert_with(|| self.names.iter().map(|name| Layer::new(name)).collect());
            if let Some(layer) = layers.get_mut(piece.layer) {
                layer.add_drawn(&piece.drawn, tags(piece.layer));
            }
        }
    }
    /// The tiles, packed as map servers hand them out.
    ///
    /// # Errors
    /// When a tile cannot be packed.
    pub fn into_tiles(self) -> Result<Vec<(Tile, Vec<u8>)>> {
        let tiles = self.tiles.into_par_iter();
        tiles.map(|(tile, layers)| Ok((tile, pmtiles::gzip(&mvt::tile(&layers))?))).collect()
    }
    /// Adds the tiles to a pack, together with those that were kept; gives the number of all.
    ///
    /// # Errors
    /// When the pack cannot be written.
    pub fn finish(self, kept: Kept, pack: &mut PackWriter) -> Result<usize> {
        let Kept { tiles, pack: mut earlier } = kept;
        let mut all: BTreeMap<Tile, Option<Vec<u8>>> = tiles.into_iter().map(|tile| (tile, None)).collect();
        all.extend(self.into_tiles()?.into_iter().map(|(tile, bytes)| (tile, Some(bytes))));
        for ((z, x, y), bytes) in &all {
            let name = format!("{z}/{x}/{y}");
            match bytes {
                Some(bytes) => pack.add(&name, bytes)?,
                None => pack.take_over(
                    &name,
                    earlier
                        .as_mut()
                        .ok_or_else(|| Error::new("mk::run::result", format!("the tile {name} is kept of no result")))?,
                )?,
            }
        }
        Ok(all.len())
    }
}
