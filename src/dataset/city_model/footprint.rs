//! What a building covers: its ground faces, those of its parts dissolved into one polygon; and its faces as WKB.

use super::model::{Building, Kind, Semantic};
use geo::{Coord, LineString, MultiPolygon, Polygon, unary_union};
use std::collections::HashMap;

/// Polygons with heights: open rings, the outer one first.
pub type Polygons = Vec<Vec<Vec<[f64; 3]>>>;

/// New corners come this near to delivered ones without being other ones, in metres.
const SAME_M: f64 = 0.001;

/// The footprint, outer rings counter-clockwise seen from above; empty without ground faces. Ground faces that touch or overlap
/// (those of parts do) become one polygon, as OGC Simple Features wants it of a multipolygon; a corner keeps its height.
pub fn footprint(building: &Building) -> Polygons {
    let objects = std::iter::once(building).chain(&building.parts).filter(|object| object.kind != Kind::Installation);
    let ground: Polygons = objects
        .flat_map(|it| &it.faces)
        .filter(|face| face.semantic == Semantic::Ground)
        .map(|face| turned(&face.rings))
        .collect();
    if ground.len() < 2 {
        return ground;
    }
    dissolved(&ground)
}

fn flat(rings: &[Vec<[f64; 3]>]) -> Polygon<f64> {
    let line = |ring: &Vec<[f64; 3]>| LineString::new(ring.iter().map(|&[x, y, _]| Coord { x, y }).collect());
    Polygon::new(line(&rings[0]), rings[1..].iter().map(line).collect())
}

fn dissolved(ground: &Polygons) -> Polygons {
    let mut corners: HashMap<[i64; 2], [f64; 3]> = HashMap::new();
    let mut lowest = f64::INFINITY;
    for &point in ground.iter().flatten().flatten() {
        // Of corners above each other the lowest counts.
        let corner = corners.entry(place(point[0], point[1])).or_insert(point);
        corner[2] = corner[2].min(point[2]);
        lowest = lowest.min(point[2]);
    }
    let polygons: Vec<Polygon<f64>> = ground.iter().map(|rings| flat(rings)).collect();
    let back = |line: &LineString<f64>| -> Vec<[f64; 3]> {
        let mut ring: Vec<[f64; 3]> =
            line.0.iter().map(|at| delivered(&corners, at.x, at.y).unwrap_or([at.x, at.y, lowest])).collect();
        ring.dedup();
        if ring.len() > 1 && ring.first() == ring.last() {
            ring.pop();
        }
        ring
    };
    let MultiPolygon(polygons) = unary_union(&polygons);
    let rings = |polygon: &Polygon<f64>| {
        let all = std::iter::once(polygon.exterior()).chain(polygon.interiors()).map(back);
        turned(&all.filter(|ring| ring.len() > 2).collect::<Vec<_>>())
    };
    polygons.iter().map(rings).filter(|rings| !rings.is_empty()).collect()
}

fn place(x: f64, y: f64) -> [i64; 2] {
    [x, y].map(|value| (value / SAME_M).round() as i64)
}

/// The delivered corner at a place.
fn delivered(corners: &HashMap<[i64; 2], [f64; 3]>, x: f64, y: f64) -> Option<[f64; 3]> {
    let [column, row] = place(x, y);
    let around = [[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [1, -1], [-1, 1], [-1, -1]];
    around.iter().find_map(|[dx, dy]| corners.get(&[column + dx, row + dy]).copied())
}

/// The outer ring counter-clockwise seen from above, holes clockwise. Ground faces look down, so that most rings turn.
fn turned(rings: &[Vec<[f64; 3]>]) -> Vec<Vec<[f64; 3]>> {
    let turned = |(index, ring): (usize, &Vec<[f64; 3]>)| {
        let mut ring = ring.clone();
        if turns_clockwise(&ring) == (index == 0) {
            ring.reverse();
        }
        ring
    };
    rings.iter().enumerate().map(turned).collect()
}

fn turns_clockwise(ring: &[[f64; 3]]) -> bool {
    let Some(&first) = ring.first() else { return false };
    let mut twice = 0.0;
    for (index, point) in ring.iter().enumerate() {
        let next = ring[(index + 1) % ring.len()];
        twice += (point[0] - first[0]) * (next[1] - first[1]) - (next[0] - first[0]) * (point[1] - first[1]);
    }
    twice < 0.0
}

/// Polygons as WKB `MultiPolygon Z` (ISO 19125, type 1006), in their order; `None` without any.
pub fn wkb<'a>(polygons: impl ExactSizeIterator<Item = &'a Vec<Vec<[f64; 3]>>>) -> Option<Vec<u8>> {
    if polygons.len() == 0 {
        return None;
    }
    let mut out = vec![1];
    let number = |value: u32, out: &mut Vec<u8>| out.extend_from_slice(&value.to_le_bytes());
    number(1006, &mut out);
    number(polygons.len() as u32, &mut out);
    for rings in polygons {
        out.push(1);
        number(1003, &mut out);
        number(rings.len() as u32, &mut out);
        for ring in rings {
            number(ring.len() as u32 + 1, &mut out);
            for value in ring.iter().chain(ring.first()).flatten() {
                out.extend_from_slice(&value.to_le_bytes());
            }
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::city_model::model::Face;
    use geo::{Area, Validation};

    fn part(west: f64, east: f64, height: f64) -> Building {
        // Looks down, as ground faces do.
        let ring = vec![[west, 0.0, height], [west, 8.0, height], [east, 8.0, height], [east, 0.0, height]];
        let face = Face { semantic: Semantic::Ground, surface: 1, rings: vec![ring], skin: None };
        Building { id: format!("{west}"), kind: Kind::Part, faces: vec![face], ..Building::default() }
    }

    fn decoded(building: &Building) -> MultiPolygon<f64> {
        let bytes = wkb(footprint(building).iter()).unwrap();
        assert_eq!(crate::format::wkb::summary(&bytes).unwrap().type_name(), "MultiPolygon Z");
        match crate::format::wkb::decode(&bytes).unwrap() {
            geo::Geometry::MultiPolygon(polygons) => polygons,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_ground_face_turns_as_maps_want() {
        let building = Building { kind: Kind::Building, ..part(0.0, 6.0, 20.0) };
        assert_eq!(decoded(&building).signed_area(), 48.0);
        assert_eq!(wkb(footprint(&Building::default()).iter()), None);
    }

    #[test]
    fn parts_that_touch_or_overlap_become_one_valid_polygon_and_others_stay_apart() {
        let parts = vec![part(0.0, 6.0, 20.0), part(6.0, 9.0, 21.0), part(8.5, 10.0, 21.0), part(12.0, 14.0, 22.0)];
        let building = Building { id: "a".into(), parts, ..Building::default() };
        let polygons = decoded(&building);
        assert!(polygons.is_valid());
        assert_eq!(polygons.0.len(), 2);
        assert!((polygons.signed_area() - (80.0 + 16.0)).abs() < 1e-6);
        let heights: Vec<f64> = footprint(&building).iter().flatten().flatten().map(|point| point[2]).collect();
        assert!(heights.contains(&20.0) && heights.contains(&22.0));
    }
}
