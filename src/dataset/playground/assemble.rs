//! The artefacts from the rows of all files and the feed of the release before, and what is said about them.

use super::feed::Feed;
use super::fold::{Folded, fold, key};
use super::model::{CONFLICT, DEVICE, GEOMETRY, SITE, table, text};
use super::options::Options;
use super::read::{CHANGE, Loaded, load};
use super::write::Writer;
use super::{KIND, PHOTOS, READ, enrich, photos, qfield};
use crate::crs::Bbox;
use crate::dataset::{
    Artefact, ArtefactRole, AssembleContext, Assembly, Counts, Facts, Located, PortalLayer, Representation, UnitResult,
};
use crate::error::Result;
use crate::io::atomic;
use crate::pipeline::Audience;

const GPKG: &str = "playground.gpkg";
const OFFICE: &str = "playground_intern.gpkg";
const PACKAGE: &str = "playground.qfield.zip";
const FEED: &str = "feed.jsonl";
const DUE: &str = "faellig.csv";
/// Tables for everybody, with the names of their files.
const PUBLIC: [(&str, &str, &str); 2] =
    [(SITE, "spielplaetze.geojson", "spielplatz.parquet"), (DEVICE, "spielgeraete.geojson", "spielgeraet.parquet")];

/// Writes everything that is wanted.
pub fn assemble(options: &Options, context: &AssembleContext<'_>) -> Result<Assembly> {
    let results = context.results.get(READ).map_or(&[][..], Vec::as_slice);
    let read = results.iter().map(|result| load(result).map(|(summary, loaded)| (result.key.clone(), summary, loaded)));
    let before = match context.before.and_then(|before| before.files.get(FEED)) {
        Some((path, _)) => Feed::read(path)?,
        None => Feed::default(),
    };
    let today = options.as_of.as_ref().and_then(|day| day.as_str().parse().ok()).unwrap_or(context.today);
    let mut folded = fold(options, &context.dataset.id, read.collect::<Result<Vec<_>>>()?, &before.live(), today)?;
    let pictures = photos::keep(&mut folded, context)?;
    let enriched = enrich::enrich(&mut folded, options, context)?;
    let (feed, changed) = before.advance(&folded.tables);
    let writer = Writer { options, folded: &folded, feed: &feed, grids: &context.area.grids, today };
    let title = context.dataset.metadata.title.clone().unwrap_or_else(|| KIND.title.to_owned());
    let mut artefacts = Vec::new();
    let output = |path: &str| context.output.join(path);
    let office = |artefact: Artefact| Artefact { audience: Audience::Internal, ..artefact };
    if context.wants("gpkg") {
        let public = context.audience == Audience::Public;
        writer.gpkg(&output(GPKG), public)?;
        let (kind, format) = ("application/geopackage+sqlite3", "GeoPackage 1.3");
        artefacts.push(context.artefact(GPKG, kind, format, &title));
        if public {
            writer.gpkg(&output(OFFICE), false)?;
            artefacts.push(office(context.artefact(OFFICE, kind, format, &format!("{title} mit Prüfungen und Mängeln"))));
        }
    }
    let mut offline = None;
    if context.wants("qfield") {
        let tables = context.scratch.join(OFFICE);
        writer.gpkg(&tables, false)?;
        offline = qfield::write(&output(PACKAGE), &writer, &tables, &title, context)?;
        let package = context.artefact(PACKAGE, "application/zip", "QField-Projekt (ZIP)", &format!("{title} für QField"));
        artefacts.push(office(package));
    }
    if context.wants("feed") {
        atomic::write_new(&output(FEED), feed.text()?.as_bytes())?;
        let feed = context.artefact(FEED, "application/jsonl", "JSON Lines", "Änderungen seit jedem Stand");
        artefacts.push(office(Artefact { role: ArtefactRole::Index, ..feed }));
    }
    let (list, red, yellow) = writer.due();
    if context.wants("csv") {
        atomic::write_new(&output(DUE), list.as_bytes())?;
        artefacts.push(office(context.artefact(DUE, "text/csv", "CSV (UTF-8, Semikolon)", "Fällige Prüfungen")));
    }
    for (name, geojson, parquet) in PUBLIC {
        let Some(table) = table(name).filter(|_| !rows(&folded, name).is_empty()) else { continue };
        if context.wants("geojson") {
            writer.geojson(table, &output(geojson))?;
            artefacts.push(context.artefact(geojson, "application/geo+json", "GeoJSON (RFC 7946)", table.title));
        }
        if context.wants("parquet") {
            writer.parquet(table, &output(parquet))?;
            artefacts.push(context.artefact(parquet, "application/vnd.apache.parquet", "GeoParquet 1.1", table.title));
        }
    }
    if pictures > 0 {
        artefacts.push(office(context.artefact(photos::FOLDER, "image/jpeg", "JPEG", "Fotos der Prüfungen und Mängel")));
    }
    if enriched.pictures {
        let pictures = context.artefact(enrich::PICTURES, "image/jpeg", "JPEG", "Luftbilder der Spielplätze");
        artefacts.push(office(pictures));
    }
    let delivered = context.results.get(PHOTOS).map_or(&[][..], Vec::as_slice);
    let mut facts = facts(context, results, delivered, &folded)?;
    facts.dates = writer.last_inspection().map(|last| (last.to_string(), last.to_string()));
    facts.layers = layers(&artefacts);
    facts.notes = notes(&folded, &feed, changed, [red, yellow]);
    facts.notes.extend((pictures > 0).then(|| ("Fotos".to_owned(), pictures.to_string())));
    facts.notes.extend(looked_up(&enriched, rows(&folded, SITE).len()));
    facts.notes.extend(offline.map(|taken| {
        let left = if taken.zoom < taken.finest { ", feinere passen nicht in `offline_mb`" } else { "" };
        let size = taken.bytes as f64 / f64::from(1 << 20);
        ("Luftbilder für QField".to_owned(), format!("{} Kacheln bis Zoom {}, {size:.1} MB{left}", taken.tiles, taken.zoom))
    }));
    Ok(Assembly { artefacts, facts })
}

fn rows<'f>(folded: &'f Folded, table: &str) -> Vec<&'f super::model::Row> {
    folded.tables.get(table).into_iter().flat_map(std::collections::BTreeMap::values).collect()
}

fn notes(folded: &Folded, feed: &Feed, changed: u64, [red, yellow]: [u64; 2]) -> Vec<(String, String)> {
    let count = |table: &str| rows(folded, table).len().to_string();
    let mut notes = vec![
        ("Spielplätze".to_owned(), count(SITE)),
        ("Spielgeräte".to_owned(), count(DEVICE)),
        ("Prüfungen überfällig".to_owned(), red.to_string()),
        ("Prüfungen bald fällig".to_owned(), yellow.to_string()),
        ("Hinweise".to_owned(), count(super::model::NOTE)),
        ("Änderungen im Feed".to_owned(), format!("{changed} (Stand {})", feed.last())),
    ];
    if folded.merged.applied + folded.merged.known + folded.merged.conflicts.len() as u64 > 0 {
        let text = format!("{} übernommen, {} schon bekannt", folded.merged.applied, folded.merged.known);
        notes.push(("Werte von draußen".to_owned(), text));
        notes.push(("Konflikte".to_owned(), count(CONFLICT)));
    }
    if folded.matched > 0 {
        notes.push(("Wiedererkannt unter neuer Kennung".to_owned(), folded.matched.to_string()));
    }
    if folded.terms[0] > 0 {
        let [all, known] = folded.terms;
        notes.push(("Einträge in Freitextlisten".to_owned(), format!("{all}, davon {known} einem Gerätetyp zugeordnet")));
    }
    notes
}

/// Names that the report lists.
const MOST_NAMES: usize = 10;

/// What other datasets knew about the sites.
fn looked_up(enriched: &enrich::Enriched, sites: usize) -> Vec<(String, String)> {
    let found = enriched.found.iter().map(|(what, count)| format!("{what} bei {count}")).collect::<Vec<_>>().join(", ");
    let mut notes = Vec::new();
    if !found.is_empty() {
        notes.push(("Aus anderen Datensätzen".to_owned(), format!("{found} von {sites} Plätzen")));
    }
    if !enriched.outside.is_empty() {
        let more = if enriched.outside.len() > MOST_NAMES { " …" } else { "" };
        let names = enriched.outside.iter().take(MOST_NAMES).map(String::as_str).collect::<Vec<_>>().join(", ");
        notes.push(("In keinem Flurstück".to_owned(), format!("{}: {names}{more}", enriched.outside.len())));
    }
    notes
}

fn facts(context: &AssembleContext<'_>, results: &[UnitResult], photos: &[UnitResult], folded: &Folded) -> Result<Facts> {
    let mut counts = Counts::default();
    for result in results.iter().chain(photos) {
        counts.add(&result.outcome.counts);
    }
    // Changes and photos are nothing that a record for the public tells.
    counts.0.retain(|name, _| name != CHANGE && name != super::model::PHOTO);
    let bbox = results.iter().filter_map(|result| result.outcome.bbox).fold(Bbox::EMPTY, Bbox::union);
    let bbox = if bbox.is_empty() { Bbox::new([0.0; 2], [0.0; 2]) } else { bbox };
    let mut steps = vec!["Bestand eingelesen; Werte und Geometrien geprüft.".to_owned()];
    if !folded.operations.is_empty() {
        steps.push(format!("Koordinaten nach {} umgerechnet.", folded.crs));
    }
    Ok(Facts {
        crs: folded.crs,
        vertical: None,
        bbox,
        bbox_lonlat: crate::crs::lonlat(folded.crs, bbox, &context.area.grids)?,
        representation: Representation::Vector,
        resolution_m: None,
        dates: None,
        counts,
        operations: folded.operations.clone(),
        steps,
        layers: Vec::new(),
        notes: Vec::new(),
    })
}

/// For portals: sites and equipment.
fn layers(artefacts: &[Artefact]) -> Vec<PortalLayer> {
    let made = |path: &str| artefacts.iter().any(|artefact| artefact.path == path);
    let layer = |(name, path, _): (&str, &str, &str)| {
        let table = table(name).filter(|_| made(path))?;
        let shown = table.columns.iter().filter(|column| column.public && !column.name.ends_with("uuid"));
        Some(PortalLayer {
            name: name.to_owned(),
            title: table.title.to_owned(),
            typ: "GeoJSON".to_owned(),
            path: path.to_owned(),
            attributes: shown.map(|column| (column.name.to_owned(), column.title.to_owned())).collect(),
            extra: serde_json::Map::new(),
        })
    };
    PUBLIC.into_iter().filter_map(layer).collect()
}

/// The files that told of an object, by its key or its UUID.
pub fn locate(object: &str, context: &AssembleContext<'_>) -> Result<Vec<Located>> {
    let mut located = Vec::new();
    for result in context.results.get(READ).into_iter().flatten() {
        let whats: Vec<String> = match load(result)?.1 {
            Loaded::Rows(table, stored) => stored
                .iter()
                .filter(|stored| key(table.name, &stored.values) == object || text(&stored.values, "uuid") == Some(object))
                .map(|stored| format!("the row of the table {} stands in {}", table.name, stored.at))
                .collect(),
            Loaded::Changes(changes) => changes
                .iter()
                .filter(|change| {
                    change.keys.iter().any(|key| key == object)
                        || [&change.old, &change.new].iter().any(|side| text(side, "uuid") == Some(object))
                })
                .map(|change| {
                    let place = if change.new.contains_key(GEOMETRY) { ", its place too" } else { "" };
                    format!("change {} of the field is about it{place}", change.id)
                })
                .collect(),
        };
        located.extend(whats.into_iter().map(|what| Located { stage: READ, key: result.key.clone(), what }));
    }
    Ok(located)
}
