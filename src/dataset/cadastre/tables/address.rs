//! `adresse`: addresses of places, which are public; those of people are never read.

use super::catalogue::Catalogue;
use super::generic::Taken;
use super::{Builder, Kind, Object, Spec, Table};
use crate::error::Result;
use std::collections::BTreeMap;

const ADDRESS: Spec = Spec {
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
pub fn addresses(classes: &BTreeMap<&str, Vec<Object<'_>>>, catalogue: &Catalogue, taken: &mut Taken) -> Result<Table> {
    let of = |class: &str| classes.get(class).into_iter().flatten();
    let mut positions: BTreeMap<&str, &Object<'_>> = BTreeMap::new();
    let mut alone = Vec::new();
    let named: std::collections::BTreeSet<&str> = of("AX_LagebezeichnungMitHausnummer").map(|it| it.row.oid.as_str()).collect();
    for object in of("AX_GeoreferenzierteGebaeudeadresse") {
        let mut references = ["hatAuch", "zeigtAuf", "weistAuf", "verweistAuf"].iter().flat_map(|name| object.list(name));
        match references.find_map(|reference| named.get(reference).copied()) {
            Some(oid) => {
                positions.insert(oid, object);
            }
            None => alone.push(object),
        }
    }
    let mut parcels: BTreeMap<&str, &str> = BTreeMap::new();
    for parcel in of("AX_Flurstueck") {
        for reference in parcel.list("weistAuf") {
            parcels.insert(reference, parcel.text(&["flurstueckskennzeichen"]).unwrap_or_default());
        }
    }
    let mut buildings: BTreeMap<&str, &str> = BTreeMap::new();
    for building in of("AX_Gebaeude") {
        for reference in building.list("zeigtAuf") {
            buildings.insert(reference, &building.row.oid);
        }
    }
    let mut table = Builder::new(&ADDRESS);
    for object in of("AX_LagebezeichnungMitHausnummer") {
        taken.take(object);
        let oid = object.row.oid.as_str();
        let position = positions.get(oid).copied();
        let place = catalogue.places.get(oid);
        let number = place.and_then(|place| place.number.as_deref());
        let cells = Cells {
            object,
            street: place.map(|place| place.street.as_str()),
            street_key: place.and_then(|place| place.key.as_deref()),
            number,
            municipality: place.and_then(|place| place.municipality()),
            position,
            parcel: parcels.get(oid).copied(),
            building: buildings.get(oid).copied(),
        };
        table.push(cells.row(catalogue), position.and_then(|it| it.row.geometry.as_deref()));
    }
    for object in alone {
        taken.take(object);
        let part = |name: &str| object.text(&[name]).unwrap_or_default();
        let municipality = format!("{}{}{}{}", part("land"), part("regierungsbezirk"), part("kreis"), part("gemeinde"));
        let street_key = format!("{municipality}{}", part("strassenschluessel"));
        let whole = format!("{}{}", part("hausnummer"), part("adressierungszusatz"));
        let cells = Cells {
            object,
            street: catalogue.streets.get(&street_key).map(String::as_str),
            street_key: Some(&street_key),
            number: Some(&whole),
            municipality: Some(&municipality),
            position: Some(object),
            parcel: None,
            building: None,
        };
        table.push(cells.row(catalogue), object.row.geometry.as_deref());
    }
    table.finish()
}

struct Cells<'c> {
    object: &'c Object<'c>,
    street: Option<&'c str>,
    street_key: Option<&'c str>,
    number: Option<&'c str>,
    municipality: Option<&'c str>,
    position: Option<&'c Object<'c>>,
    parcel: Option<&'c str>,
    building: Option<&'c str>,
}

impl Cells<'_> {
    fn row(&self, catalogue: &Catalogue) -> Vec<super::Cell> {
        let (number, suffix) = self.number.map_or((None, None), split_number);
        let of_position = |name: &str| self.position.and_then(|position| position.text(&[name]));
        let town = of_position("ortsnamePost").or_else(|| self.municipality.and_then(|key| catalogue.unit(key)));
        vec![
            self.object.row.oid.as_str().into(),
            self.object.date().into(),
            self.street.into(),
            self.street_key.into(),
            self.number.into(),
            number.into(),
            suffix.into(),
            of_position("postleitzahl").into(),
            town.into(),
            of_position("ortsteil").into(),
            self.municipality.into(),
            self.parcel.into(),
            self.building.into(),
            of_position("qualitaetsangaben").into(),
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
