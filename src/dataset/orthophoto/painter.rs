//! Squares of the map from the layers of a mosaic.

use super::cache::{Borders, Spare};
use super::mosaic::{self, Layer, Member, Reader};
use super::options::{Drawing, Resampling};
use crate::crs::Operation;
use crate::error::{Error, Result};
use crate::format::tile_matrix::{Tile, TileMatrixSet};
use crate::io::Digest;
use crate::raster::{self, Grid, Kernel, Rgbx};
use std::path::PathBuf;
use std::sync::Arc;

/// Where a target pixel covers more source pixels than this, the mean of the area is taken (GDAL's warper changes there too).
const SHRINKS: f64 = 1.0 / 0.95;
/// Widest part of a source that is resampled at once, in source pixels.
const WINDOW: f64 = 3072.0;
/// Windows of neighbours differ by less than this, and by some pixels.
const SPARE: f64 = 1.02;
/// Smallest part of a target that is resampled at once, in target pixels.
const SMALLEST_PART: usize = 16;

/// A square of the map, ready to be drawn, and room for the next.
#[derive(Default)]
pub struct Scene {
    shown: Shown,
    /// The sources of a view.
    window: Rgbx,
    picture: Rgbx,
}

#[derive(Default)]
enum Shown {
    /// No image has anything there.
    #[default]
    Nothing,
    /// What is in the window.
    View(View),
    /// What several windows showed: drawn already.
    Picture,
    /// What it was drawn from is what it was drawn from before.
    Same,
}

impl Scene {
    /// True when no image has anything in the square.
    pub fn is_empty(&self) -> bool {
        matches!(self.shown, Shown::Nothing)
    }

    /// True when the square shows what it showed before.
    pub fn is_same(&self) -> bool {
        matches!(self.shown, Shown::Same)
    }

    /// Makes `tile` what the square shows of its size at a place.
    pub fn tile(&self, at: [usize; 2], tile: &mut Rgbx) {
        match &self.shown {
            Shown::Nothing | Shown::Same => tile.pixels_mut().fill(0),
            Shown::Picture => tile.put_part([0, 0], &self.picture, at, [tile.width(), tile.height()]),
            Shown::View(view) => raster::draw(&self.window, view.from, &view.grid, at, view.kernel, tile),
        }
    }
}

struct Drawn {
    layer: Layer,
    operation: Operation,
    extent: [i64; 4],
}

/// Draws squares of the map from the layers of a mosaic.
pub struct Painter {
    matrix: TileMatrixSet,
    kernel: Kernel,
    max_zoom: u8,
    layers: Vec<Drawn>,
    reader: Reader,
    /// What names the pixels of each image, and what names how they are drawn.
    names: Vec<Digest>,
    drawing: Digest,
    /// Room for the part of a layer that is drawn from.
    window: Rgbx,
}

impl Painter {
    /// A painter of images in the order of priority.
    pub fn new(members: Vec<Member>, drawing: &Drawing, max_zoom: u8, grids: &[PathBuf]) -> Result<Self> {
        let matrix = drawing.matrix.clone();
        let mut layers = Vec::new();
        for layer in mosaic::layers(&members.iter().map(|member| &member.header).collect::<Vec<_>>()) {
            let operation = Operation::between(layer.frame.crs, matrix.crs, grids)?;
            layers.push(Drawn { extent: layer.extent(&members), layer, operation });
        }
        let kernel = match drawing.resampling {
            Resampling::Bilinear => Kernel::Bilinear,
            Resampling::Bicubic => Kernel::Bicubic,
        };
        let bands = drawing.bands.bands();
        let names = members.iter().map(|member| member.name(bands)).collect::<Result<_>>()?;
        let drawing = Digest::of(super::to_json(&(drawing, max_zoom))?.to_string().as_bytes());
        let reader = Reader::new(members, bands);
        Ok(Self { matrix, kernel, max_zoom, layers, reader, names, drawing, window: Rgbx::default() })
    }

    /// The images, with memory for their decoded tiles.
    pub fn reader(&mut self) -> &mut Reader {
        &mut self.reader
    }

    /// The memory that served for decoded tiles.
    pub fn give_back(self) -> Spare {
        self.reader.give_back()
    }

    /// Makes it ready for a block, which is a tile of a lower zoom: what is decoded at its border is shared with the blocks beside it.
    pub fn begin(&mut self, block: Tile, borders: Arc<Borders>) -> Result<()> {
        let (corner, side) = self.place(block);
        let cell = self.matrix.cell(self.max_zoom);
        for drawn in &mut self.layers {
            let mut place = [corner];
            drawn.operation.inverse(&mut place)?;
            drawn.layer.count_from(place[0]);
            drawn.extent = drawn.layer.extent(self.reader.members());
            drawn.layer.alone = Some(alone(&grid(drawn, corner, cell, side)?, side));
        }
        self.reader.share(borders, self.names.clone());
        Ok(())
    }

    /// Upper left corner of a tile on the map, and its side in pixels of the highest zoom.
    fn place(&self, tile: Tile) -> ([f64; 2], usize) {
        (self.matrix.corner(tile), (self.matrix.tile_px as usize) << (self.max_zoom - tile.z))
    }

    /// Makes a tile of a lower zoom ready to be drawn tile by tile, unless it would be drawn from `before`; says what it is drawn from.
    /// Mostly one layer has all there is of it; where several have a part, they are drawn now.
    pub fn prepare(&mut self, tile: Tile, before: Option<Digest>, scene: &mut Scene) -> Result<Digest> {
        let (corner, side) = self.place(tile);
        let cell = self.matrix.cell(self.max_zoom);
        let mut views = Vec::new();
        for drawn in &self.layers {
            views.extend(View::of(drawn, self.kernel, (corner, cell), side)?.map(|view| (drawn, view)));
        }
        let drawn_from = self.drawn_from(tile, &views);
        scene.shown = if before == Some(drawn_from) {
            Shown::Same
        } else {
            match views.pop() {
                None => Shown::Nothing,
                Some((drawn, view)) if views.is_empty() && view.part == side => {
                    // At once as much as the next will need: the first may show a corner of an image only, and others are a little
                    // larger.
                    scene.window.reserve(view.size, view.whole);
                    self.reader.window_into(&drawn.layer, (view.from, view.size), view.alone, &mut scene.window)?;
                    Shown::View(view)
                }
                Some(_) => {
                    self.square(corner, side, &mut scene.picture)?;
                    Shown::Picture
                }
            }
        };
        Ok(drawn_from)
    }

    /// Names what a tile shows: how it is drawn; of each layer the raster, the grids on the way to the map and the window; of each image
    /// there its pixels and its place.
    fn drawn_from(&self, tile: Tile, views: &[(&Drawn, View)]) -> Digest {
        let mut bytes = self.drawing.as_bytes().to_vec();
        bytes.extend_from_slice(tile.to_string().as_bytes());
        for (drawn, view) in views {
            let frame = &drawn.layer.frame;
            bytes.extend_from_slice(format!(" {}", frame.crs).as_bytes());
            bytes.extend(frame.transform.iter().flat_map(|number| number.to_bits().to_le_bytes()));
            bytes.extend(drawn.operation.fact().grids.iter().flat_map(|grid| grid.digest.as_bytes()));
            bytes.extend(view.from.iter().flat_map(|number| number.to_le_bytes()));
            bytes.extend(view.size.iter().flat_map(|number| (*number as u64).to_le_bytes()));
            for (index, at) in drawn.layer.members_in(self.reader.members(), view.from, view.size) {
                bytes.extend_from_slice(self.names[index].as_bytes());
                bytes.extend(at.iter().flat_map(|number| number.to_le_bytes()));
            }
        }
        Digest::of(&bytes)
    }

    /// The pixels of the highest zoom in a square of `side` pixels with that upper left corner on the map; `target` becomes them.
    pub fn square(&mut self, corner: [f64; 2], side: usize, target: &mut Rgbx) -> Result<()> {
        target.reset(side, side);
        let cell = self.matrix.cell(self.max_zoom);
        for drawn in &self.layers {
            if target.is_full() {
                break;
            }
            if let Some(view) = View::of(drawn, self.kernel, (corner, cell), side)? {
                view.draw(drawn, &mut self.reader, &mut self.window, target)?;
            }
        }
        Ok(())
    }
}

/// What of a layer a square of the map shows.
struct View {
    grid: Grid,
    kernel: Kernel,
    /// The window of the layer: upper left corner and size.
    from: [i64; 2],
    size: [usize; 2],
    /// What of it no square beside this one needs.
    alone: Option<[i64; 4]>,
    /// Size of such a window where the layer has all of it, and a little more.
    whole: [usize; 2],
    /// Side of the parts that are drawn at once: such that the window of sources stays bounded, however coarse the target is.
    part: usize,
}

impl View {
    /// The view of a layer; nothing where it has nothing.
    fn of(drawn: &Drawn, kernel: Kernel, (corner, cell): ([f64; 2], f64), side: usize) -> Result<Option<Self>> {
        let grid = grid(drawn, corner, cell, side)?;
        let shrink = grid.shrink();
        let kernel = if shrink > SHRINKS { Kernel::Area } else { kernel };
        let mut part = side;
        while part as f64 * shrink > WINDOW && part > SMALLEST_PART {
            part /= 2;
        }
        let bounds = grid.bounds(0, 0, side, side);
        let whole = [bounds[2] - bounds[0], bounds[3] - bounds[1]].map(|length| (length * SPARE) as usize + SMALLEST_PART);
        let alone = Some(alone(&grid, side));
        Ok(window(bounds, drawn.extent).map(|(from, size)| Self { grid, kernel, from, size, alone, whole, part }))
    }

    /// Draws under what the target shows already, part by part; `source` is room for what is drawn from.
    fn draw(&self, drawn: &Drawn, reader: &mut Reader, source: &mut Rgbx, target: &mut Rgbx) -> Result<()> {
        let (side, part) = (target.width(), self.part);
        for y in (0..side).step_by(part) {
            for x in (0..side).step_by(part) {
                if target.part_is_full(x, y, part, part) {
                    continue;
                }
                let Some((from, size)) = window(self.grid.bounds(x, y, part, part), drawn.extent) else { continue };
                if size.iter().any(|length| *length as f64 > 2.0 * WINDOW) {
                    return Err(Error::new("mk::orthophoto::zoom", "the highest zoom is far too coarse for the images")
                        .hint("let zoom = [min, max] end within seven zooms of the images' own, and begin as low as you like"));
                }
                reader.window_into(&drawn.layer, (from, size), None, source)?;
                if part == side {
                    raster::warp(source, from, &self.grid, [x, y], self.kernel, target);
                } else {
                    let mut piece = target.part(x, y, part, part);
                    raster::warp(source, from, &self.grid, [x, y], self.kernel, &mut piece);
                    target.put(x, y, &piece);
                }
            }
        }
        Ok(())
    }
}

/// Source positions, in pixels of the layer, for the pixels of a square of the map.
fn grid(drawn: &Drawn, [east, north]: [f64; 2], cell: f64, side: usize) -> Result<Grid> {
    Grid::build(side, side, |points| {
        for point in points.iter_mut() {
            *point = [east + point[0] * cell, north - point[1] * cell];
        }
        drawn.operation.inverse(points)?;
        for point in points.iter_mut() {
            *point = drawn.layer.frame.to_pixel(*point);
        }
        Ok(())
    })
}

/// What of a layer a square needs that no square beside it does, `[left, top, right, bottom]`: the square is turned a little against the
/// pixels of the layer, so that the boxes around neighbours overlap.
fn alone(grid: &Grid, side: usize) -> [i64; 4] {
    let [left, right] = [0, side - 1].map(|x| grid.bounds(x, 0, 1, side));
    let [upper, lower] = [0, side - 1].map(|y| grid.bounds(0, y, side, 1));
    let least = |value: f64| (value.ceil() as i64).saturating_add(MARGIN);
    let most = |value: f64| (value.floor() as i64).saturating_sub(MARGIN);
    [least(left[2]), least(upper[3]), most(right[0]), most(lower[1])]
}

/// Pixels around a place that a kernel looks at.
pub const MARGIN: i64 = 3;

/// The window of a layer that a part of the target needs: upper left corner and size; `None` where the layer has nothing.
fn window([x0, y0, x1, y1]: [f64; 4], extent: [i64; 4]) -> Option<([i64; 2], [usize; 2])> {
    let clip = |from: f64, to: f64, low: i64, high: i64| {
        let from = (from.floor() as i64).saturating_sub(MARGIN).max(low);
        let to = (to.ceil() as i64).saturating_add(MARGIN).min(high);
        (from, to.saturating_sub(from))
    };
    let (left, width) = clip(x0, x1, extent[0], extent[2]);
    let (top, height) = clip(y0, y1, extent[1], extent[3]);
    (width > 0 && height > 0).then_some(([left, top], [width as usize, height as usize]))
}
