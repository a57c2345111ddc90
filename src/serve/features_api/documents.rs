//! What the API says about itself: landing page, conformance, collections, queryables.

use super::super::http::Response;
use super::collection::Collection;
use super::format::Format;
use super::problem::Problem;
use super::source::Release;
use super::table::Kind;
use super::target::CRS84;
use super::{BASE, openapi, pages};
use crate::error::Result;
use crate::markup::url_path;
use serde_json::{Map, Value, json};

/// Media type of features.
pub const GEOJSON: &str = "application/geo+json";
/// Media type of everything else.
pub const JSON: &str = "application/json";
/// Media type of the description of the API.
pub const OPENAPI: &str = "application/vnd.oai.openapi+json;version=3.0";
/// Media type of JSON Schema.
pub const SCHEMA: &str = "application/schema+json";

/// Classes that are met.
const CLASSES: [&str; 8] = [
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-common-2/1.0/conf/collections",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/html",
    "http://www.opengis.net/spec/ogcapi-features-2/1.0/conf/crs",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/queryables",
];

/// Addresses of the API.
pub struct Links {
    /// Address of the server.
    own: String,
}

impl Links {
    /// Of a server at this address.
    pub fn new(own: &str) -> Self {
        Self { own: own.to_owned() }
    }
    /// The address of a path of the API.
    pub fn to(&self, path: &str) -> String {
        format!("{}{BASE}{path}", self.own)
    }
    /// The address of a path of the server.
    pub fn beside(&self, path: &str) -> String {
        format!("{}{path}", self.own)
    }
    /// The path of a collection.
    pub fn collection(id: &str) -> String {
        // A colon is allowed within a path (RFC 3986, 3.3), and easier to read.
        format!("/collections/{}", url_path(id).replace("%3A", ":"))
    }
    /// A link to a path of the API.
    pub fn link(&self, rel: &str, path: &str, media_type: &str, title: &str) -> Value {
        json!({ "rel": rel, "href": self.to(path), "type": media_type, "title": title, "hreflang": "de" })
    }
    /// Links of a document to itself and to its other form.
    fn both(&self, path: &str, media_type: &str) -> Vec<Value> {
        vec![
            self.link("self", &format!("{path}?f=json"), media_type, "Dieses Dokument"),
            self.link("alternate", &format!("{path}?f=html"), "text/html", "Dieses Dokument als HTML"),
        ]
    }
}

fn answer(media_type: &'static str, value: &Value) -> Response {
    Response::text(200, media_type, value.to_string())
}

/// The landing page.
pub fn landing(release: &Release, links: &Links, format: Format) -> Response {
    if format == Format::Html {
        return pages::landing(release, links);
    }
    let mut all = links.both("/", JSON);
    all.extend([
        links.link("service-desc", "/api?f=json", OPENAPI, "Beschreibung der Schnittstelle (OpenAPI 3.0)"),
        links.link("service-doc", "/api?f=html", "text/html", "Beschreibung der Schnittstelle"),
        links.link("conformance", "/conformance?f=json", JSON, "Erfüllte Konformitätsklassen"),
        links.link("data", "/collections?f=json", JSON, "Sammlungen"),
    ]);
    answer(JSON, &json!({ "title": release.title, "description": description(release), "links": all }))
}

/// What the service is, in a sentence.
pub fn description(release: &Release) -> String {
    let office = &release.contact.0;
    let of = if office.is_empty() { String::new() } else { format!(" – {office}") };
    format!("Veröffentlichte Geodaten zum Abfragen und Herunterladen (OGC API – Features){of}")
}

/// Classes of collections that can be edited (OGC 20-002).
const EDITS: [&str; 2] = [
    "http://www.opengis.net/spec/ogcapi-features-4/1.0/conf/create-replace-delete",
    "http://www.opengis.net/spec/ogcapi-features-4/1.0/conf/update",
];

/// The classes that are met.
pub fn conformance(release: &Release, links: &Links, format: Format) -> Response {
    let edits = release.collections.iter().any(|collection| collection.editable);
    let classes: Vec<&str> = CLASSES.iter().chain(EDITS.iter().filter(|_| edits)).copied().collect();
    match format {
        Format::Html => pages::conformance(&classes, links),
        Format::Json => answer(JSON, &json!({ "conformsTo": classes, "links": links.both("/conformance", JSON) })),
    }
}

/// The description of the API.
pub fn api(release: &Release, links: &Links, format: Format) -> Response {
    let document = openapi::document(release, links);
    match format {
        Format::Html => pages::api(&document, links),
        Format::Json => answer(OPENAPI, &document),
    }
}

/// All collections.
pub fn collections(release: &Release, links: &Links, format: Format) -> Result<Response, Problem> {
    if format == Format::Html {
        return Ok(pages::collections(release, links));
    }
    let all = release.collections.iter().map(|collection| described(release, collection, links));
    let all = all.collect::<Result<Vec<_>>>()?;
    Ok(answer(JSON, &json!({ "links": links.both("/collections", JSON), "collections": all })))
}

/// One of them.
pub fn collection(release: &Release, collection: &Collection, links: &Links, format: Format) -> Result<Response, Problem> {
    let value = described(release, collection, links)?;
    Ok(match format {
        Format::Html => pages::collection(collection, &value, links),
        Format::Json => answer(JSON, &value),
    })
}

fn described(release: &Release, collection: &Collection, links: &Links) -> Result<Value> {
    let path = Links::collection(&collection.id);
    let mut all = links.both(&path, JSON);
    all.extend([
        links.link("items", &format!("{path}/items"), GEOJSON, "Objekte"),
        links.link("items", &format!("{path}/items?f=html"), "text/html", "Objekte als HTML"),
        links.link(
            "http://www.opengis.net/def/rel/ogc/1.0/queryables",
            &format!("{path}/queryables"),
            SCHEMA,
            "Eigenschaften, nach denen ausgewählt werden kann",
        ),
    ]);
    let about = &collection.about;
    if let Some(record) = &about.record {
        let href = links.beside(&format!("/collections/records/items/{}", url_path(record)));
        all.push(json!({ "rel": "describedby", "href": href, "type": GEOJSON, "title": "Metadaten" }));
    }
    all.extend(about.licence.as_ref().map(|licence| json!({ "rel": "license", "href": licence, "title": "Lizenz" })));
    let mut value = json!({
        "id": collection.id, "title": collection.title, "description": collection.description, "itemType": "feature",
        "keywords": about.keywords, "links": all,
        "crs": [CRS84],
    });
    if !collection.targets.is_empty() {
        value["crs"] = collection.targets.iter().map(|target| target.uri.as_str()).collect();
    }
    if let Some(stored) = collection.stored() {
        value["storageCrs"] = stored.uri.as_str().into();
    }
    let mut extent = Map::new();
    if let Some(bbox) = collection.extent {
        let corners = [bbox.min, bbox.max].concat().into_iter().map(crate::format::geojson::seven_decimals);
        extent.insert("spatial".to_owned(), json!({ "bbox": [corners.collect::<Vec<f64>>()], "crs": CRS84 }));
    }
    if let Some((first, last)) = collection.period()? {
        let moment = |text: &str, time: &str| if text.len() == 10 { format!("{text}T{time}Z") } else { text.to_owned() };
        let interval = [moment(&first, "00:00:00"), moment(&last, "23:59:59")];
        let name = "http://www.opengis.net/def/uom/ISO-8601/0/Gregorian";
        extent.insert("temporal".to_owned(), json!({ "interval": [interval], "trs": name }));
    }
    if !extent.is_empty() {
        value["extent"] = Value::Object(extent);
    }
    if let Some(attribution) = &about.attribution {
        value["attribution"] = attribution.as_str().into();
    }
    if let Some(count) = collection.table.rows {
        value["numberOfFeatures"] = count.into();
    }
    value["release"] = release.id.as_str().into();
    Ok(value)
}

/// The properties by which features can be chosen, as JSON Schema.
pub fn queryables(collection: &Collection, links: &Links, format: Format) -> Response {
    let path = format!("{}/queryables", Links::collection(&collection.id));
    let mut properties = Map::new();
    for (_, column) in collection.queryables() {
        let mut value = schema(column.kind);
        value["title"] = column.title.as_str().into();
        if !column.values.is_empty() {
            value["enum"] = column.values.iter().map(|(value, _)| value.as_str()).collect();
        }
        let moment = collection.table.time.as_ref().filter(|time| time.until.is_none() && time.from == column.name);
        if moment.is_some() {
            value["x-ogc-role"] = "primary-instant".into();
        }
        properties.insert(column.name.clone(), value);
    }
    if let Some(shape) = collection.table.shape.as_ref().filter(|_| !collection.targets.is_empty()) {
        let form = match shape.type_name.as_str() {
            "POINT" | "LINESTRING" | "POLYGON" | "MULTIPOINT" | "MULTILINESTRING" | "MULTIPOLYGON" => {
                format!("geometry-{}", shape.type_name.to_lowercase())
            }
            _ => "geometry-any".to_owned(),
        };
        properties
            .insert(shape.column.clone(), json!({ "title": "Geometrie", "x-ogc-role": "primary-geometry", "format": form }));
    }
    let document = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema", "$id": links.to(&path), "type": "object",
        "title": collection.title, "properties": properties, "additionalProperties": false,
    });
    match format {
        Format::Html => pages::queryables(collection, links),
        Format::Json => answer(SCHEMA, &document),
    }
}

/// The JSON Schema of values of a type.
pub fn schema(kind: Kind) -> Value {
    match kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Integer => json!({ "type": "integer" }),
        Kind::Number => json!({ "type": "number" }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Date => json!({ "type": "string", "format": "date" }),
        Kind::Moment => json!({ "type": "string", "format": "date-time" }),
        Kind::Any => json!({}),
    }
}
