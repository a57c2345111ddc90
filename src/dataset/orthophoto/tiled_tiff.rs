//! The fast way to the pixels of tiled TIFF files: tiles are decoded alone, JPEG by libjpeg-turbo, all others by the `tiff` crate.
//!
//! Only files that GDAL has opened before come here, and only in the layouts that are common for orthophotos. What differs goes
//! through GDAL.

use super::header::{Header, Validity, refused};
use crate::error::{Error, Result};
use crate::format::jpeg;
use crate::raster::Rgbx;
use flate2::read::ZlibDecoder;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use tiff::decoder::{ChunkType, DecodingResult, Limits};
use tiff::tags::Tag;

type TiffDecoder = tiff::decoder::Decoder<BufReader<File>>;

/// A tiled TIFF file opened for decoding.
pub struct TiledTiff {
    pixels: Pixels,
    mask: Option<MaskTiles>,
    tile: [usize; 2],
    across: usize,
    size: [usize; 2],
    samples: usize,
    validity: Validity,
}

enum Pixels {
    /// Any lossless compression.
    Plain(Box<TiffDecoder>),
    Jpeg(JpegTiles),
}

struct JpegTiles {
    stored: Stored,
    tables: Vec<u8>,
    colours: jpeg::Colours,
    decoder: jpeg::Decoder,
}

// TIFF 6.0, sections 8, 10, 14, 22; Adobe's supplement for Deflate; GDAL's and libtiff's use of the same tags.
const NONE: u16 = 1;
const LZW: u16 = 5;
const JPEG: u16 = 7;
const DEFLATE: u16 = 8;
const OLD_DEFLATE: u16 = 32_946;
const PHOTOMETRIC_WHITE_IS_ZERO: u16 = 0;
const PHOTOMETRIC_BLACK_IS_ZERO: u16 = 1;
const PHOTOMETRIC_RGB: u16 = 2;
const PHOTOMETRIC_YCBCR: u16 = 6;
/// `NewSubfileType` of a transparency mask.
const SUBFILE_MASK: u32 = 4;
/// Widest and highest tile.
const MAX_TILE: usize = 4096;
/// Largest tile as stored, in bytes.
const MAX_TILE_BYTES: u64 = 64 << 20;

/// True when this reader can decode the file; tries a tile.
pub fn suits(path: &Path, header: &Header) -> bool {
    TiledTiff::open(path, header).and_then(|mut image| image.tile(0)).is_ok()
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

fn decoder(path: &Path) -> Result<TiffDecoder> {
    let file = File::open(path).map_err(|error| refused("cannot read the file").because(error))?;
    let mut limits = Limits::default();
    limits.decoding_buffer_size = MAX_TILE * MAX_TILE * 4;
    limits.ifd_value_size = 64 << 20;
    limits.intermediate_buffer_size = 64 << 20;
    Ok(tiff::decoder::Decoder::new(BufReader::new(file)).map_err(broken)?.with_limits(limits))
}

impl TiledTiff {
    /// Opens the file.
    ///
    /// # Errors
    /// When it is broken, or of a layout that this reader does not decode.
    pub fn open(path: &Path, header: &Header) -> Result<Self> {
        let mut tiff = decoder(path)?;
        let other = |what: &str| refused(format!("a TIFF file with {what} is not decoded here"));
        if tiff.get_chunk_type() != ChunkType::Tile {
            return Err(other("strips"));
        }
        let (width, height) = tiff.dimensions().map_err(broken)?;
        if (width, height) != (header.width, header.height) {
            return Err(other("another size than expected"));
        }
        let number = |tiff: &mut TiffDecoder, tag, default| {
            Ok::<u16, Error>(tiff.find_tag_unsigned(tag).map_err(broken)?.unwrap_or(default))
        };
        let compression = number(&mut tiff, Tag::Compression, NONE)?;
        let photometric = number(&mut tiff, Tag::PhotometricInterpretation, PHOTOMETRIC_WHITE_IS_ZERO)?;
        let samples = usize::from(number(&mut tiff, Tag::SamplesPerPixel, 1)?);
        let bits: Vec<u16> = tiff.find_tag_unsigned_vec(Tag::BitsPerSample).map_err(broken)?.unwrap_or_else(|| vec![1]);
        if bits.iter().any(|&bits| bits != 8) || samples != usize::from(header.bands) || !(1..=4).contains(&samples) {
            return Err(other("such bands"));
        }
        if samples > 1 && number(&mut tiff, Tag::PlanarConfiguration, 1)? != 1 {
            return Err(other("bands stored apart"));
        }
        let (tile_width, tile_height) = tiff.chunk_dimensions();
        let tile = [tile_width as usize, tile_height as usize];
        if tile.iter().any(|&side| side == 0 || side > MAX_TILE) {
            return Err(other("such tiles"));
        }
        let across = (width as usize).div_ceil(tile[0]);
        let tiles = across * (height as usize).div_ceil(tile[1]);
        let pixels = match (compression, photometric) {
            (NONE | LZW | DEFLATE | OLD_DEFLATE, PHOTOMETRIC_BLACK_IS_ZERO | PHOTOMETRIC_RGB) => Pixels::Plain(Box::new(tiff)),
            (JPEG, PHOTOMETRIC_BLACK_IS_ZERO | PHOTOMETRIC_RGB | PHOTOMETRIC_YCBCR) => {
                let colours = match (photometric, samples) {
                    (PHOTOMETRIC_YCBCR, 3) => jpeg::Colours::YCbCr,
                    (_, 1) => jpeg::Colours::Grey,
                    (PHOTOMETRIC_YCBCR, _) | (_, 2) => return Err(other("such bands")),
                    _ => jpeg::Colours::Plain,
                };
                // Four JPEG channels are red, green, blue and another; an alpha among them goes through GDAL.
                if matches!(header.validity, Validity::Alpha(_)) {
                    return Err(other("an alpha channel in JPEG"));
                }
                let tables = tiff.find_tag_unsigned_vec(Tag::JPEGTables).map_err(broken)?.unwrap_or_default();
                let stored = Stored::open(path, &mut tiff, tiles)?;
                Pixels::Jpeg(JpegTiles { stored, tables, colours, decoder: jpeg::Decoder::new()? })
            }
            _ => return Err(other("such a compression")),
        };
        let mask =
            if header.validity == Validity::Mask { Some(MaskTiles::open(path, (width, height), tile, tiles)?) } else { None };
        let size = [width as usize, height as usize];
        Ok(Self { pixels, mask, tile, across, size, samples, validity: header.validity })
    }

    /// Width and height of a tile.
    pub fn tile_size(&self) -> [usize; 2] {
        self.tile
    }
    /// Number of tiles in a row.
    pub fn tiles_across(&self) -> usize {
        self.across
    }

    /// Decodes a tile: as much of it as lies within the image.
    ///
    /// # Errors
    /// When it is broken.
    pub fn tile(&mut self, index: usize) -> Result<Rgbx> {
        let left = index % self.across * self.tile[0];
        let top = index / self.across * self.tile[1];
        let width = self.tile[0].min(self.size[0].saturating_sub(left));
        let height = self.tile[1].min(self.size[1].saturating_sub(top));
        let chunk = u32::try_from(index).map_err(|_| refused("there are too many tiles"))?;
        let mut picture = match &mut self.pixels {
            Pixels::Jpeg(tiles) => {
                let whole = tiles.tile(index, self.tile)?;
                if [width, height] == self.tile { whole } else { whole.part(0, 0, width, height) }
            }
            Pixels::Plain(tiff) => {
                let DecodingResult::U8(values) = tiff.read_chunk(chunk).map_err(broken)? else {
                    return Err(refused("a tile holds other numbers than bytes"));
                };
                unpack(&values, width, height, self.samples, self.validity)?
            }
        };
        if let Some(mask) = &mut self.mask {
            mask.apply(index, self.tile, &mut picture)?;
        }
        Ok(picture)
    }
}

/// The tiles of a mask of one bit. The `tiff` crate has no such pictures, so that they are unpacked here.
struct MaskTiles {
    stored: Stored,
    packed: bool,
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
            let number = |tiff: &mut TiffDecoder, tag, default| {
                Ok::<u16, Error>(tiff.find_tag_unsigned(tag).map_err(broken)?.unwrap_or(default))
            };
            let compression = number(&mut tiff, Tag::Compression, NONE)?;
            let plain = number(&mut tiff, Tag::BitsPerSample, 1)? == 1
                && number(&mut tiff, Tag::Predictor, 1)? == 1
                && number(&mut tiff, Tag::FillOrder, 1)? == 1
                && matches!(compression, NONE | DEFLATE | OLD_DEFLATE);
            let (width, height) = tiff.chunk_dimensions();
            if !plain || tiff.get_chunk_type() != ChunkType::Tile || [width as usize, height as usize] != tile {
                return Err(other());
            }
            return Ok(Self { stored: Stored::open(path, &mut tiff, tiles)?, packed: compression != NONE });
        }
        Err(other())
    }

    /// Makes pixels invalid where the mask has a zero. Rows are padded to bytes, the highest bit first (TIFF 6.0, section 3).
    fn apply(&mut self, index: usize, tile: [usize; 2], picture: &mut Rgbx) -> Result<()> {
        let stride = tile[0].div_ceil(8);
        let expected = stride * tile[1];
        let bytes = self.stored.read(index)?;
        let mut unpacked = Vec::new();
        let bits = if self.packed && !bytes.is_empty() {
            let packed = ZlibDecoder::new(bytes).take(expected as u64).read_to_end(&mut unpacked);
            packed.map_err(|error| refused("a tile of the mask is broken").because(error))?;
            unpacked.as_slice()
        } else {
            bytes
        };
        // A sparse file leaves out tiles of zeros.
        if !bits.is_empty() && bits.len() != expected {
            return Err(refused("a tile of the mask has another size than its image"));
        }
        for y in 0..picture.height() {
            for (x, pixel) in picture.row_mut(y).chunks_exact_mut(4).enumerate() {
                if bits.get(y * stride + x / 8).is_none_or(|bits| bits & (0x80 >> (x % 8)) == 0) {
                    pixel.fill(0);
                }
            }
        }
        Ok(())
    }
}

fn unpack(values: &[u8], width: usize, height: usize, samples: usize, validity: Validity) -> Result<Rgbx> {
    if values.len() != width * height * samples {
        return Err(refused("a tile has another size than it should"));
    }
    let mut picture = Rgbx::empty(width, height);
    for (pixel, values) in picture.pixels_mut().chunks_exact_mut(4).zip(values.chunks_exact(samples)) {
        let valid = match validity {
            Validity::All | Validity::Mask => true,
            Validity::Alpha(band) => values.get(usize::from(band).wrapping_sub(1)).is_none_or(|&alpha| alpha >= 128),
            Validity::Nodata(nodata) => values.iter().any(|&value| value != nodata),
        };
        if valid {
            match values {
                [red, green, blue, ..] => pixel.copy_from_slice(&[*red, *green, *blue, 255]),
                [grey, ..] => pixel.copy_from_slice(&[*grey, *grey, *grey, 255]),
                [] => {}
            }
        }
    }
    Ok(picture)
}

impl JpegTiles {
    fn tile(&mut self, index: usize, size: [usize; 2]) -> Result<Rgbx> {
        let bytes = self.stored.read(index)?;
        if bytes.is_empty() {
            // A sparse file: GDAL reads such a tile as zeros.
            let mut black = Rgbx::empty(size[0], size[1]);
            for pixel in black.pixels_mut().chunks_exact_mut(4) {
                pixel[3] = 255;
            }
            return Ok(black);
        }
        self.decoder.decode_tile(&self.tables, bytes, self.colours, size[0], size[1])
    }
}

/// Tiles as they are stored.
struct Stored {
    file: File,
    offsets: Vec<u64>,
    counts: Vec<u64>,
    bytes: Vec<u8>,
}

impl Stored {
    fn open(path: &Path, tiff: &mut TiffDecoder, tiles: usize) -> Result<Self> {
        let list = |tiff: &mut TiffDecoder, tag| {
            let list: Option<Vec<u64>> = tiff.find_tag_unsigned_vec(tag).map_err(broken)?;
            list.filter(|list| list.len() == tiles).ok_or_else(|| refused("the TIFF file does not list all its tiles"))
        };
        let (offsets, counts) = (list(tiff, Tag::TileOffsets)?, list(tiff, Tag::TileByteCounts)?);
        let file = File::open(path).map_err(|error| refused("cannot read the file").because(error))?;
        Ok(Self { file, offsets, counts, bytes: Vec::new() })
    }

    /// The bytes of a tile; none for one that a sparse file leaves out.
    fn read(&mut self, index: usize) -> Result<&[u8]> {
        let (Some(&offset), Some(&count)) = (self.offsets.get(index), self.counts.get(index)) else {
            return Err(refused("there is no such tile"));
        };
        if count > MAX_TILE_BYTES {
            return Err(refused("a tile of the TIFF file is larger than is read"));
        }
        self.bytes.clear();
        self.file
            .seek(SeekFrom::Start(offset))
            .and_then(|_| (&mut self.file).take(count).read_to_end(&mut self.bytes))
            .map_err(|error| refused("cannot read the file").because(error))?;
        if self.bytes.len() as u64 != count {
            return Err(refused("the file ends before its last tile: it is incomplete"));
        }
        Ok(&self.bytes)
    }
}

fn broken(error: tiff::TiffError) -> Error {
    refused("the TIFF file is broken").because(error)
}
