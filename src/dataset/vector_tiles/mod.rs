//! Vector tiles of `WebMercatorQuad` as the kinds make them: a geometry is cut down the pyramid below a square of the map, tiles that
//! nothing new touches are taken over from the last result, and the tiles of all units become one archive.

mod archive;
mod drawing;
mod made;
mod shape;

pub use archive::{MapHeader, join, write};
pub use drawing::Drawing;
pub use made::{Made, Mark, Pyramid, Thing, Wanted};
pub use shape::{BUFFER, Brush, Parts, Piece};

use crate::crs::{Bbox, Operation};
use crate::error::{Error, Result};
use crate::vector::arc::Point;

/// Zoom, column and row.
pub type Tile = (u8, u32, u32);

/// Half the width of the world in Web Mercator (metres).
const HALF_WORLD_M: f64 = 20_037_508.342_789_244;
/// A line that is straight in the CRS of the rows bends in the map: by far less than this part of its length.
const BEND: f64 = 0.02;

/// Web Mercator metres to the unit square, y downwards.
pub fn to_world(point: Point) -> Point {
    [f64::midpoint(point[0] / HALF_WORLD_M, 1.0), f64::midpoint(1.0, -point[1] / HALF_WORLD_M)]
}

/// The tile that a point of the unit square lies in.
pub fn tile_at(world: Point, zoom: u8) -> (u32, u32) {
    let across = f64::from(1_u32 << zoom);
    let index = |value: f64| (value * across).floor().clamp(0.0, across - 1.0) as u32;
    (index(world[0]), index(world[1]))
}

/// First and last column, first and last row of the tiles of a zoom whose buffered squares a rectangle of the unit square touches.
pub fn touched(world: &Bbox, zoom: u8) -> [u32; 4] {
    let across = f64::from(1_u32 << zoom);
    let low = |value: f64| (value * across - BUFFER).floor().clamp(0.0, across - 1.0) as u32;
    let high = |value: f64| (value * across + BUFFER).floor().clamp(0.0, across - 1.0) as u32;
    [low(world.min[0]), high(world.max[0]), low(world.min[1]), high(world.max[1])]
}

/// The rectangle in the unit square around one in the CRS of the rows.
///
/// # Errors
/// When it cannot be transformed.
pub fn around(bbox: Bbox, operation: &Operation) -> Result<Bbox> {
    around_all(&[bbox], operation).map(|boxes| boxes.first().copied().unwrap_or(Bbox::EMPTY))
}

/// As [`around`], of many; empty ones stay empty.
///
/// # Errors
/// As there.
pub fn around_all(boxes: &[Bbox], operation: &Operation) -> Result<Vec<Bbox>> {
    let mut corners = Vec::with_capacity(boxes.len() * 4);
    for bbox in boxes.iter().filter(|bbox| !bbox.is_empty()) {
        let bend = BEND * bbox.width().max(bbox.height());
        let (min, max) = ([bbox.min[0] - bend, bbox.min[1] - bend], [bbox.max[0] + bend, bbox.max[1] + bend]);
        corners.extend([min, max, [min[0], max[1]], [max[0], min[1]]]);
    }
    operation.forward(&mut corners)?;
    let mut found = corners.chunks(4).map(|corners| Bbox::around(corners.iter().copied().map(to_world)));
    Ok(boxes.iter().map(|bbox| if bbox.is_empty() { None } else { found.next() }.unwrap_or(Bbox::EMPTY)).collect())
}

/// The square that a key `zoom/x/y` names.
///
/// # Errors
/// When it names none.
pub fn parse_tile(key: &str) -> Result<Tile> {
    let mut parts = key.split('/').map(str::parse::<u32>);
    let parts = [parts.next(), parts.next(), parts.next()];
    match parts {
        [Some(Ok(zoom)), Some(Ok(x)), Some(Ok(y))] if zoom < 32 => Ok((zoom as u8, x, y)),
        _ => Err(Error::new("mk::run::params", format!("{key} is no tile"))),
    }
}
