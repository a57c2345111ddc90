//! What an image says about itself: size, bands, place, and which of its pixels count.

use super::beside::{Beside, is_ecw};
use super::cutline::Rings;
use super::gdal_image::GdalImage;
use crate::crs::{Bbox, Crs, Operation};
use crate::error::{Error, Place, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How the valid pixels of an image are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Validity {
    /// All are valid.
    All,
    /// By a mask of one bit.
    Mask,
    /// By an alpha channel in this band (from 1): valid from the middle of its range on.
    Alpha(u16),
    /// Those that do not have this grey level in all bands.
    Nodata(u16),
}

/// Who decodes an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// The reader of tiled TIFF files.
    TiledTiff,
    /// GDAL.
    Gdal,
}

/// Which bands of an image are shown as red, green and blue, counted from 1. An image of one or two bands is shown grey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bands(pub [u16; 3]);

impl Default for Bands {
    fn default() -> Self {
        Self([1, 2, 3])
    }
}

impl Bands {
    /// The bands of an image of `count` bands, counted from 0.
    ///
    /// # Errors
    /// When the image has not all of them.
    pub fn of(self, count: u16) -> Result<[usize; 3]> {
        if count <= 2 && self == Self::default() {
            return Ok([0; 3]);
        }
        if let Some(missing) = self.0.iter().find(|&&band| band == 0 || band > count) {
            return Err(refused(format!("the image has {count} bands; band {missing} is to be shown")));
        }
        Ok(self.0.map(|band| usize::from(band) - 1))
    }
}

/// The levels of an image of 16 bit that become 0 and 255; those between become what lies between, linearly.
pub type Stretch = [u16; 2];

/// What each level of an image of 16 bit becomes.
pub struct Levels(Vec<u8>);

impl Levels {
    /// The table of a stretch.
    pub fn new([low, high]: Stretch) -> Self {
        let (low, range) = (i64::from(low), i64::from(high.max(low.saturating_add(1))) - i64::from(low));
        let level = |value: i64| ((value - low).clamp(0, range) * 255 * 2 + range) / (2 * range);
        Self((0..=i64::from(u16::MAX)).map(|value| level(value) as u8).collect())
    }
    /// What a level becomes.
    #[inline]
    pub fn of(&self, level: u16) -> u8 {
        self.0.get(usize::from(level)).copied().unwrap_or(u8::MAX)
    }
}

/// Size, bands, place and validity of an image. Part of the identity of the blocks it is drawn on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Bands; of three and more the first three are red, green, blue.
    pub bands: u16,
    /// CRS.
    pub crs: Crs,
    /// Easting = `t[0] + t[1]·column + t[2]·row`, northing = `t[3] + t[4]·column + t[5]·row`; whole numbers are pixel corners.
    #[serde(with = "exact")]
    pub transform: [f64; 6],
    /// For an image of 16 bit: the levels that become 0 and 255.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stretch: Option<Stretch>,
    /// Which pixels count.
    pub validity: Validity,
    /// What of it counts, in pixels; nothing when all does.
    #[serde(default, skip_serializing_if = "Rings::is_empty")]
    pub cutline: Rings,
    /// Who decodes it.
    pub access: Access,
    /// Largest piece that has to be decoded at once, in MiB, rounded up.
    pub piece_mb: u64,
}

/// Numbers as text: a digest over them, or a journey through JSON, must not depend on how a parser rounds.
mod exact {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(values: &[f64; 6], serializer: S) -> Result<S::Ok, S::Error> {
        values.map(|value| value.to_string()).serialize(serializer)
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[f64; 6], D::Error> {
        let texts = <[String; 6]>::deserialize(deserializer)?;
        let mut values = [0.0; 6];
        for (value, text) in values.iter_mut().zip(texts) {
            *value = text.parse().map_err(serde::de::Error::custom)?;
        }
        Ok(values)
    }
}

/// Most columns or rows of an image.
const MAX_SIDE: usize = 1_000_000;
/// Most pixels for each byte of the file: more than any compression of pictures gives.
const MAX_PIXELS_PER_BYTE: u64 = 20_000;
/// Largest piece that may have to be decoded at once, in bytes.
pub(super) const MAX_PIECE: u64 = 256 << 20;

/// What the pipeline says about images.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Expected {
    /// CRS of those that do not name theirs.
    pub crs: Option<Crs>,
    /// Grey level without data.
    pub nodata: Option<u16>,
    /// How images of 16 bit become 8 bit.
    #[serde(default)]
    pub stretch: Option<Stretch>,
}

/// Reads the header of an image; the second value is true when a nodata value is not used because the image is lossy.
///
/// # Errors
/// With the reason why the image cannot be used.
pub fn read(path: &Path, name: &str, size: u64, expected: Expected, beside: &Beside) -> Result<(Header, bool)> {
    if is_ecw(name) {
        return Err(Error::new("mk::orthophoto::driver", "the image is ECW, and GDAL has no driver named ECW here")
            .at(Place::file(name))
            .hint("ask the office for GeoTIFF, or convert it on a machine that has the driver: gdal_translate -of GTiff"));
    }
    if let Some(plain) = super::plain_tiff::header(path, size, &expected, beside) {
        return Ok(plain);
    }
    by_gdal(path, name, size, expected, beside)
}

/// [`read`], of any image that GDAL opens.
pub(super) fn by_gdal(path: &Path, name: &str, size: u64, expected: Expected, beside: &Beside) -> Result<(Header, bool)> {
    let at = |error: Error| error.in_file(name);
    let image = GdalImage::open(path).map_err(at)?;
    let (width, height) = image.size();
    if let Some(reason) = implausible(width, height, size) {
        return Err(refused(reason).at(Place::file(name)));
    }
    let stretch = image.check_bands(expected.stretch).map_err(at)?;
    let piece = image.piece_bytes().map_err(at)?;
    if piece > MAX_PIECE {
        let reason = format!("the image is stored in pieces of {} MiB; at most {} are read", piece >> 20, MAX_PIECE >> 20);
        return Err(refused(reason).at(Place::file(name)).hint("store it in tiles: gdal_translate -co TILED=YES"));
    }
    super::tiled_tiff::check_whole(path).map_err(at)?;
    let transform = image.transform(beside).map_err(at)?;
    let crs = image.crs(expected.crs, beside.crs.as_deref()).map_err(at)?;
    let (validity, ignored) = image.validity(expected.nodata, beside.nodata).map_err(at)?;
    let mut header = Header {
        width: width as u32,
        height: height as u32,
        bands: image.bands(),
        crs,
        transform,
        stretch,
        validity,
        cutline: Rings::new(),
        access: Access::Gdal,
        piece_mb: piece.div_ceil(1 << 20),
    };
    if super::tiled_tiff::suits(path, &header) {
        header.access = Access::TiledTiff;
    }
    Ok((header, ignored))
}

/// Why a file of so many bytes cannot hold an image of that size; `None` when it may.
pub(super) fn implausible(width: usize, height: usize, bytes: u64) -> Option<String> {
    if [width, height].iter().any(|side| !(1..=MAX_SIDE).contains(side)) {
        return Some(format!("an image of {width} × {height} pixels is not plausible"));
    }
    let pixels = (width as u64).saturating_mul(height as u64);
    let claimed = || format!("the file claims {width} × {height} pixels in {bytes} bytes, which no image compression gives");
    (pixels > bytes.saturating_mul(MAX_PIXELS_PER_BYTE)).then(claimed)
}

/// An image that cannot be used.
pub(super) fn refused(reason: impl Into<String>) -> Error {
    Error::new("mk::orthophoto::image", reason)
}

impl Header {
    /// Position in the CRS of a place in pixels.
    pub fn to_map(&self, [column, row]: [f64; 2]) -> [f64; 2] {
        let t = &self.transform;
        [t[0] + t[1] * column + t[2] * row, t[3] + t[4] * column + t[5] * row]
    }
    /// Position in pixels of a place in the CRS.
    pub fn to_pixel(&self, [east, north]: [f64; 2]) -> [f64; 2] {
        let t = &self.transform;
        let determinant = t[1] * t[5] - t[2] * t[4];
        let [dx, dy] = [east - t[0], north - t[3]];
        [(dx * t[5] - dy * t[2]) / determinant, (dy * t[1] - dx * t[4]) / determinant]
    }
    /// The four corners in the CRS: upper left, lower left, lower right, upper right of the picture.
    pub fn corners(&self) -> [[f64; 2]; 4] {
        let (width, height) = (f64::from(self.width), f64::from(self.height));
        [[0.0, 0.0], [0.0, height], [width, height], [width, 0.0]].map(|place| self.to_map(place))
    }
    /// The box of the image in another CRS. Edges are followed at 21 places: they bend.
    ///
    /// # Errors
    /// When the image lies where the operation has no answer.
    pub fn bounds(&self, operation: &Operation) -> Result<Bbox> {
        let (width, height) = (f64::from(self.width), f64::from(self.height));
        let mut edge = Vec::with_capacity(84);
        for step in 0..=20 {
            let share = f64::from(step) / 20.0;
            for place in [[share, 0.0], [share, 1.0], [0.0, share], [1.0, share]] {
                edge.push(self.to_map([place[0] * width, place[1] * height]));
            }
        }
        operation.forward(&mut edge)?;
        let mut bbox = Bbox::EMPTY;
        for point in edge {
            bbox.grow(point);
        }
        Ok(bbox)
    }
    /// Side of a pixel on the ground in metres, to three digits (what a projection stretches is not meant), in the middle of the image.
    ///
    /// # Errors
    /// When the image lies where the operation has no answer.
    pub fn resolution_m(&self, to_lonlat: &Operation) -> Result<f64> {
        let (column, row) = (f64::from(self.width) / 2.0, f64::from(self.height) / 2.0);
        let mut points = [[column, row], [column + 1.0, row], [column, row + 1.0]].map(|place| self.to_map(place));
        to_lonlat.forward(&mut points)?;
        // GRS 80: radii of curvature in the meridian and across it.
        let (a, e2) = (6_378_137.0, 0.006_694_380_022_9);
        let sin = points[0][1].to_radians().sin();
        let across = a / (1.0 - e2 * sin * sin).sqrt();
        let along = across * (1.0 - e2) / (1.0 - e2 * sin * sin);
        let metres = |from: [f64; 2], to: [f64; 2]| {
            let east = (to[0] - from[0]).to_radians() * across * from[1].to_radians().cos();
            let north = (to[1] - from[1]).to_radians() * along;
            east.hypot(north)
        };
        let side = (metres(points[0], points[1]) * metres(points[0], points[2])).sqrt();
        if !(side.is_finite() && side > 0.0) {
            return Err(refused("the size of the image's pixels on the ground is not plausible"));
        }
        let digits = 10_f64.powi(2 - side.log10().floor() as i32);
        Ok((side * digits).round() / digits)
    }
}
