//! A small map of a parcel as SVG: itself, what it came of, what came of it, its neighbours.

use super::parcels::Version;
use crate::crs::Bbox;
use crate::format::wkb;
use geo::{Coord, Geometry, LineString, Polygon};
use std::fmt::Write;

/// Width and height of the picture in its own units.
const SIZE: f64 = 320.0;
/// Part of the picture that is left free around the parcel.
const MARGIN: f64 = 0.12;

/// How something is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Beside the parcel.
    Neighbour,
    /// Came before or after it.
    Kin,
    /// The parcel.
    Parcel,
}

impl Look {
    fn class(self) -> &'static str {
        match self {
            Self::Neighbour => "n",
            Self::Kin => "k",
            Self::Parcel => "f",
        }
    }
}

/// The picture of some versions, around those that are [`Look::Parcel`] and [`Look::Kin`]; empty when they have no geometry.
pub fn svg(shapes: &[(&Version, Look)]) -> String {
    let mut known: Vec<(Vec<Polygon<f64>>, Look, String)> = shapes
        .iter()
        .filter_map(|(version, look)| polygons(version).map(|polygons| (polygons, *look, version.number())))
        .collect();
    known.sort_by_key(|(_, look, _)| *look as u8);
    let points = known.iter().filter(|(_, look, _)| *look != Look::Neighbour).flat_map(|(polygons, ..)| polygons);
    let frame = Bbox::around(points.flat_map(|polygon| polygon.exterior().coords().map(|at| [at.x, at.y])));
    if frame.is_empty() {
        return String::new();
    }
    let side = frame.width().max(frame.height()).max(1.0) * (1.0 + 2.0 * MARGIN);
    let [x, y] = frame.centre();
    let seen = Bbox::new([x - side / 2.0, y - side / 2.0], [x + side / 2.0, y + side / 2.0]);
    known.retain(|(polygons, look, _)| {
        let corners = polygons.iter().flat_map(|polygon| polygon.exterior().coords()).map(|at| [at.x, at.y]);
        *look != Look::Neighbour || Bbox::around(corners).intersects(&seen)
    });
    let scale = SIZE / side;
    let place = |at: &Coord<f64>| [(at.x - x) * scale + SIZE / 2.0, (y - at.y) * scale + SIZE / 2.0];
    let ring = |line: &LineString<f64>, path: &mut String| {
        for (index, at) in line.coords().enumerate() {
            let [x, y] = place(at);
            path.push(if index == 0 { 'M' } else { 'L' });
            put(path, x);
            path.push(' ');
            put(path, y);
        }
        path.push('Z');
    };
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {SIZE} {SIZE}\" role=\"img\" aria-label=\"Lageskizze\">\
         <style>path.n{{fill:#f4f4f1;stroke:#9a9a92}}path.k{{fill:none;stroke:#1d5fa8;stroke-dasharray:5 3}}\
         path.f{{fill:#f6d9b8;fill-opacity:.7;stroke:#b3470b;stroke-width:2}}\
         text{{font:11px sans-serif;text-anchor:middle;fill:#333;stroke:#fff;stroke-width:3px;paint-order:stroke}}\
         text.k{{fill:#1d5fa8}}text.f{{fill:#8a3508;font-weight:bold}}</style>"
    );
    let mut labels = String::new();
    for (polygons, look, number) in &known {
        let _ = write!(out, "<path class=\"{}\" fill-rule=\"evenodd\" d=\"", look.class());
        for polygon in polygons {
            ring(polygon.exterior(), &mut out);
            polygon.interiors().iter().for_each(|hole| ring(hole, &mut out));
        }
        out.push_str("\"/>");
        if let Some(at) = polygons.first().and_then(|polygon| label_at(polygon, *look, 14.0 / scale)) {
            let [x, y] = place(&at);
            if (0.0..=SIZE).contains(&x) && (0.0..=SIZE).contains(&y) {
                let (class, number) = (look.class(), crate::markup::escaped(number));
                let _ = write!(labels, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{number}</text>");
            }
        }
    }
    // The bar is a round number of metres.
    let metres = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0].into_iter().rfind(|metres| metres * scale < SIZE / 3.0);
    if let Some(metres) = metres {
        let end = 10.0 + metres * scale;
        labels.push_str(&format!(
            "<path d=\"M10 {0}H{end:.1}\" stroke=\"#333\" stroke-width=\"2\"/><text x=\"{1:.1}\" y=\"{2}\">{metres} m</text>",
            SIZE - 10.0,
            f64::midpoint(10.0, end),
            SIZE - 15.0
        ));
    }
    out.push_str(&labels);
    out.push_str("</svg>");
    out
}

/// Where the number of an area stands: in its middle, and of what came before or after the parcel, which lies on the same ground, `down`
/// below its northern end.
fn label_at(polygon: &Polygon<f64>, look: Look, down: f64) -> Option<Coord<f64>> {
    let heights = polygon.exterior().coords().map(|at| at.y);
    let (south, north) = heights.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| (low.min(y), high.max(y)));
    let middle = || widest_at(polygon, f64::midpoint(south, north));
    if look == Look::Kin { widest_at(polygon, north - down).or_else(middle) } else { middle() }
}

/// The middle of the widest stretch of an area at a height: a page has thousands of numbers, and a point inside of a polygon, as such,
/// takes ten times as long.
fn widest_at(polygon: &Polygon<f64>, y: f64) -> Option<Coord<f64>> {
    let crossing = |line: geo::Line<f64>| {
        let (low, high) = if line.start.y < line.end.y { (line.start, line.end) } else { (line.end, line.start) };
        (low.y < y && y <= high.y).then(|| low.x + (high.x - low.x) * (y - low.y) / (high.y - low.y))
    };
    let rings = std::iter::once(polygon.exterior()).chain(polygon.interiors());
    let mut across: Vec<f64> = rings.flat_map(LineString::lines).filter_map(crossing).collect();
    across.sort_by(f64::total_cmp);
    let widest = across.as_chunks::<2>().0.iter().max_by(|a, b| (a[1] - a[0]).total_cmp(&(b[1] - b[0])));
    widest.map(|[west, east]| Coord { x: f64::midpoint(*west, *east), y })
}

/// A number with one digit after the point: a page has hundreds of thousands of them, and to print a number exactly takes long.
fn put(text: &mut String, value: f64) {
    let tenths = (value * 10.0).round() as i64;
    let sign = if tenths < 0 { "-" } else { "" };
    let _ = write!(text, "{sign}{}.{}", tenths.abs() / 10, tenths.abs() % 10);
}

fn polygons(version: &Version) -> Option<Vec<Polygon<f64>>> {
    match wkb::decode(version.geometry.as_deref()?).ok()? {
        Geometry::Polygon(polygon) => Some(vec![polygon]),
        Geometry::MultiPolygon(polygons) => Some(polygons.0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use geo::{Contains, Point, polygon};

    #[test]
    fn a_number_stands_on_the_area_that_it_is_of() {
        let horseshoe = polygon![(x: 0.0, y: 0.0), (x: 9.0, y: 0.0), (x: 9.0, y: 9.0), (x: 7.0, y: 9.0), (x: 7.0, y: 1.0), (x: 1.0, y: 1.0), (x: 1.0, y: 9.0), (x: 0.0, y: 9.0)];
        let yard = polygon!(exterior: [(x: 0.0, y: 0.0), (x: 9.0, y: 0.0), (x: 9.0, y: 9.0), (x: 0.0, y: 9.0)],
            interiors: [[(x: 1.0, y: 1.0), (x: 1.0, y: 8.0), (x: 7.0, y: 8.0), (x: 7.0, y: 1.0)]]);
        for area in [&horseshoe, &yard] {
            for look in [Look::Neighbour, Look::Kin, Look::Parcel] {
                for down in [0.5, 2.0, 90.0] {
                    let at = label_at(area, look, down).unwrap();
                    assert!(area.contains(&Point(at)), "{look:?} {down}: {at:?}");
                }
            }
        }
        assert!(label_at(&Polygon::empty(), Look::Kin, 1.0).is_none());
    }
}
