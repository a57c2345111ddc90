//! Tile matrix sets: which square of the map a tile shows (OGC 17-083r4, Two Dimensional Tile Matrix Set).

use crate::crs::{Bbox, Crs};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// A tile: zoom, column from the west, row from the north.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tile {
    /// Zoom.
    pub z: u8,
    /// Column.
    pub x: u32,
    /// Row.
    pub y: u32,
}

impl Tile {
    /// The tile that contains it, `levels` zooms up.
    pub fn ancestor(self, levels: u8) -> Self {
        let levels = levels.min(self.z);
        Self { z: self.z - levels, x: self.x >> levels, y: self.y >> levels }
    }
    /// Its four parts at the next zoom: upper left, upper right, lower left, lower right.
    pub fn children(self) -> [Self; 4] {
        [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(dx, dy)| Self { z: self.z + 1, x: self.x * 2 + dx, y: self.y * 2 + dy })
    }
    /// Position along the Hilbert curves of all zooms: the order of a PMTiles archive. Tiles outside the square come last.
    pub fn id(self) -> u64 {
        super::pmtiles::tile_id(self.z, self.x, self.y).unwrap_or(u64::MAX)
    }
}

impl std::fmt::Display for Tile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.z, self.x, self.y)
    }
}

impl std::str::FromStr for Tile {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::new("mk::tile::name", format!("'{text}' is not a tile of the form z/x/y"));
        let mut parts = text.split('/');
        let mut next = || parts.next().and_then(|part| part.parse::<u32>().ok()).ok_or_else(wrong);
        let (z, x, y) = (next()?, next()?, next()?);
        let tile = Self { z: u8::try_from(z).map_err(|_| wrong())?, x, y };
        if parts.next().is_some() || tile.z > MAX_ZOOM || x >> tile.z > 0 || y >> tile.z > 0 {
            return Err(wrong());
        }
        Ok(tile)
    }
}

/// Highest zoom that is handled: a pixel of half a millimetre.
pub const MAX_ZOOM: u8 = 28;

/// A set whose every zoom halves the cell of the one before, with square tiles from one corner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TileMatrixSet {
    /// Identifier, as OGC or the publisher gives it.
    pub id: &'static str,
    /// CRS of the map.
    pub crs: Crs,
    /// Upper left corner of tile 0/0 at every zoom, easting before northing.
    pub origin: [f64; 2],
    /// Side of a pixel at zoom 0, in the units of the CRS.
    pub cell_size: f64,
    /// Side of a tile in pixels.
    pub tile_px: u32,
}

/// `WebMercatorQuad` (17-083r4, annex D.1): half the circumference of the sphere of radius 6 378 137 m is 20 037 508.34 m.
pub const WEB_MERCATOR_QUAD: TileMatrixSet = TileMatrixSet {
    id: "WebMercatorQuad",
    crs: Crs::WEB_MERCATOR,
    origin: [-20_037_508.342_789_244, 20_037_508.342_789_244],
    cell_size: 156_543.033_928_040_97,
    tile_px: 256,
};

impl TileMatrixSet {
    /// Side of a pixel.
    pub fn cell(&self, zoom: u8) -> f64 {
        self.cell_size / f64::from(1_u32 << zoom.min(MAX_ZOOM))
    }
    /// The upper left corner of a tile.
    pub fn corner(&self, tile: Tile) -> [f64; 2] {
        let side = self.cell(tile.z) * f64::from(self.tile_px);
        [self.origin[0] + f64::from(tile.x) * side, self.origin[1] - f64::from(tile.y) * side]
    }
    /// The square that a tile shows.
    pub fn bbox(&self, tile: Tile) -> Bbox {
        let [east, north] = self.corner(tile);
        let side = self.cell(tile.z) * f64::from(self.tile_px);
        [east, north - side, east + side, north].into()
    }
    /// The tiles of a zoom that share more than a border with the rectangle: columns and rows, both ends included; `None` when the
    /// rectangle lies outside the square.
    pub fn range(&self, zoom: u8, bbox: &Bbox) -> Option<(std::ops::RangeInclusive<u32>, std::ops::RangeInclusive<u32>)> {
        let side = self.cell(zoom) * f64::from(self.tile_px);
        let last = f64::from((1_u32 << zoom.min(MAX_ZOOM)) - 1);
        // A thousandth of a pixel: what only touches a border has no pixel beyond it.
        let hair = self.cell(zoom) / 1000.0;
        let columns = [bbox.min[0] + hair - self.origin[0], bbox.max[0] - hair - self.origin[0]].map(|at| (at / side).floor());
        let rows = [self.origin[1] - bbox.max[1] + hair, self.origin[1] - bbox.min[1] - hair].map(|at| (at / side).floor());
        let inside =
            |[from, to]: [f64; 2]| (from <= last && to >= 0.0 && from <= to).then(|| from.max(0.0) as u32..=to.min(last) as u32);
        Some((inside(columns)?, inside(rows)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn web_mercator_quad_is_that_of_the_standard() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/ortho/tms/WebMercatorQuad.json");
        let Ok(text) = std::fs::read_to_string(file) else {
            println!("skipped: {file} is not there");
            return;
        };
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        for matrix in json["tileMatrices"].as_array().unwrap() {
            let zoom: u8 = matrix["id"].as_str().unwrap().parse().unwrap();
            if let Some(cell) = matrix["cellSize"].as_f64() {
                assert!((WEB_MERCATOR_QUAD.cell(zoom) / cell - 1.0).abs() < 1e-9, "zoom {zoom}");
            }
            let scale = matrix["scaleDenominator"].as_f64().unwrap();
            assert!((WEB_MERCATOR_QUAD.cell(zoom) / 0.00028 / scale - 1.0).abs() < 1e-9, "zoom {zoom}");
        }
    }

    #[test]
    fn the_tiles_of_a_square_are_the_tile_itself() {
        let tile = Tile { z: 14, x: 8650, y: 5310 };
        let bbox = WEB_MERCATOR_QUAD.bbox(tile);
        assert_eq!(WEB_MERCATOR_QUAD.range(14, &bbox), Some((8650..=8650, 5310..=5310)));
        assert_eq!(WEB_MERCATOR_QUAD.range(15, &bbox), Some((17300..=17301, 10620..=10621)));
        assert_eq!(WEB_MERCATOR_QUAD.range(14, &[3e7, 0.0, 3.1e7, 1.0].into()), None);
        assert_eq!(tile.children()[3].ancestor(1), tile);
        assert_eq!("14/8650/5310".parse::<Tile>().unwrap(), tile);
        for wrong in ["14/8650", "1/2/0", "a/b/c", "14/1/1/1", "99/0/0"] {
            assert!(wrong.parse::<Tile>().is_err(), "{wrong}");
        }
    }
}
