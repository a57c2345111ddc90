//! STAC 1.1: items and collections as plain JSON (SpatioTemporal Asset Catalog, item and collection specification 1.1.0).
//!
//! Only the core: an item with extensions cannot be validated where the validator has no way to their schemas, as in an office's
//! network.

use crate::crs::Bbox;
use serde_json::{Map, Value, json};

const VERSION: &str = "1.1.0";

/// First and last day of something, ISO 8601 dates; both ends belong to it.
pub type Days = (String, String);

/// A file that an item or collection refers to.
#[derive(Debug, Clone)]
pub struct Asset {
    /// Key in the list of assets.
    pub key: String,
    /// Address, relative to the JSON file.
    pub href: String,
    /// IANA media type.
    pub media_type: String,
    /// Title.
    pub title: String,
    /// Roles: `data`, `visual`, `thumbnail` ...
    pub roles: Vec<String>,
}

/// An item: one image.
#[derive(Debug, Clone)]
pub struct Item {
    /// Identifier, unique within the collection.
    pub id: String,
    /// Outline in longitude and latitude: a closed ring, anticlockwise (RFC 7946).
    pub ring: Vec<[f64; 2]>,
    /// Extent in longitude and latitude.
    pub bbox: Bbox,
    /// When it was taken.
    pub days: Days,
    /// Side of a pixel on the ground in metres.
    pub gsd: f64,
    /// Further properties.
    pub properties: Map<String, Value>,
    /// Files.
    pub assets: Vec<Asset>,
}

/// A collection of items.
#[derive(Debug, Clone)]
pub struct Collection {
    /// Identifier.
    pub id: String,
    /// Title.
    pub title: String,
    /// What it is.
    pub description: String,
    /// SPDX identifier, or `other`.
    pub license: String,
    /// Extent in longitude and latitude.
    pub bbox: Bbox,
    /// First and last day, where known.
    pub days: Option<Days>,
    /// Attribution.
    pub attribution: Option<String>,
    /// Addresses of the items, relative to the collection.
    pub items: Vec<String>,
    /// Files.
    pub assets: Vec<Asset>,
}

/// The SPDX name of a licence of DCAT-AP.de, or `other`.
pub fn spdx(licence: Option<&str>) -> &'static str {
    let short = licence.unwrap_or_default().rsplit("licenses/").next().unwrap_or_default();
    match short {
        "dl-by-de/2.0" | "dl-de/by-2-0" => "DL-DE-BY-2.0",
        "dl-zero-de/2.0" | "dl-de/zero-2-0" => "DL-DE-ZERO-2.0",
        "cc-by/4.0" | "cc-by/4.0/" => "CC-BY-4.0",
        "cc-by-sa/4.0" => "CC-BY-SA-4.0",
        "cc-zero" | "cc-zero/1.0" => "CC0-1.0",
        _ => "other",
    }
}

fn corners(bbox: &Bbox) -> Value {
    json!([bbox.min[0], bbox.min[1], bbox.max[0], bbox.max[1]])
}

fn interval((first, last): &Days) -> [String; 2] {
    [format!("{first}T00:00:00Z"), format!("{last}T23:59:59Z")]
}

fn assets(assets: &[Asset]) -> Value {
    let entry = |asset: &Asset| {
        let value = json!({ "href": asset.href, "type": asset.media_type, "title": asset.title, "roles": asset.roles });
        (asset.key.clone(), value)
    };
    Value::Object(assets.iter().map(entry).collect())
}

impl Item {
    /// The item as GeoJSON; `collection` is the identifier of its collection, whose file is `href`.
    pub fn to_json(&self, collection: &str, href: &str) -> Value {
        let [start, end] = interval(&self.days);
        let mut properties = Map::new();
        // A day is known, not a moment: the pair of times says that (common metadata, "date and time range").
        properties.insert("datetime".into(), Value::Null);
        properties.insert("start_datetime".into(), start.into());
        properties.insert("end_datetime".into(), end.into());
        properties.insert("gsd".into(), self.gsd.into());
        properties.extend(self.properties.clone());
        let link = |rel: &str, media_type: &str| json!({ "rel": rel, "href": href, "type": media_type });
        json!({
            "type": "Feature",
            "stac_version": VERSION,
            "id": self.id,
            "geometry": { "type": "Polygon", "coordinates": [self.ring] },
            "bbox": corners(&self.bbox),
            "properties": properties,
            "links": [link("root", "application/json"), link("parent", "application/json"), link("collection", "application/json")],
            "assets": assets(&self.assets),
            "collection": collection,
        })
    }
}

impl Collection {
    /// The collection as JSON; `own` is its own file name.
    pub fn to_json(&self, own: &str) -> Value {
        let times = self.days.as_ref().map_or(json!([null, null]), |days| json!(interval(days)));
        let mut links = vec![json!({ "rel": "root", "href": own, "type": "application/json" })];
        links.extend(self.items.iter().map(|href| json!({ "rel": "item", "href": href, "type": "application/geo+json" })));
        let mut collection = json!({
            "type": "Collection",
            "stac_version": VERSION,
            "id": self.id,
            "title": self.title,
            "description": self.description,
            "license": self.license,
            "extent": { "spatial": { "bbox": [corners(&self.bbox)] }, "temporal": { "interval": [times] } },
            "links": links,
            "assets": assets(&self.assets),
        });
        if let Some(attribution) = &self.attribution {
            collection["providers"] = json!([{ "name": attribution, "roles": ["licensor"] }]);
        }
        collection
    }
}
