//! Stage `derive`: of each panorama a smaller one, a view ahead, and tiles.
//!
//! The smaller pictures come from one decoding at the size that is just large enough; tiles are cut out of the coefficients, without a
//! second loss. The whole picture itself is not part of the result: it is the delivered one (see [`super::assemble`]).

use super::model::{Sequence, picture_id, space};
use super::options::Options;
use super::{DERIVE, PICTURE, arrange};
use crate::dataset::{Outcome, PlanContext, UnitContext, UnitResult};
use crate::error::{Error, Place, Rejection, Result};
use crate::format::jpeg::{Decoder, Encoder};
use crate::format::jpeg_cut::{Part, cut};
use crate::format::jpeg_segments::{Head, head};
use crate::io::{Digest, Limits, Source};
use crate::plan::{Input, UnitSpec};
use crate::raster::{Rgbx, shrink};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Pictures of a unit at most.
const DOZENS: usize = 24;
/// Width of the smaller picture.
const SD_WIDTH: usize = 2048;
/// Size of the view ahead.
const THUMB: [usize; 2] = [500, 300];
/// Part of the circle that it shows.
const AHEAD: f64 = 0.25;
/// A tile is not made smaller than this.
const SMALLEST_TILE: u32 = 256;
/// Bytes of a picture at most.
pub const MAX_BYTES: u64 = 1 << 30;

/// What was made of a picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Derived {
    /// The picture.
    pub id: Uuid,
    /// Tiles, where it has some.
    pub tiles: Option<Tiles>,
}

/// How a picture is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tiles {
    /// Tiles across.
    pub cols: u32,
    /// Tiles down.
    pub rows: u32,
    /// Width of a tile in pixels.
    pub tile_px: u32,
    /// Height of a tile in pixels.
    pub tile_height_px: u32,
}

/// Names of the files of a picture, in the packs and in the dataset's folder `pictures`.
pub fn sd(id: &Uuid) -> String {
    format!("{id}/sd.jpg")
}
pub fn thumb(id: &Uuid) -> String {
    format!("{id}/thumb.jpg")
}
pub fn tile(id: &Uuid, col: u32, row: u32) -> String {
    format!("{id}/tiles/{col}_{row}.jpg")
}

/// A unit for each dozen or two of pictures along a sequence.
///
/// # Errors
/// When what was arranged cannot be read.
pub fn units(context: &PlanContext<'_>) -> Result<Vec<UnitSpec>> {
    let Some(arranged) = arrange::load(context.earlier)? else { return Ok(Vec::new()) };
    let sources: BTreeMap<Digest, &Source> = context.sources.iter().map(|source| (source.digest, source)).collect();
    let mut units = Vec::new();
    for Sequence { id, frames, .. } in &arranged.sequences {
        for (number, dozen) in frames.chunks(DOZENS).enumerate() {
            let found: Vec<&Source> = dozen.iter().filter_map(|frame| sources.get(&frame.digest).copied()).collect();
            let pixels = dozen.iter().map(|frame| u64::from(frame.size[0]) * u64::from(frame.size[1])).max().unwrap_or(0);
            let bytes = found.iter().map(|source| source.size).max().unwrap_or(0);
            units.push(UnitSpec {
                key: format!("{id}/{number:04}"),
                inputs: found.iter().map(|source| Input::source(source)).collect(),
                params: json!({ "dataset": context.dataset.id }),
                bbox: None,
                // Coefficients of two bytes, half of them colours; the decoded picture; the file and its parts.
                memory_mb: 24 + ((pixels * 4 + bytes * 3) >> 20),
                cost: found.iter().map(|source| source.size).sum(),
            });
        }
    }
    Ok(units)
}

/// What was made of each picture.
///
/// # Errors
/// When a result is not as expected.
pub fn made(results: &[Vec<UnitResult>]) -> Result<BTreeMap<Uuid, (Derived, &UnitResult)>> {
    let mut made = BTreeMap::new();
    for result in results.get(DERIVE).into_iter().flatten() {
        let list: Vec<Derived> = serde_json::from_value(result.outcome.summary["pictures"].clone())
            .map_err(|error| Error::new("mk::run::result", "the result of a unit is not as expected").because(error))?;
        made.extend(list.into_iter().map(|derived| (derived.id, (derived, result))));
    }
    Ok(made)
}

/// Derives the pictures of a unit, one after the other: other units do theirs beside.
pub fn execute(options: &Options, unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
    let space = space(&context.dataset.id);
    let mut outcome = Outcome::default();
    let mut tools = Tools { decoder: Decoder::new()?, encoder: Encoder::new(options.quality)?, columns: options.tiles };
    let (mut list, mut tiles) = (Vec::new(), 0);
    for source in unit.inputs.iter().filter_map(Input::as_source) {
        context.check()?;
        let id = picture_id(&space, source.digest);
        match tools.picture(&source) {
            Ok(files) => {
                context.pack.add(&sd(&id), &files.sd)?;
                context.pack.add(&thumb(&id), &files.thumb)?;
                for (index, bytes) in files.parts.iter().enumerate() {
                    let cols = files.tiles.map_or(1, |tiles| tiles.cols);
                    context.pack.add(&tile(&id, index as u32 % cols, index as u32 / cols), bytes)?;
                }
                tiles += files.parts.len();
                list.push(Derived { id, tiles: files.tiles });
                outcome.counts.kept(PICTURE);
            }
            // One that cannot be read at all now may be readable the next night.
            Err(error) if error.code() == "mk::io::read" => return Err(error.in_file(&source.name)),
            Err(error) => {
                outcome.counts.rejected(PICTURE);
                outcome.rejections.push(Rejection::of(PICTURE, &error.at(Place::file(&source.name))));
            }
        }
    }
    outcome.summary = json!({ "pictures": list, "tiles": tiles });
    Ok(outcome)
}

/// What one thread needs.
struct Tools {
    decoder: Decoder,
    encoder: Encoder,
    columns: u32,
}

/// The files of a picture.
struct Files {
    sd: Vec<u8>,
    thumb: Vec<u8>,
    parts: Vec<Vec<u8>>,
    tiles: Option<Tiles>,
}

impl Tools {
    fn picture(&mut self, source: &Source) -> Result<Files> {
        let jpeg = source.bytes(Limits { max_bytes: MAX_BYTES, ..Limits::default() })?;
        let head = head(&jpeg[..])?;
        let decoded = self.decoder.decode_at_least(&jpeg, SD_WIDTH)?;
        let smaller = if decoded.width() <= SD_WIDTH { None } else { Some(reduced(&decoded)) };
        let sd = smaller.as_ref().unwrap_or(&decoded);
        let files =
            Files { sd: self.encoder.encode(sd)?, thumb: self.encoder.encode(&ahead(sd))?, parts: Vec::new(), tiles: None };
        drop((decoded, smaller));
        let Some(tiles) = layout(&head, self.columns) else { return Ok(files) };
        let parts: Vec<Part> = (0..tiles.rows)
            .flat_map(|row| (0..tiles.cols).map(move |col| (col, row)))
            .map(|(col, row)| [col * tiles.tile_px, row * tiles.tile_height_px, tiles.tile_px, tiles.tile_height_px])
            .collect();
        Ok(Files { parts: cut(&jpeg, &parts)?, tiles: Some(tiles), ..files })
    }
}

/// The most columns, a power of two, whose tiles are all alike and begin at the blocks of the picture; `None` without two of them.
fn layout(head: &Head, most: u32) -> Option<Tiles> {
    let mut cols = most;
    while cols >= 2 {
        let rows = cols / 2;
        let (width, height) = (head.width / cols, head.height / rows);
        let even = head.width.is_multiple_of(cols) && head.height.is_multiple_of(rows);
        if even && width.is_multiple_of(head.block[0]) && height.is_multiple_of(head.block[1]) && width >= SMALLEST_TILE {
            return Some(Tiles { cols, rows, tile_px: width, tile_height_px: height });
        }
        cols /= 2;
    }
    None
}

fn reduced(picture: &Rgbx) -> Rgbx {
    let step = picture.width() as f64 / SD_WIDTH as f64;
    let height = (picture.height() as f64 / step).round().max(1.0) as usize;
    shrink(picture, [0.0, 0.0], step, [SD_WIDTH, height])
}

/// The view ahead, which is the middle of the picture.
fn ahead(picture: &Rgbx) -> Rgbx {
    let (width, height) = (picture.width() as f64, picture.height() as f64);
    let ratio = THUMB[0] as f64 / THUMB[1] as f64;
    // Small pictures are not blown up: they show more of the circle instead.
    let seen = (width * AHEAD).max(THUMB[0] as f64).min(width).min(height * ratio);
    let step = (seen / THUMB[0] as f64).max(1.0);
    let size = [(seen / step) as usize, (seen / ratio / step) as usize].map(|side| side.max(1));
    let corner = |whole: f64, side: usize| f64::midpoint(whole, -(side as f64) * step);
    shrink(picture, [corner(width, size[0]), corner(height, size[1])], step, size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_begin_at_blocks_and_are_powers_of_two() {
        let layout = |width: u32, block: u32, most: u32| {
            let head = Head { width, height: width / 2, channels: 3, block: [block, block], exif: None, xmp: None };
            layout(&head, most).map(|tiles| (tiles.cols, tiles.rows, tiles.tile_px))
        };
        assert_eq!(layout(8192, 16, 8), Some((8, 4, 1024)));
        // Ladybug 5: an eighth is no multiple of 16.
        assert_eq!(layout(8000, 16, 8), Some((4, 2, 2000)));
        assert_eq!(layout(8000, 8, 8), Some((8, 4, 1000)));
        assert_eq!(layout(14_400, 16, 16), Some((4, 2, 3600)));
        assert_eq!(layout(512, 16, 8), Some((2, 1, 256)));
        assert_eq!(layout(500, 16, 8), None);
        assert_eq!(layout(8192, 16, 0), None);
    }

    #[test]
    fn the_view_ahead_is_the_middle() {
        let mut picture = Rgbx::empty(2048, 1024);
        for (index, pixel) in picture.pixels_mut().chunks_exact_mut(4).enumerate() {
            pixel.copy_from_slice(&[(index % 2048 / 8) as u8, (index / 2048 / 4) as u8, 0, 255]);
        }
        let view = ahead(&picture);
        assert_eq!([view.width(), view.height()], THUMB);
        assert!(view.is_full());
        let middle = view.pixel(250, 150);
        assert!(middle[0].abs_diff(128) <= 1 && middle[1].abs_diff(128) <= 1, "{middle:?}");
        assert!(view.pixel(0, 0)[0].abs_diff(96) <= 1);
        let small = ahead(&reduced(&Rgbx::empty(512, 256)));
        assert_eq!([small.width(), small.height()], THUMB);
    }
}
