//! FlatGeobuf 3: a table with geometry as one file that a browser reads in parts, along a packed Hilbert R-tree.
//!
//! Rows without a geometry are left out: the format's index knows places only.

use crate::crs::{Crs, name_and_wkt};
use crate::error::{Error, Place, Result};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int32Type, Int64Type, SchemaRef};
use flatgeobuf::{ColumnType, FgbCrs, FgbWriter, FgbWriterOptions, GeometryType};
use geozero::wkb::Wkb;
use geozero::{ColumnValue, PropertyProcessor};
use std::io::Write;

/// What the file is called and holds.
#[derive(Debug, Clone)]
pub struct Options<'a> {
    /// Name of the layer.
    pub name: &'a str,
    /// Title for people.
    pub title: &'a str,
    /// Name of the column with WKB.
    pub geometry: &'a str,
    /// As the standard for GeoPackage names it: `MULTIPOLYGON`, `POINT`; anything else is a mixture.
    pub geometry_type: &'a str,
    /// CRS of the geometry.
    pub crs: Option<Crs>,
}

/// Writes a table to a file; gives the number of rows that have a geometry. Without any there is no file: the index of the format
/// knows places only.
///
/// # Errors
/// When the geometry column is missing or holds no WKB, a column's type is not known, or the file cannot be written.
pub fn write_file(
    path: &std::path::Path,
    schema: &SchemaRef,
    batches: impl IntoIterator<Item = Result<RecordBatch>>,
    options: &Options<'_>,
) -> Result<u64> {
    let geometry = schema.index_of(options.geometry).map_err(failed)?;
    let names = options.crs.map(name_and_wkt).transpose()?;
    let crs = match (&names, options.crs) {
        (Some((name, wkt)), Some(crs)) => FgbCrs {
            org: Some("EPSG"),
            code: i32::try_from(crs.0).unwrap_or(0),
            name: Some(name),
            wkt: Some(wkt),
            ..FgbCrs::default()
        },
        _ => FgbCrs::default(),
    };
    let kind = match options.geometry_type {
        "POINT" => GeometryType::Point,
        "LINESTRING" => GeometryType::LineString,
        "POLYGON" => GeometryType::Polygon,
        "MULTIPOINT" => GeometryType::MultiPoint,
        "MULTILINESTRING" => GeometryType::MultiLineString,
        "MULTIPOLYGON" => GeometryType::MultiPolygon,
        _ => GeometryType::Unknown,
    };
    let settings = FgbWriterOptions {
        crs,
        title: Some(options.title),
        detect_type: false,
        promote_to_multi: false,
        ..FgbWriterOptions::default()
    };
    let mut file = FgbWriter::create_with_options(options.name, kind, settings).map_err(failed)?;
    let mut columns = Vec::new();
    for (index, field) in schema.fields().iter().enumerate().filter(|(index, _)| *index != geometry) {
        let kind = match field.data_type() {
            DataType::Utf8 => ColumnType::String,
            DataType::Float64 => ColumnType::Double,
            DataType::Int32 => ColumnType::Int,
            DataType::Int64 => ColumnType::Long,
            DataType::Boolean => ColumnType::Bool,
            DataType::Date32 => ColumnType::DateTime,
            other => return Err(failed(format!("a column of type {other} has no counterpart"))),
        };
        file.add_column(field.name(), kind, |_, _| {});
        columns.push((field.name(), index));
    }
    let mut count = 0;
    for batch in batches {
        let batch = batch?;
        let shapes = batch.column(geometry).as_binary_opt::<i32>().ok_or_else(|| failed("the geometry is no column of bytes"))?;
        for row in (0..batch.num_rows()).filter(|row| shapes.is_valid(*row)) {
            file.add_feature_geom(Wkb(shapes.value(row)), |feature| {
                for (index, (name, column)) in columns.iter().enumerate() {
                    let column = batch.column(*column);
                    if column.is_null(row) {
                        continue;
                    }
                    // Properties go to memory, which does not fail.
                    let _ = match column.as_primitive_opt::<Date32Type>() {
                        Some(days) => {
                            let day = days.value_as_date(row).map(|day| day.to_string()).unwrap_or_default();
                            feature.property(index, name, &ColumnValue::DateTime(&day))
                        }
                        None => feature.property(index, name, &value(column.as_ref(), row)),
                    };
                }
            })
            .map_err(failed)?;
            count += 1;
        }
    }
    if count == 0 {
        return Ok(0);
    }
    let at = |error: Error| error.at(Place::file(path.display().to_string()));
    let mut output = std::io::BufWriter::new(std::fs::File::create(path).map_err(failed).map_err(at)?);
    file.write(&mut output).map_err(failed).map_err(at)?;
    output.flush().map_err(failed).map_err(at)?;
    Ok(count)
}

fn value(column: &dyn Array, row: usize) -> ColumnValue<'_> {
    match column.data_type() {
        DataType::Float64 => ColumnValue::Double(column.as_primitive::<Float64Type>().value(row)),
        DataType::Int32 => ColumnValue::Int(column.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => ColumnValue::Long(column.as_primitive::<Int64Type>().value(row)),
        DataType::Boolean => ColumnValue::Bool(column.as_boolean().value(row)),
        _ => ColumnValue::String(column.as_string::<i32>().value(row)),
    }
}

fn failed(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new("mk::format::flatgeobuf", "cannot write FlatGeobuf").because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::wkb;
    use arrow::array::{BinaryArray, Float64Array, StringArray};
    use arrow::datatypes::{Field, Schema};
    use gdal::vector::LayerAccess;
    use geo::{Geometry, Point};
    use std::sync::Arc;

    #[test]
    fn gdal_reads_rows_values_and_crs_and_the_bytes_repeat() {
        let point = |k: u32| wkb::encode(&Geometry::Point(Point::new(560_000.0 + f64::from(k), 5_950_000.0)));
        let shapes: BinaryArray = (0..50_u32).map(|k| (k != 7).then(|| point(k * 31 % 50))).collect();
        let names: StringArray = (0..50_u32).map(|k| (k % 5 != 4).then(|| format!("Straße {k:02}"))).collect();
        let areas: Float64Array = (0..50_u32).map(|k| Some(f64::from(k) / 2.0)).collect();
        let schema = Schema::new(vec![
            Field::new("name", DataType::Utf8, true),
            Field::new("m2", DataType::Float64, true),
            Field::new("geometry", DataType::Binary, true),
        ]);
        let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(names), Arc::new(areas), Arc::new(shapes)]).unwrap();
        let options =
            Options { name: "adresse", title: "Adressen", geometry: "geometry", geometry_type: "POINT", crs: Some(Crs::UTM32) };
        let folder = tempfile::tempdir().unwrap();
        let paths = ["a.fgb", "b.fgb"].map(|name| folder.path().join(name));
        for path in &paths {
            assert_eq!(write_file(path, &batch.schema(), [Ok(batch.clone())], &options).unwrap(), 49);
        }
        assert_eq!(std::fs::read(&paths[0]).unwrap(), std::fs::read(&paths[1]).unwrap());
        let dataset = crate::io::gdal::open_vector(&paths[0], &["FlatGeobuf"]).unwrap();
        let mut layer = dataset.layer(0).unwrap();
        assert_eq!(layer.feature_count(), 49);
        assert_eq!(layer.spatial_ref().unwrap().auth_code().unwrap(), 25832);
        layer.set_spatial_filter_rect(560_030.5, 5_949_999.0, 560_031.5, 5_950_001.0);
        let found: Vec<(Option<String>, f64)> = layer
            .features()
            .map(|it| {
                let index = |name: &str| it.field_index(name).unwrap();
                (it.field_as_string(index("name")).unwrap(), it.field_as_double(index("m2")).unwrap().unwrap())
            })
            .collect();
        assert_eq!(found, [(Some("Straße 01".to_owned()), 0.5)]);
    }
}
