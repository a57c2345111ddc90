//! `objekt`: every object that has no row of its own in another table.

use super::district::{DISTRICTS, UNITS};
use super::lookups::{GEOREFERENCED, Lookups};
use super::{Builder, Classes, Kind, Object, Spec};
use crate::dataset::cadastre::codes;
use crate::error::Result;
use crate::format::wkb;
use arrow::array::RecordBatch;

pub const OBJECT: Spec = Spec {
    name: "objekt",
    file: "objekt",
    title: "Weitere Objekte",
    geometry_type: "GEOMETRY",
    columns: &[
        ("oid", Kind::Text),
        ("objektart", Kind::Text),
        ("beginnt", Kind::Text),
        ("endet", Kind::Text),
        ("eigenschaften", Kind::Text),
        ("lokales_crs", Kind::Text),
        ("lokale_geometrie", Kind::Text),
    ],
};

/// True for a class whose current objects have a table of their own.
fn has_table(class: &str) -> bool {
    matches!(class, "AX_Flurstueck" | "AX_Grenzpunkt" | "AX_LagebezeichnungMitHausnummer")
        || codes::building_class(class).is_some()
        || codes::land_use_class(class).is_some()
        || DISTRICTS.iter().chain(&UNITS).any(|(known, _)| *known == class)
}

/// The objects without a row, then the versions that ended.
pub fn rest<'r>(classes: &Classes<'r>, ended: &[Object<'r>], lookups: &Lookups) -> Result<RecordBatch> {
    let mut table = Builder::new(&OBJECT);
    let current = classes.iter().filter(|(class, _)| !has_table(class)).flat_map(|(_, objects)| objects);
    // A georeferenced address belongs to a house, or is one in the table of addresses.
    let current = current.filter(|object| *object.row.class != *GEOREFERENCED || lookups.house_of(object).is_some());
    for object in current.chain(ended) {
        let row = object.row;
        let cells = [
            row.oid.as_str().into(),
            (&*row.class).into(),
            row.beginnt.as_str().into(),
            row.endet.as_deref().into(),
            row.attributes.as_str().into(),
            row.srs.as_deref().into(),
            row.local.as_deref().and_then(|bytes| wkb::decode(bytes).ok()).map(|it| wkb::to_text(&it)).into(),
        ];
        table.push(cells, row.geometry.as_deref());
    }
    table.finish()
}
