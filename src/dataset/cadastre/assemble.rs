//! The artefacts from the current state: one Parquet file per table, the GeoPackage.

use super::address_files;
use super::areas::PIECES;
use super::history::{StateSummary, current_rows, products};
use super::preview;
use super::quality_list;
use super::read::Summary;
use super::row::{Row, from_ipc};
use super::tables::{GEOMETRY, Table, tables};
use super::tiles::LAYERS;
use super::{AREAS, Options, READ, STATE, TILES};
use crate::crs::{Bbox, Crs, Operation, OperationFact};
use crate::dataset::{
    Artefact, ArtefactRole, AssembleContext, Assembly, Counts, Facts, Located, PortalLayer, Representation, UnitResult,
};
use crate::error::{Error, Place, Result};
use crate::format::flatgeobuf;
use crate::format::geoparquet::{self, sorted};
use crate::format::gpkg::{Geopackage, Layer};
use crate::format::pmtiles;
use crate::io::atomic;
use crate::pipeline::Audience;
use rayon::prelude::*;

/// Name of the GeoPackage.
const GPKG: &str = "cadastre.gpkg";
/// Name of the archive of vector tiles.
const PMTILES: &str = "cadastre.pmtiles";

/// Writes everything that is wanted.
pub fn assemble(options: &Options, context: &AssembleContext<'_>) -> Result<Assembly> {
    let state = state_of(context)?;
    let summary: StateSummary = serde_json::from_value(state.outcome.summary.clone())
        .map_err(|error| Error::new("mk::run::result", "the state is not as expected").because(error))?;
    let rows = current_rows(state, options)?;
    let crs = summary.crs;
    let mut artefacts = Vec::new();
    if ["parquet", "gpkg", "fgb", "csv", "suche", "preview"].iter().any(|name| context.wants(name)) {
        let mut tables = tables(&rows, &pieces(context)?)?;
        tables.par_iter_mut().try_for_each(|table| {
            table.batch = sorted(&table.batch, GEOMETRY)?;
            Ok::<(), Error>(())
        })?;
        // The GeoPackage has one writer, which takes as long as all the others.
        let (gpkg, files) = rayon::join(
            || if context.wants("gpkg") { write_gpkg(&tables, &summary, context).map(Some) } else { Ok(None) },
            || tables.par_iter().map(|table| write_table(table, crs, context)).collect::<Result<Vec<_>>>(),
        );
        artefacts.extend(files?.into_iter().flatten());
        artefacts.extend(gpkg?);
        if context.wants("preview")
            && let Some(bytes) = preview::png(&tables)?
        {
            atomic::write_new(&context.output.join("preview.png"), &bytes)?;
            let picture = artefact(context, "preview.png", "image/png", "PNG", "Übersicht");
            artefacts.push(Artefact { role: ArtefactRole::Preview, ..picture });
        }
        if let Some(table) = tables.iter().find(|table| table.file == "adresse") {
            artefacts.extend(write_addresses(table, crs, context)?);
        }
    }
    let areas = context.results.get(AREAS).map_or(&[][..], Vec::as_slice);
    if context.wants("qualitaet")
        && let Some(text) = quality_list::csv(areas)
    {
        atomic::write_new(&context.output.join("qualitaet.csv"), text.as_bytes())?;
        let list =
            artefact(context, "qualitaet.csv", "text/csv", "CSV (UTF-8, Semikolon)", "Qualitätsliste des Liegenschaftskatasters");
        // For those who mend it.
        artefacts.push(Artefact { audience: Audience::Internal, ..list });
    }
    artefacts.extend(products(options, context, state, &summary)?);
    let mut facts = facts(options, context, state, &summary, &rows)?;
    if context.wants("pmtiles") && write_tiles(options, &facts, context)? > 0 {
        let title = "Liegenschaftskarte (Vektorkacheln)";
        let tiles = artefact(context, PMTILES, "application/vnd.pmtiles", "PMTiles 3 (Mapbox Vector Tiles)", title);
        artefacts.push(Artefact { role: ArtefactRole::Tiles, ..tiles });
        let steps = format!("Ableitung von Vektorkacheln der Zoomstufen {} bis {}.", options.zoom[0], options.zoom[1]);
        facts.steps.push(steps);
        facts.layers.push(portal_layer());
        let operation = Operation::between(facts.crs, Crs::WEB_MERCATOR, &context.area.grids)?.fact().clone();
        if !facts.operations.contains(&operation) {
            facts.operations.push(operation);
        }
    }
    Ok(Assembly { artefacts, facts })
}

fn state_of<'c>(context: &'c AssembleContext<'_>) -> Result<&'c UnitResult> {
    context.results.get(STATE).and_then(|results| results.first()).ok_or_else(|| {
        Error::new("mk::cadastre::empty", "no delivery could be read: there is nothing to publish")
            .hint("the report lists each delivery with its reason")
    })
}

/// The pieces of land use of all blocks, by block.
fn pieces(context: &AssembleContext<'_>) -> Result<Vec<Row>> {
    let mut pieces = Vec::new();
    for result in context.results.get(AREAS).into_iter().flatten() {
        let mut pack = result.pack()?;
        if pack.entries().contains_key(PIECES) {
            pieces.append(&mut from_ipc(&pack.read(PIECES)?)?);
        }
    }
    Ok(pieces)
}

fn artefact(context: &AssembleContext<'_>, path: &str, media_type: &str, format: &str, title: &str) -> Artefact {
    Artefact {
        path: path.to_owned(),
        audience: context.audience,
        role: ArtefactRole::Data,
        media_type: media_type.to_owned(),
        format: format.to_owned(),
        title: title.to_owned(),
    }
}

/// The files of one table: GeoParquet always, FlatGeobuf where rows have a place.
fn write_table(table: &Table, crs: Option<Crs>, context: &AssembleContext<'_>) -> Result<Vec<Artefact>> {
    let mut artefacts = Vec::new();
    if context.wants("parquet") {
        let path = format!("{}.parquet", table.file);
        let options = geoparquet::Options::new(GEOMETRY, crs);
        geoparquet::write_file(&context.output.join(&path), &table.batch.schema(), std::slice::from_ref(&table.batch), &options)?;
        artefacts.push(artefact(context, &path, "application/vnd.apache.parquet", "GeoParquet 1.1", table.title));
    }
    let placed = table.batch.column_by_name(GEOMETRY).is_some_and(|column| column.null_count() < column.len());
    if context.wants("fgb") && placed {
        let path = format!("{}.fgb", table.file);
        let options = flatgeobuf::Options {
            name: table.name,
            title: table.title,
            geometry: GEOMETRY,
            geometry_type: table.geometry_type,
            crs,
        };
        flatgeobuf::write_file(&context.output.join(&path), &table.batch, &options)?;
        artefacts.push(artefact(context, &path, "application/vnd.flatgeobuf", "FlatGeobuf 3", table.title));
    }
    Ok(artefacts)
}

/// Addresses as CSV and as an index to search.
fn write_addresses(table: &Table, crs: Option<Crs>, context: &AssembleContext<'_>) -> Result<Vec<Artefact>> {
    let mut artefacts = Vec::new();
    if context.wants("csv") {
        atomic::write_new(&context.output.join("adresse.csv"), address_files::csv(table).as_bytes())?;
        artefacts.push(artefact(context, "adresse.csv", "text/csv", "CSV (UTF-8, Semikolon)", table.title));
    }
    if context.wants("suche") {
        for (path, bytes) in address_files::search_index(table, crs)? {
            let path = context.output.join("suche").join(path);
            if let Some(folder) = path.parent() {
                atomic::create_dir_all(folder)?;
            }
            atomic::write_new(&path, &bytes)?;
        }
        let index = artefact(context, "suche", "application/json", "JSON", "Suchindex der Adressen");
        artefacts.push(Artefact { role: ArtefactRole::Index, ..index });
    }
    Ok(artefacts)
}

fn write_gpkg(tables: &[Table], summary: &StateSummary, context: &AssembleContext<'_>) -> Result<Artefact> {
    let change = last_change(summary);
    let mut file = Geopackage::create(&context.output.join(GPKG), &change)?;
    for table in tables {
        let layer = Layer {
            name: table.name,
            title: table.title,
            geometry: Some(GEOMETRY),
            geometry_type: table.geometry_type,
            crs: summary.crs,
        };
        file.add(&layer, &table.batch.schema(), std::slice::from_ref(&table.batch))?;
    }
    file.finish()?;
    let title = "Liegenschaftskataster (alle Tabellen)";
    Ok(artefact(context, GPKG, "application/geopackage+sqlite3", "GeoPackage 1.3", title))
}

/// Joins the tiles of all blocks to one archive; gives their number.
fn write_tiles(options: &Options, facts: &Facts, context: &AssembleContext<'_>) -> Result<u64> {
    let results = context.results.get(TILES).map_or(&[][..], Vec::as_slice);
    let mut tiles = Vec::new();
    for (index, result) in results.iter().enumerate() {
        for name in result.pack()?.entries().keys() {
            let mut parts = name.split('/').map(str::parse::<u32>);
            if let (Some(Ok(z)), Some(Ok(x)), Some(Ok(y))) = (parts.next(), parts.next(), parts.next()) {
                let z = u8::try_from(z).unwrap_or(u8::MAX);
                tiles.push((pmtiles::tile_id(z, x, y)?, index, z, x, y));
            }
        }
    }
    if tiles.is_empty() {
        return Ok(0);
    }
    tiles.sort_unstable();
    let [low, high] = options.zoom;
    let shown = LAYERS.iter().filter(|layer| layer.low_zoom <= high);
    let layers: Vec<serde_json::Value> = shown
        .map(|layer| {
            let kind = |number: bool| serde_json::Value::from(if number { "Number" } else { "String" });
            let fields: serde_json::Map<_, _> =
                layer.fields.iter().map(|(name, number)| ((*name).to_owned(), kind(*number))).collect();
            serde_json::json!({
                "id": layer.name, "description": layer.title, "minzoom": layer.low_zoom.max(low), "maxzoom": high, "fields": fields
            })
        })
        .collect();
    let header = pmtiles::Header {
        tile_type: pmtiles::TileType::Mvt,
        min_zoom: tiles[0].2,
        max_zoom: tiles[tiles.len() - 1].2,
        bounds_lonlat: facts.bbox_lonlat,
        name: "Liegenschaftskataster".to_owned(),
        attribution: context.dataset.metadata.attribution.clone().unwrap_or_default(),
        metadata: serde_json::Map::from_iter([("vector_layers".to_owned(), layers.into())]),
    };
    let mut writer = pmtiles::Writer::create(&context.output.join(PMTILES), &header)?;
    let mut packs = results.iter().map(UnitResult::pack).collect::<Result<Vec<_>>>()?;
    for (_, index, z, x, y) in tiles {
        let bytes = packs[index].read(&format!("{z}/{x}/{y}"))?;
        writer.add(z, x, y, &bytes)?;
    }
    let count = writer.count();
    writer.finish()?;
    Ok(count)
}

/// The map for portals that read PMTiles.
fn portal_layer() -> PortalLayer {
    let names =
        LAYERS.iter().map(|layer| serde_json::json!({ "id": layer.name, "title": layer.title, "minzoom": layer.low_zoom }));
    PortalLayer {
        name: "liegenschaftskarte".to_owned(),
        title: "Liegenschaftskarte".to_owned(),
        typ: "PMTiles".to_owned(),
        path: PMTILES.to_owned(),
        attributes: [
            ("flstkennz", "Flurstückskennzeichen"),
            ("flur", "Flur"),
            ("flaeche", "Amtliche Fläche (m²)"),
            ("gebnutzbez", "Objektart"),
            ("funktion", "Funktion"),
            ("nutzart", "Nutzung"),
            ("bez", "Bezeichnung"),
            ("name", "Name"),
        ]
        .map(|(name, title)| (name.to_owned(), title.to_owned()))
        .to_vec(),
        extra: serde_json::Map::from_iter([("layers".to_owned(), names.collect())]),
    }
}

/// The moment that the content holds for, as a GeoPackage writes it: that of the last delivery, else the last version's begin.
fn last_change(summary: &StateSummary) -> String {
    let moment = summary.until.clone().or_else(|| summary.begins.clone().map(|(_, last)| last)).unwrap_or_default();
    let date = moment.get(..10).unwrap_or("1970-01-01");
    let time = moment.get(11..19).filter(|time| time.as_bytes()[2] == b':').unwrap_or("00:00:00");
    format!("{date}T{time}.000Z")
}

fn facts(
    options: &Options,
    context: &AssembleContext<'_>,
    state: &UnitResult,
    summary: &StateSummary,
    rows: &[Row],
) -> Result<Facts> {
    let mut counts = Counts::default();
    let mut operations: Vec<OperationFact> = Vec::new();
    for result in context.results.get(READ).into_iter().flatten() {
        counts.add(&result.outcome.counts);
        if let Ok(summary) = serde_json::from_value::<Summary>(result.outcome.summary.clone()) {
            operations.extend(summary.operations);
        }
    }
    operations.sort_by_key(|operation| (operation.from, operation.to));
    operations.dedup();
    let crs = summary.crs.unwrap_or(Crs::UTM32);
    let bbox = state.outcome.bbox.unwrap_or(Bbox::new([0.0; 2], [0.0; 2]));
    let bbox_lonlat = lonlat(crs, bbox, context)?;
    let total = counts.total();
    let owners = if options.owners {
        "Eigentümerangaben sind enthalten; die Daten sind nur für den internen Gebrauch bestimmt.".to_owned()
    } else {
        format!(
            "{} Objekte mit personenbezogenen Daten wurden beim Lesen verworfen, bevor sie ausgewertet wurden.",
            total.dropped_private
        )
    };
    let steps = vec![
        format!("Einlesen von {} NAS-Lieferungen (GeoInfoDok 6.0 und 7.1).", context.results.get(READ).map_or(0, Vec::len)),
        owners,
        format!("Kreisbögen wurden mit höchstens {} mm Abweichung durch Linien ersetzt.", options.arc_tolerance_m * 1000.0),
        "Bestand und Änderungen wurden in der Reihenfolge der Lieferungen zum aktuellen Stand zusammengeführt.".to_owned(),
        "Ableitung der Tabellen nach dem Schema ALKIS vereinfacht 2.0 der AdV.".to_owned(),
    ];
    let dates = summary.begins.as_ref().map(|(first, last)| {
        let date = |moment: &str| moment.get(..10).unwrap_or(moment).to_owned();
        (date(first), date(summary.until.as_deref().unwrap_or(last).max(last)))
    });
    let notes = vec![
        ("Objekte".to_owned(), rows.len().to_string()),
        ("Flurstücke".to_owned(), rows.iter().filter(|row| row.class == "AX_Flurstueck").count().to_string()),
        ("Gebäude".to_owned(), rows.iter().filter(|row| row.class == "AX_Gebaeude").count().to_string()),
    ];
    Ok(Facts {
        crs,
        vertical: None,
        bbox,
        bbox_lonlat,
        representation: Representation::Vector,
        resolution_m: None,
        dates,
        counts,
        operations,
        steps,
        layers: Vec::new(),
        notes,
    })
}

/// The extent in longitude and latitude: of points along its border, which bend on the way.
fn lonlat(crs: Crs, bbox: Bbox, context: &AssembleContext<'_>) -> Result<Bbox> {
    let mut points = Vec::new();
    for step in 0..=8 {
        let part = f64::from(step) / 8.0;
        let (x, y) = (bbox.min[0] + bbox.width() * part, bbox.min[1] + bbox.height() * part);
        points.extend([[x, bbox.min[1]], [x, bbox.max[1]], [bbox.min[0], y], [bbox.max[0], y]]);
    }
    Operation::between(crs, Crs::WGS84, &context.area.grids)?.forward(&mut points)?;
    Ok(Bbox::around(points))
}

/// The units that made an object, by its identifier or Flurstückskennzeichen.
pub fn locate(options: &Options, object: &str, context: &AssembleContext<'_>) -> Result<Vec<Located>> {
    let state = state_of(context)?;
    let rows = current_rows(state, options)?;
    let oid = object.strip_suffix("FL").filter(|oid| oid.len() == 16).unwrap_or(object);
    let found: Vec<&Row> = rows
        .iter()
        .filter(|row| {
            row.oid == oid
                || (row.class == "AX_Flurstueck"
                    && row.properties().get("flurstueckskennzeichen").and_then(serde_json::Value::as_str) == Some(object))
        })
        .collect();
    let mut located = Vec::new();
    for row in found {
        for result in context.results.get(READ).into_iter().flatten() {
            let ours = result.inputs.iter().any(|input| input.digest.to_string().starts_with(&row.delivery));
            if ours {
                let place = Place::file(result.key.clone()).byte(row.byte).object(&row.oid);
                let what = format!("{} {} valid from {} was read from {place}", row.class, row.oid, row.beginnt);
                located.push(Located { stage: READ, key: result.key.clone(), what });
            }
        }
        let what = format!("{} {} is current after all deliveries were applied in their order", row.class, row.oid);
        located.push(Located { stage: STATE, key: state.key.clone(), what });
    }
    Ok(located)
}
