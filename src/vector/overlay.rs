//! The true intersection of areas.

use super::clip;
use crate::crs::Bbox;
use crate::vector::arc::Point;
use geo::{BooleanOps, BoundingRect, Coord, CoordsIter, LineString, MultiPolygon, Polygon};

/// Coordinates of an intersection are rounded to this (metres): finer than any survey, and the corners of the inputs, which have
/// three decimals, come back as they were.
const GRID_M: f64 = 1e-4;
/// Areas with more corners than this are cut to the surroundings of the other first.
const MANY: usize = 48;

/// The part that two areas share, with coordinates in metres.
pub fn intersection(a: &MultiPolygon<f64>, b: &MultiPolygon<f64>) -> MultiPolygon<f64> {
    let (Some(box_a), Some(box_b)) = (bbox(a), bbox(b)) else { return MultiPolygon(Vec::new()) };
    if !box_a.intersects(&box_b) {
        return MultiPolygon(Vec::new());
    }
    let (a, b) = (near(a, &box_a, &box_b), near(b, &box_b, &box_a));
    rounded(&a.as_ref().intersection(b.as_ref()))
}

/// The part of the first area that the second does not cover, with coordinates in metres.
pub fn difference(a: &MultiPolygon<f64>, b: &MultiPolygon<f64>) -> MultiPolygon<f64> {
    match (bbox(a), bbox(b)) {
        (Some(box_a), Some(box_b)) if box_a.intersects(&box_b) => rounded(&a.difference(near(b, &box_b, &box_a).as_ref())),
        _ => a.clone(),
    }
}

/// The rectangle around an area; `None` for an empty one.
pub fn bbox(area: &MultiPolygon<f64>) -> Option<Bbox> {
    area.bounding_rect().map(|rect| Bbox::new([rect.min().x, rect.min().y], [rect.max().x, rect.max().y]))
}

/// The area, or what of it lies around the other's rectangle when it is much larger. The cut runs a metre outside, so that it
/// never becomes part of the result.
fn near<'a>(area: &'a MultiPolygon<f64>, own: &Bbox, other: &Bbox) -> std::borrow::Cow<'a, MultiPolygon<f64>> {
    let frame = other.widened(1.0);
    if area.coords_count() <= MANY || (frame.contains(own.min) && frame.contains(own.max)) {
        return std::borrow::Cow::Borrowed(area);
    }
    let cut = |line: &LineString<f64>| -> LineString<f64> {
        let points: Vec<Point> = line.0.iter().map(|at| [at.x, at.y]).collect();
        LineString::new(clip::ring(&points, &frame).into_iter().map(|[x, y]| Coord { x, y }).collect())
    };
    let polygon = |polygon: &Polygon<f64>| {
        let outer = cut(polygon.exterior());
        let holes = polygon.interiors().iter().map(cut).filter(|ring| !ring.0.is_empty()).collect();
        (!outer.0.is_empty()).then(|| Polygon::new(outer, holes))
    };
    std::borrow::Cow::Owned(MultiPolygon(area.0.iter().filter_map(polygon).collect()))
}

fn rounded(area: &MultiPolygon<f64>) -> MultiPolygon<f64> {
    let round = |value: f64| (value / GRID_M).round() * GRID_M;
    let ring = |line: &LineString<f64>| {
        let mut points: Vec<Coord<f64>> = line.0.iter().map(|at| Coord { x: round(at.x), y: round(at.y) }).collect();
        points.dedup();
        (points.len() >= 4).then(|| LineString::new(points))
    };
    let polygons = area.0.iter().filter_map(|polygon| {
        let outer = ring(polygon.exterior())?;
        Some(Polygon::new(outer, polygon.interiors().iter().filter_map(ring).collect()))
    });
    MultiPolygon(polygons.collect())
}

/// How wide an area is on average (metres): slivers, which come of two lines that should be one, are thinner than any thing.
pub fn width(area: &MultiPolygon<f64>) -> f64 {
    use geo::{Area, Euclidean, Length};
    let around: f64 = area
        .0
        .iter()
        .flat_map(|polygon| std::iter::once(polygon.exterior()).chain(polygon.interiors()))
        .map(|ring| Euclidean.length(ring))
        .sum();
    if around > 0.0 { 2.0 * area.unsigned_area() / around } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use geo::Area;
    use proptest::prelude::*;

    fn star(centre: [f64; 2], radii: &[f64]) -> MultiPolygon<f64> {
        let count = radii.len() as f64;
        let points = radii.iter().zip(0_u32..).map(|(radius, index)| {
            let angle = std::f64::consts::TAU * f64::from(index) / count;
            (560_000.0 + centre[0] + radius * angle.cos(), 5_950_000.0 + centre[1] + radius * angle.sin())
        });
        MultiPolygon(vec![Polygon::new(points.collect(), Vec::new())])
    }

    proptest! {
        /// A lot cut by the cells of a grid: the parts' areas sum to the whole; also where the lot has many corners and is cut
        /// to the cell's surroundings first.
        #[test]
        fn the_parts_of_a_partition_sum_to_the_whole(radii in prop::collection::vec(20.0..90.0_f64, 5..90), cells in 2_u32..5) {
            let lot = star([0.0, 0.0], &radii);
            let size = 200.0 / f64::from(cells);
            let mut sum = 0.0;
            for row in 0..cells {
                for column in 0..cells {
                    let (x, y) = (560_000.0 - 100.0 + f64::from(column) * size, 5_950_000.0 - 100.0 + f64::from(row) * size);
                    let ring = vec![(x, y), (x + size, y), (x + size, y + size), (x, y + size), (x, y)];
                    let cell = MultiPolygon(vec![Polygon::new(ring.into(), Vec::new())]);
                    sum += intersection(&lot, &cell).unsigned_area();
                }
            }
            prop_assert!((sum - lot.unsigned_area()).abs() < 0.05, "{} {}", sum, lot.unsigned_area());
        }
    }

    #[test]
    fn corners_come_back_as_they_were_and_neighbours_share_nothing() {
        let square = |x: f64| {
            let ring = vec![(x, 0.123), (x + 10.0, 0.123), (x + 10.0, 10.777), (x, 10.777), (x, 0.123)];
            MultiPolygon(vec![Polygon::new(ring.into(), Vec::new())])
        };
        let shared = intersection(&square(560_000.001), &square(560_000.001));
        let corners: Vec<Coord<f64>> = shared.coords_iter().collect();
        assert!(
            square(560_000.001).coords_iter().all(|at| corners.iter().any(|it| (it.x - at.x).abs() + (it.y - at.y).abs() < 1e-9))
        );
        assert_eq!(intersection(&square(560_000.0), &square(560_010.0)).unsigned_area(), 0.0);
        let part = intersection(&square(560_000.0), &square(560_009.5));
        assert!((part.unsigned_area() - 0.5 * 10.654).abs() < 1e-3);
        assert!((width(&part) - 2.0 * 0.5 * 10.654 / (2.0 * (0.5 + 10.654))).abs() < 1e-3);
    }
}
