//! Clipping of rings and lines to a rectangle.

use super::arc::Point;
use crate::crs::Bbox;

/// The part of a ring within a rectangle (Sutherland and Hodgman), as a closed ring; empty when nothing is left. Where the ring
/// leaves and comes back, the parts are joined along the rectangle's border, which encloses no area.
pub fn ring(ring: &[Point], to: &Bbox) -> Vec<Point> {
    let mut points: Vec<Point> = ring.to_vec();
    if points.len() > 1 && points.first() == points.last() {
        points.pop();
    }
    for side in 0..4 {
        let (axis, limit, keep_above) = border(to, side);
        let inside = |point: Point| if keep_above { point[axis] >= limit } else { point[axis] <= limit };
        let mut kept = Vec::with_capacity(points.len() + 4);
        for (index, &point) in points.iter().enumerate() {
            let before = points[(index + points.len() - 1) % points.len()];
            if inside(point) != inside(before) {
                kept.push(crossing(before, point, axis, limit));
            }
            if inside(point) {
                kept.push(point);
            }
        }
        points = kept;
    }
    points.dedup();
    if points.len() < 3 {
        return Vec::new();
    }
    points.push(points[0]);
    points
}

/// The parts of a line within a rectangle.
pub fn line(line: &[Point], to: &Bbox) -> Vec<Vec<Point>> {
    let mut parts: Vec<Vec<Point>> = Vec::new();
    for pair in line.windows(2) {
        let Some([begin, end]) = segment(pair[0], pair[1], to) else { continue };
        match parts.last_mut() {
            Some(part) if part.last() == Some(&begin) => part.push(end),
            _ => parts.push(vec![begin, end]),
        }
    }
    parts
}

/// The part of a segment within a rectangle.
fn segment(mut begin: Point, mut end: Point, to: &Bbox) -> Option<[Point; 2]> {
    for side in 0..4 {
        let (axis, limit, keep_above) = border(to, side);
        let inside = |point: Point| if keep_above { point[axis] >= limit } else { point[axis] <= limit };
        match (inside(begin), inside(end)) {
            (true, true) => {}
            (false, false) => return None,
            (true, false) => end = crossing(begin, end, axis, limit),
            (false, true) => begin = crossing(begin, end, axis, limit),
        }
    }
    Some([begin, end])
}

/// Axis, value and kept half of a side.
fn border(to: &Bbox, side: usize) -> (usize, f64, bool) {
    let axis = side % 2;
    if side < 2 { (axis, to.min[axis], true) } else { (axis, to.max[axis], false) }
}

/// Where a segment crosses a border; always computed from the same end, so that neighbours agree.
fn crossing(a: Point, b: Point, axis: usize, limit: f64) -> Point {
    let (a, b) = if a[axis] <= b[axis] { (a, b) } else { (b, a) };
    let part = (limit - a[axis]) / (b[axis] - a[axis]);
    let other = 1 - axis;
    let mut point = [limit; 2];
    point[other] = a[other] + (b[other] - a[other]) * part;
    point
}

/// Twice the signed area of a closed ring; positive anticlockwise where the second axis points up.
pub fn double_area(ring: &[Point]) -> f64 {
    let Some(origin) = ring.first() else { return 0.0 };
    ring.windows(2)
        .map(|pair| (pair[0][0] - origin[0]) * (pair[1][1] - origin[1]) - (pair[1][0] - origin[0]) * (pair[0][1] - origin[1]))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A star clipped to the cells of a grid: the cells' areas sum to the whole.
        #[test]
        fn the_parts_in_a_grid_sum_to_the_whole(
            radii in prop::collection::vec(1.0..40.0_f64, 5..24), cells in 1_u32..7,
        ) {
            let count = radii.len() as f64;
            let mut star: Vec<Point> = radii.iter().zip(0_u32..).map(|(radius, index)| {
                let angle = std::f64::consts::TAU * f64::from(index) / count;
                [50.0 + radius * angle.cos(), 50.0 + radius * angle.sin()]
            }).collect();
            star.push(star[0]);
            let size = 100.0 / f64::from(cells);
            let mut sum = 0.0;
            for row in 0..cells {
                for column in 0..cells {
                    let min = [f64::from(column) * size, f64::from(row) * size];
                    let cell = Bbox::new(min, [min[0] + size, min[1] + size]);
                    let part = ring(&star, &cell);
                    prop_assert!(part.iter().all(|point| cell.contains(*point)));
                    sum += double_area(&part);
                }
            }
            prop_assert!((sum - double_area(&star)).abs() < 1e-8, "{} {}", sum, double_area(&star));
        }
    }

    #[test]
    fn lines_are_cut_at_the_border() {
        let cell = Bbox::from([0.0, 0.0, 10.0, 10.0]);
        let parts = line(&[[-5.0, 5.0], [5.0, 5.0], [5.0, 15.0], [8.0, 15.0], [8.0, 5.0]], &cell);
        assert_eq!(parts, [vec![[0.0, 5.0], [5.0, 5.0], [5.0, 10.0]], vec![[8.0, 10.0], [8.0, 5.0]]]);
        assert!(line(&[[20.0, 0.0], [20.0, 9.0]], &cell).is_empty());
        assert!(ring(&[[20.0, 0.0], [30.0, 0.0], [30.0, 9.0], [20.0, 0.0]], &cell).is_empty());
    }
}
