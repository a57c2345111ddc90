//! The reference pages under `docs/`, made from the program itself; a test keeps them current.

use super::{exit, generate};
use crate::error::Result;
use crate::pipeline;
use serde_json::Value;

/// The pages by name.
///
/// # Errors
/// When the schema cannot be written.
pub fn pages() -> Result<Vec<(&'static str, String)>> {
    Ok(vec![
        ("pipeline.schema.json", generate::schema_text()?),
        ("pipeline.md", pipeline_page()),
        ("cli.md", cli_page()),
        ("exit-codes.md", exit_page()),
    ])
}

fn exit_page() -> String {
    let mut text = String::from(
        "# Exit codes\n\nMade by `messkette generate docs`. A code that is not listed counts as a failure. A result that lost anything is \
         never exit code 0.\n\n| code | meaning | what to do |\n|---|---|---|\n",
    );
    for (code, what, then) in exit::CODES {
        text.push_str(&format!("| {} | {what} | {then} |\n", *code as u8));
    }
    text
}

fn cli_page() -> String {
    let mut text = String::from(
        "# Command line\n\nMade by `messkette generate docs`. Data goes to standard output, the log to standard error; what the exit codes \
         mean stands in [exit-codes.md](exit-codes.md).\n",
    );
    let mut command = super::command().term_width(100);
    command.build();
    section(&mut command, &mut text);
    text
}

fn section(command: &mut clap::Command, text: &mut String) {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).replace("messkette-", "messkette ");
    let help = command.render_long_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    text.push_str(&format!("\n## {name}\n\n```text\n{}\n```\n", help.join("\n").trim_end()));
    for inner in command.get_subcommands_mut().filter(|inner| inner.get_name() != "help" && !inner.is_hide_set()) {
        section(inner, text);
    }
}

fn pipeline_page() -> String {
    let schema = pipeline::schema();
    let mut text = String::from(
        "# The pipeline file\n\nMade by `messkette generate docs` from the types of the program. For editors: \
         `messkette generate schema`, or [pipeline.schema.json](pipeline.schema.json). `messkette init DIR` writes a file to start \
         from, `messkette check FILE` says everything that is wrong with one.\n\nPaths are relative to the pipeline file. Dates and times may \
         stand with or without quotes. A key without a default and not marked as required is absent unless it is given.\n",
    );
    let at = |pointer: &str| schema.pointer(pointer).unwrap_or(&Value::Null);
    text.push_str("\n## [pipeline]\n\nWhat holds for all datasets.\n\n");
    keys(schema, at("/properties/pipeline"), "", &[], &mut text);
    let common = pipeline::common_keys();
    let common: Vec<&str> = common.iter().map(String::as_str).collect();
    text.push_str("\n## [[dataset]]\n\nOne table for each dataset. These keys are the same for every kind; `kind` decides which others there are.\n\n");
    let kinds = at("/properties/dataset/items/oneOf").as_array().map_or(&[][..], Vec::as_slice);
    if let Some(first) = kinds.first() {
        let mut own: Vec<&str> = names(schema, first).into_iter().filter(|key| !common.contains(key)).collect();
        own.push("kind");
        let all: Vec<String> =
            kinds.iter().filter_map(|kind| kind.get("title")?.as_str()).map(|name| format!("`{name}`")).collect();
        text.push_str(&format!("- **`kind`** (required): The kind of dataset: {}.\n", all.join(", ")));
        keys(schema, first, "", &own, &mut text);
    }
    for kind in kinds {
        tagged(schema, kind, "kind", &common, &mut text);
    }
    text.push_str("\n## [[publish]]\n\nOne table for each publisher.\n");
    for kind in at("/properties/publish/items/oneOf").as_array().into_iter().flatten() {
        tagged(schema, kind, "publisher", &["kind"], &mut text);
    }
    text
}

/// A kind or a publisher with its own keys.
fn tagged(schema: &Value, table: &Value, what: &str, common: &[&str], text: &mut String) {
    let of = |key: &str| table.get(key).and_then(Value::as_str).unwrap_or_default();
    text.push_str(&format!("\n### {what} `{}`\n\n{}.\n\n", of("title"), of("description").trim_end_matches('.')));
    if names(schema, table).iter().all(|key| common.contains(key)) {
        text.push_str("No keys of its own.\n");
    } else {
        keys(schema, table, "", common, text);
    }
}

fn names<'a>(schema: &'a Value, table: &'a Value) -> Vec<&'a str> {
    let map = resolve(schema, table).get("properties").and_then(Value::as_object);
    map.into_iter().flatten().map(|(key, _)| key.as_str()).collect()
}

/// One line for each key; the keys of tables within follow with their path.
fn keys(schema: &Value, table: &Value, path: &str, skip: &[&str], text: &mut String) {
    let table = resolve(schema, table);
    let required = table.get("required").and_then(Value::as_array);
    let properties = table.get("properties").and_then(Value::as_object);
    for (key, value) in properties.into_iter().flatten().filter(|(key, _)| !skip.contains(&key.as_str())) {
        let full = format!("{path}{key}");
        let needed = required.is_some_and(|all| all.iter().any(|name| name == key));
        let mut remarks = vec![type_words(schema, value)];
        if needed {
            remarks.push("required".to_owned());
        }
        let about = value.get("description").or_else(|| resolve(schema, value).get("description"));
        let about = about.and_then(Value::as_str).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(default) = value.get("default").filter(|value| worth_telling(value) && !about.contains("efaults to")) {
            remarks.push(format!("default `{default}`"));
        }
        text.push_str(&format!("- **`{full}`** ({}): {about}\n", remarks.join(", ")));
        for choice in choices(schema, value) {
            text.push_str(&format!("  - {choice}\n"));
        }
        let inner = resolve(schema, value);
        if inner.get("properties").is_some() {
            keys(schema, inner, &format!("{full}."), &[], text);
        } else if let Some(items) = inner.get("items").map(|items| resolve(schema, items))
            && items.get("properties").is_some()
        {
            keys(schema, items, &format!("{full}[]."), &[], text);
        }
    }
}

fn worth_telling(default: &Value) -> bool {
    !matches!(default, Value::Null | Value::Object(_)) && default.as_array().is_none_or(|values| !values.is_empty())
}

fn resolve<'a>(root: &'a Value, mut schema: &'a Value) -> &'a Value {
    for _ in 0..32 {
        let target = schema.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix('#'));
        let Some(found) = target.and_then(|pointer| root.pointer(pointer)) else { break };
        schema = found;
    }
    schema
}

fn branches(schema: &Value) -> &[Value] {
    schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Named values with their meanings, where they have one.
fn choices(root: &Value, schema: &Value) -> Vec<String> {
    let named = |branch: &Value| {
        let value = branch.get("const")?;
        let about = branch.get("description").and_then(Value::as_str)?;
        Some(format!("`{value}`: {about}"))
    };
    branches(resolve(root, schema)).iter().filter_map(named).collect()
}

fn type_words(root: &Value, schema: &Value) -> String {
    let schema = resolve(root, schema);
    if let Some(only) = schema.get("const") {
        return format!("`{only}`");
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(" or ");
    }
    let several = branches(schema);
    if !several.is_empty() {
        let mut words: Vec<String> = several.iter().map(|branch| type_words(root, branch)).collect();
        words.dedup();
        return words.join(" or ");
    }
    let bounds = |low: &str, high: &str| match (schema.get(low), schema.get(high)) {
        (Some(low), Some(high)) if low == high => format!(" {low}"),
        (Some(low), Some(high)) => format!(" {low} to {high}"),
        (Some(low), None) if low.as_f64() != Some(0.0) => format!(" from {low}"),
        (None, Some(high)) => format!(" up to {high}"),
        _ => String::new(),
    };
    match schema.get("type").and_then(Value::as_str) {
        Some("array") => {
            let item = schema.get("prefixItems").and_then(|items| items.get(0)).or_else(|| schema.get("items"));
            let item = item.map_or_else(|| "value".to_owned(), |item| type_words(root, item));
            let (noun, rest) = item.split_once(' ').unwrap_or((&item, ""));
            let plain = matches!(noun, "string" | "integer" | "number" | "table" | "value" | "list");
            let number = match (schema.get("minItems"), schema.get("maxItems")) {
                (Some(low), Some(high)) if low == high => format!(" {low}"),
                (Some(low), _) => format!(" at least {low}"),
                _ => String::new(),
            };
            let noun = if plain && !number.ends_with(" 1") { format!("{noun}s") } else { noun.to_owned() };
            format!("list of{number} {noun} {rest}").trim_end().to_owned()
        }
        Some("object") => match (schema.get("properties").and_then(Value::as_object), schema.get("required")) {
            (Some(properties), Some(_)) if properties.len() == 1 => {
                format!("`{{ {} = ... }}`", properties.keys().next().map_or("", String::as_str))
            }
            _ => "table".to_owned(),
        },
        Some(name @ ("integer" | "number")) => format!("{name}{}", bounds("minimum", "maximum")),
        Some("boolean") => "true or false".to_owned(),
        Some(other) => other.to_owned(),
        None => "any".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_are_current() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        for (name, text) in pages().unwrap() {
            let there = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
            assert!(there == text, "docs/{name} is not current: run `cargo run -- generate docs --dir docs`");
        }
    }

    #[test]
    fn every_key_says_what_it_is() {
        for line in pipeline_page().lines().filter(|line| line.starts_with("- **")) {
            assert!(line.split_once("): ").is_some_and(|(_, about)| about.len() > 10), "{line}");
        }
    }
}
