//! Addresses as files of their own: a CSV for offices, and an index that a page searches without a server.
//!
//! ```text
//! suche/strassen.json     every street with its place: small enough to be searched in the browser, tolerant of typing errors
//! suche/nummern/NN.json   the house numbers of some streets; fetched when a street was chosen
//! suche/suche.js          the search itself, an ES module without dependencies
//! ```

use super::tables::GEOMETRY;
use crate::crs::Crs;
use crate::error::{Error, Result};
use crate::format::cells::{Cell, Cells};
use crate::format::sheet::cell;
use crate::format::wkb;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int32Type;
use geo::Geometry;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The module that searches.
const MODULE: &str = include_str!("suche.js");
/// Streets whose house numbers share a file.
const STREETS_A_SHARD: usize = 64;

/// The table as CSV (RFC 4180, but for semicolons, which spreadsheets of German offices expect), in UTF-8 with a byte order mark.
/// A cell that a spreadsheet would take for a formula begins with an apostrophe.
pub fn csv(table: &RecordBatch) -> String {
    let schema = table.schema();
    let columns = schema.fields().iter().zip(table.columns()).filter(|(field, _)| field.name() != GEOMETRY);
    let (names, columns): (Vec<&str>, Vec<Option<Cells<'_>>>) =
        columns.map(|(field, column)| (field.name().as_str(), Cells::of(column))).unzip();
    let mut text = String::from('\u{feff}');
    text.push_str(&[&names[..], &["ost", "nord"]].concat().join(";"));
    text.push_str("\r\n");
    for row in 0..table.num_rows() {
        let shown = columns.iter().map(|column| match column.and_then(|column| column.at(row)) {
            None | Some(Cell::Bytes(_)) => String::new(),
            Some(Cell::Text(text)) => cell(text),
            Some(Cell::Day(day)) => day,
            Some(Cell::Int(number)) => number.to_string(),
            Some(Cell::Long(number)) => number.to_string(),
            Some(Cell::Real(number)) => number.to_string(),
            Some(Cell::Truth(truth)) => truth.to_string(),
        });
        let mut cells: Vec<String> = shown.collect();
        let (east, north) = position(table, row).map_or_else(Default::default, |[x, y]| (format!("{x:.3}"), format!("{y:.3}")));
        cells.extend([east, north]);
        text.push_str(&cells.join(";"));
        text.push_str("\r\n");
    }
    text
}

fn position(table: &RecordBatch, row: usize) -> Option<[f64; 2]> {
    let column = table.column_by_name(GEOMETRY)?.as_binary_opt::<i32>()?;
    match wkb::decode(column.is_valid(row).then(|| column.value(row))?) {
        Ok(Geometry::Point(point)) => Some([point.x(), point.y()]),
        _ => None,
    }
}

/// A house: number and suffix, position, Flurstückskennzeichen.
type House = (i32, String, Option<[f64; 2]>, String);

/// The files of the search index by their paths below `suche/`.
///
/// # Errors
/// When a file cannot be written as JSON.
pub fn search_index(table: &RecordBatch, crs: Option<Crs>) -> Result<BTreeMap<String, Vec<u8>>> {
    let text = |name: &str, row: usize| -> String {
        let column = table.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
        column.filter(|column| column.is_valid(row)).map(|column| column.value(row).to_owned()).unwrap_or_default()
    };
    let numbers = table.column_by_name("nummer").and_then(|column| column.as_primitive_opt::<Int32Type>());
    let mut streets: BTreeMap<(String, String, String), Vec<House>> = BTreeMap::new();
    for row in 0..table.num_rows() {
        let street = text("strasse", row);
        if street.is_empty() {
            continue;
        }
        // What does not begin with a number is told as it is.
        let number = numbers.filter(|column| column.is_valid(row)).map(|column| column.value(row));
        let suffix = text(if number.is_some() { "zusatz" } else { "hausnummer" }, row);
        let house = (number.unwrap_or(0), suffix, position(table, row), text("flstkennz", row));
        streets.entry((street, text("ort", row), text("strassenschluessel", row))).or_default().push(house);
    }
    let mut listed = Vec::new();
    let mut shards: Vec<Vec<Value>> = Vec::new();
    for (index, ((street, town, key), mut houses)) in streets.into_iter().enumerate() {
        houses.sort_by(|a, b| (a.0, &a.1, &a.3).cmp(&(b.0, &b.1, &b.3)));
        let placed: Vec<[f64; 2]> = houses.iter().filter_map(|house| house.2).collect();
        let middle = placed.get(placed.len() / 2).map(|at| rounded(*at));
        if index % STREETS_A_SHARD == 0 {
            shards.push(Vec::new());
        }
        listed.push(json!([street, town, key, houses.len(), middle]));
        let houses = houses.into_iter().map(|(number, suffix, at, parcel)| json!([number, suffix, at.map(rounded), parcel]));
        if let Some(shard) = shards.last_mut() {
            shard.push(Value::Array(houses.collect()));
        }
    }
    let head =
        json!({ "version": 1, "crs": crs.map(|crs| crs.to_string()), "strassen_je_datei": STREETS_A_SHARD, "strassen": listed });
    let bytes = |value: &Value| {
        serde_json::to_vec(value)
            .map_err(|error| Error::new("mk::cadastre::search", "cannot write the search index").because(error))
    };
    let mut files = BTreeMap::from([("strassen.json".to_owned(), bytes(&head)?), ("suche.js".to_owned(), MODULE.into())]);
    for (index, shard) in shards.into_iter().enumerate() {
        files.insert(format!("nummern/{index:04}.json"), bytes(&Value::Array(shard))?);
    }
    Ok(files)
}

fn rounded(at: [f64; 2]) -> [f64; 2] {
    at.map(|value| (value * 100.0).round() / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, BinaryArray, Int32Array, StringArray};
    use std::process::Command;
    use std::sync::Arc;

    /// The index and the page's own search, run by Node: a beginning is enough, a letter may be wrong, missing or swapped.
    #[test]
    fn streets_are_found_by_their_beginning_and_with_typing_errors() {
        let mut streets = vec![
            "Grabenstraße",
            "Große Freiheit",
            "Am Großen Teich",
            "Straße 12",
            "Müllerweg",
            "Ulmenweg",
            "Straße des 17. Juni",
        ];
        let mut numbers = vec![(Some(7), Some("a"), "7 a"); streets.len()];
        streets.extend(["Rotdornweg"; 4]);
        numbers.extend([
            (Some(12), Some("-14"), "12-14"),
            (Some(12), Some("- 14 a"), "12 - 14 a"),
            (Some(5), Some("/1"), "5/1"),
            (None, Some("Haus 3"), "Haus 3"),
        ]);
        let text = |values: Vec<Option<&str>>| -> ArrayRef { Arc::new(StringArray::from(values)) };
        let same = |value: &'static str| text(vec![Some(value); streets.len()]);
        let point = |at: f64| wkb::encode(&Geometry::Point(geo::Point::new(at, 2.0)));
        let points: BinaryArray = (0..streets.len()).map(|at| Some(point(at as f64))).collect();
        let table = RecordBatch::try_from_iter([
            ("strasse", text(streets.iter().copied().map(Some).collect())),
            ("ort", same("Kettenau")),
            ("strassenschluessel", same("0100100000001")),
            ("nummer", Arc::new(numbers.iter().map(|number| number.0).collect::<Int32Array>()) as ArrayRef),
            ("zusatz", text(numbers.iter().map(|number| number.1).collect())),
            ("hausnummer", text(numbers.iter().map(|number| Some(number.2)).collect())),
            ("flstkennz", same("01990100200012______")),
            (GEOMETRY, Arc::new(points) as ArrayRef),
        ])
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        for (path, bytes) in search_index(&table, Some(Crs::UTM32)).unwrap() {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        std::fs::write(folder.path().join("package.json"), r#"{"type":"module"}"#).unwrap();
        let script = r#"
            import { readFileSync } from "node:fs";
            import { suche } from "./suche.js";
            const read = (address) => JSON.parse(readFileSync(new URL(address)));
            for (const text of JSON.parse(process.argv[1])) {
                console.log((await suche(text, { read }))[0]?.text ?? "-");
            }
        "#;
        let asked_and_expected = [
            ("Grab", "Grabenstraße, Kettenau"),
            ("grabnstr 7a", "Grabenstraße 7 a, Kettenau"),
            ("Garbenstr.", "Grabenstraße, Kettenau"),
            ("grabenstrasse kettenau", "Grabenstraße, Kettenau"),
            ("Kettenau, Grabenstr. 7", "Grabenstraße 7 a, Kettenau"),
            ("Grabenstraße 7a, 24999 Kettenau", "Grabenstraße 7 a, Kettenau"),
            ("teich 7", "Am Großen Teich 7 a, Kettenau"),
            ("mueler", "Müllerweg, Kettenau"),
            ("Ulemnweg", "Ulmenweg, Kettenau"),
            ("Straße 12", "Straße 12, Kettenau"),
            ("Straße 12 7a", "Straße 12 7 a, Kettenau"),
            ("Straße des 17. Juni", "Straße des 17. Juni, Kettenau"),
            ("Straße des 17. Juni 7", "Straße des 17. Juni 7 a, Kettenau"),
            ("xyzzy", "-"),
            ("Kettenau", "-"),
            // No such house: the street.
            ("teich 8", "Am Großen Teich, Kettenau"),
            ("teich 7 b", "Am Großen Teich, Kettenau"),
            ("Müllerweg 8", "Müllerweg, Kettenau"),
            // Numbers as offices write them.
            ("Rotdornweg 12", "Rotdornweg 12 - 14 a, Kettenau"),
            ("Rotdornweg 12-14", "Rotdornweg 12-14, Kettenau"),
            ("rotdornweg 12 - 14a, Kettenau", "Rotdornweg 12 - 14 a, Kettenau"),
            ("Rotdornweg 5/1", "Rotdornweg 5/1, Kettenau"),
            ("Rotdornweg 5", "Rotdornweg 5/1, Kettenau"),
            ("Rotdornweg Haus 3", "Rotdornweg Haus 3, Kettenau"),
            ("Rotdornweg 12-16", "Rotdornweg, Kettenau"),
        ];
        let asked = asked_and_expected.map(|(asked, _)| asked);
        let node = Command::new("node")
            .args(["--input-type=module", "-e", script, &serde_json::to_string(&asked).unwrap()])
            .current_dir(folder.path())
            .output();
        let Ok(output) = node else { return println!("skipped: node is not here") };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let found = String::from_utf8(output.stdout).unwrap();
        let found: Vec<(&str, &str)> = asked.into_iter().zip(found.lines()).collect();
        assert_eq!(found, asked_and_expected);
    }
}
