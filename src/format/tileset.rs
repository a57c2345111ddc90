//! `tileset.json` of 3D Tiles 1.1: a quadtree over squares of two sizes and more, additive, every content once.

use crate::error::{Error, Result};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A volume on the ellipsoid: west, south, east, north in radians, lowest and highest ellipsoidal height in metres.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Region(pub [f64; 6]);

impl Region {
    /// The region that contains nothing.
    pub const EMPTY: Self =
        Self([f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY, f64::INFINITY, f64::NEG_INFINITY]);
    /// Grows to contain a point: longitude and latitude in radians, ellipsoidal height.
    pub fn grow(&mut self, [longitude, latitude, height]: [f64; 3]) {
        let [west, south, east, north, low, high] = &mut self.0;
        *west = west.min(longitude);
        *east = east.max(longitude);
        *south = south.min(latitude);
        *north = north.max(latitude);
        *low = low.min(height);
        *high = high.max(height);
    }
    /// Grows to contain another region.
    pub fn join(&mut self, Self([west, south, east, north, low, high]): Self) {
        self.grow([west, south, low]);
        self.grow([east, north, high]);
    }
}

/// A tile with content.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    /// Column and row of its lower left cell.
    pub cell: [i64; 2],
    /// Level: its edge is 2 to the power of it in cells.
    pub level: u32,
    /// URI of the content, relative to the tileset.
    pub uri: String,
    /// What the content fills.
    pub region: Region,
    /// Column-major matrix from the content's local frame to earth-centred coordinates.
    pub transform: [f64; 16],
}

/// Geometric error of the parents of the smallest leaves: cells of 500 m are switched on from about 2.9 km at 1080 pixels and the
/// usual error of 16 pixels, square kilometres from 5.8 km.
pub const PARENT_ERROR_M: f64 = 50.0;
/// Geometric error of the whole tileset: below it nothing is shown.
pub const ROOT_ERROR_M: f64 = 1000.0;
/// Cells of a coordinate beyond this are refused: no projected coordinate is that large.
const MAX_CELL: i64 = 1 << 40;
/// Levels that hold all cells up to [`MAX_CELL`].
const MAX_LEVEL: u32 = 41;

struct Node {
    region: Region,
    error: f64,
    tile: Map<String, Value>,
}

/// Writes the tileset over leaves; the order in which they come does not matter.
///
/// # Errors
/// When there is no leaf, or a cell's number is absurd.
pub fn write(leaves: &[Leaf], copyright: &str) -> Result<Vec<u8>> {
    let mut sorted: Vec<&Leaf> = leaves.iter().collect();
    sorted.sort_by(|a, b| (a.level, a.cell, &a.uri).cmp(&(b.level, b.cell, &b.uri)));
    if let Some(leaf) =
        sorted.iter().find(|leaf| leaf.level > MAX_LEVEL || leaf.cell.iter().any(|it| !(-MAX_CELL..=MAX_CELL).contains(it)))
    {
        return Err(Error::new("mk::tileset::cell", format!("the cell {:?} lies outside any projection", leaf.cell)));
    }
    if sorted.is_empty() {
        return Err(Error::new("mk::tileset::empty", "there is no tile to list"));
    }
    let mut waiting = sorted.into_iter().peekable();
    let mut open: BTreeMap<[i64; 2], Vec<Node>> = BTreeMap::new();
    let mut error = PARENT_ERROR_M;
    // Parents are built level by level until one is left. Neighbours on both sides of zero never meet by halving, so
    // after the last level what is left hangs below one root.
    for level in 0..=MAX_LEVEL {
        while let Some(leaf) = waiting.next_if(|leaf| leaf.level == level) {
            open.entry(leaf.cell.map(|number| number >> level)).or_default().push(node(leaf));
        }
        if level > 0 && waiting.peek().is_none() && open.values().map(Vec::len).sum::<usize>() <= 1 {
            break;
        }
        let mut above: BTreeMap<[i64; 2], Vec<Node>> = BTreeMap::new();
        for (cell, children) in open {
            above.entry(cell.map(|number| number >> 1)).or_default().extend(children);
        }
        open = above.into_iter().map(|(cell, children)| (cell, vec![parent(children, error)])).collect();
        error *= 2.0;
    }
    let root = parent(open.into_values().flatten().collect(), error);
    Ok(finished(root, copyright))
}

/// The tileset of a delivery without content: valid, and nothing to see.
pub fn empty(region: Region, copyright: &str) -> Vec<u8> {
    let mut tile = Map::new();
    tile.insert("boundingVolume".into(), volume(region));
    tile.insert("geometricError".into(), 0.into());
    finished(Node { region, error: 0.0, tile }, copyright)
}

fn finished(root: Node, copyright: &str) -> Vec<u8> {
    let mut tile = root.tile;
    tile.insert("refine".into(), "ADD".into());
    let mut asset = Map::new();
    asset.insert("version".into(), "1.1".into());
    if !copyright.is_empty() {
        asset.insert("copyright".into(), copyright.into());
    }
    let tileset = json!({ "asset": asset, "geometricError": round(ROOT_ERROR_M.max(root.error * 2.0)), "root": tile });
    let mut text = tileset.to_string().into_bytes();
    text.push(b'\n');
    text
}

fn node(leaf: &Leaf) -> Node {
    let mut tile = Map::new();
    tile.insert("boundingVolume".into(), volume(leaf.region));
    tile.insert("geometricError".into(), 0.into());
    tile.insert("transform".into(), json!(leaf.transform));
    tile.insert("content".into(), json!({ "uri": leaf.uri }));
    Node { region: leaf.region, error: 0.0, tile }
}

/// A tile above others; one that would have a single child with children of its own is left out.
fn parent(mut children: Vec<Node>, error: f64) -> Node {
    if children.len() == 1
        && children[0].error > 0.0
        && let Some(only) = children.pop()
    {
        return only;
    }
    let mut region = Region::EMPTY;
    for child in &children {
        region.join(child.region);
    }
    let mut tile = Map::new();
    tile.insert("boundingVolume".into(), volume(region));
    tile.insert("geometricError".into(), json!(round(error)));
    tile.insert("children".into(), children.into_iter().map(|child| Value::Object(child.tile)).collect());
    Node { region, error, tile }
}

/// Radians with 12 digits after the point: 6 µm on the ground, and never smaller than what it holds.
fn volume(Region([west, south, east, north, low, high]): Region) -> Value {
    let down = |value: f64, scale: f64| (value * scale).floor() / scale;
    let up = |value: f64, scale: f64| (value * scale).ceil() / scale;
    json!({ "region": [
        down(west, 1e12), down(south, 1e12), up(east, 1e12), up(north, 1e12), down(low, 1e3), up(high, 1e3),
    ]})
}

fn round(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(east: i64, north: i64) -> Leaf {
        let (west, south) = (0.15 + east as f64 * 1e-4, 0.9 + north as f64 * 1e-4);
        Leaf {
            cell: [east, north],
            level: 0,
            uri: format!("{east}_{north}.glb"),
            region: Region([west, south, west + 1e-4, south + 1e-4, 40.0, 70.0]),
            transform: [1.0; 16],
        }
    }

    fn walk(tile: &Value, above: Option<(&[Value], f64)>, uris: &mut Vec<String>) {
        let region = tile["boundingVolume"]["region"].as_array().unwrap();
        let error = tile["geometricError"].as_f64().unwrap();
        if let Some((outer, outer_error)) = above {
            let value = |list: &[Value], index: usize| list[index].as_f64().unwrap();
            assert!([0, 1, 4].iter().all(|&index| value(outer, index) <= value(region, index)));
            assert!([2, 3, 5].iter().all(|&index| value(outer, index) >= value(region, index)));
            assert!(error < outer_error, "the error falls with every level");
        }
        if let Some(content) = tile.get("content") {
            assert!(content.get("url").is_none());
            uris.push(content["uri"].as_str().unwrap().to_owned());
        }
        for child in tile["children"].as_array().map(Vec::as_slice).unwrap_or_default() {
            walk(child, Some((region, error)), uris);
        }
    }

    #[test]
    fn every_leaf_hangs_once_in_a_tree_of_growing_regions() {
        let mut leaves: Vec<Leaf> = (-9..9).flat_map(|east| (0..12).map(move |north| leaf(east, north))).collect();
        // Some are twice as large.
        leaves.extend((10..14).map(|east| Leaf { level: 1, ..leaf(east * 2, 4) }));
        let bytes = write(&leaves, "© Amt").unwrap();
        let tileset: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(tileset["asset"], json!({ "version": "1.1", "copyright": "© Amt" }));
        assert_eq!(tileset["root"]["refine"], "ADD");
        assert!(tileset["geometricError"].as_f64() > tileset["root"]["geometricError"].as_f64());
        let mut uris = Vec::new();
        walk(&tileset["root"], None, &mut uris);
        uris.sort();
        let mut want: Vec<String> = leaves.iter().map(|leaf| leaf.uri.clone()).collect();
        want.sort();
        assert_eq!(uris, want);
        let mut turned = leaves;
        turned.reverse();
        assert_eq!(write(&turned, "© Amt").unwrap(), bytes);
    }

    #[test]
    fn a_single_cell_has_a_root_above_it() {
        let tileset: Value = serde_json::from_slice(&write(&[leaf(648, 11460)], "").unwrap()).unwrap();
        assert_eq!(tileset["root"]["geometricError"], 50.0);
        assert_eq!(tileset["root"]["children"][0]["geometricError"], 0);
        assert_eq!(tileset["geometricError"], 1000.0);
        assert!(write(&[], "").is_err());
        assert!(write(&[leaf(i64::MAX, 0)], "").is_err());
    }
}
