//! The artefacts: one archive of tiles, footprints, STAC items, a preview; and what is known about them.

use super::inspect::{self, Inspected};
use super::render::Zooms;
use super::{INSPECT, OVERVIEW, Orthophoto, RENDER, ROOT, footprints, preview, stac_items};
use crate::crs::{Bbox, Crs, Operation};
use crate::dataset::{Artefact, ArtefactRole, AssembleContext, Assembly, Counts, Facts, Representation, UnitResult};
use crate::error::{Error, Result};
use crate::format::pmtiles::{Header, TileType, Writer};
use crate::format::tile_matrix::Tile;
use crate::io::Pack;
use std::collections::BTreeMap;
use std::path::Path;

/// Name of the archive of tiles.
pub const ARCHIVE: &str = "orthophoto.pmtiles";
const FOOTPRINTS: &str = "footprints.parquet";
const STAC: &str = "stac";
const PREVIEW: &str = "preview.jpg";

pub fn assemble(dataset: &Orthophoto, context: &AssembleContext<'_>) -> Result<Assembly> {
    let images = inspect::images(&context.results[INSPECT])?;
    let tiles: usize = context.results.iter().skip(RENDER).flatten().map(|result| number(result, "tiles")).sum();
    if images.is_empty() || tiles == 0 {
        return Err(Error::new("mk::orthophoto::empty", "no image can be used, so there are no tiles")
            .hint("the report lists each image with the reason why it was refused"));
    }
    let zooms = Zooms::of(&dataset.target, &images);
    let facts = facts(dataset, context, &images, zooms, tiles)?;
    let title = context.dataset.metadata.title.clone().unwrap_or_else(|| super::KIND.title.to_owned());
    let mut artefacts = Vec::new();
    let mut add = |path: &str, role, media_type: &str, format: &str, title: &str| {
        let (path, media_type, format) = (path.to_owned(), media_type.to_owned(), format.to_owned());
        artefacts.push(Artefact { path, audience: context.audience, role, media_type, format, title: title.to_owned() });
    };
    // The preview is drawn from the archive.
    if context.wants("pmtiles") || context.wants("preview") {
        let path = context.output.join(ARCHIVE);
        archive(&path, context, &title, facts.bbox_lonlat, zooms)?;
        if context.wants("preview") {
            let on_map = images.iter().fold(Bbox::EMPTY, |bbox, inspected| bbox.union(inspected.image.on_map));
            preview::write(&path, &context.output.join(PREVIEW), &dataset.target.matrix(), &on_map, zooms)?;
            add(PREVIEW, ArtefactRole::Preview, "image/jpeg", "JPEG", "Vorschaubild");
        }
        if context.wants("pmtiles") {
            add(ARCHIVE, ArtefactRole::Tiles, "application/vnd.pmtiles", "PMTiles 3 (JPEG)", "Kartenkacheln");
        } else {
            crate::io::atomic::remove_file(&path)?;
        }
    }
    if context.wants("parquet") {
        footprints::write(&context.output.join(FOOTPRINTS), &images, facts.crs, &context.area.grids)?;
        add(FOOTPRINTS, ArtefactRole::Index, "application/vnd.apache.parquet", "GeoParquet 1.1", "Bildübersicht mit Flugdatum");
    }
    if context.wants("stac") {
        stac_items::write(&context.output.join(STAC), context, &title, &images, &facts)?;
        add(STAC, ArtefactRole::Index, "application/json", "STAC 1.1", "STAC-Katalog der Bilder");
    }
    Ok(Assembly { artefacts, facts })
}

fn number(result: &UnitResult, name: &str) -> usize {
    result.outcome.summary[name].as_u64().map_or(0, |number| number as usize)
}

/// Streams the packs into the archive, in the order of the tiles' ids: zoom by zoom, and in each zoom the units along the Hilbert
/// curve, as each unit's tiles are one stretch of it.
fn archive(path: &Path, context: &AssembleContext<'_>, title: &str, bounds_lonlat: Bbox, zooms: Zooms) -> Result<()> {
    let mut metadata = serde_json::Map::new();
    metadata.insert("type".into(), "baselayer".into());
    metadata.insert("format".into(), "jpg".into());
    let header = Header {
        tile_type: TileType::Jpeg,
        min_zoom: zooms.min,
        max_zoom: zooms.max,
        bounds_lonlat,
        name: title.to_owned(),
        attribution: context.dataset.metadata.attribution.clone().unwrap_or_default(),
        metadata,
    };
    let mut writer = Writer::create(path, &header)?;
    let root: Vec<&UnitResult> = context.results[ROOT].iter().collect();
    copy(&mut writer, &root, zooms.min..zooms.overview())?;
    let overview = along_the_curve(&context.results[OVERVIEW])?;
    copy(&mut writer, &overview, zooms.overview().max(zooms.min)..zooms.block)?;
    let blocks = along_the_curve(&context.results[RENDER])?;
    copy(&mut writer, &blocks, zooms.block.max(zooms.min)..zooms.max + 1)?;
    writer.finish()?;
    Ok(())
}

fn along_the_curve(results: &[UnitResult]) -> Result<Vec<&UnitResult>> {
    let mut sorted = Vec::with_capacity(results.len());
    for result in results {
        sorted.push((result.key.parse::<Tile>()?.id(), result));
    }
    sorted.sort_by_key(|(id, _)| *id);
    Ok(sorted.into_iter().map(|(_, result)| result).collect())
}

fn copy(writer: &mut Writer, results: &[&UnitResult], zooms: std::ops::Range<u8>) -> Result<()> {
    for zoom in zooms {
        let prefix = format!("{zoom}/");
        for result in results {
            let mut pack: Pack = result.pack()?;
            let mut tiles: Vec<(u64, Tile)> = Vec::new();
            for name in pack.entries().keys().filter(|name| name.starts_with(&prefix)) {
                let tile: Tile = name.parse()?;
                tiles.push((tile.id(), tile));
            }
            tiles.sort_unstable_by_key(|(id, _)| *id);
            for (_, tile) in tiles {
                let bytes = pack.read(&tile.to_string())?;
                writer.add(tile.z, tile.x, tile.y, &bytes)?;
            }
        }
    }
    Ok(())
}

fn facts(
    dataset: &Orthophoto,
    context: &AssembleContext<'_>,
    images: &[Inspected<'_>],
    zooms: Zooms,
    tiles: usize,
) -> Result<Facts> {
    let crs = inspect::dataset_crs(images, context.area);
    let matrix = dataset.target.matrix();
    let (mut bbox, mut bbox_lonlat) = (Bbox::EMPTY, Bbox::EMPTY);
    let mut operations = BTreeMap::new();
    let mut counts = Counts::default();
    for inspected in images {
        let header = &inspected.image.header;
        bbox = bbox.union(header.bounds(&Operation::between(header.crs, crs, &context.area.grids)?)?);
        bbox_lonlat = bbox_lonlat.union(inspected.image.lonlat);
        if let std::collections::btree_map::Entry::Vacant(entry) = operations.entry(header.crs) {
            entry.insert(Operation::between(header.crs, matrix.crs, &context.area.grids)?.fact().clone());
        }
    }
    for result in &context.results[INSPECT] {
        counts.add(&result.outcome.counts);
    }
    let resolution = images.iter().map(|inspected| inspected.image.resolution_m).fold(f64::INFINITY, f64::min);
    let days: Vec<_> = images.iter().filter_map(|inspected| inspected.image.flight_date.as_ref()).collect();
    let dates = days.iter().min().zip(days.iter().max()).map(|(first, last)| (first.to_string(), last.to_string()));
    let undated = images.len() - days.len();
    let mut notes = vec![
        ("Bilder".to_owned(), images.len().to_string()),
        ("Kacheln".to_owned(), format!("{tiles} ({} Zoom {} bis {})", matrix.id, zooms.min, zooms.max)),
        ("Bodenauflösung".to_owned(), format!("{} m", german(resolution))),
    ];
    if undated > 0 {
        notes.push(("Bilder ohne Flugdatum".to_owned(), format!("{undated}; sie stehen nicht im STAC-Katalog")));
    }
    Ok(Facts {
        crs,
        vertical: None,
        bbox,
        bbox_lonlat,
        representation: Representation::Grid,
        resolution_m: Some(resolution),
        dates,
        counts,
        operations: operations.into_values().collect(),
        steps: steps(dataset, images, zooms),
        layers: Vec::new(),
        notes,
    })
}

/// What was done, for the record's lineage.
fn steps(dataset: &Orthophoto, images: &[Inspected<'_>], zooms: Zooms) -> Vec<String> {
    let crs: std::collections::BTreeSet<Crs> = images.iter().map(|inspected| inspected.image.header.crs).collect();
    let crs: Vec<String> = crs.into_iter().map(|crs| crs.to_string()).collect();
    let target = &dataset.target;
    let kernel = match target.resampling {
        super::Resampling::Bilinear => "bilinear",
        super::Resampling::Bicubic => "bikubisch",
    };
    vec![
        format!(
            "{} Orthophotos ({}) zu einem Mosaik gefügt; wo sich Bilder überlappen, gilt das jüngere, dann das feinere.",
            images.len(),
            crs.join(", ")
        ),
        format!("In {} umgeformt und {kernel} abgetastet; wo verkleinert wird, über die Fläche gemittelt.", target.matrix().crs),
        format!("Übersichten bis Zoom {} durch Mittelung von je vier Bildpunkten gebildet.", zooms.min),
        format!("Als JPEG der Qualität {} gespeichert; Flächen ohne Bild sind weiß.", target.quality),
    ]
}

/// A number with a decimal comma.
fn german(value: f64) -> String {
    value.to_string().replace('.', ",")
}
