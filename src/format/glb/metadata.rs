//! `EXT_structural_metadata`: columns to a schema and a property table, each column in the smaller of its encodings.
//!
//! A text column whose values repeat is stored as an enumeration (3D Metadata 1.0, section "Enum"): one byte for each feature, and the
//! texts once. A viewer gives back the same text in both encodings.

use super::{Tile, Writer};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

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

/// Marks "no value" of numbers; far outside heights, areas and storeys.
pub const NO_NUMBER: i16 = -9999;
/// Marks "no value" of enumerations: a viewer shows nothing. A column that has this text is stored as texts.
pub const NO_TEXT: &str = "none";
/// About what a value of an enumeration, an enumeration and a column of texts cost in JSON, in bytes.
const JSON_COST: [usize; 3] = [22, 90, 110];

impl Writer {
    /// Schema and property tables: features, then surfaces.
    pub(super) fn tables(&mut self, tile: &Tile<'_>) -> (Value, Value) {
        let (mut properties, mut values, mut enums) = (Map::new(), Map::new(), Map::new());
        for property in tile.properties {
            let (mut definition, stored) = match &property.column {
                Column::Text(texts) => match enumeration(texts) {
                    Some(names) => {
                        enums.insert(property.key.clone(), definition_of(&names));
                        let number = |text: &String| names.binary_search(&text.as_str()).unwrap_or(0) as u8;
                        let bytes: Vec<u8> = texts.iter().map(number).collect();
                        let mut definition = json!({ "type": "ENUM", "enumType": property.key });
                        // The empty text sorts first and is shown as what means none.
                        if names.first().is_some_and(|name| name.is_empty()) {
                            definition["noData"] = NO_TEXT.into();
                        }
                        (definition, json!({ "values": self.plain_view(&bytes) }))
                    }
                    None => self.texts(texts),
                },
                Column::Number(numbers) => {
                    let bytes: Vec<u8> =
                        numbers.iter().flat_map(|value| value.unwrap_or(f64::from(NO_NUMBER)).to_le_bytes()).collect();
                    self.numbers(&bytes, "FLOAT64", numbers.iter().any(Option::is_none))
                }
                Column::Integer(numbers) => {
                    let bytes: Vec<u8> = numbers.iter().flat_map(|value| value.unwrap_or(NO_NUMBER).to_le_bytes()).collect();
                    self.numbers(&bytes, "INT16", numbers.iter().any(Option::is_none))
                }
            };
            if let Some(name) = &property.name {
                definition["name"] = name.as_str().into();
            }
            properties.insert(property.key.clone(), definition);
            values.insert(property.key.clone(), stored);
        }
        let mut classes = Map::new();
        classes.insert(tile.class.to_owned(), json!({ "properties": properties }));
        let mut tables = vec![json!({ "class": tile.class, "count": tile.features, "properties": values })];
        if !tile.pieces.is_empty() || tile.textured.is_some_and(|textured| !textured.pieces.is_empty()) {
            let names: Vec<String> = tile.surfaces.iter().map(|&name| name.to_owned()).collect();
            let (definition, stored) = self.texts(&names);
            classes.insert("surface".to_owned(), json!({ "properties": { "surface": definition } }));
            tables.push(json!({ "class": "surface", "count": names.len(), "properties": { "surface": stored } }));
        }
        let mut schema = json!({ "id": "messkette", "classes": classes });
        if !enums.is_empty() {
            schema["enums"] = enums.into();
        }
        (schema, tables.into())
    }

    fn numbers(&mut self, bytes: &[u8], component: &str, gaps: bool) -> (Value, Value) {
        let mut definition = json!({ "type": "SCALAR", "componentType": component });
        if gaps {
            definition["noData"] = NO_NUMBER.into();
        }
        (definition, json!({ "values": self.plain_view(bytes) }))
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

/// The different texts, sorted, where an enumeration of them is smaller than the texts themselves.
fn enumeration(texts: &[String]) -> Option<Vec<&str>> {
    let mut names = BTreeSet::new();
    for text in texts {
        names.insert(text.as_str());
        if names.len() > 256 {
            return None;
        }
    }
    if names.contains(NO_TEXT) {
        return None;
    }
    let [each, whole, plain] = JSON_COST;
    let as_enum = texts.len() + whole + names.iter().map(|name| name.len() + each).sum::<usize>();
    let length: usize = texts.iter().map(String::len).sum();
    let offset = if length < 256 { 1 } else { 2 };
    (as_enum < length + (texts.len() + 1) * offset + plain).then(|| names.into_iter().collect())
}

fn definition_of(names: &[&str]) -> Value {
    let value = |(number, name): (usize, &&str)| json!({ "name": if name.is_empty() { NO_TEXT } else { name }, "value": number });
    json!({ "valueType": "UINT8", "values": names.iter().enumerate().map(value).collect::<Vec<_>>() })
}
