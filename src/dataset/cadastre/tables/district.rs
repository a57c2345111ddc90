//! `KatasterBezirk` and `VerwaltungsEinheit`: catalogues; the delivery gives them no geometry.

use super::lookups::{gemarkung_key, municipality_key, unit_key};
use super::{Builder, Classes, Kind, Spec};
use crate::error::Result;
use arrow::array::RecordBatch;
use std::borrow::Cow;

/// Classes of `KatasterBezirk`, and what they are called.
pub const DISTRICTS: [(&str, &str); 2] = [("AX_Gemarkung", "Gemarkung"), ("AX_GemarkungsteilFlur", "Flur")];
/// Classes of `VerwaltungsEinheit`.
pub const UNITS: [(&str, &str); 4] = [
    ("AX_Bundesland", "Bundesland"),
    ("AX_Regierungsbezirk", "Regierungsbezirk"),
    ("AX_KreisRegion", "Kreis"),
    ("AX_Gemeinde", "Gemeinde"),
];

const COLUMNS: &[(&str, Kind)] = &[
    ("oid", Kind::Text),
    ("aktualit", Kind::Text),
    ("art", Kind::Text),
    ("schluessel", Kind::Text),
    ("name", Kind::Text),
    ("gmdschl", Kind::Text),
];

pub const CADASTRAL: Spec = Spec {
    name: "KatasterBezirk",
    file: "kataster_bezirk",
    title: "Gemarkungen und Fluren",
    geometry_type: "GEOMETRY",
    columns: COLUMNS,
};

/// One row for each Gemarkung and Flur.
pub fn cadastral(classes: &Classes<'_>) -> Result<RecordBatch> {
    let mut table = Builder::new(&CADASTRAL);
    for (class, kind) in DISTRICTS {
        for object in classes.get(class).into_iter().flatten() {
            let key = object.text(&["schluesselGesamt"]).map(Cow::into_owned).or_else(|| {
                let flur = object.text(&["schluessel", "gemarkungsteilFlur"]).unwrap_or_default();
                gemarkung_key(object, "schluessel").map(|key| format!("{key}{flur}"))
            });
            let name = object.text(&["bezeichnung"]);
            let cells = [
                object.row.oid.as_str().into(),
                object.date().into(),
                kind.into(),
                key.into(),
                name.as_deref().map(str::trim).into(),
                municipality_key(object, "gemeindezugehoerigkeit").into(),
            ];
            table.push(cells, object.row.geometry.as_deref());
        }
    }
    table.finish()
}

pub const ADMINISTRATIVE: Spec = Spec {
    name: "VerwaltungsEinheit",
    file: "verwaltungs_einheit",
    title: "Verwaltungseinheiten",
    geometry_type: "GEOMETRY",
    columns: COLUMNS,
};

/// One row for each Land, Regierungsbezirk, Kreis and Gemeinde.
pub fn administrative(classes: &Classes<'_>) -> Result<RecordBatch> {
    let mut table = Builder::new(&ADMINISTRATIVE);
    for (class, kind) in UNITS {
        for object in classes.get(class).into_iter().flatten() {
            let key = unit_key(object);
            let municipality = key.clone().filter(|_| class == "AX_Gemeinde");
            let cells = [
                object.row.oid.as_str().into(),
                object.date().into(),
                kind.into(),
                key.into(),
                object.text(&["bezeichnung"]).into(),
                municipality.into(),
            ];
            table.push(cells, object.row.geometry.as_deref());
        }
    }
    table.finish()
}
