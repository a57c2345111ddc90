//! `adresse`: addresses of places, which are public; those of people are never read.

use super::lookups::{Address, GEOREFERENCED, HOUSE, Lookups, Place};
use super::{Builder, Classes, Kind, Object, Spec};
use crate::error::Result;
use arrow::array::RecordBatch;

pub const ADDRESS: Spec = Spec {
    name: "adresse",
    file: "adresse",
    title: "Adressen",
    geometry_type: "POINT",
    columns: &[
        ("oid", Kind::Text),
        ("aktualit", Kind::Text),
        ("strasse", Kind::Text),
        ("strassenschluessel", Kind::Text),
        ("hausnummer", Kind::Text),
        ("nummer", Kind::Whole),
        ("zusatz", Kind::Text),
        ("plz", Kind::Text),
        ("ort", Kind::Text),
        ("ortsteil", Kind::Text),
        ("gmdschl", Kind::Text),
        ("flstkennz", Kind::Text),
        ("gebaeude", Kind::Text),
        ("qualitaet", Kind::Text),
    ],
};

/// One row for each `AX_LagebezeichnungMitHausnummer`, with the coordinate of its georeferenced address where there is one; and
/// one for each georeferenced address that belongs to none.
pub fn addresses(classes: &Classes<'_>, lookups: &Lookups) -> Result<RecordBatch> {
    let mut table = Builder::new(&ADDRESS);
    for object in classes.get(HOUSE).into_iter().flatten() {
        let oid = object.row.oid.as_str();
        let position = lookups.addresses.get(oid);
        let place = lookups.places.get(oid);
        let cells = Cells {
            object,
            street: place.map(|place| lookups.street(place)),
            street_key: place.and_then(|place| place.key.as_deref()),
            number: place.and_then(|place| place.number.as_deref()),
            municipality: place.and_then(Place::municipality),
            position,
            parcel: lookups.parcels.get(oid).map(|(_, key)| key.as_str()),
            building: lookups.buildings.get(oid).map(String::as_str),
        };
        table.push(cells.row(lookups), position.and_then(|it| it.geometry.as_deref()));
    }
    for object in classes.get(GEOREFERENCED).into_iter().flatten() {
        if lookups.house_of(object).is_some() {
            continue;
        }
        let part = |name: &str| object.text(&[name]).unwrap_or_default();
        let [municipality, street_key] = keys(object);
        let whole = format!("{}{}", part("hausnummer"), part("adressierungszusatz"));
        let position = Address::of(object);
        let cells = Cells {
            object,
            street: lookups.streets.get(&street_key).map(String::as_str),
            street_key: Some(&street_key),
            number: Some(&whole),
            municipality: Some(&municipality),
            position: Some(&position),
            parcel: None,
            building: None,
        };
        table.push(cells.row(lookups), object.row.geometry.as_deref());
    }
    table.finish()
}

/// The keys of the Gemeinde and of the street of a georeferenced address.
pub(super) fn keys(object: &Object<'_>) -> [String; 2] {
    let part = |name: &str| object.text(&[name]).unwrap_or_default();
    let municipality = format!("{}{}{}{}", part("land"), part("regierungsbezirk"), part("kreis"), part("gemeinde"));
    let street = format!("{municipality}{}", part("strassenschluessel"));
    [municipality, street]
}

struct Cells<'c, 'r> {
    object: &'c Object<'r>,
    street: Option<&'c str>,
    street_key: Option<&'c str>,
    number: Option<&'c str>,
    municipality: Option<&'c str>,
    position: Option<&'c Address>,
    parcel: Option<&'c str>,
    building: Option<&'c str>,
}

impl Cells<'_, '_> {
    fn row<'a>(&'a self, lookups: &'a Lookups) -> [super::Cell<'a>; 14] {
        let (number, suffix) = self.number.map_or((None, None), split_number);
        let town = self.position.and_then(|position| position.town.as_deref());
        let town = town.or_else(|| self.municipality.and_then(|key| lookups.unit(key)));
        [
            self.object.row.oid.as_str().into(),
            self.object.date().into(),
            self.street.into(),
            self.street_key.into(),
            self.number.into(),
            number.into(),
            suffix.into(),
            self.position.and_then(|it| it.postcode.as_deref()).into(),
            town.into(),
            self.position.and_then(|it| it.district.as_deref()).into(),
            self.municipality.into(),
            self.parcel.into(),
            self.building.into(),
            self.position.and_then(|it| it.quality.as_deref()).into(),
        ]
    }
}

/// `10 A` as 10 and `A`: numbers sort as numbers, the original is kept beside them.
fn split_number(text: &str) -> (Option<i32>, Option<String>) {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let suffix = text[digits..].trim();
    (text[..digits].parse().ok(), (!suffix.is_empty()).then(|| suffix.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::split_number;

    #[test]
    fn house_numbers_are_split() {
        assert_eq!(split_number("10 A"), (Some(10), Some("A".into())));
        assert_eq!(split_number("7"), (Some(7), None));
        assert_eq!(split_number("12-14"), (Some(12), Some("-14".into())));
        assert_eq!(split_number("ohne"), (None, Some("ohne".into())));
        assert_eq!(split_number("99999999999"), (None, None));
    }
}
