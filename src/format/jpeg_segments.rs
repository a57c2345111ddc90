//! The segments of a JPEG file (ITU-T T.81, annex B): what stands before the picture, read without decoding, and the file without
//! what it tells of people.

use crate::error::{Error, Result};
use std::io::Read;

/// Bytes before the frame that are read at most: a camera's own preview pictures lie there.
const MAX_HEAD: u64 = 16 << 20;
/// Start of an Exif segment (CIPA DC-008, 4.5.4).
const EXIF: &[u8] = b"Exif\0\0";
/// Start of an XMP segment (XMP specification part 3, 1.1.3).
const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
/// Bytes of a JFIF segment up to its preview, whose width and height are the last two.
const JFIF_BYTES: usize = 14;
/// Bytes of Adobe's segment: its name, a version, two flags, the transform of colours.
const ADOBE_BYTES: usize = 12;
/// Longest XMP packet that fits into a segment.
const MAX_XMP: usize = 65_533 - XMP.len();

/// What stands before the picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Channels: 1 is grey, 3 is colour, 4 is ink.
    pub channels: u8,
    /// Width and height of the smallest block that can be cut out without decoding, in pixels.
    pub block: [u32; 2],
    /// The TIFF structure of the Exif segment.
    pub exif: Option<Vec<u8>>,
    /// The XMP packet.
    pub xmp: Option<Vec<u8>>,
}

fn broken(what: &str) -> Error {
    Error::new("mk::jpeg::segments", format!("the JPEG file is broken: {what}"))
}

fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}

/// Markers without a length.
fn stands_alone(marker: u8) -> bool {
    matches!(marker, 0x01 | 0xd0..=0xd7)
}

/// Frames and scans, and the tables and numbers that they need.
fn is_of_the_picture(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf | 0xda..=0xdf)
}

/// Reads what stands before the picture.
///
/// # Errors
/// When it is no JPEG file, or its head is broken or longer than 16 MiB.
pub fn head(stream: impl Read) -> Result<Head> {
    let mut stream = std::io::BufReader::new(stream.take(MAX_HEAD));
    let mut bytes = |count: usize| -> Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        stream.read_exact(&mut bytes).map_err(|error| broken("it ends in its head").because(error))?;
        Ok(bytes)
    };
    if bytes(2)? != [0xff, 0xd8] {
        return Err(broken("it does not begin as one"));
    }
    let (mut exif, mut xmp) = (None, None);
    loop {
        if bytes(1)? != [0xff] {
            return Err(broken("a segment does not begin with a marker"));
        }
        let mut marker = 0xff;
        while marker == 0xff {
            marker = bytes(1)?[0];
        }
        if stands_alone(marker) {
            continue;
        }
        if matches!(marker, 0x00 | 0xd8..=0xda) {
            return Err(broken("it has no frame"));
        }
        let length = usize::from(u16::from_be_bytes([bytes(1)?[0], bytes(1)?[0]]));
        let segment = bytes(length.checked_sub(2).ok_or_else(|| broken("a segment has no length"))?)?;
        if is_frame(marker) {
            return frame(&segment, exif, xmp);
        }
        if marker == 0xe1 {
            if let Some(packet) = segment.strip_prefix(EXIF) {
                exif.get_or_insert_with(|| packet.to_vec());
            } else if let Some(packet) = segment.strip_prefix(XMP) {
                xmp.get_or_insert_with(|| packet.to_vec());
            }
        }
    }
}

/// The frame header (B.2.2).
fn frame(segment: &[u8], exif: Option<Vec<u8>>, xmp: Option<Vec<u8>>) -> Result<Head> {
    let [_, h1, h2, w1, w2, channels, components @ ..] = segment else { return Err(broken("its frame is cut off")) };
    let (width, height) = (u32::from(u16::from_be_bytes([*w1, *w2])), u32::from(u16::from_be_bytes([*h1, *h2])));
    if width == 0 || height == 0 || *channels == 0 || components.len() < usize::from(*channels) * 3 {
        return Err(broken("its frame makes no sense"));
    }
    let factors = components.chunks_exact(3).map(|component| [u32::from(component[1] >> 4), u32::from(component[1] & 15)]);
    let most = factors.fold([1, 1], |most, own| [most[0].max(own[0]), most[1].max(own[1])]);
    // A single channel is not interleaved: its block is 8 by 8, whatever its factors say (A.2.2).
    let block = if *channels == 1 { [8, 8] } else { most.map(|factor| factor.min(4) * 8) };
    Ok(Head { width, height, channels: *channels, block, exif, xmp })
}

/// The same picture, to the last bit, with nothing beside it but colour profile and the XMP packet that is given: no Exif, no comments,
/// no previews, nothing behind its end.
///
/// # Errors
/// When the file is broken.
pub fn bare(jpeg: &[u8], xmp: Option<&str>) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(jpeg.len() + 1024);
    let cut_off = || broken("it ends early");
    let ([0xff, 0xd8], _) = jpeg.split_at_checked(2).ok_or_else(cut_off)? else { return Err(broken("it does not begin as one")) };
    out.extend_from_slice(&[0xff, 0xd8]);
    let (mut at, mut packet) = (2, xmp.filter(|xmp| xmp.len() <= MAX_XMP));
    loop {
        if *jpeg.get(at).ok_or_else(cut_off)? != 0xff {
            return Err(broken("a segment does not begin with a marker"));
        }
        at += 1;
        while *jpeg.get(at).ok_or_else(cut_off)? == 0xff {
            at += 1;
        }
        let marker = jpeg[at];
        at += 1;
        if stands_alone(marker) {
            continue;
        }
        if marker == 0xd9 {
            out.extend_from_slice(&[0xff, 0xd9]);
            return Ok(out);
        }
        let (Some(high), Some(low)) = (jpeg.get(at), jpeg.get(at + 1)) else { return Err(cut_off()) };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let segment = jpeg.get(at..at + length).filter(|segment| segment.len() >= 2).ok_or_else(cut_off)?;
        at += length;
        let profile = marker == 0xe2 && segment[2..].starts_with(b"ICC_PROFILE\0");
        let jfif = marker == 0xe0 && segment[2..].starts_with(b"JFIF\0");
        let adobe = marker == 0xee && segment[2..].starts_with(b"Adobe");
        // JFIF wants to be first, so the packet comes right behind it.
        if !jfif && let Some(xmp) = packet.take() {
            let length = (2 + XMP.len() + xmp.len()) as u16;
            out.extend_from_slice(&[0xff, 0xe1]);
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(XMP);
            out.extend_from_slice(xmp.as_bytes());
        }
        // Of JFIF (ITU-T T.871, 10.1) all but its preview; of Adobe's segment (T.872, 6.5.3) what says which colours these are.
        let fixed = [(jfif, JFIF_BYTES), (adobe, ADOBE_BYTES)].into_iter().find(|(is_it, _)| *is_it);
        if let Some(body) = fixed.and_then(|(_, length)| segment.get(2..2 + length)) {
            let mut body = body.to_vec();
            if jfif {
                body[JFIF_BYTES - 2..].fill(0);
            }
            out.extend_from_slice(&[0xff, marker]);
            out.extend_from_slice(&(body.len() as u16 + 2).to_be_bytes());
            out.extend_from_slice(&body);
        } else if profile || is_of_the_picture(marker) {
            out.extend_from_slice(&[0xff, marker]);
            out.extend_from_slice(segment);
        }
        if marker == 0xda {
            let end = scan_end(jpeg, at).ok_or_else(cut_off)?;
            out.extend_from_slice(&jpeg[at..end]);
            at = end;
        }
    }
}

/// Where the entropy-coded data that begin at `at` end: before the next marker that is no restart.
fn scan_end(jpeg: &[u8], at: usize) -> Option<usize> {
    let mut from = at;
    loop {
        let found = from + memchr::memchr(0xff, jpeg.get(from..)?)?;
        match jpeg.get(found + 1)? {
            0x00 | 0xd0..=0xd7 => from = found + 2,
            // A fill byte.
            0xff => from = found + 1,
            _ => return Some(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::jpeg::{Decoder, Encoder};
    use super::*;
    use crate::raster::Rgbx;

    fn picture() -> Vec<u8> {
        let mut picture = Rgbx::empty(64, 32);
        for (index, pixel) in picture.pixels_mut().chunks_exact_mut(4).enumerate() {
            pixel.copy_from_slice(&[(index / 64 * 4) as u8, (index % 64 * 3) as u8, 200, 255]);
        }
        Encoder::new(90).unwrap().encode(&picture).unwrap()
    }

    /// The picture with an Exif segment, a comment, previews before and behind it.
    fn talkative() -> Vec<u8> {
        let plain = picture();
        let segment = |marker: u8, bytes: &[u8]| {
            let mut all = vec![0xff, marker];
            all.extend_from_slice(&(bytes.len() as u16 + 2).to_be_bytes());
            all.extend_from_slice(bytes);
            all
        };
        let mut jpeg = plain[..2].to_vec();
        jpeg.extend(segment(0xe1, b"Exif\0\0II*\0 KANARI"));
        jpeg.extend(segment(0xe1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>KANARI</x:xmpmeta>"));
        jpeg.extend(segment(0xe0, b"JFIF\0\x01\x02\0\0\x01\0\x01\x02\x01KANARI"));
        jpeg.extend(segment(0xee, b"Adobe\0\x64\0\0\0\0\x01 KANARI"));
        jpeg.extend(segment(0xee, b"KANARI"));
        jpeg.extend(segment(0xf7, b"KANARI"));
        jpeg.extend(segment(0xfe, b"KANARI"));
        jpeg.extend_from_slice(&plain[2..]);
        jpeg.extend_from_slice(b"KANARI behind the end");
        jpeg
    }

    #[test]
    fn the_head_tells_size_and_packets() {
        let found = head(&talkative()[..]).unwrap();
        assert_eq!((found.width, found.height, found.channels, found.block), (64, 32, 3, [16, 16]));
        assert_eq!(found.exif.as_deref(), Some(&b"II*\0 KANARI"[..]));
        assert_eq!(found.xmp.as_deref(), Some(&b"<x:xmpmeta>KANARI</x:xmpmeta>"[..]));
    }

    #[test]
    fn a_bare_file_shows_the_same_and_tells_nothing() {
        let bare = bare(&talkative(), Some("<x:xmpmeta xmlns:x='adobe:ns:meta/'/>")).unwrap();
        assert!(memchr::memmem::find(&bare, b"KANARI").is_none() && bare.ends_with(&[0xff, 0xd9]));
        let found = head(&bare[..]).unwrap();
        assert_eq!(found.exif, None);
        assert!(found.xmp.is_some_and(|xmp| xmp.starts_with(b"<x:xmpmeta")));
        let mut decoder = Decoder::new().unwrap();
        let (before, after) = (decoder.decode(&picture(), 64, 32).unwrap(), decoder.decode(&bare, 64, 32).unwrap());
        assert_eq!(before.pixels(), after.pixels());
    }

    proptest::proptest! {
        #[test]
        fn broken_bytes_are_no_panic(at in 0_usize..900, value in 0_u8.., length in 0_usize..900) {
            let mut jpeg = talkative();
            let at = at % jpeg.len();
            jpeg[at] = value;
            jpeg.truncate(length.max(1));
            let _ = head(&jpeg[..]);
            if let Ok(bare) = bare(&jpeg, None) {
                proptest::prop_assert!(bare.len() <= jpeg.len());
            }
        }
    }
}
