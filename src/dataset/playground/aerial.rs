//! Orthophotos of the sites: tiles of a dataset that this one uses, as they are.

use super::identity::DEGREE_M;
use crate::crs::{Bbox, Crs, Operation};
use crate::dataset::{AssembleContext, Representation};
use crate::error::Result;
use crate::format::gpkg::{Geopackage, TileLayer};
use crate::format::pmtiles::Reader;
use crate::format::tile_matrix::{Tile, WEB_MERCATOR_QUAD};
use crate::format::{jpeg, picture};
use crate::raster::{self, Rgbx};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Zooms that the package takes along, from the finest on.
const ZOOMS: u8 = 7;
/// Longest side of a site's picture in pixels, its quality, and the colour of what no image shows.
const LONGEST: f64 = 1024.0;
const QUALITY: u8 = 85;
const BACKGROUND: [u8; 3] = [255; 3];
/// Name of the layer.
pub const LAYER: &str = "luftbild";

/// The tiles of an orthophoto dataset.
pub struct Aerial {
    reader: Reader,
    /// What says who made the pictures.
    pub attribution: String,
}

/// What was taken along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Tiles.
    pub tiles: u64,
    /// Bytes.
    pub bytes: u64,
    /// The finest zoom.
    pub zoom: u8,
    /// The finest zoom that there was.
    pub finest: u8,
}

impl Aerial {
    /// The tiles of the first used dataset, by its identifier, that has pictures in the tile matrix set `WebMercatorQuad`; `None` without
    /// one.
    ///
    /// # Errors
    /// When an archive cannot be read.
    pub fn of(context: &AssembleContext<'_>) -> Result<Option<Self>> {
        for used in context.uses.values().filter(|used| used.facts.representation == Representation::Grid) {
            // The set of all images has the dataset's plain name: it sorts before those of a year.
            let mut archives: Vec<(&String, &PathBuf)> = used
                .files
                .iter()
                .filter(|(name, _)| Path::new(name).extension().is_some_and(|ending| ending == "pmtiles"))
                .map(|(name, (path, _))| (name, path))
                .collect();
            archives.sort_by_key(|(name, _)| (name.len(), name.as_str()));
            for (_, path) in archives {
                let reader = Reader::open(path)?;
                let text = |key: &str| reader.metadata().get(key).and_then(serde_json::Value::as_str);
                let pictures = matches!(text("format"), Some("jpg" | "jpeg" | "png" | "webp"));
                if pictures && text("tile_matrix_set").is_none() {
                    let attribution = text("attribution").unwrap_or_default().to_owned();
                    return Ok(Some(Self { reader, attribution }));
                }
            }
        }
        Ok(None)
    }

    /// True when the tiles are in WebP.
    fn is_webp(&self) -> bool {
        self.reader.metadata().get("format").is_some_and(|format| format == "webp")
    }

    /// Writes the tiles around places, on the map, into a `GeoPackage` of at most so many bytes of pictures: finer zooms are left out
    /// when they do not fit. `None` when there is no picture of them.
    ///
    /// # Errors
    /// When a tile cannot be read, or the file cannot be written.
    pub fn write(&mut self, path: &Path, places: &[Bbox], most_bytes: u64, moment: &str) -> Result<Option<Taken>> {
        let (lowest, finest) = self.reader.zooms();
        let mut taken = Taken { tiles: 0, bytes: 0, zoom: 0, finest };
        let mut all: Vec<Tile> = Vec::new();
        for zoom in lowest.max(finest.saturating_sub(ZOOMS - 1))..=finest {
            let tiles = self.around(places, zoom)?;
            let bytes: u64 = tiles.iter().map(|(_, length)| length).sum();
            if taken.bytes + bytes > most_bytes {
                break;
            }
            if !tiles.is_empty() {
                taken = Taken { tiles: taken.tiles + tiles.len() as u64, bytes: taken.bytes + bytes, zoom, finest };
                all.extend(tiles.into_iter().map(|(tile, _)| tile));
            }
        }
        if all.is_empty() {
            return Ok(None);
        }
        let shown = all.iter().filter(|tile| tile.z == taken.zoom);
        let extent = shown.fold(Bbox::EMPTY, |extent, tile| extent.union(WEB_MERCATOR_QUAD.bbox(*tile)));
        let webp = self.is_webp();
        let layer = TileLayer { name: LAYER, title: "Luftbild", matrix: &WEB_MERCATOR_QUAD, extent, webp };
        let mut file = Geopackage::create(path, moment)?;
        let reader = &mut self.reader;
        let tiles = all.into_iter().filter_map(|tile| match reader.tile(tile.z, tile.x, tile.y) {
            Ok(bytes) => bytes.map(|bytes| Ok((tile, bytes))),
            Err(error) => Some(Err(error)),
        });
        file.add_tiles(&layer, tiles)?;
        file.finish()?;
        Ok(Some(taken))
    }

    /// A picture of a place on the map as JPEG, at the finest zoom at which it has no more than [`LONGEST`] pixels on a side; `None` where
    /// no tile shows the place.
    ///
    /// # Errors
    /// When a tile cannot be read.
    pub fn picture(&mut self, place: &Bbox) -> Result<Option<Vec<u8>>> {
        let (lowest, finest) = self.reader.zooms();
        let matrix = &WEB_MERCATOR_QUAD;
        let longest = place.width().max(place.height());
        let fits = |zoom: &u8| longest / matrix.cell(*zoom) <= LONGEST;
        // A site that is too large for the coarsest zoom is no site.
        let Some(zoom) = (lowest..=finest).rev().find(fits) else { return Ok(None) };
        let Some((columns, rows)) = matrix.range(zoom, place) else { return Ok(None) };
        let side = matrix.tile_px as usize;
        let mut canvas = Rgbx::empty(columns.clone().count() * side, rows.clone().count() * side);
        let mut shown = false;
        for (row, y) in rows.clone().enumerate() {
            for (column, x) in columns.clone().enumerate() {
                if let Some(bytes) = self.reader.tile(zoom, x, y)? {
                    canvas.put(column * side, row * side, &picture::decode(&bytes, side)?);
                    shown = true;
                }
            }
        }
        if !shown {
            return Ok(None);
        }
        let [west, north] = matrix.corner(Tile { z: zoom, x: *columns.start(), y: *rows.start() });
        let cell = matrix.cell(zoom);
        let pixels = |length: f64, most: usize| ((length / cell).floor().max(0.0) as usize).min(most - 1);
        let (x, y) = (pixels(place.min[0] - west, canvas.width()), pixels(north - place.max[1], canvas.height()));
        let length = |extent: f64, most: usize| ((extent / cell).ceil() as usize).clamp(1, most);
        let size = [length(place.width(), canvas.width() - x), length(place.height(), canvas.height() - y)];
        let mut part = canvas.part(x, y, size[0], size[1]);
        raster::fill_invalid(&mut part, BACKGROUND);
        jpeg::Encoder::new(QUALITY)?.encode(&part).map(Some)
    }

    /// The tiles of a zoom that show any of the places, row by row, with their sizes.
    fn around(&self, places: &[Bbox], zoom: u8) -> Result<Vec<(Tile, u64)>> {
        let mut wanted = BTreeSet::new();
        for (columns, rows) in places.iter().filter_map(|place| WEB_MERCATOR_QUAD.range(zoom, place)) {
            wanted.extend(rows.flat_map(|y| columns.clone().map(move |x| (y, x))));
        }
        let mut tiles = Vec::new();
        for (y, x) in wanted {
            if let Some(length) = self.reader.length(zoom, x, y)? {
                tiles.push((Tile { z: zoom, x, y }, length));
            }
        }
        Ok(tiles)
    }
}

/// Extents on the map of places in a CRS, with a margin in metres around each.
///
/// # Errors
/// When there is no way from the CRS to that of the map.
pub fn on_map(places: &[Bbox], crs: Crs, margin_m: f64, grids: &[PathBuf]) -> Result<Vec<Bbox>> {
    let operation = Operation::between(crs, Crs::WEB_MERCATOR, grids)?;
    let degrees = crate::crs::is_geographic(crs)?;
    let around = |place: &Bbox| {
        let latitude = place.centre()[1].clamp(-80.0, 80.0);
        let [dx, dy] =
            if degrees { [margin_m / (DEGREE_M * latitude.to_radians().cos()), margin_m / DEGREE_M] } else { [margin_m; 2] };
        let ([west, south], [east, north]) = (place.min, place.max);
        let mut corners = [[west - dx, south - dy], [east + dx, south - dy], [east + dx, north + dy], [west - dx, north + dy]];
        operation.forward(&mut corners)?;
        Ok(Bbox::around(corners))
    };
    places.iter().map(around).collect()
}
