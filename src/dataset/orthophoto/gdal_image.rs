//! Images through GDAL: their headers, and the pixels of all that the reader of tiled TIFF files does not decode.

use super::beside::Beside;
use super::geo_keys;
use super::header::{Bands, Header, Levels, Stretch, Validity, refused};
use crate::crs::Crs;
use crate::error::{Error, Result};
use crate::io::gdal as rim;
use crate::raster::Rgbx;
use gdal::raster::{ColorInterpretation, GdalDataType};
use gdal::spatial_ref::SpatialRef;
use gdal::{Dataset, Metadata};
use std::path::{Path, PathBuf};

/// Drivers that may open a source; never those that follow references to other files or hosts.
const DRIVERS: [&str; 4] = ["GTiff", "JP2OpenJPEG", "JPEG", "PNG"];

/// An image opened with GDAL.
pub struct GdalImage {
    dataset: Dataset,
    path: PathBuf,
}

impl GdalImage {
    /// Opens an image with one of the allowed drivers, whatever its name ends in.
    ///
    /// # Errors
    /// When none of them can.
    pub fn open(path: &Path) -> Result<Self> {
        let dataset = rim::open_raster(path, &DRIVERS, rim::RasterLimits::default()).map_err(|error| {
            refused("the file is no image that can be read")
                .because(error)
                .hint("GeoTIFF, JPEG 2000, JPEG and PNG are read; ECW needs a driver that Debian's GDAL does not have")
        })?;
        Ok(Self { dataset, path: path.to_owned() })
    }

    /// Columns and rows.
    pub fn size(&self) -> (usize, usize) {
        self.dataset.raster_size()
    }

    /// Number of bands.
    pub fn bands(&self) -> u16 {
        u16::try_from(self.dataset.raster_count()).unwrap_or(u16::MAX)
    }

    /// Checks that there are bands that make a picture, and gives the stretch when they have 16 bit.
    ///
    /// # Errors
    /// When there are none, too many, or of another type than 8 bit, or 16 bit without a stretch.
    pub fn check_bands(&self, stretch: Option<Stretch>) -> Result<Option<Stretch>> {
        let bands = self.bands();
        if bands == 0 || bands > 16 {
            return Err(refused(format!("an image of {bands} bands is no orthophoto")));
        }
        let mut wide = 0;
        for index in 1..=usize::from(bands) {
            let band = self.dataset.rasterband(index).map_err(|error| unreadable("cannot read a band", error))?;
            wide += u16::from(band.band_type() == GdalDataType::UInt16);
            if !matches!(band.band_type(), GdalDataType::UInt8 | GdalDataType::UInt16) || wide > 0 && usize::from(wide) != index {
                let reason = format!("band {index} holds {}; 8 bit or 16 bit without sign are read", band.band_type().name());
                return Err(refused(reason).hint("stretch the image to 8 bit: gdal_translate -ot Byte -scale"));
            }
            if band.color_interpretation() == ColorInterpretation::PaletteIndex {
                return Err(
                    refused("a picture with a colour table is no orthophoto").hint("expand it: gdal_translate -expand rgb")
                );
            }
        }
        if wide > 0 && stretch.is_none() {
            return Err(refused("the image has 16 bit, and the pipeline does not say which levels are black and white")
                .hint("set stretch = [0, 4095], or whatever the office says, in the dataset"));
        }
        Ok(stretch.filter(|_| wide > 0))
    }

    /// Bytes of the largest piece that is decoded at once: a tile or strip with all its bands.
    ///
    /// # Errors
    /// When the bands cannot be read.
    pub fn piece_bytes(&self) -> Result<u64> {
        let band = self.dataset.rasterband(1).map_err(|error| unreadable("cannot read a band", error))?;
        let (width, height) = band.block_size();
        let pixels = (width as u64).saturating_mul(height as u64);
        Ok(pixels.saturating_mul(u64::from(self.bands())).saturating_mul(u64::from(band.band_type().bytes())))
    }

    /// Where the image lies.
    ///
    /// # Errors
    /// When it does not say, or the numbers make no place.
    pub fn transform(&self, beside: &Beside) -> Result<[f64; 6]> {
        let missing = || {
            refused("the image has no georeference: it does not say where it lies")
                .hint("deliver GeoTIFF, or the world file beside the image")
        };
        let own = self.dataset.geo_transform().ok().filter(|own| *own != [0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
        let transform = beside.transform.or(own).or(beside.world).ok_or_else(missing)?;
        let determinant = transform[1] * transform[5] - transform[2] * transform[4];
        let plausible = |value: &f64| value.is_finite() && value.abs() < 1e9;
        if !transform.iter().all(plausible) || determinant.abs() < 1e-18 {
            return Err(refused("the georeference of the image makes no place"));
        }
        Ok(transform)
    }

    /// The CRS, from the image, from what lies `beside` it (WKT), or else from the pipeline.
    ///
    /// # Errors
    /// When neither says it, they contradict, or it has no EPSG code.
    pub fn crs(&self, expected: Option<Crs>, beside: Option<&str>) -> Result<Crs> {
        if beside.is_none()
            && let Some(found) = geo_keys::named(&self.path)
        {
            return agreed(found, expected);
        }
        let says = |own: &SpatialRef| epsg(own).is_some() || own.to_wkt().is_ok_and(|text| !text.is_empty());
        let own = self.dataset.spatial_ref().ok().filter(says);
        let beside = || beside.and_then(|text| SpatialRef::from_wkt(text).or_else(|_| SpatialRef::from_esri(text)).ok());
        let Some(mut own) = own.or_else(beside) else {
            return expected.ok_or_else(|| {
                refused("the image does not say its CRS")
                    .hint("set crs = \"EPSG:25832\" in the dataset, if all such images have it")
            });
        };
        let found = epsg(&own).or_else(|| {
            own.auto_identify_epsg().ok()?;
            epsg(&own)
        });
        match (found, expected) {
            (Some(found), expected) => agreed(found, expected),
            (None, Some(expected)) => {
                let named = SpatialRef::from_epsg(expected.0).map_err(|error| unreadable("no such CRS", error))?;
                if named == own {
                    Ok(expected)
                } else {
                    Err(refused(format!("the CRS of the image is not {expected}, as the pipeline says")))
                }
            }
            (None, None) => {
                let name = own.name().unwrap_or_default();
                Err(refused(format!("the CRS of the image, '{name}', has no EPSG code")).hint("set crs in the dataset"))
            }
        }
    }

    /// How valid pixels are known; true when a nodata value is not used because the image is lossy.
    ///
    /// # Errors
    /// When the bands cannot be read.
    pub fn validity(&self, expected: Option<u16>, beside: Option<f64>) -> Result<(Validity, bool)> {
        let failed = |error| unreadable("cannot read the image's mask", error);
        let band = self.dataset.rasterband(1).map_err(failed)?;
        let flags = band.mask_flags().map_err(failed)?;
        if flags.is_alpha() {
            for index in (1..=self.bands()).rev() {
                let band = self.dataset.rasterband(usize::from(index)).map_err(failed)?;
                if band.color_interpretation() == ColorInterpretation::AlphaBand {
                    return Ok((Validity::Alpha(index), false));
                }
            }
        }
        if flags.is_per_dataset() {
            return Ok((Validity::Mask, false));
        }
        let own = band.no_data_value().or(beside).filter(|value| (0.0..=65535.0).contains(value) && value.fract() == 0.0);
        let Some(value) = expected.or(own.map(|value| value as u16)) else { return Ok((Validity::All, false)) };
        if self.is_lossy() { Ok((Validity::All, true)) } else { Ok((Validity::Nodata(value), false)) }
    }

    /// True when the compression changes colours.
    fn is_lossy(&self) -> bool {
        let item = |name: &str| self.dataset.metadata_item(name, "IMAGE_STRUCTURE").unwrap_or_default();
        match self.dataset.driver().short_name().as_str() {
            "JPEG" => true,
            "JP2OpenJPEG" => item("COMPRESSION_REVERSIBILITY") != "LOSSLESS",
            _ => item("COMPRESSION").contains("JPEG"),
        }
    }

    /// Reads a window of pixels that lies within the image.
    ///
    /// # Errors
    /// When GDAL cannot decode it, or says so while its functions succeed; when the image has not the bands to be shown.
    pub fn read(&self, header: &Header, bands: Bands, from: [usize; 2], size: [usize; 2]) -> Result<Rgbx> {
        let shown = bands.of(header.bands)?;
        rim::watched(&self.path, "the image cannot be decoded", || self.decode(header, shown, from, size))
    }

    fn decode(&self, header: &Header, shown: [usize; 3], [x, y]: [usize; 2], [width, height]: [usize; 2]) -> Result<Rgbx> {
        let failed = |error| unreadable("the image cannot be decoded", error);
        let mut picture = Rgbx::empty(width, height);
        // GDAL gives 8 bit as 16 bit too; a copy more, on the slow way anyhow.
        let mut values = vec![0_u16; width * height];
        let levels = header.stretch.map(Levels::new);
        let grey = |value: u16| levels.as_ref().map_or(value as u8, |levels| levels.of(value));
        let mut invalid_everywhere = vec![true; if matches!(header.validity, Validity::Nodata(_)) { values.len() } else { 0 }];
        let window = (x as isize, y as isize);
        for index in 0..usize::from(header.bands) {
            // A nodata pixel has the value in all bands, also in those that are not shown.
            if invalid_everywhere.is_empty() && !shown.contains(&index) {
                continue;
            }
            let band = self.dataset.rasterband(index + 1).map_err(failed)?;
            band.read_into_slice(window, (width, height), (width, height), &mut values, None).map_err(failed)?;
            if let Validity::Nodata(nodata) = header.validity {
                for (invalid, value) in invalid_everywhere.iter_mut().zip(&values) {
                    *invalid &= *value == nodata;
                }
            }
            for channel in (0..3).filter(|&channel| shown[channel] == index) {
                for (pixel, value) in picture.pixels_mut().chunks_exact_mut(4).zip(&values) {
                    pixel[channel] = grey(*value);
                }
            }
        }
        let mut opaque = 128;
        match header.validity {
            Validity::All => values.fill(255),
            Validity::Nodata(_) => {
                for (value, invalid) in values.iter_mut().zip(&invalid_everywhere) {
                    *value = if *invalid { 0 } else { 255 };
                }
            }
            Validity::Mask | Validity::Alpha(_) => {
                let band = self.dataset.rasterband(1).map_err(failed)?;
                let mask = band.open_mask_band().map_err(failed)?;
                // An alpha band of 16 bit is a mask of 16 bit.
                if mask.band_type() == GdalDataType::UInt16 {
                    opaque = 1 << 15;
                }
                mask.read_into_slice(window, (width, height), (width, height), &mut values, None).map_err(failed)?;
            }
        }
        for (pixel, value) in picture.pixels_mut().chunks_exact_mut(4).zip(&values) {
            if *value >= opaque {
                pixel[3] = 255;
            } else {
                pixel.fill(0);
            }
        }
        Ok(picture)
    }
}

/// The CRS that an image is in, unless the pipeline says another.
fn agreed(found: Crs, expected: Option<Crs>) -> Result<Crs> {
    if let Some(expected) = expected.filter(|expected| *expected != found) {
        return Err(refused(format!("the image is in {found}, the pipeline says {expected}"))
            .hint("leave out crs where the images name it themselves"));
    }
    Ok(found)
}

/// The EPSG code of the horizontal part.
fn epsg(own: &SpatialRef) -> Option<Crs> {
    // Asked for a part, GDAL writes the definition as text, for which PROJ looks for names in its database: milliseconds for each image.
    if !own.is_compound()
        && own.auth_name().as_deref() == Some("EPSG")
        && let Some(code) = own.auth_code().ok().and_then(|code| u32::try_from(code).ok())
    {
        return Some(Crs(code));
    }
    let part = if own.is_projected() { "PROJCS" } else { "GEOGCS" };
    let item = |child| own.get_attr_value(&format!("{part}|AUTHORITY"), child).ok().flatten();
    (item(0)? == "EPSG").then(|| item(1)?.parse().ok().map(Crs))?
}

fn unreadable(what: &str, error: gdal::errors::GdalError) -> Error {
    refused(what).because(error)
}
