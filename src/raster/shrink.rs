//! Coarser by any factor: each pixel is the mean of what it covers, weighted by area.

use super::Rgbx;

/// Parts of a pixel that weights are counted in.
const UNIT: f64 = 256.0;

/// A picture of `width` × `height` pixels, each as wide as `step` pixels of `source`; `from` is the position in `source` of its upper
/// left corner. Pixels of the source that are not valid, or beyond its border, have no weight; a pixel without any weight is not valid.
pub fn shrink(source: &Rgbx, from: [f64; 2], step: f64, [width, height]: [usize; 2]) -> Rgbx {
    let mut target = Rgbx::empty(width, height);
    let columns: Vec<Vec<(usize, u32)>> =
        (0..width).map(|column| weights(from[0] + column as f64 * step, step, source.width())).collect();
    let mut sums = vec![0_u32; source.width() * 4];
    for row in 0..height {
        let rows = weights(from[1] + row as f64 * step, step, source.height());
        sums.fill(0);
        for &(y, weight) in &rows {
            for (sum, value) in sums.iter_mut().zip(source.row(y)) {
                *sum += u32::from(*value) * weight;
            }
        }
        for (pixel, columns) in target.row_mut(row).chunks_exact_mut(4).zip(&columns) {
            let mut total = [0_u64; 4];
            for &(x, weight) in columns {
                for (total, sum) in total.iter_mut().zip(&sums[x * 4..x * 4 + 4]) {
                    *total += u64::from(*sum) * u64::from(weight);
                }
            }
            // Validity is 255: its sum is the weight of what is valid.
            let [red, green, blue, weight] = total;
            if weight > 0 {
                let mean = |sum: u64| ((sum * 255 + weight / 2) / weight) as u8;
                pixel.copy_from_slice(&[mean(red), mean(green), mean(blue), 255]);
            }
        }
    }
    target
}

/// The source pixels that a stretch covers, with the covered part of each. A stretch of 65,000 pixels fits into the sums.
fn weights(from: f64, length: f64, limit: usize) -> Vec<(usize, u32)> {
    let (first, last) = (from.floor().max(0.0), (from + length).ceil().min(limit as f64));
    let mut weights = Vec::new();
    let mut at = first;
    while at < last {
        let part = (from + length).min(at + 1.0) - from.max(at);
        let weight = (part * UNIT).round() as u32;
        if weight > 0 {
            weights.push((at as usize, weight));
        }
        at += 1.0;
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::super::halve;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn halves_of_pixels_count_half_and_invalid_ones_not_at_all() {
        let grey = |value: u8| [value, value, value, 255];
        let source = Rgbx::from_pixels(5, 1, [grey(10), grey(20), grey(30), [0; 4], grey(50)].concat()).unwrap();
        let half = shrink(&source, [0.0, 0.0], 2.5, [2, 1]);
        // (10 + 20 + 30/2) / 2.5 = 18; (30/2 + 50) / 1.5 = 43.3
        assert_eq!(half.pixels(), [grey(18), grey(43)].concat());
        let beyond = shrink(&source, [4.0, 0.0], 2.5, [2, 1]);
        assert_eq!(beyond.pixels(), [grey(50), [0; 4]].concat());
        assert_eq!(shrink(&source, [-5.0, 0.0], 2.5, [2, 1]), Rgbx::empty(2, 1));
    }

    proptest! {
        #[test]
        fn by_two_it_is_the_half(colours in proptest::collection::vec(0_u8.., 6 * 4 * 4)) {
            let pixels: Vec<u8> =
                colours.chunks(4).flat_map(|p| if p[3] % 4 == 0 { [0; 4] } else { [p[0], p[1], p[2], 255] }).collect();
            let source = Rgbx::from_pixels(6, 4, pixels).unwrap();
            prop_assert_eq!(shrink(&source, [0.0, 0.0], 2.0, [3, 2]), halve(&source));
        }

        #[test]
        fn one_colour_stays_that_colour(value: u8, x in -3.0_f64..20.0, step in 1.0_f64..9.0) {
            let mut source = Rgbx::empty(20, 20);
            source.pixels_mut().chunks_exact_mut(4).for_each(|pixel| pixel.copy_from_slice(&[value, value, value, 255]));
            for pixel in shrink(&source, [x, 0.0], step, [5, 2]).pixels().chunks_exact(4) {
                prop_assert!(pixel == [0; 4] || pixel == [value, value, value, 255]);
            }
        }
    }
}
