//! Resampling: each target pixel from the source pixels around its place.
//!
//! Rules of validity, the same as GDAL's warper: a target pixel is valid when the source pixel that its centre falls on is valid;
//! neighbours that are not valid have no weight. Where a target pixel covers more than one source pixel, it is the mean of the valid
//! ones, weighted by area.

use super::{Grid, Rgbx, Span};

/// How colours between source pixels are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// From the four nearest, linearly.
    Bilinear,
    /// From the sixteen nearest, by cubic convolution with a = −0.5 (Catmull-Rom, as GDAL); bilinear where one of them is missing.
    Bicubic,
    /// The mean of what the pixel covers, weighted by area.
    Area,
}

/// Fills the pixels of `target` that are not valid yet from `source`.
///
/// `grid` gives source positions for the target of which `target` is the part at `part` (columns, rows); `origin` is the position
/// of the source window's upper left corner.
pub fn warp(source: &Rgbx, origin: [f64; 2], grid: &Grid, part: [usize; 2], kernel: Kernel, target: &mut Rgbx) {
    let columns = part[0]..part[0] + target.width();
    let sampler = Sampler::new(source);
    for row in 0..target.height() {
        let y = (part[1] + row) as f64;
        let out = target.row_mut(row);
        match kernel {
            Kernel::Bilinear => {
                for span in grid.spans(columns.clone(), y + 0.5) {
                    let (part, at) = centres(out, &span, part[0], origin);
                    fill(part, at, span.step, |x, y| sampler.bilinear(x, y));
                }
            }
            Kernel::Bicubic => {
                for span in grid.spans(columns.clone(), y + 0.5) {
                    let (part, at) = centres(out, &span, part[0], origin);
                    fill(part, at, span.step, |x, y| sampler.bicubic(x, y));
                }
            }
            Kernel::Area => {
                for (upper, lower) in grid.spans(columns.clone(), y).zip(grid.spans(columns.clone(), y + 1.0)) {
                    let out = &mut out[(upper.start - part[0]) * 4..(upper.start + upper.count - part[0]) * 4];
                    // From the upper left to the lower right corner of the pixel, as GDAL takes its box.
                    let across = [lower.at[0] + lower.step[0] - upper.at[0], lower.at[1] + lower.step[1] - upper.at[1]];
                    let at = [upper.at[0] - origin[0], upper.at[1] - origin[1]];
                    fill(out, at, upper.step, |x, y| sampler.area(x, y, x + across[0], y + across[1]));
                }
            }
        }
    }
}

/// The bytes of a span, and the source position of its first pixel's centre.
fn centres<'a>(out: &'a mut [u8], span: &Span, first: usize, origin: [f64; 2]) -> (&'a mut [u8], [f64; 2]) {
    let part = &mut out[(span.start - first) * 4..(span.start + span.count - first) * 4];
    (part, [span.at[0] + span.step[0] * 0.5 - origin[0], span.at[1] + span.step[1] * 0.5 - origin[1]])
}

#[inline]
fn fill(out: &mut [u8], at: [f64; 2], step: [f64; 2], sample: impl Fn(f64, f64) -> u32) {
    for (index, pixel) in out.chunks_exact_mut(4).enumerate() {
        if pixel[3] == 0 {
            let index = index as f64;
            let colour = sample(at[0] + step[0] * index, at[1] + step[1] * index);
            pixel.copy_from_slice(&colour.to_le_bytes());
        }
    }
}

struct Sampler<'a> {
    pixels: &'a [u8],
    width: isize,
    height: isize,
}

/// Bits of a weight along one axis.
const WEIGHT_BITS: u32 = 11;
const ONE: u32 = 1 << WEIGHT_BITS;
const VALID: u32 = 0xff00_0000;

/// The largest whole number not above `value`, within a range that leaves room for arithmetic. `f64::floor` is a call into the
/// maths library on plain x86-64.
#[inline]
fn floor(value: f64) -> isize {
    let value = value.clamp(-1e12, 1e12);
    let whole = value as isize;
    whole - isize::from(value < whole as f64)
}

impl<'a> Sampler<'a> {
    fn new(source: &'a Rgbx) -> Self {
        Self { pixels: source.pixels(), width: source.width() as isize, height: source.height() as isize }
    }

    /// The pixel, or an invalid one outside.
    #[inline]
    fn get(&self, x: isize, y: isize) -> u32 {
        if x < 0 || y < 0 || x >= self.width || y >= self.height {
            return 0;
        }
        let at = (y * self.width + x) as usize * 4;
        self.pixels.get(at..at + 4).map_or(0, word)
    }

    /// True when the pixel that the position falls on is valid.
    #[inline]
    fn hits(&self, x: f64, y: f64) -> bool {
        // GDAL adds the same hair, so that positions on a pixel's border fall on the same side.
        self.get(floor(x + 1e-10), floor(y + 1e-10)) & VALID != 0
    }

    #[inline]
    fn bilinear(&self, x: f64, y: f64) -> u32 {
        let (x, y) = (x - 0.5, y - 0.5);
        let (column, row) = (floor(x), floor(y));
        let (fx, fy) = (x - column as f64, y - row as f64);
        if column >= 0 && row >= 0 && column + 1 < self.width && row + 1 < self.height {
            let at = (row * self.width + column) as usize * 4;
            let below = at + self.width as usize * 4;
            let (upper, lower) = (&self.pixels[at..at + 8], &self.pixels[below..below + 8]);
            let four = [word(&upper[..4]), word(&upper[4..]), word(&lower[..4]), word(&lower[4..])];
            if four[0] & four[1] & four[2] & four[3] & VALID == VALID {
                return mix(four, fx, fy);
            }
        }
        self.bilinear_at_edge(column, row, fx, fy)
    }

    #[cold]
    fn bilinear_at_edge(&self, column: isize, row: isize, fx: f64, fy: f64) -> u32 {
        if !self.hits(column as f64 + fx + 0.5, row as f64 + fy + 0.5) {
            return 0;
        }
        let mut sum = Sum::default();
        for (dx, dy, weight) in
            [(0, 0, (1.0 - fx) * (1.0 - fy)), (1, 0, fx * (1.0 - fy)), (0, 1, (1.0 - fx) * fy), (1, 1, fx * fy)]
        {
            sum.add(self.get(column + dx, row + dy), weight as f32);
        }
        sum.mean()
    }

    #[inline]
    fn bicubic(&self, x: f64, y: f64) -> u32 {
        let (column, row) = (floor(x - 0.5), floor(y - 0.5));
        if column >= 1 && row >= 1 && column + 2 < self.width && row + 2 < self.height {
            let (fx, fy) = (x - 0.5 - column as f64, y - 0.5 - row as f64);
            let (across, down) = (cubic_weights(fx as f32), cubic_weights(fy as f32));
            let stride = self.width as usize * 4;
            let first = (row - 1) as usize * stride + (column - 1) as usize * 4;
            let mut valid = VALID;
            let mut sum = [0.0_f32; 4];
            for (line, weight) in down.iter().enumerate() {
                let sixteen = &self.pixels[first + line * stride..first + line * stride + 16];
                let mut part = [0.0_f32; 4];
                for (pixel, weight) in sixteen.chunks_exact(4).zip(across) {
                    valid &= word(pixel);
                    for (part, &value) in part.iter_mut().zip(pixel) {
                        *part += f32::from(value) * weight;
                    }
                }
                for (sum, part) in sum.iter_mut().zip(part) {
                    *sum += part * weight;
                }
            }
            if valid == VALID {
                return pack(sum);
            }
        }
        self.bilinear(x, y)
    }

    fn area(&self, x0: f64, y0: f64, x1: f64, y1: f64) -> u32 {
        let (x0, x1) = (x0.min(x1), x0.max(x1));
        let (y0, y1) = (y0.min(y1), y0.max(y1));
        let columns = floor(x0).max(0)..(floor(x1) + 1).min(self.width);
        let rows = floor(y0).max(0)..(floor(y1) + 1).min(self.height);
        let mut sum = Sum::default();
        for row in rows {
            let down = (y1.min(row as f64 + 1.0) - y0.max(row as f64)) as f32;
            for column in columns.clone() {
                let across = (x1.min(column as f64 + 1.0) - x0.max(column as f64)) as f32;
                sum.add(self.get(column, row), across * down);
            }
        }
        sum.mean()
    }
}

#[inline]
fn word(pixel: &[u8]) -> u32 {
    u32::from(pixel[0]) | u32::from(pixel[1]) << 8 | u32::from(pixel[2]) << 16 | u32::from(pixel[3]) << 24
}

/// The weighted mean of four valid pixels. Two channels share a 64-bit word: 8 bits of colour and 22 of weight fit in each half.
#[inline]
fn mix(four: [u32; 4], fx: f64, fy: f64) -> u32 {
    let quantised = |fraction: f64| (fraction * f64::from(ONE) + 0.5) as u32;
    let (fx, fy) = (quantised(fx), quantised(fy));
    let weights = [(ONE - fx) * (ONE - fy), fx * (ONE - fy), (ONE - fx) * fy, fx * fy];
    const HALF: u64 = 1 << (2 * WEIGHT_BITS - 1);
    let (mut even, mut odd) = (HALF | HALF << 32, HALF | HALF << 32);
    for (pixel, weight) in four.into_iter().zip(weights) {
        let (pixel, weight) = (u64::from(pixel), u64::from(weight));
        even += ((pixel & 0xff) | (pixel & 0xff_0000) << 16) * weight;
        odd += ((pixel >> 8 & 0xff) | (pixel >> 24) << 32) * weight;
    }
    let shrink = |pair: u64| (pair >> (2 * WEIGHT_BITS)) & 0xff | (pair >> (2 * WEIGHT_BITS + 16)) & 0xff_0000;
    (shrink(even) | shrink(odd) << 8) as u32
}

/// Weights of the four pixels around a place at `t` between the second and the third.
#[inline]
fn cubic_weights(t: f32) -> [f32; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [0.5 * (-t + 2.0 * t2 - t3), 0.5 * (2.0 - 5.0 * t2 + 3.0 * t3), 0.5 * (t + 4.0 * t2 - 3.0 * t3), 0.5 * (t3 - t2)]
}

#[inline]
fn pack(colour: [f32; 4]) -> u32 {
    let byte = |value: f32| (value.clamp(0.0, 255.0) + 0.5) as i32 as u32;
    byte(colour[0]) | byte(colour[1]) << 8 | byte(colour[2]) << 16 | VALID
}

/// A weighted sum of valid pixels.
#[derive(Default)]
struct Sum {
    colour: [f32; 4],
    weight: f32,
}

impl Sum {
    #[inline]
    fn add(&mut self, pixel: u32, weight: f32) {
        if pixel & VALID != 0 {
            for (sum, value) in self.colour.iter_mut().zip(pixel.to_le_bytes()) {
                *sum += f32::from(value) * weight;
            }
            self.weight += weight;
        }
    }
    #[inline]
    fn mean(&self) -> u32 {
        if self.weight < 1e-5 { 0 } else { pack(self.colour.map(|sum| sum / self.weight)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn identity(size: usize, shift: [f64; 2], scale: f64) -> Grid {
        let exact = |points: &mut [[f64; 2]]| -> Result<(), ()> {
            for p in points.iter_mut() {
                *p = [p[0] * scale + shift[0], p[1] * scale + shift[1]];
            }
            Ok(())
        };
        Grid::build(size, size, exact).unwrap()
    }

    fn noise(size: usize, holes: bool) -> Rgbx {
        let mut picture = Rgbx::empty(size, size);
        let mut state = 1_u32;
        for pixel in picture.pixels_mut().chunks_exact_mut(4) {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let [a, b, c, d] = state.to_le_bytes();
            if !holes || d % 5 != 0 {
                pixel.copy_from_slice(&[a ^ d, b, c, 255]);
            }
        }
        picture
    }

    fn warped(source: &Rgbx, grid: &Grid, kernel: Kernel, size: usize) -> Rgbx {
        let mut target = Rgbx::empty(size, size);
        warp(source, [0.0, 0.0], grid, [0, 0], kernel, &mut target);
        target
    }

    #[test]
    fn without_a_shift_every_kernel_gives_the_picture_back() {
        for holes in [false, true] {
            let source = noise(64, holes);
            for kernel in [Kernel::Bilinear, Kernel::Bicubic, Kernel::Area] {
                assert!(warped(&source, &identity(64, [0.0; 2], 1.0), kernel, 64) == source, "{kernel:?} {holes}");
            }
        }
    }

    #[test]
    fn an_area_of_two_by_two_is_what_halving_gives() {
        let source = noise(64, true);
        let small = warped(&source, &identity(32, [0.0; 2], 2.0), Kernel::Area, 32);
        let half = super::super::halve(&source);
        for (a, b) in small.pixels().iter().zip(half.pixels()) {
            assert!(a.abs_diff(*b) <= 1, "{a} {b}");
        }
    }

    #[test]
    fn parts_join_to_the_whole() {
        let source = noise(300, true);
        let grid = identity(256, [3.3, 5.7], 1.1);
        for kernel in [Kernel::Bilinear, Kernel::Bicubic, Kernel::Area] {
            let whole = warped(&source, &grid, kernel, 256);
            let mut joined = Rgbx::empty(256, 256);
            for (x, y) in [(0, 0), (128, 0), (0, 128), (128, 128)] {
                let mut part = Rgbx::empty(128, 128);
                let window = source.part(2, 4, 290, 290);
                warp(&window, [2.0, 4.0], &grid, [x, y], kernel, &mut part);
                joined.put(x, y, &part);
            }
            assert!(whole == joined, "{kernel:?}");
        }
    }

    proptest! {
        /// The fixed-point kernel against floating-point arithmetic.
        #[test]
        fn bilinear_is_right_to_one_level(x in 0.0_f64..40.0, y in 0.0_f64..40.0) {
            let source = noise(40, true);
            let sampler = Sampler::new(&source);
            let got = sampler.bilinear(x, y);
            let (column, row) = (floor(x - 0.5), floor(y - 0.5));
            let (fx, fy) = (x - 0.5 - column as f64, y - 0.5 - row as f64);
            let mut sum = [0.0; 3];
            let mut weight = 0.0;
            for (dx, dy, w) in [(0, 0, (1.0 - fx) * (1.0 - fy)), (1, 0, fx * (1.0 - fy)), (0, 1, (1.0 - fx) * fy), (1, 1, fx * fy)] {
                let pixel = sampler.get(column + dx, row + dy);
                if pixel & VALID != 0 {
                    weight += w;
                    for (sum, value) in sum.iter_mut().zip(pixel.to_le_bytes()) {
                        *sum += f64::from(value) * w;
                    }
                }
            }
            let valid = sampler.get(x as isize, y as isize) & VALID != 0;
            prop_assert_eq!(got & VALID != 0, valid);
            if valid {
                for (sum, value) in sum.iter().zip(got.to_le_bytes()) {
                    prop_assert!((sum / weight - f64::from(value)).abs() < 0.65, "{} {}", sum / weight, value);
                }
            }
        }
    }
}
