//! `NutzungFlurstueck`, and the text on land use that a parcel carries.

use super::{Builder, Kind, Object, Spec, Table, land_use};
use crate::dataset::cadastre::row::Row;
use crate::error::Result;
use std::collections::BTreeMap;

const PIECE: Spec = Spec {
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

/// The pieces of land use with what they are called.
pub struct Pieces<'r> {
    pieces: Vec<Piece<'r>>,
    /// Ranges of `pieces` by parcel.
    of_parcel: BTreeMap<String, Vec<usize>>,
}

struct Piece<'r> {
    row: &'r Row,
    labels: (Option<&'static str>, Option<&'static str>),
    parcel_key: Option<String>,
    area_m2: Option<f64>,
}

impl<'r> Pieces<'r> {
    pub fn new(rows: &'r [Row], classes: &BTreeMap<&str, Vec<Object<'_>>>) -> Self {
        let mut uses = BTreeMap::new();
        for object in classes.values().flatten() {
            if crate::dataset::cadastre::codes::land_use_class(&object.row.class).is_some() {
                uses.insert(object.row.oid.as_str(), land_use::labels(object));
            }
        }
        let parcels: BTreeMap<&str, &Object<'_>> =
            classes.get("AX_Flurstueck").into_iter().flatten().map(|object| (object.row.oid.as_str(), object)).collect();
        let mut pieces = Vec::with_capacity(rows.len());
        let mut of_parcel: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for row in rows {
            let object = Object::new(row);
            let parcel = object.text(&["flurstueck"]).unwrap_or_default();
            let labels = object.text(&["nutzung"]).and_then(|oid| uses.get(oid)).copied().unwrap_or_default();
            let key = parcels.get(parcel).and_then(|parcel| parcel.text(&["flurstueckskennzeichen"])).map(str::to_owned);
            of_parcel.entry(parcel.to_owned()).or_default().push(pieces.len());
            pieces.push(Piece { row, labels, parcel_key: key, area_m2: object.real("flaeche") });
        }
        Self { pieces, of_parcel }
    }

    /// The uses of a parcel with their official areas, the largest first: `Weg / Fahrweg;2|Straßenverkehr;2462`.
    pub fn text_of(&self, parcel: &str) -> Option<String> {
        let mut sums: BTreeMap<String, f64> = BTreeMap::new();
        for index in self.of_parcel.get(parcel)? {
            let piece = &self.pieces[*index];
            let (Some(kind), Some(area)) = (piece.labels.0, piece.area_m2) else { continue };
            let name = piece.labels.1.map_or_else(|| kind.to_owned(), |detail| format!("{kind} / {detail}"));
            *sums.entry(name).or_default() += area;
        }
        let mut sums: Vec<(String, f64)> = sums.into_iter().collect();
        sums.sort_by(|a, b| b.1.total_cmp(&a.1));
        let area = |area: f64| format!("{}", (area * 100.0).round() / 100.0);
        let texts: Vec<String> = sums.into_iter().map(|(name, sum)| format!("{name};{}", area(sum))).collect();
        (!texts.is_empty()).then(|| texts.join("|"))
    }

    /// One row for each piece.
    pub fn table(&self) -> Result<Table> {
        let mut table = Builder::new(&PIECE);
        for Piece { row, labels, parcel_key, area_m2 } in &self.pieces {
            let date = row.beginnt.get(..10).unwrap_or(&row.beginnt);
            let cells = vec![
                row.oid.as_str().into(),
                date.into(),
                labels.0.into(),
                labels.1.into(),
                parcel_key.clone().into(),
                (*area_m2).into(),
            ];
            table.push(cells, row.geometry.as_deref());
        }
        table.finish()
    }
}
