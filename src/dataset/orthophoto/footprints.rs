//! `footprints.parquet`: one row for each image, with its outline, digest, flight date and resolution; and the same as an index that
//! GDAL reads as one raster (GTI, from GDAL 3.9 on), where the images are published too.

use super::inspect::Inspected;
use crate::crs::{Crs, Operation};
use crate::error::{Error, Result};
use crate::format::gpkg::{Geopackage, Layer};
use crate::format::{geoparquet, wkb};
use arrow::array::{ArrayRef, BinaryArray, Float64Array, Int32Array, RecordBatch, StringArray, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema};
use geo::{Coord, LineString, Polygon};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const GEOMETRY: &str = "geometry";

/// Writes the rows as GeoParquet.
pub fn write(path: &Path, table: &RecordBatch, crs: Crs) -> Result<()> {
    let table = geoparquet::sorted(table, GEOMETRY)?;
    geoparquet::write_file(path, &table.schema(), [Ok(table)], &geoparquet::Options::new(GEOMETRY, Some(crs)))
}

/// Writes the rows as GeoPackage; `published` are the rows that have a file. GDAL takes the file for one raster by its name's end,
/// `.gti.gpkg`, and shows rows of higher `priority` over others when it is told to sort by it.
pub fn write_index(
    path: &Path,
    table: &RecordBatch,
    published: &[usize],
    crs: Crs,
    dates: Option<&(String, String)>,
) -> Result<()> {
    let rows = UInt32Array::from_iter_values(published.iter().map(|row| *row as u32));
    let table = arrow::compute::take_record_batch(table, &rows)
        .map_err(|error| Error::new("mk::orthophoto::footprints", "cannot make the index of the mosaic").because(error))?;
    let day = dates.map(|(_, last)| last.as_str()).filter(|day| day.len() == 10);
    let mut file = Geopackage::create(path, &format!("{}T00:00:00.000Z", day.unwrap_or("1970-01-01")))?;
    let layer = Layer { name: "mosaic", title: "Mosaik", geometry: Some(GEOMETRY), geometry_type: "POLYGON", crs: Some(crs) };
    file.add(&layer, &table.schema(), std::slice::from_ref(&table))?;
    file.finish()
}

/// One row for each image, the least important first; `locations` are paths of their files, where they are published.
pub fn table(images: &[Inspected<'_>], crs: Crs, grids: &[PathBuf], locations: &[Option<String>]) -> Result<RecordBatch> {
    let images: Vec<&Inspected<'_>> = images.iter().rev().collect();
    let images = images.as_slice();
    let mut shapes = Vec::with_capacity(images.len());
    for inspected in images {
        let mut corners = inspected.image.header.corners();
        Operation::between(inspected.image.header.crs, crs, grids)?.forward(&mut corners)?;
        let ring: Vec<Coord> = corners.iter().chain([&corners[0]]).map(|&[x, y]| Coord { x, y }).collect();
        shapes.push(wkb::encode(&Polygon::new(LineString(ring), Vec::new()).into()));
    }
    let text = |of: fn(&Inspected<'_>) -> Option<String>| -> ArrayRef {
        Arc::new(images.iter().map(|inspected| of(inspected)).collect::<StringArray>())
    };
    let mut columns: Vec<(&str, DataType, bool, ArrayRef)> = vec![
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
        ("priority", DataType::Int32, false, Arc::new((1..=images.len() as i32).map(Some).collect::<Int32Array>())),
        ("width", DataType::Int32, false, number(images, |inspected| inspected.image.header.width)),
        ("height", DataType::Int32, false, number(images, |inspected| inspected.image.header.height)),
        ("bands", DataType::Int32, false, number(images, |inspected| u32::from(inspected.image.header.bands))),
        (GEOMETRY, DataType::Binary, true, Arc::new(shapes.iter().map(Some).collect::<BinaryArray>())),
    ];
    if locations.iter().any(Option::is_some) {
        let values: StringArray = locations.iter().rev().map(Option::as_deref).collect();
        columns.insert(1, ("location", DataType::Utf8, true, Arc::new(values)));
    }
    let fields: Vec<Field> =
        columns.iter().map(|(name, data_type, nullable, _)| Field::new(*name, data_type.clone(), *nullable)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|column| column.3).collect())
        .map_err(|error| Error::new("mk::orthophoto::footprints", "cannot make the table of footprints").because(error))
}

fn number(images: &[&Inspected<'_>], of: fn(&Inspected<'_>) -> u32) -> ArrayRef {
    Arc::new(images.iter().map(|inspected| i32::try_from(of(inspected)).ok()).collect::<Int32Array>())
}
