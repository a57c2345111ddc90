//! What a block was drawn from, metatile by metatile: where that is the same again, its tiles are taken over from the last result.
//!
//! The pack of a block holds for that what each of its metatiles was drawn from, and the pixels of the zoom above them, of which each
//! metatile has its own part. So the zooms above are made of the same pixels as before, and the pack has the same bytes as if all had
//! been drawn.

use super::tiles;
use crate::dataset::UnitResult;
use crate::error::{Error, Result};
use crate::format::tile_matrix::Tile;
use crate::io::{Digest, Pack, PackWriter};
use crate::raster::Rgbx;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Entry of a pack: what each metatile was drawn from.
const METATILES: &str = "metatiles";
/// Entry of a pack: the pixels of the zoom above the metatiles.
const HALVED: &str = "halved";

/// What the metatiles of a block were drawn from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metatiles {
    /// Tiles of lower zooms were not kept.
    pub min_zoom: u8,
    /// By metatile `z/x/y`: a name for images, windows and parameters.
    pub drawn_from: BTreeMap<String, Digest>,
}

impl Metatiles {
    /// Puts them into the pack of the block, with the pixels of the zoom above.
    pub fn keep(&self, halved: &Rgbx, pack: &mut PackWriter) -> Result<()> {
        pack.add(METATILES, &serde_json::to_vec(self).map_err(unreadable)?)?;
        pack.add(HALVED, &tiles::pack_pixels(halved)?)
    }
}

/// The last result of a block.
pub struct Before {
    /// Its tiles.
    pub pack: Pack,
    /// What they were drawn from.
    pub metatiles: Metatiles,
    /// The pixels of the zoom above the metatiles.
    pub halved: Rgbx,
}

impl Before {
    /// What can be taken over from the last result of a block, which has `side` pixels at the zoom above its metatiles. Nothing where any
    /// of it cannot be read as it was written: then all is drawn, which needs no result.
    pub fn of(previous: Option<&UnitResult>, min_zoom: u8, side: usize) -> Option<Self> {
        let mut pack = sound(previous?)?;
        let metatiles: Metatiles = serde_json::from_slice(&pack.read(METATILES).ok()?).ok()?;
        let halved = tiles::unpack_pixels(&pack.read(HALVED).ok()?, side).ok()?;
        (metatiles.min_zoom == min_zoom).then_some(Self { pack, metatiles, halved })
    }

    /// What a metatile was drawn from.
    pub fn drawn_from(&self, metatile: Tile) -> Option<Digest> {
        self.metatiles.drawn_from.get(&metatile.to_string()).copied()
    }
}

/// The pack of a result, if all of it can be read as it was written: what is taken over from it is copied without a look at it.
pub fn sound(previous: &UnitResult) -> Option<Pack> {
    let mut pack = previous.pack().ok()?;
    let names: Vec<String> = pack.entries().keys().cloned().collect();
    names.iter().all(|name| pack.read(name).is_ok()).then_some(pack)
}

fn unreadable(error: serde_json::Error) -> Error {
    Error::new("mk::orthophoto::before", "cannot write what metatiles were drawn from").because(error)
}
