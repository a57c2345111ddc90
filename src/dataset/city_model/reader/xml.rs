//! A cursor over XML that keeps its place and its limits: no DOCTYPE, bounded depth, bounded texts.

use crate::error::{Error, Place, Result};
use crate::io::source::read_error;
use quick_xml::encoding::DecodingReader;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;
use std::io::{BufRead, BufReader, Read};

/// Deepest nesting that is read; real deliveries stay below 20.
pub const MAX_DEPTH: usize = 100;
/// Longest text, comment or tag; a ring of a million points has 30 MB.
pub const MAX_TEXT: u64 = 64 << 20;

/// Which standard an element belongs to. The version of the namespace is left aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Family {
    /// CityGML's core.
    Core,
    /// Buildings.
    Building,
    /// Constructions (CityGML 3.0).
    Construction,
    /// Generic attributes.
    Generics,
    /// GML 3.1 or 3.2.
    Gml,
    /// Anything else.
    #[default]
    Other,
}

impl Family {
    fn of(namespace: &str) -> Self {
        if namespace == "http://www.opengis.net/gml" || namespace.starts_with("http://www.opengis.net/gml/3") {
            return Self::Gml;
        }
        let Some(rest) = namespace.strip_prefix("http://www.opengis.net/citygml/") else { return Self::Other };
        match rest.split('/').next().unwrap_or_default() {
            "building" => Self::Building,
            "construction" => Self::Construction,
            "generics" => Self::Generics,
            "profiles" => Self::Core,
            version if version.starts_with(|c: char| c.is_ascii_digit()) => Self::Core,
            _ => Self::Other,
        }
    }
}

/// What the cursor stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The start of an element: see [`Xml::element`].
    Open,
    /// The end of an element.
    Close,
    /// The end of the file.
    Eof,
}

/// An element's name and the attributes that CityGML buildings use.
#[derive(Debug, Default)]
pub struct Element {
    /// Standard that it belongs to.
    pub family: Family,
    /// Local name.
    pub name: String,
    /// `gml:id`.
    pub id: Option<String>,
    /// `xlink:href`.
    pub href: Option<String>,
    /// `srsName`.
    pub srs_name: Option<String>,
    /// `srsDimension`.
    pub srs_dimension: Option<String>,
    /// `name`, of generic attributes.
    pub name_attribute: Option<String>,
    /// `orientation`, of orientable surfaces.
    pub orientation: Option<String>,
    /// `ring`, of texture coordinates.
    pub ring: Option<String>,
}

/// The cursor.
pub struct Xml<R: Read> {
    reader: NsReader<Metered<Input<R>>>,
    buffer: Vec<u8>,
    text: String,
    element: Element,
    depth: usize,
    file: String,
}

enum Input<R: Read> {
    Utf8(BufReader<R>),
    Other(Box<DecodingReader<BufReader<R>>>),
}

impl<R: Read> Xml<R> {
    /// A cursor before the first element. `file` is the name for messages.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn new(input: R, file: &str) -> Result<Self> {
        let mut input = BufReader::with_capacity(256 << 10, input);
        let start = input.fill_buf().map_err(|error| read_error(file, &error))?;
        let utf8 = is_utf8(start);
        let input = if utf8 { Input::Utf8(input) } else { Input::Other(Box::new(DecodingReader::new(input))) };
        let mut reader = NsReader::from_reader(Metered { input, line: 1, since: 0 });
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.check_end_names = true;
        Ok(Self { reader, buffer: Vec::new(), text: String::new(), element: Element::default(), depth: 0, file: file.to_owned() })
    }

    /// Goes to the next start or end of an element.
    ///
    /// # Errors
    /// When the XML is not well-formed, ends early, has a DOCTYPE or exceeds a limit.
    pub fn next(&mut self) -> Result<Step> {
        self.text.clear();
        loop {
            self.buffer.clear();
            self.reader.get_mut().since = 0;
            let event = match self.reader.read_resolved_event_into(&mut self.buffer) {
                Ok(event) => event,
                Err(error) => return Err(broken(&error, &self.file).at(self.place())),
            };
            match event {
                (namespace, Event::Start(start)) => {
                    self.depth += 1;
                    self.element.family = match namespace {
                        ResolveResult::Bound(namespace) => Family::of(namespace.into_inner()),
                        _ => Family::Other,
                    };
                    let refused = self.element.take(&start).err();
                    if let Some(reason) = refused {
                        return Err(Error::new("mk::xml::malformed", reason).at(self.place()));
                    }
                    if self.depth > MAX_DEPTH {
                        return Err(
                            Error::new("mk::xml::depth", format!("elements are nested deeper than {MAX_DEPTH}")).at(self.place())
                        );
                    }
                    return Ok(Step::Open);
                }
                (_, Event::End(_)) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(Step::Close);
                }
                (_, Event::Text(text)) => self.text.push_str(&text),
                (_, Event::CData(text)) => self.text.push_str(&text.into_inner()),
                (_, Event::GeneralRef(reference)) => {
                    let character = match reference.resolve_char_ref() {
                        Ok(Some(character)) => Some(character),
                        Ok(None) => predefined(&reference),
                        Err(_) => None,
                    };
                    let Some(character) = character else {
                        return Err(Error::new("mk::xml::entity", "an entity that XML does not define").at(self.place()));
                    };
                    self.text.push(character);
                }
                (_, Event::DocType(_)) => {
                    return Err(Error::new("mk::xml::doctype", "a DOCTYPE is not accepted")
                        .at(self.place())
                        .hint("remove the DOCTYPE: CityGML has none, and it can hide attacks"));
                }
                (_, Event::Eof) => {
                    if self.depth > 0 {
                        return Err(Error::new("mk::xml::truncated", "the file ends inside an element").at(self.place()));
                    }
                    return Ok(Step::Eof);
                }
                _ => {}
            }
            if self.text.len() as u64 > MAX_TEXT {
                return Err(too_long().at(self.place()));
            }
        }
    }

    /// The element whose start the cursor stands on.
    pub fn element(&self) -> &Element {
        &self.element
    }

    /// The `gml:id` of the element whose start the cursor stands on, which is then without it.
    pub fn take_id(&mut self) -> Option<String> {
        self.element.id.take()
    }

    /// File, line and byte of the cursor.
    pub fn place(&self) -> Place {
        Place::file(&self.file).line(self.reader.get_ref().line).byte(self.reader.buffer_position())
    }

    /// Skips to the end of the element whose start the cursor stands on.
    ///
    /// # Errors
    /// As [`Xml::next`].
    pub fn skip(&mut self) -> Result<()> {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.next()? {
                Step::Open => depth += 1,
                Step::Close => depth -= 1,
                Step::Eof => return Ok(()),
            }
        }
        Ok(())
    }

    /// The text of the element whose start the cursor stands on, trimmed; goes to its end.
    ///
    /// # Errors
    /// As [`Xml::next`].
    pub fn leaf(&mut self) -> Result<&str> {
        while self.next()? == Step::Open {
            self.skip()?;
        }
        Ok(self.text.trim())
    }
}

impl Element {
    /// Takes name and attributes; gives the reason when they are malformed.
    fn take(&mut self, start: &BytesStart<'_>) -> Result<(), String> {
        self.name.clear();
        self.name.push_str(start.local_name().into_inner());
        (self.id, self.href, self.srs_name, self.srs_dimension) = (None, None, None, None);
        (self.name_attribute, self.orientation, self.ring) = (None, None, None);
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| format!("a malformed attribute: {error}"))?;
            let slot = match attribute.key.local_name().into_inner() {
                // `id` without a prefix is no gml:id.
                "id" if attribute.key.prefix().is_some() => &mut self.id,
                "href" => &mut self.href,
                "srsName" => &mut self.srs_name,
                "srsDimension" => &mut self.srs_dimension,
                "name" => &mut self.name_attribute,
                "orientation" => &mut self.orientation,
                "ring" => &mut self.ring,
                _ => continue,
            };
            let value =
                quick_xml::escape::unescape(&attribute.value).map_err(|error| format!("a malformed attribute: {error}"))?;
            *slot = Some(value.into_owned());
        }
        Ok(())
    }
}

fn predefined(name: &str) -> Option<char> {
    Some(match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "apos" => '\'',
        "quot" => '"',
        _ => return None,
    })
}

fn broken(error: &quick_xml::Error, file: &str) -> Error {
    match error {
        quick_xml::Error::Io(error) => read_error(file, error),
        other => Error::new("mk::xml::malformed", format!("the XML is not well-formed: {other}")),
    }
}

fn too_long() -> Error {
    Error::new("mk::xml::length", format!("a text or tag is longer than {} MiB", MAX_TEXT >> 20))
}

/// Decides by byte order mark and declaration; UTF-8 needs no decoding.
fn is_utf8(start: &[u8]) -> bool {
    if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) || start.starts_with(&[0, b'<']) {
        return false;
    }
    if start.starts_with(&[b'<', 0]) {
        return false;
    }
    let head = String::from_utf8_lossy(&start[..start.len().min(200)]).to_ascii_lowercase();
    let Some(declaration) = head.split("?>").next().filter(|text| text.contains("<?xml")) else { return true };
    match declaration.split("encoding").nth(1) {
        None => true,
        Some(rest) => rest.contains("utf-8") || rest.contains("utf8") || rest.contains("us-ascii"),
    }
}

/// Counts lines, and the bytes since the last event so that a single one cannot fill the memory.
struct Metered<B> {
    input: B,
    line: u64,
    since: u64,
}

impl<R: Read> Read for Input<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Utf8(input) => input.read(out),
            Self::Other(input) => input.read(out),
        }
    }
}

impl<R: Read> BufRead for Input<R> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        match self {
            Self::Utf8(input) => input.fill_buf(),
            Self::Other(input) => input.fill_buf(),
        }
    }
    fn consume(&mut self, count: usize) {
        match self {
            Self::Utf8(input) => input.consume(count),
            Self::Other(input) => input.consume(count),
        }
    }
}

impl<B: BufRead> Read for Metered<B> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let count = self.fill_buf()?.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

impl<B: BufRead> BufRead for Metered<B> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        if self.since > MAX_TEXT {
            return Err(std::io::Error::other(too_long()));
        }
        self.input.fill_buf()
    }
    fn consume(&mut self, count: usize) {
        // The same bytes again: `fill_buf` has just given them, so that this reads nothing and cannot fail.
        if let Ok(bytes) = self.input.fill_buf() {
            let count = count.min(bytes.len());
            self.line += memchr::memchr_iter(b'\n', &bytes[..count]).count() as u64;
        }
        self.since += count as u64;
        self.input.consume(count);
    }
}
