//! Where a block changed, as pictures before and after for the report.

use super::tiles::BACKGROUND;
use crate::dataset::{ChangedPlace, UnitResult};
use crate::error::Result;
use crate::format::tile_matrix::Tile;
use crate::format::{jpeg, picture};
use crate::io::Pack;
use crate::raster::{self, Rgbx};
use std::collections::{BTreeMap, BTreeSet};

/// Tiles across and down that a picture shows at most.
const ACROSS: u32 = 2;
const QUALITY: u8 = 75;

/// Shows the tiles that differ, at the finest zoom at which they are few; `None` when all are the same.
pub fn place(before: &UnitResult, after: &UnitResult) -> Result<Option<ChangedPlace>> {
    let (mut old, mut new) = (before.pack()?, after.pack()?);
    let names: BTreeSet<&String> = old.entries().keys().chain(new.entries().keys()).collect();
    // Of each zoom the first and the last column and row that changed.
    let mut ranges: BTreeMap<u8, [u32; 4]> = BTreeMap::new();
    for name in names {
        let Ok(tile) = name.parse::<Tile>() else { continue };
        if old.entries().get(name) != new.entries().get(name) {
            let [left, top, right, bottom] = ranges.entry(tile.z).or_insert([tile.x, tile.y, tile.x, tile.y]);
            (*left, *top) = ((*left).min(tile.x), (*top).min(tile.y));
            (*right, *bottom) = ((*right).max(tile.x), (*bottom).max(tile.y));
        }
    }
    let few = |(_, [left, top, right, bottom]): &(&u8, &[u32; 4])| right - left < ACROSS && bottom - top < ACROSS;
    let Some((&z, &[x, y, ..])) = ranges.iter().rev().find(few).or_else(|| ranges.first_key_value()) else { return Ok(None) };
    let side = after.outcome.summary["tile_px"].as_u64().map_or(256, |side| side as usize);
    let first = Tile { z, x, y };
    let (before, after) = (draw(&mut old, first, side)?, draw(&mut new, first, side)?);
    Ok(Some(ChangedPlace { title: format!("Geändert ab Kachel {first}"), before, after }))
}

/// The tiles from the given one on, as a JPEG.
fn draw(pack: &mut Pack, first: Tile, side: usize) -> Result<Vec<u8>> {
    let mut canvas = Rgbx::empty(side * ACROSS as usize, side * ACROSS as usize);
    for (row, column) in (0..ACROSS).flat_map(|row| (0..ACROSS).map(move |column| (row, column))) {
        let name = Tile { z: first.z, x: first.x.saturating_add(column), y: first.y.saturating_add(row) }.to_string();
        if pack.entries().contains_key(&name) {
            let picture = picture::decode(&pack.read(&name)?, side)?;
            canvas.put(column as usize * side, row as usize * side, &picture);
        }
    }
    raster::fill_invalid(&mut canvas, BACKGROUND);
    jpeg::Encoder::new(QUALITY)?.encode(&canvas)
}
