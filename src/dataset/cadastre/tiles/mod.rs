//! Stage `tiles`: vector tiles of `WebMercatorQuad`, a unit for each block of zoom 13 and for each overview of zoom 10.
//! Tiles that nothing new touches are taken over from the night before.

mod layers;
mod made;
mod shape;

pub use layers::LAYERS;

use super::history::{StateSummary, store};
use super::row::Row;
use super::{Options, STATE};
use crate::crs::{Bbox, Crs, Operation};
use crate::dataset::{Outcome, PlanContext, UnitContext};
use crate::error::{Error, Result};
use crate::format::mvt::{self, Layer};
use crate::format::pmtiles;
use crate::plan::{Input, UnitSpec};
use crate::vector::arc::Point;
use made::{Made, Pyramid};
use rayon::prelude::*;
use shape::{BUFFER, Brush};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use store::Need;

/// Zoom, column and row.
type Tile = (u8, u32, u32);

/// Zoom of a block: some three kilometres at our latitude. Parcels are drawn from here on: above, only land use is.
pub const BLOCK_ZOOM: u8 = 13;
/// Zoom of a unit that draws what is larger than a block.
pub const OVERVIEW_ZOOM: u8 = 10;
/// Half the width of the world in Web Mercator (metres).
const HALF_WORLD_M: f64 = 20_037_508.342_789_244;
/// Blocks that one object may touch; more is no parcel.
const MAX_BLOCKS: u64 = 65_536;

/// The blocks whose buffered squares a rectangle of the unit square touches.
fn blocks_of(world: &Bbox) -> Vec<(u32, u32)> {
    let across = f64::from(1_u32 << BLOCK_ZOOM);
    let low = |value: f64| (value * across - BUFFER).floor().clamp(0.0, across - 1.0) as u32;
    let high = |value: f64| (value * across + BUFFER).floor().clamp(0.0, across - 1.0) as u32;
    let (x0, x1) = (low(world.min[0]), high(world.max[0]));
    let (y0, y1) = (low(world.min[1]), high(world.max[1]));
    if u64::from(x1 - x0 + 1) * u64::from(y1 - y0 + 1) > MAX_BLOCKS {
        return Vec::new();
    }
    (x0..=x1).flat_map(|x| (y0..=y1).map(move |y| (x, y))).collect()
}

/// The tile that a point of the unit square lies in.
pub fn tile_at(world: Point, zoom: u8) -> (u32, u32) {
    let across = f64::from(1_u32 << zoom);
    let index = |value: f64| (value * across).floor().clamp(0.0, across - 1.0) as u32;
    (index(world[0]), index(world[1]))
}

/// Which blocks a row is drawn in.
pub struct Blocks {
    operation: Operation,
}

impl Blocks {
    /// For rows in a CRS.
    ///
    /// # Errors
    /// When there is no way from it to Web Mercator.
    pub fn new(crs: Crs, grids: &[PathBuf]) -> Result<Self> {
        Ok(Self { operation: Operation::between(crs, Crs::WEB_MERCATOR, grids)? })
    }
    /// The blocks of rows that are drawn, by the rectangles around them: those that any of them touches.
    ///
    /// # Errors
    /// When the rectangles cannot be transformed.
    pub fn of<'r>(&self, rows: impl Iterator<Item = (&'r Row, Bbox)>) -> Result<BTreeSet<(u32, u32)>> {
        let mut corners: Vec<Point> = rows
            .filter(|(row, _)| !layers::of_class(&row.class).is_empty())
            .flat_map(|(_, bbox)| [bbox.min, bbox.max, [bbox.min[0], bbox.max[1]], [bbox.max[0], bbox.min[1]]])
            .collect();
        self.operation.forward(&mut corners)?;
        let boxes = corners.chunks(4).map(|corners| Bbox::around(corners.iter().copied().map(to_world)));
        Ok(boxes.flat_map(|world| blocks_of(&world)).collect())
    }
    /// The block that each point lies in.
    ///
    /// # Errors
    /// When the points cannot be transformed.
    pub fn at(&self, mut points: Vec<Point>) -> Result<Vec<(u32, u32)>> {
        self.operation.forward(&mut points)?;
        Ok(points.into_iter().map(|point| tile_at(to_world(point), BLOCK_ZOOM)).collect())
    }
}

/// Web Mercator metres to the unit square, y downwards.
pub fn to_world(point: Point) -> Point {
    [f64::midpoint(point[0] / HALF_WORLD_M, 1.0), f64::midpoint(1.0, -point[1] / HALF_WORLD_M)]
}

/// One unit for each block of the state, and one for each tile of the overview above them.
pub fn units(options: &Options, context: &PlanContext<'_>) -> Result<Vec<UnitSpec>> {
    if !context.wants("pmtiles") {
        return Ok(Vec::new());
    }
    let mut units = Vec::new();
    for state in context.earlier.get(STATE).into_iter().flatten() {
        let summary: StateSummary = serde_json::from_value(state.outcome.summary.clone())
            .map_err(|error| Error::new("mk::run::result", "the state is not as expected").because(error))?;
        let Some(crs) = summary.crs else { continue };
        let unit = |key: String, inputs: Vec<Input>| {
            let size: u64 = inputs.iter().map(|input| input.size).sum();
            // An overview above one block has the inputs of that block: what is drawn makes the difference.
            let params = serde_json::json!({ "crs": crs, "zoom": options.zoom, "as_of": options.moment(), "tile": key });
            UnitSpec { key, inputs, params, bbox: None, memory_mb: 32 + (size >> 20).saturating_mul(8), cost: size }
        };
        // What is drawn in an overview is in the cells of the blocks below it, some of them of several.
        let mut overviews: BTreeMap<(u32, u32), BTreeMap<String, Input>> = BTreeMap::new();
        let mut blocks: BTreeMap<(u32, u32), Vec<Input>> = BTreeMap::new();
        let pack = state.pack()?;
        for (key, cell) in store::cells(state)? {
            let inputs = store::inputs_of(state, &pack, &key, Need::Areas);
            let ground = store::inputs_of(state, &pack, &key, Need::Ground);
            for (x, y) in cell.blocks {
                let shift = BLOCK_ZOOM - OVERVIEW_ZOOM;
                let overview = overviews.entry((x >> shift, y >> shift)).or_default();
                overview.extend(ground.iter().map(|input| (input.name.clone(), input.clone())));
                blocks.entry((x, y)).or_default().extend(inputs.iter().cloned());
            }
        }
        if options.zoom[1] >= BLOCK_ZOOM {
            units.extend(blocks.into_iter().map(|((x, y), inputs)| unit(format!("{BLOCK_ZOOM}/{x}/{y}"), inputs)));
        }
        if options.zoom[0] < BLOCK_ZOOM {
            units.extend(
                overviews
                    .into_iter()
                    .map(|((x, y), inputs)| unit(format!("{OVERVIEW_ZOOM}/{x}/{y}"), inputs.into_values().collect())),
            );
        }
    }
    Ok(units)
}

/// Draws the tiles of a block or an overview.
pub fn execute(options: &Options, unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
    let crs: Crs = serde_json::from_value(unit.params["crs"].clone())
        .map_err(|error| Error::new("mk::run::params", "the parameters of the unit are not as expected").because(error))?;
    let (x, y) = block_of(&unit.key)?;
    let overview = unit.key.starts_with("10/");
    let [low, high] = options.zoom;
    let (root, low, high) =
        if overview { (OVERVIEW_ZOOM, low, high.min(BLOCK_ZOOM - 1)) } else { (BLOCK_ZOOM, low.max(BLOCK_ZOOM), high) };
    let mut rows = Vec::new();
    let drawn = |class: &str| layers::of_class(class).iter().any(|layer| LAYERS[*layer].low_zoom <= high);
    store::each_shown(&unit.inputs, options.moment().as_deref(), drawn, |row| {
        rows.push(row);
        Ok(())
    })?;
    rows.sort_by(|a, b| (&a.class, &a.oid, &a.beginnt).cmp(&(&b.class, &b.oid, &b.beginnt)));
    let operation = Operation::between(crs, Crs::WEB_MERCATOR, &context.area.grids)?;
    let pyramid = Pyramid { root: (root, x, y), low, high };
    let made = Made::of(&rows, pyramid, &operation, unit.params.to_string().as_bytes())?;
    let (mut finished, wanted) = made.kept(context.previous);
    let indices: Vec<usize> = (0..rows.len()).filter(|row| made.is_wanted(*row, &wanted)).collect();
    let mut tiles: BTreeMap<Tile, [Layer; LAYERS.len()]> = BTreeMap::new();
    // Rows are drawn side by side, some at a time, and put into their tiles in order.
    for indices in indices.chunks(1024) {
        context.check()?;
        let drawn = indices
            .par_iter()
            .map(|index| {
                let row = &rows[*index];
                let mut pieces = Vec::new();
                for layer in layers::of_class(&row.class) {
                    let Some(shape) = layers::shape(row, *layer, &operation)? else { continue };
                    let brush = Brush { layer: *layer, low: low.max(LAYERS[*layer].low_zoom), high };
                    brush.draw(&shape, pyramid.root, &wanted, &mut pieces);
                }
                Ok((layers::tags(row), pieces))
            })
            .collect::<Result<Vec<_>>>()?;
        for (tags, pieces) in &drawn {
            for piece in pieces {
                let layers = tiles.entry(piece.tile).or_insert_with(|| LAYERS.each_ref().map(|layer| Layer::new(layer.name)));
                layers[piece.layer].add_drawn(&piece.drawn, tags.get(piece.layer));
            }
        }
    }
    let tiles: Vec<(Tile, Vec<u8>)> =
        tiles.into_par_iter().map(|(tile, layers)| Ok((tile, pmtiles::gzip(&mvt::tile(&layers))?))).collect::<Result<_>>()?;
    finished.extend(tiles);
    for ((z, x, y), bytes) in &finished {
        context.pack.add(&format!("{z}/{x}/{y}"), bytes)?;
    }
    let (name, bytes) = made.entry();
    context.pack.add(name, &bytes)?;
    Ok(Outcome { summary: serde_json::json!({ "tiles": finished.len() }), ..Outcome::default() })
}

/// The block that a key `13/x/y` names.
pub fn block_of(key: &str) -> Result<(u32, u32)> {
    let mut parts = key.split('/').skip(1).map(str::parse);
    match (parts.next(), parts.next()) {
        (Some(Ok(x)), Some(Ok(y))) => Ok((x, y)),
        _ => Err(Error::new("mk::run::params", format!("{key} is no block"))),
    }
}
