//! What a geometry must be: a rejection where it is not, a finding where it is only worth a look.

use super::options::GeometryOption;
use crate::format::wkb;
use crate::vector::{arc::Point, clip, partition};
use geo::{Coord, Geometry, LineString, Polygon};

/// Why a geometry is rejected.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Stable code.
    pub code: &'static str,
    /// What is wrong.
    pub reason: String,
    /// Where.
    pub at: Option<Point>,
}

fn fault(code: &'static str, reason: &str) -> Fault {
    Fault { code, reason: reason.to_owned(), at: None }
}

/// The geometry of WKB, when it is sound.
///
/// # Errors
/// With what is wrong.
pub fn sound(bytes: &[u8], wanted: Option<GeometryOption>) -> Result<Geometry<f64>, Fault> {
    let broken = |error: crate::error::Error| fault("mk::features::geometry", error.message());
    let geometry = wkb::decode(bytes).map_err(broken)?;
    // Polygons close their rings when they are made: only the bytes tell.
    if wkb::summary(bytes).map_err(broken)?.open_ring {
        return Err(fault("mk::features::ring", "a ring does not come back to where it began"));
    }
    let kind = kind(&geometry).ok_or_else(|| fault("mk::features::type", "it is a collection of different geometries"))?;
    if wanted.is_some_and(|wanted| wanted != kind) {
        let name = match kind {
            GeometryOption::Point => "it is a point",
            GeometryOption::Line => "it is a line",
            GeometryOption::Polygon => "it is an area",
        };
        return Err(fault("mk::features::type", name));
    }
    let mut parts = 0;
    each_line(&geometry, &mut |line, is_ring| {
        parts += 1;
        if let Some(at) = line.iter().find(|at| !(at.x.is_finite() && at.y.is_finite())) {
            let seen = [at.x, at.y].iter().all(|value| value.is_finite()).then_some([at.x, at.y]);
            return Err(Fault { at: seen, ..fault("mk::features::number", "a coordinate is no number") });
        }
        let at = line.first().map(|at| [at.x, at.y]);
        if is_ring {
            if line.is_empty() {
                return Err(fault("mk::features::ring", "a ring is empty"));
            }
            if line.len() < 4 {
                return Err(Fault { at, ..fault("mk::features::ring", "a ring has fewer than four points") });
            }
            if clip::double_area(&points(line)) == 0.0 {
                return Err(Fault { at, ..fault("mk::features::ring", "a ring encloses no area") });
            }
        } else if kind == GeometryOption::Line && (line.len() < 2 || line.iter().all(|at| *at == line[0])) {
            return Err(Fault { at, ..fault("mk::features::line", "a line has fewer than two different points") });
        }
        Ok(())
    })?;
    if parts == 0 {
        return Err(fault("mk::features::empty", "it has no geometry"));
    }
    Ok(geometry)
}

/// What is kept but told: a ring that crosses itself, a hole that lies outside.
pub fn worth_a_look(geometry: &Geometry<f64>) -> Option<Fault> {
    let polygons: &[Polygon<f64>] = match geometry {
        Geometry::Polygon(polygon) => std::slice::from_ref(polygon),
        Geometry::MultiPolygon(all) => &all.0,
        _ => return None,
    };
    for polygon in polygons {
        let outer = points(&polygon.exterior().0);
        for ring in std::iter::once(polygon.exterior()).chain(polygon.interiors()) {
            if let Some(at) = partition::crossing(&points(&ring.0)) {
                let told = fault("mk::features::quality::crossing", "a ring of the area crosses itself");
                return Some(Fault { at: Some(at), ..told });
            }
        }
        for hole in polygon.interiors() {
            let outside = hole.0.iter().find(|at| !within(&outer, [at.x, at.y]));
            if let Some(at) = outside {
                let told = fault("mk::features::quality::hole", "a hole of the area lies outside of it");
                return Some(Fault { at: Some([at.x, at.y]), ..told });
            }
        }
    }
    None
}

/// True for a point within a closed ring, or on it.
fn within(ring: &[Point], at: Point) -> bool {
    let mut inside = false;
    for pair in ring.windows(2) {
        let [a, b] = [pair[0], pair[1]];
        let side = (b[0] - a[0]) * (at[1] - a[1]) - (at[0] - a[0]) * (b[1] - a[1]);
        let between = |axis: usize| at[axis] >= a[axis].min(b[axis]) && at[axis] <= a[axis].max(b[axis]);
        if side == 0.0 && between(0) && between(1) {
            return true;
        }
        if (a[1] > at[1]) != (b[1] > at[1]) && (side > 0.0) == (b[1] > a[1]) {
            inside = !inside;
        }
    }
    inside
}

/// What a geometry is; `None` for a collection.
pub fn kind(geometry: &Geometry<f64>) -> Option<GeometryOption> {
    Some(match geometry {
        Geometry::Point(_) | Geometry::MultiPoint(_) => GeometryOption::Point,
        Geometry::Line(_) | Geometry::LineString(_) | Geometry::MultiLineString(_) => GeometryOption::Line,
        Geometry::Polygon(_) | Geometry::MultiPolygon(_) | Geometry::Rect(_) | Geometry::Triangle(_) => GeometryOption::Polygon,
        Geometry::GeometryCollection(_) => return None,
    })
}

fn points(line: &[Coord<f64>]) -> Vec<Point> {
    line.iter().map(|at| [at.x, at.y]).collect()
}

fn rings(polygon: &Polygon<f64>) -> impl Iterator<Item = &LineString<f64>> {
    std::iter::once(polygon.exterior()).chain(polygon.interiors())
}

/// Each line of coordinates, with true for a ring.
fn each_line<E>(geometry: &Geometry<f64>, each: &mut impl FnMut(&[Coord<f64>], bool) -> Result<(), E>) -> Result<(), E> {
    match geometry {
        Geometry::Point(point) => each(&[point.0], false),
        Geometry::MultiPoint(points) => points.0.iter().try_for_each(|point| each(&[point.0], false)),
        Geometry::LineString(line) => each(&line.0, false),
        Geometry::MultiLineString(lines) => lines.0.iter().try_for_each(|line| each(&line.0, false)),
        Geometry::Polygon(one) => rings(one).try_for_each(|ring| each(&ring.0, true)),
        Geometry::MultiPolygon(all) => all.0.iter().flat_map(rings).try_for_each(|ring| each(&ring.0, true)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use geo::{Point, polygon};

    fn code(geometry: &Geometry<f64>, wanted: Option<GeometryOption>) -> &'static str {
        sound(&wkb::encode(geometry), wanted).map_or_else(|fault| fault.code, |_| "")
    }

    #[test]
    fn broken_geometries_are_told_by_what_they_are() {
        let square: Geometry<f64> = polygon![(x: 0.0, y: 0.0), (x: 9.0, y: 0.0), (x: 9.0, y: 9.0), (x: 0.0, y: 9.0)].into();
        assert_eq!(code(&square, None), "");
        assert_eq!(code(&square, Some(GeometryOption::Line)), "mk::features::type");
        let line = |points: &[(f64, f64)]| Geometry::LineString(LineString::from(points.to_vec()));
        assert_eq!(code(&line(&[(1.0, 1.0), (1.0, 1.0)]), None), "mk::features::line");
        assert_eq!(code(&line(&[(1.0, 1.0), (2.0, f64::NAN)]), None), "mk::features::number");
        assert_eq!(code(&Point::new(f64::INFINITY, 0.0).into(), None), "mk::features::number");
        let empty = Polygon::new(LineString::new(Vec::new()), Vec::new());
        assert_eq!(code(&empty.into(), None), "mk::features::ring");
        assert_eq!(code(&Geometry::MultiPolygon(geo::MultiPolygon(Vec::new())), None), "mk::features::empty");
        assert_eq!(sound(b"no", None).unwrap_err().code, "mk::features::geometry");
        // Not closed: geo would close it, so the bytes are made by hand.
        let mut open = wkb::encode(&Geometry::LineString(LineString::from(vec![(0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 9.0)])));
        open[1] = 3;
        open.splice(5..5, 1_u32.to_le_bytes());
        assert_eq!(sound(&open, None).unwrap_err().reason, "a ring does not come back to where it began");
    }

    #[test]
    fn what_is_odd_is_told_with_its_place() {
        let bow = polygon![(x: 0.0, y: 0.0), (x: 10.0, y: 10.0), (x: 10.0, y: 0.0), (x: 0.0, y: 11.0)];
        assert_eq!(worth_a_look(&bow.into()).unwrap().code, "mk::features::quality::crossing");
        let hole = polygon![
            exterior: [(x: 0.0, y: 0.0), (x: 9.0, y: 0.0), (x: 9.0, y: 9.0), (x: 0.0, y: 9.0)],
            interiors: [[(x: 1.0, y: 1.0), (x: 1.0, y: 2.0), (x: 2.0, y: 2.0)]],
        ];
        assert_eq!(worth_a_look(&hole.clone().into()), None);
        let (outer, _) = hole.into_inner();
        let far = LineString::from(vec![(20.0, 1.0), (20.0, 2.0), (21.0, 2.0), (20.0, 1.0)]);
        assert_eq!(worth_a_look(&Polygon::new(outer, vec![far]).into()).unwrap().at, Some([20.0, 1.0]));
    }
}
