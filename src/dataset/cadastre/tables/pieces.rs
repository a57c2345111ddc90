//! `NutzungFlurstueck`: what parcels and land use share, as the stage `areas` has cut it.

use super::{Builder, Kind, Object, Spec};
use crate::dataset::cadastre::row::Row;
use crate::error::Result;
use arrow::array::RecordBatch;

pub const PIECE: Spec = Spec {
    name: "NutzungFlurstueck",
    file: "nutzung_flurstueck",
    title: "Tatsächliche Nutzung je Flurstück",
    geometry_type: "MULTIPOLYGON",
    columns: &[
        ("oid", Kind::Text),
        ("aktualit", Kind::Text),
        ("nutzart", Kind::Text),
        ("bez", Kind::Text),
        ("flstkennz", Kind::Text),
        ("flaeche", Kind::Real),
    ],
};

/// One row for each piece.
///
/// # Errors
/// When the table cannot be made.
pub fn pieces(rows: &[Row]) -> Result<RecordBatch> {
    let mut table = Builder::new(&PIECE);
    for row in rows {
        let object = Object::new(row);
        let cells = [
            row.oid.as_str().into(),
            object.date().into(),
            object.text(&["nutzart"]).into(),
            object.text(&["bez"]).into(),
            object.text(&["flstkennz"]).into(),
            object.real("flaeche").into(),
        ];
        table.push(cells, row.geometry.as_deref());
    }
    table.finish()
}
