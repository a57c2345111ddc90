//! What happens in the town from night to night: divisions, mergers, moved boundaries, new numbers, houses, addresses, owners.
//!
//! Each night touches one quarter and changes the model; what changed is kept as a list in the order in which a delivery has it.

use super::house;
use super::layout::{Rect, Side, Use};
use super::{Address, Building, Class, Holding, Mark, Oid, Parcel, Quarter, Town, stand, stands_within};
use crate::demo::deliver::day;
use crate::demo::ground::Ground;
use crate::demo::plane::{Point, Ring, contains};
use crate::demo::random::Random;
use std::collections::BTreeSet;

/// An object that a change delivers or removes.
#[derive(Debug, Clone)]
pub enum Object {
    /// AX_Flurstueck.
    Parcel(Parcel),
    /// AP_PTO of a parcel.
    Label(Parcel),
    /// AX_HistorischesFlurstueck with the Kennzeichen of those that came of it.
    Historic(Parcel, Vec<String>),
    /// AX_Gebaeude.
    Building(Building),
    /// AX_LagebezeichnungMitHausnummer.
    Address(Address),
    /// AX_GeoreferenzierteGebaeudeadresse.
    AddressPoint(Address),
    /// AX_PunktortTA.
    MarkPlace(Mark),
    /// AX_Grenzpunkt.
    Mark(Mark),
    /// AX_Namensnummer of the `n`-th owner.
    Share(Holding, usize),
    /// AX_Person.
    Person(u32),
    /// AX_Anschrift.
    Residence(u32),
}

/// A change, as a transaction has it.
#[derive(Debug, Clone)]
pub enum Change {
    /// A new object.
    Insert(Object),
    /// A new version; `beginnt` of the old one.
    Replace(Object, String),
    /// The end of an object; `beginnt` of its last version.
    Delete(Object, String),
}

/// What happened, for the truth.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Event {
    /// `division`, `merger`, `boundary_change`, `renumbering`, `new_building`, `new_address`, `owner_change`.
    pub kind: &'static str,
    /// Flurstückskennzeichen of the parcels before.
    pub before: Vec<String>,
    /// Flurstückskennzeichen of the parcels after.
    pub after: Vec<String>,
    /// Identifiers of objects that were removed, changed or added besides the parcels.
    pub objects: Vec<String>,
}

/// A night after the first.
#[derive(Debug, Clone)]
pub struct Night {
    /// Its number, from 2.
    pub number: u32,
    /// Column and row of the quarter in which all of it happens.
    pub quarter: [u32; 2],
    /// `beginnt` of what is new.
    pub since: String,
    /// What happened.
    pub events: Vec<Event>,
    /// The changes to deliver.
    pub changes: Vec<Change>,
    /// Versions of parcels that ended: the parcel as it was, when it ended, and the parcels that came of it.
    pub ended: Vec<(Parcel, Vec<String>)>,
    /// A place where the picture changed.
    pub site: Point,
}

/// Reasons (AA_Anlassart).
const DIVISION: &str = "010101";
const MERGER: &str = "010102";
const BOUNDARY: &str = "010203";
const NUMBER: &str = "010312";
const BUILDING: &str = "200100";
const DEMOLITION: &str = "200300";
const ADDRESS: &str = "010402";

/// Lets the nights up to `last` happen, and tells of each.
pub fn advance(town: &mut Town, last: u32) -> Vec<Night> {
    let mut touched = BTreeSet::new();
    (2..=last).filter_map(|number| happen(town, number, &mut touched)).collect()
}

fn happen(town: &mut Town, number: u32, touched: &mut BTreeSet<Oid>) -> Option<Night> {
    let count = town.quarters.len();
    // One quarter a night, the next one the night after; quarters without houses are passed over.
    let start = (number as usize - 2) * 7 % count;
    let chosen = (0..count).map(|k| (start + k) % count).find(|k| candidates(&town.quarters[*k], touched).len() >= 9)?;
    let ground = town.ground.clone();
    let seed = town.seed;
    let quarter = &mut town.quarters[chosen];
    let minute = number % 60;
    let mut story = Story {
        seed,
        number,
        since: format!("{}T14:{minute:02}:00Z", day(number - 1)),
        ground: &ground,
        touched,
        random: Random::of(seed, &[0x006e_6967_6874, u64::from(number)]),
        fresh: 0,
        night: Night {
            number,
            quarter: quarter.at,
            since: String::new(),
            events: Vec::new(),
            changes: Vec::new(),
            ended: Vec::new(),
            site: Point { e: 0, n: 0 },
        },
    };
    story.new_building(quarter);
    story.division(quarter);
    story.merger(quarter);
    story.boundary_change(quarter);
    story.new_address(quarter);
    story.owner_change(quarter);
    story.renumbering(quarter);
    story.night.since.clone_from(&story.since);
    Some(story.night)
}

/// Parcels with houses that nothing happened to yet, well inside the quarter: what changes there is seen on one tile only.
fn candidates(quarter: &Quarter, touched: &BTreeSet<Oid>) -> Vec<usize> {
    let [west, south] = quarter.corner();
    let inside = |point: Point| {
        let [e, n] = point.xy();
        e > west + 70.0 && e < west + 430.0 && n > south + 70.0 && n < south + 430.0
    };
    (0..quarter.parcels.len())
        .filter(|k| {
            let parcel = &quarter.parcels[*k];
            parcel.kind == Use::House
                && !touched.contains(&parcel.oid)
                && !parcel.addresses.is_empty()
                && inside(parcel.outline.centre())
                && quarter.buildings.iter().any(|building| building.parcel == parcel.oid && building.shape.main)
        })
        .collect()
}

struct Story<'a> {
    seed: u64,
    number: u32,
    since: String,
    ground: &'a Ground,
    touched: &'a mut BTreeSet<Oid>,
    random: Random,
    fresh: u32,
    night: Night,
}

impl Story<'_> {
    /// A new identifier: those of the first night stay below 0x8000.
    fn oid(&mut self, quarter: &Quarter, class: Class) -> Oid {
        self.fresh += 1;
        Oid::new(quarter.key(), class, self.serial())
    }
    fn serial(&self) -> u32 {
        0x8000 + (self.number % 512) * 64 + self.fresh % 64
    }
    fn choose(&mut self, quarter: &Quarter) -> Option<usize> {
        let some = candidates(quarter, self.touched);
        (!some.is_empty()).then(|| some[self.random.below(some.len())])
    }
    fn event(&mut self, kind: &'static str, before: Vec<String>, after: Vec<String>, objects: Vec<String>) {
        self.night.events.push(Event { kind, before, after, objects });
    }
    fn insert(&mut self, object: Object) {
        self.night.changes.push(Change::Insert(object));
    }
    /// The old parcel ends: it, its number on the map, and a historic parcel in its stead.
    fn end_parcel(&mut self, quarter: &mut Quarter, k: usize, reason: &'static str, successors: &[String]) -> Parcel {
        let old = quarter.parcels[k].clone();
        let since = old.since.clone();
        self.night.changes.push(Change::Delete(Object::Label(old.clone()), since.clone()));
        self.night.changes.push(Change::Delete(Object::Parcel(old.clone()), since));
        let mut historic = old.clone();
        historic.since.clone_from(&self.since);
        historic.reason = reason;
        self.insert(Object::Historic(historic, successors.to_vec()));
        self.night.ended.push((old.clone(), successors.to_vec()));
        self.touched.insert(old.oid);
        old
    }
    fn begin_parcel(&mut self, quarter: &mut Quarter, parcel: Parcel) {
        self.touched.insert(parcel.oid);
        self.insert(Object::Parcel(parcel.clone()));
        self.insert(Object::Label(parcel.clone()));
        quarter.parcels.push(parcel);
    }
    /// Buildings and addresses that stood on an old parcel now belong to the new one around them.
    fn rehome(&mut self, quarter: &mut Quarter, old: &[Oid], new: &[Oid]) {
        let home = |at: Point, parcels: &[Parcel]| {
            new.iter()
                .copied()
                .find(|oid| parcels.iter().any(|parcel| parcel.oid == *oid && contains(&parcel.outline.points, at)))
        };
        for building in quarter.buildings.iter_mut().filter(|building| old.contains(&building.parcel)) {
            if let Some(oid) = home(building.shape.outline.centre(), &quarter.parcels) {
                building.parcel = oid;
            }
        }
        for address in quarter.addresses.iter_mut().filter(|address| old.contains(&address.parcel)) {
            if let Some(oid) = home(address.at, &quarter.parcels) {
                address.parcel = oid;
                let before = std::mem::replace(&mut address.since, self.since.clone());
                self.night.changes.push(Change::Replace(Object::Address(address.clone()), before));
            }
        }
    }
    fn mark(&mut self, quarter: &mut Quarter, at: Point) {
        self.fresh += 1;
        let mark = Mark { serial: self.serial(), at };
        self.insert(Object::MarkPlace(mark));
        self.insert(Object::Mark(mark));
        quarter.marks.push(mark);
    }

    /// Teilung: the back of a lot becomes a parcel of its own.
    fn division(&mut self, quarter: &mut Quarter) {
        let Some(k) = self.choose(quarter) else { return };
        let parcel = quarter.parcels[k].clone();
        let share = 0.80;
        let (near, far) = split(parcel.rect, parcel.front, share);
        let next = 1 + quarter.parcels.iter().filter(|p| p.label[0] == parcel.label[0]).map(|p| p.label[1]).max().unwrap_or(0);
        let mut parts = Vec::new();
        let line = if matches!(parcel.front, Side::South | Side::North) {
            let y = if parcel.front == Side::South { near.y1 } else { near.y0 };
            [[near.x0, y], [near.x1, y]]
        } else {
            let x = if parcel.front == Side::West { near.x1 } else { near.x0 };
            [[x, near.y0], [x, near.y1]]
        };
        let cut = line.map(|[x, y]| self.ground.place(x as f64 / 1000.0, y as f64 / 1000.0));
        let Some(rings) = cut_ring(&parcel.outline.points, cut) else { return };
        for (part, (rect, label)) in [(near, next), (far, next + 1)].into_iter().enumerate() {
            let middle = self.ground.place((rect.x0 + rect.x1) as f64 / 2000.0, (rect.y0 + rect.y1) as f64 / 2000.0);
            let Some(ring) = rings.iter().find(|ring| contains(ring, middle)) else { return };
            let oid = self.oid(quarter, Class::Parcel);
            let mut new = Parcel {
                oid,
                rect,
                outline: Ring::straight(ring.clone()),
                label: [parcel.label[0], label],
                since: self.since.clone(),
                arisen: self.since[..10].to_owned(),
                reason: DIVISION,
                ..parcel.clone()
            };
            new.area = new.geometric_area().round() as i64;
            if part == 1 {
                new.addresses.clear();
            }
            parts.push(new);
        }
        let marks: Vec<String> = parts.iter().map(Parcel::mark).collect();
        let old = self.end_parcel(quarter, k, DIVISION, &marks);
        quarter.parcels.remove(k);
        let oids: Vec<Oid> = parts.iter().map(|part| part.oid).collect();
        for part in parts {
            self.begin_parcel(quarter, part);
        }
        self.rehome(quarter, &[old.oid], &oids);
        for at in cut {
            self.mark(quarter, at);
        }
        self.event("division", vec![old.mark()], marks, Vec::new());
    }

    /// Two neighbours of a row, as positions, of which the first is a candidate.
    fn neighbours(&mut self, quarter: &Quarter) -> Option<[usize; 2]> {
        let some = candidates(quarter, self.touched);
        let start = self.random.below(some.len().max(1));
        (0..some.len()).map(|k| some[(start + k) % some.len()]).find_map(|k| {
            let a = &quarter.parcels[k];
            some.iter()
                .copied()
                .find(|j| {
                    let b = &quarter.parcels[*j];
                    *j != k
                        && a.front == b.front
                        && a.label[0] == b.label[0]
                        && common(&a.outline.points, &b.outline.points).len() == 2
                })
                .map(|j| [k, j])
        })
    }

    /// Verschmelzung: two neighbours become one parcel.
    fn merger(&mut self, quarter: &mut Quarter) {
        let Some([k, j]) = self.neighbours(quarter) else { return };
        let (a, b) = (quarter.parcels[k].clone(), quarter.parcels[j].clone());
        let Some(points) = join(&a.outline.points, &b.outline.points) else { return };
        quarter.last_label += 1;
        let oid = self.oid(quarter, Class::Parcel);
        let rect = Rect {
            x0: a.rect.x0.min(b.rect.x0),
            y0: a.rect.y0.min(b.rect.y0),
            x1: a.rect.x1.max(b.rect.x1),
            y1: a.rect.y1.max(b.rect.y1),
        };
        let mut new = Parcel {
            oid,
            rect,
            outline: Ring::straight(points),
            label: [quarter.last_label, 0],
            since: self.since.clone(),
            arisen: self.since[..10].to_owned(),
            reason: MERGER,
            addresses: a.addresses.iter().chain(&b.addresses).copied().collect(),
            ..a.clone()
        };
        new.area = new.geometric_area().round() as i64;
        let mark = new.mark();
        for position in [k, j] {
            self.end_parcel(quarter, position, MERGER, std::slice::from_ref(&mark));
        }
        quarter.parcels.retain(|parcel| parcel.oid != a.oid && parcel.oid != b.oid);
        self.begin_parcel(quarter, new);
        self.rehome(quarter, &[a.oid, b.oid], &[oid]);
        self.event("merger", vec![a.mark(), b.mark()], vec![mark], Vec::new());
    }

    /// Grenzänderung: the boundary between two neighbours moves by 40 cm; both keep identity and number.
    fn boundary_change(&mut self, quarter: &mut Quarter) {
        let Some([k, j]) = self.neighbours(quarter) else { return };
        let shared = common(&quarter.parcels[k].outline.points, &quarter.parcels[j].outline.points);
        let [p, q] = shared[..] else { return };
        let (from, to) = (quarter.parcels[k].outline.centre(), quarter.parcels[j].outline.centre());
        let length = from.distance(to);
        let step = |point: Point| Point {
            e: point.e + ((to.e - from.e) as f64 / length * 0.4).round() as i64,
            n: point.n + ((to.n - from.n) as f64 / length * 0.4).round() as i64,
        };
        let moved = [(p, step(p)), (q, step(q))];
        for position in [k, j] {
            let old = quarter.parcels[position].clone();
            let parcel = &mut quarter.parcels[position];
            for point in &mut parcel.outline.points {
                if let Some((_, new)) = moved.iter().find(|(old, _)| old == point) {
                    *point = *new;
                }
            }
            parcel.area = parcel.geometric_area().round() as i64;
            parcel.since.clone_from(&self.since);
            parcel.reason = BOUNDARY;
            let new = parcel.clone();
            self.touched.insert(new.oid);
            self.night.changes.push(Change::Replace(Object::Parcel(new.clone()), old.since.clone()));
            self.night.ended.push((old, vec![new.mark()]));
        }
        for (_, at) in moved {
            self.mark(quarter, at);
        }
        let marks: Vec<String> = [k, j].iter().map(|position| quarter.parcels[*position].mark()).collect();
        self.event("boundary_change", marks.clone(), marks, Vec::new());
    }

    /// Veränderung der Flurstücksnummer: the ground stays. What an earlier night's division left goes first, so that there are chains.
    fn renumbering(&mut self, quarter: &mut Quarter) {
        let left = |parcel: &Parcel| parcel.reason == DIVISION && parcel.since != self.since && !parcel.addresses.is_empty();
        let found = quarter.parcels.iter().position(left);
        let Some(k) = found.or_else(|| self.choose(quarter)) else { return };
        quarter.last_label += 1;
        let oid = self.oid(quarter, Class::Parcel);
        let new = Parcel {
            oid,
            label: [quarter.last_label, 0],
            since: self.since.clone(),
            arisen: self.since[..10].to_owned(),
            reason: NUMBER,
            ..quarter.parcels[k].clone()
        };
        let mark = new.mark();
        let old = self.end_parcel(quarter, k, NUMBER, std::slice::from_ref(&mark));
        quarter.parcels.remove(k);
        self.begin_parcel(quarter, new);
        self.rehome(quarter, &[old.oid], &[oid]);
        self.event("renumbering", vec![old.mark()], vec![mark], Vec::new());
    }

    /// Abbruch und Neubau: all buildings of a lot make room for a larger one with a flat roof.
    fn new_building(&mut self, quarter: &mut Quarter) {
        let some = candidates(quarter, self.touched);
        let start = self.random.below(some.len().max(1));
        let found = (0..some.len()).map(|k| some[(start + k) % some.len()]).find_map(|k| {
            let parcel = quarter.parcels[k].clone();
            let shapes = house::build(self.ground, self.seed, parcel.oid.0, self.number, parcel.kind, parcel.rect, parcel.front);
            let shape = shapes.into_iter().find(|shape| shape.main && stands_within(shape, &parcel))?;
            Some((parcel, shape))
        });
        let Some((parcel, shape)) = found else { return };
        self.touched.insert(parcel.oid);
        self.night.site = parcel.outline.centre();
        let (gone, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut quarter.buildings).into_iter().partition(|building| building.parcel == parcel.oid);
        quarter.buildings = kept;
        let mut objects = Vec::new();
        for mut building in gone {
            objects.push(building.oid.to_string());
            let since = building.since.clone();
            building.reason = DEMOLITION;
            self.night.changes.push(Change::Delete(Object::Building(building), since));
        }
        let oid = self.oid(quarter, Class::Building);
        let middle = shape.outline.centre();
        let mut building = stand(self.ground, self.seed, oid, &parcel, shape, parcel.addresses.clone(), self.since.clone());
        building.reason = BUILDING;
        building.year = 2026;
        objects.push(oid.to_string());
        self.insert(Object::Building(building.clone()));
        quarter.buildings.push(building);
        for address in quarter.addresses.iter_mut().filter(|address| address.parcel == parcel.oid) {
            address.building = Some(oid);
            address.at = middle;
            let before = std::mem::replace(&mut address.since, self.since.clone());
            self.night.changes.push(Change::Replace(Object::Address(address.clone()), before.clone()));
            self.night.changes.push(Change::Replace(Object::AddressPoint(address.clone()), before));
        }
        self.event("new_building", vec![parcel.mark()], vec![parcel.mark()], objects);
    }

    /// A house gets a second number.
    fn new_address(&mut self, quarter: &mut Quarter) {
        let Some(k) = self.choose(quarter) else { return };
        let parcel = quarter.parcels[k].clone();
        self.touched.insert(parcel.oid);
        let Some(first) = quarter.addresses.iter().find(|address| address.parcel == parcel.oid).cloned() else { return };
        let (oid, point_oid) = (self.oid(quarter, Class::Address), self.oid(quarter, Class::GeoAddress));
        let at = Point { e: first.at.e + 2_000, n: first.at.n + 1_000 };
        let address =
            Address { oid, point_oid, number: format!("{} a", first.number), at, since: self.since.clone(), ..first.clone() };
        self.insert(Object::Address(address.clone()));
        self.insert(Object::AddressPoint(address.clone()));
        quarter.addresses.push(address);
        let old = quarter.parcels[k].clone();
        let parcel = &mut quarter.parcels[k];
        parcel.addresses.push(oid);
        parcel.since.clone_from(&self.since);
        parcel.reason = ADDRESS;
        let new = parcel.clone();
        self.night.changes.push(Change::Replace(Object::Parcel(new.clone()), old.since.clone()));
        self.night.ended.push((old, vec![new.mark()]));
        if let Some(building) = quarter.buildings.iter_mut().find(|building| Some(building.oid) == first.building) {
            let before = std::mem::replace(&mut building.since, self.since.clone());
            building.addresses.push(oid);
            building.reason = ADDRESS;
            self.night.changes.push(Change::Replace(Object::Building(building.clone()), before));
        }
        self.event("new_address", vec![new.mark()], vec![new.mark()], vec![oid.to_string()]);
    }

    /// Eigentümerwechsel: a share names another person.
    fn owner_change(&mut self, quarter: &mut Quarter) {
        let Some(k) = self.choose(quarter) else { return };
        let parcel = quarter.parcels[k].clone();
        self.touched.insert(parcel.oid);
        self.fresh += 1;
        let serial = self.serial();
        let key = quarter.key();
        let Some(holding) = quarter.holdings.iter_mut().find(|holding| holding.parcels.contains(&parcel.oid)) else { return };
        let Some(owner) = holding.owners.first_mut() else { return };
        let before = std::mem::replace(owner, serial);
        let old_since = holding.since.clone();
        let mut changed = holding.clone();
        changed.since.clone_from(&self.since);
        self.insert(Object::Residence(serial));
        self.insert(Object::Person(serial));
        self.night.changes.push(Change::Replace(Object::Share(changed, 0), old_since.clone()));
        self.night.changes.push(Change::Delete(Object::Person(before), old_since.clone()));
        self.night.changes.push(Change::Delete(Object::Residence(before), old_since));
        let objects = vec![Oid::new(key, Class::Person, before).to_string(), Oid::new(key, Class::Person, serial).to_string()];
        self.event("owner_change", vec![parcel.mark()], vec![parcel.mark()], objects);
    }
}

/// Splits a lot across: the part at the front with that share of the depth, and the part behind.
fn split(r: Rect, front: Side, share: f64) -> (Rect, Rect) {
    let at = |near: i64, far: i64| near + ((far - near) as f64 * share).round() as i64;
    match front {
        Side::South => (Rect { y1: at(r.y0, r.y1), ..r }, Rect { y0: at(r.y0, r.y1), ..r }),
        Side::North => (Rect { y0: at(r.y1, r.y0), ..r }, Rect { y1: at(r.y1, r.y0), ..r }),
        Side::West => (Rect { x1: at(r.x0, r.x1), ..r }, Rect { x0: at(r.x0, r.x1), ..r }),
        Side::East => (Rect { x0: at(r.x1, r.x0), ..r }, Rect { x1: at(r.x1, r.x0), ..r }),
    }
}

/// Points that two rings have in common, in the order of the first.
fn common(a: &[Point], b: &[Point]) -> Vec<Point> {
    a.iter().copied().filter(|point| b.contains(point)).collect()
}

/// One ring around two anticlockwise rings that share one side.
fn join(a: &[Point], b: &[Point]) -> Option<Vec<Point>> {
    let [p, q] = common(a, b)[..] else { return None };
    // In `a` the shared side runs from one to the next; in `b` it runs back.
    let next = |ring: &[Point], point: Point| ring.iter().position(|other| *other == point).map(|k| ring[(k + 1) % ring.len()]);
    let (from, to) = if next(a, p) == Some(q) { (p, q) } else { (q, p) };
    if next(a, from) != Some(to) || next(b, to) != Some(from) {
        return None;
    }
    let walk = |ring: &[Point], start: Point| -> Vec<Point> {
        let first = ring.iter().position(|point| *point == start).unwrap_or(0);
        (0..ring.len()).map(|k| ring[(first + k) % ring.len()]).collect()
    };
    let mut joined = walk(a, to);
    let others = walk(b, from);
    joined.extend(&others[1..others.len() - 1]);
    Some(joined)
}

/// Cuts an anticlockwise ring along the chord between two points on its sides.
fn cut_ring(ring: &[Point], [p, q]: [Point; 2]) -> Option<[Vec<Point>; 2]> {
    // The side that a point lies on (to a few centimetres: the plan is bent, the side is straight).
    let side = |at: Point| {
        (0..ring.len()).min_by(|a, b| {
            let off = |k: usize| {
                let (from, to) = (ring[k], ring[(k + 1) % ring.len()]);
                from.distance(at) + at.distance(to) - from.distance(to)
            };
            off(*a).total_cmp(&off(*b))
        })
    };
    let (i, j) = (side(p)?, side(q)?);
    if i == j {
        return None;
    }
    let run = |from: usize, to: usize| -> Vec<Point> {
        let count = (to + ring.len() - from) % ring.len();
        (1..=count).map(|k| ring[(from + k) % ring.len()]).collect()
    };
    let mut first = vec![p];
    first.extend(run(i, j));
    first.push(q);
    let mut second = vec![q];
    second.extend(run(j, i));
    second.push(p);
    for part in [&mut first, &mut second] {
        part.dedup();
    }
    Some([first, second])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nights_keep_the_ground_covered_and_every_kind_of_event_happens() {
        let mut town = Town::new(7, 1.0);
        let area =
            |town: &Town| -> f64 { town.quarters.iter().flat_map(|quarter| &quarter.parcels).map(Parcel::geometric_area).sum() };
        let before = area(&town);
        assert!((before - 1e6).abs() < 1.0, "the first night covers the square kilometre: {before}");
        let nights = advance(&mut town, 4);
        assert_eq!(nights.len(), 3);
        for night in &nights {
            let kinds: Vec<&str> = night.events.iter().map(|event| event.kind).collect();
            assert_eq!(
                kinds,
                ["new_building", "division", "merger", "boundary_change", "new_address", "owner_change", "renumbering"]
            );
        }
        // New corners lie a few centimetres beside the neighbours' straight sides, and sides are short.
        assert!((area(&town) - before).abs() < 1.0, "{} {before}", area(&town));
        let mut marks = BTreeSet::new();
        for parcel in town.quarters.iter().flat_map(|quarter| &quarter.parcels) {
            assert!(marks.insert(parcel.mark()), "{}", parcel.mark());
        }
    }
}
