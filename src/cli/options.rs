//! `--set key=value`: options of a kind on the command line, typed by the schema of the pipeline file.

use crate::error::{Error, Exit, Result};
use crate::pipeline;
use serde_json::Value as Schema;
use toml::{Table, Value};

/// Keys of a dataset that `--set` takes beside the kind's own.
const COMMON: &[&str] = &["audience"];

/// Writes the options into a dataset's table; gives the artefact that `only` names.
///
/// A key of the kind stands for itself; a key of its tile target goes into its only target.
///
/// # Errors
/// When a key is not known or a value is not of its type.
pub fn apply(kind: &str, sets: &[String], dataset: &mut Table) -> Result<Option<String>> {
    let schema = pipeline::schema();
    let keys = Keys::of(schema, kind)?;
    let mut only = None;
    let mut target = Table::new();
    for set in sets {
        let Some((key, text)) = set.split_once('=') else {
            return Err(wrong(format!("--set {set} has no value")).hint("write it like --set zoom=13-19"));
        };
        let (key, text) = (key.trim(), text.trim());
        if key == "only" {
            only = Some(text.to_owned());
        } else if let Some(option) = keys.own.iter().find(|(name, _)| *name == key) {
            dataset.insert(key.to_owned(), value(schema, option.1, text));
        } else if let Some(option) = keys.tiles.iter().find(|(name, _)| *name == key) {
            target.insert(key.to_owned(), value(schema, option.1, text));
        } else {
            let known: Vec<&str> =
                keys.own.iter().chain(&keys.tiles).map(|(name, _)| *name).chain(std::iter::once("only")).collect();
            let error = wrong(format!("--set does not know the key '{key}' for {kind}"));
            return Err(match pipeline::did_you_mean(key, "known keys", known) {
                Some(hint) => error.hint(hint),
                None => error,
            });
        }
    }
    if !target.is_empty() {
        if dataset.contains_key("tiles") {
            return Err(wrong("--set cannot take both tiles and the keys of a tile target".to_owned()));
        }
        dataset.insert("tiles".to_owned(), Value::Array(vec![Value::Table(target)]));
    }
    Ok(only)
}

/// An error of the command line.
pub fn wrong(message: String) -> Error {
    Error::new("mk::cli::set", message).exit(Exit::Usage)
}

struct Keys<'a> {
    own: Vec<(&'a str, &'a Schema)>,
    tiles: Vec<(&'a str, &'a Schema)>,
}

impl<'a> Keys<'a> {
    fn of(schema: &'a Schema, kind: &str) -> Result<Self> {
        let branches = schema.pointer("/properties/dataset/items/oneOf").and_then(Schema::as_array);
        let branch = branches
            .and_then(|all| all.iter().find(|branch| branch.get("title").and_then(Schema::as_str) == Some(kind)))
            .ok_or_else(|| wrong(format!("there is no kind '{kind}'")))?;
        let common = pipeline::common_keys();
        let properties = |table: &'a Schema| {
            let map = resolve(schema, table).get("properties").and_then(Schema::as_object);
            map.into_iter().flatten().map(|(key, value)| (key.as_str(), value)).collect::<Vec<_>>()
        };
        let mut own = properties(branch);
        own.retain(|(key, _)| COMMON.contains(key) || common.iter().all(|other| other != key));
        let tiles = own
            .iter()
            .find(|(key, _)| *key == "tiles")
            .and_then(|(_, list)| resolve(schema, list).get("items"))
            .map_or_else(Vec::new, properties);
        Ok(Self { own, tiles })
    }
}

fn resolve<'a>(root: &'a Schema, mut schema: &'a Schema) -> &'a Schema {
    for _ in 0..32 {
        let target = schema.get("$ref").and_then(Schema::as_str).and_then(|name| name.strip_prefix('#'));
        let Some(found) = target.and_then(|pointer| root.pointer(pointer)) else { break };
        schema = found;
    }
    schema
}

/// The value of a text. One that does not fit its type stays a string, and the check of the pipeline says what is wrong.
fn value(root: &Schema, schema: &Schema, text: &str) -> Value {
    let schema = resolve(root, schema);
    for key in ["oneOf", "anyOf"] {
        if let Some(branches) = schema.get(key).and_then(Schema::as_array) {
            let values = branches.iter().map(|branch| (resolve(root, branch), value(root, branch, text)));
            let fits = |(branch, value): &(&Schema, Value)| !value.is_str() || is_text(branch);
            return values.into_iter().find(fits).map_or_else(|| Value::String(text.to_owned()), |(_, value)| value);
        }
    }
    let typed = match schema.get("type").and_then(Schema::as_str) {
        Some("integer") => text.parse().ok().map(Value::Integer),
        Some("number") => text.parse().ok().map(Value::Float),
        Some("boolean") => text.parse().ok().map(Value::Boolean),
        Some("array") => Some(list(root, schema, text)),
        Some("object") => format!("value = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("value")),
        _ => None,
    };
    typed.unwrap_or_else(|| Value::String(text.to_owned()))
}

fn is_text(schema: &Schema) -> bool {
    schema.get("type").and_then(Schema::as_str) == Some("string") || schema.get("const").is_some() || schema.get("enum").is_some()
}

/// `13-19`, `17` (twice, where two numbers are asked for), `a,b`, or a list as in the pipeline file.
fn list(root: &Schema, schema: &Schema, text: &str) -> Value {
    if text.starts_with('[')
        && let Ok(mut table) = format!("value = {text}").parse::<Table>()
        && let Some(value) = table.remove("value")
    {
        return value;
    }
    let first = schema.get("prefixItems").and_then(|items| items.get(0));
    let item = first.or_else(|| schema.get("items")).unwrap_or(&Schema::Null);
    let one = |part: &str| value(root, item, part.trim());
    let pair =
        schema.get("minItems").and_then(Schema::as_u64) == Some(2) && schema.get("maxItems").and_then(Schema::as_u64) == Some(2);
    let parts: Vec<Value> = match text.split_once('-') {
        Some((low, high)) if pair && !low.is_empty() => vec![one(low), one(high)],
        _ if pair && !text.contains(',') => vec![one(text), one(text)],
        _ => text.split(',').map(one).collect(),
    };
    Value::Array(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_the_type_of_their_key() {
        let root = serde_json::json!({
            "$defs": { "Format": { "oneOf": [{ "const": "jpeg" }, { "const": "png" }] } },
            "zoom": { "type": "array", "items": { "type": "integer" }, "minItems": 2, "maxItems": 2 },
            "mixed": { "anyOf": [{ "type": "integer" }, { "type": "string" }] },
        });
        let of = |schema: &Schema, text: &str| value(&root, schema, text).to_string();
        assert_eq!(of(&root["zoom"], "13-19"), "[13, 19]");
        assert_eq!(of(&root["zoom"], "13,19"), "[13, 19]");
        assert_eq!(of(&root["zoom"], "[13, 19]"), "[13, 19]");
        assert_eq!(of(&root["zoom"], "17"), "[17, 17]");
        assert_eq!(of(&root["mixed"], "17"), "17");
        assert_eq!(of(&root["mixed"], "x"), "\"x\"");
        assert_eq!(of(&serde_json::json!({ "$ref": "#/$defs/Format" }), "png"), "\"png\"");
        assert_eq!(of(&serde_json::json!({ "type": "boolean" }), "true"), "true");
        assert_eq!(of(&serde_json::json!({ "type": "integer" }), "many"), "\"many\"");
        assert_eq!(of(&serde_json::json!({ "type": "array", "items": { "type": "string" } }), "a,b"), "[\"a\", \"b\"]");
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest() {
        let error = apply("orthophoto", &["audiense=public".to_owned()], &mut Table::new()).unwrap_err();
        assert_eq!(error.exit_code(), Exit::Usage);
        assert_eq!(error.hint_text(), Some("did you mean `audience`?"));
    }
}
