//! Tables of an SQLite file written page by page ("Database File Format", 1.6 B-tree Pages, 2.1 Record Format): rows that come in
//! the order of their keys need no search, no journal and no page twice. SQLite itself makes the schema and everything small; it
//! notices by the change counter that the file is another.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Bytes of a page; none are reserved at its end.
const PAGE: usize = 4096;
/// Most of a row that a leaf holds, and what stays there of one that is longer (1.6, "payload").
const MAX_LOCAL: usize = PAGE - 35;
const MIN_LOCAL: usize = (PAGE - 12) * 32 / 255 - 23;
/// The page that SQLite locks the file by (1.4): it holds nothing and belongs to no table.
const LOCK_PAGE: u32 = (1 << 30) / PAGE as u32 + 1;
/// Types of pages.
const INTERIOR: u8 = 5;
const LEAF: u8 = 13;
/// Children that a page always has room for: each takes a pointer, the number of its page and a key of at most nine bytes.
const CHILDREN: usize = (PAGE - 12) / (2 + 4 + 9);

/// The pages of a file that grows at its end.
pub struct Pages {
    file: BufWriter<File>,
    count: u32,
}

impl Pages {
    /// Opens a file that no transaction is open on.
    ///
    /// # Errors
    /// When it cannot be read, or its pages are of another size.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::options().read(true).write(true).open(path)?;
        let mut header = [0; 100];
        file.read_exact(&mut header)?;
        if header[16..18] != (PAGE as u16).to_be_bytes() {
            return Err(io::Error::other("the pages of the file are of another size"));
        }
        let length = file.seek(SeekFrom::End(0))?;
        let count = u32::try_from(length / PAGE as u64).map_err(io::Error::other)?;
        Ok(Self { file: BufWriter::with_capacity(64 * PAGE, file), count })
    }

    fn append(&mut self, page: &[u8]) -> io::Result<u32> {
        let number = after(self.count).ok_or_else(|| io::Error::other("the file has too many pages"))?;
        if number - self.count > 1 {
            self.file.write_all(&[0; PAGE])?;
        }
        self.file.write_all(page)?;
        self.count = number;
        Ok(number)
    }

    /// Overwrites a page that was there before.
    fn replace(&mut self, number: u32, page: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(u64::from(number - 1) * PAGE as u64))?;
        self.file.write_all(page)?;
        self.file.seek(SeekFrom::End(0)).map(|_| ())
    }

    /// Tells SQLite of the new pages.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(self) -> io::Result<()> {
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        let mut header = [0; 100];
        file.seek(SeekFrom::Start(0))?;
        file.read_exact(&mut header)?;
        let mut counter = [0; 4];
        counter.copy_from_slice(&header[24..28]);
        let counter = u32::from_be_bytes(counter).wrapping_add(1).to_be_bytes();
        header[24..28].copy_from_slice(&counter);
        header[28..32].copy_from_slice(&self.count.to_be_bytes());
        // The size in the header holds for this state of the counter.
        header[92..96].copy_from_slice(&counter);
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&header)
    }
}

/// A table whose root is there and empty; its rows come in ascending order of their keys.
pub struct Tree {
    root: u32,
    leaf: Node,
    last: i64,
    /// Finished leaves: page, greatest key.
    done: Vec<(u32, i64)>,
}

impl Tree {
    /// A table by the number of its root page.
    pub fn new(root: u32) -> Self {
        Self { root, leaf: Node::new(LEAF), last: 0, done: Vec::new() }
    }

    /// Adds a row; `record` is its content.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn push(&mut self, pages: &mut Pages, key: i64, record: &Record) -> io::Result<()> {
        let (types, size) = record.head();
        let mut head = [0; 18];
        let mut length = varint(&mut head, size as u64);
        length += varint(&mut head[length..], key.cast_unsigned());
        let is_long = size > MAX_LOCAL;
        let local = if is_long {
            let rest = MIN_LOCAL + (size - MIN_LOCAL) % (PAGE - 4);
            if rest <= MAX_LOCAL { rest } else { MIN_LOCAL }
        } else {
            size
        };
        if !self.leaf.has_room(length + local + if is_long { 4 } else { 0 }) {
            let page = pages.append(&self.leaf.bytes[..])?;
            self.done.push((page, self.last));
            self.leaf.clear();
        }
        let parts = [types.bytes(), &record.types, &record.values];
        if is_long {
            let whole = parts.concat();
            let overflow = append_overflow(pages, &whole[local..])?;
            self.leaf.add(&[&head[..length], &whole[..local], &overflow.to_be_bytes()]);
        } else {
            let [types_length, types, values] = parts;
            self.leaf.add(&[&head[..length], types_length, types, values]);
        }
        self.last = key;
        Ok(())
    }

    /// Writes what is left, and the levels above the leaves.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(self, pages: &mut Pages) -> io::Result<()> {
        if self.done.is_empty() {
            return pages.replace(self.root, &self.leaf.bytes[..]);
        }
        let mut level = self.done;
        level.push((pages.append(&self.leaf.bytes[..])?, self.last));
        loop {
            // Shared out evenly: none is left with one child.
            let count = level.len().div_ceil(CHILDREN);
            let mut nodes: Vec<(Node, i64)> = Vec::with_capacity(count);
            for index in 0..count {
                let children = &level[index * level.len() / count..(index + 1) * level.len() / count];
                let mut node = Node::new(INTERIOR);
                let Some(((last, key), before)) = children.split_last() else { continue };
                for (page, key) in before {
                    let mut cell = [0; 13];
                    cell[..4].copy_from_slice(&page.to_be_bytes());
                    let length = 4 + varint(&mut cell[4..], key.cast_unsigned());
                    node.add(&[&cell[..length]]);
                }
                // The last child stands in the head.
                node.bytes[8..12].copy_from_slice(&last.to_be_bytes());
                nodes.push((node, *key));
            }
            if let [(root, _)] = &nodes[..] {
                return pages.replace(self.root, &root.bytes[..]);
            }
            level = nodes.iter().map(|(node, key)| Ok((pages.append(&node.bytes[..])?, *key))).collect::<io::Result<_>>()?;
        }
    }
}

/// The number of the page that comes after one.
fn after(page: u32) -> Option<u32> {
    let next = page.checked_add(1)?;
    if next == LOCK_PAGE { next.checked_add(1) } else { Some(next) }
}

/// Writes what a leaf has no room for, and gives the first page of it. The pages follow each other.
fn append_overflow(pages: &mut Pages, rest: &[u8]) -> io::Result<u32> {
    let next_of = |page| after(page).ok_or_else(|| io::Error::other("the file has too many pages"));
    let first = next_of(pages.count)?;
    let mut parts = rest.chunks(PAGE - 4).peekable();
    while let Some(part) = parts.next() {
        let mut page = [0; PAGE];
        let next = if parts.peek().is_some() { next_of(next_of(pages.count)?)? } else { 0 };
        page[..4].copy_from_slice(&next.to_be_bytes());
        page[4..4 + part.len()].copy_from_slice(part);
        pages.append(&page)?;
    }
    Ok(first)
}

/// A page of a table: pointers grow from its head, cells from its end.
struct Node {
    bytes: Box<[u8; PAGE]>,
    head: usize,
    count: usize,
    content: usize,
}

impl Node {
    fn new(kind: u8) -> Self {
        let mut bytes = Box::new([0; PAGE]);
        bytes[0] = kind;
        let head = if kind == INTERIOR { 12 } else { 8 };
        let mut node = Self { bytes, head, count: 0, content: PAGE };
        node.note();
        node
    }

    /// Forgets all cells; no byte of them is left.
    fn clear(&mut self) {
        self.bytes[1..].fill(0);
        (self.count, self.content) = (0, PAGE);
        self.note();
    }

    /// Whether a cell and its pointer fit.
    fn has_room(&self, length: usize) -> bool {
        self.head + 2 * (self.count + 1) + length <= self.content
    }

    fn add(&mut self, parts: &[&[u8]]) {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        self.content -= length;
        let mut at = self.content;
        for part in parts {
            self.bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        let pointer = self.head + 2 * self.count;
        self.bytes[pointer..pointer + 2].copy_from_slice(&(self.content as u16).to_be_bytes());
        self.count += 1;
        self.note();
    }

    fn note(&mut self) {
        self.bytes[3..5].copy_from_slice(&(self.count as u16).to_be_bytes());
        self.bytes[5..7].copy_from_slice(&(self.content as u16).to_be_bytes());
    }
}

/// A row being written: types first, then values.
#[derive(Default)]
pub struct Record {
    types: Vec<u8>,
    values: Vec<u8>,
}

impl Record {
    /// Forgets all values.
    pub fn clear(&mut self) {
        self.types.clear();
        self.values.clear();
    }
    /// A missing value; also the key of the row in the column that stands for it.
    pub fn null(&mut self) {
        self.types.push(0);
    }
    /// A whole number, in as few bytes as the format has for it.
    pub fn integer(&mut self, value: i64) {
        let bytes = value.to_be_bytes();
        let (kind, length) = match value {
            0 => (8, 0),
            1 => (9, 0),
            -0x80..=0x7F => (1, 1),
            -0x8000..=0x7FFF => (2, 2),
            -0x80_0000..=0x7F_FFFF => (3, 3),
            -0x8000_0000..=0x7FFF_FFFF => (4, 4),
            -0x8000_0000_0000..=0x7FFF_FFFF_FFFF => (5, 6),
            _ => (6, 8),
        };
        self.types.push(kind);
        self.values.extend_from_slice(&bytes[8 - length..]);
    }
    /// A number.
    pub fn real(&mut self, value: f64) {
        // SQLite keeps no NaN.
        if value.is_nan() {
            return self.null();
        }
        self.types.push(7);
        self.values.extend_from_slice(&value.to_be_bytes());
    }
    /// Text.
    pub fn text(&mut self, text: &str) {
        self.sized(13, &[text.as_bytes()]);
    }
    /// Bytes, from their parts.
    pub fn blob(&mut self, parts: &[&[u8]]) {
        self.sized(12, parts);
    }
    fn sized(&mut self, kind: u64, parts: &[&[u8]]) {
        let before = self.values.len();
        for part in parts {
            self.values.extend_from_slice(part);
        }
        let mut bytes = [0; 9];
        let length = varint(&mut bytes, kind + 2 * (self.values.len() - before) as u64);
        self.types.extend_from_slice(&bytes[..length]);
    }
    /// What stands before types and values, and the bytes of all.
    fn head(&self) -> (Varint, usize) {
        // The length of the head counts itself.
        let least = Varint::of(self.types.len() as u64 + 1);
        let head = Varint::of((self.types.len() + least.length) as u64);
        let size = head.length + self.types.len() + self.values.len();
        (head, size)
    }
}

/// A number as it is written.
struct Varint {
    bytes: [u8; 9],
    length: usize,
}

impl Varint {
    fn of(value: u64) -> Self {
        let mut bytes = [0; 9];
        let length = varint(&mut bytes, value);
        Self { bytes, length }
    }
    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// A number in one to nine bytes, the high ones first; gives their count.
fn varint(bytes: &mut [u8], value: u64) -> usize {
    if value > 0x00FF_FFFF_FFFF_FFFF {
        let mut rest = value >> 8;
        for byte in bytes[..8].iter_mut().rev() {
            *byte = (rest & 0x7F) as u8 | 0x80;
            rest >>= 7;
        }
        bytes[8] = value as u8;
        return 9;
    }
    let length = (64 - value.leading_zeros() as usize).div_ceil(7).max(1);
    let mut rest = value;
    for (index, byte) in bytes[..length].iter_mut().enumerate().rev() {
        *byte = (rest & 0x7F) as u8 | if index + 1 < length { 0x80 } else { 0 };
        rest >>= 7;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rusqlite::Connection;

    /// What SQLite reads of rows that were written here: keys, whole numbers, numbers, texts, bytes.
    fn read_back(rows: &[(i64, i64, f64, String, Vec<u8>)]) -> Vec<(i64, i64, f64, String, Vec<u8>)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sqlite");
        let base = Connection::open(&path).unwrap();
        base.execute_batch(
            "PRAGMA page_size = 4096; CREATE TABLE t (k INTEGER PRIMARY KEY, i, r, s TEXT, b BLOB); CREATE TABLE u (x);",
        )
        .unwrap();
        let root: u32 = base.query_row("SELECT rootpage FROM sqlite_master WHERE name = 't'", [], |row| row.get(0)).unwrap();
        let mut pages = Pages::open(&path).unwrap();
        let mut tree = Tree::new(root);
        let mut record = Record::default();
        for (key, whole, real, text, bytes) in rows {
            record.clear();
            record.null();
            record.integer(*whole);
            record.real(*real);
            record.text(text);
            record.blob(&[&bytes[..bytes.len() / 2], &bytes[bytes.len() / 2..]]);
            tree.push(&mut pages, *key, &record).unwrap();
        }
        tree.finish(&mut pages).unwrap();
        pages.finish().unwrap();
        // The connection was open all the time: it notices, and writes on.
        base.execute("INSERT INTO u VALUES (1)", []).unwrap();
        let check: String = base.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
        assert_eq!(base.query_row("PRAGMA freelist_count", [], |row| row.get::<_, i64>(0)).unwrap(), 0);
        let mut all = base.prepare("SELECT k, i, r, s, b FROM t").unwrap();
        let rows = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))).unwrap();
        let rows: Vec<_> = rows.map(Result::unwrap).collect();
        // Found by key too: the levels above the leaves lead there.
        for (key, whole, ..) in &rows {
            let found: i64 = base.query_row("SELECT i FROM t WHERE k = ?", [key], |row| row.get(0)).unwrap();
            assert_eq!(found, *whole);
        }
        rows
    }

    #[test]
    fn a_table_of_three_levels_is_read_by_sqlite() {
        let rows: Vec<_> =
            (1..=30_000_i64).map(|key| (key, -key, f64::from(key as i32) / 8.0, format!("Straße {key}"), vec![7; 700])).collect();
        assert_eq!(read_back(&rows), rows);
        assert_eq!(read_back(&[]), []);
    }

    #[test]
    fn the_page_that_sqlite_locks_by_stays_empty() {
        let folder = tempfile::tempdir().unwrap();
        for lead in 0..4 {
            let path = folder.path().join(lead.to_string());
            let base = Connection::open(&path).unwrap();
            base.execute_batch("PRAGMA page_size = 4096; CREATE TABLE t (k INTEGER PRIMARY KEY, b BLOB);").unwrap();
            drop(base);
            // The file has a hole up to some pages before the gigabyte.
            File::options().write(true).open(&path).unwrap().set_len(u64::from(LOCK_PAGE - 3) * PAGE as u64).unwrap();
            let mut pages = Pages::open(&path).unwrap();
            let (mut tree, mut record) = (Tree::new(2), Record::default());
            // The first rows fill leaves, the others lie on pages of their own: leaves and overflows cross it in turn.
            let bytes = |key: i64| vec![key as u8; if key <= lead * 4 { 1000 } else { 20_000 }];
            for key in 1..=30 {
                record.clear();
                record.null();
                record.blob(&[&bytes(key)]);
                tree.push(&mut pages, key, &record).unwrap();
            }
            tree.finish(&mut pages).unwrap();
            assert!(pages.count > LOCK_PAGE);
            pages.finish().unwrap();
            let base = Connection::open(&path).unwrap();
            let mut all = base.prepare("SELECT k, b FROM t").unwrap();
            let rows = all.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))).unwrap();
            let rows: Vec<_> = rows.map(Result::unwrap).collect();
            assert_eq!(rows, (1..=30).map(|key| (key, bytes(key))).collect::<Vec<_>>());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn rows_of_any_size_come_back(
            rows in prop::collection::vec(
                (1..1_i64 << 40, any::<i64>(), -1e9..1e9_f64, ".{0,40}", 0_usize..20_000, any::<i64>()), 0..60),
        ) {
            let mut key = 0;
            let rows: Vec<_> = rows
                .into_iter()
                .map(|(step, whole, real, text, length, shift)| {
                    key += step;
                    (key, whole >> (shift & 63), real, text.replace('\0', ""), (0..length).map(|at| at as u8).collect())
                })
                .collect();
            prop_assert_eq!(read_back(&rows), rows);
        }
    }
}
