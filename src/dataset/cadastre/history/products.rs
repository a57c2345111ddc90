//! What the history is published as, for the office: tables of versions and lineage, cards, changes, receipts.

use super::chain::Delivery;
use super::lineage::{self, Edge, Ground};
use super::parcels::{self, Kin, Version};
use super::spill::Spill;
use super::state::read_deliveries;
use super::store::{self, StateSummary};
use super::{Options, bookings, card, changes, fold, receipt};
use crate::crs::Crs;
use crate::dataset::cadastre::READ;
use crate::dataset::cadastre::nas::{Mode, Root};
use crate::dataset::cadastre::row::{Row, from_ipc};
use crate::dataset::{Artefact, ArtefactRole, AssembleContext, UnitResult};
use crate::error::{Error, Place, Rejection, Result};
use crate::pipeline::Audience;
use rayon::prelude::*;
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
/// Bytes of versions on their way to their Flure that are kept in memory.
const ROWS_IN_MEMORY: usize = 24 << 20;
/// Flure whose cards are made at once.
const AT_ONCE: usize = 8;

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
        let (mut flure, edges) = history(state, context)?;
        lineage::write(&context.output.join(LINEAGE), &edges)?;
        artefacts.push(artefact(LINEAGE, "application/vnd.apache.parquet", "Parquet", "Flurstücke: Vorgänger und Nachfolger"));
        write_parcels(&mut flure, &Kin::of(&edges), &deliveries, summary.crs, context)?;
        if context.wants("historie") {
            artefacts.push(artefact(CARDS, "text/html", "HTML", "Flurstücke: Historienkarten"));
        }
        artefacts.push(artefact(TABLE, "application/vnd.apache.parquet", "GeoParquet 1.1", "Flurstücke: alle Fassungen"));
    }
    if options.owners && context.wants("parquet") {
        bookings::write(&context.output.join(bookings::FILE), options, context.results)?;
        let title = "Flurstücke: Buchungsstellen im Grundbuch";
        artefacts.push(artefact(bookings::FILE, "application/vnd.apache.parquet", "Parquet", title));
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

/// The versions of all parcels by their Flur, and the lineage.
fn history(state: &UnitResult, context: &AssembleContext<'_>) -> Result<(Spill<String>, Vec<Edge>)> {
    let mut flure = Spill::new(context.scratch, ROWS_IN_MEMORY);
    let (mut stated, mut ground) = (Vec::new(), Ground::default());
    // By which deliveries a version came does not matter for what came of what.
    let version = |row: &Row| Version::of(row.clone(), &BTreeSet::new());
    store::each_cell_of_parcels(
        state,
        |entries| {
            let mut rows = Vec::new();
            for bytes in entries {
                rows.append(&mut from_ipc(bytes)?);
            }
            let stated: Vec<Edge> = rows.iter().flat_map(lineage::stated).collect();
            // The rows of an object follow each other. One that has held ever since tells nothing of others.
            let lives =
                rows.chunk_by(|a, b| a.oid == b.oid).filter(|life| life.len() > 1 || life.iter().any(|row| row.endet.is_some()));
            let shown = Ground::of(&lives.flatten().filter_map(version).collect::<Vec<_>>());
            let flur = |row: Row| {
                let key = row.fields().text(&["flurstueckskennzeichen"])?.into_owned();
                Some((card::file_of(&key), row))
            };
            Ok((stated, shown, rows.into_iter().filter_map(flur).collect::<Vec<_>>()))
        },
        |(said, shown, rows)| {
            stated.extend(said);
            ground.add(shown);
            rows.into_iter().try_for_each(|(flur, row)| flure.add(flur, 0, row))
        },
    )?;
    let (heirs, mut found) = (ground.settle(), Vec::new());
    if heirs.are_any() {
        store::each_cell_of_parcels(
            state,
            |entries| {
                let rows = entries.into_iter().map(from_ipc).collect::<Result<Vec<_>>>()?;
                heirs.among(&rows.iter().flatten().filter_map(version).collect::<Vec<_>>())
            },
            |some| {
                found.extend(some);
                Ok(())
            },
        )?;
    }
    Ok((flure, lineage::all(stated, &heirs.into_edges(found))))
}

/// The table of all versions, and where it is wanted a page for each Flur with the cards of its parcels.
fn write_parcels(
    flure: &mut Spill<String>,
    kin: &Kin<'_>,
    deliveries: &[Delivery],
    crs: Option<Crs>,
    context: &AssembleContext<'_>,
) -> Result<()> {
    let key_dates: BTreeSet<String> = deliveries
        .iter()
        .filter(|delivery| delivery.header.mode == Some(Mode::KeyDate))
        .map(|delivery| delivery.source.to_string()[..16].to_owned())
        .collect();
    let cards = context.wants("historie").then(|| context.output.join(CARDS));
    cards.as_deref().map_or(Ok(()), crate::io::atomic::create_dir_all)?;
    let mut table = parcels::Writer::create(&context.output.join(TABLE), crs)?;
    for some in flure.cells().chunks(AT_ONCE) {
        let rows = some.iter().map(|flur| Ok((flur, flure.take(flur)?))).collect::<Result<Vec<_>>>()?;
        let made = rows.into_par_iter().map(|(flur, rows)| {
            let rows = rows.rows()?.into_iter();
            let mut versions: Vec<Version> = rows.filter_map(|(_, row)| Version::of(*row, &key_dates)).collect();
            kin.arrange(&mut versions);
            if let (Some(folder), Some(first)) = (&cards, versions.first())
                && !context.kept.is_kept(&format!("{CARDS}/{flur}"), [&parcels::digest(&versions).as_bytes()[..]])
            {
                let title = format!("Flurstückshistorie, Flur {}", first.key.get(..9).unwrap_or_default());
                write_text(&folder.join(flur), &card::pages(&title, &versions))?;
            }
            Ok(versions)
        });
        for versions in made.collect::<Result<Vec<_>>>()? {
            table.write(versions)?;
        }
    }
    table.finish()
}

/// Why deliveries were not taken over, or not wholly, by their names: as a whole; objects that were rejected; changes that name nothing.
fn faults(state: &UnitResult, read: &[UnitResult]) -> BTreeMap<String, String> {
    let mut faults: BTreeMap<String, String> = BTreeMap::new();
    for fault in &state.outcome.rejections {
        if let Some(file) = &fault.place.file {
            faults.insert(file.clone(), fault.reason.clone());
        }
    }
    let mut partly = |file: &str, lost: Vec<&Rejection>, what: &str| {
        if let Some(first) = lost.first() {
            let told = || format!("{what}: {}; {}: {}", lost.len(), first.place.object.as_deref().unwrap_or("?"), first.reason);
            faults.entry(file.to_owned()).or_insert_with(told);
        }
    };
    for result in read {
        partly(&result.key, result.outcome.rejections.iter().collect(), "Objekte abgewiesen");
        let of_file = state.outcome.findings.iter().filter(|odd| odd.place.file.as_deref() == Some(&*result.key));
        let lost = of_file.filter(|odd| fold::IS_NOT_APPLIED.contains(&odd.code.as_str()));
        partly(&result.key, lost.collect(), "Änderungen nicht übernommen");
    }
    faults
}

/// Receipts of the portions that were taken over, and of those that were not, with the reason.
fn write_receipts(deliveries: &[Delivery], state: &UnitResult, context: &AssembleContext<'_>) -> Result<usize> {
    let sources: BTreeMap<&str, _> = context.sources.iter().map(|source| (source.name.as_str(), source)).collect();
    let faults = faults(state, context.results.get(READ).map_or(&[][..], Vec::as_slice));
    let read = read_deliveries(context.results)?;
    let folder = context.output.join(RECEIPTS);
    let mut count = 0;
    for delivery in read.iter().filter(|delivery| delivery.root == Root::Changes) {
        let fault = faults.get(delivery.name.as_str()).map(String::as_str);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Outcome;
    use crate::io::Digest;

    /// A portion is taken over when all of it is.
    #[test]
    fn what_was_not_taken_over_is_told_by_the_file() {
        let note = |code: &str, file: &str, reason: &str| Rejection {
            object_type: "AX_Flurstueck".into(),
            code: code.into(),
            reason: reason.into(),
            place: Place::file(file).object("DETEST0000000001"),
        };
        let result = |key: &str, outcome: Outcome| UnitResult {
            key: key.into(),
            digest: Digest::of(b""),
            path: "x".into(),
            outcome,
            inputs: Vec::new(),
            stale: false,
        };
        let findings = vec![
            note("mk::cadastre::unknown", "c.xml", "not in the stock"),
            note("mk::cadastre::unknown", "c.xml", "not in the stock"),
            note("mk::cadastre::predecessor", "d.xml", "taken as new"),
        ];
        let rejections = vec![note("mk::cadastre::gap", "a.xml", "a delivery is missing")];
        let state = result("state", Outcome { rejections, findings, ..Outcome::default() });
        let rejected = Outcome { rejections: vec![note("mk::cadastre::nas::xml", "b.xml", "no ring")], ..Outcome::default() };
        let read = [result("b.xml", rejected), result("c.xml", Outcome::default()), result("d.xml", Outcome::default())];
        let told = faults(&state, &read);
        assert_eq!(told.keys().collect::<Vec<_>>(), ["a.xml", "b.xml", "c.xml"]);
        assert_eq!(told["a.xml"], "a delivery is missing");
        assert_eq!(told["b.xml"], "Objekte abgewiesen: 1; DETEST0000000001: no ring");
        assert_eq!(told["c.xml"], "Änderungen nicht übernommen: 2; DETEST0000000001: not in the stock");
    }
}
