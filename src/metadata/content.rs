//! What counts as the content of a record: everything that is not its own date stamp, nor the way its XML is written.

use super::tree::Tree;
use crate::error::Result;
use crate::io::Digest;

/// Digest of a record's content. Blind to prefixes, order of attributes, white space between elements, comments, schema locations,
/// and to `gmd:dateStamp`: catalogues give records back with all of these changed.
///
/// # Errors
/// When the text is not well-formed XML, or has a DOCTYPE.
pub fn content_digest(xml: &str) -> Result<Digest> {
    Ok(content_digest_of(&Tree::parse(xml)?))
}

/// [`content_digest`] of a parsed record.
pub fn content_digest_of(root: &Tree) -> Digest {
    let mut canonical = Vec::new();
    write(root, &mut canonical, true);
    Digest::of(&canonical)
}

/// Depth is capped by the parser.
fn write(tree: &Tree, out: &mut Vec<u8>, root: bool) {
    out.push(b'<');
    part(out, &tree.namespace);
    part(out, &tree.name);
    for (namespace, name, value) in &tree.attributes {
        if namespace == "http://www.w3.org/2001/XMLSchema-instance" && name == "schemaLocation" {
            continue;
        }
        out.push(b'@');
        part(out, namespace);
        part(out, name);
        part(out, value);
    }
    if !tree.text.trim().is_empty() {
        out.push(b't');
        part(out, &tree.text);
    }
    for child in &tree.children {
        if !(root && child.is("gmd:dateStamp")) {
            write(child, out, false);
        }
    }
    out.push(b'>');
}

/// Length before text, so that no text can pass for structure.
fn part(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u64).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = "<g:MD_Metadata xmlns:g='http://www.isotc211.org/2005/gmd' a='1' b='2'><g:dateStamp>2025</g:dateStamp>\
                          <g:title>x &amp; y</g:title></g:MD_Metadata>";

    #[test]
    fn writing_does_not_count_content_does() {
        let same = [
            "<!-- c --><MD_Metadata b='2' a='1' xmlns='http://www.isotc211.org/2005/gmd'>\n  <dateStamp>2026</dateStamp>\n  \
             <title>x &#38; y</title></MD_Metadata>",
            "<MD_Metadata xmlns='http://www.isotc211.org/2005/gmd' a='1' b='2' \
             xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:schemaLocation='q'><title><![CDATA[x & y]]></title></MD_Metadata>",
        ];
        for other in same {
            assert_eq!(content_digest(RECORD).unwrap(), content_digest(other).unwrap(), "{other}");
        }
        let other = [
            RECORD.replace("x &amp; y", "x &amp; z"),
            RECORD.replace("a='1'", "a='3'"),
            RECORD.replace("g:title", "g:tit"),
            RECORD.replace("gmd'", "gmx'"),
            // A date stamp that is not the record's own is content.
            RECORD.replace("<g:title>", "<g:title><g:dateStamp>1</g:dateStamp>"),
        ];
        for other in other {
            assert_ne!(content_digest(RECORD).unwrap(), content_digest(&other).unwrap(), "{other}");
        }
    }
}
