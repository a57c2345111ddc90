//! What differs between two records, for people: the paths whose values are not the same.

use crate::metadata::Tree;
use std::collections::BTreeMap;

/// Differences named at most.
const MOST: usize = 12;

/// Differences of `new` against `old`, one line each: path, old value, new value. The date stamp does not count.
pub fn differences(old: &Tree, new: &Tree) -> Vec<String> {
    let (before, after) = (values(old), values(new));
    let mut lines = Vec::new();
    let mut paths: Vec<&String> = before.keys().chain(after.keys()).collect();
    paths.sort();
    paths.dedup();
    let none = Vec::new();
    for path in paths {
        let (before, after) = (before.get(path).unwrap_or(&none), after.get(path).unwrap_or(&none));
        let gone: Vec<&String> = before.iter().filter(|value| !after.contains(value)).collect();
        let came: Vec<&String> = after.iter().filter(|value| !before.contains(value)).collect();
        for index in 0..gone.len().max(came.len()) {
            let show = |value: Option<&&String>| value.map_or("–".to_owned(), |value| format!("„{}“", short(value)));
            lines.push(format!("{path}: {} → {}", show(gone.get(index)), show(came.get(index))));
        }
    }
    let more = lines.len().saturating_sub(MOST);
    lines.truncate(MOST);
    if more > 0 {
        lines.push(format!("… {more} more"));
    }
    lines
}

fn short(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if text.chars().count() > 60 {
        short.push('…');
    }
    short
}

/// Every value by its path of element names: properties of the ISO model, without the objects between them.
fn values(tree: &Tree) -> BTreeMap<String, Vec<String>> {
    let mut out = BTreeMap::new();
    for child in tree.children.iter().filter(|child| !child.is("gmd:dateStamp")) {
        collect(child, "", &mut out);
    }
    out
}

/// Depth is capped by the parser.
fn collect(tree: &Tree, above: &str, out: &mut BTreeMap<String, Vec<String>>) {
    let property = tree.name.starts_with(|c: char| c.is_lowercase());
    let path = match (property, above.is_empty()) {
        (false, _) => above.to_owned(),
        (true, true) => tree.name.clone(),
        (true, false) => format!("{above}/{}", tree.name),
    };
    let text = tree.text.trim();
    if !text.is_empty() {
        out.entry(path.clone()).or_default().push(text.to_owned());
    }
    for (_, name, value) in
        tree.attributes.iter().filter(|(_, name, _)| ["codeListValue", "href", "uuidref", "nilReason"].contains(&name.as_str()))
    {
        // A code's text repeats its value.
        if *value != text {
            out.entry(format!("{path}/@{name}")).or_default().push(value.clone());
        }
    }
    for child in &tree.children {
        collect(child, &path, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_a_new_and_a_lost_value_are_named() {
        let parse = |inner: &str| {
            Tree::parse(&format!(
                "<MD_Metadata xmlns='http://www.isotc211.org/2005/gmd'><dateStamp>{}</dateStamp>{inner}</MD_Metadata>",
                inner.len()
            ))
            .unwrap()
        };
        let old = parse("<a><X><title>eins</title><gone>g</gone></X></a>");
        let new = parse("<a><X><title>zwei</title></X></a><new>n</new>");
        assert_eq!(differences(&old, &new), ["a/gone: „g“ → –", "a/title: „eins“ → „zwei“", "new: – → „n“"]);
        assert_eq!(differences(&old, &old), Vec::<String>::new());
    }
}
