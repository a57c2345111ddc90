//! The kept properties of an object, read where they stand.
//!
//! Rows carry them as the text of a JSON object. Most of it is never asked for, so nothing of it is copied: its entries are found by
//! their quotes and brackets, and a value is made of its text when it is wanted.

use memchr::memchr2;
use std::borrow::Cow;

/// The entries of an object, in their order.
#[derive(Debug, Clone, Default)]
pub struct Attributes<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Attributes<'a> {
    /// Those of a text as [`serde_json`] writes it, without blanks between its parts; of anything else what can be told.
    pub fn of(text: &'a str) -> Self {
        // Most objects have no more.
        let mut entries = Vec::with_capacity(12);
        let bytes = text.as_bytes();
        let mut at = 1;
        while bytes.get(at) == Some(&b'"') {
            let Some(end) = string_end(bytes, at) else { break };
            let name = &text[at + 1..end - 1];
            if bytes.get(end) != Some(&b':') {
                break;
            }
            let Some(after) = value_end(bytes, end + 1) else { break };
            entries.push((name, &text[end + 1..after]));
            at = after + 1;
        }
        Self(entries)
    }

    /// The JSON of a value. Names are those of elements: no letter of them is written as an escape.
    fn raw(&self, name: &str) -> Option<&'a str> {
        self.0.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// A text by its path; of a property that is given several times the first.
    pub fn text(&self, path: &[&str]) -> Option<Cow<'a, str>> {
        let (first, rest) = path.split_first()?;
        let mut value = self.raw(first)?;
        if value.starts_with('[') {
            value = items(value).next()?;
        }
        if rest.is_empty() { string(value) } else { value.starts_with('{').then(|| Self::of(value).text(rest)).flatten() }
    }

    /// A number.
    pub fn real(&self, name: &str) -> Option<f64> {
        self.raw(name)?.parse::<f64>().ok().filter(|value| value.is_finite())
    }

    /// The texts of a property that may be given several times.
    pub fn list(&self, name: &str) -> Vec<Cow<'a, str>> {
        match self.raw(name) {
            Some(value) if value.starts_with('[') => items(value).filter_map(string).collect(),
            Some(value) => string(value).into_iter().collect(),
            None => Vec::new(),
        }
    }
}

/// The values of a list.
fn items(list: &str) -> impl Iterator<Item = &str> {
    let mut at = 1;
    std::iter::from_fn(move || {
        if list.as_bytes().get(at)? == &b']' {
            return None;
        }
        let end = value_end(list.as_bytes(), at)?;
        let item = list.get(at..end)?;
        at = end + 1;
        Some(item)
    })
}

/// A string without its quotes and escapes.
fn string(value: &str) -> Option<Cow<'_, str>> {
    let inside = value.strip_prefix('"')?.strip_suffix('"')?;
    if inside.contains('\\') { serde_json::from_str(value).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inside)) }
}

/// The byte after the string that begins at `at`.
fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut from = at + 1;
    loop {
        let found = from + memchr2(b'"', b'\\', bytes.get(from..)?)?;
        if bytes[found] == b'"' {
            return Some(found + 1);
        }
        from = found + 2;
    }
}

/// The byte after the value that begins at `at`.
fn value_end(bytes: &[u8], at: usize) -> Option<usize> {
    let (mut at, mut depth) = (at, 0_u32);
    loop {
        match bytes.get(at)? {
            b'"' => {
                at = string_end(bytes, at)?;
                if depth == 0 {
                    return Some(at);
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' if depth == 0 => return Some(at),
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[test]
    fn values_are_found_by_their_paths() {
        let value = json!({
            "a": "x", "b": ["y", "z"], "c": { "d": "1\"2\\", "e": { "f": "ü" } }, "g": [{ "d": "first" }, { "d": "second" }],
            "n": 2.5, "empty": "", "none": null, "list": [], "o": {},
        });
        let text = value.to_string();
        let all = Attributes::of(&text);
        let get = |path: &[&str]| all.text(path).map(Cow::into_owned);
        assert_eq!(get(&["a"]).as_deref(), Some("x"));
        assert_eq!(get(&["b"]).as_deref(), Some("y"));
        assert_eq!(get(&["c", "d"]).as_deref(), Some("1\"2\\"));
        assert_eq!(get(&["c", "e", "f"]).as_deref(), Some("ü"));
        assert_eq!(get(&["g", "d"]).as_deref(), Some("first"));
        assert_eq!(get(&["empty"]).as_deref(), Some(""));
        for path in [&["n"][..], &["c"], &["a", "b"], &["none"], &["list"], &["o"], &["missing"], &[]] {
            assert_eq!(get(path), None, "{path:?}");
        }
        assert_eq!(all.list("b"), ["y", "z"]);
        assert_eq!(all.list("a"), ["x"]);
        assert!(all.list("c").is_empty() && all.list("list").is_empty());
        assert_eq!(all.real("n"), Some(2.5));
        assert_eq!(all.real("a"), None);
    }

    /// Any JSON whose names need no escapes.
    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a-zäß\"\\\\{}\\[\\],: \n]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("[a-z]{1,3}", inner, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// The same entries as a parser of everything finds.
        #[test]
        fn entries_are_those_of_a_parser(map in prop::collection::btree_map("[a-zA-Z_äö]{1,6}", json_value(), 0..8)) {
            let value = Value::Object(map.into_iter().collect());
            let text = value.to_string();
            let found: Vec<(String, Value)> = Attributes::of(&text)
                .0
                .into_iter()
                .map(|(name, value)| (name.to_owned(), serde_json::from_str(value).unwrap()))
                .collect();
            let wanted: Vec<(String, Value)> =
                value.as_object().unwrap().iter().map(|(name, value)| (name.clone(), value.clone())).collect();
            prop_assert_eq!(found, wanted);
        }

        /// Nothing breaks on what is none.
        #[test]
        fn any_text_is_endured(text in ".{0,40}", begin in "[{\\[\"]{0,3}") {
            let text = format!("{begin}{text}");
            let all = Attributes::of(&text);
            let _ = (all.text(&["a"]), all.list("a"), all.real("a"));
        }
    }
}
