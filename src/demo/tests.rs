//! The demo against independent readers: GDAL for pictures, a plain XML reader for deliveries.

use super::deliver::{day, tile_of, tiles};
use super::image::{self, canvas::Canvas, tiff};
use super::plane::{Point, contains};
use super::town::Town;
use super::town::layout::Use;
use super::{DemoOptions, Dialect, write};
use quick_xml::Reader;
use quick_xml::events::Event;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

fn options(only: &str, night: u32, jobs: usize) -> DemoOptions {
    DemoOptions { only: Some(only.to_owned()), night, jobs, panoramas: 6, ..DemoOptions::default() }
}

fn unzip_first(path: &Path) -> String {
    let mut zip = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    let mut text = String::new();
    zip.by_index(0).unwrap().read_to_string(&mut text).unwrap();
    text
}

fn gunzip(path: &Path) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text
}

/// Objects by local name (elements with an identifier of 16 characters), their identifiers, and the texts of leaves by name.
struct Seen {
    counts: BTreeMap<String, u64>,
    ids: BTreeMap<String, BTreeSet<String>>,
    leaves: Vec<(String, String, String)>,
}

fn read_xml(text: &str) -> Seen {
    let mut reader = Reader::from_str(text);
    let mut seen = Seen { counts: BTreeMap::new(), ids: BTreeMap::new(), leaves: Vec::new() };
    let (mut object, mut path) = (String::new(), Vec::<String>::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) => {
                let name = tag.local_name().as_ref().to_owned();
                let id = tag.attributes().map(Result::unwrap).find(|a| a.key.as_ref() == "gml:id");
                if let Some(id) = id {
                    let id = id.value.to_string();
                    if id.len() == 16 && id.starts_with("DESHMKAL") {
                        *seen.counts.entry(name.clone()).or_insert(0) += 1;
                        seen.ids.entry(name.clone()).or_default().insert(id);
                        object.clone_from(&name);
                    }
                }
                path.push(name);
            }
            Event::End(_) => {
                path.pop();
            }
            Event::Text(value) => {
                let value = value.to_string();
                if !value.trim().is_empty() {
                    seen.leaves.push((object.clone(), path.last().cloned().unwrap_or_default(), value));
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    assert!(path.is_empty(), "every element is closed");
    seen
}

#[test]
fn the_cadastre_has_what_the_truth_counts_in_both_dialects_and_every_person_is_marked() {
    for dialect in [Dialect::Gid6, Dialect::Gid7] {
        let folder = tempfile::tempdir().unwrap();
        let report = write(folder.path(), &DemoOptions { dialect, ..options("cadastre", 1, 2) }).unwrap();
        let mut distinct: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut copies = 0;
        let deliveries: Vec<_> = report.files.iter().filter(|file| file.name.ends_with(".xml.gz")).collect();
        assert_eq!(deliveries.len(), 2);
        for file in deliveries {
            let seen = read_xml(&gunzip(&folder.path().join(&file.name)));
            assert_eq!(seen.counts, file.counts, "{}", file.name);
            for (name, ids) in seen.ids {
                let known = distinct.entry(name).or_default();
                copies += ids.iter().filter(|id| known.contains(*id)).count();
                known.extend(ids);
            }
            for (object, leaf, value) in seen.leaves {
                let person = matches!(
                    (object.as_str(), leaf.as_str()),
                    ("AX_Person", "nachnameOderFirma" | "vorname") | ("AX_Anschrift", "ort_Post" | "strasse")
                );
                assert!(!person || value.contains("KANARI"), "{object} {leaf}: {value}");
                assert!(person || !value.contains("KANARI"), "{object} {leaf}: {value}");
            }
        }
        assert!(copies > 50, "the deliveries overlap");
        let truth: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder.path().join("truth/truth.json")).unwrap()).unwrap();
        let distinct: BTreeMap<String, usize> = distinct.into_iter().map(|(name, ids)| (name, ids.len())).collect();
        assert_eq!(truth["nights"][0]["distinct"], serde_json::json!(distinct));
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_one_thread_and_two() {
    for only in ["cadastre", "city_model", "playground", "street_survey", "vector_theme"] {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let one = write(first.path(), &options(only, 1, 1)).unwrap();
        let two = write(second.path(), &options(only, 1, 2)).unwrap();
        assert_eq!(one, two);
        let other = write(second.path(), &DemoOptions { seed: 8, ..options(only, 1, 2) }).unwrap();
        assert_ne!(one, other);
    }
}

#[test]
fn a_later_night_changes_only_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let digests = || -> BTreeMap<String, blake3::Hash> {
        walkdir::WalkDir::new(folder.path())
            .into_iter()
            .map(Result::unwrap)
            .filter(|entry| entry.file_type().is_file())
            .map(|entry| {
                let name = entry.path().strip_prefix(folder.path()).unwrap().display().to_string();
                (name, blake3::hash(&std::fs::read(entry.path()).unwrap()))
            })
            .collect()
    };
    for only in ["cadastre", "city_model"] {
        write(folder.path(), &options(only, 1, 2)).unwrap();
    }
    let before = digests();
    let error = write(folder.path(), &options("cadastre", 3, 2)).unwrap_err();
    assert_eq!(error.code(), "mk::demo::order");
    let report = write(folder.path(), &options("city_model", 2, 2)).unwrap();
    write(folder.path(), &options("cadastre", 2, 2)).unwrap();
    let after = digests();
    let changed: Vec<&str> = after
        .iter()
        .filter(|(name, digest)| before.get(*name) != Some(digest) && !name.starts_with("truth"))
        .map(|(name, _)| name.as_str())
        .collect();
    let nba = format!("in/alkis/kettenau_nba_{}.xml.gz", day(2));
    let tile = report.files.iter().find(|file| file.name.starts_with("in/lod2")).unwrap();
    assert_eq!(changed, [nba.as_str(), tile.name.as_str()]);
    assert!(before.keys().all(|name| after.contains_key(name)));
    let text = gunzip(&folder.path().join(&nba));
    for operation in ["<wfs:Insert>", "<wfs:Replace>", "<wfs:Delete "] {
        assert!(text.contains(operation), "{operation}");
    }
    read_xml(&text);
}

#[test]
fn buildings_of_the_city_model_stand_on_their_footprints_and_parcels() {
    let town = Town::new(7, 1.0);
    for quarter in &town.quarters {
        for building in &quarter.buildings {
            let parcel = quarter.parcels.iter().find(|parcel| parcel.oid == building.parcel).unwrap();
            let inside = building.shape.outline.points.iter().all(|point| contains(&parcel.outline.points, *point));
            assert!(inside || parcel.kind == Use::Row, "{} on {}", building.oid, parcel.mark());
            let area: f64 =
                building.shape.parts.iter().map(|part| super::plane::Ring::straight(part.corners.to_vec()).area_m2()).sum();
            let holes: f64 = building.shape.holes.iter().map(super::plane::Ring::area_m2).sum();
            let outline = building.shape.outline.area_m2() - holes;
            assert!((area - outline).abs() < 0.05, "{}: parts {area}, outline {outline}", building.oid);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let report = write(folder.path(), &options("city_model", 1, 2)).unwrap();
    let mut buildings = 0;
    for file in report.files.iter().filter(|file| file.name.starts_with("in/lod2")) {
        let seen = read_xml(&unzip_first(&folder.path().join(&file.name)));
        assert_eq!(seen.counts.get("Building"), file.counts.get("Building"));
        buildings += seen.counts["Building"];
    }
    assert_eq!(buildings as usize, town.quarters.iter().map(|quarter| quarter.buildings.len()).sum::<usize>());
}

#[test]
fn gdal_reads_the_picture_with_its_place_and_the_colours_of_the_targets() {
    let town = Town::new(7, 1.0);
    let tile = &tiles(&town)[0];
    let canvas = image::picture(&town, tile.bounds);
    let bytes = tiff::encode(&canvas, 85, "2025-05-14").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dop.tif");
    std::fs::write(&path, &bytes).unwrap();
    let dataset = crate::io::gdal::open_raster(&path, &["GTiff"], crate::io::gdal::RasterLimits::default()).unwrap();
    assert_eq!((dataset.raster_size(), dataset.raster_count()), ((2600, 2600), 4));
    let reference = dataset.spatial_ref().unwrap();
    assert_eq!((reference.auth_name().as_deref(), reference.auth_code().unwrap()), (Some("EPSG"), 25832));
    let transform = dataset.geo_transform().unwrap();
    assert_eq!(transform, [tile.bounds[0] - 10.0, 0.2, 0.0, tile.bounds[3] + 10.0, 0.0, -0.2]);
    let mut checked = 0;
    for target in town.quarters.iter().flat_map(|quarter| image::targets(&town, quarter)) {
        let [e, n] = target.at.xy();
        let (x, y) = (((e - transform[0]) / 0.2).round() as isize, ((transform[3] - n) / 0.2).round() as isize);
        if !(12..2588).contains(&x) || !(12..2588).contains(&y) {
            continue;
        }
        checked += 1;
        for (dx, dy, expected) in [(-4, -4, image::LIGHT), (4, 4, image::LIGHT), (4, -4, image::DARK), (-4, 4, image::DARK)] {
            for (band, value) in expected.iter().enumerate() {
                let read = dataset.rasterband(band + 1).unwrap().read_as::<u8>((x + dx, y + dy), (1, 1), (1, 1), None).unwrap();
                let got = read.data()[0];
                assert!(got.abs_diff(*value) <= 14, "target {} band {band}: {got}, not {value}", target.serial);
            }
        }
    }
    assert!(checked >= 3);
    // JPEG loses a little, not more.
    let read = dataset.rasterband(1).unwrap().read_as::<u8>((0, 0), (2600, 2600), (2600, 2600), None).unwrap();
    let squares: u64 = read.data().iter().zip(&canvas.pixels).map(|(a, b)| u64::from(a.abs_diff(b[0])).pow(2)).sum();
    let psnr = 10.0 * (255.0 * 255.0 / (squares as f64 / (2600.0 * 2600.0))).log10();
    assert!(psnr > 30.0, "{psnr}");
}

#[test]
fn overlapping_tiles_show_the_same_pixels() {
    let town = Town::new(3, 1.0);
    // Narrow boxes around the border between two tiles: the overlap is twice the margin.
    let [west, south, _, _] = town.bounds();
    let left = image::picture(&town, [west + 460.0, south + 200.0, west + 500.0, south + 260.0]);
    let right = image::picture(&town, [west + 500.0, south + 200.0, west + 540.0, south + 260.0]);
    let at = |canvas: &Canvas, x: i32, y: i32| canvas.pixels[(y - canvas.y0) as usize * canvas.width + (x - canvas.x0) as usize];
    let mut compared = 0;
    for y in left.y0 + 2..left.y0 + left.height as i32 - 2 {
        for x in right.x0 + 2..left.x0 + left.width as i32 - 2 {
            assert_eq!(at(&left, x, y), at(&right, x, y), "{x} {y}");
            compared += 1;
        }
    }
    assert!(compared > 20_000, "{compared}");
}

#[test]
fn nights_have_dates_and_sites_have_tiles() {
    assert_eq!(day(1), "2026-03-02");
    assert_eq!(day(30), "2026-03-31");
    assert_eq!(day(31), "2026-04-01");
    assert_eq!(day(306), "2027-01-01");
    let town = Town::new(7, 1.0);
    let tile = tile_of(&town, Point { e: 565_700_000, n: 5_948_100_000 }).unwrap();
    assert_eq!(tile.name, "32_5655_59480_05");
    assert_eq!(tiles(&Town::new(7, 9.0))[0].name, "32_565_5948_1");
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (options, code) in [
        (DemoOptions { km2: f64::NAN, ..DemoOptions::default() }, "mk::demo::size"),
        (DemoOptions { night: 0, ..DemoOptions::default() }, "mk::demo::night"),
        (options("nothing", 1, 1), "mk::demo::kind"),
        (options("cadastre", 2, 1), "mk::demo::order"),
    ] {
        assert_eq!(write(folder.path(), &options).unwrap_err().code(), code);
    }
}
