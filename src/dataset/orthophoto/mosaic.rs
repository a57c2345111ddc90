//! Many images as one: sheets that fit pixel on pixel are joined before anything is resampled.
//!
//! Images come in the order of priority. Those of one CRS, pixel size and pixel raster form a *layer*, in which a window is put
//! together from all of them, so that a kernel sees across the sheets' borders. What does not fit on the raster is a layer of its
//! own, and shows where the layers before have nothing.

use super::cache::{Borders, Cache, Spare};
use super::gdal_image::GdalImage;
use super::header::{Access, Bands, Header, refused};
use super::tiled_tiff::TiledTiff;
use crate::error::{Error, Place, Result};
use crate::io::{Digest, Source, known};
use crate::plan::UnitSpec;
use crate::raster::{self, Rgbx};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most images that are open at a time: each holds a file and room for one of its tiles, and a block of small sheets may have a
/// thousand of them.
const MAX_OPEN: usize = 48;
/// How far the rasters of two sheets may be apart to count as one, in pixels.
const SAME_RASTER: f64 = 0.01;

/// An image of the mosaic.
pub struct Member {
    /// What it says about itself.
    pub header: Header,
    /// The file, with its name and digest.
    pub source: Source,
    /// Where its content lies on disk.
    pub path: PathBuf,
}

impl Member {
    /// What names its pixels: the file and how it is read.
    ///
    /// # Errors
    /// Never, with a header that was read.
    pub fn name(&self, bands: Bands) -> Result<Digest> {
        let header = super::to_json(&(&self.header, bands))?;
        Ok(Digest::of_parts([self.source.digest.as_bytes().as_slice(), header.to_string().as_bytes()]))
    }
}

/// The images that a unit draws from: its first inputs.
///
/// # Errors
/// When one cannot be unpacked.
pub fn members(unit: &UnitSpec, headers: &[Header], scratch: &Path) -> Result<Vec<Member>> {
    let member = |(index, header): (usize, &Header)| {
        let source = super::source(unit, index)?;
        let path = source.local(scratch)?;
        Ok(Member { header: header.clone(), source, path })
    };
    headers.iter().enumerate().map(member).collect()
}

/// Images on one raster of pixels.
pub struct Layer {
    /// The header of the first: CRS and raster of the layer.
    pub frame: Header,
    /// Index and position (columns and rows from the frame's origin) of each member, by priority.
    members: Vec<(usize, [i64; 2])>,
    /// What one block of tiles alone needs of it, `[left, top, right, bottom]`: the images' tiles beyond are kept for the blocks beside.
    pub alone: Option<[i64; 4]>,
}

/// Sorts images into layers, keeping their order of priority.
pub fn layers(headers: &[&Header]) -> Vec<Layer> {
    let mut layers: Vec<Layer> = Vec::new();
    for (index, header) in headers.iter().enumerate() {
        // Only the last layer may grow: an image must not come before one of higher priority on another raster.
        if let Some(last) = layers.last_mut()
            && let Some(offset) = offset(&last.frame, header)
        {
            last.members.push((index, offset));
        } else {
            layers.push(Layer { frame: (*header).clone(), members: vec![(index, [0, 0])], alone: None });
        }
    }
    layers
}

/// Position of `other` on the raster of `frame`, if it fits.
fn offset(frame: &Header, other: &Header) -> Option<[i64; 2]> {
    let (a, b) = (&frame.transform, &other.transform);
    if frame.crs != other.crs {
        return None;
    }
    let determinant = a[1] * a[5] - a[2] * a[4];
    let (east, north) = (b[0] - a[0], b[3] - a[3]);
    let place = [(east * a[5] - north * a[2]) / determinant, (north * a[1] - east * a[4]) / determinant];
    // The pixel sizes may differ as long as the far corner is still within the tolerance.
    let (width, height) = (f64::from(other.width), f64::from(other.height));
    let drift = |i: usize, length: f64| (a[i] - b[i]).abs() * length;
    let pixel = determinant.abs().sqrt();
    let far = drift(1, width) + drift(2, height) + drift(4, width) + drift(5, height);
    let fits = place.iter().all(|value| (value - value.round()).abs() <= SAME_RASTER && value.abs() < 1e9);
    (fits && far <= SAME_RASTER * pixel).then(|| place.map(|value| value.round() as i64))
}

/// Pixels beside a window in which an image counts as in it: a window that is read part by part may be rounded outwards.
const BESIDE: i64 = 8;
/// Parts of a pixel that the origin of a layer is rounded to: headers of one raster differ by less.
const PARTS_OF_PIXEL: f64 = 65_536.0;

impl Layer {
    /// Counts pixels from the one at a place of its CRS on. So each pixel has the same numbers whichever image is the first, and what an
    /// image shows does not depend on others elsewhere.
    pub fn count_from(&mut self, place: [f64; 2]) {
        let first = self.frame.to_pixel(place).map(f64::floor);
        let transform = &self.frame.transform;
        let pixel = (transform[1] * transform[5] - transform[2] * transform[4]).abs().sqrt();
        // A power of two, so that the rounded number is one that can be written.
        let part = pixel.log2().floor().exp2() / PARTS_OF_PIXEL;
        let [east, north] = self.frame.to_map(first).map(|value| (value / part).round() * part);
        (self.frame.transform[0], self.frame.transform[3]) = (east, north);
        for (_, at) in &mut self.members {
            *at = [at[0] - first[0] as i64, at[1] - first[1] as i64];
        }
    }

    /// The members that have something in a window, or a little beside it, with their positions.
    pub fn members_in(&self, members: &[Member], from: [i64; 2], size: [usize; 2]) -> impl Iterator<Item = (usize, [i64; 2])> {
        self.members.iter().copied().filter(move |&(index, at)| {
            let header = &members[index].header;
            let sides = [i64::from(header.width), i64::from(header.height)];
            (0..2).all(|axis| at[axis] < from[axis] + size[axis] as i64 + BESIDE && at[axis] + sides[axis] > from[axis] - BESIDE)
        })
    }

    /// The box of all members `[left, top, right, bottom]`, in pixels of the layer.
    pub fn extent(&self, members: &[Member]) -> [i64; 4] {
        let mut extent = [i64::MAX, i64::MAX, i64::MIN, i64::MIN];
        for &(index, [x, y]) in &self.members {
            let header = &members[index].header;
            extent = [
                extent[0].min(x),
                extent[1].min(y),
                extent[2].max(x + i64::from(header.width)),
                extent[3].max(y + i64::from(header.height)),
            ];
        }
        extent
    }
}

enum Open {
    Tiff(Box<TiledTiff>),
    Gdal(GdalImage),
}

/// Reads windows of layers; images are opened when they are needed.
pub struct Reader {
    members: Vec<Member>,
    bands: Bands,
    /// Open images, the one used last at the end.
    open: Vec<(usize, Open)>,
    cache: Cache,
    /// Tiles that blocks share, and what names the pixels of each member there.
    borders: Option<(Arc<Borders>, Vec<Digest>)>,
    pieces: Pieces,
}

/// How often a tile of a TIFF file was decoded, and how often it was there already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pieces {
    /// Decoded.
    pub decoded: u64,
    /// Taken from the cache, or from the block beside.
    pub cached: u64,
}

impl Reader {
    /// A reader of images in the order of priority, of which those bands are shown.
    pub fn new(members: Vec<Member>, bands: Bands) -> Self {
        Self { members, bands, open: Vec::new(), cache: Cache::default(), borders: None, pieces: Pieces::default() }
    }

    /// Memory for decoded tiles.
    pub fn lend(&mut self, spare: Spare) {
        self.cache.spare = spare;
    }

    /// The memory that served for decoded tiles.
    pub fn give_back(self) -> Spare {
        self.cache.into_spare()
    }

    /// Tiles beyond what a block alone needs of a layer are from now on shared with the blocks beside, by the names of the images.
    pub fn share(&mut self, borders: Arc<Borders>, names: Vec<Digest>) {
        self.borders = Some((borders, names));
    }

    /// The images.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// What was decoded so far.
    pub fn pieces(&self) -> Pieces {
        self.pieces
    }

    /// The window `[left, top]`, `[width, height]` of a layer.
    ///
    /// # Errors
    /// When an image cannot be decoded.
    pub fn window(&mut self, layer: &Layer, from: [i64; 2], size: [usize; 2]) -> Result<Rgbx> {
        let mut window = Rgbx::empty(0, 0);
        self.window_into(layer, (from, size), None, &mut window)?;
        Ok(window)
    }

    /// Makes `window` the window `[left, top]`, `[width, height]` of a layer. Of what only this window needs of its neighbours, where
    /// that is known, nothing is kept.
    ///
    /// # Errors
    /// When an image cannot be decoded.
    pub fn window_into(
        &mut self,
        layer: &Layer,
        ([left, top], [width, height]): ([i64; 2], [usize; 2]),
        alone: Option<[i64; 4]>,
        window: &mut Rgbx,
    ) -> Result<()> {
        let (right, bottom) = (left + width as i64, top + height as i64);
        let mut numbers = Vec::new();
        let mut parts: Vec<Part> = Vec::new();
        for &(index, [x, y]) in &layer.members {
            let header = &self.members[index].header;
            let (x0, x1) = (left.max(x), right.min(x + i64::from(header.width)));
            let (y0, y1) = (top.max(y), bottom.min(y + i64::from(header.height)));
            if x0 < x1 && y0 < y1 {
                numbers.push((index, [(x0 - x) as usize, (y0 - y) as usize]));
                parts.push(([(x0 - left) as usize, (y0 - top) as usize], [(x1 - x0) as usize, (y1 - y0) as usize]));
            }
        }
        clear(window, [width, height], &parts);
        for (number, &(index, from)) in numbers.iter().enumerate() {
            let (drawn, (at, size)) = (&parts[..number], parts[number]);
            // In the image's own pixels.
            let place = [left + at[0] as i64 - from[0] as i64, top + at[1] as i64 - from[1] as i64];
            let own = |bbox: [i64; 4]| [bbox[0] - place[0], bbox[1] - place[1], bbox[2] - place[0], bbox[3] - place[1]];
            let alone = [alone, layer.alone].map(|bbox| bbox.map(own));
            self.draw(index, window, drawn, (at, from, size), alone)
                .map_err(|error| error.in_file(&self.members[index].source.name))?;
        }
        Ok(())
    }

    /// Puts a part of an image under what the window shows already, which is in the parts `drawn`.
    fn draw(
        &mut self,
        index: usize,
        window: &mut Rgbx,
        drawn: &[Part],
        (at, from, size): ([usize; 2], [usize; 2], [usize; 2]),
        [here, in_block]: [Option<[i64; 4]>; 2],
    ) -> Result<()> {
        let under = Under::of(window, (at, size), drawn);
        if under.is_hidden() {
            return Ok(());
        }
        let member = &self.members[index];
        match opened(&mut self.open, index, member, self.bands)? {
            Open::Gdal(image) => {
                let mut part = image.read(&member.header, self.bands, from, size)?;
                cut(&mut part, [0, 0], size, from, &member.header);
                under.put(window, &part, [0, 0]);
            }
            Open::Tiff(image) => {
                let [tile_width, tile_height] = image.tile_size();
                for row in from[1] / tile_height..=(from[1] + size[1] - 1) / tile_height {
                    for column in from[0] / tile_width..=(from[0] + size[0] - 1) / tile_width {
                        let (left, top) = (column * tile_width, row * tile_height);
                        let (x0, y0) = (from[0].max(left), from[1].max(top));
                        let part =
                            [(from[0] + size[0]).min(left + tile_width) - x0, (from[1] + size[1]).min(top + tile_height) - y0];
                        let to = [at[0] + x0 - from[0], at[1] + y0 - from[1]];
                        let under = Under::of(window, (to, part), drawn);
                        if under.is_hidden() {
                            continue;
                        }
                        let tile = row * image.tiles_across() + column;
                        let whole = image.size_of(tile);
                        let alone = |bbox: Option<[i64; 4]>| bbox.is_none_or(|bbox| within(bbox, [left, top], whole));
                        if part == whole && alone(here) && under.is_free() && !self.cache.has((index, tile)) {
                            // No other window needs it.
                            image.tile_into(tile, window, to)?;
                            cut(window, to, whole, [left, top], &member.header);
                            self.pieces.decoded += 1;
                            continue;
                        }
                        let shared = !alone(in_block) && image.tiles_across() > 1;
                        let borders = self.borders.as_ref().filter(|_| shared).map(|(borders, names)| (borders, names[index]));
                        self.pieces.cached += 1;
                        let pieces = &mut self.pieces;
                        let tile = self.cache.get((index, tile), |spare| {
                            if let Some(beside) = borders.and_then(|(borders, name)| borders.take(name, tile)) {
                                return Ok(beside);
                            }
                            (pieces.decoded, pieces.cached) = (pieces.decoded + 1, pieces.cached - 1);
                            let (mut picture, [width, height]) = (spare.picture(), image.stored_size(tile));
                            picture.resize(width, height);
                            image.stored_tile(tile, &mut picture)?;
                            cut(&mut picture, [0, 0], whole, [left, top], &member.header);
                            let picture = Arc::new(picture);
                            if let Some((borders, name)) = borders {
                                borders.put(name, tile, &picture, spare);
                            }
                            Ok(picture)
                        })?;
                        under.put(window, tile, [x0 - left, y0 - top]);
                    }
                }
            }
        }
        Ok(())
    }
}

/// True when a box has all of a tile.
fn within(bbox: [i64; 4], corner: [usize; 2], size: [usize; 2]) -> bool {
    (0..2).all(|axis| corner[axis] as i64 >= bbox[axis] && (corner[axis] + size[axis]) as i64 <= bbox[axis + 2])
}

/// Cuts pixels of an image, `from` that one on, to its cutline.
fn cut(picture: &mut Rgbx, at: [usize; 2], size: [usize; 2], from: [usize; 2], header: &Header) {
    if !header.cutline.is_empty() {
        raster::clip(picture, at, size, from, &header.cutline);
    }
}

/// Corner and size of a part of a window.
type Part = ([usize; 2], [usize; 2]);

fn overlap((at, size): &Part, (other_at, other_size): &Part) -> bool {
    (0..2).all(|axis| at[axis] < other_at[axis] + other_size[axis] && other_at[axis] < at[axis] + size[axis])
}

/// Most parts of a window that are compared with each other.
const MOST_COMPARED: usize = 16;

/// Gives a window its size and clears what no part will be drawn to; all of it where there are many parts.
fn clear(window: &mut Rgbx, size: [usize; 2], parts: &[Part]) {
    if parts.len() > MOST_COMPARED {
        window.reset(size[0], size[1]);
    } else if !window.resize(size[0], size[1]) {
        for (at, size) in outside(([0, 0], size), parts) {
            window.clear(at, size);
        }
    }
}

/// Where a part of an image shows in a window that others were drawn to before.
struct Under {
    part: Part,
    /// Where none of them is: the window may hold anything there.
    free: Vec<Part>,
    /// Where one is, but has not all pixels.
    holes: Vec<Part>,
}

impl Under {
    fn of(window: &Rgbx, part: Part, drawn: &[Part]) -> Self {
        let beside: Vec<Part> = drawn.iter().filter(|other| overlap(other, &part)).copied().collect();
        if beside.len() > MOST_COMPARED {
            // Such a window was cleared as a whole.
            let hidden = window.part_is_full(part.0[0], part.0[1], part.1[0], part.1[1]);
            return Self { part, free: Vec::new(), holes: if hidden { Vec::new() } else { vec![part] } };
        }
        let common = beside.iter().map(|other| common(&part, other));
        let holes = common.filter(|(at, size)| !window.part_is_full(at[0], at[1], size[0], size[1])).collect();
        Self { part, free: outside(part, &beside), holes }
    }

    /// True when nothing of it shows.
    fn is_hidden(&self) -> bool {
        self.free.is_empty() && self.holes.is_empty()
    }

    /// True when all of it shows.
    fn is_free(&self) -> bool {
        self.holes.is_empty() && self.free == [self.part]
    }

    /// Puts the part of an image there that begins at `from`.
    fn put(&self, window: &mut Rgbx, image: &Rgbx, from: [usize; 2]) {
        let source = |at: [usize; 2]| [0, 1].map(|axis| from[axis] + at[axis] - self.part.0[axis]);
        for &(at, size) in &self.free {
            window.put_part(at, image, source(at), size);
        }
        for &(at, size) in &self.holes {
            window.put_under(at, image, source(at), size);
        }
    }
}

/// What of a part lies in none of the others.
fn outside(part: Part, others: &[Part]) -> Vec<Part> {
    others.iter().fold(vec![part], |rest, other| rest.into_iter().flat_map(|piece| without(piece, other)).collect())
}

/// What two parts that overlap share.
fn common(part: &Part, other: &Part) -> Part {
    let from = [0, 1].map(|axis| part.0[axis].max(other.0[axis]));
    let to = [0, 1].map(|axis| (part.0[axis] + part.1[axis]).min(other.0[axis] + other.1[axis]));
    (from, [to[0] - from[0], to[1] - from[1]])
}

/// What is left of a part without another: above, below, left and right of it.
fn without(part: Part, other: &Part) -> Vec<Part> {
    if !overlap(&part, other) {
        return vec![part];
    }
    let (from, to) = (part.0, [0, 1].map(|axis| part.0[axis] + part.1[axis]));
    let ([left, top], [width, height]) = common(&part, other);
    let (right, bottom) = (left + width, top + height);
    let pieces = [
        (from, [to[0] - from[0], top - from[1]]),
        ([from[0], bottom], [to[0] - from[0], to[1] - bottom]),
        ([from[0], top], [left - from[0], bottom - top]),
        ([right, top], [to[0] - right, bottom - top]),
    ];
    pieces.into_iter().filter(|(_, size)| !size.contains(&0)).collect()
}

/// The image of that index; the one that was not used for longest is closed for it when too many are open.
fn opened<'a>(images: &'a mut Vec<(usize, Open)>, index: usize, member: &Member, bands: Bands) -> Result<&'a mut Open> {
    let image = if let Some(place) = images.iter().rposition(|(open, _)| *open == index) {
        images.remove(place).1
    } else {
        if images.len() >= MAX_OPEN {
            images.remove(0);
        }
        open(member, bands)?
    };
    let place = images.len();
    images.push((index, image));
    Ok(&mut images[place].1)
}

/// Opens an image, after a check that the file is still the one that was planned with.
fn open(member: &Member, bands: Bands) -> Result<Open> {
    if member.source.member.is_none() && !known::is_still(&member.path, member.source.digest)? {
        return Err(Error::new("mk::orthophoto::changed", "the image changed while the night ran")
            .at(Place::file(&member.source.name))
            .hint("run again; deliver files under another name and rename them when they are whole"));
    }
    Ok(match member.header.access {
        Access::TiledTiff => Open::Tiff(Box::new(TiledTiff::open(&member.path, &member.header, bands)?)),
        Access::Gdal => {
            let image = GdalImage::open(&member.path)?;
            if image.size() != (member.header.width as usize, member.header.height as usize) {
                return Err(refused("the image has another size than when it was inspected"));
            }
            Open::Gdal(image)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::header::Validity;
    use super::*;
    use crate::crs::Crs;
    use proptest::prelude::*;

    fn header(east: f64, north: f64, pixel: f64, crs: Crs) -> Header {
        Header {
            width: 5000,
            height: 5000,
            bands: 3,
            crs,
            transform: [east, pixel, 0.0, north, 0.0, -pixel],
            stretch: None,
            validity: Validity::All,
            cutline: Vec::new(),
            access: Access::Gdal,
            piece_mb: 1,
        }
    }

    #[test]
    fn sheets_on_one_raster_are_one_layer() {
        let a = header(565_000.0, 5_949_000.0, 0.2, Crs::UTM32);
        let beside = header(566_000.0, 5_949_000.0, 0.2, Crs::UTM32);
        let shifted = header(566_000.1, 5_948_000.0, 0.2, Crs::UTM32);
        let finer = header(565_000.0, 5_948_000.0, 0.1, Crs::UTM32);
        let zone33 = header(565_000.0, 5_948_000.0, 0.2, Crs(25833));
        let found = layers(&[&a, &beside]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].members, [(0, [0, 0]), (1, [5000, 0])]);
        for other in [&shifted, &finer, &zone33] {
            assert_eq!(layers(&[&a, other]).len(), 2);
            assert_eq!(layers(&[&a, other, &beside]).len(), 3, "the order of priority holds");
        }
    }

    /// A tiled image that is decoded here; `value` says what each band has at a pixel.
    fn tiled(folder: &Path, compression: &str, [width, height]: [usize; 2], value: impl Fn(usize, usize) -> u8) -> Member {
        use gdal::raster::{Buffer, RasterCreationOptions};
        crate::io::gdal::init();
        let path = folder.join("image.tif");
        let options: RasterCreationOptions = ["TILED=YES", compression].into_iter().collect();
        let driver = gdal::DriverManager::get_driver_by_name("GTiff").unwrap();
        let mut image = driver.create_with_band_type_with_options::<u8, _>(&path, width, height, 3, &options).unwrap();
        image.set_geo_transform(&[565_000.0, 0.2, 0.0, 5_949_000.0, 0.0, -0.2]).unwrap();
        image.set_spatial_ref(&gdal::spatial_ref::SpatialRef::from_epsg(25832).unwrap()).unwrap();
        for band in 1..=3 {
            let values = (0..width * height).map(|at| value(at, band)).collect();
            image.rasterband(band).unwrap().write((0, 0), (width, height), &mut Buffer::new((width, height), values)).unwrap();
        }
        image.close().unwrap();
        let source = Source::of_file(&path, "image.tif").unwrap();
        let (expected, beside) = (super::super::header::Expected::default(), super::super::beside::Beside::default());
        let (header, _) = super::super::header::read(&path, "image.tif", source.size, expected, &beside).unwrap();
        assert_eq!(header.access, Access::TiledTiff);
        Member { header, source, path }
    }

    #[test]
    fn two_blocks_decode_the_tiles_of_their_border_once() {
        let folder = tempfile::tempdir().unwrap();
        let value = |at: usize, band: usize| (at * 7 + at / 1024 * band) as u8;
        let Member { header, source, path } = tiled(folder.path(), "COMPRESS=DEFLATE", [1024, 768], value);
        let reader = || {
            let member = Member { header: header.clone(), source: source.clone(), path: path.clone() };
            Reader::new(vec![member], Bands::default())
        };
        let window = |reader: &mut Reader, alone: Option<[i64; 4]>, left: i64, right: i64| {
            let layer = Layer { alone, ..layers(&[&header]).remove(0) };
            let (mut window, place) = (Rgbx::default(), ([left, 0], [(right - left) as usize, 768]));
            reader.window_into(&layer, place, alone, &mut window).unwrap();
            window
        };
        // Of four tiles side by side in three rows both windows show the second and the third.
        let borders = Borders::new();
        let mut blocks = [([0, 0, 500, 768], 0, 520), ([520, 0, 1024, 768], 500, 1024)].map(|(alone, left, right)| {
            let mut block = reader();
            block.share(Arc::clone(&borders), vec![source.digest]);
            (window(&mut block, Some(alone), left, right), block.pieces(), left, right)
        });
        assert_eq!(blocks[0].1, Pieces { decoded: 9, cached: 0 });
        assert_eq!(blocks[1].1, Pieces { decoded: 3, cached: 6 });
        for (shared, _, left, right) in &mut blocks {
            assert!(*shared == window(&mut reader(), None, *left, *right), "the same pixels as without the other block");
        }
        // What lies beyond no border is not kept for anybody.
        assert!((0..12).all(|tile| borders.take(source.digest, tile).is_none()));
    }

    #[test]
    fn the_padding_of_a_tile_is_not_seen_in_a_window_as_large_as_the_tile() {
        let folder = tempfile::tempdir().unwrap();
        let member = tiled(folder.path(), "COMPRESS=JPEG", [100, 256], |_, _| 200);
        let header = member.header.clone();
        let mut reader = Reader::new(vec![member], Bands::default());
        let window = reader.window(&layers(&[&header])[0], [0, 0], [256, 256]).unwrap();
        assert_eq!(window.coverage(0, 0, 100, 256), raster::Coverage::Full);
        assert_eq!(window.coverage(100, 0, 156, 256), raster::Coverage::Empty);
    }

    proptest! {
        #[test]
        fn a_window_shows_of_each_place_the_first_image_that_has_it(
            parts in proptest::collection::vec((0..9_usize, 0..9_usize, 1..9_usize, 1..9_usize), 0..24), holes in 0..40_usize,
        ) {
            let parts: Vec<Part> = parts.into_iter().map(|(x, y, w, h)| ([x, y], [w.min(12 - x), h.min(12 - y)])).collect();
            // An image is larger than its part, which begins at 2, 1 of it; some have pixels that are not valid.
            let image = |number: usize, x: usize, y: usize| {
                let hole = holes > 20 && (x * 7 + y * 5 + number).is_multiple_of(41 - holes);
                if hole { [0; 4] } else { [number as u8 + 1, x as u8, y as u8, 255] }
            };
            let mut window = Rgbx::empty(20, 20);
            window.pixels_mut().fill(77);
            clear(&mut window, [12, 12], &parts);
            for (number, &(at, [width, height])) in parts.iter().enumerate() {
                let pixels = (0..=height).flat_map(|y| (0..width + 2).flat_map(move |x| image(number, x, y))).collect();
                let picture = Rgbx::from_pixels(width + 2, height + 1, pixels).unwrap();
                let under = Under::of(&window, (at, [width, height]), &parts[..number]);
                let before = window.clone();
                under.put(&mut window, &picture, [2, 1]);
                prop_assert!(!under.is_hidden() || window == before);
            }
            for (x, y) in (0..12).flat_map(|y| (0..12).map(move |x| (x, y))) {
                let of = |(number, &(at, size)): (usize, &Part)| {
                    let inside = (0..2).all(|axis| (at[axis]..at[axis] + size[axis]).contains(&[x, y][axis]));
                    inside.then(|| image(number, x - at[0] + 2, y - at[1] + 1)).filter(|pixel| pixel[3] != 0)
                };
                prop_assert_eq!(window.pixel(x, y), parts.iter().enumerate().find_map(of).unwrap_or_default());
            }
        }
    }
}
