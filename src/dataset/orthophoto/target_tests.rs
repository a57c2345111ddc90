//! Sets of tiles in other maps, other pictures, other forms: are the things where they should be?

use super::golden::write_rgba;
use super::tests::{python, shared};
use crate::crs::{Crs, Operation};
use crate::dataset::testing::{Harness, Play, run_kind};
use crate::format::tile_matrix::{Tile, TileMatrixSet, builtin};
use crate::format::{picture, pmtiles};
use crate::io::Digest;
use crate::raster::{self, Rgbx};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const GREY: [u8; 4] = [90, 90, 90, 255];
const RED: [u8; 4] = [250, 20, 20, 255];

/// A grey sheet of 1 m pixels with a red square of 20 m, and the middle of that square.
fn marked(folder: &Path, name: &str, [east, north]: [f64; 2]) -> (PathBuf, [f64; 2]) {
    let mut picture = Rgbx::empty(300, 260);
    for y in 0..260 {
        for x in 0..300 {
            let red = (140..160).contains(&x) && (100..120).contains(&y);
            picture.row_mut(y)[x * 4..x * 4 + 4].copy_from_slice(if red { &RED } else { &GREY });
        }
    }
    let path = folder.join(name);
    write_rgba(&path, &picture, [east, 1.0, 0.0, north, 0.0, -1.0]);
    (path, [east + 150.0, north - 110.0])
}

/// All tiles of a set: from its archive, or from its folder.
fn tiles(harness: &Harness, name: &str, set: &TileMatrixSet) -> BTreeMap<Tile, Vec<u8>> {
    assert!(harness.errors.is_empty(), "{:?}", harness.errors);
    let assembly = harness.assembly.as_ref().unwrap();
    let archive = format!("{name}.pmtiles");
    if assembly.artefacts.iter().any(|artefact| artefact.path == archive) {
        let mut reader = pmtiles::Reader::open(&harness.output().join(archive)).unwrap();
        assert!(reader.clustered());
        let all: Vec<_> = reader.tiles().collect();
        return all.into_iter().map(|(z, x, y)| (Tile { z, x, y }, reader.tile(z, x, y).unwrap().unwrap())).collect();
    }
    let mut found = BTreeMap::new();
    for entry in walkdir::WalkDir::new(harness.output().join(name)).into_iter().map(Result::unwrap) {
        if entry.file_type().is_file() {
            let parts: Vec<String> = entry.path().iter().rev().take(3).map(|part| part.to_string_lossy().into_owned()).collect();
            let z = set.levels().iter().position(|level| level.id == parts[2]).unwrap() as u8;
            let y = parts[0].split('.').next().unwrap().parse().unwrap();
            found.insert(Tile { z, x: parts[1].parse().unwrap(), y }, std::fs::read(entry.path()).unwrap());
        }
    }
    found
}

/// The middle of all that is red in the finest tiles, on the map.
fn middle_of_red(tiles: &BTreeMap<Tile, Vec<u8>>, set: &TileMatrixSet) -> [f64; 2] {
    let finest = tiles.keys().map(|tile| tile.z).max().unwrap();
    let (mut sum, mut total) = ([0.0; 2], 0.0);
    for (tile, bytes) in tiles.iter().filter(|(tile, _)| tile.z == finest) {
        let picture = picture::decode(bytes, set.tile_px as usize).unwrap();
        let ([east, north], cell) = (set.corner(*tile), set.cell(finest));
        for (index, pixel) in picture.pixels().chunks_exact(4).enumerate() {
            let red = f64::from(pixel[0]) - f64::from(pixel[1]);
            if pixel[3] != 0 && red > 20.0 {
                let (x, y) = (index % set.tile_px as usize, index / set.tile_px as usize);
                sum[0] += red * (east + (x as f64 + 0.5) * cell);
                sum[1] += red * (north - (y as f64 + 0.5) * cell);
                total += red;
            }
        }
    }
    sum.map(|sum| sum / total)
}

fn gdi() -> Option<(PathBuf, TileMatrixSet)> {
    let path = shared("ortho/tms", "gdi_de_25832.json").pop()?;
    let set = TileMatrixSet::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
    Some((path, set))
}

#[test]
fn a_mark_lies_where_it_should_in_every_map_and_picture() {
    let folder = tempfile::tempdir().unwrap();
    let (sheet, mark) = marked(folder.path(), "marked_2023.tif", [565_000.0, 5_949_000.0]);
    let mut sets: Vec<(String, TileMatrixSet)> =
        ["WebMercatorQuad", "DE_EPSG_25832_ADV", "DE_EPSG_25833_ADV"].map(|id| (id.to_owned(), builtin(id).unwrap())).into();
    sets.extend(gdi().map(|(path, set)| (path.to_string_lossy().into_owned(), set)));
    for (index, (matrix, set)) in sets.iter().enumerate() {
        let format = ["jpeg", "webp", "png"][index % 3];
        let options = json!({ "tiles": [{ "matrix": matrix, "format": format, "quality": 90, "tree": index == 2 }] });
        let harness = run_kind("orthophoto", &options, std::slice::from_ref(&sheet));
        let tiles = tiles(&harness, "orthophoto", set);
        let mut truth = [mark];
        Operation::between(Crs::UTM32, set.crs, &[]).unwrap().forward(&mut truth).unwrap();
        let found = middle_of_red(&tiles, set);
        let finest = tiles.keys().map(|tile| tile.z).max().unwrap();
        let off = (found[0] - truth[0][0]).hypot(found[1] - truth[0][1]) / set.cell(finest);
        assert!(off < 0.1, "{matrix}: the mark is {off} pixels off");
        assert!(set.ground_m(finest, 53.7) < 1.08 && set.ground_m(finest - 1, 53.7) > 1.07, "{matrix} {finest}");
        assert_eq!(harness.output().join("WMTSCapabilities.xml").exists(), index >= 2);
        if index == 2 {
            let tree = walkdir::WalkDir::new(harness.output().join("orthophoto")).into_iter().map(Result::unwrap);
            assert_eq!(tree.filter(|entry| entry.file_type().is_file()).count(), tiles.len());
        }
        let facts = &harness.assembly.as_ref().unwrap().facts;
        assert_eq!(facts.operations[0].to, set.crs);
    }
}

/// A picture with texture and a hole.
fn textured(width: usize, height: usize) -> Rgbx {
    let mut picture = Rgbx::empty(width, height);
    let mut state = 7_u32;
    for y in 0..height {
        for x in 0..width {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if x.abs_diff(700).pow(2) + y.abs_diff(500).pow(2) > 90_usize.pow(2) {
                let wave = ((x as f64 / 31.0).sin() * (y as f64 / 23.0).cos() * 70.0 + 90.0) as u8;
                picture.row_mut(y)[x * 4..x * 4 + 4].copy_from_slice(&[wave, (state >> 25) as u8, (x / 8) as u8, 255]);
            }
        }
    }
    picture
}

#[test]
fn a_ladder_that_does_not_halve_is_averaged_as_if_in_one_piece() {
    let Some((path, set)) = gdi() else { return };
    let folder = tempfile::tempdir().unwrap();
    let source = textured(1200, 1100);
    let corner = [565_003.3, 5_949_001.7];
    let part = |name: &str, [x, y]: [usize; 2], [width, height]: [usize; 2]| {
        let path = folder.path().join(name);
        let (east, north) = (corner[0] + x as f64 * 0.28, corner[1] - y as f64 * 0.28);
        write_rgba(&path, &source.part(x, y, width, height), [east, 0.28, 0.0, north, 0.0, -0.28]);
        path
    };
    let whole = part("whole_2023.tif", [0, 0], [1200, 1100]);
    let parts = [part("a_2023.tif", [0, 0], [777, 1100]), part("b_2023.tif", [777, 0], [423, 1100])];
    for zooms in [[4, 12], [11, 12]] {
        let options = json!({ "tiles": [{ "matrix": path, "format": "png", "zoom": zooms }] });
        let harness = run_kind("orthophoto", &options, std::slice::from_ref(&whole));
        let tiles = tiles(&harness, "orthophoto", &set);
        // The finest level as one picture, aligned to tiles; then each coarser one from it.
        let side = set.tile_px as usize;
        let at = |zoom: u8| -> Vec<&Tile> { tiles.keys().filter(|tile| tile.z == zoom).collect() };
        let (x0, y0) = (at(12).iter().map(|tile| tile.x).min().unwrap(), at(12).iter().map(|tile| tile.y).min().unwrap());
        let (x1, y1) = (at(12).iter().map(|tile| tile.x).max().unwrap(), at(12).iter().map(|tile| tile.y).max().unwrap());
        let mut canvas = Rgbx::empty((x1 - x0 + 1) as usize * side, (y1 - y0 + 1) as usize * side);
        for tile in at(12) {
            let picture = picture::decode(&tiles[tile], side).unwrap();
            canvas.put((tile.x - x0) as usize * side, (tile.y - y0) as usize * side, &picture);
        }
        let mut origin = [i64::from(x0) * side as i64, i64::from(y0) * side as i64];
        for zoom in (zooms[0]..12).rev() {
            let ratio = (set.cell(zoom) / set.cell(zoom + 1) * 1000.0).round() / 1000.0;
            let tile_of = |pixel: i64| (pixel as f64 / ratio / side as f64).floor() as i64;
            let first = [tile_of(origin[0]), tile_of(origin[1])];
            let last = [tile_of(origin[0] + canvas.width() as i64), tile_of(origin[1] + canvas.height() as i64)];
            let size = [0, 1].map(|axis| (last[axis] - first[axis] + 1) as usize * side);
            let from = [0, 1].map(|axis| (first[axis] * side as i64) as f64 * ratio - origin[axis] as f64);
            canvas = raster::shrink(&canvas, from, ratio, size);
            origin = first.map(|tile| tile * side as i64);
            let mut seen = 0;
            for column in first[0]..=last[0] {
                for row in first[1]..=last[1] {
                    let place = [(column - first[0]) as usize * side, (row - first[1]) as usize * side];
                    let expected = canvas.part(place[0], place[1], side, side);
                    let tile = Tile { z: zoom, x: column as u32, y: row as u32 };
                    let ours =
                        tiles.get(&tile).map_or_else(|| Rgbx::empty(side, side), |bytes| picture::decode(bytes, side).unwrap());
                    assert!(ours == expected, "{zooms:?}: the tile {tile} differs");
                    seen += usize::from(tiles.contains_key(&tile));
                }
            }
            assert_eq!(seen, at(zoom).len(), "{zooms:?}: tiles of zoom {zoom} beyond the picture");
        }
        let split = run_kind("orthophoto", &options, &parts);
        assert_eq!(super::target_tests::tiles(&split, "orthophoto", &set), tiles, "{zooms:?}: a seam shows");
        let coarsest = tiles.keys().next().unwrap();
        assert_eq!(harness.locate(&coarsest.to_string()).unwrap().len(), 2);
    }
}

#[test]
fn several_sets_of_one_dataset_do_not_mix() {
    let folder = tempfile::tempdir().unwrap();
    let (sheet, _) = marked(folder.path(), "marked_2023.tif", [565_000.0, 5_949_000.0]);
    let alone = |target: serde_json::Value| {
        let harness = run_kind("orthophoto", &json!({ "tiles": [target] }), std::slice::from_ref(&sheet));
        Digest::of_file(&harness.output().join("orthophoto.pmtiles")).unwrap()
    };
    let adv = json!({ "matrix": "DE_EPSG_25832_ADV", "format": "webp" });
    let both = run_kind("orthophoto", &json!({ "tiles": [{ "tree": true }, adv] }), std::slice::from_ref(&sheet));
    assert!(both.errors.is_empty(), "{:?}", both.errors);
    both.assembly.as_ref().unwrap();
    assert_eq!(Digest::of_file(&both.output().join("orthophoto.pmtiles")).unwrap(), alone(json!({})));
    let second = both.output().join("orthophoto-DE_EPSG_25832_ADV-webp.pmtiles");
    assert_eq!(Digest::of_file(&second).unwrap(), alone(adv));
    let located = both.locate("orthophoto-DE_EPSG_25832_ADV-webp:12/509/698").unwrap();
    assert!(located.iter().all(|located| !located.key.is_empty()));
    let assembly = both.assembly.as_ref().unwrap();
    let paths: Vec<&str> = assembly.artefacts.iter().map(|artefact| artefact.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "orthophoto.pmtiles",
            "orthophoto",
            "orthophoto.tilejson.json",
            "orthophoto-DE_EPSG_25832_ADV-webp.pmtiles",
            "WMTSCapabilities.xml",
            "preview.jpg",
            "footprints.parquet",
            "stac"
        ]
    );
    assert_eq!(assembly.facts.layers[0].typ, "WMTS");
    let tilejson: serde_json::Value =
        serde_json::from_slice(&std::fs::read(both.output().join("orthophoto.tilejson.json")).unwrap()).unwrap();
    assert_eq!((&tilejson["tilejson"], &tilejson["tiles"][0]), (&json!("3.0.0"), &json!("orthophoto/{z}/{x}/{y}.jpg")));
}

#[test]
fn an_image_beyond_a_tile_matrix_set_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (sheet, _) = marked(folder.path(), "spain_2023.tif", [-500_000.0, 4_500_000.0]);
    let options = json!({ "tiles": [{ "matrix": "DE_EPSG_25832_ADV" }] });
    let harness = run_kind("orthophoto", &options, &[sheet]);
    insta::assert_snapshot!(harness.errors[0].2, @"the image lies outside the area of the tile matrix set 'DE_EPSG_25832_ADV' (spain_2023.tif)");
}

#[test]
fn campaigns_are_a_time_series_beside_the_latest() {
    let files = shared("ortho/naip", ".tif");
    if files.is_empty() {
        return;
    }
    let options = json!({ "tiles": [{ "campaigns": true, "format": "png", "zoom": [13, 14] }], "cog": true });
    let harness = run_kind("orthophoto", &options, &files);
    let set = builtin("WebMercatorQuad").unwrap();
    let latest = tiles(&harness, "orthophoto", &set);
    let tile = Tile { z: 14, x: 3679, y: 5761 };
    for (index, year) in ["2009", "2010", "2018", "2019", "2020"].into_iter().enumerate() {
        let of_year = tiles(&harness, &format!("orthophoto-{year}"), &set);
        if index % 2 == 0 {
            let options = json!({ "tiles": [{ "format": "png", "zoom": [13, 14] }] });
            let alone = run_kind("orthophoto", &options, &files[index..=index]);
            assert_eq!(of_year, tiles(&alone, "orthophoto", &set), "{year}");
        }
        assert_eq!(of_year[&tile] == latest[&tile], year == "2020", "the latest is on top");
    }
    let program = r"
import json, sys, pathlib
folder = pathlib.Path(sys.argv[1])
dates = {}
for path in (folder / 'stac/items').iterdir():
    item = json.loads(path.read_text())
    dates[path.name.split('_')[-1][:8]] = (item['properties']['start_datetime'], item['properties']['end_datetime'], sorted(item['assets']))
assert len(dates) == 5, dates
for day, (start, end, assets) in dates.items():
    iso = f'{day[:4]}-{day[4:6]}-{day[6:]}'
    assert start == iso + 'T00:00:00Z' and end == iso + 'T23:59:59Z', (day, start, end)
    assert assets == ['cog', 'orthophoto-' + day[:4], 'tiles'], assets
";
    python(program, &harness.output());
}

#[test]
fn other_programs_read_the_services() {
    let folder = tempfile::tempdir().unwrap();
    let (sheet, mark) = marked(folder.path(), "marked_2023.tif", [565_000.0, 5_949_000.0]);
    let mut sets =
        vec![json!({ "tree": true, "quality": 95 }), json!({ "tree": true, "matrix": "DE_EPSG_25832_ADV", "format": "png" })];
    sets.extend(gdi().map(|(path, _)| json!({ "matrix": path, "format": "png" })));
    let mut play = Play::new("orthophoto", &json!({ "tiles": sets, "cog": true }), &[sheet]);
    play.area.base_url = Some("http://127.0.0.1:PORT".to_owned());
    let harness = play.run();
    assert!(harness.errors.is_empty(), "{:?}", harness.errors);
    harness.assembly.as_ref().unwrap();
    let about = json!({ "mark": mark, "tms": Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/ortho/tms") });
    std::fs::write(harness.output().join("about.json"), about.to_string()).unwrap();
    python(include_str!("../../../tests/oracles/tile_services.py"), &harness.output());
}
