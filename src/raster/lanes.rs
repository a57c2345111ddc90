//! Eight pixels at once. Each kind of instructions gives the same bytes as the portable code: colours are mixed in whole numbers, and
//! what is computed before, in single precision, is so by the same operations in the same order.
//!
//! The modules below are the only ones here with `unsafe`: they check the bounds of a group of pixels once and then read from them
//! directly.

#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod x86;

use super::Span;
use super::halve::{Seen, halve_row};
use super::sample::Window;

/// Pixels of a group.
pub const GROUP: usize = 8;
/// The byte of a pixel that says that it is valid.
pub const VALID: u32 = 0xff00_0000;
/// The weights of a pixel's neighbours sum up to this: the most that fits into 16 bits with a sign and room for the overshoot of a
/// cubic kernel.
pub const ONE: i32 = 1 << WEIGHT_BITS;
const WEIGHT_BITS: u32 = 14;
/// Steps between two pixels of a bilinear position.
const STEPS: f32 = 2048.0;
/// Bits that are kept of a row's sum before rows are summed up, in a cubic kernel.
const ROW_BITS: u32 = 6;

/// Target pixels in a row whose source positions are linear.
pub struct Run<'a> {
    window: Window<'a>,
    bicubic: bool,
    /// The target may hold anything, and all of it is drawn.
    fresh: bool,
    /// Of the pixel with the number 0, counted from the centre of the window's first pixel, in 2⁻³² pixels.
    at: [i64; 2],
    /// From one pixel to the next, in 2⁻³² pixels.
    step: [i64; 2],
}

/// Where eight neighbouring pixels lie in a source: pixel `i` at column `column + at[0] + step[0]·i`, and so on for rows.
#[derive(Debug, Clone, Copy)]
struct Eight {
    column: i32,
    row: i32,
    /// The rest of the first position, from 0 to 1.
    at: [f32; 2],
    /// From one pixel to the next.
    step: [f32; 2],
}

const FRACTION: f64 = (1_u64 << 32) as f64;

/// In 2⁻³² pixels, to the nearest: so a position that rounding put a hair before a pixel's border lies on it, as with GDAL's warper,
/// which adds that hair.
fn fixed(value: f64) -> i64 {
    let value = value.clamp(-1e9, 1e9) * FRACTION;
    (value + if value < 0.0 { -0.5 } else { 0.5 }) as i64
}

impl<'a> Run<'a> {
    /// The pixels of a span, numbered from its mesh line, in a window whose first pixel is the one at `origin`.
    pub fn new(window: Window<'a>, origin: [i64; 2], span: &Span, bicubic: bool, fresh: bool) -> Self {
        let at = [0, 1].map(|axis| {
            let centre = span.at[axis] + span.step[axis] * 0.5 - 0.5;
            fixed(centre).wrapping_sub(origin[axis] << 32)
        });
        Self { window, bicubic, fresh, at, step: span.step.map(fixed) }
    }

    #[inline]
    fn position(&self, number: usize) -> [i64; 2] {
        [0, 1].map(|axis| self.at[axis].wrapping_add(self.step[axis].wrapping_mul(number as i64)))
    }

    #[inline]
    fn eight(&self, number: usize) -> Eight {
        const UNIT: f32 = 1.0 / FRACTION as f32;
        let [x, y] = self.position(number);
        let rest = |position: i64| position as u32 as f32 * UNIT;
        let step = self.step.map(|step| step as f32 * UNIT);
        Eight { column: (x >> 32) as i32, row: (y >> 32) as i32, at: [rest(x), rest(y)], step }
    }

    /// Draws pixels from `first` on, one by one, where they are not valid yet.
    pub fn singles(&self, first: usize, out: &mut [[u8; 4]]) {
        if self.fresh {
            out.fill([0; 4]);
        }
        for (index, pixel) in out.iter_mut().enumerate().filter(|(_, pixel)| pixel[3] == 0) {
            let number = first + index;
            *pixel = self.single(&self.eight(number / GROUP * GROUP), number).to_le_bytes();
        }
    }

    /// The pixels that may fall on the window, of the first `count`; a group more on either side.
    pub fn reach(&self, count: usize) -> std::ops::Range<usize> {
        let within = |[x, y]: [i64; 2]| {
            (0..i64::from(self.window.width) << 32).contains(&x) && (0..i64::from(self.window.height) << 32).contains(&y)
        };
        if within(self.at) && within(self.position(count)) {
            return 0..count;
        }
        let (mut from, mut to) = (0.0_f64, count as f64);
        for (axis, length) in [self.window.width, self.window.height].into_iter().enumerate() {
            let [at, step] = [self.at[axis], self.step[axis]].map(|value| value as f64 / FRACTION);
            let (low, high) = (-1.0 - at, f64::from(length) - at);
            if step == 0.0 {
                if low > 0.0 || high < 0.0 {
                    return 0..0;
                }
            } else {
                from = from.max((low / step).min(high / step));
                to = to.min((low / step).max(high / step));
            }
        }
        if from > to {
            return 0..0;
        }
        let margin = GROUP as f64;
        (from - margin).max(0.0) as usize..((to + margin) as usize).min(count)
    }

    /// One pixel of a group, by the same arithmetic where all it needs is valid.
    fn single(&self, eight: &Eight, number: usize) -> u32 {
        let lane = number % GROUP;
        // Of what lies outside or has no data there is much; it is done with first.
        let hit = self.position(number).map(|position| (position.wrapping_add(1 << 31) >> 32) as i32);
        if self.window.get(hit[0], hit[1]) & VALID == 0 {
            return 0;
        }
        if self.bicubic
            && let Some(colour) = pixel_bicubic(&self.window, eight, lane)
        {
            return colour;
        }
        pixel_bilinear(&self.window, eight, lane).unwrap_or_else(|| self.at_edge(self.position(number)))
    }

    /// A valid pixel beside invalid ones.
    #[cold]
    fn at_edge(&self, [x, y]: [i64; 2]) -> u32 {
        let [column, row] = [x, y].map(|position| (position >> 32) as i32);
        let [fx, fy] = [x, y].map(|position| position as u32 as f32 / FRACTION as f32);
        let mut sum = [0.0; 4];
        for (dx, dy, weight) in
            [(0, 0, (1.0 - fx) * (1.0 - fy)), (1, 0, fx * (1.0 - fy)), (0, 1, (1.0 - fx) * fy), (1, 1, fx * fy)]
        {
            add(&mut sum, self.window.get(column.saturating_add(dx), row.saturating_add(dy)), weight);
        }
        mean(sum)
    }

    /// Draws groups; `draw` gives the colours of one, or nothing when it needs a pixel that is not valid or not there.
    #[allow(clippy::inline_always, reason = "only inside the functions that enable instructions may they be used in its body")]
    #[inline(always)]
    fn groups(&self, first: usize, groups: &mut [[[u8; 4]; GROUP]], draw: impl Fn(&Eight) -> Option<[u32; GROUP]>) {
        for (index, group) in groups.iter_mut().enumerate() {
            let number = first + index * GROUP;
            let empty = self.fresh || group.iter().fold(0, |any, pixel| any | u32::from_le_bytes(*pixel)) & VALID == 0;
            match if empty { draw(&self.eight(number)) } else { None } {
                Some(colours) => *group = colours.map(u32::to_le_bytes),
                None => self.singles(number, group),
            }
        }
    }
}

impl Eight {
    /// Column and row of the source pixel to the upper left of a pixel, and how far it is from there.
    #[inline]
    fn place(&self, lane: usize) -> ([i32; 2], [f32; 2]) {
        let [x, y] = [0, 1].map(|axis| self.at[axis] + self.step[axis] * lane as f32);
        let [left, top] = [floor(x), floor(y)];
        ([self.column.wrapping_add(left as i32), self.row.wrapping_add(top as i32)], [x - left, y - top])
    }
}

/// Byte offset of a pixel, when those from `before` it to `after` it lie within the source, in both axes.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline]
fn offset(window: &Window<'_>, [column, row]: [i32; 2], before: i32, after: i32) -> Option<usize> {
    let within = column >= before && row >= before && column < window.width - after && row < window.height - after;
    within.then(|| (row as usize * window.width as usize + column as usize) * 4)
}

/// `f32::floor` for numbers of a few thousand; that one is a call into the maths library on plain x86-64.
#[inline]
fn floor(value: f32) -> f32 {
    let whole = value as i32 as f32;
    if whole > value { whole - 1.0 } else { whole }
}

/// A kind of instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lanes {
    /// Those that every machine has.
    Portable,
    /// SSE 4.1 and SSSE 3.
    #[cfg(target_arch = "x86_64")]
    Sse41(x86::Sse41),
    /// AVX 2.
    #[cfg(target_arch = "x86_64")]
    Avx2(x86::Avx2),
    /// Those of 64-bit ARM.
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Lanes {
    /// Those that this machine has, the fastest first.
    pub fn of_this_machine() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let special = [x86::Avx2::detect().map(Self::Avx2), x86::Sse41::detect().map(Self::Sse41)].into_iter().flatten();
        #[cfg(target_arch = "aarch64")]
        let special = [Self::Neon].into_iter();
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let special = [].into_iter();
        special.chain([Self::Portable])
    }

    /// The fastest of this machine.
    pub fn best() -> Self {
        Self::of_this_machine().next().unwrap_or(Self::Portable)
    }

    /// Draws groups of pixels from `first` on, where they are not valid yet.
    pub fn draw(self, run: &Run<'_>, first: usize, groups: &mut [[[u8; 4]; GROUP]]) {
        match self {
            Self::Portable => {
                let one = if run.bicubic { pixel_bicubic } else { pixel_bilinear };
                run.groups(first, groups, |eight| {
                    let mut colours = [0; GROUP];
                    for (lane, colour) in colours.iter_mut().enumerate() {
                        *colour = one(&run.window, eight, lane)?;
                    }
                    Some(colours)
                });
            }
            #[cfg(target_arch = "x86_64")]
            Self::Sse41(lanes) => lanes.draw(run, first, groups),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(lanes) => lanes.draw(run, first, groups),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => neon::draw(run, first, groups),
        }
    }
}

impl Lanes {
    /// Halves a row of pairs of pixels.
    pub(super) fn halve(self, upper: &[[u8; 8]], lower: &[[u8; 8]], out: &mut [[u8; 4]]) -> Seen {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(lanes) => lanes.halve(upper, lower, out),
            _ => halve_row(upper, lower, out),
        }
    }
}

/// The weights of the four pixels around a place: upper left, upper right, lower left, lower right.
#[inline]
fn bilinear_weights([fx, fy]: [f32; 2]) -> [i32; 4] {
    let [x, y] = [(fx * STEPS + 0.5) as i32, (fy * STEPS + 0.5) as i32];
    let both = (x * y + 128) >> 8;
    let [x, y] = [x << 3, y << 3];
    [ONE - x - y + both, x - both, y - both, both]
}

/// The weights of four pixels in a line around a place at `t` between the second and the third.
#[inline]
fn bicubic_weights(t: f32) -> [i32; 4] {
    let (t2, t3) = (t * t, t * t * t);
    let first = whole((t2 + t2 - t - t3) * 8192.0);
    let third = whole((t + t2 * 4.0 - t3 * 3.0) * 8192.0);
    let fourth = whole((t3 - t2) * 8192.0);
    [first, ONE - first - third - fourth, third, fourth]
}

/// The nearest whole number, of numbers above −32768; cut-off is what all instructions can do alike.
#[inline]
fn whole(value: f32) -> i32 {
    (value + 32768.5) as i32 - 32768
}

/// The colour of one pixel of a group; `None` when it needs a pixel that is not valid or not there.
#[inline]
fn pixel_bilinear(window: &Window<'_>, eight: &Eight, lane: usize) -> Option<u32> {
    let ([column, row], rest) = eight.place(lane);
    let four = [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(dx, dy)| window.get(column.wrapping_add(dx), row.wrapping_add(dy)));
    if four[0] & four[1] & four[2] & four[3] & VALID == 0 {
        return None;
    }
    let mut sum = [ONE / 2; 4];
    for (pixel, weight) in four.into_iter().zip(bilinear_weights(rest)) {
        for (sum, value) in sum.iter_mut().zip(pixel.to_le_bytes()) {
            *sum += i32::from(value) * weight;
        }
    }
    Some(u32::from_le_bytes(sum.map(|sum| (sum >> WEIGHT_BITS) as u8)))
}

/// As [`pixel_bilinear`], from sixteen pixels.
#[inline]
fn pixel_bicubic(window: &Window<'_>, eight: &Eight, lane: usize) -> Option<u32> {
    let ([column, row], [fx, fy]) = eight.place(lane);
    let (across, down) = (bicubic_weights(fx), bicubic_weights(fy));
    const ROW_SHIFT: u32 = WEIGHT_BITS - ROW_BITS;
    const SHIFT: u32 = WEIGHT_BITS + ROW_BITS;
    let mut sum = [1 << (SHIFT - 1); 4];
    for (dy, down) in (-1..).zip(down) {
        let mut line = [1 << (ROW_SHIFT - 1); 4];
        for (dx, across) in (-1..).zip(across) {
            let pixel = window.get(column.wrapping_add(dx), row.wrapping_add(dy));
            if pixel & VALID == 0 {
                return None;
            }
            for (line, value) in line.iter_mut().zip(pixel.to_le_bytes()) {
                *line += i32::from(value) * across;
            }
        }
        for (sum, line) in sum.iter_mut().zip(line) {
            *sum += (line >> ROW_SHIFT) * down;
        }
    }
    Some(u32::from_le_bytes(sum.map(|sum| (sum >> SHIFT).clamp(0, 255) as u8)))
}

/// Adds a pixel to a weighted sum. An invalid one is all zeros, so that it adds nothing, also to the weight, which the fourth holds.
#[inline]
pub fn add(sum: &mut [f32; 4], pixel: u32, weight: f32) {
    for (sum, value) in sum.iter_mut().zip(pixel.to_le_bytes()) {
        *sum += f32::from(value) * weight;
    }
}

#[inline]
pub fn mean([red, green, blue, weight]: [f32; 4]) -> u32 {
    if weight < 255.0 * 1e-5 {
        return 0;
    }
    let byte = |sum: f32| ((sum * 255.0 / weight).clamp(0.0, 255.0) + 0.5) as i32 as u32;
    byte(red) | byte(green) << 8 | byte(blue) << 16 | VALID
}
