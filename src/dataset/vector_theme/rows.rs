//! Features as rows of Arrow tables: what the units of this kind hand to each other and what the files are written from.
//!
//! A row of a pack has its place along the Hilbert curve of its cell and the digest of its content before the published fields.

use crate::dataset::features::{FieldOption, FieldType, Value};
use crate::error::{Error, Result};
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, RecordBatch,
    StringBuilder, UInt32Array, UInt64Array, make_array, new_null_array,
};
use arrow::compute::{cast, concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt32Type, UInt64Type};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use std::sync::Arc;

/// Name of the geometry column.
pub const GEOMETRY: &str = "geometry";
/// Name of the column with the digest of a feature's content.
pub const DIGEST: &str = "digest";
/// Name of the column with the place along the curve.
const ORDER: &str = "order";

/// The Arrow type of a field.
pub fn data_type(field_type: FieldType) -> DataType {
    match field_type {
        FieldType::Text => DataType::Utf8,
        FieldType::Integer => DataType::Int64,
        FieldType::Number => DataType::Float64,
        FieldType::Boolean => DataType::Boolean,
        FieldType::Date => DataType::Date32,
    }
}

/// The columns of the rows in packs.
pub fn pack_schema(fields: &[FieldOption]) -> SchemaRef {
    let mut columns = vec![Field::new(ORDER, DataType::UInt32, false), Field::new(DIGEST, DataType::UInt64, false)];
    columns.extend(fields.iter().map(|field| Field::new(&field.name, data_type(field.field_type), true)));
    columns.push(Field::new(GEOMETRY, DataType::Binary, false));
    Arc::new(Schema::new(columns))
}

/// The published columns: fields, then the geometry; with the digest before it where it is wanted.
pub fn schema(fields: &[FieldOption], digest: bool) -> SchemaRef {
    let mut columns: Vec<Field> = fields.iter().map(|field| Field::new(&field.name, data_type(field.field_type), true)).collect();
    columns.extend(digest.then(|| Field::new(DIGEST, DataType::Utf8, false)));
    columns.push(Field::new(GEOMETRY, DataType::Binary, true));
    Arc::new(Schema::new(columns))
}

enum Column {
    Text(StringBuilder),
    Whole(Int64Builder),
    Real(Float64Builder),
    Truth(BooleanBuilder),
    Day(Date32Builder),
}

/// Rows being gathered.
pub struct Builder {
    schema: SchemaRef,
    orders: Vec<u32>,
    digests: Vec<u64>,
    columns: Vec<Column>,
    geometry: BinaryBuilder,
}

impl Builder {
    /// No rows yet.
    pub fn new(schema: &SchemaRef) -> Self {
        let inner = &schema.fields()[2..schema.fields().len() - 1];
        let column = |field: &Arc<Field>| match field.data_type() {
            DataType::Int64 => Column::Whole(Int64Builder::new()),
            DataType::Float64 => Column::Real(Float64Builder::new()),
            DataType::Boolean => Column::Truth(BooleanBuilder::new()),
            DataType::Date32 => Column::Day(Date32Builder::new()),
            _ => Column::Text(StringBuilder::new()),
        };
        Self {
            schema: Arc::clone(schema),
            orders: Vec::new(),
            digests: Vec::new(),
            columns: inner.iter().map(column).collect(),
            geometry: BinaryBuilder::new(),
        }
    }
    /// Adds a row; its values are of the types of the columns.
    pub fn push(&mut self, order: u32, values: &[Value], geometry: &[u8]) -> u64 {
        let digest = content(values, geometry);
        self.orders.push(order);
        self.digests.push(digest);
        for (column, value) in self.columns.iter_mut().zip(values) {
            match (column, value) {
                (Column::Text(column), Value::Text(text)) => column.append_value(text),
                (Column::Whole(column), Value::Whole(whole)) => column.append_value(*whole),
                (Column::Real(column), Value::Real(real)) => column.append_value(*real),
                (Column::Truth(column), Value::Truth(truth)) => column.append_value(*truth),
                (Column::Day(column), Value::Day(day)) => column.append_value(*day),
                (Column::Text(column), _) => column.append_null(),
                (Column::Whole(column), _) => column.append_null(),
                (Column::Real(column), _) => column.append_null(),
                (Column::Truth(column), _) => column.append_null(),
                (Column::Day(column), _) => column.append_null(),
            }
        }
        self.geometry.append_value(geometry);
        digest
    }
    /// The rows.
    ///
    /// # Errors
    /// When they do not fit a table.
    pub fn finish(mut self) -> Result<RecordBatch> {
        let mut columns: Vec<ArrayRef> =
            vec![Arc::new(UInt32Array::from(self.orders)), Arc::new(UInt64Array::from(self.digests))];
        columns.extend(self.columns.iter_mut().map(|column| -> ArrayRef {
            match column {
                Column::Text(column) => Arc::new(column.finish()),
                Column::Whole(column) => Arc::new(column.finish()),
                Column::Real(column) => Arc::new(column.finish()),
                Column::Truth(column) => Arc::new(column.finish()),
                Column::Day(column) => Arc::new(column.finish()),
            }
        }));
        columns.push(Arc::new(self.geometry.finish()));
        RecordBatch::try_new(self.schema, columns).map_err(failed)
    }
}

/// The digest of what a feature is: its published values and its geometry.
fn content(values: &[Value], geometry: &[u8]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    let mut put = |kind: u8, bytes: &[u8]| {
        hasher.update(&[kind]);
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    for value in values {
        match value {
            Value::Null => put(0, &[]),
            Value::Text(text) => put(1, text.as_bytes()),
            Value::Whole(whole) => put(2, &whole.to_le_bytes()),
            Value::Real(real) => put(3, &real.to_le_bytes()),
            Value::Truth(truth) => put(4, &[u8::from(*truth)]),
            Value::Day(day) => put(5, &day.to_le_bytes()),
        }
    }
    put(6, geometry);
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_be_bytes(first)
}

/// Rows of several sources of one cell in the order that does not depend on where they came from: along the curve, then by content.
///
/// # Errors
/// When the rows are of different columns.
pub fn merged(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<RecordBatch> {
    let all = concat_batches(schema, batches).map_err(failed)?;
    if batches.len() < 2 {
        return Ok(all);
    }
    let keys = keys(&all);
    let mut order: Vec<u32> = (0..all.num_rows() as u32).collect();
    order.sort_by_key(|row| keys[*row as usize]);
    take_record_batch(&all, &UInt32Array::from(order)).map_err(failed)
}

/// Place and digest of each row.
pub fn keys(rows: &RecordBatch) -> Vec<(u32, u64)> {
    let (orders, digests) = (rows.column(0).as_primitive::<UInt32Type>(), rows.column(1).as_primitive::<UInt64Type>());
    orders.values().iter().copied().zip(digests.values().iter().copied()).collect()
}

/// Rows of a pack with the columns of all packs: those that it lacks are empty, those of another type become text.
///
/// # Errors
/// When a column cannot be converted.
pub fn conformed(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if rows.schema().fields() == schema.fields() {
        return Ok(rows.clone());
    }
    let column = |field: &Arc<Field>| match rows.column_by_name(field.name()) {
        Some(column) => cast(column, field.data_type()).map_err(failed),
        None => Ok(new_null_array(field.data_type(), rows.num_rows())),
    };
    let columns = schema.fields().iter().map(column).collect::<Result<Vec<_>>>()?;
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(failed)
}

/// Rows of a pack as they are published; `promote` makes collections of single geometries.
///
/// # Errors
/// When the columns are not those of a pack.
pub fn published(rows: &RecordBatch, schema: &SchemaRef, promote: bool) -> Result<RecordBatch> {
    let columns = schema.fields().iter().map(|field| -> Result<ArrayRef> {
        let column = rows.column_by_name(field.name()).ok_or_else(|| failed(format!("no column '{}'", field.name())))?;
        if field.name() == DIGEST {
            let digests = column.as_primitive::<UInt64Type>();
            let mut text = StringBuilder::with_capacity(digests.len(), digests.len() * 16);
            digests.values().iter().for_each(|digest| text.append_value(format!("{digest:016x}")));
            return Ok(Arc::new(text.finish()));
        }
        if field.name() == GEOMETRY && promote {
            let shapes = column.as_binary::<i32>();
            let mut out = BinaryBuilder::with_capacity(shapes.len(), shapes.value_data().len() + shapes.len() * 9);
            shapes.iter().for_each(|shape| out.append_option(shape.map(crate::format::wkb::promoted)));
            return Ok(Arc::new(out.finish()));
        }
        Ok(Arc::clone(column))
    });
    RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<Vec<_>>>()?).map_err(failed)
}

/// Rows as an Arrow IPC stream; the same rows give the same bytes.
///
/// # Errors
/// When they cannot be written.
pub fn to_ipc(rows: &RecordBatch) -> Result<Vec<u8>> {
    // A column without gaps may have a bitmap of them or not, by the way it was made.
    let plain = |column: &ArrayRef| -> Result<ArrayRef> {
        if column.null_count() > 0 || column.nulls().is_none() {
            return Ok(Arc::clone(column));
        }
        Ok(make_array(column.to_data().into_builder().nulls(None).build().map_err(failed)?))
    };
    let columns = rows.columns().iter().map(plain).collect::<Result<Vec<_>>>()?;
    let rows = &RecordBatch::try_new(rows.schema(), columns).map_err(failed)?;
    let mut writer =
        StreamWriter::try_new(Vec::with_capacity(rows.get_array_memory_size() + 4096), &rows.schema()).map_err(failed)?;
    writer.write(rows).map_err(failed)?;
    writer.into_inner().map_err(failed)
}

/// The rows of an Arrow IPC stream.
///
/// # Errors
/// When it is none.
pub fn from_ipc(bytes: &[u8]) -> Result<RecordBatch> {
    let reader = StreamReader::try_new(bytes, None).map_err(failed)?;
    let schema = reader.schema();
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    match &batches[..] {
        [only] => Ok(only.clone()),
        many => concat_batches(&schema, many).map_err(failed),
    }
}

/// The value of a row as text, as classes of a style look at it.
pub fn text_at(column: &dyn Array, row: usize) -> Option<String> {
    if column.is_null(row) {
        return None;
    }
    arrow::util::display::array_value_to_string(column, row).ok()
}

pub fn failed(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new("mk::vector_theme::rows", "the rows of a unit cannot be handed on").because(cause)
}
