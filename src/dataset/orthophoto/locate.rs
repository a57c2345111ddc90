//! Which units made a tile, or show an image; and which pixel of an image a pixel of a tile shows.

use super::inspect::{self, Inspected};
use super::mosaic::{self, Member, Reader};
use super::products::{Product, products};
use super::{INSPECT, OVERVIEW, Orthophoto, RENDER, ROOT, ladder, overview};
use crate::crs::Operation;
use crate::dataset::{AssembleContext, Located, UnitResult};
use crate::error::Result;
use crate::format::tile_matrix::Tile;
use crate::plan::Input;

pub fn locate(dataset: &Orthophoto, object: &str, context: &AssembleContext<'_>) -> Result<Vec<Located>> {
    let images = inspect::images(&context.results[INSPECT])?;
    let products = products(dataset, &images, context.area)?;
    if let Some((product, tile, pixel)) = products.iter().find_map(|product| {
        let (tile, pixel) = tile_pixel(product.part(object)?)?;
        Some((product, tile, pixel))
    }) {
        return source_pixel(product, &images, tile, pixel, context);
    }
    // A tile of a set that is not the first is asked for by `name:z/x/y`.
    let named = products.iter().find_map(|product| Some((product, product.part(object)?.parse::<Tile>().ok()?)));
    let Some((product, tile)) = named else {
        let shown = images.iter().filter(|inspected| inspected.file_name() == object);
        return Ok(shown.map(|inspected| located(INSPECT, inspected.result, "read the image's header")).collect());
    };
    let (matrix, zooms) = (&product.matrix, product.zooms);
    let mut found = Vec::new();
    if tile.z > matrix.last_zoom() {
        return Ok(found);
    }
    let bbox = matrix.bbox(tile);
    if !product.is_halved() {
        for (stage, what) in [(ROOT, "averaged"), (OVERVIEW, "averaged"), (RENDER, "drew")] {
            if let Some(result) = ladder::locate(product, &context.results[stage], tile)? {
                found.push(located(stage, result, &format!("{what} the tile {tile} from the images below, in this order")));
                for (index, _) in product.images.iter().filter(|(_, place)| shares_area(place, &bbox)) {
                    found.push(located(INSPECT, images[*index].result, "read an image that touches the tile"));
                }
            }
        }
        return Ok(found);
    }
    let has = |stage: usize, part: &str| {
        let key = product.key(part);
        context.results[stage].iter().find(|result| result.key == key)
    };
    if tile.z >= zooms.block && tile.z <= zooms.max {
        let block = tile.ancestor(tile.z - zooms.block);
        if let Some(result) = has(RENDER, &block.to_string()) {
            found.push(located(RENDER, result, &format!("drew the tile {tile} from the images below, in this order")));
            for (index, place) in &product.images {
                let inspected = &images[*index];
                let image = &inspected.image;
                if shares_area(place, &bbox) {
                    let date = image.flight_date.as_ref().map_or("unknown".to_owned(), ToString::to_string);
                    let what = format!("read an image that touches the tile: flown {date}, pixels of {} m", image.resolution_m);
                    found.push(located(INSPECT, inspected.result, &what));
                }
            }
        }
    } else if tile.z >= zooms.overview() && tile.z < zooms.block {
        let unit = tile.ancestor(tile.z - zooms.overview());
        if let Some(result) = has(OVERVIEW, &unit.to_string()) {
            found.push(located(OVERVIEW, result, &format!("halved the tile {tile} from those below")));
        }
    } else if tile.z >= zooms.min
        && let Some(result) = has(ROOT, overview::ROOT)
    {
        found.push(located(ROOT, result, &format!("halved the tile {tile} from those below")));
    }
    Ok(found)
}

/// A tile and a pixel in it, from `z/x/y/column/row`.
fn tile_pixel(object: &str) -> Option<(Tile, [u32; 2])> {
    let (rest, row) = object.rsplit_once('/')?;
    let (tile, column) = rest.rsplit_once('/')?;
    Some((tile.parse().ok()?, [column.parse().ok()?, row.parse().ok()?]))
}

/// The pixels of images that the centre of a tile's pixel falls on, by priority, down to the one that shows.
fn source_pixel(
    product: &Product,
    images: &[Inspected<'_>],
    tile: Tile,
    [column, row]: [u32; 2],
    context: &AssembleContext<'_>,
) -> Result<Vec<Located>> {
    let matrix = &product.matrix;
    if tile.z > matrix.last_zoom() {
        return Ok(Vec::new());
    }
    let ([east, north], cell) = (matrix.corner(tile), matrix.cell(tile.z));
    let place = [east + (f64::from(column) + 0.5) * cell, north - (f64::from(row) + 0.5) * cell];
    let mut found = Vec::new();
    for (index, _) in product.images.iter().filter(|(_, extent)| extent.contains(place)) {
        let inspected = &images[*index];
        let header = &inspected.image.header;
        let mut point = [place];
        Operation::between(header.crs, matrix.crs, &context.area.grids)?.inverse(&mut point)?;
        let [x, y] = header.to_pixel(point[0]).map(f64::floor);
        if x < 0.0 || y < 0.0 || x >= f64::from(header.width) || y >= f64::from(header.height) {
            continue;
        }
        let Some(source) = inspected.result.inputs.first().and_then(Input::as_source) else { continue };
        let path = source.local(context.scratch)?;
        let layers = mosaic::layers(&[header]);
        let members = vec![Member { header: header.clone(), source, path }];
        let mut reader = Reader::new(members, product.target.bands.bands());
        let at = format!("column {x}, row {y} of the image");
        let mut shown = false;
        for layer in &layers {
            let [red, green, blue, valid] = reader.window(layer, [x as i64, y as i64], [1, 1])?.pixel(0, 0);
            let what = if valid == 0 {
                format!("has no data there, at {at}")
            } else {
                shown = true;
                format!("shows: {at}, whose colours are {red}, {green}, {blue}")
            };
            found.push(located(INSPECT, inspected.result, &what));
        }
        if shown {
            break;
        }
    }
    Ok(found)
}

fn shares_area(a: &crate::crs::Bbox, b: &crate::crs::Bbox) -> bool {
    (0..2).all(|axis| a.min[axis] < b.max[axis] && a.max[axis] > b.min[axis])
}

fn located(stage: usize, result: &UnitResult, what: &str) -> Located {
    Located { stage, key: result.key.clone(), what: what.to_owned() }
}
