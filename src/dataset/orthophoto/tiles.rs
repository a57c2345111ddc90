//! Tiles in packs: encoded pictures under `z/x/y`, and the pixels that the stage above needs.

use super::mosaic::Pieces;
use crate::error::{Error, Result};
use crate::format::picture::{Codec, Encoder};
use crate::format::tile_matrix::Tile;
use crate::io::{Pack, PackWriter};
use crate::raster::{self, Rgbx};
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use std::io::{Read, Write};

/// Name of the entry with the pixels of a unit's own tile.
pub const TOP: &str = "top";

/// Shown where no image has a valid pixel, in a format without transparency: paper.
pub const BACKGROUND: [u8; 3] = [255; 3];

/// Encodes tiles and puts each into a pack as soon as it is encoded, while its bytes are near the processor.
pub struct TileSink {
    encoder: Encoder,
    min_zoom: u8,
    count: usize,
    taken_over: usize,
}

impl TileSink {
    /// A sink for tiles from that zoom on.
    pub fn new(codec: Codec, min_zoom: u8) -> Result<Self> {
        Ok(Self { encoder: Encoder::new(codec)?, min_zoom, count: 0, taken_over: 0 })
    }

    /// Adds all tiles of zoom `z` of a picture that shows the tile `of`. Tiles without a valid pixel are left out.
    pub fn add_all(&mut self, pack: &mut PackWriter, picture: &Rgbx, z: u8, of: Tile, tile_px: usize) -> Result<()> {
        let side = 1_u32 << (z - of.z);
        for row in 0..side {
            for column in 0..side {
                let tile = Tile { z, x: of.x * side + column, y: of.y * side + row };
                let at = [column, row].map(|index| index as usize * tile_px);
                self.add(pack, picture, at, tile, tile_px)?;
            }
        }
        Ok(())
    }

    /// Adds the tile that a part of a picture shows, from the lowest zoom on, unless it has no valid pixel.
    pub fn add(&mut self, pack: &mut PackWriter, picture: &Rgbx, at: [usize; 2], tile: Tile, tile_px: usize) -> Result<()> {
        self.add_halved(pack, picture, at, tile, tile_px, None)
    }

    /// As [`TileSink::add`], and halves the part into another picture, which tells how much of it is valid.
    pub fn add_halved(
        &mut self,
        pack: &mut PackWriter,
        picture: &Rgbx,
        at: [usize; 2],
        tile: Tile,
        tile_px: usize,
        half: Option<(&mut Rgbx, [usize; 2])>,
    ) -> Result<()> {
        let coverage = match half {
            Some((half, place)) => raster::halve_into(picture, at, [tile_px; 2], half, place),
            None => picture.coverage(at[0], at[1], tile_px, tile_px),
        };
        if tile.z >= self.min_zoom
            && let Some(bytes) = self.encoder.encode_covered(picture, at, [tile_px; 2], coverage)?
        {
            pack.add(&tile.to_string(), &bytes)?;
            self.count += 1;
        }
        Ok(())
    }

    /// Takes over what another pack has of a tile and of those below it, down to a zoom, in the order in which they were added there.
    pub fn take_over(&mut self, pack: &mut PackWriter, from: &mut Pack, tile: Tile, max_zoom: u8) -> Result<()> {
        if tile.z < max_zoom {
            tile.children().into_iter().try_for_each(|child| self.take_over(pack, from, child, max_zoom))?;
        }
        let name = tile.to_string();
        if from.entries().contains_key(&name) {
            pack.take_over(&name, from)?;
            self.count += 1;
            self.taken_over += 1;
        }
        Ok(())
    }

    /// What a unit says about the tiles in its pack: how many they are, and how many of them were there before; how many pixels were drawn
    /// anew, and what was read for them.
    pub fn summary(&self, tile_px: u32, pieces: Option<Pieces>) -> serde_json::Value {
        let pixels = (self.count - self.taken_over) as u64 * u64::from(tile_px) * u64::from(tile_px);
        let Pieces { decoded, cached } = pieces.unwrap_or_default();
        let (tiles, taken_over) = (self.count, self.taken_over);
        serde_json::json!({
            "tiles": tiles, "taken_over": taken_over, "pixels": pixels, "tile_px": tile_px, "decoded": decoded, "cached": cached
        })
    }
}

/// The pixels of a picture for a pack: packed, and the same bytes for the same pixels.
pub fn pack_pixels(picture: &Rgbx) -> Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(picture.pixels()).and_then(|()| encoder.finish()).map_err(broken)
}

/// The pixels again, of a square picture.
pub fn unpack_pixels(bytes: &[u8], side: usize) -> Result<Rgbx> {
    let expected = side * side * 4;
    let mut pixels = Vec::with_capacity(expected);
    ZlibDecoder::new(bytes).take(expected as u64 + 1).read_to_end(&mut pixels).map_err(broken)?;
    Rgbx::from_pixels(side, side, pixels)
        .ok_or_else(|| Error::new("mk::orthophoto::top", "kept pixels have another size than they should"))
}

fn broken(error: std::io::Error) -> Error {
    Error::new("mk::orthophoto::top", "kept pixels cannot be packed or unpacked").because(error)
}
