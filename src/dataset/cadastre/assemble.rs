//! The artefacts from the current state, and what is said about them.

use super::files;
use super::history::{StateSummary, owners, products, store};
use super::quality_list;
use super::read::Summary;
use super::row::Row;
use super::tiles::LAYERS;
use super::{AREAS, Options, READ, STATE, TILES};
use crate::crs::{Bbox, Crs, Operation, OperationFact};
use crate::dataset::vector_tiles::{self, MapHeader};
use crate::dataset::{
    Artefact, ArtefactRole, AssembleContext, Assembly, Counts, Facts, Located, PortalLayer, Representation, UnitResult,
};
use crate::error::{Error, Place, Result};
use crate::io::atomic;
use crate::pipeline::Audience;

/// Name of the archive of vector tiles.
const PMTILES: &str = "cadastre.pmtiles";

/// Writes everything that is wanted.
pub fn assemble(options: &Options, context: &AssembleContext<'_>) -> Result<Assembly> {
    let state = state_of(context)?;
    let summary: StateSummary = serde_json::from_value(state.outcome.summary.clone())
        .map_err(|error| Error::new("mk::run::result", "the state is not as expected").because(error))?;
    let mut facts = facts(options, context, state, &summary)?;
    // One thread writes the archive of tiles, while the others write the tables.
    let (written, tiles) = rayon::join(
        || files::write(options, context, &summary),
        || if context.wants("pmtiles") { write_tiles(options, &facts, context) } else { Ok(0) },
    );
    let mut artefacts = written?;
    let areas = context.results.get(AREAS).map_or(&[][..], Vec::as_slice);
    if context.wants("qualitaet")
        && let Some(text) = quality_list::csv(areas)
    {
        atomic::write_new(&context.output.join("qualitaet.csv"), text.as_bytes())?;
        let list =
            context.artefact("qualitaet.csv", "text/csv", "CSV (UTF-8, Semikolon)", "Qualitätsliste des Liegenschaftskatasters");
        // For those who mend it.
        artefacts.push(Artefact { audience: Audience::Internal, ..list });
    }
    artefacts.extend(products(options, context, state, &summary)?);
    if tiles? > 0 {
        let title = "Liegenschaftskarte (Vektorkacheln)";
        let tiles = context.artefact(PMTILES, "application/vnd.pmtiles", "PMTiles 3 (Mapbox Vector Tiles)", title);
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

/// Joins the tiles of all blocks to one archive; gives their number.
fn write_tiles(options: &Options, facts: &Facts, context: &AssembleContext<'_>) -> Result<u64> {
    let results = context.results.get(TILES).map_or(&[][..], Vec::as_slice);
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
    let header = MapHeader {
        name: "Liegenschaftskataster",
        bounds_lonlat: facts.bbox_lonlat,
        attribution: context.dataset.metadata.attribution.as_deref(),
        layers,
    };
    vector_tiles::join(&context.output.join(PMTILES), results, &header)
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

fn facts(options: &Options, context: &AssembleContext<'_>, state: &UnitResult, summary: &StateSummary) -> Result<Facts> {
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
    let bbox_lonlat = crate::crs::lonlat(crs, bbox, &context.area.grids)?;
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
    let shown = store::cells(state)?.into_values().map(|cell| cell.shown);
    let apart = owners::summary(context.results).shown;
    let [objects, parcels, buildings] = shown.fold([0; 3], |sum, cell| std::array::from_fn(|index| sum[index] + cell[index]));
    let notes = vec![
        ("Objekte".to_owned(), (objects + apart).to_string()),
        ("Flurstücke".to_owned(), parcels.to_string()),
        ("Gebäude".to_owned(), buildings.to_string()),
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

/// The units that made an object, by its identifier or Flurstückskennzeichen.
pub fn locate(options: &Options, object: &str, context: &AssembleContext<'_>) -> Result<Vec<Located>> {
    let state = state_of(context)?;
    let oid = object.strip_suffix("FL").filter(|oid| oid.len() == 16).unwrap_or(object);
    let is_it = |row: &Row| {
        let key = || row.fields().text(&["flurstueckskennzeichen"]).as_deref() == Some(object);
        row.oid == oid || (*row.class == *"AX_Flurstueck" && row.attributes.contains(object) && key())
    };
    let mut found: Vec<Row> = Vec::new();
    store::each_cell(
        state,
        |entries| Ok(store::shown(entries, options, |_| true)?.into_iter().filter(is_it).collect::<Vec<_>>()),
        |rows| {
            found.extend(rows);
            Ok(())
        },
    )?;
    owners::each_shown(context.results, options, |rows| {
        found.extend(rows.into_iter().filter(is_it));
        Ok(())
    })?;
    let mut located = Vec::new();
    for row in &found {
        for result in context.results.get(READ).into_iter().flatten() {
            let ours = result.inputs.iter().any(|input| input.digest.to_string().starts_with(&*row.delivery));
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
