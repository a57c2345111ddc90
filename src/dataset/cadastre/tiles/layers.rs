//! The layers of the vector tiles: what is drawn in which, and what a click shows.

use crate::crs::Operation;
use crate::dataset::cadastre::codes;
use crate::dataset::cadastre::row::Row;
use crate::dataset::vector_tiles::Parts;
use crate::error::Result;
use crate::format::mvt::Value;
use crate::format::wkb;
use geo::{Geometry, InteriorPoint};
use std::borrow::Cow;

/// One layer.
pub struct TileLayer {
    pub name: &'static str,
    /// German title.
    pub title: &'static str,
    /// Lowest zoom.
    pub low_zoom: u8,
    /// Names of its tags, with true for numbers.
    pub fields: &'static [(&'static str, bool)],
}

const LAND_USE: usize = 0;
const PARCEL: usize = 1;
const BUILDING: usize = 2;
const PARCEL_NUMBER: usize = 3;
const HOUSE_NUMBER: usize = 4;

/// The layers from the bottom to the top.
pub const LAYERS: [TileLayer; 5] = [
    TileLayer {
        name: "nutzung",
        title: "Tatsächliche Nutzung",
        low_zoom: 10,
        fields: &[("oid", false), ("nutzart", false), ("bez", false)],
    },
    TileLayer {
        name: "flurstueck",
        title: "Flurstücke",
        low_zoom: 14,
        fields: &[
            ("oid", false),
            ("flstkennz", false),
            ("flur", false),
            ("flstnrzae", false),
            ("flstnrnen", false),
            ("flaeche", true),
        ],
    },
    TileLayer {
        name: "gebaeude_bauwerk",
        title: "Gebäude und Bauwerke",
        low_zoom: 14,
        fields: &[("oid", false), ("gebnutzbez", false), ("funktion", false), ("gfkzshh", false), ("name", false)],
    },
    TileLayer {
        name: "flurstueck_nummer",
        title: "Flurstücksnummern (Beschriftung)",
        low_zoom: 16,
        fields: &[("text", false), ("flstkennz", false)],
    },
    TileLayer { name: "hausnummer", title: "Hausnummern (Beschriftung)", low_zoom: 17, fields: &[("text", false)] },
];

/// The layers that objects of a class are drawn in.
pub fn of_class(class: &str) -> &'static [usize] {
    match class {
        "AX_Flurstueck" => &[PARCEL, PARCEL_NUMBER],
        "AX_GeoreferenzierteGebaeudeadresse" => &[HOUSE_NUMBER],
        _ if codes::building_class(class).is_some() => &[BUILDING],
        _ if codes::land_use_class(class).is_some() => &[LAND_USE],
        _ => &[],
    }
}

/// The lowest zoom at which objects of a class are drawn, if any.
pub fn lowest_zoom(class: &str) -> Option<u8> {
    of_class(class).iter().map(|layer| LAYERS[*layer].low_zoom).min()
}

/// What of an object is drawn in a layer: itself, or the point of its label.
pub fn shape(row: &Row, layer: usize, operation: &Operation) -> Result<Option<Parts>> {
    let Some(bytes) = &row.geometry else { return Ok(None) };
    let geometry = wkb::decode(bytes)?;
    let geometry = if layer == PARCEL_NUMBER {
        match geometry.interior_point() {
            Some(point) => Geometry::Point(point),
            None => return Ok(None),
        }
    } else {
        geometry
    };
    Parts::new(&geometry, operation).map(Some)
}

/// The tags of an object in each of its layers.
#[derive(Default)]
pub struct Tags {
    /// In that of itself.
    pub own: Vec<(&'static str, Value)>,
    /// In that of its label.
    pub label: Vec<(&'static str, Value)>,
}

impl Tags {
    /// Those in a layer.
    pub fn get(&self, layer: usize) -> &[(&'static str, Value)] {
        if matches!(layer, PARCEL_NUMBER | HOUSE_NUMBER) { &self.label } else { &self.own }
    }
}

/// What a click on the map shows, and what labels say.
pub fn tags(row: &Row) -> Tags {
    let fields = row.fields();
    let text = |path: &[&str]| fields.text(path).filter(|text| !text.is_empty());
    let class = &*row.class;
    let mut own = Tag(Vec::new());
    let mut label = Tag(Vec::new());
    if class == "AX_Flurstueck" {
        let number = |name: &str| fields.text(&["flurstuecksnummer", name]);
        let key = text(&["flurstueckskennzeichen"]);
        own.text("oid", Some(&format!("{}FL", row.oid)));
        own.text("flstkennz", key.as_deref());
        own.text("flur", text(&["flurnummer"]).as_deref());
        own.text("flstnrzae", number("zaehler").as_deref());
        own.text("flstnrnen", number("nenner").as_deref());
        own.real("flaeche", text(&["amtlicheFlaeche"]).and_then(|area| area.parse().ok()));
        let number = match (number("zaehler"), number("nenner")) {
            (Some(upper), Some(lower)) => Some(format!("{upper}/{lower}")),
            (upper, _) => upper.map(Cow::into_owned),
        };
        label.text("text", number.as_deref());
        label.text("flstkennz", key.as_deref());
    } else if class == "AX_GeoreferenzierteGebaeudeadresse" {
        let whole = [text(&["hausnummer"]), text(&["adressierungszusatz"])];
        label.text("text", Some(&whole.into_iter().flatten().collect::<String>()));
    } else if let Some((key, title)) = codes::building_class(class) {
        let function = text(&["gebaeudefunktion"]).or_else(|| text(&["bauwerksfunktion"]));
        own.text("oid", Some(&row.oid));
        own.text("gebnutzbez", Some(title));
        own.text("funktion", function.as_deref().and_then(|code| codes::kind(class, code)));
        own.text("gfkzshh", Some(&format!("{key}_{}", function.as_deref().unwrap_or("0000"))));
        own.text("name", text(&["name"]).as_deref());
    } else if let Some((title, property)) = codes::land_use_class(class) {
        own.text("oid", Some(&row.oid));
        own.text("nutzart", Some(title));
        own.text("bez", text(&[property]).and_then(|code| codes::kind(class, &code)));
    }
    Tags { own: own.0, label: label.0 }
}

struct Tag(Vec<(&'static str, Value)>);

impl Tag {
    fn text(&mut self, name: &'static str, value: Option<&str>) {
        self.0.extend(value.map(|value| (name, Value::Text(value.to_owned()))));
    }
    fn real(&mut self, name: &'static str, value: Option<f64>) {
        self.0.extend(value.filter(|value| value.is_finite()).map(|value| (name, Value::Real(value))));
    }
}
