//! The store against the truth of the demo town, however its deliveries come.

use super::store::{each_parcel, each_version, holds};
use crate::dataset::cadastre::row::Row;
use crate::dataset::testing::{Harness, Play};

use crate::demo::{self, DemoOptions, Dialect, random::Random};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The town's cadastre on a night: the folder, and the deliveries in the order of their arrival.
pub(in crate::dataset::cadastre) fn town(dialect: Dialect, nights: u32) -> (tempfile::TempDir, Vec<PathBuf>) {
    town_of(dialect, &(1..=nights).collect::<Vec<_>>(), false)
}

/// The same of some nights; with `key_dates` what happened since the last of them comes as net differences.
fn town_of(dialect: Dialect, nights: &[u32], key_dates: bool) -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for &night in nights {
        let options = DemoOptions { night, dialect, only: Some("cadastre".into()), jobs: 1, key_dates, ..DemoOptions::default() };
        let report = demo::write(folder.path(), &options).unwrap();
        let alkis = report.files.iter().filter(|file| file.name.starts_with("in/alkis/"));
        files.extend(alkis.map(|file| folder.path().join(&file.name)));
    }
    (folder, files)
}

pub(super) fn play(files: &[PathBuf]) -> Play {
    // Only the store is looked at.
    let mut play = Play::new("cadastre", &json!({ "history": true, "zoom": [12, 12] }), files);
    play.only = Some("quittierung".into());
    play
}

fn parcels(harness: &Harness) -> Vec<Row> {
    let mut rows = Vec::new();
    each_parcel(&harness.results[1][0], |row| {
        rows.push(row);
        Ok(())
    })
    .unwrap();
    rows
}

/// Everything of the store but where it was read from.
fn content(harness: &Harness) -> Vec<String> {
    let mut lines = Vec::new();
    each_version(&harness.results[1][0], |row| {
        lines.push(format!("{} {} {} {:?} {} {:?}", row.class, row.oid, row.beginnt, row.endet, row.attributes, row.geometry));
        Ok(())
    })
    .unwrap();
    lines.sort();
    lines
}

fn truth(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("truth/parcels.geojson")).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    value["features"].as_array().unwrap().clone()
}

#[test]
fn what_held_on_any_date_is_what_the_generator_knows() {
    for dialect in [Dialect::Gid6, Dialect::Gid7] {
        let (folder, files) = town(dialect, 6);
        let harness = play(&files).run();
        assert!(harness.errors.is_empty(), "{:?}", harness.errors);
        let outcome = &harness.results[1][0].outcome;
        assert!(outcome.rejections.is_empty(), "{:?}", outcome.rejections);
        let truth = truth(folder.path());
        let rows = parcels(&harness);
        let text = |value: &Value, name: &str| value["properties"][name].as_str().unwrap_or_default().to_owned();
        // Moments around every begin and end, and between.
        let mut moments: Vec<String> = truth
            .iter()
            .flat_map(|parcel| [text(parcel, "beginnt"), text(parcel, "endet")])
            .filter(|at| !at.is_empty())
            .collect();
        moments.extend(["2000-01-01T00:00:00Z", "2026-03-05T00:00:00Z", "2030-01-01T00:00:00Z"].map(str::to_owned));
        moments.sort();
        moments.dedup();
        let mut keys: Vec<String> = truth.iter().map(|parcel| text(parcel, "flurstueckskennzeichen")).collect();
        keys.sort();
        keys.dedup();
        let ended: Vec<&Value> = truth.iter().filter(|parcel| !text(parcel, "endet").is_empty()).collect();
        assert!(ended.len() > 20, "{}", ended.len());
        let mut random = Random::of(7, &[1]);
        let (mut hits, mut pairs) = (0, 0);
        for trial in 0..1500 {
            // Half of the pairs are about parcels that something happened to.
            let key = if trial % 2 == 0 {
                keys[random.below(keys.len())].clone()
            } else {
                text(ended[random.below(ended.len())], "flurstueckskennzeichen")
            };
            let moment = &moments[random.below(moments.len())];
            let expected: Vec<(String, i64)> = truth
                .iter()
                .filter(|parcel| text(parcel, "flurstueckskennzeichen") == key && text(parcel, "beginnt") <= *moment)
                .filter(|parcel| text(parcel, "endet").is_empty() || text(parcel, "endet") > *moment)
                .map(|parcel| (text(parcel, "beginnt"), parcel["properties"]["amtliche_flaeche"].as_i64().unwrap()))
                .collect();
            let found: Vec<(String, i64)> = rows
                .iter()
                .filter(|row| *row.class == *"AX_Flurstueck" && row.attributes.contains(&key) && holds(row, Some(moment)))
                .map(|row| {
                    let area = row.properties()["amtlicheFlaeche"].as_str().unwrap().parse::<f64>().unwrap();
                    (row.beginnt.clone(), area as i64)
                })
                .collect();
            assert_eq!(found, expected, "{key} as of {moment}");
            hits += usize::from(!expected.is_empty());
            pairs += 1;
        }
        assert!(pairs >= 1000 && hits * 3 > pairs, "{hits} of {pairs}");
    }
}

#[test]
fn a_night_goes_on_from_the_last_and_comes_to_the_same_bytes() {
    let (_folder, files) = town(Dialect::Gid7, 3);
    // Everything there is: areas and tiles go on from their last results too.
    let play = |count: usize| Play::new("cadastre", &json!({ "history": true, "zoom": [12, 15] }), &files[..count]);
    let first = play(files.len() - 1).run();
    let mut step = play(files.len());
    for (stage, results) in first.results.iter().enumerate() {
        step.previous.extend(results.iter().map(|result| (format!("{stage}/{}", result.key), result.clone())));
    }
    let (step, whole) = (step.run(), play(files.len()).run());
    assert!(step.packs.keys().filter(|name| name.starts_with("3/")).count() > 1);
    assert_eq!(step.packs, whole.packs);
    assert_eq!(step.results[1][0].outcome, whole.results[1][0].outcome);
    let (step, whole) = (step.output(), whole.output());
    let mut count = 0;
    for file in walkdir::WalkDir::new(&whole).into_iter().map(Result::unwrap).filter(|file| file.file_type().is_file()) {
        let same = std::fs::read(step.join(file.path().strip_prefix(&whole).unwrap())).unwrap();
        assert_eq!(same, std::fs::read(file.path()).unwrap(), "{}", file.path().display());
        count += 1;
    }
    assert!(count > 20, "{count}");
}

/// A town's deliveries in GeoInfoDok 6, then in 7: as many nights of each.
fn two_models(nights: [u32; 2]) -> (tempfile::TempDir, Vec<PathBuf>) {
    let (_old, old) = town(Dialect::Gid6, nights[0]);
    let (folder, new) = town(Dialect::Gid7, nights[1]);
    // Both towns call their files alike.
    let copied = old.iter().enumerate().map(|(number, file)| {
        let copy = folder.path().join(format!("in/alkis/gid6_{number}.xml.gz"));
        std::fs::copy(file, &copy).unwrap();
        copy
    });
    let files = copied.chain(new).collect();
    (folder, files)
}

/// A night with owners, which goes on from another.
fn night(files: &[PathBuf], last: Option<&Harness>) -> Harness {
    let options = json!({ "history": true, "owners": true, "audience": "internal", "zoom": [12, 12] });
    let mut night = Play::new("cadastre", &options, files);
    night.only = Some("quittierung".into());
    for (stage, results) in last.into_iter().flat_map(|last| last.results.iter().enumerate()) {
        night.previous.extend(results.iter().map(|result| (format!("{stage}/{}", result.key), result.clone())));
    }
    night.run()
}

#[test]
fn the_nights_after_a_change_of_model_end_nothing() {
    let (_folder, files) = two_models([1, 3]);
    let stocks = files.len() - 2;
    let holding = |harness: &Harness| parcels(harness).iter().filter(|row| row.endet.is_none()).count();
    let mut step = night(&files[..stocks], None);
    let stock = holding(&step);
    assert!(step.errors.is_empty() && step.results[1][0].outcome.rejections.is_empty(), "{:?}", step.results[1][0].outcome);
    assert!(stock > 1000, "{stock}");
    for count in stocks + 1..=files.len() {
        step = night(&files[..count], Some(&step));
        assert_eq!(step.packs, night(&files[..count], None).packs);
        assert!(holding(&step).abs_diff(stock) < 50, "{} of {stock}", holding(&step));
    }
}

#[test]
fn in_whatever_order_deliveries_come_night_by_night_the_store_is_the_same() {
    let (_folder, files) = two_models([2, 3]);
    let whole = night(&files, None);
    assert!(whole.errors.is_empty() && whole.results[1][0].outcome.rejections.is_empty(), "{:?}", whole.results[1][0].outcome);
    let mut random = Random::of(11, &[2]);
    for trial in 0..4 {
        let mut order = files.clone();
        // In the order of the chain each night goes on from the last; in another most begin at the start.
        if trial % 2 == 1 {
            (1..order.len()).rev().for_each(|at| order.swap(at, random.below(at + 1)));
        }
        let names: Vec<_> = order.iter().filter_map(|file| file.file_name()).collect();
        let (mut last, mut there): (Option<Harness>, usize) = (None, 0);
        while there < order.len() {
            there = order.len().min(there + 1 + random.below(2));
            let tonight = night(&order[..there], last.as_ref());
            assert_eq!(tonight.packs, night(&order[..there], None).packs, "trial {trial}, {there} of {names:?}");
            last = Some(tonight);
        }
        assert_eq!(last.unwrap().packs, whole.packs, "trial {trial}: {names:?}");
    }
}

#[test]
fn net_differences_between_key_dates_tell_what_held_on_them() {
    let (cases_folder, cases) = town_of(Dialect::Gid7, &[1, 2, 3, 4, 5, 6, 7], false);
    let (_folder, nets) = town_of(Dialect::Gid7, &[1, 6, 7], true);
    let [cases, nets] = [cases, nets].map(|files| {
        let harness = play(&files).run();
        let outcome = &harness.results[1][0].outcome;
        assert!(outcome.rejections.is_empty() && outcome.findings.is_empty(), "{outcome:?}");
        let mut rows = Vec::new();
        each_version(&harness.results[1][0], |row| {
            rows.push(row);
            Ok(())
        })
        .unwrap();
        rows
    });
    let held = |rows: &[Row], moment: Option<&str>| -> BTreeMap<String, String> {
        let content = |row: &Row| format!("{} {} {:?} {:?}", row.beginnt, row.attributes, row.geometry, row.local);
        rows.iter().filter(|row| holds(row, moment)).map(|row| (format!("{} {}", row.class, row.oid), content(row))).collect()
    };
    for moment in [Some("2026-03-02T04:00:00Z"), Some("2026-03-07T04:00:00Z"), Some("2026-03-08T04:00:00Z"), None] {
        assert!(held(&cases, moment) == held(&nets, moment), "{moment:?}");
    }
    // A parcel that a division left and that got another number within the interval was nobody's.
    let truth = truth(cases_folder.path());
    let property = |value: &Value, name: &str| value["properties"][name].as_str().unwrap_or_default().to_owned();
    let between = |value: &&Value| {
        property(value, "beginnt").as_str() > "2026-03-02T04:00:00Z"
            && !property(value, "endet").is_empty()
            && property(value, "endet").as_str() <= "2026-03-07T04:00:00Z"
    };
    let gone: Vec<String> = truth.iter().filter(between).map(|value| property(value, "oid")).collect();
    assert!(!gone.is_empty());
    for oid in gone {
        assert!(cases.iter().any(|row| row.oid == oid) && nets.iter().all(|row| row.oid != oid), "{oid}");
    }
}

#[test]
fn split_or_repeated_or_late_deliveries_give_the_same_store() {
    let (folder, files) = town(Dialect::Gid6, 4);
    let whole = play(&files).run();
    let expected = content(&whole);
    assert!(expected.len() > 1000);
    // The same content under another name, and the names in another order.
    let mut copies = files.clone();
    let copy = folder.path().join("in/alkis/zz_copy.xml.gz");
    std::fs::copy(files.last().unwrap(), &copy).unwrap();
    copies.push(copy);
    let renamed = folder.path().join("in/alkis/00_first.xml.gz");
    std::fs::copy(&copies[copies.len() - 3], &renamed).unwrap();
    let at = copies.len() - 3;
    copies[at] = renamed;
    let again = play(&copies).run();
    assert_eq!(content(&again), expected);
    // A night that is missing stops the chain; when it comes, all is as it would have been.
    let mut gap = copies.clone();
    gap.remove(at);
    let gap = play(&gap).run();
    let codes: Vec<&str> = gap.results[1][0].outcome.rejections.iter().map(|it| it.code.as_str()).collect();
    assert_eq!(codes, ["mk::cadastre::gap"]);
    assert_ne!(content(&gap), expected);
    let mut mended = play(&copies);
    mended.previous.insert("1/state".to_owned(), gap.results[1][0].clone());
    assert_eq!(content(&mended.run()), expected);
    // A delivery cut in two portions.
    let text = unpacked(&files[files.len() - 1]);
    let portions = split(&text);
    let mut parts = copies[..=at].to_vec();
    for (number, portion) in portions.iter().enumerate() {
        let path = folder.path().join(format!("in/alkis/portion_{number}.xml"));
        std::fs::write(&path, portion).unwrap();
        parts.push(path);
    }
    parts.reverse();
    assert_eq!(content(&play(&parts).run()), expected);
}

pub(in crate::dataset::cadastre) fn unpacked(path: &Path) -> String {
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()), &mut text).unwrap();
    text
}

/// The operations of a transaction in two portions.
fn split(text: &str) -> [String; 2] {
    let begin = text.find("<wfs:Insert>").unwrap().min(text.find("<wfs:Delete").unwrap());
    let end = text.find("</wfs:Transaction>").unwrap();
    let middle = begin + text[begin..end].len() / 2;
    let cut = middle + text[middle..].find("</wfs:Insert>\n").unwrap() + "</wfs:Insert>\n".len();
    let portion = |number: u32, inside: &str| {
        let head = text[..begin]
            .replace("<laufendePortionsnummer>1<", &format!("<laufendePortionsnummer>{number}<"))
            .replace("<gesamtanzahlPortionen>1<", "<gesamtanzahlPortionen>2<");
        format!("{head}{inside}{}", &text[end..])
    };
    [portion(1, &text[begin..cut]), portion(2, &text[cut..end])]
}

#[test]
fn the_history_is_published_for_the_office_and_is_that_of_the_generator() {
    for dialect in [Dialect::Gid6, Dialect::Gid7] {
        let (folder, files) = town(dialect, 4);
        let options = json!({ "history": true, "zoom": [12, 12], "changes": { "from": "2026-03-04", "to": "2026-03-05" } });
        let mut play = Play::new("cadastre", &options, &files);
        play.only = Some("historie".into());
        let harness = play.run();
        let assembly = harness.assembly.as_ref().unwrap();
        assert!(assembly.artefacts.iter().all(|artefact| artefact.audience == crate::pipeline::Audience::Internal));
        let table = harness.output().join(super::TABLE);
        let truth = truth(folder.path());
        let text = |value: &Value, name: &str| value["properties"][name].as_str().unwrap_or_default().to_owned();
        for parcel in truth.iter().filter(|parcel| !text(parcel, "endet").is_empty()) {
            let key = text(parcel, "flurstueckskennzeichen");
            let found = super::versions_of(&table, &key).unwrap();
            let version = found.iter().find(|it| it.class == super::PARCEL && it.begins == text(parcel, "beginnt")).unwrap();
            assert_eq!(version.ends.as_deref(), Some(text(parcel, "endet").as_str()), "{key}");
            let mut successors: Vec<&str> =
                parcel["properties"]["nachfolger"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            successors.sort_unstable();
            if !successors.is_empty() {
                assert_eq!(version.successors, successors, "{key}");
                let kin = super::related(&table, &key).unwrap();
                assert!(successors.iter().all(|key| kin.parcels.contains_key(*key)));
            }
        }
        // What the cadastre says of divisions and mergers, the ground says too.
        let mut without: Vec<_> = parcels(&harness);
        without.retain(|row| *row.class == *super::PARCEL);
        let versions: Vec<_> =
            without.into_iter().filter_map(|row| super::Version::of(row, &std::collections::BTreeSet::new())).collect();
        let mut inferred: Vec<(String, String)> =
            super::lineage::inferred(&versions).into_iter().map(|edge| (edge.from, edge.to)).collect();
        inferred.sort();
        let mut known: Vec<(String, String)> = truth
            .iter()
            .flat_map(|parcel| {
                let to = parcel["properties"]["nachfolger"].as_array().unwrap().clone();
                let from = text(parcel, "flurstueckskennzeichen");
                to.into_iter().map(move |to| (from.clone(), to.as_str().unwrap_or_default().to_owned()))
            })
            .collect();
        known.sort();
        assert_eq!(inferred, known);
        let first = known.first().unwrap();
        let card = std::fs::read_to_string(harness.output().join("historie").join(format!("{}.html", &first.0[..9]))).unwrap();
        assert!(card.contains(&first.0) && card.contains("untergegangen") && card.contains("<svg"));
    }
}

#[test]
fn changes_and_receipts_are_files_of_their_own() {
    use gdal::vector::LayerAccess;
    let (_folder, files) = town(Dialect::Gid7, 3);
    let options = json!({ "zoom": [12, 12], "changes": { "from": "2026-03-03T12:00:00Z", "to": "2026-03-05" } });
    let only = |name: &str| {
        let mut play = Play::new("cadastre", &options, &files);
        play.only = Some(name.into());
        play.run()
    };
    let harness = only("aenderungen");
    harness.assembly.as_ref().unwrap();
    let dataset = crate::io::gdal::open_vector(&harness.output().join("aenderungen.gpkg"), &["GPKG"]).unwrap();
    let mut layer = dataset.layer_by_name("aenderung").unwrap();
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    for feature in layer.features() {
        let text = |name: &str| feature.field_as_string(feature.field_index(name).unwrap()).unwrap().unwrap_or_default();
        *kinds.entry(format!("{} {}", text("art"), text("objektart"))).or_default() += 1;
    }
    assert!(kinds["neu AX_Flurstueck"] >= 3 && kinds["geaendert AX_Flurstueck"] >= 2, "{kinds:?}");
    assert!(kinds.contains_key("neu AX_Gebaeude") && kinds["weggefallen AX_Flurstueck"] >= 3, "{kinds:?}");
    let harness = only("quittierung");
    let folder = harness.output().join("quittierung");
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    assert_eq!(names, ["kettenau_20260303T040000_NBA_Quittierung_ID_1.xml", "kettenau_20260304T040000_NBA_Quittierung_ID_1.xml"]);
}
