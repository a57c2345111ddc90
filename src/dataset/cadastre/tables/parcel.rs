//! `Flurstueck` and `FlurstueckPunkt`.

use super::lookups::{Lookups, POSITIONS, Ranked, gemarkung_key, municipality_key};
use super::{Builder, Classes, Kind, Spec, Uses};
use crate::dataset::cadastre::codes;
use crate::error::Result;
use crate::format::wkb;
use arrow::array::RecordBatch;
use std::borrow::Cow;
use std::collections::HashMap;

pub const PARCEL: Spec = Spec {
    name: "Flurstueck",
    file: "flurstueck",
    title: "Flurstücke",
    geometry_type: "MULTIPOLYGON",
    columns: &[
        ("oid", Kind::Text),
        ("aktualit", Kind::Text),
        ("idflurst", Kind::Text),
        ("flaeche", Kind::Real),
        ("flstkennz", Kind::Text),
        ("land", Kind::Text),
        ("landschl", Kind::Text),
        ("gemarkung", Kind::Text),
        ("gemaschl", Kind::Text),
        ("flur", Kind::Text),
        ("flurschl", Kind::Text),
        ("flstnrzae", Kind::Text),
        ("flstnrnen", Kind::Text),
        ("regbezirk", Kind::Text),
        ("regbezschl", Kind::Text),
        ("kreis", Kind::Text),
        ("kreisschl", Kind::Text),
        ("gemeinde", Kind::Text),
        ("gmdschl", Kind::Text),
        ("abwrecht", Kind::Text),
        ("lagebeztxt", Kind::Text),
        ("tntxt", Kind::Text),
    ],
};

/// One row for each `AX_Flurstueck`.
pub fn parcels(classes: &Classes<'_>, lookups: &Lookups, uses: &Uses) -> Result<RecordBatch> {
    let mut table = Builder::new(&PARCEL);
    for object in classes.get("AX_Flurstueck").into_iter().flatten() {
        let gemarkung = gemarkung_key(object, "gemarkung");
        let municipality = municipality_key(object, "gemeindezugehoerigkeit");
        let land = object.text(&["gemarkung", "land"]);
        let flur = object.text(&["flurnummer"]);
        let flur_key = match (&gemarkung, &flur) {
            (Some(key), Some(flur)) => Some(format!("{key}{flur:0>3}")),
            _ => None,
        };
        let upper = |length: usize| municipality.as_deref().and_then(|key| key.get(..length));
        let district = upper(3).filter(|key| !key.ends_with('0'));
        let name = |key: Option<&str>| key.and_then(|key| lookups.unit(key));
        let (place, _) = lookups.places_of(object);
        let cells = [
            format!("{}FL", object.row.oid).into(),
            object.date().into(),
            object.row.oid.as_str().into(),
            object.text(&["amtlicheFlaeche"]).and_then(|area| area.parse::<f64>().ok()).filter(|area| area.is_finite()).into(),
            object.text(&["flurstueckskennzeichen"]).into(),
            name(land.as_deref()).into(),
            land.as_deref().into(),
            gemarkung.as_ref().and_then(|key| lookups.gemarkungen.get(key)).map(String::as_str).into(),
            gemarkung.as_deref().into(),
            flur.into(),
            flur_key.into(),
            object.text(&["flurstuecksnummer", "zaehler"]).into(),
            object.text(&["flurstuecksnummer", "nenner"]).into(),
            name(district).into(),
            district.into(),
            name(upper(5)).into(),
            upper(5).into(),
            name(municipality.as_deref()).into(),
            municipality.as_deref().into(),
            object.text(&["abweichenderRechtszustand"]).into(),
            place.into(),
            uses.get(&object.row.oid).map(String::as_str).into(),
        ];
        table.push(cells, object.row.geometry.as_deref().map(multi_polygon).as_deref());
    }
    table.finish()
}

/// A polygon as one of several: the column has one type.
fn multi_polygon(bytes: &[u8]) -> Cow<'_, [u8]> {
    match wkb::multi_polygon(bytes) {
        Some(bytes) => Cow::Owned(bytes),
        None => Cow::Borrowed(bytes),
    }
}

pub const POINT: Spec = Spec {
    name: "FlurstueckPunkt",
    file: "flurstueck_punkt",
    title: "Grenzpunkte",
    geometry_type: "POINT",
    columns: &[
        ("oid", Kind::Text),
        ("aktualit", Kind::Text),
        ("punktkennung", Kind::Text),
        ("abmmarke", Kind::Text),
        ("abmmarkeschl", Kind::Text),
    ],
};

/// One row for each `AX_Grenzpunkt`, with the position that one of its Punktorte has on the map.
pub fn points(classes: &Classes<'_>, lookups: &Lookups) -> Result<RecordBatch> {
    let mut positions: HashMap<Cow<'_, str>, Ranked<'_>> = HashMap::new();
    for (rank, class) in POSITIONS.iter().enumerate() {
        for object in classes.get(class).into_iter().flatten() {
            if let (Some(point), Some(geometry)) = (object.text(&["istTeilVon"]), &object.row.geometry) {
                let position = Ranked { rank, oid: &object.row.oid, geometry };
                let best = positions.entry(point).or_insert(position);
                *best = position.max(*best);
            }
        }
    }
    let mut table = Builder::new(&POINT);
    for object in classes.get("AX_Grenzpunkt").into_iter().flatten() {
        let mark = object.text(&["abmarkung_Marke"]);
        let cells = [
            object.row.oid.as_str().into(),
            object.date().into(),
            object.text(&["punktkennung"]).into(),
            mark.as_deref().and_then(|code| codes::kind("AX_Grenzpunkt", code)).into(),
            mark.as_deref().into(),
        ];
        let here = positions.get(object.row.oid.as_str()).copied();
        let position = here.max(lookups.position(&object.row.oid));
        table.push(cells, position.map(|position| position.geometry));
    }
    table.finish()
}
