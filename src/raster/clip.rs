//! Cutting pictures to polygons.

use super::Rgbx;

/// Makes the pixels of a part of a picture invalid whose centres lie outside the polygons that `rings` bound, by the even-odd rule.
///
/// The part has its upper left corner at `at`; there `rings` count from `from`, in pixels, rows downwards. A centre on an edge belongs
/// to the polygon on its right, so that polygons that share an edge share no pixel.
pub fn clip(picture: &mut Rgbx, at: [usize; 2], [width, height]: [usize; 2], from: [usize; 2], rings: &[Vec<[f64; 2]>]) {
    let mut crossings: Vec<f64> = Vec::new();
    for line in 0..height {
        let y = (from[1] + line) as f64 + 0.5;
        crossings.clear();
        for ring in rings {
            for (a, b) in ring.iter().zip(ring.iter().cycle().skip(1)) {
                // Half open, so that a corner on the line counts once.
                if (a[1] <= y) != (b[1] <= y) {
                    crossings.push(a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0]) - from[0] as f64);
                }
            }
        }
        crossings.sort_by(f64::total_cmp);
        let row = picture.row_mut(at[1] + line)[at[0] * 4..(at[0] + width) * 4].as_chunks_mut::<4>().0;
        // The first column whose centre lies at the crossing or to its right.
        let column = |crossing: f64| (crossing - 0.5).ceil().clamp(0.0, width as f64) as usize;
        let mut outside = 0;
        for pair in crossings.chunks(2) {
            let [enters, leaves] = [pair.first(), pair.get(1)].map(|at| at.map_or(width, |at| column(*at)));
            row[outside..enters.max(outside)].fill([0; 4]);
            outside = leaves.max(outside);
        }
        row[outside..].fill([0; 4]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn full(width: usize, height: usize) -> Rgbx {
        let mut picture = Rgbx::empty(width, height);
        picture.pixels_mut().fill(255);
        picture
    }

    #[test]
    fn polygons_with_a_common_edge_share_no_pixel_and_leave_none_out() {
        let halves = [
            vec![[-5.0, -5.0], [12.0, -5.0], [3.5, 30.0], [-5.0, 30.0]],
            vec![[12.0, -5.0], [40.0, -5.0], [40.0, 30.0], [3.5, 30.0]],
        ];
        let mut seen = vec![0; 20 * 20];
        for half in halves {
            let mut picture = full(20, 20);
            clip(&mut picture, [0, 0], [20, 20], [0, 0], &[half]);
            for (seen, pixel) in seen.iter_mut().zip(picture.pixels().chunks_exact(4)) {
                *seen += usize::from(pixel[3] != 0);
            }
        }
        assert!(seen.iter().all(|times| *times == 1));
    }

    proptest! {
        #[test]
        fn pixels_are_those_whose_centres_lie_inside(
            ring in proptest::collection::vec((-5.0_f64..35.0, -5.0_f64..35.0), 3..8), from in (0..9_usize, 0..9_usize),
        ) {
            let ring: Vec<[f64; 2]> = ring.into_iter().map(|(x, y)| [x, y]).collect();
            let mut picture = full(24, 18);
            clip(&mut picture, [2, 1], [20, 15], [from.0, from.1], std::slice::from_ref(&ring));
            for y in 0..18 {
                for x in 0..24 {
                    let inside = if (2..22).contains(&x) && (1..16).contains(&y) {
                        let centre = [(from.0 + x - 2) as f64 + 0.5, (from.1 + y - 1) as f64 + 0.5];
                        // The winding of the even-odd rule by brute force: edges to the left.
                        let edges = ring.iter().zip(ring.iter().cycle().skip(1)).filter(|(a, b)| {
                            (a[1] <= centre[1]) != (b[1] <= centre[1])
                                && a[0] + (centre[1] - a[1]) / (b[1] - a[1]) * (b[0] - a[0]) <= centre[0]
                        });
                        edges.count() % 2 == 1
                    } else {
                        true
                    };
                    prop_assert_eq!(picture.pixel(x, y)[3] != 0, inside, "{} {}", x, y);
                }
            }
        }
    }
}
