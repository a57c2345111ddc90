//! Geoid undulations: what turns a height above sea level (DHHN2016 ...) into a height above the ellipsoid.
//!
//! Read by ourselves because PROJ 9.1 leaves heights unchanged without a word when it does not know the grid's name. GeoTIFF grids
//! follow the OGC Geodetic data Grid exchange Format of PROJ-data (one band of undulations in metres), GTX grids NOAA's.

use super::GridFact;
use crate::error::{Error, Place, Result};
use crate::io::Digest;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tiff::decoder::{Decoder, DecodingResult};
use tiff::tags::Tag;

/// Most nodes that a grid may have (EGM2008 at 2.5' has 37 million).
const MAX_NODES: u64 = 64 << 20;
/// Largest grid file.
const MAX_BYTES: u64 = 512 << 20;
/// Share of a cell by which a point may lie outside through rounding.
const EDGE: f64 = 1e-6;
/// GTX's mark for a node without a value.
const GTX_NODATA: f32 = -88.8888;

/// A grid of geoid undulations; cheap to clone, usable from any thread.
#[derive(Debug, Clone)]
pub struct Geoid {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    fact: GridFact,
    nodes: Nodes,
}

/// Nodes row by row from the north-west; the first *node* (not the corner of its cell) lies at `west`, `north`.
#[derive(Debug)]
struct Nodes {
    west: f64,
    north: f64,
    step: [f64; 2],
    columns: usize,
    rows: usize,
    nodata: Option<f32>,
    values: Vec<f32>,
}

impl Geoid {
    /// Reads a grid: GeoTIFF or GTX, told apart by content.
    ///
    /// # Errors
    /// When the file cannot be read, or is no such grid.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let wrong = |message: String| {
            Error::new("mk::crs::geoid", message).at(Place::file(path.display().to_string())).hint(
                "use a geoid grid as GeoTIFF or GTX, such as de_bkg_gcg2016.tif from https://cdn.proj.org/de_bkg_gcg2016.tif",
            )
        };
        let size = std::fs::metadata(path).map_err(|error| wrong("cannot read the geoid grid".to_owned()).because(error))?.len();
        if size > MAX_BYTES {
            return Err(wrong(format!("the geoid grid has {size} bytes, more than {MAX_BYTES}")));
        }
        let bytes = std::fs::read(path).map_err(|error| wrong("cannot read the geoid grid".to_owned()).because(error))?;
        let digest = Digest::of(&bytes);
        let tiff = [&b"II*\0"[..], b"MM\0*", b"II+\0", b"MM\0+"].iter().any(|magic| bytes.starts_with(magic));
        let (nodes, attribution) = if tiff { read_tiff(bytes) } else { read_gtx(&bytes) }
            .map_err(|reason| wrong(format!("not a geoid grid: {reason}")))?;
        Ok(Self { inner: Arc::new(Inner { path: path.to_owned(), fact: GridFact { name, digest, attribution }, nodes }) })
    }
    /// Height of the geoid above the ellipsoid in metres, bilinear between the four nodes around the point; longitude and latitude
    /// in degrees (ETRS89).
    ///
    /// # Errors
    /// When the point lies outside the grid, or next to a node without a value.
    pub fn undulation(&self, lon_deg: f64, lat_deg: f64) -> Result<f64> {
        self.inner.nodes.at(lon_deg, lat_deg).ok_or_else(|| {
            Error::new("mk::crs::geoid_outside", format!("the geoid grid {} has no value here", self.inner.fact.name))
                .at(Place::default().at([lon_deg, lat_deg]))
                .hint("check the CRS and axis order of the source, or use a grid that covers it")
        })
    }
    /// Name, digest and attribution of the grid.
    pub fn fact(&self) -> &GridFact {
        &self.inner.fact
    }
    /// The file.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }
}

impl Nodes {
    fn checked(self) -> Result<Self, String> {
        let finite = [self.west, self.north, self.step[0], self.step[1]].iter().all(|value| value.is_finite());
        if !finite || self.step[0] <= 0.0 || self.step[1] <= 0.0 || self.columns < 2 || self.rows < 2 {
            return Err("its georeference makes no sense".to_owned());
        }
        let (south, east) =
            (self.north - self.step[1] * (self.rows - 1) as f64, self.west + self.step[0] * (self.columns - 1) as f64);
        if self.north > 90.5 || south < -90.5 || self.west < -360.5 || east > 720.5 {
            return Err("its georeference is not in degrees".to_owned());
        }
        Ok(self)
    }
    /// True when the last column's eastern neighbour is the first.
    fn wraps(&self) -> bool {
        (self.step[0] * self.columns as f64 - 360.0).abs() < self.step[0] * 0.5
    }
    fn at(&self, lon: f64, lat: f64) -> Option<f64> {
        if !(lon.is_finite() && lat.is_finite() && lon.abs() <= 720.0) {
            return None;
        }
        let mut x = (lon - self.west) / self.step[0];
        let turn = 360.0 / self.step[0];
        while x < -EDGE {
            x += turn;
        }
        while x >= turn - EDGE && x > (self.columns - 1) as f64 + EDGE {
            x -= turn;
        }
        let y = (self.north - lat) / self.step[1];
        let last_column = if self.wraps() { self.columns } else { self.columns - 1 };
        let (column, u) = cell(x, last_column)?;
        let (row, v) = cell(y, self.rows - 1)?;
        let mut sum = 0.0;
        for (row, weight_y) in [(row, 1.0 - v), (row + 1, v)] {
            for (column, weight_x) in [(column, 1.0 - u), (column + 1, u)] {
                let weight = weight_x * weight_y;
                if weight == 0.0 {
                    continue;
                }
                let value = *self.values.get(row * self.columns + column % self.columns)?;
                if !value.is_finite() || self.nodata.is_some_and(|nodata| (value - nodata).abs() < 1e-3) {
                    return None;
                }
                sum += weight * f64::from(value);
            }
        }
        Some(sum)
    }
}

/// The cell that a position in units of cells lies in, and the share within it.
fn cell(position: f64, last: usize) -> Option<(usize, f64)> {
    if !(-EDGE..=last as f64 + EDGE).contains(&position) {
        return None;
    }
    let position = position.clamp(0.0, last as f64);
    let index = (position.floor() as usize).min(last - 1);
    Some((index, position - index as f64))
}

fn read_tiff(bytes: Vec<u8>) -> Result<(Nodes, String), String> {
    let text = |error: tiff::TiffError| error.to_string();
    let mut decoder = Decoder::new(Cursor::new(bytes)).map_err(text)?;
    let (columns, rows) = decoder.dimensions().map_err(text)?;
    if u64::from(columns) * u64::from(rows) > MAX_NODES {
        return Err(format!("{columns} x {rows} nodes are more than {MAX_NODES}"));
    }
    let numbers = |decoder: &mut Decoder<Cursor<Vec<u8>>>, tag| decoder.get_tag_f64_vec(tag).unwrap_or_default();
    let scale = numbers(&mut decoder, Tag::ModelPixelScaleTag);
    let tie = numbers(&mut decoder, Tag::ModelTiepointTag);
    let ([step_x, step_y, ..], [i, j, _, x, y, ..]) = (scale.as_slice(), tie.as_slice()) else {
        return Err("it has no georeference (ModelPixelScale, ModelTiepoint)".to_owned());
    };
    let keys = decoder.get_tag_u16_vec(Tag::GeoKeyDirectoryTag).unwrap_or_default();
    let key = |wanted: u16| keys.chunks_exact(4).skip(1).find(|key| key[0] == wanted).map(|key| key[3]);
    if key(1024).is_some_and(|model| model != 2) {
        return Err("its CRS is not geographic".to_owned());
    }
    // GTRasterTypeGeoKey: 1 = the tie point is a corner of the cell, 2 = it is the node itself.
    let half = if key(1025) == Some(2) { 0.0 } else { 0.5 };
    let ascii = |decoder: &mut Decoder<Cursor<Vec<u8>>>, tag| decoder.get_tag_ascii_string(tag).unwrap_or_default();
    let nodata = ascii(&mut decoder, Tag::GdalNodata).trim_end_matches('\0').trim().parse::<f32>().ok();
    let metadata = ascii(&mut decoder, Tag::Unknown(42112));
    if metadata.contains("role=\"scale\"") || metadata.contains("role=\"offset\"") {
        return Err("it stores scaled values".to_owned());
    }
    let attribution = ascii(&mut decoder, Tag::Copyright).trim_end_matches('\0').trim().to_owned();
    let (west, north) = (x + (half - i) * step_x, y - (half - j) * step_y);
    let step = [*step_x, *step_y];
    let values = match decoder.read_image().map_err(text)? {
        DecodingResult::F32(values) => values,
        DecodingResult::F64(values) => values.into_iter().map(|value| value as f32).collect(),
        _ => return Err("its values are no floating point numbers".to_owned()),
    };
    let (columns, rows) = (columns as usize, rows as usize);
    if values.len() != columns * rows {
        return Err("it has more than one band".to_owned());
    }
    Ok((Nodes { west, north, step, columns, rows, nodata, values }.checked()?, attribution))
}

/// GTX: big-endian latitude and longitude of the south-west node, their steps, rows, columns, then `f32` rows from south to north.
fn read_gtx(bytes: &[u8]) -> Result<(Nodes, String), String> {
    const HEADER: usize = 40;
    let word = |at: usize| bytes.get(at..at + 8).and_then(|slice| <[u8; 8]>::try_from(slice).ok()).map(f64::from_be_bytes);
    let int = |at: usize| bytes.get(at..at + 4).and_then(|slice| <[u8; 4]>::try_from(slice).ok()).map(i32::from_be_bytes);
    let header = (word(0), word(8), word(16), word(24), int(32), int(36));
    let (Some(south), Some(west), Some(step_y), Some(step_x), Some(rows), Some(columns)) = header else {
        return Err("neither GeoTIFF nor GTX".to_owned());
    };
    let size = i64::from(rows).checked_mul(i64::from(columns)).and_then(|nodes| nodes.checked_mul(4));
    let body = bytes.get(HEADER..).unwrap_or_default();
    if rows < 2 || columns < 2 || size != Some(body.len() as i64) {
        return Err("neither GeoTIFF nor GTX".to_owned());
    }
    let (rows, columns) = (rows as usize, columns as usize);
    let values =
        body.chunks_exact(columns * 4).rev().flat_map(|row| row.chunks_exact(4)).filter_map(|value| value.try_into().ok());
    let values: Vec<f32> = values.map(f32::from_be_bytes).collect();
    let north = south + step_y * (rows - 1) as f64;
    let nodes = Nodes { west, north, step: [step_x, step_y], columns, rows, nodata: Some(GTX_NODATA), values };
    Ok((nodes.checked()?, String::new()))
}

#[cfg(test)]
mod tests {
    use super::super::native;
    use super::*;

    fn gtx(south: f64, west: f64, step: f64, rows: i32, columns: i32, value: impl Fn(i32, i32) -> f32) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in [south, west, step, step] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(rows.to_be_bytes());
        bytes.extend(columns.to_be_bytes());
        for row in 0..rows {
            for column in 0..columns {
                bytes.extend(value(row, column).to_be_bytes());
            }
        }
        bytes
    }

    fn opened(bytes: &[u8]) -> Result<Geoid> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grid.gtx");
        std::fs::write(&path, bytes).unwrap();
        Geoid::open(&path)
    }

    #[test]
    fn bilinear_between_nodes_and_exact_on_them() {
        // N = 40 + row + 10 column is bilinear itself.
        let geoid = opened(&gtx(53.0, 9.0, 0.5, 3, 4, |row, column| 40.0 + row as f32 + 10.0 * column as f32)).unwrap();
        for (lon, lat, truth) in [(9.0, 53.0, 40.0), (10.5, 54.0, 72.0), (9.25, 53.25, 45.5), (9.6, 53.9, 53.8)] {
            assert!((geoid.undulation(lon, lat).unwrap() - truth).abs() < 1e-9, "{lon} {lat}");
        }
    }

    #[test]
    fn outside_and_nodata_are_refused() {
        let geoid =
            opened(&gtx(53.0, 9.0, 0.5, 3, 3, |row, column| if (row, column) == (2, 2) { GTX_NODATA } else { 40.0 })).unwrap();
        for (lon, lat) in
            [(8.9, 53.2), (10.1, 53.2), (9.2, 52.9), (9.2, 54.1), (9.9, 53.9), (f64::NAN, 53.0), (9.0, f64::INFINITY)]
        {
            let error = geoid.undulation(lon, lat).unwrap_err();
            assert_eq!(error.code(), "mk::crs::geoid_outside", "{lon} {lat}");
        }
        // The node beside the missing one has a value of its own.
        assert!(geoid.undulation(9.5, 54.0).is_ok());
    }

    #[test]
    fn a_global_grid_wraps_around() {
        let geoid = opened(&gtx(-90.0, -180.0, 10.0, 19, 36, |_, column| if column == 0 { 10.0 } else { 0.0 })).unwrap();
        assert!((geoid.undulation(175.0, 0.0).unwrap() - 5.0).abs() < 1e-9);
        assert!((geoid.undulation(-180.0, 0.0).unwrap() - 10.0).abs() < 1e-9);
        assert!((geoid.undulation(180.0, 0.0).unwrap() - 10.0).abs() < 1e-9);
        assert!((geoid.undulation(185.0, 90.0).unwrap() - 5.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_no_grid_is_refused() {
        for bytes in [&b""[..], b"II*\0", b"hello", &[0u8; 40], &[255u8; 64]] {
            assert_eq!(opened(bytes).unwrap_err().code(), "mk::crs::geoid");
        }
        assert!(Geoid::open(Path::new("no/such.tif")).is_err());
        // A grid in metres, and one of no extent.
        assert!(opened(&gtx(5_900_000.0, 500_000.0, 1000.0, 3, 3, |_, _| 0.0)).is_err());
        assert!(opened(&gtx(53.0, 9.0, 0.0, 3, 3, |_, _| 0.0)).is_err());
    }

    fn sample(name: &str) -> Option<PathBuf> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/lod2/grids").join(name);
        if !path.exists() {
            println!("skipped: {name} is not here");
        }
        path.exists().then_some(path)
    }

    /// Independent truth: PROJ's own reader of the same files.
    #[test]
    fn agrees_with_projs_vgridshift() {
        let points = [[7.6, 51.85], [9.98, 53.70], [6.3, 51.6], [13.4, 52.5], [11.6, 48.1], [8.000_001, 54.899]];
        for name in ["de_bkg_gcg2016.tif", "us_nga_egm96_15.tif"] {
            let Some(path) = sample(name) else { continue };
            let geoid = Geoid::open(&path).unwrap();
            for [lon, lat] in points {
                let truth = vgridshift(&path, lon, lat);
                let found = geoid.undulation(lon, lat).unwrap();
                assert!((found - truth).abs() < 1e-4, "{name} at {lon} {lat}: {found} {truth}");
            }
        }
    }

    /// The undulation as PROJ has it: a height of 0 above the geoid becomes N.
    fn vgridshift(path: &Path, lon: f64, lat: f64) -> f64 {
        let pipeline = format!(
            "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad \
             +step +proj=vgridshift +grids=\"{}\" +multiplier=1",
            path.display()
        );
        native::height(&pipeline, lon, lat).unwrap()
    }

    #[test]
    fn the_golden_point_of_muenster() {
        let Some(path) = sample("de_bkg_gcg2016.tif") else { return };
        let geoid = Geoid::open(&path).unwrap();
        let mut points = [[404_863.349, 5_746_935.008]];
        super::super::Operation::between(super::super::Crs(25832), super::super::Crs(4258), &[])
            .unwrap()
            .forward(&mut points)
            .unwrap();
        let height = 60.549 + geoid.undulation(points[0][0], points[0][1]).unwrap();
        assert!((height - 105.0056).abs() < 1e-4, "{height}");
        assert!(geoid.fact().attribution.contains("BKG"), "{:?}", geoid.fact());
        // Paris lies outside, the North Sea has no values.
        assert!(geoid.undulation(2.3, 48.8).is_err());
    }
}
