//! A small picture of the cadastre: land use, parcels, buildings.

use super::spool::Spool;
use super::tables::GEOMETRY;
use crate::crs::Bbox;
use crate::error::{Error, Result};
use crate::format::wkb;
use arrow::array::{Array, AsArray, RecordBatch};
use geo::{Geometry, Polygon};
use std::collections::BTreeMap;

/// Pixels of the longer side.
const SIDE: f64 = 640.0;

type Rings = Vec<Vec<[f64; 2]>>;

/// The picture as PNG, from the tables by their names as files; `None` when nothing has a place.
///
/// # Errors
/// When the rows of a table or a geometry cannot be read.
pub fn png(tables: &BTreeMap<&str, &Spool>) -> Result<Option<Vec<u8>>> {
    let drawn = ["nutzung", "flurstueck", "gebaeude_bauwerk"];
    let batches = |name: &str| tables.get(name).map(|spool| spool.batches()).into_iter().flatten().flatten();
    let mut bbox = Bbox::EMPTY;
    for name in drawn {
        for batch in batches(name) {
            bbox = extent(&batch?)?.iter().fold(bbox, |whole, bbox| whole.union(*bbox));
        }
    }
    let longer = bbox.width().max(bbox.height());
    if bbox.is_empty() || longer <= 0.0 {
        return Ok(None);
    }
    let scale = SIDE / longer;
    let size = |length: f64| (length * scale).ceil().clamp(1.0, SIDE + 1.0) as usize;
    let mut canvas = Canvas::new(size(bbox.width()), size(bbox.height()));
    let place = |rings: &Rings| -> Rings {
        let pixel = |at: &[f64; 2]| [(at[0] - bbox.min[0]) * scale, (bbox.max[1] - at[1]) * scale];
        rings.iter().map(|ring| ring.iter().map(pixel).collect()).collect()
    };
    for name in drawn {
        for batch in batches(name) {
            for (kind, rings) in polygons(&batch?)? {
                match name {
                    "nutzung" => canvas.fill(&place(&rings), colour(kind.as_deref().unwrap_or_default())),
                    "flurstueck" => canvas.outline(&place(&rings), [172, 160, 148]),
                    _ => canvas.fill(&place(&rings), [110, 84, 80]),
                }
            }
        }
    }
    canvas.png().map(Some)
}

/// Rectangles around the rows of a table.
fn extent(rows: &RecordBatch) -> Result<Vec<Bbox>> {
    let shapes = rows.column_by_name(GEOMETRY).and_then(|column| column.as_binary_opt::<i32>());
    shapes.into_iter().flatten().flatten().map(|bytes| wkb::summary(bytes).map(|summary| summary.bbox)).collect()
}

/// Colours of land use, after those that German land registers print.
fn colour(kind: &str) -> [u8; 3] {
    match kind {
        "Landwirtschaft" => [240, 240, 205],
        "Wald" => [170, 205, 155],
        "Gehölz" | "Heide" | "Moor" | "Sumpf" => [200, 220, 180],
        "Straßenverkehr" | "Weg" | "Platz" | "Bahnverkehr" => [225, 222, 216],
        "Fließgewässer" | "Stehendes Gewässer" | "Hafenbecken" | "Meer" => [165, 205, 235],
        "Wohnbaufläche" => [245, 212, 200],
        _ => [232, 226, 234],
    }
}

/// The polygons of some rows of a table, each with the kind of land use where the table has one.
fn polygons(table: &RecordBatch) -> Result<Vec<(Option<String>, Rings)>> {
    let Some(shapes) = table.column_by_name(GEOMETRY).and_then(|column| column.as_binary_opt::<i32>()) else {
        return Ok(Vec::new());
    };
    let kinds = table.column_by_name("nutzart").and_then(|column| column.as_string_opt::<i32>());
    let rings = |polygon: &Polygon<f64>| -> Rings {
        let ring = |line: &geo::LineString<f64>| line.0.iter().map(|at| [at.x, at.y]).collect();
        std::iter::once(polygon.exterior()).chain(polygon.interiors()).map(ring).collect()
    };
    let mut found = Vec::new();
    for row in (0..shapes.len()).filter(|row| shapes.is_valid(*row)) {
        let kind = kinds.filter(|kinds| kinds.is_valid(row)).map(|kinds| kinds.value(row).to_owned());
        match wkb::decode(shapes.value(row))? {
            Geometry::Polygon(polygon) => found.push((kind, rings(&polygon))),
            Geometry::MultiPolygon(all) => found.extend(all.0.iter().map(|polygon| (kind.clone(), rings(polygon)))),
            _ => {}
        }
    }
    Ok(found)
}

struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<[u8; 3]>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![[255; 3]; width * height] }
    }

    /// Fills what an odd number of rings surrounds, row by row through the middle of the pixels.
    fn fill(&mut self, rings: &Rings, colour: [u8; 3]) {
        let edges: Vec<[[f64; 2]; 2]> = rings.iter().flat_map(|ring| ring.windows(2).map(|pair| [pair[0], pair[1]])).collect();
        let low = edges.iter().map(|edge| edge[0][1].min(edge[1][1])).fold(f64::INFINITY, f64::min).max(0.0);
        let high = edges.iter().map(|edge| edge[0][1].max(edge[1][1])).fold(0.0, f64::max).min(self.height as f64);
        for row in low as usize..(high.ceil() as usize).min(self.height) {
            let y = row as f64 + 0.5;
            let mut crossings: Vec<f64> = edges
                .iter()
                .filter(|[a, b]| (a[1] <= y) != (b[1] <= y))
                .map(|[a, b]| a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0]))
                .collect();
            crossings.sort_by(f64::total_cmp);
            for span in crossings.chunks_exact(2) {
                let (from, to) = ((span[0] + 0.5).max(0.0) as usize, (span[1] + 0.5).max(0.0) as usize);
                for column in from..to.min(self.width) {
                    self.pixels[row * self.width + column] = colour;
                }
            }
        }
    }

    fn outline(&mut self, rings: &Rings, colour: [u8; 3]) {
        for pair in rings.iter().flat_map(|ring| ring.windows(2)) {
            let [a, b] = [pair[0], pair[1]];
            let steps = (b[0] - a[0]).abs().max((b[1] - a[1]).abs()).ceil().clamp(1.0, 4.0 * SIDE) as u32;
            for step in 0..=steps {
                let part = f64::from(step) / f64::from(steps);
                let (x, y) = (a[0] + part * (b[0] - a[0]), a[1] + part * (b[1] - a[1]));
                if x >= 0.0 && y >= 0.0 && (x as usize) < self.width && (y as usize) < self.height {
                    self.pixels[y as usize * self.width + x as usize] = colour;
                }
            }
        }
    }

    fn png(&self) -> Result<Vec<u8>> {
        let failed = |error| Error::new("mk::cadastre::preview", "cannot write the picture").because(error);
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        let mut writer = encoder.write_header().map_err(failed)?;
        writer.write_image_data(self.pixels.as_flattened()).map_err(failed)?;
        writer.finish().map_err(failed)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_with_a_hole_is_filled_but_for_the_hole() {
        let square = |low: f64, high: f64| vec![[low, low], [high, low], [high, high], [low, high], [low, low]];
        let mut canvas = Canvas::new(10, 10);
        canvas.fill(&vec![square(1.0, 9.0), square(3.0, 7.0)], [1; 3]);
        assert_eq!(canvas.pixels.iter().filter(|pixel| **pixel == [1; 3]).count(), 64 - 16);
        canvas.outline(&vec![square(-5.0, 20.0)], [2; 3]);
        assert_eq!(canvas.pixels.iter().filter(|pixel| **pixel == [2; 3]).count(), 0);
        canvas.outline(&vec![square(0.5, 9.5)], [2; 3]);
        assert_eq!(canvas.pixels.iter().filter(|pixel| **pixel == [2; 3]).count(), 36);
        assert!(canvas.png().unwrap().starts_with(b"\x89PNG"));
    }
}
