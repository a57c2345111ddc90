//! Which tiles there are: the units of stage `tile`, and which of them each building belongs to.

use super::cell::{Block, Cell};
use super::options::ColourOption;
use super::pictures::Finder;
use super::read::{self, CELLS, Listed, PICTURES};
use super::tile::Params;
use crate::crs::{Bbox, Geoid};
use crate::dataset::UnitResult;
use crate::error::Result;
use crate::io::{Digest, Source};
use crate::plan::{Input, InputKind, UnitSpec};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Most buildings of a square kilometre that one tile holds; with more, each cell has its own.
const CROWDED: usize = 1_000;

/// When and where a building was delivered: the greatest counts.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Delivered {
    created: Option<String>,
    /// Number of the file.
    file: usize,
    cell: Cell,
}

/// The units of all tiles.
///
/// # Errors
/// When a result cannot be read.
pub fn units(read: &[UnitResult], sources: &[Source], params: &Params, geoid: Option<&Geoid>) -> Result<Vec<UnitSpec>> {
    let mut cells: BTreeMap<Cell, Vec<(usize, Input)>> = BTreeMap::new();
    let mut places = Places::default();
    let mut finder = Finder::default();
    let mut shown: BTreeMap<Cell, BTreeSet<String>> = BTreeMap::new();
    let sources: HashMap<&str, &Source> = sources.iter().map(|source| (source.name.as_str(), source)).collect();
    for (file, result) in read.iter().enumerate() {
        let mut pack = result.pack()?;
        for (name, info) in pack.entries() {
            if let Some(cell) = name.strip_prefix(CELLS).and_then(Cell::parse) {
                cells.entry(cell).or_default().push((file, result.entry_as_input(name, *info)));
            }
        }
        places.take(file, &read::listed(&mut pack)?);
        if let Some(source) = sources.get(result.key.as_str())
            && pack.entries().contains_key(PICTURES)
            && params.colour == ColourOption::Surface
        {
            let pictures = String::from_utf8_lossy(&pack.read(PICTURES)?).into_owned();
            for (cell, picture) in pictures.lines().filter_map(|line| line.split_once('\t')) {
                let Some(cell) = Cell::parse(cell) else { continue };
                shown.entry(cell).or_default().extend(finder.want(source, picture));
            }
        }
    }
    let pictures = finder.inputs();
    let (seen, moved) = places.moved(read)?;
    let blocks = blocks(&cells, &seen);
    let excluded = excluded(moved, &blocks);
    let grid = geoid.map(|geoid| Input {
        kind: InputKind::Grid,
        name: geoid.fact().name.clone(),
        path: geoid.path().to_owned(),
        member: None,
        size: std::fs::metadata(geoid.path()).map_or(0, |metadata| metadata.len()),
        digest: geoid.fact().digest,
    });
    let mut inputs: BTreeMap<Block, Vec<(usize, Input)>> = BTreeMap::new();
    for (cell, entries) in cells {
        inputs.entry(blocks[&cell]).or_default().extend(entries);
    }
    Ok(inputs
        .into_iter()
        .map(|(block, mut entries)| {
            // By file, then by cell: the later file wins.
            entries.sort_by(|(a, first), (b, second)| (a, &first.name).cmp(&(b, &second.name)));
            let size: u64 = entries.iter().map(|(_, input)| input.size).sum();
            let names: BTreeSet<&String> =
                shown.iter().filter(|(cell, _)| block.covers(**cell)).flat_map(|(_, names)| names).collect();
            let of_block: Vec<Input> = names.into_iter().filter_map(|name| pictures.get(name)).cloned().collect();
            let pixels: u64 = of_block.iter().map(|input| input.size).sum();
            // The atlas and room to encode it, and one picture at a time, which takes some ten times as much as pixels.
            let largest = of_block.iter().map(|input| 192 + ((input.size * 12) >> 20).min(512)).max().unwrap_or(0);
            let inputs = entries.into_iter().map(|(_, input)| input).chain(grid.clone()).chain(of_block).collect();
            let exclude = excluded.get(&block).cloned().unwrap_or_default();
            let params = Params { exclude, cells: block.cells, ..params.clone() };
            let ([east, north], half) = (block.centre(), block.side_m() / 2.0);
            UnitSpec {
                key: block.corner.name(),
                inputs,
                params: serde_json::to_value(&params).unwrap_or_default(),
                bbox: Some(Bbox::new([east - half, north - half], [east + half, north + half])),
                memory_mb: 16 + (size >> 20) * 8 + largest,
                cost: size + pixels,
            }
        })
        .collect())
}

/// Number of buildings in each square kilometre.
type Counts = BTreeMap<Block, usize>;
/// Where files have a building, by its id.
type Moved = BTreeMap<String, Vec<Delivered>>;

/// Where each building of each file lies. A few bytes for each, so that a state fits: names are only kept of those that lie in
/// several cells.
#[derive(Default)]
struct Places {
    cells: BTreeMap<Cell, u32>,
    /// Hash of the id, number of the cell, number of the file.
    seen: Vec<(u64, u32, u32)>,
}

impl Places {
    fn hash(id: &str) -> u64 {
        let mut eight = [0; 8];
        eight.copy_from_slice(&Digest::of(id.as_bytes()).as_bytes()[..8]);
        u64::from_le_bytes(eight)
    }
    fn take(&mut self, file: usize, listed: &[(String, Listed)]) {
        for (id, Listed { cell, .. }) in listed {
            let next = self.cells.len() as u32;
            let cell = *self.cells.entry(*cell).or_insert(next);
            self.seen.push((Self::hash(id), cell, file as u32));
        }
    }
    /// The number of buildings in each square kilometre, and where those lie that files place in different cells. Two ids of the
    /// same hash count as one building where they meet, and are told apart again by their names.
    fn moved(mut self, read: &[UnitResult]) -> Result<(Counts, Moved)> {
        let cells: BTreeMap<u32, Cell> = self.cells.into_iter().map(|(cell, number)| (number, cell)).collect();
        self.seen.sort_unstable();
        let mut counts = Counts::new();
        let (mut twice, mut files): (BTreeSet<u64>, BTreeSet<u32>) = Default::default();
        for same in self.seen.chunk_by(|(a, ..), (b, ..)| a == b) {
            let around: BTreeSet<Block> = same.iter().map(|(_, cell, _)| Block::kilometre(cells[cell])).collect();
            for block in around {
                *counts.entry(block).or_default() += 1;
            }
            if same.iter().any(|(_, cell, _)| *cell != same[0].1) {
                twice.insert(same[0].0);
                files.extend(same.iter().map(|(.., file)| *file));
            }
        }
        let mut moved = Moved::new();
        for file in files {
            for (id, Listed { cell, created, .. }) in read::listed(&mut read[file as usize].pack()?)? {
                if twice.contains(&Self::hash(&id)) {
                    moved.entry(id).or_default().push(Delivered { created, file: file as usize, cell });
                }
            }
        }
        Ok((counts, moved))
    }
}

/// The tile of each cell: the square kilometre, or the cell alone where many buildings stand.
fn blocks(cells: &BTreeMap<Cell, Vec<(usize, Input)>>, counts: &Counts) -> BTreeMap<Cell, Block> {
    let block = |cell: Cell| {
        let around = Block::kilometre(cell);
        if counts.get(&around).is_some_and(|&count| count > CROWDED) { Block::single(cell) } else { around }
    };
    cells.keys().map(|&cell| (cell, block(cell))).collect()
}

/// Buildings that two deliveries place in different tiles belong to the newest: the later date of creation, then the later file.
fn excluded(places: Moved, blocks: &BTreeMap<Cell, Block>) -> BTreeMap<Block, Vec<String>> {
    let mut out: BTreeMap<Block, Vec<String>> = BTreeMap::new();
    for (id, at) in places {
        let Some(winner) = at.iter().max().and_then(|it| blocks.get(&it.cell)) else { continue };
        let others: BTreeSet<Block> =
            at.iter().filter_map(|it| blocks.get(&it.cell)).filter(|block| *block != winner).copied().collect();
        for block in others {
            out.entry(block).or_default().push(id.clone());
        }
    }
    out
}
