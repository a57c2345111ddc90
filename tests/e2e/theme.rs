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
