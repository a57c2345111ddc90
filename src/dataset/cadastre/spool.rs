//! The rows of all tables on their way from the cells to the files: in memory while they are few, else on disk, so that a stock of
//! any size fits. Several files are written from them at once.

use super::tables::TABLES;
use crate::error::{Error, Result};
use crate::io::Digest;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Bytes of rows that are kept in memory.
const IN_MEMORY: usize = 16 << 20;

/// The rows of all tables, in the order in which they were added.
pub struct Spools {
    tables: Vec<Spool>,
    size: usize,
    limit: usize,
}

/// The rows of one table.
pub struct Spool {
    schema: SchemaRef,
    path: PathBuf,
    file: Option<StreamWriter<BufWriter<File>>>,
    rows: Vec<RecordBatch>,
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
        // The geometry is the last column.
        table.located += rows.columns().last().map_or(0, |column| column.len() - column.null_count()) as u64;
        note(&mut table.content, &rows);
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
    /// The columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The digest of all rows.
    pub fn content(&self) -> Digest {
        self.content.finalize().into()
    }

    /// The number of rows that have a geometry.
    pub fn located(&self) -> u64 {
        self.located
    }

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
    pub fn batches(&self) -> Result<impl Iterator<Item = Result<RecordBatch>> + '_> {
        let written = match File::open(&self.path) {
            Ok(file) => Some(StreamReader::try_new(BufReader::with_capacity(1 << 16, file), None).map_err(failed)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        let written = written.into_iter().flatten().map(|rows| rows.map_err(failed));
        Ok(written.chain(self.rows.iter().cloned().map(Ok)))
    }

    /// All rows at once: only for tables of few.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn whole(&self) -> Result<RecordBatch> {
        let rows = self.batches()?.collect::<Result<Vec<_>>>()?;
        arrow::compute::concat_batches(&self.schema, &rows).map_err(failed)
    }
}

/// Adds rows to a digest: which values are missing, and the bytes of all.
pub fn note(content: &mut blake3::Hasher, rows: &RecordBatch) {
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
    use crate::dataset::cadastre::tables::{PIECES, pieces};

    #[test]
    fn rows_come_back_in_their_order_from_disk_and_from_memory() {
        let row = |number: usize| Row {
            operation: Operation::Insert,
            class: "NutzungFlurstueck".into(),
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
        let all: Vec<RecordBatch> = (0..40).map(|number| pieces(&[row(number)]).unwrap()).collect();
        let whole = arrow::compute::concat_batches(&TABLES[PIECES].schema(), &all).unwrap();
        let mut digests = std::collections::HashSet::new();
        for limit in [1, all[0].get_array_memory_size() * 7, usize::MAX] {
            let folder = folder.path().join(limit.to_string());
            std::fs::create_dir(&folder).unwrap();
            let mut spools = Spools::with_limit(&folder, limit);
            for rows in &all {
                spools.add(PIECES, rows.clone()).unwrap();
            }
            let spools = spools.finish().unwrap();
            digests.insert(spools[PIECES].content());
            assert_eq!(spools[PIECES].whole().unwrap(), whole);
            assert_eq!(spools[PIECES].whole().unwrap(), whole, "it can be read again");
            assert_eq!(spools[0].whole().unwrap().num_rows(), 0);
        }
        assert_eq!(digests.len(), 1);
        let mut other = Spools::new(folder.path());
        all[1..].iter().for_each(|rows| other.add(PIECES, rows.clone()).unwrap());
        assert!(!digests.contains(&other.tables[PIECES].content()));
    }
}
