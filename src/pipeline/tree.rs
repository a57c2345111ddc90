//! The pipeline file as a tree in which everything knows its place in the text.

use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value with its place in the text.
#[derive(Debug)]
pub(super) struct Node {
    /// Bytes of the value; of a table with a header, those of the header.
    pub span: Range<usize>,
    /// The value.
    pub item: Item,
}

/// A value.
#[derive(Debug)]
pub(super) enum Item {
    /// A text.
    String(String),
    /// A whole number.
    Integer(i64),
    /// Any other finite number.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// A date, a time, or both, in TOML's notation without quotes.
    Date(String),
    /// Values in order.
    Array(Vec<Node>),
    /// Keys in the order of the text.
    Table(Vec<Entry>),
    /// A number that no type of ours holds, with the reason.
    Unreadable(&'static str),
}

/// A key with its value.
#[derive(Debug)]
pub(super) struct Entry {
    /// The key.
    pub key: String,
    /// Bytes of the key.
    pub key_span: Range<usize>,
    /// The value.
    pub node: Node,
}

impl Node {
    /// The tree of a parsed document. Depth is bounded by the parser.
    pub fn root(table: &Spanned<DeTable<'_>>) -> Self {
        Self { span: 0..0, item: Item::Table(entries(table.get_ref())) }
    }
    fn of(value: &Spanned<DeValue<'_>>) -> Self {
        let item = match value.get_ref() {
            DeValue::String(text) => Item::String(text.to_string()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Item::Unreadable("a number beyond 64 bits"), Item::Integer),
            DeValue::Float(number) => match number.as_str().parse::<f64>() {
                Ok(number) if number.is_finite() => Item::Float(number),
                _ => Item::Unreadable("a number that is not finite"),
            },
            DeValue::Boolean(truth) => Item::Bool(*truth),
            DeValue::Datetime(date) => Item::Date(date_text(date)),
            DeValue::Array(values) => Item::Array(values.iter().map(Self::of).collect()),
            DeValue::Table(table) => Item::Table(entries(table)),
        };
        Self { span: value.span(), item }
    }
    /// The keys of a table; none for other values.
    pub fn entries(&self) -> &[Entry] {
        match &self.item {
            Item::Table(entries) => entries,
            _ => &[],
        }
    }
    /// The values of an array; none for other values.
    pub fn values(&self) -> &[Node] {
        match &self.item {
            Item::Array(values) => values,
            _ => &[],
        }
    }
    /// The value of a key of a table.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }
    /// The text of a string or of a date.
    pub fn text(&self) -> Option<&str> {
        match &self.item {
            Item::String(text) | Item::Date(text) => Some(text),
            _ => None,
        }
    }
    /// A number as a float.
    pub fn number(&self) -> Option<f64> {
        match &self.item {
            Item::Integer(number) => Some(*number as f64),
            Item::Float(number) => Some(*number),
            _ => None,
        }
    }
    /// The value at a path such as `tiles[0].zoom`.
    pub fn at_path(&self, path: &str) -> Option<&Node> {
        let mut node = self;
        for part in path.split(['.', '[']) {
            node = match part.strip_suffix(']') {
                Some(index) => node.values().get(index.parse::<usize>().ok()?)?,
                None => node.get(part)?,
            };
        }
        Some(node)
    }
    /// The value as JSON; dates become strings, what is unreadable becomes null.
    pub fn json(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.item {
            Item::String(text) | Item::Date(text) => Value::from(text.as_str()),
            Item::Integer(number) => Value::from(*number),
            Item::Float(number) => Value::from(*number),
            Item::Bool(truth) => Value::from(*truth),
            Item::Array(values) => Value::Array(values.iter().map(Self::json).collect()),
            Item::Table(entries) => Value::Object(entries.iter().map(|entry| (entry.key.clone(), entry.node.json())).collect()),
            Item::Unreadable(_) => Value::Null,
        }
    }
}

fn entries(table: &DeTable<'_>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry { key: key.get_ref().to_string(), key_span: key.span(), node: Node::of(value) })
        .collect();
    entries.sort_by_key(|entry| entry.key_span.start);
    entries
}

/// As people write it in strings: `2023-05-14`, `03:00`, RFC 3339 for both.
fn date_text(date: &toml::value::Datetime) -> String {
    let text = date.to_string();
    match (&date.date, text.strip_suffix(":00")) {
        (None, Some(minutes)) => minutes.to_owned(),
        _ => text,
    }
}
