//! Buildings to bytes and back, for the packs between the stages: the same buildings give the same bytes.
//!
//! Coordinates are stored as they were read (64 bits); lengths as variable-length numbers. A pack is written and read by the same
//! version of the program (the stage's version is part of a unit's identity), so that there is no versioning inside.

use super::model::{Building, Face, Kind, Semantic, Skin, Texture, Value};
use crate::error::{Error, Result};
use crate::io::Digest;
use crate::raster::Wrap;

/// In the byte of a face's semantic: a skin follows. A face without one is stored as it always was, so that a building's digest
/// holds.
const SKIN: u8 = 0x40;

/// Appends a building.
pub fn encode(building: &Building, out: &mut Vec<u8>) {
    out.push(building.kind as u8);
    text(&building.id, out);
    out.push(building.lod);
    out.push(building.solid.into());
    number(building.quality.len() as u64, out);
    for &fault in &building.quality {
        number(fault.into(), out);
    }
    number(building.attributes.len() as u64, out);
    for (name, value) in &building.attributes {
        text(name, out);
        match value {
            Value::Text(value) => {
                out.push(0);
                text(value, out);
            }
            Value::Number(value) => {
                out.push(1);
                out.extend_from_slice(&value.to_le_bytes());
            }
            Value::Integer(value) => {
                out.push(2);
                out.extend_from_slice(&value.to_le_bytes());
            }
        }
    }
    number(building.faces.len() as u64, out);
    for face in &building.faces {
        out.push(face.semantic as u8 | if face.skin.is_some() { SKIN } else { 0 });
        number(face.surface.into(), out);
        number(face.rings.len() as u64, out);
        for ring in &face.rings {
            number(ring.len() as u64, out);
            for value in ring.iter().flatten() {
                out.extend_from_slice(&value.to_le_bytes());
            }
        }
        if let Some(skin) = &face.skin {
            encode_skin(skin, out);
        }
    }
    number(building.parts.len() as u64, out);
    for part in &building.parts {
        encode(part, out);
    }
}

/// Digest of what a building is: geometry and attributes, but not the date it was made on, which some deliveries have anew for
/// every building, nor how it looks: exports number their pictures anew.
pub fn content(building: &Building) -> String {
    let undated = |building: &Building| {
        let mut undated = building.clone();
        undated.attributes.remove("creationDate");
        for face in &mut undated.faces {
            face.skin = None;
        }
        undated
    };
    let parts = building.parts.iter().map(undated).collect();
    let mut bytes = Vec::new();
    encode(&Building { parts, ..undated(building) }, &mut bytes);
    Digest::of(&bytes).to_string()[..16].to_owned()
}

fn encode_skin(skin: &Skin, out: &mut Vec<u8>) {
    match skin {
        Skin::Colour(colour) => {
            out.push(0);
            out.extend_from_slice(colour);
        }
        Skin::Texture(texture) => {
            out.push(1 + texture.wrap as u8);
            text(&texture.picture, out);
            number(texture.places.len() as u64, out);
            for places in &texture.places {
                number(places.len() as u64, out);
                for value in places.iter().flatten() {
                    out.extend_from_slice(&value.to_le_bytes());
                }
            }
        }
    }
}

/// Reads all buildings.
///
/// # Errors
/// When the bytes are not what [`encode`] wrote.
pub fn decode(bytes: &[u8]) -> Result<Vec<Building>> {
    let mut reader = Reader { bytes };
    let mut buildings = Vec::new();
    while !reader.bytes.is_empty() {
        buildings.push(reader.building(0).ok_or_else(|| Error::new("mk::city_model::pack", "a cell's entry is damaged"))?);
    }
    Ok(buildings)
}

fn number(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn text(value: &str, out: &mut Vec<u8>) {
    number(value.len() as u64, out);
    out.extend_from_slice(value.as_bytes());
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.bytes.split_at_checked(count)?;
        self.bytes = tail;
        Some(head)
    }
    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }
    fn number(&mut self) -> Option<usize> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return usize::try_from(value).ok();
            }
        }
        None
    }
    /// A count of things that take at least `size` bytes each: never more than are left.
    fn count(&mut self, size: usize) -> Option<usize> {
        self.number().filter(|count| count.checked_mul(size).is_some_and(|bytes| bytes <= self.bytes.len()))
    }
    fn eight(&mut self) -> Option<[u8; 8]> {
        self.take(8)?.try_into().ok()
    }
    fn text(&mut self) -> Option<String> {
        let count = self.count(1)?;
        String::from_utf8(self.take(count)?.to_vec()).ok()
    }
    fn skin(&mut self) -> Option<Skin> {
        let wrap = match self.byte()? {
            0 => return Some(Skin::Colour(self.take(3)?.try_into().ok()?)),
            number => Wrap::from_number(number - 1)?,
        };
        let picture = self.text()?;
        let mut places = Vec::new();
        for _ in 0..self.count(1)? {
            let count = self.count(8)?;
            let values = self.take(count * 8)?.as_chunks::<4>().0;
            let pair = |pair: &[[u8; 4]; 2]| pair.map(f32::from_le_bytes);
            places.push(values.as_chunks::<2>().0.iter().map(pair).collect());
        }
        Some(Skin::Texture(Texture { picture, wrap, places }))
    }
    fn building(&mut self, depth: usize) -> Option<Building> {
        let kind = Kind::from_number(self.byte()?)?;
        let mut building =
            Building { kind, id: self.text()?, lod: self.byte()?, solid: self.byte()? == 1, ..Building::default() };
        for _ in 0..self.count(1)? {
            building.quality.push(u16::try_from(self.number()?).ok()?);
        }
        for _ in 0..self.count(2)? {
            let name = self.text()?;
            let value = match self.byte()? {
                0 => Value::Text(self.text()?),
                1 => Value::Number(f64::from_le_bytes(self.eight()?)),
                2 => Value::Integer(i64::from_le_bytes(self.eight()?)),
                _ => return None,
            };
            building.attributes.insert(name, value);
        }
        for _ in 0..self.count(3)? {
            let first = self.byte()?;
            let semantic = Semantic::from_number(first & !SKIN)?;
            let surface = u32::try_from(self.number()?).ok()?;
            let mut rings = Vec::new();
            for _ in 0..self.count(1)? {
                let count = self.count(24)?;
                let values = self.take(count * 24)?;
                let value = |bytes: &[u8]| bytes.try_into().map(f64::from_le_bytes).unwrap_or_default();
                let point = |bytes: &[u8]| [value(&bytes[..8]), value(&bytes[8..16]), value(&bytes[16..])];
                rings.push(values.chunks_exact(24).map(point).collect());
            }
            let skin = if first & SKIN == 0 { None } else { Some(Box::new(self.skin()?)) };
            building.faces.push(Face { semantic, surface, rings, skin });
        }
        let parts = self.count(5)?;
        // Parts have no parts of their own.
        if parts > 0 && depth > 0 {
            return None;
        }
        for _ in 0..parts {
            building.parts.push(self.building(depth + 1)?);
        }
        Some(building)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part() -> impl Strategy<Value = Building> {
        let value = prop_oneof![
            ".{0,12}".prop_map(Value::Text),
            (-1e9..1e9).prop_map(Value::Number),
            any::<i64>().prop_map(Value::Integer)
        ];
        let point = (-1e7..1e7_f64, -1e7..1e7_f64, -1e3..1e3_f64).prop_map(|(x, y, z)| [x, y, z]);
        let ring = proptest::collection::vec(point, 0..300);
        let places = proptest::collection::vec((-9.0..9.0_f32, -9.0..9.0_f32).prop_map(|(s, t)| [s, t]), 0..9);
        let texture = (".{0,9}", 0..3_u8, proptest::collection::vec(places, 0..3)).prop_map(|(picture, wrap, places)| {
            Skin::Texture(Texture { picture, wrap: Wrap::from_number(wrap).unwrap(), places })
        });
        let skin = prop_oneof![any::<[u8; 3]>().prop_map(Skin::Colour), texture];
        let skin = proptest::option::of(skin.prop_map(Box::new));
        let rings = proptest::collection::vec(ring, 0..3);
        let face = (0..6_u8, any::<u32>(), rings, skin).prop_map(|(number, surface, rings, skin)| Face {
            semantic: Semantic::from_number(number).unwrap(),
            surface,
            rings,
            skin,
        });
        (
            ".{1,9}",
            (0..3_u8, 0..4_u8, any::<bool>(), proptest::collection::vec(any::<u16>(), 0..3)),
            proptest::collection::btree_map(".{1,9}", value, 0..5),
            proptest::collection::vec(face, 0..6),
        )
            .prop_map(|(id, (kind, lod, solid, quality), attributes, faces)| Building {
                kind: Kind::from_number(kind).unwrap(),
                id,
                lod,
                solid,
                quality,
                attributes,
                faces,
                parts: Vec::new(),
            })
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back((mut building, parts) in (part(), proptest::collection::vec(part(), 0..3))) {
            building.parts = parts;
            let mut bytes = Vec::new();
            encode(&building, &mut bytes);
            encode(&building, &mut bytes);
            prop_assert_eq!(decode(&bytes).unwrap(), vec![building.clone(), building]);
        }
        #[test]
        fn damaged_bytes_are_refused_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }
    }
}
