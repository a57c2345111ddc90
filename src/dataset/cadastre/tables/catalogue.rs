//! Names behind keys, and places behind references: what several tables look up.

use super::Object;
use std::collections::BTreeMap;

/// Everything that is looked up.
pub struct Catalogue {
    /// Names by key: Land (2 digits), Regierungsbezirk (3), Kreis (5), Gemeinde (8).
    pub units: BTreeMap<String, String>,
    /// Names of Gemarkungen by key (6 digits).
    pub gemarkungen: BTreeMap<String, String>,
    /// Names of streets by key (13 digits).
    pub streets: BTreeMap<String, String>,
    /// Text of a Lagebezeichnung (`Grabenstraße 12`) by its object.
    pub places: BTreeMap<String, Place>,
}

/// A Lagebezeichnung, read.
pub struct Place {
    /// Street or name of the place.
    pub street: String,
    /// Key of the street (13 digits).
    pub key: Option<String>,
    /// Number of the house, as given.
    pub number: Option<String>,
}

impl Place {
    /// As one reads it.
    pub fn text(&self) -> String {
        match &self.number {
            Some(number) => format!("{} {number}", self.street),
            None => self.street.clone(),
        }
    }
    /// Key of the Gemeinde (8 digits).
    pub fn municipality(&self) -> Option<&str> {
        self.key.as_deref().and_then(|key| key.get(..8))
    }
}

/// The key of a Gemeinde from its parts; a Regierungsbezirk that is missing is written 0.
pub fn municipality_key(object: &Object<'_>, path: &str) -> Option<String> {
    let part = |name: &str| object.text(&[path, name]);
    Some(format!("{}{}{}{}", part("land")?, part("regierungsbezirk").unwrap_or("0"), part("kreis")?, part("gemeinde")?))
}

impl Catalogue {
    pub fn new(classes: &BTreeMap<&str, Vec<Object<'_>>>) -> Self {
        let of = |class: &str| classes.get(class).into_iter().flatten();
        let mut units = BTreeMap::new();
        for object in of("AX_Bundesland").chain(of("AX_Regierungsbezirk")).chain(of("AX_KreisRegion")).chain(of("AX_Gemeinde")) {
            if let (Some(key), Some(name)) = (unit_key(object), object.text(&["bezeichnung"])) {
                units.insert(key, name.to_owned());
            }
        }
        let mut gemarkungen = BTreeMap::new();
        for object in of("AX_Gemarkung") {
            if let (Some(key), Some(name)) = (gemarkung_key(object, "schluessel"), object.text(&["bezeichnung"])) {
                gemarkungen.insert(key, name.to_owned());
            }
        }
        let mut streets = BTreeMap::new();
        for object in of("AX_LagebezeichnungKatalogeintrag") {
            let key = object.text(&["schluesselGesamt"]).map(str::to_owned).or_else(|| street_key(object, "schluessel"));
            if let (Some(key), Some(name)) = (key, object.text(&["bezeichnung"])) {
                streets.insert(key, name.to_owned());
            }
        }
        let mut places = BTreeMap::new();
        for class in ["AX_LagebezeichnungMitHausnummer", "AX_LagebezeichnungOhneHausnummer", "AX_LagebezeichnungMitPseudonummer"]
        {
            for object in of(class) {
                if let Some(place) = place(object, &streets) {
                    places.insert(object.row.oid.clone(), place);
                }
            }
        }
        Self { units, gemarkungen, streets, places }
    }

    /// Name of a unit; a Land has its name even when the delivery lacks it.
    pub fn unit(&self, key: &str) -> Option<&str> {
        let known = self.units.get(key).map(String::as_str);
        known.or_else(|| super::super::codes::state_name(key))
    }

    /// The places that an object refers to, as one text, and the key of the first's Gemeinde.
    pub fn places_of(&self, object: &Object<'_>) -> (Option<String>, Option<String>) {
        let mut texts = Vec::new();
        let mut municipality = None;
        for reference in object.list("weistAuf").into_iter().chain(object.list("zeigtAuf")) {
            let Some(place) = self.places.get(reference) else { continue };
            municipality = municipality.or_else(|| place.municipality().map(str::to_owned));
            let text = place.text();
            if !text.is_empty() && !texts.contains(&text) {
                texts.push(text);
            }
        }
        ((!texts.is_empty()).then(|| texts.join("; ")), municipality)
    }
}

/// The key of an administrative unit: as given, or from its parts.
pub fn unit_key(object: &Object<'_>) -> Option<String> {
    if let Some(key) = object.text(&["schluesselGesamt"]) {
        return Some(key.to_owned());
    }
    if object.row.class == "AX_Gemeinde" {
        return municipality_key(object, "gemeindekennzeichen").or_else(|| municipality_key(object, "schluessel"));
    }
    let part = |name: &str| object.text(&["schluessel", name]).unwrap_or_default();
    let key = format!("{}{}{}", part("land"), part("regierungsbezirk"), part("kreis"));
    (!key.is_empty()).then_some(key)
}

/// The key of a Gemarkung: Land and number.
pub fn gemarkung_key(object: &Object<'_>, path: &str) -> Option<String> {
    let land = object.text(&[path, "land"])?;
    let number = object.text(&[path, "gemarkungsnummer"]).or_else(|| object.text(&[path, "gemarkung"]))?;
    Some(format!("{land}{number}"))
}

fn street_key(object: &Object<'_>, path: &str) -> Option<String> {
    Some(format!("{}{}", municipality_key(object, path)?, object.text(&[path, "lage"])?))
}

fn place(object: &Object<'_>, streets: &BTreeMap<String, String>) -> Option<Place> {
    let number = object.text(&["hausnummer"]).or_else(|| object.text(&["pseudonummer"])).map(str::to_owned);
    if let Some(name) = object.text(&["lagebezeichnung", "unverschluesselt"]) {
        return Some(Place { street: name.to_owned(), key: None, number });
    }
    let part = |name: &str| object.text(&["lagebezeichnung", "verschluesselt", name]);
    let key = format!(
        "{}{}{}{}{}",
        part("land")?,
        part("regierungsbezirk").unwrap_or("0"),
        part("kreis")?,
        part("gemeinde")?,
        part("lage")?
    );
    let street = streets.get(&key).cloned().unwrap_or_default();
    Some(Place { street, key: Some(key), number })
}
