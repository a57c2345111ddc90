//! Curved segments of GML (ISO 19136, 10.4.7) as lines within a tolerance.

use super::geometry::CODE;
use super::xml::{Parsed, refuse};
use crate::vector::arc::{self, Point};
use crate::vector::spline;

/// Forms of curved segments.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Form {
    /// Three points.
    Arc,
    /// Three points, then two more for each further arc.
    ArcString,
    /// Three points of a full circle.
    Circle,
    /// Chords with the height of the arc above each.
    Bulge,
    /// Centre, radius and two angles.
    ArcAround,
    /// Centre and radius.
    CircleAround,
    /// Points with the directions at both ends.
    Spline,
}

/// What defines a curved segment, as far as it is given.
#[derive(Debug, Default)]
pub struct CurveParts {
    pub points: Vec<Point>,
    pub radius: Option<f64>,
    /// Degrees, anticlockwise from the east.
    pub angles: [Option<f64>; 2],
    pub bulges: Vec<f64>,
    /// In the plane a vector, or its length to the left of the chord.
    pub normals: Vec<Vec<f64>>,
    pub tangents: [Option<Point>; 2],
}

/// The line that stands for a segment: nowhere further from it than `tolerance` (metres).
pub fn line(form: Form, parts: &CurveParts, tolerance: f64) -> Parsed<Vec<Point>> {
    let points = &parts.points[..];
    if points.iter().all(|point| point[0].abs() <= 360.0 && point[1].abs() <= 360.0) {
        return refuse(CODE, "a curve in degrees has no defined course");
    }
    match form {
        Form::Arc if points.len() != 3 => refuse(CODE, "an arc has three points"),
        Form::Arc | Form::ArcString => arcs(points, tolerance),
        Form::Circle => match *points {
            [a, b, c] => {
                arc::circle(a, b, c, tolerance).map_or_else(|| refuse(CODE, "the three points of a circle lie on a line"), Ok)
            }
            _ => refuse(CODE, "a circle has three points"),
        },
        Form::Bulge => bulges(parts, tolerance),
        Form::CircleAround => match (points, parts.radius) {
            ([centre], Some(radius)) if radius > 0.0 => Ok(arc::circle_around(*centre, radius, tolerance)),
            _ => refuse(CODE, "a circle has a centre and a radius above zero"),
        },
        Form::ArcAround => match (points, parts.radius, parts.angles) {
            ([centre], Some(radius), [Some(start), Some(end)]) if radius > 0.0 && start != end => {
                Ok(arc::arc_around(*centre, radius, start.to_radians(), end.to_radians(), tolerance))
            }
            _ => refuse(CODE, "an arc around a centre has a radius above zero and two angles"),
        },
        Form::Spline => spline::line(points, parts.tangents, tolerance)
            .map_or_else(|| refuse(CODE, "a cubic spline has two or more points, each different from the one before"), Ok),
    }
}

fn arcs(points: &[Point], tolerance: f64) -> Parsed<Vec<Point>> {
    if points.len() < 3 || points.len().is_multiple_of(2) {
        return refuse(CODE, "a string of arcs has an odd number of at least three points");
    }
    let mut line = vec![points[0]];
    for three in points.windows(3).step_by(2) {
        arc::arc(three[0], three[1], three[2], tolerance, &mut line);
    }
    Ok(line)
}

/// ISO 19107, `GM_ArcStringByBulge`: the middle of an arc is that of its chord, moved by the bulge along the normal.
fn bulges(parts: &CurveParts, tolerance: f64) -> Parsed<Vec<Point>> {
    let chords = parts.points.len().saturating_sub(1);
    if chords == 0 || parts.bulges.len() != chords || parts.normals.len() != chords {
        return refuse(CODE, "arcs by bulge have a bulge and a normal for each two points");
    }
    let mut line = vec![parts.points[0]];
    for ((chord, bulge), normal) in parts.points.windows(2).zip(&parts.bulges).zip(&parts.normals) {
        let [begin, end] = [chord[0], chord[1]];
        let length = (end[0] - begin[0]).hypot(end[1] - begin[1]);
        let normal = match normal[..] {
            [left] if length > 0.0 => [(begin[1] - end[1]) / length * left, (end[0] - begin[0]) / length * left],
            [x, y] | [x, y, _] => [x, y],
            _ => return refuse(CODE, "the normal of an arc is no vector"),
        };
        let middle = [f64::midpoint(begin[0], end[0]) + bulge * normal[0], f64::midpoint(begin[1], end[1]) + bulge * normal[1]];
        arc::arc(begin, middle, end, tolerance, &mut line);
    }
    Ok(line)
}
