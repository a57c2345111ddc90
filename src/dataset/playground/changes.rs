//! Files of changes from the field, as QField writes them: `create`, `patch` and `delete` with what was seen and what is wanted.

use super::model::{GEOMETRY, Row};
use crate::crs::{Crs, Operation};
use crate::dataset::Area;
use crate::dataset::features::check;
use crate::error::{Error, Result};
use crate::format::wkb;
use crate::io::gdal::wkb_of_text;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A new object.
    Create,
    /// Some values of an object.
    Patch,
    /// An object goes.
    Delete,
}

/// A change from the field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Time of the file, where it says one.
    pub time: String,
    /// Identifier of the file.
    pub file: String,
    /// Place in it.
    pub position: u32,
    /// Identifier of the change.
    pub id: String,
    /// The device in the field.
    pub client: String,
    /// The layer, as the field names it.
    pub layer: String,
    /// Primary keys of the object, as the field names them.
    pub keys: Vec<String>,
    /// What it does.
    pub method: Method,
    /// What the field saw; the geometry as text beside the attributes.
    pub old: Row,
    /// What it wants.
    pub new: Row,
    /// Files that it brings, by their paths from the project, with their SHA-256 where the field could read them.
    pub files: BTreeMap<String, Option<String>>,
}

/// A file of changes.
#[derive(Deserialize)]
struct File {
    id: String,
    #[serde(default, alias = "createdAt")]
    created_at: String,
    deltas: Vec<Value>,
}

/// One of them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delta {
    uuid: String,
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    local_layer_id: String,
    #[serde(default)]
    local_layer_crs: Option<String>,
    #[serde(default)]
    source_layer_id: Option<String>,
    #[serde(default)]
    local_pk: Option<Value>,
    #[serde(default)]
    source_pk: Option<Value>,
    method: Method,
    #[serde(default)]
    old: Option<Side>,
    #[serde(default)]
    new: Option<Side>,
}

/// An object before or after.
#[derive(Default, Deserialize)]
struct Side {
    #[serde(default)]
    attributes: Option<Row>,
    #[serde(default, deserialize_with = "said")]
    geometry: Option<Value>,
    #[serde(default)]
    files_sha256: Option<BTreeMap<String, Option<String>>>,
}

/// A geometry that is null is one that is said.
fn said<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// The changes of a file, and those that cannot be read.
///
/// # Errors
/// When it is no file of changes.
pub fn changes_of(bytes: &[u8], area: &Area) -> Result<(Vec<Change>, Vec<Error>)> {
    let file: File = serde_json::from_slice(bytes).map_err(|error| {
        Error::new("mk::playground::changes", "the file is no list of changes as QField writes it").because(error)
    })?;
    let (mut changes, mut errors) = (Vec::new(), Vec::new());
    for (position, delta) in file.deltas.into_iter().enumerate() {
        let read = serde_json::from_value::<Delta>(delta)
            .map_err(|error| Error::new("mk::playground::changes", "it is no change").because(error))
            .and_then(|delta| change(delta, &file.id, &file.created_at, position, area));
        match read {
            Ok(change) => changes.push(change),
            Err(error) => errors.push(Error::new(error.code(), format!("change {}: {}", position + 1, error.full_message()))),
        }
    }
    Ok((changes, errors))
}

fn change(delta: Delta, file: &str, time: &str, position: usize, area: &Area) -> Result<Change> {
    let crs: Option<Crs> = delta.local_layer_crs.as_deref().filter(|crs| !crs.is_empty()).map(str::parse).transpose()?;
    let operation = match (crs, area.crs) {
        (Some(from), Some(to)) if from != to => Some(Operation::between(from, to, &area.grids)?),
        _ => None,
    };
    let side = |side: Option<Side>| -> Result<Row> {
        let side = side.unwrap_or_default();
        let mut row = side.attributes.unwrap_or_default();
        match side.geometry {
            None => {}
            Some(Value::String(text)) if !text.trim().is_empty() => {
                row.insert(GEOMETRY.to_owned(), shape(&text, operation.as_ref())?.into());
            }
            Some(_) => {
                row.insert(GEOMETRY.to_owned(), Value::Null);
            }
        }
        Ok(row)
    };
    let files = delta.new.as_ref().and_then(|side| side.files_sha256.clone()).unwrap_or_default();
    let key = |key: Option<Value>| match key {
        Some(Value::String(text)) => Some(text),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    Ok(Change {
        time: time.to_owned(),
        file: file.to_owned(),
        position: position as u32,
        id: delta.uuid,
        client: delta.client_id,
        layer: delta.source_layer_id.filter(|layer| !layer.is_empty()).unwrap_or(delta.local_layer_id),
        keys: [key(delta.source_pk), key(delta.local_pk)].into_iter().flatten().collect(),
        method: delta.method,
        old: side(delta.old)?,
        new: side(delta.new)?,
        files,
    })
}

/// Well-known text as the tables have it.
fn shape(text: &str, operation: Option<&Operation>) -> Result<String> {
    let wrong = || Error::new("mk::playground::geometry", "its geometry is no well-known text");
    let bytes = wkb_of_text(text).ok_or_else(wrong)?;
    let geometry = check::sound(&bytes, None).map_err(|fault| Error::new("mk::playground::geometry", fault.reason))?;
    let geometry = match operation {
        Some(operation) => super::read::moved(&geometry, operation)?,
        None => geometry,
    };
    Ok(wkb::to_text(&geometry))
}
