//! Images through GDAL: their headers, and the pixels of all that the reader of tiled TIFF files does not decode.

use super::header::{Header, Validity, refused};
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

    /// Checks that there are bands that make a picture.
    ///
    /// # Errors
    /// When there are none, too many, or of another type than 8 bit.
    pub fn check_bands(&self) -> Result<()> {
        let bands = self.bands();
        if bands == 0 || bands > 16 {
            return Err(refused(format!("an image of {bands} bands is no orthophoto")));
        }
        for index in 1..=usize::from(bands) {
            let band = self.dataset.rasterband(index).map_err(|error| unreadable("cannot read a band", error))?;
            if band.band_type() != GdalDataType::UInt8 {
                return Err(refused(format!("band {index} holds {}; only 8 bit are read", band.band_type().name()))
                    .hint("stretch the image to 8 bit: gdal_translate -ot Byte -scale"));
            }
            if band.color_interpretation() == ColorInterpretation::PaletteIndex {
                return Err(
                    refused("a picture with a colour table is no orthophoto").hint("expand it: gdal_translate -expand rgb")
                );
            }
        }
        Ok(())
    }

    /// Bytes of the largest piece that is decoded at once: a tile or strip with all its bands.
    ///
    /// # Errors
    /// When the bands cannot be read.
    pub fn piece_bytes(&self) -> Result<u64> {
        let band = self.dataset.rasterband(1).map_err(|error| unreadable("cannot read a band", error))?;
        let (width, height) = band.block_size();
        Ok((width as u64).saturating_mul(height as u64).saturating_mul(u64::from(self.bands())))
    }

    /// Where the image lies.
    ///
    /// # Errors
    /// When it does not say, or the numbers make no place.
    pub fn transform(&self) -> Result<[f64; 6]> {
        let missing = || {
            refused("the image has no georeference: it does not say where it lies")
                .hint("deliver GeoTIFF, or the world file beside the image")
        };
        let transform = self.dataset.geo_transform().map_err(|_| missing())?;
        if transform == [0.0, 1.0, 0.0, 0.0, 0.0, 1.0] {
            return Err(missing());
        }
        let determinant = transform[1] * transform[5] - transform[2] * transform[4];
        let plausible = |value: &f64| value.is_finite() && value.abs() < 1e9;
        if !transform.iter().all(plausible) || determinant.abs() < 1e-18 {
            return Err(refused("the georeference of the image makes no place"));
        }
        Ok(transform)
    }

    /// The CRS, from the image or else from the pipeline.
    ///
    /// # Errors
    /// When neither says it, they contradict, or it has no EPSG code.
    pub fn crs(&self, expected: Option<Crs>) -> Result<Crs> {
        let own = self.dataset.spatial_ref().ok();
        let Some(mut own) = own.filter(|own| own.to_wkt().is_ok_and(|text| !text.is_empty())) else {
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
            (Some(found), Some(expected)) if found != expected => {
                Err(refused(format!("the image is in {found}, the pipeline says {expected}"))
                    .hint("leave out crs where the images name it themselves"))
            }
            (Some(found), _) => Ok(found),
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
    pub fn validity(&self, expected: Option<u8>) -> Result<(Validity, bool)> {
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
        let own = band.no_data_value().filter(|value| (0.0..=255.0).contains(value) && value.fract() == 0.0);
        let Some(value) = expected.or(own.map(|value| value as u8)) else { return Ok((Validity::All, false)) };
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
    /// When GDAL cannot decode it, or says so while its functions succeed.
    pub fn read(&self, header: &Header, from: [usize; 2], width: usize, height: usize) -> Result<Rgbx> {
        rim::watched(&self.path, "the image cannot be decoded", || self.decode(header, from, width, height))
    }

    fn decode(&self, header: &Header, [x, y]: [usize; 2], width: usize, height: usize) -> Result<Rgbx> {
        let failed = |error| unreadable("the image cannot be decoded", error);
        let mut picture = Rgbx::empty(width, height);
        let mut values = vec![0_u8; width * height];
        let mut invalid_everywhere = vec![true; if matches!(header.validity, Validity::Nodata(_)) { values.len() } else { 0 }];
        let window = (x as isize, y as isize);
        let colours = if header.bands >= 3 { 3 } else { 1 };
        // A nodata pixel has the value in all bands, also in those that are not shown.
        let bands = if invalid_everywhere.is_empty() { colours } else { usize::from(header.bands) };
        for index in 0..bands {
            let band = self.dataset.rasterband(index + 1).map_err(failed)?;
            band.read_into_slice(window, (width, height), (width, height), &mut values, None).map_err(failed)?;
            if let Validity::Nodata(nodata) = header.validity {
                for (invalid, value) in invalid_everywhere.iter_mut().zip(&values) {
                    *invalid &= *value == nodata;
                }
            }
            if index < colours {
                let channels = if colours == 1 { 0..3 } else { index..index + 1 };
                for (pixel, value) in picture.pixels_mut().chunks_exact_mut(4).zip(&values) {
                    pixel[channels.clone()].fill(*value);
                }
            }
        }
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
                mask.read_into_slice(window, (width, height), (width, height), &mut values, None).map_err(failed)?;
            }
        }
        for (pixel, value) in picture.pixels_mut().chunks_exact_mut(4).zip(&values) {
            if *value >= 128 {
                pixel[3] = 255;
            } else {
                pixel.fill(0);
            }
        }
        Ok(picture)
    }
}

/// The EPSG code of the horizontal part.
fn epsg(own: &SpatialRef) -> Option<Crs> {
    let part = if own.is_projected() { "PROJCS" } else { "GEOGCS" };
    let item = |child| own.get_attr_value(&format!("{part}|AUTHORITY"), child).ok().flatten();
    (item(0)? == "EPSG").then(|| item(1)?.parse().ok().map(Crs))?
}

fn unreadable(what: &str, error: gdal::errors::GdalError) -> Error {
    refused(what).because(error)
}
