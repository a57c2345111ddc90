//! Decoded tiles of images: those that a block of tiles needs again, and those that the blocks beside it need.

use super::header::refused;
use crate::error::Result;
use crate::io::Digest;
use crate::raster::Rgbx;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Memory for the decoded tiles of a block, in bytes. Strips, which are as wide as their image, are needed by all metatiles in a row.
const OWN_BYTES: usize = 64 << 20;
/// Of tiles up to this width, half of that has room for what two rows of metatiles share: less memory to fetch, and nearer.
const SMALL: usize = 256;
/// Memory for the tiles on the borders of blocks, of all threads, in bytes: the borders of four blocks of DOP20, in tiles of 256
/// pixels.
pub const BORDER_BYTES: usize = 64 << 20;
/// Most memory that waits for the next tile, in bytes.
const SPARE_BYTES: usize = 32 << 20;

/// Tiles by their keys, each with the time of its last use: the least recently used are given up first.
struct Recent<K> {
    tiles: HashMap<K, (u64, Arc<Rgbx>)>,
    bytes: usize,
    clock: u64,
}

impl<K: Copy + Eq + Hash> Recent<K> {
    fn new() -> Self {
        Self { tiles: HashMap::new(), bytes: 0, clock: 0 }
    }
    fn get(&mut self, key: K) -> Option<&Arc<Rgbx>> {
        self.clock += 1;
        let (used, tile) = self.tiles.get_mut(&key)?;
        *used = self.clock;
        Some(tile)
    }
    fn insert(&mut self, key: K, tile: Arc<Rgbx>) {
        self.clock += 1;
        self.bytes += tile.held();
        if let Some((_, replaced)) = self.tiles.insert(key, (self.clock, tile)) {
            self.bytes -= replaced.held();
        }
    }
    fn remove(&mut self, key: K) -> Option<Arc<Rgbx>> {
        let (_, tile) = self.tiles.remove(&key)?;
        self.bytes -= tile.held();
        Some(tile)
    }
    /// Gives up tiles until the others, one at least, need no more than that.
    fn shrink(&mut self, limit: usize, spare: &mut Spare) {
        while self.bytes > limit && self.tiles.len() > 1 {
            let Some(oldest) = self.tiles.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| *key) else { break };
            self.remove(oldest).into_iter().for_each(|tile| spare.take_back(tile));
        }
    }
}

/// Pictures that are not used: their memory serves the next tiles.
#[derive(Default)]
pub struct Spare {
    pictures: Vec<Rgbx>,
    bytes: usize,
}

impl Spare {
    /// A picture that may hold anything.
    pub fn picture(&mut self) -> Rgbx {
        let picture = self.pictures.pop().unwrap_or_default();
        self.bytes -= picture.held();
        picture
    }
    /// A tile that nobody else uses becomes spare.
    fn take_back(&mut self, tile: Arc<Rgbx>) {
        if let Some(picture) = Arc::into_inner(tile).filter(|picture| self.bytes + picture.held() <= SPARE_BYTES) {
            self.bytes += picture.held();
            self.pictures.push(picture);
        }
    }
}

/// The decoded tiles of one block, by numbers of the image and the tile.
pub struct Cache {
    tiles: Recent<(usize, usize)>,
    limit: usize,
    pub spare: Spare,
}

impl Default for Cache {
    fn default() -> Self {
        Self { tiles: Recent::new(), limit: OWN_BYTES, spare: Spare::default() }
    }
}

impl Cache {
    /// True when the tile is there.
    pub fn has(&self, key: (usize, usize)) -> bool {
        self.tiles.tiles.contains_key(&key)
    }
    /// The tile; `find` gets it when it is not there.
    ///
    /// # Errors
    /// Those of `find`.
    pub fn get(&mut self, key: (usize, usize), find: impl FnOnce(&mut Spare) -> Result<Arc<Rgbx>>) -> Result<&Rgbx> {
        if !self.has(key) {
            let tile = find(&mut self.spare)?;
            let limit = if tile.width() <= SMALL { self.limit / 2 } else { self.limit };
            self.tiles.insert(key, tile);
            self.tiles.shrink(limit, &mut self.spare);
        }
        self.tiles.get(key).map(|tile| &**tile).ok_or_else(|| refused("a decoded tile is lost"))
    }
    /// The memory of its tiles, for another block.
    pub fn into_spare(self) -> Spare {
        let mut spare = self.spare;
        self.tiles.tiles.into_values().for_each(|(_, tile)| spare.take_back(tile));
        spare
    }
}

/// Tiles on the borders of blocks, which the block beside needs too: decoded by the first, used by the second. A tenth of all decoding
/// where a block shows 1.5 km of DOP20.
pub struct Borders(Mutex<Recent<(Digest, usize)>>);

/// The borders of the stage that runs, for all its threads. They are gone when its last thread has let go of them.
static OF_STAGE: Mutex<Weak<Borders>> = Mutex::new(Weak::new());

impl Borders {
    /// Without any tile.
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Recent::new())))
    }
    /// Those of the stage that runs.
    pub fn of_stage() -> Arc<Self> {
        Self::current(&OF_STAGE)
    }
    fn current(place: &Mutex<Weak<Self>>) -> Arc<Self> {
        let mut current = place.lock().unwrap_or_else(PoisonError::into_inner);
        current.upgrade().unwrap_or_else(|| {
            let new = Self::new();
            *current = Arc::downgrade(&new);
            new
        })
    }
    /// The tile, which is not kept any longer: two blocks share a border.
    pub fn take(&self, image: Digest, tile: usize) -> Option<Arc<Rgbx>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove((image, tile))
    }
    /// Keeps a tile for the block beside, while there is room.
    pub fn put(&self, image: Digest, index: usize, tile: &Arc<Rgbx>, spare: &mut Spare) {
        let mut tiles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tiles.insert((image, index), Arc::clone(tile));
        tiles.shrink(BORDER_BYTES, spare);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tile(side: usize) -> Arc<Rgbx> {
        Arc::new(Rgbx::empty(side, side))
    }

    #[test]
    fn a_cache_forgets_what_was_not_used_for_longest_and_uses_its_memory_again() {
        let mut cache = Cache { limit: 6 * 400, ..Cache::default() };
        let (mut decoded, mut used_again) = (Vec::new(), 0);
        for key in [1, 2, 3, 1, 4, 1, 2] {
            let find = |spare: &mut Spare| {
                decoded.push(key);
                let mut picture = spare.picture();
                used_again += usize::from(!picture.pixels().is_empty());
                picture.resize(10, 10);
                Ok(Arc::new(picture))
            };
            cache.get((0, key), find).unwrap();
        }
        assert_eq!(decoded, [1, 2, 3, 4, 2]);
        assert_eq!((cache.tiles.bytes, used_again), (3 * 400, 1));
        let spare = cache.into_spare();
        assert_eq!((spare.pictures.len(), spare.bytes), (4, 4 * 400), "all its memory is spare");
    }

    #[test]
    fn a_border_is_given_away_once_and_kept_within_its_room() {
        let place = Mutex::new(Weak::new());
        let (borders, mut spare) = (Borders::current(&place), Spare::default());
        let [image, other] = [Digest::of(b"an image"), Digest::of(b"another")];
        let kept = tile(256);
        borders.put(image, 7, &kept, &mut spare);
        assert!(borders.take(other, 7).is_none() && borders.take(image, 8).is_none());
        assert!(Arc::ptr_eq(&Borders::current(&place).take(image, 7).unwrap(), &kept), "all threads of a stage share them");
        assert!(borders.take(image, 7).is_none());
        let room = BORDER_BYTES / kept.pixels().len();
        for index in 0..room + 3 {
            borders.put(image, index, &tile(256), &mut spare);
        }
        assert!((0..room + 3).all(|index| borders.take(image, index).is_some() == (index >= 3)));
        assert_eq!(spare.pictures.len(), 3);
        let of_one_stage = Arc::downgrade(&borders);
        drop(borders);
        assert!(of_one_stage.upgrade().is_none(), "they end with their stage");
    }

    #[test]
    fn memory_in_use_elsewhere_is_not_spare_and_there_is_no_end_of_it() {
        let mut spare = Spare::default();
        let shared = tile(10);
        spare.take_back(Arc::clone(&shared));
        assert!(spare.pictures.is_empty());
        for _ in 0..SPARE_BYTES / (4 << 20) + 5 {
            spare.take_back(tile(1024));
        }
        assert_eq!(spare.bytes, SPARE_BYTES);
    }
}
