//! The kind from files to artefacts, read back by SQLite and GDAL.

use crate::dataset::testing::{Harness, Play};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/playground").join(name)
}

fn fixtures() -> Vec<PathBuf> {
    ["spielplaetze.geojson", "spielgeraete.csv", "pruefungen.csv"].map(fixture).into()
}

fn options() -> Value {
    json!({ "devices": {
        "source_crs": "EPSG:25832", "encoding": "windows-1252", "decimal": ",",
        "fields": [{ "name": "fallhoehe_cm", "from": "Fallhöhe", "unit": "m" }],
    } })
}

fn play(options: &Value, files: &[PathBuf]) -> Play {
    let mut play = Play::new("playground", options, files);
    play.area.crs = Some(crate::crs::Crs::UTM32);
    play
}

#[track_caller]
fn whole(harness: &Harness) {
    assert!(harness.errors.is_empty(), "{:?}", harness.errors);
    let rejected: Vec<String> =
        harness.outcomes(0).flat_map(|(_, o)| &o.rejections).map(|r| format!("{} {}", r.place, r.reason)).collect();
    assert_eq!(rejected, Vec::<String>::new());
    if let Err(error) = &harness.assembly {
        panic!("{}", error.full_message());
    }
}

fn open(harness: &Harness, file: &str) -> Connection {
    Connection::open(harness.output().join(file)).unwrap()
}

/// The rows of a query, each value as text.
fn query(base: &Connection, sql: &str) -> Vec<Vec<String>> {
    let mut statement = base.prepare(sql).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        (0..columns)
            .map(|column| {
                Ok(match row.get_ref(column)? {
                    rusqlite::types::ValueRef::Null => "-".to_owned(),
                    rusqlite::types::ValueRef::Integer(whole) => whole.to_string(),
                    rusqlite::types::ValueRef::Real(real) => real.to_string(),
                    rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                    rusqlite::types::ValueRef::Blob(bytes) => format!("{} bytes", bytes.len()),
                })
            })
            .collect()
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn lines(base: &Connection, sql: &str) -> Vec<String> {
    query(base, sql).into_iter().map(|row| row.join(" | ")).collect()
}

const OFFICE: &str = "playground_intern.gpkg";

#[test]
fn files_become_tables_with_relations_types_and_due_dates() {
    let harness = play(&options(), &fixtures()).run();
    whole(&harness);
    let base = open(&harness, OFFICE);
    let devices = "SELECT g.kennung, s.name, g.art, g.geraetetyp, g.norm, g.baujahr, g.fallhoehe_cm, g.fallschutz_boden, \
                   g.fallschutz_dicke_cm, g.fallschutz_urteil FROM spielgeraet g LEFT JOIN spielplatz s ON s.uuid = g.spielplatz_uuid ORDER BY 1";
    insta::assert_snapshot!(lines(&base, devices).join("\n"), @r#"
    G-1 | Am Deich | Doppelschaukel | schaukel | DIN EN 1176-2 | 2015 | 140 | sand | 35 | ausreichend
    G-2 | Am Deich | Röhrenrutsche | rutsche | DIN EN 1176-3 | 2018 | 210 | holzschnitzel | 25 | unzureichend
    G-3 | Kastanienhof | Klettergerüst | klettergeraet | DIN EN 1176-1 | 2009 | 320 | geprueft | - | zu_hoch
    G-4 | - | Wippe | wippgeraet | DIN EN 1176-6 | 2001 | 90 | rasen | - | ausreichend
    "#);
    let plan = "SELECT g.kennung, p.pruefart, p.letzte, p.faellig, p.vorlauf_tage FROM pruefplan p JOIN spielgeraet g ON g.uuid = p.geraet_uuid \
                ORDER BY 1, 2";
    insta::assert_snapshot!(lines(&base, plan).join("\n"), @r#"
    G-1 | haupt | 2025-08-14 | 2026-08-14 | 14
    G-1 | operativ | 2025-11-30 | 2026-02-28 | 14
    G-1 | visuell | 2026-05-20 | 2026-05-27 | 1
    G-2 | haupt | 2026-03-01 | 2027-03-01 | 14
    G-2 | operativ | 2026-03-01 | 2026-06-01 | 14
    G-2 | visuell | 2026-03-01 | 2026-03-08 | 1
    G-3 | haupt | 2025-02-20 | 2026-04-16 | 14
    G-3 | operativ | 2025-02-20 | 2025-05-20 | 14
    G-3 | visuell | 2025-02-20 | 2025-02-27 | 1
    G-4 | haupt | - | - | 14
    G-4 | operativ | - | - | 14
    G-4 | visuell | - | - | 1
    "#);
    let sites = "SELECT kennung, name, geraetetypen, ausgesetzt_von, ausgesetzt_bis FROM spielplatz ORDER BY 1";
    insta::assert_snapshot!(lines(&base, sites).join("\n"), @r#"
    SP-1 | Am Deich | Rutsche, Schaukel | - | -
    SP-2 | Kastanienhof | Klettergerät, Rutsche, Schaukel | 2026-01-10 | 2026-04-15
    SP-3 | Möwenpark | Wippgerät | - | -
    "#);
    let notes = "SELECT tabelle, kennung, hinweis FROM hinweis ORDER BY 1, 2, 3";
    insta::assert_snapshot!(lines(&base, notes).join("\n"), @r#"
    pruefung | P-6 | die Prüfart 'Ortstermin mit Presse' ist nicht bekannt: die Prüfung zählt nicht
    pruefung | P-7 | das Gerät 'G-7' gibt es nicht
    spielgeraet | G-2 | Fallschutz: reicht nicht für die Fallhöhe
    spielgeraet | G-3 | Fallschutz: Fallhöhe über 3 m
    spielgeraet | G-4 | den Spielplatz 'SP-9' gibt es nicht
    spielplatz | SP-2 | 'Bank' ist keinem Gerätetyp zuzuordnen
    spielplatz | SP-3 | 'Überdachung' ist keinem Gerätetyp zuzuordnen
    "#);
    let defects =
        "SELECT p.kennung, m.beschreibung, m.festgestellt_am, m.status FROM mangel m JOIN pruefung p ON p.uuid = m.pruefung_uuid";
    assert_eq!(lines(&base, defects), ["P-2 | Lager der Kette verschlissen | 2025-11-30 | offen"]);
    let outfit = "SELECT text, geraetetyp, norm FROM ausstattung ORDER BY 1";
    assert_eq!(
        lines(&base, outfit),
        [
            "Bank | - | -",
            "Federwipper | wippgeraet | DIN EN 1176-6",
            "Rutsche | rutsche | DIN EN 1176-3",
            "Schaukel | schaukel | DIN EN 1176-2",
            "Überdachung | - | -",
        ]
    );
}

#[test]
fn the_geopackage_is_sound_and_counts_changes_and_gdal_reads_it() {
    let mut settings = options();
    settings["as_of"] = json!("2026-05-28");
    let harness = play(&settings, &fixtures()).run();
    whole(&harness);
    let path = harness.output().join(OFFICE);
    let base = open(&harness, OFFICE);
    assert_eq!(lines(&base, "PRAGMA integrity_check"), ["ok"]);
    assert_eq!(lines(&base, "PRAGMA foreign_key_check"), Vec::<String>::new());
    let lights = "SELECT geraet, pruefart, tage, ampel FROM ampel ORDER BY 1, 2";
    insta::assert_snapshot!(lines(&base, lights).join("\n"), @r#"
    G-1 | haupt | 78 | gruen
    G-1 | operativ | -89 | rot
    G-1 | visuell | -1 | rot
    G-2 | haupt | 277 | gruen
    G-2 | operativ | 4 | gelb
    G-2 | visuell | -81 | rot
    G-3 | haupt | -42 | rot
    G-3 | operativ | -373 | rot
    G-3 | visuell | -455 | rot
    G-4 | haupt | - | rot
    G-4 | operativ | - | rot
    G-4 | visuell | - | rot
    "#);
    // The view says of each what the list says.
    let list = std::fs::read_to_string(harness.output().join("faellig.csv")).unwrap();
    let (red, yellow) = (list.matches(";rot\r\n").count(), list.matches(";gelb\r\n").count());
    let count =
        |light: &str| lines(&base, &format!("SELECT count(*) FROM ampel WHERE ampel = '{light}'"))[0].parse::<usize>().unwrap();
    assert_eq!((red, yellow), (count("rot"), count("gelb")));
    insta::assert_snapshot!(list.replace('\r', ""), @r#"
    ﻿spielplatz;adresse;geraet;art;pruefart;letzte;faellig;tage;ampel
    ;;G-4;Wippe;Jährliche Hauptinspektion;;;;rot
    ;;G-4;Wippe;Operative Inspektion;;;;rot
    ;;G-4;Wippe;Visuelle Routineinspektion;;;;rot
    Kastanienhof;Schulstraße 12;G-3;Klettergerüst;Visuelle Routineinspektion;2025-02-20;2025-02-27;-455;rot
    Kastanienhof;Schulstraße 12;G-3;Klettergerüst;Operative Inspektion;2025-02-20;2025-05-20;-373;rot
    Am Deich;Deichweg 4;G-1;Doppelschaukel;Operative Inspektion;2025-11-30;2026-02-28;-89;rot
    Am Deich;Deichweg 4;G-2;Röhrenrutsche;Visuelle Routineinspektion;2026-03-01;2026-03-08;-81;rot
    Kastanienhof;Schulstraße 12;G-3;Klettergerüst;Jährliche Hauptinspektion;2025-02-20;2026-04-16;-42;rot
    Am Deich;Deichweg 4;G-1;Doppelschaukel;Visuelle Routineinspektion;2026-05-20;2026-05-27;-1;rot
    Am Deich;Deichweg 4;G-2;Röhrenrutsche;Operative Inspektion;2026-03-01;2026-06-01;4;gelb
    "#);
    // Every column has a title; those with a value list have values of it.
    let told = "SELECT count(*) FROM gpkg_data_columns";
    assert!(lines(&base, told)[0].parse::<u32>().unwrap() > 60);
    for row in
        query(&base, "SELECT table_name, column_name, constraint_name FROM gpkg_data_columns WHERE constraint_name IS NOT NULL")
    {
        let [table, column, list] = [&row[0], &row[1], &row[2]];
        let stray = format!(
            "SELECT DISTINCT \"{column}\" FROM \"{table}\" WHERE \"{column}\" NOT IN \
             (SELECT value FROM gpkg_data_column_constraints WHERE constraint_name = '{list}')"
        );
        assert_eq!(lines(&base, &stray), Vec::<String>::new(), "{table}.{column}");
    }
    // Who edits a row raises its version.
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(&path, copy.path().join("a.gpkg")).unwrap();
    let edited = Connection::open(copy.path().join("a.gpkg")).unwrap();
    let version = || lines(&edited, "SELECT row_version FROM mangel")[0].parse::<i64>().unwrap();
    let before = version();
    edited.execute_batch("UPDATE mangel SET behoben_am = '2026-05-28'").unwrap();
    assert_eq!(version(), before + 1);
    assert!(edited.execute_batch("INSERT INTO mangel (uuid) SELECT uuid FROM mangel").is_err(), "a UUID is there once");
    let dataset = crate::io::gdal::open_vector(&path, &["GPKG"]).unwrap();
    let names: BTreeSet<String> = dataset.layers().map(|layer| gdal::vector::LayerAccess::name(&layer)).collect();
    for name in ["spielplatz", "spielgeraet", "pruefung", "mangel", "pruefplan", "ampel"] {
        assert!(names.contains(name), "{name} in {names:?}");
    }
}

#[test]
fn the_public_gets_sites_and_equipment_and_nothing_else() {
    let harness = play(&options(), &fixtures()).run();
    whole(&harness);
    let assembly = harness.assembly.as_ref().unwrap();
    let of = |audience| -> Vec<&str> {
        let mut names: Vec<&str> = assembly
            .artefacts
            .iter()
            .filter(|artefact| artefact.audience == audience)
            .map(|artefact| artefact.path.as_str())
            .collect();
        names.sort_unstable();
        names
    };
    use crate::pipeline::Audience::{Internal, Public};
    assert_eq!(
        of(Public),
        ["playground.gpkg", "spielgeraet.parquet", "spielgeraete.geojson", "spielplaetze.geojson", "spielplatz.parquet"]
    );
    assert_eq!(of(Internal), ["faellig.csv", "feed.jsonl", "playground.qfield.zip", "playground_intern.gpkg"]);
    for name in of(Public) {
        let bytes = std::fs::read(harness.output().join(name)).unwrap();
        for word in ["KANARI", "verschlissen", "pruefer", "fallschutz", "ausgesetzt"] {
            assert!(memchr::memmem::find(&bytes, word.as_bytes()).is_none(), "{word} in {name}");
        }
    }
    let office = std::fs::read(harness.output().join(OFFICE)).unwrap();
    assert!(memchr::memmem::find(&office, b"KANARI Hansen").is_some(), "or the search above finds nothing anywhere");
    // The contact of a site is on no list: not even the office's file has him.
    assert!(memchr::memmem::find(&office, b"KANARI Beispiel").is_none());
    let public = open(&harness, "playground.gpkg");
    assert_eq!(lines(&public, "SELECT table_name FROM gpkg_contents ORDER BY 1"), ["spielgeraet", "spielplatz"]);
    assert_eq!(lines(&public, "SELECT count(*) FROM spielplatz"), ["3"]);

    // An internal dataset has one file with everything, and nothing public.
    let mut settings = options();
    settings["audience"] = json!("internal");
    let harness = play(&settings, &fixtures()).run();
    whole(&harness);
    assert_eq!(lines(&open(&harness, "playground.gpkg"), "SELECT count(*) FROM pruefung"), ["7"]);
    assert!(!harness.output().join(OFFICE).exists());
}

/// The bytes of all files.
fn bytes(harness: &Harness) -> BTreeMap<String, crate::io::Digest> {
    harness.as_before().files.into_iter().map(|(name, (_, digest))| (name, digest)).collect()
}

/// The fixtures with a line of one of them changed.
fn changed(folder: &Path, name: &str, change: impl Fn(&str) -> String) -> Vec<PathBuf> {
    let file = |path: PathBuf| {
        let own = path.file_name().unwrap().to_string_lossy().into_owned();
        if own != name {
            return path;
        }
        let text = encoding_rs::WINDOWS_1252.decode_without_bom_handling(&std::fs::read(&path).unwrap()).0.into_owned();
        let target = folder.join(own);
        std::fs::write(&target, encoding_rs::WINDOWS_1252.encode(&change(&text)).0).unwrap();
        target
    };
    fixtures().into_iter().map(file).collect()
}

fn feed(harness: &Harness) -> Vec<Value> {
    let text = std::fs::read_to_string(harness.output().join("feed.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_night_goes_on_from_the_one_before() {
    let first = play(&options(), &fixtures()).run();
    whole(&first);
    let lines_of = |harness: &Harness| feed(harness).len();
    // Nothing new: not a byte is other. A new day: the list only.
    let mut again = play(&options(), &fixtures());
    again.before = Some(first.as_before());
    let again = again.run();
    assert_eq!(bytes(&again), bytes(&first));
    let mut tomorrow = play(&options(), &fixtures());
    tomorrow.before = Some(first.as_before());
    tomorrow.today = jiff::civil::date(2026, 5, 29);
    let tomorrow = bytes(&tomorrow.run());
    let differ: Vec<String> =
        bytes(&first).into_iter().filter(|(name, digest)| tomorrow[name] != *digest).map(|(name, _)| name).collect();
    assert_eq!(differ, ["faellig.csv"]);

    // The swing gets a new number, moves by a metre; the slide is gone with its inspection.
    let folder = tempfile::tempdir().unwrap();
    let files = changed(folder.path(), "spielgeraete.csv", |text| {
        let text = text.replace("G-1;SP-1;Doppelschaukel", "N-77;SP-1;Doppelschaukel").replace("565010,50", "565011,50");
        text.lines().filter(|line| !line.starts_with("G-2;")).collect::<Vec<_>>().join(
            "
",
        )
    });
    let mut second = play(&options(), &files);
    second.before = Some(first.as_before());
    let second = second.run();
    whole(&second);
    let uuid = |harness: &Harness, key: &str| {
        query(&open(harness, OFFICE), &format!("SELECT uuid FROM spielgeraet WHERE kennung = '{key}'")).concat().concat()
    };
    assert_eq!(uuid(&second, "N-77"), uuid(&first, "G-1"), "it is the same swing");
    let last = feed(&first).last().unwrap()["sequence"].as_u64().unwrap();
    let news: Vec<String> = feed(&second)
        .iter()
        .filter(|line| line["sequence"].as_u64().unwrap() > last)
        .map(|line| {
            format!("{} {} {}", line["table"].as_str().unwrap(), line["operation"].as_str().unwrap(), line["row"]["kennung"])
        })
        .collect();
    assert!(news.contains(&"spielgeraet put \"N-77\"".to_owned()), "{news:?}");
    assert_eq!(news.iter().filter(|line| line.starts_with("spielgeraet delete")).count(), 1, "{news:?}");
    assert_eq!(news.iter().filter(|line| line.starts_with("spielplatz ")).count(), 1, "its list of types is shorter: {news:?}");
    assert!(lines_of(&second) > lines_of(&first), "tombstones stay");
    // Nothing is made of it that a third night without changes would make other.
    let mut third = play(&options(), &files);
    third.before = Some(second.as_before());
    assert_eq!(bytes(&third.run()), bytes(&second));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let told = |files: &[PathBuf], options: &Value| -> String {
        let harness = play(options, files).run();
        let mut told: Vec<String> = harness
            .outcomes(0)
            .flat_map(|(_, o)| &o.rejections)
            .map(|r| format!("{} {} ({})", r.code, r.reason, r.place))
            .collect();
        told.extend(
            harness.errors.iter().map(|(_, _, error)| format!("{} {} ({})", error.code(), error.full_message(), error.place())),
        );
        told.extend(harness.assembly.err().map(|error| format!("{} {}", error.code(), error.message())));
        told.join("\n")
    };
    insta::assert_snapshot!(told(&[fixture("broken_twice.geojson")], &json!({})), @"mk::playground::key the file has 'SP-1' twice (broken_twice.geojson, 1)");
    insta::assert_snapshot!(told(&[fixture("broken_no_key.geojson")], &json!({})), @r#"
    mk::playground::field the file has no field for `kennung` or `name` of the table spielplatz (broken_no_key.geojson)
    mk::playground::empty no site could be read: there is nothing to publish
    "#);
    insta::assert_snapshot!(told(&[fixture("spielplaetze.geojson"), fixture("broken_pruefungen_day.csv")], &json!({})), @"mk::playground::value the value of 'datum' is no day (broken_pruefungen_day.csv:2)");
    insta::assert_snapshot!(told(&[fixture("spielplaetze.geojson"), fixture("broken_deltas.json")], &json!({})), @r#"mk::playground::changes the file is no list of changes as QField writes it: invalid type: string "none", expected a sequence at line 1 column 17 (broken_deltas.json)"#);
    let required = json!({ "sites": { "fields": [{ "name": "altersgruppe", "required": true }] } });
    insta::assert_snapshot!(told(&[fixture("spielplaetze.geojson")], &required), @r#"
    mk::playground::field the file has no field 'altersgruppe', 'alter', which `altersgruppe` needs (spielplaetze.geojson)
    mk::playground::empty no site could be read: there is nothing to publish
    "#);
}

/// ogr2ogr turns the sites into other formats and CRSs; what comes out is the same.
#[test]
fn sites_of_any_format_and_crs_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let source = fixture("spielplaetze.geojson");
    let sites = |harness: &Harness| {
        whole(harness);
        let facts = &harness.assembly.as_ref().unwrap().facts;
        assert_eq!(facts.crs, crate::crs::Crs::UTM32);
        // To the centimetre: a way through degrees and back is not exact.
        let bbox = [facts.bbox.min, facts.bbox.max].map(|corner| corner.map(|value| (value * 100.0).round() / 100.0));
        let rows = lines(
            &open(harness, OFFICE),
            "SELECT uuid, kennung, name, adresse, geraetetypen, ausgesetzt_bis FROM spielplatz ORDER BY 1",
        );
        (bbox, rows)
    };
    let base = sites(&play(&json!({}), std::slice::from_ref(&source)).run());
    assert_eq!(base.1.len(), 3);
    let cut = json!({ "sites": { "encoding": "ISO-8859-1", "fields": [
        { "name": "kennung", "from": "spielplatz" }, { "name": "name", "from": "name" }, { "name": "ausstattung", "from": "ausstattun" },
        { "name": "ausgesetzt_von", "from": "gesperrt_v" }, { "name": "ausgesetzt_bis", "from": "gesperrt_b" },
    ] } });
    let formats: [(&str, &[&str], Value); 4] = [
        ("sites.gpkg", &["-f", "GPKG"], json!({})),
        ("sites.fgb", &["-f", "FlatGeobuf", "-t_srs", "EPSG:4326"], json!({})),
        ("sites.shp", &["-f", "ESRI Shapefile", "-lco", "ENCODING=ISO-8859-1"], cut),
        (
            "sites.csv",
            &["-f", "CSV", "-lco", "GEOMETRY=AS_WKT", "-t_srs", "EPSG:25833"],
            json!({ "sites": { "source_crs": "EPSG:25833" } }),
        ),
    ];
    for (name, options, settings) in formats {
        let path = folder.path().join(name);
        let Ok(output) = std::process::Command::new("ogr2ogr").args(options).arg(&path).arg(&source).output() else {
            return println!("skipped: ogr2ogr is not here");
        };
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(sites(&play(&settings, &[path]).run()), base, "{name}");
    }
}

/// What an inspector's tablet sends.
fn delta(id: &str, layer: &str, method: &str, uuid: &str, old: &Value, new: &Value) -> Value {
    json!({
        "uuid": id, "clientId": "tablet-1", "localLayerId": layer, "localLayerCrs": "EPSG:25832", "sourcePk": uuid, "localPk": "1",
        "method": method, "old": old, "new": new,
    })
}

#[test]
fn changes_from_the_field_are_taken_over_or_listed() {
    let first = play(&options(), &fixtures()).run();
    let base = open(&first, OFFICE);
    let one = |sql: &str| query(&base, sql).concat().concat();
    let defect = one("SELECT uuid FROM mangel");
    let swing = one("SELECT uuid FROM spielgeraet WHERE kennung = 'G-1'");
    let site = one("SELECT spielplatz_uuid FROM spielgeraet WHERE kennung = 'G-1'");
    let new = "0b8a6f7e-1111-4222-8333-444455556666";
    let file = json!({ "version": "1.0", "id": "f-1", "project": "p", "files": [], "deltas": [
        delta("d-1", "mangel_ab12", "patch", &defect,
            &json!({ "attributes": { "behoben_am": null, "status": "offen" } }),
            &json!({ "attributes": { "behoben_am": "2026-05-27", "status": "behoben" } })),
        delta("d-2", "spielgeraet", "patch", &swing,
            &json!({ "attributes": { "baujahr": 2016 }, "geometry": "Point (565010.5 5948010.25)" }),
            &json!({ "attributes": { "baujahr": 2017, "farbe": "rot" }, "geometry": "Point (565012 5948010)" })),
        delta("d-3", "pruefung", "create", new, &Value::Null, &json!({ "attributes": {
            "uuid": new, "geraet_uuid": swing, "spielplatz_uuid": site, "pruefart": "haupt", "datum": "2026-05-27",
            "pruefer": "KANARI Nissen", "mangel": "Splitter am Balken" } })),
        delta("d-4", "parkbank", "delete", new, &Value::Null, &Value::Null),
    ] });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deltas_1.json");
    std::fs::write(&path, file.to_string()).unwrap();
    let mut files = fixtures();
    files.push(path);
    let mut second = play(&options(), &files);
    second.before = Some(first.as_before());
    let second = second.run();
    whole(&second);
    let base = open(&second, OFFICE);
    assert_eq!(lines(&base, "SELECT status, behoben_am FROM mangel WHERE beschreibung LIKE 'Lager%'"), ["behoben | 2026-05-27"]);
    assert_eq!(
        lines(&base, "SELECT status, festgestellt_am FROM mangel WHERE beschreibung LIKE 'Splitter%'"),
        ["offen | 2026-05-27"]
    );
    let due = "SELECT letzte, faellig FROM pruefplan p JOIN spielgeraet g ON g.uuid = p.geraet_uuid WHERE g.kennung = 'G-1' AND pruefart = 'haupt'";
    assert_eq!(lines(&base, due), ["2026-05-27 | 2027-05-27"]);
    let place = crate::io::gdal::open_vector(&second.output().join(OFFICE), &["GPKG"]).unwrap();
    let mut layer = place.layer_by_name("spielgeraet").unwrap();
    gdal::vector::LayerAccess::set_attribute_filter(&mut layer, "kennung = 'G-1'").unwrap();
    let point = gdal::vector::LayerAccess::features(&mut layer).next().unwrap().geometry().unwrap().get_point(0);
    assert_eq!((point.0, point.1), (565_012.0, 5_948_010.0));
    let conflicts = "SELECT aenderung, tabelle, art, feld, alt, neu, jetzt, grund FROM konflikt ORDER BY 1, 4";
    insta::assert_snapshot!(lines(&base, conflicts).join("\n"), @r#"
    d-2 | spielgeraet | patch | baujahr | 2016 | 2017 | 2015 | inzwischen von anderer Seite geändert
    d-2 | spielgeraet | patch | farbe | - | rot | - | das Feld gibt es nicht, oder es wird berechnet
    d-4 | parkbank | delete | - | - | - | - | keine Tabelle, die das Feld ändern darf
    "#);
    let notes = &second.assembly.as_ref().unwrap().facts.notes;
    assert!(notes.contains(&("Konflikte".to_owned(), "3".to_owned())), "{notes:?}");
    // Nobody outside learns of it.
    for name in ["playground.gpkg", "spielgeraete.geojson"] {
        assert!(memchr::memmem::find(&std::fs::read(second.output().join(name)).unwrap(), b"KANARI").is_none());
    }
}

#[test]
fn the_playgrounds_of_flensburg_are_read_and_their_lists_told() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/cadastre/playgrounds_flensburg.geojson");
    if !path.exists() {
        return println!("skipped: {} is not here", path.display());
    }
    let harness = crate::dataset::testing::run_kind("playground", &json!({}), &[path]);
    whole(&harness);
    let base = open(&harness, OFFICE);
    assert_eq!(lines(&base, "SELECT count(*) FROM spielplatz"), ["76"]);
    let all: u32 = lines(&base, "SELECT count(*) FROM ausstattung")[0].parse().unwrap();
    let unknown = lines(&base, "SELECT text, count(*) FROM ausstattung WHERE geraetetyp IS NULL GROUP BY 1 ORDER BY 1");
    assert_eq!(all, 528);
    insta::assert_snapshot!(unknown.join("\n"), @r#"
    Bank | 1
    Kleinspielfeld | 2
    Piratendorf | 1
    Volleyballfeld | 2
    Überdachung | 6
    "#);
}

/// The elements of a name, with their attributes.
fn elements(xml: &str, name: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = quick_xml::Reader::from_str(xml);
    let mut found = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            quick_xml::events::Event::Start(start) | quick_xml::events::Event::Empty(start) if start.name().as_ref() == name => {
                let attributes = start.attributes().map(Result::unwrap);
                found.push(attributes.map(|it| (it.key.as_ref().to_owned(), it.value.to_string())).collect());
            }
            quick_xml::events::Event::Eof => return found,
            _ => {}
        }
    }
}

#[test]
fn the_project_for_qfield_names_layers_that_there_are_also_where_sites_are_points_and_areas() {
    let folder = tempfile::tempdir().unwrap();
    let mixed = folder.path().join("spielplaetze.geojson");
    let feature =
        |key: &str, geometry: Value| json!({ "type": "Feature", "properties": { "spielplatz_id": key }, "geometry": geometry });
    let square = json!([[[10.0, 53.0], [10.001, 53.0], [10.001, 53.001], [10.0, 53.0]]]);
    let features = [
        feature("A", json!({ "type": "Point", "coordinates": [10.0, 53.0] })),
        feature("B", json!({ "type": "Polygon", "coordinates": square })),
        feature("C", json!({ "type": "MultiPolygon", "coordinates": [square] })),
    ];
    std::fs::write(&mixed, json!({ "type": "FeatureCollection", "features": features }).to_string()).unwrap();
    let harness = play(&json!({}), &[mixed]).run();
    whole(&harness);
    let mut archive = zip::ZipArchive::new(std::fs::File::open(harness.output().join("playground.qfield.zip")).unwrap()).unwrap();
    let names: BTreeSet<String> = archive.file_names().map(str::to_owned).collect();
    assert_eq!(names, ["spielplaetze.gpkg", "spielplaetze.qgs"].map(str::to_owned).into());
    let mut project = String::new();
    std::io::Read::read_to_string(&mut archive.by_name("spielplaetze.qgs").unwrap(), &mut project).unwrap();
    let layers: BTreeSet<String> =
        elements(&project, "layer-tree-layer").into_iter().map(|mut layer| layer.remove("id").unwrap()).collect();
    assert!(layers.contains("spielplatz_tabelle_point") && layers.contains("spielplatz_tabelle_polygon"), "{layers:?}");
    assert!(layers.iter().all(|id| id.len() > 10), "QGIS gives others a new identifier");
    assert!(project.contains("./spielplaetze.gpkg|layername=spielplatz|geometrytype=Polygon"));
    let relations = elements(&project, "relation");
    assert!(relations.iter().all(|it| layers.contains(&it["referencedLayer"]) && layers.contains(&it["referencingLayer"])));
    let ids: BTreeSet<&str> = relations.iter().map(|relation| relation["id"].as_str()).collect();
    assert_eq!(ids.len(), relations.len());
    assert!(elements(&project, "attributeEditorRelation").iter().all(|it| ids.contains(it["relation"].as_str())));
    // The same again.
    let bytes = |harness: &Harness| std::fs::read(harness.output().join("playground.qfield.zip")).unwrap();
    let again = play(&json!({}), &[folder.path().join("spielplaetze.geojson")]).run();
    assert_eq!(bytes(&harness), bytes(&again));
}

fn jpeg(shade: u8) -> Vec<u8> {
    let mut picture = crate::raster::Rgbx::empty(16, 16);
    picture.pixels_mut().fill(shade);
    crate::format::jpeg::Encoder::new(80).unwrap().encode(&picture).unwrap()
}

#[test]
fn photos_are_kept_with_their_digests_or_rejected_and_never_public() {
    use sha2::Digest as _;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("DCIM")).unwrap();
    let whole_photo = [&jpeg(90)[..], b"KANARI in EXIF"].concat();
    std::fs::write(path("DCIM/gut.jpg"), &whole_photo).unwrap();
    std::fs::write(path("DCIM/anders.jpg"), jpeg(10)).unwrap();
    std::fs::write(path("DCIM/uebrig.jpg"), jpeg(200)).unwrap();
    std::fs::write(path("DCIM/kaputt.jpg"), b"\xff\xd8\xff").unwrap();
    let sha256 = |bytes: &[u8]| super::photos::hex(&sha2::Sha256::digest(bytes));
    let defect = "11111111-0000-4000-8000-000000000001";
    let photo = |index: u8, name: &str, digest: Value| {
        json!({
            "uuid": format!("22222222-0000-4000-8000-00000000000{index}"), "localLayerId": "foto_tabelle", "method": "create",
            "new": {
                "attributes": {
                    "uuid": format!("33333333-0000-4000-8000-00000000000{index}"), "mangel_uuid": defect, "pfad": name, "datei": "../../etc/passwd"
                },
                "files_sha256": { name: digest },
            },
        })
    };
    let deltas = json!({ "id": "datei-1", "deltas": [
        { "uuid": "22222222-0000-4000-8000-000000000000", "localLayerId": "mangel", "method": "create",
          "new": { "attributes": { "uuid": defect, "beschreibung": "Kette", "status": "offen" } } },
        photo(1, "DCIM/gut.jpg", sha256(&whole_photo).into()),
        photo(2, "DCIM/anders.jpg", sha256(b"was der Apparat sah").into()),
        photo(3, "DCIM/fort.jpg", Value::Null),
    ] });
    std::fs::write(path("delta_1.json"), deltas.to_string()).unwrap();
    std::fs::write(
        path("pruefungen.csv"),
        "pruefung_id;geraet_id;pruefart;datum;foto\nP-1;G-1;Sichtkontrolle;2026-05-01;gut.jpg, nie.jpg\n",
    )
    .unwrap();
    let mut files =
        vec![fixture("spielplaetze.geojson"), fixture("spielgeraete.csv"), path("pruefungen.csv"), path("delta_1.json")];
    files.extend(["gut", "anders", "uebrig", "kaputt"].map(|name| path(&format!("DCIM/{name}.jpg"))));
    let mut play = play(&options(), &files);
    for source in &mut play.sources {
        if std::path::Path::new(&source.name).extension().is_some_and(|ending| ending == "jpg") {
            source.name = format!("DCIM/{}", source.name);
        }
    }
    let harness = play.run();
    whole(&harness);
    let mut rejected: Vec<String> = harness
        .outcomes(1)
        .flat_map(|(_, outcome)| &outcome.rejections)
        .map(|it| format!("{}: {}", it.place, it.reason))
        .collect();
    rejected.sort();
    let told: Vec<&str> = rejected.iter().map(|reason| reason.split(", the field").next().unwrap()).collect();
    let altered = format!("DCIM/anders.jpg: the photo is not the one that was taken: its SHA-256 is {}", sha256(&jpeg(10)));
    assert_eq!(told[0], altered);
    assert!(told[1].starts_with("DCIM/kaputt.jpg: the photo is broken"), "{told:?}");
    assert_eq!(
        told[2..],
        ["delta_1.json: the photo 'DCIM/fort.jpg' was not delivered", "pruefungen.csv: the photo 'nie.jpg' was not delivered"]
    );
    let base = open(&harness, OFFICE);
    let digest = crate::io::Digest::of(&whole_photo).to_string();
    let rows = "SELECT f.pfad, m.beschreibung, p.kennung, f.datei, f.blake3, f.sha256, f.bytes FROM foto f LEFT JOIN mangel m ON m.uuid = f.mangel_uuid \
                LEFT JOIN pruefung p ON p.uuid = f.pruefung_uuid WHERE f.datei IS NOT NULL ORDER BY 1";
    let file = format!("fotos/{digest}.jpg");
    let end = format!("{file} | {digest} | {} | {}", sha256(&whole_photo), whole_photo.len());
    assert_eq!(lines(&base, rows), [format!("DCIM/gut.jpg | Kette | - | {end}"), format!("gut.jpg | - | P-1 | {end}")]);
    assert_eq!(std::fs::read(harness.output().join(&file)).unwrap(), whole_photo, "byte by byte, with what the camera wrote");
    assert_eq!(std::fs::read_dir(harness.output().join("fotos")).unwrap().count(), 2, "also the one that no row names");
    let notes = "SELECT hinweis FROM hinweis WHERE hinweis LIKE '%Foto %' ORDER BY 1";
    assert_eq!(
        lines(&base, notes),
        [
            "das Foto 'DCIM/anders.jpg' ist nicht da",
            "das Foto 'DCIM/fort.jpg' ist nicht da",
            "das Foto 'DCIM/uebrig.jpg' gehört zu keiner Zeile",
            "das Foto 'nie.jpg' ist nicht da",
        ]
    );
    // Where a file is, the field does not say.
    assert_eq!(lines(&base, "SELECT count(*) FROM konflikt WHERE feld = 'datei'"), ["3"]);
    let assembly = harness.assembly.as_ref().unwrap();
    let audience = |path: &str| assembly.artefacts.iter().find(|it| it.path == path).unwrap().audience;
    assert_eq!(audience("fotos"), crate::pipeline::Audience::Internal);
    assert!(!assembly.facts.counts.0.contains_key("foto"), "no record tells of photos");
}

/// A table of another dataset: texts by column, and places.
fn table(path: &Path, columns: &[(&str, &[&str])], shapes: &[&str]) {
    use arrow::array::{ArrayRef, BinaryArray, RecordBatch, StringArray};
    use arrow::datatypes::{DataType, Field, Schema};
    let mut fields: Vec<Field> = columns.iter().map(|(name, _)| Field::new(*name, DataType::Utf8, true)).collect();
    let texts = columns.iter().map(|(_, values)| {
        let values = values.iter().map(|value| Some(*value).filter(|value| !value.is_empty()));
        std::sync::Arc::new(values.collect::<StringArray>()) as ArrayRef
    });
    let mut arrays: Vec<ArrayRef> = texts.collect();
    let shapes: Vec<Option<Vec<u8>>> = shapes.iter().map(|text| crate::io::gdal::wkb_of_text(text)).collect();
    fields.push(Field::new("geometry", DataType::Binary, true));
    arrays.push(std::sync::Arc::new(shapes.iter().map(Option::as_deref).collect::<BinaryArray>()));
    let batch = RecordBatch::try_new(std::sync::Arc::new(Schema::new(fields)), arrays).unwrap();
    let options = crate::format::geoparquet::Options::new("geometry", Some(crate::crs::Crs::UTM32));
    crate::format::geoparquet::write_file(path, &batch.schema(), [Ok(batch.clone())], &options).unwrap();
}

fn square(x: f64, y: f64, side: f64) -> String {
    format!("POLYGON (({x} {y}, {} {y}, {} {}, {x} {}, {x} {y}))", x + side, x + side, y + side, y + side)
}

#[test]
fn sites_get_parcels_addresses_and_districts_of_the_night_or_the_report_says_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (x, y) = (565_000.0, 5_948_000.0);
    let site = |key: &str, parcel: &str, shape: String| format!("{key};{parcel};{shape}\n");
    let mut sites = "kennung;flurstueckskennzeichen;wkt\n".to_owned();
    sites += &site("A", "01_17", format!("POINT ({} {})", x + 50.0, y + 50.0));
    // Three quarters on the second parcel, one on the first, a hair on the third.
    sites += &site("B", "", square(x + 90.0, y + 20.0, 40.0));
    sites += &site("C", "01_99", square(x + 10.0, y + 10.0, 20.0));
    sites += &site("D", "", format!("POINT ({} {})", x + 900.0, y));
    std::fs::write(path("plaetze.csv"), sites).unwrap();
    let parcels = [square(x, y, 100.0), square(x + 100.0, y, 100.0), square(x + 90.0, y + 59.99, 10.0)];
    let parcels: Vec<&str> = parcels.iter().map(String::as_str).collect();
    table(&path("flurstueck.parquet"), &[("flstkennz", &["01_17__", "01_18__", "01_19__"])], &parcels);
    let columns: [(&str, &[&str]); 5] = [
        ("strasse", &["Am Deich", "Am Deich", "Bahnhofstraße", "Hof"]),
        ("hausnummer", &["1", "2 a", "7", ""]),
        ("plz", &["24937", "24937", "", ""]),
        ("ort", &["Kettenau", "Kettenau", "", ""]),
        ("flstkennz", &["01_17__", "01_55__", "01_18__", ""]),
    ];
    // The first is farther away than the second, but on the parcel; the last has no place.
    let at = [(80.0, 80.0), (55.0, 50.0), (195.0, 195.0)].map(|(dx, dy)| format!("POINT ({} {})", x + dx, y + dy));
    table(&path("adresse.parquet"), &columns, &[&at[0], &at[1], &at[2], ""]);
    table(&path("theme.parquet"), &[("name", &["Nord", "Mitte"])], &[&square(x, y, 100.0), &square(x, y, 60.0)]);
    let mut play = play(
        &json!({ "sites": { "source_crs": "EPSG:25832" }, "uses": ["alkis", "stadtteile"], "district": { "dataset": "stadtteile", "field": "name" } }),
        &[path("plaetze.csv")],
    );
    let facts = play_facts();
    let used = |names: &[&str]| crate::dataset::UsedDataset {
        files: names.iter().map(|name| ((*name).to_owned(), (path(name), crate::io::Digest::of(b"")))).collect(),
        facts: facts.clone(),
    };
    play.uses.insert("alkis".to_owned(), used(&["flurstueck.parquet", "adresse.parquet"]));
    play.uses.insert("stadtteile".to_owned(), used(&["theme.parquet"]));
    let harness = play.run();
    whole(&harness);
    let base = open(&harness, OFFICE);
    let rows = "SELECT kennung, kataster_flurstueck, kataster_adresse, kataster_adresse_m, ortsteil, flaeche_gemessen_m2 FROM spielplatz ORDER BY 1";
    insta::assert_snapshot!(lines(&base, rows).join("\n"), @"
    A | 01_17__ | Am Deich 1, 24937 Kettenau | 42.43 | Mitte | -
    B | 01_18__, 01_17__ | Am Deich 1, 24937 Kettenau | 22.36 | - | 1600
    C | 01_17__ | Am Deich 1, 24937 Kettenau | 70.71 | Mitte | 400
    D | - | - | - | - | -
    ");
    let notes = "SELECT kennung, hinweis FROM hinweis ORDER BY 1, 2";
    insta::assert_snapshot!(lines(&base, notes).join("\n"), @"
    B | liegt in keinem Ortsteil
    C | angegeben ist das Flurstück 01_99, nach dem Kataster ist es 01_17__
    D | im Umkreis von 100 m ist keine Adresse
    D | liegt in keinem Flurstück des Katasters
    D | liegt in keinem Ortsteil
    ");
    let facts = &harness.assembly.as_ref().unwrap().facts;
    let told = |name: &str| facts.notes.iter().find(|(key, _)| key == name).unwrap().1.as_str();
    assert_eq!(told("Aus anderen Datensätzen"), "Flurstück bei 3, Adresse bei 3, Ortsteil bei 2 von 4 Plätzen");
    assert_eq!(told("In keinem Flurstück"), "1: D");
}

/// What another dataset says of itself: its CRS is all that is looked at.
fn play_facts() -> crate::dataset::Facts {
    let harness = play(&options(), &fixtures()).run();
    harness.assembly.unwrap().facts
}
