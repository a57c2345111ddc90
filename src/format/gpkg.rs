//! GeoPackage 1.3 (OGC 12-128r17): several layers of Arrow tables in one SQLite file, with spatial index.
//!
//! A file is written once, by one writer: the schema by SQLite, the rows page by page. Nothing is ever deleted from it, so that no
//! page holds anything but its rows. No time of writing is recorded: `last_change` is given by the caller.

mod schema;
mod tiles;

pub use schema::{ColumnText, ValueList};
pub use tiles::TileLayer;

use crate::crs::{Bbox, Crs, name_and_wkt};
use crate::error::{Error, Place, Result};
use crate::format::cells::{Cell, Cells};
use crate::format::rtree::{Packer, Row};
use crate::format::sqlite_tree::{Pages, Record, Tree};
use crate::format::wkb;
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use rusqlite::{Connection, params};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The primary key of every layer.
const KEY: &str = "fid";

/// One layer: a table with or without geometry.
#[derive(Debug, Clone)]
pub struct Layer<'a> {
    /// Name of the table.
    pub name: &'a str,
    /// Title for people.
    pub title: &'a str,
    /// Name of the column with WKB, if the layer has one.
    pub geometry: Option<&'a str>,
    /// Geometry type as the standard names it: `POLYGON`, `MULTIPOLYGON`, `POINT`, `GEOMETRY` ...
    pub geometry_type: &'a str,
    /// CRS of the geometry; `None` is the undefined Cartesian one (-1).
    pub crs: Option<Crs>,
}

/// A GeoPackage being written.
pub struct Geopackage {
    connection: Connection,
    path: PathBuf,
    last_change: String,
    known: BTreeSet<i64>,
}

impl Geopackage {
    /// Creates the file; `last_change` is the moment the content holds for, as `2024-10-15T07:55:13.000Z`.
    ///
    /// # Errors
    /// When there is a file already, or it cannot be written.
    pub fn create(path: &Path, last_change: &str) -> Result<Self> {
        if path.exists() {
            return Err(failed(path, "the file exists already"));
        }
        let connection = Connection::open(path).map_err(|error| failed(path, error))?;
        // A broken write leaves no file behind that anybody reads: the caller moves it into place when it is whole.
        connection
            .execute_batch(
                "PRAGMA page_size = 4096; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
                 PRAGMA application_id = 0x47504B47; PRAGMA user_version = 10300;",
            )
            .and_then(|()| connection.execute_batch(&format!("BEGIN; {TABLES} COMMIT;")))
            .map_err(|error| failed(path, error))?;
        Ok(Self { connection, path: path.to_owned(), last_change: last_change.to_owned(), known: [-1, 0, 4326].into() })
    }

    /// Adds a layer with its rows.
    ///
    /// # Errors
    /// When a name is not made of letters, digits and underscores, a column has a type without counterpart, a geometry is no
    /// WKB, or the file cannot be written.
    pub fn add(&mut self, layer: &Layer<'_>, schema: &SchemaRef, batches: &[RecordBatch]) -> Result<()> {
        self.add_all(layer, schema, batches.iter().cloned().map(Ok))
    }

    /// As [`Self::add`], of rows that come some at a time.
    ///
    /// # Errors
    /// Those of [`Self::add`], and those of `batches`.
    pub fn add_all(
        &mut self,
        layer: &Layer<'_>,
        schema: &SchemaRef,
        batches: impl IntoIterator<Item = Result<RecordBatch>>,
    ) -> Result<()> {
        let mut rows = self.begin(layer, schema)?;
        for batch in batches {
            rows.add(&batch?)?;
        }
        self.end(layer, rows)
    }

    /// Begins a layer whose rows the caller adds as they come; [`Self::end`] closes it before the next one begins.
    ///
    /// # Errors
    /// Those of [`Self::add`].
    pub fn begin(&mut self, layer: &Layer<'_>, schema: &SchemaRef) -> Result<Rows> {
        self.begin_all(&[(layer, schema)])
    }

    /// As [`Self::begin`], of several layers, whose rows come in any order.
    ///
    /// # Errors
    /// As there.
    pub fn begin_all(&mut self, layers: &[(&Layer<'_>, &SchemaRef)]) -> Result<Rows> {
        let begun = layers.iter().map(|(layer, schema)| self.create_tables(layer, schema)).collect::<Result<_>>()?;
        let pages = Pages::open(&self.path).map_err(|error| failed(&self.path, error))?;
        Ok(Rows { pages, record: Record::default(), path: self.path.clone(), layers: begun })
    }

    /// Closes the layer that was begun last.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn end(&mut self, layer: &Layer<'_>, rows: Rows) -> Result<()> {
        self.end_all(&[layer], rows)
    }

    /// Closes the layers that were begun last, in their order.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn end_all(&mut self, layers: &[&Layer<'_>], rows: Rows) -> Result<()> {
        let written = rows.finish()?;
        layers.iter().zip(&written).try_for_each(|(layer, written)| self.register(layer, written))
    }

    /// Makes the tables of a layer, for rows to come.
    fn create_tables(&mut self, layer: &Layer<'_>, schema: &SchemaRef) -> Result<LayerRows> {
        check_name(&self.path, layer.name)?;
        let mut columns = Vec::new();
        for field in schema.fields() {
            check_name(&self.path, field.name())?;
            let sql = if Some(field.name().as_str()) == layer.geometry {
                layer.geometry_type
            } else {
                column_type(field.data_type())
                    .ok_or_else(|| failed(&self.path, format!("no column type for {} of {}", field.data_type(), field.name())))?
            };
            columns.push(format!("\"{}\" {sql}", field.name()));
        }
        let name = layer.name;
        let create =
            format!("CREATE TABLE \"{name}\" (\"{KEY}\" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, {})", columns.join(", "));
        self.run(&create)?;
        let srs = layer.crs.map_or(-1, |crs| i64::from(crs.0));
        if let Some(crs) = layer.crs {
            self.add_crs(crs)?;
        }
        let geometry = layer.geometry.map(|column| schema.index_of(column)).transpose();
        let geometry = geometry.map_err(|error| failed(&self.path, error))?;
        if let Some(column) = layer.geometry {
            self.run(&format!("CREATE VIRTUAL TABLE \"rtree_{name}_{column}\" USING rtree(id, minx, maxx, miny, maxy)"))?;
        }
        let failed = |error| failed(&self.path, error);
        let tree = |name: &str| {
            let root = self.connection.query_row("SELECT rootpage FROM sqlite_master WHERE name = ?", [name], |row| row.get(0));
            root.map(Tree::new).map_err(failed)
        };
        let index = match layer.geometry {
            Some(column) => {
                let index = format!("rtree_{name}_{column}");
                Some([tree(&format!("{index}_node"))?, tree(&format!("{index}_rowid"))?, tree(&format!("{index}_parent"))?])
            }
            None => None,
        };
        Ok(LayerRows { table: tree(name)?, index, packer: Packer::default(), geometry, srs, key: 0, extent: Bbox::EMPTY })
    }

    fn register(&mut self, layer: &Layer<'_>, written: &Written) -> Result<()> {
        let failed = |error| failed(&self.path, error);
        let extent = written.extent;
        self.run("BEGIN")?;
        if written.rows > 0 {
            let sequence = "INSERT INTO sqlite_sequence VALUES (?, ?)";
            self.connection.execute(sequence, params![layer.name, written.rows]).map_err(failed)?;
        }
        if let (Some(column), Some(root)) = (layer.geometry, &written.root) {
            let update = format!("UPDATE \"rtree_{}_{column}_node\" SET data = ? WHERE nodeno = 1", layer.name);
            self.connection.execute(&update, params![root]).map_err(failed)?;
        }
        let data_type = if layer.geometry.is_some() { "features" } else { "attributes" };
        let corner = |value: f64| (!extent.is_empty()).then_some(value);
        self.connection
            .execute(
                "INSERT INTO gpkg_contents VALUES (?1, ?2, ?1, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    layer.name,
                    data_type,
                    layer.title,
                    self.last_change,
                    corner(extent.min[0]),
                    corner(extent.min[1]),
                    corner(extent.max[0]),
                    corner(extent.max[1]),
                    layer.geometry.map(|_| written.srs),
                ],
            )
            .map_err(failed)?;
        let Some(column) = layer.geometry else { return self.run("COMMIT") };
        self.connection
            .execute(
                "INSERT INTO gpkg_geometry_columns VALUES (?, ?, ?, ?, 0, 0)",
                params![layer.name, column, layer.geometry_type, written.srs],
            )
            .map_err(failed)?;
        self.connection
            .execute(
                "INSERT INTO gpkg_extensions VALUES (?, ?, 'gpkg_rtree_index', 'http://www.geopackage.org/spec120/#extension_rtree', 'write-only')",
                params![layer.name, column],
            )
            .map_err(failed)?;
        self.run(&format!("{} COMMIT;", rtree_triggers(layer.name, column)))
    }

    fn add_crs(&mut self, crs: Crs) -> Result<()> {
        if !self.known.insert(i64::from(crs.0)) {
            return Ok(());
        }
        let (name, wkt) = name_and_wkt(crs)?;
        self.connection
            .execute("INSERT INTO gpkg_spatial_ref_sys VALUES (?, ?, 'EPSG', ?, ?, NULL)", params![name, crs.0, crs.0, wkt])
            .map(|_| ())
            .map_err(|error| failed(&self.path, error))
    }

    /// Closes the file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(self) -> Result<()> {
        let path = self.path;
        self.connection.close().map_err(|(_, error)| failed(&path, error))
    }

    fn run(&self, sql: &str) -> Result<()> {
        self.connection.execute_batch(sql).map_err(|error| failed(&self.path, error))
    }
}

/// The tables of every GeoPackage (annex C), with the three CRSs that must be there (requirement 11).
const TABLES: &str = "
CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER NOT NULL PRIMARY KEY, organization TEXT NOT NULL,
  organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT);
INSERT INTO gpkg_spatial_ref_sys VALUES
  ('Undefined Cartesian SRS', -1, 'NONE', -1, 'undefined', 'undefined Cartesian coordinate reference system'),
  ('Undefined geographic SRS', 0, 'NONE', 0, 'undefined', 'undefined geographic coordinate reference system'),
  ('WGS 84', 4326, 'EPSG', 4326, 'GEOGCS[\"WGS 84\",DATUM[\"WGS_1984\",SPHEROID[\"WGS 84\",6378137,298.257223563,AUTHORITY[\"EPSG\",\"7030\"]],AUTHORITY[\"EPSG\",\"6326\"]],PRIMEM[\"Greenwich\",0,AUTHORITY[\"EPSG\",\"8901\"]],UNIT[\"degree\",0.0174532925199433,AUTHORITY[\"EPSG\",\"9122\"]],AXIS[\"Latitude\",NORTH],AXIS[\"Longitude\",EAST],AUTHORITY[\"EPSG\",\"4326\"]]', NULL);
CREATE TABLE gpkg_contents (table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE,
  description TEXT DEFAULT '', last_change DATETIME NOT NULL, min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE,
  srs_id INTEGER, CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_geometry_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL, geometry_type_name TEXT NOT NULL,
  srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m TINYINT NOT NULL,
  CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name), CONSTRAINT uk_gc_table_name UNIQUE (table_name),
  CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name),
  CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys (srs_id));
CREATE TABLE gpkg_extensions (table_name TEXT, column_name TEXT, extension_name TEXT NOT NULL, definition TEXT NOT NULL,
  scope TEXT NOT NULL, CONSTRAINT ge_tce UNIQUE (table_name, column_name, extension_name));
";

/// The triggers that keep the index true when somebody edits the layer (annex F.3).
fn rtree_triggers(table: &str, column: &str) -> String {
    let index = format!("\"rtree_{table}_{column}\"");
    let full = format!("(NEW.\"{column}\" NOTNULL AND NOT ST_IsEmpty(NEW.\"{column}\"))");
    let empty = format!("(NEW.\"{column}\" ISNULL OR ST_IsEmpty(NEW.\"{column}\"))");
    let put = format!(
        "INSERT OR REPLACE INTO {index} VALUES (NEW.\"{KEY}\", ST_MinX(NEW.\"{column}\"), ST_MaxX(NEW.\"{column}\"), \
         ST_MinY(NEW.\"{column}\"), ST_MaxY(NEW.\"{column}\"));"
    );
    let trigger = |suffix: &str, event: &str, when: &str, body: &str| {
        format!("CREATE TRIGGER \"rtree_{table}_{column}_{suffix}\" AFTER {event} ON \"{table}\" WHEN {when} BEGIN {body} END;\n")
    };
    let same = format!("OLD.\"{KEY}\" = NEW.\"{KEY}\"");
    let moved = format!("OLD.\"{KEY}\" != NEW.\"{KEY}\"");
    let geometry = format!("UPDATE OF \"{column}\"");
    let drop_old = format!("DELETE FROM {index} WHERE id = OLD.\"{KEY}\";");
    let drop_both = format!("DELETE FROM {index} WHERE id IN (OLD.\"{KEY}\", NEW.\"{KEY}\");");
    [
        trigger("insert", "INSERT", &full, &put),
        trigger("update1", &geometry, &format!("{same} AND {full}"), &put),
        trigger("update2", &geometry, &format!("{same} AND {empty}"), &drop_old),
        trigger("update3", "UPDATE", &format!("{moved} AND {full}"), &format!("{drop_old} {put}")),
        trigger("update4", "UPDATE", &format!("{moved} AND {empty}"), &drop_both),
        trigger("delete", "DELETE", &format!("OLD.\"{column}\" NOT NULL"), &drop_old),
    ]
    .concat()
}

/// The rows of layers on their way into their tables and indexes.
pub struct Rows {
    pages: Pages,
    record: Record,
    path: PathBuf,
    layers: Vec<LayerRows>,
}

/// Those of one layer.
struct LayerRows {
    table: Tree,
    /// Nodes, leaves by row, parents.
    index: Option<[Tree; 3]>,
    packer: Packer,
    geometry: Option<usize>,
    srs: i64,
    key: i64,
    extent: Bbox,
}

/// What was written of a layer.
struct Written {
    rows: i64,
    srs: i64,
    extent: Bbox,
    /// The root of the index.
    root: Option<Vec<u8>>,
}

impl Rows {
    /// Adds rows to the layer that was begun, with the columns that it began with.
    ///
    /// # Errors
    /// When a geometry is no WKB, or the file cannot be written.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        self.add_to(0, batch)
    }

    /// As [`Self::add`], to one of several layers, by its number.
    ///
    /// # Errors
    /// As there.
    pub fn add_to(&mut self, layer: usize, batch: &RecordBatch) -> Result<()> {
        let Self { pages, record, path, layers } = self;
        let failed = |error| failed(path, error);
        let Some(layer) = layers.get_mut(layer) else { return Err(failed(std::io::Error::other("there is no such layer"))) };
        let columns = batch.columns().iter().map(|column| {
            let untold = || std::io::Error::other(format!("no column type for {}", column.data_type()));
            Cells::of(column).ok_or_else(untold).map_err(failed)
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            layer.key += 1;
            let mut found = Bbox::EMPTY;
            record.clear();
            // The key of the row stands for the first column.
            record.null();
            for (position, column) in columns.iter().enumerate() {
                match column.at(row) {
                    Some(Cell::Bytes(wkb)) if Some(position) == layer.geometry => {
                        found = wkb::summary(wkb)?.bbox;
                        let (head, length) = geometry_head(layer.srs, found);
                        record.blob(&[&head[..length], wkb]);
                    }
                    cell => put(record, cell),
                }
            }
            layer.table.push(pages, layer.key, record).map_err(failed)?;
            if let (Some(index), false) = (&mut layer.index, found.is_empty()) {
                layer.extent = layer.extent.union(found);
                let write = |row| write_index(pages, index, record, row);
                layer.packer.push(layer.key, found, write).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Vec<Written>> {
        let Self { mut pages, mut record, path, layers } = self;
        let work = || layers.into_iter().map(|layer| layer.close(&mut pages, &mut record)).collect::<std::io::Result<Vec<_>>>();
        work().and_then(|written| pages.finish().map(|()| written)).map_err(|error| failed(&path, error))
    }
}

impl LayerRows {
    fn close(self, pages: &mut Pages, record: &mut Record) -> std::io::Result<Written> {
        let mut root = None;
        self.table.finish(pages)?;
        if let Some(mut index) = self.index {
            let rest = self.packer.finish(|row| write_index(pages, &mut index, record, row))?;
            root = Some(rest.root);
            let [nodes, leaves, mut parents] = index;
            for (node, above) in rest.parents {
                parents.push(pages, node, pair(record, above))?;
            }
            [nodes, leaves, parents].into_iter().try_for_each(|tree| tree.finish(pages))?;
        }
        Ok(Written { rows: self.key, srs: self.srs, extent: self.extent, root })
    }
}

fn write_index(pages: &mut Pages, index: &mut [Tree; 3], record: &mut Record, row: Row) -> std::io::Result<()> {
    match row {
        Row::Node(number, bytes) => {
            record.clear();
            record.null();
            record.blob(&[&bytes]);
            index[0].push(pages, number, record)
        }
        Row::Leaf(id, leaf) => index[1].push(pages, id, pair(record, leaf)),
    }
}

/// A row of a key and a number.
fn pair(record: &mut Record, number: i64) -> &Record {
    record.clear();
    record.null();
    record.integer(number);
    record
}

/// What stands before the WKB of a geometry (clause 2.1.3): magic, version, flags, CRS, envelope; and how many bytes it takes.
fn geometry_head(srs: i64, bbox: Bbox) -> ([u8; 40], usize) {
    let mut head = [0; 40];
    head[..2].copy_from_slice(b"GP");
    // Bit 0: little-endian; bits 1-3: envelope of x and y, or none; bit 4: empty.
    head[3] = if bbox.is_empty() { 0b0001_0001 } else { 0b0000_0011 };
    head[4..8].copy_from_slice(&(srs as i32).to_le_bytes());
    if bbox.is_empty() {
        return (head, 8);
    }
    for (value, place) in [bbox.min[0], bbox.max[0], bbox.min[1], bbox.max[1]].iter().zip(head[8..].chunks_exact_mut(8)) {
        place.copy_from_slice(&value.to_le_bytes());
    }
    (head, 40)
}

fn column_type(data_type: &DataType) -> Option<&'static str> {
    Some(match data_type {
        DataType::Utf8 => "TEXT",
        DataType::Int64 => "INTEGER",
        DataType::Int32 => "MEDIUMINT",
        DataType::Float64 => "DOUBLE",
        DataType::Boolean => "BOOLEAN",
        DataType::Date32 => "DATE",
        DataType::Binary => "BLOB",
        _ => return None,
    })
}

/// One value of a row.
fn put(record: &mut Record, cell: Option<Cell<'_>>) {
    match cell {
        Some(Cell::Text(text)) => record.text(text),
        Some(Cell::Long(number)) => record.integer(number),
        Some(Cell::Int(number)) => record.integer(number.into()),
        Some(Cell::Real(number)) => record.real(number),
        Some(Cell::Truth(truth)) => record.integer(truth.into()),
        Some(Cell::Day(day)) => record.text(&day),
        Some(Cell::Bytes(bytes)) => record.blob(&[bytes]),
        None => record.null(),
    }
}

/// Names are used within statements: only letters, digits and underscores.
fn check_name(path: &Path, name: &str) -> Result<()> {
    let plain = name.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    if name.is_empty() || name.len() > 120 || !plain || name == KEY {
        return Err(failed(path, format!("'{name}' is no name for a table or column")));
    }
    Ok(())
}

fn failed(path: &Path, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new("mk::format::gpkg", "cannot write the GeoPackage").at(Place::file(path.display().to_string())).because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Digest;
    use arrow::array::{BinaryArray, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray};
    use arrow::datatypes::{Field, Schema};
    use gdal::vector::LayerAccess;
    use geo::{Area, LineString, Polygon};
    use std::sync::Arc;

    fn square(at: f64, side: f64) -> Vec<u8> {
        let ring = LineString::from(vec![(at, 0.0), (at + side, 0.0), (at + side, side), (at, side), (at, 0.0)]);
        wkb::encode(&Polygon::new(ring, Vec::new()).into())
    }

    fn table() -> RecordBatch {
        let columns: Vec<(&str, arrow::array::ArrayRef)> = vec![
            ("schluessel", Arc::new(StringArray::from(vec![Some("07"), None, Some("Straße")]))),
            ("flaeche", Arc::new(Float64Array::from(vec![Some(100.0), Some(4.0), None]))),
            ("anzahl", Arc::new(Int64Array::from(vec![Some(1_i64 << 40), None, Some(3)]))),
            ("neu", Arc::new(BooleanArray::from(vec![true, false, true]))),
            ("tag", Arc::new(Date32Array::from(vec![0, 19_000, -1]))),
            (
                "geometry",
                Arc::new(BinaryArray::from_opt_vec(vec![Some(&square(500.0, 10.0)[..]), Some(&square(0.0, 2.0)), None])),
            ),
        ];
        let fields: Vec<Field> = columns.iter().map(|(name, it)| Field::new(*name, it.data_type().clone(), true)).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|it| it.1).collect()).unwrap()
    }

    fn write(path: &Path) {
        let batch = table();
        let mut file = Geopackage::create(path, "2024-10-15T07:55:13.000Z").unwrap();
        let layer = Layer {
            name: "Flurstueck",
            title: "Flurstücke",
            geometry: Some("geometry"),
            geometry_type: "POLYGON",
            crs: Some(Crs::UTM32),
        };
        file.add(&layer, &batch.schema(), std::slice::from_ref(&batch)).unwrap();
        let plain = batch.project(&[0, 1]).unwrap();
        let layer = Layer { name: "liste", title: "Liste", geometry: None, geometry_type: "", crs: None };
        file.add(&layer, &plain.schema(), std::slice::from_ref(&plain)).unwrap();
        file.finish().unwrap();
    }

    #[test]
    fn gdal_opens_the_layers_with_values_geometry_crs_and_index() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gpkg");
        write(&path);
        let dataset = crate::io::gdal::open_vector(&path, &["GPKG"]).unwrap();
        assert_eq!(dataset.layer_count(), 2);
        let mut layer = dataset.layer_by_name("Flurstueck").unwrap();
        assert_eq!(layer.feature_count(), 3);
        assert_eq!(layer.spatial_ref().unwrap().auth_code().unwrap(), 25832);
        let extent = layer.get_extent().unwrap();
        assert_eq!((extent.MinX, extent.MaxX, extent.MaxY), (0.0, 510.0, 10.0));
        {
            let first = layer.features().next().unwrap();
            let text = |name: &str| first.field_as_string(first.field_index(name).unwrap()).unwrap();
            assert_eq!(text("schluessel").as_deref(), Some("07"));
            assert_eq!(text("anzahl").as_deref(), Some("1099511627776"));
            assert_eq!(text("tag").as_deref(), Some("1970/01/01"));
            assert_eq!(first.geometry().unwrap().area(), 100.0);
        }
        layer.set_spatial_filter_rect(400.0, 0.0, 600.0, 1.0);
        assert_eq!(layer.features().count(), 1);
        let geometry = wkb::decode(&square(500.0, 10.0)).unwrap();
        assert_eq!(geometry.unsigned_area(), 100.0);
    }

    #[test]
    fn the_header_the_index_and_the_bytes_are_as_the_standard_and_we_want_them() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("a.gpkg"), folder.path().join("b.gpkg"));
        write(&first);
        write(&second);
        assert_eq!(Digest::of_file(&first).unwrap(), Digest::of_file(&second).unwrap());
        let base = Connection::open(&first).unwrap();
        let number = |sql: &str| base.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(number("PRAGMA application_id"), 0x4750_4B47);
        assert_eq!(number("PRAGMA user_version"), 10_300);
        assert_eq!(number("PRAGMA freelist_count"), 0);
        assert_eq!(number("SELECT count(*) FROM rtree_Flurstueck_geometry"), 2);
        assert_eq!(number("SELECT count(*) FROM sqlite_master WHERE type = 'trigger'"), 6);
        assert_eq!(number("SELECT count(*) FROM pragma_foreign_key_check"), 0);
        let check: String = base.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
    }

    #[test]
    fn names_that_could_be_statements_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = Geopackage::create(&folder.path().join("a.gpkg"), "2024-01-01T00:00:00.000Z").unwrap();
        let batch = table();
        let layer = Layer { name: "a\"; DROP", title: "", geometry: None, geometry_type: "", crs: None };
        let error = file.add(&layer, &batch.schema(), &[batch]).unwrap_err();
        assert_eq!(error.code(), "mk::format::gpkg");
    }
}
