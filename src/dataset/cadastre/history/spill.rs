//! Rows on their way to where they belong, to their cells or Flure: in memory while they are few, else in a file, so that a stock of
//! any size fits.

use crate::dataset::cadastre::row::{Row, from_ipc, to_ipc};
use crate::error::{Error, Place, Result};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Cells whose rows are made ready for the file at once.
const CELLS_AT_ONCE: usize = 64;

/// A row with the number of its delivery.
type Numbered = (usize, Box<Row>);

/// Rows by cell, or whatever they are sorted by, each with the number of its delivery, in the order in which they were added.
pub struct Spill<K> {
    path: PathBuf,
    file: Option<File>,
    at: u64,
    /// What the file holds: delivery, offset, length.
    written: BTreeMap<K, Vec<(usize, u64, usize)>>,
    /// Each where it is: a row is wide, and on its way it changes hands several times.
    rows: BTreeMap<K, Vec<Numbered>>,
    size: usize,
    limit: usize,
}

impl<K: Ord + Clone + Send> Spill<K> {
    /// Uses a file in `folder` when the rows take more than about `limit` bytes of memory.
    pub fn new(folder: &Path, limit: usize) -> Self {
        let path = folder.join("rows.spill");
        Self { path, file: None, at: 0, written: BTreeMap::new(), rows: BTreeMap::new(), size: 0, limit }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add(&mut self, cell: K, delivery: usize, row: impl Into<Box<Row>>) -> Result<()> {
        let row = row.into();
        self.size += weight(&row);
        self.rows.entry(cell).or_default().push((delivery, row));
        if self.size > self.limit { self.flush() } else { Ok(()) }
    }

    /// Cells that have rows.
    pub fn cells(&self) -> Vec<K> {
        self.written.keys().chain(self.rows.keys()).collect::<BTreeSet<_>>().into_iter().cloned().collect()
    }

    /// The rows of a cell, which are then gone from here.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn take(&mut self, cell: &K) -> Result<Taken> {
        let mut written = Vec::new();
        for (delivery, offset, length) in self.written.remove(cell).unwrap_or_default() {
            let Some(file) = &self.file else { continue };
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, offset).map_err(|error| failed(&self.path, error))?;
            written.push((delivery, bytes));
        }
        Ok(Taken { written, rows: self.rows.remove(cell).unwrap_or_default() })
    }

    fn flush(&mut self) -> Result<()> {
        let path = &self.path;
        if self.file.is_none() {
            let file = File::options().read(true).write(true).create(true).truncate(true).open(path);
            self.file = Some(file.map_err(|error| failed(path, error))?);
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut cells = std::mem::take(&mut self.rows).into_iter();
        loop {
            let some: Vec<(K, Vec<Numbered>)> = cells.by_ref().take(CELLS_AT_ONCE).collect();
            if some.is_empty() {
                break;
            }
            let encoded = some.into_par_iter().map(|(cell, rows)| Ok((cell, runs(&rows)?))).collect::<Result<Vec<_>>>()?;
            for (cell, runs) in encoded {
                let written = self.written.entry(cell).or_default();
                for (delivery, bytes) in runs {
                    file.write_all(&bytes).map_err(|error| failed(path, error))?;
                    written.push((delivery, self.at, bytes.len()));
                    self.at += bytes.len() as u64;
                }
            }
        }
        self.size = 0;
        Ok(())
    }
}

/// Rows as they are written: those of each delivery together.
fn runs(rows: &[Numbered]) -> Result<Vec<(usize, Vec<u8>)>> {
    let mut runs = Vec::new();
    for run in rows.chunk_by(|(a, _), (b, _)| a == b) {
        let Some((delivery, _)) = run.first() else { continue };
        let only: Vec<&Row> = run.iter().map(|(_, row)| &**row).collect();
        runs.push((*delivery, to_ipc(&only)?));
    }
    Ok(runs)
}

/// The rows of a cell, some of them as they were written.
pub struct Taken {
    written: Vec<(usize, Vec<u8>)>,
    rows: Vec<Numbered>,
}

impl Taken {
    /// All of them in the order in which they were added, each with the number of its delivery.
    ///
    /// # Errors
    /// When what was written is not what comes back.
    pub fn rows(self) -> Result<Vec<Numbered>> {
        if self.written.is_empty() {
            return Ok(self.rows);
        }
        let mut all = Vec::new();
        for (delivery, bytes) in self.written {
            all.extend(from_ipc(bytes)?.into_iter().map(|row| (delivery, Box::new(row))));
        }
        all.extend(self.rows);
        Ok(all)
    }
}

/// About the bytes that a row takes in memory.
fn weight(row: &Row) -> usize {
    let bytes = |part: &Option<Vec<u8>>| part.as_ref().map_or(0, Vec::len);
    320 + row.attributes.len() + bytes(&row.geometry) + bytes(&row.local)
}

fn failed(path: &Path, cause: std::io::Error) -> Error {
    let place = Place::file(path.display().to_string());
    Error::new("mk::cadastre::store", "cannot use the temporary file of the version store").at(place).because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::cadastre::history::cell::Cell;
    use crate::dataset::cadastre::row::Operation;

    #[test]
    fn what_does_not_fit_comes_back_in_the_same_order() {
        let folder = tempfile::tempdir().unwrap();
        let row = |byte: u64| Row {
            operation: Operation::Insert,
            class: "AX_X".into(),
            oid: format!("{byte}"),
            beginnt: String::new(),
            endet: None,
            attributes: "{}".into(),
            geometry: None,
            srs: None,
            local: None,
            delivery: "".into(),
            byte,
        };
        // More than are made ready for the file at once; some of each delivery.
        let cells: Vec<Cell> = (0..150).map(|column| Cell::parse(&format!("e{column}n1")).unwrap()).collect();
        let fill = |limit: usize| {
            let mut spill = Spill::new(folder.path(), limit);
            for byte in 0..2000_u64 {
                let cell = cells[(byte * byte % 211 % 150) as usize];
                spill.add(cell, (byte / 800) as usize, row(byte)).unwrap();
            }
            let known = spill.cells();
            assert!(known.len() > CELLS_AT_ONCE && known.is_sorted());
            let rows: Vec<Vec<Numbered>> = known.iter().map(|cell| spill.take(cell).unwrap().rows().unwrap()).collect();
            (spill.file.is_some(), known, rows)
        };
        let (kept, spilt) = (fill(usize::MAX), fill(400_000));
        assert!(!kept.0 && spilt.0);
        assert_eq!((kept.1, kept.2), (spilt.1, spilt.2));
    }
}
