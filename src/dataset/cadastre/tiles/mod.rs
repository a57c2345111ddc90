//! Stage `tiles`: vector tiles of `WebMercatorQuad`, a unit for each block of zoom 13 and for each overview of zoom 10.
//! Tiles that nothing new touches are taken over from the night before.

mod layers;

pub use layers::LAYERS;

use super::history::{StateSummary, store};
use super::row::Row;
use super::{Options, STATE};
use crate::crs::{Bbox, Crs, Operation};
use crate::dataset::vector_tiles::{Brush, Drawing, Made, Pyramid, Thing, around, parse_tile, tile_at, to_world, touched};
use crate::dataset::{Outcome, PlanContext, UnitContext, check};
use crate::error::{Error, Result};
use crate::format::wkb;
use crate::io::Digest;
use crate::plan::{Input, UnitSpec};
use crate::vector::arc::Point;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;
use store::Need;

/// Zoom of a block: some three kilometres at our latitude. Parcels are drawn from here on: above, only land use is.
pub const BLOCK_ZOOM: u8 = 13;
/// Zoom of a unit that draws what is larger than a block.
pub const OVERVIEW_ZOOM: u8 = 10;
/// Blocks that one object may touch; more is no parcel.
const MAX_BLOCKS: u64 = 65_536;

/// The blocks whose buffered squares a rectangle of the unit square touches.
fn blocks_of(world: &Bbox) -> Vec<(u32, u32)> {
    let [x0, x1, y0, y1] = touched(world, BLOCK_ZOOM);
    if u64::from(x1 - x0 + 1) * u64::from(y1 - y0 + 1) > MAX_BLOCKS {
        return Vec::new();
    }
    (x0..=x1).flat_map(|x| (y0..=y1).map(move |y| (x, y))).collect()
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
    let drawn = |class: &str| layers::of_class(class).iter().any(|layer| LAYERS[*layer].low_zoom <= high);
    let as_of = options.moment();
    let operation = Operation::between(crs, Crs::WEB_MERCATOR, &context.area.grids)?;
    let pyramid = Pyramid { root: (root, x, y), low, high };
    // The rows are gone through twice, some at a time: what there is of them in memory does not depend on the size of the unit.
    let mut things: Vec<Thing> = Vec::new();
    let mut parts: Vec<(&[Input], Range<usize>)> = Vec::new();
    store::each_shown_cells(&unit.inputs, as_of.as_deref(), drawn, |inputs, rows| {
        let first = things.len();
        things.extend(rows.par_iter().map(|row| thing(row, &operation)).collect::<Result<Vec<_>>>()?);
        parts.push((inputs, first..things.len()));
        Ok(())
    })?;
    let made = Made::of(&things, pyramid, unit.params.to_string().as_bytes());
    drop(things);
    let (kept, wanted) = made.kept(context.previous);
    let mut drawing = Drawing::new(LAYERS.iter().map(|layer| layer.name).collect());
    for (inputs, indices) in parts {
        if !indices.clone().any(|row| made.is_wanted(row, &wanted)) {
            continue;
        }
        check(context.cancel)?;
        store::each_shown_cells(inputs, as_of.as_deref(), drawn, |_, rows| {
            let rows: Vec<&Row> =
                rows.iter().zip(indices.clone()).filter(|(_, at)| made.is_wanted(*at, &wanted)).map(|(row, _)| row).collect();
            // Rows are drawn side by side, some at a time, and put into their tiles in order.
            for rows in rows.chunks(1024) {
                let drawn = rows
                    .par_iter()
                    .map(|row| {
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
                    drawing.put(pieces, |layer| tags.get(layer));
                }
            }
            Ok(())
        })?;
    }
    let count = drawing.finish(kept, context.pack)?;
    let (name, bytes) = made.entry();
    context.pack.add(name, &bytes)?;
    Ok(Outcome { summary: serde_json::json!({ "tiles": count }), ..Outcome::default() })
}

/// What of a row is drawn, and where.
fn thing(row: &Row, operation: &Operation) -> Result<Thing> {
    let geometry = row.geometry.as_deref().unwrap_or_default();
    let digest = Digest::of_parts([row.class.as_bytes(), row.oid.as_bytes(), row.attributes.as_bytes(), geometry]);
    let bbox = if geometry.is_empty() { Bbox::EMPTY } else { wkb::summary(geometry)?.bbox };
    let low = layers::of_class(&row.class).iter().map(|layer| LAYERS[*layer].low_zoom).min().unwrap_or(0);
    Ok(Thing { world: around(bbox, operation)?, digest, low })
}

/// The block that a key `13/x/y` names.
pub fn block_of(key: &str) -> Result<(u32, u32)> {
    parse_tile(key).map(|(_, x, y)| (x, y))
}
