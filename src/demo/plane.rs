//! Points and rings in whole millimetres (EPSG:25832, easting first): what two objects share is equal to the last digit.

use std::fmt;

/// A point: easting and northing in millimetres.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Point {
    /// Easting in millimetres.
    pub e: i64,
    /// Northing in millimetres.
    pub n: i64,
}

impl Point {
    /// The nearest whole millimetre to a place in metres.
    pub fn metres(e: f64, n: f64) -> Self {
        Self { e: (e * 1000.0).round() as i64, n: (n * 1000.0).round() as i64 }
    }
    /// Easting and northing in metres.
    pub fn xy(self) -> [f64; 2] {
        [self.e as f64 / 1000.0, self.n as f64 / 1000.0]
    }
    /// The point half-way.
    pub fn middle(self, other: Self) -> Self {
        Self { e: (self.e + other.e).div_euclid(2), n: (self.n + other.n).div_euclid(2) }
    }
    /// Distance in metres.
    pub fn distance(self, other: Self) -> f64 {
        let (e, n) = ((self.e - other.e) as f64, (self.n - other.n) as f64);
        (e * e + n * n).sqrt() / 1000.0
    }
    /// The point a share of the way to `other`.
    pub fn toward(self, other: Self, share: f64) -> Self {
        Self {
            e: self.e + ((other.e - self.e) as f64 * share).round() as i64,
            n: self.n + ((other.n - self.n) as f64 * share).round() as i64,
        }
    }
}

impl fmt::Display for Point {
    /// Metres with three decimals, easting first, as a `gml:pos` has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Metres(self.e), Metres(self.n))
    }
}

/// Millimetres, shown as metres with three decimals.
#[derive(Debug, Clone, Copy)]
pub struct Metres(pub i64);

impl fmt::Display for Metres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let value = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:03}", value / 1000, value % 1000)
    }
}

/// A closed ring; the first point is not repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ring {
    /// The points. Where `curved`, every second one is a point in the middle of an arc.
    pub points: Vec<Point>,
    /// True for a ring of circular arcs, each through three points (`gml:Arc`).
    pub curved: bool,
}

impl Ring {
    /// A ring of straight lines, turned anticlockwise.
    pub fn straight(mut points: Vec<Point>) -> Self {
        if twice_area(&points) < 0 {
            points.reverse();
        }
        Self { points, curved: false }
    }
    /// A circle as four arcs through eight points, anticlockwise.
    pub fn circle(centre: Point, radius_mm: i64) -> Self {
        let d = (radius_mm as f64 * std::f64::consts::FRAC_1_SQRT_2).round() as i64;
        let r = radius_mm;
        let steps = [(r, 0), (d, d), (0, r), (-d, d), (-r, 0), (-d, -d), (0, -r), (d, -d)];
        let points = steps.iter().map(|(e, n)| Point { e: centre.e + e, n: centre.n + n }).collect();
        Self { points, curved: true }
    }
    /// The same ring in straight lines, good to a few centimetres where it is curved.
    pub fn linear(&self) -> Vec<Point> {
        if !self.curved {
            return self.points.clone();
        }
        let count = self.points.len();
        let mut out = Vec::with_capacity(count * 8);
        for k in (0..count).step_by(2) {
            arc(self.points[k], self.points[k + 1], self.points[(k + 2) % count], &mut out);
        }
        out
    }
    /// Area in square metres, arcs included.
    pub fn area_m2(&self) -> f64 {
        twice_area(&self.linear()).unsigned_abs() as f64 / 2e6
    }
    /// The mean of the points.
    pub fn centre(&self) -> Point {
        centre(&self.points)
    }
}

/// The mean of some points.
pub fn centre(points: &[Point]) -> Point {
    let count = points.len().max(1) as i64;
    let sum = points.iter().fold((0, 0), |sum, p| (sum.0 + p.e, sum.1 + p.n));
    Point { e: sum.0 / count, n: sum.1 / count }
}

/// Twice the signed area in square millimetres; positive when anticlockwise.
pub fn twice_area(points: &[Point]) -> i128 {
    let Some(first) = points.first() else { return 0 };
    let mut sum = 0_i128;
    for (k, a) in points.iter().enumerate() {
        let b = points[(k + 1) % points.len()];
        let (ae, an) = (i128::from(a.e - first.e), i128::from(a.n - first.n));
        let (be, bn) = (i128::from(b.e - first.e), i128::from(b.n - first.n));
        sum += ae * bn - be * an;
    }
    sum
}

/// True if the point lies in the ring (even-odd rule).
pub fn contains(ring: &[Point], at: Point) -> bool {
    let mut inside = false;
    for (k, a) in ring.iter().enumerate() {
        let b = ring[(k + 1) % ring.len()];
        if (a.n <= at.n) != (b.n <= at.n) {
            let e = a.e as f64 + (at.n - a.n) as f64 / (b.n - a.n) as f64 * (b.e - a.e) as f64;
            inside ^= (at.e as f64) < e;
        }
    }
    inside
}

/// Appends the arc from `a` through `m` to just before `b`, as sixteen chords, by halving chords on the circle.
fn arc(a: Point, m: Point, b: Point, out: &mut Vec<Point>) {
    fn halve(a: [f64; 2], b: [f64; 2], centre: [f64; 2], depth: u32, out: &mut Vec<Point>) {
        if depth == 0 {
            out.push(Point { e: a[0].round() as i64, n: a[1].round() as i64 });
            return;
        }
        let (dx, dy) = (f64::midpoint(a[0], b[0]) - centre[0], f64::midpoint(a[1], b[1]) - centre[1]);
        let radius = ((a[0] - centre[0]).powi(2) + (a[1] - centre[1]).powi(2)).sqrt();
        let scale = radius / (dx * dx + dy * dy).sqrt().max(1e-9);
        let middle = [centre[0] + dx * scale, centre[1] + dy * scale];
        halve(a, middle, centre, depth - 1, out);
        halve(middle, b, centre, depth - 1, out);
    }
    // Centre of the circle through three points, relative to `a`.
    let (bx, by) = ((m.e - a.e) as f64, (m.n - a.n) as f64);
    let (cx, cy) = ((b.e - a.e) as f64, (b.n - a.n) as f64);
    let d = 2.0 * (bx * cy - by * cx);
    if d == 0.0 {
        out.extend([a, m]);
        return;
    }
    let (bb, cc) = (bx * bx + by * by, cx * cx + cy * cy);
    let centre = [a.e as f64 + (cy * bb - by * cc) / d, a.n as f64 + (bx * cc - cx * bb) / d];
    let at = |p: Point| [p.e as f64, p.n as f64];
    halve(at(a), at(m), centre, 3, out);
    halve(at(m), at(b), centre, 3, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn millimetres_are_written_as_metres() {
        assert_eq!(Point { e: 565_000_001, n: -5 }.to_string(), "565000.001 -0.005");
    }

    #[test]
    fn a_circle_of_arcs_has_the_area_of_a_circle() {
        let ring = Ring::circle(Point { e: 565_000_000, n: 5_948_000_000 }, 12_000);
        let expected = std::f64::consts::PI * 144.0;
        assert!((ring.area_m2() / expected - 1.0).abs() < 2e-3, "{} {expected}", ring.area_m2());
        assert!(twice_area(&ring.linear()) > 0);
    }
}
