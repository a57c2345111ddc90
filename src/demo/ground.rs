//! Where things are: from the plan of the town to EPSG:25832, the height of the terrain, and the geoid.
//!
//! Streets and parcels are laid out as rectangles on a plan; a smooth displacement bends the plan into a grown town. What shares
//! a point on the plan shares it on the ground.

use super::plane::Point;
use super::random::{Random, wave};

/// South-west corner of every demo town, in metres (EPSG:25832).
pub const ORIGIN: [f64; 2] = [565_000.0, 5_948_000.0];

#[derive(Debug, Clone, Copy)]
struct Wave {
    along: [f64; 2],
    phase: f64,
    shift: [f64; 2],
}

/// The bent plan of a town.
#[derive(Debug, Clone)]
pub struct Ground {
    /// Extent in metres from west to east.
    pub width: f64,
    /// Extent in metres from south to north.
    pub height: f64,
    waves: Vec<Wave>,
    hills: [f64; 4],
}

impl Ground {
    /// The ground of a town of that size in metres.
    pub fn new(seed: u64, width: f64, height: f64) -> Self {
        let mut random = Random::of(seed, &[0x0067_726f_756e_6400]);
        // Period and amplitude in metres: the steepest bend stays near 1 in 6, so that lots stay lots.
        let shapes = [(880.0, 11.0), (640.0, 6.0), (1310.0, 14.0), (410.0, 2.5)];
        let mut waves = Vec::new();
        for (k, (period, amplitude)) in shapes.into_iter().enumerate() {
            for axis in 0..2_usize {
                let lean = random.between(-0.35, 0.35);
                let (straight, lean) = (1.0 / period, lean / period);
                // Across the direction of the shift, so that lines bend rather than crowd.
                let along = if axis == 0 { [lean, straight] } else { [straight, lean] };
                let sign = if (k + axis) % 2 == 0 { 1.0 } else { -1.0 };
                let shift = if axis == 0 { [amplitude * sign, 0.0] } else { [0.0, amplitude * sign] };
                waves.push(Wave { along, phase: random.unit(), shift });
            }
        }
        let hills = [random.unit(), random.unit(), random.unit(), random.unit()];
        Self { width, height, waves, hills }
    }
    /// From the plan (metres from the south-west corner) to metres in EPSG:25832.
    pub fn place_xy(&self, x: f64, y: f64) -> [f64; 2] {
        // The plan is at rest along the outer border.
        let border = x.min(self.width - x).min(y).min(self.height - y);
        let t = (border / 150.0).clamp(0.0, 1.0);
        let fade = t * t * (3.0 - 2.0 * t);
        let (mut e, mut n) = (ORIGIN[0] + x, ORIGIN[1] + y);
        for w in &self.waves {
            let value = fade * wave(w.along[0] * x + w.along[1] * y + w.phase);
            e += w.shift[0] * value;
            n += w.shift[1] * value;
        }
        [e, n]
    }
    /// The same, to the millimetre.
    pub fn place(&self, x: f64, y: f64) -> Point {
        let [e, n] = self.place_xy(x, y);
        Point::metres(e, n)
    }
    /// Height of the terrain in metres (DHHN2016), to the centimetre.
    pub fn terrain(&self, at: [f64; 2]) -> f64 {
        let (x, y) = (at[0] - ORIGIN[0], at[1] - ORIGIN[1]);
        let h = &self.hills;
        let height = 28.0
            + 5.0 * wave(x / 2900.0 + y / 5200.0 + h[0])
            + 3.0 * wave(y / 2100.0 - x / 6100.0 + h[1])
            + 1.1 * wave(x / 730.0 + h[2])
            + 0.9 * wave(y / 610.0 + h[3]);
        (height * 100.0).round() / 100.0
    }
}

/// The geoid of the demo: undulation in metres on a grid of longitude and latitude, read bilinearly.
pub struct Geoid {
    west: f64,
    south: f64,
    step: f64,
    columns: usize,
    rows: usize,
    values: Vec<f32>,
}

impl Geoid {
    /// The grid; it does not depend on the seed and reaches well beyond Schleswig-Holstein.
    pub fn new() -> Self {
        let (west, south, step) = (8.0, 53.0, 0.025);
        let (columns, rows) = (161, 101);
        let mut values = Vec::with_capacity(columns * rows);
        for row in 0..rows {
            for column in 0..columns {
                let (lon, lat) = (west + column as f64 * step, south + row as f64 * step);
                let (u, v) = (lon - 10.0, lat - 53.7);
                let value = 39.8 - 0.62 * u - 1.35 * v + 0.21 * u * v + 0.12 * wave(u / 0.9) + 0.09 * wave(v / 0.7 + 0.25);
                values.push(value as f32);
            }
        }
        Self { west, south, step, columns, rows, values }
    }
    /// Undulation in metres, or none outside the grid.
    pub fn undulation(&self, lon: f64, lat: f64) -> Option<f64> {
        let (x, y) = ((lon - self.west) / self.step, (lat - self.south) / self.step);
        let (fx, fy) = (x.floor(), y.floor());
        if !(fx >= 0.0 && fy >= 0.0 && fx < (self.columns - 1) as f64 && fy < (self.rows - 1) as f64) {
            return None;
        }
        let (u, v) = (x - fx, y - fy);
        let at = |column: usize, row: usize| f64::from(self.values[row * self.columns + column]);
        let (c, r) = (fx as usize, fy as usize);
        let south = at(c, r) * (1.0 - u) + at(c + 1, r) * u;
        let north = at(c, r + 1) * (1.0 - u) + at(c + 1, r + 1) * u;
        Some(south * (1.0 - v) + north * v)
    }
    /// The grid as a NOAA VDatum GTX file: south-west corner, steps, size, then rows from the south; big-endian.
    pub fn gtx(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(40 + self.values.len() * 4);
        for value in [self.south, self.west, self.step, self.step] {
            out.extend(value.to_be_bytes());
        }
        out.extend((self.rows as i32).to_be_bytes());
        out.extend((self.columns as i32).to_be_bytes());
        for value in &self.values {
            out.extend(value.to_be_bytes());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_border_of_the_plan_is_straight_and_the_inside_is_bent() {
        let ground = Ground::new(7, 1000.0, 1000.0);
        assert_eq!(ground.place_xy(0.0, 333.0), [565_000.0, 5_948_333.0]);
        assert_eq!(ground.place_xy(640.0, 1000.0), [565_640.0, 5_949_000.0]);
        let bent = (0..100).any(|k| {
            let [e, _] = ground.place_xy(500.0, f64::from(k) * 10.0);
            (e - 565_500.0).abs() > 5.0
        });
        assert!(bent);
    }

    #[test]
    fn the_geoid_is_near_the_real_one_around_norderstedt() {
        let geoid = Geoid::new();
        let value = geoid.undulation(10.0, 53.7).unwrap();
        assert!((value - 39.8).abs() < 0.3, "{value}");
        assert!(geoid.undulation(7.9, 53.7).is_none());
        assert_eq!(geoid.gtx().len(), 40 + 161 * 101 * 4);
    }
}
