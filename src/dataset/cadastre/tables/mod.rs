//! The published tables, derived from the current objects.
//!
//! Seven have the names and fields of ALKIS vereinfacht (`ave:` 2.0); `adresse` is ours; `objekt` holds every object that has no
//! row of its own in another. So each object kept is in exactly one table.

mod address;
mod district;
mod generic;
mod land_use;
mod lookups;
pub mod names;
mod parcel;
mod pieces;
pub mod rows;
mod structure;
#[cfg(test)]
mod tests;

pub use land_use::labels;
pub use lookups::Lookups;
pub use names::asks;

use super::attributes::Attributes;
use super::row::Row;
use crate::error::{Error, Result};
use arrow::array::{ArrayRef, BinaryBuilder, Float64Builder, Int32Builder, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use pieces::pieces;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Name of the geometry column.
pub const GEOMETRY: &str = "geometry";

/// What a table is called and has.
pub struct Spec {
    /// Name as a GeoPackage layer.
    pub name: &'static str,
    /// Name as a file.
    pub file: &'static str,
    /// German title.
    pub title: &'static str,
    /// Geometry type of the layer.
    pub geometry_type: &'static str,
    /// Columns before the geometry.
    columns: &'static [(&'static str, Kind)],
}

impl Spec {
    /// The columns, the geometry last.
    pub fn schema(&self) -> SchemaRef {
        let columns = self.columns.iter().map(|(name, kind)| {
            let data_type = match kind {
                Kind::Text => DataType::Utf8,
                Kind::Real => DataType::Float64,
                Kind::Whole => DataType::Int32,
            };
            Field::new(*name, data_type, true)
        });
        Arc::new(Schema::new(columns.chain([Field::new(GEOMETRY, DataType::Binary, true)]).collect::<Vec<_>>()))
    }
}

/// All tables, as they are published.
pub static TABLES: [&Spec; 9] = [
    &parcel::PARCEL,
    &parcel::POINT,
    &structure::STRUCTURE,
    &district::CADASTRAL,
    &land_use::LAND_USE,
    &district::ADMINISTRATIVE,
    &address::ADDRESS,
    &generic::OBJECT,
    &pieces::PIECE,
];

/// Index of `NutzungFlurstueck` among [`TABLES`]: its rows come from the blocks of the stage `areas`, not from the cells.
pub const PIECES: usize = TABLES.len() - 1;
/// Index of `objekt` among [`TABLES`].
#[cfg(test)]
pub const GENERIC: usize = PIECES - 1;

/// Type of a column.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Real,
    Whole,
}

/// A value of a row.
enum Cell<'c> {
    Text(Option<Cow<'c, str>>),
    Real(Option<f64>),
    Whole(Option<i32>),
}

impl<'c> From<Option<Cow<'c, str>>> for Cell<'c> {
    fn from(text: Option<Cow<'c, str>>) -> Self {
        Self::Text(text.filter(|text| !text.is_empty()))
    }
}
impl From<Option<String>> for Cell<'_> {
    fn from(text: Option<String>) -> Self {
        Self::from(text.map(Cow::Owned))
    }
}
impl<'c> From<Option<&'c str>> for Cell<'c> {
    fn from(text: Option<&'c str>) -> Self {
        Self::from(text.map(Cow::Borrowed))
    }
}
impl<'c> From<&'c str> for Cell<'c> {
    fn from(text: &'c str) -> Self {
        Self::from(Some(text))
    }
}
impl From<String> for Cell<'_> {
    fn from(text: String) -> Self {
        Self::from(Some(text))
    }
}
impl From<Option<f64>> for Cell<'_> {
    fn from(value: Option<f64>) -> Self {
        Self::Real(value)
    }
}
impl From<Option<i32>> for Cell<'_> {
    fn from(value: Option<i32>) -> Self {
        Self::Whole(value)
    }
}

/// A column being gathered.
enum Column {
    Text(StringBuilder),
    Real(Float64Builder),
    Whole(Int32Builder),
}

/// Rows of a table being gathered; each goes to its columns at once, so that a table is never in memory twice.
struct Builder {
    spec: &'static Spec,
    columns: Vec<Column>,
    geometry: BinaryBuilder,
}

impl Builder {
    fn new(spec: &'static Spec) -> Self {
        let column = |kind: &Kind| match kind {
            Kind::Text => Column::Text(StringBuilder::new()),
            Kind::Real => Column::Real(Float64Builder::new()),
            Kind::Whole => Column::Whole(Int32Builder::new()),
        };
        let columns = spec.columns.iter().map(|(_, kind)| column(kind)).collect();
        Self { spec, columns, geometry: BinaryBuilder::new() }
    }
    fn push<'c>(&mut self, cells: impl IntoIterator<Item = Cell<'c>>, geometry: Option<&[u8]>) {
        let mut cells = cells.into_iter();
        for column in &mut self.columns {
            match (column, cells.next()) {
                (Column::Text(column), Some(Cell::Text(text))) => column.append_option(text),
                (Column::Real(column), Some(Cell::Real(value))) => column.append_option(value),
                (Column::Whole(column), Some(Cell::Whole(value))) => column.append_option(value),
                (Column::Text(column), _) => column.append_null(),
                (Column::Real(column), _) => column.append_null(),
                (Column::Whole(column), _) => column.append_null(),
            }
        }
        self.geometry.append_option(geometry);
    }
    fn finish(self) -> Result<RecordBatch> {
        let columns = self.columns.into_iter().map(|column| -> ArrayRef {
            match column {
                Column::Text(mut column) => Arc::new(column.finish()),
                Column::Real(mut column) => Arc::new(column.finish()),
                Column::Whole(mut column) => Arc::new(column.finish()),
            }
        });
        let mut geometry = self.geometry;
        let geometry: ArrayRef = Arc::new(geometry.finish());
        RecordBatch::try_new(self.spec.schema(), columns.chain([geometry]).collect())
            .map_err(|error| Error::new("mk::cadastre::table", "a table cannot be made").because(error))
    }
}

/// The current objects of a cell by their classes.
type Classes<'r> = BTreeMap<&'r str, Vec<Object<'r>>>;

/// A current object; its properties are found when they are first asked for: most objects go through as they are.
struct Object<'r> {
    row: &'r Row,
    fields: OnceCell<Attributes<'r>>,
}

impl<'r> Object<'r> {
    fn new(row: &'r Row) -> Self {
        Self { row, fields: OnceCell::new() }
    }
    fn fields(&self) -> &Attributes<'r> {
        self.fields.get_or_init(|| self.row.fields())
    }
    /// A text of the object, by path.
    fn text(&self, path: &[&str]) -> Option<Cow<'r, str>> {
        self.fields().text(path)
    }
    /// A number of the object.
    fn real(&self, name: &str) -> Option<f64> {
        self.fields().real(name)
    }
    /// A property that may be given several times.
    fn list(&self, name: &str) -> Vec<Cow<'r, str>> {
        self.fields().list(name)
    }
    /// Date of the version's begin.
    fn date(&self) -> &'r str {
        self.row.beginnt.get(..10).unwrap_or(&self.row.beginnt)
    }
}

/// The text on land use that parcels carry, by their identifiers.
pub type Uses = BTreeMap<String, String>;

/// The rows of a cell in all [`TABLES`] but that of pieces; the cell's rows come ordered by class and identifier.
///
/// # Errors
/// When a table cannot be made.
pub fn tables(rows: &[Row], lookups: &Lookups, uses: &Uses) -> Result<[RecordBatch; PIECES]> {
    let mut classes: Classes<'_> = BTreeMap::new();
    let mut ended = Vec::new();
    for row in rows {
        let object = Object::new(row);
        if row.endet.is_some() {
            ended.push(object);
        } else {
            classes.entry(&row.class).or_default().push(object);
        }
    }
    Ok([
        parcel::parcels(&classes, lookups, uses)?,
        parcel::points(&classes, lookups)?,
        structure::structures(&classes, lookups)?,
        district::cadastral(&classes)?,
        land_use::land_use(&classes)?,
        district::administrative(&classes)?,
        address::addresses(&classes, lookups)?,
        generic::rest(&classes, &ended, lookups)?,
    ])
}
