//! GeoJSON (RFC 7946): longitude before latitude (WGS 84), outer rings anticlockwise, seven decimals (a centimetre), no `crs`.

use crate::crs::{Crs, Operation};
use crate::error::{Error, Result};
use crate::format::cells::{Cell, Cells};
use crate::format::wkb;
use crate::vector::clip::double_area;
use arrow::array::RecordBatch;
use geo::{Geometry, Polygon};
use serde_json::{Map, Value, json};
use std::io::Write;

/// Writes a feature collection, a feature on each line.
pub struct Writer<W: Write> {
    out: W,
    operation: Operation,
    geometry: String,
    count: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a collection of rows whose column `geometry` holds WKB in `crs`.
    ///
    /// # Errors
    /// When there is no operation to longitude and latitude, or the output fails.
    pub fn new(mut out: W, geometry: &str, crs: Crs, grids: &[std::path::PathBuf]) -> Result<Self> {
        out.write_all(b"{\"type\":\"FeatureCollection\",\"features\":[").map_err(failed)?;
        let operation = Operation::between(crs, Crs::WGS84, grids)?;
        Ok(Self { out, operation, geometry: geometry.to_owned(), count: 0 })
    }
    /// Adds rows.
    ///
    /// # Errors
    /// When a geometry is no WKB or cannot be transformed, or the output fails.
    pub fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let schema = rows.schema();
        let columns: Vec<Option<Cells<'_>>> = rows.columns().iter().map(Cells::of).collect();
        for row in 0..rows.num_rows() {
            let (mut properties, mut geometry) = (Map::new(), Value::Null);
            for (field, column) in schema.fields().iter().zip(&columns) {
                let cell = column.and_then(|column| column.at(row));
                if *field.name() != self.geometry {
                    properties.insert(field.name().clone(), value(cell));
                } else if let Some(Cell::Bytes(bytes)) = cell {
                    geometry = shape(&wkb::decode(bytes)?, &|line| self.positions(line), false)?;
                }
            }
            let feature = json!({ "type": "Feature", "geometry": geometry, "properties": properties });
            let separator = if self.count == 0 { "\n" } else { ",\n" };
            write!(self.out, "{separator}{feature}").map_err(failed)?;
            self.count += 1;
        }
        Ok(())
    }
    /// Ends the collection and gives the output back.
    ///
    /// # Errors
    /// When the output fails.
    pub fn finish(mut self) -> Result<W> {
        self.out.write_all(b"\n]}\n").map_err(failed)?;
        Ok(self.out)
    }

    fn positions(&self, line: &[geo::Coord<f64>]) -> Result<Vec<[f64; 2]>> {
        let mut points: Vec<[f64; 2]> = line.iter().map(|at| [at.x, at.y]).collect();
        self.operation.forward(&mut points)?;
        Ok(points.into_iter().map(|point| point.map(seven_decimals)).collect())
    }
}

/// Coordinates of a degree CRS with seven decimals: about a centimetre.
pub fn seven_decimals(value: f64) -> f64 {
    (value * 1e7).round() / 1e7
}

/// A geometry as `GeoJSON`. `place` gives the positions of a line, easting or longitude first; outer rings run anticlockwise
/// (RFC 7946, 3.1.6). With `swapped` the second coordinate is written first.
///
/// # Errors
/// Those of `place`, and for a type that `GeoJSON` does not have.
pub fn shape(geometry: &Geometry<f64>, place: &Place<'_>, swapped: bool) -> Result<Value> {
    let order = |at: [f64; 2]| if swapped { [at[1], at[0]] } else { at };
    let positions = |line: &[geo::Coord<f64>]| -> Result<Vec<[f64; 2]>> { Ok(place(line)?.into_iter().map(order).collect()) };
    let one = |at: geo::Coord<f64>| Ok(json!(positions(&[at])?.first()));
    let rings = |polygon: &Polygon<f64>| -> Result<Vec<Vec<[f64; 2]>>> {
        let rings = std::iter::once(polygon.exterior()).chain(polygon.interiors()).enumerate();
        rings
            .map(|(index, ring)| {
                let mut ring = place(&ring.0)?;
                if (double_area(&ring) < 0.0) == (index == 0) {
                    ring.reverse();
                }
                Ok(ring.into_iter().map(order).collect())
            })
            .collect()
    };
    let (name, coordinates) = match geometry {
        Geometry::Point(point) => ("Point", one(point.0)?),
        Geometry::MultiPoint(points) => {
            ("MultiPoint", json!(points.0.iter().map(|point| one(point.0)).collect::<Result<Vec<_>>>()?))
        }
        Geometry::LineString(line) => ("LineString", json!(positions(&line.0)?)),
        Geometry::MultiLineString(lines) => {
            ("MultiLineString", json!(lines.0.iter().map(|line| positions(&line.0)).collect::<Result<Vec<_>>>()?))
        }
        Geometry::Polygon(polygon) => ("Polygon", json!(rings(polygon)?)),
        Geometry::MultiPolygon(all) => ("MultiPolygon", json!(all.0.iter().map(rings).collect::<Result<Vec<_>>>()?)),
        Geometry::GeometryCollection(all) => {
            let parts = all.0.iter().map(|part| shape(part, place, swapped)).collect::<Result<Vec<_>>>()?;
            return Ok(json!({ "type": "GeometryCollection", "geometries": parts }));
        }
        _ => return Err(failed("a geometry of another type")),
    };
    Ok(json!({ "type": name, "coordinates": coordinates }))
}

/// Gives the positions of a line, easting or longitude first.
pub type Place<'p> = dyn Fn(&[geo::Coord<f64>]) -> Result<Vec<[f64; 2]>> + 'p;

/// A value as JSON.
fn value(cell: Option<Cell<'_>>) -> Value {
    match cell {
        Some(Cell::Text(text)) => text.into(),
        Some(Cell::Long(number)) => number.into(),
        Some(Cell::Int(number)) => number.into(),
        Some(Cell::Real(number)) => number.into(),
        Some(Cell::Truth(truth)) => truth.into(),
        Some(Cell::Day(day)) => day.into(),
        Some(Cell::Bytes(_)) | None => Value::Null,
    }
}

fn failed(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new("mk::format::geojson", "cannot write GeoJSON").because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, BinaryArray, Date32Array, StringArray};
    use gdal::vector::LayerAccess;
    use geo::polygon;
    use std::sync::Arc;

    #[test]
    fn gdal_reads_the_collection_and_rings_run_as_the_standard_wants() {
        // Clockwise on purpose.
        let area: Geometry<f64> =
            polygon![(x: 565_000.0, y: 5_950_000.0), (x: 565_000.0, y: 5_950_100.0), (x: 565_100.0, y: 5_950_100.0)].into();
        let shapes = BinaryArray::from_opt_vec(vec![Some(&wkb::encode(&area)[..]), None]);
        let columns: [(&str, ArrayRef); 3] = [
            ("name", Arc::new(StringArray::from(vec![Some("Straße \"1\""), None]))),
            ("tag", Arc::new(Date32Array::from(vec![20_513, 0]))),
            ("geometry", Arc::new(shapes)),
        ];
        let rows = RecordBatch::try_from_iter(columns).unwrap();
        let mut writer = Writer::new(Vec::new(), "geometry", Crs::UTM32, &[]).unwrap();
        writer.write(&rows).unwrap();
        let bytes = writer.finish().unwrap();
        let read: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(read["features"][0]["properties"], json!({ "name": "Straße \"1\"", "tag": "2026-03-01" }));
        assert_eq!(read["features"][1]["geometry"], Value::Null);
        let ring: Vec<[f64; 2]> = serde_json::from_value(read["features"][0]["geometry"]["coordinates"][0].clone()).unwrap();
        assert!(double_area(&ring) > 0.0 && ring.first() == ring.last());
        let file = tempfile::Builder::new().suffix(".geojson").tempfile().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        let dataset = crate::io::gdal::open_vector(file.path(), &["GeoJSON"]).unwrap();
        let layer = dataset.layer(0).unwrap();
        assert_eq!(layer.feature_count(), 2);
        let extent = layer.get_extent().unwrap();
        assert!((extent.MinX - 9.98).abs() < 0.02 && (extent.MinY - 53.69).abs() < 0.02, "{extent:?}");
    }
}
