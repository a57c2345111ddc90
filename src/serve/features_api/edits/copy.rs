//! Edits in the copy of a GeoPackage that is served, by the rules of the night: a value is changed when it is still what was seen.

use super::change::same;
use crate::crs::Bbox;
use crate::dataset::playground::{Change, Method};
use crate::error::{Error, Place, Result};
use crate::format::wkb;
use crate::io::gdal::wkb_of_text;
use crate::serve::features_api::rows::{self, Row};
use crate::serve::features_api::table::{KEY, Table, quoted, tables};
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension, Transaction, params, params_from_iter};
use serde_json::Value;
use std::path::Path;

/// The name under which a change has its geometry.
const GEOMETRY: &str = "geom";

fn failed(path: &Path, error: rusqlite::Error) -> Error {
    Error::new("mk::serve::copy", "cannot change the copy of a GeoPackage")
        .at(Place::file(path.display().to_string()))
        .because(error)
}

/// Opens a copy for writing. It is made anew from what is on disk whenever a release is opened, so it need not last.
pub fn open(path: &Path) -> Result<Connection> {
    let work = || -> rusqlite::Result<Connection> {
        let base = Connection::open(path)?;
        base.execute_batch("PRAGMA busy_timeout = 10000; PRAGMA trusted_schema = OFF; PRAGMA synchronous = OFF;")?;
        base.query_row("PRAGMA journal_mode = MEMORY", [], |_| Ok(()))?;
        // They call functions that only GIS software has; the index is kept true here.
        let mut statement =
            base.prepare("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'rtree\\_%' ESCAPE '\\'")?;
        let triggers = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
        drop(statement);
        for trigger in triggers {
            base.execute_batch(&format!("DROP TRIGGER {}", quoted(&trigger)))?;
        }
        Ok(base)
    };
    work().map_err(|error| failed(path, error))
}

/// Applies changes in their order.
pub fn apply(base: &mut Connection, path: &Path, changes: &[Change]) -> Result<()> {
    let all = tables(base).map_err(|error| failed(path, error))?;
    let transaction = base.transaction().map_err(|error| failed(path, error))?;
    for change in changes {
        let table = all.iter().find(|table| change.layer == table.name || change.layer.starts_with(&format!("{}_", table.name)));
        if let Some(table) = table.filter(|table| table.identifier.is_some()) {
            one(&transaction, table, change).map_err(|error| failed(path, error))?;
        }
    }
    transaction.commit().map_err(|error| failed(path, error))
}

fn one(base: &Transaction<'_>, table: &Table, change: &Change) -> rusqlite::Result<()> {
    let Some(identifier) = &table.identifier else { return Ok(()) };
    let named = [&change.new, &change.old].into_iter().find_map(|side| side.get(identifier).and_then(Value::as_str));
    let Some(object) = named.or_else(|| change.keys.first().map(String::as_str)) else { return Ok(()) };
    let sql = format!("{} WHERE {} = ?", rows::select(table), quoted(identifier));
    let there = base.query_row(&sql, [object], |row| Ok((row.get::<_, i64>(0)?, rows::row(table, row)?.0))).optional()?;
    match (change.method, there) {
        (Method::Create, None) => {
            let sql = format!("INSERT INTO {} ({}) VALUES (?)", quoted(&table.name), quoted(identifier));
            base.execute(&sql, [object])?;
            let key = base.last_insert_rowid();
            let values: Vec<(&String, &Value)> = change.new.iter().collect();
            put(base, table, key, &values)
        }
        (Method::Patch, Some((key, row))) => {
            let fits = |(name, _): &(&String, &Value)| is_seen(&row, name, change.old.get(*name).unwrap_or(&Value::Null));
            let values: Vec<(&String, &Value)> = change.new.iter().filter(fits).collect();
            put(base, table, key, &values)
        }
        (Method::Delete, Some((key, row))) => {
            if change.old.iter().all(|(name, seen)| is_seen(&row, name, seen)) {
                base.execute(&format!("DELETE FROM {} WHERE {KEY} = ?", quoted(&table.name)), [key])?;
                index(base, table, key, None)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// True when a value is what the change saw.
fn is_seen(row: &Row, name: &str, seen: &Value) -> bool {
    if name == GEOMETRY {
        let there = row.shape.as_deref().and_then(|bytes| wkb::decode(bytes).ok()).map(|geometry| wkb::to_text(&geometry));
        return there.as_deref() == seen.as_str();
    }
    same(row.properties.get(name).unwrap_or(&Value::Null), seen)
}

fn put(base: &Transaction<'_>, table: &Table, key: i64, values: &[(&String, &Value)]) -> rusqlite::Result<()> {
    let (mut names, mut parameters) = (Vec::new(), Vec::new());
    for (name, value) in values {
        if table.columns.iter().any(|column| column.name == **name) && Some(*name) != table.identifier.as_ref() {
            names.push(format!("{} = ?", quoted(name)));
            parameters.push(match value {
                Value::Bool(truth) => Sql::Integer(i64::from(*truth)),
                Value::Number(number) => number.as_i64().map_or_else(|| Sql::Real(number.as_f64().unwrap_or(0.0)), Sql::Integer),
                Value::String(text) => Sql::Text(text.clone()),
                _ => Sql::Null,
            });
        }
    }
    let place = values.iter().find(|(name, _)| *name == GEOMETRY).map(|(_, value)| value);
    let mut extent = None;
    if let (Some(place), Some(shape)) = (place, &table.shape) {
        let bytes = place.as_str().and_then(wkb_of_text);
        names.push(format!("{} = ?", quoted(&shape.column)));
        let srs = shape.crs.map_or(-1, |crs| crs.0 as i32);
        parameters.push(bytes.as_ref().map_or(Sql::Null, |bytes| {
            // Magic, version, little-endian without an envelope, CRS (OGC 12-128r17, 2.1.3).
            Sql::Blob([&[b'G', b'P', 0, 1][..], &srs.to_le_bytes(), bytes].concat())
        }));
        extent = bytes.and_then(|bytes| wkb::summary(&bytes).ok()).map(|summary| summary.bbox);
    }
    if names.is_empty() {
        return Ok(());
    }
    parameters.push(Sql::Integer(key));
    base.execute(
        &format!("UPDATE {} SET {} WHERE {KEY} = ?", quoted(&table.name), names.join(", ")),
        params_from_iter(parameters),
    )?;
    if place.is_some() { index(base, table, key, extent) } else { Ok(()) }
}

/// Keeps the spatial index and the noted extent true.
fn index(base: &Transaction<'_>, table: &Table, key: i64, extent: Option<Bbox>) -> rusqlite::Result<()> {
    let Some(name) = table.shape.as_ref().and_then(|shape| shape.index.as_ref()) else { return Ok(()) };
    base.execute(&format!("DELETE FROM {} WHERE id = ?", quoted(name)), [key])?;
    let Some(Bbox { min, max }) = extent.filter(|extent| !extent.is_empty()) else { return Ok(()) };
    base.execute(&format!("INSERT INTO {} VALUES (?, ?, ?, ?, ?)", quoted(name)), params![key, min[0], max[0], min[1], max[1]])?;
    let sql = "UPDATE gpkg_contents SET min_x = min(coalesce(min_x, ?2), ?2), max_x = max(coalesce(max_x, ?3), ?3), \
               min_y = min(coalesce(min_y, ?4), ?4), max_y = max(coalesce(max_y, ?5), ?5) WHERE table_name = ?1";
    base.execute(sql, params![table.name, min[0], max[0], min[1], max[1]])?;
    Ok(())
}
