//! What was drawn of each thing, by its mark. A tile holds many things, and one of a low zoom so many that nearly every night draws it
//! again, but of the things themselves few are others: what a night before drew of the rest is taken over, without their rows.

use super::LAYERS;
use super::layers::Tags;
use crate::dataset::UnitResult;
use crate::dataset::cadastre::said::{Rest, broken, put_bytes};
use crate::dataset::vector_tiles::{Mark, Piece, Tile};
use crate::error::{Error, Result};
use crate::format::mvt::{Drawn, Value};
use crate::io::{Digest, PackWriter};
use std::collections::HashMap;

/// The entry of a unit's pack.
const SKETCHES: &str = "sketches.bin";

/// A thing as it was drawn: its tags, and its part in each tile.
pub type Sketch = (Tags, Vec<Piece>);

/// Sketches of a unit, in the order of its things, each with its mark.
pub struct Sketches {
    bytes: Vec<u8>,
}

impl Sketches {
    /// None yet; `how` is what they depend on beside the things. There is room for those of the last result, and for some that are new.
    pub fn new(how: &[u8], earlier: Option<&Self>) -> Self {
        let known = earlier.map_or(0, |earlier| earlier.bytes.len());
        let mut bytes = Vec::with_capacity(known + known / 16 + Digest::of(how).as_bytes().len());
        bytes.extend_from_slice(Digest::of(how).as_bytes());
        Self { bytes }
    }

    /// Those of the unit's last result; none when it drew in another way, or cannot be read.
    pub fn earlier(how: &[u8], previous: Option<&UnitResult>) -> Option<Self> {
        let bytes = previous?.pack().ok()?.read(SKETCHES).ok()?;
        bytes.starts_with(Digest::of(how).as_bytes()).then_some(Self { bytes })
    }

    /// Adds one, as [`encode`] gives it.
    pub fn add(&mut self, mark: &Mark, sketch: &[u8]) {
        self.bytes.extend_from_slice(mark);
        put_bytes(&mut self.bytes, sketch);
    }

    /// All of them by their marks.
    ///
    /// # Errors
    /// When the bytes are none of [`Self::write`].
    pub fn by_mark(&self) -> Result<HashMap<Mark, &[u8], ahash::RandomState>> {
        let mut rest = Rest(self.bytes.get(Digest::of(&[]).as_bytes().len()..).ok_or_else(broken)?);
        let mut known = HashMap::default();
        while !rest.0.is_empty() {
            known.insert(rest.array()?, rest.bytes()?);
        }
        Ok(known)
    }

    /// Writes them.
    ///
    /// # Errors
    /// When the pack cannot be written.
    pub fn write(&self, pack: &mut PackWriter) -> Result<()> {
        pack.add(SKETCHES, &self.bytes)
    }
}

/// The fields of all layers: one name is of one type, whatever the layer.
fn fields() -> impl Iterator<Item = (&'static str, bool)> {
    LAYERS.iter().flat_map(|layer| layer.fields).copied()
}

/// What of a drawn thing is kept; `root` is the square of the unit.
///
/// # Errors
/// For tags that [`LAYERS`] does not tell of.
pub fn encode(tags: &Tags, pieces: &[Piece], root: Tile) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for values in [&tags.own, &tags.label] {
        bytes.push(values.len() as u8);
        for (name, value) in values {
            let field = fields().enumerate().find(|(_, (field, _))| field == name);
            bytes.push(field.map_or_else(|| Err(unknown(name)), |(index, _)| Ok(index as u8))?);
            match (field, value) {
                (Some((_, (_, true))), Value::Real(real)) => bytes.extend_from_slice(&real.to_le_bytes()),
                (Some((_, (_, false))), Value::Text(text)) => put_bytes(&mut bytes, text.as_bytes()),
                _ => return Err(unknown(name)),
            }
        }
    }
    for Piece { tile: (zoom, x, y), layer, drawn } in pieces {
        let (kind, geometry) = drawn.parts();
        bytes.extend_from_slice(&[*zoom, *layer as u8, kind]);
        for (index, first) in [(x, root.1), (y, root.2)] {
            bytes.extend_from_slice(&((index - (first << (zoom - root.0))) as u16).to_le_bytes());
        }
        put_bytes(&mut bytes, geometry);
    }
    Ok(bytes)
}

fn unknown(name: &str) -> Error {
    Error::new("mk::cadastre::tiles", format!("the layers do not tell of the field '{name}' as it is drawn"))
}

/// The sketch that [`encode`] made, of the tiles that are `wanted`.
///
/// # Errors
/// When the bytes are none.
pub fn decode(bytes: &[u8], root: Tile, wanted: impl Fn(Tile) -> bool) -> Result<Sketch> {
    let mut rest = Rest(bytes);
    let mut tags = Tags::default();
    for values in [&mut tags.own, &mut tags.label] {
        let [count] = rest.array()?;
        for _ in 0..count {
            let [field] = rest.array()?;
            let (name, is_number) = fields().nth(field.into()).ok_or_else(broken)?;
            values.push((name, if is_number { Value::Real(rest.real()?) } else { Value::Text(rest.text()?) }));
        }
    }
    let mut pieces = Vec::new();
    while !rest.0.is_empty() {
        let [zoom, layer, kind] = rest.array()?;
        let [x, y] = [root.1, root.2].map(|first| {
            let index = u32::from(u16::from_le_bytes(rest.array()?));
            let below = zoom.checked_sub(root.0).filter(|below| *below < 16).ok_or_else(broken)?;
            Ok(index + (first << below))
        });
        let (tile, geometry) = ((zoom, x?, y?), rest.bytes()?);
        if wanted(tile) {
            pieces.push(Piece { tile, layer: layer.into(), drawn: Drawn::of_parts(kind, geometry.to_vec()) });
        }
    }
    Ok((tags, pieces))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Outcome;
    use proptest::prelude::*;

    #[test]
    fn one_name_is_of_one_type() {
        for (name, is_number) in fields() {
            assert!(fields().all(|(other, of_other)| other != name || of_other == is_number), "{name}");
        }
        assert!(fields().count() < 256);
    }

    #[test]
    fn what_the_layers_do_not_tell_of_is_not_kept_as_something_else() {
        let of = |name, value| encode(&Tags { own: vec![(name, value)], label: Vec::new() }, &[], (13, 0, 0));
        assert!(of("flaeche", Value::Real(1.0)).is_ok());
        for (name, value) in [
            ("haus", Value::Real(1.0)),
            ("flaeche", Value::Text("1".into())),
            ("oid", Value::Whole(1)),
            ("oid", Value::Truth(true)),
        ] {
            assert!(of(name, value).is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn sketches_come_back_while_they_are_drawn_the_same_way(
            texts in prop::collection::vec("[a-zäöü ]{0,9}", 0..4), area in -1e9..1e9_f64, zooms in prop::collection::vec(13_u8..19, 0..6),
            cut in 1_usize..40,
        ) {
            let root = (13, 4323, 2641);
            let own = texts.iter().map(|text| ("oid", Value::Text(text.clone()))).chain([("flaeche", Value::Real(area))]);
            let tags = Tags { own: own.collect(), label: texts.iter().map(|text| ("text", Value::Text(text.clone()))).collect() };
            let piece = |zoom: u8| {
                let tile = (zoom, ((root.1 + 1) << (zoom - 13)) - 1, root.2 << (zoom - 13));
                Piece { tile, layer: usize::from(zoom) % LAYERS.len(), drawn: Drawn::of_parts(3, vec![zoom; usize::from(zoom)]) }
            };
            let pieces: Vec<Piece> = zooms.iter().map(|zoom| piece(*zoom)).collect();
            let bytes = encode(&tags, &pieces, root).unwrap();
            let told = |(tags, pieces): Sketch| {
                let pieces = pieces.into_iter().map(|piece| (piece.tile, piece.layer, piece.drawn));
                (tags.own, tags.label, pieces.collect::<Vec<_>>())
            };
            let all = told((Tags { own: tags.own.clone(), label: tags.label.clone() }, zooms.iter().map(|zoom| piece(*zoom)).collect()));
            prop_assert_eq!(told(decode(&bytes, root, |_| true).unwrap()), all);
            prop_assert!(decode(&bytes, root, |_| false).unwrap().1.is_empty());
            prop_assert!(cut > bytes.len() || !zooms.is_empty() || decode(&bytes[..bytes.len() - cut], root, |_| true).is_err());

            let mut sketches = Sketches::new(b"how", None);
            sketches.add(&[7; 16], &bytes);
            sketches.add(&[8; 16], &[]);
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("last.pack");
            let mut pack = PackWriter::create(&path).unwrap();
            sketches.write(&mut pack).unwrap();
            pack.finish().unwrap();
            let (key, digest, outcome) = (String::new(), Digest::of(b""), Outcome::default());
            let last = UnitResult { key, digest, path, outcome, inputs: Vec::new(), stale: false };
            let earlier = Sketches::earlier(b"how", Some(&last)).unwrap();
            let known = earlier.by_mark().unwrap();
            prop_assert_eq!((known.len(), known[&[7; 16]]), (2, &bytes[..]));
            prop_assert!(Sketches::earlier(b"another", Some(&last)).is_none() && Sketches::earlier(b"how", None).is_none());
        }
    }
}
