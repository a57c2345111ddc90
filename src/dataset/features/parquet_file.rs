//! Tables of databases as they were fetched: GeoParquet 1.1 (OGC) with geometries as WKB.

use super::feature::{Column, Raw, Value};
use super::options::{FieldType, Reading};
use super::source::{Head, Sink, settle_crs};
use crate::crs::Crs;
use crate::error::{Error, Result};
use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value as Json;
use std::path::Path;

/// Features that are read at once: geometries may be large.
const ROWS: usize = 1024;

/// Reads a file into a sink.
///
/// # Errors
/// When it cannot be read, its geometry is in another encoding, or its CRS is not known.
pub fn read(path: &Path, layer: &str, reading: &Reading<'_>, sink: &mut dyn Sink) -> Result<()> {
    let file = std::fs::File::open(path).map_err(|error| damaged(error.into()))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| damaged(error.into()))?;
    let schema = builder.schema().clone();
    let geo = geo_key(&builder)?;
    let place = geo.as_ref().map(|geo| geo.column.as_str());
    let place = match place {
        Some(name) => Some(schema.index_of(name).map_err(|error| damaged(error.into()))?),
        None if reading.places_optional => None,
        None => {
            return Err(Error::new("mk::features::parquet", "the table has no column with geometries"));
        }
    };
    let crs = match &geo {
        Some(geo) => settle_crs(geo.crs, None, reading.source_crs)?,
        // Where there are no places, their CRS does not matter.
        None => reading.source_crs.unwrap_or(Crs::WGS84),
    };
    let columns: Vec<Column> = schema
        .fields()
        .iter()
        .map(|field| Column { name: field.name().clone(), field_type: field_type(field.data_type()) })
        .collect();
    let wanted = sink.begin(&Head { layer: layer.to_owned(), crs, columns, hidden: place.into_iter().collect() })?;
    let mut roots: Vec<usize> = wanted.iter().flatten().copied().chain(place).collect();
    roots.sort_unstable();
    roots.dedup();
    let mask = ProjectionMask::roots(builder.parquet_schema(), roots.iter().copied());
    let reader = builder.with_projection(mask).with_batch_size(ROWS).build().map_err(|error| damaged(error.into()))?;
    let at = |index: usize| roots.binary_search(&index).ok();
    let mut number = 0;
    for batch in reader {
        let batch = batch.map_err(|error| damaged(error.into()))?;
        let values: Vec<_> = wanted.iter().map(|index| index.and_then(at).map(|index| batch.column(index))).collect();
        let places = place.and_then(at).and_then(|index| batch.column(index).as_binary_opt::<i32>());
        let row = |row: usize| {
            number += 1;
            let geometry = match &places {
                Some(places) if !places.is_null(row) => Ok(places.value(row).to_vec()),
                _ => Err("it has no geometry"),
            };
            let values = values.iter().map(|column| column.as_ref().map_or(Value::Null, |column| value(column.as_ref(), row)));
            Raw { number, line: None, geometry, values: values.collect() }
        };
        sink.take((0..batch.num_rows()).map(row).collect())?;
    }
    Ok(())
}

/// What the key `geo` says of the primary column.
struct Geo {
    column: String,
    crs: Option<Crs>,
}

fn geo_key(builder: &ParquetRecordBatchReaderBuilder<std::fs::File>) -> Result<Option<Geo>> {
    let pairs = builder.metadata().file_metadata().key_value_metadata();
    let Some(text) = pairs.into_iter().flatten().find(|pair| pair.key == "geo").and_then(|pair| pair.value.as_deref()) else {
        return Ok(None);
    };
    let geo: Json = serde_json::from_str(text).map_err(|error| damaged(error.into()))?;
    let column = geo["primary_column"].as_str().ok_or_else(|| damaged("its key `geo` names no column".into()))?;
    let about = &geo["columns"][column];
    // With null nobody knows.
    let crs = about["crs"]["id"]["code"].as_u64().and_then(|code| u32::try_from(code).ok()).map(Crs);
    Ok(Some(Geo { column: column.to_owned(), crs }))
}

fn damaged(cause: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::new("mk::features::parquet", "what was fetched cannot be read").because(cause)
}

fn field_type(data_type: &DataType) -> FieldType {
    match data_type {
        DataType::Int64 => FieldType::Integer,
        DataType::Float64 => FieldType::Number,
        DataType::Boolean => FieldType::Boolean,
        DataType::Date32 => FieldType::Date,
        _ => FieldType::Text,
    }
}

fn value(column: &dyn Array, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Int64 => Value::Whole(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => Value::Real(column.as_primitive::<Float64Type>().value(row)),
        DataType::Boolean => Value::Truth(column.as_boolean().value(row)),
        DataType::Date32 => Value::Day(column.as_primitive::<Date32Type>().value(row)),
        DataType::Utf8 => Value::Text(column.as_string::<i32>().value(row).to_owned()),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::features::CsvOption;
    use crate::dataset::features::DecimalOption;
    use arrow::array::{BinaryArray, Int64Array, RecordBatch, StringArray};
    use arrow::datatypes::{Field, Schema};
    use std::sync::Arc;

    #[derive(Default)]
    struct All(Vec<Raw>, Option<Head>);

    impl Sink for All {
        fn begin(&mut self, head: &Head) -> Result<Vec<Option<usize>>> {
            self.1 = Some(head.clone());
            Ok((0..head.columns.len()).map(Some).collect())
        }
        fn take(&mut self, features: Vec<Raw>) -> Result<()> {
            self.0.extend(features);
            Ok(())
        }
    }

    fn read_all(path: &Path, source_crs: Option<Crs>) -> Result<All> {
        let csv = CsvOption::default();
        let (layer, encoding, decimal, places_optional) = (None, None, DecimalOption::Point, false);
        let mut all = All::default();
        read(path, "a", &Reading { layer, source_crs, encoding, decimal, csv: &csv, places_optional }, &mut all).map(|()| all)
    }

    fn write(path: &Path, geometry: Option<&str>, crs: Option<Crs>) {
        let point = crate::format::wkb::encode(&geo::Point::new(1.0, 2.0).into());
        let fields = [("zahl", DataType::Int64), ("text", DataType::Utf8), ("ort", DataType::Binary)];
        let schema = Arc::new(Schema::new(fields.map(|(name, kind)| Field::new(name, kind, true)).to_vec()));
        let columns: Vec<arrow::array::ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![Some(7), None])),
            Arc::new(StringArray::from(vec![None, Some("ä")])),
            Arc::new(BinaryArray::from(vec![Some(&point[..]), None])),
        ];
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
        let mut writer = crate::format::geoparquet::plain(std::fs::File::create(path).unwrap(), &schema, geometry, crs).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }

    #[test]
    fn values_keep_their_types_and_the_crs_is_that_of_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        write(&path, Some("ort"), Some(Crs::UTM32));
        let all = read_all(&path, None).unwrap();
        let head = all.1.unwrap();
        assert_eq!((head.crs, head.hidden.as_slice(), head.columns[0].field_type), (Crs::UTM32, &[2][..], FieldType::Integer));
        assert_eq!(all.0[0].values, [Value::Whole(7), Value::Null, Value::Null]);
        assert_eq!(all.0[1].values, [Value::Null, Value::Text("ä".to_owned()), Value::Null]);
        assert!(all.0[0].geometry.is_ok() && all.0[1].geometry == Err("it has no geometry"));
        let code = |geometry, crs, said| {
            write(&path, geometry, crs);
            read_all(&path, said).map_err(|error| error.code().to_owned()).err()
        };
        assert_eq!(code(None, None, None).as_deref(), Some("mk::features::parquet"));
        assert_eq!(code(Some("ort"), None, None).as_deref(), Some("mk::features::crs"));
        assert_eq!(code(Some("ort"), None, Some(Crs::UTM32)), None);
        assert_eq!(code(Some("ort"), Some(Crs::WGS84), Some(Crs::UTM32)).as_deref(), Some("mk::features::crs"));
    }
}
