//! The rows of all tables on their way to the files: those that the units of the stage `tables` hold, and rows that are gathered for
//! this night alone, in memory while they are few, else on disk. Several files are written from them at once.

use super::preview;
use super::tables::TABLES;
use super::tables::rows::{self, GroupSummary};
use crate::crs::Bbox;
use crate::dataset::UnitResult;
use crate::error::{Error, Result};
use crate::format::geoparquet;
use crate::io::{Digest, atomic};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Rows that parts of a file are to have on average.
const LEAST_IN_PART: u64 = 500;
/// Bytes of rows that are kept in memory.
const IN_MEMORY: usize = 16 << 20;

/// Rows of all tables, in the order in which they were added.
pub struct Spools {
    tables: Vec<Spool>,
    size: usize,
    limit: usize,
}

/// Rows of one table.
pub struct Spool {
    schema: SchemaRef,
    path: PathBuf,
    file: Option<StreamWriter<BufWriter<File>>>,
    rows: Vec<RecordBatch>,
    count: u64,
    located: u64,
    /// Of all rows.
    content: blake3::Hasher,
}

impl Spools {
    /// Uses files in `folder` when it must.
    pub fn new(folder: &Path) -> Self {
        Self::with_limit(folder, IN_MEMORY)
    }

    fn with_limit(folder: &Path, limit: usize) -> Self {
        let spool = |spec: &&super::tables::Spec| Spool {
            schema: spec.schema(),
            path: folder.join(format!("{}.spool", spec.file)),
            file: None,
            rows: Vec::new(),
            count: 0,
            located: 0,
            content: blake3::Hasher::new(),
        };
        Self { tables: TABLES.iter().map(spool).collect(), size: 0, limit }
    }

    /// Adds rows to a table.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn add(&mut self, table: usize, rows: RecordBatch) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        self.size += rows.get_array_memory_size();
        let table = &mut self.tables[table];
        table.count += rows.num_rows() as u64;
        // The geometry is the last column.
        table.located += rows.columns().last().map_or(0, |column| column.len() - column.null_count()) as u64;
        // By it a later night tells whether a file is still right.
        if !atomic::passes() {
            note(&mut table.content, &rows);
        }
        table.rows.push(rows);
        if self.size > self.limit {
            self.size = 0;
            self.tables.iter_mut().try_for_each(Spool::flush)?;
        }
        Ok(())
    }

    /// All tables, in the order of [`TABLES`], to be read.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn finish(mut self) -> Result<Vec<Spool>> {
        for spool in &mut self.tables {
            if let Some(file) = spool.file.take() {
                let mut file = file.into_inner().map_err(failed)?;
                file.flush().map_err(failed)?;
            }
        }
        Ok(self.tables)
    }
}

impl Spool {
    fn flush(&mut self) -> Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let file = BufWriter::with_capacity(1 << 16, File::create(&self.path).map_err(failed)?);
                none.insert(StreamWriter::try_new(file, &self.schema).map_err(failed)?)
            }
        };
        std::mem::take(&mut self.rows).iter().try_for_each(|rows| file.write(rows).map_err(failed))
    }

    /// The rows, some at a time, in their order.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn batches(&self) -> Result<impl Iterator<Item = Result<RecordBatch>> + '_> {
        let written = match File::open(&self.path) {
            Ok(file) => Some(StreamReader::try_new(BufReader::with_capacity(1 << 16, file), None).map_err(failed)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        let written = written.into_iter().flatten().map(|rows| rows.map_err(failed));
        Ok(written.chain(self.rows.iter().cloned().map(Ok)))
    }
}

/// The rows of a table: those that the groups of cells have, then those that have been gathered apart.
pub struct Table<'r> {
    index: usize,
    schema: SchemaRef,
    groups: Vec<&'r UnitResult>,
    /// Rows of them.
    count: u64,
    own: Spool,
    located: u64,
    /// Around what the groups' rows draw.
    extent: Bbox,
    content: Digest,
}

impl<'r> Table<'r> {
    /// All tables, in the order of [`TABLES`].
    ///
    /// # Errors
    /// When a result cannot be read.
    pub fn all(results: &'r [UnitResult], own: Vec<Spool>) -> Result<Vec<Self>> {
        let mut groups = Vec::new();
        for result in results {
            let summary: GroupSummary = serde_json::from_value(result.outcome.summary.clone()).map_err(failed)?;
            groups.push((summary, result.pack()?, result));
        }
        groups.sort_by_key(|(summary, ..)| summary.place);
        let table = |(index, own): (usize, Spool)| {
            let (name, mut content, mut those) = (rows::entry(index), blake3::Hasher::new(), Vec::new());
            let (mut count, mut located, mut extent) = (0, own.located, Bbox::EMPTY);
            for (summary, pack, result) in &groups {
                if let Some(entry) = pack.entries().get(&name) {
                    content.update(entry.digest.as_bytes());
                    count += summary.rows[index];
                    located += summary.located[index];
                    extent = summary.extents[index].map_or(extent, |bbox| extent.union(bbox));
                    those.push(*result);
                }
            }
            content.update(own.content.finalize().as_bytes());
            let content = content.finalize().into();
            Self { index, schema: TABLES[index].schema(), groups: those, count, own, located, extent, content }
        };
        Ok(own.into_iter().enumerate().map(table).collect())
    }

    /// The columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The digest of all rows.
    pub fn content(&self) -> Digest {
        self.content
    }

    /// The number of rows that have a geometry.
    pub fn located(&self) -> u64 {
        self.located
    }

    /// The rectangle around what the preview draws of the rows; empty where that is nothing.
    ///
    /// # Errors
    /// When a file or a geometry cannot be read.
    pub fn extent(&self) -> Result<Bbox> {
        let mut whole = self.extent;
        for rows in self.own.batches()? {
            whole = whole.union(preview::extent(TABLES[self.index].file, &[rows?])?);
        }
        Ok(whole)
    }

    /// The rows, some at a time, in their order.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn batches(&self) -> Result<impl Iterator<Item = Result<RecordBatch>> + '_> {
        let of_group = |result: &&UnitResult| match rows::batches(result, self.index) {
            Ok(rows) => rows.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(error) => vec![Err(error)],
        };
        Ok(self.groups.iter().flat_map(of_group).chain(self.own.batches()?))
    }

    /// The rows as parts of a GeoParquet file; `None` when some have none, or they are too small to be row groups.
    ///
    /// # Errors
    /// When a result cannot be read; the iterator's when a part cannot be read or be made.
    pub fn parts<'t>(
        &'t self,
        options: &'t geoparquet::Options,
    ) -> Result<Option<impl Iterator<Item = Result<Vec<u8>>> + use<'t, 'r>>> {
        if self.groups.is_empty() || self.count < LEAST_IN_PART * self.groups.len() as u64 {
            return Ok(None);
        }
        let Some(groups) = rows::parts(&self.groups, self.index)? else { return Ok(None) };
        let name = rows::part(self.index);
        let parts = groups.into_iter().map(move |result| result.pack()?.read(&name));
        let own = || {
            let rows = self.own.batches()?.collect::<Result<Vec<_>>>()?;
            geoparquet::part(&self.schema, &rows, options)
        };
        Ok(Some(parts.chain((self.own.count > 0).then_some(()).into_iter().map(move |()| own()))))
    }

    /// All rows at once: only for tables of few.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn whole(&self) -> Result<RecordBatch> {
        let rows = self.batches()?.collect::<Result<Vec<_>>>()?;
        arrow::compute::concat_batches(&self.schema, &rows).map_err(failed)
    }
}

/// Adds rows to a digest: which values are missing, and the bytes of all.
fn note(content: &mut blake3::Hasher, rows: &RecordBatch) {
    for column in rows.columns() {
        let data = column.to_data();
        content.update(&(data.len() as u64).to_le_bytes());
        for row in 0..data.len() {
            // Few columns have gaps; whether there is a map of them is no difference.
            if data.nulls().is_some_and(|nulls| nulls.null_count() > 0 && nulls.is_null(row)) {
                content.update(&(row as u64).to_le_bytes());
            }
        }
        for buffer in data.buffers() {
            content.update(&(buffer.len() as u64).to_le_bytes());
            content.update(buffer.as_slice());
        }
    }
}

fn failed(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new("mk::cadastre::spool", "cannot keep the rows of a table on disk").because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::cadastre::row::{Operation, Row};
    use crate::dataset::cadastre::tables::{GENERIC, Lookups, Uses, tables};

    #[test]
    fn rows_come_back_in_their_order_from_disk_and_from_memory() {
        let row = |number: usize| Row {
            operation: Operation::Insert,
            class: "AX_Person".into(),
            oid: format!("{number:04}"),
            beginnt: "2024-01-01T00:00:00Z".into(),
            endet: None,
            attributes: r#"{"flaeche":2.5,"bez":"Weg"}"#.into(),
            geometry: Some(vec![1, 2, 3]),
            srs: None,
            local: None,
            delivery: "".into(),
            byte: 0,
        };
        let folder = tempfile::tempdir().unwrap();
        let all: Vec<RecordBatch> = (0..40)
            .map(|number| tables(&[row(number)], &Lookups::default(), &Uses::default()).unwrap()[GENERIC].clone())
            .collect();
        let whole = arrow::compute::concat_batches(&TABLES[GENERIC].schema(), &all).unwrap();
        let mut digests = std::collections::HashSet::new();
        for limit in [1, all[0].get_array_memory_size() * 7, usize::MAX] {
            let folder = folder.path().join(limit.to_string());
            std::fs::create_dir(&folder).unwrap();
            let mut spools = Spools::with_limit(&folder, limit);
            for rows in &all {
                spools.add(GENERIC, rows.clone()).unwrap();
            }
            let tables = Table::all(&[], spools.finish().unwrap()).unwrap();
            digests.insert(tables[GENERIC].content());
            assert_eq!(tables[GENERIC].located(), 40);
            assert_eq!(tables[GENERIC].whole().unwrap(), whole);
            assert_eq!(tables[GENERIC].whole().unwrap(), whole, "it can be read again");
            assert_eq!(tables[0].whole().unwrap().num_rows(), 0);
        }
        assert_eq!(digests.len(), 1);
        let mut other = Spools::new(folder.path());
        all[1..].iter().for_each(|rows| other.add(GENERIC, rows.clone()).unwrap());
        let other = Table::all(&[], other.finish().unwrap()).unwrap();
        assert!(!digests.contains(&other[GENERIC].content()));
    }
}
