//! Tables, sequence, map tiles and picture: everything that is made of the buildings one by one, tile after tile.

use super::artefacts::{Tile, Whole};
use super::cell::{Block, Cell};
use super::maptiles::MapTiles;
use super::model::Building;
use super::table::{Cadastre, GEOMETRY, Table};
use super::tile::BUILDINGS;
use super::{codec, preview};
use crate::crs::{Bbox, Crs};
use crate::dataset::{Artefact, ArtefactRole, AssembleContext};
use crate::error::{Error, Place, Result};
use crate::format::cityjson::{self, CityObject};
use crate::format::geoparquet;
use crate::format::gpkg::{self, Geopackage, Layer};
use crate::format::tileset::Region;
use crate::io::atomic;
use arrow::array::{Array, StringArray};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Name of the table.
pub const PARQUET: &str = "buildings.parquet";
/// Name of the CityJSONSeq file.
pub const CITYJSON: &str = "buildings.city.jsonl";
/// Name of the GeoPackage.
pub const GPKG: &str = "buildings.gpkg";
/// Name of the map tiles.
pub const PMTILES: &str = "buildings.pmtiles";
/// Name of the picture.
pub const PREVIEW: &str = "preview.png";
/// What the layer of the GeoPackage holds.
const LAYER_TITLE: &str = "Grundrisse der 3D-Gebäude mit Maßen";

/// What is being written; nothing where it is not wanted.
struct Outputs {
    tables: Tables,
    sequence: Option<cityjson::Writer<BufWriter<File>>>,
    map: Option<MapTiles>,
    picture: Option<preview::Picture>,
}

/// The same rows as GeoParquet and GeoPackage.
struct Tables {
    table: Table,
    parquet: Option<geoparquet::Writer<BufWriter<File>>>,
    gpkg: Option<(Geopackage, gpkg::Rows)>,
}

/// Writes what is wanted of tables, sequence, map tiles and picture.
///
/// # Errors
/// When a result cannot be read or a file not be written.
pub fn write(tiles: &[&Tile<'_>], context: &AssembleContext<'_>, whole: &Whole, bounds_lonlat: Bbox) -> Result<Vec<Artefact>> {
    let mut outputs = Outputs::begin(tiles, context, whole)?;
    let read = |tile: Option<&&Tile<'_>>| match tile {
        Some(tile) => codec::decode(&tile.result.pack()?.read(BUILDINGS)?),
        None => Ok(Vec::new()),
    };
    let mut buildings = if outputs.is_idle() { Vec::new() } else { read(tiles.first())? };
    for (number, tile) in tiles.iter().enumerate() {
        if outputs.is_idle() {
            break;
        }
        // The next tile is read while this one is written.
        let (taken, next) = rayon::join(|| outputs.take(&buildings, tile.summary.region()), || read(tiles.get(number + 1)));
        taken?;
        buildings = next?;
    }
    outputs.finish(context, whole, bounds_lonlat)
}

impl Outputs {
    fn begin(tiles: &[&Tile<'_>], context: &AssembleContext<'_>, whole: &Whole) -> Result<Self> {
        let mut sequence = None;
        if context.wants("cityjson") {
            let origin = if whole.bbox.is_empty() { [0.0; 2] } else { whole.bbox.min };
            sequence =
                Some(cityjson::Writer::new(create(&context.output.join(CITYJSON))?, &reference_system(whole.crs), origin)?);
        }
        let mut map = None;
        if context.wants("pmtiles") {
            let regions = tiles.iter().filter_map(|tile| tile.summary.region());
            map = Some(MapTiles::new(whole.crs, &context.area.grids, &context.scratch.join("map.pack"), regions)?);
        }
        let counted = tiles.iter().flat_map(|tile| {
            let Block { corner: Cell([east, north]), cells } = tile.block;
            let count = tile.summary.buildings.div_ceil((cells * cells) as u64);
            (0..cells * cells).map(move |number| (Cell([east + number % cells, north + number / cells]), count))
        });
        let picture = preview::window(whole.bbox, counted).filter(|_| context.wants("preview")).map(preview::Picture::new);
        Ok(Self { tables: Tables::begin(context, whole)?, sequence, map, picture })
    }

    fn is_idle(&self) -> bool {
        self.tables.is_idle() && self.sequence.is_none() && self.map.is_none() && self.picture.is_none()
    }

    /// Takes the buildings of a tile, each file on a thread of its own.
    fn take(&mut self, buildings: &[Building], region: Option<Region>) -> Result<()> {
        let Self { tables, sequence, map, picture } = self;
        let sequenced = || {
            let Some(sequence) = sequence else { return Ok(()) };
            buildings.iter().try_for_each(|building| sequence.write(&feature(building)))
        };
        let drawn = || {
            if let Some(map) = map {
                buildings.iter().try_for_each(|building| map.add(building))?;
                region.map_or(Ok(()), |region| map.finish_group(region))?;
            }
            if let Some(picture) = picture {
                for building in buildings {
                    picture.draw(building);
                }
            }
            Ok(())
        };
        let (tabled, (sequenced, drawn)) = rayon::join(|| tables.take(buildings), || rayon::join(sequenced, drawn));
        tabled.and(sequenced).and(drawn)
    }

    fn finish(self, context: &AssembleContext<'_>, whole: &Whole, bounds_lonlat: Bbox) -> Result<Vec<Artefact>> {
        let mut artefacts = Vec::new();
        let Tables { parquet, gpkg, .. } = self.tables;
        if let Some(parquet) = parquet {
            flushed(parquet.finish()?, PARQUET)?;
            let title = "Gebäude als Tabelle mit Grundrissen, Flächen und Maßen";
            artefacts.push(context.artefact(PARQUET, "application/vnd.apache.parquet", "GeoParquet 1.1", title));
        }
        if let Some(sequence) = self.sequence {
            flushed(sequence.finish(), CITYJSON)?;
            let title = "Gebäude als CityJSON";
            artefacts.push(context.artefact(CITYJSON, "application/city+json-seq", "CityJSONSeq 2.0", title));
        }
        if let Some((mut file, rows)) = gpkg {
            file.end(&layer(whole), rows)?;
            file.finish()?;
            artefacts.push(context.artefact(GPKG, "application/geopackage+sqlite3", "GeoPackage 1.3", LAYER_TITLE));
        }
        if let Some(map) = self.map.filter(|map| !map.is_empty()) {
            let attribution = context.dataset.metadata.attribution.clone().unwrap_or_default();
            map.write(&context.output.join(PMTILES), bounds_lonlat, attribution)?;
            let title = "Grundrisse mit Höhen als Vektorkacheln";
            artefacts.push(Artefact {
                role: ArtefactRole::Tiles,
                ..context.artefact(PMTILES, "application/vnd.pmtiles", "PMTiles 3 (MVT)", title)
            });
        }
        if let Some(picture) = self.picture {
            atomic::write_unseen(&context.output.join(PREVIEW), &picture.finish()?)?;
            artefacts.push(Artefact {
                role: ArtefactRole::Preview,
                ..context.artefact(PREVIEW, "image/png", "PNG", "Vorschau der 3D-Gebäude")
            });
        }
        Ok(artefacts)
    }
}

impl Tables {
    fn begin(context: &AssembleContext<'_>, whole: &Whole) -> Result<Self> {
        let tabular = context.wants("parquet") || context.wants("gpkg");
        let table = Table::new(&whole.attributes, if tabular { cadastre(context)? } else { None }, &[]);
        let mut parquet = None;
        if context.wants("parquet") {
            let options = geoparquet::Options::new(GEOMETRY, Some(whole.crs));
            parquet = Some(geoparquet::Writer::new(create(&context.output.join(PARQUET))?, table.schema(), &options)?);
        }
        let mut gpkg = None;
        if context.wants("gpkg") {
            let last = whole.dates.as_ref().and_then(|(_, last)| last.get(..10)).unwrap_or("1970-01-01");
            let mut file = Geopackage::create(&context.output.join(GPKG), &format!("{last}T00:00:00.000Z"))?;
            let rows = file.begin(&layer(whole), &table.flat(&table.batch(&[])?)?.schema())?;
            gpkg = Some((file, rows));
        }
        Ok(Self { table, parquet, gpkg })
    }

    fn is_idle(&self) -> bool {
        self.parquet.is_none() && self.gpkg.is_none()
    }

    fn take(&mut self, buildings: &[Building]) -> Result<()> {
        if self.is_idle() {
            return Ok(());
        }
        let Self { table, parquet, gpkg } = self;
        let batch = table.batch(buildings)?;
        let flat = || gpkg.as_mut().map_or(Ok(()), |(_, rows)| rows.add(&table.flat(&batch)?));
        let (deep, flat) = rayon::join(|| parquet.as_mut().map_or(Ok(()), |parquet| parquet.write(&batch)), flat);
        deep.and(flat)
    }
}

/// The layer of the GeoPackage.
fn layer(whole: &Whole) -> Layer<'static> {
    let crs = Some(whole.crs);
    Layer { name: "gebaeude", title: LAYER_TITLE, geometry: Some("geom"), geometry_type: "MULTIPOLYGON", crs }
}

/// Oids of the buildings in the cadastre datasets that this one uses; `None` without one.
fn cadastre(context: &AssembleContext<'_>) -> Result<Option<Cadastre>> {
    let mut oids: Option<Cadastre> = None;
    for (path, _) in context.uses.values().filter_map(|used| used.files.get("gebaeude_bauwerk.parquet")) {
        let list = oids.get_or_insert_default();
        for batch in geoparquet::columns(path, &["oid"])? {
            let column = batch.column(0).as_any().downcast_ref::<StringArray>();
            let values = column.into_iter().flat_map(|column| (0..column.len()).map(move |row| column.value(row)));
            list.extend(values.map(str::to_owned));
        }
    }
    Ok(oids)
}

/// OGC's name of the CRS, as CityJSON wants it.
fn reference_system(crs: Crs) -> String {
    format!("https://www.opengis.net/def/crs/EPSG/0/{}", crs.0)
}

/// A building and its parts as city objects.
fn feature(building: &Building) -> Vec<CityObject<'_>> {
    let object = |building| -> CityObject<'_> {
        let Building { kind, id, lod, solid, attributes, faces, .. }: &Building = building;
        CityObject {
            id,
            kind: kind.element(),
            attributes: attributes.iter().map(|(name, value)| (name.clone(), value.to_json())).collect(),
            lod: *lod,
            solid: *solid,
            faces: faces.iter().map(|face| (face.semantic.element(), face.surface, &face.rings)).collect(),
        }
    };
    let mut objects = vec![object(building)];
    // A part that is named like its building cannot be told from it in CityJSON.
    objects.extend(building.parts.iter().filter(|part| part.id != building.id).map(object));
    objects
}

pub fn create(path: &Path) -> Result<BufWriter<File>> {
    atomic::create_unseen(path).map(BufWriter::new)
}

pub fn flushed(mut output: BufWriter<File>, name: &str) -> Result<()> {
    let failed = |error| Error::new("mk::io::write", "cannot write the file").at(Place::file(name)).because(error);
    output.flush().map_err(failed)
}
