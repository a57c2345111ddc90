//! Shells of solids: whether they are closed, which way their faces look, what they contain. Faces: area, pitch, azimuth.

use super::plane::newell;
use super::vector::{cross, dot, minus};
use std::collections::HashMap;

/// Open rings of a face, the outer one first.
pub type Rings = [Vec<[f64; 3]>];

/// Points nearer than this are the same corner, in metres: the files' own step.
const SAME_M: f64 = 0.001;

/// What the edges of a shell say. An edge of a closed shell of one orientation is used once in each direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Edges {
    /// Used by one face only: the shell is open there.
    pub open: usize,
    /// Used by two faces in the same direction: one of them looks the wrong way.
    pub turned: usize,
    /// Used by more than two faces.
    pub crowded: usize,
}

impl Edges {
    /// Counts the edges of faces.
    pub fn of<'a>(faces: impl Iterator<Item = &'a Rings>) -> Self {
        let mut numbers: HashMap<[i64; 3], u32> = HashMap::new();
        let mut uses: HashMap<(u32, u32), [u32; 2]> = HashMap::new();
        for ring in faces.flatten() {
            let mut corners: Vec<u32> = Vec::with_capacity(ring.len());
            for point in ring {
                let place = point.map(|value| (value / SAME_M).round() as i64);
                let next = numbers.len() as u32;
                corners.push(*numbers.entry(place).or_insert(next));
            }
            for (index, &from) in corners.iter().enumerate() {
                let to = corners[(index + 1) % corners.len()];
                if from != to {
                    uses.entry((from.min(to), from.max(to))).or_default()[usize::from(from > to)] += 1;
                }
            }
        }
        let mut edges = Self::default();
        for [forward, backward] in uses.into_values() {
            match (forward, backward) {
                (1, 1) => {}
                (2, 0) | (0, 2) => edges.turned += 1,
                (0, 1) | (1, 0) => edges.open += 1,
                _ => edges.crowded += 1,
            }
        }
        edges
    }
    /// True when the shell has an inside, and all faces look away from it or all into it.
    pub fn is_closed(self) -> bool {
        self.open == 0 && self.turned == 0 && self.crowded == 0
    }
}

/// Volume inside a closed shell, negative when its faces look inwards; without meaning for another.
///
/// Sum of the cones over all rings from one point (the divergence theorem); exact for flat faces, and a mean for uneven ones.
pub fn volume<'a>(faces: impl Iterator<Item = &'a Rings>) -> f64 {
    let mut anchor = None;
    let mut six = 0.0;
    for rings in faces {
        let Some(outer) = rings.first().and_then(|ring| newell(ring)) else { continue };
        for (index, ring) in rings.iter().enumerate() {
            let Some(&first) = ring.first() else { continue };
            let anchor = *anchor.get_or_insert(first);
            let origin = minus(first, anchor);
            let mut sum = 0.0;
            for pair in ring.windows(2).skip(1) {
                sum += dot(origin, cross(minus(pair[0], anchor), minus(pair[1], anchor)));
            }
            // A hole that runs like its outer ring is still a hole.
            let alike = index > 0 && newell(ring).is_some_and(|hole| dot(hole.normal, outer.normal) > 0.0);
            six += if alike { -sum } else { sum };
        }
    }
    six / 6.0
}

/// A face as solar planning wants it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slope {
    /// Area of the outer ring less the holes, in its plane, in square units.
    pub area: f64,
    /// Area of its projection to the horizontal plane.
    pub plan_area: f64,
    /// Angle between the face and the horizontal plane in degrees: 0 is flat, 90 a wall.
    pub pitch: f64,
    /// Direction that it looks to, in degrees from north clockwise; `None` for a flat one (below 1 degree).
    pub azimuth: Option<f64>,
}

/// Area, pitch and azimuth of a face; `None` without area.
pub fn slope(rings: &Rings) -> Option<Slope> {
    let outer = newell(rings.first()?)?;
    let holes: f64 = rings[1..].iter().filter_map(|ring| newell(ring)).map(|hole| hole.area).sum();
    let area = (outer.area - holes).max(0.0);
    let [east, north, up] = outer.normal;
    let pitch = up.abs().min(1.0).acos().to_degrees();
    let azimuth = (pitch >= 1.0).then(|| east.atan2(north).to_degrees().rem_euclid(360.0));
    Some(Slope { area, plan_area: area * up.abs(), pitch, azimuth })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A house with a ridge along the north: 10 m × 8 m, eaves 3 m, ridge 6 m, at UTM-sized coordinates.
    fn house() -> Vec<Vec<Vec<[f64; 3]>>> {
        let at = |x: f64, y: f64, z: f64| [404_863.0 + x, 5_746_935.0 + y, 60.0 + z];
        let corner = [at(0.0, 0.0, 0.0), at(8.0, 0.0, 0.0), at(8.0, 10.0, 0.0), at(0.0, 10.0, 0.0)];
        let eaves = corner.map(|[x, y, z]| [x, y, z + 3.0]);
        let (south, north) = (at(4.0, 0.0, 6.0), at(4.0, 10.0, 6.0));
        [
            vec![corner[3], corner[2], corner[1], corner[0]],
            vec![corner[0], corner[1], eaves[1], south, eaves[0]],
            vec![corner[2], corner[3], eaves[3], north, eaves[2]],
            vec![corner[1], corner[2], eaves[2], eaves[1]],
            vec![corner[3], corner[0], eaves[0], eaves[3]],
            vec![eaves[1], eaves[2], north, south],
            vec![eaves[3], eaves[0], south, north],
        ]
        .map(|ring| vec![ring])
        .to_vec()
    }

    fn rings(house: &[Vec<Vec<[f64; 3]>>]) -> impl Iterator<Item = &Rings> {
        house.iter().map(Vec::as_slice)
    }

    #[test]
    fn a_house_is_closed_and_has_the_volume_of_its_prisms() {
        let house = house();
        assert!(Edges::of(rings(&house)).is_closed());
        assert!((volume(rings(&house)) - (8.0 * 10.0 * 3.0 + 8.0 * 3.0 / 2.0 * 10.0)).abs() < 1e-6);
        let east = slope(&house[5]).unwrap();
        assert!((east.area - 50.0).abs() < 1e-6 && (east.plan_area - 40.0).abs() < 1e-6);
        assert!((east.pitch - 36.869_897_6).abs() < 1e-6 && (east.azimuth.unwrap() - 90.0).abs() < 1e-6);
        assert_eq!(slope(&house[0]).unwrap().azimuth, None);
        assert!((slope(&house[1]).unwrap().pitch - 90.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_missing_turned_or_doubled_shows_at_its_edges() {
        let mut open = house();
        open.pop();
        assert_eq!(Edges::of(rings(&open)), Edges { open: 4, turned: 0, crowded: 0 });
        let mut turned = house();
        turned[3][0].reverse();
        assert_eq!(Edges::of(rings(&turned)), Edges { open: 0, turned: 4, crowded: 0 });
        let mut doubled = house();
        doubled.push(doubled[3].clone());
        assert_eq!(Edges::of(rings(&doubled)), Edges { open: 0, turned: 0, crowded: 4 });
        let inside_out: Vec<_> = house().into_iter().map(|face| vec![face[0].iter().rev().copied().collect()]).collect();
        assert!(Edges::of(rings(&inside_out)).is_closed() && volume(rings(&inside_out)) < 0.0);
    }

    #[test]
    fn a_yard_is_no_part_of_the_volume_whichever_way_its_rings_run() {
        let square = |low: f64, high: f64, z: f64| vec![[low, low, z], [high, low, z], [high, high, z], [low, high, z]];
        let walls = |ring: Vec<[f64; 3]>| -> Vec<Vec<Vec<[f64; 3]>>> {
            let next = |index: usize| ring[(index + 1) % 4];
            let lift = |[x, y, z]: [f64; 3]| [x, y, z + 5.0];
            (0..4).map(|index| vec![vec![ring[index], next(index), lift(next(index)), lift(ring[index])]]).collect()
        };
        let reversed = |mut ring: Vec<[f64; 3]>| {
            ring.reverse();
            ring
        };
        for hole in [reversed(square(3.0, 7.0, 5.0)), square(3.0, 7.0, 5.0)] {
            let mut faces = vec![vec![square(0.0, 10.0, 5.0), hole]];
            faces.push(vec![reversed(square(0.0, 10.0, 0.0)), square(3.0, 7.0, 0.0)]);
            faces.extend(walls(square(0.0, 10.0, 0.0)));
            faces.extend(walls(reversed(square(3.0, 7.0, 0.0))));
            assert!((volume(rings(&faces)) - (100.0 - 16.0) * 5.0).abs() < 1e-9);
        }
    }

    proptest! {
        #[test]
        fn a_volume_does_not_depend_on_where_rings_begin(turns in proptest::collection::vec(0..5_usize, 7)) {
            let mut house = house();
            for (face, turn) in house.iter_mut().zip(turns) {
                let length = face[0].len();
                face[0].rotate_left(turn % length);
            }
            house.rotate_left(3);
            prop_assert!((volume(rings(&house)) - 360.0).abs() < 1e-6);
            prop_assert!(Edges::of(rings(&house)).is_closed());
        }
    }
}
