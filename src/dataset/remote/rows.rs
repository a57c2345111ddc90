//! Rows of a database as a GeoParquet file: values with their types, geometries as they are.

use crate::crs::Crs;
use crate::error::{Error, Place, Result};
use crate::format::geoparquet;
use crate::io::atomic;
use crate::io::postgres::Value;
use arrow::array::{
    ArrayBuilder, BinaryBuilder, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, RecordBatch, StringBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// Rows that are handed on at once, and bytes after which fewer are.
const ROWS: usize = 8192;
const BYTES: usize = 16 << 20;
/// Bytes of a row group that are in memory.
const GROUP: usize = 64 << 20;

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub kind: Kind,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Whole,
    Real,
    Truth,
    Day,
    Text,
    Place { geography: bool },
}

/// The values of a column.
enum Values {
    Whole(Int64Builder),
    Real(Float64Builder),
    Truth(BooleanBuilder),
    Day(Date32Builder),
    Text(StringBuilder),
    Place(BinaryBuilder),
}

impl Values {
    fn of(kind: Kind) -> (Self, DataType) {
        match kind {
            Kind::Whole => (Self::Whole(Int64Builder::new()), DataType::Int64),
            Kind::Real => (Self::Real(Float64Builder::new()), DataType::Float64),
            Kind::Truth => (Self::Truth(BooleanBuilder::new()), DataType::Boolean),
            Kind::Day => (Self::Day(Date32Builder::new()), DataType::Date32),
            Kind::Text => (Self::Text(StringBuilder::new()), DataType::Utf8),
            Kind::Place { .. } => (Self::Place(BinaryBuilder::new()), DataType::Binary),
        }
    }

    /// Adds a value as the server writes it; `None` when it is not of the type.
    fn add(&mut self, value: Value<'_>) -> Option<()> {
        let text = value.map(std::str::from_utf8).transpose().ok()?;
        match self {
            Self::Whole(values) => values.append_option(text.map(str::parse).transpose().ok()?),
            // `NaN` and `Infinity` are numbers to both.
            Self::Real(values) => values.append_option(text.map(str::parse).transpose().ok()?),
            Self::Truth(values) => values.append_option(text.map(|text| text == "t")),
            Self::Day(values) => values.append_option(match text {
                Some(text) => Some(days(text)?),
                None => None,
            }),
            Self::Text(values) => values.append_option(text),
            Self::Place(values) => values.append_option(match text {
                Some(text) => Some(bytes(text)?),
                None => None,
            }),
        }
        Some(())
    }

    fn builder(&mut self) -> &mut dyn ArrayBuilder {
        match self {
            Self::Whole(values) => values,
            Self::Real(values) => values,
            Self::Truth(values) => values,
            Self::Day(values) => values,
            Self::Text(values) => values,
            Self::Place(values) => values,
        }
    }
}

/// Days since 1970 of `2026-03-01`.
fn days(text: &str) -> Option<i32> {
    let day: jiff::civil::Date = text.parse().ok()?;
    Some(jiff::civil::date(1970, 1, 1).until(day).ok()?.get_days())
}

/// Bytes of `\x0101…`.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("\\x")?.as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pair = |pair: &[u8]| Some((digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?) as u8);
    digits.chunks(2).map(pair).collect()
}

/// A file that is being written.
pub struct Writer<'w> {
    parquet: ArrowWriter<File>,
    schema: SchemaRef,
    columns: &'w [Column],
    values: Vec<Values>,
    waiting: usize,
    waiting_bytes: usize,
    rows: u64,
    path: &'w Path,
}

impl<'w> Writer<'w> {
    /// Begins a file in a folder that nobody sees yet.
    ///
    /// # Errors
    /// When it cannot be written, or the CRS has no definition.
    pub fn create(path: &'w Path, columns: &'w [Column], crs: Option<Crs>) -> Result<Self> {
        let (values, fields): (Vec<Values>, Vec<Field>) = columns
            .iter()
            .map(|column| {
                let (values, data_type) = Values::of(column.kind);
                (values, Field::new(&column.name, data_type, true))
            })
            .unzip();
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let place = columns.iter().find(|column| matches!(column.kind, Kind::Place { .. }));
        let parquet = geoparquet::plain(atomic::create_unseen(path)?, &schema, place.map(|place| place.name.as_str()), crs)?;
        Ok(Self { parquet, schema, columns, values, waiting: 0, waiting_bytes: 0, rows: 0, path })
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Adds a row.
    ///
    /// # Errors
    /// When it has another number of values, a value is not of its column's type, or the file cannot be written. The message names the
    /// column, never the value.
    pub fn add(&mut self, row: &[Value<'_>]) -> Result<()> {
        if row.len() != self.columns.len() {
            return Err(Error::new("mk::remote::row", "the database answers what was not asked"));
        }
        for ((value, values), column) in row.iter().zip(&mut self.values).zip(self.columns) {
            values.add(*value).ok_or_else(|| {
                let what = if column.kind == Kind::Day { "no day between the years -9999 and 9999" } else { "not of its type" };
                Error::new("mk::remote::value", format!("a value of the column {} is {what}", column.name))
                    .hint("make a view without it, and name that")
            })?;
            self.waiting_bytes += value.map_or(1, <[u8]>::len);
        }
        self.rows += 1;
        self.waiting += 1;
        if self.waiting >= ROWS || self.waiting_bytes >= BYTES { self.hand_on() } else { Ok(()) }
    }

    fn hand_on(&mut self) -> Result<()> {
        let arrays = self.values.iter_mut().map(|values| values.builder().finish()).collect();
        let failed = failed(self.path);
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(|error| failed(error.into()))?;
        self.parquet.write(&batch).map_err(|error| failed(error.into()))?;
        if self.parquet.in_progress_size() >= GROUP {
            self.parquet.flush().map_err(|error| failed(error.into()))?;
        }
        (self.waiting, self.waiting_bytes) = (0, 0);
        Ok(())
    }

    /// Closes the file and brings it to disk.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> Result<()> {
        self.hand_on()?;
        self.parquet.close().map_err(|error| failed(self.path)(error.into()))?;
        atomic::keep(self.path)
    }
}

fn failed(path: &Path) -> impl Fn(Box<dyn std::error::Error + Send + Sync>) -> Error + use<> {
    let name = path.display().to_string();
    move |error| Error::new("mk::io::write", "cannot write what was fetched").at(Place::file(&name)).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_the_server_writes_them() {
        assert_eq!(bytes("\\x01fF"), Some(vec![1, 255]));
        for bad in ["01", "\\x1", "\\xgg"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
        assert_eq!((days("1970-01-02"), days("infinity"), days("0044-03-15 BC")), (Some(1), None, None));
        let (mut whole, _) = Values::of(Kind::Whole);
        assert!(whole.add(Some(b"9223372036854775807")).is_some() && whole.add(None).is_some());
        assert!(whole.add(Some(b"1.5")).is_none() && whole.add(Some(b"\xff")).is_none());
    }
}
