//! The rows of all files to the tables: identities, relations, changes from the field, equipment, ground, due dates.

use super::changes::Change;
use super::enrich;
use super::equipment::{split, type_of};
use super::identity::{Matching, assign, space};
use super::merge::{Editable, Merged, merge};

use super::model::{CONFLICT, DEFECT, DEVICE, INSPECTION, NOTE, OUTFIT, Row, SITE, TABLES, Tables, day, row, text};
use super::options::Options;
use super::photos;
use super::plan::{kind_of, plan};
use super::read::{Loaded, Summary};
use super::surface::{ground_of, verdict};
use crate::crs::{Crs, OperationFact, is_geographic};
use crate::error::{Error, Place, Result};
use jiff::civil::Date;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Columns that the program fills, whatever files and field say.
pub const COMPUTED: [&str; 14] = [
    "geraetetypen",
    "geraetetyp",
    "fallschutz_boden",
    "fallschutz_urteil",
    enrich::PARCEL,
    enrich::ADDRESS,
    enrich::ADDRESS_M,
    enrich::DISTRICT,
    enrich::MEASURED,
    enrich::PICTURE,
    photos::FILE,
    photos::BLAKE3,
    photos::SHA256,
    photos::SIZE,
];

/// What all files come to.
pub struct Folded {
    /// The tables.
    pub tables: Tables,
    /// CRS of the geometries.
    pub crs: Crs,
    /// Operations that were applied.
    pub operations: Vec<OperationFact>,
    /// What became of changes from the field.
    pub merged: Merged,
    /// Rows that kept their identity under a new key.
    pub matched: u64,
    /// Entries of free-text lists, and how many of them are equipment.
    pub terms: [u64; 2],
}

/// Groups of columns of a table, of each of which a row must have one.
pub fn needed(table: &str) -> &'static [&'static [&'static str]] {
    match table {
        SITE => &[&["kennung", "name"]],
        DEVICE => &[&["kennung"], &["spielplatz"]],
        INSPECTION => &[&["datum"], &["pruefart_text"], &["geraet", "spielplatz"]],
        _ => &[],
    }
}

/// What tells a row of a table from others.
pub fn key(table: &str, row: &Row) -> String {
    if let Some(key) = text(row, "kennung") {
        return key.to_owned();
    }
    let parts: &[&str] = match table {
        SITE => &["name", "adresse"],
        INSPECTION => &["geraet", "spielplatz", "pruefart_text", "datum"],
        _ => &[],
    };
    let parts: Vec<&str> = parts.iter().filter_map(|part| text(row, part)).collect();
    parts.join(" | ")
}

/// Lists what an office should look at.
pub struct Notes<'n> {
    space: &'n Uuid,
    /// Rows of the table of notes.
    pub rows: BTreeMap<Uuid, Row>,
}

impl<'n> Notes<'n> {
    /// An empty list of a dataset, by its namespace.
    pub fn new(space: &'n Uuid) -> Self {
        Self { space, rows: BTreeMap::new() }
    }
    /// Adds a note on a row.
    pub fn add(&mut self, table: &str, object: &Uuid, row_of: &Row, note: String) {
        let uuid = Uuid::new_v5(self.space, format!("{NOTE}/{object}/{note}").as_bytes());
        let entry = row([
            ("tabelle", Some(table.into())),
            ("objekt", Some(object.to_string().into())),
            ("kennung", row_of.get("kennung").or_else(|| row_of.get("name")).cloned()),
            ("hinweis", Some(note.into())),
        ]);
        self.rows.insert(uuid, entry);
    }
}

/// Folds what was read with the rows of the release before.
///
/// # Errors
/// When no site was read, or files are in different CRSs.
pub fn fold(
    options: &Options,
    dataset: &str,
    read: Vec<(String, Summary, Loaded)>,
    before: &Tables,
    today: Date,
) -> Result<Folded> {
    let space = space(dataset);
    let mut rows: BTreeMap<&'static str, BTreeMap<String, Row>> = BTreeMap::new();
    let (mut changes, mut operations): (Vec<Change>, Vec<OperationFact>) = (Vec::new(), Vec::new());
    let mut crs: Option<Crs> = None;
    for (name, summary, loaded) in read {
        if let (Some(known), Some(other)) = (crs, summary.crs)
            && known != other
        {
            return Err(Error::new("mk::playground::crs", format!("{name} is in {other}, other files in {known}"))
                .at(Place::file(name))
                .hint("set [pipeline] crs: all files are then brought into it"));
        }
        crs = crs.or(summary.crs);
        operations.extend(summary.operation.filter(|fact| fact.from != fact.to && !operations.contains(fact)));
        match loaded {
            // The same key in a later file is the newer delivery of it.
            Loaded::Rows(table, stored) => {
                let rows = rows.entry(table.name).or_default();
                rows.extend(stored.into_iter().map(|stored| (key(table.name, &stored.values), stored.values)));
            }
            Loaded::Changes(more) => changes.extend(more),
        }
    }
    let Some(crs) = crs.filter(|_| rows.get(SITE).is_some_and(|rows| !rows.is_empty())) else {
        return Err(Error::new("mk::playground::empty", "no site could be read: there is nothing to publish")
            .hint("the report lists each file with its reason; `sites` in the pipeline says which files have them"));
    };
    let matching = Matching { distance_m: options.match_distance_m, degrees: is_geographic(crs)? };
    let (none, mut matched) = (BTreeMap::new(), 0);
    let mut tables = Tables::new();
    for name in [SITE, DEVICE, INSPECTION] {
        let (assigned, count) =
            assign(&space, name, rows.remove(name).unwrap_or_default(), before.get(name).unwrap_or(&none), &matching);
        matched += count;
        tables.insert(name, assigned);
    }
    let mut notes = Notes::new(&space);
    relate(&mut tables, &mut notes);
    let delivered: BTreeSet<Uuid> = tables.get(INSPECTION).into_iter().flat_map(BTreeMap::keys).copied().collect();
    defects(&mut tables, &BTreeSet::new());
    photos::of_inspections(&mut tables);
    let merged = merge(&mut tables, &editable(options), changes);
    defects(&mut tables, &delivered);
    inspections(&mut tables, today, &mut notes);
    let terms = equipment(&mut tables, &mut notes);
    plan(&mut tables, options, today);
    let conflicts = merged.conflicts.iter();
    let listed =
        conflicts.map(|(name, row)| (Uuid::new_v5(&space, format!("{CONFLICT}/{name}").as_bytes()), row.clone())).collect();
    tables.insert(CONFLICT, listed);
    tables.insert(NOTE, notes.rows);
    Ok(Folded { tables, crs, operations, merged, matched, terms })
}

/// The columns that the field may change.
pub fn editable(options: &Options) -> Editable {
    let of = |table: &super::model::Table| {
        let own = table.columns.iter().filter(|column| !COMPUTED.contains(&column.name));
        let own = own.map(|column| (column.name.to_owned(), column.field_type));
        own.chain(options.more(table).into_iter().map(|field| (field.name, field.field_type))).collect()
    };
    TABLES.iter().filter(|table| table.editable).map(|table| (table.name, of(table))).collect()
}

/// Keys of other rows to their identities.
fn relate(tables: &mut Tables, notes: &mut Notes<'_>) {
    let mut sites: BTreeMap<String, Uuid> = BTreeMap::new();
    for (uuid, site) in tables.get(SITE).into_iter().flatten() {
        // A name is good enough where it is the only key there is.
        for name in [text(site, "name"), text(site, "kennung")].into_iter().flatten() {
            sites.insert(name.to_owned(), *uuid);
        }
    }
    let mut devices: BTreeMap<String, (Uuid, Option<Value>)> = BTreeMap::new();
    for (uuid, device) in tables.get_mut(DEVICE).into_iter().flatten() {
        let name = text(device, "spielplatz").unwrap_or_default().to_owned();
        match sites.get(&name) {
            Some(site) => drop(device.insert("spielplatz_uuid".to_owned(), site.to_string().into())),
            None => notes.add(DEVICE, uuid, device, format!("den Spielplatz '{name}' gibt es nicht")),
        }
        if let Some(name) = text(device, "kennung") {
            devices.insert(name.to_owned(), (*uuid, device.get("spielplatz_uuid").cloned()));
        }
    }
    for (uuid, inspection) in tables.get_mut(INSPECTION).into_iter().flatten() {
        let device = text(inspection, "geraet").map(str::to_owned);
        let site = text(inspection, "spielplatz").map(str::to_owned);
        match device.as_ref().map(|name| (name, devices.get(name))) {
            Some((_, Some((device, site)))) => {
                inspection.insert("geraet_uuid".to_owned(), device.to_string().into());
                inspection.extend(site.clone().map(|site| ("spielplatz_uuid".to_owned(), site)));
            }
            Some((name, None)) => notes.add(INSPECTION, uuid, inspection, format!("das Gerät '{name}' gibt es nicht")),
            None => match site.as_ref().map(|name| (name, sites.get(name))) {
                Some((_, Some(site))) => drop(inspection.insert("spielplatz_uuid".to_owned(), site.to_string().into())),
                Some((name, None)) => notes.add(INSPECTION, uuid, inspection, format!("den Spielplatz '{name}' gibt es nicht")),
                None => {}
            },
        }
        if let Some(kind) = text(inspection, "pruefart_text").and_then(kind_of) {
            inspection.insert("pruefart".to_owned(), kind.code.into());
        }
    }
}

/// A row for each defect that an inspection names, but for inspections that have had theirs.
fn defects(tables: &mut Tables, done: &BTreeSet<Uuid>) {
    let mut found = BTreeMap::new();
    for (uuid, inspection) in tables.get(INSPECTION).into_iter().flatten().filter(|(uuid, _)| !done.contains(uuid)) {
        if let Some(what) = text(inspection, "mangel") {
            let entry = row([
                ("pruefung_uuid", Some(uuid.to_string().into())),
                ("geraet_uuid", inspection.get("geraet_uuid").cloned()),
                ("spielplatz_uuid", inspection.get("spielplatz_uuid").cloned()),
                ("beschreibung", Some(what.into())),
                ("festgestellt_am", inspection.get("datum").cloned()),
                ("status", Some("offen".into())),
            ]);
            found.insert(Uuid::new_v5(uuid, DEFECT.as_bytes()), entry);
        }
    }
    let rows = tables.entry(DEFECT).or_default();
    for (uuid, entry) in found {
        rows.entry(uuid).or_insert(entry);
    }
}

/// What is odd about inspections.
fn inspections(tables: &mut Tables, today: Date, notes: &mut Notes<'_>) {
    for (uuid, inspection) in tables.get(INSPECTION).into_iter().flatten() {
        if !text(inspection, "pruefart").is_some_and(|code| super::plan::KINDS.iter().any(|kind| kind.code == code)) {
            let said = text(inspection, "pruefart").or_else(|| text(inspection, "pruefart_text")).unwrap_or_default();
            notes.add(INSPECTION, uuid, inspection, format!("die Prüfart '{said}' ist nicht bekannt: die Prüfung zählt nicht"));
        }
        if day(inspection, "datum").is_some_and(|on| on > today) {
            notes.add(INSPECTION, uuid, inspection, "das Datum liegt in der Zukunft: die Prüfung zählt noch nicht".to_owned());
        }
    }
}

/// Types, standards and grounds; gives the entries of free-text lists, and how many of them are equipment.
fn equipment(tables: &mut Tables, notes: &mut Notes<'_>) -> [u64; 2] {
    let mut types: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
    for (uuid, device) in tables.get_mut(DEVICE).into_iter().flatten() {
        device.retain(|column, _| !COMPUTED.contains(&column.as_str()));
        let art = text(device, "art").unwrap_or_default().to_owned();
        let kind = type_of(&art);
        if let Some(kind) = kind {
            device.insert("geraetetyp".to_owned(), kind.code.into());
            device.entry("norm".to_owned()).or_insert_with(|| kind.norm.into());
            if let Some(site) = text(device, "spielplatz_uuid") {
                types.entry(site.to_owned()).or_default().insert(kind.title);
            }
        } else if !art.is_empty() {
            notes.add(DEVICE, uuid, device, format!("'{art}' ist keinem Gerätetyp zuzuordnen"));
        }
        let ground = text(device, "fallschutz").and_then(ground_of);
        if let Some(ground) = ground {
            device.insert("fallschutz_boden".to_owned(), ground.code.into());
        }
        let number = |column: &str| device.get(column).and_then(Value::as_f64);
        let forced = kind.is_some_and(|kind| ["schaukel", "rutsche", "seilbahn", "karussell", "wippgeraet"].contains(&kind.code));
        let said = verdict(number("fallhoehe_cm"), ground, number("fallschutz_dicke_cm"), forced);
        device.insert("fallschutz_urteil".to_owned(), said.into());
        if matches!(said, "unzureichend" | "zu_hoch") {
            let text = super::surface::VERDICTS.iter().find(|(code, _)| *code == said).map_or("", |(_, text)| text);
            notes.add(DEVICE, uuid, device, format!("Fallschutz: {text}"));
        }
    }
    let (mut outfit, mut terms) = (BTreeMap::new(), [0, 0]);
    for (uuid, site) in tables.get_mut(SITE).into_iter().flatten() {
        site.remove("geraetetypen");
        let named = types.entry(uuid.to_string()).or_default();
        let list = text(site, "ausstattung").unwrap_or_default().to_owned();
        for (index, term) in split(&list).into_iter().enumerate() {
            let kind = type_of(term);
            terms[0] += 1;
            terms[1] += u64::from(kind.is_some());
            named.extend(kind.map(|kind| kind.title));
            if kind.is_none() {
                notes.add(SITE, uuid, site, format!("'{term}' ist keinem Gerätetyp zuzuordnen"));
            }
            let entry = row([
                ("spielplatz_uuid", Some(uuid.to_string().into())),
                ("text", Some(term.into())),
                ("geraetetyp", kind.map(|kind| kind.code.into())),
                ("norm", kind.map(|kind| kind.norm.into())),
            ]);
            outfit.insert(Uuid::new_v5(uuid, format!("{OUTFIT}/{index}").as_bytes()), entry);
        }
        if !named.is_empty() {
            let titles: Vec<&str> = named.iter().copied().collect();
            site.insert("geraetetypen".to_owned(), titles.join(", ").into());
        }
    }
    tables.insert(OUTFIT, outfit);
    terms
}
