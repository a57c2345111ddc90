//! Which cell an object is kept in: a square of a quarter of a kilometre, found when the object is first seen and kept for ever.
//!
//! Objects without a position go where an object lies that refers to them in the same delivery (a Grenzpunkt where its Punktort
//! is, a Lagebezeichnung where its parcel is), so that a night's changes stay in few cells. The rest is spread by identifier.

use crate::dataset::cadastre::row::Row;
use crate::error::{Error, Result};
use crate::format::wkb;
use crate::vector::hilbert;
use ahash::RandomState;
use std::collections::HashMap;
use twox_hash::XxHash3_64;

/// Side of a cell in units of the CRS.
const SIDE: f64 = 250.0;
/// Columns and rows of the grid, then it begins again: what lies 16,000 km apart may share a cell. Eastings that begin with the number
/// of their zone (EPSG:4647) have as many columns as others.
const AROUND: f64 = 65_534.0;
/// Cells for what has no position.
const SPREAD: u64 = 64;
/// Cells along a side of a group, as a power of two, and cells of a group of those without a position.
const GROUP_BITS: u32 = 2;
const GROUP_SPREAD: u32 = 16;
/// Cells above this are those without a position.
const PLACELESS: u32 = 0xFFFF_0000;

/// A cell: column and row of a square, or a number for what has no place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell(u32);

impl Cell {
    /// Where it lies in the grid, as part of a name.
    pub fn key(self) -> String {
        if self.0 >= PLACELESS { format!("n{:02}", self.0 - PLACELESS) } else { format!("e{}n{}", self.0 >> 16, self.0 & 0xFFFF) }
    }
    /// The cell of that name.
    pub fn parse(key: &str) -> Option<Self> {
        if let Some(number) = key.strip_prefix('n') {
            return Some(Self(PLACELESS + number.parse::<u16>().ok().map(u32::from)?));
        }
        let (east, north) = key.strip_prefix('e')?.split_once('n')?;
        Some(Self(u32::from(east.parse::<u16>().ok()?) << 16 | u32::from(north.parse::<u16>().ok()?)))
    }
    /// Position along the Hilbert curve; what has no place comes last.
    pub fn on_curve(self) -> u64 {
        if self.0 >= PLACELESS {
            return u64::from(u32::MAX) + u64::from(self.0);
        }
        hilbert::index((self.0 >> 16) as u16, (self.0 & 0xFFFF) as u16).into()
    }
    /// The group of cells that are kept together, by its place along the curve and its name: cells that lie beside each other.
    pub fn group(self) -> (u64, String) {
        if self.0 >= PLACELESS {
            let group = (self.0 - PLACELESS) / GROUP_SPREAD;
            return (u64::from(u32::MAX) + u64::from(group), format!("n{group}"));
        }
        let [column, row] = [self.0 >> 16, self.0 & 0xFFFF].map(|index| index >> GROUP_BITS);
        (self.on_curve() >> (2 * GROUP_BITS), format!("e{column}n{row}"))
    }
    fn at(point: [f64; 2]) -> Self {
        let index = |value: f64| (value / SIDE).floor().rem_euclid(AROUND) as u32;
        Self(index(point[0]) << 16 | index(point[1]))
    }
    /// By an identifier alone.
    pub fn by_name(oid: &str) -> Self {
        Self::spread(number_of(oid))
    }
    fn spread(object: u64) -> Self {
        Self(PLACELESS + (object % SPREAD) as u32)
    }
    /// Of a row with a position.
    fn of(row: &Row) -> Result<Option<Self>> {
        let Some(geometry) = &row.geometry else { return Ok(None) };
        let bbox = wkb::summary(geometry)?.bbox;
        Ok((!bbox.is_empty()).then(|| Self::at(bbox.centre())))
    }
}

/// What an object is known by: two that collide share a cell, nothing else.
pub fn number_of(oid: &str) -> u64 {
    XxHash3_64::oneshot(oid.as_bytes())
}

/// The properties by which objects with a place refer to some without.
const REFERENCES: [&str; 3] = ["istTeilVon", "weistAuf", "zeigtAuf"];

/// What of a row tells its cell.
#[derive(Debug)]
pub struct Seen {
    /// What its object is known by.
    pub number: u64,
    place: Option<Cell>,
    /// The objects that it refers to, when it has a place.
    targets: Vec<u64>,
}

impl Seen {
    /// Of a row.
    ///
    /// # Errors
    /// When the geometry is none.
    pub fn of(row: &Row) -> Result<Self> {
        let place = Cell::of(row)?;
        let mut targets = Vec::new();
        if place.is_some() && REFERENCES.iter().any(|name| row.attributes.contains(name)) {
            let fields = row.fields();
            targets.extend(REFERENCES.iter().flat_map(|name| fields.list(name)).map(|target| number_of(&target)));
        }
        Ok(Self { number: number_of(&row.oid), place, targets })
    }
}

/// Objects with their cells, sorted by number. Of millions of objects each takes twelve bytes.
#[derive(Debug, Default)]
struct Known {
    numbers: Vec<u64>,
    cells: Vec<Cell>,
}

impl Known {
    /// Where a number is. The numbers are digests: they lie where their size says, nearly.
    fn get(&self, number: u64) -> Option<Cell> {
        let count = self.numbers.len();
        let guess = ((u128::from(number) * count as u128) >> 64) as usize;
        let (mut low, mut high, mut step) = (guess, guess, 8);
        while low > 0 && self.numbers[low - 1] >= number {
            low = low.saturating_sub(step);
            step *= 2;
        }
        step = 8;
        while high < count && self.numbers[high] < number {
            high = (high + step).min(count);
            step *= 2;
        }
        let at = low + self.numbers[low..high].partition_point(|known| *known < number);
        (self.numbers.get(at) == Some(&number)).then(|| self.cells[at])
    }

    /// Adds objects that are not there yet.
    fn add(&mut self, fresh: &mut Cells) {
        let mut fresh: Vec<(u64, Cell)> = fresh.drain().collect();
        fresh.sort_unstable();
        let (mut from, mut to) = (self.numbers.len(), self.numbers.len() + fresh.len());
        self.numbers.resize(to, 0);
        self.cells.resize(to, Cell::default());
        // From the end, so that nothing is in memory twice.
        while let Some((number, cell)) = fresh.last() {
            to -= 1;
            if from > 0 && self.numbers[from - 1] > *number {
                from -= 1;
                (self.numbers[to], self.cells[to]) = (self.numbers[from], self.cells[from]);
            } else {
                (self.numbers[to], self.cells[to]) = (*number, *cell);
                fresh.pop();
            }
        }
    }
}

/// The cells of objects, by number.
type Cells = HashMap<u64, Cell, RandomState>;

/// Objects that were found last are kept apart from the others, up to this number.
const FRESH: usize = 1 << 16;

/// Finds the cell of each row.
#[derive(Debug, Default)]
pub struct Router {
    known: Known,
    fresh: Cells,
    /// Of this delivery: where objects without a place belong.
    hints: Cells,
}

impl Router {
    /// With what an earlier night has found.
    ///
    /// # Errors
    /// When the bytes are none of [`Self::into_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let (entries, []) = bytes.as_chunks::<12>() else {
            return Err(Error::new("mk::cadastre::store", "the index of the version store is broken"));
        };
        let mut known = Known::default();
        for entry in entries {
            let (mut number, mut cell) = ([0; 8], [0; 4]);
            number.copy_from_slice(&entry[..8]);
            cell.copy_from_slice(&entry[8..]);
            known.numbers.push(u64::from_le_bytes(number));
            known.cells.push(Cell(u32::from_le_bytes(cell)));
        }
        Ok(Self { known, ..Self::default() })
    }

    /// Everything that was found, sorted.
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.known.add(&mut self.fresh);
        let mut bytes = Vec::with_capacity(self.known.numbers.len() * 12);
        for (number, Cell(cell)) in self.known.numbers.iter().zip(&self.known.cells) {
            bytes.extend_from_slice(&number.to_le_bytes());
            bytes.extend_from_slice(&cell.to_le_bytes());
        }
        bytes
    }

    fn get(&self, number: u64) -> Option<Cell> {
        self.fresh.get(&number).copied().or_else(|| self.known.get(number))
    }

    fn put(&mut self, number: u64, cell: Cell) {
        self.fresh.insert(number, cell);
        if self.fresh.len() >= FRESH {
            self.known.add(&mut self.fresh);
        }
    }

    /// The cell of a row; `None` for one without a place that is not known yet: it is to be asked for again when the whole
    /// delivery has been seen, and with it all rows of the same object.
    pub fn route(&mut self, seen: &Seen) -> Option<Cell> {
        if let Some(place) = seen.place {
            for target in &seen.targets {
                // Of several the least: the order of objects in a delivery does not matter.
                let cell = self.hints.entry(*target).or_insert(place);
                *cell = place.min(*cell);
            }
        }
        let known = self.get(seen.number);
        if let (None, Some(place)) = (known, seen.place) {
            self.put(seen.number, place);
        }
        known.or(seen.place)
    }

    /// The cell of an object that waited for the end of its delivery.
    pub fn settle(&mut self, oid: &str) -> Cell {
        let number = number_of(oid);
        if let Some(cell) = self.get(number) {
            return cell;
        }
        let cell = self.hints.get(&number).copied().unwrap_or_else(|| Cell::spread(number));
        self.put(number, cell);
        cell
    }

    /// Forgets what one delivery said about others.
    pub fn next_delivery(&mut self) {
        self.hints.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::cadastre::row::Operation;
    use geo::{Geometry, Point};
    use proptest::prelude::*;

    proptest! {
        /// Wherever the numbers lie, and in whatever steps they came.
        #[test]
        fn objects_that_are_known_are_found(
            numbers in prop::collection::btree_set(prop_oneof![any::<u64>(), 0..50_u64, u64::MAX - 50..], 0..200), step in 1_usize..60,
        ) {
            let numbers: Vec<u64> = numbers.into_iter().collect();
            let mut known = Known::default();
            // Not in their order.
            for some in numbers.rchunks(step) {
                known.add(&mut some.iter().map(|number| (*number, Cell(*number as u32))).collect());
            }
            prop_assert_eq!(&known.numbers, &numbers);
            for number in &numbers {
                prop_assert_eq!(known.get(*number), Some(Cell(*number as u32)));
                let near = number.wrapping_add(1);
                prop_assert_eq!(known.get(near).is_some(), numbers.contains(&near));
            }
        }
    }

    fn seen(oid: &str, at: Option<[f64; 2]>, attributes: &str) -> Seen {
        let row = Row {
            operation: Operation::Insert,
            class: "AX_X".into(),
            oid: oid.into(),
            beginnt: "2024-01-01T00:00:00Z".into(),
            endet: None,
            attributes: attributes.into(),
            geometry: at.map(|[x, y]| wkb::encode(&Geometry::Point(Point::new(x, y)))),
            srs: None,
            local: None,
            delivery: "".into(),
            byte: 0,
        };
        Seen::of(&row).unwrap()
    }

    #[test]
    fn the_grid_goes_round_and_groups_follow_the_curve() {
        let at = |east: f64, north: f64| Cell::at([east, north]);
        let zoned = at(32_565_400.0, 5_950_900.0);
        assert_ne!(zoned, at(32_565_700.0, 5_950_900.0), "eastings with their zone are told apart");
        for cell in [zoned, at(-5.0, f64::MAX), at(f64::NAN, f64::INFINITY), at(1e300, -1e300)] {
            assert_eq!(Cell::parse(&cell.key()), Some(cell));
            assert!(cell.on_curve() < u64::from(u32::MAX));
        }
        // Cells of a group follow each other along the curve, and so do groups.
        let side = |index: i32| 10.0 + 250.0 * f64::from(index);
        let mut cells: Vec<Cell> =
            (0..24).flat_map(|x| (0..24).map(move |y| at(565_000.0 + side(x), 5_950_000.0 + side(y)))).collect();
        cells.extend((0..SPREAD).map(Cell::spread));
        cells.sort_by_key(|cell| cell.on_curve());
        let groups: Vec<(u64, String)> = cells.chunk_by(|a, b| a.group() == b.group()).map(|cells| cells[0].group()).collect();
        let names: std::collections::BTreeSet<&String> = groups.iter().map(|(_, name)| name).collect();
        assert!(groups.is_sorted_by(|a, b| a.0 < b.0) && names.len() == groups.len(), "{groups:?}");
        assert!((36 + 4..=49 + 4).contains(&groups.len()), "{}", groups.len());
    }

    #[test]
    fn an_object_stays_where_it_was_first_seen_and_what_has_no_place_goes_with_it() {
        let mut router = Router::default();
        let place = router.route(&seen("P", Some([565_400.0, 5_950_900.0]), r#"{"istTeilVon":"G"}"#)).unwrap();
        assert_eq!(place.key(), "e2261n23803");
        assert_eq!(Cell::parse("e2261n23803"), Some(place));
        assert!(router.route(&seen("G", None, "{}")).is_none(), "not known before the delivery's end");
        assert_eq!(router.settle("G"), place);
        let lost = router.settle("H");
        assert_eq!(Cell::parse(&lost.key()), Some(lost));
        router.next_delivery();
        let mut router = Router::from_bytes(&router.into_bytes()).unwrap();
        assert_eq!(router.route(&seen("P", Some([1.0, 1.0]), "{}")), Some(place), "it moved, its cell does not");
        assert_eq!(router.route(&seen("G", None, "{}")), Some(place));
        assert_eq!(router.route(&seen("H", None, "{}")), Some(lost));
        assert!(Router::from_bytes(b"no").is_err());
        assert!(Known::default().get(7).is_none());
        assert!(Cell::parse("x").is_none() && Cell::parse("e1").is_none());
    }
}
