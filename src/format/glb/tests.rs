//! What is written is read back by the specifications.

use super::*;
use crate::mesh::{Facet, Paint, pieces};

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
                paint: Paint::Colour([(index / 4) as u8, (index % 3) as u8, 7]),
            }
        })
        .collect()
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

fn tile<'a>(pieces: &'a [Piece], properties: &'a [Property], compression: Compression) -> Tile<'a> {
    Tile {
        copyright: "© Amt",
        pieces,
        surfaces: &["RoofSurface", "WallSurface", "GroundSurface"],
        textured: None,
        class: "building",
        features: 10,
        properties,
        compression,
    }
}

#[test]
fn meshopt_gives_back_exactly_what_went_in() {
    let (pieces, properties) = (pieces(&facets(), 1.0 / 128.0), properties());
    let (plain_json, plain_bin) = parts(&write(&tile(&pieces, &properties, Compression::None)).unwrap());
    let (json, bin) = parts(&write(&tile(&pieces, &properties, Compression::Meshopt)).unwrap());
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
fn surfaces_and_colours_belong_to_vertices() {
    let (pieces, properties) = (pieces(&facets(), 1.0 / 128.0), properties());
    let (json, bin) = parts(&write(&tile(&pieces, &properties, Compression::None)).unwrap());
    let primitive = &json["meshes"][0]["primitives"][0];
    let accessor = |name: &str| {
        let accessor = &json["accessors"][primitive["attributes"][name].as_u64().unwrap() as usize];
        let view = &json["bufferViews"][accessor["bufferView"].as_u64().unwrap() as usize];
        let at = view["byteOffset"].as_u64().unwrap() + accessor["byteOffset"].as_u64().unwrap_or(0);
        let (stride, count) = (view["byteStride"].as_u64().unwrap() as usize, accessor["count"].as_u64().unwrap() as usize);
        (0..count).map(|index| bin[at as usize + index * stride..][..4].to_vec()).collect::<Vec<_>>()
    };
    let (features, surfaces, colours) = (accessor("_FEATURE_ID_0"), accessor("_FEATURE_ID_1"), accessor("COLOR_0"));
    for index in 0..features.len() {
        assert_eq!(colours[index], [features[index][0], surfaces[index][0], 7, 255]);
    }
    assert_eq!(surfaces.iter().map(|bytes| bytes[0]).collect::<std::collections::BTreeSet<_>>().len(), 3);
    let sets = primitive["extensions"]["EXT_mesh_features"]["featureIds"].as_array().unwrap();
    assert_eq!((sets[1]["propertyTable"].clone(), sets[1]["featureCount"].clone()), (1.into(), 3.into()));
    assert_eq!(json["extensions"]["EXT_structural_metadata"]["propertyTables"][1]["count"], 3);
}

/// 3D Metadata 1.0: an enumeration's names and values are unique, and each number of the table is one of them.
#[test]
fn texts_that_repeat_are_enumerations_that_give_back_the_same_texts() {
    let texts: Vec<String> = (0..300).map(|index| ["31001_1010", "", "31001_2463"][index % 3].to_owned()).collect();
    let unlike: Vec<String> = (0..300).map(|index| format!("DESH{index:012}")).collect();
    let with_none: Vec<String> = (0..300).map(|index| ["none", "31001_1010_long"][index % 2].to_owned()).collect();
    let property = |key: &str, texts: &[String]| Property { key: key.into(), name: None, column: Column::Text(texts.to_vec()) };
    let properties = [property("function", &texts), property("id", &unlike), property("said", &with_none)];
    let tile = Tile { features: 300, ..tile(&[], &properties, Compression::None) };
    let (json, bin) = parts(&write(&tile).unwrap());
    let metadata = &json["extensions"]["EXT_structural_metadata"];
    let class = &metadata["schema"]["classes"]["building"]["properties"];
    assert_eq!([&class["id"]["type"], &class["said"]["type"]], ["STRING", "STRING"]);
    assert_eq!(class["function"], json!({ "type": "ENUM", "enumType": "function", "noData": "none" }));
    let values = metadata["schema"]["enums"]["function"]["values"].as_array().unwrap();
    let view = &json["bufferViews"][metadata["propertyTables"][0]["properties"]["function"]["values"].as_u64().unwrap() as usize];
    let at = view["byteOffset"].as_u64().unwrap() as usize;
    let numbers = &bin[at..at + view["byteLength"].as_u64().unwrap() as usize];
    assert_eq!(numbers.len(), 300);
    for (number, text) in numbers.iter().zip(&texts) {
        let value = values.iter().find(|value| value["value"] == *number).unwrap();
        let name = value["name"].as_str().unwrap();
        assert_eq!(if name == "none" { "" } else { name }, text);
    }
}

#[test]
fn the_property_table_reads_back_and_is_aligned() {
    let (pieces, properties) = (pieces(&facets(), 1.0 / 128.0), properties());
    let (json, bin) = parts(&write(&tile(&pieces, &properties, Compression::Meshopt)).unwrap());
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
                let read: Vec<f64> =
                    view(&stored["values"]).chunks_exact(8).map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap())).collect();
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
