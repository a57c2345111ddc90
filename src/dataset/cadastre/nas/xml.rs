//! The events of one member: names resolved, references replaced, depth and DOCTYPE refused.

use super::names::{Family, Scope};
use crate::error::{Error, Place};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// Elements nested deeper than this are refused.
pub const MAX_DEPTH: usize = 100;
/// Text of one element longer than this (bytes) is refused.
const MAX_TEXT: usize = 64 << 20;

/// Why a member does not become an object.
#[derive(Debug)]
pub enum Fault {
    /// The object is refused; the delivery goes on.
    Object(Error),
    /// The XML is broken: nothing after this can be trusted.
    Delivery(Error),
}

/// The result of parsing a part of a member.
pub type Parsed<T> = Result<T, Fault>;

/// An object is refused.
pub fn refuse<T>(code: &'static str, message: impl Into<String>) -> Parsed<T> {
    Err(Fault::Object(Error::new(code, message)))
}

/// A start or an end of an element.
pub enum Tag<'a> {
    Open(Element<'a>),
    Close,
}

/// A start tag.
pub struct Element<'a> {
    pub family: Family,
    start: BytesStart<'a>,
    local: usize,
}

impl Element<'_> {
    /// The local name.
    pub fn local(&self) -> &str {
        &self.start.name().0[self.local..]
    }
    /// An attribute by its local name, whatever its prefix.
    pub fn attribute(&self, local: &str) -> Parsed<Option<String>> {
        if self.start.attributes_raw().is_empty() {
            return Ok(None);
        }
        for attribute in self.start.attributes() {
            let attribute = attribute.map_err(|error| xml_fault(&error.to_string(), 0))?;
            let key = attribute.key.0;
            if key.rsplit(':').next() == Some(local) && !key.starts_with("xmlns") {
                let value = attribute
                    .normalized_value(quick_xml::XmlVersion::Implicit1_0)
                    .map_err(|error| xml_fault(&error.to_string(), 0))?;
                return Ok(Some(value.into_owned()));
            }
        }
        Ok(None)
    }
}

/// Reads a member tag by tag.
pub struct Events<'a> {
    reader: Reader<&'a [u8]>,
    /// Namespaces in force around the member, and those declared within it.
    around: &'a Scope,
    scope: Scope,
    /// Prefixes that were asked for since the scope changed, with what they mean: few of those that are in force.
    asked: Vec<(String, Family)>,
    /// Length of the scope outside each open element.
    outside: Vec<usize>,
    text: String,
}

impl<'a> Events<'a> {
    /// Begins before the start tag of the member.
    pub fn new(member: &'a str, around: &'a Scope) -> Self {
        let mut reader = Reader::from_str(member);
        reader.config_mut().expand_empty_elements = true;
        Self { reader, around, scope: Scope::default(), asked: Vec::new(), outside: Vec::new(), text: String::new() }
    }
    /// The next tag; the text before it is in [`Events::text`]. An end of the member is `None`.
    pub fn next(&mut self) -> Parsed<Option<Tag<'a>>> {
        self.text.clear();
        loop {
            let position = self.reader.buffer_position();
            let event = self.reader.read_event().map_err(|error| {
                let at = self.reader.error_position();
                xml_fault(&error.to_string(), at)
            })?;
            match event {
                Event::Start(start) => {
                    if self.outside.len() >= MAX_DEPTH {
                        return Err(depth_fault(position));
                    }
                    self.outside.push(self.scope.0.len());
                    if start.attributes_raw().contains("xmlns") {
                        for attribute in start.attributes() {
                            let attribute = attribute.map_err(|error| xml_fault(&error.to_string(), position))?;
                            self.scope.declare(attribute.key.0, &attribute.value);
                        }
                        self.asked.clear();
                    }
                    let name = start.name().0;
                    let prefix = name.find(':').unwrap_or(0);
                    let local = if prefix == 0 && !name.starts_with(':') { 0 } else { prefix + 1 };
                    let known = self.asked.iter().find(|(known, _)| known == &name[..prefix]).map(|(_, family)| *family);
                    let family = known.unwrap_or_else(|| {
                        let (family, _) = self.scope.resolve_within(self.around, name);
                        self.asked.push((name[..prefix].to_owned(), family));
                        family
                    });
                    return Ok(Some(Tag::Open(Element { family, start, local })));
                }
                Event::End(_) => {
                    if let Some(outside) = self.outside.pop()
                        && outside < self.scope.0.len()
                    {
                        self.scope.0.truncate(outside);
                        self.asked.clear();
                    }
                    return Ok(Some(Tag::Close));
                }
                Event::Text(text) => self.text.push_str(&text),
                Event::CData(text) => self.text.push_str(&text),
                Event::GeneralRef(name) => {
                    let resolved = character(&name);
                    self.text.push(resolved.ok_or_else(|| xml_fault("an entity that is not known", position))?);
                }
                Event::DocType(_) => return Err(doctype_fault(position)),
                Event::Eof => {
                    return if self.outside.is_empty() { Ok(None) } else { Err(xml_fault("the member ends early", position)) };
                }
                Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            }
            if self.text.len() > MAX_TEXT {
                return Err(xml_fault("a text is longer than 64 MiB", position));
            }
        }
    }
    /// The text between the last two tags.
    pub fn text(&self) -> &str {
        self.text.trim()
    }
    /// Goes on to the end of the element whose start tag was the last given.
    pub fn skip(&mut self) -> Parsed<()> {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.next()? {
                Some(Tag::Open(_)) => depth += 1,
                Some(Tag::Close) => depth -= 1,
                None => return Err(xml_fault("the member ends early", self.position())),
            }
        }
        Ok(())
    }
    /// The text of the element whose start tag was the last given; elements within are skipped.
    pub fn text_of(&mut self) -> Parsed<&str> {
        // Text before a child would be lost with the next tag.
        let mut before = String::new();
        loop {
            match self.next()? {
                Some(Tag::Open(_)) => {
                    before.push_str(self.text());
                    self.skip()?;
                }
                Some(Tag::Close) => {
                    if !before.is_empty() {
                        before.push_str(self.text.trim());
                        self.text = before;
                    }
                    return Ok(self.text.trim());
                }
                None => return Err(xml_fault("the member ends early", self.position())),
            }
        }
    }
    /// Number of open elements.
    pub fn depth(&self) -> usize {
        self.outside.len()
    }
    /// Goes on until the element that was the `depth`-th to be open is closed.
    pub fn leave(&mut self, depth: usize) -> Parsed<()> {
        while self.outside.len() >= depth {
            if self.next()?.is_none() {
                break;
            }
        }
        Ok(())
    }
    /// Position in the member.
    pub fn position(&self) -> u64 {
        self.reader.buffer_position()
    }
}

/// Predefined entities and character references (XML 1.0, 4.1 and 4.6).
fn character(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).filter(|letter| *letter != '\0')?
        }
    })
}

fn xml_fault(message: &str, at: u64) -> Fault {
    Fault::Delivery(Error::new("mk::cadastre::nas::xml", format!("the XML is broken: {message}")).at(Place::default().byte(at)))
}

fn depth_fault(at: u64) -> Fault {
    Fault::Delivery(
        Error::new("mk::cadastre::nas::depth", format!("elements are nested more than {MAX_DEPTH} deep"))
            .at(Place::default().byte(at)),
    )
}

fn doctype_fault(at: u64) -> Fault {
    Fault::Delivery(Error::new("mk::cadastre::nas::doctype", "a DOCTYPE is not accepted").at(Place::default().byte(at)))
}

impl Fault {
    /// Names the object, in a fault of one.
    pub fn of(self, oid: &str) -> Self {
        match self {
            Self::Object(error) => {
                let place = error.place().clone().object(oid);
                Self::Object(error.at(place))
            }
            Self::Delivery(error) => Self::Delivery(error),
        }
    }
}
