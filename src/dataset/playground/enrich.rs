//! What the other datasets of the night know about a site: its parcels, an address, its district, and a picture from above.
//!
//! All of it is computed anew each night and stands in columns of its own, beside what the office and the field say.

use super::aerial::{Aerial, on_map};
use super::fold::{Folded, Notes};
use super::identity::space;
use super::model::{DEVICE, GEOMETRY, NOTE, Row, SITE, Tables, text};
use super::options::{DistrictOption, Options};
use crate::crs::{Bbox, Crs, Operation, is_geographic};
use crate::dataset::AssembleContext;
use crate::error::{Error, Result};
use crate::format::{geoparquet, wkb};
use crate::io::atomic;
use crate::io::gdal::wkb_of_text;
use crate::vector::overlay;
use arrow::array::{Array, AsArray, RecordBatch};
use geo::{Area, BoundingRect, Distance, Euclidean, Geometry, InteriorPoint, Intersects, MultiPolygon, Point};
use geo_index::rtree::sort::HilbertSort;
use geo_index::rtree::{RTree, RTreeBuilder, RTreeIndex};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use uuid::Uuid;

/// Columns that are filled here.
pub const PARCEL: &str = "kataster_flurstueck";
pub const ADDRESS: &str = "kataster_adresse";
pub const ADDRESS_M: &str = "kataster_adresse_m";
pub const DISTRICT: &str = "ortsteil";
pub const MEASURED: &str = "flaeche_gemessen_m2";
pub const PICTURE: &str = "luftbild";
/// Folder with a picture of each site.
pub const PICTURES: &str = "luftbilder";
/// Metres around a site that its picture shows.
const MARGIN_M: f64 = 15.0;
/// Column with the geometry in the tables of other datasets.
const SHAPE: &str = "geometry";
/// Parcels that share less than this with an area, in square metres and as part of the area, only touch it.
const LEAST_M2: f64 = 1.0;
const LEAST_PART: f64 = 0.01;

/// How many sites got what.
#[derive(Debug, Default)]
pub struct Enriched {
    /// Name, sites that have it; only what was looked for.
    pub found: Vec<(&'static str, u64)>,
    /// Names of sites that are in no parcel, where parcels were looked for.
    pub outside: Vec<String>,
    /// True when there are pictures.
    pub pictures: bool,
}

/// Fills the columns; pictures go into the folder of the output, if they are wanted.
///
/// # Errors
/// When a table of another dataset cannot be read, or has no way to its CRS.
pub fn enrich(folded: &mut Folded, options: &Options, context: &AssembleContext<'_>) -> Result<Enriched> {
    let mut enriched = Enriched::default();
    let own = folded.crs;
    if !is_geographic(own)? {
        for table in [SITE, DEVICE] {
            for row in folded.tables.get_mut(table).into_iter().flat_map(BTreeMap::values_mut) {
                let area = geometry(row).map_or(0.0, |geometry| geometry.unsigned_area());
                if area > 0.0 {
                    row.insert(MEASURED.to_owned(), hundredths(area));
                }
            }
        }
    }
    let space = space(&context.dataset.id);
    let mut notes = Notes::new(&space);
    let tables = &mut folded.tables;
    let file = |used: &crate::dataset::UsedDataset, name: &str| used.files.get(name).map(|(path, _)| path.clone());
    for used in context.uses.values() {
        let (Some(parcels), Some(addresses)) = (file(used, "flurstueck.parquet"), file(used, "adresse.parquet")) else {
            continue;
        };
        let places = Places::of(tables, own, used.facts.crs, context)?;
        let found = places.parcels(&parcels)?;
        let near = places.addresses(&addresses, &found, options.address_distance_m)?;
        told(tables, &mut notes, &found, &near, options, &mut enriched);
        // Two cadastres would say two things.
        break;
    }
    if let Some(DistrictOption { dataset, field }) = &options.district
        && let Some(used) = context.uses.get(dataset)
        && let Some(path) = file(used, "theme.parquet")
    {
        let districts = Places::of(tables, own, used.facts.crs, context)?.districts(&path, field)?;
        enriched.found.push(("Ortsteil", districts.len() as u64));
        for (uuid, row) in tables.get_mut(SITE).into_iter().flatten() {
            match districts.get(uuid) {
                Some(name) => drop(row.insert(DISTRICT.to_owned(), name.as_str().into())),
                None => notes.add(SITE, uuid, row, "liegt in keinem Ortsteil".to_owned()),
            }
        }
    }
    if context.wants("luftbilder")
        && let Some(mut aerial) = Aerial::of(context)?
    {
        let taken = pictures(tables, own, &mut aerial, context)?;
        enriched.found.push(("Luftbild", taken));
        enriched.pictures = taken > 0;
    }
    tables.entry(NOTE).or_default().append(&mut notes.rows);
    Ok(enriched)
}

/// Parcels and addresses into the rows, and what is odd about them.
fn told(
    tables: &mut Tables,
    notes: &mut Notes<'_>,
    parcels: &BTreeMap<Uuid, Vec<String>>,
    addresses: &BTreeMap<Uuid, Near>,
    options: &Options,
    enriched: &mut Enriched,
) {
    enriched.found.push(("Flurstück", parcels.len() as u64));
    enriched.found.push(("Adresse", addresses.len() as u64));
    for (uuid, row) in tables.get_mut(SITE).into_iter().flatten() {
        if let Some(keys) = parcels.get(uuid) {
            // Keys are padded with underscores in the cadastre, and by some offices not.
            let plain = |key: &str| key.trim_end_matches('_').to_owned();
            let said = text(row, "flurstueckskennzeichen").map(str::to_owned);
            if let Some(said) = said.filter(|said| !keys.iter().any(|key| plain(key) == plain(said))) {
                notes.add(SITE, uuid, row, format!("angegeben ist das Flurstück {said}, nach dem Kataster ist es {}", keys[0]));
            }
            row.insert(PARCEL.to_owned(), keys.join(", ").into());
        } else {
            enriched.outside.push(super::fold::key(SITE, row));
            notes.add(SITE, uuid, row, "liegt in keinem Flurstück des Katasters".to_owned());
        }
        if let Some(near) = addresses.get(uuid) {
            row.insert(ADDRESS.to_owned(), near.text.as_str().into());
            row.extend(near.distance_m.map(|distance| (ADDRESS_M.to_owned(), hundredths(distance))));
        } else {
            let within = options.address_distance_m;
            notes.add(SITE, uuid, row, format!("im Umkreis von {within} m ist keine Adresse"));
        }
    }
}

fn hundredths(value: f64) -> Value {
    Value::from((value * 100.0).round() / 100.0)
}

fn geometry(row: &Row) -> Option<Geometry<f64>> {
    wkb::decode(&wkb_of_text(text(row, GEOMETRY)?)?).ok()
}

/// An address: those of the site's own parcels first, then the nearest.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
struct Near {
    elsewhere: bool,
    /// Addresses without a place come after those with one.
    unplaced: bool,
    distance_m: Option<f64>,
    text: String,
}

/// A site in the CRS of another dataset.
struct Spot {
    uuid: Uuid,
    geometry: Geometry<f64>,
    /// A point that is certainly in it.
    inside: Point<f64>,
    bbox: Bbox,
}

/// All sites in the CRS of another dataset.
struct Places {
    spots: Vec<Spot>,
    /// False where coordinates are degrees.
    metric: bool,
}

impl Places {
    fn of(tables: &Tables, own: Crs, other: Crs, context: &AssembleContext<'_>) -> Result<Self> {
        let operation = if own == other { None } else { Some(Operation::between(own, other, &context.area.grids)?) };
        let mut spots = Vec::new();
        for (uuid, row) in tables.get(SITE).into_iter().flatten() {
            let Some(mut geometry) = geometry(row) else { continue };
            if let Some(operation) = &operation {
                geometry = super::read::moved(&geometry, operation)?;
            }
            let Some((inside, rect)) = geometry.interior_point().zip(geometry.bounding_rect()) else { continue };
            let bbox = Bbox::new([rect.min().x, rect.min().y], [rect.max().x, rect.max().y]);
            spots.push(Spot { uuid: *uuid, geometry, inside, bbox });
        }
        Ok(Self { spots, metric: !is_geographic(other)? })
    }

    /// A tree of the sites' extents, each grown by a distance; `None` without a site.
    fn tree(&self, by: f64) -> Option<RTree<f64>> {
        let mut builder = RTreeBuilder::<f64>::new(u32::try_from(self.spots.len()).ok().filter(|count| *count > 0)?);
        for Spot { bbox: Bbox { min, max }, .. } in &self.spots {
            builder.add(min[0] - by, min[1] - by, max[0] + by, max[1] + by);
        }
        Some(builder.finish::<HilbertSort>())
    }

    /// The sites that a rectangle touches.
    fn touched<'s>(&'s self, tree: &RTree<f64>, bbox: &Bbox) -> impl Iterator<Item = &'s Spot> + use<'s> {
        let found: BTreeSet<u32> = tree.search(bbox.min[0], bbox.min[1], bbox.max[0], bbox.max[1]).into_iter().collect();
        found.into_iter().filter_map(|index| self.spots.get(index as usize))
    }

    /// Goes through the areas of a table, with the sites that each may share something with: site, area, text of the column.
    fn areas(&self, path: &Path, column: &str, take: &mut dyn FnMut(&Spot, &Geometry<f64>, &str)) -> Result<()> {
        let Some(tree) = self.tree(0.0) else { return Ok(()) };
        geoparquet::each(path, &[column, SHAPE], &mut |rows| {
            let (Some(texts), Some(shapes)) =
                (texts(rows, column), rows.column_by_name(SHAPE).and_then(|it| it.as_binary_opt::<i32>()))
            else {
                return Err(Error::new("mk::playground::uses", format!("its column '{column}' has no text")));
            };
            for row in (0..rows.num_rows()).filter(|row| shapes.is_valid(*row)) {
                let bytes = shapes.value(row);
                let mut spots = self.touched(&tree, &wkb::summary(bytes)?.bbox).peekable();
                let Some(text) = texts[row].as_ref().filter(|_| spots.peek().is_some()) else { continue };
                let area = wkb::decode(bytes)?;
                spots.for_each(|spot| take(spot, &area, text));
            }
            Ok(())
        })
    }

    /// The parcels of each site: that of a point or a line by a point in it; those of an area by what they share, the largest part first.
    fn parcels(&self, path: &Path) -> Result<BTreeMap<Uuid, Vec<String>>> {
        let mut found: BTreeMap<Uuid, Vec<(f64, String)>> = BTreeMap::new();
        self.areas(path, "flstkennz", &mut |spot, area, key| {
            let shared = match (several(&spot.geometry), several(area)) {
                (Some(site), Some(parcel)) if self.metric => {
                    let shared = overlay::intersection(&site, &parcel).unsigned_area();
                    (shared >= LEAST_M2 && shared >= LEAST_PART * site.unsigned_area()).then_some(shared)
                }
                _ => area.intersects(&spot.inside).then_some(0.0),
            };
            if let Some(shared) = shared {
                found.entry(spot.uuid).or_default().push((shared, key.to_owned()));
            }
        })?;
        let sorted = |mut parcels: Vec<(f64, String)>| {
            parcels.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
            parcels.dedup_by(|b, a| a.1 == b.1);
            parcels.into_iter().map(|(_, key)| key).collect()
        };
        Ok(found.into_iter().map(|(uuid, parcels)| (uuid, sorted(parcels))).collect())
    }

    /// An address of each site.
    fn addresses(&self, path: &Path, parcels: &BTreeMap<Uuid, Vec<String>>, within_m: f64) -> Result<BTreeMap<Uuid, Near>> {
        let mut best: BTreeMap<Uuid, Near> = BTreeMap::new();
        let Some(tree) = self.tree(within_m) else { return Ok(best) };
        let mut of_parcel: BTreeMap<&str, Vec<&Spot>> = BTreeMap::new();
        for spot in &self.spots {
            for key in parcels.get(&spot.uuid).into_iter().flatten() {
                of_parcel.entry(key).or_default().push(spot);
            }
        }
        let names = ["strasse", "hausnummer", "plz", "ort", "flstkennz"];
        let all: Vec<&str> = names.iter().copied().chain([SHAPE]).collect();
        geoparquet::each(path, &all, &mut |rows| {
            let columns: Vec<Vec<Option<String>>> = names.iter().filter_map(|name| texts(rows, name)).collect();
            let shapes = rows.column_by_name(SHAPE).and_then(|it| it.as_binary_opt::<i32>());
            let ([streets, numbers, codes, towns, keys], Some(shapes)) = (&columns[..], shapes) else {
                return Err(Error::new("mk::playground::uses", "the table of addresses has other columns than it should"));
            };
            for row in 0..rows.num_rows() {
                let Some(street) = &streets[row] else { continue };
                let at = if shapes.is_valid(row) { point(shapes.value(row))? } else { None };
                let key = keys[row].as_deref();
                let own = key.and_then(|key| of_parcel.get(key)).into_iter().flatten().copied();
                let around = at.filter(|_| self.metric).into_iter().flat_map(|at| self.touched(&tree, &Bbox::new(at, at)));
                for spot in own.chain(around) {
                    let distance = at.filter(|_| self.metric).map(|[x, y]| {
                        (Euclidean.distance(&Geometry::Point(Point::new(x, y)), &spot.geometry) * 100.0).round() / 100.0
                    });
                    let elsewhere =
                        !key.is_some_and(|key| parcels.get(&spot.uuid).is_some_and(|keys| keys.iter().any(|own| own == key)));
                    if elsewhere && distance.is_none_or(|distance| distance > within_m) {
                        continue;
                    }
                    let join = |a: &Option<String>, b: &Option<String>| {
                        [a, b].into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ")
                    };
                    let place = join(&codes[row], &towns[row]);
                    let text = [join(&Some(street.clone()), &numbers[row]), place];
                    let text = text.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
                    let near = Near { elsewhere, unplaced: distance.is_none(), distance_m: distance, text };
                    if best.get(&spot.uuid).is_none_or(|known| near < *known) {
                        best.insert(spot.uuid, near);
                    }
                }
            }
            Ok(())
        })?;
        Ok(best)
    }

    /// The district that a point of each site lies in; of several the first by name.
    fn districts(&self, path: &Path, field: &str) -> Result<BTreeMap<Uuid, String>> {
        let mut found: BTreeMap<Uuid, String> = BTreeMap::new();
        self.areas(path, field, &mut |spot, area, name| {
            if area.intersects(&spot.inside) && found.get(&spot.uuid).is_none_or(|known| name < known.as_str()) {
                found.insert(spot.uuid, name.to_owned());
            }
        })?;
        Ok(found)
    }
}

/// An area as one of several parts; `None` for what is none.
fn several(geometry: &Geometry<f64>) -> Option<MultiPolygon<f64>> {
    match geometry {
        Geometry::Polygon(polygon) => Some(MultiPolygon(vec![polygon.clone()])),
        Geometry::MultiPolygon(polygons) => Some(polygons.clone()),
        _ => None,
    }
}

fn point(bytes: &[u8]) -> Result<Option<[f64; 2]>> {
    let bbox = wkb::summary(bytes)?.bbox;
    Ok((!bbox.is_empty()).then(|| bbox.centre()))
}

/// The texts of a column.
fn texts(rows: &RecordBatch, name: &str) -> Option<Vec<Option<String>>> {
    let column = rows.column_by_name(name)?.as_string_opt::<i32>()?;
    Some(column.iter().map(|text| text.filter(|text| !text.is_empty()).map(str::to_owned)).collect())
}

/// A picture of each site that the tiles show; gives how many.
fn pictures(tables: &mut Tables, crs: Crs, aerial: &mut Aerial, context: &AssembleContext<'_>) -> Result<u64> {
    let folder = context.output.join(PICTURES);
    let mut taken = 0;
    for (uuid, row) in tables.get_mut(SITE).into_iter().flatten() {
        let Some(rect) = geometry(row).and_then(|geometry| geometry.bounding_rect()) else { continue };
        let bbox = Bbox::new([rect.min().x, rect.min().y], [rect.max().x, rect.max().y]);
        for place in on_map(&[bbox], crs, MARGIN_M, &context.area.grids)? {
            let Some(picture) = aerial.picture(&place)? else { continue };
            taken += 1;
            atomic::write_unseen(&folder.join(format!("{uuid}.jpg")), &picture)?;
            row.insert(PICTURE.to_owned(), format!("{PICTURES}/{uuid}.jpg").into());
        }
    }
    Ok(taken)
}
