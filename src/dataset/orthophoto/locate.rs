//! Which units made a tile, or show an image.

use super::inspect;
use super::products::products;
use super::{INSPECT, OVERVIEW, Orthophoto, RENDER, ROOT, ladder, overview};
use crate::dataset::{AssembleContext, Located, UnitResult};
use crate::error::Result;
use crate::format::tile_matrix::Tile;

pub fn locate(dataset: &Orthophoto, object: &str, context: &AssembleContext<'_>) -> Result<Vec<Located>> {
    let images = inspect::images(&context.results[INSPECT])?;
    let products = products(dataset, &images, context.area)?;
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

fn shares_area(a: &crate::crs::Bbox, b: &crate::crs::Bbox) -> bool {
    (0..2).all(|axis| a.min[axis] < b.max[axis] && a.max[axis] > b.min[axis])
}

fn located(stage: usize, result: &UnitResult, what: &str) -> Located {
    Located { stage, key: result.key.clone(), what: what.to_owned() }
}
