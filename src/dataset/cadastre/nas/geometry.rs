//! GML geometry of the NAS profile and of services: arcs become line strings within a tolerance, rings are joined from their
//! curves, heights are dropped.

use super::curve::{self, CurveParts, Form};
use super::names::Family;
use super::xml::{Element, Events, Fault, Parsed, Tag, refuse};
use crate::error::{Error, Place};
use crate::vector::arc::Point;
use crate::vector::ring::{self, Gap};
use geo::{Coord, Geometry, LineString, MultiLineString, MultiPoint, MultiPolygon, Polygon};
use std::collections::{BTreeMap, BTreeSet};

/// Ends of curves this near (metres) are one point: NAS gives three decimals.
const JOIN_M: f64 = 1.5e-3;
/// The same for degrees.
const JOIN_DEGREES: f64 = 1e-8;
pub(super) const CODE: &str = "mk::cadastre::nas::geometry";

/// What another geometry may refer to.
#[derive(Debug, Clone, PartialEq)]
pub enum Shared {
    /// A point.
    Point(Point),
    /// A curve or ring.
    Curve(Vec<Point>),
    /// The polygons of a surface.
    Surface(Vec<Polygon<f64>>),
}

/// Parts of geometries by their `gml:id`, for members that refer to one given elsewhere.
pub type SharedParts = BTreeMap<String, Shared>;

/// Reads one geometry.
pub struct GeometryReader<'r> {
    /// Greatest distance of a chord from its arc, in metres.
    pub tolerance: f64,
    /// Parts known from an earlier pass.
    pub known: &'r SharedParts,
    /// Parts that are to be remembered.
    pub collect: &'r BTreeSet<String>,
    /// Those that were met.
    pub collected: Vec<(String, Shared)>,
    /// References that nothing is known of yet.
    pub missing: Vec<String>,
    /// Those of them without which a part that is to be remembered is not whole.
    pub wanting: Vec<String>,
    /// The `srsName`, where one is given.
    pub srs: Option<String>,
    /// Numbers of a position, where it is said.
    dimension: Option<usize>,
    /// Else as many as the CRS has axes.
    axes: usize,
}

impl<'r> GeometryReader<'r> {
    /// A reader for one geometry.
    pub fn new(tolerance: f64, known: &'r SharedParts, collect: &'r BTreeSet<String>) -> Self {
        let (collected, missing, wanting) = (Vec::new(), Vec::new(), Vec::new());
        Self { tolerance, known, collect, collected, missing, wanting, srs: None, dimension: None, axes: 2 }
    }

    /// The geometry whose start tag was the last read, with coordinates in the order of the file.
    pub fn read(&mut self, element: &Element<'_>, events: &mut Events<'_>) -> Parsed<Geometry<f64>> {
        self.note_srs(element)?;
        Ok(match element.local() {
            "Point" => Geometry::Point(coord(self.point_of(element, events)?).into()),
            "MultiPoint" => {
                let mut points = Vec::new();
                self.children(events, &mut |reader, member| {
                    points.push(coord(reader.member_point(member)?).into());
                    Ok(())
                })?;
                Geometry::MultiPoint(MultiPoint(points))
            }
            "Curve" | "LineString" | "CompositeCurve" | "OrientableCurve" => {
                let mut lines = self.lines(element, events)?;
                match lines.len() {
                    1 => Geometry::LineString(lines.swap_remove(0)),
                    _ => Geometry::MultiLineString(MultiLineString(lines)),
                }
            }
            "MultiCurve" | "MultiLineString" => {
                let mut lines = Vec::new();
                self.children(events, &mut |reader, member| {
                    match member {
                        Member::Given(child, events) => lines.extend(reader.lines(child, events)?),
                        Member::Referred(Shared::Curve(line)) => lines.push(line_string(line)),
                        Member::Referred(_) => return refuse(CODE, OTHER_FORM),
                    }
                    Ok(())
                })?;
                Geometry::MultiLineString(MultiLineString(lines))
            }
            "Surface" | "Polygon" | "CompositeSurface" | "PolyhedralSurface" => {
                let mut polygons = self.surface(element, events)?;
                match polygons.len() {
                    1 => Geometry::Polygon(polygons.swap_remove(0)),
                    _ => Geometry::MultiPolygon(MultiPolygon(polygons)),
                }
            }
            "MultiSurface" | "MultiPolygon" => Geometry::MultiPolygon(MultiPolygon(self.surfaces(events)?)),
            other => return refuse(CODE, format!("geometry of the form {} is not supported", short(other))),
        })
    }

    fn note_srs(&mut self, element: &Element<'_>) -> Parsed<()> {
        if let Some(name) = element.attribute("srsName")? {
            match &self.srs {
                Some(known) if *known != name => return refuse(CODE, "two reference systems within one geometry"),
                Some(_) => {}
                None => {
                    // Positions have as many numbers as their CRS has axes where nothing else is said (GML 3.2.1, 10.1.3.2).
                    self.axes = if super::srs::has_heights(&name) { 3 } else { 2 };
                    self.srs = Some(name);
                }
            }
        }
        if let Some(dimension) = element.attribute("srsDimension")? {
            self.dimension = match dimension.as_str() {
                "2" => Some(2),
                "3" => Some(3),
                _ => return refuse(CODE, "srsDimension is neither 2 nor 3"),
            };
        }
        Ok(())
    }

    /// Calls `each` for every geometry that is a member of the element whose start tag was the last read, but for those that are given
    /// elsewhere and not known yet.
    fn children(&mut self, events: &mut Events<'_>, each: &mut dyn FnMut(&mut Self, Member<'_, '_>) -> Parsed<()>) -> Parsed<()> {
        let mut depth = 0_usize;
        loop {
            match events.next()? {
                Some(Tag::Open(child)) if child.family == Family::Gml && is_holder(child.local()) => {
                    if let Some(reference) = child.attribute("href")? {
                        if let Some(shared) = self.referred(&reference)? {
                            each(self, Member::Referred(shared))?;
                        }
                        events.skip()?;
                    } else {
                        depth += 1;
                    }
                }
                Some(Tag::Open(child)) if child.family == Family::Gml => {
                    self.note_srs(&child)?;
                    each(self, Member::Given(&child, events))?;
                }
                Some(Tag::Open(_)) => events.skip()?,
                Some(Tag::Close) if depth == 0 => return Ok(()),
                Some(Tag::Close) => depth -= 1,
                None => return refuse(CODE, "the geometry ends early"),
            }
        }
    }

    /// What `#id` refers to; `None` when it is not known yet.
    fn referred(&mut self, reference: &str) -> Parsed<Option<Shared>> {
        let Some(id) = reference.strip_prefix('#') else {
            return refuse(CODE, "a member of the geometry refers outside the delivery");
        };
        let known = self.known.get(id).cloned();
        if known.is_none() {
            self.missing.push(id.to_owned());
        }
        Ok(known)
    }

    /// The `gml:id` of a part that is to be remembered.
    fn wanted(&self, element: &Element<'_>) -> Parsed<Option<String>> {
        let id = if self.collect.is_empty() { None } else { element.attribute("id")? };
        Ok(id.filter(|id| self.collect.contains(id)))
    }

    /// Remembers a part, if all that it refers to was known: `missing` is how many references were not, before it.
    fn remember(&mut self, id: Option<String>, missing: usize, shared: impl FnOnce() -> Option<Shared>) {
        let Some(id) = id else { return };
        if self.missing.len() > missing {
            self.wanting.extend_from_slice(&self.missing[missing..]);
        } else if let Some(shared) = shared() {
            self.collected.push((id, shared));
        }
    }

    fn member_point(&mut self, member: Member<'_, '_>) -> Parsed<Point> {
        match member {
            Member::Given(element, events) => self.point_of(element, events),
            Member::Referred(Shared::Point(point)) => Ok(point),
            Member::Referred(_) => refuse(CODE, OTHER_FORM),
        }
    }

    fn point_of(&mut self, element: &Element<'_>, events: &mut Events<'_>) -> Parsed<Point> {
        let (id, missing) = (self.wanted(element)?, self.missing.len());
        let point = match element.local() {
            "Point" => self.point(events)?,
            other => return refuse(CODE, format!("{} where a point belongs", short(other))),
        };
        self.remember(id, missing, || Some(Shared::Point(point)));
        Ok(point)
    }

    fn point(&mut self, events: &mut Events<'_>) -> Parsed<Point> {
        let mut found = None;
        loop {
            match events.next()? {
                Some(Tag::Open(child)) if matches!(child.local(), "pos" | "coordinates") => {
                    self.note_srs(&child)?;
                    found = Some(position(events.text_of()?)?);
                }
                Some(Tag::Open(_)) => events.skip()?,
                Some(Tag::Close) => break,
                None => return refuse(CODE, "the geometry ends early"),
            }
        }
        found.map_or_else(|| refuse(CODE, "a point has no position"), Ok)
    }

    /// A curve of any form, as one line, or several where a composite curve has gaps.
    fn lines(&mut self, element: &Element<'_>, events: &mut Events<'_>) -> Parsed<Vec<LineString<f64>>> {
        let curves = self.curve(element, events)?;
        if !self.missing.is_empty() {
            return Ok(Vec::new());
        }
        let tolerance = join_tolerance(&curves);
        match ring::join(curves.clone(), tolerance) {
            Ok(line) if line.len() >= 2 => Ok(vec![line_string(line)]),
            Err(Gap::NotConnected(_)) => Ok(curves.into_iter().filter(|curve| curve.len() >= 2).map(line_string).collect()),
            _ => refuse(CODE, "a curve has fewer than two points"),
        }
    }

    /// The parts of a curve, each with its points.
    fn curve(&mut self, element: &Element<'_>, events: &mut Events<'_>) -> Parsed<Vec<Vec<Point>>> {
        let (id, missing) = (self.wanted(element)?, self.missing.len());
        self.note_srs(element)?;
        let curves = match element.local() {
            "Curve" => vec![self.segments(events)?],
            "LineString" | "LinearRing" => vec![self.positions(events)?],
            "CompositeCurve" | "Ring" | "OrientableCurve" => self.members(events)?,
            other => return refuse(CODE, format!("{} where a curve belongs", short(other))),
        };
        self.remember(id, missing, || ring::join(curves.clone(), join_tolerance(&curves)).ok().map(Shared::Curve));
        Ok(curves)
    }

    /// The members of a ring or composite curve.
    fn members(&mut self, events: &mut Events<'_>) -> Parsed<Vec<Vec<Point>>> {
        let mut curves = Vec::new();
        let mut depth = 0_usize;
        loop {
            match events.next()? {
                Some(Tag::Open(child)) if matches!(child.local(), "curveMember" | "curveMembers" | "baseCurve") => {
                    if let Some(reference) = child.attribute("href")? {
                        match self.referred(&reference)? {
                            Some(Shared::Curve(line)) => curves.push(line),
                            Some(_) => return refuse(CODE, OTHER_FORM),
                            None => {}
                        }
                        events.skip()?;
                    } else {
                        depth += 1;
                    }
                }
                Some(Tag::Open(child)) if child.family == Family::Gml => {
                    curves.extend(self.curve(&child, events)?);
                }
                Some(Tag::Open(_)) => events.skip()?,
                Some(Tag::Close) if depth == 0 => return Ok(curves),
                Some(Tag::Close) => depth -= 1,
                None => return refuse(CODE, "the geometry ends early"),
            }
        }
    }

    /// The segments of a `Curve`, one after the other.
    fn segments(&mut self, events: &mut Events<'_>) -> Parsed<Vec<Point>> {
        let mut line: Vec<Point> = Vec::new();
        let mut depth = 0_usize;
        loop {
            match events.next()? {
                Some(Tag::Open(child)) if child.local() == "segments" => depth += 1,
                Some(Tag::Open(child)) => {
                    let segment = self.segment(&child, events)?;
                    let joined = match (line.last(), segment.first()) {
                        (Some(end), Some(begin)) => {
                            let tolerance = join_tolerance(std::slice::from_ref(&segment));
                            (end[0] - begin[0]).abs() <= tolerance && (end[1] - begin[1]).abs() <= tolerance
                        }
                        _ => true,
                    };
                    if !joined {
                        return refuse(CODE, "the segments of a curve are not connected");
                    }
                    line.extend(segment.into_iter().skip(usize::from(!line.is_empty())));
                }
                Some(Tag::Close) if depth == 0 => return Ok(line),
                Some(Tag::Close) => depth -= 1,
                None => return refuse(CODE, "the geometry ends early"),
            }
        }
    }

    fn segment(&mut self, element: &Element<'_>, events: &mut Events<'_>) -> Parsed<Vec<Point>> {
        let form = match element.local() {
            "LineStringSegment" | "GeodesicString" => return self.positions(events),
            "Arc" => Form::Arc,
            "ArcString" => Form::ArcString,
            "Circle" => Form::Circle,
            "ArcByBulge" | "ArcStringByBulge" => Form::Bulge,
            "ArcByCenterPoint" => Form::ArcAround,
            "CircleByCenterPoint" => Form::CircleAround,
            "CubicSpline" => Form::Spline,
            other => return refuse(CODE, format!("curve segments of the form {} are not supported", short(other))),
        };
        let parts = self.curved(events)?;
        curve::line(form, &parts, self.tolerance)
    }

    /// Everything that defines a curved segment.
    fn curved(&mut self, events: &mut Events<'_>) -> Parsed<CurveParts> {
        let mut parts = CurveParts::default();
        loop {
            match events.next()? {
                Some(Tag::Open(child)) => match child.local() {
                    "posList" => {
                        self.note_srs(&child)?;
                        list(events.text_of()?, self.dimension.unwrap_or(self.axes), &mut parts.points)?;
                    }
                    "pos" => {
                        self.note_srs(&child)?;
                        parts.points.push(position(events.text_of()?)?);
                    }
                    "pointProperty" | "pointRep" => parts.points.extend(self.nested_point(events)?),
                    "radius" => parts.radius = numbers(events.text_of()?)?.first().copied(),
                    "startAngle" => parts.angles[0] = numbers(events.text_of()?)?.first().copied(),
                    "endAngle" => parts.angles[1] = numbers(events.text_of()?)?.first().copied(),
                    "bulge" => parts.bulges.extend(numbers(events.text_of()?)?),
                    "normal" => parts.normals.push(numbers(events.text_of()?)?),
                    "vectorAtStart" => parts.tangents[0] = Some(position(events.text_of()?)?),
                    "vectorAtEnd" => parts.tangents[1] = Some(position(events.text_of()?)?),
                    _ => events.skip()?,
                },
                Some(Tag::Close) => return Ok(parts),
                None => return refuse(CODE, "the geometry ends early"),
            }
        }
    }

    fn nested_point(&mut self, events: &mut Events<'_>) -> Parsed<Option<Point>> {
        let mut point = None;
        self.children(events, &mut |reader, member| {
            point = Some(reader.member_point(member)?);
            Ok(())
        })?;
        Ok(point)
    }

    /// All positions of a line, ring or segment: `posList`, or one `pos` after the other.
    fn positions(&mut self, events: &mut Events<'_>) -> Parsed<Vec<Point>> {
        let mut points = Vec::new();
        loop {
            match events.next()? {
                Some(Tag::Open(child)) if child.local() == "posList" => {
                    self.note_srs(&child)?;
                    list(events.text_of()?, self.dimension.unwrap_or(self.axes), &mut points)?;
                }
                Some(Tag::Open(child)) if child.local() == "pos" => {
                    self.note_srs(&child)?;
                    points.push(position(events.text_of()?)?);
                }
                Some(Tag::Open(child)) if matches!(child.local(), "pointProperty" | "pointRep") => {
                    points.extend(self.nested_point(events)?);
                }
                Some(Tag::Open(_)) => events.skip()?,
                Some(Tag::Close) => return Ok(points),
                None => return refuse(CODE, "the geometry ends early"),
            }
        }
    }

    /// The polygons of a surface of any form.
    fn surface(&mut self, element: &Element<'_>, events: &mut Events<'_>) -> Parsed<Vec<Polygon<f64>>> {
        let (id, missing) = (self.wanted(element)?, self.missing.len());
        let polygons = match element.local() {
            "Polygon" | "PolygonPatch" | "Rectangle" | "Triangle" => self.polygon(events)?.into_iter().collect(),
            "Surface" | "CompositeSurface" | "PolyhedralSurface" | "MultiSurface" => self.surfaces(events)?,
            other => return refuse(CODE, format!("{} where a surface belongs", short(other))),
        };
        self.remember(id, missing, || Some(Shared::Surface(polygons.clone())));
        Ok(polygons)
    }

    /// The polygons of all members.
    fn surfaces(&mut self, events: &mut Events<'_>) -> Parsed<Vec<Polygon<f64>>> {
        let mut polygons = Vec::new();
        self.children(events, &mut |reader, member| {
            match member {
                Member::Given(child, events) => polygons.extend(reader.surface(child, events)?),
                Member::Referred(Shared::Surface(more)) => polygons.extend(more),
                Member::Referred(_) => return refuse(CODE, OTHER_FORM),
            }
            Ok(())
        })?;
        Ok(polygons)
    }

    fn polygon(&mut self, events: &mut Events<'_>) -> Parsed<Option<Polygon<f64>>> {
        let (mut exterior, mut interiors) = (None, Vec::new());
        loop {
            match events.next()? {
                Some(Tag::Open(child))
                    if matches!(child.local(), "exterior" | "interior" | "outerBoundaryIs" | "innerBoundaryIs") =>
                {
                    let inner = matches!(child.local(), "interior" | "innerBoundaryIs");
                    let ring = self.boundary(events)?;
                    if inner {
                        interiors.push(ring);
                    } else if exterior.replace(ring).is_some() {
                        return refuse(CODE, "a polygon has two outer boundaries");
                    }
                }
                Some(Tag::Open(_)) => events.skip()?,
                Some(Tag::Close) => break,
                None => return refuse(CODE, "the geometry ends early"),
            }
        }
        if !self.missing.is_empty() {
            return Ok(None);
        }
        match exterior {
            Some(exterior) => Ok(Some(Polygon::new(exterior, interiors))),
            None => refuse(CODE, "a polygon has no outer boundary"),
        }
    }

    fn boundary(&mut self, events: &mut Events<'_>) -> Parsed<LineString<f64>> {
        let mut curves = Vec::new();
        loop {
            match events.next()? {
                Some(Tag::Open(child)) if matches!(child.local(), "Ring" | "LinearRing") => {
                    curves = self.curve(&child, events)?;
                }
                Some(Tag::Open(child)) => {
                    return refuse(CODE, format!("{} where a ring belongs", short(child.local())));
                }
                Some(Tag::Close) => break,
                None => return refuse(CODE, "the geometry ends early"),
            }
        }
        if !self.missing.is_empty() {
            return Ok(line_string(Vec::new()));
        }
        let tolerance = join_tolerance(&curves);
        let ring = ring::join(curves, tolerance).and_then(|line| ring::close(line, tolerance));
        ring.map(line_string).map_err(|gap| {
            let (what, at) = match gap {
                Gap::TooShort => ("a ring has fewer than four points", None),
                Gap::NotConnected(at) => ("the curves of a ring are not connected", Some(at)),
                Gap::NotClosed(at) => ("a ring is not closed", Some(at)),
            };
            let place = Place { at, ..Place::default() };
            Fault::Object(Error::new(CODE, what).at(place))
        })
    }
}

/// A member of a geometry: given there, with its start tag as the last read, or elsewhere.
enum Member<'m, 'e> {
    Given(&'m Element<'m>, &'m mut Events<'e>),
    Referred(Shared),
}

const OTHER_FORM: &str = "a member of the geometry refers to one of another form";

fn is_holder(local: &str) -> bool {
    matches!(
        local,
        "pointMember"
            | "pointMembers"
            | "curveMember"
            | "curveMembers"
            | "lineStringMember"
            | "surfaceMember"
            | "surfaceMembers"
            | "polygonMember"
            | "patches"
            | "polygonPatches"
            | "pointProperty"
    )
}

fn join_tolerance(curves: &[Vec<Point>]) -> f64 {
    let degrees = curves.iter().flatten().take(1).all(|point| point[0].abs() <= 360.0 && point[1].abs() <= 360.0);
    if degrees { JOIN_DEGREES } else { JOIN_M }
}

fn numbers(text: &str) -> Parsed<Vec<f64>> {
    text.split_ascii_whitespace().map(number).collect()
}

/// Two numbers, or three of which the height is dropped.
fn position(text: &str) -> Parsed<Point> {
    let mut words = text.split_ascii_whitespace();
    match (words.next(), words.next(), words.next().map(number).transpose()?, words.next()) {
        (Some(x), Some(y), _, None) => Ok([number(x)?, number(y)?]),
        _ => refuse(CODE, "a position has neither two nor three numbers"),
    }
}

fn list(text: &str, dimension: usize, points: &mut Vec<Point>) -> Parsed<()> {
    let mut words = text.split_ascii_whitespace();
    while let Some(x) = words.next() {
        let Some(y) = words.next() else { return refuse(CODE, "a list of positions has a number too many or too few") };
        if dimension == 3 && words.next().is_none() {
            return refuse(CODE, "a list of positions has a number too many or too few");
        }
        points.push([number(x)?, number(y)?]);
    }
    Ok(())
}

fn number(word: &str) -> Parsed<f64> {
    match word.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => refuse(CODE, "a coordinate is no number"),
    }
}

fn coord(point: Point) -> Coord<f64> {
    Coord { x: point[0], y: point[1] }
}

fn line_string(line: Vec<Point>) -> LineString<f64> {
    LineString::new(line.into_iter().map(coord).collect())
}

/// A name of the file, cut for a message.
fn short(name: &str) -> String {
    name.chars().take(40).collect()
}
