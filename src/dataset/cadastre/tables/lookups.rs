//! Names behind keys, places and positions behind references: what an object's row needs of objects that may lie in other cells.
//!
//! Each cell says what it has when it is folded; it is gathered from all cells before any table is made. What is kept is small: no
//! object with ground is among it.

use super::Object;
use super::district::UNITS;
use crate::dataset::cadastre::codes;
use crate::dataset::cadastre::row::Row;
use crate::dataset::cadastre::said::{Rest, broken, put_bytes, put_option, put_text};
use crate::error::Result;
use ahash::RandomState;
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

/// What is looked up by identifiers: they are asked for once for each object that refers to one.
type Table<T> = HashMap<String, T, RandomState>;

/// Everything that is looked up.
#[derive(Debug, Default, PartialEq)]
pub struct Lookups {
    /// Names by key: Land (2 digits), Regierungsbezirk (3), Kreis (5), Gemeinde (8).
    pub units: BTreeMap<String, String>,
    /// Names of Gemarkungen by key (6 digits).
    pub gemarkungen: BTreeMap<String, String>,
    /// Names of streets by key (13 digits).
    pub streets: BTreeMap<String, String>,
    /// Lagebezeichnungen by their objects.
    pub places: Table<Place>,
    /// Identifier and Kennzeichen of the parcel that refers to a Lagebezeichnung.
    pub parcels: Table<(String, String)>,
    /// Identifier of the building that refers to a Lagebezeichnung.
    pub buildings: Table<String>,
    /// Georeferenced addresses by the house they belong to.
    pub addresses: Table<Address>,
    /// Positions of points that lie in another cell.
    pub(super) positions: Table<(usize, String, Vec<u8>)>,
    /// Objects that are houses.
    pub(super) houses: HashSet<String, RandomState>,
    /// Georeferenced addresses, before all houses are known.
    pub(super) loose: Vec<(Vec<String>, Address)>,
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
#[derive(Debug, Clone, PartialEq)]
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
#[derive(Debug, Clone, PartialEq)]
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
    /// What the other cells may want of a cell, from its rows that hold.
    pub fn of_cell<'r>(rows: impl Iterator<Item = &'r Row> + Clone) -> Self {
        let points = rows.clone().filter(|row| *row.class == *POINT).map(|row| row.oid.as_str()).collect();
        let mut lookups = Self::default();
        for row in rows.filter(|row| is_wanted(&row.class)) {
            lookups.take(&Object::new(row), &points);
        }
        lookups
    }

    fn take(&mut self, object: &Object<'_>, points: &HashSet<&str>) {
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

    /// As an entry of the state; nothing where there is nothing to say.
    pub fn into_bytes(self) -> Vec<u8> {
        let Self { units, gemarkungen, streets, places, parcels, buildings, positions, houses, loose, .. } = self;
        let mut bytes = Vec::new();
        for names in [&units, &gemarkungen, &streets] {
            put_all(&mut bytes, names, |bytes, name| put_text(bytes, name));
        }
        let text = |text: &Option<String>| text.as_ref().map(|text| text.as_bytes().to_vec());
        put_all(&mut bytes, &sorted(places), |bytes, Place { name, key, number }| {
            for part in [name, key, number] {
                put_option(bytes, text(part).as_deref());
            }
        });
        put_all(&mut bytes, &sorted(parcels), |bytes, (oid, key)| [oid, key].into_iter().for_each(|it| put_text(bytes, it)));
        put_all(&mut bytes, &sorted(buildings), |bytes, oid| put_text(bytes, oid));
        put_all(&mut bytes, &sorted(positions), |bytes, (rank, oid, geometry)| {
            bytes.push(*rank as u8);
            put_text(bytes, oid);
            put_bytes(bytes, geometry);
        });
        put_all(&mut bytes, &houses.into_iter().map(|house| (house, ())).collect(), |_, ()| ());
        bytes.extend_from_slice(&(loose.len() as u32).to_le_bytes());
        for (references, Address { oid, postcode, town, district, quality, geometry }) in &loose {
            bytes.extend_from_slice(&(references.len() as u32).to_le_bytes());
            references.iter().chain([oid]).for_each(|it| put_text(&mut bytes, it));
            for part in [postcode, town, district, quality] {
                put_option(&mut bytes, text(part).as_deref());
            }
            put_option(&mut bytes, geometry.as_deref());
        }
        if bytes.iter().all(|byte| *byte == 0) { Vec::new() } else { bytes }
    }

    /// Out of the entry of a cell.
    ///
    /// # Errors
    /// When the bytes are none of [`Self::into_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut rest = Rest(bytes);
        let mut all = Self::default();
        for names in [&mut all.units, &mut all.gemarkungen, &mut all.streets] {
            rest.each(|rest| {
                names.insert(rest.text()?, rest.text()?);
                Ok(())
            })?;
        }
        rest.each(|rest| {
            let (oid, name, key, number) =
                (rest.text()?, rest.option(Rest::text)?, rest.option(Rest::text)?, rest.option(Rest::text)?);
            all.places.insert(oid, Place { name, key, number });
            Ok(())
        })?;
        rest.each(|rest| {
            all.parcels.insert(rest.text()?, (rest.text()?, rest.text()?));
            Ok(())
        })?;
        rest.each(|rest| {
            all.buildings.insert(rest.text()?, rest.text()?);
            Ok(())
        })?;
        rest.each(|rest| {
            let (point, [rank]) = (rest.text()?, rest.array()?);
            all.positions.insert(point, (rank.into(), rest.text()?, rest.bytes()?.to_vec()));
            Ok(())
        })?;
        rest.each(|rest| {
            all.houses.insert(rest.text()?);
            Ok(())
        })?;
        rest.each(|rest| {
            let mut references = Vec::new();
            rest.each(|rest| {
                references.push(rest.text()?);
                Ok(())
            })?;
            let oid = rest.text()?;
            let [postcode, town, district, quality] = [(); 4].map(|()| rest.option(Rest::text));
            let geometry = rest.option(Rest::bytes)?.map(<[u8]>::to_vec);
            let address = Address { oid, postcode: postcode?, town: town?, district: district?, quality: quality?, geometry };
            all.loose.push((references, address));
            Ok(())
        })?;
        if rest.0.is_empty() { Ok(all) } else { Err(broken()) }
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

/// The same bytes each time.
fn sorted<T>(map: Table<T>) -> BTreeMap<String, T> {
    map.into_iter().collect()
}

fn put_all<T>(bytes: &mut Vec<u8>, map: &BTreeMap<String, T>, put: impl Fn(&mut Vec<u8>, &T)) {
    bytes.extend_from_slice(&(map.len() as u32).to_le_bytes());
    for (key, value) in map {
        put_text(bytes, key);
        put(bytes, value);
    }
}

/// Of two that are said of the same, the greater: cells may come in any order.
fn keep_greatest<T: Ord>(map: &mut Table<T>, key: String, value: T) {
    match map.get_mut(&key) {
        Some(known) if *known >= value => {}
        Some(known) => *known = value,
        None => {
            map.insert(key, value);
        }
    }
}

/// The objects that a georeferenced address says it belongs to.
pub(super) fn references<'o>(object: &Object<'o>) -> impl Iterator<Item = Cow<'o, str>> {
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

pub(super) fn street_key(object: &Object<'_>, path: &str) -> Option<String> {
    Some(format!("{}{}", municipality_key(object, path)?, object.text(&[path, "lage"])?))
}

pub(super) fn place(object: &Object<'_>) -> Option<Place> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_a_cell_says_comes_back(
            names in prop::collection::btree_map("[a-z]{0,3}", "[ä-ü]{0,4}", 0..4), missing in any::<bool>(), cut in 1_usize..9,
        ) {
            let text = || (!missing).then(|| "Weg".to_owned());
            let wkb = vec![1, 0, 9];
            let said = || Lookups {
                units: names.clone(),
                streets: names.clone(),
                places: names.keys().map(|oid| (oid.clone(), Place { name: text(), key: None, number: Some("7 a".into()) })).collect(),
                parcels: names.iter().map(|(a, b)| (a.clone(), (b.clone(), a.clone()))).collect(),
                buildings: names.clone().into_iter().collect(),
                positions: names.iter().map(|(a, b)| (a.clone(), (2, b.clone(), wkb.clone()))).collect(),
                houses: names.keys().cloned().collect(),
                loose: names.iter().map(|(a, b)| {
                    let (postcode, town, district, quality) = (text(), None, text(), Some(b.clone()));
                    let geometry = (!missing).then(|| wkb.clone());
                    (vec![a.clone(), b.clone()], Address { oid: a.clone(), postcode, town, district, quality, geometry })
                }).collect(),
                ..Lookups::default()
            };
            let bytes = said().into_bytes();
            prop_assert_eq!(bytes.is_empty(), names.is_empty());
            if !bytes.is_empty() {
                prop_assert_eq!(Lookups::from_bytes(&bytes).unwrap(), said());
                prop_assert!(Lookups::from_bytes(&bytes[..bytes.len() - cut]).is_err());
            }
        }
    }
}
