//! A tiled TIFF as survey offices receive it: four bands, JPEG in tiles of 256 pixels with common tables, GeoTIFF keys.
//!
//! TIFF 6.0 with JPEG after Technical Note 2; GeoTIFF 1.1. Bands are not turned into luminance and chrominance: with four of them the
//! standard has no such form.

use super::canvas::{Canvas, PIXEL};
use crate::demo::ground::ORIGIN;
use crate::error::{Error, Result};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

const TILE: usize = 256;

/// Writes the canvas; `date` is `YYYY-MM-DD`, the day of the flight.
///
/// # Errors
/// When a tile cannot be encoded.
pub fn encode(canvas: &Canvas, quality: u8, date: &str) -> Result<Vec<u8>> {
    let (across, down) = (canvas.width.div_ceil(TILE), canvas.height.div_ceil(TILE));
    let mut tables = Vec::new();
    let mut tiles = Vec::with_capacity(across * down);
    let mut samples = vec![0_u8; TILE * TILE * 4];
    for ty in 0..down {
        for tx in 0..across {
            for y in 0..TILE {
                // Beyond the border the last row and column repeat.
                let line = (ty * TILE + y).min(canvas.height - 1) * canvas.width;
                for x in 0..TILE {
                    let pixel = canvas.pixels[line + (tx * TILE + x).min(canvas.width - 1)];
                    let at = (y * TILE + x) * 4;
                    // The encoder takes four bands for ink and inverts them; inverted before, they come out as they are.
                    for k in 0..4 {
                        samples[at + k] = !pixel[k];
                    }
                }
            }
            let mut jpeg = Vec::with_capacity(TILE * TILE);
            let mut encoder = Encoder::new(&mut jpeg, quality);
            encoder.set_sampling_factor(SamplingFactor::F_1_1);
            encoder
                .encode(&samples, TILE as u16, TILE as u16, ColorType::Cmyk)
                .map_err(|error| Error::new("mk::demo::jpeg", "cannot encode a tile of an orthophoto").because(error))?;
            let (own, stream) = split_tables(&jpeg);
            if tables.is_empty() {
                tables = own;
            }
            tiles.push(stream);
        }
    }
    Ok(layout(canvas, date, &tables, &tiles))
}

/// Takes the quantisation and Huffman tables and the application's marks out of a JPEG stream: tables, and the rest.
fn split_tables(jpeg: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut tables, mut stream) = (vec![0xFF, 0xD8], vec![0xFF, 0xD8]);
    let mut at = 2;
    while at + 4 <= jpeg.len() {
        let length = usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        let segment = &jpeg[at..(at + 2 + length).min(jpeg.len())];
        match jpeg[at + 1] {
            0xDB | 0xC4 => tables.extend(segment),
            0xE0..=0xEF | 0xFE => {}
            0xDA => {
                stream.extend(&jpeg[at..]);
                break;
            }
            _ => stream.extend(segment),
        }
        at += 2 + length;
    }
    tables.extend([0xFF, 0xD9]);
    (tables, stream)
}

enum Value {
    Short(Vec<u16>),
    Long(Vec<u32>),
    Double(Vec<f64>),
    Ascii(String),
    Bytes(Vec<u8>),
}

impl Value {
    fn encode(&self) -> (u16, u32, Vec<u8>) {
        match self {
            Self::Short(v) => (3, v.len() as u32, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
            Self::Long(v) => (4, v.len() as u32, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
            Self::Double(v) => (12, v.len() as u32, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
            Self::Ascii(v) => (2, v.len() as u32 + 1, v.bytes().chain([0]).collect()),
            Self::Bytes(v) => (7, v.len() as u32, v.clone()),
        }
    }
}

/// Header, directory, values, then the tiles.
fn layout(canvas: &Canvas, date: &str, tables: &[u8], tiles: &[Vec<u8>]) -> Vec<u8> {
    let west = ORIGIN[0] + f64::from(canvas.x0) * PIXEL;
    let north = ORIGIN[1] - f64::from(canvas.y0) * PIXEL;
    let citation = "ETRS89 / UTM zone 32N|";
    // GTModelType projected, GTRasterType area, GTCitation, ProjectedCSType 25832, linear units metre.
    let keys = vec![
        1,
        1,
        0,
        5,
        1024,
        0,
        1,
        1,
        1025,
        0,
        1,
        1,
        1026,
        34737,
        citation.len() as u16,
        0,
        3072,
        0,
        1,
        25832,
        3076,
        0,
        1,
        9001,
    ];
    let sizes: Vec<u32> = tiles.iter().map(|tile| tile.len() as u32).collect();
    let mut entries = vec![
        (256, Value::Long(vec![canvas.width as u32])),
        (257, Value::Long(vec![canvas.height as u32])),
        (258, Value::Short(vec![8; 4])),
        (259, Value::Short(vec![7])),
        (262, Value::Short(vec![2])),
        (277, Value::Short(vec![4])),
        (284, Value::Short(vec![1])),
        (305, Value::Ascii("messkette demo".to_owned())),
        (306, Value::Ascii(format!("{} 10:40:00", date.replace('-', ":")))),
        (322, Value::Short(vec![TILE as u16])),
        (323, Value::Short(vec![TILE as u16])),
        (324, Value::Long(vec![0; tiles.len()])),
        (325, Value::Long(sizes.clone())),
        (338, Value::Short(vec![0])),
        (339, Value::Short(vec![1; 4])),
        (347, Value::Bytes(tables.to_vec())),
        (33550, Value::Double(vec![PIXEL, PIXEL, 0.0])),
        (33922, Value::Double(vec![0.0, 0.0, 0.0, west, north, 0.0])),
        (34735, Value::Short(keys)),
        (34737, Value::Ascii(citation.to_owned())),
    ];
    let directory = 8;
    let mut offset = directory + 2 + entries.len() * 12 + 4;
    let mut places = Vec::new();
    for (_, value) in &entries {
        let length = value.encode().2.len();
        places.push(offset);
        if length > 4 {
            offset += length.next_multiple_of(2);
        }
    }
    let mut starts = Vec::with_capacity(tiles.len());
    for size in &sizes {
        starts.push(offset as u32);
        offset += (*size as usize).next_multiple_of(2);
    }
    if let Some((_, value)) = entries.iter_mut().find(|(tag, _)| *tag == 324) {
        *value = Value::Long(starts);
    }
    let mut out = Vec::with_capacity(offset);
    out.extend(*b"II\x2a\x00");
    out.extend((directory as u32).to_le_bytes());
    out.extend((entries.len() as u16).to_le_bytes());
    let mut far = Vec::new();
    for ((tag, value), place) in entries.iter().zip(&places) {
        let (kind, count, mut bytes) = value.encode();
        out.extend((*tag as u16).to_le_bytes());
        out.extend(kind.to_le_bytes());
        out.extend(count.to_le_bytes());
        if bytes.len() > 4 {
            out.extend((*place as u32).to_le_bytes());
            bytes.resize(bytes.len().next_multiple_of(2), 0);
            far.extend(bytes);
        } else {
            bytes.resize(4, 0);
            out.extend(bytes);
        }
    }
    out.extend([0; 4]);
    out.extend(far);
    for tile in tiles {
        out.extend(tile);
        if tile.len() % 2 == 1 {
            out.push(0);
        }
    }
    out
}
