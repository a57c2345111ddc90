//! What the history is published as, for the office: tables of versions and lineage, cards, changes, receipts.

use super::chain::Delivery;
use super::lineage::{self, Edge};
use super::parcels::{self, Version};
use super::store::{self, StateSummary};
use super::{Options, card, changes, receipt};
use crate::dataset::cadastre::nas::{Mode, Root};
use crate::dataset::cadastre::row::Row;
use crate::dataset::{Artefact, ArtefactRole, AssembleContext, UnitResult};
use crate::error::{Error, Place, Result};
use crate::pipeline::Audience;
use std::collections::{BTreeMap, BTreeSet};

/// File with the versions of parcels, sorted by Kennzeichen.
pub const TABLE: &str = "flurstueck_hist.parquet";
/// File with what came of what.
const LINEAGE: &str = "flurstueck_lineage.parquet";
/// Folder with the history cards.
const CARDS: &str = "historie";
/// File with the changes between two dates.
const CHANGES: &str = "aenderungen.gpkg";
/// Folder with the receipts.
const RECEIPTS: &str = "quittierung";

/// Writes everything that is asked for and wanted.
///
/// # Errors
/// When the state cannot be read or a file not be written.
pub fn products(
    options: &Options,
    context: &AssembleContext<'_>,
    state: &UnitResult,
    summary: &StateSummary,
) -> Result<Vec<Artefact>> {
    let mut artefacts = Vec::new();
    let deliveries = store::deliveries(state)?;
    let table = context.wants("parquet") || context.wants("historie");
    if options.history && table {
        let (versions, edges) = history(state, &deliveries)?;
        lineage::write(&context.output.join(LINEAGE), &edges)?;
        artefacts.push(artefact(LINEAGE, "application/vnd.apache.parquet", "Parquet", "Flurstücke: Vorgänger und Nachfolger"));
        if context.wants("historie") {
            write_cards(&versions, context)?;
            artefacts.push(artefact(CARDS, "text/html", "HTML", "Flurstücke: Historienkarten"));
        }
        parcels::write(&context.output.join(TABLE), versions, summary.crs)?;
        artefacts.push(artefact(TABLE, "application/vnd.apache.parquet", "GeoParquet 1.1", "Flurstücke: alle Fassungen"));
    }
    if let Some(period) = options.changes.as_ref().filter(|_| context.wants("aenderungen")) {
        changes::write(&context.output.join(CHANGES), state, options, period, summary.crs)?;
        let title = format!("Änderungen vom {} bis {}", period.from.date(), period.to.date());
        artefacts.push(artefact(CHANGES, "application/geopackage+sqlite3", "GeoPackage 1.3", &title));
    }
    if context.wants("quittierung") && write_receipts(&deliveries, state, context)? > 0 {
        artefacts.push(artefact(RECEIPTS, "application/xml", "NAS", "Quittierungen der NBA-Portionen"));
    }
    Ok(artefacts)
}

/// Only the office sees what was: who wants to publish it says so elsewhere.
fn artefact(path: &str, media_type: &str, format: &str, title: &str) -> Artefact {
    Artefact {
        path: path.to_owned(),
        audience: Audience::Internal,
        role: ArtefactRole::Data,
        media_type: media_type.to_owned(),
        format: format.to_owned(),
        title: title.to_owned(),
    }
}

/// The versions of all parcels in the order of their table, and the lineage.
fn history(state: &UnitResult, deliveries: &[Delivery]) -> Result<(Vec<Version>, Vec<Edge>)> {
    let key_dates: BTreeSet<String> = deliveries
        .iter()
        .filter(|delivery| delivery.header.mode == Some(Mode::KeyDate))
        .map(|delivery| delivery.source.to_string()[..16].to_owned())
        .collect();
    let (mut versions, mut stated) = (Vec::new(), Vec::new());
    store::each_parcel(state, |row: Row| {
        stated.extend(lineage::stated(&row));
        versions.extend(Version::of(row, &key_dates));
        Ok(())
    })?;
    let edges = lineage::all(stated, lineage::inferred(&versions));
    parcels::arrange(&mut versions, &edges);
    Ok((versions, edges))
}

/// A page for each Flur, with the cards of its parcels.
fn write_cards(versions: &[Version], context: &AssembleContext<'_>) -> Result<()> {
    let folder = context.output.join(CARDS);
    crate::io::atomic::create_dir_all(&folder)?;
    for flur in versions.chunk_by(|a, b| card::file_of(&a.key) == card::file_of(&b.key)) {
        let Some(first) = flur.first() else { continue };
        let title = format!("Flurstückshistorie, Flur {}", first.key.get(..9).unwrap_or_default());
        write_text(&folder.join(card::file_of(&first.key)), &card::pages(&title, flur))?;
    }
    Ok(())
}

/// Receipts of the portions that were taken over, and of those that were not, with the reason.
fn write_receipts(deliveries: &[Delivery], state: &UnitResult, context: &AssembleContext<'_>) -> Result<usize> {
    let sources: BTreeMap<&str, _> = context.sources.iter().map(|source| (source.name.as_str(), source)).collect();
    let faults: BTreeMap<&str, &str> =
        state.outcome.rejections.iter().filter_map(|fault| Some((fault.place.file.as_deref()?, fault.reason.as_str()))).collect();
    let read = store::read_deliveries(context.results)?;
    let folder = context.output.join(RECEIPTS);
    let mut count = 0;
    for delivery in read.iter().filter(|delivery| delivery.root == Root::Changes) {
        let fault = faults.get(delivery.name.as_str()).copied();
        let applied = deliveries.iter().any(|applied| applied.name == delivery.name);
        let Some(source) = sources.get(delivery.name.as_str()).filter(|_| applied || fault.is_some()) else { continue };
        if let Some((name, text)) = receipt::receipt(delivery, fault, source)? {
            crate::io::atomic::create_dir_all(&folder)?;
            write_text(&folder.join(name), &text)?;
            count += 1;
        }
    }
    Ok(count)
}

fn write_text(path: &std::path::Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|error| {
        Error::new("mk::cadastre::history", "cannot write a file of the history")
            .at(Place::file(path.display().to_string()))
            .because(error)
    })
}
