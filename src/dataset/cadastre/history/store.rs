//! The version store: its entries, and how other stages and the assembly read them.

use super::cell::Cell;
use super::chain::Delivery;
use crate::crs::{Bbox, Crs};
use crate::dataset::UnitResult;
use crate::dataset::cadastre::Options;
use crate::dataset::cadastre::areas::CellAreas;
use crate::dataset::cadastre::codes;
use crate::dataset::cadastre::row::{Look, Row, from_ipc, from_ipc_where};
use crate::error::{Error, Rejection, Result};
use crate::io::Pack;
use crate::plan::Input;
use rayon::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The entry that tells of each cell.
pub(super) const CELLS: &str = "cells.json";
/// The entry with the deliveries that were applied, in their order.
pub(super) const DELIVERIES: &str = "deliveries.json";
/// The entry that says in which cell an object is.
pub(super) const INDEX: &str = "index.bin";
/// Entries with the versions of parcels, by cell; parcels of the past and what led to them among them.
const PARCELS: &str = "parcels/";
/// Entries with the versions of what else is drawn or covers ground: land use, buildings, georeferenced addresses.
const GROUND: &str = "ground/";
/// Entries with the versions of all other objects, by cell.
const OBJECTS: &str = "objects/";
/// Entries that say which objects a cell shows and which they refer to.
const LINKS: &str = "links/";
/// Entries that say of parcels, and of what else is drawn, where each is drawn and what by: see [`crate::dataset::cadastre::tiles`].
const DRAWN: &str = "drawn/";
const DRAWN_PARCELS: &str = "drawn/parcels/";
const DRAWN_GROUND: &str = "drawn/ground/";
/// Entries with what the areas of a cell are to other areas: see [`crate::dataset::cadastre::areas`].
const LOTS: &str = "lots/";
/// Entries with what the tables of other cells may want to know of a cell: see [`crate::dataset::cadastre::tables`].
const NAMES: &str = "names/";
/// Entries that say which of these the tables of a cell look up.
const ASKS: &str = "asks/";
/// What belongs to a cell, in this order: its rows, then what is told of them.
pub(super) const PARTS: [&str; 9] = [PARCELS, GROUND, OBJECTS, LINKS, DRAWN_PARCELS, DRAWN_GROUND, LOTS, NAMES, ASKS];
/// Those with rows.
pub(super) const ROWS: [&str; 3] = [PARCELS, GROUND, OBJECTS];
/// Bytes of cells that are in memory at once when all are gone through.
const CELLS_IN_MEMORY: u64 = 6 << 20;

/// What the assembly wants to know of the state.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StateSummary {
    /// CRS of the tables.
    pub crs: Option<Crs>,
    /// First and last begin of a version that is shown.
    pub begins: Option<(String, String)>,
    /// The moment the last delivery holds for.
    pub until: Option<String>,
}

/// What is known of a cell without reading it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CellInfo {
    /// Versions in it.
    pub versions: u64,
    /// Objects, parcels and buildings that hold at the moment that is shown.
    pub shown: [u64; 3],
    /// Where what holds at the moment that is shown lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bbox: Option<Bbox>,
    /// First and last begin of what holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begins: Option<(String, String)>,
    /// Blocks of tiles that it is drawn in.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub blocks: BTreeSet<(u32, u32)>,
    /// Its parcels and land use.
    #[serde(default)]
    pub areas: CellAreas,
}

/// What the store was made of.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct About {
    pub crs: Option<Crs>,
    pub as_of: Option<String>,
    pub quality: bool,
    pub deliveries: Vec<Delivery>,
    /// What was odd when they were applied.
    pub findings: Vec<Rejection>,
}

/// The entries of a cell, as [`PARTS`] names them; empty where it has none of a kind.
pub(super) type Parts = [Vec<u8>; PARTS.len()];

/// Parcels, those of the past, and what tells how one came of the other.
pub fn is_parcel(class: &str) -> bool {
    class == "AX_Flurstueck" || class == "AX_Fortfuehrungsfall" || class.starts_with("AX_HistorischesFlurstueck")
}

/// What else is drawn, or covers ground.
pub(super) fn is_ground(class: &str) -> bool {
    class == "AX_GeoreferenzierteGebaeudeadresse"
        || codes::land_use_class(class).is_some()
        || codes::building_class(class).is_some()
}

/// True for a version that holds at a moment; without one, at present.
pub fn holds(row: &Row, as_of: Option<&str>) -> bool {
    look(row).holds(as_of)
}

fn look(row: &Row) -> Look<'_> {
    Look { class: &row.class, oid: &row.oid, beginnt: &row.beginnt, endet: row.endet.as_deref() }
}

/// What is known of each cell, by its key.
///
/// # Errors
/// When the state cannot be read.
pub fn cells(state: &UnitResult) -> Result<BTreeMap<String, CellInfo>> {
    entry(&mut state.pack()?, CELLS)
}

/// What of a cell a unit needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// What is drawn, parcels not among it.
    DrawnGround,
    /// All that is drawn.
    Drawn,
    /// What covers ground.
    Areas,
    /// All rows, and what they refer to.
    Links,
    /// All rows.
    Rows,
    /// What its tables look up, and what the tables of others may.
    Names,
}

/// The entries of a cell that the state has, as inputs of a unit.
pub fn inputs_of(state: &UnitResult, pack: &Pack, key: &str, need: Need) -> Vec<Input> {
    let parts: &[&str] = match need {
        Need::DrawnGround => &[GROUND, DRAWN_GROUND],
        Need::Drawn => &[PARCELS, GROUND, DRAWN_PARCELS, DRAWN_GROUND],
        Need::Areas => &[PARCELS, GROUND, LOTS],
        Need::Links => &[PARCELS, GROUND, OBJECTS, LINKS],
        Need::Rows => &ROWS,
        Need::Names => &[NAMES, ASKS],
    };
    let names = parts.iter().map(|part| format!("{part}{key}"));
    names.filter_map(|name| pack.entries().get(&name).map(|info| state.entry_as_input(&name, *info))).collect()
}

/// Cells that are kept together, by their keys.
pub struct Group {
    /// Its place along the Hilbert curve; those without a place come last.
    pub place: u64,
    /// Its name.
    pub name: String,
    /// Along the curve.
    pub cells: Vec<String>,
}

/// The cells of a state by their groups, in the order of [`each_cell`].
///
/// # Errors
/// When the state cannot be read.
pub fn groups(state: &UnitResult) -> Result<Vec<Group>> {
    let mut cells: Vec<Cell> = cells(state)?.keys().filter_map(|key| Cell::parse(key)).collect();
    cells.sort_by_key(|cell| cell.on_curve());
    let groups = cells.chunk_by(|a, b| a.group() == b.group()).filter_map(|cells| {
        let (place, name) = cells.first()?.group();
        Some(Group { place, name, cells: cells.iter().map(|cell| cell.key()).collect() })
    });
    Ok(groups.collect())
}

/// What an entry that is the input of a unit tells, and of which cell.
pub fn part_and_cell(input: &Input) -> Option<(&str, &str)> {
    input.member.as_deref()?.rsplit_once('/')
}

/// Reads entries that are inputs of a unit, of several packs.
#[derive(Default)]
pub struct Entries(BTreeMap<PathBuf, Pack>);

impl Entries {
    /// The bytes of one.
    ///
    /// # Errors
    /// When it is no entry, or cannot be read.
    pub fn read(&mut self, input: &Input) -> Result<Vec<u8>> {
        let name = input.member.as_deref();
        let name = name.ok_or_else(|| Error::new("mk::run::input", format!("the input {} is no entry of a pack", input.name)))?;
        match self.0.get_mut(&input.path) {
            Some(pack) => pack.read(name),
            None => self.0.entry(input.path.clone()).or_insert(Pack::open(&input.path)?).read(name),
        }
    }
}

/// The versions of all parcels, cell by cell.
///
/// # Errors
/// When the state cannot be read, or `each` fails.
#[cfg(test)]
pub fn each_parcel(state: &UnitResult, each: impl FnMut(Row) -> Result<()>) -> Result<()> {
    each_of(state, &[PARCELS], each)
}

/// The versions of all objects, cell by cell.
///
/// # Errors
/// When the state cannot be read, or `each` fails.
pub fn each_version(state: &UnitResult, each: impl FnMut(Row) -> Result<()>) -> Result<()> {
    each_of(state, &ROWS, each)
}

/// Makes something of each cell, on all threads, and takes it in the order of the cells along the Hilbert curve; those without a
/// place come last. What is in memory at once does not depend on the size of the stock.
///
/// # Errors
/// When the state cannot be read; and those of `make` and `take`.
pub fn each_cell<T: Send>(
    state: &UnitResult,
    make: impl Fn(Vec<Vec<u8>>) -> Result<T> + Sync,
    take: impl FnMut(T) -> Result<()> + Send,
) -> Result<()> {
    each_cell_of(state, &ROWS, make, take)
}

/// As [`each_cell`], of the versions of parcels.
///
/// # Errors
/// As there.
pub fn each_cell_of_parcels<T: Send>(
    state: &UnitResult,
    make: impl Fn(Vec<Vec<u8>>) -> Result<T> + Sync,
    take: impl FnMut(T) -> Result<()> + Send,
) -> Result<()> {
    each_cell_of(state, &[PARCELS], make, take)
}

/// True for what the tables of other cells may want to know of a cell.
pub fn is_names(input: &Input) -> bool {
    input.member.as_deref().is_some_and(|name| name.starts_with(NAMES))
}

fn each_cell_of<T: Send>(
    state: &UnitResult,
    parts: &[&str],
    make: impl Fn(Vec<Vec<u8>>) -> Result<T> + Sync,
    mut take: impl FnMut(T) -> Result<()> + Send,
) -> Result<()> {
    let mut pack = state.pack()?;
    let mut cells: Vec<Cell> = cells(state)?.keys().filter_map(|key| Cell::parse(key)).collect();
    cells.sort_by_key(|cell| cell.on_curve());
    let mut cells = cells.into_iter().peekable();
    let mut made: Vec<Result<T>> = Vec::new();
    loop {
        let (mut some, mut size) = (Vec::new(), 0);
        while size < CELLS_IN_MEMORY
            && let Some(cell) = cells.next()
        {
            let names: Vec<String> = parts.iter().map(|part| format!("{part}{}", cell.key())).collect();
            let names = names.iter().filter(|name| pack.entries().contains_key(*name));
            let names: Vec<String> = names.cloned().collect();
            size += names.iter().filter_map(|name| pack.entries().get(name)).map(|entry| entry.size).sum::<u64>();
            some.push(names.iter().map(|name| pack.read(name)).collect::<Result<Vec<_>>>()?);
        }
        if some.is_empty() && made.is_empty() {
            return Ok(());
        }
        // While these are made, those before are taken.
        let before = std::mem::take(&mut made);
        let (next, taken) =
            rayon::join(|| some.into_par_iter().map(&make).collect(), || before.into_iter().try_for_each(|made| take(made?)));
        made = next;
        taken?;
    }
}

fn each_of(state: &UnitResult, parts: &[&str], mut each: impl FnMut(Row) -> Result<()>) -> Result<()> {
    let mut pack = state.pack()?;
    let names: Vec<String> =
        pack.entries().keys().filter(|name| parts.iter().any(|part| name.starts_with(part))).cloned().collect();
    for name in names {
        from_ipc(pack.read(&name)?)?.into_iter().try_for_each(&mut each)?;
    }
    Ok(())
}

/// The deliveries that the state was made of, in their order.
///
/// # Errors
/// When the state cannot be read.
pub fn deliveries(state: &UnitResult) -> Result<Vec<Delivery>> {
    let about: About = entry(&mut state.pack()?, DELIVERIES)?;
    Ok(about.deliveries)
}

/// What holds at present, or as of a moment, of the cells that are the inputs of a unit, where its class is `wanted`.
///
/// # Errors
/// When an input cannot be read.
pub fn each_shown(
    inputs: &[Input],
    as_of: Option<&str>,
    wanted: impl Fn(&str) -> bool,
    mut each: impl FnMut(Row) -> Result<()>,
) -> Result<()> {
    each_entry(inputs, |bytes| {
        let rows = from_ipc_where(bytes, |look| look.holds(as_of) && wanted(look.class))?;
        rows.into_iter().try_for_each(|row| each(Row { endet: None, ..row }))
    })
}

/// Where rows of a cell lie that something is said of.
pub struct RowsAt<'i> {
    path: &'i Path,
    entries: Vec<String>,
}

impl RowsAt<'_> {
    /// The key of their cell.
    pub fn cell(&self) -> &str {
        self.entries.first().and_then(|name| name.rsplit_once('/')).map_or("", |(_, cell)| cell)
    }
}

/// What is said of the drawn rows of the cells that are the inputs of a unit, in their order, with where these rows are.
///
/// # Errors
/// When an input cannot be read, or `each` fails.
pub fn each_drawn<'i>(inputs: &'i [Input], each: impl FnMut(RowsAt<'i>, &[u8]) -> Result<()>) -> Result<()> {
    each_beside(inputs, |name| Some(vec![name.strip_prefix(DRAWN)?.to_owned()]), each)
}

/// As [`each_drawn`], of the areas.
///
/// # Errors
/// As there.
pub fn each_lots<'i>(inputs: &'i [Input], each: impl FnMut(RowsAt<'i>, &[u8]) -> Result<()>) -> Result<()> {
    let rows = |name: &str| name.strip_prefix(LOTS).map(|key| vec![format!("{PARCELS}{key}"), format!("{GROUND}{key}")]);
    each_beside(inputs, rows, each)
}

fn each_beside<'i>(
    inputs: &'i [Input],
    rows: impl Fn(&str) -> Option<Vec<String>>,
    mut each: impl FnMut(RowsAt<'i>, &[u8]) -> Result<()>,
) -> Result<()> {
    let mut packs = OpenPack::default();
    for input in inputs {
        let Some(entries) = input.member.as_deref().and_then(&rows) else { continue };
        if let Some(bytes) = packs.read(input)? {
            each(RowsAt { path: &input.path, entries }, &bytes)?;
        }
    }
    Ok(())
}

/// Reads rows of cells as they are asked for.
#[derive(Default)]
pub struct RowReader(OpenPack);

impl RowReader {
    /// Those that hold at present, or as of a moment, and are wanted, in their order: parcels before what else is there, each by class,
    /// object and begin.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn rows(&mut self, at: &RowsAt<'_>, as_of: Option<&str>, mut wanted: impl FnMut(Look<'_>) -> bool) -> Result<Vec<Row>> {
        let pack = self.0.open(at.path)?;
        let mut rows = Vec::new();
        for name in &at.entries {
            if pack.entries().contains_key(name) {
                rows.extend(from_ipc_where(pack.read(name)?, |look| look.holds(as_of) && wanted(look))?);
            }
        }
        for row in &mut rows {
            row.endet = None;
        }
        Ok(rows)
    }
}

/// The links of the cells that are the inputs of a unit, each with the inputs that have the rows of its cell.
///
/// # Errors
/// When an input cannot be read, or `each` fails.
pub fn each_links(inputs: &[Input], mut each: impl FnMut(&[Input], &[u8]) -> Result<()>) -> Result<()> {
    let is_links = |input: &Input| input.member.as_deref().is_some_and(|name| name.starts_with(LINKS));
    // They come last of what belongs to a cell.
    let mut packs = OpenPack::default();
    inputs.chunk_by(|input, _| !is_links(input)).try_for_each(|cell| {
        let Some((links, rows)) = cell.split_last().filter(|(last, _)| is_links(last)) else { return Ok(()) };
        packs.read(links)?.map_or(Ok(()), |bytes| each(rows, &bytes))
    })
}

/// The entries that are the inputs of a unit.
fn each_entry(inputs: &[Input], mut each: impl FnMut(Vec<u8>) -> Result<()>) -> Result<()> {
    let mut packs = OpenPack::default();
    inputs.iter().try_for_each(|input| packs.read(input).and_then(|bytes| bytes.map_or(Ok(()), &mut each)))
}

/// The pack that was read last: mostly all inputs are entries of one, whose directory is read once.
#[derive(Default)]
struct OpenPack(Option<(PathBuf, Pack)>);

impl OpenPack {
    /// The bytes of an input that is an entry.
    fn read(&mut self, input: &Input) -> Result<Option<Vec<u8>>> {
        let pack = self.open(&input.path)?;
        input.member.as_deref().map(|name| pack.read(name)).transpose()
    }
    fn open(&mut self, path: &Path) -> Result<&mut Pack> {
        let last = self.0.take().filter(|(last, _)| last == path);
        let open = last.map_or_else(|| Ok((path.to_owned(), Pack::open(path)?)), Ok::<_, Error>)?;
        Ok(&mut self.0.insert(open).1)
    }
}

/// Of the versions of a cell those that are shown, ordered by class, object and begin: what holds at present or as of the date of
/// the options, and where they are shown the versions that ended before. The end of one that holds as of a date is not known then.
///
/// # Errors
/// When the bytes are none of a cell.
pub fn shown(entries: Vec<Vec<u8>>, options: &Options, wanted: impl Fn(&str) -> bool) -> Result<Vec<Row>> {
    let as_of = options.moment();
    let as_of = as_of.as_deref();
    let past = |look: Look<'_>| options.shows_ended() && as_of.is_none_or(|moment| look.beginnt <= moment);
    let mut all = Vec::new();
    for bytes in entries {
        all.extend(from_ipc_where(bytes, |look| wanted(look.class) && (look.holds(as_of) || past(look)))?);
    }
    for row in &mut all {
        if holds(row, as_of) {
            row.endet = None;
        }
    }
    all.sort_by(|a, b| (&a.class, &a.oid, &a.beginnt).cmp(&(&b.class, &b.oid, &b.beginnt)));
    Ok(all)
}

pub(super) fn entry<T: DeserializeOwned>(pack: &mut Pack, name: &str) -> Result<T> {
    serde_json::from_slice(&pack.read(name)?)
        .map_err(|error| Error::new("mk::run::result", "the state is not as expected").because(error))
}

/// The error of a result that cannot be written.
pub fn unwritable(error: serde_json::Error) -> Error {
    Error::new("mk::run::result", "the result cannot be written").because(error)
}
