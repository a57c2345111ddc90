//! `GebaeudeBauwerk`.

use super::lookups::Lookups;
use super::{Builder, Classes, Kind, Spec};
use crate::dataset::cadastre::codes;
use crate::error::Result;
use arrow::array::RecordBatch;

pub const STRUCTURE: Spec = Spec {
    name: "GebaeudeBauwerk",
    file: "gebaeude_bauwerk",
    title: "Gebäude und Bauwerke",
    geometry_type: "GEOMETRY",
    columns: &[
        ("oid", Kind::Text),
        ("aktualit", Kind::Text),
        ("gebnutzbez", Kind::Text),
        ("funktion", Kind::Text),
        ("gfkzshh", Kind::Text),
        ("anzahlgs", Kind::Whole),
        ("name", Kind::Text),
        ("rellage", Kind::Text),
        ("gmdschl", Kind::Text),
        ("lagebeztxt", Kind::Text),
    ],
};

/// One row for each building and structure.
pub fn structures(classes: &Classes<'_>, lookups: &Lookups) -> Result<RecordBatch> {
    let mut table = Builder::new(&STRUCTURE);
    for (class, objects) in classes {
        let Some((key, label)) = codes::building_class(class) else { continue };
        for object in objects {
            let function = object.text(&["gebaeudefunktion"]).or_else(|| object.text(&["bauwerksfunktion"]));
            let (place, municipality) = lookups.places_of(object);
            let cells = [
                object.row.oid.as_str().into(),
                object.date().into(),
                label.into(),
                function.as_deref().and_then(|code| codes::kind(class, code)).into(),
                format!("{key}_{}", function.as_deref().unwrap_or("0000")).into(),
                object.text(&["anzahlDerOberirdischenGeschosse"]).and_then(|count| count.parse::<i32>().ok()).into(),
                object.text(&["name"]).into(),
                object.text(&["lageZurErdoberflaeche"]).and_then(|code| codes::position_to_ground(&code)).into(),
                municipality.into(),
                place.into(),
            ];
            table.push(cells, object.row.geometry.as_deref());
        }
    }
    table.finish()
}
