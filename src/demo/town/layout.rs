//! The plan of one quarter (500 m by 500 m): streets, blocks, lots. All in whole millimetres on the plan, before it is bent.

use crate::demo::random::Random;
use std::collections::{BTreeMap, BTreeSet};

/// Side of a quarter in millimetres.
pub const QUARTER: i64 = 500_000;
/// Half the width of a main road.
pub const MAIN_HALF: i64 = 7_500;
const COLLECTOR: i64 = 11_000;
const STREET: i64 = 9_000;

/// What a lot, a block or a strip is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// One house in its garden.
    House,
    /// A house in a row, wall to wall.
    Row,
    /// Garages and green beside a row.
    Court,
    /// Blocks of flats.
    Apartments,
    /// Shops and flats.
    Centre,
    /// The town hall.
    TownHall,
    /// A church.
    Church,
    /// A school.
    School,
    /// Halls and yards.
    Commerce,
    /// A park.
    Park,
    /// The pond in a park.
    Pond,
    /// A playground.
    Playground,
    /// Arable land.
    Field,
    /// Grassland.
    Meadow,
    /// A wood.
    Wood,
    /// A street.
    Street,
    /// A main road.
    MainRoad,
}

/// Side of a rectangle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Towards smaller y.
    South,
    /// Towards greater x.
    East,
    /// Towards greater y.
    North,
    /// Towards smaller x.
    West,
}

/// A rectangle on the plan, in millimetres.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rect {
    /// West.
    pub x0: i64,
    /// South.
    pub y0: i64,
    /// East.
    pub x1: i64,
    /// North.
    pub y1: i64,
}

impl Rect {
    fn flipped(self) -> Self {
        Self { x0: self.y0, y0: self.x0, x1: self.y1, y1: self.x1 }
    }
    fn moved(self, x: i64, y: i64) -> Self {
        Self { x0: self.x0 + x, y0: self.y0 + y, x1: self.x1 + x, y1: self.y1 + y }
    }
}

/// A lot: what becomes a parcel.
#[derive(Debug, Clone, Copy)]
pub struct Lot {
    /// Where, on the plan.
    pub rect: Rect,
    /// What for.
    pub kind: Use,
    /// The side with the street.
    pub front: Side,
    /// The street in front, by its number in the whole town.
    pub street: Option<u32>,
    /// House number.
    pub number: Option<u32>,
    /// Zähler and Nenner (0: none).
    pub label: [u32; 2],
}

/// A block of one use: what becomes an object of the actual use of land.
#[derive(Debug, Clone, Copy)]
pub struct Block {
    /// Where, on the plan.
    pub rect: Rect,
    /// What for.
    pub kind: Use,
}

/// Corner points on straight lines of the plan: a ring takes all that lie on its sides, so that neighbours share them.
#[derive(Debug, Clone, Default)]
pub struct Nodes {
    vertical: BTreeMap<i64, BTreeSet<i64>>,
    horizontal: BTreeMap<i64, BTreeSet<i64>>,
}

impl Nodes {
    /// Adds the corners of a rectangle.
    pub fn add(&mut self, r: Rect) {
        for (x, y) in [(r.x0, r.y0), (r.x1, r.y0), (r.x1, r.y1), (r.x0, r.y1)] {
            self.vertical.entry(x).or_default().insert(y);
            self.horizontal.entry(y).or_default().insert(x);
        }
    }
    /// The points on the vertical line `x` from `y0` to before `y1`, northwards.
    pub fn upward(&self, x: i64, y0: i64, y1: i64) -> Vec<[i64; 2]> {
        self.vertical.get(&x).map(|line| line.range(y0..y1).map(|y| [x, *y]).collect()).unwrap_or_default()
    }
    /// The points on the horizontal line `y` from `x0` to before `x1`, eastwards.
    pub fn eastward(&self, y: i64, x0: i64, x1: i64) -> Vec<[i64; 2]> {
        self.horizontal.get(&y).map(|line| line.range(x0..x1).map(|x| [*x, y]).collect()).unwrap_or_default()
    }
    /// The outline of a rectangle, anticlockwise from its south-west corner, through every point on its sides.
    pub fn outline(&self, r: Rect) -> Vec<[i64; 2]> {
        let mut ring = self.eastward(r.y0, r.x0, r.x1);
        ring.extend(self.upward(r.x1, r.y0, r.y1));
        let mut north = self.eastward(r.y1, r.x0 + 1, r.x1 + 1);
        north.reverse();
        ring.extend(north);
        let mut west = self.upward(r.x0, r.y0 + 1, r.y1 + 1);
        west.reverse();
        ring.extend(west);
        ring
    }
    /// All points, each once.
    pub fn all(&self) -> Vec<[i64; 2]> {
        self.vertical.iter().flat_map(|(x, line)| line.iter().map(|y| [*x, *y])).collect()
    }
}

/// The plan of a quarter.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Lots, streets included.
    pub lots: Vec<Lot>,
    /// Blocks, streets included.
    pub blocks: Vec<Block>,
    /// Numbers of its own streets in the whole town.
    pub streets: Vec<u32>,
    /// Corner points.
    pub nodes: Nodes,
}

/// Character of a quarter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// Houses and a playground.
    Living,
    /// Shops, flats, church, school.
    Centre,
    /// A park with a pond, and houses.
    Park,
    /// Commerce and fields.
    Edge,
    /// Fields, meadows, a wood.
    Open,
}

/// Number of a street on a north-south line between quarters.
pub fn vertical_line(k: u32) -> u32 {
    k
}

/// Number of a street on an east-west line between quarters.
pub fn horizontal_line(k: u32) -> u32 {
    4096 + k
}

fn own_street(i: u32, j: u32, k: u32) -> u32 {
    8192 + ((i << 12) + j) * 32 + k
}

fn theme(seed: u64, [columns, rows]: [u32; 2], i: u32, j: u32) -> Theme {
    // The first square kilometre has one of each, so that the smallest town has everything.
    match (i, j) {
        (0, 0) => return Theme::Living,
        (1, 0) => return Theme::Centre,
        (0, 1) => return Theme::Park,
        (1, 1) => return Theme::Edge,
        _ => {}
    }
    let mut random = Random::of(seed, &[0x7468_656d_6500, u64::from(i), u64::from(j)]);
    let outer = i == 0 || j == 0 || i + 1 == columns || j + 1 == rows;
    let roll = random.unit();
    match (outer, roll) {
        (true, r) if r < 0.45 => Theme::Open,
        (true, r) if r < 0.75 => Theme::Edge,
        (false, r) if r < 0.14 => Theme::Centre,
        (_, r) if r < 0.30 => Theme::Park,
        (false, r) if r < 0.42 => Theme::Edge,
        (false, r) if r < 0.50 => Theme::Open,
        _ => Theme::Living,
    }
}

/// Lays out the quarter in column `i` and row `j` of a town of that many quarters.
pub fn plan(seed: u64, size: [u32; 2], i: u32, j: u32) -> Plan {
    let mut random = Random::of(seed, &[0x0070_6c61_6e00, u64::from(i), u64::from(j)]);
    let theme = theme(seed, size, i, j);
    let flip = random.chance(0.5);
    // Roads at the quarter's south, east, north and west, none along the outer border of the town.
    let roads = [j > 0, i + 1 < size[0], j + 1 < size[1], i > 0];
    let turned = if flip { [roads[3], roads[2], roads[1], roads[0]] } else { roads };
    let lines = [horizontal_line(j), vertical_line(i + 1), horizontal_line(j + 1), vertical_line(i)];
    let turned_lines = if flip { [lines[3], lines[2], lines[1], lines[0]] } else { lines };
    let inset = |road: bool| if road { MAIN_HALF } else { 0 };
    let bounds =
        Rect { x0: inset(turned[3]), y0: inset(turned[0]), x1: QUARTER - inset(turned[1]), y1: QUARTER - inset(turned[2]) };
    // House numbers along a main road go on from quarter to quarter.
    let along = if flip { j } else { i };
    let mut sketch = Sketch {
        random,
        lots: Vec::new(),
        blocks: Vec::new(),
        streets: Vec::new(),
        next_number: 1,
        at: [i, j],
        south_line: turned[0].then_some(turned_lines[0]),
        north_line: turned[2].then_some(turned_lines[2]),
        first_house: along * 60,
    };
    sketch.columns(theme, bounds, turned);
    let mut plan = Plan { streets: sketch.streets, ..Plan::default() };
    let (x, y) = (i64::from(i) * QUARTER, i64::from(j) * QUARTER);
    let settle = |rect: Rect| if flip { rect.flipped().moved(x, y) } else { rect.moved(x, y) };
    for mut lot in sketch.lots {
        lot.rect = settle(lot.rect);
        if flip {
            lot.front = match lot.front {
                Side::South => Side::West,
                Side::West => Side::South,
                Side::North => Side::East,
                Side::East => Side::North,
            };
        }
        plan.nodes.add(lot.rect);
        plan.lots.push(lot);
    }
    plan.blocks = sketch.blocks.into_iter().map(|block| Block { rect: settle(block.rect), ..block }).collect();
    plan
}

/// A quarter while it is drawn: columns from west to east, blocks in them from south to north.
struct Sketch {
    random: Random,
    lots: Vec<Lot>,
    blocks: Vec<Block>,
    streets: Vec<u32>,
    next_number: u32,
    at: [u32; 2],
    south_line: Option<u32>,
    north_line: Option<u32>,
    first_house: u32,
}

/// A block to be drawn, before the depths are fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Houses,
    HousesAndPlayground,
    Rows,
    Apartments,
    Centre,
    Civic,
    School,
    Park,
    Commerce,
    Field,
    Meadow,
    Wood,
}

impl Wish {
    fn depth(self) -> [f64; 2] {
        match self {
            Wish::Houses | Wish::HousesAndPlayground => [58.0, 70.0],
            Wish::Rows => [54.0, 60.0],
            Wish::Apartments => [76.0, 92.0],
            Wish::Centre => [64.0, 76.0],
            Wish::Civic => [70.0, 80.0],
            Wish::School => [110.0, 125.0],
            Wish::Park => [150.0, 175.0],
            Wish::Commerce => [90.0, 115.0],
            Wish::Field | Wish::Meadow => [80.0, 130.0],
            Wish::Wood => [90.0, 140.0],
        }
    }
}

impl Sketch {
    fn columns(&mut self, theme: Theme, bounds: Rect, roads: [bool; 4]) {
        let count = if theme == Theme::Open || self.random.chance(0.7) { 2 } else { 3 };
        let free = bounds.x1 - bounds.x0 - (count - 1) * COLLECTOR;
        let mut x = bounds.x0;
        for column in 0..count {
            let last = column + 1 == count;
            let share = self.random.between(0.9, 1.1);
            let width = if last { bounds.x1 - x } else { (free as f64 / count as f64 * share) as i64 / 100 * 100 };
            let rect = Rect { x0: x, x1: x + width, ..bounds };
            let wishes = self.wishes(theme, column, roads, (rect.y1 - rect.y0) as f64 / 1000.0);
            self.column(rect, &wishes);
            x += width;
            if !last {
                let street = self.name_street();
                self.strip(Rect { x0: x, x1: x + COLLECTOR, ..bounds }, street);
                x += COLLECTOR;
            }
        }
    }

    fn wishes(&mut self, theme: Theme, column: i64, roads: [bool; 4], height: f64) -> Vec<Wish> {
        use Wish::{Apartments, Centre, Civic, Commerce, Field, Houses, HousesAndPlayground, Meadow, Park, Rows, School, Wood};
        let (first, filler): (&[Wish], &[Wish]) = match (theme, column) {
            (Theme::Living, 0) => (&[Houses, Rows, Houses], &[Houses, Houses, Rows]),
            (Theme::Living, _) => (&[Houses, HousesAndPlayground, Houses, Apartments], &[Houses, Rows, Houses]),
            (Theme::Centre, 0) => (&[Centre, Civic, Centre, Apartments], &[Centre, Apartments, Rows]),
            (Theme::Centre, _) => (&[Rows, School, Centre], &[Apartments, Rows, Houses, Centre]),
            (Theme::Park, 0) => (&[Houses, Park, Houses], &[Houses, Rows]),
            (Theme::Park, _) => (&[Houses, Rows, Apartments], &[Houses, HousesAndPlayground, Rows]),
            (Theme::Edge, 0) => (&[Commerce, Houses, Houses, Meadow], &[Houses, Field, Commerce]),
            (Theme::Edge, _) => (&[Commerce, Commerce, Houses], &[Houses, Wood, Field]),
            (Theme::Open, 0) => (&[Field, Wood], &[Field, Field, Meadow]),
            (Theme::Open, _) => (&[Meadow, Field], &[Field, Field, Meadow, Houses]),
        };
        let outer = [Field, Field, Meadow, Field, Wood];
        let mut wishes = Vec::new();
        let mut used = if roads[2] { 0.0 } else { 70.0 };
        if !roads[0] {
            wishes.push(self.random.pick(&outer));
            used += 70.0;
        }
        let mut k = 0;
        while wishes.len() < 20 {
            let wish = first.get(k).copied().unwrap_or_else(|| self.random.pick(filler));
            let [low, high] = wish.depth();
            let depth = f64::midpoint(low, high) + 9.0;
            if k > 0 && used + depth > height + 30.0 {
                break;
            }
            used += depth;
            wishes.push(wish);
            k += 1;
        }
        if !roads[2] {
            wishes.push(self.random.pick(&outer));
        }
        wishes
    }

    fn column(&mut self, rect: Rect, wishes: &[Wish]) {
        let gaps = (wishes.len() as i64 - 1) * STREET;
        let mut depths: Vec<f64> = Vec::new();
        for (k, wish) in wishes.iter().enumerate() {
            let [low, high] = wish.depth();
            let at_border = (k == 0 && self.south_line.is_none()) || (k + 1 == wishes.len() && self.north_line.is_none());
            depths.push(if at_border { self.random.between(55.0, 75.0) } else { self.random.between(low, high) });
        }
        let scale = (rect.y1 - rect.y0 - gaps) as f64 / 1000.0 / depths.iter().sum::<f64>();
        let mut y = rect.y0;
        let mut south = self.south_line;
        for (k, wish) in wishes.iter().enumerate() {
            let last = k + 1 == wishes.len();
            let depth = if last { rect.y1 - y } else { (depths[k] * scale * 10.0).round() as i64 * 100 };
            let block = Rect { y0: y, y1: y + depth, ..rect };
            let north = if last { self.north_line } else { Some(self.name_street()) };
            self.block(*wish, block, south, north);
            y += depth;
            if let (false, Some(street)) = (last, north) {
                self.strip(Rect { y0: y, y1: y + STREET, ..rect }, street);
                y += STREET;
            }
            south = north;
        }
    }

    fn name_street(&mut self) -> u32 {
        let street = own_street(self.at[0], self.at[1], self.streets.len() as u32);
        self.streets.push(street);
        street
    }

    fn number(&mut self) -> u32 {
        self.next_number += 1;
        self.next_number - 1
    }

    fn strip(&mut self, rect: Rect, street: u32) {
        let label = [self.number(), 0];
        let lot = Lot { rect, kind: Use::Street, front: Side::South, street: Some(street), number: None, label };
        self.lots.push(lot);
        self.blocks.push(Block { rect, kind: Use::Street });
    }

    fn block(&mut self, wish: Wish, rect: Rect, south: Option<u32>, north: Option<u32>) {
        let ends = [south, north];
        match wish {
            Wish::Houses => self.rows(Use::House, rect, ends),
            Wish::Rows => self.rows(Use::Row, rect, ends),
            Wish::Centre => self.rows(Use::Centre, rect, ends),
            Wish::HousesAndPlayground => {
                let width = (self.random.between(30.0, 38.0) * 10.0) as i64 * 100;
                self.whole(Use::Playground, Rect { x1: rect.x0 + width, ..rect }, ends, 1);
                self.rows(Use::House, Rect { x0: rect.x0 + width, ..rect }, ends);
            }
            Wish::Park => {
                let width = (self.random.between(36.0, 44.0) * 10.0) as i64 * 100;
                self.whole(Use::Park, Rect { x1: rect.x1 - width, ..rect }, ends, 1);
                self.whole(Use::Playground, Rect { x0: rect.x1 - width, ..rect }, ends, 1);
            }
            Wish::Apartments => self.whole(Use::Apartments, rect, ends, 3),
            Wish::Civic => {
                let middle = i64::midpoint(rect.x0, rect.x1) / 100 * 100;
                self.whole(Use::Church, Rect { x1: middle, ..rect }, ends, 1);
                self.whole(Use::TownHall, Rect { x0: middle, ..rect }, ends, 1);
            }
            Wish::School => self.whole(Use::School, rect, ends, 1),
            Wish::Commerce => self.whole(Use::Commerce, rect, ends, 2),
            Wish::Field => self.whole(Use::Field, rect, ends, 1),
            Wish::Meadow => self.whole(Use::Meadow, rect, ends, 1),
            Wish::Wood => self.whole(Use::Wood, rect, ends, 1),
        }
    }

    /// Lots over the whole depth of the block.
    fn whole(&mut self, kind: Use, rect: Rect, [south, north]: [Option<u32>; 2], count: i64) {
        self.blocks.push(Block { rect, kind });
        let (front, street) = if south.is_some() { (Side::South, south) } else { (Side::North, north) };
        let numerator = self.number();
        let width = rect.x1 - rect.x0;
        for k in 0..count {
            let x0 = rect.x0 + width * k / count / 100 * 100;
            let x1 = if k + 1 == count { rect.x1 } else { rect.x0 + width * (k + 1) / count / 100 * 100 };
            let numbered = !matches!(kind, Use::Field | Use::Meadow | Use::Wood | Use::Park | Use::Playground);
            let number = (numbered && street.is_some()).then(|| self.house(front, street, k as u32));
            let label = [numerator, if count > 1 { k as u32 + 1 } else { 0 }];
            self.lots.push(Lot { rect: Rect { x0, x1, ..rect }, kind, front, street, number, label });
        }
    }

    /// Two rows of lots, back to back; one where only one side has a street.
    fn rows(&mut self, kind: Use, rect: Rect, [south, north]: [Option<u32>; 2]) {
        self.blocks.push(Block { rect, kind });
        let numerator = self.number();
        let middle = i64::midpoint(rect.y0, rect.y1) / 100 * 100;
        let mut nth = 0;
        match (south, north) {
            (Some(_), Some(_)) => {
                self.row(kind, Rect { y1: middle, ..rect }, Side::South, south, numerator, &mut nth);
                self.row(kind, Rect { y0: middle, ..rect }, Side::North, north, numerator, &mut nth);
            }
            (Some(_), None) => self.row(kind, rect, Side::South, south, numerator, &mut nth),
            _ => self.row(kind, rect, Side::North, north, numerator, &mut nth),
        }
    }

    fn row(&mut self, kind: Use, rect: Rect, front: Side, street: Option<u32>, numerator: u32, nth: &mut u32) {
        let mut widths: Vec<(f64, Use)> = Vec::new();
        let length = (rect.x1 - rect.x0) as f64 / 1000.0;
        let mut used = 0.0;
        while used < length - 6.0 {
            let before = widths.len();
            match kind {
                Use::Row => {
                    let houses = 5 + self.random.below(3);
                    let width = self.random.between(6.6, 7.6);
                    widths.extend((0..houses).map(|_| (width, Use::Row)));
                    widths.push((self.random.between(9.0, 12.0), Use::Court));
                }
                Use::Centre => widths.push((self.random.between(20.0, 34.0), Use::Centre)),
                _ => widths.push((self.random.between(17.5, 25.0), Use::House)),
            }
            let more = widths[before..].iter().map(|(width, _)| width).sum::<f64>();
            if before > 0 && used + more - length > length - used {
                // Stretching what is there changes widths less than squeezing one more in.
                widths.truncate(before);
                break;
            }
            used += more;
        }
        let scale = length / used;
        let mut x = rect.x0;
        let count = widths.len();
        for (k, (width, kind)) in widths.into_iter().enumerate() {
            let x1 = if k + 1 == count { rect.x1 } else { x + (width * scale * 20.0).round() as i64 * 50 };
            *nth += 1;
            let number = (kind != Use::Court).then(|| self.house(front, street, k as u32));
            self.lots.push(Lot { rect: Rect { x0: x, x1, ..rect }, kind, front, street, number, label: [numerator, *nth] });
            x = x1;
        }
    }

    /// Odd numbers south of a street, even ones north of it.
    fn house(&self, front: Side, street: Option<u32>, k: u32) -> u32 {
        let first = if street.is_some_and(|street| street < 8192) { self.first_house } else { 0 };
        // A lot that fronts south lies north of its street.
        first + 2 * k + if front == Side::South { 2 } else { 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lots_of_a_quarter_fill_it_without_gap_or_overlap() {
        for seed in 0..20 {
            for (i, j) in [(0, 0), (1, 0), (0, 1), (1, 1), (2, 3)] {
                let plan = plan(seed, [4, 5], i, j);
                let area: i64 = plan.lots.iter().map(|lot| (lot.rect.x1 - lot.rect.x0) * (lot.rect.y1 - lot.rect.y0)).sum();
                let inset = |road: bool| if road { MAIN_HALF } else { 0 };
                let width = QUARTER - inset(i > 0) - inset(i < 3);
                let height = QUARTER - inset(j > 0) - inset(j < 4);
                assert_eq!(area, width * height);
                for lot in &plan.lots {
                    assert!(lot.rect.x0 < lot.rect.x1 && lot.rect.y0 < lot.rect.y1, "{lot:?}");
                    assert!(lot.rect.x1 - lot.rect.x0 > 5_000 && lot.rect.y1 - lot.rect.y0 > 5_000, "{lot:?}");
                }
                let labels: BTreeSet<_> = plan.lots.iter().map(|lot| lot.label).collect();
                assert_eq!(labels.len(), plan.lots.len(), "each parcel has a number of its own");
            }
        }
    }
}
