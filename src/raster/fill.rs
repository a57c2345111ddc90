//! What stands in for invalid pixels in a format that has no transparency.

use super::Rgbx;

/// Side of the blocks that JPEG with 4:2:0 colour encodes as one, in pixels.
pub const JPEG_BLOCK: usize = 16;

/// Gives invalid pixels a colour and makes all pixels valid, for JPEG.
///
/// Within a JPEG block that has valid pixels, an invalid one takes the colour of the nearest valid one: the block then holds no
/// hard edge that would ring into the picture. A block without any is `background`, so that the colour at the mosaic's edge is not
/// drawn out into streaks across the tile.
pub fn fill_invalid(picture: &mut Rgbx, background: [u8; 3]) {
    let (width, height) = (picture.width(), picture.height());
    for top in (0..height).step_by(JPEG_BLOCK) {
        for left in (0..width).step_by(JPEG_BLOCK) {
            let (right, bottom) = ((left + JPEG_BLOCK).min(width), (top + JPEG_BLOCK).min(height));
            fill_block(picture, left..right, top..bottom, background);
        }
    }
}

fn fill_block(picture: &mut Rgbx, columns: std::ops::Range<usize>, rows: std::ops::Range<usize>, [red, green, blue]: [u8; 3]) {
    let width = columns.len();
    // For each pixel the nearest valid column in its row; `None` where the row has none.
    let mut nearest = vec![None::<usize>; width * rows.len()];
    let (mut valid, mut invalid) = (false, false);
    for (line, y) in rows.clone().enumerate() {
        let row = &picture.row(y)[columns.start * 4..columns.end * 4];
        let line = &mut nearest[line * width..(line + 1) * width];
        let mut last = None;
        for x in 0..width {
            if row[x * 4 + 3] != 0 {
                last = Some(x);
                valid = true;
            } else {
                invalid = true;
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
    if !invalid {
        return;
    }
    let mut filled = Vec::with_capacity(nearest.len());
    for (line, _) in rows.clone().enumerate() {
        for x in 0..width {
            let distance = |&(other, column): &(usize, usize)| column.abs_diff(x).pow(2) + other.abs_diff(line).pow(2);
            let lines = nearest.chunks_exact(width).enumerate();
            let best = lines.filter_map(|(other, line)| line[x].map(|column| (other, column))).min_by_key(distance);
            filled.push(best.filter(|_| valid).map_or([red, green, blue, 255], |(other, column)| {
                let [red, green, blue, _] = picture.pixel(columns.start + column, rows.start + other);
                [red, green, blue, 255]
            }));
        }
    }
    for (y, line) in rows.zip(filled.chunks_exact(width)) {
        for (x, pixel) in columns.clone().zip(line) {
            picture.row_mut(y)[x * 4..x * 4 + 4].copy_from_slice(pixel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_valid_pixel_of_the_block_fills_it_and_empty_blocks_are_background() {
        let mut picture = Rgbx::empty(32, 16);
        picture.row_mut(3)[5 * 4..6 * 4].copy_from_slice(&[9, 8, 7, 255]);
        picture.row_mut(12)[15 * 4..16 * 4].copy_from_slice(&[1, 2, 3, 255]);
        fill_invalid(&mut picture, [255; 3]);
        assert!(picture.is_full());
        assert_eq!(picture.pixel(5, 3), [9, 8, 7, 255]);
        assert_eq!(picture.pixel(0, 0), [9, 8, 7, 255]);
        assert_eq!(picture.pixel(15, 15), [1, 2, 3, 255]);
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
                assert!(valid.iter().any(|place| place.2 == grey && squared(place) == least), "{x} {y} is {grey}");
            }
        }
    }
}
