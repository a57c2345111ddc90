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
    let untouched = traces(&folder.path().join("work/releases"));
    assert_eq!(night(folder.path()).id(), release.id());
    assert_eq!(traces(&folder.path().join("work/releases")), untouched);
}
