//! Stage `areas`: what parcels and land use share, and whether both are whole. A unit for each block of zoom 12, and one for the
//! references between all objects.

mod apportion;
mod quality;
mod references;

use super::codes;
use super::row::{Operation as Change, Row, from_ipc, to_ipc};
use super::state_unit::{OBJECTS, StateSummary};
use super::tiles::{BLOCK_ZOOM, block_of, tile_at, to_world};
use super::{Options, STATE};
use crate::crs::{Bbox, Crs, Operation};
use crate::dataset::{Outcome, PlanContext, UnitContext};
use crate::error::{Error, Rejection, Result};
use crate::format::wkb;
use crate::plan::UnitSpec;
use crate::vector::overlay;
use geo::{Geometry, MultiPolygon};
use geo_index::rtree::sort::HilbertSort;
use geo_index::rtree::{RTree, RTreeBuilder, RTreeIndex};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The entry of a unit's pack with the pieces of land use in each parcel.
pub const PIECES: &str = "pieces.arrow";
/// Key of the unit that looks at references.
const REFERENCES: &str = "references";
/// What the names of the entries of the state that this stage reads begin with.
const PREFIX: &str = "areas/";

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

/// The rows that each block needs, as entries of the state's pack: what begins in it, and the parcels and land use that reach
/// into the ground of its parcels.
pub fn blocks(rows: &[Row], crs: Crs, grids: &[PathBuf]) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut known = Vec::new();
    for row in rows.iter().filter(|row| row.endet.is_none()) {
        if let (Some(part), Some(geometry)) = (part_of(&row.class), &row.geometry) {
            let bbox = wkb::summary(geometry)?.bbox;
            if !bbox.is_empty() {
                known.push((row, part, bbox));
            }
        }
    }
    let anchors = anchors(known.iter().map(|(_, _, bbox)| bbox.min), crs, grids)?;
    let mut extents: BTreeMap<(u32, u32), Bbox> = BTreeMap::new();
    for ((_, part, bbox), block) in known.iter().zip(&anchors) {
        let extent = extents.entry(*block).or_insert(Bbox::EMPTY);
        if *part == Part::Parcel {
            *extent = extent.union(*bbox);
        }
    }
    let mut blocks: BTreeMap<(u32, u32), Vec<&Row>> = BTreeMap::new();
    for ((row, part, bbox), anchor) in known.iter().zip(&anchors) {
        for (block, extent) in &extents {
            if block == anchor || (*part != Part::Building && extent.intersects(bbox)) {
                blocks.entry(*block).or_default().push(row);
            }
        }
    }
    blocks.into_iter().map(|((x, y), rows)| Ok((format!("{PREFIX}{BLOCK_ZOOM}/{x}/{y}"), to_ipc(&rows)?))).collect()
}

/// The blocks that points lie in.
fn anchors(points: impl Iterator<Item = [f64; 2]>, crs: Crs, grids: &[PathBuf]) -> Result<Vec<(u32, u32)>> {
    let mut points: Vec<[f64; 2]> = points.collect();
    Operation::between(crs, Crs::WEB_MERCATOR, grids)?.forward(&mut points)?;
    Ok(points.into_iter().map(|point| tile_at(to_world(point), BLOCK_ZOOM)).collect())
}

/// One unit for each block of the state, and one for all references.
pub fn units(options: &Options, context: &PlanContext<'_>) -> Result<Vec<UnitSpec>> {
    // Vector tiles need none of this.
    if context.only == Some("pmtiles") {
        return Ok(Vec::new());
    }
    let mut units = Vec::new();
    for state in context.earlier.get(STATE).into_iter().flatten() {
        let summary: StateSummary = serde_json::from_value(state.outcome.summary.clone())
            .map_err(|error| Error::new("mk::run::result", "the state is not as expected").because(error))?;
        for (name, entry) in state.pack()?.entries() {
            let key = if name == OBJECTS { Some(REFERENCES) } else { name.strip_prefix(PREFIX) };
            if let Some(key) = key.filter(|_| summary.crs.is_some() || name == OBJECTS) {
                units.push(UnitSpec {
                    key: key.to_owned(),
                    inputs: vec![state.entry_as_input(name, *entry)],
                    params: serde_json::json!({ "crs": summary.crs, "owners": options.owners }),
                    bbox: None,
                    memory_mb: 32 + (entry.size >> 20).saturating_mul(6),
                    cost: entry.size,
                });
            }
        }
    }
    Ok(units)
}

/// A parcel or an area of land use.
struct Lot {
    row: Row,
    area: MultiPolygon<f64>,
    bbox: Bbox,
    /// True when it begins in the unit's block: what is said of it is said there.
    ours: bool,
}

/// Intersects and looks at the areas of a block.
pub fn execute(_: &Options, unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
    let input = unit.inputs.first().ok_or_else(|| Error::new("mk::run::input", "the unit has no input"))?;
    let rows = from_ipc(&context.entry(input)?)?;
    let mut findings = Vec::new();
    if unit.key == REFERENCES {
        findings = references::dangling(&rows);
    } else {
        let crs: Crs = serde_json::from_value(unit.params["crs"].clone())
            .map_err(|error| Error::new("mk::run::params", "the parameters of the unit are not as expected").because(error))?;
        let (parcels, uses) = sort(rows, block_of(&unit.key)?, crs, &context.area.grids, &mut findings)?;
        context.check()?;
        let pieces = apportion::pieces(&parcels, &uses);
        context.check()?;
        findings.extend(quality::parcels(&parcels, crs));
        context.pack.add(PIECES, &to_ipc(&pieces)?)?;
    }
    Ok(Outcome { findings, ..Outcome::default() })
}

/// Parcels and land use with their areas; rings that are wrong are told on the way.
fn sort(
    rows: Vec<Row>,
    block: (u32, u32),
    crs: Crs,
    grids: &[PathBuf],
    findings: &mut Vec<Rejection>,
) -> Result<(Vec<Lot>, Vec<Lot>)> {
    let mut lots = Vec::new();
    for row in rows {
        let (Some(part), Some(bytes)) = (part_of(&row.class), &row.geometry) else { continue };
        let area = match wkb::decode(bytes)? {
            Geometry::Polygon(polygon) => MultiPolygon(vec![polygon]),
            Geometry::MultiPolygon(polygons) => polygons,
            _ => continue,
        };
        if let Some(bbox) = overlay::bbox(&area) {
            lots.push((part, Lot { row, area, bbox, ours: false }));
        }
    }
    let anchors = anchors(lots.iter().map(|(_, lot)| lot.bbox.min), crs, grids)?;
    let (mut parcels, mut uses) = (Vec::new(), Vec::new());
    for ((part, mut lot), anchor) in lots.into_iter().zip(anchors) {
        lot.ours = anchor == block;
        if lot.ours {
            findings.extend(quality::ring(&lot));
        }
        match part {
            Part::Parcel => parcels.push(lot),
            Part::Use => uses.push(lot),
            Part::Building => {}
        }
    }
    Ok((parcels, uses))
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

/// A piece of land use within a parcel, as a row.
fn piece_row(parcel: &Row, land_use: &Row, official_m2: Option<f64>, area: MultiPolygon<f64>) -> Row {
    let mut properties = serde_json::Map::new();
    properties.insert("flurstueck".to_owned(), parcel.oid.clone().into());
    properties.insert("nutzung".to_owned(), land_use.oid.clone().into());
    properties.insert("flaeche".to_owned(), official_m2.into());
    Row {
        operation: Change::Insert,
        class: "NutzungFlurstueck".to_owned(),
        oid: format!("{}{}", parcel.oid, land_use.oid),
        beginnt: parcel.beginnt.clone().max(land_use.beginnt.clone()),
        endet: None,
        attributes: serde_json::Value::Object(properties).to_string(),
        geometry: Some(wkb::encode(&Geometry::MultiPolygon(area))),
        srs: None,
        local: None,
        delivery: parcel.delivery.clone(),
        byte: parcel.byte,
    }
}
