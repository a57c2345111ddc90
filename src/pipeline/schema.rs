//! The JSON Schema of the pipeline file, made from the types: what the check, the reference and editors read.

use super::model::{DatasetConfig, PipelineConfig, PublishConfig};
use crate::dataset::{KINDS, REMOTE};
use crate::publish::PUBLISHERS;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// A table of the file that its key `kind` decides.
struct Tagged {
    kind: &'static str,
    summary: &'static str,
    options: schemars::Schema,
}

/// The JSON Schema (draft 2020-12) of a whole pipeline file. It is made once: that takes some milliseconds, and a conversion asks twice.
pub fn schema() -> &'static Value {
    static SCHEMA: LazyLock<Value> = LazyLock::new(made);
    &SCHEMA
}

fn made() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let pipeline = generator.subschema_for::<PipelineConfig>().to_value();
    let dataset = DatasetConfig::json_schema(&mut generator).to_value();
    let publish = PublishConfig::json_schema(&mut generator).to_value();
    let mut definitions = generator.take_definitions(true);

    let kinds = KINDS.iter().map(|kind| Tagged { kind: kind.name, summary: kind.summary, options: (kind.options)() });
    let datasets: Vec<Value> = kinds.map(|kind| sourced(branch(&dataset, kind, &mut definitions))).collect();
    let publishers = PUBLISHERS.iter().map(|kind| Tagged { kind: kind.name, summary: kind.summary, options: (kind.options)() });
    let publishers: Vec<Value> = publishers.map(|kind| branch(&publish, kind, &mut definitions)).collect();

    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "messkette pipeline",
        "description": "What a night needs: sources, kinds, what is made of them and where it is published.",
        "type": "object",
        "properties": {
            "pipeline": pipeline,
            "dataset": {
                "description": "The datasets, one table each.",
                "type": "array",
                "minItems": 1,
                "items": { "oneOf": datasets },
            },
            "publish": {
                "description": "The publishers, one table each.",
                "type": "array",
                "items": { "oneOf": publishers },
            },
        },
        "required": ["pipeline", "dataset"],
        "additionalProperties": false,
        "$defs": definitions,
    });
    without_null(&mut schema);
    schema
}

/// The keys that datasets of every kind have.
pub fn common_keys() -> Vec<String> {
    let schema = DatasetConfig::json_schema(&mut SchemaSettings::draft2020_12().into_generator()).to_value();
    members(&schema, "properties").keys().cloned().collect()
}

/// The common keys and those of one kind in one closed table.
fn branch(common: &Value, kind: Tagged, definitions: &mut Map<String, Value>) -> Value {
    let mut options = kind.options.to_value();
    adopt_definitions(kind.kind, &mut options, definitions);
    let mut properties = members(common, "properties");
    properties.insert("kind".to_owned(), json!({ "const": kind.kind, "description": kind.summary }));
    properties.extend(members(&options, "properties"));
    let mut required = values(common, "required");
    required.extend(values(&options, "required"));
    json!({
        "title": kind.kind,
        "description": kind.summary,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// A kind that no server can give anything needs files; of the others the check says what is missing.
fn sourced(mut dataset: Value) -> Value {
    let asks = REMOTE.iter().any(|key| dataset["properties"].get(key).is_some());
    if let (false, Some(required)) = (asks, dataset["required"].as_array_mut()) {
        required.push(Value::from("source"));
    }
    // No files are not what a pipeline may write.
    if let Some(source) = dataset["properties"]["source"].as_object_mut() {
        source.remove("default");
    }
    dataset
}

/// Moves the definitions of a kind's schema beside the others; one that has another's name takes its kind's in front.
fn adopt_definitions(kind: &str, options: &mut Value, definitions: &mut Map<String, Value>) {
    for (name, definition) in members(options, "$defs") {
        match definitions.get(&name) {
            None => {
                definitions.insert(name, definition);
            }
            Some(known) if *known == definition => {}
            Some(_) => {
                let new_name = format!("{kind}.{name}");
                let from = format!("#/$defs/{name}");
                let to = format!("#/$defs/{new_name}");
                rename(options, &from, &to);
                let mut definition = definition;
                rename(&mut definition, &from, &to);
                definitions.insert(new_name, definition);
            }
        }
    }
}

fn rename(schema: &mut Value, from: &str, to: &str) {
    each_object(schema, &mut |object| {
        if object.get("$ref").and_then(Value::as_str) == Some(from) {
            object.insert("$ref".to_owned(), Value::from(to));
        }
    });
}

fn members(schema: &Value, key: &str) -> Map<String, Value> {
    schema.get(key).and_then(Value::as_object).cloned().unwrap_or_default()
}

fn values(schema: &Value, key: &str) -> Vec<Value> {
    schema.get(key).and_then(Value::as_array).cloned().unwrap_or_default()
}

/// TOML has no null: an optional key is one that may be missing.
fn without_null(schema: &mut Value) {
    each_object(schema, &mut |object| {
        if let Some(Value::Array(types)) = object.get_mut("type") {
            types.retain(|name| name != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                object.insert("type".to_owned(), only);
            }
        }
        if let Some(Value::Array(allowed)) = object.get_mut("enum") {
            allowed.retain(|value| !value.is_null());
        }
        if object.get("default").is_some_and(Value::is_null) {
            object.remove("default");
        }
        if let Some(Value::Array(branches)) = object.get_mut("anyOf") {
            branches.retain(|branch| branch.get("type").and_then(Value::as_str) != Some("null"));
            if let [Value::Object(only)] = branches.as_slice() {
                let only = only.clone();
                object.remove("anyOf");
                for (key, value) in only {
                    object.entry(key).or_insert(value);
                }
            }
        }
    });
}

fn each_object(schema: &mut Value, change: &mut dyn FnMut(&mut Map<String, Value>)) {
    match schema {
        Value::Object(object) => {
            change(object);
            object.values_mut().for_each(|value| each_object(value, change));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| each_object(value, change)),
        _ => {}
    }
}
