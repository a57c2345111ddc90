//! XML, HTML and SVG text, escaped by construction: texts and attribute values go in as they are and come out escaped.
//!
//! Records, portal pages and reports are written with it. Nothing here opens files.

use std::borrow::Cow;
use std::fmt::Write;

/// An element with attributes and children.
///
/// ```
/// use messkette::markup::Element;
/// let link = Element::new("a").link("https://example.org/?a=1&b=2").text("Karte <neu>");
/// assert_eq!(link.to_html(), r#"<a href="https://example.org/?a=1&amp;b=2">Karte &lt;neu&gt;</a>"#);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Element {
    name: Cow<'static, str>,
    attributes: Vec<(Cow<'static, str>, String)>,
    children: Vec<Node>,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Element(Element),
    Text(String),
    /// A style sheet of this program: the one text that HTML does not unescape.
    Style(&'static str),
}

/// HTML elements that have no content and no end tag (HTML Living Standard 13.1.2).
const VOID: &[&str] = &["br", "hr", "img", "input", "link", "meta", "source", "wbr"];

impl Element {
    /// An empty element.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), attributes: Vec::new(), children: Vec::new() }
    }
    /// Adds an attribute.
    #[must_use]
    pub fn attr(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.attributes.push((name.into(), value.into()));
        self
    }
    /// Adds the attribute `class`.
    #[must_use]
    pub fn class(self, value: impl Into<String>) -> Self {
        self.attr("class", value)
    }
    /// Adds the attribute `href`, unless the address could run code: only relative addresses and the schemes `http`, `https` and
    /// `mailto` are taken.
    #[must_use]
    pub fn link(self, address: &str) -> Self {
        if is_harmless(address) { self.attr("href", address) } else { self }
    }
    /// Adds text.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.children.push(Node::Text(text.into()));
        self
    }
    /// Adds a style sheet of this program.
    #[must_use]
    pub fn style_sheet(mut self, css: &'static str) -> Self {
        self.children.push(Node::Style(css));
        self
    }
    /// Adds a child.
    #[must_use]
    pub fn child(mut self, child: Element) -> Self {
        self.children.push(Node::Element(child));
        self
    }
    /// Adds children.
    #[must_use]
    pub fn children(mut self, children: impl IntoIterator<Item = Element>) -> Self {
        self.children.extend(children.into_iter().map(Node::Element));
        self
    }
    /// Adds a child of that name that holds just text.
    #[must_use]
    pub fn with(self, name: &'static str, text: impl Into<String>) -> Self {
        self.child(Element::new(name).text(text))
    }
    /// True when it has neither text nor elements.
    pub fn is_empty(&self) -> bool {
        self.children.is_empty()
    }
    /// HTML or SVG within HTML, without line breaks.
    pub fn to_html(&self) -> String {
        let mut out = String::new();
        self.write_html(&mut out);
        out
    }
    /// A whole HTML page.
    pub fn to_page(&self) -> String {
        let mut out = String::from("<!DOCTYPE html>\n");
        self.write_html(&mut out);
        out.push('\n');
        out
    }
    /// A whole XML document, indented by two spaces; elements with text stay on one line.
    pub fn to_xml(&self) -> String {
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        self.write_xml(&mut out, 0);
        out
    }

    fn write_start(&self, out: &mut String) {
        out.push('<');
        out.push_str(&self.name);
        for (name, value) in &self.attributes {
            out.push(' ');
            out.push_str(name);
            out.push_str("=\"");
            escape(out, value, true);
            out.push('"');
        }
    }

    fn write_html(&self, out: &mut String) {
        self.write_start(out);
        out.push('>');
        if VOID.contains(&self.name.as_ref()) {
            return;
        }
        for child in &self.children {
            match child {
                Node::Element(element) => element.write_html(out),
                Node::Text(text) => escape(out, text, false),
                Node::Style(css) => out.push_str(css),
            }
        }
        let _ = write!(out, "</{}>", self.name);
    }

    fn write_xml(&self, out: &mut String, depth: usize) {
        out.extend(std::iter::repeat_n("  ", depth));
        self.write_start(out);
        if self.children.is_empty() {
            out.push_str("/>\n");
            return;
        }
        out.push('>');
        let nested = self.children.iter().all(|child| matches!(child, Node::Element(_)));
        if nested {
            out.push('\n');
        }
        for child in &self.children {
            match child {
                Node::Element(element) => element.write_xml(out, depth + 1),
                Node::Text(text) => escape(out, text, false),
                Node::Style(_) => {}
            }
        }
        if nested {
            out.extend(std::iter::repeat_n("  ", depth));
        }
        let _ = writeln!(out, "</{}>", self.name);
    }
}

/// True when following the address cannot run code.
fn is_harmless(address: &str) -> bool {
    if address.chars().any(char::is_control) {
        return false;
    }
    let scheme = address.split_once(':').map_or("", |(scheme, _)| scheme);
    let relative = scheme.is_empty() || scheme.contains(['/', '?', '#']);
    relative || ["http", "https", "mailto"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

/// True for characters that XML 1.0 allows in a document (clause 2.2) and that are no control characters.
pub fn is_text(c: char) -> bool {
    matches!(c, '\t' | '\n') || (!c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}'))
}

/// A text as it stands between tags or in an attribute, for what is written without [`Element`].
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape(&mut out, text, true);
    out
}

fn escape(out: &mut String, text: &str, attribute: bool) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' if attribute => out.push_str("&quot;"),
            '\n' | '\t' if attribute => {
                let _ = write!(out, "&#{};", c as u32);
            }
            // Right-to-left overrides make a text read as another; they have no use here.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push('\u{fffd}'),
            c if is_text(c) => out.push(c),
            _ => out.push('\u{fffd}'),
        }
    }
}

/// A path or address part as it stands in an address: everything but unreserved characters and `/` as `%XX` (RFC 3986, 2.1).
pub fn url_path(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// Base64 (RFC 4648, 4), for pictures inside a page.
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let mut word = 0u32;
        for (index, byte) in group.iter().enumerate() {
            word |= u32::from(*byte) << (16 - 8 * index);
        }
        for index in 0..4 {
            if index <= group.len() {
                let digit = (word >> (18 - 6 * index)) & 63;
                out.push(char::from(ALPHABET[digit as usize]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hostile_text_stays_text() {
        let evil = "</p><script>alert(1)</script>\u{0}\u{202e}\"'&";
        let html = Element::new("p").attr("title", evil).text(evil).to_html();
        assert_eq!(
            html,
            "<p title=\"&lt;/p&gt;&lt;script&gt;alert(1)&lt;/script&gt;\u{fffd}\u{fffd}&quot;'&amp;\">&lt;/p&gt;&lt;script&gt;\
             alert(1)&lt;/script&gt;\u{fffd}\u{fffd}\"'&amp;</p>"
        );
    }

    #[test]
    fn links_that_run_code_are_dropped() {
        for evil in ["javascript:alert(1)", "JaVaScRiPt:x", " javascript:x", "java\nscript:x", "data:text/html,x", "vbscript:x"] {
            assert_eq!(Element::new("a").link(evil).to_html(), "<a></a>", "{evil}");
        }
        for good in ["a/b.html", "../x:y", "#a:b", "https://a.b/", "MAILTO:a@b.c", "?a:b"] {
            assert!(Element::new("a").link(good).to_html().contains("href"), "{good}");
        }
    }

    #[test]
    fn xml_is_indented_and_text_is_left_alone() {
        let root = Element::new("a").child(Element::new("b").text(" x ")).child(Element::new("c").attr("d", "1"));
        assert_eq!(root.to_xml(), "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a>\n  <b> x </b>\n  <c d=\"1\"/>\n</a>\n");
    }

    #[test]
    fn base64_pads_as_the_standard_says() {
        // The examples of RFC 4648, clause 10.
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn paths_are_percent_encoded() {
        assert_eq!(url_path("a b/ü?#.xml"), "a%20b/%C3%BC%3F%23.xml");
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_by_an_xml_parser(text in "\\PC*", value in "\\PC*") {
            let xml = Element::new("a").attr("b", value.clone()).text(text.clone()).to_xml();
            let mut reader = quick_xml::Reader::from_str(&xml);
            let mut seen = String::new();
            loop {
                match reader.read_event().unwrap() {
                    quick_xml::events::Event::Start(start) => {
                        let attribute = start.attributes().next().unwrap().unwrap();
                        let read = attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0).unwrap();
                        prop_assert_eq!(read.chars().count(), value.chars().count());
                    }
                    quick_xml::events::Event::Text(t) => seen.push_str(&t.xml10_content()),
                    quick_xml::events::Event::GeneralRef(r) => {
                        seen.push_str(quick_xml::escape::resolve_predefined_entity(&r.xml10_content()).unwrap());
                    }
                    quick_xml::events::Event::Eof => break,
                    _ => {}
                }
            }
            prop_assert_eq!(seen.trim_matches('\n').chars().count(), text.chars().count());
        }
    }
}
