//! Bytes to UTF-8: byte order marks and the encodings that NAS deliveries come in.

use crate::error::{Error, Result};
use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8};
use std::io::Read;

/// Bytes that are looked at to find the encoding.
const HEAD: usize = 200;
/// Bytes read at once.
const BLOCK: usize = 1 << 16;

/// A stream of UTF-8, without a byte order mark, from a stream in the encoding that it declares.
pub struct Utf8Reader<R> {
    input: R,
    /// Set when the input has to be decoded; UTF-8 passes through (the parser checks it).
    decoder: Option<Decoder>,
    raw: Vec<u8>,
    ready: Vec<u8>,
    at: usize,
    ended: bool,
}

impl<R: Read> Utf8Reader<R> {
    /// Looks at the first bytes.
    ///
    /// # Errors
    /// When the stream cannot be read or declares an encoding that is not known.
    pub fn new(mut input: R) -> Result<Self> {
        let mut head = vec![0; HEAD];
        let mut filled = 0;
        while filled < HEAD {
            let count = input.read(&mut head[filled..]).map_err(unreadable)?;
            if count == 0 {
                break;
            }
            filled += count;
        }
        head.truncate(filled);
        let (encoding, skip) = match Encoding::for_bom(&head) {
            Some((encoding, length)) => (encoding, length),
            None => (declared(&head)?, 0),
        };
        head.drain(..skip);
        let mut reader = Self { input, decoder: None, raw: Vec::new(), ready: Vec::new(), at: 0, ended: false };
        if encoding == UTF_8 {
            reader.ready = head;
        } else {
            let mut decoder = encoding.new_decoder_without_bom_handling();
            decode(&mut decoder, &head, &mut reader.ready, false);
            reader.decoder = Some(decoder);
        }
        Ok(reader)
    }
}

/// The encoding that the XML declaration names.
fn declared(head: &[u8]) -> Result<&'static Encoding> {
    let text = String::from_utf8_lossy(head);
    let declaration = text.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>")).map_or("", |(inside, _)| inside);
    let Some((_, rest)) = declaration.split_once("encoding") else { return Ok(UTF_8) };
    let label = rest.trim_start_matches([' ', '=', '\t']).trim_start_matches(['"', '\'']);
    let label = label.split(['"', '\'']).next().unwrap_or_default();
    Encoding::for_label(label.as_bytes()).ok_or_else(|| {
        Error::new("mk::cadastre::nas::encoding", "the XML declaration names an encoding that is not known")
            .hint("deliver UTF-8, ISO-8859-1 or ISO-8859-15")
    })
}

fn decode(decoder: &mut Decoder, mut input: &[u8], output: &mut Vec<u8>, last: bool) {
    let mut text = String::new();
    loop {
        text.reserve(input.len().saturating_mul(3).max(64));
        let (result, read, _) = decoder.decode_to_string(input, &mut text, last);
        input = &input[read..];
        if result == CoderResult::InputEmpty {
            break;
        }
    }
    output.extend_from_slice(text.as_bytes());
}

impl<R: Read> Read for Utf8Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.at == self.ready.len() {
            let Some(decoder) = &mut self.decoder else { return self.input.read(buffer) };
            if self.ended {
                return Ok(0);
            }
            self.raw.resize(BLOCK, 0);
            let count = self.input.read(&mut self.raw)?;
            self.ended = count == 0;
            self.ready.clear();
            self.at = 0;
            decode(decoder, &self.raw[..count], &mut self.ready, self.ended);
        }
        let count = buffer.len().min(self.ready.len() - self.at);
        buffer[..count].copy_from_slice(&self.ready[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

pub fn unreadable(error: std::io::Error) -> Error {
    Error::new("mk::cadastre::nas::read", "cannot read the delivery").because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> String {
        let mut text = String::new();
        Utf8Reader::new(bytes).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn encodings_become_utf8() {
        assert_eq!(read("Straße".as_bytes()), "Straße");
        assert_eq!(read(b"\xEF\xBB\xBF<a>\xC3\x9F</a>"), "<a>ß</a>");
        let latin1 = b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>Stra\xDFe</a>";
        assert!(read(latin1).ends_with("<a>Straße</a>"));
        let latin9 = b"<?xml version='1.0' encoding='iso-8859-15'?><a>\xA4</a>";
        assert!(read(latin9).ends_with("<a>€</a>"));
        let long = [&latin1[..], &vec![0xE4; 300_000]].concat();
        assert_eq!(read(&long).chars().filter(|letter| *letter == 'ä').count(), 300_000);
        let utf16: Vec<u8> = [0xFEFF_u16].into_iter().chain("<a>ß</a>".encode_utf16()).flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&utf16), "<a>ß</a>");
        let error = Utf8Reader::new(&b"<?xml version='1.0' encoding='klingon'?><a/>"[..]).err().unwrap();
        assert_eq!(error.code(), "mk::cadastre::nas::encoding");
    }
}
