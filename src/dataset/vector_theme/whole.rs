//! What all files of a theme say together, and their rows in one order.

use super::cells::{self, Cell, CellInfo};
use super::read::Summary;
use super::rows::{self, conformed, from_ipc, merged, pack_schema};
use crate::crs::{Bbox, Crs, OperationFact};
use crate::dataset::UnitResult;
use crate::dataset::features::{FieldOption, FieldType};
use crate::error::{Error, Place, Result};
use crate::io::Pack;
use crate::vector::hilbert;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use std::collections::{BTreeMap, BTreeSet};

/// What all files say together.
#[derive(Debug, Clone)]
pub struct Whole {
    /// CRS of the rows.
    pub crs: Crs,
    /// All fields.
    pub fields: Vec<FieldOption>,
    /// WKB types that there are.
    pub types: BTreeSet<u32>,
    /// Operations that were applied.
    pub operations: Vec<OperationFact>,
    /// Extent of the features.
    pub bbox: Bbox,
    /// Rows.
    pub rows: u64,
}

impl Whole {
    /// What the results of the stage `read` say.
    ///
    /// # Errors
    /// When there is none, or they are in different CRSs.
    pub fn of(read: &[UnitResult]) -> Result<Self> {
        let mut whole: Option<Self> = None;
        for result in read {
            let summary = summary(result)?;
            let bbox = result.outcome.bbox.unwrap_or(Bbox::EMPTY);
            let Some(known) = &mut whole else {
                whole = Some(Self {
                    crs: summary.crs,
                    fields: summary.fields,
                    types: summary.types,
                    operations: vec![summary.operation],
                    bbox,
                    rows: summary.rows,
                });
                continue;
            };
            if known.crs != summary.crs {
                let message = format!("{} is in {}, other files in {}", result.key, summary.crs, known.crs);
                return Err(Error::new("mk::vector_theme::crs", message)
                    .at(Place::file(&result.key))
                    .hint("set [pipeline] crs: all files are then brought into it"));
            }
            join(&mut known.fields, summary.fields);
            known.types.extend(summary.types);
            if !known.operations.contains(&summary.operation) {
                known.operations.push(summary.operation);
            }
            known.bbox = known.bbox.union(bbox);
            known.rows += summary.rows;
        }
        whole.ok_or_else(|| {
            Error::new("mk::vector_theme::empty", "no file could be read: there is nothing to publish")
                .hint("the report lists each file with its reason")
        })
    }

    /// The columns of the rows in packs.
    pub fn schema(&self) -> SchemaRef {
        pack_schema(&self.fields)
    }
    /// True when single geometries become collections, because there are both.
    pub fn promotes(&self) -> bool {
        (1..=3).any(|single| self.types.contains(&single) && self.types.contains(&(single + 3)))
    }
    /// The type of the layer as GeoPackage names it.
    pub fn geometry_type(&self) -> &'static str {
        let promoted = self.promotes();
        let kinds: BTreeSet<u32> = self.types.iter().map(|kind| if promoted && *kind <= 3 { kind + 3 } else { *kind }).collect();
        match kinds.iter().copied().collect::<Vec<_>>()[..] {
            [1] => "POINT",
            [2] => "LINESTRING",
            [3] => "POLYGON",
            [4] => "MULTIPOINT",
            [5] => "MULTILINESTRING",
            [6] => "MULTIPOLYGON",
            _ => "GEOMETRY",
        }
    }
}

/// What a file said.
pub fn summary(result: &UnitResult) -> Result<Summary> {
    serde_json::from_value(result.outcome.summary.clone())
        .map_err(|error| Error::new("mk::run::result", "the result of a unit is not as expected").because(error))
}

/// Adds fields that are new; one that is of different types becomes text.
fn join(known: &mut Vec<FieldOption>, more: Vec<FieldOption>) {
    for field in more {
        match known.iter_mut().find(|other| other.name == field.name) {
            Some(other) if other.field_type == field.field_type => {}
            Some(other) => {
                let numbers = [FieldType::Integer, FieldType::Number];
                let both = numbers.contains(&other.field_type) && numbers.contains(&field.field_type);
                other.field_type = if both { FieldType::Number } else { FieldType::Text };
            }
            None => known.push(field),
        }
    }
}

/// The cells of all results.
///
/// # Errors
/// When a pack cannot be read.
pub fn cells_of(read: &[UnitResult]) -> Result<Vec<BTreeMap<Cell, CellInfo>>> {
    read.iter().map(|result| cells::listed(&result.pack()?.read(cells::CELLS)?)).collect()
}

/// The rows of all results, cell by cell along the Hilbert curve.
pub struct Rows {
    packs: Vec<Pack>,
    /// Each cell with the packs that have it, the last first.
    cells: Vec<(Cell, Vec<usize>)>,
    schema: SchemaRef,
}

impl Rows {
    /// Opens the packs.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn new(read: &[UnitResult], whole: &Whole) -> Result<Self> {
        let mut by_cell: BTreeMap<Cell, Vec<usize>> = BTreeMap::new();
        for (index, cells) in cells_of(read)?.into_iter().enumerate() {
            for cell in cells.into_keys() {
                by_cell.entry(cell).or_default().push(index);
            }
        }
        let mut cells: Vec<(Cell, Vec<usize>)> = by_cell.into_iter().collect();
        let place = |(x, y): Cell| hilbert::index((x as u16) << 4, (y as u16) << 4);
        cells.sort_by_key(|(cell, _)| std::cmp::Reverse((place(*cell), *cell)));
        Ok(Self { packs: read.iter().map(UnitResult::pack).collect::<Result<_>>()?, cells, schema: whole.schema() })
    }

    fn cell(&mut self, cell: Cell, packs: &[usize]) -> Result<RecordBatch> {
        let name = cells::name(cell);
        let read = |index: &usize| conformed(&from_ipc(&self.packs[*index].read(&name)?)?, &self.schema);
        let batches = packs.iter().map(read).collect::<Result<Vec<_>>>()?;
        merged(&self.schema, &batches)
    }
}

impl Iterator for Rows {
    type Item = Result<RecordBatch>;
    fn next(&mut self) -> Option<Self::Item> {
        let (cell, packs) = self.cells.pop()?;
        Some(self.cell(cell, &packs))
    }
}

/// The rows as they are published.
///
/// # Errors
/// When a pack cannot be read.
pub fn published(read: &[UnitResult], whole: &Whole, schema: &SchemaRef) -> Result<impl Iterator<Item = Result<RecordBatch>>> {
    let (schema, promote) = (SchemaRef::clone(schema), whole.promotes());
    Ok(Rows::new(read, whole)?.map(move |rows| rows::published(&rows?, &schema, promote)))
}
