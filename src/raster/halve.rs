//! Half the size: each pixel is the mean of the valid ones among four.

use super::lanes::Lanes;
use super::{Coverage, Rgbx};

/// The picture at half its width and height (even numbers). A pixel is valid when one of its four is.
pub fn halve(source: &Rgbx) -> Rgbx {
    let mut target = Rgbx::empty(source.width() / 2, source.height() / 2);
    halve_into(source, [0, 0], [source.width(), source.height()], &mut target, [0, 0]);
    target
}

/// Like [`halve`], from a part of a picture (its corner and its size) into a part of a larger one. Says how much of the part is valid:
/// that is seen on the way.
pub fn halve_into(source: &Rgbx, from: [usize; 2], size: [usize; 2], target: &mut Rgbx, at: [usize; 2]) -> Coverage {
    halve_with(Lanes::best(), source, from, size, target, at)
}

fn halve_with(
    lanes: Lanes,
    source: &Rgbx,
    [left, top]: [usize; 2],
    [width, height]: [usize; 2],
    target: &mut Rgbx,
    at: [usize; 2],
) -> Coverage {
    let width = width / 2;
    let mut seen = Seen::NOTHING;
    for row in 0..height / 2 {
        let pairs = |y: usize| source.row(top + y)[left * 4..][..width * 8].as_chunks::<8>().0;
        let out = target.row_mut(at[1] + row)[at[0] * 4..][..width * 4].as_chunks_mut::<4>().0;
        seen = seen.with(lanes.halve(pairs(row * 2), pairs(row * 2 + 1), out));
    }
    match seen {
        Seen { any: false, .. } => Coverage::Empty,
        Seen { all: true, .. } => Coverage::Full,
        Seen { .. } => Coverage::Part,
    }
}

/// Whether all pixels are valid, and whether any is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) all: bool,
    pub(super) any: bool,
}

impl Seen {
    /// Of no pixel.
    pub(super) const NOTHING: Self = Self { all: true, any: false };

    /// Of these pixels and others.
    pub(super) fn with(self, other: Self) -> Self {
        Self { all: self.all && other.all, any: self.any || other.any }
    }
}

/// Pixels that are judged at once.
const CHUNK: usize = 32;
/// The bytes of two pixels that say that they are valid.
const VALID_PAIR: u64 = 0xff00_0000_ff00_0000;

/// Halves a row of pairs of pixels with what every machine has.
pub(super) fn halve_row(upper: &[[u8; 8]], lower: &[[u8; 8]], out: &mut [[u8; 4]]) -> Seen {
    let mut seen = Seen::NOTHING;
    let parts = upper.chunks(CHUNK).zip(lower.chunks(CHUNK)).zip(out.chunks_mut(CHUNK));
    for ((upper, lower), out) in parts {
        let (all, any) = upper.iter().zip(lower).fold((u64::MAX, 0), |(all, any), (upper, lower)| {
            let [upper, lower] = [*upper, *lower].map(u64::from_le_bytes);
            (all & upper & lower, any | upper | lower)
        });
        let all = all & VALID_PAIR == VALID_PAIR;
        seen = seen.with(Seen { all, any: any & VALID_PAIR != 0 });
        if all {
            for ((upper, lower), out) in upper.iter().zip(lower).zip(out) {
                *out = mean_of_valid(u64::from_le_bytes(*upper), u64::from_le_bytes(*lower)).to_le_bytes();
            }
        } else {
            for ((upper, lower), out) in upper.iter().zip(lower).zip(out) {
                *out = mean(*upper, *lower);
            }
        }
    }
    seen
}

/// The mean of four valid pixels: four sums of 16 bits in a word, without a branch, so that the compiler takes several at once.
#[inline]
fn mean_of_valid(upper: u64, lower: u64) -> u32 {
    const EVEN: u64 = 0x00ff_00ff_00ff_00ff;
    let even = (upper & EVEN) + (lower & EVEN);
    let odd = (upper >> 8 & EVEN) + (lower >> 8 & EVEN);
    let sum = |pair: u64| (pair as u32).wrapping_add((pair >> 32) as u32).wrapping_add(0x0002_0002) >> 2 & 0x00ff_00ff;
    sum(even) | sum(odd) << 8
}

fn mean(upper: [u8; 8], lower: [u8; 8]) -> [u8; 4] {
    let mut sum = [0_u16; 3];
    let mut count = 0;
    for pixel in upper.chunks_exact(4).chain(lower.chunks_exact(4)).filter(|pixel| pixel[3] != 0) {
        count += 1;
        for channel in 0..3 {
            sum[channel] += u16::from(pixel[channel]);
        }
    }
    if count == 0 {
        return [0; 4];
    }
    let [red, green, blue] = sum.map(|sum| ((sum + count / 2) / count) as u8);
    [red, green, blue, 255]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn invalid_pixels_have_no_weight() {
        let pixels = [[10, 20, 30, 255], [0; 4], [20, 40, 61, 255], [0; 4], [0; 4], [0; 4], [0; 4], [0; 4]].concat();
        let half = halve(&Rgbx::from_pixels(2, 4, pixels).unwrap());
        assert_eq!(half.pixels(), [[15, 30, 46, 255], [0; 4]].concat());
    }

    proptest! {
        #[test]
        fn the_mean_of_valid_pixels_is_rounded(bytes in proptest::array::uniform16(0_u8..)) {
            let mut pixels = bytes;
            pixels.iter_mut().skip(3).step_by(4).for_each(|valid| *valid = 255);
            let half = halve(&Rgbx::from_pixels(2, 2, pixels.to_vec()).unwrap());
            for channel in 0..3 {
                let sum: u16 = pixels.iter().skip(channel).step_by(4).map(|value| u16::from(*value)).sum();
                prop_assert_eq!(u16::from(half.pixels()[channel]), (sum + 2) / 4);
            }
            prop_assert_eq!(half.pixels()[3], 255);
        }

        #[test]
        fn all_instructions_give_the_same_bytes(width in 1_usize..40, seed in 0_u32.., holes in 1_u32..60) {
            let mut state = seed;
            let mut source = Rgbx::empty(width * 2, 4);
            for pixel in source.pixels_mut().as_chunks_mut::<4>().0 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let [red, green, blue, _] = state.to_le_bytes();
                *pixel = if (state >> 24) % holes == 1 { [0; 4] } else { [red, green, blue, 255] };
            }
            let mut halves = Lanes::of_this_machine().map(|lanes| {
                let mut half = Rgbx::empty(width + 1, 3);
                let seen = halve_with(lanes, &source, [0, 0], [width * 2, 4], &mut half, [1, 1]);
                (half, seen)
            });
            let first = halves.next().unwrap();
            prop_assert_eq!(first.1, source.coverage(0, 0, width * 2, 4));
            prop_assert!(halves.all(|half| half == first));
        }

        #[test]
        fn the_mean_lies_among_the_pixels(colours in proptest::collection::vec(0_u8.., 4 * 4 * 4)) {
            let pixels: Vec<u8> = colours
                .chunks(4)
                .flat_map(|p| if p[3] % 3 == 0 { [0; 4] } else { [p[0], p[1], p[2], 255] })
                .collect();
            let source = Rgbx::from_pixels(4, 4, pixels).unwrap();
            let half = halve(&source);
            for (x, y) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                let four = [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(dx, dy)| source.pixel(2 * x + dx, 2 * y + dy));
                let valid: Vec<_> = four.iter().filter(|pixel| pixel[3] == 255).collect();
                let mean = half.pixel(x, y);
                prop_assert_eq!(mean[3] == 255, !valid.is_empty());
                for channel in 0..3 {
                    let low = valid.iter().map(|pixel| pixel[channel]).min().unwrap_or(0);
                    let high = valid.iter().map(|pixel| pixel[channel]).max().unwrap_or(0);
                    prop_assert!((low..=high).contains(&mean[channel]));
                }
            }
        }
    }
}
