//! What stands in for invalid pixels in a format that has no transparency.

use super::{Coverage, Rgbx};
use std::ops::Range;

/// Side of the blocks that JPEG with 4:2:0 colour encodes as one, in pixels.
pub const JPEG_BLOCK: usize = 16;

/// An invalid pixel so far from a valid one, in pixels, has the colour of the background.
const FADE: f32 = 5.0;

/// Gives invalid pixels a colour and makes all pixels valid, for JPEG.
///
/// The image ends where its mask does: what lies five pixels beyond is `background`. Between, within a JPEG block that has valid
/// pixels, the colour of the nearest fades into it, so that the block holds no hard edge that would ring into the picture. A block
/// without any is `background`.
pub fn fill_invalid(picture: &mut Rgbx, background: [u8; 3]) {
    let (width, height) = (picture.width(), picture.height());
    for top in (0..height).step_by(JPEG_BLOCK) {
        for left in (0..width).step_by(JPEG_BLOCK) {
            let (right, bottom) = ((left + JPEG_BLOCK).min(width), (top + JPEG_BLOCK).min(height));
            match picture.coverage(left, top, right - left, bottom - top) {
                Coverage::Full => {}
                Coverage::Empty => {
                    let [red, green, blue] = background;
                    for row in top..bottom {
                        picture.row_mut(row)[left * 4..right * 4].as_chunks_mut().0.fill([red, green, blue, 255]);
                    }
                }
                Coverage::Part => fill_block(picture, left..right, top..bottom, background),
            }
        }
    }
}

/// Fills a block that has both.
fn fill_block(picture: &mut Rgbx, columns: Range<usize>, rows: Range<usize>, background: [u8; 3]) {
    let width = columns.len();
    // For each pixel the nearest valid column in its row; `None` where the row has none.
    let mut nearest = vec![None::<usize>; width * rows.len()];
    for (line, y) in rows.clone().enumerate() {
        let row = &picture.row(y)[columns.start * 4..columns.end * 4];
        let line = &mut nearest[line * width..(line + 1) * width];
        let mut last = None;
        for x in 0..width {
            if row[x * 4 + 3] != 0 {
                last = Some(x);
            }
            line[x] = last;
        }
        let mut next: Option<usize> = None;
        for x in (0..width).rev() {
            if row[x * 4 + 3] != 0 {
                next = Some(x);
            }
            if let Some(next) = next
                && line[x].is_none_or(|left| next - x < x - left)
            {
                line[x] = Some(next);
            }
        }
    }
    for (line, y) in rows.clone().enumerate() {
        for x in 0..width {
            if nearest[line * width + x] == Some(x) {
                continue;
            }
            let distance = |&(other, column): &(usize, usize)| column.abs_diff(x).pow(2) + other.abs_diff(line).pow(2);
            // Rows farther than the fade have nothing that shows here.
            let near = line.saturating_sub(FADE as usize)..(line + FADE as usize + 1).min(rows.len());
            let candidates = near.map(|other| (other, nearest[other * width + x]));
            let best = candidates.filter_map(|(other, column)| Some((other, column?))).min_by_key(distance);
            let colour = best.map_or(background, |best| {
                let [red, green, blue, _] = picture.pixel(columns.start + best.1, rows.start + best.0);
                faded([red, green, blue], background, distance(&best))
            });
            let at = (columns.start + x) * 4;
            // The fourth byte follows later: until all are filled it says which were valid.
            picture.row_mut(y)[at..at + 3].copy_from_slice(&colour);
        }
    }
    for y in rows {
        for pixel in picture.row_mut(y)[columns.start * 4..columns.end * 4].as_chunks_mut::<4>().0 {
            pixel[3] = 255;
        }
    }
}

/// A colour at a distance, given as its square: itself beside the edge, then more and more the background.
fn faded(colour: [u8; 3], background: [u8; 3], squared: usize) -> [u8; 3] {
    let share = (((squared as f32).sqrt() - 1.0) / (FADE - 1.0)).clamp(0.0, 1.0);
    std::array::from_fn(|channel| {
        let (near, far) = (f32::from(colour[channel]), f32::from(background[channel]));
        (near + (far - near) * share + 0.5) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_valid_pixel_of_the_block_fades_into_the_background() {
        let mut picture = Rgbx::empty(32, 16);
        picture.row_mut(3)[5 * 4..6 * 4].copy_from_slice(&[9, 8, 7, 255]);
        picture.row_mut(12)[15 * 4..16 * 4].copy_from_slice(&[1, 2, 3, 255]);
        fill_invalid(&mut picture, [255; 3]);
        assert!(picture.is_full());
        assert_eq!(picture.pixel(5, 3), [9, 8, 7, 255]);
        assert_eq!(picture.pixel(4, 3), [9, 8, 7, 255]);
        assert_eq!(picture.pixel(5, 6), [132, 132, 131, 255], "half way");
        assert_eq!(picture.pixel(0, 3), [255; 4]);
        assert_eq!(picture.pixel(15, 11), [1, 2, 3, 255]);
        assert_eq!(picture.pixel(16, 12), [255; 4], "the next block has no valid pixel");
    }

    #[test]
    fn each_pixel_takes_the_nearest_by_brute_force() {
        let mut picture = Rgbx::empty(16, 16);
        let valid = [(2, 3, 10), (13, 1, 20), (7, 14, 30), (8, 8, 40)];
        for (x, y, grey) in valid {
            picture.row_mut(y)[x * 4..x * 4 + 4].copy_from_slice(&[grey, grey, grey, 255]);
        }
        fill_invalid(&mut picture, [0; 3]);
        for y in 0..16_usize {
            for x in 0..16_usize {
                let squared = |&(vx, vy, _): &(usize, usize, u8)| vx.abs_diff(x).pow(2) + vy.abs_diff(y).pow(2);
                let least = valid.iter().map(squared).min().unwrap();
                let grey = picture.pixel(x, y)[0];
                let fits = |place: &(usize, usize, u8)| squared(place) == least && faded([place.2; 3], [0; 3], least)[0] == grey;
                assert!(valid.iter().any(fits), "{x} {y} is {grey}");
            }
        }
    }
}
