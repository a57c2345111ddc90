//! Mapbox Vector Tile 2.1: layers of points, lines and areas with their tags, as the bytes of a tile.

use std::collections::HashMap;

/// Units across a tile.
pub const EXTENT: u32 = 4096;

/// A position in units of the tile, x to the right, y downwards.
pub type Unit = [i32; 2];

/// A geometry in units of the tile.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Points.
    Points(Vec<Unit>),
    /// Lines of at least two points.
    Lines(Vec<Vec<Unit>>),
    /// Polygons: each an outer ring and its holes, closed. The direction of the rings is set when they are written.
    Polygons(Vec<Vec<Vec<Unit>>>),
}

/// The value of a tag.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A number.
    Real(f64),
    /// A whole number.
    Whole(i64),
    /// True or false.
    Truth(bool),
}

/// A geometry as the commands of a tile.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    kind: u64,
    geometry: Vec<u8>,
}

impl Drawn {
    /// One whose type and commands were kept.
    pub fn of_parts(kind: u8, geometry: Vec<u8>) -> Self {
        Self { kind: kind.into(), geometry }
    }
    /// Type and commands, as they stand in a tile.
    pub fn parts(&self) -> (u8, &[u8]) {
        (self.kind as u8, &self.geometry)
    }
}

/// The commands of a geometry; `None` when it vanishes in the units of the tile.
pub fn draw(shape: &Shape) -> Option<Drawn> {
    let (kind, commands) = commands(shape);
    let mut geometry = Vec::with_capacity(commands.len() * 2);
    for command in &commands {
        put_varint(&mut geometry, *command);
    }
    (!commands.is_empty()).then_some(Drawn { kind, geometry })
}

/// A layer being written.
pub struct Layer {
    name: String,
    /// Keys, by their indices.
    keys: Vec<String>,
    values: Values,
    /// All features, as they stand in the tile.
    features: Vec<u8>,
    /// Room for a feature, its tags, and a value.
    feature: Vec<u8>,
    indices: Vec<u64>,
    value: Vec<u8>,
}

/// Values as they stand in the tile, each once, with their indices, which count up as they come. They lie in one piece: many tiles
/// have thousands of them.
#[derive(Default)]
struct Values {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
    /// Indices by the hash of the value; one whose place is taken stands in the next.
    known: HashMap<u64, u32, ahash::RandomState>,
    hasher: ahash::RandomState,
}

impl Values {
    fn get(&self, index: u32) -> &[u8] {
        let index = index as usize;
        let begin = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[begin..self.ends[index]]
    }
    fn index(&mut self, value: &[u8]) -> u32 {
        let mut hash = self.hasher.hash_one(value);
        while let Some(known) = self.known.get(&hash) {
            if self.get(*known) == value {
                return *known;
            }
            hash = hash.wrapping_add(1);
        }
        let next = self.ends.len() as u32;
        self.known.insert(hash, next);
        self.bytes.extend_from_slice(value);
        self.ends.push(self.bytes.len());
        next
    }
    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.ends.len() as u32).map(|index| self.get(index))
    }
}

impl Layer {
    /// An empty layer.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            keys: Vec::new(),
            values: Values::default(),
            features: Vec::new(),
            feature: Vec::new(),
            indices: Vec::new(),
            value: Vec::new(),
        }
    }
    /// Adds a feature; one whose geometry vanishes in the units of the tile is left out.
    pub fn add(&mut self, shape: &Shape, tags: &[(&str, Value)]) {
        if let Some(drawn) = draw(shape) {
            self.add_drawn(&drawn, tags);
        }
    }
    /// Adds a feature whose geometry is drawn already.
    pub fn add_drawn(&mut self, drawn: &Drawn, tags: &[(&str, Value)]) {
        self.indices.clear();
        for (key, value) in tags {
            let pair = [self.key(key), self.value(value)];
            self.indices.extend(pair);
        }
        self.feature.clear();
        put_packed(&mut self.feature, 2, &self.indices);
        put_number(&mut self.feature, 3, drawn.kind);
        put_bytes(&mut self.feature, 4, &drawn.geometry);
        put_bytes(&mut self.features, 2, &self.feature);
    }
    /// True without a feature.
    pub fn is_empty(&self) -> bool {
        self.features.is_empty()
    }
    fn key(&mut self, key: &str) -> u64 {
        // There are few.
        let known = self.keys.iter().position(|known| known == key);
        known.unwrap_or_else(|| {
            self.keys.push(key.to_owned());
            self.keys.len() - 1
        }) as u64
    }
    fn value(&mut self, value: &Value) -> u64 {
        let bytes = &mut self.value;
        bytes.clear();
        match value {
            Value::Text(text) => put_bytes(bytes, 1, text.as_bytes()),
            Value::Real(real) => {
                put_varint(bytes, 3 << 3 | 1);
                bytes.extend_from_slice(&real.to_le_bytes());
            }
            Value::Whole(whole) => {
                put_varint(bytes, 6 << 3);
                put_varint(bytes, ((whole << 1) ^ (whole >> 63)) as u64);
            }
            Value::Truth(truth) => put_number(bytes, 7, u64::from(*truth)),
        }
        u64::from(self.values.index(bytes))
    }
}

/// The bytes of a tile with the layers that have features; empty when none has.
pub fn tile(layers: &[Layer]) -> Vec<u8> {
    let mut tile = Vec::new();
    for layer in layers.iter().filter(|layer| !layer.is_empty()) {
        let mut bytes = Vec::new();
        put_number(&mut bytes, 15, 2);
        put_bytes(&mut bytes, 1, layer.name.as_bytes());
        bytes.extend_from_slice(&layer.features);
        for key in &layer.keys {
            put_bytes(&mut bytes, 3, key.as_bytes());
        }
        layer.values.iter().for_each(|value| put_bytes(&mut bytes, 4, value));
        put_number(&mut bytes, 5, u64::from(EXTENT));
        put_bytes(&mut tile, 3, &bytes);
    }
    tile
}

/// Geometry type and commands (4.3): `MoveTo` 1, `LineTo` 2, `ClosePath` 7.
fn commands(shape: &Shape) -> (u64, Vec<u64>) {
    let mut pen = Pen { at: [0, 0], out: Vec::new() };
    match shape {
        Shape::Points(points) => {
            if !points.is_empty() {
                pen.command(1, points.len());
                for point in points {
                    pen.step(*point);
                }
            }
            (1, pen.out)
        }
        Shape::Lines(lines) => {
            for line in lines {
                let mut line = line.clone();
                line.dedup();
                if line.len() < 2 {
                    continue;
                }
                pen.command(1, 1);
                pen.step(line[0]);
                pen.command(2, line.len() - 1);
                for point in &line[1..] {
                    pen.step(*point);
                }
            }
            (2, pen.out)
        }
        Shape::Polygons(polygons) => {
            for rings in polygons {
                for (index, ring) in rings.iter().enumerate() {
                    let drawn = pen.ring(ring, index == 0);
                    if index == 0 && !drawn {
                        break;
                    }
                }
            }
            (3, pen.out)
        }
    }
}

struct Pen {
    at: Unit,
    out: Vec<u64>,
}

impl Pen {
    fn command(&mut self, id: u64, count: usize) {
        self.out.push(id | (count as u64) << 3);
    }
    fn step(&mut self, to: Unit) {
        for (to, at) in to.into_iter().zip(self.at) {
            let by = i64::from(to) - i64::from(at);
            self.out.push(((by << 1) ^ (by >> 63)) as u64);
        }
        self.at = to;
    }
    /// Draws a ring, unless it has no area in these units; outer rings have a positive area where y points down (4.3.4.4).
    fn ring(&mut self, ring: &[Unit], outer: bool) -> bool {
        let mut points = ring.to_vec();
        points.dedup();
        if points.len() > 1 && points.first() == points.last() {
            points.pop();
        }
        let area: i64 = (0..points.len())
            .map(|index| {
                let (a, b) = (points[index], points[(index + 1) % points.len()]);
                i64::from(a[0]) * i64::from(b[1]) - i64::from(b[0]) * i64::from(a[1])
            })
            .sum();
        if points.len() < 3 || area == 0 {
            return false;
        }
        if (area > 0) != outer {
            points.reverse();
        }
        self.command(1, 1);
        self.step(points[0]);
        self.command(2, points.len() - 1);
        for point in &points[1..] {
            self.step(*point);
        }
        self.command(7, 1);
        true
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_number(out: &mut Vec<u8>, field: u64, value: u64) {
    put_varint(out, field << 3);
    put_varint(out, value);
}

fn put_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_varint(out, field << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_packed(out: &mut Vec<u8>, field: u64, values: &[u64]) {
    let mut bytes = Vec::new();
    for value in values {
        put_varint(&mut bytes, *value);
    }
    put_bytes(out, field, &bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the standard, 4.3.5.6: a polygon with a hole beside another.
    #[test]
    fn commands_are_those_of_the_standard() {
        let square = |min: i32, max: i32| vec![[min, min], [max, min], [max, max], [min, max], [min, min]];
        let shape = Shape::Polygons(vec![vec![square(0, 10)], vec![square(11, 20), square(13, 17)]]);
        let (kind, geometry) = commands(&shape);
        assert_eq!(kind, 3);
        let expected = [9, 0, 0, 26, 20, 0, 0, 20, 19, 0, 15, 9, 22, 2, 26, 18, 0, 0, 18, 17, 0, 15];
        assert_eq!(&geometry[..22], &expected);
        assert_eq!(geometry[22] & 7, 1);
        assert_eq!(commands(&Shape::Points(vec![[25, 17]])), (1, vec![9, 50, 34]));
        assert_eq!(commands(&Shape::Lines(vec![vec![[2, 2], [2, 10], [10, 10]]])).1, [9, 4, 4, 18, 0, 16, 16, 0]);
    }

    #[test]
    fn geozero_reads_the_tile() {
        use geozero::mvt::{Message, Tile};
        let mut layer = Layer::new("flurstueck");
        let ring = vec![[0, 0], [0, 100], [100, 100], [0, 0]];
        layer.add(&Shape::Polygons(vec![vec![ring.clone()]]), &[("nr", Value::Text("7/1".into())), ("m2", Value::Real(2.5))]);
        layer.add(&Shape::Polygons(vec![vec![ring]]), &[("nr", Value::Text("7/1".into())), ("n", Value::Whole(-3))]);
        layer.add(&Shape::Polygons(vec![vec![vec![[5, 5], [5, 5], [6, 5], [5, 5]]]]), &[]);
        let bytes = tile(&[Layer::new("empty"), layer]);
        let read = Tile::decode(bytes.as_slice()).unwrap();
        assert_eq!(read.layers.len(), 1);
        let layer = &read.layers[0];
        assert_eq!((layer.name.as_str(), layer.version, layer.extent), ("flurstueck", 2, Some(4096)));
        assert_eq!((layer.features.len(), layer.values.len()), (2, 3));
        assert_eq!(layer.keys, ["nr", "m2", "n"]);
        assert_eq!(layer.values[2].sint_value, Some(-3));
        assert!(tile(&[Layer::new("empty")]).is_empty());
    }
}
