//! Stage `tiles`: vector tiles of `WebMercatorQuad`, a unit for each block of zoom 12.

use super::codes;
use super::row::{Row, from_ipc, to_ipc};
use super::state_unit::StateSummary;
use super::{Options, STATE};
use crate::crs::{Bbox, Crs, Operation};
use crate::dataset::{Outcome, PlanContext, UnitContext};
use crate::error::{Error, Result};
use crate::format::mvt::{self, EXTENT, Layer, Shape, Value};
use crate::format::{pmtiles, wkb};
use crate::plan::UnitSpec;
use crate::vector::arc::Point;
use crate::vector::clip;
use geo::{Coord, Geometry, LineString, Polygon, Simplify};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Zoom of a block: some six kilometres at our latitude.
pub const BLOCK_ZOOM: u8 = 12;
/// Half the width of the world in Web Mercator (metres).
const HALF_WORLD_M: f64 = 20_037_508.342_789_244;
/// Units around a tile that are drawn too, so that no border shows.
const BUFFER_UNITS: f64 = 64.0;
/// Tiles that one object may touch at one zoom; more is no parcel.
const MAX_TILES: u64 = 65_536;

/// The layers: name, German title, lowest zoom.
pub const LAYERS: [(&str, &str, u8); 3] =
    [("nutzung", "Tatsächliche Nutzung", 12), ("flurstueck", "Flurstücke", 13), ("gebaeude_bauwerk", "Gebäude und Bauwerke", 13)];

/// Index of the layer that an object is drawn in.
fn layer_of(class: &str) -> Option<usize> {
    if class == "AX_Flurstueck" {
        Some(1)
    } else if codes::building_class(class).is_some() {
        Some(2)
    } else if codes::land_use_class(class).is_some() {
        Some(0)
    } else {
        None
    }
}

/// The rows that are drawn in each block, as entries of the state's pack: `block/12/x/y`.
pub fn blocks(rows: &[Row], crs: Crs, grids: &[PathBuf]) -> Result<BTreeMap<String, Vec<u8>>> {
    let operation = Operation::between(crs, Crs::WEB_MERCATOR, grids)?;
    let mut blocks: BTreeMap<(u32, u32), Vec<Row>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.endet.is_none() && layer_of(&row.class).is_some()) {
        let Some(geometry) = &row.geometry else { continue };
        let bbox = wkb::summary(geometry)?.bbox;
        if bbox.is_empty() {
            continue;
        }
        let mut corners = [bbox.min, bbox.max, [bbox.min[0], bbox.max[1]], [bbox.max[0], bbox.min[1]]];
        operation.forward(&mut corners)?;
        let world = Bbox::around(corners.into_iter().map(to_world));
        for (x, y) in tiles_of(&world, BLOCK_ZOOM) {
            blocks.entry((x, y)).or_default().push(row.clone());
        }
    }
    blocks.into_iter().map(|((x, y), rows)| Ok((format!("block/{BLOCK_ZOOM}/{x}/{y}"), to_ipc(&rows)?))).collect()
}

/// Web Mercator metres to the unit square, y downwards.
fn to_world(point: Point) -> Point {
    [f64::midpoint(point[0] / HALF_WORLD_M, 1.0), f64::midpoint(1.0, -point[1] / HALF_WORLD_M)]
}

/// The tiles whose buffered squares a rectangle of the unit square touches.
fn tiles_of(world: &Bbox, zoom: u8) -> Vec<(u32, u32)> {
    let across = f64::from(1_u32 << zoom);
    let buffer = BUFFER_UNITS / f64::from(EXTENT);
    let low = |value: f64| (value * across - buffer).floor().clamp(0.0, across - 1.0) as u32;
    let high = |value: f64| (value * across + buffer).floor().clamp(0.0, across - 1.0) as u32;
    let (x0, x1) = (low(world.min[0]), high(world.max[0]));
    let (y0, y1) = (low(world.min[1]), high(world.max[1]));
    if u64::from(x1 - x0 + 1) * u64::from(y1 - y0 + 1) > MAX_TILES {
        return Vec::new();
    }
    (x0..=x1).flat_map(|x| (y0..=y1).map(move |y| (x, y))).collect()
}

/// One unit for each block of the state.
pub fn units(options: &Options, context: &PlanContext<'_>) -> Result<Vec<UnitSpec>> {
    let mut units = Vec::new();
    for state in context.earlier.get(STATE).into_iter().flatten() {
        let summary: StateSummary = serde_json::from_value(state.outcome.summary.clone())
            .map_err(|error| Error::new("mk::run::result", "the state is not as expected").because(error))?;
        let Some(crs) = summary.crs else { continue };
        for (name, entry) in state.pack()?.entries() {
            if let Some(key) = name.strip_prefix("block/") {
                units.push(UnitSpec {
                    key: key.to_owned(),
                    inputs: vec![state.entry_as_input(name, *entry)],
                    params: serde_json::json!({ "crs": crs, "zoom": options.zoom }),
                    bbox: None,
                    memory_mb: 32 + (entry.size >> 20).saturating_mul(8),
                    cost: entry.size,
                });
            }
        }
    }
    Ok(units)
}

/// Draws the tiles of a block.
pub fn execute(options: &Options, unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
    let input = unit.inputs.first().ok_or_else(|| Error::new("mk::run::input", "the unit has no input"))?;
    let rows = from_ipc(&context.entry(input)?)?;
    let crs: Crs = serde_json::from_value(unit.params["crs"].clone())
        .map_err(|error| Error::new("mk::run::params", "the parameters of the unit are not as expected").because(error))?;
    let block = block_of(&unit.key)?;
    let operation = Operation::between(crs, Crs::WEB_MERCATOR, &context.area.grids)?;
    let [low, high] = options.zoom;
    let mut tiles: BTreeMap<(u8, u32, u32), [Layer; 3]> = BTreeMap::new();
    for row in &rows {
        context.check()?;
        let (Some(layer), Some(bytes)) = (layer_of(&row.class), &row.geometry) else { continue };
        let world = Parts::new(&wkb::decode(bytes)?, &operation)?;
        let tags = tags(row);
        for zoom in low.max(LAYERS[layer].2)..=high {
            let shape = if zoom == high { world.clone() } else { world.simplified(0.5 / scale(zoom)) };
            let bbox = shape.bbox();
            if bbox.is_empty() {
                continue;
            }
            for (x, y) in
                tiles_of(&bbox, zoom).into_iter().filter(|(x, y)| block == (x >> (zoom - BLOCK_ZOOM), y >> (zoom - BLOCK_ZOOM)))
            {
                if let Some(shape) = shape.in_tile(zoom, x, y) {
                    let layers = tiles.entry((zoom, x, y)).or_insert_with(|| LAYERS.map(|(name, ..)| Layer::new(name)));
                    layers[layer].add(&shape, &tags);
                }
            }
        }
    }
    let mut count = 0_u64;
    for ((z, x, y), layers) in tiles {
        let tile = mvt::tile(&layers);
        if !tile.is_empty() {
            context.pack.add(&format!("{z}/{x}/{y}"), &pmtiles::gzip(&tile)?)?;
            count += 1;
        }
    }
    Ok(Outcome { summary: serde_json::json!({ "tiles": count }), ..Outcome::default() })
}

fn block_of(key: &str) -> Result<(u32, u32)> {
    let mut parts = key.split('/').skip(1).map(str::parse);
    match (parts.next(), parts.next()) {
        (Some(Ok(x)), Some(Ok(y))) => Ok((x, y)),
        _ => Err(Error::new("mk::run::params", format!("{key} is no block"))),
    }
}

/// Units of a tile across the world.
fn scale(zoom: u8) -> f64 {
    f64::from(1_u32 << zoom) * f64::from(EXTENT)
}

/// What a click on the map shows.
fn tags(row: &Row) -> Vec<(&'static str, Value)> {
    let properties = row.properties();
    let text = |name: &str| match properties.get(name) {
        Some(serde_json::Value::String(text)) if !text.is_empty() => Some(text.clone()),
        _ => None,
    };
    let number = |name: &str| {
        let inside = properties.get("flurstuecksnummer")?.get(name)?.as_str()?;
        Some(Value::Text(inside.to_owned()))
    };
    let class = row.class.as_str();
    let oid = if class == "AX_Flurstueck" { format!("{}FL", row.oid) } else { row.oid.clone() };
    let mut tags: Vec<(&str, Option<Value>)> = vec![("oid", Some(Value::Text(oid)))];
    if class == "AX_Flurstueck" {
        tags.extend([
            ("flstkennz", text("flurstueckskennzeichen").map(Value::Text)),
            ("flur", text("flurnummer").map(Value::Text)),
            ("flstnrzae", number("zaehler")),
            ("flstnrnen", number("nenner")),
            ("flaeche", text("amtlicheFlaeche").and_then(|area| area.parse().ok()).map(Value::Real)),
        ]);
    } else if let Some((key, label)) = codes::building_class(class) {
        let function = text("gebaeudefunktion").or_else(|| text("bauwerksfunktion"));
        let name = function.as_deref().and_then(|code| codes::kind(class, code));
        tags.extend([
            ("gebnutzbez", Some(Value::Text(label.to_owned()))),
            ("funktion", name.map(|name| Value::Text(name.to_owned()))),
            ("gfkzshh", Some(Value::Text(format!("{key}_{}", function.as_deref().unwrap_or("0000"))))),
            ("name", text("name").map(Value::Text)),
        ]);
    } else if let Some((label, property)) = codes::land_use_class(class) {
        let kind = text(property).and_then(|code| codes::kind(class, &code));
        tags.extend([("nutzart", Some(Value::Text(label.to_owned()))), ("bez", kind.map(|kind| Value::Text(kind.to_owned())))]);
    }
    tags.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect()
}

/// A geometry in the unit square, by its parts.
#[derive(Clone)]
enum Parts {
    Points(Vec<Point>),
    Lines(Vec<Vec<Point>>),
    Polygons(Vec<Vec<Vec<Point>>>),
}

impl Parts {
    fn new(geometry: &Geometry<f64>, operation: &Operation) -> Result<Self> {
        let line = |line: &LineString<f64>| -> Result<Vec<Point>> {
            let mut points: Vec<Point> = line.0.iter().map(|at| [at.x, at.y]).collect();
            operation.forward(&mut points)?;
            Ok(points.into_iter().map(to_world).collect())
        };
        let polygon = |polygon: &Polygon<f64>| -> Result<Vec<Vec<Point>>> {
            std::iter::once(polygon.exterior()).chain(polygon.interiors()).map(line).collect()
        };
        Ok(match geometry {
            Geometry::Point(point) => Self::Points(line(&LineString::new(vec![point.0]))?),
            Geometry::MultiPoint(points) => Self::Points(line(&LineString::new(points.0.iter().map(|point| point.0).collect()))?),
            Geometry::LineString(only) => Self::Lines(vec![line(only)?]),
            Geometry::MultiLineString(lines) => Self::Lines(lines.0.iter().map(line).collect::<Result<_>>()?),
            Geometry::Polygon(only) => Self::Polygons(vec![polygon(only)?]),
            Geometry::MultiPolygon(all) => Self::Polygons(all.0.iter().map(polygon).collect::<Result<_>>()?),
            _ => Self::Points(Vec::new()),
        })
    }

    fn bbox(&self) -> Bbox {
        match self {
            Self::Points(points) => Bbox::around(points.iter().copied()),
            Self::Lines(lines) => Bbox::around(lines.iter().flatten().copied()),
            Self::Polygons(polygons) => Bbox::around(polygons.iter().flatten().flatten().copied()),
        }
    }

    /// Without the points that are nearer than `tolerance` to the line through the others.
    fn simplified(&self, tolerance: f64) -> Self {
        let simple = |line: &Vec<Point>| -> Vec<Point> {
            let line = LineString::new(line.iter().map(|at| Coord { x: at[0], y: at[1] }).collect());
            line.simplify(tolerance).0.iter().map(|at| [at.x, at.y]).collect()
        };
        match self {
            Self::Points(points) => Self::Points(points.clone()),
            Self::Lines(lines) => Self::Lines(lines.iter().map(simple).collect()),
            Self::Polygons(polygons) => Self::Polygons(polygons.iter().map(|rings| rings.iter().map(simple).collect()).collect()),
        }
    }

    /// The part within a tile and its buffer, in the tile's units; `None` when nothing is left.
    fn in_tile(&self, zoom: u8, x: u32, y: u32) -> Option<Shape> {
        let scale = scale(zoom);
        let origin = [f64::from(x) * f64::from(EXTENT), f64::from(y) * f64::from(EXTENT)];
        let reach = f64::from(EXTENT) + BUFFER_UNITS;
        let frame = Bbox::new([-BUFFER_UNITS; 2], [reach; 2]);
        let local = |line: &Vec<Point>| -> Vec<Point> {
            line.iter().map(|at| [at[0] * scale - origin[0], at[1] * scale - origin[1]]).collect()
        };
        let units = |line: Vec<Point>| -> Vec<mvt::Unit> {
            line.into_iter().map(|at| [at[0].round() as i32, at[1].round() as i32]).collect()
        };
        match self {
            Self::Points(points) => {
                let points: Vec<Point> = local(points).into_iter().filter(|at| frame.contains(*at)).collect();
                (!points.is_empty()).then(|| Shape::Points(units(points)))
            }
            Self::Lines(lines) => {
                let parts: Vec<_> = lines.iter().flat_map(|line| clip::line(&local(line), &frame)).map(units).collect();
                (!parts.is_empty()).then_some(Shape::Lines(parts))
            }
            Self::Polygons(polygons) => {
                let mut parts = Vec::new();
                for rings in polygons {
                    let mut rings = rings.iter().map(|ring| clip::ring(&local(ring), &frame));
                    let Some(outer) = rings.next().filter(|outer| !outer.is_empty()) else { continue };
                    let holes = rings.filter(|ring| !ring.is_empty()).map(units);
                    parts.push(std::iter::once(units(outer)).chain(holes).collect());
                }
                (!parts.is_empty()).then_some(Shape::Polygons(parts))
            }
        }
    }
}
