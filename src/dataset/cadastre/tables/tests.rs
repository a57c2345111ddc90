//! Rows that are kept from night to night are those that a run from the start would make, whatever has changed elsewhere.

use super::rows::{entry, part};
use super::{GENERIC, TABLES};
use crate::dataset::cadastre::history::tests::{town, unpacked};
use crate::dataset::cadastre::{OWNERS, ROWS};
use crate::dataset::testing::{Harness, Play};
use crate::demo::Dialect;
use crate::format::geoparquet;
use arrow::array::AsArray;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The members of a stock, those in the west of the town and those without a place: they lie in several cells.
fn members(files: &[PathBuf]) -> (String, Vec<String>) {
    let text: String = files.iter().map(|file| unpacked(file)).collect();
    let head = text[text.find("xmlns").unwrap()..text.find("xsi:schemaLocation").unwrap()].to_owned();
    let members =
        text.split("<wfs:member>").skip(1).map(|member| member.split("</wfs:member>").next().unwrap().trim().to_owned());
    let is_west = |member: &String| {
        let at = member.find("posList>").map(|at| at + 8).or_else(|| member.find("pos>").map(|at| at + 4));
        at.is_none_or(|at| {
            member[at..].split(' ').next().unwrap().parse::<f64>().is_ok_and(|east| (565_000.0..565_420.0).contains(&east))
        })
    };
    (head, members.filter(is_west).collect())
}

fn first<'m>(members: &'m [String], what: &[&str]) -> &'m str {
    members.iter().find(|member| what.iter().all(|what| member.contains(what))).unwrap()
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let rest = &text[text.find(before).unwrap() + before.len()..];
    &rest[..rest.find(after).unwrap()]
}

fn name(member: &str) -> String {
    let (oid, begin) = (between(member, "gml:id=\"", "\""), between(member, "beginnt>", "<"));
    format!("{oid}{}", begin.replace(['-', ':'], ""))
}

fn replaced(member: &str, day: u32, change: impl Fn(&str) -> String) -> String {
    let begin = between(member, "beginnt>", "<");
    let new = change(&member.replace(&format!("beginnt>{begin}<"), &format!("beginnt>2026-03-{day:02}T10:00:00Z<")));
    format!("<wfs:Replace>{new}<fes:Filter><fes:ResourceId rid=\"{}\"/></fes:Filter></wfs:Replace>", name(member))
}

fn deleted(member: &str) -> String {
    let class = between(member, "<adv:", " ");
    format!(
        "<wfs:Delete typeName=\"adv:{class}\"><fes:Filter><fes:ResourceId rid=\"{}\"/></fes:Filter></wfs:Delete>",
        name(member)
    )
}

/// Moves whatever has one position so many metres to the east.
fn moved(member: &str, metres: f64) -> String {
    let at = between(member, "<gml:pos>", "</gml:pos>");
    let (east, north) = at.split_once(' ').unwrap();
    member.replace(at, &format!("{:.3} {north}", east.parse::<f64>().unwrap() + metres))
}

/// A delivery in a file of its own.
fn delivered(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{text}")).unwrap();
    path
}

fn stock(head: &str, members: &[String]) -> String {
    let collection = members.join("</wfs:member>\n<wfs:member>");
    format!("<wfs:FeatureCollection {head}><wfs:member>{collection}</wfs:member></wfs:FeatureCollection>")
}

fn changes(head: &str, day: u32, operations: &[String]) -> String {
    let interval = |name: &str, day: u32| format!("<adv:{name}>2026-03-{day:02}T04:00:00Z</adv:{name}>");
    format!(
        "<adv:AX_NutzerbezogeneBestandsdatenaktualisierung_NBA {head}><adv:profilkennung>kettenau</adv:profilkennung>{}{}\
         <adv:geaenderteObjekte><wfs:Transaction service=\"WFS\" version=\"2.0.2\">{}</wfs:Transaction></adv:geaenderteObjekte>\
         </adv:AX_NutzerbezogeneBestandsdatenaktualisierung_NBA>",
        interval("abgabeintervallBeginn", day),
        interval("abgabeintervallEnde", day + 1),
        operations.concat()
    )
}

fn play(files: &[PathBuf], more: &Value) -> Play {
    let mut options = json!({ "history": true, "owners": true, "audience": "internal" });
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let mut play = Play::new("cadastre", &options, files);
    play.only = Some("parquet".into());
    play
}

/// A night that goes on from another, which has to come to the files of one that begins at the start.
fn going_on(files: &[PathBuf], more: &Value, from: &Harness) -> Harness {
    let mut step = play(files, more);
    for (stage, results) in from.results.iter().enumerate() {
        step.previous.extend(results.iter().map(|result| (format!("{stage}/{}", result.key), result.clone())));
    }
    let (step, whole) = (step.run(), play(files, more).run());
    assert!(step.errors.is_empty() && step.results[ROWS].len() > 1, "{:?}", step.errors);
    assert_eq!(step.packs, whole.packs);
    for name in TABLES.iter().map(|spec| spec.file).chain(["flurstueck_buchung"]) {
        let read = |harness: &Harness| std::fs::read(harness.output().join(format!("{name}.parquet"))).unwrap();
        assert!(read(&step) == read(&whole), "{name}");
    }
    step
}

/// The values of a column.
fn column(harness: &Harness, table: &str, name: &str) -> Vec<String> {
    let batches = geoparquet::columns(&harness.output().join(format!("{table}.parquet")), &[name]).unwrap();
    let texts =
        batches.iter().flat_map(|rows| rows.column(0).as_string::<i32>().iter().flatten().map(str::to_owned).collect::<Vec<_>>());
    texts.collect()
}

#[test]
fn nights_that_go_on_have_the_rows_of_one_that_begins_at_the_start() {
    let (folder, files) = town(Dialect::Gid7, 1);
    let (head, members) = members(&files);
    let write = |name: &str, text: &str| delivered(folder.path(), name, text);
    let mut files = vec![write("a_stock.xml", &stock(&head, &members))];
    let nothing = json!({});
    let base = play(&files, &nothing).run();
    assert!(base.errors.is_empty(), "{:?}", base.errors);

    // A street gets another name: parcels and houses of many cells show it. An address moves: its cell stays, its house is elsewhere.
    let streets = column(&base, "adresse", "strasse");
    let street = first(&members, &["<adv:AX_LagebezeichnungKatalogeintrag ", &format!("<adv:bezeichnung>{}<", streets[0])]);
    let address = first(&members, &["<adv:AX_GeoreferenzierteGebaeudeadresse "]);
    let renamed =
        replaced(street, 2, |text| text.replace(&format!("<adv:bezeichnung>{}<", streets[0]), "<adv:bezeichnung>Neue Gasse<"));
    let operations = [renamed, replaced(address, 2, |text| moved(text, 700.0))];
    files.push(write("b_changes.xml", &changes(&head, 2, &operations)));
    let second = going_on(&files, &nothing, &base);
    let named = |table: &str, name: &str| column(&second, table, name).iter().filter(|text| text.contains("Neue Gasse")).count();
    assert!(named("adresse", "strasse") > 5 && named("flurstueck", "lagebeztxt") > 5);

    // A building goes, and so does a person; the position of a point moves to another cell, where the point is not.
    let building = first(&members, &["<adv:AX_Gebaeude "]);
    let person = first(&members, &["<adv:AX_Person "]);
    let position = first(&members, &["<adv:AX_PunktortTA ", "istTeilVon", "ETRS89_UTM32"]);
    let operations = [deleted(building), deleted(person), replaced(position, 3, |text| moved(text, 700.0))];
    files.push(write("c_changes.xml", &changes(&head, 3, &operations)));
    let third = going_on(&files, &nothing, &second);
    let gone = between(building, "gml:id=\"", "\"").to_owned();
    assert!(
        column(&second, "gebaeude_bauwerk", "oid").contains(&gone) && !column(&third, "gebaeude_bauwerk", "oid").contains(&gone)
    );
    let surname = between(person, "<adv:nachnameOderFirma>", "<");
    let oid = between(person, "gml:id=\"", "\"");
    let told = |harness: &Harness| {
        let (oids, texts) = (column(harness, "objekt", "oid"), column(harness, "objekt", "eigenschaften"));
        oids.iter().zip(texts).any(|(of, text)| of == oid && text.contains(surname))
    };
    assert!(told(&third), "the version that ended is kept");

    // Other options: what was kept under the last ones holds no more.
    let then = going_on(&files, &json!({ "as_of": "2026-03-02T12:00:00Z" }), &third);
    assert!(column(&then, "gebaeude_bauwerk", "oid").contains(&gone));
    going_on(&files, &json!({ "history": false }), &then);
    let forgotten = going_on(&files, &json!({ "owners_days": 0 }), &third);
    assert!(!told(&forgotten));
    // Objects of personal data are in no result but that of their own stage.
    for result in forgotten.results.iter().enumerate().filter(|(stage, _)| *stage != OWNERS).flat_map(|(_, results)| results) {
        let mut pack = result.pack().unwrap();
        for name in pack.entries().keys().cloned().collect::<Vec<_>>() {
            assert!(memchr::memmem::find(&pack.read(&name).unwrap(), b"KANARI").is_none(), "{name}");
        }
    }
}

/// The way from a parcel to its owners begins with where it is booked.
#[test]
fn parcels_are_booked_where_the_deliveries_say() {
    let (folder, files) = town(Dialect::Gid7, 1);
    let (head, members) = members(&files);
    let said: BTreeMap<String, String> = members
        .iter()
        .filter(|member| member.starts_with("<adv:AX_Flurstueck "))
        .map(|member| {
            (
                between(member, "gml:id=\"", "\"").to_owned(),
                between(member, "istGebucht xlink:href=\"urn:adv:oid:", "\"").to_owned(),
            )
        })
        .collect();
    let write = |name: &str, text: &str| delivered(folder.path(), name, text);
    let mut files = vec![write("a_stock.xml", &stock(&head, &members))];
    let booked = |harness: &Harness| -> Vec<(String, String)> {
        let [parcels, entries] = ["flurstueck", "buchungsstelle"].map(|name| column(harness, "flurstueck_buchung", name));
        parcels.into_iter().zip(entries).collect()
    };
    let base = play(&files, &json!({})).run();
    assert!(said.len() > 100 && base.errors.is_empty(), "{:?}", base.errors);
    assert_eq!(booked(&base).into_iter().collect::<BTreeMap<_, _>>(), said);
    let keys = |table: &str| column(&base, table, "flurstueckskennzeichen").into_iter().collect::<BTreeSet<_>>();
    assert_eq!(keys("flurstueck_buchung"), column(&base, "flurstueck", "flstkennz").into_iter().collect());
    // They are objects of their own nowhere.
    assert!(!column(&base, "objekt", "objektart").contains(&"AX_Flurstueck".to_owned()));

    // One is sold and gets another entry, one is gone.
    let (sold, gone) = (
        first(&members, &["<adv:AX_Flurstueck "]),
        members.iter().rev().find(|it| it.starts_with("<adv:AX_Flurstueck ")).unwrap(),
    );
    let oid = |member: &str| between(member, "gml:id=\"", "\"").to_owned();
    let other = replaced(sold, 2, |text| text.replace(&said[&oid(sold)], "DEDEMO9999999999"));
    files.push(write("b_changes.xml", &changes(&head, 2, &[other, deleted(gone)])));
    let mut today = said.clone();
    today.insert(oid(sold), "DEDEMO9999999999".to_owned());
    today.remove(&oid(gone));
    let history = going_on(&files, &json!({}), &base);
    assert_eq!(booked(&history).len(), said.len() + 1, "what was is known");
    for options in [json!({ "history": false }), json!({ "owners_days": 0 })] {
        let now = going_on(&files, &options, &history);
        assert_eq!(booked(&now).into_iter().collect::<BTreeMap<_, _>>(), today, "{options}");
        assert_eq!(booked(&now).len(), today.len(), "{options}");
    }
}

/// What is kept is taken over as it is.
#[test]
fn cells_that_are_as_they_were_are_not_made_again() {
    let (_folder, files) = town(Dialect::Gid7, 1);
    let base = play(&files, &json!({ "owners": false })).run();
    let result = base.results[ROWS].iter().max_by_key(|result| result.inputs.len()).unwrap();
    let again = |result: &crate::dataset::UnitResult| {
        let mut play = play(&files, &json!({ "owners": false }));
        play.previous.insert(format!("{ROWS}/{}", result.key), result.clone());
        play.run()
    };
    // A value that no run would make shows where it came from.
    let mut pack = result.pack().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut other = crate::io::PackWriter::create(&folder.path().join("last")).unwrap();
    // But for its part of the file: that is made of the rows.
    for entry_name in pack.entries().keys().filter(|name| **name != part(GENERIC)).cloned().collect::<Vec<_>>() {
        let mut bytes = pack.read(&entry_name).unwrap();
        if entry_name == entry(GENERIC) {
            let at = memchr::memmem::find(&bytes, b"AX_").unwrap();
            bytes[at..at + 3].copy_from_slice(b"XX_");
        }
        other.add(&entry_name, &bytes).unwrap();
    }
    let last = crate::dataset::UnitResult { path: other.finish().unwrap(), ..result.clone() };
    let told = |harness: &Harness| column(harness, "objekt", "objektart").iter().filter(|class| class.starts_with("XX_")).count();
    assert_eq!((told(&again(result)), told(&again(&last))), (0, 1));
}
