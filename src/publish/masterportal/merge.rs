//! Our entries in a list of layers (`services.json`) that an office keeps for its own portal.
//!
//! Every entry of ours bears the key `messkette` with the pipeline's name and the digest of the rest: so an entry that is not from us
//! and one that somebody has edited are known without any memory, and neither is touched. Other entries are copied letter by letter.

use crate::error::{Error, Exit, Place, Result};
use crate::io::Digest;
use serde_json::Value;
use serde_json::value::RawValue;

const MARK: &str = "messkette";

/// A merged list.
#[derive(Debug, PartialEq, Eq)]
pub struct Merged {
    /// The file's text.
    pub text: String,
    /// Identifiers of entries that were added, replaced or taken out, with a word for it.
    pub changed: Vec<String>,
    /// Identifiers of entries that stay other than released, and why in German.
    pub left: Vec<(String, &'static str)>,
}

/// An entry as it stands in the list.
struct Entry<'a> {
    raw: &'a str,
    id: String,
    /// Ours, and whether it is as we wrote it.
    ours: Option<bool>,
}

/// Merges our entries into a list. `ours` is what is released.
///
/// # Errors
/// When either is no list of layers; `name` is the file's, for messages.
pub fn merge(existing: Option<&str>, ours: &[Value], pipeline: &str, name: &str) -> Result<Merged> {
    let existing = existing.map(str::trim).filter(|text| !text.is_empty()).unwrap_or("[]");
    let list: Vec<&RawValue> = serde_json::from_str(existing).map_err(|error| {
        Error::new("mk::publish::services", "this is no list of layers")
            .at(Place::file(name))
            .hint("a services.json is a JSON array; nothing was written")
            .because(error)
            .exit(Exit::Usage)
    })?;
    let entries: Vec<Entry<'_>> = list.iter().map(|raw| entry(raw.get(), pipeline)).collect();
    let (mut changed, mut left) = (Vec::new(), Vec::new());
    let mut out: Vec<String> = Vec::new();
    let id_of = |value: &Value| value["id"].as_str().unwrap_or_default().to_owned();
    for entry in &entries {
        let wanted = ours.iter().find(|value| id_of(value) == entry.id);
        let keep = match (entry.ours, wanted) {
            (None, None) => true,
            (None, Some(_)) => {
                left.push((entry.id.clone(), "steht dort schon als fremder Eintrag, er bleibt unberührt"));
                true
            }
            (Some(false), _) => {
                left.push((entry.id.clone(), "dort von Hand geändert, bleibt so"));
                true
            }
            (Some(true), Some(wanted)) => {
                let text = marked(wanted, pipeline);
                if serde_json::from_str::<Value>(entry.raw).ok() == serde_json::from_str(&text).ok() {
                    true
                } else {
                    changed.push(format!("{} replaced", entry.id));
                    out.push(text);
                    continue;
                }
            }
            (Some(true), None) => {
                changed.push(format!("{} removed", entry.id));
                false
            }
        };
        if keep {
            out.push(entry.raw.to_owned());
        }
    }
    for value in ours {
        let id = id_of(value);
        if !entries.iter().any(|entry| entry.id == id) {
            changed.push(format!("{id} added"));
            out.push(marked(value, pipeline));
        }
    }
    let text = if changed.is_empty() { existing.to_owned() } else { format!("[\n  {}\n]", out.join(",\n  ")) };
    Ok(Merged { text: text + "\n", changed, left })
}

fn entry<'a>(raw: &'a str, pipeline: &str) -> Entry<'a> {
    let mut value: Value = serde_json::from_str(raw).unwrap_or_default();
    let id = match &value["id"] {
        Value::String(id) => id.clone(),
        other => other.to_string(),
    };
    let mark = value.as_object_mut().and_then(|members| members.shift_remove(MARK));
    let ours = mark.as_ref().and_then(Value::as_str).and_then(|mark| mark.rsplit_once(' '));
    let ours = ours.filter(|(name, _)| *name == pipeline).map(|(_, digest)| digest == self::digest(&value));
    Entry { raw, id, ours }
}

fn digest(value: &Value) -> String {
    Digest::of(value.to_string().as_bytes()).short()
}

/// Our entry with its mark, indented to stand in the list.
fn marked(value: &Value, pipeline: &str) -> String {
    let mut value = value.clone();
    let mark = format!("{pipeline} {}", digest(&value));
    if let Some(members) = value.as_object_mut() {
        members.insert(MARK.to_owned(), Value::String(mark));
    }
    format!("{value:#}").replace('\n', "\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Written by somebody else, with numbers and spaces that no program would write so.
    const FOREIGN: &str = "[ {\"id\":\"453\", \"name\" : \"Stadtplan\",\"x\":1.50,   \"opacity\": 1e2},\n {\"id\": 12} ]";

    fn layer(id: &str, url: &str) -> Value {
        json!({ "id": id, "typ": "WMS", "url": url })
    }

    #[test]
    fn foreign_entries_stay_to_the_letter_and_ours_follow_the_release() {
        let first = merge(Some(FOREIGN), &[layer("dop", "a"), layer("alkis", "b")], "stadt", "s").unwrap();
        assert_eq!(first.changed, ["dop added", "alkis added"]);
        let kept = "{\"id\":\"453\", \"name\" : \"Stadtplan\",\"x\":1.50,   \"opacity\": 1e2}";
        assert!(first.text.contains(kept) && first.text.contains("{\"id\": 12}"), "{}", first.text);
        let again = merge(Some(&first.text), &[layer("dop", "a"), layer("alkis", "b")], "stadt", "s").unwrap();
        assert_eq!((again.text.as_str(), again.changed.len()), (first.text.as_str(), 0));
        let next = merge(Some(&first.text), &[layer("dop", "neu")], "stadt", "s").unwrap();
        assert_eq!(next.changed, ["dop replaced", "alkis removed"]);
        assert!(next.text.contains(kept) && next.text.contains("\"neu\"") && !next.text.contains("alkis"), "{}", next.text);
        // Another pipeline's entries are foreign.
        let other = merge(Some(&next.text), &[], "land", "s").unwrap();
        assert_eq!((other.changed.len(), other.text == next.text), (0, true));
    }

    #[test]
    fn what_others_wrote_or_edited_is_told_and_not_touched() {
        let taken = merge(Some(FOREIGN), &[layer("453", "unser")], "stadt", "s").unwrap();
        assert_eq!((taken.changed.len(), taken.left.len(), taken.left[0].0.as_str()), (0, 1, "453"));
        assert!(!taken.text.contains("unser"));
        let ours = merge(None, &[layer("dop", "a")], "stadt", "s").unwrap().text;
        let edited = ours.replace("\"a\"", "\"von Hand\"");
        for wanted in [vec![layer("dop", "b")], vec![]] {
            let merged = merge(Some(&edited), &wanted, "stadt", "s").unwrap();
            assert_eq!((merged.text.as_str(), merged.left.len()), (edited.as_str(), 1));
        }
    }

    #[test]
    fn what_is_no_list_is_an_error() {
        for text in ["{}", "[", "[{]", "null"] {
            assert_eq!(merge(Some(text), &[], "stadt", "s").unwrap_err().code(), "mk::publish::services", "{text}");
        }
        for nothing in [None, Some(""), Some(" \n")] {
            assert_eq!(merge(nothing, &[], "stadt", "s").unwrap().text, "[]\n");
        }
    }
}
