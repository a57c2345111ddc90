//! Polygons with holes to triangles, in the mean plane of the outer ring.

use super::plane::{Plane, newell};
use earcut::Earcut;

/// A polygon that has no area, so that there is nothing to triangulate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Degenerate;

/// The triangles of a polygon, with what they tell about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Triangulation {
    /// Corners as indices into the rings' points, outer ring first; counter-clockwise around the normal.
    pub triangles: Vec<[u32; 3]>,
    /// The plane of the outer ring.
    pub plane: Plane,
    /// Area of the polygon (outer ring less holes), in the plane.
    pub area: f64,
    /// Sum of the triangles' areas; differs from `area` where the polygon crosses itself.
    pub covered: f64,
    /// Largest distance of a point from the plane.
    pub deviation: f64,
}

impl Triangulation {
    /// True when the triangles do not cover what the rings say: the polygon crosses itself.
    pub fn crosses_itself(&self) -> bool {
        (self.covered - self.area).abs() > 1e-6 + 1e-3 * self.area.abs()
    }
}

/// Triangulates polygons one after the other; keeps its buffers.
#[derive(Default)]
pub struct Triangulator {
    earcut: Earcut<f64>,
    flat: Vec<[f64; 2]>,
    holes: Vec<u32>,
    out: Vec<u32>,
}

impl Triangulator {
    /// A triangulator with empty buffers.
    pub fn new() -> Self {
        Self::default()
    }
    /// Triangulates a polygon of open rings, the outer one first.
    ///
    /// # Errors
    /// [`Degenerate`] when the outer ring has no area.
    pub fn triangulate<R: AsRef<[[f64; 3]]>>(&mut self, rings: &[R]) -> Result<Triangulation, Degenerate> {
        let outer = rings.first().ok_or(Degenerate)?.as_ref();
        let plane = newell(outer).ok_or(Degenerate)?;
        self.flat.clear();
        self.holes.clear();
        let (mut deviation, mut area) = (0.0_f64, plane.area);
        for (index, ring) in rings.iter().enumerate() {
            let ring = ring.as_ref();
            if index > 0 {
                if ring.len() < 3 {
                    continue;
                }
                self.holes.push(self.flat.len() as u32);
            }
            let start = self.flat.len();
            for &point in ring {
                deviation = deviation.max(plane.distance(point).abs());
                self.flat.push(plane.project(point));
            }
            if index > 0 {
                area -= signed_area(&self.flat[start..]).abs();
            }
        }
        self.earcut.earcut_slice(&self.flat, &self.holes, &mut self.out);
        let mut covered = 0.0;
        let mut triangles = Vec::with_capacity(self.out.len() / 3);
        for corner in self.out.chunks_exact(3) {
            let mut triangle = [corner[0], corner[1], corner[2]];
            let twice = turn(triangle.map(|index| self.flat[index as usize]));
            if twice < 0.0 {
                triangle.swap(1, 2);
            }
            covered += twice.abs() / 2.0;
            triangles.push(triangle);
        }
        if triangles.is_empty() {
            return Err(Degenerate);
        }
        Ok(Triangulation { triangles, plane, area, covered, deviation })
    }
}

/// Twice the signed area of a triangle.
fn turn([a, b, c]: [[f64; 2]; 3]) -> f64 {
    (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])
}

fn signed_area(ring: &[[f64; 2]]) -> f64 {
    let mut previous = ring.last().copied().unwrap_or_default();
    let mut twice = 0.0;
    for &point in ring {
        twice += previous[0] * point[1] - point[0] * previous[1];
        previous = point;
    }
    twice / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::{cross, dot, length, minus, plus, scaled};
    use proptest::prelude::*;

    #[test]
    fn a_wall_with_a_window_is_covered_without_the_window() {
        let wall = vec![[0.0, 0.0, 0.0], [6.0, 0.0, 0.0], [6.0, 0.0, 4.0], [0.0, 0.0, 4.0]];
        let window = vec![[2.0, 0.0, 1.0], [2.0, 0.0, 2.0], [3.0, 0.0, 2.0], [3.0, 0.0, 1.0]];
        let result = Triangulator::new().triangulate(&[wall, window]).unwrap();
        assert!((result.area - 23.0).abs() < 1e-9 && (result.covered - 23.0).abs() < 1e-9);
        assert_eq!(result.plane.normal, [0.0, -1.0, 0.0]);
        assert!(!result.crosses_itself());
    }

    #[test]
    fn a_bow_tie_is_noticed_and_a_line_refused() {
        let bow = vec![[0.0, 0.0, 0.0], [4.0, 4.0, 0.0], [4.0, 0.0, 0.0], [0.0, 6.0, 0.0]];
        assert!(Triangulator::new().triangulate(&[bow]).unwrap().crosses_itself());
        let line = vec![[0.0, 0.0, 0.0], [4.0, 4.0, 0.0], [2.0, 2.0, 0.0]];
        assert_eq!(Triangulator::new().triangulate(&[line]), Err(Degenerate));
    }

    /// A star-shaped polygon around a centre, tilted in space, at UTM-sized coordinates.
    fn star() -> impl Strategy<Value = (Vec<[f64; 3]>, f64)> {
        (
            proptest::collection::vec(1.0..30.0_f64, 3..40),
            -1.0..1.0_f64,
            -1.0..1.0_f64,
            -1.0..1.0_f64,
            (300_000.0..700_000.0_f64, 5_200_000.0..6_100_000.0_f64),
        )
            .prop_filter_map("a tilt of no direction", |(radii, x, y, z, (east, north))| {
                let normal = [x, y, z];
                if length(normal) < 0.1 {
                    return None;
                }
                let normal = scaled(normal, 1.0 / length(normal));
                let helper = if normal[2].abs() < 0.9 { [0.0, 0.0, 1.0] } else { [1.0, 0.0, 0.0] };
                let u = cross(helper, normal);
                let u = scaled(u, 1.0 / length(u));
                let v = cross(normal, u);
                let count = radii.len() as f64;
                let flat: Vec<[f64; 2]> = radii
                    .iter()
                    .enumerate()
                    .map(|(index, radius)| {
                        let angle = index as f64 / count * std::f64::consts::TAU;
                        [radius * angle.cos(), radius * angle.sin()]
                    })
                    .collect();
                let ring = flat.iter().map(|p| plus([east, north, 50.0], plus(scaled(u, p[0]), scaled(v, p[1])))).collect();
                Some((ring, signed_area(&flat)))
            })
    }

    proptest! {
        #[test]
        fn triangles_cover_the_polygon_and_face_its_normal((ring, area) in star()) {
            let result = Triangulator::new().triangulate(std::slice::from_ref(&ring)).unwrap();
            prop_assert!((result.covered - area).abs() < 1e-4 * area.max(1.0), "{} against {area}", result.covered);
            prop_assert!(!result.crosses_itself());
            prop_assert_eq!(result.triangles.len(), ring.len() - 2);
            prop_assert!(result.deviation < 1e-6);
            for triangle in &result.triangles {
                let [a, b, c] = triangle.map(|index| ring[index as usize]);
                prop_assert!(dot(cross(minus(b, a), minus(c, a)), result.plane.normal) >= -1e-6);
            }
        }
    }
}
