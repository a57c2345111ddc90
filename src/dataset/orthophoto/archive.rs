//! Tiles out of the packs: into a PMTiles archive, and into a folder.

use super::products::Product;
use super::{OVERVIEW, RENDER, ROOT};
use crate::crs::Bbox;
use crate::dataset::{AssembleContext, UnitResult};
use crate::error::Result;
use crate::format::picture::Codec;
use crate::format::pmtiles::{Header, TileType, Writer};
use crate::format::tile_matrix::{Tile, WEB_MERCATOR_QUAD_ID};
use crate::io::{Pack, PackEntries, atomic};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Streams the packs into the archive, in the order of the tiles' ids: zoom by zoom, and in each zoom the units along the Hilbert
/// curve, as each unit's tiles are one stretch of it.
pub fn pmtiles(path: &Path, product: &Product, context: &AssembleContext<'_>, title: &str, bounds_lonlat: Bbox) -> Result<()> {
    let codec = product.target.codec();
    let zooms = product.zooms;
    let mut metadata = serde_json::Map::new();
    metadata.insert("type".into(), "baselayer".into());
    metadata.insert("format".into(), codec.extension().into());
    if product.matrix.id != WEB_MERCATOR_QUAD_ID {
        // The format itself knows one tile matrix set only.
        metadata.insert("tile_matrix_set".into(), product.matrix.id.clone().into());
        metadata.insert("crs".into(), product.matrix.crs.to_string().into());
        let level = product.matrix.level(0);
        metadata.insert("tile_matrix_origin".into(), serde_json::json!(level.origin));
        metadata.insert("tile_matrix_cell_size".into(), serde_json::json!(level.cell));
    }
    let header = Header {
        tile_type: match codec {
            Codec::Jpeg { .. } => TileType::Jpeg,
            Codec::Webp { .. } => TileType::Webp,
            Codec::Png => TileType::Png,
        },
        min_zoom: zooms.min,
        max_zoom: zooms.max,
        bounds_lonlat,
        name: title.to_owned(),
        attribution: context.dataset.metadata.attribution.clone().unwrap_or_default(),
        metadata,
    };
    let mut writer = Writer::create(path, &header)?;
    if !product.is_halved() {
        copy_sorted(&mut writer, product, context)?;
        writer.finish()?;
        return Ok(());
    }
    let root: Vec<&UnitResult> = product.results(&context.results[ROOT]).collect();
    let stages = [
        (root, zooms.min..zooms.overview()),
        (along_the_curve(product, context, OVERVIEW), zooms.overview().max(zooms.min)..zooms.block),
        (along_the_curve(product, context, RENDER), zooms.block.max(zooms.min)..zooms.max + 1),
    ];
    // On a thread of the pool, which has the other read without having to wait for it each time.
    rayon::scope(|_| stages.into_iter().try_for_each(|(results, zooms)| copy(&mut writer, &results, zooms)))?;
    writer.finish()?;
    Ok(())
}

fn along_the_curve<'a>(product: &Product, context: &'a AssembleContext<'_>, stage: usize) -> Vec<&'a UnitResult> {
    let mut sorted = product.own(&context.results[stage]);
    sorted.sort_by_key(|(tile, _)| tile.id());
    sorted.into_iter().map(|(_, result)| result).collect()
}

/// Packs that stay open from one zoom to the next: opening one costs more than reading some dozens of its tiles.
const MAX_OPEN: usize = 64;
/// Tiles that are read while as many are written: a megabyte or two.
const AT_ONCE: usize = 64;

/// Adds the tiles of some zooms; the next are read while some are written, where a thread is free.
fn copy(writer: &mut Writer, results: &[&UnitResult], zooms: std::ops::Range<u8>) -> Result<()> {
    let mut open = BTreeMap::new();
    let (mut read, mut coming) = (Stretch::default(), Stretch::default());
    for zoom in zooms {
        for (index, result) in results.iter().enumerate() {
            let (pack, listed) = if let Some(known) = open.remove(&index) {
                known
            } else {
                let pack = PackEntries::open(&result.path)?;
                let listed = sorted(pack.names());
                (pack, listed)
            };
            let wanted: Vec<Tile> = listed.iter().filter(|tile| tile.z == zoom).copied().collect();
            for part in wanted.chunks(AT_ONCE) {
                let (written, done) = rayon::join(|| read.write(writer), || coming.read(&pack, part));
                written.and(done)?;
                std::mem::swap(&mut read, &mut coming);
            }
            if open.len() < MAX_OPEN {
                open.insert(index, (pack, listed));
            }
        }
    }
    read.write(writer)
}

/// Tiles in the memory of those before them.
#[derive(Default)]
struct Stretch {
    /// With the number of its bytes.
    tiles: Vec<(Tile, usize)>,
    bytes: Vec<u8>,
}

impl Stretch {
    fn read(&mut self, pack: &PackEntries, tiles: &[Tile]) -> Result<()> {
        self.tiles.clear();
        let mut at = 0;
        for tile in tiles {
            let size = pack.read_into(&tile.to_string(), &mut self.bytes, at)?;
            self.tiles.push((*tile, size));
            at += size;
        }
        Ok(())
    }

    fn write(&self, writer: &mut Writer) -> Result<()> {
        let mut rest = &self.bytes[..];
        for &(tile, size) in &self.tiles {
            let (bytes, more) = rest.split_at(size);
            writer.add(tile.z, tile.x, tile.y, bytes)?;
            rest = more;
        }
        Ok(())
    }
}

/// The same where the units' tiles are no stretches of the curve: all tiles are listed first.
fn copy_sorted(writer: &mut Writer, product: &Product, context: &AssembleContext<'_>) -> Result<()> {
    let mut results: Vec<&UnitResult> = Vec::new();
    let mut listed: Vec<(u64, Tile, usize)> = Vec::new();
    for stage in [RENDER, OVERVIEW, ROOT] {
        for result in product.results(&context.results[stage]) {
            listed.extend(tiles(&result.pack()?).into_iter().map(|tile| (tile.id(), tile, results.len())));
            results.push(result);
        }
    }
    listed.sort_unstable();
    let mut open: Option<(usize, Pack)> = None;
    for (_, tile, index) in listed {
        let pack = match &mut open {
            Some((opened, pack)) if *opened == index => pack,
            other => &mut other.insert((index, results[index].pack()?)).1,
        };
        let bytes = pack.read(&tile.to_string())?;
        writer.add(tile.z, tile.x, tile.y, &bytes)?;
    }
    Ok(())
}

/// The tiles of a pack, in order.
pub fn tiles(pack: &Pack) -> Vec<Tile> {
    sorted(pack.entries().keys().map(String::as_str))
}

fn sorted<'a>(names: impl Iterator<Item = &'a str>) -> Vec<Tile> {
    let mut tiles: Vec<Tile> = names.filter_map(|name| name.parse().ok()).collect();
    tiles.sort_by_cached_key(|tile| tile.id());
    tiles
}

/// Writes all tiles as files `{level}/{column}/{row}.{extension}`; the level is named as the tile matrix set names it.
pub fn tree(folder: &Path, product: &Product, context: &AssembleContext<'_>) -> Result<()> {
    let extension = product.target.codec().extension();
    let mut folders = BTreeSet::new();
    for stage in [RENDER, OVERVIEW, ROOT] {
        for result in product.results(&context.results[stage]) {
            let mut pack = result.pack()?;
            for tile in tiles(&pack) {
                let column = folder.join(&product.matrix.level(tile.z).id).join(tile.x.to_string());
                if folders.insert((tile.z, tile.x)) {
                    atomic::create_dir_all(&column)?;
                }
                atomic::write_unseen(&column.join(format!("{}.{extension}", tile.y)), &pack.read(&tile.to_string())?)?;
            }
        }
    }
    Ok(())
}
