//! Well-known binary (ISO 19125-1, with the Z types of ISO/IEC 13249-3): writing, reading, and the extent without building a
//! geometry.

use crate::crs::Bbox;
use crate::error::{Error, Result};
use geo::{Coord, Geometry, GeometryCollection, LineString, MultiLineString, MultiPoint, MultiPolygon, Point, Polygon};

/// Collections nested deeper are refused.
const MAX_DEPTH: u32 = 16;

/// The geometry as little-endian WKB, easting before northing. Rectangles, lines and triangles are written as what they are
/// in the standard: polygons and line strings.
pub fn encode(geometry: &Geometry<f64>) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    put_geometry(&mut out, geometry);
    out
}

fn put_geometry(out: &mut Vec<u8>, geometry: &Geometry<f64>) {
    match geometry {
        Geometry::Point(point) => put_point(out, point.0),
        Geometry::Line(line) => put_line(out, &LineString::new(vec![line.start, line.end])),
        Geometry::LineString(line) => put_line(out, line),
        Geometry::Polygon(polygon) => put_polygon(out, polygon),
        Geometry::Rect(rect) => put_polygon(out, &rect.to_polygon()),
        Geometry::Triangle(triangle) => put_polygon(out, &triangle.to_polygon()),
        Geometry::MultiPoint(points) => {
            put_header(out, 4);
            put_count(out, points.0.len());
            points.0.iter().for_each(|point| put_point(out, point.0));
        }
        Geometry::MultiLineString(lines) => {
            put_header(out, 5);
            put_count(out, lines.0.len());
            lines.0.iter().for_each(|line| put_line(out, line));
        }
        Geometry::MultiPolygon(polygons) => {
            put_header(out, 6);
            put_count(out, polygons.0.len());
            polygons.0.iter().for_each(|polygon| put_polygon(out, polygon));
        }
        Geometry::GeometryCollection(parts) => {
            put_header(out, 7);
            put_count(out, parts.0.len());
            parts.0.iter().for_each(|part| put_geometry(out, part));
        }
    }
}

fn put_header(out: &mut Vec<u8>, code: u32) {
    out.push(1);
    out.extend_from_slice(&code.to_le_bytes());
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&(count as u32).to_le_bytes());
}

fn put_coord(out: &mut Vec<u8>, coord: Coord<f64>) {
    out.extend_from_slice(&coord.x.to_le_bytes());
    out.extend_from_slice(&coord.y.to_le_bytes());
}

fn put_point(out: &mut Vec<u8>, coord: Coord<f64>) {
    put_header(out, 1);
    put_coord(out, coord);
}

fn put_coords(out: &mut Vec<u8>, line: &LineString<f64>) {
    put_count(out, line.0.len());
    line.0.iter().for_each(|coord| put_coord(out, *coord));
}

fn put_line(out: &mut Vec<u8>, line: &LineString<f64>) {
    put_header(out, 2);
    put_coords(out, line);
}

fn put_polygon(out: &mut Vec<u8>, polygon: &Polygon<f64>) {
    put_header(out, 3);
    put_count(out, polygon.interiors().len() + 1);
    put_coords(out, polygon.exterior());
    polygon.interiors().iter().for_each(|ring| put_coords(out, ring));
}

/// A polygon without Z, as [`encode`] writes it, as a multi-polygon of one; `None` for anything else.
pub fn multi_polygon(polygon: &[u8]) -> Option<Vec<u8>> {
    if !polygon.starts_with(&[1, 3, 0, 0, 0]) {
        return None;
    }
    let mut out = Vec::with_capacity(polygon.len() + 9);
    put_header(&mut out, 6);
    put_count(&mut out, 1);
    out.extend_from_slice(polygon);
    Some(out)
}

/// Reads a geometry; Z and M are dropped.
///
/// # Errors
/// When the bytes are no WKB, end early, hold a curve or surface type, or nest too deeply.
pub fn decode(bytes: &[u8]) -> Result<Geometry<f64>> {
    let mut cursor = Cursor { bytes, at: 0 };
    let geometry = read_geometry(&mut cursor, 0)?;
    if cursor.at != bytes.len() {
        return Err(broken("bytes follow the geometry"));
    }
    Ok(geometry)
}

fn read_geometry(cursor: &mut Cursor<'_>, depth: u32) -> Result<Geometry<f64>> {
    let header = cursor.header(depth)?;
    Ok(match header.kind {
        1 => Geometry::Point(Point(cursor.coord(header)?)),
        2 => Geometry::LineString(read_coords(cursor, header)?),
        3 => Geometry::Polygon(read_polygon(cursor, header)?),
        4 => Geometry::MultiPoint(MultiPoint(read_parts(cursor, header, depth, |part| match part {
            Geometry::Point(point) => Some(point),
            _ => None,
        })?)),
        5 => Geometry::MultiLineString(MultiLineString(read_parts(cursor, header, depth, |part| match part {
            Geometry::LineString(line) => Some(line),
            _ => None,
        })?)),
        6 => Geometry::MultiPolygon(MultiPolygon(read_parts(cursor, header, depth, |part| match part {
            Geometry::Polygon(polygon) => Some(polygon),
            _ => None,
        })?)),
        7 => Geometry::GeometryCollection(GeometryCollection(read_parts(cursor, header, depth, Some)?)),
        _ => return Err(broken("the type of geometry is not supported")),
    })
}

fn read_parts<T>(
    cursor: &mut Cursor<'_>,
    header: Header,
    depth: u32,
    take: impl Fn(Geometry<f64>) -> Option<T>,
) -> Result<Vec<T>> {
    let count = cursor.count(header, 5)?;
    let mut parts = Vec::with_capacity(count);
    for _ in 0..count {
        let part = read_geometry(cursor, depth + 1)?;
        parts.push(take(part).ok_or_else(|| broken("a part is not of the type of its whole"))?);
    }
    Ok(parts)
}

fn read_coords(cursor: &mut Cursor<'_>, header: Header) -> Result<LineString<f64>> {
    Ok(LineString::new(cursor.coords(header)?.map(|(at, _)| at).collect()))
}

fn read_polygon(cursor: &mut Cursor<'_>, header: Header) -> Result<Polygon<f64>> {
    let count = cursor.count(header, 4)?;
    let mut rings = (0..count).map(|_| read_coords(cursor, header)).collect::<Result<Vec<_>>>()?.into_iter();
    let exterior = rings.next().unwrap_or_else(|| LineString::new(Vec::new()));
    Ok(Polygon::new(exterior, rings.collect()))
}

/// The geometry as well-known text, with all the digits it takes to read it back.
pub fn to_text(geometry: &Geometry<f64>) -> String {
    let coords = |line: &LineString<f64>| {
        let text: Vec<String> = line.0.iter().map(|at| format!("{} {}", at.x, at.y)).collect();
        format!("({})", text.join(", "))
    };
    let rings = |polygon: &Polygon<f64>| {
        let rings: Vec<String> = std::iter::once(polygon.exterior()).chain(polygon.interiors()).map(coords).collect();
        format!("({})", rings.join(", "))
    };
    let tagged = |name: &str, parts: Vec<String>| {
        if parts.is_empty() { format!("{name} EMPTY") } else { format!("{name} ({})", parts.join(", ")) }
    };
    match geometry {
        Geometry::Point(point) => format!("POINT ({} {})", point.x(), point.y()),
        Geometry::Line(line) => to_text(&Geometry::LineString(LineString::new(vec![line.start, line.end]))),
        Geometry::LineString(line) => format!("LINESTRING {}", coords(line)),
        Geometry::Polygon(polygon) => format!("POLYGON {}", rings(polygon)),
        Geometry::Rect(rect) => format!("POLYGON {}", rings(&rect.to_polygon())),
        Geometry::Triangle(triangle) => format!("POLYGON {}", rings(&triangle.to_polygon())),
        Geometry::MultiPoint(points) => {
            tagged("MULTIPOINT", points.0.iter().map(|point| format!("({} {})", point.x(), point.y())).collect())
        }
        Geometry::MultiLineString(lines) => tagged("MULTILINESTRING", lines.0.iter().map(coords).collect()),
        Geometry::MultiPolygon(polygons) => tagged("MULTIPOLYGON", polygons.0.iter().map(rings).collect()),
        Geometry::GeometryCollection(parts) => tagged("GEOMETRYCOLLECTION", parts.0.iter().map(to_text).collect()),
    }
}

/// A point, line or polygon as the collection of its kind that holds just it; bytes of another kind stay as they are.
pub fn promoted(bytes: &[u8]) -> Vec<u8> {
    let [order, code @ ..] = bytes.first_chunk::<5>().copied().unwrap_or_default();
    let code = if order == 0 { u32::from_be_bytes(code) } else { u32::from_le_bytes(code) };
    let mut out = Vec::with_capacity(bytes.len() + 9);
    if matches!(code, 1..=3) {
        put_header(&mut out, code + 3);
        put_count(&mut out, 1);
    }
    out.extend_from_slice(bytes);
    out
}

/// What WKB says about itself without building a geometry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Type without dimensions: 1 point ... 7 geometry collection.
    pub kind: u32,
    /// True with Z.
    pub has_z: bool,
    /// Extent; empty for an empty geometry.
    pub bbox: Bbox,
    /// Lowest and highest Z; infinities the wrong way round without Z.
    pub z: [f64; 2],
    /// True when a ring does not end where it begins.
    pub open_ring: bool,
}

impl Summary {
    /// The name that GeoParquet and GeoPackage use, with ` Z` as GeoParquet writes it.
    pub fn type_name(&self) -> String {
        let name = match self.kind {
            1 => "Point",
            2 => "LineString",
            3 => "Polygon",
            4 => "MultiPoint",
            5 => "MultiLineString",
            6 => "MultiPolygon",
            _ => "GeometryCollection",
        };
        if self.has_z { format!("{name} Z") } else { name.to_owned() }
    }
    fn add(&mut self, at: Coord<f64>, z: Option<f64>) {
        if at.x.is_finite() && at.y.is_finite() {
            self.bbox.grow([at.x, at.y]);
        }
        if let Some(z) = z {
            self.z = [self.z[0].min(z), self.z[1].max(z)];
        }
    }
}

/// Type and extent.
///
/// # Errors
/// As [`decode`].
pub fn summary(bytes: &[u8]) -> Result<Summary> {
    let mut cursor = Cursor { bytes, at: 0 };
    let z = [f64::INFINITY, f64::NEG_INFINITY];
    let mut summary = Summary { kind: 0, has_z: false, bbox: Bbox::EMPTY, z, open_ring: false };
    let header = visit(&mut cursor, 0, &mut summary)?;
    if cursor.at != bytes.len() {
        return Err(broken("bytes follow the geometry"));
    }
    summary.kind = header.kind;
    summary.has_z = header.has_z;
    Ok(summary)
}

fn visit(cursor: &mut Cursor<'_>, depth: u32, summary: &mut Summary) -> Result<Header> {
    let header = cursor.header(depth)?;
    match header.kind {
        1 => {
            let (at, z) = cursor.coord_z(header)?;
            summary.add(at, z);
        }
        2 => cursor.coords(header)?.for_each(|(at, z)| summary.add(at, z)),
        3 => {
            for _ in 0..cursor.count(header, 4)? {
                let (mut first, mut last) = (None, None);
                for (at, z) in cursor.coords(header)? {
                    summary.add(at, z);
                    last = Some(at);
                    first = first.or(last);
                }
                summary.open_ring |= first != last;
            }
        }
        4..=7 => {
            for _ in 0..cursor.count(header, 5)? {
                visit(cursor, depth + 1, summary)?;
            }
        }
        _ => return Err(broken("the type of geometry is not supported")),
    }
    Ok(header)
}

#[derive(Clone, Copy)]
struct Header {
    kind: u32,
    little: bool,
    has_z: bool,
    dimensions: usize,
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (chunk, _) = self
            .bytes
            .get(self.at..)
            .and_then(<[u8]>::split_first_chunk::<N>)
            .ok_or_else(|| broken("the geometry ends early"))?;
        self.at += N;
        Ok(*chunk)
    }
    fn number(&mut self, little: bool) -> Result<u32> {
        let bytes = self.take::<4>()?;
        Ok(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }
    fn header(&mut self, depth: u32) -> Result<Header> {
        if depth > MAX_DEPTH {
            return Err(broken("the geometry is nested too deeply"));
        }
        let little = match self.take::<1>()? {
            [0] => false,
            [1] => true,
            _ => return Err(broken("the byte order is neither 0 nor 1")),
        };
        let code = self.number(little)?;
        if code & 0x2000_0000 != 0 {
            self.number(little)?;
        }
        let plain = code & 0x0fff_ffff;
        let has_z = code & 0x8000_0000 != 0 || matches!(plain / 1000, 1 | 3);
        let has_m = code & 0x4000_0000 != 0 || matches!(plain / 1000, 2 | 3);
        if plain / 1000 > 3 {
            return Err(broken("the type of geometry is not supported"));
        }
        Ok(Header { kind: plain % 1000, little, has_z, dimensions: 2 + usize::from(has_z) + usize::from(has_m) })
    }
    /// A count of parts; refused when the rest of the bytes cannot hold that many of `size` bytes.
    fn count(&mut self, header: Header, size: usize) -> Result<usize> {
        let count = self.number(header.little)? as usize;
        if count > (self.bytes.len() - self.at) / size {
            return Err(broken("the geometry ends early"));
        }
        Ok(count)
    }
    fn coord(&mut self, header: Header) -> Result<Coord<f64>> {
        Ok(self.coord_z(header)?.0)
    }
    fn coord_z(&mut self, header: Header) -> Result<(Coord<f64>, Option<f64>)> {
        self.positions(header, 1)?.next().ok_or_else(|| broken("the geometry ends early"))
    }
    /// A count, and so many positions.
    fn coords(&mut self, header: Header) -> Result<impl ExactSizeIterator<Item = (Coord<f64>, Option<f64>)>> {
        let count = self.count(header, header.dimensions * 8)?;
        self.positions(header, count)
    }
    /// Most of what a geometry is, so their bytes are taken at once.
    fn positions(&mut self, header: Header, count: usize) -> Result<impl ExactSizeIterator<Item = (Coord<f64>, Option<f64>)>> {
        let size = header.dimensions * 8;
        let bytes = self.bytes.get(self.at..).and_then(|rest| rest.get(..count * size));
        let bytes = bytes.ok_or_else(|| broken("the geometry ends early"))?;
        self.at += bytes.len();
        Ok(bytes.chunks_exact(size).map(move |position| {
            let real = |index: usize| {
                let bytes = position[index * 8..].first_chunk().copied().unwrap_or_default();
                if header.little { f64::from_le_bytes(bytes) } else { f64::from_be_bytes(bytes) }
            };
            (Coord { x: real(0), y: real(1) }, header.has_z.then(|| real(2)))
        }))
    }
}

fn broken(what: &str) -> Error {
    Error::new("mk::format::wkb", format!("not a geometry in WKB: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn coord() -> impl Strategy<Value = Coord<f64>> {
        (-1e7..1e7, -1e7..1e7).prop_map(|(x, y)| Coord { x, y })
    }
    fn line() -> impl Strategy<Value = LineString<f64>> {
        prop::collection::vec(coord(), 2..6).prop_map(LineString::new)
    }
    fn polygon() -> impl Strategy<Value = Polygon<f64>> {
        (line(), prop::collection::vec(line(), 0..3)).prop_map(|(exterior, interiors)| Polygon::new(exterior, interiors))
    }
    fn geometry() -> impl Strategy<Value = Geometry<f64>> {
        let leaf = prop_oneof![
            coord().prop_map(|at| Geometry::Point(Point(at))),
            line().prop_map(Geometry::LineString),
            polygon().prop_map(Geometry::Polygon),
            prop::collection::vec(coord(), 0..4)
                .prop_map(|all| Geometry::MultiPoint(MultiPoint(all.into_iter().map(Point).collect()))),
            prop::collection::vec(line(), 0..4).prop_map(|all| Geometry::MultiLineString(MultiLineString(all))),
            prop::collection::vec(polygon(), 0..4).prop_map(|all| Geometry::MultiPolygon(MultiPolygon(all))),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop::collection::vec(inner, 0..4).prop_map(|all| Geometry::GeometryCollection(GeometryCollection(all)))
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(geometry in geometry()) {
            let bytes = encode(&geometry);
            prop_assert_eq!(&decode(&bytes).unwrap(), &geometry);
            let summary = summary(&bytes).unwrap();
            prop_assert!(!summary.has_z);
            use geo::CoordsIter;
            let bbox = Bbox::around(geometry.coords_iter().map(|at| [at.x, at.y]));
            prop_assert_eq!(summary.bbox, bbox);
        }
        #[test]
        fn any_bytes_give_a_result_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = decode(&bytes);
            let _ = summary(&bytes);
        }
        #[test]
        fn a_cut_geometry_is_an_error(geometry in geometry(), cut in any::<prop::sample::Index>()) {
            let bytes = encode(&geometry);
            let cut = cut.index(bytes.len());
            prop_assert!(decode(&bytes[..cut]).is_err());
            prop_assert!(summary(&bytes[..cut]).is_err());
        }
        #[test]
        fn gdal_reads_what_is_written(geometry in geometry()) {
            let bytes = encode(&geometry);
            let theirs = gdal::vector::Geometry::from_wkb(&bytes).unwrap();
            let back = theirs.wkb().unwrap();
            prop_assert_eq!(&decode(&back).unwrap(), &geometry);
            let text = gdal::vector::Geometry::from_wkt(&to_text(&geometry)).unwrap();
            prop_assert_eq!(&decode(&text.wkb().unwrap()).unwrap(), &geometry);
        }
    }

    #[test]
    fn heights_count_in_the_summary_only() {
        let theirs = gdal::vector::Geometry::from_wkt("POLYGON Z ((0 0 5,4 0 6,4 3 7,0 0 5))").unwrap();
        let bytes = theirs.wkb().unwrap();
        let summary = summary(&bytes).unwrap();
        assert_eq!(
            (summary.type_name().as_str(), summary.z, summary.bbox),
            ("Polygon Z", [5.0, 7.0], Bbox::from([0.0, 0.0, 4.0, 3.0]))
        );
        assert!(matches!(decode(&bytes).unwrap(), Geometry::Polygon(_)));
    }
}
