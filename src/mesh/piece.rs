//! Facets to quantised pieces: 16-bit positions on a grid that is fine enough, 8-bit normals.
//!
//! The step of the grid is fixed, so that the same building has the same shape on every night; what is too large for 65,535
//! steps is cut into several pieces between facets, never through one.

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
}

/// The triangles of one class within a piece.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape {
    /// Number of the class.
    pub class: u8,
    /// Corners of the triangles as indices into the piece's vertices, three for each.
    pub indices: Vec<u16>,
}

/// A part of a tile that fits into 16 bits: vertices that its shapes share.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// Local coordinates of position zero.
    pub origin: [f64; 3],
    /// Metres of one step.
    pub step: f64,
    /// Positions in steps from the origin.
    pub positions: Vec<[u16; 3]>,
    /// Normals, 127 = 1.
    pub normals: Vec<[i8; 3]>,
    /// Feature of each vertex.
    pub features: Vec<u16>,
    /// One shape for each class that occurs, by class.
    pub shapes: Vec<Shape>,
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
    if group.is_empty() || !extent.is_finite() {
        return None;
    }
    let origin = min.map(|value| (value / step).floor() * step);
    let mut piece = Piece { origin, step, positions: Vec::new(), normals: Vec::new(), features: Vec::new(), shapes: Vec::new() };
    let mut by_class = group.to_vec();
    by_class.sort_by_key(|&index| facets[index].class);
    for index in by_class {
        let facet = &facets[index];
        // A facet of more than 65,535 points cannot be indexed with 16 bits; the reader's caps keep them out.
        let Ok(first) = u16::try_from(piece.positions.len()) else { continue };
        if facet.points.len() + usize::from(first) > usize::from(u16::MAX) {
            continue;
        }
        // Vertices in the order in which the triangles use them: meshopt then needs a byte for most triangles instead of three.
        let (order, numbers) = by_first_use(facet);
        for point in order.iter().map(|&number| facet.points[number as usize]) {
            let position = |axis: usize| ((point[axis] - origin[axis]) / step).round().clamp(0.0, MAX_STEPS) as u16;
            piece.positions.push([position(0), position(1), position(2)]);
            piece.normals.push(facet.normal.map(|value| (value * 127.0).round().clamp(-127.0, 127.0) as i8));
            piece.features.push(facet.feature);
        }
        if piece.shapes.last().is_none_or(|shape| shape.class != facet.class) {
            piece.shapes.push(Shape { class: facet.class, indices: Vec::new() });
        }
        if let Some(shape) = piece.shapes.last_mut() {
            shape.indices.extend(facet.triangles.iter().flatten().map(|&corner| first + numbers[corner as usize]));
        }
    }
    Some(piece)
}

/// The points in the order in which the triangles use them, and the new number of each point. Points that no triangle uses are
/// left out.
fn by_first_use(facet: &Facet) -> (Vec<u32>, Vec<u16>) {
    let mut order: Vec<u32> = Vec::with_capacity(facet.points.len());
    let mut numbers = vec![u16::MAX; facet.points.len()];
    for &corner in facet.triangles.iter().flatten() {
        let number = &mut numbers[corner as usize];
        if *number == u16::MAX {
            *number = order.len() as u16;
            order.push(corner);
        }
    }
    (order, numbers)
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
                for shape in &piece.shapes {
                    for corner in shape.indices.chunks_exact(3) {
                        let feature = piece.features[usize::from(corner[0])];
                        let facet = &facets[usize::from(feature)];
                        prop_assert_eq!(facet.class, shape.class);
                        for (index, want) in corner.iter().zip(&facet.points) {
                            let position = piece.positions[usize::from(*index)];
                            for axis in 0..3 {
                                let got = piece.origin[axis] + f64::from(position[axis]) * piece.step;
                                prop_assert!((got - want[axis]).abs() <= step / 2.0 + 1e-9);
                            }
                        }
                        seen[usize::from(feature)] += 1;
                    }
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
