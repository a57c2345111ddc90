//! GLB tiles for 3D Tiles 1.1: quantised geometry, optionally meshopt-compressed, with a property table.
//!
//! Written by hand because no crate writes `EXT_structural_metadata`. Alignment follows that extension (buffer views on 8 bytes,
//! the binary chunk on 8 bytes) and glTF 2.0 section 3.6.2.4 (vertex attributes on 4 bytes). Standards: glTF 2.0,
//! `KHR_mesh_quantization`, `EXT_meshopt_compression`, `EXT_mesh_features`, `EXT_structural_metadata`.

mod metadata;

pub use metadata::{Column, Property};

use crate::error::{Error, Result};
use crate::mesh::{Piece, Vertex};
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

/// Everything in a tile. Positions are y-up (glTF): east, up, south.
pub struct Tile<'a> {
    /// Attribution; empty for none.
    pub copyright: &'a str,
    /// Geometry with a colour for each vertex.
    pub pieces: &'a [Piece],
    /// Geometry with a picture.
    pub textured: Option<Textured<'a>>,
    /// Names of the classes that vertices have, as `RoofSurface`: the second set of features.
    pub surfaces: &'a [&'a str],
    /// Name of the features' class, as `building`.
    pub class: &'a str,
    /// Number of features.
    pub features: usize,
    /// Properties of the features.
    pub properties: &'a [Property],
    /// How the geometry is stored.
    pub compression: Compression,
}

/// Geometry that shows parts of one picture.
#[derive(Debug, Clone, Copy)]
pub struct Textured<'a> {
    /// The geometry.
    pub pieces: &'a [Piece],
    /// The picture, JPEG or PNG.
    pub picture: &'a [u8],
    /// Its media type.
    pub media_type: &'a str,
    /// True when the picture has pixels that are not there.
    pub cutout: bool,
}

/// Bytes of a vertex: position, normal, feature, class, and colour or place in the picture, each on a multiple of 4.
const STRIDE: usize = 24;
const TARGET_VERTICES: u32 = 34_962;
const TARGET_INDICES: u32 = 34_963;
const BYTE: u32 = 5_120;
const UNSIGNED_BYTE: u32 = 5_121;
const UNSIGNED_SHORT: u32 = 5_123;

/// Writes a tile.
///
/// # Errors
/// When the geometry cannot be encoded, or is larger than a GLB may be (4 GiB).
pub fn write(tile: &Tile<'_>) -> Result<Vec<u8>> {
    let mut writer = Writer { compression: tile.compression, ..Writer::default() };
    let (mut meshes, mut nodes) = (Vec::new(), Vec::new());
    // White: the vertices have the colours, or the picture.
    let mut materials = Vec::new();
    let textured = tile.textured.filter(|textured| !textured.pieces.is_empty());
    let plain = Some(tile.pieces).filter(|pieces| !pieces.is_empty()).map(|pieces| (pieces, false));
    for (pieces, has_picture) in plain.into_iter().chain(textured.map(|textured| (textured.pieces, true))) {
        for set in sets(pieces) {
            for (piece, primitive) in set.iter().zip(writer.primitives(set, tile, (materials.len(), has_picture))?) {
                nodes.push(
                    json!({ "mesh": meshes.len(), "translation": piece.origin, "scale": [piece.step, piece.step, piece.step] }),
                );
                meshes.push(json!({ "primitives": [primitive] }));
            }
        }
        materials.push(json!({ "pbrMetallicRoughness": { "metallicFactor": 0 } }));
        if has_picture && let Some(material) = materials.last_mut() {
            material["pbrMetallicRoughness"]["baseColorTexture"] = json!({ "index": 0 });
        }
    }
    let (schema, tables) = writer.tables(tile);
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
        if let Some(textured) = textured {
            if textured.cutout
                && let Some(material) = materials.last_mut()
            {
                material["alphaMode"] = "MASK".into();
            }
            let at = writer.append(textured.picture);
            writer.views.push(json!({ "buffer": 0, "byteOffset": at, "byteLength": textured.picture.len() }));
            let image = json!({ "bufferView": writer.views.len() - 1, "mimeType": textured.media_type });
            let (linear, mipmaps, edge) = (9_729, 9_987, 33_071);
            let sampler = json!({ "magFilter": linear, "minFilter": mipmaps, "wrapS": edge, "wrapT": edge });
            root.insert("textures".into(), json!([{ "sampler": 0, "source": 0 }]));
            root.insert("images".into(), json!([image]));
            root.insert("samplers".into(), json!([sampler]));
        }
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
    root.insert("extensions".into(), json!({ "EXT_structural_metadata": { "schema": schema, "propertyTables": tables } }));
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

    /// Writes the pieces of a set and gives a primitive for each. They share their vertices, and each has its own indices.
    fn primitives(&mut self, set: &[Piece], tile: &Tile<'_>, (material, textured): (usize, bool)) -> Result<Vec<Value>> {
        let failed = |error| Error::new("mk::glb::meshopt", "cannot compress the geometry of a tile").because(error);
        let vertices: Vec<[u8; STRIDE]> = set.iter().flat_map(|piece| &piece.vertices).map(|it| bytes_of(*it)).collect();
        let mut indices: Vec<u16> = Vec::new();
        let mut first = 0;
        for piece in set {
            indices.extend(piece.indices.iter().map(|index| first + index));
            first += piece.vertices.len() as u16;
        }
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
        for vertex in set.iter().flat_map(|piece| &piece.vertices) {
            for axis in 0..3 {
                min[axis] = min[axis].min(vertex.position[axis]);
                max[axis] = max[axis].max(vertex.position[axis]);
            }
        }
        let count = vertices.len();
        let first = self.accessors.len();
        self.accessors.extend([
            json!({ "bufferView": vertex_view, "componentType": UNSIGNED_SHORT, "count": count, "type": "VEC3", "min": min, "max": max }),
            json!({ "bufferView": vertex_view, "byteOffset": 8, "componentType": BYTE, "normalized": true, "count": count, "type": "VEC3" }),
            json!({ "bufferView": vertex_view, "byteOffset": 12, "componentType": UNSIGNED_SHORT, "count": count, "type": "SCALAR" }),
            json!({ "bufferView": vertex_view, "byteOffset": 16, "componentType": UNSIGNED_BYTE, "count": count, "type": "SCALAR" }),
            json!({
                "bufferView": vertex_view, "byteOffset": 20, "componentType": if textured { UNSIGNED_SHORT } else { UNSIGNED_BYTE },
                "normalized": true, "count": count, "type": if textured { "VEC2" } else { "VEC4" },
            }),
        ]);
        let paint = if textured { "TEXCOORD_0" } else { "COLOR_0" };
        let mut primitives = Vec::new();
        let mut offset = 0;
        for piece in set {
            let mut accessor = json!({
                "bufferView": index_view, "componentType": UNSIGNED_SHORT, "count": piece.indices.len(), "type": "SCALAR",
            });
            if offset > 0 {
                accessor["byteOffset"] = offset.into();
            }
            self.accessors.push(accessor);
            offset += piece.indices.len() * 2;
            let features = json!([
                { "featureCount": tile.features, "attribute": 0, "propertyTable": 0 },
                { "featureCount": tile.surfaces.len(), "attribute": 1, "propertyTable": 1, "label": "surface" },
            ]);
            primitives.push(json!({
                "attributes": {
                    "POSITION": first, "NORMAL": first + 1, "_FEATURE_ID_0": first + 2, "_FEATURE_ID_1": first + 3, paint: first + 4,
                },
                "indices": self.accessors.len() - 1,
                "material": material,
                "extensions": { "EXT_mesh_features": { "featureIds": features } },
            }));
        }
        Ok(primitives)
    }
}

/// Pieces in groups whose vertices 16 bits can number: a group shares its accessors.
fn sets(pieces: &[Piece]) -> Vec<&[Piece]> {
    let (mut out, mut start, mut sum) = (Vec::new(), 0, 0);
    for (index, piece) in pieces.iter().enumerate() {
        if sum + piece.vertices.len() > usize::from(u16::MAX) {
            out.push(&pieces[start..index]);
            (start, sum) = (index, 0);
        }
        sum += piece.vertices.len();
    }
    out.push(&pieces[start..]);
    out.retain(|set| !set.is_empty());
    out
}

/// A vertex as it is stored.
fn bytes_of(vertex: Vertex) -> [u8; STRIDE] {
    let mut out = [0; STRIDE];
    for (axis, value) in vertex.position.into_iter().enumerate() {
        out[axis * 2..axis * 2 + 2].copy_from_slice(&value.to_le_bytes());
    }
    for (axis, value) in vertex.normal.into_iter().enumerate() {
        out[8 + axis] = value.to_le_bytes()[0];
    }
    out[12..14].copy_from_slice(&vertex.feature.to_le_bytes());
    out[16] = vertex.class;
    out[20..].copy_from_slice(&vertex.paint);
    out
}

#[cfg(test)]
mod tests;
