//! A small picture of areas, lines and points, for previews: no edges are smoothed, the same shapes give the same pixels.

use crate::crs::Bbox;
use crate::error::{Error, Result};

/// Pixels of the longer side.
const SIDE: f64 = 640.0;

/// Rings, or lines, of positions.
pub type Rings = Vec<Vec<[f64; 2]>>;

/// What part of the map a picture shows.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    bbox: Bbox,
    scale: f64,
}

impl Frame {
    /// The picture of a rectangle; `None` for one without an extent.
    pub fn around(bbox: Bbox) -> Option<Self> {
        let longer = bbox.width().max(bbox.height());
        (!bbox.is_empty() && longer > 0.0).then(|| Self { bbox, scale: SIDE / longer })
    }
    /// A white canvas of its size.
    pub fn canvas(&self) -> Canvas {
        let size = |length: f64| (length * self.scale).ceil().clamp(1.0, SIDE + 1.0) as usize;
        Canvas::new(size(self.bbox.width()), size(self.bbox.height()))
    }
    /// Positions on the map as pixels.
    pub fn place(&self, rings: &Rings) -> Rings {
        let pixel = |at: &[f64; 2]| [(at[0] - self.bbox.min[0]) * self.scale, (self.bbox.max[1] - at[1]) * self.scale];
        rings.iter().map(|ring| ring.iter().map(pixel).collect()).collect()
    }
}

/// Pixels.
pub struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<[u8; 3]>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![[255; 3]; width * height] }
    }

    /// Fills what an odd number of rings surrounds, row by row through the middle of the pixels.
    pub fn fill(&mut self, rings: &Rings, colour: [u8; 3]) {
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

    /// Draws lines, a pixel wide.
    pub fn outline(&mut self, rings: &Rings, colour: [u8; 3]) {
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

    /// Draws a small square at the first position of each line.
    pub fn dot(&mut self, lines: &Rings, colour: [u8; 3]) {
        for [x, y] in lines.iter().filter_map(|line| line.first()) {
            for (dx, dy) in (-2..=2).flat_map(|dx| (-2..=2).map(move |dy| (dx, dy))) {
                let (x, y) = (*x as i64 + dx, *y as i64 + dy);
                if (0..self.width as i64).contains(&x) && (0..self.height as i64).contains(&y) {
                    self.pixels[y as usize * self.width + x as usize] = colour;
                }
            }
        }
    }

    /// The picture as PNG.
    ///
    /// # Errors
    /// Never in practice: the target is memory.
    pub fn png(&self) -> Result<Vec<u8>> {
        let failed = |error| Error::new("mk::format::canvas", "cannot write the picture").because(error);
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
        canvas.dot(&vec![vec![[0.5, 9.5]]], [3; 3]);
        assert_eq!(canvas.pixels.iter().filter(|pixel| **pixel == [3; 3]).count(), 9);
        assert!(canvas.png().unwrap().starts_with(b"\x89PNG"));
    }
}
