//! The pages of an SQLite file ("Database File Format", 1.3, 1.6): their bytes are looked through as they lie, and what lies in
//! several of them joined. SQLite itself, which makes each row anew, needs many times as long.

use super::Watch;
use super::decode::OVERLAP;
use rayon::prelude::*;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes looked through at once: whole pages of any size.
const CHUNK: usize = 1 << 20;
/// A row, joined, is looked through up to this size; a larger one is left to SQLite.
const MAX_PAYLOAD: usize = 64 << 20;
/// Bytes of the file's header.
const HEADER: usize = 100;

/// True when nothing is found in the bytes of the file, nor in the content of any row. Values stand in them as they are. False when
/// something is, and also when the file is not as expected: then SQLite is to tell.
///
/// # Errors
/// When the file cannot be read.
pub fn are_clean(path: &Path, watch: &Watch) -> io::Result<bool> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut header = [0; HEADER];
    if length < HEADER as u64 {
        return Ok(false);
    }
    file.read_exact_at(&mut header, 0)?;
    let Some(pages) = Pages::of(&file, length, &header) else { return Ok(false) };
    let clean = |buffer: &mut Vec<u8>, number: u64| pages.is_clean(number * CHUNK as u64, buffer, watch);
    let chunks = (0..length.div_ceil(CHUNK as u64)).into_par_iter();
    chunks.map_init(Vec::new, clean).try_reduce(|| true, |one, other| Ok(one && other))
}

/// A file and its layout.
struct Pages<'f> {
    file: &'f File,
    length: u64,
    /// Bytes of a page, and those of it that hold something.
    size: usize,
    usable: usize,
}

impl<'f> Pages<'f> {
    /// `None` for a file with text of two bytes a letter, or that is none of SQLite's.
    fn of(file: &'f File, length: u64, header: &[u8; HEADER]) -> Option<Self> {
        let size = match u16::from_be_bytes([header[16], header[17]]) {
            1 => 65_536,
            size => usize::from(size),
        };
        let usable = size.checked_sub(header[20].into())?;
        let plain = header.starts_with(b"SQLite format 3\0") && header[56..59] == [0; 3] && header[59] <= 1;
        let whole = size.is_power_of_two() && size >= 512 && usable >= 480 && length.is_multiple_of(size as u64);
        (plain && whole).then_some(Self { file, length, size, usable })
    }

    /// Whether the chunk that begins at an offset is.
    fn is_clean(&self, begin: u64, buffer: &mut Vec<u8>, watch: &Watch) -> io::Result<bool> {
        // What lies on the border of two chunks is in the second as well.
        let keep = OVERLAP.min(begin as usize);
        let end = self.length.min(begin + CHUNK as u64);
        buffer.resize(keep + (end - begin) as usize, 0);
        self.file.read_exact_at(buffer, begin - keep as u64)?;
        if watch.finds(buffer) {
            return Ok(false);
        }
        for (number, page) in buffer[keep..].chunks(self.size).enumerate() {
            let head = if begin == 0 && number == 0 { HEADER } else { 0 };
            let Some(spilt) = self.spilt(page, head) else { return Ok(false) };
            for (local, total, next) in spilt {
                let Some(payload) = self.joined(local, total, next)? else { return Ok(false) };
                if watch.finds(&payload) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// The rows of a page that go on in others: what of each is here, its length, and where it goes on. Empty for pages without
    /// rows; `None` when the page is broken, or only looks like one with rows.
    fn spilt<'p>(&self, page: &'p [u8], head: usize) -> Option<Vec<(&'p [u8], usize, u32)>> {
        let (pointers, before, is_table) = match page.get(head)? {
            2 => (12, 4, false),
            10 => (8, 0, false),
            13 => (8, 0, true),
            _ => return Some(Vec::new()),
        };
        let two = |at: usize| page.get(at..)?.first_chunk().map(|two| usize::from(u16::from_be_bytes(*two)));
        let most = if is_table { self.usable - 35 } else { (self.usable - 12) * 64 / 255 - 23 };
        let least = (self.usable - 12) * 32 / 255 - 23;
        let mut spilt = Vec::new();
        for cell in 0..two(head + 3)? {
            let mut at = two(head + pointers + 2 * cell)? + before;
            let (total, length) = varint(page.get(at..)?)?;
            at += length;
            if is_table {
                at += varint(page.get(at..)?)?.1;
            }
            let total = usize::try_from(total).ok()?;
            if total > most {
                let here = least + (total - least) % (self.usable - 4);
                let here = if here <= most { here } else { least };
                let next = page.get(at + here..)?.first_chunk().map(|four| u32::from_be_bytes(*four))?;
                spilt.push((page.get(at..at + here)?, total, next));
            }
        }
        Some(spilt)
    }

    /// The whole of a row.
    fn joined(&self, local: &[u8], total: usize, mut next: u32) -> io::Result<Option<Vec<u8>>> {
        if total > MAX_PAYLOAD {
            return Ok(None);
        }
        let mut payload = Vec::with_capacity(total);
        payload.extend_from_slice(local);
        let mut page = vec![0; self.size];
        while payload.len() < total {
            let begin = u64::from(next).wrapping_sub(1).saturating_mul(self.size as u64);
            if begin >= self.length {
                return Ok(None);
            }
            self.file.read_exact_at(&mut page, begin)?;
            next = u32::from_be_bytes([page[0], page[1], page[2], page[3]]);
            payload.extend_from_slice(&page[4..self.usable.min(4 + total - payload.len())]);
        }
        Ok(Some(payload))
    }
}

/// A number of seven bits a byte, the highest first, and the bytes it takes.
fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(9).enumerate() {
        if index == 8 {
            return Some((value << 8 | u64::from(*byte), 9));
        }
        value = value << 7 | u64::from(byte & 0x7F);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rusqlite::{Connection, params};

    const OID: &str = "DERP012345678901";

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        /// Wherever it lies in rows that SQLite itself has written: in one page or on the border of two, in a table or an index.
        #[test]
        fn what_is_in_a_row_is_found(
            size in prop::sample::select(vec![512, 1024, 4096, 65_536]), at in 0_usize..9000, after in 0_usize..9000, rows in 1_i64..40,
            without_row in any::<bool>(),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let write = |name: &str, secret: &str| {
                let path = folder.path().join(name);
                let base = Connection::open(&path).unwrap();
                let kind = if without_row { "WITHOUT ROWID" } else { "" };
                base.execute_batch(&format!(
                    "PRAGMA page_size = {size}; CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT) {kind}; CREATE INDEX i ON t (b);"
                )).unwrap();
                for row in 0..rows {
                    let text = format!("{row}{}", "ä".repeat((row * 397 % 3000) as usize));
                    base.execute("INSERT INTO t VALUES (?, ?)", params![row, text]).unwrap();
                }
                let text = format!("{}{secret}{}", "x".repeat(at), "y".repeat(after));
                base.execute("INSERT INTO t VALUES (?, ?)", params![rows, text]).unwrap();
                path
            };
            let watch = Watch::new(&["Kanari".to_owned()], [OID.to_owned()]).unwrap();
            prop_assert!(are_clean(&write("clean", "DERP012345678902 Kanar"), &watch).unwrap());
            prop_assert!(!are_clean(&write("word", "KANARI"), &watch).unwrap());
            prop_assert!(!are_clean(&write("id", OID), &watch).unwrap());
        }

        /// Whatever is in it, it is read to its end, or SQLite is asked.
        #[test]
        fn a_broken_file_does_no_harm(changes in prop::collection::vec((0_usize..16_384, any::<u8>()), 1..60)) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("broken");
            let base = Connection::open(&path).unwrap();
            base.execute_batch("PRAGMA page_size = 1024; CREATE TABLE t (b TEXT);").unwrap();
            for _ in 0..4 {
                base.execute("INSERT INTO t VALUES (?)", ["z".repeat(5000)]).unwrap();
            }
            drop(base);
            let mut bytes = std::fs::read(&path).unwrap();
            for (at, byte) in changes {
                let at = at % bytes.len();
                bytes[at] = byte;
            }
            std::fs::write(&path, bytes).unwrap();
            let watch = Watch::new(&["Kanari".to_owned()], []).unwrap();
            let _ = are_clean(&path, &watch).unwrap();
        }
    }

    #[test]
    fn what_is_not_as_expected_is_left_to_sqlite() {
        let folder = tempfile::tempdir().unwrap();
        let watch = Watch::new(&["Kanari".to_owned()], []).unwrap();
        let path = folder.path().join("wide");
        let base = Connection::open(&path).unwrap();
        base.execute_batch("PRAGMA encoding = 'UTF-16le'; CREATE TABLE t (b TEXT); INSERT INTO t VALUES ('Kanari');").unwrap();
        drop(base);
        assert!(!are_clean(&path, &watch).unwrap());
        std::fs::write(folder.path().join("none"), "no database").unwrap();
        assert!(!are_clean(&folder.path().join("none"), &watch).unwrap());
    }
}
