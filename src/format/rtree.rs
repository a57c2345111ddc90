//! SQLite's R*Tree as its own tables hold it ("The SQLite R*Tree Module", 6.1: shadow tables), packed at once.
//!
//! Inserting rectangles one by one costs more than writing the rows they belong to, and leaves nodes half empty. Here they are laid
//! out along the Hilbert curve, each node full.

use crate::crs::Bbox;
use crate::vector::hilbert;

/// Entries of a node. SQLite takes at most 51, or as many as fit a page; with pages of 4096 bytes that is 51.
const CELLS: usize = 51;
/// Bytes of an entry: an identifier and four coordinates.
const CELL: usize = 8 + 4 * 4;
/// Bytes of a node: depth, number of entries, entries.
const NODE: usize = 4 + CELLS * CELL;
/// Number of the root.
const ROOT: i64 = 1;

/// Rectangles that are laid out along the Hilbert curve at once; those of rows that come in its order anyway stay near each other.
const RUN: usize = 1 << 16;

/// A row of a shadow table: its key, and a node or the bytes of one.
#[derive(Debug, Clone, PartialEq)]
pub enum Row {
    /// `_node`: number and content. The root, number 1, comes first and empty; its content is in [`Rest`].
    Node(i64, Vec<u8>),
    /// `_rowid`: identifier of a rectangle and the leaf it is in.
    Leaf(i64, i64),
}

/// What is known when all rectangles are.
#[derive(Debug, Clone, PartialEq)]
pub struct Rest {
    /// Content of the root.
    pub root: Vec<u8>,
    /// `_parent`: number of a node and of the one above, by number.
    pub parents: Vec<(i64, i64)>,
}

/// Packs rectangles, none of which is empty, as they come; identifiers ascend. Rows of each table come in the order of their keys.
pub struct Packer {
    run: Vec<(i64, Bbox)>,
    /// Finished nodes of the lowest level.
    leaves: Vec<(i64, Bbox)>,
    next: i64,
}

impl Default for Packer {
    fn default() -> Self {
        Self { run: Vec::new(), leaves: Vec::new(), next: ROOT + 1 }
    }
}

impl Packer {
    /// Takes a rectangle.
    ///
    /// # Errors
    /// Those of `write`.
    pub fn push<E>(&mut self, id: i64, bbox: Bbox, write: impl FnMut(Row) -> Result<(), E>) -> Result<(), E> {
        if self.run.capacity() == 0 {
            self.run.reserve_exact(RUN);
        }
        self.run.push((id, bbox));
        if self.run.len() >= RUN { self.flush(write) } else { Ok(()) }
    }

    fn flush<E>(&mut self, mut write: impl FnMut(Row) -> Result<(), E>) -> Result<(), E> {
        if self.next == ROOT + 1 {
            write(Row::Node(ROOT, vec![0; NODE]))?;
        }
        let run = std::mem::take(&mut self.run);
        let boxes: Vec<Bbox> = run.iter().map(|entry| entry.1).collect();
        let ordered: Vec<(i64, Bbox)> = hilbert::order(&boxes).into_iter().map(|index| run[index as usize]).collect();
        let mut rows = Vec::with_capacity(run.len());
        for cells in ordered.chunks(CELLS) {
            rows.extend(cells.iter().map(|cell| (cell.0, self.next)));
            write(Row::Node(self.next, node(0, cells)))?;
            self.leaves.push((self.next, around(cells)));
            self.next += 1;
        }
        rows.sort_unstable();
        rows.into_iter().try_for_each(|(id, leaf)| write(Row::Leaf(id, leaf)))
    }

    /// Writes what is left, and the levels above the leaves.
    ///
    /// # Errors
    /// Those of `write`.
    pub fn finish<E>(mut self, mut write: impl FnMut(Row) -> Result<(), E>) -> Result<Rest, E> {
        if self.leaves.is_empty() && self.run.len() <= CELLS {
            // All of them fit into the root.
            write(Row::Node(ROOT, vec![0; NODE]))?;
            for (id, _) in &self.run {
                write(Row::Leaf(*id, ROOT))?;
            }
            return Ok(Rest { root: node(0, &self.run), parents: Vec::new() });
        }
        if !self.run.is_empty() {
            self.flush(&mut write)?;
        }
        let mut level = self.leaves;
        let mut parents = Vec::new();
        let mut depth = 1;
        while level.len() > CELLS {
            let mut above = Vec::with_capacity(level.len() / CELLS + 1);
            for cells in level.chunks(CELLS) {
                parents.extend(cells.iter().map(|cell| (cell.0, self.next)));
                // Only the root tells how deep the tree is.
                write(Row::Node(self.next, node(0, cells)))?;
                above.push((self.next, around(cells)));
                self.next += 1;
            }
            level = above;
            depth += 1;
        }
        parents.extend(level.iter().map(|cell| (cell.0, ROOT)));
        parents.sort_unstable();
        Ok(Rest { root: node(depth, &level), parents })
    }
}

fn around(cells: &[(i64, Bbox)]) -> Bbox {
    cells.iter().fold(Bbox::EMPTY, |whole, cell| whole.union(cell.1))
}

fn node(depth: u16, cells: &[(i64, Bbox)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(NODE);
    bytes.extend_from_slice(&depth.to_be_bytes());
    bytes.extend_from_slice(&(cells.len() as u16).to_be_bytes());
    for (id, bbox) in cells {
        bytes.extend_from_slice(&id.to_be_bytes());
        for coordinate in [down(bbox.min[0]), up(bbox.max[0]), down(bbox.min[1]), up(bbox.max[1])] {
            bytes.extend_from_slice(&coordinate.to_be_bytes());
        }
    }
    bytes.resize(NODE, 0);
    bytes
}

/// The coordinates are singles: a rectangle never becomes smaller.
fn down(value: f64) -> f32 {
    let single = value as f32;
    if f64::from(single) > value { single.next_down() } else { single }
}

fn up(value: f64) -> f32 {
    let single = value as f32;
    if f64::from(single) < value { single.next_up() } else { single }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::{Connection, params};

    /// SQLite itself finds the tree sound, and finds in it what a search through all rectangles finds; and it goes on to insert.
    #[test]
    fn sqlite_takes_the_tree_for_its_own() {
        // The last is more than one run.
        for count in [0_i64, 1, 51, 52, 2_601, 2_602, 7_000, 70_000] {
            let entries: Vec<(i64, Bbox)> = (1..=count)
                .map(|id| {
                    let (x, y) =
                        ((id * 7919 % 10_007) as f64 * 1.37 + 560_000.1, (id * 104_729 % 10_009) as f64 * 0.91 + 5_950_000.7);
                    (id, Bbox::new([x, y], [x + 12.3, y + 4.5]))
                })
                .collect();
            let base = Connection::open_in_memory().unwrap();
            base.execute_batch("PRAGMA page_size = 4096; CREATE VIRTUAL TABLE t USING rtree(id, minx, maxx, miny, maxy);")
                .unwrap();
            let write = |row: Row| match row {
                Row::Node(number, bytes) => {
                    base.execute("INSERT OR REPLACE INTO t_node VALUES (?, ?)", params![number, bytes]).map(|_| ())
                }
                Row::Leaf(id, leaf) => base.execute("INSERT INTO t_rowid VALUES (?, ?)", params![id, leaf]).map(|_| ()),
            };
            let mut packer = Packer::default();
            for (id, bbox) in &entries {
                packer.push(*id, *bbox, write).unwrap();
            }
            let rest = packer.finish(write).unwrap();
            base.execute("UPDATE t_node SET data = ? WHERE nodeno = 1", params![rest.root]).unwrap();
            for (number, above) in &rest.parents {
                base.execute("INSERT INTO t_parent VALUES (?, ?)", params![number, above]).unwrap();
            }
            let check: String = base.query_row("SELECT rtreecheck('t')", [], |row| row.get(0)).unwrap();
            assert_eq!(check, "ok", "{count}");
            let (low, high) = ([563_000.0, 5_952_000.0], [566_000.0, 5_955_000.0]);
            let found: i64 = base
                .query_row(
                    "SELECT count(*) FROM t WHERE maxx >= ? AND minx <= ? AND maxy >= ? AND miny <= ?",
                    params![low[0], high[0], low[1], high[1]],
                    |row| row.get(0),
                )
                .unwrap();
            let wanted = entries.iter().filter(|(_, bbox)| bbox.intersects(&Bbox::new(low, high))).count() as i64;
            assert!((found - wanted).abs() <= 2, "{count}: {found} {wanted}");
            base.execute("INSERT INTO t VALUES (100000, 1, 2, 1, 2)", []).unwrap();
            base.execute("DELETE FROM t WHERE id = 1", []).unwrap();
            let check: String = base.query_row("SELECT rtreecheck('t')", [], |row| row.get(0)).unwrap();
            assert_eq!(check, "ok", "{count} and one more");
        }
    }
}
