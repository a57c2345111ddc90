//! Cloud Optimized GeoTIFF: tiled JPEG with overviews and, where not all is valid, a mask.
//!
//! The file is laid out as GDAL's COG driver does: directories first, then the pixels of the smallest overview up to those of the whole
//! picture; each tile with its size before it and its last four bytes repeated after it, each tile's mask right behind it. A short
//! text after the header says so, and lets GDAL read a tile with one request.
//!
//! Pixels come in rows of tiles from the top ([`Writer::add`]); overviews are halved on the way, so that two rows of tiles of each level
//! are in memory at once. What is encoded goes to a scratch file until the sizes of all are known.

use super::jpeg;
use crate::crs::Crs;
use crate::error::{Error, Place, Result};
use crate::raster::{self, Coverage, Rgbx};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Side of a tile in pixels.
pub const TILE: usize = 512;
/// Colour of pixels that are not valid and have no valid neighbour.
const BACKGROUND: [u8; 3] = [255; 3];
/// What the layout is (GDAL, "Cloud Optimized GeoTIFF", "Header ghost area").
const LAYOUT: &str = "LAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\nBLOCK_LEADER=SIZE_AS_UINT4\nBLOCK_TRAILER=LAST_4_BYTES_REPEATED\nKNOWN_INCOMPATIBLE_EDITION=NO\n";
const MASKED: &str = "MASK_INTERLEAVED_WITH_IMAGERY=YES\n";

/// What the file shows, and where.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// CRS.
    pub crs: Crs,
    /// True when the CRS is geographic.
    pub geographic: bool,
    /// Easting = `t[0] + t[1]·column + t[2]·row`, northing = `t[3] + t[4]·column + t[5]·row`.
    pub transform: [f64; 6],
    /// Quality of the JPEG, 1 to 100.
    pub quality: u8,
}

/// A tile in the scratch file: where, how long, and the same for its mask.
#[derive(Debug, Clone, Copy)]
struct Stored {
    at: u64,
    size: u32,
    mask_size: u32,
}

/// One resolution.
struct Level {
    width: usize,
    height: usize,
    /// A row of tiles, padded to whole tiles; pixels beyond the picture are not valid.
    strip: Rgbx,
    /// Rows of the strip that are filled.
    filled: usize,
    tiles: Vec<Stored>,
}

impl Level {
    fn new(width: usize, height: usize) -> Self {
        let strip = Rgbx::empty(width.next_multiple_of(TILE), TILE);
        Self { width, height, strip, filled: 0, tiles: Vec::new() }
    }
    fn across(&self) -> usize {
        self.width.div_ceil(TILE)
    }
    fn count(&self) -> usize {
        self.across() * self.height.div_ceil(TILE)
    }
}

/// Writes a file.
pub struct Writer {
    picture: Picture,
    encoder: jpeg::Encoder,
    levels: Vec<Level>,
    scratch: BufWriter<File>,
    scratch_path: PathBuf,
    length: u64,
    tables: Vec<u8>,
    masked: bool,
}

impl Writer {
    /// Begins a picture; `scratch` is the path of a file for what is encoded.
    ///
    /// # Errors
    /// When the picture has no pixel, or the scratch file cannot be made.
    pub fn new(picture: Picture, scratch: &Path) -> Result<Self> {
        let (mut width, mut height) = (picture.width, picture.height);
        if u16::try_from(picture.crs.0).is_err() {
            return Err(Error::new("mk::cog::crs", format!("GeoTIFF has no key for {}", picture.crs)));
        }
        if width == 0 || height == 0 || u32::try_from(width.max(height)).is_err() {
            return Err(Error::new("mk::cog::size", format!("a picture of {width} × {height} pixels is not written")));
        }
        let mut levels = vec![Level::new(width, height)];
        while width.max(height) > TILE {
            (width, height) = (width.div_ceil(2), height.div_ceil(2));
            levels.push(Level::new(width, height));
        }
        let file = File::options().read(true).write(true).create(true).truncate(true).open(scratch);
        let file = file.map_err(|error| failed(scratch, error))?;
        let encoder = jpeg::Encoder::new(picture.quality)?;
        Ok(Self {
            picture,
            encoder,
            levels,
            scratch: BufWriter::new(file),
            scratch_path: scratch.to_owned(),
            length: 0,
            tables: Vec::new(),
            masked: false,
        })
    }

    /// Adds the next rows: as wide as the picture, and [`TILE`] rows but for the last ones.
    ///
    /// # Errors
    /// When they do not fit, or cannot be encoded or stored.
    pub fn add(&mut self, rows: &Rgbx) -> Result<()> {
        let level = &mut self.levels[0];
        let done = level.tiles.len() / level.across() * TILE;
        let expected = TILE.min(level.height.saturating_sub(done));
        if rows.width() != level.width || rows.height() != expected || expected == 0 {
            return Err(Error::new("mk::cog::rows", "rows of a picture come in another size than they should"));
        }
        level.strip.pixels_mut().fill(0);
        level.strip.put(0, 0, rows);
        level.filled = expected;
        self.encode(0)
    }

    /// Encodes the strip of a level, and halves it into the next.
    fn encode(&mut self, index: usize) -> Result<()> {
        let last = index + 1 == self.levels.len();
        let level = &mut self.levels[index];
        for column in 0..level.across() {
            let x = column * TILE;
            let (width, height) = (TILE.min(level.width - x), level.filled);
            let mut tile = level.strip.part(x, 0, TILE, TILE);
            let coverage = tile.coverage(0, 0, width, height);
            let mask = if coverage == Coverage::Full { Vec::new() } else { mask(&tile)? };
            if coverage == Coverage::Full {
                // Beyond the picture its last colours go on, so that nothing rings at its border.
                extend(&mut tile, width, height);
            } else {
                raster::fill_invalid(&mut tile, BACKGROUND);
            }
            self.masked |= !mask.is_empty();
            let stream = self.encoder.encode(&tile)?;
            let (tables, stream) =
                abbreviated(&stream).ok_or_else(|| Error::new("mk::cog::jpeg", "a JPEG stream has no tables"))?;
            if self.tables.is_empty() {
                self.tables = tables;
            } else if self.tables != tables {
                return Err(Error::new("mk::cog::jpeg", "the JPEG streams of a picture have different tables"));
            }
            self.scratch
                .write_all(&stream)
                .and_then(|()| self.scratch.write_all(&mask))
                .map_err(|e| failed(&self.scratch_path, e))?;
            level.tiles.push(Stored { at: self.length, size: stream.len() as u32, mask_size: mask.len() as u32 });
            self.length += (stream.len() + mask.len()) as u64;
        }
        if last {
            return Ok(());
        }
        let half = raster::halve(&level.strip);
        let finished = level.tiles.len() == level.count();
        let filled = level.filled.div_ceil(2);
        let next = &mut self.levels[index + 1];
        if next.filled == 0 {
            next.strip.pixels_mut().fill(0);
        }
        // The halved strip may be a tile wider than the next level's: the surplus is beyond the picture.
        let width = half.width().min(next.strip.width());
        let half = half.part(0, 0, width, filled.min(TILE - next.filled));
        next.strip.put(0, next.filled, &half);
        next.filled += half.height();
        if next.filled == TILE || finished {
            self.encode(index + 1)?;
            self.levels[index + 1].filled = 0;
        }
        Ok(())
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When rows are missing, or the output or the scratch file fails.
    pub fn finish(mut self, output: &mut (impl Write + Seek)) -> Result<()> {
        if self.levels.iter().any(|level| level.tiles.len() != level.count()) {
            return Err(Error::new("mk::cog::rows", "rows of a picture are missing"));
        }
        self.write(output).map_err(|error| failed(&self.scratch_path, error))
    }

    fn write(&mut self, output: &mut (impl Write + Seek)) -> std::io::Result<()> {
        self.scratch.flush()?;
        let layout = if self.masked { format!("{LAYOUT} {MASKED}") } else { format!("{LAYOUT} ") };
        let ghost = format!("GDAL_STRUCTURAL_METADATA_SIZE={:06} bytes\n{layout}", layout.len());
        // Empty tiles of a mask would read as "nothing valid": where there is a mask, every tile has one.
        let full = if self.masked { Some(deflate(&vec![0xff; TILE * TILE / 8])?) } else { None };
        // Directories: of each level, and of its mask right after.
        let mut position = 16 + ghost.len() as u64;
        position = position.next_multiple_of(16);
        let first = position;
        let mut directories = Vec::new();
        for (index, level) in self.levels.iter().enumerate() {
            directories.push(self.directory(index, level, false));
            if self.masked {
                directories.push(self.directory(index, level, true));
            }
        }
        for directory in &directories {
            position += directory.len();
        }
        // Where each tile will lie: from the smallest level on.
        let mut data = position.next_multiple_of(16);
        let begin = data;
        let mask_size = |stored: &Stored| {
            if stored.mask_size > 0 { stored.mask_size } else { full.as_ref().map_or(0, |full| full.len() as u32) }
        };
        let mut places = vec![Vec::new(); self.levels.len()];
        for (index, level) in self.levels.iter().enumerate().rev() {
            for stored in &level.tiles {
                let at = data + 4;
                data = at + u64::from(stored.size) + 4;
                let mask_at = data + 4;
                if self.masked {
                    data = mask_at + u64::from(mask_size(stored)) + 4;
                }
                places[index].push((at, mask_at));
            }
        }
        let mut at = first;
        output.write_all(b"II\x2b\0\x08\0\0\0")?;
        output.write_all(&first.to_le_bytes())?;
        output.write_all(ghost.as_bytes())?;
        output.write_all(&vec![0; (first - 16 - ghost.len() as u64) as usize])?;
        let count = directories.len();
        for (number, mut directory) in directories.into_iter().enumerate() {
            let (index, of_mask) = if self.masked { (number / 2, number % 2 == 1) } else { (number, false) };
            let level = &self.levels[index];
            let offsets = places[index].iter().map(|(tile, mask)| if of_mask { *mask } else { *tile });
            directory.set_long8(TILE_OFFSETS, offsets);
            let sizes = level.tiles.iter().map(|stored| if of_mask { mask_size(stored) } else { stored.size });
            directory.set_long(TILE_BYTE_COUNTS, sizes);
            let next = if number + 1 == count { 0 } else { at + directory.len() };
            output.write_all(&directory.bytes(at, next))?;
            at += directory.len();
        }
        output.write_all(&vec![0; (begin - at) as usize])?;
        let scratch = self.scratch.get_mut();
        let mut bytes = Vec::new();
        for level in self.levels.iter().rev() {
            for stored in &level.tiles {
                scratch.seek(SeekFrom::Start(stored.at))?;
                bytes.clear();
                scratch.take(u64::from(stored.size) + u64::from(stored.mask_size)).read_to_end(&mut bytes)?;
                let (tile, mask) = bytes.split_at((stored.size as usize).min(bytes.len()));
                block(output, tile)?;
                if let Some(full) = &full {
                    block(output, if stored.mask_size > 0 { mask } else { full })?;
                }
            }
        }
        output.flush()
    }

    fn directory(&self, index: usize, level: &Level, of_mask: bool) -> Directory {
        let tiles = level.count();
        let mut directory = Directory::default();
        let kind = u32::from(index > 0) | if of_mask { 4 } else { 0 };
        directory.set_long(NEW_SUBFILE_TYPE, [kind]);
        directory.set_long(IMAGE_WIDTH, [level.width as u32]);
        directory.set_long(IMAGE_LENGTH, [level.height as u32]);
        directory.set_short(BITS_PER_SAMPLE, if of_mask { vec![1] } else { vec![8; 3] });
        directory.set_short(COMPRESSION, [if of_mask { 8 } else { 7 }]);
        directory.set_short(PHOTOMETRIC, [if of_mask { 4 } else { 6 }]);
        directory.set_short(SAMPLES_PER_PIXEL, [if of_mask { 1 } else { 3 }]);
        directory.set_short(PLANAR_CONFIGURATION, [1]);
        directory.set_short(TILE_WIDTH, [TILE as u16]);
        directory.set_short(TILE_LENGTH, [TILE as u16]);
        directory.set_long8(TILE_OFFSETS, std::iter::repeat_n(0, tiles));
        directory.set_long(TILE_BYTE_COUNTS, std::iter::repeat_n(0, tiles));
        directory.set_short(SAMPLE_FORMAT, if of_mask { vec![1] } else { vec![1; 3] });
        if !of_mask {
            directory.set(JPEG_TABLES, 7, self.tables.len(), self.tables.clone());
            directory.set_short(YCBCR_SUBSAMPLING, [2, 2]);
            let reference: Vec<u8> =
                [0_u32, 255, 128, 255, 128, 255].iter().flat_map(|n| [n.to_le_bytes(), 1_u32.to_le_bytes()].concat()).collect();
            directory.set(REFERENCE_BLACK_WHITE, 5, 6, reference);
        }
        if index == 0 && !of_mask {
            self.georeference(&mut directory);
        }
        directory
    }

    /// GeoTIFF 1.1 (OGC 19-008r4), clauses 7 and B.
    fn georeference(&self, directory: &mut Directory) {
        let t = self.picture.transform;
        if t[2] == 0.0 && t[4] == 0.0 && t[5] < 0.0 && t[1] > 0.0 {
            directory.set_double(MODEL_PIXEL_SCALE, &[t[1], -t[5], 0.0]);
            directory.set_double(MODEL_TIEPOINT, &[0.0, 0.0, 0.0, t[0], t[3], 0.0]);
        } else {
            let matrix = [t[1], t[2], 0.0, t[0], t[4], t[5], 0.0, t[3], 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0];
            directory.set_double(MODEL_TRANSFORMATION, &matrix);
        }
        let (model, key) = if self.picture.geographic { (2, 2048) } else { (1, 3072) };
        // Keys in order: version, then GTModelType, GTRasterType (pixel is area), the CRS by its EPSG code.
        let code = self.picture.crs.0 as u16;
        directory.set_short(GEO_KEYS, [1, 1, 1, 3, 1024, 0, 1, model, 1025, 0, 1, 1, key, 0, 1, code]);
    }
}

/// A tile as the layout has it.
fn block(output: &mut impl Write, bytes: &[u8]) -> std::io::Result<()> {
    output.write_all(&(bytes.len() as u32).to_le_bytes())?;
    output.write_all(bytes)?;
    output.write_all(&bytes[bytes.len().saturating_sub(4)..])
}

/// Repeats the last column and row of the upper left part through the rest.
fn extend(tile: &mut Rgbx, width: usize, height: usize) {
    for y in 0..height {
        let row = tile.row_mut(y);
        let mut last = [0; 4];
        last.copy_from_slice(&row[(width - 1) * 4..width * 4]);
        row[width * 4..].chunks_exact_mut(4).for_each(|pixel| pixel.copy_from_slice(&last));
    }
    let last = tile.row(height - 1).to_vec();
    for y in height..TILE {
        tile.row_mut(y).copy_from_slice(&last);
    }
}

/// A mask of one bit, rows of whole bytes, as TIFF has it: 1 is valid.
fn mask(tile: &Rgbx) -> Result<Vec<u8>> {
    let bits: Vec<u8> = tile
        .pixels()
        .chunks_exact(32)
        .map(|eight| eight.chunks_exact(4).fold(0, |byte, pixel| byte << 1 | u8::from(pixel[3] != 0)))
        .collect();
    deflate(&bits).map_err(|error| Error::new("mk::cog::mask", "cannot pack a mask").because(error))
}

fn deflate(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// Splits a JPEG stream into its tables and what is left (TIFF Technical Note 2: abbreviated streams). `None` when it has none.
fn abbreviated(stream: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    const DHT: u8 = 0xc4;
    const SOS: u8 = 0xda;
    const DQT: u8 = 0xdb;
    const APP0: u8 = 0xe0;
    let (mut tables, mut rest) = (vec![0xff, 0xd8], vec![0xff, 0xd8]);
    let mut at = 2;
    loop {
        let [0xff, marker, high, low] = *stream.get(at..at + 4)? else { return None };
        let end = at + 2 + usize::from(u16::from_be_bytes([high, low]));
        if marker == SOS {
            rest.extend_from_slice(stream.get(at..)?);
            break;
        }
        let segment = stream.get(at..end)?;
        match marker {
            DHT | DQT => tables.extend_from_slice(segment),
            // JFIF has no place in TIFF: the photometric interpretation says what the numbers mean.
            APP0 => {}
            _ => rest.extend_from_slice(segment),
        }
        at = end;
    }
    tables.extend_from_slice(&[0xff, 0xd9]);
    (tables.len() > 4).then_some((tables, rest))
}

const NEW_SUBFILE_TYPE: u16 = 254;
const IMAGE_WIDTH: u16 = 256;
const IMAGE_LENGTH: u16 = 257;
const BITS_PER_SAMPLE: u16 = 258;
const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;
const SAMPLES_PER_PIXEL: u16 = 277;
const PLANAR_CONFIGURATION: u16 = 284;
const TILE_WIDTH: u16 = 322;
const TILE_LENGTH: u16 = 323;
const TILE_OFFSETS: u16 = 324;
const TILE_BYTE_COUNTS: u16 = 325;
const SAMPLE_FORMAT: u16 = 339;
const JPEG_TABLES: u16 = 347;
const YCBCR_SUBSAMPLING: u16 = 530;
const REFERENCE_BLACK_WHITE: u16 = 532;
const MODEL_PIXEL_SCALE: u16 = 33550;
const MODEL_TIEPOINT: u16 = 33922;
const MODEL_TRANSFORMATION: u16 = 34264;
const GEO_KEYS: u16 = 34735;

/// A directory of a BigTIFF, with the values that do not fit into it behind it.
#[derive(Default)]
struct Directory {
    /// Tag to type, count and bytes of the values.
    entries: std::collections::BTreeMap<u16, (u16, u64, Vec<u8>)>,
}

impl Directory {
    fn set(&mut self, tag: u16, kind: u16, count: usize, bytes: Vec<u8>) {
        self.entries.insert(tag, (kind, count as u64, bytes));
    }
    fn set_short(&mut self, tag: u16, values: impl IntoIterator<Item = u16>) {
        let bytes: Vec<u8> = values.into_iter().flat_map(u16::to_le_bytes).collect();
        self.set(tag, 3, bytes.len() / 2, bytes);
    }
    fn set_long(&mut self, tag: u16, values: impl IntoIterator<Item = u32>) {
        let bytes: Vec<u8> = values.into_iter().flat_map(u32::to_le_bytes).collect();
        self.set(tag, 4, bytes.len() / 4, bytes);
    }
    fn set_long8(&mut self, tag: u16, values: impl IntoIterator<Item = u64>) {
        let bytes: Vec<u8> = values.into_iter().flat_map(u64::to_le_bytes).collect();
        self.set(tag, 16, bytes.len() / 8, bytes);
    }
    fn set_double(&mut self, tag: u16, values: &[f64]) {
        self.set(tag, 12, values.len(), values.iter().flat_map(|value| value.to_le_bytes()).collect());
    }
    /// Bytes with the values behind it.
    fn len(&self) -> u64 {
        let behind: u64 = self
            .entries
            .values()
            .map(|(.., bytes)| bytes.len() as u64)
            .filter(|length| *length > 8)
            .map(|length| length.next_multiple_of(8))
            .sum();
        (8 + 20 * self.entries.len() as u64 + 8).next_multiple_of(8) + behind
    }
    /// The directory at a place in the file.
    fn bytes(&self, at: u64, next: u64) -> Vec<u8> {
        let fixed = (8 + 20 * self.entries.len() as u64 + 8).next_multiple_of(8);
        let mut head = Vec::with_capacity(fixed as usize);
        let mut behind = Vec::new();
        head.extend_from_slice(&(self.entries.len() as u64).to_le_bytes());
        for (tag, (kind, count, bytes)) in &self.entries {
            head.extend_from_slice(&tag.to_le_bytes());
            head.extend_from_slice(&kind.to_le_bytes());
            head.extend_from_slice(&count.to_le_bytes());
            if bytes.len() <= 8 {
                let mut value = [0; 8];
                value[..bytes.len()].copy_from_slice(bytes);
                head.extend_from_slice(&value);
            } else {
                head.extend_from_slice(&(at + fixed + behind.len() as u64).to_le_bytes());
                behind.extend_from_slice(bytes);
                behind.resize(behind.len().next_multiple_of(8), 0);
            }
        }
        head.extend_from_slice(&next.to_le_bytes());
        head.resize(fixed as usize, 0);
        head.extend_from_slice(&behind);
        head
    }
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    Error::new("mk::cog::io", "cannot write the Cloud Optimized GeoTIFF")
        .at(Place::file(path.display().to_string()))
        .because(error)
}
