//! Which rows a request wants: their keys in order, found once for all pages of a walk.

use super::collection::Collection;
use super::query::{Area, Filter, Operand};
use super::rows;
use super::table::{KEY, Kind, Table, quoted};
use crate::crs::Bbox;
use crate::error::Result;
use crate::format::wkb;
use geo::Intersects;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Keys that are kept of earlier requests of a release: 32 MiB.
const KEPT: usize = 4 << 20;

/// Keys that earlier requests found, by collection and filter, the latest last.
#[derive(Clone, Default)]
pub struct Known(Arc<Mutex<VecDeque<Entry>>>);

/// Collection and filter, with the keys.
type Entry = (String, Arc<[i64]>);

impl Known {
    fn get(&self, name: &str) -> Option<Arc<[i64]>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = all.iter().position(|(known, _)| known == name).and_then(|index| all.remove(index))?;
        let keys = Arc::clone(&found.1);
        all.push_back(found);
        Some(keys)
    }
    fn put(&self, name: String, keys: &Arc<[i64]>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push_back((name, Arc::clone(keys)));
        while all.len() > 1 && all.iter().map(|(_, keys)| keys.len() + 64).sum::<usize>() > KEPT {
            all.pop_front();
        }
    }
}

/// The keys of all features that a request wants, ascending.
///
/// # Errors
/// When the file cannot be read.
pub fn keys(collection: &Collection, filter: &Filter) -> Result<Arc<[i64]>> {
    let name = format!("{} {filter:?}", collection.id);
    // A view may show something else the next time, and so may a table that is edited.
    let lasting = !collection.table.is_view && !collection.edited;
    if let Some(known) = collection.known.get(&name).filter(|_| lasting) {
        return Ok(known);
    }
    let found =
        collection.pool.with(|base| find(base, &collection.table, filter).map_err(|error| collection.pool.failed(error)))?;
    let keys: Arc<[i64]> = found.into();
    if lasting {
        collection.known.put(name, &keys);
    }
    Ok(keys)
}

fn find(base: &Connection, table: &Table, filter: &Filter) -> rusqlite::Result<Vec<i64>> {
    let (conditions, values) = conditions(table, filter);
    let (Some(areas), Some(shape)) = (&filter.areas, &table.shape) else {
        return select(base, table, "", &conditions, values);
    };
    let column = format!("t.{}", quoted(&shape.column));
    // What has no place is everywhere (requirement 24 C).
    let nowhere = [&conditions[..], &[format!("{column} IS NULL")]].concat();
    let mut keys = select(base, table, "", &nowhere, values.clone())?;
    let mut one = base.prepare(&format!("SELECT {} FROM {} WHERE {KEY} = ?", quoted(&shape.column), quoted(&table.name)))?;
    for area in areas {
        let mut candidates = Vec::new();
        match &shape.index {
            Some(index) => {
                let join = format!(" JOIN {} r ON r.id = t.{KEY}", quoted(index));
                let touching = ["r.maxx >= ?", "r.minx <= ?", "r.maxy >= ?", "r.miny <= ?"].map(str::to_owned);
                let Bbox { min, max } = area.outer;
                let mut values = values.clone();
                values.extend([min[0], max[0], min[1], max[1]].map(Operand::Number));
                let sql = statement(table, "r.minx, r.miny, r.maxx, r.maxy", &join, &[&conditions[..], &touching].concat());
                let mut statement = base.prepare(&sql)?;
                let mut rows = statement.query(params_from_iter(values))?;
                while let Some(row) = rows.next()? {
                    let own = Bbox::new([row.get(1)?, row.get(2)?], [row.get(3)?, row.get(4)?]);
                    if area.inner.contains(own.min) && area.inner.contains(own.max) {
                        keys.push(row.get(0)?);
                    } else {
                        candidates.push(row.get(0)?);
                    }
                }
            }
            None => candidates = select(base, table, "", &conditions, values.clone())?,
        }
        for key in candidates {
            let touches = one.query_row([key], |row| {
                Ok(match row.get_ref(0)? {
                    ValueRef::Blob(bytes) => touches(area, bytes),
                    _ => false,
                })
            })?;
            if touches {
                keys.push(key);
            }
        }
    }
    keys.sort_unstable();
    keys.dedup();
    Ok(keys)
}

/// True when a stored geometry shares a point with an area.
fn touches(area: &Area, bytes: &[u8]) -> bool {
    let Some(bytes) = rows::geometry(bytes) else { return false };
    let near = wkb::summary(bytes).is_ok_and(|summary| summary.bbox.intersects(&area.outer));
    near && wkb::decode(bytes).is_ok_and(|geometry| geometry.intersects(&area.outline))
}

fn statement(table: &Table, more: &str, join: &str, conditions: &[String]) -> String {
    let comma = if more.is_empty() { "" } else { ", " };
    let filter = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
    format!("SELECT t.{KEY}{comma}{more} FROM {} t{join}{filter}", quoted(&table.name))
}

fn select(
    base: &Connection,
    table: &Table,
    join: &str,
    conditions: &[String],
    values: Vec<Operand>,
) -> rusqlite::Result<Vec<i64>> {
    let sql = format!("{} ORDER BY t.{KEY}", statement(table, "", join, conditions));
    let mut statement = base.prepare(&sql)?;
    let keys = statement.query_map(params_from_iter(values), |row| row.get(0))?;
    keys.collect()
}

/// The conditions but for the place, with their values in order.
fn conditions(table: &Table, filter: &Filter) -> (Vec<String>, Vec<Operand>) {
    let (mut conditions, mut values) = (Vec::new(), Vec::new());
    for (index, operand) in &filter.equal {
        let Some(column) = table.columns.get(*index) else { continue };
        let name = format!("t.{}", quoted(&column.name));
        conditions.push(if column.kind == Kind::Any { format!("CAST({name} AS TEXT) = ?") } else { format!("{name} = ?") });
        values.push(operand.clone());
    }
    if let (Some([from, until]), Some(time)) = (&filter.time, &table.time) {
        // A feature without a time is at any (requirement 26 C).
        let begin = format!("t.{}", quoted(&time.from));
        let end = time.until.as_ref().map_or_else(|| begin.clone(), |name| format!("t.{}", quoted(name)));
        if let Some(until) = until {
            conditions.push(format!("({begin} IS NULL OR {begin} <= ?)"));
            values.push(Operand::Text(until.clone()));
        }
        if let Some(from) = from {
            // A day lasts until its end.
            conditions
                .push(format!("({end} IS NULL OR CASE length({end}) WHEN 10 THEN {end} || 'T23:59:59Z' ELSE {end} END >= ?)"));
            values.push(Operand::Text(from.clone()));
        }
    }
    (conditions, values)
}

impl ToSql for Operand {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Integer(whole) => ToSqlOutput::Owned(Value::Integer(*whole)),
            Self::Number(number) => ToSqlOutput::Owned(Value::Real(*number)),
        })
    }
}
