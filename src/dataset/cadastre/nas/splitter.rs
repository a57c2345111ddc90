//! Cuts a delivery into members without parsing them: the stream is read in blocks, and each block's whole members go on.
//!
//! Outside members every tag is looked at; a member itself is skipped by searching its end tag, with comments and CDATA sections
//! respected (a delivery's protocol, itself XML, lies in one). So a member is parsed once, on any thread, and one of personal
//! data never.

use super::names::{Family, Scope};
use super::text::unreadable;
use crate::error::{Error, Place, Result};
use memchr::{memchr, memchr_iter, memmem};
use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

/// Bytes read at once.
const BLOCK: usize = 1 << 20;
/// Bytes of members that go on together.
const CHUNK: usize = 4 << 20;
/// A member or tag larger than this is refused.
const MAX_MEMBER: usize = 256 << 20;
/// Containers nested deeper than this are refused.
const MAX_DEPTH: usize = 16;

/// What a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Root {
    /// Stock (`AX_Bestandsdatenauszug`), or a feature collection of a service.
    Stock,
    /// Changes (NBA, Fortfuehrungsauftrag).
    Changes,
    /// One object without anything around it.
    Bare,
}

/// What a piece of a chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// An object.
    Object,
    /// `Replace`: an object and a filter.
    Replace,
    /// `Update`: properties and a filter.
    Update,
    /// `Delete`: a filter.
    Delete,
    /// An element of the delivery's head.
    Header,
}

/// A piece by its range in the chunk.
#[derive(Debug, Clone)]
pub struct Part {
    pub piece: Piece,
    pub range: Range<usize>,
    /// The local name, as a range in the chunk.
    pub name: Range<usize>,
    /// Family of the name.
    pub family: Family,
    /// Namespaces in force around it.
    pub scope: Arc<Scope>,
}

/// Some whole members.
#[derive(Debug)]
pub struct Chunk {
    pub bytes: Vec<u8>,
    pub parts: Vec<Part>,
    /// Offset of the first byte in the delivery (as UTF-8).
    pub byte: u64,
    /// Line of the first byte, from 1.
    pub line: u64,
}

impl Chunk {
    /// The place of a byte of this chunk.
    pub fn place(&self, at: usize) -> Place {
        let lines = memchr_iter(b'\n', &self.bytes[..at.min(self.bytes.len())]).count() as u64;
        Place::default().byte(self.byte + at as u64).line(self.line + lines)
    }
}

/// Reads chunk by chunk.
pub struct Splitter<R> {
    input: R,
    buffer: Vec<u8>,
    /// Where the next tag is looked for.
    at: usize,
    ended: bool,
    byte: u64,
    line: u64,
    open: Vec<Container>,
    root: Option<Root>,
    finished: bool,
    /// Memory of an earlier chunk, to be used again.
    spare: Option<Vec<u8>>,
}

struct Container {
    name: Vec<u8>,
    scope: Arc<Scope>,
    holds_objects: bool,
}

/// One token of the outer structure.
enum Token {
    Open { name: Range<usize>, end: usize, empty: bool },
    Close { name: Range<usize>, end: usize },
    Skip { end: usize },
    Doctype { at: usize },
}

impl<R: Read> Splitter<R> {
    /// Begins to read.
    pub fn new(input: R) -> Self {
        Self {
            input,
            buffer: Vec::with_capacity(CHUNK + 2 * BLOCK),
            at: 0,
            ended: false,
            byte: 0,
            line: 1,
            open: Vec::new(),
            root: None,
            finished: false,
            spare: None,
        }
    }
    /// What the delivery is, once its first tag has been read.
    pub fn root(&self) -> Option<Root> {
        self.root
    }

    /// The next members; `None` at the end.
    ///
    /// # Errors
    /// When the delivery cannot be read, is no NAS, or ends early.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        let mut parts = Vec::new();
        loop {
            if self.at >= CHUNK && !parts.is_empty() {
                return Ok(Some(self.cut(parts)));
            }
            if !self.step(&mut parts)? {
                return Ok((!parts.is_empty()).then(|| self.cut(parts)));
            }
        }
    }

    /// What the delivery is, and the elements of its head that come before the first object, however it goes on; `None` for what is none.
    pub fn head(mut self) -> Option<(Root, Chunk)> {
        let mut parts: Vec<Part> = Vec::new();
        while parts.last().is_none_or(|part| part.piece == Piece::Header) && self.at < CHUNK {
            // What is wrong has been said where the delivery was read.
            if !self.step(&mut parts).unwrap_or(false) {
                break;
            }
        }
        let root = self.root?;
        parts.retain(|part| part.piece == Piece::Header);
        Some((root, self.cut(parts)))
    }

    /// Takes the next token; false at the end of the delivery.
    fn step(&mut self, parts: &mut Vec<Part>) -> Result<bool> {
        let Some(token) = next_token(&self.buffer, self.at) else {
            if self.ended {
                return if self.finished && self.only_blanks_remain() { Ok(false) } else { Err(self.truncated()) };
            }
            self.refill()?;
            return Ok(true);
        };
        match token {
            Token::Doctype { at } => return Err(self.error("mk::cadastre::nas::doctype", "a DOCTYPE is not accepted", at)),
            Token::Skip { end } => self.at = end,
            Token::Close { name, end } => {
                let at = name.start;
                match self.open.pop() {
                    Some(container) if container.name == self.buffer[name] => self.at = end,
                    _ => return Err(self.error("mk::cadastre::nas::xml", "an end tag closes what is not open", at)),
                }
                self.finished = self.open.is_empty();
            }
            Token::Open { name, end, empty } => {
                if let Some(part) = self.opened(name, end, empty)? {
                    self.at = part.range.end;
                    if part.piece != Piece::Header || wants_header(&self.buffer[part.name.clone()]) {
                        parts.push(part);
                    }
                }
            }
        }
        Ok(true)
    }

    /// Deals with a start tag: goes into a container, or gives the whole element as a part. The position stays where it is when
    /// the element is not all there yet.
    fn opened(&mut self, name: Range<usize>, end: usize, empty: bool) -> Result<Option<Part>> {
        let begin = name.start - 1;
        if self.finished {
            return Err(self.error("mk::cadastre::nas::xml", "an element follows the root", begin));
        }
        let outer = self.open.last().map_or_else(Arc::default, |container| Arc::clone(&container.scope));
        let tag = std::str::from_utf8(&self.buffer[begin..end])
            .map_err(|_| self.error("mk::cadastre::nas::encoding", "a tag is no UTF-8", begin))?;
        let scope = declarations(tag, &outer);
        let qualified = &tag[1..=name.len()];
        let (family, local) = scope.resolve(qualified);
        let holds_objects = self.open.last().is_some_and(|container| container.holds_objects);
        let role = match self.open.len() {
            0 => {
                let Some((root, role)) = root_of(family, local) else {
                    let hint = "a NAS delivery begins with AX_Bestandsdatenauszug, an NBA, or a FeatureCollection of AAA objects";
                    let shown: String = local.chars().take(60).collect();
                    let message = format!("the root element {shown} is none of NAS");
                    return Err(self.error("mk::cadastre::nas::root", message, begin).hint(hint));
                };
                self.root = Some(root);
                role
            }
            _ if holds_objects => Role::Part(Piece::Object),
            // Skipped like any head element, its objects would be lost without a word.
            _ if family == Family::Other
                && matches!(
                    local,
                    "enthaelt" | "geaenderteObjekte" | "FeatureCollection" | "Transaction" | "member" | "featureMember"
                ) =>
            {
                let message = format!("the element {local} is in none of the namespaces of NAS");
                return Err(self.error("mk::cadastre::nas::namespace", message, begin));
            }
            _ => role_of(family, local),
        };
        let local_start = name.end - local.len();
        let (name_bytes, local_range) = (self.buffer[name.clone()].to_vec(), local_start..name.end);
        match role {
            Role::Container { holds_objects } => {
                self.at = end;
                if empty {
                    self.finished = self.open.is_empty();
                    return Ok(None);
                }
                if self.open.len() >= MAX_DEPTH {
                    return Err(self.error("mk::cadastre::nas::depth", "the delivery is nested too deeply", begin));
                }
                self.open.push(Container { name: name_bytes, scope, holds_objects });
                Ok(None)
            }
            Role::Part(piece) => {
                let end = if empty {
                    end
                } else {
                    loop {
                        match element_end(&self.buffer, end, &name_bytes) {
                            Ok(Some(end)) => break end,
                            Err(at) => return Err(self.error("mk::cadastre::nas::doctype", "a DOCTYPE is not accepted", at)),
                            Ok(None) if self.ended => return Err(self.truncated()),
                            Ok(None) => self.refill()?,
                        }
                    }
                };
                self.finished = self.open.is_empty();
                Ok(Some(Part { piece, range: begin..end, name: local_range, family, scope: outer }))
            }
        }
    }

    fn refill(&mut self) -> Result<()> {
        if self.buffer.len() - self.at > MAX_MEMBER {
            return Err(self.error("mk::cadastre::nas::size", "one member is larger than 256 MiB", self.at));
        }
        // Twice as much each time: a large member is searched again from its start.
        let more = BLOCK.max(self.buffer.len() / 2);
        let before = self.buffer.len();
        let count = self.input.by_ref().take(more as u64).read_to_end(&mut self.buffer).map_err(unreadable)?;
        self.ended = count == 0 && before == self.buffer.len();
        Ok(())
    }

    /// Takes back the memory of a chunk that is done with.
    pub fn recycle(&mut self, chunk: Chunk) {
        // One that a member of many megabytes has grown is given up.
        self.spare = Some(chunk.bytes).filter(|bytes| bytes.capacity() <= 2 * CHUNK);
    }

    fn cut(&mut self, parts: Vec<Part>) -> Chunk {
        // Room for a whole chunk from the start: growing would copy it several times.
        let mut rest = self.spare.take().unwrap_or_else(|| Vec::with_capacity(CHUNK + 2 * BLOCK));
        rest.clear();
        rest.extend_from_slice(&self.buffer[self.at..]);
        self.buffer.truncate(self.at);
        let bytes = std::mem::replace(&mut self.buffer, rest);
        let chunk = Chunk { byte: self.byte, line: self.line, parts, bytes };
        self.byte += chunk.bytes.len() as u64;
        self.line += memchr_iter(b'\n', &chunk.bytes).count() as u64;
        self.at = 0;
        chunk
    }

    fn only_blanks_remain(&self) -> bool {
        self.buffer[self.at..].iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0)
    }

    fn truncated(&self) -> Error {
        let message = match (self.open.last(), self.root) {
            (Some(container), _) => {
                format!("the delivery ends within {}", String::from_utf8_lossy(&container.name))
            }
            (None, Some(Root::Bare)) => "the delivery ends within its object".to_owned(),
            _ => "the delivery holds no element".to_owned(),
        };
        self.error("mk::cadastre::nas::truncated", message, self.buffer.len()).hint("ask for the delivery again")
    }

    fn error(&self, code: &'static str, message: impl Into<String>, at: usize) -> Error {
        let lines = memchr_iter(b'\n', &self.buffer[..at.min(self.buffer.len())]).count() as u64;
        Error::new(code, message).at(Place::default().byte(self.byte + at as u64).line(self.line + lines))
    }
}

enum Role {
    Container { holds_objects: bool },
    Part(Piece),
}

fn root_of(family: Family, local: &str) -> Option<(Root, Role)> {
    let container = |holds_objects| Role::Container { holds_objects };
    match (family, local) {
        (Family::Aaa, "AX_Bestandsdatenauszug") | (Family::Wfs | Family::Gml, "FeatureCollection") => {
            Some((Root::Stock, container(false)))
        }
        (
            Family::Aaa,
            "AX_NutzerbezogeneBestandsdatenaktualisierung_NBA" | "AX_Fortfuehrungsauftrag" | "AX_Einrichtungsauftrag",
        )
        | (Family::Wfs, "Transaction") => Some((Root::Changes, container(false))),
        (Family::Aaa, _) if is_class(local) => Some((Root::Bare, Role::Part(Piece::Object))),
        _ => None,
    }
}

fn role_of(family: Family, local: &str) -> Role {
    match (family, local) {
        (Family::Wfs | Family::Gml, "member" | "featureMember" | "featureMembers") | (Family::Wfs, "Insert") => {
            Role::Container { holds_objects: true }
        }
        (Family::Aaa, "enthaelt" | "geaenderteObjekte") | (Family::Wfs, "FeatureCollection" | "Transaction") => {
            Role::Container { holds_objects: false }
        }
        (Family::Wfs, "Replace") => Role::Part(Piece::Replace),
        (Family::Wfs, "Update") => Role::Part(Piece::Update),
        (Family::Wfs, "Delete") => Role::Part(Piece::Delete),
        _ => Role::Part(Piece::Header),
    }
}

/// Names of classes: `AX_` and the like, then a capital letter.
fn is_class(local: &str) -> bool {
    let bytes = local.as_bytes();
    bytes.len() > 3 && bytes[..2].iter().all(u8::is_ascii_uppercase) && bytes[2] == b'_' && bytes[3].is_ascii_uppercase()
}

/// The head elements that are read: CRS and the delivery's place in its chain. Of free text only two words are taken; addressees and
/// orders are not read.
fn wants_header(local: &[u8]) -> bool {
    matches!(
        local,
        b"koordinatenangaben"
            | b"portionskennung"
            | b"abgabeintervall"
            | b"abgabeintervallBeginn"
            | b"abgabeintervallEnde"
            | b"abgabezeitraum"
            | b"erlaeuterung"
            | b"lieferzeitpunkt"
            | b"profilkennung"
    )
}

/// The namespaces in force within a tag.
fn declarations(tag: &str, outer: &Arc<Scope>) -> Arc<Scope> {
    if !tag.contains("xmlns") {
        return Arc::clone(outer);
    }
    let content = tag[1..tag.len() - 1].trim_end_matches('/');
    let name_length = content.find(|letter: char| letter.is_ascii_whitespace()).unwrap_or(content.len());
    let start = quick_xml::events::BytesStart::from_content(content, name_length);
    let mut scope = Scope::clone(outer);
    for attribute in start.attributes().flatten() {
        scope.declare(attribute.key.0, &attribute.value);
    }
    Arc::new(scope)
}

/// The token at or after `at`; `None` when it is not all there.
fn next_token(buffer: &[u8], at: usize) -> Option<Token> {
    let begin = at + memchr(b'<', buffer.get(at..)?)?;
    let rest = &buffer[begin..];
    match rest.get(1)? {
        b'!' => {
            if rest.starts_with(b"<!--") {
                Some(Token::Skip { end: begin + 4 + memmem::find(&rest[4..], b"-->")? + 3 })
            } else if rest.starts_with(b"<![CDATA[") {
                Some(Token::Skip { end: begin + memmem::find(rest, b"]]>")? + 3 })
            } else if rest.len() < 9 {
                None
            } else {
                Some(Token::Doctype { at: begin })
            }
        }
        b'?' => Some(Token::Skip { end: begin + memmem::find(rest, b"?>")? + 2 }),
        b'/' => {
            let end = begin + memchr(b'>', rest)?;
            let name = trimmed(buffer, begin + 2..end);
            Some(Token::Close { name, end: end + 1 })
        }
        _ => {
            let end = tag_end(buffer, begin)?;
            let empty = buffer[end - 2] == b'/';
            let inside = &buffer[begin + 1..end - 1];
            let length = inside.iter().position(|byte| byte.is_ascii_whitespace() || *byte == b'/').unwrap_or(inside.len());
            Some(Token::Open { name: begin + 1..begin + 1 + length, end, empty })
        }
    }
}

fn trimmed(buffer: &[u8], mut range: Range<usize>) -> Range<usize> {
    while range.end > range.start && buffer[range.end - 1].is_ascii_whitespace() {
        range.end -= 1;
    }
    range
}

/// The byte after the `>` that ends the tag at `begin`; one within quotes does not.
pub fn tag_end(buffer: &[u8], begin: usize) -> Option<usize> {
    let mut at = begin;
    loop {
        let found = at + memchr::memchr3(b'>', b'"', b'\'', buffer.get(at..)?)?;
        match buffer[found] {
            b'>' => return Some(found + 1),
            quote => at = found + 1 + memchr(quote, buffer.get(found + 1..)?)? + 1,
        }
    }
}

/// The byte after the end tag of the element `name` whose content begins at `from`; `Ok(None)` when it is not there yet, and an
/// error with the position of a DOCTYPE.
fn element_end(buffer: &[u8], from: usize, name: &[u8]) -> Result<Option<usize>, usize> {
    let mut needle = b"</".to_vec();
    needle.extend_from_slice(name);
    let finder = memmem::Finder::new(&needle);
    let mut at = from;
    while let Some(found) = buffer.get(at..).and_then(|rest| finder.find(rest)).map(|found| at + found) {
        let after = found + needle.len();
        let Some(close) = buffer.get(after..).and_then(|rest| memchr(b'>', rest)) else { return Ok(None) };
        if buffer[after..after + close].iter().all(u8::is_ascii_whitespace) {
            let plain = memmem::find(&buffer[from..found], b"<!").is_none();
            return if plain { Ok(Some(after + close + 1)) } else { careful_end(buffer, from, name) };
        }
        // `</AX_Gemarkung` also begins `</AX_Gemarkung_Schluessel`.
        at = after;
    }
    Ok(None)
}

/// As [`element_end`], token by token, where comments or CDATA sections may hold something that looks like the end.
fn careful_end(buffer: &[u8], from: usize, name: &[u8]) -> Result<Option<usize>, usize> {
    let (mut at, mut depth) = (from, 0_usize);
    while let Some(token) = next_token(buffer, at) {
        match token {
            Token::Doctype { at } => return Err(at),
            Token::Skip { end } => at = end,
            Token::Open { name: found, end, empty } => {
                depth += usize::from(!empty && buffer[found] == *name);
                at = end;
            }
            Token::Close { name: found, end } => {
                if buffer[found] == *name {
                    if depth == 0 {
                        return Ok(Some(end));
                    }
                    depth -= 1;
                }
                at = end;
            }
        }
    }
    Ok(None)
}
