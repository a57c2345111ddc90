//! Stage `areas`: what parcels and land use share, and whether both are whole. A unit for each block of tiles, and one for the
//! references between all objects.
//!
//! A block that was done before is gone on from: what of its parcels and the land use on them is as it was is taken over. Which that
//! is, what is said of each area beside the rows of its cell tells ([`lots`]): the rows themselves are read only of what has changed.

mod apportion;
mod lots;
mod quality;
mod references;

use super::codes;
use super::history::{StateSummary, store};
use super::row::Row;
use super::tiles::{BLOCK_ZOOM, Blocks, block_of};
use super::{Options, STATE};
use crate::crs::Bbox;
use crate::dataset::{Outcome, PlanContext, UnitContext};
use crate::error::{Error, Rejection, Result};
use crate::format::wkb;
use crate::io::Digest;
use crate::plan::{Input, UnitSpec};
use crate::vector::overlay;
use ahash::RandomState;
pub use apportion::texts;
use geo::{Geometry, MultiPolygon};
use geo_index::rtree::sort::HilbertSort;
use geo_index::rtree::{RTree, RTreeBuilder, RTreeIndex};
pub use lots::Lots;
use lots::Mark;
use rayon::prelude::*;
pub use references::Links;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use store::{Need, RowReader, RowsAt};

/// Entries of a unit's pack, by cell, with the pieces of land use in its parcels.
pub const PIECES: &str = "pieces";
/// Entries with the text on land use that the parcels of a cell carry, by identifier.
pub const TEXTS: &str = "texts";
/// Key of the unit that looks at references.
const REFERENCES: &str = "references";

/// Digests of areas, and areas by them: they are asked for once for each pair of areas that touch.
type Digests = HashSet<Digest, RandomState>;
type LotsByDigest = HashMap<Digest, Lot, RandomState>;

/// What a row is to this stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Parcel,
    Use,
    Building,
}

fn part_of(class: &str) -> Option<Part> {
    if class == "AX_Flurstueck" {
        Some(Part::Parcel)
    } else if codes::land_use_class(class).is_some() {
        Some(Part::Use)
    } else if class == "AX_Gebaeude" {
        Some(Part::Building)
    } else {
        None
    }
}

/// What of a cell concerns this stage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CellAreas {
    /// Around its parcels and land use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bbox: Option<Bbox>,
    /// Blocks in which some of it begins, with what is around the parcels that do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    blocks: Vec<((u32, u32), Option<Bbox>)>,
}

impl CellAreas {
    /// Of the rows of a cell that are shown, with the rectangles around them.
    ///
    /// # Errors
    /// When the rectangles cannot be transformed.
    pub fn of<'r>(rows: impl Iterator<Item = (&'r Row, Bbox)>, blocks: &Blocks) -> Result<Self> {
        let known: Vec<(Part, Bbox)> = rows.filter_map(|(row, bbox)| part_of(&row.class).map(|part| (part, bbox))).collect();
        let anchors = blocks.at(known.iter().map(|(_, bbox)| bbox.min).collect())?;
        let union = |whole: Option<Bbox>, bbox: Bbox| Some(whole.map_or(bbox, |whole| whole.union(bbox)));
        let (mut around, mut extents) = (None, BTreeMap::new());
        for ((part, bbox), block) in known.into_iter().zip(anchors) {
            let extent = extents.entry(block).or_insert(None);
            if part == Part::Parcel {
                *extent = union(*extent, bbox);
            }
            if part != Part::Building {
                around = union(around, bbox);
            }
        }
        Ok(Self { bbox: around, blocks: extents.into_iter().collect() })
    }
}

/// One unit for each block of the state, and one for all references.
pub fn units(options: &Options, context: &PlanContext<'_>) -> Result<Vec<UnitSpec>> {
    // Vector tiles and the history need none of this.
    if matches!(context.only, Some("pmtiles" | "historie" | "aenderungen" | "quittierung")) {
        return Ok(Vec::new());
    }
    // Who wants just one file wants no list of what is wrong.
    let quality = context.wants("qualitaet");
    let mut units = Vec::new();
    for state in context.earlier.get(STATE).into_iter().flatten() {
        let summary: StateSummary = serde_json::from_value(state.outcome.summary.clone())
            .map_err(|error| Error::new("mk::run::result", "the state is not as expected").because(error))?;
        let unit = |key: String, inputs: Vec<Input>| {
            let size: u64 = inputs.iter().map(|input| input.size).sum();
            // A stock of one cell gives all its units the same input.
            let params = serde_json::json!({
                "crs": summary.crs, "owners": options.owners, "as_of": options.moment(), "unit": key, "quality": quality,
            });
            UnitSpec { key, inputs, params, bbox: None, memory_mb: 32 + (size >> 20).saturating_mul(4), cost: size }
        };
        let (pack, cells) = (state.pack()?, store::cells(state)?);
        let inputs = |key: &str, need: Need| store::inputs_of(state, &pack, key, need);
        if quality {
            units.push(unit(REFERENCES.to_owned(), cells.keys().flat_map(|key| inputs(key, Need::Links)).collect()));
        }
        let mut blocks: BTreeMap<(u32, u32), Bbox> = BTreeMap::new();
        for (block, extent) in cells.values().flat_map(|cell| &cell.areas.blocks) {
            let whole = blocks.entry(*block).or_insert(Bbox::EMPTY);
            *whole = whole.union(extent.unwrap_or(Bbox::EMPTY));
        }
        // A block needs what begins in it, and the parcels and land use that reach into the ground of its parcels.
        for ((x, y), extent) in blocks.into_iter().filter(|_| summary.crs.is_some()) {
            let needed = cells.iter().filter(|(_, cell)| {
                cell.areas.blocks.iter().any(|(block, _)| *block == (x, y))
                    || cell.areas.bbox.is_some_and(|bbox| bbox.intersects(&extent))
            });
            units.push(unit(format!("{BLOCK_ZOOM}/{x}/{y}"), needed.flat_map(|(key, _)| inputs(key, Need::Areas)).collect()));
        }
    }
    Ok(units)
}

/// The ground of a row.
struct Shape {
    area: MultiPolygon<f64>,
    bbox: Bbox,
}

impl Shape {
    /// `None` for a row without ground.
    fn of(row: &Row) -> Result<Option<Self>> {
        let Some(bytes) = &row.geometry else { return Ok(None) };
        let area = match wkb::decode(bytes)? {
            Geometry::Polygon(polygon) => MultiPolygon(vec![polygon]),
            Geometry::MultiPolygon(polygons) => polygons,
            _ => return Ok(None),
        };
        Ok(overlay::bbox(&area).map(|bbox| Self { area, bbox }))
    }
}

/// A parcel or an area of land use.
struct Lot {
    /// Without its geometry.
    row: Row,
    shape: Shape,
}

/// Intersects and looks at the areas of a block.
pub fn execute(options: &Options, unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
    if unit.key == REFERENCES {
        let findings = references::dangling(&unit.inputs, options.moment().as_deref())?;
        return Ok(Outcome { findings, ..Outcome::default() });
    }
    let (quality, block) = (unit.params["quality"] == true, block_of(&unit.key)?);
    let (ground, mut findings) = Ground::of(&unit.inputs, block)?;
    context.check()?;
    let mut shares = apportion::Shares::begin(&ground, context.previous);
    let lines = quality.then(|| quality::Lines::begin(&ground, context.previous));
    // Only what is cut or compared anew is needed whole.
    let mut needed = shares.needed();
    if lines.as_ref().is_some_and(quality::Lines::are_new) {
        needed.extend(ground.parcels.iter().map(|mark| mark.digest));
    }
    let lots = ground.lots(&needed, options.moment().as_deref(), context)?;
    context.check()?;
    shares.cut(&lots)?;
    shares.write(context.pack)?;
    if let Some(lines) = lines {
        findings.extend(lines.finish(&ground, &lots, context.pack)?);
    }
    Ok(Outcome { findings, ..Outcome::default() })
}

/// What lies in a block or reaches into it, ordered by class and object.
struct Ground<'i> {
    block: (u32, u32),
    parcels: Vec<Mark>,
    uses: Vec<Mark>,
    cells: Vec<(RowsAt<'i>, Digests)>,
}

impl<'i> Ground<'i> {
    /// From the inputs of a unit; with what was found when their cells were folded.
    fn of(inputs: &'i [Input], block: (u32, u32)) -> Result<(Self, Vec<Rejection>)> {
        let mut ground = Self { block, parcels: Vec::new(), uses: Vec::new(), cells: Vec::new() };
        let mut findings = Vec::new();
        store::each_lots(inputs, |rows, said| {
            let mut lots = Lots::from_bytes(said)?;
            lots.marks.iter_mut().for_each(|mark| mark.cell = ground.cells.len());
            ground.cells.push((rows, lots.marks.iter().map(|mark| mark.digest).collect()));
            let (parcels, uses): (Vec<Mark>, Vec<Mark>) = lots.marks.into_iter().partition(|mark| mark.part == Part::Parcel);
            ground.parcels.extend(parcels);
            ground.uses.extend(uses);
            findings.extend(lots.findings.into_iter().filter(|(of, _)| *of == block).map(|(_, finding)| finding));
            Ok(())
        })?;
        for marks in [&mut ground.parcels, &mut ground.uses] {
            marks.sort_by(|a, b| (&a.class, &a.oid, &a.beginnt).cmp(&(&b.class, &b.oid, &b.beginnt)));
        }
        findings.sort_by(|a, b| (&a.code, &a.object_type, &a.place.object).cmp(&(&b.code, &b.object_type, &b.place.object)));
        Ok((ground, findings))
    }

    /// The key of a cell.
    fn cell(&self, index: usize) -> &str {
        self.cells.get(index).map_or("", |(rows, _)| rows.cell())
    }

    /// True for what begins in the block: what is said of it is said here.
    fn is_ours(&self, mark: &Mark) -> bool {
        mark.block == self.block
    }

    /// The areas of these digests, by them.
    fn lots(&self, needed: &Digests, as_of: Option<&str>, context: &UnitContext<'_>) -> Result<LotsByDigest> {
        let mut reader = RowReader::default();
        let mut lots = LotsByDigest::default();
        let marks = self.parcels.iter().chain(&self.uses);
        let named: HashSet<&str, RandomState> =
            marks.filter(|mark| needed.contains(&mark.digest)).map(|mark| &*mark.oid).collect();
        for (at, known) in self.cells.iter().filter(|(_, known)| !known.is_disjoint(needed)) {
            context.check()?;
            let whole = known.is_subset(needed);
            let is_lot = |class: &str| part_of(class).is_some_and(|part| part != Part::Building);
            let rows = reader.rows(at, as_of, |look| is_lot(look.class) && (whole || named.contains(look.oid)))?;
            let made = rows.into_par_iter().map(|mut row| {
                let digest = lots::digest(&row, row.geometry.as_deref().unwrap_or_default());
                let Some(shape) = Shape::of(&row)?.filter(|_| needed.contains(&digest)) else { return Ok(None) };
                row.geometry = None;
                Ok(Some((digest, Lot { row, shape })))
            });
            lots.extend(made.collect::<Result<Vec<_>>>()?.into_iter().flatten());
        }
        Ok(lots)
    }
}

/// An index over the rectangles of lots.
struct Index(Option<RTree<f64>>);

impl Index {
    fn new(boxes: impl ExactSizeIterator<Item = Bbox>) -> Self {
        let count = u32::try_from(boxes.len()).unwrap_or(u32::MAX);
        if count == 0 {
            return Self(None);
        }
        let mut builder = RTreeBuilder::<f64>::new(count);
        for bbox in boxes {
            builder.add(bbox.min[0], bbox.min[1], bbox.max[0], bbox.max[1]);
        }
        Self(Some(builder.finish::<HilbertSort>()))
    }
    /// Those that a rectangle touches, in their order.
    fn touched(&self, bbox: &Bbox) -> BTreeSet<usize> {
        let Some(tree) = &self.0 else { return BTreeSet::new() };
        tree.search(bbox.min[0], bbox.min[1], bbox.max[0], bbox.max[1]).into_iter().map(|index| index as usize).collect()
    }
}
