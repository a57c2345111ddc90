//! PMTiles v3 archives: one file with all tiles of a map, clustered, deduplicated, the same bytes for the same tiles.
//!
//! The caller hands in the tiles in the order of their [`tile_id`] (all of zoom 0, then zoom 1 ..., each along a Hilbert curve).
//! That keeps memory small and makes the archive *clustered*: neighbours on the map are neighbours in the file.

use crate::crs::Bbox;
use crate::error::{Error, Place, Result};
use flate2::read::GzDecoder;
use libdeflater::{CompressionLvl, Compressor};
use std::cell::RefCell;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// What a tile is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TileType {
    /// Mapbox Vector Tile, stored gzipped.
    Mvt,
    /// PNG picture.
    Png,
    /// JPEG picture.
    Jpeg,
    /// WebP picture.
    Webp,
}

impl From<TileType> for pmtiles::TileType {
    fn from(tile_type: TileType) -> Self {
        match tile_type {
            TileType::Mvt => Self::Mvt,
            TileType::Png => Self::Png,
            TileType::Jpeg => Self::Jpeg,
            TileType::Webp => Self::Webp,
        }
    }
}

/// What the archive says about itself.
#[derive(Debug, Clone)]
pub struct Header {
    /// Type of all tiles.
    pub tile_type: TileType,
    /// Lowest zoom that has tiles.
    pub min_zoom: u8,
    /// Highest zoom that has tiles.
    pub max_zoom: u8,
    /// Extent in longitude and latitude, degrees.
    pub bounds_lonlat: Bbox,
    /// Name of the map.
    pub name: String,
    /// Attribution that the map has to show; empty leaves it out.
    pub attribution: String,
    /// Further members of the metadata object: `vector_layers` (required for MVT, TileJSON 3.0 section 3.3), `type` ...
    pub metadata: serde_json::Map<String, serde_json::Value>,
}

/// Position of a tile in the archive's order.
///
/// # Errors
/// When there is no such tile: `z` above 31, or `x` or `y` outside the zoom's square.
pub fn tile_id(z: u8, x: u32, y: u32) -> Result<u64> {
    Ok(pmtiles::TileId::from(coord(z, x, y)?).value())
}

fn coord(z: u8, x: u32, y: u32) -> Result<pmtiles::TileCoord> {
    pmtiles::TileCoord::new(z, x, y).map_err(|_| Error::new("mk::pmtiles::tile", format!("there is no tile {z}/{x}/{y}")))
}

/// The bytes gzipped as the archive stores vector tiles: no name, no time.
///
/// # Errors
/// Never in practice: the target is memory.
pub fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    thread_local! {
        /// Its tables, and room for the longest that may come out.
        static PACKER: RefCell<Option<(Compressor, Vec<u8>)>> = const { RefCell::new(None) };
    }
    PACKER.with_borrow_mut(|packer| {
        let level = || CompressionLvl::new(LEVEL).unwrap_or_default();
        let (packer, room) = packer.get_or_insert_with(|| (Compressor::new(level()), Vec::new()));
        let longest = packer.gzip_compress_bound(bytes.len());
        if room.len() < longest {
            room.resize(longest, 0);
        }
        let length = packer.gzip_compress(bytes, room);
        let length = length.map_err(|error| Error::new("mk::pmtiles::gzip", "cannot compress a tile").because(error))?;
        Ok(room[..length].to_vec())
    })
}

/// Effort of gzip, 1 to 12. On the cadastre of a town of 22 km² (42 MB of tiles) libdeflate 1.26 makes 4 % less of it at this level than
/// zlib at its default, in half the time.
const LEVEL: i32 = 5;

/// Tiles above this size (bytes) are not looked up among the earlier ones: what repeats (sea, empty, one colour) is small, and
/// the memory of the writer stays bounded by the directory.
const DEDUPLICATE_UP_TO: usize = 4096;

/// Gzips directories and metadata in one piece: the library hands them over number by number, and each call of an encoder costs as
/// much as packing a hundred numbers.
struct Directories;

impl pmtiles::Compressor for Directories {
    fn compression(&self) -> pmtiles::Compression {
        pmtiles::Compression::Gzip
    }
    fn compress(
        &self,
        write: &mut dyn FnMut(&mut dyn Write) -> std::io::Result<()>,
        out: &mut dyn Write,
    ) -> pmtiles::PmtResult<()> {
        let mut bytes = Vec::new();
        write(&mut bytes)?;
        out.write_all(&gzip(&bytes).map_err(std::io::Error::other)?)?;
        Ok(())
    }
}

/// The library's own buffer is smaller than most tiles of pictures: without this, each would be written by itself.
const BUFFER: usize = 1 << 20;

type Stream = pmtiles::PmTilesStreamWriter<BufWriter<File>, pmtiles::CallerKey<[u8; 16]>>;

/// Writes an archive, tile by tile.
pub struct Writer {
    path: PathBuf,
    stream: Stream,
    tile_type: TileType,
    last: Option<u64>,
    count: u64,
}

impl Writer {
    /// Creates the archive at `path`, replacing what is there.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create(path: &Path, header: &Header) -> Result<Self> {
        let file = crate::io::atomic::create_unseen(path)?;
        let mut metadata = serde_json::Map::new();
        metadata.insert("name".into(), header.name.clone().into());
        if !header.attribution.is_empty() {
            metadata.insert("attribution".into(), header.attribution.clone().into());
        }
        metadata.extend(header.metadata.clone());
        let compression = match header.tile_type {
            TileType::Mvt => pmtiles::Compression::Gzip,
            _ => pmtiles::Compression::None,
        };
        let Bbox { min, max } = header.bounds_lonlat;
        let [lon, lat] = header.bounds_lonlat.centre();
        let stream = pmtiles::PmTilesWriter::new(header.tile_type.into())
            .precompressed(compression)
            .min_zoom(header.min_zoom)
            .max_zoom(header.max_zoom)
            .bounds(min[0], min[1], max[0], max[1])
            .center(lon, lat)
            .center_zoom(header.min_zoom)
            .metadata(serde_json::Value::Object(metadata).to_string())
            .internal_codec(Directories)
            .dedup_by_key::<[u8; 16]>()
            .create(BufWriter::with_capacity(BUFFER, file))
            .map_err(|error| failed(path, "cannot write the PMTiles archive", error))?;
        Ok(Self { path: path.to_owned(), stream, tile_type: header.tile_type, last: None, count: 0 })
    }

    /// Adds a tile; each has a greater [`tile_id`] than the one before. A vector tile may come gzipped or not; an empty one is
    /// left out.
    ///
    /// # Errors
    /// When the tile is out of order or does not exist, or the file cannot be written.
    pub fn add(&mut self, z: u8, x: u32, y: u32, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let coord = coord(z, x, y)?;
        let id = pmtiles::TileId::from(coord).value();
        if self.last.is_some_and(|last| id <= last) {
            return Err(Error::new("mk::pmtiles::order", format!("the tile {z}/{x}/{y} comes after a later one")));
        }
        self.last = Some(id);
        self.count += 1;
        let packed;
        let bytes = if self.tile_type == TileType::Mvt && !bytes.starts_with(&[0x1f, 0x8b]) {
            packed = gzip(bytes)?;
            &packed
        } else {
            bytes
        };
        let key = (bytes.len() <= DEDUPLICATE_UP_TO).then(|| {
            let mut key = [0; 16];
            key.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
            key
        });
        self.stream.add_tile(coord, bytes, key).map_err(|error| failed(&self.path, "cannot write the PMTiles archive", error))
    }

    /// Number of tiles added.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Writes directories and header and closes the file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(self) -> Result<PathBuf> {
        self.stream.finalize().map_err(|error| failed(&self.path, "cannot write the PMTiles archive", error))?;
        Ok(self.path)
    }
}

/// A stretch of tiles with the same bytes, as the directory lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// [`tile_id`] of the first tile.
    pub first: u64,
    /// Number of tiles.
    pub count: u64,
    offset: u64,
    length: u64,
}

/// Reads an archive; the whole directory is held in memory.
pub struct Reader {
    path: PathBuf,
    file: File,
    header: pmtiles::Header,
    metadata: serde_json::Value,
    gzipped: bool,
    data_offset: u64,
    runs: Vec<Run>,
}

const HEADER_BYTES: usize = 127;
/// Largest directory or metadata that is read (bytes, unpacked).
const MAX_SECTION: u64 = 1 << 28;

impl Reader {
    /// Opens an archive.
    ///
    /// # Errors
    /// When the file cannot be read or is no PMTiles v3 archive with gzipped directories.
    pub fn open(path: &Path) -> Result<Self> {
        let mut file = File::open(path).map_err(|error| failed(path, "cannot open the PMTiles archive", error))?;
        let mut bytes = [0_u8; HEADER_BYTES];
        file.read_exact(&mut bytes).map_err(|error| failed(path, "not a PMTiles archive", error))?;
        let header = pmtiles::Header::try_from_bytes(bytes.to_vec().into())
            .map_err(|error| failed(path, "not a PMTiles archive", error))?;
        if header.internal_compression() != pmtiles::Compression::Gzip {
            return Err(Error::new("mk::pmtiles::read", "the directories of the PMTiles archive are not gzipped")
                .at(Place::file(path.display().to_string())));
        }
        // PMTiles v3 section 3: eight-byte little-endian numbers from byte 8 on.
        let number = |at: usize| {
            let mut eight = [0; 8];
            eight.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(eight)
        };
        let gzipped = header.tile_compression == pmtiles::Compression::Gzip;
        let mut reader = Self {
            path: path.to_owned(),
            file,
            header,
            metadata: serde_json::Value::Null,
            gzipped,
            data_offset: number(56),
            runs: Vec::new(),
        };
        let root = reader.section(number(8), number(16))?;
        let metadata = reader.section(number(24), number(32))?;
        reader.metadata = serde_json::from_slice(&metadata)
            .map_err(|error| failed(path, "the metadata of the PMTiles archive is no JSON", error))?;
        reader.directory(&root, number(40), 0)?;
        Ok(reader)
    }

    /// Lowest and highest zoom.
    pub fn zooms(&self) -> (u8, u8) {
        (self.header.min_zoom, self.header.max_zoom)
    }

    /// True when the tiles lie in the order of their ids.
    #[cfg(test)]
    pub fn clustered(&self) -> bool {
        self.header.clustered()
    }

    /// True when tiles are stored packed, as vector tiles are: their bytes in the file are not those that [`Reader::tile`] gives.
    pub fn packs_tiles(&self) -> bool {
        self.gzipped
    }

    /// The metadata object.
    pub fn metadata(&self) -> &serde_json::Value {
        &self.metadata
    }

    /// All tiles, as runs in the order of their ids.
    #[cfg(test)]
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// All tiles as `(z, x, y)`, in the order of their ids.
    pub fn tiles(&self) -> impl Iterator<Item = (u8, u32, u32)> + '_ {
        self.runs.iter().flat_map(|run| run.first..run.first.saturating_add(run.count)).filter_map(|id| {
            let coord = pmtiles::TileCoord::from(pmtiles::TileId::new(id).ok()?);
            Some((coord.z(), coord.x(), coord.y()))
        })
    }

    /// The bytes of a tile (a vector tile unpacked), or `None` when the archive has none there.
    ///
    /// # Errors
    /// When there is no such tile, or the file cannot be read.
    pub fn tile(&mut self, z: u8, x: u32, y: u32) -> Result<Option<Vec<u8>>> {
        let Some(run) = self.run(z, x, y)? else { return Ok(None) };
        let bytes = self.raw(self.data_offset.saturating_add(run.offset), run.length)?;
        if self.gzipped { self.unpack(&bytes).map(Some) } else { Ok(Some(bytes)) }
    }

    /// True when another archive has the very bytes of a tile in the same place, packed in the same way.
    ///
    /// # Errors
    /// When there is no such tile, or a file cannot be read.
    pub fn has_same(&mut self, other: &mut Self, z: u8, x: u32, y: u32) -> Result<bool> {
        let (Some(here), Some(there)) = (self.run(z, x, y)?, other.run(z, x, y)?) else { return Ok(false) };
        if here.length != there.length || self.gzipped != other.gzipped {
            return Ok(false);
        }
        let bytes = self.raw(self.data_offset.saturating_add(here.offset), here.length)?;
        Ok(bytes == other.raw(other.data_offset.saturating_add(there.offset), there.length)?)
    }

    /// How many bytes a tile has in the file, without reading it; `None` when the archive has none there.
    ///
    /// # Errors
    /// When there is no such tile.
    pub fn length(&self, z: u8, x: u32, y: u32) -> Result<Option<u64>> {
        Ok(self.run(z, x, y)?.map(|run| run.length))
    }

    fn run(&self, z: u8, x: u32, y: u32) -> Result<Option<Run>> {
        let id = tile_id(z, x, y)?;
        let after = self.runs.partition_point(|run| run.first <= id);
        let run = after.checked_sub(1).and_then(|index| self.runs.get(index)).copied();
        Ok(run.filter(|run| id - run.first < run.count))
    }

    fn directory(&mut self, bytes: &[u8], leaf_offset: u64, depth: u8) -> Result<()> {
        let broken = || {
            Error::new("mk::pmtiles::read", "the PMTiles archive has a broken directory")
                .at(Place::file(self.path.display().to_string()))
        };
        let entries = entries(bytes).ok_or_else(broken)?;
        for run in entries {
            if run.count > 0 {
                self.runs.push(run);
            } else if depth < 3 {
                let leaf = self.section(leaf_offset.saturating_add(run.offset), run.length)?;
                self.directory(&leaf, leaf_offset, depth + 1)?;
            } else {
                return Err(Error::new("mk::pmtiles::read", "the directories of the PMTiles archive are nested too deeply"));
            }
        }
        Ok(())
    }

    fn raw(&mut self, offset: u64, length: u64) -> Result<Vec<u8>> {
        let failed = |error| failed(&self.path, "cannot read the PMTiles archive", error);
        // What a directory says is not believed before memory is taken for it.
        let there = self.file.metadata().map_err(failed)?.len().saturating_sub(offset);
        let mut bytes = vec![0; length.min(MAX_SECTION).min(there) as usize];
        self.file.read_exact_at(&mut bytes, offset).map_err(failed)?;
        Ok(bytes)
    }

    fn section(&mut self, offset: u64, length: u64) -> Result<Vec<u8>> {
        let bytes = self.raw(offset, length)?;
        self.unpack(&bytes)
    }

    fn unpack(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        let mut unpacked = Vec::new();
        GzDecoder::new(bytes)
            .take(MAX_SECTION)
            .read_to_end(&mut unpacked)
            .map_err(|error| failed(&self.path, "the PMTiles archive has a broken section", error))?;
        Ok(unpacked)
    }
}

/// The entries of a directory (PMTiles v3 section 4.2); `None` when it is broken.
fn entries(bytes: &[u8]) -> Option<Vec<Run>> {
    let mut rest = bytes;
    let count = usize::try_from(varint(&mut rest)?).ok()?;
    if count > bytes.len() {
        return None;
    }
    let mut runs = vec![Run { first: 0, count: 0, offset: 0, length: 0 }; count];
    let mut id = 0_u64;
    for run in &mut runs {
        id = id.checked_add(varint(&mut rest)?)?;
        run.first = id;
    }
    for run in &mut runs {
        run.count = varint(&mut rest)?;
    }
    for run in &mut runs {
        run.length = varint(&mut rest)?;
    }
    let mut next = 0_u64;
    for run in &mut runs {
        run.offset = match varint(&mut rest)? {
            0 => next,
            offset => offset - 1,
        };
        next = run.offset.checked_add(run.length)?;
    }
    Some(runs)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn failed(path: &Path, what: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new("mk::pmtiles::io", what).at(Place::file(path.display().to_string())).because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Digest;

    fn header(tile_type: TileType) -> Header {
        Header {
            tile_type,
            min_zoom: 0,
            max_zoom: 3,
            bounds_lonlat: [9.9, 53.6, 10.1, 53.8].into(),
            name: "Kacheln".into(),
            attribution: "© Amt".into(),
            metadata: serde_json::Map::new(),
        }
    }

    fn all_tiles(max_zoom: u8) -> Vec<(u64, u8, u32, u32)> {
        let mut tiles = Vec::new();
        for z in 0..=max_zoom {
            for x in 0..1 << z {
                for y in 0..1 << z {
                    tiles.push((tile_id(z, x, y).unwrap(), z, x, y));
                }
            }
        }
        tiles.sort_unstable();
        tiles
    }

    #[test]
    fn ids_follow_the_specification() {
        // PMTiles v3 section 4.1 lists these.
        let known = [((0, 0, 0), 0), ((1, 0, 0), 1), ((1, 0, 1), 2), ((1, 1, 1), 3), ((1, 1, 0), 4), ((2, 0, 0), 5)];
        for ((z, x, y), id) in known {
            assert_eq!(tile_id(z, x, y).unwrap(), id);
        }
        assert_eq!(tile_id(12, 3423, 1763).unwrap(), 19_078_479);
        assert!(tile_id(1, 2, 0).is_err());
        assert!(tile_id(40, 0, 0).is_err());
    }

    #[test]
    fn tiles_come_back_and_equal_ones_are_stored_once() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = folder.path().join(name);
            let mut writer = Writer::create(&path, &header(TileType::Jpeg)).unwrap();
            for (id, z, x, y) in all_tiles(3) {
                let bytes = if id % 2 == 0 { b"same".to_vec() } else { vec![7; 5000 + id as usize] };
                writer.add(z, x, y, &bytes).unwrap();
            }
            assert_eq!(writer.count(), 85);
            writer.finish().unwrap()
        };
        let (first, second) = (write("a"), write("b"));
        assert_eq!(Digest::of_file(&first).unwrap(), Digest::of_file(&second).unwrap());
        let mut reader = Reader::open(&first).unwrap();
        assert!(reader.clustered());
        assert_eq!(reader.zooms(), (0, 3));
        assert_eq!(reader.metadata()["name"], "Kacheln");
        assert_eq!(reader.tiles().count(), 85);
        assert_eq!(reader.tile(0, 0, 0).unwrap().unwrap(), b"same");
        assert_eq!(reader.tile(1, 0, 0).unwrap().unwrap().len(), 5001);
        assert_eq!(reader.tile(4, 0, 0).unwrap(), None);
        let stored: std::collections::BTreeSet<_> = reader.runs().iter().map(|run| run.offset).collect();
        assert_eq!(stored.len(), 43, "42 different tiles, and the one that repeats");
    }

    #[test]
    fn a_large_archive_has_leaf_directories_that_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        let mut writer = Writer::create(&path, &header(TileType::Png)).unwrap();
        let tiles = all_tiles(8);
        for &(id, z, x, y) in &tiles {
            writer.add(z, x, y, &id.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()[..=(id as usize % 8)]).unwrap();
        }
        writer.finish().unwrap();
        let mut reader = Reader::open(&path).unwrap();
        assert_eq!(reader.tiles().count(), tiles.len());
        for &(id, z, x, y) in tiles.iter().step_by(997) {
            let expected = id.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
            assert_eq!(reader.tile(z, x, y).unwrap().unwrap(), expected[..=(id as usize % 8)]);
        }
    }

    #[test]
    fn vector_tiles_are_stored_gzipped_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mvt");
        let mut writer = Writer::create(&path, &header(TileType::Mvt)).unwrap();
        writer.add(0, 0, 0, &[0x1a, 0]).unwrap();
        writer.add(1, 0, 0, &gzip(&[0x1a, 1]).unwrap()).unwrap();
        writer.add(1, 0, 1, &[]).unwrap();
        writer.finish().unwrap();
        let mut reader = Reader::open(&path).unwrap();
        assert_eq!(reader.tile(0, 0, 0).unwrap().unwrap(), [0x1a, 0]);
        assert_eq!(reader.tile(1, 0, 0).unwrap().unwrap(), [0x1a, 1]);
        assert_eq!(reader.tile(1, 0, 1).unwrap(), None);
    }

    #[test]
    fn tiles_out_of_order_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::create(&folder.path().join("x"), &header(TileType::Jpeg)).unwrap();
        writer.add(1, 0, 0, b"a").unwrap();
        insta::assert_snapshot!(writer.add(0, 0, 0, b"b").unwrap_err(), @"the tile 0/0/0 comes after a later one");
        assert!(writer.add(1, 0, 0, b"b").is_err());
    }

    proptest::proptest! {
        #[test]
        fn a_broken_directory_is_no_panic(bytes in proptest::collection::vec(0_u8.., 0..200)) {
            let _ = entries(&bytes);
        }
    }
}
