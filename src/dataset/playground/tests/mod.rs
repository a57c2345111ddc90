//! The kind from files to artefacts, read back by SQLite and GDAL.

mod field;
mod uses;

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
