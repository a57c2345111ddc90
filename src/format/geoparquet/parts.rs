//! A file out of parts that were encoded before: each is a small file of its own, whose row groups are taken over as they are. What of a
//! large table has not changed is then copied, not encoded again.

use super::{Options, Seen, Writer, failed, geo_key, properties, with_covering};
use crate::crs::Bbox;
use crate::error::Result;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use parquet::arrow::{ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata};
use parquet::column::writer::ColumnCloseResult;
use parquet::file::metadata::{KeyValue, PageIndexPolicy, ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader};
use parquet::file::writer::SerializedFileWriter;
use serde_json::Value;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

/// Encodes rows as a part.
///
/// # Errors
/// Those of [`Writer`].
pub fn part(schema: &SchemaRef, batches: &[RecordBatch], options: &Options) -> Result<Vec<u8>> {
    let mut writer = Writer::new(Vec::new(), schema, options)?;
    batches.iter().try_for_each(|batch| writer.write(batch))?;
    writer.finish()
}

/// Joins parts to a file; `schema` is that of their rows, `options` those by which they were encoded.
///
/// # Errors
/// When a part is none, or of other columns; when the file cannot be written; and those of `parts`.
pub fn join_file(
    path: &Path,
    schema: &SchemaRef,
    parts: impl IntoIterator<Item = Result<Vec<u8>>>,
    options: &Options,
) -> Result<()> {
    let file = crate::io::atomic::create_unseen(path)?;
    let at = |error: crate::error::Error| error.at(crate::error::Place::file(path.display().to_string()));
    let output = join(BufWriter::with_capacity(1 << 18, file), schema, parts, options).map_err(at)?;
    output.into_inner().map(drop).map_err(|error| at(failed(error.into_error())))
}

fn join<W: Write + Send>(
    output: W,
    schema: &SchemaRef,
    parts: impl IntoIterator<Item = Result<Vec<u8>>>,
    options: &Options,
) -> Result<W> {
    let schema = with_covering(schema, options)?;
    let mut properties = properties(options)?;
    add_encoded_arrow_schema_to_metadata(&schema, &mut properties);
    let columns = ArrowSchemaConverter::new().convert(&schema).map_err(failed)?;
    let mut writer = SerializedFileWriter::new(output, columns.root_schema_ptr(), Arc::new(properties)).map_err(failed)?;
    let mut seen = Seen::default();
    for part in parts {
        let part = Bytes::from(part?);
        // Of the encodings of pages not just which there are: they are told again as they were.
        let whole = ParquetMetaDataOptions::new().with_encoding_stats_as_mask(false);
        let reader =
            ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional).with_metadata_options(Some(whole));
        let about = reader.parse_and_finish(&part).map_err(failed)?;
        if about.file_metadata().schema() != columns.root_schema() {
            return Err(failed("a part of the table has other columns"));
        }
        seen.add(&geo_of(&about)?, &options.geometry)?;
        for (index, group) in about.row_groups().iter().enumerate() {
            let mut out = writer.next_row_group().map_err(failed)?;
            for (column, chunk) in group.columns().iter().enumerate() {
                let close = ColumnCloseResult {
                    bytes_written: u64::try_from(chunk.compressed_size()).map_err(failed)?,
                    rows_written: u64::try_from(group.num_rows()).map_err(failed)?,
                    metadata: chunk.clone(),
                    bloom_filter: None,
                    column_index: about.column_index().and_then(|all| all.get(index)?.get(column)).cloned(),
                    offset_index: about.offset_index().and_then(|all| all.get(index)?.get(column)).cloned(),
                };
                out.append_column(&part, close).map_err(failed)?;
            }
            out.close().map_err(failed)?;
        }
    }
    let geo = geo_key(&options.geometry, options.crs, &seen)?;
    writer.append_key_value_metadata(KeyValue::new("geo".to_owned(), geo.to_string()));
    writer.into_inner().map_err(failed)
}

/// What a part says of its geometries.
fn geo_of(about: &ParquetMetaData) -> Result<Value> {
    let pairs = about.file_metadata().key_value_metadata();
    let geo = pairs.and_then(|pairs| pairs.iter().find(|pair| pair.key == "geo")).and_then(|pair| pair.value.as_deref());
    serde_json::from_str(geo.unwrap_or_default()).map_err(failed)
}

impl Seen {
    /// Adds what a part says.
    fn add(&mut self, geo: &Value, name: &str) -> Result<()> {
        let column = &geo["columns"][name];
        let types = column["geometry_types"].as_array().ok_or_else(|| failed("a part says nothing of its geometries"))?;
        self.types.extend(types.iter().filter_map(|kind| kind.as_str().map(str::to_owned)));
        let corners: Vec<f64> = column["bbox"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
        match corners[..] {
            [west, south, east, north] => self.bbox = self.bbox.union(Bbox::new([west, south], [east, north])),
            [west, south, low, east, north, high] => {
                self.bbox = self.bbox.union(Bbox::new([west, south], [east, north]));
                self.z = [self.z[0].min(low), self.z[1].max(high)];
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::table;
    use super::*;
    use crate::crs::Crs;
    use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

    /// A file of parts says and holds what one says and holds that is written at once, where its row groups end with the parts.
    #[test]
    fn a_file_of_parts_is_that_of_all_rows() {
        let rows = table(300);
        let options = Options { row_group_rows: 100, unique: vec!["oid".into()], ..Options::new("geometry", Some(Crs::UTM32)) };
        let parts = || [0, 100, 200].map(|first| part(&rows.schema(), &[rows.slice(first, 100)], &options));
        let joined = join(Vec::new(), &rows.schema(), parts(), &options).unwrap();
        assert_eq!(joined, join(Vec::new(), &rows.schema(), parts(), &options).unwrap());
        let whole = part(&rows.schema(), std::slice::from_ref(&rows), &options).unwrap();
        let [joined, whole] = [joined, whole].map(Bytes::from);
        let about = |file: &Bytes| {
            let read = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
            ArrowReaderMetadata::load(file, read).unwrap().metadata().as_ref().clone()
        };
        assert!(about(&joined) == about(&whole), "extents, types, statistics, page indexes, where everything lies");
        let read: Vec<RecordBatch> =
            ParquetRecordBatchReaderBuilder::try_new(joined).unwrap().build().unwrap().map(Result::unwrap).collect();
        let read = arrow::compute::concat_batches(&read[0].schema(), &read).unwrap();
        assert_eq!(read.project(&[0, 1]).unwrap().columns(), rows.columns());
    }

    #[test]
    fn what_is_no_part_is_refused() {
        let rows = table(3);
        let options = Options::new("geometry", None);
        let whole = part(&rows.schema(), std::slice::from_ref(&rows), &options).unwrap();
        let join = |part: Vec<u8>, schema: &SchemaRef| join(Vec::new(), schema, [Ok(part)], &options);
        assert!(join(whole.clone(), &rows.schema()).is_ok());
        let other = rows.project(&[1]).unwrap();
        assert!(join(whole.clone(), &other.schema()).is_err());
        for length in [0, 4, whole.len() / 2, whole.len() - 1] {
            assert!(join(whole[..length].to_vec(), &rows.schema()).is_err(), "{length}");
        }
    }
}
