//! What the bytes of an artefact stand for.

use super::{Watch, pages};
use crate::error::{Error, Place, Result};
use crate::format::pmtiles;
use crate::io::Digest;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use rayon::prelude::*;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes read at once, and of the block before that are looked at again: longer than any word.
pub(super) const BLOCK: usize = 1 << 20;
pub(super) const OVERLAP: usize = 4096;
/// An entry of an archive, unpacked, is looked through up to this size; our own are far smaller.
const MAX_ENTRY: u64 = 4 << 30;

/// Looks through a file; gives where in it something was found. What it shares with a `clean` one, that was looked through for the same,
/// need not be unpacked again.
pub fn look(file: &Path, name: &str, watch: &Watch, clean: Option<&Path>) -> Result<Option<String>> {
    let failed = |error: Error| error.at(Place::file(name));
    let extension = Path::new(name).extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    // Only where something is found it is asked of SQLite, which knows the table and the column.
    let is_sqlite = matches!(extension.as_deref(), Some("gpkg" | "sqlite"));
    if is_sqlite && pages::are_clean(file, watch).map_err(unreadable).map_err(failed)? {
        return Ok(None);
    }
    let decoded = || match extension.as_deref() {
        Some("parquet") => parquet(file, watch, clean),
        Some("gpkg" | "sqlite") => sqlite(file, watch),
        Some("pmtiles") => tiles(file, watch, clean),
        Some("gz") => gzip(file, watch),
        Some("zip") => archive(file, watch),
        _ => Ok(None),
    };
    // Whatever the format: its bytes too, as names, comments and rests of pages are.
    let plain = || as_it_lies(file, watch).map_err(unreadable);
    let (decoded, plain) = rayon::join(decoded, plain);
    match decoded.map_err(failed)? {
        Some(place) => Ok(Some(place)),
        None => Ok(plain.map_err(failed)?.then(String::new)),
    }
}

fn unreadable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new("mk::release::canary", "an artefact cannot be looked through before its release").because(error)
}

/// The bytes of a file, in stretches; what lies on the border of two is in the second as well.
fn as_it_lies(file: &Path, watch: &Watch) -> std::io::Result<bool> {
    let file = File::open(file)?;
    let length = file.metadata()?.len();
    let finds = |buffer: &mut Vec<u8>, number: u64| -> std::io::Result<bool> {
        let (begin, end) = (number * BLOCK as u64, length.min((number + 1) * BLOCK as u64));
        let from = begin.saturating_sub(OVERLAP as u64);
        buffer.resize((end - from) as usize, 0);
        file.read_exact_at(buffer, from)?;
        Ok(watch.finds(buffer))
    };
    let stretches = (0..length.div_ceil(BLOCK as u64)).into_par_iter();
    stretches.map_init(Vec::new, finds).try_reduce(|| false, |one, other| Ok(one || other))
}

/// The bytes of a stream.
fn raw(mut stream: impl Read, watch: &Watch) -> std::io::Result<bool> {
    let mut buffer: Vec<u8> = Vec::with_capacity(BLOCK + OVERLAP);
    loop {
        let keep = buffer.len().min(OVERLAP);
        let start = buffer.len() - keep;
        buffer.drain(..start);
        let count = stream.by_ref().take(BLOCK as u64).read_to_end(&mut buffer)?;
        if watch.finds(&buffer) {
            return Ok(true);
        }
        if count == 0 {
            return Ok(false);
        }
    }
}

/// The values of all columns, out of their compressed pages.
fn parquet(file: &Path, watch: &Watch, clean: Option<&Path>) -> Result<Option<String>> {
    let open = |path: &Path| -> Result<(File, ArrowReaderMetadata)> {
        let file = File::open(path).map_err(unreadable)?;
        let about = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(unreadable)?;
        Ok((file, about))
    };
    let (file, about) = open(file)?;
    let clean = clean.and_then(|clean| open(clean).ok());
    let clean = clean.filter(|(_, clean)| clean.metadata().file_metadata().schema() == about.metadata().file_metadata().schema());
    let mut known = HashSet::new();
    if let Some((file, about)) = &clean {
        for group in about.metadata().row_groups() {
            known.extend(columns(file, group)?);
        }
    }
    for (index, group) in about.metadata().row_groups().iter().enumerate() {
        let new = if known.is_empty() {
            ProjectionMask::all()
        } else {
            let columns = columns(&file, group)?;
            let new = columns.iter().enumerate().filter(|(_, column)| !known.contains(column)).map(|(number, _)| number);
            ProjectionMask::leaves(about.parquet_schema(), new)
        };
        let file = file.try_clone().map_err(unreadable)?;
        let rows = ParquetRecordBatchReaderBuilder::new_with_metadata(file, about.clone()).with_row_groups(vec![index]);
        for batch in rows.with_projection(new).build().map_err(unreadable)? {
            let batch = batch.map_err(unreadable)?;
            for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
                if values(column, watch) {
                    return Ok(Some(format!("column {}", field.name())));
                }
            }
        }
    }
    Ok(None)
}

/// The columns of a row group, by their bytes and all that decides what these stand for.
fn columns(file: &File, group: &RowGroupMetaData) -> Result<Vec<Digest>> {
    let length = file.metadata().map_err(unreadable)?.len();
    let digest = |(number, column): (usize, &ColumnChunkMetaData)| {
        // What a file says of itself is not believed: a shorter stretch than it says would be another column's digest.
        let from = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
        let place = u64::try_from(from).ok().zip(u64::try_from(column.compressed_size()).ok());
        let place = place.filter(|(from, size)| from.checked_add(*size).is_some_and(|end| end <= length));
        let (from, size) = place.ok_or_else(|| unreadable("a column lies outside of its file"))?;
        let how = format!("{number} {:?} {} {} ", column.compression(), column.num_values(), column.uncompressed_size());
        let stretch = Stretch { file, from, end: from + size };
        Digest::of_reader(how.as_bytes().chain(stretch)).map(|(digest, _)| digest).map_err(unreadable)
    };
    group.columns().iter().enumerate().map(digest).collect()
}

/// A part of a file, read from its begin to its end.
struct Stretch<'a> {
    file: &'a File,
    from: u64,
    end: u64,
}

impl Read for Stretch<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let rest = usize::try_from(self.end - self.from).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read_at(&mut buffer[..rest], self.from)?;
        self.from += count as u64;
        Ok(count)
    }
}

fn values(column: &ArrayRef, watch: &Watch) -> bool {
    match column.data_type() {
        // The buffer of all values lies in one piece.
        DataType::Utf8 => watch.finds(column.as_string::<i32>().values()),
        DataType::LargeUtf8 => watch.finds(column.as_string::<i64>().values()),
        DataType::Binary => watch.finds(column.as_binary::<i32>().values()),
        DataType::LargeBinary => watch.finds(column.as_binary::<i64>().values()),
        DataType::Struct(_) => column.as_struct().columns().iter().any(|column| values(column, watch)),
        DataType::List(_) => values(column.as_list::<i32>().values(), watch),
        DataType::LargeList(_) => values(column.as_list::<i64>().values(), watch),
        DataType::Map(..) => column.as_map().entries().columns().iter().any(|column| values(column, watch)),
        DataType::Dictionary(..) => values(column.as_any_dictionary().values(), watch),
        _ => false,
    }
}

/// The values of all tables: a text that is longer than a page lies in several.
fn sqlite(file: &Path, watch: &Watch) -> Result<Option<String>> {
    let base = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(unreadable)?;
    base.execute_batch("PRAGMA trusted_schema = OFF;").map_err(unreadable)?;
    let mut names = base.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").map_err(unreadable)?;
    let tables: Vec<String> = names.query_map([], |row| row.get(0)).and_then(Iterator::collect).map_err(unreadable)?;
    // The index over places is of numbers only, and some builds of SQLite cannot read it.
    for table in tables.iter().filter(|table| !table.starts_with("rtree_")) {
        let quoted = table.replace('"', "\"\"");
        let mut rows = base.prepare(&format!("SELECT * FROM \"{quoted}\"")).map_err(unreadable)?;
        let columns: Vec<String> = rows.column_names().map(str::to_owned).collect();
        let mut rows = rows.query([]).map_err(unreadable)?;
        let mut values = Values::default();
        while let Some(row) = rows.next().map_err(unreadable)? {
            for index in 0..columns.len() {
                if let ValueRef::Text(bytes) | ValueRef::Blob(bytes) = row.get_ref(index).map_err(unreadable)? {
                    values.add(index, bytes);
                }
            }
            if values.bytes.len() >= TOGETHER
                && let Some(column) = values.take(watch)
            {
                return Ok(Some(format!("table {table}, column {}", columns[column])));
            }
        }
        if let Some(column) = values.take(watch) {
            return Ok(Some(format!("table {table}, column {}", columns[column])));
        }
    }
    Ok(None)
}

/// Bytes of values that are looked through together, at least: most values are short, and each look costs more than its bytes.
const TOGETHER: usize = 64 << 10;

/// Values of a table, with a byte between them that no identifier has.
#[derive(Default)]
struct Values {
    bytes: Vec<u8>,
    /// Column and end of each.
    ends: Vec<(usize, usize)>,
}

impl Values {
    fn add(&mut self, column: usize, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.ends.push((column, self.bytes.len()));
        self.bytes.push(0);
    }

    /// The column of the first in which something is found; they are forgotten.
    fn take(&mut self, watch: &Watch) -> Option<usize> {
        let (bytes, ends) = (&self.bytes, &self.ends);
        let found = watch.finds(bytes).then(|| {
            let mut begin = 0;
            let mut values = ends.iter().map(|(column, end)| (*column, &bytes[std::mem::replace(&mut begin, end + 1)..*end]));
            values.find(|(_, value)| watch.finds(value)).map(|(column, _)| column)
        });
        self.bytes.clear();
        self.ends.clear();
        found.flatten()
    }
}

/// All tiles that are packed, unpacked, and the metadata.
fn tiles(file: &Path, watch: &Watch, clean: Option<&Path>) -> Result<Option<String>> {
    let mut reader = pmtiles::Reader::open(file)?;
    if watch.finds(reader.metadata().to_string().as_bytes()) {
        return Ok(Some("metadata".to_owned()));
    }
    // Pictures are stored as they are: they are among the bytes of the file.
    if !reader.packs_tiles() {
        return Ok(None);
    }
    let mut clean = clean.and_then(|clean| pmtiles::Reader::open(clean).ok());
    for (z, x, y) in reader.tiles().collect::<Vec<_>>() {
        if let Some(clean) = &mut clean
            && reader.has_same(clean, z, x, y)?
        {
            continue;
        }
        if let Some(bytes) = reader.tile(z, x, y)?
            && watch.finds(&bytes)
        {
            return Ok(Some(format!("tile {z}/{x}/{y}")));
        }
    }
    Ok(None)
}

fn gzip(file: &Path, watch: &Watch) -> Result<Option<String>> {
    let stream = flate2::read::MultiGzDecoder::new(File::open(file).map_err(unreadable)?).take(MAX_ENTRY);
    Ok(raw(stream, watch).map_err(unreadable)?.then(|| "unpacked".to_owned()))
}

fn archive(file: &Path, watch: &Watch) -> Result<Option<String>> {
    let mut archive = zip::ZipArchive::new(File::open(file).map_err(unreadable)?).map_err(unreadable)?;
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(unreadable)?;
        let named = watch.finds(entry.name().as_bytes());
        if named || raw(entry.take(MAX_ENTRY), watch).map_err(unreadable)? {
            return Ok(Some(format!("entry {}", index + 1)));
        }
    }
    Ok(None)
}
