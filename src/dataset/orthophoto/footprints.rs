//! `footprints.parquet`: one row for each image, with its outline, digest, flight date and resolution.

use super::inspect::Inspected;
use crate::crs::{Crs, Operation};
use crate::error::{Error, Result};
use crate::format::{geoparquet, wkb};
use arrow::array::{ArrayRef, BinaryArray, Float64Array, RecordBatch, StringArray, UInt16Array, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema};
use geo::{Coord, LineString, Polygon};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const GEOMETRY: &str = "geometry";

pub fn write(path: &Path, images: &[Inspected<'_>], crs: Crs, grids: &[PathBuf]) -> Result<()> {
    let mut shapes = Vec::with_capacity(images.len());
    for inspected in images {
        let mut corners = inspected.image.header.corners();
        Operation::between(inspected.image.header.crs, crs, grids)?.forward(&mut corners)?;
        let ring: Vec<Coord> = corners.iter().chain([&corners[0]]).map(|&[x, y]| Coord { x, y }).collect();
        shapes.push(wkb::encode(&Polygon::new(LineString(ring), Vec::new()).into()));
    }
    let text =
        |of: fn(&Inspected<'_>) -> Option<String>| -> ArrayRef { Arc::new(images.iter().map(of).collect::<StringArray>()) };
    let columns: Vec<(&str, DataType, bool, ArrayRef)> = vec![
        ("name", DataType::Utf8, false, text(|inspected| Some(inspected.file_name().to_owned()))),
        (
            "digest",
            DataType::Utf8,
            false,
            text(|inspected| inspected.result.inputs.first().map(|input| input.digest.to_string())),
        ),
        ("flight_date", DataType::Utf8, true, text(|inspected| inspected.image.flight_date.as_ref().map(ToString::to_string))),
        (
            "resolution_m",
            DataType::Float64,
            false,
            Arc::new(images.iter().map(|inspected| Some(inspected.image.resolution_m)).collect::<Float64Array>()),
        ),
        ("crs", DataType::Utf8, false, text(|inspected| Some(inspected.image.header.crs.to_string()))),
        ("width", DataType::UInt32, false, number(images, |inspected| inspected.image.header.width)),
        ("height", DataType::UInt32, false, number(images, |inspected| inspected.image.header.height)),
        (
            "bands",
            DataType::UInt16,
            false,
            Arc::new(images.iter().map(|inspected| Some(inspected.image.header.bands)).collect::<UInt16Array>()),
        ),
        (GEOMETRY, DataType::Binary, true, Arc::new(shapes.iter().map(Some).collect::<BinaryArray>())),
    ];
    let fields: Vec<Field> =
        columns.iter().map(|(name, data_type, nullable, _)| Field::new(*name, data_type.clone(), *nullable)).collect();
    let schema = Arc::new(Schema::new(fields));
    let table = RecordBatch::try_new(Arc::clone(&schema), columns.into_iter().map(|column| column.3).collect())
        .map_err(|error| Error::new("mk::orthophoto::footprints", "cannot make the table of footprints").because(error))?;
    let table = geoparquet::sorted(&table, GEOMETRY)?;
    geoparquet::write_file(path, &schema, &[table], &geoparquet::Options::new(GEOMETRY, Some(crs)))
}

fn number(images: &[Inspected<'_>], of: fn(&Inspected<'_>) -> u32) -> ArrayRef {
    Arc::new(images.iter().map(|inspected| Some(of(inspected))).collect::<UInt32Array>())
}
