//! A parsed record: a small tree of elements with resolved namespaces, read from text that may come from anybody.

use crate::error::{Error, Result};
use crate::markup::Element;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

/// Namespaces of ISO 19139 (2007) by the prefixes that paths here use.
const NAMESPACES: &[(&str, &str)] = &[
    ("gmd", "http://www.isotc211.org/2005/gmd"),
    ("gco", "http://www.isotc211.org/2005/gco"),
    ("gmx", "http://www.isotc211.org/2005/gmx"),
    ("gml", "http://www.opengis.net/gml/3.2"),
    ("srv", "http://www.isotc211.org/2005/srv"),
    ("xlink", "http://www.w3.org/1999/xlink"),
];

const MAX_BYTES: usize = 64 << 20;
const MAX_DEPTH: usize = 100;
const MAX_ELEMENTS: usize = 1_000_000;

/// An element.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tree {
    /// Namespace; empty for none.
    pub namespace: String,
    /// Local name.
    pub name: String,
    /// Attributes as (namespace, local name, value), sorted; without namespace declarations.
    pub attributes: Vec<(String, String, String)>,
    /// Text directly in it.
    pub text: String,
    /// Elements in it.
    pub children: Vec<Tree>,
}

impl Tree {
    /// Parses a document. DOCTYPE is refused; size, depth and number of elements are capped.
    ///
    /// # Errors
    /// When the text is not well-formed or beyond a cap.
    pub fn parse(xml: &str) -> Result<Self> {
        if xml.len() > MAX_BYTES {
            return Err(refused("it is larger than 64 MiB"));
        }
        let mut reader = NsReader::from_str(xml);
        let mut open: Vec<Tree> = Vec::new();
        let mut root = None;
        let mut elements = 0usize;
        loop {
            let event = reader.read_event().map_err(|error| refused("it is not well-formed").because(error))?;
            match event {
                Event::Start(start) => {
                    elements += 1;
                    if open.len() >= MAX_DEPTH || elements > MAX_ELEMENTS || root.is_some() {
                        return Err(refused("it has too many elements, too deep, or two roots"));
                    }
                    open.push(element(&reader, &start)?);
                }
                Event::Empty(start) => {
                    elements += 1;
                    if elements > MAX_ELEMENTS || root.is_some() {
                        return Err(refused("it has too many elements or two roots"));
                    }
                    let element = element(&reader, &start)?;
                    close(element, &mut open, &mut root);
                }
                Event::End(_) => {
                    let Some(element) = open.pop() else { return Err(refused("it is not well-formed")) };
                    close(element, &mut open, &mut root);
                }
                Event::Text(text) => push(&mut open, &text.xml10_content()),
                Event::CData(text) => push(&mut open, &text.xml10_content()),
                Event::GeneralRef(reference) => {
                    let resolved = reference.resolve_char_ref().map_err(|error| refused("bad reference").because(error))?;
                    if let Some(c) = resolved {
                        push(&mut open, c.encode_utf8(&mut [0; 4]));
                    } else {
                        let name = reference.xml10_content();
                        let text = quick_xml::escape::resolve_predefined_entity(&name);
                        push(&mut open, text.ok_or_else(|| refused("it uses an entity"))?);
                    }
                }
                Event::DocType(_) => return Err(refused("it has a DOCTYPE")),
                Event::Eof => break,
                Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
            }
        }
        if !open.is_empty() {
            return Err(refused("it ends too early"));
        }
        root.ok_or_else(|| refused("it has no element"))
    }

    /// True when it has that name, written with a prefix of this module.
    pub fn is(&self, name: &str) -> bool {
        let (namespace, local) = expand(name);
        self.name == local && self.namespace == namespace
    }
    /// All elements on a path of prefixed names below it, `*` for any.
    pub fn all(&self, path: &str) -> Vec<&Tree> {
        let mut found = vec![self];
        for step in path.split('/') {
            found = found.iter().flat_map(|tree| &tree.children).filter(|tree| step == "*" || tree.is(step)).collect();
        }
        found
    }
    /// The first element on a path.
    pub fn first(&self, path: &str) -> Option<&Tree> {
        self.all(path).into_iter().next()
    }
    /// An attribute by its prefixed name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let (namespace, local) = expand(name);
        let hit = self.attributes.iter().find(|(ns, name, _)| name == local && ns == namespace);
        hit.map(|(_, _, value)| value.as_str())
    }
    /// The first element of that local name, itself included, in the order of the document.
    pub fn find(&self, name: &str) -> Option<&Tree> {
        if self.name == name {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.find(name))
    }
    /// All elements of that local name, itself included.
    pub fn find_all(&self, name: &str) -> Vec<&Tree> {
        let own = std::iter::once(self).filter(|tree| tree.name == name);
        own.chain(self.children.iter().flat_map(|child| child.find_all(name))).collect()
    }
    /// A document with the same content: namespaces of the ISO schemas by their usual prefixes, others by `n0`, `n1` ...
    pub fn to_xml(&self) -> String {
        let mut namespaces = Vec::new();
        self.namespaces(&mut namespaces);
        let mut prefixes: Vec<(String, String)> = Vec::new();
        for namespace in namespaces {
            let usual = NAMESPACES.iter().find(|(_, known)| *known == namespace).map(|(prefix, _)| (*prefix).to_owned());
            let prefix = match namespace {
                "http://www.w3.org/XML/1998/namespace" => "xml".to_owned(),
                "http://www.w3.org/2001/XMLSchema-instance" => "xsi".to_owned(),
                _ => usual.unwrap_or_else(|| format!("n{}", prefixes.len())),
            };
            prefixes.push((namespace.to_owned(), prefix));
        }
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        self.write(&prefixes, true, &mut out);
        out.push('\n');
        out
    }
    fn namespaces<'a>(&'a self, out: &mut Vec<&'a str>) {
        let attributes = self.attributes.iter().map(|(namespace, ..)| namespace.as_str());
        for namespace in std::iter::once(self.namespace.as_str()).chain(attributes) {
            if !namespace.is_empty() && !out.contains(&namespace) {
                out.push(namespace);
            }
        }
        for child in &self.children {
            child.namespaces(out);
        }
    }
    fn write(&self, prefixes: &[(String, String)], root: bool, out: &mut String) {
        let qualified = |namespace: &str, name: &str| match prefixes.iter().find(|(known, _)| known == namespace) {
            Some((_, prefix)) => format!("{prefix}:{name}"),
            None => name.to_owned(),
        };
        let name = qualified(&self.namespace, &self.name);
        out.push('<');
        out.push_str(&name);
        if root {
            for (namespace, prefix) in prefixes.iter().filter(|(_, prefix)| prefix != "xml") {
                out.push_str(&format!(" xmlns:{prefix}=\"{}\"", escaped(namespace, true)));
            }
        }
        for (namespace, name, value) in &self.attributes {
            out.push_str(&format!(" {}=\"{}\"", qualified(namespace, name), escaped(value, true)));
        }
        out.push('>');
        if self.children.is_empty() || !self.text.trim().is_empty() {
            out.push_str(&escaped(&self.text, false));
        }
        for child in &self.children {
            child.write(prefixes, false, out);
        }
        out.push_str(&format!("</{name}>"));
    }
    /// The text of a property: that of its `gco:CharacterString`, `gmx:Anchor` or any other only child, trimmed. Of several
    /// languages, that of the record.
    pub fn value(&self) -> &str {
        match self.children.as_slice() {
            [only] => only.text.trim(),
            [first, ..] if first.is("gco:CharacterString") => first.text.trim(),
            _ => self.text.trim(),
        }
    }
    /// The same as an element to be written within a record, where the namespaces of ISO 19139 are declared; any other is declared
    /// where it is used.
    pub fn to_element(&self) -> Element {
        let usual = |namespace: &str| NAMESPACES.iter().find(|(_, known)| *known == namespace).map(|(prefix, _)| *prefix);
        let mut element = match (usual(&self.namespace), self.namespace.is_empty()) {
            (Some(prefix), _) => Element::new(format!("{prefix}:{}", self.name)),
            (None, true) => Element::new(self.name.clone()),
            (None, false) => Element::new(self.name.clone()).attr("xmlns", &self.namespace),
        };
        let mut unusual = 0;
        for (namespace, name, value) in &self.attributes {
            element = match namespace.as_str() {
                "" => element.attr(name.clone(), value),
                "http://www.w3.org/XML/1998/namespace" => element.attr(format!("xml:{name}"), value),
                "http://www.w3.org/2001/XMLSchema-instance" => element.attr(format!("xsi:{name}"), value),
                other => {
                    if let Some(prefix) = usual(other) {
                        element.attr(format!("{prefix}:{name}"), value)
                    } else {
                        unusual += 1;
                        let prefix = format!("a{unusual}");
                        element.attr(format!("xmlns:{prefix}"), other).attr(format!("{prefix}:{name}"), value)
                    }
                }
            };
        }
        if self.children.is_empty() && !self.text.is_empty() {
            element = element.text(&self.text);
        }
        element.children(self.children.iter().map(Self::to_element))
    }
}

fn escaped(text: &str, attribute: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' if attribute => out.push_str("&quot;"),
            '\n' | '\t' | '\r' if attribute => out.push_str(&format!("&#{};", c as u32)),
            '\r' => out.push_str("&#13;"),
            _ => out.push(c),
        }
    }
    out
}

fn expand(name: &str) -> (&str, &str) {
    match name.split_once(':') {
        None => ("", name),
        Some((prefix, local)) => {
            let known = NAMESPACES.iter().find(|(known, _)| *known == prefix);
            (known.map_or("?", |(_, namespace)| namespace), local)
        }
    }
}

fn namespace_of(result: &ResolveResult<'_>) -> Result<String> {
    match result {
        ResolveResult::Bound(namespace) => Ok(namespace.0.to_owned()),
        ResolveResult::Unbound => Ok(String::new()),
        ResolveResult::Unknown(_) => Err(refused("it uses a prefix that it does not declare")),
    }
}

fn element(reader: &NsReader<&[u8]>, start: &BytesStart<'_>) -> Result<Tree> {
    let (namespace, local) = reader.resolver().resolve_element(start.name());
    let mut tree = Tree { namespace: namespace_of(&namespace)?, name: local.as_ref().to_owned(), ..Tree::default() };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| refused("it has a bad attribute").because(error))?;
        let key: &str = attribute.key.as_ref();
        if key == "xmlns" || key.starts_with("xmlns:") {
            continue;
        }
        let (namespace, local) = reader.resolver().resolve_attribute(attribute.key);
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|error| refused("it has a bad attribute").because(error))?;
        tree.attributes.push((namespace_of(&namespace)?, local.as_ref().to_owned(), value.into_owned()));
    }
    tree.attributes.sort();
    Ok(tree)
}

fn push(open: &mut [Tree], text: &str) {
    if let Some(last) = open.last_mut() {
        last.text.push_str(text);
    }
}

fn close(element: Tree, open: &mut [Tree], root: &mut Option<Tree>) {
    match open.last_mut() {
        Some(parent) => parent.children.push(element),
        None => *root = Some(element),
    }
}

fn refused(why: &str) -> Error {
    Error::new("mk::metadata::xml", format!("cannot read the record: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_do_not_matter_and_paths_find() {
        let xml = r#"<m:MD_Metadata xmlns:m="http://www.isotc211.org/2005/gmd" xmlns="http://www.isotc211.org/2005/gco">
            <m:title><CharacterString>Straße &amp; Weg&#33;<![CDATA[ <x>]]></CharacterString></m:title></m:MD_Metadata>"#;
        let tree = Tree::parse(xml).unwrap();
        assert!(tree.is("gmd:MD_Metadata"));
        assert_eq!(tree.first("gmd:title").unwrap().value(), "Straße & Weg! <x>");
        assert_eq!(tree.all("gmd:title/gco:CharacterString").len(), 1);
        assert_eq!(tree.all("*/*").len(), 1);
    }

    #[test]
    fn a_written_tree_reads_back_the_same() {
        let xml = r#"<m:MD_Metadata xmlns:m="http://www.isotc211.org/2005/gmd" xmlns:q="urn:q" q:a="&lt;&quot;&#10;x" b="1"><q:e>Straße &amp; &lt;Weg&gt;</q:e><f/></m:MD_Metadata>"#;
        let tree = Tree::parse(xml).unwrap();
        assert_eq!(Tree::parse(&tree.to_xml()).unwrap(), tree);
    }

    #[test]
    fn hostile_documents_are_refused() {
        let deep = format!("{}{}", "<a>".repeat(200), "</a>".repeat(200));
        let cases = [
            "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
            "<a>&x;</a>",
            "<p:a/>",
            "<a/><b/>",
            "<a>",
            "",
            "</a>",
            "<a b='1' b='2'/>",
            deep.as_str(),
        ];
        for case in cases {
            assert_eq!(Tree::parse(case).unwrap_err().code(), "mk::metadata::xml", "{case:.40}");
        }
    }
}
