//! The table of where parcels are booked in the land register, for an office that reads owners: the way from a parcel to its owners.

use super::{Options, owners};
use crate::dataset::AssembleContext;
use crate::error::{Error, Result};
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::path::Path;
use std::sync::Arc;

/// Name of the file.
pub const FILE: &str = "flurstueck_buchung.parquet";
/// Rows that are in memory at once.
const ROW_GROUP: usize = 65_536;

/// Columns, and whether they may be empty.
const COLUMNS: [(&str, bool); 5] =
    [("flurstueckskennzeichen", true), ("flurstueck", false), ("buchungsstelle", false), ("beginnt", false), ("endet", true)];

/// Writes a row for each `istGebucht` of each version of a parcel that is shown.
///
/// # Errors
/// When a result cannot be read or the file not be written.
pub fn write(path: &Path, options: &Options, context: &AssembleContext<'_>) -> Result<()> {
    let fields: Vec<Field> = COLUMNS.iter().map(|(name, missing)| Field::new(*name, DataType::Utf8, *missing)).collect();
    let schema = Arc::new(Schema::new(fields));
    let zstd = Compression::ZSTD(ZstdLevel::try_new(3).map_err(failed)?);
    let properties = WriterProperties::builder().set_compression(zstd).set_max_row_group_row_count(Some(ROW_GROUP)).build();
    let file = std::fs::File::create(path).map_err(failed)?;
    let mut writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties)).map_err(failed)?;
    owners::each_booked(context.results, options, |rows| {
        let mut columns: [Vec<Option<String>>; 5] = Default::default();
        for row in &rows {
            let fields = row.fields();
            let key = fields.text(&["flurstueckskennzeichen"]);
            for entry in fields.list("istGebucht") {
                let values = [key.as_deref(), Some(&row.oid), Some(&entry), Some(&row.beginnt), row.endet.as_deref()];
                columns.iter_mut().zip(values).for_each(|(column, value)| column.push(value.map(str::to_owned)));
            }
        }
        let columns = columns.map(|column| Arc::new(StringArray::from(column)) as ArrayRef);
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns.into()).map_err(failed)?;
        writer.write(&batch).map_err(failed)
    })?;
    writer.close().map_err(failed)?;
    Ok(())
}

fn failed(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new("mk::cadastre::bookings", "the table of bookings in the land register cannot be written").because(cause)
}
