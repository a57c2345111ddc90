//! The Hilbert curve: an order of things on a map in which neighbours on the map are mostly neighbours in the file.

use crate::crs::Bbox;

/// Position of a cell on the Hilbert curve of order 16; `x` and `y` count cells from 0 to 65,535.
pub fn index(x: u16, y: u16) -> u32 {
    let (mut x, mut y) = (u32::from(x), u32::from(y));
    let mut position = 0;
    let mut side = 1_u32 << 15;
    while side > 0 {
        let right = u32::from(x & side != 0);
        let upper = u32::from(y & side != 0);
        position += side * side * ((3 * right) ^ upper);
        if upper == 0 {
            if right == 1 {
                x = 0xffff - x;
                y = 0xffff - y;
            }
            std::mem::swap(&mut x, &mut y);
        }
        side >>= 1;
    }
    position
}

/// The order that sorts `boxes` along the Hilbert curve through their centres; empty boxes come last, equals keep their order.
pub fn order(boxes: &[Bbox]) -> Vec<u32> {
    let whole = boxes.iter().fold(Bbox::EMPTY, |whole, bbox| whole.union(*bbox));
    let scale = |value: f64, min: f64, size: f64| {
        if size > 0.0 { ((value - min) / size * 65_535.0).clamp(0.0, 65_535.0) as u16 } else { 0 }
    };
    let mut order: Vec<(u64, u32)> = boxes
        .iter()
        .zip(0_u32..)
        .map(|(bbox, row)| {
            if bbox.is_empty() {
                return (u64::MAX, row);
            }
            let [x, y] = bbox.centre();
            (u64::from(index(scale(x, whole.min[0], whole.width()), scale(y, whole.min[1], whole.height()))), row)
        })
        .collect();
    order.sort_unstable();
    order.into_iter().map(|(_, row)| row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The curve's definition: the next cell is always a direct neighbour.
    #[test]
    fn the_curve_visits_each_cell_of_a_corner_once_and_only_steps_to_neighbours() {
        let mut cells: Vec<(u32, i32, i32)> = Vec::new();
        for x in 0..64_u16 {
            for y in 0..64_u16 {
                cells.push((index(x, y), i32::from(x), i32::from(y)));
            }
        }
        cells.sort_unstable();
        assert_eq!(cells.iter().map(|cell| cell.0).collect::<Vec<_>>(), (0..64 * 64).collect::<Vec<_>>());
        for pair in cells.windows(2) {
            assert_eq!((pair[0].1 - pair[1].1).abs() + (pair[0].2 - pair[1].2).abs(), 1, "{pair:?}");
        }
    }

    proptest! {
        #[test]
        fn the_order_is_a_permutation(points in prop::collection::vec((0.0..1e6, 0.0..1e6), 0..60)) {
            let boxes: Vec<Bbox> = points.iter().map(|(x, y)| Bbox::new([*x, *y], [x + 1.0, y + 1.0])).collect();
            let mut order = order(&boxes);
            order.sort_unstable();
            prop_assert_eq!(order, (0..boxes.len() as u32).collect::<Vec<_>>());
        }
    }
}
