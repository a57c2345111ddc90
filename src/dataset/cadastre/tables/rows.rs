//! Stage `tables`: the rows of all tables, a unit for each group of cells, which lie together on the map. A cell whose objects are the
//! same, whose names are, and what its parcels and land use share, has the rows of the last result.
//!
//! ```text
//! flurstueck.arrow    the rows of the table `Flurstueck`: a batch for each cell that has any, along the Hilbert curve, and so within
//! flurstueck.parquet  the same rows as a part of the table's GeoParquet file
//! made.json           for each cell what its rows were made of, and which tables have a batch of it
//! ```

use super::names::{self, ANSWERS};
use super::{GEOMETRY, Lookups, PIECES, TABLES, pieces, tables};
use crate::crs::Bbox;
use crate::dataset::cadastre::columns;
use crate::dataset::cadastre::history::store;
use crate::dataset::cadastre::row::{Row, from_ipc};
use crate::dataset::cadastre::{AREAS, NAMES, Options, STATE, areas, files, preview};
use crate::dataset::{Outcome, PlanContext, UnitContext, UnitResult};
use crate::error::{Error, Result};
use crate::format::geoparquet::{self, sorted};
use crate::io::{Digest, atomic};
use crate::plan::{Input, UnitSpec};
use arrow::array::{Array, RecordBatch};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use store::{Entries, Need};

/// The entry that says what the rows of each cell were made of.
const MADE: &str = "made.json";
/// Cells whose tables are made at once.
const AT_ONCE: usize = 4;
/// Bytes of cells whose tables are made at once where none are kept.
const BYTES_AT_ONCE: u64 = 6 << 20;
/// Most parts of a file: each is a row group, and a reader begins with the directory of all. A stock of more groups has none.
const MAX_PARTS: usize = 1024;

/// What the assembly wants to know of a group.
#[derive(Debug, Serialize, Deserialize)]
pub struct GroupSummary {
    /// Its place along the Hilbert curve.
    pub place: u64,
    /// Rows of each table.
    pub rows: [u64; TABLES.len()],
    /// Those that have a geometry.
    pub located: [u64; TABLES.len()],
    /// Around what the preview draws of each table.
    pub extents: [Option<Bbox>; TABLES.len()],
}

/// The entry with the rows of a table.
pub fn entry(table: usize) -> String {
    format!("{}.arrow", TABLES[table].file)
}

/// The entry with the part of its GeoParquet file.
pub fn part(table: usize) -> String {
    format!("{}.parquet", TABLES[table].file)
}

/// The rows of a cell in all tables, with what they were made of.
type Made = (Digest, Vec<Option<RecordBatch>>);

/// True where rows of tables are wanted that a later night may keep. In a workspace that is gone when the command ends there is none:
/// there the assembly makes them, see [`each_cell`].
pub fn are_kept(context: &PlanContext<'_>) -> bool {
    files::are_wanted(|name| context.wants(name)) && !atomic::passes()
}

/// The groups of the cells of a state, each with what the tables of each of its cells are made of.
fn groups(state: &UnitResult, earlier: &[Vec<UnitResult>]) -> Result<Vec<(store::Group, Vec<Vec<Input>>)>> {
    let pack = state.pack()?;
    let mut told: BTreeMap<String, Vec<Input>> = BTreeMap::new();
    for result in [NAMES, AREAS].into_iter().filter_map(|stage| earlier.get(stage)).flatten() {
        for (name, info) in result.pack()?.entries() {
            if let Some((ANSWERS | areas::PIECES | areas::TEXTS, cell)) = name.split_once('/') {
                told.entry(cell.to_owned()).or_default().push(result.entry_as_input(name, *info));
            }
        }
    }
    let mut of_cell = |cell: &String| {
        let rows = store::inputs_of(state, &pack, cell, Need::Rows);
        rows.into_iter().chain(told.remove(cell).into_iter().flatten()).collect::<Vec<_>>()
    };
    let groups = store::groups(state)?.into_iter().map(|group| {
        let inputs = group.cells.iter().map(&mut of_cell).collect();
        (group, inputs)
    });
    Ok(groups.collect())
}

/// One unit for each group of cells of the state, where rows are kept.
///
/// # Errors
/// When an earlier result cannot be read.
pub fn units(options: &Options, context: &PlanContext<'_>) -> Result<Vec<UnitSpec>> {
    let mut units = Vec::new();
    for state in context.earlier.get(STATE).into_iter().flatten().filter(|_| are_kept(context)) {
        let groups = groups(state, context.earlier)?;
        let parts = context.wants("parquet") && groups.len() <= MAX_PARTS;
        for (store::Group { place, name, .. }, inputs) in groups {
            let inputs: Vec<Input> = inputs.concat();
            let size: u64 = inputs.iter().map(|input| input.size).sum();
            let params = serde_json::json!({
                "as_of": options.moment(), "history": options.shows_ended(), "group": name, "place": place, "parts": parts,
            });
            units.push(UnitSpec {
                key: name,
                inputs,
                params,
                bbox: None,
                memory_mb: 16 + (size >> 20).saturating_mul(4),
                cost: size,
            });
        }
    }
    Ok(units)
}

/// Makes the rows of a group.
///
/// # Errors
/// When an input cannot be read, a table not be made, or the result not be written.
pub fn execute(options: &Options, unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
    let how = serde_json::json!([unit.params["as_of"], unit.params["history"]]).to_string();
    let mut earlier = Earlier::of(context.previous);
    let mut entries = Entries::default();
    let mut batches: Vec<Vec<RecordBatch>> = vec![Vec::new(); TABLES.len()];
    let mut made: Vec<(&str, Digest, Vec<bool>)> = Vec::new();
    // Of each table, whether all its rows are those of the last result.
    let mut same = [true; TABLES.len()];
    let cell_of = |input: &Input| store::part_and_cell(input).map(|(_, cell)| cell.to_owned());
    let cells: Vec<&[Input]> = unit.inputs.chunk_by(|a, b| cell_of(a) == cell_of(b)).collect();
    for some in cells.chunks(AT_ONCE) {
        context.check()?;
        let mut works = Vec::new();
        for inputs in some {
            let Some((_, cell)) = inputs.first().and_then(store::part_and_cell) else { continue };
            let parts = inputs.iter().flat_map(|input| {
                let part = store::part_and_cell(input).map_or("", |(part, _)| part);
                [part.as_bytes(), &input.digest.as_bytes()[..]]
            });
            let made_of = Digest::of_parts([how.as_bytes()].into_iter().chain(parts));
            let known = earlier.0.remove(cell);
            let is_new = known.as_ref().is_none_or(|(of, _)| *of != made_of);
            let read = is_new.then(|| inputs.iter().map(|input| Ok((input, entries.read(input)?))).collect::<Result<Vec<_>>>());
            works.push((cell, made_of, known.map(|(_, tables)| tables).unwrap_or_default(), read.transpose()?));
        }
        let done = works.into_par_iter().map(|(cell, made_of, known, read)| match read {
            None => Ok((cell, made_of, known, [true; TABLES.len()])),
            Some(read) => {
                let tables = make(options, read, None)?;
                let of = |tables: &[Option<RecordBatch>], index: usize| tables.get(index).cloned().flatten();
                let same = std::array::from_fn(|index| of(&known, index) == of(&tables, index));
                Ok((cell, made_of, tables, same))
            }
        });
        for (cell, made_of, tables, are_same) in done.collect::<Result<Vec<_>>>()? {
            same.iter_mut().zip(are_same).for_each(|(same, is_same)| *same &= is_same);
            made.push((cell, made_of, tables.iter().map(Option::is_some).collect()));
            tables.into_iter().zip(&mut batches).for_each(|(rows, batches)| batches.extend(rows));
        }
    }
    let (mut rows, mut located, mut extents) = ([0; TABLES.len()], [0; TABLES.len()], [None; TABLES.len()]);
    // Mostly a night changes rows of few tables. Cells that are gone take their rows with them.
    let mut before = context.previous.filter(|_| earlier.0.is_empty()).and_then(|previous| previous.pack().ok());
    for (index, batches) in batches.into_iter().enumerate() {
        // The geometry is the last column.
        let shapes = batches.iter().filter_map(|rows| rows.columns().last());
        located[index] = shapes.map(|column| (column.len() - column.null_count()) as u64).sum();
        rows[index] = batches.iter().map(|rows| rows.num_rows() as u64).sum();
        extents[index] = Some(preview::extent(TABLES[index].file, &batches)?).filter(|bbox| !bbox.is_empty());
        if batches.is_empty() {
            continue;
        }
        let schema = TABLES[index].schema();
        let mut known = before.as_mut().filter(|_| same[index]);
        let (of_rows, of_part) = (entry(index), part(index));
        match known.as_mut().filter(|before| before.entries().contains_key(&of_rows)) {
            Some(before) => context.pack.take_over(&of_rows, before)?,
            None => context.pack.add(&of_rows, &columns::to_ipc(&schema, &batches)?)?,
        }
        if unit.params["parts"] != true {
            continue;
        }
        match known.as_mut().filter(|before| before.entries().contains_key(&of_part)) {
            Some(before) => context.pack.take_over(&of_part, before)?,
            None => context.pack.add(&of_part, &geoparquet::part(&schema, &batches, &files::parquet_options(None))?)?,
        }
    }
    context.pack.add(MADE, &serde_json::to_vec(&made).map_err(store::unwritable)?)?;
    let place = unit.params["place"].as_u64().unwrap_or_default();
    let summary = serde_json::to_value(GroupSummary { place, rows, located, extents }).map_err(store::unwritable)?;
    Ok(Outcome { summary, ..Outcome::default() })
}

/// The rows of all cells in all tables, made for this assembly alone, in the order of those of the units: while some are made on all
/// threads, those before them are taken.
///
/// # Errors
/// When an earlier result cannot be read or a table not be made; those of `take`.
pub fn each_cell(
    options: &Options,
    results: &[Vec<UnitResult>],
    mut take: impl FnMut(Vec<Option<RecordBatch>>) -> Result<()> + Send,
) -> Result<()> {
    for state in results.get(STATE).into_iter().flatten() {
        let lookups = names::all(state)?;
        let mut entries = Entries::default();
        let cells: Vec<Vec<Input>> = groups(state, results)?.into_iter().flat_map(|(_, cells)| cells).collect();
        let mut cells = cells.iter().peekable();
        let mut made: Vec<Result<Vec<Option<RecordBatch>>>> = Vec::new();
        while cells.peek().is_some() || !made.is_empty() {
            let (mut some, mut size) = (Vec::new(), 0);
            while let Some(inputs) = cells.next_if(|_| size < BYTES_AT_ONCE) {
                size += inputs.iter().map(|input| input.size).sum::<u64>();
                some.push(inputs.iter().map(|input| Ok((input, entries.read(input)?))).collect::<Result<Vec<_>>>()?);
            }
            let before = std::mem::take(&mut made);
            let make = |read| make(options, read, Some(&lookups));
            let (next, taken) =
                rayon::join(|| some.into_par_iter().map(make).collect(), || before.into_iter().try_for_each(|rows| take(rows?)));
            made = next;
            taken?;
        }
    }
    Ok(())
}

/// The rows of a cell in all tables, from what was read of it; what they look up is among that, or in `names` of all cells.
fn make(options: &Options, read: Vec<(&Input, Vec<u8>)>, names: Option<&Lookups>) -> Result<Vec<Option<RecordBatch>>> {
    let (mut lookups, mut uses) = (Lookups::default(), BTreeMap::new());
    let (mut rows, mut shares): (Vec<Vec<u8>>, Vec<Row>) = (Vec::new(), Vec::new());
    for (input, bytes) in read {
        match store::part_and_cell(input) {
            Some((ANSWERS, _)) => lookups.add(Lookups::from_bytes(&bytes)?),
            Some((areas::PIECES, _)) => shares.extend(from_ipc(bytes)?),
            Some((areas::TEXTS, _)) => uses.extend(areas::texts(&bytes)?),
            _ => rows.push(bytes),
        }
    }
    lookups.settle();
    let made = tables(&store::shown(rows, options, |_| true)?, names.unwrap_or(&lookups), &uses)?;
    let mut all = made.iter().map(|table| sorted(table, GEOMETRY)).collect::<Result<Vec<_>>>()?;
    all.insert(PIECES, sorted(&pieces(&shares)?, GEOMETRY)?);
    Ok(all.into_iter().map(|rows| (rows.num_rows() > 0).then_some(rows)).collect())
}

/// What the last result holds, by cell.
#[derive(Default)]
struct Earlier(BTreeMap<String, Made>);

impl Earlier {
    /// From the unit's last result; what cannot be read is made again.
    fn of(previous: Option<&UnitResult>) -> Self {
        previous.and_then(|previous| Self::read(previous).ok()).unwrap_or_default()
    }

    fn read(previous: &UnitResult) -> Result<Self> {
        let unexpected = || Error::new("mk::run::result", "the result of a unit is not as expected");
        let mut pack = previous.pack()?;
        let made: Vec<(String, Digest, Vec<bool>)> =
            serde_json::from_slice(&pack.read(MADE)?).map_err(|error| unexpected().because(error))?;
        let mut tables = Vec::new();
        for table in 0..TABLES.len() {
            tables.push(batches(previous, table)?.into_iter());
        }
        let mut known = BTreeMap::new();
        for (cell, made_of, has) in made {
            if has.len() != TABLES.len() {
                return Err(unexpected());
            }
            let take = |(has, rows): (bool, &mut std::vec::IntoIter<RecordBatch>)| {
                if has { rows.next().map(Some).ok_or_else(unexpected) } else { Ok(None) }
            };
            let rows = has.into_iter().zip(&mut tables).map(take).collect::<Result<Vec<_>>>()?;
            known.insert(cell, (made_of, rows));
        }
        Ok(Self(known))
    }
}

/// The parts of a table's GeoParquet file that results of this stage hold; `None` when one holds rows but no part.
///
/// # Errors
/// When a result cannot be read.
pub fn parts<'r>(results: &[&'r UnitResult], table: usize) -> Result<Option<Vec<&'r UnitResult>>> {
    let mut parts = Vec::new();
    for result in results {
        let pack = result.pack()?;
        match (pack.entries().contains_key(&entry(table)), pack.entries().contains_key(&part(table))) {
            (true, true) => parts.push(*result),
            (true, false) => return Ok(None),
            (false, _) => {}
        }
    }
    Ok(Some(parts))
}

/// The rows of a table that a result of this stage holds, cell by cell.
///
/// # Errors
/// When they cannot be read.
pub fn batches(result: &UnitResult, table: usize) -> Result<Vec<RecordBatch>> {
    let mut pack = result.pack()?;
    let name = entry(table);
    if !pack.entries().contains_key(&name) {
        return Ok(Vec::new());
    }
    columns::from_ipc(&pack.read(&name)?.into(), &TABLES[table].schema())
}
