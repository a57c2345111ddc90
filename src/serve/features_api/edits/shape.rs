//! A geometry of a request: GeoJSON in one of the collection's CRSs.

use crate::error::Result;
use crate::serve::features_api::problem::Problem;
use crate::serve::features_api::target::Target;
use geo::{Coord, Geometry, LineString, MapCoords, MultiLineString, MultiPoint, MultiPolygon, Point, Polygon};
use serde_json::Value;

/// Positions of a geometry that is taken.
const MOST: usize = 100_000;

/// The geometry in the CRS of the table.
pub fn read(value: &Value, target: &Target) -> Result<Geometry<f64>, Problem> {
    let wrong = || Problem::new(422, "the geometry is no GeoJSON of points, lines or areas");
    let mut left = MOST;
    let geometry = geometry(value, &mut left).ok_or_else(wrong)?;
    let stored = geometry.try_map_coords(|at| -> Result<Coord<f64>> {
        let mut point = [if target.swapped { [at.y, at.x] } else { [at.x, at.y] }];
        target.back(&mut point)?;
        Ok(Coord { x: point[0][0], y: point[0][1] })
    });
    stored.map_err(|_| Problem::new(422, "a position lies outside of what the CRS is for"))
}

fn geometry(value: &Value, left: &mut usize) -> Option<Geometry<f64>> {
    let all = &value["coordinates"];
    Some(match value["type"].as_str()? {
        "Point" => Point(position(all, left)?).into(),
        "LineString" => line(all, left, 2)?.into(),
        "Polygon" => polygon(all, left)?.into(),
        "MultiPoint" => MultiPoint(each(all, |part| position(part, left).map(Point))?).into(),
        "MultiLineString" => MultiLineString(each(all, |part| line(part, left, 2))?).into(),
        "MultiPolygon" => MultiPolygon(each(all, |part| polygon(part, left))?).into(),
        _ => return None,
    })
}

fn each<T>(value: &Value, read: impl FnMut(&Value) -> Option<T>) -> Option<Vec<T>> {
    let parts = value.as_array()?.iter().map(read).collect::<Option<Vec<T>>>()?;
    (!parts.is_empty()).then_some(parts)
}

fn position(value: &Value, left: &mut usize) -> Option<Coord<f64>> {
    *left = left.checked_sub(1)?;
    let numbers = value.as_array().filter(|numbers| matches!(numbers.len(), 2 | 3))?;
    let at = Coord { x: numbers[0].as_f64()?, y: numbers[1].as_f64()? };
    (at.x.is_finite() && at.y.is_finite()).then_some(at)
}

fn line(value: &Value, left: &mut usize, least: usize) -> Option<LineString<f64>> {
    let points = each(value, |part| position(part, left))?;
    (points.len() >= least).then(|| LineString::new(points))
}

fn polygon(value: &Value, left: &mut usize) -> Option<Polygon<f64>> {
    let rings = each(value, |part| line(part, left, 4).filter(LineString::is_closed))?;
    let mut rings = rings.into_iter();
    Some(Polygon::new(rings.next()?, rings.collect()))
}
