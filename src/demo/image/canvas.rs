//! A picture in memory: four bands (red, green, blue, near infrared) at 0.2 m, placed on a pixel grid that all tiles share.
//!
//! Pixel columns count eastwards and rows southwards from the town's origin, so that tiles that overlap have the same pixels.

use crate::demo::ground::ORIGIN;
use crate::demo::plane::Point;

/// Size of a pixel in metres.
pub const PIXEL: f64 = 0.2;

/// Red, green, blue, near infrared.
pub type Colour = [u8; 4];

/// A place in pixels of the shared grid.
pub type Spot = [f64; 2];

/// A point on the shared pixel grid.
pub fn spot(point: Point) -> Spot {
    spot_xy(point.xy())
}

/// A place in metres on the shared pixel grid.
pub fn spot_xy([e, n]: [f64; 2]) -> Spot {
    [(e - ORIGIN[0]) / PIXEL, (ORIGIN[1] - n) / PIXEL]
}

/// A picture.
pub struct Canvas {
    /// First column on the shared grid.
    pub x0: i32,
    /// First row on the shared grid.
    pub y0: i32,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Pixels, row by row.
    pub pixels: Vec<Colour>,
    /// How much of the light the shadows leave, of 255.
    light: Vec<u8>,
}

impl Canvas {
    /// A picture of that size, black and without shadows.
    pub fn new(x0: i32, y0: i32, width: usize, height: usize) -> Self {
        Self { x0, y0, width, height, pixels: vec![[0; 4]; width * height], light: vec![255; width * height] }
    }
    /// True if something at these spots may be seen, `margin` pixels around included.
    pub fn sees(&self, spots: &[Spot], margin: f64) -> bool {
        let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
        for s in spots {
            for k in 0..2 {
                low[k] = low[k].min(s[k]);
                high[k] = high[k].max(s[k]);
            }
        }
        let (x, y) = (f64::from(self.x0), f64::from(self.y0));
        high[0] + margin >= x
            && high[1] + margin >= y
            && low[0] - margin <= x + self.width as f64
            && low[1] - margin <= y + self.height as f64
    }
    /// Calls `each` with index, column and row of every pixel whose middle lies in the rings (even-odd rule).
    pub fn cover(&self, rings: &[&[Spot]], mut each: impl FnMut(usize, i32, i32)) {
        let (mut top, mut bottom) = (f64::INFINITY, f64::NEG_INFINITY);
        for s in rings.iter().copied().flatten() {
            top = top.min(s[1]);
            bottom = bottom.max(s[1]);
        }
        let first = ((top - 0.5).ceil() as i32).max(self.y0);
        let last = ((bottom - 0.5).floor() as i32).min(self.y0 + self.height as i32 - 1);
        let mut cuts: Vec<f64> = Vec::new();
        for row in first..=last {
            let y = f64::from(row) + 0.5;
            cuts.clear();
            for ring in rings {
                for (k, a) in ring.iter().enumerate() {
                    let b = ring[(k + 1) % ring.len()];
                    if (a[1] <= y) != (b[1] <= y) {
                        cuts.push(a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0]));
                    }
                }
            }
            cuts.sort_by(f64::total_cmp);
            for pair in cuts.chunks_exact(2) {
                let from = ((pair[0] - 0.5).ceil() as i32).max(self.x0);
                let to = ((pair[1] - 0.5).ceil() as i32).min(self.x0 + self.width as i32);
                let line = (row - self.y0) as usize * self.width;
                for column in from..to {
                    each(line + (column - self.x0) as usize, column, row);
                }
            }
        }
    }
    /// Fills rings with a texture: a colour for each column and row.
    pub fn fill(&mut self, rings: &[&[Spot]], texture: impl Fn(i32, i32) -> Colour) {
        let mut pixels = std::mem::take(&mut self.pixels);
        self.cover(rings, |index, x, y| pixels[index] = texture(x, y));
        self.pixels = pixels;
    }
    /// Calls `each` with a pixel, its column and row for every pixel of a box around a spot.
    pub fn around(&mut self, at: Spot, radius: f64, mut each: impl FnMut(&mut Colour, i32, i32)) {
        let low = |v: f64, first: i32| ((v - radius).floor() as i32).max(first);
        let (x_end, y_end) = (self.x0 + self.width as i32, self.y0 + self.height as i32);
        let high = |v: f64, end: i32| ((v + radius).ceil() as i32 + 1).min(end);
        for row in low(at[1], self.y0)..high(at[1], y_end) {
            let line = (row - self.y0) as usize * self.width;
            for column in low(at[0], self.x0)..high(at[0], x_end) {
                each(&mut self.pixels[line + (column - self.x0) as usize], column, row);
            }
        }
    }
    /// Darkens what lies under rings; `light` of 255 is full light.
    pub fn shade(&mut self, rings: &[&[Spot]], light: u8) {
        let mut mask = std::mem::take(&mut self.light);
        self.cover(rings, |index, _, _| mask[index] = mask[index].min(light));
        self.light = mask;
    }
    /// Darkens a disc with a soft edge.
    pub fn shade_disc(&mut self, at: Spot, radius: f64, light: u8) {
        let mut mask = std::mem::take(&mut self.light);
        let (x_end, y_end) = (self.x0 + self.width as i32, self.y0 + self.height as i32);
        let rows = ((at[1] - radius).floor() as i32).max(self.y0)..((at[1] + radius).ceil() as i32).min(y_end);
        for row in rows {
            let columns = ((at[0] - radius).floor() as i32).max(self.x0)..((at[0] + radius).ceil() as i32).min(x_end);
            for column in columns {
                let (dx, dy) = (f64::from(column) + 0.5 - at[0], f64::from(row) + 0.5 - at[1]);
                let edge = (1.0 - (dx * dx + dy * dy) / (radius * radius)) * 3.0;
                if edge > 0.0 {
                    let value = 255 - (f64::from(255 - light) * edge.min(1.0)) as u8;
                    let index = (row - self.y0) as usize * self.width + (column - self.x0) as usize;
                    mask[index] = mask[index].min(value);
                }
            }
        }
        self.light = mask;
    }
    /// Lays the shadows on what was drawn so far; what is drawn later stands above them.
    pub fn cast(&mut self) {
        for (pixel, light) in self.pixels.iter_mut().zip(&self.light) {
            if *light < 255 {
                // The sky lights shadows, bluish.
                let l = u32::from(*light);
                let mixed = |value: u8, sky: u32| ((u32::from(value) * (l + (255 - l) * sky / 255)) / 255) as u8;
                *pixel = [mixed(pixel[0], 0), mixed(pixel[1], 14), mixed(pixel[2], 52), mixed(pixel[3], 0)];
            }
        }
    }
    /// Softens the picture a little, as a lens does: each pixel takes an eighth from either neighbour, across and down.
    pub fn soften(&mut self) {
        let (width, height) = (self.width, self.height);
        let blend = |a: Colour, b: Colour, c: Colour| -> Colour {
            std::array::from_fn(|k| ((u16::from(a[k]) + u16::from(b[k]) * 6 + u16::from(c[k]) + 4) / 8) as u8)
        };
        for row in self.pixels.chunks_exact_mut(width) {
            let mut before = row[0];
            for x in 1..width.saturating_sub(1) {
                let here = row[x];
                row[x] = blend(before, here, row[x + 1]);
                before = here;
            }
        }
        let mut above: Vec<Colour> = self.pixels[..width].to_vec();
        for y in 1..height.saturating_sub(1) {
            let (head, tail) = self.pixels.split_at_mut((y + 1) * width);
            let here = &mut head[y * width..];
            for x in 0..width {
                let old = here[x];
                here[x] = blend(above[x], old, tail[x]);
                above[x] = old;
            }
        }
    }
}
