//! Stage `state`: all deliveries in their order to the version store; a night's changes into the cells they touch.

use super::cell::{Cell, Router, Seen};
use super::chain::{self, Chain, Delivery, Failed};
use super::fold::{From, Odd, Versions};
use super::spill::{Spill, Taken};
use super::store::{
    About, CELLS, CellInfo, DELIVERIES, INDEX, PARTS, Parts, ROWS, StateSummary, entry, holds, is_ground, is_parcel, unwritable,
};
use crate::crs::{Bbox, Crs};
use crate::dataset::cadastre::areas::{CellAreas, Links, Lots};
use crate::dataset::cadastre::nas::{self, Root};
use crate::dataset::cadastre::read::{self, Summary};
use crate::dataset::cadastre::row::{Row, from_ipc, to_ipc};
use crate::dataset::cadastre::tables::{Lookups, asks};
use crate::dataset::cadastre::tiles::{Blocks, drawn_blocks, drawn_entry};
use crate::dataset::cadastre::{Options, READ};
use crate::dataset::{Outcome, PlanContext, UnitContext, UnitResult, check};
use crate::error::{Error, Place, Rejection, Result};
use crate::format::wkb;
use crate::io::{Limits, Pack, PackWriter, atomic};
use crate::plan::{Input, UnitSpec};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Bytes of rows on their way to their cells that are kept in memory, and of those whose cell is not known before the delivery ends.
const ROWS_IN_MEMORY: usize = 40 << 20;
const WAITING_IN_MEMORY: usize = 16 << 20;
/// Cells that are folded at once.
const AT_ONCE: usize = 8;

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
    let failed = context.sources.iter().filter(|source| !read.contains(source.name.as_str()));
    let failed: Vec<Failed> = failed
        .map(|source| Failed { name: source.name.clone(), head: nas::head(&|| source.reader(Limits::default())) })
        .collect();
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
        let mut held: HashSet<u64, ahash::RandomState> = HashSet::default();
        let mut route = |rows: Vec<Row>, seen: Vec<Seen>| {
            rows.into_iter().zip(seen).try_for_each(|(row, seen)| {
                let cell = if held.contains(&seen.number) { None } else { router.route(&seen) };
                if let Some(cell) = cell {
                    return spill.add(cell, number, row);
                }
                held.insert(seen.number);
                waiting.add(Cell::default(), number, row)
            })
        };
        let cancel = context.cancel;
        // Those before are routed while these are looked at: that is one thread's work.
        let mut before = None;
        read::each_batch(input, |mut rows| {
            check(cancel)?;
            if params.crs.is_some() {
                // A bare object names no CRS when it leaves the delivery that it was cut from: that of the others holds.
                for row in rows.iter_mut().filter(|row| row.srs.as_deref() == Some("")) {
                    row.srs = None;
                    row.geometry = row.local.take();
                }
            }
            let (routed, seen) = rayon::join(
                || before.take().map_or(Ok(()), |(rows, seen)| route(rows, seen)),
                || rows.par_iter().map(Seen::of).collect::<Result<Vec<_>>>(),
            );
            routed?;
            before = Some((rows, seen?));
            Ok(())
        })?;
        before.map_or(Ok(()), |(rows, seen)| route(rows, seen))?;
        for (_, row) in waiting.take(&Cell::default())?.rows()? {
            spill.add(router.settle(&row.oid), number, row)?;
        }
        router.next_delivery();
    }
    let mut odd = Vec::new();
    let cells = fold_cells(&params, earlier.as_mut(), &mut spill, context, &mut odd)?;
    if !atomic::passes() {
        context.pack.add(INDEX, &router.into_bytes())?;
    }
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
    let draw = params.crs.map(|crs| Blocks::new(crs, &context.area.grids)).transpose()?;
    let touched: BTreeSet<Cell> = spill.cells().into_iter().collect();
    let first = earlier.as_ref().map_or(0, |earlier| earlier.applied);
    let known = earlier.as_mut().map(|earlier| std::mem::take(&mut earlier.cells)).unwrap_or_default();
    let kept = known.keys().filter_map(|key| Cell::parse(key));
    let all: Vec<Cell> = kept.chain(touched.iter().copied()).collect::<BTreeSet<_>>().into_iter().collect();
    let pack = &mut *context.pack;
    let mut folding = Folding { earlier, spill, pack, touched, known, all: all.into_iter(), cells: BTreeMap::new(), odd };
    let mut work = folding.fetch()?;
    let mut folded: Vec<Folded> = Vec::new();
    // While some cells are folded, those before them are written and those after them are read.
    while !work.is_empty() || !folded.is_empty() {
        check(context.cancel)?;
        let (now, before) = (std::mem::take(&mut work), std::mem::take(&mut folded));
        let (done, others) = rayon::join(
            || now.into_par_iter().map(|work| work.fold(params, first, draw.as_ref())).collect::<Result<Vec<_>>>(),
            || folding.keep(before).and_then(|()| folding.fetch()),
        );
        (folded, work) = (done?, others?);
    }
    Ok(folding.cells)
}

/// Cells on their way from where they were, through the fold, into the pack.
struct Folding<'f> {
    earlier: Option<&'f mut Earlier>,
    spill: &'f mut Spill<Cell>,
    pack: &'f mut PackWriter,
    /// Those that have new rows.
    touched: BTreeSet<Cell>,
    /// What was known of all of them.
    known: BTreeMap<String, CellInfo>,
    /// Those that are still to come.
    all: std::vec::IntoIter<Cell>,
    cells: BTreeMap<String, CellInfo>,
    odd: &'f mut Vec<Odd>,
}

impl Folding<'_> {
    /// Some cells, until there are enough of those that have new rows.
    fn fetch(&mut self) -> Result<Vec<Work>> {
        let (mut works, mut new) = (Vec::new(), 0);
        while new < AT_ONCE
            && let Some(cell) = self.all.next()
        {
            if !self.touched.contains(&cell) {
                works.push(Work::Stays(cell));
                continue;
            }
            let mut before = Box::<Parts>::default();
            if let Some(earlier) = &mut self.earlier {
                for (bytes, part) in before.iter_mut().zip(PARTS) {
                    let name = format!("{part}{}", cell.key());
                    if earlier.pack.entries().contains_key(&name) {
                        *bytes = earlier.pack.read(&name)?;
                    }
                }
            }
            works.push(Work::Changes { cell, before, rows: self.spill.take(&cell)? });
            new += 1;
        }
        Ok(works)
    }

    /// Adds cells to the pack.
    fn keep(&mut self, folded: Vec<Folded>) -> Result<()> {
        for folded in folded {
            match folded {
                Folded::Same(cell) => {
                    let key = cell.key();
                    for name in PARTS.map(|part| format!("{part}{key}")) {
                        if let Some(earlier) = &mut self.earlier
                            && earlier.pack.entries().contains_key(&name)
                        {
                            self.pack.take_over(&name, &mut earlier.pack)?;
                        }
                    }
                    let info = self.known.remove(&key).unwrap_or_default();
                    self.cells.insert(key, info);
                }
                Folded::Other { cell, parts, info, odd } => {
                    for (bytes, part) in parts.iter().zip(PARTS).filter(|(bytes, _)| !bytes.is_empty()) {
                        self.pack.add(&format!("{part}{}", cell.key()), bytes)?;
                    }
                    self.cells.insert(cell.key(), *info);
                    self.odd.extend(odd);
                }
            }
        }
        Ok(())
    }
}

/// A cell on its way.
enum Work {
    /// It stays as it is.
    Stays(Cell),
    /// To be folded: what it holds, and what comes to it.
    Changes { cell: Cell, before: Box<Parts>, rows: Taken },
}

/// What became of a cell: it is the same, or it has other entries, with what is known of them, and what was odd.
enum Folded {
    Same(Cell),
    Other { cell: Cell, parts: Box<Parts>, info: Box<CellInfo>, odd: Vec<Odd> },
}

impl Work {
    fn fold(self, params: &Params, first: usize, draw: Option<&Blocks>) -> Result<Folded> {
        match self {
            Self::Stays(cell) => Ok(Folded::Same(cell)),
            Self::Changes { cell, before, rows } => {
                let (parts, info, odd) = fold(params, first, draw, *before, rows.rows()?)?;
                Ok(Folded::Other { cell, parts: Box::new(parts), info: Box::new(info), odd })
            }
        }
    }
}

/// One cell: what was there, then the operations in their order.
fn fold(
    params: &Params,
    first: usize,
    draw: Option<&Blocks>,
    before: Parts,
    rows: Vec<(usize, Box<Row>)>,
) -> Result<(Parts, CellInfo, Vec<Odd>)> {
    let mut known = Vec::new();
    for bytes in before.into_iter().take(ROWS.len()).filter(|bytes| !bytes.is_empty()) {
        known.extend(from_ipc(bytes)?);
    }
    let mut versions = Versions::of(known);
    replay(&params.deliveries, first, &mut versions, rows);
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
        let counted = [true, *row.class == *"AX_Flurstueck", *row.class == *"AX_Gebaeude"];
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
        info.areas = CellAreas::of(located.iter().copied(), draw)?;
    }
    let shown = rows.iter().filter(|row| params.quality && holds(row, params.as_of.as_deref()));
    let links = Links::of(shown).into_bytes();
    let (parcels, others): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| is_parcel(&row.class));
    let (ground, objects): (Vec<&Row>, Vec<&Row>) = others.into_iter().partition(|row| is_ground(&row.class));
    let bytes = |rows: &[&Row]| if rows.is_empty() { Ok(Vec::new()) } else { to_ipc(rows) };
    let [mut drawn_parcels, mut drawn_ground, mut lots] = [const { Vec::new() }; 3];
    if let Some(draw) = draw {
        let is_shown = |row: &&Row| holds(row, params.as_of.as_deref());
        drawn_parcels = drawn_entry(parcels.iter().copied().filter(is_shown), draw)?;
        drawn_ground = drawn_entry(ground.iter().copied().filter(is_shown), draw)?;
        info.blocks = drawn_blocks(&drawn_parcels)?;
        info.blocks.append(&mut drawn_blocks(&drawn_ground)?);
        let shown = parcels.iter().chain(&ground).copied().filter(is_shown);
        lots = Lots::of(shown, draw, params.crs.filter(|_| params.quality))?.into_bytes()?;
    }
    let holding = rows.iter().filter(|row| holds(row, params.as_of.as_deref()));
    let names = Lookups::of_cell(holding.clone()).into_bytes();
    // Where no rows of tables are kept, all look up among everything.
    let asks = if atomic::passes() { Vec::new() } else { asks(holding) };
    Ok(([bytes(&parcels)?, bytes(&ground)?, bytes(&objects)?, links, drawn_parcels, drawn_ground, lots, names, asks], info, odd))
}

/// Applies operations, each with the number of its delivery, in the order of the deliveries. Those before the `first` have been applied: a
/// stock of a later model among them has ended what it does not hold, and ends nothing more.
pub fn replay(deliveries: &[Delivery], first: usize, versions: &mut Versions, rows: Vec<(usize, Box<Row>)>) {
    let mut rows = rows.into_iter().peekable();
    for (number, delivery) in deliveries.iter().enumerate().skip(first) {
        let remodels = delivery.root != Root::Changes && remodels(deliveries, number);
        let from = From { number, name: &delivery.name, ends: delivery.ends(), remodels };
        while let Some((_, row)) = rows.next_if(|(of, _)| *of == number) {
            versions.apply(*row, from);
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
