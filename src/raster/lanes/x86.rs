//! Eight pixels with SSE 4.1 and with AVX 2.
#![allow(unsafe_code, reason = "instructions of the machine; the portable code beside is the twin that tests compare with")]
#![allow(clippy::wildcard_imports, reason = "sixty names of instructions say nothing in a list")]
#![allow(clippy::unused_self, reason = "the value is the proof that the machine has the instructions")]

use super::{Eight, GROUP, ONE, ROW_BITS, Run, STEPS, WEIGHT_BITS, offset};
use crate::raster::halve::Seen;
use crate::raster::sample::Window;
use std::arch::x86_64::*;
use std::sync::OnceLock;

/// Proof that the machine has AVX 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Avx2(());

/// Proof that the machine has SSE 4.1 and SSSE 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sse41(());

impl Avx2 {
    pub fn detect() -> Option<Self> {
        static FOUND: OnceLock<bool> = OnceLock::new();
        FOUND.get_or_init(|| is_x86_feature_detected!("avx2")).then_some(Self(()))
    }
    /// Draws groups of pixels from `first` on.
    pub fn draw(self, run: &Run<'_>, first: usize, groups: &mut [[[u8; 4]; GROUP]]) {
        // SAFETY: the machine has AVX 2.
        unsafe { if run.bicubic { avx2_bicubic_run(run, first, groups) } else { avx2_bilinear_run(run, first, groups) } }
    }
    /// Halves a row of pairs of pixels.
    pub fn halve(self, upper: &[[u8; 8]], lower: &[[u8; 8]], out: &mut [[u8; 4]]) -> Seen {
        // SAFETY: the machine has AVX 2.
        unsafe { avx2_halve(upper, lower, out) }
    }
}

impl Sse41 {
    pub fn detect() -> Option<Self> {
        static FOUND: OnceLock<bool> = OnceLock::new();
        FOUND.get_or_init(|| is_x86_feature_detected!("sse4.1") && is_x86_feature_detected!("ssse3")).then_some(Self(()))
    }
    /// Draws groups of pixels from `first` on.
    pub fn draw(self, run: &Run<'_>, first: usize, groups: &mut [[[u8; 4]; GROUP]]) {
        // SAFETY: the machine has SSE 4.1 and SSSE 3.
        unsafe { if run.bicubic { sse41_bicubic_run(run, first, groups) } else { sse41_bilinear_run(run, first, groups) } }
    }
}

/// Bits of the bytes that hold validity, after the two pixels of each half were interleaved channel by channel.
const VALID_PAIRS: i32 = 0xC0C0;

#[target_feature(enable = "avx2")]
fn avx2_bilinear_run(run: &Run<'_>, first: usize, groups: &mut [[[u8; 4]; GROUP]]) {
    run.groups(first, groups, |eight| avx2_bilinear(&run.window, eight));
}

#[target_feature(enable = "avx2")]
fn avx2_bicubic_run(run: &Run<'_>, first: usize, groups: &mut [[[u8; 4]; GROUP]]) {
    run.groups(first, groups, |eight| avx2_bicubic(&run.window, eight));
}

#[target_feature(enable = "sse4.1,ssse3")]
fn sse41_bilinear_run(run: &Run<'_>, first: usize, groups: &mut [[[u8; 4]; GROUP]]) {
    run.groups(first, groups, |eight| sse41_bilinear(&run.window, eight));
}

#[target_feature(enable = "sse4.1,ssse3")]
fn sse41_bicubic_run(run: &Run<'_>, first: usize, groups: &mut [[[u8; 4]; GROUP]]) {
    run.groups(first, groups, |eight| sse41_bicubic(&run.window, eight));
}

/// Byte offsets of the upper left pixels of a group, when those from `before` them to `after` them lie within the window.
#[target_feature(enable = "avx2")]
#[inline]
fn avx2_offsets(columns: __m256i, rows: __m256i, window: &Window<'_>, before: i32, after: i32) -> Option<[usize; GROUP]> {
    let low = |at| _mm256_sub_epi32(at, _mm256_set1_epi32(before));
    let high = |at, length: i32| _mm256_sub_epi32(_mm256_set1_epi32(length - after - 1), at);
    let across = _mm256_or_si256(low(columns), high(columns, window.width));
    let down = _mm256_or_si256(low(rows), high(rows, window.height));
    // A number below zero has the highest bit.
    if _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_or_si256(across, down))) != 0 {
        return None;
    }
    let (columns, rows) = (avx2_array(columns), avx2_array(rows));
    Some(std::array::from_fn(|lane| (rows[lane] as usize * window.width as usize + columns[lane] as usize) * 4))
}

/// Whole and rest of the positions along an axis.
#[target_feature(enable = "avx2")]
#[inline]
fn avx2_places(whole: i32, at: f32, step: f32) -> (__m256i, __m256) {
    let lanes = _mm256_setr_ps(0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0);
    let place = _mm256_add_ps(_mm256_set1_ps(at), _mm256_mul_ps(_mm256_set1_ps(step), lanes));
    let floor = _mm256_floor_ps(place);
    (_mm256_add_epi32(_mm256_set1_epi32(whole), _mm256_cvttps_epi32(floor)), _mm256_sub_ps(place, floor))
}

#[target_feature(enable = "avx2")]
#[inline]
fn avx2_array(values: __m256i) -> [i32; GROUP] {
    let mut array = [0; GROUP];
    // SAFETY: the array has room for 32 bytes; the store needs no alignment.
    unsafe { _mm256_storeu_si256(array.as_mut_ptr().cast(), values) };
    array
}

#[target_feature(enable = "avx2")]
#[inline]
fn avx2_colours(values: __m256i) -> [u32; GROUP] {
    avx2_array(values).map(|value| value as u32)
}

/// Two weights of 16 bits in 32.
#[target_feature(enable = "avx2")]
#[inline]
fn avx2_pair(low: __m256i, high: __m256i) -> __m256i {
    _mm256_or_si256(_mm256_and_si256(low, _mm256_set1_epi32(0xffff)), _mm256_slli_epi32::<16>(high))
}

/// SAFETY: eight bytes have to be readable at both places.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn avx2_two_pairs(first: *const u8, second: *const u8) -> __m128i {
    // SAFETY: as the caller says.
    unsafe { _mm_unpacklo_epi64(_mm_loadl_epi64(first.cast()), _mm_loadl_epi64(second.cast())) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn avx2_bilinear(window: &Window<'_>, eight: &Eight) -> Option<[u32; GROUP]> {
    let (columns, fx) = avx2_places(eight.column, eight.at[0], eight.step[0]);
    let (rows, fy) = avx2_places(eight.row, eight.at[1], eight.step[1]);
    let steps = |rest| _mm256_cvttps_epi32(_mm256_add_ps(_mm256_mul_ps(rest, _mm256_set1_ps(STEPS)), _mm256_set1_ps(0.5)));
    let (x, y) = (steps(fx), steps(fy));
    let both = _mm256_srli_epi32::<8>(_mm256_add_epi32(_mm256_mullo_epi32(x, y), _mm256_set1_epi32(128)));
    let (x, y) = (_mm256_slli_epi32::<3>(x), _mm256_slli_epi32::<3>(y));
    let first = _mm256_add_epi32(_mm256_sub_epi32(_mm256_set1_epi32(ONE), _mm256_add_epi32(x, y)), both);
    let upper = avx2_pair(first, _mm256_sub_epi32(x, both));
    let lower = avx2_pair(_mm256_sub_epi32(y, both), both);

    let offsets = avx2_offsets(columns, rows, window, 0, 1)?;
    let (pixels, stride) = (window.pixels.as_ptr(), window.width as usize * 4);
    let interleave = _mm_setr_epi8(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
    let mut valid = _mm_set1_epi8(-1);
    let mut sums = [_mm256_setzero_si256(); 4];
    let mut lanes = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
    for (sum, pair) in sums.iter_mut().zip(offsets.as_chunks::<2>().0) {
        // SAFETY: the pixels to the right, below and to the lower right were found to lie within the window too.
        let (above, below) = unsafe {
            let [first, second] = [pixels.add(pair[0]), pixels.add(pair[1])];
            (avx2_two_pairs(first, second), avx2_two_pairs(first.add(stride), second.add(stride)))
        };
        let (above, below) = (_mm_shuffle_epi8(above, interleave), _mm_shuffle_epi8(below, interleave));
        valid = _mm_and_si128(valid, _mm_and_si128(above, below));
        let above = _mm256_madd_epi16(_mm256_cvtepu8_epi16(above), _mm256_permutevar8x32_epi32(upper, lanes));
        let below = _mm256_madd_epi16(_mm256_cvtepu8_epi16(below), _mm256_permutevar8x32_epi32(lower, lanes));
        let rounded = _mm256_add_epi32(_mm256_add_epi32(above, below), _mm256_set1_epi32(ONE / 2));
        *sum = _mm256_srai_epi32::<{ WEIGHT_BITS as i32 }>(rounded);
        lanes = _mm256_add_epi32(lanes, _mm256_set1_epi32(2));
    }
    if _mm_movemask_epi8(valid) & VALID_PAIRS != VALID_PAIRS {
        return None;
    }
    Some(avx2_colours(avx2_pack(sums)))
}

/// Sixteen pixels of two rows become eight, as long as all are valid; the others are left to the portable code.
#[target_feature(enable = "avx2")]
fn avx2_halve(upper: &[[u8; 8]], lower: &[[u8; 8]], out: &mut [[u8; 4]]) -> Seen {
    // The bytes that hold validity.
    const ALL: u32 = 0x8888_8888;
    let channels = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15));
    let ones = _mm256_set1_epi8(1);
    let (uppers, upper_rest) = upper.as_chunks::<GROUP>();
    let (lowers, lower_rest) = lower.as_chunks::<GROUP>();
    let (outs, out_rest) = out.as_chunks_mut::<GROUP>();
    let mut seen = Seen::NOTHING;
    for ((upper, lower), out) in uppers.iter().zip(lowers).zip(outs) {
        // SAFETY: each group holds 64 bytes; the loads need no alignment.
        let [a, b, c, d] = unsafe {
            let (upper, lower) = (upper.as_ptr(), lower.as_ptr());
            [
                _mm256_loadu_si256(upper.cast()),
                _mm256_loadu_si256(upper.add(4).cast()),
                _mm256_loadu_si256(lower.cast()),
                _mm256_loadu_si256(lower.add(4).cast()),
            ]
        };
        let valid = _mm256_and_si256(_mm256_and_si256(a, b), _mm256_and_si256(c, d));
        if _mm256_movemask_epi8(valid) as u32 & ALL != ALL {
            // Invalid pixels are zeros.
            let any = _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
            seen.all = false;
            if _mm256_movemask_epi8(any) as u32 & ALL == 0 {
                *out = [[0; 4]; GROUP];
            } else {
                seen.any = true;
                super::halve_row(upper, lower, out);
            }
            continue;
        }
        seen.any = true;
        let pair = |pixels| _mm256_maddubs_epi16(_mm256_shuffle_epi8(pixels, channels), ones);
        let mean = |above, below| {
            let sum = _mm256_add_epi16(_mm256_add_epi16(pair(above), pair(below)), _mm256_set1_epi16(2));
            _mm256_srli_epi16::<2>(sum)
        };
        let bytes = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi16(mean(a, c), mean(b, d)));
        // SAFETY: the group has room for 32 bytes; the store needs no alignment.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), bytes) };
    }
    seen.with(super::halve_row(upper_rest, lower_rest, out_rest))
}

/// Eight colours from sums whose halves are the pixels 0 and 1, 2 and 3, and so on.
#[target_feature(enable = "avx2")]
#[inline]
fn avx2_pack([a, b, c, d]: [__m256i; 4]) -> __m256i {
    let bytes = _mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
    _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7))
}

/// The four weights of [`super::bicubic_weights`] as two pairs.
#[target_feature(enable = "avx2")]
#[inline]
fn avx2_bicubic_weights(t: __m256) -> [__m256i; 2] {
    let whole =
        |value| _mm256_sub_epi32(_mm256_cvttps_epi32(_mm256_add_ps(value, _mm256_set1_ps(32768.5))), _mm256_set1_epi32(32768));
    let scale = |value| _mm256_mul_ps(value, _mm256_set1_ps(8192.0));
    let t2 = _mm256_mul_ps(t, t);
    let t3 = _mm256_mul_ps(t2, t);
    let first = whole(scale(_mm256_sub_ps(_mm256_sub_ps(_mm256_add_ps(t2, t2), t), t3)));
    let four_t2 = _mm256_mul_ps(t2, _mm256_set1_ps(4.0));
    let third = whole(scale(_mm256_sub_ps(_mm256_add_ps(t, four_t2), _mm256_mul_ps(t3, _mm256_set1_ps(3.0)))));
    let fourth = whole(scale(_mm256_sub_ps(t3, t2)));
    let others = _mm256_add_epi32(_mm256_add_epi32(first, third), fourth);
    let second = _mm256_sub_epi32(_mm256_set1_epi32(ONE), others);
    [avx2_pair(first, second), avx2_pair(third, fourth)]
}

const ROW_SHIFT: i32 = (WEIGHT_BITS - ROW_BITS) as i32;
const SHIFT: i32 = (WEIGHT_BITS + ROW_BITS) as i32;

#[target_feature(enable = "avx2")]
#[inline]
fn avx2_bicubic(window: &Window<'_>, eight: &Eight) -> Option<[u32; GROUP]> {
    let (columns, fx) = avx2_places(eight.column, eight.at[0], eight.step[0]);
    let (rows, fy) = avx2_places(eight.row, eight.at[1], eight.step[1]);
    let (across, down) = (avx2_bicubic_weights(fx), avx2_bicubic_weights(fy));
    let offsets = avx2_offsets(columns, rows, window, 1, 2)?;
    let (pixels, stride) = (window.pixels.as_ptr(), window.width as usize * 4);
    let pairs = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15));
    let lines = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15));
    let zero = _mm256_setzero_si256();
    let mut valid = _mm256_set1_epi8(-1);
    let mut sums = [zero; 4];
    let mut lanes = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
    for (sum, pair) in sums.iter_mut().zip(offsets.as_chunks::<2>().0) {
        let (left, right) = (_mm256_permutevar8x32_epi32(across[0], lanes), _mm256_permutevar8x32_epi32(across[1], lanes));
        let mut line = [zero; 4];
        for (dy, line) in line.iter_mut().enumerate() {
            // SAFETY: the pixels from one before to two after were found to lie within the window.
            let sixteen = unsafe {
                let [first, second] = [pair[0], pair[1]].map(|at| pixels.add(at - stride - 4 + dy * stride));
                _mm256_inserti128_si256::<1>(
                    _mm256_castsi128_si256(_mm_loadu_si128(first.cast())),
                    _mm_loadu_si128(second.cast()),
                )
            };
            let sixteen = _mm256_shuffle_epi8(sixteen, pairs);
            valid = _mm256_and_si256(valid, sixteen);
            let left = _mm256_madd_epi16(_mm256_unpacklo_epi8(sixteen, zero), left);
            let right = _mm256_madd_epi16(_mm256_unpackhi_epi8(sixteen, zero), right);
            let rounded = _mm256_add_epi32(_mm256_add_epi32(left, right), _mm256_set1_epi32(1 << (ROW_SHIFT - 1)));
            *line = _mm256_srai_epi32::<ROW_SHIFT>(rounded);
        }
        let upper = _mm256_shuffle_epi8(_mm256_packs_epi32(line[0], line[1]), lines);
        let lower = _mm256_shuffle_epi8(_mm256_packs_epi32(line[2], line[3]), lines);
        let upper = _mm256_madd_epi16(upper, _mm256_permutevar8x32_epi32(down[0], lanes));
        let lower = _mm256_madd_epi16(lower, _mm256_permutevar8x32_epi32(down[1], lanes));
        let rounded = _mm256_add_epi32(_mm256_add_epi32(upper, lower), _mm256_set1_epi32(1 << (SHIFT - 1)));
        *sum = _mm256_srai_epi32::<SHIFT>(rounded);
        lanes = _mm256_add_epi32(lanes, _mm256_set1_epi32(2));
    }
    const BOTH: i32 = VALID_PAIRS | VALID_PAIRS << 16;
    if _mm256_movemask_epi8(valid) & BOTH != BOTH {
        return None;
    }
    Some(avx2_colours(avx2_pack(sums)))
}

/// Column, row and weights of each pixel are computed by the portable code; mixing is what takes the time.
#[target_feature(enable = "sse4.1,ssse3")]
#[inline]
fn sse41_bilinear(window: &Window<'_>, eight: &Eight) -> Option<[u32; GROUP]> {
    let stride = window.width as usize * 4;
    let interleave = _mm_setr_epi8(0, 4, 1, 5, 2, 6, 3, 7, -1, -1, -1, -1, -1, -1, -1, -1);
    let mut valid = _mm_set1_epi8(-1);
    let mut colours = [0; GROUP];
    for (lane, colour) in colours.iter_mut().enumerate() {
        let (place, rest) = eight.place(lane);
        let weights = super::bilinear_weights(rest);
        let at = offset(window, place, 0, 1)?;
        // SAFETY: the pixels to the right, below and to the lower right were found to lie within the window too.
        let (above, below) = unsafe {
            let first = window.pixels.as_ptr().add(at);
            (_mm_loadl_epi64(first.cast()), _mm_loadl_epi64(first.add(stride).cast()))
        };
        let (above, below) = (_mm_shuffle_epi8(above, interleave), _mm_shuffle_epi8(below, interleave));
        valid = _mm_and_si128(valid, _mm_and_si128(above, below));
        let pair = |low: i32, high: i32| _mm_set1_epi32(low & 0xffff | high << 16);
        let above = _mm_madd_epi16(_mm_cvtepu8_epi16(above), pair(weights[0], weights[1]));
        let below = _mm_madd_epi16(_mm_cvtepu8_epi16(below), pair(weights[2], weights[3]));
        let rounded = _mm_add_epi32(_mm_add_epi32(above, below), _mm_set1_epi32(ONE / 2));
        *colour = sse41_pack(_mm_srai_epi32::<{ WEIGHT_BITS as i32 }>(rounded));
    }
    (_mm_movemask_epi8(valid) & 0xC0 == 0xC0).then_some(colours)
}

#[target_feature(enable = "sse4.1,ssse3")]
#[inline]
fn sse41_pack(sum: __m128i) -> u32 {
    let words = _mm_packs_epi32(sum, sum);
    _mm_cvtsi128_si32(_mm_packus_epi16(words, words)) as u32
}

#[target_feature(enable = "sse4.1,ssse3")]
#[inline]
fn sse41_bicubic(window: &Window<'_>, eight: &Eight) -> Option<[u32; GROUP]> {
    let stride = window.width as usize * 4;
    let pairs = _mm_setr_epi8(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
    let lines = _mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15);
    let zero = _mm_setzero_si128();
    let mut valid = _mm_set1_epi8(-1);
    let mut colours = [0; GROUP];
    for (lane, colour) in colours.iter_mut().enumerate() {
        let (place, [fx, fy]) = eight.place(lane);
        let (across, down) = (super::bicubic_weights(fx), super::bicubic_weights(fy));
        let pair = |low: i32, high: i32| _mm_set1_epi32(low & 0xffff | high << 16);
        let (left, right) = (pair(across[0], across[1]), pair(across[2], across[3]));
        let at = offset(window, place, 1, 2)? - stride - 4;
        let mut line = [zero; 4];
        for (dy, line) in line.iter_mut().enumerate() {
            // SAFETY: the pixels from one before to two after were found to lie within the window.
            let sixteen = unsafe { _mm_loadu_si128(window.pixels.as_ptr().add(at + dy * stride).cast()) };
            let sixteen = _mm_shuffle_epi8(sixteen, pairs);
            valid = _mm_and_si128(valid, sixteen);
            let left = _mm_madd_epi16(_mm_unpacklo_epi8(sixteen, zero), left);
            let right = _mm_madd_epi16(_mm_unpackhi_epi8(sixteen, zero), right);
            let rounded = _mm_add_epi32(_mm_add_epi32(left, right), _mm_set1_epi32(1 << (ROW_SHIFT - 1)));
            *line = _mm_srai_epi32::<ROW_SHIFT>(rounded);
        }
        let upper = _mm_shuffle_epi8(_mm_packs_epi32(line[0], line[1]), lines);
        let lower = _mm_shuffle_epi8(_mm_packs_epi32(line[2], line[3]), lines);
        let upper = _mm_madd_epi16(upper, pair(down[0], down[1]));
        let lower = _mm_madd_epi16(lower, pair(down[2], down[3]));
        let rounded = _mm_add_epi32(_mm_add_epi32(upper, lower), _mm_set1_epi32(1 << (SHIFT - 1)));
        *colour = sse41_pack(_mm_srai_epi32::<SHIFT>(rounded));
    }
    (_mm_movemask_epi8(valid) & VALID_PAIRS == VALID_PAIRS).then_some(colours)
}
