//! A geometry cut down the pyramid: each tile gets the part within it and its buffer, simplified to what its units can show.

use super::Tile;
use super::made::Wanted;
use crate::crs::{Bbox, Operation};
use crate::error::Result;
use crate::format::mvt::{self, Drawn, EXTENT, Unit};
use crate::vector::arc::Point;
use crate::vector::clip;
use geo::{Coord, Geometry, LineString, Polygon, Simplify};
use std::borrow::Cow;

/// Around a tile this part of its width is drawn too: cuts run outside of what is seen, so that no border shows.
pub const BUFFER: f64 = 64.0 / 4096.0;
/// Corners nearer than this to the line through the others (units of the tile, an eighth of a pixel) are left out.
const SIMPLE_UNITS: f64 = 1.0;
/// Areas and lines smaller than this (units, a pixel) are not drawn below the highest zoom.
const SMALL_UNITS: f64 = 8.0;

/// A geometry in the unit square, y downwards, by its parts.
#[derive(Debug, Clone)]
pub enum Parts {
    Points(Vec<Point>),
    Lines(Vec<Vec<Point>>),
    Polygons(Vec<Vec<Vec<Point>>>),
}

/// A part of an object in one tile.
pub struct Piece {
    pub tile: Tile,
    pub layer: usize,
    pub drawn: Drawn,
}

/// How an object is drawn: in which layer, at which zooms.
pub struct Brush {
    pub layer: usize,
    pub low: u8,
    pub high: u8,
}

impl Brush {
    /// Draws what of the shape belongs to the tile, then to the four below it, where they are wanted.
    pub fn draw(&self, shape: &Parts, tile: Tile, wanted: &Wanted, out: &mut Vec<Piece>) {
        let (zoom, x, y) = tile;
        if zoom > self.high || !wanted.is_above(tile) {
            return;
        }
        let across = f64::from(1_u32 << zoom);
        let frame = Bbox::new(
            [(f64::from(x) - BUFFER) / across, (f64::from(y) - BUFFER) / across],
            [(f64::from(x) + 1.0 + BUFFER) / across, (f64::from(y) + 1.0 + BUFFER) / across],
        );
        let own =
            Bbox::new([f64::from(x) / across, f64::from(y) / across], [f64::from(x + 1) / across, f64::from(y + 1) / across]);
        let bbox = shape.bbox();
        if bbox.is_empty() || !bbox.intersects(&frame) {
            return;
        }
        let inside = frame.contains(bbox.min) && frame.contains(bbox.max);
        let part = if inside { Cow::Borrowed(shape) } else { Cow::Owned(shape.clipped(&frame, &own)) };
        if zoom >= self.low
            && wanted.is_drawn(tile)
            && let Some(drawn) = part.in_units(zoom, [x, y], zoom == self.high)
        {
            out.push(Piece { tile, layer: self.layer, drawn });
        }
        for (right, lower) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            self.draw(&part, (zoom + 1, 2 * x + right, 2 * y + lower), wanted, out);
        }
    }
}

impl Parts {
    /// Brings a geometry into the unit square.
    pub fn new(geometry: &Geometry<f64>, operation: &Operation) -> Result<Self> {
        let line = |line: &LineString<f64>| -> Result<Vec<Point>> {
            let mut points: Vec<Point> = line.0.iter().map(|at| [at.x, at.y]).collect();
            operation.forward(&mut points)?;
            Ok(points.into_iter().map(super::to_world).collect())
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
            Self::Polygons(polygons) => Bbox::around(polygons.iter().filter_map(|rings| rings.first()).flatten().copied()),
        }
    }

    /// The part within a frame; a point belongs to the one tile it lies in, so that a label is never drawn twice.
    fn clipped(&self, frame: &Bbox, own: &Bbox) -> Self {
        match self {
            Self::Points(points) => {
                let within = |at: &Point| (0..2).all(|axis| at[axis] >= own.min[axis] && at[axis] < own.max[axis]);
                Self::Points(points.iter().copied().filter(within).collect())
            }
            Self::Lines(lines) => Self::Lines(lines.iter().flat_map(|line| clip::line(line, frame)).collect()),
            Self::Polygons(polygons) => {
                let cut = |rings: &Vec<Vec<Point>>| {
                    let mut rings = rings.iter().map(|ring| clip::ring(ring, frame));
                    let outer = rings.next().filter(|outer| !outer.is_empty())?;
                    Some(std::iter::once(outer).chain(rings.filter(|ring| !ring.is_empty())).collect())
                };
                Self::Polygons(polygons.iter().filter_map(cut).collect())
            }
        }
    }

    /// As the commands of a tile; `None` when nothing is left to see.
    fn in_units(&self, zoom: u8, tile: [u32; 2], whole: bool) -> Option<Drawn> {
        let scale = f64::from(1_u32 << zoom) * f64::from(EXTENT);
        let origin = tile.map(|index| f64::from(index) * f64::from(EXTENT));
        let round = |at: [f64; 2]| -> Unit { [at[0].round() as i32, at[1].round() as i32] };
        let unit = |at: &Point| round([at[0] * scale - origin[0], at[1] * scale - origin[1]]);
        if !whole && !matches!(self, Self::Points(_)) {
            let bbox = self.bbox();
            if bbox.is_empty() || bbox.width().max(bbox.height()) * scale < SMALL_UNITS {
                return None;
            }
        }
        let line = |line: &Vec<Point>| -> Vec<Unit> {
            if whole {
                return line.iter().map(unit).collect();
            }
            let units = line.iter().map(|at| Coord { x: at[0] * scale - origin[0], y: at[1] * scale - origin[1] });
            LineString::new(units.collect()).simplify(SIMPLE_UNITS).0.iter().map(|at| round([at.x, at.y])).collect()
        };
        mvt::draw(&match self {
            Self::Points(points) => mvt::Shape::Points(points.iter().map(unit).collect()),
            Self::Lines(lines) => mvt::Shape::Lines(lines.iter().map(line).collect()),
            Self::Polygons(polygons) => {
                mvt::Shape::Polygons(polygons.iter().map(|rings| rings.iter().map(line).collect()).collect())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use geozero::mvt::{Message, Tile};

    /// A disc with a hole over several tiles: in each the part that is seen has the area of the disc there, and no ring vanishes
    /// or turns round.
    #[test]
    fn the_seen_parts_sum_to_the_whole_at_every_zoom() {
        let ring = |radius: f64| -> Vec<Point> {
            let at = |k: u32| f64::from(k % 90) * std::f64::consts::TAU / 90.0;
            (0..=90).map(|k| [0.530_1 + radius * at(k).cos(), 0.330_2 + radius * at(k).sin()]).collect()
        };
        let side = 1.0 / 4096.0;
        let shape = Parts::Polygons(vec![vec![ring(0.7 * side), ring(0.2 * side)]]);
        let (bx, by) = super::super::tile_at([0.530_1, 0.330_2], 12);
        let mut pieces = Vec::new();
        for (x, y) in [-1_i32, 0, 1].into_iter().flat_map(|dx| [-1_i32, 0, 1].map(move |dy| (dx, dy))) {
            let brush = Brush { layer: 0, low: 12, high: 16 };
            let tile = (12, bx.wrapping_add_signed(x), by.wrapping_add_signed(y));
            brush.draw(&shape, tile, &Wanted::all_below(tile, 16), &mut pieces);
        }
        let wanted = 90.0 / 2.0 * (std::f64::consts::TAU / 90.0).sin() * (0.49 - 0.04);
        for zoom in 12..=16_u8 {
            let mut seen = 0.0;
            for piece in pieces.iter().filter(|piece| piece.tile.0 == zoom) {
                let mut layer = mvt::Layer::new("a");
                layer.add_drawn(&piece.drawn, &[]);
                let tile = Tile::decode(mvt::tile(&[layer]).as_slice()).unwrap();
                seen += visible(&tile.layers[0].features[0].geometry);
            }
            let units = 4096.0 * f64::from(1_u32 << (zoom - 12));
            let part = seen / (units * units);
            assert!((part / wanted - 1.0).abs() < 2e-3, "zoom {zoom}: {part} of {wanted}");
        }
        let inner = pieces.iter().filter(|piece| piece.tile.0 == 16).count();
        assert!(inner > 200, "{inner}");
    }

    /// Area of the rings (holes count against) within the tile proper.
    fn visible(commands: &[u32]) -> f64 {
        let frame = Bbox::new([0.0; 2], [4096.0; 2]);
        let (mut at, mut ring, mut area, mut index) = ([0.0_f64; 2], Vec::new(), 0.0, 0);
        while index < commands.len() {
            let (id, count) = (commands[index] & 7, commands[index] >> 3);
            index += 1;
            if id == 7 {
                ring.push(ring[0]);
                assert_ne!(clip::double_area(&ring), 0.0);
                area += clip::double_area(&clip::ring(&ring, &frame)) / 2.0;
                continue;
            }
            if id == 1 {
                ring.clear();
            }
            for _ in 0..count {
                for axis in &mut at {
                    let value = commands[index];
                    *axis += f64::from((value >> 1) as i32 ^ -((value & 1) as i32));
                    index += 1;
                }
                ring.push(at);
            }
        }
        area
    }
}
