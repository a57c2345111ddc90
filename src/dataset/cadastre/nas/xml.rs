//! The events of one member: names resolved, references replaced, depth and DOCTYPE refused.

use super::names::{Family, Scope};
use super::splitter::tag_end;
use crate::error::{Error, Place};
use memchr::{memchr, memmem};
use quick_xml::events::attributes::Attributes;

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
    /// What stands between the brackets, without the slash of an empty element.
    tag: &'a str,
    /// Length of the name in it, and where its local part begins.
    name: usize,
    local: usize,
}

impl<'a> Element<'a> {
    /// The local name.
    pub fn local(&self) -> &'a str {
        &self.tag[self.local..self.name]
    }
    /// An attribute by its local name, whatever its prefix.
    pub fn attribute(&self, local: &str) -> Parsed<Option<String>> {
        if self.tag.len() == self.name {
            return Ok(None);
        }
        for attribute in Attributes::new(self.tag, self.name) {
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

/// Reads a member tag by tag. Nothing is copied: names and most texts are those of the member. (A general reader of XML takes
/// twice as long for what is a fifth of a conversion.)
pub struct Events<'a> {
    member: &'a str,
    /// Where to go on.
    at: usize,
    /// Namespaces in force around the member, and those declared within it.
    around: &'a Scope,
    scope: Scope,
    /// Prefixes that were asked for since the scope changed, with what they mean: few of those that are in force.
    asked: Vec<(&'a str, Family)>,
    /// Names of the open elements, each with the length of the scope outside it.
    open: Vec<(&'a str, usize)>,
    /// True between the two tags that an empty element stands for.
    empty: bool,
    /// The text before the last tag: in one piece, or in several that were joined.
    piece: &'a str,
    joined: String,
}

/// A tag whose namespace nobody asked for yet.
enum Plain<'a> {
    /// What stands between the brackets, and the length of the name.
    Open(&'a str, usize),
    Close,
}

impl<'a> Events<'a> {
    /// Begins before the start tag of the member.
    pub fn new(member: &'a str, around: &'a Scope) -> Self {
        Self {
            member,
            at: 0,
            around,
            scope: Scope::default(),
            asked: Vec::new(),
            open: Vec::new(),
            empty: false,
            piece: "",
            joined: String::new(),
        }
    }

    /// The next tag; the text before it is in [`Events::text`]. An end of the member is `None`.
    pub fn next(&mut self) -> Parsed<Option<Tag<'a>>> {
        let position = self.at;
        let (tag, name) = match self.step()? {
            Some(Plain::Open(tag, name)) => (tag, name),
            Some(Plain::Close) => return Ok(Some(Tag::Close)),
            None => return Ok(None),
        };
        if tag.len() > name && memmem::find(&tag.as_bytes()[name..], b"xmlns").is_some() {
            for attribute in Attributes::new(tag, name) {
                let attribute = attribute.map_err(|error| xml_fault(&error.to_string(), position as u64))?;
                self.scope.declare(attribute.key.0, &attribute.value);
            }
            self.asked.clear();
        }
        let qualified = &tag[..name];
        let (prefix, local) = qualified.bytes().position(|byte| byte == b':').map_or((0, 0), |colon| (colon, colon + 1));
        let prefix = &qualified[..prefix];
        let known = self.asked.iter().find(|(known, _)| *known == prefix).map(|(_, family)| *family);
        let family = known.unwrap_or_else(|| {
            let (family, _) = self.scope.resolve_within(self.around, qualified);
            self.asked.push((prefix, family));
            family
        });
        Ok(Some(Tag::Open(Element { family, tag, name, local })))
    }

    /// As [`Events::next`], without looking at the namespace.
    fn step(&mut self) -> Parsed<Option<Plain<'a>>> {
        self.piece = "";
        self.joined.clear();
        if self.empty {
            self.empty = false;
            self.close();
            return Ok(Some(Plain::Close));
        }
        let bytes = self.member.as_bytes();
        loop {
            let from = self.at;
            let Some(begin) = memchr(b'<', &bytes[from..]).map(|found| from + found) else {
                self.at = bytes.len();
                return if self.open.is_empty() { Ok(None) } else { Err(xml_fault("the member ends early", from as u64)) };
            };
            if begin > from {
                self.note(from, begin)?;
            }
            let broken = |what: &str| Err(xml_fault(what, begin as u64));
            match bytes.get(begin + 1) {
                Some(b'/') => {
                    self.at = begin + 2;
                    self.end_tag(begin)?;
                    return Ok(Some(Plain::Close));
                }
                Some(b'!') => {
                    let rest = &bytes[begin..];
                    if rest.starts_with(b"<!--") {
                        let Some(length) = memmem::find(&rest[4..], b"-->") else { return broken("a comment does not end") };
                        self.at = begin + 4 + length + 3;
                    } else if rest.starts_with(b"<![CDATA[") {
                        let Some(length) = memmem::find(&rest[9..], b"]]>") else {
                            return broken("a CDATA section does not end");
                        };
                        self.add(&self.member[begin + 9..begin + 9 + length])?;
                        self.at = begin + 9 + length + 3;
                    } else if rest.get(2..9).is_some_and(|name| name.eq_ignore_ascii_case(b"DOCTYPE")) {
                        return Err(doctype_fault(begin as u64));
                    } else {
                        return broken("a declaration is not known");
                    }
                }
                Some(b'?') => {
                    let Some(length) = memmem::find(&bytes[begin..], b"?>") else { return broken("an instruction does not end") };
                    self.at = begin + length + 2;
                }
                _ => return self.start_tag(begin).map(Some),
            }
        }
    }

    fn start_tag(&mut self, begin: usize) -> Parsed<Plain<'a>> {
        let bytes = self.member.as_bytes();
        let broken = |what: &str| Err(xml_fault(what, begin as u64));
        let length = bytes[begin + 1..].iter().position(|byte| matches!(byte, b'>' | b'/' | b' ' | b'\t' | b'\n' | b'\r'));
        let Some(length) = length else { return broken("a tag does not end") };
        if length == 0 {
            return broken("a tag has no name");
        }
        let after = begin + 1 + length;
        let end = if bytes[after] == b'>' { Some(after + 1) } else { tag_end(bytes, after) };
        let Some(end) = end else { return broken("a tag does not end") };
        self.empty = bytes[end - 2] == b'/';
        if bytes[after] == b'/' && end != after + 2 {
            return broken("a tag has a slash in its name");
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(depth_fault(begin as u64));
        }
        self.open.push((&self.member[begin + 1..after], self.scope.0.len()));
        self.at = end;
        Ok(Plain::Open(&self.member[begin + 1..end - 1 - usize::from(self.empty)], length))
    }

    fn end_tag(&mut self, begin: usize) -> Parsed<()> {
        let rest = &self.member[begin + 2..];
        let expected = self.open.last().map_or("", |(name, _)| name);
        let after = rest.strip_prefix(expected).map(str::trim_ascii_start);
        if let Some(after) = after.filter(|after| after.starts_with('>') && !expected.is_empty()) {
            self.at = self.member.len() - after.len() + 1;
            self.close();
            return Ok(());
        }
        let found = rest.split('>').next().unwrap_or_default();
        let what = if expected.is_empty() {
            format!("`</{found}>` closes what is not open")
        } else {
            format!("expected `</{expected}>`, but `</{found}>` was found")
        };
        Err(xml_fault(&what, begin as u64))
    }

    fn close(&mut self) {
        if let Some((_, outside)) = self.open.pop()
            && outside < self.scope.0.len()
        {
            self.scope.0.truncate(outside);
            self.asked.clear();
        }
    }

    /// Takes in a text of the member, with what its references stand for.
    fn note(&mut self, from: usize, to: usize) -> Parsed<()> {
        let mut from = from;
        while let Some(found) = memchr(b'&', &self.member.as_bytes()[from..to]) {
            let at = from + found;
            self.add(&self.member[from..at])?;
            let Some(length) = memchr(b';', &self.member.as_bytes()[at..to]) else {
                return Err(xml_fault("a reference does not end", at as u64));
            };
            let resolved = character(&self.member[at + 1..at + length]);
            let letter = resolved.ok_or_else(|| xml_fault("an entity that is not known", at as u64))?;
            self.add(letter.encode_utf8(&mut [0; 4]))?;
            from = at + length + 1;
        }
        if self.piece.is_empty() && self.joined.is_empty() && to - from <= MAX_TEXT {
            self.piece = &self.member[from..to];
            return Ok(());
        }
        self.add(&self.member[from..to])
    }

    fn add(&mut self, text: &str) -> Parsed<()> {
        self.joined.push_str(std::mem::take(&mut self.piece));
        self.joined.push_str(text);
        if self.joined.len() > MAX_TEXT { Err(xml_fault("a text is longer than 64 MiB", self.position())) } else { Ok(()) }
    }

    /// The text between the last two tags.
    pub fn text(&self) -> &str {
        let text = if self.piece.is_empty() { self.joined.as_str() } else { self.piece };
        text.trim()
    }
    /// Goes on to the end of the element whose start tag was the last given.
    pub fn skip(&mut self) -> Parsed<()> {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.step()? {
                Some(Plain::Open(..)) => depth += 1,
                Some(Plain::Close) => depth -= 1,
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
                        before.push_str(self.text());
                        (self.piece, self.joined) = ("", before);
                    }
                    return Ok(self.text());
                }
                None => return Err(xml_fault("the member ends early", self.position())),
            }
        }
    }
    /// Number of open elements.
    pub fn depth(&self) -> usize {
        self.open.len()
    }
    /// Goes on until the element that was the `depth`-th to be open is closed.
    pub fn leave(&mut self, depth: usize) -> Parsed<()> {
        while self.open.len() >= depth {
            if self.next()?.is_none() {
                break;
            }
        }
        Ok(())
    }
    /// Position in the member.
    pub fn position(&self) -> u64 {
        self.at as u64
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use quick_xml::events::Event;

    /// Tags by their local names with the text before each, until the member ends or is broken.
    fn ours(member: &str) -> Option<Vec<String>> {
        let around = Scope::default();
        let mut events = Events::new(member, &around);
        let mut told = Vec::new();
        while let Some(tag) = events.next().ok()? {
            let text = events.text();
            told.push(match tag {
                Tag::Open(element) => format!("{text}<{}", element.local()),
                Tag::Close => format!("{text}>"),
            });
        }
        Some(told)
    }

    /// The same by a general reader of XML.
    fn theirs(member: &str) -> Option<Vec<String>> {
        let mut reader = quick_xml::Reader::from_str(member);
        reader.config_mut().expand_empty_elements = true;
        let (mut told, mut text, mut depth) = (Vec::new(), String::new(), 0_usize);
        loop {
            match reader.read_event().ok()? {
                Event::Start(tag) => {
                    depth += 1;
                    told.push(format!("{}<{}", text.trim(), tag.local_name().as_ref()));
                    text.clear();
                }
                Event::End(_) => {
                    depth -= 1;
                    told.push(format!("{}>", text.trim()));
                    text.clear();
                }
                Event::Text(value) => text.push_str(&value),
                Event::CData(value) => text.push_str(&value),
                Event::GeneralRef(name) => text.push(character(&name)?),
                Event::DocType(_) => return None,
                Event::Eof => return (depth == 0).then_some(told),
                _ => {}
            }
        }
    }

    proptest! {
        #[test]
        fn a_member_is_what_a_general_reader_makes_of_it(
            pieces in proptest::collection::vec(
                prop::sample::select(vec![
                    "<a>", "</a>", "<a >", "</a >", "<p:b c='1'>", "<p:b c=\">/\"/>", "</p:b>", "<d/>", "<d />", "Öd", " ", "\n", "&amp;",
                    "&#228;", "&#x41;", "&no;", "&", "<![CDATA[ <z> & ]]>", "<![CDATA[", "]]>", "<!-- <z> - -->", "<!--", "-->", "<?x y?>",
                    "<!DOCTYPE a>", "<", ">", "/", "</", "\"", "'", "=", "<a/ >",
                ]),
                0..12,
            ),
        ) {
            let member = format!("<m>{}</m>", pieces.concat());
            if let Some(expected) = theirs(&member) {
                let told = ours(&member);
                prop_assert!(told.is_none() || told.as_ref() == Some(&expected), "{member}: {told:?}");
            }
        }
    }

    #[test]
    fn what_a_general_reader_takes_is_not_refused_without_reason() {
        for member in [
            "<m>a<a>b</a>c<p:b c='1'>d</p:b><d/></m>",
            "<m><a >&amp;&#228;&#x41;<![CDATA[ <z> & ]]><!-- <z> - --></a ><?x y?></m>",
            "<m><p:b c=\">/\"/> Öd <d /></m>",
        ] {
            assert_eq!(ours(member), theirs(member), "{member}");
            assert!(ours(member).is_some());
        }
        for broken in [
            "<m>",
            "<m></a></m>",
            "<m>&no;</m>",
            "<m>&",
            "<m><!DOCTYPE a></m>",
            "<m><![CDATA[</m>",
            "<m><!--</m>",
            "<m><",
            "</m>",
        ] {
            assert_eq!(ours(broken), None, "{broken}");
        }
    }
}
