//! Parquet files whose columns are all text: the lineage of parcels, and where they are booked.

use crate::error::{Error, Place, Result};
use arrow::array::{ArrayRef, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows that are in memory at once, at most, beside those of one call.
const ROW_GROUP: usize = 65_536;

/// A file that is being written.
pub struct Texts<const N: usize> {
    path: PathBuf,
    schema: Arc<Schema>,
    writer: ArrowWriter<File>,
}

impl<const N: usize> Texts<N> {
    /// Begins a file with these columns, and whether they may be empty.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(path: &Path, columns: [(&str, bool); N]) -> Result<Self> {
        let fields = columns.map(|(name, may_be_empty)| Field::new(name, DataType::Utf8, may_be_empty));
        let schema = Arc::new(Schema::new(fields.to_vec()));
        let failed = |cause| failed(path, cause);
        let zstd = Compression::ZSTD(ZstdLevel::try_new(3).map_err(|error| failed(error.into()))?);
        let properties = WriterProperties::builder().set_compression(zstd).set_max_row_group_row_count(Some(ROW_GROUP)).build();
        let file = File::create(path).map_err(|error| failed(error.into()))?;
        let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties)).map_err(|error| failed(error.into()))?;
        Ok(Self { path: path.to_owned(), schema, writer })
    }

    /// Adds rows.
    ///
    /// # Errors
    /// When the file cannot be written, or a value is missing where none may be.
    pub fn add<'r>(&mut self, rows: impl IntoIterator<Item = [Option<&'r str>; N]>) -> Result<()> {
        let mut columns: [StringBuilder; N] = std::array::from_fn(|_| StringBuilder::new());
        for row in rows {
            columns.iter_mut().zip(row).for_each(|(column, value)| column.append_option(value));
        }
        let columns = columns.map(|mut column| Arc::new(column.finish()) as ArrayRef);
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns.to_vec());
        let batch = batch.map_err(|error| failed(&self.path, error.into()))?;
        self.writer.write(&batch).map_err(|error| failed(&self.path, error.into()))
    }

    /// Ends the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(self) -> Result<()> {
        self.writer.close().map(|_| ()).map_err(|error| failed(&self.path, error.into()))
    }
}

fn failed(path: &Path, cause: Box<dyn std::error::Error + Send + Sync>) -> Error {
    let place = Place::file(path.display().to_string());
    Error::new("mk::cadastre::history", "cannot write a table of the history").at(place).because(cause)
}
