//! What a GeoPackage says about its tables: columns, titles, value lists, geometry, key (OGC 12-128r17).

use crate::crs::{Bbox, Crs};
use rusqlite::{Connection, OptionalExtension, Result, params};

/// The primary key of every table.
pub const KEY: &str = "fid";

/// A table or view of features.
#[derive(Debug, Clone)]
pub struct Table {
    /// Name.
    pub name: String,
    /// Title for people.
    pub title: String,
    /// The column that names a feature, where the file has a unique one; else its number is its name.
    pub identifier: Option<String>,
    /// Columns that are properties.
    pub columns: Vec<Column>,
    /// The geometry.
    pub shape: Option<Shape>,
    /// What says when a feature was.
    pub time: Option<Time>,
    /// Rows, where they are numbered from 1 without a gap.
    pub rows: Option<u64>,
    /// True for a view.
    pub is_view: bool,
}

/// A column.
#[derive(Debug, Clone)]
pub struct Column {
    /// Name.
    pub name: String,
    /// Title for people.
    pub title: String,
    /// Type.
    pub kind: Kind,
    /// Values with their texts, where the file lists them.
    pub values: Vec<(String, String)>,
}

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// Yes or no.
    Boolean,
    /// A day, as `2026-03-01`.
    Date,
    /// A moment, as `2026-03-01T08:00:00Z`.
    Moment,
    /// Whatever a view computes.
    Any,
}

/// The geometry of a table.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Column.
    pub column: String,
    /// Type as the standard names it, in capitals.
    pub type_name: String,
    /// CRS, where it has one that is known.
    pub crs: Option<Crs>,
    /// The spatial index.
    pub index: Option<String>,
    /// Extent of all rows.
    pub extent: Bbox,
}

/// The columns that say when a feature was.
#[derive(Debug, Clone)]
pub struct Time {
    /// The column with the moment or the first one.
    pub from: String,
    /// The column with the end, of an interval; an empty one is open.
    pub until: Option<String>,
}

/// Names of columns that say when, in tables of this program.
const MOMENTS: [&str; 5] = ["datum", "aktualit", "faellig", "festgestellt_am", "erfasst"];

/// A name within a statement.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// All tables and views that a file lists.
pub fn tables(base: &Connection) -> Result<Vec<Table>> {
    let sql = "SELECT c.table_name, coalesce(nullif(c.description, ''), c.identifier, c.table_name), c.min_x, c.min_y, c.max_x, \
               c.max_y, m.type = 'view' FROM gpkg_contents c JOIN sqlite_master m ON m.name = c.table_name \
               WHERE c.data_type IN ('features', 'attributes') AND m.type IN ('table', 'view') ORDER BY c.rowid";
    let mut statement = base.prepare(sql)?;
    let listed = statement.query_map([], |row| {
        let corner = |index: usize| row.get::<_, Option<f64>>(index);
        let extent = match (corner(2)?, corner(3)?, corner(4)?, corner(5)?) {
            (Some(x0), Some(y0), Some(x1), Some(y1)) => Bbox::new([x0, y0], [x1, y1]),
            _ => Bbox::EMPTY,
        };
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, extent, row.get::<_, bool>(6)?))
    })?;
    let listed = listed.collect::<Result<Vec<_>>>()?;
    listed.into_iter().map(|(name, title, extent, is_view)| table(base, name, title, extent, is_view)).collect()
}

fn table(base: &Connection, name: String, title: String, extent: Bbox, is_view: bool) -> Result<Table> {
    let shape = shape(base, &name, extent)?;
    let columns = columns(base, &name, shape.as_ref().map(|shape| shape.column.as_str()))?;
    let time = time(&columns);
    // Rows of our files are numbered from 1; the highest number is in the index of the table.
    let rows = if is_view {
        None
    } else {
        let last: i64 =
            base.query_row(&format!("SELECT coalesce(max({KEY}), 0) FROM {}", quoted(&name)), [], |row| row.get(0))?;
        let noted = base.query_row("SELECT seq FROM sqlite_sequence WHERE name = ?", [&name], |row| row.get::<_, i64>(0));
        (last == noted.optional()?.unwrap_or(0)).then_some(u64::try_from(last).unwrap_or(0))
    };
    let identifier = if is_view { None } else { identifier(base, &name, &columns)? };
    Ok(Table { name, title, identifier, columns, shape, time, rows, is_view })
}

fn shape(base: &Connection, table: &str, extent: Bbox) -> Result<Option<Shape>> {
    let sql = "SELECT g.column_name, g.geometry_type_name, s.organization, s.organization_coordsys_id FROM gpkg_geometry_columns g \
               JOIN gpkg_spatial_ref_sys s ON s.srs_id = g.srs_id WHERE g.table_name = ?";
    let found = base.query_row(sql, [table], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?, row.get::<_, i64>(3)?))
    });
    let Some((column, type_name, organisation, code)) = found.optional()? else { return Ok(None) };
    let crs = u32::try_from(code).ok().filter(|_| organisation.eq_ignore_ascii_case("EPSG")).map(Crs);
    let index = format!("rtree_{table}_{column}");
    let there: bool = base.query_row("SELECT count(*) > 0 FROM sqlite_master WHERE name = ?", [&index], |row| row.get(0))?;
    Ok(Some(Shape { column, type_name, crs, index: there.then_some(index), extent }))
}

fn columns(base: &Connection, table: &str, shape: Option<&str>) -> Result<Vec<Column>> {
    let told: bool =
        base.query_row("SELECT count(*) > 0 FROM sqlite_master WHERE name = 'gpkg_data_columns'", [], |row| row.get(0))?;
    let mut statement = base.prepare("SELECT name, upper(type) FROM pragma_table_info(?)")?;
    let named = statement.query_map([table], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let mut columns = Vec::new();
    for named in named {
        let (name, type_name) = named?;
        let Some(kind) = kind(&type_name).filter(|_| name != KEY && Some(name.as_str()) != shape) else { continue };
        let (mut title, mut list): (Option<String>, Option<String>) = (None, None);
        if told {
            let sql = "SELECT title, constraint_name FROM gpkg_data_columns WHERE table_name = ? AND column_name = ?";
            let said = base.query_row(sql, params![table, name], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            (title, list) = said.unwrap_or_default();
        }
        let values = match list {
            Some(list) => values(base, &list)?,
            None => Vec::new(),
        };
        columns.push(Column { title: title.unwrap_or_else(|| name.clone()), name, kind, values });
    }
    Ok(columns)
}

fn values(base: &Connection, list: &str) -> Result<Vec<(String, String)>> {
    let sql = "SELECT value, coalesce(description, value) FROM gpkg_data_column_constraints \
               WHERE constraint_name = ? AND constraint_type = 'enum' ORDER BY rowid";
    let mut statement = base.prepare(sql)?;
    let rows = statement.query_map([list], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// The type of a column by its declaration; `None` for bytes, which are no property.
fn kind(declared: &str) -> Option<Kind> {
    let name = declared.split('(').next().unwrap_or_default().trim();
    Some(match name {
        "BOOLEAN" => Kind::Boolean,
        "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "INTEGER" => Kind::Integer,
        "FLOAT" | "DOUBLE" | "REAL" => Kind::Number,
        "TEXT" => Kind::Text,
        "DATE" => Kind::Date,
        "DATETIME" => Kind::Moment,
        "" => Kind::Any,
        _ => return None,
    })
}

fn time(columns: &[Column]) -> Option<Time> {
    let has = |name: &str| columns.iter().any(|column| column.name == name && column.kind != Kind::Any);
    if has("beginnt") && has("endet") {
        return Some(Time { from: "beginnt".to_owned(), until: Some("endet".to_owned()) });
    }
    let known = MOMENTS.into_iter().find(|name| has(name)).map(str::to_owned);
    let only = || {
        let mut days = columns.iter().filter(|column| matches!(column.kind, Kind::Date | Kind::Moment));
        days.next().filter(|_| days.next().is_none()).map(|column| column.name.clone())
    };
    known.or_else(only).map(|from| Time { from, until: None })
}

/// A column of text of which no two rows have the same value: a name that lasts from night to night.
fn identifier(base: &Connection, table: &str, columns: &[Column]) -> Result<Option<String>> {
    let sql = "SELECT i.name FROM pragma_index_list(?) l JOIN pragma_index_info(l.name) i WHERE l.\"unique\" = 1 AND l.partial = 0 \
               AND (SELECT count(*) FROM pragma_index_info(l.name)) = 1 ORDER BY l.seq";
    let mut statement = base.prepare(sql)?;
    let unique = statement.query_map([table], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>>>()?;
    Ok(unique.into_iter().find(|name| columns.iter().any(|column| column.name == *name && column.kind == Kind::Text)))
}
