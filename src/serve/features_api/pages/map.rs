//! A small picture of features: their outlines, nothing below.

use crate::markup::Element;
use serde_json::Value;
use std::fmt::Write;

/// Points of a picture: what has more is drawn without the rest of its points.
const MOST: usize = 20_000;
const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 360.0;

/// The features in a drawing; `None` without a place.
pub fn drawn(features: &[Value]) -> Option<Element> {
    let mut parts = Vec::new();
    for feature in features {
        collect(&feature["geometry"], &mut parts);
    }
    let points = || parts.iter().flat_map(|part: &Part| part.points.iter());
    let count = points().count();
    let least = |axis: usize| points().map(|at| at[axis]).fold(f64::INFINITY, f64::min);
    let most = |axis: usize| points().map(|at| at[axis]).fold(f64::NEG_INFINITY, f64::max);
    let (min, max) = ([least(0), least(1)], [most(0), most(1)]);
    if count == 0 || !min.iter().chain(&max).all(|value| value.is_finite()) {
        return None;
    }
    // Degrees of longitude are shorter than those of latitude.
    let degrees = max.iter().chain(&min).all(|value| value.abs() <= 180.0);
    let shrink = if degrees { f64::midpoint(min[1], max[1]).to_radians().cos().abs().max(0.01) } else { 1.0 };
    let size = [((max[0] - min[0]) * shrink).max(1e-9), (max[1] - min[1]).max(1e-9)];
    let scale = ((WIDTH - 40.0) / size[0]).min((HEIGHT - 40.0) / size[1]).min(if degrees { 4e5 } else { 4.0 });
    let left = (WIDTH - size[0] * scale) / 2.0;
    let top = (HEIGHT - size[1] * scale) / 2.0;
    let at = |point: &[f64; 2]| [left + (point[0] - min[0]) * shrink * scale, top + (max[1] - point[1]) * scale];
    let step = count / MOST + 1;
    let (mut areas, mut lines, mut dots) = (String::new(), String::new(), String::new());
    for part in &parts {
        match part.kind {
            Kind::Point => part.points.iter().for_each(|point| {
                let [x, y] = at(point);
                let _ = write!(dots, "M{x:.1} {y:.1}h0");
            }),
            kind => {
                let out = if kind == Kind::Area { &mut areas } else { &mut lines };
                for (index, point) in part.points.iter().step_by(step).enumerate() {
                    let [x, y] = at(point);
                    let _ = write!(out, "{}{x:.1} {y:.1}", if index == 0 { 'M' } else { 'L' });
                }
                if kind == Kind::Area {
                    out.push('Z');
                }
            }
        }
    }
    let paths = [("area", areas), ("line", lines), ("dot", dots)].into_iter().filter(|(_, path)| !path.is_empty());
    let paths = paths.map(|(class, path)| Element::new("path").class(class).attr("d", path));
    Some(
        Element::new("svg")
            .class("map")
            .attr("viewBox", format!("0 0 {WIDTH} {HEIGHT}"))
            .attr("role", "img")
            .attr("aria-label", "Lage der Objekte")
            .children(paths),
    )
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Point,
    Line,
    Area,
}

struct Part {
    kind: Kind,
    points: Vec<[f64; 2]>,
}

fn collect(geometry: &Value, parts: &mut Vec<Part>) {
    let coordinates = &geometry["coordinates"];
    let depth_and_kind = match geometry["type"].as_str() {
        Some("Point") => (0, Kind::Point),
        Some("MultiPoint") => (1, Kind::Point),
        Some("LineString") => (1, Kind::Line),
        Some("MultiLineString") => (2, Kind::Line),
        Some("Polygon") => (2, Kind::Area),
        Some("MultiPolygon") => (3, Kind::Area),
        _ => {
            geometry["geometries"].as_array().into_iter().flatten().for_each(|part| collect(part, parts));
            return;
        }
    };
    lines(coordinates, depth_and_kind.0, depth_and_kind.1, parts);
}

fn lines(value: &Value, depth: u8, kind: Kind, parts: &mut Vec<Part>) {
    let point = |value: &Value| Some([value[0].as_f64()?, value[1].as_f64()?]);
    match depth {
        0 => parts.extend(point(value).map(|point| Part { kind, points: vec![point] })),
        1 => {
            let points = value.as_array().into_iter().flatten().filter_map(point).collect();
            parts.push(Part { kind, points });
        }
        _ => value.as_array().into_iter().flatten().for_each(|part| lines(part, depth - 1, kind, parts)),
    }
}
