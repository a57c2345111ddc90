//! Stage `tiles`: vector tiles of `WebMercatorQuad`, a unit for each square of the zooms 0, 4, 8 and 12 that has features. Tiles that
//! nothing new touches are taken over from the night before.

use super::cells::{CELL_ZOOM, Cell, is_wide, name};
use super::options::{Options, table_name};
use super::rows::{GEOMETRY, from_ipc};
use super::whole::{Whole, cells_of};
use crate::crs::{Bbox, Crs, Operation};
use crate::dataset::vector_tiles::{Brush, Drawing, Made, Parts, Pyramid, Thing, Tile, around, parse_tile, tile_at, touched};
use crate::dataset::{Outcome, PlanContext, UnitContext, UnitResult};
use crate::error::{Error, Result};
use crate::format::cells::{Cell as Attribute, Cells};
use crate::format::mvt::{EXTENT, Value};
use crate::format::wkb;
use crate::io::Digest;
use crate::plan::{Input, UnitSpec};
use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::UInt64Type;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Zooms of the squares that units draw below: each down to the next.
const ROOTS: [u8; 4] = [0, 4, 8, 12];
/// Below the highest zoom this is the least size that is drawn, in units of a tile: a pixel.
const SMALL_UNITS: f64 = 8.0;
/// Below the highest zoom one point stands for all others in its square of so many units.
const POINT_UNITS: f64 = 32.0;
/// Features that are drawn at once.
const PART: usize = 1024;

/// The zooms that a unit draws below its square; `None` when it draws none.
fn zooms(root: u8, [low, high]: [u8; 2]) -> Option<[u8; 2]> {
    let last = if root == CELL_ZOOM { 18 } else { root + 3 };
    let zooms = [low.max(root), high.min(last)];
    (zooms[0] <= zooms[1]).then_some(zooms)
}

/// One unit for each square with features.
///
/// # Errors
/// When the files are in different CRSs, or a result cannot be read.
pub fn units(options: &Options, context: &PlanContext<'_>, read: &[UnitResult]) -> Result<Vec<UnitSpec>> {
    if !context.wants("pmtiles") || read.is_empty() {
        return Ok(Vec::new());
    }
    let crs = Whole::of(read)?.crs;
    let mut squares: BTreeMap<Tile, Vec<Input>> = BTreeMap::new();
    for (result, cells) in read.iter().zip(cells_of(read)?) {
        let pack = result.pack()?;
        for (cell, info) in cells {
            let entry = name(cell);
            let Some(known) = pack.entries().get(&entry) else { continue };
            let input = result.entry_as_input(&entry, *known);
            for root in ROOTS.into_iter().filter(|root| zooms(*root, options.zoom).is_some()) {
                let shift = CELL_ZOOM - root;
                let mut squares_of: BTreeSet<Cell> = info.blocks.iter().map(|(x, y)| (x >> shift, y >> shift)).collect();
                if let Some(wide) = info.wide.filter(|_| root < CELL_ZOOM) {
                    let [x0, x1, y0, y1] = touched(&wide, root);
                    squares_of.extend((x0..=x1).flat_map(|x| (y0..=y1).map(move |y| (x, y))));
                }
                for (x, y) in squares_of {
                    squares.entry((root, x, y)).or_default().push(input.clone());
                }
            }
        }
    }
    let table = table_name(context.dataset);
    let unit = |((root, x, y), inputs): (Tile, Vec<Input>)| {
        let size: u64 = inputs.iter().map(|input| input.size).sum();
        let key = format!("{root}/{x}/{y}");
        // Squares above each other may have the same inputs.
        let params = serde_json::json!({ "crs": crs, "zoom": options.zoom, "layer": table, "tile": key });
        let memory_mb = 64 + (size >> 20).saturating_mul(4);
        UnitSpec { key, inputs, params, bbox: None, memory_mb, cost: size }
    };
    Ok(squares.into_iter().map(unit).collect())
}

/// A feature that may be drawn.
struct Shown {
    thing: Thing,
    batch: usize,
    row: usize,
}

/// Draws the tiles of a square.
pub fn execute(options: &Options, unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
    let crs: Crs = serde_json::from_value(unit.params["crs"].clone())
        .map_err(|error| Error::new("mk::run::params", "the parameters of the unit are not as expected").because(error))?;
    let layer = unit.params["layer"].as_str().unwrap_or_default().to_owned();
    let root = parse_tile(&unit.key)?;
    let [low, high] = zooms(root.0, options.zoom).unwrap_or([1, 0]);
    let whole = high == options.zoom[1];
    let operation = Operation::between(crs, Crs::WEB_MERCATOR, &context.area.grids)?;
    let mut batches: Vec<RecordBatch> = Vec::new();
    let mut shown: Vec<Shown> = Vec::new();
    for input in &unit.inputs {
        context.check()?;
        let rows = from_ipc(&context.entry(input)?)?;
        let visible = |world: &Bbox, is_point: bool| {
            // What is too large for blocks is drawn in none of them.
            !(root.0 == CELL_ZOOM && is_wide(world)) && (whole || is_point || !is_small(world, high))
        };
        let here = shown_of(&rows, &operation, batches.len(), visible)?;
        if !here.is_empty() {
            shown.extend(here);
            batches.push(rows);
        }
    }
    let things: Vec<Thing> = shown.iter().map(|shown| shown.thing).collect();
    let pyramid = Pyramid { root, low, high };
    let made = Made::of(&things, pyramid, unit.params.to_string().as_bytes());
    let (kept, wanted) = made.kept(context.previous);
    let indices: Vec<usize> = (0..shown.len()).filter(|index| made.is_wanted(*index, 0, &wanted)).collect();
    let columns: Vec<Vec<(&str, Cells<'_>)>> = batches.iter().map(tagged).collect();
    let mut crowds = Crowds::default();
    let mut drawing = Drawing::new(vec![&layer]);
    for indices in indices.chunks(PART) {
        context.check()?;
        let drawn = indices
            .par_iter()
            .map(|index| {
                let Shown { batch, row, .. } = shown[*index];
                let rows = &batches[batch];
                let shapes = column(rows, GEOMETRY)?.as_binary::<i32>();
                let shape = Parts::new(&wkb::decode(shapes.value(row))?, &operation)?;
                let mut pieces = Vec::new();
                Brush { layer: 0, low, high }.draw(&shape, root, &wanted, &mut pieces);
                let spot = match &shape {
                    Parts::Points(points) => points.first().copied(),
                    _ => None,
                };
                let tags = columns[batch].iter().filter_map(|(name, column)| Some((*name, tag(*column, row)?)));
                let tags: Vec<(&str, Value)> = tags.collect();
                Ok((pieces, spot, tags))
            })
            .collect::<Result<Vec<_>>>()?;
        for (mut pieces, spot, tags) in drawn {
            if let Some(spot) = spot {
                pieces.retain(|piece| piece.tile.0 == options.zoom[1] || crowds.is_first(piece.tile, spot));
            }
            drawing.put(&pieces, |_| &tags);
        }
    }
    let tiles = drawing.finish(kept, context.pack)?;
    let (name, bytes) = made.entry();
    context.pack.add(name, &bytes)?;
    Ok(Outcome { summary: serde_json::json!({ "tiles": tiles }), ..Outcome::default() })
}

/// Squares of tiles that have a point already.
#[derive(Default)]
struct Crowds {
    taken: BTreeMap<Tile, BTreeSet<(u32, u32)>>,
}

impl Crowds {
    /// True for the first point of its square.
    fn is_first(&mut self, tile: Tile, at: [f64; 2]) -> bool {
        let across = f64::from(1_u32 << tile.0) * f64::from(EXTENT) / POINT_UNITS;
        let square = at.map(|value| (value * across).floor().max(0.0) as u32);
        self.taken.entry(tile).or_default().insert((square[0], square[1]))
    }
}

fn column<'r>(rows: &'r RecordBatch, name: &str) -> Result<&'r ArrayRef> {
    rows.column_by_name(name).ok_or_else(|| super::rows::failed(format!("no column '{name}'")))
}

/// The rows that are drawn.
fn shown_of(
    rows: &RecordBatch,
    operation: &Operation,
    batch: usize,
    visible: impl Fn(&Bbox, bool) -> bool + Sync,
) -> Result<Vec<Shown>> {
    let shapes = column(rows, GEOMETRY)?.as_binary::<i32>();
    let digests = column(rows, super::rows::DIGEST)?.as_primitive::<UInt64Type>();
    let of = |row: usize| -> Result<Option<Shown>> {
        let summary = wkb::summary(shapes.value(row))?;
        let world = around(summary.bbox, operation)?;
        if !visible(&world, matches!(summary.kind, 1 | 4)) {
            return Ok(None);
        }
        let digest = Thing::mark(Digest::of(&digests.value(row).to_le_bytes()));
        Ok(Some(Shown { thing: Thing { world, digest, low: 0 }, batch, row }))
    };
    let all: Vec<Option<Shown>> = (0..rows.num_rows()).into_par_iter().map(of).collect::<Result<_>>()?;
    Ok(all.into_iter().flatten().collect())
}

/// True for what vanishes at a zoom.
fn is_small(world: &Bbox, zoom: u8) -> bool {
    let units = f64::from(1_u32 << zoom) * f64::from(EXTENT);
    world.width().max(world.height()) * units < SMALL_UNITS
}

/// The columns that become tags, by name.
fn tagged(rows: &RecordBatch) -> Vec<(&str, Cells<'_>)> {
    let columns = rows.schema_ref().fields().iter().zip(rows.columns()).skip(2).filter(|(field, _)| field.name() != GEOMETRY);
    columns.filter_map(|(field, column)| Some((field.name().as_str(), Cells::of(column)?))).collect()
}

fn tag(column: Cells<'_>, row: usize) -> Option<Value> {
    Some(match column.at(row)? {
        Attribute::Text(text) => Value::Text(text.to_owned()),
        Attribute::Day(day) => Value::Text(day),
        Attribute::Long(number) => Value::Whole(number),
        Attribute::Int(number) => Value::Whole(number.into()),
        Attribute::Real(number) => Value::Real(number),
        Attribute::Truth(truth) => Value::Truth(truth),
        Attribute::Bytes(_) => return None,
    })
}

/// The squares whose tiles show a place, for questions after an object.
pub fn squares_at(world: [f64; 2], options: &Options) -> Vec<String> {
    let roots = ROOTS.into_iter().filter(|root| zooms(*root, options.zoom).is_some());
    roots
        .map(|root| {
            let (x, y) = tile_at(world, root);
            format!("{root}/{x}/{y}")
        })
        .collect()
}
