//! What is taken over from the night before: the bytes are those of a full run, and only what shows a changed image is drawn.

use super::golden::write_rgba;
use super::{OVERVIEW, RENDER, ROOT};
use crate::crs::{Bbox, Crs, Operation};
use crate::dataset::UnitResult;
use crate::dataset::testing::{Harness, Play};
use crate::format::tile_matrix::{Tile, WEB_MERCATOR_QUAD};
use crate::io::{Digest, Pack, PackWriter};
use crate::raster::Rgbx;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Columns and rows of sheets, and pixels of 2 m of each: together some 4300 × 3400 pixels of zoom 16.
const SHEETS: [usize; 2] = [6, 6];
const PIXELS: [usize; 2] = [500, 400];
const ZOOMS: [u8; 2] = [9, 16];
/// Zoom of the metatiles.
const METATILES: u8 = 13;

fn corner(sheet: [usize; 2]) -> [f64; 2] {
    [565_000.0 + 2.0 * (sheet[0] * PIXELS[0]) as f64, 5_949_000.0 - 2.0 * (sheet[1] * PIXELS[1]) as f64]
}

fn write(folder: &Path, sheet: [usize; 2], year: u32, shade: u8) -> PathBuf {
    let mut picture = Rgbx::empty(PIXELS[0], PIXELS[1]);
    for (at, pixel) in picture.pixels_mut().chunks_exact_mut(4).enumerate() {
        pixel.copy_from_slice(&[shade, (at % 211) as u8, (at / 307 % 199) as u8, 255]);
    }
    let path = folder.join(format!("{}_{}_{year}.tif", sheet[0], sheet[1]));
    let [east, north] = corner(sheet);
    write_rgba(&path, &picture, [east, 2.0, 0.0, north, 0.0, -2.0]);
    path
}

fn play(files: &BTreeMap<[usize; 2], PathBuf>, previous: BTreeMap<String, UnitResult>) -> Harness {
    let files: Vec<PathBuf> = files.values().cloned().collect();
    let options = serde_json::json!({ "tiles": [{ "zoom": ZOOMS, "format": "png" }] });
    let harness = Play { previous, ..Play::new("orthophoto", &options, &files) }.run();
    assert!(harness.errors.is_empty() && harness.assembly.is_ok(), "{:?}", harness.errors);
    harness
}

fn results(harness: &Harness) -> BTreeMap<String, UnitResult> {
    let stages = harness.results.iter().enumerate();
    stages.flat_map(|(stage, results)| results.iter().map(move |one| (format!("{stage}/{}", one.key), one.clone()))).collect()
}

fn archive(harness: &Harness) -> Digest {
    Digest::of_file(&harness.output().join("orthophoto.pmtiles")).unwrap()
}

fn number(result: &UnitResult, name: &str) -> usize {
    result.outcome.summary[name].as_u64().unwrap() as usize
}

/// The metatiles whose windows show a sheet: boxes along its pixels, which are turned by 0.8° against the map.
fn shown_by(sheet: [usize; 2]) -> BTreeSet<Tile> {
    let operation = Operation::between(Crs::UTM32, Crs::WEB_MERCATOR, &[]).unwrap();
    let ([west, north], [east, south]) = (corner(sheet), corner([sheet[0] + 1, sheet[1] + 1]));
    let mut corners = [[west, north], [east, north], [east, south], [west, south]];
    operation.forward(&mut corners).unwrap();
    let reach = WEB_MERCATOR_QUAD.bbox(Tile { z: METATILES, x: 0, y: 0 }).width() * 0.8_f64.to_radians().sin() + 40.0;
    let (columns, rows) = WEB_MERCATOR_QUAD.range(METATILES, &Bbox::around(corners).widened(reach)).unwrap();
    rows.flat_map(|y| columns.clone().map(move |x| Tile { z: METATILES, x, y })).collect()
}

/// Tiles of a pack that lie in one of the metatiles, or above the metatiles.
fn tiles_of(pack: &Pack, metatiles: &BTreeSet<Tile>) -> usize {
    let tiles = pack.entries().keys().filter_map(|name| name.parse::<Tile>().ok());
    tiles.filter(|tile| tile.z < METATILES || metatiles.contains(&tile.ancestor(tile.z - METATILES))).count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, max_shrink_iters: 0, ..ProptestConfig::default() })]

    #[test]
    fn only_metatiles_that_show_what_changed_are_drawn_and_the_bytes_are_those_of_a_full_run(
        changes in proptest::collection::vec((0..SHEETS[0], 0..SHEETS[1], 0..4_u8), 1..3),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut files = BTreeMap::new();
        for sheet in (0..SHEETS[1]).flat_map(|row| (0..SHEETS[0]).map(move |column| [column, row])) {
            files.insert(sheet, write(folder.path(), sheet, 2023, (7 * sheet[0] + 31 * sheet[1]) as u8));
        }
        let first = play(&files, BTreeMap::new());
        let mut touched = BTreeSet::new();
        for (column, row, change) in changes {
            let sheet = [column, row];
            touched.extend(shown_by(sheet));
            match change {
                0 => drop(files.remove(&sheet)),
                // A newer one comes before all others; that must not matter elsewhere.
                1 => drop(files.insert(sheet, write(folder.path(), sheet, 2024, 200))),
                _ => drop(files.insert(sheet, write(folder.path(), sheet, 2023, 230))),
            }
        }
        let (second, full) = (play(&files, results(&first)), play(&files, BTreeMap::new()));
        let drawn = |stage: usize, harness: &Harness| -> usize {
            harness.results[stage].iter().map(|result| number(result, "tiles") - number(result, "taken_over")).sum()
        };
        for stage in [RENDER, OVERVIEW, ROOT] {
            for (one, other) in second.results[stage].iter().zip(&full.results[stage]) {
                prop_assert_eq!((&one.key, one.digest), (&other.key, other.digest));
                prop_assert_eq!(Digest::of_file(&one.path).unwrap(), Digest::of_file(&other.path).unwrap());
                prop_assert_eq!(number(one, "tiles"), number(other, "tiles"));
            }
        }
        prop_assert_eq!(archive(&second), archive(&full));
        let allowed: usize = second.results[RENDER].iter().map(|result| tiles_of(&result.pack().unwrap(), &touched)).sum();
        let (anew, all) = (drawn(RENDER, &second), drawn(RENDER, &full));
        prop_assert!(anew <= allowed && allowed < all, "{anew} of {all} tiles drawn, {allowed} show what changed");
    }
}

/// Sheets 60 km apart lie in blocks of their own, and those in tiles of their own for two zooms more. The second set has names of its own.
#[test]
fn tiles_above_blocks_are_taken_over_where_nothing_below_is_another() {
    let folder = tempfile::tempdir().unwrap();
    let sheet = |index: usize, shade: u8| {
        let pixels = [shade, 40, 90, 255].repeat(150 * 150);
        let path = folder.path().join(format!("{index}_2023.tif"));
        let east = 500_000.0 + 60_000.0 * index as f64;
        write_rgba(&path, &Rgbx::from_pixels(150, 150, pixels).unwrap(), [east, 5.0, 0.0, 5_949_000.0, 0.0, -5.0]);
        path
    };
    let run = |files: &[PathBuf], previous| {
        let options = serde_json::json!({ "tiles": [{ "zoom": [4, 15], "campaigns": true, "format": "png" }] });
        let harness = Play { previous, ..Play::new("orthophoto", &options, files) }.run();
        assert!(harness.errors.is_empty() && harness.assembly.is_ok(), "{:?}", harness.errors);
        harness
    };
    let mut files: Vec<PathBuf> = (0..4).map(|index| sheet(index, 60)).collect();
    let first = run(&files, BTreeMap::new());
    sheet(3, 200);
    let changed = run(&files, results(&first));
    let full = run(&files, BTreeMap::new());
    files.pop();
    let fewer = run(&files, results(&full));
    for (harness, full) in [(&changed, &full), (&fewer, &run(&files, BTreeMap::new()))] {
        // Of each set: the tiles of all years, and those of 2023 alone.
        let mut sets = BTreeMap::<&str, usize>::new();
        for result in &harness.results[OVERVIEW] {
            let set = result.key.split_once(':').map_or("", |(set, _)| set);
            *sets.entry(set).or_default() += number(result, "taken_over");
        }
        assert!(sets.len() == 2 && sets.values().all(|taken_over| *taken_over > 0), "{sets:?}");
        for stage in [RENDER, OVERVIEW, ROOT] {
            let digests =
                |harness: &Harness| -> Vec<Digest> { harness.results[stage].iter().map(|result| result.digest).collect() };
            assert_eq!(digests(harness), digests(full));
        }
        assert_eq!(archive(harness), archive(full));
    }
}

#[test]
fn nothing_is_taken_over_from_a_result_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut files: BTreeMap<_, _> =
        [[0, 0], [1, 0], [4, 0], [5, 0]].into_iter().map(|sheet| (sheet, write(folder.path(), sheet, 2023, 9))).collect();
    let first = play(&files, BTreeMap::new());
    files.insert([5, 0], write(folder.path(), [5, 0], 2023, 200));
    let full = play(&files, BTreeMap::new());
    let mut previous = results(&first);
    for (index, (key, result)) in previous.iter_mut().filter(|(key, _)| key.starts_with(&format!("{RENDER}/"))).enumerate() {
        let path = folder.path().join(index.to_string());
        let mut bytes = std::fs::read(&result.path).unwrap();
        // In the middle of a tile.
        let at = bytes.len() / 3;
        bytes[at] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(result.pack().is_ok(), "{key}");
        result.path = path;
    }
    let second = play(&files, previous);
    let taken = |harness: &Harness| harness.results[RENDER].iter().map(|one| number(one, "taken_over")).sum::<usize>();
    assert_eq!((taken(&second), archive(&second)), (0, archive(&full)));
    let sound = play(&files, results(&first));
    assert!(taken(&sound) > 0, "or the test shows nothing");
    // A pack of something else.
    let pack = folder.path().join("empty");
    PackWriter::create(&pack).unwrap().finish().unwrap();
    let mut previous = results(&first);
    for result in previous.values_mut() {
        result.path.clone_from(&pack);
    }
    assert_eq!(archive(&play(&files, previous)), archive(&full));
}
