//! RDF as a small tree, written as Turtle and as RDF/XML. Both from the same statements: what a portal reads does not depend on which
//! file it takes.

use crate::markup::Element;
use std::fmt::Write;

/// Prefixes that are used here.
const PREFIXES: &[(&str, &str)] = &[
    ("adms", "http://www.w3.org/ns/adms#"),
    ("dcat", "http://www.w3.org/ns/dcat#"),
    ("dcatap", "http://data.europa.eu/r5r/"),
    ("dcatde", "http://dcat-ap.de/def/dcatde/"),
    ("dct", "http://purl.org/dc/terms/"),
    ("foaf", "http://xmlns.com/foaf/0.1/"),
    ("geosparql", "http://www.opengis.net/ont/geosparql#"),
    ("rdf", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"),
    ("vcard", "http://www.w3.org/2006/vcard/ns#"),
    ("xsd", "http://www.w3.org/2001/XMLSchema#"),
];

/// A resource with its statements.
#[derive(Debug, Clone, Default)]
pub struct Node {
    /// Address; none makes a blank node.
    iri: Option<String>,
    types: Vec<&'static str>,
    statements: Vec<(&'static str, Value)>,
}

/// The object of a statement.
#[derive(Debug, Clone)]
pub enum Value {
    /// A resource elsewhere.
    Iri(String),
    /// Text in German.
    German(String),
    /// Text in English.
    English(String),
    /// Text in no language.
    Plain(String),
    /// A value of a type, by its prefixed name.
    Typed(String, &'static str),
    /// A blank node.
    Node(Node),
}

impl Node {
    /// A resource.
    pub fn new(iri: impl Into<String>, kinds: &[&'static str]) -> Self {
        Self { iri: Some(iri.into()), types: kinds.to_vec(), statements: Vec::new() }
    }
    /// A blank node.
    pub fn blank(kinds: &[&'static str]) -> Self {
        Self { iri: None, types: kinds.to_vec(), statements: Vec::new() }
    }
    /// Adds a statement.
    pub fn add(&mut self, property: &'static str, value: Value) {
        self.statements.push((property, value));
    }
    /// Adds a statement.
    #[must_use]
    pub fn with(mut self, property: &'static str, value: Value) -> Self {
        self.add(property, value);
        self
    }
}

/// Turtle 1.1.
pub fn turtle(nodes: &[Node]) -> String {
    let mut out = String::new();
    for (prefix, namespace) in PREFIXES {
        let _ = writeln!(out, "@prefix {prefix}: <{namespace}> .");
    }
    for node in nodes {
        let _ = write!(out, "\n<{}>", iri(node.iri.as_deref().unwrap_or_default()));
        statements(node, 1, &mut out);
        out.push_str(" .\n");
    }
    out
}

fn statements(node: &Node, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    let _ = write!(out, " a {}", node.types.join(", "));
    for (property, value) in &node.statements {
        let _ = write!(out, " ;\n{indent}{property} ");
        match value {
            Value::Iri(address) => {
                let _ = write!(out, "<{}>", iri(address));
            }
            Value::German(text) => {
                let _ = write!(out, "{}@de", literal(text));
            }
            Value::English(text) => {
                let _ = write!(out, "{}@en", literal(text));
            }
            Value::Plain(text) => out.push_str(&literal(text)),
            Value::Typed(text, kind) => {
                let _ = write!(out, "{}^^{kind}", literal(text));
            }
            Value::Node(inner) => {
                out.push('[');
                statements(inner, depth + 1, out);
                out.push_str(" ]");
            }
        }
    }
}

/// Characters that an address in Turtle must not have, percent-encoded (Turtle 1.1, 6.4 IRIREF).
fn iri(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c <= ' ' || "<>\"{}|^`\\".contains(c) {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                let _ = write!(out, "%{byte:02X}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

fn literal(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if crate::markup::is_text(c) => out.push(c),
            _ => out.push('\u{fffd}'),
        }
    }
    out.push('"');
    out
}

/// RDF 1.1 XML.
pub fn xml(nodes: &[Node]) -> String {
    let mut root = Element::new("rdf:RDF");
    for (name, namespace) in XMLNS.iter().zip(PREFIXES.iter().map(|(_, namespace)| namespace)) {
        root = root.attr(*name, *namespace);
    }
    root.children(nodes.iter().map(description)).to_xml()
}

/// The attributes that declare [`PREFIXES`], in their order.
const XMLNS: [&str; 10] = [
    "xmlns:adms",
    "xmlns:dcat",
    "xmlns:dcatap",
    "xmlns:dcatde",
    "xmlns:dct",
    "xmlns:foaf",
    "xmlns:geosparql",
    "xmlns:rdf",
    "xmlns:vcard",
    "xmlns:xsd",
];

fn description(node: &Node) -> Element {
    let mut element = Element::new("rdf:Description");
    if let Some(address) = &node.iri {
        element = element.attr("rdf:about", iri(address));
    }
    for kind in &node.types {
        element = element.child(Element::new("rdf:type").attr("rdf:resource", full(kind)));
    }
    for (property, value) in &node.statements {
        let child = Element::new(*property);
        element = element.child(match value {
            Value::Iri(address) => child.attr("rdf:resource", iri(address)),
            Value::German(text) => child.attr("xml:lang", "de").text(text),
            Value::English(text) => child.attr("xml:lang", "en").text(text),
            Value::Plain(text) => child.text(text),
            Value::Typed(text, kind) => child.attr("rdf:datatype", full(kind)).text(text),
            Value::Node(inner) => child.child(description(inner)),
        });
    }
    element
}

fn full(name: &str) -> String {
    let (prefix, local) = name.split_once(':').unwrap_or(("", name));
    let namespace = PREFIXES.iter().find(|(known, _)| *known == prefix).map_or("", |(_, namespace)| namespace);
    format!("{namespace}{local}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_breaks_out_of_neither_form() {
        let evil = "\"> . <x> a <y>\\\n</rdf:RDF>";
        let node = Node::new("http://a.de/> <b", &["dcat:Dataset"]).with("dct:title", Value::German(evil.to_owned()));
        let text = turtle(std::slice::from_ref(&node));
        assert!(text.contains("<http://a.de/%3E%20%3Cb> a dcat:Dataset"), "{text}");
        assert!(text.contains("\"\\\"> . <x> a <y>\\\\\\n</rdf:RDF>\"@de"), "{text}");
        assert!(xml(&[node]).contains("&lt;/rdf:RDF&gt;"));
    }
}
