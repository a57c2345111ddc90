//! Eight pixels with the instructions of 64-bit ARM.
#![allow(unsafe_code, reason = "instructions of the machine; the portable code beside is the twin that tests compare with")]
#![allow(clippy::wildcard_imports, reason = "names of instructions say nothing in a list")]

use super::{Eight, GROUP, ROW_BITS, Run, VALID, WEIGHT_BITS, bicubic_weights, bilinear_weights, offset};
use crate::raster::sample::Window;
use std::arch::aarch64::*;

/// Draws groups of pixels from `first` on.
pub fn draw(run: &Run<'_>, first: usize, groups: &mut [[[u8; 4]; GROUP]]) {
    // SAFETY: every machine of this architecture has these instructions.
    unsafe { if run.bicubic { bicubic_run(run, first, groups) } else { bilinear_run(run, first, groups) } }
}

#[target_feature(enable = "neon")]
fn bilinear_run(run: &Run<'_>, first: usize, groups: &mut [[[u8; 4]; GROUP]]) {
    run.groups(first, groups, |eight| two_by_two(&run.window, eight));
}

#[target_feature(enable = "neon")]
fn bicubic_run(run: &Run<'_>, first: usize, groups: &mut [[[u8; 4]; GROUP]]) {
    run.groups(first, groups, |eight| four_by_four(&run.window, eight));
}

#[target_feature(enable = "neon")]
#[inline]
fn two_by_two(window: &Window<'_>, eight: &Eight) -> Option<[u32; GROUP]> {
    let stride = window.width as usize * 4;
    let mut valid = vdup_n_u8(0xff);
    let mut colours = [0; GROUP];
    for (lane, colour) in colours.iter_mut().enumerate() {
        let (place, rest) = eight.place(lane);
        let weights = bilinear_weights(rest).map(|weight| weight as u16);
        let at = offset(window, place, 0, 1)?;
        // SAFETY: the pixels to the right, below and to the lower right were found to lie within the window too.
        let (above, below) = unsafe {
            let first = window.pixels.as_ptr().add(at);
            (vld1_u8(first), vld1_u8(first.add(stride)))
        };
        valid = vand_u8(valid, vand_u8(above, below));
        let (above, below) = (vmovl_u8(above), vmovl_u8(below));
        let sum = vmull_n_u16(vget_low_u16(above), weights[0]);
        let sum = vmlal_n_u16(sum, vget_high_u16(above), weights[1]);
        let sum = vmlal_n_u16(sum, vget_low_u16(below), weights[2]);
        let sum = vmlal_n_u16(sum, vget_high_u16(below), weights[3]);
        *colour = pack(vreinterpretq_s32_u32(vrshrq_n_u32::<{ WEIGHT_BITS as i32 }>(sum)));
    }
    all_valid(valid).then_some(colours)
}

#[target_feature(enable = "neon")]
#[inline]
fn four_by_four(window: &Window<'_>, eight: &Eight) -> Option<[u32; GROUP]> {
    const ROW_SHIFT: i32 = (WEIGHT_BITS - ROW_BITS) as i32;
    const SHIFT: i32 = (WEIGHT_BITS + ROW_BITS) as i32;
    let stride = window.width as usize * 4;
    let mut valid = vdup_n_u8(0xff);
    let mut colours = [0; GROUP];
    for (lane, colour) in colours.iter_mut().enumerate() {
        let (place, [fx, fy]) = eight.place(lane);
        let across = bicubic_weights(fx).map(|weight| weight as i16);
        let at = offset(window, place, 1, 2)? - stride - 4;
        let mut sum = vdupq_n_s32(0);
        for (dy, down) in bicubic_weights(fy).into_iter().enumerate() {
            // SAFETY: the pixels from one before to two after were found to lie within the window.
            let sixteen = unsafe { vld1q_u8(window.pixels.as_ptr().add(at + dy * stride)) };
            valid = vand_u8(valid, vand_u8(vget_low_u8(sixteen), vget_high_u8(sixteen)));
            let left = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(sixteen)));
            let right = vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(sixteen)));
            let line = vmull_n_s16(vget_low_s16(left), across[0]);
            let line = vmlal_n_s16(line, vget_high_s16(left), across[1]);
            let line = vmlal_n_s16(line, vget_low_s16(right), across[2]);
            let line = vmlal_n_s16(line, vget_high_s16(right), across[3]);
            sum = vmlaq_n_s32(sum, vrshrq_n_s32::<ROW_SHIFT>(line), down);
        }
        *colour = pack(vrshrq_n_s32::<SHIFT>(sum));
    }
    all_valid(valid).then_some(colours)
}

/// True when the fourth byte of both pixels says so.
#[target_feature(enable = "neon")]
#[inline]
fn all_valid(pixels: uint8x8_t) -> bool {
    let words = vreinterpret_u32_u8(pixels);
    vget_lane_u32::<0>(words) & vget_lane_u32::<1>(words) & VALID == VALID
}

#[target_feature(enable = "neon")]
#[inline]
fn pack(sum: int32x4_t) -> u32 {
    let words = vqmovun_s32(sum);
    vget_lane_u32::<0>(vreinterpret_u32_u8(vqmovn_u16(vcombine_u16(words, words))))
}
