//! Circular arcs to line strings, with a stated tolerance.
//!
//! The points that define an arc stay exactly as they are; between them the chord is nowhere further from the arc than the
//! tolerance. Coordinates must be metric: in degrees an arc is no arc.

/// A position, easting before northing.
pub type Point = [f64; 2];

/// More points than this between two defining ones are never made.
const MAX_STEPS: f64 = 10_000.0;

/// Appends the arc from the last point given (`start`) over `middle` to `end`; `start` itself is not appended. When `start` and
/// `end` are the same, it is the full circle with `start` and `middle` on opposite sides (ISO 19107, `GM_Arc`).
pub fn arc(start: Point, middle: Point, end: Point, tolerance: f64, out: &mut Vec<Point>) {
    match circle_through(start, middle, end) {
        Some(circle) => {
            circle.sweep(start, middle, tolerance, out);
            circle.sweep(middle, end, tolerance, out);
        }
        None => out.extend([middle, end]),
    }
}

/// The full circle through three points as a closed ring that begins and ends at `a`; `None` when they lie on a line.
pub fn circle(a: Point, b: Point, c: Point, tolerance: f64) -> Option<Vec<Point>> {
    let circle = circle_through(a, b, c).filter(|_| a != b && b != c && c != a)?;
    let mut ring = vec![a];
    circle.sweep(a, b, tolerance, &mut ring);
    circle.sweep(b, c, tolerance, &mut ring);
    circle.sweep(c, a, tolerance, &mut ring);
    Some(ring)
}

/// The full circle around a centre as a closed ring, anticlockwise from the east.
pub fn circle_around(centre: Point, radius: f64, tolerance: f64) -> Vec<Point> {
    let [east, west] = [[centre[0] + radius, centre[1]], [centre[0] - radius, centre[1]]];
    let circle = Circle { centre, radius, anticlockwise: true };
    let mut ring = vec![east];
    circle.sweep(east, west, tolerance, &mut ring);
    circle.sweep(west, east, tolerance, &mut ring);
    ring
}

/// The arc around a centre between two angles (radians, anticlockwise from the east); it runs clockwise when `end` is smaller.
pub fn arc_around(centre: Point, radius: f64, start: f64, end: f64, tolerance: f64) -> Vec<Point> {
    let at = |angle: f64| [centre[0] + radius * angle.cos(), centre[1] + radius * angle.sin()];
    let circle = Circle { centre, radius, anticlockwise: end > start };
    let swept = (end - start).clamp(-std::f64::consts::TAU, std::f64::consts::TAU);
    // Halves of it are less than a full turn, which two equal ends could not tell from none.
    let (middle, last) = (at(start + swept / 2.0), at(start + swept));
    let mut line = vec![at(start)];
    circle.sweep(line[0], middle, tolerance, &mut line);
    circle.sweep(middle, last, tolerance, &mut line);
    line
}

struct Circle {
    centre: Point,
    radius: f64,
    anticlockwise: bool,
}

fn circle_through(a: Point, b: Point, c: Point) -> Option<Circle> {
    if a == c {
        if a == b {
            return None;
        }
        let centre = [f64::midpoint(a[0], b[0]), f64::midpoint(a[1], b[1])];
        return Some(Circle { centre, radius: (a[0] - centre[0]).hypot(a[1] - centre[1]), anticlockwise: true });
    }
    // Relative to the first point: coordinates of seven digits leave no precision for their squares.
    let (bx, by) = (b[0] - a[0], b[1] - a[1]);
    let (cx, cy) = (c[0] - a[0], c[1] - a[1]);
    let cross = bx * cy - by * cx;
    let (b2, c2) = (bx * bx + by * by, cx * cx + cy * cy);
    if cross.abs() <= 1e-12 * (b2 + c2) {
        return None;
    }
    let ux = (cy * b2 - by * c2) / (2.0 * cross);
    let uy = (bx * c2 - cx * b2) / (2.0 * cross);
    let radius = ux.hypot(uy);
    radius.is_finite().then_some(Circle { centre: [a[0] + ux, a[1] + uy], radius, anticlockwise: cross > 0.0 })
}

impl Circle {
    /// Appends points from after `from` to `to`, the latter exactly.
    fn sweep(&self, from: Point, to: Point, tolerance: f64, out: &mut Vec<Point>) {
        let angle = |point: Point| (point[1] - self.centre[1]).atan2(point[0] - self.centre[0]);
        let begin = angle(from);
        let mut swept = angle(to) - begin;
        if self.anticlockwise && swept <= 0.0 {
            swept += std::f64::consts::TAU;
        } else if !self.anticlockwise && swept >= 0.0 {
            swept -= std::f64::consts::TAU;
        }
        // The chord of an angle a is r (1 - cos(a/2)) away from the arc.
        let ratio = (tolerance / self.radius).clamp(1e-12, 1.0);
        let step = (2.0 * (1.0 - ratio).acos()).min(std::f64::consts::FRAC_PI_4);
        let steps = (swept.abs() / step).ceil().clamp(1.0, MAX_STEPS) as u32;
        for index in 1..steps {
            let (sin, cos) = (begin + swept * f64::from(index) / f64::from(steps)).sin_cos();
            out.push([self.centre[0] + self.radius * cos, self.centre[1] + self.radius * sin]);
        }
        out.push(to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn area(ring: &[Point]) -> f64 {
        let [x0, y0] = ring[0];
        ring.windows(2).map(|pair| (pair[0][0] - x0) * (pair[1][1] - y0) - (pair[1][0] - x0) * (pair[0][1] - y0)).sum::<f64>()
            / 2.0
    }

    proptest! {
        /// Against the circle the points were taken from: every vertex on it, every chord within the tolerance, the way round
        /// that passes the middle point.
        #[test]
        fn an_arc_stays_within_its_tolerance(
            radius in 0.5..500.0, begin in 0.0..6.0, first in 0.05..3.0, second in 0.05..3.0, left in any::<bool>(),
            tolerance in 0.0005..0.1,
        ) {
            let centre = [560_000.0, 5_950_000.0];
            let sign = if left { 1.0 } else { -1.0 };
            let at = |angle: f64| [centre[0] + radius * f64::cos(angle), centre[1] + radius * f64::sin(angle)];
            let [start, middle, end] = [at(begin), at(begin + sign * first), at(begin + sign * (first + second))];
            let mut line = vec![start];
            arc(start, middle, end, tolerance, &mut line);
            prop_assert!(line.contains(&middle));
            prop_assert_eq!(*line.last().unwrap(), end);
            let mut length: f64 = 0.0;
            for pair in line.windows(2) {
                let distance = |p: Point| f64::hypot(p[0] - centre[0], p[1] - centre[1]);
                let half = [f64::midpoint(pair[0][0], pair[1][0]), f64::midpoint(pair[0][1], pair[1][1])];
                let off: f64 = distance(pair[1]) - radius;
                prop_assert!(off.abs() < 1e-5);
                prop_assert!(distance(half) > radius - tolerance - 1e-5);
                length += f64::hypot(pair[1][0] - pair[0][0], pair[1][1] - pair[0][1]);
            }
            let analytic = radius * (first + second);
            prop_assert!(length <= analytic + 1e-5 && length > analytic * 0.9, "{} {}", length, analytic);
        }
    }

    #[test]
    fn circles_have_the_area_of_circles() {
        let analytic = std::f64::consts::PI * 100.0;
        let through = circle([10.0, 0.0], [0.0, 10.0], [-10.0, 0.0], 0.001).unwrap();
        let around = circle_around([0.0, 0.0], 10.0, 0.001);
        let mut closed = vec![[10.0, 0.0]];
        arc([10.0, 0.0], [-10.0, 0.0], [10.0, 0.0], 0.001, &mut closed);
        for ring in [through, around, closed] {
            assert_eq!(ring.first(), ring.last());
            assert!((area(&ring) - analytic).abs() < 0.001 * 63.0, "{}", area(&ring));
        }
        assert!(area(&circle([10.0, 0.0], [0.0, -10.0], [-10.0, 0.0], 0.001).unwrap()) < 0.0, "the order gives the direction");
    }

    #[test]
    fn points_on_a_line_stay_a_line() {
        let mut line = vec![[0.0, 0.0]];
        arc([0.0, 0.0], [1.0, 1.0], [3.0, 3.0], 0.001, &mut line);
        assert_eq!(line, [[0.0, 0.0], [1.0, 1.0], [3.0, 3.0]]);
        assert!(circle([0.0, 0.0], [1.0, 1.0], [3.0, 3.0], 0.001).is_none());
        assert!(circle([0.0, 0.0], [0.0, 0.0], [3.0, 3.0], 0.001).is_none());
    }
}
