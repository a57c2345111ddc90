//! Pictures in a `GeoPackage`: tiles of a tile matrix set, as they are (clause 2.2).

use super::{Geopackage, check_name, failed};
use crate::crs::Bbox;
use crate::error::Result;
use crate::format::tile_matrix::{Tile, TileMatrixSet};
use rusqlite::params;
use std::collections::BTreeSet;

/// The tables of the option, and those of a layer with the name in place of `NAME`.
const TABLES: &str = "
CREATE TABLE IF NOT EXISTS gpkg_tile_matrix_set (table_name TEXT NOT NULL PRIMARY KEY, srs_id INTEGER NOT NULL, min_x DOUBLE NOT NULL,
  min_y DOUBLE NOT NULL, max_x DOUBLE NOT NULL, max_y DOUBLE NOT NULL, CONSTRAINT fk_gtms_table_name FOREIGN KEY (table_name)
  REFERENCES gpkg_contents(table_name), CONSTRAINT fk_gtms_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys (srs_id));
CREATE TABLE IF NOT EXISTS gpkg_tile_matrix (table_name TEXT NOT NULL, zoom_level INTEGER NOT NULL, matrix_width INTEGER NOT NULL,
  matrix_height INTEGER NOT NULL, tile_width INTEGER NOT NULL, tile_height INTEGER NOT NULL, pixel_x_size DOUBLE NOT NULL,
  pixel_y_size DOUBLE NOT NULL, CONSTRAINT pk_ttm PRIMARY KEY (table_name, zoom_level),
  CONSTRAINT fk_tmm_table_name FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name));
";

/// A layer of tiles.
#[derive(Debug, Clone)]
pub struct TileLayer<'a> {
    /// Name of the table.
    pub name: &'a str,
    /// Title for people.
    pub title: &'a str,
    /// Where the tiles lie. Each zoom that is used has half the cell of the one before, from the same corner, and twice
    /// the columns and rows.
    pub matrix: &'a TileMatrixSet,
    /// Where there are tiles, in the CRS of the set.
    pub extent: Bbox,
    /// True when tiles are in WebP: an extension of the format.
    pub webp: bool,
}

impl Geopackage {
    /// Adds a layer of tiles, each with its bytes; they come as they are to lie in the file.
    ///
    /// # Errors
    /// When there is no tile, a tile comes twice, the set has no such zoom, or the file cannot be written; those of `tiles`.
    pub fn add_tiles(&mut self, layer: &TileLayer<'_>, tiles: impl IntoIterator<Item = Result<(Tile, Vec<u8>)>>) -> Result<()> {
        check_name(&self.path, layer.name)?;
        let (name, matrix) = (layer.name, layer.matrix);
        self.add_crs(matrix.crs)?;
        let srs = i64::from(matrix.crs.0);
        self.run(&format!(
            "BEGIN; {TABLES} CREATE TABLE \"{name}\" (id INTEGER PRIMARY KEY AUTOINCREMENT, zoom_level INTEGER NOT NULL, \
             tile_column INTEGER NOT NULL, tile_row INTEGER NOT NULL, tile_data BLOB NOT NULL, \
             UNIQUE (zoom_level, tile_column, tile_row));"
        ))?;
        let mut zooms = BTreeSet::new();
        {
            let insert = format!("INSERT INTO \"{name}\" (zoom_level, tile_column, tile_row, tile_data) VALUES (?, ?, ?, ?)");
            let mut insert = self.connection.prepare(&insert).map_err(|error| failed(&self.path, error))?;
            for tile in tiles {
                let (tile, bytes) = tile?;
                insert.execute(params![tile.z, tile.x, tile.y, bytes]).map_err(|error| failed(&self.path, error))?;
                zooms.insert(tile.z);
            }
        }
        let Some(finest) = zooms.last().copied().filter(|finest| usize::from(*finest) < matrix.levels().len()) else {
            return Err(failed(&self.path, "there is no tile, or one of a zoom that its set has not"));
        };
        let failed = |error| failed(&self.path, error);
        let Bbox { min, max } = layer.extent;
        self.connection
            .execute(
                "INSERT INTO gpkg_contents VALUES (?1, 'tiles', ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![name, layer.title, self.last_change, min[0], min[1], max[0], max[1], srs],
            )
            .map_err(failed)?;
        // The square of the whole set, by its finest level: the same for all that have halves of each other.
        let level = matrix.level(finest);
        let side = level.cell * f64::from(matrix.tile_px);
        let (east, south) = (level.origin[0] + side * f64::from(level.width), level.origin[1] - side * f64::from(level.height));
        self.connection
            .execute(
                "INSERT INTO gpkg_tile_matrix_set VALUES (?, ?, ?, ?, ?, ?)",
                params![name, srs, level.origin[0], south, east, level.origin[1]],
            )
            .map_err(failed)?;
        for zoom in zooms {
            let level = matrix.level(zoom);
            self.connection
                .execute(
                    "INSERT INTO gpkg_tile_matrix VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?6)",
                    params![name, zoom, level.width, level.height, matrix.tile_px, level.cell],
                )
                .map_err(failed)?;
        }
        if layer.webp {
            self.connection
                .execute(
                    "INSERT INTO gpkg_extensions VALUES (?, 'tile_data', 'gpkg_webp', 'http://www.geopackage.org/spec120/#extension_tiles_webp', 'read-write')",
                    params![name],
                )
                .map_err(failed)?;
        }
        self.run("COMMIT")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::picture::{Codec, Encoder};
    use crate::format::tile_matrix::WEB_MERCATOR_QUAD;
    use crate::io::gdal::{RasterLimits, open_raster};
    use crate::raster::Rgbx;

    #[test]
    fn gdal_sees_the_tiles_where_they_lie() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gpkg");
        let mut encoder = Encoder::new(Codec::Jpeg { quality: 90, background: [255; 3] }).unwrap();
        let mut picture = Rgbx::empty(256, 256);
        for pixel in picture.pixels_mut().chunks_exact_mut(4) {
            pixel.copy_from_slice(&[200, 40, 30, 255]);
        }
        let bytes = encoder.encode_part(&picture, [0, 0], [256; 2]).unwrap().unwrap();
        let tile = Tile { z: 17, x: 69_000, y: 42_000 };
        let tiles = [tile.ancestor(1), tile];
        let extent = WEB_MERCATOR_QUAD.bbox(tile);
        let layer = TileLayer { name: "luftbild", title: "Luftbild", matrix: &WEB_MERCATOR_QUAD, extent, webp: false };
        let mut file = Geopackage::create(&path, "2024-10-15T00:00:00.000Z").unwrap();
        file.add_tiles(&layer, tiles.map(|tile| Ok((tile, bytes.clone())))).unwrap();
        file.finish().unwrap();
        let dataset = open_raster(&path, &["GPKG"], RasterLimits::default()).unwrap();
        assert_eq!(dataset.raster_size(), (256, 256));
        let transform = dataset.geo_transform().unwrap();
        assert!((transform[0] - extent.min[0]).abs() < 1e-6 && (transform[3] - extent.max[1]).abs() < 1e-6, "{transform:?}");
        assert_eq!(dataset.spatial_ref().unwrap().auth_code().unwrap(), 3857);
        let band = dataset.rasterband(1).unwrap();
        assert_eq!(band.overview_count().unwrap(), 1);
        let red = band.read_as::<u8>((100, 100), (1, 1), (1, 1), None).unwrap().data()[0];
        assert!(red.abs_diff(200) < 4, "{red}");
    }
}
