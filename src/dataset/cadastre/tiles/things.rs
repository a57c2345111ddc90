//! Where each object of a cell is drawn, and a mark of what is drawn of it: said once, when the cell is folded, so that a night needs
//! no row of a cell that nothing new touches.

use super::{Blocks, layers};
use crate::crs::Bbox;
use crate::dataset::cadastre::row::Row;
use crate::dataset::vector_tiles::{Thing, around_all};
use crate::error::{Error, Result};
use crate::format::wkb;
use crate::io::Digest;
use std::collections::BTreeSet;

/// Bytes of a thing: its corners, its mark, its lowest zoom.
const THING: usize = 4 * 4 + 16 + 1;
/// Parts of the unit square that corners are told in: a centimetre.
const PARTS: f64 = (1_u64 << 32) as f64;
/// The corners of what has no place.
const NOWHERE: [u32; 4] = [u32::MAX, u32::MAX, 0, 0];

/// The entry for rows that hold, in their order: those of them that are drawn. Nothing where there are none.
///
/// # Errors
/// When a geometry is none, or cannot be transformed.
pub fn entry<'r>(rows: impl Iterator<Item = &'r Row>, blocks: &Blocks) -> Result<Vec<u8>> {
    let mut drawn = Vec::new();
    for row in rows {
        let Some(low) = layers::lowest_zoom(&row.class) else { continue };
        let geometry = row.geometry.as_deref().unwrap_or_default();
        let digest = Digest::of_parts([row.class.as_bytes(), row.oid.as_bytes(), row.attributes.as_bytes(), geometry]);
        let bbox = if geometry.is_empty() { Bbox::EMPTY } else { wkb::summary(geometry)?.bbox };
        drawn.push((bbox, digest, low));
    }
    let boxes: Vec<Bbox> = drawn.iter().map(|(bbox, ..)| *bbox).collect();
    let mut bytes = Vec::with_capacity(drawn.len() * THING);
    for ((_, digest, low), world) in drawn.into_iter().zip(around_all(&boxes, blocks.operation())?) {
        for part in corners(&world) {
            bytes.extend_from_slice(&part.to_le_bytes());
        }
        bytes.extend_from_slice(&Thing::mark(digest));
        bytes.push(low);
    }
    Ok(bytes)
}

/// Rounded outwards.
fn corners(world: &Bbox) -> [u32; 4] {
    if world.is_empty() {
        return NOWHERE;
    }
    let [west, north, east, south] = [world.min[0], world.min[1], world.max[0], world.max[1]].map(|value| value * PARTS);
    [west.floor() as u32, north.floor() as u32, east.ceil() as u32, south.ceil() as u32]
}

/// What the entry says, in the order of the rows.
///
/// # Errors
/// When the bytes are none of [`entry`].
pub fn of_entry(bytes: &[u8]) -> Result<impl Iterator<Item = Thing>> {
    let (things, []) = bytes.as_chunks::<THING>() else {
        return Err(Error::new("mk::cadastre::store", "what is said of drawn objects is broken"));
    };
    Ok(things.iter().map(|thing| {
        let part = |index: usize| f64::from(thing[4 * index..].first_chunk().map_or(0, |four| u32::from_le_bytes(*four))) / PARTS;
        let mut digest = [0; 16];
        digest.copy_from_slice(&thing[16..32]);
        let (min, max) = ([part(0), part(1)], [part(2), part(3)]);
        let world = if min[0] > max[0] { Bbox::EMPTY } else { Bbox::new(min, max) };
        Thing { world, digest, low: thing[32] }
    }))
}

/// The blocks that what the entry says is drawn in: those that any of it touches.
///
/// # Errors
/// When the bytes are none of [`entry`].
pub fn blocks(bytes: &[u8]) -> Result<BTreeSet<(u32, u32)>> {
    Ok(of_entry(bytes)?.filter(|thing| !thing.world.is_empty()).flat_map(|thing| super::blocks_of(&thing.world)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crs::Crs;
    use crate::dataset::cadastre::row::Operation;
    use geo::{Geometry, Point};

    #[test]
    fn what_is_said_of_drawn_rows_comes_back() {
        let row = |class: &str, at: Option<[f64; 2]>| Row {
            operation: Operation::Insert,
            class: class.into(),
            oid: "A".into(),
            beginnt: String::new(),
            endet: None,
            attributes: "{}".into(),
            geometry: at.map(|[x, y]| wkb::encode(&Geometry::Point(Point::new(x, y)))),
            srs: None,
            local: None,
            delivery: "".into(),
            byte: 0,
        };
        let blocks = Blocks::new(Crs::UTM32, &[]).unwrap();
        let rows = [row("AX_Flurstueck", Some([565_400.0, 5_950_900.0])), row("AX_Grenzpunkt", None), row("AX_Gebaeude", None)];
        let bytes = entry(rows.iter(), &blocks).unwrap();
        let things: Vec<Thing> = of_entry(&bytes).unwrap().collect();
        assert_eq!(things.iter().map(|thing| thing.low).collect::<Vec<_>>(), [14, 14]);
        let [[x, y]] = [[0.527_8, 0.321_6]];
        let Bbox { min, max } = things[0].world;
        assert!((min[0] - x).abs() < 1e-3 && (max[1] - y).abs() < 1e-3, "{min:?} {max:?}");
        assert!(max[0] >= min[0] && max[0] - min[0] < 2.0 / PARTS && things[1].world.is_empty());
        assert!(of_entry(&bytes[1..]).is_err());
        assert_eq!(super::blocks(&bytes).unwrap(), [(4323, 2641)].into());
        let moved = entry([row("AX_Flurstueck", Some([565_400.0, 5_950_901.0]))].iter(), &blocks).unwrap();
        assert_ne!(of_entry(&moved).unwrap().next().unwrap().digest, things[0].digest);
    }
}
