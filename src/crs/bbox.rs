//! Axis-parallel rectangles, easting before northing.

use serde::{Deserialize, Serialize};

/// A rectangle `[min easting, min northing, max easting, max northing]` in the CRS of its context.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f64; 4]", into = "[f64; 4]")]
pub struct Bbox {
    /// Lower left corner.
    pub min: [f64; 2],
    /// Upper right corner.
    pub max: [f64; 2],
}

impl Bbox {
    /// The rectangle that contains nothing; growing it by a point gives that point.
    pub const EMPTY: Self = Self { min: [f64::INFINITY; 2], max: [f64::NEG_INFINITY; 2] };
    /// A rectangle from its corners.
    pub fn new(min: [f64; 2], max: [f64; 2]) -> Self {
        Self { min, max }
    }
    /// The smallest rectangle around points.
    pub fn around(points: impl IntoIterator<Item = [f64; 2]>) -> Self {
        let mut bbox = Self::EMPTY;
        for point in points {
            bbox.grow(point);
        }
        bbox
    }
    /// Grows to contain a point.
    pub fn grow(&mut self, point: [f64; 2]) {
        for (axis, value) in point.into_iter().enumerate() {
            self.min[axis] = self.min[axis].min(value);
            self.max[axis] = self.max[axis].max(value);
        }
    }
    /// The smallest rectangle that contains both.
    #[must_use]
    pub fn union(mut self, other: Self) -> Self {
        if !other.is_empty() {
            self.grow(other.min);
            self.grow(other.max);
        }
        self
    }
    /// True when there is no point inside.
    pub fn is_empty(&self) -> bool {
        self.min[0] > self.max[0] || self.min[1] > self.max[1]
    }
    /// True when the point lies inside or on the border.
    pub fn contains(&self, point: [f64; 2]) -> bool {
        (0..2).all(|axis| point[axis] >= self.min[axis] && point[axis] <= self.max[axis])
    }
    /// True when the rectangles share at least a point.
    pub fn intersects(&self, other: &Self) -> bool {
        (0..2).all(|axis| self.min[axis] <= other.max[axis] && self.max[axis] >= other.min[axis])
    }
    /// The rectangle with so much more on each side.
    #[must_use]
    pub fn widened(&self, by: f64) -> Self {
        Self { min: self.min.map(|value| value - by), max: self.max.map(|value| value + by) }
    }
    /// Width (east-west).
    pub fn width(&self) -> f64 {
        self.max[0] - self.min[0]
    }
    /// Height (north-south).
    pub fn height(&self) -> f64 {
        self.max[1] - self.min[1]
    }
    /// The point in the middle.
    pub fn centre(&self) -> [f64; 2] {
        [f64::midpoint(self.min[0], self.max[0]), f64::midpoint(self.min[1], self.max[1])]
    }
}

impl From<[f64; 4]> for Bbox {
    fn from([e0, n0, e1, n1]: [f64; 4]) -> Self {
        Self { min: [e0, n0], max: [e1, n1] }
    }
}

impl From<Bbox> for [f64; 4] {
    fn from(bbox: Bbox) -> Self {
        [bbox.min[0], bbox.min[1], bbox.max[0], bbox.max[1]]
    }
}
