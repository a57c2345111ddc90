//! Pixels against GDAL's own warper (`gdalwarp -et 0`): at most one grey level apart, and the same pixels valid.

use super::beside::Beside;
use super::header::{self, Access, Bands, Expected, Header, Validity};
use super::mosaic::{self, Member, Reader};
use super::options::{Drawing, Resampling, TileTarget};
use super::painter::{Painter, Scene};
use crate::crs::Operation;
use crate::format::tile_matrix::{Tile, WEB_MERCATOR_QUAD};
use crate::io::Source;
use crate::raster::Rgbx;
use gdal::raster::{Buffer, ColorInterpretation};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a program of GDAL; false, with a reason printed, when it is not installed.
pub(super) fn gdal(program: &str, arguments: &[&str]) -> bool {
    match Command::new(program).args(arguments).output() {
        Ok(output) => {
            assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            true
        }
        Err(error) => {
            println!("skipped: {program} does not start: {error}");
            false
        }
    }
}

/// A picture with texture, a hole, and a border of invalid pixels, 25832 at 20 cm, as red, green, blue, alpha.
fn synthetic(path: &Path, size: usize, corner: [f64; 2]) {
    let mut picture = Rgbx::empty(size, size);
    let mut state = 7_u32;
    for y in 0..size {
        for x in 0..size {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 24) as u8 / 3;
            let wave =
                |period: f64, phase: f64| ((x as f64 / period + phase).sin() * (y as f64 / period).cos() * 80.0 + 90.0) as u8;
            let hole = x.abs_diff(size / 3).pow(2) + y.abs_diff(size / 2).pow(2) < (size / 6).pow(2);
            if !hole && x + y > size / 5 && x < size - 3 {
                picture.row_mut(y)[x * 4..x * 4 + 4].copy_from_slice(&[
                    wave(7.0, 0.0) + noise,
                    wave(23.0, 1.0),
                    wave(61.0, 2.0).max(noise),
                    255,
                ]);
            }
        }
    }
    write_rgba(path, &picture, [corner[0], 0.2, 0.0, corner[1], 0.0, -0.2]);
}

pub(super) fn write_rgba(path: &Path, picture: &Rgbx, transform: [f64; 6]) {
    let driver = gdal::DriverManager::get_driver_by_name("GTiff").unwrap();
    let (width, height) = (picture.width(), picture.height());
    let mut dataset = driver.create_with_band_type::<u8, _>(path, width, height, 4).unwrap();
    dataset.set_geo_transform(&transform).unwrap();
    dataset.set_spatial_ref(&gdal::spatial_ref::SpatialRef::from_epsg(25832).unwrap()).unwrap();
    let colours = [
        ColorInterpretation::RedBand,
        ColorInterpretation::GreenBand,
        ColorInterpretation::BlueBand,
        ColorInterpretation::AlphaBand,
    ];
    for (index, colour) in colours.into_iter().enumerate() {
        let mut band = dataset.rasterband(index + 1).unwrap();
        band.set_color_interpretation(colour).unwrap();
        let values = picture.pixels().iter().skip(index).step_by(4).copied().collect();
        band.write((0, 0), (width, height), &mut Buffer::new((width, height), values)).unwrap();
    }
    dataset.close().unwrap();
}

fn member(path: &Path) -> Member {
    let source = Source::of_file(path, "image.tif").unwrap();
    let (header, _) = header::read(path, "image.tif", source.size, Expected::default(), &Beside::default()).unwrap();
    Member { header, source, path: path.to_owned() }
}

fn read(path: &Path) -> Rgbx {
    let dataset = crate::io::gdal::open_raster(path, &["GTiff"], crate::io::gdal::RasterLimits::default()).unwrap();
    let (width, height) = dataset.raster_size();
    let mut picture = Rgbx::empty(width, height);
    picture.pixels_mut().fill(255);
    for index in 0..dataset.raster_count() {
        let band = dataset.rasterband(index + 1).unwrap().read_as::<u8>((0, 0), (width, height), (width, height), None).unwrap();
        for (pixel, value) in picture.pixels_mut().chunks_exact_mut(4).zip(band.data()) {
            pixel[index] = *value;
        }
    }
    picture
}

/// The pixels of four times four tiles, drawn one by one.
fn drawn(painter: &mut Painter, tile: Tile) -> Rgbx {
    let side = WEB_MERCATOR_QUAD.tile_px as usize;
    let (mut scene, mut room, mut picture) = (Scene::default(), Rgbx::empty(side, side), Rgbx::empty(4 * side, 4 * side));
    painter.prepare(tile, None, &mut scene).unwrap();
    for at in (0..16).map(|number| [number % 4 * side, number / 4 * side]) {
        scene.tile(at, &mut room);
        picture.put(at[0], at[1], &room);
    }
    picture
}

/// Draws the tile in the middle of the image that holds 1024 pixels, with both programs, and compares.
fn compare(path: &Path, zooms_below: u8, resampling: Resampling, gdal_name: &str) {
    let member = member(path);
    let header: Header = member.header.clone();
    let operation = Operation::between(header.crs, WEB_MERCATOR_QUAD.crs, &[]).unwrap();
    let bounds = header.bounds(&operation).unwrap();
    let natural = (WEB_MERCATOR_QUAD.cell(0) / (bounds.width() / f64::from(header.width))).log2().ceil() as u8;
    let max_zoom = natural - zooms_below;
    let (columns, rows) = WEB_MERCATOR_QUAD.range(max_zoom - 2, &bounds).unwrap();
    let tile = Tile {
        z: max_zoom - 2,
        x: u32::midpoint(*columns.start(), *columns.end()),
        y: u32::midpoint(*rows.start(), *rows.end()),
    };
    let target = TileTarget { resampling, ..TileTarget::default() };
    let drawing = Drawing { matrix: WEB_MERCATOR_QUAD.clone(), codec: target.codec(), resampling, bands: target.bands };
    let ours = drawn(&mut Painter::new(vec![member], &drawing, max_zoom, &[]).unwrap(), tile);

    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("warped.tif");
    let bbox = WEB_MERCATOR_QUAD.bbox(tile);
    let te = [bbox.min[0], bbox.min[1], bbox.max[0], bbox.max[1]].map(|value| format!("{value:.12}"));
    let (path, out_name) = (path.to_string_lossy(), out.to_string_lossy());
    let arguments = [
        "-q",
        "-et",
        "0",
        "-ovr",
        "NONE",
        "-t_srs",
        "EPSG:3857",
        "-ct",
        &operation.fact().pipeline,
        "-r",
        gdal_name,
        "-te",
        &te[0],
        &te[1],
        &te[2],
        &te[3],
        "-ts",
        "1024",
        "1024",
        "-dstalpha",
        "-wo",
        "UNIFIED_SRC_NODATA=YES",
        &path,
        &out_name,
    ];
    if !gdal("gdalwarp", &arguments) {
        return;
    }
    let theirs = read(&out);
    let (mut worst, mut differ, mut only_one, mut valid) = (0_u8, 0, 0, 0);
    let mut squares = 0_u64;
    for (index, (a, b)) in ours.pixels().chunks_exact(4).zip(theirs.pixels().chunks_exact(4)).enumerate() {
        if gdal_name == "average" && header.validity != Validity::Alpha(4) && at_border(&ours, &theirs, index) {
            continue;
        }
        match (a[3] != 0, b[3] != 0) {
            (true, true) => {
                valid += 1;
                let difference = (0..3).map(|channel| a[channel].abs_diff(b[channel])).max().unwrap_or(0);
                worst = worst.max(difference);
                differ += usize::from(difference > 0);
                squares += (0..3).map(|channel| u64::from(a[channel].abs_diff(b[channel])).pow(2)).sum::<u64>();
            }
            (false, false) => {}
            _ => only_one += 1,
        }
    }
    let decibels = 10.0 * (255.0_f64.powi(2) * 3.0 * f64::from(valid) / squares.max(1) as f64).log10();
    println!(
        "{path} z{max_zoom} {gdal_name}: {valid} valid, {differ} differ, worst {worst}, {decibels:.1} dB, {only_one} valid in one only"
    );
    assert!(valid > 10_000, "the tile shows too little: {valid}");
    assert!(worst <= 1, "{worst} grey levels apart");
    assert!(decibels > 55.0, "{decibels} dB");
    assert_eq!(only_one, 0, "other pixels are valid");
}

/// True beside a pixel that is invalid in one of the pictures. Where an area reaches beyond the image's edge, GDAL gives the outermost
/// row more than its share (its weight there is above one) and draws pixels that lie outside; only there may the two differ.
fn at_border(ours: &Rgbx, theirs: &Rgbx, index: usize) -> bool {
    let (x, y) = (index % ours.width(), index / ours.width());
    let around = |at: usize, most: usize| at.saturating_sub(1)..(at + 2).min(most);
    around(y, ours.height()).any(|y| around(x, ours.width()).any(|x| ours.pixel(x, y)[3] == 0 || theirs.pixel(x, y)[3] == 0))
}

/// How a picture is stored and what comes of it: name, options of `gdal_translate`, who decodes it, how its valid pixels are known.
type Variant = (&'static str, &'static str, Access, Validity);

const VARIANTS: [Variant; 11] = [
    ("lzw.tif", "-co TILED=YES -co COMPRESS=LZW -co PREDICTOR=2", Access::TiledTiff, Validity::Alpha(4)),
    ("strips.tif", "-co COMPRESS=LZW -co BIGTIFF=YES", Access::TiledTiff, Validity::Alpha(4)),
    ("deflate.tif", "RGB -co TILED=YES -co COMPRESS=DEFLATE -a_nodata 0", Access::TiledTiff, Validity::Nodata(0)),
    ("zstd.tif", "RGB -mask 4 -co TILED=YES -co COMPRESS=ZSTD -co BLOCKXSIZE=128", Access::TiledTiff, Validity::Mask),
    ("striped_mask.tif", "RGB -mask 4 -co COMPRESS=LZW", Access::TiledTiff, Validity::Mask),
    ("planar.tif", "-co TILED=YES -co INTERLEAVE=BAND", Access::Gdal, Validity::Alpha(4)),
    ("cog.tif", "-of COG -co COMPRESS=DEFLATE -co PREDICTOR=YES", Access::TiledTiff, Validity::Alpha(4)),
    ("jp2.jp2", "-of JP2OpenJPEG -co REVERSIBLE=YES -co QUALITY=100", Access::Gdal, Validity::Alpha(4)),
    ("wide.tif", "WIDE -co TILED=YES -co COMPRESS=DEFLATE -co PREDICTOR=2", Access::TiledTiff, Validity::Nodata(0)),
    ("wide_big_endian.tif", "WIDE -co COMPRESS=LZW -co ENDIANNESS=BIG", Access::TiledTiff, Validity::Nodata(0)),
    ("wide_planar.tif", "WIDE -co INTERLEAVE=BAND", Access::Gdal, Validity::Nodata(0)),
];

#[test]
fn every_way_to_store_a_picture_gives_its_pixels() {
    let folder = tempfile::tempdir().unwrap();
    let name = |file: &str| folder.path().join(file).to_string_lossy().into_owned();
    synthetic(Path::new(&name("rgba.tif")), 600, [565_100.0, 5_948_900.0]);
    let truth = read(Path::new(&name("rgba.tif")));
    for (file, options, access, validity) in VARIANTS {
        let (source, stored) = (name("rgba.tif"), name(file));
        let options = options.replace("WIDE", "RGB -ot UInt16 -scale 0 255 0 4080 -a_nodata 0").replace("RGB", "-b 1 -b 2 -b 3");
        let mut arguments = vec!["-q", "--config", "GDAL_TIFF_INTERNAL_MASK", "YES"];
        arguments.extend(options.split(' '));
        arguments.extend([source.as_str(), stored.as_str()]);
        if !gdal("gdal_translate", &arguments) {
            return;
        }
        let expected = Expected { stretch: Some([0, 4080]), ..Expected::default() };
        let source = Source::of_file(Path::new(&stored), file).unwrap();
        let (header, _) = header::read(Path::new(&stored), file, source.size, expected, &Beside::default()).unwrap();
        assert_eq!((header.access, header.validity), (access, validity), "{file}");
        assert_eq!(header.stretch.is_some(), file.starts_with("wide"), "{file}");
        let layers = mosaic::layers(&[&header]);
        let mut reader = Reader::new(vec![Member { header, source, path: PathBuf::from(&stored) }], Bands::default());
        for (from, size) in [([0, 0], [600, 600]), ([100, 37], [300, 400]), ([255, 255], [2, 2])] {
            let ours = reader.window(&layers[0], from, size).unwrap();
            let theirs = truth.part(from[0] as usize, from[1] as usize, size[0], size[1]);
            assert!(ours == theirs, "{file} at {from:?}");
        }
    }
}

#[test]
fn lossy_pictures_are_warped_as_gdal_does_also_at_the_mask() {
    let folder = tempfile::tempdir().unwrap();
    let name = |file: &str| folder.path().join(file).to_string_lossy().into_owned();
    synthetic(Path::new(&name("rgba.tif")), 1500, [565_100.0, 5_948_900.0]);
    for (file, options) in [("mask.tif", "-mask 4 -co PHOTOMETRIC=YCBCR"), ("plain.tif", "-mask none -co PHOTOMETRIC=RGB")] {
        let (source, stored) = (name("rgba.tif"), name(file));
        let jpeg = "-q -b 1 -b 2 -b 3 -co TILED=YES -co COMPRESS=JPEG --config GDAL_TIFF_INTERNAL_MASK YES";
        let arguments: Vec<&str> = jpeg.split(' ').chain(options.split(' ')).chain([source.as_str(), stored.as_str()]).collect();
        if !gdal("gdal_translate", &arguments) {
            return;
        }
        assert_eq!(member(Path::new(&stored)).header.access, Access::TiledTiff);
        for (resampling, gdal_name) in [(Resampling::Bilinear, "bilinear"), (Resampling::Bicubic, "cubic")] {
            compare(Path::new(&stored), 0, resampling, gdal_name);
        }
    }
}

#[test]
fn a_false_colour_picture_shows_the_bands_that_gdal_picks() {
    let folder = tempfile::tempdir().unwrap();
    let name = |file: &str| folder.path().join(file).to_string_lossy().into_owned();
    synthetic(Path::new(&name("rgba.tif")), 600, [565_100.0, 5_948_900.0]);
    let four = ["-q", "-colorinterp", "red,green,blue,undefined", "-mask", "none"];
    let stored: [(&str, Access, &[&str]); 4] = [
        ("lzw.tif", Access::TiledTiff, &["-co", "TILED=YES", "-co", "COMPRESS=LZW"]),
        ("jpeg.tif", Access::TiledTiff, &["-co", "TILED=YES", "-co", "COMPRESS=JPEG"]),
        ("planar.tif", Access::Gdal, &["-co", "INTERLEAVE=BAND"]),
        ("strips.tif", Access::TiledTiff, &["-a_nodata", "0"]),
    ];
    for (file, access, options) in stored {
        let (source, stored, picked) = (name("rgba.tif"), name(file), name("picked.tif"));
        if !gdal("gdal_translate", &[&four[..], options, &[&source, &stored]].concat()) {
            return;
        }
        gdal("gdal_translate", &["-q", "-b", "4", "-b", "1", "-b", "2", &stored, &picked]);
        let member = member(Path::new(&stored));
        assert_eq!(member.header.access, access, "{file}");
        let layers = mosaic::layers(&[&member.header]);
        let mut reader = Reader::new(vec![member], Bands([4, 1, 2]));
        let ours = reader.window(&layers[0], [0, 0], [600, 600]).unwrap();
        let theirs = read(Path::new(&picked));
        let valid = |(ours, _): &(&[u8], &[u8])| ours[3] != 0;
        let mut shown = ours.pixels().chunks_exact(4).zip(theirs.pixels().chunks_exact(4)).filter(valid);
        assert!(shown.all(|(ours, theirs)| ours == theirs), "{file}");
        let error = Bands([5, 1, 2]).of(4).unwrap_err();
        assert_eq!(error.message(), "the image has 4 bands; band 5 is to be shown");
    }
}

#[test]
fn bicubic_and_area_are_those_of_gdal_also_at_the_mask() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rgba.tif");
    synthetic(&path, 3000, [565_100.0, 5_948_900.0]);
    compare(&path, 0, Resampling::Bicubic, "cubic");
    compare(&path, 1, Resampling::Bilinear, "average");
}

#[test]
fn the_demo_town_is_warped_as_gdal_does() {
    let town = crate::demo::town::Town::new(7, 0.25);
    let [west, south, _, _] = town.bounds();
    let canvas = crate::demo::image::picture(&town, [west + 100.0, south + 100.0, west + 340.0, south + 340.0]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("town.tif");
    std::fs::write(&path, crate::demo::image::tiff::encode(&canvas, 85, "2023-05-14").unwrap()).unwrap();
    let three = folder.path().join("three.tif");
    let names = [path.to_string_lossy(), three.to_string_lossy()];
    if gdal("gdal_translate", &["-q", "-b", "1", "-b", "2", "-b", "3", "-co", "TILED=YES", &names[0], &names[1]]) {
        compare(&three, 0, Resampling::Bilinear, "bilinear");
        compare(&three, 0, Resampling::Bicubic, "cubic");
    }
}

#[test]
fn real_images_are_warped_as_gdal_does() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["naip/m_4709963_se_14_1_20180716.tif", "aerial/test_tiled.tif", "aerial/5b90f92da0d7280005fab355_4310.tif"] {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/ortho").join(file);
        if !source.exists() {
            println!("skipped: {} is not there", source.display());
            continue;
        }
        // Three bands, so that both programs judge nodata by the same.
        let path = folder.path().join("three.tif");
        let names = [source.to_string_lossy(), path.to_string_lossy()];
        if !gdal("gdal_translate", &["-q", "-b", "1", "-b", "2", "-b", "3", "-co", "TILED=YES", &names[0], &names[1]]) {
            return;
        }
        println!("{file}");
        compare(&path, 0, Resampling::Bilinear, "bilinear");
        compare(&path, 0, Resampling::Bicubic, "cubic");
        compare(&path, 2, Resampling::Bilinear, "average");
    }
}
