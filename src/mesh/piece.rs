//! Facets to quantised pieces: 16-bit positions on a grid that is fine enough, 8-bit normals.
//!
//! The step of the grid is fixed, so that the same building has the same shape on every night; what is too large for 65,535
//! steps is cut into several pieces between facets, never through one.

use super::order::Chain;

/// A flat facet: points, triangles, normal, and what it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Facet {
    /// Points in the local frame, in metres.
    pub points: Vec<[f64; 3]>,
    /// Corners as indices into `points`.
    pub triangles: Vec<[u32; 3]>,
    /// Unit normal.
    pub normal: [f64; 3],
    /// Number of the feature (row of the property table).
    pub feature: u16,
    /// Number of the class, an index into the list of materials.
    pub class: u8,
    /// What it looks like.
    pub paint: Paint,
}

/// What a facet looks like.
#[derive(Debug, Clone, PartialEq)]
pub enum Paint {
    /// Linear red, green, blue, 255 = 1.
    Colour([u8; 3]),
    /// For each point a place in a picture, from the left and from above, 65,535 = its width and height. Pieces are of facets of
    /// one kind: all with colours, or all with places.
    Places(Vec<[u16; 2]>),
}

impl Paint {
    /// What a vertex stores of it.
    fn at(&self, point: usize) -> [u8; 4] {
        match self {
            Self::Colour([red, green, blue]) => [*red, *green, *blue, u8::MAX],
            Self::Places(places) => {
                let [[a, b], [c, d]] = places.get(point).copied().unwrap_or_default().map(u16::to_le_bytes);
                [a, b, c, d]
            }
        }
    }
}

/// A part of a tile that fits into 16 bits: vertices, each with its feature and class, and triangles.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// Local coordinates of position zero.
    pub origin: [f64; 3],
    /// Metres of one step.
    pub step: f64,
    /// Vertices: by class, then by feature.
    pub vertices: Vec<Vertex>,
    /// Corners of the triangles as indices into the vertices, three for each.
    pub indices: Vec<u16>,
}

/// A corner of facets of one feature, class and normal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Vertex {
    /// Steps from the piece's origin.
    pub position: [u16; 3],
    /// Normal, 127 = 1.
    pub normal: [i8; 3],
    /// Number of the feature.
    pub feature: u16,
    /// Number of the class.
    pub class: u8,
    /// Its colour and 255, or its place in the picture as two little-endian numbers.
    pub paint: [u8; 4],
}

/// Largest value of a position.
pub const MAX_STEPS: f64 = 65_535.0;

/// Cuts facets into pieces of at most 65,535 steps and vertices each, in a stable order.
///
/// `step` is the wanted grid; only a single facet larger than 65,535 steps gets a coarser one, doubled until it fits.
pub fn pieces(facets: &[Facet], step: f64) -> Vec<Piece> {
    let order: Vec<usize> = (0..facets.len()).collect();
    let mut out = Vec::new();
    // A stack of own, not recursion: the depth depends on the input.
    let mut open = vec![order];
    while let Some(group) = open.pop() {
        let (min, max) = bounds(facets, &group);
        let vertices: usize = group.iter().map(|&index| facets[index].points.len()).sum();
        // One step of slack for the origin, which lies on the grid too.
        let extent = (0..3).map(|axis| max[axis] - min[axis]).fold(0.0, f64::max);
        if (extent <= (MAX_STEPS - 1.0) * step && u16::try_from(vertices).is_ok()) || group.len() <= 1 {
            out.extend(piece(facets, &group, step, min, extent));
            continue;
        }
        let (low, high) = halves(facets, group, min, max);
        open.push(high);
        open.push(low);
    }
    out
}

fn halves(facets: &[Facet], mut group: Vec<usize>, min: [f64; 3], max: [f64; 3]) -> (Vec<usize>, Vec<usize>) {
    let axis = (0..3).max_by(|&a, &b| (max[a] - min[a]).total_cmp(&(max[b] - min[b]))).unwrap_or(0);
    let middle = |index: usize| {
        let (low, high) = bounds(facets, &[index]);
        f64::midpoint(low[axis], high[axis])
    };
    // By number where the middles are the same, so that the cut is the same on every run.
    group.sort_by(|&a, &b| middle(a).total_cmp(&middle(b)).then(a.cmp(&b)));
    let high = group.split_off(group.len() / 2);
    let mut low = group;
    let mut high = high;
    low.sort_unstable();
    high.sort_unstable();
    (low, high)
}

fn bounds(facets: &[Facet], group: &[usize]) -> ([f64; 3], [f64; 3]) {
    let (mut min, mut max) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    for point in group.iter().flat_map(|&index| &facets[index].points) {
        for axis in 0..3 {
            min[axis] = min[axis].min(point[axis]);
            max[axis] = max[axis].max(point[axis]);
        }
    }
    (min, max)
}

fn piece(facets: &[Facet], group: &[usize], step: f64, min: [f64; 3], extent: f64) -> Option<Piece> {
    let mut step = step;
    while extent > (MAX_STEPS - 1.0) * step {
        step *= 2.0;
    }
    let points: usize = group.iter().map(|&index| facets[index].points.len()).sum();
    // A single facet of more than 65,535 points cannot be numbered with 16 bits; the reader's caps keep them out.
    if group.is_empty() || !extent.is_finite() || u16::try_from(points).is_err() {
        return None;
    }
    let origin = min.map(|value| (value / step).floor() * step);
    let mut by_class = group.to_vec();
    by_class.sort_by_key(|&index| (facets[index].class, facets[index].feature));
    let mut chain = Chain::default();
    for group in by_class.chunk_by(|&a, &b| (facets[a].class, facets[a].feature) == (facets[b].class, facets[b].feature)) {
        chain.extend(group.iter().map(|&index| {
            let facet = &facets[index];
            let position = |value: f64, axis: usize| ((value - origin[axis]) / step).round().clamp(0.0, MAX_STEPS) as u16;
            let normal = facet.normal.map(|value| (value * 127.0).round().clamp(-127.0, 127.0) as i8);
            let vertex = |(number, point): (usize, &[f64; 3])| Vertex {
                position: std::array::from_fn(|axis| position(point[axis], axis)),
                normal,
                feature: facet.feature,
                class: facet.class,
                paint: facet.paint.at(number),
            };
            (facet.points.iter().enumerate().map(vertex).collect(), facet.triangles.as_slice())
        }));
    }
    let Chain { vertices, indices, .. } = chain;
    Some(Piece { origin, step, vertices, indices })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn triangle(at: [f64; 3], feature: u16) -> Facet {
        Facet {
            points: vec![at, [at[0] + 3.3, at[1], at[2]], [at[0], at[1] + 2.2, at[2] + 1.1]],
            triangles: vec![[0, 1, 2]],
            normal: [0.0, 0.0, 1.0],
            feature,
            class: (feature % 3) as u8,
            paint: Paint::Colour([1, 2, 3]),
        }
    }

    proptest! {
        #[test]
        fn every_point_comes_back_within_half_a_step(
            at in proptest::collection::vec((-900.0..900.0_f64, -900.0..900.0_f64, -20.0..80.0_f64), 1..60),
        ) {
            let step = 1.0 / 128.0;
            let facets: Vec<Facet> =
                at.iter().enumerate().map(|(index, &(x, y, z))| triangle([x, y, z], index as u16)).collect();
            let pieces = pieces(&facets, step);
            let mut seen = vec![0; facets.len()];
            for piece in &pieces {
                prop_assert_eq!(piece.step, step);
                for corner in piece.indices.chunks_exact(3) {
                    let corner = [0, 1, 2].map(|index| piece.vertices[usize::from(corner[index])]);
                    let facet = &facets[usize::from(corner[0].feature)];
                    prop_assert!(corner.iter().all(|vertex| vertex.class == facet.class && vertex.feature == facet.feature));
                    // The triangle may be turned, never mirrored.
                    let place = |vertex: Vertex| -> [f64; 3] {
                        std::array::from_fn(|axis| piece.origin[axis] + f64::from(vertex.position[axis]) * piece.step)
                    };
                    let near = |a: [f64; 3], b: [f64; 3]| (0..3).all(|axis| (a[axis] - b[axis]).abs() <= step / 2.0 + 1e-9);
                    let turned = (0..3).any(|turn| (0..3).all(|at| near(place(corner[at]), facet.points[(at + turn) % 3])));
                    prop_assert!(turned);
                    seen[usize::from(corner[0].feature)] += 1;
                }
            }
            prop_assert!(seen.iter().all(|&times| times == 1), "each facet in exactly one piece");
        }
    }

    #[test]
    fn a_facet_larger_than_the_grid_gets_a_coarser_step() {
        let mut facet = triangle([0.0; 3], 0);
        facet.points[1][0] = 1_500.0;
        let pieces = pieces(&[facet, triangle([5.0, 5.0, 5.0], 1)], 1.0 / 128.0);
        let steps: Vec<f64> = pieces.iter().map(|piece| piece.step).collect();
        assert_eq!(steps, [1.0 / 128.0, 1.0 / 32.0]);
    }

    #[test]
    fn nothing_makes_nothing() {
        assert!(pieces(&[], 0.1).is_empty());
    }
}
