//! `buildings.parquet`: one row for each building, its footprint as geometry, its attributes as columns.

use super::labels;
use super::model::{Building, Semantic, Value};
use super::tile::Width;
use crate::error::{Error, Result};
use crate::io::Digest;
use arrow::array::{
    ArrayRef, BinaryBuilder, Float64Builder, Int64Builder, RecordBatch, StringBuilder, UInt8Builder, UInt32Builder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Name of the column with the footprint.
pub const GEOMETRY: &str = "geometry";

/// Columns of its own, before the attributes.
const OWN: [&str; 10] = ["id", "lod", "parts", "height_min", "height_max", "faces", "roofType_text", "digest", GEOMETRY, "bbox"];

/// The columns of the table: fixed ones, then the attributes by name.
pub struct Table {
    schema: SchemaRef,
    attributes: Vec<(String, Width)>,
}

impl Table {
    /// The table for buildings with these attributes.
    pub fn new(attributes: &BTreeMap<String, Width>) -> Self {
        let mut fields = vec![
            Field::new("id", DataType::Utf8, false),
            Field::new("lod", DataType::UInt8, false),
            Field::new("parts", DataType::UInt32, false),
            Field::new("faces", DataType::UInt32, false),
            Field::new("height_min", DataType::Float64, true),
            Field::new("height_max", DataType::Float64, true),
            Field::new("roofType_text", DataType::Utf8, true),
            Field::new("digest", DataType::Utf8, false),
        ];
        let mut kept = Vec::new();
        for (name, &width) in attributes {
            let kind = match width {
                Width::Integer => DataType::Int64,
                Width::Number => DataType::Float64,
                Width::Text => DataType::Utf8,
            };
            // A generic attribute may be named like a column of our own.
            let mut column = name.clone();
            while OWN.contains(&column.as_str()) || kept.iter().any(|(_, taken, _)| *taken == column) {
                column.push('_');
            }
            fields.push(Field::new(&column, kind, true));
            kept.push((name.clone(), column, width));
        }
        fields.push(Field::new(GEOMETRY, DataType::Binary, true));
        let attributes = kept.into_iter().map(|(name, _, width)| (name, width)).collect();
        Self { schema: Arc::new(Schema::new(fields)), attributes }
    }
    /// The columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }
    /// Rows for buildings.
    ///
    /// # Errors
    /// When the columns cannot be built.
    pub fn batch(&self, buildings: &[Building]) -> Result<RecordBatch> {
        let (mut ids, mut lods, mut parts, mut faces) =
            (StringBuilder::new(), UInt8Builder::new(), UInt32Builder::new(), UInt32Builder::new());
        let (mut lows, mut highs) = (Float64Builder::new(), Float64Builder::new());
        let (mut roofs, mut digests, mut geometries) = (StringBuilder::new(), StringBuilder::new(), BinaryBuilder::new());
        for building in buildings {
            ids.append_value(&building.id);
            lods.append_value(building.parts.iter().map(|part| part.lod).fold(building.lod, u8::max));
            parts.append_value(building.parts.len() as u32);
            faces.append_value(building.all_faces().count() as u32);
            let heights = || building.points().map(|point| point[2]);
            lows.append_option(heights().reduce(f64::min));
            highs.append_option(heights().reduce(f64::max));
            roofs.append_option(building.attribute("roofType").and_then(|code| labels::roof(code.as_text()?)));
            let mut bytes = Vec::new();
            super::codec::encode(building, &mut bytes);
            digests.append_value(&Digest::of(&bytes).to_string()[..16]);
            geometries.append_option(footprint(building));
        }
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(ids.finish()),
            Arc::new(lods.finish()),
            Arc::new(parts.finish()),
            Arc::new(faces.finish()),
            Arc::new(lows.finish()),
            Arc::new(highs.finish()),
            Arc::new(roofs.finish()),
            Arc::new(digests.finish()),
        ];
        for (name, width) in &self.attributes {
            let values = buildings.iter().map(|building| building.attribute(name));
            columns.push(match width {
                Width::Integer => {
                    let mut column = Int64Builder::new();
                    values.for_each(|value| {
                        column.append_option(match value {
                            Some(Value::Integer(number)) => Some(number),
                            _ => None,
                        });
                    });
                    Arc::new(column.finish())
                }
                Width::Number => {
                    let mut column = Float64Builder::new();
                    values.for_each(|value| {
                        column.append_option(match value {
                            Some(Value::Integer(number)) => Some(number as f64),
                            Some(Value::Number(number)) => Some(number),
                            _ => None,
                        });
                    });
                    Arc::new(column.finish())
                }
                Width::Text => {
                    let mut column = StringBuilder::new();
                    values.for_each(|value| column.append_option(value.map(|value| value.to_string())));
                    Arc::new(column.finish())
                }
            });
        }
        columns.push(Arc::new(geometries.finish()));
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|error| Error::new("mk::city_model::table", "cannot build the table of buildings").because(error))
    }
}

/// The ground faces as WKB `MultiPolygon Z` (ISO 19125, type 1006), outer rings counter-clockwise seen from above; `None` without.
fn footprint(building: &Building) -> Option<Vec<u8>> {
    let ground: Vec<&Vec<Vec<[f64; 3]>>> =
        building.all_faces().filter(|face| face.semantic == Semantic::Ground).map(|face| &face.rings).collect();
    if ground.is_empty() {
        return None;
    }
    let mut out = Vec::new();
    let number = |value: u32, out: &mut Vec<u8>| out.extend_from_slice(&value.to_le_bytes());
    out.push(1);
    number(1006, &mut out);
    number(ground.len() as u32, &mut out);
    for rings in ground {
        out.push(1);
        number(1003, &mut out);
        number(rings.len() as u32, &mut out);
        for (index, ring) in rings.iter().enumerate() {
            number(ring.len() as u32 + 1, &mut out);
            // Ground faces look down, so that most rings turn.
            let clockwise = turns_clockwise(ring);
            let points: Vec<&[f64; 3]> =
                if clockwise == (index == 0) { ring.iter().rev().collect() } else { ring.iter().collect() };
            for point in points.iter().chain(points.first()) {
                for value in *point {
                    out.extend_from_slice(&value.to_le_bytes());
                }
            }
        }
    }
    Some(out)
}

fn turns_clockwise(ring: &[[f64; 3]]) -> bool {
    let Some(&first) = ring.first() else { return false };
    let mut twice = 0.0;
    for (index, point) in ring.iter().enumerate() {
        let next = ring[(index + 1) % ring.len()];
        twice += (point[0] - first[0]) * (next[1] - first[1]) - (next[0] - first[0]) * (point[1] - first[1]);
    }
    twice < 0.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::city_model::model::Face;
    use crate::format::wkb;

    #[test]
    fn footprints_are_multipolygons_with_heights_that_turn_as_maps_want() {
        let ring = vec![[0.0, 0.0, 20.0], [0.0, 8.0, 20.0], [6.0, 8.0, 20.0], [6.0, 0.0, 20.0]];
        let face = Face { semantic: Semantic::Ground, rings: vec![ring] };
        let building = Building { id: "a".into(), faces: vec![face], ..Building::default() };
        let bytes = footprint(&building).unwrap();
        let summary = wkb::summary(&bytes).unwrap();
        assert_eq!(summary.type_name(), "MultiPolygon Z");
        assert_eq!(summary.z, [20.0, 20.0]);
        let geo::Geometry::MultiPolygon(polygons) = wkb::decode(&bytes).unwrap() else { panic!("no multipolygon") };
        use geo::Area;
        assert_eq!(polygons.signed_area(), 48.0);
        assert_eq!(footprint(&Building::default()), None);
    }

    #[test]
    fn attributes_named_like_own_columns_keep_their_values() {
        let attributes = BTreeMap::from([("bbox".to_owned(), Width::Text), ("id".to_owned(), Width::Text)]);
        let table = Table::new(&attributes);
        let mut building = Building { id: "a".into(), ..Building::default() };
        building.attributes.insert("id".into(), Value::Text("own".into()));
        let batch = table.batch(&[building]).unwrap();
        let column = batch.column_by_name("id_").unwrap();
        assert_eq!(column.as_any().downcast_ref::<arrow::array::StringArray>().unwrap().value(0), "own");
        assert!(batch.column_by_name("bbox_").is_some());
    }
}
