//! From the results of both stages to what is published: tileset, table, CityJSONSeq, preview.

use super::cell::Block;
use super::heights::Ground;
use super::model::Attributes;
use super::outputs;
use super::tile::{self, GLB, Params};
use super::{history, labels, read};
use crate::crs::{Bbox, Crs, Vertical};
use crate::dataset::{Artefact, ArtefactRole, AssembleContext, Assembly, Counts, Facts, PortalLayer, Representation, UnitResult};
use crate::error::{Error, Place, Result};
use crate::format::tileset::{self, Leaf, Region};
use crate::io::{Digest, atomic};
use crate::vector::hilbert;

/// Name of the tileset, beside its tiles.
pub const TILESET: &str = "tileset.json";

/// A tile's result with what it said.
pub struct Tile<'a> {
    /// What it covers.
    pub block: Block,
    /// The result.
    pub result: &'a UnitResult,
    /// What it said.
    pub summary: tile::Summary,
}

/// What all files together say.
pub struct Whole {
    /// CRS of the buildings.
    pub crs: Crs,
    /// Vertical reference; `None` without a building.
    pub vertical: Option<Vertical>,
    /// Extent of the buildings, else of the files.
    pub bbox: Bbox,
    /// Earliest and latest date of creation.
    pub dates: Option<(String, String)>,
    /// Attributes of all buildings.
    pub attributes: Attributes,
}

/// What the files say together.
///
/// # Errors
/// When they are in different CRSs or vertical references, or none says anything.
pub fn whole(read: &[UnitResult]) -> Result<Whole> {
    let mut seen: Option<(Crs, Option<Vertical>, &str)> = None;
    let (mut bbox, mut envelope) = (Bbox::EMPTY, Bbox::EMPTY);
    let mut dates: Option<(String, String)> = None;
    let mut attributes = Attributes::default();
    for result in read {
        let summary: read::Summary = summary(result)?;
        attributes.join(&summary.attributes);
        bbox = result.outcome.bbox.map_or(bbox, |other| bbox.union(other));
        envelope = summary.envelope.map_or(envelope, |other| envelope.union(other));
        if let Some((first, last)) = summary.dates {
            dates = Some(match dates.take() {
                None => (first, last),
                Some((earliest, latest)) => (earliest.min(first), latest.max(last)),
            });
        }
        let Some(crs) = summary.crs else { continue };
        match &mut seen {
            None => seen = Some((crs, summary.vertical, &result.key)),
            // A file without buildings says nothing about heights, and its CRS only counts where no other does.
            Some((_, None, _)) if summary.vertical.is_some() => seen = Some((crs, summary.vertical, &result.key)),
            Some(_) if summary.vertical.is_none() => {}
            Some((known, vertical, file)) => {
                let ellipsoidal = |vertical: Option<Vertical>| vertical == Some(Vertical::Ellipsoidal);
                if *known != crs || ellipsoidal(*vertical) != ellipsoidal(summary.vertical) {
                    return Err(Error::new(
                        "mk::city_model::srs",
                        format!(
                            "{} is in {crs} with {} heights, {file} in {known} with {} heights",
                            result.key,
                            summary.vertical.map_or_else(String::new, |v| v.to_string()),
                            vertical.map_or_else(String::new, |v| v.to_string()),
                        ),
                    )
                    .at(Place::file(&result.key))
                    .hint("give each CRS and each kind of heights a dataset of its own"));
                }
            }
        }
    }
    let (crs, vertical, _) = seen.ok_or_else(|| {
        Error::new("mk::city_model::empty", "no file has buildings or a CRS").hint("check the sources of the dataset")
    })?;
    Ok(Whole { crs, vertical, bbox: if bbox.is_empty() { envelope } else { bbox }, dates, attributes })
}

/// What a unit said about its result.
///
/// # Errors
/// When it is damaged.
pub fn summary<T: serde::de::DeserializeOwned>(result: &UnitResult) -> Result<T> {
    serde_json::from_value(result.outcome.summary.clone())
        .map_err(|error| Error::new("mk::city_model::summary", format!("the result of {} is damaged", result.key)).because(error))
}

/// Writes all that is wanted and tells what is known; the history only of results that are handed over for it.
///
/// # Errors
/// When a result cannot be read or a file not be written.
pub fn assemble(
    context: &AssembleContext<'_>,
    known: Option<&[UnitResult]>,
    ground: &Ground,
    whole: &Whole,
    copyright: &str,
) -> Result<Assembly> {
    let results = context.results.get(1).map(Vec::as_slice).unwrap_or_default();
    let mut tiles = Vec::new();
    for result in results {
        let summary: tile::Summary = summary(result)?;
        tiles.push(Tile { block: tile::block(&result.key, summary.cells)?, result, summary });
    }
    let mut artefacts = Vec::new();
    if context.wants("3dtiles") {
        write_tiles(&tiles, context, ground, whole, copyright, &mut artefacts)?;
    }
    // Along the Hilbert curve, so that row groups are small on the map.
    let boxes: Vec<Bbox> = tiles.iter().map(|tile| Bbox::around([tile.block.centre()])).collect();
    let order: Vec<&Tile<'_>> = hilbert::order(&boxes).into_iter().map(|number| &tiles[number as usize]).collect();
    let bbox_lonlat = lonlat(whole.bbox, ground)?;
    artefacts.extend(outputs::write(&order, context, whole, bbox_lonlat)?);
    let mut facts = facts(context, &tiles, ground, whole, bbox_lonlat)?;
    if let Some(known) = known {
        let (files, notes) = history::write(context, known, whole)?;
        artefacts.extend(files);
        facts.notes.extend(notes);
    }
    Ok(Assembly { artefacts, facts })
}

fn write_tiles(
    tiles: &[Tile<'_>],
    context: &AssembleContext<'_>,
    ground: &Ground,
    whole: &Whole,
    copyright: &str,
    artefacts: &mut Vec<Artefact>,
) -> Result<()> {
    let mut leaves = Vec::new();
    let mut parts = Vec::new();
    for tile in tiles {
        let Some(region) = tile.summary.region() else { continue };
        let bytes = tile.result.pack()?.read(GLB)?;
        let uri = format!("{}-{}.glb", tile.result.key, Digest::of(&bytes).short());
        atomic::write_unseen(&context.output.join(&uri), &bytes)?;
        let part = context.artefact(&uri, "model/gltf-binary", "glTF 2.0", &format!("Kachel {}", tile.result.key));
        parts.push(Artefact { role: ArtefactRole::Part, ..part });
        let transform = tile::frame(tile.block, ground)?.matrix();
        let Block { corner, cells } = tile.block;
        leaves.push(Leaf { cell: corner.0, level: cells.ilog2(), uri, region, transform });
    }
    let bytes = if leaves.is_empty() {
        tileset::empty(region_of(whole.bbox, ground)?, copyright)
    } else {
        tileset::write(&leaves, copyright)?
    };
    atomic::write_unseen(&context.output.join(TILESET), &bytes)?;
    let title = "3D-Gebäude als 3D Tiles";
    artefacts
        .push(Artefact { role: ArtefactRole::Tiles, ..context.artefact(TILESET, "application/json", "3D Tiles 1.1", title) });
    artefacts.append(&mut parts);
    Ok(())
}

/// A flat region for a delivery without a building.
fn region_of(bbox: Bbox, ground: &Ground) -> Result<Region> {
    let mut region = Region::EMPTY;
    if bbox.is_empty() {
        region.grow([0.0; 3]);
        return Ok(region);
    }
    for [longitude, latitude, height] in ground.geodetic(&corners(bbox))? {
        region.grow([longitude.to_radians(), latitude.to_radians(), height]);
    }
    Ok(region)
}

fn corners(bbox: Bbox) -> [[f64; 3]; 4] {
    let ([west, south], [east, north]) = (bbox.min, bbox.max);
    [[west, south, 0.0], [east, south, 0.0], [east, north, 0.0], [west, north, 0.0]]
}

/// The extent in longitude and latitude.
fn lonlat(bbox: Bbox, ground: &Ground) -> Result<Bbox> {
    if bbox.is_empty() {
        return Ok(Bbox::EMPTY);
    }
    Ok(Bbox::around(ground.geodetic(&corners(bbox))?.into_iter().map(|place| [place[0], place[1]])))
}

fn facts(context: &AssembleContext<'_>, tiles: &[Tile<'_>], ground: &Ground, whole: &Whole, bbox_lonlat: Bbox) -> Result<Facts> {
    let mut counts = Counts::default();
    for result in context.results.first().into_iter().flatten() {
        counts.add(&result.outcome.counts);
    }
    let number = |count: u64| count.to_string();
    let mut notes = vec![
        ("Gebäude".to_owned(), number(tiles.iter().map(|tile| tile.summary.buildings).sum())),
        ("Kacheln".to_owned(), number(tiles.iter().filter(|tile| tile.summary.region.is_some()).count() as u64)),
        ("Dreiecke".to_owned(), number(tiles.iter().map(|tile| tile.summary.triangles).sum())),
    ];
    if !whole.bbox.is_empty()
        && let Some(undulation) = ground.undulation(whole.bbox.centre())?
    {
        notes.push(("Geoidundulation in der Mitte des Gebiets".to_owned(), format!("{undulation:.3} m").replace('.', ",")));
    }
    let mut steps = vec!["Gebäude aus CityGML gelesen und nach ihrem Schwerpunkt Kacheln von 500 m zugeordnet.".to_owned()];
    let vertical = whole.vertical.unwrap_or(Vertical::Ellipsoidal);
    if vertical != Vertical::Ellipsoidal {
        let grid = ground.facts(vertical).last().and_then(|fact| fact.grids.first().map(|grid| grid.name.clone()));
        let grid = grid.unwrap_or_default();
        steps
            .push(format!("Höhen für die 3D Tiles von {vertical} mit dem Geoidgitter {grid} in ellipsoidische Höhen überführt."));
    }
    steps.push(
        "Flächen trianguliert und auf 8 mm gerundet; Begrenzungsflächen zwischen Gebäudeteilen werden nicht dargestellt."
            .to_owned(),
    );
    let mut layers = Vec::new();
    if context.wants("3dtiles") {
        let known = |name: &str| name == "id" || whole.attributes.0.contains_key(name);
        let attributes = labels::ATTRIBUTES
            .iter()
            .filter(|(name, _)| known(name))
            .map(|&(name, label)| (tile::key(name), label.to_owned()))
            .collect();
        layers.push(PortalLayer {
            name: "3d".to_owned(),
            title: "3D-Gebäude".to_owned(),
            typ: "TileSet3D".to_owned(),
            path: TILESET.to_owned(),
            attributes,
            extra: serde_json::Map::from_iter([(
                "cesium3DTilesetOptions".to_owned(),
                serde_json::json!({ "maximumScreenSpaceError": 16 }),
            )]),
        });
    }
    Ok(Facts {
        crs: whole.crs,
        vertical: whole.vertical.map(|vertical| vertical.to_string()),
        bbox: whole.bbox,
        bbox_lonlat,
        representation: Representation::Tin,
        resolution_m: None,
        dates: whole.dates.clone(),
        counts,
        operations: ground.facts(vertical),
        steps,
        layers,
        notes,
    })
}

/// The attribution of the tiles: the dataset's, and that of the grid.
pub fn copyright(option: Option<&str>, metadata: Option<&str>, grid: Option<&crate::crs::GridFact>) -> String {
    let mut parts: Vec<String> = option.or(metadata).map(str::to_owned).into_iter().filter(|text| !text.is_empty()).collect();
    if let Some(grid) = grid.filter(|grid| !grid.attribution.is_empty()) {
        parts.push(format!("Geoid: {}", grid.attribution));
    }
    parts.join("; ")
}

/// The parameters of all tiles.
pub fn params(whole: &Whole, options: &super::Options, copyright: String) -> Params {
    Params {
        crs: whole.crs,
        vertical: whole.vertical.unwrap_or(Vertical::Ellipsoidal),
        compression: options.compression,
        colour: options.colour,
        copyright,
        cells: 1,
        exclude: Vec::new(),
    }
}
