//! A small picture of the whole, from the tiles of the archive.

use super::render::Zooms;
use super::tiles::BACKGROUND;
use crate::crs::Bbox;
use crate::error::{Error, Place, Result};
use crate::format::tile_matrix::{Tile, TileMatrixSet};
use crate::format::{jpeg, pmtiles};
use crate::raster::{self, Rgbx};
use std::path::Path;

/// Longest side of the picture, in pixels.
const LONGEST: f64 = 1024.0;
const QUALITY: u8 = 85;

/// Draws what the archive shows within `on_map` (in the CRS of the tiles).
pub fn write(archive: &Path, target: &Path, matrix: &TileMatrixSet, on_map: &Bbox, zooms: Zooms) -> Result<()> {
    let mut reader = pmtiles::Reader::open(archive)?;
    let mut decoder = jpeg::Decoder::new()?;
    let longest = on_map.width().max(on_map.height());
    let fits = |zoom: &u8| longest / matrix.cell(*zoom) <= LONGEST;
    let zoom = (0..=zooms.max).rev().find(fits).unwrap_or(0);
    // Where the archive begins at a higher zoom, its tiles are halved.
    let drawn = zoom.max(zooms.min);
    let halvings = drawn - zoom;
    let cell = matrix.cell(zoom);
    let side = matrix.tile_px as usize;
    let Some((columns, rows)) = matrix.range(drawn, on_map) else {
        return Err(Error::new("mk::orthophoto::preview", "the images lie outside the area of the map tiles"));
    };
    let small = side >> halvings.min(8);
    let size = [columns.clone().count() * small, rows.clone().count() * small];
    let mut canvas = Rgbx::empty(size[0], size[1]);
    for (row, y) in rows.clone().enumerate() {
        for (column, x) in columns.clone().enumerate() {
            let Some(bytes) = reader.tile(drawn, x, y)? else { continue };
            let mut picture = decoder.decode(&bytes, side, side)?;
            for _ in 0..halvings.min(8) {
                picture = raster::halve(&picture);
            }
            canvas.put(column * small, row * small, &picture);
        }
    }
    let [east, north] = matrix.corner(Tile { z: drawn, x: *columns.start(), y: *rows.start() });
    let offset = |from: f64, most: usize| (from / cell).floor().clamp(0.0, most.saturating_sub(1) as f64) as usize;
    let (x, y) = (offset(on_map.min[0] - east, size[0]), offset(north - on_map.max[1], size[1]));
    let length = |extent: f64, most: usize| ((extent / cell).ceil() as usize).clamp(1, most);
    let mut picture = canvas.part(x, y, length(on_map.width(), size[0] - x), length(on_map.height(), size[1] - y));
    raster::fill_invalid(&mut picture, BACKGROUND);
    let bytes = jpeg::Encoder::new(QUALITY)?.encode(&picture)?;
    std::fs::write(target, bytes).map_err(|error| {
        Error::new("mk::orthophoto::preview", "cannot write the preview")
            .at(Place::file(target.display().to_string()))
            .because(error)
    })
}
