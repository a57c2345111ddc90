//! What is not as it should be with the areas of a block. It is told, never mended.

use super::apportion::official_area;
use super::{Index, Lot};
use crate::crs::{Bbox, Crs};
use crate::error::{Place, Rejection};
use crate::vector::clip::double_area;
use crate::vector::{overlay, partition};
use geo::{Area, LineString};
use rayon::prelude::*;

/// Official and geometric area may differ by this (square metres) and [`AREA_PART`] of the official one.
const AREA_M2: f64 = 2.0;
const AREA_PART: f64 = 0.01;
/// Overlaps and gaps thinner (metres) or smaller (square metres) than this come of rounded coordinates.
const THIN_M: f64 = 0.01;
const SMALL_M2: f64 = 0.05;

fn finding(lot: &Lot, code: &str, reason: String, at: [f64; 2]) -> Rejection {
    let place = Place::default().object(&lot.row.oid).at(at);
    Rejection { object_type: lot.row.class.as_ref().to_owned(), code: code.to_owned(), reason, place }
}

fn points(line: &LineString<f64>) -> Vec<[f64; 2]> {
    line.0.iter().map(|at| [at.x, at.y]).collect()
}

/// A ring that crosses itself.
pub fn ring(lot: &Lot) -> Option<Rejection> {
    let rings = lot.area.0.iter().flat_map(|polygon| std::iter::once(polygon.exterior()).chain(polygon.interiors()));
    let at = rings.into_iter().find_map(|ring| partition::crossing(&points(ring)))?;
    Some(finding(lot, "mk::cadastre::quality::ring", "a ring crosses itself".to_owned(), at))
}

/// Areas that differ, overlaps and gaps of the parcels that begin in the block.
pub fn parcels(parcels: &[Lot], crs: Crs) -> Vec<Rejection> {
    let mut findings: Vec<Rejection> = parcels.iter().filter(|lot| lot.ours).filter_map(|lot| area(lot, crs)).collect();
    let rings: Vec<(usize, Vec<[f64; 2]>)> = parcels
        .iter()
        .enumerate()
        .flat_map(|(index, lot)| lot.area.0.iter().flat_map(move |polygon| oriented(polygon).map(move |ring| (index, ring))))
        .collect();
    let edges = partition::edges(rings.iter().map(|(index, ring)| (*index, &ring[..])));
    findings.extend(overlaps(parcels, &edges.open));
    let extent = parcels.iter().filter(|lot| lot.ours).fold(Bbox::EMPTY, |whole, lot| whole.union(lot.bbox));
    findings.extend(edges.gaps.iter().filter_map(|ring| gap(ring, &extent, parcels)));
    findings
}

/// The rings of a polygon: the outer one anticlockwise, holes clockwise.
fn oriented(polygon: &geo::Polygon<f64>) -> impl Iterator<Item = Vec<[f64; 2]>> {
    let outer = std::iter::once((polygon.exterior(), true));
    outer.chain(polygon.interiors().iter().map(|ring| (ring, false))).map(|(ring, left)| {
        let mut ring = points(ring);
        if (double_area(&ring) > 0.0) != left {
            ring.reverse();
        }
        ring
    })
}

fn area(lot: &Lot, crs: Crs) -> Option<Rejection> {
    let official = official_area(&lot.row)?;
    let scale = scale(crs, lot.bbox.centre());
    let measured = lot.area.unsigned_area() / (scale * scale);
    if (measured - official).abs() <= AREA_M2 + AREA_PART * official {
        return None;
    }
    let reason = format!("official area {official} m2, area of the geometry {measured:.1} m2");
    Some(finding(lot, "mk::cadastre::quality::area", reason, lot.bbox.centre()))
}

/// Scale of UTM at a place, to the second order of the distance from the central meridian: official areas are those on the ground.
fn scale(crs: Crs, at: [f64; 2]) -> f64 {
    if !(25_828..=25_838).contains(&crs.0) {
        return 1.0;
    }
    let east = (at[0] - 500_000.0) / 6_380_000.0;
    0.9996 * (1.0 + east * east / 2.0)
}

fn overlaps(parcels: &[Lot], open: &[usize]) -> Vec<Rejection> {
    let index = Index::new(open.iter().map(|open| parcels[*open].bbox));
    let of = |rank: usize| -> Vec<Rejection> {
        let lot = &parcels[open[rank]];
        let later = index.touched(&lot.bbox).into_iter().filter(|other| *other > rank);
        let mut found = Vec::new();
        for other in later.map(|other| &parcels[open[other]]) {
            // Said by the block that the first of both begins in.
            let (first, second) = if lot.row.oid <= other.row.oid { (lot, other) } else { (other, lot) };
            if !first.ours {
                continue;
            }
            let shared = overlay::intersection(&lot.area, &other.area);
            let size = shared.unsigned_area();
            if size > SMALL_M2 && overlay::width(&shared) > THIN_M {
                let at = overlay::bbox(&shared).map_or(lot.bbox.centre(), |bbox| bbox.centre());
                let reason = format!("overlaps {} on {size:.2} m2", second.row.oid);
                found.push(finding(first, "mk::cadastre::quality::overlap", reason, at));
            }
        }
        found
    };
    let found: Vec<Vec<Rejection>> = (0..open.len()).into_par_iter().map(of).collect();
    found.into_iter().flatten().collect()
}

/// Ground between parcels that no parcel covers. Only within the ground of the block's parcels are all their neighbours known.
fn gap(ring: &[[f64; 2]], extent: &Bbox, parcels: &[Lot]) -> Option<Rejection> {
    let bbox = Bbox::around(ring.iter().copied());
    let size = double_area(ring) / 2.0;
    let around: f64 = ring.windows(2).map(|pair| (pair[1][0] - pair[0][0]).hypot(pair[1][1] - pair[0][1])).sum();
    if size <= SMALL_M2 || 2.0 * size / around <= THIN_M || !extent.contains(bbox.min) || !extent.contains(bbox.max) {
        return None;
    }
    // The parcel whose corner begins the ring names it, where it begins in this block.
    let beside = parcels.iter().filter(|lot| lot.bbox.contains(ring[0])).min_by(|a, b| a.row.oid.cmp(&b.row.oid))?;
    if !beside.ours {
        return None;
    }
    let reason = format!("a gap of {size:.2} m2 between parcels, beside this one");
    Some(finding(beside, "mk::cadastre::quality::gap", reason, bbox.centre()))
}
