//! `buildings.parquet`: one row for each building, its footprint as geometry, its solid, faces, measures, attributes as columns.

use super::codec;
use super::footprint::{footprint, wkb};
use super::labels;
use super::measure::Measures;
use super::model::{Attributes, Building, Face, Kind, Value, Width};
use super::tile::key;
use crate::error::{Error, Result};
use crate::format;
use crate::mesh::slope;
use arrow::array::{
    ArrayRef, BinaryArray, BinaryBuilder, BooleanArray, Float64Array, Float64Builder, Int64Array, ListArray, RecordBatch,
    StringArray, StructArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Name of the column with the footprint.
pub const GEOMETRY: &str = "geometry";
/// Names of the columns that a flat table has no place for.
const NESTED: [&str; 2] = ["solid", "faces"];

/// Oids of the buildings in the cadastre.
pub type Cadastre = BTreeSet<String>;

/// The columns of the table: fixed ones, then the attributes by name.
pub struct Table {
    schema: SchemaRef,
    attributes: Vec<(String, Width)>,
    cadastre: Option<Cadastre>,
}

/// Fields of a face: what it is, area on its plane (m²), pitch and azimuth (degrees).
fn face_fields() -> Fields {
    Fields::from(vec![
        Field::new("surface", DataType::Utf8, false),
        Field::new("area", DataType::Float64, false),
        Field::new("pitch", DataType::Float64, false),
        Field::new("azimuth", DataType::Float64, true),
    ])
}

/// The fixed columns, in their order.
fn own_fields(cadastre: bool) -> Vec<Field> {
    let text = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
    let number = |name: &str, nullable| Field::new(name, DataType::Float64, nullable);
    let count = |name: &str| Field::new(name, DataType::Int64, false);
    let mut fields = vec![
        text("id", false),
        text("alkis_oid", false),
        count("lod"),
        count("parts"),
        number("height_min", true),
        number("height_max", true),
        number("height", true),
        number("volume", true),
        number("footprint_area", false),
        number("roof_area", false),
        number("wall_area", false),
        number("roof_pitch", true),
        number("roof_azimuth", true),
        text("function_text", true),
        text("roofType_text", true),
        text("quality", true),
        text("digest", false),
    ];
    if cadastre {
        fields.push(Field::new("in_cadastre", DataType::Boolean, false));
    }
    fields
}

impl Table {
    /// The table for buildings with these attributes; with the cadastre's oids, it says which buildings the cadastre knows. Columns
    /// of the reserved names will be added to it.
    pub fn new(attributes: &Attributes, cadastre: Option<Cadastre>, reserved: &[&str]) -> Self {
        let mut fields = own_fields(cadastre.is_some());
        let mut taken: BTreeSet<String> = fields.iter().map(|field| field.name().to_lowercase()).collect();
        taken.extend(reserved.iter().map(|&name| name.to_owned()));
        taken.extend([GEOMETRY, NESTED[0], NESTED[1], format::geoparquet::COVERING, "fid", "geom"].map(str::to_owned));
        for (name, &width) in &attributes.0 {
            let kind = match width {
                Width::Integer => DataType::Int64,
                Width::Number => DataType::Float64,
                Width::Text => DataType::Utf8,
            };
            // A generic attribute may be named like a column of our own; databases tell no upper from lower case.
            let mut column = name.clone();
            while !taken.insert(column.to_lowercase()) {
                column.push('_');
            }
            fields.push(Field::new(&column, kind, true));
        }
        let face = Field::new_list_field(DataType::Struct(face_fields()), false);
        fields.push(Field::new(NESTED[0], DataType::Binary, true));
        fields.push(Field::new(NESTED[1], DataType::List(Arc::new(face)), false));
        fields.push(Field::new(GEOMETRY, DataType::Binary, true));
        let attributes = attributes.0.iter().map(|(name, &width)| (name.clone(), width)).collect();
        Self { schema: Arc::new(Schema::new(fields)), attributes, cadastre }
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
        let measures: Vec<Measures> = buildings.iter().map(Measures::of).collect();
        let text = |value: &dyn Fn(&Building) -> Option<String>| -> ArrayRef {
            Arc::new(buildings.iter().map(value).collect::<StringArray>())
        };
        let whole = |value: &dyn Fn(&Building) -> usize| -> ArrayRef {
            Arc::new(buildings.iter().map(|building| value(building) as i64).collect::<Int64Array>())
        };
        let measure = |value: &dyn Fn(&Measures) -> Option<f64>| -> ArrayRef {
            Arc::new(measures.iter().map(|it| value(it).map(rounded)).collect::<Float64Array>())
        };
        let extreme = |best: fn(f64, f64) -> f64| -> ArrayRef {
            Arc::new(buildings.iter().map(|it| it.points().map(|point| point[2]).reduce(best)).collect::<Float64Array>())
        };
        let label = |name: &'static str, of: fn(&str) -> Option<String>| {
            text(&|building| building.attribute(name).and_then(|code| of(code.as_text()?)))
        };
        let mut columns: Vec<ArrayRef> = vec![
            text(&|it| Some(it.id.clone())),
            text(&|it| Some(alkis_oid(it))),
            whole(&|it| it.parts.iter().map(|part| part.lod).fold(it.lod, u8::max).into()),
            whole(&|it| it.parts.iter().filter(|part| part.kind == Kind::Part).count()),
            extreme(f64::min),
            extreme(f64::max),
            measure(&|it| it.height),
            measure(&|it| it.volume),
            measure(&|it| Some(it.footprint_area)),
            measure(&|it| Some(it.roof_area)),
            measure(&|it| Some(it.wall_area)),
            measure(&|it| it.roof_pitch),
            measure(&|it| it.roof_azimuth),
            label("function", labels::function),
            label("roofType", labels::roof),
            text(&quality),
            text(&|it| Some(codec::content(it))),
        ];
        if let Some(cadastre) = &self.cadastre {
            columns.push(Arc::new(buildings.iter().map(|it| Some(cadastre.contains(&alkis_oid(it)))).collect::<BooleanArray>()));
        }
        for (name, width) in &self.attributes {
            let values = buildings.iter().map(|building| building.attribute(name));
            columns.push(match width {
                Width::Integer => Arc::new(values.map(|value| value?.as_integer()).collect::<Int64Array>()),
                Width::Number => Arc::new(values.map(|value| value?.as_number()).collect::<Float64Array>()),
                Width::Text => Arc::new(values.map(|value| value.map(|value| value.to_string())).collect::<StringArray>()),
            });
        }
        let (mut solids, mut geometries) = (BinaryBuilder::new(), BinaryBuilder::new());
        for building in buildings {
            let faces: Vec<_> = building.all_faces().map(|face| &face.rings).collect();
            solids.append_option(wkb(faces.into_iter()));
            geometries.append_option(wkb(footprint(building).iter()));
        }
        columns.push(Arc::new(solids.finish()));
        columns.push(faces_column(buildings)?);
        columns.push(Arc::new(geometries.finish()));
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(failed)
    }
    /// The rows without what a flat table has no place for, with names that databases take, the footprint without heights.
    ///
    /// # Errors
    /// When a footprint cannot be read.
    pub fn flat(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let (mut fields, mut columns): (Vec<Field>, Vec<ArrayRef>) = (Vec::new(), Vec::new());
        let mut taken = BTreeSet::new();
        for (field, column) in self.schema.fields().iter().zip(batch.columns()) {
            if NESTED.contains(&field.name().as_str()) {
                continue;
            }
            if field.name() == GEOMETRY {
                let footprints = column.as_any().downcast_ref::<BinaryArray>().ok_or_else(|| failed("no footprints"))?;
                let flat = |bytes: &[u8]| format::wkb::decode(bytes).map(|geometry| format::wkb::encode(&geometry));
                let flat = footprints.iter().map(|bytes| bytes.map(flat).transpose()).collect::<Result<Vec<_>>>()?;
                fields.push(Field::new("geom", DataType::Binary, true));
                columns.push(Arc::new(flat.iter().map(Option::as_deref).collect::<BinaryArray>()));
                continue;
            }
            let mut name = key(field.name());
            while !taken.insert(name.to_lowercase()) {
                name.push('_');
            }
            fields.push(field.as_ref().clone().with_name(name));
            columns.push(Arc::clone(column));
        }
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(failed)
    }
}

/// Millimetres and their squares and cubes are noise.
pub fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Identifier of the building in ALKIS: the external reference, else the `gml:id`, which it is in the AdV profile.
fn alkis_oid(building: &Building) -> String {
    match building.attributes.get("externalReference") {
        Some(Value::Text(text)) if !text.contains([';', ':', '/']) => text.clone(),
        _ => building.id.clone(),
    }
}

/// What val3dity would find, in the building and its parts.
fn quality(building: &Building) -> Option<String> {
    let all: BTreeSet<u16> = std::iter::once(building).chain(&building.parts).flat_map(|it| it.quality.iter().copied()).collect();
    (!all.is_empty()).then(|| all.iter().map(u16::to_string).collect::<Vec<_>>().join("; "))
}

/// The faces, in the order of the polygons of the solid.
fn faces_column(buildings: &[Building]) -> Result<ArrayRef> {
    let faces = || buildings.iter().flat_map(Building::all_faces);
    let (mut areas, mut pitches, mut azimuths) = (Float64Builder::new(), Float64Builder::new(), Float64Builder::new());
    for face in faces() {
        let slope = slope(&face.rings);
        areas.append_value(slope.map_or(0.0, |it| rounded(it.area)));
        pitches.append_value(slope.map_or(0.0, |it| rounded(it.pitch)));
        azimuths.append_option(slope.and_then(|it| it.azimuth).map(rounded));
    }
    let surface = |face: &Face| Some(face.semantic.element());
    let columns: Vec<ArrayRef> = vec![
        Arc::new(faces().map(surface).collect::<StringArray>()),
        Arc::new(areas.finish()),
        Arc::new(pitches.finish()),
        Arc::new(azimuths.finish()),
    ];
    let values = StructArray::try_new(face_fields(), columns, None).map_err(failed)?;
    let offsets = OffsetBuffer::from_lengths(buildings.iter().map(|building| building.all_faces().count()));
    let field = Arc::new(Field::new_list_field(DataType::Struct(face_fields()), false));
    Ok(Arc::new(ListArray::try_new(field, offsets, Arc::new(values), None).map_err(failed)?))
}

/// That columns do not make a table.
pub fn failed(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new("mk::city_model::table", "cannot build the table of buildings").because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_named_like_own_columns_keep_their_values() {
        let attributes = Attributes([("bbox".to_owned(), Width::Text), ("id".to_owned(), Width::Text)].into());
        let table = Table::new(&attributes, Some(Cadastre::from(["b".to_owned()])), &[]);
        let mut building = Building { id: "a".into(), ..Building::default() };
        building.attributes.insert("id".into(), Value::Text("own".into()));
        let batch = table.batch(&[building]).unwrap();
        let column = batch.column_by_name("id_").unwrap();
        assert_eq!(column.as_any().downcast_ref::<arrow::array::StringArray>().unwrap().value(0), "own");
        assert!(batch.column_by_name("bbox_").is_some());
        let flat = table.flat(&batch).unwrap();
        assert!(flat.column_by_name("faces").is_none() && flat.column_by_name("geom").is_some());
        let known = batch.column_by_name("in_cadastre").unwrap();
        assert!(!known.as_any().downcast_ref::<BooleanArray>().unwrap().value(0));
    }
}
