//! The fast way to the pixels of TIFF files: tiles or strips are decoded alone, JPEG by libjpeg-turbo, straight to where they are
//! wanted.
//!
//! Only the layouts that are common for orthophotos are decoded here. What differs goes through GDAL.

use super::header::{Bands, Header, Levels, Validity, refused};
use super::tiff_pieces::{Packing, Stored, TiffDecoder, broken, undo_differences, undo_differences_16};
use crate::error::Result;
use crate::format::jpeg;
use crate::raster::Rgbx;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use tiff::decoder::{ChunkType, Limits};
use tiff::tags::{ByteOrder, Tag};

/// A TIFF file opened for decoding. "Tiles" are its tiles, or its strips, which are tiles as wide as the image.
pub struct TiledTiff {
    stored: Stored,
    pixels: Pixels,
    mask: Option<MaskTiles>,
    tile: [usize; 2],
    strips: bool,
    across: usize,
    size: [usize; 2],
    samples: usize,
    shown: [usize; 3],
    validity: Validity,
}

enum Pixels {
    Lossless(Box<Lossless>),
    Jpeg { tables: Vec<u8>, colours: jpeg::Colours, decoder: Box<jpeg::Decoder>, scratch: Rgbx },
}

struct Lossless {
    packing: Packing,
    differences: bool,
    /// For 16 bit: the byte order, and what each level becomes.
    wide: Option<(ByteOrder, Levels)>,
    bytes: Vec<u8>,
    values: Vec<u16>,
}

// TIFF 6.0, sections 8 and 22; GDAL's and libtiff's use of the same tags.
const UNPACKED: u16 = 1;
const JPEG: u16 = 7;
const PHOTOMETRIC_WHITE_IS_ZERO: u16 = 0;
const PHOTOMETRIC_BLACK_IS_ZERO: u16 = 1;
const PHOTOMETRIC_RGB: u16 = 2;
const PHOTOMETRIC_YCBCR: u16 = 6;
/// `NewSubfileType` of a transparency mask.
const SUBFILE_MASK: u32 = 4;
/// Most pixels of a tile.
const MAX_TILE: usize = 16 << 20;

/// True when this reader can decode the file; tries a tile.
pub fn suits(path: &Path, header: &Header) -> bool {
    let try_one = |mut image: TiledTiff| {
        let [width, height] = image.stored_size(0);
        image.stored_tile(0, &mut Rgbx::empty(width, height))
    };
    TiledTiff::open(path, header, Bands::default()).and_then(try_one).is_ok()
}

/// Checks that the file holds all the tiles or strips of its first picture: a transfer that was cut off leaves a good header.
///
/// # Errors
/// When one of them lies beyond the end of the file.
pub fn check_whole(path: &Path) -> Result<()> {
    // What this reader cannot parse, GDAL has opened all the same.
    let Ok(mut tiff) = decoder(path) else { return Ok(()) };
    let length = std::fs::metadata(path).map_err(|error| refused("cannot read the file").because(error))?.len();
    let (offsets, counts) = match tiff.get_chunk_type() {
        ChunkType::Tile => (Tag::TileOffsets, Tag::TileByteCounts),
        ChunkType::Strip => (Tag::StripOffsets, Tag::StripByteCounts),
    };
    let mut list = |tag| tiff.find_tag_unsigned_vec::<u64>(tag).ok().flatten().unwrap_or_default();
    let (offsets, counts) = (list(offsets), list(counts));
    let beyond = |(offset, count): (&u64, &u64)| offset.checked_add(*count).is_none_or(|end| end > length);
    let missing = offsets.iter().zip(&counts).filter(|piece| beyond(*piece)).count();
    if missing > 0 {
        let reason = format!("the file is incomplete: {missing} of its {} pieces lie beyond its end", offsets.len());
        return Err(refused(reason).hint("deliver it again; write under another name and rename when it is whole"));
    }
    Ok(())
}

/// Opens a TIFF file.
///
/// # Errors
/// When it is none.
pub fn decoder(path: &Path) -> Result<TiffDecoder> {
    let file = File::open(path).map_err(|error| refused("cannot read the file").because(error))?;
    let mut limits = Limits::default();
    limits.ifd_value_size = 64 << 20;
    Ok(tiff::decoder::Decoder::new(BufReader::new(file)).map_err(broken)?.with_limits(limits))
}

fn number(tiff: &mut TiffDecoder, tag: Tag, default: u16) -> Result<u16> {
    Ok(tiff.find_tag_unsigned(tag).map_err(broken)?.unwrap_or(default))
}

impl TiledTiff {
    /// Opens the file to show those bands of it.
    ///
    /// # Errors
    /// When it is broken, or of a layout that this reader does not decode.
    pub fn open(path: &Path, header: &Header, bands: Bands) -> Result<Self> {
        let mut tiff = decoder(path)?;
        let other = |what: &str| refused(format!("a TIFF file with {what} is not decoded here"));
        let (width, height) = tiff.dimensions().map_err(broken)?;
        if (width, height) != (header.width, header.height) {
            return Err(other("another size than expected"));
        }
        let compression = number(&mut tiff, Tag::Compression, UNPACKED)?;
        let photometric = number(&mut tiff, Tag::PhotometricInterpretation, PHOTOMETRIC_WHITE_IS_ZERO)?;
        let samples = usize::from(number(&mut tiff, Tag::SamplesPerPixel, 1)?);
        let bits: Vec<u16> = tiff.find_tag_unsigned_vec(Tag::BitsPerSample).map_err(broken)?.unwrap_or_else(|| vec![1]);
        let depth = if header.stretch.is_some() { 16 } else { 8 };
        if bits.iter().any(|&bits| bits != depth) || samples != usize::from(header.bands) || !(1..=4).contains(&samples) {
            return Err(other("such bands"));
        }
        if samples > 1 && number(&mut tiff, Tag::PlanarConfiguration, 1)? != 1 {
            return Err(other("bands stored apart"));
        }
        let (tile_width, tile_height) = tiff.chunk_dimensions();
        let tile = [tile_width as usize, tile_height as usize];
        if tile.contains(&0) || tile[0].checked_mul(tile[1]).is_none_or(|pixels| pixels > MAX_TILE) {
            return Err(other("such tiles"));
        }
        let across = (width as usize).div_ceil(tile[0]);
        let tiles = across * (height as usize).div_ceil(tile[1]);
        let pixels = match (compression, photometric) {
            (JPEG, PHOTOMETRIC_BLACK_IS_ZERO | PHOTOMETRIC_RGB | PHOTOMETRIC_YCBCR) => {
                let colours = match (photometric, samples) {
                    (PHOTOMETRIC_YCBCR, 3) => jpeg::Colours::YCbCr,
                    (_, 1) => jpeg::Colours::Grey,
                    (PHOTOMETRIC_YCBCR, _) | (_, 2) => return Err(other("such bands")),
                    _ => jpeg::Colours::Plain,
                };
                // Four JPEG channels are red, green, blue and another; an alpha among them goes through GDAL.
                if matches!(header.validity, Validity::Alpha(_)) || depth != 8 {
                    return Err(other("such bands in JPEG"));
                }
                let tables = tiff.find_tag_unsigned_vec(Tag::JPEGTables).map_err(broken)?.unwrap_or_default();
                Pixels::Jpeg { tables, colours, decoder: Box::new(jpeg::Decoder::new()?), scratch: Rgbx::empty(0, 0) }
            }
            (_, PHOTOMETRIC_BLACK_IS_ZERO | PHOTOMETRIC_RGB) => {
                let packing = Packing::of(compression).ok_or_else(|| other("such a compression"))?;
                let predictor = number(&mut tiff, Tag::Predictor, 1)?;
                if !matches!(predictor, 1 | 2) || number(&mut tiff, Tag::FillOrder, 1)? != 1 {
                    return Err(other("such a predictor"));
                }
                let wide = header.stretch.map(|stretch| (tiff.byte_order(), Levels::new(stretch)));
                let (bytes, values) = (Vec::new(), Vec::new());
                Pixels::Lossless(Box::new(Lossless { packing, differences: predictor == 2, wide, bytes, values }))
            }
            _ => return Err(other("such colours")),
        };
        let strips = tiff.get_chunk_type() == ChunkType::Strip;
        let stored = Stored::open(path, &mut tiff, tiles)?;
        let mask =
            if header.validity == Validity::Mask { Some(MaskTiles::open(path, (width, height), tile, tiles)?) } else { None };
        let (size, shown) = ([width as usize, height as usize], bands.of(header.bands)?);
        Ok(Self { stored, pixels, mask, tile, strips, across, size, samples, shown, validity: header.validity })
    }

    /// Width and height of a tile.
    pub fn tile_size(&self) -> [usize; 2] {
        self.tile
    }
    /// Number of tiles in a row.
    pub fn tiles_across(&self) -> usize {
        self.across
    }
    /// Width and height of that part of a tile which lies within the image.
    pub fn size_of(&self, index: usize) -> [usize; 2] {
        let left = index % self.across * self.tile[0];
        let top = index / self.across * self.tile[1];
        [self.tile[0].min(self.size[0].saturating_sub(left)), self.tile[1].min(self.size[1].saturating_sub(top))]
    }

    /// Width and height of a tile as it is stored: those on the right and lower side of an image are padded, strips are not.
    pub fn stored_size(&self, index: usize) -> [usize; 2] {
        if self.strips { [self.tile[0], self.size_of(index)[1]] } else { self.tile }
    }

    /// Decodes a tile into a part of a picture, which has to have room for [`TiledTiff::size_of`] it there. All pixels of that size are
    /// written, and no others.
    ///
    /// # Errors
    /// When it is broken.
    pub fn tile_into(&mut self, index: usize, picture: &mut Rgbx, at: [usize; 2]) -> Result<()> {
        self.decode(index, picture, at, self.stored_size(index) == self.size_of(index))
    }

    /// Decodes a tile into a picture of its [`TiledTiff::stored_size`]; what is beyond [`TiledTiff::size_of`] it there may be anything.
    ///
    /// # Errors
    /// When it is broken.
    pub fn stored_tile(&mut self, index: usize, picture: &mut Rgbx) -> Result<()> {
        self.decode(index, picture, [0, 0], true)
    }

    /// Decodes a tile; `has_room` where the picture has room for its padding too.
    fn decode(&mut self, index: usize, picture: &mut Rgbx, at: [usize; 2], has_room: bool) -> Result<()> {
        let size = self.size_of(index);
        let stored_size = self.stored_size(index);
        let bytes = self.stored.read(index)?;
        match &mut self.pixels {
            Pixels::Jpeg { .. } if bytes.is_empty() => fill(picture, at, size, [0, 0, 0, 255]),
            Pixels::Jpeg { tables, colours, decoder, scratch } => {
                if has_room {
                    let pitch = picture.width() * 4;
                    let out = &mut picture.pixels_mut()[at[1] * pitch + at[0] * 4..];
                    decoder.decode_tile_into(tables, bytes, *colours, stored_size, out, pitch)?;
                } else {
                    if [scratch.width(), scratch.height()] != stored_size {
                        *scratch = Rgbx::empty(stored_size[0], stored_size[1]);
                    }
                    decoder.decode_tile_into(tables, bytes, *colours, stored_size, scratch.pixels_mut(), stored_size[0] * 4)?;
                    for y in 0..size[1] {
                        picture.row_mut(at[1] + y)[at[0] * 4..(at[0] + size[0]) * 4]
                            .copy_from_slice(&scratch.row(y)[..size[0] * 4]);
                    }
                }
                if self.samples == 4 || self.samples == 3 && self.shown != [0, 1, 2] {
                    show(picture, at, size, self.shown);
                }
            }
            Pixels::Lossless(pixels) => {
                pixels.unpack(bytes, stored_size, self.samples, self.validity)?;
                let layout = Drawing { stored_width: stored_size[0], size, shown: self.shown, validity: self.validity, at };
                pixels.draw(self.samples, &layout, picture);
            }
        }
        if let Some(mask) = &mut self.mask {
            mask.apply(index, stored_size, size, picture, at)?;
        }
        Ok(())
    }
}

fn fill(picture: &mut Rgbx, [x, y]: [usize; 2], [width, height]: [usize; 2], value: [u8; 4]) {
    for row in y..y + height {
        picture.row_mut(row)[x * 4..(x + width) * 4].as_chunks_mut().0.fill(value);
    }
}

/// Puts the bands in their places where four bytes of a pixel are four bands.
fn show(picture: &mut Rgbx, [x, y]: [usize; 2], [width, height]: [usize; 2], shown: [usize; 3]) {
    for row in y..y + height {
        let pixels = picture.row_mut(row)[x * 4..(x + width) * 4].as_chunks_mut::<4>().0;
        if shown == [0, 1, 2] {
            // Whole words, of which the compiler takes several at once.
            for pixel in pixels {
                *pixel = (u32::from_le_bytes(*pixel) | 0xff00_0000).to_le_bytes();
            }
        } else {
            let [red, green, blue] = shown.map(|band| band & 3);
            for pixel in pixels {
                *pixel = [pixel[red], pixel[green], pixel[blue], 255];
            }
        }
    }
}

/// Where a tile's samples go.
struct Drawing {
    stored_width: usize,
    size: [usize; 2],
    shown: [usize; 3],
    validity: Validity,
    at: [usize; 2],
}

impl Lossless {
    /// Unpacks a tile to `bytes`, or to `values` where it has 16 bit. One that a sparse file leaves out has no data, or is black.
    fn unpack(&mut self, packed: &[u8], [width, height]: [usize; 2], samples: usize, validity: Validity) -> Result<()> {
        let row = width * samples;
        let nodata = if let Validity::Nodata(value) = validity { value } else { 0 };
        let Some((order, _)) = &self.wide else {
            self.bytes.resize(row * height, 0);
            if packed.is_empty() {
                self.bytes.fill(nodata as u8);
                return Ok(());
            }
            self.packing.unpack(packed, &mut self.bytes)?;
            if self.differences {
                undo_differences(&mut self.bytes, row, samples);
            }
            return Ok(());
        };
        self.values.resize(row * height, 0);
        if packed.is_empty() {
            self.values.fill(nodata);
            return Ok(());
        }
        self.bytes.resize(row * height * 2, 0);
        self.packing.unpack(packed, &mut self.bytes)?;
        let read = match order {
            ByteOrder::LittleEndian => u16::from_le_bytes,
            ByteOrder::BigEndian => u16::from_be_bytes,
        };
        for (value, bytes) in self.values.iter_mut().zip(self.bytes.as_chunks().0) {
            *value = read(*bytes);
        }
        if self.differences {
            undo_differences_16(&mut self.values, row, samples);
        }
        Ok(())
    }

    fn draw(&self, samples: usize, drawing: &Drawing, picture: &mut Rgbx) {
        match &self.wide {
            None => draw(&self.bytes, samples, drawing, |value| value, u8::MAX, picture),
            Some((_, levels)) => draw(&self.values, samples, drawing, |value| levels.of(value), u16::MAX, picture),
        }
    }
}

fn draw<T: Copy + Into<u16>>(
    values: &[T],
    samples: usize,
    drawing: &Drawing,
    grey: impl Fn(T) -> u8,
    most: T,
    picture: &mut Rgbx,
) {
    match samples {
        1 => draw_samples::<1, T>(values, drawing, grey, most, picture),
        2 => draw_samples::<2, T>(values, drawing, grey, most, picture),
        3 => draw_samples::<3, T>(values, drawing, grey, most, picture),
        _ => draw_samples::<4, T>(values, drawing, grey, most, picture),
    }
}

fn draw_samples<const SAMPLES: usize, T: Copy + Into<u16>>(
    values: &[T],
    drawing: &Drawing,
    grey: impl Fn(T) -> u8,
    most: T,
    picture: &mut Rgbx,
) {
    let [x, y] = drawing.at;
    let [width, height] = drawing.size;
    let [red, green, blue] = drawing.shown.map(|band| band.min(SAMPLES - 1));
    let half = most.into() / 2 + 1;
    let rows = values.chunks_exact(drawing.stored_width * SAMPLES).take(height);
    for (line, row) in rows.enumerate() {
        let out = picture.row_mut(y + line)[x * 4..(x + width) * 4].as_chunks_mut::<4>().0;
        let pixels = out.iter_mut().zip(row.as_chunks::<SAMPLES>().0);
        let colour = |values: &[T; SAMPLES]| [grey(values[red]), grey(values[green]), grey(values[blue]), 255];
        match drawing.validity {
            Validity::All | Validity::Mask => pixels.for_each(|(out, values)| *out = colour(values)),
            Validity::Alpha(band) => {
                let band = usize::from(band).saturating_sub(1).min(SAMPLES - 1);
                pixels.for_each(|(out, values)| *out = if values[band].into() >= half { colour(values) } else { [0; 4] });
            }
            Validity::Nodata(nodata) => {
                let has_data = |values: &[T; SAMPLES]| values.iter().any(|&value| value.into() != nodata);
                pixels.for_each(|(out, values)| *out = if has_data(values) { colour(values) } else { [0; 4] });
            }
        }
    }
}

/// The tiles of a mask of one bit. The `tiff` crate has no such pictures, so that they are unpacked here.
struct MaskTiles {
    stored: Stored,
    packing: Packing,
    bits: Vec<u8>,
}

impl MaskTiles {
    /// Opens the mask that belongs to the first image of the file.
    fn open(path: &Path, size: (u32, u32), tile: [usize; 2], tiles: usize) -> Result<Self> {
        let other = || refused("the mask of the TIFF file is not decoded here");
        let mut tiff = decoder(path)?;
        // Overviews and their masks follow; the number of pictures in a file is small.
        for _ in 0..64 {
            if !tiff.more_images() {
                break;
            }
            tiff.next_image().map_err(broken)?;
            let kind: u32 = tiff.find_tag_unsigned(Tag::NewSubfileType).map_err(broken)?.unwrap_or(0);
            if kind & SUBFILE_MASK == 0 || tiff.dimensions().map_err(broken)? != size {
                continue;
            }
            let plain = number(&mut tiff, Tag::BitsPerSample, 1)? == 1
                && number(&mut tiff, Tag::Predictor, 1)? == 1
                && number(&mut tiff, Tag::FillOrder, 1)? == 1;
            let (width, height) = tiff.chunk_dimensions();
            if !plain || [width as usize, height as usize] != tile {
                return Err(other());
            }
            let packing = Packing::of(number(&mut tiff, Tag::Compression, UNPACKED)?).ok_or_else(other)?;
            return Ok(Self { stored: Stored::open(path, &mut tiff, tiles)?, packing, bits: Vec::new() });
        }
        Err(other())
    }

    /// Makes pixels invalid where the mask has a zero. Rows are padded to bytes, the highest bit first (TIFF 6.0, section 3).
    fn apply(
        &mut self,
        index: usize,
        stored_size: [usize; 2],
        size: [usize; 2],
        picture: &mut Rgbx,
        [left, top]: [usize; 2],
    ) -> Result<()> {
        let stride = stored_size[0].div_ceil(8);
        let packed = self.stored.read(index)?;
        self.bits.resize(stride * stored_size[1], 0);
        if packed.is_empty() {
            // A sparse file leaves out tiles of zeros.
            self.bits.fill(0);
        } else {
            self.packing.unpack(packed, &mut self.bits)?;
        }
        for (y, bits) in self.bits.chunks_exact(stride).take(size[1]).enumerate() {
            let row = picture.row_mut(top + y)[left * 4..(left + size[0]) * 4].as_chunks_mut::<4>().0;
            for (pixels, byte) in row.chunks_mut(8).zip(bits) {
                if *byte != 0xff {
                    for (_, pixel) in pixels.iter_mut().enumerate().filter(|(x, _)| byte & (0x80 >> x) == 0) {
                        *pixel = [0; 4];
                    }
                }
            }
        }
        Ok(())
    }
}
