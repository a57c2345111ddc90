//! The kind from files to artefacts, read back by GDAL.

use crate::dataset::testing::{Harness, Play, run_kind};
use crate::format::geoparquet;
use crate::io::gdal::open_vector;
use arrow::array::{AsArray, RecordBatch};
use gdal::vector::LayerAccess;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/vector_theme").join(name)
}

/// The mapping of the reserves.
fn reserves() -> Value {
    json!({
        "fields": [
            { "name": "nummer", "from": "SG_NR", "required": true },
            { "name": "name", "from": "SG_NAME", "title": "Name" },
            { "name": "art", "from": "ART" },
            { "name": "flaeche", "from": "FLAECHE", "type": "number", "unit": "ha", "title": "Fläche" },
            { "name": "verordnet", "from": "VERORDNET", "type": "date" },
        ],
        "key": "nummer",
        "zoom": [10, 14],
        "style": { "by": "art", "classes": [{ "value": "NSG", "colour": "#2e7d32" }, { "value": "LSG", "colour": "#9ccc65" }] },
    })
}

fn table(harness: &Harness, columns: &[&str]) -> Vec<RecordBatch> {
    geoparquet::columns(&harness.output().join("theme.parquet"), columns).unwrap()
}

/// The digests of all features.
fn digests(harness: &Harness) -> BTreeSet<String> {
    let batches = table(harness, &["digest"]);
    let texts = batches.iter().flat_map(|batch| batch.column(0).as_string::<i32>().iter().flatten().map(str::to_owned));
    texts.collect()
}

/// Codes of rejections, each with its place.
fn rejected(harness: &Harness) -> Vec<String> {
    let all = harness.outcomes(0).flat_map(|(_, outcome)| &outcome.rejections);
    all.map(|rejection| format!("{} {} ({})", rejection.code, rejection.reason, rejection.place)).collect()
}

#[track_caller]
fn made(harness: &Harness) -> Vec<String> {
    let assembly = harness.assembly.as_ref().unwrap();
    let mut paths: Vec<String> = assembly.artefacts.iter().map(|artefact| artefact.path.clone()).collect();
    paths.sort();
    paths
}

#[test]
fn reserves_become_all_files_with_the_fields_of_the_list_only() {
    let harness = run_kind("vector_theme", &reserves(), &[fixture("schutzgebiete.geojson")]);
    assert!(harness.errors.is_empty(), "{:?}", harness.errors);
    assert_eq!(
        made(&harness),
        ["preview.png", "style.json", "style.sld", "theme.fgb", "theme.geojson", "theme.gpkg", "theme.parquet", "theme.pmtiles"]
    );
    let facts = &harness.assembly.as_ref().unwrap().facts;
    assert_eq!(facts.counts.total().output, 4);
    assert_eq!(facts.crs.0, 25832);
    for (file, driver) in [("theme.gpkg", "GPKG"), ("theme.fgb", "FlatGeobuf"), ("theme.geojson", "GeoJSON")] {
        let dataset = open_vector(&harness.output().join(file), &[driver]).unwrap();
        let mut layer = dataset.layer(0).unwrap();
        assert_eq!(layer.feature_count(), 4, "{file}");
        let names: Vec<String> = layer.defn().fields().map(|field| field.name()).collect();
        assert_eq!(names, ["nummer", "name", "art", "flaeche", "verordnet"], "{file}");
        let mut areas = BTreeMap::new();
        for feature in layer.features() {
            let text = |name: &str| feature.field_as_string(feature.field_index(name).unwrap()).unwrap();
            areas.insert(text("nummer").unwrap(), (feature.geometry().unwrap().area(), text("verordnet")));
        }
        let metres = if file == "theme.geojson" { None } else { Some(()) };
        if metres.is_some() {
            assert_eq!(areas["SG-2"].0, 900.0 * 900.0 - 200.0 * 200.0);
            assert_eq!(areas["SG-3"].0, 200.0 * 200.0 + 300.0 * 300.0);
        }
        assert_eq!(
            areas["SG-1"].1.as_deref().map(|day| day.replace('/', "-").split(['T', ' ']).next().unwrap().to_owned()),
            Some("1978-05-03".into()),
            "{file}"
        );
        assert_eq!(areas["SG-4"].1.as_deref().unwrap_or_default(), "");
    }
    // Single areas became collections beside the one that is.
    let gpkg = open_vector(&harness.output().join("theme.gpkg"), &["GPKG"]).unwrap();
    assert_eq!(gpkg.layer(0).unwrap().name(), "test");
    assert_eq!(gpkg.layer(0).unwrap().defn().geometry_type(), gdal::vector::OGRwkbGeometryType::wkbMultiPolygon);
    // The clerk's name is in no file: his field is not on the list.
    for entry in std::fs::read_dir(harness.output()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(memchr::memmem::find(&bytes, b"KANARI").is_none());
    }
    let left_out: Vec<&str> = harness.outcomes(0).flat_map(|(_, o)| &o.findings).map(|finding| finding.reason.as_str()).collect();
    assert_eq!(left_out, Vec::<&str>::new(), "who writes a list knows what it leaves out");
}

/// ogr2ogr turns the reserves into each format; what comes out is the same in all of them.
#[test]
fn every_format_gives_the_same_features() {
    let folder = tempfile::tempdir().unwrap();
    let source = fixture("schutzgebiete.geojson");
    let base = digests(&run_kind("vector_theme", &reserves(), std::slice::from_ref(&source)));
    assert_eq!(base.len(), 4);
    let convert = |name: &str, options: &[&str]| -> Option<PathBuf> {
        let path = folder.path().join(name);
        let status = Command::new("ogr2ogr").args(options).arg(&path).arg(&source).args(["-nln", "gebiete"]).output();
        let Ok(output) = status else { return None };
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        Some(path)
    };
    let formats: [(&str, &[&str]); 5] = [
        ("a.gpkg", &["-f", "GPKG"]),
        ("a.fgb", &["-f", "FlatGeobuf", "-nlt", "PROMOTE_TO_MULTI"]),
        ("a.shp", &["-f", "ESRI Shapefile", "-lco", "ENCODING=ISO-8859-1"]),
        ("a.gml", &["-f", "GML", "-dsco", "FORMAT=GML3.2"]),
        ("a.mif", &["-f", "MapInfo File"]),
    ];
    for (name, options) in formats {
        let Some(path) = convert(name, options) else { return println!("skipped: ogr2ogr is not here") };
        let mut settings = reserves();
        if name == "a.mif" {
            // MapInfo knows no EPSG codes.
            settings["source_crs"] = json!("EPSG:25832");
        }
        let harness = run_kind("vector_theme", &settings, &[path]);
        assert!(harness.errors.is_empty(), "{name}: {:?}", harness.errors);
        assert_eq!(rejected(&harness), Vec::<String>::new(), "{name}");
        let other = digests(&harness);
        // Formats differ in whether single areas are collections; their content is the same.
        assert_eq!(other.len(), 4, "{name}");
        if matches!(name, "a.gpkg" | "a.gml") {
            assert_eq!(other, base, "{name}");
        }
        let names: BTreeSet<String> = table(&harness, &["name"])
            .iter()
            .flat_map(|batch| batch.column(0).as_string::<i32>().iter().flatten().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        assert!(names.contains("Tarpenbek-Niederung") && names.len() == 4, "{name}: {names:?}");
    }
}

#[test]
fn a_shape_in_an_archive_is_read_with_its_tables_and_a_mended_table_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let shape = folder.path().join("a.shp");
    let done = Command::new("ogr2ogr").args(["-f", "ESRI Shapefile"]).arg(&shape).arg(fixture("schutzgebiete.geojson")).output();
    if done.is_err() {
        return println!("skipped: ogr2ogr is not here");
    }
    let archive = folder.path().join("a.zip");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&archive).unwrap());
    for ending in ["shp", "shx", "dbf", "prj", "cpg"] {
        use std::io::Write;
        let Ok(bytes) = std::fs::read(shape.with_extension(ending)) else { continue };
        zip.start_file(format!("daten/a.{ending}"), zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&bytes).unwrap();
    }
    zip.finish().unwrap();
    let request = crate::io::discover::Request {
        folder: folder.path(),
        patterns: &["a.zip".to_owned()],
        kind_patterns: super::KIND.patterns,
        settle: std::time::Duration::ZERO,
    };
    let found = crate::io::discover::discover(&request, &mut crate::io::discover::NoCache).unwrap();
    let names: Vec<&str> = found.sources.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(names, ["a.zip!daten/a.shp"]);
    let mut play = Play::new("vector_theme", &reserves(), &[]);
    play.sources = found.sources;
    let packed = play.run();
    let plain = run_kind("vector_theme", &reserves(), std::slice::from_ref(&shape));
    assert!(packed.errors.is_empty() && plain.errors.is_empty(), "{:?}", packed.errors);
    assert_eq!(digests(&packed), digests(&plain));
    let mut bytes = std::fs::read(shape.with_extension("dbf")).unwrap();
    let at = memchr::memmem::find(&bytes, b"Wittmoor").unwrap();
    bytes[at] = b'B';
    std::fs::write(shape.with_extension("dbf"), bytes).unwrap();
    let mended = run_kind("vector_theme", &reserves(), &[shape]);
    assert!(mended.changed_since(&plain).contains("0/a.shp"));
}

/// The condition of roads as an office exports it: ISO 8859-1, semicolons, decimal commas, German days.
#[test]
fn a_german_csv_is_read() {
    let options = json!({
        "fields": [
            { "name": "strasse", "from": "straße" },
            { "name": "zustand", "from": "zustandswert", "type": "number" },
            { "name": "erfasst", "type": "date" },
        ],
        "source_crs": "EPSG:25832", "encoding": "ISO-8859-1", "decimal": ",", "geometry": "line", "zoom": [12, 13],
    });
    let harness = run_kind("vector_theme", &options, &[fixture("strassenzustand.csv")]);
    assert!(harness.errors.is_empty(), "{:?}", harness.errors);
    let dataset = open_vector(&harness.output().join("theme.gpkg"), &["GPKG"]).unwrap();
    let mut layer = dataset.layer(0).unwrap();
    let mut rows: Vec<(String, f64, String)> = layer
        .features()
        .map(|it| {
            let index = |name: &str| it.field_index(name).unwrap();
            let text = |name: &str| it.field_as_string(index(name)).unwrap().unwrap();
            (text("strasse"), it.field_as_double(index("zustand")).unwrap().unwrap(), text("erfasst"))
        })
        .collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(rows[0], ("Am Böckelsberg".to_owned(), 3.4, "2025/06/02".to_owned()));
    assert_eq!(rows[2].0, "Ulzburger Straße");
    // What the pipeline does not say, the program does not guess.
    let code = |key: &str, value: Value| {
        let mut other = options.clone();
        other[key] = value;
        let harness = run_kind("vector_theme", &other, &[fixture("strassenzustand.csv")]);
        harness.errors.first().map_or_else(|| rejected(&harness).join("; "), |(.., error)| error.to_string())
    };
    insta::assert_snapshot!(code("encoding", Value::Null), @"a text is not in UTF-8 (strassenzustand.csv)");
    insta::assert_snapshot!(code("source_crs", Value::Null), @"the file does not say its CRS (strassenzustand.csv)");
    insta::assert_snapshot!(code("decimal", json!(".")), @"mk::vector_theme::value the value of 'zustand' is no number (strassenzustand.csv:2, at 565450.00 5950550.00); mk::vector_theme::value the value of 'zustand' is no number (strassenzustand.csv:3, at 566150.00 5950750.00); mk::vector_theme::value the value of 'zustand' is no number (strassenzustand.csv:4, at 566625.00 5951400.00)");
}

#[test]
fn what_is_broken_is_rejected_with_its_place_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    let lines = [
        "nr;wert;wkt",
        "1;5;\"POLYGON ((565000 5950000, 565100 5950000, 565100 5950100, 565000 5950000))\"",
        "2;5;",
        "3;x;\"POINT (565000 5950000)\"",
        "4;5;\"POINT (5950000 565000)\"",
        "5;5;\"LINESTRING (565000 5950000, 565000 5950000)\"",
        "6;5;\"POLYGON ((565000 5950000, 565100 5950100, 565100 5950000, 565000 5950110, 565000 5950000))\"",
        "7;5;\"no text\"",
        "8;5",
        "9;;\"POINT (565001 5950001)\"",
        "10;5;\"GEOMETRYCOLLECTION (POINT (565000 5950000), LINESTRING (565000 5950000, 565001 5950001))\"",
    ];
    std::fs::write(&path, lines.join("\n")).unwrap();
    let options = json!({
        "fields": [{ "name": "nr" }, { "name": "wert", "type": "integer", "required": true }],
        "source_crs": "EPSG:25832", "zoom": [12, 12],
    });
    let mut play = Play::new("vector_theme", &options, &[path]);
    play.area.crs = Some(crate::crs::Crs::UTM32);
    play.area.extent = Some(crate::crs::Bbox::from([560_000.0, 5_940_000.0, 570_000.0, 5_960_000.0]));
    let harness = play.run();
    assert!(harness.errors.is_empty(), "{:?}", harness.errors);
    let (_, outcome) = harness.outcomes(0).next().unwrap();
    let count = outcome.counts.total();
    assert_eq!((count.input, count.output, count.rejected), (10, 2, 8));
    insta::assert_snapshot!(rejected(&harness).join("\n"), @r#"
mk::vector_theme::empty it has no geometry (a.csv:3)
mk::vector_theme::value the value of 'wert' is no whole number (a.csv:4, at 565000.00 5950000.00)
mk::vector_theme::outside the feature lies outside the pipeline's extent: easting and northing are swapped (a.csv:5, at 5950000.00 565000.00)
mk::features::line a line has fewer than two different points (a.csv:6, at 565000.00 5950000.00)
mk::vector_theme::geometry the geometry is no well-known text (a.csv:8)
mk::vector_theme::geometry the line has another number of columns than the first (a.csv:9)
mk::vector_theme::value the required field 'wert' is empty (a.csv:10, at 565001.00 5950001.00)
mk::features::type it is a collection of different geometries (a.csv:11)
"#);
    let findings: Vec<String> =
        outcome.findings.iter().map(|finding| format!("{} ({})", finding.reason, finding.place)).collect();
    assert_eq!(findings, ["a ring of the area crosses itself (a.csv:7, at 565052.38 5950052.38)"]);
}

/// Many squares; of one the name changes, one moves far away, one is gone, one is new.
fn many(path: &Path, changed: bool) {
    let mut features = Vec::new();
    for number in 0..400 {
        let (mut east, north) = (560_000.0 + f64::from(number % 20) * 900.0, 5_940_000.0 + f64::from(number / 20) * 900.0);
        let mut name = format!("Fläche {number}");
        if changed {
            match number {
                7 => name.push_str(" neu"),
                8 => east += 5_000.0,
                9 => continue,
                _ => {}
            }
        }
        let ring = [[east, north], [east + 50.0, north], [east + 50.0, north + 50.0], [east, north + 50.0], [east, north]];
        features.push(json!({
            "type": "Feature", "properties": { "nr": number, "name": name }, "geometry": { "type": "Polygon", "coordinates": [ring] },
        }));
    }
    if changed {
        features.reverse();
    }
    let crs = json!({ "type": "name", "properties": { "name": "urn:ogc:def:crs:EPSG::25832" } });
    let all = json!({ "type": "FeatureCollection", "crs": crs, "features": features });
    std::fs::write(path, all.to_string()).unwrap();
}

#[test]
fn a_changed_delivery_redraws_what_changed_and_gives_the_bytes_of_a_full_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.geojson");
    let options = json!({ "fields": [{ "name": "nr", "type": "integer" }, { "name": "name" }], "key": "nr", "zoom": [6, 14] });
    many(&path, false);
    let before = run_kind("vector_theme", &options, std::slice::from_ref(&path));
    many(&path, true);
    let full = run_kind("vector_theme", &options, std::slice::from_ref(&path));
    let mut play = Play::new("vector_theme", &options, std::slice::from_ref(&path));
    play.previous = before
        .results
        .iter()
        .enumerate()
        .flat_map(|(stage, results)| results.iter().map(move |result| (format!("{stage}/{}", result.key), result.clone())))
        .collect();
    let later = play.run();
    assert_eq!(full.packs, later.packs, "the same with and without the last results");
    for name in made(&full) {
        assert_eq!(
            std::fs::read(full.output().join(&name)).unwrap(),
            std::fs::read(later.output().join(&name)).unwrap(),
            "{name}"
        );
    }
    let changed = full.changed_since(&before);
    let squares = |of: &BTreeSet<&str>| of.iter().filter(|name| name.starts_with("1/12/")).count();
    let all: BTreeSet<&str> = full.identities.keys().map(String::as_str).collect();
    assert!(squares(&changed) >= 1 && squares(&changed) <= 4 && squares(&all) > 8, "{changed:?}");
    assert_eq!(digests(&before).difference(&digests(&full)).count(), 3);
    assert_eq!(later.locate("7").unwrap().len(), 4, "read, and the squares of the zooms 4, 8 and 12");
}

#[test]
fn without_a_list_the_public_gets_places_and_the_office_everything() {
    let source = fixture("schutzgebiete.geojson");
    let columns = |harness: &Harness| -> Vec<String> {
        let dataset = open_vector(&harness.output().join("theme.gpkg"), &["GPKG"]).unwrap();
        dataset.layer(0).unwrap().defn().fields().map(|field| field.name()).collect()
    };
    let public = run_kind("vector_theme", &json!({ "zoom": [12, 12] }), std::slice::from_ref(&source));
    assert_eq!(columns(&public), Vec::<String>::new());
    let told: Vec<&str> = public.outcomes(0).flat_map(|(_, o)| &o.findings).map(|finding| finding.reason.as_str()).collect();
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("SG_NR") && told[0].contains("BEARBEITER"), "{told:?}");
    let office = run_kind("vector_theme", &json!({ "zoom": [12, 12], "audience": "internal" }), &[source]);
    assert_eq!(columns(&office), ["SG_NR", "SG_NAME", "ART", "FLAECHE", "VERORDNET", "BEARBEITER"]);
}

#[test]
fn the_crs_is_that_of_the_file_and_never_another() {
    let source = fixture("schutzgebiete.geojson");
    let run = |options: &Value, crs: Option<u32>| {
        let mut play = Play::new("vector_theme", options, std::slice::from_ref(&source));
        play.area.crs = crs.map(crate::crs::Crs);
        play.run()
    };
    let wrong = run(&json!({ "source_crs": "EPSG:31467" }), None);
    insta::assert_snapshot!(wrong.errors[0].2, @"the file is in EPSG:25832, the pipeline says EPSG:31467 (schutzgebiete.geojson)");
    let moved = run(&json!({ "zoom": [12, 12] }), Some(25833));
    let facts = &moved.assembly.as_ref().unwrap().facts;
    assert_eq!((facts.crs.0, facts.operations[0].from.0), (25833, 25832));
    assert!(facts.bbox.max[0] < 300_000.0, "{:?}", facts.bbox);
    // A GeoJSON that says nothing is in WGS 84, unless the pipeline knows better.
    let silent = fixture("broken_projected_without_crs.geojson");
    let rejected_all = run_kind("vector_theme", &json!({}), std::slice::from_ref(&silent));
    assert_eq!(rejected(&rejected_all).len(), 4);
    let known = run_kind("vector_theme", &json!({ "source_crs": "EPSG:25832", "zoom": [12, 12] }), &[silent]);
    assert_eq!(known.assembly.as_ref().unwrap().facts.counts.total().output, 4);
}

#[test]
fn styles_say_the_same_in_both_languages() {
    let harness = run_kind("vector_theme", &reserves(), &[fixture("schutzgebiete.geojson")]);
    let style: Value = serde_json::from_slice(&std::fs::read(harness.output().join("style.json")).unwrap()).unwrap();
    assert_eq!(style["layers"][0]["source-layer"], "test");
    assert_eq!(style["sources"]["thema"]["url"], "pmtiles://theme.pmtiles");
    let sld = std::fs::read_to_string(harness.output().join("style.sld")).unwrap();
    insta::assert_snapshot!(sld, @r#"
<?xml version="1.0" encoding="UTF-8"?>
<StyledLayerDescriptor version="1.1.0" xmlns="http://www.opengis.net/sld" xmlns:se="http://www.opengis.net/se" xmlns:ogc="http://www.opengis.net/ogc" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="http://www.opengis.net/sld http://schemas.opengis.net/sld/1.1.0/StyledLayerDescriptor.xsd">
  <NamedLayer>
    <se:Name>test</se:Name>
    <UserStyle>
      <se:Name>test</se:Name>
      <se:FeatureTypeStyle>
        <se:SemanticTypeIdentifier>generic:polygon</se:SemanticTypeIdentifier>
        <se:Rule>
          <se:Description>
            <se:Title>NSG</se:Title>
          </se:Description>
          <ogc:Filter>
            <ogc:PropertyIsEqualTo>
              <ogc:PropertyName>art</ogc:PropertyName>
              <ogc:Literal>NSG</ogc:Literal>
            </ogc:PropertyIsEqualTo>
          </ogc:Filter>
          <se:PolygonSymbolizer>
            <se:Fill>
              <se:SvgParameter name="fill">#2e7d32</se:SvgParameter>
              <se:SvgParameter name="fill-opacity">0.4</se:SvgParameter>
            </se:Fill>
            <se:Stroke>
              <se:SvgParameter name="stroke">#2e7d32</se:SvgParameter>
              <se:SvgParameter name="stroke-width">1.5</se:SvgParameter>
            </se:Stroke>
          </se:PolygonSymbolizer>
        </se:Rule>
        <se:Rule>
          <se:Description>
            <se:Title>LSG</se:Title>
          </se:Description>
          <ogc:Filter>
            <ogc:PropertyIsEqualTo>
              <ogc:PropertyName>art</ogc:PropertyName>
              <ogc:Literal>LSG</ogc:Literal>
            </ogc:PropertyIsEqualTo>
          </ogc:Filter>
          <se:PolygonSymbolizer>
            <se:Fill>
              <se:SvgParameter name="fill">#9ccc65</se:SvgParameter>
              <se:SvgParameter name="fill-opacity">0.4</se:SvgParameter>
            </se:Fill>
            <se:Stroke>
              <se:SvgParameter name="stroke">#9ccc65</se:SvgParameter>
              <se:SvgParameter name="stroke-width">1.5</se:SvgParameter>
            </se:Stroke>
          </se:PolygonSymbolizer>
        </se:Rule>
        <se:Rule>
          <se:Description>
            <se:Title>Sonstige</se:Title>
          </se:Description>
          <ogc:Filter>
            <ogc:Or>
              <ogc:PropertyIsNull>
                <ogc:PropertyName>art</ogc:PropertyName>
              </ogc:PropertyIsNull>
              <ogc:Not>
                <ogc:Or>
                  <ogc:PropertyIsEqualTo>
                    <ogc:PropertyName>art</ogc:PropertyName>
                    <ogc:Literal>NSG</ogc:Literal>
                  </ogc:PropertyIsEqualTo>
                  <ogc:PropertyIsEqualTo>
                    <ogc:PropertyName>art</ogc:PropertyName>
                    <ogc:Literal>LSG</ogc:Literal>
                  </ogc:PropertyIsEqualTo>
                </ogc:Or>
              </ogc:Not>
            </ogc:Or>
          </ogc:Filter>
          <se:PolygonSymbolizer>
            <se:Fill>
              <se:SvgParameter name="fill">#3b7dd8</se:SvgParameter>
              <se:SvgParameter name="fill-opacity">0.4</se:SvgParameter>
            </se:Fill>
            <se:Stroke>
              <se:SvgParameter name="stroke">#1f4e96</se:SvgParameter>
              <se:SvgParameter name="stroke-width">1.5</se:SvgParameter>
            </se:Stroke>
          </se:PolygonSymbolizer>
        </se:Rule>
      </se:FeatureTypeStyle>
    </UserStyle>
  </NamedLayer>
</StyledLayerDescriptor>
"#);
}

#[test]
fn options_that_do_not_fit_are_told() {
    let told = |options: Value| -> String {
        let mut config = json!({ "id": "a", "kind": "vector_theme", "source": ["a"] });
        for (key, value) in options.as_object().unwrap() {
            config[key] = value.clone();
        }
        let config = serde_json::from_value(config).unwrap();
        (super::KIND.open)(&config)
            .err()
            .map(|error| format!("{}: {error}", error.place().object.clone().unwrap_or_default()))
            .unwrap_or_default()
    };
    let field = json!([{ "name": "a" }, { "name": "n", "type": "number" }]);
    assert_eq!(told(json!({ "fields": field })), "");
    let cases = [
        json!({ "fields": [{ "name": "a b" }] }),
        json!({ "fields": [{ "name": "geometry" }] }),
        json!({ "fields": [{ "name": "a" }, { "name": "A" }] }),
        json!({ "fields": field, "key": "b" }),
        json!({ "encoding": "klingon" }),
        json!({ "csv": { "x": "a" } }),
        json!({ "zoom": [9, 3] }),
        json!({ "style": { "fill": "red" } }),
        json!({ "fields": field, "style": { "by": "z" } }),
        json!({ "fields": field, "style": { "classes": [{ "value": "a", "colour": "#000000" }] } }),
        json!({ "fields": field, "style": { "by": "a", "classes": [{ "min": 1.0, "colour": "#000000" }] } }),
        json!({ "fields": field, "style": { "by": "n", "classes": [{ "value": "x", "colour": "#000000" }] } }),
        json!({ "fields": field, "style": { "by": "n", "classes": [{ "colour": "#000000" }] } }),
        json!({ "fields": field, "style": { "by": "n", "classes": [{ "min": 1.0, "max": 3.0, "colour": "#000000" }, { "min": 2.0, "colour": "#000000" }] } }),
    ];
    insta::assert_snapshot!(cases.map(told).join("\n"), @r#"
fields[0].name: the name of a field has letters, digits and underscores, at most 60 (fields[0].name)
fields[0].name: the name `geometry` is taken by a column of the files (fields[0].name)
fields[1].name: two fields are named `A` (fields[1].name)
key: `key` names no field that is published: `b` (key)
encoding: there is no encoding `klingon` (encoding)
csv: the geometry of a CSV file is in `x` and `y`, or in `wkt` (csv)
zoom: `zoom` is to be two numbers from 0 to 18, the lower first (zoom)
style.fill: this is no colour (style.fill)
style.by: `style.by` names no field that is published (style.by)
style.classes: `classes` need a field to look at (style.classes)
style.classes[0]: `min` and `max` are for numbers (style.classes[0])
style.classes[0]: the `value` of a number is a number (style.classes[0])
style.classes[0]: a class has a `value`, or `min` and `max` (one of them is enough) (style.classes[0])
style.classes[1]: two classes fit the same value (style.classes[1])
"#);
}

#[test]
fn changes_between_two_releases_are_listed_by_key_or_by_content() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.geojson");
    for key in [true, false] {
        let mut options = json!({ "fields": [{ "name": "nr", "type": "integer" }, { "name": "name" }], "zoom": [12, 12] });
        if key {
            options["key"] = json!("nr");
        }
        many(&path, false);
        let before = run_kind("vector_theme", &options, std::slice::from_ref(&path));
        many(&path, true);
        let after = run_kind("vector_theme", &options, std::slice::from_ref(&path));
        let dataset = (super::KIND.open)(&serde_json::from_value(json!({
            "id": "test", "kind": "vector_theme", "source": ["a"], "fields": options["fields"], "key": options["key"], "zoom": [12, 12],
        })).unwrap()).unwrap();
        let changes = dataset.object_changes(&before.output(), &after.output()).unwrap().unwrap();
        let lines: Vec<&str> = changes.csv.lines().skip(1).collect();
        if key {
            assert_eq!((changes.new, changes.changed, changes.removed), (0, 2, 1));
            assert_eq!(
                lines,
                ["7;geändert;566325.00;5940025.00", "8;geändert;572225.00;5940025.00", "9;entfernt;568125.00;5940025.00"]
            );
        } else {
            assert_eq!((changes.new, changes.changed, changes.removed, lines.len()), (2, 0, 3, 5));
        }
        assert!(dataset.object_changes(&after.output(), &after.output()).unwrap().is_none());
        assert!(dataset.object_changes(folder.path(), &after.output()).unwrap().is_none());
    }
}

#[test]
fn a_parquet_file_of_others_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let made = run_kind("vector_theme", &reserves(), &[fixture("schutzgebiete.geojson")]);
    let path = folder.path().join("gebiete.parquet");
    std::fs::copy(made.output().join("theme.parquet"), &path).unwrap();
    let harness = run_kind("vector_theme", &reserves(), &[path]);
    assert!(harness.errors[0].2.message().contains("Parquet, which no reader of vector data takes"), "{:?}", harness.errors);
}
