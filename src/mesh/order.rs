//! The order of vertices and triangles in which meshopt's codecs need the fewest bytes.
//!
//! The vertex codec stores what changes from one vertex to the next; corners of a house differ in few of their bytes when walls
//! follow each other along the house, each beginning with the edge where the last one ended. Measured on NRW's tiles: 17 % less
//! than in the order of the file.

use super::piece::Vertex;
use std::collections::HashMap;

/// Facets of a group that are looked at for the next one: bounded, so that a building of many faces costs linear time.
const WINDOW: usize = 24;

/// Vertices and indices in the order in which they are written.
#[derive(Debug, Default)]
pub struct Chain {
    /// The vertices.
    pub vertices: Vec<Vertex>,
    /// Three for each triangle.
    pub indices: Vec<u16>,
    last: Option<Vertex>,
}

/// A facet that waits to be written.
struct Waiting {
    points: Vec<Vertex>,
    /// `None`: the points are a convex ring of three or four, which may begin at any corner. Else in the order of first use.
    triangles: Option<Vec<[u16; 3]>>,
}

impl Chain {
    /// Appends the facets of one group (the same class and feature), each with its vertices and triangles. Vertices that are the
    /// same in every way are shared within the group.
    pub fn extend<'a>(&mut self, group: impl Iterator<Item = (Vec<Vertex>, &'a [[u32; 3]])>) {
        let mut group = group.map(|(points, triangles)| Waiting::new(&points, triangles));
        let mut window: Vec<Waiting> = group.by_ref().take(WINDOW).collect();
        let mut known: HashMap<Vertex, u16> = HashMap::new();
        while !window.is_empty() {
            let (at, turn) = self.nearest(&window);
            // Order within the window is kept, so that equally near facets stay in the order of the file.
            let mut facet = window.remove(at);
            window.extend(group.next());
            facet.points.rotate_left(turn);
            self.write(&facet, &mut known);
        }
    }

    /// The facet that differs least from what was written last, and the corner to begin with.
    fn nearest(&self, window: &[Waiting]) -> (usize, usize) {
        let (mut best, mut least) = ((0, 0), u32::MAX);
        for (at, facet) in window.iter().enumerate() {
            let turns = if facet.triangles.is_none() { facet.points.len() } else { 1 };
            for turn in 0..turns {
                let mut last = self.last;
                let mut sum = 0;
                for index in 0..facet.points.len() {
                    let vertex = facet.points[(index + turn) % facet.points.len()];
                    // The step into a facet counts twice: a chain that holds is worth more than a facet that is cheap itself.
                    sum += step(last, vertex) * if index == 0 { 2 } else { 1 };
                    last = Some(vertex);
                }
                let cost = sum * 64 / facet.points.len().max(1) as u32;
                if cost < least {
                    (best, least) = ((at, turn), cost);
                }
            }
        }
        best
    }

    fn write(&mut self, facet: &Waiting, known: &mut HashMap<Vertex, u16>) {
        let numbers: Vec<u16> = facet
            .points
            .iter()
            .map(|&vertex| {
                *known.entry(vertex).or_insert_with(|| {
                    self.vertices.push(vertex);
                    self.last = Some(vertex);
                    // The pieces hold at most 65,535 vertices.
                    (self.vertices.len() - 1) as u16
                })
            })
            .collect();
        match &facet.triangles {
            None => {
                for pair in numbers.windows(2).skip(1) {
                    self.indices.extend([numbers[0], pair[0], pair[1]]);
                }
            }
            Some(triangles) => self.indices.extend(triangles.iter().flatten().map(|&corner| numbers[usize::from(corner)])),
        }
    }
}

/// About how many bytes change from a vertex to the next.
fn step(last: Option<Vertex>, next: Vertex) -> u32 {
    let Some(last) = last else { return 0 };
    let position: u32 = (0..3)
        .map(|axis| match last.position[axis].abs_diff(next.position[axis]) {
            0 => 0,
            1..8 => 2,
            8..128 => 4,
            _ => 6,
        })
        .sum();
    position + if last.normal == next.normal { 0 } else { 6 }
}

impl Waiting {
    fn new(points: &[Vertex], triangles: &[[u32; 3]]) -> Self {
        let ring = ring(triangles).map(|ring| ring.into_iter().map(|corner| points[corner as usize]).collect::<Vec<_>>());
        if let Some(ring) = ring.filter(|ring| is_convex(ring)) {
            return Self { points: ring, triangles: None };
        }
        let mut numbers = vec![u16::MAX; points.len()];
        let mut used = Vec::with_capacity(points.len());
        let numbered = triangles.iter().map(|triangle| {
            triangle.map(|corner| {
                let number = &mut numbers[corner as usize];
                if *number == u16::MAX {
                    *number = used.len() as u16;
                    used.push(points[corner as usize]);
                }
                *number
            })
        });
        let triangles = numbered.collect();
        Self { points: used, triangles: Some(triangles) }
    }
}

/// True when a ring turns left at each corner, seen against its normal: then each fan of triangles covers it.
fn is_convex(ring: &[Vertex]) -> bool {
    let minus = |a: Vertex, b: Vertex| -> [i64; 3] {
        std::array::from_fn(|axis| i64::from(a.position[axis]) - i64::from(b.position[axis]))
    };
    let count = ring.len();
    (0..count).all(|at| {
        let [before, here, after] = [at, at + 1, at + 2].map(|index| ring[index % count]);
        let (a, b) = (minus(here, before), minus(after, here));
        let turn = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
        (0..3).map(|axis| turn[axis] * i64::from(here.normal[axis])).sum::<i64>() > 0
    })
}

/// The ring of a triangle, or of two triangles that share an edge; `None` for all else.
fn ring(triangles: &[[u32; 3]]) -> Option<Vec<u32>> {
    match triangles {
        [one] => Some(one.to_vec()),
        [first, second] => {
            // The fourth corner lies between the ends of the shared edge, which the two triangles run through in opposite directions.
            let new = (0..3).find(|&at| !first.contains(&second[at]))?;
            let (after, before) = (second[(new + 1) % 3], second[(new + 2) % 3]);
            let at = first.iter().position(|&corner| corner == before)?;
            (first[(at + 1) % 3] == after).then(|| vec![before, second[new], after, first[(at + 2) % 3]])
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vertex(x: u16, y: u16, z: u16) -> Vertex {
        Vertex { position: [x, y, z], normal: [0, 0, 127], feature: 0, class: 0, paint: [0; 4] }
    }

    #[test]
    fn walls_follow_each_other_and_share_what_is_the_same() {
        let wall = |x: u16| vec![vertex(x, 0, 0), vertex(x + 900, 0, 0), vertex(x + 900, 400, 0), vertex(x, 400, 0)];
        let triangles = [[0, 1, 2], [0, 2, 3]];
        let walls = [wall(1800), wall(0), wall(900)];
        let mut chain = Chain::default();
        chain.extend(walls.iter().map(|wall| (wall.clone(), &triangles[..])));
        assert_eq!(chain.vertices.len(), 8, "of twelve corners, four are there twice");
        assert_eq!(chain.indices.len(), 18);
        let area = |corner: &[u16]| {
            let [a, b, c] = [0, 1, 2].map(|at| chain.vertices[usize::from(corner[at])].position.map(i64::from));
            (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])
        };
        assert!(chain.indices.chunks_exact(3).all(|corner| area(corner) == 900 * 400), "no triangle is mirrored");
    }

    #[test]
    fn a_quadrangle_that_is_not_convex_keeps_its_triangles() {
        // An arrow head: the diagonal from the notch is the only one inside.
        let points = [vertex(0, 0, 0), vertex(400, 200, 0), vertex(0, 400, 0), vertex(100, 200, 0)];
        let mut chain = Chain::default();
        chain.extend(std::iter::once((points.to_vec(), &[[3, 0, 1], [3, 1, 2]][..])));
        let area: i64 = chain
            .indices
            .chunks_exact(3)
            .map(|corner| {
                let [a, b, c] = [0, 1, 2].map(|at| chain.vertices[usize::from(corner[at])].position.map(i64::from));
                ((b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])).abs()
            })
            .sum();
        assert_eq!(area, 2 * (400 * 400 / 2 - 100 * 400 / 2), "the notch stays empty");
    }

    #[test]
    fn a_thousand_facets_are_all_written_in_linear_time() {
        let triangles = [[0, 1, 2]];
        let mut chain = Chain::default();
        let facet = |n: u16| vec![vertex(n * 3, n, 0), vertex(n * 3 + 2, n, 0), vertex(n * 3, n + 5, 0)];
        chain.extend((0..1000).map(|n| (facet(n), &triangles[..])));
        assert_eq!(chain.indices.len(), 3000);
    }
}
