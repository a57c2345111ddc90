//! GeoParquet 1.1 (OGC): Arrow tables with a WKB column to a file that is sorted, covered by a bounding box column, and packed
//! with zstd.
//!
//! The caller gives record batches with one column of WKB (`Binary`, missing where there is no geometry). The writer adds a column
//! `bbox` (a struct of four doubles) whose statistics let a reader skip row groups, and the key `geo`. Rows keep their order; see
//! [`sorted`] for one that makes the row groups small on the map.

mod parts;

pub use parts::{join_file, part};

use crate::crs::{Bbox, Crs};
use crate::error::{Error, Result};
use crate::format::wkb::{self, Summary};
use crate::vector::hilbert;
use arrow::array::{Array, ArrayRef, BinaryArray, Float64Array, RecordBatch, StructArray, UInt32Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

/// Name of the column with the extents.
pub const COVERING: &str = "bbox";

/// How a table is written.
#[derive(Debug, Clone)]
pub struct Options {
    /// Name of the column with the geometry.
    pub geometry: String,
    /// CRS of the geometry; `None` writes an explicitly unknown one.
    pub crs: Option<Crs>,
    /// Rows in a row group.
    pub row_group_rows: usize,
    /// Level of zstd, 1 to 22.
    pub zstd_level: i32,
    /// Columns in which no value comes twice: a dictionary of them would only cost.
    pub unique: Vec<String>,
}

impl Options {
    /// The usual ones: 16,384 rows in a group, zstd 3.
    pub fn new(geometry: impl Into<String>, crs: Option<Crs>) -> Self {
        Self { geometry: geometry.into(), crs, row_group_rows: 16_384, zstd_level: 3, unique: Vec::new() }
    }
}

/// Writes a table to a file, from rows that come some at a time.
///
/// # Errors
/// When the geometry column is missing or holds no WKB, or the file cannot be written; and those of `batches`.
pub fn write_file(
    path: &Path,
    schema: &SchemaRef,
    batches: impl IntoIterator<Item = Result<RecordBatch>>,
    options: &Options,
) -> Result<()> {
    let file = crate::io::atomic::create_unseen(path)?;
    let mut writer = Writer::new(BufWriter::new(file), schema, options)?;
    for batch in batches {
        writer.write(&batch?)?;
    }
    let at = |error: Error| error.at(crate::error::Place::file(path.display().to_string()));
    writer.finish()?.flush().map_err(failed).map_err(at)
}

/// True when a Parquet file has these columns.
///
/// # Errors
/// When the file cannot be read.
pub fn has_columns(path: &Path, names: &[&str]) -> Result<bool> {
    let damaged = |error: Box<dyn std::error::Error + Send + Sync>| {
        Error::new("mk::format::geoparquet", "cannot read the table")
            .at(crate::error::Place::file(path.display().to_string()))
            .because(error)
    };
    let file = std::fs::File::open(path).map_err(|error| damaged(error.into()))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| damaged(error.into()))?;
    Ok(names.iter().all(|name| builder.schema().index_of(name).is_ok()))
}

/// Reads columns of a Parquet file, in the order of the file.
///
/// # Errors
/// When the file cannot be read or lacks a column.
pub fn columns(path: &Path, names: &[&str]) -> Result<Vec<RecordBatch>> {
    let mut all = Vec::new();
    each(path, names, &mut |rows| {
        all.push(rows.clone());
        Ok(())
    })?;
    Ok(all)
}

/// As [`columns`], some rows at a time, for tables that are larger than memory.
///
/// # Errors
/// When the file cannot be read or lacks a column; those of `take`.
pub fn each(path: &Path, names: &[&str], take: &mut dyn FnMut(&RecordBatch) -> Result<()>) -> Result<()> {
    let damaged = |error: Box<dyn std::error::Error + Send + Sync>| {
        Error::new("mk::format::geoparquet", "cannot read the table")
            .at(crate::error::Place::file(path.display().to_string()))
            .because(error)
    };
    let file = std::fs::File::open(path).map_err(|error| damaged(error.into()))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| damaged(error.into()))?;
    if let Some(missing) = names.iter().find(|name| builder.schema().index_of(name).is_err()) {
        return Err(damaged(format!("it has no column '{missing}'").into()));
    }
    let mask = ProjectionMask::columns(builder.parquet_schema(), names.iter().copied());
    let reader = builder.with_projection(mask).build().map_err(|error| damaged(error.into()))?;
    for rows in reader {
        take(&rows.map_err(|error| damaged(error.into()))?)?;
    }
    Ok(())
}

/// Writes a table batch by batch.
pub struct Writer<W: Write + Send> {
    parquet: ArrowWriter<W>,
    schema: SchemaRef,
    geometry: usize,
    crs: Option<Crs>,
    seen: Seen,
}

/// What the `geo` key says about all rows.
struct Seen {
    types: BTreeSet<String>,
    bbox: Bbox,
    z: [f64; 2],
}

impl Default for Seen {
    fn default() -> Self {
        Self { types: BTreeSet::new(), bbox: Bbox::EMPTY, z: [f64::INFINITY, f64::NEG_INFINITY] }
    }
}

impl<W: Write + Send> Writer<W> {
    /// Begins a file with the columns of `schema` and the column [`COVERING`] after them.
    ///
    /// # Errors
    /// When `schema` has no binary column of the given name, or one named [`COVERING`].
    pub fn new(output: W, schema: &SchemaRef, options: &Options) -> Result<Self> {
        let geometry = schema.index_of(&options.geometry).map_err(failed)?;
        let schema = with_covering(schema, options)?;
        let arrow = ArrowWriterOptions::new().with_properties(properties(options)?);
        let parquet = ArrowWriter::try_new_with_options(output, Arc::clone(&schema), arrow).map_err(failed)?;
        Ok(Self { parquet, schema, geometry, crs: options.crs, seen: Seen::default() })
    }
    /// Adds rows.
    ///
    /// # Errors
    /// When the columns are not those of the schema, a geometry is no WKB, or the output fails.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let summaries = summaries(batch, self.geometry)?;
        for summary in summaries.iter().flatten() {
            self.seen.types.insert(summary.type_name());
            self.seen.bbox = self.seen.bbox.union(summary.bbox);
            self.seen.z = [self.seen.z[0].min(summary.z[0]), self.seen.z[1].max(summary.z[1])];
        }
        let mut columns = batch.columns().to_vec();
        columns.push(covering(&summaries)?);
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(failed)?;
        self.parquet.write(&batch).map_err(failed)
    }
    /// Writes the `geo` key and the footer, and gives the output back.
    ///
    /// # Errors
    /// When the CRS has no definition or the output fails.
    pub fn finish(mut self) -> Result<W> {
        let name = self.schema.field(self.geometry).name();
        let geo = geo_key(name, self.crs, &self.seen)?;
        self.parquet.append_key_value_metadata(KeyValue::new("geo".to_owned(), geo.to_string()));
        self.parquet.into_inner().map_err(failed)
    }
}

/// The columns of the rows, and the covering after them.
fn with_covering(schema: &SchemaRef, options: &Options) -> Result<SchemaRef> {
    let geometry = schema.index_of(&options.geometry).map_err(failed)?;
    if schema.field(geometry).data_type() != &DataType::Binary || schema.index_of(COVERING).is_ok() {
        return Err(failed(format!("'{}' is to be a column of bytes, '{COVERING}' not to be taken", options.geometry)));
    }
    let mut fields: Vec<Arc<Field>> = schema.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(COVERING, DataType::Struct(corner_fields()), true)));
    Ok(Arc::new(Schema::new(fields)))
}

/// How the columns are encoded.
fn properties(options: &Options) -> Result<WriterProperties> {
    let column = ColumnPath::new(vec![options.geometry.clone()]);
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(options.zstd_level).map_err(failed)?))
        .set_max_row_group_row_count(Some(options.row_group_rows.max(1)))
        .set_column_dictionary_enabled(column.clone(), false)
        .set_column_statistics_enabled(column, EnabledStatistics::None);
    let corners = CORNERS.map(|corner| vec![COVERING.to_owned(), corner.to_owned()]);
    for path in corners.into_iter().chain(options.unique.iter().map(|name| vec![name.clone()])) {
        properties = properties.set_column_dictionary_enabled(ColumnPath::new(path), false);
    }
    Ok(properties.build())
}

/// Begins a file for rows as they are, whose geometries nobody looks at: with all types that there may be and without extents.
///
/// # Errors
/// When the CRS has no definition, or the output fails.
pub fn plain<W: Write + Send>(output: W, schema: &SchemaRef, geometry: Option<&str>, crs: Option<Crs>) -> Result<ArrowWriter<W>> {
    let mut properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default()));
    if let Some(name) = geometry {
        let column = ColumnPath::new(vec![name.to_owned()]);
        properties = properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_statistics_enabled(column, EnabledStatistics::None);
    }
    let arrow = ArrowWriterOptions::new().with_properties(properties.build());
    let mut writer = ArrowWriter::try_new_with_options(output, Arc::clone(schema), arrow).map_err(failed)?;
    if let Some(name) = geometry {
        let crs = crs.map(crate::crs::projjson).transpose()?;
        let columns = json!({ name: { "encoding": "WKB", "geometry_types": [], "crs": crs } });
        let geo = json!({ "version": "1.1.0", "primary_column": name, "columns": columns });
        writer.append_key_value_metadata(KeyValue::new("geo".to_owned(), geo.to_string()));
    }
    Ok(writer)
}

const CORNERS: [&str; 4] = ["xmin", "ymin", "xmax", "ymax"];

fn corner_fields() -> Fields {
    CORNERS.iter().map(|corner| Field::new(*corner, DataType::Float64, false)).collect()
}

/// GeoParquet 1.1.0, "File Metadata" and "Column Metadata".
fn geo_key(name: &str, crs: Option<Crs>, seen: &Seen) -> Result<Value> {
    let mut column = json!({
        "encoding": "WKB",
        "geometry_types": seen.types,
        "crs": crs.map(crate::crs::projjson).transpose()?,
        "covering": { "bbox": {} },
    });
    for corner in CORNERS {
        column["covering"]["bbox"][corner] = json!([COVERING, corner]);
    }
    let Bbox { min, max } = seen.bbox;
    if seen.z[0] <= seen.z[1] {
        column["bbox"] = json!([min[0], min[1], seen.z[0], max[0], max[1], seen.z[1]]);
    } else if !seen.bbox.is_empty() {
        column["bbox"] = json!([min[0], min[1], max[0], max[1]]);
    }
    let mut columns = serde_json::Map::new();
    columns.insert(name.to_owned(), column);
    Ok(json!({ "version": "1.1.0", "primary_column": name, "columns": columns }))
}

fn summaries(batch: &RecordBatch, geometry: usize) -> Result<Vec<Option<Summary>>> {
    let column = batch.column(geometry).as_any().downcast_ref::<BinaryArray>();
    let column = column.ok_or_else(|| failed("the geometry is no column of bytes"))?;
    column.iter().map(|value| value.map(wkb::summary).transpose()).collect()
}

/// The covering: missing where there is no geometry or an empty one.
fn covering(summaries: &[Option<Summary>]) -> Result<ArrayRef> {
    let boxes: Vec<Option<Bbox>> =
        summaries.iter().map(|summary| summary.map(|it| it.bbox).filter(|bbox| !bbox.is_empty())).collect();
    let corner = |take: fn(&Bbox) -> f64| -> ArrayRef {
        Arc::new(boxes.iter().map(|bbox| bbox.as_ref().map_or(0.0, take)).collect::<Float64Array>())
    };
    let columns = vec![corner(|it| it.min[0]), corner(|it| it.min[1]), corner(|it| it.max[0]), corner(|it| it.max[1])];
    let nulls: NullBuffer = boxes.iter().map(Option::is_some).collect();
    Ok(Arc::new(StructArray::try_new(corner_fields(), columns, Some(nulls)).map_err(failed)?))
}

/// The rows of a table along the Hilbert curve through the centres of their geometries; rows without one come last, equals keep
/// their order.
///
/// # Errors
/// When the column is missing or holds no WKB.
pub fn sorted(batch: &RecordBatch, geometry: &str) -> Result<RecordBatch> {
    let column = batch.schema().index_of(geometry).map_err(failed)?;
    let boxes: Vec<Bbox> =
        summaries(batch, column)?.into_iter().map(|summary| summary.map_or(Bbox::EMPTY, |it| it.bbox)).collect();
    let order = UInt32Array::from(hilbert::order(&boxes));
    arrow::compute::take_record_batch(batch, &order).map_err(failed)
}

fn failed(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new("mk::format::geoparquet", "cannot write GeoParquet").because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{AsArray, StringArray};
    use arrow::datatypes::Float64Type;
    use geo::{Geometry, Point};

    pub(super) fn table(rows: u32) -> RecordBatch {
        let names: StringArray = (0..rows).map(|row| Some(format!("{row:05}"))).collect();
        let shapes: BinaryArray = (0..rows)
            .map(|row| {
                // 7919 is prime: the points are scattered over the square.
                let at = row * 7919 % 10_000;
                let point = Geometry::Point(Point::new(560_000.0 + f64::from(at % 100), 5_950_000.0 + f64::from(at / 100)));
                (row != 3).then(|| wkb::encode(&point))
            })
            .collect();
        let schema = Schema::new(vec![Field::new("oid", DataType::Utf8, false), Field::new("geometry", DataType::Binary, true)]);
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(names), Arc::new(shapes)]).unwrap()
    }

    fn write(batch: &RecordBatch) -> Vec<u8> {
        let mut options = Options::new("geometry", Some(Crs::UTM32));
        options.row_group_rows = 100;
        let mut writer = Writer::new(Vec::new(), &batch.schema(), &options).unwrap();
        writer.write(batch).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn a_file_comes_back_with_rows_extents_and_crs() {
        let batch = table(1000);
        let bytes = write(&batch);
        assert_eq!(bytes, write(&batch), "the same rows give the same bytes");
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        assert_eq!(builder.metadata().num_row_groups(), 10);
        let keys = builder.metadata().file_metadata().key_value_metadata().unwrap().clone();
        let geo = keys.iter().find(|pair| pair.key == "geo").and_then(|pair| pair.value.clone()).unwrap();
        let geo: Value = serde_json::from_str(&geo).unwrap();
        let column = &geo["columns"]["geometry"];
        assert_eq!(column["crs"]["id"]["code"], 25832);
        assert_eq!(column["geometry_types"], json!(["Point"]));
        assert_eq!(column["bbox"][0], 560_000.0);
        assert_eq!(column["covering"]["bbox"]["ymax"], json!(["bbox", "ymax"]));
        let rows: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
        let rows = arrow::compute::concat_batches(&rows[0].schema(), &rows).unwrap();
        assert_eq!(rows.column(0), batch.column(0));
        assert_eq!(rows.column(1), batch.column(1));
        let bbox = rows.column(2).as_struct();
        assert!(bbox.is_null(3) && bbox.null_count() == 1);
        assert_eq!(bbox.column(0).as_primitive::<Float64Type>().value(1), 560_019.0);
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(path.path(), &bytes).unwrap();
        let read = columns(path.path(), &["oid"]).unwrap();
        assert_eq!(read.iter().map(RecordBatch::num_rows).sum::<usize>(), 1000);
        assert_eq!(read[0].num_columns(), 1);
        assert!(columns(path.path(), &["none"]).is_err());
    }

    #[test]
    fn sorting_makes_row_groups_small_on_the_map() {
        let area = |batch: &RecordBatch| -> f64 {
            let boxes = summaries(batch, 1).unwrap();
            let groups =
                boxes.chunks(100).map(|rows| rows.iter().flatten().fold(Bbox::EMPTY, |whole, summary| whole.union(summary.bbox)));
            groups.map(|bbox| bbox.width() * bbox.height()).sum()
        };
        let batch = table(10_000);
        let ordered = sorted(&batch, "geometry").unwrap();
        assert!(area(&ordered) * 20.0 < area(&batch), "{} {}", area(&ordered), area(&batch));
        assert!(ordered.column(1).is_null(9_999), "rows without a geometry come last");
    }

    #[test]
    fn a_table_without_its_geometry_is_refused() {
        let batch = table(1);
        let error = Writer::new(Vec::new(), &batch.schema(), &Options::new("geom", None)).err().unwrap();
        assert_eq!(error.code(), "mk::format::geoparquet");
    }
}
