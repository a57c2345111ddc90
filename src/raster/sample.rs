//! Resampling: each target pixel from the source pixels around its place.
//!
//! Rules of validity, the same as GDAL's warper: a target pixel is valid when the source pixel that its centre falls on is valid;
//! neighbours that are not valid have no weight. Where a target pixel covers more than one source pixel, it is the mean of the valid
//! ones, weighted by area.
//!
//! Pixels are drawn in groups of eight neighbours, whose positions are linear, by the fastest instructions that the
//! machine has ([`Lanes`]). A group that touches an invalid pixel or the source's edge is drawn one by one.

use super::lanes::{GROUP, Lanes, Run, add, mean};
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
/// `grid` gives source positions for the target of which `target` is the part at `part` (columns, rows); `origin` is the column and
/// row of the source window's upper left corner. The result does not depend on how a target is cut into parts, or a source into
/// windows.
pub fn warp(source: &Rgbx, origin: [i64; 2], grid: &Grid, part: [usize; 2], kernel: Kernel, target: &mut Rgbx) {
    warp_with(Lanes::best(), source, origin, grid, part, kernel, (target, false));
}

/// As [`warp`], but `target` becomes what `source` shows, whatever it holds.
pub fn draw(source: &Rgbx, origin: [i64; 2], grid: &Grid, part: [usize; 2], kernel: Kernel, target: &mut Rgbx) {
    warp_with(Lanes::best(), source, origin, grid, part, kernel, (target, true));
}

/// [`warp`], or [`draw`] to a fresh target, with given instructions; all give the same bytes.
pub(super) fn warp_with(
    lanes: Lanes,
    source: &Rgbx,
    origin: [i64; 2],
    grid: &Grid,
    part: [usize; 2],
    kernel: Kernel,
    (target, fresh): (&mut Rgbx, bool),
) {
    let columns = part[0]..part[0] + target.width();
    let sampler = Sampler { window: Window::of(source), origin, fresh };
    for row in 0..target.height() {
        let y = (part[1] + row) as f64;
        let out = target.row_mut(row).as_chunks_mut::<4>().0;
        if kernel == Kernel::Area {
            if fresh {
                out.fill([0; 4]);
            }
            for (upper, lower) in grid.spans(columns.clone(), y).zip(grid.spans(columns.clone(), y + 1.0)) {
                sampler.areas(&upper, &lower, &mut out[upper.start - part[0]..][..upper.count]);
            }
        } else {
            for span in grid.spans(columns.clone(), y + 0.5) {
                let out = &mut out[span.start - part[0]..][..span.count];
                sampler.centres(lanes, kernel == Kernel::Bicubic, &span, out);
            }
        }
    }
}

/// The pixels of a source.
#[derive(Clone, Copy)]
pub(super) struct Window<'a> {
    /// Four bytes each, row by row.
    pub(super) pixels: &'a [u8],
    /// Columns.
    pub(super) width: i32,
    /// Rows.
    pub(super) height: i32,
}

impl<'a> Window<'a> {
    fn of(source: &'a Rgbx) -> Self {
        Self { pixels: source.pixels(), width: source.width() as i32, height: source.height() as i32 }
    }

    /// The pixel, or an invalid one outside.
    #[inline]
    pub(super) fn get(&self, x: i32, y: i32) -> u32 {
        if x < 0 || y < 0 || x >= self.width || y >= self.height {
            return 0;
        }
        let at = (y as usize * self.width as usize + x as usize) * 4;
        self.pixels[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
    }
}

struct Sampler<'a> {
    window: Window<'a>,
    origin: [i64; 2],
    fresh: bool,
}

impl Sampler<'_> {
    /// Draws a span from what lies around the pixels' centres.
    fn centres(&self, lanes: Lanes, bicubic: bool, span: &Span, out: &mut [[u8; 4]]) {
        let run = Run::new(self.window, self.origin, span, bicubic, self.fresh);
        let first = span.start - span.mesh;
        // What does not fall on the window stays as it is, or has nothing.
        let reach = run.reach(first + out.len());
        let skipped = reach.start.saturating_sub(first).min(out.len());
        let end = reach.end.saturating_sub(first).clamp(skipped, out.len());
        if self.fresh {
            out[..skipped].fill([0; 4]);
            out[end..].fill([0; 4]);
        }
        let (first, out) = (first + skipped, &mut out[skipped..end]);
        // Groups begin at multiples of eight: a pixel's place in its group never depends on how a target is cut into parts. Mesh
        // lines are at multiples too, unless the mesh is finer than a group.
        let lead = (first.next_multiple_of(GROUP) - first).min(out.len());
        let (lead, rest) = out.split_at_mut(lead);
        run.singles(first, lead);
        let (groups, tail) = rest.as_chunks_mut::<GROUP>();
        let at = first + lead.len();
        lanes.draw(&run, at, groups);
        run.singles(at + groups.len() * GROUP, tail);
    }

    /// Draws a span by the means of what the pixels cover: a box from the upper left to the lower right corner, as GDAL takes it.
    fn areas(&self, upper: &Span, lower: &Span, out: &mut [[u8; 4]]) {
        let across = [lower.at[0] + lower.step[0] - upper.at[0], lower.at[1] + lower.step[1] - upper.at[1]];
        let [left, top] = self.origin.map(|origin| origin as f64);
        for (index, pixel) in out.iter_mut().enumerate().filter(|(_, pixel)| pixel[3] == 0) {
            let offset = (upper.start + index - upper.mesh) as f64;
            let (x, y) = (upper.at[0] + upper.step[0] * offset - left, upper.at[1] + upper.step[1] * offset - top);
            *pixel = self.area(x, y, x + across[0], y + across[1]).to_le_bytes();
        }
    }

    fn area(&self, x0: f64, y0: f64, x1: f64, y1: f64) -> u32 {
        let columns = Covered::of(x0, x1, self.window.width);
        let rows = Covered::of(y0, y1, self.window.height);
        let mut sum = [0.0; 4];
        for row in rows.from..rows.to {
            let line = row * self.window.width as usize;
            let pixels = self.window.pixels[(line + columns.from) * 4..(line + columns.to) * 4].as_chunks::<4>().0;
            let down = rows.weight(row);
            if let [first, middle @ .., last] = pixels {
                let mut whole = [0.0; 4];
                for pixel in middle {
                    add(&mut whole, u32::from_le_bytes(*pixel), 1.0);
                }
                add(&mut whole, u32::from_le_bytes(*first), columns.first);
                add(&mut whole, u32::from_le_bytes(*last), columns.last);
                for (sum, whole) in sum.iter_mut().zip(whole) {
                    *sum += whole * down;
                }
            } else if let [only] = pixels {
                add(&mut sum, u32::from_le_bytes(*only), columns.first * down);
            }
        }
        mean(sum)
    }
}

/// The pixels that a stretch covers along an axis: `from` to before `to`, the first and the last of them in part.
struct Covered {
    from: usize,
    to: usize,
    first: f32,
    last: f32,
}

impl Covered {
    fn of(a: f64, b: f64, length: i32) -> Self {
        let (low, high) = (a.min(b).max(0.0), a.max(b).min(f64::from(length)));
        if low >= high {
            return Self { from: 0, to: 0, first: 0.0, last: 0.0 };
        }
        let from = low as usize;
        let to = ((high as usize) + usize::from(high > (high as usize) as f64)).max(from + 1);
        let first = ((from + 1) as f64).min(high) - low;
        Self { from, to, first: first as f32, last: (high - (to - 1) as f64) as f32 }
    }
    fn weight(&self, at: usize) -> f32 {
        if at == self.from {
            self.first
        } else if at + 1 == self.to {
            self.last
        } else {
            1.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::lanes::VALID;
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
        warp(source, [0, 0], grid, [0, 0], kernel, &mut target);
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
                warp(&window, [2, 4], &grid, [x, y], kernel, &mut part);
                joined.put(x, y, &part);
            }
            assert!(whole == joined, "{kernel:?}");
        }
    }

    /// A grid that turns, stretches and shifts.
    fn turned(size: usize, angle: f64, scale: f64, shift: [f64; 2]) -> Grid {
        let (sin, cos) = angle.sin_cos();
        let exact = |points: &mut [[f64; 2]]| -> Result<(), ()> {
            for p in points.iter_mut() {
                *p = [(cos * p[0] + sin * p[1]) * scale + shift[0], (cos * p[1] - sin * p[0]) * scale + shift[1]];
            }
            Ok(())
        };
        Grid::build(size, size, exact).unwrap()
    }

    fn floor(value: f64) -> i64 {
        value.floor() as i64
    }

    /// In floating point, by the definition.
    fn by_the_definition(source: &Rgbx, kernel: Kernel, x: f64, y: f64) -> Option<[f64; 3]> {
        let window = Window::of(source);
        let valid = |x: i64, y: i64| window.get(x as i32, y as i32) & VALID != 0;
        let (column, row) = (floor(x - 0.5), floor(y - 0.5));
        let (fx, fy) = (x - 0.5 - column as f64, y - 0.5 - row as f64);
        if !valid(floor(x), floor(y)) {
            return None;
        }
        let whole = (-1..3).all(|dy| (-1..3).all(|dx| valid(column + dx, row + dy)));
        let weight = |distance: f64| match (kernel == Kernel::Bicubic && whole, distance.abs()) {
            (true, d) if d <= 1.0 => 1.5 * d.powi(3) - 2.5 * d.powi(2) + 1.0,
            (true, d) if d <= 2.0 => -0.5 * d.powi(3) + 2.5 * d.powi(2) - 4.0 * d + 2.0,
            (true, _) => 0.0,
            (false, d) => (1.0 - d).max(0.0),
        };
        let (mut sum, mut total) = ([0.0; 3], 0.0);
        for dy in -1..3 {
            for dx in -1..3 {
                let pixel = window.get((column + dx) as i32, (row + dy) as i32);
                if pixel & VALID != 0 {
                    let weight = weight(dx as f64 - fx) * weight(dy as f64 - fy);
                    total += weight;
                    for (sum, value) in sum.iter_mut().zip(pixel.to_le_bytes()) {
                        *sum += f64::from(value) * weight;
                    }
                }
            }
        }
        Some(sum.map(|sum| (sum / total).clamp(0.0, 255.0)))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn all_instructions_give_the_same_bytes_and_those_of_the_definition(
            angle in -3.2_f64..3.2, scale in 0.2_f64..1.05, shift in (-9.0_f64..40.0, -9.0_f64..40.0), holes in 0..2, at in 0..3_usize,
        ) {
            let source = noise(60, holes == 1);
            let grid = turned(45, angle, scale, [shift.0, shift.1]);
            for kernel in [Kernel::Bilinear, Kernel::Bicubic] {
                let draw = |lanes: Lanes| {
                    let mut target = Rgbx::empty(45 - at, 30);
                    // What is there already stays.
                    target.row_mut(3)[40..44].copy_from_slice(&[1, 2, 3, 255]);
                    warp_with(lanes, &source, [-2, 3], &grid, [at, 0], kernel, (&mut target, false));
                    target
                };
                let mut fresh = Rgbx::empty(45 - at, 30);
                fresh.pixels_mut().fill(77);
                let mut under = Rgbx::empty(45 - at, 30);
                warp_with(Lanes::best(), &source, [-2, 3], &grid, [at, 0], kernel, (&mut fresh, true));
                warp_with(Lanes::best(), &source, [-2, 3], &grid, [at, 0], kernel, (&mut under, false));
                prop_assert!(fresh == under);
                let portable = draw(Lanes::Portable);
                prop_assert_eq!(portable.pixel(10, 3), [1, 2, 3, 255]);
                for lanes in Lanes::of_this_machine() {
                    prop_assert!(draw(lanes) == portable, "{:?} differs", lanes);
                }
                for y in (0..30).filter(|y| *y != 3) {
                    for x in 0..45 - at {
                        let place = grid.at((x + at) as f64 + 0.5, y as f64 + 0.5);
                        let got = portable.pixel(x, y);
                        let exact = by_the_definition(&source, kernel, place[0] + 2.0, place[1] - 3.0);
                        prop_assert_eq!(got[3] != 0, exact.is_some());
                        for (got, exact) in got.iter().zip(exact.unwrap_or_default()) {
                            prop_assert!((f64::from(*got) - exact).abs() < 0.75, "{:?} {} {}", kernel, got, exact);
                        }
                    }
                }
            }
        }
    }
}
