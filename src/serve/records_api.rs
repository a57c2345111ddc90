//! OGC API – Records, Part 1 (OGC 20-004r1): landing page, conformance, one collection, its records, with `ids`, `q`, `bbox`,
//! `type`, `limit` and `offset`. JSON only.

use super::catalogue::{Entry, Holdings};
use super::filter::touches;
use super::http::{Request, Response};
use crate::markup::url_path;
use serde_json::{Value, json};

const JSON: &str = "application/json";
const GEOJSON: &str = "application/geo+json";
const CLASSES: [&str; 7] = [
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-common-2/1.0/conf/collections",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    "http://www.opengis.net/spec/ogcapi-records-1/1.0/conf/record-core",
    "http://www.opengis.net/spec/ogcapi-records-1/1.0/conf/record-collection",
    "http://www.opengis.net/spec/ogcapi-records-1/1.0/conf/json",
];
/// Records on a page, unless asked for otherwise, and at most.
const PAGE: (usize, usize) = (10, 1_000);
const ITEMS: &str = "/collections/records/items";

/// Answers.
pub fn respond(holdings: &Holdings, request: &Request, path: &str) -> Response {
    let own = &request.own;
    match path.trim_end_matches('/') {
        "" => answer(JSON, &landing(holdings, own)),
        "/conformance" => answer(JSON, &json!({ "conformsTo": CLASSES })),
        "/collections" => answer(
            JSON,
            &json!({ "links": [link(own, "self", "/collections", JSON)], "collections": [collection(holdings, own)] }),
        ),
        "/collections/records" => answer(JSON, &collection(holdings, own)),
        ITEMS => items(holdings, request),
        other => {
            let id = other.strip_prefix(ITEMS).and_then(|rest| rest.strip_prefix('/'));
            match id.and_then(|id| holdings.entries.iter().find(|entry| entry.id == id)) {
                Some(entry) => answer(GEOJSON, &item(entry, own)),
                None => fault(404, "NotFound", "there is nothing here"),
            }
        }
    }
}

fn answer(media_type: &'static str, value: &Value) -> Response {
    Response::text(200, media_type, value.to_string())
}

fn fault(status: u16, code: &str, text: &str) -> Response {
    Response::text(status, JSON, json!({ "code": code, "description": text }).to_string())
}

fn link(own: &str, rel: &str, path: &str, media_type: &str) -> Value {
    json!({ "rel": rel, "href": format!("{own}{path}"), "type": media_type })
}

fn landing(holdings: &Holdings, own: &str) -> Value {
    json!({
        "title": holdings.title,
        "description": "Metadatensätze der veröffentlichten Geodaten",
        "links": [
            link(own, "self", "/", JSON),
            link(own, "conformance", "/conformance", JSON),
            link(own, "data", "/collections", JSON),
            link(own, "http://www.opengis.net/def/rel/ogc/1.0/ogc-catalog", "/collections/records", JSON),
            { "rel": "related", "href": format!("{own}/features"), "type": JSON, "title": "OGC API – Features" },
            { "rel": "alternate", "href": format!("{own}/csw?service=CSW&version=2.0.2&request=GetCapabilities"), "type": "application/xml" },
        ],
    })
}

fn collection(holdings: &Holdings, own: &str) -> Value {
    let boxes: Vec<[f64; 4]> = holdings.entries.iter().filter_map(|entry| entry.bbox).collect();
    let all = boxes.iter().copied().reduce(|a, b| [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])]);
    let mut value = json!({
        "id": "records",
        "title": holdings.title,
        "description": "Metadatensätze der veröffentlichten Geodaten",
        "itemType": "record",
        "type": "Collection",
        "links": [link(own, "self", "/collections/records", JSON), link(own, "items", ITEMS, GEOJSON)],
    });
    if let Some(all) = all {
        value["extent"] = json!({ "spatial": { "bbox": [all], "crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84" } });
    }
    value
}

/// A record with the addresses under which it is served here.
fn item(entry: &Entry, own: &str) -> Value {
    let mut value = entry.json.clone();
    let id = url_path(&entry.id);
    let mut links = vec![
        link(own, "self", &format!("{ITEMS}/{id}"), GEOJSON),
        link(own, "collection", "/collections/records", JSON),
        json!({
            "rel": "alternate", "type": "application/xml", "title": "ISO 19139",
            "href": format!("{own}/csw?service=CSW&version=2.0.2&request=GetRecordById&outputSchema=http://www.isotc211.org/2005/gmd&elementSetName=full&id={id}"),
        }),
    ];
    let others = value.get("links").and_then(Value::as_array).cloned().unwrap_or_default();
    links.extend(others.into_iter().filter(|link| link["rel"] != "self"));
    value["links"] = json!(links);
    value
}

fn items(holdings: &Holdings, request: &Request) -> Response {
    const KNOWN: [&str; 8] = ["ids", "q", "bbox", "type", "limit", "offset", "f", "externalids"];
    if let Some((name, _)) = request.query.iter().find(|(name, _)| !KNOWN.contains(&name.as_str())) {
        let name: String = name.chars().take(40).collect();
        return fault(400, "InvalidParameterValue", &format!("there is no parameter '{name}'"));
    }
    let number = |name: &str, usual: usize| request.get(name).map_or(Some(usual), |text| text.parse().ok());
    let (Some(limit), Some(offset)) = (number("limit", PAGE.0).filter(|limit| *limit > 0), number("offset", 0)) else {
        return fault(400, "InvalidParameterValue", "limit and offset are numbers, limit at least 1");
    };
    let limit = limit.min(PAGE.1);
    let area = match request.get("bbox").map(corners) {
        Some(None) => return fault(400, "InvalidParameterValue", "bbox has four or six numbers"),
        Some(area) => area,
        None => None,
    };
    let words: Vec<String> =
        request.get("q").unwrap_or_default().split([',', ' ']).filter(|w| !w.is_empty()).map(str::to_lowercase).collect();
    let list = |name: &str| request.get(name).map(|text| text.split(',').map(str::to_owned).collect::<Vec<_>>());
    let (ids, kinds) = (list("ids"), list("type"));
    let fits = |entry: &&Entry| {
        ids.as_ref().is_none_or(|ids| ids.contains(&entry.id))
            && kinds.as_ref().is_none_or(|kinds| kinds.contains(&entry.kind))
            && area.is_none_or(|area| entry.bbox.is_some_and(|own| touches(own, area)))
            && (words.is_empty() || words.iter().any(|word| entry.any_text.contains(word)))
    };
    let matched: Vec<&Entry> = holdings.entries.iter().filter(fits).collect();
    let page: Vec<Value> = matched.iter().skip(offset).take(limit).map(|entry| item(entry, &request.own)).collect();
    let query = |offset: usize| {
        let kept = request.query.iter().filter(|(name, _)| name != "offset" && name != "limit");
        let kept = kept.map(|(name, value)| format!("&{name}={}", url_path(value))).collect::<Vec<_>>().concat();
        format!("{ITEMS}?limit={limit}&offset={offset}{kept}")
    };
    let mut links = vec![link(&request.own, "self", &query(offset), GEOJSON)];
    if offset.saturating_add(page.len()) < matched.len() && !page.is_empty() {
        links.push(link(&request.own, "next", &query(offset + page.len()), GEOJSON));
    }
    answer(
        GEOJSON,
        &json!({
            "type": "FeatureCollection", "features": page, "links": links,
            "numberMatched": matched.len(), "numberReturned": page.len(), "timeStamp": crate::run::utc_now(),
        }),
    )
}

fn corners(text: &str) -> Option<[f64; 4]> {
    let numbers: Vec<f64> =
        text.split(',').map(|part| part.trim().parse().ok().filter(|n: &f64| n.is_finite())).collect::<Option<_>>()?;
    match numbers[..] {
        [w, s, e, n] | [w, s, _, e, n, _] => Some([w, s, e, n]),
        _ => None,
    }
}
