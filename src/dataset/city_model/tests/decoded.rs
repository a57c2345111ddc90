//! Reads a GLB of ours back, by the specifications and not by the writer's code.

use serde_json::Value;

/// A tile, decoded.
pub struct Decoded {
    pub json: Value,
    bin: Vec<u8>,
}

/// A triangle in the tile's frame (east, up, south), with the name of its surface and its feature.
pub struct Triangle {
    pub class: String,
    pub feature: usize,
    pub corners: [[f64; 3]; 3],
    pub normal: [f64; 3],
    /// Of its corners, where it shows a picture: from the left and from above.
    pub places: Option<[[f64; 2]; 3]>,
}

impl Decoded {
    pub fn new(glb: &[u8]) -> Self {
        assert_eq!(&glb[..4], b"glTF");
        let word = |at: usize| u32::from_le_bytes(glb[at..at + 4].try_into().unwrap()) as usize;
        assert_eq!(word(8), glb.len());
        let json_length = word(12);
        let bin = 20 + json_length + 8;
        assert_eq!(bin % 8, 0);
        assert_eq!(word(20 + json_length) + bin, glb.len());
        let json: Value = serde_json::from_slice(&glb[20..20 + json_length]).unwrap();
        let length = number(&json["buffers"][0], "byteLength");
        assert!((glb.len() - bin) - length < 4, "padding of less than 4 bytes");
        Self { json, bin: glb[bin..].to_vec() }
    }

    fn view(&self, index: usize) -> Vec<u8> {
        let view = &self.json["bufferViews"][index];
        let slice = |place: &Value| {
            let at = place.get("byteOffset").map_or(0, |value| value.as_u64().unwrap() as usize);
            assert_eq!(at % 8, 0, "buffer views lie on 8 bytes");
            &self.bin[at..at + number(place, "byteLength")]
        };
        let Some(packed) = view["extensions"].get("EXT_meshopt_compression") else { return slice(view).to_vec() };
        let (encoded, count) = (slice(packed), number(packed, "count"));
        if packed["mode"] == "ATTRIBUTES" {
            return meshopt::decode_vertex_buffer::<[u8; 24]>(encoded, count).unwrap().concat();
        }
        let indices: Vec<u16> = meshopt::decode_index_buffer(encoded, count).unwrap();
        indices.iter().flat_map(|index| index.to_le_bytes()).collect()
    }

    fn accessor(&self, index: &Value) -> (Vec<u8>, usize, usize) {
        let accessor = &self.json["accessors"][index.as_u64().unwrap() as usize];
        let view = number(accessor, "bufferView");
        let offset = accessor.get("byteOffset").map_or(0, |value| value.as_u64().unwrap() as usize);
        let stride = self.json["bufferViews"][view].get("byteStride").map_or(2, |value| value.as_u64().unwrap() as usize);
        (self.view(view)[offset..].to_vec(), stride, number(accessor, "count"))
    }

    pub fn triangles(&self) -> Vec<Triangle> {
        let mut out = Vec::new();
        for node in self.json["nodes"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let triple = |value: &Value| -> [f64; 3] { std::array::from_fn(|axis| value[axis].as_f64().unwrap()) };
            let (translation, scale) = (triple(&node["translation"]), triple(&node["scale"]));
            assert!(scale.iter().all(|&step| step <= 0.008), "steps of at most 8 mm");
            for primitive in self.json["meshes"][number(node, "mesh")]["primitives"].as_array().unwrap() {
                let attributes = &primitive["attributes"];
                let (positions, stride, vertices) = self.accessor(&attributes["POSITION"]);
                let (normals, ..) = self.accessor(&attributes["NORMAL"]);
                let (features, ..) = self.accessor(&attributes["_FEATURE_ID_0"]);
                let (surfaces, ..) = self.accessor(&attributes["_FEATURE_ID_1"]);
                let names = self.column(1, "surface");
                let (indices, _, count) = self.accessor(&primitive["indices"]);
                let short = |bytes: &[u8], at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
                for triangle in 0..count / 3 {
                    let corners: [usize; 3] = std::array::from_fn(|corner| short(&indices, (triangle * 3 + corner) * 2).into());
                    assert!(corners.iter().all(|&corner| corner < vertices));
                    let place = |vertex: usize| -> [f64; 3] {
                        std::array::from_fn(|axis| {
                            translation[axis] + scale[axis] * f64::from(short(&positions, vertex * stride + axis * 2))
                        })
                    };
                    let normal =
                        std::array::from_fn(|axis| f64::from(i8::from_le_bytes([normals[corners[0] * stride + axis]])) / 127.0);
                    let places = attributes.get("TEXCOORD_0").map(|places| {
                        let (places, ..) = self.accessor(places);
                        corners.map(|vertex| [0, 1].map(|axis| f64::from(short(&places, vertex * stride + axis * 2)) / 65_535.0))
                    });
                    out.push(Triangle {
                        places,
                        class: names[usize::from(surfaces[corners[0] * stride])].clone(),
                        feature: short(&features, corners[0] * stride).into(),
                        corners: corners.map(place),
                        normal,
                    });
                }
            }
        }
        out
    }

    /// The bytes of the picture on its faces, with their media type.
    pub fn picture(&self) -> Option<(String, Vec<u8>)> {
        let image = self.json.get("images")?.get(0)?;
        Some((image["mimeType"].as_str()?.to_owned(), self.view(number(image, "bufferView"))))
    }

    /// The colours of the vertices.
    pub fn colours(&self) -> Vec<[u8; 4]> {
        let (bytes, stride, count) = self.accessor(&self.json["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"]);
        (0..count).map(|index| bytes[index * stride..][..4].try_into().unwrap()).collect()
    }

    pub fn texts(&self, property: &str) -> Vec<String> {
        self.column(0, property)
    }

    /// The texts of a property, stored as texts or as an enumeration.
    fn column(&self, table: usize, property: &str) -> Vec<String> {
        let metadata = &self.json["extensions"]["EXT_structural_metadata"];
        let table = &metadata["propertyTables"][table];
        let stored = &table["properties"][property];
        let definition = &metadata["schema"]["classes"][table["class"].as_str().unwrap()]["properties"][property];
        let values = self.view(number(stored, "values"));
        if definition["type"] == "ENUM" {
            let names = &metadata["schema"]["enums"][definition["enumType"].as_str().unwrap()]["values"];
            let name = |value: u8| names.as_array().unwrap().iter().find(|it| it["value"] == value).unwrap()["name"].as_str();
            let text = |&value: &u8| name(value).filter(|&name| definition["noData"] != name).unwrap_or_default().to_owned();
            assert_eq!(values.len(), number(table, "count"));
            return values.iter().map(text).collect();
        }
        let offsets = self.view(number(stored, "stringOffsets"));
        let width = match stored["stringOffsetType"].as_str().unwrap() {
            "UINT8" => 1,
            "UINT16" => 2,
            _ => 4,
        };
        let offset = |index: usize| (0..width).rev().fold(0, |sum, byte| sum << 8 | usize::from(offsets[index * width + byte]));
        (0..number(table, "count")).map(|row| String::from_utf8(values[offset(row)..offset(row + 1)].to_vec()).unwrap()).collect()
    }

    pub fn numbers(&self, property: &str) -> Vec<f64> {
        let table = &self.json["extensions"]["EXT_structural_metadata"]["propertyTables"][0];
        let values = self.view(number(&table["properties"][property], "values"));
        values.chunks_exact(8).map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap())).collect()
    }
}

fn number(value: &Value, key: &str) -> usize {
    value[key].as_u64().unwrap_or_else(|| panic!("no {key} in {value}")) as usize
}
