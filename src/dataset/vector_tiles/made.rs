//! What each tile of a unit is made of, so that a later night draws only those that become others.

use super::{BUFFER, Tile};
use crate::crs::Bbox;
use crate::dataset::UnitResult;
use crate::error::{Error, Result};
use crate::io::{Digest, Pack};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// The entry that says of what each tile was made.
const MADE: &str = "made.bin";
/// Bytes of it for one tile: zoom, column, row, digest.
const ENTRY: usize = 1 + 4 + 4 + 16;

/// Tiles of a unit's last result that stay as they are.
#[derive(Default)]
pub struct Kept {
    pub(super) tiles: BTreeSet<Tile>,
    /// The result.
    pub(super) pack: Option<Pack>,
}

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

/// What may be drawn in tiles.
#[derive(Debug, Clone, Copy)]
pub struct Thing {
    /// Around it, in the unit square; see [`super::around`].
    pub world: Bbox,
    /// Of all that is drawn of it; see [`Thing::mark`].
    pub digest: Mark,
    /// Lowest zoom at which it is drawn.
    pub low: u8,
}

/// The begin of a digest: enough to tell what is drawn in a tile apart.
pub type Mark = [u8; 16];

impl Thing {
    /// What a digest is known by.
    pub fn mark(digest: Digest) -> Mark {
        let mut mark = [0; 16];
        mark.copy_from_slice(&digest.as_bytes()[..16]);
        mark
    }
}

/// Of what the tiles of a unit are made.
pub struct Made {
    pyramid: Pyramid,
    /// Around each thing, in the unit square.
    boxes: Vec<Bbox>,
    tiles: BTreeMap<Tile, Mark>,
}

impl Made {
    /// Of the things of a unit, in the order in which they are drawn; `how` is what else the tiles depend on.
    pub fn of(things: &[Thing], pyramid: Pyramid, how: &[u8]) -> Self {
        // A low zoom has thousands of things in a tile: BLAKE3 is quicker with all of them at once than one by one.
        let mut lists: HashMap<Tile, Vec<u8>, ahash::RandomState> = HashMap::default();
        for thing in things {
            for tile in pyramid.touched(thing.world, thing.low) {
                lists.entry(tile).or_insert_with(|| how.to_vec()).extend_from_slice(&thing.digest);
            }
        }
        let tiles = lists.into_iter().map(|(tile, list)| (tile, Thing::mark(Digest::of(&list))));
        Self { pyramid, tiles: tiles.collect(), boxes: things.iter().map(|thing| thing.world).collect() }
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

    /// The tiles that the unit's last result has and that would be drawn the same again; what is then left to draw. A result whose list
    /// cannot be read is none; the bytes of its tiles are copied, and looked at when they are published.
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
        let (mut same, mut tiles) = (BTreeSet::new(), BTreeSet::new());
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
                if pack.entries().contains_key(&format!("{zoom}/{x}/{y}")) {
                    tiles.insert(tile);
                }
            }
        }
        Ok((same, Kept { tiles, pack: Some(pack) }))
    }

    /// True when a thing, by its index, that is drawn from a zoom on, is in a tile that is wanted.
    pub fn is_wanted(&self, thing: usize, low: u8, wanted: &Wanted) -> bool {
        self.boxes.get(thing).is_some_and(|world| self.pyramid.touched(*world, low).any(|tile| wanted.drawn.contains(&tile)))
    }
}

/// The tiles that are to be drawn.
#[derive(Debug, Default)]
pub struct Wanted {
    all: bool,
    drawn: HashSet<Tile, ahash::RandomState>,
    /// Tiles with such below them.
    above: HashSet<Tile, ahash::RandomState>,
}

impl Wanted {
    /// All there are.
    pub fn all() -> Self {
        Self { all: true, ..Self::default() }
    }
    /// Whether a tile is to be drawn.
    pub fn is_drawn(&self, tile: Tile) -> bool {
        self.all || self.drawn.contains(&tile)
    }
    /// A tile and all below it down to a zoom.
    #[cfg(test)]
    pub fn all_below(tile: Tile, high: u8) -> Self {
        let pyramid = Pyramid { root: tile, low: tile.0, high };
        Self { drawn: pyramid.touched(Bbox::new([0.0; 2], [1.0; 2]), 0).collect(), ..Self::default() }
    }
    /// Whether it or one below it is.
    pub fn is_above(&self, tile: Tile) -> bool {
        self.above.contains(&tile) || self.is_drawn(tile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Outcome;
    use crate::dataset::vector_tiles::tile_at;
    use crate::io::PackWriter;

    /// A square of 20 m at our latitude, `east` metres east of 9.98 degrees.
    fn thing(name: &str, east: f64) -> Thing {
        let (x, side) = (0.527_75 + east / 23_800_000.0, 20.0 / 23_800_000.0);
        Thing {
            world: Bbox::new([x, 0.322_1], [x + side, 0.322_1 + side]),
            digest: Thing::mark(Digest::of(format!("{name} {east}").as_bytes())),
            low: 13,
        }
    }

    /// Of two parcels far from each other one moves: the tiles of the other come from the last result, whatever it says.
    #[test]
    fn only_tiles_that_become_others_are_drawn() {
        let things = |east: f64| [thing("A", 0.0), thing("B", east)];
        let (x, y) = tile_at(things(1_000.0)[0].world.centre(), 13);
        let pyramid = Pyramid { root: (13, x, y), low: 13, high: 18 };
        let before = Made::of(&things(500.0), pyramid, b"how");
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
        assert_eq!(kept.tiles.len(), before.tiles.len());
        assert!(wanted.drawn.is_empty() && (0..2).all(|row| !before.is_wanted(row, 0, &wanted)));
        let after = Made::of(&things(520.0), pyramid, b"how");
        let (kept, wanted) = after.kept(Some(&last));
        assert!(kept.tiles.iter().any(|tile| tile.0 == 18) && kept.tiles.iter().all(|tile| tile.0 > 13));
        assert_eq!(kept.tiles.len() + wanted.drawn.len(), after.tiles.len());
        assert!(wanted.is_drawn(pyramid.root) && after.is_wanted(1, 0, &wanted));
        assert!(after.is_wanted(0, 0, &wanted), "it shares tiles of low zooms with the other");
        assert!(wanted.drawn.iter().all(|(z, x, y)| *z == 13 || wanted.is_above((z - 1, x >> 1, y >> 1))));
        // Drawn in another way, or without a last result, all of them are.
        let other = Made::of(&things(520.0), pyramid, b"another");
        assert_eq!(other.kept(Some(&last)).1.drawn.len(), other.tiles.len());
        assert_eq!(after.kept(None).1.drawn.len(), after.tiles.len());
    }
}
