//! Deliveries one after the other: what holds on a date, and what came, changed and went.

use super::{FIXTURE, fixture, is_glb, play_texts, published, tiles};
use crate::dataset::testing::Harness;
use arrow::util::display::array_value_to_string;
use serde_json::json;
use std::collections::BTreeSet;

/// The fixture without a building.
fn without(text: &str, id: &str) -> String {
    let start = text.find(&format!("<bldg:Building gml:id=\"{id}\"")).unwrap();
    let member = "cityObjectMember>";
    let (start, end) = (text[..start].rfind('<').unwrap(), start + text[start..].find(member).unwrap() + member.len());
    format!("{}{}", &text[..start], &text[end..])
}

/// The fixture in three deliveries: in the second the first building is higher and all dates are new, in the third the second
/// building is gone and another is there.
fn deliveries() -> [(String, String); 3] {
    let first = without(&fixture(), "DESHMUSTER000003");
    let second = first
        .replace("<bldg:measuredHeight uom=\"urn:adv:uom:m\">9.0<", "<bldg:measuredHeight uom=\"urn:adv:uom:m\">9.5<")
        .replace("2026-01-15", "2026-02-20");
    let third = without(&fixture(), "DESHMUSTER000002")
        .replace("<bldg:measuredHeight uom=\"urn:adv:uom:m\">9.0<", "<bldg:measuredHeight uom=\"urn:adv:uom:m\">9.5<");
    [("2020", first), ("2022-07-01", second), ("lod2_2024", third)].map(|(day, text)| (format!("in/{day}/{FIXTURE}"), text))
}

fn played(deliveries: &[(String, String)], more: &serde_json::Value) -> (Harness, tempfile::TempDir) {
    let files: Vec<(&str, &str)> = deliveries.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    play_texts(&files, more)
}

fn rows(harness: &Harness, file: &str, names: &[&str]) -> Vec<String> {
    let batches = crate::format::geoparquet::columns(&harness.output().join(file), names).unwrap();
    let row = |batch: &arrow::array::RecordBatch, row: usize| {
        let cell = |name: &&str| array_value_to_string(batch.column_by_name(name).unwrap(), row).unwrap();
        names.iter().map(cell).collect::<Vec<_>>().join(" | ")
    };
    let mut out: Vec<String> =
        batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |number| row(batch, number))).collect();
    out.sort();
    out
}

#[test]
fn a_date_shows_what_a_delivery_alone_shows() {
    let all = deliveries();
    for (day, holds) in [("2020-01-01", 0), ("2022-06-30", 0), ("2022-07-01", 1), ("2023-12-31", 1), ("2024-01-01", 2)] {
        let (dated, _a) = played(&all, &json!({ "as_of": day }));
        let (alone, _b) = played(&all[holds..=holds], &json!({}));
        assert_eq!(published(&dated), published(&alone), "{day}");
    }
    let (dated, _folder) = played(&all, &json!({ "as_of": "2019-12-31" }));
    assert_eq!(dated.assembly.as_ref().unwrap_err().code(), "mk::city_model::as_of");
}

#[test]
fn every_version_has_its_dates_and_every_change_its_building() {
    let all = deliveries();
    let (harness, _folder) = played(&all, &json!({ "history": true }));
    let ids: BTreeSet<String> = tiles(&harness).iter().flat_map(|(_, tile)| tile.texts("id")).collect();
    assert_eq!(ids.into_iter().collect::<Vec<_>>(), ["DESHMUSTER000001", "DESHMUSTER000003"], "what is gone is not shown");
    let names = ["id", "valid_from", "begins", "valid_to", "ends", "measuredHeight", "creationDate"];
    insta::assert_snapshot!("history", rows(&harness, "buildings_history.parquet", &names).join("\n"));
    let gpkg = rusqlite::Connection::open(harness.output().join("buildings_changes.gpkg")).unwrap();
    let mut query = gpkg.prepare("SELECT datum, id, aenderung, geom IS NOT NULL FROM aenderungen ORDER BY fid").unwrap();
    let row = |row: &rusqlite::Row<'_>| {
        let text = |column| row.get::<_, String>(column).unwrap();
        Ok(format!("{} {} {} {}", text(0), text(1), text(2), row.get::<_, bool>(3).unwrap()))
    };
    let changes: Vec<String> = query.query_map([], row).unwrap().map(Result::unwrap).collect();
    assert_eq!(
        changes,
        [
            "2022-07-01 DESHMUSTER000001 geändert true",
            "2024-01-01 DESHMUSTER000002 abgerissen true",
            "2024-01-01 DESHMUSTER000003 neu true",
        ]
    );
    let notes = &harness.assembly.as_ref().unwrap().facts.notes;
    assert!(
        notes.contains(&("Gebäude mit der Lieferung vom 01.01.2024".to_owned(), "1 neu, 0 geändert, 1 abgerissen".to_owned()))
    );
}

#[test]
fn deliveries_change_only_the_tiles_of_what_they_change() {
    let all = deliveries();
    let (before, _a) = played(&all[..1], &json!({ "history": true }));
    // A delivery that has new dates and nothing else.
    let again = (all[1].0.clone(), all[0].1.clone());
    let (after, _b) = played(&[all[0].clone(), again], &json!({ "history": true }));
    let (old, new) = (published(&before), published(&after));
    assert!(old.keys().filter(|path| is_glb(path)).eq(new.keys().filter(|path| is_glb(path))));
    let names = ["id", "begins", "valid_to"];
    assert_eq!(rows(&after, "buildings_history.parquet", &names), ["DESHMUSTER000001 | first | ", "DESHMUSTER000002 | first | "]);
}

#[test]
fn a_file_of_no_delivery_is_quarantined() {
    let mut all = deliveries().to_vec();
    all.push(("in/late.gml".to_owned(), fixture()));
    let (harness, _folder) = played(&all, &json!({ "history": true }));
    let errors: Vec<&str> = harness
        .errors
        .iter()
        .map(|(_, key, error)| {
            assert_eq!(error.code(), "mk::city_model::delivery");
            key.as_str()
        })
        .collect();
    assert_eq!(errors, ["in/late.gml"]);
    assert!(harness.assembly.is_ok());
}
