//! Sets of tiles: what the pipeline asks for, with the images that each shows.
//!
//! A set may come once for all images and once more for each year of flight. Units and results of the first set are named by their
//! tile (`z/x/y`), those of others by the set's name before it (`orthophoto-2018:z/x/y`).

use super::Orthophoto;
use super::inspect::Inspected;
use super::options::{Drawing, TileTarget};
use super::render::Zooms;
use crate::crs::{Bbox, Crs, Operation};
use crate::dataset::{Area, UnitResult};
use crate::error::Result;
use crate::format::tile_matrix::{Tile, TileMatrixSet};
use std::collections::{BTreeMap, BTreeSet};

/// A set of tiles.
pub struct Product {
    /// Name of its files.
    pub name: String,
    /// What the pipeline says.
    pub target: TileTarget,
    /// Where its tiles lie.
    pub matrix: TileMatrixSet,
    /// Its zooms.
    pub zooms: Zooms,
    /// The year of flight, where it shows just one.
    pub year: Option<String>,
    /// The images that it shows by priority: index and extent on its map.
    pub images: Vec<(usize, Bbox)>,
    main: bool,
}

/// All sets of a dataset, of images by priority.
///
/// # Errors
/// When a tile matrix set cannot be read, or an image cannot be placed on its map.
pub fn products(dataset: &Orthophoto, images: &[Inspected<'_>], area: &Area) -> Result<Vec<Product>> {
    let mut products = Vec::new();
    for (name, target) in &dataset.targets {
        let matrix = target.matrix(&area.folder)?;
        let places = places(images, &matrix, area)?;
        let mut add = |name: String, year: Option<String>| {
            let shown = |(index, place): (usize, &Bbox)| {
                let flown = images[index].image.flight_date.as_ref().map(|date| &date.as_str()[..4]);
                (year.is_none() || flown == year.as_deref()).then_some((index, *place))
            };
            let shown: Vec<(usize, Bbox)> = places.iter().enumerate().filter_map(shown).collect();
            let zooms = Zooms::of(target, &matrix, shown.iter().map(|(index, _)| &images[*index]));
            let main = products.is_empty();
            products.push(Product { name, target: target.clone(), matrix: matrix.clone(), zooms, year, images: shown, main });
        };
        add(name.clone(), None);
        if target.campaigns {
            let years: BTreeSet<&str> =
                images.iter().filter_map(|inspected| Some(&inspected.image.flight_date.as_ref()?.as_str()[..4])).collect();
            for year in years {
                add(format!("{name}-{year}"), Some(year.to_owned()));
            }
        }
    }
    Ok(products)
}

/// Extents of the images on the map.
fn places(images: &[Inspected<'_>], matrix: &TileMatrixSet, area: &Area) -> Result<Vec<Bbox>> {
    let mut operations: BTreeMap<Crs, Operation> = BTreeMap::new();
    let mut places = Vec::with_capacity(images.len());
    for inspected in images {
        let image = &inspected.image;
        if matrix.crs == Crs::WEB_MERCATOR {
            places.push(image.on_map);
            continue;
        }
        let operation = match operations.entry(image.header.crs) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(Operation::between(image.header.crs, matrix.crs, &area.grids)?)
            }
        };
        places.push(image.header.bounds(operation)?);
    }
    Ok(places)
}

impl Product {
    /// What its pixels depend on.
    pub fn drawing(&self) -> Drawing {
        let target = &self.target;
        Drawing { matrix: self.matrix.clone(), codec: target.codec(), resampling: target.resampling, bands: target.bands }
    }
    /// Name of a unit.
    pub fn key(&self, part: &str) -> String {
        if self.main { part.to_owned() } else { format!("{}:{part}", self.name) }
    }
    /// The part of a unit's name that says which it is, if it belongs to this set.
    pub fn part<'a>(&self, key: &'a str) -> Option<&'a str> {
        match key.split_once(':') {
            Some((name, part)) => (!self.main && name == self.name).then_some(part),
            None => self.main.then_some(key),
        }
    }
    /// Its own among results that are named by tiles.
    pub fn own<'a>(&self, results: &'a [UnitResult]) -> Vec<(Tile, &'a UnitResult)> {
        let tile = |result: &'a UnitResult| Some((self.part(&result.key)?.parse::<Tile>().ok()?, result));
        results.iter().filter_map(tile).collect()
    }
    /// Its own results.
    pub fn results<'a>(&self, results: &'a [UnitResult]) -> impl Iterator<Item = &'a UnitResult> {
        results.iter().filter(|result| self.part(&result.key).is_some())
    }
    /// True when each zoom is halved from the next, down to the lowest.
    pub fn is_halved(&self) -> bool {
        self.matrix.halved_down_to(self.zooms.max) <= self.zooms.min
    }
    /// True when a PMTiles archive can hold it.
    pub fn fits_pmtiles(&self) -> bool {
        self.matrix.fits_pmtiles(self.zooms.min..=self.zooms.max)
    }
    /// True when it has a folder of tiles.
    pub fn has_tree(&self) -> bool {
        self.target.tree || !self.fits_pmtiles()
    }
    /// Extent on its map.
    pub fn on_map(&self) -> Bbox {
        self.images.iter().fold(Bbox::EMPTY, |bbox, (_, place)| bbox.union(*place))
    }
}
