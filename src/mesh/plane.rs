//! The plane of a ring by Newell's method: right for any simple ring, planar or not, convex or not.

use super::vector::{cross, dot, length, minus, plus, scaled};

/// The mean plane of a ring.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plane {
    /// Unit normal; the ring runs counter-clockwise around it.
    pub normal: [f64; 3],
    /// Area of the ring projected along the normal, in square units.
    pub area: f64,
    /// A point of the plane.
    pub origin: [f64; 3],
    /// Unit vectors that span the plane; `u × v` is the normal.
    pub axes: [[f64; 3]; 2],
}

impl Plane {
    /// A point in the coordinates of the plane.
    pub fn project(&self, point: [f64; 3]) -> [f64; 2] {
        let from_origin = minus(point, self.origin);
        [dot(from_origin, self.axes[0]), dot(from_origin, self.axes[1])]
    }
    /// Distance of a point from the plane, positive on the side of the normal.
    pub fn distance(&self, point: [f64; 3]) -> f64 {
        dot(minus(point, self.origin), self.normal)
    }
}

/// The plane of an open ring (the last point does not repeat the first), or `None` when the ring has no area.
pub fn newell(ring: &[[f64; 3]]) -> Option<Plane> {
    let first = *ring.first()?;
    let mut sum = [0.0; 3];
    let mut centre = [0.0; 3];
    // Relative to the first point: UTM coordinates of seven digits would cost as many digits of the area.
    let mut previous = minus(*ring.last()?, first);
    for &point in ring {
        let point = minus(point, first);
        sum = plus(sum, cross(previous, point));
        centre = plus(centre, point);
        previous = point;
    }
    let twice = length(sum);
    if !twice.is_finite() || twice < 1e-9 {
        return None;
    }
    let normal = scaled(sum, 1.0 / twice);
    // The axis that is least parallel to the normal gives the best conditioned basis.
    let magnitude = normal.map(f64::abs);
    let helper = if magnitude[0] <= magnitude[1] && magnitude[0] <= magnitude[2] {
        [1.0, 0.0, 0.0]
    } else if magnitude[1] <= magnitude[2] {
        [0.0, 1.0, 0.0]
    } else {
        [0.0, 0.0, 1.0]
    };
    let u = cross(helper, normal);
    let u = scaled(u, 1.0 / length(u));
    let v = cross(normal, u);
    let origin = plus(first, scaled(centre, 1.0 / ring.len() as f64));
    Some(Plane { normal, area: twice / 2.0, origin, axes: [u, v] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_roof_of_known_pitch_has_its_area_and_normal() {
        // 10 m × 4 m in plan, rising 3 m over the 4 m: 10 m × 5 m = 50 m².
        let ring = [
            [404_863.0, 5_746_935.0, 60.0],
            [404_873.0, 5_746_935.0, 60.0],
            [404_873.0, 5_746_939.0, 63.0],
            [404_863.0, 5_746_939.0, 63.0],
        ];
        let plane = newell(&ring).unwrap();
        assert!((plane.area - 50.0).abs() < 1e-6);
        assert!((plane.normal[1] + 0.6).abs() < 1e-9 && (plane.normal[2] - 0.8).abs() < 1e-9);
        assert!(ring.iter().all(|&point| plane.distance(point).abs() < 1e-9));
        assert!((dot(cross(plane.axes[0], plane.axes[1]), plane.normal) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_line_has_no_plane() {
        assert_eq!(newell(&[[0.0; 3], [1.0, 1.0, 1.0], [2.0, 2.0, 2.0]]), None);
        assert_eq!(newell(&[]), None);
    }
}
