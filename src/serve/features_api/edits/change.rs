//! What a request wants of a feature, compared with what is there: the delta that says so.

use super::shape;
use crate::error::Result;
use crate::format::wkb;
use crate::serve::features_api::collection::Collection;
use crate::serve::features_api::problem::{Problem, short};
use crate::serve::features_api::query::only_known;
use crate::serve::features_api::rows::Row;
use crate::serve::features_api::table::{Column, Kind};
use crate::serve::features_api::target::CRS84;
use crate::serve::http::Request;
use geo::Geometry;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

/// An edit as a delta of QField.
pub struct Delta {
    /// Identifier of the edit.
    pub id: Uuid,
    /// Who made it.
    pub client: String,
    /// The table.
    pub table: String,
    /// CRS of its geometries.
    pub crs: Option<String>,
    /// UUID of the object.
    pub object: String,
    /// `create`, `patch` or `delete`.
    pub method: &'static str,
    /// What was there.
    pub old: Option<Value>,
    /// What is wanted.
    pub new: Option<Value>,
}

/// A request that changes something.
pub struct Wanted<'w> {
    /// The collection.
    pub collection: &'w Collection,
    /// Columns that can be changed.
    pub columns: &'w BTreeSet<String>,
    /// The feature as it is; `None` for a new one.
    pub now: Option<&'w Row>,
    /// The request.
    pub request: &'w Request,
}

impl Wanted<'_> {
    /// The delta; `None` when everything is as it is wanted.
    pub fn delta(&self) -> Result<Option<Delta>, Problem> {
        only_known(self.request, &[])?;
        let client = self.request.header("x-client-id").map_or_else(|| "ogcapi".to_owned(), short);
        let crs = self.collection.table.shape.as_ref().and_then(|shape| shape.crs);
        let delta = |object: String, method, old, new| -> Result<Option<Delta>, Problem> {
            let (table, crs) = (self.collection.table.name.clone(), crs.map(|crs| crs.to_string()));
            Ok(Some(Delta { id: Uuid::new_v4(), client: client.clone(), table, crs, object, method, old, new }))
        };
        if self.request.method == "DELETE" {
            let Some(now) = self.now else { return Ok(None) };
            let old = side(self.columns.iter().map(|name| (name.clone(), now.properties.get(name).cloned().unwrap_or_default())));
            return delta(name_of(now), "delete", Some(old), None);
        }
        let body = self.body()?;
        let (properties, place) = (self.properties(&body)?, self.place(&body)?);
        let Some(now) = self.now else {
            let given = properties.get("uuid").or_else(|| body.get("id")).filter(|id| !id.is_null());
            let object = match given {
                Some(id) => {
                    let id = id.as_str().and_then(|text| Uuid::try_parse(text).ok());
                    id.ok_or_else(|| Problem::new(422, "the identifier of a new feature is a UUID, or left out"))?
                }
                None => Uuid::new_v4(),
            };
            if super::super::items::find(self.collection, &object.to_string())?.is_some() {
                return Err(Problem::new(409, "there is such a feature already"));
            }
            let values = properties.into_iter().filter(|(name, _)| self.columns.contains(name));
            let mut new = side(values.chain([("uuid".to_owned(), object.to_string().into())]));
            if let Said::Place(place) = place {
                new["geometry"] = wkb::to_text(&place).into();
            }
            return delta(object.to_string(), "create", None, Some(new));
        };
        let mut changed: Vec<(String, Value, Value)> = Vec::new();
        for name in self.columns {
            let there = now.properties.get(name).cloned().unwrap_or_default();
            let wanted = match properties.get(name) {
                Some(value) => value.clone(),
                // A replacement says everything; an update only what is to change.
                None if self.request.method == "PUT" => Value::Null,
                None => continue,
            };
            if !same(&there, &wanted) {
                changed.push((name.clone(), there, wanted));
            }
        }
        let there = now.shape.as_deref().map(wkb::decode).transpose()?;
        let moved = match place {
            Said::Place(place) if there.as_ref() != Some(&place) => Some(wkb::to_text(&place).into()),
            Said::Nowhere if there.is_some() => Some(Value::Null),
            Said::Nothing if there.is_some() && self.request.method == "PUT" => Some(Value::Null),
            _ => None,
        };
        if changed.is_empty() && moved.is_none() {
            return Ok(None);
        }
        let mut old = side(changed.iter().map(|(name, old, _)| (name.clone(), old.clone())));
        let mut new = side(changed.into_iter().map(|(name, _, new)| (name, new)));
        if let Some(moved) = moved {
            old["geometry"] = there.map_or(Value::Null, |there| wkb::to_text(&there).into());
            new["geometry"] = moved;
        }
        delta(name_of(now), "patch", Some(old), Some(new))
    }

    fn body(&self) -> Result<Map<String, Value>, Problem> {
        let media_type = self.request.header("content-type").unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        let patch = self.request.method == "PATCH" && media_type == "application/merge-patch+json";
        if !patch && !["application/geo+json", "application/json"].contains(&media_type) {
            return Err(Problem::new(415, "a feature is sent as application/geo+json"));
        }
        match serde_json::from_slice(&self.request.body) {
            Ok(Value::Object(body)) => Ok(body),
            _ => Err(Problem::bad("the body is no GeoJSON feature")),
        }
    }

    /// The properties that are given, each of its column's type and value list. What the program makes can be given as it is.
    fn properties(&self, body: &Map<String, Value>) -> Result<Map<String, Value>, Problem> {
        let properties = match body.get("properties") {
            Some(Value::Object(properties)) => properties.clone(),
            None | Some(Value::Null) => Map::new(),
            Some(_) => return Err(Problem::new(422, "properties is an object")),
        };
        for (name, value) in &properties {
            let column = self.collection.table.columns.iter().find(|column| column.name == *name);
            let Some(column) = column else {
                return Err(Problem::new(422, format!("there is no property '{}'", short(name))));
            };
            if self.columns.contains(name) {
                fits(column, value)?;
            } else if self.now.is_some_and(|now| !same(now.properties.get(name).unwrap_or(&Value::Null), value)) {
                return Err(Problem::new(422, format!("'{name}' is made by the program and cannot be changed")));
            } else if self.now.is_none() && name != "uuid" && !value.is_null() {
                return Err(Problem::new(422, format!("'{name}' is made by the program: leave it out")));
            }
        }
        Ok(properties)
    }

    /// The place in the CRS of the table. One that is given as the server gives it is the one that is there, to the last bit.
    fn place(&self, body: &Map<String, Value>) -> Result<Said, Problem> {
        let Some(value) = body.get("geometry") else { return Ok(Said::Nothing) };
        if value.is_null() {
            return Ok(Said::Nowhere);
        }
        let Some(shape) = self.collection.table.shape.as_ref().filter(|_| !self.collection.targets.is_empty()) else {
            return Err(Problem::new(422, "features of this collection have no geometry"));
        };
        let said = self.request.header("content-crs").map_or(CRS84, |header| header.trim().trim_matches(['<', '>']));
        let target = self.collection.targets.iter().find(|target| target.uri == said);
        let target = target.ok_or_else(|| Problem::bad("Content-Crs is none of the CRSs of this collection"))?;
        let there = self.now.and_then(|now| now.shape.as_deref()).map(wkb::decode).transpose()?;
        if let Some(there) = there
            && same(&target.shape(&there)?, value)
        {
            return Ok(Said::Place(there));
        }
        let place = shape::read(value, target)?;
        let type_name = wkb::summary(&wkb::encode(&place))?.type_name().to_uppercase();
        if shape.type_name != "GEOMETRY" && shape.type_name != type_name {
            return Err(Problem::new(422, format!("the geometry is a {type_name}, not a {}", shape.type_name)));
        }
        Ok(Said::Place(place))
    }
}

/// Values as a side of a delta.
fn side(values: impl Iterator<Item = (String, Value)>) -> Value {
    json!({ "attributes": values.collect::<Map<String, Value>>() })
}

/// What a request says of the place.
enum Said {
    /// Nothing.
    Nothing,
    /// That there is none.
    Nowhere,
    /// This one, in the CRS of the table.
    Place(Geometry<f64>),
}

/// The identity of a row.
fn name_of(row: &Row) -> String {
    row.id.as_str().map_or_else(|| row.id.to_string(), str::to_owned)
}

/// Equal values; numbers by what they are worth.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, value)| b.get(name).is_some_and(|other| same(value, other)))
        }
        _ => a == b,
    }
}

fn fits(column: &Column, value: &Value) -> Result<(), Problem> {
    let day = |text: &str| text.parse::<jiff::civil::Date>().is_ok_and(|day| day.to_string() == text);
    let fits = match (column.kind, value) {
        (_, Value::Null) | (Kind::Boolean, Value::Bool(_)) | (Kind::Number, Value::Number(_)) => true,
        (Kind::Integer, Value::Number(number)) => number.is_i64(),
        (Kind::Date, Value::String(text)) => day(text),
        (Kind::Text, Value::String(text)) => {
            text.trim() == text && !text.is_empty() && text.len() <= 10_000 && text.chars().all(crate::markup::is_text)
        }
        _ => false,
    };
    if !fits {
        let what = match column.kind {
            Kind::Boolean => "true or false",
            Kind::Number => "a number",
            Kind::Integer => "a whole number",
            Kind::Date => "a day as 2026-03-01",
            _ => "a text without spaces around it",
        };
        return Err(Problem::new(422, format!("'{}' is {what}, or null", column.name)));
    }
    let listed = column.values.is_empty() || value.is_null() || column.values.iter().any(|(known, _)| value == known.as_str());
    if listed {
        return Ok(());
    }
    let known: Vec<&str> = column.values.iter().map(|(known, _)| known.as_str()).collect();
    Err(Problem::new(422, format!("'{}' is one of {}", column.name, known.join(", "))))
}
