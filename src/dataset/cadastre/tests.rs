//! The kind from deliveries to artefacts.

use super::nas::tests::gm2566;
use crate::dataset::testing::{Harness, Play, run_kind};
use crate::format::wkb;
use crate::io::Digest;
use gdal::vector::LayerAccess;
use geo::{Distance, Geometry, LineString};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/cadastre").join(name)
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap).filter(|entry| entry.file_type().is_file());
    entries
        .map(|entry| {
            let name = entry.path().strip_prefix(folder).unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// One line per row of a layer: the fields that are named, and the area or the WKT of a point.
fn rows(harness: &Harness, layer: &str, fields: &[&str]) -> Vec<String> {
    let dataset = crate::io::gdal::open_vector(&harness.output().join("cadastre.gpkg"), &["GPKG"]).unwrap();
    let mut layer = dataset.layer_by_name(layer).unwrap();
    let mut lines: Vec<String> = layer
        .features()
        .map(|feature| {
            let text = |name: &&str| {
                let index = feature.field_index(name).unwrap();
                feature.field_as_string(index).unwrap().unwrap_or_else(|| "-".into())
            };
            let shape = match feature.geometry().map(|it| (it.wkt(), it.geometry_type())) {
                Some((Ok(text), gdal::vector::OGRwkbGeometryType::wkbPoint)) => text,
                Some((Ok(_), _)) => feature.geometry().map_or(String::new(), |it| format!("{:.1} m²", it.area())),
                _ => "no geometry".to_owned(),
            };
            format!("{} | {shape}", fields.iter().map(text).collect::<Vec<_>>().join(" | "))
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn both_dialects_give_the_same_tables() {
    let mut tables = Vec::new();
    for version in [6, 7] {
        let harness = run_kind("cadastre", &json!({}), &[fixture(&format!("stock-gid{version}.xml"))]);
        assert!(harness.errors.is_empty(), "{:?}", harness.errors);
        // A result is found by its identity: no two units may have the same.
        let distinct: std::collections::BTreeSet<_> = harness.identities.values().collect();
        assert_eq!(distinct.len(), harness.identities.len());
        let outcome = &harness.results[0][0].outcome;
        assert!(outcome.rejections.is_empty(), "{:?}", outcome.rejections);
        let total = outcome.counts.total();
        assert_eq!((total.input, total.output, total.dropped_private), (23, 19, 4));
        harness.assembly.as_ref().unwrap();
        let mut text = String::new();
        for (layer, fields) in [
            (
                "Flurstueck",
                &[
                    "flstkennz",
                    "gemarkung",
                    "gmdschl",
                    "land",
                    "flurschl",
                    "flstnrzae",
                    "flstnrnen",
                    "flaeche",
                    "lagebeztxt",
                    "tntxt",
                ][..],
            ),
            ("GebaeudeBauwerk", &["gebnutzbez", "funktion", "gfkzshh", "anzahlgs", "name", "gmdschl", "lagebeztxt"]),
            ("Nutzung", &["nutzart", "bez"]),
            ("NutzungFlurstueck", &["nutzart", "bez", "flstkennz", "flaeche"]),
            ("adresse", &["strasse", "strassenschluessel", "hausnummer", "nummer", "zusatz", "plz", "ort", "flstkennz"]),
            ("FlurstueckPunkt", &["punktkennung", "abmmarke"]),
            ("KatasterBezirk", &["art", "schluessel", "name"]),
            ("VerwaltungsEinheit", &["art", "schluessel", "name"]),
            ("objekt", &["objektart", "eigenschaften", "lokales_crs", "lokale_geometrie"]),
        ] {
            text.push_str(&format!("{layer}\n"));
            for row in rows(&harness, layer, fields) {
                text.push_str(&format!("  {}\n", row.replace(&format!("DESHTEST{version}"), "DESHTEST#")));
            }
        }
        tables.push(text);
    }
    insta::assert_snapshot!(tables[0]);
    // What the model changed: how a code is written and what a reference is called.
    assert_eq!(tables[0], tables[1].replace("verweistAuf", "hatAuch"));
}

#[test]
fn nothing_personal_is_in_any_byte() {
    for version in [6, 7] {
        let sources = [fixture(&format!("stock-gid{version}.xml")), fixture(&format!("changes-gid{version}.xml"))];
        assert!(std::fs::read_to_string(&sources[0]).unwrap().matches("KANARI").count() >= 8);
        let harness = run_kind("cadastre", &json!({ "history": true }), &sources);
        harness.assembly.as_ref().unwrap();
        assert_no_canary(&harness, &[]);
        // Internally, and asked for, they are read.
        let harness = run_kind("cadastre", &json!({ "owners": true, "audience": "internal" }), &sources[..1]);
        let total = harness.results[0][0].outcome.counts.total();
        assert_eq!((total.output, total.dropped_private), (23, 0));
        assert!(rows(&harness, "objekt", &["eigenschaften"]).iter().any(|row| row.contains("KANARI-Nachname")));
    }
    let mut play = Play::new("cadastre", &json!({ "owners": true }), &[]);
    play.only = None;
    let kind = crate::dataset::kind("cadastre").unwrap();
    let error = (kind.open)(&play.config).err().unwrap();
    assert_eq!((error.code(), error.exit_code()), ("mk::config::option", crate::Exit::Usage));
}

/// Decodes what is packed: Parquet and GeoPackage by their readers, everything else as bytes.
fn assert_no_canary(harness: &Harness, forbidden: &[String]) {
    let check = |name: &str, bytes: &[u8]| {
        assert!(memchr::memmem::find(bytes, b"KANARI").is_none(), "{name} holds a canary");
        for word in forbidden {
            assert!(memchr::memmem::find(bytes, word.as_bytes()).is_none(), "{name} holds a protected identifier");
        }
    };
    for (name, bytes) in files(&harness.output()) {
        check(&name, &bytes);
        let path = harness.output().join(&name);
        if Path::new(&name).extension().is_some_and(|extension| extension == "parquet") {
            let file = std::fs::File::open(&path).unwrap();
            let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
            for batch in reader {
                check(&name, format!("{:?}", batch.unwrap()).as_bytes());
                // The whole text of each column, which the line above shortens.
            }
            check(&name, &decoded_text(&path));
        }
    }
    let path = harness.output().join("cadastre.pmtiles");
    let mut reader = crate::format::pmtiles::Reader::open(&path).unwrap();
    let tiles: Vec<_> = reader.tiles().collect();
    for (z, x, y) in tiles {
        check("tile", &reader.tile(z, x, y).unwrap().unwrap());
    }
    let report = serde_json::to_vec(&harness.assembly.as_ref().unwrap()).unwrap();
    check("facts", &report);
    for result in harness.results.iter().flatten() {
        check("outcome", &serde_json::to_vec(&result.outcome).unwrap());
        // But for the list of what must not be published.
        for entry in result.pack().unwrap().entries().keys().filter(|entry| *entry != super::read::PRIVATE) {
            check(entry, &result.pack().unwrap().read(entry).unwrap());
        }
    }
}

fn decoded_text(path: &Path) -> Vec<u8> {
    use arrow::array::{Array, AsArray};
    let file = std::fs::File::open(path).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let mut text = Vec::new();
    for batch in reader {
        let batch = batch.unwrap();
        for column in batch.columns() {
            if let Some(column) = column.as_string_opt::<i32>() {
                text.extend((0..column.len()).filter(|row| column.is_valid(*row)).flat_map(|row| column.value(row).bytes()));
            }
        }
    }
    text
}

#[test]
fn changes_are_applied_in_their_order() {
    for version in [6, 7] {
        let stock = fixture(&format!("stock-gid{version}.xml"));
        let changes = fixture(&format!("changes-gid{version}.xml"));
        let harness = run_kind("cadastre", &json!({}), &[stock, changes]);
        assert!(harness.errors.is_empty(), "{:?}", harness.errors);
        assert!(harness.results[1][0].outcome.findings.is_empty(), "{:?}", harness.results[1][0].outcome.findings);
        let parcels = rows(&harness, "Flurstueck", &["flstkennz"]);
        insta::allow_duplicates! {
            insta::assert_debug_snapshot!(parcels, @r#"
            [
                "010842002000070001__ | 5000.0 m²",
                "010842002000070002__ | 5000.0 m²",
                "010842002000120001__ | 10000.0 m²",
                "010842002000120002__ | 9600.0 m²",
                "01084200200013______ | 400.0 m²",
            ]
            "#);
        }
        let buildings = rows(&harness, "GebaeudeBauwerk", &["aktualit", "gfkzshh", "anzahlgs"]);
        insta::allow_duplicates! {
           insta::assert_debug_snapshot!(buildings, @r#"
            [
                "2024-01-10 | 51001_1001 | - | 314.1 m²",
                "2024-06-01 | 31001_1010 | 3 | 375.0 m²",
            ]
            "#);
        }
    }
}

#[test]
fn tiles_show_each_parcel_and_building() {
    use geozero::mvt::{Message, Tile};
    let harness = run_kind("cadastre", &json!({ "zoom": [12, 15] }), &[fixture("stock-gid6.xml")]);
    harness.assembly.as_ref().unwrap();
    let mut reader = crate::format::pmtiles::Reader::open(&harness.output().join("cadastre.pmtiles")).unwrap();
    assert_eq!(reader.zooms(), (12, 15));
    let mut found: BTreeMap<(u8, String), std::collections::BTreeSet<String>> = BTreeMap::new();
    for (z, x, y) in reader.tiles().collect::<Vec<_>>() {
        let tile = Tile::decode(reader.tile(z, x, y).unwrap().unwrap().as_slice()).unwrap();
        for layer in tile.layers {
            let oid = layer.keys.iter().position(|key| key == "oid").unwrap() as u32;
            for feature in layer.features {
                let tag = feature.tags.chunks(2).find(|pair| pair[0] == oid).unwrap()[1];
                let text = layer.values[tag as usize].string_value.clone().unwrap();
                found.entry((z, layer.name.clone())).or_default().insert(text);
            }
        }
    }
    let counts: Vec<String> = found.iter().map(|((z, name), oids)| format!("{z} {name} {}", oids.len())).collect();
    insta::assert_debug_snapshot!(counts, @r#"
    [
        "12 nutzung 1",
        "13 nutzung 1",
        "14 flurstueck 4",
        "14 gebaeude_bauwerk 3",
        "14 nutzung 1",
        "15 flurstueck 4",
        "15 gebaeude_bauwerk 3",
        "15 nutzung 1",
    ]
    "#);
}

#[test]
fn the_same_bytes_come_on_any_number_of_threads() {
    let sources = [fixture("stock-gid6.xml"), fixture("changes-gid6.xml")];
    let digests = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let harness = run_kind("cadastre", &json!({}), &sources);
            files(&harness.output()).into_iter().map(|(name, bytes)| (name, Digest::of(&bytes))).collect::<BTreeMap<_, _>>()
        })
    };
    let one = digests(1);
    assert!(one.len() >= 9);
    assert_eq!(one, digests(4));
}

#[test]
fn a_parcel_is_found_by_its_kennzeichen() {
    let harness = run_kind("cadastre", &json!({}), &[fixture("stock-gid7.xml")]);
    let found = harness.locate("01084200200007______").unwrap();
    assert_eq!(found.len(), 2);
    assert!(found[0].what.contains("stock-gid7.xml, byte"), "{found:?}");
    assert_eq!(found, harness.locate("DESHTEST70000003FL").unwrap());
    assert!(harness.locate("nothing").unwrap().is_empty());
}

#[test]
fn the_real_stock_becomes_tables_that_gdal_counts_alike() {
    let Some(path) = gm2566() else { return };
    let harness = run_kind("cadastre", &json!({}), std::slice::from_ref(&path));
    harness.assembly.as_ref().unwrap();
    let count = |layer: &str| {
        let dataset = crate::io::gdal::open_vector(&harness.output().join("cadastre.gpkg"), &["GPKG"]).unwrap();
        dataset.layer_by_name(layer).unwrap().feature_count()
    };
    assert_eq!(count("Flurstueck"), 2_369);
    assert_eq!(count("FlurstueckPunkt"), 8_983);
    let layers = [
        "Flurstueck",
        "FlurstueckPunkt",
        "GebaeudeBauwerk",
        "KatasterBezirk",
        "Nutzung",
        "VerwaltungsEinheit",
        "adresse",
        "objekt",
    ];
    let all: u64 = layers.iter().map(|layer| count(layer)).sum();
    assert_eq!(all, harness.results[0][0].outcome.counts.total().output, "each object is in exactly one table");
    let buildings = rows(&harness, "GebaeudeBauwerk", &["gfkzshh"]);
    assert_eq!(buildings.iter().filter(|row| row.starts_with("31001_")).count(), 827);
    land_use_is_shared_out(&harness);
    shapes_equal_those_of_ogr(&path, &harness);
    if let Some(folder) = std::env::var_os("MESSKETTE_TEST_KEEP") {
        for (name, bytes) in files(&harness.output()) {
            let path = Path::new(&folder).join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }
    // Identifiers of the objects that were dropped must not be left as references.
    let bytes = std::fs::read(&path).unwrap();
    let mut forbidden = Vec::new();
    for class in
        ["AX_Person", "AX_Anschrift", "AX_Namensnummer", "AX_Buchungsstelle", "AX_Buchungsblatt", "AX_Buchungsblattbezirk"]
    {
        let needle = format!("<{class} gml:id=\"");
        for at in memchr::memmem::find_iter(&bytes, needle.as_bytes()).step_by(97) {
            let id = &bytes[at + needle.len()..at + needle.len() + 16];
            forbidden.push(String::from_utf8(id.to_vec()).unwrap());
        }
    }
    assert!(forbidden.len() > 200);
    assert_no_canary(&harness, &forbidden);
}

/// The shares of land use sum to the official area of their parcel, and to the text it carries.
fn land_use_is_shared_out(harness: &Harness) {
    let mut shares: BTreeMap<String, f64> = BTreeMap::new();
    for row in rows(harness, "NutzungFlurstueck", &["flstkennz", "flaeche"]) {
        let cells: Vec<&str> = row.split(" | ").collect();
        *shares.entry(cells[0].to_owned()).or_default() += cells[1].parse::<f64>().unwrap();
    }
    let mut whole = 0;
    for row in rows(harness, "Flurstueck", &["flstkennz", "flaeche", "tntxt"]) {
        let cells: Vec<&str> = row.split(" | ").collect();
        let official: f64 = cells[1].parse().unwrap();
        let share = shares.get(cells[0]).copied().unwrap_or_default();
        assert!(share <= official + 1e-6, "{row}");
        whole += usize::from((share - official).abs() < 1e-6);
        if cells[2] != "-" {
            let told: f64 = cells[2].split('|').map(|part| part.rsplit(';').next().unwrap().parse::<f64>().unwrap()).sum();
            assert!((told - share).abs() < 0.02 * 9.0, "{row}: {share}");
        }
    }
    assert!(whole > 2_300, "parcels whose land use is whole: {whole}");
}

/// Parcels, buildings and fields against GDAL's own reader of NAS, its arcs as fine as ours: no corner of one lies more than a
/// millimetre off the boundary of the other.
fn shapes_equal_those_of_ogr(source: &Path, harness: &Harness) {
    let folder = tempfile::tempdir().unwrap();
    let theirs = folder.path().join("theirs.gpkg");
    let convert = |options: &[&str]| {
        let mut command = std::process::Command::new("ogr2ogr");
        command.args(["-q", "-f", "GPKG", "-nlt", "CONVERT_TO_LINEAR", "--config", "OGR_ARC_STEPSIZE", "0.02"]).args(options);
        command.arg(&theirs).arg(source).args(["AX_Flurstueck", "AX_Gebaeude", "AX_Landwirtschaft"]);
        command.stderr(std::process::Stdio::null()).status()
    };
    // From GDAL 3.7 on the driver wants to be told that there is no template; before, it would look for a file without a name.
    let mut status = convert(&[]);
    if !status.as_ref().is_ok_and(std::process::ExitStatus::success) {
        status = convert(&["--config", "NAS_GFS_TEMPLATE", ""]);
    }
    if !status.is_ok_and(|status| status.success()) {
        println!("skipped: ogr2ogr cannot read NAS here");
        return;
    }
    let shapes = |path: &Path, layer: &str, key: &str| -> BTreeMap<String, Vec<LineString<f64>>> {
        let dataset = crate::io::gdal::open_vector(path, &["GPKG"]).unwrap();
        let mut layer = dataset.layer_by_name(layer).unwrap();
        layer
            .features()
            .map(|feature| {
                let oid = feature.field_as_string(feature.field_index(key).unwrap()).unwrap().unwrap();
                (oid, rings(&wkb::decode(&feature.geometry().unwrap().wkb().unwrap()).unwrap()))
            })
            .collect()
    };
    let ours = harness.output().join("cadastre.gpkg");
    let tables = [
        ("AX_Flurstueck", "Flurstueck", "idflurst", 2_369),
        ("AX_Gebaeude", "GebaeudeBauwerk", "oid", 827),
        ("AX_Landwirtschaft", "Nutzung", "oid", 319),
    ];
    for (theirs_named, named, key, count) in tables {
        let (mine, reference) = (shapes(&ours, named, key), shapes(&theirs, theirs_named, "gml_id"));
        assert_eq!(reference.len(), count);
        for (oid, reference) in reference {
            let apart = farthest(&mine[&oid], &reference).max(farthest(&reference, &mine[&oid]));
            assert!(apart < 0.001 + 1e-6, "{theirs_named} {oid}: {apart} m apart");
        }
    }
}

fn rings(geometry: &Geometry<f64>) -> Vec<LineString<f64>> {
    let polygons = match geometry {
        Geometry::Polygon(polygon) => std::slice::from_ref(polygon),
        Geometry::MultiPolygon(polygons) => &polygons.0,
        // Some structures are lines or points.
        _ => return Vec::new(),
    };
    let of =
        |polygon: &geo::Polygon<f64>| std::iter::once(polygon.exterior()).chain(polygon.interiors()).cloned().collect::<Vec<_>>();
    polygons.iter().flat_map(of).collect()
}

/// How far the corners of some rings are from the nearest of others, at most.
fn farthest(corners: &[LineString<f64>], lines: &[LineString<f64>]) -> f64 {
    let nearest = |at: geo::Point<f64>| lines.iter().map(|line| geo::Euclidean.distance(&at, line)).fold(f64::INFINITY, f64::min);
    corners.iter().flat_map(|ring| ring.points()).map(nearest).fold(0.0, f64::max)
}
