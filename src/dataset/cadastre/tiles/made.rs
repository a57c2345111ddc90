//! What each tile of a unit is made of, so that a later night draws only those that become others.

use super::{Tile, to_world};
use crate::crs::{Bbox, Operation};
use crate::dataset::UnitResult;
use crate::dataset::cadastre::row::Row;
use crate::dataset::cadastre::tiles::layers;
use crate::dataset::cadastre::tiles::shape::BUFFER;
use crate::error::{Error, Result};
use crate::format::wkb;
use crate::io::Digest;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// The entry that says of what each tile was made.
const MADE: &str = "made.bin";
/// Bytes of it for one tile: zoom, column, row, digest.
const ENTRY: usize = 1 + 4 + 4 + 16;
/// A line that is straight in the CRS of the rows bends in the map: by far less than this part of its length.
const BEND: f64 = 0.02;

/// Tiles with their bytes.
type Kept = BTreeMap<Tile, Vec<u8>>;

/// The pyramid of tiles of a unit, from its own square down.
#[derive(Debug, Clone, Copy)]
pub struct Pyramid {
    pub root: Tile,
    pub low: u8,
    pub high: u8,
}

impl Pyramid {
    /// The tiles at the zooms from `low` on that a rectangle of the unit square may be drawn in.
    fn touched(self, world: Bbox, low: u8) -> impl Iterator<Item = Tile> {
        let (root, column, row) = self.root;
        (self.low.max(low)..=self.high).flat_map(move |zoom| {
            let across = f64::from(1_u32 << zoom);
            let (first, count) = ([column, row].map(|index| index << (zoom - root)), 1_u32 << (zoom - root));
            let range = |axis: usize| {
                let index = |value: f64| value.floor().clamp(0.0, across - 1.0) as u32;
                let low = index(world.min[axis] * across - BUFFER).max(first[axis]);
                let high = index(world.max[axis] * across + BUFFER).min(first[axis] + count - 1);
                low..=high
            };
            let rows = range(1);
            range(0).flat_map(move |x| rows.clone().map(move |y| (zoom, x, y)))
        })
    }
}

/// Of what the tiles of a unit are made.
pub struct Made {
    pyramid: Pyramid,
    /// Around each row, in the unit square.
    boxes: Vec<Bbox>,
    tiles: BTreeMap<Tile, [u8; 16]>,
}

impl Made {
    /// Of the rows of a unit, in the order in which they are drawn; `how` is what else the tiles depend on.
    ///
    /// # Errors
    /// When a geometry is none, or cannot be transformed.
    pub fn of(rows: &[Row], pyramid: Pyramid, operation: &Operation, how: &[u8]) -> Result<Self> {
        let boxes: Vec<(Bbox, Digest)> = rows.par_iter().map(|row| around(row, operation)).collect::<Result<_>>()?;
        let mut hashers: BTreeMap<Tile, blake3::Hasher> = BTreeMap::new();
        for (row, (world, digest)) in rows.iter().zip(&boxes) {
            let low = layers::of_class(&row.class).iter().map(|layer| layers::LAYERS[*layer].low_zoom).min().unwrap_or(0);
            for tile in pyramid.touched(*world, low) {
                let hasher = hashers.entry(tile).or_insert_with(|| {
                    let mut hasher = blake3::Hasher::new();
                    hasher.update(how);
                    hasher
                });
                hasher.update(digest.as_bytes());
            }
        }
        let tiles = hashers.into_iter().map(|(tile, hasher)| {
            let mut digest = [0; 16];
            digest.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
            (tile, digest)
        });
        Ok(Self { pyramid, tiles: tiles.collect(), boxes: boxes.into_iter().map(|(world, _)| world).collect() })
    }

    /// As the entry of the unit's pack.
    pub fn entry(&self) -> (&'static str, Vec<u8>) {
        let mut bytes = Vec::with_capacity(self.tiles.len() * ENTRY);
        for ((zoom, x, y), digest) in &self.tiles {
            bytes.push(*zoom);
            bytes.extend_from_slice(&x.to_le_bytes());
            bytes.extend_from_slice(&y.to_le_bytes());
            bytes.extend_from_slice(digest);
        }
        (MADE, bytes)
    }

    /// The tiles that the unit's last result has and that would be drawn the same again, with their bytes; what is then left to
    /// draw. A result that cannot be read is none.
    pub fn kept(&self, previous: Option<&UnitResult>) -> (Kept, Wanted) {
        let (same, kept) = previous.and_then(|previous| self.read(previous).ok()).unwrap_or_default();
        let mut wanted = Wanted::default();
        for tile in self.tiles.keys().filter(|tile| !same.contains(tile)) {
            wanted.drawn.insert(*tile);
            let (mut zoom, mut x, mut y) = *tile;
            while zoom > self.pyramid.root.0 {
                (zoom, x, y) = (zoom - 1, x >> 1, y >> 1);
                if !wanted.above.insert((zoom, x, y)) {
                    break;
                }
            }
        }
        (kept, wanted)
    }

    fn read(&self, previous: &UnitResult) -> Result<(BTreeSet<Tile>, Kept)> {
        let mut pack = previous.pack()?;
        let bytes = pack.read(MADE)?;
        let (mut same, mut kept) = (BTreeSet::new(), BTreeMap::new());
        for entry in bytes.chunks(ENTRY) {
            let number =
                |at: usize| entry.get(at..at + 4).map(|four| four.iter().rev().fold(0, |all, byte| all << 8 | u32::from(*byte)));
            let (Some(zoom), Some(x), Some(y), Some(digest)) = (entry.first(), number(1), number(5), entry.get(9..ENTRY)) else {
                return Err(Error::new("mk::run::result", "the result of a unit is not as expected"));
            };
            let tile = (*zoom, x, y);
            if self.tiles.get(&tile).is_some_and(|wanted| wanted == digest) {
                same.insert(tile);
                // Nothing of what touches it may be large enough to be seen.
                let name = format!("{zoom}/{x}/{y}");
                if pack.entries().contains_key(&name) {
                    kept.insert(tile, pack.read(&name)?);
                }
            }
        }
        Ok((same, kept))
    }

    /// True when a row, by its index, is to be drawn in a tile that is wanted.
    pub fn is_wanted(&self, row: usize, wanted: &Wanted) -> bool {
        self.boxes.get(row).is_some_and(|world| self.pyramid.touched(*world, 0).any(|tile| wanted.drawn.contains(&tile)))
    }
}

/// The tiles that are to be drawn.
#[derive(Debug, Default)]
pub struct Wanted {
    drawn: HashSet<Tile>,
    /// Tiles with such below them.
    above: HashSet<Tile>,
}

impl Wanted {
    /// Whether a tile is to be drawn.
    pub fn is_drawn(&self, tile: Tile) -> bool {
        self.drawn.contains(&tile)
    }
    /// A tile and all below it down to a zoom.
    #[cfg(test)]
    pub fn all_below(tile: Tile, high: u8) -> Self {
        let pyramid = Pyramid { root: tile, low: tile.0, high };
        Self { drawn: pyramid.touched(Bbox::new([0.0; 2], [1.0; 2]), 0).collect(), above: HashSet::new() }
    }
    /// Whether it or one below it is.
    pub fn is_above(&self, tile: Tile) -> bool {
        self.above.contains(&tile) || self.drawn.contains(&tile)
    }
}

/// The rectangle around a row in the unit square, and the digest of what is drawn of it.
fn around(row: &Row, operation: &Operation) -> Result<(Bbox, Digest)> {
    let geometry = row.geometry.as_deref().unwrap_or_default();
    let digest = Digest::of_parts([row.class.as_bytes(), row.oid.as_bytes(), row.attributes.as_bytes(), geometry]);
    let bbox = if geometry.is_empty() { Bbox::EMPTY } else { wkb::summary(geometry)?.bbox };
    if bbox.is_empty() {
        return Ok((bbox, digest));
    }
    let bend = BEND * bbox.width().max(bbox.height());
    let (min, max) = ([bbox.min[0] - bend, bbox.min[1] - bend], [bbox.max[0] + bend, bbox.max[1] + bend]);
    let mut corners = vec![min, max, [min[0], max[1]], [max[0], min[1]]];
    operation.forward(&mut corners)?;
    Ok((Bbox::around(corners.into_iter().map(to_world)), digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crs::Crs;
    use crate::dataset::Outcome;
    use crate::dataset::cadastre::row::Operation as Change;
    use crate::io::PackWriter;
    use geo::{Geometry, Rect};

    fn parcel(oid: &str, east: f64) -> Row {
        let square = Rect::new((east, 5_950_000.0), (east + 20.0, 5_950_020.0)).to_polygon();
        Row {
            operation: Change::Insert,
            class: "AX_Flurstueck".into(),
            oid: oid.into(),
            beginnt: "2024-01-01T00:00:00Z".into(),
            endet: None,
            attributes: "{}".into(),
            geometry: Some(wkb::encode(&Geometry::Polygon(square))),
            srs: None,
            local: None,
            delivery: String::new(),
            byte: 0,
        }
    }

    /// Of two parcels far from each other one moves: the tiles of the other come from the last result, whatever it says.
    #[test]
    fn only_tiles_that_become_others_are_drawn() {
        let operation = Operation::between(Crs::UTM32, Crs::WEB_MERCATOR, &[]).unwrap();
        let rows = |east: f64| [parcel("A", 565_000.0), parcel("B", east)];
        let (x, y) = super::super::tile_at(around(&rows(566_000.0)[0], &operation).unwrap().0.centre(), 13);
        let pyramid = Pyramid { root: (13, x, y), low: 13, high: 18 };
        let before = Made::of(&rows(565_500.0), pyramid, &operation, b"how").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.pack");
        let mut pack = PackWriter::create(&path).unwrap();
        for (z, x, y) in before.tiles.keys() {
            pack.add(&format!("{z}/{x}/{y}"), format!("as it was {z}").as_bytes()).unwrap();
        }
        let (name, bytes) = before.entry();
        pack.add(name, &bytes).unwrap();
        pack.finish().unwrap();
        let (key, digest, outcome) = (String::new(), Digest::of(b""), Outcome::default());
        let last = UnitResult { key, digest, path, outcome, inputs: Vec::new(), stale: false };
        let (kept, wanted) = before.kept(Some(&last));
        assert_eq!(kept.len(), before.tiles.len());
        assert!(wanted.drawn.is_empty() && (0..2).all(|row| !before.is_wanted(row, &wanted)));
        let after = Made::of(&rows(565_520.0), pyramid, &operation, b"how").unwrap();
        let (kept, wanted) = after.kept(Some(&last));
        assert!(kept.keys().any(|tile| tile.0 == 18) && kept.keys().all(|tile| tile.0 > 13));
        assert_eq!(kept.len() + wanted.drawn.len(), after.tiles.len());
        assert!(wanted.is_drawn(pyramid.root) && after.is_wanted(1, &wanted));
        assert!(after.is_wanted(0, &wanted), "it shares tiles of low zooms with the other");
        assert!(wanted.drawn.iter().all(|(z, x, y)| *z == 13 || wanted.is_above((z - 1, x >> 1, y >> 1))));
        // Drawn in another way, or without a last result, all of them are.
        let other = Made::of(&rows(565_520.0), pyramid, &operation, b"another").unwrap();
        assert_eq!(other.kept(Some(&last)).1.drawn.len(), other.tiles.len());
        assert_eq!(after.kept(None).1.drawn.len(), after.tiles.len());
    }
}
