//! A small picture of the cadastre: land use, parcels, buildings.

use super::spool::Table;
use super::tables::GEOMETRY;
use crate::crs::Bbox;
use crate::error::Result;
use crate::format::canvas::{Frame, Rings};
use crate::format::wkb;
use crate::io::Digest;
use arrow::array::{Array, AsArray, RecordBatch};
use geo::{Geometry, Polygon};
use std::collections::BTreeMap;

/// The column with the kind of land use, where a table has one.
const KIND: &str = "nutzart";
/// The tables that are drawn, from the bottom to the top.
const DRAWN: [&str; 3] = ["nutzung", "flurstueck", "gebaeude_bauwerk"];

/// The digest of all that is drawn, and of what else the rows of those tables say.
pub fn content(tables: &BTreeMap<&str, &Table<'_>>) -> Digest {
    let drawn: Vec<Digest> = DRAWN.iter().filter_map(|name| tables.get(name)).map(|table| table.content()).collect();
    Digest::of_parts(drawn.iter().map(|digest| &digest.as_bytes()[..]))
}

/// The picture as PNG, from the tables by their names as files; `None` when nothing has a place.
///
/// # Errors
/// When the rows of a table or a geometry cannot be read.
pub fn png(tables: &BTreeMap<&str, &Table<'_>>) -> Result<Option<Vec<u8>>> {
    let drawn = || DRAWN.into_iter().filter_map(|name| Some((name, tables.get(name)?)));
    let mut bbox = Bbox::EMPTY;
    for (_, table) in drawn() {
        bbox = bbox.union(table.extent()?);
    }
    let Some(frame) = Frame::around(bbox) else { return Ok(None) };
    let mut canvas = frame.canvas();
    for (name, table) in drawn() {
        for batch in table.batches()? {
            for (kind, rings) in polygons(&batch?)? {
                match name {
                    "nutzung" => canvas.fill(&frame.place(&rings), colour(kind.as_deref().unwrap_or_default())),
                    "flurstueck" => canvas.outline(&frame.place(&rings), [172, 160, 148]),
                    _ => canvas.fill(&frame.place(&rings), [110, 84, 80]),
                }
            }
        }
    }
    canvas.png().map(Some)
}

/// The rectangle around what is drawn of the rows of a table; empty for one that is not drawn.
///
/// # Errors
/// When a geometry cannot be read.
pub fn extent(table: &str, rows: &[RecordBatch]) -> Result<Bbox> {
    let mut whole = Bbox::EMPTY;
    for rows in rows.iter().filter(|_| DRAWN.contains(&table)) {
        let shapes = rows.column_by_name(GEOMETRY).and_then(|column| column.as_binary_opt::<i32>());
        for bytes in shapes.into_iter().flatten().flatten() {
            whole = whole.union(wkb::summary(bytes)?.bbox);
        }
    }
    Ok(whole)
}

/// Colours of land use, after those that German land registers print.
fn colour(kind: &str) -> [u8; 3] {
    match kind {
        "Landwirtschaft" => [240, 240, 205],
        "Wald" => [170, 205, 155],
        "Gehölz" | "Heide" | "Moor" | "Sumpf" => [200, 220, 180],
        "Straßenverkehr" | "Weg" | "Platz" | "Bahnverkehr" => [225, 222, 216],
        "Fließgewässer" | "Stehendes Gewässer" | "Hafenbecken" | "Meer" => [165, 205, 235],
        "Wohnbaufläche" => [245, 212, 200],
        _ => [232, 226, 234],
    }
}

/// The polygons of some rows of a table, each with the kind of land use where the table has one.
fn polygons(table: &RecordBatch) -> Result<Vec<(Option<String>, Rings)>> {
    let Some(shapes) = table.column_by_name(GEOMETRY).and_then(|column| column.as_binary_opt::<i32>()) else {
        return Ok(Vec::new());
    };
    let kinds = table.column_by_name(KIND).and_then(|column| column.as_string_opt::<i32>());
    let rings = |polygon: &Polygon<f64>| -> Rings {
        let ring = |line: &geo::LineString<f64>| line.0.iter().map(|at| [at.x, at.y]).collect();
        std::iter::once(polygon.exterior()).chain(polygon.interiors()).map(ring).collect()
    };
    let mut found = Vec::new();
    for row in (0..shapes.len()).filter(|row| shapes.is_valid(*row)) {
        let kind = kinds.filter(|kinds| kinds.is_valid(row)).map(|kinds| kinds.value(row).to_owned());
        match wkb::decode(shapes.value(row))? {
            Geometry::Polygon(polygon) => found.push((kind, rings(&polygon))),
            Geometry::MultiPolygon(all) => found.extend(all.0.iter().map(|polygon| (kind.clone(), rings(polygon)))),
            _ => {}
        }
    }
    Ok(found)
}
