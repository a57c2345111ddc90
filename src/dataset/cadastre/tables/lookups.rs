//! Names behind keys, places and positions behind references: what an object's row needs of objects that may lie in other cells.
//!
//! They are gathered from all cells before any table is made. What is kept is small: no object with ground is among it.

use super::Object;
use super::district::UNITS;
use crate::dataset::cadastre::codes;
use crate::dataset::cadastre::row::{Row, from_ipc_where};
use crate::error::Result;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

/// A Lagebezeichnung with the number of a house.
pub const HOUSE: &str = "AX_LagebezeichnungMitHausnummer";
/// The coordinate of a house.
pub const GEOREFERENCED: &str = "AX_GeoreferenzierteGebaeudeadresse";
/// Positions of a point: the one in the topology of the parcels is the one that is drawn.
pub const POSITIONS: [&str; 3] = ["AX_PunktortAU", "AX_PunktortAG", "AX_PunktortTA"];
const POINT: &str = "AX_Grenzpunkt";
const PLACES: [&str; 3] = [HOUSE, "AX_LagebezeichnungOhneHausnummer", "AX_LagebezeichnungMitPseudonummer"];

/// Everything that is looked up.
#[derive(Default)]
pub struct Lookups {
    /// Names by key: Land (2 digits), Regierungsbezirk (3), Kreis (5), Gemeinde (8).
    pub units: BTreeMap<String, String>,
    /// Names of Gemarkungen by key (6 digits).
    pub gemarkungen: BTreeMap<String, String>,
    /// Names of streets by key (13 digits).
    pub streets: BTreeMap<String, String>,
    /// Lagebezeichnungen by their objects.
    pub places: HashMap<String, Place>,
    /// Identifier and Kennzeichen of the parcel that refers to a Lagebezeichnung.
    pub parcels: HashMap<String, (String, String)>,
    /// Identifier of the building that refers to a Lagebezeichnung.
    pub buildings: HashMap<String, String>,
    /// Georeferenced addresses by the house they belong to.
    pub addresses: HashMap<String, Address>,
    /// The text on land use that parcels carry, by their identifiers.
    pub uses: HashMap<String, String>,
    /// Positions of points that lie in another cell.
    positions: HashMap<String, (usize, String, Vec<u8>)>,
    /// Objects that are houses.
    houses: HashSet<String>,
    /// Georeferenced addresses, before all houses are known.
    loose: Vec<(Vec<String>, Address)>,
}

/// A position of a point; the greatest is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ranked<'r> {
    /// Index among [`POSITIONS`].
    pub rank: usize,
    /// Identifier of the position.
    pub oid: &'r str,
    /// WKB.
    pub geometry: &'r [u8],
}

/// A georeferenced address.
#[derive(Debug, Clone)]
pub struct Address {
    oid: String,
    /// Postal code.
    pub postcode: Option<String>,
    /// Town, as the post calls it.
    pub town: Option<String>,
    /// Part of the town.
    pub district: Option<String>,
    /// Code of the coordinate's quality.
    pub quality: Option<String>,
    /// WKB.
    pub geometry: Option<Vec<u8>>,
}

impl Address {
    /// Of an object of the class [`GEOREFERENCED`].
    pub(super) fn of(object: &Object<'_>) -> Self {
        let text = |name: &str| object.text(&[name]).map(Cow::into_owned);
        Self {
            oid: object.row.oid.clone(),
            postcode: text("postleitzahl"),
            town: text("ortsnamePost"),
            district: text("ortsteil"),
            quality: text("qualitaetsangaben"),
            geometry: object.row.geometry.clone(),
        }
    }
}

/// A Lagebezeichnung, read.
#[derive(Debug, Clone)]
pub struct Place {
    /// Name of street or place, where it is not given by a key.
    name: Option<String>,
    /// Key of the street (13 digits).
    pub key: Option<String>,
    /// Number of the house, as given.
    pub number: Option<String>,
}

impl Place {
    /// Key of the Gemeinde (8 digits).
    pub fn municipality(&self) -> Option<&str> {
        self.key.as_deref().and_then(|key| key.get(..8))
    }
}

impl Lookups {
    /// What the other cells may want of a cell, from its entries.
    ///
    /// # Errors
    /// When the bytes are none of a cell.
    pub fn of_cell(entries: &[Vec<u8>], as_of: Option<&str>) -> Result<Self> {
        let mut points = HashSet::new();
        let mut rows: Vec<Row> = Vec::new();
        for bytes in entries {
            rows.extend(from_ipc_where(bytes, |look| {
                if look.class == POINT && look.holds(as_of) {
                    points.insert(look.oid.to_owned());
                }
                is_wanted(look.class) && look.holds(as_of)
            })?);
        }
        let mut lookups = Self::default();
        for row in &rows {
            lookups.take(&Object::new(row), &points);
        }
        Ok(lookups)
    }

    fn take(&mut self, object: &Object<'_>, points: &HashSet<String>) {
        let (class, oid) = (&*object.row.class, &object.row.oid);
        let name = || object.text(&["bezeichnung"]).map(Cow::into_owned);
        if UNITS.iter().any(|(known, _)| *known == class) {
            self.units.extend(unit_key(object).zip(name()));
        } else if class == "AX_Gemarkung" {
            self.gemarkungen.extend(gemarkung_key(object, "schluessel").zip(name()));
        } else if class == "AX_LagebezeichnungKatalogeintrag" {
            let key = object.text(&["schluesselGesamt"]).map(Cow::into_owned).or_else(|| street_key(object, "schluessel"));
            self.streets.extend(key.zip(name()));
        } else if PLACES.contains(&class) {
            if class == HOUSE {
                self.houses.insert(oid.clone());
            }
            self.places.extend(place(object).map(|place| (oid.clone(), place)));
        } else if class == GEOREFERENCED {
            self.loose.push((references(object).map(Cow::into_owned).collect(), Address::of(object)));
        } else if class == "AX_Flurstueck" {
            let key = object.text(&["flurstueckskennzeichen"]).unwrap_or_default().into_owned();
            for reference in object.list("weistAuf") {
                keep_greatest(&mut self.parcels, reference.into_owned(), (oid.clone(), key.clone()));
            }
        } else if class == "AX_Gebaeude" {
            for reference in object.list("zeigtAuf") {
                keep_greatest(&mut self.buildings, reference.into_owned(), oid.clone());
            }
        } else if let Some(rank) = POSITIONS.iter().position(|known| *known == class)
            && let (Some(point), Some(geometry)) = (object.text(&["istTeilVon"]), &object.row.geometry)
            && !points.contains(&*point)
        {
            keep_greatest(&mut self.positions, point.into_owned(), (rank, oid.clone(), geometry.clone()));
        }
    }

    /// Adds what another cell has.
    pub fn add(&mut self, other: Self) {
        self.units.extend(other.units);
        self.gemarkungen.extend(other.gemarkungen);
        self.streets.extend(other.streets);
        self.places.extend(other.places);
        self.houses.extend(other.houses);
        self.loose.extend(other.loose);
        other.parcels.into_iter().for_each(|(key, value)| keep_greatest(&mut self.parcels, key, value));
        other.buildings.into_iter().for_each(|(key, value)| keep_greatest(&mut self.buildings, key, value));
        other.positions.into_iter().for_each(|(key, value)| keep_greatest(&mut self.positions, key, value));
    }

    /// When all cells have been added: tells which address belongs to which house.
    pub fn settle(&mut self) {
        for (references, address) in std::mem::take(&mut self.loose) {
            let Some(house) = references.into_iter().find(|reference| self.houses.contains(reference)) else { continue };
            if self.addresses.get(&house).is_none_or(|known| known.oid <= address.oid) {
                self.addresses.insert(house, address);
            }
        }
    }

    /// Name of a unit; a Land has its name even when the delivery lacks it.
    pub fn unit(&self, key: &str) -> Option<&str> {
        self.units.get(key).map(String::as_str).or_else(|| codes::state_name(key))
    }

    /// The house that a georeferenced address belongs to.
    pub(super) fn house_of<'o>(&self, object: &Object<'o>) -> Option<Cow<'o, str>> {
        references(object).find(|reference| self.houses.contains(&**reference))
    }

    /// A position of a point that lies in another cell than the point.
    pub fn position(&self, point: &str) -> Option<Ranked<'_>> {
        self.positions.get(point).map(|(rank, oid, geometry)| Ranked { rank: *rank, oid, geometry })
    }

    /// Street or name of a place.
    pub fn street<'l>(&'l self, place: &'l Place) -> &'l str {
        let by_key = || place.key.as_ref().and_then(|key| self.streets.get(key)).map(String::as_str);
        place.name.as_deref().or_else(by_key).unwrap_or_default()
    }

    /// The places that an object refers to, as one text (`Grabenstraße 12`), and the key of the first's Gemeinde.
    pub(super) fn places_of(&self, object: &Object<'_>) -> (Option<String>, Option<String>) {
        let mut texts = Vec::new();
        let mut municipality = None;
        for reference in object.list("weistAuf").into_iter().chain(object.list("zeigtAuf")) {
            let Some(place) = self.places.get(&*reference) else { continue };
            municipality = municipality.or_else(|| place.municipality().map(str::to_owned));
            let street = self.street(place);
            let text = place.number.as_ref().map_or_else(|| street.to_owned(), |number| format!("{street} {number}"));
            if !text.is_empty() && !texts.contains(&text) {
                texts.push(text);
            }
        }
        ((!texts.is_empty()).then(|| texts.join("; ")), municipality)
    }
}

/// Classes that other cells may want something of.
fn is_wanted(class: &str) -> bool {
    matches!(class, "AX_Gemarkung" | "AX_LagebezeichnungKatalogeintrag" | "AX_Flurstueck" | "AX_Gebaeude" | GEOREFERENCED)
        || PLACES.contains(&class)
        || POSITIONS.contains(&class)
        || UNITS.iter().any(|(known, _)| *known == class)
}

/// Of two that are said of the same, the greater: cells may come in any order.
fn keep_greatest<T: Ord>(map: &mut HashMap<String, T>, key: String, value: T) {
    match map.get_mut(&key) {
        Some(known) if *known >= value => {}
        Some(known) => *known = value,
        None => {
            map.insert(key, value);
        }
    }
}

/// The objects that a georeferenced address says it belongs to.
fn references<'o>(object: &Object<'o>) -> impl Iterator<Item = Cow<'o, str>> {
    ["hatAuch", "zeigtAuf", "weistAuf", "verweistAuf"].into_iter().flat_map(|name| object.list(name))
}

/// The key of a Gemeinde from its parts; a Regierungsbezirk that is missing is written 0.
pub(super) fn municipality_key(object: &Object<'_>, path: &str) -> Option<String> {
    let part = |name: &str| object.text(&[path, name]);
    Some(format!(
        "{}{}{}{}",
        part("land")?,
        part("regierungsbezirk").as_deref().unwrap_or("0"),
        part("kreis")?,
        part("gemeinde")?
    ))
}

/// The key of an administrative unit: as given, or from its parts.
pub(super) fn unit_key(object: &Object<'_>) -> Option<String> {
    if let Some(key) = object.text(&["schluesselGesamt"]) {
        return Some(key.into_owned());
    }
    if *object.row.class == *"AX_Gemeinde" {
        return municipality_key(object, "gemeindekennzeichen").or_else(|| municipality_key(object, "schluessel"));
    }
    let part = |name: &str| object.text(&["schluessel", name]).unwrap_or_default();
    let key = format!("{}{}{}", part("land"), part("regierungsbezirk"), part("kreis"));
    (!key.is_empty()).then_some(key)
}

/// The key of a Gemarkung: Land and number.
pub(super) fn gemarkung_key(object: &Object<'_>, path: &str) -> Option<String> {
    let land = object.text(&[path, "land"])?;
    let number = object.text(&[path, "gemarkungsnummer"]).or_else(|| object.text(&[path, "gemarkung"]))?;
    Some(format!("{land}{number}"))
}

fn street_key(object: &Object<'_>, path: &str) -> Option<String> {
    Some(format!("{}{}", municipality_key(object, path)?, object.text(&[path, "lage"])?))
}

fn place(object: &Object<'_>) -> Option<Place> {
    let number = object.text(&["hausnummer"]).or_else(|| object.text(&["pseudonummer"])).map(Cow::into_owned);
    if let Some(name) = object.text(&["lagebezeichnung", "unverschluesselt"]) {
        return Some(Place { name: Some(name.into_owned()), key: None, number });
    }
    let part = |name: &str| object.text(&["lagebezeichnung", "verschluesselt", name]);
    let key = format!(
        "{}{}{}{}{}",
        part("land")?,
        part("regierungsbezirk").as_deref().unwrap_or("0"),
        part("kreis")?,
        part("gemeinde")?,
        part("lage")?
    );
    Some(Place { name: None, key: Some(key), number })
}
