//! `buildings.pmtiles`: footprints with heights as vector tiles, which MapLibre extrudes (`fill-extrusion-height`).

use super::footprint::footprint;
use super::labels;
use super::measure::Measures;
use super::model::Building;
use crate::crs::{Bbox, Crs, Operation};
use crate::error::{Error, Place, Result};
use crate::format::mvt::{self, EXTENT, Layer, Shape, Value};
use crate::format::pmtiles::{self, Header, TileType};
use crate::format::tileset::Region;
use crate::io::{Pack, PackWriter};
use crate::vector::clip;
use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::path::{Path, PathBuf};

/// Zooms with buildings: at 13 a house is some units wide, beyond 16 a map enlarges.
const ZOOMS: [u8; 2] = [13, 16];
/// Half the width of the world in Web Mercator (metres).
const HALF_WORLD_M: f64 = 20_037_508.342_789_244;
/// Units around a tile that are drawn too, so that no border shows.
const BUFFER: f64 = 64.0;
/// Margin around a group, as a part of a sheet: some two metres.
const MARGIN: f64 = 1.0 / 2048.0;
/// Tiles that a building may touch at a zoom; more is no building.
const MAX_TILES: usize = 64;

/// Tiles while they are filled. A sheet (a tile of the lowest zoom with all below it) is put aside as soon as nothing
/// that is still to come touches it, so that memory does not grow with the town.
pub struct MapTiles {
    operation: Operation,
    /// By column and row at the lowest zoom.
    open: BTreeMap<[u32; 2], Sheet>,
    /// Tiles that are done.
    done: PackWriter,
    /// Place in the archive, zoom, column and row of those.
    index: Vec<(u64, [u32; 3])>,
}

#[derive(Default)]
struct Sheet {
    /// Groups of buildings that touch it and are still to come.
    awaited: usize,
    /// By place in the archive.
    tiles: BTreeMap<u64, ([u32; 3], Layer)>,
}

impl MapTiles {
    /// Nothing yet; `groups` are where the groups of buildings lie that will come, see [`Self::finish_group`]. Tiles that are done
    /// wait in a pack at `aside`.
    ///
    /// # Errors
    /// When there is no operation to Web Mercator, or its grid is missing, or the pack cannot be created.
    pub fn new(crs: Crs, grids: &[PathBuf], aside: &Path, groups: impl Iterator<Item = Region>) -> Result<Self> {
        let mut open: BTreeMap<[u32; 2], Sheet> = BTreeMap::new();
        for sheet in groups.flat_map(sheets) {
            open.entry(sheet).or_default().awaited += 1;
        }
        let operation = Operation::between(crs, Crs::WEB_MERCATOR, grids)?;
        Ok(Self { operation, open, done: PackWriter::create(aside)?, index: Vec::new() })
    }
    /// True while nothing was drawn.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty() && self.open.values().all(|sheet| sheet.tiles.is_empty())
    }
    /// Draws a building.
    ///
    /// # Errors
    /// When it lies outside the projection, or outside the groups that are still to come.
    pub fn add(&mut self, building: &Building) -> Result<()> {
        let mut polygons: Vec<Vec<Vec<[f64; 2]>>> = Vec::new();
        for rings in footprint(building) {
            let flat = rings.iter().map(|ring| ring.iter().map(|point| [point[0], point[1]]).collect());
            let mut rings: Vec<Vec<[f64; 2]>> = flat.collect();
            for ring in &mut rings {
                self.operation.forward(ring)?;
                for point in ring {
                    *point = [f64::midpoint(point[0] / HALF_WORLD_M, 1.0), f64::midpoint(1.0, -point[1] / HALF_WORLD_M)];
                }
            }
            polygons.push(rings);
        }
        let world = Bbox::around(polygons.iter().flatten().flatten().copied());
        if world.is_empty() {
            return Ok(());
        }
        let measures = Measures::of(building);
        let label = |name: &str, of: fn(&str) -> Option<String>| building.attribute(name).and_then(|code| of(code.as_text()?));
        let mut tags = vec![("id", Value::Text(building.id.clone()))];
        tags.extend(measures.height.map(|height| ("height", Value::Real((height * 100.0).round() / 100.0))));
        tags.extend(label("function", labels::function).map(|text| ("function_text", Value::Text(text))));
        tags.extend(label("roofType", labels::roof).map(|text| ("roofType_text", Value::Text(text))));
        for zoom in ZOOMS[0]..=ZOOMS[1] {
            let across = f64::from(1_u32 << zoom);
            let number = |value: f64| (value * across).floor().clamp(0.0, across - 1.0) as u32;
            let (x0, x1) = (number(world.min[0]), number(world.max[0]));
            let (y0, y1) = (number(world.min[1]), number(world.max[1]));
            let touched = (x0..=x1).flat_map(|x| (y0..=y1).map(move |y| (x, y)));
            for (x, y) in touched.take(MAX_TILES) {
                if let Some(shape) = in_tile(&polygons, across, x, y) {
                    let at = pmtiles::tile_id(zoom, x, y)?;
                    let above = zoom - ZOOMS[0];
                    let Some(sheet) = self.open.get_mut(&[x >> above, y >> above]) else {
                        let error = Error::new("mk::city_model::map", "it lies outside its tile");
                        return Err(error.at(Place::default().object(&building.id)));
                    };
                    let (_, layer) = sheet.tiles.entry(at).or_insert_with(|| ([zoom.into(), x, y], Layer::new("gebaeude")));
                    layer.add(&shape, &tags);
                }
            }
        }
        Ok(())
    }
    /// Says that all buildings of a group were added: sheets that nothing else touches are done.
    ///
    /// # Errors
    /// When the pack cannot be written.
    pub fn finish_group(&mut self, group: Region) -> Result<()> {
        for at in sheets(group) {
            let Some(sheet) = self.open.get_mut(&at) else { continue };
            sheet.awaited = sheet.awaited.saturating_sub(1);
            if sheet.awaited == 0
                && let Some(sheet) = self.open.remove(&at)
            {
                for (at, (place, layer)) in sheet.tiles.into_iter().filter(|(_, (_, layer))| !layer.is_empty()) {
                    self.done.add(&name(place), &pmtiles::gzip(&mvt::tile(&[layer]))?)?;
                    self.index.push((at, place));
                }
            }
        }
        Ok(())
    }
    /// Writes the archive.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(mut self, path: &Path, bounds_lonlat: Bbox, attribution: String) -> Result<()> {
        let fields =
            serde_json::json!({ "id": "String", "height": "Number", "function_text": "String", "roofType_text": "String" });
        let layers = serde_json::json!([{ "id": "gebaeude", "fields": fields, "minzoom": ZOOMS[0], "maxzoom": ZOOMS[1] }]);
        let header = Header {
            tile_type: TileType::Mvt,
            min_zoom: ZOOMS[0],
            max_zoom: ZOOMS[1],
            bounds_lonlat,
            name: "3D-Gebäude".to_owned(),
            attribution,
            metadata: serde_json::Map::from_iter([("vector_layers".to_owned(), layers)]),
        };
        let mut writer = pmtiles::Writer::create(path, &header)?;
        let mut done = Pack::open(&self.done.finish()?)?;
        self.index.sort_unstable();
        for (_, place @ [zoom, x, y]) in self.index {
            writer.add(zoom as u8, x, y, &done.read(&name(place))?)?;
        }
        writer.finish().map(|_| ())
    }
}

/// Name of a tile in the pack.
fn name([zoom, x, y]: [u32; 3]) -> String {
    format!("{zoom}/{x}/{y}")
}

/// The sheets that buildings within a region touch.
fn sheets(Region([west, south, east, north, ..]): Region) -> impl Iterator<Item = [u32; 2]> {
    let across = f64::from(1_u32 << ZOOMS[0]);
    // What lies on the border of a sheet counts to both: the region's way into the projection is not to the bit the points' own.
    let number = |value: f64, margin: f64| (value * across + margin).floor().clamp(0.0, across - 1.0) as u32;
    let column = |longitude: f64, margin| number(longitude / TAU + 0.5, margin);
    let row = |latitude: f64, margin| number(0.5 - latitude.tan().asinh() / TAU, margin);
    let (columns, rows) = (column(west, -MARGIN)..=column(east, MARGIN), row(north, -MARGIN)..=row(south, MARGIN));
    columns.flat_map(move |x| rows.clone().map(move |y| [x, y]))
}

/// The part of polygons within a tile and its buffer, in the tile's units; `None` when nothing is left.
fn in_tile(polygons: &[Vec<Vec<[f64; 2]>>], across: f64, x: u32, y: u32) -> Option<Shape> {
    let extent = f64::from(EXTENT);
    let frame = Bbox::new([-BUFFER; 2], [extent + BUFFER; 2]);
    let origin = [f64::from(x), f64::from(y)];
    let ring = |ring: &Vec<[f64; 2]>| -> Vec<mvt::Unit> {
        let local = ring.iter().map(|at| [(at[0] * across - origin[0]) * extent, (at[1] * across - origin[1]) * extent]);
        let kept = clip::ring(&local.collect::<Vec<_>>(), &frame);
        kept.into_iter().map(|at| at.map(|value| value.round() as i32)).collect()
    };
    let mut parts = Vec::new();
    for rings in polygons {
        let mut rings = rings.iter().map(ring);
        let Some(outer) = rings.next().filter(|outer| !outer.is_empty()) else { continue };
        parts.push(std::iter::once(outer).chain(rings.filter(|ring| !ring.is_empty())).collect());
    }
    (!parts.is_empty()).then_some(Shape::Polygons(parts))
}
