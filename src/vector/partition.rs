//! Whether areas cover the ground once: edges that no neighbour shares, and the gaps that such edges enclose.

use super::arc::Point;
use super::clip::double_area;
use ahash::RandomState;
use std::collections::{BTreeMap, HashMap};

/// Positions nearer than this (metres) are one corner.
const CORNER_M: f64 = 1e-3;

type Corner = (i64, i64);

/// Of an edge between two corners, in their order: how often it runs forth and back, and the areas it belongs to.
type Known = (u32, u32, [usize; 2]);

/// What a partition's edges tell.
#[derive(Debug, Default, PartialEq)]
pub struct Edges {
    /// Indices of the areas with an edge that is not matched by exactly one in the other direction.
    pub open: Vec<usize>,
    /// Rings around ground that no area covers, anticlockwise.
    pub gaps: Vec<Vec<Point>>,
}

/// Compares the edges of areas; each area gives its rings, outer ones anticlockwise, holes clockwise, all closed.
pub fn edges<'a>(rings: impl Iterator<Item = (usize, &'a [Point])>) -> Edges {
    let corner = |point: Point| -> Corner { ((point[0] / CORNER_M).round() as i64, (point[1] / CORNER_M).round() as i64) };
    let mut known: HashMap<(Corner, Corner), Known, RandomState> = HashMap::default();
    let mut places: HashMap<Corner, Point, RandomState> = HashMap::default();
    let mut many = Vec::new();
    for (area, ring) in rings {
        for pair in ring.windows(2) {
            let (a, b) = (corner(pair[0]), corner(pair[1]));
            if a == b {
                continue;
            }
            let forth = a < b;
            let entry = known.entry(if forth { (a, b) } else { (b, a) }).or_insert((0, 0, [area, usize::MAX]));
            if forth {
                entry.0 += 1;
            } else {
                entry.1 += 1;
            }
            if entry.2[0] != area {
                if entry.2[1] != usize::MAX && entry.2[1] != area {
                    many.push(area);
                }
                entry.2[1] = area;
            }
            places.insert(a, pair[0]);
        }
    }
    let mut open = many;
    let mut next: BTreeMap<Corner, Vec<Corner>> = BTreeMap::new();
    for ((a, b), (forth, back, areas)) in known {
        if (forth, back) == (1, 1) {
            continue;
        }
        open.extend(areas.iter().filter(|area| **area != usize::MAX));
        // An edge that remains runs around the ground beyond it in the other direction.
        let (from, to) = if forth > back { (b, a) } else { (a, b) };
        if forth != back {
            next.entry(from).or_default().push(to);
        }
    }
    open.sort_unstable();
    open.dedup();
    for ends in next.values_mut() {
        ends.sort_unstable();
    }
    let place = |corner: Corner| places.get(&corner).copied().unwrap_or([corner.0 as f64 * CORNER_M, corner.1 as f64 * CORNER_M]);
    Edges { open, gaps: loops(next).into_iter().map(|ring| ring.into_iter().map(place).collect()).collect() }
}

/// The rings that directed edges make, where they run anticlockwise: the ground they enclose has no area on its side. The edges
/// around everything run clockwise seen from outside and are left out.
fn loops(mut next: BTreeMap<Corner, Vec<Corner>>) -> Vec<Vec<Corner>> {
    let mut found = Vec::new();
    while let Some((&start, _)) = next.iter().next() {
        let mut ring = vec![start];
        let mut at = start;
        let mut before = None;
        while let Some(ends) = next.get_mut(&at) {
            let index = leftmost(before, at, ends);
            let to = ends.swap_remove(index);
            ends.sort_unstable();
            if ends.is_empty() {
                next.remove(&at);
            }
            ring.push(to);
            before = Some(at);
            at = to;
            if at == start {
                break;
            }
        }
        if ring.len() > 3 && ring.first() == ring.last() {
            let points: Vec<Point> = ring.iter().map(|(x, y)| [*x as f64, *y as f64]).collect();
            if double_area(&points) > 0.0 {
                found.push(ring);
            }
        }
    }
    found
}

/// Where several edges leave a corner, the one furthest to the left keeps rings that touch apart.
fn leftmost(before: Option<Corner>, at: Corner, ends: &[Corner]) -> usize {
    let Some(before) = before.filter(|_| ends.len() > 1) else { return 0 };
    let angle = |to: Corner| ((to.1 - at.1) as f64).atan2((to.0 - at.0) as f64);
    let back = angle(before);
    let turn = |to: Corner| (back - angle(to)).rem_euclid(std::f64::consts::TAU);
    let best = ends.iter().enumerate().min_by(|(_, a), (_, b)| turn(**a).total_cmp(&turn(**b)));
    best.map_or(0, |(index, _)| index)
}

/// The place where a ring crosses or touches itself other than in succession; `None` for a simple one.
pub fn crossing(ring: &[Point]) -> Option<Point> {
    let mut order: Vec<usize> = (0..ring.len().saturating_sub(1)).collect();
    let low = |index: usize| ring[index][0].min(ring[index + 1][0]);
    order.sort_by(|a, b| low(*a).total_cmp(&low(*b)));
    let last = order.len();
    for (rank, &first) in order.iter().enumerate() {
        let (a, b) = (ring[first], ring[first + 1]);
        let right = a[0].max(b[0]);
        for &second in order[rank + 1..].iter().take_while(|&&second| low(second) <= right) {
            let (c, d) = (ring[second], ring[second + 1]);
            let apart = first.abs_diff(second);
            if apart == 1 || apart + 1 == last || a[1].max(b[1]) < c[1].min(d[1]) || c[1].max(d[1]) < a[1].min(b[1]) {
                continue;
            }
            let side = |p: Point, q: Point, r: Point| (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]);
            let (s1, s2, s3, s4) = (side(a, b, c), side(a, b, d), side(c, d, a), side(c, d, b));
            if s1 * s2 < 0.0 && s3 * s4 < 0.0 {
                let part = s1 / (s1 - s2);
                return Some([c[0] + part * (d[0] - c[0]), c[1] + part * (d[1] - c[1])]);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(x: f64, y: f64, side: f64) -> Vec<Point> {
        vec![[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]
    }

    fn grid(without: usize) -> Vec<Vec<Point>> {
        let cells = (0..16_u32).map(|k| square(f64::from(k % 4) * 10.0, f64::from(k / 4) * 10.0, 10.0));
        cells.enumerate().filter(|(index, _)| *index != without).map(|(_, cell)| cell).collect()
    }

    fn told(rings: &[Vec<Point>]) -> Edges {
        edges(rings.iter().enumerate().map(|(index, ring)| (index, &ring[..])))
    }

    #[test]
    fn a_missing_cell_is_a_gap_and_the_border_is_none() {
        let whole = told(&grid(99));
        assert_eq!(whole.gaps, Vec::<Vec<Point>>::new());
        assert_eq!(whole.open.len(), 12, "the cells at the border");
        let holed = told(&grid(5));
        assert_eq!(holed.gaps.len(), 1);
        assert_eq!(double_area(&holed.gaps[0]).abs(), 200.0);
        // Two missing cells that touch in a corner are two gaps.
        let mut rings = grid(5);
        rings.retain(|ring| ring[0] != [20.0, 20.0]);
        assert_eq!(told(&rings).gaps.len(), 2);
        // One at the border is none.
        assert_eq!(told(&grid(1)).gaps.len(), 0);
    }

    #[test]
    fn areas_given_twice_are_open() {
        let mut rings = grid(99);
        rings.push(square(10.0, 10.0, 10.0));
        let open = told(&rings).open;
        assert!(open.contains(&5) && open.contains(&16), "{open:?}");
    }

    #[test]
    fn rings_that_cross_themselves_are_found() {
        assert_eq!(crossing(&square(0.0, 0.0, 10.0)), None);
        assert_eq!(crossing(&[[0.0, 0.0], [10.0, 10.0], [10.0, 0.0], [0.0, 10.0], [0.0, 0.0]]), Some([5.0, 5.0]));
        assert_eq!(crossing(&[]), None);
    }
}
