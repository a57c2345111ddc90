//! The kind as a whole: real images, made ones whose truth is known, broken ones.

use super::RENDER;
use super::golden::{gdal, write_rgba};
use crate::crs::Crs;
use crate::dataset::testing::{Harness, run_kind};
use crate::format::tile_matrix::{Tile, builtin};
use crate::format::{jpeg, pmtiles};
use crate::io::Digest;
use crate::raster::Rgbx;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Files of the shared data by the ends of their names; empty, with a reason printed, when they are not there.
pub(super) fn shared(folder: &str, ending: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(folder);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: {} is not there", folder.display());
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.to_string_lossy().ends_with(ending));
    files.sort();
    files
}

fn archive(harness: &Harness) -> pmtiles::Reader {
    pmtiles::Reader::open(&harness.output().join("orthophoto.pmtiles")).unwrap()
}

/// A textured picture of a town that does not exist; `shift` changes the colours.
fn town(width: usize, height: usize, shift: u8) -> Rgbx {
    let mut picture = Rgbx::empty(width, height);
    for y in 0..height {
        for x in 0..width {
            let value = |a: usize, b: usize| ((x * a + y * b) % 160) as u8 + shift;
            picture.row_mut(y)[x * 4..x * 4 + 4].copy_from_slice(&[value(3, 1), value(1, 2), value(2, 5), 255]);
        }
    }
    picture
}

/// Writes a part of a picture as a sheet whose upper left corner lies `x`, `y` pixels of 2 m from the picture's.
fn sheet(folder: &Path, name: &str, picture: &Rgbx, [x, y]: [usize; 2], [width, height]: [usize; 2]) -> PathBuf {
    let path = folder.join(name);
    let (east, north) = (565_000.0 + x as f64 * 2.0, 5_949_000.0 - y as f64 * 2.0);
    write_rgba(&path, &picture.part(x, y, width, height), [east, 2.0, 0.0, north, 0.0, -2.0]);
    path
}

fn digest(harness: &Harness) -> Digest {
    assert!(harness.errors.is_empty(), "{:?}", harness.errors);
    Digest::of_file(&harness.output().join("orthophoto.pmtiles")).unwrap()
}

/// The second sheet begins a third of a pixel beyond the border: not a pixel of it lies in the first block, whose last pixels are mixed
/// from it.
#[test]
fn sheets_that_meet_beside_a_border_of_blocks_give_the_bytes_of_one() {
    let folder = tempfile::tempdir().unwrap();
    let matrix = builtin("DE_EPSG_25832_ADV").unwrap();
    let zoom = (5..19).find(|zoom| matrix.cell(*zoom) < 3.0).unwrap();
    let (cell, side) = (matrix.cell(zoom), matrix.bbox(Tile { z: zoom - 5, x: 0, y: 0 }).width());
    let [west, north] = matrix.corner(Tile { z: zoom - 5, x: 0, y: 0 });
    let border = west + ((565_000.0 - west) / side).ceil() * side;
    let north = north - (((north - 5_949_000.0) / side).floor() + 0.5) * side;
    let picture = town(300, 60, 0);
    let write = |name: &str, from: usize, width: usize| {
        let east = border + cell * 0.3 + (from as f64 - 150.0) * cell;
        let path = folder.path().join(name);
        write_rgba(&path, &picture.part(from, 0, width, 60), [east, cell, 0.0, north + 0.1, 0.0, -cell]);
        path
    };
    let (whole, parts) = (write("whole_2023.tif", 0, 300), [write("a_2023.tif", 0, 150), write("b_2023.tif", 150, 150)]);
    for resampling in ["bilinear", "bicubic"] {
        let tiles = json!([{ "matrix": "DE_EPSG_25832_ADV", "zoom": [zoom, zoom], "resampling": resampling, "format": "png" }]);
        let options = json!({ "tiles": tiles });
        let (one, two) =
            (run_kind("orthophoto", &options, std::slice::from_ref(&whole)), run_kind("orthophoto", &options, &parts));
        assert_eq!(one.results[RENDER].len(), 2, "it is a border of blocks");
        assert_eq!(digest(&one), digest(&two), "{resampling}: a seam shows");
    }
}

#[test]
fn sheets_side_by_side_give_the_bytes_of_one_large_sheet() {
    let folder = tempfile::tempdir().unwrap();
    let picture = town(700, 500, 0);
    let whole = sheet(folder.path(), "whole_2023.tif", &picture, [0, 0], [700, 500]);
    let parts = [
        sheet(folder.path(), "a_2023.tif", &picture, [0, 0], [301, 200]),
        sheet(folder.path(), "b_2023.tif", &picture, [301, 0], [399, 200]),
        sheet(folder.path(), "c_2023.tif", &picture, [0, 200], [450, 300]),
        // This one overlaps its neighbour.
        sheet(folder.path(), "d_2023.tif", &picture, [400, 190], [300, 310]),
    ];
    for resampling in ["bilinear", "bicubic"] {
        for zoom in [[5, 17], [5, 14]] {
            let options = json!({ "tiles": [{ "resampling": resampling, "zoom": zoom }] });
            let one = run_kind("orthophoto", &options, std::slice::from_ref(&whole));
            let four = run_kind("orthophoto", &options, &parts);
            assert_eq!(digest(&one), digest(&four), "{resampling} {zoom:?}: a seam shows");
        }
    }
}

#[test]
fn one_changed_sheet_redoes_only_what_it_touches() {
    let folder = tempfile::tempdir().unwrap();
    let picture = town(3000, 600, 0);
    let sheets = |shift: u8| {
        let changed = town(3000, 600, shift);
        [
            sheet(folder.path(), "a_2023.tif", &picture, [0, 0], [1000, 600]),
            sheet(folder.path(), "b_2023.tif", &picture, [1000, 0], [1000, 600]),
            sheet(folder.path(), "c_2023.tif", &changed, [2000, 0], [1000, 600]),
        ]
    };
    let options = json!({ "tiles": [{ "zoom": [8, 18] }] });
    let before = run_kind("orthophoto", &options, &sheets(0));
    let again = run_kind("orthophoto", &options, &sheets(0));
    assert_eq!(digest(&before), digest(&again));
    assert!(again.changed_since(&before).is_empty());
    let after = run_kind("orthophoto", &options, &sheets(40));
    assert_ne!(digest(&before), digest(&after));
    let changed = after.changed_since(&before);
    let blocks = |of: &std::collections::BTreeSet<&str>| of.iter().filter(|name| name.starts_with("1/")).count();
    assert!(changed.contains("0/c_2023.tif") && !changed.contains("0/b_2023.tif"), "{changed:?}");
    assert!(
        blocks(&changed) > 0 && blocks(&changed) < blocks(&after.identities.keys().map(String::as_str).collect()),
        "{changed:?}"
    );
    assert!(changed.contains("3/root"));
    for (old, new) in before.results[1].iter().zip(&after.results[1]) {
        let place = super::changes::place(old, new).unwrap();
        assert_eq!(place.is_some(), old.digest != new.digest, "{}", new.key);
        assert!(place.is_none_or(|place| place.before != place.after));
    }
}

#[test]
fn the_later_flight_shows_and_the_earlier_fills_its_holes() {
    let folder = tempfile::tempdir().unwrap();
    let flat = |grey: u8| {
        let mut picture = Rgbx::empty(400, 400);
        picture.pixels_mut().chunks_exact_mut(4).for_each(|pixel| pixel.copy_from_slice(&[grey, grey, grey, 255]));
        picture
    };
    let mut late = flat(200);
    for y in 100..300 {
        late.row_mut(y)[400..1200].fill(0);
    }
    let files = [
        // By name the older one comes first.
        sheet(folder.path(), "a_20200101.tif", &flat(50), [0, 0], [400, 400]),
        sheet(folder.path(), "b_20230514.tif", &late, [0, 0], [400, 400]),
    ];
    let harness = run_kind("orthophoto", &json!({ "tiles": [{ "zoom": [16, 16], "quality": 95 }] }), &files);
    let mut tiles = archive(&harness);
    let mut seen = [0_usize; 3];
    let all: Vec<_> = tiles.tiles().collect();
    for (z, x, y) in all {
        let bytes = tiles.tile(z, x, y).unwrap().unwrap();
        for pixel in jpeg::Decoder::new().unwrap().decode(&bytes, 256, 256).unwrap().pixels().chunks_exact(4) {
            match pixel[0] {
                45..=55 => seen[0] += 1,
                195..=205 => seen[1] += 1,
                250..=255 => seen[2] += 1,
                _ => {}
            }
        }
    }
    // A quarter of the picture is the hole, less what is mixed at its border.
    let ratio = seen[1] as f64 / seen[0] as f64;
    assert!((3.0..3.4).contains(&ratio), "{seen:?}");
    assert!(seen[2] > 0, "outside is white: {seen:?}");
}

#[test]
fn cutlines_divide_images_that_overlap() {
    let folder = tempfile::tempdir().unwrap();
    let flat = |grey: u8| {
        let mut picture = Rgbx::empty(400, 400);
        picture.pixels_mut().as_chunks_mut().0.fill([grey, grey, grey, 255]);
        picture
    };
    let files = [
        sheet(folder.path(), "a_2023.tif", &flat(50), [0, 0], [400, 400]),
        sheet(folder.path(), "b_2023.tif", &flat(200), [0, 0], [400, 400]),
    ];
    // By name the first shows; its cutline leaves the eastern quarter to the other.
    let west = serde_json::json!([[[564_000, 5_948_000], [565_600, 5_948_000], [565_600, 5_950_000], [564_000, 5_950_000]]]);
    let cutlines = json!({ "type": "FeatureCollection", "features": [
        { "type": "Feature", "properties": { "bild": "A_2023.tif" }, "geometry": { "type": "Polygon", "coordinates": west } },
    ]});
    let file = folder.path().join("cutlines.geojson");
    std::fs::write(&file, cutlines.to_string()).unwrap();
    let options = json!({ "tiles": [{ "zoom": [16, 16], "quality": 95 }], "cutline": { "file": file, "crs": "EPSG:25832" } });
    let harness = run_kind("orthophoto", &options, &files);
    assert!(harness.errors.is_empty(), "{:?}", harness.errors);
    let mut tiles = archive(&harness);
    let all: Vec<_> = tiles.tiles().collect();
    let mut seen = [0_usize; 2];
    for (z, x, y) in all {
        let bytes = tiles.tile(z, x, y).unwrap().unwrap();
        for pixel in jpeg::Decoder::new().unwrap().decode(&bytes, 256, 256).unwrap().pixels().chunks_exact(4) {
            seen[0] += usize::from(pixel[0].abs_diff(50) < 6);
            seen[1] += usize::from(pixel[0].abs_diff(200) < 6);
        }
    }
    let ratio = seen[0] as f64 / seen[1] as f64;
    assert!((2.9..3.1).contains(&ratio), "{seen:?}");
}

#[test]
fn a_collar_does_not_ring_into_the_picture() {
    let folder = tempfile::tempdir().unwrap();
    let mut dark = Rgbx::empty(400, 400);
    dark.pixels_mut().chunks_exact_mut(4).for_each(|pixel| pixel.copy_from_slice(&[30, 40, 50, 255]));
    let files = [sheet(folder.path(), "dark_2023.tif", &dark, [0, 0], [400, 400])];
    let harness = run_kind("orthophoto", &json!({ "tiles": [{ "zoom": [16, 16] }] }), &files);
    let mut tiles = archive(&harness);
    let all: Vec<_> = tiles.tiles().collect();
    for (z, x, y) in all {
        let bytes = tiles.tile(z, x, y).unwrap().unwrap();
        let picture = jpeg::Decoder::new().unwrap().decode(&bytes, 256, 256).unwrap();
        // The picture's colour to its very edge, then a narrow fade, then paper: nothing else, so nothing rings.
        let dark = |x: usize, y: usize| picture.pixel(x, y)[0].abs_diff(30) <= 5;
        for (y, x) in (0..256_usize).flat_map(|y| (0..256_usize).map(move |x| (y, x))) {
            if dark(x, y) || picture.pixel(x, y)[0] >= 240 {
                continue;
            }
            let around = |at: usize| at.saturating_sub(6)..(at + 7).min(256);
            let near = around(y).any(|y| around(x).any(|x| dark(x, y)));
            assert!(near, "{z}/{x}/{y} has {:?} at {x} {y}", picture.pixel(x, y));
        }
    }
}

#[test]
fn an_incomplete_file_is_refused_and_the_others_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let picture = town(800, 400, 0);
    let good = sheet(folder.path(), "good_2023.tif", &picture, [0, 0], [400, 400]);
    let cut = sheet(folder.path(), "cut_2023.tif", &picture, [400, 0], [400, 400]);
    let bytes = std::fs::read(&cut).unwrap();
    // GDAL writes the header first.
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let far = folder.path().join("far_2023.tif");
    write_rgba(&far, &picture, [5_949_000.0, 2.0, 0.0, 565_000.0, 0.0, -2.0]);
    let mut play = crate::dataset::testing::Play::new("orthophoto", &json!({}), &[good, cut, far]);
    play.area.crs = Some(Crs::UTM32);
    play.area.extent = Some([500_000.0, 5_900_000.0, 600_000.0, 6_000_000.0].into());
    let harness = play.run();
    let errors: Vec<String> = harness.errors.iter().map(|(_, key, error)| format!("{key}: {}", error.message())).collect();
    insta::assert_snapshot!(errors.join("\n"), @"
    cut_2023.tif: the file is incomplete: 41 of its 80 pieces lie beyond its end
    far_2023.tif: the image lies outside the pipeline's extent, at 5949800 564600 (EPSG:25832)
    ");
    assert_eq!(harness.assembly.unwrap().facts.counts.total().output, 1);
}

/// Runs a Python program with the tests' own environment; skips, with a reason printed, where that is not set up.
pub(super) fn python(program: &str, argument: &Path) {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python");
    if !python.exists() {
        println!("skipped: {} is not there; scripts/setup makes it", python.display());
        return;
    }
    let output = std::process::Command::new(python).args(["-c", program]).arg(argument).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn others_read_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let picture = town(600, 400, 0);
    let files = [
        sheet(folder.path(), "dop20_32_565_5948_1_sh_2023-05-14.tif", &picture, [0, 0], [300, 400]),
        sheet(folder.path(), "dop20_32_566_5948_1_sh_2022.tif", &picture, [300, 0], [300, 400]),
        sheet(folder.path(), "undated.tif", &picture, [0, 0], [300, 400]),
    ];
    let harness = run_kind("orthophoto", &json!({}), &files);
    let assembly = harness.assembly.as_ref().unwrap();
    for artefact in &assembly.artefacts {
        assert!(harness.output().join(&artefact.path).exists(), "{}", artefact.path);
    }
    let program = r"
import json, sys, pathlib, pystac, pyarrow.parquet as pq
folder = pathlib.Path(sys.argv[1])
collection = pystac.Collection.from_file(str(folder / 'stac/collection.json'))
collection.validate()
items = list(collection.get_items())
assert len(items) == 2, items
for item in items:
    item.validate()
    for asset in item.get_assets().values():
        assert pathlib.Path(asset.get_absolute_href()).exists(), asset.href
assert collection.extent.temporal.intervals[0][0].year == 2022
rows = pq.read_table(folder / 'footprints.parquet')
assert rows.num_rows == 3 and rows.column('flight_date').null_count == 1
geo = json.loads(pq.ParquetFile(folder / 'footprints.parquet').metadata.metadata[b'geo'])
assert geo['columns']['geometry']['crs']['id']['code'] == 25832, geo
";
    python(program, &harness.output());
    let preview = harness.output().join("preview.jpg");
    gdal("gdalinfo", &[&preview.to_string_lossy()]);
    let archive = harness.output().join("orthophoto.pmtiles");
    assert_eq!(harness.locate("dop20_32_566_5948_1_sh_2022.tif").unwrap().len(), 1);
    assert!(archive.metadata().unwrap().len() > 1000);
}

#[test]
fn the_fixture_is_drawn_and_its_broken_file_is_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/orthophoto");
    let names = ["dop20rgb_32_565_5948_1_sh_20230514.tif", "dop20rgb_32_566_5948_1_sh_20230514.tif", "broken_cut_off.tif"];
    let harness = run_kind("orthophoto", &json!({}), &names.map(|name| folder.join(name)));
    assert_eq!(harness.errors.len(), 1);
    insta::assert_snapshot!(harness.errors[0].2, @"the file is incomplete: 3 of its 4 pieces lie beyond its end (broken_cut_off.tif)");
    let facts = &harness.assembly.as_ref().unwrap().facts;
    assert_eq!(facts.resolution_m, Some(0.2));
    assert_eq!(facts.dates, Some(("2023-05-14".into(), "2023-05-14".into())));
    assert_eq!(archive(&harness).zooms(), (10, 19));
}

#[test]
fn naip_of_five_dates_is_one_mosaic_with_the_latest_on_top() {
    let files = shared("ortho/naip", ".tif");
    if files.is_empty() {
        return;
    }
    let harness = run_kind("orthophoto", &json!({}), &files);
    assert!(harness.errors.is_empty(), "{:?}", harness.errors);
    let facts = &harness.assembly.as_ref().unwrap().facts;
    assert_eq!(facts.crs, Crs(26914));
    assert_eq!(facts.dates, Some(("2009-08-18".into(), "2020-08-31".into())));
    assert_eq!(facts.resolution_m, Some(5.0));
    assert_eq!(facts.counts.total().output, 5);
    assert_eq!(facts.operations.len(), 1);
    let mut tiles = archive(&harness);
    assert!(tiles.clustered());
    assert_eq!(tiles.zooms(), (10, 15));
    assert_eq!(tiles.tiles().count(), 59);
    assert!(tiles.tile(15, 7358, 11522).unwrap().is_some_and(|tile| tile.starts_with(&[0xff, 0xd8])));
    let located = harness.locate("15/7358/11522").unwrap();
    assert_eq!(located[0].key, "10/229/360");
    assert!(located[1].key.contains("20200831"), "{located:?}");
    assert_eq!(harness.locate("3/1/2").unwrap(), []);
    // The pixel in the tile's middle, by PROJ and the image's georeference.
    let pixel = harness.locate("15/7358/11522/128/128").unwrap();
    assert!(pixel[0].key.contains("20200831") && pixel[0].what.starts_with("shows: column "), "{pixel:?}");
}

#[test]
fn images_of_four_crs_go_into_one_archive() {
    let files = shared("ortho/aerial", ".tif");
    if files.is_empty() {
        return;
    }
    let harness = run_kind("orthophoto", &json!({ "tiles": [{ "zoom": [0, 19] }] }), &files);
    assert!(harness.errors.is_empty(), "{:?}", harness.errors);
    let facts = &harness.assembly.as_ref().unwrap().facts;
    assert_eq!(facts.crs, Crs::WEB_MERCATOR, "no CRS is that of all");
    assert_eq!(facts.operations.len(), 4);
    assert_eq!(facts.dates, None, "a date that nobody states is not made up");
    let tiles = archive(&harness);
    assert_eq!(tiles.tiles().next(), Some((0, 0, 0)));
    let stac = std::fs::read_to_string(harness.output().join("stac/collection.json")).unwrap();
    assert!(!stac.contains("items/"), "there is no STAC item without a time");
}

#[test]
fn broken_tiffs_are_refused_with_a_reason() {
    let mut files = shared("broken/tiff", ".tif");
    files.extend(shared("broken", "vrt_disguised_as_tif.tif"));
    if files.is_empty() {
        return;
    }
    let harness = run_kind("orthophoto", &json!({}), &files);
    assert_eq!(harness.errors.len(), files.len(), "none of them says where it lies");
    let mut reasons = BTreeMap::<String, usize>::new();
    for (_, key, error) in &harness.errors {
        assert_eq!(error.place().file.as_deref(), Some(key.as_str()));
        assert_eq!(error.code(), "mk::orthophoto::image");
        *reasons.entry(error.message().to_owned()).or_default() += 1;
    }
    let reasons: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    insta::assert_snapshot!(reasons.join("\n"), @"
    12 a picture with a colour table is no orthophoto
    2 band 1 holds Int16; 8 bit or 16 bit without sign are read
    106 the file is no image that can be read
    4 the image has 16 bit, and the pipeline does not say which levels are black and white
    1 the image has no georeference: it does not say where it lies
    ");
    let assembly = harness.assembly.as_ref().unwrap_err();
    assert_eq!(assembly.message(), "no image can be used, so there are no tiles");
}
