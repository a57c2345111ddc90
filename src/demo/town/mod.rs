//! The model of the town: what there is, before anybody draws it, surveys it or writes it down.
//!
//! A pure function of seed, size and night. Orthophoto, cadastre, city model and truth are views of it and fit together for that
//! reason alone.

pub mod house;
pub mod layout;
pub mod names;
pub mod night;
pub mod roof;

use super::ground::Ground;
use super::plane::{self, Point, Ring};
use super::random::{Random, mix};
use layout::{MAIN_HALF, Nodes, Plan, QUARTER, Rect, Side, Use};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::fmt;

/// Identifier of an object, 16 characters when shown: country, state, office, number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Oid(pub u64);

impl Oid {
    /// The identifier of the `serial`-th object of a class in a quarter.
    pub fn new(quarter: u32, class: Class, serial: u32) -> Self {
        Self((u64::from(quarter) << 22) | ((class as u64) << 16) | u64::from(serial & 0xFFFF))
    }
    /// The identifier of another class with the same quarter and number.
    pub fn twin(self, class: Class) -> Self {
        Self((self.0 & !(63 << 16)) | ((class as u64) << 16))
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut rest = self.0;
        let mut text = [b'0'; 8];
        for slot in text.iter_mut().rev() {
            *slot = DIGITS[(rest % 62) as usize];
            rest /= 62;
        }
        write!(f, "DESHMKAL{}", String::from_utf8_lossy(&text))
    }
}

/// Classes of objects, for identifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Class {
    Parcel = 1,
    Building,
    Address,
    GeoAddress,
    Mark,
    Corner,
    Land,
    Label,
    Person,
    Residence,
    Share,
    Sheet,
    Entry,
    Place,
    Street,
    Catalogue,
    Historic,
    Fountain,
    LocalMark,
}

/// A parcel (Flurstück).
#[derive(Debug, Clone)]
pub struct Parcel {
    /// Identifier.
    pub oid: Oid,
    /// What it is used for.
    pub kind: Use,
    /// On the plan; none for what is no rectangle.
    pub rect: Rect,
    /// The side with the street.
    pub front: Side,
    /// Outline.
    pub outline: Ring,
    /// Holes.
    pub holes: Vec<Ring>,
    /// Gemarkung number.
    pub district: u32,
    /// Flur number.
    pub flur: u32,
    /// Zähler and Nenner (0: none).
    pub label: [u32; 2],
    /// Official area in square metres.
    pub area: i64,
    /// The street in front.
    pub street: Option<u32>,
    /// `beginnt` of this version.
    pub since: String,
    /// `zeitpunktDerEntstehung`.
    pub arisen: String,
    /// Its addresses.
    pub addresses: Vec<Oid>,
    /// Lage without house number.
    pub place: Option<Oid>,
    /// The entry in the land register.
    pub entry: Oid,
    /// Reason of this version (AA_Anlassart).
    pub reason: &'static str,
}

impl Parcel {
    /// Flurstückskennzeichen, 20 characters.
    pub fn mark(&self) -> String {
        let denominator = if self.label[1] == 0 { "____".to_owned() } else { format!("{:04}", self.label[1]) };
        format!("01{:04}{:03}{:05}{denominator}__", self.district, self.flur, self.label[0])
    }
    /// Number as people read it, `12/3`.
    pub fn number(&self) -> String {
        if self.label[1] == 0 { self.label[0].to_string() } else { format!("{}/{}", self.label[0], self.label[1]) }
    }
    /// Area of the geometry in square metres.
    pub fn geometric_area(&self) -> f64 {
        self.outline.area_m2() - self.holes.iter().map(Ring::area_m2).sum::<f64>()
    }
}

/// A building.
#[derive(Debug, Clone)]
pub struct Building {
    /// Identifier, in cadastre and city model.
    pub oid: Oid,
    /// The parcel it stands on.
    pub parcel: Oid,
    /// Shape.
    pub shape: house::Shape,
    /// Height of its base in millimetres (DHHN2016): the lowest point of the terrain at its corners.
    pub base: i64,
    /// The addresses it bears.
    pub addresses: Vec<Oid>,
    /// Year of construction.
    pub year: u32,
    /// `beginnt` of this version.
    pub since: String,
    /// Reason of this version (AA_Anlassart).
    pub reason: &'static str,
}

impl Building {
    /// Height above the base of the highest point, in millimetres.
    pub fn height(&self) -> i64 {
        self.shape.parts.iter().map(roof::Part::top).max().unwrap_or(0)
    }
}

/// An address: street and house number.
#[derive(Debug, Clone)]
pub struct Address {
    /// Identifier of the AX_LagebezeichnungMitHausnummer.
    pub oid: Oid,
    /// Identifier of the AX_GeoreferenzierteGebaeudeadresse.
    pub point_oid: Oid,
    /// Street, by its number in the town.
    pub street: u32,
    /// House number with its letter.
    pub number: String,
    /// The parcel.
    pub parcel: Oid,
    /// The building.
    pub building: Option<Oid>,
    /// In the building.
    pub at: Point,
    /// `beginnt`.
    pub since: String,
}

/// Who owns a parcel: a sheet of the land register with its entry, shares, persons and their residences.
#[derive(Debug, Clone)]
pub struct Holding {
    /// Number within the quarter.
    pub serial: u32,
    /// The parcels entered.
    pub parcels: Vec<Oid>,
    /// The owners: number of the person within the quarter.
    pub owners: Vec<u32>,
    /// True for the municipality.
    pub municipal: bool,
    /// `beginnt` of the shares.
    pub since: String,
}

/// A boundary point.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    /// Number within the quarter.
    pub serial: u32,
    /// Where.
    pub at: Point,
}

/// Land of one use.
#[derive(Debug, Clone)]
pub struct Land {
    /// Identifier.
    pub oid: Oid,
    /// What for.
    pub kind: Use,
    /// Outline.
    pub outline: Ring,
    /// Holes.
    pub holes: Vec<Ring>,
    /// True where the outline refers to the curves of the parcel that has the same (`xlink:href`).
    pub shared: bool,
    /// `beginnt`.
    pub since: String,
}

/// A quarter with all that is in it.
#[derive(Debug, Clone)]
pub struct Quarter {
    /// Column and row.
    pub at: [u32; 2],
    /// Parcels.
    pub parcels: Vec<Parcel>,
    /// Buildings.
    pub buildings: Vec<Building>,
    /// Addresses.
    pub addresses: Vec<Address>,
    /// Land register.
    pub holdings: Vec<Holding>,
    /// Boundary points.
    pub marks: Vec<Mark>,
    /// Use of the land.
    pub lands: Vec<Land>,
    /// Numbers of its own streets.
    pub streets: Vec<u32>,
    /// Places without house number: identifier, text.
    pub places: Vec<(Oid, String)>,
    /// Highest Zähler in use.
    pub last_label: u32,
}

impl Quarter {
    /// A number for the quarter that does not depend on the size of the town.
    pub fn key(&self) -> u32 {
        quarter_key(self.at)
    }
    /// South-west corner in metres (EPSG:25832).
    pub fn corner(&self) -> [f64; 2] {
        let side = QUARTER as f64 / 1000.0;
        [super::ground::ORIGIN[0] + f64::from(self.at[0]) * side, super::ground::ORIGIN[1] + f64::from(self.at[1]) * side]
    }
}

/// Number of the quarter in that column and row.
pub fn quarter_key([i, j]: [u32; 2]) -> u32 {
    (i << 12) | j
}

/// The town as it stands on a night.
#[derive(Debug, Clone)]
pub struct Town {
    /// Seed.
    pub seed: u64,
    /// Quarters from west to east and from south to north.
    pub size: [u32; 2],
    /// Where things are.
    pub ground: Ground,
    /// Quarters, row by row from the south-west.
    pub quarters: Vec<Quarter>,
}

impl Town {
    /// The town before anything changed: at least `km2` square kilometres, in quarters of 500 m by 500 m, as square as can be.
    pub fn new(seed: u64, km2: f64) -> Self {
        let size = Self::size_for(km2);
        let side = QUARTER as f64 / 1000.0;
        let ground = Ground::new(seed, f64::from(size[0]) * side, f64::from(size[1]) * side);
        let spots: Vec<[u32; 2]> = (0..size[1]).flat_map(|j| (0..size[0]).map(move |i| [i, j])).collect();
        let plans: Vec<Plan> = spots.par_iter().map(|[i, j]| layout::plan(seed, size, *i, *j)).collect();
        let quarters = spots.par_iter().map(|at| build_quarter(seed, size, &ground, &plans, *at)).collect();
        Self { seed, size, ground, quarters }
    }
    /// Columns and rows of quarters for that many square kilometres; at least two of each.
    pub fn size_for(km2: f64) -> [u32; 2] {
        let quarters = (km2.clamp(1.0, 20_000.0) * 4.0).ceil();
        // Whole kilometres once there are several.
        if quarters <= 4.0 {
            return [2, 2];
        }
        let km = (quarters / 4.0).ceil();
        let columns = km.sqrt().ceil();
        let rows = (km / columns).ceil();
        [columns as u32 * 2, rows as u32 * 2]
    }
    /// The box around the town in metres (EPSG:25832): west, south, east, north.
    pub fn bounds(&self) -> [f64; 4] {
        let [e, n] = super::ground::ORIGIN;
        [e, n, e + self.ground.width, n + self.ground.height]
    }
    /// Square kilometres.
    pub fn km2(&self) -> f64 {
        self.ground.width * self.ground.height / 1e6
    }
    /// The quarter in that column and row.
    pub fn quarter(&self, at: [u32; 2]) -> Option<&Quarter> {
        (at[0] < self.size[0] && at[1] < self.size[1]).then(|| &self.quarters[(at[1] * self.size[0] + at[0]) as usize])
    }
    /// All streets of the town, by number.
    pub fn streets(&self) -> Vec<u32> {
        let mut streets: Vec<u32> = (1..self.size[0]).map(layout::vertical_line).collect();
        streets.extend((1..self.size[1]).map(layout::horizontal_line));
        streets.extend(self.quarters.iter().flat_map(|quarter| quarter.streets.iter().copied()));
        streets
    }
}

/// The time at which an object of the first night began: a working day in the years before.
fn began(seed: u64, oid: Oid) -> String {
    let roll = mix(seed ^ mix(oid.0));
    format!(
        "{}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        2015 + roll % 11,
        1 + (roll >> 8) % 12,
        1 + (roll >> 16) % 28,
        7 + (roll >> 24) % 10,
        (roll >> 32) % 60,
        (roll >> 40) % 60
    )
}

fn build_quarter(seed: u64, size: [u32; 2], ground: &Ground, plans: &[Plan], at: [u32; 2]) -> Quarter {
    let [i, j] = at;
    let plan = &plans[(j * size[0] + i) as usize];
    let key = quarter_key(at);
    let mut quarter = Quarter {
        at,
        parcels: Vec::new(),
        buildings: Vec::new(),
        addresses: Vec::new(),
        holdings: Vec::new(),
        marks: Vec::new(),
        lands: Vec::new(),
        streets: plan.streets.clone(),
        places: Vec::new(),
        last_label: plan.lots.iter().map(|lot| lot.label[0]).max().unwrap_or(0),
    };
    let on_ground = |points: Vec<[i64; 2]>| -> Vec<Point> {
        points.into_iter().map(|[x, y]| ground.place(x as f64 / 1000.0, y as f64 / 1000.0)).collect()
    };
    let outline = |nodes: &Nodes, rect: Rect| Ring::straight(on_ground(nodes.outline(rect)));
    for lot in &plan.lots {
        let ring = outline(&plan.nodes, lot.rect);
        add_parcel(&mut quarter, seed, lot, ring);
    }
    for block in &plan.blocks {
        let serial = quarter.lands.len() as u32;
        let oid = Oid::new(key, Class::Land, serial);
        let ring = outline(&plan.nodes, block.rect);
        let since = began(seed, oid);
        quarter.lands.push(Land { oid, kind: block.kind, outline: ring, holes: Vec::new(), shared: false, since });
    }
    add_pond(&mut quarter, seed, ground);
    add_main_roads(&mut quarter, seed, size, ground, plans);
    let mut seen = BTreeSet::new();
    for [x, y] in plan.nodes.all() {
        let at = ground.place(x as f64 / 1000.0, y as f64 / 1000.0);
        if seen.insert(at) {
            let serial = quarter.marks.len() as u32;
            quarter.marks.push(Mark { serial, at });
        }
    }
    for k in 0..quarter.parcels.len() {
        let number = plan.lots.get(k).and_then(|lot| lot.number);
        furnish(&mut quarter, seed, ground, k, number);
    }
    register(&mut quarter, seed);
    quarter
}

fn add_parcel(quarter: &mut Quarter, seed: u64, lot: &layout::Lot, outline: Ring) {
    let key = quarter.key();
    let oid = Oid::new(key, Class::Parcel, quarter.parcels.len() as u32);
    let [i, j] = quarter.at;
    let roll = mix(seed ^ mix(oid.0 ^ 0x5eed));
    let mut parcel = Parcel {
        oid,
        kind: lot.kind,
        rect: lot.rect,
        front: lot.front,
        outline,
        holes: Vec::new(),
        // A Gemarkung is a square of 4 km, a Flur a quarter in it.
        district: 9901 + ((i / 8) + (j / 8) * 7) % 98,
        flur: 1 + (i % 8) + (j % 8) * 8,
        label: lot.label,
        area: 0,
        street: lot.street,
        since: began(seed, oid),
        arisen: format!("{}-{:02}-{:02}", 1871 + roll % 140, 1 + (roll >> 8) % 12, 1 + (roll >> 16) % 28),
        addresses: Vec::new(),
        place: None,
        entry: Oid::new(key, Class::Entry, quarter.parcels.len() as u32),
        reason: "000000",
    };
    parcel.area = parcel.geometric_area().round() as i64;
    quarter.parcels.push(parcel);
}

/// The pond: a parcel of arcs, a hole of the park's parcel, and the same for the use of the land.
fn add_pond(quarter: &mut Quarter, seed: u64, ground: &Ground) {
    let Some(park) = quarter.parcels.iter().position(|parcel| parcel.kind == Use::Park) else { return };
    let rect = quarter.parcels[park].rect;
    let (width, depth) = ((rect.x1 - rect.x0) as f64 / 1000.0, (rect.y1 - rect.y0) as f64 / 1000.0);
    let share = if width > depth { [0.42, 0.5] } else { [0.5, 0.42] };
    let middle = ground.place(rect.x0 as f64 / 1000.0 + width * share[0], rect.y0 as f64 / 1000.0 + depth * share[1]);
    let ring = Ring::circle(middle, (width.min(depth) * 230.0) as i64);
    quarter.last_label += 1;
    let label = [quarter.last_label, 0];
    let lot = layout::Lot { rect, kind: Use::Pond, front: Side::South, street: None, number: None, label };
    add_parcel(quarter, seed, &lot, ring.clone());
    let parcel = &mut quarter.parcels[park];
    parcel.holes.push(ring.clone());
    parcel.area = parcel.geometric_area().round() as i64;
    if let Some(land) = quarter.lands.iter_mut().find(|land| land.kind == Use::Park) {
        land.holes.push(ring.clone());
    }
    let oid = Oid::new(quarter.key(), Class::Land, quarter.lands.len() as u32);
    let since = began(seed, oid);
    quarter.lands.push(Land { oid, kind: Use::Pond, outline: ring, holes: Vec::new(), shared: true, since });
}

/// The main roads south and west of the quarter; the one in the south has the crossings.
fn add_main_roads(quarter: &mut Quarter, seed: u64, size: [u32; 2], ground: &Ground, plans: &[Plan]) {
    let [i, j] = quarter.at;
    let plan_at = |i: u32, j: u32| &plans[(j * size[0] + i) as usize];
    let (x, y) = (i64::from(i) * QUARTER, i64::from(j) * QUARTER);
    let inner = |last: bool| if last { 0 } else { MAIN_HALF };
    let mut strips = Vec::new();
    if j > 0 {
        let rect = Rect {
            x0: if i == 0 { 0 } else { x - MAIN_HALF },
            y0: y - MAIN_HALF,
            x1: if i + 1 == size[0] { x + QUARTER } else { x + QUARTER - MAIN_HALF },
            y1: y + MAIN_HALF,
        };
        let mut ring = plan_at(i, j - 1).nodes.eastward(rect.y0, rect.x0, rect.x1);
        if i > 0 {
            ring.insert(0, [rect.x0, rect.y0]);
        }
        ring.push([rect.x1, rect.y0]);
        let mut north = plan_at(i, j).nodes.eastward(rect.y1, rect.x0, rect.x1 + 1);
        north.reverse();
        ring.extend(north);
        if i > 0 {
            ring.push([rect.x0, rect.y1]);
        }
        strips.push((rect, ring, layout::horizontal_line(j)));
    }
    if i > 0 {
        let rect = Rect {
            x0: x - MAIN_HALF,
            y0: if j == 0 { 0 } else { y + MAIN_HALF },
            x1: x + MAIN_HALF,
            y1: y + QUARTER - inner(j + 1 == size[1]),
        };
        let mut ring = plan_at(i, j).nodes.upward(rect.x1, rect.y0, rect.y1 + 1);
        let mut west = plan_at(i - 1, j).nodes.upward(rect.x0, rect.y0, rect.y1 + 1);
        west.reverse();
        ring.extend(west);
        strips.push((rect, ring, layout::vertical_line(i)));
    }
    for (rect, ring, street) in strips {
        let points = ring.into_iter().map(|[x, y]| ground.place(x as f64 / 1000.0, y as f64 / 1000.0)).collect();
        let outline = Ring::straight(points);
        quarter.last_label += 1;
        let label = [quarter.last_label, 0];
        let lot = layout::Lot { rect, kind: Use::MainRoad, front: Side::South, street: Some(street), number: None, label };
        add_parcel(quarter, seed, &lot, outline.clone());
        let oid = Oid::new(quarter.key(), Class::Land, quarter.lands.len() as u32);
        let since = began(seed, oid);
        quarter.lands.push(Land { oid, kind: Use::MainRoad, outline, holes: Vec::new(), shared: false, since });
    }
}

/// Puts buildings and addresses on a parcel.
fn furnish(quarter: &mut Quarter, seed: u64, ground: &Ground, k: usize, number: Option<u32>) {
    let parcel = quarter.parcels[k].clone();
    let key = quarter.key();
    let mut shapes = house::build(ground, seed, parcel.oid.0, 0, parcel.kind, parcel.rect, parcel.front);
    shapes.retain(|shape| stands_within(shape, &parcel));
    let mut address = None;
    if let (Some(number), Some(street)) = (number, parcel.street) {
        let serial = quarter.addresses.len() as u32;
        let oid = Oid::new(key, Class::Address, serial);
        let at = shapes.iter().find(|shape| shape.main).map_or_else(|| parcel.outline.centre(), |shape| shape.outline.centre());
        address = Some(oid);
        quarter.addresses.push(Address {
            oid,
            point_oid: Oid::new(key, Class::GeoAddress, serial),
            street,
            number: number.to_string(),
            parcel: parcel.oid,
            building: None,
            at,
            since: began(seed, oid),
        });
        quarter.parcels[k].addresses.push(oid);
    } else {
        let text = match parcel.kind {
            Use::Field => Some("Hinterm Deich"),
            Use::Meadow => Some("Lange Wiesen"),
            Use::Wood => Some("Am Gehege"),
            Use::Park => Some("Stadtpark"),
            Use::Pond => Some("Stadtparkteich"),
            Use::Playground => Some("Spielplatz"),
            _ => None,
        };
        let text = text.map(str::to_owned).or_else(|| parcel.street.map(names::street));
        if let Some(text) = text {
            let oid = Oid::new(key, Class::Place, quarter.places.len() as u32);
            quarter.places.push((oid, text));
            quarter.parcels[k].place = Some(oid);
        }
    }
    for shape in shapes {
        let oid = Oid::new(key, Class::Building, quarter.buildings.len() as u32);
        let main = shape.main;
        let building = stand(ground, seed, oid, &parcel, shape, address.filter(|_| main).into_iter().collect(), began(seed, oid));
        if let (true, Some(address)) = (main, address.and(quarter.addresses.last_mut())) {
            address.building = Some(oid);
        }
        quarter.buildings.push(building);
    }
}

/// True if the shape keeps to its parcel; where the plan is bent sharply, a right-angled house may not. Houses in a row end where their
/// parcels end.
fn stands_within(shape: &house::Shape, parcel: &Parcel) -> bool {
    parcel.kind == Use::Row || shape.outline.points.iter().all(|point| plane::contains(&parcel.outline.points, *point))
}

/// A shape with an identity, on the terrain.
fn stand(
    ground: &Ground,
    seed: u64,
    oid: Oid,
    parcel: &Parcel,
    shape: house::Shape,
    addresses: Vec<Oid>,
    since: String,
) -> Building {
    let lowest = shape.outline.points.iter().map(|p| ground.terrain(p.xy())).fold(f64::INFINITY, f64::min);
    let year = 1890 + (mix(seed ^ oid.0) % 132) as u32;
    let base = (lowest * 1000.0).round() as i64;
    Building { oid, parcel: parcel.oid, shape, base, addresses, year, since, reason: "000000" }
}

/// The land register: private parcels have owners, the rest belongs to the municipality.
fn register(quarter: &mut Quarter, seed: u64) {
    let mut persons = 1;
    let mut holdings = vec![Holding { serial: 0, parcels: Vec::new(), owners: vec![0], municipal: true, since: String::new() }];
    for parcel in &quarter.parcels {
        let public = matches!(
            parcel.kind,
            Use::Street | Use::MainRoad | Use::Park | Use::Pond | Use::Playground | Use::School | Use::TownHall | Use::Wood
        );
        if public {
            holdings[0].parcels.push(parcel.oid);
            continue;
        }
        let mut random = Random::of(seed, &[0x6f77_6e65_7200, parcel.oid.0]);
        let owners: Vec<u32> = (0..if random.chance(0.35) { 2 } else { 1 }).map(|k| persons + k).collect();
        persons += owners.len() as u32;
        let serial = holdings.len() as u32;
        holdings.push(Holding { serial, parcels: vec![parcel.oid], owners, municipal: false, since: String::new() });
    }
    let key = quarter.key();
    for holding in &mut holdings {
        holding.since = began(seed, Oid::new(key, Class::Sheet, holding.serial));
    }
    quarter.holdings = holdings;
}
