//! The kind as a whole, over real deliveries where they are there, and over the fixture.

mod broken;
mod decoded;
mod dialects;
mod history;
mod textures;

use super::model::{Building, Semantic};
use super::read::Summary;
use super::{codec, reader, tile};
use crate::crs::{Crs, Operation, ecef};
use crate::dataset::testing::{Harness, Play};
use crate::dataset::{Artefact, PlanContext};
use crate::io::{Digest, Source};
use crate::mesh::{Triangulator, cross, length, minus};
use decoded::{Decoded, Triangle};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::PathBuf;

fn shared(path: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/lod2").join(path);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: no {}", path.display());
    None
}

/// The members of the archives in a folder as sources, with their bytes.
fn members(folder: &std::path::Path) -> Vec<(Source, Vec<u8>)> {
    let mut out = Vec::new();
    let mut archives: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    archives.sort();
    for path in archives.into_iter().filter(|path| path.extension().is_some_and(|e| e == "zip")) {
        let mut archive = zip::ZipArchive::new(std::fs::File::open(&path).unwrap()).unwrap();
        for index in 0..archive.len() {
            let mut member = archive.by_index(index).unwrap();
            let mut bytes = Vec::new();
            member.read_to_end(&mut bytes).unwrap();
            let name = format!("{}!{}", path.file_name().unwrap().to_string_lossy(), member.name());
            let (member, size) = (Some(member.name().to_owned()), bytes.len() as u64);
            out.push((Source { name, path: path.clone(), member, size, digest: Digest::of(&bytes) }, bytes));
        }
    }
    out
}

fn count(bytes: &[u8], needle: &str) -> u64 {
    memchr::memmem::find_iter(bytes, needle.as_bytes()).count() as u64
}

/// Number of elements of a name.
fn elements(bytes: &[u8], name: &str) -> u64 {
    count(bytes, &format!("<{name} ")) + count(bytes, &format!("<{name}>"))
}

/// The fixture's name.
pub(super) const FIXTURE: &str = "LoD2_32_565_5950_1_SH.gml";

fn fixture_path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/city_model").join(name)
}

/// The fixture: three buildings, two parts, in two cells.
pub(super) fn fixture() -> String {
    std::fs::read_to_string(fixture_path(FIXTURE)).unwrap()
}

fn play(options: &Value, sources: Vec<Source>) -> Harness {
    let mut play = Play::new("city_model", options, &[]);
    play.sources = sources;
    play.run()
}

/// Plays files that are written first; the geoid is the fixture's.
fn play_texts(files: &[(&str, &str)], more: &Value) -> (Harness, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let sources = files
        .iter()
        .map(|(name, text)| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            Source::of_file(&path, name).unwrap()
        })
        .collect();
    let mut options = json!({ "geoid": fixture_path("geoid.gtx") });
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    (play(&options, sources), folder)
}

/// Names and digests of the artefacts.
fn published(harness: &Harness) -> BTreeMap<String, Digest> {
    let assembly = harness.assembly.as_ref().unwrap();
    let digest = |artefact: &Artefact| (artefact.path.clone(), Digest::of_file(&harness.output().join(&artefact.path)).unwrap());
    let listed: BTreeMap<String, Digest> = assembly.artefacts.iter().map(digest).collect();
    let files = std::fs::read_dir(harness.output()).unwrap().count();
    assert_eq!(files, listed.len(), "every file is an artefact");
    listed
}

fn is_glb(path: &str) -> bool {
    std::path::Path::new(path).extension().is_some_and(|extension| extension == "glb")
}

fn tiles(harness: &Harness) -> Vec<(String, Decoded)> {
    let paths = published(harness).into_keys().filter(|path| is_glb(path));
    paths.map(|path| (path.clone(), Decoded::new(&std::fs::read(harness.output().join(path)).unwrap()))).collect()
}

#[test]
fn all_tiles_of_wesel_are_counted_as_the_xml_counts_them() {
    let (Some(folder), Some(grid)) = (shared("nrw-wesel"), shared("grids/de_bkg_gcg2016.tif")) else { return };
    let members = members(&folder);
    let xml: Vec<u8> = members.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect();
    let (sources, empty): (Vec<Source>, usize) = (
        members.iter().map(|(source, _)| source.clone()).collect(),
        members.iter().filter(|(_, bytes)| count(bytes, "<bldg:Building ") == 0).count(),
    );
    let harness = play(&json!({ "geoid": grid }), sources);
    assert!(harness.errors.is_empty(), "{:?}", harness.errors);
    let assembly = harness.assembly.as_ref().unwrap();
    for element in ["Building", "BuildingPart"] {
        let counted = assembly.facts.counts.0[element];
        assert_eq!(counted.input, count(&xml, &format!("<bldg:{element} ")), "{element}");
        assert_eq!(counted.rejected, 0, "{element}");
    }
    let delivered: Vec<Building> = harness.results[1]
        .iter()
        .flat_map(|result| codec::decode(&result.pack().unwrap().read(tile::BUILDINGS).unwrap()).unwrap())
        .collect();
    let objects = || delivered.iter().flat_map(|building| std::iter::once(building).chain(&building.parts));
    // Faces without area are left out and told: here three, one of them the only face of its wall.
    let findings = harness.outcomes(0).flat_map(|(_, outcome)| &outcome.findings);
    let flat: u64 = findings.filter_map(|it| it.reason.strip_prefix("faces without area, left out: ")?.parse::<u64>().ok()).sum();
    let mut missing = 0;
    for semantic in [Semantic::Roof, Semantic::Wall, Semantic::Ground, Semantic::Closure] {
        let surfaces = |object: &Building| {
            object.faces.iter().filter(|face| face.semantic == semantic).map(|face| face.surface).collect::<BTreeSet<_>>().len()
        };
        let wanted = elements(&xml, &format!("bldg:{}", semantic.element()));
        missing += wanted - objects().map(surfaces).sum::<usize>() as u64;
    }
    assert_eq!((missing, flat), (1, 3));
    let polygons = objects().map(|object| object.faces.len()).sum::<usize>() as u64;
    assert_eq!(polygons + flat, elements(&xml, "gml:Polygon"));
    // Attributes of the objects themselves; those of surfaces have the same names and are not meant.
    let text = String::from_utf8_lossy(&xml);
    for element in ["bldg:function", "bldg:roofType", "bldg:measuredHeight", "bldg:storeysAboveGround"] {
        let name = element.trim_start_matches("bldg:");
        let found = objects().filter(|object| object.attributes.contains_key(name)).count();
        assert_eq!(found, text.matches(&format!("<{element}")).count(), "{element}");
    }
    for name in ["Gemeindeschluessel", "DatenquelleDachhoehe", "DatenquelleLage", "Grundrissaktualitaet"] {
        let found = objects().filter(|object| object.attributes.contains_key(name)).count();
        assert_eq!(found, text.matches(&format!("<gen:stringAttribute name=\"{name}\">")).count(), "{name}");
    }
    // Some objects have several addresses, one after the other; they are joined.
    let further = text.split("</bldg:address>").skip(1).filter(|rest| rest.trim_start().starts_with("<bldg:address>")).count();
    let addressed = text.matches("<bldg:address>").count() - further;
    assert_eq!(objects().filter(|it| it.attributes.contains_key("address")).count(), addressed);
    let without = harness.outcomes(0).filter(|(_, outcome)| {
        let summary: Summary = serde_json::from_value(outcome.summary.clone()).unwrap();
        summary.buildings == 0
    });
    assert_eq!(without.count(), empty);
    let ids: Vec<String> = tiles(&harness).iter().flat_map(|(_, tile)| tile.texts("id")).collect();
    assert_eq!(ids.len() as u64, assembly.facts.counts.0["Building"].output, "every building in exactly one tile");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    let notes: BTreeMap<&str, &str> = assembly.facts.notes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(notes["Geoidundulation in der Mitte des Gebiets"], "44,400 m");
    check_tileset(&harness);
    if let Some(copy) = std::env::var_os("CITY_MODEL_COPY") {
        std::fs::create_dir_all(&copy).unwrap();
        for entry in std::fs::read_dir(harness.output()).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), PathBuf::from(&copy).join(entry.file_name())).unwrap();
        }
    }
}

/// The rules of 3D Tiles 1.1 that peers break: uri, version, regions that hold what is in them, falling errors.
fn check_tileset(harness: &Harness) {
    let tileset: Value = serde_json::from_slice(&std::fs::read(harness.output().join("tileset.json")).unwrap()).unwrap();
    assert_eq!(tileset["asset"]["version"], "1.1");
    let files: BTreeSet<String> = published(harness).into_keys().filter(|path| is_glb(path)).collect();
    let mut seen = BTreeSet::new();
    let mut open = vec![(&tileset["root"], f64::INFINITY)];
    while let Some((node, above)) = open.pop() {
        let error = node["geometricError"].as_f64().unwrap();
        assert!(error < above, "errors fall");
        let region: Vec<f64> = node["boundingVolume"]["region"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        assert!(region[0] <= region[2] && region[1] <= region[3] && region[4] <= region[5] && region.len() == 6);
        if let Some(content) = node.get("content") {
            let uri = content["uri"].as_str().unwrap().to_owned();
            let transform: Vec<f64> = node["transform"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
            let tile = Decoded::new(&std::fs::read(harness.output().join(&uri)).unwrap());
            for corner in tile.triangles().iter().flat_map(|triangle| triangle.corners) {
                let [longitude, latitude, height] = geodetic(to_earth(&transform, corner));
                // The region holds the exact places; rounding moves a corner by half a step.
                assert!(height > region[4] - 0.01 && height < region[5] + 0.01, "{height} in {region:?}");
                assert!(longitude > region[0] - 2e-9 && longitude < region[2] + 2e-9);
                assert!(latitude > region[1] - 2e-9 && latitude < region[3] + 2e-9);
            }
            assert!(seen.insert(uri), "a tile hangs once");
        }
        open.extend(node["children"].as_array().into_iter().flatten().map(|child| (child, error)));
    }
    assert_eq!(seen, files);
}

/// glTF's y-up turned to z-up, then the tile's matrix.
fn to_earth(transform: &[f64], [east, up, south]: [f64; 3]) -> [f64; 3] {
    let local = [east, -south, up];
    std::array::from_fn(|row| (0..3).map(|column| transform[column * 4 + row] * local[column]).sum::<f64>() + transform[12 + row])
}

/// Longitude and latitude in radians and height, by iteration: written anew here to check the program's own formulas.
fn geodetic([x, y, z]: [f64; 3]) -> [f64; 3] {
    let (a, f) = (6_378_137.0_f64, 1.0 / 298.257_222_101);
    let e2 = f * (2.0 - f);
    let p = x.hypot(y);
    let mut latitude = (z / p / (1.0 - e2)).atan();
    let mut height = 0.0;
    for _ in 0..8 {
        let n = a / (1.0 - e2 * latitude.sin().powi(2)).sqrt();
        height = p / latitude.cos() - n;
        latitude = (z / p / (1.0 - e2 * n / (n + height))).atan();
    }
    [y.atan2(x), latitude, height]
}

fn area(triangle: &Triangle) -> f64 {
    let [a, b, c] = triangle.corners;
    length(cross(minus(b, a), minus(c, a))) / 2.0
}

fn buildings(text: &str) -> Vec<Building> {
    read_all(text.as_bytes())
}

fn read_all(bytes: &[u8]) -> Vec<Building> {
    let mut known = None;
    loop {
        let mut out = Vec::new();
        let document = reader::read(bytes, FIXTURE, reader::Wanted::default(), known.take(), |building| {
            out.push(building);
            Ok(None)
        });
        match document.unwrap().late {
            Some(late) => known = Some(late),
            None => return out,
        }
    }
}

#[test]
fn the_fixture_is_read_with_attributes_parts_and_semantics() {
    let buildings = buildings(&fixture());
    let ids: Vec<&str> = buildings.iter().map(|building| building.id.as_str()).collect();
    assert_eq!(ids, ["DESHMUSTER000001", "DESHMUSTER000002", "DESHMUSTER000003"]);
    let attributes: Vec<String> = buildings[0].attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    insta::assert_snapshot!(attributes.join(" | "), @"DatenquelleDachhoehe=1000 | Gemeindeschluessel=01060063 | address=Höhenstraße 12, Musterstadt | creationDate=2026-01-15 | externalReference=DESHMUSTER000001 | function=31001_1010 | informationSystem=http://repository.gdi-de.org/schemas/adv/citygml/fdv/art.htm#_9100 | measuredHeight=9 | roofType=3100 | storeysAboveGround=2");
    assert_eq!(buildings[1].parts.len(), 2);
    assert_eq!(buildings[1].attribute("measuredHeight").unwrap().to_string(), "12");
    assert_eq!(buildings[1].attribute("roofType").unwrap().to_string(), "1000");
    let count = |semantic| buildings.iter().flat_map(Building::all_faces).filter(|face| face.semantic == semantic).count();
    assert_eq!(Semantic::ALL.map(count), [5, 19, 4, 1, 0, 0]);
    assert!(buildings[2].faces.iter().any(|face| face.rings.len() == 2), "the yard is a hole");
    assert!(buildings[0].solid && buildings[1].parts[0].solid);
}

#[test]
fn tiles_hold_every_face_where_it_stands_within_the_quantisation() {
    let (harness, _folder) = play_texts(&[(FIXTURE, &fixture())], &json!({}));
    assert!(harness.errors.is_empty(), "{:?}", harness.errors);
    check_tileset(&harness);
    let operation = Operation::between(Crs::UTM32, Crs(4258), &[]).unwrap();
    let tileset: Value = serde_json::from_slice(&std::fs::read(harness.output().join("tileset.json")).unwrap()).unwrap();
    let transforms: BTreeMap<String, Vec<f64>> = tileset["root"]["children"]
        .as_array()
        .unwrap()
        .iter()
        .map(|leaf| {
            let matrix = leaf["transform"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
            (leaf["content"]["uri"].as_str().unwrap().to_owned(), matrix)
        })
        .collect();
    let mut areas: BTreeMap<(String, String), f64> = BTreeMap::new();
    let source = buildings(&fixture());
    for (path, tile) in tiles(&harness) {
        let ids = tile.texts("id");
        for triangle in tile.triangles() {
            let id = &ids[triangle.feature];
            *areas.entry((id.clone(), triangle.class.clone())).or_default() += area(&triangle);
            let building = source.iter().find(|building| building.id == *id).unwrap();
            // The grid of the fixture rises eastwards: 39.5 m at 9.8°, 0.1 m on each tenth of a degree.
            let wanted: Vec<[f64; 3]> = building
                .points()
                .map(|point| {
                    let mut place = [[point[0], point[1]]];
                    operation.forward(&mut place).unwrap();
                    let [longitude, latitude] = place[0];
                    ecef(longitude, latitude, point[2] + 39.5 + (longitude - 9.8))
                })
                .collect();
            for corner in triangle.corners {
                let place = to_earth(&transforms[&path], corner);
                let off = wanted.iter().map(|want| length(minus(*want, place))).fold(f64::INFINITY, f64::min);
                assert!(off < 0.0069, "{off} m: more than half a step on each axis");
            }
            let [a, b, c] = triangle.corners;
            let normal = cross(minus(b, a), minus(c, a));
            let turned = crate::mesh::dot(normal, triangle.normal) / length(normal);
            assert!(turned > 0.99, "the triangle faces as its normal says");
        }
    }
    // Areas known by head; the plane of UTM is 0.07 % smaller than the ground here, on both axes.
    let scale = 1.0_f64 / 0.999_65 / 0.999_65;
    for (id, class, want) in [
        (1, "RoofSurface", 80.0),
        (1, "WallSurface", 2.0 * 40.0 + 2.0 * (30.0 + 12.0)),
        (1, "GroundSurface", 48.0),
        (2, "RoofSurface", 200.0),
        (2, "WallSurface", 3.0 * 60.0 + 4.0 * 120.0),
        (3, "RoofSurface", 84.0),
        (3, "WallSurface", 160.0 + 64.0),
    ] {
        let got = areas[&(format!("DESHMUSTER{id:06}"), class.to_owned())];
        assert!((got / want - 1.0).abs() < 1.5 * (scale - 1.0) + 2e-3, "{id} {class}: {got} m², not {want}");
    }
    let (_, tile) = &tiles(&harness)[0];
    assert_eq!(tile.json["asset"]["copyright"], Value::Null, "nothing is claimed that nobody stated");
    assert_eq!(tile.numbers("measuredHeight"), [9.0, 12.0, 4.0]);
    assert_eq!(tile.texts("address"), ["Höhenstraße 12, Musterstadt", "", ""]);
}

#[test]
fn compression_changes_bytes_but_no_geometry() {
    let text = fixture();
    let (packed, _a) = play_texts(&[(FIXTURE, &text)], &json!({}));
    let (plain, _b) = play_texts(&[(FIXTURE, &text)], &json!({ "compression": "none" }));
    for ((_, packed), (_, plain)) in tiles(&packed).iter().zip(&tiles(&plain)) {
        assert!(plain.json["extensionsUsed"].as_array().unwrap().iter().all(|name| name != "EXT_meshopt_compression"));
        let key = |tile: &Decoded| {
            let mut list: Vec<String> = tile
                .triangles()
                .iter()
                .map(|t| {
                    let mut corners = t.corners.map(|corner| format!("{corner:?}"));
                    corners.sort();
                    format!("{} {} {corners:?}", t.class, t.feature)
                })
                .collect();
            list.sort();
            list
        };
        assert_eq!(key(packed), key(plain));
    }
}

#[test]
fn the_same_deliveries_in_any_order_give_the_same_bytes() {
    let text = fixture();
    let without = |number: usize| {
        let start = text.find(&format!("<bldg:Building gml:id=\"DESHMUSTER00000{number}\"")).unwrap();
        let end = start + text[start..].find("</bldg:Building>").unwrap() + "</bldg:Building>".len();
        format!("{}{}", &text[..start], &text[end..])
    };
    let (first, second) = (without(1), without(2));
    let (together, _a) = play_texts(&[("a.gml", &first), ("b.gml", &second)], &json!({}));
    let (swapped, _b) = play_texts(&[("a.gml", &second), ("b.gml", &first)], &json!({}));
    let (whole, _c) = play_texts(&[("a.gml", &text)], &json!({}));
    assert_eq!(published(&together), published(&swapped));
    assert_eq!(published(&together), published(&whole));
    assert_eq!(published(&whole).keys().filter(|path| is_glb(path)).count(), 1);
}

#[test]
fn a_changed_building_only_changes_its_cell() {
    // The third building in another square kilometre.
    let text = fixture().replace("5656", "5666");
    let changed =
        text.replace("<bldg:measuredHeight uom=\"urn:adv:uom:m\">4.0<", "<bldg:measuredHeight uom=\"urn:adv:uom:m\">4.1<");
    assert_ne!(text, changed);
    let (before, _a) = play_texts(&[(FIXTURE, &text)], &json!({}));
    let (after, _b) = play_texts(&[(FIXTURE, &changed)], &json!({}));
    let units: Vec<&str> = after.changed_since(&before).into_iter().collect();
    assert_eq!(units, [&format!("0/{FIXTURE}"), "1/566000_5950000"]);
    let kept: Vec<String> = published(&after).keys().filter(|path| published(&before).contains_key(*path)).cloned().collect();
    assert!(kept.iter().any(|path| path.starts_with("565000_5950000-")));
    assert!(!kept.iter().any(|path| path.starts_with("566000_5950000-")));
}

#[test]
fn a_building_delivered_twice_is_shown_once_and_the_newest_counts() {
    let text = fixture();
    // A newer version of the third building, moved by a kilometre into another tile.
    let newer = text.replace("2026-01-15", "2026-06-01").replace("5656", "5666");
    let (harness, _folder) = play_texts(&[("a.gml", &newer), ("b.gml", &text)], &json!({}));
    let assembly = harness.assembly.as_ref().unwrap();
    assert_eq!(assembly.facts.counts.0["Building"].output, 6, "a duplicate merged into its twin counts as out");
    let ids: Vec<String> = tiles(&harness).iter().flat_map(|(_, tile)| tile.texts("id")).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 3);
    assert_eq!(ids.len(), 3);
    let dates: BTreeSet<String> = tiles(&harness).iter().flat_map(|(_, tile)| tile.texts("creationDate")).collect();
    assert_eq!(dates, BTreeSet::from(["2026-06-01".to_owned()]));
    let codes: BTreeSet<&str> =
        harness.outcomes(1).flat_map(|(_, outcome)| &outcome.findings).map(|finding| finding.code.as_str()).collect();
    assert!(codes.contains("mk::city_model::twice"), "{codes:?}");
    let twice = play_texts(&[("a.gml", &text), ("b.gml", &text)], &json!({})).0;
    assert!(twice.outcomes(1).all(|(_, outcome)| outcome.findings.is_empty()), "the same twice is nothing to tell");
}

#[test]
fn without_a_grid_nothing_is_made() {
    let (harness, _folder) = play_texts(&[(FIXTURE, &fixture())], &json!({}));
    let config = serde_json::from_value(json!({ "id": "x", "kind": "city_model", "source": [] })).unwrap();
    let dataset = super::open(&config).unwrap();
    let area = crate::dataset::Area::default();
    let (uses, scratch) = (BTreeMap::new(), std::env::temp_dir());
    let context = PlanContext {
        dataset: &config,
        area: &area,
        sources: &[],
        earlier: &harness.results,
        uses: &uses,
        scratch: &scratch,
        only: None,
    };
    let error = dataset.units(1, &context).unwrap_err();
    insta::assert_snapshot!(format!("{error}\nhint: {}", error.hint_text().unwrap()), @r#"
    DHHN2016 heights need a geoid grid to become ellipsoidal, and the option geoid names none
    hint: set geoid = "de_bkg_gcg2016.tif" (GCG2016, CC BY 4.0, © BKG): the file is published with PROJ-data, https://cdn.proj.org/de_bkg_gcg2016.tif. Without it everything would stand 34 to 51 m too low
    "#);
    let config = serde_json::from_value(json!({ "id": "x", "kind": "city_model", "source": [], "geoid": "none.tif" })).unwrap();
    assert!(
        super::open(&config).unwrap().units(0, &context).is_err(),
        "a grid that is named but not there stops before any work"
    );
}

#[test]
fn what_lies_outside_the_extent_is_refused_with_its_place() {
    let mut play = Play::new("city_model", &json!({ "geoid": fixture_path("geoid.gtx") }), &[fixture_path(FIXTURE)]);
    play.area.extent = Some([565_000.0, 5_950_000.0, 565_400.0, 5_951_000.0].into());
    let harness = play.run();
    let (_, outcome) = harness.outcomes(0).next().unwrap();
    assert_eq!(outcome.counts.0["Building"].rejected, 1);
    insta::assert_snapshot!(format!("{}: {}", outcome.rejections[0].reason, outcome.rejections[0].place), @"it lies outside the pipeline's extent: LoD2_32_565_5950_1_SH.gml:220, byte 16206, DESHMUSTER000003, at 565605.00 5950205.00");
}

#[test]
fn a_delivery_without_buildings_is_valid() {
    let text = fixture();
    let (start, end) = (text.find("<core:cityObjectMember>").unwrap(), text.rfind("</core:CityModel>").unwrap());
    let (harness, _folder) = play_texts(&[(FIXTURE, &format!("{}{}", &text[..start], &text[end..]))], &json!({}));
    let assembly = harness.assembly.as_ref().unwrap();
    assert_eq!(assembly.facts.bbox, [565_000.0, 5_950_000.0, 566_000.0, 5_951_000.0].into());
    check_tileset(&harness);
    let paths: Vec<String> = published(&harness).into_keys().collect();
    assert_eq!(paths, ["buildings.city.jsonl", "buildings.gpkg", "buildings.parquet", "tileset.json"]);
}

#[test]
fn a_building_is_found_again() {
    let (harness, _folder) = play_texts(&[(FIXTURE, &fixture())], &json!({}));
    let located = harness.locate("DESHMUSTER000003").unwrap();
    let text: Vec<String> = located.iter().map(|l| format!("{}/{}: {}", l.stage, l.key, l.what)).collect();
    insta::assert_snapshot!(text.join("\n"), @r#"
    0/LoD2_32_565_5950_1_SH.gml: holds DESHMUSTER000003, in cell 565500_5950000
    1/565000_5950000: shows DESHMUSTER000003; buildings in the tile: 3
    "#);
    assert!(harness.locate("DESHMUSTER000009").unwrap().is_empty());
}

#[test]
fn packs_hold_each_building_once() {
    let (harness, _folder) = play_texts(&[(FIXTURE, &fixture())], &json!({}));
    let mut ids = Vec::new();
    for result in &harness.results[1] {
        let buildings = codec::decode(&result.pack().unwrap().read(tile::BUILDINGS).unwrap()).unwrap();
        ids.extend(buildings.into_iter().map(|building| building.id));
    }
    ids.sort();
    assert_eq!(ids, ["DESHMUSTER000001", "DESHMUSTER000002", "DESHMUSTER000003"]);
}

#[test]
fn colours_by_theme_change_colours_and_nothing_else() {
    let (plain, _a) = play_texts(&[(FIXTURE, &fixture())], &json!({}));
    let (themed, _b) = play_texts(&[(FIXTURE, &fixture())], &json!({ "colour": "function" }));
    let ((_, plain), (_, themed)) = (&tiles(&plain)[0], &tiles(&themed)[0]);
    let places = |tile: &Decoded| tile.triangles().into_iter().map(|triangle| triangle.corners).collect::<Vec<_>>();
    assert_eq!(places(plain), places(themed));
    let colours = |tile: &Decoded| tile.colours().into_iter().collect::<BTreeSet<_>>();
    assert_eq!(colours(plain).len(), 3, "roof, wall, ground");
    assert_ne!(colours(plain), colours(themed));
}

#[test]
fn the_table_has_measures_faces_and_names_of_codes() {
    let (harness, _folder) = play_texts(&[(FIXTURE, &fixture())], &json!({}));
    let names =
        ["id", "volume", "footprint_area", "roof_area", "roof_pitch", "function_text", "roofType_text", "quality", "parts"];
    let batches = crate::format::geoparquet::columns(&harness.output().join("buildings.parquet"), &names).unwrap();
    let mut rows: Vec<String> = Vec::new();
    for batch in &batches {
        for row in 0..batch.num_rows() {
            let cell = |name: &&str| {
                let column = batch.column_by_name(name).unwrap();
                arrow::util::display::array_value_to_string(column, row).unwrap()
            };
            rows.push(names.iter().map(cell).collect::<Vec<_>>().join(" | "));
        }
    }
    rows.sort();
    insta::assert_snapshot!("table", rows.join("\n"));
    let gpkg = rusqlite::Connection::open(harness.output().join("buildings.gpkg")).unwrap();
    let count = |sql: &str| gpkg.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM gebaeude WHERE geom IS NOT NULL"), 3);
    let mut reader = crate::format::pmtiles::Reader::open(&harness.output().join("buildings.pmtiles")).unwrap();
    let (z, x, y) = reader.tiles().last().unwrap();
    assert_eq!(z, 16);
    assert!(reader.tile(z, x, y).unwrap().is_some());
}

#[test]
fn shells_that_are_open_are_told_with_their_number_and_have_no_volume() {
    let text = fixture();
    let sound = buildings(&text);
    assert!(sound.iter().all(|building| building.quality.is_empty()), "{:?}", sound[0].quality);
    // Without its first roof face.
    let start = text.find("<bldg:RoofSurface").unwrap();
    let end = start + text[start..].find("</bldg:RoofSurface>").unwrap() + "</bldg:RoofSurface>".len();
    let id = &text[start..end][text[start..end].find("<gml:Polygon gml:id=\"").unwrap() + 21..];
    let id = &id[..id.find('"').unwrap()];
    let open = format!("{}{}", &text[..start], &text[end..]).replace(&format!("<gml:surfaceMember xlink:href=\"#{id}\"/>"), "");
    let open = buildings(&open);
    assert_eq!(open[0].quality, [302]);
    assert!(super::measure::Measures::of(&open[0]).volume.is_none());
    assert!(super::measure::Measures::of(&sound[0]).volume.is_some());
}
