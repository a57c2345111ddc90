//! `KatasterBezirk` and `VerwaltungsEinheit`: catalogues; the delivery gives them no geometry.

use super::catalogue::{gemarkung_key, municipality_key, unit_key};
use super::generic::Taken;
use super::{Builder, Kind, Object, Spec, Table};
use crate::error::Result;
use std::collections::BTreeMap;

const COLUMNS: &[(&str, Kind)] = &[
    ("oid", Kind::Text),
    ("aktualit", Kind::Text),
    ("art", Kind::Text),
    ("schluessel", Kind::Text),
    ("name", Kind::Text),
    ("gmdschl", Kind::Text),
];

const CADASTRAL: Spec = Spec {
    name: "KatasterBezirk",
    file: "kataster_bezirk",
    title: "Gemarkungen und Fluren",
    geometry_type: "GEOMETRY",
    columns: COLUMNS,
};

/// One row for each Gemarkung and Flur.
pub fn cadastral(classes: &BTreeMap<&str, Vec<Object<'_>>>, taken: &mut Taken) -> Result<Table> {
    let mut table = Builder::new(&CADASTRAL);
    for (class, kind) in [("AX_Gemarkung", "Gemarkung"), ("AX_GemarkungsteilFlur", "Flur")] {
        for object in classes.get(class).into_iter().flatten() {
            taken.take(object);
            let key = object.text(&["schluesselGesamt"]).map(str::to_owned).or_else(|| {
                let flur = object.text(&["schluessel", "gemarkungsteilFlur"]).unwrap_or_default();
                gemarkung_key(object, "schluessel").map(|key| format!("{key}{flur}"))
            });
            let cells = vec![
                object.row.oid.as_str().into(),
                object.date().into(),
                kind.into(),
                key.into(),
                object.text(&["bezeichnung"]).map(str::trim).into(),
                municipality_key(object, "gemeindezugehoerigkeit").into(),
            ];
            table.push(cells, object.row.geometry.as_deref());
        }
    }
    table.finish()
}

const ADMINISTRATIVE: Spec = Spec {
    name: "VerwaltungsEinheit",
    file: "verwaltungs_einheit",
    title: "Verwaltungseinheiten",
    geometry_type: "GEOMETRY",
    columns: COLUMNS,
};

/// One row for each Land, Regierungsbezirk, Kreis and Gemeinde.
pub fn administrative(classes: &BTreeMap<&str, Vec<Object<'_>>>, taken: &mut Taken) -> Result<Table> {
    let mut table = Builder::new(&ADMINISTRATIVE);
    for (class, kind) in [
        ("AX_Bundesland", "Bundesland"),
        ("AX_Regierungsbezirk", "Regierungsbezirk"),
        ("AX_KreisRegion", "Kreis"),
        ("AX_Gemeinde", "Gemeinde"),
    ] {
        for object in classes.get(class).into_iter().flatten() {
            taken.take(object);
            let key = unit_key(object);
            let municipality = key.clone().filter(|_| class == "AX_Gemeinde");
            let cells = vec![
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
