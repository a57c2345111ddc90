//! Rows on their way into the cells of the map: in memory while they are few, else in runs on disk that are merged at the end, so
//! that a file of any size fits. A cell is a square of zoom 12; its rows lie along a Hilbert curve, whatever the order of the file.

use super::rows::{failed, from_ipc, keys, merged, to_ipc};
use crate::crs::Bbox;
use crate::dataset::vector_tiles::{tile_at, touched};
use crate::error::Result;
use crate::io::PackWriter;
use crate::vector::hilbert;
use arrow::array::RecordBatch;
use arrow::compute::interleave_record_batch;
use arrow::datatypes::SchemaRef;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Zoom of a cell: some six kilometres at our latitude.
pub const CELL_ZOOM: u8 = 12;
/// What the names of the entries with rows begin with.
pub const ROWS: &str = "rows/";
/// The entry that lists the cells.
pub const CELLS: &str = "cells.json";
/// Bytes of rows that are kept in memory.
const IN_MEMORY: usize = 96 << 20;
/// Blocks that one feature may touch; one that touches more is drawn at low zooms only.
const MAX_BLOCKS: u64 = 4096;

/// True for what touches too many blocks to be drawn in them.
pub fn is_wide(world: &Bbox) -> bool {
    let [x0, x1, y0, y1] = touched(world, CELL_ZOOM);
    u64::from(x1 - x0 + 1) * u64::from(y1 - y0 + 1) > MAX_BLOCKS
}

/// A cell by column and row.
pub type Cell = (u32, u32);

/// Where a row goes.
#[derive(Debug, Clone, Copy)]
pub struct Spot {
    /// Its cell.
    pub cell: Cell,
    /// Its place along the cell's curve.
    pub order: u32,
    /// Around it, in the unit square.
    pub world: Bbox,
}

impl Spot {
    /// The place of a feature, by the middle of the rectangle around it in the unit square.
    pub fn of(world: Bbox) -> Self {
        let centre = world.centre();
        let cell = tile_at(centre, CELL_ZOOM);
        let across = f64::from(1_u32 << CELL_ZOOM);
        let part = |value: f64, index: u32| ((value * across - f64::from(index)) * 65_536.0).clamp(0.0, 65_535.0) as u16;
        Self { cell, order: hilbert::index(part(centre[0], cell.0), part(centre[1], cell.1)), world }
    }
}

/// What is known of a cell without reading its rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CellInfo {
    /// Rows.
    pub rows: u64,
    /// Blocks of tiles, squares of zoom 12, that its features touch.
    pub blocks: BTreeSet<Cell>,
    /// Around those of its features that are too large for blocks, in the unit square.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wide: Option<Bbox>,
}

/// Rows being sorted into cells.
pub struct Cells {
    schema: SchemaRef,
    folder: PathBuf,
    limit: usize,
    size: usize,
    batches: Vec<RecordBatch>,
    spots: Vec<Vec<Cell>>,
    runs: Vec<Run>,
    known: BTreeMap<Cell, CellInfo>,
}

/// Cell, place and digest of a row, and where it is: batch and row.
type Placed = (Cell, (u32, u64), (u32, u32));

/// Rows in memory in the order of cells and curves, and where each cell's are in it.
struct Sorted {
    batches: Vec<RecordBatch>,
    order: Vec<Placed>,
    parts: BTreeMap<Cell, Range<usize>>,
}

/// Rows on disk, by cell.
struct Run {
    file: File,
    parts: BTreeMap<Cell, (u64, usize)>,
}

impl Cells {
    /// Uses files in `folder` when it must.
    pub fn new(schema: SchemaRef, folder: &Path) -> Self {
        Self {
            schema,
            folder: folder.to_owned(),
            limit: IN_MEMORY,
            size: 0,
            batches: Vec::new(),
            spots: Vec::new(),
            runs: Vec::new(),
            known: BTreeMap::new(),
        }
    }

    /// Adds rows with their spots.
    ///
    /// # Errors
    /// When a run cannot be written.
    pub fn add(&mut self, rows: RecordBatch, spots: &[Spot]) -> Result<()> {
        for spot in spots {
            let info = self.known.entry(spot.cell).or_default();
            info.rows += 1;
            let [x0, x1, y0, y1] = touched(&spot.world, CELL_ZOOM);
            if is_wide(&spot.world) {
                info.wide = Some(info.wide.unwrap_or(Bbox::EMPTY).union(spot.world));
            } else if (x0, y0) == (x1, y1) {
                info.blocks.insert((x0, y0));
            } else {
                info.blocks.extend((x0..=x1).flat_map(|x| (y0..=y1).map(move |y| (x, y))));
            }
        }
        self.size += rows.get_array_memory_size();
        self.batches.push(rows);
        self.spots.push(spots.iter().map(|spot| spot.cell).collect());
        if self.size > self.limit { self.spill() } else { Ok(()) }
    }

    /// The rows in memory, in order; there are none in memory then.
    fn sorted(&mut self) -> Sorted {
        let (batches, spots) = (std::mem::take(&mut self.batches), std::mem::take(&mut self.spots));
        self.size = 0;
        let mut order: Vec<Placed> = Vec::with_capacity(spots.iter().map(Vec::len).sum());
        for (batch, (rows, cells)) in batches.iter().zip(&spots).enumerate() {
            let numbered = keys(rows).into_iter().zip(cells).enumerate();
            order.extend(numbered.map(|(row, (key, cell))| (*cell, key, (batch as u32, row as u32))));
        }
        order.sort_unstable();
        let mut parts = BTreeMap::new();
        let mut at = 0;
        for part in order.chunk_by(|a, b| a.0 == b.0) {
            parts.insert(part[0].0, at..at + part.len());
            at += part.len();
        }
        Sorted { batches, order, parts }
    }

    fn spill(&mut self) -> Result<()> {
        let sorted = self.sorted();
        let file = tempfile::tempfile_in(&self.folder).map_err(failed)?;
        let mut out = BufWriter::with_capacity(1 << 18, file);
        let (mut at, mut parts) = (0, BTreeMap::new());
        for cell in sorted.parts.keys() {
            let Some(rows) = sorted.cell(*cell)? else { continue };
            let bytes = to_ipc(&rows)?;
            out.write_all(&bytes).map_err(failed)?;
            parts.insert(*cell, (at, bytes.len()));
            at += bytes.len() as u64;
        }
        let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
        self.runs.push(Run { file, parts });
        Ok(())
    }

    /// Writes the cells into a pack, an entry each, and the list of them; gives the list.
    ///
    /// # Errors
    /// When a run cannot be read or the pack not be written.
    pub fn finish(mut self, pack: &mut PackWriter) -> Result<BTreeMap<Cell, CellInfo>> {
        let last = self.sorted();
        let cells: Vec<Cell> = self.known.keys().copied().collect();
        for cell in cells {
            let mut parts = Vec::new();
            for run in &mut self.runs {
                if let Some((at, length)) = run.parts.get(&cell) {
                    let mut bytes = vec![0; *length];
                    run.file.seek(SeekFrom::Start(*at)).and_then(|_| run.file.read_exact(&mut bytes)).map_err(failed)?;
                    parts.push(from_ipc(&bytes)?);
                }
            }
            parts.extend(last.cell(cell)?);
            let rows = match &parts[..] {
                [only] => only.clone(),
                many => merged(&self.schema, many)?,
            };
            pack.add(&name(cell), &to_ipc(&rows)?)?;
        }
        let listed: Vec<(&Cell, &CellInfo)> = self.known.iter().collect();
        pack.add(CELLS, &serde_json::to_vec(&listed).map_err(failed)?)?;
        Ok(self.known)
    }
}

impl Sorted {
    /// The rows of a cell along its curve: only these are there twice.
    fn cell(&self, cell: Cell) -> Result<Option<RecordBatch>> {
        let Some(rows) = self.parts.get(&cell).and_then(|part| self.order.get(part.clone())) else { return Ok(None) };
        let all: Vec<&RecordBatch> = self.batches.iter().collect();
        let indices: Vec<(usize, usize)> = rows.iter().map(|(.., (batch, row))| (*batch as usize, *row as usize)).collect();
        interleave_record_batch(&all, &indices).map(Some).map_err(failed)
    }
}

/// The name of a cell's entry.
pub fn name((x, y): Cell) -> String {
    format!("{ROWS}{x}_{y}")
}

/// The list of cells of a pack.
///
/// # Errors
/// When it is none.
pub fn listed(bytes: &[u8]) -> Result<BTreeMap<Cell, CellInfo>> {
    let listed: Vec<(Cell, CellInfo)> = serde_json::from_slice(bytes).map_err(failed)?;
    Ok(listed.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::features::{FieldOption, FieldType, Value};
    use crate::dataset::vector_theme::rows::{Builder, pack_schema};
    use crate::io::Pack;

    /// However the rows come and however often they go to disk, the pack is the same.
    #[test]
    fn cells_do_not_depend_on_order_or_memory() {
        let field = FieldOption {
            name: "name".into(),
            from: None,
            field_type: FieldType::Text,
            unit: None,
            required: false,
            title: None,
        };
        let schema = pack_schema(&[field]);
        let folder = tempfile::tempdir().unwrap();
        let write = |limit: usize, step: u32| {
            let mut cells = Cells::new(schema.clone(), folder.path());
            cells.limit = limit;
            for chunk in (0..900_u32).collect::<Vec<_>>().chunks(100) {
                let (mut rows, mut spots) = (Builder::new(&schema), Vec::new());
                for number in chunk {
                    // 7, 11 and 1 have no factor in common with 900.
                    let number = number * step % 900;
                    let at = [0.53 + f64::from(number % 30) * 1e-5, 0.32 + f64::from(number / 30) * 1e-5];
                    let spot = Spot::of(Bbox::new(at, [at[0] + 1e-6, at[1] + 1e-6]));
                    rows.push(spot.order, &[Value::Text(format!("{number}"))], &number.to_le_bytes());
                    spots.push(spot);
                }
                cells.add(rows.finish().unwrap(), &spots).unwrap();
            }
            let path = folder.path().join(format!("{limit}-{step}.pack"));
            let mut pack = PackWriter::create(&path).unwrap();
            let known = cells.finish(&mut pack).unwrap();
            pack.finish().unwrap();
            (known, std::fs::read(&path).unwrap(), path)
        };
        let (known, bytes, path) = write(usize::MAX, 1);
        assert!(known.len() > 4 && known.values().map(|info| info.rows).sum::<u64>() == 900);
        for (limit, step) in [(1, 7), (40_000, 11), (usize::MAX, 7)] {
            let (other, other_bytes, _) = write(limit, step);
            assert_eq!(other, known);
            assert!(other_bytes == bytes, "limit {limit}, step {step}");
        }
        let mut pack = Pack::open(&path).unwrap();
        assert_eq!(listed(&pack.read(CELLS).unwrap()).unwrap(), known);
    }

    #[test]
    fn a_feature_touches_its_blocks_and_one_that_is_too_large_is_marked() {
        let folder = tempfile::tempdir().unwrap();
        let schema = pack_schema(&[]);
        let mut cells = Cells::new(schema.clone(), folder.path());
        for side in [1e-3, 0.4] {
            let mut rows = Builder::new(&schema);
            let spot = Spot::of(Bbox::new([0.5, 0.3], [0.5 + side, 0.3 + side]));
            rows.push(spot.order, &[], b"g");
            cells.add(rows.finish().unwrap(), &[spot]).unwrap();
        }
        let infos: Vec<&CellInfo> = cells.known.values().collect();
        assert_eq!(infos.iter().filter(|info| info.wide.is_some()).count(), 1);
        assert!(infos.iter().any(|info| info.blocks.len() == 30), "{infos:?}");
    }
}
