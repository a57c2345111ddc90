//! A small picture of the whole: buildings from above at a slant, far ones first, roofs lit from the north-west.

use super::cell::{Cell, SIZE_M};
use super::model::{Building, Semantic};
use crate::crs::Bbox;
use crate::error::{Error, Result};
use crate::mesh::{Triangulator, dot, length, scaled};
use std::collections::BTreeMap;

/// Longest side in pixels.
const SIZE_PX: f64 = 1200.0;
/// Share of a height that is seen upwards: a cavalier view from the south.
const SLANT: f64 = 0.6;
/// Light from the north-west, as cartography has it.
const LIGHT: [f64; 3] = [-0.45, 0.45, 0.77];
const PAPER: [u8; 3] = [244, 241, 234];

/// Cells on a side of the part that is shown of a large area: 1 km, so that a house has some pixels.
const WINDOW: i64 = 2;

/// What to show: all of a small area, of a large one the part with most buildings; `None` without a building.
pub fn window(bbox: Bbox, cells: impl Iterator<Item = (Cell, u64)>) -> Option<Bbox> {
    let side = WINDOW as f64 * SIZE_M;
    let mut sums: BTreeMap<Cell, u64> = BTreeMap::new();
    for (Cell([east, north]), count) in cells.filter(|&(_, count)| count > 0) {
        for (column, row) in (0..WINDOW).flat_map(|column| (0..WINDOW).map(move |row| (column, row))) {
            *sums.entry(Cell([east - column, north - row])).or_default() += count;
        }
    }
    // Of equal ones the south-westernmost, for the same picture every night.
    let (cell, _) = sums.into_iter().rev().max_by_key(|&(_, sum)| sum)?;
    if bbox.width().max(bbox.height()) <= side {
        return Some(bbox);
    }
    let corner = cell.0.map(|number| number as f64 * SIZE_M);
    Some(Bbox::new(corner, corner.map(|value| value + side)))
}

/// A picture while it is drawn.
pub struct Picture {
    bbox: Bbox,
    scale: f64,
    width: usize,
    height: usize,
    pixels: Vec<[u8; 3]>,
    /// Of each pixel, how near the face is that it shows; nearer ones win, in whatever order they come.
    near: Vec<f32>,
    triangulator: Triangulator,
}

impl Picture {
    /// An empty picture of an area.
    pub fn new(bbox: Bbox) -> Self {
        let margin = (bbox.width().max(bbox.height()) * 0.03).max(15.0);
        let bbox = Bbox::new(bbox.min.map(|value| value - margin), bbox.max.map(|value| value + margin));
        // A pixel shows at least 5 cm and the picture has at least some pixels, whatever the extent.
        let scale = (SIZE_PX / bbox.width().max(bbox.height())).clamp(1e-6, 20.0);
        let pixels = |length: f64| (length * scale).ceil().clamp(16.0, SIZE_PX + 1.0) as usize;
        let (width, height) = (pixels(bbox.width()), pixels(bbox.height()));
        Self {
            bbox,
            scale,
            width,
            height,
            pixels: vec![PAPER; width * height],
            near: vec![f32::NEG_INFINITY; width * height],
            triangulator: Triangulator::new(),
        }
    }

    /// Draws a building on its own ground.
    pub fn draw(&mut self, building: &Building) {
        let Some(ground) = building.points().map(|point| point[2]).reduce(f64::min) else { return };
        if !building.points().any(|point| self.bbox.contains([point[0], point[1]])) {
            return;
        }
        for face in building.all_faces() {
            let colour = match face.semantic {
                Semantic::Roof | Semantic::OuterFloor => [196.0, 92.0, 70.0],
                Semantic::Wall | Semantic::OuterCeiling => [226.0, 216.0, 198.0],
                Semantic::Ground | Semantic::Closure => continue,
            };
            let Ok(result) = self.triangulator.triangulate(&face.rings) else { continue };
            let lit = dot(result.plane.normal, scaled(LIGHT, 1.0 / length(LIGHT))).max(0.0);
            let colour = colour.map(|value: f64| (value * (0.68 + 0.36 * lit)).min(255.0) as u8);
            let points: Vec<[f64; 3]> = face.rings.concat();
            for triangle in result.triangles {
                self.fill(triangle.map(|index| self.project(points[index as usize], ground)), colour);
            }
        }
    }

    /// Column, row and nearness of a point.
    fn project(&self, [east, north, height]: [f64; 3], ground: f64) -> [f64; 3] {
        let above = height - ground;
        let column = (east - self.bbox.min[0]) * self.scale;
        let row = self.height as f64 - (north - self.bbox.min[1] + above * SLANT) * self.scale;
        [column, row, (above - north + self.bbox.min[1]) * self.scale]
    }

    fn fill(&mut self, [a, b, c]: [[f64; 3]; 3], colour: [u8; 3]) {
        let turn = (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1]);
        if turn.abs() < 1e-9 {
            return;
        }
        let range = |values: [f64; 3], end: usize| {
            let low = values.into_iter().fold(f64::INFINITY, f64::min).floor().max(0.0) as usize;
            let high = values.into_iter().fold(f64::NEG_INFINITY, f64::max).ceil().max(0.0) as usize;
            low.min(end)..high.min(end)
        };
        for row in range([a[1], b[1], c[1]], self.height) {
            for column in range([a[0], b[0], c[0]], self.width) {
                let (x, y) = (column as f64 + 0.5, row as f64 + 0.5);
                let u = ((x - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (y - a[1])) / turn;
                let v = ((b[0] - a[0]) * (y - a[1]) - (x - a[0]) * (b[1] - a[1])) / turn;
                if u < 0.0 || v < 0.0 || u + v > 1.0 {
                    continue;
                }
                let near = (a[2] + u * (b[2] - a[2]) + v * (c[2] - a[2])) as f32;
                let at = row * self.width + column;
                if near > self.near[at] {
                    self.near[at] = near;
                    self.pixels[at] = colour;
                }
            }
        }
    }

    /// The picture as PNG.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn finish(self) -> Result<Vec<u8>> {
        let failed = |error| Error::new("mk::city_model::preview", "cannot write the preview").because(error);
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().map_err(failed)?;
        writer.write_image_data(self.pixels.as_flattened()).map_err(failed)?;
        writer.finish().map_err(failed)?;
        Ok(bytes)
    }
}
