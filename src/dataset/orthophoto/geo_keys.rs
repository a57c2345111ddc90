//! The CRS of a GeoTIFF from its keys (OGC 19-008r4, clause 7), where they do no more than name one.
//!
//! GDAL asks PROJ's database some hundred questions to say the same: milliseconds for each of thousands of sheets.

use super::tiff_pieces::TiffDecoder;
use super::tiled_tiff::decoder;
use crate::crs::Crs;
use std::path::Path;
use tiff::tags::Tag;

const MODEL_TYPE: u16 = 1024;
const RASTER_TYPE: u16 = 1025;
const CITATION: u16 = 1026;
const GEODETIC_CITATION: u16 = 2049;
const ANGULAR_UNIT: u16 = 2054;
const PROJECTED_CRS: u16 = 3072;
const PROJECTED_CITATION: u16 = 3073;
const LINEAR_UNIT: u16 = 3076;

const MODEL_PROJECTED: u16 = 1;
const PIXEL_IS_AREA: u16 = 1;
const METRE: u16 = 9001;
const DEGREE: u16 = 9102;

/// The projected CRS that the keys of a file name, if all that they say is its code. `None` says nothing: GDAL knows more cases.
pub fn named(path: &Path) -> Option<Crs> {
    let mut tiff = decoder(path).ok()?;
    let keys: Vec<u16> = tiff.find_tag_unsigned_vec(Tag::GeoKeyDirectoryTag).ok()??;
    has_no_definition(&mut tiff).then(|| code(&keys)).flatten()
}

/// True when the texts hold no definition: ESRI's software writes one into the citation that overrules the code.
pub fn has_no_definition(tiff: &mut TiffDecoder) -> bool {
    text(tiff).is_some_and(|text| !text.contains("ESRI PE String"))
}

/// True when the keys say that a pixel is an area, or leave it at that.
pub fn is_area(keys: &[u16]) -> bool {
    let [_, _, _, _, entries @ ..] = keys else { return true };
    entries.as_chunks::<4>().0.iter().all(|entry| entry[0] != RASTER_TYPE || entry[1..] == [0, 1, PIXEL_IS_AREA])
}

/// All texts that keys point to.
fn text(tiff: &mut TiffDecoder) -> Option<String> {
    match tiff.find_tag(Tag::GeoAsciiParamsTag).ok()? {
        Some(value) => value.into_string().ok(),
        None => Some(String::new()),
    }
}

/// The projected CRS that keys name, if they say no more.
pub fn code(keys: &[u16]) -> Option<Crs> {
    let [version, 1, _, count, entries @ ..] = keys else { return None };
    if *version != 1 || entries.len() != usize::from(*count) * 4 {
        return None;
    }
    let mut found = None;
    let mut projected = false;
    for entry in entries.as_chunks::<4>().0 {
        match *entry {
            [MODEL_TYPE, 0, 1, MODEL_PROJECTED] => projected = true,
            [RASTER_TYPE | CITATION | GEODETIC_CITATION | PROJECTED_CITATION, ..]
            | [ANGULAR_UNIT, 0, 1, DEGREE]
            | [LINEAR_UNIT, 0, 1, METRE] => {}
            [PROJECTED_CRS, 0, 1, code] if found.is_none() && in_metres(code) => found = Some(Crs(u32::from(code))),
            _ => return None,
        }
    }
    found.filter(|_| projected)
}

/// Those whose unit is the metre for certain: UTM on ETRS89 and WGS 84, DHDN's zones, Web Mercator.
fn in_metres(code: u16) -> bool {
    matches!(code, 25828..=25838 | 32601..=32660 | 32701..=32760 | 31466..=31469 | 3857)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gdal::DriverManager;
    use gdal::raster::RasterCreationOptions;
    use gdal::spatial_ref::SpatialRef;

    /// A small GeoTIFF with that CRS, and what GDAL says of it.
    fn written(folder: &Path, crs: &SpatialRef) -> (std::path::PathBuf, Option<i32>) {
        let path = folder.join("image.tif");
        let options = RasterCreationOptions::from_iter(["TILED=YES"]);
        let driver = DriverManager::get_driver_by_name("GTiff").unwrap();
        let mut image = driver.create_with_band_type_with_options::<u8, _>(&path, 16, 16, 3, &options).unwrap();
        image.set_geo_transform(&[565_000.0, 0.2, 0.0, 5_949_000.0, 0.0, -0.2]).unwrap();
        image.set_spatial_ref(crs).unwrap();
        image.close().unwrap();
        let read = crate::io::gdal::open_raster(&path, &["GTiff"], crate::io::gdal::RasterLimits::default())
            .unwrap()
            .spatial_ref()
            .unwrap();
        (path, read.auth_code().ok())
    }

    #[test]
    fn what_the_keys_name_is_what_gdal_finds() {
        crate::io::gdal::init();
        let folder = tempfile::tempdir().unwrap();
        for code in [25832, 25833, 32632, 32733, 31467, 3857] {
            let (path, found) = written(folder.path(), &SpatialRef::from_epsg(code).unwrap());
            assert_eq!(named(&path), Some(Crs(code)));
            assert_eq!(found, i32::try_from(code).ok());
        }
    }

    #[test]
    fn what_says_more_than_a_code_is_left_to_gdal() {
        crate::io::gdal::init();
        let folder = tempfile::tempdir().unwrap();
        let own = SpatialRef::from_proj4("+proj=utm +zone=32 +ellps=GRS80 +x_0=32500000 +units=m").unwrap();
        for crs in [own, SpatialRef::from_epsg(4326).unwrap(), SpatialRef::from_epsg(2263).unwrap()] {
            assert_eq!(named(&written(folder.path(), &crs).0), None);
        }
        assert_eq!(named(&folder.path().join("none.tif")), None);
    }

    #[test]
    fn only_a_directory_without_contradiction_counts() {
        let keys = |entries: &[[u16; 4]]| [vec![1, 1, 0, entries.len() as u16], entries.concat()].concat();
        let (model, utm) = ([MODEL_TYPE, 0, 1, 1], [PROJECTED_CRS, 0, 1, 25832]);
        assert_eq!(code(&keys(&[model, utm])), Some(Crs(25832)));
        assert_eq!(code(&keys(&[utm])), None, "geographic, or not said");
        assert_eq!(code(&keys(&[model, utm, [PROJECTED_CRS, 0, 1, 25833]])), None);
        assert_eq!(code(&keys(&[model, utm, [LINEAR_UNIT, 0, 1, 9002]])), None, "feet");
        assert_eq!(code(&keys(&[model, utm, [4096, 0, 1, 7837]])), None, "heights too");
        assert_eq!(code(&keys(&[model, utm])[..10]), None, "cut off");
        assert_eq!(code(&[]), None);
    }
}
