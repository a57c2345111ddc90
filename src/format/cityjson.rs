//! CityJSONSeq 2.0 (CityJSON Text Sequences): a header line, then one line for each feature with vertices of its own.

use crate::error::{Error, Result};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::io::Write;

/// Digits after the point: millimetres.
const SCALE: f64 = 0.001;

/// A polygon: open rings, the outer one first.
pub type Polygon = Vec<Vec<[f64; 3]>>;

/// One city object with at most one geometry.
#[derive(Debug, Clone)]
pub struct CityObject<'a> {
    /// Identifier.
    pub id: &'a str,
    /// Type, as `Building`.
    pub kind: &'a str,
    /// Attributes.
    pub attributes: Map<String, Value>,
    /// Level of detail.
    pub lod: u8,
    /// True for a `Solid`, false for a `MultiSurface`.
    pub solid: bool,
    /// Polygons with type and number of their boundary surface.
    pub faces: Vec<(&'a str, u32, &'a Polygon)>,
}

/// Writes features one by one.
pub struct Writer<W: Write> {
    output: W,
    translate: [f64; 3],
}

impl<W: Write> Writer<W> {
    /// Writes the header. `reference_system` is the address of the CRS; coordinates are stored relative to `origin`.
    ///
    /// # Errors
    /// When the output fails.
    pub fn new(mut output: W, reference_system: &str, origin: [f64; 2]) -> Result<Self> {
        // Whole kilometres: the same numbers while a town grows within them.
        let translate = [(origin[0] / 1e3).floor() * 1e3, (origin[1] / 1e3).floor() * 1e3, 0.0];
        let header = json!({
            "type": "CityJSON",
            "version": "2.0",
            "transform": { "scale": [SCALE, SCALE, SCALE], "translate": translate },
            "metadata": { "referenceSystem": reference_system },
            "CityObjects": {},
            "vertices": [],
        });
        writeln!(output, "{header}").map_err(failed)?;
        Ok(Self { output, translate })
    }
    /// Writes a feature: the first object and its children.
    ///
    /// # Errors
    /// When there is no object, or the output fails.
    pub fn write(&mut self, objects: &[CityObject<'_>]) -> Result<()> {
        let Some(root) = objects.first() else { return Err(failed("a feature has no object")) };
        let mut vertices = Vertices { translate: self.translate, ..Vertices::default() };
        let mut members = Map::new();
        for (number, object) in objects.iter().enumerate() {
            let mut member = Map::new();
            member.insert("type".into(), object.kind.into());
            if !object.attributes.is_empty() {
                member.insert("attributes".into(), Value::Object(object.attributes.clone()));
            }
            if number > 0 {
                member.insert("parents".into(), json!([root.id]));
            } else if objects.len() > 1 {
                member.insert("children".into(), objects[1..].iter().map(|child| child.id).collect());
            }
            if !object.faces.is_empty() {
                member.insert("geometry".into(), json!([vertices.geometry(object)]));
            }
            if members.insert(object.id.to_owned(), Value::Object(member)).is_some() {
                return Err(failed(format!("two objects of a feature are named {}", object.id)));
            }
        }
        let feature = json!({ "type": "CityJSONFeature", "id": root.id, "CityObjects": members, "vertices": vertices.list });
        writeln!(self.output, "{feature}").map_err(failed)
    }
    /// Gives the output back.
    pub fn finish(self) -> W {
        self.output
    }
}

#[derive(Default)]
struct Vertices {
    translate: [f64; 3],
    numbers: HashMap<[i64; 3], usize>,
    list: Vec<[i64; 3]>,
}

impl Vertices {
    fn number(&mut self, point: [f64; 3]) -> usize {
        let place: [i64; 3] = std::array::from_fn(|axis| ((point[axis] - self.translate[axis]) / SCALE).round() as i64);
        *self.numbers.entry(place).or_insert_with(|| {
            self.list.push(place);
            self.list.len() - 1
        })
    }
    fn geometry(&mut self, object: &CityObject<'_>) -> Value {
        let mut types: Vec<(&str, u32)> = Vec::new();
        let mut known: HashMap<(&str, u32), usize> = HashMap::new();
        let (mut values, mut boundaries) = (Vec::new(), Vec::new());
        for &(kind, surface, polygon) in &object.faces {
            let rings: Vec<Vec<usize>> =
                polygon.iter().map(|ring| ring.iter().map(|&point| self.number(point)).collect()).collect();
            boundaries.push(rings);
            values.push(*known.entry((kind, surface)).or_insert_with(|| {
                types.push((kind, surface));
                types.len() - 1
            }));
        }
        let surfaces: Vec<Value> = types.into_iter().map(|(kind, _)| json!({ "type": kind })).collect();
        let lod = object.lod.to_string();
        if object.solid {
            let semantics = json!({ "surfaces": surfaces, "values": [values] });
            json!({ "type": "Solid", "lod": lod, "boundaries": [boundaries], "semantics": semantics })
        } else {
            let semantics = json!({ "surfaces": surfaces, "values": values });
            json!({ "type": "MultiSurface", "lod": lod, "boundaries": boundaries, "semantics": semantics })
        }
    }
}

fn failed(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new("mk::cityjson::write", "cannot write CityJSONSeq").because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_reads_back_to_the_millimetre() {
        let ring = vec![[404_863.349, 5_746_935.008, 60.549], [404_870.0, 5_746_935.0, 60.5], [404_870.0, 5_746_940.0, 63.25]];
        let face = vec![ring.clone()];
        let object = |id, kind| CityObject {
            id,
            kind,
            attributes: Map::from_iter([("function".to_owned(), "31001_1010".into())]),
            lod: 2,
            solid: true,
            faces: vec![("RoofSurface", 1, &face), ("WallSurface", 2, &face)],
        };
        let mut writer =
            Writer::new(Vec::new(), "https://www.opengis.net/def/crs/EPSG/0/25832", [404_863.0, 5_746_935.0]).unwrap();
        writer.write(&[object("a", "Building"), object("b", "BuildingPart")]).unwrap();
        assert!(writer.write(&[]).is_err());
        let text = String::from_utf8(writer.finish()).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["transform"]["translate"], json!([404_000.0, 5_746_000.0, 0.0]));
        let feature = &lines[1];
        assert_eq!(feature["CityObjects"]["a"]["children"], json!(["b"]));
        assert_eq!(feature["CityObjects"]["b"]["parents"], json!(["a"]));
        let geometry = &feature["CityObjects"]["b"]["geometry"][0];
        assert_eq!(geometry["semantics"]["values"], json!([[0, 1]]));
        for (number, want) in geometry["boundaries"][0][0][0].as_array().unwrap().iter().zip(&ring) {
            let stored = &feature["vertices"][number.as_u64().unwrap() as usize];
            for axis in 0..3 {
                let number = |value: &Value| value.as_f64().unwrap();
                let read = number(&stored[axis]) * 0.001 + number(&lines[0]["transform"]["translate"][axis]);
                assert!((read - want[axis]).abs() <= 0.0005 + 1e-9);
            }
        }
    }
}
