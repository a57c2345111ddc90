//! A small picture of the whole, from the tiles.

use super::products::Product;
use super::tiles::BACKGROUND;
use super::{OVERVIEW, RENDER, ROOT, archive};
use crate::crs::Bbox;
use crate::dataset::AssembleContext;
use crate::error::{Error, Result};
use crate::format::tile_matrix::Tile;
use crate::format::{jpeg, picture};
use crate::io::atomic;
use crate::raster::{self, Rgbx};
use std::path::Path;

/// Longest side of the picture, in pixels.
const LONGEST: f64 = 1024.0;
const QUALITY: u8 = 85;

/// Draws what a set of tiles shows within `on_map` (in the CRS of the tiles).
pub fn write(product: &Product, context: &AssembleContext<'_>, target: &Path, on_map: &Bbox) -> Result<()> {
    let (matrix, zooms) = (&product.matrix, product.zooms);
    let longest = on_map.width().max(on_map.height());
    let fits = |zoom: &u8| longest / matrix.cell(*zoom) <= LONGEST;
    // Where the set begins at a finer zoom, its tiles are halved.
    let drawn = (zooms.min..=zooms.max).rev().find(fits).unwrap_or(zooms.min);
    let side = matrix.tile_px as usize;
    let halvings = (longest / matrix.cell(drawn) / LONGEST).log2().ceil().clamp(0.0, f64::from(side.ilog2())) as u32;
    let cell = matrix.cell(drawn) * f64::from(1_u32 << halvings);
    let Some((columns, rows)) = matrix.range(drawn, on_map) else {
        return Err(Error::new("mk::orthophoto::preview", "the images lie outside the area of the map tiles"));
    };
    let small = side >> halvings;
    let size = [columns.clone().count() * small, rows.clone().count() * small];
    let mut canvas = Rgbx::empty(size[0], size[1]);
    for stage in [RENDER, OVERVIEW, ROOT] {
        for result in product.results(&context.results[stage]) {
            let mut pack = result.pack()?;
            for tile in archive::tiles(&pack).into_iter().filter(|tile| tile.z == drawn) {
                if !columns.contains(&tile.x) || !rows.contains(&tile.y) {
                    continue;
                }
                let mut picture = picture::decode(&pack.read(&tile.to_string())?, side)?;
                for _ in 0..halvings {
                    picture = raster::halve(&picture);
                }
                let (column, row) = ((tile.x - columns.start()) as usize, (tile.y - rows.start()) as usize);
                canvas.put(column * small, row * small, &picture);
            }
        }
    }
    let [east, north] = matrix.corner(Tile { z: drawn, x: *columns.start(), y: *rows.start() });
    let offset = |from: f64, most: usize| (from / cell).floor().clamp(0.0, most.saturating_sub(1) as f64) as usize;
    let (x, y) = (offset(on_map.min[0] - east, size[0]), offset(north - on_map.max[1], size[1]));
    let length = |extent: f64, most: usize| ((extent / cell).ceil() as usize).clamp(1, most);
    let mut picture = canvas.part(x, y, length(on_map.width(), size[0] - x), length(on_map.height(), size[1] - y));
    raster::fill_invalid(&mut picture, BACKGROUND);
    let bytes = jpeg::Encoder::new(QUALITY)?.encode(&picture)?;
    atomic::write_unseen(target, &bytes)
}
