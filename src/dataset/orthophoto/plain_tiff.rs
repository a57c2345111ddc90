//! The header of a GeoTIFF that holds nothing unusual, without GDAL.
//!
//! GDAL asks every JPEG in TIFF for the quality it was packed with, by packing a hundred pictures: some ten milliseconds for each of
//! thousands of sheets. What follows says something only of files in which every tag is known and plain, and then it is what GDAL
//! says; everything else, and all that is wrong with a file, is left to GDAL.

use super::beside::Beside;
use super::cutline::Rings;
use super::geo_keys;
use super::header::{Access, Expected, Header, MAX_PIECE, Validity, implausible};
use super::tiff_pieces::TiffDecoder;
use super::tiled_tiff::{self, decoder};
use std::path::Path;
use tiff::TiffResult;
use tiff::decoder::ChunkType;
use tiff::decoder::ifd::Entry;
use tiff::tags::{Tag, Type};

/// Tags that neither change what pixels mean nor where they lie, or are looked at below (TIFF 6.0; Adobe's supplements; GeoTIFF, OGC
/// 19-008r4, clause 6). GDAL's own of metadata (42112) and of nodata (42113) are not among them.
const KNOWN: [u16; 32] = [
    254, 256, 257, 258, 259, 262, 270, 274, 277, 282, 283, 284, 296, 305, 306, 315, 316, 317, 322, 323, 324, 325, 338, 339, 347,
    530, 531, 532, 33_550, 33_922, 34_735, 34_737,
];

/// True when a known tag is of the type that the standards give it.
fn is_plain(tag: u16, entry: &Entry) -> bool {
    let kind = entry.field_type();
    KNOWN.contains(&tag)
        && match tag {
            270 | 305 | 306 | 315 | 316 | 34_737 => kind == Type::ASCII,
            282 | 283 | 532 => kind == Type::RATIONAL,
            33_550 | 33_922 => kind == Type::DOUBLE,
            347 => kind == Type::UNDEFINED,
            // Of sizes the writer may choose.
            254 | 256 | 257 | 322..=325 => matches!(kind, Type::SHORT | Type::LONG | Type::LONG8),
            _ => kind == Type::SHORT,
        }
}
/// `NewSubfileType` of an overview.
const OVERVIEW: u32 = 1;
/// Most pictures of a file that are looked through.
const MAX_PICTURES: usize = 64;
/// `Compression`: JPEG.
const JPEG: u16 = 7;

/// The header, and whether a nodata value is not used because the image is lossy; `None` says nothing.
pub fn header(path: &Path, size: u64, expected: &Expected, beside: &Beside) -> Option<(Header, bool)> {
    let Beside { transform: None, crs: None, nodata: None, .. } = beside else { return None };
    // GDAL takes a mask from such a file.
    let mut mask = path.as_os_str().to_owned();
    mask.push(".msk");
    if Path::new(&mask).exists() {
        return None;
    }
    let mut tiff = decoder(path).ok()?;
    let tags = tiff.ifd_pointer()?;
    let tags = tiff.read_directory(tags).ok()?;
    if !tags.iter().all(|(tag, entry)| is_plain(tag.to_u16(), entry)) || tiff.get_chunk_type() != ChunkType::Tile {
        return None;
    }
    let (width, height) = tiff.dimensions().ok()?;
    let bands = one(&mut tiff, Tag::SamplesPerPixel).ok()??;
    // Of further bands the file has to say that they are neither colours nor opacity.
    let further = bands.checked_sub(if one(&mut tiff, Tag::PhotometricInterpretation).ok()?? == 1 { 1 } else { 3 })?;
    let plain = all(&mut tiff, Tag::BitsPerSample).ok()??.iter().all(|&bits| bits == 8)
        && all(&mut tiff, Tag::SampleFormat).ok()?.is_none_or(|formats| formats.iter().all(|&format| format == 1))
        && all(&mut tiff, Tag::ExtraSamples).ok()?.map_or(further == 0, |extra| extra == vec![0; usize::from(further)])
        && all(&mut tiff, Tag::ChromaSubsampling)
            .ok()?
            .is_none_or(|steps| steps.len() == 2 && steps.iter().all(|step| [1, 2, 4].contains(step)))
        && one(&mut tiff, Tag::PlanarConfiguration).ok()? == Some(1)
        && one(&mut tiff, Tag::Orientation).ok()?.is_none_or(|orientation| orientation == 1)
        && one(&mut tiff, Tag::NewSubfileType).ok()?.is_none_or(|kind| kind == 0);
    let (tile_width, tile_height) = tiff.chunk_dimensions();
    let piece = u64::from(tile_width).checked_mul(u64::from(tile_height))?.checked_mul(u64::from(bands))?;
    if !plain || piece > MAX_PIECE || implausible(width as usize, height as usize, size).is_some() {
        return None;
    }
    let transform = transform(&mut tiff)?;
    let keys = all(&mut tiff, Tag::GeoKeyDirectoryTag).ok()??;
    let crs = geo_keys::code(&keys)?;
    let named =
        geo_keys::is_area(&keys) && geo_keys::has_no_definition(&mut tiff) && expected.crs.is_none_or(|expected| expected == crs);
    let lossy = one(&mut tiff, Tag::Compression).ok()?? == JPEG;
    if !named || !only_overviews(&mut tiff) {
        return None;
    }
    let validity = expected.nodata.filter(|_| !lossy).map_or(Validity::All, Validity::Nodata);
    let (stretch, cutline, access, piece_mb) = (None, Rings::new(), Access::TiledTiff, piece.div_ceil(1 << 20));
    let header = Header { width, height, bands, crs, transform, stretch, validity, cutline, access, piece_mb };
    let whole = tiled_tiff::check_whole(path).is_ok() && tiled_tiff::suits(path, &header);
    whole.then_some((header, lossy && expected.nodata.is_some()))
}

/// A tag of one small number, where there is one.
fn one(tiff: &mut TiffDecoder, tag: Tag) -> TiffResult<Option<u16>> {
    tiff.find_tag_unsigned(tag)
}

/// A tag of several.
fn all(tiff: &mut TiffDecoder, tag: Tag) -> TiffResult<Option<Vec<u16>>> {
    tiff.find_tag_unsigned_vec(tag)
}

/// Where it lies, by one tie point and the size of pixels: north is up.
fn transform(tiff: &mut TiffDecoder) -> Option<[f64; 6]> {
    let numbers = |tiff: &mut TiffDecoder, tag| tiff.find_tag(tag).ok()??.into_f64_vec().ok();
    let scale = numbers(tiff, Tag::ModelPixelScaleTag)?;
    let tie = numbers(tiff, Tag::ModelTiepointTag)?;
    let ([across, down, ..], [column, row, _, east, north, _]) = (scale.as_slice(), tie.as_slice()) else { return None };
    let plausible = |value: &f64| value.is_finite() && value.abs() < 1e9;
    let sides = (1e-6..1e6).contains(across) && (1e-6..1e6).contains(down);
    let transform = [east - column * across, *across, 0.0, north + row * down, 0.0, -down];
    (sides && transform.iter().all(plausible)).then_some(transform)
}

/// True when the other pictures of the file are smaller copies of the first: none is a mask.
fn only_overviews(tiff: &mut TiffDecoder) -> bool {
    for _ in 0..MAX_PICTURES {
        if !tiff.more_images() {
            return true;
        }
        let overview = tiff.next_image().is_ok() && matches!(tiff.find_tag_unsigned(Tag::NewSubfileType), Ok(Some(OVERVIEW)));
        if !overview {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crs::Crs;
    use crate::dataset::orthophoto::header;
    use gdal::raster::{Buffer, RasterCreationOptions};
    use gdal::spatial_ref::SpatialRef;
    use std::path::PathBuf;

    /// A GeoTIFF of noise, made by GDAL.
    fn written(folder: &Path, bands: usize, options: &[&str]) -> (PathBuf, gdal::Dataset) {
        crate::io::gdal::init();
        let path = folder.join("image.tif");
        let driver = gdal::DriverManager::get_driver_by_name("GTiff").unwrap();
        let options: RasterCreationOptions = options.iter().copied().collect();
        let mut image = driver.create_with_band_type_with_options::<u8, _>(&path, 600, 400, bands, &options).unwrap();
        image.set_geo_transform(&[564_990.3, 0.2, 0.0, 5_949_010.7, 0.0, -0.2]).unwrap();
        image.set_spatial_ref(&SpatialRef::from_epsg(25832).unwrap()).unwrap();
        for band in 1..=bands {
            let values = (0..600 * 400).map(|at| (at * 7 + at / 600 * band) as u8).collect();
            image.rasterband(band).unwrap().write((0, 0), (600, 400), &mut Buffer::new((600, 400), values)).unwrap();
        }
        (path, image)
    }

    fn both(path: &Path, expected: &Expected) -> (Option<(Header, bool)>, (Header, bool)) {
        let size = std::fs::metadata(path).unwrap().len();
        let beside = Beside::default();
        (super::header(path, size, expected, &beside), header::by_gdal(path, "image.tif", size, *expected, &beside).unwrap())
    }

    #[test]
    fn what_is_plain_is_what_gdal_says() {
        let tiled = |rest: &[&'static str]| [&["TILED=YES"], rest].concat();
        let cases = [
            (3, tiled(&[])),
            (1, tiled(&["COMPRESS=LZW"])),
            (3, tiled(&["COMPRESS=JPEG", "PHOTOMETRIC=YCBCR", "JPEG_QUALITY=85"])),
            (3, tiled(&["COMPRESS=JPEG"])),
            (4, tiled(&["COMPRESS=DEFLATE", "PREDICTOR=2", "PHOTOMETRIC=RGB", "ALPHA=NO"])),
            (4, tiled(&["COMPRESS=JPEG", "PHOTOMETRIC=RGB", "ALPHA=NO", "BIGTIFF=YES"])),
            (3, tiled(&["COMPRESS=ZSTD", "BLOCKXSIZE=512", "BLOCKYSIZE=128", "ENDIANNESS=BIG"])),
        ];
        for (bands, options) in cases {
            let folder = tempfile::tempdir().unwrap();
            let (path, image) = written(folder.path(), bands, &options);
            image.close().unwrap();
            for nodata in [None, Some(0)] {
                for crs in [None, Some(Crs::UTM32)] {
                    let (own, gdal) = both(&path, &Expected { nodata, crs, stretch: None });
                    assert_eq!(own, Some(gdal), "{bands} bands, {options:?}");
                }
            }
            let (own, _) = both(&path, &Expected::default());
            assert!(own.is_some());
            let other = Expected { crs: Some(Crs(25833)), ..Expected::default() };
            assert!(super::header(&path, 1 << 20, &other, &Beside::default()).is_none(), "GDAL has the words for it");
        }
    }

    #[test]
    fn overviews_change_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (path, mut image) = written(folder.path(), 3, &["TILED=YES", "COMPRESS=JPEG", "PHOTOMETRIC=YCBCR"]);
        image.build_overviews("AVERAGE", &[2, 4], &[]).unwrap();
        image.close().unwrap();
        let (own, gdal) = both(&path, &Expected::default());
        assert_eq!(own, Some(gdal));
    }

    /// What it is, bands, options, and what is changed afterwards.
    type Change = (&'static str, usize, &'static [&'static str], fn(&mut gdal::Dataset));

    #[test]
    fn what_says_more_is_left_to_gdal() {
        use gdal::Metadata;
        let cases: [Change; 11] = [
            ("nothing", 3, &["TILED=YES"], |_| ()),
            ("four plain bands", 4, &["TILED=YES", "PHOTOMETRIC=RGB", "ALPHA=NO"], |_| ()),
            ("strips", 3, &[], |_| ()),
            ("opacity", 4, &["TILED=YES", "PHOTOMETRIC=RGB", "ALPHA=YES"], |_| ()),
            ("bands apart", 3, &["TILED=YES", "INTERLEAVE=BAND"], |_| ()),
            ("nodata", 3, &["TILED=YES"], |image| image.rasterband(1).unwrap().set_no_data_value(Some(0.0)).unwrap()),
            ("metadata", 3, &["TILED=YES"], |image| image.set_metadata_item("COLOUR", "strange", "").unwrap()),
            ("points", 3, &["TILED=YES"], |image| image.set_metadata_item("AREA_OR_POINT", "Point", "").unwrap()),
            ("turned", 3, &["TILED=YES"], |image| {
                image.set_geo_transform(&[565_000.0, 0.2, 0.01, 5_949_000.0, 0.01, -0.2]).unwrap();
            }),
            ("a definition", 3, &["TILED=YES"], |image| {
                let own = "+proj=tmerc +lat_0=0 +lon_0=9.5 +k=0.9996 +x_0=500000 +y_0=0 +ellps=GRS80 +units=m";
                image.set_spatial_ref(&SpatialRef::from_proj4(own).unwrap()).unwrap();
            }),
            ("a mask", 3, &["TILED=YES"], |image| image.rasterband(1).unwrap().create_mask_band(true).unwrap()),
        ];
        // A mask is to be inside the file.
        gdal::config::set_thread_local_config_option("GDAL_TIFF_INTERNAL_MASK", "YES").unwrap();
        for (what, bands, options, change) in cases {
            let folder = tempfile::tempdir().unwrap();
            let (path, mut image) = written(folder.path(), bands, options);
            change(&mut image);
            image.close().unwrap();
            assert!(!path.with_extension("tif.msk").exists() && !path.with_extension("tif.aux.xml").exists(), "{what}");
            let own = super::header(&path, 1 << 20, &Expected::default(), &Beside::default());
            assert_eq!(own.is_some(), ["nothing", "four plain bands"].contains(&what), "{what}");
        }
        let folder = tempfile::tempdir().unwrap();
        let (path, image) = written(folder.path(), 3, &["TILED=YES"]);
        image.close().unwrap();
        let header = |beside| super::header(&path, 1 << 20, &Expected::default(), &beside);
        assert!(header(Beside::default()).is_some());
        assert!(header(Beside { nodata: Some(0.0), ..Beside::default() }).is_none());
        std::fs::write(folder.path().join("image.tif.msk"), "").unwrap();
        assert!(header(Beside::default()).is_none());
    }

    #[test]
    fn of_broken_files_it_says_what_gdal_says_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (path, image) = written(folder.path(), 3, &["TILED=YES", "COMPRESS=JPEG", "PHOTOMETRIC=YCBCR"]);
        image.close().unwrap();
        let whole = std::fs::read(&path).unwrap();
        let mut state = 5_u64;
        let mut random = move |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        let (mut said, mut refused) = (0, Vec::new());
        for _ in 0..2000 {
            let mut bytes = whole.clone();
            for _ in 0..3 {
                // Where the tags are, mostly.
                let at = if random(4) == 0 { random(bytes.len()) } else { random(700.min(bytes.len())) };
                bytes[at] = random(256) as u8;
            }
            std::fs::write(&path, &bytes).unwrap();
            let (size, beside, expected) = (bytes.len() as u64, Beside::default(), Expected::default());
            let Some(own) = super::header(&path, size, &expected, &beside) else { continue };
            said += 1;
            match header::by_gdal(&path, "image.tif", size, expected, &beside) {
                Ok(gdal) => assert_eq!(own, gdal),
                Err(error) => refused.push(error.full_message()),
            }
        }
        assert!(said > 100, "{said}");
        // A field of an unknown type is to be skipped (TIFF 6.0, section 2), and what is then the default is what the file had.
        refused.retain(|error| !error.contains("Incompatible type for \"SampleFormat\""));
        assert_eq!(refused, Vec::<String>::new());
        std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();
        assert!(super::header(&path, 1 << 20, &Expected::default(), &Beside::default()).is_none(), "cut off");
    }
}
