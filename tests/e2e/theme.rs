//! Themes of the demo town: what comes out is what the generator knows, the night after too; styles are valid and maps show them.

use super::oracles;
use super::served::{Part, Served};
use super::town::{Release, Run, Town, write_demo};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Features of a GeoJSON file by the value of their key: properties and kind of geometry with its number of positions.
fn features(path: &Path, key: &str) -> BTreeMap<String, (Value, String)> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let collection: Value = serde_json::from_str(&text).unwrap();
    let positions = |coordinates: &Value| coordinates.to_string().matches("],[").count();
    collection["features"]
        .as_array()
        .unwrap()
        .iter()
        .map(|feature| {
            let (properties, geometry) = (feature["properties"].clone(), &feature["geometry"]);
            let about = format!("{} {}", geometry["type"], positions(&geometry["coordinates"]));
            (properties[key].as_str().unwrap().to_owned(), (properties, about))
        })
        .collect()
}

/// What QGIS and the library of MapLibre's specification make of the styles: each feature in its class and no other.
fn styles(release: &Release, truth: &Path) {
    let folder = |dataset: &str| release.path(&format!("public/{dataset}"));
    let datasets = ["schutzgebiete", "strassenzustand"];
    let package = "@maplibre/maplibre-gl-style-spec";
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/node_modules").join(package);
    if oracles::has(&installed, package)
        && let Some(mut command) = oracles::node("validate_style.mjs")
    {
        command.args(datasets.map(|dataset| folder(dataset).join("style.json")));
        oracles::run(command);
    }
    let Some(mut command) = oracles::qgis("load_styles.py") else { return };
    command.args(datasets.map(folder));
    let told: Value = serde_json::from_str(oracles::run(command).lines().last().unwrap()).unwrap();
    let count = |name: &str, key: &str, is: &dyn Fn(&Value) -> bool| {
        features(&truth.join(format!("{name}.geojson")), key).values().filter(|(properties, _)| is(properties)).count()
    };
    let reserves = [("NSG", "Naturschutzgebiet", "#2e7d32"), ("LSG", "Landschaftsschutzgebiet", "#9ccc65")];
    for (index, (art, title, colour)) in reserves.into_iter().enumerate() {
        let expected = count("reserves", "nummer", &|it| it["art"] == art);
        assert_eq!(told["schutzgebiete"][index], serde_json::json!([title, colour, expected]));
    }
    let roads = [("gut", "#1a9850", 0.0, 2.0), ("mittel", "#fdae61", 2.0, 3.5), ("schlecht", "#d73027", 3.5, 9.0)];
    for (index, (title, colour, least, most)) in roads.into_iter().enumerate() {
        let expected = count("roads", "abschnitt", &|it| it["zustand"].as_f64().is_some_and(|at| at >= least && at < most));
        assert_eq!(told["strassenzustand"][index], serde_json::json!([title, colour, expected]));
    }
    // Nobody is left for the rule of all others.
    for dataset in datasets {
        assert_eq!(told[dataset].as_array().unwrap().last().unwrap()[2], 0, "{dataset}: {told}");
    }
}

#[test]
fn themes_of_the_town_come_out_as_the_truth_knows_them() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = folder.path().join("pipeline.toml");
    let night = |number: u32| -> (Release, u64) {
        write_demo(folder.path(), &["--only", "vector_theme", "--night", &number.to_string()]);
        let run = Run::of(&["run".as_ref(), pipeline.as_os_str(), "--json".as_ref()]).expect(0);
        let summary = run.summary();
        assert_eq!(summary.objects("rejected"), 0);
        (Release::current(&folder.path().join("work")).unwrap(), summary.units("done"))
    };
    let mut values = Vec::new();
    let mut done = Vec::new();
    for number in [1, 2] {
        let (release, units) = night(number);
        done.push(units);
        if number == 1 {
            styles(&release, &folder.path().join("truth"));
        }
        for (dataset, truth, key) in [("schutzgebiete", "reserves", "nummer"), ("strassenzustand", "roads", "abschnitt")] {
            let made = features(&release.path(&format!("public/{dataset}/theme.geojson")), key);
            let wanted = features(&folder.path().join(format!("truth/{truth}.geojson")), key);
            assert!(!wanted.is_empty());
            assert_eq!(made, wanted, "{dataset}, night {number}");
            let gpkg = release.path(&format!("public/{dataset}/theme.gpkg"));
            if let Some(counts) = oracles::ogr_counts(&gpkg) {
                assert_eq!(counts.values().sum::<u64>(), wanted.len() as u64, "{}", gpkg.display());
            }
        }
        values.push(features(&release.path("public/strassenzustand/theme.geojson"), "abschnitt"));
        let index = std::fs::read_to_string(release.path("public/portal/index.html")).unwrap();
        assert!(index.contains("Straßenzustand Kettenau") && index.contains("Schutzgebiete Kettenau"));
        let services = std::fs::read_to_string(release.path("public/portal/services.json")).unwrap();
        assert!(services.contains("strassenzustand/theme.geojson") && services.contains("Zustandswert"));
    }
    // The report of the second night lists what the generator changed, and nothing else.
    let changed: Vec<&String> =
        values[1].iter().filter(|(key, value)| values[0].get(*key) != Some(value)).map(|(key, _)| key).collect();
    let report = folder.path().join("work/current/report");
    let list = std::fs::read_to_string(report.join("changes/strassenzustand.csv")).unwrap();
    let listed: Vec<String> = list.lines().skip(1).map(|line| line.split(';').take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(listed, changed.iter().map(|key| format!("{key} geändert")).collect::<Vec<_>>());
    let told = format!("0 neu, {} geändert, 0 entfernt", changed.len());
    assert!(std::fs::read_to_string(report.join("report.json")).unwrap().contains(&told), "{told}");
    assert!(values[0] != values[1] && done[1] < done[0], "the night after changes something, but not everything: {done:?}");
}

#[test]
fn a_night_of_the_whole_town_has_its_themes() {
    let town = Town::quick();
    town.run(&[]).expect(0);
    let release = town.release();
    for name in ["theme.parquet", "theme.fgb", "theme.gpkg", "theme.geojson", "theme.pmtiles", "style.json", "style.sld"] {
        assert!(release.files.contains_key(&format!("public/schutzgebiete/{name}")), "{name}");
    }
    let found = town.call("explain", &["ZE-0001"]).expect(0);
    assert!(found.stdout.contains("zustand.csv"), "{}", found.stdout);
}

/// Features of a collection by key, with the numbers of their geometries.
fn places(path: &Path, key: &str) -> BTreeMap<String, (Value, Vec<f64>)> {
    fn numbers(value: &Value, into: &mut Vec<f64>) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| numbers(value, into)),
            value => into.extend(value.as_f64()),
        }
    }
    let collection: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let feature = |feature: &Value| {
        let mut all = Vec::new();
        numbers(&feature["geometry"]["coordinates"], &mut all);
        (feature["properties"][key].as_str().unwrap().to_owned(), (feature["properties"].clone(), all))
    };
    collection["features"].as_array().unwrap().iter().map(feature).collect()
}

#[test]
fn a_theme_from_a_server_of_features_is_that_of_the_file() {
    let part = Part::of(&["vector_theme"]);
    let served = Served::start(&part.pipeline(), &[]);
    let folder = tempfile::tempdir().unwrap();
    let pipeline = folder.path().join("pipeline.toml");
    // The demo's pipeline, with a server in the place of its files.
    let mut text = String::new();
    let mut id = String::new();
    for line in std::fs::read_to_string(part.pipeline()).unwrap().lines() {
        if let Some(name) = line.strip_prefix("id = ") {
            name.trim_matches('"').clone_into(&mut id);
        }
        if line.starts_with("source = ") {
            let url = format!("{}/collections/{id}", served.url);
            text.push_str(&format!("endpoint = {{ protocol = \"oapif\", url = \"{url}\", page = 3 }}\n"));
        } else if !["source_crs", "encoding", "decimal", "csv"].iter().any(|key| line.starts_with(key)) {
            // Fields have the names there under which they are published.
            let (before, after) = line.split_once("from = ").unwrap_or((line, ""));
            text.push_str(before);
            text.push_str(after.split_once(", ").map_or("", |(_, rest)| rest));
            text.push('\n');
        }
    }
    std::fs::write(&pipeline, text).unwrap();
    let run = || Run::of(&["run".as_ref(), "--json".as_ref(), pipeline.as_os_str()]).expect(0).summary();
    run();
    for (dataset, key) in [("schutzgebiete", "nummer"), ("strassenzustand", "abschnitt")] {
        let theme = |work: &Path| places(&work.join(format!("current/public/{dataset}/theme.geojson")), key);
        let (file, server) = (theme(&part.work()), theme(&folder.path().join("work")));
        assert!(file.len() > 3, "{dataset} has more than a page");
        assert_eq!(file.keys().collect::<Vec<_>>(), server.keys().collect::<Vec<_>>(), "{dataset}");
        for (key, (properties, numbers)) in &file {
            let (theirs, others) = &server[key];
            assert_eq!(theirs, properties, "{dataset} {key}");
            assert_eq!(others.len(), numbers.len(), "{dataset} {key}");
            // A server of features gives degrees with nine digits: a tenth of a millimetre.
            let far = numbers.iter().zip(others).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(far < 2e-8, "{dataset} {key}: {far}");
        }
    }
    assert_eq!(run().units("done"), 0, "the same theme again");
}

/// The schema of SLD 1.1 with all that it imports, as in the schema repository of the OGC.
fn schema_of_sld() -> Option<std::path::PathBuf> {
    let folder = std::env::var_os("MESSKETTE_OGC_SCHEMAS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/metadata/xsd"), std::path::PathBuf::from);
    let schema = folder.join("sld/1.1.0/StyledLayerDescriptor.xsd");
    if !schema.exists() {
        println!("skipped: {} is not there; MESSKETTE_OGC_SCHEMAS names a folder as schemas.opengis.net", schema.display());
        return None;
    }
    Some(schema)
}

#[test]
fn styles_are_valid_sld() {
    let Some(schema) = schema_of_sld() else { return };
    let folder = tempfile::tempdir().unwrap();
    let feature = |kind: &str, coordinates: Value, class: Value| serde_json::json!({ "type": "Feature", "properties": { "art": class, "wert": 2.5 }, "geometry": { "type": kind, "coordinates": coordinates } });
    let features = [
        feature("Point", serde_json::json!([10.0, 53.7]), "a & <b>".into()),
        feature("LineString", serde_json::json!([[10.0, 53.7], [10.001, 53.7]]), "b".into()),
        feature("Polygon", serde_json::json!([[[10.0, 53.7], [10.001, 53.7], [10.001, 53.701], [10.0, 53.7]]]), Value::Null),
    ];
    let text = serde_json::json!({ "type": "FeatureCollection", "features": features }).to_string();
    std::fs::write(folder.path().join("a.geojson"), text).unwrap();
    let styles = [
        "{}",
        "{ by = \"art\", classes = [{ value = \"a & <b>\", colour = \"#2e7d32\" }] }",
        "{ by = \"art\", classes = [{ value = \"a\", colour = \"#2e7d32\" }, { value = \"b\", title = \"B\", colour = \"#9ccc65\" }], width = 0, radius = 0.5 }",
        "{ by = \"wert\", classes = [{ max = 2.0, colour = \"#2e7d32\" }, { min = 2.0, max = 3.5, colour = \"#9ccc65\" }, { min = 3.5, colour = \"#d73027\" }] }",
        "{ by = \"wert\", fill_opacity = 0.0, classes = [{ value = \"1e-9\", colour = \"#2e7d32\" }] }",
    ];
    let mut text = "[pipeline]\nname = \"a\"\ncrs = \"EPSG:25832\"\n".to_owned();
    for (index, style) in styles.iter().enumerate() {
        text.push_str(&format!(
            "[[dataset]]\nid = \"d{index}\"\nkind = \"vector_theme\"\nsource = [\"a.geojson\"]\naudience = \"public\"\nzoom = [10, 10]\nstyle = {style}\n\
             fields = [{{ name = \"art\" }}, {{ name = \"wert\", type = \"number\" }}]\n"
        ));
    }
    let pipeline = folder.path().join("pipeline.toml");
    std::fs::write(&pipeline, text).unwrap();
    Run::of(&["run".as_ref(), pipeline.as_os_str()]).expect(0);
    let made = |index| folder.path().join(format!("work/current/public/d{index}/style.sld"));
    let lint = |files: &[std::path::PathBuf]| {
        let mut command = std::process::Command::new("xmllint");
        command.args(["--noout", "--nonet", "--schema"]).arg(&schema).args(files).output()
    };
    let files: Vec<_> = (0..styles.len()).map(made).collect();
    let Ok(output) = lint(&files) else { return println!("skipped: xmllint is not there") };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // The schema tells a style that is none.
    let broken = folder.path().join("broken.sld");
    std::fs::write(&broken, std::fs::read_to_string(&files[1]).unwrap().replace("se:Rule>", "se:Regel>")).unwrap();
    assert!(!lint(&[broken]).unwrap().status.success());
}
