//! Searching pictures: STAC API – Item Search 1.0.0 with `ids`, `collections`, `bbox`, `intersects`, `datetime`, `limit` and `sortby`, by
//! query or by body. What is not known is refused: a filter that is passed over would let everything through.

use super::index::{Index, Picture};
use geo::{BoundingRect, Intersects};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Pictures on a page, unless asked for otherwise, and at most.
pub const PAGE: (usize, usize) = (100, 1_000);
/// Identifiers in a request, and vertices of an area, at most.
const MOST: (usize, usize) = (1_000, 10_000);

/// What is asked for.
#[derive(Debug, Default, PartialEq)]
pub struct Search {
    ids: Option<Vec<Uuid>>,
    collections: Option<Vec<Uuid>>,
    area: Option<Area>,
    /// First and last moment, microseconds since 1970.
    times: Option<(i64, i64)>,
    newest_first: bool,
    /// Pictures on a page.
    pub limit: usize,
    /// Pictures on the pages before.
    pub offset: usize,
}

#[derive(Debug, PartialEq)]
enum Area {
    Box([f64; 4]),
    Shape(Box<geo::Geometry<f64>>, [f64; 4]),
}

/// What was found.
#[derive(Debug)]
pub struct Found {
    /// Of this page, by their places in the index.
    pub page: Vec<usize>,
    /// On all pages.
    pub matched: usize,
}

impl Search {
    /// From a query, as members of the body that says the same.
    ///
    /// # Errors
    /// What is wrong, in words for whoever asked.
    pub fn from_query(query: &[(String, String)]) -> Result<Map<String, Value>, String> {
        let mut body = Map::new();
        for (name, value) in query.iter().filter(|(_, value)| !value.is_empty()) {
            let list = || json!(value.split(',').map(str::trim).collect::<Vec<_>>());
            let value = match name.as_str() {
                "ids" | "collections" => list(),
                "bbox" => {
                    let numbers: Option<Vec<f64>> = value.split(',').map(|number| number.trim().parse().ok()).collect();
                    json!(numbers.ok_or("bbox has numbers between commas")?)
                }
                "intersects" => serde_json::from_str(value).map_err(|_| "intersects is a GeoJSON geometry")?,
                "limit" | "token" => json!(value.parse::<u64>().map_err(|_| format!("{name} is a number"))?),
                "sortby" => {
                    let field = value.trim_start_matches(['+', '-', ' ']);
                    json!([{ "field": field, "direction": if value.starts_with('-') { "desc" } else { "asc" } }])
                }
                // Here to let others through as they are.
                _ => json!(value),
            };
            body.insert(name.clone(), value);
        }
        Ok(body)
    }

    /// From the members of a body.
    ///
    /// # Errors
    /// What is wrong, in words for whoever asked.
    pub fn read(body: &Map<String, Value>) -> Result<Self, String> {
        let mut search = Self { limit: PAGE.0, ..Self::default() };
        for (name, value) in body.iter().filter(|(_, value)| !value.is_null()) {
            match name.as_str() {
                "ids" => search.ids = Some(identifiers(name, value)?),
                "collections" => search.collections = Some(identifiers(name, value)?),
                "bbox" => {
                    search.area =
                        Some(Area::Box(corners(value).ok_or("bbox has four or six numbers: west, south, east, north")?));
                }
                "intersects" => search.area = Some(shape(value)?),
                "datetime" => {
                    search.times = Some(value.as_str().and_then(times).ok_or("datetime is a time or an interval of RFC 3339")?);
                }
                "limit" => {
                    let limit = value.as_u64().filter(|limit| *limit > 0).ok_or("limit is a number, at least 1")?;
                    search.limit = usize::try_from(limit).unwrap_or(PAGE.1).min(PAGE.1);
                }
                "token" => {
                    let token = value.as_u64().or_else(|| value.as_str()?.parse().ok()).ok_or("token is one of a next link")?;
                    search.offset = usize::try_from(token).unwrap_or(usize::MAX);
                }
                "sortby" => search.newest_first = newest_first(value)?,
                // Which members of an item to give: it may be all of them.
                "fields" | "f" => {}
                other => return Err(format!("there is no parameter '{}'", other.chars().take(40).collect::<String>())),
            }
        }
        if body.contains_key("bbox") && body.contains_key("intersects") {
            return Err("either bbox or intersects".to_owned());
        }
        Ok(search)
    }

    /// Of one collection only.
    pub fn within(mut self, collection: Uuid) -> Self {
        self.collections = Some(vec![collection]);
        self
    }

    /// Looks.
    pub fn find(&self, index: &Index) -> Found {
        let mut found = Found { page: Vec::new(), matched: 0 };
        let mut look = |place: usize| {
            if index.pictures.get(place).is_some_and(|picture| self.fits(index, picture)) {
                if found.matched >= self.offset && found.page.len() < self.limit {
                    found.page.push(place);
                }
                found.matched += 1;
            }
        };
        match (&self.ids, self.collections.as_deref()) {
            (Some(ids), _) => {
                let mut places: Vec<usize> = ids.iter().filter_map(|id| index.picture(*id)).collect();
                places.sort_by_key(|place| index.pictures.get(*place).map(|picture| picture.time));
                places.dedup();
                both_ways(places.into_iter(), self.newest_first, &mut look);
            }
            (None, Some([only])) => {
                let range = index.sequence(*only).map(|sequence| sequence.pictures.clone()).unwrap_or_default();
                both_ways(range, self.newest_first, &mut look);
            }
            (None, _) => both_ways(index.by_time.iter().map(|place| *place as usize), self.newest_first, &mut look),
        }
        found
    }

    fn fits(&self, index: &Index, picture: &Picture) -> bool {
        let [lon, lat] = picture.lonlat;
        let sequence = || index.sequences.get(picture.sequence as usize).map(|sequence| sequence.id);
        self.times.is_none_or(|(first, last)| (first..=last).contains(&picture.time))
            && self.area.as_ref().is_none_or(|area| match area {
                Area::Box(corners) => in_box(*corners, [lon, lat]),
                Area::Shape(shape, around) => in_box(*around, [lon, lat]) && shape.intersects(&geo::Point::new(lon, lat)),
            })
            && self.collections.as_ref().is_none_or(|wanted| sequence().is_some_and(|id| wanted.contains(&id)))
    }
}

fn both_ways(places: impl DoubleEndedIterator<Item = usize>, backwards: bool, look: &mut impl FnMut(usize)) {
    if backwards { places.rev().for_each(look) } else { places.for_each(look) }
}

/// West of the 180th meridian and east of it when the box goes over it (RFC 7946 section 5.2).
fn in_box([west, south, east, north]: [f64; 4], [lon, lat]: [f64; 2]) -> bool {
    let between = if west <= east { (west..=east).contains(&lon) } else { lon >= west || lon <= east };
    between && (south..=north).contains(&lat)
}

/// One that is no identifier of ours is not found, and that is no error.
fn identifiers(name: &str, value: &Value) -> Result<Vec<Uuid>, String> {
    let list =
        value.as_array().filter(|list| list.len() <= MOST.0).ok_or(format!("{name} has at most {} identifiers", MOST.0))?;
    Ok(list.iter().filter_map(Value::as_str).filter_map(|id| Uuid::try_parse(id).ok()).collect())
}

fn corners(value: &Value) -> Option<[f64; 4]> {
    let numbers: Vec<f64> = value.as_array()?.iter().take(7).map(Value::as_f64).collect::<Option<_>>()?;
    let corners = match numbers[..] {
        [w, s, e, n] | [w, s, _, e, n, _] => [w, s, e, n],
        _ => return None,
    };
    (corners.iter().all(|number| number.is_finite()) && corners[1] <= corners[3]).then_some(corners)
}

/// A moment, or two with `..` or nothing where one end is open.
fn times(text: &str) -> Option<(i64, i64)> {
    let moment = |text: &str| text.trim().parse::<Timestamp>().ok().map(Timestamp::as_microsecond);
    let Some((from, to)) = text.split_once('/') else { return moment(text).map(|moment| (moment, moment)) };
    let open = |text: &str| matches!(text.trim(), "" | "..");
    let first = if open(from) { i64::MIN } else { moment(from)? };
    let last = if open(to) { i64::MAX } else { moment(to)? };
    (first <= last && !(open(from) && open(to))).then_some((first, last))
}

fn newest_first(value: &Value) -> Result<bool, String> {
    let wrong = "sortby is datetime, +datetime or -datetime";
    let [rule] = value.as_array().map(Vec::as_slice).ok_or(wrong)? else { return Err(wrong.to_owned()) };
    match rule["field"].as_str() {
        Some("datetime" | "properties.datetime" | "ts") => Ok(rule["direction"].as_str() == Some("desc")),
        _ => Err(wrong.to_owned()),
    }
}

fn shape(value: &Value) -> Result<Area, String> {
    let mut left = MOST.1;
    let shape =
        geometry(value, &mut left, 0).ok_or(format!("intersects is a GeoJSON geometry of at most {} positions", MOST.1))?;
    let around = shape.bounding_rect().ok_or("intersects is an empty geometry")?;
    Ok(Area::Shape(Box::new(shape), [around.min().x, around.min().y, around.max().x, around.max().y]))
}

/// A geometry of RFC 7946; `left` counts down the positions.
fn geometry(value: &Value, left: &mut usize, depth: usize) -> Option<geo::Geometry<f64>> {
    let coordinates = &value["coordinates"];
    let each = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut position = |value: &Value| {
        *left = left.checked_sub(1)?;
        let [x, y] = [0, 1].map(|axis| value.get(axis).and_then(Value::as_f64).filter(|number| number.is_finite()));
        Some(geo::Coord { x: x?, y: y? })
    };
    let mut line = |value: &Value| {
        let positions: Vec<geo::Coord<f64>> = value.as_array()?.iter().map(&mut position).collect::<Option<_>>()?;
        Some(geo::LineString::new(positions))
    };
    let mut polygon = |value: &Value| {
        let mut rings = value.as_array()?.iter().map(&mut line).collect::<Option<Vec<_>>>()?.into_iter();
        Some(geo::Polygon::new(rings.next()?, rings.collect()))
    };
    Some(match value["type"].as_str()? {
        "Point" => geo::Geometry::Point(position(coordinates)?.into()),
        "MultiPoint" => geo::Geometry::MultiPoint(line(coordinates)?.into_iter().map(geo::Point::from).collect()),
        "LineString" => geo::Geometry::LineString(line(coordinates)?),
        "MultiLineString" => {
            geo::Geometry::MultiLineString(geo::MultiLineString::new(each(coordinates).iter().map(line).collect::<Option<_>>()?))
        }
        "Polygon" => geo::Geometry::Polygon(polygon(coordinates)?),
        "MultiPolygon" => {
            geo::Geometry::MultiPolygon(geo::MultiPolygon::new(each(coordinates).iter().map(polygon).collect::<Option<_>>()?))
        }
        "GeometryCollection" if depth < 4 => {
            let members = value["geometries"].as_array()?.iter().map(|member| geometry(member, left, depth + 1));
            geo::Geometry::GeometryCollection(geo::GeometryCollection::new_from(members.collect::<Option<_>>()?))
        }
        _ => return None,
    })
}
