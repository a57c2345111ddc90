//! What solar and heat planning ask of a building: volume, areas, pitch and azimuth of its roof, height.
//!
//! Areas and volumes are those of the map's plane (UTM: up to 0.08 % smaller than on the ground), as in the cadastre.

use super::model::{Building, Kind, Semantic};
use crate::mesh::{Edges, Rings, slope, volume};

/// A roof face below this pitch (degrees) is flat: it looks nowhere.
const FLAT: f64 = 5.0;

/// Measures of a building with its parts, in metres, square metres, cubic metres, degrees.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Measures {
    /// Volume; `None` unless the shells of the building and all its parts are closed.
    pub volume: Option<f64>,
    /// Area of the roof faces, on the slope.
    pub roof_area: f64,
    /// Area of the walls.
    pub wall_area: f64,
    /// Area of the ground faces in plan.
    pub footprint_area: f64,
    /// Mean pitch of the roof by area; `None` without a roof.
    pub roof_pitch: Option<f64>,
    /// Azimuth of the largest roof face that is not flat, from north clockwise.
    pub roof_azimuth: Option<f64>,
    /// From the lowest to the highest point.
    pub height: Option<f64>,
}

impl Measures {
    /// Measures a building.
    pub fn of(building: &Building) -> Self {
        let mut measures = Self::default();
        let (mut pitch, mut largest) = (0.0, 0.0);
        // What stands on the building (chimneys, balconies) is no part of these.
        let objects = || std::iter::once(building).chain(&building.parts).filter(|it| it.kind != Kind::Installation);
        for face in objects().flat_map(|object| &object.faces) {
            let Some(slope) = slope(&face.rings) else { continue };
            match face.semantic {
                Semantic::Roof => {
                    measures.roof_area += slope.area;
                    pitch += slope.pitch * slope.area;
                    if slope.pitch >= FLAT && slope.area > largest {
                        (largest, measures.roof_azimuth) = (slope.area, slope.azimuth);
                    }
                }
                Semantic::Wall => measures.wall_area += slope.area,
                Semantic::Ground => measures.footprint_area += slope.plan_area,
                Semantic::Closure | Semantic::OuterCeiling | Semantic::OuterFloor => {}
            }
        }
        if measures.roof_area > 0.0 {
            measures.roof_pitch = Some(pitch / measures.roof_area);
        }
        let volumes = objects().filter(|object| !object.faces.is_empty()).map(|object| {
            let closed = Edges::of(shell(object)).is_closed();
            closed.then(|| volume(shell(object))).filter(|&volume| volume > 0.0)
        });
        measures.volume = volumes.sum::<Option<f64>>().filter(|&volume| volume > 0.0);
        let heights = || objects().flat_map(|object| &object.faces).flat_map(|face| face.rings.iter().flatten()).map(|it| it[2]);
        measures.height = heights().reduce(f64::max).zip(heights().reduce(f64::min)).map(|(high, low)| high - low);
        measures
    }
}

fn shell(object: &Building) -> impl Iterator<Item = &Rings> {
    object.faces.iter().map(|face| face.rings.as_slice())
}

/// What is wrong with the shell of an object, as val3dity numbers it, with a sentence for each.
pub fn faults(object: &Building) -> Vec<(u16, String)> {
    let mut faults = Vec::new();
    if !object.solid {
        return faults;
    }
    if object.faces.len() < 4 {
        faults.push((301, format!("its shell has {} faces", object.faces.len())));
        return faults;
    }
    let edges = Edges::of(shell(object));
    if edges.open > 0 {
        faults.push((302, format!("its shell is open: edges with one face only: {}", edges.open)));
    }
    if edges.crowded > 0 {
        faults.push((303, format!("its shell is no manifold: edges with more than two faces: {}", edges.crowded)));
    }
    if edges.turned > 0 {
        faults.push((307, format!("faces look the wrong way: edges that run alike in both faces: {}", edges.turned)));
    }
    if faults.is_empty() && volume(shell(object)) < 0.0 {
        faults.push((405, "its shell is inside out".to_owned()));
    }
    faults
}
