//! The kept properties of an object as the text of a JSON object, written while they are read.

use super::names::{Family, is_allowed_within, is_listed_private};
use super::object::referred;
use super::xml::{Element, Events, Parsed, Tag};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// An object of JSON being written: its text without the last bracket, and the values in it, by their names.
#[derive(Debug)]
pub struct Properties<'a> {
    text: String,
    values: Values<'a>,
    within: Within,
}

/// What of the elements within a property is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Within {
    /// All of them: in objects of personal data, which are read for the office alone.
    All,
    /// Those on the list of data types' elements; no objects of personal data.
    Allowed,
}

type Values<'a> = Vec<(&'a str, Range<usize>)>;

impl<'a> Properties<'a> {
    /// None yet.
    pub fn new(within: Within) -> Self {
        Self { text: "{".to_owned(), values: Vec::new(), within }
    }

    /// Adds a property, whose start tag was the last read.
    pub fn add(&mut self, element: &Element<'a>, events: &mut Events<'a>) -> Parsed<()> {
        entry(&mut self.text, &mut self.values, element, events, self.within)
    }

    /// The text of a property that is given once and is no more than a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        let mut found = self.values.iter().filter(|(known, _)| *known == name);
        let (_, range) = found.next().filter(|_| found.next().is_none())?;
        self.text[range.clone()].strip_prefix('"')?.strip_suffix('"')
    }

    /// Leaves a property out.
    pub fn remove(&mut self, name: &str) {
        if self.values.iter().any(|(known, _)| *known == name) {
            self.values.retain(|(known, _)| *known != name);
            (self.text, self.values) = united(&self.text, &self.values);
        }
    }

    /// The whole text.
    pub fn finish(mut self) -> String {
        if has_twins(&self.values) {
            (self.text, _) = united(&self.text, &self.values);
        }
        self.text.push('}');
        self.text
    }
}

/// Writes one property, name and value.
fn entry<'a>(
    text: &mut String,
    values: &mut Values<'a>,
    element: &Element<'a>,
    events: &mut Events<'a>,
    within: Within,
) -> Parsed<()> {
    if !values.is_empty() {
        text.push(',');
    }
    string(text, element.local());
    text.push(':');
    let begin = text.len();
    value(text, element, events, within)?;
    values.push((element.local(), begin..text.len()));
    Ok(())
}

/// The value of a property: a text, the code or identifier that it refers to, or an object of what is within.
fn value<'a>(text: &mut String, element: &Element<'a>, events: &mut Events<'a>, within: Within) -> Parsed<()> {
    let reference = element.attribute("href")?;
    let begin = text.len();
    let mut inside = Vec::new();
    text.push('{');
    members(text, &mut inside, events, within)?;
    if inside.is_empty() {
        text.truncate(begin);
        string(text, reference.as_deref().map_or_else(|| events.text(), referred));
    } else {
        if has_twins(&inside) {
            let (united, _) = united(text, &inside);
            text.replace_range(begin.., &united);
        }
        text.push('}');
    }
    Ok(())
}

/// What is within an element. Names of data types, which begin with a capital letter, are left out.
fn members<'a>(text: &mut String, inside: &mut Values<'a>, events: &mut Events<'a>, within: Within) -> Parsed<()> {
    loop {
        let child = match events.next()? {
            Some(Tag::Open(child)) => child,
            Some(Tag::Close) | None => return Ok(()),
        };
        let is_type = child.local().starts_with(|first: char| first.is_ascii_uppercase());
        let is_allowed = if is_type { !is_listed_private(child.local()) } else { is_allowed_within(child.local()) };
        let is_kept = within == Within::All || is_allowed;
        match (is_kept && child.family == Family::Aaa, is_type) {
            (false, _) => events.skip()?,
            (true, true) => members(text, inside, events, within)?,
            (true, false) => entry(text, inside, &child, events, within)?,
        }
    }
}

/// Values that a look at each pair of tells sooner whether two have the same name than a set does.
const FEW: usize = 12;

/// True when a name is there twice.
fn has_twins(values: &Values<'_>) -> bool {
    if values.len() <= FEW {
        return values.iter().enumerate().any(|(at, (name, _))| values[..at].iter().any(|(known, _)| known == name));
    }
    values.iter().map(|(name, _)| name).collect::<BTreeSet<_>>().len() < values.len()
}

/// An object of these values, without its last bracket: a property that is given again becomes a list, where it stood first.
fn united<'a>(text: &str, values: &Values<'a>) -> (String, Values<'a>) {
    let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut names = Vec::new();
    for (name, range) in values {
        let all = by_name.entry(name).or_default();
        if all.is_empty() {
            names.push(*name);
        }
        all.push(&text[range.clone()]);
    }
    let (mut united, mut kept) = ("{".to_owned(), Vec::new());
    for name in names {
        if !kept.is_empty() {
            united.push(',');
        }
        string(&mut united, name);
        united.push(':');
        let begin = united.len();
        match by_name.get(name).map(Vec::as_slice).unwrap_or_default() {
            [one] => united.push_str(one),
            all => {
                united.push('[');
                united.push_str(&all.join(","));
                united.push(']');
            }
        }
        kept.push((name, begin..united.len()));
    }
    (united, kept)
}

/// A string as [`serde_json`] writes it.
fn string(text: &mut String, value: &str) {
    if value.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        text.push_str(&serde_json::Value::from(value).to_string());
    } else {
        text.push('"');
        text.push_str(value);
        text.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::cadastre::nas::names::Scope;
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    const AROUND: &str = "http://www.adv-online.de/namespaces/adv/gid/7.1";

    fn read(inside: &str, remove: Option<&str>) -> String {
        read_with(inside, remove, Within::All)
    }

    fn read_with(inside: &str, remove: Option<&str>, within: Within) -> String {
        let mut scope = Scope::default();
        scope.declare("xmlns", AROUND);
        scope.declare("xmlns:xlink", "http://www.w3.org/1999/xlink");
        let member = format!("<AX_X>{inside}</AX_X>");
        let mut events = Events::new(&member, &scope);
        let mut properties = Properties::new(within);
        events.next().unwrap();
        while let Some(Tag::Open(element)) = events.next().unwrap() {
            properties.add(&element, &mut events).unwrap();
        }
        if let Some(name) = remove {
            properties.remove(name);
        }
        properties.finish()
    }

    #[test]
    fn properties_are_written_as_they_are_read() {
        assert_eq!(read("", None), "{}");
        assert_eq!(read("<a/><b> x &amp; \"y\" </b>", None), r#"{"a":"","b":"x & \"y\""}"#);
        assert_eq!(
            read("<a xlink:href=\"urn:adv:oid:DESH1\"/><b xlink:href='http://x/1000'/>", None),
            r#"{"a":"DESH1","b":"1000"}"#
        );
        assert_eq!(read("<n><AX_T><z>1</z><z>2</z><y>3</y></AX_T></n>", None), r#"{"n":{"z":["1","2"],"y":"3"}}"#);
        assert_eq!(read("<a>1</a><b>2</b><a><c>3</c></a>", None), r#"{"a":["1",{"c":"3"}],"b":"2"}"#);
        assert_eq!(read("<a>1</a><b>2</b><a>3</a>", Some("a")), r#"{"b":"2"}"#);
        assert_eq!(read("<a>1</a>", Some("a")), "{}");
        assert_eq!(read("<a>1</a><b>2</b><b>3</b>", Some("a")), r#"{"b":["2","3"]}"#);
    }

    #[test]
    fn of_what_is_within_a_property_only_what_is_listed_is_kept() {
        let kept = |inside: &str| read_with(inside, None, Within::Allowed);
        let key = "<lagebezeichnung><AX_Lagebezeichnung><verschluesselt><AX_VerschluesselteLagebezeichnung><land>01</land><lage>00007</lage>\
                   </AX_VerschluesselteLagebezeichnung></verschluesselt><bemerkung>Bei Lagemann</bemerkung></AX_Lagebezeichnung></lagebezeichnung>";
        assert_eq!(kept(key), r#"{"lagebezeichnung":{"verschluesselt":{"land":"01","lage":"00007"}}}"#);
        let person =
            "<istTeilVon><AX_Person><nachnameOderFirma>Inlinemann</nachnameOderFirma><land>01</land></AX_Person></istTeilVon>";
        assert_eq!(kept(person), r#"{"istTeilVon":""}"#);
        let other = "<istTeilVon><AX_Neu><vorname>Ida</vorname><gehoert><AX_Person><land>01</land></AX_Person></gehoert></AX_Neu></istTeilVon>";
        assert_eq!(kept(other), r#"{"istTeilVon":""}"#);
        assert_eq!(read(person, None), r#"{"istTeilVon":{"nachnameOderFirma":"Inlinemann","land":"01"}}"#);
    }

    /// Elements by their names: texts, and elements within.
    #[derive(Debug, Clone)]
    enum Node {
        Text(String),
        Inside(Vec<(String, Node)>),
    }

    fn nodes() -> impl Strategy<Value = Vec<(String, Node)>> {
        let leaf = "[a-zß\"\\\\]{0,6}".prop_map(Node::Text);
        let node =
            leaf.prop_recursive(3, 60, 20, |inner| prop::collection::vec(("[a-d]{1,2}", inner), 1..20).prop_map(Node::Inside));
        prop::collection::vec(("[a-d]{1,2}", node), 0..20)
    }

    fn xml(nodes: &[(String, Node)]) -> String {
        let one = |(name, node): &(String, Node)| match node {
            Node::Text(text) => format!("<{name}>{text}</{name}>"),
            Node::Inside(inside) => format!("<{name}><AX_T>\n{}</AX_T></{name}>", xml(inside)),
        };
        nodes.iter().map(one).collect()
    }

    /// The same by a map that knows what it holds.
    fn map(nodes: &[(String, Node)]) -> Value {
        let mut map: Map<String, Value> = Map::new();
        for (name, node) in nodes {
            let value = match node {
                Node::Text(text) => Value::from(text.as_str()),
                Node::Inside(inside) => self::map(inside),
            };
            match map.get_mut(name) {
                None => {
                    map.insert(name.clone(), value);
                }
                Some(Value::Array(list)) => list.push(value),
                Some(first) => *first = Value::Array(vec![first.take(), value]),
            }
        }
        Value::Object(map)
    }

    proptest! {
        #[test]
        fn the_text_is_that_of_a_map(nodes in nodes()) {
            prop_assert_eq!(read(&xml(&nodes), None), map(&nodes).to_string());
        }
    }
}
