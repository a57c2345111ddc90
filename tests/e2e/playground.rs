//! Playgrounds of a town of twelve square kilometres: what is due is what the town's own calendar says.

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
