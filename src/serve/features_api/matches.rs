//! Which rows a request wants: their keys in order, found once for all pages of a walk.

use super::collection::Collection;
use super::query::{Area, Filter, Operand};
use super::rows;
use super::table::{KEY, Kind, Shape, Table, quoted};
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

/// True when a request wants every feature: it names nothing, or an area that all features lie in.
pub fn is_everything(collection: &Collection, filter: &Filter) -> bool {
    if filter.is_everything() {
        return true;
    }
    // What has no place is in any area.
    let around = collection.table.shape.as_ref().map(|shape| shape.extent).filter(|extent| !extent.is_empty());
    let within = |areas: &Vec<Area>| {
        areas
            .iter()
            .any(|area| around.is_some_and(|around: Bbox| area.inner.contains(around.min) && area.inner.contains(around.max)))
    };
    filter.time.is_none() && filter.equal.is_empty() && !collection.edited && filter.areas.as_ref().is_some_and(within)
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
    let found = collection.pool.with(|base| {
        let work = || {
            // They are looked for in all rows: once for a file that stays as it is.
            let known = match (&filter.areas, &collection.table.shape) {
                (Some(_), Some(shape)) if lasting => {
                    if collection.nowhere.get().is_none() {
                        let found = nowhere(base, &collection.table, shape)?;
                        collection.nowhere.get_or_init(|| found.into());
                    }
                    collection.nowhere.get().cloned()
                }
                _ => None,
            };
            find(base, &collection.table, filter, known.as_deref())
        };
        work().map_err(|error| collection.pool.failed(error))
    })?;
    let keys: Arc<[i64]> = found.into();
    if lasting {
        collection.known.put(name, &keys);
    }
    Ok(keys)
}

/// The condition that a feature has no place.
fn placeless(shape: &Shape) -> String {
    format!("t.{} IS NULL", quoted(&shape.column))
}

/// The keys of the features without a place. Where the index has as many as the table, there is none: the table need not be read.
fn nowhere(base: &Connection, table: &Table, shape: &Shape) -> rusqlite::Result<Vec<i64>> {
    if let (Some(index), Some(rows)) = (&shape.index, table.rows) {
        let sql = format!("SELECT count(*) FROM {}", quoted(&format!("{index}_rowid")));
        if base.query_row(&sql, [], |row| row.get::<_, i64>(0))?.unsigned_abs() == rows {
            return Ok(Vec::new());
        }
    }
    select(base, table, "", &[placeless(shape)], Vec::new())
}

/// The keys of the features that are wanted; `nowhere` are those without a place, where they are known.
fn find(base: &Connection, table: &Table, filter: &Filter, nowhere: Option<&[i64]>) -> rusqlite::Result<Vec<i64>> {
    let (conditions, values) = conditions(table, filter);
    let (Some(areas), Some(shape)) = (&filter.areas, &table.shape) else {
        return select(base, table, "", &conditions, values);
    };
    // What has no place is everywhere (requirement 24 C).
    let mut keys = match nowhere {
        Some(known) if known.is_empty() || conditions.is_empty() => known.to_vec(),
        _ => select(base, table, "", &[&conditions[..], &[placeless(shape)]].concat(), values.clone())?,
    };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crs::Crs;
    use crate::serve::features_api::table::Column;

    #[test]
    fn what_has_no_place_is_everywhere_whether_it_was_looked_for_before_or_not() {
        let base = Connection::open_in_memory().unwrap();
        base.execute_batch("CREATE TABLE t (fid INTEGER PRIMARY KEY, geom BLOB, art TEXT)").unwrap();
        for fid in 1..=40_i64 {
            let at = [fid as f64, 5.0];
            let head = [b'G', b'P', 0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0];
            let blob = [&head[..], &at[0].to_le_bytes(), &at[1].to_le_bytes()].concat();
            let art = if fid % 2 == 0 { "a" } else { "b" };
            base.execute("INSERT INTO t VALUES (?, ?, ?)", (fid, (fid % 10 != 0).then_some(blob), art)).unwrap();
        }
        let shape = Shape {
            column: "geom".into(),
            type_name: "POINT".into(),
            crs: Some(Crs::UTM32),
            index: None,
            extent: Bbox::new([1.0, 5.0], [39.0, 5.0]),
        };
        let column = Column { name: "art".into(), title: "art".into(), kind: Kind::Text, values: Vec::new() };
        let table = Table {
            name: "t".into(),
            title: "t".into(),
            identifier: None,
            columns: vec![column],
            shape: Some(shape),
            time: None,
            rows: Some(40),
            is_view: false,
        };
        let outer = Bbox::new([11.5, 0.0], [14.5, 9.0]);
        let outline = geo::Rect::new(outer.min, outer.max).to_polygon();
        let filter = |equal| Filter {
            areas: Some(vec![Area { outline: outline.clone(), outer, inner: Bbox::EMPTY }]),
            equal,
            ..Filter::default()
        };
        let all = filter(Vec::new());
        let some = filter(vec![(0, Operand::Text("b".into()))]);
        for placeless in [None, Some(&[10, 20, 30, 40][..])] {
            assert_eq!(find(&base, &table, &all, placeless).unwrap(), [10, 12, 13, 14, 20, 30, 40]);
            assert_eq!(find(&base, &table, &some, placeless).unwrap(), [13], "{placeless:?}");
        }
        let mut indexed = table.clone();
        let shape = indexed.shape.as_mut().unwrap();
        shape.index = Some("rtree_t_geom".into());
        base.execute_batch("CREATE TABLE rtree_t_geom_rowid (rowid INTEGER PRIMARY KEY); INSERT INTO rtree_t_geom_rowid SELECT fid FROM t WHERE geom IS NOT NULL").unwrap();
        assert_eq!(nowhere(&base, &indexed, indexed.shape.as_ref().unwrap()).unwrap(), [10, 20, 30, 40]);
        base.execute_batch("DELETE FROM t WHERE geom IS NULL").unwrap();
        indexed.rows = Some(36);
        assert_eq!(nowhere(&base, &indexed, indexed.shape.as_ref().unwrap()).unwrap(), [0; 0]);
        assert_eq!(find(&base, &table, &all, Some(&[])).unwrap(), [12, 13, 14]);
    }
}
