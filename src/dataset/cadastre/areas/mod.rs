//! Stage `areas`: what parcels and land use share, and whether both are whole. A unit for each block of tiles, and one for the
//! references between all objects.
//!
//! A block that was done before is gone on from: what of its parcels and the land use on them is as it was is taken over.

mod apportion;
mod quality;
mod references;

use super::codes;
use super::history::{StateSummary, store};
use super::row::Row;
use super::tiles::{BLOCK_ZOOM, Blocks, block_of};
use super::{Options, STATE};
use crate::crs::{Bbox, Crs};
use crate::dataset::{Outcome, PlanContext, UnitContext};
use crate::error::{Error, Rejection, Result};
use crate::format::wkb;
use crate::io::Digest;
use crate::plan::{Input, UnitSpec};
use crate::vector::overlay;
use apportion::Earlier;
use geo::{Geometry, MultiPolygon};
use geo_index::rtree::sort::HilbertSort;
use geo_index::rtree::{RTree, RTreeBuilder, RTreeIndex};
use rayon::prelude::*;
pub use references::Links;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use store::Need;

/// The entry of a unit's pack with the pieces of land use in each parcel.
pub const PIECES: &str = "pieces.arrow";
/// The entry with the text on land use that parcels carry, by identifier.
pub const TEXTS: &str = "texts.json";
/// Key of the unit that looks at references.
const REFERENCES: &str = "references";

/// What a row is to this stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
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
            units.push(unit(REFERENCES.to_owned(), cells.keys().flat_map(|key| inputs(key, Need::All)).collect()));
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

/// A parcel, an area of land use or a building.
struct Lot {
    /// Without its geometry, which is in `area`.
    row: Row,
    area: MultiPolygon<f64>,
    bbox: Bbox,
    /// Of everything that tells it apart from others.
    digest: Digest,
    /// True when it begins in the unit's block: what is said of it is said there.
    ours: bool,
}

impl Lot {
    /// Of a row with ground.
    fn of(mut row: Row) -> Result<Option<(Part, Self)>> {
        let (Some(part), Some(bytes)) = (part_of(&row.class), row.geometry.take()) else { return Ok(None) };
        let area = match wkb::decode(&bytes)? {
            Geometry::Polygon(polygon) => MultiPolygon(vec![polygon]),
            Geometry::MultiPolygon(polygons) => polygons,
            _ => return Ok(None),
        };
        let Some(bbox) = overlay::bbox(&area) else { return Ok(None) };
        let texts: [&str; 5] = [&row.class, &row.oid, &row.beginnt, &row.delivery, &row.attributes];
        let digest = Digest::of_parts(texts.into_iter().map(str::as_bytes).chain([&row.byte.to_le_bytes()[..], &bytes[..]]));
        Ok(Some((part, Self { row, area, bbox, digest, ours: false })))
    }
}

/// Intersects and looks at the areas of a block.
pub fn execute(options: &Options, unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
    if unit.key == REFERENCES {
        let findings = references::dangling(&unit.inputs, options.moment().as_deref())?;
        return Ok(Outcome { findings, ..Outcome::default() });
    }
    let quality = unit.params["quality"] == true;
    let crs: Crs = serde_json::from_value(unit.params["crs"].clone())
        .map_err(|error| Error::new("mk::run::params", "the parameters of the unit are not as expected").because(error))?;
    let Ground { parcels, uses, rings } = Ground::of(options, unit, quality, crs, context)?;
    context.check()?;
    let shares = apportion::shares(&parcels, &uses, &Earlier::of(context.previous));
    context.check()?;
    let mut findings = Vec::new();
    if quality {
        let ours = parcels.par_iter().chain(&uses).filter(|lot| lot.ours);
        findings = ours.filter_map(quality::ring).collect();
        findings.extend(rings);
        findings.extend(quality::parcels(&parcels, crs));
    }
    shares.write(context.pack)?;
    Ok(Outcome { findings, ..Outcome::default() })
}

/// What lies in a block or reaches into it.
#[derive(Default)]
struct Ground {
    parcels: Vec<Lot>,
    uses: Vec<Lot>,
    /// Of buildings: they share nothing, only their rings are looked at, and none is kept for it.
    rings: Vec<Rejection>,
}

impl Ground {
    /// From the inputs of a unit, some cells at a time.
    fn of(options: &Options, unit: &UnitSpec, quality: bool, crs: Crs, context: &UnitContext<'_>) -> Result<Self> {
        let wanted = |class: &str| part_of(class).is_some_and(|part| quality || part != Part::Building);
        let (block, blocks) = (block_of(&unit.key)?, Blocks::new(crs, &context.area.grids)?);
        let mut ground = Self::default();
        store::each_shown_cells(&unit.inputs, options.moment().as_deref(), wanted, |_, rows| {
            context.check()?;
            let lots = rows.into_par_iter().map(Lot::of).collect::<Result<Vec<_>>>()?;
            let mut lots: Vec<(Part, Lot)> = lots.into_iter().flatten().collect();
            let anchors = blocks.at(lots.iter().map(|(_, lot)| lot.bbox.min).collect())?;
            for ((_, lot), anchor) in lots.iter_mut().zip(anchors) {
                lot.ours = anchor == block;
            }
            let rings = lots.par_iter().filter(|(part, lot)| *part == Part::Building && lot.ours);
            ground.rings.par_extend(rings.filter_map(|(_, lot)| quality::ring(lot)));
            for (part, lot) in lots {
                match part {
                    Part::Parcel => ground.parcels.push(lot),
                    Part::Use => ground.uses.push(lot),
                    Part::Building => {}
                }
            }
            Ok(())
        })?;
        for lots in [&mut ground.parcels, &mut ground.uses] {
            lots.sort_by(|a, b| (&a.row.class, &a.row.oid, &a.row.beginnt).cmp(&(&b.row.class, &b.row.oid, &b.row.beginnt)));
        }
        ground.rings.sort_by(|a, b| a.place.object.cmp(&b.place.object));
        Ok(ground)
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
