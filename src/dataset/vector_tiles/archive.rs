//! The tiles in the packs of units as one PMTiles archive.

use super::{Tile, parse_tile};
use crate::crs::Bbox;
use crate::dataset::UnitResult;
use crate::error::Result;
use crate::format::pmtiles;
use serde_json::Value;
use std::path::Path;

/// What the archive says about itself.
pub struct MapHeader<'a> {
    /// Name of the map.
    pub name: &'a str,
    /// Extent in longitude and latitude.
    pub bounds_lonlat: Bbox,
    /// Attribution that the map has to show.
    pub attribution: Option<&'a str>,
    /// The layers as TileJSON 3.0 (3.3) describes them.
    pub layers: Vec<Value>,
}

/// Joins the tiles of all units, which are entries named `zoom/x/y`; gives their number. Without a tile there is no archive.
///
/// # Errors
/// When a pack cannot be read or the archive not be written.
pub fn join(path: &Path, results: &[UnitResult], header: &MapHeader<'_>) -> Result<u64> {
    let mut packs = results.iter().map(UnitResult::pack).collect::<Result<Vec<_>>>()?;
    let mut tiles = Vec::new();
    for (index, pack) in packs.iter().enumerate() {
        for (z, x, y) in pack.entries().keys().filter_map(|name| parse_tile(name).ok()) {
            tiles.push((pmtiles::tile_id(z, x, y)?, index, z, x, y));
        }
    }
    tiles.sort_unstable();
    let (Some(first), Some(last)) = (tiles.first(), tiles.last()) else { return Ok(0) };
    let mut writer = create(path, header, [first.2, last.2])?;
    for (_, index, z, x, y) in tiles {
        let bytes = packs[index].read(&format!("{z}/{x}/{y}"))?;
        writer.add(z, x, y, &bytes)?;
    }
    let count = writer.count();
    writer.finish()?;
    Ok(count)
}

/// Writes tiles that are at hand, packed; gives their number. Without a tile there is no archive.
///
/// # Errors
/// When the archive cannot be written.
pub fn write(path: &Path, tiles: Vec<(Tile, Vec<u8>)>, header: &MapHeader<'_>) -> Result<u64> {
    let sorted = tiles.into_iter().map(|((z, x, y), bytes)| Ok((pmtiles::tile_id(z, x, y)?, (z, x, y), bytes)));
    let mut sorted = sorted.collect::<Result<Vec<_>>>()?;
    sorted.sort_unstable_by_key(|(id, ..)| *id);
    let (Some(first), Some(last)) = (sorted.first(), sorted.last()) else { return Ok(0) };
    let mut writer = create(path, header, [first.1.0, last.1.0])?;
    for (_, (z, x, y), bytes) in &sorted {
        writer.add(*z, *x, *y, bytes)?;
    }
    let count = writer.count();
    writer.finish()?;
    Ok(count)
}

fn create(path: &Path, header: &MapHeader<'_>, [min_zoom, max_zoom]: [u8; 2]) -> Result<pmtiles::Writer> {
    let header = pmtiles::Header {
        tile_type: pmtiles::TileType::Mvt,
        min_zoom,
        max_zoom,
        bounds_lonlat: header.bounds_lonlat,
        name: header.name.to_owned(),
        attribution: header.attribution.unwrap_or_default().to_owned(),
        metadata: serde_json::Map::from_iter([("vector_layers".to_owned(), header.layers.clone().into())]),
    };
    pmtiles::Writer::create(path, &header)
}
