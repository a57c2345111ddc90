//! What a `GeoPackage` says about its tables beside their rows: titles and value lists of columns (extension `gpkg_schema`), views,
//! unique columns, and triggers that count the changes of a row.

use super::{Geopackage, KEY, check_name, failed};
use crate::error::Result;
use rusqlite::{OptionalExtension, params};

/// What is said about a column.
#[derive(Debug, Clone)]
pub struct ColumnText<'a> {
    /// Its table.
    pub table: &'a str,
    /// Its name.
    pub column: &'a str,
    /// Title for people.
    pub title: &'a str,
    /// Name of the value list that its values are of.
    pub list: Option<&'a str>,
}

/// A value list: its name, then each value with its text.
pub type ValueList<'a> = (&'a str, Vec<(&'a str, String)>);

/// The tables of the extension (annex F.9).
const TABLES: &str = "
CREATE TABLE gpkg_data_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL, name TEXT, title TEXT, description TEXT,
  mime_type TEXT, constraint_name TEXT, CONSTRAINT pk_gdc PRIMARY KEY (table_name, column_name),
  CONSTRAINT gdc_tn UNIQUE (table_name, name));
CREATE TABLE gpkg_data_column_constraints (constraint_name TEXT NOT NULL, constraint_type TEXT NOT NULL, value TEXT, min NUMERIC,
  min_is_inclusive BOOLEAN, max NUMERIC, max_is_inclusive BOOLEAN, description TEXT,
  CONSTRAINT gdcc_ntv UNIQUE (constraint_name, constraint_type, value));
INSERT INTO gpkg_extensions VALUES
  ('gpkg_data_columns', NULL, 'gpkg_schema', 'http://www.geopackage.org/spec121/#extension_schema', 'read-write'),
  ('gpkg_data_column_constraints', NULL, 'gpkg_schema', 'http://www.geopackage.org/spec121/#extension_schema', 'read-write');
";

impl Geopackage {
    /// Gives columns titles and value lists.
    ///
    /// # Errors
    /// When the file cannot be written, or a column is told twice.
    pub fn describe(&mut self, columns: &[ColumnText<'_>], lists: &[ValueList<'_>]) -> Result<()> {
        let failed = |error| failed(&self.path, error);
        self.run(&format!("BEGIN; {TABLES}"))?;
        for (name, values) in lists {
            for (value, text) in values {
                let insert = "INSERT INTO gpkg_data_column_constraints VALUES (?, 'enum', ?, NULL, NULL, NULL, NULL, ?)";
                self.connection.execute(insert, params![name, value, text]).map_err(failed)?;
            }
        }
        for ColumnText { table, column, title, list } in columns {
            let insert = "INSERT INTO gpkg_data_columns VALUES (?1, ?2, ?2, ?3, NULL, NULL, ?4)";
            self.connection.execute(insert, params![table, column, title, list]).map_err(failed)?;
        }
        self.run("COMMIT")
    }

    /// Lets no two rows of a table have the same value in a column.
    ///
    /// # Errors
    /// When two have, or the file cannot be written.
    pub fn unique(&mut self, table: &str, column: &str) -> Result<()> {
        for name in [table, column] {
            check_name(&self.path, name)?;
        }
        self.run(&format!("CREATE UNIQUE INDEX \"{table}_{column}\" ON \"{table}\" (\"{column}\")"))
    }

    /// Raises a column with each change of a row that does not set it itself.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn count_changes(&mut self, table: &str, column: &str) -> Result<()> {
        for name in [table, column] {
            check_name(&self.path, name)?;
        }
        self.run(&format!(
            "CREATE TRIGGER \"{table}_{column}_update\" AFTER UPDATE ON \"{table}\" WHEN NEW.\"{column}\" IS OLD.\"{column}\" \
             BEGIN UPDATE \"{table}\" SET \"{column}\" = coalesce(OLD.\"{column}\", 0) + 1 WHERE \"{KEY}\" = NEW.\"{KEY}\"; END"
        ))
    }

    /// Adds a view of layers that are there; `select` is a statement of the program, never of input. With the name of a layer in
    /// `like`, the view has a geometry column `geom` of that layer's type and in its CRS.
    ///
    /// # Errors
    /// When the statement is none, or the file cannot be written.
    pub fn view(&mut self, name: &str, title: &str, select: &str, like: Option<&str>) -> Result<()> {
        check_name(&self.path, name)?;
        let failed = |error| failed(&self.path, error);
        self.run(&format!("CREATE VIEW \"{name}\" AS {select}"))?;
        let shape: Option<(i64, String)> = match like {
            Some(layer) => {
                let query = "SELECT srs_id, geometry_type_name FROM gpkg_geometry_columns WHERE table_name = ?";
                self.connection.query_row(query, [layer], |row| Ok((row.get(0)?, row.get(1)?))).optional().map_err(failed)?
            }
            None => None,
        };
        let srs = shape.as_ref().map(|(srs, _)| *srs);
        let data_type = if srs.is_some() { "features" } else { "attributes" };
        let insert = "INSERT INTO gpkg_contents VALUES (?1, ?2, ?1, ?3, ?4, NULL, NULL, NULL, NULL, ?5)";
        self.connection.execute(insert, params![name, data_type, title, self.last_change, srs]).map_err(failed)?;
        if let Some((srs, kind)) = shape {
            let insert = "INSERT INTO gpkg_geometry_columns VALUES (?, 'geom', ?, ?, 0, 0)";
            self.connection.execute(insert, params![name, kind, srs]).map_err(failed)?;
        }
        Ok(())
    }
}
