//! Themes of the demo town: what comes out is what the generator knows, the night after too; styles are valid and maps show them.

use super::oracles;
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
