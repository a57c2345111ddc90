//! What is not as it should be with the areas of a block. It is told, never mended.

use super::apportion::stated_area;
use super::lots::Mark;
use super::{Ground, Index, LotsByDigest, Shape};
use crate::crs::{Bbox, Crs};
use crate::dataset::UnitResult;
use crate::dataset::cadastre::row::Row;
use crate::error::{Error, Place, Rejection, Result};
use crate::io::{Digest, PackWriter};
use crate::vector::clip::double_area;
use crate::vector::{overlay, partition};
use geo::{Area, LineString, MultiPolygon};
use rayon::prelude::*;

/// Official and geometric area may differ by this (square metres) and [`AREA_PART`] of the official one.
const AREA_M2: f64 = 2.0;
const AREA_PART: f64 = 0.01;
/// Overlaps and gaps thinner (metres) or smaller (square metres) than this come of rounded coordinates.
const THIN_M: f64 = 0.01;
const SMALL_M2: f64 = 0.05;

fn finding(class: &str, oid: &str, code: &str, reason: String, at: [f64; 2]) -> Rejection {
    let place = Place::default().object(oid).at(at);
    Rejection { object_type: class.to_owned(), code: code.to_owned(), reason, place }
}

fn points(line: &LineString<f64>) -> Vec<[f64; 2]> {
    line.0.iter().map(|at| [at.x, at.y]).collect()
}

/// A ring that crosses itself.
pub fn ring(row: &Row, area: &MultiPolygon<f64>) -> Option<Rejection> {
    let rings = area.0.iter().flat_map(|polygon| std::iter::once(polygon.exterior()).chain(polygon.interiors()));
    let at = rings.into_iter().find_map(|ring| partition::crossing(&points(ring)))?;
    Some(finding(&row.class, &row.oid, "mk::cadastre::quality::ring", "a ring crosses itself".to_owned(), at))
}

/// The entry of a unit's pack that says what is between parcels, and of which parcels.
const LINES: &str = "lines.json";

/// How parcels lie beside each other: overlaps and gaps.
pub struct Lines {
    /// Of all parcels with their ground.
    made_of: Digest,
    known: Option<Vec<Rejection>>,
}

impl Lines {
    /// What an earlier night found holds as long as all parcels have the same ground.
    pub fn begin(ground: &Ground<'_>, previous: Option<&UnitResult>) -> Self {
        let parts = ground.parcels.iter().flat_map(|mark| {
            let ours: &[u8] = if ground.is_ours(mark) { b"ours" } else { b"" };
            [mark.oid.as_bytes(), &mark.shape.as_bytes()[..], ours]
        });
        let made_of = Digest::of_parts(parts);
        let read = |previous: &UnitResult| -> Option<(Digest, Vec<Rejection>)> {
            serde_json::from_slice(&previous.pack().ok()?.read(LINES).ok()?).ok()
        };
        let known = previous.and_then(read).filter(|(of, _)| *of == made_of).map(|(_, findings)| findings);
        Self { made_of, known }
    }

    /// True when the parcels are to be looked at.
    pub fn are_new(&self) -> bool {
        self.known.is_none()
    }

    /// What is found, which is noted for the next night.
    ///
    /// # Errors
    /// When a parcel is not there, or the pack cannot be written.
    pub fn finish(self, ground: &Ground<'_>, lots: &LotsByDigest, pack: &mut PackWriter) -> Result<Vec<Rejection>> {
        let findings = match self.known {
            Some(findings) => findings,
            None => parcels(&ground.parcels.iter().map(|mark| Parcel::of(ground, mark, lots)).collect::<Result<Vec<_>>>()?),
        };
        let bytes = serde_json::to_vec(&(self.made_of, &findings))
            .map_err(|error| Error::new("mk::run::result", "the result cannot be written").because(error))?;
        pack.add(LINES, &bytes)?;
        Ok(findings)
    }
}

/// A parcel as it is looked at.
struct Parcel<'l> {
    oid: &'l str,
    area: &'l MultiPolygon<f64>,
    bbox: Bbox,
    ours: bool,
}

impl<'l> Parcel<'l> {
    fn of(ground: &Ground<'_>, mark: &'l Mark, lots: &'l LotsByDigest) -> Result<Self> {
        let lot = lots.get(&mark.digest);
        let lot = lot.ok_or_else(|| Error::new("mk::cadastre::store", "a parcel is not as was said when its cell was folded"))?;
        Ok(Self { oid: &mark.oid, area: &lot.shape.area, bbox: mark.bbox, ours: ground.is_ours(mark) })
    }

    fn finding(&self, code: &str, reason: String, at: [f64; 2]) -> Rejection {
        finding("AX_Flurstueck", self.oid, code, reason, at)
    }
}

/// Overlaps and gaps of the parcels that begin in the block.
fn parcels(parcels: &[Parcel<'_>]) -> Vec<Rejection> {
    let rings: Vec<(usize, Vec<[f64; 2]>)> = parcels
        .iter()
        .enumerate()
        .flat_map(|(index, lot)| lot.area.0.iter().flat_map(move |polygon| oriented(polygon).map(move |ring| (index, ring))))
        .collect();
    let edges = partition::edges(rings.iter().map(|(index, ring)| (*index, &ring[..])));
    let mut findings = overlaps(parcels, &edges.open);
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

/// A parcel that is not found by its number: without a Flurstückskennzeichen, or with one that is not whole.
pub fn key(row: &Row, shape: &Shape) -> Option<Rejection> {
    let fields = row.fields();
    let key = fields.text(&["flurstueckskennzeichen"]).unwrap_or_default();
    let reason = match key.chars().count() {
        20 => return None,
        0 => "without a Flurstückskennzeichen: it is in no table of the history".to_owned(),
        length => format!("a Flurstückskennzeichen of {length} characters, where 20 are a whole one"),
    };
    Some(finding(&row.class, &row.oid, "mk::cadastre::quality::key", reason, shape.bbox.centre()))
}

/// An official area that is not that of the geometry.
pub fn area(row: &Row, shape: &Shape, crs: Crs) -> Option<Rejection> {
    let official = stated_area(row)?;
    let scale = scale(crs, shape.bbox.centre());
    let measured = shape.area.unsigned_area() / (scale * scale);
    if (measured - official).abs() <= AREA_M2 + AREA_PART * official {
        return None;
    }
    let reason = format!("official area {official} m2, area of the geometry {measured:.1} m2");
    Some(finding(&row.class, &row.oid, "mk::cadastre::quality::area", reason, shape.bbox.centre()))
}

/// Scale of UTM at a place, to the second order of the distance from the central meridian: official areas are those on the ground.
fn scale(crs: Crs, at: [f64; 2]) -> f64 {
    if !(25_828..=25_838).contains(&crs.0) {
        return 1.0;
    }
    let east = (at[0] - 500_000.0) / 6_380_000.0;
    0.9996 * (1.0 + east * east / 2.0)
}

fn overlaps(parcels: &[Parcel<'_>], open: &[usize]) -> Vec<Rejection> {
    let index = Index::new(open.iter().map(|open| parcels[*open].bbox));
    let of = |rank: usize| -> Vec<Rejection> {
        let lot = &parcels[open[rank]];
        let later = index.touched(&lot.bbox).into_iter().filter(|other| *other > rank);
        let mut found = Vec::new();
        for other in later.map(|other| &parcels[open[other]]) {
            // Said by the block that the first of both begins in.
            let (first, second) = if lot.oid <= other.oid { (lot, other) } else { (other, lot) };
            if !first.ours {
                continue;
            }
            let shared = overlay::intersection(lot.area, other.area);
            let size = shared.unsigned_area();
            if size > SMALL_M2 && overlay::width(&shared) > THIN_M {
                let at = overlay::bbox(&shared).map_or(lot.bbox.centre(), |bbox| bbox.centre());
                let reason = format!("overlaps {} on {size:.2} m2", second.oid);
                found.push(first.finding("mk::cadastre::quality::overlap", reason, at));
            }
        }
        found
    };
    let found: Vec<Vec<Rejection>> = (0..open.len()).into_par_iter().map(of).collect();
    found.into_iter().flatten().collect()
}

/// Ground between parcels that no parcel covers. Only within the ground of the block's parcels are all their neighbours known.
fn gap(ring: &[[f64; 2]], extent: &Bbox, parcels: &[Parcel<'_>]) -> Option<Rejection> {
    let bbox = Bbox::around(ring.iter().copied());
    let size = double_area(ring) / 2.0;
    let around: f64 = ring.windows(2).map(|pair| (pair[1][0] - pair[0][0]).hypot(pair[1][1] - pair[0][1])).sum();
    if size <= SMALL_M2 || 2.0 * size / around <= THIN_M || !extent.contains(bbox.min) || !extent.contains(bbox.max) {
        return None;
    }
    // The parcel whose corner begins the ring names it, where it begins in this block.
    let beside = parcels.iter().filter(|lot| lot.bbox.contains(ring[0])).min_by(|a, b| a.oid.cmp(b.oid))?;
    if !beside.ours {
        return None;
    }
    let reason = format!("a gap of {size:.2} m2 between parcels, beside this one");
    Some(beside.finding("mk::cadastre::quality::gap", reason, bbox.centre()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::cadastre::row::Operation;

    #[test]
    fn a_parcel_that_no_query_finds_is_told() {
        let told = |key: &str| {
            let row = Row {
                operation: Operation::Insert,
                class: "AX_Flurstueck".into(),
                oid: "A".into(),
                beginnt: "2024-01-01T00:00:00Z".into(),
                endet: None,
                attributes: serde_json::json!({ "flurstueckskennzeichen": key }).to_string(),
                geometry: None,
                srs: None,
                local: None,
                delivery: "".into(),
                byte: 0,
            };
            let shape = Shape { area: MultiPolygon(Vec::new()), bbox: Bbox::new([0.0; 2], [1.0; 2]) };
            self::key(&row, &shape).map(|finding| (finding.code, finding.reason))
        };
        assert_eq!(told("010842002000120001__"), None);
        for (key, part) in [("", "without"), ("01084200200012", "of 14 characters")] {
            let (code, reason) = told(key).unwrap();
            assert!(code == "mk::cadastre::quality::key" && reason.contains(part), "{reason}");
        }
    }
}
