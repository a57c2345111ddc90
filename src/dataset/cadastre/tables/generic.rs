//! `objekt`: every object that has no row of its own in another table.

use super::{Builder, Kind, Object, Spec, Table};
use crate::error::Result;
use crate::format::wkb;
use std::collections::{BTreeMap, BTreeSet};

const OBJECT: Spec = Spec {
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

/// Objects that have a row.
#[derive(Default)]
pub struct Taken(BTreeSet<(String, String)>);

impl Taken {
    /// Notes that an object has its row.
    pub fn take(&mut self, object: &Object<'_>) {
        self.0.insert((object.row.oid.clone(), object.row.beginnt.clone()));
    }
    fn has(&self, object: &Object<'_>) -> bool {
        self.0.contains(&(object.row.oid.clone(), object.row.beginnt.clone()))
    }
}

/// The objects without a row, then the versions that ended.
pub fn rest(classes: &BTreeMap<&str, Vec<Object<'_>>>, ended: &[Object<'_>], taken: &Taken) -> Result<Table> {
    let mut table = Builder::new(&OBJECT);
    let current = classes.values().flatten().filter(|object| !taken.has(object));
    for object in current.chain(ended) {
        let row = object.row;
        let cells = vec![
            row.oid.as_str().into(),
            row.class.as_str().into(),
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
