//! Playgrounds of a town of twelve square kilometres: what is due is what the town's own calendar says.

use super::oracles::{python, qgis, run};
use super::town::{Release, Run, traces, write_demo};
use rusqlite::Connection;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn night(folder: &Path) -> Release {
    Run::of(&["run".as_ref(), "--json".as_ref(), folder.join("pipeline.toml").as_os_str()]).expect(0).summary();
    Release::current(&folder.join("work")).unwrap()
}

/// Device and kind of inspection with the last and the next day.
type Plan = BTreeMap<(String, String), [Option<String>; 2]>;

fn truth(folder: &Path) -> Plan {
    let truth: Value = serde_json::from_slice(&std::fs::read(folder.join("truth/pruefplan.json")).unwrap()).unwrap();
    let entry = |entry: &Value| {
        let text = |key: &str| entry[key].as_str().map(str::to_owned);
        ((text("geraet").unwrap(), text("pruefart").unwrap()), [text("letzte"), text("faellig")])
    };
    truth["pruefplan"].as_array().unwrap().iter().map(entry).collect()
}

fn planned(gpkg: &Path) -> Plan {
    let base = Connection::open(gpkg).unwrap();
    let sql = "SELECT g.kennung, p.pruefart, p.letzte, p.faellig FROM pruefplan p JOIN spielgeraet g ON g.uuid = p.geraet_uuid";
    let mut statement = base.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), [row.get(2)?, row.get(3)?])));
    rows.unwrap().map(Result::unwrap).collect()
}

#[test]
fn what_is_due_is_what_the_town_knows() {
    let folder = tempfile::tempdir().unwrap();
    write_demo(folder.path(), &["--only", "playground", "--km2", "12"]);
    let release = night(folder.path());
    let office = release.path("internal/spielplaetze/playground_intern.gpkg");
    let (truth, planned) = (truth(folder.path()), planned(&office));
    let base = Connection::open(&office).unwrap();
    let count = |sql: &str| base.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert!(count("SELECT count(*) FROM spielplatz") >= 30);
    assert!(count("SELECT count(*) FROM pruefung") > 2000);
    // Closed sites, leap days and devices without a main inspection are among them.
    assert!(truth.values().any(|[last, due]| last.is_some() && due.is_none()));
    assert!(truth.values().any(|[_, due]| due.as_deref() == Some("2026-04-01")));
    let differ: BTreeSet<_> = truth.iter().filter(|(key, days)| planned.get(*key) != Some(*days)).collect();
    assert!(differ.is_empty() && planned.len() == truth.len(), "{} of {}: {differ:?}", differ.len(), truth.len());

    // Nobody outside sees who inspected what.
    for (name, _) in release.content() {
        let bytes = std::fs::read(release.path(&name)).unwrap();
        let found =
            memchr::memmem::find(&bytes, b"KANARI").is_some() || memchr::memmem::find(&bytes, "Verschleiß".as_bytes()).is_some();
        assert!(!(found && name.starts_with("public/")), "{name}");
    }
    for name in ["playground_intern.gpkg", "feed.jsonl", "faellig.csv"] {
        assert!(
            release.path(&format!("internal/spielplaetze/{name}")).exists()
                && !release.path(&format!("public/spielplaetze/{name}")).exists()
        );
    }

    // The same day again does nothing, not even a release.
    drop(base);
    let untouched = traces(&folder.path().join("work/releases"));
    assert_eq!(night(folder.path()).id(), release.id());
    assert_eq!(traces(&folder.path().join("work/releases")), untouched);

    // Three tablets come back.
    write_demo(folder.path(), &["--only", "playground", "--km2", "12", "--night", "2"]);
    let second = night(folder.path());
    let now = second.path("internal/spielplaetze/playground_intern.gpkg");
    let known: Value = serde_json::from_slice(&std::fs::read(folder.path().join("truth/pruefplan.json")).unwrap()).unwrap();
    let (expected, planned_now) = (self::truth(folder.path()), self::planned(&now));
    assert_ne!(expected, truth, "inspections of the field count");
    assert_eq!(planned_now, expected);
    let rows = |gpkg: &Path, sql: &str| -> BTreeSet<String> {
        let base = Connection::open(gpkg).unwrap();
        let mut statement = base.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let conflicts: BTreeSet<String> =
        known["konflikte"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
    assert!(conflicts.len() > 10);
    assert_eq!(rows(&now, "SELECT aenderung FROM konflikt"), conflicts);
    let years = rows(&now, "SELECT kennung || ' ' || baujahr FROM spielgeraet");
    let corrected = known["baujahr"].as_object().unwrap();
    assert!(corrected.len() > 10 && corrected.iter().all(|(key, year)| years.contains(&format!("{key} {year}"))));
    let defects = rows(&now, "SELECT uuid FROM mangel WHERE beschreibung = 'Verschleiß an Kette'");
    assert_eq!(defects.len() as u64, known["maengel"].as_u64().unwrap());
    // An app that had the first night's tables follows the feed to the second's.
    let lines = |release: &Release| -> Vec<Value> {
        let text = std::fs::read_to_string(release.path("internal/spielplaetze/feed.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let mut held: BTreeMap<(String, String), Value> = BTreeMap::new();
    let mut cursor = 0;
    for release in [&release, &second] {
        for line in lines(release).iter().filter(|line| line["sequence"].as_u64().unwrap() > cursor) {
            let key = (line["table"].as_str().unwrap().to_owned(), line["uuid"].as_str().unwrap().to_owned());
            match line["operation"].as_str().unwrap() {
                "delete" => drop(held.remove(&key)),
                _ => drop(held.insert(key, line["row"].clone())),
            }
        }
        cursor = lines(release).last().unwrap()["sequence"].as_u64().unwrap();
    }
    let base = Connection::open(&now).unwrap();
    let mut there = 0;
    for table in ["spielplatz", "spielgeraet", "ausstattung", "pruefung", "mangel", "pruefplan", "konflikt", "hinweis"] {
        let mut statement = base.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let uuid: String = row.get("uuid").unwrap();
            let own = &held[&(table.to_owned(), uuid.clone())];
            there += 1;
            for name in names.iter().filter(|name| !["fid", "uuid", "row_version", "geom"].contains(&name.as_str())) {
                let same = match row.get_ref(name.as_str()).unwrap() {
                    rusqlite::types::ValueRef::Null => own[name].is_null(),
                    rusqlite::types::ValueRef::Integer(whole) => own[name] == whole || own[name] == (whole == 1),
                    rusqlite::types::ValueRef::Real(real) => own[name] == real,
                    rusqlite::types::ValueRef::Text(text) => own[name] == std::str::from_utf8(text).unwrap(),
                    rusqlite::types::ValueRef::Blob(_) => false,
                };
                assert!(same, "{table} {uuid}: {name} is {} in the feed", own[name]);
            }
        }
    }
    assert_eq!(there, held.len());
    let public = std::fs::read(second.path("public/spielplaetze/playground.gpkg")).unwrap();
    assert!(memchr::memmem::find(&public, b"KANARI").is_none());
}

/// The tables `id` of a pipeline file, and what stands before them.
fn only(text: &str, ids: &[&str]) -> String {
    let wanted = |(index, part): &(usize, &str)| *index == 0 || ids.iter().any(|id| part.contains(&format!("id = \"{id}\"")));
    text.split("\n[[dataset]]\n").enumerate().filter(wanted).map(|(_, part)| part).collect::<Vec<_>>().join("\n[[dataset]]\n")
}

fn square(x: f64, y: f64, side: f64) -> String {
    let (east, north) = (x + side, y + side);
    format!("POLYGON (({x} {y}, {east} {y}, {east} {north}, {x} {north}, {x} {y}))")
}

#[test]
fn qgis_opens_the_package_for_qfield_and_draws_it() {
    let Some(mut command) = qgis("open_qfield.py") else { return };
    let folder = tempfile::tempdir().unwrap();
    write_demo(folder.path(), &[]);
    let pipeline = folder.path().join("pipeline.toml");
    let text = only(&std::fs::read_to_string(&pipeline).unwrap(), &["dop", "alkis", "spielplaetze"]);
    let text = text.replace("kind = \"orthophoto\"\n", "kind = \"orthophoto\"\ntiles = [{ zoom = [14, 17] }]\n");
    // A day on which some devices are due and some are not.
    std::fs::write(&pipeline, text.replace("kind = \"playground\"\n", "kind = \"playground\"\nas_of = \"2026-03-05\"\n"))
        .unwrap();
    // Beside the town's own: an area where no parcel is, and one over several parcels.
    let sites: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("in/playground/spielplaetze.geojson")).unwrap()).unwrap();
    let corner = &sites["features"][0]["geometry"]["coordinates"][0][0];
    let [x, y] = [0, 1].map(|axis| corner[axis].as_f64().unwrap());
    let (far, near) = (square(x - 2500.0, y, 20.0), square(x - 30.0, y - 30.0, 70.0));
    let more = format!("kennung;wkt\nZ-1;{far}\nZ-2;{near}\n");
    std::fs::write(folder.path().join("in/playground/zusatz.csv"), more).unwrap();
    let pipeline_text = std::fs::read_to_string(&pipeline).unwrap();
    let wide = pipeline_text.lines().filter(|line| !line.starts_with("extent")).collect::<Vec<_>>().join("\n");
    std::fs::write(&pipeline, wide.replace("[dataset.devices]", "sites = { source_crs = \"EPSG:25832\" }\n\n[dataset.devices]"))
        .unwrap();
    let release = night(folder.path());
    let office = release.path("internal/spielplaetze/playground_intern.gpkg");
    if let Some(mut places) = python("place_playgrounds.py") {
        places.arg(&office).args(["flurstueck", "adresse"].map(|name| release.path(&format!("public/alkis/{name}.parquet"))));
        places.arg("100");
        let counted = run(places);
        let counted: Vec<u64> = counted.split_whitespace().map(|count| count.parse().unwrap()).collect();
        assert!(counted[0] + 1 == counted[2] && counted[1] + 1 >= counted[2] && counted[2] >= 6, "{counted:?}");
    }
    let pictures = release.ending(".jpg").into_iter().filter(|path| path.to_string_lossy().contains("luftbilder/")).count();
    assert!(pictures >= 5, "all sites but the one outside have a picture: {pictures}");
    let package = release.path("internal/spielplaetze/playground.qfield.zip");
    assert!(!release.path("public/spielplaetze/playground.qfield.zip").exists());
    let unpacked = folder.path().join("qfield");
    command.arg(&package).arg(&unpacked).args(std::fs::read_dir(folder.path().join("in/dop")).unwrap().filter_map(|entry| {
        let path = entry.unwrap().path();
        path.extension().is_some_and(|ending| ending == "tif").then_some(path)
    }));
    let told: Value = serde_json::from_str(run(command).lines().last().unwrap()).unwrap();
    assert_eq!(told["files"], serde_json::json!(["luftbild.gpkg", "spielplaetze.gpkg", "spielplaetze.qgs"]));
    assert_eq!((told["crs"].as_str(), told["snapping"].as_bool()), (Some("EPSG:25832"), Some(true)));

    // Layers and forms.
    let base = Connection::open(&office).unwrap();
    let count = |sql: &str| base.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let layers = told["layers"].as_object().unwrap();
    assert_eq!(layers.len(), 11);
    for (name, layer) in layers {
        assert_eq!(layer["valid"], true, "{name}");
        let Some(table) = name.strip_suffix("_tabelle") else { continue };
        assert_eq!(layer["rows"], count(&format!("SELECT count(*) FROM {table}")), "{name}");
        assert_eq!(layer["layout"], 1, "{name} has a form of tabs");
        assert_eq!(layer["read_only"], !["spielplatz", "spielgeraet", "pruefung", "mangel", "foto"].contains(&table));
        // Titles and value lists are those that the tables say of themselves.
        let sql = format!("SELECT column_name, title, constraint_name FROM gpkg_data_columns WHERE table_name = '{table}'");
        let mut columns = base.prepare(&sql).unwrap();
        let mut columns = columns.query([]).unwrap();
        while let Some(row) = columns.next().unwrap() {
            let (column, title, list): (String, String, Option<String>) =
                (row.get(0).unwrap(), row.get(1).unwrap(), row.get(2).unwrap());
            assert_eq!(layer["aliases"][&column], title.as_str(), "{name}.{column}");
            let Some(list) = list else { continue };
            let sql = format!("SELECT value, description FROM gpkg_data_column_constraints WHERE constraint_name = '{list}'");
            let mut values = base.prepare(&sql).unwrap();
            let values = values.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap);
            let mut shown: BTreeMap<String, String> = serde_json::from_value(layer["values"][&column].clone()).unwrap();
            shown.retain(|_, title| title != "(keine Angabe)");
            assert_eq!(shown, values.collect::<BTreeMap<String, String>>(), "{name}.{column}");
        }
    }
    let tabs = |name: &str| layers[name]["tabs"].as_object().unwrap().keys().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(tabs("spielplatz_tabelle"), ["Spielplatz", "Spielgeräte", "Prüfungen", "Mängel", "Ausstattung", "Prüfplan"]);
    assert_eq!(tabs("spielgeraet_tabelle"), ["Spielgerät", "Fallschutz", "Prüfabstände", "Prüfungen", "Mängel", "Prüfplan"]);
    assert_eq!(tabs("mangel_tabelle"), ["Mangel", "Fotos"]);
    for column in ["uuid", "row_version", "geraetetyp", "fallschutz_boden", "fallschutz_urteil"] {
        assert!(layers["spielgeraet_tabelle"]["fixed"].as_array().unwrap().contains(&column.into()), "{column} is computed");
    }
    assert_eq!(layers["foto_tabelle"]["widgets"]["pfad"], "ExternalResource");

    // From the site to the photo.
    let relations = told["relations"].as_object().unwrap();
    for (parent, child) in
        [("spielplatz", "spielgeraet"), ("spielgeraet", "pruefung"), ("pruefung", "mangel"), ("mangel", "foto")]
    {
        let relation = &relations[&format!("{parent}_tabelle__{child}_tabelle")];
        assert_eq!(relation["parent"], format!("{parent}_tabelle"));
    }
    for (name, relation) in relations {
        assert!(relation["valid"] == true && relation["rows"] == relation["rows_in_table"], "{name}: {relation}");
    }
    assert!(relations["spielgeraet_tabelle__pruefung_tabelle"]["rows"].as_u64().unwrap() > 100);
    let counted = &told["row_version"];
    assert_eq!((counted[1].as_i64(), counted[2].as_i64()), (counted[0].as_i64().map(|before| before + 1), Some(1999)));

    // The pictures lie where the originals do; the lights are those of the tables.
    let [apart, moved] = ["apart", "apart_when_moved"].map(|key| told[key].as_f64().unwrap());
    assert!(apart < 8.0 && moved > 3.0 * apart, "{apart} {moved}");
    let lights = told["lights"].as_array().unwrap();
    assert!(lights.contains(&"#d72626".into()), "{lights:?}");
}

#[test]
fn the_feed_goes_on_when_store_and_ledger_are_lost() {
    let folder = tempfile::tempdir().unwrap();
    write_demo(folder.path(), &["--only", "playground", "--km2", "1"]);
    let first = night(folder.path());
    let name = "internal/spielplaetze/feed.jsonl";
    let feed = std::fs::read(first.path(name)).unwrap();
    let work = folder.path().join("work");
    let digest = &first.files[name].1;
    let lose: [&[&str]; 3] = [
        &[&format!("store/{}/{}", &digest[..2], &digest[2..])],
        &["store"],
        &["store", "ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"],
    ];
    for lost in lose {
        for path in lost.iter().map(|path| work.join(path)).filter(|path| path.exists()) {
            if path.is_dir() { std::fs::remove_dir_all(path).unwrap() } else { std::fs::remove_file(path).unwrap() }
        }
        let again = night(folder.path());
        assert_eq!(again.id(), first.id(), "{lost:?}: nothing is other than it was");
        assert_eq!(std::fs::read(again.path(name)).unwrap(), feed, "{lost:?}");
    }
    let call = |command: &str| Run::of(&[command.as_ref(), folder.path().join("pipeline.toml").as_os_str()]);
    assert!(call("verify").expect(0).stdout.contains("all as released"));
}
