//! `Nutzung`.

use super::{Builder, Classes, Kind, Spec};
use crate::dataset::cadastre::attributes::Attributes;
use crate::dataset::cadastre::codes;
use crate::error::Result;
use arrow::array::RecordBatch;

pub const LAND_USE: Spec = Spec {
    name: "Nutzung",
    file: "nutzung",
    title: "Tatsächliche Nutzung",
    geometry_type: "GEOMETRY",
    columns: &[
        ("oid", Kind::Text),
        ("aktualit", Kind::Text),
        ("nutzart", Kind::Text),
        ("bez", Kind::Text),
        ("objektart", Kind::Text),
        ("schluessel", Kind::Text),
        ("name", Kind::Text),
    ],
};

/// German names of the kind of land use (`nutzart`) and of what it is in detail (`bez`).
pub fn labels(class: &str, fields: &Attributes<'_>) -> (Option<&'static str>, Option<&'static str>) {
    let Some((label, property)) = codes::land_use_class(class) else { return (None, None) };
    (Some(label), fields.text(&[property]).and_then(|code| codes::kind(class, &code)))
}

/// One row for each object of land use.
pub fn land_use(classes: &Classes<'_>) -> Result<RecordBatch> {
    let mut table = Builder::new(&LAND_USE);
    for (class, objects) in classes {
        let Some((_, property)) = codes::land_use_class(class) else { continue };
        for object in objects {
            let kind = object.text(&[property]);
            let (label, detail) = labels(class, object.fields());
            let cells = [
                object.row.oid.as_str().into(),
                object.date().into(),
                label.into(),
                detail.into(),
                (*class).into(),
                kind.into(),
                object.text(&["name"]).into(),
            ];
            table.push(cells, object.row.geometry.as_deref());
        }
    }
    table.finish()
}
