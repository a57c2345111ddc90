//! OGC API – Records, Part 1: a record as GeoJSON (OGC 20-004r1, clause 8).

use super::record::{LinkRole, Record};
use serde_json::{Value, json};

/// The class of records that these conform to.
const CONFORMS: &str = "http://www.opengis.net/spec/ogcapi-records-1/1.0/req/record-core";

/// The record as a GeoJSON feature. `own` is its address, relative or not.
pub fn write(record: &Record, own: &str) -> Value {
    let geometry = record.extent.map(|extent| {
        let [west, south, east, north] = [extent.min[0], extent.min[1], extent.max[0], extent.max[1]];
        json!({ "type": "Polygon", "coordinates": [[[west, south], [east, south], [east, north], [west, north], [west, south]]] })
    });
    let time = record
        .period
        .as_ref()
        .filter(|(a, b)| a.len() == 10 && b.len() == 10)
        .map(|(first, last)| if first == last { json!({ "date": first }) } else { json!({ "interval": [first, last] }) });
    let mut properties = json!({
        "type": record.level.code(),
        "title": record.title,
        "description": record.abstract_text,
        "created": format!("{}T00:00:00Z", record.published),
        "updated": format!("{}T00:00:00Z", record.date_stamp),
        "language": { "code": "de", "name": "Deutsch" },
        "keywords": record.keywords,
        "formats": record.formats.iter().map(|format| json!({ "name": format.name })).collect::<Vec<_>>(),
    });
    if !record.resource_id.is_empty() {
        properties["externalIds"] = json!([{ "value": record.resource_id }]);
    }
    if let Some(licence) = record.licence {
        properties["license"] = json!(licence.url);
    }
    if let Some(text) = &record.attribution {
        properties["rights"] = json!(text);
    }
    if let Some(theme) = record.theme {
        properties["themes"] = json!([{
            "concepts": [{ "id": theme.code, "title": theme.name, "url": format!("http://inspire.ec.europa.eu/theme/{}", theme.code) }],
            "scheme": "http://inspire.ec.europa.eu/theme",
        }]);
    }
    if let Some(contact) = &record.contact {
        properties["contacts"] = json!([{
            "organization": contact.organisation, "emails": [{ "value": contact.email }], "roles": ["pointOfContact"],
        }]);
    }
    let link = |link: &super::record::Link| {
        let rel = if link.role == LinkRole::Download { "enclosure" } else { "describedby" };
        let mut value = json!({ "rel": rel, "href": link.url, "type": link.media_type, "title": link.title });
        if link.size_mb > 0.0 {
            value["length"] = json!((link.size_mb * 1e6).round() as u64);
        }
        value
    };
    let mut links = vec![json!({ "rel": "self", "href": own, "type": "application/geo+json" })];
    links.extend(record.links.iter().map(link));
    json!({
        "id": record.uuid.to_string(),
        "type": "Feature",
        "conformsTo": [CONFORMS],
        "geometry": geometry,
        "time": time,
        "properties": properties,
        "links": links,
    })
}
