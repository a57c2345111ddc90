//! Half the size: each pixel is the mean of the valid ones among four.

use super::Rgbx;

/// The picture at half its width and height (even numbers). A pixel is valid when one of its four is.
pub fn halve(source: &Rgbx) -> Rgbx {
    let mut target = Rgbx::empty(source.width() / 2, source.height() / 2);
    halve_into(source, &mut target, 0, 0);
    target
}

/// Like [`halve`], into a part of a larger picture.
pub fn halve_into(source: &Rgbx, target: &mut Rgbx, x: usize, y: usize) {
    let (width, height) = (source.width() / 2, source.height() / 2);
    for row in 0..height {
        let (upper, lower) = (source.row(row * 2), source.row(row * 2 + 1));
        let out = &mut target.row_mut(y + row)[x * 4..(x + width) * 4];
        for ((upper, lower), out) in upper.chunks_exact(8).zip(lower.chunks_exact(8)).zip(out.chunks_exact_mut(4)) {
            let valid = [upper[3], upper[7], lower[3], lower[7]];
            if valid == [255; 4] {
                for channel in 0..4 {
                    let sum = u16::from(upper[channel])
                        + u16::from(upper[channel + 4])
                        + u16::from(lower[channel])
                        + u16::from(lower[channel + 4]);
                    out[channel] = ((sum + 2) / 4) as u8;
                }
            } else {
                out.copy_from_slice(&mean(upper, lower));
            }
        }
    }
}

#[cold]
fn mean(upper: &[u8], lower: &[u8]) -> [u8; 4] {
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
