//! GLB tiles for 3D Tiles 1.1: quantised geometry, optionally meshopt-compressed, with a property table.
//!
//! Written by hand because no crate writes `EXT_structural_metadata`. Alignment follows that extension (buffer views on 8 bytes,
//! the binary chunk on 8 bytes) and glTF 2.0 section 3.6.2.4 (vertex attributes on 4 bytes). Standards: glTF 2.0,
//! `KHR_mesh_quantization`, `EXT_meshopt_compression`, `EXT_mesh_features`, `EXT_structural_metadata`.

use crate::error::{Error, Result};
use crate::mesh::Piece;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// How the geometry of a tile is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// `EXT_meshopt_compression`, without a fallback.
    #[default]
    Meshopt,
    /// Quantised but not compressed.
    None,
}

/// A surface class: name and colour.
#[derive(Debug, Clone, PartialEq)]
pub struct Material {
    /// Name, as viewers list it.
    pub name: String,
    /// Linear red, green, blue.
    pub colour: [f64; 3],
}

/// Values of one property, one for each feature.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Texts; empty where there is none.
    Text(Vec<String>),
    /// Numbers, stored with 64 bits so that 12.868 stays 12.868.
    Number(Vec<Option<f64>>),
    /// Small whole numbers.
    Integer(Vec<Option<i16>>),
}

/// A property: the key that viewers ask for, and the values.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    /// Key: letters, digits and underscore, not beginning with a digit.
    pub key: String,
    /// Name of the attribute at its source, where it is not the key.
    pub name: Option<String>,
    /// The values.
    pub column: Column,
}

/// Everything in a tile. Positions are y-up (glTF): east, up, south.
#[derive(Debug, Clone)]
pub struct Tile<'a> {
    /// Attribution; empty for none.
    pub copyright: &'a str,
    /// Geometry.
    pub pieces: &'a [Piece],
    /// One material for each class that the pieces name.
    pub materials: &'a [Material],
    /// Name of the features' class, as `building`.
    pub class: &'a str,
    /// Number of features.
    pub features: usize,
    /// Properties of the features.
    pub properties: &'a [Property],
    /// How the geometry is stored.
    pub compression: Compression,
}

/// Marks "no value" of numbers; far outside heights, areas and storeys.
const NO_NUMBER: i16 = -9999;

const STRIDE: usize = 16;
const TARGET_VERTICES: u32 = 34_962;
const TARGET_INDICES: u32 = 34_963;
const BYTE: u32 = 5_120;
const UNSIGNED_SHORT: u32 = 5_123;

/// Writes a tile.
///
/// # Errors
/// When the geometry cannot be encoded, or is larger than a GLB may be (4 GiB).
pub fn write(tile: &Tile<'_>) -> Result<Vec<u8>> {
    let mut writer = Writer { compression: tile.compression, ..Writer::default() };
    let used: Vec<u8> = {
        let mut classes: Vec<u8> = tile.pieces.iter().flat_map(|piece| piece.shapes.iter().map(|shape| shape.class)).collect();
        classes.sort_unstable();
        classes.dedup();
        classes
    };
    let (mut meshes, mut nodes) = (Vec::new(), Vec::new());
    for piece in tile.pieces {
        let primitives = writer.primitives(piece, &used, tile.features)?;
        nodes.push(json!({
            "mesh": meshes.len(),
            "translation": piece.origin,
            "scale": [piece.step, piece.step, piece.step],
        }));
        meshes.push(json!({ "primitives": primitives }));
    }
    let (schema, table) = writer.table(tile);
    let materials: Vec<Value> = used
        .iter()
        .filter_map(|&class| tile.materials.get(usize::from(class)))
        .map(|material| {
            let [red, green, blue] = material.colour;
            json!({
                "name": material.name,
                "pbrMetallicRoughness": { "baseColorFactor": [red, green, blue, 1], "metallicFactor": 0 },
            })
        })
        .collect();
    let mut extensions_used = vec!["EXT_structural_metadata"];
    let mut extensions_required = Vec::new();
    if !nodes.is_empty() {
        extensions_used.extend(["EXT_mesh_features", "KHR_mesh_quantization"]);
        extensions_required.push("KHR_mesh_quantization");
        if tile.compression == Compression::Meshopt {
            extensions_used.push("EXT_meshopt_compression");
            extensions_required.push("EXT_meshopt_compression");
        }
    }
    let mut asset = Map::new();
    asset.insert("version".into(), "2.0".into());
    asset.insert("generator".into(), "messkette".into());
    if !tile.copyright.is_empty() {
        asset.insert("copyright".into(), tile.copyright.into());
    }
    let mut root = Map::new();
    root.insert("asset".into(), asset.into());
    root.insert("extensionsUsed".into(), json!(extensions_used));
    root.insert("scene".into(), 0.into());
    if nodes.is_empty() {
        root.insert("scenes".into(), json!([{}]));
    } else {
        root.insert("extensionsRequired".into(), json!(extensions_required));
        root.insert("scenes".into(), json!([{ "nodes": (0..nodes.len()).collect::<Vec<_>>() }]));
        root.insert("nodes".into(), nodes.into());
        root.insert("meshes".into(), meshes.into());
        root.insert("materials".into(), materials.into());
        root.insert("accessors".into(), writer.accessors.into());
    }
    if !writer.views.is_empty() {
        root.insert("bufferViews".into(), writer.views.into());
        let mut buffers = vec![json!({ "byteLength": writer.bin.len() })];
        if writer.fallback > 0 {
            let extension = json!({ "EXT_meshopt_compression": { "fallback": true } });
            buffers.push(json!({ "byteLength": writer.fallback, "extensions": extension }));
        }
        root.insert("buffers".into(), buffers.into());
    }
    root.insert("extensions".into(), json!({ "EXT_structural_metadata": { "schema": schema, "propertyTables": [table] } }));
    container(&Value::Object(root), &writer.bin)
}

/// The GLB container (glTF 2.0 section 4.4) around JSON and binary data.
///
/// # Errors
/// When it would be larger than 4 GiB.
pub fn container(json: &Value, bin: &[u8]) -> Result<Vec<u8>> {
    let mut text = json.to_string().into_bytes();
    // The binary data begins at 20 + JSON + 8 bytes and shall lie on a multiple of 8.
    while text.len() % 8 != 4 {
        text.push(b' ');
    }
    let padding = bin.len().next_multiple_of(4) - bin.len();
    let bin_chunk = if bin.is_empty() { 0 } else { 8 + bin.len() + padding };
    let total = 12 + 8 + text.len() + bin_chunk;
    let too_large = || Error::new("mk::glb::size", "a tile of more than 4 GiB cannot be written as GLB");
    let length = |value: usize| u32::try_from(value).map(u32::to_le_bytes).map_err(|_| too_large());
    let mut out = Vec::with_capacity(total);
    out.extend_from_slice(b"glTF");
    out.extend_from_slice(&2_u32.to_le_bytes());
    out.extend_from_slice(&length(total)?);
    out.extend_from_slice(&length(text.len())?);
    out.extend_from_slice(b"JSON");
    out.extend_from_slice(&text);
    if !bin.is_empty() {
        out.extend_from_slice(&length(bin.len() + padding)?);
        out.extend_from_slice(b"BIN\0");
        out.extend_from_slice(bin);
        out.resize(total, 0);
    }
    Ok(out)
}

#[derive(Default)]
struct Writer {
    compression: Compression,
    bin: Vec<u8>,
    fallback: usize,
    views: Vec<Value>,
    accessors: Vec<Value>,
    known: HashMap<Vec<u8>, usize>,
}

impl Writer {
    /// Appends bytes on the next multiple of 8 and tells where.
    fn append(&mut self, bytes: &[u8]) -> usize {
        self.bin.resize(self.bin.len().next_multiple_of(8), 0);
        let at = self.bin.len();
        self.bin.extend_from_slice(bytes);
        at
    }

    /// A view of bytes that are stored as they are. Columns that are alike share one: the offsets of all columns with codes of
    /// four digits, dates that are the same for a whole town.
    fn plain_view(&mut self, bytes: &[u8]) -> usize {
        if let Some(&view) = self.known.get(bytes) {
            return view;
        }
        let at = self.append(bytes);
        self.views.push(json!({ "buffer": 0, "byteOffset": at, "byteLength": bytes.len() }));
        self.known.insert(bytes.to_vec(), self.views.len() - 1);
        self.views.len() - 1
    }

    fn view(&mut self, raw: &[u8], encoded: Option<&[u8]>, shape: (usize, usize, &str), target: u32) -> usize {
        let (count, stride, mode) = shape;
        let mut view = match encoded {
            None => {
                let at = self.append(raw);
                json!({ "buffer": 0, "byteOffset": at, "byteLength": raw.len() })
            }
            Some(encoded) => {
                let at = self.append(encoded);
                self.fallback = self.fallback.next_multiple_of(4);
                let virtual_at = self.fallback;
                self.fallback += raw.len();
                json!({
                    "buffer": 1, "byteOffset": virtual_at, "byteLength": raw.len(),
                    "extensions": { "EXT_meshopt_compression": {
                        "buffer": 0, "byteOffset": at, "byteLength": encoded.len(),
                        "byteStride": stride, "count": count, "mode": mode,
                    }},
                })
            }
        };
        if target == TARGET_VERTICES {
            view["byteStride"] = stride.into();
        }
        view["target"] = target.into();
        self.views.push(view);
        self.views.len() - 1
    }

    fn primitives(&mut self, piece: &Piece, used: &[u8], features: usize) -> Result<Vec<Value>> {
        let failed = |error| Error::new("mk::glb::meshopt", "cannot compress the geometry of a tile").because(error);
        let vertices: Vec<[u8; STRIDE]> = (0..piece.positions.len()).map(|index| vertex(piece, index)).collect();
        let indices: Vec<u16> = piece.shapes.iter().flat_map(|shape| shape.indices.iter().copied()).collect();
        let index_bytes: Vec<u8> = indices.iter().flat_map(|index| index.to_le_bytes()).collect();
        let (encoded_vertices, encoded_indices) = match self.compression {
            Compression::None => (None, None),
            Compression::Meshopt => {
                let wide: Vec<u32> = indices.iter().map(|&index| index.into()).collect();
                // Version 0 of the vertex codec is the one that EXT_meshopt_compression knows.
                let encoded = meshopt::encode_vertex_buffer_level(&vertices, 3, Some(0)).map_err(failed)?;
                (Some(encoded), Some(meshopt::encode_index_buffer(&wide, vertices.len()).map_err(failed)?))
            }
        };
        let shape = (vertices.len(), STRIDE, "ATTRIBUTES");
        let vertex_view = self.view(vertices.as_flattened(), encoded_vertices.as_deref(), shape, TARGET_VERTICES);
        let shape = (indices.len(), 2, "TRIANGLES");
        let index_view = self.view(&index_bytes, encoded_indices.as_deref(), shape, TARGET_INDICES);
        let (mut min, mut max) = ([u16::MAX; 3], [0_u16; 3]);
        for position in &piece.positions {
            for axis in 0..3 {
                min[axis] = min[axis].min(position[axis]);
                max[axis] = max[axis].max(position[axis]);
            }
        }
        let count = vertices.len();
        let first = self.accessors.len();
        self.accessors.push(json!({
            "bufferView": vertex_view, "componentType": UNSIGNED_SHORT, "count": count, "type": "VEC3", "min": min, "max": max,
        }));
        self.accessors.push(json!({
            "bufferView": vertex_view, "byteOffset": 8, "componentType": BYTE, "normalized": true, "count": count, "type": "VEC3",
        }));
        self.accessors.push(json!({
            "bufferView": vertex_view, "byteOffset": 12, "componentType": UNSIGNED_SHORT, "count": count, "type": "SCALAR",
        }));
        let mut primitives = Vec::new();
        let mut offset = 0;
        for shape in &piece.shapes {
            let mut accessor = json!({
                "bufferView": index_view, "componentType": UNSIGNED_SHORT, "count": shape.indices.len(), "type": "SCALAR",
            });
            if offset > 0 {
                accessor["byteOffset"] = offset.into();
            }
            self.accessors.push(accessor);
            offset += shape.indices.len() * 2;
            let set = json!({ "featureCount": features, "attribute": 0, "propertyTable": 0 });
            primitives.push(json!({
                "attributes": { "POSITION": first, "NORMAL": first + 1, "_FEATURE_ID_0": first + 2 },
                "indices": self.accessors.len() - 1,
                "material": used.binary_search(&shape.class).unwrap_or(0),
                "extensions": { "EXT_mesh_features": { "featureIds": [set] } },
            }));
        }
        Ok(primitives)
    }

    /// Schema and property table.
    fn table(&mut self, tile: &Tile<'_>) -> (Value, Value) {
        let (mut schema, mut table) = (Map::new(), Map::new());
        for property in tile.properties {
            let (mut definition, values) = match &property.column {
                Column::Text(texts) => self.texts(texts),
                Column::Number(numbers) => {
                    let bytes: Vec<u8> =
                        numbers.iter().flat_map(|value| value.unwrap_or(f64::from(NO_NUMBER)).to_le_bytes()).collect();
                    let view = self.plain_view(&bytes);
                    let mut definition = json!({ "type": "SCALAR", "componentType": "FLOAT64" });
                    if numbers.iter().any(Option::is_none) {
                        definition["noData"] = NO_NUMBER.into();
                    }
                    (definition, json!({ "values": view }))
                }
                Column::Integer(numbers) => {
                    let bytes: Vec<u8> = numbers.iter().flat_map(|value| value.unwrap_or(NO_NUMBER).to_le_bytes()).collect();
                    let view = self.plain_view(&bytes);
                    let mut definition = json!({ "type": "SCALAR", "componentType": "INT16" });
                    if numbers.iter().any(Option::is_none) {
                        definition["noData"] = NO_NUMBER.into();
                    }
                    (definition, json!({ "values": view }))
                }
            };
            if let Some(name) = &property.name {
                definition["name"] = name.as_str().into();
            }
            schema.insert(property.key.clone(), definition);
            table.insert(property.key.clone(), values);
        }
        (
            json!({ "id": "messkette", "classes": { tile.class: { "properties": schema } } }),
            json!({ "class": tile.class, "count": tile.features, "properties": table }),
        )
    }

    fn texts(&mut self, texts: &[String]) -> (Value, Value) {
        let mut bytes = Vec::new();
        let mut offsets = vec![0_usize];
        for text in texts {
            bytes.extend_from_slice(text.as_bytes());
            offsets.push(bytes.len());
        }
        // A buffer view has at least one byte.
        if bytes.is_empty() {
            bytes.push(0);
        }
        let last = bytes.len();
        let (kind, offset_bytes): (&str, Vec<u8>) = if u8::try_from(last).is_ok() {
            ("UINT8", offsets.iter().map(|&offset| offset as u8).collect())
        } else if u16::try_from(last).is_ok() {
            ("UINT16", offsets.iter().flat_map(|&offset| (offset as u16).to_le_bytes()).collect())
        } else {
            ("UINT32", offsets.iter().flat_map(|&offset| (offset as u32).to_le_bytes()).collect())
        };
        let values = self.plain_view(&bytes);
        let string_offsets = self.plain_view(&offset_bytes);
        let mut definition = json!({ "type": "STRING" });
        if texts.iter().any(String::is_empty) {
            definition["noData"] = "".into();
        }
        (definition, json!({ "values": values, "stringOffsets": string_offsets, "stringOffsetType": kind }))
    }
}

/// Position, normal and feature of a vertex, each on a multiple of 4 bytes.
fn vertex(piece: &Piece, index: usize) -> [u8; STRIDE] {
    let mut out = [0; STRIDE];
    for (axis, value) in piece.positions[index].into_iter().enumerate() {
        out[axis * 2..axis * 2 + 2].copy_from_slice(&value.to_le_bytes());
    }
    for (axis, value) in piece.normals[index].into_iter().enumerate() {
        out[8 + axis] = value.to_le_bytes()[0];
    }
    out[12..14].copy_from_slice(&piece.features[index].to_le_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::{Facet, pieces};

    fn chunk(glb: &[u8], at: usize) -> (&[u8], usize) {
        let length = u32::from_le_bytes(glb[at..at + 4].try_into().unwrap()) as usize;
        (&glb[at + 8..at + 8 + length], at + 8 + length)
    }

    fn parts(glb: &[u8]) -> (Value, Vec<u8>) {
        let (json, next) = chunk(glb, 12);
        assert_eq!((next + 8) % 8, 0, "the binary chunk lies on 8 bytes");
        (serde_json::from_slice(json).unwrap(), chunk(glb, next).0.to_vec())
    }

    fn facets() -> Vec<Facet> {
        (0..40)
            .map(|index| {
                let at = f64::from(index) * 7.3;
                Facet {
                    points: vec![[at, 0.0, at], [at + 6.123, 0.0, at], [at + 6.123, 4.5, at], [at, 4.5, at]],
                    triangles: vec![[0, 1, 2], [0, 2, 3]],
                    normal: [0.0, 0.0, 1.0],
                    feature: index as u16 / 4,
                    class: (index % 3) as u8,
                }
            })
            .collect()
    }

    fn materials() -> Vec<Material> {
        ["Dach", "Wand", "Boden"].map(|name| Material { name: name.into(), colour: [0.5, 0.4, 0.3] }).to_vec()
    }

    fn properties() -> Vec<Property> {
        let text = |value: fn(usize) -> String| Column::Text((0..10).map(value).collect());
        let property = |key: &str, column| Property { key: key.into(), name: None, column };
        vec![
            property("id", text(|index| format!("DENW34AL{index:08}"))),
            property("empty", text(|_| String::new())),
            property("long", text(|index| "ä".repeat(index * 40))),
            property("measuredHeight", Column::Number((0..10).map(|i| (i != 3).then_some(12.868 + f64::from(i))).collect())),
            property("storeysAboveGround", Column::Integer((0..10).map(|i| (i % 2 == 0).then_some(i)).collect())),
        ]
    }

    fn tile<'a>(
        pieces: &'a [Piece],
        materials: &'a [Material],
        properties: &'a [Property],
        compression: Compression,
    ) -> Tile<'a> {
        Tile { copyright: "© Amt", pieces, materials, class: "building", features: 10, properties, compression }
    }

    #[test]
    fn meshopt_gives_back_exactly_what_went_in() {
        let (pieces, materials, properties) = (pieces(&facets(), 1.0 / 128.0), materials(), properties());
        let (plain_json, plain_bin) = parts(&write(&tile(&pieces, &materials, &properties, Compression::None)).unwrap());
        let (json, bin) = parts(&write(&tile(&pieces, &materials, &properties, Compression::Meshopt)).unwrap());
        let (mut vertices, mut triangles) = (0, 0);
        for (view, plain) in json["bufferViews"].as_array().unwrap().iter().zip(plain_json["bufferViews"].as_array().unwrap()) {
            let Some(packed) = view["extensions"].get("EXT_meshopt_compression") else { continue };
            let number = |value: &Value, key: &str| value[key].as_u64().unwrap() as usize;
            let range = |value: &Value| number(value, "byteOffset")..number(value, "byteOffset") + number(value, "byteLength");
            let (encoded, raw) = (&bin[range(packed)], &plain_bin[range(plain)]);
            let count = number(packed, "count");
            assert_eq!(number(view, "byteLength"), raw.len());
            if packed["mode"] == "ATTRIBUTES" {
                assert_eq!(encoded[0], 0xa0, "version 0 of the codec");
                let decoded: Vec<[u8; STRIDE]> = meshopt::decode_vertex_buffer(encoded, count).unwrap();
                assert_eq!(decoded.as_flattened(), raw);
                vertices += count;
            } else {
                assert_eq!(encoded[0], 0xe1, "version 1 of the codec");
                let decoded: Vec<u16> = meshopt::decode_index_buffer(encoded, count).unwrap();
                let raw: Vec<u16> = raw.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
                // The codec may turn a triangle, never mirror it.
                let turned = |indices: &[u16]| -> Vec<[u16; 3]> {
                    let turn = |c: &[u16]| (0..3).map(|r| [c[r], c[(r + 1) % 3], c[(r + 2) % 3]]).min().unwrap();
                    indices.chunks_exact(3).map(turn).collect()
                };
                assert_eq!(turned(&decoded), turned(&raw));
                triangles += count / 3;
            }
        }
        assert_eq!((vertices, triangles), (160, 80));
    }

    #[test]
    fn the_property_table_reads_back_and_is_aligned() {
        let (pieces, materials, properties) = (pieces(&facets(), 1.0 / 128.0), materials(), properties());
        let (json, bin) = parts(&write(&tile(&pieces, &materials, &properties, Compression::Meshopt)).unwrap());
        let metadata = &json["extensions"]["EXT_structural_metadata"];
        let class = &metadata["schema"]["classes"]["building"]["properties"];
        assert_eq!(class.as_object().unwrap().keys().next().unwrap(), "id");
        let view = |index: &Value| {
            let view = &json["bufferViews"][index.as_u64().unwrap() as usize];
            let at = view["byteOffset"].as_u64().unwrap() as usize;
            &bin[at..at + view["byteLength"].as_u64().unwrap() as usize]
        };
        for view in json["bufferViews"].as_array().unwrap() {
            let place = view["extensions"].get("EXT_meshopt_compression").unwrap_or(view);
            assert_eq!(place["byteOffset"].as_u64().unwrap() % 8, 0);
        }
        let table = &metadata["propertyTables"][0];
        assert_eq!(table["count"], 10);
        for property in properties {
            let stored = &table["properties"][&property.key];
            match property.column {
                Column::Text(texts) => {
                    let width = match stored["stringOffsetType"].as_str().unwrap() {
                        "UINT8" => 1,
                        "UINT16" => 2,
                        _ => 4,
                    };
                    let offsets: Vec<usize> = view(&stored["stringOffsets"])
                        .chunks_exact(width)
                        .map(|bytes| bytes.iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte)))
                        .collect();
                    let bytes = view(&stored["values"]);
                    let read: Vec<&str> =
                        offsets.windows(2).map(|pair| std::str::from_utf8(&bytes[pair[0]..pair[1]]).unwrap()).collect();
                    assert_eq!(read, texts);
                }
                Column::Number(numbers) => {
                    let read: Vec<f64> = view(&stored["values"])
                        .chunks_exact(8)
                        .map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap()))
                        .collect();
                    assert_eq!(read, numbers.iter().map(|value| value.unwrap_or(-9999.0)).collect::<Vec<_>>());
                    assert_eq!(class[&property.key]["noData"], -9999, "in the range of FLOAT64");
                }
                Column::Integer(numbers) => {
                    assert_eq!(view(&stored["values"]).len(), numbers.len() * 2);
                    assert_eq!(class[&property.key]["noData"], -9999, "in the range of INT16");
                }
            }
        }
        assert_eq!(class["empty"]["noData"], "");
    }

    #[test]
    fn the_container_says_its_own_size() {
        let glb = container(&json!({ "asset": { "version": "2.0" } }), &[1, 2, 3, 4, 5]).unwrap();
        assert_eq!(u32::from_le_bytes(glb[8..12].try_into().unwrap()) as usize, glb.len());
        assert_eq!(glb.len() % 4, 0);
        let (json, bin) = parts(&glb);
        assert_eq!(json["asset"]["version"], "2.0");
        assert_eq!(bin, [1, 2, 3, 4, 5, 0, 0, 0], "padding of at most 3 bytes");
        assert_eq!(container(&json!({}), &[]).unwrap().len(), 20 + 4);
    }
}
