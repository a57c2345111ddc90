//! Stage `tiles`: vector tiles of `WebMercatorQuad`, a unit for each block of zoom 13 and for each overview of zoom 10.
//! Tiles that nothing new touches are taken over from the night before; of others, what was drawn of things that are the same.

mod layers;
mod sketches;
mod things;

pub use layers::LAYERS;
pub use things::{blocks as drawn_blocks, entry as drawn_entry};

use super::history::{StateSummary, store};
use super::row::{Look, Row};
use super::said::broken;
use super::{Options, STATE};
use crate::crs::{Bbox, Crs, Operation};
use crate::dataset::vector_tiles::{Brush, Drawing, Made, Mark, Pyramid, Thing, Wanted, parse_tile, tile_at, to_world, touched};
use crate::dataset::{Outcome, PlanContext, UnitContext, check};
use crate::error::{Error, Result};
use crate::io::atomic;
use crate::plan::{Input, UnitSpec};
use crate::vector::arc::Point;
use rayon::prelude::*;
use sketches::Sketches;
use std::collections::BTreeMap;
use std::path::PathBuf;
use store::{Need, RowReader};

/// Zoom of a block: some three kilometres at our latitude. In it parcels are drawn; above, only land use is.
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
    /// The way from the CRS of the rows to the map.
    pub fn operation(&self) -> &Operation {
        &self.operation
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
            let inputs = store::inputs_of(state, &pack, &key, Need::Drawn);
            let ground = store::inputs_of(state, &pack, &key, Need::DrawnGround);
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
    let as_of = options.moment();
    let operation = Operation::between(crs, Crs::WEB_MERCATOR, &context.area.grids)?;
    let pyramid = Pyramid { root: (root, x, y), low, high };
    let mut things: Vec<Thing> = Vec::new();
    let mut parts = Vec::new();
    store::each_drawn(&unit.inputs, |rows, said| {
        let first = things.len();
        things.extend(things::of_entry(said)?.filter(|thing| thing.low <= high));
        parts.push((rows, first..things.len()));
        Ok(())
    })?;
    let how = unit.params.to_string();
    let made = Made::of(&things, pyramid, how.as_bytes());
    let marks: Vec<(Mark, u8)> = things.iter().map(|thing| (thing.digest, thing.low)).collect();
    drop(things);
    let earlier = Sketches::earlier(how.as_bytes(), context.previous);
    let known = earlier.as_ref().and_then(|earlier| earlier.by_mark().ok());
    // What is new is drawn in all tiles that it touches, as all of them become others. So sketches are always whole: but for this,
    // tiles of a result without any are not taken over.
    let (kept, wanted) = made.kept(context.previous.filter(|_| known.is_some()));
    let known = known.unwrap_or_default();
    let drawing = Drawing::new(LAYERS.iter().map(|layer| layer.name).collect());
    let mut canvas = Canvas { drawing, operation, pyramid, wanted, sketches: Sketches::new(how.as_bytes(), earlier.as_ref()) };
    let (mut reader, mut waiting) = (RowReader::default(), Vec::new());
    for (rows, indices) in parts {
        check(context.cancel)?;
        let first = indices.start;
        let are_wanted: Vec<bool> = indices.map(|at| made.is_wanted(at, marks[at].1, &canvas.wanted)).collect();
        let is_new = |at: usize| are_wanted[at] && !known.contains_key(&marks[first + at].0);
        let mut found = Vec::new().into_iter();
        if (0..are_wanted.len()).any(is_new) {
            let mut at = 0..;
            let drawn = |class: &str| layers::lowest_zoom(class).is_some_and(|zoom| zoom <= high);
            let wanted = |look: Look<'_>| drawn(look.class) && at.next().is_some_and(|at| at < are_wanted.len() && is_new(at));
            found = reader.rows(&rows, as_of.as_deref(), wanted)?.into_iter();
        }
        for (at, (mark, _)) in marks[first..first + are_wanted.len()].iter().enumerate() {
            let sketch = known.get(mark).copied();
            let row = if is_new(at) { Some(found.next().ok_or_else(broken)?) } else { None };
            if row.is_some() || sketch.is_some() {
                // No later night draws on what a conversion drew.
                let mark = (!atomic::passes()).then_some(*mark);
                waiting.push(Step { mark, sketch, row, is_drawn: are_wanted[at] });
            }
        }
        if waiting.len() >= THINGS_AT_ONCE {
            canvas.draw(&std::mem::take(&mut waiting))?;
        }
    }
    canvas.draw(&waiting)?;
    let count = canvas.drawing.finish(kept, context.pack)?;
    if !atomic::passes() {
        let (name, bytes) = made.entry();
        context.pack.add(name, &bytes)?;
        canvas.sketches.write(context.pack)?;
    }
    Ok(Outcome { summary: serde_json::json!({ "tiles": count }), ..Outcome::default() })
}

/// Things that are drawn together, at least; with fewer there is too little to do on all threads.
const THINGS_AT_ONCE: usize = 4096;

/// A thing on its way to the tiles.
struct Step<'s> {
    /// Where it is to be kept what is drawn of it.
    mark: Option<Mark>,
    /// What was drawn of it.
    sketch: Option<&'s [u8]>,
    /// Where that is not enough: it itself.
    row: Option<Row>,
    /// False when no tile that it touches becomes another.
    is_drawn: bool,
}

/// Tiles being drawn.
struct Canvas<'n> {
    drawing: Drawing<'n>,
    operation: Operation,
    pyramid: Pyramid,
    wanted: Wanted,
    sketches: Sketches,
}

impl Canvas<'_> {
    /// Draws things side by side, some at a time, and puts them into their tiles in order.
    fn draw(&mut self, steps: &[Step<'_>]) -> Result<()> {
        let Pyramid { root, low, high } = self.pyramid;
        for steps in steps.chunks(1024) {
            let drawn = steps
                .par_iter()
                .map(|Step { mark, sketch, row, is_drawn }| {
                    let Some(row) = row else {
                        let sketch = sketch.filter(|_| *is_drawn);
                        let drawn = sketch.map(|bytes| sketches::decode(bytes, root, |tile| self.wanted.is_drawn(tile)));
                        return Ok((drawn.transpose()?, None));
                    };
                    let mut pieces = Vec::new();
                    for layer in layers::of_class(&row.class) {
                        let Some(shape) = layers::shape(row, *layer, &self.operation)? else { continue };
                        let brush = Brush { layer: *layer, low: low.max(LAYERS[*layer].low_zoom), high };
                        brush.draw(&shape, root, &self.wanted, &mut pieces);
                    }
                    let tags = layers::tags(row);
                    let is_new = mark.is_some() && sketch.is_none();
                    let new = is_new.then(|| sketches::encode(&tags, &pieces, root)).transpose()?;
                    Ok((Some((tags, pieces)), new))
                })
                .collect::<Result<Vec<_>>>()?;
            for ((drawn, new), Step { mark, sketch, .. }) in drawn.iter().zip(steps) {
                if let Some((tags, pieces)) = drawn {
                    self.drawing.put(pieces, |layer| tags.get(layer));
                }
                if let (Some(mark), Some(sketch)) = (mark, sketch.or(new.as_deref())) {
                    self.sketches.add(mark, sketch);
                }
            }
        }
        Ok(())
    }
}

/// The block that a key `13/x/y` names.
pub fn block_of(key: &str) -> Result<(u32, u32)> {
    parse_tile(key).map(|(_, x, y)| (x, y))
}
