//! What a released GeoPackage holds: its tables, with the types that PostgreSQL has for their columns.

use crate::error::{Error, Place, Result};
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Name in the GeoPackage.
    pub native: String,
    /// Name in the database: in small letters, as the files are named.
    pub name: String,
    /// Title.
    pub title: String,
    /// Columns, in their order.
    pub columns: Vec<Column>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Name, in both.
    pub name: String,
    /// Type.
    pub kind: Kind,
    /// True for the key of the row.
    pub key: bool,
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Text,
    Whole,
    Large,
    Real,
    Truth,
    Date,
    Moment,
    Bytes,
    /// Type of the geometries, as PostGIS names it, and their CRS by its number of the EPSG; 0 where it is none of those.
    Geometry(String, i32),
}

/// Opens a released GeoPackage to read.
///
/// # Errors
/// When it cannot be read.
pub fn open(file: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let base = Connection::open_with_flags(file, flags)?;
        base.pragma_update(None, "trusted_schema", false)?;
        Ok(base)
    };
    open().map_err(|error| unreadable(file, error))
}

/// The tables of a GeoPackage, by name.
///
/// # Errors
/// When it cannot be read, or has a column of a type that GeoPackages do not have.
pub fn tables(base: &Connection, file: &Path) -> Result<Vec<Table>> {
    let failed = |error| unreadable(file, error);
    let mut listed = base
        .prepare("SELECT table_name, coalesce(nullif(description, ''), nullif(identifier, ''), table_name) FROM gpkg_contents WHERE data_type IN ('features', 'attributes') ORDER BY 1")
        .map_err(failed)?;
    let listed = listed
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .and_then(Iterator::collect::<rusqlite::Result<Vec<(String, String)>>>);
    let mut tables = Vec::new();
    for (native, title) in listed.map_err(failed)? {
        let geometry = geometry(base, &native).map_err(failed)?;
        let mut columns = base.prepare("SELECT name, type, pk FROM pragma_table_info(?1) ORDER BY cid").map_err(failed)?;
        let columns = columns
            .query_map([&native], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?)))
            .and_then(Iterator::collect::<rusqlite::Result<Vec<(String, String, i64)>>>);
        let column = |(name, declared, key): (String, String, i64)| -> Result<Column> {
            let kind = match &geometry {
                Some((column, kind)) if *column == name => kind.clone(),
                _ => kind(&declared).ok_or_else(|| {
                    let message = format!("the column {name} has a type that no GeoPackage has");
                    Error::new("mk::publish::gpkg", message).at(Place::file(file.display().to_string()).object(&native))
                })?,
            };
            Ok(Column { name, kind, key: key > 0 })
        };
        let columns = columns.map_err(failed)?.into_iter().map(column).collect::<Result<Vec<_>>>()?;
        tables.push(Table { name: snake(&native), native, title, columns });
    }
    Ok(tables)
}

/// The geometry column of a table.
fn geometry(base: &Connection, table: &str) -> rusqlite::Result<Option<(String, Kind)>> {
    let sql = "SELECT g.column_name, g.geometry_type_name, g.z, CASE WHEN upper(s.organization) = 'EPSG' THEN s.organization_coordsys_id ELSE 0 END \
               FROM gpkg_geometry_columns g JOIN gpkg_spatial_ref_sys s ON s.srs_id = g.srs_id WHERE g.table_name = ?1";
    let mut found = base.prepare(sql)?;
    let mut rows = found.query([table])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let (name, kind, heights): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let plain = kind.chars().all(|letter| letter.is_ascii_alphabetic());
    // Where heights may be there or not, PostGIS has no type for it.
    let kind = match heights {
        0 if plain => kind.to_uppercase(),
        1 if plain => format!("{}Z", kind.to_uppercase()),
        _ => String::new(),
    };
    Ok(Some((name, Kind::Geometry(kind, row.get(3)?))))
}

/// The types of GeoPackage 1.3, table 1.
fn kind(declared: &str) -> Option<Kind> {
    let word = declared.split('(').next().unwrap_or_default().trim().to_uppercase();
    Some(match word.as_str() {
        "TEXT" => Kind::Text,
        "TINYINT" | "SMALLINT" | "MEDIUMINT" => Kind::Whole,
        "INT" | "INTEGER" => Kind::Large,
        "FLOAT" | "DOUBLE" | "REAL" => Kind::Real,
        "BOOLEAN" => Kind::Truth,
        "DATE" => Kind::Date,
        "DATETIME" => Kind::Moment,
        "BLOB" => Kind::Bytes,
        _ => return None,
    })
}

/// `FlurstueckPunkt` as `flurstueck_punkt`: a name that needs no quotes.
pub fn snake(name: &str) -> String {
    let mut out = String::new();
    let mut small = false;
    for letter in name.chars() {
        if letter.is_uppercase() && small {
            out.push('_');
        }
        small = letter.is_lowercase() || letter.is_numeric();
        if letter.is_alphanumeric() {
            out.extend(letter.to_lowercase());
        } else {
            out.push('_');
        }
    }
    out
}

/// The error of a file that cannot be read.
pub fn unreadable(file: &Path, error: rusqlite::Error) -> Error {
    Error::new("mk::publish::gpkg", "cannot read a released GeoPackage")
        .at(Place::file(file.display().to_string()))
        .because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_files() {
        for (name, expected) in [
            ("FlurstueckPunkt", "flurstueck_punkt"),
            ("adresse", "adresse"),
            ("LOD2 Gebäude", "lod2_gebäude"),
            ("GMLId", "gmlid"),
        ] {
            assert_eq!(snake(name), expected);
        }
        for spec in
            ["Flurstueck", "FlurstueckPunkt", "GebaeudeBauwerk", "KatasterBezirk", "NutzungFlurstueck", "VerwaltungsEinheit"]
        {
            assert!(snake(spec).chars().all(|letter| letter.is_ascii_lowercase() || letter == '_'));
        }
    }
}
