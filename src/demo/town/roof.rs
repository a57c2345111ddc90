//! Buildings as solids: each part has four corners, a roof form and heights; its surfaces follow from them.

use crate::demo::plane::{Point, twice_area};

/// Form of a roof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Roof {
    /// Flachdach.
    Flat,
    /// Pultdach: rises from the first side to the third.
    Pent,
    /// Satteldach: the ridge runs along the first side.
    Saddle,
    /// Walmdach: the ridge runs along the first side.
    Hip,
    /// Zeltdach.
    Pyramid,
}

impl Roof {
    /// Code of the AdV list `Dachform`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Flat => "1000",
            Self::Pent => "2100",
            Self::Saddle => "3100",
            Self::Hip => "3200",
            Self::Pyramid => "3500",
        }
    }
}

/// A part of a building: a box with a roof.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Corners, anticlockwise; the ridge runs along the first side.
    pub corners: [Point; 4],
    /// Form of its roof.
    pub roof: Roof,
    /// Height of the eaves above the base, in millimetres.
    pub eaves: i64,
    /// Height of the ridge above the eaves, in millimetres; 0 for a flat roof.
    pub rise: i64,
    /// The side that leans on another part, if any: its wall is a closure surface.
    pub leaning: Option<usize>,
}

/// What a surface bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// GroundSurface.
    Ground,
    /// WallSurface.
    Wall,
    /// RoofSurface.
    Roof,
    /// ClosureSurface.
    Closure,
}

/// A flat polygon in space; points with heights in millimetres above the building's base, outward normal by the right hand.
#[derive(Debug, Clone)]
pub struct Surface {
    /// What it bounds.
    pub face: Face,
    /// Its corners.
    pub points: Vec<(Point, i64)>,
}

impl Part {
    /// A part from corners in either sense; the ridge runs along the first side.
    pub fn new(corners: [Point; 4], roof: Roof, eaves_m: f64, rise_m: f64) -> Self {
        let [a, b, c, d] = corners;
        let corners = if twice_area(&corners) < 0 { [b, a, d, c] } else { corners };
        let millimetres = |metres: f64| (metres * 100.0).round() as i64 * 10;
        let rise = if roof == Roof::Flat { 0 } else { millimetres(rise_m) };
        Self { corners, roof, eaves: millimetres(eaves_m), rise, leaning: None }
    }
    /// Height of the highest point above the base, in millimetres.
    pub fn top(&self) -> i64 {
        self.eaves + self.rise
    }
    /// The ends of the ridge; the same point twice for a pyramid, none for flat roofs.
    pub fn ridge(&self) -> Option<[Point; 2]> {
        let [a, b, c, d] = self.corners;
        let (west, east) = (a.middle(d), b.middle(c));
        match self.roof {
            Roof::Flat => None,
            Roof::Pent => Some([c, d]),
            Roof::Saddle => Some([west, east]),
            Roof::Hip => {
                let length = west.distance(east);
                let share = (a.distance(d) / 2.0 / length).min(0.45);
                Some([west.toward(east, share), east.toward(west, share)])
            }
            Roof::Pyramid => {
                let top = west.middle(east);
                Some([top, top])
            }
        }
    }
    /// The roof planes: points and heights above the base.
    pub fn roof_planes(&self) -> Vec<Vec<(Point, i64)>> {
        let [a, b, c, d] = self.corners;
        let (eaves, top) = (self.eaves, self.top());
        let [west, east] = self.ridge().unwrap_or([a, b]);
        match self.roof {
            Roof::Flat => vec![vec![(a, eaves), (b, eaves), (c, eaves), (d, eaves)]],
            Roof::Pent => vec![vec![(a, eaves), (b, eaves), (c, top), (d, top)]],
            Roof::Saddle => {
                vec![
                    vec![(a, eaves), (b, eaves), (east, top), (west, top)],
                    vec![(c, eaves), (d, eaves), (west, top), (east, top)],
                ]
            }
            Roof::Hip => vec![
                vec![(a, eaves), (b, eaves), (east, top), (west, top)],
                vec![(b, eaves), (c, eaves), (east, top)],
                vec![(c, eaves), (d, eaves), (west, top), (east, top)],
                vec![(d, eaves), (a, eaves), (west, top)],
            ],
            Roof::Pyramid => vec![
                vec![(a, eaves), (b, eaves), (west, top)],
                vec![(b, eaves), (c, eaves), (west, top)],
                vec![(c, eaves), (d, eaves), (west, top)],
                vec![(d, eaves), (a, eaves), (west, top)],
            ],
        }
    }
    /// All surfaces: the part is a closed solid.
    pub fn surfaces(&self) -> Vec<Surface> {
        let [a, b, c, d] = self.corners;
        let (eaves, top) = (self.eaves, self.top());
        let mut out = vec![Surface { face: Face::Ground, points: vec![(d, 0), (c, 0), (b, 0), (a, 0)] }];
        out.extend(self.roof_planes().into_iter().map(|points| Surface { face: Face::Roof, points }));
        for side in 0..4 {
            let (p, q) = (self.corners[side], self.corners[(side + 1) % 4]);
            let mut points = vec![(p, 0), (q, 0)];
            match (self.roof, side) {
                (Roof::Pent, 1) => points.extend([(c, top), (b, eaves)]),
                (Roof::Pent, 2) => points.extend([(d, top), (c, top)]),
                (Roof::Pent, 3) => points.extend([(a, eaves), (d, top)]),
                (Roof::Saddle, 1) => points.extend([(c, eaves), (b.middle(c), top), (b, eaves)]),
                (Roof::Saddle, 3) => points.extend([(a, eaves), (a.middle(d), top), (d, eaves)]),
                _ => points.extend([(q, eaves), (p, eaves)]),
            }
            let face = if self.leaning == Some(side) { Face::Closure } else { Face::Wall };
            out.push(Surface { face, points });
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_roof_form_gives_a_closed_solid() {
        let corners = [(0, 0), (12_000, 0), (12_000, 9_000), (0, 9_000)].map(|(e, n)| Point { e, n });
        for roof in [Roof::Flat, Roof::Pent, Roof::Saddle, Roof::Hip, Roof::Pyramid] {
            for turned in [corners, [corners[1], corners[0], corners[3], corners[2]]] {
                let part = Part::new(turned, roof, 5.0, 3.0);
                let mut edges = BTreeMap::new();
                for surface in part.surfaces() {
                    for (k, from) in surface.points.iter().enumerate() {
                        let to = surface.points[(k + 1) % surface.points.len()];
                        *edges.entry((*from, to)).or_insert(0) += 1;
                        *edges.entry((to, *from)).or_insert(0) -= 1;
                    }
                }
                assert!(edges.values().all(|count| *count == 0), "{roof:?}");
            }
        }
    }
}
