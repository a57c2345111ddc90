//! Which cell an object is kept in: a square of half a kilometre, found when the object is first seen and kept for ever.
//!
//! Objects without a position go where an object lies that refers to them in the same delivery (a Grenzpunkt where its Punktort
//! is, a Lagebezeichnung where its parcel is), so that a night's changes stay in few cells. The rest is spread by identifier.

use crate::dataset::cadastre::row::Row;
use crate::error::{Error, Result};
use crate::format::wkb;
use crate::io::Digest;
use crate::vector::hilbert;
use serde_json::Value;
use std::collections::HashMap;

/// Side of a cell in units of the CRS.
const SIDE: f64 = 500.0;
/// Cells for what has no position.
const SPREAD: u64 = 64;
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
    fn at(point: [f64; 2]) -> Self {
        let index = |value: f64| (value / SIDE).floor().clamp(0.0, f64::from(0xFFFE_u16)) as u32;
        Self(index(point[0]) << 16 | index(point[1]))
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
fn number_of(oid: &str) -> u64 {
    let digest = Digest::of(oid.as_bytes());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest.as_bytes()[..8]);
    u64::from_le_bytes(bytes)
}

/// The properties by which objects with a place refer to some without.
const REFERENCES: [&str; 4] = ["istTeilVon", "weistAuf", "zeigtAuf", "istGebucht"];

/// Finds the cell of each row.
#[derive(Debug, Default)]
pub struct Router {
    /// Sorted by number: what earlier nights have found.
    known: Vec<(u64, Cell)>,
    fresh: HashMap<u64, Cell>,
    /// Of this delivery: where objects without a place belong.
    hints: HashMap<u64, Cell>,
}

impl Router {
    /// With what an earlier night has found.
    ///
    /// # Errors
    /// When the bytes are none of [`Self::into_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        if !bytes.len().is_multiple_of(12) {
            return Err(Error::new("mk::cadastre::store", "the index of the version store is broken"));
        }
        let known = bytes.chunks_exact(12).map(|entry| {
            let (mut number, mut cell) = ([0; 8], [0; 4]);
            number.copy_from_slice(&entry[..8]);
            cell.copy_from_slice(&entry[8..]);
            (u64::from_le_bytes(number), Cell(u32::from_le_bytes(cell)))
        });
        Ok(Self { known: known.collect(), ..Self::default() })
    }

    /// Everything that was found, sorted.
    pub fn into_bytes(self) -> Vec<u8> {
        let mut all = self.known;
        all.extend(self.fresh);
        all.sort_unstable();
        let mut bytes = Vec::with_capacity(all.len() * 12);
        for (number, Cell(cell)) in all {
            bytes.extend_from_slice(&number.to_le_bytes());
            bytes.extend_from_slice(&cell.to_le_bytes());
        }
        bytes
    }

    fn get(&self, number: u64) -> Option<Cell> {
        let known = || self.known.binary_search_by_key(&number, |(known, _)| *known).ok().map(|at| self.known[at].1);
        self.fresh.get(&number).copied().or_else(known)
    }

    /// The cell of a row; `None` for one without a place that is not known yet: it is to be asked for again when the whole
    /// delivery has been seen, and with it all rows of the same object.
    ///
    /// # Errors
    /// When the geometry is none.
    pub fn route(&mut self, row: &Row) -> Result<Option<Cell>> {
        let number = number_of(&row.oid);
        let place = Cell::of(row)?;
        if let Some(place) = place {
            self.hint(row, place);
        }
        if let Some(cell) = self.get(number) {
            return Ok(Some(cell));
        }
        if let Some(place) = place {
            self.fresh.insert(number, place);
        }
        Ok(place)
    }

    /// The cell of a row that waited for the end of its delivery.
    pub fn settle(&mut self, row: &Row) -> Cell {
        let number = number_of(&row.oid);
        if let Some(cell) = self.get(number) {
            return cell;
        }
        let cell = self.hints.get(&number).copied().unwrap_or_else(|| Cell::spread(number));
        self.fresh.insert(number, cell);
        cell
    }

    /// Forgets what one delivery said about others.
    pub fn next_delivery(&mut self) {
        self.hints.clear();
    }

    fn hint(&mut self, row: &Row, place: Cell) {
        if !REFERENCES.iter().any(|name| row.attributes.contains(name)) {
            return;
        }
        let properties = row.properties();
        for value in REFERENCES.iter().filter_map(|name| properties.get(*name)) {
            let targets = match value {
                Value::Array(targets) => targets.as_slice(),
                one => std::slice::from_ref(one),
            };
            for target in targets.iter().filter_map(Value::as_str) {
                // Of several the least: the order of objects in a delivery does not matter.
                let cell = self.hints.entry(number_of(target)).or_insert(place);
                *cell = place.min(*cell);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::cadastre::row::Operation;
    use geo::{Geometry, Point};

    fn row(oid: &str, at: Option<[f64; 2]>, attributes: &str) -> Row {
        Row {
            operation: Operation::Insert,
            class: "AX_X".into(),
            oid: oid.into(),
            beginnt: "2024-01-01T00:00:00Z".into(),
            endet: None,
            attributes: attributes.into(),
            geometry: at.map(|[x, y]| wkb::encode(&Geometry::Point(Point::new(x, y)))),
            srs: None,
            local: None,
            delivery: String::new(),
            byte: 0,
        }
    }

    #[test]
    fn an_object_stays_where_it_was_first_seen_and_what_has_no_place_goes_with_it() {
        let mut router = Router::default();
        let place = router.route(&row("P", Some([565_400.0, 5_950_900.0]), r#"{"istTeilVon":"G"}"#)).unwrap().unwrap();
        assert_eq!(place.key(), "e1130n11901");
        assert_eq!(Cell::parse("e1130n11901"), Some(place));
        assert!(router.route(&row("G", None, "{}")).unwrap().is_none(), "not known before the delivery's end");
        assert_eq!(router.settle(&row("G", None, "{}")), place);
        let lost = router.settle(&row("H", None, "{}"));
        assert_eq!(Cell::parse(&lost.key()), Some(lost));
        router.next_delivery();
        let mut router = Router::from_bytes(&router.into_bytes()).unwrap();
        assert_eq!(router.route(&row("P", Some([1.0, 1.0]), "{}")).unwrap(), Some(place), "it moved, its cell does not");
        assert_eq!(router.route(&row("G", None, "{}")).unwrap(), Some(place));
        assert_eq!(router.route(&row("H", None, "{}")).unwrap(), Some(lost));
        assert!(Router::from_bytes(b"no").is_err());
        assert!(Cell::parse("x").is_none() && Cell::parse("e1").is_none());
    }
}
