//! Stage `state`: all deliveries in their order to the version store; a night's changes into the cells they touch.

use super::cell::{Cell, Router, Seen};
use super::chain::{self, Chain, Delivery};
use super::fold::{From, Odd, Versions};
use super::spill::{Spill, Taken};
use crate::crs::{Bbox, Crs};
use crate::dataset::cadastre::areas::{CellAreas, Links};
use crate::dataset::cadastre::codes;
use crate::dataset::cadastre::nas::Root;
use crate::dataset::cadastre::read::{self, Summary};
use crate::dataset::cadastre::row::{Look, Row, from_ipc, from_ipc_where, to_ipc};
use crate::dataset::cadastre::tiles::Blocks;
use crate::dataset::cadastre::{Options, READ};
use crate::dataset::{Outcome, PlanContext, UnitContext, UnitResult, check};
use crate::error::{Error, Place, Rejection, Result};
use crate::format::wkb;
use crate::io::Pack;
use crate::plan::{Input, UnitSpec};
use rayon::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;

/// The entry that tells of each cell.
const CELLS: &str = "cells.json";
/// The entry with the deliveries that were applied, in their order.
const DELIVERIES: &str = "deliveries.json";
/// The entry that says in which cell an object is.
const INDEX: &str = "index.bin";
/// Entries with the versions of parcels, by cell; parcels of the past and what led to them among them.
const PARCELS: &str = "parcels/";
/// Entries with the versions of what else is drawn or covers ground: land use, buildings, georeferenced addresses.
const GROUND: &str = "ground/";
/// Entries with the versions of all other objects, by cell.
const OBJECTS: &str = "objects/";
/// Entries that say which objects a cell shows and which they refer to.
const LINKS: &str = "links/";
/// What belongs to a cell, in this order: its rows, then what is told of them.
const PARTS: [&str; 4] = [PARCELS, GROUND, OBJECTS, LINKS];
/// Those with rows.
const ROWS: [&str; 3] = [PARCELS, GROUND, OBJECTS];
/// Bytes of rows on their way to their cells that are kept in memory, and of those whose cell is not known before the delivery ends.
const ROWS_IN_MEMORY: usize = 56 << 20;
const WAITING_IN_MEMORY: usize = 24 << 20;
/// Cells that are folded at once.
const AT_ONCE: usize = 16;
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

/// Parameters of the unit: the deliveries in the order of its inputs.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Params {
    crs: Option<Crs>,
    /// The moment that is shown instead of the present.
    as_of: Option<String>,
    /// Whether references are to be looked at.
    quality: bool,
    deliveries: Vec<Delivery>,
    rejections: Vec<Rejection>,
    findings: Vec<Rejection>,
}

/// The one unit: deliveries in the order of their chain.
///
/// # Errors
/// When the deliveries are in different CRSs and the pipeline names none.
pub fn units(options: &Options, context: &PlanContext<'_>) -> Result<Vec<UnitSpec>> {
    let Some(read) = context.earlier.get(READ) else { return Ok(Vec::new()) };
    let deliveries = read_deliveries(context.earlier)?;
    let results: BTreeMap<&str, &UnitResult> = read.iter().map(|result| (result.key.as_str(), result)).collect();
    let mut stated: BTreeSet<Crs> = BTreeSet::new();
    for result in read {
        stated.extend(summary(result)?.crs);
    }
    if deliveries.is_empty() {
        return Ok(Vec::new());
    }
    if stated.len() > 1 && context.area.crs.is_none() {
        let names: Vec<String> = stated.iter().map(ToString::to_string).collect();
        return Err(Error::new("mk::cadastre::crs", format!("the deliveries are in different CRSs: {}", names.join(", ")))
            .hint("set crs in [pipeline]: everything is transformed to it"));
    }
    let chain = chain_of(context)?;
    let inputs: Vec<Input> =
        chain.applied.iter().filter_map(|delivery| results.get(delivery.name.as_str())).map(|result| result.as_input()).collect();
    let cost: u64 = inputs.iter().map(|input| input.size).sum();
    let params = Params {
        crs: context.area.crs.or_else(|| stated.first().copied()),
        as_of: options.moment(),
        quality: context.wants("qualitaet"),
        deliveries: chain.applied,
        rejections: chain.rejections,
        findings: chain.findings,
    };
    let params = serde_json::to_value(&params).map_err(unwritable)?;
    // Rows in memory before they spill, twice while they do, and the cells that are folded at once.
    Ok(vec![UnitSpec { key: "state".to_owned(), inputs, params, bbox: None, memory_mb: 256, cost }])
}

/// The deliveries in the order of their chain.
///
/// # Errors
/// When a result is not as expected.
pub fn chain_of(context: &PlanContext<'_>) -> Result<Chain> {
    let read: BTreeSet<&str> = context.earlier.get(READ).into_iter().flatten().map(|result| result.key.as_str()).collect();
    let failed: Vec<&str> =
        context.sources.iter().map(|source| source.name.as_str()).filter(|name| !read.contains(name)).collect();
    Ok(chain::order(read_deliveries(context.earlier)?, &failed))
}

/// The deliveries that were read, by name.
///
/// # Errors
/// When a result is not as expected.
pub fn read_deliveries(results: &[Vec<UnitResult>]) -> Result<Vec<Delivery>> {
    let read = results.get(READ).into_iter().flatten();
    let delivery = |result: &UnitResult| {
        let Summary { root, header, begins, .. } = summary(result)?;
        Ok(Delivery {
            name: result.key.clone(),
            source: result.inputs.first().map_or(result.digest, |input| input.digest),
            rows: result.digest,
            root,
            header,
            last_begin: begins.map(|(_, last)| last),
        })
    };
    read.map(delivery).collect()
}

fn summary(result: &UnitResult) -> Result<Summary> {
    serde_json::from_value(result.outcome.summary.clone()).map_err(|error| {
        Error::new("mk::run::result", "the result of a delivery is not as expected")
            .at(Place::file(result.key.clone()))
            .because(error)
    })
}

/// What an earlier night left, when tonight's deliveries only go on from there.
struct Earlier {
    pack: Pack,
    applied: usize,
    cells: BTreeMap<String, CellInfo>,
    router: Router,
    findings: Vec<Rejection>,
}

impl Earlier {
    fn of(params: &Params, previous: Option<&UnitResult>) -> Option<Self> {
        let previous = previous?;
        let mut pack = previous.pack().ok()?;
        let about: About = entry(&mut pack, DELIVERIES).ok()?;
        let applied = about.deliveries.len();
        let goes_on = params.deliveries.get(..applied) == Some(&about.deliveries)
            && (&about.crs, &about.as_of, about.quality) == (&params.crs, &params.as_of, params.quality)
            && params.deliveries[applied..].iter().all(|delivery| delivery.root == Root::Changes);
        if !goes_on {
            return None;
        }
        let cells = entry(&mut pack, CELLS).ok()?;
        let router = Router::from_bytes(&pack.read(INDEX).ok()?).ok()?;
        Some(Self { pack, applied, cells, router, findings: about.findings })
    }
}

/// What the store was made of.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    crs: Option<Crs>,
    as_of: Option<String>,
    quality: bool,
    deliveries: Vec<Delivery>,
    /// What was odd when they were applied.
    findings: Vec<Rejection>,
}

/// Applies the deliveries.
///
/// An earlier result is gone on from where tonight's deliveries begin with those that it was made of; otherwise everything is
/// done from the start. The bytes are the same.
///
/// # Errors
/// When a result cannot be read or the store not be written.
pub fn execute(unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
    let params: Params = serde_json::from_value(unit.params.clone())
        .map_err(|error| Error::new("mk::run::params", "the parameters of the unit are not as expected").because(error))?;
    let mut earlier = Earlier::of(&params, context.previous);
    let first = earlier.as_ref().map_or(0, |earlier| earlier.applied);
    let mut router = earlier.as_mut().map(|earlier| std::mem::take(&mut earlier.router)).unwrap_or_default();
    let mut spill = Spill::new(context.scratch, ROWS_IN_MEMORY);
    for (number, input) in unit.inputs.iter().enumerate().skip(first) {
        let mut waiting = Spill::new(&context.scratch.join("waiting"), WAITING_IN_MEMORY);
        crate::io::atomic::create_dir_all(&context.scratch.join("waiting"))?;
        let mut held: HashSet<u64> = HashSet::new();
        let cancel = context.cancel;
        read::each_batch(input, |rows| {
            check(cancel)?;
            let seen = |mut row: Row| {
                // A bare object names no CRS when it leaves the delivery that it was cut from: that of the others holds.
                if params.crs.is_some() && row.srs.as_deref() == Some("") {
                    row.srs = None;
                    row.geometry = row.local.take();
                }
                Seen::of(&row).map(|seen| (row, seen))
            };
            let rows: Vec<(Row, Seen)> = rows.into_par_iter().map(seen).collect::<Result<_>>()?;
            for (row, seen) in rows {
                let cell = if held.contains(&seen.number) { None } else { router.route(&seen) };
                if let Some(cell) = cell {
                    spill.add(cell, number, row)?;
                } else {
                    held.insert(seen.number);
                    waiting.add(Cell::default(), number, row)?;
                }
            }
            Ok(())
        })?;
        for (_, row) in waiting.take(&Cell::default())?.rows()? {
            spill.add(router.settle(&row.oid), number, row)?;
        }
        router.next_delivery();
    }
    let mut odd = Vec::new();
    let cells = fold_cells(&params, earlier.as_mut(), &mut spill, context, &mut odd)?;
    context.pack.add(INDEX, &router.into_bytes())?;
    context.pack.add(CELLS, &serde_json::to_vec(&cells).map_err(unwritable)?)?;
    odd.sort_by(|a, b| (a.at, &a.finding.place.object).cmp(&(b.at, &b.finding.place.object)));
    let mut noted = earlier.map(|earlier| earlier.findings).unwrap_or_default();
    noted.extend(odd.into_iter().map(|odd| odd.finding));
    let until = params.deliveries.iter().filter_map(|delivery| delivery.header.until()).max().map(str::to_owned);
    let about = About {
        crs: params.crs,
        as_of: params.as_of.clone(),
        quality: params.quality,
        deliveries: params.deliveries.clone(),
        findings: noted.clone(),
    };
    context.pack.add(DELIVERIES, &serde_json::to_vec(&about).map_err(unwritable)?)?;
    noted.extend(params.findings);
    let bbox = cells.values().filter_map(|cell| cell.bbox).fold(Bbox::EMPTY, Bbox::union);
    let begins = cells.values().filter_map(|cell| cell.begins.clone());
    let begins = begins.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    let summary = StateSummary { crs: params.crs, begins, until: params.as_of.or(until) };
    Ok(Outcome {
        findings: noted,
        rejections: params.rejections,
        bbox: (!bbox.is_empty()).then_some(bbox),
        summary: serde_json::to_value(&summary).map_err(unwritable)?,
        ..Outcome::default()
    })
}

/// Folds the cells that have new rows, takes the others over, and adds them all to the pack in their order.
fn fold_cells(
    params: &Params,
    mut earlier: Option<&mut Earlier>,
    spill: &mut Spill<Cell>,
    context: &mut UnitContext<'_>,
    odd: &mut Vec<Odd>,
) -> Result<BTreeMap<String, CellInfo>> {
    let touched: BTreeSet<Cell> = spill.cells().into_iter().collect();
    let kept = earlier.iter().flat_map(|earlier| earlier.cells.keys()).filter_map(|key| Cell::parse(key));
    let all: Vec<Cell> = kept.chain(touched.iter().copied()).collect::<BTreeSet<_>>().into_iter().collect();
    let draw = params.crs.map(|crs| Blocks::new(crs, &context.area.grids)).transpose()?;
    let mut cells = BTreeMap::new();
    let known = earlier.as_mut().map(|earlier| std::mem::take(&mut earlier.cells)).unwrap_or_default();
    let mut fetch = |cells: &[Cell]| -> Result<Vec<Work>> {
        let one = |cell: &Cell| {
            let mut before = Parts::default();
            if let Some(earlier) = earlier.as_mut() {
                for (bytes, part) in before.iter_mut().zip(PARTS) {
                    let name = format!("{part}{}", cell.key());
                    if earlier.pack.entries().contains_key(&name) {
                        *bytes = earlier.pack.read(&name)?;
                    }
                }
            }
            let rows = if touched.contains(cell) { Some(spill.take(cell)?) } else { None };
            Ok(Work { cell: *cell, before, rows })
        };
        cells.iter().map(one).collect()
    };
    let pack = &mut *context.pack;
    let mut keep = |folded: Vec<Folded>| -> Result<()> {
        for (cell, bytes, info, strange) in folded {
            for (bytes, part) in bytes.iter().zip(PARTS) {
                if !bytes.is_empty() {
                    pack.add(&format!("{part}{}", cell.key()), bytes)?;
                }
            }
            let info = info.or_else(|| known.get(&cell.key()).cloned());
            cells.insert(cell.key(), info.unwrap_or_default());
            odd.extend(strange);
        }
        Ok(())
    };
    let mut chunks = all.chunks(AT_ONCE);
    let mut work = fetch(chunks.next().unwrap_or_default())?;
    let mut folded: Vec<Folded> = Vec::new();
    // While some cells are folded, those before them are written and those after them are read.
    while !work.is_empty() || !folded.is_empty() {
        check(context.cancel)?;
        let (now, before) = (std::mem::take(&mut work), std::mem::take(&mut folded));
        let (done, others) = rayon::join(
            || now.into_par_iter().map(|work| work.fold(params, draw.as_ref())).collect::<Result<Vec<_>>>(),
            || keep(before).and_then(|()| fetch(chunks.next().unwrap_or_default())),
        );
        (folded, work) = (done?, others?);
    }
    Ok(cells)
}

/// A cell to be folded: what it holds, and what comes to it; nothing where it stays as it is.
struct Work {
    cell: Cell,
    before: Parts,
    rows: Option<Taken>,
}

/// A cell with its entries, what is known of it where it is another, and what was odd.
type Folded = (Cell, Parts, Option<CellInfo>, Vec<Odd>);

impl Work {
    fn fold(self, params: &Params, draw: Option<&Blocks>) -> Result<Folded> {
        let Some(rows) = self.rows else { return Ok((self.cell, self.before, None, Vec::new())) };
        let (bytes, info, odd) = fold(params, draw, &self.before, rows.rows()?)?;
        Ok((self.cell, bytes, Some(info), odd))
    }
}

/// The entries of a cell, as [`PARTS`] names them; empty where it has none of a kind.
type Parts = [Vec<u8>; PARTS.len()];

/// One cell: what was there, then the operations in their order.
fn fold(params: &Params, draw: Option<&Blocks>, before: &Parts, rows: Vec<(usize, Row)>) -> Result<(Parts, CellInfo, Vec<Odd>)> {
    let mut known = Vec::new();
    for bytes in before[..ROWS.len()].iter().filter(|bytes| !bytes.is_empty()) {
        known.extend(from_ipc(bytes)?);
    }
    let mut versions = Versions::of(known);
    replay(&params.deliveries, &mut versions, rows);
    let odd = std::mem::take(&mut versions.odd);
    let rows = versions.into_rows();
    let mut info = CellInfo { versions: rows.len() as u64, ..CellInfo::default() };
    let mut located = Vec::new();
    for row in rows.iter().filter(|row| holds(row, params.as_of.as_deref())) {
        if let Some(geometry) = &row.geometry {
            let bbox = wkb::summary(geometry)?.bbox;
            if !bbox.is_empty() {
                located.push((row, bbox));
            }
        }
        let counted = [true, row.class == "AX_Flurstueck", row.class == "AX_Gebaeude"];
        for (count, counted) in info.shown.iter_mut().zip(counted) {
            *count += u64::from(counted);
        }
        let (first, last) = info.begins.get_or_insert_with(|| (row.beginnt.clone(), row.beginnt.clone()));
        if row.beginnt < *first {
            first.clone_from(&row.beginnt);
        }
        if row.beginnt > *last {
            last.clone_from(&row.beginnt);
        }
    }
    info.bbox = located.iter().map(|(_, bbox)| *bbox).reduce(Bbox::union);
    if let Some(draw) = draw {
        info.blocks = draw.of(located.iter().copied())?;
        info.areas = CellAreas::of(located.iter().copied(), draw)?;
    }
    let shown = rows.iter().filter(|row| params.quality && holds(row, params.as_of.as_deref()));
    let links = Links::of(shown).into_bytes();
    let (parcels, others): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| is_parcel(&row.class));
    let (ground, objects): (Vec<Row>, Vec<Row>) = others.into_iter().partition(|row| is_ground(&row.class));
    let bytes = |rows: &[Row]| if rows.is_empty() { Ok(Vec::new()) } else { to_ipc(rows) };
    Ok(([bytes(&parcels)?, bytes(&ground)?, bytes(&objects)?, links], info, odd))
}

/// Applies operations, each with the number of its delivery, in the order of the deliveries.
pub fn replay(deliveries: &[Delivery], versions: &mut Versions, rows: Vec<(usize, Row)>) {
    let mut rows = rows.into_iter().peekable();
    for (number, delivery) in deliveries.iter().enumerate() {
        let remodels = delivery.root != Root::Changes && remodels(deliveries, number);
        let from = From { number, name: &delivery.name, ends: delivery.ends(), remodels };
        while let Some((_, row)) = rows.next_if(|(of, _)| *of == number) {
            versions.apply(row, from);
        }
        let last_of_stock = deliveries.get(number + 1).is_none_or(|next| next.root == Root::Changes);
        if remodels && last_of_stock {
            versions.end_absent(stock_end(deliveries, number));
        }
    }
}

/// True for a stock of another model than the first.
fn remodels(deliveries: &[Delivery], number: usize) -> bool {
    deliveries.first().is_some_and(|first| deliveries[number].model() != first.model())
}

/// When the last file of a stock says that it holds.
fn stock_end(deliveries: &[Delivery], number: usize) -> &str {
    let model = deliveries[number].model();
    let stock = deliveries[..=number].iter().filter(|delivery| delivery.model() == model);
    stock.filter_map(Delivery::ends).max().unwrap_or_default()
}

/// Parcels, those of the past, and what tells how one came of the other.
pub fn is_parcel(class: &str) -> bool {
    class == "AX_Flurstueck" || class == "AX_Fortfuehrungsfall" || class.starts_with("AX_HistorischesFlurstueck")
}

/// What else is drawn, or covers ground.
fn is_ground(class: &str) -> bool {
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
    /// What is drawn or covers ground, parcels not among it.
    Ground,
    /// Parcels too.
    Areas,
    /// Everything, and what it refers to.
    All,
}

/// The entries of a cell that the state has, as inputs of a unit.
pub fn inputs_of(state: &UnitResult, pack: &Pack, key: &str, need: Need) -> Vec<Input> {
    let parts = match need {
        Need::Ground => &PARTS[1..2],
        Need::Areas => &PARTS[..2],
        Need::All => &PARTS[..],
    };
    let names = parts.iter().map(|part| format!("{part}{key}"));
    names.filter_map(|name| pack.entries().get(&name).map(|info| state.entry_as_input(&name, *info))).collect()
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
    make: impl Fn(&[Vec<u8>]) -> Result<T> + Sync,
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
    make: impl Fn(&[Vec<u8>]) -> Result<T> + Sync,
    take: impl FnMut(T) -> Result<()> + Send,
) -> Result<()> {
    each_cell_of(state, &[PARCELS], make, take)
}

fn each_cell_of<T: Send>(
    state: &UnitResult,
    parts: &[&str],
    make: impl Fn(&[Vec<u8>]) -> Result<T> + Sync,
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
        let (next, taken) = rayon::join(
            || some.into_par_iter().map(|entries| make(&entries)).collect(),
            || before.into_iter().try_for_each(|made| take(made?)),
        );
        made = next;
        taken?;
    }
}

fn each_of(state: &UnitResult, parts: &[&str], mut each: impl FnMut(Row) -> Result<()>) -> Result<()> {
    let mut pack = state.pack()?;
    let names: Vec<String> =
        pack.entries().keys().filter(|name| parts.iter().any(|part| name.starts_with(part))).cloned().collect();
    for name in names {
        from_ipc(&pack.read(&name)?)?.into_iter().try_for_each(&mut each)?;
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
        let rows = from_ipc_where(&bytes, |look| look.holds(as_of) && wanted(look.class))?;
        rows.into_iter().try_for_each(|row| each(Row { endet: None, ..row }))
    })
}

/// Rows of whole cells that are looked at together, at least; with fewer there is too little to do on all threads.
const ROWS_AT_ONCE: usize = 4096;

/// As [`each_shown`], the rows of some cells at a time: the cells in the order of the inputs, the rows of each ordered by class,
/// object and begin. `each` gets them with the inputs that they came from.
///
/// # Errors
/// When an input cannot be read, or `each` fails.
pub fn each_shown_cells<'i>(
    inputs: &'i [Input],
    as_of: Option<&str>,
    wanted: impl Fn(&str) -> bool,
    mut each: impl FnMut(&'i [Input], Vec<Row>) -> Result<()>,
) -> Result<()> {
    let key = |input: &Input| input.member.as_deref().and_then(|name| name.rsplit('/').next()).map(str::to_owned);
    let mut packs = OpenPack::default();
    let (mut rows, mut first, mut next) = (Vec::new(), 0, 0);
    for cell in inputs.chunk_by(|a, b| key(a) == key(b)) {
        let start = rows.len();
        for input in cell {
            if let Some(bytes) = packs.read(input)? {
                rows.extend(from_ipc_where(&bytes, |look| look.holds(as_of) && wanted(look.class))?);
            }
        }
        rows[start..].iter_mut().for_each(|row: &mut Row| row.endet = None);
        rows[start..].sort_by(|a, b| (&a.class, &a.oid, &a.beginnt).cmp(&(&b.class, &b.oid, &b.beginnt)));
        next += cell.len();
        if rows.len() >= ROWS_AT_ONCE || next == inputs.len() {
            each(&inputs[first..next], std::mem::take(&mut rows))?;
            first = next;
        }
    }
    Ok(())
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
        if self.0.as_ref().is_none_or(|(path, _)| *path != input.path) {
            self.0 = Some((input.path.clone(), Pack::open(&input.path)?));
        }
        match (&mut self.0, &input.member) {
            (Some((_, pack)), Some(name)) => pack.read(name).map(Some),
            _ => Ok(None),
        }
    }
}

/// Of the versions of a cell those that are shown, ordered by class, object and begin: what holds at present or as of the date of
/// the options, and with `history` the versions that ended before. The end of one that holds as of a date is not known then.
///
/// # Errors
/// When the bytes are none of a cell.
pub fn shown(entries: &[Vec<u8>], options: &Options, wanted: impl Fn(&str) -> bool) -> Result<Vec<Row>> {
    let as_of = options.moment();
    let as_of = as_of.as_deref();
    let past = |look: Look<'_>| options.history && as_of.is_none_or(|moment| look.beginnt <= moment);
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

fn entry<T: DeserializeOwned>(pack: &mut Pack, name: &str) -> Result<T> {
    serde_json::from_slice(&pack.read(name)?)
        .map_err(|error| Error::new("mk::run::result", "the state is not as expected").because(error))
}

/// The error of a result that cannot be written.
pub fn unwritable(error: serde_json::Error) -> Error {
    Error::new("mk::run::result", "the result cannot be written").because(error)
}
