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

/// Rows of the three shadow tables.
#[derive(Debug, Default, PartialEq)]
pub struct Packed {
    /// `_node`: number and content; the root, number 1, is there always.
    pub nodes: Vec<(i64, Vec<u8>)>,
    /// `_rowid`: identifier of a rectangle and the leaf it is in.
    pub rows: Vec<(i64, i64)>,
    /// `_parent`: number of a node and of the one above.
    pub parents: Vec<(i64, i64)>,
}

/// Packs rectangles, none of which is empty.
pub fn pack(entries: &[(i64, Bbox)]) -> Packed {
    let mut packed = Packed::default();
    let boxes: Vec<Bbox> = entries.iter().map(|entry| entry.1).collect();
    let mut level: Vec<(i64, Bbox)> = hilbert::order(&boxes).into_iter().map(|index| entries[index as usize]).collect();
    let mut next = ROOT + 1;
    let mut depth = 0_u16;
    loop {
        if level.len() <= CELLS {
            place(&mut packed, ROOT, &level, depth == 0);
            packed.nodes.push((ROOT, node(depth, &level)));
            break;
        }
        let mut above = Vec::with_capacity(level.len() / CELLS + 1);
        for cells in level.chunks(CELLS) {
            place(&mut packed, next, cells, depth == 0);
            // Only the root tells how deep the tree is.
            packed.nodes.push((next, node(0, cells)));
            above.push((next, cells.iter().fold(Bbox::EMPTY, |whole, cell| whole.union(cell.1))));
            next += 1;
        }
        level = above;
        depth += 1;
    }
    packed
}

fn place(packed: &mut Packed, number: i64, cells: &[(i64, Bbox)], leaf: bool) {
    let rows = cells.iter().map(|cell| (cell.0, number));
    if leaf {
        packed.rows.extend(rows);
    } else {
        packed.parents.extend(rows);
    }
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
        for count in [0_i64, 1, 51, 52, 2_601, 2_602, 7_000] {
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
            let packed = pack(&entries);
            for (number, bytes) in &packed.nodes {
                base.execute("INSERT OR REPLACE INTO t_node VALUES (?, ?)", params![number, bytes]).unwrap();
            }
            for (id, number) in &packed.rows {
                base.execute("INSERT INTO t_rowid VALUES (?, ?)", params![id, number]).unwrap();
            }
            for (number, above) in &packed.parents {
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
