//! GML surfaces and solids to polygons and references, inside one building.

use super::appearance::Fit;
use super::xml::{Step, Xml};
use crate::crs::{AxisOrder, SrsName, srs_name};
use crate::dataset::city_model::model::Semantic;
use crate::error::{Error, Result};
use std::collections::{BTreeMap, HashMap};
use std::io::Read;

/// Most points of one building: 96 MB. The largest of NRW has some thousand.
pub const MAX_POINTS: usize = 4_000_000;
/// Most points of one polygon, so that 16 bits can number them in a tile.
pub const MAX_POLYGON_POINTS: usize = 60_000;
/// No projected coordinate and no height is larger than this.
const MAX_COORDINATE: f64 = 1e8;

/// A polygon as it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Polygon {
    /// Open rings, the outer one first.
    pub rings: Vec<Vec<[f64; 3]>>,
    /// For each of them what texture coordinates are bound to.
    pub names: Vec<RingName>,
}

/// What texture coordinates are bound to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RingName {
    /// The ring's `gml:id`.
    pub id: Option<String>,
    /// Numbers of the positions that were left out because they repeat another, sorted; without the closing one.
    pub dropped: Vec<u32>,
}

/// A surface of a building names a polygon: its own, or one elsewhere by `gml:id`.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// Number of the polygon.
    Polygon(usize),
    /// The `gml:id` that an `xlink:href` names.
    Reference(String),
}

/// One use of a polygon.
#[derive(Debug, Clone, PartialEq)]
pub struct Use {
    /// Number of the building or part.
    pub object: usize,
    /// Level of detail.
    pub lod: u8,
    /// The boundary surface that uses it; `None` in solids and surfaces of the building itself.
    pub semantic: Option<Semantic>,
    /// Number of that boundary surface within its object; 0 without one.
    pub surface: u32,
    /// What is used.
    pub target: Target,
    /// True when it is seen from the other side.
    pub reversed: bool,
}

/// All geometry of a building and its parts.
#[derive(Debug, Default)]
pub struct Geometry {
    /// The polygons.
    pub polygons: Vec<Polygon>,
    /// Numbers of polygons by `gml:id`, of composite surfaces by the polygons in them.
    pub ids: HashMap<String, Vec<usize>>,
    /// The uses, in the order of the file.
    pub uses: Vec<Use>,
    /// What polygons look like where their encoding says it beside them, by theme and number.
    pub fits: BTreeMap<String, BTreeMap<usize, Fit>>,
    /// Number of points so far.
    pub points: usize,
}

/// Where polygons belong while they are read.
#[derive(Debug, Clone, Copy)]
pub struct Owner {
    /// Number of the building or part.
    pub object: usize,
    /// Level of detail.
    pub lod: u8,
    /// The boundary surface around.
    pub semantic: Option<Semantic>,
    /// Its number within the object; 0 without one.
    pub surface: u32,
}

/// The CRS of a file: what its envelope says, or its first geometry.
#[derive(Debug, Default)]
pub struct Srs {
    /// The CRS; `None` while none was named.
    pub known: Option<SrsName>,
    /// The name seen last: some producers repeat it on every geometry.
    last: String,
}

impl Srs {
    /// Takes a `srsName`; an error when it contradicts an earlier one.
    ///
    /// # Errors
    /// When the name is unknown, or another one was used before.
    pub fn take(&mut self, name: &str) -> Result<(), Error> {
        if self.last == name {
            return Ok(());
        }
        let parsed = srs_name::parse(name)?;
        match &mut self.known {
            None => self.known = Some(parsed),
            Some(known) => {
                let same = known.horizontal == parsed.horizontal && known.axis == parsed.axis && known.local == parsed.local;
                let vertical = known.vertical.is_none() || parsed.vertical.is_none() || known.vertical == parsed.vertical;
                if !(same && vertical) {
                    return Err(problem("srs", "a geometry has another CRS than its file"));
                }
                known.vertical = known.vertical.or(parsed.vertical);
            }
        }
        name.clone_into(&mut self.last);
        Ok(())
    }
    /// Order of the coordinates in the file.
    pub fn axis(&self) -> AxisOrder {
        self.known.as_ref().map_or(AxisOrder::EastNorth, |srs| srs.axis)
    }
}

/// Reads the geometry property whose start the cursor stands on, to its end. What is wrong with the geometry goes to `problem`
/// (the first counts); the file is read on.
///
/// # Errors
/// When the XML itself is broken.
pub fn read<R: Read>(
    xml: &mut Xml<R>,
    owner: Owner,
    srs: &mut Srs,
    geometry: &mut Geometry,
    problem: &mut Option<Error>,
) -> Result<()> {
    let mut depth = 1_usize;
    // Depths at which an orientable surface turns its base, and composite surfaces with ids that later references may name.
    let mut turned: Vec<usize> = Vec::new();
    let mut composites: Vec<(usize, String, usize)> = Vec::new();
    if let Some(href) = xml.element().href.clone() {
        geometry.uses.push(use_of(owner, Target::Reference(target(&href)), false));
    }
    while depth > 0 {
        match xml.next()? {
            Step::Eof => return Ok(()),
            Step::Close => {
                depth -= 1;
                turned.retain(|&at| at <= depth);
                while let Some((_, id, first)) = composites.pop_if(|(at, ..)| *at > depth) {
                    geometry.ids.insert(id, (first..geometry.polygons.len()).collect());
                }
            }
            Step::Open => {
                let element = xml.element();
                if let Some(reason) = element.srs_name.as_deref().and_then(|name| srs.take(name).err()) {
                    problem.get_or_insert(reason.at(xml.place()));
                }
                let element = xml.element();
                if let Some(href) = &element.href {
                    let target = Target::Reference(target(href));
                    geometry.uses.push(use_of(owner, target, turned.len() % 2 == 1));
                }
                match element.name.as_str() {
                    "Polygon" | "PolygonPatch" | "Triangle" | "Rectangle" => {
                        let id = element.id.clone();
                        let reversed = turned.len() % 2 == 1;
                        let place = xml.place();
                        match polygon(xml, srs.axis(), geometry.points)? {
                            Ok(polygon) => {
                                geometry.points += polygon.rings.iter().map(Vec::len).sum::<usize>();
                                let number = geometry.polygons.len();
                                geometry.polygons.push(polygon);
                                if let Some(id) = id {
                                    geometry.ids.insert(id, vec![number]);
                                }
                                geometry.uses.push(use_of(owner, Target::Polygon(number), reversed));
                            }
                            Err(reason) => {
                                problem.get_or_insert(reason.at(place));
                            }
                        }
                    }
                    "OrientableSurface" => {
                        depth += 1;
                        if element.orientation.as_deref() == Some("-") {
                            turned.push(depth);
                        }
                    }
                    _ => {
                        depth += 1;
                        if let Some(id) = &element.id {
                            composites.push((depth, id.clone(), geometry.polygons.len()));
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

fn use_of(owner: Owner, target: Target, reversed: bool) -> Use {
    let Owner { object, lod, semantic, surface } = owner;
    Use { object, lod, semantic, surface, target, reversed }
}

/// `#id`, or a whole address with `#id` at its end: only the id counts, for objects never share polygons across files.
fn target(href: &str) -> String {
    href.rsplit('#').next().unwrap_or(href).to_owned()
}

/// A problem with a building's geometry.
pub fn problem(kind: &str, message: impl Into<String>) -> Error {
    let code = match kind {
        "srs" => "mk::city_model::srs",
        "ring" => "mk::city_model::ring",
        "coordinate" => "mk::city_model::coordinate",
        "size" => "mk::city_model::size",
        "xlink" => "mk::city_model::xlink",
        "curve" => "mk::city_model::curve",
        "vertex" => "mk::city_model::vertex",
        _ => "mk::city_model::geometry",
    };
    Error::new(code, message)
}

/// Reads a polygon, whose start the cursor stands on, to its end.
fn polygon<R: Read>(xml: &mut Xml<R>, axis: AxisOrder, points_before: usize) -> Result<Result<Polygon, Error>> {
    let (mut outer, mut holes) = (Vec::new(), Vec::new());
    let (mut outer_name, mut names) = (RingName::default(), Vec::new());
    let mut id = None;
    let mut wrong: Option<Error> = None;
    let mut values: Vec<f64> = Vec::new();
    let (mut depth, mut inner, mut in_ring) = (1_usize, false, false);
    let mut points = points_before;
    while depth > 0 {
        match xml.next()? {
            Step::Eof => break,
            Step::Open => {
                depth += 1;
                let element = xml.element();
                match element.name.as_str() {
                    "interior" | "innerBoundaryIs" => inner = true,
                    "exterior" | "outerBoundaryIs" => inner = false,
                    "LinearRing" | "Ring" => {
                        in_ring = true;
                        values.clear();
                        if element.name == "Ring" {
                            wrong.get_or_insert_with(|| problem("curve", "a ring of curves is not supported"));
                        }
                        id = xml.take_id();
                    }
                    "posList" | "pos" | "coordinates" => {
                        let two = element.srs_dimension.as_deref().is_some_and(|dimension| dimension.trim() == "2");
                        if two {
                            wrong.get_or_insert_with(|| problem("coordinate", "a ring has coordinates without heights"));
                        }
                        let commas = element.name == "coordinates";
                        let reason = numbers(xml.leaf()?, commas, &mut values);
                        depth -= 1;
                        if let Some(reason) = reason {
                            wrong.get_or_insert_with(|| problem("coordinate", reason));
                        }
                        if points + values.len() / 3 > MAX_POINTS {
                            let reason = format!("more than {MAX_POINTS} points in one building");
                            wrong.get_or_insert_with(|| problem("size", reason));
                            values.clear();
                        }
                    }
                    _ => {}
                }
            }
            Step::Close => {
                depth -= 1;
                // The end of a ring is the first end after its coordinates.
                if in_ring {
                    in_ring = false;
                    match ring(&values, axis) {
                        Ok((ring, dropped)) => {
                            points += ring.len();
                            let name = RingName { id: id.take(), dropped };
                            if inner {
                                holes.push(ring);
                                names.push(name);
                            } else {
                                (outer, outer_name) = (ring, name);
                            }
                        }
                        Err(reason) => {
                            wrong.get_or_insert(reason);
                        }
                    }
                }
            }
        }
    }
    if wrong.is_none() && outer.is_empty() {
        wrong = Some(problem("ring", "a polygon has no outer ring"));
    }
    if wrong.is_none() && outer.len() + holes.iter().map(Vec::len).sum::<usize>() > MAX_POLYGON_POINTS {
        wrong = Some(problem("size", format!("more than {MAX_POLYGON_POINTS} points in one polygon")));
    }
    if let Some(reason) = wrong {
        return Ok(Err(reason));
    }
    holes.insert(0, outer);
    names.insert(0, outer_name);
    Ok(Ok(Polygon { rings: holes, names }))
}

/// Appends the numbers of a text; gives a reason when one is none.
fn numbers(text: &str, commas: bool, out: &mut Vec<f64>) -> Option<String> {
    for word in text.split(|c: char| c.is_ascii_whitespace() || (commas && c == ',')).filter(|word| !word.is_empty()) {
        match word.parse::<f64>() {
            Ok(value) if value.is_finite() && value.abs() <= MAX_COORDINATE => out.push(value),
            Ok(value) if value.is_finite() => return Some(format!("the coordinate {value:e} is beyond all projections")),
            Ok(_) => return Some("a coordinate is not finite".to_owned()),
            Err(_) => return Some("a coordinate is no number".to_owned()),
        }
    }
    None
}

/// A ring as GML writes it (ISO 19107: closed, four positions at least) to an open ring without repeated points.
fn ring(values: &[f64], axis: AxisOrder) -> Result<(Vec<[f64; 3]>, Vec<u32>), Error> {
    if values.is_empty() {
        return Err(problem("ring", "a ring is empty"));
    }
    if !values.len().is_multiple_of(3) {
        return Err(problem("coordinate", "a ring's number of coordinates is no multiple of three"));
    }
    let points = values.chunks_exact(3).map(|value| {
        let [east, north] = axis.east_north([value[0], value[1]]);
        [east, north, value[2]]
    });
    let mut points: Vec<[f64; 3]> = points.collect();
    if points.len() > 1 {
        if points.first() != points.last() {
            return Err(problem("ring", "a ring is not closed"));
        }
        points.pop();
    }
    checked_ring(points)
}

/// An open ring without repeated points, and the sorted numbers of those that were left out.
pub fn checked_ring(mut points: Vec<[f64; 3]>) -> Result<(Vec<[f64; 3]>, Vec<u32>), Error> {
    let (mut dropped, mut number, mut before) = (Vec::new(), 0, None);
    points.retain(|point| {
        let repeated = before == Some(*point);
        if repeated {
            dropped.push(number);
        }
        before = Some(*point);
        number += 1;
        !repeated
    });
    // Neighbours differ now, so that only one point can repeat the first.
    if points.len() > 1 && points.first() == points.last() {
        points.pop();
        let behind = dropped.iter().rev().zip((0..number).rev()).take_while(|(dropped, last)| *dropped == last).count();
        dropped.insert(dropped.len() - behind, number - 1 - behind as u32);
    }
    if points.len() < 3 {
        return Err(problem("ring", "a ring has fewer than three different points"));
    }
    Ok((points, dropped))
}
